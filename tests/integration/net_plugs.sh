#!/usr/bin/env bash
# A container on several networks, or sharing those of another; changes to its networks and ports while it runs.
. "$(dirname "$0")/../lib.sh"

no_ports_left() { ! ip -oneline link show | has ': vc-'; }

# A definition as `network create` writes it.
define() { # NAME MEMBERS...
    mkdir -p "$state/networks"
    printf '{"schema": 1, "name": "%s", "bridge": "nc-%s", "icc": true, "mode": "nat", %s}\n' "$1" "$1" "$2" \
        >"$state/networks/$1.json"
}
blue() { define blue '"subnet": "10.90.0.0/24", "gateway": "10.90.0.1"'; }
six() { define six '"subnet6": "fd06::/64", "gateway6": "fd06::1"'; }
inner() { define inner '"internal": true, "subnet": "10.92.0.0/24", "gateway": "10.92.0.1"'; }

interfaces() { # "eth0 10.88.0.2/16 …" one per line
    in_network_of "$1" ip -oneline address show scope global | awk '{ print $2, $4 }' | sort
}
default_by() { # the interface of its default route
    in_network_of "$1" ip ${2--4} route get "$([ "${2-}" = -6 ] && echo 2001:db8::9 || echo 192.0.2.9)" |
        sed -n 's/.* dev \([^ ]*\).*/\1/p'
}

several_networks() {
    blue
    serve a --network default --network blue:name=blue0 -p 8080:80
    serve b --network blue
    serve c
    assert_eq "$(interfaces a | cut -d' ' -f1 | uniq | tr '\n' ' ')" 'blue0 eth0 '
    assert_eq "$(default_by a)" eth0
    assert_eq "$(http_from b "http://$(netctr inspect a | jq -r '.[0].endpoints[] | select(.network == "blue").address')/")" a
    assert_eq "$(http_from c "http://$(netctr inspect a | jq -r '.[0].endpoints[] | select(.network == "default").address')/")" a
    assert_eq "$(http_from a "http://$(address_of b)/")" b
    assert_eq "$(http_from a "http://$(address_of c)/")" c
    assert_eq "$(in_lan curl -s --noproxy '*' http://192.0.2.2:8080/)" a
    # Sharing networks with a does not connect the others.
    assert_status 28 http_from b "http://$(address_of c)/"
    assert_status 28 http_from c "http://$(address_of b)/"
}
t 'several networks: each reaches its own, and none the other' several_networks

way_out() {
    blue
    inner
    netctr run -d --name a --network inner --network default --network blue:gw-priority=5 -p 8080:80 \
        "$box" httpd -f -h /etc >/dev/null
    assert_eq "$(default_by a)" eth2
    wait_for 5 in_lan curl -sf --noproxy '*' -o /dev/null http://192.0.2.2:8080/passwd
    # The next one takes over when it is disconnected; an internal network never gets the default route.
    netctr unpublish a --all
    netctr network disconnect blue a
    assert_eq "$(default_by a)" eth1
    netctr network disconnect default a
    assert_fails in_network_of a ping -c1 -W1 192.0.2.9
    assert_status 125 netctr publish a 8080:80
}
t 'the default route: highest gw-priority, else the first network that can have it' way_out

takes_over() {
    blue
    define green '"subnet": "10.94.0.0/24", "gateway": "10.94.0.1"'
    netctr run -d --name a "$box" sleep 100 >/dev/null
    netctr network connect blue a
    netctr network connect green a
    # A network that is connected again is the last of its rank, and has a metric of its own.
    netctr network disconnect blue a
    netctr network connect blue a
    netctr network disconnect default a
    assert_eq "$(default_by a)" eth2
    netctr network connect default a
    assert_eq "$(default_by a)" eth2
    # A higher priority takes over, and gives back.
    netctr network disconnect blue a
    netctr network connect --gw-priority 5 blue a
    assert_eq "$(default_by a)" eth1
    netctr network disconnect green a
    netctr network disconnect default a
    netctr network connect default a
    netctr network connect --gw-priority 7 green a
    assert_eq "$(default_by a)" eth2
    netctr network disconnect green a
    assert_eq "$(default_by a)" eth1
}
t 'networks that are connected again and that take over while it runs' takes_over

many_ports() {
    netctr run -d --name a "$box" sleep 100 >/dev/null
    assert_eq "$(netctr publish a 10000-10200 | wc -l)" 402
    assert_eq "$(netctr port a | wc -l)" 402
}
t 'publish prints as many ports as there are' many_ports

full_files() {
    blue
    inner
    netctr run -d --name a --network inner "$box" \
        sh -c 'cat /dev/zero >/etc/hosts; cat /dev/zero >/etc/resolv.conf; echo full; sleep 100' >/dev/null
    wait_for 5 logged a full
    netctr network connect blue a
    netctr network disconnect blue a
    netctr network rm -f inner
    assert_eq "$(netctr inspect a | jq '.[0].endpoints | length')" 0
}
t 'a program that fills its files does not keep a network from changing' full_files

between_runs() {
    blue
    netctr run -d --name a --restart always "$box" false >/dev/null
    wait_for 10 eval '[ "$(netctr inspect a | jq ".[0].state.restarts")" -ge 3 ] && status_is a restarting'
    netctr network connect blue a
    netctr network disconnect default a
    assert_eq "$(netctr inspect a | jq -r '.[0].endpoints[].network')" blue
    netctr network rm -f blue
    assert_eq "$(netctr inspect a | jq '.[0].endpoints | length')" 0
}
t 'between two runs its networks change as well' between_runs

asked_for() {
    six
    define both '"subnet": "10.93.0.0/24", "gateway": "10.93.0.1", "subnet6": "fd93::/64", "gateway6": "fd93::1"'
    netctr run -d --name a --network both:ip=10.93.0.77,ip6=fd93::abcd,mac=02:00:00:00:00:aa,name=wan0 \
        "$box" sleep 100 >/dev/null
    assert_eq "$(interfaces a)" $'wan0 10.93.0.77/24\nwan0 fd93::abcd/64'
    assert_eq "$(in_network_of a cat /sys/class/net/wan0/address 2>/dev/null || netctr exec a cat /sys/class/net/wan0/address)" \
        02:00:00:00:00:aa
    assert_error 'netctr: network `both`: address 10.93.0.77 is in use by container `a`' \
        125 netctr run --network both --ip 10.93.0.77 "$box" true
    assert_error 'netctr: network `both`: MAC address 02:00:00:00:00:aa is in use by container `a` on network `both`' \
        125 netctr run --network both --mac-address 02:00:00:00:00:aa "$box" true
    assert_error 'netctr: network `both`: address 10.94.0.1 is not in 10.93.0.0/24, the subnet of network `both`' \
        125 netctr run --network both:ip=10.94.0.1 "$box" true
    assert_error 'netctr: address 10.93.0.5: network `six` has no IPv4' \
        125 netctr run --network six:ip=10.93.0.5 "$box" true
    assert_error 'netctr: network `both`: unknown option `ipp`; ip, ip6, mac, name, alias, rate, gw-priority, gateway or route' \
        125 netctr run --network both:ipp=1 "$box" true
    assert_error 'netctr: network `both` is listed twice' 125 netctr run --network both --network both "$box" true
    assert_error 'netctr: the container already has an interface `x0`' \
        125 netctr run --network both:name=x0 --network six:name=x0 "$box" true
    assert_error 'netctr: no such network `nowhere`' 125 netctr run --network nowhere "$box" true
    # The same after a restart.
    netctr restart -t 0 a
    assert_eq "$(interfaces a)" $'wan0 10.93.0.77/24\nwan0 fd93::abcd/64'
}
t 'addresses, MAC and interface as requested, and refusals' asked_for

families() {
    six
    blue
    serve a --network six -p 8080:80
    assert_eq "$(interfaces a)" "eth0 $(address_of a -6)/64"
    assert_eq "$(in_lan curl -s --noproxy '*' 'http://[2001:db8::2]:8080/')" a
    assert_eq "$(http 'http://[::1]:8080/')" a
    assert_status 125 netctr run --network six -p 127.0.0.1:8081:80 "$box" true
    # IPv6 is disabled, not only without an address (CVE-2024-32473) …
    netctr run -d --name b --network blue "$box" sleep 100 >/dev/null
    assert_eq "$(netctr exec b cat /proc/sys/net/ipv6/conf/eth0/disable_ipv6)" 1
    assert_eq "$(in_network_of b ip -6 -oneline address show dev eth0)" ''
    # … until there is a network that has it; then on that network alone.
    netctr network connect six b
    assert_eq "$(netctr exec b cat /proc/sys/net/ipv6/conf/eth0/disable_ipv6)" 1
    assert_eq "$(netctr exec b cat /proc/sys/net/ipv6/conf/eth1/disable_ipv6)" 0
    assert_eq "$(http_from b "http://[$(address_of a -6)]/")" a
    # The other way round.
    netctr network connect blue a
    assert_eq "$(netctr exec a cat /proc/sys/net/ipv6/conf/eth1/disable_ipv6)" 1
}
t 'IPv6 alone, and IPv6 off, interface by interface' families

connected() {
    warm_up
    blue
    netctr run --rm --network blue "$box" true # its bridge stays
    serve a
    serve b --network blue
    snapshot
    assert_status 28 http_from b "http://$(address_of a)/"
    netctr network connect --alias www blue a
    assert_eq "$(http_from b "http://$(netctr inspect a | jq -r '.[0].endpoints[1].address')/")" a
    assert_eq "$(netctr inspect a | jq -c '.[0].endpoints | map(.network)')" '["default","blue"]'
    assert_contains "$(netctr exec a cat /etc/hosts)" "$(netctr inspect a | jq -r '.[0].endpoints[1].address')"
    assert_error 'netctr: container `a` is on network `blue` already' 125 netctr network connect blue a
    netctr network disconnect blue a
    assert_clean
    assert_error 'netctr: container `a` is not on network `blue`' 125 netctr network disconnect blue a
    assert_error 'netctr: no such container `nobody`' 125 netctr network connect blue nobody
    assert_error 'netctr: no such network `nowhere`' 125 netctr network connect nowhere a
    # It starts with its current networks.
    netctr network connect blue a
    netctr restart -t 0 a
    assert_eq "$(netctr inspect a | jq -c '.[0].endpoints | map(.network)')" '["default","blue"]'
    netctr stop -t 0 a
    assert_error 'netctr: container `a` is on network `blue` already' 125 netctr network connect blue a
    # docker's name for the default network, in both directions.
    netctr start a
    netctr network disconnect bridge a
    assert_eq "$(netctr inspect a | jq -c '.[0].endpoints | map(.network)')" '["blue"]'
    assert_error 'netctr: container `a` is not on network `default`' 125 netctr network disconnect bridge a
    netctr network connect bridge a
    assert_eq "$(netctr inspect a | jq -c '.[0].endpoints | map(.network)')" '["default","blue"]'
}
t 'connect and disconnect while it runs; the definition follows' connected

reloaded_meanwhile() {
    strace -o /dev/null true 2>/dev/null || skip 'no permission to trace'
    blue
    netctr run -d --name a --network default --network blue "$box" sleep 100 >/dev/null
    local port monitor tracer asker
    port=$(netctr inspect a | jq -r '.[0].endpoints[] | select(.network == "blue").port')
    monitor=$(state_of a monitor)
    assert_contains "$(nft list table bridge netctr_guard)" "$port"
    # The monitor is slowed down when it removes the record, after the guard.
    strace -f -qq -o "$tmp/trace" -P endpoint.blue.json -e trace=unlinkat \
        -e inject=unlinkat:delay_enter=700000 -p "$monitor" &
    tracer=$!
    wait_for 5 traced "$monitor"
    netctr network disconnect blue a &
    asker=$!
    no_link() { ! ip link show "$port"; }
    wait_for 5 no_link
    netctr network reload
    wait $asker
    kill $tracer
    firewall >/dev/null
    assert_lacks "$(nft list table bridge netctr_guard)" "$port"
}
t 'a reload while a network is disconnected: its guard does not come back' reloaded_meanwhile

undone_meanwhile() {
    strace -o /dev/null true 2>/dev/null || skip 'no permission to trace'
    blue
    netctr run --rm --network blue "$box" true # its bridge stays
    netctr run -d --name a "$box" sleep 100 >/dev/null
    firewall >/dev/null
    assert_lacks "$(nft list table bridge netctr_guard)" ' 10.90.0.'
    # The interface name is taken, and the monitor is slowed down when it removes the record of the failed connect.
    in_network_of a ip link add eth1 type bridge
    local tracer asker
    strace -qq -o "$tmp/trace" -P endpoint.blue.json -e trace=unlinkat -e inject=unlinkat:delay_enter=700000 -p "$(monitor_of a)" &
    tracer=$!
    wait_for 5 traced "$(monitor_of a)"
    netctr network connect blue a 2>"$tmp/said" &
    asker=$!
    wait_for 5 grep -q 'unlinkat(.*endpoint.blue.json' "$tmp/trace"
    netctr network reload
    wait $asker || true
    kill $tracer
    assert_contains "$(cat "$tmp/said")" 'has a link `eth1` already'
    firewall >/dev/null
    assert_lacks "$(nft list table bridge netctr_guard)" ' 10.90.0.'
    in_network_of a ip link delete eth1
    netctr network connect blue a
    assert_contains "$(nft list table bridge netctr_guard)" ' 10.90.0.' # the control
}
t 'a reload while a failed connect is undone: nothing of it comes back' undone_meanwhile

from_nothing() {
    netctr run -d --name a --network none "$box" sleep 100 >/dev/null
    assert_eq "$(interfaces a)" ''
    netctr network connect default a
    in_network_of a ping -c1 -W2 10.88.0.1 >/dev/null
    netctr network disconnect default a
    assert_eq "$(interfaces a)" ''
}
t 'a container without a network is connected to one' from_nothing

# Changes to a network that the container shares are refused, with the reason.
refuses_changes() { # NAME WHOSE CONNECT_HINT PUBLISH_HINT
    local uses="netctr: container \`$1\` uses $2"
    assert_error "$uses: only a container with a network of its own can be connected to one$3" 125 netctr network connect blue "$1"
    assert_error "$uses: it is not on network \`blue\`" 125 netctr network disconnect blue "$1"
    assert_error "$uses: it is not on network \`blue\`" 125 netctr network disconnect -f blue "$1"
    assert_error "$uses: it cannot publish ports of its own$4" 125 netctr publish "$1" 8080:80
    assert_error "$uses: it publishes no ports" 125 netctr unpublish "$1" 8080
    assert_error "$uses: it publishes no ports" 125 netctr unpublish "$1" --all
}
others_networks() {
    blue
    ip netns add foreign
    netctr run -d --name own "$box" sleep 100 >/dev/null
    netctr run -d --name h --network host "$box" sleep 100 >/dev/null
    netctr run -d --name s --network container:own "$box" sleep 100 >/dev/null
    netctr run -d --name n --network ns:/run/netns/foreign "$box" sleep 100 >/dev/null
    local round
    for round in running stopped; do
        refuses_changes h "the host's network" '' ''
        refuses_changes s 'the network of container `own`' '; `netctr network connect blue own`' '; `netctr publish own 8080:80`'
        refuses_changes n 'the network namespace `/run/netns/foreign`' '' ''
        [ $round = stopped ] || netctr stop -t 0 h s n
    done
    netctr run -d --name none --network none "$box" sleep 100 >/dev/null
    assert_error 'netctr: container `none` is not on network `blue`' 125 netctr network disconnect blue none
    assert_error 'netctr: ports cannot be published: the container is on no network' 125 netctr publish none 8080:80
    assert_error 'netctr: container `none` does not publish port 8080' 125 netctr unpublish none 8080
    netctr rm -f h s n
    ip netns delete foreign
}
t 'changes to a shared network are refused for that reason' others_networks

# ---- published ports follow the default route ------------------------------------------------------

unpublished_of() { # NAME
    netctr inspect "$1" | jq -r '.[0].unpublished // [] | join(" ")'
}
lan_gets() { # URL
    in_lan curl -s --noproxy '*' --max-time 2 "$1"
}
nobody_listens() { # PORT
    [ -z "$(ss -Hln "sport = :$1")" ]
}

ports_move() {
    blue
    serve a --network default --network blue -p 8080:80
    assert_eq "$(lan_gets http://192.0.2.2:8080/)" a
    assert_eq "$(netctr network disconnect default a 2>&1)" ''
    assert_eq "$(default_by a)" eth1
    assert_eq "$(lan_gets http://192.0.2.2:8080/)" a
    assert_eq "$(http 'http://[::1]:8080/')" a
    assert_contains "$(netctr port a)" '80/tcp -> 0.0.0.0:8080'
    # A network that takes over has them at once, and gives them back.
    netctr network connect --gw-priority 5 default a
    assert_eq "$(default_by a)" eth0
    assert_eq "$(lan_gets http://192.0.2.2:8080/)" a
    netctr network disconnect default a
    assert_eq "$(lan_gets http://192.0.2.2:8080/)" a
    # So does a rebuilt firewall, and the next start.
    netctr network reload
    assert_eq "$(lan_gets http://192.0.2.2:8080/)" a
    netctr restart -t 0 a
    wait_for 5 in_lan curl -sf --noproxy '*' -o /dev/null http://192.0.2.2:8080/
    netctr rm -f a
    # The same for UDP, also for a client that has sent before.
    serve_peer a --network default --network blue -p 5353:53/udp
    in_lan peer ask udp 192.0.2.2 5353 >/dev/null
    netctr network disconnect default a
    in_lan peer ask udp 192.0.2.2 5353 >/dev/null
}
t 'disconnect and connect: published ports move to the default route' ports_move

ports_wait() {
    define both '"subnet": "10.93.0.0/24", "gateway": "10.93.0.1", "subnet6": "fd93::/64", "gateway6": "fd93::1"'
    inner
    serve a --network both -p 8080:80 -p 81/tcp -p '[::]:8082:80'
    assert_eq "$(netctr network disconnect both a 2>&1)" \
        'netctr: warning: container `a` does not publish 8080:80/tcp, 81/tcp, [::]:8082:80/tcp any more: its networks cannot publish them'
    assert_eq "$(netctr port a)" ''
    assert_eq "$(netctr inspect a | jq -c '.[0] | [.network, .networks, .publish, .published]')" \
        '["none",[],["8080:80","81/tcp","[::]:8082:80"],[]]'
    assert_eq "$(unpublished_of a)" '8080:80/tcp 81/tcp [::]:8082:80/tcp'
    assert_error 'netctr: container `a` does not publish port 80' 125 netctr port a 80
    assert_lacks "$(netctr ps)" 8080
    wait_for 2 nobody_listens 8080
    # A network that is closed to the outside does not help, nor does a restart.
    netctr network connect inner a
    netctr restart -t 0 a 2>/dev/null
    assert_eq "$(unpublished_of a)" '8080:80/tcp 81/tcp [::]:8082:80/tcp'
    assert_eq "$(netctr network disconnect inner a 2>&1)" '' 'what waited before is not lost by this'
    assert_contains "$(netctr network connect both a 2>&1; netctr port a)" '80/tcp -> 0.0.0.0:8080'
    assert_eq "$(netctr port a | wc -l)" 5 # 8080 and 81 in both families
    assert_eq "$(unpublished_of a)" ''
    wait_for 5 in_lan curl -sf --noproxy '*' -o /dev/null http://192.0.2.2:8080/
    assert_eq "$(lan_gets 'http://[2001:db8::2]:8082/')" a
    assert_eq "$(lan_gets 'http://[2001:db8::2]:8080/')" a
    assert_eq "$(jq -r 'select(.name == "a" and (.event | endswith("publish"))) | .event + " " + .ports' "$run_state/events" |
        tail -2 | sed 's/,[0-9]*:81/,N:81/')" \
        'unpublish 8080:80/tcp,N:81/tcp,[::]:8082:80/tcp
publish 8080:80/tcp,N:81/tcp,[::]:8082:80/tcp'
}
t 'disconnect of the only way out: ports are set aside until a network can carry them' ports_wait

ports_taken() {
    blue
    serve a -p 8080:80
    serve b
    netctr network disconnect default a 2>/dev/null
    netctr publish b 8080:80 >/dev/null
    # Nothing is half done if the port has been taken.
    assert_error 'netctr: network `blue` publishes the ports of container `a`: port 8080/tcp is in use on this host; container `b` publishes it' \
        125 netctr network connect blue a
    assert_eq "$(interfaces a)" ''
    assert_eq "$(netctr inspect a | jq -c '.[0] | [.networks, .endpoints, .publish]')" '[[],[],["8080:80"]]'
    assert_eq "$(lan_gets http://192.0.2.2:8080/)" b
    netctr rm -f b
    netctr network connect blue a
    assert_eq "$(lan_gets http://192.0.2.2:8080/)" a
    # Ports that are set aside can be unpublished, too.
    netctr network disconnect blue a 2>/dev/null
    netctr unpublish a 8080
    assert_error 'netctr: container `a` does not publish port 8080' 125 netctr unpublish a 8080
    assert_eq "$(netctr inspect a | jq -c '.[0] | [.publish, .unpublished]')" '[[],null]'
    netctr network connect blue a
    assert_eq "$(netctr port a)" ''
}
t 'a port that was taken meanwhile: connect fails as a whole' ports_taken

ports_of_other_kinds() {
    blue
    six
    define open '"mode": "routed", "subnet": "10.95.0.0/24", "gateway": "10.95.0.1"'
    sed -i 's/"mode": "nat", "mode": "routed"/"mode": "routed"/' "$state/networks/open.json"
    serve a --network blue -p 0.0.0.0:8080:80 -p 80
    # Connecting a network does not unpublish a port.
    assert_error 'netctr: network `six` would be the way out of container `a`: publish `0.0.0.0:8080:80/tcp`: network `six` has no IPv4; `netctr unpublish a 0.0.0.0:8080:80/tcp` first, or a lower --gw-priority' \
        125 netctr network connect --gw-priority 7 six a
    assert_error 'netctr: network `open` would be the way out of container `a`: network `open` is routed: it cannot be reached through a host port; `netctr unpublish a 0.0.0.0:8080:80/tcp` first, or a lower --gw-priority' \
        125 netctr network connect --gw-priority 7 open a
    assert_eq "$(interfaces a | wc -l)" 1
    assert_eq "$(lan_gets http://192.0.2.2:8080/)" a
    # Disconnecting one does; the rest moves.
    netctr network connect six a
    netctr network connect open a
    netctr network disconnect blue a 2>/dev/null
    assert_eq "$(unpublished_of a)" 0.0.0.0:8080:80/tcp
    assert_eq "$(lan_gets "http://[2001:db8::2]:$(netctr port a 80 | sed -n 's/^\[::\]://p')/")" a
    netctr network disconnect six a 2>/dev/null
    assert_eq "$(netctr inspect a | jq -c '.[0].published')" '["80/tcp"]'
    in_lan ip route add 10.95.0.0/24 via 192.0.2.2
    assert_eq "$(lan_gets "http://$(netctr inspect a | jq -r '.[0].endpoints[0].address')/")" a
    in_lan ip route delete 10.95.0.0/24
    netctr network connect --gw-priority 7 blue a
    assert_eq "$(unpublished_of a)" ''
    assert_eq "$(lan_gets http://192.0.2.2:8080/)" a
    assert_eq "$(netctr port a | wc -l)" 3
}
t 'ports move if a network of another family or mode can carry them' ports_of_other_kinds

shared() {
    serve a -p 8080:80
    assert_eq "$(netctr run --rm --network container:a "$box" wget -qO- http://127.0.0.1/)" a
    assert_contains "$(netctr run --rm --network container:a "$box" cat /etc/hosts)" "$(address_of a)"
    netctr run -d --name b --network container:a "$box" sleep 100 >/dev/null
    assert_fails netctr network connect default b
    assert_status 125 netctr run --network container:a -p 81:81 "$box" true
    assert_status 125 netctr run --network container:nobody "$box" true
    assert_status 125 netctr run --network container:a --network default "$box" true
    # The network lives as long as a container shares it; a's ports end with a.
    local address
    address=$(address_of a)
    netctr rm -f a
    status_is b running
    assert_fails netctr run --rm --network "default:ip=$address" "$box" true
    assert_status 7 curl -s --noproxy '*' --max-time 5 http://127.0.0.1:8080/
    netctr rm -f b
    wait_for 1 no_ports_left
    netctr run --rm --network "default:ip=$address" "$box" true
    ip netns add foreign
    assert_eq "$(netctr run --rm --network ns:/run/netns/foreign "$box" readlink /proc/self/ns/net)" \
        "net:[$(stat -Lc %i /run/netns/foreign)]"
    assert_status 125 netctr run --network ns:/etc/passwd "$box" true
    assert_status 125 netctr run --network ns:/run/netns/none "$box" true
    ip netns delete foreign
}
t "another container's network, or a given namespace" shared

ports_while_it_runs() {
    serve_peer a -p 8080:80
    netctr publish a 8081:81 127.0.0.1:8082:82 5353:53/udp >"$tmp/out"
    assert_eq "$(sort "$tmp/out" | tr '\n' ' ')" '0.0.0.0:5353->53/udp 0.0.0.0:8081->81/tcp 127.0.0.1:8082->82/tcp [::]:5353->53/udp [::]:8081->81/tcp '
    in_lan peer ask tcp 192.0.2.2 8080 >/dev/null
    in_lan peer ask tcp 192.0.2.2 8081 >/dev/null
    in_lan peer ask udp 192.0.2.2 5353 >/dev/null
    peer ask tcp 127.0.0.1 8082 >/dev/null
    peer ask tcp ::1 8081 >/dev/null
    assert_silent in_lan peer ask tcp 192.0.2.2 8082
    assert_error 'netctr: port 8081/tcp is in use on this host; container `a` publishes it' 125 netctr publish a 8081:80
    assert_status 125 netctr run --name b -p 8081:80 "$box" true
    assert_status 125 netctr publish a nonsense
    assert_eq "$(netctr port a | wc -l)" 7
    netctr unpublish a 8081 5353/udp
    assert_silent in_lan peer ask tcp 192.0.2.2 8081
    assert_silent in_lan peer ask udp 192.0.2.2 5353
    assert_error 'netctr: container `a` does not publish port 8081' 125 netctr unpublish a 8081
    in_lan peer ask tcp 192.0.2.2 8080 >/dev/null
    peer ask tcp 127.0.0.1 8082 >/dev/null
    # The rules are restored from the current records.
    netctr network reload
    in_lan peer ask tcp 192.0.2.2 8080 >/dev/null
    assert_silent in_lan peer ask tcp 192.0.2.2 8081
    netctr rm -f a
    netctr network reload # intervals are listed in the order of their creation
    ruleset >"$ARENA/rules"
    assert_lacks "$(cat "$ARENA/rules")" 'comment "a"'
}
t 'publish and unpublish while it runs' ports_while_it_runs

monitor_killed() {
    warm_up
    blue
    netctr run --rm --network blue "$box" true
    snapshot
    serve a --network default --network blue -p 8080:80
    netctr publish a 8081:80 >/dev/null
    kill -KILL "$(monitor_of a)"
    netctr gc >/dev/null
    status_is a exited
    netctr rm a
    assert_clean
    # The same for a network that was connected later.
    serve a
    netctr network connect blue a
    kill -KILL "$(monitor_of a)"
    netctr rm -f a
    assert_clean
}
t 'kill -9 of the monitor: every network and port is undone' monitor_killed

asker_killed() {
    warm_up
    blue
    netctr run --rm --network blue "$box" true
    serve a -p 8080:80
    snapshot
    local round
    for round in $(seq 20); do
        "$ARENA/bin/netctr" network connect blue a 2>/dev/null &
        sleep "0.00$((RANDOM % 10))"
        kill -KILL $! 2>/dev/null || true
        wait $! || true
        netctr network disconnect blue a 2>/dev/null || true
        "$ARENA/bin/netctr" publish a 8081:80 >/dev/null 2>&1 &
        sleep "0.00$((RANDOM % 10))"
        kill -KILL $! 2>/dev/null || true
        wait $! || true
        netctr unpublish a 8081 2>/dev/null || true
    done
    assert_clean
    http http://127.0.0.1:8080/ >/dev/null
}
t 'kill -9 of the client: the change is made completely or not at all' asker_killed
