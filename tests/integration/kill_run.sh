#!/usr/bin/env bash
# `run` in its other forms, killed at each system call. If attached, the command is the client of its monitor.
. "$(dirname "$0")/../struck.sh"

attached() {
    kill_each ONE run "${everything[@]}" "$box" true
}
t 'run, one process killed' attached

# Before the container runs, the start is undone; after it, the container runs to its end.
client() {
    must_vanish=1 to_role=0
    kill_each ONE run --rm -i "${everything[@]}" "$box" true
}
t 'run --rm -i, the client killed' client

attached_all() {
    must_vanish=1
    kill_each ALL run --rm "${everything[@]}" "$box" true
}
# docker/for-linux #109, libnetwork #1850, podman #11324
t 'run --rm, all processes killed' attached_all

no_network() {
    kill_each ALL run -d --name k --network none --read-only -m 64m "$box" true
}
t 'run --network none, all processes killed' no_network

host_network() {
    kill_each ALL run -d --name k --network host --pids-limit 20 "$box" true
}
t 'run --network host, all processes killed' host_network

two_networks() {
    furnish() { furnish_blue; }
    kill_each ALL run -d --network default --network blue "${everything[@]}" "$box" true
}
t 'run on two networks, all processes killed' two_networks

in_place() {
    # A root directory of its own, as mount points that are created in it stay.
    cp -a "$box" "$tmp/root"
    netctr run --rm --in-place "${everything[@]}" "$tmp/root" true
    kill_each ALL run -d --in-place "${everything[@]}" "$tmp/root" true
}
t 'run --in-place, all processes killed' in_place
