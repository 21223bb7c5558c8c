# tests/reach.sh - sourced after tests/lib.sh: what is reachable from where, and what is refused.
# shellcheck shell=bash

refused() { # TEXT COMMAND...
    local text=$1
    shift
    assert_fails "$@" 2>"$tmp/err"
    assert_eq "$(wc -l <"$tmp/err")" 1 'lines of error'
    assert_contains "$(cat "$tmp/err")" "$text"
}
from() { in_network_of "$1" peer ask "${@:2}" 0 0.4; } # CONTAINER PROTO ADDRESS PORT
reaches() { # CONTAINER SERVER [PORT]: by both families
    local address
    for address in $(address_of "$2") $(address_of "$2" -6); do
        assert_contains "$(from "$1" tcp "$address" "${3-80}")" "$2 "
    done
}
reaches_not() {
    local address probes=()
    for address in $(address_of "$2") $(address_of "$2" -6); do
        assert_silent from "$1" tcp "$address" "${3-80}" & probes+=($!)
        assert_silent from "$1" udp "$address" 53 & probes+=($!)
        assert_fails in_network_of "$1" ping -c 1 -W 0.4 "$address" & probes+=($!)
    done
    for address in "${probes[@]}"; do wait "$address"; done
}
listen_on_lan() { # prints the client's address
    rm -f "$tmp/lan"
    in_lan peer serve lan tcp/90 >"$tmp/lan" &
    wait_for 5 grep -q listening "$tmp/lan"
}
