#!/usr/bin/env bash
# Commands of labs killed at their system calls: the command's own process, or all of its processes. After `lab up` and `lab down`
# gc, or the next `lab down`, leaves nothing. After `lab apply`, `lab set` and `lab link` the next `lab apply`, with the old file
# or the new one, makes the lab what that file says.
#
# STRIKE=all: every call; STRIKE=every:N: each N-th; otherwise a sample.
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
# The file that k becomes: a node and a link come, one goes, one changes, and so does a program.
write_other() {
    sed -e '/^    b: /d' -e 's|^    sw: .*|&\n    c: {cmd: sleep 1000, gateway: 10.1.0.2}|' -e 's/b:eth1/c:eth1/' -e 's/delay: 1ms/mtu: 1400/' \
        -e 's/^    a: {cmd: sleep 1000/&1/' "$tmp/k.clab.yml" >"$tmp/other.clab.yml"
}
is_gone() { # the lab, and everything of it
    [ -z "$(lab_state)" ] || netctr lab down k >"$tmp/said" 2>&1 || bad "down: $(cat "$tmp/said")"
    traces --until "$ARENA/before" $((4000 * patience)) >"$ARENA/after" || bad "left: $(diff "$ARENA/before" "$ARENA/after")"
}
lab_state() {
    netctr lab ls --format json | jq -r '.[].state'
}
# The lab is up and works, or nothing of it is there.
look_after() { # HOW
    local is
    [ "$1" != gc ] || netctr gc >/dev/null || bad "gc: $?"
    is=$(lab_state)
    case $1-$is in
    gc- | gc-up) ;;
    gc-*) bad "after gc: $is" ;;
    esac
    is_gone
}
# What a change left becomes what a file says, and then goes.
look_at_change() { # HOW
    local said to=$tmp/k.clab.yml
    [ "$1" != gc ] || { netctr gc >/dev/null && to=$tmp/other.clab.yml || bad "gc: $?"; }
    said=$(netctr lab apply -q "$to" 2>&1 >/dev/null) || bad "apply: $said"
    said=$(netctr lab diff "$to" 2>&1) || bad "diff: $said"
    netctr lab exec -n k a ping -c 1 -W 3 10.1.0.9 >/dev/null || bad 'no ping'
    is_gone
}
prepare() { :; }
kill_each() { # --kill|--kill-all COMMAND...
    local how=$1 point count=0 failures=0 i=0 step total ways=(gc down)
    shift
    write_topology
    write_other
    warm_up
    snapshot
    prepare
    "$tools/strike" --list --settle 100 --report "$tmp/points" "${nc[@]}" "$@" >"$tmp/out" 2>&1
    total=$(wc -l <"$tmp/points")
    [ "$total" -gt 100 ] || fail "$total points"
    point=none
    "$look" down
    case $STRIKE in
    all) step=1 ;;
    every:*) step=${STRIKE#*:} ;;
    *) step=$((total / 6)) ;;
    esac
    i=$((RANDOM % step))
    while read -r point; do
        [ $((i++ % step)) = 0 ] || continue
        prepare
        "$tools/strike" --report "$tmp/report" --settle 100 "$how" "$point" "${nc[@]}" "$@" >"$tmp/out" 2>&1 || true
        "$look" "${ways[count % 2]}"
        count=$((count + 1))
    done <"$tmp/points"
    [ $failures = 0 ] || fail "$failures failures"
    note "$count of $total calls"
}
look=look_after

up() { kill_each --kill lab up -q "$tmp/k.clab.yml"; }
t 'up, one process killed' up
up_all() { kill_each --kill-all lab up -q "$tmp/k.clab.yml"; }
t 'up, all processes killed' up_all
down() {
    prepare() { netctr lab up -q "$tmp/k.clab.yml"; }
    kill_each --kill-all lab down k
}
t 'down, all processes killed' down

prepare() { netctr lab up -q "$tmp/k.clab.yml"; }
look=look_at_change
apply() { kill_each --kill lab apply -q "$tmp/other.clab.yml"; }
t 'apply, one process killed' apply
apply_all() { kill_each --kill-all lab apply -q "$tmp/other.clab.yml"; }
t 'apply, all processes killed' apply_all
set_link() { kill_each --kill-all lab set -n k b:eth1 delay=2ms rate=20mbit; }
t 'set, all processes killed' set_link
link() { kill_each --kill-all lab link down -n k a:eth1; }
t 'link down, all processes killed' link
