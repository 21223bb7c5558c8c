#!/usr/bin/env bash
# diff: what a container has changed of its root directory.
. "$(dirname "$0")/../lib.sh"

cp -a "$box" "$tmp/root"
mkdir -p "$tmp/root/old/deep" "$tmp/root/keep"
touch "$tmp/root/old/a" "$tmp/root/old/b" "$tmp/root/old/deep/c" "$tmp/root/keep/file" "$tmp/root/keep/kind"
ln -s file "$tmp/root/keep/link"
root=$tmp/root

ran() { netctr run --name c --network none "$@"; }
changes() { netctr diff c >"$tmp/out" && assert_eq "$(cat "$tmp/out")" "$1"; }

nothing() {
    ran "$root" true
    changes ''
    assert_eq "$(netctr diff --format json c)" '[]'
}
t 'a container that has changed nothing has no differences' nothing

everything() {
    ran "$root" sh -c 'mkdir -p /new/dir; echo 1 >/new/dir/x; rm /keep/file; echo 2 >/keep/kind; ln -sf b /keep/link; chmod 700 /old/deep'
    changes 'C /keep
D /keep/file
C /keep/kind
C /keep/link
A /new
A /new/dir
A /new/dir/x
C /old
C /old/deep'
    netctr start c
    assert_eq "$(netctr diff --format json c | jq -r '.[] | .kind + " " + .path')" "$(cat "$tmp/out")" 'json, of one that runs or has run'
}
t 'diff tells what was added, changed and deleted' everything

opaque() {
    ran "$root" sh -c 'rm -r /old; mkdir -p /old/deep; echo 1 >/old/b; touch /old/new; rm -r /keep; touch /keep'
    netctr diff c | sort >"$tmp/out"
    assert_eq "$(cat "$tmp/out")" 'A /old/new
C /keep
C /old
C /old/b
C /old/deep
D /old/a
D /old/deep/c'
}
t 'a directory that was removed and made again: what is missing of it was deleted' opaque

owners() {
    ran --userns=auto "$root" sh -c 'touch /keep/file; chown 5:6 /old'
    changes 'C /keep
C /keep/file
C /old'
    netctr rm c
    ran --userns=host "$root" sh -c 'mkdir /old/deep/x; rmdir /old/deep/x; touch -r /keep/kind /tmp 2>/dev/null; :'
    netctr diff c | has -x 'C /old/deep'
}
t 'owners are compared by the ids of the container' owners

hostile() {
    ran "$root" sh -c 'mkdir /h; cd /h; touch "$(printf "a\033[31m\nb")"; ln -s /etc link; mkfifo fifo
        for i in $(seq 1500); do : >f$i; done; i=0; while [ $i -lt 250 ]; do mkdir d; cd d; i=$((i + 1)); done; touch deep'
    netctr diff c >"$tmp/out" 2>"$tmp/err"
    assert_eq "$(grep -c '^A /h/f[0-9]' "$tmp/out")" 1500
    has -Fx 'A /h/a\x1b[31m\x0ab' <"$tmp/out"
    has -x 'A /h/fifo' <"$tmp/out"
    ! grep -q deep "$tmp/out" || fail 'it went deeper than it can'
    has -x 'netctr: warning: 1 directory of `c` is left out: too deep, or unreadable' <"$tmp/err"
    netctr diff --format json c 2>/dev/null | jq -e 'map(.path) | index("/h/link")' >/dev/null
}
t 'names cannot write to the terminal, and neither number nor depth is a problem' hostile

no_answer() {
    ran --in-place "$root" true
    assert_error "netctr: container \`c\` has no layer of its own: it runs --in-place; it writes to \`$root\` itself, and nothing remembers what was there" 125 netctr diff c
    netctr rm c
    ran --read-only "$root" true
    assert_error 'netctr: container `c` cannot have changed anything: it runs --read-only' 125 netctr diff c
}
t 'without a layer there is no answer, and the error says why' no_answer
