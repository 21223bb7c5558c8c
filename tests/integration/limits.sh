#!/usr/bin/env bash
# -m, --cpus and --pids-limit: what the container sees, what the kernel is set to, what it enforces.
. "$(dirname "$0")/../lib.sh"

# in_box [FLAGS...] SCRIPT
in_box() {
    netctr run --rm --network none "${@:1:$#-1}" "$box" sh -c "${!#}"
}

# limit_of CONTAINER FILE_V1 FILE_V2: what the host's cgroup files say for its first program.
limit_of() {
    local pid
    pid=$(pid_of "$1")
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
        cat "/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$pid/cgroup")/$3"
    else
        local controller=${2%%.*}
        cat "/sys/fs/cgroup/$controller$(awk -F: -v c="$controller" '$2 == c { print $3 }' \
            "/proc/$pid/cgroup")/$2"
    fi
}

container_with() {
    netctr run -d --name c --network none "$@" "$box" sleep 100 >/dev/null
}

memory_is_set() {
    container_with -m 64m
    assert_eq "$(limit_of c memory.limit_in_bytes memory.max)" 67108864
    netctr rm -f c
    container_with --memory 1g
    assert_eq "$(limit_of c memory.limit_in_bytes memory.max)" 1073741824
}
t '-m sets the limit of memory' memory_is_set

fractions_and_none() {
    container_with -m 1.5g --cpus .50 # in docker's notation
    assert_eq "$(limit_of c memory.limit_in_bytes memory.max)" 1610612736
    assert_eq "$(netctr inspect c | jq '.[0].limits.cpu_milli')" 500
    netctr rm -f c
    container_with
    local usual
    usual="$(limit_of c memory.limit_in_bytes memory.max) $(limit_of c cpu.cfs_quota_us cpu.max)"
    netctr rm -f c
    container_with -m 0 --cpus 0 --pids-limit 0
    assert_eq "$(limit_of c memory.limit_in_bytes memory.max) $(limit_of c cpu.cfs_quota_us cpu.max)" "$usual"
    assert_eq "$(limit_of c pids.max pids.max)" max
    netctr rm -f c
    container_with --pids-limit -1
    assert_eq "$(limit_of c pids.max pids.max)" max
}
t 'a fraction of memory; 0 is no limit' fractions_and_none

memory_is_enforced() {
    # tail keeps what it reads until the end; with enough memory the same program succeeds.
    in_box -m 128m 'head -c 30000000 /dev/zero | tail -c 30000000 | wc -c' | has -x 30000000
    assert_lacks "$(in_box -m 16m 'head -c 30000000 /dev/zero | tail -c 30000000 | wc -c' || true)" 30000000
}
t '-m is enforced' memory_is_enforced

killed_for_memory() {
    assert_status 137 netctr run --rm --network none -m 16m "$box" tail -c 100000000 /dev/zero
}
t 'a program that exceeds its memory is killed: 137' killed_for_memory

memory_of() { # NAME
    netctr inspect "$1" | jq -c '.[0].state | [.exit_status, .oom_killed, .oom_kills]'
}
eater='x=x; while :; do x=$x$x; done'
# The kernel counts the processes that it kills. What killed the program itself is a separate question.
who_was_killed() {
    run() { netctr run --network none -m 16m "$@"; }
    assert_status 137 run --name program "$box" sh -c "$eater" 2>"$tmp/err"
    assert_eq "$(cat "$tmp/err")" 'netctr: warning: container `program` was killed: it needed more memory than its limit (-m) of 16.0 MiB'
    assert_eq "$(memory_of program)" '[137,true,1]'
    netctr ps -a | grep ' program$' | has -F ', out of memory'
    assert_status 7 run --name child "$box" sh -c 'tail /dev/zero; exit 7' 2>"$tmp/err"
    assert_eq "$(memory_of child)" '[7,false,1]'
    assert_status 137 run --name says "$box" sh -c 'tail /dev/zero; exit 137' 2>>"$tmp/err"
    assert_eq "$(memory_of says)" '[137,false,1]'
    # After a child, or a command of exec, has been killed, something else ends it.
    for name in killed stopped; do
        run -d --name $name "$box" sleep 100 >/dev/null
        assert_status 137 netctr exec $name tail /dev/zero
        assert_eq "$(memory_of $name)" '[null,null,1]' 'while it runs'
    done
    netctr kill killed
    netctr stop -t 0 stopped
    run --rm "$box" sh -c 'kill -KILL $$' 2>>"$tmp/err" || true # pid 1 ignores its own SIGKILL
    assert_eq "$(memory_of killed) $(memory_of stopped)" '[137,false,1] [137,false,1]'
    assert_eq "$(netctr ps -a | grep -c 'out of memory')" 1
    assert_lacks "$(cat "$tmp/err")" memory
    # Each run is counted separately.
    netctr run -d --network none -m 16m --name twice --restart on-failure:1 "$box" sh -c "[ -e /ran ] && exit 3; touch /ran; $eater" >/dev/null
    wait_for 10 status_is twice exited
    assert_eq "$(memory_of twice)" '[3,false,0]'
    netctr run -d --network none -m 16m --name again --restart always "$box" sh -c "$eater" >/dev/null
    wait_for 10 eval 'netctr ps | has -F "Restarting (137), out of memory, "'
    wait_for 10 eval '[ "$(memory_of again)" = "[137,true,null]" ]' # while it pauses before its next run
    netctr start killed
    netctr stop -t 0 killed
    assert_eq "$(memory_of killed)" '[137,false,0]'
}
# ecs-agent #2467
t 'out of memory is reported only for a program that died of it' who_was_killed

cpus_are_set() {
    container_with --cpus 0.5
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
        assert_eq "$(limit_of c '' cpu.max)" '50000 100000'
    else
        assert_eq "$(limit_of c cpu.cfs_quota_us '')" 50000
        assert_eq "$(limit_of c cpu.cfs_period_us '')" 100000
    fi
}
t '--cpus sets quota and period' cpus_are_set

cpus_are_enforced() {
    # The same work takes the same CPU time, but a fifth of a CPU delays it.
    container_with --cpus 0.2
    netctr exec c timeout 1 sh -c 'while :; do :; done' || true
    limit_of c cpu.stat cpu.stat | awk '$1 == "nr_throttled" && $2 > 0 { found = 1 } END { exit !found }'
    netctr rm -f c
    container_with
    netctr exec c timeout 1 sh -c 'while :; do :; done' || true
    assert_lacks "$(limit_of c cpu.stat cpu.stat)" 'nr_throttled 1'
}
t '--cpus is enforced, for exec as well' cpus_are_enforced

pids_are_set() {
    container_with --pids-limit 7
    assert_eq "$(limit_of c pids.max pids.max)" 7
    # One is pid 1; the shell of the loop and six more do not fit.
    local script='n=0; while [ $n -lt 20 ]; do sleep 5 & n=$((n + 1)); done; echo all'
    assert_lacks "$(netctr exec c sh -c "$script" 2>&1 || true)" all
    netctr rm -f c
    container_with --pids-limit 50
    assert_contains "$(netctr exec c sh -c "$script" 2>&1)" all
}
t '--pids-limit is set and enforced' pids_are_set

from_the_first_instruction() {
    # The program is in its cgroup before it runs: it sees that as its cgroup root.
    local file=/sys/fs/cgroup/memory/memory.limit_in_bytes
    [ ! -e /sys/fs/cgroup/cgroup.controllers ] || file=/sys/fs/cgroup/memory.max
    assert_eq "$(netctr run --rm --network none -m 64m "$box" cat $file)" 67108864
    assert_eq "$(netctr run --rm --network none "$box" grep -c ':/$' /proc/self/cgroup)" \
        "$(netctr run --rm --network none "$box" sh -c 'wc -l </proc/self/cgroup')" 'its own root'
}
t 'limits hold before the first instruction' from_the_first_instruction

nothing_is_left() {
    container_with -m 64m --pids-limit 10 --cpus 1
    netctr rm -f c
    no_cgroups() { [ -z "$(find /sys/fs/cgroup -type d -path '*/netctr/*/*')" ]; }
    wait_for 3 no_cgroups # the cgroup of the helpers is removed a moment later
}
t 'no cgroup outlives its container' nothing_is_left
