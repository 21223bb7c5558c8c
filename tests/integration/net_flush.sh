#!/usr/bin/env bash
# After nft flush ruleset (or a firewall's reload, which does that): restored by the helper or the next command.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/helpers.sh"

v4=192.0.2.2 v6=2001:db8::2 lan4=192.0.2.9

# The complete ruleset; the kernel's order of a set's elements may differ.
is_restored() {
    ruleset >"$tmp/now"
    cmp -s "$tmp/before" "$tmp/now"
}

restored_within() { # SECONDS
    local begin=${EPOCHREALTIME/./}
    (wait_for "$1" is_restored) || {
        diff "$tmp/before" "$tmp/now"
        exit 1
    }
    echo "restored after $(((${EPOCHREALTIME/./} - begin) / 1000)) ms"
}

two() { # web has a port, secret has none
    serve_peer web -p 8080:80 -p 5353:53/udp -p 127.0.0.1:9090:80
    serve_peer secret
    firewall >"$tmp/before"
}

closed() { # the LAN does not reach what is not published
    assert_silent in_lan peer ask tcp "$(address_of secret)" 80 0 0.3
    assert_silent in_lan peer ask tcp "$(address_of secret -6)" 80 0 0.3
    assert_silent in_lan peer ask tcp "$(address_of web)" 80 0 0.3
}

open() {
    assert_eq "$(in_lan peer ask tcp $v4 8080)" "web $lan4"
    assert_eq "$(in_lan peer ask udp $v4 5353)" "web $lan4"
    assert_contains "$(in_lan peer ask tcp $v6 8080)" 'web '
    assert_contains "$(peer ask tcp 127.0.0.1 9090)" 'web '
}

# The helpers notice nothing until they are continued, or the test is over.
freeze() {
    wait_for 5 helpers_work
    trap wake_up EXIT
    stopped=$(helper_processes)
    # shellcheck disable=SC2086
    kill -STOP $stopped
}
wake_up() {
    # shellcheck disable=SC2086
    kill -CONT $stopped 2>/dev/null || true
}

by_the_helper() {
    two
    local n
    wait_for 5 helpers_work
    for n in 1 2 3; do
        nft flush ruleset
        restored_within 1
        open
        closed
    done
}
# netavark #723, #230, #1258, firewalld #863
t 'by the helper, within a moment, again and again' by_the_helper

# The helper has no free descriptors at that moment, and no other change of the firewall wakes it.
tried_again() {
    local tracer
    strace -o /dev/null true 2>/dev/null || skip 'no permission to trace'
    two
    wait_for 5 helpers_work
    strace -f -qq -o "$tmp/trace" -p "$(who helper)" -p "$(who standby)" -P endpoint.default.json \
        -e trace=openat -e inject=openat:error=ENFILE &
    tracer=$!
    wait_for 5 traced "$(who helper)"
    nft flush ruleset
    wait_for 5 grep -q INJECTED "$tmp/trace"
    ! is_restored || fail 'nothing kept it from that'
    wait_for 5 told_why
    kill $tracer
    restored_within 3
    open
    closed
}
told_why() { # once
    [ "$(grep -c 'Too many open files in system' "$run_state/helpers/log")" = 1 ]
}
t 'the helper could not restore it at first, and retries' tried_again

parts_of_it() {
    two
    nft delete table inet netctr
    restored_within 1
    open
    nft delete table bridge netctr_guard
    restored_within 1
    open
    closed
}
t 'one of the two tables removed' parts_of_it

a_rule_or_an_element() {
    two
    nft delete rule inet netctr forward handle \
        "$(nft -a list chain inet netctr forward | awk '/not published/ { print $NF }')"
    restored_within 1
    nft delete element inet netctr publish4 '{ tcp . 8080 }'
    restored_within 1
    nft flush chain bridge netctr_guard guard
    restored_within 1
    open
    closed
}
t 'a rule, an element, the rules of a chain removed' a_rule_or_an_element

as_a_firewall_reloads() {
    two
    printf 'flush ruleset\ntable inet mine { chain c { type filter hook input priority 0; policy accept; tcp dport 1 drop; }; }\n' |
        nft -f -
    wait_for 1 sh -c 'nft --stateless list ruleset | grep -q netctr_guard'
    assert_contains "$(nft list ruleset)" 'table inet mine'
    open
    closed
    nft delete table inet mine
    restored_within 1
}
# netavark #723, #230, #1258, firewalld #863
t "with another program's rules in the same transaction" as_a_firewall_reloads

by_the_next_command() {
    two
    freeze
    nft flush ruleset
    sleep 0.3
    # The positive control: a flush opens this, and nothing else restores it.
    assert_eq "$(ruleset)" "" ruleset
    assert_eq "$(in_lan peer ask tcp "$(address_of secret)" 80)" "secret $lan4"
    netctr run --rm "$box" true
    firewall >"$tmp/now"
    diff "$tmp/before" "$tmp/now"
    open
    closed
    wake_up
}
t 'by the next run' by_the_next_command

begun_in_between() {
    # A client starts to send while the ports are gone, and never pauses: conntrack goes on without netctr's tables,
    # and keeps an entry that leads nowhere.
    two
    freeze
    nft flush ruleset
    in_lan peer hammer udp $v4 5353 $((20 * slowness)) >"$tmp/lan4" &
    local pid=$!
    tracked() { conntrack -L -p udp --orig-port-dst 5353 2>/dev/null | has "src=$v4 dst=$lan4"; }
    wait_for 3 tracked
    "$@"
    wait $pid || true
    grep -q ' web ' "$tmp/lan4"
}
begun_before_reload() { begun_in_between netctr network reload; }
begun_before_the_helper() { begun_in_between wake_up; }
t 'a client that started in between gets replies: network reload' begun_before_reload
t 'a client that started in between gets replies: the helper' begun_before_the_helper

by_network_reload() {
    two
    freeze
    nft flush ruleset
    sleep 0.3
    assert_eq "$(ruleset)" "" ruleset
    netctr network reload
    ruleset >"$tmp/now"
    diff "$tmp/before" "$tmp/now"
    open
    closed
    wake_up
    # If nothing is missing, it changes nothing.
    netctr network reload
    ruleset >"$tmp/now"
    diff "$tmp/before" "$tmp/now"
}
# moby #45610, #50506
t 'by netctr network reload' by_network_reload

beside_damaged_flags() {
    # One container's damaged file keeps no other container from its network.
    local flags
    flags=$run_state/containers/secret/flags
    two
    freeze
    for damage in '' 'not flags'; do
        nft flush ruleset
        printf '%s' "$damage" >"$flags"
        netctr network reload
        ruleset >"$tmp/now"
        diff "$tmp/before" "$tmp/now"
        open
        closed
    done
    wake_up
}
t "by netctr network reload, beside a container's damaged flags" beside_damaged_flags

by_who_publishes() {
    # A monitor is asked to publish a port, and finds the firewall gone.
    two
    freeze
    nft flush ruleset
    sleep 0.3
    assert_eq "$(ruleset)" "" ruleset
    netctr publish secret 8081:80
    assert_eq "$(in_lan peer ask tcp $v4 8081)" "secret $lan4"
    netctr unpublish secret 8081
    firewall >"$tmp/now"
    diff "$tmp/before" "$tmp/now"
    open
    closed
    wake_up
}
t 'by the next port that is published' by_who_publishes

rules_changed_by_hand() {
    # Rules added to netctr's tables are removed by a reload, which replaces the tables.
    two
    nft insert rule inet netctr forward accept
    assert_eq "$(in_lan peer ask tcp "$(address_of secret)" 80)" "secret $lan4"
    netctr network reload
    is_restored
    closed
}
t "network reload removes what was added to netctr's tables" rules_changed_by_hand

# Connections that stay open, through every kind of NAT; a line is sent there and back every 5 ms.
flows_live() { # a command that flushes or reloads
    serve_peer web -p 8080:80
    serve_peer secret
    in_lan peer serve lan tcp/7000 >"$tmp/server" &
    wait_for 3 grep -q listening "$tmp/server"
    rm -f "$tmp/host" "$tmp/lan4" "$tmp/lan6" "$tmp/hairpin" "$tmp/out"
    peer hold 127.0.0.1 8080 3 >"$tmp/host" 2>&1 &
    local pids=($!) n
    in_lan peer hold $v4 8080 3 >"$tmp/lan4" 2>&1 &
    pids+=($!)
    in_lan peer hold $v6 8080 3 >"$tmp/lan6" 2>&1 &
    pids+=($!)
    in_network_of secret peer hold $v4 8080 3 >"$tmp/hairpin" 2>&1 &
    pids+=($!)
    in_network_of secret peer hold $lan4 7000 3 >"$tmp/out" 2>&1 &
    pids+=($!)
    for n in host lan4 lan6 hairpin out; do wait_for 2 grep -q ' ' "$tmp/$n"; done
    for n in 1 2 3; do
        sleep 0.3
        "$@"
    done
    sleep 0.5
    local broken=''
    for n in "${pids[@]}"; do wait "$n" || broken=yes; done
    for n in host lan4 lan6 hairpin out; do echo "$n: $(tail -1 "$tmp/$n")"; done
    [ -z "$broken" ] || fail 'a connection broke'
}
flows_live_flush() { flows_live nft flush ruleset; }
flows_live_reload() { flows_live netctr network reload; }
t 'connections survive network reload' flows_live_reload
t 'connections survive a flush' flows_live_flush

downloads_live() { # COMMAND
    serve_peer web -p 8080:80
    rm -f "$tmp/lan4" "$tmp/lan6" "$tmp/host"
    in_lan peer download $v4 8080 2.5 >"$tmp/lan4" 2>&1 &
    local pids=($!) n broken=''
    in_lan peer download $v6 8080 2.5 >"$tmp/lan6" 2>&1 &
    pids+=($!)
    peer download 127.0.0.1 8080 2.5 >"$tmp/host" 2>&1 &
    pids+=($!)
    for n in lan4 lan6 host; do wait_for 2 grep -q ' ' "$tmp/$n"; done
    for n in 1 2 3; do
        sleep 0.3
        "$@"
    done
    for n in "${pids[@]}"; do wait "$n" || broken=yes; done
    for n in lan4 lan6 host; do echo "$n: $(tail -1 "$tmp/$n")"; done
    [ -z "$broken" ] || fail 'a download broke'
}
downloads_live_reload() { downloads_live netctr network reload; }
downloads_live_flush() { downloads_live nft flush ruleset; }
t 'downloads at full speed survive network reload' downloads_live_reload
t 'downloads at full speed survive a flush' downloads_live_flush

succession() {
    # The subscriber may end in any way: another one takes over.
    local n
    for n in 1 2 3 4; do serve_peer "web$n" -p "808$n:80"; done
    wait_for 5 helpers_work
    firewall >/dev/null
    for n in 1 2 3; do
        if [ $n = 2 ]; then
            kill -KILL "$(monitor_of web$n)" "$(who helper)"
            cleaned_up() { [ ! -e "$run_state/containers/web2" ]; }
            wait_for 3 cleaned_up
        else
            netctr rm -f web$n
        fi
        firewall >"$tmp/before"
        assert_contains "$(cat "$tmp/before")" 8084
        assert_lacks "$(cat "$tmp/before")" "808$n"
        nft flush ruleset
        restored_within 1
        assert_eq "$(in_lan peer ask tcp $v4 8084)" "web4 $lan4"
    done
    netctr rm -f web4 web2
    wait_for 3 no_helpers
}
t 'containers and helpers end, one by one' succession

at_rest() {
    # The helper is notified of its own restoration, which must not trigger another one.
    two
    nft flush ruleset
    restored_within 1
    sleep 0.2
    timeout 1 nft monitor >"$tmp/events" 2>&1 || true
    assert_eq "$(cat "$tmp/events")" '' 'events without a cause'
    # The positive control.
    timeout $((1 + slowness)) nft monitor >"$tmp/events" 2>&1 &
    sleep "$((3 * slowness))e-1" # until it listens, which it does not say
    nft add table inet mine
    nft delete table inet mine
    wait
    assert_contains "$(cat "$tmp/events")" mine
    is_restored
}
t 'after restoring nothing more happens' at_rest

# COUNT containers have their port of 7001 and so on, and web has its own.
published() { # COUNT
    local map
    map=$(nft list map inet netctr publish4)
    grep -q 8080 <<<"$map" && [ "$(grep -o 'tcp \. 70[0-9][0-9] ' <<<"$map" | wc -l)" = "$1" ]
}

flushed_while_starting() {
    # Whenever it happens: in the end everything is there that should be, and nothing else.
    local n rounds
    rounds=$(often 12)
    serve_peer web -p 8080:80
    for n in $(seq "$rounds"); do
        (sleep "0.00$((n * 3 % 10))" && nft flush ruleset) &
        netctr run -d --name "c$n" -p $((7000 + n)):80 "$box" sleep 100 >/dev/null
        wait $!
    done
    wait_for 3 published "$rounds"
    firewall >"$tmp/before"
    netctr network reload
    restored_within 0
    # And while they end.
    for n in $(seq "$rounds"); do
        (sleep "0.00$((n * 3 % 10))" && nft flush ruleset) &
        netctr rm -f "c$n"
        wait $!
    done
    wait_for 3 published 0
    firewall >"$tmp/before"
    netctr network reload
    restored_within 0
    assert_eq "$(in_lan peer ask tcp $v4 8080)" "web $lan4"
}
t 'a flush while containers start and end' flushed_while_starting

nobody_there() {
    warm_up
    netctr run --rm -p 8080:80 "$box" true
    nft flush ruleset
    sleep 0.2
    two
    open
    closed
}
t 'flushed when nothing runs: the next run restores it' nobody_there

# No other process is there to notice.
alone_and_attached() {
    warm_up
    local n begin longest=0
    for n in 1 2 3; do
        rm -f "$tmp/said"
        netctr run --rm --name k -p 8080:80 "$box" sh -c 'echo on; exec httpd -f -h /etc' >"$tmp/said" &
        wait_for 5 grep -q on "$tmp/said"
        nft flush ruleset
        begin=${EPOCHREALTIME/./}
        wait_for 2 in_lan curl -sf --noproxy '*' --max-time 1 -o /dev/null http://192.0.2.2:8080/passwd
        begin=$(((${EPOCHREALTIME/./} - begin) / 1000))
        longest=$((begin > longest ? begin : longest))
        netctr rm -f k
        wait
    done
    note "answered again after $longest ms at most"
}
t 'flushed in the first moment of the only container, which is attached' alone_and_attached
