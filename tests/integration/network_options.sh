#!/usr/bin/env bash
# Options of networks that docker and podman have: subnets of two addresses and ranges of one, no addresses, routes, and
# what can be changed while containers run.
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


# ---- without addresses ---------------------------------------------------------------------------
only_links() {
    snapshot
    netctr network create --ipam-driver none wire
    assert_eq "$(of_network wire '| [.subnet, .subnet6, .gateway, .mode, .guard, .dns] | map(tostring) | join(" ")')" \
        'null null null isolated false false'
    netctr run -d --name a --cap-add NET_ADMIN --network wire "$box" sleep 1000 >/dev/null
    netctr run -d --name b --cap-add NET_ADMIN --network wire:mac=02:00:00:00:00:0b "$box" sleep 1000 >/dev/null
    assert_eq "$(in_network_of a ip -oneline address show dev eth0)" '' 'addresses'
    assert_eq "$(in_network_of a ip route; in_network_of a ip -6 route)" '' 'routes'
    assert_eq "$(netctr exec b cat /sys/class/net/eth0/address)" 02:00:00:00:00:0b
    assert_eq "$(ip -oneline address show dev nc-wire)" '' 'addresses of the bridge'
    # Programs may give their interfaces what they like.
    netctr exec a ip address add 172.31.0.1/24 dev eth0
    netctr exec b ip address add 172.31.0.2/24 dev eth0
    netctr exec a ip -6 address add fd31::1/64 dev eth0
    netctr exec b ip -6 address add fd31::2/64 dev eth0
    netctr exec a ping -c 1 -W 1 172.31.0.2
    wait_for 5 netctr exec a ping -6 -c 1 -W 1 fd31::2
    assert_eq "$(of_network wire '| [.containers[].name] | sort | join(" ")')" 'a b'
    assert_eq "$(of_network wire '.differences | join(";")')" '' differences
    netctr exec a cat /etc/hosts | has -E '^127.0.0.1 [0-9a-f]+ a$'
    netctr ps | has -w a
    netctr network reload
    netctr doctor | has -v wire || true
    netctr network disconnect wire a
    netctr network connect wire a
    netctr restart -t 0 b >/dev/null
    assert_eq "$(netctr exec b cat /sys/class/net/eth0/address)" 02:00:00:00:00:0b
    netctr rm -f a b >/dev/null
    netctr network rm wire >/dev/null
    assert_clean
}
t 'a network without addresses gives containers links, and nothing else' only_links

beside_another() {
    netctr network create --ipam-driver null wire
    netctr run -d --name a --network wire --network default -p 8080:80 "$box" httpd -f -p 80 -h /bin >/dev/null
    assert_eq "$(in_network_of a ip -4 route show default | awk '{ print $5 }')" eth1
    wait_for 5 in_lan curl -s --noproxy '*' -o /dev/null http://192.0.2.2:8080/sh
    assert_error "netctr: address 10.1.2.3: network \`wire\` has no IPv4" 125 \
        netctr run --network wire:ip=10.1.2.3 "$box" true
    assert_error "netctr: ports cannot be published: the container's networks are closed to the outside" 125 \
        netctr run --network wire -p 80 "$box" true
    assert_error 'netctr: a network without addresses cannot have a subnet' 125 \
        netctr network create --ipam-driver none --subnet 10.77.0.0/24 x
    assert_error 'netctr: a network without addresses cannot have --ipv6' 125 \
        netctr network create --ipam-driver none --ipv6 x
    assert_error 'netctr: unknown ipam driver `dhcp`; `--ipam-driver none` leaves addresses to a DHCP client in the container' 125 \
        netctr network create --ipam-driver dhcp x
}
t 'a network without addresses beside another one; what it cannot have is refused' beside_another

killed_without_addresses() {
    netctr network create --ipam-driver none wire
    netctr run -d --name a --network wire "$box" sleep 1000 >/dev/null
    kill -KILL "$(monitor_of a)"
    wait_for 5 eval '! bridge link show | grep -q nc-wire'
    netctr gc >/dev/null
    netctr start a >/dev/null
    in_network_of a ip link show dev eth0 >/dev/null
}
t 'a monitor that is killed leaves nothing on a network without addresses' killed_without_addresses

# ---- routes --------------------------------------------------------------------------------------
routes_of() { # NAME [-6]: those that netctr has added
    in_network_of "$1" ip "${2--4}" route show proto 78 | sed 's/ *$//'
}
routes_of_a_network() {
    netctr network create --subnet 10.77.0.0/24 --subnet fd77::/64 --route 10.1.0.0/16,10.77.0.9 \
        --route 10.2.0.0/16,10.77.0.9,50 --route fd78::/64,fd77::9 n
    assert_eq "$(of_network n '.routes | join(" ")')" \
        '10.1.0.0/16,10.77.0.9 10.2.0.0/16,10.77.0.9,50 fd78::/64,fd77::9'
    netctr run -d --name c --network n "$box" sleep 1000 >/dev/null
    assert_eq "$(routes_of c)" $'10.1.0.0/16 via 10.77.0.9 dev eth0 metric 100\n10.2.0.0/16 via 10.77.0.9 dev eth0 metric 50'
    routes_of c -6 | has 'fd78::/64 via fd77::9 dev eth0 metric 100'
    in_network_of c ip -4 route show default | has 'default via 10.77.0.1 dev eth0'
    assert_eq "$(of_network n '.differences | join(";")')" '' differences
    # What is missing or superfluous is a difference, which a reload repairs.
    in_network_of c ip route del 10.1.0.0/16 via 10.77.0.9
    in_network_of c ip route add 10.3.0.0/16 via 10.77.0.9 proto 78
    in_network_of c ip route add 10.4.0.0/16 via 10.77.0.9
    assert_eq "$(of_network n '.differences | sort | join(";")')" \
        "container \`c\`: the route 10.1.0.0/16 by 10.77.0.9 is missing (\`netctr network reload\` repairs it);container \`c\`: the route 10.3.0.0/16 by 10.77.0.9 is none of the network's (\`netctr network reload\` repairs it)"
    netctr network reload
    assert_eq "$(routes_of c)" $'10.1.0.0/16 via 10.77.0.9 dev eth0 metric 100\n10.2.0.0/16 via 10.77.0.9 dev eth0 metric 50'
    in_network_of c ip -4 route show | has 10.4.0.0/16 # a program's own stays
}
t 'network create --route gives each container a route' routes_of_a_network

routes_of_an_endpoint() {
    netctr network create --mode isolated --subnet 10.77.0.0/24 lan
    netctr run -d --name c --network lan:gateway=10.77.0.9,route=10.1.0.0/16@10.77.0.8,route=10.2.0.0/16@10.77.0.8@7 \
        "$box" sleep 1000 >/dev/null
    local expected=$'default via 10.77.0.9 dev eth0 metric 100\n10.1.0.0/16 via 10.77.0.8 dev eth0 metric 100\n10.2.0.0/16 via 10.77.0.8 dev eth0 metric 7'
    assert_eq "$(routes_of c)" "$expected"
    assert_eq "$(of_network lan '.differences | join(";")')" '' differences
    netctr restart -t 0 c >/dev/null
    assert_eq "$(routes_of c)" "$expected" 'after a restart'
    netctr network disconnect lan c
    netctr network connect --gateway 10.77.0.9 --route 10.1.0.0/16@10.77.0.8 --route 10.2.0.0/16@10.77.0.8@7 lan c
    assert_eq "$(routes_of c)" "$expected" 'after connect'
    # On a network with a way out, it replaces the host's address.
    netctr network create --subnet 10.78.0.0/24 out
    netctr run -d --name d --network out:gateway=10.78.0.9 "$box" sleep 1000 >/dev/null
    assert_eq "$(in_network_of d ip -4 route show default | sed 's/ *$//')" 'default via 10.78.0.9 dev eth0 proto static'
    netctr network connect default d
    netctr network disconnect default d
    assert_eq "$(of_network out '.differences | join(";")')" '' differences
}
t 'gateway= and route= are those of one container on one network' routes_of_an_endpoint

a_router() {
    local n
    for n in 1 2; do
        netctr network create --mode isolated --no-guard --subnet 10.$n.0.0/24 \
            --sysctl net.ipv4.conf.IFNAME.forwarding=1 lan$n
    done
    netctr run -d --name r --network lan1:ip=10.1.0.1 --network lan2:ip=10.2.0.1 "$box" sleep 1000 >/dev/null
    netctr run -d --name h1 --network lan1:ip=10.1.0.10,gateway=10.1.0.1 "$box" sleep 1000 >/dev/null
    netctr run -d --name h2 --network lan2:ip=10.2.0.10,route=10.1.0.0/24@10.2.0.1 "$box" sleep 1000 >/dev/null
    netctr exec h1 ping -c 1 -W 1 10.2.0.10
}
t 'containers reach each other through a router, without CAP_NET_ADMIN' a_router

no_default_route() {
    netctr network create --subnet 10.77.0.0/24 -o no_default_route=1 n
    netctr network create --subnet 10.78.0.0/24 m
    netctr run -d --name c --network n -p 8080:80 "$box" httpd -f -p 80 -h /bin >/dev/null
    assert_eq "$(in_network_of c ip -4 route show default)" ''
    assert_eq "$(of_network n '.differences | join(";")')" '' differences
    netctr run -d --name d --network n --network m "$box" sleep 1000 >/dev/null
    assert_eq "$(in_network_of d ip -4 route show default | sed 's/ *$//')" 'default via 10.78.0.1 dev eth1 proto static'
    netctr network connect n d 2>/dev/null || true
    netctr network connect m c
    in_network_of c ip -4 route show default | has 'via 10.78.0.1'
}
t '-o no_default_route=1: the default route is that of another network, or none' no_default_route

refuses_routes() {
    netctr network create --subnet 10.77.0.0/24 n
    snapshot
    assert_error 'netctr: route `10.1.0.0/16` is not DESTINATION,GATEWAY[,METRIC]; as in 10.1.0.0/16,10.88.0.9' 125 \
        netctr network create --route 10.1.0.0/16 x
    assert_error 'netctr: route to 10.1.0.0/16 by 10.88.0.9: the gateway is not in 10.78.0.0/24, the subnet of network `x`' 125 \
        netctr network create --subnet 10.78.0.0/24 --route 10.1.0.0/16,10.88.0.9 x
    assert_error 'netctr: route `10.1.0.0/16,fd77::1`: destination and gateway are of different families' 125 \
        netctr network create --route 10.1.0.0/16,fd77::1 x
    assert_error 'netctr: route `10.1.0.0/16,10.78.0.2,0`: metric `0` is not a number from 1 on' 125 \
        netctr network create --route 10.1.0.0/16,10.78.0.2,0 x
    assert_error 'netctr: gateway 10.9.0.1: the gateway is not in 10.77.0.0/24, the subnet of network `n`' 125 \
        netctr run --network n:gateway=10.9.0.1 "$box" true
    assert_error 'netctr: network option `metric` is not supported; `--network NAME:gw-priority=N` decides which network has the default route' 125 \
        netctr network create -o metric=5 x
    assert_clean
}
t 'routes that cannot work are refused' refuses_routes

# ---- update --------------------------------------------------------------------------------------
updated() {
    netctr network create --subnet 10.77.0.0/24 --label a=1 n
    netctr run -d --name c --network n "$box" sleep 1000 >/dev/null
    netctr run -d --name d --cap-add NET_ADMIN --network n:route=10.9.0.0/16@10.77.0.8 "$box" sleep 1000 >/dev/null
    netctr create --name e --network n "$box" sleep 1000 >/dev/null 2>&1 || true
    assert_eq "$(netctr network update --route-add 10.1.0.0/16,10.77.0.9 --label-add a=2 --label-add b=x n)" n
    assert_eq "$(of_network n '| [.routes[], .labels[]] | join(" ")')" '10.1.0.0/16,10.77.0.9 a=2 b=x'
    assert_eq "$(routes_of c)" '10.1.0.0/16 via 10.77.0.9 dev eth0 metric 100'
    assert_eq "$(routes_of d | sort)" $'10.1.0.0/16 via 10.77.0.9 dev eth0 metric 100\n10.9.0.0/16 via 10.77.0.8 dev eth0 metric 100'
    assert_eq "$(of_network n '.differences | join(";")')" '' differences
    netctr network update --route-drop 10.1.0.0/16 --route-add 10.2.0.0/16,10.77.0.9,7 --label-drop b n
    assert_eq "$(routes_of c)" '10.2.0.0/16 via 10.77.0.9 dev eth0 metric 7'
    assert_eq "$(of_network n '| [.routes[], .labels[]] | join(" ")')" '10.2.0.0/16,10.77.0.9,7 a=2'
    netctr restart -t 0 c >/dev/null
    assert_eq "$(routes_of c)" '10.2.0.0/16 via 10.77.0.9 dev eth0 metric 7'
    netctr network update --route-drop 10.2.0.0/16,10.77.0.9,7 n
    assert_eq "$(routes_of c)" ''
    assert_error 'netctr: network `n`: it has no route `10.2.0.0/16`' 125 netctr network update --route-drop 10.2.0.0/16 n
    assert_error 'netctr: route to 10.2.0.0/16 by 10.9.0.1: the gateway is not in 10.77.0.0/24, the subnet of network `n`' 125 \
        netctr network update --route-add 10.2.0.0/16,10.9.0.1 n
    assert_error 'netctr: no such network `x`' 125 netctr network update --label-add a=b x
    assert_error 'netctr: `network update` needs something to change' 125 netctr network update n
    assert_eq "$(of_network n '.routes')" null
}
t 'network update changes the routes of running containers, and labels' updated

# The definition is JSON.
odd_labels() {
    netctr network create n
    local label say
    for label in $'a=\xff' =x ''; do
        say="label \`${label/$'\xff'/\\xff}\` $([[ $label == a* ]] && echo 'is not UTF-8' || echo 'has no key')"
        assert_error "netctr: network \`n\`: $say" 125 netctr network update --label-add "$label" n
        assert_error "netctr: $say" 125 netctr network create --label "$label" m
    done
    assert_eq "$(netctr network ls --format json | jq -r '[.[].name] | sort | join(" ")')" 'default n'
    netctr network update --label-add $'line\nbreak=a=b' n
    assert_eq "$(of_network n '.labels[0]')" $'line\nbreak=a=b'
}
t 'labels of networks that the definition cannot hold are refused' odd_labels

update_and_runs() {
    netctr network create --subnet 10.77.0.0/24 n
    local i pids=()
    for i in 1 2 3 4 5 6; do
        netctr run -d --name c$i --network n "$box" sleep 1000 >/dev/null &
        pids+=($!)
    done
    netctr network update --route-add 10.1.0.0/16,10.77.0.9 n >/dev/null
    netctr network update --route-add 10.2.0.0/16,10.77.0.9 n >/dev/null
    netctr network update --route-drop 10.1.0.0/16 n >/dev/null
    for i in "${pids[@]}"; do wait "$i"; done
    for i in 1 2 3 4 5 6; do
        assert_eq "$(routes_of c$i)" '10.2.0.0/16 via 10.77.0.9 dev eth0 metric 100' "routes of c$i"
    done
}
t 'containers that start while their network is updated have its last routes' update_and_runs

# ---- ports ---------------------------------------------------------------------------------------
web() { # NAME FLAGS...
    netctr run -d --name "$1" "${@:2}" "$box" httpd -f -p 80 -h /bin >/dev/null
}
one_of_a_range() {
    local name
    web taken -p 9091:80
    for name in a b; do web $name -p 9090-9092:80; done
    assert_eq "$(netctr port a 80/tcp | head -1) $(netctr port b 80/tcp | head -1)" '0.0.0.0:9090 0.0.0.0:9092'
    wait_for 5 in_lan curl -s --noproxy '*' -o /dev/null http://192.0.2.2:9092/sh
    assert_error 'netctr: no free port between 9090 and 9092 for 80/tcp on this host' 125 \
        netctr run --name c -p 9090-9092:80 "$box" true
    # It is chosen again by each start.
    netctr rm -f taken a >/dev/null
    netctr restart -t 0 b >/dev/null
    assert_eq "$(netctr port b 80/tcp | head -1)" 0.0.0.0:9090
    web d -p 127.0.0.1:9090-9092:80 -p 9090-9092:81
    assert_eq "$(netctr port d 80/tcp) $(netctr port d 81/tcp | head -1)" '127.0.0.1:9091 0.0.0.0:9092'
    assert_error 'netctr: publish `9090-9092:80-81`: the two ranges differ in length' 125 \
        netctr run -p 9090-9092:80-81 "$box" true
    netctr network create --mode routed --subnet 10.77.9.0/24 r
    assert_error 'netctr: network `r` is routed: it cannot be reached through a host port; `--publish 80` opens the container'"'"'s own port' \
        125 netctr run --network r -p 9090-9092:80 "$box" true
}
t '-p 9090-9092:80 takes one free port of the range' one_of_a_range

ports_follow() {
    netctr network create --internal closed
    web c -p 9090-9092:80
    netctr network disconnect default c
    netctr network connect closed c
    assert_eq "$(netctr port c)" ''
    web other -p 9090:80
    netctr network connect default c
    assert_eq "$(netctr port c 80/tcp | head -1)" 0.0.0.0:9091
}
t 'a port of a range goes and comes back with its network' ports_follow

publishes_all() {
    web c --expose 80 --expose 53/udp -P
    local port
    port=$(netctr port c 80/tcp | sed -n '1s/.*://p')
    netctr port c 53/udp | has -E '^0.0.0.0:[0-9]+$'
    wait_for 5 in_lan curl -s --noproxy '*' -o /dev/null "http://192.0.2.2:$port/sh"
    web d --expose 80
    assert_eq "$(netctr port d)" ''
    assert_error 'netctr: -P finds no ports; `--expose PORT` names them, or `-p PORT` publishes one at a free host port' 125 \
        netctr run -P "$box" true
    assert_error 'netctr: expose `8080:80` is not PORT[-END][/PROTOCOL]' 125 netctr run --expose 8080:80 "$box" true
}
t '-P publishes the ports of --expose' publishes_all
