#!/usr/bin/env bash
# A lab of up to 20 nodes under changes by chance: `lab apply` of one random file after the other (tests/labs/random.py), some
# killed by -9, and between them killed programs and relays, restarts, `lab set`, `lab link`, interfaces deleted inside. At the
# end, and now and then, what runs equals a lab that comes up with the same file.
#
# LAB_SECONDS=N  for how long (15)
# LAB_SEED=N     repeats the same files and changes (their timing depends on the machine)
. "$(dirname "$0")/../lib.sh"
. "$top/tests/helpers.sh"

seconds=${LAB_SECONDS:-$((15 * (slowness > 2 ? 2 : 1)))} seed=${LAB_SEED:-$((${EPOCHREALTIME/./} % 1000000))}
file=$tmp/t.clab.yml failures=0
lab() { netctr lab "$@"; }
tidy_too() {
    netctr lab down --all >/dev/null 2>&1 || true
}
chance() { # PERCENT
    [ $(((RANDOM >> 3) % 100)) -lt "$1" ]
}
pick() { # WORD…: sets $picked
    local words=("$@")
    picked=${words[(RANDOM >> 3) % $#]}
}
bad() {
    printf 'seed %s, step %s: %s\n' "$seed" "$step" "$1"
    cp "$file" "$tmp/bad.$step.yml"
    failures=$((failures + 1))
}
is_up() {
    [ "$(lab ls --format json | jq -r '.[].state')" = up ]
}
new_file() {
    python3 "$top/tests/labs/random.py" $RANDOM "$box" >"$file"
}

# ---- what runs -----------------------------------------------------------------------------------

# Interfaces with addresses and MTUs, routes, variables, impairments: without what a lab's name decides.
describe() { # LAB
    lab inspect --format json "$1" | jq -S '{links: [.links[] | [.ends[] | [."end", .state, .impairments, .applied]] | sort_by(.[0])] | sort_by(.[0][0]),
        nodes: [.nodes[] | {name, kind, interfaces: [.interfaces[] | {name, mtu, state, up,
            addresses: [.addresses[]? | select(startswith("fe80") | not)] | sort}] | sort_by(.name)}] | sort_by(.name)}'
    local node
    for node in $(sed -n 's/^    \(n[0-9]*\): .*/\1/p' "$file"); do
        echo "$node" "$(lab exec -n "$1" "$node" sh -c 'echo $COLOUR; cat /proc/sys/net/ipv4/ip_default_ttl; ip route | sort; ip -6 route | grep -v fe80 | sort')"
    done
}
has_exec_addresses() {
    local node address
    while read -r node address; do
        lab exec -n t "$node" ip -4 -o addr show dev lo | grep -q " $address/32" || bad "$node lacks $address"
    done < <(sed -n 's/^    \(n[0-9]*\): .*ip addr replace \([0-9.]*\)\/32.*/\1 \2/p' "$file")
}
equals_file() {
    local said
    lab apply -q "$file" >"$tmp/said" 2>&1 || bad "apply: $(cat "$tmp/said")"
    said=$(lab diff "$file" 2>&1) || bad "diff after apply: $said"
    lab up -q --name u "$file" >"$tmp/said" 2>&1 || bad "up: $(cat "$tmp/said")"
    describe t >"$tmp/is"
    describe u >"$tmp/should"
    diff -U 3 "$tmp/should" "$tmp/is" >"$tmp/differs" || bad "$(cat "$tmp/differs")"
    has_exec_addresses
    lab down u >/dev/null || bad "down of the other lab"
}

# ---- what happens --------------------------------------------------------------------------------

whole() {
    new_file
    lab apply -q "$file" >"$tmp/said" 2>&1 || bad "apply: $(cat "$tmp/said")"
}
killed() { # the command alone, or with its workers
    new_file
    setsid "$ARENA/bin/netctr" lab apply -q "$file" >/dev/null 2>&1 &
    local pid=$!
    sleep "0.$((RANDOM % 10))$((RANDOM % 10))"
    if chance 50; then kill -9 $pid; else kill -9 -- -$pid; fi 2>/dev/null
    wait $pid 2>/dev/null || true
    ! chance 30 || netctr gc >/dev/null || bad gc
}
a_node() {
    # shellcheck disable=SC2046 # words
    pick $(sed -n 's/^    \(n[0-9]*\): .*/\1/p' "$file")
}
program() {
    a_node
    local pid
    pid=$(netctr inspect "clab-t-$picked" 2>/dev/null | jq '.[0].State.Pid // .State.Pid // empty' 2>/dev/null) || true
    [ -z "$pid" ] || [ "$pid" = 0 ] || kill -9 "$pid" 2>/dev/null || true
}
relay() {
    # shellcheck disable=SC2046 # words
    kill -9 $(pgrep -f '^netctr relay') 2>/dev/null || true
}
restart() {
    a_node
    lab restart -n t "$picked" >"$tmp/said" 2>&1 || ! is_up || bad "restart: $(cat "$tmp/said")"
}
a_link() { # sets $picked; fails if there is none
    local ends
    mapfile -t ends < <(sed -n 's/.*endpoints: \["\([^"]*\)".*/\1/p' "$file")
    [ ${#ends[@]} -gt 0 ] && pick "${ends[@]}"
}
set_link() {
    a_link || return 0
    local link=$picked
    pick delay=3ms rate=20mbit loss=1% none
    lab set -n t "$link" "$picked" >"$tmp/said" 2>&1 || ! is_up || bad "set: $(cat "$tmp/said")"
}
switch_link() {
    a_link || return 0
    local link=$picked
    pick down up
    lab link "$picked" -n t "$link" >"$tmp/said" 2>&1 || ! is_up || bad "link: $(cat "$tmp/said")"
}
deleted() {
    a_node
    lab exec -n t "$picked" ip link del eth$((RANDOM % 4 + 1)) >/dev/null 2>&1 || true
}

by_chance() {
    local end=$((SECONDS + seconds)) step=0
    RANDOM=$seed
    warm_up
    snapshot
    new_file
    lab up -q "$file"
    while [ $SECONDS -lt $end ]; do
        step=$((step + 1))
        pick whole whole whole killed killed killed program relay restart set_link switch_link deleted
        $picked
        ! chance 10 || equals_file
        [ $failures = 0 ] || break
    done
    [ $failures != 0 ] || equals_file
    lab down t >/dev/null || bad down
    [ $failures = 0 ] || fail "$failures failures"
    assert_clean
    note "$step steps, seed $seed"
}
t 'what runs after changes by chance is what a lab of that file is' by_chance
