#!/usr/bin/env bash
# update: limits and restart policy of containers that run, and of those that do not.
. "$(dirname "$0")/../lib.sh"

limits_of() { # NAME
    netctr inspect "$1" | jq -c '.[0] | [.limits.memory, .limits.cpu_milli, .limits.pids, .restart]'
}
# The files of the container's cgroup that say how much memory, time and how many processes it may have.
in_kernel() { # NAME
    local id file dir
    id=$(netctr inspect "$1" | jq -r '.[0].id')
    for file in memory.limit_in_bytes memory.max cpu.cfs_quota_us cpu.max pids.max; do
        dir=$(find /sys/fs/cgroup -path "*/netctr/*/$id" -type d -exec test -e "{}/$file" \; -print -quit)
        [ -z "$dir" ] || [ ! -e "$dir/program/$file" ] || dir=$dir/program
        [ -z "$dir" ] || printf '%s ' "$(cut -d' ' -f1 "$dir/$file")"
    done
}

while_it_runs() {
    local before
    netctr run -d --name a --pids-limit 50 "$box" sleep 1000 >/dev/null
    before=$(pid_of a)
    assert_eq "$(netctr update -m 64m --cpus 0.5 --pids-limit 20 --restart always a)" a
    assert_eq "$(limits_of a)" '[67108864,500,20,"always"]'
    assert_eq "$(in_kernel a)" '67108864 50000 20 '
    netctr update -m 32m a # less than before, and later more
    assert_eq "$(in_kernel a)" '33554432 50000 20 '
    netctr update -m 256m a
    assert_eq "$(in_kernel a)" '268435456 50000 20 '
    netctr update -m 0 --cpus 0 --pids-limit 0 a
    assert_eq "$(limits_of a)" '[0,0,0,"always"]'
    case $(in_kernel a) in 9223372036854771712' -1 max ' | 'max max max ') ;; *) fail "$(in_kernel a)" ;; esac
    assert_eq "$(pid_of a)" "$before"
    netctr update --pids-limit 30 a
    netctr restart -t 0 a
    assert_contains "$(in_kernel a)" ' 30 '
}
t 'update changes the limits of a running container and of its next run' while_it_runs

while_it_does_not() {
    netctr create --name a --network host "$box" sleep 1000 >/dev/null
    netctr update -m 64m --restart on-failure:3 a
    assert_eq "$(limits_of a)" '[67108864,0,2048,"on-failure:3"]'
    status_is a created
    netctr start a
    assert_contains "$(in_kernel a)" '67108864 '
    netctr update -m 32m a # without a network of its own
    assert_contains "$(in_kernel a)" '33554432 '
}
t 'update changes the definition of a container that does not run' while_it_does_not

restarts_by_it() {
    netctr run -d --name a "$box" sleep 1000 >/dev/null
    netctr update --restart always a
    kill -KILL "$(pid_of a)"
    wait_for 5 eval '[ "$(state_of a restarts)" -gt 0 ]'
    wait_for 5 status_is a running
    netctr update --restart no a
    kill -KILL "$(pid_of a)"
    wait_for 5 status_is a exited
}
t 'update --restart counts when the program ends' restarts_by_it

is_refused() {
    netctr run -d --name a -m 64m "$box" sh -c \
        'dd if=/dev/zero bs=1M count=24 of=/dev/shm/used 2>/dev/null && echo ready && sleep 1000' >/dev/null
    wait_for 5 eval 'netctr logs a | has ready'
    before=$(in_kernel a)
    assert_fails netctr update -m 8m --pids-limit 10 a 2>"$tmp/err"
    assert_contains "$(cat "$tmp/err")" 'update container `a`: '
    assert_eq "$(limits_of a)" '[67108864,0,2048,"no"]'
    assert_eq "$(in_kernel a)" "$before"
    status_is a running
    assert_fails netctr update -m 1m a 2>/dev/null
    assert_fails netctr update a 2>/dev/null
    netctr run -d --rm --name b "$box" sleep 1000 >/dev/null
    assert_fails netctr update --restart always b 2>"$tmp/err"
    assert_contains "$(cat "$tmp/err")" 'made with --rm'
}
t 'a limit that the kernel refuses changes nothing' is_refused

# v1: the cgroup above may have less time than its child asks for, which shows when the memory has been set.
is_taken_back() {
    local before above
    netctr run -d --name a -m 64m --cpus 0.1 "$box" sleep 1000 >/dev/null
    above=$(find /sys/fs/cgroup -path "*/netctr/*/$(netctr inspect a | jq -r '.[0].id')" -type d \
        -exec test -e '{}/cpu.cfs_quota_us' \; -print -quit)
    [ -n "$above" ] || skip 'cgroups v2 allow it'
    before=$(in_kernel a)
    echo 50000 >"$(dirname "$above")/cpu.cfs_quota_us"
    netctr update --cpus 0.2 a
    netctr update --cpus 0.1 a
    assert_fails netctr update -m 32m --cpus 0.9 --pids-limit 10 a 2>"$tmp/err"
    assert_contains "$(cat "$tmp/err")" 'cpu.cfs_quota_us'
    assert_eq "$(limits_of a)" '[67108864,100,2048,"no"]'
    assert_eq "$(in_kernel a)" "$before"
}
t 'limits that were set before one is refused are taken back' is_taken_back
