#!/usr/bin/env bash
# The commands that act on containers, in which one system call fails: they have done what they say, or
# say why not.
. "$(dirname "$0")/../struck.sh"

may_live=1

prepare() {
    "${nc[@]}" run -d "${everything[@]}" "$box" sh -c 'trap "exit 0" TERM; sleep 100 & wait' >"$tmp/out"
}

stop() {
    as_asked() { [ ! -e "$run_state/containers/k" ] || bad 'it has not ended'; }
    fail_each stop -t 5 k
}
t 'stop, a system call fails' stop

remove() {
    as_asked() { [ ! -e "$state/containers/k" ] || bad 'it is still there'; }
    fail_each rm -f k
}
t 'rm -f, a system call fails' remove

reload() {
    prepare() {
        "${nc[@]}" run -d "${everything[@]}" "$box" sleep 100 >"$tmp/out"
        look | grep ^element >"$tmp/elements"
    }
    as_asked() {
        look | grep ^element >"$tmp/now"
        diff "$tmp/elements" "$tmp/now" || bad 'the firewall is another one'
    }
    fail_each network reload
}
t 'network reload, a system call fails' reload

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
    }
    as_asked() { [ ! -e "$run_state/containers/k" ] || bad 'it says that it has removed what is still there'; }
    fail_each gc
}
t 'gc, a system call fails' collect
