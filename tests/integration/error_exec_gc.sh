#!/usr/bin/env bash
# `exec` and `gc` with one failing system call: they do all of it, or say why not.
. "$(dirname "$0")/../struck.sh"

may_live=1 must_stay=1

execute() {
    # shellcheck disable=SC2016
    local tell='grep -E "^(Cap|NoNew|Seccomp|Uid|Gid|Groups|SigBlk)" /proc/self/status
        cat /proc/self/cgroup; pwd; umask; env; ls /proc/self/fd; exit 3'
    success=3
    prepare() {
        "${nc[@]}" run -d "${everything[@]}" --hostname fixed "$box" sleep 100 >"$tmp/out"
        "${nc[@]}" exec -i k sh -c "$tell" </dev/null >"$tmp/right" || true
    }
    as_asked() {
        diff "$tmp/right" "$tmp/out" || grep -q '^netctr: warning: cannot ' "$tmp/err" ||
            bad 'the command is not as it was asked for'
    }
    after_strike() { status_is k running || bad 'the container does not run'; }
    fail_each exec -i k sh -c "$tell"
}
t 'exec, a system call fails' execute

collect() {
    success=0
    after_strike() { :; }
    prepare() {
        "${nc[@]}" run -d "${everything[@]}" "$box" sleep 100 >"$tmp/out"
        kill -KILL "$(sed -n 's/.*"monitor": \([0-9]*\).*/\1/p' "$run_state/containers/k/state.json")"
        # Its program dies with it, but a moment later, and the number of calls would differ until then.
        wait_for 5 gone
    }
    gone() {
        [ -z "$(find /sys/fs/cgroup -path "*/netctr/*/$(<"$tmp/out")/cgroup.procs" -exec cat {} +)" ]
    }
    as_asked() { [ ! -e "$run_state/containers/k" ] || bad 'it says that it has removed what is still there'; }
    fail_each gc
}
t 'gc, a system call fails' collect

# A link in the index of names that cannot be read is not a damaged one: those of living containers stay.
read_links() {
    local STRIKE=all errors=(EBUSY)
    points_but() { grep -F :readlinkat. "$tmp/points"; }
    collect
}
t 'gc, a link cannot be read' read_links
