#!/usr/bin/env bash
# Many at once: starts, stops, removals, reloads and flushes beside each other.
. "$(dirname "$0")/../lib.sh"

many=50

# Runs COMMAND 1 … COMMAND $many at the same time. Every one succeeds without output.
all_at_once() { # COMMAND
    local n pid failed=0
    local -A number_of=()
    for ((n = 1; n <= many; n++)); do
        "$1" $n >"$tmp/out.$n" 2>"$tmp/err.$n" &
        number_of[$!]=$n
    done
    for pid in "${!number_of[@]}"; do
        n=${number_of[$pid]}
        wait "$pid" || { echo "$1 $n: status $?" && failed=1; }
        [ ! -s "$tmp/err.$n" ] || { cat "$tmp/err.$n" && failed=1; }
    done
    [ $failed = 0 ] || fail "not every $1 went well"
}

# shellcheck disable=SC2317 # called by name
start_one() {
    # shellcheck disable=SC2016 # the container expands it
    "$ARENA/bin/netctr" run -d --name "c$1" -p "$((8100 + $1)):80" "$box" \
        sh -c 'mkdir /www; echo "$1" >/www/index.html; exec httpd -f -h /www' sh "c$1"
}
# shellcheck disable=SC2317
stop_one() { "$ARENA/bin/netctr" stop -t 0 "c$1"; }
# shellcheck disable=SC2317
remove_one() { "$ARENA/bin/netctr" rm -f "c$1"; }

says() { # NAME PORT
    [ "$(in_lan curl --silent --max-time 2 "http://192.0.2.2:$2/")" = "$1" ]
}

# The kernel takes some time to remove the veth of a container that has ended.
no_port() { [ -z "$(ip -oneline link show | sed -n '/: vc-/p')" ]; }
nothing_for_gc() {
    wait_for 5 no_port
    assert_eq "$(netctr gc)" '' 'what gc found'
}

everyone_answers() {
    local n
    assert_eq "$(netctr ps --format json | jq -r '.[].address' | sort -u | wc -l)" $many addresses
    for ((n = 1; n <= many; n++)); do
        wait_for 5 says "c$n" $((8100 + n))
    done
}

on_a_fresh_host() {
    [ ! -e "$state" ] || fail 'the host is not fresh'
    all_at_once start_one
    everyone_answers
    all_at_once remove_one
    assert_eq "$(netctr ps -aq)" ''
    nothing_for_gc
}
t "$many first commands at once on a fresh host" on_a_fresh_host

start_and_stop() {
    warm_up
    snapshot
    all_at_once start_one
    everyone_answers
    all_at_once stop_one
    assert_eq "$(names)" ''
    assert_eq "$(names -a | wc -l)" $many 'containers that have ended'
    all_at_once remove_one
    nothing_for_gc
    assert_clean
}
t "$many starts at once, $many stops, $many removals" start_and_stop

# ---- races for one name --------------------------------------------------------------------------

# Errors that are allowed if another command was faster.
one_name() { # WORKER COUNT
    local round status command
    for ((round = 0; round < $2; round++)); do
        case $(((RANDOM >> 3) % 5)) in
        0 | 1) command=(run -d --name x -p 8080:80 "$box" sleep 100) ;;
        2) command=(run -d --rm --name x "$box" sleep 100) ;;
        3) command=(rm -f x) ;;
        4) command=(stop -t 0 x) ;;
        esac
        status=0
        within 60 "$ARENA/bin/netctr" "${command[@]}" >/dev/null 2>"$tmp/said.$1" </dev/null || status=$?
        # LeakSanitizer prints this of a thread that has just ended.
        printf '%s: %s: %s\n' $status "${command[0]}" \
            "$(sed '/^==[0-9]*==Unable to get registers/d' "$tmp/said.$1")" >>"$tmp/story.$1"
    done
}

# shellcheck disable=SC2016 # these are the words of error lines
sensible='^0: (run|rm|stop): $'
sensible+='|^125: run: netctr: container name `x` is in use; `netctr rm -f x` removes that container$'
sensible+='|^125: run: netctr: port 8080/tcp is in use on this host; (container `x` publishes it|another program listens there.*)$'
# Between the record of the start and the start itself the program can be killed, as later.
sensible+='|^125: run: netctr: the container.s process was killed by signal 9 before its program ran$'
sensible+='|^125: (rm|stop): netctr: no such container `x`$'

races() {
    warm_up
    snapshot
    local worker
    for worker in 1 2 3 4 5; do one_name $worker 100 & done
    wait
    cat "$tmp"/story.* >"$tmp/story"
    ! grep -Ev "$sensible" "$tmp/story" || fail 'not a sensible end'
    assert_eq "$(wc -l <"$tmp/story")" 500 'lines: one for each command'
    # The positive control: they did meet.
    local outcome
    for outcome in '^0: run' '^0: rm' 'is in use; `netctr' 'no such container'; do
        grep -q "$outcome" "$tmp/story" || fail "never seen: $outcome"
    done
    netctr rm -f x 2>/dev/null || true
    nothing_for_gc
    assert_clean
}
t '500 run, rm and stop of one name against each other' races

# ---- everything against everything ---------------------------------------------------------------

# Repeats a command until the file `stop` appears; its output and status are kept.
repeat() { # LABEL COMMAND...
    local status
    while [ ! -e "$tmp/stop" ]; do
        status=0
        "${@:2}" >/dev/null 2>"$tmp/said.$1" || status=$?
        [ $status = 0 ] && [ ! -s "$tmp/said.$1" ] ||
            printf '%s: %s: %s\n' "$1" $status "$(cat "$tmp/said.$1")" >>"$tmp/complaints"
        # A flush that follows sooner than a reload can read what it has written would never let it succeed.
        sleep "$(printf '0.%02d' $((RANDOM % 9 * slowness % 100)))"
    done
}

storm() {
    serve steady -p 8080:80
    : >"$tmp/complaints"
    repeat gc netctr gc &
    repeat reload netctr network reload &
    repeat flush nft flush ruleset &
    local round worker workers=()
    for worker in 1 2 3; do
        for ((round = 0; round < 15; round++)); do
            netctr run -d --name "w$worker" -p "$((8200 + worker)):80" "$box" sleep 100 >/dev/null || true
            netctr rm -f "w$worker" >/dev/null || true # the other commands are checked
        done >"$tmp/worker.$worker" 2>&1 &
        workers+=($!)
    done
    for ((round = 0; round < 15; round++)); do
        netctr run --rm "$box" true || true
    done >"$tmp/worker.0" 2>&1
    wait "${workers[@]}" || cat "$tmp"/worker.* # and is reported below
    touch "$tmp/stop"
    wait
    assert_eq "$(cat "$tmp"/worker.*)" '' 'what the runs said'
    assert_eq "$(cat "$tmp/complaints")" '' 'what gc, reload and flush said'
    assert_eq "$(names -a)" steady
    wait_for 5 says steady 8080
    netctr rm -f steady
    nothing_for_gc
}
t 'run and rm against gc, network reload and nft flush ruleset' storm
