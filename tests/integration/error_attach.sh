#!/usr/bin/env bash
# `attach`, each of whose system calls fails: it says why, and its container ends as it should.
. "$(dirname "$0")/../struck.sh"

may_live=1 must_stay=1 to_role=0

# It ends by itself, so that an undisturbed `attach` does. k has a relay.
prepare() {
    "${nc[@]}" run -d -i "${everything[@]}" "$box" sh -c 'for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.05; done' >"$tmp/out"
}
after_strike() {
    eventually status_is k exited || bad 'the container does not end'
    [ "$(state_of k exit_status)" = 0 ] || bad "the container has ended with $(state_of k exit_status)"
}

fails() {
    fail_each attach k
}
t 'attach, failing' fails
