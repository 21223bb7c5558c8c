#!/usr/bin/env bash
# Names are told to their network and to nobody else; published ports and internal networks leave them alone.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/names.sh"

outsiders() {
    define red 1
    define blue 2
    idle r --network red
    idle b --network blue
    wait_for 5 answers r r "$(address_of r)"
    wait_for 5 answers b b "$(address_of b)"
    local port before
    port=$(server_port)
    # Another network's container at the first's gateway, by both ports.
    assert_eq "$(ask b r @10.77.1.1)" '' 'gateway'
    before=$(dropped to_host 'names are for their network')
    assert_eq "$(ask b r @10.77.1.1 -p "$port")" '' "the server's own port"
    # And its own network's container has to ask at port 53, too.
    assert_eq "$(ask r r @10.77.1.1 -p "$port")" '' "the server's own port"
    # The LAN.
    assert_eq "$(in_lan dig +short +time=1 +tries=1 @10.77.1.1 r 2>&1 | grep -v '^;' || true)" ''
    assert_eq "$(in_lan dig +short +time=1 +tries=1 -p "$port" @10.77.1.1 r 2>&1 | grep -v '^;' || true)" ''
    assert_eq "$(in_lan dig +short +time=1 +tries=1 -p "$port" @192.0.2.2 r 2>&1 | grep -v '^;' || true)" ''
    [ "$(dropped to_host 'names are for their network')" -ge $((before + 3)) ] || fail 'something else kept them out'
    # The positive control: it is the rule that keeps them out.
    open_up to_host
    assert_eq "$(in_lan dig +short +time=1 +tries=1 -p "$port" @10.77.1.1 r)" "$(address_of r)"
    shut
}
t 'not to other networks, not to the LAN' outsiders

published_53() {
    lan_resolver
    serve_peer hijacker -p 53:53/udp -p 53:80/tcp
    idle a
    wait_for 5 answers a hijacker "$(address_of hijacker)"
    # The positive control: the port is published.
    assert_contains "$(in_lan peer ask udp 192.0.2.2 53)" 'hijacker '
    local before
    before=$(netctr logs hijacker | grep -c datagram)
    assert_eq "$(ask a hijacker @"$(gateway_of a -6)")" "$(address_of hijacker)"
    assert_eq "$(ask a outside.example)" 203.0.113.7
    assert_eq "$(ask a outside.example +tcp)" 203.0.113.7
    # Asked directly, the outside is the outside (CVE-2025-67499).
    : >"$tmp/asked"
    assert_eq "$(ask a direct.outside.example @192.0.2.9)" 203.0.113.7
    assert_contains "$(asked)" direct.outside.example
    assert_eq "$(netctr logs hijacker | grep -c datagram)" "$before" 'questions that the publisher saw'
}
# plugins #1209, #1210
t 'a published port 53 takes no question of anybody' published_53

# How many packets for port 53 have left by the wire.
leaked() {
    nft list counter inet watch leaked | awk '/packets/ { print $2 }'
}

internal() {
    lan_resolver
    define vault 3 ', "internal": true'
    define cell 4 ', "mode": "isolated"'
    define usual 5
    # A resolver of the host's on every address, which would ask the world.
    dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --server=192.0.2.9 --no-hosts --user=root --pid-file= \
        --port 53 --bind-dynamic &
    wait_for 3 dig +short +time=1 +tries=1 @192.0.2.2 ready.outside.example
    local network
    idle u --network usual
    wait_for 5 answers u u "$(address_of u)"
    for network in vault cell; do
        idle one-$network --network $network --network-alias first
        idle two-$network --network $network
        netctr exec two-$network ping -c 1 -W 2 one-$network
        netctr exec two-$network ping -c 1 -W 2 first
        wait_for 5 netctr exec one-$network ping -c 1 -W 2 two-$network
        assert_lacks "$(netctr exec two-$network cat /etc/resolv.conf)" nameserver
    done
    nft 'add table inet watch; add counter inet watch leaked; add chain inet watch out { type filter hook postrouting priority 200; }
         add rule inet watch out oifname "eth0" th dport 53 counter name leaked'
    : >"$tmp/asked"
    for address in 10.77.3.1 10.77.5.1 192.0.2.2 192.0.2.9; do
        assert_eq "$(ask two-vault secret.outside.example @$address)" '' "asked at $address"
        assert_eq "$(ask two-vault u @$address)" '' "asked at $address"
        assert_eq "$(ask two-vault secret.outside.example @$address +tcp)" '' "asked at $address"
    done
    assert_eq "$(ask two-vault secret.outside.example @10.77.3.1 -p "$(server_port)")" ''
    netctr exec two-vault nslookup secret.outside.example || true
    assert_eq "$(leaked)" 0 'packets on the wire'
    assert_eq "$(asked)" '' 'questions'
    # The positive control.
    assert_eq "$(ask u secret.outside.example)" 203.0.113.7
    assert_contains "$(asked)" secret.outside.example
    [ "$(leaked)" -gt 0 ]
}
# moby #47538, podman #15452
t 'internal and isolated: names of neighbours, and no question leaves' internal

fifty() {
    local n pids=()
    for n in $(seq 50); do
        netctr run -d --name c$n "$box" sleep 1000 >/dev/null 2>>"$tmp/errors" &
        pids+=($!)
    done
    for n in "${pids[@]}"; do wait "$n" || fail "one of fifty failed: $(head -1 "$tmp/errors")"; done
    wait_for 10 answers c1 c50 "$(address_of c50)"
    for n in $(seq 50); do echo "c$n"; done >"$tmp/questions"
    all_known() {
        [ "$(in_network_of c7 dig +short +time=1 +tries=1 @"$(gateway_of c7)" -f "$tmp/questions" | grep -c '^10\.')" = 50 ]
    }
    wait_for 10 all_known
    assert_eq "$(servers)" 1 servers
}
t 'fifty at once: every name, one server' fifty
