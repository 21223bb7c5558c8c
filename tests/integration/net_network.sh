#!/usr/bin/env bash
# The network itself: addresses, the bridge, the guard, none and host, many at once, the firewall's text.
. "$(dirname "$0")/../lib.sh"

what_a_container_gets() {
    netctr run -d --name c "$box" sleep 100 >/dev/null
    local gateway
    in_network_of c ip -4 -oneline address show dev eth0 | has -E 'inet 10\.88\.[0-9]+\.[0-9]+/16 brd 10\.88\.255\.255 '
    ip -4 -oneline address show dev nc-default | has 'brd 10.88.255.255 '
    netctr network create --subnet 10.77.0.0/30 tiny
    netctr run --rm --network tiny "$box" ip -4 address show dev eth0 | has 'inet 10.77.0.2/30 brd 10.77.0.3 '
    gateway=$(in_network_of c ip -4 route show default | awk '{ print $3 }')
    ip -4 -oneline address show dev nc-default | has "inet $gateway/16"
    netctr exec c ping -c 1 -W 1 "$gateway"
    in_network_of c ip link show lo | has UP
    # As large as the host's link permits.
    assert_eq "$(netctr exec c cat /sys/class/net/eth0/mtu)" 1450 MTU
    # An interface of its own, its peer on the bridge.
    assert_eq "$(in_network_of c ip -oneline link show | wc -l)" 2 links
    bridge link show | has 'master nc-default'
    # Router advertisements are ignored.
    assert_eq "$(cat /proc/sys/net/ipv6/conf/nc-default/accept_ra)" 0
}
t 'address, gateway, MTU, links' what_a_container_gets

bridge_keeps_its_mac() {
    warm_up
    local before
    before=$(cat /sys/class/net/nc-default/address)
    netctr run -d --name a "$box" sleep 100 >/dev/null
    netctr run -d --name b "$box" sleep 100 >/dev/null
    netctr rm -f a
    assert_eq "$(cat /sys/class/net/nc-default/address)" "$before" MAC
}
t 'the bridge keeps its MAC' bridge_keeps_its_mac

addresses_differ() {
    local n
    for n in 1 2 3 4; do netctr run -d --name c$n "$box" sleep 100 >/dev/null; done
    assert_eq "$(for n in 1 2 3 4; do address_of c$n; done | sort -u | wc -l)" 4
    # The address of a container that just ended is not the next to be assigned.
    local old
    old=$(address_of c4)
    netctr rm -f c4
    netctr run -d --name c5 "$box" sleep 100 >/dev/null
    [ "$(address_of c5)" != "$old" ]
}
t 'every container has an address of its own' addresses_differ

fifty_at_once() {
    local n pids=()
    for n in $(seq 50); do
        netctr run -d --name c$n "$box" sleep 100 >/dev/null 2>>"$tmp/errors" &
        pids+=($!)
    done
    for n in "${pids[@]}"; do wait "$n" || fail "one of fifty failed: $(head -1 "$tmp/errors")"; done
    assert_eq "$(cat "$tmp/errors")" '' errors
    assert_eq "$(for n in $(seq 50); do address_of c$n; done | sort -u | wc -l)" 50 addresses
    netctr exec c1 ping -c 1 -W 1 "$(address_of c50)"
}
# moby #27404, #18535
t 'fifty at once: fifty addresses and no error' fifty_at_once

listener_is_one() {
    # Each subscriber makes every change of the firewall slower: one subscribes for all.
    local n
    for n in 1 2 3 4; do netctr run -d --name c$n -p 80 "$box" sleep 100 >/dev/null; done
    local listeners=0 protocol groups
    while read -r _ protocol _ groups _; do
        # Groups are a bitmap: NFNLGRP_NFTABLES is number 7; protocol 12 is netfilter.
        [ "$protocol" != 12 ] || [ $((16#$groups & 0x40)) = 0 ] || listeners=$((listeners + 1))
    done < <(tail -n +2 /proc/net/netlink)
    [ "$listeners" -le 1 ] || fail "$listeners subscribers"
}
t 'at most one process subscribes to changes of the firewall' listener_is_one

guard_holds() {
    serve other
    netctr run -d --name c --cap-add net_admin "$box" sleep 100 >/dev/null
    local gateway
    gateway=$(in_network_of c ip -4 route show default | awk '{ print $3 }')
    netctr exec c ping -c 1 -W 1 "$gateway"
    # Another address, another MAC, another container's address.
    in_network_of c ip address add 10.88.200.200/16 dev eth0
    assert_fails in_network_of c ping -c 1 -W 1 -I 10.88.200.200 "$gateway"
    in_network_of c ip address del 10.88.200.200/16 dev eth0
    local mac
    mac=$(netctr exec c cat /sys/class/net/eth0/address)
    in_network_of c ip link set eth0 address 02:00:00:00:00:01
    assert_fails in_network_of c ping -c 1 -W 1 "$gateway"
    in_network_of c ip link set eth0 address "$mac"
    in_network_of c ip route replace default via "$gateway"
    wait_for 3 in_network_of c ping -c 1 -W 1 "$gateway" # with its own address it may send again
}
t 'a container speaks only as itself' guard_holds

no_network() {
    assert_eq "$(netctr run --rm --network none "$box" ls /sys/class/net)" lo
    assert_fails netctr run --rm --network none "$box" ping -c 1 -W 1 192.0.2.9
}
t '--network none' no_network

host_network() {
    # Without the veths of the tests before, which the kernel may remove at any moment.
    assert_eq "$(netctr run --rm --network host "$box" ls -1 /sys/class/net | grep -v ^vc-)" \
        "$(find /sys/class/net -mindepth 1 -printf '%f\n' | grep -v ^vc- | sort)"
    netctr run -d --name c --network host "$box" sh -c 'echo host >/index.html; exec httpd -f -p 8088 -h /' >/dev/null
    wait_for 5 http -o /dev/null http://127.0.0.1:8088/
    in_lan curl -sf --max-time 2 http://192.0.2.2:8088/ | has -x host
    # The network is the host's; the container must not change it.
    assert_fails netctr exec c ip link set eth0 down
}
t '--network host' host_network

firewall_reads_back() {
    serve web --publish 8080:80 -p 127.0.0.1:9090:80
    firewall >"$tmp/first"
    grep -q 8080 "$tmp/first"
    in_lan nft -f "$tmp/first"
    in_lan nft --stateless list ruleset >"$tmp/second"
    in_lan nft flush ruleset
    diff "$tmp/first" "$tmp/second"
}
t 'the output of nft list can be loaded again and is the same' firewall_reads_back

flushed() {
    serve web --publish 8080:80
    firewall >"$tmp/before"
    nft flush ruleset
    netctr run --rm "$box" true
    firewall >"$tmp/after"
    diff "$tmp/before" "$tmp/after"
    in_lan curl -sf --max-time 2 http://192.0.2.2:8080/ | has -x web
    assert_fails in_lan curl -sf --max-time 1 "http://$(address_of web)/"
}
t 'after nft flush ruleset the next run restores all of it' flushed

rules_of_others_stay() {
    nft -f - <<-'END'
	table inet mine { chain c { type filter hook input priority 0; policy accept; tcp dport 1 drop; }; }
	END
    local before
    before=$(nft --stateless list table inet mine)
    serve web --publish 8080:80
    netctr rm -f web
    assert_eq "$(nft --stateless list table inet mine)" "$before"
    nft delete table inet mine
}
t "another program's firewall is left alone" rules_of_others_stay

full_network() {
    netctr network create --subnet 10.77.0.0/30 tiny
    netctr run -d --name only --network tiny "$box" sleep 100 >/dev/null
    snapshot
    assert_fails netctr run -d --name second --network tiny "$box" sleep 100 2>"$tmp/err"
    cat "$tmp/err"
    assert_eq "$(wc -l <"$tmp/err")" 1 'lines of error'
    assert_contains "$(cat "$tmp/err")" 'no free address'
    assert_lacks "$(cat "$tmp/err")" 'network `tiny`: network `tiny`'
    assert_clean
    netctr rm -f only
    netctr run --rm --network tiny "$box" true # free again
}
t 'no free address: one line, nothing left' full_network

networks_are_apart() {
    netctr network create tiny
    serve a
    netctr run -d --name b --network tiny "$box" sleep 100 >/dev/null
    assert_fails http_from b "http://$(address_of a)/"
    assert_fails netctr exec b ping -c 1 -W 1 "$(address_of a)"
    netctr exec b ping -c 1 -W 1 192.0.2.9 # the positive control: it has a way out
}
t 'networks do not reach each other' networks_are_apart
