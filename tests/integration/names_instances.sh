#!/usr/bin/env bash
# Two instances of netctr on one machine, each with its own helpers and servers: neither touches the other's.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/names.sh"

elsewhere() { # COMMAND...
    nsenter --net=/run/netns/second "$program" --root "$tmp/root2" --run-root /run/netctr2 "$@"
}
another_host() {
    ip netns delete second 2>/dev/null || true
    ip netns add second
    nsenter --net=/run/netns/second ip link set lo up
}
helpers_of() { # the four of that instance; null for a missing one
    "$1" info --format json | jq -r '.helpers | .helper, .standby, .name_servers[]' | paste -sd' '
}
complete() {
    [[ $(helpers_of "$1") =~ ^[0-9]+\ [0-9]+\ [0-9]+\ [0-9]+$ ]]
}
cgroup_of() { sed -n 's,.*/netctr/\([0-9a-f]*\)/helpers$,\1,p' "/proc/$1/cgroup" | sort -u; }
there() { # in the network of the other instance's container
    nsenter --target "$(elsewhere inspect a | jq '.[0].state.pid')" --net "$@"
}

two_of_them() {
    another_host
    idle a
    elsewhere run -d --name a "$box" sleep 1000 >/dev/null
    wait_for 5 complete netctr
    wait_for 5 complete elsewhere
    local here far round pid
    here=$(helpers_of netctr) far=$(helpers_of elsewhere)
    assert_eq "$(tr ' ' '\n' <<<"$here $far" | sort -u | wc -l)" 8 processes
    for pid in $here; do assert_eq "$(cgroup_of "$pid")" "$(cgroup_of "${here%% *}")" cgroup; done
    for pid in $far; do assert_eq "$(cgroup_of "$pid")" "$(cgroup_of "${far%% *}")" cgroup; done
    [ "$(cgroup_of "${here%% *}")" != "$(cgroup_of "${far%% *}")" ] || fail 'they have one cgroup'
    # Both call it a. On one host they would want the same port; each has its own network namespace.
    assert_eq "$(ask a a)" "$(address_of a)"
    assert_eq "$(there dig +short +time=2 +tries=1 @10.88.0.1 -q a)" \
        "$(there ip -4 -oneline address show dev eth0 | awk '{ sub("/.*", "", $4); print $4 }')"
    for round in 1 2 3; do
        netctr gc
        elsewhere gc
        idle "b$round"
        elsewhere run --rm "$box" true
        netctr network reload
        netctr rm -f "b$round"
        assert_eq "$(helpers_of netctr)" "$here" 'the helpers of here'
        assert_eq "$(helpers_of elsewhere)" "$far" 'the helpers of there'
    done
    # Everything of one dies and is swept: the other is unchanged.
    # shellcheck disable=SC2086
    kill -KILL "$(monitor_of a)" $here
    netctr gc >/dev/null
    assert_eq "$(helpers_of netctr)" 'null null null null'
    assert_eq "$(helpers_of elsewhere)" "$far" 'the helpers of there'
    assert_eq "$(helper_processes | wc -l)" 4 processes
    [ -n "$(there dig +short +time=2 +tries=1 @10.88.0.1 -q a)" ] || fail 'the other does not answer'
    # The last container of one ends by itself, with its own helpers only.
    idle b
    wait_for 5 complete netctr
    here=$(helpers_of netctr)
    elsewhere rm -f a
    only_here() { [ "$(helper_processes | wc -l)" = 4 ]; }
    wait_for 3 only_here
    assert_eq "$(helpers_of netctr)" "$here" 'the helpers of here'
    netctr rm -f a b
    wait_for 3 no_helpers
    ip netns delete second
}
t 'gc, reload, run and death of one leave the helpers of the other alone' two_of_them

# A run directory that others try to take: it has a dead container among running ones.
not_taken() {
    another_host
    local k here others=(nsenter --net=/run/netns/second "$program" --root "$state" --run-root "$run_state")
    for k in a b c d; do idle $k; done
    wait_for 5 complete netctr
    here=$(helpers_of netctr)
    # The last is the first of the directory.
    for k in d c b; do
        kill -KILL "$(monitor_of $k)"
        assert_status 125 "${others[@]}" ps
        assert_status 125 "${others[@]}" gc
        assert_eq "$(helpers_of netctr)" "$here" 'the helpers'
    done
    assert_eq "$(netctr ps -q | wc -l)" 1
    assert_eq "$(helpers_of netctr)" "$here" 'the helpers'
    assert_eq "$(ask a a)" "$(address_of a)"
    netctr rm -f a b c d
    ip netns delete second
}
t 'a run directory with a running container is not taken, and its helpers are not killed' not_taken
