#!/usr/bin/env bash
# Options of networks that docker and podman have: subnets of two addresses and ranges of one.
. "$(dirname "$0")/../lib.sh"

of_network() { # NAME JQ-PATH
    netctr network inspect "$1" | jq -r ".[0]$2"
}

warm_up

# ---- point-to-point ------------------------------------------------------------------------------
point_to_point() {
    netctr network create --subnet 10.77.0.4/31 --subnet fd77::4/127 p2p
    assert_eq "$(of_network p2p '| [.gateway, .gateway6] | join(" ")')" '10.77.0.4 fd77::4'
    netctr run -d --name c --network p2p -p 8080:80 "$box" httpd -f -p 80 -h /bin >/dev/null
    in_network_of c ip -4 -oneline address show dev eth0 | has 'inet 10.77.0.5/31 scope global'
    in_network_of c ip -6 -oneline address show dev eth0 | has 'inet6 fd77::5/127 scope global'
    assert_eq "$(of_network p2p '.differences | join(";")')" '' differences
    netctr exec c ping -c 1 -W 1 10.77.0.4
    netctr exec c ping -6 -c 1 -W 1 fd77::4
    netctr exec c ping -c 1 -W 1 192.0.2.9 # through the gateway
    wait_for 5 in_lan curl -s --noproxy '*' -o /dev/null http://192.0.2.2:8080/sh
    assert_error 'netctr: network `p2p` has no free address left in 10.77.0.4/31' 125 \
        netctr run --name d --network p2p "$box" true
    netctr rm -f c
    netctr run --rm --network p2p "$box" ip -4 address show dev eth0 | has 10.77.0.5/31 # the only one is assigned again
}
t 'a subnet of two addresses has a gateway and one container' point_to_point

two_containers() {
    netctr network create --mode isolated --subnet 10.77.1.0/31 wire
    netctr run -d --name a --network wire "$box" sleep 1000 >/dev/null
    netctr run -d --name b --network wire "$box" sleep 1000 >/dev/null
    assert_eq "$(address_of a) $(address_of b)" '10.77.1.1 10.77.1.0'
    netctr exec a ping -c 1 -W 1 10.77.1.0
    assert_eq "$(of_network wire '.differences | join(";")')" '' differences
}
t 'an isolated subnet of two addresses joins two containers' two_containers

one_address() {
    netctr network create --subnet 10.77.2.0/24 --ip-range 10.77.2.9/32 one
    netctr run -d --name a --network one "$box" sleep 1000 >/dev/null
    assert_eq "$(address_of a)" 10.77.2.9
    assert_error 'netctr: network `one` has no free address left in 10.77.2.9/32' 125 \
        netctr run --network one "$box" true
    netctr run --rm --network one:ip=10.77.2.10 "$box" true # an address outside of the range may be requested
    netctr network create --subnet fd77:2::/64 --ip-range fd77:2::9/128 six
    netctr run --rm --network six "$box" ip -6 address show dev eth0 | has fd77:2::9/64
    netctr network create --subnet 10.77.3.0/24 --ip-range 10.77.3.8/31 two
    netctr run --rm --network two "$box" ip -4 address show dev eth0 | has -E '10[.]77[.]3[.][89]/24'
}
t 'a range may be one address' one_address

refuses_what_is_no_host() {
    snapshot
    assert_error 'netctr: subnet 10.77.0.1/32 is one address: the longest prefix is /31' 125 \
        netctr network create --subnet 10.77.0.1/32 x
    assert_error 'netctr: subnet fd77::1/128 is one address: the longest prefix is /127' 125 \
        netctr network create --subnet fd77::1/128 x
    assert_error "netctr: ip-range 10.77.0.0/32 is the network address of 10.77.0.0/24, not a host's" 125 \
        netctr network create --subnet 10.77.0.0/24 --ip-range 10.77.0.0/32 x
    assert_error "netctr: ip-range 10.77.0.255/32 is the broadcast address of 10.77.0.0/24, not a host's" 125 \
        netctr network create --subnet 10.77.0.0/24 --ip-range 10.77.0.255/32 x
    assert_error 'netctr: ip-range 10.77.0.1/32 has only the gateway of network `x`; `--gateway` gives the gateway another address of 10.77.0.0/24' \
        125 netctr network create --subnet 10.77.0.0/24 --ip-range 10.77.0.1/32 x
    assert_error 'netctr: subnet `10.77.0.5/31` has host bits set: the network is 10.77.0.4/31' 125 \
        netctr network create --subnet 10.77.0.5/31 x
    assert_clean
}
t 'prefixes without an address for a container are refused' refuses_what_is_no_host

