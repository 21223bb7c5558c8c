#!/usr/bin/env bash
# The resolver is one, is kept running, and goes with the last container: whoever is killed.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/names.sh"

server() { pgrep -x aardvark-dns; }
another_server() { # THAN
    local now
    now=$(server) && [ "$now" != "$1" ] && served
}

comes_and_goes() {
    warm_up
    snapshot
    idle a
    idle b
    wait_for 5 served
    wait_for 5 answers a b "$(address_of b)"
    netctr rm -f a
    assert_eq "$(servers)" 1 'servers while there is one container'
    netctr rm -f b
    assert_clean
    assert_eq "$(servers)" 0 servers
    # It ends with a container that was its own end, too, and with the last that is disconnected.
    netctr run --rm "$box" sleep 0.5
    assert_clean
    assert_eq "$(servers)" 0 servers
}
t 'with the first container it comes, with the last it goes, and leaves nothing' comes_and_goes

a_stranger_to_us() {
    idle a -m 64m --publish 8080:80
    wait_for 5 served
    local pid fd session
    pid=$(server)
    # Nothing of ours is open in it; a lock would look like a living monitor.
    for fd in "/proc/$pid/fd/"*; do
        case $(readlink "$fd") in
        /dev/null | socket:* | pipe:* | anon_inode:*) ;;
        *) fail "open: $(readlink "$fd")" ;;
        esac
    done
    # Its own sockets: one for each gateway, a pair for signals; the held port is not among them.
    assert_lacks "$(ss -Hltnp)" "pid=$pid,"
    assert_eq "$(ss -Hlunp | grep -c "pid=$pid,")" 2 'sockets that listen'
    assert_eq "$(grep -c ' FLOCK .* '"$pid"' ' /proc/locks || true)" 0 locks
    assert_eq "$(ps -o ppid= -p "$pid" | tr -d ' ')" 1 parent
    session=$(ps -o sid= -p "$pid" | tr -d ' ')
    [ "$session" != "$(ps -o sid= -p "$(monitor_of a)" | tr -d ' ')" ] || fail 'in the session of the monitor'
    assert_eq "$(ps -o tty= -p "$pid" | tr -d ' ')" '?' terminal
    grep -q '/netctr/[0-9a-f]*/resolver$' "/proc/$pid/cgroup"
    assert_lacks "$(cat "/proc/$pid/cgroup")" "$(netctr inspect a | jq -r '.[0].id')"
    assert_eq "$(awk '/^Cap(Prm|Eff|Bnd)/ { print $2 }' "/proc/$pid/status" | sort -u)" 0000000000000000 capabilities
    assert_eq "$(ps -eo stat= | grep -c ^Z || true)" 0 zombies
    # It outlives whoever has started it.
    kill -KILL "$(monitor_of a)"
    kill -0 "$pid"
}
t 'it holds nothing of ours, and is nobody'"'"'s child' a_stranger_to_us

killed() {
    lan_resolver
    idle a
    idle b
    wait_for 5 answers a b "$(address_of b)"
    local before
    before=$(server)
    kill -KILL "$before"
    wait_for 5 another_server "$before"
    wait_for 5 answers a b "$(address_of b)"
    # And when it cannot be started, the world is known all the same.
    mount --bind /bin/false /usr/lib/podman/aardvark-dns
    kill -KILL "$(server)"
    wait_for 5 answers a outside.example 203.0.113.7
    umount /usr/lib/podman/aardvark-dns
    wait_for 20 answers a b "$(address_of b)"
}
t 'killed, it is started again' killed

keeper_killed() {
    idle first
    idle second
    wait_for 5 answers first second "$(address_of second)"
    local before keeper other
    before=$(server)
    keeper=$(cut -d' ' -f1 "$run_state/listener")
    other=second
    [ "$keeper" != "$(monitor_of second)" ] || other=first
    kill -KILL "$keeper"
    netctr ps >/dev/null
    idle third
    wait_for 5 answers $other third "$(address_of third)"
    assert_eq "$(server)" "$before" 'the server'
    kill -KILL "$before"
    wait_for 5 another_server "$before"
    wait_for 5 answers $other third "$(address_of third)"
    assert_eq "$(servers)" 1
}
t 'whoever keeps it is killed: another one does' keeper_killed

everybody_killed() {
    warm_up
    snapshot
    idle a
    idle b
    wait_for 5 served
    local pids stranger
    # A pid that is written down is not believed: this one is a stranger's.
    sleep 1000 &
    stranger=$!
    printf %s $stranger >"$run_state/names/.aardvark/aardvark.pid"
    pids=$(pgrep -x netctr)
    # shellcheck disable=SC2086
    kill -KILL $pids
    wait_for 5 eval "! pgrep -x netctr"
    assert_eq "$(servers)" 1 'servers before'
    netctr gc
    assert_eq "$(servers)" 0 'servers after gc'
    kill -0 $stranger
    netctr rm a b
    assert_clean
    # Its own files may be lost, too.
    idle a --rm
    wait_for 5 served
    rm -rf --one-file-system "$run_state/names/.server"
    echo half >"$run_state/names/blue~"
    # shellcheck disable=SC2046
    kill -KILL $(pgrep -x netctr) "$(server)"
    wait_for 5 eval "! pgrep -x netctr"
    netctr gc
    assert_clean
}
t 'everybody is killed: gc ends it, and nobody else' everybody_killed

two_at_once() {
    local round
    for round in 1 2 3; do
        netctr run -d --name x$round "$box" sleep 1000 >/dev/null &
        netctr run -d --name y$round "$box" sleep 1000 >/dev/null &
        wait
        wait_for 5 served
        wait_for 5 answers x$round y$round "$(address_of y$round)"
        assert_eq "$(servers)" 1 servers
        netctr rm -f x$round y$round
        assert_eq "$(servers)" 0 servers
    done
}
# netavark #375
t 'two starts at once: one server' two_at_once

flushed() {
    idle a
    idle b
    wait_for 5 served
    wait_for 5 answers a b "$(address_of b)"
    local before
    before=$(firewall)
    nft flush ruleset
    wait_for 5 answers a b "$(address_of b)"
    assert_eq "$(firewall)" "$before"
    nft delete table inet netctr
    netctr network reload
    assert_eq "$(firewall)" "$before"
}
t 'a flushed firewall knows again who answers' flushed

# A network that is made anew may have the resolver's file that it had: that it is new has to be told.
stays_the_first() { # STRACE'S WORDS...: what happens to the first of network blue, or to its removal
    strace -o /dev/null true 2>/dev/null || skip 'no permission to trace'
    idle a
    wait_for 10 served
    netctr network create --subnet 10.77.9.0/24 blue >/dev/null
    idle b --network blue
    wait_for 10 answers b b "$(address_of b)"
    netctr rm -f b >/dev/null
    local command=(run -d --name c --network blue "$box" sleep 1000)
    if [ "$1" = rm ]; then
        command=(network rm blue)
        shift
    else
        netctr network rm blue >/dev/null
        netctr network create --subnet 10.77.9.0/24 blue >/dev/null
    fi
    strace -f -qq -o "$tmp/trace" "$@" "$program" --root "$state" --run-root "$run_state" "${command[@]}" \
        >/dev/null 2>&1 && fail 'it has not failed'
    grep -qE 'INJECTED|killed by SIGKILL' "$tmp/trace" || fail "nothing was struck: $(tail -3 "$tmp/trace")"
    idle d --network blue
    wait_for 10 answers d d "$(address_of d)"
}
noted_then_killed() { stays_the_first -P .untold -e trace=openat -e inject=openat:signal=SIGKILL; }
named_then_killed() { stays_the_first -P blue -e trace=renameat -e inject=renameat:signal=SIGKILL; }
no_room_to_note() { stays_the_first -P .untold -e trace=openat -e inject=openat:error=ENOSPC; }
removed_half() { stays_the_first rm -P blue -e trace=unlinkat -e inject=unlinkat:signal=SIGKILL; }
t 'the first of a network is killed before it has a name' noted_then_killed
t 'the first of a network is killed as it gets its name' named_then_killed
t 'the first of a network cannot be noted' no_room_to_note
t 'the removal of a network is killed half-way' removed_half

a_start_waits_not() {
    # The server and the one who keeps it are stopped in their tracks.
    idle a
    wait_for 5 served
    kill -STOP "$(server)" "$(monitor_of a)"
    idle b
    netctr exec b true
    netctr rm -f b
    kill -CONT "$(monitor_of a)" "$(server)"
    idle c
    wait_for 5 answers a c "$(address_of c)"
}
t 'a start waits neither for the server nor for its keeper' a_start_waits_not
