#!/usr/bin/env bash
# `rename`, killed at each system call: the container has one name or the other.
. "$(dirname "$0")/../struck.sh"

must_stay=1

# Called before k is looked after.
after_strike() {
    names -a >"$tmp/all" || bad 'ps fails'
    case $(grep -x 'k\|old' "$tmp/all" | paste -sd' ') in
    k) ;;
    old) next_command rename old k ;;
    *) bad "its names are: $(<"$tmp/all")" ;;
    esac
    [ ! -e "$run_state/renaming" ] || bad 'the rename has not ended'
}

ended() {
    prepare() { "${nc[@]}" create --name old "${everything[@]:2}" "$box" true >"$tmp/out"; }
    kill_each ONE rename old k
}
t 'rename, killed' ended

live() {
    "${nc[@]}" run -d --name old "${everything[@]:2}" "$box" sleep 100 >"$tmp/out"
    monitor=$(jq .monitor "$run_state/containers/old/state.json")
}

running() {
    points=3 may_live=1
    prepare() { live; }
    kill_each ALL rename old k
}
t 'rename of a container that runs, killed' running

# The container ends with its monitor.
monitor_killed() {
    points=7 may_live=1 from_role=1
    prepare() {
        live
        await=(--with "$monitor")
    }
    kill_each ONE rename old k
}
t 'rename, its monitor killed' monitor_killed
