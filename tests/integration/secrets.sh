#!/usr/bin/env bash
# -e, --env-file and definitions are readable for root and the container only: no other user of the host can read
# them, as long as the container lives.
. "$(dirname "$0")/../lib.sh"

nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
# Everything of every process that a user may read; and the files of netctr that they may open.
readable() {
    nobody bash -c 'for f in /proc/[0-9]*/{cmdline,environ,comm,status,maps}; do
            [ "$f" = "/proc/$$/cmdline" ] || cat "$f" 2>/dev/null | tr "\0" "\n"
        done; ls -lR "$0" "$1" 2>/dev/null; grep -rs . "$0" "$1"; true' "$state" "$run_state"
}
hidden() { # while
    readable >"$tmp/read"
    grep -q 'netctr' "$tmp/read" || fail 'it has read nothing'
    ! grep -n 's3cr' "$tmp/read" || fail "$1: readable for others"
}
secrets() {
    printf '# not this one\nFROM_FILE=s3cret-f\n\n  INDENTED=s3cret=i \nHANDED\nABSENT\n' >"$tmp/env"
    chmod 600 "$tmp/env"
    HANDED=s3cret-h netctr run -d --name s1 -e DB_PASSWORD=s3cret-d --env-file "$tmp/env" "$box" sleep 1000 >/dev/null
    hidden 'run -d'
    assert_eq "$(netctr exec s1 sh -c 'echo "$DB_PASSWORD $FROM_FILE $INDENTED. $HANDED ${ABSENT-none}"')" \
        's3cret-d s3cret-f s3cret=i . s3cret-h none'
    "$ARENA/bin/netctr" run --name s2 -e DB_PASSWORD=s3cret-a "$box" sleep 1000 &
    wait_for 5 netctr exec s2 true
    hidden 'an attached run'
    "$ARENA/bin/netctr" exec -e TOKEN=s3cret-e --env-file "$tmp/env" s1 sleep 999 &
    wait_for 5 eval 'netctr exec s1 ps | has "sleep 999"'
    hidden exec
    netctr exec -d -e TOKEN=s3cret-x s1 sleep 998
    hidden 'exec -d'
    assert_eq "$(HANDED=s3cret-h netctr exec -e HANDED -e A=1 -e A=2 s1 sh -c 'echo $HANDED$A')" s3cret-h2
    netctr restart -t 0 s1 >/dev/null
    hidden restart
    # The monitor of a container can still be found by name.
    netctr run -d --name look-for-me "$box" sleep 1000 >/dev/null
    netctr stop -t 0 s1 s2 >/dev/null
    hidden 'the end'
    ps -eo args | has 'netctr monitor of look-for-me'
}
t "no other user can read a container's arguments and environment" secrets

damaged_files() {
    assert_status 125 netctr run --rm --env-file "$tmp/none" "$box" true 2>/dev/null
    printf 'GOOD=1\n s3cret value=x\n' >"$tmp/bad"
    assert_status 125 netctr run --rm --env-file "$tmp/bad" "$box" true 2>"$tmp/err"
    grep -q 'line 2: the name has a space in it' "$tmp/err" && ! grep -q s3cret "$tmp/err" || fail "$(cat "$tmp/err")"
    printf 'A=\0b' >"$tmp/bad"
    assert_status 125 netctr run --rm --env-file "$tmp/bad" "$box" true 2>/dev/null
    assert_status 125 netctr run --rm --env-file /dev/zero "$box" true 2>/dev/null
    printf 'A=1\r\nB=two words' >"$tmp/crlf"
    assert_eq "$(netctr run --rm --env-file "$tmp/crlf" -e A=2 "$box" sh -c 'echo "$A.$B."')" '2.two words.'
    printf '\xef\xbb\xbfA=marked\n' >"$tmp/marked"
    assert_eq "$(netctr run --rm --env-file "$tmp/marked" "$box" sh -c 'echo "$A"')" marked
    assert_eq "$(netctr run --rm --env-file <(echo A=1) --env-file /dev/null "$box" sh -c 'echo "$A"')" 1
    assert_eq "$(echo A=1 | netctr run --rm --env-file /dev/stdin "$box" sh -c 'echo "$A"')" 1
    truncate -s 2M "$tmp/long"
    assert_status 125 netctr run --rm --env-file "$tmp/long" "$box" true 2>"$tmp/err"
    grep -q 'File too large' "$tmp/err" || fail "$(cat "$tmp/err")"
}
t '--env-file: an error names the line, and no value' damaged_files
