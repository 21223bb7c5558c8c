#!/usr/bin/env bash
# run -t: the program has a terminal of the container's own, and the caller's terminal is restored.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/terminal.sh"

drive() { # STEPS ARG…
    on_terminal "$1" run --rm --network none "${@:2}"
}

has_a_terminal() {
    local out
    out=$(drive '' -it "$box" sh -c 'tty; stty size; echo $TERM; test -c /dev/console && echo console; exit 7')
    assert_contains "$out" /dev/
    assert_contains "$out" '30 100'
    assert_contains "$out" xterm
    assert_contains "$out" console
    assert_contains "$out" 'status 7 restored left 0'
    out=$(drive '' -it --user 1000:1000 --cpus 0.5 "$box" sh -c 'echo mine >/dev/tty; stty size </dev/tty')
    assert_contains "$out" mine
    assert_contains "$out" '30 100'
    assert_contains "$out" 'status 0 restored'
}
t 'run -it: a terminal of the size of ours, which is restored' has_a_terminal

keys() {
    local out
    out=$(drive 'ready=>\x03;;interrupted=>\x04' -it "$box" \
        sh -c 'trap "echo interrupted" INT; echo ready; sleep 30; cat; echo ended')
    assert_contains "$out" interrupted
    assert_contains "$out" ended
    assert_contains "$out" 'status 0 restored left 0'
}
t '^C and ^D are keys for the program, not for the client' keys

resizes() {
    local out
    out=$(drive 'ready=>resize 41 99;;41 99=>' -it "$box" \
        sh -c 'echo ready; until stty size | grep "41 99"; do sleep 0.05; done')
    assert_contains "$out" 'status 0 restored left 0'
}
t 'a new size of the terminal reaches the program' resizes

signalled() {
    local out signal
    for signal in SIGTERM SIGHUP SIGINT; do
        out=$(drive "ready=>kill $signal;;got it=>" -it "$box" \
            sh -c 'trap "echo got it; exit 9" TERM HUP INT; echo ready; while :; do sleep 0.05; done')
        assert_contains "$out" 'status 9 restored left 0'
    done
}
t 'a signal for the client goes to the program, and the terminal is restored' signalled

no_host_terminal() {
    local out
    out=$(drive '' -it "$box" sh -c 'for f in /proc/self/fd/*; do readlink $f; done; ls -1 /dev/pts; echo end')
    assert_eq "$(grep -c '^[0-9]*$' <<<"$out")" 1 'terminals in the container'
    assert_eq "$(grep '^/dev/' <<<"$out" | sort -u | wc -l)" 1 'open terminals'
}
t 'no descriptor of the host'\''s terminal is in the container' no_host_terminal

without_terminal() {
    assert_status 125 netctr run --rm -it --network none "$box" true </dev/null 2>"$tmp/said"
    assert_contains "$(cat "$tmp/said")" 'the input device is not a TTY'
    assert_contains "$(netctr run --rm -t --network none "$box" tty </dev/null)" /dev/
    netctr run -d -t --name logged --network none "$box" sh -c 'tty; sleep 0.1; tty' >/dev/null
    wait_for 10 eval 'netctr logs logged | grep -q /dev/'
    netctr rm -f logged >/dev/null
}
t 'without a terminal: -it is refused, -t alone and -d -t work, and are logged' without_terminal
