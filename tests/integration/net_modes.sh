#!/usr/bin/env bash
# Reachability: routed, isolated, internal. Every promise is a connection that must fail, beside one that must not.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/reach.sh"

lan4=192.0.2.9 lan6=2001:db8::9 host4=192.0.2.2

ask() { peer ask "$@" 0 0.4; }

routed() {
    netctr network create --mode routed --ipv6 r
    netctr network create --ipv6 n
    serve_peer web --network r -p 80 -p 53/udp
    serve_peer beside --network r
    serve_peer other --network n
    listen_on_lan
    local address
    refused 'it cannot be reached through a host port' netctr run --rm --network r -p 8080:80 "$box" true
    for address in $(address_of web) $(address_of web -6); do
        in_lan peer ask tcp "$address" 80 | has -Ex "web ($lan4|$lan6)"
        in_lan peer ask udp "$address" 53 | has -Ex "web ($lan4|$lan6)"
        assert_silent in_lan peer ask tcp "$address" 81 0 0.3
        assert_silent in_lan peer ask udp "$address" 54 0 0.3
        assert_silent in_lan peer ask udp "$address" 80 0 0.3
        in_lan ping -c 1 -W 1 "$address" >/dev/null
        # From other networks as from the LAN.
        assert_contains "$(from other tcp "$address" 80)" 'web '
        assert_silent from other tcp "$address" 81
    done
    assert_silent in_lan peer ask tcp "$(address_of beside)" 80 0 0.3
    reaches beside web 81 # its own network
    # It goes out with its own address.
    assert_eq "$(from web tcp $lan4 90)" "lan $(address_of web)"
    assert_eq "$(from web tcp $lan6 90)" "lan $(address_of web -6)"
    assert_eq "$(from other tcp $lan4 90)" "lan $host4" # the control: nat
    in_lan ping -c 1 -W 1 "$(address_of beside)" >/dev/null
    assert_fails in_lan ping -c 1 -W 0.3 "$(address_of other)" # nat
    # The port of the host is free.
    assert_silent ask tcp $host4 80
    # The positive control of what is silent.
    open_up forward
    assert_contains "$(in_lan peer ask tcp "$(address_of web)" 81)" 'web '
    shut
    netctr unpublish web 80
    wait_for 2 assert_silent in_lan peer ask tcp "$(address_of web)" 80 0 0.3
}
t 'routed: the LAN reaches exactly the open ports, without translation' routed

isolated() {
    netctr network create --mode isolated --ipv6 i
    sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
    serve_peer a --network i --cap-add net_admin
    serve_peer b --network i
    rm -f "$tmp/host"
    peer serve host udp/53 tcp/90 >"$tmp/host" &
    wait_for 5 grep -q listening "$tmp/host"
    reaches a b
    reaches b a
    assert_eq "$(in_network_of a ip route show default)$(in_network_of a ip -6 route show default)" ''
    assert_eq "$(ip -oneline address show dev nc-i)" '' "the bridge's addresses"
    refused 'the container' netctr run --rm --network i -p 80 "$box" true
    assert_silent ask tcp "$(address_of a)" 80
    # Root in the container adds the host's MAC, and a route through it.
    in_network_of a ip route add 192.0.2.0/24 dev eth0
    in_network_of a ip route add default via $host4 dev eth0 onlink
    assert_fails in_network_of a ping -c 1 -W 0.3 $host4
    assert_lacks "$(in_network_of a ip neighbour show $host4)" lladdr # it does not answer ARP
    sysctl -qw net.ipv4.conf.nc-i.arp_ignore=0
    assert_fails in_network_of a ping -c 1 -W 1 $host4
    assert_contains "$(in_network_of a ip neighbour show $host4)" lladdr # the control: now it does
    in_network_of a ip neighbour replace $host4 lladdr "$(cat /sys/class/net/nc-i/address)" dev eth0
    local before
    before=$(dropped input 'isolated network: the host is out of reach')
    assert_silent from a udp $host4 53
    assert_silent from a tcp $host4 90
    assert_fails in_network_of a ping -c 1 -W 0.3 $host4
    assert_silent from a udp $lan4 53
    [ "$(dropped input 'isolated network: the host is out of reach')" -gt "$before" ]
    assert_lacks "$(cat "$tmp/host")" datagram
    open_up input
    assert_silent from a udp $host4 53 # the reply has no way back
    wait_for 2 grep -q datagram "$tmp/host"
    shut
}
t 'isolated: the containers reach each other, and not even the host' isolated

internal() {
    netctr network create --internal --ipv6 v
    serve_peer a --network v
    serve_peer b --network v
    serve_peer out
    listen_on_lan
    rm -f "$tmp/host"
    peer serve host tcp/90 udp/53 tcp/53 >"$tmp/host" &
    wait_for 5 grep -q listening "$tmp/host"
    local gateway gateway6
    gateway=$(netctr network inspect v | jq -r '.[0].gateway')
    gateway6=$(netctr network inspect v | jq -r '.[0].gateway6')
    reaches a b
    refused 'closed to the outside' netctr run --rm --network v -p 80 "$box" true
    # Out, with a route that root in the container has added; in; and the host.
    in_network_of a ip route add default via "$gateway"
    in_network_of a ip -6 route add default via "$gateway6"
    assert_silent from a tcp $lan4 90
    assert_silent from a tcp $lan6 90
    assert_eq "$(from out tcp $lan4 90)" "lan $host4"
    assert_silent in_lan peer ask tcp "$(address_of a)" 80 0 0.3
    reaches_not out a
    reaches_not a out
    assert_silent from a tcp "$gateway" 90
    assert_silent from a tcp $host4 90
    assert_silent from a tcp "$gateway6" 90
    # Nor the host's resolver, which would query external servers (CVE-2024-29018): the name server gets its queries.
    assert_silent from a udp "$gateway" 53
    assert_silent from a tcp "$gateway" 53
    assert_contains "$(in_network_of a dig +time=2 +tries=1 @"$gateway" outside.example)" 'status: REFUSED'
    assert_lacks "$(cat "$tmp/host")" datagram
    in_network_of a ping -c 1 -W 1 "$gateway" >/dev/null
    # Published ports of other networks are closed to it.
    serve_peer web -p 8080:80
    assert_silent from a tcp $host4 8080
    assert_contains "$(from out tcp $host4 8080)" 'web '
    open_up input
    assert_contains "$(from a tcp "$gateway" 90)" 'host '
    shut
}
t 'internal: neither out nor in, of the host only what it needs' internal
