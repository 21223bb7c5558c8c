#!/usr/bin/env bash
# Pins keep network namespaces outside of the host's mount table, so that a start does not copy them.
. "$(dirname "$0")/../lib.sh"

tools=$top/${NETCTR_BUILD:-build}/tests
mkdir -p "$run_state"
pins() {
    "$tools/pins" "$run_state" "$@"
}
lines() {
    wc -l </proc/self/mountinfo
}
lines_of_pins() { # of what is on stdin
    grep -c " $run_state/pins" || true
}
tidy_too() {
    local prefix
    [ ! -e "$run_state/pins" ] || for prefix in p one two k next; do pins drop $prefix 1000; done
}
nothing_left() {
    [ ! -e "$run_state/pins" ] || fail "left: $(find "$run_state/pins")"
    ! grep -q "$run_state/pins" /proc/self/mountinfo || fail 'a mount is left'
}

thousand() {
    local none few many
    none=$(lines)
    few=$(pins clone 300)
    pins add p 1000
    many=$(pins clone 300)
    assert_eq "$(pins count)" 1000
    assert_eq "$(lines)" $((none + 1)) 'lines of mountinfo'
    assert_eq "$(unshare --mount cat /proc/self/mountinfo | lines_of_pins)" 0
    netctr run -d --name k --network none "$box" sleep 1000
    assert_eq "$(lines_of_pins <"/proc/$(pid_of k)/mountinfo")" 0
    netctr rm -f k
    pins drop p 1000
    assert_eq "$(lines)" "$none"
    nothing_left
    note "clone(CLONE_NEWNS) takes $few us without pins, $many with 1,000"
}
t '1,000 pins are one line of the host, and none in new mount namespaces' thousand

elsewhere() {
    pins add one 1
    assert_eq "$(unshare --mount "$tools/pins" "$run_state" count)" 1
    unshare --mount "$tools/pins" "$run_state" add two 1
    assert_eq "$(pins count)" 2
    unshare --mount "$tools/pins" "$run_state" drop one 1
    pins drop two 1
    nothing_left
    # The first of all.
    unshare --mount "$tools/pins" "$run_state" add one 1
    assert_eq "$(pins count)" 1
    pins drop one 1
    nothing_left
}
t 'commands in a mount namespace of their own reach them' elsewhere

# Each system call killed, then the next command.
kill_each() { # add|drop [BEFORE]
    local point count=0
    "${2-true}"
    "$tools/strike" --list --report "$tmp/points" "$tools/pins" "$run_state" "$1" k 1
    pins drop k 1
    pins tidy
    [ "$(wc -l <"$tmp/points")" -gt 40 ] || fail "$(wc -l <"$tmp/points") points"
    while read -r point; do
        "${2-true}"
        "$tools/strike" --report "$tmp/report" --kill "$point" "$tools/pins" "$run_state" "$1" k 1 || true
        if [ $((count % 2)) = 0 ]; then
            pins add next 1
            [ "$(pins count)" -ge 1 ] || fail "$point: no pin after it"
            pins drop next 1
        fi
        pins drop k 1
        nothing_left
        count=$((count + 1))
    done <"$tmp/points"
    note "$count calls"
}
add_killed() { kill_each add; }
t 'pinning, killed at each call' add_killed
drop_killed() { kill_each drop present; }
present() { pins add k 1; }
t 'unpinning, killed at each call' drop_killed
