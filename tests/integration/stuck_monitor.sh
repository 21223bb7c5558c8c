#!/usr/bin/env bash
# A stopped (SIGSTOP) monitor: no command waits for it for ever, and all go on when it does.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/helpers.sh"

is_at_rest() { # stopped, and holds no lock
    kill -STOP "$1"
    flock --nonblock "$run_state/lock" true && return 0
    kill -CONT "$1"
    return 1
}
asleep() { # its monitor is stopped
    wait_for 5 is_at_rest "$(jq .monitor "$run_state/containers/$1/state.json")"
}
wakes() { # NAME
    kill -CONT "$(jq .monitor "$run_state/containers/$1/state.json")"
}

# Commands that need k's monitor report that it is stopped; nothing else notices.
stopped_monitor() {
    warm_up
    netctr network create a
    netctr run --rm --network a "$box" true
    serve other -p 8081:80
    netctr network reload # which settles the order of what nft lists
    snapshot
    netctr run -d --name k --network default --network a -p 8080:80 "$box" sh -c 'echo on; sleep 1000' >/dev/null
    wait_for 5 logged k on
    asleep k
    local pid pids=() monitor command
    monitor=$(monitor_of k)
    for command in 'network disconnect a k' 'network connect a k' 'publish k 81' 'unpublish k 8080' 'network rm -f a'; do
        # shellcheck disable=SC2086
        (
            tmp=$(mktemp -d "$tmp/XXXXXX")
            line="netctr: the monitor of container \`k\` (process $monitor) has been stopped; \`kill -CONT $monitor\` lets it go on"
            assert_error "$line" 125 timeout $((20 * slowness)) netctr $command
        ) &
        pids+=($!)
    done
    for command in ps 'ps -a' 'inspect k' 'port k' 'logs k' 'exec k true' 'network ls' 'network inspect a' \
        'network reload' gc 'gc --dry-run' "run --rm -p 8082:80 $box true" 'exec other true' 'publish other 8083:83' \
        'network connect a other' 'network disconnect a other' 'unpublish other 8083' 'kill -s USR1 other' doctor info; do
        # shellcheck disable=SC2086
        timeout $((4 * slowness)) netctr $command >"$tmp/out" 2>&1 || [[ $? = 1 && $command = doctor ]] ||
            fail "$command: $(cat "$tmp/out")"
    done
    assert_eq "$(http http://127.0.0.1:8081/)" other
    for pid in "${pids[@]}"; do wait "$pid"; done
    rm -r "$tmp"/??????
    wakes k
    # It has made the requested change meanwhile.
    wait_for 5 eval '! netctr port k | has 8080 && netctr port k | has 81'
    netctr rm -f k
    netctr network reload
    assert_clean
    netctr rm -f other
    netctr network rm a
}
t 'a stopped monitor: commands that need it report it, nothing else notices' stopped_monitor

# Between two runs, and before the first, only the monitor can be signalled.
stopped_elsewhere() {
    warm_up
    snapshot
    local command
    for command in 'stop k' 'kill k' 'rm -f k'; do
        netctr run -d --name k --restart always "$box" false >/dev/null
        wait_for 10 eval '[ "$(netctr inspect k | jq ".[0].state.restarts")" -ge 2 ] && status_is k restarting'
        asleep k
        # shellcheck disable=SC2086
        timeout $((10 * slowness)) netctr $command
        [ "$command" = 'rm -f k' ] || netctr rm k
    done
    assert_clean
}
t 'a monitor stopped between two runs: stop, kill and rm -f end it' stopped_elsewhere

# A start of k whose $monitor is stopped before it listens; $tracer holds it there.
stop_while_it_listens() {
    rm -f "$tmp/trace"
    (
        exec strace -f -qq -o "$tmp/trace" -e trace=listen -e inject=listen:delay_enter=20000000 \
            "$ARENA/bin/netctr" run -d --rm --name k --network default "$box" sleep 1000
    ) >/dev/null 2>&1 &
    tracer=$!
    wait_for 5 grep -q 'listen(' "$tmp/trace"
    monitor=$(jq .monitor "$run_state/containers/k/state.json")
    kill -STOP "$monitor"
}

# Before its container runs: the client gets an error, rm -f ends it, and what it had created is undone.
stopped_at_the_start() {
    strace -o /dev/null true 2>/dev/null || skip 'no permission to trace'
    warm_up
    # With helpers, else it would also create sockets for them, under the store's lock.
    netctr run -d --name other "$box" sleep 1000 >/dev/null
    wait_for 5 helpers_work
    snapshot
    local how tracer monitor starter
    for how in 'rm -f k' 'stop k' ''; do
        stop_while_it_listens
        starter=$(ps -o ppid= -p "$monitor" | tr -d ' ')
        kill -KILL $tracer
        wait_for 5 grep -q '^State:.T' "/proc/$monitor/status"
        if [ -n "$how" ]; then
            # shellcheck disable=SC2086
            timeout $((15 * slowness)) netctr $how || [ "$how" = 'stop k' ]
        else
            wait_for 10 sh -c "! kill -0 $starter 2>/dev/null" # it does not wait for ever
            kill -CONT "$monitor"
        fi
        assert_clean
    done
}
t 'a monitor stopped before its container runs' stopped_at_the_start

# The first one, which holds the store's lock while it creates sockets for the helpers.
stopped_with_the_lock() {
    strace -o /dev/null true 2>/dev/null || skip 'no permission to trace'
    warm_up
    wait_for 5 no_helpers
    snapshot
    local tracer monitor how
    for how in CONT KILL; do
        stop_while_it_listens
        kill -KILL $tracer
        wait_for 5 grep -q '^State:.T' "/proc/$monitor/status"
        assert_error "netctr: lock \`$run_state\`: \`$run_state/lock\` is held by process $monitor (netctr), which has been stopped; \`kill -CONT $monitor\` lets it go on" \
            125 timeout $((20 * slowness)) netctr run -d --name other "$box" sleep 1000
        kill -$how "$monitor"
        # It goes on, or is cleaned up.
        timeout $((10 * slowness)) netctr run -d --name other "$box" sleep 1000 >/dev/null
        wait_for 5 helpers_work
        netctr rm -f other
        [ $how = KILL ] || netctr rm -f k || true
        wait_for 5 no_helpers
        assert_clean
    done
}
t 'a monitor stopped while it starts the helpers' stopped_with_the_lock
