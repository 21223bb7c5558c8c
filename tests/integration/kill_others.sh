#!/usr/bin/env bash
# The commands that act on containers, killed at one system call after the other: what they act on has
# a monitor of its own and ends, or goes on, as if nothing had happened.
. "$(dirname "$0")/../struck.sh"

# k runs before each strike. Its program ends when it is asked to.
prepare() {
    rm -f "$tmp/ready"
    mkdir -p "$tmp/shared"
    "${nc[@]}" run -d "${everything[@]}" "$box" sh -c 'trap "exit 0" TERM; sleep 100 & wait' >"$tmp/out"
}
may_live=1 must_stay=1

stop() {
    kill_each ALL stop -t 5 k
}
t 'stop, killed' stop

stop_hard() {
    kill_each ALL stop -t 0 k
}
t 'stop -t 0, killed' stop_hard

kill_command() {
    kill_each ALL kill k
}
t 'kill, killed' kill_command

remove() {
    must_stay=0
    kill_each ALL rm -f k
}
t 'rm -f, killed' remove

reload() {
    kill_each ALL network reload
}
t 'network reload, killed' reload
