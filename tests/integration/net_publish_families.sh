#!/usr/bin/env bash
# 0.0.0.0 is every IPv4 address, [::] every IPv6 address, and a port without an address is on both. `port`, `ps` and
# `inspect` print where it can be reached.
. "$(dirname "$0")/../lib.sh"

v4=192.0.2.2 v6=2001:db8::2

ports_of() { # what inspect prints, on one line
    netctr inspect "$1" | jq -r '.[0].published | join(" ")'
}
assert_shown() { # the same in inspect, ps and port
    assert_eq "$(ports_of "$1")" "$2" inspect
    assert_eq "$(netctr ps --format json | jq -r --arg name "$1" '.[] | select(.name == $name).ports | join(" ")')" "$2" 'ps in JSON'
    netctr ps | grep -F -- " ${2// /, } " | has " $1\$"
    assert_eq "$(netctr port "$1" | sed -E 's/(.*) -> (.*)/\2->\1/' | paste -sd ' ')" "$2" port
}

reached4() { # from the LAN, from the host, by loopback
    local address
    assert_contains "$(in_lan peer ask tcp $v4 "$2")" "$1 "
    assert_contains "$(in_lan peer ask udp $v4 "$3")" "$1 "
    for address in $v4 127.0.0.1; do
        assert_contains "$(peer ask tcp $address "$2")" "$1 "
        assert_contains "$(peer ask udp $address "$3")" "$1 "
    done
}
reached6() { # NAME PORT UDP-PORT
    local address
    assert_contains "$(in_lan peer ask tcp $v6 "$2")" "$1 "
    assert_contains "$(in_lan peer ask udp $v6 "$3")" "$1 "
    for address in $v6 ::1; do
        assert_contains "$(peer ask tcp $address "$2")" "$1 "
        assert_contains "$(peer ask udp $address "$3")" "$1 "
    done
}
silent4() { # PORT UDP-PORT
    local address
    assert_silent in_lan peer ask tcp $v4 "$1" 0 0.3
    assert_silent in_lan peer ask udp $v4 "$2" 0 0.3
    for address in $v4 127.0.0.1; do
        assert_silent peer ask tcp $address "$1" 0 0.3
        assert_silent peer ask udp $address "$2" 0 0.3
    done
}
silent6() { # PORT UDP-PORT
    local address
    assert_silent in_lan peer ask tcp $v6 "$1" 0 0.3
    assert_silent in_lan peer ask udp $v6 "$2" 0 0.3
    for address in $v6 ::1; do
        assert_silent peer ask tcp $address "$1" 0 0.3
        assert_silent peer ask udp $address "$2" 0 0.3
    done
}
sockets_on() { # how many hold it
    ss -Hln "$2" -tu "sport = :$1" | wc -l
}

ipv4_alone() {
    serve_peer four -p 0.0.0.0:8001:80 -p 0.0.0.0:5301:53/udp
    reached4 four 8001 5301
    silent6 8001 5301
    assert_lacks "$(nft list map inet netctr publish6)" 8001
    assert_lacks "$(nft list map inet netctr publish6)" 5301
    assert_eq "$(sockets_on 8001 -4) $(sockets_on 8001 -6)" '1 0' 'sockets'
    assert_shown four '0.0.0.0:8001->80/tcp 0.0.0.0:5301->53/udp'
    # The positive control: without the address the same port of the same container is on IPv6 too.
    netctr rm -f four
    serve_peer both -p 8001:80 -p 5301:53/udp
    reached4 both 8001 5301
    reached6 both 8001 5301
}
t '-p 0.0.0.0:8001:80 is open on IPv4 only: no IPv6 address answers, not even [::1]' ipv4_alone

side_by_side() {
    serve_peer four -p 0.0.0.0:8001:80 -p 0.0.0.0:5301:53/udp
    serve_peer six -p '[::]:8001:80' -p '[::]:5301:53/udp'
    reached4 four 8001 5301
    reached6 six 8001 5301
    assert_shown four '0.0.0.0:8001->80/tcp 0.0.0.0:5301->53/udp'
    assert_shown six '[::]:8001->80/tcp [::]:5301->53/udp'
    # The rules come back as they were.
    netctr network reload
    reached4 four 8001 5301
    reached6 six 8001 5301
    # One ends, the other stays.
    netctr rm -f four
    silent4 8001 5301
    reached6 six 8001 5301
    netctr rm -f six
    # One container with both.
    serve_peer two -p 0.0.0.0:8001:80 -p '[::]:8001:81' -p 0.0.0.0:5301:53/udp -p '[::]:5301:54/udp'
    reached4 two 8001 5301
    reached6 two 8001 5301
    netctr logs two | has -E 'connection 192.0.2.9 80$'
    netctr logs two | has -E 'connection 2001:db8::9 81$'
}
t '[::]:8001 beside 0.0.0.0:8001: each family leads to its own container' side_by_side

refused() {
    netctr run -d --name other -p 0.0.0.0:8002:80 -p 127.0.0.1:8003:80 -p 8001:80/udp "$box" sleep 100 >/dev/null
    netctr run -d --name four -p 0.0.0.0:8001:80 "$box" sleep 100 >/dev/null
    run() { netctr run --rm "$@" "$box" true; }
    assert_error 'netctr: port 8001/tcp is in use on this host; container `four` publishes it' 125 run -p 8001:80
    assert_error 'netctr: port 8001/tcp is in use on 0.0.0.0; container `four` publishes it' 125 run -p 0.0.0.0:8001:80
    assert_error 'netctr: port 8001/tcp is in use on 127.0.0.1; container `four` publishes it' 125 run -p 127.0.0.1:8001:80
    netctr run -d --name six -p '[::]:8001:80' "$box" sleep 100 >/dev/null
    assert_error 'netctr: port 8001/tcp is in use on [::]; container `six` publishes it' 125 run -p '[::]:8001:80'
    assert_error 'netctr: port 8001/tcp is in use on [::1]; container `six` publishes it' 125 run -p '[::1]:8001:80'
    assert_error "netctr: port 8001/tcp is in use on [$v6]; container \`six\` publishes it" 125 run -p "[$v6]:8001:80"
    netctr rm -f four
    assert_error 'netctr: port 8001/tcp is in use on this host; container `six` publishes it' 125 run -p 8001:80
    assert_error 'netctr: port 8001/tcp is published twice' 125 run -p 0.0.0.0:8001:80 -p 0.0.0.0:8001:81
    netctr rm -f six
    assert_error 'netctr: port 8001/tcp is published twice' 125 run -p 0.0.0.0:8001:80 -p 8001:80
    assert_error 'netctr: port 8001/tcp is published twice' 125 run -p '[::]:8001:80' -p 8001:80
    # A container that has the number at another address is not the conflicting one.
    socat TCP-LISTEN:8003,bind=$v4,fork /dev/null &
    socat TCP6-LISTEN:8002,ipv6only,fork /dev/null &
    wait_for 2 eval '[ "$(ss -Hlnt "sport = :8002 or sport = :8003" | wc -l)" = 4 ]'
    # shellcheck disable=SC2016 # not expanded
    local program='another program listens there (`ss -lntup` shows it)'
    assert_error "netctr: port 8003/tcp is in use on $v4; $program" 125 run -p $v4:8003:80
    assert_error "netctr: port 8002/tcp is in use on [::]; $program" 125 run -p '[::]:8002:80'
}
t 'a port on every address collides with both; the error names the conflicting container' refused

shown() {
    serve_peer both -p 8001:80
    assert_shown both '0.0.0.0:8001->80/tcp [::]:8001->80/tcp'
    assert_eq "$(netctr port both)" $'80/tcp -> 0.0.0.0:8001\n80/tcp -> [::]:8001'
    assert_eq "$(netctr port both 80)" $'0.0.0.0:8001\n[::]:8001'
    assert_eq "$(netctr port both 80/tcp)" $'0.0.0.0:8001\n[::]:8001'
    assert_fails netctr port both 80/udp
    assert_eq "$(netctr publish both 0.0.0.0:8002:81 '[::]:8003:82' 8004:53/udp)" \
        $'0.0.0.0:8002->81/tcp\n[::]:8003->82/tcp\n0.0.0.0:8004->53/udp\n[::]:8004->53/udp'
    assert_eq "$(netctr port both 81)" 0.0.0.0:8002
    assert_eq "$(netctr port both 82)" '[::]:8003'
    # Whichever was published first: a script that reads one line gets IPv4.
    netctr publish both '[::]:8005:83' 127.0.0.1:8006:83 >/dev/null
    assert_eq "$(netctr port both 83)" $'127.0.0.1:8006\n[::]:8005'
}
t 'port, ps, inspect and publish print one entry for each family' shown

joined() {
    netctr run -d --name many -p 9000-9010:9000-9010 -p 9100-9101:80-81 -p 127.0.0.1:9102:82 -p 9000-9001:9000-9001/udp -p 9012:9012 \
        "$box" sleep 100 >/dev/null
    netctr ps | has -F "$(printf '%s, ' '0.0.0.0:9000-9010->9000-9010/tcp' '[::]:9000-9010->9000-9010/tcp' \
        '0.0.0.0:9100-9101->80-81/tcp' '[::]:9100-9101->80-81/tcp' 127.0.0.1:9102-\>82/tcp \
        '0.0.0.0:9000-9001->9000-9001/udp' '[::]:9000-9001->9000-9001/udp' '0.0.0.0:9012->9012/tcp')[::]:9012->9012/tcp   many"
    # Machine-readable output has them one by one.
    assert_eq "$(netctr port many | wc -l)" 33
    assert_eq "$(netctr inspect many | jq '.[0].published | length')" 33
    assert_eq "$(netctr ps --format json | jq '.[0].ports | length')" 33
    netctr network create --mode routed lab
    netctr run -d --name open --network lab -p 80-83 "$box" sleep 100 >/dev/null
    netctr ps | has ' 80-83/tcp   *open$'
    # A container that has ended publishes nothing.
    netctr stop -t 0 many
    assert_lacks "$(netctr ps -a | grep ' many$')" 9000
    assert_eq "$(netctr inspect many | jq -c '.[0].published')" '[]'
    assert_eq "$(netctr ps -a --format json | jq -c '.[] | select(.name == "many").ports')" '[]'
    netctr start many
    netctr ps | has -F '0.0.0.0:9000-9010->9000-9010/tcp'
}
t 'ps merges consecutive ports; an ended container publishes nothing' joined

shown_on_one_family() {
    netctr network create n4
    netctr network create --subnet fd06::/64 n6
    serve_peer four --network n4 -p 8001:80 -p 5301:53/udp -p 0.0.0.0:8002:80 -p '[::1]:8003:80'
    # What is printed is what answers: [::1] by the proxy, no other IPv6 address.
    assert_shown four '0.0.0.0:8001->80/tcp [::1]:8001->80/tcp 0.0.0.0:5301->53/udp [::1]:5301->53/udp 0.0.0.0:8002->80/tcp [::1]:8003->80/tcp'
    reached4 four 8001 5301
    assert_contains "$(peer ask tcp ::1 8001)" 'four '
    assert_contains "$(peer ask udp ::1 5301)" 'four '
    assert_silent peer ask tcp $v6 8001
    assert_silent in_lan peer ask tcp $v6 8001 0 0.3
    assert_silent peer ask tcp ::1 8002
    assert_contains "$(peer ask tcp ::1 8003)" 'four '
    serve_peer six --network n6 -p 8004:80 -p 5304:53/udp
    assert_shown six '[::]:8004->80/tcp [::]:5304->53/udp'
    reached6 six 8004 5304
    silent4 8004 5304
    assert_error 'netctr: publish `0.0.0.0:8005:80/tcp`: network `n6` has no IPv4; publish the port on an IPv6 address, or on every one: -p 8005:80/tcp' \
        125 netctr run --rm --network n6 -p 0.0.0.0:8005:80 "$box" true
    assert_error 'netctr: publish `[::]::80/tcp`: network `n4` has no IPv6; publish the port on an IPv4 address, or on every one: -p 80/tcp' \
        125 netctr run --rm --network n4 -p '[::]::80' "$box" true
    # A host without [::1].
    sysctl -qw net.ipv6.conf.lo.disable_ipv6=1
    netctr restart -t 0 four 2>/dev/null || true # [::1]:8003 cannot be had
    netctr rm -f four
    serve_peer four --network n4 -p 8001:80
    sysctl -qw net.ipv6.conf.lo.disable_ipv6=0
    assert_shown four '0.0.0.0:8001->80/tcp'
}
t 'a network of one family: what is printed is what answers' shown_on_one_family

routed() {
    netctr network create --mode routed --ipv6 r
    serve_peer web --network r -p 0.0.0.0:80:80 -p '[::]::81' -p 82
    assert_eq "$(ports_of web)" '80/tcp 81/tcp 82/tcp'
    local a4 a6
    a4=$(address_of web) a6=$(address_of web -6)
    assert_contains "$(in_lan peer ask tcp "$a4" 80)" 'web '
    assert_silent in_lan peer ask tcp "$a6" 80 0 0.3
    assert_silent in_lan peer ask tcp "$a4" 81 0 0.3
    assert_contains "$(in_lan peer ask tcp "$a6" 81)" 'web '
    assert_contains "$(in_lan peer ask tcp "$a4" 82)" 'web '
    assert_contains "$(in_lan peer ask tcp "$a6" 82)" 'web '
}
t 'routed: 0.0.0.0 and [::] open the port of one family' routed

kept() {
    serve_peer c -p 0.0.0.0:8001:80 -p 0.0.0.0:5301:53/udp -p 8002:80
    local all='0.0.0.0:8001->80/tcp 0.0.0.0:5301->53/udp 0.0.0.0:8002->80/tcp [::]:8002->80/tcp'
    assert_shown c "$all"
    again() {
        wait_for 5 logged c listening
        assert_shown c "$all"
        wait_for 5 reached4 c 8001 5301
        silent6 8001 5301
        assert_contains "$(in_lan peer ask tcp $v6 8002)" 'c '
    }
    netctr restart -t 0 c
    again
    netctr stop -t 0 c
    netctr start c
    again
    # From here on the definition has the words that netctr writes.
    netctr publish c 8003:80 '[::]:8004:80' >/dev/null
    netctr unpublish c 8003
    all+=' [::]:8004->80/tcp'
    assert_eq "$(netctr inspect c | jq -r '.[0].publish | join(" ")')" \
        '0.0.0.0:8001:80/tcp 0.0.0.0:5301:53/udp 8002:80/tcp [::]:8004:80/tcp'
    netctr restart -t 0 c
    again
    assert_silent peer ask tcp 127.0.0.1 8004
}
t 'restart, stop and start keep the families' kept

withdrawn() {
    serve_peer four -p 0.0.0.0:8001:80 -p 8002:80
    serve_peer six -p '[::]:8001:80'
    assert_error 'netctr: container `six` does not publish port 0.0.0.0:8001:80' 125 netctr unpublish six 0.0.0.0:8001:80
    assert_error 'netctr: container `four` does not publish port [::]:8001:80' 125 netctr unpublish four '[::]:8001:80'
    netctr unpublish four 0.0.0.0:8001:80
    assert_silent peer ask tcp 127.0.0.1 8001
    assert_contains "$(in_lan peer ask tcp $v6 8001)" 'six '
    netctr publish four 0.0.0.0:8001:80 >/dev/null
    netctr unpublish six 8001
    assert_silent peer ask tcp ::1 8001
    assert_contains "$(in_lan peer ask tcp $v4 8001)" 'four '
    netctr publish six '[::]:8001:80' >/dev/null
    netctr unpublish six '[::]:8001:80'
    # Both of one container: by address one, by number all.
    netctr publish four '[::]:8001:81' >/dev/null
    netctr unpublish four 0.0.0.0::8001
    assert_shown four '0.0.0.0:8002->80/tcp [::]:8002->80/tcp [::]:8001->81/tcp'
    netctr publish four 0.0.0.0:8001:80 >/dev/null
    netctr unpublish four 8001
    assert_shown four '0.0.0.0:8002->80/tcp [::]:8002->80/tcp'
    # A port on every address counts as one.
    assert_error 'netctr: container `four` does not publish port 0.0.0.0:8002:80; it publishes 8002:80/tcp on every address: `netctr unpublish four 8002:80/tcp`' \
        125 netctr unpublish four 0.0.0.0:8002:80
    assert_contains "$(in_lan peer ask tcp $v4 8002)" 'four '
    netctr unpublish four 8002:80
    assert_eq "$(ports_of four)" ''
    assert_eq "$(sockets_on 8001 -4) $(sockets_on 8001 -6) $(sockets_on 8002 -4) $(sockets_on 8002 -6)" '0 0 0 0' sockets
}
t 'unpublish, by address and by number' withdrawn

ranges_and_ephemeral() {
    serve_peer c -p 0.0.0.0:8001-8003:80-82 -p '[::]:8001-8003:83-85' -p 0.0.0.0::86 -p '[::]::87' -p 0.0.0.0::53/udp
    local n port
    for n in 0 1 2; do
        assert_contains "$(in_lan peer ask tcp $v4 $((8001 + n)))" 'c '
        assert_contains "$(in_lan peer ask tcp $v6 $((8001 + n)))" 'c '
        netctr logs c | has -E "connection 192.0.2.9 $((80 + n))\$"
        netctr logs c | has -E "connection 2001:db8::9 $((83 + n))\$"
    done
    port=$(netctr port c 86)
    assert_eq "${port%:*}" 0.0.0.0
    assert_contains "$(in_lan peer ask tcp $v4 "${port##*:}")" 'c '
    assert_silent peer ask tcp ::1 "${port##*:}"
    port=$(netctr port c 53/udp)
    assert_eq "${port%:*}" 0.0.0.0
    assert_contains "$(in_lan peer ask udp $v4 "${port##*:}")" 'c '
    assert_silent in_lan peer ask udp $v6 "${port##*:}" 0 0.3
    port=$(netctr port c 87)
    assert_eq "${port%:*}" '[::]'
    assert_contains "$(in_lan peer ask tcp $v6 "${port##*:}")" 'c '
    assert_silent peer ask tcp 127.0.0.1 "${port##*:}"
}
t 'ranges and ephemeral ports of one family' ranges_and_ephemeral

sctp() {
    peer serve host sctp/5000 >"$tmp/host" 2>&1 &
    wait_for 2 grep -q . "$tmp/host"
    grep -q listening "$tmp/host" || skip 'this kernel has no SCTP'
    kill $!
    serves='sctp/80' serve_peer four -p 0.0.0.0:8001:80/sctp
    serves='sctp/80' serve_peer six -p '[::]:8001:80/sctp'
    assert_eq "$(in_lan peer ask sctp $v4 8001)" 'four 192.0.2.9'
    assert_eq "$(in_lan peer ask sctp $v6 8001)" 'six 2001:db8::9'
    assert_shown four '0.0.0.0:8001->80/sctp'
    assert_shown six '[::]:8001->80/sctp'
    assert_fails netctr run --rm -p 8001:80/sctp "$box" true
    # [::1] has no proxy for it.
    netctr network create n4
    netctr run -d --name c --network n4 -p 8002:80/sctp "$box" sleep 100 >/dev/null
    assert_shown c '0.0.0.0:8002->80/sctp'
}
t 'SCTP: the same' sctp
