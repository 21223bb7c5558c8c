#!/usr/bin/env bash
# create: a container that has never run, until `start`.
. "$(dirname "$0")/../lib.sh"

httpd=(sh -c 'mkdir /www; echo created >/www/index.html; exec httpd -f -h /www')
answers() { http "http://$1/" | grep -qx created; }

waits_for_start() {
    local id
    id=$(netctr create --name a "$box" sh -c 'echo run; exit 3')
    assert_eq "$id" "$(netctr inspect a | jq -r '.[0].id')" id
    assert_eq "$(netctr inspect a | jq -c '.[0].state | [.status, .pid, .exit_status, .started, .lost]')" \
        '["created",0,null,null,null]'
    assert_eq "$(netctr ps)" "$(netctr ps --filter name=none)" 'it does not run'
    assert_contains "$(netctr ps -a)" ' Created '
    assert_eq "$(netctr ps -a --format json | jq -c '.[] | [.status, .exit_status]')" '["created",null]'
    assert_eq "$(netctr ps -q --filter status=created)" "$id"
    assert_eq "$(netctr ps -q --filter status=exited)" ''
    assert_error 'netctr: container `a` has not been started; `netctr start a` starts it' 125 netctr exec a true
    [ ! -e "$run_state/containers/a" ] || fail 'it has a run directory'
    netctr stop a
    netctr gc >/dev/null
    status_is a created
    netctr start a
    assert_eq "$(netctr wait a)" 3
    assert_eq "$(netctr logs a)" run
    status_is a exited
    netctr start a
    assert_eq "$(netctr wait a)" 3
}
t 'create makes a container that start runs' waits_for_start

has_a_network() {
    netctr network create --subnet 10.7.0.0/24 blue >/dev/null
    netctr create --name a --network blue:ip=10.7.0.9 -p 8080:80 -m 32m "$box" "${httpd[@]}" >/dev/null
    assert_eq "$(leases blue | wc -l)" 0
    assert_fails http http://192.0.2.2:8080/ 2>/dev/null
    netctr start a
    wait_for 5 answers 192.0.2.2:8080
    answers 10.7.0.9
    netctr rm -f a
    assert_fails http http://192.0.2.2:8080/ 2>/dev/null
}
t 'a created container gets its addresses and published ports when it starts' has_a_network

is_checked() {
    netctr run --rm "$box" true
    snapshot
    assert_fails netctr create --name a --network missing "$box" true 2>/dev/null
    assert_fails netctr create --name a --network container:missing "$box" true 2>/dev/null
    assert_fails netctr create --name a -d "$box" true 2>/dev/null
    assert_fails netctr create --name a "$box" 2>/dev/null
    netctr create --name a "$box" true >/dev/null
    assert_error 'netctr: container name `a` is in use; `netctr rm -f a` removes that container' 125 \
        netctr create --name a "$box" true
    assert_eq "$(names -a)" a
    netctr rm a
    assert_eq "$(names -a)" ''
    [ -z "$(ls "$state/ranges")" ] || fail 'its range of ids is still in use'
    assert_clean
}
t 'create refuses what run refuses, and rm removes a created container' is_checked

is_removed_at_its_end() {
    netctr create --rm --name a "$box" true >/dev/null
    netctr gc >/dev/null
    status_is a created
    netctr start a
    wait_for 5 eval '[ "$(names -a)" = "" ]'
    netctr create --rm --name a "$box" /missing >/dev/null
    assert_status 127 netctr start a 2>/dev/null
    assert_eq "$(names -a)" ''
}
t 'create --rm: the container is removed when it has run, or cannot' is_removed_at_its_end

joins_later() {
    netctr create --name owner "$box" sleep 100 >/dev/null
    netctr create --name member --network container:owner "$box" sh -c 'touch /own && sleep 100' >/dev/null
    assert_fails netctr start member 2>/dev/null
    status_is member created
    netctr start member owner # in the order that works
    status_is member running
    assert_eq "$(in_network_of owner readlink /proc/self/ns/net)" "$(in_network_of member readlink /proc/self/ns/net)"
    wait_for 5 netctr exec member test -e /own # its layer belongs to its root
    netctr restart member
    status_is member running
}
t 'a created container joins the network of one that was not running then' joins_later

stays_at_boot() {
    netctr create --restart always --name a "$box" sleep 100 >/dev/null
    netctr boot >/dev/null
    status_is a created
    netctr network create blue >/dev/null
    netctr network connect blue a
    status_is a created
    netctr start a
    assert_eq "$(netctr inspect a | jq -c '[.[0].endpoints[].network]')" '["default","blue"]'
}
t 'boot does not start a created container, and network connect leaves it created' stays_at_boot
