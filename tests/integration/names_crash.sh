#!/usr/bin/env bash
# Whichever process is killed or hangs, names resolve: those of running containers, and no others. The helpers and
# servers themselves: helpers.sh.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/names.sh"

two_at_once() {
    local round
    for round in 1 2 3; do
        netctr run -d --name x$round "$box" sleep 1000 >/dev/null &
        netctr run -d --name y$round "$box" sleep 1000 >/dev/null &
        wait
        assert_eq "$(ask x$round y$round)" "$(address_of y$round)"
        assert_eq "$(ask y$round x$round)" "$(address_of x$round)"
        wait_for 5 helpers_work
        assert_eq "$(helper_processes | wc -l)" 4 processes
        netctr rm -f x$round y$round
        wait_for 3 no_helpers
    done
}
# netavark #375
t 'two starts at once: one pair and its servers' two_at_once

flushed() {
    idle a
    idle b
    wait_for 5 helpers_work
    assert_eq "$(ask a b)" "$(address_of b)"
    local before
    before=$(firewall)
    [[ $before == *dns_redirect4* ]] || fail 'it is not there'
    nft flush ruleset
    wait_for 5 answers a b "$(address_of b)"
    assert_eq "$(firewall)" "$before"
    # Also without helpers.
    nobody_watches
    nft delete table inet netctr
    netctr network reload
    assert_eq "$(ask a b)" "$(address_of b)"
    assert_eq "$(firewall)" "$before"
}
t 'a flushed firewall redirects to the server again' flushed

in_time() { # COMMAND OF NETCTR...
    timeout $((5 * slowness)) "$ARENA/bin/netctr" "$@" >/dev/null || fail "status $? of netctr $*"
}
a_start_waits_not() {
    local all monitor
    idle a
    wait_for 5 helpers_work
    mapfile -t all < <(helper_processes)
    monitor=$(monitor_of a)
    kill -STOP "${all[@]}" "$monitor"
    # At once, before it can be answered; and when it can.
    for n in 1 2; do
        in_time run -d --name "b$n" "$box" sleep 1000
        in_time exec "b$n" true
        in_time rm -f "b$n"
        sleep 2
    done
    # A container that starts then has names, from servers that replace those.
    idle c
    idle d
    wait_for 5 answers c d "$(address_of d)"
    wait_for 5 answers c a "$(address_of a)"
    wait_for 5 helpers_work
    kill -CONT "$monitor"
    kill -CONT "${all[@]}" 2>/dev/null || true
    for n in "${all[@]}"; do wait_for 5 gone "$n"; done
    assert_eq "$(helper_processes | wc -l)" 4 processes
    assert_eq "$(ask a c)" "$(address_of c)"
}
t 'a start waits neither for helpers and servers nor for a monitor' a_start_waits_not

# ---- killed at each step ----------------------------------------------------------------------------

tree() { find "$run_state/dns" -printf '%P %l\n' | grep -v '^upstream' | sort; }

# The process that makes the N-th call of CALL for RUN/dns is killed there. 1: there was no such call, and it lives.
killed_at() { # CALL N COMMAND OF NETCTR...
    : >"$tmp/trace"
    strace -f -qq -o "$tmp/trace" -P "$run_state/dns" -e "trace=$1" -e "inject=$1:signal=SIGKILL:when=$2" \
        "$program" --root "$state" --run-root "$run_state" "${@:3}" >"$tmp/said" 2>&1 &
    local strace=$!
    over() { ! kill -0 $strace 2>/dev/null || status_is c running; }
    wait_for 10 over
    ! status_is c running 2>/dev/null || return 1
    wait $strace && fail "$1 $2: it has not failed" || true
    grep -q 'killed by SIGKILL' "$tmp/trace" || fail "$1 $2: nothing was struck: $(tail -3 "$tmp/trace")"
}

each_step() { # what is done and queried when c was killed
    strace -o /dev/null true 2>/dev/null || skip 'no permission to trace'
    local call n struck=0
    for call in mkdirat symlinkat renameat; do
        for ((n = 1; ; n += slowness > 1 ? 4 : 1)); do
            netctr network create --subnet 10.77.9.0/24 blue >/dev/null
            killed_at $call $n run -d --name c --hostname front --network blue "$box" sleep 1000 || break
            echo "$call $n"
            "$1"
            struck=$((struck + 1))
        done
        netctr rm -f c
        netctr network rm blue
        [ $n -gt 1 ] || fail "$call: no step was struck"
    done
    note "$struck steps"
}

# Its neighbour's helpers clean up after it, while the next one starts.
next_of_network() {
    idle d --network blue
    assert_eq "$(ask d d)" "$(address_of d)"
    assert_eq "$(ask d c)" ''
    assert_eq "$(ask d front)" ''
    netctr rm -f d
    netctr rm -f c 2>/dev/null || true
    netctr network rm blue
    netctr gc
    assert_eq "$(tree)" "$before"
    assert_eq "$(ask a a)" "$(address_of a)"
}
first_of_network() {
    local before
    lan_resolver
    idle a
    before=$(tree)
    each_step next_of_network
}
t 'the first of a network is killed at each step: the next one has its names' first_of_network

# Only gc runs.
gc_after_it() {
    netctr gc
    netctr rm -f c 2>/dev/null || true
    netctr network rm blue
    assert_eq "$(tree)" "$before"
}
first_of_all() {
    local before
    warm_up
    wait_for 3 no_helpers
    snapshot
    before=$(tree)
    each_step gc_after_it
    wait_for 3 no_helpers
    assert_clean
}
t 'the first of all is killed at each step: gc leaves nothing' first_of_all

# COMMAND is killed before its N-th removal of a file of RUN/dns. 1: it completed.
removal_killed_at() { # N COMMAND OF NETCTR...
    ! strace -f -qq -o "$tmp/trace" -P "$run_state/dns" -P "$run_state/dns/bell" -P "$run_state/dns/network" \
        -e trace=unlinkat -e "inject=unlinkat:signal=SIGKILL:when=$1" \
        "$program" --root "$state" --run-root "$run_state" "${@:2}" >"$tmp/said" 2>&1
}
network_half_removed() {
    strace -o /dev/null true 2>/dev/null || skip 'no permission to trace'
    local n before
    idle a
    before=$(tree)
    for ((n = 1; ; n++)); do
        netctr network create --subnet 10.77.9.0/24 blue >/dev/null
        idle b --network blue
        netctr rm -f b
        removal_killed_at $n network rm blue || break
        echo "removal $n"
        # It still exists, and works.
        idle c --network blue
        idle d --network blue
        assert_eq "$(ask c d)" "$(address_of d)"
        netctr rm -f c d
        netctr network rm blue
        assert_eq "$(tree)" "$before"
    done
    [ $n -gt 1 ] || fail 'nothing was struck'
    assert_eq "$(tree)" "$before"
    # Its containers are removed with it by -f.
    for ((n = 1; ; n++)); do
        netctr network create --subnet 10.77.9.0/24 blue >/dev/null
        idle b --network blue
        removal_killed_at $n network rm -f blue || break
        netctr rm -f b
        netctr network rm blue 2>/dev/null || true
        netctr gc
        assert_eq "$(tree)" "$before"
    done
    netctr rm -f b
    assert_eq "$(tree)" "$before"
}
t 'the removal of a network is killed halfway' network_half_removed
