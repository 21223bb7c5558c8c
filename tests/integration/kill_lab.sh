#!/usr/bin/env bash
# `lab up` and `lab down` killed at their system calls: the command's own process, or all of its processes. Afterwards gc, or
# the next `lab down`, leaves nothing, and the lab comes up as if nothing had been.
#
# STRIKE=all: every call; otherwise a sample.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/helpers.sh"

tools=$top/${NETCTR_BUILD:-build}/tests
nc=("$program" --root "$state" --run-root "$run_state")
! sanitized || skip 'a sanitizer does not stand being struck'
: "${STRIKE:=sample}"

tidy_too() {
    netctr lab down --all >/dev/null 2>&1 || true
}
bad() {
    printf '%s: %s\n' "$point" "$1"
    failures=$((failures + 1))
}
write_topology() {
    cat >"$tmp/k.clab.yml" <<END
name: k
networks: {front: {subnet: 10.77.0.0/24}}
topology:
  defaults: {kind: linux, image: "$box"}
  nodes:
    a: {cmd: sleep 1000, exec: ["ip addr add 10.1.0.1/24 dev eth1"], gateway: 10.1.0.9, ports: ["8080:80"]}
    b: {cmd: sleep 1000, networks: [front], files: {/etc/motd: motd}}
    sw: {kind: bridge}
  links:
    - {endpoints: ["a:eth1", "sw:p1"], ipv4: [10.1.0.2/24, ""], delay: 1ms}
    - {endpoints: ["b:eth1", "sw:p2"], ipv4: [10.1.0.9/24, ""]}
END
    echo hello >"$tmp/motd"
}
# The lab is up and works, or nothing of it is there.
look_after() { # HOW
    local is
    [ "$1" != gc ] || netctr gc >/dev/null || bad "gc: $?"
    is=$(netctr lab ls --format json | jq -r '.[].state')
    case $1-$is in
    gc- | gc-up) ;;
    gc-*) bad "after gc: $is" ;;
    esac
    [ -z "$is" ] || netctr lab down k >/dev/null || bad "down: $?"
    traces --until "$ARENA/before" $((4000 * patience)) >"$ARENA/after" || bad "left: $(diff "$ARENA/before" "$ARENA/after")"
}
prepare() { :; }
kill_each() { # --kill|--kill-all COMMAND...
    local how=$1 point count=0 failures=0 i=0 step total ways=(gc down)
    shift
    write_topology
    warm_up
    snapshot
    prepare
    "$tools/strike" --list --settle 100 --report "$tmp/points" "${nc[@]}" "$@" >"$tmp/out" 2>&1
    total=$(wc -l <"$tmp/points")
    [ "$total" -gt 100 ] || fail "$total points"
    point=none
    look_after down
    step=$((STRIKE_POINTS ? total / STRIKE_POINTS : 1))
    i=$((RANDOM % step))
    while read -r point; do
        [ $((i++ % step)) = 0 ] || continue
        prepare
        "$tools/strike" --report "$tmp/report" --settle 100 "$how" "$point" "${nc[@]}" "$@" >"$tmp/out" 2>&1 || true
        look_after "${ways[count % 2]}"
        count=$((count + 1))
    done <"$tmp/points"
    [ $failures = 0 ] || fail "$failures failures"
    note "$count of $total calls"
}
STRIKE_POINTS=${STRIKE_POINTS-6}
[ "$STRIKE" != all ] || STRIKE_POINTS=0

up() { kill_each --kill lab up -q "$tmp/k.clab.yml"; }
t 'up, one process killed' up
up_all() { kill_each --kill-all lab up -q "$tmp/k.clab.yml"; }
t 'up, all processes killed' up_all
down() {
    prepare() { netctr lab up -q "$tmp/k.clab.yml"; }
    kill_each --kill-all lab down k
}
t 'down, all processes killed' down
