#!/usr/bin/env bash
# Commands that repair, killed while they do: the next one does the rest.
. "$(dirname "$0")/../struck.sh"

must_stay=1
# They start the helpers, which do not end.
await=()

# A container whose monitor is dead, and a definition and a cgroup without a container.
prepare() {
    local cgroup
    "${nc[@]}" run -d "${everything[@]}" "$box" sleep 100 >"$tmp/out"
    kill_helpers # or they would be faster
    kill -KILL "$(sed -n 's/.*"monitor": \([0-9]*\).*/\1/p' "$run_state/containers/k/state.json")"
    mkdir -p "$state/containers/unfinished"
    cgroup=$(find /sys/fs/cgroup -type d -path '*/netctr/*/*' -print -quit)
    mkdir -p "${cgroup%/*}/0123456789ab"
    # Its program dies with it, but a moment later, and the number of calls would differ until then.
    wait_for 5 gone
}
gone() {
    [ -z "$(find /sys/fs/cgroup -path "*/netctr/*/$(<"$tmp/out")/cgroup.procs" -exec cat {} +)" ]
}

collect() {
    kill_each ALL gc
}
# docker/for-linux #109, libnetwork #1850, podman #11324
t 'gc, killed while it repairs' collect

list() {
    kill_each ALL ps
}
t 'ps, killed while it repairs' list

run_another() {
    kill_each ALL run --rm --name other -p 8080:80 "$box" true
}
t 'run, killed while it repairs' run_another

# A container that starts after a killed gc gets an address of its own, or none.
mend_leases() { # HOW
    points=100 damage=$1 must_stay=0 # there is no k
    points_but() { grep -E ':(unlink|unlinkat|rename|renameat|write)\.' "$tmp/points" | head -20; }
    prepare() {
        local lease
        lease=$run_state/leases/default/$(address_of healthy)
        case $damage in
        file) rm -rf "${lease%/*}" && echo damaged >"${lease%/*}" ;;
        directory) rm -rf "${lease%/*}" && mkdir -p "${lease%/*}/below" ;;
        lease) echo damaged >"$lease" ;;
        esac
    }
    after_strike() {
        "${nc[@]}" run -d --name other "$box" sleep 100 >"$tmp/next" 2>&1 ||
            grep -q 'leases .* are missing' "$tmp/next" || bad "run: $(cat "$tmp/next")"
        [ -z "$(jq -r .address "$run_state"/sandboxes/*/endpoint.default.json | sort | uniq -d)" ] ||
            bad 'an address is given out twice'
        "${nc[@]}" rm -f other >"$tmp/next" 2>&1 || true
    }
    # gc rebuilds all; a run only what it needs.
    next_command() {
        "${nc[@]}" gc >"$tmp/next" 2>&1 || bad "gc fails: $(cat "$tmp/next")"
    }
    # The leases are as before, except for their time.
    compare() {
        [ "$(leases default | grep -c ' healthy ')" = 1 ] || bad 'the healthy one has no lease'
        healthy_answers || bad 'the healthy container does not answer'
        failures=$((failures + spoilt))
    }
    kill_each ALL gc
}
mend_file() { mend_leases file; }
mend_directory() { mend_leases directory; }
mend_lease() { mend_leases lease; }
t 'gc, killed while it replaces a file by leases' mend_file
t 'gc, killed while it replaces a foreign directory by leases' mend_directory
t 'gc, killed while it rebuilds a damaged lease' mend_lease
