#!/usr/bin/env bash
# The client of an attached `run`: it may be stopped, killed, or lose its terminal, and the container runs on.
. "$(dirname "$0")/../lib.sh"

run() { # in the background, so that $! is the client itself
    exec "$ARENA/bin/netctr" run --network none "$@"
}
tidy_too() {
    rm -rf "${tmp:?}"/*
}
clock='while :; do echo x; echo x >>/t/ticks; sleep 0.05; done'
ticks() {
    wc -l <"$tmp/ticks" 2>/dev/null || echo 0
}
goes_on() {
    local before
    before=$(ticks)
    wait_for 10 eval "[ \$(ticks) -gt $((before + 2)) ]"
}
# For wait_for.
ended() { # PID
    [ ! -e "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status"
}
is_stopped() { # PID
    grep -q '^State:.T' "/proc/$1/status"
}
client_of() { # NAME
    ps -o ppid= -p "$(monitor_of "$1")" | tr -d ' '
}

killed() {
    local flags client monitor
    for flags in '' '--cpus 0.5'; do
        rm -f "$tmp/ticks"
        mkfifo "$tmp/pipe"
        (
            flock 9
            cd "$tmp" || exit
            # shellcheck disable=SC2086 # several words
            run --name k $flags -v "$tmp:/t" "$box" sh -c "$clock" 2>"$tmp/stderr" >"$tmp/pipe"
        ) 9>"$tmp/lock" &
        client=$!
        cat "$tmp/pipe" >"$tmp/out" &
        local reader=$!
        wait_for 10 grep -q x "$tmp/out"
        monitor=$(monitor_of k)
        assert_eq "$(readlink "/proc/$monitor/cwd")" / 'directory of the monitor'
        assert_eq "$(ps -o sid= -p "$monitor" | tr -d ' ')" "$monitor" 'session of the monitor'
        assert_eq "$(tr '\0' ' ' <"/proc/$monitor/cmdline" | sed 's/ *$//')" 'netctr monitor of k'
        kill -KILL "$client"
        wait_for 5 ended $reader # its pipe has no writer any more
        flock --nonblock "$tmp/lock" true || fail 'the monitor holds the lock of its client'
        wait_for 5 eval '! ls -l /proc/"$monitor"/fd | grep -q "$tmp/stderr"'
        goes_on
        status_is k running
        netctr exec k true
        local lines
        lines=$(netctr logs k | wc -l)
        wait_for 5 eval "[ \$(netctr logs k | wc -l) -gt $lines ]"
        netctr stop -t 0 k >/dev/null
        assert_eq "$(state_of k exit_status)" 137
        netctr rm k >/dev/null
        rm "$tmp/pipe"
    done
}
t 'a client is killed: its streams are closed, and the container runs on' killed

killed_with_stdin() {
    local flags client
    for flags in '' '--cpus 0.5'; do
        # shellcheck disable=SC2086
        run --name k -i $flags -v "$tmp:/t" "$box" sh -c 'cat >/t/got; echo end >>/t/got; sleep 1000' \
            < <(echo one; exec sleep 1000) &
        client=$!
        wait_for 10 grep -q one "$tmp/got"
        kill -KILL $client
        wait_for 10 grep -q end "$tmp/got"
        status_is k running
        netctr rm -f k >/dev/null
        rm "$tmp/got"
    done
}
t 'a client with -i is killed: the stdin of the program ends' killed_with_stdin

killed_then_removed() {
    run --rm --name k -v "$tmp:/t" "$box" sh -c 'until [ -e /t/go ]; do sleep 0.02; done' &
    wait_for 10 status_is k running
    kill -KILL $!
    touch "$tmp/go"
    wait_for 10 eval '[ -z "$(netctr ps -aq)" ]'
}
t 'a client of run --rm is killed: the container is removed when it has ended' killed_then_removed

# Either nothing is left, or the container runs.
killed_at_start() {
    local ms how
    warm_up
    snapshot
    for ms in 0 2 4 6 8 10 12 15 20 30 50; do
        for how in KILL HUP; do
            run --rm --name k -p 8080:80 "$box" sleep 1000 >/dev/null 2>&1 &
            sleep "0.$(printf '%03d' $ms)"
            kill -$how $! 2>/dev/null || true
            wait_for 20 settled k
            netctr rm -f k >/dev/null 2>&1 || true
            assert_clean
        done
    done
}
settled() { # NAME
    [ "$(netctr ps -aq | wc -l)" = 0 ] || status_is "$1" running
}
run_published() {
    run() { exec "$ARENA/bin/netctr" run "$@"; }
    killed_at_start
}
t 'a client is killed while it starts: nothing is left, or the container runs' run_published

# The monitor takes longer than its client waits.
interrupted_at_start() {
    strace -o /dev/null true 2>/dev/null || skip 'no permission to trace'
    local client
    warm_up
    snapshot
    strace -f -qq -o /dev/null -e trace=clone3 -e inject=clone3:delay_enter=4000000 \
        "$ARENA/bin/netctr" run --network none --name k "$box" sleep 1000 2>"$tmp/stderr" &
    wait_for 10 pgrep -f '^netctr monitor of k'
    client=$(pgrep -f '^netctr run')
    kill -TERM "$client"
    sleep 0.3
    ! ended "$client" || fail 'the client does not wait for the monitor to undo the start'
    wait_for 3 ended "$client"
    local status=0
    wait $! || status=$?
    assert_eq $status 143
    assert_eq "$(cat "$tmp/stderr")" 'netctr: signal 15 (Terminated) came before the container ran'
    assert_eq "$(netctr ps -aq)" ''
    assert_clean
}
t 'a signal before the container runs undoes the start' interrupted_at_start

monitor_killed() {
    local status=0
    run --name k "$box" sleep 1000 2>"$tmp/stderr" &
    wait_for 10 status_is k running
    kill -KILL "$(monitor_of k)"
    wait $! || status=$?
    assert_eq $status 125
    assert_eq "$(cat "$tmp/stderr")" 'netctr: the monitor of container `k` was killed, and the container with it'
    wait_for 10 eval '[ -z "$(netctr ps -q)" ]'
    netctr rm k >/dev/null
}
t 'a monitor is killed: its client fails with 125' monitor_killed

twice() {
    local client
    run --name k -v "$tmp:/t" "$box" sh -c 'trap "echo x >>/t/ticks" USR1; touch /t/up; while :; do sleep 0.02; done' &
    client=$!
    wait_for 10 test -e "$tmp/up"
    kill -USR1 "$client" "$(monitor_of k)" # one sender, as systemd with all processes of a service
    wait_for 5 eval '[ "$(ticks)" = 1 ]'
    sleep 1.2
    assert_eq "$(ticks)" 1
    kill -USR1 "$client"
    wait_for 5 eval '[ "$(ticks)" = 2 ]'
    kill -USR1 "$client"
    wait_for 5 eval '[ "$(ticks)" = 3 ]'
    sleep 1.2
    kill -USR1 "$(monitor_of k)"
    wait_for 5 eval '[ "$(ticks)" = 4 ]'
    netctr stop -t 0 k >/dev/null
}
t 'a signal for client and monitor reaches the program once' twice

thrice() {
    local client status=0
    run --name k -v "$tmp:/t" "$box" sh -c 'trap "" INT; touch /t/up; sleep 1000; sleep 1000' 2>"$tmp/stderr" &
    client=$!
    wait_for 10 test -e "$tmp/up"
    kill -INT $client
    sleep 0.2
    kill -INT $client
    wait_for 5 grep -qx 'netctr: warning: `k` has not ended yet; once more kills it' "$tmp/stderr"
    kill -INT $client
    wait $client || status=$?
    assert_eq $status 137
}
t 'the third ^C kills' thrice

streams() {
    local status=0 flags
    assert_eq "$(echo hello | run --rm -i "$box" cat)" hello
    assert_eq "$(run --rm -i "$box" cat <&-)" ''
    assert_eq "$(run --rm "$box" cat </dev/zero)" '' 'stdin without -i'
    seq 1000 >"$tmp/file"
    assert_eq "$(run --rm -i "$box" md5sum <"$tmp/file")" "$(md5sum <"$tmp/file")"
    for flags in '' '--cpus 0.5'; do
        status=0
        # shellcheck disable=SC2086
        (run --rm $flags "$box" sh -c 'head -c 1048576 /dev/zero; head -c 1048577 /dev/zero >&2; exit 7') \
            > >(sleep 0.3; wc -c >"$tmp/out") 2> >(sleep 0.5; wc -c >"$tmp/err") || status=$?
        assert_eq $status 7
        wait_for 5 eval '[ -s "$tmp/out" ] && [ -s "$tmp/err" ]'
        assert_eq "$(cat "$tmp/out" "$tmp/err" | paste -sd' ')" '1048576 1048577'
    done
    # All of it is there when the command returns.
    (run --rm "$box" sh -c 'seq 100000; echo end >&2' >"$tmp/out" 2>&1)
    assert_eq "$(wc -l <"$tmp/out")" 100001
    assert_eq "$(netctr ps -aq)" ''
}
t 'stdin, stdout and stderr: apart, complete, with the exit status' streams

# Its reader has stopped, and the program with it; the monitor works on.
slow_reader() {
    local flags
    mkfifo "$tmp/slow"
    sleep 1000 <>"$tmp/slow" & # never reads
    for flags in '' '--cpus 0.5'; do
        # shellcheck disable=SC2086
        (exec "$ARENA/bin/netctr" run --name k $flags "$box" yes) >"$tmp/slow" &
        wait_for 10 status_is k running
        sleep 0.5 # the pipe is full
        timeout $((5 * slowness)) "$ARENA/bin/netctr" publish k 8080:80 >/dev/null
        assert_eq "$(timeout $((10 * slowness)) "$ARENA/bin/netctr" stop -t 0 k)" k
        assert_eq "$(state_of k status)" exited
        netctr rm k >/dev/null
    done
}
t 'a reader that has stopped delays nothing but the program' slow_reader

# ---- a terminal ----------------------------------------------------------------------------------

shell_on_terminal() {
    mkfifo "$tmp/keys"
    script -qc 'bash --norc --noprofile -i' /dev/null <"$tmp/keys" >"$tmp/screen" 2>&1 &
    terminal=$!
    exec 8>"$tmp/keys"
}
type_in() { # TEXT, as printf takes it
    # shellcheck disable=SC2059
    printf "$1" >&8
}

stopped() {
    local client
    shell_on_terminal
    type_in "netctr run --name k --network none -i -v '$tmp:/t' '$box' sh -c 'while read -r x; do echo got \$x >>/t/got; done; exit 9'\n"
    wait_for 10 status_is k running
    client=$(client_of k)
    type_in 'one\n'
    wait_for 10 grep -qx 'got one' "$tmp/got"
    type_in '\x1a'
    wait_for 10 is_stopped "$client"
    # What is typed now is the shell's.
    type_in "echo shell >>'$tmp/shell'\n"
    wait_for 10 grep -qx shell "$tmp/shell"
    status_is k running
    netctr exec k true
    assert_eq "$(cat "$tmp/got")" 'got one'
    type_in 'fg\n'
    wait_for 10 eval '! is_stopped "$client"'
    type_in 'two\n'
    wait_for 10 grep -qx 'got two' "$tmp/got"
    type_in '\x04'
    wait_for 10 ended "$client"
    type_in "echo status \$? >>'$tmp/shell'\n"
    wait_for 10 grep -qx 'status 9' "$tmp/shell"
}
t '^Z stops the client alone, and leaves the terminal to the shell' stopped

# What ends while the client is stopped ends.
stopped_until_the_end() {
    local client
    shell_on_terminal
    type_in "netctr run --rm --name k --network none -v '$tmp:/t' '$box' sh -c 'until [ -e /t/go ]; do sleep 0.02; done; exit 5'\n"
    wait_for 10 status_is k running
    client=$(client_of k)
    type_in '\x1a'
    wait_for 10 is_stopped "$client"
    touch "$tmp/go"
    wait_for 10 eval '[ -z "$(netctr ps -aq)" ]'
    type_in 'fg\n'
    wait_for 10 ended "$client"
    type_in "echo status \$? >>'$tmp/shell'\n"
    wait_for 10 grep -qx 'status 5' "$tmp/shell"
}
t 'a container ends while its client is stopped' stopped_until_the_end

hung_up() {
    shell_on_terminal
    type_in "netctr run --name k --network none -v '$tmp:/t' '$box' sh -c 'trap \"echo hup >/t/hup\" HUP; while :; do echo x >>/t/ticks; sleep 0.05; done'\n"
    wait_for 10 eval '[ "$(ticks)" -gt 2 ]'
    kill -KILL $terminal
    wait_for 10 test -e "$tmp/hup"
    goes_on
    status_is k running
    netctr stop -t 0 k >/dev/null
}
t 'the terminal is closed: SIGHUP goes to the program' hung_up
