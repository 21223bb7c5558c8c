#!/usr/bin/env bash
# exec -t: the command has a terminal of the container's own, and the caller's terminal is restored.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/terminal.sh"

background() { # FLAGS
    netctr run -d --name k --network none "$@" "$box" sleep 1000 >/dev/null
}
drive() { # STEPS ARG...
    on_terminal "$1" exec "${@:2}"
}

has_a_terminal() {
    local out flags
    for flags in '' --userns=host; do
        # shellcheck disable=SC2086 # perhaps none
        background $flags
        out=$(TERM=vt100 drive '' -it k sh -c 'tty; stty size; echo $TERM; exit 7')
        assert_contains "$out" /dev/pts/
        assert_contains "$out" '30 100'
        assert_contains "$out" vt100
        assert_contains "$out" 'status 7 restored left 0'
        out=$(drive '' -it -u 1000:1000 -e TERM=mine k sh -c 'echo $TERM >/dev/tty; stty size </dev/tty; exec 3<>$(tty)')
        assert_contains "$out" mine
        assert_contains "$out" '30 100'
        assert_contains "$out" 'status 0 restored'
        assert_eq "$(netctr exec k ls /dev/pts)" ptmx 'what is left of them'
        netctr rm -f k >/dev/null
    done
}
t 'exec -it: a terminal of the size of ours, which is restored' has_a_terminal

ends() {
    background
    assert_contains "$(drive '' -it k /missing)" 'status 127 restored'
    assert_contains "$(drive '' -it k /etc)" 'status 126 restored'
    assert_contains "$(drive '' -it k sh -c 'kill -9 $$')" 'status 137 restored'
    # All output is shown, also if a process that goes on keeps the terminal open.
    local out
    out=$(drive '' -it k sh -c 'sleep 1000 & seq 1 2000')
    assert_contains "$out" 2000
    assert_contains "$out" 'status 0 restored'
    out=$(drive '' -it k sh -c 'exec >/dev/null 2>&1 </dev/null; sleep 0.1; echo again >/dev/tty')
    assert_contains "$out" again
}
t 'exec -it: exit codes are those of exec, and no output is lost' ends

keys() {
    background
    local out
    out=$(drive 'ready=>\x03;;interrupted=>\x04' -it k \
        sh -c 'trap "echo interrupted; n=1" INT; echo ready; until [ "$n" ]; do sleep 0.05; done; cat; echo ended')
    assert_contains "$out" ended
    assert_contains "$out" 'status 0 restored left 0'
}
t '^C and ^D are keys for the command' keys

job_control() {
    background
    netctr exec -i k sh -c 'cat >/job' <<'END'
trap 'echo continued' CONT
echo ready
while :; do sleep 0.05; done
END
    local out
    out=$(drive '# =>sh /job\r;;ready=>\x1a;;Stopped=>jobs\r;;Stopped=>fg\r;;continued=>\x03;;# =>exit 5\r' -it k sh)
    assert_contains "$out" 'status 5 restored left 0'
    assert_lacks "$out" "can't access tty"
}
t 'a shell has job control' job_control

resizes() {
    background
    local out
    out=$(drive 'ready=>resize 41 99;;41 99=>' -it k \
        sh -c 'echo ready; until stty size | grep "41 99"; do sleep 0.05; done')
    assert_contains "$out" 'status 0 restored left 0'
}
t 'a new size of the terminal reaches the command' resizes

signalled() {
    background
    local out signal
    for signal in SIGTERM SIGHUP SIGINT; do
        out=$(drive "ready=>kill $signal;;got it=>" -it k \
            sh -c 'trap "echo got it; exit 9" TERM HUP INT; echo ready; while :; do sleep 0.05; done')
        assert_contains "$out" 'status 9 restored left 0'
    done
}
t 'a signal for exec goes to the command, and the terminal is restored' signalled

stopped() {
    background
    local out
    out=$(drive 'ready=>kill SIGTSTP;;=>stopped;;=>cooked;;=>resize 41 99;;=>kill SIGCONT;;=>raw;;41 99=>' -it k \
        sh -c 'echo ready; until stty size | grep "41 99"; do sleep 0.05; done')
    assert_contains "$out" 'status 0 restored left 0'
    out=$(drive 'ready=>kill SIGSTOP;;=>stopped;;=>resize 41 99;;=>kill SIGCONT;;=>raw;;41 99=>' -it k \
        sh -c 'echo ready; until stty size | grep "41 99"; do sleep 0.05; done')
    assert_contains "$out" 'status 0 restored left 0'
}
t 'SIGTSTP restores the terminal before exec stops, and SIGCONT makes it raw again' stopped

killed() {
    background
    local out
    out=$(drive 'ready=>kill SIGKILL' -it k \
        sh -c 'trap "echo gone >/gone; exit" HUP; echo ready; while :; do sleep 0.05; done')
    assert_contains "$out" 'status -9 restored left 0'
    wait_for 10 netctr exec k grep -q gone /gone
    status_is k running
}
t 'exec is killed: the terminal is restored, and that of the command hangs up' killed

without_terminal() {
    background
    assert_error $'netctr: the input device is not a TTY; -t needs a terminal on stdin; without it, -i alone passes stdin on' \
        125 netctr exec -it k true
    assert_contains "$(netctr exec -t k tty </dev/null)" /dev/pts/
    netctr exec -d -t k sh -c 'tty >/said; seq 1 100000; echo through >>/said'
    wait_for 10 netctr exec k grep -q through /said
    assert_contains "$(netctr exec k cat /said)" /dev/pts/
    # As in a pipeline.
    assert_status 141 netctr exec -t k yes </dev/null > >(head -1)
    netctr top k | has sleep
    wait_for 10 eval '! netctr top k | has yes'
}
t 'without a terminal: -it is refused; -t alone and -d -t work' without_terminal

# A program inside puts something else in the place of ptmx, and tries to reach the caller's terminal.
hostile() {
    netctr run -d --name k --network none --userns=host --cap-add SYS_ADMIN "$box" sleep 1000 >/dev/null
    netctr exec k sh -c 'mkdir /fake && mkfifo /fake/ptmx && mount --bind /fake /dev/pts'
    assert_error 'netctr: the container'\''s /dev/pts/ptmx makes no terminals' 125 netctr exec -t k true
    netctr exec k sh -c 'rm /fake/ptmx; ln -s /dev/null /fake/ptmx'
    assert_status 125 netctr exec -t k true 2>"$tmp/said"
    assert_contains "$(cat "$tmp/said")" 'ptmx'
}
t 'a container cannot hand exec anything but a terminal of its own' hostile
