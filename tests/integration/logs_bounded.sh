#!/usr/bin/env bash
# The log of a container is bounded: its size, its files, its driver.
. "$(dirname "$0")/../lib.sh"

run() { # attached, its output is discarded
    netctr run --name k --network none "$@" >/dev/null
}
files() {
    (cd "$state/containers/k" && echo log*)
}
# The log has consecutive numbers up to N only; $first is the first of them.
tells_up_to() { # N
    netctr logs k >"$tmp/told"
    first=$(head -1 "$tmp/told")
    [ -n "$first" ] || fail 'the log is empty'
    seq "$first" "$1" | cmp - "$tmp/told"
}
no_file_beyond() { # BYTES
    local file
    for file in "$state"/containers/k/log*; do
        [ "$(stat -c %s "$file")" -le "$1" ] || fail "$(ls -l "$file")"
    done
}

is_bounded() {
    run --log-opt max-size=20k --log-opt max-file=3 "$box" seq 5000
    assert_eq "$(files)" 'log log.1 log.2'
    no_file_beyond 20480
    tells_up_to 5000
    [ "$first" -gt 1 ] && [ "$first" -lt 4500 ] || fail "begins with $first"
    local n
    for n in 1 2; do # no line is split between files
        tail -n 1 "$state/containers/k/log.$n" | has ' F '
    done
    for n in 0 1 400 500 700 1000 9999; do
        netctr logs --tail $n k | cmp - <(tail -n $n "$tmp/told")
    done
    netctr rm k
    [ ! -e "$state/containers/k" ] || fail 'rm leaves something'
    run --log-opt max-size=20k --log-opt max-file=1 "$box" seq 5000
    assert_eq "$(files)" log
    no_file_beyond 20480
    tells_up_to 5000
    netctr rm k
    run --log-opt max-size=-1 "$box" seq 100000
    assert_eq "$(files)" log
    tells_up_to 100000
    assert_eq "$first" 1
    netctr rm k
    # Endless lines are cut.
    run --log-opt max-size=50k "$box" sh -c 'head -c 400000 /dev/zero | tr "\0" x'
    no_file_beyond $((51200 + 4200))
    assert_eq "$(netctr logs k | tr -d x | wc -c)" 0
    [ "$(netctr logs k | wc -c)" -ge 98000 ] || fail 'too little is kept'
}
t 'max-size and max-file bound the log' is_bounded

what_log() { # KEY
    netctr inspect k | jq -r ".[0].log.$1"
}
is_defined() {
    local flag
    run "$box" true
    assert_eq "$(what_log driver) $(what_log max_size) $(what_log max_file)" 'k8s-file 10485760 3'
    # The definition of an older container has no limit.
    jq 'del(.log)' "$state/containers/k/config.json" >"$tmp/old"
    cp "$tmp/old" "$state/containers/k/config.json"
    assert_eq "$(what_log driver) $(what_log max_size) $(what_log max_file)" 'k8s-file 10485760 3'
    netctr rm k
    run --log-driver k8s-file --log-opt max-size=1g --log-opt max-file=7 "$box" true
    assert_eq "$(what_log driver) $(what_log max_size) $(what_log max_file)" 'k8s-file 1073741824 7'
    for flag in json-file local journald ''; do
        assert_error "netctr: log driver \`$flag\`: there are k8s-file (the default) and none" 125 \
            netctr run --log-driver "$flag" "$box" true
    done
    for flag in max-size=0 max-size=4095 max-size=x max-size=-2 max-size= max-file=0 max-file=x max-file=101 tag=a ''; do
        assert_status 125 netctr run --log-opt "$flag" "$box" true
    done
}
t 'the options are checked, kept and shown' is_defined

has_none() {
    netctr run -d --name k --network none --log-driver none "$box" sh -c 'echo said; sleep 1000' >/dev/null
    assert_error 'netctr: container `k` has no log: its log driver is none' 125 netctr logs k
    netctr rm -f k
    assert_eq "$(netctr run --name k --network none --log-driver none "$box" echo said)" said
    [ ! -e "$state/containers/k/log" ] || fail 'there is a log'
    assert_eq "$(what_log driver)" none
}
t '--log-driver none keeps nothing' has_none

shrinks() {
    netctr run -d --name k --network none --log-opt max-size=10k --log-opt max-file=6 \
        "$box" sh -c 'seq 5000; sleep 1000' >/dev/null
    wait_for 5 logged k 5000
    netctr stop -t 0 k >/dev/null
    assert_eq "$(files)" 'log log.1 log.2 log.3 log.4 log.5'
    jq '.log.max_file = 2' "$state/containers/k/config.json" >"$tmp/new"
    cp "$tmp/new" "$state/containers/k/config.json"
    rm "$state/containers/k/log.3" # a gap
    netctr start k >/dev/null
    wait_for 5 eval '[ "$(files)" = "log log.1" ] && [ "$(netctr logs --tail 1 k)" = 5000 ]'
}
t 'a smaller max-file removes what is beyond it' shrinks

# Every line that was written before is there, each once.
survives_kills() {
    local n monitor last
    for n in $(seq "$(often 7)"); do
        netctr run -d --name k --network none --log-opt max-size=6k --log-opt max-file=4 \
            "$box" seq 100000000 >/dev/null
        monitor=$(monitor_of k)
        wait_for 5 test -e "$state/containers/k/log.1"
        sleep "0.0$((RANDOM % 50 + 10))"
        kill -KILL "$monitor"
        netctr gc >/dev/null
        netctr logs k >"$tmp/told"
        # The line that was being written is incomplete.
        last=$(tail -n 2 "$tmp/told" | head -1)
        first=$(head -1 "$tmp/told")
        seq "$first" "$last" | cmp - <(head -n $((last - first + 1)) "$tmp/told")
        [ "$(wc -l <"$tmp/told")" -le $((last - first + 3)) ] || fail 'more lines than that'
        [ $((last - first)) -gt 200 ] || fail 'hardly anything is left'
        netctr rm k >/dev/null
    done
}
t 'a monitor that is killed while it rotates leaves a readable log' survives_kills

# An obstacle to a rotation neither makes the log grow nor blocks the writer.
is_in_the_way() {
    local dir=$state/containers/k how
    for how in mkdir mkfifo 'ln -s /dev/null'; do
        netctr run -d --name k --network none --log-opt max-size=10k --log-opt max-file=2 -v "$tmp:/t" \
            "$box" sh -c 'until [ -e /t/go ]; do usleep 10000; done; seq 20000; sleep 1000' >/dev/null
        $how "$dir/log.1"
        $how "$dir/log.new"
        touch "$tmp/go"
        wait_for 5 eval '[ "$(timeout 2 netctr logs --tail 1 k)" = 20000 ]'
        [ "$(stat -c %s "$dir/log")" -lt 30000 ] || fail "$how: $(ls -l "$dir")"
        netctr rm -f k >/dev/null
        rm "$tmp/go"
    done
}
t 'other files in the place of older log files' is_in_the_way

knows_since() {
    netctr run -d --name k --network none --log-opt max-size=4k "$box" \
        sh -c "seq 20; usleep $((300000 * patience)); seq 21 40; sleep 1000" >/dev/null
    wait_for 5 logged k 40
    local when
    when=$(netctr logs -t k | awk '$2 == 21 { print $1 }')
    assert_eq "$(netctr logs --since "$when" k | head -1)" 21
    assert_eq "$(netctr logs --since 1h k | tail -1)" 40
    assert_eq "$(netctr logs --since 2100-01-01 k)" ''
    assert_eq "$(netctr logs --until "$when" k | tail -1)" "$(netctr logs -t k | awk -v until="$when" '$1 <= until { print $2 }' | tail -1)"
    assert_eq "$(netctr logs --until 1h k)" ''
    assert_eq "$(netctr logs --since 1h --until 2100-01-01 k | head -1)" "$(netctr logs k | head -1)"
    assert_eq "$(within 5 "$ARENA/bin/netctr" logs -f --until "$when" k | head -1)" "$(netctr logs k | head -1)"
    netctr logs -f --until "$(($(date +%s) + 1))" k | has -x 40
    assert_error 'netctr: since `x` is not a time (as in 10m, 2026-01-02T15:04:05Z)' 125 netctr logs --since x k
    assert_error 'netctr: until `x` is not a time (as in 10m, 2026-01-02T15:04:05Z)' 125 netctr logs --until x k
}
t 'logs --since and --until' knows_since

# How many lines of the program are lost according to the log; each gap is reported once.
lost_lines() {
    netctr logs k 2>&1 >/dev/null | sed -n 's/^netctr: lost \([0-9]*\) lines (.*) here: .*/\1/p'
}
has_whole_entries() {
    ! grep -hEv '^[0-9]{4}-[0-9-]{5}T[0-9:]{8}\.[0-9]{9}Z std(out|err) [FP](:netctr)? ' "$state"/containers/k/log* ||
        fail 'not all entries are whole'
}
# A program that writes 20,000 lines when $tmp/go appears, the last one in two pieces, and more at $tmp/more.
write_twice() { # FLAGS...
    rm -f "$tmp/go" "$tmp/full" "$tmp/more"
    netctr run -d --name k --network none -v "$tmp:/t" "$@" "$box" sh -c '
        await() { until [ -e "/t/$1" ]; do usleep 10000; done; }
        printf begun; await go; echo; for i in $(seq 1000); do seq $((i * 10 - 9)) $((i * 10)); seq $((i * 10 - 9)) $((i * 10)) >&2; done
        printf half; touch /t/full; await more; echo end; printf half; sleep .1; echo " end" >&2; echo; sleep 1000' >/dev/null
    wait_for 5 logged k begun
}
tells_the_loss() { # REASON
    has_whole_entries
    netctr logs k >"$tmp/stdout" 2>"$tmp/stderr"
    assert_eq "$(grep -c "^netctr: lost .* here: $1\$" "$tmp/stderr")" 1
    assert_eq "$(grep -c 'netctr: lost' "$tmp/stdout")" 0
    # All numbers that are there are complete, and in order.
    assert_eq "$(grep -c '^begun$' "$tmp/stdout") $(tail -n 2 "$tmp/stdout" | tr '\n' ,)" '1 end,half,'
    grep -x '[0-9]*' "$tmp/stdout" >"$tmp/numbers"
    seq "$(tail -1 "$tmp/numbers")" | cmp - "$tmp/numbers"
    # 20,001 lines, "end", "half" and " end" were written. A piece of a line ends a line here.
    local there
    there=$(netctr logs k 2>&1 | grep -vc '^netctr: ')
    note "$there lines are there, $(lost_lines) are not"
    [ $((there + $(lost_lines))) -ge 20003 ] && [ $((there + $(lost_lines))) -le 20005 ] || fail "$there and $(lost_lines)"
    netctr rm -f k >/dev/null
}
full_disk() {
    local flags
    mkdir -p "$state"
    mount -t tmpfs -o size=4m tmpfs "$state"
    for flags in '' --cpus=0.5; do
        # shellcheck disable=SC2086 # perhaps none
        write_twice $flags
        cat /dev/zero >"$state/filler" 2>/dev/null || true
        truncate -s -100K "$state/filler"
        touch "$tmp/go"
        wait_for 20 test -e "$tmp/full"
        has_whole_entries
        rm "$state/filler"
        touch "$tmp/more"
        wait_for 5 logged k ' end'
        tells_the_loss 'No space left on device'
    done
    umount -l "$state"
}
# moby #29511
t 'a full disk tears no entry, and the loss is reported once' full_disk

file_size_limit() {
    write_twice
    prlimit --pid "$(monitor_of k)" --fsize=100000:unlimited
    touch "$tmp/go"
    wait_for 20 test -e "$tmp/full"
    has_whole_entries
    prlimit --pid "$(monitor_of k)" --fsize=unlimited:
    touch "$tmp/more"
    wait_for 5 logged k ' end'
    tells_the_loss 'File too large'
}
t 'nor does a limit of file size' file_size_limit

# The disk stays full until the program ends, whose last line is in pieces.
full_to_the_end() {
    local flags monitor pid
    for flags in '' --cpus=0.5; do
        rm -f "$tmp/go"
        # shellcheck disable=SC2086 # perhaps none
        netctr run -d --name k --network none -v "$tmp:/t" $flags "$box" sh -c 'echo begun
            until [ -e /t/go ]; do usleep 10000; done; seq 2 20000; printf half; usleep 50000; printf " end" >&2; printf more; sleep 1' >/dev/null
        wait_for 5 logged k begun
        monitor=$(monitor_of k)
        for pid in $monitor $(pgrep -P "$monitor" -x netctr-relay); do
            prlimit --pid "$pid" --fsize=100000:unlimited
        done
        touch "$tmp/go"
        wait_for 20 status_is k exited
        has_whole_entries
        netctr logs k >"$tmp/stdout" 2>"$tmp/stderr"
        assert_eq "$(grep -c '^netctr: lost .* here: File too large$' "$tmp/stderr") $(wc -l <"$tmp/stderr")" '1 1'
        { echo begun && seq 2 "$(tail -1 "$tmp/stdout")"; } | cmp - "$tmp/stdout"
        assert_eq $(($(wc -l <"$tmp/stdout") + $(lost_lines))) 20000
        netctr rm k >/dev/null
    done
}
t 'without room until the end the note replaces the last lines' full_to_the_end
