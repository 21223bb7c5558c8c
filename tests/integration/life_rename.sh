#!/usr/bin/env bash
# rename: another name for a container, whether it runs or not.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/names.sh"

has_another_name() {
    local id
    lan_resolver # it says at once that there is no such name
    id=$(netctr create --name a -p 8080:80 "$box" sh -c 'echo said; touch /own; sleep 1000')
    netctr rename a b
    assert_eq "$(names -a)" b
    status_is b created
    netctr start b
    wait_for 5 netctr exec b test -e /own
    assert_eq "$(netctr inspect "$id" | jq -r '.[0].name')" b
    netctr run --rm "$box" ping -c 1 b >/dev/null
    assert_fails netctr run --rm "$box" ping -c 1 a >/dev/null 2>&1
    netctr kill b
    netctr rename "$id" c
    assert_eq "$(netctr logs c)" said
    assert_eq "$(netctr inspect c | jq -c '.[0] | [.id, .state.status, .state.exit_status]')" "[\"$id\",\"exited\",137]"
    netctr run -d --name b "$box" sleep 1000 >/dev/null # the names before are free
    netctr gc >/dev/null
    assert_eq "$(names -a | sort)" $'b\nc'
    assert_eq "$(netctr events --no-stream | jq -c 'select(.event == "rename") | [.old_name, .name]')" $'["a","b"]\n["b","c"]'
}
t 'rename gives a container another name, for its next run too' has_another_name

is_refused() {
    netctr run -d --name a "$box" sleep 1000 >/dev/null
    netctr create --name b "$box" true >/dev/null
    assert_error 'netctr: rename container `a`: container name `b` is in use; `netctr rm -f b` removes that container' \
        125 netctr rename a b
    assert_error 'netctr: rename container `b`: container name `a` is in use; `netctr rm -f a` removes that container' \
        125 netctr rename b a
    assert_error 'netctr: rename container `a`: it has this name already' 125 netctr rename a a
    assert_error 'netctr: rename container `b`: it has this name already' 125 netctr rename b b
    assert_fails netctr rename a 'x y' 2>/dev/null
    assert_fails netctr rename b 'x y' 2>/dev/null
    assert_fails netctr rename b 2>/dev/null
    assert_eq "$(names -a | sort)" $'a\nb'
    status_is a running
}
t 'a name that is in use is refused' is_refused

# As if `rename' had been killed before it renamed the directory.
is_half_done() {
    netctr create --name a "$box" true >/dev/null
    sed -i 's/"name": "a"/"name": "b", "former_name": "a"/' "$state/containers/a/config.json"
    status_is a created
    netctr rename a c
    netctr create --name a "$box" true >/dev/null
    netctr start c
    assert_eq "$(names -a | sort)" $'a\nc'
    # A note of a rename that never began.
    ln -s 'c d' "$run_state/renaming"
    assert_eq "$(names -a | sort)" $'a\nc'
    [ ! -L "$run_state/renaming" ]
}
t 'the former name holds until the directory is renamed' is_half_done

# ---- while it runs -------------------------------------------------------------------------------

# Every file and every object of the kernel that shows the name of a container on network default.
shows() { # NAME, and not NOT
    local id
    id=$(netctr inspect "$1" | jq -r '.[0].id')
    netctr inspect "$1" >"$tmp/shown"
    cat "$run_state/containers/$1/state.json" "$run_state/sandboxes/$id"/*.json >>"$tmp/shown"
    leases default >>"$tmp/shown"
    ip -details link show >>"$tmp/shown"
    nft list map inet netctr publish4 >>"$tmp/shown"
    netctr network inspect default >>"$tmp/shown"
    cat "/proc/$(monitor_of "$1")/cmdline" >>"$tmp/shown"
    netctr exec "$1" cat /etc/hosts >>"$tmp/shown"
    ! grep -aw "$2" "$tmp/shown" || fail "\`$2' is shown"
    [ "$(grep -acw "$1" "$tmp/shown")" -ge 9 ] || fail "$(<"$tmp/shown")"
    assert_eq "$(netctr network inspect default | jq -c '.[0].differences')" '[]'
}
asks() { # ANSWER WORDS OF DIG...
    assert_eq "$(in_network_of beside dig +short +time=2 @10.88.0.1 "${@:2}")" "$1"
}

goes_on() {
    local before address pids=()
    lan_resolver
    warm_up
    netctr run -d --name beside "$box" sleep 1000 >/dev/null
    netctr run -d --name first -p 8080:80 --network default:alias=www "$box" \
        sh -c 'mkdir /www; echo page >/www/index.html; exec httpd -f -h /www' >/dev/null
    address=$(address_of first)
    asks "$address" first
    before=$(pid_of first)
    netctr logs -f first >"$tmp/followed" & pids+=($!)
    netctr attach --no-stdin first >"$tmp/attached" 2>&1 & pids+=($!)
    netctr wait first >"$tmp/waited-for" & pids+=($!)
    netctr exec first sh -c 'until [ -e /go ]; do usleep 50000; done; echo executed' >"$tmp/executed" & pids+=($!)
    netctr exec -d first nc -ll -p 81 -e cat
    wait_for 5 in_network_of beside nc -z "$address" 81
    exec 8<>"/dev/tcp/$address/81"
    netctr rename first second
    asks "$address" second
    asks "$address" www
    asks '' first
    asks second. -x "$address"
    echo through >&8
    read -r -t 5 line <&8
    assert_eq "$line" through
    assert_eq "$(http http://192.0.2.2:8080/)$(pid_of second)" "page$before"
    shows second first
    assert_eq "$(names -a | sort)" $'beside\nsecond'
    netctr exec second sh -c 'echo more >/proc/1/fd/1; touch /go'
    wait_for 5 grep -q executed "$tmp/executed"
    wait_for 5 grep -q more "$tmp/followed"
    wait_for 5 grep -q more "$tmp/attached"
    assert_eq "$(netctr events --no-stream | jq -c 'select(.event == "rename") | [.old_name, .name]' | tail -n 1)" '["first","second"]'
    # The former name is free at once.
    netctr run -d --name first "$box" sleep 1000 >/dev/null
    netctr kill second
    for pid in "${pids[@]}"; do wait "$pid" || true; done
    assert_eq "$(<"$tmp/waited-for")" 137
    netctr start second
    wait_for 5 http http://192.0.2.2:8080/ >/dev/null
    netctr restart -t 0 second
    wait_for 5 netctr exec beside ping -c 1 second >/dev/null
    netctr rm -f first second >/dev/null
    assert_eq "$(netctr gc)" ''
}
t 'a container that runs gets another name, and all that it does goes on' goes_on

restarts() {
    local before pid
    netctr run -d --name a --restart always "$box" sh -c 'echo begun; sleep 1000' >/dev/null
    netctr rename a b
    before=$(pid_of b)
    kill -KILL "$before"
    wait_for 5 eval '[ "$(state_of b restarts)" = 1 ]'
    wait_for 5 status_is b running
    wait_for 5 eval '[ "$(netctr logs b | grep -c begun)" = 2 ]'
    netctr pause b
    netctr rename b c
    netctr unpause c
    # Between two runs, and killed: the next command cleans up under the present name.
    netctr update --restart no c
    kill -KILL "$(monitor_of c)"
    wait_for 5 status_is c exited
    # With --rm, and the client's own.
    netctr run --rm --name d "$box" sh -c 'until [ -e /go ]; do usleep 50000; done; echo ended' >"$tmp/out" & pid=$!
    wait_for 5 status_is d running
    netctr rename d e
    netctr exec e touch /go || true # it may end first
    wait "$pid"
    assert_eq "$(<"$tmp/out") $(names -a)" 'ended c'
}
t 'its restart policy, --rm and a cleanup use the new name' restarts

# One that waits for its first start has a monitor, and no process or network.
waits() {
    mkdir "$tmp/disk"
    netctr create --name a --restart always -v "$tmp/disk:/disk" "$box" sleep 1000 >/dev/null
    netctr start a
    netctr stop -t 0 --until-boot a
    rmdir "$tmp/disk"
    netctr boot >/dev/null 2>&1
    wait_for 5 status_is a restarting # except in the moment of a try
    netctr rename a b
    assert_eq "$(names -a)" b
    wait_for 5 status_is b restarting
    mkdir "$tmp/disk"
    wait_for 15 status_is b running
    netctr rename b c
    netctr stop -t 0 --until-boot c
    netctr boot >"$tmp/out"
    assert_eq "$(<"$tmp/out")" c
    status_is c running
}
t 'a container that waits for its start gets another name' waits

# ---- neighbours ----------------------------------------------------------------------------------

is_shared() {
    local address
    serve a -p 8080:80
    netctr run -d --name mate --network container:a "$box" sleep 1000 >/dev/null
    netctr create --name later --network container:a "$box" sleep 1000 >/dev/null
    address=$(address_of a)
    netctr rename a b
    for name in mate later; do
        assert_eq "$(netctr inspect $name | jq -r '.[0].network')" container:b
    done
    netctr rename mate friend
    netctr exec friend wget -qO /dev/null http://127.0.0.1/
    grep -qw friend "$run_state"/sandboxes/*/member.*.json
    # Its owner has ended, and its sandbox has not.
    netctr kill b
    netctr rename b c
    assert_eq "$(netctr network inspect default | jq -c '.[0] | [.containers[].name, .differences]')" '["c",[]]'
    assert_eq "$(netctr inspect friend | jq -r '.[0].network')" container:c
    netctr run -d --name a "$box" sleep 1000 >/dev/null # which is another one
    netctr start later
    netctr start c
    netctr restart -t 0 friend
    for name in c friend later; do
        assert_eq "$(address_of $name)" "$address"
    done
    netctr rm -f a c friend later >/dev/null
    assert_eq "$(netctr gc)" ''
}
t 'containers that share its network stay with it' is_shared

is_in_files() {
    netctr network create --no-dns quiet
    netctr run -d --name beside --network quiet "$box" sleep 1000 >/dev/null
    netctr run -d --name a --network quiet "$box" sleep 1000 >/dev/null
    wait_for 5 netctr exec beside grep -qw a /etc/hosts
    netctr rename a b
    netctr exec b grep -qw b /etc/hosts
    wait_for 5 netctr exec beside grep -qw b /etc/hosts
    assert_fails netctr exec beside grep -qw a /etc/hosts
}
t 'where names are in /etc/hosts, its neighbours get the new one' is_in_files

# ---- at the same time ----------------------------------------------------------------------------

both_ways() { # FROM TO
    for _ in {1..8}; do
        netctr rename "$1" "$2" 2>>"$tmp/said" || true
        netctr rename "$2" "$1" 2>>"$tmp/said" || true
    done
}
at_once() {
    local id pids=() status=0
    warm_up
    snapshot
    id=$(netctr run -d --name a -p 8080:80 "$box" httpd -f -h /etc)
    netctr run -d --name other "$box" sleep 1000 >/dev/null
    both_ways a b & pids+=($!)
    both_ways other b & pids+=($!)
    for _ in {1..8}; do
        netctr exec "$id" true 2>>"$tmp/said" || status=$?
        names -a >/dev/null
    done
    netctr stop -t 0 "$id" || status=$?
    netctr start "$id" || status=$?
    for pid in "${pids[@]}"; do wait "$pid"; done
    [ $status = 0 ] || fail "$(<"$tmp/said")"
    assert_eq "$(names | wc -l)" 2
    ! grep -Ev 'is in use; |no such container|has this name already$' "$tmp/said" || fail 'another error'
    http http://192.0.2.2:8080/passwd >/dev/null
    netctr rm -f "$id" other >/dev/null 2>&1 || netctr rm -f b >/dev/null
    names -a | xargs -r "$ARENA/bin/netctr" rm -f >/dev/null
    assert_clean
    assert_eq "$(netctr gc)" ''
}
t 'renames and other commands at the same time' at_once

copied_meanwhile() {
    netctr create --name x --network none "$box" true >/dev/null
    assert_error 'netctr: rename container `x`: its files are being copied' 125 \
        flock "$state/containers/x" "$ARENA/bin/netctr" rename x y
    netctr rename x y
    assert_eq "$(names -a)" y
}
t 'a container whose files are being copied keeps its name' copied_meanwhile
