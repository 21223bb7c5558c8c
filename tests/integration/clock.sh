#!/usr/bin/env bash
# The clock is wrong, or jumps: netctr sees the time of $CLOCK (seconds since the epoch) and keeps working.
. "$(dirname "$0")/../lib.sh"

clock_so=$(preload clock.so)

at() { # SECONDS COMMAND...
    CLOCK=$1 LD_PRELOAD=$clock_so "$program" --root "$state" --run-root "$run_state" "${@:2}"
}
now=$(date +%s)
clocks=(0 1 -1 -86400 "$((now - 86400 * 400))" "$now" "$((now + 86400 * 400))" 4102444800 253402300799 99999999999999)
# Each is seen from each, which is the same under every kernel.
[ "$slowness" = 1 ] || clocks=(0 -86400 "$now" 99999999999999)

control() {
    # The clock is really a different one.
    at 4102444800 run --name k "$box" true
    assert_eq "$(netctr inspect k | jq -r '.[0].created' | sed 's/\.[0-9]*//')" 2100-01-01T00:00:00Z
    netctr rm k
}
t 'the positive control: records have the time of the clock' control

# A container's life under one clock, seen under every other.
every_clock() {
    local before later said
    for before in "${clocks[@]}"; do
        at "$before" run -d --name k -p 8080:80 "$box" sleep 1000 >/dev/null
        at "$before" run --name ended "$box" sh -c 'exit 3' || [ $? = 3 ]
        for later in "${clocks[@]}"; do
            at "$later" ps -a >"$tmp/ps"
            said="made at $before, seen at $later: $(cat "$tmp/ps")"
            [ "$(grep -c . "$tmp/ps")" = 3 ] || fail "$said"
            ! grep -Eq -e '-[0-9]+ (second|minute|hour|day)|   ago|\(null\)' "$tmp/ps" || fail "$said"
            grep -q 'Up .*k$' "$tmp/ps" || fail "$said"
            grep -q 'Exited (3).*ended$' "$tmp/ps" || fail "$said"
            at "$later" inspect k ended | jq -e '.[0].state.status == "running"' >/dev/null || fail "$said"
            at "$later" gc >"$tmp/gc"
            assert_lacks "$(cat "$tmp/gc")" container
        done
        at "${clocks[0]}" exec k true
        at "${clocks[-1]}" stop -t 0 k >/dev/null
        at "${clocks[0]}" rm k ended >/dev/null
    done
    assert_eq "$(names -a)" ''
}
t "a container's life under one clock, seen under every other" every_clock

# The clock jumps while monitors run: one restarts its program, the other serves a port.
jumping() {
    local restarts clock
    clock_is() {
        echo "$1" >"$tmp/clock.new"
        mv "$tmp/clock.new" "$tmp/clock"
    }
    restarted() { [ "$(state_of again restarts)" -gt "$restarts" ]; }
    clock_is "$now"
    at "$tmp/clock" run -d --name again --restart always "$box" sleep 0.02 >/dev/null
    at "$tmp/clock" run -d --name web -p '[::1]:8080:80' "$box" httpd -f -h /etc >/dev/null
    for clock in "$((now + 86400 * 400))" "$((now - 86400 * 400))" 4102444800 1; do
        clock_is "$clock"
        restarts=$(state_of again restarts)
        wait_for 10 restarted
        wait_for 2 http 'http://[::1]:8080/passwd'
    done
    netctr stop -t 5 again web >/dev/null
    netctr rm again web >/dev/null
    assert_eq "$(names -a)" ''
}
t 'the clock jumps while containers run' jumping

# The pause before an address is reused is measured in time since boot, whatever the clock says.
pauses() { grep -sl resting-until= "$run_state"/leases/default/*.* | wc -l; }
resting() {
    warm_up
    local subnet=$state/networks/default.json first
    at 4102444800 run --rm "$box" true
    first=$(pauses)
    [ "$first" -gt 0 ] || fail 'nothing rests'
    wait_for 5 nothing_rests
    # A network of two hosts, the gateway and one more: the only address is free again at once.
    ip link delete nc-default
    nft delete table inet netctr
    nft delete table bridge netctr_guard
    jq '.subnet = "10.77.0.0/30" | .gateway = "10.77.0.1"' "$subnet" >"$tmp/network"
    cp "$tmp/network" "$subnet"
    rm -r "$run_state/leases/default"
    local clock
    for clock in 4102444800 1 "$now" -86400 99999999999999 "$now"; do
        within 10 env CLOCK="$clock" LD_PRELOAD="$clock_so" "$program" --root "$state" \
            --run-root "$run_state" run --rm "$box" true
    done
}
# Addresses that pause now no longer pause when the next lease is written, which then pauses alone.
nothing_rests() {
    sleep 0.6
    netctr run -d --name r "$box" sleep 100 >/dev/null
    netctr rm -f r >/dev/null
    [ "$(pauses)" = 1 ]
}
t 'an address is reused after half a second, whatever the clock does' resting

wrong_times() {
    netctr run --name k "$box" true
    local config=$state/containers/k/config.json value
    for value in 0 -1 -9223372036854775808 9223372036854775807 99999999999999 null '"soon"' 1e300; do
        sed -Ei 's/("(created|started|finished)": )[^,]*/\1'"$value"'/' "$config"
        netctr ps -a >"$tmp/ps"
        grep -q 'Exited (0).*k$' "$tmp/ps" || fail "$value: $(cat "$tmp/ps")"
        ! grep -Eq -e '-[0-9]+ (second|minute|hour|day)|   ago' "$tmp/ps" || fail "$value: $(cat "$tmp/ps")"
        netctr inspect k | jq -e '.[0].name == "k"' >/dev/null || fail "$value"
        netctr logs -t k
    done
    netctr rm k
}
t 'invalid times in records' wrong_times
