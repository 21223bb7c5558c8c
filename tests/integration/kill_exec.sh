#!/usr/bin/env bash
# `exec`, killed at one system call after the other: its container goes on, and nobody else is in it.
. "$(dirname "$0")/../struck.sh"

may_live=1 must_stay=1

prepare() {
    "${nc[@]}" run -d "${everything[@]}" "$box" sleep 100 >"$tmp/out"
    eventually settled || fail "k has no relay: $(tr '\n' ';' <"$tmp/processes")"
}
# k pays for its processor time, so a process of its own writes its log: it takes its name after `run` has returned.
settled() {
    processes >"$tmp/processes"
    grep -q 'process netctr-relay' "$tmp/processes"
}

# Called before k is removed: it lives, and is alone.
after_strike() {
    eventually alone || bad "not alone: $(tr '\n' ';' <"$tmp/more")"
    status_is k running || bad 'the container does not run'
}
processes() { # the monitors open and close files while they begin
    look | sed -n 's/^\(process .*\) with .*/\1/p; /^process .* of /p'
}
# Nothing is there that was not there before. What was there before may end: a chore of the helper, a monitor of
# the container that was removed.
alone() {
    processes >"$tmp/now"
    comm -13 "$tmp/processes" "$tmp/now" >"$tmp/more"
    [ ! -s "$tmp/more" ]
}

one() {
    kill_each ONE exec -i k true
}
t 'exec, one process killed' one

all() {
    kill_each ALL exec k true
}
t 'exec, all processes killed' all
