#!/usr/bin/env bash
# What puts things right, killed while it does: the next one does the rest.
. "$(dirname "$0")/../struck.sh"

must_stay=1

# A container whose monitor is dead, and a definition and a cgroup of nobody.
prepare() {
    local cgroup
    "${nc[@]}" run -d "${everything[@]}" "$box" sleep 100 >"$tmp/out"
    kill -KILL "$(sed -n 's/.*"monitor": \([0-9]*\).*/\1/p' "$run_state/containers/k/state.json")"
    mkdir -p "$state/containers/unfinished"
    cgroup=$(find /sys/fs/cgroup -type d -path '*/netctr/*/*' -print -quit)
    mkdir -p "${cgroup%/*}/0123456789ab"
    # Its program dies with it, but not at once; meanwhile the number of calls would differ.
    wait_for 5 gone
}
gone() {
    [ -z "$(find /sys/fs/cgroup -path "*/netctr/*/$(<"$tmp/out")/cgroup.procs" -exec cat {} +)" ]
}

collect() {
    kill_each ALL gc
}
# docker/for-linux #109, libnetwork #1850, podman #11324
t 'gc, killed while it repairs' collect

list() {
    kill_each ALL ps
}
t 'ps, killed while it repairs' list

run_another() {
    kill_each ALL run --rm --name other -p 8080:80 "$box" true
}
t 'run, killed while it repairs' run_another
