#!/usr/bin/env bash
# netctr doctor and the host's network: each bad condition is made, named, cured as it says, and gone.
. "$(dirname "$0")/../lib.sh"

# Neighbours are counted for the whole machine, with whatever else runs on it.
nothing_wrong() {
    findings
    assert_eq "$(jq -r '.[] | select(.severity != "note" and (.text | contains("neighbour") | not)) | .text' "$tmp/findings")" ''
}

healthy() {
    nothing_wrong
    [ ! -e "$state" ] || fail 'state was made'
    [ ! -e "$run_state" ] || fail 'run state was made'
    netctr run -d --name web --publish 8080:80 -p '[::1]:81:81' "$box" sleep 100 >/dev/null
    nothing_wrong
    snapshot
    netctr doctor >/dev/null
    assert_clean
    assert_error 'netctr: `doctor` takes no names' 125 netctr doctor web
    assert_error 'netctr: unknown format `yaml`; the one there is is json' 125 netctr doctor --format yaml
}
t 'a healthy host: status 0, and nothing is made or changed' healthy

# ---- others' firewalls ---------------------------------------------------------------------------

foreign() { nft -f - <<<"$1"; }
reaches_out() { netctr exec c ping -c 1 -W 1 192.0.2.9 >/dev/null; }

policy_drop() {
    netctr run -d --name c "$box" sleep 100 >/dev/null
    reaches_out
    foreign 'table ip x { chain f { type filter hook forward priority 1; policy drop; }; }'
    assert_fails reaches_out
    finds problem 'nf_tables chain `ip x f` (hook forward, policy drop) drops what containers send and what reaches their published ports (network `default`)'
    cured
    reaches_out
    nft delete table ip x
}
t 'a forward chain with policy drop' policy_drop

# Each ruleset, and what is said of it: SEVERITY, or nothing.
forward_rules() {
    warm_up
    local severity body
    while IFS='|' read -r severity body; do
        [ -n "$body" ] || continue
        foreign "table inet x { set names { type ifname; elements = { \"nc-default\" }; };
            set block { type ipv4_addr; flags interval; elements = { 10.0.0.0/8 }; };
            set other { type ipv4_addr; flags interval; elements = { 10.0.0.0-10.87.255.255, 10.89.0.0/16 }; };
            chain drops { drop; }; chain passes { counter accept; };
            chain f { type filter hook forward priority 4; $body; }; }" || fail "nft: $body"
        printf '%s: %s\n' "$severity" "$body"
        case $severity in
        nothing) finds_none '`inet x f`' ;;
        *)
            finds "$severity" 'nf_tables chain `inet x f` (hook forward'
            [ "$severity" = note ] || cured
            ;;
        esac
        nft delete table inet x
    done <<-'END'
	problem|drop
	problem|reject
	problem|policy drop; ct state established accept
	problem|iifname "nc-default" drop
	problem|iifname "nc-*" counter log jump drops
	problem|oifname "nc-default" meta l4proto tcp reject with tcp reset
	problem|ip saddr 10.88.0.0/16 drop
	problem|ip daddr & 255.255.0.0 == 10.88.0.0 goto drops
	problem|ip saddr @block drop
	problem|iifname @names drop
	problem|iifname != "eth0" drop
	problem|iifname { "lo", "nc-default" } drop
	problem|ct state vmap { new : drop, established : accept }
	problem|iifname vmap { "nc-default" : jump drops }
	problem|meta nfproto ipv6 oifname "nc-default" drop
	problem|ip saddr 10.88.0.0-10.88.255.255 drop
	problem|policy drop; iifname "nc-*" accept
	warning|policy drop; meta mark 7 accept
	note|meta mark 7 drop
	note|tcp dport 25 drop
	nothing|policy drop; iifname "nc-*" accept; oifname "nc-*" accept
	nothing|policy drop; iifname "nc-default" jump passes; oifname @names goto passes
	nothing|policy drop; ct status dnat accept; ip saddr 10.88.0.0/16 accept; ip6 saddr fd00::/8 accept
	nothing|policy drop; iifname @names accept; oifname vmap { "nc-default" : accept }
	nothing|ct state invalid drop
	nothing|iifname "docker0" drop
	note|ip saddr 10.89.0.0/16 drop
	note|ip saddr @other drop
	nothing|iifname "nc-default" ip saddr 10.89.0.0/16 drop
	nothing|iifname "nc-default" ip saddr @other drop
	nothing|ip saddr != 10.88.0.0/16 iifname "nc-default" meta nfproto ipv4 drop
	nothing|meta l4proto udp drop
	nothing|accept; drop
	nothing|iifname "nc-default" return; oifname "nc-default" return; drop
	END
}
t 'rules of a forward chain, one by one' forward_rules

other_families() {
    warm_up
    foreign 'table ip6 x { chain f { type filter hook forward priority 1; policy drop; }; }'
    finds problem 'nf_tables chain `ip6 x f` (hook forward, policy drop)'
    cured
    nft delete table ip6 x
    # As iptables-nft makes it.
    foreign 'table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; }; }'
    finds problem 'nf_tables chain `ip filter FORWARD` (hook forward, policy drop)'
    cured
    nft delete table ip filter
    # Not IP, not forward, not a filter.
    foreign 'table arp x { chain f { type filter hook input priority 1; policy drop; }; }
        table ip y { chain f { type filter hook output priority 1; policy drop; }; }'
    findings
    assert_lacks "$(jq -r .[].text "$tmp/findings")" 'hook forward'
    nft delete table arp x
    nft delete table ip y
}
t 'ip6, iptables-nft, and what is no forward chain' other_families

# ip_tables of old, without its program: `legacy POLICY' replaces the filter table's FORWARD policy.
legacy() {
    python3 - "$1" <<-'END'
	import ctypes, socket, struct, sys
	INFO, ENTRIES, REPLACE = 64, 65, 64
	libc = ctypes.CDLL(None, use_errno=True)
	s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
	def get(option, request):
	    room = ctypes.create_string_buffer(request, len(request))
	    if libc.getsockopt(s.fileno(), 0, option, room, ctypes.byref(ctypes.c_uint(len(request)))):
	        sys.exit(77)
	    return room.raw
	_, hooks, entry, under, number, size = struct.unpack('32sI20s20sII', get(INFO, b'filter'.ljust(84, b'\0')))
	rules = bytearray(get(ENTRIES, struct.pack('32sI4x', b'filter', size) + bytes(size))[40:])
	at = struct.unpack('5I', under)[2]  # FORWARD's policy is its last entry
	target = at + struct.unpack_from('H', rules, at + 88)[0]
	struct.pack_into('i', rules, target + 32, -2 if sys.argv[1] == 'accept' else -1)
	counters = ctypes.create_string_buffer(16 * number)
	request = struct.pack('32sIII20s20sIQ', b'filter', hooks, number, size, entry, under, number,
	                      ctypes.addressof(counters)) + bytes(rules)
	if libc.setsockopt(s.fileno(), 0, REPLACE, request, len(request)):
	    sys.exit('replace: %d' % ctypes.get_errno())
	END
}
legacy_tables() {
    netctr run -d --name c "$box" sleep 100 >/dev/null
    local status=0
    legacy drop || status=$?
    [ $status != 77 ] || skip 'this kernel has no ip_tables'
    [ $status = 0 ]
    assert_fails reaches_out
    finds problem 'ip_tables chain `ip filter FORWARD` (hook forward, policy drop) drops'
    assert_contains "$cure" 'iptables-legacy -I FORWARD -i nc-+ -j ACCEPT'
    legacy accept
    reaches_out
    finds_none 'ip_tables'
}
t 'the older ip_tables' legacy_tables

dnat() {
    warm_up
    foreign 'table ip x { chain p { type nat hook prerouting priority -100; tcp dport 99 dnat to 10.88.0.77:80; }; }'
    finds warning 'nf_tables chain `ip x p` leads to 10.88.0.77 in network `default`'
    sh -euc "${cure%% (*}"
    finds_none '`ip x p`'
    nft delete table ip x
    foreign 'table inet x { chain p { type nat hook prerouting priority -100;
        dnat ip to tcp dport map { 1 : 192.0.2.77, 2 : 10.88.0.78 }; }; }'
    finds warning 'nf_tables chain `inet x p` leads to 10.88.0.78 in network `default`'
    finds_none '192.0.2.77'
    nft delete table inet x
    foreign 'table ip x { chain p { type nat hook prerouting priority -100; tcp dport 99 dnat to 192.0.2.77; }; }'
    finds_none '`ip x p`'
    foreign 'table ip y { chain p { type nat hook prerouting priority -100; tcp dport 99 dnat to ip saddr; }; }' 2>/dev/null ||
        { nft delete table ip x; return 0; }
    finds note 'nf_tables chain `ip y p` changes where packets go by a rule that cannot be evaluated'
    nft delete table ip x
    nft delete table ip y
}
t "somebody else's DNAT to a container" dnat

input() {
    netctr run -d --name c "$box" sleep 100 >/dev/null
    foreign 'table inet x { chain i { type filter hook input priority 1; policy drop;
        ct state established,related accept; iifname { "lo", "eth0" } accept; }; }'
    finds note 'nf_tables chain `inet x i` (hook input, policy drop) drops questions for names and ICMP from containers to this host'
    cured
    nft delete table inet x
}
t 'an input chain that drops what containers ask of the host' input

bridge_nf() {
    [ -e /proc/sys/net/bridge ] || skip 'no br_netfilter'
    warm_up
    set_bridge_nf 1
    finds note 'cross the host'"'"'s IP firewall (net.bridge.bridge-nf-call-iptables is 1)'
    cured
    finds note 'net.bridge.bridge-nf-call-ip6tables is 1'
    cured
    set_bridge_nf "${BRIDGE_NF:-1}"
}
t 'bridged packets in the IP firewall' bridge_nf

# ---- sysctls, routes -----------------------------------------------------------------------------

forwarding() {
    netctr run -d --name c "$box" sleep 100 >/dev/null
    echo 0 >/proc/sys/net/ipv4/ip_forward
    finds problem 'this host does not forward (net.ipv4.ip_forward is 0'
    cured
    echo 0 >/proc/sys/net/ipv6/conf/all/forwarding
    finds problem 'this host does not forward (net.ipv6.conf.all.forwarding is 0'
    cured
    echo 0 >/proc/sys/net/ipv4/conf/eth0/forwarding
    finds problem 'what comes in by `eth0` is not forwarded'
    cured
    reaches_out
}
t 'forwarding that was set back' forwarding

reverse_path() {
    warm_up
    echo 1 >/proc/sys/net/ipv4/conf/eth0/rp_filter
    finds_none rp_filter # one way out: nothing wrong with it
    ip link add up1 type veth peer name up2
    ip address add 198.51.100.2/24 dev up1
    ip link set up1 up
    ip link set up2 up
    ip route add default via 198.51.100.9 dev up1 metric 500
    echo 0 >/proc/sys/net/ipv4/conf/up1/rp_filter
    echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter
    finds warning '`eth0` drops what it would not answer by the same way (rp_filter is 1), and there are 2 ways out'
    cured
    ip link del up1
}
t 'strict rp_filter with two ways out' reverse_path

advertisements() {
    warm_up
    finds_none 'router advertisements'
    ip -6 route del default
    echo 1 >/proc/sys/net/ipv6/conf/eth0/accept_ra
    finds warning '`eth0` no longer listens to router advertisements'
    cured
    ip -6 route add default via 2001:db8::9
}
t 'router advertisements that are no longer heard' advertisements

subnets() {
    warm_up
    ip link add tun9 type veth peer name tun8
    ip link set tun9 up
    ip link set tun8 up
    ip route add 10.88.3.0/24 dev tun9
    finds problem 'the route to 10.88.3.0/24 by `tun9` takes packets away from network `default` (10.88.0.0/16)'
    cured
    ip route add 10.0.0.0/8 dev tun9
    finds warning 'the route to 10.0.0.0/8 by `tun9` includes the addresses of network `default`'
    cured
    ip route add 10.89.0.0/16 dev tun9
    finds_none tun9
    local prefix
    prefix=$(ip -6 -oneline address show dev nc-default scope global | awk '{ print $4 }')
    ip -6 route add "${prefix%::*}:0:5::/96" dev tun9
    finds problem 'by `tun9` takes packets away from network `default`'
    cured
    ip link del tun9
}
t "routes that came later and collide with a network's addresses" subnets

nameserver() {
    warm_up
    printf '# nameserver 10.88.0.9\nnameserver 10.88.0.53\nnameserver 192.0.2.53\n' >"$tmp/resolv"
    mount --bind "$tmp/resolv" /etc/resolv.conf
    finds problem 'the nameserver 10.88.0.53 of /etc/resolv.conf is among the addresses of network `default` (10.88.0.0/16)'
    finds_none 10.88.0.9
    assert_contains "$cure" 'another nameserver'
    echo 'nameserver 192.0.2.53' >"$tmp/resolv"
    finds_none 'nameserver'
    umount /etc/resolv.conf
}
t "a nameserver among a network's addresses" nameserver

mtu() {
    warm_up
    ip link set nc-default mtu 1500
    finds warning 'packets of network `default` may be larger (MTU 1500) than `eth0` takes (1450)'
    cured
}
t 'a bridge whose packets are too large for the uplink' mtu

# ---- what can be full ----------------------------------------------------------------------------

ports() {
    warm_up
    local i
    for i in $(seq 465); do
        echo "link add pa$i master nc-default type veth peer name pb$i"
    done | ip -batch -
    for i in $(seq 460); do echo "link set pb$i master nc-default"; done | ip -batch -
    finds warning 'bridge `nc-default` has 925 ports of the 1023'
    for i in $(seq 465); do echo "link del pa$i"; done | ip -batch -
    finds_none 'ports of the 1023'
}
t "a bridge with hardly a port left" ports

neighbours() {
    local i threshold
    threshold=$(ip ntable show name arp_cache 2>/dev/null | awk '/thresh2/ { for (i = 1; i < NF; i++) if ($i == "thresh2") print $(i + 1); exit }')
    [ "${threshold:-0}" -le 1024 ] && [ "${threshold:-0}" -gt 0 ] || skip "the threshold is ${threshold:-not known}"
    # Permanent ones do not count: netctr's own are such.
    for i in $(seq $((threshold / 2 + 20))); do
        echo "neighbour replace 192.0.2.$((i % 200 + 20)) lladdr 02:00:00:00:00:01 dev eth0 nud permanent"
    done | ip -batch -
    for i in $(seq $((threshold / 2 + 1))); do
        echo "neighbour replace 10.1.$((i / 200)).$((i % 200 + 1)) lladdr 02:00:00:00:00:01 dev eth0 nud reachable"
    done | ip -batch -
    finds warning 'the ipv4 neighbour table has '
    assert_contains "$cure" net.ipv4.neigh.default.gc_thresh3=
    ip neighbour flush dev eth0 nud all
    ip neighbour flush dev eth0 nud permanent
}
t 'a neighbour table that fills' neighbours

conntrack() {
    warm_up
    # Its limits are the machine's, and not a test's to change: the numbers are put before it.
    local n
    for n in 215000:warning 255000:problem; do
        echo "${n%:*}" >"$tmp/count"
        echo 262144 >"$tmp/max"
        mount --bind "$tmp/count" /proc/sys/net/netfilter/nf_conntrack_count
        mount --bind "$tmp/max" /proc/sys/net/netfilter/nf_conntrack_max
        finds "${n#*:}" "${n%:*} of 262144 connections are being tracked"
        assert_contains "$cure" net.netfilter.nf_conntrack_max=1048576
        umount /proc/sys/net/netfilter/nf_conntrack_max
        umount /proc/sys/net/netfilter/nf_conntrack_count
        finds_none 'being tracked'
    done
}
t 'a conntrack table that fills' conntrack
