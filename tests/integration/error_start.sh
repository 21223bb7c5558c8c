#!/usr/bin/env bash
# A start of a container that has ended, with one failing system call: it runs, or one line says why not; its
# definition stays.
. "$(dirname "$0")/../struck.sh"

may_live=1 must_stay=1
await=()

as_asked() {
    eventually page 8080 || bad 'it does not answer'
    status_is k running || bad 'it does not run'
}
ended() {
    "${nc[@]}" run -d "$@" "${everything[@]}" "$box" httpd -f >"$tmp/out"
    "${nc[@]}" stop -t 0 k >"$tmp/out"
}

start() {
    prepare() { ended; }
    fail_each start k
}
t 'start, a system call fails' start

restart() {
    prepare() { "${nc[@]}" run -d "${everything[@]}" "$box" httpd -f >"$tmp/out"; }
    fail_each restart -t 0 k
}
t 'restart, a system call fails' restart

boot() {
    prepare() { ended --restart always; }
    fail_each boot
}
t 'boot, a system call fails' boot
