#!/usr/bin/env bash
# The life of networks: create, ls, inspect, rm, prune, and what a network is on the host.
. "$(dirname "$0")/../lib.sh"

of_network() { # NAME JQ-PATH
    netctr network inspect "$1" | jq -r ".[0]$2"
}
refused() { # TEXT COMMAND...: fails with exactly one line, which has TEXT
    local text=$1
    shift
    assert_fails "$@" 2>"$tmp/err"
    cat "$tmp/err"
    assert_eq "$(wc -l <"$tmp/err")" 1 'lines of error'
    assert_contains "$(cat "$tmp/err")" "$text"
}

created_and_removed() {
    snapshot
    assert_eq "$(netctr network create a)" a
    assert_eq "$(of_network a .subnet) $(of_network a .gateway) $(of_network a .bridge)" \
        '10.89.0.0/24 10.89.0.1 nc-a'
    assert_eq "$(of_network a .subnet6)" null 'IPv6 unasked'
    assert_eq "$(of_network a .live.bridge)" null 'a bridge before it is used'
    netctr run -d --name c --network a "$box" sleep 100 >/dev/null
    assert_contains "$(address_of c)" 10.89.0.
    netctr exec c ping -c 1 -W 1 192.0.2.9
    assert_eq "$(of_network a '.differences | length')" 0 differences
    assert_eq "$(of_network a '.containers[0].name')" c
    assert_eq "$(of_network a '.containers[0].address')" "$(address_of c)"
    assert_eq "$(of_network a '.live.bridge.ports[0].container')" c
    netctr rm -f c
    assert_eq "$(netctr network rm a)" a
    [ ! -e "$run_state/leases/a" ] && [ ! -e "$run_state/leases/.a.lock" ] && [ ! -e "$run_state/leases/.a.up" ]
    assert_clean
}
warm_up
t 'create, use, inspect, rm: nothing is left' created_and_removed

names_of_networks() {
    netctr network create a
    refused 'network `a` already exists' netctr network create a
    refused 'no such network `b`' netctr network rm b
    refused 'no such network `b`' netctr network inspect b
    refused 'no such network `../a`' netctr network inspect ../a
    refused 'invalid network name' netctr network create ../a
    local word
    for word in bridge container default host none ns; do
        refused "\`$word\` has a meaning of its own in \`--network\` and cannot name a network" netctr network create "$word"
    done
    refused 'the default network cannot be removed' netctr network rm default
    refused 'did you mean `netctr network create`?' netctr network creat a
    refused 'unknown network driver `macvlan`' netctr network create -d macvlan b
    netctr network create -d bridge b
    # The first failure is reported at the end, the other removals are done.
    assert_fails netctr network rm a missing b
    assert_eq "$(netctr network ls -q)" default
}
t 'names: taken, missing, reserved, invalid' names_of_networks

interfaces() {
    netctr network create twelve-chars
    assert_eq "$(of_network twelve-chars .bridge)" nc-twelve-chars
    netctr network create thirteen-char
    of_network thirteen-char .bridge | has -Ex 'nc-[0-9a-f]{11}'
    # Another program's link has the name.
    ip link add nc-taken type veth peer name taken
    netctr network create taken
    of_network taken .bridge | has -Ex 'nc-[0-9a-f]{11}'
    netctr run --rm --network taken "$box" true
    netctr network rm taken
    ip link show nc-taken >/dev/null # it stays
    # It is created later: reported before anything is created.
    ip link del nc-taken
    netctr network create taken
    ip link add nc-taken type veth peer name taken
    refused 'link `nc-taken` was not created by netctr' netctr run --rm --network taken "$box" true
    netctr network rm taken
    ip link show nc-taken >/dev/null
    ip link del nc-taken
    netctr network create -o com.docker.network.bridge.name=nc-mine other
    netctr run --rm --network other "$box" true
    ip link show nc-mine >/dev/null
    refused 'is not a valid name of a bridge' netctr network create -o com.docker.network.bridge.name=docker0 x
    refused '`nc-mine` is in use' netctr network create -o bridge=nc-mine x
}
t 'names of interfaces: nc-NAME, or a hash; those of other programs are left alone' interfaces

subnets_chosen() {
    ip address add 10.89.0.7/32 dev lo
    ip route add 10.89.1.128/25 dev eth0
    ip link add d0 type veth peer name d1
    ip address add 10.89.2.9/24 dev d0 # down: there is no route
    echo 'nameserver 10.89.3.53' >"$tmp/resolv.conf"
    mount --bind "$tmp/resolv.conf" /etc/resolv.conf
    netctr network create --subnet 10.89.4.0/25 used
    ip route add 10.89.5.0/24 via 192.0.2.9
    local mine
    netctr network create a
    mine=$(of_network a .subnet)
    refused 'overlaps 10.89.4.0/25 of network `used`' netctr network create --subnet 10.89.4.64/26 x
    refused 'overlaps the route to 10.89.1.128/25 of interface `eth0`' netctr network create --subnet 10.89.1.0/24 x
    refused 'overlaps address 10.89.2.9/24 of interface `d0`' netctr network create --subnet 10.89.2.0/30 x
    refused 'overlaps address 10.89.0.7/32 of interface `lo`' netctr network create --subnet 10.89.0.0/28 x
    refused 'overlaps nameserver 10.89.3.53 of /etc/resolv.conf' netctr network create --subnet 10.89.3.0/24 x
    refused 'overlaps address 2001:db8::2/64 of interface `eth0`' netctr network create --subnet 2001:db8::/48 x
    # A route through a gateway is avoided, but may be given explicitly.
    netctr network create --subnet 10.89.5.0/24 asked
    umount /etc/resolv.conf
    ip address del 10.89.0.7/32 dev lo
    ip route del 10.89.1.128/25
    ip route del 10.89.5.0/24 via 192.0.2.9
    ip link del d0
    assert_eq "$mine" 10.89.6.0/24
}
# moby #46615, docker/for-linux #418
t 'a chosen subnet overlaps no other; an explicit overlap is reported' subnets_chosen

fifty_creates() {
    local n pids=()
    for n in $(seq 50); do
        netctr network create "n$n" >/dev/null 2>>"$tmp/errors" &
        pids+=($!)
    done
    for n in "${pids[@]}"; do wait "$n" || fail "one of fifty failed: $(head -1 "$tmp/errors")"; done
    assert_eq "$(netctr network ls --format json | jq -r '.[].subnet' | sort -u | wc -l)" 51
    netctr network ls --format json | jq -r '.[].subnet' | has -x 10.89.49.0/24 # and without gaps
}
t 'fifty creates at once: fifty subnets' fifty_creates

families() {
    netctr network create --subnet fd12:3456::/64 six
    netctr run -d --name c --network six "$box" sleep 100 >/dev/null
    assert_eq "$(address_of c)" ''
    assert_contains "$(address_of c -6)" fd12:3456::
    netctr exec c ping -c 1 -W 1 2001:db8::9
    assert_eq "$(of_network six '.differences | length')" 0 differences
    netctr network create --ipv6 dual
    of_network dual .subnet | has '^10\.89\.'
    of_network dual .subnet6 | has -E '^fd[0-9a-f:]+/64$'
    netctr network create --subnet 10.70.0.0/24 --subnet fd77::/64 --gateway fd77::5 --gateway 10.70.0.9 \
        --ip-range 10.70.0.64/28 both
    netctr run -d --name d --network both "$box" sleep 100 >/dev/null
    assert_eq "$(in_network_of d ip route show default | awk '{ print $3 }')" 10.70.0.9
    assert_eq "$(in_network_of d ip -6 route show default | awk '{ print $3 }')" fd77::5
    address_of d | has -Ex '10\.70\.0\.(6[4-9]|7[0-9])'
}
t 'IPv6 alone, both, and what is requested' families

refused_properties() {
    snapshot
    refused 'there is already one for IPv4' netctr network create --subnet 10.1.0.0/24 --subnet 10.2.0.0/24 x
    refused 'has host bits set' netctr network create --subnet 10.1.0.1/24 x
    refused 'cannot be used by a network' netctr network create --subnet 127.3.0.0/16 x
    refused 'cannot be used by a network' netctr network create --subnet fe80::/64 x
    refused 'cannot be used by a network' netctr network create --subnet 224.0.0.0/24 x
    refused 'is not in a subnet' netctr network create --subnet 10.1.0.0/24 --gateway 10.2.0.1 x
    refused 'is the broadcast address' netctr network create --subnet 10.1.0.0/24 --gateway 10.1.0.255 x
    refused 'is the network address' netctr network create --subnet 10.1.0.0/24 --gateway 10.1.0.0 x
    refused 'needs a --subnet' netctr network create --gateway 10.2.0.1 x
    refused 'is not in a subnet' netctr network create --subnet 10.1.0.0/24 --ip-range 10.2.0.0/28 x
    refused 'IPv6 needs 1280' netctr network create --ipv6 --mtu 1000 x
    refused 'is not a number' netctr network create --mtu big x
    refused 'unknown mode `natt`' netctr network create --mode natt x
    refused 'did you mean `isolate`?' netctr network create -o isolat=true x
    refused 'mode nat cannot do without it' netctr network create -o com.docker.network.bridge.enable_ip_masquerade=false x
    refused 'takes no value but true or false' netctr network create --internal=maybe x
    refused 'an internal network cannot be routed' netctr network create --internal --mode routed x
    refused 'cannot be open' netctr network create --internal --isolate=false x
    refused 'an isolated network has none' netctr network create --mode isolated --subnet 10.1.0.0/24 --gateway 10.1.0.1 x
    refused 'is not a per-interface setting' netctr network create --sysctl net.ipv4.ip_forward=0 x
    refused 'is not a per-interface setting' netctr network create --sysctl net.ipv4.neigh.default.gc_thresh3=1 x
    refused 'is not a per-interface setting' netctr network create --sysctl net.ipv4.conf.eth0.rp_filter=0 x
    refused 'is not a per-interface setting' netctr network create --sysctl net.ipv4.conf.IFNAME.../x=0 x
    refused 'has no `nonsense` there' netctr network create --sysctl net.ipv4.conf.IFNAME.nonsense=0 x
    refused 'has no `nonsense` there' netctr network create --sysctl net.ipv6.conf.all.nonsense=0 x
    assert_clean
}
t 'impossible properties are refused, and nothing is left' refused_properties

flags_as_docker_has_them() {
    netctr network create --internal=true -o com.docker.network.driver.mtu=1400 --label a=b x
    assert_eq "$(of_network x .internal) $(of_network x .mtu) $(of_network x '.labels[0]')" 'true 1400 a=b'
    netctr network create -o com.docker.network.bridge.enable_icc=false --opt isolate=false --no-guard y
    assert_eq "$(of_network y .icc) $(of_network y .isolate) $(of_network y .guard)" 'false false false'
    netctr network create --icc=false --isolate=false --no-dns --label c z
    assert_eq "$(of_network z .icc) $(of_network z .isolate) $(of_network z .dns)" 'false false false'
    assert_eq "$(netctr network ls -q --filter label=a | xargs)" x
    assert_eq "$(netctr network ls -q --filter label=a=b | xargs)" x
    assert_eq "$(netctr network ls -q --filter label=a=c)" ''
    assert_eq "$(netctr network ls -q --filter label!=a --filter name=y | xargs)" y
    refused 'unknown filter' netctr network ls --filter dangling=true
}
t "docker's and podman's flags and options, labels, filters" flags_as_docker_has_them

removed_while_used() {
    netctr network create a
    netctr network create b
    serve c --network a --network b -p 8080:80
    refused 'network `a` is used by container `c`; `netctr network rm -f a` disconnects it first' netctr network rm a
    http_from c http://127.0.0.1/ | has -x c
    netctr network rm -f a
    assert_eq "$(netctr network ls -q | xargs)" 'b default'
    status_is c running
    netctr exec c ping -c 1 -W 1 192.0.2.9 # through the other
    assert_eq "$(netctr inspect c | jq -r '.[0].endpoints[].network')" b
    refused 'no such network `a`' netctr network connect a c
    http http://127.0.0.1:8080/ | has -x c # its ports have moved there
    assert_eq "$(netctr network rm -f b 2>&1)" 'netctr: warning: container `c` does not publish 8080:80/tcp any more: its networks cannot publish them
b'
}
t 'rm: refused while containers use it, -f disconnects them' removed_while_used

pruned() {
    netctr network create --label keep a
    netctr network create b
    netctr network create c
    netctr run -d --name x --network c "$box" sleep 100 >/dev/null
    netctr run --rm --network b "$box" true
    [ -e "$run_state/dns/bell/b" ] || fail 'nobody keeps its names'
    assert_eq "$(echo n | netctr network prune 2>/dev/null)" ''
    assert_eq "$(netctr network prune -f --filter label!=keep)" b
    [ -z "$(find "$run_state/dns" -name b)" ] || fail 'its names are left'
    assert_eq "$(netctr network ls -q | xargs)" 'a c default'
    assert_eq "$(echo y | netctr network prune 2>/dev/null)" a
}
t 'prune: networks that no container uses, except the default one' pruned

damaged_definition() {
    netctr network create a
    netctr network create b
    echo '{' >"$state/networks/a.json"
    refused 'a.json' netctr network inspect a
    assert_eq "$(netctr network ls -q 2>"$tmp/err" | xargs)" 'b default'
    assert_contains "$(cat "$tmp/err")" 'warning'
    # The others go on, also when the firewall has to be rebuilt.
    nft flush ruleset
    netctr run --rm --network b "$box" true
    netctr network reload
    rm "$state/networks/a.json"
}
t 'a damaged definition is reported and skipped' damaged_definition

newer_definition() {
    netctr network create a
    sed -i 's/"schema": *1/"schema": 99/' "$state/networks/a.json"
    grep -q '"schema": 99' "$state/networks/a.json"
    local line='netctr: the definition of network `a` was written by a newer netctr (schema 99)'
    assert_error "$line" 125 netctr network inspect a
    assert_error "$line" 125 netctr run --rm --network a "$box" true
    sed -i 's/"schema": 99/"schema": "1"/' "$state/networks/a.json"
    assert_error 'netctr: the definition of network `a` is damaged' 125 netctr network inspect a
    rm "$state/networks/a.json"
}
t 'the definition of a newer netctr is refused' newer_definition

removed_while_starting() {
    # Whichever wins, nothing of the network is left without its definition.
    local n round
    for round in 1 2 3 4 5 6 7 8; do
        netctr network create a >/dev/null
        for n in 1 2; do netctr run --rm --network a "$box" true >/dev/null 2>&1 & done
        sleep "0.00$((round))"
        netctr network rm -f a >/dev/null 2>&1 || true
        wait
        netctr network rm -f a >/dev/null 2>&1 || true
        [ "$(netctr network ls -q)" = default ] || fail "round $round: the network is still there"
        assert_fails ip link show nc-a 2>/dev/null
        assert_lacks "$(nft list table inet netctr)" nc-a
    done
}
t 'rm -f while containers start on it' removed_while_starting
