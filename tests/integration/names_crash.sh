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
