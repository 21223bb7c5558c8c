#!/usr/bin/env bash
# A published port, from everywhere: this host, the LAN, another container, the container itself.
needs=nginx
. "$(dirname "$0")/../lib.sh"

said_by() { # whether the log has it
    netctr logs "$1" 2>&1 | has -F -- "$2"
}

nginx_from_everywhere() {
    serve_nginx web --publish 8080:80
    http http://127.0.0.1:8080/ | has 'It works'
    http http://192.0.2.2:8080/ | has 'It works'
    in_lan curl -sf --max-time 2 http://192.0.2.2:8080/ | has 'It works'
    # nginx sees the client, not a gateway.
    wait_for 5 said_by web '192.0.2.9 - - '
}
t 'nginx: 127.0.0.1, the address of the host, the LAN (which it sees as itself)' nginx_from_everywhere

as_written() {
    # The command of the README: attached, nothing but --publish.
    netctr run --publish 8080:80 "$debian" nginx >"$tmp/out" 2>&1 &
    local pid=$!
    wait_for 5 http -o /dev/null http://127.0.0.1:8080/
    wait_for 5 grep -q 'GET / HTTP' "$tmp/out"
    kill -TERM $pid
    wait $pid
    assert_fails http http://127.0.0.1:8080/
}
t 'netctr run --publish 8080:80 rootfs nginx' as_written

ipv6() {
    serve web --publish 8080:80
    [ -n "$(address_of web -6)" ] || skip 'the default network has no IPv6'
    in_lan curl -sf --max-time 2 'http://[2001:db8::2]:8080/' | has -x web
    http 'http://[2001:db8::2]:8080/' | has -x web
}
t 'IPv6: the LAN, the address of the host' ipv6

own_address_of_the_host_side() {
    serve a --publish 8080:80
    serve b
    # Another container and itself (hairpin), by the host's address and by the gateway's.
    http_from b http://192.0.2.2:8080/ | has -x a
    http_from a http://192.0.2.2:8080/ | has -x a
    http_from b "http://$(netctr exec b ip route | awk '/^default/ { print $3 }'):8080/" | has -x a
    # And directly, since they share a network.
    http_from b "http://$(address_of a)/" | has -x a
}
# moby #13162, kube-router #151
t 'container to container: directly, by the published port, and to itself' own_address_of_the_host_side

several_ports() {
    serve web -p 8080:80 -p 8081:80 -p 127.0.0.1:8082:80/tcp
    local port
    for port in 8080 8081 8082; do http http://127.0.0.1:$port/ | has -x web; done
}
t '-p may be given several times' several_ports

host_chooses_the_port() {
    serve web -p 80
    local port
    port=$(netctr inspect web | grep -oE '0:[0-9]+->80/tcp' | grep -oE ':[0-9]+' | tr -d :)
    [ "$port" -ge 1024 ]
    http "http://192.0.2.2:$port/" | has -x web
    assert_contains "$(netctr ps)" "$port"
}
t '-p PORT: the host port is chosen' host_chooses_the_port

one_address() {
    serve at-host -p 192.0.2.2:8080:80
    serve at-loopback -p 127.0.0.1:8080:80
    http http://192.0.2.2:8080/ | has -x at-host
    http http://127.0.0.1:8080/ | has -x at-loopback
    in_lan curl -sf --max-time 2 http://192.0.2.2:8080/ | has -x at-host
    netctr rm -f at-host
    assert_fails in_lan curl -sf --max-time 1 http://192.0.2.2:8080/
    assert_fails http http://192.0.2.2:8080/
}
t '-p HOSTIP:HOSTPORT:PORT: at this address only' one_address

loopback_is_not_on_the_wire() {
    serve web -p 127.0.0.1:8080:80
    # A neighbour that sends packets for 127.0.0.1, to a host that is willing to accept them (CVE-2020-8558).
    sysctl -qw net.ipv4.conf.eth0.route_localnet=1 net.ipv4.conf.eth0.rp_filter=0 net.ipv4.conf.all.rp_filter=0
    in_lan sh -c 'sysctl -qw net.ipv4.conf.eth0.route_localnet=1
        ip route del local 127.0.0.1 table local
        ip route del local 127.0.0.0/8 table local
        ip route add 127.0.0.1/32 via 192.0.2.2 src 192.0.2.9'
    # A tracked packet has reached the container; the reply need not find its way back to the attacker.
    attack() {
        in_lan curl -s -o /dev/null --max-time 0.5 http://127.0.0.1:8080/ || true
        conntrack -L -p tcp --orig-src 192.0.2.9 --orig-dst 127.0.0.1 2>/dev/null | has SYN_RECV
    }
    assert_fails attack
    # The positive control: without those rules the attack reaches the container.
    nft insert rule inet netctr martians accept
    attack
    netctr network reload
    in_lan ip route del 127.0.0.1/32
    in_lan ip address del 127.0.0.1/8 dev lo
    in_lan ip address add 127.0.0.1/8 dev lo
    sysctl -qw net.ipv4.conf.eth0.route_localnet=0
}
# kubernetes #92315, moby #41872
t 'a port on 127.0.0.1 cannot be reached from outside' loopback_is_not_on_the_wire

unpublished_is_unreachable() {
    serve web --publish 8080:80
    serve secret
    local address published
    address=$(address_of secret)
    published=$(address_of web)
    assert_fails in_lan curl -sf --max-time 1 http://192.0.2.2:80/
    # The LAN has a route to the containers; not even the published port answers there.
    assert_fails in_lan curl -sf --max-time 1 "http://$address/"
    assert_fails in_lan curl -sf --max-time 1 "http://$published/"
    assert_fails in_lan ping -c 1 -W 1 "$address"
    # The host itself may.
    http "http://$address/" | has -x secret
    # The positive control: the firewall refused it.
    nft insert rule inet netctr forward iifname eth0 accept
    in_lan curl -sf --max-time 2 "http://$address/" | has -x secret
    nft delete rule inet netctr forward handle \
        "$(nft -a list chain inet netctr forward | awk '/iifname "eth0" accept/ { print $NF }')"
    assert_fails in_lan curl -sf --max-time 1 "http://$address/"
}
t 'what is not published is unreachable from the LAN' unpublished_is_unreachable

way_out() {
    netctr run -d --name c "$box" sleep 100 >/dev/null
    in_lan socat TCP-LISTEN:7000,fork,reuseaddr SYSTEM:'echo $SOCAT_PEERADDR' &
    wait_for 5 in_lan sh -c 'ss -Hltn | grep -q :7000'
    # The LAN could answer the container's own address too, as it has a route: it is masqueraded.
    assert_eq "$(netctr exec c sh -c 'nc -w 2 192.0.2.9 7000 </dev/null')" 192.0.2.2
    netctr exec c ping -c 1 -W 1 192.0.2.9
}
t "out to the LAN, with the host's address" way_out

udp() {
    netctr run -d --name c -p 5353:53/udp "$box" sleep 100 >/dev/null
    in_network_of c socat UDP-LISTEN:53,fork,reuseaddr SYSTEM:'read line; echo $line $SOCAT_PEERADDR' &
    wait_for 5 in_network_of c sh -c 'ss -Hlun | grep -q :53'
    assert_eq "$(echo hello | in_lan socat -t 1 - UDP:192.0.2.2:5353)" 'hello 192.0.2.9'
    assert_contains "$(echo hello | socat -t 1 - UDP:127.0.0.1:5353)" hello
    assert_contains "$(echo hello | socat -t 1 - UDP:192.0.2.2:5353)" hello
    # TCP of the same number was not published.
    assert_fails in_lan socat -u OPEN:/dev/null TCP:192.0.2.2:5353,connect-timeout=1
}
t 'UDP' udp

sctp() {
    rm -f "$tmp/host"
    peer serve host sctp/5000 >"$tmp/host" 2>&1 &
    wait_for 2 grep -q . "$tmp/host"
    grep -q listening "$tmp/host" || skip 'this kernel has no SCTP'
    kill $!
    serves='sctp/80' serve_peer c -p 8080:80/sctp
    # The same number of another protocol is free.
    serve web -p 8080:80
    assert_eq "$(in_lan peer ask sctp 192.0.2.2 8080)" 'c 192.0.2.9'
    assert_eq "$(in_lan peer ask sctp 2001:db8::2 8080)" 'c 2001:db8::9'
    assert_contains "$(peer ask sctp 192.0.2.2 8080)" 'c '
    assert_contains "$(peer ask sctp 127.0.0.1 8080)" 'c '
    http http://192.0.2.2:8080/ | has -x web
    netctr inspect c | has '0.0.0.0:8080->80/sctp'
    assert_fails netctr run -d --name other -p 8080:80/sctp "$box" sleep 100
    netctr rm -f c
    assert_silent in_lan peer ask sctp 192.0.2.2 8080
}
t 'SCTP' sctp

udp_that_was_there_before() {
    # A client that never pauses: its conntrack entry is older than the published port.
    warm_up
    in_lan peer hammer udp 192.0.2.2 5353 $((5 * slowness)) >"$tmp/lan4" 2>&1 &
    local pids=($!) n
    in_lan peer hammer udp 2001:db8::2 5353 $((5 * slowness)) >"$tmp/lan6" 2>&1 &
    pids+=($!)
    peer hammer udp 127.0.0.1 5353 $((5 * slowness)) >"$tmp/loopback" 2>&1 &
    pids+=($!)
    tracked() { conntrack -L -p udp --orig-port-dst 5353 2>/dev/null | has 'src=192.0.2.9'; }
    wait_for 3 tracked
    sleep 0.2
    serve_peer c -p 5353:53/udp
    for n in "${pids[@]}"; do wait "$n"; done
    for n in lan4 lan6 loopback; do grep -q ' c ' "$tmp/$n"; done
}
# moby #8795, #44742, #53384
t 'UDP: a client that was sending already reaches the container' udp_that_was_there_before

udp_on_its_way() {
    # The entry of a packet that passed the rules just before the port was published: this timing cannot be forced, so
    # the entry is made by hand.
    serve_peer c
    netctr publish c 5353:53/udp
    conntrack -I -p udp -t 100 -s 192.0.2.9 -d 192.0.2.2 --sport 21000 --dport 5353 \
        -r 192.0.2.2 -q 192.0.2.9 --reply-port-src 5353 --reply-port-dst 21000
    gone() { [ -z "$(conntrack -L -p udp --orig-port-src 21000 2>/dev/null)" ]; }
    wait_for 5 gone
    assert_eq "$(in_lan peer ask udp 192.0.2.2 5353 21000)" 'c 192.0.2.9'
    # Other ports are published, the firewall is rebuilt: the client of c goes on.
    local before
    before=$(conntrack -L -o id -p udp --orig-port-src 21000 2>/dev/null | grep -o 'id=.*')
    serve_peer d -p 5454:53/udp
    netctr publish c 5355:53/udp
    netctr network reload
    assert_eq "$(conntrack -L -o id -p udp --orig-port-src 21000 2>/dev/null | grep -o 'id=.*')" "$before" 'flow'
}
t 'UDP: a packet that passed just before the port was published leaves no wrong flow' udp_on_its_way

udp_entries() { # of the port 5353, that lead to a container
    { conntrack -L -p udp --orig-port-dst 5353; conntrack -L -f ipv6 -p udp --orig-port-dst 5353; } 2>/dev/null |
        grep -E 'src=(10\.88|fd)' || true
}

udp_after_the_end() {
    # The client goes on from the same port: nothing leads it to the ended container.
    serve_peer c -p 5353:53/udp
    serve_peer bystander -p 5454:53/udp
    assert_eq "$(in_lan peer ask udp 192.0.2.2 5353 21000)" 'c 192.0.2.9'
    assert_eq "$(in_lan peer ask udp 2001:db8::2 5353 21000)" 'c 2001:db8::9'
    assert_eq "$(in_lan peer ask udp 192.0.2.2 5454 21000)" 'bystander 192.0.2.9'
    [ -n "$(udp_entries)" ] # the positive control
    netctr rm -f c
    assert_eq "$(udp_entries)" '' 'connection tracking'
    # Entries of other ports stay.
    conntrack -L -p udp --orig-port-dst 5454 2>/dev/null | has src=192.0.2.9
    # A program of the host that takes the port receives what the client sends.
    rm -f "$tmp/host"
    peer serve host udp/5353 >"$tmp/host" &
    local host=$!
    wait_for 2 grep -q listening "$tmp/host"
    assert_eq "$(in_lan peer ask udp 192.0.2.2 5353 21000)" 'host 192.0.2.9'
    assert_eq "$(in_lan peer ask udp 2001:db8::2 5353 21000)" 'host 2001:db8::9'
    kill $host
    wait $host || true # the next test publishes the port
}
t 'UDP: after the end no entry leads to the container' udp_after_the_end

udp_that_is_unpublished() {
    # A client that never pauses gets replies until then, and no longer; others still do.
    serve_peer c -p 5353:53/udp -p 5454:54/udp
    local way
    for way in 'in_lan peer ask udp 192.0.2.2 5353 21000' 'in_lan peer ask udp 2001:db8::2 5353 21000' \
        'peer ask udp 192.0.2.2 5353 21001' 'peer ask udp 127.0.0.1 5353 21002' 'peer ask udp ::1 5353 21003'; do
        $way | has '^c '
    done
    assert_eq "$(in_lan peer ask udp 192.0.2.2 5454 21000)" 'c 192.0.2.9'
    [ -n "$(udp_entries)" ] # the positive control
    netctr unpublish c 5353/udp
    assert_eq "$(udp_entries)" '' 'connection tracking'
    for way in 'in_lan peer ask udp 192.0.2.2 5353 21000 0.3' 'in_lan peer ask udp 2001:db8::2 5353 21000 0.3' \
        'peer ask udp 192.0.2.2 5353 21001 0.3' 'peer ask udp 127.0.0.1 5353 21002 0.3' 'peer ask udp ::1 5353 21003 0.3'; do
        # shellcheck disable=SC2086 # several words
        assert_silent $way
    done
    conntrack -L -p udp --orig-port-dst 5454 2>/dev/null | has src=192.0.2.9
    assert_eq "$(in_lan peer ask udp 192.0.2.2 5454 21000)" 'c 192.0.2.9'
    netctr publish c 5353:53/udp
    assert_eq "$(in_lan peer ask udp 192.0.2.2 5353 21000)" 'c 192.0.2.9'
}
t 'UDP: unpublish ends its flows at once' udp_that_is_unpublished

again_and_again() {
    # The same ports many times in a row, the same clients from the same ports: each container replies at once, and
    # never an earlier one.
    local n ways=('in_lan peer ask udp 192.0.2.2 5353 21000' 'in_lan peer ask udp 2001:db8::2 5353 21000'
        'peer ask udp 127.0.0.1 5353 21001' 'peer ask udp ::1 5353 21002'
        'in_lan peer ask tcp 192.0.2.2 8080' 'in_lan peer ask tcp 2001:db8::2 8080'
        'peer ask tcp 127.0.0.1 8080' 'peer ask tcp ::1 8080') way
    for n in $(seq "$(often 20)"); do
        serve_peer "web$n" -p 8080:80 -p 5353:53/udp
        # Each round starts with another way.
        for way in "${ways[@]:n % 8}" "${ways[@]:0:n % 8}"; do
            assert_eq "$($way | cut -d' ' -f1)" "web$n" "round $n, $way"
        done
        case $((n % 3)) in
        0) netctr rm -f "web$n" ;;
        1) netctr stop -t 0 "web$n" ;;
        2) kill -KILL "$(pid_of "web$n")" && wait_for 2 status_is "web$n" exited ;;
        esac
    done
}
t 'many containers in a row on the same ports, each replies at once' again_and_again

# Holds so many connections to [::1]:8080 as that user, and prints when it has them.
hold() { # UID COUNT
    exec setpriv --reuid "$1" --regid "$1" --clear-groups /usr/bin/python3 -ISc "
import resource, signal, socket
resource.setrlimit(resource.RLIMIT_NOFILE, ($2 + 100, $2 + 100))
held = []
for n in range($2):
    try:
        held.append(socket.create_connection(('::1', 8080)))
        if n % 2: held[-1].send(b'G')  # half of them send a little
    except OSError: pass  # this one was replaced
print('held', flush=True)
signal.pause()"
}
# A client from before all of them sends the rest of its request.
finish() {
    local page
    printf '\r\n' >&"${half[1]}"
    page=$(timeout $((20 * slowness)) cat <&"${half[0]}")
    assert_contains "$page" 'web'
}

crowded() {
    (ulimit -n 8192) 2>/dev/null || skip 'few descriptors are allowed'
    serve web --publish 8080:80
    coproc half { exec setpriv --reuid 1 --regid 1 --clear-groups socat - TCP6:[::1]:8080; }
    printf 'GET / HTTP/1.0\r\n' >&"${half[1]}"
    wait_for 2 eval 'ss -Htn state established "dport = :8080" | has .'
    local n
    for n in 1 2; do # nor two of them
        hold $((65535 - n)) 1100 >"$tmp/held$n" &
        wait_for 10 grep -q held "$tmp/held$n"
        # One process of httpd for each connection: if that takes long, these wait behind the others.
        http --max-time $((20 * slowness)) 'http://[::1]:8080/' | has -x web
        setpriv --reuid 2 --regid 2 --clear-groups \
            curl -sSf --noproxy '*' --max-time $((20 * slowness)) 'http://[::1]:8080/' | has -x web
    done
    finish
    assert_contains "$(netctr logs web 2>&1)" 'all connections to [::1] through published ports are in use, '
    assert_contains "$(netctr logs web 2>&1)" 'of them by user 65534;'
    assert_eq "$(netctr logs web 2>&1 | grep -c 'through published ports are in use')" 1
}
t 'a user with all connections to [::1] does not block others' crowded

port_is_really_held() {
    serve web --publish 8080:80
    assert_fails socat -u TCP-LISTEN:8080 OPEN:/dev/null
    assert_fails netctr run -d --name other --publish 8080:80 "$box" sleep 100
    assert_fails netctr run -d --name other --publish 127.0.0.1:8080:80 "$box" sleep 100
    netctr rm -f web
    # It is free again at once, for both.
    timeout $((5 * slowness)) socat -u OPEN:/dev/null TCP-LISTEN:8080,reuseaddr &
    wait_for 2 sh -c 'ss -Hltn | grep -q :8080'
    wait_for 2 socat -u TCP:127.0.0.1:8080 OPEN:/dev/null # elements take 12 ms to expire
    wait
    serve web --publish 8080:80
    http http://127.0.0.1:8080/ | has -x web
}
t 'a published port is held as long as its container runs' port_is_really_held

gone_with_its_container() {
    serve web --publish 8080:80
    netctr stop -t 0 web
    assert_fails http http://127.0.0.1:8080/
    assert_fails in_lan curl -sf --max-time 1 http://192.0.2.2:8080/
    assert_lacks "$(nft list table inet netctr)" 8080
}
t 'a port is unpublished when its container ends' gone_with_its_container

next_holder_of_an_address() {
    # The same port again and again, each time another container behind it.
    local n
    for n in 1 2 3 4 5; do
        serve "web$n" --publish 8080:80
        http http://192.0.2.2:8080/ | has -x "web$n"
        in_lan curl -sf --max-time 2 http://192.0.2.2:8080/ | has -x "web$n"
        netctr rm -f "web$n"
    done
}
t 'the next container behind a port is reached at once' next_holder_of_an_address

nothing_to_publish() {
    # A request that no command sends must not end the monitor, and the container with it.
    serve web -p 8080:80
    (
        cd "$run_state/containers/web" || exit
        python3 - <<-'PY'
	import socket, struct
	for request in b'{"do":"publish"}', b'{"do":"publish","words":[]}', b'{"do":"publish","words":[1]}':
	    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
	    s.settimeout(5)
	    s.connect("control")
	    s.send(struct.pack("<IiiI", 8, 0, 0, len(request) + 1) + request + b"\0")
	    print(s.recv(4096))
	PY
    )
    assert_eq "$(http http://192.0.2.2:8080/)" web
    assert_eq "$(state_of web status)" running
}
t 'a request to publish no port at all' nothing_to_publish
