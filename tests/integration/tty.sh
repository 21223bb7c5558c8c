#!/usr/bin/env bash
# run -t: the program has a terminal of the container's own, and the caller's terminal is restored.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/terminal.sh"

drive() { # STEPS ARG…
    on_terminal "$1" run --rm --network none "${@:2}"
}

has_a_terminal() {
    local out
    out=$(TERM=xterm drive '' -it "$box" sh -c 'tty; stty size; echo $TERM; test -c /dev/console && echo console; exit 7')
    assert_contains "$out" /dev/
    assert_contains "$out" '30 100'
    assert_contains "$out" xterm
    assert_contains "$out" console
    assert_contains "$out" 'status 7 restored left 0'
    assert_contains "$(TERM=vt220 drive '' -it "$box" sh -c 'echo $TERM')" vt220
    out=$(drive '' -it --user 1000:1000 --cpus 0.5 "$box" sh -c 'echo mine >/dev/tty; stty size </dev/tty')
    assert_contains "$out" mine
    assert_contains "$out" '30 100'
    assert_contains "$out" 'status 0 restored'
}
t 'run -it: a terminal of the size of ours, which is restored' has_a_terminal

keys() {
    local out
    out=$(drive 'ready=>\x03;;interrupted=>\x04' -it "$box" \
        sh -c 'trap "echo interrupted; n=1" INT; echo ready; until [ "$n" ]; do sleep 0.05; done; cat; echo ended')
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

stopped() {
    local out signal
    for signal in SIGTSTP SIGSTOP; do
        local steps="ready=>kill $signal;;=>stopped;;"
        [ $signal = SIGSTOP ] || steps+='=>cooked;;' # no process can do that before a SIGSTOP
        out=$(drive "$steps=>resize 41 99;;=>kill SIGCONT;;=>raw;;41 99=>" -it "$box" \
            sh -c 'echo ready; until stty size | grep "41 99"; do sleep 0.05; done')
        assert_contains "$out" 'status 0 restored left 0'
    done
}
t 'SIGTSTP restores the terminal before the client stops, and SIGCONT makes it raw again' stopped

killed() {
    local out
    out=$(on_terminal 'ready=>kill SIGKILL' run -it --name k --network none "$box" \
        sh -c 'echo ready; until [ -e /go ]; do sleep 0.02; done; echo went on; sleep 1000')
    assert_contains "$out" 'status -9 restored left 0'
    netctr exec k touch /go
    wait_for 10 eval 'netctr logs k | grep -q "went on"'
    status_is k running
}
t 'a client that is killed: the terminal is restored, and the container runs on' killed

warns() {
    local out
    out=$(drive 'ready=>kill SIGINT;;got it=>kill SIGINT;;once more kills it\r\n=>kill SIGINT' -it "$box" \
        sh -c 'trap "echo got it" INT; echo ready; while :; do sleep 0.05; done' | cat -A)
    assert_contains "$out" 'status 137 restored left 0'
}
t 'a warning on the raw terminal ends with a carriage return' warns

piped() {
    on_terminal '' exec k true >/dev/null || true
    timeout -s KILL $((40 * slowness)) python3 "$top/tests/terminal.py" '' sh -c \
        "'$ARENA/bin/netctr' run --rm -it --network none '$box' stty size | cat" >"$tmp/out"
    assert_contains "$(cat "$tmp/out")" '30 100'
}
t 'the size is that of stdin if stdout is no terminal' piped

# All processes close the terminal, and one opens it again.
reopened() {
    netctr run -d -t --name k --network none "$box" \
        sh -c 'exec </dev/null >/dev/null 2>&1; until [ -e /go ]; do sleep 0.02; done; echo again >/dev/console; sleep 1000' >/dev/null
    local monitor before after
    monitor=$(monitor_of k)
    wait_for 10 eval '! netctr exec k ls -l /proc/1/fd | grep -q pts'
    before=$(awk '{ print $14 + $15 }' "/proc/$monitor/stat")
    sleep 0.5
    after=$(awk '{ print $14 + $15 }' "/proc/$monitor/stat")
    [ $((after - before)) -lt 10 ] || fail "the monitor loops: $((after - before)) ticks in half a second"
    netctr exec k touch /go
    wait_for 10 eval 'netctr logs k | grep -q again'
}
t 'a terminal that all processes close can be opened again, and the monitor does not loop' reopened

# The program can type into its own terminal alone: the caller's does not show what it types.
cat >"$tmp/type.pl" <<'END'
my $done = 0;
for my $file (glob('/dev/pts/*'), '/dev/tty', '/dev/console', map { "/proc/1/fd/$_" } 0 .. 20) {
    open(my $f, '+<', $file) or next;
    for my $c (split //, "typed\n") { $done++ if ioctl($f, 0x5412, $c) }
}
print "tried $done\n";
END
types() {
    command -v perl >/dev/null || skip 'no perl'
    local out
    out=$(timeout -s KILL $((40 * slowness)) python3 "$top/tests/terminal.py" 'after=>' bash -c \
        "'$ARENA/bin/netctr' run --rm -it --network none --cap-add SYS_ADMIN -v '$tmp:/t' -v /usr:/usr -v /lib:/lib -v /lib64:/lib64 '$box' /usr/bin/perl /t/type.pl; echo after; read -t 0.3 line; echo \"read <\$line>\"")
    assert_contains "$out" 'tried '
    assert_contains "$out" 'read <>'
    # The control: who has the terminal open can type into it, where the kernel permits it.
    [ "$(cat /proc/sys/dev/tty/legacy_tiocsti 2>/dev/null || echo 1)" = 1 ] || return 0
    out=$(timeout -s KILL $((40 * slowness)) python3 "$top/tests/terminal.py" 'after=>' bash -c \
        "perl -e 'ioctl(STDIN, 0x5412, \$_) for split //, qq(typed\n)'; echo after; read -t 5 line; echo \"read <\$line>\"")
    assert_contains "$out" 'read <typed>'
}
t 'a program cannot type into the terminal of its caller' types
