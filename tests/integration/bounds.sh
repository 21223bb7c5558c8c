#!/usr/bin/env bash
# Default limits: processes, memory in a tmpfs, and how much netctr reads of a hostile root directory.
. "$(dirname "$0")/../lib.sh"

run() {
    netctr run --rm --network none "$@"
}

# The limit of a container's processes, read from the host's cgroup.
pids_of() { # CONTAINER
    local path
    path=$(sed -n 's/^[0-9]*:pids://p' "/proc/$(pid_of "$1")/cgroup")
    [ ! -e /sys/fs/cgroup/cgroup.controllers ] || path=$(sed -n 's/^0:://p' "/proc/$(pid_of "$1")/cgroup")
    cat "/sys/fs/cgroup/pids$path/pids.max" 2>/dev/null || cat "/sys/fs/cgroup$path/pids.max"
}

processes() {
    netctr run -d --name a --network none "$box" sleep 100 >/dev/null
    assert_eq "$(pids_of a)" 2048
    assert_eq "$(netctr inspect a | jq '.[0].limits.pids')" 2048
    # shellcheck disable=SC2016 # the container expands it
    netctr exec a sh -c 'mkfifo /wait; exec 3<>/wait
        n=0; while [ $n -lt 3000 ]; do read -r x <&3 & n=$((n + 1)); done; echo all' >"$tmp/said" 2>&1 || true
    assert_lacks "$(cat "$tmp/said")" all
    assert_contains "$(cat "$tmp/said")" 'fork'
}
t 'a container has 2048 processes at most' processes

no_limit() {
    local limit
    for limit in 0 -1; do
        netctr run -d --name a --network none --pids-limit $limit "$box" sleep 100 >/dev/null
        assert_eq "$(pids_of a)" max
        assert_eq "$(netctr inspect a | jq '.[0].limits.pids')" 0
        netctr stop -t 0 a >/dev/null
        netctr start a >/dev/null
        assert_eq "$(pids_of a)" max
        netctr rm -f a
    done
}
t '--pids-limit 0 and -1 are none' no_limit

# A definition written by an older version, without the newer keys.
older() {
    netctr run -d --name a --network none -m 64m --tmpfs /t "$box" sleep 100 >/dev/null
    netctr stop -t 0 a >/dev/null
    jq -c '.limits.pids = 0 | del(.limits.pids_by_default) | .volumes |= map({target, read_only})' \
        "$state/containers/a/config.json" >"$tmp/config"
    cat "$tmp/config" >"$state/containers/a/config.json"
    netctr start a >/dev/null
    assert_eq "$(pids_of a)" max
    assert_eq "$(netctr exec a stat -fc '%b %S' /t)" '16384 4096'
}
t 'an older definition: the number of processes is unlimited as before, a tmpfs has a size' older

# SIZE INODES of a directory in a container run with these flags.
room_of() { # DIR [FLAGS...]
    run "${@:2}" "$box" stat -fc '%b %S %c' "$1" | awk '{ print $1 * $2, $3 }'
}

tmpfs_has_a_size() {
    assert_eq "$(room_of /t --tmpfs /t)" '1073741824 262144'
    assert_eq "$(room_of /t --tmpfs /t -m 32m)" '33554432 8192'
    assert_eq "$(room_of /t --tmpfs /t -m 4g)" '1073741824 262144'
    assert_eq "$(room_of /t --tmpfs /t:size=64m,nr_inodes=50)" '67108864 50'
    assert_fails run --tmpfs /t:size=1m "$box" dd if=/dev/zero of=/t/x bs=1k count=1100 2>/dev/null
    # shellcheck disable=SC2016 # the container expands it
    assert_fails run --tmpfs /t:nr_inodes=9 "$box" sh -ec 'for n in 1 2 3 4 5 6 7 8 9 10; do : >/t/$n; done' \
        2>/dev/null
}
t 'a tmpfs has a size and a number of files' tmpfs_has_a_size

every_tmpfs_has_one() {
    local unbounded
    # shellcheck disable=SC2016 # the container expands it
    unbounded=$(run --tmpfs /a --tmpfs /b:ro "$box" sh -c \
        'grep " tmpfs " /proc/mounts | grep -v "size=.*nr_inodes=" || true')
    assert_eq "$unbounded" ''
}
t 'so does every tmpfs that a container has by default' every_tmpfs_has_one

tmpfs_options() {
    local mount
    mount=$(run --tmpfs /t "$box" sh -c 'grep " /t " /proc/mounts; stat -c %a /t')
    for word in "rw," nosuid nodev noexec 1777; do assert_contains "$mount" $word; done
    mount=$(run --tmpfs /t:ro,exec,suid,mode=0750 "$box" sh -c 'grep " /t " /proc/mounts; stat -c %a /t')
    for word in "ro," nodev 750; do assert_contains "$mount" $word; done
    for word in nosuid noexec; do assert_lacks "$mount" $word; done
    run --tmpfs /t:exec "$box" sh -c 'cp /bin/busybox /t/true && /t/true'
    assert_fails run --tmpfs /t:noexec,nosuid,rw,nodev "$box" sh -c 'cp /bin/busybox /t/true && /t/true' 2>/dev/null
    local total
    total=$(awk '/^MemTotal:/ { printf "%.0f", $2 * 1024 }' /proc/meminfo)
    mount=$(run --tmpfs /t:size=10%,nr_inodes=1k "$box" stat -f -c '%b %c' /t)
    [ $((${mount% *} * 4096)) -gt $((total / 11)) ] && [ $((${mount% *} * 4096)) -lt $((total / 9)) ] || fail "$mount"
    assert_eq "${mount#* }" 1024
    # It replaces the tmpfs that every container has there.
    assert_eq "$(run --tmpfs /dev/shm:size=1.5m "$box" stat -f -c %b /dev/shm)" 384
    # Also after a new start.
    netctr run --name a --network none --tmpfs /t:size=8m,mode=700,uid=1000,gid=5 "$box" stat -c '%a %u %g' /t |
        has -x '700 1000 5'
    netctr start a
    wait_for 5 status_is a exited
    assert_eq "$(netctr logs a)" '700 1000 5'$'\n''700 1000 5'
    assert_eq "$(netctr inspect a | jq -c '.[0].volumes[0] | [.size, .mode]')" '[8388608,448]'
}
# moby #22420
t 'the options of --tmpfs' tmpfs_options

wrong_options() {
    local option hint='size=64m, mode=1777, uid=N, gid=N, nr_inodes=N, ro, rw, exec, noexec, suid, nosuid'
    for option in dev size=0 size=x size= size=0% size=101% size=% size=1.5 mode=9 mode=0 mode=10000 nr_inodes=0 nr_inodes=1.5 uid= uid=user gid=-1 uid=4294967296 \
        noatime huge=always '' ' ro' \
        size=99999999999999999999; do
        assert_fails netctr run --rm --tmpfs "/t:size=1m,$option" "$box" true 2>"$tmp/why"
        assert_eq "$(cat "$tmp/why")" \
            "netctr: tmpfs \`/t:size=1m,$option\`: unknown option \`$option\`; $hint"
    done
}
# moby #22420
t 'unknown options of --tmpfs' wrong_options

# ---- the root directory's files ------------------------------------------------------------------

# For sh -c in a container: HOME, uid, gid, groups. Without id, which reads the files.
# shellcheck disable=SC2016 # the container expands it
show='echo $HOME $(awk "/^[UG]id/ { print \$2 } /^Groups/ { \$1 = \"\"; print }" /proc/self/status)'

# With that as /etc/passwd and as /etc/group: a container that needs neither starts, and at once.
starts_without() { # WHAT
    local at=$EPOCHREALTIME line
    rm -f "$root/etc/group"
    cp -a "$root/etc/passwd" "$root/etc/group"
    assert_eq "$(run "$root" sh -c "$show")" '/root 0 0' "$1"
    assert_eq "$(run -u 0:0 "$root" sh -c "$show")" '/root 0 0' "$1"
    assert_eq "$(run -u 7:8 "$root" sh -c "$show")" '/ 7 8' "$1"
    for user in root 0:root; do
        assert_fails netctr run --rm --network none -u $user "$root" true 2>"$tmp/why"
        line=$(cat "$tmp/why")
        assert_contains "$line" "user \`$user\`"
        assert_eq "$(wc -l <"$tmp/why")" 1 "lines for $1"
    done
    [ $((${EPOCHREALTIME/./} - ${at/./})) -lt $((3000000 * slowness)) ] || fail "$1 took long"
}

hostile_files() {
    root=$tmp/root
    cp -a "$box" "$root"
    local passwd=$root/etc/passwd
    mkdir -p "$root/etc"
    rm -f "$passwd"
    truncate -s 3G "$passwd"
    starts_without 'a huge file'
    rm "$passwd"
    mkfifo "$passwd"
    starts_without 'a FIFO'
    rm "$passwd"
    mknod "$passwd" c 1 5
    starts_without 'a device'
    local target
    for target in /etc/passwd /proc/kmsg /proc/self/mem /proc/self/fd/0 /proc/self/exe /dev/zero /proc/1/root/etc/passwd; do
        ln -sfn $target "$passwd"
        starts_without "a link to $target"
    done
    ln -sfn ../../../../../../etc "$passwd"
    starts_without 'a link to a directory'
    rm "$passwd"
    # Only the groups are missing.
    echo 'u:x:5:6::/home:/bin/sh' >"$passwd"
    rm "$root/etc/group"
    mkfifo "$root/etc/group"
    assert_eq "$(run -u 5 "$root" sh -c "$show")" '/home 5 6'
    assert_fails netctr run --rm --network none -u u "$root" true
}
t '/etc/passwd and /etc/group that cannot be used: a container by number starts' hostile_files

becomes_hostile() {
    netctr run -d --name a --network none "$box" sh -c \
        'rm -f /etc/passwd; mkfifo /etc/passwd; echo made; sleep 100' >/dev/null
    wait_for 5 logged a made
    # shellcheck disable=SC2016 # the container expands it
    assert_eq "$(netctr exec a sh -c 'echo $HOME')" /root
    assert_fails within 5 netctr exec -u root a true
}
t 'the same for exec' becomes_hostile
