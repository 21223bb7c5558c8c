#!/usr/bin/env bash
# A container that may mount cgroups (CAP_SYS_ADMIN) sees none of the host's, and all that it creates below its own is
# removed with it. In a user namespace of its own it cannot even create any (userns_hostile_files.sh), so all of it is
# with --userns=host.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/helpers.sh"

# The hierarchies of this machine, a line each: what /proc/self/cgroup calls them (nothing: version 2).
hierarchies() {
    cut -d: -f2 /proc/self/cgroup
}

# For sh -c in a container: mounts every hierarchy of /proc/self/cgroup as /h/NUMBER.
# shellcheck disable=SC2016 # the container expands it
mount_all='
mount_all() {
    mkdir -p /h
    while IFS=: read -r id words path; do
        mkdir "/h/$id"
        case $words in
        "") mount -t cgroup2 none "/h/$id" ;;
        name=*) mount -t cgroup -o "none,$words" none "/h/$id" ;;
        *) mount -t cgroup -o "$words" none "/h/$id" ;;
        esac || exit 9
    done </proc/self/cgroup
}
'

admin() { # NAME [FLAGS...]: a container that may mount, and has done so
    netctr run -d --name "$1" --network none --userns=host --cap-add SYS_ADMIN "${@:2}" "$box" \
        sh -c "$mount_all mount_all; echo mounted; while :; do sleep 100; done" >/dev/null
    wait_for 5 logged "$1" mounted
}

# Every cgroup of a container.
left() {
    find /sys/fs/cgroup -type d -path '*/netctr/*/*' ! -name helpers
}

its_own_root() {
    admin a
    local all
    all=$(hierarchies | wc -l)
    # shellcheck disable=SC2016 # the container expands it
    local look='
        grep -c ":/\$" /proc/self/cgroup
        ls -d /h/*/ | wc -l
        ls /h/*/release_agent 2>/dev/null
        for f in /h/*/tasks /h/*/cgroup.procs; do
            [ ! -e "$f" ] || [ "$(grep -vcx 0 "$f")" = "$(wc -l <"$f")" ] || echo "$f has the host'"'"'s"
        done'
    assert_eq "$(netctr exec a sh -c "$look")" "$all"$'\n'"$all"
    # The cgroup of init, and what the host shows of both.
    assert_eq "$(grep -vc "/netctr/[0-9a-f]*/[0-9a-f]*$" "/proc/$(pid_of a)/cgroup")" 0
    netctr exec -d a sleep 77
    assert_eq "$(grep -vc "/netctr/[0-9a-f]*/[0-9a-f]*$" "/proc/$(pgrep -x -f 'sleep 77')/cgroup")" 0
    netctr rm -f a
    assert_eq "$(left)" ''
    # If few containers have cgroups, nothing of the instance stays either.
    assert_eq "$(find /sys/fs/cgroup -type d -name netctr | grep -Ev '/(memory|cpu|pids)/' |
        grep -v '^/sys/fs/cgroup/netctr$' || true)" ''
}
t 'with SYS_ADMIN a container has a cgroup of its own in every hierarchy, for exec as well' its_own_root

others_pay_nothing() {
    netctr run -d --name a --network none "$box" sleep 100 >/dev/null
    local usual=3
    [ ! -e /sys/fs/cgroup/cgroup.controllers ] || usual=1
    assert_eq "$(left | wc -l)" $usual
}
t 'without it, a container has cgroups only for its limits' others_pay_nothing

killed_monitor() {
    admin a
    kill -KILL "$(monitor_of a)"
    netctr gc
    assert_eq "$(left)" ''
    netctr start a >/dev/null # what it created is in its layer, so the mounts fail and it ends
    netctr rm -f a
    assert_eq "$(left)" ''
    netctr run --rm --network none --userns=host --cap-add ALL "$box" true
    assert_eq "$(left)" ''
}
t 'a killed monitor, --rm and start leave none of them behind' killed_monitor

killed_at_any_time() {
    local n client pids pid
    for n in $(seq 0 2 $((2 * $(often 15)))); do
        "$program" --root "$state" --run-root "$run_state" run --name a --network none --userns=host --cap-add SYS_ADMIN \
            "$box" sleep 100 &
        client=$!
        sleep "0.0$(printf %02d "$n")"
        kill -KILL $client
        wait $client 2>/dev/null || true
        # Its monitor, which would undo the start or go on.
        mapfile -t pids < <(pgrep -f '^netctr (run|monitor)')
        kill -KILL "${pids[@]}" 2>/dev/null || true
        for pid in "${pids[@]}"; do wait_for 5 gone "$pid"; done
        netctr gc >/dev/null
        assert_eq "$(left)" '' "cgroups after $n ms"
        netctr rm -f a 2>/dev/null || true
    done
}
t 'a start that is killed at any time leaves none behind either' killed_at_any_time

not_mounted() {
    [ -e /sys/fs/cgroup/freezer ] || skip 'no version 1'
    local host=/sys/fs/cgroup/freezer
    umount $host
    admin a
    assert_eq "$(netctr exec a grep -c ':/$' /proc/self/cgroup)" "$(hierarchies | wc -l)"
    netctr rm -f a
    mount -t cgroup -o freezer none $host
    assert_eq "$(left)" ''
}
t 'a hierarchy that is not mounted anywhere is closed as well' not_mounted

# depth DIR N NAME: for a shell in a container, with paths of constant length.
# shellcheck disable=SC2016 # the container expands it
deep='deep() { (cd "$1" && n=0 && while [ $n -lt "$2" ]; do mkdir "$3" && cd -P "./$3" || exit 8; n=$((n + 1)); done) || exit 8; }'

any_depth_and_name() {
    # shellcheck disable=SC2016 # the container expands it
    netctr run -d --name a --network none --userns=host --cap-add SYS_ADMIN "$box" sh -c "$mount_all $deep"'
        mount_all
        for h in /h/*; do
            deep $h 300 d
            mkdir "$h/.hidden" "$h/two  words" "$h/$(printf "\\377\\001x")" "$h/-rf" "$h/..." "$h/\\"
            deep "$h/.hidden" 3 ".  $(printf "\\\\ \\351")"
        done
        echo made; while :; do sleep 100; done' >/dev/null
    wait_for 20 logged a made
    nobody_watches
    kill -KILL "$(monitor_of a)"
    assert_eq "$(netctr gc)" 'removed dead container a'
    assert_eq "$(left)" ''
    netctr rm a
}
t 'cgroups 300 deep and with any name are removed with their container' any_depth_and_name

long_path() {
    # The kernel shows the beginning of a path beyond 4096 bytes or, if it is older, nothing.
    # shellcheck disable=SC2016 # the container expands it
    netctr run -d --name a --network none --userns=host --cap-add SYS_ADMIN "$box" sh -c "$mount_all"'
        mount_all
        long=$(printf "%0250d" 0)
        for h in /h/*; do
            cd $h
            for n in $(seq 20); do mkdir $long && cd -P ./$long || exit 8; done
            [ -e cpuset.cpus ] || echo $$ >cgroup.procs || exit 7
        done
        cd /
        echo inside; while :; do sleep 100; done' >/dev/null
    wait_for 5 logged a inside
    assert_fails grep -qF "$(printf '/%0250d' 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0)" "/proc/$(pid_of a)/cgroup"
    netctr rm -f a
    assert_eq "$(left)" ''
}
t 'a program in a cgroup whose path the kernel truncates' long_path

very_many() {
    # shellcheck disable=SC2016 # the container expands it
    netctr run -d --name a --network none --userns=host --cap-add SYS_ADMIN "$box" sh -c '
        mkdir /p && mount -t cgroup -o pids none /p 2>/dev/null || mount -t cgroup2 none /p
        cd /p && seq 2000 | xargs mkdir && echo made
        while :; do mkdir more more/more; rmdir more/more more; done 2>/dev/null' >/dev/null
    wait_for 10 logged a made
    netctr rm -f a
    assert_eq "$(left)" ''
}
t 'two thousand side by side, while the container creates more' very_many

is_frozen() {
    cat /sys/fs/cgroup/freezer/netctr/*/*/x/freezer.state | has FROZEN
}
frozen() {
    [ -e /sys/fs/cgroup/freezer ] || skip 'no version 1'
    # shellcheck disable=SC2016 # the container expands it
    netctr run -d --name a --network none --userns=host --cap-add SYS_ADMIN "$box" sh -c '
        mkdir /f && mount -t cgroup -o freezer none /f && mkdir -p /f/x/y && echo 0 >/f/x/y/tasks
        echo FROZEN >/f/x/freezer.state; sleep 100' >/dev/null
    wait_for 5 is_frozen
    local begin=$EPOCHREALTIME
    netctr rm -f a
    assert_eq "$(left)" ''
    [ $((${EPOCHREALTIME/./} - ${begin/./})) -lt $((5000000 * slowness)) ] || fail 'it took long'
}
t 'a container that has frozen itself is removed' frozen

not_said() {
    admin a
    local dir
    dir=$(left | head -1)
    nobody_watches
    kill -KILL "$(monitor_of a)"
    # A cgroup that cannot be removed: something is mounted on it.
    mkdir "$dir/held"
    mount -t tmpfs -o size=4k none "$dir/held"
    local status=0
    netctr gc >"$tmp/said" 2>"$tmp/why" || status=$?
    assert_eq $status 125
    assert_lacks "$(cat "$tmp/said")" 'removed dead container a'
    assert_contains "$(cat "$tmp/why")" 'busy'
    netctr run --rm --network none "$box" true
    umount "$dir/held"
    assert_contains "$(netctr gc)" 'removed dead container a'
    assert_eq "$(left)" ''
}
t 'gc does not claim to have removed what still exists' not_said
