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

# ---- the command that meets it cleans it up -------------------------------------------------------

# A container whose monitor is dead, and no helper has seen it die.
leave_dead() { # NAME
    local monitor
    monitor=$(monitor_of "$1")
    kill_helpers
    kill -KILL "$monitor"
    wait_for 5 gone "$monitor"
    test -e "$run_state/containers/$1"
}
cleaned_up() { [ ! -e "$run_state/containers/$1" ]; }

its_name() {
    local id command
    netctr run -d --name bystander --network none "$box" sleep 1000 >/dev/null
    # With --rm it is gone, and its name is free at once.
    netctr run -d --rm --name x -p 8080:80 "$box" sleep 1000 >/dev/null
    leave_dead x
    assert_eq "$(netctr run --rm --name x -p 8080:80 "$box" echo new)" new
    # Else it has ended, and its name is taken, as in docker.
    netctr run -d --name x "$box" sleep 1000 >/dev/null
    leave_dead x
    assert_status 125 netctr run --rm --name x "$box" true 2>"$tmp/err"
    assert_contains "$(cat "$tmp/err")" 'container name `x` is in use'
    cleaned_up x
    assert_eq "$(state_of x status) $(state_of x exit_status)" 'exited 137'
    # Also with helpers, which may be slower.
    netctr start x >/dev/null
    wait_for 5 helpers_work
    kill -KILL "$(monitor_of x)"
    assert_status 125 netctr run --rm --name x "$box" true 2>/dev/null
    cleaned_up x
    # By whatever command that names it, or its id.
    for command in 'start x' 'inspect x' 'stop x' 'logs x' 'restart -t 0 x' 'rm x'; do
        netctr start x >/dev/null
        id=$(netctr inspect x | jq -r '.[0].id')
        leave_dead x
        [ "$command" != 'inspect x' ] || command="inspect $id"
        # shellcheck disable=SC2086 # two words
        netctr $command >"$tmp/out" 2>"$tmp/err" || fail "$command: $(cat "$tmp/err")"
        case $command in
        start* | restart*) status_is x running ;;
        rm*) assert_fails netctr inspect x 2>/dev/null ;;
        *) status_is x exited ;;
        esac
        case $command in start* | restart*) ;; *) cleaned_up x ;; esac
    done
}
t 'a dead container is cleaned up by a command that names it' its_name

its_port() {
    local round
    netctr run -d --name bystander -p 7070:70 "$box" sleep 1000 >/dev/null
    for round in all one; do
        local old=8080:80 new=127.0.0.1:8080:80
        [ $round = all ] || old=127.0.0.1:8080:80 new=8080:80
        serve dead -p "$old"
        leave_dead dead
        serve new -p "$new"
        http http://127.0.0.1:8080/ | has -x new
        if [ $round = all ]; then
            assert_lacks "$(nft list map inet netctr publish4)" 8080
            assert_fails http http://192.0.2.2:8080/ 2>/dev/null
        else
            assert_lacks "$(nft list map inet netctr publish4_at)" 8080
            http http://192.0.2.2:8080/ | has -x new
        fi
        cleaned_up dead
        netctr rm -f dead new >/dev/null
        # With a helper, which needs a moment: it must not take away the new one's.
        wait_for 5 helpers_work
        serve dead -p "$old"
        kill -KILL "$(monitor_of dead)"
        serve new -p "$new"
        wait_for 3 cleaned_up dead
        http http://127.0.0.1:8080/ | has -x new
        assert_contains "$(nft list ruleset)" 8080
        netctr rm -f dead new >/dev/null
    done
}
t 'the port of a dead container is free, on every address and on one' its_port

its_address() {
    netctr network create --subnet 10.91.0.0/29 small >/dev/null
    netctr run -d --name bystander --network small "$box" sleep 1000 >/dev/null
    netctr run -d --rm --name x --network small:ip=10.91.0.5 "$box" sleep 1000 >/dev/null
    leave_dead x
    netctr run --rm --network small:ip=10.91.0.5 "$box" true
    cleaned_up x
    # The pool is exhausted.
    local n
    for n in 1 2 3 4; do netctr run -d --rm --name y$n --network small "$box" sleep 1000 >/dev/null; done
    assert_fails netctr run --rm --network small "$box" true 2>/dev/null
    leave_dead y2
    netctr run --rm --network small "$box" true
    # A helper that hangs has not seen it, and does not yet count as dead.
    netctr run -d --rm --name x --network small "$box" sleep 1000 >/dev/null
    wait_for 5 helpers_work
    local monitor helpers address
    address=$(address_of x)
    monitor=$(monitor_of x)
    helpers="$(who helper) $(who standby)"
    # shellcheck disable=SC2086 # two numbers
    kill -STOP $helpers
    kill -KILL "$monitor"
    netctr run --rm --network small:ip=$address "$box" true
    # shellcheck disable=SC2086
    kill -CONT $helpers 2>/dev/null || true
    cleaned_up x
    netctr rm -f y1 y3 y4 bystander >/dev/null
    netctr network rm small >/dev/null
}
t 'the address of a dead container is free' its_address

no_helper_saw_it() {
    netctr run -d --name x -p 8080:80 "$box" sleep 1000 >/dev/null
    netctr run -d --name z --network none "$box" sleep 1000 >/dev/null
    local monitor
    monitor="$(monitor_of x) $(monitor_of z)"
    kill_helpers
    # shellcheck disable=SC2086 # two numbers
    kill -KILL $monitor
    netctr run -d --name next --network none "$box" sleep 1000 >/dev/null
    wait_for 3 cleaned_up x
    wait_for 3 cleaned_up z
    assert_lacks "$(nft list map inet netctr publish4)" 8080
    # The helper itself, when it takes over: the run directory appears only now.
    wait_for 5 helpers_work
    mkdir "$run_state/containers/z"
    : >"$run_state/containers/z/lock"
    kill -KILL "$(who helper)"
    wait_for 5 cleaned_up z
    assert_eq "$(names -a | sort | paste -sd' ')" 'next x z'
}
t 'a monitor that died while no helper lived: the next one cleans up' no_helper_saw_it

only_itself() { # a command does not touch another dead one
    strace -o /dev/null true 2>/dev/null || skip 'no permission to trace'
    netctr run -d --name x --network none "$box" sleep 1000 >/dev/null
    netctr run -d --name y --network none "$box" sleep 1000 >/dev/null
    local id command
    id=$(netctr inspect y | jq -r '.[0].id')
    leave_dead x
    for command in "port $id" 'port y' "exec $id true" 'inspect y'; do
        # shellcheck disable=SC2086 # several words
        strace -f -qq -y -e trace=getdents64 -o "$tmp/lists" "$program" --root "$state" --run-root "$run_state" $command \
            >/dev/null || fail "$command"
        ! grep -E "<$state/containers>|<$run_state/containers>" "$tmp/lists" || fail "$command lists all containers"
        assert_fails cleaned_up x
    done
    # Without its link an id is searched for, and gc puts the link back.
    assert_eq "$(readlink "$state/containers/.ids/$id")" y
    rm "$state/containers/.ids/$id"
    ln -s nothing "$state/containers/.ids/0123456789ab"
    netctr port "$id"
    netctr port "${id:0:6}"
    netctr gc >/dev/null
    cleaned_up x
    assert_eq "$(readlink "$state/containers/.ids/$id")" y
    [ ! -L "$state/containers/.ids/0123456789ab" ]
    netctr rm -f "$id" >/dev/null
    [ ! -L "$state/containers/.ids/$id" ]
}
t 'a command lists no containers, also when it gets an id' only_itself
