#!/usr/bin/env bash
# netctr doctor and firewalls of other programs: what their rules do to a container's packets.
. "$(dirname "$0")/../lib.sh"
refusing_resolver

. "$top/tests/foreign.sh"

# The first network will have both families.
before_any_network() {
    foreign 'table ip x { chain f { type filter hook forward priority 1; policy drop; }; }
        table ip6 x { chain f { type filter hook forward priority 1; policy drop; }; }'
    finds problem 'nf_tables chain `ip x f` (hook forward, policy drop)'
    cured
    finds problem 'nf_tables chain `ip6 x f` (hook forward, policy drop)'
    cured
    serve_both
    nft delete table ip x
    nft delete table ip6 x
}
t 'before there is a network: both families' before_any_network

policy_drop() {
    netctr run -d --name c "$box" sleep 100 >/dev/null
    reaches_out
    foreign 'table ip x { chain f { type filter hook forward priority 1; policy drop; }; }'
    assert_fails reaches_out
    finds problem 'nf_tables chain `ip x f` (hook forward, policy drop) drops packets from containers and packets to their published ports (network `default`)'
    cured
    reaches_out
    nft delete table ip x
}
# moby #39439, #52612, lxd #8716
t 'a forward chain with policy drop' policy_drop

forward_rules() {
    serve_both
    table_of() {
        printf '%s\n' "table inet $1 { set names { type ifname; elements = { \"nc-default\" }; };
            set block { type ipv4_addr; flags interval; elements = { 10.0.0.0/8 }; };
            set other { type ipv4_addr; flags interval; elements = { 10.0.0.0-10.87.255.255, 10.89.0.0/16 }; };
            chain drops { drop; }; chain empty { }; chain passes { counter accept; };
            chain f { type filter hook forward priority 4; $2; }; }"
    }
    says() { severity_of "$1" 'f` (hook forward'; }
    works() { traffic_passes; }
    judge_rows <<-'END'
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
	warning|policy drop; meta mark vmap { 1 : accept, 2 : drop }
	warning|policy drop; meta mark . iifname vmap { 1 . "nc-default" : accept, 1 . "eth0" : accept }
	problem|policy drop; tcp dport vmap { 22 : accept, 1000-2000 : accept }; ct state vmap { established : accept, invalid : drop }
	problem|ip protocol . ip saddr vmap { tcp . 10.80.0.0-10.95.255.255 : drop, udp . 0.0.0.0/0 : accept }
	problem|meta l4proto . th dport vmap { tcp . 79-81 : drop }
	problem|tcp dport 80 drop
	problem|ct direction original tcp dport { 22, 70-89 } reject with tcp reset
	warning|meta mark 7 return; drop
	note|meta mark 7 drop
	note|tcp dport 25 drop
	note|oifname "nc-default" ip saddr vmap { 0.0.0.0/1 : drop, 128.0.0.0/1 : accept }
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
	note|tcp dport { 22, 81-90 } ct direction original iifname "eth0" drop
	nothing|iifname "nc-default" goto empty; oifname "nc-default" goto empty; drop
	problem|iifname "nc-default" jump empty; drop
	nothing|iifname "nc-default" return; oifname "nc-default" return; drop
	END
}
t 'rules of a forward chain, one by one' forward_rules

# What a chain does may depend on the ones before it.
chains_before() {
    netctr run -d --name c "$box" sleep 100 >/dev/null
    # The priority of a chain of type nat only counts among its like: this one comes behind both others.
    foreign 'table inet x { chain a { type filter hook prerouting priority -170; meta mark set 0; };
        chain n { type nat hook prerouting priority -160; meta mark 1 drop; };
        chain b { type filter hook prerouting priority -150; meta mark set 1; }; }'
    assert_fails reaches_out
    finds warning 'nf_tables chain `inet x n` (hook prerouting) drops'
    nft delete table inet x
    foreign 'table inet x { set seen { type ipv4_addr; flags dynamic,timeout; timeout 1m; };
        chain a { type filter hook forward priority 1; add @seen { ip saddr }; };
        chain b { type filter hook forward priority 2; ip saddr @seen drop; }; }'
    assert_fails reaches_out
    finds note 'nf_tables chain `inet x b` (hook forward) drops'
    nft delete table inet x
}
t 'chains whose effect depends on those before them' chains_before

# Thousands of rules, sets with thousands of elements, jumps that multiply: doctor follows as many as it can.
many_rules() {
    local name
    for name in a b c; do
        netctr network create --ipv6 "$name" >/dev/null
        netctr run -d --name "at-$name" --network "$name" "$box" sleep 1000 >/dev/null
    done
    python3 - "$tmp" <<-'END'
	import sys
	def write(name, body):
	    open(f'{sys.argv[1]}/{name}.nft', 'w').write(f'table inet x {{ {body} }}\n')
	hook = 'type filter hook forward priority 0;'
	services = ' '.join(f'chain s{i} {{ ip daddr 172.16.{i // 250}.{i % 250} drop; meta mark 7 accept; }};' for i in range(1500))
	jumps = '; '.join(f'ip protocol tcp jump s{i}' for i in range(1500))
	write('services', f'{services} chain svcs {{ {jumps}; }}; chain f {{ {hook} policy drop; jump svcs; }};')
	elements = ', '.join(f'172.{16 + i // 65536}.{i // 256 % 256}.{i % 256}' for i in range(0, 40000, 2))
	write('set', f'set s {{ type ipv4_addr; flags interval; elements = {{ {elements} }}; }}; '
	      f'chain f {{ {hook} policy drop; {"ip saddr @s drop; ip daddr @s drop; " * 100} }};')
	deep = ''.join(f'chain d{i} {{ {"meta mark 1 jump d%d; " % (i + 1) * 3 if i < 12 else ""} counter; }}; ' for i in range(12, -1, -1))
	write('jumps', f'{deep} chain f {{ {hook} policy drop; jump d0; }};')
	END
    for name in services set jumps; do
        nft -f "$tmp/$name.nft"
        timeout $((20 * slowness)) netctr doctor >"$tmp/said" || assert_eq $? 1 "$name"
        grep -q 'nf_tables chain `inet x f` (hook forward, policy drop) drops' "$tmp/said" || { cat "$tmp/said"; fail "$name: not said"; }
        nft delete table inet x
    done
    netctr network rm -f a b c >/dev/null
}
t 'thousands of rules and elements, and jumps that multiply' many_rules

other_families() {
    warm_up
    foreign 'table ip6 x { chain f { type filter hook forward priority 1; policy drop; }; }'
    finds problem 'nf_tables chain `ip6 x f` (hook forward, policy drop)'
    cured
    nft delete table ip6 x
    # As iptables-nft creates it.
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
t 'ip6, iptables-nft, and chains that are no forward chains' other_families

# The old ip_tables, without its program: replaces the table filter. In FORWARD, `goto' and `jump' lead to the other chain.
legacy() { # "RULES OF FORWARD" POLICY ["RULES OF THE OTHER CHAIN"]
    python3 - "$@" <<-'END'
	import ctypes, socket, struct, sys
	INFO, REPLACE, GOTO = 64, 64, 2
	words = {'accept': -2, 'drop': -1, 'return': -5}
	forward, policy, other = sys.argv[1].split(), sys.argv[2], (sys.argv[3:] or [''])[0].split()
	libc = ctypes.CDLL(None, use_errno=True)
	s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
	info = ctypes.create_string_buffer(b'filter', 84)
	if libc.getsockopt(s.fileno(), 0, INFO, info, ctypes.byref(ctypes.c_uint(84))):
	    sys.exit(77)
	counters = struct.unpack('32sI20s20sII', info.raw)[4]
	def entry(target, flags=0):
	    return struct.pack('82sBBIHHI16x', b'', flags, 0, 0, 112, 112 + len(target), 0) + target
	def verdict(number, flags=0):
	    return entry(struct.pack('H30xi4x', 40, number), flags)
	def name(text):
	    return entry(struct.pack('H29sB30s2x', 64, b'ERROR', 0, text))
	size = len(verdict(0))
	at_forward = size  # behind the policy of INPUT
	under = at_forward + size * len(forward)
	at_output = under + size
	at_other = at_output + size + len(name(b''))
	rules = [words['accept']] + [words.get(w, at_other) for w in forward] + [words[policy], words['accept']]
	blob = b''.join(verdict(v, GOTO if v == at_other and forward[i - 1] == 'goto' else 0) for i, v in enumerate(rules))
	blob += name(b'other') + b''.join(verdict(words[w]) for w in other) + verdict(words['return']) + name(b'ERROR')
	room = ctypes.create_string_buffer(16 * counters)
	request = struct.pack('32sIII5I5IIQ', b'filter', 0xe, len(rules) + len(other) + 3, len(blob),
	                      0, 0, at_forward, at_output, 0, 0, 0, under, at_output, 0,
	                      counters, ctypes.addressof(room)) + blob
	if libc.setsockopt(s.fileno(), 0, REPLACE, request, len(request)):
	    sys.exit('replace: %d' % ctypes.get_errno())
	END
}
legacy_tables() {
    netctr run -d --name c "$box" sleep 100 >/dev/null
    local status=0
    legacy '' drop || status=$?
    [ $status != 77 ] || skip 'this kernel has no ip_tables'
    [ $status = 0 ]
    assert_fails reaches_out
    finds problem 'ip_tables chain `ip filter FORWARD` (hook forward, policy drop) drops'
    assert_contains "$cure" 'iptables-legacy -I FORWARD -i nc-+ -j ACCEPT'
    legacy '' accept
    reaches_out
    finds_none 'ip_tables'
}
t 'the old ip_tables' legacy_tables

# What returns from a built-in chain, or from a chain behind `goto', meets the policy.
legacy_returns() {
    netctr run -d --name c "$box" sleep 100 >/dev/null
    local effect forward policy other status=0
    legacy '' accept || status=$?
    [ $status != 77 ] || skip 'this kernel has no ip_tables'
    while IFS='|' read -r effect forward policy other; do
        printf '%s, policy %s, other: %s\n' "$forward" "$policy" "$other"
        legacy "$forward" "$policy" "$other"
        if [ "$effect" = passes ]; then
            reaches_out
            finds_none 'ip_tables'
        else
            assert_fails reaches_out
            finds problem 'ip_tables chain `ip filter FORWARD` (hook forward'
        fi
    done <<-'END'
	passes|goto drop|accept|
	drops|jump drop|accept|
	drops|goto accept|drop|
	passes|goto drop|drop|accept
	passes|return drop|accept|
	drops|return accept|drop|
	drops|jump|drop|return accept
	END
    legacy '' accept
}
t 'the old ip_tables: goto and return' legacy_returns

dnat() {
    serve_both
    netctr run -d --name hidden --ip 10.88.0.77 "$box" sleep 1000 >/dev/null
    in_hidden() { nsenter --target "$(pid_of hidden)" --net "$@"; }
    in_hidden peer serve hidden tcp/80 >"$tmp/hidden" &
    wait_for 5 grep -q listening "$tmp/hidden"
    foreign 'table ip x { chain p { type nat hook prerouting priority -101; tcp dport 98 counter; tcp dport 99 dnat to 10.88.0.77:80; }; }'
    wait_for 5 connects in_lan -- 192.0.2.2 99
    finds warning 'nf_tables chain `ip x p` redirects packets to 10.88.0.77 in network `default`'
    cured
    assert_fails connects in_lan -- 192.0.2.2 99
    nft list chain ip x p | has 'dport 98' # the other rule stays
    nft delete table ip x
    foreign 'table inet x { chain p { type nat hook prerouting priority -100;
        dnat ip to tcp dport map { 1 : 192.0.2.77, 2 : 10.88.0.78 }; }; }'
    finds warning 'nf_tables chain `inet x p` redirects packets to 10.88.0.78 in network `default`'
    finds_none '192.0.2.77'
    nft delete table inet x
    foreign 'table ip x { chain p { type nat hook prerouting priority -100; tcp dport 99 dnat to 192.0.2.77; }; }'
    finds_none '`ip x p`'
    foreign 'table ip y { chain p { type nat hook prerouting priority -100; tcp dport 99 dnat to ip saddr; }; }' 2>/dev/null ||
        { nft delete table ip x; return 0; }
    finds note 'nf_tables chain `ip y p` has a DNAT rule that cannot be evaluated'
    nft delete table ip x
    nft delete table ip y
}
t "another program's DNAT to a container" dnat
