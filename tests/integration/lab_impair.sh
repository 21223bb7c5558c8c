#!/usr/bin/env bash
# Impairments of a lab's links, measured: delay, jitter, loss, rate and more, for each direction; changed while the lab runs;
# the relay that does it where the kernel has no netem; links taken down and up.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/helpers.sh"

tidy_too() {
    netctr lab down --all >/dev/null 2>&1 || true
}
file=$tmp/t.clab.yml
write() { # the links, from stdin
    cat >"$file" <<-END
	name: t
	mgmt: false
	topology:
	  defaults: {kind: linux, image: "$box", cmd: sleep 1000}
	  nodes: {a: {}, b: {}, c: {}}
	  links:
	END
    cat >>"$file"
}
up() {
    netctr lab up -q "$file"
    a=$(pid_of clab-t-a) b=$(pid_of clab-t-b)
}
simple() { # [KEYS]: a and b, with a link
    write <<<"    - {endpoints: [\"a:eth1\", \"b:eth1\"], ipv4: [10.1.0.1/24, 10.1.0.2/24]${1:+, $1}}"
    up
}
at_a() {
    nsenter -t "$a" -n "$@"
}
set_link() {
    netctr lab set -n t "$@"
}
inspect() { # JQ
    netctr lab inspect --format json t | jq -r "$1"
}
relay() {
    inspect '.relay.pid // empty'
}
# A kernel with netem needs no relay.
has_netem() {
    [ "$(inspect '[.links[].ends[].applied_by] | any(. == "netem")')" = true ]
}
by() {
    ! has_netem || { echo netem && return; }
    echo relay
}

# Prints min, average, max and deviation in whole ms. The first packet waits for ARP.
rtt() { # ADDRESS COUNT [PAUSE]
    local said
    at_a ping -c 1 -W 3 "$1" >/dev/null || true
    said=$(at_a ping -c "$2" -W 1 -i "${3-0.03}" -q "$1") || true
    sed -n 's|.* = \([0-9]*\)[0-9.]*/\([0-9]*\)[0-9.]*/\([0-9]*\)[0-9.]*/\([0-9]*\).*|\1 \2 \3 \4|p' <<<"$said"
}
# A busy machine adds to a delay, and takes nothing from it. The fastest packet tells.
delays() { # ADDRESS MS
    local min
    read -r min _ < <(rtt "$1" 10)
    [ "${min:-none}" -ge "$2" ] && [ "$min" -lt $(($2 + 15 * patience)) ] || fail "the delay to $1 is ${min:-none} ms, not $2"
}
lost() { # COUNT: per cent
    at_a ping -c "$1" -W 1 -i 0.004 -q 10.1.0.2 | sed -n 's/.* \([0-9.]*\)% packet loss.*/\1/p' | cut -d. -f1
}
between() { # LEAST MOST VALUE WHAT
    [ "$3" -ge "$1" ] && [ "$3" -le "$2" ] || fail "$4: $3 is not between $1 and $2"
}
# Mbit per second of a transfer by TCP from a to b.
throughput() { # ADDRESS SECONDS
    nsenter -t "$b" -n iperf3 -s -1 -D
    wait_for 5 listens
    at_a iperf3 -c "$1" -t "$2" -J | jq '.end.sum_received.bits_per_second / 1e6 | floor'
}
listens() {
    nsenter -t "$b" -n ss -Htln 'sport = 5201' | grep -q .
}

from_the_file() {
    write <<-END
	    - {endpoints: ["a:eth1", "b:eth1"], ipv4: [10.1.0.1/24, 10.1.0.2/24], delay: 20ms}
	    - {endpoints: ["a:eth2", {node: b, interface: eth2, delay: 30ms}], ipv4: [10.2.0.1/24, 10.2.0.2/24]}
	    - {endpoints: ["a:eth3", "b:eth3"], ipv4: [10.3.0.1/24, 10.3.0.2/24], delay: 5ms, rate: 10mbit}
	END
    warm_up
    snapshot
    up
    delays 10.1.0.2 40
    delays 10.2.0.2 30
    delays 10.3.0.2 10
    assert_contains "$(netctr lab inspect t | tr -s ' ')" "a:eth1 b:eth1 up delay 20ms $(by)"
    assert_contains "$(netctr lab inspect t | tr -s ' ')" "a:eth3 b:eth3 up delay 5ms rate 10mbit $(by)"
    assert_eq "$(inspect '.links[1].ends[0].impairments, .links[1].ends[1].impairments.delay')" $'null\n30ms'
    assert_eq "$(inspect '[.links[].ends[] | select(.impairments) | .applied] | all')" true
    # A relay's devices are not listed as interfaces of a node, and a node's firewall does not change its links.
    assert_eq "$(inspect '[.nodes[0].interfaces[].name] | join(" ")')" 'eth1 eth2 eth3'
    at_a nft flush ruleset
    at_a nft delete table netdev netctr_relay_2 2>/dev/null && fail 'a node can remove the rule'
    delays 10.1.0.2 40
    between 5 11 "$(throughput 10.3.0.2 1)" 'Mbit/s by a link of 10mbit'
    between 20 100000 "$(throughput 10.1.0.2 1)" 'Mbit/s by a link with a delay'
    netctr lab down t
    [ -z "$(pgrep -f '^netctr relay')" ] || fail 'a relay is left'
    assert_clean
}
t 'delay and rate from the file, in both directions and in one; the firewall of a node changes nothing' from_the_file

by_chance() {
    local min max lost
    simple
    set_link a:eth1 loss=30%
    between 18 42 "$(lost 400)" 'per cent lost'
    set_link a:eth1 loss=0 delay=30ms jitter=20ms
    read -r min _ max _ < <(rtt 10.1.0.2 60 0.02)
    between 10 25 "$min" 'the shortest delay'
    between 36 $((60 * patience)) "$max" 'the longest delay'
    set_link a:eth1 jitter=0 reorder=50%
    read -r min _ max _ < <(rtt 10.1.0.2 40 0.02)
    between 0 15 "$min" 'a packet that overtakes'
    between 30 $((60 * patience)) "$max" 'a packet that does not'
    set_link a:eth1 none duplicate=50%
    assert_contains "$(at_a ping -c 40 -i 0.01 -W 1 -q 10.1.0.2)" ' duplicates'
    set_link a:eth1 none corrupt=100%
    between 60 100 "$(lost 60)" 'per cent lost that are damaged'
    set_link a:eth1 none
    assert_eq "$(inspect '.links[0].ends[0].impairments, .relay.alive')" "$(printf 'null\n%s' "$(inspect '.relay.alive')")"
    assert_eq "$(lost 40)" 0
}
t 'loss, jitter, reorder, duplicate and corrupt, set while the lab runs' by_chance

live() {
    simple 'delay: 40ms'
    delays 10.1.0.2 80
    set_link b:eth1 delay=10ms
    delays 10.1.0.2 50
    set_link a:eth1,b:eth1 delay=15ms rate=20mbit
    delays 10.1.0.2 30
    between 8 22 "$(throughput 10.1.0.2 1)" 'Mbit/s by a link of 20mbit'
    # What was set is what restart and save know.
    netctr lab restart -n t b
    b=$(pid_of clab-t-b)
    delays 10.1.0.2 30
    assert_contains "$(netctr lab save t)" 'rate: "20mbit"'
    set_link a:eth1 none
    assert_contains "$(netctr lab save t)" 'interface: eth1'
    netctr lab save t >"$tmp/now.clab.yml"
    netctr lab down t
    file=$tmp/now.clab.yml
    up
    delays 10.1.0.2 15
    set_link a:eth1,b:eth1 delay=0 rate=0
    delays 10.1.0.2 0
    [[ $(netctr lab inspect t) != *IMPAIRMENTS* ]] || fail 'inspect shows what is not there'
}
t 'an impairment is changed and taken away while the lab runs, and is saved' live

relay_dies() {
    simple 'delay: 20ms'
    ! has_netem || skip 'the kernel has netem'
    local pid
    pid=$(relay)
    assert_eq "$(sed -n 's/^CapPrm:\t//p; s/^NoNewPrivs:\t//p; s/^Seccomp:\t//p' "/proc/$pid/status" | xargs)" '0000000000000000 1 2'
    # Alone: its guard makes another one, with all that the file and `lab set` say.
    set_link a:eth1 delay=30ms
    kill -9 "$pid"
    wait_for 10 is_another "$pid"
    wait_for 10 all_applied
    delays 10.1.0.2 50
    # While a command has the lab, the guard waits for it.
    pid=$(relay)
    flock "$state/labs/t/lock" sh -c "kill -9 $pid; sleep 2"
    wait_for 10 is_another "$pid"
    wait_for 15 all_applied
    delays 10.1.0.2 50
    kill -9 $(pgrep -f '^netctr relay, guard')
    pid=$(relay)
    kill -9 "$pid"
    wait_for 5 is_gone "$pid"
    delays 10.1.0.2 0
    assert_contains "$(netctr lab inspect t)" 'The relay that impairs these links has died: `netctr lab restart -n t` starts it again.'
    assert_contains "$(netctr lab link ls -n t | tr -s ' ')" 'a:eth1 b:eth1 up delay 30ms not applied'
    assert_eq "$(inspect '.relay.alive, .links[0].ends[0].applied' | xargs)" 'false false'
    netctr lab restart -n t
    a=$(pid_of clab-t-a) b=$(pid_of clab-t-b)
    delays 10.1.0.2 50
    kill -9 $(pgrep -f '^netctr relay')
    set_link a:eth1 delay=40ms # starts it as well, with this end alone …
    delays 10.1.0.2 60         # … and with the other one
    # A node's root takes the device away: its link works on, unimpaired.
    at_a ip link del impair0
    wait_for 5 answers_at_once
    assert_eq "$(inspect '.links[0].ends[0].applied, .links[0].ends[1].applied' | xargs)" 'false true'
    # An interface that is gone does not keep programs from being restarted.
    at_a ip link del eth1
    netctr lab restart -n t b
}
is_another() { # PID
    local now
    now=$(relay)
    [ -n "$now" ] && [ "$now" != "$1" ]
}
all_applied() {
    [ "$(inspect '[.links[].ends[] | select(.impairments) | .applied] | all')" = true ]
}
is_gone() {
    ! kill -0 "$1" 2>/dev/null
}
answers_at_once() {
    at_a ping -c 1 -W 1 10.1.0.2 >/dev/null
}
t 'a relay that is killed leaves its links up, and another takes its place; without a guard lab restart starts it' relay_dies

nothing_is_left() {
    simple 'delay: 5ms'
    ! has_netem || skip 'the kernel has netem'
    local pid
    pid=$(relay)
    netctr gc
    kill -0 "$pid" || fail 'gc ends the relay of a lab that runs'
    kill -STOP "$pid" # it does not answer
    timeout 30 netctr lab down t
    wait_for 5 is_gone "$pid"
    simple 'delay: 5ms'
    pid=$(relay)
    rm -r "$state/labs/t"
    assert_contains "$(netctr gc)" 'of a lab that is gone'
    wait_for 5 is_gone "$pid"
    netctr rm -f clab-t-a clab-t-b clab-t-c >/dev/null
    netctr gc >/dev/null
    simple 'delay: 5ms'
    pid=$(relay)
    netctr reset -f >/dev/null
    wait_for 5 is_gone "$pid"
}
t 'down, gc and reset leave no relay' nothing_is_left

down_and_up() {
    write <<-END
	    - {endpoints: ["a:eth1", "b:eth1"], ipv4: [10.1.0.1/24, 10.1.0.2/24], ipv6: ["fd01::1/64", "fd01::2/64"], delay: 10ms}
	END
    up
    at_a ip route add 10.9.0.0/24 via 10.1.0.2
    at_a ping -c 1 -W 2 10.1.0.2 >/dev/null
    netctr lab link down -n t a:eth1
    at_a ping -c 1 -W 1 10.1.0.2 >/dev/null 2>&1 && fail 'the link carries packets'
    assert_contains "$(netctr lab link ls -n t | tr -s ' ')" 'a:eth1 b:eth1 down delay 10ms'
    assert_contains "$(netctr lab link ls -n t | tr -s ' ')" 'b:eth1 a:eth1 no carrier'
    netctr lab link down -n t a:eth1 # again: its routes are not forgotten
    netctr lab link up -n t a:eth1
    delays 10.1.0.2 20
    at_a ping -6 -c 1 -W 2 fd01::2 >/dev/null
    assert_contains "$(at_a ip route)" '10.9.0.0/24 via 10.1.0.2'
    netctr lab link down -n t a:eth1,b:eth1
    netctr lab link up -n t a:eth1,clab-t-b:eth1
    delays 10.1.0.2 20
    assert_eq "$(netctr lab link ls -n t --format json | jq -r '.[0].ends[].state' | xargs)" 'up up'
}
t 'a link goes down and up with its routes, addresses and impairments' down_and_up

refused() {
    simple 'delay: 5ms'
    assert_error 'netctr: `jitter` is more than `delay`; choose less' 125 netctr lab set -n t a:eth1 jitter=10ms
    assert_error 'netctr: `reorder` needs a `delay`; add one' 125 netctr lab set -n t a:eth1 none reorder=5%
    assert_error 'netctr: delay `5` is not a time with a unit; write it as in 20ms, 1.5s or 100us' 125 netctr lab set -n t a:eth1 delay=5
    assert_error 'netctr: `dely` is not an impairment; did you mean `delay`?' 125 netctr lab set -n t a:eth1 dely=5ms
    assert_error 'netctr: `fast` is not KEY=VALUE; write it as in delay=20ms' 125 netctr lab set -n t a:eth1 fast
    assert_error 'netctr: `a` is not NODE:INTERFACE; write it as in h1:eth1' 125 netctr lab set -n t a delay=5ms
    assert_error 'netctr: lab `t` has no link at `a:eth9`; `netctr lab link ls -n t` lists the links' 125 netctr lab set -n t a:eth9 delay=5ms
    assert_error 'netctr: `a:eth1` is not the other end of that link' 125 netctr lab link down -n t a:eth1,a:eth1
    assert_eq "$(inspect '.links[0].ends[].impairments.delay' | xargs)" '5ms 5ms'
    write <<<'    - {endpoints: ["a:eth1", "b:eth1"], reorder: 5%}'
    assert_error "netctr: $file:7:7: \`reorder\` needs a \`delay\`; add one" 125 netctr lab up "$file"
}
t 'what cannot be done is refused, and nothing changes' refused
