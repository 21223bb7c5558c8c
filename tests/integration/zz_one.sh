#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$top/tests/helpers.sh"
one() {
    for l in home ipv6 shop ospf; do
    echo "=== $l"; netctr lab up "$top/labs/$l.clab.yml" 2>&1 | tail -8 || true
    case $l in
    home) netctr lab exec -n home laptop nc -zvw2 203.0.113.9 80 2>&1|| true; netctr lab exec -n home server ping -c1 -W1 192.168.1.10 || true;;
    ipv6) netctr lab exec -n ipv6 h1 ping -c1 -W2 2001:db8:2::10 || true; netctr lab exec -n ipv6 h1 nc -zvw2 2001:db8:2::80 80 || true; netctr lab exec -n ipv6 r1 ip -6 route || true ;;
    shop) netctr lab exec -n shop client busybox wget -O - http://web/ || true; curl -s localhost:8080 || true; netctr ps ;;
    ospf) sleep 12; netctr lab exec -n ospf r1 birdc show ospf neighbors || true;  netctr lab exec -n ospf h1 ping -c1 -W2 10.0.2.10 || true; netctr logs clab-ospf-r1 | tail -5;;
    esac
    netctr lab inspect $l | head -20
    netctr lab down $l
    done
    false
}
t 'one' one
