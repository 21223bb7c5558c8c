#!/usr/bin/env bash
# Flags of run that the definition keeps: what a container is called, how it begins, and how it ends.
. "$(dirname "$0")/../lib.sh"

inspect() { netctr inspect "$1" | jq -rc ".[0]$2"; } # NAME PATH
run() { netctr run -d --network none "$@" >/dev/null; }
ids() { netctr ps -a --filter "$1" --format json | jq -r '[.[].name] | sort | join(" ")'; }

# ---- labels --------------------------------------------------------------------------------------

has_labels() {
    printf '# a comment\n\nfrom=file\nteam=file\nbare\n' >"$tmp/labels"
    run --name a --label-file "$tmp/labels" --label team=a -l 'text=x=y "ü"' --label bare2 "$box" sleep 100
    run --name b --label team=b "$box" true
    run --name c "$box" true
    assert_eq "$(inspect a .labels)" '{"from":"file","team":"a","bare":"","text":"x=y \"ü\"","bare2":""}'
    assert_eq "$(inspect c .labels)" '{}'
    assert_eq "$(ids label=team)" 'a b'
    assert_eq "$(ids label=team=a)" a
    assert_eq "$(ids label=tea)" ''
    assert_eq "$(ids label!=team=a)" 'b c'
    assert_eq "$(netctr ps -aq --filter label=team --filter label=bare | wc -l)" 1
    assert_eq "$(netctr ps --format json | jq -r '.[0].labels.team')" a
    netctr restart -t 0 a
    assert_eq "$(inspect a .labels.from)" file 'after a restart'
}
t 'labels are in inspect and ps, and ps can be filtered by them' has_labels

in_events() {
    run --name e --label team=e "$box" sleep 100
    run --name b "$box" true
    netctr rm -f e b
    assert_eq "$(netctr events --no-stream --filter label=team=e | jq -r '.name + " " + .event + " " + .labels.team' | paste -sd,)" \
        'e create e,e start e,e die e,e destroy e'
    # Too much for one line: the event stays.
    run --name big --label "$(printf 'k%.0s' {1..4000})=v" --label x=y "$box" true
    assert_eq "$(netctr events --no-stream --filter container=big --filter event=create | jq -c .labels)" null
}
t 'events have the labels of the container' in_events

bad_labels() {
    assert_error 'netctr: label `=x` has no key' 125 netctr run --label =x "$box" true
    assert_error "netctr: read label file \`$tmp/none\`: No such file or directory" 125 \
        netctr run --label-file "$tmp/none" "$box" true
    printf 'a b=c\n' >"$tmp/labels"
    assert_error "netctr: label file \`$tmp/labels\`, line 1: the name has a space in it" 125 \
        netctr run --label-file "$tmp/labels" "$box" true
}
t 'a label without a key is refused' bad_labels

# ---- the command ---------------------------------------------------------------------------------

has_entrypoint() {
    assert_eq "$(netctr run --rm --network none --entrypoint printf "$box" '%s,' a -b)" a,-b,
    assert_eq "$(netctr run --rm --network none --entrypoint '["printf", "%s,", "x y"]' "$box" a)" 'x y,a,'
    assert_eq "$(netctr run --rm --network none --entrypoint '' "$box" printf %s, a)" a,
    run --name a --entrypoint true "$box"
    assert_eq "$(inspect a .argv)" '["true"]'
    assert_error 'netctr: entrypoint `["sh", 1]` is not an array of words' 125 \
        netctr run --entrypoint '["sh", 1]' "$box"
}
t '--entrypoint is the program, and the words behind ROOTFS its arguments' has_entrypoint
