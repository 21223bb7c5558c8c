#!/usr/bin/env bash
# Containers whose monitor was killed: what start, restart and boot report, and programs that try to outlive their
# monitor.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/helpers.sh"

monitor_of() { netctr inspect "$1" | jq -r '.. | .monitor? // empty' | head -1; }
status_of() { netctr ps -a --format json | jq -r ".[] | select(.name == \"$1\") | .status"; }
full_disk() {
    mkdir -p "$state"
    mount -t tmpfs -o size=8m tmpfs "$state"
    netctr run -d --name a --restart always --network none "$box" sleep 1000 >/dev/null
    netctr run -d --name b --network none "$box" sleep 1000 >/dev/null
    local monitor
    monitor="$(monitor_of a) $(monitor_of b)"
    head -c 8M /dev/zero >"$state/fill" 2>/dev/null || true
    # shellcheck disable=SC2086 # two numbers
    kill -KILL $monitor
    local command out
    for command in 'start a' 'restart a' 'start b' 'restart b' boot; do
        # shellcheck disable=SC2086 # two words
        if out=$(netctr $command 2>"$tmp/err"); then
            # It has done what it reports.
            assert_eq "$(netctr exec "${command##* }" echo yes)" yes "after $command"
            fail "a full disk does not hinder $command: this proves nothing ($out)"
        fi
        grep -q 'No space left' "$tmp/err" || fail "$command: $(cat "$tmp/err")"
    done
    rm "$state/fill"
    assert_eq "$(netctr start b)" b
    assert_eq "$(netctr exec b echo yes)" yes
    netctr boot
    assert_eq "$(netctr exec a echo yes)" yes
    netctr rm -f a b >/dev/null
    wait_for 3 umount "$state" # the helper ends a moment later
}
t 'start, restart and boot of a dead container do what they report, or fail' full_disk

# Its exit status does not fit on the disk that it has filled.
fills_its_disk() {
    local flags
    mkdir -p "$state"
    mount -t tmpfs -o size=4m tmpfs "$state"
    for flags in '' -d '-d --restart on-failure:1' '--cpus 0.5'; do
        # shellcheck disable=SC2086 # several words
        netctr run --name k --network none -v "$state:/disk" $flags "$box" \
            sh -c 'cat /dev/zero >/disk/fill 2>/dev/null; exit 3' >/dev/null 2>"$tmp/err" || true
        wait_for 10 eval '[ "$(status_of k 2>/dev/null)" = dead ]'
        rm "$state/fill"
        netctr ps >/dev/null
        assert_eq "$(state_of k status) $(state_of k exit_status)" 'exited 3' "flags: $flags"
        netctr rm k >/dev/null
    done
    umount -l "$state"
}
t 'a container that fills its disk has its own exit status afterwards' fills_its_disk

at_once() { # concurrent starts of one container
    netctr run --name d --restart always --network none "$box" sh -c 'kill -9 1; exit 0' >/dev/null 2>&1 &
    wait_for 5 status_is d restarting
    netctr rm -f d >/dev/null
    wait
    netctr run -d --name d --restart always --network none "$box" sleep 1000 >/dev/null
    local round a b c
    for round in 1 2 3 4 5 6; do
        netctr stop --until-boot -t 0 d >/dev/null
        netctr boot 2>"$tmp/e1" & a=$!
        netctr start d >/dev/null 2>"$tmp/e2" & b=$!
        netctr start d >/dev/null 2>"$tmp/e3" & c=$!
        wait $a && wait $b && wait $c || fail "round $round: $(cat "$tmp"/e[123])"
        status_is d running
    done
}
t 'concurrent starts of one container all succeed' at_once

# prctl(PR_SET_PDEATHSIG, 0): the kernel does not end it with its monitor any more.
outlives() {
    local flags=(-v /usr:/usr:ro -v /usr/lib:/lib:ro) pid
    [ ! -e /usr/lib64 ] || flags+=(-v /usr/lib64:/lib64:ro)
    netctr run -d --name p --network none "${flags[@]}" "$box" /usr/bin/perl -e 'syscall 157, 1, 0; $| = 1; print "ready\n"; sleep 1000' >/dev/null
    wait_for 5 logged p ready
    pid=$(netctr inspect p | jq -r '.. | .pid? // empty' | head -1)
    wait_for 5 helpers_work
    # Without helpers the next command ends it.
    # shellcheck disable=SC2046
    kill -KILL $(helper_processes)
    kill -KILL "$(monitor_of p)"
    sleep 0.2
    kill -0 "$pid" || fail 'it did not outlive its monitor: this proves nothing'
    netctr ps >/dev/null # any command looks
    ended() { ! kill -0 "$pid" 2>/dev/null || [ "$(ps -o stat= -p "$pid")" = Z ]; }
    ended || fail 'it goes on without a monitor'
    assert_eq "$(status_of p)" exited
    # With a helper it ends at once.
    netctr start p
    wait_for 5 helpers_work
    wait_for 5 sh -c "[ \$($program --root '$state' --run-root '$run_state' logs p | grep -c ready) = 2 ]"
    pid=$(pid_of p)
    kill -KILL "$(monitor_of p)"
    wait_for 3 ended
}
[ "$(uname -m)" != x86_64 ] || t 'a program that outlives its monitor ends all the same' outlives
