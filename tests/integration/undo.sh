#!/usr/bin/env bash
# Killed, failed, or damaged by other programs: after the next command, or gc, nothing is left. Killed and failing at
# every system call: kill_*.sh, error_*.sh.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/helpers.sh"

# The killed container has many flags.
everything=(--name k --publish 8080:80 -p 127.0.0.1:9090:80/udp -m 64m --pids-limit 20 --tmpfs /t
    -v "$box/etc/passwd:/file:ro")

kill_all_of_netctr() {
    local pids
    # The test's own pid namespace: only its processes are seen. One may start between the listing and the kill.
    while pids=$(pgrep -x netctr); do
        # shellcheck disable=SC2086
        kill -KILL $pids 2>/dev/null || true
    done
    wait_for 3 no_helpers # else the next ones would have another port
}

nothing_is_killed() {
    # The positive control of all below: undisturbed it runs.
    warm_up
    snapshot
    netctr run -d "${everything[@]}" "$box" sleep 100 >/dev/null
    status_is k running
    assert_fails same_as_before
    netctr rm -f k
    assert_clean
}
same_as_before() {
    traces >"$ARENA/after"
    cmp "$ARENA/before" "$ARENA/after"
}
t 'a run with many flags leaves nothing' nothing_is_killed

failing_runs() {
    warm_up
    snapshot
    local why
    for why in command port; do
        case $why in
        command) assert_status 127 netctr run --rm "${everything[@]}" "$box" nothing ;;
        port) assert_fails netctr run --rm "${everything[@]}" -p 8080:81 "$box" true ;;
        esac
        assert_clean
    done
    assert_status 127 netctr run -d "${everything[@]}" "$box" nothing
    netctr rm k 2>/dev/null || true # docker keeps it as created; either is fine, its traces are not
    assert_clean
}
t 'a run that fails leaves nothing' failing_runs

next_command_repairs() {
    warm_up
    snapshot
    netctr run -d "${everything[@]}" "$box" sleep 100 >/dev/null
    kill_all_of_netctr
    netctr run --rm "$box" true
    netctr rm -f k
    assert_clean
}
t 'the next run repairs as well as gc' next_command_repairs

killed_monitor() {
    warm_up
    snapshot
    serve k --publish 8080:80
    local program_pid
    program_pid=$(pid_of k)
    kill_all_of_netctr
    # No process would hold its port any more: the container ends with its monitor.
    wait_for 5 sh -c "! kill -0 $program_pid 2>/dev/null"
    netctr gc
    assert_eq "$(names)" ''
    assert_lacks "$(nft list table inet netctr)" 8080
    netctr rm -f k
    assert_clean
}
t 'kill -9 of the monitor ends its container, gc the rest' killed_monitor

gc_spares_the_living() {
    serve web --publish 8080:80
    netctr gc
    netctr gc
    http http://192.0.2.2:8080/ | has -x web
    in_lan curl -sf --max-time 2 http://192.0.2.2:8080/ | has -x web
}
t 'gc does not touch a running container' gc_spares_the_living

killed_program() {
    warm_up
    snapshot
    netctr run -d --rm "${everything[@]}" "$box" sleep 100 >/dev/null
    kill -KILL "$(pid_of k)"
    assert_clean
}
t 'a killed program: its monitor takes everything down' killed_program

gone_is_gone() {
    strace -o /dev/null true 2>/dev/null || skip 'no permission to trace'
    warm_up
    # Slowly, so that there is time to look when its directory has just been removed.
    strace -f -qq -o /dev/null -e inject=unlinkat:delay_exit=200000 \
        netctr run --rm --name k -p 8080:80 "$box" sleep 0.1 &
    wait_for 5 test -e /run/netctr/containers/k
    wait_for 30 test ! -e /run/netctr/containers/k
    assert_eq "$(ss -Hlnt sport = :8080)" '' 'who holds its port'
    wait $!
}
t 'when a container is seen to be gone, its ports are free' gone_is_gone

torn_out() {
    warm_up
    snapshot
    # Another program removes what is netctr's; rm finds it gone and succeeds.
    netctr run -d "${everything[@]}" "$box" sleep 100 >/dev/null
    ip link del "$(ip -oneline link show master nc-default | sed 's/^[0-9]*: \([^@]*\)@.*/\1/')"
    netctr rm -f k
    assert_clean
    netctr run -d "${everything[@]}" "$box" sleep 100 >/dev/null
    nft flush ruleset
    netctr rm -f k
    wait_for 3 no_helpers # while they exit, their port is not free, and the next ones would have another
    warm_up
    assert_clean
    netctr run -d "${everything[@]}" "$box" sleep 100 >/dev/null
    ip link del nc-default
    netctr rm -f k
    warm_up
    netctr run --rm "$box" ping -c 1 -W 1 192.0.2.9
}
t 'a link, the rules or the bridge removed by another program' torn_out

second_run_root() {
    # Two that do not know of each other would assign the same addresses (and the gc of one would remove the other's
    # objects): the second is refused.
    serve web --publish 8080:80
    firewall >"$tmp/before"
    assert_fails "$program" --root "$tmp/root2" --run-root /run/netctr2 run --rm "$box" true
    firewall >"$tmp/after"
    diff "$tmp/before" "$tmp/after"
    http http://127.0.0.1:8080/ | has -x web
}
t 'a second run-root in the same network namespace is refused' second_run_root

concurrent_removal() {
    warm_up
    snapshot
    netctr run -d "${everything[@]}" "$box" sleep 100 >/dev/null
    local n
    for n in 1 2 3 4; do netctr rm -f k >/dev/null 2>&1 & done
    netctr gc
    wait
    netctr rm -f k 2>/dev/null || true
    assert_clean
}
t 'several rm and gc at once' concurrent_removal

damaged_records() {
    # One that cannot be cleaned up does not block the others, and its port is closed.
    warm_up
    snapshot
    netctr run -d "${everything[@]}" "$box" sleep 100 >/dev/null
    netctr run -d --name other "$box" sleep 100 >/dev/null
    wait_for 5 helpers_work
    echo '{' >"$(sandbox_of k)/endpoint.default.json"
    kill -KILL "$(monitor_of k)"
    netctr ps 2>/dev/null | has other
    assert_lacks "$(nft list map inet netctr publish4)" 8080
    netctr stop -t 0 other
    netctr rm -f k other
    netctr gc
    wait_for 3 no_helpers
    rm -f "$run_state/helpers/log" # where the helper has reported it
    assert_clean
}
t 'a damaged record: the rest goes on, its port is closed' damaged_records

damaged_definition() {
    # gc does not take the container for garbage.
    netctr run -d --name k "$box" sleep 100 >/dev/null
    local config pid
    config=$(find "$state" -path '*/k/config.json')
    pid=$(pid_of k)
    cp "$config" "$tmp/config.json"
    echo '{' >"$config"
    netctr gc >/dev/null 2>&1 || true
    kill -0 "$pid"
    cp "$tmp/config.json" "$config"
    status_is k running
}
t 'a damaged definition: gc does not end its container' damaged_definition

damaged_and_dead() {
    # Its layer is the user's.
    netctr run -d --name k --network none "$box" sh -c 'echo precious >/data; exec sleep 1000' >/dev/null
    wait_for 5 test -s "$state/containers/k/upper/data"
    local monitor
    monitor=$(monitor_of k)
    cp "$state/containers/k/config.json" "$tmp/config.json"
    echo '{' >"$state/containers/k/config.json"
    kill -KILL "$monitor"
    netctr ps -a >/dev/null 2>&1 || true
    netctr gc >/dev/null 2>&1 || true
    assert_eq "$(cat "$state/containers/k/upper/data")" precious
    assert_eq "$(cat "$state/containers/k/config.json")" '{'
    cp "$tmp/config.json" "$state/containers/k/config.json"
    netctr ps -a | has ' k$'
}
t 'a damaged definition, and its monitor killed: what the container wrote stays' damaged_and_dead

half_claimed() {
    # `start` was killed when it had created the run directory and not yet written into it: the container is as it was
    # before.
    local before after
    warm_up
    snapshot
    assert_status 7 netctr run --name k "$box" sh -c 'exit 7'
    before=$(cat "$state/containers/k/config.json")
    mkdir /run/netctr/containers/k
    netctr gc
    status_is k exited
    mkdir /run/netctr/containers/k
    : >/run/netctr/containers/k/lock
    echo '{' >/run/netctr/containers/k/state.json
    netctr ps -a >"$tmp/out"
    netctr gc
    status_is k exited
    after=$(cat "$state/containers/k/config.json")
    assert_eq "$after" "$before" 'how it had ended'
    netctr start k
    wait_for 5 status_is k exited
    netctr rm -f k
    assert_clean
}
t 'a start interrupted before its first record: the container is as it was' half_claimed

unfinished_files() {
    # Killed between writing a file and renaming it over the old one.
    local file id names=/run/netctr/dns
    warm_up
    id=$(netctr run -d --name k "$box" sleep 100)
    wait_for 5 helpers_work
    snapshot
    mkdir -p $names/{network/default/lost,container/{lost,halfway}}
    for file in $names/container/{lost/default~,halfway/{default,.servers}} /run/netctr/{leases/default~,helpers/state~} \
        "$state/networks/default.json~"; do
        echo half >"$file"
    done
    ln -s 10.88.0.200 $names/network/default/lost/~lost
    ln -s 'default lost k' $names/address/~lost
    ln -s 'default lost k' $names/address/10.88.0.200
    assert_fails same_as_before
    netctr gc --dry-run
    test -e $names/container/lost/default~
    test -L $names/address/~lost
    netctr gc
    assert_clean
    in_network_of k dig +short +time=2 @10.88.0.1 "$id" | grep -qx "$(address_of k)"
}
t 'unfinished files: gc removes them' unfinished_files

# COMMAND, in which every call of CALLS for PATH fails.
unable_to() { # CALLS PATH COMMAND...
    strace -f -qq -o /dev/null -P "$2" -e "inject=$1:error=ENOMEM" "${@:3}"
}

unknown_is_not_absent() {
    strace -o /dev/null true 2>/dev/null || skip 'no permission to trace'
    warm_up
    # The open files of its caller are unknown: its monitor would keep a pipe whose end is waited for.
    assert_status 125 unable_to openat /proc/self/fd netctr run -d --name k "$box" sleep 100 2>"$tmp/err"
    assert_contains "$(cat "$tmp/err")" 'open files'
    # It is unknown whether helpers run: there may be none, and others take their place, with the names' port.
    netctr run -d --name k "$box" sleep 100 >/dev/null
    wait_for 5 helpers_work
    local port
    port=$(names_port)
    unable_to openat "$run_state/helpers/state" netctr gc 2>"$tmp/err" || cat "$tmp/err"
    wait_for 5 helpers_work
    assert_eq "$(helper_processes | wc -l)" 4 processes
    assert_eq "$(names_port)" "$port" port
    # The existing names are unknown: they are not garbage.
    unable_to getdents64 "$run_state/dns/container" netctr gc 2>"$tmp/err" || true
    assert_contains "$(cat "$tmp/err")" 'names'
    unable_to getdents64 "$run_state/dns/network" netctr gc 2>"$tmp/err" || true
    assert_contains "$(cat "$tmp/err")" 'names'
    # Nor is it known which containers run.
    unable_to getdents64 "$run_state/containers" netctr gc 2>"$tmp/err" || true
    assert_contains "$(cat "$tmp/err")" 'Cannot allocate memory'
    assert_eq "$(in_network_of k dig +short +time=2 @10.88.0.1 k)" "$(address_of k)"
}
t 'what cannot be read is not taken for absent' unknown_is_not_absent

one_run_root() {
    netctr run -d --name k "$box" sleep 100 >/dev/null
    assert_fails "$program" --root "$state" --run-root /run/netctr2 rm k
    status_is k running
}
t 'one state directory, two run-roots: refused while containers run' one_run_root

callers_signals() {
    (trap '' CHLD && assert_status 3 netctr run --rm "$box" sh -c 'exit 3')
    (umask 077 && assert_eq "$(netctr run --rm -u nobody -w /work/dir "$box" pwd)" /work/dir)
}
t 'signals that the caller ignores or blocks are reset for the container' callers_signals
