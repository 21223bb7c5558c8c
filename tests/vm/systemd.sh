#!/usr/bin/env bash
# netctr on a host whose PID 1 is systemd, in a disposable machine of scripts/vmtest: no arena, the containers are on
# this host. systemd manages the cgroup tree as well, and udev sees every link.
# shellcheck disable=SC2317 # t calls the functions
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
box=$top/build/tests/rootfs-busybox
work=$(mktemp -d)
export PATH=$top/${NETCTR_BUILD:-build}:$PATH LC_ALL=C

if [ ! -e /run/vm/directory ] || [ ! -d /run/systemd/system ]; then
    echo 'not ok - systemd: only in a machine of scripts/vmtest --systemd'
    exit 1
fi

some_test_failed=0
t() { # NAME FUNCTION
    local status=0
    (
        set -E
        trap 'echo "status $?: $BASH_COMMAND"' ERR
        "$2"
    ) >"$work/output" 2>&1 &
    wait $! || status=$?
    netctr ps -aq | xargs -r netctr rm -f >/dev/null
    systemctl stop 'test-*' 2>/dev/null || true
    systemctl reset-failed 2>/dev/null || true
    if [ $status = 0 ]; then
        printf 'ok - systemd: %s\n' "$1"
    else
        printf 'not ok - systemd: %s: %s\n' "$1" "$(tail -1 "$work/output")"
        sed 's/^/    | /' "$work/output"
        some_test_failed=1
    fi
}

assert_eq() { # ACTUAL EXPECTED [WHAT]
    [ "$1" = "$2" ] || { echo "${3-value}: got \`$1', expected \`$2'" && exit 1; }
}

wait_for() { # COMMAND...
    local _
    for _ in $(seq 300); do
        ! "$@" >/dev/null 2>&1 || return 0
        sleep 0.1
    done
    echo "never came true: $*"
    exit 1
}

page() { # TEXT
    [ "$(curl -s --max-time 5 http://127.0.0.1:8080/)" = "$1" ]
}
# A web server on port 8080, started by the given command.
server() { # COMMAND... NAME
    # shellcheck disable=SC2016 # the container expands it
    "${@:1:$#-1}" --name "${!#}" -m 64m --cpus 0.5 -p 8080:80 "$box" \
        sh -c 'mkdir /www; echo "$1" >/www/index.html; exec httpd -f -h /www' sh "${!#}"
}

cgroup_of() { # NAME
    sed -n 's/^0:://p' "/proc/$(netctr inspect "$1" | jq .[0].state.pid)/cgroup"
}
instance() {
    netctr info --format json | jq -r .instance
}
in_force() { # NAME
    local dir
    dir=/sys/fs/cgroup$(cgroup_of "$1")
    assert_eq "$dir" "/sys/fs/cgroup/netctr/$(instance)/$(netctr inspect "$1" | jq -r .[0].id)" cgroup
    assert_eq "$(cat "$dir/memory.max")" 67108864 memory.max
    assert_eq "$(cat "$dir/cpu.max")" '50000 100000' cpu.max
}
nothing_left() {
    wait_for no_cgroup
    wait_for no_veth
    assert_eq "$(netctr ps -aq)" '' containers
}
no_cgroup_after_gc() { netctr gc && no_cgroup; }
no_cgroup() { [ "$(find /sys/fs/cgroup/netctr -mindepth 2 -type d | wc -l)" = 0 ]; }
no_veth() { [ -z "$(ip link show type veth | grep vc-)" ]; }

from_a_shell() {
    server netctr run -d web
    wait_for page web
    in_force web
    netctr exec web true
    netctr stop -t 0 web
    netctr rm web
    nothing_left
}
t 'from a shell' from_a_shell

from_systemd_run() {
    assert_eq "$(systemd-run --quiet --wait --pipe netctr run --rm -m 64m "$box" cat /sys/fs/cgroup/memory.max)" 67108864
    # Keeps a scope that was started in the background alive after its first command has ended.
    server systemd-run --quiet --scope --unit=test-scope netctr run -d web
    wait_for page web
    in_force web
    netctr rm -f web
    nothing_left
}
t 'from systemd-run' from_systemd_run

# A unit that is a container, whose program exits on request.
unit() { # DELEGATE
    cat >/run/systemd/system/test-web.service <<-END
	[Service]
	Delegate=$1
	ExecStart=$(command -v netctr) run --rm --name web -m 64m --cpus 0.5 -p 8080:80 $box sh -c 'trap "exit 0" TERM; mkdir /www; echo web >/www/index.html; httpd -h /www; while :; do sleep 0.2; done'
	END
    systemctl daemon-reload
}

as_a_unit() {
    local delegate
    for delegate in yes no; do
        unit "$delegate"
        systemctl start test-web
        wait_for page web
        in_force web
        systemctl restart test-web
        wait_for page web
        in_force web
        systemctl stop test-web
        assert_eq "$(systemctl show -P Result test-web)" success
        nothing_left
        # The kernel ends the container of a process that systemd kills; the next command does the rest.
        systemctl start test-web
        wait_for page web
        systemctl kill --signal=KILL test-web
        wait_for no_cgroup_after_gc
        nothing_left
    done
}
t 'as a unit, with Delegate and without' as_a_unit

reloads() {
    server netctr run -d web
    wait_for page web
    local before
    before=$(sort </sys/fs/cgroup/cgroup.subtree_control)
    systemctl daemon-reload
    systemctl daemon-reexec
    # systemd walks the controllers of the root when a unit starts or stops.
    systemd-run --quiet --wait -p CPUWeight=50 -p MemoryMax=1G true
    systemctl daemon-reload
    in_force web
    page web
    echo "controllers: $before, now $(cat /sys/fs/cgroup/cgroup.subtree_control)"
    netctr exec web true
    assert_eq "$(netctr run --rm -m 32m --pids-limit 9 "$box" cat /sys/fs/cgroup/memory.max)" 33554432
    # And at rest, when no container needs them.
    netctr rm -f web
    systemctl daemon-reload
    server netctr run -d web
    wait_for page web
    in_force web
}
t 'daemon-reload and daemon-reexec change nothing' reloads

links() {
    ip -oneline link show | awk '/ (nc|vc)-/ { print $2, $0 }' | sed -E 's/<[^>]*>//; s/ state [A-Z]+//'
    ip -oneline address show | grep -E ' (nc|vc)-' | grep -v 'inet6 fe80'
    (cd /proc/sys/net && grep -H . ipv4/conf/nc-default/route_localnet \
        ipv6/conf/nc-default/{accept_ra,autoconf,accept_dad,disable_ipv6})
}

udev() {
    systemctl start systemd-networkd
    server netctr run -d web
    wait_for page web
    links >"$work/before"
    grep -q nc-default "$work/before" && grep -q vc- "$work/before"
    # A udev that starts late sees each link as new.
    udevadm trigger --action=add --subsystem-match=net
    udevadm settle
    networkctl reload
    systemctl restart systemd-networkd
    wait_for networkctl list nc-default
    udevadm settle
    links >"$work/after"
    diff "$work/before" "$work/after"
    page web
    # "set" (3): udev assigns its own address to a link with a random one (1).
    local link
    for link in nc-default "$(basename /sys/class/net/vc-*)"; do
        assert_eq "$(cat "/sys/class/net/$link/addr_assign_type")" 3 "$link"
    done
    networkctl list --no-legend | awk '$2 ~ /^(nc|vc)-/' | tee "$work/managed"
    assert_eq "$(awk '$5 != "unmanaged"' "$work/managed")" '' 'managed by networkd'
    systemctl stop systemd-networkd.socket systemd-networkd
}
t 'udev and networkd leave names, MACs, addresses and sysctls alone' udev

boot_unit() {
    sed "s|@BINDIR@|$top/${NETCTR_BUILD:-build}|" "$top/scripts/netctr-boot.service" \
        >/run/systemd/system/netctr-boot.service
    systemctl daemon-reload
    server netctr run -d --restart always web
    netctr run -d --name plain --network none "$box" sleep 1000
    netctr run -d --name kept --network none --restart unless-stopped "$box" sleep 1000
    netctr run -d --name stopped --network none --restart unless-stopped "$box" sleep 1000
    netctr stop -t 0 web plain stopped
    systemctl start netctr-boot
    wait_for page web
    assert_eq "$(netctr ps -q | wc -l)" 2 'containers'
    assert_eq "$(systemctl is-active netctr-boot)" active
    netctr start plain
    systemctl stop netctr-boot
    assert_eq "$(netctr ps -q | wc -l)" 0 'containers after the unit has stopped'
    systemctl start netctr-boot
    wait_for page web
    assert_eq "$(netctr ps --format json | jq -r '.[].name' | sort | xargs)" 'kept web'
}
t 'netctr-boot.service starts containers with a policy, and stops all' boot_unit

healthy() {
    systemctl is-system-running || { systemctl list-units --failed && exit 1; }
}
t 'systemd reports no failures' healthy

rm -rf "$work"
exit $some_test_failed
