#!/usr/bin/env bash
# Containers that are hard to kill: ending them takes a bounded time, and blocks no other command.
. "$(dirname "$0")/../lib.sh"

seconds() { # what a command takes
    local begin=$SECONDS
    "$@" >/dev/null || true
    echo $((SECONDS - begin))
}

leaderless() {
    local monitor pid
    netctr run -d --name z --network none -v "$top/${NETCTR_BUILD:-build}/tests/leaderless:/leaderless" "$box" /leaderless >/dev/null
    sleep 0.3
    pid=$(pid_of z)
    monitor=$(monitor_of z)
    [ "$(awk '{ print $3 }' "/proc/$pid/stat")" = Z ] || fail 'its main thread lives: this proves nothing'
    kill -KILL "$monitor"
    [ "$(seconds netctr ps)" -lt $((5 * slowness)) ] || fail 'ps waits for it'
    [ ! -e "/proc/$pid/task" ] || [ "$(ls "/proc/$pid/task" 2>/dev/null | wc -l)" -le 1 ] || fail 'it lives'
    assert_eq "$(netctr ps -a --format json | jq -r '.[].status')" exited
    netctr rm z
}
t 'a program without a main thread, whose monitor was killed' leaderless

many_on_little() {
    netctr run -d --name m --network none --cpus 0.01 "$box" sh -c 'sleep 1000' >/dev/null
    # The limit is lifted during the start, which would take minutes otherwise.
    local file
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
        skip 'for version 1'
    fi
    file="/sys/fs/cgroup/cpu$(awk -F: '$2 ~ /(^|,)cpu(,|$)/ { print $3 }' "/proc/$(pid_of m)/cgroup")/cpu.cfs_quota_us"
    echo -1 >"$file"
    netctr exec -d m sh -c 'for i in $(seq 400); do sleep 1000 & done; wait'
    wait_for 20 eval '[ "$(netctr exec m ps | grep -c "sleep 1000")" -gt 390 ]'
    echo 1000 >"$file"
    [ "$(seconds netctr rm -f m)" -lt $((5 * slowness)) ] || fail 'rm -f takes its time'
    ! netctr ps -a | has ' m$' || fail 'it is still there'
}
t 'hundreds of processes with one percent of a processor' many_on_little

frozen() {
    [ -e /sys/fs/cgroup/freezer ] || skip 'no freezer of version 1'
    netctr run -d --name f --userns=host --cap-add SYS_ADMIN --network none "$box" \
        sh -c 'mkdir /f && mount -t cgroup -o freezer none /f && echo ready; sleep 0.3; echo FROZEN >/f/freezer.state; sleep 1000' >/dev/null
    wait_for 5 logged f ready
    sleep 0.6
    assert_status 125 timeout $((20 * slowness)) "$ARENA/bin/netctr" exec f true 2>"$tmp/err"
    grep -q 'is paused' "$tmp/err" || fail "$(cat "$tmp/err")"
    netctr rm -f f >/dev/null
    wait_for 5 eval '! pgrep -f "netctr exec in f" >/dev/null'
}
t 'exec into a container that has frozen itself is refused, and leaves nothing' frozen

slow_log() {
    netctr run -d --name s --network none --log-opt max-size=4k --log-opt max-file=100 "$box" sh -c 'yes ""' >/dev/null
    sleep 0.5
    [ "$(seconds netctr stop -t 0 s)" -lt $((6 * slowness)) ] || fail 'stop waits for the log'
}
t 'a log of very small files does not keep a container from ending' slow_log
