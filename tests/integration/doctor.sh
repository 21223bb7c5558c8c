#!/usr/bin/env bash
# netctr doctor and the rest of the host: kernel, files, other programs, and netctr's own state.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/helpers.sh"
refusing_resolver

# doctor on a host where something is missing, with output as of `findings'; COMMAND... runs doctor.
findings_under() {
    "$@" netctr doctor --format json >"$tmp/findings" || true
    jq -r '.[] | .severity + ": " + .text' "$tmp/findings"
}

# ---- the kernel ----------------------------------------------------------------------------------

lacking_pieces() {
    strace -o /dev/null true 2>/dev/null || skip 'no permission to trace'
    injected() { ASAN_OPTIONS=detect_leaks=0 strace -f -qq -o /dev/null -e "inject=$1" netctr doctor --format json; }
    assert_lacks "$(findings_under)" 'the kernel has no'
    assert_contains "$(injected fsopen:error=ENODEV)" 'the kernel has no overlayfs'
    assert_contains "$(injected seccomp:error=EINVAL)" 'the kernel has no seccomp filters'
    # The kernel was only asked; nothing was created.
    assert_eq "$(nft list tables)" ''
    assert_lacks "$(ip link show)" nc-
}
t 'a kernel without overlayfs, without seccomp' lacking_pieces

no_inotify() {
    strace -o /dev/null true 2>/dev/null || skip 'no permission to trace'
    assert_lacks "$(findings_under)" 'inotify'
    injected() { ASAN_OPTIONS=detect_leaks=0 strace -f -qq -o /dev/null -e "inject=$1" netctr doctor --format json; }
    assert_contains "$(findings_under injected inotify_init1:error=EMFILE:when=4+)" \
        "warning: 3 of root's $(cat /proc/sys/fs/inotify/max_user_instances) instances of inotify are left"
}
t 'few instances of inotify are left' no_inotify

memory_files() {
    [ -e /proc/sys/vm/memfd_noexec ] || skip 'no vm.memfd_noexec'
    echo 2 >/proc/sys/vm/memfd_noexec
    assert_status 125 netctr run --rm "$box" true
    finds problem 'programs in memory cannot be executed (vm.memfd_noexec is 2)'
    cured
    netctr run --rm "$box" true
    echo 0 >/proc/sys/vm/memfd_noexec
}
t 'programs in memory cannot be executed' memory_files

no_tables() {
    assert_contains "$(findings_under setpriv --bounding-set -net_admin --inh-caps -net_admin)" \
        "problem: the kernel refuses netctr's firewall: "
    assert_contains "$(findings_under capsh --drop=cap_mknod --shell=/usr/bin/env --)" \
        'note: netctr lacks the capability '
}
t 'a firewall that the kernel refuses, a capability that was taken away' no_tables

no_cgroups() {
    assert_contains "$(findings_under unshare --mount sh -c 'umount --recursive --lazy /sys/fs/cgroup; exec "$@"' sh)" \
        'warning: no cgroups are mounted'
}
t 'no cgroups' no_cgroups

old_kernel() {
    warm_up
    # The file as netctr writes it, with the other answer, and as of another boot.
    local known
    known=$(cat "$run_state/leases/.expiry")
    echo "no ${known#* }" >"$run_state/leases/.expiry"
    finds note 'this kernel cannot give elements of nf_tables a lifetime'
    echo "yes ${known#* }" >"$run_state/leases/.expiry"
    finds_none 'a lifetime'
    echo 'no 00000000-0000-0000-0000-000000000000' >"$run_state/leases/.expiry"
    finds_none 'a lifetime'
    echo "$known" >"$run_state/leases/.expiry"
}
t 'a kernel without expiry' old_kernel

# ---- other programs ------------------------------------------------------------------------------

peers() {
    finds_none 'is here'
    nft add table inet firewalld
    nft add chain inet firewalld filter_FORWARD
    finds note 'firewalld is here (nf_tables table `firewalld`)'
    nft delete table inet firewalld
    nft 'table ip filter { chain DOCKER-USER { }; chain ufw-user-forward { }; chain LIBVIRT_FWI { }; }'
    finds note 'docker is here (nf_tables chains `DOCKER'
    finds note 'ufw is here (nf_tables chains `ufw-'
    assert_eq "$cure" 'ufw route allow in on nc-default && ufw route allow out on nc-default'
    finds note 'libvirt is here (nf_tables chains `LIBVIRT_'
    nft delete table ip filter
    ip link add lxdbr0 type bridge
    finds note 'LXD is here (link `lxdbr0`)'
    ip link del lxdbr0
    mkdir -p /run/podman
    touch /run/podman/podman.sock
    finds note 'podman is here (`/run/podman/podman.sock`)'
    rm -r /run/podman
    finds_none 'is here'
}
t 'docker, podman, firewalld, ufw, libvirt, LXD' peers

firewalld_cure() {
    netctr network create production-web-frontend
    netctr run -d --name c --network production-web-frontend "$box" sleep 100 >/dev/null
    local bridge=''
    bridge=$(netctr network inspect production-web-frontend | jq -r '.[0].bridge')
    # A stand-in for firewall-cmd that checks its arguments: an interface of a zone that accepts.
    cat >"$ARENA/bin/firewall-cmd" <<-'END'
	#!/bin/sh -eu
	case $* in
	'--permanent --zone=trusted --add-interface='*) echo "${3#*=}" >>"$TRUSTED" ;;
	--reload)
	    while read -r link; do
	        ip link show "$link" >/dev/null
	        nft "insert rule inet firewalld filter_FORWARD iifname $link accept; insert rule inet firewalld filter_FORWARD oifname $link accept; insert rule inet firewalld filter_INPUT iifname $link accept"
	    done <"$TRUSTED"
	    ;;
	*) exit 2 ;;
	esac
	END
    chmod +x "$ARENA/bin/firewall-cmd"
    export TRUSTED=$tmp/trusted
    reaches_out() { netctr exec c ping -c 1 -W 1 192.0.2.9 >/dev/null; }
    wait_for 5 reaches_out
    nft 'table inet firewalld { chain filter_FORWARD { type filter hook forward priority 10; ct state established accept; reject with icmpx admin-prohibited; };
        chain filter_INPUT { type filter hook input priority 10; ct state { established, related } accept; iifname { "lo", "eth0" } accept; reject with icmpx admin-prohibited; }; }'
    assert_fails reaches_out
    assert_fails netctr exec c nslookup c
    finds problem 'nf_tables chain `inet firewalld filter_INPUT` (hook input) drops'
    finds problem 'nf_tables chain `inet firewalld filter_FORWARD` (hook forward) drops'
    assert_contains "$cure" "--add-interface=$bridge &&"
    cured
    reaches_out
    netctr exec c nslookup -type=a c >/dev/null
    finds_none 'filter_INPUT'
    nft delete table inet firewalld
    netctr network rm -f production-web-frontend >/dev/null
}
t "firewalld's own fix for firewalld" firewalld_cure

# ---- files ---------------------------------------------------------------------------------------

elsewhere() { # doctor with other directories; nothing is created
    "$program" --root "$1" --run-root "$2" doctor --format json >"$tmp/findings" || true
    jq -r '.[] | .severity + ": " + .text' "$tmp/findings"
}

space() {
    mkdir "$tmp/small" "$tmp/few"
    mount -t tmpfs -o size=4m tmpfs "$tmp/small"
    mount -t tmpfs -o nr_inodes=500 tmpfs "$tmp/few"
    assert_contains "$(elsewhere "$tmp/small/root" /run/netctr)" \
        "warning: the file system of \`$tmp/small\` has 4 of 4 MiB left"
    dd if=/dev/zero of="$tmp/small/file" bs=1M count=5 2>/dev/null || true
    assert_contains "$(elsewhere "$tmp/small/root" /run/netctr)" \
        "problem: the file system of \`$tmp/small\` has 0 of 4 MiB left"
    assert_contains "$(elsewhere "$state" "$tmp/few/run")" \
        "warning: the file system of \`$tmp/few\` has 49"
    assert_lacks "$(elsewhere "$state" /run/netctr)" 'the file system of'
    assert_eq "$(find "$tmp/small" "$tmp/few" -mindepth 1)" "$tmp/small/file" 'what was made'
    umount "$tmp/small" "$tmp/few"
}
t 'no room, no inodes' space

unfit() {
    mkdir -p "$tmp/lower" "$tmp/over"
    mount -t overlay -o "lowerdir=$tmp/lower:$box" overlay "$tmp/over"
    assert_contains "$(elsewhere "$tmp/over/state" /run/netctr)" \
        "problem: \`$tmp/over\` is on an overlayfs, which cannot hold the upper layer of an overlay"
    umount "$tmp/over"
    assert_lacks "$(elsewhere "$tmp/over/state" /run/netctr)" 'upper layer'
    [ "$(stat -fc %T "$tmp")" = tmpfs ] ||
        assert_contains "$(elsewhere "$state" "$tmp/run")" "note: \`$tmp\` is not on a tmpfs"
    assert_lacks "$(elsewhere "$state" /run/netctr)" 'not on a tmpfs'
}
t 'a root on an overlayfs, a run root that outlives a reboot' unfit

# ---- our own state -------------------------------------------------------------------------------

# The helper would repair the firewall at once.
with_a_sleeping_helper() {
    netctr run -d --name web --publish 8080:80 "$box" sleep 100 >/dev/null
    nobody_watches
}

tables_gone() {
    with_a_sleeping_helper
    finds_none 'firewall tables'
    nft flush ruleset
    finds problem 'netctr'"'"'s firewall tables are missing, older than this netctr, or restored from a file, and 1 containers run on networks'
    cured
}
t 'the firewall is gone' tables_gone

# It may read, and change nothing.
no_permission() {
    warm_up
    assert_status 125 unshare --user --map-root-user netctr doctor >"$tmp/said" 2>"$tmp/errors"
    assert_contains "$(cat "$tmp/said")" "problem: the kernel refuses netctr's firewall: change the firewall: Operation not permitted
    cure: run netctr with CAP_NET_ADMIN for this host's network namespace"
    assert_contains "$(cat "$tmp/errors")" 'read the firewall'"'"'s tables: Operation not permitted'
}
t 'without the permission to use nf_tables' no_permission

rules_gone() {
    with_a_sleeping_helper
    nft flush chain inet netctr forward
    finds problem 'rules of chain netctr forward are missing'
    cured
    nft 'delete element inet netctr publish4 { tcp . 8080 }'
    finds problem 'the firewall: published port tcp 8080 is not in set'
    cured
    local set
    for set in macs addrs4 addrs6 nd_targets6; do
        netctr gc # else the helpers' successors would do it
        nobody_watches
        nft flush set bridge netctr_guard $set
        finds problem 'the firewall: guard of '
        cured
    done
}
t 'rules or elements are gone' rules_gone

leftovers() {
    netctr run -d --name k --publish 8080:80 "$box" sleep 100 >/dev/null
    local program_pid
    program_pid=$(pid_of k)
    nobody_watches
    kill -KILL "$(monitor_of k)"
    wait_for 5 sh -c "! kill -0 $program_pid 2>/dev/null"
    finds warning 'a killed command has left: dead container k'
    finds warning 'a killed command has left: dead container k' # doctor has cleaned up nothing
    cured
    netctr rm k
    mkdir "$state/containers/.removed-x"
    finds warning 'a killed command has left: directory .removed-x'
    cured
}
t 'a dead container, a leftover: netctr gc' leftovers

others_state() {
    netctr run -d --name web "$box" sleep 100 >/dev/null
    assert_contains "$(elsewhere "$tmp/root2" /run/netctr2)" \
        "problem: this host's firewall tables belong to another netctr (instance "
    [ ! -e "$tmp/root2" ]
    [ ! -e /run/netctr2 ]
    ip link add vc-00000000001 type veth peer name vx
    ip link set vc-00000000001 alias 'netctr 0123456789abcdef old on default'
    finds warning 'link `vc-00000000001` (netctr 0123456789abcdef old on default) belongs to another instance'
    cured
    finds_none 'another'
}
t "another instance's tables and links" others_state

after_a_reboot() {
    # The run directory is gone; the definitions of networks are not.
    warm_up
    mv "$run_state" "$tmp/run"
    findings
    [ ! -e "$run_state" ]
    assert_contains "$(jq -r .[].text "$tmp/findings")" 'belong to another netctr'
    mv "$tmp/run" "$run_state"
    finds_none 'belong to another netctr'
}
t 'state without a run directory' after_a_reboot

damaged() {
    warm_up
    cp "$state/networks/default.json" "$tmp/default.json"
    echo '{' >"$state/networks/default.json"
    finds problem 'state file `default.json` is damaged'
    assert_contains "$cure" "$state"
    cp "$tmp/default.json" "$state/networks/default.json"
    finds_none 'is damaged'
}
t 'a damaged definition is a finding' damaged

own_failure() {
    warm_up
    mv "$state/networks" "$tmp/networks"
    touch "$state/networks"
    assert_status 125 netctr doctor >"$tmp/text" 2>"$tmp/err"
    grep -q '^netctr: ' "$tmp/err"
    rm "$state/networks"
    mv "$tmp/networks" "$state/networks"
    netctr doctor >/dev/null
}
t 'a failure of its own: 125' own_failure

never_up() {
    # A network that has never been up has nothing to lock.
    warm_up
    cat >"$state/networks/tiny.json" <<-'END'
	{"schema": 1, "name": "tiny", "bridge": "nc-tiny", "subnet": "10.77.0.0/24",
	 "gateway": "10.77.0.1", "internal": false, "masquerade": true, "icc": true}
	END
    find "$state" "$run_state" | sort >"$tmp/before"
    findings
    find "$state" "$run_state" | sort | diff "$tmp/before" -
    # It is checked all the same.
    ip route add 10.77.0.0/25 dev eth0
    finds problem 'diverts packets from network `tiny` (10.77.0.0/24)'
    cured
    rm "$state/networks/tiny.json"
}
t 'a network that has never been up' never_up

text() {
    # The same as text, the worst first.
    nft 'table ip x { chain f { type filter hook forward priority 1; policy drop; }; }'
    assert_status 1 netctr doctor >"$tmp/text"
    head -1 "$tmp/text" | has '^problem: nf_tables chain `ip x f`'
    sed -n 2p "$tmp/text" | has "^    cure: nft 'insert rule ip x f"
    assert_eq "$(grep -c '^    cure: ' "$tmp/text")" "$(grep -vc '^    cure: ' "$tmp/text")"
    sh -euc "$(sed -n '2s/^    cure: //p' "$tmp/text")"
    netctr doctor >/dev/null
    nft delete table ip x
}
t 'as text: the worst first, each with its fix' text
