#!/usr/bin/env bash
# `network update`, killed at each system call: a reload gives running containers the routes of the definition, be it the old
# or the new one, and the same update can be asked for again.
. "$(dirname "$0")/../struck.sh"

may_live=1 must_stay=1

# Twice, so that the definition is as the command writes it.
furnish() {
    furnish_blue
    netctr network update --route-add 10.1.0.0/16,10.90.0.9 --label-add a=old blue
    netctr network update --route-drop 10.1.0.0/16 --label-add a=old blue
}
prepare() { "${nc[@]}" run -d "${everything[@]}" --network blue "$box" sleep 100 >"$tmp/out"; }
new=(network update --route-add '10.1.0.0/16,10.90.0.9' --label-add a=new blue)

in_kernel() { "${nc[@]}" exec k ip route | grep -c '^10.1.0.0/16 via 10.90.0.9 ' || true; }
after_strike() {
    local routes labels
    next_command network reload
    routes=$(grep -c '"10.1.0.0/16' "$state/networks/blue.json") || true
    labels=$(grep -c '"a=new"' "$state/networks/blue.json") || true
    [ "$routes$labels" = 00 ] || [ "$routes$labels" = 11 ] || bad "half a change: $(<"$state/networks/blue.json")"
    [ "$(in_kernel)" = "$routes" ] || bad 'the container has other routes than the definition'
    next_command "${new[@]}"
    [ "$(in_kernel)" = 1 ] || bad 'the next update has no effect'
    next_command network update --route-drop 10.1.0.0/16 --label-add a=old blue
    [ "$(in_kernel)" = 0 ] || bad 'the route stays'
}

updates() {
    kill_each ONE "${new[@]}"
}
t 'network update, killed' updates
