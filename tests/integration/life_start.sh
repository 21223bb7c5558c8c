#!/usr/bin/env bash
# start -a, -i, --all.
. "$(dirname "$0")/../lib.sh"

attached() {
    netctr create --name a "$box" sh -c 'echo out; echo err >&2; exit 7' >/dev/null
    assert_status 7 netctr start -a a >"$tmp/out" 2>"$tmp/err"
    assert_eq "$(cat "$tmp/out" "$tmp/err")" $'out\nerr'
    assert_status 7 netctr start --attach a >"$tmp/out" 2>&1
    assert_eq "$(netctr logs a 2>/dev/null | wc -l)" 2
    netctr create --rm --name b "$box" /missing >/dev/null
    assert_status 127 netctr start -a b 2>/dev/null
    netctr create --rm --name b "$box" true >/dev/null
    netctr start -a b
    assert_eq "$(names -a)" a
}
t 'start -a shows the output and returns the exit code' attached

interactive() {
    netctr create -i --name a "$box" cat >/dev/null
    assert_eq "$(echo hello | netctr start -ai a)" hello
    assert_eq "$(echo again | netctr start -i a)" again
    netctr create --name b "$box" cat >/dev/null # it has no stdin
    assert_eq "$(echo hello | netctr start -ai b)" ''
}
t 'start -i passes stdin on' interactive

on_a_terminal() {
    command -v script >/dev/null || skip 'there is no script(1)'
    netctr create -it --name a "$box" sh -c 'test -t 0 && test -t 1 && exit 7' >/dev/null
    assert_status 7 script -qec 'netctr start -ai a' /dev/null
    assert_error 'netctr: the input device is not a TTY; -t needs a terminal on stdin; without it, -i alone passes stdin on' \
        125 netctr start -ai a
}
t 'start -ai of a container with a terminal' on_a_terminal

signals() {
    netctr create --name a "$box" sh -c 'trap "exit 9" TERM; echo ready; while :; do sleep 0.02; done' >/dev/null
    netctr start -a a >"$tmp/out" &
    local client=$!
    wait_for 5 grep -q ready "$tmp/out"
    assert_error 'netctr: container `a` is running already; `netctr attach a` shows its output from now on' 125 netctr start -a a
    pkill -TERM -P $client -x netctr || kill -TERM $client
    assert_status 9 wait $client
}
t 'start -a passes signals on, and refuses a container that runs' signals

all() {
    netctr create --name a "$box" sleep 100 >/dev/null
    netctr create --name b "$box" sleep 100 >/dev/null
    assert_eq "$(netctr start --all)" $'a\nb'
    assert_eq "$(netctr start --all)" ''
    assert_error 'netctr: --attach and --interactive start one container' 125 netctr start -a a b
    assert_error 'netctr: --attach and --all exclude each other' 125 netctr start -a --all
}
t 'start --all starts what does not run' all
