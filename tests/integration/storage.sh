#!/usr/bin/env bash
# Disks that are full, read-only, of an unusual kind, or gone: it works, or one clear line says what to do.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/helpers.sh"

# netctr with its state directories somewhere else.
at() { # ROOT RUN COMMAND...
    within 40 "$program" --root "$1" --run-root "$2" "${@:3}"
}

# The host's tables are the next run directory's.
other_owner() {
    nft delete table inet netctr 2>/dev/null || true
    nft delete table bridge netctr_guard 2>/dev/null || true
    ip link delete nc-default 2>/dev/null || true
}

# COMMAND works, or fails with exactly one line; nothing crashes.
works_or_tells() { # COMMAND...
    local status=0
    "$@" >"$tmp/stdout" 2>"$tmp/stderr" </dev/null || status=$?
    case $status in
    0) ;;
    125)
        grep -v '^netctr: warning: ' "$tmp/stderr" >"$tmp/errors" || true
        assert_eq "$(grep -c '^netctr: ' "$tmp/errors") $(wc -l <"$tmp/errors")" '1 1' "lines of $(cat "$tmp/stderr")"
        ;;
    *)
        cat "$tmp/stderr"
        fail "status $status: $*"
        ;;
    esac
    [ $status = 0 ]
}

no_trace() { # [HELPERS-MAY-WAIT]
    [ -n "${1-}" ] || wait_for 5 no_helpers
    assert_eq "$(pgrep -x sleep || true)" '' 'programs left'
    assert_eq "$(find /sys/fs/cgroup -path '*/netctr/*/*' -type d ! -name "${1:+helpers}")" '' 'cgroups left'
    wait_for 3 no_port
    assert_lacks "$(nft list ruleset)" 8080
}
no_port() { [ -z "$(ip -oneline link show | sed -n '/: vc-/p')" ]; }

tells_where() { # ROOT RUN
    grep -qF "$1" "$tmp/errors" || grep -qF "$2" "$tmp/errors" || fail "no path: $(cat "$tmp/errors")"
}
# No container runs, and no record says so.
no_record() { # ROOT RUN
    assert_eq "$(find "$1/containers" "$2/containers" "$2/dns"/{container,address,network} -mindepth 1 ! -name .ids ! -name .trash)" '' 'records left'
    assert_eq "$(run_state=$2 leases default)" '' 'leases left'
}

# A container on disks of every size, until it fits. Each file that netctr writes is once the one that does not:
# whichever it is, rm -f and gc, on the same full disk, can remove all that is left; except its lease, which waits for
# room, and with it its name. With room, all is as if it had never started.
every_size() { # ROOT|RUN OPTION FIRST LAST STEP
    local n fitted=0 refused=0 root run remains waits
    mkdir -p "$tmp/small"
    for ((n = $3; n <= $4; n += $5)); do
        mount -t tmpfs -o "$2=$n,mode=755" tmpfs "$tmp/small"
        root=$tmp/root run=/run/netctr-s
        [ "$1" = ROOT ] && root=$tmp/small/state || run=$tmp/small/state
        if works_or_tells at "$root" "$run" run -d --name k -p 8080:80 "$box" sleep 1000; then
            fitted=$((fitted + 1))
            http --output /dev/null http://127.0.0.1:8080/ 2>/dev/null || true
        else
            refused=$((refused + 1))
            tells_where "$root" "$run"
        fi
        works_or_tells at "$root" "$run" ps -a || true
        # The disk may be so full that even the lock has no room: then there is nothing either.
        remains='' waits=''
        works_or_tells at "$root" "$run" rm -f k || grep -q 'no such container' "$tmp/errors" ||
            { tells_where "$root" "$run" && remains=yes; }
        # Helpers stay as long as a lease waits for room, because they release it then.
        works_or_tells at "$root" "$run" gc || { tells_where "$root" "$run" && waits=yes; }
        no_trace $waits
        mount -o "remount,$2=1000000" "$tmp/small"
        # The helpers may be quicker.
        [ -z "$remains" ] || at "$root" "$run" rm -f k >/dev/null 2>&1 || true
        works_or_tells at "$root" "$run" run -d --name k -p 8080:80 "$box" sleep 1000 || fail "$n: $(cat "$tmp/errors")"
        assert_eq "$(at "$root" "$run" ps -a --format json | jq -c 'map(.name + " " + .status)')" '["k running"]'
        at "$root" "$run" rm -f k >/dev/null
        wait_for 3 no_port
        assert_eq "$(at "$root" "$run" gc)" '' 'left to gc'
        no_record "$root" "$run"
        no_trace
        wait_for 5 umount "$tmp/small"
        rm -rf --one-file-system "$tmp/root" /run/netctr-s
        other_owner
    done
    [ $fitted -gt 1 ] && [ $refused -gt 1 ] || fail "fitted $fitted times, refused $refused times"
}
few_inodes_root() { every_size ROOT nr_inodes 2 30 1; }
few_inodes_run() { every_size RUN nr_inodes 2 60 1; }
few_bytes_root() { every_size ROOT size 4096 53248 4096; }
few_bytes_run() { every_size RUN size 4096 98304 4096; }
t 'a state directory with too few inodes, one by one' few_inodes_root
t 'a run directory with too few inodes, one by one' few_inodes_run
t 'a state directory with too few bytes, page by page' few_bytes_root
t 'a run directory with too few bytes, page by page' few_bytes_run

no_room_to_leave() {
    other_owner
    local small=$tmp/small/state id
    mkdir -p "$tmp/small" "$tmp/state/networks"
    mount -t tmpfs -o size=256k,mode=755 tmpfs "$tmp/small"
    printf '{"schema": 1, "name": "plain", "bridge": "nc-plain", "subnet": "10.77.1.0/24",
        "gateway": "10.77.1.1", "icc": true, "dns": false}\n' >"$tmp/state/networks/plain.json"
    at "$tmp/state" "$small" run -d --name a --network plain "$box" sleep 1000 >/dev/null
    id=$(at "$tmp/state" "$small" run -d --name k --network plain -p 8080:80 "$box" sleep 1000)
    wait_for 5 at "$tmp/state" "$small" exec a grep -qw "$id" /etc/hosts
    ! dd if=/dev/zero of="$tmp/small/filler" bs=4096 2>"$tmp/said" || fail 'it is not full'
    # Its lease waits for room. Its names no longer resolve.
    works_or_tells at "$tmp/state" "$small" rm -f k || true
    assert_lacks "$(nft list ruleset)" 8080
    assert_eq "$(find "$small/dns" -path "*$id*" -o -path '*/plain/k*')" '' 'names'
    [ -L "$small/dns/network/plain/a/$(at "$tmp/state" "$small" inspect a | jq -r '.[0].id')" ] || fail 'its name is gone'
    wait_for 5 lacks_word "$id"
    rm "$tmp/small/filler"
    at "$tmp/state" "$small" gc
    at "$tmp/state" "$small" rm -f a k
    no_trace
    wait_for 5 umount "$tmp/small"
    rm -rf --one-file-system "$tmp/state"
}
lacks_word() { ! at "$tmp/state" "$tmp/small/state" exec a grep -qw "$1" /etc/hosts; }
t 'removing names needs no room, and neighbours see that' no_room_to_leave

names_in_the_way() {
    other_owner
    netctr run -d --name k -p 8080:80 "$box" sleep 1000 >/dev/null
    mount -t tmpfs tmpfs "$run_state/dns/network/default/k"
    works_or_tells netctr rm -f k || true
    assert_lacks "$(nft list ruleset)" 8080
    umount "$run_state/dns/network/default/k"
    netctr gc
    netctr rm -f k
    assert_eq "$(find "$run_state/dns"/{container,address,network} -mindepth 1)" '' 'names'
}
t 'names that cannot be removed keep no port open' names_in_the_way

# The disk is full when helpers are to be started: nothing starts that needs them, and nothing hangs.
no_room_for_helpers() {
    other_owner
    mkdir -p "$tmp/small"
    mount -t tmpfs -o size=256k,mode=755 tmpfs "$tmp/small"
    local run=$tmp/small/state
    run_state=$run
    netctr() { at "$state" "$run" "$@"; }
    netctr run -d --name a -p 8080:80 "$box" sleep 1000 >/dev/null
    netctr run -d --name warm --network none "$box" sleep 1000 >/dev/null
    kill_helpers
    ! dd if=/dev/zero of="$tmp/small/filler" bs=4096 2>"$tmp/said" || fail 'it is not full'
    ! works_or_tells netctr run -d --name b "$box" sleep 1000 || fail 'it runs'
    tells_where "$state" "$run"
    ! works_or_tells netctr gc || fail 'gc has found room'
    tells_where "$state" "$run"
    netctr ps >/dev/null
    assert_eq "$(names | sort | paste -sd,)" a,warm 'what runs'
    assert_contains "$(nft list map inet netctr publish4)" 8080
    rm "$tmp/small/filler"
    netctr run -d --name b "$box" sleep 1000 >/dev/null
    wait_for 5 helpers_work
    netctr rm -f a b warm
    no_trace
    wait_for 5 umount "$tmp/small"
    unset -f netctr
}
t 'a run directory without room for helpers' no_room_for_helpers

# Other files in the place of their directory are removed.
in_their_place() {
    other_owner
    warm_up
    wait_for 5 no_helpers
    rm -rf "$run_state/helpers"
    : >"$run_state/helpers"
    netctr run -d --name b "$box" sleep 1000 >/dev/null
    wait_for 5 helpers_work
    netctr rm -f b
}
t 'a file in the place of the helpers'"'"' directory' in_their_place

fills_up_later() {
    other_owner
    mkdir -p "$tmp/small"
    mount -t tmpfs -o size=256k,mode=755 tmpfs "$tmp/small"
    # shellcheck disable=SC2016 # the container expands it
    at "$tmp/small/state" /run/netctr-s run -d --name k -v "$tmp:/t" "$box" \
        sh -c 'i=0; while [ $i -lt 20000 ]; do echo "a line that is thirty bytes long $i"; i=$((i + 1)); done
               echo done >/t/done; read x </t/go; exit 3' >/dev/null
    mkfifo "$tmp/go"
    # It is neither killed nor blocked because its log has no room.
    wait_for 20 test -s "$tmp/done"
    assert_eq "$(df --output=avail "$tmp/small" | tail -1 | tr -d ' ')" 0 'room left'
    at "$tmp/small/state" /run/netctr-s logs --tail 1 k >/dev/null
    echo >"$tmp/go" &
    wait_for 5 no_program
    works_or_tells at "$tmp/small/state" /run/netctr-s ps -a || true
    works_or_tells at "$tmp/small/state" /run/netctr-s rm -f k || fail "$(cat "$tmp/stderr")"
    assert_eq "$(at "$tmp/small/state" /run/netctr-s ps -aq)" ''
    works_or_tells at "$tmp/small/state" /run/netctr-s gc || fail "$(cat "$tmp/stderr")"
    no_trace
    wait_for 5 umount "$tmp/small"
}
no_program() { [ -z "$(pgrep -x sh -P "$(pgrep -f "^netctr (run|monitor)" | head -1)" 2>/dev/null)" ]; }
t 'the disk fills up while it runs: the program goes on' fills_up_later

# The contents of a disk when the power is cut: its bytes at that moment, without what was only in memory.
power_cut() {
    other_owner
    mkdir "$tmp/before" "$tmp/after"
    truncate -s 64M "$tmp/disk"
    mkfs.ext4 -q "$tmp/disk"
    mount -o loop,commit=1 "$tmp/disk" "$tmp/before" 2>"$tmp/said" || skip "no loop device: $(<"$tmp/said")"
    at "$tmp/before/state" /run/netctr-s network create blue >/dev/null
    at "$tmp/before/state" /run/netctr-s run -d --name k --restart always --network blue "$box" sleep 1000 >/dev/null
    # The positive control: a file written as most programs do.
    echo 'all of it' >"$tmp/before/plain.new"
    mv "$tmp/before/plain.new" "$tmp/before/plain"
    sleep 3
    cp "$tmp/disk" "$tmp/disk-after"
    at "$tmp/before/state" /run/netctr-s rm -f k >/dev/null
    wait_for 5 umount "$tmp/before"
    rm -rf /run/netctr-s
    other_owner
    mount -o loop "$tmp/disk-after" "$tmp/after"
    [ -e "$tmp/after/plain" ] && [ ! -s "$tmp/after/plain" ] || fail 'the cut comes too early or too late'
    # As after any boot.
    at "$tmp/after/state" /run/netctr-s boot >/dev/null
    at "$tmp/after/state" /run/netctr-s ps --format json >"$tmp/said"
    assert_eq "$(jq -r '.[] | .name + " " + .status' "$tmp/said")" 'k running'
    at "$tmp/after/state" /run/netctr-s exec k grep -q . /etc/hosts
    assert_eq "$(at "$tmp/after/state" /run/netctr-s network ls --format json | jq -r '.[].name')" blue
    at "$tmp/after/state" /run/netctr-s rm -f k >/dev/null
    no_trace
    wait_for 5 umount "$tmp/after"
}
t 'after a power cut definitions are complete' power_cut

read_only() {
    other_owner
    warm_up
    local which path
    for which in "$state" "$run_state"; do
        mount --bind "$which" "$which"
        mount -o remount,bind,ro "$which"
        ! works_or_tells netctr run --name k "$box" true || fail 'it ran'
        grep -q 'Read-only file system' "$tmp/stderr" || fail "$(cat "$tmp/stderr")"
        grep -qF "netctr must write to \`$which\`" "$tmp/stderr" || fail "the path is not told: $(cat "$tmp/stderr")"
        works_or_tells netctr ps || true
        works_or_tells netctr gc || true
        umount "$which"
        netctr run --rm "$box" true
        assert_eq "$(names -a)" ''
    done
}
t 'a read-only state or run directory is named' read_only

other_places() { # read-only elsewhere: netctr's directories are not the reason
    other_owner
    mount --bind /proc/sys /proc/sys
    mount -o remount,bind,ro /proc/sys
    ! works_or_tells netctr run --name k "$box" true || fail 'it ran'
    umount /proc/sys
    grep -q 'sysctl.*Read-only file system; /proc/sys is mounted read-only, as in a container$' "$tmp/stderr" ||
        fail "$(cat "$tmp/stderr")"
    netctr run --rm "$box" true
}
t 'a kernel whose settings are read-only is named' other_places

# All of the host's directories below one that is not a mount point itself.
in_chroot() {
    local entry
    mkdir "$tmp/chroot"
    for entry in /*; do
        if [ -L "$entry" ]; then
            cp -a "$entry" "$tmp/chroot"
        elif [ -d "$entry" ]; then
            mkdir "$tmp/chroot$entry"
            mount --rbind "$entry" "$tmp/chroot$entry"
        fi
    done
    assert_status 125 chroot "$tmp/chroot" "$program" --root "$state" --run-root "$run_state" run \
        --userns=host --network none "$box" true 2>"$tmp/stderr"
    assert_eq "$(cat "$tmp/stderr")" 'netctr: make the mounts private: Invalid argument; `/` is not a mount point, as in a chroot: '\
'`mount --bind DIR DIR` before `chroot DIR` makes it one'
    # The kernel makes no user namespace there either.
    assert_status 125 chroot "$tmp/chroot" "$program" --root "$state" --run-root "$run_state" run \
        --network none "$box" true 2>"$tmp/stderr"
    has -F 'netctr: warning: user namespace `host`: make a user namespace: Operation not permitted' <"$tmp/stderr"
    assert_eq "$(ls "$state/ranges")" ''
}
t 'a root that is not a mount point is explained' in_chroot

on_overlay() {
    other_owner
    mkdir "$tmp"/{lower,upper,work,merged}
    mount -t overlay -o "lowerdir=$tmp/lower,upperdir=$tmp/upper,workdir=$tmp/work" overlay "$tmp/merged"
    # An overlay's upper layer cannot be on another overlay.
    if ! works_or_tells at "$tmp/merged/state" /run/netctr-s run --rm "$box" true; then
        assert_contains "$(cat "$tmp/stderr")" '--in-place'
        assert_contains "$(cat "$tmp/stderr")" '--root'
    fi
    assert_eq "$(at "$tmp/merged/state" /run/netctr-s ps -aq)" ''
    # The fixes work.
    cp -a "$box" "$tmp/merged/box"
    at "$tmp/merged/state" /run/netctr-s run --rm --in-place "$tmp/merged/box" true
    at "$tmp/other" /run/netctr-s run --rm "$tmp/merged/box" true
    umount "$tmp/merged"
}
t 'a state directory on overlayfs: the fix is printed and works; a root directory on one works' on_overlay

on_tmpfs_and_links() {
    other_owner
    mkdir -p "$tmp/memory"
    mount -t tmpfs tmpfs "$tmp/memory"
    at "$tmp/memory/state" /run/netctr-s run --rm "$box" sh -c 'echo a >/etc/b && cat /etc/b' | grep -qx a
    wait_for 3 umount "$tmp/memory" # a helper may still be ending
    other_owner
    mkdir "$tmp/real" "$tmp/real-run"
    ln -s real "$tmp/link"
    ln -s "$tmp/real-run" "$tmp/link-run"
    at "$tmp/link" "$tmp/link-run" run -d --name k "$box" sleep 1000 >/dev/null
    # The link and its target are the same.
    assert_eq "$(at "$tmp/real" "$tmp/real-run" ps --format json | jq -r '.[].name')" k
    at "$tmp/real" "$tmp/link-run" rm -f k >/dev/null
    assert_eq "$(at "$tmp/link" "$tmp/link-run" ps -aq)" ''
    rm -r "$tmp/link-run"
}
t 'a state directory on tmpfs, and links to directories' on_tmpfs_and_links

no_directory() {
    other_owner
    echo >"$tmp/file"
    ! works_or_tells at "$tmp/file/state" /run/netctr-s ps || fail 'a file is no directory'
    grep -qF "$tmp/file" "$tmp/stderr" || fail "$(cat "$tmp/stderr")"
    ! works_or_tells at "$tmp/x" "$tmp/file" ps || fail 'a file is no directory'
    grep -qF "$tmp/file" "$tmp/stderr" || fail "$(cat "$tmp/stderr")"
}
t 'a file where a directory should be is named' no_directory

made_files() {
    other_owner
    netctr run -d --name k "$box" sleep 1000 >/dev/null
    local before file
    before=$(df --output=used /run | tail -1)
    for file in hosts hostname resolv.conf; do
        ! netctr exec k sh -c "dd if=/dev/zero of=/etc/$file bs=1M count=100" 2>"$tmp/said" || fail 'it has room'
        grep -q 'No space left' "$tmp/said" || fail "$(cat "$tmp/said")"
    done
    [ "$(df --output=used /run | tail -1)" -lt $((before + 1000)) ] || fail "the host's /run has grown"
    # A program may still change them, as with docker; but not replace, execute or make a device of them.
    netctr exec k sh -c 'echo "192.0.2.1 other" >/etc/hosts; grep -q other /etc/hosts'
    assert_fails netctr exec k rm /etc/hosts
    netctr exec k sh -c 'echo "#!/bin/sh" >/etc/hosts; chmod 755 /etc/hosts'
    assert_status 126 netctr exec k /etc/hosts 2>/dev/null
    assert_eq "$(netctr exec k awk '$5 ~ "^/etc/" { print $6, $9 }' /proc/self/mountinfo | sort -u)" \
        'rw,nosuid,nodev,noexec,relatime tmpfs'
    netctr exec k sh -c '! ls -A /etc/.. | grep -q files'
    netctr run --rm --read-only "$box" sh -c 'grep -q localhost /etc/hosts'
}
t 'a container cannot fill /run by its /etc/hosts' made_files
