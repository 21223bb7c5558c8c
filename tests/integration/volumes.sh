#!/usr/bin/env bash
# Targets of volumes: what a place in the root is, and not what it is called.
. "$(dirname "$0")/../lib.sh"

hosts_by_other_names() {
    echo '192.0.2.1 mine' >"$tmp/hosts"
    local target
    cp -a "$box" "$tmp/root"
    ln -s etc "$tmp/root/conf"
    mkdir -p "$tmp/root/etc"
    for target in /etc/hosts /etc//hosts /etc/./hosts //etc/hosts /conf/hosts /conf/../etc/hosts; do
        case $target in
        */../*)
            assert_status 125 netctr run --rm -v "$tmp/hosts:$target" "$tmp/root" true 2>/dev/null
            continue
            ;;
        esac
        assert_eq "$(netctr run --rm -v "$tmp/hosts:$target" "$tmp/root" cat /etc/hosts)" '192.0.2.1 mine' "$target"
    done
    # Without: netctr's own.
    netctr run --rm --name own "$tmp/root" cat /etc/hosts | has own
    assert_eq "$(cat "$tmp/hosts")" '192.0.2.1 mine'
}
t "the user's /etc/hosts, by whatever name" hosts_by_other_names

refused() {
    mkdir -p "$tmp/d" "$tmp/e" "$tmp/root"
    cp -a "$box/." "$tmp/root"
    ln -s / "$tmp/root/top"
    ln -s dev "$tmp/root/devices"
    ln -s data "$tmp/root/other"
    mkdir "$tmp/root/data"
    local volumes what
    while IFS='|' read -r volumes what; do
        # shellcheck disable=SC2086 # several words
        assert_status 125 netctr run --rm $volumes "$tmp/root" true 2>"$tmp/err"
        grep -q "$what" "$tmp/err" && [ "$(wc -l <"$tmp/err")" = 1 ] || fail "$volumes: $(cat "$tmp/err")"
    done <<-END
	-v $tmp/d:/.|not an absolute path below
	-v $tmp/d://|not an absolute path below
	-v $tmp/d:/./.|not an absolute path below
	-v $tmp/d:/top|would hide the container's root
	-v $tmp/d:/dev|would hide the container's devices
	-v $tmp/d:/dev/|would hide the container's devices
	-v $tmp/d:/devices|would hide the container's root or its /dev
	-v $tmp/d:/data -v $tmp/e:/data|two volumes have the target
	-v $tmp/d:/data -v $tmp/e:/./data/|two volumes have the target
	-v $tmp/d:/data --tmpfs /data|two volumes have the target
	-v $tmp/d:/data -v $tmp/e:/other|another volume is mounted there
	-v $tmp/d:/./proc/x|in /proc or /sys
	-v $tmp/d://sys|in /proc or /sys
	END
    # And what stays allowed.
    echo shared >"$tmp/d/file"
    assert_eq "$(netctr run --rm -v "$tmp/d:/data" -v "$tmp/e:/data/deep" -v "$tmp/d:/again" "$tmp/root" cat /again/file)" shared
    netctr run --rm -v "$tmp/d:/dev/shm" "$tmp/root" cat /dev/shm/file | has shared
}
t 'volumes that would hide the root, /dev or each other are refused' refused

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
t 'output that cannot be written is not lost in silence' closed_stdout
