#!/usr/bin/env bash
# `netctr lab apply` and `lab diff`: a lab that is up becomes what its file says, and what stays is not disturbed.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/helpers.sh"

lab() { netctr lab "$@"; }
in_node() { # NODE COMMAND…
    netctr lab exec -n t "$@"
}
file=$tmp/t.clab.yml
started() { # NODE: when its program started
    netctr inspect --format '{{.StartedAt}}' "clab-t-$1" 2>/dev/null || netctr inspect "clab-t-$1" | grep -i started
}
namespace() { in_node "$1" readlink /proc/self/ns/net; }
write() {
    sed "s|@ROOT@|$box|" >"$file"
}
base() {
    write <<'END'
name: t
mgmt: false
topology:
  defaults: {kind: linux, image: "@ROOT@", cmd: sleep 1000}
  nodes:
    a: {}
    b: {exec: [ip link set lo up]}
    r: {env: {COLOUR: red}}
    sw: {kind: bridge}
  links:
    - {endpoints: ["a:eth1", "r:eth1"], ipv4: [10.1.0.2/24, 10.1.0.1/24]}
    - {endpoints: ["b:eth1", "r:eth2"], ipv4: [10.2.0.2/24, 10.2.0.1/24]}
    - {endpoints: ["r:eth3", "sw:p1"], ipv4: [10.3.0.1/24]}
END
}
tidy_too() {
    netctr lab down --all >/dev/null 2>&1 || true
}

nothing_to_do() {
    base
    lab up -q "$file"
    assert_eq "$(lab diff "$file")" ''
    assert_eq "$(lab apply -q "$file" 2>&1)" ''
    lab down t >/dev/null
}
t 'a lab that is what the file says is left alone' nothing_to_do

comes_and_goes() {
    warm_up
    snapshot
    base
    lab up -q "$file"
    local before said
    before=$(started a) ns=$(namespace a)
    write <<'END'
name: t
mgmt: false
topology:
  defaults: {kind: linux, image: "@ROOT@", cmd: sleep 1000}
  nodes:
    a: {gateway: 10.1.0.1}
    c: {gateway: 10.4.0.1}
    r: {env: {COLOUR: blue}}
    sw: {kind: bridge}
  links:
    - {endpoints: ["r:eth1", "a:eth1"], ipv4: [10.1.0.1/24, 10.1.0.3/24], mtu: 1400}
    - {endpoints: ["r:eth3", "sw:p1"], ipv4: [10.3.0.1/24]}
    - {endpoints: ["c:eth1", "r:eth4"], ipv4: [10.4.0.2/24, 10.4.0.1/24]}
END
    said=$(lab diff "$file" || [ $? = 1 ])
    assert_contains "$said" '- node b'
    assert_contains "$said" '- link b:eth1 r:eth2'
    assert_contains "$said" '+ node c'
    assert_contains "$said" '~ node r: env (its program starts again)'
    assert_contains "$said" '~ node a: gateway'
    assert_contains "$said" '~ link r:eth1 a:eth1: addresses'
    assert_contains "$said" '+ link c:eth1 r:eth4'
    assert_lacks "$said" sw
    assert_eq "$(lab apply --dry-run "$file")" "$said"
    in_node b true # nothing was done yet
    assert_eq "$(lab apply "$file" 2>/dev/null)" "$said"

    assert_eq "$(started a) $(namespace a)" "$before $ns"
    assert_eq "$(in_node a cat /sys/class/net/eth1/mtu) $(in_node r cat /sys/class/net/eth1/mtu)" '1400 1400'
    assert_contains "$(in_node a ip -4 -o addr show eth1)" 10.1.0.3/24
    assert_lacks "$(in_node a ip -4 -o addr show eth1)" 10.1.0.2/24
    in_node c ping -c 1 -W 2 10.1.0.3 >/dev/null
    assert_eq "$(in_node r sh -c 'echo $COLOUR')" blue
    assert_fails in_node r ip link show eth2 2>/dev/null
    assert_fails netctr inspect clab-t-b 2>/dev/null
    assert_eq "$(lab diff "$file")" ''
    lab test -n t >/dev/null 2>&1 || true
    base
    lab apply -q "$file"
    in_node b ping -c 1 -W 2 10.2.0.1 >/dev/null
    assert_fails netctr inspect clab-t-c 2>/dev/null
    lab down t >/dev/null
    assert_clean
}
t 'nodes and links come, go and change; a neighbour keeps running' comes_and_goes

mends() {
    base
    lab up -q "$file"
    netctr rm -f clab-t-b >/dev/null
    netctr kill clab-t-a >/dev/null
    in_node r ip link del eth3
    in_node r ip addr del 10.1.0.1/24 dev eth1
    local said
    wait_for 5 eval '! in_node a true 2>/dev/null'
    said=$(lab diff "$file" || [ $? = 1 ])
    assert_contains "$said" '~ node a: its program has ended'
    assert_contains "$said" '~ node b: its container is gone'
    assert_contains "$said" '~ link r:eth3 sw:p1: it is gone'
    assert_contains "$said" '~ link a:eth1 r:eth1: an address is gone'
    lab apply -q "$file"
    assert_eq "$(lab diff "$file")" ''
    in_node a ping -c 1 -W 2 10.1.0.1 >/dev/null
    in_node b ping -c 1 -W 2 10.2.0.1 >/dev/null
    lab down t >/dev/null
}
t 'what has changed by itself is mended' mends

# What the kernel or the relay does to a link follows the file, also where the link is made again.
round_trip() { # in ms, of the fastest of three
    in_node a ping -c 3 -i 0.2 -W 2 10.1.0.1 | awk -F'[=/ ]+' '/min/ { print int($(NF - 3)) }'
}
impairs() {
    base
    lab up -q "$file"
    sed -i 's|10.1.0.1/24\]}|10.1.0.1/24], delay: 40ms}|' "$file"
    assert_contains "$(lab diff "$file" || [ $? = 1 ])" '~ link a:eth1 r:eth1: impairments'
    lab apply -q "$file"
    [ "$(round_trip)" -ge 78 ] || fail "too fast: $(round_trip) ms"
    in_node r ip link del eth1
    lab apply -q "$file"
    [ "$(round_trip)" -ge 78 ] || fail "too fast after it was made again: $(round_trip) ms"
    lab set -n t a:eth1,r:eth1 none
    [ "$(round_trip)" -lt 40 ] || fail "too slow: $(round_trip) ms"
    assert_contains "$(lab diff "$file" || [ $? = 1 ])" '`lab set` or `lab link` changed it'
    lab apply -q "$file"
    [ "$(round_trip)" -ge 78 ] || fail "too fast after lab set: $(round_trip) ms"
    base
    lab apply -q "$file"
    [ "$(round_trip)" -lt 40 ] || fail "too slow: $(round_trip) ms"
    lab down t >/dev/null
}
t 'impairments follow the file' impairs

# A MAC address is made of the node's name; by its place in the file a new node would get that of another.
macs_differ() {
    base
    lab up -q "$file"
    local r
    r=$(in_node r cat /sys/class/net/eth1/address)
    sed -i -e '/^    b: /d' -e '/b:eth1/d' -e 's|^    sw: .*|    n: {}\n&|' "$file"
    printf '    - {endpoints: ["n:eth1", "sw:p2"]}\n' >>"$file"
    lab apply -q "$file"
    [ "$(in_node n cat /sys/class/net/eth1/address)" != "$r" ] || fail 'two interfaces have one MAC address'
    lab down t >/dev/null
}
t 'a new node has MAC addresses of its own' macs_differ

# What a variable of the environment held when the lab came up is what its file says, for commands that lack the variable too.
variables() {
    write <<'END'
name: t
mgmt: false
# variables: a comment of the user's
topology:
  defaults: {kind: linux, image: "@ROOT@", cmd: sleep 1000}
  nodes: {a: {env: {COLOUR: "${COLOUR:=none}"}}, b: }
  links: [{endpoints: ["a:eth1", "b:eth1"], ipv4: ["10.1.${NET}.1/24", "10.1.${NET}.2/24"]}]
END
    COLOUR=red NET=7 lab up -q "$file"
    in_node b ping -c 1 -W 2 10.1.7.1 >/dev/null
    assert_eq "$(COLOUR=red NET=7 lab diff "$file")" ''
    assert_contains "$(COLOUR=blue NET=7 lab diff "$file" || [ $? = 1 ])" '~ node a: env'
    assert_contains "$(COLOUR=red NET=8 lab diff "$file" || [ $? = 1 ])" '~ link a:eth1 b:eth1: addresses'
    lab set -n t a:eth1 rate=50mbit
    lab restart -n t a
    assert_eq "$(lab inspect --format json t | jq -r '.links[0].ends[0].impairments.rate')" 50mbit
    NET=8 lab apply -q "$file"
    NET=8 lab apply -q "$file"
    assert_eq "$(in_node a sh -c 'echo $COLOUR')" none
    in_node b ping -c 1 -W 2 10.1.8.1 >/dev/null
    assert_eq "$(grep -c '^# variables: \[' "$state/labs/t/topology.yml")" 1
    echo COLOUR=green >"$tmp/more"
    sed -i 's|^  nodes: .*|  nodes: {a: {env-files: [more]}, b: }|' "$file"
    assert_contains "$(NET=8 lab diff "$file" || [ $? = 1 ])" '~ node a: env'
    NET=8 lab apply -q "$file"
    assert_eq "$(in_node a sh -c 'echo $COLOUR')" green
    lab down t >/dev/null
}
t 'variables of the environment are those of when the lab came up' variables

fails() {
    warm_up
    snapshot
    base
    lab up -q "$file"
    local ns said
    ns=$(namespace a)
    # The command of the new node does not exist.
    sed -i -e 's|^    a: {}|    a: {gateway: 10.1.0.1}\n    x: {cmd: /no/such}|' -e '/b:eth1/d' "$file"
    said=$(lab apply "$file" 2>&1) && fail "it succeeded: $said"
    assert_contains "$said" /no/such
    assert_eq "$(namespace a)" "$ns"
    in_node b ping -c 1 -W 2 10.2.0.1 >/dev/null
    assert_fails netctr inspect clab-t-x 2>/dev/null
    base
    assert_eq "$(lab diff "$file")" ''
    # What cannot change.
    sed -i 's/^mgmt: false/mgmt: {network: other}/' "$file"
    assert_contains "$(lab apply "$file" 2>&1 || true)" '`mgmt` differs'
    lab down t >/dev/null
    assert_clean
}
t 'what fails leaves the lab as it was' fails

killed() {
    warm_up
    snapshot
    base
    lab up -q "$file"
    sed -i -e 's|^    a: {}|    a: {}\n    x: {startup-delay: 60}|' -e '/b:eth1/d' -e 's/red/blue/' "$file"
    netctr lab apply -q "$file" &
    local pid=$!
    wait_for 10 has_sandbox x
    kill -9 $pid
    wait $pid 2>/dev/null || true
    assert_contains "$(lab ls)" half-way
    netctr gc >/dev/null
    assert_contains "$(lab test -n t 2>&1 || true)" 'left half-way by a change'
    # Either way.
    base
    lab apply -q "$file"
    assert_eq "$(lab diff "$file")" ''
    in_node b ping -c 1 -W 2 10.2.0.1 >/dev/null
    assert_eq "$(in_node r sh -c 'echo $COLOUR')" red
    assert_contains "$(lab ls)" up
    lab down t >/dev/null
    assert_clean
}
has_sandbox() { # NODE
    netctr lab inspect -n t | grep -q "$1"
}
t 'a change that was killed is taken up again' killed
