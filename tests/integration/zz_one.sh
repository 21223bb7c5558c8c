#!/usr/bin/env bash
needs=nginx
. "$(dirname "$0")/../lib.sh"
. "$top/tests/helpers.sh"
one() {
    netctr lab up -v --image "frr=$debian" "$top/labs/clos.clab.yml" 2>&1 | tail -8 || true
    for i in 1 2 3 4 5 6 7 8; do sleep 2; netctr lab exec -n clos h1 ping -c1 -W1 10.1.2.10 >/dev/null && { echo reached after $((i*2)); break; }; done
    netctr lab exec -n clos l1 vtysh -c 'show bgp summary' 2>&1 | tail -12 || true
    netctr lab exec -n clos l1 ip route || true
    netctr logs clab-clos-l1 | tail -20
    netctr lab exec -n clos l1 ps ax | head -20 || true
    netctr lab down clos
    netctr lab up labs/ospf.clab.yml; sleep 10;  netctr lab exec -n ospf r1 birdc show ospf neighbors || true;  netctr lab exec -n ospf h1 ping -c1 -W2 10.0.2.10 || true
    netctr lab down ospf
    false
}
t 'one' one
