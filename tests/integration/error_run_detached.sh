#!/usr/bin/env bash
# `run -d` with many flags and one failing system call: either the container is as requested, down to the last mount
# and capability, or one line says what went wrong and nothing is left.
. "$(dirname "$0")/../struck.sh"

may_live=1
await=()

# Both halves of the container as text, without random values.
appearance() {
    local runtime=$run_state/containers/k id pid port range text hex='' i
    id=$(sed -n 's/.*"id": "\(.*\)".*/\1/p' "$runtime/state.json")
    pid=$(sed -n 's/.*"pid": \([0-9]*\),.*/\1/p' "$runtime/state.json")
    port=$(sed -n 's/.*"port": "\(vc-.*\)".*/\1/p' "$run_state/sandboxes/$id/endpoint.default.json")
    range=$(find "$state/ranges" -lname "$id" -printf '%f' 2>/dev/null) || true # another one for each container
    for ((i = 0; i < ${#port}; i++)); do printf -v hex '%s%02x' "$hex" "'${port:i:1}"; done
    text=$(
        "$tools/look" container "$pid"
        look | grep -vE '^file .*/(containers/k|dns|sandboxes)/|^process sleep|^lease' | comm -13 "$tmp/before" -
        # not the sums of look, which contain the id
        (cd "$run_state/dns" && grep -sHF "$id" "container/$id/default" && find address -lname "*$id*" -printf '%p %l\n')
        # An address that an earlier k has returned is listed until it may be given out again.
        leases default | grep -o '^[0-9a-f.:,]* *k '
    )
    text=${text//$id/ID}
    text=${text//$port/PORT}
    [ -z "$range" ] || text=${text//$range/RANGE}
    sort <<<"${text//$hex/PORT}"
}

looks_right() {
    appearance >"$tmp/appearance" && cmp -s "$tmp/appearance" "$tmp/right"
}

# Cgroup files that the kernel refuses to mount are left out of the container.
lacks_cgroups() {
    [[ $point == *=EPERM || $point == *=EBUSY ]] &&
        diff <(grep -v '^mount /sys/fs/cgroup' "$tmp/right") <(grep -v '^mount /sys/fs/cgroup' "$tmp/appearance") >"$tmp/now"
}

# The socket that tells users on [::1] apart is opened early, while there are files, and otherwise for the first client.
opens_a_socket_later() {
    local files
    files=$(sed -n 's/^process netctr with \([0-9]*\) files$/\1/p' "$tmp/right")
    [[ $point == 1:socket.* && $files =~ ^[0-9]+$ ]] &&
        sed "s/^process netctr with $files files$/process netctr with $((files - 1)) files/" "$tmp/right" |
        sort | diff "$tmp/appearance" - >"$tmp/now"
}

looks_as_it_may() {
    looks_right || lacks_cgroups || opens_a_socket_later
}

as_asked() {
    if [ ! -e "$run_state/containers/k/state.json" ]; then
        bad 'there is no container'
        return
    fi
    if ! eventually looks_as_it_may; then
        bad 'the container is not as it was asked for'
        diff "$tmp/right" "$tmp/appearance" || true
    fi
    page 8080 || bad 'it does not answer'
}

set_up() {
    same_leases
    "${nc[@]}" run -d "${everything[@]}" "$box" httpd -f >"$tmp/out"
    wait_for 5 page 8080
    appearance >"$tmp/right"
    until sleep 0.1 && looks_right; do mv "$tmp/appearance" "$tmp/right"; done
    "${nc[@]}" rm -f k >/dev/null
}

one_fails() {
    fail_each run -d "${everything[@]}" "$box" httpd -f
}
t 'run -d, a system call fails' one_fails

# Of the monitor's last sockets, one can be opened later.
no_socket() {
    local STRIKE=all errors=(ENOMEM)
    points_but() { grep '^1:socket\.' "$tmp/points" | tail -2; }
    one_fails
}
t 'run -d, one of the last sockets cannot be opened' no_socket
