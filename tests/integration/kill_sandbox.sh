#!/usr/bin/env bash
# A program that makes, changes and destroys sandboxes without a monitor, killed at each of its system calls: what it was
# doing is then done or undone, as far as gc and the next program see, and after destroying nothing is left.
#
# STRIKE=all: every call; otherwise every seventh, from a random one on.
. "$(dirname "$0")/../lib.sh"

tools=$top/${NETCTR_BUILD:-build}/tests
id=aaaaaaaaaaaa
! sanitized || skip 'a sanitizer does not stand being struck'

lab() {
    "$tools/sandboxes" "$state" "$run_state" "$@"
}
tidy_too() {
    lab destroy $id || true
    ip netns delete other 2>/dev/null || true
}
bad() {
    printf '%s: %s\n' "$point" "$1"
    failures=$((failures + 1))
}
# Its record, the host and its namespace agree.
of_one_mind() {
    local network interfaces records
    records=$(find "$run_state/sandboxes/$id" -name 'endpoint.*.json' | wc -l)
    interfaces=$(lab in $id ip -oneline link show type veth | wc -l)
    [ "$records" = "$interfaces" ] || bad "$records endpoints, $interfaces interfaces"
    ! grep -q '"host_port": 8080' "$run_state/sandboxes/$id"/endpoint.*.json 2>/dev/null ||
        nft list map inet netctr publish4 | has 8080 || bad 'a port that is not published'
}
look_after() {
    local said
    netctr gc >/dev/null || bad "gc: $?"
    said=$(lab list)
    case $said in
    '') ;;
    "$id "*" alive") of_one_mind ;;
    *) bad "after gc: $said" ;;
    esac
    lab destroy $id || bad "destroy: $?"
    traces --until "$ARENA/before" 3000 >"$ARENA/after" || bad "left: $(diff "$ARENA/before" "$ARENA/after")"
}
prepare() { :; }
kill_each() { # COMMAND...
    local point step=7 count=0 failures=0 i=0
    [ "${STRIKE-}" != all ] || step=1
    warm_up
    netctr network create two
    netctr run --rm --network two "$box" true
    snapshot
    prepare
    "$tools/strike" --list --report "$tmp/points" "$tools/sandboxes" "$state" "$run_state" "$@"
    [ "$(wc -l <"$tmp/points")" -gt 100 ] || fail "$(wc -l <"$tmp/points") points"
    point=none
    look_after
    i=$((RANDOM % step))
    while read -r point; do
        [ $((i++ % step)) = 0 ] || continue
        prepare
        "$tools/strike" --report "$tmp/report" --kill "$point" "$tools/sandboxes" "$state" "$run_state" "$@" \
            >"$tmp/out" 2>&1 || true
        look_after
        count=$((count + 1))
    done <"$tmp/points"
    [ $failures = 0 ] || fail "$failures failures"
    note "$count of $(wc -l <"$tmp/points") calls"
}
pinned() { kill_each pinned $id node; }
t 'making a pinned sandbox, killed' pinned
connected() { kill_each pinned $id node default two; }
t 'making and connecting it, killed' connected
with_ids() {
    export SANDBOX_IDS=1342177280
    kill_each pinned $id node default
}
t 'making and connecting one with ids of its own, killed' with_ids
connect() {
    prepare() { lab pinned $id node default; }
    kill_each connect $id two
}
t 'connecting it to one more network, killed' connect
disconnect() {
    prepare() { lab pinned $id node default two; }
    kill_each disconnect $id two
}
t 'disconnecting it, killed' disconnect
publish() {
    prepare() { lab pinned $id node default; }
    kill_each publish $id 8080:80 8081:81/udp
}
t 'publishing, killed' publish
unpublish() {
    prepare() { lab pinned $id node default && lab publish $id 8080:80 8081:81/udp; }
    kill_each unpublish $id 8080 8081/udp
}
t 'unpublishing, killed' unpublish
destroy() {
    prepare() { lab pinned $id node default two && lab publish $id 8080:80; }
    kill_each destroy $id
}
t 'destroying it, killed' destroy
foreign() {
    ip netns add other
    kill_each foreign $id cni /run/netns/other default
}
t "connecting a foreign namespace, killed" foreign
