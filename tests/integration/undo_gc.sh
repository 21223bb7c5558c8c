#!/usr/bin/env bash
# gc: what it says, with --dry-run and without, and that nothing stands in its way.
. "$(dirname "$0")/../lib.sh"

no_port() { ! ip -oneline link show | has ': vc-'; }
same_as_before() {
    traces >"$ARENA/after"
    diff "$ARENA/before" "$ARENA/after"
}

# One of each that somebody who was killed can leave.
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
    kill -KILL "$(monitor_of k)" "$(monitor_of gone)"
    rm -r "$run_state/containers/gone"
    wait_for 5 no_port
    ip link add vc-0123456789a type bridge
    ip link set vc-0123456789a alias "netctr $instance ghost on default"
    cgroup=$(find /sys/fs/cgroup -type d -path "*/netctr/$instance/*" -print -quit)
    mkdir -p "${cgroup%/*}/0123456789ab" "$state/containers/unfinished"
    echo damaged >"$run_state/leases/blue"
    echo half >"$run_state/leases/default~"
}
clean_again() {
    netctr rm k gone
    netctr network rm blue
    cp "$tmp/clean" "$ARENA/before"
    assert_clean
}

says_what_it_would_do() {
    litter
    snapshot
    netctr gc --dry-run >"$tmp/would"
    same_as_before || fail 'gc --dry-run has changed something'
    local what
    for what in 'remove dead container k' 'remove names of ' 'remove lease of ' 'remove cgroup netctr/' \
        'remove link vc-0123456789a' 'remove directory unfinished' \
        'replace damaged lease file of network `blue`'; do
        assert_contains "$(cat "$tmp/would")" "would $what"
    done
    assert_contains "$(cat "$tmp/would")" /0123456789ab
    netctr gc >"$tmp/removed"
    assert_eq "$(cat "$tmp/removed")" "$(sed -E 's/^would (\w+e) /\1d /' "$tmp/would")" 'what gc has done'
    assert_eq "$(netctr gc)" ''
    clean_again
}
t 'gc --dry-run changes nothing and says what gc then does' says_what_it_would_do

goes_on() {
    litter
    # A directory of a dead one that cannot be removed.
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
    netctr gc --dry-run >"$tmp/would"
    grep -q '^would remove cgroup netctr/' "$tmp/would"
    grep -q '^would remove link vc-' "$tmp/would"
    netctr gc --dry-run | cmp - "$tmp/would"
    netctr doctor >/dev/null || true
    kill -0 "$orphan" || fail 'the orphan has been ended'
    [ ! -e "$run_state/instance" ] || fail 'the run directory has been taken over'
    http http://192.0.2.2:8080/ | has -x orphan
    netctr gc | has '^removed cgroup netctr/'
    ! kill -0 "$orphan" 2>/dev/null || fail 'the orphan lives'
    assert_lacks "$(nft list table inet netctr)" 8080
    netctr rm orphan
}
t 'the run directory is lost: gc --dry-run ends nobody, gc does' without_run_directory

no_record() {
    warm_up
    snapshot
    netctr run -d --name k -p 8080:80 "$box" sleep 100 >/dev/null
    local monitor
    monitor=$(monitor_of k)
    rm "$run_state/containers/k/endpoint.default.json"
    kill -KILL "$monitor"
    netctr ps >/dev/null
    assert_lacks "$(nft list table inet netctr)" 8080
    netctr rm k
    assert_clean
}
t 'a dead container whose record is gone: its port is nobody'"'"'s' no_record

# Who only looks is told, and sees; gc says that it has failed.
no_directory_of_names() {
    netctr run --rm "$box" true
    rm -rf --one-file-system "$run_state/names"
    : >"$run_state/names"
    netctr ps -a >/dev/null 2>"$tmp/err"
    assert_contains "$(cat "$tmp/err")" 'netctr: warning: open the directory of names: Not a directory'
    netctr network ls >/dev/null 2>&1
    assert_fails netctr gc 2>/dev/null
    rm "$run_state/names"
    netctr gc
}
t 'what cannot be released keeps nobody from looking' no_directory_of_names

gone_meanwhile() {
    warm_up
    netctr run -d --name a --network none "$box" sleep 1000 >/dev/null
    netctr run -d --name b --network none "$box" sleep 1000 >/dev/null
    local b
    b=$(pid_of b)
    netctr stop -t 1 a b >"$tmp/out" 2>"$tmp/err" &
    wait_for 5 test -x "$run_state/containers/a/lock" # a is asked to end
    lose_run_directory
    assert_status 125 wait $!
    assert_contains "$(cat "$tmp/err")" "the run directory \`$run_state\` has been removed"
    assert_eq "$(cat "$tmp/out")" a
    kill -0 "$b"
    netctr gc >/dev/null
}
t 'the run directory is lost while something is stopped: what lives is not called stopped' gone_meanwhile

cannot_be_swept() {
    # RUN does not say whose it is, and not all can be looked at: nothing new beside it.
    warm_up
    netctr network create blue >/dev/null
    netctr run --rm --network blue "$box" true
    rm "$run_state/instance" "$run_state/leases/.blue.lock"
    mkdir "$run_state/leases/.blue.lock"
    netctr ps >/dev/null 2>"$tmp/err"
    assert_contains "$(cat "$tmp/err")" 'warning: '
    assert_fails netctr run --rm "$box" true 2>"$tmp/err"
    assert_contains "$(cat "$tmp/err")" 'could not all be ended; `netctr gc` says why'
    assert_fails netctr gc 2>"$tmp/err"
    assert_contains "$(cat "$tmp/err")" 'lock the leases of network `blue`'
    [ ! -e "$run_state/instance" ]
    rmdir "$run_state/leases/.blue.lock"
    netctr run --rm "$box" true
    [ -e "$run_state/instance" ]
}
t 'a run directory that cannot be swept: nothing new is begun in it' cannot_be_swept
