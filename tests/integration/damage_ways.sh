#!/usr/bin/env bash
# State files with content that netctr has not written, one kind of damage after the other.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../damage.sh"

ways=(empty nothing directory link dangling fifo huge deep array newer types numbers negative)

each_way() { # FILE
    local how passwd file
    passwd=$(md5sum /etc/passwd)
    begin
    try_of "${ways[@]}"
    for how in "${tried[@]}"; do
        victim
        file=${1/@/$run_state}
        replaced_by "${file/SANDBOX/$sandbox}" "$how"
        endure "$1: $how"
    done
    assert_eq "$(md5sum /etc/passwd)" "$passwd" /etc/passwd
}
damaged_state() { each_way @/containers/k/state.json; }
damaged_endpoint() { each_way SANDBOX/endpoint.default.json; }
damaged_lock() { ways=(empty nothing directory link fifo) && each_way @/containers/k/lock; }
damaged_sandbox() { each_way SANDBOX/sandbox.json; }
damaged_life() { ways=(empty nothing directory link fifo) && each_way SANDBOX/lock; }
damaged_flags() { ways=(empty nothing directory link fifo) && each_way @/containers/k/flags; }
damaged_definition() { ways=(empty nothing directory link fifo deep newer types numbers) && each_way "$state/containers/k/config.json"; }
# Directories that only netctr reads. What is in their place is replaced, and a link is never followed to delete.
hidden_directories() {
    local where how hidden
    mkdir "$tmp/precious"
    begin
    for where in "$state/containers/.trash" "$state/containers/.ids" "$run_state/leases/default/last"; do
        hidden=${where##*/}
        for how in file link dangling fifo directory; do
            victim
            rm -rf "$where"
            echo gold | tee "$tmp/precious/000000000000" >"$tmp/precious/gold"
            ln -sfn /nowhere "$tmp/precious/10.88.0.9"
            case $how in
            file) echo x >"$where" ;;
            link) ln -s "$tmp/precious" "$where" ;;
            dangling) ln -s /nowhere/x "$where" ;;
            fifo) mkfifo "$where" ;;
            directory) mkdir -p "$where/x" ;;
            esac
            soon gc
            [ "$hidden $how" = '.trash link' ] || within 10 "$ARENA/bin/netctr" run --rm "$box" true || fail "$hidden: $how: no start"
            endure "$hidden: $how"
            assert_eq "$(cat "$tmp/precious/gold" "$tmp/precious/000000000000" | tr '\n' ' ')" 'gold gold ' "$hidden: $how"
            [ -L "$tmp/precious/10.88.0.9" ] || fail "$hidden: $how: it deletes through the link"
        done
    done
}
t 'what is in the place of the index of ids, the trash or the last address' hidden_directories
t 'state.json damaged in every way' damaged_state
t 'endpoint.default.json damaged in every way' damaged_endpoint
t 'sandbox.json damaged in every way' damaged_sandbox
t 'the lock of a sandbox damaged in every way' damaged_life
t 'lock damaged in every way' damaged_lock
t 'flags damaged in every way' damaged_flags
t 'config.json damaged in every way' damaged_definition
