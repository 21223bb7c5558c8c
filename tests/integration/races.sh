#!/usr/bin/env bash
# Concurrent commands: a container that restarts again and again against every command for it, and networks that are
# removed while containers start.
. "$(dirname "$0")/../lib.sh"

# Runs COMMAND and records "STATUS: COMMAND: OUTPUT".
tell() { # WORKER COMMAND...
    local status=0
    timeout $((40 * slowness)) "$ARENA/bin/netctr" "${@:2}" >/dev/null 2>"$tmp/said.$1" </dev/null || status=$?
    printf '%s: %s: %s\n' $status "$2 $3" "$(paste -sd'|' "$tmp/said.$1")" >>"$tmp/story.$1"
}

asks() { # WORKER COUNT
    local round
    for ((round = 0; round < $2; round++)); do
        case $(((RANDOM >> 3) % 12)) in
        0) tell "$1" stop -t 0 k ;;
        1) tell "$1" kill k ;;
        2) tell "$1" rm -f k ;;
        3 | 4) tell "$1" run -d --name k --restart always -p 8080:80 "$box" false ;;
        5) tell "$1" run -d --name k --restart on-failure:3 -p 8080:80 "$box" sh -c "usleep $((RANDOM * 3)); exit 3" ;;
        6) tell "$1" start k ;;
        7) tell "$1" network connect a k ;;
        8) tell "$1" network disconnect a k ;;
        9) tell "$1" publish k 8081:81 ;;
        10) tell "$1" unpublish k 8081 ;;
        11) tell "$1" exec k true ;;
        esac
    done
}

# shellcheck disable=SC2016 # these are the words of error lines
sensible='^0: (run -d|rm -f|stop -t|kill k|start k|network (dis)?connect|(un)?publish k|exec k): $'
sensible+='|^125: run -d: netctr: container name `k` is in use; `netctr rm -f k` removes that container$'
sensible+='|^125: (run -d|start k|publish k): netctr: (start container `k`: )?port 808[01]/tcp is in use on this host; (container `k` publishes it|another program listens there.*)$'
sensible+='|^125: .*: netctr: (start container `k`: )?no such container `k`$'
sensible+='|^125: (kill|exec|network (dis)?connect|(un)?publish).*: netctr: container `k` (is not running( \([^)]*\)(; `netctr logs k` shows what it wrote)?)?|has ended|has just ended)$'
sensible+='|^125: network connect: netctr: container `k` is on network `a` already$'
sensible+='|^125: network disconnect: netctr: container `k` is not on network `a`$'
sensible+='|^125: unpublish k: netctr: container `k` does not publish port 8081$'
# Between the record of the start and the start itself the program can be killed, as later.
sensible+='|^125: (run -d|start k): netctr: (start container `k`: )?the container.s process was killed by signal 9 before its program ran$'
sensible+='|^125: start k: netctr: start container `k`: it does not run yet: .*; its monitor tries again$'
sensible+='|^137: exec k: $'

restart_loop() {
    warm_up
    netctr network create a
    netctr run --rm --network a "$box" true
    netctr run -d --name steady -p 8888:80 "$box" httpd -f -h /etc >/dev/null
    netctr network reload
    snapshot
    local worker workers=() steady outcome
    steady=$(monitor_of steady)
    for worker in 1 2 3; do
        asks $worker $((40 + $(often 40))) & # enough for every command to have its turn
        workers+=($!)
    done
    for worker in "${workers[@]}"; do wait "$worker"; done
    cat "$tmp"/story.* >"$tmp/story"
    ! grep -Ev "$sensible" "$tmp/story" || fail 'not a sensible end'
    # The positive control: they did meet. On a slow machine not each of them has its turn.
    local seen=0
    for outcome in '^0: stop' '^0: kill' '^0: rm' '^0: start' '^0: network connect' '^0: publish'; do
        ! grep -q "$outcome" "$tmp/story" || seen=$((seen + 1))
    done
    [ $seen -ge 4 ] || fail "of six things that can be asked $seen have ever been done"
    assert_eq "$(monitor_of steady)" "$steady" 'the monitor of the other'
    http http://127.0.0.1:8888/passwd >/dev/null
    netctr rm -f k 2>/dev/null || true
    wait_for 5 eval '[ -z "$(netctr gc)" ]'
    netctr network reload
    assert_clean
    netctr rm -f steady
    netctr network rm a
}
t 'a container that restarts all the time, and random commands for it' restart_loop

# It always ends with the status of its program or of the signal.
true_status() {
    warm_up
    local round status
    for ((round = 0; round < $(often 20); round++)); do
        netctr run -d --name k --network none --restart on-failure "$box" sh -c 'usleep 20000; exit 3' >/dev/null
        sleep "0.0$((RANDOM % 10))"
        if [ $((round % 2)) = 0 ]; then
            netctr stop -t 5 k
        else
            netctr kill k 2>"$tmp/err" || grep -q 'is not running' "$tmp/err"
        fi
        wait_for 5 status_is k exited
        status=$(state_of k exit_status)
        [[ $status =~ ^(3|137)$ ]] || fail "round $round: exit status $status"
        netctr rm k
    done
}
t 'stop and kill in the middle of it: the exit status is correct' true_status

# Each run has the complete network, or gets the error that there is none.
pruned() {
    warm_up
    rm -f "$tmp"/story* "$tmp"/said*
    netctr network create a
    local worker workers=() round
    met() { cat "$tmp"/story.* | has '^0:' && cat "$tmp"/story.* | has '^125:' && grep -q a "$tmp/removals"; }
    runs() { # as often as it takes, which depends on luck
        local round least
        least=$((15 + $(often 10)))
        for ((round = 0; round < least || (round < 300 && $(met && echo 0 || echo 1)); round++)); do
            tell "$1" run --rm --network a "$box" true
        done
    }
    : >"$tmp/removals"
    for worker in 1 2; do runs $worker & workers+=($!); done
    while kill -0 "${workers[@]}" 2>/dev/null; do
        if [ $((RANDOM % 2)) = 0 ]; then
            within 30 "$ARENA/bin/netctr" network prune -f >>"$tmp/removals" 2>>"$tmp/complaints"
        else
            within 30 "$ARENA/bin/netctr" network rm a >>"$tmp/removals" 2>>"$tmp/complaints" || true
        fi
        sleep "0.0$((RANDOM % 10))"
        netctr network create a >/dev/null 2>&1 || true
    done
    for worker in "${workers[@]}"; do wait "$worker"; done
    cat "$tmp"/story.* >"$tmp/story"
    # shellcheck disable=SC2016
    ! grep -Ev '^0: run --rm: $|^125: run --rm: netctr: (network `a`: )?(no such network `a`|it has just been removed( and created again)?)$' \
        "$tmp/story" || fail 'not a sensible end'
    ! grep -Ev '^netctr: (network `a` is used by containers? |no such network `a`)' "$tmp/complaints" || fail 'not a sensible complaint'
    met || fail 'they did not meet'
    netctr network rm a 2>/dev/null || true
    assert_fails ip link show nc-a 2>/dev/null
    assert_lacks "$(nft list table inet netctr)" nc-a
    assert_eq "$(find "$run_state" "$state" -name a -o -name 'a~' -o -name 'a.*' -o -name '.a.*')" '' 'files of it'
    wait_for 5 eval '[ -z "$(netctr gc)" ]'
}
t 'network rm and prune against run --network' pruned
