#!/usr/bin/env bash
# --no-guard: what a container may do there, and what holds all the same. And the rules of others.
. "$(dirname "$0")/../lib.sh"

tidy_containers=$(declare -f tidy_after_test)
eval "tidy_containers${tidy_containers#tidy_after_test}"
tidy_after_test() {
    tidy_containers
    netctr network prune -f >/dev/null
}
mac_of() { netctr exec "$1" cat /sys/class/net/eth0/address; }
from() { in_network_of "$1" peer ask "${@:2}" 0 0.4; } # CONTAINER PROTO ADDRESS PORT

moving_address() { # NETWORK: 10.71.0.200 is first at a, then at b, as keepalived moves it
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
    assert_eq "$(nft -j list set bridge netctr_guard ports | jq '[.nftables[].set.elem // empty] | length')" 0
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
dhcp() { # NETWORK: prints what the client got
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
t '--no-guard: DHCP between two containers (raw frames have whole checksums)' dhcp_works

dhcp_is_guarded() {
    netctr network create --subnet 10.71.0.0/24 strict
    assert_fails dhcp strict
    assert_lacks "$(cat "$tmp/dhcp")" DHCPDISCOVER
}
t 'with the guard no container asks as 0.0.0.0' dhcp_is_guarded

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
    believed() { in_network_of dupe ip -6 route show default | grep -q "$self" && ip -6 route show default | grep -q "$self"; }
    wait_for 2 believed
    ip -6 route del default via "$self" dev nc-free
}
t '--no-guard: router advertisements arrive, and nobody believes them' router_advertisements

foreign_chain() {
    # An accept of ours cannot override a drop of somebody else's chain: what crosses the forward hook
    # stands still, what does not goes on, and when that chain goes all is as before.
    netctr network create a
    netctr network create --isolate=false x
    netctr network create --isolate=false y
    serve_peer web --network a -p 8080:80
    serve_peer beside --network a
    serve_peer p --network x
    serve_peer q --network y
    crosses() {
        assert_contains "$(in_lan peer ask tcp 192.0.2.2 8080)" 'web '
        assert_contains "$(from p tcp "$(address_of q)" 80)" 'q '
        in_network_of web ping -c 1 -W 1 192.0.2.9 >/dev/null
        assert_contains "$(from beside tcp "$(address_of web)" 80)" 'web '
    }
    crosses
    nft add table ip other
    nft add chain ip other forward '{ type filter hook forward priority 1; policy drop; }'
    assert_silent in_lan peer ask tcp 192.0.2.2 8080 0 0.4
    assert_silent from p tcp "$(address_of q)" 80
    assert_fails in_network_of web ping -c 1 -W 0.4 192.0.2.9
    assert_contains "$(peer ask tcp 127.0.0.1 8080)" 'web '
    assert_contains "$(peer ask tcp 192.0.2.2 8080)" 'web '
    if [ "${BRIDGE_NF:-1}" = 1 ]; then # bridged packets cross the forward hook, too
        assert_silent from beside tcp "$(address_of web)" 80
    else
        assert_contains "$(from beside tcp "$(address_of web)" 80)" 'web '
    fi
    assert_eq "$(nft list table ip other | grep -c 'policy drop')" 1 # it is left alone
    nft delete table ip other
    crosses
}
t "somebody else's forward chain that drops" foreign_chain
