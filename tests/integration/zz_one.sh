#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$top/tests/helpers.sh"
one() {
    netctr lab up labs/two-lans.clab.yml
    netctr lab exec -n two-lans r1 sh -c 'echo 0 >/proc/sys/net/ipv4/ip_forward; cat /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/kernel/core_pattern; echo x > /proc/sys/vm/swappiness; grep proc /proc/self/mountinfo' 2>&1 || true
    netctr lab exec -n two-lans r1 sh -c 'sleep 30 & echo started'
    echo after
    netctr lab down two-lans
    cat >$tmp/w.clab.yml <<END
name: w
topology:
  nodes:
    a:
      kind: linux
      exec:
        - "sh -c 'sleep 20 & echo hi'"
        - "nohup sleep 30"
END
    sed -i '/nohup/d' $tmp/w.clab.yml
    time netctr lab up $tmp/w.clab.yml
    netctr lab down w
    netctr run -d --cap-add NET_ADMIN --name x $box sleep 100
    netctr exec x sh -c 'echo 0 >/proc/sys/net/ipv4/ip_forward' || true
    false
}
t 'one' one
