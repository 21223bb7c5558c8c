#!/usr/bin/env bash
# The front door: every way into a published port, and no other way in. Each way that must fail stands beside a
# control that it could have succeeded.
. "$(dirname "$0")/../lib.sh"

v4=192.0.2.2 v6=2001:db8::2 lan4=192.0.2.9 lan6=2001:db8::9

ipv4_only_network() { # NAME NUMBER
    mkdir -p "$state/networks"
    printf '{"schema": 1, "name": "%s", "bridge": "nc-%s", "subnet": "10.77.%d.0/24",
        "gateway": "10.77.%d.1", "internal": false, "masquerade": true, "icc": true}\n' \
        "$1" "$1" "$2" "$2" >"$state/networks/$1.json"
}

# ---- 1. the five ways in -------------------------------------------------------------------------

five_ways() { # PROTO PORT
    local address
    serve_peer web -p "8080:80" -p "5353:53/udp"
    serve_peer neighbour
    for address in $v4 $v6; do
        assert_contains "$(peer ask "$1" $address "$2")" 'web '
        # The container sees the LAN's own address, never a gateway's.
        assert_eq "$(in_lan peer ask "$1" $address "$2")" "web $(lan_of $address)" 'from the LAN'
        assert_contains "$(in_network_of neighbour peer ask "$1" $address "$2")" 'web '
        assert_contains "$(in_network_of web peer ask "$1" $address "$2")" 'web '
    done
    assert_contains "$(peer ask "$1" 127.0.0.1 "$2")" 'web '
    assert_contains "$(peer ask "$1" ::1 "$2")" 'web '
    # The positive control of all that is silent below: another port is open.
    for address in $v4 $v6 127.0.0.1 ::1; do
        assert_silent peer ask "$1" "$address" $(($2 + 1))
        [[ $address == *1 ]] || assert_silent in_lan peer ask "$1" "$address" $(($2 + 1)) 0 0.3
    done
}
lan_of() { case $1 in *:*) echo $lan6 ;; *) echo $lan4 ;; esac; }

five_ways_tcp() { five_ways tcp 8080; }
five_ways_udp() { five_ways udp 5353; }
t 'TCP: the host, 127.0.0.1, [::1], the LAN as itself, the neighbour and the container itself' five_ways_tcp
t 'UDP: the same' five_ways_udp

gateways() {
    # A container reaches the host by its gateway's address, too.
    serve_peer web -p 8080:80 -p 5353:53/udp
    local address
    for address in $(ip -oneline address show dev nc-default scope global | awk '{ sub("/.*", "", $4); print $4 }'); do
        assert_contains "$(in_network_of web peer ask tcp "$address" 8080)" 'web '
        assert_contains "$(in_network_of web peer ask udp "$address" 5353)" 'web '
    done
}
t "the gateway's addresses, from inside" gateways

loopback6_carries_streams() {
    # [::1] is served by the monitor: many at once, both ends closing, a long stream.
    serve_peer web -p 8080:80 -p 5353:53/udp
    local n pids=()
    peer hold ::1 8080 2 >"$tmp/hold" &
    pids+=($!)
    peer download ::1 8080 2 >"$tmp/download" &
    pids+=($!)
    for n in $(seq 20); do
        peer ask tcp ::1 8080 0 5 >>"$tmp/answers" &
        pids+=($!)
        peer ask udp ::1 5353 0 5 >>"$tmp/answers" &
        pids+=($!)
    done
    for n in "${pids[@]}"; do wait "$n"; done
    assert_eq "$(grep -c '^web ' "$tmp/answers")" 40 answers
    cat "$tmp/hold" "$tmp/download"
    # Each of two clients gets its own reply, and none the other's.
    assert_contains "$(peer ask udp ::1 5353 21001)" 'web '
    assert_contains "$(peer ask udp ::1 5353 21002)" 'web '
    # The monitor keeps no connection of clients that have gone.
    local monitor sockets
    monitor=$(monitor_of web)
    all_gone() {
        sockets=$(ss -Hntp state established state close-wait | grep -c "pid=$monitor," || true)
        [ "$sockets" = 0 ]
    }
    wait_for 3 all_gone
    # A client that sends nothing and goes, and one that only listens, do no harm.
    assert_contains "$(peer ask tcp ::1 8080)" 'web '
}
t '[::1]: many at once, long streams, nothing kept' loopback6_carries_streams

loopback6_refuses() {
    # The container has no listener: refused at once, neither a hang nor a reply.
    netctr run -d --name quiet -p 8080:80 "$box" sleep 100 >/dev/null
    local begin=${EPOCHREALTIME/./}
    assert_silent peer ask tcp ::1 8080 0 2
    [ $((${EPOCHREALTIME/./} - begin)) -lt 1000000 ] || fail 'hangs'
    # And the container goes on.
    status_is quiet running
}
t '[::1]: refused without a listener in the container' loopback6_refuses

ranges() {
    serve_peer web -p 8000-8010:80-90 -p 5000-5010:53-63/udp
    local n
    for n in 0 5 10; do
        assert_contains "$(in_lan peer ask tcp $v4 $((8000 + n)))" 'web '
        assert_contains "$(in_lan peer ask tcp $v6 $((8000 + n)))" 'web '
        assert_contains "$(peer ask tcp 127.0.0.1 $((8000 + n)))" 'web '
        assert_contains "$(peer ask tcp ::1 $((8000 + n)))" 'web '
        assert_contains "$(in_lan peer ask udp $v4 $((5000 + n)))" 'web '
        # Each to its own port, not all to the first.
        netctr logs web | has "connection $lan4 $((80 + n))\$"
        netctr logs web | has "datagram $lan4 $((53 + n)) "
    done
    assert_silent in_lan peer ask tcp $v4 7999 0 0.3
    assert_silent in_lan peer ask tcp $v4 8011 0 0.3
    assert_eq "$(netctr port web | wc -l)" 44 'lines of port'
    # If one is taken, none of the range is published.
    netctr rm -f web
    socat -u TCP-LISTEN:8005 OPEN:/dev/null &
    wait_for 2 sh -c 'ss -Hltn | grep -q :8005'
    # shellcheck disable=SC2016 # not expanded
    assert_error 'netctr: port 8005/tcp is in use on this host; another program listens there (`ss -lntup` shows it)' 125 \
        netctr run -d --name web -p 8000-8010:80-90 "$box" sleep 100
    assert_silent peer ask tcp 127.0.0.1 8000
    assert_lacks "$(nft list table inet netctr)" 8000
}
t 'ranges, tcp and udp; published as a whole or not at all' ranges

host_addresses() {
    serve_peer at4 -p $v4:8080:80 -p $v4:5353:53/udp
    serve_peer at6 -p "[$v6]:8080:80" -p "[$v6]:5353:53/udp"
    serve_peer lo4 -p 127.0.0.1:8080:80 -p 127.0.0.1:5353:53/udp
    serve_peer lo6 -p '[::1]:8080:80' -p '[::1]:5353:53/udp'
    local question
    for question in 'tcp ADDRESS 8080' 'udp ADDRESS 5353'; do
        # shellcheck disable=SC2086 # words
        ask() { peer ask ${question/ADDRESS/$1}; }
        # shellcheck disable=SC2086
        ask_in() { "$1" ${3-} peer ask ${question/ADDRESS/$2}; }
        assert_contains "$(ask $v4)" 'at4 '
        assert_contains "$(ask $v6)" 'at6 '
        assert_contains "$(ask 127.0.0.1)" 'lo4 '
        assert_contains "$(ask ::1)" 'lo6 '
        assert_eq "$(ask_in in_lan $v4)" "at4 $lan4"
        assert_eq "$(ask_in in_lan $v6)" "at6 $lan6"
    done
    assert_contains "$(in_network_of lo4 peer ask tcp $v6 8080)" 'at6 '
    netctr rm -f at6
    # If the address' own container has gone, no other one takes its place.
    assert_silent peer ask tcp $v6 8080
    assert_silent in_lan peer ask tcp $v6 8080 0 0.3
    assert_silent in_lan peer ask udp $v6 5353 0 0.3
}
t '-p ADDRESS:…: each address has its own container' host_addresses

ephemeral() {
    serve_peer web -p 80 -p 53/udp -p 127.0.0.1::81
    netctr port web
    local tcp udp lo address
    tcp=$(netctr port web 80 | head -1 | sed 's/.*://')
    udp=$(netctr port web 53/udp | head -1 | sed 's/.*://')
    lo=$(netctr port web 81/tcp)
    assert_contains "$lo" 127.0.0.1:
    for address in $v4 $v6; do
        assert_eq "$(in_lan peer ask tcp $address "$tcp")" "web $(lan_of $address)"
        assert_eq "$(in_lan peer ask udp $address "$udp")" "web $(lan_of $address)"
    done
    assert_contains "$(peer ask tcp ::1 "$tcp")" 'web '
    assert_contains "$(peer ask tcp 127.0.0.1 "${lo##*:}")" 'web '
    assert_silent in_lan peer ask tcp $v4 "${lo##*:}" 0 0.3
    assert_fails netctr port web 82
}
t 'ephemeral ports, as printed by `netctr port`' ephemeral

ipv6_address_only() {
    serve_peer web -p '[::]:8080:80' -p '[::]:5353:53/udp'
    assert_eq "$(in_lan peer ask tcp $v6 8080)" "web $lan6"
    assert_eq "$(in_lan peer ask udp $v6 5353)" "web $lan6"
    assert_contains "$(peer ask tcp $v6 8080)" 'web '
    assert_contains "$(peer ask tcp ::1 8080)" 'web '
    assert_silent in_lan peer ask tcp $v4 8080 0 0.3
    assert_silent in_lan peer ask udp $v4 5353 0 0.3
    assert_silent peer ask tcp 127.0.0.1 8080
    # The same number of IPv4 belongs to another program.
    serve_peer other -p 0.0.0.0:8081:80 -p $v4:8080:80
    assert_contains "$(in_lan peer ask tcp $v4 8080)" 'other '
    assert_contains "$(in_lan peer ask tcp $v6 8080)" 'web '
}
t '[::]:8080:80 is IPv6 only' ipv6_address_only

ipv4_only() {
    ipv4_only_network four 4
    assert_fails netctr run --rm --network four -p '[::]:8080:80' "$box" true 2>"$tmp/err"
    cat "$tmp/err"
    assert_contains "$(cat "$tmp/err")" '[::]:8080'
    assert_contains "$(cat "$tmp/err")" 'network `four` has no IPv6'
    assert_fails netctr run --rm --network four -p "[$v6]:8080:80" "$box" true
    # [::1] is proxied, to whatever address there is.
    serve_peer lo6 --network four -p '[::1]:8081:80' -p '[::1]:5354:53/udp'
    assert_contains "$(peer ask tcp ::1 8081)" 'lo6 '
    assert_contains "$(peer ask udp ::1 5354)" 'lo6 '
    assert_silent peer ask tcp 127.0.0.1 8081
    netctr rm -f lo6
    # A port without a host address works if there is an address to reach.
    serve_peer web --network four -p 8080:80 -p 5353:53/udp
    assert_eq "$(in_lan peer ask tcp $v4 8080)" "web $lan4"
    assert_contains "$(peer ask tcp 127.0.0.1 8080)" 'web '
    assert_contains "$(peer ask udp 127.0.0.1 5353)" 'web '
    # Most programs resolve localhost to ::1 first; the error above promises it.
    assert_contains "$(peer ask tcp ::1 8080)" 'web '
    assert_silent in_lan peer ask tcp $v6 8080 0 0.3
    # No IPv6 address inside, not even link-local (CVE-2024-32473).
    assert_eq "$(in_network_of web ip -6 address show dev eth0)" '' 'IPv6 addresses'
}
t 'a network without IPv6: [::]:8080:80 is an error, 8080:80 works' ipv4_only

# ---- 2. no other way in --------------------------------------------------------------------------

directly() {
    serve_peer web -p 8080:80 -p 5353:53/udp
    local a4 a6 address before
    a4=$(address_of web) a6=$(address_of web -6)
    ask_all() { # assert_silent|"" - all of it at the container's own address
        for address in "$a4" "$a6"; do
            $1 in_lan peer ask tcp "$address" 80 0 0.3
            $1 in_lan peer ask tcp "$address" 8080 0 0.3 || [ -z "$1" ]
            $1 in_lan peer ask udp "$address" 53 0 0.3
        done
    }
    in_lan ip route replace "$a4" via $v4
    in_lan ip -6 route replace "$a6" via $v6
    before=$(dropped forward 'not published')
    ask_all assert_silent
    [ "$(dropped forward 'not published')" -ge $((before + 6)) ] || fail 'not by our rule'
    assert_fails in_lan ping -c 1 -W 0.3 "$a4"
    assert_fails in_lan ping -c 1 -W 0.3 "$a6"
    open_up forward
    assert_eq "$(in_lan peer ask tcp "$a4" 80)" "web $lan4"
    assert_eq "$(in_lan peer ask tcp "$a6" 80)" "web $lan6"
    assert_eq "$(in_lan peer ask udp "$a4" 53)" "web $lan4"
    assert_eq "$(in_lan peer ask udp "$a6" 53)" "web $lan6"
    shut
    ask_all assert_silent
    assert_eq "$(in_lan peer ask tcp $v4 8080)" "web $lan4"
}
# moby #45610, #50506
t "the container's own address, from the LAN, though its port is published" directly

# What the LAN's host sends to this one.
from_wire() { # KIND KEY=VALUE...
    local mac
    mac=$(in_lan ip -oneline link show dev eth0 | grep -o 'link/ether [^ ]*' | cut -d' ' -f2)
    in_lan peer forge eth0 "$1" smac="$mac" dmac="$(cat /sys/class/net/eth0/address)" "${@:2}"
}
# A host that accepts anything from outside.
credulous_host() {
    sysctl -qw net.ipv4.conf.eth0.route_localnet=1 net.ipv4.conf.eth0.rp_filter=0 \
        net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.accept_local=1
}
cautious_host() {
    sysctl -qw net.ipv4.conf.eth0.route_localnet=0 net.ipv4.conf.eth0.accept_local=0
}

loopback_from_the_wire() {
    serve_peer web -p 127.0.0.1:8080:80 -p 127.0.0.1:5353:53/udp
    serve_peer open -p 5354:54/udp
    assert_contains "$(peer ask udp 127.0.0.1 5353)" 'web ' # the port is open
    assert_silent in_lan peer ask tcp $v4 8080 0 0.3
    assert_silent in_lan peer ask udp $v4 5353 0 0.3
    assert_silent peer ask udp ::1 5353
    credulous_host
    attack() { # forged packets that contain which they are
        from_wire udp src=$lan4 dst=127.0.0.1 dport=5353 text=to-loopback
        from_wire udp src=127.0.0.1 dst=127.0.0.1 dport=5353 text=loopback-to-loopback
        from_wire udp src=127.0.0.1 dst=$v4 dport=5354 text=from-loopback
        from_wire udp src=$lan4 dst=$v4 dport=5354 text=honest
    }
    local before
    before=$(dropped martians 'loopback is never on a wire')
    attack
    wait_for 2 logged open honest
    assert_lacks "$(netctr logs web)" loopback
    assert_lacks "$(netctr logs open)" loopback
    assert_eq "$(dropped martians 'loopback is never on a wire')" $((before + 3)) dropped
    # The positive control: without those rules they arrive.
    open_up martians
    attack
    wait_for 2 logged web ' to-loopback'
    wait_for 2 logged web ' loopback-to-loopback'
    wait_for 2 logged open ' from-loopback'
    shut
    cautious_host
}
# kubernetes #92315, moby #41872
t '127.0.0.1 from outside, also from a forged 127.0.0.1, on a host that would accept it' loopback_from_the_wire

loopback6_from_the_wire() {
    serve_peer web -p '[::1]:8080:80' -p '[::1]:5353:53/udp'
    assert_contains "$(peer ask tcp ::1 8080)" 'web '
    assert_contains "$(peer ask udp ::1 5353)" 'web '
    local address
    for address in $v4 $v6; do
        assert_silent peer ask tcp $address 8080
        assert_silent in_lan peer ask tcp $address 8080 0 0.3
        assert_silent in_lan peer ask udp $address 5353 0 0.3
    done
    assert_silent peer ask tcp 127.0.0.1 8080
    netctr logs web >"$tmp/before"
    from_wire udp src=$lan6 dst=::1 dport=5353
    from_wire udp src=::1 dst=::1 dport=5353
    from_wire udp src=::1 dst=$v6 dport=5353
    sleep 0.2
    assert_eq "$(netctr logs web)" "$(cat "$tmp/before")" log
    # Nor from a container.
    serve_peer other
    assert_silent in_network_of other peer ask tcp "$(ip -6 -oneline address show dev nc-default scope global |
        awk '{ sub("/.*", "", $4); print $4 }')" 8080 0 0.3
}
t '[::1] from outside' loopback6_from_the_wire

other_resolver() {
    # CVE-2025-67499
    serve_peer dns -p 53:53/udp -p 53:80/tcp
    serve_peer c
    in_lan peer serve lan tcp/53 udp/53 >"$tmp/lan" &
    wait_for 3 grep -q listening "$tmp/lan"
    assert_eq "$(in_network_of c peer ask udp $lan4 53)" "lan $v4"
    assert_eq "$(in_network_of c peer ask udp $lan6 53)" "lan $v6"
    assert_eq "$(in_network_of c peer ask tcp $lan4 53)" "lan $v4"
    assert_eq "$(in_network_of c peer ask tcp $lan6 53)" "lan $v6"
    # Neither the publisher's own queries, nor the host's.
    assert_eq "$(in_network_of dns peer ask udp $lan4 53)" "lan $v4"
    assert_eq "$(peer ask udp $lan4 53)" "lan $v4"
    assert_eq "$(peer ask tcp $lan6 53)" "lan $v6"
    # Queries to this host go to the publisher.
    assert_contains "$(in_network_of c peer ask udp $v4 53)" 'dns '
    assert_contains "$(in_lan peer ask udp $v6 53)" 'dns '
}
# plugins #1209, #1210
t 'an external resolver is reached though a container publishes port 53' other_resolver

outsiders() {
    serve_peer web -p 5353:53/udp
    netctr run -d --name c "$box" sleep 100 >/dev/null
    local a4 a6 before
    a4=$(address_of c) a6=$(address_of c -6)
    credulous_host
    attack() {
        from_wire udp src="$a4" dst=$v4 dport=5353 text=spoofed4
        from_wire udp src="${a4%.*}.250" dst=$v4 dport=5353 text=spoofed-free4
        from_wire udp src="$a6" dst=$v6 dport=5353 text=spoofed6
        from_wire udp src="$a4" dst="$(address_of web)" dport=53 text=spoofed-direct4
        from_wire udp src="$a6" dst="$(address_of web -6)" dport=53 text=spoofed-direct6
        from_wire udp src=$lan4 dst=$v4 dport=5353 text=honest4
        from_wire udp src=$lan6 dst=$v6 dport=5353 text=honest6
    }
    before=$(dropped martians "container address from outside")
    attack
    wait_for 2 logged web honest4
    wait_for 2 logged web honest6
    assert_lacks "$(netctr logs web)" spoofed
    assert_eq "$(dropped martians "container address from outside")" $((before + 5)) dropped
    open_up martians
    attack
    wait_for 2 logged web spoofed4
    wait_for 2 logged web spoofed6
    shut
    cautious_host
}
t "a host of the LAN with a container's address" outsiders

# ---- 3. what a container gets --------------------------------------------------------------------

upstream_resolvers() {
    mkdir -p /run/systemd/resolve
    # On a network without netctr's name server.
    mkdir -p "$state/networks"
    echo '{"schema": 1, "name": "plain", "bridge": "nc-plain", "subnet": "10.78.0.0/24", "gateway": "10.78.0.1",
        "subnet6": "fd78::/64", "gateway6": "fd78::1", "dns": false}' >"$state/networks/plain.json"
    printf 'nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch example.org\n' >"$tmp/stub"
    printf 'nameserver 192.0.2.53\nnameserver 2001:db8::53\nsearch example.org\n' >/run/systemd/resolve/resolv.conf
    [ -e /etc/resolv.conf ] || skip 'this machine has no /etc/resolv.conf to stand over'
    mount --bind "$tmp/stub" "$(realpath /etc/resolv.conf)"
    netctr run --rm --network plain "$box" cat /etc/resolv.conf >"$tmp/seen"
    assert_lacks "$(cat "$tmp/seen")" 127.0.0.53
    assert_contains "$(cat "$tmp/seen")" 'nameserver 192.0.2.53'
    assert_contains "$(cat "$tmp/seen")" 'nameserver 2001:db8::53'
    # A resolver that a container can reach stays (the positive control), beside one that it cannot.
    printf 'nameserver 127.0.0.1\nnameserver 192.0.2.54\n' >"$tmp/stub"
    assert_eq "$(netctr run --rm --network plain "$box" cat /etc/resolv.conf | grep nameserver)" 'nameserver 192.0.2.54'
    # On the host's network 127.0.0.53 is the right one.
    printf 'nameserver 127.0.0.53\n' >"$tmp/stub"
    assert_contains "$(netctr run --rm --network host "$box" cat /etc/resolv.conf)" 127.0.0.53
    # None is reachable: 127.0.0.53 is left out as well.
    rm /run/systemd/resolve/resolv.conf
    assert_lacks "$(netctr run --rm --network plain "$box" cat /etc/resolv.conf)" 127.0.0.53
    umount "$(realpath /etc/resolv.conf)"
}
t "127.0.0.53 is not passed on, the host's real resolvers are" upstream_resolvers

nothing_to_run() {
    assert_status 125 netctr run -p 8080:80 "$box" >"$tmp/out" 2>"$tmp/err"
    cat "$tmp/err"
    assert_contains "$(cat "$tmp/err")" 'COMMAND is missing'
    assert_contains "$(cat "$tmp/err")" "netctr run $box COMMAND"
    assert_eq "$(names -a)" '' containers
    # The suggested command works.
    assert_eq "$(netctr run --rm "$box" echo works)" works
}
t 'ROOTFS without COMMAND: an error that says what to type' nothing_to_run

limit_of_files() {
    # The monitor holds two sockets a port and raises its own limit for that; the program gets the caller's.
    ulimit -Sn 256
    netctr run -d --name many -p 20000-20299:1-300 "$box" sh -c 'ulimit -Sn; exec sleep 100' >/dev/null
    wait_for 2 sh -c "netctr logs many | grep -q ."
    assert_eq "$(netctr logs many)" 256
    assert_eq "$(netctr port many | wc -l)" 600
}
t "three hundred ports: the program keeps the caller's limit of open files" limit_of_files
