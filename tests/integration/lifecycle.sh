#!/usr/bin/env bash
# A container's life: run, -d, ps, logs, exec, stop, kill, rm, inspect, and every exit code.
. "$(dirname "$0")/../lib.sh"

# Most of this needs no network.
run() { netctr run --network none "$@"; }
background() { run -d "$@" >/dev/null; }

exit_codes() {
    assert_status 0 run "$box" true
    assert_status 3 run "$box" sh -c 'exit 3'
    assert_status 255 run "$box" sh -c 'exit 255'
    assert_status 125 run "$tmp/missing" true
    assert_status 126 run "$box" /etc/passwd
    assert_status 126 run "$box" /etc
    assert_status 127 run "$box" no-such-command
    assert_status 127 run "$box" /no/such/command
}
t "run ends with the program's exit code, or 125, 126, 127" exit_codes

killed_by_signal() {
    local pid status=0
    run --name c "$box" sleep 100 &
    pid=$!
    wait_for 5 status_is c running
    netctr kill c
    wait $pid || status=$?
    assert_eq $status 137
    background --name d "$box" sleep 100
    assert_status 139 netctr exec d sh -c 'kill -SEGV $$'
    netctr kill d
    assert_eq "$(state_of d exit_status)" 137
}
t 'a program ended by signal n gives 128+n' killed_by_signal

streams_of_attached() {
    run "$box" sh -c 'echo out; echo err >&2' >"$tmp/out" 2>"$tmp/err"
    assert_eq "$(cat "$tmp/out")" out
    assert_eq "$(cat "$tmp/err")" err
    assert_eq "$(echo hello | run -i "$box" cat)" hello
    assert_eq "$(echo hello | run "$box" cat)" '' 'stdin without -i'
    # A megabyte arrives complete.
    assert_eq "$(run "$box" sh -c 'head -c 1000000 /dev/zero' | wc -c)" 1000000
}
t 'attached: stdin by -i, stdout and stderr apart, nothing lost' streams_of_attached

signals_are_forwarded() {
    local pid status=0
    "$ARENA/bin/netctr" run --name c --network none "$box" \
        sh -c 'trap "exit 42" TERM; echo ready; while :; do sleep 0.05; done' >"$tmp/out" &
    pid=$!
    wait_for 5 grep -q ready "$tmp/out"
    kill -TERM $pid
    wait $pid || status=$?
    assert_eq $status 42
}
t 'attached: a signal for netctr reaches the program' signals_are_forwarded

detached() {
    local out
    out=$(run -d --name c "$box" sleep 100)
    assert_eq "$(netctr ps -q)" "$out" 'the id'
    status_is c running
    assert_contains "$(netctr ps)" 'sleep 100'
    assert_eq "$(names)" c
    netctr stop -t 0 c
    assert_eq "$(names)" '' 'ps after stop'
    assert_eq "$(names -a)" c
    assert_contains "$(netctr ps -a)" 137
    netctr rm c
    assert_eq "$(names -a)" '' 'ps -a after rm'
}
t '-d, ps, ps -a, stop, rm' detached

detached_is_free_of_its_caller() {
    # The reader of a pipe sees its end as soon as -d has returned: no process keeps it open.
    cd "$tmp" || return
    within 5 netctr run -d --network none --name c "$box" sleep 100 | cat
    status_is c running
    local monitor
    for monitor in $(pgrep -f "^netctr monitor"); do
        assert_eq "$(readlink "/proc/$monitor/cwd")" / 'directory of the monitor'
        [ "$(ps -o sid= -p "$monitor" | tr -d ' ')" != "$(ps -o sid= -p $$ | tr -d ' ')" ] ||
            fail "the monitor is in its caller's session"
    done
}
t '-d leaves nothing of the caller in the monitor' detached_is_free_of_its_caller

detached_holds_no_lock() {
    # Scripts lock by an open file, and wait for the end of a pipe.
    (
        flock 9
        netctr run -d --name c "$box" sleep 100 >/dev/null
    ) 9>"$tmp/lock"
    flock --nonblock "$tmp/lock" true || fail 'the monitor holds the lock of its caller'
    status_is c running
    netctr stop -t 0 c
    (
        flock 9
        netctr start c >/dev/null
    ) 9>"$tmp/lock"
    flock --nonblock "$tmp/lock" true || fail 'the monitor holds the lock of the caller of start'
}
t "-d does not keep its caller's files open" detached_holds_no_lock

log_of_both_streams() {
    background --name c "$box" sh -c 'echo one; echo two >&2; printf three; sleep 100'
    wait_for 5 sh -c 'netctr logs c 2>&1 | grep -q three'
    assert_eq "$(netctr logs c 2>/dev/null)" $'one\nthree'
    assert_eq "$(netctr logs c 2>&1 >/dev/null)" two
    netctr logs -t c 2>/dev/null | head -1 |
        grep -Eq '^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9:]+) one$'
    netctr stop -t 0 c
    assert_eq "$(netctr logs c 2>/dev/null)" $'one\nthree' 'log of a stopped container'
    background --name d "$box" sh -c 'echo one; echo two; echo three; sleep 100'
    wait_for 5 sh -c 'netctr logs d | grep -q three'
    assert_eq "$(netctr logs --tail 1 d)" three
    assert_eq "$(netctr logs --tail 2 d)" $'two\nthree'
}
t 'logs: both streams, --tail, -t, and after the end' log_of_both_streams

log_is_followed() {
    background --name c "$box" \
        sh -c 'i=0; while [ $i -lt 5 ]; do echo $i; i=$((i + 1)); sleep 0.1; done'
    assert_eq "$(within 10 netctr logs -f c | tr '\n' ' ')" '0 1 2 3 4 '
}
t 'logs -f follows and ends with the container' log_is_followed

log_before() {
    netctr run -d --name k --network none "$box" sh -c 'echo hello; sleep 1000' >/dev/null
    wait_for 5 grep -q hello "$state/containers/k/log"
    netctr logs -f k >"$tmp/out" &
    wait_for 5 grep -q hello "$tmp/out"
    kill $!
    # Also between two runs.
    netctr run -d --name r --network none --restart always "$box" sh -c 'echo run; exit 1' >/dev/null
    wait_for 10 eval '[ "$(state_of r restarts)" -ge 3 ] && status_is r restarting'
    netctr logs -f r >"$tmp/out" &
    wait_for 10 eval '[ "$(wc -l <"$tmp/out")" -ge 5 ]'
    netctr rm -f r
    wait $!
}
t 'logs -f starts with what is there, and lasts until the last run' log_before

log_of_attached() {
    run --name c "$box" echo kept >/dev/null
    assert_eq "$(netctr logs c)" kept
}
t 'an attached run is logged as well' log_of_attached

exec_in_container() {
    background --name c -e FROM_RUN=1 "$box" sleep 100
    assert_status 0 netctr exec c true
    assert_status 3 netctr exec c sh -c 'exit 3'
    assert_status 126 netctr exec c /etc/passwd
    assert_status 127 netctr exec c no-such-command
    assert_status 143 netctr exec c sh -c 'kill -TERM $$'
    assert_eq "$(netctr exec -e A=b -w /tmp -u 1000 c sh -c 'echo $A $FROM_RUN; pwd; id -u' |
        tr '\n' ' ')" 'b 1 /tmp 1000 '
    assert_eq "$(echo hello | netctr exec -i c cat)" hello
    netctr exec c sh -c 'echo out; echo err >&2' >"$tmp/out" 2>"$tmp/err"
    assert_eq "$(cat "$tmp/out" "$tmp/err" | tr '\n' ' ')" 'out err '
    assert_contains "$(netctr exec c ps)" 'sleep 100'
    local kind
    for kind in cgroup ipc mnt net pid uts; do
        assert_eq "$(netctr exec c readlink /proc/self/ns/$kind)" \
            "$(netctr exec c readlink /proc/1/ns/$kind)" "$kind namespace"
    done
    netctr stop -t 0 c
    assert_fails netctr exec c true
}
t 'exec: streams, exit codes, -e -w -u -i, the same namespaces' exec_in_container

not_running() {
    local commands=('exec c true' 'kill c' 'kill -s USR1 c' 'port c' 'publish c 8080:80') command
    run --name c "$box" sh -c 'exit 7' || true
    run --name quiet --log-driver none "$box" true
    for command in "${commands[@]}"; do
        # shellcheck disable=SC2086 # several words
        assert_status 125 netctr $command >"$tmp/out" 2>"$tmp/err"
        grep -Eqx 'netctr: container `c` is not running \(exited 7, [a-z0-9 ]+ ago\); `netctr logs c` shows what it wrote' "$tmp/err" ||
            fail "$command: $(cat "$tmp/err")"
        assert_eq "$(cat "$tmp/out")" ''
    done
    assert_status 125 netctr exec quiet true 2>"$tmp/err"
    grep -Eqx 'netctr: container `quiet` is not running \(exited 0, [a-z0-9 ]+ ago\)' "$tmp/err"
    netctr stop c quiet # requested, so this is no error
    background --name r --restart always "$box" false
    # Its pause would end between two commands: the monitor is stopped in the middle of it.
    local monitor
    monitor=$(sed -n 's/.*"monitor": \([0-9]*\).*/\1/p' "$run_state/containers/r/state.json")
    stopped_in_its_pause() {
        kill -CONT "$monitor"
        wait_for 20 status_is r restarting
        kill -STOP "$monitor"
        status_is r restarting
    }
    wait_for 20 stopped_in_its_pause
    assert_error 'netctr: container `r` is not running (restarting)' 125 netctr exec r true
    kill -CONT "$monitor"
}
t 'a command for a container that is not running says how it ended, and where to look' not_running

# A sandbox lives between the runs of its program, and while the next one is made.
joined_between_runs() {
    background --name r --restart always "$box" sh -c 'exec false'
    local n
    for n in $(seq "$(often 15)"); do
        netctr run --rm --network container:r "$box" true || fail "attempt $n: $(state_of r status)"
    done
}
t 'a container that restarts can be joined at any time' joined_between_runs

stop_is_polite() {
    background --name c "$box" \
        sh -c 'trap "echo asked; exit 7" TERM; echo up; while :; do sleep 0.05; done'
    wait_for 5 sh -c 'netctr logs c | grep -q up'
    within 5 netctr stop c
    assert_eq "$(netctr logs c | tail -1)" asked
    assert_eq "$(state_of c exit_status)" 7
    within 5 netctr stop c # a second time does no harm
}
t 'stop sends SIGTERM first' stop_is_polite

stop_has_patience() {
    background --name c "$box" sh -c 'trap "" TERM; while :; do sleep 0.05; done'
    local before=${EPOCHREALTIME/./}
    netctr stop -t 1 c
    [ $((${EPOCHREALTIME/./} - before)) -ge 1000000 ] || fail 'killed before its second was over'
    status_is c exited
}
t 'stop kills after its timeout' stop_has_patience

stop_for_ever() {
    # shellcheck disable=SC2016 # the container expands it
    background --name c -v "$tmp:/t" "$box" \
        sh -c 'trap "touch /t/asked; until [ -e /t/may-end ]; do sleep 0.02; done; exit 9" TERM; touch /t/up; while :; do sleep 0.02; done'
    wait_for 5 [ -e "$tmp/up" ]
    netctr stop -t -1 c &
    wait_for 5 [ -e "$tmp/asked" ]
    touch "$tmp/may-end"
    wait $!
    assert_eq "$(state_of c exit_status)" 9
    rm "$tmp/up"
    netctr start c
    wait_for 5 [ -e "$tmp/up" ] # before its trap is set, a pid 1 ignores SIGTERM
    netctr restart --time=-1 c
    status_is c running
    local text
    for text in -2 x '' 1s 99999999999; do
        assert_error "netctr: time \`$text\` is not a number of seconds, or -1 (no limit)" 125 netctr stop -t "$text" c
        assert_error "netctr: time \`$text\` is not a number of seconds, or -1 (no limit)" 125 netctr restart -t "$text" c
    done
}
t 'stop -t -1 waits for ever' stop_for_ever

realtime_signals() {
    # shellcheck disable=SC2016 # the container expands it
    background --name c "$box" sh -c 'trap "exit 37" 37; trap "exit 64" 64; echo up; while :; do sleep 0.02; done'
    wait_for 5 logged c up
    netctr kill -s SIGRTMIN+3 c # systemd handles this signal
    wait_for 5 status_is c exited
    assert_eq "$(state_of c exit_status)" 37
    netctr start c
    wait_for 5 eval '[ "$(netctr logs c | wc -l)" = 2 ]'
    netctr kill -s rtmax c
    wait_for 5 status_is c exited
    assert_eq "$(state_of c exit_status)" 64
    assert_error 'netctr: unknown signal `RTMIN+99`' 125 netctr kill -s RTMIN+99 c
}
t 'kill -s RTMIN+3' realtime_signals

kill_waits() {
    strace -o /dev/null true 2>/dev/null || skip 'no permission to trace'
    warm_up
    local pid
    strace -f -qq -o "$tmp/trace" -e trace=listen -e "inject=listen:delay_enter=$((1000000 * slowness))" \
        "$program" --root "$state" --run-root "$run_state" run --name k "$box" sleep 1000 &
    pid=$!
    wait_for 10 grep -q 'listen(' "$tmp/trace"
    netctr kill k
    wait $pid || assert_eq $? 137
    status_is k exited
}
t 'kill waits for a container that is being created' kill_waits

# More than pipes hold.
slow_reader() {
    assert_eq "$(netctr run --name k --network none "$box" seq 20000 | { sleep 1 && wc -l; })" 20000
    assert_eq "$(netctr logs k | wc -l)" 20000 'lines of the log'
    netctr run -d --name e --network none "$box" sleep 1000 >/dev/null
    assert_eq "$(netctr exec e seq 20000 | { sleep 1 && wc -l; })" 20000 'of exec'
    # A reader that never reads does not keep it from ending.
    mkfifo "$tmp/pager"
    sleep 1000 <>"$tmp/pager" &
    netctr run --rm --name p --network none "$box" seq 20000 >"$tmp/pager" &
    wait_for 5 eval '[ -n "$(netctr events --no-stream --filter container=p --filter event=start)" ]'
    wait_for 5 eval '[ -z "$(pgrep -x seq)" ]'
    status_is p running
    timeout $((5 * slowness)) netctr rm -f p
    kill %1
}
t 'a slow reader loses nothing' slow_reader

# A command that is dead, and not reaped, would keep the container's pid namespace alive.
slow_reader_of_exec() {
    mkfifo "$tmp/pager-a" "$tmp/pager-r"
    sleep 1000 <>"$tmp/pager-a" 8<>"$tmp/pager-r" &
    netctr run -d --name slow-a --network none "$box" sh -c 'trap "exit 7" TERM; while :; do usleep 20000; done' >/dev/null
    netctr run -d --name slow-r --network none --restart always -v "$tmp:/t" "$box" \
        sh -c 'echo run; until [ -e /t/go ]; do usleep 20000; done; rm /t/go' >/dev/null
    netctr exec slow-a seq 20000 >"$tmp/pager-a" &
    netctr exec slow-r seq 20000 >"$tmp/pager-r" &
    local name
    for name in slow-a slow-r; do
        wait_for 5 eval "netctr events --no-stream --filter event=exec_start --filter container=$name | has seq"
    done
    wait_for 5 eval '[ -z "$(pgrep -x seq)" ]'
    timeout $((4 * slowness)) netctr stop -t $((8 * slowness)) slow-a
    assert_eq "$(state_of slow-a exit_status)" 7
    touch "$tmp/go"
    wait_for 5 eval '[ "$(netctr logs slow-r | grep -c run)" = 2 ]'
    kill %1
}
t 'a slow reader of exec does not keep a container from ending' slow_reader_of_exec

children_die_too() {
    background --name c "$box" sh -c 'sleep 1000 & sleep 1001 & wait'
    wait_for 5 pgrep -x -f 'sleep 1001'
    netctr kill c
    wait_for 5 status_is c exited
    assert_fails pgrep -x -f 'sleep 100[01]'
}
t 'all processes end with the first program' children_die_too

rm_needs_force() {
    background --name c "$box" sleep 100
    assert_fails netctr rm c
    status_is c running
    background --name d "$box" true
    wait_for 5 status_is d exited
    netctr rm d
    assert_fails netctr rm d
    netctr rm -f c
    assert_eq "$(names -a)" ''
}
t 'rm refuses a running container, rm -f does not' rm_needs_force

no_containers() { [ -z "$(names -a)" ]; }
rm_flag() {
    run --rm --name c "$box" true
    assert_eq "$(names -a)" ''
    background --rm --name c "$box" sleep 0.2
    wait_for 5 no_containers
    run --name c "$box" true
    assert_eq "$(names -a)" c
}
t '--rm removes at the end, attached and detached' rm_flag

naming() {
    background --name a.b-c_9 "$box" sleep 100
    assert_fails run -d --name a.b-c_9 "$box" sleep 100
    background "$box" sleep 100
    background "$box" sleep 100
    assert_eq "$(names | sort -u | wc -l)" 3 'different names'
    netctr rm -f a.b-c_9
    background --name a.b-c_9 "$box" sleep 100
}
t 'names: given, generated, taken, free again' naming

several_at_once() {
    background --name a "$box" sleep 100
    background --name b "$box" sleep 100
    netctr stop -t 0 a b
    netctr rm a b
    background --name a "$box" sleep 100
    # Possible removals are done, the others reported.
    assert_status 125 netctr rm nobody a
    netctr rm -f nobody a
    assert_eq "$(names -a)" ''
}
t 'stop and rm take several names' several_at_once

inspect_says_all() {
    netctr run -d --name c --publish 127.0.0.1:8080:80 -m 64m -e A=b "$box" sleep 100 >/dev/null
    local all address
    all=$(netctr inspect c)
    address=$(address_of c)
    assert_eq "$(jq -r 'type, length' <<<"$all" | tr '\n' ' ')" 'array 1 '
    assert_eq "$(jq -r '.[0].name' <<<"$all")" c
    assert_contains "$all" "$box"
    assert_contains "$all" "$address"
    assert_contains "$all" 8080
    assert_contains "$all" 67108864
    assert_contains "$all" sleep
    assert_eq "$(netctr ps --format json | jq -r '.[0].name')" c
    assert_fails netctr inspect nobody
    netctr info --format json | jq -e .version
    netctr version | has -E '[0-9]+\.[0-9]+'
}
t 'inspect, ps --format json and info print correct JSON' inspect_says_all

made_in_order() {
    local name
    for name in d b a c; do run --name $name "$box" true; done # within a second
    assert_eq "$(names -a | tr '\n' ' ')" 'd b a c '
    assert_eq "$(netctr ps -a --format json | jq -r 'sort_by(.created)[].name' | tr '\n' ' ')" 'd b a c '
    assert_eq "$(netctr inspect c a b d | jq -r 'sort_by(.created)[].name' | tr '\n' ' ')" 'd b a c '
    assert_eq "$(netctr inspect a | jq -r '.[0].created' | grep -Evx '20[0-9-]{8}T[0-9:]{8}\.[0-9]{9}Z')" ''
    # Older definitions have seconds only.
    sed -i '/"created_nsec"/d' "$state/containers/a/config.json"
    assert_eq "$(netctr inspect a | jq -r '.[0].created' | grep -Evx '20[0-9-]{8}T[0-9:]{8}Z')" ''
}
t 'containers are ordered by their creation' made_in_order

pid_of_inspect_is_the_program() {
    background --name c "$box" sleep 4711
    assert_eq "$(tr '\0' ' ' <"/proc/$(pid_of c)/cmdline")" 'sleep 4711 '
}
t 'inspect prints the pid of the program as the host sees it' pid_of_inspect_is_the_program

program_that_goes_to_the_background() {
    local said
    said=$(netctr run --publish 8080:80 "$box" sh -c 'sleep 100 & exit 0' 2>&1)
    assert_eq "$(wc -l <<<"$said")" 1 lines
    assert_contains "$said" 'netctr: '
    assert_contains "$said" background
    # For a detached one inspect prints it, because the log contains only the program's output.
    background --name d "$box" sh -c 'sleep 100 & exit 0'
    wait_for 5 status_is d exited
    assert_contains "$(state_of d hint)" background
    assert_eq "$(netctr logs d 2>&1)" ''
    # A program that just ends gets no such hint.
    assert_eq "$(run "$box" true 2>&1)" ''
    assert_eq "$(netctr run --publish 8080:80 "$box" false 2>&1 || true)" ''
}
t 'a program that goes to the background: the error says how to keep it in the foreground' program_that_goes_to_the_background

help_for_each() {
    netctr --help | has run
    local command
    for command in run ps stop kill rm logs exec inspect info version gc; do
        netctr $command --help >"$tmp/help" 2>"$tmp/err"
        assert_contains "$(cat "$tmp/help")" "netctr $command"
        assert_eq "$(cat "$tmp/err")" ''
    done
}
t 'every command has help, on stdout' help_for_each
