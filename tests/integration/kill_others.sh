#!/usr/bin/env bash
# Commands for containers, killed at each system call: the container has a monitor of its own and ends, or goes on, as
# without the kill.
. "$(dirname "$0")/../struck.sh"

# k runs before each kill. Its program exits on SIGTERM.
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
