#!/usr/bin/env bash
# Containers find each other by name, and the world by the host's resolver. A name is known before its container's
# program runs: what is there is asked for at once, and once.
needs=nginx
. "$(dirname "$0")/../lib.sh"
. "$top/tests/names.sh"

every_name() {
    lan_resolver
    local id address name
    idle a
    id=$(netctr run -d --name web --hostname front.example --network-alias www --network default:alias=shop \
        "$box" sleep 1000)
    address=$(address_of web)
    for name in web WEB web. "$id" front.example Front.Example www shop sHoP; do
        assert_eq "$(ask a "$name")" "$address" "$name"
        assert_eq "$(ask a "$name" AAAA)" "$(address_of web -6)" "$name AAAA"
        assert_eq "$(ask a "$name" "@$(gateway_of a -6)")" "$address" "$name by IPv6"
        assert_eq "$(ask a "$name" +tcp)" "$address" "$name by TCP"
    done
    # As programs query: as musl and busybox do, and as glibc does.
    assert_contains "$(netctr exec a nslookup web)" "Address: $address"
    netctr run -d --name glibc "$debian" sleep 1000 >/dev/null
    assert_eq "$(netctr exec glibc getent ahostsv4 www | awk 'NR == 1 { print $1 }')" "$address" getent
    # Reverse look-ups. Unknown names go to the host's resolver, which answers that there are none.
    assert_eq "$(back a "$address")" web. 'the name of an address'
    assert_eq "$(back a "$(address_of web -6)")" web. 'the name of an address'
    : >"$tmp/asked"
    assert_eq "$(ask a nobody.outside.example)" 203.0.113.7
    assert_contains "$(asked)" nobody.outside.example
    assert_eq "$(rcode a nobody.elsewhere.example)" REFUSED 'what the resolver said'
}
t 'name, id, hostname, aliases; IPv4, IPv6; UDP, TCP; nslookup, getent' every_name

one_family() {
    define red 1
    idle r --network red
    idle web --network red
    # The name exists without such a record: a program that asks for both kinds has found it.
    assert_eq "$(rcode r web AAAA)" NOERROR
    assert_eq "$(ask r web AAAA)" ''
    assert_eq "$(ask r web)" "$(address_of web)"
    assert_contains "$(netctr exec r nslookup web)" "Address: $(address_of web)"
}
t 'a name without an address of the requested family' one_family

one_alias() {
    idle a
    idle one --network-alias pool
    idle two --network-alias pool
    assert_eq "$(ask a pool)" "$(printf '%s\n' "$(address_of one)" "$(address_of two)" | sort | paste -sd' ')"
    netctr rm -f one
    assert_eq "$(ask a pool)" "$(address_of two)"
}
t 'several containers with one alias: all addresses' one_alias

networks_apart() {
    define red 1
    define blue 2
    idle r --network red
    idle b --network blue
    idle both --network red --network blue
    assert_eq "$(ask r both)" "$(in_network_of both ip -4 -o addr show dev eth0 | sed 's/.*inet \([0-9.]*\).*/\1/')"
    assert_eq "$(ask both r)" "$(address_of r)"
    assert_eq "$(ask both b)" "$(address_of b)"
    assert_eq "$(ask r b)" '' 'a name of the other network'
    assert_eq "$(ask b r)" '' 'a name of the other network'
    assert_eq "$(back b "$(address_of r)")" '' 'an address of the other network'
    assert_contains "$(ask b both)" 10.77.2.
    assert_lacks "$(ask b both)" 10.77.1.
    # A network that is created when the server has run for long.
    define green 3
    idle g --network green
    assert_eq "$(ask g g)" "$(address_of g)"
}
t 'names are visible on their networks: a container on both resolves both' networks_apart

made_anew() {
    idle one
    local round
    for round in 1 2; do
        netctr network create fresh >/dev/null
        idle r --network fresh
        assert_eq "$(ask r r)" "$(address_of r)"
        netctr rm -f r
        netctr network rm fresh
        [ ! -e "$run_state/dns/network/fresh" ] && [ ! -e "$run_state/dns/bell/fresh" ] || fail 'its names are left'
    done
}
t 'a network that is created again' made_anew

connected() {
    define red 1
    idle r --network red
    idle d
    netctr network connect red d --alias later
    assert_eq "$(ask r later)" "$(in_network_of d ip -4 -o addr show dev eth1 | sed 's/.*inet \([0-9.]*\).*/\1/')"
    assert_eq "$(ask d r)" "$(address_of r)"
    netctr network disconnect red d
    assert_eq "$(ask r later)" ''
    assert_eq "$(ask d r)" ''
    # From no network to one.
    idle n --network none
    netctr network connect red n
    netctr exec n nslookup r
    assert_eq "$(ask r n)" "$(in_network_of n ip -4 -o addr show dev eth0 | sed 's/.*inet \([0-9.]*\).*/\1/')"
}
t 'connect and disconnect change names at once' connected

# Its address may belong to another container already.
half_disconnected() {
    define red 1
    netctr run -d --name d --network default --network red "$box" sleep 1000 >/dev/null
    local record names=$run_state/dns
    record=$(sandbox_of d)/endpoint.red.json
    [ -d "$names/network/red/d" ] || fail 'the positive control: it has a name'
    mount --bind "$record" "$record"
    assert_error 'netctr: remove the endpoint'\''s record: Device or resource busy' 125 \
        netctr network disconnect red d
    [ ! -e "$names/network/red" ] || fail "its name is left: $(find "$names")"
    assert_eq "$(ls "$names/container/$(netctr inspect d | jq -r '.[0].id')")" default
    umount "$record"
    netctr network disconnect red d
    assert_eq "$(netctr inspect d | jq -r '.[0].endpoints[].network')" default
}
t 'a partly disconnected network no longer has the name, and can be disconnected again' half_disconnected

begun_again() { # NAME PID-BEFORE
    local now
    now=$(pid_of "$1") && [ "$now" -gt 0 ] && [ "$now" != "$2" ]
}
lives() {
    local address before
    idle a
    idle again --restart always --add-host extra:192.0.2.77
    address=$(address_of again)
    assert_eq "$(ask a again)" "$address"
    before=$(pid_of again)
    kill -KILL "$before"
    wait_for 10 begun_again again "$before"
    assert_eq "$(ask a again)" "$address" 'after its program restarted'
    assert_contains "$(netctr exec again cat /etc/hosts)" '192.0.2.77 extra'
    assert_contains "$(netctr exec again cat /etc/resolv.conf)" "nameserver $(gateway_of a)"
    netctr exec again nslookup a
    netctr stop -t 0 again
    assert_eq "$(ask a again)" ''
    netctr start again
    assert_eq "$(ask a again)" "$(address_of again)"
}
t 'a restarted program and a started container have the names again' lives

restarted() {
    local n said
    idle q1
    idle q2
    for n in $(seq 20); do
        netctr restart -t 0 q1 >/dev/null
        said=$(netctr exec q2 nslookup q1) || fail "time $n: $said"
        assert_contains "$said" "Address: $(address_of q1)"
    done
}
t 'a restarted container is found at once, twenty times' restarted

first_moment() {
    # The very first query of the very first container: no server runs yet.
    lan_resolver
    warm_up
    wait_for 3 no_helpers
    assert_contains "$(netctr run --rm "$box" nslookup -type=a sub.outside.example)" 203.0.113.7
    wait_for 3 no_helpers
    # dig does not retry: its query starts the servers.
    idle a
    assert_eq "$(ask a outside.example)" 203.0.113.7
    assert_eq "$(ask a outside.example +tcp)" 203.0.113.7 TCP
    netctr rm -f a
    wait_for 3 no_helpers
    idle a
    assert_eq "$(ask a outside.example +tcp)" 203.0.113.7 TCP
}
t 'external names resolve from the first moment, by UDP and TCP' first_moment

# Also its own name, as the only container.
first_letters() {
    local n said
    idle web
    for n in $(seq 10); do
        said=$(netctr run --rm --name "Asks$n" "$box" sh -c "nslookup WEB && nslookup aSKS$n") || fail "time $n: $said"
        assert_contains "$said" "Address: $(address_of web)"
    done
    netctr rm -f web
    for n in $(seq 10); do
        wait_for 3 no_helpers
        said=$(netctr run --rm --name first "$box" nslookup FIRST) || fail "the first container, time $n: $said"
    done
}
t 'capital letters in the first moment' first_letters

# ---- the host's resolvers ------------------------------------------------------------------------

loopback_resolver() {
    printf 'nameserver 127.0.0.53\noptions edns0 trust-ad\n' >"$own_resolv"
    dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --user=root --pid-file= --bind-interfaces \
        --listen-address=127.0.0.53 --address=/outside.example/203.0.113.53 &
    wait_for 3 dig +short +time=1 +tries=1 @127.0.0.53 ready.outside.example
    idle a
    assert_eq "$(ask a outside.example)" 203.0.113.53
    assert_eq "$(ask a outside.example +tcp)" 203.0.113.53
    printf 'nameserver 192.0.2.9\n' >"$own_resolv"
}
t "the host's resolver may be on its loopback" loopback_resolver

# A laptop that moves to another network: the host's file changes, and running containers go on.
host_moves() {
    lan_resolver
    lan_resolver 192.0.2.10 203.0.113.10
    idle a
    assert_eq "$(ask a outside.example)" 203.0.113.7
    printf 'nameserver 192.0.2.10\n' >"$own_resolv"
    wait_for 2 answers a outside.example 203.0.113.10
    assert_contains "$(netctr exec a nslookup -type=a outside.example)" 203.0.113.10
    # As NetworkManager and resolved do it: they replace the file.
    printf 'nameserver 192.0.2.9\n' >"$tmp/other.conf"
    mount --bind "$tmp/other.conf" "$(realpath /etc/resolv.conf)"
    wait_for 2 answers a outside.example 203.0.113.7
    # A missing server, before an existing one.
    printf 'nameserver 192.0.2.11\nnameserver 192.0.2.10\n' >"$tmp/other.conf"
    wait_for 4 answers a outside.example 203.0.113.10
    # None at all, and one again.
    : >"$tmp/other.conf"
    wait_for 2 says a SERVFAIL
    printf 'nameserver 192.0.2.10\n' >"$tmp/other.conf"
    wait_for 2 answers a outside.example 203.0.113.10
    # Without a helper the next start updates it.
    netctr rm -f a
    wait_for 3 no_helpers
    umount "$(realpath /etc/resolv.conf)"
    printf 'nameserver 192.0.2.9\n' >"$own_resolv"
    idle a
    assert_eq "$(ask a outside.example)" 203.0.113.7
}
says() { # NAME RCODE
    [ "$(rcode "$1" outside.example)" = "$2" ]
}
t "the host's resolvers change: running containers follow" host_moves

own_servers() {
    lan_resolver
    lan_resolver 192.0.2.10 203.0.113.10
    idle usual
    idle own --dns 192.0.2.10 --dns-search corp.example --dns-option timeout:1
    assert_eq "$(ask own usual)" "$(address_of usual)"
    assert_eq "$(ask own outside.example)" 203.0.113.10
    assert_eq "$(ask usual outside.example)" 203.0.113.7
    assert_eq "$(netctr exec own cat /etc/resolv.conf)" "search corp.example
nameserver $(gateway_of own)
nameserver $(gateway_of own -6)
options timeout:1
options ndots:0"
}
t '--dns, --dns-search, --dns-option' own_servers

extra_hosts() {
    idle a --add-host db:192.0.2.50 --add-host six:2001:db8::50 --add-host here:host-gateway
    local hosts gateway
    hosts=$(netctr exec a cat /etc/hosts) gateway=$(gateway_of a)
    assert_contains "$hosts" '192.0.2.50 db'
    assert_contains "$hosts" '2001:db8::50 six'
    assert_contains "$hosts" "$gateway here"
    assert_contains "$hosts" "$gateway host.containers.internal host.docker.internal"
    assert_contains "$hosts" "$(address_of a) "
    assert_error 'netctr: --add-host `db:nowhere` is not NAME:ADDRESS or NAME:host-gateway' 125 \
        netctr run --add-host db:nowhere "$box" true
    assert_error 'netctr: --dns `nowhere` is not an address' 125 netctr run --dns nowhere "$box" true
}
t '--add-host, host.docker.internal' extra_hosts

# ---- own names --------------------------------------------------------------------------------------

# Java, Erlang, sudo and others look it up first, and fail or hang if there is none.
finds_itself() { # HOSTNAME|'' ADDRESS FLAGS OF RUN...
    local said
    said=$(netctr run --rm --name me "${@:3}" "$box" sh -c 'hostname; ping -4 -c 1 -W 2 "$(hostname)"') || fail "${*:3}: $said"
    [ -z "$1" ] || assert_eq "$(head -1 <<<"$said")" "$1" "hostname, ${*:3}"
    assert_contains "$said" "PING $(head -1 <<<"$said") ($2"
}

own_name() {
    define vault 3 ', "internal": true'
    define cell 4 ', "mode": "isolated"'
    define plain 5 ', "dns": false'
    ip netns delete other 2>/dev/null || true
    ip netns add other
    nsenter --net=/run/netns/other ip link set lo up
    finds_itself '' 10.88.0.
    finds_itself front.example 10.88.0. --hostname front.example
    finds_itself '' 10.77.3. --network vault
    finds_itself '' 10.77.4. --network cell
    finds_itself '' 10.77.5. --network plain
    finds_itself '' 127.0.0.1 --network none
    finds_itself '' 127.0.0.1 --network ns:/run/netns/other
    idle shared
    finds_itself '' "$(address_of shared)" --network container:shared
    idle alone --network none
    finds_itself '' 127.0.0.1 --network container:alone
    # On the host's network it has the host's name, and the host's file resolves it.
    printf '127.0.0.1 localhost\n127.0.1.1 %s\n192.0.2.222 of.the.host\n' "$(hostname)" >"$tmp/hosts"
    mount --bind "$tmp/hosts" "$(realpath /etc/hosts)"
    finds_itself "$(hostname)" 127.0.1.1 --network host
    assert_contains "$(netctr run --rm --network host "$box" ping -c 1 -W 1 of.the.host || true)" '(192.0.2.222)'
    assert_lacks "$(netctr run --rm "$box" cat /etc/hosts)" of.the.host
    umount "$(realpath /etc/hosts)"
    # A host that has no name in its own file.
    printf '127.0.0.1 localhost' >"$tmp/hosts"
    mount --bind "$tmp/hosts" "$(realpath /etc/hosts)"
    finds_itself "$(hostname)" 127.0.0.1 --network host
    # An unreadable file is reported, not taken for a missing one.
    truncate -s 2M "$tmp/hosts"
    assert_contains "$(netctr run --rm --network host "$box" true 2>&1)" "cannot read the host's /etc/hosts"
    umount "$(realpath /etc/hosts)"
    ip netns delete other
}
t 'a container resolves its own name on every kind of network' own_name
