#!/usr/bin/env bash
# Containers find each other by name, and the world by the host's resolver.
needs=nginx
. "$(dirname "$0")/../lib.sh"
. "$top/tests/names.sh"

every_name() {
    local id address
    idle a
    id=$(netctr run -d --name web --hostname front.example --network-alias www --network default:alias=shop \
        "$box" sleep 1000)
    address=$(address_of web)
    wait_for 5 answers a web "$address"
    for name in web WEB web. "$id" front.example www shop; do
        assert_eq "$(ask a "$name")" "$address" "$name"
        assert_eq "$(ask a "$name" AAAA)" "$(address_of web -6)" "$name AAAA"
        assert_eq "$(ask a "$name" "@$(gateway_of a -6)")" "$address" "$name by IPv6"
    done
    # As programs ask: musl's and busybox's way, and glibc's.
    assert_contains "$(netctr exec a nslookup web)" "Address: $address"
    netctr run -d --name glibc "$debian" sleep 1000 >/dev/null
    wait_for 5 netctr exec glibc getent ahostsv4 www
    assert_eq "$(netctr exec glibc getent ahostsv4 www | awk 'NR == 1 { print $1 }')" "$address" getent
    # A name that nobody has, and does not look like one of the world, is asked of nobody.
    assert_eq "$(ask a nobody)" '' 'no such name'
}
t 'name, id, hostname, aliases; IPv4, IPv6; nslookup, getent' every_name

one_alias() {
    idle a
    idle one --network-alias pool
    idle two --network-alias pool
    wait_for 5 answers a pool "$(printf '%s\n' "$(address_of one)" "$(address_of two)" | sort | paste -sd' ')"
    netctr rm -f one
    wait_for 5 answers a pool "$(address_of two)"
}
t 'several containers with one alias: all addresses' one_alias

networks_apart() {
    define red 1
    define blue 2
    idle r --network red
    idle b --network blue
    idle both --network red --network blue
    wait_for 5 answers r both "$(in_network_of both ip -4 -o addr show dev eth0 | sed 's/.*inet \([0-9.]*\).*/\1/')"
    assert_eq "$(ask both r)" "$(address_of r)"
    assert_eq "$(ask both b)" "$(address_of b)"
    assert_eq "$(ask r b)" '' 'a name of the other network'
    assert_eq "$(ask b r)" '' 'a name of the other network'
    assert_contains "$(ask b both)" 10.77.2.
    assert_lacks "$(ask b both)" 10.77.1.
    # A network that comes when the server has run for long.
    define green 3
    idle g --network green
    wait_for 5 answers g g "$(address_of g)"
}
t 'names are their networks'"'"': who is on both knows both' networks_apart

# Whoever keeps the resolver knows of the name before the one who has brought it goes on.
slow_first() {
    strace -o /dev/null true 2>/dev/null || skip 'no permission to trace'
    define red 1
    idle one
    wait_for 5 answers one one "$(address_of one)"
    strace -f -qq -o /dev/null -e trace=renameat -e inject=renameat:delay_exit=300000 \
        "$program" --root "$state" --run-root "$run_state" run -d --name r --network red "$box" sleep 1000 &
    wait_for 10 status_is r running
    wait_for 5 answers r r "$(address_of r)"
    netctr rm -f r
    wait $! || true
}
t 'the first of a network, who is slow' slow_first

made_anew() {
    idle one
    local round
    for round in 1 2; do
        netctr network create fresh >/dev/null
        idle r --network fresh
        wait_for 5 answers r r "$(address_of r)"
        netctr rm -f r
        netctr network rm fresh
    done
}
t 'a network that is made anew' made_anew

connected() {
    define red 1
    idle r --network red
    idle d
    netctr network connect red d --alias later
    wait_for 5 answers r later "$(in_network_of d ip -4 -o addr show dev eth1 | sed 's/.*inet \([0-9.]*\).*/\1/')"
    wait_for 5 answers d r "$(address_of r)"
    netctr network disconnect red d
    wait_for 5 answers r later ''
    wait_for 5 answers d r ''
    # From no network to one.
    idle n --network none
    netctr network connect red n
    wait_for 5 netctr exec n nslookup r
    wait_for 5 answers r n "$(in_network_of n ip -4 -o addr show dev eth0 | sed 's/.*inet \([0-9.]*\).*/\1/')"
}
t 'connect and disconnect change names at once' connected

# Its address may be another's already.
half_disconnected() {
    define red 1
    netctr run -d --name d --network default --network red "$box" sleep 1000 >/dev/null
    local record=$run_state/containers/d/endpoint.red.json names=$run_state/names/red
    mount --bind "$record" "$record"
    assert_error 'netctr: remove the endpoint'\''s record: Device or resource busy' 125 \
        netctr network disconnect red d
    ! grep -q ' d,' "$names" || fail "its name is left: $(<"$names")"
    umount "$record"
    netctr network disconnect red d
    assert_eq "$(netctr inspect d | jq -r '.[0].endpoints[].network')" default
}
t 'a network that was left in part has the name no more, and can be left again' half_disconnected

begun_again() { # NAME PID-BEFORE
    local now
    now=$(pid_of "$1") && [ "$now" -gt 0 ] && [ "$now" != "$2" ]
}
lives() {
    local address before
    idle a
    idle again --restart always --add-host extra:192.0.2.77
    address=$(address_of again)
    wait_for 5 answers a again "$address"
    before=$(pid_of again)
    kill -KILL "$before"
    wait_for 10 begun_again again "$before"
    assert_eq "$(ask a again)" "$address" 'after its program began anew'
    assert_contains "$(netctr exec again cat /etc/hosts)" '192.0.2.77 extra'
    assert_contains "$(netctr exec again cat /etc/resolv.conf)" "nameserver $(gateway_of a)"
    netctr exec again nslookup a
    netctr stop -t 0 again
    wait_for 5 answers a again ''
    netctr start again
    wait_for 5 answers a again "$(address_of again)"
}
t 'a new run and a new life have the names again' lives

first_moment() {
    # The very first question of the very first container: nothing runs yet that could answer.
    lan_resolver
    warm_up
    assert_eq "$(servers)" 0 servers
    assert_contains "$(netctr run --rm "$box" nslookup -type=a sub.outside.example)" 203.0.113.7
    idle a
    wait_for 5 served
    assert_eq "$(ask a outside.example)" 203.0.113.7
    # An answer too long for UDP is asked for again by TCP, which the resolver does not speak.
    assert_eq "$(ask a outside.example +tcp)" 203.0.113.7 TCP
}
t 'the world is known from the first moment, by UDP and TCP' first_moment

loopback_resolver() {
    printf 'nameserver 127.0.0.53\noptions edns0 trust-ad\n' >"$own_resolv"
    dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --user=root --pid-file= --bind-interfaces \
        --listen-address=127.0.0.53 --address=/outside.example/203.0.113.53 &
    idle a
    wait_for 5 answers a outside.example 203.0.113.53
    printf 'nameserver 192.0.2.9\n' >"$own_resolv"
}
t "the host's resolver may be on its loopback" loopback_resolver

own_servers() {
    lan_resolver
    lan_resolver 192.0.2.10 203.0.113.10
    idle usual
    idle own --dns 192.0.2.10 --dns-search corp.example --dns-option timeout:1
    wait_for 5 answers own usual "$(address_of usual)"
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
