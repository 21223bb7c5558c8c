#!/usr/bin/env bash
# What must stay unreachable although something was opened: closed networks beside open ones, both ends of a link, and
# the networks of a container that is on two.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/reach.sh"

gateway() { # NETWORK
    netctr network inspect "$1" | jq -r '.[0].gateway'
}

closed_beside_open() {
    netctr network create --ipv6 --isolate=false x
    netctr network create --ipv6 --isolate=false y
    netctr network create --ipv6 --isolate=false --mode routed r
    netctr network create --ipv6 --internal v
    refused 'an internal network cannot be open to others' netctr network create --internal --isolate=false w
    netctr network create --ipv6 --mode isolated i
    serve_peer a --network x
    serve_peer b --network y
    serve_peer c --network r -p 80
    serve_peer vault --network v
    serve_peer alone --network i
    # The control: these do.
    reaches a b
    reaches a c 81
    reaches c a
    # An internal network cannot be reached, and reaches nothing, whatever routes root in it adds.
    local closed open
    in_network_of vault ip route add default via "$(gateway v)"
    in_network_of alone ip route add default dev eth0
    local pids=() pid
    for open in a c; do
        for closed in vault alone; do
            (reaches_not $open $closed && reaches_not $closed $open) & pids+=($!)
        done
    done
    for pid in "${pids[@]}"; do wait "$pid"; done
    reaches_not vault alone
    reaches_not alone vault
    # From the LAN only the routed one's open port can be reached.
    assert_contains "$(in_lan peer ask tcp "$(address_of c)" 80)" 'c '
    assert_silent in_lan peer ask tcp "$(address_of c)" 81 0 0.3
    for open in a b vault alone; do
        assert_silent in_lan peer ask tcp "$(address_of $open)" 80 0 0.3
    done
}
t 'internal and isolated networks beside --isolate=false ones' closed_beside_open

link_ends() {
    netctr network create a
    netctr network create b
    serve_peer x --network a
    serve_peer y --network b
    netctr network link a b
    # An open connection goes on without the link, as documented; nothing was ever open the other way.
    in_network_of x peer hold "$(address_of y)" 80 2 >"$tmp/held" &
    local held=$!
    established() { in_network_of x ss -Htn state established dst "$(address_of y)" | has .; }
    wait_for 2 established
    assert_silent from y tcp "$(address_of x)" 80
    # Not from the queried port to the querying one either: such a reply belongs to no connection.
    in_network_of y peer ask tcp "$(address_of x)" 80 5000 0.3 && fail 'y reaches x'
    netctr network unlink a b
    assert_silent from x tcp "$(address_of y)" 81
    wait $held || fail "the connection ended: $(cat "$tmp/held")"
    assert_silent from x tcp "$(address_of y)" 80
}
t 'unlink ends no open connection, and there is no way back' link_ends

between_two() {
    netctr network create p
    netctr network create q
    serve_peer both --network p --network q
    serve_peer x --network p --cap-add net_admin
    serve_peer y --network q --cap-add net_admin
    local on_p on_q x y
    on_p=$(address_of both) on_q=$(in_network_of both ip -4 -o address show eth1 | sed 's/.*inet \([0-9.]*\).*/\1/')
    x=$(address_of x) y=$(address_of y)
    assert_eq "$(netctr exec both cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding | sort -u)" 0
    assert_contains "$(from x tcp "$on_p" 80)" 'both ' # the control
    # Through it.
    in_network_of x ip route add "$y" via "$on_p"
    in_network_of y ip route add "$x" via "$on_q"
    assert_silent from x tcp "$y" 80
    assert_fails in_network_of x ping -c 1 -W 0.3 "$y"
    # Even if it forwarded, which only root of the host can enable: the guard knows whose address that is.
    in_network_of both sysctl -qw net.ipv4.ip_forward=1
    assert_silent from x tcp "$y" 80
    assert_lacks "$(netctr logs y)" "$x"
    in_network_of both sysctl -qw net.ipv4.ip_forward=0
    # It does not reply for its address on the other network.
    in_network_of x ip route add "$on_q" dev eth0
    assert_fails in_network_of x ping -c 1 -W 0.5 "$on_q"
    assert_lacks "$(in_network_of x ip neighbour show "$on_q")" lladdr
    in_network_of x ip route replace "$on_q" via "$on_p"
    assert_silent from x tcp "$on_q" 80
    # The control: without the guard's chain all of these would get through.
    open_up guard
    in_network_of both sysctl -qw net.ipv4.ip_forward=1
    assert_contains "$(from x tcp "$on_q" 80)" 'both '
    assert_contains "$(from x tcp "$y" 80)" 'y '
    shut
}
t 'a container on two networks does not connect them' between_two

# Without a guard, only disabled forwarding keeps them apart, unless a router is requested.
no_guard() {
    netctr network create --no-guard p
    netctr network create --no-guard q
    netctr network create --no-guard --sysctl net.ipv4.conf.IFNAME.forwarding=1 r
    netctr network create --no-guard --sysctl net.ipv4.conf.IFNAME.forwarding=1 s
    serve_peer x --network p
    serve_peer y --network q
    serve_peer both --network p --network q
    join() { # routes there and back
        local first second
        first=$(in_network_of "$3" ip -4 -o address show eth0 | sed 's/.*inet \([0-9.]*\).*/\1/')
        second=$(in_network_of "$3" ip -4 -o address show eth1 | sed 's/.*inet \([0-9.]*\).*/\1/')
        in_network_of "$1" ip route replace "$(address_of "$2")" via "$first"
        in_network_of "$2" ip route replace "$(address_of "$1")" via "$second"
    }
    join x y both
    assert_silent from x tcp "$(address_of y)" 80
    assert_silent from y udp "$(address_of x)" 53
    netctr rm -f x y both
    serve_peer x --network r
    serve_peer y --network s
    netctr run -d --name both --network r --network s "$box" sleep 1000 >/dev/null
    join x y both
    assert_contains "$(from x tcp "$(address_of y)" 80)" 'y '
    assert_contains "$(from y udp "$(address_of x)" 53)" 'x '
}
t '--no-guard: a container on two networks forwards nothing, unless it is made a router' no_guard
