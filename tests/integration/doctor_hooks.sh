#!/usr/bin/env bash
# netctr doctor and firewalls of other programs: what stops packets before and after the hook forward.
. "$(dirname "$0")/../lib.sh"
refusing_resolver

. "$top/tests/foreign.sh"

# Each as it arrives: a query comes to port 53 and is redirected to the name servers' port before the hook input.
input_rules() {
    netctr run -d --name web "$box" sleep 1000 >/dev/null
    netctr run -d --name c "$box" sleep 1000 >/dev/null
    wait_for 5 host_serves
    table_of() {
        printf '%s\n' "table inet $1 { set ours { type ifname; elements = { \"nc-default\" }; };
            set served { type inet_service; elements = { 22, 53 }; };
            chain from_ours { udp dport 53 accept; tcp dport 53 accept; drop; };
            chain i { type filter hook input priority 1; ${2/PORT/$(names_port)}; }; }"
    }
    says() {
        local text
        for text in 'DNS queries' 'neighbour discovery'; do severity_of "$1" "$text"; done | head -1
    }
    works() { host_serves; }
    judge_rows <<-'END'
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
    finds problem 'nf_tables chain `ip x i` (hook input, policy drop) drops DNS queries of containers to this host (network `default`)'
    cured
    finds problem 'nf_tables chain `ip6 x i` (hook input, policy drop) drops DNS queries of containers to this host (network `default`)'
    all_cured
    wait_for 5 host_serves
    # Another container takes the name servers' port, and they move.
    port=$(names_port)
    netctr run -d --name taker -p "$port:80" "$box" sleep 100 >/dev/null
    [ "$(names_port)" != "$port" ] || fail 'the name servers did not move'
    finds_none 'DNS queries'
    wait_for 5 host_serves
    # Lost pings are less severe.
    assert_fails netctr exec c ping -c 1 -W 0.5 "$(gateway_of c -4)"
    finds note 'nf_tables chain `ip x i` (hook input, policy drop) drops pings of containers to this host'
    cured
    finds note 'nf_tables chain `ip6 x i` (hook input, policy drop) drops pings of containers to this host'
    cured
    netctr exec c ping -c 1 -W 1 "$(gateway_of c -4)" >/dev/null
    netctr exec c ping -c 1 -W 1 "$(gateway_of c -6)" >/dev/null
    nft delete table ip x
    nft delete table ip6 x
}
t 'an input chain that drops DNS queries, in ip and ip6; the fix survives a change of the port' input

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
    finds problem 'nf_tables chain `inet x i` (hook input, policy drop) drops DNS queries of containers to this host (network `'
    cured
    assert_eq "$(both)" $'fd01:2::2\n10.71.0.2'
    nft delete table inet x
    netctr network rm -f six in >/dev/null
}
t 'the same on networks with IPv6 only, or that are internal' input_six

# Hooks before and after: netctr's own rules cannot compensate.
other_hooks() {
    serve_both
    netctr run -d --name c "$box" sleep 1000 >/dev/null
    wait_for 5 host_serves
    everything_passes() { traffic_passes && host_serves; }
    table_of() {
        printf '%s\n' "table inet $1 { chain h { type filter hook ${2/PORT/$(names_port)}; }; }"
    }
    says() { severity_of "$1" 'h` (hook '; }
    works() { everything_passes; }
    judge_rows <<-'END'
	problem|prerouting priority raw; policy drop; iif lo accept; iifname "eth0" accept
	problem|prerouting priority raw; policy drop; iif lo accept; iifname "nc-*" accept
	problem|prerouting priority mangle; policy drop; iif lo accept; ct state established accept; iifname "nc-*" accept
	problem|prerouting priority mangle; ip saddr 10.88.0.0/16 drop
	problem|prerouting priority -150; tcp dport 8080 drop
	problem|output priority raw; policy drop; oif lo accept; oifname "eth0" accept
	problem|output priority filter; udp sport PORT drop
	problem|postrouting priority mangle; policy drop; oif lo accept
	problem|postrouting priority 150; policy drop; oif lo accept; oifname "eth0" accept
	problem|postrouting priority 150; ip saddr 10.88.0.0/16 drop
	nothing|prerouting priority -150; tcp dport 80 iifname "eth0" drop
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

# Below the IP stack: the bridge's own chains, and those of the devices on the way.
below_ip() {
    serve_both
    netctr run -d --name c "$box" sleep 1000 >/dev/null
    wait_for 5 host_serves
    neighbours_meet() {
        in_network_of c ip neighbour flush all
        in_network_of c ping -c 1 -W 0.4 "$(address_of web)" >/dev/null
    }
    works() { traffic_passes && host_serves && neighbours_meet; }
    table_of() {
        local veth
        veth=$(ip -json link show master nc-default | jq -r 'map(.ifname) | first')
        printf '%s\n' "table ${2%%|*} $1 { chain h { type filter hook ${2#*|}; }; }" | sed "s/VETH/$veth/"
    }
    says() { severity_of "$1" 'h` (hook '; }
    judge_rows <<-'END'
	problem|bridge|prerouting priority 0; policy drop
	problem|bridge|input priority 0; ether type { ip, ip6 } drop
	problem|bridge|forward priority 0; policy drop
	problem|bridge|forward priority 0; policy drop; ether type { ip, ip6 } accept
	problem|bridge|output priority 0; policy drop; ether type arp accept
	problem|bridge|postrouting priority 0; policy drop
	problem|bridge|prerouting priority 0; iifname != "lo" ip saddr 10.88.0.0/16 drop
	problem|netdev|ingress device "eth0" priority 0; policy drop; ether type arp accept
	problem|netdev|egress device "eth0" priority 0; ip daddr 0.0.0.0/0 drop
	problem|netdev|ingress device "nc-default" priority 0; policy drop
	problem|netdev|egress device "nc-default" priority 0; meta protocol ip6 drop
	problem|netdev|ingress device "VETH" priority 0; policy drop
	problem|inet|ingress device "eth0" priority 0; tcp dport 8080 drop
	nothing|netdev|ingress device "lo" priority 0; policy drop
	nothing|bridge|prerouting priority 0; iifname "tap*" drop
	nothing|bridge|forward priority 0; ip saddr 10.89.0.0/16 drop
	nothing|netdev|ingress device "eth0" priority 0; iifname "nc-default" drop
	END
}
t 'chains of the bridge, and of devices' below_ip

bridge_nf() {
    [ -e /proc/sys/net/bridge ] || skip 'no br_netfilter'
    netctr run -d --name web "$box" sleep 1000 >/dev/null
    netctr run -d --name c "$box" sleep 1000 >/dev/null
    local address address6
    address=$(address_of web) address6=$(address_of web -6)
    between() { in_network_of c ping -c 1 -W 0.5 "$1" >/dev/null; }
    set_bridge_nf 1
    foreign 'table inet x { chain f { type filter hook forward priority 1; iifname "nc-default" oifname "nc-default" drop; }; }'
    assert_fails between "$address"
    finds note 'pass the host'"'"'s IP firewall (net.bridge.bridge-nf-call-iptables is 1)'
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
