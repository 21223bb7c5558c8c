#!/usr/bin/env bash
# attach: the streams of a running container, for several clients at once, which may be slow or die.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/terminal.sh"

background() { netctr run -d --name k --network "${network-none}" "$@" >/dev/null; }
# Starts `netctr attach` and returns when it has shown something. It reads from the fifo $tmp/in.
attached=
begin_attach() { # OUTPUT FLAGS...
    local out=$1
    shift
    [ -p "$tmp/in" ] || mkfifo "$tmp/in"
    "$ARENA/bin/netctr" attach "$@" k >"$tmp/$out" 2>"$tmp/$out.err" <>"$tmp/in" &
    attached=$!
    wait_for 10 grep -q tick "$tmp/$out"
}
# A program that ticks until it may go on.
ticks='until [ -e /go ]; do echo tick; sleep 0.05; done;'
go() { netctr exec k touch /go; }
ends_with() { # STATUS [PID]
    assert_status "$1" wait "${2-$attached}"
}

shows_output() {
    local flags network
    for flags in '' '--cpus 0.5' --userns=host; do
        network=none
        [ "$flags" != --userns=host ] || network=host
        # shellcheck disable=SC2086 # several words
        background $flags "$box" sh -c "$ticks echo out; echo err >&2; seq 1 20000; exit 7"
        begin_attach one
        local first=$attached
        begin_attach two --no-stdin
        go
        ends_with 7 "$first"
        ends_with 7
        for first in one two; do
            assert_eq "$(grep -v tick "$tmp/$first")" "out"$'\n'"$(seq 1 20000)" "what $first shows"
            assert_eq "$(cat "$tmp/$first.err")" err
        done
        netctr rm k
    done
}
t 'attach shows what a container writes to all its clients, and ends with its exit code' shows_output

passes_stdin() {
    background -i "$box" sh -c "$ticks cat"
    begin_attach one
    echo before >"$tmp/in"
    go
    wait_for 10 grep -q before "$tmp/one"
    local first=$attached
    # The end of a client's input does not end that of the program.
    echo second | netctr attach k >"$tmp/two" &
    wait_for 10 grep -q second "$tmp/one"
    echo third >"$tmp/in"
    wait_for 10 grep -q third "$tmp/two"
    kill -KILL "$first"
    echo fourth | netctr attach --no-stdin k >"$tmp/three" &
    echo fifth | netctr attach k >/dev/null &
    wait_for 10 grep -q fifth "$tmp/two"
    ! grep -q fourth "$tmp/two" || fail '--no-stdin reads stdin'
    netctr rm -f k >/dev/null
    wait
}
t 'attach passes stdin on to a container with -i' passes_stdin

terminal() {
    netctr run -dit --name k --network none "$box" sh >/dev/null
    local out
    out=$(on_terminal '# =>stty size\r;;30 100=>resize 41 99;;=>stty size\r;;41 99=>x=\x27left\x27\r;;# =>\x10\x11' attach k)
    assert_contains "$out" 'netctr: detached from container `k`'
    assert_contains "$out" 'status 0 restored left 0'
    status_is k running
    out=$(on_terminal '# =>echo i$x\r;;ileft=>kill SIGKILL' attach k)
    assert_contains "$out" 'status -9 restored left 0'
    out=$(on_terminal '# =>echo re\x22\x22ady; sleep 1000\r;;ready=>\x03;;# =>exit 5\r' attach k)
    assert_contains "$out" 'status 5 restored left 0'
    netctr rm k
    netctr run -dit --name k --network none "$box" sh >/dev/null
    assert_error 'netctr: container `k` has a terminal, and stdin is none; `--no-stdin` only shows its output' 125 \
        netctr attach k
}
t 'attach to a terminal: keys, size and ctrl-p ctrl-q' terminal

# A client of run -it that left can come back.
comes_back() {
    local out
    out=$(on_terminal '# =>x=again\r;;# =>\x10\x11' run -it --name k --network none "$box" sh)
    assert_contains "$out" 'status 0 restored left 0'
    out=$(on_terminal '# =>echo i$x\r;;iagain=>exit 3\r' attach k)
    assert_contains "$out" 'status 3 restored left 0'
}
t 'a client of run -it leaves and comes back by attach' comes_back

slow() {
    background "$box" sh -c "$ticks seq 1 1000000; echo through >/said; while :; do echo late; sleep 0.05; done"
    begin_attach one
    local before
    kill -STOP "$attached"
    before=$(awk '/VmRSS/ { print $2 }' "/proc/$(monitor_of k)/status")
    go
    wait_for 60 netctr exec k test -e /said
    [ "$(awk '/VmRSS/ { print $2 }' "/proc/$(monitor_of k)/status")" -lt $((before + 2000)) ] || fail 'the monitor grows'
    kill -CONT "$attached"
    wait_for 20 grep -q late "$tmp/one"
    grep -q 'netctr: warning: [0-9]* bytes of output were skipped: this client is too slow' "$tmp/one.err" ||
        fail "nothing says that output is missing: $(cat "$tmp/one.err")"
    netctr rm -f k >/dev/null
    ends_with 137
}
t 'a client that does not read neither stops the container nor takes memory, and hears what it has missed' slow

signals() {
    background "$box" sh -c 'trap "exit 9" TERM; while :; do echo tick; sleep 0.05; done'
    begin_attach one --sig-proxy=false
    kill -TERM "$attached"
    ends_with 143
    begin_attach two
    kill -TERM "$attached"
    ends_with 9
}
t 'signals go to the program; with --sig-proxy=false they end attach' signals

leaves() {
    background "$box" sh -c 'while :; do echo tick; sleep 0.05; done'
    local monitor before
    monitor=$(monitor_of k)
    before=$(ls "/proc/$monitor/fd" | wc -l)
    begin_attach one
    kill -KILL "$attached"
    assert_status 141 netctr attach --no-stdin k > >(head -1)
    wait_for 10 eval "[ \$(ls /proc/$monitor/fd | wc -l) = $before ]"
    status_is k running
    begin_attach two
    kill -KILL "$monitor"
    ends_with "$(state_of k exit_status)"
}
t 'a client that dies leaves nothing; one whose monitor dies ends' leaves

again() {
    background --restart on-failure:1 "$box" sh -c 'until [ -e /go ]; do echo tick; sleep 0.05; done; rm /go; echo a run; exit 4'
    begin_attach one
    go
    wait_for 10 grep -q 'a run' "$tmp/one"
    wait_for 10 eval '[ "$(netctr inspect k | jq ".[0].state.pid")" != 0 ] && go 2>/dev/null'
    ends_with 4
    assert_eq "$(grep -c 'a run' "$tmp/one")" 2
}
t 'attach stays while a container is restarted' again

refused() {
    assert_error 'netctr: no such container `k`' 125 netctr attach k
    background "$box" true
    netctr wait k >/dev/null
    assert_status 125 netctr attach k 2>"$tmp/said"
    assert_contains "$(cat "$tmp/said")" 'container `k` is not running'
    netctr rm k
    background -i "$box" sh -c 'while :; do echo tick; sleep 0.05; done'
    local i
    for i in {1..16}; do begin_attach "$i" --no-stdin; done
    assert_error 'netctr: 16 clients are attached already' 125 netctr attach --no-stdin k
    # Its stdin may come too late for the monitor, which has closed the connection.
    for i in {1..20}; do
        assert_error 'netctr: 16 clients are attached already' 125 netctr attach k
    done
    assert_error 'netctr: usage: netctr attach [FLAGS] NAME' 125 netctr attach
}
t 'attach is refused where nothing runs, and to the seventeenth client' refused
