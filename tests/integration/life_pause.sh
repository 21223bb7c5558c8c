#!/usr/bin/env bash
# pause and unpause: a container that the kernel has frozen.
. "$(dirname "$0")/../lib.sh"

background() { netctr run -d --network none "$@" >/dev/null; }
# Two processes that write a line each again and again.
busy=(sh -c 'while :; do echo a; sleep 0.01; done & while :; do echo b; sleep 0.01; done')
freezer=/sys/fs/cgroup/freezer
[ -e $freezer/tasks ] || [ -e /sys/fs/cgroup/cgroup.controllers ] || freezer=
needs_freezer() { [ -n "$freezer" ] || skip 'no freezer'; }

count() { netctr logs c | wc -l; }
has_more() { [ "$(count)" -gt "$1" ]; }

stands_still() {
    needs_freezer
    local before pid
    background --name c "$box" "${busy[@]}"
    wait_for 5 has_more 10
    assert_eq "$(netctr pause c)" c
    status_is c paused
    assert_contains "$(netctr ps)" '(Paused)'
    assert_eq "$(netctr ps -q --filter status=paused | wc -l)" 1
    assert_eq "$(netctr ps -q --filter status=running | wc -l)" 0
    # Everything that has been frozen cannot run, not even to die of a signal, with version 1; so look at the kernel.
    for pid in $(pgrep --ns "$(pid_of c)" --nslist pid .); do
        if [ -e $freezer/tasks ]; then
            assert_contains "$(cat "/proc/$pid/cgroup")" "freezer:"
            assert_eq "$(cat "$freezer/$(sed -n 's/^[0-9]*:freezer://p' "/proc/$pid/cgroup")/freezer.state")" FROZEN
        fi
    done
    netctr unpause c
    status_is c running
    before=$(count)
    wait_for 5 has_more "$before"
    netctr events --no-stream --filter event=pause | has '"pause"'
    netctr events --no-stream --filter event=unpause | has '"unpause"'
    # Processes that came later are frozen as well.
    netctr exec -d c sleep 99
    netctr pause c
    assert_status 125 netctr unpause missing 2>"$tmp/err"
    netctr unpause c
    assert_eq "$(netctr exec c echo hello)" hello
}
t 'pause freezes every process of a container, and unpause lets them go on' stands_still

survives() {
    needs_freezer
    background --name c "$box" sh -c 'trap "echo still here" TERM; echo ready; while :; do sleep 0.02; done'
    wait_for 5 eval 'netctr logs c | has ready'
    netctr kill -s TERM c
    wait_for 5 eval 'netctr logs c | has "still here"'
    netctr pause c
    status_is c paused
    netctr unpause c
}
t 'a container that survived SIGTERM can be paused' survives

is_refused() {
    needs_freezer
    background --name c "$box" sleep 100
    assert_status 125 netctr unpause c 2>"$tmp/err"
    assert_contains "$(cat "$tmp/err")" 'container `c` is not paused'
    netctr pause c
    assert_status 125 within 20 netctr exec c true 2>"$tmp/err"
    assert_contains "$(cat "$tmp/err")" 'container `c` is paused; `netctr unpause c` lets it go on'
    assert_status 125 netctr rm c 2>"$tmp/err"
    netctr stop -t 0 c
    assert_status 125 netctr pause c 2>"$tmp/err"
    assert_contains "$(cat "$tmp/err")" 'is not running'
}
t 'exec in a paused container is refused, and pause of one that has ended' is_refused

ends() {
    needs_freezer
    local way
    for way in 'stop -t 9' 'stop -t 0' 'kill' 'rm -f' 'kill -s TERM'; do
        background --name c "$box" sh -c 'trap "exit 7" TERM; echo ready; while :; do sleep 0.02; done'
        wait_for 5 eval 'netctr logs c | has ready'
        netctr pause c
        # shellcheck disable=SC2086
        within 20 netctr $way c
        case $way in
        'stop -t 9') assert_eq "$(state_of c exit_status)" 7 ;;
        'kill -s TERM') assert_eq "$(netctr wait c)" 7 ;;
        esac
        netctr rm -f c
        [ ! -e $freezer/tasks ] || assert_eq "$(find $freezer -path '*/netctr/*')" '' "freezer after $way"
    done
}
t 'stop, kill and rm -f end a paused container, and leave no cgroup' ends

monitor_dies() {
    needs_freezer
    background --name c "$box" sleep 100
    netctr pause c
    kill -KILL "$(monitor_of c)"
    wait_for 9 status_is c exited
    netctr rm c
    [ ! -e $freezer/tasks ] || assert_eq "$(find $freezer -path '*/netctr/*')" ''
}
t 'a paused container whose monitor is killed is cleaned up' monitor_dies

killed_halfway() {
    needs_freezer
    local call n kills=0
    background --name c "$box" "${busy[@]}"
    for call in mkdir write openat pidfd_open; do
        for n in 1 2 3 5; do
            within 20 strace -f -qq -o /dev/null -e trace=$call -e inject=$call:signal=KILL:when=$n netctr pause c >/dev/null 2>&1 || [ $? != 137 ] || kills=$((kills + 1))
            case $(state_of c status) in
            paused) netctr unpause c >/dev/null ;;
            running) netctr pause c >/dev/null && status_is c paused && netctr unpause c >/dev/null ;;
            *) fail "killed at $call $n: $(state_of c status)" ;;
            esac
            status_is c running
        done
    done
    [ "$kills" -ge 6 ] || fail "only $kills of the kills came in time"
    assert_eq "$(netctr exec c echo hello)" hello
}
t 'pause that is killed halfway leaves a state that the next command understands' killed_halfway

no_freezer() {
    [ -e $freezer/tasks ] || skip 'no version 1'
    background --name c "$box" sleep 100
    umount $freezer
    assert_status 125 netctr pause c 2>"$tmp/err"
    assert_contains "$(cat "$tmp/err")" 'this host has no freezer; `mount -t cgroup -o freezer'
    status_is c running
}
t 'without a freezer pause says so' no_freezer
