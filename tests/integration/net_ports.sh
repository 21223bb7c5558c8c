#!/usr/bin/env bash
# The host end of a container's veth: a bridge port, and never an interface of the host. And a link whose container
# has ended, while a process keeps its network namespace.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/helpers.sh"

host4=192.0.2.2 host6=2001:db8::2
spoofed4=192.0.2.77 spoofed6=2001:db8::77

link_of() { in_network_of "$1" ip -oneline link show dev eth0; }
port_of() { # "eth0@if9" contains the index of its other end
    local index
    index=$(link_of "$1" | sed -n 's/.*eth0@if\([0-9]*\):.*/\1/p')
    ip -oneline link show | sed -n "s/^$index: \([^@:]*\).*/\1/p"
}
mac_of() { link_of "$1" | sed -n 's/.*link\/ether \([^ ]*\).*/\1/p'; }
watch_host() {
    pkill -f 'peer serve host' || true
    rm -f "$tmp/host" "$tmp/sniffed"
    peer serve host udp/9999 >"$tmp/host" &
    peer sniff 0x0800 0x86dd 0x0806 0x88cc 0x888e 0x8863 0x88b5 >"$tmp/sniffed" &
    watchers=("$!" "$(jobs -p | tail -2 | head -1)")
    wait_for 5 grep -q listening "$tmp/host"
    wait_for 5 grep -q sniffing "$tmp/sniffed"
}
stop_watching() {
    kill "${watchers[@]}" 2>/dev/null || true
    wait "${watchers[@]}" 2>/dev/null || true
}
attack() { # NAME
    in_network_of "$1" peer reserved eth0 "$(mac_of "$1")" $spoofed4 $host4 $spoofed6 $host6 "fe80::1"
    sleep 0.3
}
advertised() { ip -6 route show | has 'proto ra' || ip -6 address show | has 2001:db8:bad:; }
spoofed() { grep -q "datagram \($spoofed4\|$spoofed6\)" "$tmp/host"; }
by_port() { grep -q '^vc-' "$tmp/sniffed"; }
other_kinds() { grep -q ' 0x88\(cc\|8e\|63\|b5\) ' "$tmp/sniffed"; }

run_on() { # FLAGS OF network create...
    netctr network create "$@" m >/dev/null
    netctr run -d --name evil --network m "$box" sleep 600 >/dev/null
    port=$(port_of evil)
    [[ $port = vc-* ]] || fail "no port: $port"
}
# Nothing that is sent has an effect on the host.
harmless() { # [guarded]
    watch_host
    attack evil
    stop_watching
    [ "${1-guarded}" != guarded ] || ! spoofed || fail "the host got $(grep datagram "$tmp/host" | head -1)"
    ! advertised || fail 'the host has a router or an address from the container'
    ! by_port || fail "received by the port: $(grep '^vc-' "$tmp/sniffed" | sort | uniq -c | head -3)"
    [ "${1-guarded}" != guarded ] || ! other_kinds || fail "received: $(grep ' 0x88' "$tmp/sniffed" | head -1)"
    ! grep -q ' 01:80:c2:00:00:01$' "$tmp/sniffed" || fail 'a pause frame came in'
}
# A port without netctr's settings: the attack works then.
as_a_plain_port() {
    open_up martians
    open_up guard
    ip link set "$port" type bridge_slave group_fwd_mask 0
    ip link set "$port" arp on
    sysctl -qw "net.ipv6.conf.$port.disable_ipv6=0" "net.ipv6.conf.$port.accept_ra=2" \
        "net.ipv4.conf.$port.rp_filter=0" net.ipv4.conf.all.rp_filter=0
}

in_every_mode() {
    local mode
    for mode in '' --internal '--mode isolated' '--mode routed' '--icc=false'; do
        # shellcheck disable=SC2086 # several words
        run_on --ipv6 $mode
        harmless
        netctr rm -f evil
        netctr network rm m
    done
    run_on # IPv4 only: the host's bridge has no IPv6
    harmless
}
t 'frames to reserved group addresses: nothing reaches the host, in any mode' in_every_mode

positive_control() {
    run_on --ipv6
    harmless
    as_a_plain_port
    wait_for 5 eval 'ip -6 address show dev "$port" scope link | grep -v tentative | has fe80'
    watch_host
    in_network_of evil peer reserved eth0 "$(mac_of evil)" $spoofed4 $host4 $spoofed6 $host6 fe80::1
    wait_for 3 spoofed
    wait_for 3 advertised
    wait_for 3 by_port
    stop_watching
    shut
    ip -6 route flush proto ra
}
t "the positive control: a port with the kernel's defaults" positive_control

advertisements() {
    local forwarding accept
    for forwarding in 0 1; do
        for accept in 0 1 2; do
            sysctl -qw net.ipv6.conf.all.forwarding=$forwarding net.ipv6.conf.default.accept_ra=$accept \
                net.ipv6.conf.eth0.accept_ra=0
            run_on --ipv6
            harmless
            # Also for settings changed by hand afterwards.
            sysctl -qw "net.ipv6.conf.$port.accept_ra=2"
            harmless
            netctr rm -f evil
            netctr network rm m
        done
    done
    sysctl -qw net.ipv6.conf.all.forwarding=0 net.ipv6.conf.default.accept_ra=1
}
t 'router advertisements, whatever the host forwards and accepts' advertisements

is_a_port() { # its flags are those of a port
    ip -d link show "$port" | has 'group_fwd_mask 0xfffd' && ip link show "$port" | has 'NOARP.*master nc-m' &&
        [ "$(cat "/proc/sys/net/ipv6/conf/$port/disable_ipv6")" = 1 ]
}
is_down() { ! ip link show "$port" | has '[<,]UP[,>]'; }
bridge_deleted() {
    run_on --ipv6
    is_a_port
    ip link del nc-m
    wait_for 5 is_down
    watch_host
    attack evil || true # its link has no carrier
    stop_watching
    ! by_port || fail "received by the port: $(grep '^vc-' "$tmp/sniffed" | head -1)"
    ip link set "$port" up # by hand, which netctr does not undo
    watch_host
    in_network_of evil peer sniff 0x0806 >"$tmp/answers" &
    wait_for 5 grep -q sniffing "$tmp/answers"
    attack evil
    in_network_of evil peer forge eth0 udp smac="$(mac_of evil)" dmac=ff:ff:ff:ff:ff:ff src=$spoofed4 dst=$host4 dport=9999
    in_network_of evil peer forge eth0 arp smac="$(mac_of evil)" op=1 sha="$(mac_of evil)" spa=$spoofed4 tpa=$host4
    sleep 0.3
    stop_watching
    ! spoofed || fail 'the host got a datagram by the port'
    ! advertised || fail 'the host has a router from the container'
    assert_eq "$(grep -c ' 0x806 ' "$tmp/answers" || true)" 0 'answers to ARP'
    netctr network reload
    is_a_port
    harmless
}
t 'the same after the bridge was deleted' bridge_deleted

taken_out() {
    run_on
    netctr run -d --name b --network m "$box" sleep 600 >/dev/null
    ip link set "$port" nomaster
    wait_for 5 is_down
    netctr exec b ping -c1 -W2 10.89.0.1 >/dev/null || fail 'its neighbour is cut off'
    netctr network reload
    is_a_port
    wait_for 5 netctr exec evil ping -c1 -W2 10.89.0.1 >/dev/null
    # Moved to another program's bridge, it stays up, as intended.
    ip link add own type bridge
    ip link set own up
    ip link set "$port" master own
    sleep 0.3
    ! is_down || fail 'a port was brought down that is in a bridge'
    # So does one that is moved in two steps, set down between them or not.
    local i
    for i in 1 2 3 4 5 6 7 8 9 10; do
        ip -batch - <<<"link set $port nomaster
link set $port master own"
        sleep 0.1
        wait_for 2 eval '! is_down'
    done
    ip link set "$port" master nc-m
    ip link del own
}
t 'a port that is taken out of its bridge is brought down' taken_out

anybodys() {
    # A link with the name of a port but without its alias, or with another instance's.
    run_on
    ip link add vc-lan type veth peer name vc-other
    ip link set vc-lan up
    ip link set vc-other alias 'netctr 0123456789abcdef c on m' up
    ip link add own type bridge
    local link
    for link in vc-lan vc-other; do
        ip link set $link master own
        ip link set $link nomaster
    done
    ip link set "$port" nomaster
    wait_for 5 is_down
    for link in vc-lan vc-other; do
        ip link show $link | has '[<,]UP[,>]' || fail "$link was brought down"
    done
    ip link del vc-lan
    ip link del own
}
t 'other links with names like those of ports stay as they are' anybodys

lldp() {
    run_on --no-guard
    netctr run -d --name b --network m "$box" sleep 600 >/dev/null
    rm -f "$tmp/b"
    in_network_of b peer sniff 0x88cc 0x88b5 >"$tmp/b" &
    wait_for 5 grep -q sniffing "$tmp/b"
    harmless unguarded
    assert_contains "$(cat "$tmp/b")" 'eth0 0x88cc 01:80:c2:00:00:0e'
    assert_lacks "$(cat "$tmp/b")" 01:80:c2:00:00:01
}
t '--no-guard: LLDP passes between containers, and does not reach the host through the port' lldp

as_another() {
    # The promises of net_guard again, for frames to such addresses: to a neighbour that would accept them.
    netctr run -d --name evil "$box" sleep 600 >/dev/null
    netctr run -d --name b "$box" sleep 600 >/dev/null
    rm -f "$tmp/b"
    in_network_of b peer sniff 0x0800 0x86dd 0x0806 0x88cc >"$tmp/b" &
    wait_for 5 grep -q sniffing "$tmp/b"
    attack evil
    assert_eq "$(grep -c ' 01:80:c2' "$tmp/b" || true)" 0 'spoofed frames at the neighbour'
    # With its own address it may.
    in_network_of evil peer forge eth0 udp smac="$(mac_of evil)" dmac=01:80:c2:00:00:0e \
        src="$(address_of evil)" dst="$(address_of b)" dport=9
    wait_for 2 grep -q 'eth0 0x800 01:80:c2:00:00:0e' "$tmp/b"
    # Not if neighbours do not reach each other, nor from one network to another.
    netctr network create --icc=false apart
    netctr run -d --name c --network apart "$box" sleep 600 >/dev/null
    netctr run -d --name d --network apart "$box" sleep 600 >/dev/null
    in_network_of d peer sniff 0x0800 >"$tmp/d" &
    wait_for 5 grep -q sniffing "$tmp/d"
    in_network_of c peer forge eth0 udp smac="$(mac_of c)" dmac=01:80:c2:00:00:0e \
        src="$(address_of c)" dst="$(address_of d)" dport=9
    sleep 0.2
    assert_eq "$(grep -c 01:80:c2 "$tmp/d" || true)" 0 'frames at a neighbour with icc=false'
}
t 'a container speaks only as itself to such addresses, too' as_another

# ---- a process keeps the namespace -------------------------------------------------------------------

heard() { # how many datagrams of evil's the victim has received
    netctr logs victim 2>&1 | grep -c "datagram $evil4" || true
}
hold() { # a process of the host stays in evil's namespace and keeps sending
    serve_peer victim --network m
    netctr run -d --name evil --network m "$box" sleep 600 >/dev/null
    port=$(port_of evil)
    evil4=$(address_of evil)
    local gateway
    gateway=$(in_network_of evil ip -4 route show default | awk '{ print $3 }')
    in_network_of evil peer repeat $((20 * slowness)) eth0 udp smac="$(mac_of evil)" dmac="$(mac_of victim)" \
        src="$evil4" dst="$(address_of victim)" dport=60 text=held >"$tmp/holder" &
    holder=$!
    in_network_of evil peer repeat $((20 * slowness)) eth0 arp smac="$(mac_of evil)" op=2 sha="$(mac_of evil)" \
        spa="$gateway" tha="$(mac_of victim)" tpa="$(address_of victim)" >/dev/null &
    holders=("$holder" $!)
    wait_for 5 grep -q repeating "$tmp/holder"
    wait_for 5 eval '[ "$(heard)" -gt 3 ]' # the positive control: they arrive
    ip -oneline monitor link >"$tmp/links" &
    holders+=($!)
}
gone() { ! ip link show "$port" >/dev/null 2>&1; }
silent_after() { # COMMAND...
    local before
    "$@"
    sleep 0.1
    before=$(heard)
    sleep 0.3
    assert_eq "$(heard)" "$before" 'datagrams after the end'
    wait_for 1 gone
    kill -0 "$holder" # it stays there all the time
    ! grep -v '^Deleted' "$tmp/links" | grep " $port@" | grep '[<,]UP' | has -v ' master ' || fail 'up outside of its bridge'
    kill "${holders[@]}" 2>/dev/null || true
    netctr rm -f evil victim >/dev/null 2>&1 || true
}
disconnected() { netctr network disconnect m evil; }
ended_by_itself() { kill -KILL "$(pid_of evil)" && wait_for 5 status_is evil exited; }
cleaned_up() {
    local pid
    pid=$(pid_of evil)
    kill -KILL "$(monitor_of evil)"
    wait_for 5 eval "! kill -0 $pid 2>/dev/null"
    netctr gc >/dev/null
}
flushed() { # and the firewall is restored by the helper
    netctr rm -f evil
    nft flush ruleset
    wait_for 3 eval 'nft list table bridge netctr_guard >/dev/null'
}
# The bridge is deleted at once: no port may be up without it.
network_removed() {
    netctr rm -f evil victim
    netctr network rm m
    gone || fail 'the link outlives its bridge'
}
nobody_speaks() {
    local path
    netctr network create m
    for path in 'netctr rm -f evil' 'netctr stop -t 0 evil' disconnected ended_by_itself cleaned_up flushed; do
        hold
        # shellcheck disable=SC2086 # several words
        silent_after $path
    done
}
removed_with_its_network() {
    netctr network create m
    hold
    local foreign
    ip link add mine type veth peer name mine2
    ip link set mine master nc-m # another link of the user, which stays
    network_removed
    foreign=$(ip -oneline link show mine)
    assert_lacks "$foreign" master
    ! grep -v '^Deleted' "$tmp/links" | grep " $port@" | grep '[<,]UP' | has -v ' master ' || fail 'up outside of its bridge'
    kill "${holders[@]}" 2>/dev/null || true
    ip link del mine
}
t 'a network that is removed takes the links of ended containers with it' removed_with_its_network
t 'a link whose container has ended passes nothing, and is deleted within a second' nobody_speaks

no_guard_gone() {
    netctr network create --no-guard m
    local path
    for path in 'netctr rm -f evil' 'netctr stop -t 0 evil' disconnected; do
        hold
        $path
        gone || fail "the link is there after $path"
        kill "${holders[@]}" 2>/dev/null || true
        netctr rm -f evil victim >/dev/null 2>&1 || true
    done
}
t '--no-guard: it is deleted when the command returns' no_guard_gone

no_process() { [ -z "$(pgrep -x netctr | grep -vxFf <(helper_processes))" ]; } # except helpers
no_process_stays() {
    # Deleting in the background keeps no pipe open, no lock, and no process for long.
    netctr run -d --name evil "$box" sleep 600 >/dev/null
    nsenter --target "$(pid_of evil)" --net sleep 5 &
    netctr rm -f evil | cat
    wait_for 1 no_process
    wait_for 3 no_helpers # which delete the link first
    [ ! -e "$run_state/links" ] || fail "links left: $(ls "$run_state/links")"
    netctr run -d --name evil "$box" sleep 600 >/dev/null # the name is free
}
t 'no process stays behind' no_process_stays
