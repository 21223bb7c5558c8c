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
t 'state.json damaged in every way' damaged_state
t 'endpoint.default.json damaged in every way' damaged_endpoint
t 'sandbox.json damaged in every way' damaged_sandbox
t 'the lock of a sandbox damaged in every way' damaged_life
t 'lock damaged in every way' damaged_lock
t 'flags damaged in every way' damaged_flags
t 'config.json damaged in every way' damaged_definition
