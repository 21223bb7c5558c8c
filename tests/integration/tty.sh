#!/usr/bin/env bash
# run -t: the program has a terminal of the container's own, and the caller's terminal is restored.
. "$(dirname "$0")/../lib.sh"

# Runs a command on a terminal of 30 rows and 100 columns, and follows a script: each step is TEXT, for which it waits, and
# what to do then: type keys, resize, or send a signal to the command.
cat >"$tmp/drive.py" <<'END'
import fcntl, os, pty, select, signal, struct, sys, termios, time
steps = [s.split("=>", 1) for s in sys.argv[1].split(";;") if s]
master, slave = pty.openpty()
def resize(rows, columns):
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
resize(30, 100)
before = termios.tcgetattr(slave)
pid = os.fork()
if pid == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for i in range(3):
        os.dup2(slave, i)
    os.execvp(sys.argv[2], sys.argv[2:])
seen, all_seen, status, end = b"", b"", None, time.monotonic() + 20
while status is None and time.monotonic() < end:
    if select.select([master], [], [], 0.02)[0]:
        data = os.read(master, 65536)
        seen += data
        all_seen += data
    while steps and steps[0][0].encode() in seen:
        wanted, act = steps.pop(0)
        seen = seen.split(wanted.encode(), 1)[1]
        if act.startswith("resize"):
            resize(*map(int, act.split()[1:]))
        elif act.startswith("kill"):
            os.kill(pid, getattr(signal, act.split()[1]))
        else:
            os.write(master, act.encode().decode("unicode_escape").encode())
    done, code = os.waitpid(pid, os.WNOHANG)
    if done:
        status = os.waitstatus_to_exitcode(code)
while select.select([master], [], [], 0)[0]:
    all_seen += os.read(master, 65536)
if status is None:
    os.kill(pid, signal.SIGKILL)
sys.stdout.write(all_seen.decode(errors="replace").replace("\r\n", "\n"))
print("status", status, "restored" if termios.tcgetattr(slave) == before else "RAW", "left", len(steps))
END
drive() { # STEPS ARG…
    local steps=$1
    shift
    timeout -s KILL 60 python3 "$tmp/drive.py" "$steps" "$ARENA/bin/netctr" run --rm --network none "$@"
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
