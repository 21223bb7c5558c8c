#!/usr/bin/env bash
# Sandboxes without a program, made by a program that knows netctr/sandbox.h alone: they live without any process, and end
# when they are destroyed.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/helpers.sh"

tools=$top/${NETCTR_BUILD:-build}/tests
lab() {
    "$tools/sandboxes" "$state" "$run_state" "$@"
}
tidy_too() {
    local id
    for id in $(lab list 2>/dev/null | awk '{ print $1 }'); do lab destroy "$id"; done
    ip netns delete other 2>/dev/null || true
}
address_in() { # ID [INTERFACE]
    lab in "$1" ip -4 -oneline address show dev "${2-eth0}" scope global | awk '{ sub("/.*", "", $4); print $4 }'
}
# A server of tests/peer in its namespace. It answers when this returns.
serve_in() { # ID
    rm -f "$tmp/peer.$1"
    lab in "$1" peer serve "$1" tcp/80-81 udp/53 >"$tmp/peer.$1" 2>&1 &
    wait_for 5 grep -q listening "$tmp/peer.$1"
}
answers_lan() { # ID PORT [PROTO]
    in_lan peer ask "${3-tcp}" 192.0.2.2 "$2" 2>/dev/null | has "^$1 "
}
is_listed() { # "LIFE alive|dead" ID
    lab list | has "^$2 .* $1\$"
}
pings() { # ID ADDRESS
    lab in "$1" ping -q -c 1 -W 2 "$2" >/dev/null
}
# What the helper and commands do in passing.
all_that_cleans() {
    netctr gc
    netctr ps -a >/dev/null
    netctr network reload
}
rules_of() { # ADDRESS
    nft list ruleset | grep -F "$1" || true
}

# ---- pinned --------------------------------------------------------------------------------------

life() {
    netctr network create --ipv6 two
    warm_up
    netctr run --rm --network two "$box" true
    snapshot
    lab pinned aaaaaaaaaaaa node-a two
    lab pinned bbbbbbbbbbbb node-b two default
    local a b6 b
    a=$(address_in aaaaaaaaaaaa) b=$(address_in bbbbbbbbbbbb)
    pings aaaaaaaaaaaa "$b"
    pings bbbbbbbbbbbb "$a"
    b6=$(lab in bbbbbbbbbbbb ip -6 -oneline address show dev eth0 scope global | awk '{ sub("/.*", "", $4); print $4 }')
    pings aaaaaaaaaaaa "$b6"
    serve_in aaaaaaaaaaaa
    assert_contains "$(lab publish aaaaaaaaaaaa 8080:80 5353:53/udp)" '0.0.0.0:8080->80/tcp'
    answers_lan aaaaaaaaaaaa 8080
    answers_lan aaaaaaaaaaaa 5353 udp
    [ -z "$(ss -Hlnt 'sport = :8080')" ] || fail 'the host port is held'
    is_listed 'pinned alive' aaaaaaaaaaaa
    assert_eq "$(netctr network inspect two default | jq -c '[.[].differences]')" '[[],[]]'
    assert_contains "$(netctr network rm two 2>&1)" node-a
    # No process of netctr is left, and all that cleans up finds nothing to do.
    wait_for 5 helpers_rest
    all_that_cleans
    netctr gc >"$tmp/gc"
    [ ! -s "$tmp/gc" ] || fail "gc: $(cat "$tmp/gc")"
    answers_lan aaaaaaaaaaaa 8080
    pings aaaaaaaaaaaa "$b"
    lab unpublish aaaaaaaaaaaa 5353:53/udp
    ! answers_lan aaaaaaaaaaaa 5353 udp || fail 'it is still published'
    lab disconnect bbbbbbbbbbbb default
    lab connect bbbbbbbbbbbb default
    lab destroy aaaaaaaaaaaa
    ! answers_lan aaaaaaaaaaaa 8080 || fail 'it is still published'
    lab destroy aaaaaaaaaaaa
    lab destroy bbbbbbbbbbbb
    assert_eq "$(rules_of "$a")$(rules_of "$b")" ''
    [ ! -e "$run_state/pins" ] || fail 'the pins are left'
    kill -KILL %% && wait || true
    assert_clean
    netctr network rm two
}
t 'two on one network, published into, without a process; destroyed, they leave nothing' life

# ---- with ids of its own -------------------------------------------------------------------------

record_of() { # ID JQ-PATH
    jq -c "$2" "$run_state/sandboxes/$1/sandbox.json"
}
life_with_ids() {
    export SANDBOX_IDS=1342177280
    life
}
t 'the same with ids of their own' life_with_ids

owned() {
    local a
    netctr network create --ipv6 --sysctl net.ipv4.conf.IFNAME.rp_filter=2 --sysctl net.ipv6.conf.all.forwarding=1 \
        --sysctl net.ipv4.neigh.IFNAME.base_reachable_time_ms=4000 two
    SANDBOX_IDS=1342177280 lab pinned aaaaaaaaaaaa node-a two:rate=10mbit
    lab pinned bbbbbbbbbbbb node-b default
    assert_eq "$(record_of aaaaaaaaaaaa '[.owner, .uids, .gids]')" \
        '["ids","0:1342177280:65536","0:1342177280:65536"]'
    assert_eq "$(record_of bbbbbbbbbbbb '[.owner, .uids, .gids]')" '["host",null,null]'
    assert_eq "$(lab ids aaaaaaaaaaaa)" '0:1342177280:65536 0:1342177280:65536'
    assert_eq "$(lab ids bbbbbbbbbbbb)" host
    # Written from the host's side.
    assert_eq "$(lab in aaaaaaaaaaaa cat /proc/sys/net/ipv4/ping_group_range)" "$(printf '0\t2147483647')"
    assert_eq "$(lab in aaaaaaaaaaaa cat /proc/sys/net/ipv4/conf/eth0/rp_filter)" 2
    assert_eq "$(lab in aaaaaaaaaaaa cat /proc/sys/net/ipv6/conf/eth0/forwarding)" 1
    assert_eq "$(lab in aaaaaaaaaaaa cat /proc/sys/net/ipv4/neigh/eth0/base_reachable_time_ms)" 4000
    assert_contains "$(lab in aaaaaaaaaaaa tc qdisc show dev eth0)" 'rate 10Mbit'
    # It belongs to root in these ids: the files of its sysctls have the owner that the kernel takes for root.
    assert_eq "$(lab in aaaaaaaaaaaa stat -c %u /proc/sys/net/ipv4/ip_forward)" 1342177280
    assert_eq "$(lab in bbbbbbbbbbbb stat -c %u /proc/sys/net/ipv4/ip_forward)" 0
    # A second network, and the default route moves there; a rate that was changed is put back.
    lab connect aaaaaaaaaaaa default:gw-priority=5
    a=$(address_in aaaaaaaaaaaa eth1)
    pings bbbbbbbbbbbb "$a"
    serve_in aaaaaaaaaaaa
    lab publish aaaaaaaaaaaa 8080:80 >/dev/null
    answers_lan aaaaaaaaaaaa 8080
    lab in aaaaaaaaaaaa tc qdisc del dev eth0 root
    assert_contains "$(netctr network inspect two | jq -c '.[0].differences')" rate
    netctr network reload
    assert_contains "$(lab in aaaaaaaaaaaa tc qdisc show dev eth0)" 'rate 10Mbit'
    netctr run --rm "$box" ping -q -c 1 -W 2 node-a >/dev/null
    netctr doctor >"$tmp/doctor" || true
    assert_lacks "$(cat "$tmp/doctor")" 'cannot'
    lab disconnect aaaaaaaaaaaa two
    lab unpublish aaaaaaaaaaaa 8080:80
    lab connect aaaaaaaaaaaa two
    lab destroy aaaaaaaaaaaa
    lab destroy bbbbbbbbbbbb
    [ ! -e "$run_state/pins" ] || fail 'the pins are left'
}
t 'connected, published, limited, restored: one with ids of its own like one without' owned

# As another runtime makes it: the namespace of a process without privileges on the host.
owned_by_another() {
    local pid
    unshare --user --map-root-user --net sleep 1000 &
    pid=$!
    wait_for 5 own_netns $pid
    lab foreign cccccccccccc other /proc/$pid/ns/net default:rate=10mbit
    lab in cccccccccccc ping -q -c 1 -W 2 10.88.0.1 >/dev/null
    lab publish cccccccccccc 8080:80 >/dev/null
    is_listed 'foreign alive' cccccccccccc
    lab destroy cccccccccccc
    kill $pid
}
own_netns() { # PID
    [ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}
t 'a foreign namespace that another user namespace owns' owned_by_another

removed_network() {
    warm_up
    netctr network create two
    netctr run --rm --network two "$box" true
    snapshot
    lab pinned aaaaaaaaaaaa node-a default two
    lab publish aaaaaaaaaaaa 8080:80
    netctr network rm -f two
    pings aaaaaaaaaaaa 10.88.0.1
    assert_eq "$(lab in aaaaaaaaaaaa ip -oneline link show type veth | wc -l)" 1
    lab unpublish aaaaaaaaaaaa 8080
    lab destroy aaaaaaaaaaaa
    netctr network create two
    netctr run --rm --network two "$box" true
    lab pinned aaaaaaaaaaaa node-a two
    # Another mount namespace reaches it, and makes another.
    unshare --mount "$tools/sandboxes" "$state" "$run_state" connect aaaaaaaaaaaa default
    unshare --mount "$tools/sandboxes" "$state" "$run_state" pinned bbbbbbbbbbbb node-b two
    pings bbbbbbbbbbbb "$(address_in aaaaaaaaaaaa)"
    lab destroy aaaaaaaaaaaa
    lab destroy bbbbbbbbbbbb
}
t 'its network is removed; and commands in another mount namespace' removed_network

damaged() {
    warm_up
    lab pinned aaaaaaaaaaaa node-a default
    serve_in aaaaaaaaaaaa
    lab publish aaaaaaaaaaaa 8080:80
    echo x >"$run_state/sandboxes/aaaaaaaaaaaa/sandbox.json"
    netctr gc 2>/dev/null || true
    answers_lan aaaaaaaaaaaa 8080
    lab publish aaaaaaaaaaaa 8081:81 2>"$tmp/said" && fail 'it is changed'
    grep -q damaged "$tmp/said"
    lab destroy aaaaaaaaaaaa
    assert_eq "$(lab list)" ''
    ! answers_lan aaaaaaaaaaaa 8080 || fail 'it is still published'
    [ ! -e "$run_state/pins" ] || fail 'the pin is left'
}
t 'one with a damaged record is kept, and can be destroyed' damaged

flushed() {
    warm_up
    lab pinned aaaaaaaaaaaa node-a default
    serve_in aaaaaaaaaaaa
    lab publish aaaaaaaaaaaa 8080:80
    wait_for 5 helpers_rest
    nft flush ruleset
    # Nothing runs, so the next command restores the rules.
    netctr run --rm "$box" true
    answers_lan aaaaaaaaaaaa 8080
    wait_for 5 helpers_rest
    nft flush ruleset
    netctr gc
    answers_lan aaaaaaaaaaaa 8080
    nft flush ruleset
    lab pinned bbbbbbbbbbbb node-b default
    answers_lan aaaaaaaaaaaa 8080
    pings bbbbbbbbbbbb "$(address_in aaaaaaaaaaaa)"
    # The helper, when there is one.
    netctr run -d --name k "$box" sleep 1000
    wait_for 5 helpers_work
    nft flush ruleset
    wait_for 5 answers_lan aaaaaaaaaaaa 8080
    netctr rm -f k
    answers_lan aaaaaaaaaaaa 8080
}
t 'a flush of the ruleset: the next command, or the helper, restores their rules' flushed

with_containers() {
    netctr run -d --name k -p 8081:80 "$box" sleep 1000
    lab pinned aaaaaaaaaaaa node-a default
    serve_in aaaaaaaaaaaa
    lab publish aaaaaaaaaaaa 8080:80
    # shellcheck disable=SC2046
    kill -KILL $(helper_processes) "$(monitor_of k)"
    netctr gc
    answers_lan aaaaaaaaaaaa 8080
    netctr run --rm "$box" ping -q -c 1 -W 2 "$(address_in aaaaaaaaaaaa)"
    netctr run --rm "$box" ping -q -c 1 -W 2 node-a
    is_listed 'pinned alive' aaaaaaaaaaaa
}
t 'monitors and helpers are killed: it lives on, and containers reach it by address and name' with_containers

taken() {
    serve web -p 8080:80
    lab pinned aaaaaaaaaaaa node-a default
    lab pinned bbbbbbbbbbbb node-b default
    refused aaaaaaaaaaaa 8080 'container `web` publishes it'
    python3 -c 'import socket, time
s = socket.create_server(("", 8085)); time.sleep(1000)' &
    wait_for 5 listens 8085
    refused aaaaaaaaaaaa 8085 'another program listens there'
    lab publish aaaaaaaaaaaa 8090:80
    refused bbbbbbbbbbbb 8090 'container `node-a` publishes it'
    refused aaaaaaaaaaaa 8090 'container `node-a` publishes it'
    # Nor does a container that holds the socket take it.
    netctr run -d --name k -p 8090:80 "$box" sleep 1000 2>"$tmp/said" && fail 'the port is taken twice'
    assert_contains "$(cat "$tmp/said")" 'port 8090/tcp is in use on this host; container `node-a` publishes it'
    serve_in aaaaaaaaaaaa
    answers_lan aaaaaaaaaaaa 8090
    netctr network reload
    answers_lan aaaaaaaaaaaa 8090
    # Given up, it is free at once.
    lab unpublish aaaaaaaaaaaa 8090:80
    netctr publish web 8090:80
    answers_web() { in_lan curl -s --noproxy '*' --max-time 2 http://192.0.2.2:8090/ | has web; }
    answers_web
    refused aaaaaaaaaaaa 8090 'container `web` publishes it'
    answers_web
}
# Other keys, of the same port: no element is in the way, nor a socket.
collides() {
    local proto
    lab pinned aaaaaaaaaaaa node-a default
    lab pinned bbbbbbbbbbbb node-b default
    lab publish aaaaaaaaaaaa 8090:80 8091:81/udp 127.0.0.1:8092:80 127.0.0.2:8094:80
    taken_by_a 127.0.0.1:8090:80 8090/tcp
    taken_by_a 192.0.2.2:8091:81/udp 8091/udp
    taken_by_a 8092:80 8092/tcp
    # What does not collide.
    netctr run -d --name k -p 127.0.0.1:8094:80 -p 8091:81 -p 127.0.0.2:8092:80 "$box" sleep 1000
    lab publish bbbbbbbbbbbb 127.0.0.3:8094:80
    # Ports that are given up, also by the end of a sandbox, are free.
    lab unpublish aaaaaaaaaaaa 8090:80
    netctr publish k 127.0.0.1:8090:80
    netctr rm -f k
    lab destroy aaaaaaaaaaaa
    netctr run -d --name k -p 8092:80 -p 8091:81/udp "$box" sleep 1000
    lab destroy bbbbbbbbbbbb
    netctr publish k 8094:80
    [ ! -e "$run_state/sandboxes/.ports" ] || fail 'claims are left'
}
taken_by_a() { # PORT WORD
    lab publish bbbbbbbbbbbb "$1" >"$tmp/said" 2>&1 && fail "$1 is taken twice"
    assert_contains "$(cat "$tmp/said")" "port $2 is in use on"
    assert_contains "$(cat "$tmp/said")" 'container `node-a` publishes it'
    netctr run -d --name k -p "$1" "$box" sleep 1000 >"$tmp/said" 2>&1 && fail "$1 is taken twice"
    assert_contains "$(cat "$tmp/said")" "port $2 is in use on"
    assert_contains "$(cat "$tmp/said")" 'container `node-a` publishes it'
}
t 'a port on one address, and on every address: refused both ways' collides

# Publishing reads nothing of those who do not claim the port.
alone() {
    local calls i
    strace -o /dev/null true 2>/dev/null || skip 'no permission to trace'
    warm_up
    lab pinned aaaaaaaaaaaa node-a default
    lab publish aaaaaaaaaaaa 8090:80
    calls=$(calls_of_publish 8091)
    for i in {1..6}; do
        lab pinned bbbbbbbbbbb$i node-b$i default
        lab publish bbbbbbbbbbb$i 810$i:80
    done
    assert_eq "$(calls_of_publish 8092)" "$calls"
}
calls_of_publish() { # PORT
    strace -f -c -U calls,name -o "$tmp/calls" "$tools/sandboxes" "$state" "$run_state" publish aaaaaaaaaaaa "$1:80" >/dev/null
    awk '/openat/ { print $1 }' "$tmp/calls"
}
t 'publishing looks at no sandbox but those that claim the port' alone
listens() { [ -n "$(ss -Hlnt "sport = :$1")" ]; }
refused() { # ID PORT WHY
    local status=0
    lab publish "$1" "$2:80" >"$tmp/out" 2>&1 || status=$?
    assert_eq $status 1
    assert_contains "$(cat "$tmp/out")" "port $2/tcp is in use on this host"
    assert_contains "$(cat "$tmp/out")" "$3"
}
t 'a port that is taken is refused, and no other key is ever taken over' taken

of_the_dead() {
    netctr run -d --name k -p 8080:80 "$box" sleep 1000
    ip netns add other
    lab foreign cccccccccccc cni /run/netns/other default
    lab publish cccccccccccc 8090:80
    nobody_watches
    kill -KILL "$(monitor_of k)"
    ip netns delete other
    lab pinned aaaaaaaaaaaa node-a default
    serve_in aaaaaaaaaaaa
    refused aaaaaaaaaaaa 8080 '`netctr gc` removes container `k`, which is dead'
    # One without a monitor is cleaned up by the program that wants its port.
    lab publish aaaaaaaaaaaa 8090:80
    answers_lan aaaaaaaaaaaa 8090
    assert_lacks "$(lab list)" cccccccccccc
    # Two records claim a port, and the tables are rebuilt: the living one has it.
    netctr run -d --name n -p 8080:80 "$box" sh -c 'mkdir /www; echo n >/www/index.html; exec httpd -f -h /www'
    wait_for 5 http http://127.0.0.1:8080/
    nft flush ruleset
    netctr run --rm "$box" true
    http http://127.0.0.1:8080/ | has -x n
    netctr gc >/dev/null
    lab publish aaaaaaaaaaaa 8081:81
    answers_lan aaaaaaaaaaaa 8081
}
t 'ports of the dead: not taken before these are cleaned up' of_the_dead

# ---- foreign -------------------------------------------------------------------------------------

foreign() {
    warm_up
    ip netns add other
    snapshot
    lab foreign cccccccccccc cni default /run/netns/other 2>/dev/null && fail 'a network is no path'
    lab foreign cccccccccccc cni /run/netns/other default
    local c
    c=$(address_in cccccccccccc)
    ip netns exec other ping -q -c 1 -W 2 10.88.0.1
    all_that_cleans
    is_listed 'foreign alive' cccccccccccc
    # Another namespace at the same path: the sandbox is dead, and gc cleans up.
    ip netns delete other
    ip netns add other
    is_listed 'foreign dead' cccccccccccc
    lab connect cccccccccccc default && fail 'it is taken for the other'
    netctr gc | has sandbox
    assert_eq "$(lab list)" ''
    assert_eq "$(rules_of "$c")" ''
    assert_clean
    # It has links of its own.
    ip -n other link add eth0 type veth peer name eth9
    assert_contains "$(lab foreign cccccccccccc cni /run/netns/other default 2>&1)" 'has a link `eth0` already'
    lab connect cccccccccccc default:name=eth1
    lab destroy cccccccccccc
    ip -n other link delete eth0
    # A foreign namespace lives on when the sandbox is destroyed.
    lab foreign cccccccccccc cni /run/netns/other default
    lab destroy cccccccccccc
    assert_eq "$(ip netns exec other ip -oneline link show type veth)" ''
    assert_clean
    ip netns delete other
}
t "a foreign namespace, and another one at its path: told apart" foreign

reused_inode() {
    local inode _ same=0
    warm_up
    ip netns add other
    inode=$(stat -Lc %i /run/netns/other)
    lab foreign cccccccccccc cni /run/netns/other default
    ip netns delete other
    for _ in {1..400}; do
        ip netns add other
        [ "$(stat -Lc %i /run/netns/other)" != "$inode" ] || { same=1 && break; }
        ip netns delete other
    done
    [ $same = 1 ] || skip 'no inode was reused'
    is_listed 'foreign dead' cccccccccccc
    netctr gc >/dev/null
    assert_eq "$(lab list)" ''
}
t 'a namespace with the same path and the same inode is another one' reused_inode
