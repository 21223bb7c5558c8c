#!/usr/bin/env bash
# netctr doctor and others' firewalls: what their rules do to a container's packets.
. "$(dirname "$0")/../lib.sh"
refusing_resolver

. "$top/tests/names.sh"

foreign() { nft -f - <<<"$1"; }
reaches_out() { netctr exec c ping -c 1 -W 1 192.0.2.9 >/dev/null; }

# `web` publishes port 8080, and the LAN serves port 90.
serve_both() {
    serve_peer web -p 8080:80
    web_pid=$(pid_of web)
    in_web() { nsenter --target "$web_pid" --net "$@"; }
    in_lan peer serve outside tcp/90 >"$tmp/outside" &
    wait_for 5 grep -q listening "$tmp/outside"
    wait_for 5 traffic_passes
}
connects() { # COMMAND... -- ADDRESS PORT: as that command has it
    "${@:1:$#-3}" timeout 0.2 bash -c ": </dev/tcp/${*: -2:1}/${*: -1}" 2>/dev/null
}
# By both families: out of the container, and into it.
traffic_passes() {
    local id pids=() status=0
    connects in_web -- 192.0.2.9 90 & pids+=($!)
    connects in_web -- 2001:db8::9 90 & pids+=($!)
    connects in_lan -- 192.0.2.2 8080 & pids+=($!)
    connects in_lan -- 2001:db8::2 8080 & pids+=($!)
    for id in "${pids[@]}"; do wait "$id" || status=1; done
    return $status
}
# Names by UDP and TCP of both families, and IPv6, for which neighbours have to be found first.
host_serves() {
    local gateway way pids=() status=0
    in_network_of c ip -6 neighbour flush all
    in_network_of c ping -c 1 -W 0.4 2001:db8::9 >/dev/null & pids+=($!)
    for gateway in $(gateway_of c -4) $(gateway_of c -6); do
        for way in +notcp +tcp; do
            in_network_of c timeout 0.4 dig $way +short "@$gateway" -q web 2>&1 | grep -q '^10\.88' & pids+=($!)
        done
    done
    for way in "${pids[@]}"; do wait "$way" || status=1; done
    return $status
}
# What is answered all the same, by any family or protocol.
answers_to_c() {
    local gateway way
    for gateway in $(gateway_of c -4) $(gateway_of c -6); do
        for way in +notcp +tcp; do
            in_network_of c timeout 0.3 dig $way +short "@$gateway" -q web | grep '^10' || true
        done
    done
}
names_port() { netctr info --format json | jq .helpers.names_port; }

# All that doctor finds of table x: its cures, as they are printed, leave nothing of it.
all_cured() {
    local ours='.[] | select(.severity != "note" and (.text | contains(" x ")))'
    jq -r "$ours | .cure" "$tmp/findings" | tee "$tmp/cures"
    sh -eu "$tmp/cures"
    findings
    assert_eq "$(jq -r "$ours | .text" "$tmp/findings")" ''
}
tidy_too() {
    nft delete table inet x 2>/dev/null || true
}

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
# moby #39439, #52612, lxd #8716
t 'a forward chain with policy drop' policy_drop

# Each ruleset, and what is said of it: SEVERITY, or nothing.
forward_rules() {
    serve_both
    local severity body
    while IFS='|' read -r severity body; do
        [ -n "$body" ] || continue
        foreign "table inet x { set names { type ifname; elements = { \"nc-default\" }; };
            set block { type ipv4_addr; flags interval; elements = { 10.0.0.0/8 }; };
            set other { type ipv4_addr; flags interval; elements = { 10.0.0.0-10.87.255.255, 10.89.0.0/16 }; };
            chain drops { drop; }; chain empty { }; chain passes { counter accept; };
            chain f { type filter hook forward priority 4; $body; }; }" || fail "nft: $body"
        printf '%s: %s\n' "$severity" "$body"
        case $severity in
        nothing)
            finds_none '`inet x f`'
            wait_for 5 traffic_passes
            ;;
        note) finds note 'nf_tables chain `inet x f` (hook forward' ;;
        *)
            assert_fails traffic_passes
            finds "$severity" 'nf_tables chain `inet x f` (hook forward'
            cured
            wait_for 5 traffic_passes
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
	problem|iifname != { "lo", "eth0" } drop
	problem|ct state vmap { new : drop, established : accept }
	problem|iifname vmap { "nc-default" : jump drops }
	problem|meta nfproto ipv6 oifname "nc-default" drop
	problem|ip saddr 10.88.0.0-10.88.255.255 drop
	problem|policy drop; iifname "nc-*" accept
	warning|policy drop; meta mark 7 accept
	warning|meta mark 7 return; drop
	note|meta mark 7 drop
	note|tcp dport 25 drop
	nothing|policy drop; iifname "nc-*" accept; oifname "nc-*" accept
	nothing|policy drop; iifname "nc-default" jump passes; oifname @names goto passes
	warning|policy drop; ct status dnat accept; ip saddr 10.88.0.0/16 accept; ip6 saddr fd00::/8 accept
	problem|policy drop; oifname "nc-*" accept; iifname "nc-*" ct state new accept
	nothing|policy drop; ct state established accept; ct status dnat accept; ip saddr 10.88.0.0/16 accept; ip6 saddr fd00::/8 accept
	nothing|policy drop; iifname @names accept; oifname vmap { "nc-default" : accept }
	nothing|ct state invalid drop
	nothing|iifname "docker0" drop
	nothing|iifname != { "nc-default", "eth0" } drop
	note|ip saddr 10.89.0.0/16 drop
	note|ip saddr @other drop
	nothing|iifname "nc-default" ip saddr 10.89.0.0/16 drop
	nothing|iifname "nc-default" ip saddr @other drop
	nothing|ip saddr != 10.88.0.0/16 iifname "nc-default" meta nfproto ipv4 drop
	nothing|meta l4proto udp drop
	nothing|accept; drop
	nothing|iifname "nc-default" goto empty; oifname "nc-default" goto empty; drop
	problem|iifname "nc-default" jump empty; drop
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
    serve_both
    netctr run -d --name hidden --ip 10.88.0.77 "$box" sleep 1000 >/dev/null
    in_hidden() { nsenter --target "$(pid_of hidden)" --net "$@"; }
    in_hidden peer serve hidden tcp/80 >"$tmp/hidden" &
    wait_for 5 grep -q listening "$tmp/hidden"
    foreign 'table ip x { chain p { type nat hook prerouting priority -101; tcp dport 98 counter; tcp dport 99 dnat to 10.88.0.77:80; }; }'
    wait_for 5 connects in_lan -- 192.0.2.2 99
    finds warning 'nf_tables chain `ip x p` leads to 10.88.0.77 in network `default`'
    cured
    assert_fails connects in_lan -- 192.0.2.2 99
    nft list chain ip x p | has 'dport 98' # the other rule stays
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

# Each as it arrives: a query comes to port 53 and is sent on to the name servers' port before the hook input.
input_rules() {
    netctr run -d --name web "$box" sleep 1000 >/dev/null
    netctr run -d --name c "$box" sleep 1000 >/dev/null
    wait_for 5 host_serves
    local severity body
    while IFS='|' read -r severity body; do
        [ -n "$body" ] || continue
        body=${body/PORT/$(names_port)}
        foreign "table inet x { set ours { type ifname; elements = { \"nc-default\" }; };
            set served { type inet_service; elements = { 22, 53 }; };
            chain from_ours { udp dport 53 accept; tcp dport 53 accept; drop; };
            chain i { type filter hook input priority 1; $body; }; }" || fail "nft: $body"
        printf '%s: %s\n' "$severity" "$body"
        case $severity in
        nothing)
            finds_none 'DNS queries'
            finds_none 'neighbour discovery'
            wait_for 5 host_serves
            ;;
        *)
            assert_fails host_serves
            finds "$severity" 'nf_tables chain `inet x i` (hook input'
            all_cured
            wait_for 5 host_serves
            ;;
        esac
        nft delete table inet x
    done <<-'END'
	problem|policy drop
	problem|policy drop; ct state established,related accept; iif lo accept; icmp type echo-request accept; meta l4proto ipv6-icmp accept; tcp dport 22 accept
	problem|policy drop; iifname "nc-*" meta l4proto { tcp, udp } th dport @served accept
	problem|iifname @ours jump from_ours
	problem|meta l4proto tcp iifname "nc-default" drop
	problem|meta nfproto ipv6 iifname != "lo" goto from_ours
	problem|icmpv6 type nd-neighbor-solicit drop
	warning|policy drop; meta l4proto ipv6-icmp accept; meta mark 7 accept
	nothing|policy drop; iifname "nc-*" ct status dnat accept; icmpv6 type nd-neighbor-solicit accept
	nothing|policy drop; meta l4proto { tcp, udp } th dport PORT accept; icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
	nothing|policy drop; iifname @ours accept
	nothing|udp dport 53 drop; tcp dport 53 reject
	nothing|ct state invalid drop; ct state established accept
	END
}
t 'rules of an input chain, one by one' input_rules

input() {
    local port
    netctr run -d --name web "$box" sleep 1000 >/dev/null
    netctr run -d --name c "$box" sleep 1000 >/dev/null
    wait_for 5 host_serves
    foreign 'table ip x { chain i { type filter hook input priority 1; policy drop; iifname { "lo", "eth0" } accept; }; }
        table ip6 x { chain i { type filter hook input priority 1; policy drop; iifname { "lo", "eth0" } accept; }; }'
    assert_eq "$(answers_to_c)" ''
    finds problem 'nf_tables chain `ip x i` (hook input, policy drop) drops containers'"'"' DNS queries to this host (network `default`)'
    cured
    finds problem 'nf_tables chain `ip6 x i` (hook input, policy drop) drops containers'"'"' DNS queries to this host (network `default`)'
    all_cured
    wait_for 5 host_serves
    # Another container takes the name servers' port, and they move.
    port=$(names_port)
    netctr run -d --name taker -p "$port:80" "$box" sleep 100 >/dev/null
    [ "$(names_port)" != "$port" ] || fail 'the name servers did not move'
    finds_none 'DNS queries'
    wait_for 5 host_serves
    # Pings are a smaller matter.
    assert_fails netctr exec c ping -c 1 -W 0.5 "$(gateway_of c -4)"
    finds note 'nf_tables chain `ip x i` (hook input, policy drop) drops containers'"'"' pings to this host'
    cured
    finds note 'nf_tables chain `ip6 x i` (hook input, policy drop) drops containers'"'"' pings to this host'
    cured
    netctr exec c ping -c 1 -W 1 "$(gateway_of c -4)" >/dev/null
    netctr exec c ping -c 1 -W 1 "$(gateway_of c -6)" >/dev/null
    nft delete table ip x
    nft delete table ip6 x
}
t 'an input chain that drops DNS queries, in ip and ip6; the cure outlives a change of the port' input

input_six() {
    netctr network create --subnet fd01:2::/64 six
    netctr network create --internal --subnet 10.71.0.0/24 in
    netctr run -d --name c --network six "$box" sleep 100 >/dev/null
    netctr run -d --name d --network in "$box" sleep 100 >/dev/null
    both() { ask c c AAAA @fd01:2::1 +time=1 && ask d d @10.71.0.1 +time=1; }
    wait_for 5 eval '[ "$(both)" = $'"'fd01:2::2\n10.71.0.2'"' ]'
    foreign 'table inet x { chain i { type filter hook input priority 1; policy drop; iifname { "lo", "eth0" } accept;
        icmpv6 type nd-neighbor-solicit accept; }; }'
    assert_eq "$(both)" ''
    finds problem 'nf_tables chain `inet x i` (hook input, policy drop) drops containers'"'"' DNS queries to this host (network `'
    cured
    assert_eq "$(both)" $'fd01:2::2\n10.71.0.2'
    nft delete table inet x
    netctr network rm -f six in >/dev/null
}
t 'the same on networks with IPv6 only, or that are internal' input_six

# What is before and behind: nothing of netctr's own can make up for it.
other_hooks() {
    serve_both
    netctr run -d --name c "$box" sleep 1000 >/dev/null
    wait_for 5 host_serves
    everything_passes() { traffic_passes && host_serves; }
    local hook body
    while IFS='|' read -r hook body; do
        [ -n "$body" ] || continue
        printf '%s: %s\n' "$hook" "$body"
        foreign "table inet x { chain h { type filter hook $hook priority ${body/PORT/$(names_port)}; }; }"
        assert_fails everything_passes
        finds problem "nf_tables chain \`inet x h\` (hook $hook"
        all_cured
        wait_for 5 everything_passes
        nft delete table inet x
    done <<-'END'
	prerouting|raw; policy drop; iif lo accept; iifname "eth0" accept
	prerouting|mangle; ip saddr 10.88.0.0/16 drop
	output|raw; policy drop; oif lo accept; oifname "eth0" accept
	output|filter; udp sport PORT drop
	postrouting|mangle; policy drop; oif lo accept
	postrouting|150; policy drop; oif lo accept; oifname "eth0" accept
	postrouting|150; ip saddr 10.88.0.0/16 drop
	END
    foreign 'table inet x { chain o { type filter hook output priority 0; policy drop; ct state established accept;
            icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept; };
        chain p { type filter hook prerouting priority raw; policy accept; iifname "eth0" ip saddr 10.0.0.0/8 drop; fib saddr . iif oif missing drop; };
        chain q { type filter hook postrouting priority 150; oifname "eth0" ip saddr 10.88.0.0/16 drop; }; }'
    wait_for 5 everything_passes
    finds_none '`inet x '
    nft delete table inet x
}
t 'chains at prerouting, output and postrouting' other_hooks

bridge_nf() {
    [ -e /proc/sys/net/bridge ] || skip 'no br_netfilter'
    netctr run -d --name web "$box" sleep 1000 >/dev/null
    netctr run -d --name c "$box" sleep 1000 >/dev/null
    local address=$(address_of web) address6=$(address_of web -6)
    between() { in_network_of c ping -c 1 -W 0.5 "$1" >/dev/null; }
    set_bridge_nf 1
    foreign 'table inet x { chain f { type filter hook forward priority 1; iifname "nc-default" oifname "nc-default" drop; }; }'
    assert_fails between "$address"
    finds note 'cross the host'"'"'s IP firewall (net.bridge.bridge-nf-call-iptables is 1)'
    cured
    wait_for 5 between "$address"
    assert_fails between "$address6"
    finds note 'net.bridge.bridge-nf-call-ip6tables is 1'
    cured
    wait_for 5 between "$address6"
    nft delete table inet x
    set_bridge_nf "${BRIDGE_NF:-1}"
}
t 'bridged packets in the IP firewall' bridge_nf
