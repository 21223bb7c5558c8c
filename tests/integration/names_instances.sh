#!/usr/bin/env bash
# Two netctr on one machine, each with its own resolver: what one does never touches the other's.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/names.sh"
[ -x /usr/lib/podman/aardvark-dns ] || skip 'aardvark-dns is not installed'

elsewhere() { # COMMAND...
    nsenter --net=/run/netns/second "$program" --root "$tmp/root2" --run-root /run/netctr2 "$@"
}
elsewhere_served() {
    [ -e /run/netctr2/names/.server ] && nsenter --net=/run/netns/second nft list map inet netctr resolvers4 | has " : "
}
servers_of() { # RUN-ROOT: "PID CGROUP", by its command line
    local pid
    for pid in $(pgrep -x aardvark-dns); do
        ! tr '\0' ' ' <"/proc/$pid/cmdline" | has -- "$1/" || echo "$pid $(tr "\n" " " <"/proc/$pid/cgroup")"
    done
}
only_one() { [ "$(servers_of "$1" | grep -c netctr)" = 1 ]; }

two_resolvers() {
    ip netns delete second 2>/dev/null || true
    ip netns add second
    nsenter --net=/run/netns/second ip link set lo up
    idle a
    elsewhere run -d --name a "$box" sleep 1000 >/dev/null
    wait_for 5 served
    wait_for 5 elsewhere_served
    wait_for 5 only_one "$run_state"
    wait_for 5 only_one /run/netctr2
    local here there round
    here=$(servers_of "$run_state") there=$(servers_of /run/netctr2)
    for round in 1 2 3; do
        netctr gc
        elsewhere gc
        idle "b$round"
        elsewhere run --rm "$box" true
        netctr network reload
        netctr rm -f "b$round"
        assert_eq "$(servers_of "$run_state")" "$here" 'the resolver of here'
        assert_eq "$(servers_of /run/netctr2)" "$there" 'the resolver of there'
    done
    # Everything of one dies and is swept: the other answers.
    # shellcheck disable=SC2046
    kill -KILL "$(monitor_of a)"
    netctr gc >/dev/null
    assert_eq "$(servers_of "$run_state")" ''
    assert_eq "$(servers_of /run/netctr2)" "$there" 'the resolver of there'
    elsewhere rm -f a
    assert_eq "$(servers)" 0
    netctr rm a
    ip netns delete second
}
t 'gc, reload, run and death of one leave the resolver of the other alone' two_resolvers

# A run directory that others try to take: it has a dead container among living ones.
not_taken() {
    ip netns delete second 2>/dev/null || true
    ip netns add second
    local k here there=(nsenter --net=/run/netns/second "$program" --root "$state" --run-root "$run_state")
    for k in a b c d; do idle $k; done
    wait_for 5 served
    wait_for 5 only_one "$run_state"
    here=$(servers_of "$run_state")
    # The last is the first of the directory.
    for k in d c b; do
        kill -KILL "$(monitor_of $k)"
        assert_status 125 "${there[@]}" ps
        assert_status 125 "${there[@]}" gc
        assert_eq "$(servers_of "$run_state")" "$here" 'the resolver'
    done
    assert_eq "$(netctr ps -q | wc -l)" 1
    assert_eq "$(servers_of "$run_state")" "$here" 'the resolver'
    netctr rm -f a b c d
    ip netns delete second
}
t 'a run directory with a living container is not taken, and its resolver is not ended' not_taken
