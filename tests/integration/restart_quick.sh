#!/usr/bin/env bash
# A start while the kernel is still removing the previous run.
. "$(dirname "$0")/../lib.sh"

again_and_again() {
    local i
    netctr run -d --name c --publish 8080:80 "$box" sleep 100 >/dev/null
    for i in $(seq 30); do netctr restart -t 0 c >/dev/null || fail "restart $i failed"; done
    netctr exec c ping -c 1 -W 1 192.0.2.9
    netctr rm -f c
}
t 'thirty restarts, one behind the other' again_and_again
