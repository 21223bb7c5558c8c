#!/usr/bin/env bash
# Obstacles at start and stop, and a large log.
. "$(dirname "$0")/../lib.sh"

# Stopped while it holds the store's lock, a monitor would block every command.
stopped_at_rest() { # PID
    kill -STOP "$1"
    flock --nonblock "$run_state/lock" true && return 0
    kill -CONT "$1"
    return 1
}

stopped_monitor() {
    warm_up
    snapshot
    netctr run -d --name k -p 8080:80 "$box" sleep 1000 >/dev/null
    wait_for 5 stopped_at_rest "$(monitor_of k)"
    within 14 "$ARENA/bin/netctr" rm -f k
    assert_clean
    netctr run -d --name k -p 8080:80 "$box" sleep 1000 >/dev/null
    wait_for 5 stopped_at_rest "$(monitor_of k)"
    within 14 "$ARENA/bin/netctr" stop -t 1 k
    assert_eq "$(state_of k status)" exited
    netctr rm k
    assert_clean
}
t 'a monitor that was stopped (SIGSTOP): stop and rm -f end it' stopped_monitor

stopped_exec() {
    strace -o /dev/null true 2>/dev/null || skip 'no permission to trace'
    # The container's init stops every new process again and again; strace makes exec slow enough.
    netctr run -d --name k "$box" sh -c 'echo on; while :; do kill -STOP -1; usleep 1000; done' >/dev/null
    wait_for 5 logged k on
    assert_error "netctr: the command's process was stopped before it ran" 125 \
        within 25 strace -f -qq -o /dev/null -e inject=execve:delay_enter=1000000 \
        "$ARENA/bin/netctr" exec k true
    netctr rm -f k
}
t 'exec whose process is stopped before it executes the command: an error, and it is killed' stopped_exec

asked_twice() {
    assert_error 'netctr: port 90/tcp is published twice' 125 netctr run -p 90:80 -p 90:81 "$box" true
    assert_error 'netctr: port 90/tcp is published twice' 125 \
        netctr run -p 90:80 -p 127.0.0.1:90:81 "$box" true
    assert_error 'netctr: port 90/udp is published twice' 125 \
        netctr run -p 90:80/tcp -p 90:80/udp -p 90:80/udp "$box" true
    netctr run --rm -p 127.0.0.1:90:80 -p 192.0.2.2:90:80 -p 90:80/udp "$box" true
}
t 'one port requested twice is reported as such' asked_twice

true_status() {
    warm_up
    snapshot
    mkfifo "$tmp/go"
    netctr run -d --name k -v "$tmp:/t" "$box" sh -c 'read x </t/go; exit 7' >/dev/null
    # A file where a directory should be: the address cannot be released.
    rm -r "$run_state/leases/default/resting"
    echo >"$run_state/leases/default/resting"
    local monitor
    monitor=$(monitor_of k)
    echo >"$tmp/go"
    wait_for 5 sh -c "! kill -0 $monitor 2>/dev/null"
    [ -e "$run_state/containers/k" ] || fail 'detaching did not fail: this proves nothing'
    rm "$run_state/leases/default/resting"
    mkdir "$run_state/leases/default/resting"
    assert_eq "$(state_of k exit_status)" 7
    netctr rm k
    assert_clean
}
t 'detaching failed at first: the true exit status survives' true_status

large_log() {
    netctr run --name k "$box" sh -c 'echo early; seq 100' >/dev/null
    local log=$state/containers/k/log
    # A hole of 1 GB, which takes no disk space, followed by lines.
    truncate -s 1G "$log"
    printf '\n%s\n' "2026-11-23T14:05:00.000000000Z stdout F one" >>"$log"
    printf '%s\n' "2026-11-23T14:05:00.000000001Z stderr F two" >>"$log"
    printf '%s\n' "2026-11-23T14:05:00.000000002Z stdout F three" >>"$log"
    # With this little memory it cannot read the whole file (AddressSanitizer reserves more address space than that).
    (
        sanitized || ulimit -v 200000
        assert_eq "$("$program" --root "$state" --run-root "$run_state" logs --tail 2 k 2>&1)" $'two\nthree'
        assert_eq "$("$program" --root "$state" --run-root "$run_state" logs --tail 1 k 2>&1)" three
        assert_eq "$("$program" --root "$state" --run-root "$run_state" logs --tail 0 k 2>&1)" ''
    )
    netctr rm k
    netctr run --name k "$box" seq 30000 >/dev/null
    local n
    for n in 1 2 999 25000 29999 30000 30001 99999; do
        netctr logs --tail "$n" k >"$tmp/got"
        seq 30000 | tail -n "$n" | cmp - "$tmp/got"
    done
}
t 'logs --tail reads from the end' large_log
