#!/usr/bin/env bash
# As many ports as a bridge can have.
. "$(dirname "$0")/../lib.sh"

full_bridge() {
    warm_up
    netctr network create --subnet 10.71.0.0/16 a
    netctr run -d --name c --network a "$box" sleep 100 >/dev/null
    local n
    for n in $(seq 511); do # both ends are ports
        echo "link add p$n master nc-a type veth peer name q$n"
        echo "link set q$n master nc-a"
    done | ip -batch -
    assert_eq "$(find /sys/class/net/nc-a/brif/ -mindepth 1 | wc -l)" 1023
    snapshot
    assert_fails netctr run -d --name d --network a "$box" sleep 100 2>"$tmp/err"
    assert_eq "$(cat "$tmp/err")" 'netctr: network `a`: bridge `nc-a` is full: the kernel allows 1,023 ports'
    assert_clean
    ip link del p1
    netctr run --rm --network a "$box" true
    netctr rm -f c
    for n in $(seq 2 511); do echo "link del p$n"; done | ip -batch -
}
# moby #44973, #31100
t 'port 1,024 of a bridge: a clear message, nothing left' full_bridge
