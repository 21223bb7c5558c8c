#!/usr/bin/env bash
# When the reader of run's or exec's output exits, the command ends, as in any pipeline; a reader that only stops has
# no effect.
. "$(dirname "$0")/../lib.sh"

run() { # FLAGS... COMMAND...
    timeout $((20 * slowness)) "$ARENA/bin/netctr" run --network none "$@"
}
in_c() { # COMMAND...
    timeout $((20 * slowness)) "$ARENA/bin/netctr" exec "$@"
}
# The first command of the last pipeline has ended with that status.
ended_with() { # STATUS PIPESTATUS...
    [ "$2" = "$1" ] || fail "status $2, expected $1"
}
loop='while :; do echo x; sleep .05; done'
loop_err='while :; do echo x >&2; sleep .05; done'

ends_run() {
    local flags status
    set +o pipefail
    for flags in '' '--cpus 0.5'; do
        # pid 1 cannot die of SIGPIPE, and may not even check whether it can write.
        # shellcheck disable=SC2086 # several words
        run --name k $flags "$box" yes | head -1 | has -x y
        ended_with 141 "${PIPESTATUS[@]}"
        assert_eq "$(state_of k exit_status) $(state_of k status)" '141 exited'
        [ "$(stat -c %s "$state/containers/k/log")" -lt 10000000 ] || fail "$(ls -l "$state/containers/k")"
        # shellcheck disable=SC2086
        run --rm $flags "$box" sh -c "$loop" | head -1 >/dev/null
        ended_with 141 "${PIPESTATUS[@]}"
        # shellcheck disable=SC2086
        run --rm $flags "$box" sh -c "$loop_err" 2>&1 >/dev/null | grep -q x
        ended_with 141 "${PIPESTATUS[@]}"
        # stdin that stays open does not keep it.
        # shellcheck disable=SC2086
        run --rm -i $flags "$box" sh -c "cat & $loop" < <(exec sleep 1000) | head -1 >/dev/null
        ended_with 141 "${PIPESTATUS[@]}"
        # A child can die of it, and its parent goes on.
        # shellcheck disable=SC2086
        run --rm $flags "$box" sh -c 'yes; echo "yes: $?" >&2; exit 3' 2>"$tmp/stderr" | head -1 >/dev/null
        ended_with 3 "${PIPESTATUS[@]}"
        assert_eq "$(cat "$tmp/stderr")" 'yes: 141'
        # So does a program that ignores it, and gets EPIPE.
        # shellcheck disable=SC2086
        run --rm $flags "$box" sh -c 'trap "" PIPE; yes 2>/dev/null; echo "yes: $?" >&2; sleep 1.5; exit 4' 2>"$tmp/stderr" | head -1 >/dev/null
        ended_with 4 "${PIPESTATUS[@]}"
        assert_eq "$(cat "$tmp/stderr")" 'yes: 1'
        # shellcheck disable=SC2086
        run --name again --restart always $flags "$box" yes | head -1 >/dev/null
        ended_with 141 "${PIPESTATUS[@]}"
        netctr rm k again >/dev/null
    done
}
# moby #38769
t 'run ends when its reader has gone' ends_run

ends_exec() {
    set +o pipefail
    netctr run -d --name c --network none "$box" sleep 1000 >/dev/null
    in_c c yes | head -1 >/dev/null
    ended_with 141 "${PIPESTATUS[@]}"
    in_c c sh -c "$loop" | grep -q x
    ended_with 141 "${PIPESTATUS[@]}"
    in_c c sh -c "$loop_err" 2>&1 >/dev/null | head -1 >/dev/null
    ended_with 141 "${PIPESTATUS[@]}"
    in_c -i c sh -c "$loop" < <(exec sleep 1000) | head -1 >/dev/null
    ended_with 141 "${PIPESTATUS[@]}"
    wait_for 5 eval '[ "$(netctr exec c ps -o comm | grep -c "^sh\|^yes")" = 0 ]'
}
# moby #38769
t 'exec ends when its reader has gone' ends_exec

# A reader that reads later, or not at all, or output that was closed from the beginning.
stays() {
    local flags
    for flags in '' '--cpus 0.5'; do
        # shellcheck disable=SC2086 # several words
        assert_eq "$(run --rm $flags "$box" seq 50000 | { sleep 0.3 && wc -l; })" 50000
        # Nor does output that was written before its reader exited, if nothing more is written.
        # shellcheck disable=SC2086
        run --rm $flags "$box" sh -c 'echo x; exec sleep 0.5' | head -1 >/dev/null
        # shellcheck disable=SC2086
        run --name k $flags "$box" seq 3 >&- 2>/dev/null
        assert_eq "$(netctr logs k | tr '\n' ' ')" '1 2 3 '
        netctr rm k >/dev/null
        # shellcheck disable=SC2086
        assert_eq "$(netctr run -d --name k $flags --network none "$box" sh -c 'sleep .2; seq 3' | head -c 3 | wc -c)" 3
        wait_for 5 logged k 3
        netctr rm -f k >/dev/null
    done
}
t 'a reader that is slow, or never existed, ends nothing' stays

full() {
    local warning="netctr: warning: cannot write the program's stdout any more: No space left on device" flags
    netctr run -d --name c --network none "$box" sleep 1000 >/dev/null
    for flags in 'run --rm --network none' 'run --rm --network none --cpus 0.5' exec; do
        local what=$box
        [ "$flags" != exec ] || what=c
        # The command does not notice, and succeeds; one that goes on is ended; one that fails has its own status.
        # shellcheck disable=SC2086 # several words
        assert_status 125 netctr $flags "$what" echo hi >/dev/full 2>"$tmp/stderr"
        assert_eq "$(cat "$tmp/stderr")" "$warning"
        # shellcheck disable=SC2086
        assert_status 7 netctr $flags "$what" sh -c 'echo hi; exit 7' >/dev/full 2>/dev/null
        # shellcheck disable=SC2086
        assert_status 141 timeout $((20 * slowness)) "$ARENA/bin/netctr" $flags "$what" sh -c "$loop" >/dev/full 2>/dev/null
    done
    # The program's exit status is kept.
    assert_status 125 netctr run --name k --network none "$box" echo hi >/dev/full 2>/dev/null
    assert_eq "$(state_of k exit_status) $(netctr logs k)" '0 hi'
}
t 'output that a full disk does not accept is an error' full

# More than the pipes to the reader hold. The program has written it, and does not notice that the reader has gone.
logs_the_rest() {
    local flags
    set +o pipefail
    for flags in '' '--cpus 0.5'; do
        # shellcheck disable=SC2086 # several words
        run --name k $flags -v "$tmp:/t" "$box" sh -c 'seq 20000; echo end >&2; touch /t/written; sleep 1.5' 2>/dev/null |
            { wait_for 10 test -e "$tmp/written" && head -1 >/dev/null; }
        assert_eq "$(netctr logs k 2>/dev/null | md5sum)" "$(seq 20000 | md5sum)"
        netctr rm k >/dev/null
        rm "$tmp/written"
    done
}
t 'what was written before the reader left is in the log' logs_the_rest

# A terminal reports that it is writable, and then accepts only a part.
stopped_terminal() {
    local typed flags
    mkfifo "$tmp/slow"
    sleep 1000 <>"$tmp/slow" & # never reads
    for flags in '' '--cpus 0.5'; do
        script -qc "netctr run --name k --network none $flags '$box' yes" /dev/null >"$tmp/slow" </dev/null &
        wait_for 5 eval '[ "$(state_of k status)" = running ] && [ "$(stat -c %s "$state/containers/k/log")" -gt 100000 ]'
        sleep 0.5 # the terminal is full
        assert_eq "$(timeout $((10 * slowness)) "$ARENA/bin/netctr" stop -t 0 k)" k
        assert_eq "$(state_of k status)" exited
        netctr rm k >/dev/null
    done
    netctr run -d --name c --network none "$box" sleep 1000 >/dev/null
    script -qc "echo \$\$ >'$tmp/pid'; exec netctr exec c yes" /dev/null >"$tmp/slow" </dev/null &
    wait_for 5 eval '[ -s "$tmp/pid" ] && netctr exec c pidof yes'
    sleep 0.5
    kill -TERM "$(cat "$tmp/pid")"
    wait_for 5 eval '[ ! -e "/proc/$(cat "$tmp/pid")" ] || grep -q "^State:.Z" "/proc/$(cat "$tmp/pid")/status"'
}
t 'a terminal without a reader does not keep a container from ending' stopped_terminal
