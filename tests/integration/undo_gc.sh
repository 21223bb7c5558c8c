#!/usr/bin/env bash
# gc: its output, with --dry-run and without, and that no obstacle stops it.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/helpers.sh"

no_port() { ! ip -oneline link show | has ': vc-'; }
same_as_before() {
    traces >"$ARENA/after"
    diff "$ARENA/before" "$ARENA/after"
}

# One of each that a killed command can leave.
litter() {
    local instance cgroup
    warm_up
    snapshot
    cp "$ARENA/before" "$tmp/clean"
    netctr network create blue >/dev/null
    netctr run --rm --network blue "$box" true
    instance=$(cat "$run_state/instance")
    netctr run -d --name k -p 8080:80 "$box" sleep 100 >/dev/null
    netctr run -d --name gone -p 9090:80 "$box" sleep 100 >/dev/null
    netctr run -d --name half -p 9091:80 "$box" sleep 100 >/dev/null
    kill_helpers
    kill -KILL "$(monitor_of k)" "$(monitor_of gone)" "$(monitor_of half)"
    rm -r "$(sandbox_of gone)" "$run_state/containers/gone"
    rm -r "$run_state/containers/half"
    wait_for 5 no_port
    ip link add vc-0123456789a type bridge
    ip link set vc-0123456789a alias "netctr $instance ghost on default"
    cgroup=$(find /sys/fs/cgroup -type d -path "*/netctr/$instance/*" -print -quit)
    mkdir -p "${cgroup%/*}/0123456789ab" "$state/containers/unfinished"
    rm -rf "$run_state/leases/blue"
    echo damaged >"$run_state/leases/blue"
    echo half >"$run_state/leases/default~"
}
clean_again() {
    netctr rm k gone half
    netctr network rm blue
    cp "$tmp/clean" "$ARENA/before"
    assert_clean
}

says_what_it_would_do() {
    litter
    wait_for 3 no_element_expires
    traces >"$ARENA/before"
    netctr gc --dry-run >"$tmp/would"
    same_as_before || fail 'gc --dry-run has changed something'
    local what
    for what in 'remove dead container k' 'remove sandbox ' 'remove names of ' 'remove lease of ' 'remove cgroup netctr/' \
        'remove link vc-0123456789a' 'remove directory unfinished' \
        'replace damaged leases of network `blue`'; do
        assert_contains "$(cat "$tmp/would")" "would $what"
    done
    assert_contains "$(cat "$tmp/would")" /0123456789ab
    netctr gc >"$tmp/removed"
    assert_eq "$(cat "$tmp/removed")" "$(sed -E 's/^would (\w+e) /\1d /' "$tmp/would")" 'what gc has done'
    assert_eq "$(netctr gc)" ''
    clean_again
}
t 'gc --dry-run changes nothing and prints what gc then does' says_what_it_would_do

goes_on() {
    litter
    # A directory of a dead container that cannot be removed.
    mkdir -p "$run_state/containers/bad/mount"
    mount -t tmpfs tmpfs "$run_state/containers/bad/mount"
    assert_status 125 netctr gc >"$tmp/removed" 2>"$tmp/err"
    assert_contains "$(cat "$tmp/err")" 'container `bad`'
    assert_eq "$(netctr gc 2>/dev/null || true)" '' 'said of what is still there'
    umount "$run_state/containers/bad/mount"
    assert_eq "$(netctr gc)" 'removed dead container bad'
    clean_again
}
t 'something that cannot be removed does not keep gc from the rest' goes_on

without_run_directory() {
    warm_up
    make_orphan orphan
    # The helpers of the lost directory end by themselves; until then their cgroup is listed.
    wait_for 10 eval 'netctr gc --dry-run >"$tmp/would"; netctr gc --dry-run | cmp -s - "$tmp/would"'
    grep -q '^would remove cgroup netctr/' "$tmp/would"
    grep -q '^would remove link vc-' "$tmp/would"
    netctr doctor >/dev/null || true
    kill -0 "$orphan" || fail 'the orphan has been ended'
    [ ! -e "$run_state/instance" ] || fail 'the run directory has been taken over'
    http http://192.0.2.2:8080/ | has -x orphan
    netctr gc | has '^removed cgroup netctr/'
    ! kill -0 "$orphan" 2>/dev/null || fail 'the orphan lives'
    assert_lacks "$(nft list table inet netctr)" 8080
    netctr rm orphan
}
t 'the run directory is lost: gc --dry-run ends no container, gc does' without_run_directory

no_record() {
    warm_up
    snapshot
    local monitor by
    for by in command helper; do
        netctr run -d --name k -p 8080:80 "$box" sleep 100 >/dev/null
        if [ $by = helper ]; then wait_for 5 helpers_work; else kill_helpers; fi
        monitor=$(monitor_of k)
        rm "$(sandbox_of k)/endpoint.default.json"
        kill -KILL "$monitor"
        if [ $by = helper ]; then wait_for 3 [ ! -e "$run_state/containers/k" ]; else netctr ps >/dev/null; fi
        assert_lacks "$(nft list table inet netctr)" 8080
        netctr rm k
        assert_clean
    done
}
t 'a dead container without a record: its port is closed' no_record

# Read-only commands warn and go on; gc fails with an error.
no_directory_of_names() {
    netctr run -d --name k -p 8080:80 "$box" sleep 1000 >/dev/null
    kill_helpers
    mv "$run_state/dns" "$tmp/names"
    : >"$run_state/dns"
    kill -KILL "$(monitor_of k)"
    netctr ps -a >/dev/null 2>"$tmp/err"
    assert_contains "$(cat "$tmp/err")" \
        'netctr: warning: clean up after container `k`: create the directory of names: Not a directory'
    netctr network ls >/dev/null 2>&1
    assert_fails netctr gc 2>"$tmp/err"
    assert_contains "$(tail -1 "$tmp/err")" 'netctr: clean up after container `k`: create the directory of names: Not a directory'
    assert_lacks "$(nft list ruleset)" 8080
    rm "$run_state/dns"
    mv "$tmp/names" "$run_state/dns"
    netctr gc
    assert_eq "$(find "$run_state/dns"/{container,address,network} -mindepth 1)" '' 'names'
    netctr rm k
}
t 'what cannot be released does not block read-only commands' no_directory_of_names

# By the helper: it logs that once, and retries slowly.
no_haste() {
    trap 'umount "$run_state/containers/k/mount" 2>/dev/null || true' EXIT # also if the test fails: for the next ones
    netctr run -d --name keeps "$box" sleep 1000 >/dev/null
    netctr run -d --name k -p 8080:80 "$box" sleep 1000 >/dev/null
    wait_for 5 helpers_work
    mkdir "$run_state/containers/k/mount"
    mount -t tmpfs tmpfs "$run_state/containers/k/mount"
    kill -KILL "$(monitor_of k)"
    wait_for 3 test -s "$run_state/helpers/log"
    local first lines
    first=$(sh -c 'echo $$')
    sleep 3
    assert_eq "$(cut -d: -f1-3 "$run_state/helpers/log" | sort -u)" 'netctr: warning: remove the run directory of container `k`' 'its log'
    # On a slow machine the standby may take over, and logs it once more. There were four tries or more.
    lines=$(wc -l <"$run_state/helpers/log")
    [ "$lines" -le $((slowness > 1 ? 2 : 1)) ] || fail "$lines lines"
    [ $(($(sh -c 'echo $$') - first)) -lt 30 ] || fail 'it tries all the time'
    assert_lacks "$(nft list ruleset)" 8080
    umount "$run_state/containers/k/mount"
    wait_for 10 test ! -e "$run_state/containers/k"
    helpers_work
    # After that the next one is reported.
    netctr rm k
    netctr run -d --name k "$box" sleep 1000 >/dev/null
    mkdir "$run_state/containers/k/mount"
    mount -t tmpfs tmpfs "$run_state/containers/k/mount"
    kill -KILL "$(monitor_of k)"
    wait_for 3 eval '[ "$(wc -l <"$run_state/helpers/log")" -gt "$lines" ]'
    umount "$run_state/containers/k/mount"
}
t 'what the helper cannot remove: logged once, retried slowly' no_haste

# Nor does it hurry with a running monitor whose record is damaged.
nobody_known() {
    netctr run -d --name k "$box" sleep 1000 >/dev/null
    kill_helpers
    cp "$run_state/containers/k/state.json" "$tmp/state.json"
    echo '{' >"$run_state/containers/k/state.json"
    touch -d '-1 hour' "$run_state/containers/k"
    netctr run -d --name other "$box" sleep 1000 >/dev/null
    wait_for 5 helpers_work
    local first
    first=$(sh -c 'echo $$')
    sleep 3
    [ $(($(sh -c 'echo $$') - first)) -lt 30 ] || fail 'it tries all the time'
    cp "$tmp/state.json" "$run_state/containers/k/state.json"
    netctr exec k true
    netctr rm -f k
}
t 'a running container with a damaged record does not block the helper' nobody_known

# Its log is bounded; the files that it writes for containers are not.
long_files() {
    netctr run -d --name keeps "$box" sleep 1000 >/dev/null
    netctr run -d --name k "$box" sleep 1000 >/dev/null
    wait_for 5 helpers_work
    head -c 100000 /dev/zero | tr '\0' '\n' >>"$run_state/events"
    kill -KILL "$(monitor_of k)"
    wait_for 3 test ! -e "$run_state/containers/k"
    grep -q '"event":"die".*"name":"k"' "$run_state/events" || fail 'its end has no event'
}
t 'the helper writes large files' long_files

gone_meanwhile() {
    warm_up
    netctr run -d --name a --network none "$box" \
        sh -c 'trap "touch /asked" TERM; while :; do sleep 0.1; done' >/dev/null
    netctr run -d --name b --network none "$box" sleep 1000 >/dev/null
    local b
    b=$(pid_of b)
    netctr stop -t $((2 * slowness)) a b >"$tmp/out" 2>"$tmp/err" &
    wait_for 5 test -e "$state/containers/a/upper/asked"
    lose_run_directory
    assert_status 125 wait $!
    assert_contains "$(cat "$tmp/err")" "the run directory \`$run_state\` has been removed"
    assert_eq "$(cat "$tmp/out")" a
    kill -0 "$b"
    netctr gc >/dev/null
}
t 'the run directory is lost during a stop: what runs is not reported as stopped' gone_meanwhile

cannot_be_swept() {
    # RUN does not name its instance, and not everything can be read: nothing new is started.
    warm_up
    netctr network create blue >/dev/null
    netctr run --rm --network blue "$box" true
    rm "$run_state/instance" "$run_state/leases/.blue.lock"
    mkdir "$run_state/leases/.blue.lock"
    netctr ps >/dev/null 2>"$tmp/err"
    assert_contains "$(cat "$tmp/err")" 'warning: '
    assert_fails netctr run --rm "$box" true 2>"$tmp/err"
    assert_contains "$(cat "$tmp/err")" 'could not all be stopped; `netctr gc` says why'
    assert_fails netctr gc 2>"$tmp/err"
    assert_contains "$(cat "$tmp/err")" 'lock the leases of network `blue`'
    [ ! -e "$run_state/instance" ]
    rmdir "$run_state/leases/.blue.lock"
    netctr run --rm "$box" true
    [ -e "$run_state/instance" ]
}
t 'a run directory that cannot be swept: nothing new is started in it' cannot_be_swept
