#!/usr/bin/env bash
# netctr doctor and others' firewalls: what their rules do to a container's packets.
. "$(dirname "$0")/../lib.sh"

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
# moby #39439, #52612, lxd #8716
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
            chain drops { drop; }; chain empty { }; chain passes { counter accept; };
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
	nothing|policy drop; ct status dnat accept; ip saddr 10.88.0.0/16 accept; ip6 saddr fd00::/8 accept
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
