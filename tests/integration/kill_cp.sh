#!/usr/bin/env bash
# `cp`, killed at each system call: the container goes on, or can be started, and no process, mount or lock is left.
. "$(dirname "$0")/../struck.sh"

may_live=1 must_stay=1 points=5

prepare() {
    "${nc[@]}" run "${detached[@]}" "${everything[@]}" "$box" "${program_in[@]}" >"$tmp/out"
}
# The lock is free: nothing copies any more.
after_strike() {
    eventually flock -n "$state/containers/k" true || bad 'the files are locked'
}

goes_out() {
    detached=(-d) program_in=(sleep 100)
    kill_each ALL cp k:/etc "$tmp/copied"
}
t 'cp out of a container that runs, killed' goes_out

goes_in() {
    detached=(-d) program_in=(sleep 100)
    kill_each ONE cp "$box/etc" k:/work
}
t 'cp into a container that runs, one process killed' goes_in

has_ended() {
    detached=() program_in=(true)
    kill_each ALL cp "$box/etc" k:/work
}
t 'cp into a container that has ended, killed' has_ended
