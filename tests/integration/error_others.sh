#!/usr/bin/env bash
# Commands for containers with one failing system call: they have done what they report, or say why not.
. "$(dirname "$0")/../struck.sh"

may_live=1 must_stay=1

prepare() {
    "${nc[@]}" run -d "${everything[@]}" "$box" sh -c 'trap "exit 0" TERM; sleep 100 & wait' >"$tmp/out"
}

stop() {
    as_asked() { [ ! -e "$run_state/containers/k" ] || bad 'it has not ended'; }
    fail_each stop -t 5 k
}
t 'stop, a system call fails' stop

remove() {
    must_stay=0
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
        diff "$tmp/elements" "$tmp/now" || grep -q '^netctr: warning: cannot ' "$tmp/err" ||
            bad 'the firewall is another one'
    }
    fail_each network reload
}
t 'network reload, a system call fails' reload
