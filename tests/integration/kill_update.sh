#!/usr/bin/env bash
# `update`, killed at each system call: its monitor changes definition and cgroup, or neither.
. "$(dirname "$0")/../struck.sh"

must_stay=1

of_one_mind() {
    local id file defined=old kernel=old
    ! grep -q '"pids": 33' "$state/containers/k/config.json" || defined=new
    id=$(sed -n 's/^ *"id": "\([^"]*\)".*/\1/p' "$run_state/containers/k/state.json")
    file=$(find /sys/fs/cgroup -path "*/netctr/*/$id*/pids.max" -exec grep -lx 33 {} + || true)
    [ -z "$file" ] || kernel=new
    [ $defined = $kernel ]
}

running() {
    may_live=1
    after_strike() {
        # Requests are served in turn: when this one is refused, the one before it is done.
        "${nc[@]}" network disconnect nowhere k >"$tmp/next" 2>&1 || true
        grep -q 'is not on network' "$tmp/next" || bad "its monitor does not answer: $(<"$tmp/next")"
        of_one_mind || bad 'its definition and its cgroup disagree'
    }
    prepare() { "${nc[@]}" run -d "${everything[@]}" "$box" sleep 100 >"$tmp/out"; }
    kill_each ALL update -m 32m --cpus 0.3 --pids-limit 33 k
}
t 'update of a running container, killed' running

defined() {
    after_strike() { :; }
    prepare() { "${nc[@]}" create "${everything[@]}" "$box" true >"$tmp/out"; }
    kill_each ONE update -m 32m --pids-limit 33 k
}
t 'update of a created container, killed' defined
