#!/usr/bin/env bash
# netctr doctor and the host's network: each fault is created, reported, fixed as doctor says, and gone.
. "$(dirname "$0")/../lib.sh"
refusing_resolver

reaches_out() { netctr exec c ping -c 1 -W 1 192.0.2.9 >/dev/null; }

# ---- sysctls, routes -----------------------------------------------------------------------------

ipv6_key=net.ipv6.conf.all.forwarding
[ ! -e /proc/sys/net/ipv6/conf/lo/force_forwarding ] || ipv6_key='net.ipv6.conf.*.force_forwarding'
forwarding() {
    netctr run -d --name c "$box" sleep 100 >/dev/null
    echo 0 >/proc/sys/net/ipv4/ip_forward
    assert_fails in_network_of c ping -c 1 -W 0.3 192.0.2.9
    finds problem 'this host does not forward (net.ipv4.ip_forward is 0'
    cured
    reaches_out
    # Since Linux 6.17 links forward individually, and this clears them all.
    echo 0 >/proc/sys/net/ipv6/conf/all/forwarding
    assert_fails in_network_of c ping -c 1 -W 0.3 2001:db8::9
    finds problem "this host does not forward ($ipv6_key is 0"
    cured
    wait_for 10 netctr exec c ping -c 2 -W 1 2001:db8::9
    if [ -e /proc/sys/net/ipv6/conf/eth0/force_forwarding ]; then
        echo 0 >/proc/sys/net/ipv6/conf/eth0/force_forwarding
        finds problem 'IPv6 packets that arrive on `eth0` are not forwarded'
        assert_fails in_network_of c ping -c 1 -W 0.3 2001:db8::9
        cured
        wait_for 10 netctr exec c ping -c 2 -W 1 2001:db8::9
    fi
    echo 0 >/proc/sys/net/ipv4/conf/eth0/forwarding
    assert_fails in_network_of c ping -c 1 -W 0.3 192.0.2.9
    finds problem 'packets that arrive on `eth0` are not forwarded'
    cured
    reaches_out
}
t 'forwarding that was disabled' forwarding

reverse_path() {
    serve_peer web -p 8080:80
    echo 1 >/proc/sys/net/ipv4/conf/eth0/rp_filter
    finds_none rp_filter # one way out: no problem
    ip link add up1 type veth peer name up2 netns lan
    ip address add 198.51.100.2/24 dev up1
    ip link set up1 up
    in_lan ip address add 198.51.100.9/24 dev up2
    in_lan ip address add 203.0.113.9/32 dev lo
    in_lan ip link set up2 up
    echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter
    echo 1 >/proc/sys/net/ipv4/conf/up1/rp_filter
    # From a distant address, in by the second link; the reply would leave by the first.
    from_afar() {
        { in_lan curl -s --http0.9 --max-time 0.5 --interface 203.0.113.9 http://198.51.100.2:8080 || true; } | has 'web '
    }
    ip route add default via 198.51.100.9 dev up1 metric 500
    assert_fails from_afar
    finds warning '`up1` drops packets whose replies would leave by another link (rp_filter is 1), and 2 links have a default route'
    cured
    wait_for 5 from_afar
    finds warning '`eth0` drops packets whose replies would leave by another link (rp_filter is 1), and 2 links have a default route'
    cured
    in_lan ip address del 203.0.113.9/32 dev lo
    ip link del up1
}
t 'strict rp_filter with two ways out' reverse_path

advertisements() {
    warm_up
    finds_none 'router advertisements'
    ip -6 route del default
    echo 1 >/proc/sys/net/ipv6/conf/all/forwarding # as another program may have set it
    echo 1 >/proc/sys/net/ipv6/conf/eth0/accept_ra
    local router mac
    router=$(in_lan ip -6 -oneline address show dev eth0 scope link | awk '{ sub("/.*", "", $4); print $4 }')
    mac=$(in_lan cat /sys/class/net/eth0/address)
    advertised() {
        in_lan peer forge eth0 ra smac="$mac" dmac=33:33:00:00:00:01 src="$router" dst=ff02::1 lladdr="$mac" prefix=2001:db8:77::
        sleep 0.1
        ping -c 1 -W 0.5 2001:db8::9 >/dev/null && ip -6 route show default | has 'proto ra'
    }
    assert_fails advertised
    finds warning '`eth0` ignores router advertisements'
    cured
    wait_for 5 advertised
    ip -6 route del default
    ip -6 address flush dev eth0 dynamic
    echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_ra
    echo 0 >/proc/sys/net/ipv6/conf/all/forwarding
    ip -6 route add default via 2001:db8::9
}
t 'router advertisements that are no longer received' advertisements

subnets() {
    netctr run -d --name c --ip 10.88.3.7 "$box" sleep 100 >/dev/null
    reached() { ping -c 1 -W 0.3 10.88.3.7 >/dev/null; }
    wait_for 5 reached
    ip link add tun9 type veth peer name tun8
    ip link set tun9 up
    ip link set tun8 up
    ip route add 10.88.3.0/24 dev tun9
    assert_fails reached
    finds problem 'the route to 10.88.3.0/24 on `tun9` diverts packets from network `default` (10.88.0.0/16)'
    cured
    reached
    ip route add 10.0.0.0/8 dev tun9
    finds warning 'the route to 10.0.0.0/8 on `tun9` includes the addresses of network `default`'
    cured
    ip route add 10.89.0.0/16 dev tun9
    finds_none tun9
    local prefix
    prefix=$(address_of c -6)
    ping -c 1 -W 1 "$prefix" >/dev/null
    ip -6 route add "$prefix/127" dev tun9
    assert_fails ping -c 1 -W 0.3 "$prefix"
    finds problem 'on `tun9` diverts packets from network `default`'
    cured
    ping -c 1 -W 1 "$prefix" >/dev/null
    ip link del tun9
}
t "later routes that collide with a network's addresses" subnets

nameserver() {
    warm_up
    printf '# nameserver 10.88.0.9\nnameserver 10.88.0.53\nnameserver 192.0.2.53\n' >"$tmp/resolv"
    mount --bind "$tmp/resolv" /etc/resolv.conf
    finds problem 'the nameserver 10.88.0.53 of /etc/resolv.conf is among the addresses of network `default` (10.88.0.0/16)'
    finds_none 10.88.0.9
    assert_contains "$cure" 'another nameserver'
    echo 'nameserver 192.0.2.53' >"$tmp/resolv"
    finds_none 'nameserver'
    umount /etc/resolv.conf
}
t "a nameserver among a network's addresses" nameserver

# It ends when it is asked to, so that a restart takes no time.
obedient() { netctr run -d --name "$1" "$box" sh -c 'trap "exit 0" TERM; sleep 1000 & wait' >/dev/null; }

mtu() {
    obedient c
    obedient other
    in_lan python3 -c '
import socketserver
class Taker(socketserver.BaseRequestHandler):
    def handle(self):
        while self.request.recv(65536): pass
        self.request.sendall(b"all of it")
socketserver.ThreadingTCPServer(("", 91), Taker).serve_forever()' 2>/dev/null &
    # Its packets arrive whole.
    uploads() {
        in_network_of c timeout $((5 * slowness)) python3 -c '
import socket
c = socket.create_connection(("192.0.2.9", 91), 1)
c.sendall(bytes(100000))
c.shutdown(socket.SHUT_WR)
exit(c.recv(9) != b"all of it")' 2>/dev/null
    }
    wait_for 5 uploads
    # A VPN narrows the way out, and the ICMP message about it is lost.
    nft 'table ip x { chain o { type filter hook output priority 0; icmp type destination-unreachable drop; }; }'
    ip link set eth0 mtu 1300
    assert_fails uploads
    finds warning 'packets of network `default` may be larger (MTU 1450) than `eth0` allows (1300)'
    assert_contains "$cure" 'ip link set nc-default mtu 1300 && netctr restart '
    # Changing the bridge alone is not enough: running containers keep their MTU.
    ip link set nc-default mtu 1300
    assert_fails uploads
    finds warning 'packets of network `default` may be larger (MTU 1450) than `eth0` allows (1300)'
    assert_eq "$(tr ' ' '\n' <<<"$cure" | sort | paste -sd' ')" 'c netctr other restart'
    cured
    wait_for 5 uploads
    nft delete table ip x
    netctr rm -f c other >/dev/null
    # It was requested.
    netctr network create --mtu 9000 big
    netctr run -d --name c --network big "$box" sleep 1000 >/dev/null
    finds warning 'packets of network `big` may be larger (MTU 9000) than `eth0` allows (1300)'
    assert_eq "$cure" 'remove network `big` and create it again with --mtu 1300'
    netctr rm -f c >/dev/null
    netctr network rm -f big >/dev/null
    netctr network create --mtu 1300 big
    netctr run -d --name c --network big "$box" sleep 1000 >/dev/null
    finds_none '`big`'
    netctr rm -f c >/dev/null
    netctr network rm -f big >/dev/null
    ip link set eth0 mtu 1450
    ip link set nc-default mtu 1450
}
# moby #22028, #20178, #12565
t 'packets that are too large for the uplink: of the bridge, of containers that run' mtu

# ---- limits --------------------------------------------------------------------------------------

ports() {
    warm_up
    local i
    for i in $(seq 465); do
        echo "link add pa$i master nc-default type veth peer name pb$i"
    done | ip -batch -
    for i in $(seq 460); do echo "link set pb$i master nc-default"; done | ip -batch -
    finds warning 'bridge `nc-default` has 925 ports of the 1023'
    for i in $(seq 465); do echo "link del pa$i"; done | ip -batch -
    finds_none 'ports of the 1023'
}
# moby #44973, #31100
t 'a bridge with hardly a free port' ports

neighbours() {
    local i threshold
    threshold=$(ip ntable show name arp_cache 2>/dev/null | awk '/thresh2/ { for (i = 1; i < NF; i++) if ($i == "thresh2") print $(i + 1); exit }')
    [ "${threshold:-0}" -le 1024 ] && [ "${threshold:-0}" -gt 0 ] || skip "the threshold is ${threshold:-not known}"
    # Permanent entries, such as netctr's, do not count.
    for i in $(seq $((threshold / 2 + 20))); do
        echo "neighbour replace 192.0.2.$((i % 200 + 20)) lladdr 02:00:00:00:00:01 dev eth0 nud permanent"
    done | ip -batch -
    for i in $(seq $((threshold / 2 + 1))); do
        echo "neighbour replace 10.1.$((i / 200)).$((i % 200 + 1)) lladdr 02:00:00:00:00:01 dev eth0 nud reachable"
    done | ip -batch -
    finds warning 'the ipv4 neighbour table of this machine has '
    assert_contains "$cure" net.ipv4.neigh.default.gc_thresh3=
    ip neighbour flush dev eth0 nud all
    ip neighbour flush dev eth0 nud permanent
}
# lxd #4799, e2b #3508
t 'a neighbour table that fills' neighbours

conntrack() {
    warm_up
    # Its limits are those of the machine, which a test must not change: doctor is given the numbers.
    local n
    for n in 215000:warning 255000:problem; do
        echo "${n%:*}" >"$tmp/count"
        echo 262144 >"$tmp/max"
        mount --bind "$tmp/count" /proc/sys/net/netfilter/nf_conntrack_count
        mount --bind "$tmp/max" /proc/sys/net/netfilter/nf_conntrack_max
        finds "${n#*:}" "${n%:*} of at most 262144 connections are tracked"
        assert_contains "$cure" net.netfilter.nf_conntrack_max=1048576
        umount /proc/sys/net/netfilter/nf_conntrack_max
        umount /proc/sys/net/netfilter/nf_conntrack_count
        finds_none 'connections are tracked'
    done
}
t 'a conntrack table that fills' conntrack
