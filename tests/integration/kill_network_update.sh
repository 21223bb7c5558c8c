#!/usr/bin/env bash
# `network update`, killed at each system call: a reload gives running containers the routes of the definition, be it the old
# or the new one, and the same update can be asked for again.
. "$(dirname "$0")/../struck.sh"

may_live=1 must_stay=1

new=(network update --route-add '10.1.0.0/16,10.90.0.9' --label-add a=new blue)
old=(network update --route-drop '10.1.0.0/16' --label-add a=old blue)
# What is compared with: the network as the command leaves it.
furnish() {
    furnish_blue
    netctr "${new[@]}"
}
prepare() {
    "${nc[@]}" "${old[@]}" >"$tmp/out"
    "${nc[@]}" run -d "${everything[@]}" --network blue "$box" sleep 100 >"$tmp/out"
}

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
}

updates() {
    kill_each ONE "${new[@]}"
}
t 'network update, killed' updates
