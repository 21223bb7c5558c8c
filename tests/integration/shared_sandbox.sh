#!/usr/bin/env bash
# Containers that share a sandbox (--network container:NAME): addresses and links are the sandbox's, and last as long as
# one of its containers lives; ports and names are those of the container that made it.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/helpers.sh"

host_gets() { # URL
    curl --silent --fail --noproxy '*' --max-time 2 "$1"
}
lan_gets() { # PORT
    in_lan curl --silent --fail --noproxy '*' --max-time 2 "http://192.0.2.2:$1/"
}
# Packets in both directions: to the sharer's server, and from it to the host.
mate_is_well() {
    [ "$(host_gets "http://$address:81/")" = mate ] &&
        netctr exec mate ping -c 1 -W 1 10.88.0.1 >/dev/null &&
        netctr exec mate ping -c 1 -W 1 "$neighbour" >/dev/null
}
resolves() { # NAME, asked by the neighbour
    netctr exec beside nslookup -type=a "$1" | grep -q "^Address: $address\$"
}
members() {
    find "$run_state/sandboxes" -name 'member.*' | wc -l
}
differences() {
    netctr network inspect default | jq -c '.[0].differences'
}

begin() {
    warm_up
    netctr run -d --name beside "$box" sleep 1000 >/dev/null
    wait_for 5 helpers_work
    neighbour=$(address_of beside)
    snapshot
    serve own -p 8080:80
    # shellcheck disable=SC2016 # the container expands it
    netctr run -d --name mate --network container:own "$box" \
        sh -c 'mkdir /www; echo mate >/www/index.html; exec httpd -f -p 81 -h /www' >/dev/null
    address=$(address_of own)
    wait_for 5 mate_is_well
    [ "$(lan_gets 8080)" = own ]
    resolves own
    assert_eq "$(members) $(differences)" '3 []'
}
# Its ports and names are gone, also for a client of [::1], and nothing else.
own_is_gone() {
    assert_fails lan_gets 8080
    assert_fails host_gets http://[::1]:8080/
    ! ss -Hlnt | has :8080 || fail 'its port is held'
    assert_fails resolves own
    mate_is_well
    assert_eq "$(differences)" '[]'
}
own_is_back() {
    wait_for 5 mate_is_well
    assert_eq "$(address_of own)" "$address"
    wait_for 5 lan_gets 8080
    assert_eq "$(lan_gets 8080) $(host_gets http://[::1]:8080/)" 'own own'
    resolves own
    assert_eq "$(differences)" '[]'
}
nothing_is_left() {
    netctr rm -f own mate >/dev/null
    assert_clean
    assert_eq "$(netctr gc)" ''
}

ended() {
    begin
    netctr stop -t 0 own
    own_is_gone
    assert_eq "$(members)" 2
    # Another container may have the port meanwhile, and not the address.
    serve other -p 8080:80
    assert_eq "$(lan_gets 8080)" other
    assert_fails netctr run --rm --network "default:ip=$address" "$box" true
    netctr start own 2>"$tmp/said" && fail 'the port is taken' || true
    assert_contains "$(cat "$tmp/said")" 'container `other` publishes it'
    mate_is_well
    assert_eq "$(members)" 3
    netctr rm -f other
    netctr start own
    own_is_back
    netctr restart -t 0 own
    own_is_back
    nothing_is_left
}
t 'the first one is stopped, started and restarted: the other keeps its network, the port goes and comes back' ended

removed() {
    begin
    netctr rm -f own
    own_is_gone
    netctr exec mate ping -c 1 -W 1 10.88.0.1 >/dev/null
    # A new one of the same name is another container.
    serve own -p 8080:80
    assert_eq "$(lan_gets 8080)" own
    [ "$(address_of own)" != "$address" ] || fail 'the address was given out twice'
    mate_is_well
    netctr rm -f own
    netctr rm -f mate
    assert_clean
    assert_eq "$(netctr gc)" ''
}
t 'the first one is removed: the other keeps its network, the last one takes it down' removed

killed() {
    begin
    local container
    for container in own mate; do
        kill -KILL "$(state_of $container monitor)"
        wait_for 5 [ ! -e "$run_state/containers/$container" ]
        if [ $container = own ]; then own_is_gone; else [ "$(lan_gets 8080)" = own ]; fi
        netctr start $container
        [ $container = mate ] || own_is_back
        wait_for 5 mate_is_well
    done
    kill -KILL "$(state_of mate monitor)" "$(state_of own monitor)"
    wait_for 5 [ ! -e "$run_state/containers/own" ]
    wait_for 5 [ ! -e "$run_state/containers/mate" ]
    assert_eq "$(members)" 1
    nothing_is_left
}
t 'kill -9 of either, and of both: the helper leaves nothing' killed

killed_unhelped() {
    local order container
    for order in 'own mate' 'mate own'; do
        netctr network create net >/dev/null
        netctr run -d --name own --network net -p 8080:80 "$box" sleep 1000 >/dev/null
        netctr run -d --name mate --network container:own "$box" sleep 1000 >/dev/null
        kill_helpers
        # shellcheck disable=SC2086
        for container in $order; do kill -KILL "$(state_of "$container" monitor)"; done
        netctr gc >/dev/null
        [ -z "$(ls "$run_state/sandboxes")" ] || fail "$order: $(ls "$run_state/sandboxes")"
        ! ip -oneline link show | has ': vc-' || fail 'a link is left'
        assert_eq "$(leases net)" ''
        assert_lacks "$(nft list ruleset)" 8080
        netctr rm own mate >/dev/null
        netctr network rm net
    done
}
t 'kill -9 of both without a helper: gc leaves nothing' killed_unhelped

changed_inside() {
    local change
    warm_up
    for change in 'ip link delete eth0' 'ip link set eth0 down; ip link set eth0 name foo' \
        'ip route delete default' 'ip address flush dev eth0'; do
        serve own -p 8080:80 --ip 10.88.0.77
        netctr run -d --name mate --cap-add NET_ADMIN --network container:own "$box" sleep 1000 >/dev/null
        netctr stop -t 0 own
        netctr exec mate sh -c "$change"
        netctr start own
        assert_eq "$(wait_for 5 lan_gets 8080 >/dev/null && lan_gets 8080)" own
        netctr exec mate ping -c 1 -W 1 192.0.2.9 >/dev/null
        assert_eq "$(netctr network inspect default | jq -c '.[0] | [.differences, .changed_inside]')" '[[],[]]'
        netctr rm -f own mate
    done
}
t 'one that shares changes the links while the first one is stopped: this one gets new links' changed_inside

changed_meanwhile() {
    begin
    netctr network create red --subnet 10.91.0.0/24 >/dev/null
    netctr network create blue --subnet 10.92.0.0/24 >/dev/null
    netctr network connect red own
    netctr exec mate ping -c 1 -W 1 10.91.0.1 >/dev/null
    netctr stop -t 0 own
    netctr exec mate ping -c 1 -W 1 10.91.0.1 >/dev/null
    netctr network connect blue own
    netctr exec mate ip -o link | has eth1
    assert_lacks "$(netctr exec mate ip -o link)" eth2
    # What its definition has lost, the sandbox loses at once; what it has gained comes with the next start.
    netctr network disconnect red own
    assert_lacks "$(netctr exec mate ip -o addr)" 10.91.
    netctr start own
    own_is_back
    netctr exec mate ip -o addr | has 10.92.
    netctr exec mate ping -c 1 -W 1 10.92.0.1 >/dev/null
    # Another default route, and the port follows it.
    netctr stop -t 0 own
    netctr network disconnect blue own
    netctr network connect --gw-priority 5 blue own
    netctr start own
    assert_contains "$(netctr exec mate ip route)" 'default via 10.92.0.1 dev eth1'
    netctr exec mate ip route | grep default | head -1 | has 10.92.0.1
    wait_for 5 lan_gets 8080
    assert_eq "$(differences)$(netctr network inspect blue | jq -c '.[0].differences')" '[][]'
    netctr rm -f own
    assert_error 'netctr: network `blue` is used by container `mate`; `netctr network rm -f blue` disconnects it first' \
        125 netctr network rm blue
    netctr network rm -f blue
    assert_lacks "$(netctr exec mate ip -o addr)" 10.92.
    mate_is_well
    netctr network rm red
    netctr rm -f mate
    assert_clean
}
t 'networks are connected and disconnected while the first one does not run' changed_meanwhile

chained() {
    begin
    netctr run -d --name third --network container:mate "$box" sleep 1000 >/dev/null
    netctr rm -f mate
    netctr rm -f own
    assert_eq "$(members)" 2
    netctr exec third ping -c 1 -W 1 "$neighbour" >/dev/null
    assert_error 'netctr: no such container `own`' 125 netctr run --rm --network container:own "$box" true
    netctr run --rm --network container:third "$box" ping -c 1 -W 1 "$neighbour" >/dev/null
    netctr rm -f third
    assert_clean
}
t 'three in a row: the last one has the network alone, and hands it on' chained

together() {
    begin
    local round
    for round in 1 2 3; do
        netctr restart -t 0 own &
        netctr restart -t 0 mate 2>"$tmp/said" &
        wait
        netctr start mate # refused before, if neither ran at that moment
        address=$(address_of own)
        wait_for 5 mate_is_well
        own_is_back
    done
    netctr rm -f own &
    netctr rm -f mate &
    wait
    assert_clean
    assert_eq "$(netctr gc)" ''
}
t 'both are restarted, and removed, at the same time' together
