#!/usr/bin/env bash
# logs -f: nothing lost, nothing doubled, whatever happens to the files meanwhile.
. "$(dirname "$0")/../lib.sh"

# A container that waits for $tmp/go, and then for $tmp/end.
background() { # FLAGS... SCRIPT
    rm -f "$tmp/go" "$tmp/end"
    netctr run -d --name k --network none -v "$tmp:/t" "${@:1:$#-1}" "$box" \
        sh -c "await() { until [ -e /t/\$1 ]; do usleep 10000; done; }; ${!#}; exit 1" >/dev/null
}
follow() { # in the background, into $tmp/followed
    : >"$tmp/followed" # not that of the previous test
    timeout $((20 * slowness)) netctr logs -f k >"$tmp/followed" 2>"$tmp/stderr" &
    follower=$!
}
ends_well() { # the follower exits by itself
    wait $follower
    assert_eq "$(cat "$tmp/stderr")" ''
}

through_rotations() {
    local files n
    # At most one rotation before the reader is known to have seen the previous one, so it misses none.
    for files in 1 2 5; do
        background --log-opt max-size=12k --log-opt max-file=$files \
            'for i in $(seq 0 11); do await go; rm /t/go; seq $((i * 200 + 1)) $((i * 200 + 200)); done'
        follow
        for n in $(seq 200 200 2400); do
            touch "$tmp/go"
            wait_for 5 grep -qx "$n" "$tmp/followed"
        done
        ends_well
        seq 2400 | cmp - "$tmp/followed"
        [ $files = 1 ] || [ -e "$state/containers/k/log.$((files - 1))" ] || fail 'it was not rotated'
        netctr rm k >/dev/null
    done
}
t 'logs -f follows from file to file' through_rotations

after_truncation() {
    background 'seq 1000; await go; echo new; await end'
    follow
    wait_for 5 grep -qx 1000 "$tmp/followed"
    : >"$state/containers/k/log"
    touch "$tmp/go"
    wait_for 5 grep -qx new "$tmp/followed"
    assert_eq "$(wc -l <"$tmp/followed")" 1001
    touch "$tmp/end"
    ends_well
    assert_eq "$(netctr logs k)" new
}
# moby #45728
t 'logs -f reads a truncated file from its beginning' after_truncation

# Another program renames the log: the program's next line is in a new file with the name.
after_rename() {
    local log=$state/containers/k/log where flags
    for flags in '' '--cpus 0.5'; do
        for where in "$tmp/elsewhere" "$log.1"; do
            # shellcheck disable=SC2086 # several words
            background $flags 'seq 1000; await go; echo new; await end; echo last'
            follow
            wait_for 5 grep -qx 1000 "$tmp/followed"
            mv "$log" "$where"
            [ "$where" != "$tmp/elsewhere" ] ||
                { netctr logs k 2>&1 || true; } | has -x "netctr: the log of container .k. is missing: $log"
            touch "$tmp/go"
            wait_for 5 grep -qx new "$tmp/followed"
            assert_eq "$(cut -c 32- "$log")" 'stdout F new'
            assert_eq "$(netctr logs --tail 1 k)" new
            # Another file in its place, as logrotate creates it.
            mv "$log" "$where"
            install -m 0640 /dev/null "$log"
            touch "$tmp/end"
            ends_well
            assert_eq "$(cut -c 32- "$log") $(stat -c %A "$log" | tr x -)" 'stdout F last -rw-r-----'
            { seq 1000 && echo new && echo last; } | cmp - "$tmp/followed"
            netctr rm k >/dev/null
        done
    done
}
# moby #45728
t 'a log that another program has renamed is created again, and followed' after_rename

# Longer than before, and different: the size alone would not show it.
after_rewriting() {
    local log=$state/containers/k/log how
    for how in 'cat "$tmp/new" >"$log"' 'cp "$log" "$tmp/copy" && : >"$log" && cat "$tmp/new" >>"$log"' \
        'cp "$tmp/new" "$log.x" && mv "$log.x" "$log"'; do
        background 'seq 10; await go; echo more; await end; echo last'
        follow
        wait_for 5 grep -qx 10 "$tmp/followed"
        for n in $(seq 101 200); do
            printf '2026-01-02T03:04:05.%09dZ stdout F %d\n' "$n" "$n"
        done >"$tmp/new"
        eval "$how"
        wait_for 5 grep -qx 200 "$tmp/followed"
        touch "$tmp/go"
        wait_for 5 grep -qx more "$tmp/followed"
        touch "$tmp/end"
        ends_well
        { seq 10 && seq 101 200 && echo more && echo last; } | cmp - "$tmp/followed"
        netctr rm k >/dev/null
    done
}
t 'logs -f notices that the file was replaced' after_rewriting

from_the_end() {
    local follower
    background 'seq 1000; await go; seq 5; await end'
    wait_for 5 logged k 1000
    : >"$tmp/followed"
    "$ARENA/bin/netctr" logs -f --tail 2 k >"$tmp/followed" 2>"$tmp/stderr" &
    follower=$!
    wait_for 5 grep -qx 1000 "$tmp/followed"
    assert_eq "$(tr '\n' ' ' <"$tmp/followed")" '999 1000 '
    touch "$tmp/go"
    wait_for 5 grep -qx 5 "$tmp/followed"
    touch "$tmp/end"
    ends_well
    assert_eq "$(tr '\n' ' ' <"$tmp/followed")" '999 1000 1 2 3 4 5 '
    netctr rm k >/dev/null
    # Nothing has been read yet when the file is truncated.
    background 'seq 1000; await go; echo new; await end'
    wait_for 5 logged k 1000
    : >"$tmp/followed"
    "$ARENA/bin/netctr" logs -f --tail 0 k >"$tmp/followed" 2>"$tmp/stderr" &
    follower=$!
    wait_for 5 eval 'ls -l /proc/$follower/fd | has inotify'
    : >"$state/containers/k/log"
    touch "$tmp/go"
    wait_for 5 grep -qx new "$tmp/followed"
    touch "$tmp/end"
    ends_well
    assert_eq "$(cat "$tmp/followed")" new
}
t 'logs -f --tail' from_the_end

without_file() {
    background --log-opt max-size=30k --log-opt max-file=5 'seq 1000; await go; seq 1001 3000; await end'
    wait_for 5 logged k 1000
    rm "$state/containers/k/log"
    netctr logs k >"$tmp/older"
    follow
    wait_for 5 cmp "$tmp/older" "$tmp/followed"
    touch "$tmp/go"
    wait_for 5 grep -qx 3000 "$tmp/followed"
    touch "$tmp/end"
    ends_well
    assert_eq "$(sort -n "$tmp/followed" | uniq -d)" '' 'lines that came twice'
    netctr rm k >/dev/null
    # No file at first.
    background --log-opt max-size=20k --log-opt max-file=5 'echo early; await go; seq 1000; await end'
    wait_for 5 logged k early
    rm "$state/containers/k/log"
    follow
    touch "$tmp/go"
    wait_for 5 grep -qx 1000 "$tmp/followed"
    touch "$tmp/end"
    ends_well
    # Removed while it is followed: what has been read is not read again.
    netctr rm k >/dev/null
    background --log-opt max-size=4k 'seq 200; await go; echo more; await end'
    follow
    wait_for 5 grep -qx 200 "$tmp/followed"
    rm "$state/containers/k/log"
    touch "$tmp/go"
    sleep 0.2
    touch "$tmp/end"
    ends_well
    assert_eq "$(sort -n "$tmp/followed" | uniq -d)" '' 'lines that came twice'
}
t 'logs -f without the file' without_file

without_inotify() {
    strace -o /dev/null true 2>/dev/null || skip 'no permission to trace'
    background --log-opt max-size=20k --log-opt max-file=5 'echo 0; await go; seq 1000; await end; echo last'
    : >"$tmp/followed"
    strace -f -qq -o "$tmp/trace" -e trace=inotify_init1,inotify_init -e inject=inotify_init1,inotify_init:error=EMFILE \
        "$program" --root "$state" --run-root "$run_state" logs -f k >"$tmp/followed" 2>"$tmp/stderr" &
    follower=$!
    wait_for 5 grep -q 0 "$tmp/followed"
    touch "$tmp/go"
    wait_for 5 grep -qx 1000 "$tmp/followed"
    touch "$tmp/end"
    ends_well
    { seq 0 1000 && echo last; } | cmp - "$tmp/followed"
    grep -q EMFILE "$tmp/trace"
}
t 'logs -f without a free inotify instance' without_inotify

kilobytes() { # of the follower
    awk '/^VmHWM/ { print $2 }' "/proc/$follower/status"
}
slow_reader() {
    local before grown follower
    background --log-opt max-size=100k 'yes'
    mkfifo "$tmp/pager"
    "$ARENA/bin/netctr" logs -f k >"$tmp/pager" 2>"$tmp/stderr" &
    follower=$!
    exec 8<"$tmp/pager"
    head -c 10000 <&8 >/dev/null
    before=$(kilobytes)
    sleep 0.3
    head -c 400000 <&8 >/dev/null
    wait_for 5 grep -q lost "$tmp/stderr"
    grown=$(($(kilobytes) - before))
    [ $grown -lt 1000 ] || fail "it has grown by $grown kB"
    assert_eq "$(sort -u "$tmp/stderr")" \
        'netctr: warning: lines are lost: the container writes them faster than they are read'
    assert_eq "$(head -c 100001 <&8 | tail -n +2 | head -n -1 | sort -u)" y
    exec 8<&-
    netctr rm -f k >/dev/null
}
t 'logs -f reports that its reader is too slow, and goes on' slow_reader

# As with `less`: output written after the start of the command is not waited for.
snapshot_of_flood() {
    background --log-opt max-size=100k 'yes'
    wait_for 5 test -e "$state/containers/k/log.2"
    within 5 netctr logs k >"$tmp/told" 2>/dev/null
    within 5 netctr logs --tail 30000 k >"$tmp/told" 2>/dev/null
    assert_eq "$(sort -u "$tmp/told")" y
    [ "$(wc -l <"$tmp/told")" -lt 40000 ] || fail "$(wc -l <"$tmp/told") lines"
}
t 'logs of a container that writes without pause ends' snapshot_of_flood
