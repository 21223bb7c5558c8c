#!/usr/bin/env bash
# The output of logs: the lines of both streams in their order, each complete and with one time.
. "$(dirname "$0")/../lib.sh"

run() { # its output is discarded
    netctr run --name k --network none "$box" "$@" >/dev/null 2>&1
}
untimed() { # removes one time from each line, and marks it
    sed -E 's/^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{9}Z /+/'
}
# Pieces of lines of both streams, mixed.
interleave() {
    run sh -c 'printf a; sleep .05; echo E >&2; sleep .05; echo b; printf x; sleep .05; printf Y >&2; sleep .05; printf z'
}

in_order() {
    local expected=$'out1\nerr1\nout2\nerr2\nout3\nerr3' flags
    run sh -c 'for i in 1 2 3; do echo out$i; sleep .02; echo err$i >&2; sleep .02; done'
    for flags in '' -f; do
        # shellcheck disable=SC2086 # perhaps none
        assert_eq "$(netctr logs $flags k 2>&1 | cat)" "$expected"
        # shellcheck disable=SC2086
        netctr logs $flags k >"$tmp/both" 2>&1
        assert_eq "$(cat "$tmp/both")" "$expected"
        # shellcheck disable=SC2086
        assert_eq "$(netctr logs $flags --tail 3 k 2>&1 | cat)" $'err2\nout3\nerr3'
        # shellcheck disable=SC2086
        assert_eq "$(netctr logs $flags -t k 2>&1 | untimed)" "$(sed 's/^/+/' <<<"$expected")"
    done
    netctr rm k >/dev/null
    interleave
    assert_eq "$(netctr logs k 2>&1)" $'aE\nb\nxYz' # as the program wrote it
}
# moby #31706
t 'the order of the two streams is kept' in_order

one_time_a_line() {
    local flags
    interleave
    for flags in -t '-t -f' '-t --tail 4'; do
        # shellcheck disable=SC2086 # several words
        assert_eq "$(netctr logs $flags k 2>/dev/null | untimed)" $'+ab\n+xz'
        # shellcheck disable=SC2086
        assert_eq "$(netctr logs $flags k 2>&1 >/dev/null | untimed)" $'+E\n+Y'
        # shellcheck disable=SC2086
        assert_eq "$(netctr logs $flags k 2>&1 | untimed)" $'+E\n+ab\n+xz\n+Y'
    done
    netctr rm k >/dev/null
    # Longer than an entry, than one read, than the buffer; without a newline; NUL; nothing.
    run sh -c 'for n in 1 4095 4096 4097 10000 70000 4000000; do head -c $n /dev/zero | tr "\0" x; echo; done
        echo; printf "nul\0nul\n"; head -c 4000000 /dev/zero'
    netctr logs -t k >"$tmp/told"
    assert_eq "$(tr '\0' 0 <"$tmp/told" | untimed | awk '{ print length($0) }' | tr '\n' ' ')" \
        '2 4096 4097 4098 10001 70001 4000001 1 8 4000001 '
    assert_eq "$(netctr logs -t k 2>&1 | md5sum)" "$(md5sum <"$tmp/told")"
    assert_eq "$(netctr logs --tail 1 k | wc -c)" 4000000
    netctr logs k | sed -n '8,9p' | cmp - <(printf '\nnul\0nul\n')
    netctr rm k >/dev/null
    # Byte by byte.
    run sh -c 'for i in $(seq 500); do printf x; usleep 100; done; echo'
    netctr logs -t k | untimed | has -x "+x\{500\}"
}
# moby #37681
t 'logs -t: one time for each line' one_time_a_line

whole_lines() {
    local n
    interleave
    for n in 0: '1:xz' '2:xYz' '3:ab,xYz' '4:aE,b,xYz' '5:aE,b,xYz'; do
        assert_eq "$(netctr logs --tail "${n%%:*}" k 2>&1 | tr '\n' ,)" "${n#*:}" "--tail ${n%%:*}"
    done
    for n in all -1 -20; do
        assert_eq "$(netctr logs --tail "$n" k 2>&1)" "$(netctr logs k 2>&1)" "--tail $n"
    done
    for n in '' abc -x 1k '1 '; do
        assert_error "netctr: tail \`$n\` is neither a number of lines nor \`all\`" 125 netctr logs --tail "$n" k
    done
    netctr rm k >/dev/null
    # From a file that is being written to: exactly N lines, none cut.
    netctr run -d --name k --network none --log-opt max-size=1m "$box" sh -c 'while :; do seq 100000 100200; done' >/dev/null
    wait_for 5 logged k 100200
    for n in 1 3 1000; do
        netctr logs --tail $n k >"$tmp/told"
        assert_eq "$(grep -cx '100[0-9]\{3\}' "$tmp/told")" $n
        assert_eq "$(wc -l <"$tmp/told")" $n
    done
}
t 'logs --tail N prints N complete lines' whole_lines

damaged() {
    run seq 3
    local log=$state/containers/k/log line
    { head -1 "$log" && printf 'garbage\n\n2026-01-02T03:04:05.123456789Z stdout X 9\n' &&
        head -c 100000 /dev/urandom | tr -d '\n' && echo && tail -n 2 "$log" && printf '2026-01-02T03:0'; } >"$tmp/log"
    cat "$tmp/log" >"$log"
    assert_eq "$(netctr logs k 2>"$tmp/stderr" | tr '\n' ' ')" '1 2 3 '
    grep -q 'lines of the log of `k` are damaged and left out$' "$tmp/stderr"
    assert_eq "$(netctr logs --tail 3 k 2>/dev/null | tr '\n' ' ')" '1 2 3 '
    # A single line, also one longer than any entry, and at the end.
    cp "$log" "$tmp/log"
    for line in garbage "$(head -c 100000 /dev/zero | tr '\0' x)"; do
        { seq -f '2026-01-02T03:04:05.123456789Z stdout F %.0f' 3 && printf '%s' "$line"; } >"$log"
        assert_eq "$(netctr logs k 2>"$tmp/stderr" | tr '\n' ' ')" '1 2 3 '
        assert_eq "$(cat "$tmp/stderr")" 'netctr: warning: 1 line of the log of `k` is damaged and left out'
    done
    # Something else has its name.
    for line in mkdir "ln -s /etc/passwd" mkfifo; do
        rm -rf "$log"
        $line "$log"
        assert_error 'netctr: the log of `k` is damaged: it is not a regular file' 125 within 5 "$ARENA/bin/netctr" logs k
    done
    rm "$log"
    cp "$tmp/log" "$log"
    # The next run removes the incomplete entry at its end.
    netctr start k >/dev/null
    wait_for 5 eval '[ "$(netctr logs k 2>/dev/null | tr "\n" " ")" = "1 2 3 1 2 3 " ]'
    assert_eq "$(grep -ac '^2026-01-02T03:0' "$log")" 1
}
t 'a damaged log is read as far as possible' damaged

unwritable() {
    run sh -c 'seq 100000; echo err >&2'
    local flags
    for flags in '' -f -t '--tail 2'; do
        # shellcheck disable=SC2086 # perhaps none
        assert_status 125 within 10 "$ARENA/bin/netctr" logs $flags k >/dev/full 2>"$tmp/stderr"
        grep -qx 'netctr: write to stdout: No space left on device' "$tmp/stderr"
    done
    assert_eq "$(within 10 "$ARENA/bin/netctr" logs -f k | head -1)" 1
}
t 'logs reports that its output is lost' unwritable

early() { # netctr's hint about the last run of k
    netctr inspect k | jq -r '.[0].state.hint // ""'
}
hint() {
    local text='ended at once with exit status 0: if it went to the background by itself, keep it in front'
    netctr run -d --name k -p 8080:80 "$box" sh -c 'echo said; sleep 1000 & exit 0' >/dev/null
    wait_for 5 status_is k exited
    assert_contains "$(early)" "\`sh\` $text"
    assert_eq "$(netctr logs k 2>/dev/null)" said
    assert_contains "$(netctr logs k 2>&1 >/dev/null)" "netctr: warning: \`sh\` $text"
    assert_eq "$(cut -c 32- "$state/containers/k/log")" 'stdout F said'
    netctr rm k >/dev/null
    assert_contains "$(netctr run --rm -p 8080:80 "$box" true 2>&1)" "$text"
    # A job may well end at once: only inspect prints the hint.
    netctr run -d --name k "$box" echo said >/dev/null
    wait_for 5 status_is k exited
    assert_eq "$(netctr logs k 2>&1)" said
    assert_contains "$(early)" "\`echo\` $text"
    netctr rm k >/dev/null
    # A failure, and a container that was stopped.
    assert_status 1 netctr run --name k -p 8080:80 "$box" false
    assert_eq "$(early)$(netctr logs k 2>&1)" ''
    netctr rm k >/dev/null
    local stop
    for stop in '-t 5 k' '--all --until-boot'; do
        netctr run -d --name k -p 8080:80 "$box" sh -c 'trap "exit 0" TERM; echo here; while :; do usleep 10000; done' >/dev/null
        wait_for 5 logged k here
        # shellcheck disable=SC2086 # several words
        netctr stop $stop >/dev/null
        assert_eq "$(state_of k exit_status) $(early)$(netctr logs k 2>&1)" '0 here'
        netctr rm k >/dev/null
    done
}
t "netctr's hint about a service that ended at once is not in its log" hint
