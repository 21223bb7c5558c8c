#!/usr/bin/env bash
# A container with a limit of processor time pays for copying its output: the relay.
. "$(dirname "$0")/../lib.sh"

relay_of() { # it appears a moment after the start
    wait_for 5 pgrep -x netctr-relay -P "$(monitor_of "$1")"
    cat "$ARENA/waited"
}
ticks() { # PID
    awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$1/stat"
}
sizes() {
    cat "$state"/containers/k/log* | wc -c
}

cgroup_of() { # its cgroup with a limit of processor time
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
        cat "/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$1/cgroup")/$2"
    else
        cat "/sys/fs/cgroup/cpu$(awk -F: '$2 ~ /(^|,)cpu(,|$)/ { print $3 }' "/proc/$1/cgroup")/$2"
    fi
}
is_charged() {
    local monitor relay before used seconds=2 v2=no
    [ ! -e /sys/fs/cgroup/cgroup.controllers ] || v2=yes
    netctr run -d --name k --network none -m 32m --cpus 0.2 --log-opt max-size=100k "$box" yes '' >/dev/null
    monitor=$(monitor_of k)
    relay=$(relay_of k)
    before=$(ticks "$monitor")
    sleep $seconds
    used=$(($(ticks "$monitor") - before))
    note "monitor $used, relay $(ticks "$relay"), program $(ticks "$(pid_of k)") ticks of 200"
    [ $used -lt 30 ] || fail "the monitor has used $used ticks"
    [ $(($(ticks "$relay") + $(ticks "$(pid_of k)"))) -lt $((75 * slowness)) ] || fail 'the limit does not hold'
    if [ $v2 = yes ]; then
        # Beside the program, below one limit; the program sees that limit, too.
        has 20000 < <(cgroup_of "$relay" ../cpu.max)
        has -x "$(pid_of k)" < <(cgroup_of "$relay" ../program/cgroup.procs)
        has -x "$relay" < <(cgroup_of "$relay" cgroup.procs)
        assert_eq "$(cgroup_of "$(pid_of k)" memory.max) $(cgroup_of "$(pid_of k)" pids.max)" "$((32 << 20)) 2048"
        assert_eq "$(netctr exec k cat /sys/fs/cgroup/cpu.max)" '20000 100000'
        assert_eq "$(netctr exec k cat /proc/self/cgroup)" 0::/
        netctr exec k sh -c 'cat /sys/fs/cgroup/cgroup.procs' | has -x 1
    else
        has -x "$relay" < <(cgroup_of "$(pid_of k)" tasks)
        # In no other one: it must not be killed for the container's memory.
        assert_eq "$(grep -cE '^[0-9]+:(memory|pids):.*netctr/' "/proc/$relay/cgroup" || true)" 0
    fi
    [ "$(sizes)" -le $((3 * 102400 + 65536)) ] || fail "$(sizes) bytes"
    netctr exec k true
    netctr rm -f k >/dev/null
}
t 'the container pays for the time that writing its log takes' is_charged

# What it held open would live on with it: locks, ports, the run directory.
holds_nothing() {
    local relay links
    serve k --cpus 0.5 -p 8080:80
    relay=$(relay_of k)
    links=$(for fd in "/proc/$relay/fd"/*; do readlink "$fd"; done | grep -v '^/dev/null$')
    assert_eq "$(grep -c '^anon_inode:' <<<"$links")" 1 "$links" # its own loop's
    links=$(grep -v '^anon_inode:' <<<"$links" | sort -u)
    assert_eq "$(grep -vc '^pipe:\|^socket:' <<<"$links")" 2 "$links"
    assert_contains "$links" "$state/containers/k/log"
    assert_eq "$(grep -c '^socket:' <<<"$links")" 1
    kill -KILL "$(monitor_of k)"
    wait_for 5 sh -c "! kill -0 $relay 2>/dev/null"
    netctr gc >/dev/null
    [ -z "$(names)" ] || fail 'it lives'
}
t 'the relay holds nothing of the monitor, and dies with it' holds_nothing

copies_streams() {
    local limits=(--network none --cpus 0.5)
    assert_eq "$(echo hello | netctr run -i "${limits[@]}" "$box" sh -c 'cat; echo bye; exec sleep 0.1')" $'hello\nbye'
    assert_eq "$(netctr run "${limits[@]}" "$box" sh -c 'echo out; echo err >&2' 2>&1 >/dev/null)" err
    assert_status 3 netctr run "${limits[@]}" "$box" sh -c 'exec >&- 2>&-; usleep 100000; exit 3'
    assert_eq "$(head -c 200000 /dev/urandom | tee "$tmp/random" | netctr run -i "${limits[@]}" "$box" cat | md5sum)" \
        "$(md5sum <"$tmp/random")"
    # More than pipes hold, and a slow reader.
    assert_eq "$(netctr run --name k "${limits[@]}" "$box" seq 20000 | { sleep 0.3 && wc -l; })" 20000
    assert_eq "$(netctr logs k | wc -l)" 20000
    netctr run -d -i --name open "${limits[@]}" "$box" cat >/dev/null
    sleep 0.2
    status_is open running
    # A reader that never reads does not keep the container from ending.
    mkfifo "$tmp/pager"
    sleep 1000 <>"$tmp/pager" &
    netctr run --name p "${limits[@]}" "$box" seq 20000 >"$tmp/pager" &
    wait_for 5 eval '[ -n "$(netctr events --no-stream --filter container=p --filter event=start)" ]'
    wait_for 5 eval '[ -z "$(pgrep -x seq)" ]'
    status_is p running
    timeout $((5 * slowness)) netctr rm -f p
    # A SIGTERM for all is passed on by the monitor.
    netctr run -d --name k2 "${limits[@]}" "$box" sh -c 'trap "echo asked; exit 7" TERM; while :; do usleep 20000; done' >/dev/null
    kill "$(relay_of k2)"
    netctr stop k2 >/dev/null
    assert_eq "$(netctr logs k2) $(state_of k2 exit_status)" 'asked 7'
}
t 'streams are copied as without it' copies_streams

comes_back() {
    local first
    netctr run -d --name k --network none --cpus 0.5 -v "$tmp:/t" --log-opt max-size=16k --log-opt max-file=100 "$box" \
        sh -c 'echo before; until [ -e /t/go ]; do usleep 10000; done; seq 5000; sleep 1000' >/dev/null
    wait_for 5 logged k before
    first=$(relay_of k)
    kill -KILL "$first"
    touch "$tmp/go"
    wait_for 5 logged k 5000
    [ "$(relay_of k)" != "$first" ] || fail 'it is the same'
    { echo before && seq 5000; } | cmp - <(netctr logs k)
    # Nor is it needed after the program has ended.
    kill -STOP "$(relay_of k)"
    netctr exec k sh -c 'echo last >/proc/1/fd/1'
    kill -KILL "$(relay_of k)" "$(pid_of k)"
    wait_for 5 status_is k exited
    assert_eq "$(netctr logs --tail 1 k)" last
    # A stopped relay does not delay the end of the container.
    netctr start k >/dev/null
    kill -STOP "$(relay_of k)"
    timeout $((15 * slowness)) netctr rm -f k
}
t 'a killed relay is replaced' comes_back

# The monitor writes a message after the relay has rotated the file.
notes_go_to_the_present_file() {
    netctr run -d --name k --network none --cpus 0.5 --restart on-failure:2 --log-opt max-size=8k --log-opt max-file=50 \
        "$box" sh -c 'seq 1000; exit 3' >/dev/null
    wait_for 10 status_is k exited
    { for _ in 1 2 3; do seq 1000; done; } | cmp - <(netctr logs k)
    printf '#!/bin/sh\nseq 1000; rm "$0"; exit 3\n' >"$tmp/once"
    chmod +x "$tmp/once"
    netctr run -d --name once --network none --cpus 0.5 --restart on-failure:1 --log-opt max-size=8k -v "$tmp:/t" \
        "$box" /t/once >/dev/null
    wait_for 10 status_is once exited
    tail -n 1 "$state/containers/once/log" | has ' stderr F:netctr .*`/t/once`'
    netctr logs --tail 1 once 2>&1 | tail -n 1 | has '`/t/once`'
    assert_eq "$(netctr logs --tail 1 once 2>/dev/null)" 1000
    # Without a limit there is none.
    netctr run -d --name free --network none -m 32m "$box" sleep 1000 >/dev/null
    [ -z "$(pgrep -P "$(monitor_of free)" -x netctr-relay)" ] || fail 'there is a relay'
}
t 'messages of netctr are written to the current file' notes_go_to_the_present_file
