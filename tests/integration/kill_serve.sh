#!/usr/bin/env bash
# A monitor that is killed at one of its own calls while it changes the network of its container: the container dies
# with it, the client gets an error, and nothing of a partial change is left.
points=${points-12}
. "$(dirname "$0")/../struck.sh"

may_live=1 from_role=1 must_stay=1
furnish() { furnish_blue; }

live() { # FLAGS OF RUN...
    "${nc[@]}" run -d "$@" "${everything[@]}" "$box" sleep 100 >"$tmp/out"
    await=(--with "$(jq .monitor "$run_state/containers/k/state.json")")
}
after_strike() {
    # Killed at its last call, it has replied.
    [ "$status" = 0 ] || is_clear_error
}

connect() {
    prepare() { live; }
    kill_each ONE network connect blue k
}
t 'network connect, its monitor killed' connect

disconnect() {
    prepare() { live --network default --network blue; }
    kill_each ONE network disconnect blue k
}
t 'network disconnect, its monitor killed' disconnect

publish() {
    prepare() { live; }
    kill_each ONE publish k 8085:85
}
t 'publish, its monitor killed' publish

unpublish() {
    prepare() { live -p 8085:85; }
    kill_each ONE unpublish k 8085
}
t 'unpublish, its monitor killed' unpublish
