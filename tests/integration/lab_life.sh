#!/usr/bin/env bash
# A lab from its file: up, what is in it, restart, down; what is left behind.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/helpers.sh"

tidy_too() {
    netctr lab down --all >/dev/null 2>&1 || true
}

two_lans() {
    warm_up
    snapshot
    netctr lab up -v "$top/labs/two-lans.clab.yml" 2>&1
    netctr lab inspect two-lans
    netctr lab exec -n two-lans h1 ping -c 1 -W 2 10.0.2.10
    netctr lab exec -n two-lans h1 ping -c 1 -W 2 r1
    netctr lab exec -n two-lans r1 ip route
    netctr ps
    netctr lab restart -n two-lans r1
    netctr lab exec -n two-lans h1 ping -c 1 -W 2 10.0.2.10
    netctr lab down two-lans
    assert_clean
}
t 'two LANs and a router' two_lans
