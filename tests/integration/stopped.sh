#!/usr/bin/env bash
# The networks of a container that is not running: its definition is changed, and its next start applies that. And
# those of containers that share a network.
. "$(dirname "$0")/../lib.sh"

networks_of() { # NAME
    netctr inspect "$1" | jq -c '.[0] | [.network, .networks]'
}
endpoints_of() { # NAME
    netctr inspect "$1" | jq -r '.[0].endpoints[] | .network + " " + .interface' | xargs
}
both() { # two networks
    netctr network create --ipv6 --subnet 10.71.0.0/24 --subnet fd71::/64 a >/dev/null
    netctr network create --subnet 10.72.0.0/24 b >/dev/null
}

changed() {
    both
    netctr run -d --name c --network a "$box" sleep 100 >/dev/null
    netctr stop -t 0 c
    local finished
    finished=$(state_of c finished)
    netctr network connect --ip 10.72.0.7 --alias db --interface lab0 --mac-address 02:00:00:00:00:07 \
        --gw-priority 3 --rate 10mbit b c
    assert_eq "$(networks_of c)" '["a,b",["a","b:ip=10.72.0.7,mac=02:00:00:00:00:07,name=lab0,alias=db,rate=10mbit,gw-priority=3"]]'
    assert_eq "$(state_of c status) $(state_of c finished)" "exited $finished"
    netctr start c
    assert_eq "$(endpoints_of c)" 'a eth0 b lab0'
    assert_contains "$(in_network_of c ip -4 -oneline address show dev lab0)" 10.72.0.7/24
    assert_contains "$(in_network_of c ip -4 route get 192.0.2.9)" 'dev lab0'
    netctr stop -t 0 c
    netctr network disconnect a c
    netctr network disconnect b c # the last one
    assert_eq "$(networks_of c)" '["none",[]]'
    assert_error 'netctr: container `c` is not on network `b`' 125 netctr network disconnect b c
    assert_error 'netctr: container `c` is not on network `b`' 125 netctr network disconnect -f b c
    netctr start c
    assert_eq "$(endpoints_of c)" ''
    netctr stop -t 0 c
    netctr network connect bridge c
    assert_eq "$(networks_of c)" '["default",["default"]]'
    netctr start c
    assert_eq "$(endpoints_of c)" 'default eth0'
}
t 'connect and disconnect while it is stopped: the next start has them' changed

refusals() {
    both
    netctr run -d --name holder --network a:ip=10.71.0.9,mac=02:00:00:00:00:09 "$box" sleep 100 >/dev/null
    netctr run -d --name c --network b "$box" true >/dev/null
    wait_for 5 status_is c exited
    refused() { # WHY CONNECT'S WORDS...
        assert_error "netctr: $1" 125 netctr network connect "${@:2}" c
    }
    local before name network
    before=$(cat "$state/containers/c/config.json")
    refused 'no such network `nowhere`' nowhere
    local long
    long=$(head -c 70000 /dev/zero | tr '\0' x)
    for name in holder c; do # one runs
        for network in '' ../x "$long"; do
            assert_error "netctr: invalid network name \`$network\`" 125 netctr network connect "$network" "$name"
            assert_error "netctr: invalid network name \`$network\`" 125 netctr network disconnect "$network" "$name"
        done
    done
    refused 'container `c` is on network `b` already' b
    refused '--ip `` is not one value' --ip '' a
    refused '--alias `` is not one value' --alias '' a
    refused '--alias `x,ip=10.71.0.7` is not one value' --alias x,ip=10.71.0.7 a
    refused '--ip `fd71::7` is not an IPv4 address' --ip fd71::7 a
    refused '--ip6 `10.71.0.7` is not an IPv6 address' --ip6 10.71.0.7 a
    refused 'network `a`: address 10.71.0.9 is in use by container `holder`' --ip 10.71.0.9 a
    refused 'network `a`: address fd71::9 is in use by container `holder`' --ip6 fd71::9 a
    refused 'network `a`: address 10.72.0.9 is not in 10.71.0.0/24, the subnet of network `a`' --ip 10.72.0.9 a
    refused 'network `a`: address 10.71.0.1 is the gateway of network `a`' --ip 10.71.0.1 a
    refused 'network `a`: address 10.71.0.255 is the broadcast address of 10.71.0.0/24, not a host'"'s" --ip 10.71.0.255 a
    refused 'network `a`: MAC address 02:00:00:00:00:09 is in use by container `holder` on network `a`' \
        --mac-address 02:00:00:00:00:09 a
    refused 'network `a`: MAC address `01:00:00:00:00:09` is a multicast address' --mac-address 01:00:00:00:00:09 a
    refused 'the container already has an interface `eth0`' --interface eth0 a
    assert_status 125 netctr network connect --alias=-x a c 2>"$tmp/err"
    assert_contains "$(cat "$tmp/err")" 'netctr: network `a`: alias `-x` is not a name'
    refused 'network `a`: rate `1bit` is not between 8kbit and 34gbit' --rate 1bit a
    refused 'network `a`: gw-priority `high` is not a number' --gw-priority high a
    refused 'network `a`: `lo` is not an interface name (15 characters at most)' --interface lo a
    local command
    for command in 'publish c 8080:80' 'unpublish c 8080' 'unpublish c --all'; do
        # shellcheck disable=SC2086 # several words
        assert_status 125 netctr $command 2>"$tmp/err"
        grep -q '^netctr: container `c` is not running (exited 0, .* ago)' "$tmp/err"
    done
    assert_eq "$(cat "$state/containers/c/config.json")" "$before"
    # The refused requests changed nothing.
    netctr network connect --ip 10.71.0.10 a c
    netctr run --rm --network a:ip=10.71.0.10 "$box" true
}
t 'what is refused for a running container is refused for a stopped one' refusals

gone() {
    both
    netctr run -d --name c --network a --network b -p 8080:80 "$box" sleep 100 >/dev/null
    netctr run -d --name d --network b --network a:alias=x "$box" sleep 100 >/dev/null
    netctr stop -t 0 c
    assert_error 'netctr: network `a` is used by containers `c` (stopped), `d`; `netctr network rm -f a` disconnects them first' \
        125 netctr network rm a
    assert_eq "$(netctr network prune -f)" ''
    netctr stop -t 0 d
    assert_error 'netctr: network `a` is used by containers `c` (stopped), `d` (stopped); `netctr network rm -f a` disconnects them first' \
        125 netctr network rm a
    netctr start d
    # -f disconnects all of them, and removes none.
    assert_eq "$(netctr network rm -f a)" a
    assert_eq "$(networks_of c)$(networks_of d)" '["b",["b"]]["b",["b:name=eth0"]]'
    status_is d running
    assert_eq "$(endpoints_of d)" 'b eth0'
    # A definition that disappears in another way.
    rm "$state/networks/b.json"
    ip link delete nc-b
    assert_error 'netctr: start container `c`: network `b` does not exist; `netctr network disconnect -f b c` or `netctr network create b`' \
        125 netctr start c
    netctr network connect default c
    assert_error 'netctr: start container `c`: network `b` does not exist; `netctr network disconnect -f b c` or `netctr network create b`' \
        125 netctr start c
    netctr network disconnect -f b c
    netctr start c
    assert_eq "$(endpoints_of c)" 'default eth0'
    assert_contains "$(netctr port c)" 0.0.0.0:8080
}
t 'rm names stopped users, -f disconnects them, and start names a network that is gone' gone

not_there() {
    assert_eq "$(netctr network rm -f nowhere 2>&1)" ''
    assert_error 'netctr: no such network `nowhere`' 125 netctr network rm nowhere
    netctr network create a >/dev/null
    assert_eq "$(netctr network rm -f nowhere a elsewhere 2>&1)" a
    assert_eq "$(netctr rm -f nobody 2>&1)" ''
    netctr run -d --name c "$box" true >/dev/null
    assert_eq "$(netctr rm -f nobody c nobody 2>&1)" c
    assert_error 'netctr: no such container `nobody`' 125 netctr rm nobody
    # A network that no longer exists but is named by a stopped container.
    netctr network create a >/dev/null
    netctr run -d --name c --network a "$box" true >/dev/null
    wait_for 5 status_is c exited
    rm "$state/networks/a.json"
    assert_error 'netctr: no such network `a`' 125 netctr network rm a
    netctr network rm -f a
    assert_eq "$(networks_of c)" '["none",[]]'
}
t 'rm -f of something that does not exist succeeds without output' not_there

dead() {
    both
    netctr run -d --name c --network a "$box" sleep 100 >/dev/null
    kill -KILL "$(monitor_of c)"
    netctr network connect b c
    netctr network disconnect -f a c
    assert_eq "$(networks_of c)" '["b",["b"]]'
    netctr start c
    assert_eq "$(endpoints_of c)" 'b eth0'
}
t 'a container whose monitor was killed' dead

while_it_starts() {
    both
    netctr run -d --name c --network a "$box" sleep 100 >/dev/null
    local round change starter
    for round in 1 2 3 4 5 6 7 8; do
        for change in connect disconnect; do
            netctr stop -t 0 c >/dev/null
            netctr start c >/dev/null &
            starter=$!
            sleep "0.00$round"
            netctr network $change b c
            wait $starter
            assert_eq "$(netctr inspect c | jq -r '.[0] | .network + " " + (.endpoints | map(.network) | join(","))')" \
                "$([ $change = connect ] && echo a,b a,b || echo a a)"
        done
    done
}
t 'connect and disconnect during a start: each is done completely' while_it_starts

claimed_meanwhile() { # the definition is changed between its reading and its claim
    strace -o /dev/null true 2>/dev/null || skip 'no permission to trace'
    both
    netctr run -d --name c --network a -p 8080:80 "$box" sleep 100 >/dev/null
    netctr stop -t 0 c >/dev/null
    strace -f -qq -o "$tmp/trace" -e trace=bind,listen -e inject=listen:delay_enter=400000 netctr start c >"$tmp/out" 2>&1 &
    wait_for 5 grep -q 'bind(.*8080' "$tmp/trace"
    netctr network connect b c
    wait_for 15 has -x c "$tmp/out" # strace follows its monitor
    assert_eq "$(endpoints_of c)" 'a eth0 b eth1'
}
t 'a change between the reading of the definition and its claim is not lost' claimed_meanwhile

killed() {
    strace -o /dev/null true 2>/dev/null || skip 'no permission to trace'
    both
    netctr run -d --name c --network a "$box" sleep 100 >/dev/null
    netctr stop -t 0 c >/dev/null
    local call networks
    for call in write rename renameat renameat2 fsync fdatasync; do
        strace -f -qq -o /dev/null -e "inject=$call:signal=KILL:when=1" netctr network connect b c >/dev/null 2>&1 || true
        networks=$(networks_of c)
        [ "$networks" = '["a",["a"]]' ] || [ "$networks" = '["a,b",["a","b"]]' ] || fail "$networks"
        netctr network connect b c 2>/dev/null || true
        assert_eq "$(networks_of c)" '["a,b",["a","b"]]'
        netctr network disconnect b c
    done
}
t 'kill -9 of the client: the definition is the old or the new one' killed

# ---- ports -------------------------------------------------------------------------------------------

ports() {
    both
    netctr run -d --name c --network a --network b -p 8080:80 "$box" httpd -f -h /etc >/dev/null
    netctr stop -t 0 c
    netctr network disconnect a c
    netctr network disconnect b c
    assert_eq "$(netctr inspect c | jq -c '.[0].publish')" '["8080:80"]'
    assert_eq "$(netctr start c 2>&1)" 'netctr: warning: container `c` does not publish 8080:80/tcp: its networks cannot publish them
c'
    assert_eq "$(netctr port c)" ''
    assert_eq "$(netctr inspect c | jq -c '.[0] | [.published, .unpublished]')" '[[],["8080:80/tcp"]]'
    netctr stop -t 0 c
    netctr network connect b c
    netctr start c
    assert_contains "$(netctr port c)" '80/tcp -> 0.0.0.0:8080'
    wait_for 5 in_lan curl -sf --noproxy '*' -o /dev/null http://192.0.2.2:8080/passwd
}
t 'the ports of a stopped container are set aside as well' ports

# ---- sharers -----------------------------------------------------------------------------------------

# The network stays as long as one of them lives (shared_sandbox.sh). A container that shares one starts if any of them
# does.
sharers() {
    netctr run -d --name own "$box" sleep 100 >/dev/null
    netctr run -d --name mate --network container:own "$box" sleep 100 >/dev/null
    netctr run -d --name third --network container:mate "$box" sleep 100 >/dev/null
    local address
    address=$(address_of own)
    has_network() { # NAME
        in_network_of "$1" ip -oneline address show dev eth0 | has "$address/"
    }
    assert_eq "$(netctr restart -t 0 own 2>&1)" own
    has_network own
    has_network third
    assert_eq "$(netctr stop -t 0 own 2>&1)" own
    assert_eq "$(netctr restart -t 0 mate 2>&1)" mate
    has_network mate
    assert_eq "$(netctr stop -t 0 mate third 2>&1)" 'mate
third'
    assert_error 'netctr: start container `mate`: container `own` is not running; `netctr start own` starts it' 125 netctr start mate
    netctr start nobody mate 2>"$tmp/said" || assert_eq $? 125
    assert_eq "$(cat "$tmp/said")" 'netctr: warning: start container `mate`: container `own` is not running; `netctr start own` starts it
netctr: no such container `nobody`'
    assert_error 'netctr: container `own` is not running; `netctr start own` starts it' 125 netctr run --network container:own "$box" true
    netctr start own
    address=$(address_of own)
    netctr start mate
    # All of them at once: the owner first, whatever the order of the arguments.
    assert_eq "$(netctr restart -t 0 mate own 2>&1)" 'own
mate'
    has_network mate
    assert_eq "$(netctr rm -f own 2>&1)" own
    has_network mate
    assert_eq "$(netctr rm -f mate third 2>&1)" 'mate
third'
    # A restart policy keeps the namespace as well.
    netctr run -d --name own --restart always "$box" sleep 100 >/dev/null
    netctr run -d --name mate --network container:own "$box" sleep 100 >/dev/null
    kill -KILL "$(pid_of own)"
    wait_for 10 eval '[ "$(state_of own restarts)" = 1 ] && status_is own running'
    in_network_of mate ip -oneline address show dev eth0 | has 10.88.0.
}
t 'containers that share a network: stopped, restarted and removed one by one' sharers

several() {
    netctr network create a >/dev/null
    netctr run -d --name c "$box" sleep 100 >/dev/null
    assert_status 1 netctr inspect nobody c neither >"$tmp/out" 2>"$tmp/err"
    assert_eq "$(jq -r '.[].name' "$tmp/out")" c
    assert_eq "$(cat "$tmp/err")" 'netctr: warning: no such container `neither`
netctr: no such container `nobody`'
    assert_status 1 netctr network inspect a nowhere default >"$tmp/out" 2>"$tmp/err"
    assert_eq "$(jq -r '.[].name' "$tmp/out" | xargs)" 'a default'
    assert_eq "$(cat "$tmp/err")" 'netctr: no such network `nowhere`'
    assert_error 'netctr: no such network `nowhere`' 125 netctr network inspect nowhere
}
t 'inspect prints those that exist' several
