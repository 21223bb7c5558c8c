#!/usr/bin/env bash
# `run -d` with many flags, killed at each system call: the command, its monitor (during its whole life) or the
# container's init; each alone, and all at once.
. "$(dirname "$0")/../struck.sh"

one() {
    kill_each ONE run -d "${everything[@]}" "$box" sleep 0.02
}
t 'run -d, one process killed' one

all() {
    kill_each ALL run -d "${everything[@]}" "$box" sleep 0.02
}
t 'run -d, all processes killed' all

removed() {
    must_vanish=1
    kill_each ALL run -d --rm "${everything[@]}" "$box" true
}
t 'run -d --rm, all processes killed' removed
