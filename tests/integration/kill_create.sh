#!/usr/bin/env bash
# `create`, killed at each system call: there is no container, or a whole one.
. "$(dirname "$0")/../struck.sh"

# Called before k is removed.
after_strike() {
    "${nc[@]}" gc >"$tmp/next" 2>&1
    [ ! -e "$state/containers/k" ] || [ "$(state_of k status)" = created ] || bad 'it is not a created one'
    [ ! -s "$tmp/out" ] || [ -e "$state/containers/k" ] || bad 'its id was printed, and it is not there'
}

create() {
    kill_each ALL create "${everything[@]}" "$box" true
}
t 'create, killed' create

first_start() {
    must_stay=1 may_live=1
    prepare() { "${nc[@]}" create "${everything[@]}" "$box" true; }
    after_strike() { :; }
    kill_each ALL start k
}
t 'the first start of a created container, killed' first_start
