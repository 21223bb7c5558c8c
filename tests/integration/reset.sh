#!/usr/bin/env bash
# `netctr reset` removes everything of netctr, and nothing else. The host is read-only here.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/helpers.sh"
read_only_host

precious=$ARENA/precious
plant() {
    mkdir -p "$precious/dir"
    echo gold | tee "$precious/file" >"$precious/dir/file"
}
precious_is_there() {
    assert_eq "$(cat "$precious/file" "$precious/dir/file" | tr '\n' ' ')" 'gold gold '
}

leftovers() {
    ls -d "$state" "$run_state" "${state%/*}/.${state##*/}".* "${run_state%/*}/.${run_state##*/}".* 2>/dev/null || true
    nft list tables | grep netctr || true
    ip -o link | grep -E ': (nc|vc)-' || true
    find /sys/fs/cgroup -name netctr
    pgrep -a '^netctr' || true
}
nothing_left() { [ -z "$(leftovers)" ]; }
assert_gone() {
    nothing_left || sleep 0.3 # a dead veth goes with its namespace
    assert_eq "$(leftovers)" '' 'left behind'
}
forwards() { cat /proc/sys/net/ipv4/ip_forward; }

full_host() {
    plant
    netctr network create back
    serve web -p 8080:80 --network back
    netctr run -d --restart always --name again "$box" sleep 1000
    netctr run --name ended "$box" sh -c "ln -s '$precious' /link; mkdir -p /a/b; ln -s / /a/b/root"
    netctr run -d --name plain --network none "$box" sleep 1000
} >/dev/null

removes() {
    local before program
    before=$(forwards)
    full_host
    program=$(pid_of web)
    netctr reset --dry-run >"$tmp/plan"
    status_is web running
    http http://127.0.0.1:8080/ | has -x web
    netctr reset -f >"$tmp/said"
    assert_gone
    precious_is_there
    ! kill -0 "$program" 2>/dev/null || fail 'the program lives'
    local line
    for line in 'container web' 'container again' 'container ended' 'container plain' 'link nc-back' 'link nc-default' \
        'table inet netctr' 'table bridge netctr_guard' "directory $state" "directory $run_state"; do
        grep -qxF "would remove $line" "$tmp/plan" || fail "not listed: $line"
        grep -qxF "removed $line" "$tmp/said" || fail "not reported: $line"
    done
    grep -q '^would remove process [0-9]*, a monitor of container again$' "$tmp/plan"
    grep -q '^would remove cgroup netctr/[0-9a-f]*/helpers$' "$tmp/plan"
    assert_eq "$(forwards)" "$before" ip_forward
    assert_eq "$(netctr reset -f)" '' 'a second time'
    assert_eq "$(netctr reset --dry-run)" '' 'dry run of nothing'
    [ ! -e "$state" ] && [ ! -e "$run_state" ] || fail 'it creates directories'
    serve web -p 8080:80
    http http://127.0.0.1:8080/ | has -x web
}
t 'everything is listed, then gone, and netctr can be used again' removes

forwarding() {
    echo 0 >/proc/sys/net/ipv4/ip_forward
    netctr run -d --name web "$box" sleep 1000 >/dev/null 2>&1
    assert_eq "$(forwards)" 1
    netctr reset -f >"$tmp/said"
    grep -qx 'restored sysctl net/ipv4/ip_forward to 0' "$tmp/said"
    assert_eq "$(forwards)" 0
    netctr run -d --name web "$box" sleep 1000 >/dev/null 2>&1
    ip link add wg9 type bridge
    netctr reset -f >"$tmp/said"
    ip link delete wg9
    grep -q '^left sysctl net/ipv4/ip_forward, newer link wg9' "$tmp/said"
    assert_eq "$(forwards)" 1
    # It was on before: it stays, and nothing is said.
    netctr run --rm "$box" true
    netctr reset -f >"$tmp/said"
    ! grep 'sysctl.*ip_forward' "$tmp/said" || fail 'forwarding was not of netctr'
    assert_eq "$(forwards)" 1
}
t 'forwarding that netctr has switched on is switched off, unless a newer link may need it' forwarding

refused() { # TEXT
    local status=0
    netctr reset -f >"$tmp/said" 2>"$tmp/why" </dev/null || status=$?
    assert_eq $status 125 status
    assert_eq "$(cat "$tmp/said")" '' said
    assert_contains "$(cat "$tmp/why")" "$1"
    status_is web running
    http http://127.0.0.1:8080/ | has -x web
}
foreign() {
    plant
    serve web -p 8080:80
    local place
    for place in "$state/notes.txt" "$run_state/x" "$state/containers/web/data" "$state/containers/-x" "$run_state/containers/web/y"; do
        echo mine >"$place"
        refused "\`$place\` was not created by netctr"
        assert_eq "$(cat "$place")" mine
        rm "$place"
    done
    mkdir "$state/upper"
    refused "\`$state/upper\` was not created by netctr"
    rmdir "$state/upper"
    mkdir "$state/containers/web/upper/mnt"
    mount --bind "$precious" "$state/containers/web/upper/mnt"
    refused "\`$state/containers/web/upper/mnt\` is a mount point"
    umount "$state/containers/web/upper/mnt"
    mkdir -p "$run_state/pins2"
    refused 'pins2'
    rmdir "$run_state/pins2"
    precious_is_there
    netctr run --name inner "$box" true
    jq --arg rootfs "$state/containers/web/upper" '.rootfs = $rootfs' "$state/containers/inner/config.json" >"$tmp/config"
    cp "$tmp/config" "$state/containers/inner/config.json"
    refused "the root directory of container \`inner\`, is in \`$state\`"
    netctr rm inner
    netctr reset -f >/dev/null
    assert_gone
    precious_is_there
}
t 'a directory that holds anything else is refused as a whole, before anything is touched' foreign

# ROOT RUN TEXT: a pair of directories that must be refused.
refuses_pair() {
    assert_fails "$program" --root "$1" --run-root "$2" reset -f 2>"$tmp/why" >"$tmp/said"
    assert_contains "$(cat "$tmp/why")" "$3"
    assert_eq "$(cat "$tmp/said")" ''
}
wrong_roots() {
    plant
    warm_up
    local none=$tmp/none
    refuses_pair / "$none" 'does not end in the name of a directory'
    refuses_pair // "$none" 'does not end in the name of a directory'
    refuses_pair "$state/.." "$none" 'does not end in the name of a directory'
    refuses_pair /etc "$none" 'was not created by netctr'
    refuses_pair "$box" "$none" 'was not created by netctr'
    refuses_pair "$precious" "$none" 'was not created by netctr'
    refuses_pair "$none" "$precious" 'was not created by netctr'
    refuses_pair /proc "$none" 'is a mount point'
    refuses_pair "$precious/file" "$none" 'is not a directory'
    mkdir "$tmp/home"
    HOME=$tmp/home refuses_pair "$tmp/home" "$none" 'is the home directory'
    ln -s "$state" "$tmp/link"
    refuses_pair "$tmp/link" "$none" 'is a symbolic link'
    refuses_pair "$tmp/link/" "$none" 'is a symbolic link'
    mkdir "$tmp/mounted"
    mount -t tmpfs tmpfs "$tmp/mounted"
    mkdir "$tmp/mounted/containers"
    refuses_pair "$tmp/mounted" "$none" 'is a mount point'
    umount "$tmp/mounted"
    mkdir -p "$tmp/other/networks"
    refuses_pair "$tmp/other" "$none" 'has no file `netctr-state` and no directory `containers`'
    mkdir "$tmp/other/containers"
    chown 1 "$tmp/other"
    refuses_pair "$tmp/other" "$none" 'belongs to another user'
    chown 0 "$tmp/other"
    "$program" --root "$tmp/other" --run-root "$none" reset -f >/dev/null # of an older version
    [ ! -e "$tmp/other" ] && [ -e "$state" ] && [ -e /etc/passwd ]
    precious_is_there
}
t 'a directory that is not netctr'\''s is refused: /, home, a rootfs, links, mounts, others'\''' wrong_roots

asks() {
    warm_up
    assert_error 'netctr: `reset` removes all containers, networks and state of netctr, and asks; without a terminal, `netctr reset -f` does not ask, and `--dry-run` only lists' \
        125 netctr reset
    assert_error 'netctr: `reset` takes no names' 125 netctr reset -f web
    assert_fails netctr reset --all </dev/null
    [ -e "$state" ]
    on_terminal n
    has 'Remove all of this' "$tmp/typed"
    [ -e "$state" ] && [ -e "$run_state" ]
    on_terminal y
    assert_gone
    on_terminal y # nothing to ask
    ! has 'Remove all' "$tmp/typed" || fail 'it asks for nothing'
}
on_terminal() { # ANSWER
    python3 - "$1" >"$tmp/typed" <<-'END'
	import os, pty, sys
	pid, fd = pty.fork()
	if pid == 0:
	    os.execvp("netctr", ["netctr", "reset"])
	text = b""
	answered = False
	while True:
	    try:
	        part = os.read(fd, 4096)
	    except OSError:
	        break
	    if not part:
	        break
	    text += part
	    if b"[y/N]" in text and not answered:
	        os.write(fd, sys.argv[1].encode() + b"\n")
	        answered = True
	os.waitpid(pid, 0)
	print(text.decode())
	END
}
t 'it asks on a terminal; without one it needs -f' asks

damaged() {
    full_host
    echo '{' >"$state/containers/web/config.json"
    echo '{' >"$run_state/containers/web/state.json"
    rm "$run_state/containers/plain/state.json" "$state/containers/plain/config.json"
    rm "$run_state/containers/again/lock"
    echo x >"$run_state/leases/.forwarding"
    rm "$run_state/instance" "$run_state/helpers/state" "$state/run-root"
    rm "$state/networks/back.json"
    netctr reset -f >"$tmp/said" 2>&1
    assert_gone
    precious_is_there
}
t 'damaged state' damaged

lost() {
    local which
    for which in run root both; do
        full_host
        [ $which = root ] || lose_run_directory
        # A monitor may write to a directory while it is being removed.
        [ $which = run ] || rm -rf --one-file-system "$state" || rm -rf --one-file-system "$state"
        netctr reset -f >"$tmp/said" 2>&1
        assert_gone
    done
    precious_is_there
}
t 'the run directory, the state directory or both are lost while containers run' lost

strays() {
    warm_up
    ip link add vc-mine type bridge
    ip link add nc-mine type bridge
    ip link add vc-12345678901 type bridge
    ip link set vc-12345678901 alias 'netctr 0123456789abcdef web on default'
    nft add table inet mine
    local dir
    dir=$(find /sys/fs/cgroup -maxdepth 3 -type d -name netctr | head -1)
    [ -n "$dir" ] || dir=/sys/fs/cgroup/netctr
    mkdir -p "$dir/0123456789abcdef/aaaabbbbcccc"
    netctr reset -f >"$tmp/said"
    grep -qx 'left link vc-12345678901, which belongs to another netctr' "$tmp/said"
    [ -d "$dir/0123456789abcdef/aaaabbbbcccc" ]
    nft list table inet mine
    local link
    for link in vc-mine nc-mine vc-12345678901; do ip link delete $link; done
    nft delete table inet mine
    find "$dir" -depth -type d -exec rmdir {} +
    assert_gone
}
t 'links, tables and cgroups of others stay' strays

second=("$program" --root "$ARENA/root2" --run-root /run/netctr2)
neighbours() {
    serve web -p 8080:80
    "${second[@]}" run -d --name other --network none "$box" sleep 1000 >/dev/null
    local pid
    pid=$("${second[@]}" inspect other | jq '.[0].state.pid')
    netctr reset -f >/dev/null
    kill -0 "$pid"
    assert_eq "$("${second[@]}" ps -q | wc -l)" 1
    serve web -p 8080:80
    "${second[@]}" reset -f >"$tmp/said"
    grep -qx 'left table inet netctr, which belongs to another netctr' "$tmp/said"
    grep -qx 'left link nc-default, which belongs to another netctr' "$tmp/said"
    ! kill -0 "$pid" 2>/dev/null || fail 'the other one lives'
    [ ! -e "$ARENA/root2" ] && [ ! -e /run/netctr2 ]
    http http://127.0.0.1:8080/ | has -x web
    status_is web running
    # The same directories from another network namespace.
    ip netns add second
    assert_fails nsenter --net=/run/netns/second "$program" --root "$state" --run-root "$run_state" reset -f 2>"$tmp/why"
    assert_contains "$(cat "$tmp/why")" 'belongs to another network namespace'
    # The same state with another run directory.
    assert_fails "$program" --root "$state" --run-root /run/netctr2 reset -f 2>"$tmp/why"
    assert_contains "$(cat "$tmp/why")" 'has containers that run under'
    ip netns delete second
    http http://127.0.0.1:8080/ | has -x web
    netctr reset -f >/dev/null
    assert_gone
}
t 'another instance beside it stays as it is' neighbours

followed_events() {
    warm_up
    "$program" --root "$state" --run-root "$run_state" events >"$tmp/followed" 2>"$tmp/why" &
    local follower=$! status=0
    begun() {
        netctr run --rm "$box" true
        [ -s "$tmp/followed" ]
    }
    wait_for 10 begun
    netctr reset -f >/dev/null
    wait_for 5 eval "! kill -0 $follower"
    wait $follower || status=$?
    assert_eq $status 125
    assert_eq "$(cat "$tmp/why")" "netctr: the run directory \`$run_state\` has been removed"
}
t 'events ends instead of waiting for those of a removed directory' followed_events

one_for_both() {
    local both=("$program" --root "$ARENA/both" --run-root "$ARENA/both")
    mkdir "$ARENA/both"
    assert_error "netctr: \`$ARENA/both\` cannot be the state directory and the run directory; use --run-root with another directory, on a tmpfs" \
        125 within 10 "${both[@]}" run "$box" true
    mkdir "$ARENA/both/containers"
    touch "$ARENA/both/lock" "$ARENA/both/instance"
    assert_eq "$(within 10 "${both[@]}" reset -f)" "removed directory $ARENA/both"
    [ ! -e "$ARENA/both" ]
}
t 'one directory as --root and --run-root is refused at once, and reset removes it' one_for_both

# A process in another instance's container may have the name, and an open file with the path, of a monitor.
pretender() {
    warm_up
    "${second[@]}" run -d --name other --network host "$box" sh -c "
        mkdir -p '$run_state/containers/web'
        exec 9>'$run_state/containers/web/lock'
        printf netctr >/proc/self/comm
        while :; do sleep 1; done" >/dev/null
    local pid
    pid=$("${second[@]}" inspect other | jq '.[0].state.pid')
    wait_for 5 eval "[ \"\$(cat /proc/$pid/comm)\" = netctr ]"
    assert_eq "$(readlink "/proc/$pid/fd/9")" "$run_state/containers/web/lock"
    netctr reset -f >"$tmp/said"
    kill -0 "$pid" || fail "it was ended: $(cat "$tmp/said")"
    "${second[@]}" reset -f >/dev/null
    assert_gone
}
t 'a process in a container that looks like a monitor stays' pretender

killed() {
    sanitized && skip 'strace and the sanitizer'
    local point call number status struck=0
    for point in pidfd_send_signal:1 rmdir:1 rmdir:2 write:1 write:3 sendto:4 sendmsg:1 sendmsg:2 sendmsg:3 renameat:1 \
        renameat:2 unlinkat:1 unlinkat:4 unlinkat:12 unlinkat:40; do
        call=${point%:*} number=${point#*:} status=0
        plant
        netctr run -d --name web -p 8080:80 "$box" sleep 1000 >/dev/null
        netctr run --name ended "$box" sh -c "ln -s '$precious' /link"
        strace -o /dev/null -e trace="$call" -e inject="$call:signal=KILL:when=$number" \
            "$program" --root "$state" --run-root "$run_state" reset -f >"$tmp/said" 2>&1 || status=$?
        [ $status = 0 ] || [ $status = 137 ] || fail "$point: status $status: $(cat "$tmp/said")"
        [ $status = 0 ] || struck=$((struck + 1))
        netctr reset -f >"$tmp/said" 2>&1 || fail "$point: $(cat "$tmp/said")"
        nothing_left || sleep 0.3
        assert_eq "$(leftovers)" '' "$point"
    done
    [ $struck -ge 12 ] || fail "only $struck points struck"
    note "$struck points"
    precious_is_there
}
t 'killed half-way, the next one completes' killed

# Any other command in between works as well.
killed_and_run() {
    sanitized && skip 'strace and the sanitizer'
    local point
    for point in rmdir:1 sendmsg:2 renameat:1 renameat:2 unlinkat:10; do
        netctr run -d --name web -p 8080:80 "$box" sleep 1000 >/dev/null
        strace -o /dev/null -e trace="${point%:*}" -e inject="${point%:*}:signal=KILL:when=${point#*:}" \
            "$program" --root "$state" --run-root "$run_state" reset -f >"$tmp/said" 2>&1 || true
        netctr run --rm -p 8080:80 "$box" true || fail "$point: it cannot run"
        netctr reset -f >"$tmp/said" 2>&1 || fail "$point: $(cat "$tmp/said")"
        nothing_left || sleep 0.3
        assert_eq "$(leftovers)" '' "$point"
    done
}
t 'killed half-way, other commands work' killed_and_run

race() {
    local round i
    for ((round = 0; round < $(often 10); round++)); do
        warm_up
        for i in 1 2 3 4; do
            (for ((n = 0; n < 6; n++)); do netctr run -d --name "c$i$n" "$box" sleep 1000; done) >/dev/null 2>&1 &
        done
        sleep "0.0$((RANDOM % 9))"
        netctr reset -f >"$tmp/said" 2>"$tmp/why" || fail "$(cat "$tmp/why")"
        wait
        # Those that started later belong to a new instance, which is complete.
        netctr ps -a >"$tmp/ps" 2>"$tmp/why"
        assert_eq "$(cat "$tmp/why")" '' 'ps'
        netctr reset -f >"$tmp/said" 2>"$tmp/why" || fail "$(cat "$tmp/why")"
        nothing_left || sleep 0.3
        assert_eq "$(leftovers)" '' "round $round"
    done
}
t 'runs at the same time are ended, or find the directories gone' race

unremovable() {
    plant
    serve web -p 8080:80
    touch "$state/containers/web/upper/fixed"
    chattr +i "$state/containers/web/upper/fixed" 2>/dev/null || skip 'this file system has no immutable files'
    local status=0
    netctr reset -f >"$tmp/said" 2>"$tmp/why" || status=$?
    chattr -i "${state%/*}/.${state##*/}.netctr-reset/containers/web/upper/fixed"
    assert_eq $status 125
    assert_contains "$(cat "$tmp/why")" 'containers'
    netctr reset -f >/dev/null
    assert_gone
}
t 'what cannot be removed is named, and the next one removes it' unremovable

pins() {
    plant
    warm_up
    touch "$run_state/pins"
    mount --bind /proc/self/ns/net "$run_state/pins"
    netctr reset --dry-run | has -xF "would remove mount $run_state/pins"
    netctr reset -f | has -xF "removed mount $run_state/pins"
    assert_gone
    ! grep -F "$run_state" /proc/self/mountinfo || fail 'there is a mount'
}
t 'pinned namespaces are unmounted' pins

# They have no program and no monitor: the kernel's objects are found by their marks.
without_program() {
    local sandboxes=("$top/${NETCTR_BUILD:-build}/tests/sandboxes" "$state" "$run_state")
    warm_up
    ip netns add theirs
    "${sandboxes[@]}" pinned aaaabbbbcccc node default
    "${sandboxes[@]}" foreign bbbbccccdddd pod /run/netns/theirs default
    "${sandboxes[@]}" publish aaaabbbbcccc 8080:80
    assert_eq "$("${sandboxes[@]}" list | wc -l)" 2
    [ "$(ip -o link | grep -c ': vc-')" = 2 ]
    nft list ruleset | has 8080
    netctr reset -f >"$tmp/said"
    grep -qxF "removed mount $run_state/pins/namespace" "$tmp/said"
    assert_gone
    ! grep -F "$run_state" /proc/self/mountinfo || fail 'there is a mount'
    assert_eq "$(nsenter --net=/run/netns/theirs ip -o link | grep -v ' lo:' || true)" ''
    ip netns delete theirs
}
t 'sandboxes without a program, pinned and in a foreign namespace, which stays' without_program

follows_readme() {
    netctr network create back
    netctr run -d --name web --network back -p 8080:80 "$box" sleep 100
    sed -n '/^### Remove everything$/,/^## /s/^    //p' "$top/README.md" >"$tmp/block"
    assert_eq "$(sed 's/ *#.*//' "$tmp/block" | paste -sd' ')" 'netctr reset make uninstall'
    sed -i 's/^netctr reset/& -f/' "$tmp/block"
    make() { :; }
    (cd "$tmp" && export -f make && bash -eu block)
    assert_gone
}
t "the README's last commands leave nothing behind" follows_readme
