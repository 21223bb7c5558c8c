#!/usr/bin/env bash
# Keys to detach: the client leaves, and the program goes on.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/terminal.sh"

# Writes more than a terminal holds, and says when it is through.
writes='echo ready; until [ -e /go ]; do sleep 0.02; done; seq 1 50000; echo through >/said; sleep 1000'
goes_on() { # NAME
    netctr exec "$1" touch /go
    wait_for 20 netctr exec "$1" grep -q through /said
}

leaves_run() {
    local out flags
    for flags in '' '--cpus 0.5'; do
        # shellcheck disable=SC2086 # several words
        out=$(on_terminal 'ready=>a\x10b\x10\x11c' run -it --name k $flags --network none "$box" sh -c "$writes")
        assert_contains "$out" 'netctr: detached from container `k`'
        assert_contains "$out" 'status 0 restored left 0'
        status_is k running
        goes_on k
        netctr logs --tail 1 k | has 50000 || fail 'its output is not logged'
        netctr rm -f k >/dev/null
    done
}
t 'run -it: ctrl-p ctrl-q leaves, the container runs on, and its output is logged' leaves_run

leaves_exec() {
    netctr run -d --name k --network none "$box" sleep 1000 >/dev/null
    local out
    out=$(on_terminal 'ready=>\x10\x11' exec -it k sh -c "$writes")
    assert_contains "$out" 'status 0 restored left 0'
    goes_on k
    [ "$(netctr top k | grep -c 'sleep 1000')" = 2 ] || fail 'the command has ended'
}
t 'exec -it: ctrl-p ctrl-q leaves, and the command goes on' leaves_exec

other_keys() {
    local out
    out=$(on_terminal 'ready=>\x10\x11ax' run -it --rm --detach-keys a,x --name k --network none "$box" sh -c "$writes")
    assert_contains "$out" 'status 0 restored left 0'
    status_is k running
    out=$(on_terminal 'ready=>\x1c' exec -it --detach-keys 'ctrl-\' k sh -c 'echo ready; sleep 1000')
    assert_contains "$out" 'status 0 restored left 0'
    netctr rm -f k >/dev/null
    out=$(on_terminal 'ready=>\x10\x11\n' run -it --rm --detach-keys '' --network none "$box" sh -c 'echo ready; read -r line; exit 5')
    assert_contains "$out" 'status 5 restored left 0'
    assert_error 'netctr: `ctrl-` are no keys to detach; write `a` or `ctrl-a`, up to 8 with commas between; none: `""`' 125 \
        netctr run -it --detach-keys ctrl- "$box" true
}
t '--detach-keys sets other keys, or none' other_keys
