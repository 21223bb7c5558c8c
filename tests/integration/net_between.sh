#!/usr/bin/env bash
# Networks beside each other: isolate, links, icc. Every promise is a connection that must fail, beside one that must
# not.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/reach.sh"

lan4=192.0.2.9 host4=192.0.2.2

closed_and_open() {
    netctr network create --ipv6 closed
    netctr network create --ipv6 --isolate=false x
    netctr network create --ipv6 --isolate=false y
    serve_peer c --network closed -p 8080:80
    serve_peer a --network x
    serve_peer b --network y
    reaches a b
    reaches b a
    reaches_not a c
    reaches_not c a
    in_network_of a ping -c 1 -W 1 "$(address_of b)" >/dev/null
    assert_contains "$(from a tcp $host4 8080)" 'c '
    # Open to each other, not to the LAN.
    assert_silent in_lan peer ask tcp "$(address_of a)" 80 0 0.3
    assert_silent in_lan peer ask tcp "$(address_of c)" 80 0 0.3 # published, but not this way
    assert_contains "$(in_lan peer ask tcp $host4 8080)" 'c '
    nft flush ruleset
    netctr network reload
    reaches a b
    reaches_not a c
}
t '--isolate=false: networks with it reach each other, the others do not' closed_and_open

linked() {
    netctr network create --ipv6 a
    netctr network create --ipv6 b
    netctr network create --internal v
    netctr network create --mode isolated i
    netctr network create --subnet fd99::/64 six
    netctr network create four
    refused 'cannot be linked to itself' netctr network link a a
    refused 'no such network `z`' netctr network link a z
    refused 'network `v` is internal' netctr network link a v
    refused 'network `i` is isolated' netctr network link i a
    refused 'has only IPv6' netctr network link six four
    refused 'is not linked' netctr network unlink a b
    serve_peer x --network a
    serve_peer y --network b
    reaches_not x y
    netctr network link a b
    netctr network link a b # again
    reaches x y
    assert_eq "$(from x tcp "$(address_of y)" 80)" "y $(address_of x)"
    reaches_not y x
    nft flush ruleset
    netctr network reload
    reaches x y
    reaches_not y x
    netctr network unlink a b
    assert_silent from x tcp "$(address_of y)" 80
    netctr network reload
    assert_silent from x tcp "$(address_of y)" 80
    # The link is removed with the network.
    netctr network link a b
    netctr rm -f y
    netctr network rm b
    assert_eq "$(netctr network inspect a | jq -c '.[0].links')" '[]'
    assert_lacks "$(nft list set inet netctr links)" nc-b
    # Before either is up.
    netctr network create --ipv6 b
    netctr network link b a
    serve_peer y --network b
    reaches y x
    assert_silent from x tcp "$(address_of y)" 80
}
t 'link: one way, at once, restored, withdrawn' linked

icc_off() {
    netctr network create --ipv6 --icc=false quiet
    netctr network create --ipv6 loud
    serve_peer a --network quiet --cap-add net_admin
    serve_peer b --network quiet -p 8080:80
    serve_peer c --network loud
    serve_peer d --network loud
    listen_on_lan
    reaches c d # the control
    reaches_not a b
    reaches_not b a
    assert_eq "$(from a tcp $lan4 90)" "lan $host4"
    # Not through the gateway either.
    in_network_of a ip route add "$(address_of b)" via "$(in_network_of a ip -4 route show default | awk '{ print $3 }')"
    reaches_not a b
    # Its published port is open to all, but to neighbours only where bridged packets do not pass the IP firewall:
    # with bridge-nf the reply remains a frame between two isolated ports.
    assert_contains "$(in_lan peer ask tcp $host4 8080)" 'b '
    assert_contains "$(from c tcp $host4 8080)" 'b '
    if [ "$bridge_nf" = 1 ]; then
        assert_silent from a tcp $host4 8080
    else
        assert_contains "$(from a tcp $host4 8080)" 'b '
    fi
}
t '--icc=false: not the neighbour, not through the gateway either' icc_off
