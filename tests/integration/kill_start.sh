#!/usr/bin/env bash
# A start of a container that has ended, and a restarted program, killed at each system call: the container is never
# lost.
. "$(dirname "$0")/../struck.sh"

may_live=1 must_stay=1

start() {
    prepare() { "${nc[@]}" run "${everything[@]}" "$box" true </dev/null; }
    kill_each ALL start k
}
t 'start, all processes killed' start

await=()
restart() {
    prepare() { "${nc[@]}" run -d "${everything[@]}" "$box" sleep 100 >"$tmp/out"; }
    kill_each ALL restart -t 0 k
}
t 'restart, all processes killed' restart

boot() {
    prepare() {
        "${nc[@]}" run -d --restart always "${everything[@]}" "$box" sleep 100 >"$tmp/out"
        "${nc[@]}" stop -t 0 k >"$tmp/out"
    }
    kill_each ALL boot
}
t 'boot, all processes killed' boot

# What it needs is missing: its monitor retries.
boot_waits() {
    prepare() {
        mkdir -p "$tmp/gone"
        "${nc[@]}" run -d --restart always "${everything[@]}" -v "$tmp/gone:/gone" "$box" sleep 100 >"$tmp/out"
        "${nc[@]}" stop -t 0 k >"$tmp/out"
        rmdir "$tmp/gone"
    }
    kill_each ALL boot
}
t 'boot of a container that retries, all processes killed' boot_waits

await=(--all)
again() {
    must_stay=0
    prepare() { :; }
    kill_each ONE run -d --restart on-failure:1 "${everything[@]}" "$box" false
}
t 'run --restart, one process killed, through both runs' again
