#!/usr/bin/env bash
# The samples in labs/ come up and pass their own tests; with FRR and BIRD of Debian.
needs=nginx
. "$(dirname "$0")/../lib.sh"
. "$top/tests/helpers.sh"

tidy_too() {
    netctr lab down --all >/dev/null 2>&1 || true
}
sample() { # NAME [FLAGS OF UP…]
    local name=$1
    shift
    warm_up
    snapshot
    netctr lab up -q "$@" "$top/labs/$name.clab.yml"
    netctr lab test "$name"
    netctr lab down "$name"
    assert_clean
}
home() { sample home; }
t 'a home router with NAT' home
shop() { sample shop; }
t 'a shop in two networks' shop
ipv6() { sample ipv6; }
t 'a site without IPv4' ipv6
ospf() { sample ospf; }
t 'an OSPF triangle with BIRD, and without one link' ospf
clos() { sample clos --image "frr=$debian"; }
t 'leaves and spines with FRR, and without one link' clos
tree() {
    python3 "$top/tests/bench/fat_tree.py" 6 | cmp - "$top/labs/fat-tree.clab.yml"
    sample fat-tree
}
t 'a fat tree of 99 nodes' tree

# What must not be reached counts.
fails() {
    netctr lab up -q "$top/labs/home.clab.yml"
    sed 's/  - laptop -> phone icmp/  - server -> laptop icmp/' "$top/labs/home.clab.yml" >"$top/labs/zz.clab.yml"
    local status=0
    netctr lab test --format tap --topo "$top/labs/zz.clab.yml" >"$tmp/said" 2>&1 || status=$?
    rm -f "$top/labs/zz.clab.yml"
    assert_eq $status 1
    assert_contains "$(cat "$tmp/said")" 'not ok 1'
    assert_contains "$(cat "$tmp/said")" 'ok 2'
    netctr lab test --format junit home >"$tmp/junit.xml"
    python3 -c 'import sys, xml.dom.minidom as m; s = m.parse(sys.argv[1]).getElementsByTagName("testcase"); assert len(s) == 4, len(s)' "$tmp/junit.xml"
    netctr lab test --format json home | jq -e 'length > 0' >/dev/null
    netctr lab down home
}
t 'a test that fails, and its reports' fails

# `kind: frr` of containerlab; and a management network of the file's own.
frr_kind() {
    local file=$tmp/t.clab.yml
    sed "s|@ROOT@|$debian|" >"$file" <<'END'
name: t
mgmt: {network: own, ipv4-subnet: 10.99.0.0/24, ipv4-range: 10.99.0.128/25}
topology:
  nodes:
    r:
      kind: frr
      image: "@ROOT@"
      cmd: sleep 1000
      startup-config: frr.conf
      extras: {frr: {daemons: [bgpd, ospfd]}}
END
    echo 'hostname r' >"$tmp/frr.conf"
    netctr lab up -q "$file"
    assert_eq "$(netctr lab exec -n t r cat /etc/frr/daemons | tr '\n' ' ')" 'bgpd=yes ospfd=yes vtysh_enable=yes '
    assert_eq "$(netctr lab exec -n t r cat /etc/frr/frr.conf)" 'hostname r'
    assert_contains "$(netctr lab exec -n t r ip -4 addr show eth0)" ' 10.99.0.1'
    sed 's/^name: t/name: u/; s/10.99/10.98/g' "$file" >"$tmp/u.clab.yml"
    assert_error 'netctr: management network `own` exists with other addresses; give it another name by `mgmt: {network: NAME}`' \
        125 netctr lab up "$tmp/u.clab.yml"
    netctr lab down t
    ! netctr network inspect own >/dev/null 2>&1 || fail 'the network stays'
}
t 'kind frr, and a management network with a range' frr_kind
