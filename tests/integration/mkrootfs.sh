#!/usr/bin/env bash
# scripts/mkrootfs: a directory that is used, or that it did not create, is not changed.
. "$(dirname "$0")/../lib.sh"

make() { "$top/scripts/mkrootfs" --busybox "$@" 2>"$tmp/said"; }

# Marks the directory as made of something else.
other_recipe() { # DIR
    sed -i '2s/.*/debian bookworm nginx-light/' "$1.made"
}

refused() { # WHAT DIR
    assert_status 1 make "$2"
    grep -q -- "$1" "$tmp/said" && [ "$(wc -l <"$tmp/said")" = 1 ] || fail "$(cat "$tmp/said")"
    test -x "$2/bin/busybox" || fail "it has lost its files"
}

tells() {
    make "$tmp/new"
    assert_eq "$(cat "$tmp/said")" "mkrootfs: making $tmp/new (busybox)
mkrootfs: $tmp/new is ready: try \`netctr run --rm -i $tmp/new sh'"
    make "$tmp/new"
    assert_eq "$(cat "$tmp/said")" "mkrootfs: $tmp/new is ready: try \`netctr run --rm -i $tmp/new sh'"
    make --quiet "$tmp/new"
    assert_eq "$(cat "$tmp/said")" ''
    mkdir "$tmp/empty"
    make "$tmp/empty"
    test -x "$tmp/empty/bin/busybox"
}
t 'prints what it creates and how to run it' tells

in_use() {
    local flag
    make "$tmp/used"
    other_recipe "$tmp/used"
    for flag in '' --in-place; do
        netctr run -d --name c $flag --network none "$tmp/used" sleep 1000 >/dev/null
        refused "process $(pid_of c) runs in $tmp/used" "$tmp/used"
        netctr exec c ls / >/dev/null
        netctr rm -f c >/dev/null
    done
    netctr run -d --name v --network none -v "$tmp/used/etc:/data" "$box" sleep 1000 >/dev/null
    refused 'see the mount on /data' "$tmp/used"
    netctr rm -f v >/dev/null
    mount -t tmpfs tmpfs "$tmp/used/srv"
    refused "see the mount on $tmp/used/srv" "$tmp/used"
    umount "$tmp/used/srv"
    # A container that has ended, in the usual state directory.
    mount -t tmpfs tmpfs /var/lib
    "$program" --run-root /run/netctr-usual run --name ended --network none "$tmp/used" true
    refused "container .ended' uses $tmp/used" "$tmp/used"
    "$program" --run-root /run/netctr-usual rm ended >/dev/null
    umount /var/lib
    touch "$tmp/used/old"
    make "$tmp/used" # the positive control
    ! test -e "$tmp/used/old" || fail 'it was not made again'
    assert_eq "$(find "$tmp" -maxdepth 1 -name 'used*' | sort | paste -sd' ')" "$tmp/used $tmp/used.made"
}
t 'a directory that containers use is not replaced' in_use

in_use_in_hiding() {
    local dir=$tmp/'a "b" \n'
    make "$dir"
    other_recipe "$dir"
    netctr run -d --name v --network none -v "$dir/etc:/data" "$box" sleep 1000 >/dev/null
    refused 'see the mount on /data' "$dir"
    netctr rm -f v >/dev/null
    mount -t tmpfs tmpfs /var/lib
    "$program" --run-root /run/netctr-usual run --name ended --network none "$dir" true
    refused "container .ended' uses" "$dir"
    "$program" --run-root /run/netctr-usual rm ended >/dev/null
    # The data of a container that has ended, which has another root directory.
    mkdir "$dir/srv/data"
    "$program" --run-root /run/netctr-usual run --name data --network none -v "$dir/srv/data:/data" "$box" true
    refused "container .data' uses" "$dir"
    "$program" --run-root /run/netctr-usual rm data >/dev/null
    umount /var/lib
    # A volume hides every program of the directory.
    netctr run -d --name c --network none -v "$box/usr:/usr" "$dir" sleep 1000 >/dev/null
    refused "process $(pid_of c) runs in" "$dir"
    netctr rm -f c >/dev/null
    make "$dir" # the positive control
    ! test -e "$dir/srv/data" || fail 'it was not made again'
}
t 'odd names, data of ended containers and hidden programs count as use' in_use_in_hiding

its_name() {
    make "$tmp/slashes//"
    assert_eq "$(cd "$tmp" && echo slashes* slashes/.m*)" 'slashes slashes.made slashes/.m*'
    for dir in . .. "$tmp/slashes/." /; do
        assert_fails make --adopt "$dir"
    done
    (cd "$tmp/slashes" && assert_fails make --adopt .)
    assert_fails make "$tmp/more" vim
    assert_contains "$(cat "$tmp/said")" 'packages are for Debian'
    assert_eq "$(find "$tmp" -maxdepth 2 \( -name '..made*' -o -name '.made*' -o -path "$tmp/more*" \))" ''
}
t 'the marker is beside the directory, and packages are not ignored' its_name

foreign() {
    cp -a "$box" "$tmp/foreign"
    refused 'was not made by mkrootfs' "$tmp/foreign"
    ! test -e "$tmp/foreign.made" || fail 'it left a marker'
    # A copy of what it has created, including the marker: as after cp -a of the whole.
    make "$tmp/first"
    cp -a "$tmp/first" "$tmp/copy"
    cp -a "$tmp/first.made" "$tmp/copy.made"
    refused 'was not made by mkrootfs' "$tmp/copy"
    make --adopt "$tmp/copy"
    make "$tmp/copy"
    ln -s foreign "$tmp/link"
    for dir in link said nothing; do
        assert_status 1 "$top/scripts/mkrootfs" --busybox --adopt "$tmp/$dir" 2>/dev/null
        ! test -e "$tmp/$dir.made" || fail "$dir: it left a marker"
    done
}
t 'a directory that it did not create is refused, and a copy adopted on request' foreign
