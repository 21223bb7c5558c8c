#!/usr/bin/env bash
# When exec ends: with its command, never later; and what remains when its caller or the command is killed, also if
# pid 1 does not reap.
. "$(dirname "$0")/../lib.sh"

running() { netctr run -d --name c --network none "$box" sleep 1000 >/dev/null; }

background_writer() {
    running
    local begin=$SECONDS
    assert_status 7 within 10 netctr exec c sh -c '(while :; do echo y; sleep 0.05; done) & exit 7' >"$tmp/out"
    assert_status 7 within 10 netctr exec c sh -c 'yes & exit 7' >"$tmp/out"
    assert_status 3 within 10 netctr exec -i c sh -c '(cat; yes) & exit 3' >"$tmp/out" </dev/null
    [ $((SECONDS - begin)) -lt 8 ] || fail 'it waits for the background'
    # The output of the command itself is complete.
    assert_eq "$(netctr exec c sh -c 'seq 20000; (sleep 5; echo late) & exit 0' | tail -1)" 20000
    assert_eq "$(netctr exec c sh -c 'head -c 60000 /dev/zero; exit 0' | { sleep 0.5; wc -c; })" 60000
    assert_eq "$(netctr exec c sh -c 'yes & seq 3 >&2; exit 0' 2>&1 >/dev/null | tail -1)" 3
}
t 'exec ends with its command, even if another process still writes' background_writer

signals() {
    local signal pid
    running
    for signal in INT TERM HUP QUIT; do # the default action ends the command
        "$ARENA/bin/netctr" exec c sleep 100 &
        pid=$!
        wait_for 5 eval '[ "$(netctr exec c pidof sleep | wc -w)" = 2 ]'
        kill -$signal $pid
        assert_status $((128 + $(kill -l $signal))) wait $pid
    done
    # A command that ignores it: the third signal kills.
    "$ARENA/bin/netctr" exec c sh -c 'trap "" INT TERM; echo here; while :; do sleep 0.1; done' >"$tmp/out" 2>"$tmp/err" &
    pid=$!
    wait_for 5 grep -q here "$tmp/out"
    kill -INT $pid; sleep 0.2; kill -TERM $pid; sleep 0.2
    kill -0 $pid || fail 'it ended too early'
    grep -q 'once more kills it' "$tmp/err" || fail "said: $(cat "$tmp/err")"
    kill -INT $pid
    assert_status 137 wait $pid
    # Output written after a signal that the command handles.
    "$ARENA/bin/netctr" exec c sh -c 'trap "echo bye; exit 4" TERM; echo here; while :; do sleep 0.1; done' >"$tmp/last" &
    pid=$!
    wait_for 5 grep -q here "$tmp/last"
    kill -TERM $pid
    assert_status 4 wait $pid
    grep -q bye "$tmp/last" || fail 'its last output is lost'
    # The command has ended, and its reader sleeps: exec still handles signals.
    mkfifo "$tmp/slow"
    # shellcheck disable=SC2217 # a reader that never reads
    sleep 100 <"$tmp/slow" &
    local reader=$!
    "$ARENA/bin/netctr" exec c sh -c 'yes | head -c 200000; exit 0' >"$tmp/slow" &
    pid=$!
    sleep 0.5
    kill -0 $pid || fail 'it did not wait for its reader'
    kill -TERM $pid
    wait_for 3 eval "! kill -0 $pid 2>/dev/null"
    kill $reader
}
t 'exec handles signals, before and after its command has ended' signals

workdir() {
    running
    assert_status 126 netctr exec -w /made/by/exec c pwd 2>"$tmp/err"
    grep -q 'working directory `/made/by/exec` does not exist in the container' "$tmp/err" || fail "$(cat "$tmp/err")"
    assert_status 126 netctr exec -u nobody -w /made/by/exec c pwd 2>/dev/null
    ! netctr exec c test -e /made || fail 'exec has made a directory'
    assert_eq "$(netctr exec -w /etc/.. c pwd)" /
    assert_eq "$(netctr run --rm --network none -w /made/by/run "$box" pwd)" /made/by/run # as docker
    # The container's own working directory has been removed meanwhile.
    netctr run -d --name w --network none -w /work/dir "$box" sleep 1000 >/dev/null
    netctr exec w rmdir /work/dir
    assert_status 126 netctr exec -w /etc/passwd c pwd 2>/dev/null
    assert_status 126 netctr exec w pwd 2>/dev/null
    assert_eq "$(netctr exec -w / w pwd)" /
}
t 'exec -w does not create a directory' workdir

# A pid 1 that does not reap, as is common: `docker run … sleep infinity`.
without_reaper() { nsenter -t "$lazy" -p -m -- "$ARENA/bin/netctr" "$@"; }
nobody_reaps() {
    unshare --pid --mount --fork --mount-proc sleep 1000 &
    wait_for 5 eval "pgrep -P $! | has ."
    lazy=$(pgrep -P $!)
    local flags=(-v /usr:/usr:ro -v /usr/lib:/lib:ro)
    [ ! -e /usr/lib64 ] || flags+=(-v /usr/lib64:/lib64:ro)
    without_reaper run -d --name z --network none "${flags[@]}" "$box" sleep 1000 >/dev/null
    without_reaper exec -d z sleep 0.1
    without_reaper exec z true
    assert_status 127 without_reaper exec z /nonexistent 2>/dev/null
    if [ "$(uname -m)" = x86_64 ]; then # a sibling: clone(CLONE_PARENT)
        without_reaper exec z /usr/bin/perl -e 'syscall(56, 0x8000 | 17, 0, 0, 0, 0) or do { sleep 1 }; exit 0'
    fi
    without_reaper exec z sleep 1000 &
    local client=$!
    wait_for 5 eval '[ "$(without_reaper exec z /bin/busybox pidof sleep | wc -w)" = 2 ]'
    kill -KILL "$(pgrep -P $client || echo $client)" # netctr, not the keeper
    sleep 0.3
    without_reaper stop -t 1 z >/dev/null
    wait_for 5 eval 'without_reaper ps -a | has Exited'
    ! ps -eo wchan:40 | has zap_pid_ns || fail "a container's init hangs"
    without_reaper rm z >/dev/null
    kill "$lazy"
}
t 'no container hangs if pid 1 does not reap' nobody_reaps

stopped_client() { # ^Z, and away
    running
    netctr exec c sleep 0.3 &
    local pid=$!
    sleep 0.1
    kill -STOP $pid
    within 10 "$ARENA/bin/netctr" stop -t 1 c >/dev/null || fail 'the container does not end'
    kill -CONT $pid
    wait $pid || true
}
t 'a stopped exec does not keep a container from ending' stopped_client

thief() { # another process in the container reads what the command wrote
    running
    mkfifo "$tmp/stolen"
    exec 8<>"$tmp/stolen"
    "$ARENA/bin/netctr" exec c sh -c 'sleep 999 & head -c 110000 /dev/zero; exit 0' >"$tmp/stolen" &
    local pid=$!
    sleep 0.3
    netctr exec c sh -c 'for p in $(pidof sleep); do timeout 1 cat "/proc/$p/fd/1" >/dev/null; done' || true
    timeout 1 cat <&8 >/dev/null || true
    wait_for 5 eval "! kill -0 $pid 2>/dev/null"
    exec 8<&-
}
t 'exec ends if another process has read what its command wrote' thief

early_signal() { # before the command runs
    running
    netctr exec -d c sh -c 'sleep 0.1' # fills the caches
    local pid i
    for i in 1 2 3 4 5 6 7 8; do
        "$ARENA/bin/netctr" exec c sh -c 'sleep 100' 2>/dev/null &
        pid=$!
        sleep "0.00$i"
        kill -TERM $pid
        wait_for 5 eval "! kill -0 $pid 2>/dev/null"
        wait $pid && fail 'it succeeded' || true
    done
    wait_for 5 eval '[ "$(netctr exec c pidof sleep | wc -w)" = 1 ]' # nothing runs on without a reader
}
t 'a signal before the command runs ends exec, and there is no command' early_signal

reader_gone() {
    running
    assert_eq "$(within 10 "$ARENA/bin/netctr" exec c yes | head -1)" y
    assert_eq "$(within 10 "$ARENA/bin/netctr" exec c sh -c 'trap "" PIPE; yes; echo "status $?" >&2' 2>&1 >/dev/full | grep -c 'status 1')" 1
    wait_for 5 eval '[ -z "$(netctr exec c pidof yes)" ]'
}
t 'a command whose reader has gone gets SIGPIPE or EPIPE' reader_gone
