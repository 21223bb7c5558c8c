#!/usr/bin/env bash
# The root directory of a container: the overlay, --in-place, --read-only, volumes, tmpfs, and hostile root
# directories that try to lead out.
. "$(dirname "$0")/../lib.sh"

run() { netctr run --rm --network none "$@"; }

# Everything about a directory that a container must not have changed.
fingerprint() {
    (cd "$1" && find . -printf '%p %y %m %U %G %s %T@ %l\n' | sort | sha256sum)
}

# a busybox root directory that this test may change.
own_root() {
    cp -a "$box" "$tmp/$1"
    printf %s "$tmp/$1"
}

overlay_keeps_the_directory() {
    local root before
    root=$(own_root shared)
    before=$(fingerprint "$root")
    run "$root" sh -c 'echo new >/new; rm /etc/passwd; echo more >>/etc/group; mkdir /a; chmod 700 /usr'
    assert_eq "$(fingerprint "$root")" "$before" 'the root directory'
    # What one wrote the next does not see.
    run "$root" sh -c 'test -e /etc/passwd && ! test -e /new'
}
t 'the overlay leaves ROOTFS as it was' overlay_keeps_the_directory

shared_by_several() {
    netctr run -d --name a --network none "$box" sh -c 'echo a >/who; sleep 100' >/dev/null
    netctr run -d --name b --network none "$box" sh -c 'echo b >/who; sleep 100' >/dev/null
    wait_for 5 netctr exec a test -e /who
    wait_for 5 netctr exec b test -e /who
    assert_eq "$(netctr exec a cat /who)$(netctr exec b cat /who)" ab
}
t 'several containers share one ROOTFS and see only their own changes' shared_by_several

in_place_writes() {
    local root
    root=$(own_root inplace)
    run --in-place "$root" sh -c 'echo kept >/kept'
    assert_eq "$(cat "$root/kept")" kept
    assert_eq "$(run "$root" cat /kept)" kept
}
t '--in-place writes to the directory itself' in_place_writes

in_place_leaves_no_marks() {
    local root before after
    root=$(own_root marks)
    before=$(cd "$root" && find . | sort)
    run --in-place "$root" true
    after=$(cd "$root" && find . | sort)
    # Files for the container (hosts, resolv.conf, hostname) may have needed mount points.
    assert_eq "$(diff <(echo "$before") <(echo "$after") | grep '^[<>]' |
        grep -vE '> \./etc/(hosts|hostname|resolv.conf)$' || true)" ''
    assert_eq "$(awk -v r="$root" 'index($5, r) == 1' /proc/self/mountinfo)" '' 'mounts'
}
t '--in-place leaves no mounts and no marks' in_place_leaves_no_marks

read_only_root() {
    assert_fails run --read-only "$box" sh -c 'echo x >/x'
    assert_fails run --read-only "$box" sh -c 'mount -o remount,rw /'
    run --read-only --tmpfs /tmp "$box" sh -c 'echo x >/tmp/x'
    run "$box" sh -c 'echo x >/x' # the positive control
}
t '--read-only can be written nowhere but in tmpfs and volumes' read_only_root

tmpfs_mounts() {
    run --tmpfs /scratch "$box" sh -c 'grep " /scratch tmpfs " /proc/mounts; echo x >/scratch/x'
    run --tmpfs /scratch "$box" grep -E ' /scratch tmpfs .*nosuid' /proc/mounts
}
t '--tmpfs' tmpfs_mounts

volumes() {
    mkdir "$tmp/data"
    echo from-host >"$tmp/data/file"
    assert_eq "$(run -v "$tmp/data:/data" "$box" cat /data/file)" from-host
    run -v "$tmp/data:/data" "$box" sh -c 'echo from-box >/data/new'
    assert_eq "$(cat "$tmp/data/new")" from-box
    assert_fails run -v "$tmp/data:/data:ro" "$box" sh -c 'echo x >/data/x'
    assert_fails run -v "$tmp/data:/data:ro" "$box" mount -o remount,rw /data
    assert_fails run -v "$tmp/data:/data:ro" --cap-add sys_admin "$box" sh -c 'rm /data/file'
    # A single file, at a place that does not exist yet.
    assert_eq "$(run -v "$tmp/data/file:/deep/er/file" "$box" cat /deep/er/file)" from-host
    assert_fails run -v "$tmp/nothing:/data" "$box" true
}
t '-v: directory, file, :ro' volumes

read_only_volume_is_so_below() {
    mkdir -p "$tmp/tree/below"
    mount -t tmpfs tmpfs "$tmp/tree/below"
    touch "$tmp/tree/below/file"
    assert_fails run -v "$tmp/tree:/tree:ro" "$box" sh -c 'echo x >/tree/below/file'
    umount "$tmp/tree/below"
}
t 'a :ro volume is read-only in the mounts below it too' read_only_volume_is_so_below

volume_follows_no_link_out() {
    # The destination leads through a link in the root directory: it must stay inside.
    local root
    root=$(own_root linkvolume)
    mkdir "$tmp/outside" "$tmp/source"
    echo source >"$tmp/source/file"
    ln -s "$tmp/outside" "$root/link"
    ln -s ../../../../../../../../../../../../../.. "$root/up"
    run -v "$tmp/source:/link/x" "$root" true || true
    run -v "$tmp/source:/up$tmp/outside/y" "$root" true || true
    run --in-place -v "$tmp/source:/link/x" "$root" true || true
    run --in-place --tmpfs "/up$tmp/outside/z" "$root" true || true
    assert_eq "$(ls "$tmp/outside")" '' 'what appeared outside'
}
t 'a volume whose place is behind a link stays inside' volume_follows_no_link_out

host_files_are_out_of_reach() {
    echo secret >"$tmp/secret"
    local root name
    root=$(own_root reach)
    ln -s "$tmp/secret" "$root/link"
    ln "$tmp/secret" "$tmp/hard" # the positive control: here it can be read
    assert_eq "$(cat "$root/link")" secret
    assert_fails run "$root" cat /link
    assert_fails run "$root" cat "$tmp/secret"
    assert_fails run "$root" cat "../../../../../..$tmp/secret"
    for name in root cwd; do
        assert_fails run "$root" cat "/proc/1/$name$tmp/secret"
    done
    # A second chroot does not lead above the first: there is nothing above.
    assert_fails run "$root" sh -c "mkdir /d; chroot /d /bin/true; cat ../../../..$tmp/secret"
    assert_lacks "$(run "$root" cat /proc/mounts)" "$(dirname "$ARENA")/arena"
}
t 'no file of the host can be reached' host_files_are_out_of_reach

# A root directory in which NAME is a link to a directory (or file) of the host.
links_of_special_directories() {
    local name root before target
    for name in dev proc sys; do
        root=$(own_root "evil-$name")
        target=$tmp/target-$name
        mkdir "$target"
        rm -rf "${root:?}/$name"
        ln -s "$target" "$root/$name"
        run "$root" true || true
        run --in-place "$root" true || true
        assert_eq "$(ls -A "$target")" '' "what appeared behind /$name"
        assert_eq "$(awk -v t="$target" 'index($5, t) == 1' /proc/self/mountinfo)" '' 'mounts'
    done
}
t '/dev, /proc or /sys as a link to the host: nothing appears there' links_of_special_directories

links_of_made_files() {
    local name root before
    for name in hosts hostname resolv.conf; do
        root=$(own_root "evil-$name")
        echo untouched >"$tmp/victim"
        rm -f "$root/etc/$name"
        ln -s "$tmp/victim" "$root/etc/$name"
        run "$root" sh -c "echo gotcha >/etc/$name" || true
        run --in-place "$root" sh -c "echo gotcha >/etc/$name" || true
        assert_eq "$(cat "$tmp/victim")" untouched "behind /etc/$name"
    done
    root=$(own_root evil-etc)
    mv "$root/etc" "$root/etc2"
    mkdir "$tmp/etc"
    ln -s "$tmp/etc" "$root/etc"
    run "$root" true || true
    run --in-place "$root" true || true
    assert_eq "$(ls -A "$tmp/etc")" '' 'what appeared behind /etc'
}
t '/etc/hosts, hostname, resolv.conf or /etc as a link to the host: untouched' links_of_made_files

# The container writes these files. One in the place of a file of /proc could deceive processes that use that.
made_files_in_proc() {
    local root place
    root=$(own_root hosts-in-proc)
    for place in self/oom_score_adj sys/kernel/core_pattern version; do
        ln -sf "/proc/$place" "$root/etc/hosts"
        assert_error 'netctr: `/etc/hosts` in the root directory is a link into /proc or /sys' 125 netctr run --rm "$root" true
    done
}
t '/etc/hosts as a link into /proc is refused' made_files_in_proc

links_of_devices() {
    local name root
    echo untouched >"$tmp/victim"
    for name in null ptmx console tty zero; do
        root=$(own_root "evil-dev-$name")
        mkdir -p "$root/dev"
        ln -sf "$tmp/victim" "$root/dev/$name"
        run "$root" sh -c "echo gotcha >/dev/$name" || true
        run --in-place "$root" sh -c "echo gotcha >/dev/$name" || true
        assert_eq "$(cat "$tmp/victim")" untouched "behind /dev/$name"
    done
    # CVE-2025-31133: a false /dev/null as the cover of masked files.
    root=$(own_root evil-null)
    ln -sf /proc/sys/kernel/core_pattern "$root/dev/null"
    local before
    before=$(cat /proc/sys/kernel/core_pattern)
    run "$root" sh -c 'echo gotcha >/proc/timer_list; echo gotcha >/dev/null' || true
    assert_eq "$(cat /proc/sys/kernel/core_pattern)" "$before"
}
t 'device files as links to the host: untouched' links_of_devices

command_is_found_inside() {
    # A command that exists on the host only is not found; nor is one that is a link out.
    assert_status 127 run "$box" nft --version
    local root
    root=$(own_root evil-command)
    ln -s "$tmp/outside-program" "$root/bin/outside"
    printf '#!/bin/sh\necho outside\n' >"$tmp/outside-program"
    chmod +x "$tmp/outside-program"
    assert_status 127 run "$root" outside
    assert_eq "$(run -e PATH=/somewhere -v "$box/bin/busybox:/somewhere/echo" "$box" echo hello)" hello
}
t "the command is looked up in the container's own PATH" command_is_found_inside

working_directory() {
    assert_eq "$(run -w /tmp "$box" pwd)" /tmp
    assert_eq "$(run -w /not/there/yet "$box" pwd)" /not/there/yet
    assert_eq "$(run "$box" pwd)" /
}
t '-w is created if it is missing, as docker does' working_directory

made_files() {
    assert_eq "$(run "$box" cat /etc/hosts | grep -c localhost)" 2
    echo 'nameserver 192.0.2.9' >"$tmp/resolv.conf"
    mount --bind "$tmp/resolv.conf" /etc/resolv.conf
    mkdir -p "$state/networks"
    echo '{"schema": 1, "name": "plain", "bridge": "nc-plain", "subnet": "10.78.0.0/24", "gateway": "10.78.0.1",
        "dns": false}' >"$state/networks/plain.json"
    assert_contains "$(netctr run --rm --network plain "$box" cat /etc/resolv.conf)" 'nameserver 192.0.2.9'
    assert_lacks "$(netctr run --rm "$box" cat /etc/resolv.conf)" 192.0.2.9 # the gateway is its server
    umount /etc/resolv.conf
    netctr run --rm --name c --hostname anna "$box" sh -c \
        'grep "$(ip -4 -o addr show eth0 | sed "s/.*inet \([0-9.]*\).*/\1/").*anna" /etc/hosts'
}
t '/etc/hosts and /etc/resolv.conf are written for the container' made_files

nothing_is_left() {
    warm_up
    snapshot
    run "$box" sh -c 'echo x >/x'
    run --in-place "$(own_root left)" true
    run -v "$tmp:/data:ro" --tmpfs /t --read-only "$box" true
    assert_clean
}
t 'nothing of a removed container is left' nothing_is_left
