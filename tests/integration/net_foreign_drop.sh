#!/usr/bin/env bash
# With another program's forward chain that drops. netctr's accept rules cannot override it. What does not pass the
# forward hook works all the same, nothing hangs, and with doctor's fix everything works. (All other net_ files can
# run with such a chain, too: make check-foreign.)
. "$(dirname "$0")/../lib.sh"
refusing_resolver
. "$top/tests/names.sh"

v4=192.0.2.2 v6=2001:db8::2 lan4=192.0.2.9 lan6=2001:db8::9
tidy_too() {
    nft delete table inet foreign_drop 2>/dev/null || true
}
from() { in_network_of "$1" peer ask "${@:2}" 0 0.4; } # CONTAINER PROTO ADDRESS PORT
gateways() { ip -oneline address show dev "$1" scope global | awk '{ sub("/.*", "", $4); print $4 }'; }

# web is on the default network, beside it another; p and q are on two networks that are open to each other, r is on a
# routed one.
start_all() {
    netctr network create --ipv6 --isolate=false x
    netctr network create --ipv6 --isolate=false y
    netctr network create --mode routed --subnet 10.70.0.0/24 r
    serve_peer web -p 8080:80 -p 5353:53/udp
    serve_peer beside
    serve_peer p --network x
    serve_peer q --network y
    serve_peer r --network r -p 80
    serves='tcp/7000' listen_on lan in_lan
    serves='tcp/7001' listen_on host
    in_lan ip route replace 10.70.0.0/24 via $v4
}
listen_on() { # NAME [in_lan]
    rm -f "$tmp/$1"
    ${2-} peer serve "$1" "$serves" >"$tmp/$1" &
    wait_for 3 grep -q listening "$tmp/$1"
}

needs_no_forwarding() {
    local address
    # The host's own connections.
    for address in 127.0.0.1 ::1 $v4 $v6; do
        assert_contains "$(peer ask tcp "$address" 8080)" 'web '
        assert_contains "$(peer ask udp "$address" 5353)" 'web '
    done
    for address in $(address_of web) $(address_of web -6); do
        assert_contains "$(peer ask tcp "$address" 80)" 'web '
        ping -c 1 -W 1 "$address" >/dev/null
    done
    assert_contains "$(peer ask tcp "$(address_of r)" 80)" 'r '
    # The container's connections to the host.
    for address in $(gateways nc-default) $v4 $v6; do
        assert_contains "$(from web tcp "$address" 7001)" 'host '
        in_network_of web ping -c 1 -W 1 "$address" >/dev/null
    done
    # Names, those of its neighbours and external ones, which the host resolves for it.
    wait_for 5 answers web beside "$(address_of beside)"
    wait_for 5 answers web www.outside.example 203.0.113.7
}
same_network() { # also: by the published port, and to itself
    local address
    for address in $(address_of web) $(address_of web -6); do
        assert_contains "$(from beside tcp "$address" 80)" 'web '
    done
}
needs_forwarding() { # ways, one per line
    printf '%s\n' "in_lan peer ask tcp $v4 8080 0 0.4" "in_lan peer ask tcp $v6 8080 0 0.4" \
        "in_lan peer ask udp $v4 5353 0 0.4" "in_lan peer ask tcp $(address_of r) 80 0 0.4" \
        "from web tcp $lan4 7000" "from web tcp $lan6 7000" "from r tcp $lan4 7000" \
        "from p tcp $(address_of q) 80" "from p tcp $(address_of q -6) 80" \
        "from p tcp $v4 8080" "from p tcp $v6 8080" "from beside tcp $v4 8080" "from web tcp $v4 8080"
}

without_cure() {
    lan_resolver
    start_all
    foreign_drop
    needs_no_forwarding
    local way pids=() problem
    while read -r way; do
        # shellcheck disable=SC2086 # words
        assert_silent $way & pids+=($!)
    done < <(needs_forwarding)
    for way in "${pids[@]}"; do wait "$way"; done
    if [ "$bridge_nf" = 0 ]; then
        same_network
    else # bridged packets pass the forward hook as well
        assert_silent from beside tcp "$(address_of web)" 80
    fi
    # Nothing hangs, and working traffic is not reported.
    local netctr="timeout $((10 * slowness)) $ARENA/bin/netctr"
    $netctr run --rm "$box" true
    $netctr network connect x web
    $netctr publish web 8081:81
    assert_contains "$(peer ask tcp 127.0.0.1 8081)" 'web '
    $netctr unpublish web 8081
    $netctr network disconnect x web
    $netctr network reload
    $netctr exec web true
    $netctr restart -t 0 beside
    $netctr rm -f beside
    # It is named, once for each direction, and not changed.
    finds problem 'nf_tables chain `inet foreign_drop f` (hook forward, policy drop) drops packets from containers and packets to their published ports'
    problem=$(jq '[.[] | select(.severity == "problem")] | length' "$tmp/findings")
    assert_eq "$problem" 1 problems
    assert_eq "$(nft list table inet foreign_drop | grep -c 'policy drop')" 1
}
# moby #39439, #52612, lxd #8716
t 'what needs no forwarding works, nothing hangs, and doctor names the chain' without_cure

with_cure() {
    lan_resolver
    start_all
    foreign_drop
    assert_silent in_lan peer ask tcp $v4 8080 0 0.4
    finds problem '`inet foreign_drop f`'
    cured
    everything() {
        needs_no_forwarding
        same_network
        local way
        while read -r way; do
            # shellcheck disable=SC2086
            $way </dev/null >/dev/null || fail "no answer: $way"
        done < <(needs_forwarding)
    }
    everything
    assert_eq "$(in_lan peer ask tcp $v4 8080)" "web $lan4"
    # What is not published is no more open than before.
    assert_silent in_lan peer ask tcp "$(address_of web)" 80 0 0.3
    assert_silent from web tcp "$(address_of p)" 80
    # A later network needs no other fix, and a reload does not undo it.
    netctr network reload
    netctr network create later
    serve_peer l --network later -p 8082:82
    assert_contains "$(in_lan peer ask tcp $v4 8082)" 'l '
    assert_contains "$(from l tcp $lan4 7000)" 'lan '
    everything
    finds_none foreign_drop
}
# moby #39439, #52612, lxd #8716
t "with doctor's fix everything works again" with_cure
