#!/usr/bin/env bash
# `rate=`: how much a container may send and receive, in each direction, without limiting others. The measured traffic
# is bounded by the rate; a lower bound shows that the rate is usable.
. "$(dirname "$0")/../lib.sh"
refusing_resolver

lan4=192.0.2.9 lan6=2001:db8::9
tc qdisc add dev lo root tbf rate 1mbit burst 2k limit 20k 2>/dev/null || skip 'this kernel has no tbf'
tc qdisc del dev lo root

server() { # a server for one client
    in_lan iperf3 --server --one-off --port "$1" >"$tmp/server.$1" 2>&1 &
    wait_for 5 in_lan bash -c "exec 3<>/proc/self/fd/0; ss -Hltn sport = :$1 | grep -q ."
}
# Kilobits a second that arrived.
measure() { # CONTAINER ADDRESS PORT [IPERF3'S FLAGS]
    server "$3"
    in_network_of "$1" iperf3 --json --time 1 --client "$2" --port "$3" "${@:4}" |
        jq '.end.sum_received.bits_per_second / 1000 | floor'
}
within() { # WHAT KBIT LOW HIGH
    printf '%s: %d kbit/s\n' "$1" "$2"
    [ "$2" -ge "$3" ] && [ "$2" -le "$4" ] || fail "$1: $2 kbit/s, not $3 to $4"
}
rates() { # of the host end and of the container's
    {
        tc qdisc show dev "$(netctr inspect "$1" | jq -r '.[0].endpoints[0].port')" root
        in_network_of "$1" tc qdisc show dev eth0 root
    } | sed -n 's/^qdisc tbf .* rate \([^ ]*\) .*/\1/p' | paste -sd' '
}
rate_of() { netctr inspect "$1" | jq -c '[.[0].endpoints[].rate]'; }
differences() { netctr network inspect "$1" | jq -r '.[0].differences[]'; }
run() { netctr run -d --name "$1" "${@:2}" "$box" sleep 1000 >/dev/null; }

both_ways() {
    netctr network create --ipv6 dual
    run a --network dual:rate=10mbit
    run b --network dual
    within 'to a' "$(measure a $lan4 5001 --reverse)" 7000 12000
    within 'from a' "$(measure a $lan4 5002)" 7000 12000
    within 'to a by IPv6' "$(measure a $lan6 5003 --reverse)" 7000 12000
    # The positive control: without the option there is no limit.
    within 'from b' "$(measure b $lan4 5004)" 60000 1000000000
    # Concurrently: each has its own, and a's is no less because of b.
    measure b $lan4 5005 --reverse >"$tmp/b" &
    within 'to a beside b' "$(measure a $lan4 5006 --reverse)" 7000 12000
    wait $!
    within 'to b beside a' "$(cat "$tmp/b")" 60000 1000000000
}
t 'rate=10mbit: each direction, both families, without limiting neighbours' both_ways

each_their_own() {
    run a --network default:rate=4mbit
    run b --network default:rate=20mbit
    measure a $lan4 5001 >"$tmp/a" &
    within 'from b' "$(measure b $lan4 5002)" 14000 24000
    wait $!
    within 'from a' "$(cat "$tmp/a")" 2500 5000
    # Between neighbours as well. TCP has to wait, and retransmits next to nothing.
    in_network_of b iperf3 --server --one-off --port 5003 >/dev/null 2>&1 &
    wait_for 5 in_network_of b bash -c 'ss -Hltn sport = :5003 | grep -q .'
    in_network_of a iperf3 --json --time 1 --client "$(address_of b)" --port 5003 >"$tmp/out"
    within 'from a to b' "$(jq '.end.sum_received.bits_per_second / 1000 | floor' "$tmp/out")" 2500 5000
    [ "$(jq .end.sum_sent.retransmits "$tmp/out")" -le 10 ] || fail 'it sends again and again'
}
t 'two rates are independent; they hold between neighbours, and TCP has to wait' each_their_own

kept() {
    run a --network default:rate=1.5mbit --restart always
    assert_eq "$(rate_of a)" '[1500000]'
    assert_eq "$(rates a)" '1500Kbit 1500Kbit'
    assert_eq "$(netctr network inspect default | jq '.[0].containers[0].rate')" 1500000
    kill -KILL "$(pid_of a)"
    wait_for 10 eval '[ "$(netctr inspect a | jq ".[0].state.restarts")" = 1 ] && status_is a running'
    assert_eq "$(rates a)" '1500Kbit 1500Kbit'
    netctr stop -t 0 a
    netctr start a
    assert_eq "$(rates a)" '1500Kbit 1500Kbit'
    # Its bridge is deleted and restored.
    ip link del nc-default
    netctr network reload
    assert_eq "$(rates a)" '1500Kbit 1500Kbit'
    netctr network create other
    netctr network connect --rate 64kbit other a
    assert_eq "$(rate_of a)" '[1500000,64000]'
    netctr restart -t 0 a
    assert_eq "$(rate_of a)" '[1500000,64000]'
    assert_eq "$(in_network_of a tc qdisc show dev eth1 root | grep -o 'rate [^ ]*')" 'rate 64Kbit'
    assert_eq "$(differences default)$(differences other)" ''
    netctr network disconnect default a
    assert_eq "$(rate_of a)" '[64000]'
    netctr network rm -f other
}
t 'kept over runs, start, connect, restart, and a deleted bridge' kept

told() {
    netctr doctor >/dev/null || true
    run a --network default:rate=10mbit
    run b --network default:rate=8kbit
    local port
    port=$(netctr inspect a | jq -r '.[0].endpoints[0].port')
    assert_eq "$(differences default)" ''
    tc qdisc del dev "$port" root
    in_network_of a tc qdisc replace dev eth0 root tbf rate 20mbit burst 20k limit 20k
    local text
    text="rate: container \`a\` was given 10mbit, \`$port\` has none"$'\n''rate: container `a` was given 10mbit, `eth0` has 20mbit'
    assert_eq "$(differences default)" "$text"
    assert_eq "$({ netctr doctor --format json || true; } | jq -r '.[] | select(.text | contains("rate:")) | (.text | sub("^network `default`: "; "")), .cure' | sort -u)" \
        $'netctr network reload\n'"$(sort <<<"$text")"
    netctr network reload
    assert_eq "$(differences default)" ''
    assert_eq "$(rates a)" '10Mbit 10Mbit'
    # Only with the capability can a container lift the limit at its end.
    assert_fails netctr exec a ip link set eth0 mtu 1000
}
t 'a missing or different rate is reported and restored' told

smallest_and_largest() {
    run a --network default:rate=8kbit
    run b --network default:rate=34gbit
    run c --network default:rate=34359738360
    assert_eq "$(rate_of c)" '[34359738360]'
    # Frames of the full size pass at the smallest rate as well.
    in_network_of a ping -c 1 -W 2 -s 1372 $lan4 >/dev/null
    within 'from b' "$(measure b $lan4 5001)" 60000 1000000000
}
t 'the smallest and the largest rate' smallest_and_largest

refused() {
    warm_up
    snapshot
    local text
    for text in 0 7999 7.999kbit 35gbit 34359738361 99999999999999999999gbit; do
        assert_error "netctr: network \`default\`: rate \`$text\` is not between 8kbit and 34gbit" 125 \
            netctr run --network "default:rate=$text" "$box" true
    done
    for text in fast 10m 10mbps -1mbit '10 mbit' 1.5; do
        assert_error "netctr: network \`default\`: \`$text\` is not a rate, as in 500kbit, 10mbit or 1.5gbit" 125 \
            netctr run --network "default:rate=$text" "$box" true
    done
    assert_error 'netctr: network `default`: `rate` has no value' 125 netctr run --network default:rate "$box" true
    assert_clean
}
t 'refused: an invalid, too small or too large rate' refused

without_tbf() {
    strace -o /dev/null true 2>/dev/null || skip 'no permission to trace'
    warm_up
    snapshot
    # On such a kernel the request fails with ENOENT.
    local asked
    export ASAN_OPTIONS=detect_leaks=0 # which cannot be traced
    strace -f -qq -o "$tmp/trace" -e trace=sendto "$ARENA/bin/netctr" run --rm --network default:rate=10mbit "$box" true
    asked=$(awk '/ resumed>/ { next } { n[$1]++ } /RTM_NEWQDISC/ { print n[$1]; exit }' "$tmp/trace") # of its process
    injected() { strace -f -qq -o /dev/null -e trace=sendto -e "inject=sendto:error=ENOENT:when=$asked" "$@"; }
    assert_clean
    assert_error 'netctr: this kernel has no tbf (token bucket filter), which `rate=` needs; run `modprobe sch_tbf`, or leave `rate=` out' \
        125 injected "$ARENA/bin/netctr" run --name a --network default:rate=10mbit "$box" true
    assert_clean
    strace -qq -o "$tmp/trace" -e trace=sendto "$ARENA/bin/netctr" doctor >/dev/null || true
    asked=$(grep -n 'RTM_NEWQDISC' "$tmp/trace" | head -1 | cut -d: -f1)
    { injected "$ARENA/bin/netctr" doctor || true; } >"$tmp/doctor"
    assert_contains "$(cat "$tmp/doctor")" 'the kernel has no tbf'
    assert_lacks "$(netctr doctor || true)" 'the kernel has no tbf'
}
t 'a kernel without tbf: refused before anything is created, and reported by doctor' without_tbf
