#!/usr/bin/env bash
# --init: pid 1 is netctr's own, and the program its child.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/terminal.sh"

run() { netctr run -d --network none --init "$@" >/dev/null; }
attached() { netctr run --rm --network none --init "$@"; }
inspect() { netctr inspect "$1" | jq -rc ".[0]$2"; } # NAME PATH
is_ready() { netctr logs "$1" | has ready; }

ends_alike() {
    local status=0
    attached "$box" sh -c 'exit 7' || status=$?
    assert_eq "$status" 7
    status=0
    attached "$box" sh -c 'kill -USR1 $$' || status=$?
    assert_eq "$status" 138
    assert_status 127 attached "$box" missing 2>"$tmp/err"
    assert_contains "$(cat "$tmp/err")" "command \`missing\` not found in the container's PATH"
    assert_status 126 attached "$box" /etc 2>/dev/null
    assert_eq "$(attached "$box" sh -c 'echo $$ $PPID')" '2 1'
    assert_eq "$(echo in | netctr run --rm -i --network none --init "$box" cat)" in
    assert_eq "$(attached "$box" yes | head -1)" y 'as in a pipeline'
    run --name a "$box" true
    assert_eq "$(inspect a .init)" true
}
t 'a program below --init ends as it does without' ends_alike

gets_signals() {
    local name=a
    for user in root user; do
        run --name "$name" -u "$user" "$box" sh -c 'trap "exit 9" USR1; trap "exit 7" TERM; echo ready; while :; do sleep 0.02; done'
        wait_for 5 is_ready "$name"
        netctr kill -s USR1 "$name" >/dev/null
        wait_for 5 status_is "$name" exited
        assert_eq "$(inspect "$name" .state.exit_status)" 9 "$user"
        netctr start "$name" >/dev/null
        wait_for 5 starts_again "$name"
        netctr stop "$name" >/dev/null
        assert_eq "$(inspect "$name" .state.exit_status)" 7 "$user"
        name=b
    done
    # Without a handler: as pid 1 it would live.
    run --name c "$box" sleep 1000
    netctr stop -t 60 c >/dev/null
    assert_eq "$(inspect c .state.exit_status)" 143
    run --name d "$box" sleep 1000
    netctr kill d >/dev/null
    assert_eq "$(inspect d .state.exit_status)" 137
}
starts_again() { [ "$(netctr logs "$1" | grep -c ready)" = 2 ]; }
t 'signals reach the program' gets_signals

reaps() {
    run --name a "$box" sh -c 'i=0; while [ $i -lt 30 ]; do (sh -c "exit 0" & exec true); i=$((i + 1)); done; echo ready; exec sleep 1000'
    wait_for 5 is_ready a
    netctr exec a sh -c '(true & exec true)'
    wait_for 5 has_no_zombies a
}
has_no_zombies() { ! netctr exec "$1" sh -c 'cat /proc/[0-9]*/stat' 2>/dev/null | grep ' Z ' | grep -v ' Z 0 '; }
t 'processes without a parent are reaped' reaps

keeps_nothing() {
    local pid
    for userns in auto host; do
        run --name "$userns" --userns "$userns" -u user --cap-add NET_ADMIN "$box" sleep 1000
        pid=$(inspect "$userns" .state.pid)
        assert_eq "$(ls "/proc/$pid/fd")" '' "$userns: open files"
        assert_eq "$(grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp)' "/proc/$pid/status")" \
            "$(grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp)' "/proc/$(pgrep -P "$pid")/status")" "$userns: privileges"
        assert_eq "$(netctr exec -u user "$userns" sh -c 'ls /proc/1/fd /proc/1/cwd/ 2>&1 | grep -c "Permission denied"')" 2 'not dumpable'
    done
}
t 'the init has no file open, no privilege that the program has not, and is not dumpable' keeps_nothing

dies_together() {
    run --name a -u user "$box" sh -c 'sleep 1000 & echo ready; wait'
    wait_for 5 is_ready a
    pid=$(inspect a .state.pid)
    kill -KILL "$(monitor_of a)"
    wait_for 5 status_is a exited
    [ ! -e "/proc/$pid" ]
}
t 'it ends with its monitor' dies_together

needs_nothing() {
    mkdir "$tmp/root"
    cp "$box/bin/busybox" "$tmp/root/true"
    netctr run --rm --network none --init "$tmp/root" /true
    netctr run --rm --network none --init --read-only "$tmp/root" /true
}
t 'it needs nothing of the root directory' needs_nothing

has_keys() {
    local out
    out=$(on_terminal 'ready=>\x03;;interrupted=>\x04' run --rm --network none --init -it "$box" \
        sh -c 'trap "echo interrupted" INT; echo ready; sleep 30; cat; echo ended; exit 9')
    assert_contains "$out" ended
    assert_eq "$(grep -c interrupted <<<"$out")" 1
    assert_contains "$out" 'status 9 restored left 0'
}
t 'with a terminal, ^C reaches the program, and once' has_keys
