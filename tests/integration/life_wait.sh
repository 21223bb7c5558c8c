#!/usr/bin/env bash
# wait: exit codes of containers that end.
. "$(dirname "$0")/../lib.sh"

background() { netctr run -d --network none "$@" >/dev/null; }
# A program that ends with 7 when it is stopped.
trapping=(sh -c 'trap "exit 7" TERM; echo ready; while :; do sleep 0.02; done')
is_ready() { netctr logs "$1" | has ready; }

# Starts `netctr wait` and returns when it waits, by a pidfd.
waiter=
begin_wait() { # NAME...
    netctr wait "$@" >"$tmp/out" 2>"$tmp/err" &
    waiter=$!
    wait_for 5 holds_pidfd
}
holds_pidfd() {
    local process
    for process in $waiter $(pgrep -P "$waiter"); do
        ! grep -l '^Pid:' "/proc/$process/fdinfo/"* || return 0
    done
    return 1
}

has_ended() {
    background --name a "$box" sh -c 'exit 3'
    background --name b "$box" true
    assert_eq "$(netctr wait a)" 3
    assert_eq "$(netctr wait a b a)" $'3\n0\n3'
    assert_status 125 netctr wait a missing b >"$tmp/out" 2>"$tmp/err"
    assert_eq "$(cat "$tmp/out")" $'3\n0'
    assert_contains "$(cat "$tmp/err")" 'no such container `missing`'
    assert_status 125 netctr wait 2>"$tmp/err"
}
t 'wait prints at once the exit code of a container that has ended' has_ended

ends_later() {
    background --name a "$box" "${trapping[@]}"
    background --name b "$box" "${trapping[@]}"
    wait_for 5 is_ready a
    begin_wait a b
    netctr stop a
    wait_for 5 grep -qx 7 "$tmp/out" # not only when all have ended
    netctr kill b
    wait "$waiter"
    assert_eq "$(cat "$tmp/out")" $'7\n137'
}
t 'wait prints the exit code of each container when it ends' ends_later

is_removed() {
    background --name a "$box" sleep 100
    begin_wait a
    netctr rm -f a
    wait "$waiter"
    assert_eq "$(cat "$tmp/out")" 137 'rm -f'
    background --rm --name a "$box" "${trapping[@]}"
    wait_for 5 is_ready a
    begin_wait a
    netctr stop a
    wait "$waiter"
    assert_eq "$(cat "$tmp/out")" 7 '--rm'
}
t 'wait knows the exit code of a container that is removed meanwhile' is_removed

runs_again() {
    background --name a "$box" "${trapping[@]}"
    wait_for 5 is_ready a
    begin_wait a
    netctr restart a
    wait "$waiter"
    assert_eq "$(cat "$tmp/out")" 7
    status_is a running
}
t 'wait ends when a container is restarted by hand' runs_again

monitor_is_killed() {
    background --name a "$box" sleep 100
    begin_wait a
    kill -KILL "$(monitor_of a)"
    wait "$waiter"
    assert_eq "$(cat "$tmp/out")" "$(state_of a exit_status)"
    status_is a exited
}
t 'wait ends when the monitor is killed' monitor_is_killed
