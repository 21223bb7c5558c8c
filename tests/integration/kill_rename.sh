#!/usr/bin/env bash
# `rename`, killed at each system call: the container has one name or the other.
. "$(dirname "$0")/../struck.sh"

must_stay=1
prepare() { "${nc[@]}" create --name old "${everything[@]:2}" "$box" true >"$tmp/out"; }

# Called before k is looked after.
after_strike() {
    names -a >"$tmp/all" || bad 'ps fails'
    case $(grep -x 'k\|old' "$tmp/all" | paste -sd' ') in
    k) ;;
    old) next_command rename old k ;;
    *) bad "its names are: $(<"$tmp/all")" ;;
    esac
}

ended() {
    kill_each ONE rename old k
}
t 'rename, killed' ended
