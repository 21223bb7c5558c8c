#!/usr/bin/env bash
# top: the processes of a container.
. "$(dirname "$0")/../lib.sh"

background() { netctr run -d --network none "$@" >/dev/null; }
shows() { netctr top c | has "$@"; }

lists() {
    background --name c "$box" sleep 101
    background --name other "$box" sleep 103
    netctr exec -d -u 7:7 c sleep 102
    wait_for 5 shows ' sleep 102$'
    netctr top c >"$tmp/out"
    assert_eq "$(head -1 "$tmp/out" | tr -s ' ')" 'PID UID TIME COMMAND'
    grep -Eq "^$(pid_of c) +[0-9]+ +00:00:0[0-9] +sleep 101$" "$tmp/out" || fail "$(cat "$tmp/out")"
    ! grep -q 'sleep 103' "$tmp/out" || fail 'it shows another container'
    assert_eq "$(sed -n 's/ .*sleep 102$//p' "$tmp/out")" "$(pgrep -f '^sleep 102$')"
    netctr stop -t 0 c
    assert_status 125 netctr top c 2>"$tmp/err"
    assert_contains "$(cat "$tmp/err")" 'is not running'
    assert_status 125 netctr top other aux 2>"$tmp/err"
}
t 'top lists the processes of a container with their pids on the host' lists

hostile() {
    background --name d "$box" sh -c 'sleep 1000; : "$1"' "$(printf 'a\033[31m\nb')"
    netctr top d >"$tmp/out"
    assert_eq "$(grep -c sleep "$tmp/out")" "$(($(wc -l <"$tmp/out") - 1))" 'a line for each process'
    ! grep -q "$(printf '\033')" "$tmp/out" || fail 'an escape sequence'
    assert_contains "$(cat "$tmp/out")" '\x1b[31m\x0ab'
}
t 'a command line cannot write to the terminal or make lines of its own' hostile
