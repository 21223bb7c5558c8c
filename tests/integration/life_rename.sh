#!/usr/bin/env bash
# rename: another name for a container that does not run.
. "$(dirname "$0")/../lib.sh"

has_another_name() {
    local id
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
    assert_error 'netctr: rename container `a`: it is running; `netctr stop a` ends it first' 125 netctr rename a c
    assert_error 'netctr: rename container `b`: container name `a` is in use; `netctr rm -f a` removes that container' \
        125 netctr rename b a
    assert_error 'netctr: rename container `b`: it has this name already' 125 netctr rename b b
    assert_fails netctr rename b 'x y' 2>/dev/null
    assert_fails netctr rename b 2>/dev/null
    netctr run -d --name member --network container:a "$box" sleep 1000 >/dev/null
    netctr kill a
    assert_error 'netctr: rename container `a`: other containers use its network' 125 netctr rename a c
    assert_eq "$(names -a | sort)" $'a\nb\nmember'
}
t 'a name that is in use is refused, and a container that runs' is_refused

# As if `rename' had been killed before it renamed the directory.
is_half_done() {
    netctr create --name a "$box" true >/dev/null
    sed -i 's/"name": "a"/"name": "b", "former_name": "a"/' "$state/containers/a/config.json"
    status_is a created
    netctr rename a c
    netctr create --name a "$box" true >/dev/null
    netctr start c
    assert_eq "$(names -a | sort)" $'a\nc'
}
t 'the former name holds until the directory is renamed' is_half_done
