#!/usr/bin/env bash
# Commands that only read create nothing and change nothing.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/helpers.sh"
refusing_resolver

host_as_it_is() {
    ls -d "$state" "$run_state" 2>&1 || true
    find /sys/fs/cgroup -type d | sort
    nft list ruleset
    ip -details link show
    ip address show | grep -v valid_lft
    ip route show table all
    # Counters are no settings.
    sysctl -a 2>/dev/null | grep -E '^net\.(ipv[46]\.(conf|ip_forward|neigh)|bridge|netfilter)' | grep -Ev '_count |\.flush'
    mount
}
readers=('ps' 'ps -aq' 'ps --format json' 'inspect x' 'port x' 'logs x' 'logs -f x' 'info' 'info --format json' 'version'
    'events --no-stream' 'events --until 2020-01-01' 'network ls' 'network ls -q' 'network inspect default' 'network inspect x'
    'network forwarding' 'doctor' 'doctor --format json' 'gc -n' 'help' 'run --help')

addresses_settled() {
    ! ip address show | grep -q tentative
}
reads_only() {
    wait_for 5 addresses_settled
    host_as_it_is >"$tmp/before"
    local command status
    for command in "${readers[@]}"; do
        status=0
        # shellcheck disable=SC2086 # several words
        timeout $((10 * slowness)) netctr $command >"$tmp/out" 2>&1 </dev/null || status=$?
        case $command in
        *' x') assert_eq $status 125 "status of $command" ;;
        doctor*) [ $status -le 1 ] || fail "status $status: $command: $(cat "$tmp/out")" ;;
        *) [ $status = 0 ] || fail "status $status: $command: $(cat "$tmp/out")" ;;
        esac
        host_as_it_is >"$tmp/after"
        diff "$tmp/before" "$tmp/after" || fail "$command has changed something"
    done
    assert_eq "$(netctr ps -q)" ''
    assert_eq "$(netctr network ls -q)" ''
    assert_contains "$(netctr inspect x 2>&1 || true)" 'no such container `x`'
}
t 'read-only commands create and change nothing where netctr has never run' reads_only

events_wait() {
    netctr events >"$tmp/events" &
    sleep 0.3
    [ ! -e "$state" ] || fail 'state was created'
    netctr run --rm --network none --name first "$box" true
    wait_for 5 grep -q '"die"' "$tmp/events"
    grep -q '"start".*first' "$tmp/events"
    kill $!
}
t 'events that wait for the first container create nothing' events_wait

tree() {
    find "$state" "$run_state" -not -path "*/mappable/files-*" | sort # the search of a start may end meanwhile
}
partly_there() {
    # The first container has had no network, so there are no names.
    netctr run -d --network none --name n "$box" sleep 100 >/dev/null
    wait_for 5 helpers_work
    tree >"$tmp/before"
    netctr gc --dry-run
    netctr doctor >/dev/null || true
    tree | diff "$tmp/before" - || fail 'something was created'
}
t 'gc --dry-run and doctor do not either where it has run' partly_there
