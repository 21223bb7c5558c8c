#!/usr/bin/env bash
# A network in the kernel: MTU, MAC, sysctls; and changes made by hand.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/helpers.sh"

differences() { netctr network inspect "$1" | jq -r '.[0].differences[]'; }
link_value() { ip -json link show dev "$1" | jq -r ".[0].$2"; }
bridge_is_missing() { ! ip link show "$1" 2>/dev/null; }
only_difference() { # TEXT
    differences a;     assert_eq "$(differences a | wc -l)" 1 "differences, expected one"
    assert_contains "$(differences a)" "$1"
}

mtu() {
    netctr network create --mtu 1400 a
    serve c --network a
    serve d --network a
    assert_eq "$(cat /sys/class/net/nc-a/mtu)" 1400 bridge
    assert_eq "$(netctr exec c cat /sys/class/net/eth0/mtu)" 1400 container
    assert_eq "$(bridge -json link show | jq -c '[.[] | select(.master == "nc-a") | .mtu] | unique')" '[1400]' ports
    in_network_of c ping -c 1 -W 1 -M "do" -s 1372 "$(address_of d)" >/dev/null
    assert_fails in_network_of c ping -c 1 -W 1 -M "do" -s 1373 "$(address_of d)"
    # It is constant, whatever is connected and disconnected.
    ip link add small mtu 1300 type veth peer name other
    ip link set small master nc-a
    assert_eq "$(cat /sys/class/net/nc-a/mtu)" 1400 'bridge with a smaller port'
    ip link del small
    # By default that of the default route at creation.
    ip link set eth0 mtu 1400
    in_lan ip link set eth0 mtu 1400
    netctr network create b
    netctr run -d --name e --network b "$box" sleep 100 >/dev/null
    assert_eq "$(netctr exec e cat /sys/class/net/eth0/mtu)" 1400
    in_network_of e ping -c 1 -W 1 -M "do" -s 1372 192.0.2.9 >/dev/null
    # Too large packets are refused inside, at once, and not by a message that may be lost.
    assert_fails in_network_of e ping -c 1 -W 1 -M "do" -s 1373 192.0.2.9 >"$tmp/ping" 2>&1
    assert_contains "$(cat "$tmp/ping")" 'mtu=1400'
    ip link set eth0 mtu 1450
    in_lan ip link set eth0 mtu 1450
}
# moby #22028, #20178, #12565
t 'MTU: as defined, or that of the default route' mtu

mac() {
    netctr network create a
    netctr run -d --name c --network a "$box" sleep 100 >/dev/null
    local before
    before=$(cat /sys/class/net/nc-a/address)
    ip link add low address 00:00:00:00:00:02 type veth peer name other # a bridge with its default behaviour takes the lowest
    ip link set low master nc-a
    netctr run -d --name d --network a "$box" sleep 100 >/dev/null
    netctr rm -f c
    ip link del low
    netctr rm -f d
    assert_eq "$(cat /sys/class/net/nc-a/address)" "$before" MAC
    ip link del nc-a
    netctr run --rm --network a "$box" true
    assert_eq "$(cat /sys/class/net/nc-a/address)" "$before" 'MAC of the next one'
}
# netavark #833, lxc #604, nomad #12103
t "the bridge's MAC is constant, also after the bridge is created again" mac

sysctls() {
    netctr network create --ipv6 --sysctl net.ipv4.conf.IFNAME.rp_filter=2 \
        --sysctl net.ipv4.neigh.IFNAME.base_reachable_time_ms=4000 \
        --sysctl net.ipv6.conf.IFNAME.hop_limit=33 a
    netctr run -d --name c --network default --network a:name=wan0 "$box" sleep 100 >/dev/null
    assert_eq "$(netctr exec c cat /proc/sys/net/ipv4/conf/wan0/rp_filter)" 2
    assert_eq "$(netctr exec c cat /proc/sys/net/ipv4/neigh/wan0/base_reachable_time_ms)" 4000
    assert_eq "$(netctr exec c cat /proc/sys/net/ipv6/conf/wan0/hop_limit)" 33
    assert_eq "$(netctr exec c cat /proc/sys/net/ipv6/conf/eth0/hop_limit)" 64 "the other network's"
    # A value that the kernel refuses: one line, nothing left.
    netctr network create --sysctl net.ipv4.conf.IFNAME.rp_filter=many b
    snapshot
    assert_fails netctr run --rm --network b "$box" true 2>"$tmp/err"
    assert_contains "$(cat "$tmp/err")" 'rp_filter'
    ip link del nc-b
    netctr gc
}
t '--sysctl: of the interface, whatever its name' sysctls

# The container's own, not the host's.
sysctls_of_all() {
    local before
    before=$(cat /proc/sys/net/ipv6/conf/{all,default}/{forwarding,hop_limit} /proc/sys/net/ipv4/conf/all/log_martians)
    netctr network create --mode isolated --no-guard --subnet fd00:1::/64 --sysctl net.ipv6.conf.all.forwarding=1 \
        --sysctl net.ipv4.conf.all.log_martians=1 --sysctl net.ipv6.conf.default.hop_limit=33 one
    netctr network create --mode isolated --no-guard --subnet fd00:2::/64 two
    netctr run -d --name r --network one:ip6=fd00:1::1 --network two:ip6=fd00:2::1 "$box" sleep 100 >/dev/null
    assert_eq "$(netctr exec r cat /proc/sys/net/ipv6/conf/{all,eth0,eth1}/forwarding | tr '\n' ' ')" '1 1 1 '
    assert_eq "$(netctr exec r cat /proc/sys/net/ipv4/conf/all/log_martians)" 1
    assert_eq "$(netctr exec r cat /proc/sys/net/ipv6/conf/default/hop_limit)" 33
    assert_eq "$(cat /proc/sys/net/ipv6/conf/{all,default}/{forwarding,hop_limit} \
        /proc/sys/net/ipv4/conf/all/log_martians)" "$before" "the host's"
    netctr run -d --name a --network one:ip6=fd00:1::10 "$box" sleep 100 >/dev/null
    netctr run -d --name b --network two:ip6=fd00:2::10 "$box" sleep 100 >/dev/null
    in_network_of a ip route add fd00:2::/64 via fd00:1::1
    in_network_of b ip route add fd00:1::/64 via fd00:2::1
    in_network_of a ping -q -c 1 -W 5 fd00:2::10 >/dev/null
    in_network_of r sysctl -qw net.ipv6.conf.all.forwarding=0
    assert_fails in_network_of a ping -q -c 1 -W 1 fd00:2::10 >/dev/null
}
t '--sysctl: of all interfaces of the container, which then routes IPv6' sysctls_of_all

differences_are_told() {
    netctr network create --ipv6 --subnet 10.71.0.0/24 --mtu 1400 a
    serve c --network a -p 8080:80
    assert_eq "$(differences a)" ''
    ip link set nc-a mtu 1300
    differences a | has -x 'mtu: defined 1400, is 1300'
    ip link set nc-a mtu 1400
    ip address del 10.71.0.1/24 dev nc-a
    differences a | has -x 'address 10.71.0.1/24 is missing'
    ip address add 10.71.0.1/24 dev nc-a
    only_difference 'the permanent neighbour 10.71.0.2 of container `c` is missing' # removed together with the last address
    netctr network reload
    ip address add 10.72.0.1/24 dev nc-a
    only_difference "address 10.72.0.1/24 does not belong to the network"
    ip address del 10.72.0.1/24 dev nc-a
    sysctl -qw net.ipv4.conf.nc-a.route_localnet=0
    only_difference 'sysctl net/ipv4/conf/nc-a/route_localnet: should be 1, is 0'
    sysctl -qw net.ipv4.conf.nc-a.route_localnet=1
    local port
    port=$(netctr inspect c | jq -r '.[0].endpoints[0].port')
    ip link set "$port" nomaster
    only_difference 'the port of container `c` is not in the bridge'
    netctr network reload
    assert_eq "$(differences a)" ''
    ip link set nc-a address 02:00:00:00:00:09
    differences a | has '^mac: should be .*, is 02:00:00:00:00:09$'
    ip link del nc-a
    only_difference 'bridge `nc-a` is missing'
    netctr network reload
    assert_eq "$(differences a)" ''
    in_lan curl -sf --max-time 2 http://192.0.2.2:8080/ | has -x c
    # The rules, with the helper stopped.
    wait_for 5 helpers_work
    local stopped
    stopped=$(helper_processes)
    # shellcheck disable=SC2086
    kill -STOP $stopped
    nft delete element inet netctr masqueraded '{ nc-a }'
    nft add element inet netctr internal '{ nc-a }'
    differences a >"$tmp/told"
    # shellcheck disable=SC2086
    kill -CONT $stopped
    grep -qx 'firewall: network `nc-a` is not in set `masqueraded`' "$tmp/told"
    grep -qx 'firewall: set `internal` has the unexpected element `nc-a`' "$tmp/told"
    netctr network reload
    assert_eq "$(differences a)" ''
}
t 'inspect reports differences from the definition' differences_are_told

restored() {
    netctr network create --ipv6 --subnet 10.71.0.0/24 a
    serve c --network a -p 8080:80
    local six
    six=$(netctr network inspect a | jq -r '.[0].gateway6')
    reachable() {
        http "http://$(address_of c)/" | has -x c
        http "http://[$(address_of c -6)]/" | has -x c
        in_lan curl -sf --max-time 2 http://192.0.2.2:8080/ | has -x c
        in_network_of c ping -c 1 -W 1 192.0.2.9 >/dev/null
        in_network_of c ping -c 1 -W 1 2001:db8::9 >/dev/null
    }
    reachable
    # Set down by hand: this removes its IPv6 addresses.
    ip link set nc-a down
    assert_fails http "http://$(address_of c)/"
    netctr run --rm --network a "$box" true
    wait_for 3 reachable
    assert_eq "$(differences a)" ''
    ip address del 10.71.0.1/24 dev nc-a
    ip address del "$six/64" dev nc-a
    netctr run --rm --network a "$box" true
    wait_for 3 reachable
    assert_eq "$(differences a)" ''
    # Existing settings stay as the administrator changed them.
    ip address add 10.72.0.1/24 dev nc-a
    ip link set nc-a mtu 1300
    netctr run --rm --network a "$box" true
    assert_eq "$(cat /sys/class/net/nc-a/mtu)" 1300
    assert_contains "$(ip -oneline address show dev nc-a)" 10.72.0.1/
    # Deleted: the next container, or a reload, reattaches running containers.
    ip link del nc-a
    assert_fails http "http://$(address_of c)/"
    netctr run --rm --network a "$box" true
    wait_for 3 reachable
    ip link del nc-a
    netctr network reload
    wait_for 3 reachable
    assert_eq "$(differences a)" ''
    assert_contains "$(ip neighbour show "$(address_of c)" dev nc-a)" PERMANENT
    bridge -json -details link show | jq -e '[.[] | select(.master == "nc-a")] | length == 1 and .[0].hairpin and (.[0].learning | not)' >/dev/null
    # And without any: rm.
    ip link del nc-a
    netctr rm -f c
    netctr network rm a
}
t 'a bridge that was set down, emptied or deleted is restored with its containers' restored

new_mac_on_an_old_address() {
    netctr network create --subnet 10.71.0.0/24 --subnet fd71::/64 a
    serve neighbour --network a
    serve one --network a:ip=10.71.0.50,ip6=fd71::50,mac=02:11:11:11:11:11
    local n
    for n in 1 2 3; do
        http_from neighbour http://10.71.0.50/ >/dev/null
        http_from neighbour 'http://[fd71::50]/' >/dev/null
        http http://10.71.0.50/ >/dev/null
        netctr rm -f one
        serve one --network a:ip=10.71.0.50,ip6=fd71::50,mac=02:11:11:11:11:2$n
        # At once, and not when an old ARP entry expires.
        assert_eq "$(in_network_of neighbour curl -sf --noproxy '*' --max-time 0.5 http://10.71.0.50/)" one
        assert_eq "$(in_network_of neighbour curl -sf --noproxy '*' --max-time 0.5 'http://[fd71::50]/')" one
        assert_eq "$(curl -sf --noproxy '*' --max-time 0.5 http://10.71.0.50/)" one
    done
}
# moby #36069, #48808, netavark #1114
t 'a new MAC on an old address is reached at once' new_mac_on_an_old_address

empty_namespace() {
    netctr network create a
    netctr run -d --name c --network default --network a "$box" sleep 100 >/dev/null
    warm_up
    snapshot
    netctr run -d --name d --network a "$box" sleep 100 >/dev/null
    in_network_of d ip link del eth0 # there is nothing left to take down
    netctr network disconnect a d
    netctr rm -f d
    assert_clean
    in_network_of c ip link del eth1
    netctr network rm -f a
    status_is c running
    assert_eq "$(netctr inspect c | jq -r '.[0].endpoints[].network')" default
}
# nerdctl #1872
t 'disconnect and rm of a container that has lost its interface' empty_namespace
