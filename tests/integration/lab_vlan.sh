#!/usr/bin/env bash
# Switches that keep VLANs apart, where the kernel can: access ports, trunks between switches and to a router on a stick. Where it
# cannot, the link is refused by name and nothing is left.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/helpers.sh"

tidy_too() {
    netctr lab down --all >/dev/null 2>&1 || true
}
file=$tmp/t.clab.yml
write() {
    cat >"$file" <<END
name: t
mgmt: false
topology:
  defaults: {kind: linux, image: "$box", cmd: sleep 1000}
  nodes:
    a10: {}
    a20: {}
    b10: {}
    b20: {}
    plain: {}
    r: {exec: [ip link add link eth1 name eth1.20 type vlan id 20, ip addr add 10.0.0.9/24 dev eth1.20, ip link set eth1.20 up]}
    s1: {kind: bridge}
    s2: {kind: bridge}
  links:
    - {endpoints: ["a10:eth1", "s1:p1"], vlan: 10, ipv4: [10.0.0.1/24]}
    - {endpoints: ["a20:eth1", "s1:p2"], vlan: 20, ipv4: [10.0.0.2/24]}
    - {endpoints: ["s2:p1", "b10:eth1"], vlan: 10, ipv4: ["", 10.0.0.3/24]}
    - {endpoints: ["s2:p2", "b20:eth1"], vlan: 20, ipv4: ["", 10.0.0.4/24]}
    - {endpoints: ["s2:p3", "plain:eth1"], ipv4: ["", 10.0.0.5/24]}
    - {endpoints: ["s1:p3", "s2:p4"], trunk: [10-12, 20]}
    - {endpoints: ["s2:p5", "r:eth1"], trunk: [20]}
END
}
has_vlans() {
    unshare -n sh -c 'ip link add br0 type bridge vlan_filtering 1' 2>/dev/null
}
reaches() { # FROM ADDRESS
    netctr lab exec -n t "$1" ping -c 1 -W 2 "$2" >/dev/null
}

refused() {
    ! has_vlans || skip 'the kernel has VLAN filtering'
    warm_up
    snapshot
    write
    assert_error "netctr: $file:15: link: this kernel has no VLAN filtering on bridges; remove \`vlan\` and \`trunk\`" \
        125 netctr lab up -q "$file"
    assert_clean
}
t 'a kernel without VLAN filtering' refused

kept_apart() {
    has_vlans || skip 'the kernel has no VLAN filtering'
    warm_up
    snapshot
    write
    netctr lab up -q "$file" 2>"$tmp/said" || fail "$(cat "$tmp/said")"
    reaches a10 10.0.0.3
    reaches b20 10.0.0.2
    reaches a20 10.0.0.9
    assert_fails reaches a10 10.0.0.2
    assert_fails reaches a10 10.0.0.4
    assert_fails reaches b10 10.0.0.9
    assert_fails reaches plain 10.0.0.3
    assert_eq "$(netctr lab diff "$file")" ''
    # A port changes its VLAN while the lab runs; and what is saved comes up the same.
    sed -i 's/"a20:eth1", "s1:p2"\], vlan: 20/"a20:eth1", "s1:p2"], vlan: 10/' "$file"
    assert_contains "$(netctr lab diff "$file" || [ $? = 1 ])" '~ link a20:eth1 s1:p2: VLANs'
    netctr lab apply -q "$file"
    reaches a20 10.0.0.1
    assert_fails reaches a20 10.0.0.4
    # As many as there are; and a switch that has none any more lets tagged frames pass.
    sed -i 's/trunk: \[10-12, 20\]/trunk: 1-4094/' "$file"
    netctr lab apply -q "$file"
    reaches b20 10.0.0.9
    netctr lab save t >"$tmp/saved.clab.yml"
    netctr lab down t >/dev/null
    netctr lab up -q "$tmp/saved.clab.yml"
    reaches a20 10.0.0.3
    assert_fails reaches a20 10.0.0.4
    netctr lab down t >/dev/null
    write
    netctr lab up -q "$file"
    sed -i -e 's/ vlan: [0-9]*,//' -e 's/, trunk: [^]]*\]//' "$file"
    netctr lab apply -q "$file"
    reaches a10 10.0.0.4
    netctr lab exec -n t b10 ip link add link eth1 name eth1.20 type vlan id 20
    netctr lab exec -n t b10 ip addr add 10.20.0.1/24 dev eth1.20
    netctr lab exec -n t b10 ip link set eth1.20 up
    netctr lab exec -n t r ip addr add 10.20.0.2/24 dev eth1.20
    reaches b10 10.20.0.2
    netctr lab down t >/dev/null
    assert_clean
}
t 'VLANs are kept apart, over a trunk too' kept_apart
