#!/usr/bin/env bash
# --no-guard: what a container may do there, and what is guaranteed all the same.
. "$(dirname "$0")/../lib.sh"

mac_of() { netctr exec "$1" cat /sys/class/net/eth0/address; }
from() { in_network_of "$1" peer ask "${@:2}" 0 0.4; } # CONTAINER PROTO ADDRESS PORT

moving_address() { # 10.71.0.200 is first at a, then at b, as keepalived moves it
    local name
    for name in a b c; do serve_peer $name --network "$1" --cap-add net_admin; done
    for name in a b a; do
        in_network_of $name ip address add 10.71.0.200/32 dev eth0
        in_network_of $name peer forge eth0 arp op=1 smac="$(mac_of $name)" dmac=ff:ff:ff:ff:ff:ff \
            sha="$(mac_of $name)" spa=10.71.0.200 tpa=10.71.0.200
        # By its neighbours and by the host.
        assert_contains "$(from c tcp 10.71.0.200 80)" "$name "
        assert_contains "$(peer ask tcp 10.71.0.200 80)" "$name "
        in_network_of $name ip address del 10.71.0.200/32 dev eth0
    done
}
second_address() {
    netctr network create --no-guard --subnet 10.71.0.0/24 free
    moving_address free
    assert_eq "$(netctr network inspect free | jq -r '.[0].differences | length')" 0
    assert_eq "$(nft -j list set bridge netctr_guard macs | jq '[.nftables[].set.elem // empty] | length')" 0
}
t '--no-guard: an address that moves from one container to another' second_address

no_second_address() {
    netctr network create --subnet 10.71.0.0/24 strict
    serve_peer a --network strict --cap-add net_admin
    serve_peer c --network strict
    local own
    own=$(address_of a)
    in_network_of a ip address add 10.71.0.200/32 dev eth0
    assert_silent from c tcp 10.71.0.200 80
    assert_silent peer ask tcp 10.71.0.200 80 0 0.4
    assert_contains "$(from c tcp "$own" 80)" 'a '
}
t 'with the guard it has its own address only' no_second_address

# A DHCP server in one container, busybox' client, which reads raw frames, in another.
dhcp() { # prints what the client got
    printf '#!/bin/sh\necho "$1 $ip $router" >>/tmp/got\n' >"$tmp/got.sh"
    chmod +x "$tmp/got.sh"
    netctr run -d --name server --network "$1" "$box" sleep 100 >/dev/null
    netctr run -d --name client --network "$1" --cap-add net_raw --cap-add net_admin \
        -v "$tmp/got.sh:/got.sh:ro" --tmpfs /tmp "$box" sleep 100 >/dev/null
    in_network_of server dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 --user=root \
        --pid-file= --leasefile-ro --interface=eth0 --bind-interfaces --no-ping \
        --dhcp-range=10.71.0.100,10.71.0.110,1h --dhcp-option=3,10.71.0.1 --log-facility=- >"$tmp/dhcp" 2>&1 &
    wait_for 5 grep -q 'DHCP, IP range' "$tmp/dhcp"
    netctr exec client udhcpc -f -n -q -i eth0 -t 3 -T 1 -s /got.sh
}
dhcp_works() {
    netctr network create --no-guard --subnet 10.71.0.0/24 free
    dhcp free
    local got
    got=$(netctr exec client awk '$1 == "bound" { print $2 }' /tmp/got)
    case $got in 10.71.0.10[0-9] | 10.71.0.110) ;; *) fail "got \`$got'" ;; esac
    in_network_of client ip address flush dev eth0 scope global
    in_network_of client ip address add "$got/24" dev eth0
    in_network_of server ping -c 1 -W 1 "$got" >/dev/null
    ping -c 1 -W 1 "$got" >/dev/null
}
# felix #40, weave #1255
t '--no-guard: DHCP between two containers, whose client reads raw frames' dhcp_works

# Checksums are filled in where a frame leaves the machine, which a veth does not do: a reader of raw frames has to
# check the kernel's mark that a checksum is still missing.
raw_reader() {
    cat <<-'END'
	import socket, struct
	PACKET_AUXDATA, CSUM_NOT_READY = 8, 8
	def total(data):
	    data += bytes(len(data) % 2)
	    n = sum(struct.unpack(f"!{len(data) // 2}H", data))
	    while n >> 16:
	        n = (n & 0xFFFF) + (n >> 16)
	    return n
	s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
	s.setsockopt(263, PACKET_AUXDATA, 1)
	print("reading", flush=True)
	while True:
	    data, marks, _, sender = s.recvmsg(65536, 256)
	    if sender[2] == socket.PACKET_OUTGOING or data[9] != socket.IPPROTO_UDP:
	        continue
	    head, end = (data[0] & 15) * 4, struct.unpack("!H", data[2:4])[0]
	    whole = total(data[12:20] + struct.pack("!HH", 17, end - head) + data[head:end]) == 0xFFFF
	    marked = struct.unpack("I", marks[0][2][:4])[0] & CSUM_NOT_READY
	    print(socket.inet_ntoa(data[12:16]), "whole" if whole else "marked" if marked else "WRONG", flush=True)
	END
}
raw_frames() {
    serve_peer a
    serve_peer b -p 5353:53/udp
    raw_reader >"$tmp/reader.py"
    in_network_of b python3 "$tmp/reader.py" >"$tmp/read" &
    wait_for 3 grep -q reading "$tmp/read"
    local address from
    address=$(address_of b)
    peer ask udp "$address" 53
    in_network_of a peer ask udp "$address" 53
    in_lan peer ask udp 192.0.2.2 5353
    for from in "$(ip -4 -oneline address show dev nc-default | awk '{ sub("/.*", "", $4); print $4 }')" "$(address_of a)" 192.0.2.9; do
        wait_for 3 grep -Eq "^$from (whole|marked)\$" "$tmp/read"
    done
    assert_lacks "$(cat "$tmp/read")" WRONG
}
# felix #40, weave #1255
t 'raw frames: each checksum is complete, or marked as missing' raw_frames

dhcp_is_guarded() {
    netctr network create --subnet 10.71.0.0/24 strict
    assert_fails dhcp strict
    assert_lacks "$(cat "$tmp/dhcp")" DHCPDISCOVER
}
t 'with the guard no container sends from 0.0.0.0' dhcp_is_guarded

router_advertisements() {
    # On a network without a guard they arrive; neither the host nor a container believes them.
    netctr network create --no-guard --ipv6 free
    netctr run -d --name evil --network free "$box" sleep 100 >/dev/null
    netctr run -d --name dupe --network free "$box" sleep 100 >/dev/null
    local self before_host before_dupe
    self=$(in_network_of evil ip -6 -oneline address show dev eth0 scope link | awk '{ sub("/.*", "", $4); print $4 }')
    before_host=$(ip -6 route show)
    before_dupe=$(in_network_of dupe ip -6 route show)
    advertise() {
        in_network_of evil peer forge eth0 ra smac="$(mac_of evil)" dmac=33:33:00:00:00:01 src="$self" \
            dst=ff02::1 lladdr="$(mac_of evil)"
    }
    advertise
    sleep 0.1
    assert_eq "$(ip -6 route show)" "$before_host" 'routes of the host'
    assert_eq "$(in_network_of dupe ip -6 route show)" "$before_dupe" 'routes of a container'
    in_network_of dupe sysctl -qw net.ipv6.conf.eth0.accept_ra=2
    sysctl -qw net.ipv6.conf.nc-free.accept_ra=2
    advertise
    believed() { in_network_of dupe ip -6 route show default | has "$self" && ip -6 route show default | has "$self"; }
    wait_for 2 believed
    ip -6 route del default via "$self" dev nc-free
}
t '--no-guard: router advertisements arrive, and are ignored' router_advertisements
