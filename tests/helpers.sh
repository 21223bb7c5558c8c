# tests/helpers.sh - sourced after tests/lib.sh by the files about the helpers: finding and stopping them.

# shellcheck shell=bash
# shellcheck disable=SC2154 # lib.sh's

who() { # helper|standby: its pid, or nothing
    netctr info --format json | jq -r ".helpers.$1 // empty"
}
name_servers() {
    netctr info --format json | jq -r '.helpers.name_servers[] | values'
}
names_port() {
    netctr info --format json | jq -r .helpers.names_port
}
helpers_work() {
    [ "$(netctr info --format json | jq -c '[.helpers.work, (.helpers.helper, .helpers.standby, .helpers.name_servers[] | . != null)]')" = '[true,true,true,true,true]' ]
}
helper_processes() {
    pgrep -f '^netctr (helper|names)' || true
}
# None that exits either: it loses its title first (pgrep and ps see `[netctr]'), and then the lock on the state file. A
# start in between takes it for a working helper, and does not start another.
no_helpers() {
    { ps -C netctr -o stat=,args= || true; } |
        awk '$1 !~ /^Z/ && ($2 == "[netctr]" || $2 " " $3 ~ /^netctr (helper|names)/) { n++ } END { exit n > 0 }'
}
# Those that a test has stopped go on. A command replaces them only once they have been stopped for a second and a
# half, so a test could wait for that in vain.
helpers_go_on() {
    # shellcheck disable=SC2046
    go_signal $(who helper) $(who standby)
    wait_for 5 helpers_work
}
# No helper cleans up before the next start. They are stopped first, or one would replace another.
kill_helpers() {
    local signal
    helpers_go_on
    until no_helpers; do
        # shellcheck disable=SC2046
        for signal in STOP KILL; do kill -$signal $(helper_processes) 2>/dev/null || true; done
    done
}
gone() { # PID
    ! kill -0 "$1" 2>/dev/null || [ "$(awk '{ print $3 }' "/proc/$1/stat" 2>/dev/null)" = Z ]
}
is_not() { # it is another process
    local now
    now=$(who "$1") && [ -n "$now" ] && [ "$now" != "$2" ]
}

# From here on no helper notices flushes and deaths, until a command of netctr; names are served all the same.
nobody_watches() {
    helpers_go_on
    # shellcheck disable=SC2046
    kill -STOP $(who helper) $(who standby)
}

# Ways to make a process hang, and to continue it.
stop_signal() { kill -STOP "$@"; }
go_signal() { kill -CONT "$@" 2>/dev/null || true; }
stop_trace() {
    local pid
    for pid in "$@"; do
        "$top/${NETCTR_BUILD:-build}/tests/ask" --trace "$pid" 600 &
        wait_for 5 traced "$pid"
    done
}
freezer() { # the directory of the test's own cgroup, v1 or v2
    local v1
    v1=$(awk '$3 == "cgroup" && $4 ~ /(^|,)freezer(,|$)/ { print $2; exit }' /proc/mounts)
    echo "${v1:-$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)}/frozen-by-a-test"
}
stop_freeze() {
    local dir pid
    dir=$(freezer)
    mkdir -p "$dir"
    trap go_freeze EXIT # a frozen process does not even die
    for pid in "$@"; do echo "$pid" >"$dir/cgroup.procs"; done
    if [ -e "$dir/freezer.state" ]; then echo FROZEN >"$dir/freezer.state"; else echo 1 >"$dir/cgroup.freeze"; fi
}
go_freeze() {
    local dir
    dir=$(freezer)
    [ -d "$dir" ] || return 0
    if [ -e "$dir/freezer.state" ]; then echo THAWED >"$dir/freezer.state"; else echo 0 >"$dir/cgroup.freeze"; fi
    wait_for 5 rmdir "$dir"
}
