#!/usr/bin/env bash
# Names are visible on their network only; published ports and internal networks do not affect them.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/names.sh"

unanswered() { # the query gets no reply
    local said
    said=$("$@" +time=1 +tries=1) || true
    assert_contains "$said" 'no servers could be reached'
}
from() { in_network_of "$1" dig "${@:2}"; } # NAME DIG'S WORDS...

# Each waits for a reply that does not come: all at once, and `probed` is called when all must have succeeded.
probes=()
probe() { # ASSERTION...
    "$@" &
    probes+=($!)
}
probed() {
    local pid
    for pid in "${probes[@]}"; do wait "$pid"; done
    probes=()
}

outsiders() {
    define red 1 ', "subnet6": "fd77:1::/64", "gateway6": "fd77:1::1"'
    define blue 2
    idle r --network red
    idle b --network blue
    assert_eq "$(ask r r)" "$(address_of r)"
    assert_eq "$(ask b b)" "$(address_of b)"
    local port before kept_out=0 kind
    port=$(names_port)
    # Another network's container at the first's gateway: at 53 there is no server, and behind it the rule.
    unanswered from b r @10.77.1.1
    before=$(dropped input 'DNS is for the containers of its network')
    for kind in +notcp +tcp; do
        probe unanswered from b r @10.77.1.1 -p "$port" $kind
        # And its own network's container has to use port 53, too.
        probe unanswered from r r @10.77.1.1 -p "$port" $kind
        probe unanswered from r r @fd77:1::1 -p "$port" $kind
        # Wherever else the server might be found: it listens on every address.
        probe unanswered from r r @192.0.2.2 -p "$port" $kind
        # The LAN.
        probe unanswered in_lan dig @10.77.1.1 r -p "$port" $kind
        probe unanswered in_lan dig @192.0.2.2 r -p "$port" $kind
        probe unanswered in_lan dig @2001:db8::2 r -p "$port" $kind
        kept_out=$((kept_out + 7))
    done
    probe unanswered in_lan dig @10.77.1.1 r
    probed
    [ "$(dropped input 'DNS is for the containers of its network')" -ge $((before + kept_out)) ] || fail 'something else kept them out'
    # The host itself: no map redirects its queries, and it has no names.
    for kind in +notcp +tcp; do
        probe unanswered dig @10.77.1.1 r -p "$port" $kind
        probe unanswered dig @127.0.0.1 r -p "$port" $kind
        probe unanswered dig @::1 r -p "$port" $kind
    done
    probed
    # The positive control: the rule blocks them; without it the server refuses them.
    open_up input
    assert_contains "$(in_lan dig +time=2 +tries=1 -p "$port" @10.77.1.1 r)" 'status: REFUSED'
    assert_eq "$(ask r r -p "$port")" "$(address_of r)"
    shut
}
t 'not to other networks, not to the LAN, not to the host' outsiders

binds() { # a user without privileges, at every kind of address
    setpriv --reuid 65534 --regid 65534 --clear-groups /usr/bin/python3 -ISc '
import socket, sys
bound = 0
for family, address in ((socket.AF_INET, "127.0.0.7"), (socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::1")):
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        try:
            socket.socket(family, kind).bind((address, int(sys.argv[1])))
            bound += 1
        except PermissionError:
            pass
print(bound)' "$1"
}
privileged() {
    # A process that took the port between two servers would get the queries. Without the servers and their
    # containers:
    idle a
    wait_for 5 helpers_work
    local port
    port=$(names_port)
    [ "$port" -ge 512 ] && [ "$port" -le 1023 ] || fail "port $port"
    # shellcheck disable=SC2046
    kill -KILL "$(monitor_of a)" $(helper_processes)
    wait_for 3 no_helpers
    # A process that is dying has lost its command line before it closes its sockets.
    wait_for 3 eval '[ -z "$(ss -Hlnptu "sport = :$port")" ]'
    assert_eq "$(binds "$port")" 0 'sockets on the port'
    assert_eq "$(binds $((port + 1024)))" 6 'sockets on another one'
    # The next ones have it again.
    idle b
    wait_for 5 helpers_work
    assert_eq "$(names_port)" "$port"
    assert_eq "$(ask b b)" "$(address_of b)"
}
t 'the port is one that only root can bind' privileged

published_53() {
    lan_resolver
    serve_peer hijacker -p 53:53/udp -p 53:80/tcp
    idle a
    assert_eq "$(ask a hijacker)" "$(address_of hijacker)"
    # The positive control: the port is published.
    assert_contains "$(in_lan peer ask udp 192.0.2.2 53)" 'hijacker '
    local before
    before=$(netctr logs hijacker | grep -c datagram)
    assert_eq "$(ask a hijacker @"$(gateway_of a -6)")" "$(address_of hijacker)"
    assert_eq "$(ask a outside.example)" 203.0.113.7
    assert_eq "$(ask a outside.example +tcp)" 203.0.113.7
    # Queries to an external server go there (CVE-2025-67499).
    : >"$tmp/asked"
    assert_eq "$(ask a direct.outside.example @192.0.2.9)" 203.0.113.7
    assert_contains "$(asked)" direct.outside.example
    assert_eq "$(netctr logs hijacker | grep -c datagram)" "$before" 'questions that the publisher saw'
}
# plugins #1209, #1210
t "a published port 53 receives no other container's queries" published_53

# How many packets for port 53 have left on the wire.
leaked() {
    nft list counter inet watch leaked | awk '/packets/ { print $2 }'
}

internal() {
    lan_resolver
    define vault 3 ', "internal": true, "subnet6": "fd77:3::/64", "gateway6": "fd77:3::1"'
    define cell 4 ', "mode": "isolated"'
    define usual 5
    # A resolver of the host on every address, which would query external servers, and another one.
    dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --server=192.0.2.9 --no-hosts --user=root --pid-file= \
        --port 53 --bind-dynamic &
    wait_for 3 dig +short +time=1 +tries=1 @192.0.2.2 ready.outside.example
    peer serve host tcp/90 udp/90 >"$tmp/host" &
    wait_for 5 grep -q listening "$tmp/host"
    local address gateway kind
    idle u --network usual
    assert_eq "$(ask u u)" "$(address_of u)"
    idle one --network vault --network-alias first
    idle two --network vault
    # Neighbours, by the server; in every way.
    assert_eq "$(netctr exec two cat /etc/resolv.conf)" "nameserver 10.77.3.1
nameserver fd77:3::1
options ndots:0"
    assert_lacks "$(netctr exec two cat /etc/hosts)" one
    for gateway in 10.77.3.1 fd77:3::1; do
        for kind in +notcp +tcp; do
            assert_eq "$(ask two one @$gateway $kind)" "$(address_of one)" "$kind at $gateway"
            assert_eq "$(ask two FIRST AAAA @$gateway $kind)" "$(address_of one -6)" "$kind at $gateway"
        done
    done
    assert_contains "$(netctr exec two nslookup one)" "Address: $(address_of one)"
    netctr exec one ping -c 1 -W 2 two
    nft 'add table inet watch; add counter inet watch leaked; add chain inet watch out { type filter hook postrouting priority 200; }
         add rule inet watch out oifname "eth0" th dport 53 counter name leaked'
    : >"$tmp/asked"
    # External names: refused by the server, and unreachable in every other way.
    for gateway in 10.77.3.1 fd77:3::1; do
        for kind in +notcp +tcp; do
            assert_eq "$(rcode two secret.outside.example @$gateway $kind)" REFUSED "$kind at $gateway"
            assert_eq "$(rcode two u @$gateway $kind)" REFUSED 'a name of another network'
        done
        probe unanswered from two one @$gateway -p "$(names_port)"
    done
    for address in 10.77.5.1 192.0.2.2 192.0.2.9; do
        probe unanswered from two secret.outside.example @$address
        probe unanswered from two secret.outside.example @$address +tcp
    done
    probe assert_silent in_network_of two peer ask tcp 10.77.3.1 90 0 0.4
    probe assert_silent in_network_of two peer ask udp 10.77.3.1 90 0 0.4
    probe assert_silent in_network_of two peer ask tcp fd77:3::1 90 0 0.4
    probed
    # With the host's address for a way out, which root in the container could set.
    in_network_of two ip route add default via 10.77.3.1
    probe unanswered from two secret.outside.example @192.0.2.2
    probe unanswered from two secret.outside.example @192.0.2.9
    probe assert_silent in_network_of two peer ask tcp 192.0.2.2 90 0 0.4
    probed
    netctr exec two nslookup secret.outside.example || true
    # --dns is no way out, and does not mislead neighbours.
    idle three --network vault --dns 192.0.2.9
    assert_eq "$(rcode three secret.outside.example @10.77.3.1)" REFUSED '--dns'
    assert_eq "$(ask three one @10.77.3.1)" "$(address_of one)"

    # Isolated: by /etc/hosts, and there is no server.
    idle ego --network cell --network-alias second
    idle alter --network cell
    assert_lacks "$(netctr exec alter cat /etc/resolv.conf)" nameserver
    netctr exec alter ping -c 1 -W 2 ego
    netctr exec alter ping -c 1 -W 2 second
    wait_for 5 netctr exec ego ping -c 1 -W 2 alter
    probe unanswered from alter secret.outside.example @10.77.4.1
    netctr exec alter nslookup secret.outside.example || true

    probed
    assert_eq "$(leaked)" 0 'packets on the wire'
    assert_eq "$(asked)" '' 'questions'
    # The positive control.
    assert_eq "$(ask u secret.outside.example)" 203.0.113.7
    assert_contains "$(asked)" secret.outside.example
    [ "$(leaked)" -gt 0 ]
    assert_contains "$(in_network_of u peer ask tcp 10.77.5.1 90)" 'host '
}
# moby #47538, podman #15452
t 'internal and isolated: names of neighbours, and no query leaves' internal

fifty() {
    local n pids=()
    for n in $(seq 50); do
        netctr run -d --name c$n "$box" sleep 1000 >/dev/null 2>>"$tmp/errors" &
        pids+=($!)
    done
    for n in "${pids[@]}"; do wait "$n" || fail "one of fifty failed: $(head -1 "$tmp/errors")"; done
    assert_eq "$(ask c1 c50)" "$(address_of c50)"
    for n in $(seq 50); do echo "c$n"; done >"$tmp/questions"
    assert_eq "$(in_network_of c7 dig +short +time=2 +tries=1 @"$(gateway_of c7)" -f "$tmp/questions" | grep -c '^10\.')" 50
    wait_for 5 helpers_work
    assert_eq "$(helper_processes | wc -l)" 4 processes
}
t 'fifty at once: every name at once, one pair and its servers' fifty
