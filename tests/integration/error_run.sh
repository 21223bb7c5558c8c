#!/usr/bin/env bash
# `run`, attached, with one failing system call, up to the very last, of the client or of its monitor. The program prints
# what it sees; a run that succeeds must show the same as without the failure.
. "$(dirname "$0")/../struck.sh"

# shellcheck disable=SC2016
tell='grep -E "^(Cap|NoNew|Seccomp|Uid|Gid|Groups|SigBlk|NSsid)" /proc/self/status
    cut -d" " -f5,6 /proc/self/mountinfo; cat /etc/hosts /etc/hostname; ulimit -n; pwd; umask; env
    for f in /sys/fs/cgroup/*/memory.limit_in_bytes /sys/fs/cgroup/memory.max; do cat $f 2>/dev/null; done
    ls /proc/self/fd; ip -o address show dev eth0 2>/dev/null | grep -v fe80: | cut -d" " -f2-7; ip route; exit 3'
success=3

report() { # its output, without random values
    local id
    id=$(sed -n 's/^HOSTNAME=//p' "$tmp/out")
    sed "s/${id:-no id}/ID/g" "$tmp/out"
}

set_up() {
    "${nc[@]}" run --rm "${victim[@]}" "$box" sh -c "$tell" >"$tmp/out" || true
    report >"$tmp/right"
    grep -q 'HOSTNAME=ID' "$tmp/right"
    same_leases
    until sleep 0.3 && look --until "$tmp/before" 0 >"$tmp/now"; do :; done
    same_leases
    "${nc[@]}" run --rm "${victim[@]}" "$box" sh -c "$tell" >"$tmp/out" || true
    report >"$tmp/right"
}

as_asked() {
    report >"$tmp/told"
    if ! cmp -s "$tmp/told" "$tmp/right"; then
        # Cgroup files that the kernel refuses to mount are left out of the container.
        [[ $point == *=EPERM || $point == *=EBUSY ]] &&
            ! diff "$tmp/right" "$tmp/told" | grep '^[<>]' | has -vE '^< (/sys/fs/cgroup|[0-9]+$)' && return
        ! grep -q '^netctr: warning: cannot ' "$tmp/err" || return 0
        bad 'the container is not as it was asked for'
        diff "$tmp/right" "$tmp/told" || true
    fi
}

victim=("${everything[@]}")
kept() {
    fail_each run "${everything[@]}" "$box" sh -c "$tell"
}
t 'run, a system call fails' kept

removed() {
    fail_each run --rm -i "${everything[@]}" "$box" sh -c "$tell"
}
t 'run --rm -i, a system call fails' removed

client() {
    to_role=0
    fail_each run --rm -i "${everything[@]}" "$box" sh -c "$tell"
}
t "run --rm -i, a system call of the client fails" client

on_network() { # FLAGS: networks
    victim=(--name k -m 64m "$@")
    fail_each run "${victim[@]}" "$box" sh -c "$tell"
}
two_networks() {
    furnish() { furnish_blue; }
    on_network -p 8080:80 --network default --network blue:ip=10.90.0.9
}
t 'run on two networks, a system call fails' two_networks
no_network() { on_network --network none; }
t 'run --network none, a system call fails' no_network
host_network() { on_network --network host --hostname fixed; }
t 'run --network host, a system call fails' host_network

again() {
    success=1
    as_asked() { ! grep -q '^netctr: warning' "$tmp/err" || return 0; }
    set_up() { :; }
    fail_each run --restart on-failure:1 "${everything[@]}" "$box" false
}
t 'run --restart, a system call fails in either run' again
