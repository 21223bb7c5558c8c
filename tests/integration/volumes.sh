#!/usr/bin/env bash
# Targets of volumes: the place in the root counts, not its name.
. "$(dirname "$0")/../lib.sh"

hosts_by_other_names() {
    echo '192.0.2.1 mine' >"$tmp/hosts"
    local target
    cp -a "$box" "$tmp/root"
    ln -s etc "$tmp/root/conf"
    mkdir -p "$tmp/root/etc"
    for target in /etc/hosts /etc//hosts /etc/./hosts //etc/hosts /etc/hosts/ /conf/hosts /conf/../etc/hosts /../etc/hosts; do
        assert_eq "$(netctr run --rm -v "$tmp/hosts:$target" "$tmp/root" cat /etc/hosts)" '192.0.2.1 mine' "$target"
    done
    # Without it: netctr's own.
    netctr run --rm --name own "$tmp/root" cat /etc/hosts | has own
    assert_eq "$(cat "$tmp/hosts")" '192.0.2.1 mine'
}
# moby #35467
t "the user's /etc/hosts, by whatever name" hosts_by_other_names

refused() {
    mkdir -p "$tmp/d" "$tmp/e" "$tmp/root"
    cp -a "$box/." "$tmp/root"
    ln -s / "$tmp/root/top"
    ln -s dev "$tmp/root/devices"
    ln -s data "$tmp/root/other"
    ln -s data "$tmp/root/others"
    ln -s sys/kernel "$tmp/root/kernel"
    mkdir "$tmp/root/data"
    local volumes what
    echo shared >"$tmp/d/file"
    while IFS='|' read -r volumes what; do
        # shellcheck disable=SC2086 # several words
        assert_status 125 netctr run --rm $volumes "$tmp/root" true 2>"$tmp/err"
        grep -q "$what" "$tmp/err" && [ "$(wc -l <"$tmp/err")" = 1 ] || fail "$volumes: $(cat "$tmp/err")"
    done <<-END
	-v $tmp/d:/.|not an absolute path below
	-v $tmp/d://|not an absolute path below
	-v $tmp/d:/./.|not an absolute path below
	-v $tmp/d:/x/..|not an absolute path below
	-v $tmp/d:/x/../proc|in /proc or /sys
	-v $tmp/d:/kernel|in /proc or /sys
	-v $tmp/d:/kernel/deep|in /proc or /sys
	--tmpfs /kernel|in /proc or /sys
	-v $tmp/d:/top|would hide the container's root
	-v $tmp/d:/dev|would hide the container's devices
	-v $tmp/d:/dev/|would hide the container's devices
	-v $tmp/d:/devices|would hide the container's root or its /dev
	-v $tmp/d:/data -v $tmp/e:/data|two volumes have the target
	-v $tmp/d:/data -v $tmp/e:/./data/|two volumes have the target
	-v $tmp/d:/data --tmpfs /data|two volumes have the target
	--tmpfs /data -v $tmp/d:/x/../data|two volumes have the target
	--tmpfs /data --tmpfs /data/:size=1m|two volumes have the target
	-v $tmp/d:/data -v $tmp/e:/other|another volume is mounted there
	--tmpfs /data -v $tmp/e:/other|another volume is mounted there
	-v $tmp/d:/other/u -v $tmp/e:/others|target .*/other/u.: another volume hides it; a link in ROOTFS
	-v $tmp/d:/./proc/x|in /proc or /sys
	-v $tmp/d:/etc/passwd|is a directory, and ./etc/passwd. in the container is none
	-v $tmp/d/file:/etc|is no directory, and ./etc. in the container is one
	--tmpfs /etc/passwd|tmpfs target ./etc/passwd. is not a directory
	-v $tmp/d://sys|in /proc or /sys
	END
    # And what stays allowed.
    assert_eq "$(netctr run --rm -v "$tmp/d:/data" -v "$tmp/e:/data/deep" -v "$tmp/d:/again" "$tmp/root" cat /again/file)" shared
    netctr run --rm -v "$tmp/d:/dev/shm" "$tmp/root" cat /dev/shm/file | has shared
}
# moby #35467
t 'volumes that would hide the root, /dev or each other are refused' refused

sources() {
    mkdir -p "$tmp/from/below"
    echo here >"$tmp/from/file"
    cd "$tmp/from/below" || exit
    assert_eq "$(netctr run --rm -v ..:/x -v .:/y "$box" ls /x /y | paste -sd' ')" '/x: below file  /y:'
    # SELinux' options change nothing, alone or with others.
    local options
    for options in z Z rw,z z,rw; do
        netctr run --rm -v "..:/x:$options" "$box" touch "/x/$options"
    done
    for options in ro,z Z,ro; do
        assert_eq "$(netctr run --rm -v "..:/x:$options" "$box" cat /x/file)" here
        assert_status 1 netctr run --rm -v "..:/x:$options" "$box" touch /x/y 2>/dev/null
    done
    for options in '' ro,rw rslave ro,rprivate nocopy noexec U O ro,,z; do
        assert_status 125 netctr run --rm -v "..:/x:$options" "$box" true 2>/dev/null
    done
}
t 'options of volumes, and . and .. as their source' sources

# /home -> var/home without /var, as in an ostree.
dangling() {
    local flag
    mkdir -p "$tmp/d"
    echo file >"$tmp/d/file"
    for flag in '' --in-place; do
        rm -rf "$tmp/o"
        cp -a "$box" "$tmp/o"
        rm -r "$tmp/o/var" "$tmp/o/home"
        ln -s var/home "$tmp/o/home"
        ln -s /../far/./away "$tmp/o/far-link"
        ln -s loop "$tmp/o/loop"
        assert_eq "$(netctr run --rm $flag -v "$tmp/d:/home/u" "$tmp/o" cat /var/home/u/file)" file
        assert_eq "$(netctr run --rm $flag -v "$tmp/d:/home" "$tmp/o" cat /var/home/file)" file
        assert_eq "$(netctr run --rm $flag -v "$tmp/d/file:/home/new/f" "$tmp/o" cat /var/home/new/f)" file
        assert_eq "$(netctr run --rm $flag -w /far-link/w "$tmp/o" pwd)" /far/away/w
        netctr run --rm $flag --tmpfs /home/t "$tmp/o" grep -q ' /var/home/t tmpfs ' /proc/mounts
        assert_status 125 netctr run --rm $flag -v "$tmp/d:/loop/x" "$tmp/o" true 2>"$tmp/err"
        assert_contains "$(cat "$tmp/err")" 'Too many levels of symbolic links'
        assert_status 125 netctr run --rm $flag -w /loop "$tmp/o" true 2>/dev/null
    done
}
# bootc #1952
t 'targets behind a dangling link are created where it leads' dangling

read_only_places() { # the hint is about the place, not about the state directory
    mkdir "$tmp/ro"
    cp -a "$box" "$tmp/fixed"
    mount --bind "$tmp/fixed" "$tmp/fixed"
    mount -o remount,bind,ro "$tmp/fixed"
    local flags
    for flags in "-v $tmp/ro:/etc:ro $box" "--in-place $tmp/fixed" "--in-place -v $tmp/ro:/new $tmp/fixed" \
        "-v $tmp/ro:/x:ro --tmpfs /x/y $box" "-v $tmp/ro:/x:ro -w /x/y $box"; do
        # shellcheck disable=SC2086 # several words
        assert_status 125 netctr run --rm $flags true 2>"$tmp/err"
        grep -q 'Read-only file system; it does not exist, and its file system is read-only$' "$tmp/err" ||
            fail "$flags: $(cat "$tmp/err")"
    done
    umount "$tmp/fixed"
    # But the root itself is made read-only when all is there.
    assert_eq "$(netctr run --rm --read-only -w /new/dir "$box" pwd)" /new/dir
}
t 'a missing target where nothing can be created' read_only_places

closed_stdout() {
    netctr run -d --name c --network none "$box" sleep 100 >/dev/null
    local command
    for command in 'ps' 'info' 'inspect c' 'version'; do
        # shellcheck disable=SC2086 # two words
        assert_status 125 netctr $command 2>"$tmp/err" >&-
        grep -q 'write to stdout: Bad file descriptor' "$tmp/err" || fail "$command: $(cat "$tmp/err")"
    done
    netctr rm -f c 2>/dev/null >&- || true
    ! netctr ps -a | has ' c$' || fail 'it was not removed'
}
t 'lost output is reported' closed_stdout
