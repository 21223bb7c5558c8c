#!/usr/bin/env bash
# The run directory is lost while a container runs, and the next command is killed while it ends what no record
# mentions any more: the command after that does the rest.
. "$(dirname "$0")/../struck.sh"

# The sample covers the calls before the end of the sweep, and the moment after it.
points=14
# The monitor of a container that is ended this way has no record: it releases its ports as soon as it notices.
next_port=8083
points_but() { awk -F '[:.]' -v never="^($1)\$" '$1 == 0 && $2 !~ never && ++n <= 700' "$tmp/points"; }

prepare() {
    lose_run_directory
    "${nc[@]}" run -d "${everything[@]}" "$box" sleep 100 >"$tmp/out"
    orphan=$(sed -n 's/.*"pid": \([0-9]*\).*/\1/p' "$run_state/containers/k/state.json")
    kill -0 "$orphan"
    lose_run_directory
}
# gc would look for everything anyway: here another command has to repair.
eval "$(declare -f next_command | sed '1s/next_command/any_command/')"
next_command() {
    [ "$1" != gc ] || set -- ps
    any_command "$@"
}
# How it ended is unknown.
look_after_k() { next_command rm -f k; }
compare() {
    ! kill -0 "$orphan" 2>/dev/null || bad 'the orphan lives'
    eventually no_port || bad "a link is left: $(ip -oneline link show)"
    ! nft list ruleset | has -e 8080 -e 9090 -e 9091 || bad 'an element is left'
    [ -z "$(find /sys/fs/cgroup -type d -path '*/netctr/*/*' ! -name helpers)" ] || bad 'a cgroup is left'
    [ "$(cat "$run_state/instance")" ] || bad 'it is not taken over'
    failures=$((failures + spoilt))
}
no_port() { ! ip -oneline link show | has ': vc-'; }
begin_strikes() {
    warm_up
    begin_counting
}
same_leases() { :; } # there are none

list() { kill_each ALL ps; }
t 'ps, killed while it takes the run directory over' list

run_another() { kill_each ALL run --rm --name other "$box" true; }
t 'run, killed while it takes the run directory over' run_another
