#!/usr/bin/env bash
# Root directories and sources of volumes are resolved once, at `run`. A container that can write to a directory on
# the way puts a link there: no later start follows it.
. "$(dirname "$0")/../lib.sh"

prepare() {
    srv=$(mktemp -d "$tmp/srv.XXX") hostdir=$(mktemp -d "$tmp/host.XXX")
    mkdir -p "$srv/app/data" "$hostdir"
    echo 'for root only' >"$hostdir/secret"
    cp -a "$box" "$srv/rootfs"
}
escaped() { [ -e "$hostdir/by-container" ] || netctr logs "$1" | grep -q 'for root only'; }
evil='if [ -e /data/secret ]; then cat /data/secret; touch /data/by-container; exit 0; fi
    rmdir /app/data && ln -s HOSTDIR /app/data; exit 1'

by_policy() {
    prepare
    netctr run -d --name evil --restart always -v "$srv/app:/app" -v "$srv/app/data:/data" "$box" \
        sh -c "${evil/HOSTDIR/$hostdir}" >/dev/null || true
    sleep 0.5
    ! escaped evil || fail 'a restart followed the link'
    wait_for 10 eval 'netctr logs evil 2>&1 | has "symbolic link"' # it goes on trying, by its policy
    netctr stop evil >/dev/null
    ! escaped evil || fail 'a restart followed the link'
    assert_status 125 netctr start evil 2>"$tmp/err"
    grep -q "volume .*/app/data.*symbolic link" "$tmp/err" || fail "$(cat "$tmp/err")"
    assert_status 125 netctr restart evil 2>/dev/null
    netctr stop --all --until-boot >/dev/null
    netctr boot 2>"$tmp/err" || true
    ! escaped evil || fail 'start, restart or boot followed the link'
    # The way back.
    rm "$srv/app/data"
    mkdir "$srv/app/data"
    netctr start evil >/dev/null
    netctr rm -f evil
}
t 'a volume whose source the container has replaced by a link' by_policy

above() { # a directory above, not the source itself
    prepare
    mkdir -p "$srv/app/deep/data" "$hostdir/data"
    netctr run --name evil -v "$srv/app:/app" -v "$srv/app/deep/data:/data" "$box" \
        sh -c "rm -r /app/deep; ln -s $hostdir /app/deep" || true
    assert_status 125 netctr start evil 2>"$tmp/err"
    grep -q 'symbolic link' "$tmp/err"
    # Also a link to the same directory: the path must be the same.
    rm "$srv/app/deep"
    mkdir -p "$srv/app/other/data"
    ln -s other "$srv/app/deep"
    assert_status 125 netctr start evil 2>/dev/null
}
t 'a directory above the source' above

file() {
    prepare
    echo mine >"$srv/app/file"
    netctr run --name evil -v "$srv/app:/app" -v "$srv/app/file:/file" "$box" \
        sh -c "cat /file; ln -sf $hostdir/secret /app/file"
    assert_status 125 netctr start evil 2>/dev/null
    ! escaped evil || fail 'the link was followed'
}
t 'a file' file

root_directory() {
    local flag
    prepare
    for flag in '' --in-place --read-only; do
        netctr run --name evil $flag -v "$srv:/srv" "$srv/rootfs" sh -c 'mv /srv/rootfs /srv/old; ln -s / /srv/rootfs'
        assert_status 125 netctr start evil 2>"$tmp/err"
        grep -q 'root directory .*symbolic link' "$tmp/err" || fail "$(cat "$tmp/err")"
        netctr rm evil
        rm "$srv/rootfs"
        mv "$srv/old" "$srv/rootfs"
    done
}
t 'the root directory' root_directory

host_root() { # by other names
    mkdir "$tmp/bound" "$tmp/rbound" "$tmp/link"
    mount --bind / "$tmp/bound"
    mount --rbind / "$tmp/rbound"
    ln -s / "$tmp/link/root"
    local path
    for path in / /. /tmp/.. "$tmp/bound" "$tmp/rbound" "$tmp/link/root" /proc/1/root /proc/self/root; do
        assert_status 125 netctr run --rm "$path" true 2>"$tmp/err"
        grep -q "host's own" "$tmp/err" || fail "$path: $(cat "$tmp/err")"
        assert_status 125 netctr run --rm --in-place "$path" true 2>/dev/null
    done
    umount -l "$tmp/bound" "$tmp/rbound"
    # And one that became it later.
    cp -a "$box" "$tmp/plain"
    netctr run --name later "$tmp/plain" true
    mount --bind / "$tmp/plain"
    assert_status 125 netctr start later 2>"$tmp/err"
    umount -l "$tmp/plain"
    grep -q "host's own" "$tmp/err" || fail "$(cat "$tmp/err")"
    netctr start later >/dev/null
}
t "the host's own / by other names" host_root

links_at_run() { # are followed, as everywhere
    prepare
    ln -s "$srv/app" "$tmp/by-link"
    echo hello >"$srv/app/file"
    assert_eq "$(netctr run --rm -v "$tmp/by-link:/data" "$box" cat /data/file)" hello
    ln -s "$srv/rootfs" "$tmp/root-by-link"
    assert_eq "$(netctr run --rm "$tmp/root-by-link" echo yes)" yes
}
t 'links are followed at run' links_at_run

namespaces() {
    prepare
    ip netns add foreign
    mkdir "$srv-ns"
    touch "$srv-ns/net"
    mount --bind /run/netns/foreign "$srv-ns/net"
    ln -s "$srv-ns" "$tmp/ns-by-link"
    netctr run --name n --network "ns:$tmp/ns-by-link/net" "$box" true
    netctr start n >/dev/null
    wait_for 5 eval 'test "$(netctr ps -a --format json | jq -r ".[].status")" = exited'
    umount "$srv-ns/net"
    rm "$srv-ns/net"
    ln -s /proc/1/ns/net "$srv-ns/net"
    assert_status 125 netctr start n 2>"$tmp/err"
    grep -q 'symbolic link' "$tmp/err" || fail "$(cat "$tmp/err")"
    rm -r "$srv-ns"
    ln -s /proc/1/ns "$srv-ns"
    assert_status 125 netctr start n 2>/dev/null
    netctr rm n
    assert_status 125 netctr run --rm --network "ns:/proc/$$/ns/net" "$box" true 2>"$tmp/err"
    grep -q "the host's; use .--network host." "$tmp/err" || fail "$(cat "$tmp/err")"
    # The kernel's magic links in /proc are allowed.
    exec 9</run/netns/foreign
    netctr run --rm --network ns:/proc/self/fd/9 "$box" true
    ip netns exec foreign sleep 60 &
    wait_for 5 eval "readlink /proc/$!/ns/net | has $(stat -Lc %i /run/netns/foreign)"
    netctr run --rm --network "ns:/proc/$!/ns/net" "$box" true
    kill $!
}
t 'the path of a network namespace' namespaces
