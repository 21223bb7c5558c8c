#!/usr/bin/env bash
# The host keeps its own network settings: router advertisements, and which packets it forwards.
#
#     lan ── eth0 host eth1 ── lan2
#
# Each test starts on a host of its own, on which netctr has not run yet (fresh).
. "$(dirname "$0")/../lib.sh"
refusing_resolver

ip netns add lan2
in_lan2() { nsenter --net=/run/netns/lan2 "$@"; }

# A second link, and a kernel as after boot: forwarding off, no advertisement received.
fresh() {
    rm -rf "$state" "$run_state"
    nft flush ruleset
    local link netns
    for link in nc-default eth1 wan1 wan2 nc-lan2 docker0 br0; do ip link del $link 2>/dev/null || true; done
    for netns in lan3 vm1 vm2; do ip netns del $netns 2>/dev/null || true; done
    sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0 net.ipv6.conf.default.accept_ra=1 \
        net.ipv6.conf.eth0.accept_ra=0
    if has_force; then
        for key in /proc/sys/net/ipv6/conf/{default,lo,eth0,nc-default}/force_forwarding; do [ ! -e "$key" ] || echo 0 >"$key"; done
    fi
    second_link
}
has_force() { grep -qs . /proc/sys/net/ipv6/conf/lo/force_forwarding; }
# Kernels before 6.17 have no such key; an empty value stands for that.
as_before_6_17() {
    [ -e /proc/sys/net/ipv6/conf/lo/force_forwarding ] || return 0
    : >"$tmp/empty"
    mount --bind "$tmp/empty" /proc/sys/net/ipv6/conf/lo/force_forwarding
}
tidy_too() { umount /proc/sys/net/ipv6/conf/lo/force_forwarding 2>/dev/null || true; }

add_link() { # NAME NAMESPACE NUMBER: host has .1, the other end .9
    ip link add "$1" type veth peer name "$1" netns "$2"
    ip address add "198.51.$3.1/24" dev "$1"
    ip address add "2001:db8:$3::1/64" dev "$1" nodad
    ip link set "$1" up
    nsenter --net="/run/netns/$2" ip -batch - <<-END
	link set lo up
	address add 198.51.$3.9/24 dev $1
	address add 2001:db8:$3::9/64 dev $1 nodad
	link set $1 up
	route replace default via 198.51.$3.1
	END
    nsenter --net="/run/netns/$2" ip -6 route replace default via "2001:db8:$3::1"
}
second_link() { add_link eth1 lan2 100; }

lan_pings() { in_lan ping -c 1 -W "${2-0.5}" "$1" >/dev/null; } # ADDRESS [SECONDS]
strangers_pass() { # from lan to lan2, and back
    lan_pings 198.51.100.9 && in_lan2 ping -c 1 -W 0.5 192.0.2.9 >/dev/null
}
strangers_pass6() {
    lan_pings 2001:db8:100::9 && in_lan2 ping -c 1 -W 0.5 2001:db8::9 >/dev/null
}
strangers_pass_at_last() { # while neighbours are still being resolved
    wait_for 5 strangers_pass
    wait_for 5 strangers_pass6
}
# Not even one way: a reply may be lost, but a datagram is enough.
nothing_arrives() {
    local id
    in_lan2 timeout $((4 * slowness)) tcpdump -Z root -ni eth1 --immediate-mode -l udp port 9999 >"$tmp/dump2" 2>&1 &
    id=$!
    in_lan timeout $((4 * slowness)) tcpdump -Z root -ni eth0 --immediate-mode -l udp port 9999 >"$tmp/dump1" 2>&1 &
    wait_for 3 grep -q 'listening on' "$tmp/dump1"
    wait_for 3 grep -q 'listening on' "$tmp/dump2"
    in_lan peer ask udp 198.51.100.9 9999 0 0.2 || true
    in_lan peer ask udp 2001:db8:100::9 9999 0 0.2 || true
    in_lan2 peer ask udp 192.0.2.9 9999 0 0.2 || true
    in_lan2 peer ask udp 2001:db8::9 9999 0 0.2 || true
    sleep 0.2
    kill $id $! 2>/dev/null || true
    wait $id $! 2>/dev/null || true
    assert_eq "$(grep -c '192.0.2.9.*> 198\|2001:db8::9.*> 2001:db8:100' "$tmp/dump2" || true)" 0 'packets on lan2'
    assert_eq "$(grep -c '198.51.100.9.*> 192\|2001:db8:100::9.*> 2001:db8::9' "$tmp/dump1" || true)" 0 'packets on lan'
}
containers_pass() { # by both families, out and in by either link
    listen_everywhere
    serve_peer c -p 8080:80
    local address
    for address in 192.0.2.9 198.51.100.9 2001:db8::9 2001:db8:100::9; do
        wait_for 5 answers outside in_network_of c peer ask tcp $address 90
    done
    wait_for 5 answers c in_lan peer ask tcp 192.0.2.2 8080
    wait_for 5 answers c in_lan peer ask tcp 2001:db8::2 8080
    wait_for 5 answers c in_lan2 peer ask tcp 198.51.100.1 8080
    wait_for 5 answers c in_lan2 peer ask tcp 2001:db8:100::1 8080
}
answers() { "${@:2}" | has "^$1 "; } # NAME COMMAND...
listen_everywhere() {
    rm -f "$tmp/lan" "$tmp/lan2"
    in_lan peer serve outside tcp/90 >"$tmp/lan" &
    in_lan2 peer serve outside tcp/90 >"$tmp/lan2" &
    wait_for 5 grep -q listening "$tmp/lan"
    wait_for 5 grep -q listening "$tmp/lan2"
}

no_router_for_strangers() {
    fresh
    assert_fails strangers_pass
    assert_fails strangers_pass6
    netctr run --rm "$box" true 2>"$tmp/err"
    assert_eq "$(cat "$tmp/err")" "netctr: warning: this host now forwards IPv4 and IPv6 for containers; between its other links (eth0, eth1) it still does not (\`netctr network forwarding --open\` allows that)"
    netctr run --rm "$box" true 2>"$tmp/err"
    assert_eq "$(cat "$tmp/err")" '' 'said a second time'
    assert_fails strangers_pass
    assert_fails strangers_pass6
    nothing_arrives
    assert_eq "$(dropped host_forward 'forwarding is on for containers only (`netctr network forwarding`)')" 6
    containers_pass
    # The closed links are restored with the firewall.
    nft flush ruleset
    wait_for 3 eval 'nft list set inet netctr closed_from | has eth1'
    netctr network reload
    nothing_arrives
    netctr rm -f c
    nft flush ruleset
    netctr run --rm "$box" true
    nothing_arrives
}
t 'a host that did not forward is no router for others afterwards' no_router_for_strangers

same_link() {
    # A machine on a link uses the host as a router to a machine on the same link.
    fresh
    netctr run --rm "$box" true 2>/dev/null
    in_lan2 ip address add 198.51.200.9/24 dev eth1
    ip route add 198.51.200.0/24 dev eth1
    in_lan2 ip route flush table local 198.51.200.9 2>/dev/null || true
    local before
    before=$(dropped host_forward 'forwarding is on for containers only (`netctr network forwarding`)')
    in_lan2 peer ask udp 198.51.200.77 9999 0 0.2 || true
    in_lan2 ip route add 198.51.200.77 via 198.51.100.1
    in_lan2 peer ask udp 198.51.200.77 9999 0 0.2 || true
    assert_eq "$(dropped host_forward 'forwarding is on for containers only (`netctr network forwarding`)')" $((before + 1))
}
t 'nor for two on the same link' same_link

bridged_frames() {
    # Two machines behind another bridge of the host: bridged frames are not forwarded, whatever br_netfilter says.
    fresh
    ip netns add vm1 && ip netns add vm2
    ip link add br0 type bridge
    ip link set br0 up
    local vm
    for vm in 1 2; do
        ip link add tap$vm type veth peer name eth0 netns vm$vm
        ip link set tap$vm master br0 up
        ip -n vm$vm address add 203.0.113.$vm/24 dev eth0
        ip -n vm$vm -6 address add 2001:db8:113::$vm/64 dev eth0 nodad
        ip -n vm$vm link set eth0 up
    done
    netctr run --rm "$box" true 2>/dev/null
    ip netns exec vm1 ping -c 1 -W 1 203.0.113.2 >/dev/null
    wait_for 3 ip netns exec vm1 ping -c 1 -W 1 2001:db8:113::2
    assert_contains "$(nft list set inet netctr closed_from)" br0
    ip link del br0
    ip netns del vm1
    ip netns del vm2
}
t 'frames of other bridges of the host pass' bridged_frames

turned_back() {
    # Two subnets on another bridge of the host: packets between them are routed, and go back by the same bridge.
    fresh
    local vm rule='forwarding is on for containers only (`netctr network forwarding`)'
    ip link add br0 type bridge
    ip link set br0 up
    for vm in 1 2; do
        ip netns add vm$vm
        ip link add tap$vm type veth peer name eth0 netns vm$vm
        ip link set tap$vm master br0 up
        ip address add 203.0.$vm.254/24 dev br0
        ip -6 address add 2001:db8:20$vm::254/64 dev br0 nodad
        ip -n vm$vm address add 203.0.$vm.1/24 dev eth0
        ip -n vm$vm -6 address add 2001:db8:20$vm::1/64 dev eth0 nodad
        ip -n vm$vm link set eth0 up
        ip -n vm$vm route add default via 203.0.$vm.254
        ip -n vm$vm -6 route add default via 2001:db8:20$vm::254
    done
    vm1() { ip netns exec vm1 "$@"; }
    wait_for 3 vm1 ping -c 1 -W 1 2001:db8:201::254
    assert_fails vm1 ping -c 1 -W 0.2 203.0.2.1
    netctr run --rm "$box" true 2>/dev/null
    assert_eq "$(dropped host_hairpin "$rule")" 0
    assert_fails vm1 ping -c 1 -W 0.2 203.0.2.1
    assert_fails vm1 ping -c 1 -W 0.2 2001:db8:202::1
    assert_eq "$(dropped host_hairpin "$rule")" 2
    # Also to the MAC of a port of the bridge, which is the host's as well.
    vm1 ip neighbour replace 203.0.1.254 dev eth0 lladdr "$(cat /sys/class/net/tap1/address)"
    assert_fails vm1 ping -c 1 -W 0.2 203.0.2.1
    assert_eq "$(dropped host_hairpin "$rule")" 3
    # What the host itself sends there is not routed.
    ip neighbour flush dev br0
    ping -c 1 -W 1 203.0.2.1 >/dev/null
    ping -c 1 -W 1 2001:db8:202::1 >/dev/null
    vm1 peer serve vm1 udp/90 >"$tmp/vm1" &
    wait_for 5 grep -q listening "$tmp/vm1"
    python3 -c 'import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
s.sendto(b"to all", ("203.0.1.255", 90))'
    wait_for 2 grep -q 'datagram 203.0.1.254 90 to all' "$tmp/vm1"
    assert_eq "$(dropped host_hairpin "$rule")" 3
    netctr network forwarding --open
    vm1 ping -c 1 -W 1 203.0.2.1 >/dev/null
    wait_for 3 vm1 ping -c 1 -W 1 2001:db8:202::1
    ip link del br0
    ip netns del vm1
    ip netns del vm2
}
t 'nor between two subnets on another bridge of the host' turned_back

opened() {
    fresh
    netctr run -d --name c "$box" sleep 600 2>/dev/null
    assert_contains "$(netctr info)" 'closed between eth0, eth1 (`netctr network forwarding --open` opens it)'
    assert_eq "$(netctr info --format json | jq -c .forwarding.ipv4)" '{"on":true,"by_netctr":true,"closed":["eth0","eth1"]}'
    finds note 'netctr enabled IPv4 forwarding for containers only: it drops packets from one of the links `eth0`, `eth1`'
    sh -euc "$cure"
    finds_none 'for containers only'
    strangers_pass_at_last
    # It stays open: after a flush, a reload and another start.
    nft flush ruleset
    netctr network reload
    netctr run --rm "$box" true
    wait_for 5 strangers_pass
    assert_lacks "$(netctr info)" closed
    netctr network forwarding --close
    assert_fails strangers_pass
    assert_fails strangers_pass6
    nothing_arrives
    assert_error 'netctr: --open and --close exclude each other' 125 netctr network forwarding --open --close
}
t 'the command that opens the links, and the one that closes them' opened

damaged_note() {
    fresh
    netctr run --rm "$box" true 2>/dev/null
    sed -i 's/eth1/eth7/' "$run_state/leases/.forwarding"
    assert_contains "$(netctr info)" 'unknown: its record cannot be read'
    finds problem .forwarding
    netctr network reload 2>"$tmp/err"
    assert_contains "$(cat "$tmp/err")" 'was damaged: this host forwards only for containers now'
    nothing_arrives
    assert_contains "$(netctr info)" 'closed between eth0, eth1'
}
t 'a damaged list of closed links closes all' damaged_note

lost_note() {
    # The run directory is lost, with the list; the firewall still has its elements.
    fresh
    netctr run -d --name c "$box" sleep 600 2>/dev/null
    ip netns add lan3
    add_link docker0 lan3 101 # and this one was created later
    lose_run_directory
    netctr network reload
    nothing_arrives
    assert_eq "$(netctr info --format json | jq -c '.forwarding | .ipv4, .ipv6 | .closed | sort')" $'["eth0","eth1"]\n["eth0","eth1"]'
    netctr network reload
    nothing_arrives
    wait_for 5 lan_pings 198.51.101.9
    # Without its file, the command uses the elements.
    rm "$run_state/leases/.forwarding"
    netctr network forwarding --open
    wait_for 5 strangers_pass
    ip netns del lan3
}
t 'a lost list opens nothing' lost_note

renamed() {
    fresh
    netctr run --rm "$box" true 2>/dev/null
    ip link set eth1 down
    ip link set eth1 name wan1
    ip link set wan1 up
    ip -6 address add 2001:db8:100::1/64 dev wan1 nodad
    in_lan2 ip -6 route replace default via 2001:db8:100::1
    ip netns add lan3
    add_link eth1 lan3 101 # a new one with the old name
    netctr run --rm "$box" true
    nothing_arrives
    assert_eq "$(netctr info --format json | jq -c '.forwarding | .ipv4.closed, .ipv6.closed')" $'["eth0","wan1"]\n["eth0","wan1"]'
    wait_for 5 lan_pings 198.51.101.9
    ip link set wan1 down
    ip link set wan1 name wan2
    ip link set wan2 up
    ip -6 address add 2001:db8:100::1/64 dev wan2 nodad
    in_lan2 ip -6 route replace default via 2001:db8:100::1
    netctr network reload
    nothing_arrives
    netctr network forwarding --open
    strangers_pass_at_last
    ip link del wan2
    ip netns del lan3
}
t 'a renamed link is closed by the next start or reload' renamed

named_like_ours() {
    # netctr's links are recognised by their alias, not by their name.
    fresh
    ip link set eth1 down
    ip link set eth1 name nc-lan2
    ip link set nc-lan2 up
    ip -6 address add 2001:db8:100::1/64 dev nc-lan2 nodad
    in_lan2 ip -6 route replace default via 2001:db8:100::1
    netctr run --rm "$box" true 2>/dev/null
    assert_contains "$(netctr info)" 'closed between eth0, nc-lan2'
    nothing_arrives
    ip link del nc-lan2
}
t "another program's link with a name like netctr's" named_like_ours

later_links() {
    # Programs that create a link later know that the host forwards: docker0, wg0.
    fresh
    netctr run --rm "$box" true 2>/dev/null
    ip netns add lan3
    add_link docker0 lan3 101
    wait_for 5 lan_pings 198.51.101.9
    wait_for 5 lan_pings 2001:db8:101::9
    nothing_arrives
    ip netns del lan3
}
t 'links that are created later are not closed' later_links

was_on() {
    fresh
    sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
    netctr run --rm "$box" true 2>"$tmp/err"
    assert_eq "$(cat "$tmp/err")" ''
    strangers_pass_at_last
    assert_eq "$(netctr info --format json | jq -c '.forwarding | .ipv4, .ipv6')" \
        $'{"on":true,"by_netctr":false}\n{"on":true,"by_netctr":false}'
    ! has_force || assert_eq "$(cat /proc/sys/net/ipv6/conf/{default,eth0,eth1}/force_forwarding | sort -u)" 0
    finds_none 'for containers only'
}
t 'if forwarding was enabled before, nothing is closed' was_on

some_were_on() {
    # A link that forwarded before goes on forwarding, but not for those that did not.
    fresh
    sysctl -qw net.ipv4.conf.eth0.forwarding=1
    netctr run --rm "$box" true 2>/dev/null
    assert_eq "$(netctr info --format json | jq -c .forwarding.ipv4.closed)" '["eth1"]'
    rm -f "$tmp/lan2"
    in_lan2 peer serve outside udp/90 >"$tmp/lan2" &
    wait_for 5 grep -q listening "$tmp/lan2"
    asked_across() { # the reply belongs to an established flow; a fresh link loses the first packets
        in_lan peer ask udp 198.51.100.9 90 0 0.5 || true
        grep -q 'datagram 192.0.2.9 90' "$tmp/lan2"
    }
    wait_for 5 asked_across
    before=$(dropped host_forward 'forwarding is on for containers only (`netctr network forwarding`)')
    in_lan2 peer ask udp 192.0.2.9 9999 0 0.2 || true
    assert_eq "$(dropped host_forward 'forwarding is on for containers only (`netctr network forwarding`)')" $((before + 1))
}
t 'links that forwarded on their own go on doing so' some_were_on

one_family() {
    fresh
    netctr network create four
    netctr run --rm --network four "$box" true 2>"$tmp/err"
    assert_contains "$(cat "$tmp/err")" 'now forwards IPv4 for containers'
    assert_eq "$(cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding)" $'1\n0'
    netctr network create --internal --ipv6 vault
    netctr network create --mode isolated --ipv6 island
    netctr run --rm --network vault "$box" true
    netctr run --rm --network island "$box" true
    assert_eq "$(netctr info --format json | jq -c .forwarding.ipv6.on)" false
    netctr run --rm "$box" true 2>"$tmp/err"
    assert_contains "$(cat "$tmp/err")" 'now forwards IPv6 for containers'
}
t 'only what a network needs is enabled' one_family

# ---- router advertisements ------------------------------------------------------------------------

listens_to_router() {
    sysctl -qw net.ipv6.conf.eth0.accept_ra=1
    router=$(in_lan ip -6 -oneline address show dev eth0 scope link | awk '{ sub("/.*", "", $4); print $4 }')
    router_mac=$(in_lan cat /sys/class/net/eth0/address)
    ip -6 route del default 2>/dev/null || true
    advertise
    wait_for 3 learnt
}
advertise() {
    in_lan peer forge eth0 ra smac="$router_mac" dmac=33:33:00:00:00:01 src="$router" dst=ff02::1 \
        lladdr="$router_mac" prefix=2001:db8:77::
}
learnt() { ip -6 route show default | has "via $router dev eth0 proto ra" && ip -6 address show dev eth0 | has 2001:db8:77:; }
forget() {
    ip -6 route del default
    ip -6 address flush dev eth0 dynamic
    assert_fails learnt
}

keeps_what_it_learnt() { # COMMAND...
    fresh
    ! ${old_kernel-false} || as_before_6_17
    listens_to_router
    "$@"
    learnt
    # And it keeps receiving them.
    forget
    advertise
    wait_for 3 learnt
    rm -f "$tmp/lan"
    in_lan peer serve outside tcp/90 >"$tmp/lan" &
    wait_for 5 grep -q listening "$tmp/lan"
    serve_peer c
    wait_for 5 answers outside in_network_of c peer ask tcp 2001:db8::9 90
    assert_fails strangers_pass6
    finds_none 'router advertisements'
}
first_run() { netctr run --rm "$box" true 2>/dev/null; }
own_network() {
    netctr network create --ipv6 six
    netctr run --rm --network six "$box" true 2>/dev/null
}
boots() {
    netctr run -d --restart always --name b "$box" sleep 600 2>/dev/null
    netctr stop --all --until-boot -t 0 # its program does not heed SIGTERM
    sysctl -qw net.ipv6.conf.all.forwarding=0
    ! has_force || for key in /proc/sys/net/ipv6/conf/{default,lo,eth0,nc-default}/force_forwarding; do [ ! -e "$key" ] || echo 0 >"$key"; done
    ip -6 route show default | has 'proto ra' || { advertise && wait_for 3 learnt; }
    netctr boot
}
after_first_run() { keeps_what_it_learnt first_run; }
after_own_network() { keeps_what_it_learnt own_network; }
after_boot() { keeps_what_it_learnt boots; }
t 'routes from router advertisements stay' after_first_run
t 'routes from router advertisements stay: a second network' after_own_network
t 'routes from router advertisements stay: boot' after_boot
old_kernel=true
t 'routes from router advertisements stay, before Linux 6.17' after_first_run
t 'routes from router advertisements stay, before Linux 6.17: boot' after_boot
