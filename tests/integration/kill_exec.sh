#!/usr/bin/env bash
# `exec`, killed at each system call: its container goes on, and no other process is in it.
. "$(dirname "$0")/../struck.sh"

may_live=1 must_stay=1

prepare() {
    "${nc[@]}" run -d "${everything[@]}" "$box" sleep 100 >"$tmp/out"
    eventually settled || fail "k has no relay: $(tr '\n' ';' <"$tmp/processes")"
}
# k has a limit of processor time, so its log is written by a relay, which gets its title after `run` has returned.
settled() {
    processes >"$tmp/processes"
    grep -q 'process netctr-relay' "$tmp/processes"
}

# Called before k is removed: it runs, and has no other process.
after_strike() {
    eventually alone || bad "not alone: $(tr '\n' ';' <"$tmp/more")"
    status_is k running || bad 'the container does not run'
}
processes() { # monitors open and close files while they start
    look | sed -n 's/^\(process .*\) with .*/\1/p; /^process .* of /p'
}
# There is nothing new. What was there before may end: a chore of the helper, the monitor of the removed container.
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
