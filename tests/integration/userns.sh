#!/usr/bin/env bash
# With a user namespace of its own, which every container has, everything works as without one: files have the ids that
# the host sees, and root inside is root of all that is the container's.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/userns.sh"

background() { # NAME [FLAGS...]
    netctr run -d --name "$1" "${@:2}" "$box" sleep 1000 >/dev/null
}
run() {
    netctr run --rm --network none "$@"
}
upper_of() { # NAME
    printf '%s/containers/%s/upper\n' "$state" "$1"
}
ids() { # FILE...
    stat -c '%u:%g' "$@" | paste -sd' '
}

# ---- files ---------------------------------------------------------------------------------------

one_root_for_all() {
    background a --network none
    background b --network none
    local name
    for name in a b; do
        assert_eq "$(shell $name 'stat -c %u:%g / /bin/busybox /etc | uniq')" 0:0
        shell $name "echo $name >/own; chown 1000:1001 /own; rm /bin/yes; mkdir -p /home/new"
    done
    assert_eq "$(netctr exec a cat /own) $(netctr exec b cat /own)" 'a b'
    if [ ! -e "$box/bin/yes" ] || [ -e "$box/own" ]; then fail 'the root directory was changed'; fi
    for name in a b; do
        assert_eq "$(ids "$(upper_of $name)/own")" "$(($(first_id $name) + 1000)):$(($(first_id $name) + 1001))"
        assert_eq "$(ids "$(upper_of $name)")" "$(first_id $name):$(first_id $name)"
    done
}
t 'containers share a root directory, whose files keep their ids' one_root_for_all

volumes() {
    mkdir -p "$tmp/v/open"
    echo given >"$tmp/v/1000"
    chmod 600 "$tmp/v/1000"
    chown 1000:1001 "$tmp/v/1000"
    chmod 777 "$tmp/v/open"
    background a --network none -v "$tmp/v:/v" -v "$tmp/v:/deep/new:ro"
    background b --network none -v "$tmp/v:/v" -u 1000:1001
    shell a 'cd /v && touch 0 new && chown 1000:1001 new && chown 65535:65535 open && mkdir dir && ln 0 hard &&
        mkfifo fifo'
    assert_eq "$(cd "$tmp/v" && ids 0 new open dir)" '0:0 1000:1001 65535:65535 0:0'
    assert_eq "$(shell a 'cd /v && stat -c %u:%g 1000 new open' | paste -sd' ')" '1000:1001 1000:1001 65535:65535'
    # Another container, another range: the same ids. A user of it has the rights of the owner.
    assert_eq "$(shell b 'cat /v/1000; touch /v/open/by-user; stat -c %u:%g /v/open/by-user')" $'given\n1000:1001'
    assert_eq "$(ids "$tmp/v/open/by-user")" '1000:1001'
    # The targets that netctr made belong to the container's root.
    assert_eq "$(shell a 'stat -c %u:%g /v /deep /deep/new' | paste -sd' ')" '0:0 0:0 0:0'
    shell a 'touch /deep/other'
    assert_fails shell a 'touch /deep/new/x' 2>/dev/null
    # There are no ids beyond.
    assert_fails shell a 'chown 65536 /v/0' 2>/dev/null
    assert_fails shell a 'chown 65536 /root' 2>/dev/null
}
t 'files on a volume have the ids of the container, on the host as well' volumes

a_file_as_volume() {
    echo one >"$tmp/file"
    background a --network none -v "$tmp/file:/etc/thing"
    shell a 'echo two >>/etc/thing; stat -c %u /etc/thing' | has -x 0
    assert_eq "$(cat "$tmp/file")" $'one\ntwo'
}
t 'a file as a volume' a_file_as_volume

in_place() {
    cp -a "$box" "$tmp/root"
    run --in-place "$tmp/root" sh -c 'touch /0 /1000 && chown 1000:1000 /1000 && stat -c %u / /0 | uniq' | has -x 0
    assert_eq "$(cd "$tmp/root" && ids 0 1000)" '0:0 1000:1000'
}
t '--in-place: the ids of the container are those of the directory' in_place

read_only() {
    assert_eq "$(run --read-only --tmpfs /t "$box" sh -c 'touch /x || touch /t/x && stat -c %u /t/x' 2>/dev/null)" 0
    cp -a "$box" "$tmp/fixed"
    assert_fails run --read-only --in-place "$tmp/fixed" touch /x 2>/dev/null
    assert_fails run --read-only "$box" touch /x 2>/dev/null
}
t '--read-only' read_only

tmpfs() {
    assert_eq "$(run --tmpfs /t:uid=1000,gid=1001,mode=700 -u 1000:1001 "$box" \
        sh -c 'touch /t/x; stat -c "%u:%g %a" /t')" '1000:1001 700'
    assert_eq "$(run --tmpfs /t "$box" stat -c %u:%g /t)" 0:0
    assert_eq "$(run "$box" stat -c %u:%g /dev /dev/null /dev/shm /dev/pts /dev/mqueue | uniq)" 0:0
}
t 'the owner of a tmpfs is one of its own users' tmpfs

# What package managers and init scripts do.
administration() {
    equipped a --network none --cap-drop ALL --cap-add CHOWN --cap-add DAC_OVERRIDE --cap-add FOWNER --cap-add SETFCAP \
        --cap-add SETUID --cap-add SETGID --cap-add MKNOD --cap-add FSETID --cap-add SYS_CHROOT
    shell a 'set -e
        cp -a /etc /etc2; chown -R 100:101 /etc2; chmod 2755 /etc2; mv /etc2 /etc3; rm -r /etc3
        mkfifo /fifo; mknod /fifo2 p; ln -s /etc /link; ln /fifo /fifo3
        cp /attack /su; chmod 6755 /su; cp /attack /cap; /usr/sbin/setcap cap_net_raw+ep /cap
        tar cf /t.tar /root; tar xf /t.tar -C /tmp
        chroot / true'
    assert_eq "$(netctr exec -u 1000 a /su ids | cut -d' ' -f1)" 'euid=0'
    assert_eq "$(netctr exec a /bin/sh -c 'setpriv --reuid 1000 --regid 1000 --clear-groups id -u')" 1000
}
t 'a package manager works: owners, modes, setuid, file capabilities, FIFOs, other users' administration

# A setuid program that the root directory came with, as su and sudo.
setuid_of_the_root() {
    cp -a "$box" "$tmp/root"
    cp "$attack" "$tmp/root/bin/attack"
    chmod 4755 "$tmp/root/bin/attack"
    assert_eq "$(run -u 1000 "$tmp/root" attack ids | cut -d' ' -f1)" 'euid=0'
    mkdir -p "$tmp/v"
    cp -p "$tmp/root/bin/attack" "$tmp/v/"
    assert_eq "$(run -u 1000 -v "$tmp/v:/v" "$box" /v/attack ids | cut -d' ' -f1)" 'euid=0'
}
t 'a setuid program of the root directory makes root of the container' setuid_of_the_root

# ---- the program ---------------------------------------------------------------------------------

ids_beyond() {
    local user
    cp -a "$box" "$tmp/root"
    echo 'far:x:70000:70000::/:/bin/sh' >>"$tmp/root/etc/passwd"
    echo 'beyond:x:70000:user' >>"$tmp/root/etc/group"
    netctr run -d --name a --network none "$tmp/root" sleep 1000 >/dev/null
    for user in far 70000; do
        assert_error "netctr: the container's user namespace has no user 70000" 125 netctr exec -u $user a id
        assert_error "netctr: the container's user namespace has no user 70000" 125 run -u $user "$tmp/root" id
    done
    for user in 0:70000 user 1000:beyond; do
        assert_error "netctr: the container's user namespace has no group 70000" 125 netctr exec -u $user a id
    done
    assert_eq "$(netctr exec -u user:1000 a id -u)" 1000
    chown 70000 "$tmp/root/home"
    assert_error "netctr: make \`/home/new\` in the container: Permission denied; a directory above it may belong to an id that the container does not have" \
        125 run -v "$tmp:/home/new" "$tmp/root" true
}
t 'users and directories of ids that the container lacks are named' ids_beyond

streams() {
    # shellcheck disable=SC2016 # the container expands it
    local say='echo out >/dev/stdout; echo err >/dev/stderr; echo fd >/proc/self/fd/1; id -u'
    assert_eq "$(run -u 1000 "$box" sh -c "$say" 2>"$tmp/err")" $'out\nfd\n1000'
    assert_eq "$(cat "$tmp/err")" err
    netctr run -d --name a --network none -u 1000 "$box" sh -c "$say; sleep 100" >/dev/null
    wait_for 5 logged a 1000
    assert_eq "$(netctr exec -u 1001 a sh -c "$say" 2>/dev/null)" $'out\nfd\n1001'
    assert_eq "$(echo in | netctr exec -i -u 1001 a sh -c 'cat /dev/stdin')" in
    echo in | run -i -u 1000 "$box" sh -c 'cat /dev/stdin' | has -x in
}
t 'a user opens /dev/stdout, /dev/stderr and /dev/stdin again' streams

has_another_program() { # NAME PID
    local pid
    pid=$(pid_of "$1")
    [ "$pid" != 0 ] && [ "$pid" != "$2" ]
}
execs() {
    background a --network none --restart always --cap-add SYS_PTRACE -u 5:6
    shell a true
    assert_eq "$(netctr exec a id -u)" 5
    assert_eq "$(netctr exec -u 0 a sh -c 'id -u; touch /by-root; stat -c %u /by-root' | uniq)" 0
    assert_eq "$(netctr exec -u 1000:7 a sh -c 'id -u; id -g')" $'1000\n7'
    assert_eq "$(netctr exec -w /tmp a pwd)" /tmp
    netctr exec -u 0 -d a sh -c 'echo later >/later'
    wait_for 5 netctr exec a grep -qx later /later
    # It has the capabilities and the namespaces of the container.
    assert_eq "$(netctr exec a grep -E '^(Cap|Seccomp:)' /proc/self/status)" \
        "$(grep -E '^(Cap|Seccomp:)' "/proc/$(pid_of a)/status")"
    # shellcheck disable=SC2016 # the container expands it
    assert_eq "$(netctr exec a sh -c 'for n in /proc/self/ns/*; do readlink $n; done')" "$(
        for name in cgroup ipc mnt net pid pid_for_children time time_for_children user uts; do
            readlink "/proc/$(pid_of a)/ns/$name"
        done
    )"
    # Also after the program's restart.
    local before
    before=$(pid_of a)
    kill -KILL "$before"
    wait_for 10 has_another_program a "$before"
    assert_eq "$(netctr exec -u 0 a sh -c 'stat -c %u /by-root; id -u' | uniq)" 0
}
t 'exec: users, directories, streams, and after a restart' execs

ipc() {
    run "$box" sh -ec 'touch /dev/mqueue/q; [ -e /dev/mqueue/q ]; echo x >/dev/shm/x'
    equipped a --network none --cap-drop ALL
    # shellcheck disable=SC2016 # the container expands it
    netctr exec a /usr/bin/python3 -c '
import os, stat
master, slave = os.openpty()
assert os.ttyname(slave).startswith("/dev/pts/")
st = os.stat(os.ttyname(slave))
assert (st.st_uid, st.st_gid) == (0, 5), st
os.write(slave, b"x"); assert os.read(master, 1) == b"x"'
}
t 'message queues, shared memory and terminals' ipc

limits() {
    background a --network none -m 64m --cpus 0.5 --pids-limit 20
    assert_eq "$(netctr inspect a | jq -c '.[0].limits | [.memory, .pids]')" '[67108864,20]'
    # shellcheck disable=SC2016 # the container expands it
    assert_fails netctr exec a sh -c 'n=0; while [ $n -lt 40 ]; do sleep 9 & n=$((n + 1)); done' 2>/dev/null
    assert_status 137 run -m 16m "$box" sh -c 'tail /dev/zero'
}
t '-m, --cpus and --pids-limit' limits

# ---- its life ------------------------------------------------------------------------------------

comes_back() {
    background a --network none
    local first
    first=$(first_id a)
    shell a 'umask 077; echo kept >/file; chown 1000 /file'
    netctr stop -t 0 a >/dev/null
    # Others come and go meanwhile.
    background b --network none
    [ "$(first_id b)" != "$first" ] || fail 'its range was given away'
    netctr start a >/dev/null
    assert_eq "$(first_id a)" "$first"
    assert_eq "$(shell a 'stat -c %u:%g /file; cat /file')" $'1000:0\nkept'
    netctr restart -t 0 a >/dev/null
    assert_eq "$(first_id a)" "$first"
    # After what a reboot does to /run.
    kill -KILL "$(monitor_of a)" "$(monitor_of b)"
    wait_for 5 status_is a exited
    lose_run_directory
    netctr start a b >/dev/null
    assert_eq "$(first_id a)" "$first"
    assert_eq "$(netctr exec -u 1000 a cat /file)" kept
    netctr rm -f a b
    assert_eq "$(ls "$state/ranges" 2>/dev/null)" ''
}
t 'stop, start, restart and a lost run directory: the same range, and its files with it' comes_back

given_back() {
    warm_up
    snapshot
    run "$box" true
    run "$box" false || true
    background a --network none
    netctr rm -f a
    assert_clean
    assert_eq "$(ls "$state/ranges" 2>/dev/null)" ''
}
t 'a removed container leaves no range behind' given_back

# ---- the network ---------------------------------------------------------------------------------

low_ports() {
    netctr run -d --name a -p 8080:80 -u 1000 --cap-drop ALL "$box" \
        sh -c 'mkdir /tmp/w; echo page >/tmp/w/index.html; exec httpd -f -p 80 -h /tmp/w' >/dev/null
    wait_for 5 http_from a http://127.0.0.1/
    assert_eq "$(http http://127.0.0.1:8080/)" page
    # ICMP sockets need no capability either.
    equipped b -u 1000 --cap-drop ALL
    netctr exec b /usr/bin/python3 -c 'import socket
for address in "10.88.0.1", "192.0.2.9":
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
    s.settimeout(2)
    s.sendto(b"\x08" + bytes(15), (address, 0))
    assert s.recv(64)[0] == 0'
    netctr exec b grep -q 'CapBnd:.0000000000000000' /proc/self/status
    # The kernel shows inside only groups that exist there.
    assert_eq "$(in_network_of a cat /proc/sys/net/ipv4/ping_group_range)" $'0\t2147483647'
}
t 'a user without capabilities listens on port 80 and pings' low_ports

hosts() {
    background a
    shell a 'echo "192.0.2.77 mine" >>/etc/hosts; grep -c . /etc/resolv.conf >/dev/null'
    assert_eq "$(shell a 'stat -c %u:%g /etc/hosts /etc/resolv.conf /etc/hostname | uniq')" 0:0
    netctr exec a grep -q mine /etc/hosts
    assert_fails netctr exec -u 1000 a sh -c 'echo x >>/etc/hosts' 2>/dev/null
    netctr exec -u 1000 a cat /etc/hosts | has mine
}
t '/etc/hosts belongs to its root' hosts

shares_a_network() {
    serve own -p 8080:80
    background mate --network container:own
    assert_eq "$(http_from mate http://127.0.0.1/)" own
    netctr exec mate wget -qO- http://127.0.0.1/ | has own
    assert_eq "$(netctr exec mate ls /sys/class/net)" "$(netctr exec own ls /sys/class/net)"
    local kind
    for kind in user net; do
        assert_eq "$(readlink "/proc/$(pid_of mate)/ns/$kind")" "$(readlink "/proc/$(pid_of own)/ns/$kind")"
    done
    [ "$(readlink "/proc/$(pid_of mate)/ns/mnt")" != "$(readlink "/proc/$(pid_of own)/ns/mnt")" ]
    # Its files are its own, with ids of the range that both have.
    shell mate 'touch /file; stat -c %u /file' | has -x 0
    assert_eq "$(stat -c %u "$(upper_of mate)/file")" "$(first_id own)"
    netctr exec -d -u 1000 mate httpd -f -p 81 -h /etc
    wait_for 5 netctr exec own wget -qO /dev/null http://127.0.0.1:81/hostname
    # And it outlives the owner, which comes back.
    netctr stop -t 0 own >/dev/null
    netctr exec mate wget -qO /dev/null http://127.0.0.1:81/hostname
    netctr start own >/dev/null
    wait_for 5 http http://127.0.0.1:8080/
    assert_eq "$(readlink "/proc/$(pid_of mate)/ns/user")" "$(readlink "/proc/$(pid_of own)/ns/user")"
    netctr restart -t 0 mate >/dev/null
    assert_eq "$(shell mate 'stat -c %u /file')" 0
}
t '--network container:NAME joins the user namespace of that network' shares_a_network

# What a routing daemon needs.
administers_its_network() {
    equipped a --cap-add NET_ADMIN
    netctr exec a /bin/sh -ec 'PATH=/usr/sbin:/usr/bin:/sbin:/bin
        ip link add br7 type bridge && ip link set br7 up && ip addr add 198.51.100.1/24 dev br7
        ip -6 addr add 2001:db8:7::1/64 dev br7
        ip link add v0 type veth peer name v1 && ip link set v1 master br7 && ip link set v0 up
        ip route add 203.0.113.0/24 via 198.51.100.9 proto bird
        ip rule add from 198.51.100.0/24 table 7 && ip route add default via 10.88.0.1 table 7
        ip link add vrf7 type vrf table 9 2>/dev/null || true
        ip link add link br7 name br7.5 type vlan id 5 2>/dev/null || ! grep -q . /proc/net/vlan/config
        ip link add wg0 type dummy 2>/dev/null || true
        nft add table inet own && nft add chain inet own c "{ type filter hook input priority 0; }"
        tc qdisc add dev br7 root pfifo
        ip netns list' 2>"$tmp/err" || fail "$(cat "$tmp/err")"
    netctr exec a /usr/sbin/ip route | has '203.0.113.0/24 via 198.51.100.9'
    assert_fails ip link show br7 2>/dev/null
    netctr exec a /bin/ping -c 1 -W 2 192.0.2.9 >/dev/null
}
t 'with NET_ADMIN: links, addresses, routes, rules, bridges and a firewall of its own' administers_its_network

router() {
    netctr network create --subnet 10.7.1.0/24 --subnet 2001:db8:71::/64 --no-guard \
        --sysctl net.ipv6.conf.all.forwarding=1 left
    netctr network create --subnet 10.7.2.0/24 --subnet 2001:db8:72::/64 --no-guard right
    background r --network left:ip6=2001:db8:71::9 --network right:ip6=2001:db8:72::9
    background l --network left:ip6=2001:db8:71::5 --cap-add NET_ADMIN
    background x --network right:ip6=2001:db8:72::5 --cap-add NET_ADMIN
    assert_eq "$(netctr exec r cat /proc/sys/net/ipv6/conf/all/forwarding)" 1
    netctr exec l ip -6 route add 2001:db8:72::/64 via 2001:db8:71::9
    netctr exec x ip -6 route add 2001:db8:71::/64 via 2001:db8:72::9
    wait_for 5 netctr exec l ping6 -c 1 -W 1 2001:db8:72::5
    # Control: without the router.
    netctr stop -t 0 r >/dev/null
    assert_fails netctr exec l ping6 -c 1 -W 1 2001:db8:72::5
    netctr rm -f r l x
    netctr network rm left right
}
t 'an IPv6 router: network create --sysctl net.ipv6.conf.all.forwarding=1' router

limited() {
    netctr run -d --name a --network default:rate=2mbit "$box" sleep 1000 >/dev/null
    assert_eq "$(in_network_of a tc qdisc show dev eth0 root | grep -o 'rate [^ ]*')" 'rate 2Mbit'
    netctr network create other
    netctr network connect --rate 64kbit other a
    assert_eq "$(in_network_of a tc qdisc show dev eth1 root | grep -o 'rate [^ ]*')" 'rate 64Kbit'
    netctr publish a 8081:80 2>/dev/null || true
    netctr exec a ls /sys/class/net/eth1 >/dev/null
    netctr network disconnect other a
    netctr rm -f a
    netctr network rm other
}
t 'rate=, network connect and disconnect' limited

# The other ways: the host's user namespace, and a map.
asked() {
    background h --network none --userns host
    assert_eq "$(first_id h)" 0
    background m --network none --uidmap 0:300000:1000 --uidmap 1000:400000:1
    assert_eq "$(awk '{ print $1, $2, $3 }' "/proc/$(pid_of m)/uid_map" | paste -sd,)" '0 300000 1000,1000 400000 1'
    assert_eq "$(cat "/proc/$(pid_of m)/gid_map")" "$(cat "/proc/$(pid_of m)/uid_map")"
    shell m 'touch /x; chown 1000 /x'
    assert_eq "$(ids "$(upper_of m)/x")" '400000:300000'
    assert_fails shell m 'chown 1001 /x' 2>/dev/null
    # A single id: then there is no group for terminals either.
    assert_eq "$(run --uidmap 0:300000:1 "$box" sh -c 'id -u; stat -c %u:%g /dev/pts; : >/dev/ptmx')" $'0\n0:0'
}
t '--userns=host and --uidmap' asked
