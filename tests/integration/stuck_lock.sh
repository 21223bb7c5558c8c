#!/usr/bin/env bash
# Locks held by a stopped (SIGSTOP) or slow process: no command waits for ever, the error names the holder, and all go
# on when the holder does.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/helpers.sh"

# Holds FILE locked, and is stopped; $holder is its process.
hold() { # FILE
    flock "$1" sh -c 'echo held >"$0"; exec sleep 1000' "$tmp/held" &
    holder=$!
    wait_for 5 [ -s "$tmp/held" ]
    kill -STOP "$holder"
}
release() {
    rm "$tmp/held"
    kill -KILL "$holder" "$(pgrep -P "$holder")"
    wait "$holder" || true
}
gives_up() { # FILE WHAT COMMAND...
    assert_error "netctr: $2: \`$1\` is held by process $holder (flock), which has been stopped; \`kill -CONT $holder\` lets it go on" \
        125 timeout $((20 * slowness)) "${@:3}"
}

has_port() { nft list ruleset | has 8080; }
lock_of_all() {
    warm_up
    snapshot
    netctr run -d --name k -p 8080:80 "$box" sleep 1000 >/dev/null
    netctr run -d --name short -v "$tmp:/t" "$box" sh -c 'until [ -e /t/go ]; do usleep 50000; done; exit 7' >/dev/null
    wait_for 5 helpers_work
    local helper
    helper=$(who helper)
    netctr run -d --name again --restart always -v "$tmp:/t" "$box" \
        sh -c 'until [ -e /t/go ]; do usleep 50000; done; echo came; sleep 1000' >/dev/null
    hold "$run_state/lock"
    nft flush ruleset
    local command commands=()
    for command in ps 'inspect k' "run --rm $box true" 'stop k' 'kill k' 'rm -f k' 'exec k true' \
        'network prune -f' 'publish k 81' gc; do
        # shellcheck disable=SC2086
        (tmp=$(mktemp -d "$tmp/XXXXXX") && gives_up "$run_state/lock" "lock \`$run_state\`" netctr $command) &
        commands+=($!)
    done
    # Running containers go on; those that end or restart meanwhile wait.
    kill -KILL "$(jq .pid "$run_state/containers/again/state.json")"
    touch "$tmp/go"
    for command in "${commands[@]}"; do wait "$command"; done
    rm -r "$tmp"/??????
    [ -e "$run_state/containers/short" ] && [ -e "$run_state/containers/again" ] || fail 'they did not wait'
    wait_for 20 grep -q 'cannot restore the firewall yet: lock' "$run_state/helpers/log"
    ! has_port || fail 'the firewall was rebuilt without the lock'
    kill -CONT "$holder"
    release
    wait_for 3 has_port
    assert_eq "$(who helper)" "$helper" 'the helper, which has not waited itself'
    assert_eq "$(grep -c firewall "$run_state/helpers/log")" 1 'what its log says of it'
    wait_for 5 logged again came
    status_is k running
    wait_for 5 status_is short exited
    assert_eq "$(state_of short exit_status)" 7
    assert_eq "$(state_of again restarts)" 1
    netctr rm short
    netctr rm -f again k
    assert_clean
}
t "the store's lock, held by a stopped process" lock_of_all

# Other locks delay only the commands that need them.
other_locks() {
    warm_up
    netctr network create a
    netctr network create b
    netctr run --rm --network a "$box" true
    netctr run --rm --network b "$box" true
    netctr network reload # which settles the order of what nft lists
    snapshot
    local trouble=() pid
    first() { # FILE WHAT COMMAND...
        (
            tmp=$(mktemp -d "$tmp/XXXXXX")
            hold "$1"
            gives_up "$@"
            touch "$tmp/done"
            wait_for 20 [ -e "$tmp/../go" ]
            release
        ) &
        trouble+=($!)
    }
    together() { # COUNT
        wait_for 20 eval "[ \$(find '$tmp' -name done | wc -l) = $1 ]"
        touch "$tmp/go"
        for pid in "${trouble[@]}"; do wait "$pid"; done
        trouble=()
        rm -r "${tmp:?}"/*
    }
    first "$run_state/leases/.a.up" 'lock network `a`' netctr run --rm --network a "$box" true
    first "$run_state/leases/.b.lock" 'network `b`: lock the leases of network `b`' netctr run --rm --network b "$box" true
    first "$state/networks/.lock" 'lock the network definitions' netctr network create c
    sleep 0.2
    netctr run --rm "$box" true # the others are not delayed
    netctr ps -a >/dev/null
    together 3
    netctr gc >/dev/null
    # Names have no lock: a lock on them, or on the helpers' state file, blocks no command.
    local held
    netctr run -d --name a --network a "$box" sleep 1000 >/dev/null
    wait_for 5 helpers_work
    for held in dns dns/container dns/network/a helpers helpers/state; do
        (
            tmp=$(mktemp -d "$tmp/XXXXXX")
            hold "$run_state/$held"
            assert_eq "$(timeout $((4 * slowness)) netctr run --rm --network a "$box" nslookup a | grep -c "$(address_of a)")" 1 "$held"
            release
        )
    done
    kill_helpers
    for held in dns helpers helpers/state; do
        (
            tmp=$(mktemp -d "$tmp/XXXXXX")
            hold "$run_state/$held"
            timeout $((4 * slowness)) netctr run -d --name b --network a "$box" sleep 1000 >/dev/null
            wait_for 3 helpers_work
            timeout $((4 * slowness)) netctr rm -f b
            release
        )
        kill_helpers
    done
    netctr rm -f a
    rm -r "${tmp:?}"/*
    netctr gc >/dev/null
    netctr run --rm --network a --network b "$box" true
    netctr network create c
    netctr network rm c
    netctr network reload
    assert_clean
}
t 'the locks of networks, leases and names' other_locks

cleaned_up_beside() {
    netctr network create blue >/dev/null
    netctr run --rm --network blue "$box" true
    netctr run -d --name k -p 8080:80 "$box" sleep 1000 >/dev/null
    hold "$run_state/leases/.blue.lock"
    kill -KILL "$(monitor_of k)"
    timeout $((4 * slowness)) "$program" --root "$state" --run-root "$run_state" ps >/dev/null 2>"$tmp/said"
    assert_eq "$(cat "$tmp/said")" ''
    release
    status_is k exited
}
t 'a dead container is cleaned up while the leases of another network are locked' cleaned_up_beside

# Held by a slow process: no command gives up.
slow_holder() {
    warm_up
    local pids=() i
    for i in 1 2 3; do
        flock "$run_state/lock" sleep 3 &
        pids+=($!)
    done
    netctr run --rm "$box" true & pids+=($!)
    netctr ps >/dev/null & pids+=($!)
    for i in "${pids[@]}"; do wait "$i"; done
}
t 'a lock that is passed on slowly is waited for' slow_holder
