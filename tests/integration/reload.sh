#!/usr/bin/env bash
# Changes to networks made by hand are reported by `network inspect` and reverted by `network reload`, each by itself.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/helpers.sh"

differences() { netctr network inspect "$1" | jq -r '.[0].differences[]'; }
port_of() { netctr inspect "$1" | jq -r '.[0].endpoints[0].port'; }

# c is on network a (both families, published ports, a rate), d on the linked network b, e on a routed one.
build() {
    netctr network create --ipv6 --subnet 10.71.0.0/24 --mtu 1400 a
    netctr network create --subnet 10.72.0.0/24 b
    netctr network create --mode routed --subnet 10.73.0.0/24 lab
    netctr network create --mode isolated --icc=false iso
    netctr network create --internal vault
    netctr network create --no-guard --isolate=false free
    netctr network link b a
    serve c --network a:rate=100mbit -p 8080:80 -p 192.0.2.2:8081:80 -p '[2001:db8::2]:8082:80'
    serve d --network b
    serve e --network lab -p 80
    local n
    for n in iso vault free; do netctr run -d --name "at-$n" --network "$n" "$box" sleep 1000 >/dev/null; done
    six=$(netctr network inspect a | jq -r '.[0].gateway6')
    port=$(port_of c)
    wait_for 5 helpers_work
}
# Commands replace hanging helpers, so this is done before each damage.
nobody_repairs() {
    wait_for 5 pgrep -f '^netctr helper'
    # shellcheck disable=SC2046
    kill -STOP $(pgrep -f '^netctr helper')
}
passes() {
    in_lan curl -sf --max-time 2 'http://[2001:db8::2]:8082/' >/dev/null
    in_network_of c ping -c 1 -W 1 192.0.2.9 >/dev/null
}
works() {
    http "http://$(address_of c)/" >/dev/null
    http "http://[$(address_of c -6)]/" >/dev/null
    in_lan curl -sf --max-time 2 http://192.0.2.2:8080/ >/dev/null
    in_lan curl -sf --max-time 2 http://192.0.2.2:8081/ >/dev/null
    in_lan curl -sf --max-time 2 'http://[2001:db8::2]:8082/' >/dev/null
    in_lan curl -sf --max-time 2 "http://$(address_of e)/" >/dev/null
    http_from d "http://$(address_of c)/" >/dev/null
    in_network_of c ping -c 1 -W 1 192.0.2.9 >/dev/null
    in_network_of c ping -c 1 -W 1 2001:db8::9 >/dev/null
    netctr exec d nslookup d >/dev/null
}
# Every line of stdin is a damage, done by a shell; the expected text comes first, up to a tab. The status of reload
# shows that nothing differs afterwards.
each_is_put_back() { # NETWORK
    local text damage
    while IFS=$'\t' read -r text damage; do
        eval "$damage" >/dev/null || fail "cannot damage: $damage"
        differences "$1" >"$tmp/told"
        grep -qF -- "$(eval "echo \"$text\"")" "$tmp/told" || { cat "$tmp/told"; fail "not told: $damage"; }
        netctr network reload 2>"$tmp/said" </dev/null || { cat "$tmp/said"; fail "not put back: $damage"; }
        wait_for 5 passes </dev/null || fail "does not work: $damage"
    done
    assert_eq "$(differences "$1")" ''
    wait_for 5 works
}

links() {
    build
    wait_for 5 works
    each_is_put_back a <<-'END'
	the bridge is down	ip link set nc-a down
	address 10.71.0.1/24 is missing	ip address flush dev nc-a
	address 10.71.0.1/24 is missing	ip address del 10.71.0.1/24 dev nc-a
	address 10.71.0.1/24 is missing	ip address del 10.71.0.1/24 dev nc-a; ip address add 10.71.0.1/24 dev eth0; ip address del 10.71.0.1/24 dev eth0
	address $six/64 is missing	ip address del $six/64 dev nc-a
	the connected route to 10.71.0.0/24	ip route del 10.71.0.0/24 dev nc-a
	the connected route to 	ip -6 route del ${six%::*}::/64 dev nc-a
	bridge \`nc-a\` is missing	ip link del nc-a
	bridge \`nc-a\` is missing	ip link set nc-a down; ip link set nc-a name br7; ip link set br7 up
	was not created by netctr	ip link set nc-a alias mine
	mtu: defined 1400, is 1300	ip link set nc-a mtu 1300
	mac: should be	ip link set nc-a address 02:00:00:00:00:09
	multicast snooping, STP or VLAN filtering	ip link set nc-a type bridge mcast_snooping 1
	multicast snooping, STP or VLAN filtering	ip link set nc-a type bridge stp_state 1
	the port of container \`c\` is not in the bridge	ip link set $port nomaster
	the port of container \`c\` is not in the bridge	ip link set $port master nc-b
	port \`$port\` of container \`c\` is missing	ip link set $port down; ip link set $port name mine; ip link set mine up
	is down	ip link set $port down
	does not forward	bridge link set dev $port state 0
	has another MAC	ip link set $port address 02:00:00:00:00:0a
	has lost its alias	ip link set $port alias mine
	mtu: the bridge has 1400	ip link set $port mtu 1300
	hairpin is off	bridge link set dev $port hairpin off
	isolated is on	bridge link set dev $port isolated on
	learning is on	bridge link set dev $port learning on
	keeps frames back	bridge link set dev $port flood off
	keeps frames back	bridge link set dev $port bcast_flood off
	keeps frames back	bridge link set dev $port mcast_flood off
	keeps frames back	ip link set dev $port type bridge_slave group_fwd_mask 0
	keeps frames back	bridge link set dev $port locked on
	is not bound to port	bridge fdb del $(netctr exec c cat /sys/class/net/eth0/address) dev $port master
	the permanent neighbour 10.71.0.2	ip neighbour del 10.71.0.2 dev nc-a
	the permanent neighbour fd	ip neighbour del $(address_of c -6) dev nc-a
	rate: container \`c\`	tc qdisc del dev $port root
	rate: container \`c\`	in_network_of c tc qdisc del dev eth0 root
	sysctl net/ipv4/conf/nc-a/route_localnet	sysctl -qw net.ipv4.conf.nc-a.route_localnet=0
	sysctl net/ipv4/conf/nc-a/forwarding	sysctl -qw net.ipv4.conf.nc-a.forwarding=0
	sysctl net/ipv4/ip_forward	sysctl -qw net.ipv4.ip_forward=0
	sysctl net/ipv6/conf/nc-a/accept_ra	sysctl -qw net.ipv6.conf.nc-a.accept_ra=1
	sysctl net/ipv6/conf/nc-a/disable_ipv6	sysctl -qw net.ipv6.conf.nc-a.disable_ipv6=1
	disable_ipv6: should be 1	sysctl -qw net.ipv6.conf.$port.disable_ipv6=0
	sysctl net/ipv6/conf	sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv6.conf.all.forwarding=0
	END
}
t 'bridge, addresses, ports, neighbours, sysctls: reported and restored' links

all_differences() {
    # shellcheck disable=SC2046
    netctr network inspect $(netctr network ls -q) | jq -r '.[].differences[]'
}
put_back() { # DAMAGE
    netctr network reload 2>"$tmp/said" || { cat "$tmp/said"; fail "not put back: $1"; }
}

sets() {
    build
    local kind set sets=0
    # Every set with elements, emptied one by one; reported for the networks of these elements.
    nobody_repairs
    while read -r kind set; do
        sets=$((sets + 1))
        # shellcheck disable=SC2086
        nft flush "$kind" $set
        all_differences >"$tmp/told"
        grep -q "^firewall: .* is not in set \`${set##* }\`" "$tmp/told" || { cat "$tmp/told"; fail "not told: $set"; }
    done < <(nft --json list ruleset | jq -r '.nftables[] | to_entries[0] | .key as $kind | .value |
        select(($kind == "set" or $kind == "map") and .elem and (.table | startswith("netctr"))) | "\($kind) \(.family) \(.table) \(.name)"')
    put_back 'every set emptied'
    [ "$sets" -ge 18 ] || fail "only $sets sets hold something"
    nobody_repairs
    # One network's damage is not reported for another.
    nft delete element bridge netctr_guard macs "{ \"$port\" . $(netctr exec c cat /sys/class/net/eth0/address) }"
    assert_eq "$(differences a)" "firewall: guard of \`$port\` is not in set \`macs\`"
    assert_eq "$(differences b)" ''
    put_back macs
    # Additional elements, and other values.
    nobody_repairs
    nft -f - <<-END
	add element inet netctr internal { nc-a }
	add element inet netctr links { nc-b . nc-lab }
	add element inet netctr publish4 { tcp . 9999 : 10.71.0.9 . 80 }
	delete element inet netctr publish4 { tcp . 8080 }
	add element inet netctr publish4 { tcp . 8080 : 10.72.0.2 . 80 }
	END
    differences a >"$tmp/told"
    grep -qxF 'firewall: set `internal` has the unexpected element `nc-a`' "$tmp/told"
    grep -qxF 'firewall: set `publish4` has the unexpected element `tcp . 9999`' "$tmp/told"
    grep -qxF 'firewall: published port tcp 8080 leads to 10.72.0.2 . 80 in set `publish4`' "$tmp/told"
    assert_eq "$(differences b)" 'firewall: set `links` has the unexpected element `nc-b . nc-lab`'
    assert_eq "$(differences vault)" ''
    put_back 'too much'
    wait_for 5 works
}
t 'every set of the firewall: missing, additional or changed elements are reported and restored' sets

rules() {
    build
    local rules chains
    nft --json list ruleset | jq '[.nftables[] | (.rule, .chain) | values | select(.table | . == "netctr" or . == "netctr_guard")]' >"$tmp/all"
    rules=$(jq 'map(select(.expr)) | length' "$tmp/all")
    chains=$(jq -r '.[] | select(.name) | "flush chain \(.family) \(.table) \(.name)"' "$tmp/all")
    [ "$rules" -ge 50 ] || fail "only $rules rules"
    nobody_repairs
    nft -f - <<<"$chains"
    assert_eq "$(differences a | grep -c '^firewall: rule .* is missing$')" "$rules" 'rules told'
    put_back 'every rule deleted'
    wait_for 5 works
    # Other rules, in another order, or elsewhere.
    local damage text
    while IFS=$'\t' read -r text damage; do
        nobody_repairs
        eval "$damage" >/dev/null
        assert_contains "$(differences a)" "firewall: $text"
        put_back "$damage"
    done <<-'END'
	chain netctr forward has a rule that is not netctr's	nft insert rule inet netctr forward accept
	chain netctr_guard guard_ip has a rule that is not netctr's	nft add rule bridge netctr_guard guard_ip drop
	rule netctr input `iifname @isolated counter drop` is missing	nft replace rule inet netctr input handle $(nft -a list chain inet netctr input | awk '/@isolated/ { print $NF }') iifname @isolated accept
	rule netctr input_internal `meta l4proto { icmp, ipv6-icmp } accept` is missing	nft replace rule inet netctr input_internal handle $(nft -a list chain inet netctr input_internal | awk '/l4proto/ { print $NF }') meta l4proto { tcp, icmp, ipv6-icmp } accept
	rule netctr_guard guard_ip `counter drop` is missing	nft flush chain bridge netctr_guard guard_ip
	the rules of chain netctr source_nat have another order or number	nft add rule inet netctr source_nat oifname @networks ip saddr 127.0.0.0/8 masquerade
	chain netctr forward has another hook or policy	nft add chain inet netctr forward '{ policy drop; }'
	chain netctr mine is not netctr's	nft add chain inet netctr mine
	table netctr is dormant	nft add table inet netctr '{ flags dormant; }'
	the tables are missing	nft delete table bridge netctr_guard
	the tables are missing	nft flush ruleset
	END
    wait_for 5 works
}
t 'every rule of the firewall: missing, additional or changed rules are reported and restored' rules

# What belongs to the container, or to another program, is left as it is, and reported.
left() { # NETWORK TEXT
    assert_contains "$(differences "$1")" "$2"
    assert_status 125 netctr network reload 2>"$tmp/said"
    assert_contains "$(cat "$tmp/said")" "netctr: warning: network \`$1\`: $2"
}
not_put_back() {
    netctr network create --ipv6 --subnet 10.71.0.0/24 a
    serve c --network a -p 8080:80
    serve d --network a
    in_network_of c ip address del 10.71.0.2/24 dev eth0
    left a 'container `c`: `eth0` lacks address 10.71.0.2 (`netctr restart c` puts it back)'
    netctr restart -t 0 c
    netctr network reload
    in_network_of c ip route del default
    left a 'container `c`: the default route by 10.71.0.1 is missing (`netctr restart c` puts it back)'
    netctr restart -t 0 c
    in_network_of c ip -6 route del default
    left a 'container `c`: the default route by fd'
    netctr restart -t 0 c
    in_network_of c ip link set eth0 down
    left a 'container `c`: `eth0` is down (`netctr restart c` puts it back)'
    in_network_of c ip link set eth0 address 02:00:00:00:00:07
    left a 'container `c`: `eth0` has another MAC'
    netctr restart -t 0 c
    in_network_of c ip link set eth0 mtu 1300
    left a 'container `c`: `eth0` has MTU 1300, the bridge has 1450'
    netctr restart -t 0 c
    in_network_of c ip link set eth0 down
    in_network_of c ip link set eth0 name wan
    left a 'container `c`: `eth0` is missing'
    netctr restart -t 0 c
    ip link del "$(port_of c)"
    left a 'container `c`: `eth0` is missing (`netctr restart c` puts it back)'
    http "http://$(address_of d)/" | has -x d # the others have lost nothing
    netctr restart -t 0 c
    ip address add 10.99.0.1/24 dev nc-a
    left a "address 10.99.0.1/24 does not belong to the network (\`ip address del 10.99.0.1/24 dev nc-a\` removes it)"
    ip address del 10.99.0.1/24 dev nc-a
    netctr network reload
    wait_for 5 in_lan curl -sf --max-time 2 http://192.0.2.2:8080/
}
t 'changes by a container to its own end, and a lost interface, are reported: status 125' not_put_back

one_of_many() {
    # Another program's bridge blocks one network, and no other.
    netctr network create --subnet 10.71.0.0/24 a
    netctr network create --subnet 10.72.0.0/24 b
    serve c --network a
    serve d --network b
    ip link del nc-a
    ip link add nc-a type bridge
    ip link set nc-b down
    assert_error 'netctr: network `a`: link `nc-a` was not created by netctr; rename or remove it' 125 netctr network reload
    wait_for 5 http -o /dev/null "http://$(address_of d)/"
    ip link set nc-b down
    netctr run --rm --network b "$box" true 2>"$tmp/said" # nor here
    assert_contains "$(cat "$tmp/said")" 'warning: network `a`: link `nc-a` was not created'
    wait_for 5 http -o /dev/null "http://$(address_of d)/"
    ip link del nc-a
    netctr network reload
    wait_for 5 http -o /dev/null "http://$(address_of c)/"
}
t 'a problem of one network does not affect another, at reload and at a start' one_of_many
