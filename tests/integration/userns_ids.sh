#!/usr/bin/env bash
# Which ids of the host a container's user namespace has, and where it has none.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/helpers.sh"
read_only_host
needs_overlay=$tmp/overlay

userns_of() { # NAME FIELD
    netctr inspect "$1" | jq -r ".[0].$2"
}
# The first id of its range.
range_of() { # NAME
    userns_of "$1" 'id_mappings.uid_map[0]' | cut -d: -f2
}
# The user on the host that the program of a container runs as.
user_of() { # NAME
    stat -c %u "/proc/$(pid_of "$1")"
}
ranges() {
    find "$state/ranges" -type l | wc -l
}
start_one() { # NAME [FLAGS]
    netctr run -d --name "$1" "${@:2}" "$box" sleep 1000 >/dev/null
}

own_ranges() {
    start_one a
    start_one b
    local a b
    a=$(range_of a) b=$(range_of b)
    [ "$a" != "$b" ]
    [ "$a" -ge $((0x40000000)) ] && [ "$a" -lt $((0x70000000)) ]
    assert_eq "$(user_of a) $(user_of b)" "$a $b"
    assert_eq "$(userns_of a userns_mode) $(userns_of a userns_why)" 'auto null'
    assert_eq "$(userns_of a 'id_mappings.gid_map[0]')" "0:$a:65536"
    assert_eq "$(netctr exec a id -u)" 0
    netctr exec a cat /proc/self/uid_map | has "^ *0 *$a *65536$"
    assert_eq "$(stat -c %u:%g "$state/containers/a/upper")" "$a:$a"
    netctr exec a touch /made
    assert_eq "$(stat -c %u "$state/containers/a/upper/made")" "$a"
    assert_eq "$(ranges)" 2
    netctr rm -f a
    assert_eq "$(ranges)" 1
    netctr rm -f b
    assert_eq "$(ranges)" 0
    # with --rm, and where the start fails
    netctr run --rm "$box" true
    assert_status 127 netctr run --rm "$box" no-such-program 2>/dev/null
    start_one taken
    assert_fails netctr run --name taken "$box" true 2>/dev/null
    assert_eq "$(ranges)" 1
}
t 'each container has ids of its own, which go with it' own_ranges

kept() {
    local a
    start_one a
    a=$(range_of a)
    netctr restart -t 0 a
    assert_eq "$(range_of a) $(user_of a)" "$a $a"
    netctr stop -t 0 a
    start_one b
    [ "$(range_of b)" != "$a" ]
    netctr start a
    assert_eq "$(user_of a)" "$a"
    # a reboot, as far as this is concerned: RUN and the locks are gone
    netctr stop -t 0 a b
    rm -rf "$run_state" /run/netctr.ranges*
    netctr boot
    netctr start a
    assert_eq "$(user_of a)" "$a"
    # the program's restarts
    start_one c --restart always
    local c pid
    c=$(range_of c) pid=$(pid_of c)
    kill -KILL "$pid"
    restarted() { [ "$(pid_of c)" != "$pid" ] && [ "$(pid_of c)" != 0 ]; }
    wait_for 5 restarted
    assert_eq "$(user_of c)" "$c"
}
t 'a container keeps its ids over restarts and reboots' kept

parallel() {
    local i
    for i in {1..50}; do
        netctr run -d --name "p$i" --network none "$box" sleep 1000 >/dev/null &
    done
    wait
    assert_eq "$(ranges)" 50
    assert_eq "$(netctr inspect p{1..50} | jq -r '.[].id_mappings.uid_map[0]' | sort -u | wc -l)" 50
}
t 'fifty at once have fifty ranges' parallel

# Files of the arena over those of the host.
subids() { # TEXT-OF-SUBUID TEXT-OF-SUBGID
    local file
    for file in subuid subgid; do
        [ -e /etc/$file ] || skip "the host has no /etc/$file"
        printf '%s\n' "$1" >"$tmp/$file"
        umount /etc/$file 2>/dev/null || true
        mount --bind "$tmp/$file" /etc/$file
        shift
    done
}
tidy_too() {
    umount /etc/subuid /etc/subgid 2>/dev/null || true
}

users() {
    # all of the pool but two ranges
    subids "alice:$((0x40000000)):$((0x2ffd0000))" "bob:$((0x6ffd0000)):65536"
    start_one a
    start_one b
    assert_eq "$(range_of a; range_of b)" "$(printf '%s\n' $((0x6ffe0000)) $((0x6fff0000)) |
        { [ "$(range_of a)" = $((0x6ffe0000)) ] && cat || tac; })"
    assert_error "netctr: no range of 65536 ids is free for a user namespace" 125 \
        netctr run --name c "$box" true
    assert_eq "$(ranges)" 2
    netctr run --rm --userns=host "$box" true
    netctr rm -f a
    start_one c
    subids "netctr:200000:65536" "netctr:200000:65536"
    start_one d
    assert_eq "$(range_of d)" 200000
    netctr rm -f d
    # The same range is another user's as well.
    subids $'netctr:200000:65536\ncarol:200000:65536' "netctr:200000:65536"
    assert_error "netctr: no range of 65536 ids is free for a user namespace; /etc/subuid and /etc/subgid give user \`netctr\` too few ids" \
        125 netctr run --name e "$box" true
}
t 'never the ids of a user of /etc/subuid or /etc/subgid; those of user netctr' users

elsewhere() { # COMMAND...
    nsenter --net=/run/netns/second "$program" --root "$tmp/root2" --run-root /run/netctr2 "$@"
}
instances() {
    subids "netctr:200000:65536" "netctr:200000:65536"
    ip netns add second
    nsenter --net=/run/netns/second ip link set lo up
    start_one a
    assert_error "netctr: no range of 65536 ids is free for a user namespace; /etc/subuid and /etc/subgid give user \`netctr\` too few ids" \
        125 elsewhere run -d --name b --network none "$box" sleep 1000
    netctr stop -t 0 a
    elsewhere run -d --name b --network none "$box" sleep 1000 >/dev/null
    assert_error "netctr: start container \`a\`: container \`a\` cannot have the ids 200000–265535: another container has them; stop that container; or remove this one and run it again with other ids" \
        125 netctr start a
    # a killed monitor has no lock
    kill -KILL "$(elsewhere inspect b | jq '.[0].state.monitor')"
    wait_for 5 netctr start a
    assert_eq "$(user_of a)" 200000
    netctr stop -t 0 a
    mv /run/netctr.ranges "$tmp/"
    mkfifo /run/netctr.ranges
    assert_error "netctr: start container \`a\`: \`/run/netctr.ranges\` is not a regular file: remove it" 125 netctr start a
    rm /run/netctr.ranges
    mv "$tmp/netctr.ranges" /run/
    elsewhere rm -f b
    ip netns delete second
}
t 'two instances never live with the same ids' instances

host_mode() {
    start_one a --userns=host
    assert_eq "$(user_of a) $(userns_of a userns_mode) $(userns_of a id_mappings.uid_map)" '0 host []'
    assert_eq "$(userns_of a userns_why)" null
    assert_eq "$(ranges)" 0
    netctr restart -t 0 a
    assert_eq "$(user_of a)" 0
    netctr run --rm --name b --network host "$box" sleep 1000 2>"$tmp/stderr" &
    b_runs() { [ "$(userns_of b userns_mode)" = host ]; }
    wait_for 5 b_runs
    netctr stop -t 0 b
    wait
    assert_eq "$(cat "$tmp/stderr")" ''
    assert_error "netctr: --userns=auto cannot be combined with \`--network host\`: that network belongs to the host's user namespace" \
        125 netctr run --userns=auto --network host "$box" true
}
t '--userns=host, and --network host' host_mode

given_map() {
    start_one a --uidmap 0:500000:1000 --uidmap 2000:600000:1 --gidmap 0:700000:65536
    assert_eq "$(userns_of a userns_mode) $(user_of a)" 'map 500000'
    assert_eq "$(stat -c %g "/proc/$(pid_of a)")" 700000
    assert_eq "$(netctr inspect a | jq -c '.[0].id_mappings')" \
        '{"uid_map":["0:500000:1000","2000:600000:1"],"gid_map":["0:700000:65536"]}'
    assert_eq "$(ranges)" 0
    start_one b --uidmap 0:500000:1000 # two may share one
    start_one auto
    local first
    first=$(range_of auto)
    assert_error "netctr: container \`c\` cannot have the ids $first–$((first + 9)): another container has them; use other ids, or stop that container" \
        125 netctr run --name c --uidmap "0:$first:10" "$box" true
    assert_error "netctr: the map of ids has no id 0: a container needs a root; --uidmap 0:100000:65536 --gidmap 0:100000:65536" \
        125 netctr run --uidmap 1:100000:10 "$box" true
    assert_error "netctr: --userns=host cannot be combined with a map of ids" \
        125 netctr run --userns=host --uidmap 0:100000:10 "$box" true
    assert_error "netctr: unknown user namespace \`private\`; --userns=auto or --userns=host; --uidmap and --gidmap give a map of ids" \
        125 netctr run --userns private "$box" true
    # an id of the root directory's owner that the map lacks
    mkdir "$tmp/of5000" && chown 5000 "$tmp/of5000"
    assert_error "netctr: --uidmap: \`$tmp/of5000\` belongs to user 5000, which is not one of the container's ids; \`--userns=host\` runs the container in the host's user namespace" \
        125 netctr run --uidmap 0:100000:10 -v "$tmp/of5000:/v" "$box" true
    rmdir "$tmp/of5000"
    # the host's root
    netctr run --rm --network none --uidmap 0:500000:10 --uidmap 10:0:1 "$box" true 2>"$tmp/stderr"
    assert_eq "$(cat "$tmp/stderr")" \
        'netctr: warning: user 10 of the container is root of the host: with SYS_ADMIN it can take over the host'
}
t '--uidmap and --gidmap' given_map

wide_map() {
    start_one a --uidmap 0:500000:1 --uidmap 1:$((0x40000000)):$((0x30000000))
    assert_error "netctr: no range of 65536 ids is free for a user namespace; running containers use these ids: one with a wide \`--uidmap\` or \`--gidmap\` can use all of them" \
        125 netctr run --name b "$box" true
    netctr rm -f a
    netctr run --rm "$box" true
}
t 'a map that takes every range is named as the reason' wide_map

# ---- where it cannot be --------------------------------------------------------------------------

mount_overlay() {
    mkdir -p "$needs_overlay"/{upper,work,merged}
    mount -t overlay -o "lowerdir=$box,upperdir=$needs_overlay/upper,workdir=$needs_overlay/work" \
        overlay "$needs_overlay/merged"
}
umount_overlay() {
    umount "$needs_overlay/merged"
    rm -rf --one-file-system "$needs_overlay"
}

# It runs in the host's user namespace, after one line of warning.
assert_falls_back() { # WHY FLAGS-AND-ROOTFS...
    local why=$1
    shift
    netctr run -d --name fallen "$@" sleep 1000 >/dev/null 2>"$tmp/stderr"
    assert_eq "$(cat "$tmp/stderr")" "netctr: warning: user namespace \`host\`: $why"
    assert_eq "$(user_of fallen) $(userns_of fallen userns_mode)" '0 host'
    assert_eq "$(userns_of fallen userns_why)" "$why"
    netctr info | has '^user_namespaces .*; 1 container in the host.s by fallback$'
    { netctr doctor || true; } | has -F "note: container \`fallen\` is in the host's user namespace: $why"
    netctr restart -t 0 fallen 2>"$tmp/stderr"
    assert_eq "$(cat "$tmp/stderr")" ''
    assert_eq "$(user_of fallen)" 0
    netctr rm -f fallen
    assert_eq "$(ranges)" 0
}

unmappable() {
    mount_overlay
    local merged=$needs_overlay/merged why
    why="\`$merged\` is on overlayfs, which cannot map ids"
    assert_falls_back "$why" "$merged"
    assert_falls_back "$why" --in-place "$merged"
    assert_falls_back "$why" -v "$merged:/v:ro" "$box"
    # below a volume
    mkdir -p "$tmp/volume/sub"
    mount --bind "$merged" "$tmp/volume/sub"
    assert_falls_back "\`$tmp/volume/sub\` is on overlayfs, which cannot map ids" -v "$tmp/volume:/v" "$box"
    umount "$tmp/volume/sub"
    start_one good -v "$tmp/volume:/v"
    assert_eq "$(userns_of good userns_mode)" auto
    # asked for: an error
    assert_error "netctr: --userns=auto: $why; \`--userns=host\` runs the container in the host's user namespace" \
        125 netctr run --userns=auto "$merged" true
    assert_error "netctr: --uidmap: $why; \`--userns=host\` runs the container in the host's user namespace" \
        125 netctr run --uidmap 0:100000:65536 "$merged" true
    # more capabilities than docker's
    assert_error "netctr: a user namespace is needed for CAP_SYS_ADMIN: $why; put the root directory and volumes on ext4, xfs or btrfs; or let these capabilities be the host's with \`--userns=host\`" \
        125 netctr run --cap-add SYS_ADMIN "$merged" true
    netctr run --rm --cap-add SYS_ADMIN --userns=host "$merged" true
    netctr run --rm --cap-add SYS_ADMIN "$box" true
    netctr rm -f good
    umount_overlay
}
t 'a root directory or volume on overlayfs' unmappable

# With less memory or fewer files for a moment, a container must not start with fewer walls.
short_of() {
    local call
    for call in mount_setattr:ENOMEM open_tree:ENFILE open_tree:ENOSPC; do
        mkdir -p "$tmp/volume"
        strace -f -qq -o "$tmp/trace" -e trace="${call%:*}" -e inject="${call%:*}:error=${call#*:}:when=1" \
            netctr run -d --name a --network none -v "$tmp/volume:/v" "$box" sleep 1000 >"$tmp/out" 2>&1 || true
        has '(INJECTED)' <"$tmp/trace"
        has "^netctr: map the ids of \`" <"$tmp/out"
        assert_fails netctr inspect a 2>/dev/null >&2
    done
    assert_eq "$(ranges)" 0
}
t 'a lack of memory or files is no reason to run in the user namespace of the host' short_of

owners() {
    mkdir "$tmp/owned"
    chown 100000 "$tmp/owned"
    assert_falls_back "\`$tmp/owned\` belongs to user 100000, which is not one of the container's ids 0–65535" \
        -v "$tmp/owned:/v" "$box"
    chown 0:65536 "$tmp/owned"
    assert_falls_back "\`$tmp/owned\` belongs to group 65536, which is not one of the container's ids 0–65535" \
        -v "$tmp/owned:/v" "$box"
    chown 65535:65535 "$tmp/owned"
    start_one good -v "$tmp/owned:/v"
    assert_eq "$(userns_of good userns_mode) $(netctr exec good stat -c %u:%g /v)" 'auto 65535:65535'
}
t 'a volume of an id that the container does not have' owners

# The sysctl itself is that of the whole machine; a file over it says the same.
forbidden() {
    echo 0 >"$tmp/zero"
    mount --bind "$tmp/zero" /proc/sys/user/max_user_namespaces
    local why='the sysctl user.max_user_namespaces is 0, which forbids user namespaces'
    { netctr doctor || true; } | has -F "note: containers run in the host's user namespace: $why"
    start_one fallen 2>"$tmp/stderr"
    assert_eq "$(cat "$tmp/stderr")" "netctr: warning: user namespace \`host\`: $why"
    netctr info | has -F "$why; 1 container in the host's by fallback"
    assert_eq "$(netctr info --format json | jq .user_namespaces.possible)" false
    umount /proc/sys/user/max_user_namespaces
    assert_eq "$(netctr info --format json | jq .user_namespaces.possible)" true
}
t 'user.max_user_namespaces is 0' forbidden

# ---- the network of another one ------------------------------------------------------------------

sharers() {
    local first
    start_one a
    first=$(range_of a)
    start_one b --network container:a
    assert_eq "$(range_of b) $(user_of b) $(ranges)" "$first $first 1"
    # its ids stay in use as long as b lives
    netctr stop -t 0 a
    netctr start a
    assert_eq "$(user_of a)" "$first"
    assert_error "netctr: --userns=host cannot be combined with \`--network container:a\`: that network belongs to another user namespace" \
        125 netctr run --userns=host --network container:a "$box" true
    # another container of that name
    netctr stop -t 0 b
    netctr rm -f a
    start_one a
    assert_error "netctr: start container \`b\`: \`container:a\` belongs to another user namespace than when container \`b\` was made; \`netctr rm b\`, and run it again" \
        125 netctr start b
    netctr rm -f a b
    assert_eq "$(ranges)" 0
    start_one h --userns=host
    start_one i --network container:h
    assert_eq "$(user_of i) $(userns_of i userns_mode) $(userns_of i userns_why)" '0 host null'
    ip netns add third
    start_one j --network ns:/run/netns/third
    assert_eq "$(user_of j) $(userns_of j userns_mode)" '0 host'
    netctr rm -f j
    ip netns delete third
}
t '--network container:NAME and ns:PATH have the ids of that network' sharers

no_map() {
    local pid
    unshare --user --net sleep 100 &
    pid=$!
    entered() { [ "$(readlink /proc/$pid/ns/net)" != "$(readlink /proc/self/ns/net)" ]; }
    wait_for 5 entered
    assert_error 'netctr: the user namespace has no map of ids yet' 125 \
        netctr run --network "ns:/proc/$pid/ns/net" "$box" true
    kill $pid
    # as a user makes them
    unshare --user --map-root-user --net sleep 100 &
    pid=$!
    wait_for 5 entered
    assert_fails netctr run --network "ns:/proc/$pid/ns/net" "$box" true 2>"$tmp/stderr"
    has -xF 'netctr: set the supplementary groups: Operation not permitted; is setgroups denied in the user namespace (/proc/PID/setgroups)?' \
        <"$tmp/stderr"
    kill $pid
}
t 'the network of a user namespace without ids or without setgroups()' no_map

# ---- leftovers, and files of other ids -----------------------------------------------------------

leftovers() {
    start_one a
    local a
    a=$(range_of a)
    ln -s 0123456789ab "$state/ranges/$((0x40000000))"
    netctr gc --dry-run | has -x "would remove ids ranges/$((0x40000000))"
    netctr gc | has -x "removed ids ranges/$((0x40000000))"
    assert_eq "$(ranges)" 1
    touch "$state/ranges/"$'\e[31m'
    netctr gc | has -xF 'removed ids ranges/\x1b[31m'
    rm -r "$state/ranges"
    netctr gc
    assert_eq "$(readlink "$state/ranges/$a")" "$(netctr inspect a | jq -r '.[0].id')"
    netctr rm -f a
    assert_eq "$(ranges)" 0
    # of a run that is killed before its container is defined
    strace -f -qq -e inject=symlinkat:signal=SIGKILL:when=2 -e trace=symlinkat \
        netctr run --rm "$box" true >/dev/null 2>&1 || true
    netctr gc >/dev/null
    assert_eq "$(ranges)" 0
}
t 'gc removes the ids of no container, and restores a lost entry' leftovers

in_the_way() {
    start_one a
    local a
    a=$(range_of a)
    netctr stop -t 0 a
    rm "$state/ranges/$a"
    mkdir -p "$state/ranges/$a/deep"
    netctr start a
    assert_eq "$(range_of a) $(user_of a)" "$a $a"
    assert_eq "$(readlink "$state/ranges/$a")" "$(netctr inspect a | jq -r '.[0].id')"
    # A new container takes such a range as well: there is no other.
    subids "alice:$((0x40000000)):$((0x2fff0000))" ''
    mkdir -p "$state/ranges/$((0x6fff0000))/deep"
    start_one b
    assert_eq "$(range_of b)" $((0x6fff0000))
}
t 'a directory in the place of an entry is replaced by the entry' in_the_way

strays() {
    mkdir -p "$tmp/data/deep/er"
    touch "$tmp/data/deep/er/"{one,two,three,four,mine}
    chown 70000 "$tmp/data/deep/er/"{one,two,three}
    chgrp 70000 "$tmp/data/deep/er/four"
    chown 65535 "$tmp/data/deep/er/mine"
    ln -s /etc "$tmp/data/etc"
    start_one a -v "$tmp/data:/data"
    named() { netctr logs a 2>&1 | has -F "4 files in \`$tmp/data\` belong to ids that the container does not have"; }
    wait_for 10 named
    assert_eq "$(userns_of a 'unmapped_files | length')" 1
    assert_eq "$(userns_of a 'unmapped_files[0].count')" 4
    userns_of a 'unmapped_files[0].names[]' | has -x 'deep/er/\(one\|two\|three\|four\)'
    assert_eq "$(netctr exec a stat -c %u /data/deep/er/one)" 65534
    assert_eq "$(netctr logs a 2>&1 | wc -l)" 1
    # once a boot
    start_one b -v "$tmp/data:/data"
    sleep 0.5
    assert_eq "$(netctr logs b 2>&1)" ''
    assert_eq "$(userns_of b 'unmapped_files[0].count')" 4
    # an attached client prints it too
    cp -a "$tmp/data" "$tmp/data2"
    netctr run --rm -v "$tmp/data2:/data" "$box" sleep 2 2>"$tmp/stderr"
    has -F "netctr: warning: 4 files in \`$tmp/data2\`" <"$tmp/stderr"
    rm -rf --one-file-system "$tmp/data" "$tmp/data2"
}
t 'files of other ids are named once' strays

searched() { # COUNT: of finished searches
    [ "$(find "$run_state/mappable" -name 'files-*' -size +0 | wc -l)" = "$1" ]
}
another_source() {
    mkdir "$tmp/data"
    touch "$tmp/data/far"
    chown 70000 "$tmp/data/far"
    rm -f "$run_state"/mappable/files-*
    start_one a -v "$tmp/data:/data"
    wait_for 10 searched 2
    assert_eq "$(userns_of a 'unmapped_files | length')" 1
    netctr rm -f a
    rm -r "$tmp/data"
    mkdir "$tmp/data" # with the same number, most often
    start_one a -v "$tmp/data:/data"
    assert_eq "$(userns_of a unmapped_files)" null
    # The search for the next one removes the result of the directory that is gone.
    result_of_old() { find "$run_state/mappable" -name 'files-*' -exec grep -l far {} +; }
    old_is_gone() { [ -z "$(result_of_old)" ]; }
    wait_for 10 old_is_gone
    wait_for 10 searched 2
    assert_eq "$(userns_of a unmapped_files)" null
}
t 'what was found in a directory is not shown for the next one with its number' another_source
