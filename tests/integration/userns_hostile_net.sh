#!/usr/bin/env bash
# The network of a container with every capability ends at its veth: nothing of the host's network can be made, changed
# or seen through it. The controls make the same attempts without a user namespace (--userns=host).
. "$(dirname "$0")/../lib.sh"
. "$top/tests/helpers.sh"
. "$top/tests/userns.sh"

read_only_host

index_of() { # LINK
    cat "/sys/class/net/$1/ifindex"
}
links() {
    ip -brief link show | awk '{ print $1 }' | sort
}

other_end() {
    armed a
    local before report
    before=$(links)
    # The namespace at the other end of its veth has an id here, as it has everywhere.
    shell a 'ip link show eth0' >/dev/null
    report=$(inside a link get nc-default && inside a link get lo && inside a link new pwned &&
        inside a link del nc-default && inside a link macvlan "$(index_of eth0)" && inside a link macvlan "$(index_of nc-default)")
    assert_refused "$report"
    assert_eq "$(links)" "$before"
    unbound b
    report=$(inside b link get nc-default && inside b link new pwned && inside b link macvlan "$(index_of eth0)")
    assert_done "$report" get new macvlan
    assert_contains "$(links)" pwned
    assert_done "$(inside b link del pwned)" del
    assert_lacks "$(links)" pwned
}
t "its veth's other end gives it no link of the host, and takes none away" other_end

# ip(8), with all kinds of links that may lie on one of another namespace.
stacked() {
    armed a
    local kind here said
    here=$(index_of eth0)
    for kind in 'macvlan mode bridge' 'macvlan mode passthru' 'macvtap mode bridge' 'vlan id 5' 'ipvlan mode l2' \
        'vxlan id 5 dev if2' 'bareudp dstport 1 ethertype 2048'; do
        # shellcheck disable=SC2086 # several words
        said=$(netctr exec a /usr/sbin/ip link add mv0 link "if$here" link-netnsid 0 type $kind 2>&1) || true
        case $said in
        *'not permitted'* | *'not supported'* | *Unknown* | *'cannot find device'* | *'Cannot find device'*) ;;
        *) fail "$kind: $said" ;;
        esac
    done
    assert_fails netctr exec a /usr/sbin/ip link show mv0 2>/dev/null
    unbound b
    netctr exec b /usr/sbin/ip link add mv0 link "if$here" link-netnsid 0 type macvlan mode bridge
}
t 'no macvlan, vlan or ipvlan on an interface of the host' stacked

# What it has cannot be moved to the host, and what others have cannot be moved to it.
moves() {
    mkdir -p "$tmp/v"
    armed a -v "$tmp/v:/v"
    unbound b -v "$tmp/v:/v"
    local name
    /usr/bin/python3 -c 'import os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
for _ in 1, 2:
    socket.send_fds(server.accept()[0], [b"x"], [os.open("/proc/self/ns/net", os.O_RDONLY)])' "$tmp/v/s" &
    wait_for 5 test -S "$tmp/v/s"
    for name in a b; do
        netctr exec $name /usr/bin/python3 -c 'import os, socket, subprocess
s = socket.socket(socket.AF_UNIX)
s.connect("/v/s")
fd = socket.recv_fds(s, 1, 1)[1][0]
subprocess.run("ip link add v7 type veth peer name w7", shell=True)
os.set_inheritable(fd, True)
raise SystemExit(subprocess.run(["ip", "link", "set", "v7", "netns", f"/proc/self/fd/{fd}"], close_fds=False).returncode)' \
            2>"$tmp/why.$name" || true
    done
    assert_contains "$(cat "$tmp/why.a")" 'not permitted'
    assert_eq "$(links | grep -c '^v7@')" 1 'control: what b has moved'
}
t 'a link of its own cannot be moved to the host, even with an fd of that namespace' moves

firewall_of_the_host() {
    armed a
    wait_for 5 helpers_work
    local before
    before=$(firewall)
    assert_contains "$before" netctr
    assert_eq "$(netctr exec a /usr/sbin/nft list ruleset)" ''
    netctr exec a /usr/sbin/nft add table inet netctr
    netctr exec a /usr/sbin/nft flush ruleset
    assert_eq "$(firewall)" "$before"
}
t 'its firewall is another one' firewall_of_the_host

# Whatever it does to its own end, it sends only with its own addresses, and changes no other link.
own_end() {
    armed a
    local before address
    before=$(links)
    address=$(address_of a)
    shell a 'ip link set eth0 down; ip link set eth0 address 02:00:00:00:00:77; ip addr add 10.88.0.1/16 dev eth0
        ip link set eth0 up' 2>/dev/null
    assert_fails netctr exec a /bin/ping -c 1 -W 1 192.0.2.9 >/dev/null
    assert_eq "$(links)" "$before"
    # It may delete its own veth: no neighbour and no rule of the host goes with it.
    armed b
    netctr exec a /usr/sbin/ip link del eth0
    netctr exec b /bin/ping -c 1 -W 2 192.0.2.9 >/dev/null
    [ "$(address_of b)" != "$address" ] || fail "they have the same address"
}
t 'what it does to its own interface reaches no further' own_end

# The settings of the host's network: those that all namespaces share are not to be written.
shared_settings() {
    armed a
    local name
    netctr exec a /bin/mount -o remount,bind,rw /proc/sys
    for name in net/ipv4/tcp_mem net/ipv4/udp_mem net/core/netdev_max_backlog net/core/bpf_jit_enable net/core/rmem_max \
        net/netfilter/nf_conntrack_max net/netfilter/nf_conntrack_buckets net/ipv4/neigh/default/gc_thresh3 \
        net/ipv6/neigh/default/gc_thresh1 net/ipv4/ipfrag_secret_interval; do
        [ -e "/proc/sys/$name" ] || continue
        if shell a "echo 1 >/proc/sys/$name" 2>/dev/null; then fail "it has written $name"; fi
    done
    # Positive: its own.
    shell a 'echo 1 >/proc/sys/net/ipv4/ip_forward; cat /proc/sys/net/ipv4/ip_forward' | has -x 1
}
t 'settings that all network namespaces share are read-only' shared_settings

vsock() {
    armed a -v "$top/${NETCTR_BUILD:-build}/tests/door:/door:ro"
    netctr exec a /door
}
t 'sockets that bypass the network stay closed with every capability' vsock
