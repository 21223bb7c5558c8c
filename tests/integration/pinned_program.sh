#!/usr/bin/env bash
# Containers in a pinned sandbox (--network sandbox:ID), as a lab's nodes are: addresses and links are the sandbox's, and stay
# when the program ends, is started again, is killed or is removed.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/helpers.sh"

tools=$top/${NETCTR_BUILD:-build}/tests
export SANDBOX_IDS=1500000000
lab() {
    "$tools/sandboxes" "$state" "$run_state" "$@"
}
tidy_too() {
    local id
    for id in $(lab list 2>/dev/null | awk '$3 == "pinned" { print $1 }'); do lab destroy "$id"; done
}
address_in() { # ID
    lab in "$1" ip -4 -oneline address show dev eth0 | awk '{ sub("/.*", "", $4); print $4 }'
}
answers() { # ADDRESS
    [ "$(curl --silent --fail --noproxy '*' --max-time 2 "http://$1/")" = here ]
}
# shellcheck disable=SC2016 # the container expands it
web='mkdir -p /www; echo here >/www/index.html; exec httpd -f -p 80 -h /www'

keeps_its_network() {
    warm_up
    snapshot
    lab pinned aaaaaaaaaaaa node-a default
    local address index
    address=$(address_in aaaaaaaaaaaa)
    index=$(lab in aaaaaaaaaaaa cat /sys/class/net/eth0/ifindex 2>/dev/null || lab in aaaaaaaaaaaa ip -o link show eth0)
    netctr run -d --name node-a --network sandbox:aaaaaaaaaaaa "$box" sh -c "$web" >/dev/null
    wait_for 5 answers "$address"
    assert_contains "$(netctr exec node-a ip -4 address show eth0)" "$address"
    assert_contains "$(netctr exec node-a cat /etc/hosts)" "$address"
    # Its ids are those of the sandbox.
    assert_contains "$(netctr exec node-a cat /proc/self/uid_map)" "$SANDBOX_IDS"
    assert_eq "$(lab destroy aaaaaaaaaaaa 2>&1 | grep -c 'in use')" 1
    netctr restart -t 0 node-a >/dev/null
    wait_for 5 answers "$address"
    netctr kill node-a >/dev/null
    assert_eq "$(address_in aaaaaaaaaaaa)" "$address"
    netctr start node-a >/dev/null
    wait_for 5 answers "$address"
    # The monitor's death as well.
    kill -9 "$(monitor_of node-a)"
    wait_for 5 status_is node-a exited
    netctr gc
    assert_eq "$(address_in aaaaaaaaaaaa)" "$address"
    netctr start node-a >/dev/null
    wait_for 5 answers "$address"
    assert_eq "$(lab in aaaaaaaaaaaa cat /sys/class/net/eth0/ifindex 2>/dev/null || lab in aaaaaaaaaaaa ip -o link show eth0)" "$index"
    netctr rm -f node-a >/dev/null
    lab destroy aaaaaaaaaaaa
    assert_clean
}

wrong() {
    assert_error 'netctr: sandbox bbbbbbbbbbbb does not exist any more; `netctr lab up` brings the lab of a node up' 125 \
        netctr run --network sandbox:bbbbbbbbbbbb "$box" true
    assert_error 'netctr: invalid sandbox id `../x`' 125 netctr run --network sandbox:../x "$box" true
    netctr run -d --name own "$box" sleep 100 >/dev/null
    local id
    id=$(netctr inspect own | jq -r '.[0].id')
    assert_error "netctr: sandbox $id belongs to a container" 125 netctr run --network "sandbox:$id" "$box" true
    assert_error 'netctr: ports cannot be published with `--network sandbox:aaaaaaaaaaaa`' 125 \
        netctr run -p 80:80 --network sandbox:aaaaaaaaaaaa "$box" true
    lab pinned cccccccccccc node-c
    netctr run -d --name c --network sandbox:cccccccccccc "$box" sleep 100 >/dev/null
    assert_error 'netctr: container `c` uses the sandbox `cccccccccccc`: only a container with a network of its own can be connected to one' 125 \
        netctr network connect default c
    netctr rm -f own c >/dev/null
    lab destroy cccccccccccc
}

t 'a program in a pinned sandbox ends, restarts and is killed; the network stays' keeps_its_network
t 'sandboxes that are none are refused' wrong
