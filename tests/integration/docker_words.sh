#!/usr/bin/env bash
# Every flag of docker and podman is known here, or refused by name with what to do instead; docs/docker.md tells which.
. "$(dirname "$0")/../lib.sh"

words() {
    "$top/tests/docker_words" >"$tmp/page" 2>"$tmp/err" || fail "$(cat "$tmp/err")"
    diff -u "$top/docs/docker.md" "$tmp/page" || fail 'run: tests/docker_words >docs/docker.md'
    [ "$(grep -c '^Works:' "$tmp/page")" -gt 15 ] || fail 'too few commands'
}
t 'each flag of docker and podman works or is refused by name, and docs/docker.md says which' words

unknown() {
    mkdir "$tmp/copy" "$tmp/copy/tests"
    cp "$top/tests/docker_words" "$tmp/copy/tests"
    printf 'docker run: --no-such-flag\n' >"$tmp/copy/tests/docker_words.txt"
    assert_status 1 env NETCTR_BUILD="$(dirname "$program")" "$tmp/copy/tests/docker_words" >"$tmp/page" 2>"$tmp/err"
    assert_eq "$(cat "$tmp/err")" 'tests/docker_words: run --no-such-flag is neither known nor refused by name'
}
t 'a flag that is taken for a typing error is noticed' unknown
