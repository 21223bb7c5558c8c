#!/usr/bin/env bash
# stats: what containers use.
. "$(dirname "$0")/../lib.sh"

number() { # NAME KEY
    netctr stats --no-stream --format json "$1" | jq "$2"
}
is_more() { # NAME KEY THAN
    [ "$(number "$1" "$2 > $3")" = true ]
}

once() {
    netctr run -d --name a -m 64m "$box" sleep 1000 >/dev/null
    netctr run -d --name b --network none "$box" sh -c 'sleep 1000 & wait' >/dev/null
    netctr run --name ended "$box" true
    assert_eq "$(netctr stats --no-stream | head -1 | tr -s ' ')" \
        'CONTAINER ID NAME CPU % MEM USAGE / LIMIT MEM % NET I/O BLOCK I/O PIDS'
    assert_eq "$(netctr stats --no-stream | awk 'NR > 1 { print $2 }')" $'a\nb'
    assert_eq "$(netctr stats --no-stream -a | awk 'NR > 1 { print $2 }')" $'a\nb\nended'
    assert_contains "$(netctr stats --no-stream a)" ' / 64MiB '
    assert_eq "$(netctr stats --no-stream --format json a b | jq -c '[.name, .status, .tasks, .received == null]')" \
        $'["a","running",1,false]\n["b","running",2,true]'
    assert_eq "$(number a '.memory_limit, .memory > 0')" $'67108864\ntrue'
    assert_eq "$(netctr stats ended --format json | jq -c '[.status, .memory, .tasks]')" '["exited",0,0]'
    assert_error 'netctr: no such container `missing`' 125 netctr stats --no-stream missing
}
t 'stats --no-stream shows each container once, as a table or as JSON' once

counts() {
    local before
    netctr run -d --name a -v "$tmp:/disk" "$box" sleep 1000 >/dev/null
    before=$(number a .cpu_ns)
    netctr exec a sh -c 'i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done; :' &
    wait_for 20 is_more a .cpu_ns "$before"
    wait $!
    netctr run -d --name b "$box" sh -c 'dd if=/dev/zero of=/dev/shm/used bs=1M count=20 2>/dev/null; sleep 1000' >/dev/null
    wait_for 5 is_more b .memory 20000000
    before=$(number a .received)
    netctr exec a ping -c 3 -i 0.1 -s 1000 "$(address_of b)" >/dev/null
    is_more a .received $((before + 3000))
    is_more a .sent $((before + 3000))
}
t 'stats counts processor time, memory and traffic' counts

cannot_be_fooled() {
    netctr run -d --cap-add NET_ADMIN --name a "$box" sleep 1000 >/dev/null
    netctr exec a ip link set eth0 down
    netctr exec a ip link set eth0 name lo2
    netctr exec a ip link add eth0 type veth peer name p0
    assert_eq "$(number a '.received != null')" true
}
t 'stats counts traffic also when the container renames its interface' cannot_be_fooled

lives() {
    netctr run -d --name a "$box" sleep 1000 >/dev/null
    netctr run -d --name b "$box" sleep 1000 >/dev/null
    netctr stats --format json a b >"$tmp/out" 2>"$tmp/err" &
    local stats=$!
    wait_for 5 eval '[ "$(grep -c "\"b\"" "$tmp/out")" -ge 2 ]'
    netctr rm -f b
    netctr kill a
    wait $stats # none of them is left
    assert_eq "$(cat "$tmp/err")" ''
    assert_eq "$(jq -r .name "$tmp/out" | sort -u)" $'a\nb'
    assert_eq "$(jq -r .status "$tmp/out" | tail -1)" exited
}
t 'stats goes on when a container ends, until all that were named have ended' lives

on_a_terminal() {
    command -v script >/dev/null || skip 'there is no script(1)'
    netctr run -d --name a "$box" sleep 1000 >/dev/null
    (script -qc 'netctr stats a' /dev/null </dev/null >"$tmp/out" 2>&1 || true) &
    wait_for 5 eval '[ "$(grep -c PIDS "$tmp/out")" -ge 2 ]'
    assert_contains "$(cat "$tmp/out")" $'\e[H\e[J'
    assert_lacks "$(netctr stats --no-stream a)" $'\e'
    netctr rm -f a
    wait
}
t 'stats clears the screen only on a terminal' on_a_terminal
