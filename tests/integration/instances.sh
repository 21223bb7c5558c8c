#!/usr/bin/env bash
# Two instances of netctr on one machine, and netctr beside other programs: each touches only its own objects.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/helpers.sh"

# The same machine in another network namespace, with its own state unless that is given.
elsewhere() { # [FLAGS] COMMAND...
    nsenter --net=/run/netns/second "$program" --root "$tmp/root2" --run-root /run/netctr2 "$@"
}
second_host() {
    ip netns delete second 2>/dev/null || true
    ip netns add second
    nsenter --net=/run/netns/second ip link set lo up
}
no_second_host() {
    ip netns delete second
    rm -rf --one-file-system "$tmp/root2" /run/netctr2
}

side_by_side() {
    second_host
    serve one -p 8080:80
    # shellcheck disable=SC2016 # the container expands it
    elsewhere run -d --name one -p 8080:80 "$box" \
        sh -c 'mkdir /www; echo two >/www/index.html; exec httpd -f -h /www' >/dev/null
    wait_for 5 two_answers
    local round
    for round in 1 2 3; do
        wait_for 5 says_nothing netctr gc # a dying process may still be there
        wait_for 5 says_nothing elsewhere gc
        assert_eq "$(names) $(elsewhere ps -q | wc -l)" 'one 1'
        netctr network reload
        elsewhere network reload
        netctr run --rm "$box" true
        elsewhere run --rm "$box" true
    done
    http http://127.0.0.1:8080/ | has -x one
    two_answers
    # The death of one does not affect the other.
    kill -KILL "$(monitor_of one)"
    netctr gc >/dev/null
    two_answers
    wait_for 5 says_nothing elsewhere gc
    netctr rm -f one
    two_answers
    elsewhere rm -f one
    no_second_host
}
says_nothing() { [ -z "$("$@" 2>&1)" ]; }
two_answers() {
    [ "$(nsenter --net=/run/netns/second curl --silent --max-time 2 http://127.0.0.1:8080/)" = two ]
}
t 'two instances in two network namespaces: neither touches the other' side_by_side

same_run_root() {
    second_host
    serve one -p 8080:80
    local command there=(nsenter --net=/run/netns/second "$program" --root "$state" --run-root "$run_state")
    for command in ps gc 'rm -f one' 'stop one' 'network reload' info "run --rm $box true"; do
        # shellcheck disable=SC2086
        # shellcheck disable=SC2086
        refused "${there[@]}" $command
    done
    status_is one running
    http http://127.0.0.1:8080/ | has -x one
    # Its monitor and helpers are dead, but the run directory still belongs to the existing namespace.
    # shellcheck disable=SC2046
    kill -KILL $(helper_processes) "$(monitor_of one)"
    refused "${there[@]}" ps
    netctr gc >/dev/null
    assert_eq "$(names)" ''
    netctr rm one
    # No container runs there: it may change hands, and back.
    "${there[@]}" run -d --name two "$box" sleep 1000 >/dev/null
    refused netctr ps
    "${there[@]}" rm -f two
    netctr run --rm "$box" true
    no_second_host
}
refused() { # COMMAND...
    local status=0
    "$@" >"$tmp/stdout" 2>"$tmp/stderr" || status=$?
    assert_eq $status 125 "status of $*"
    assert_eq "$(wc -l <"$tmp/stderr")" 1 "lines of $*"
    grep -q "^netctr: .$run_state. belongs to another network namespace: container .* lives there; use netctr in" \
        "$tmp/stderr" || fail "$(cat "$tmp/stderr")"
}
t 'a run directory used from another network namespace: refused while containers run there' same_run_root

namespace_is_gone() {
    second_host
    local there=(nsenter --net=/run/netns/second "$program" --root "$state" --run-root "$run_state")
    "${there[@]}" run -d --name gone "$box" sleep 1000 >/dev/null
    local cgroups
    cgroups=$(find /sys/fs/cgroup -path '*/netctr/*/*' -type d | wc -l)
    [ "$cgroups" -gt 0 ]
    # The monitor is killed, its container with it, and the namespace is empty.
    kill -KILL "$("${there[@]}" inspect gone | jq -r '.[0].state.monitor')"
    ip netns delete second
    wait_for 5 nobody_is_elsewhere
    netctr ps 2>&1 | tee "$tmp/ps"
    assert_eq "$(wc -l <"$tmp/ps")" 1
    assert_eq "$(state_of gone exit_status)" 137
    no_cgroups() { [ -z "$(find /sys/fs/cgroup -path '*/netctr/*/*' -type d)" ]; }
    wait_for 3 no_cgroups
    netctr rm gone
    wait_for 5 says_nothing netctr gc
}
nobody_is_elsewhere() { ! pgrep -x sleep >/dev/null; }
t 'the other network namespace is gone: what was left there is cleaned up' namespace_is_gone

# Until the kernel gives the number of a namespace that is gone to a new one.
same_inode() { # INODE
    local _
    for _ in {1..400}; do
        ip netns add second
        [ "$(stat -Lc %i /run/netns/second)" != "$1" ] || return 0
        ip netns delete second
    done
    skip 'no inode was reused'
}
instance_is_new() { # NAME OF A CONTAINER
    local there=(nsenter --net=/run/netns/second "$program" --root "$state" --run-root "$run_state")
    second_host
    "${there[@]}" run -d --name "$1" "$box" sleep 1000 >/dev/null
    local inode first
    inode=$(stat -Lc %i /run/netns/second)
    first=$(cat "$run_state/instance")
    # shellcheck disable=SC2046
    kill -KILL $(helper_processes) "$("${there[@]}" inspect "$1" | jq -r '.[0].state.monitor')"
    ip netns delete second
    wait_for 5 nobody_is_elsewhere
    same_inode "$inode"
    nsenter --net=/run/netns/second ip link set lo up
    # The second namespace is not taken for the first, nor does it keep the first one's run directory from others.
    "${@:2}" ps >"$tmp/ps"
    assert_eq "$(wc -l <"$tmp/ps")" 1
    "${@:2}" gc >/dev/null
    [ "$(cat "$run_state/instance")" != "$first" ] || fail 'the name of the instance is the same'
    assert_eq "$("${@:2}" inspect "$1" | jq -r '.[0].state.exit_status')" 137
    "${@:2}" rm "$1"
    "${@:2}" run --rm "$box" true
    wait_for 5 says_nothing "${@:2}" gc
    ip netns delete second
}
reused_inode() {
    instance_is_new gone nsenter --net=/run/netns/second "$program" --root "$state" --run-root "$run_state"
    instance_is_new again netctr
}
t 'another network namespace with the same inode is another instance' reused_inode

# As netctr 0.1 names an instance: by the inode.
former_name() {
    local text
    text="$(cat /proc/sys/kernel/random/boot_id) $(stat -Lc %i /proc/self/ns/net) $run_state"
    python3 - "$text" <<-'END'
	import sys
	h = 0xcbf29ce484222325
	for c in sys.argv[1].encode():
	    h = (h ^ c) * 0x100000001b3 % 2**64
	print("%016x" % h, end="")
	END
}
keeps_its_name() {
    local former
    former=$(former_name)
    netctr run --rm "$box" true
    [ "$(cat "$run_state/instance")" != "$former" ] || fail 'the name is made from the inode'
    netctr network rm -f default >/dev/null 2>&1 || true
    wait_for 5 no_helpers
    rm -r "$run_state"
    nft flush ruleset
    mkdir -p "$run_state"
    printf %s "$former" >"$run_state/instance"
    serve old -p 8080:80
    assert_eq "$(cat "$run_state/instance")" "$former"
    nft list ruleset | has 'chain guard'
    netctr gc
    http http://127.0.0.1:8080/ | has -x old
    netctr rm -f old
    assert_eq "$(cat "$run_state/instance")" "$former"
    wait_for 5 no_helpers
    rm -r "$run_state"
    nft flush ruleset
    netctr run --rm "$box" true
    [ "$(cat "$run_state/instance")" != "$former" ] || fail 'the name is made from the inode'
}
t 'an instance that an older netctr has named keeps its name' keeps_its_name

# /run was not cleared at a reboot: all records are of the old boot, and nothing runs.
another_boot() {
    warm_up
    netctr run -d --name old -p 8080:80 "$box" sleep 1000 >/dev/null
    local boot other=11111111-2222-3333-4444-555555555555
    boot=$(cat /proc/sys/kernel/random/boot_id)
    # Records as that boot would have left them: the files, without kernel objects.
    wait_for 5 copy_run "$tmp/run.copy"
    cp -a "$state" "$tmp/state.copy"
    netctr rm -f old
    rm -r "$run_state" "$state"
    cp -a "$tmp/run.copy" "$run_state"
    cp -a "$tmp/state.copy" "$state"
    printf %s 0123456789abcdef >"$run_state/instance"
    reseal "$run_state/containers/old/state.json" ".boot = \"$other\" | .instance = \"0123456789abcdef\""
    sed -i "s/$boot/$other/" "$run_state/leases/default/boot" "$run_state/leases/.expiry"
    # The pid belongs to another process in this boot.
    sleep 1000 &
    local stranger=$!
    reseal "$run_state/containers/old/state.json" \
        ".monitor = $stranger | .monitor_start = $(start_time $stranger) | .pid = $stranger | .pid_start = $(start_time $stranger)"
    netctr ps >"$tmp/ps" 2>"$tmp/said"
    kill -0 $stranger || fail 'a stranger was killed'
    assert_eq "$(names)" ''
    assert_eq "$(state_of old status)" exited
    netctr rm old
    netctr run --rm -p 8080:80 "$box" true 2>>"$tmp/said"
    wait_for 5 says_nothing netctr gc
}
start_time() { sed 's/.*) //' "/proc/$1/stat" | cut -d' ' -f20; }
# FILE changed by jq FILTER, with the correct checksum.
reseal() { # FILE FILTER
    python3 - "$1" "$(jq "$2 | del(.sum)" "$1")" <<-'END'
	import json, sys
	record = json.loads(sys.argv[2])
	sum = 0xcbf29ce484222325
	for byte in json.dumps(record, sort_keys=True, separators=(",", ":")).encode():
	    sum = (sum ^ byte) * 0x100000001b3 % 2**64
	record["sum"] = "%016x" % sum
	json.dump(record, open(sys.argv[1], "w"))
	END
}
t 'the run directory is of another boot: cleaned up, whichever processes have the pids now' another_boot

others() {
    warm_up
    nft -f - <<-'END'
	table inet mine { chain c { type filter hook input priority 5; tcp dport 9 counter accept; }; }
	table ip netctr_other { set s { type ipv4_addr; elements = { 192.0.2.77 }; }; }
	END
    ip link add vc-mine type bridge
    ip link add nc-mine type bridge
    ip link add vc-12345678901 type bridge
    ip link set vc-12345678901 alias 'netctr 0123456789abcdef web on default'
    local dir
    dir=$(find /sys/fs/cgroup -maxdepth 3 -type d -name netctr | head -1)
    mkdir -p "$dir/0123456789abcdef/aaaabbbbcccc" "${dir%/*}/mine"
    sleep 1000 &
    local stranger=$!
    echo $stranger >"$dir/0123456789abcdef/aaaabbbbcccc/cgroup.procs"
    nft list ruleset | sed -n '/table inet mine/,/^}/p; /table ip netctr_other/,/^}/p' >"$tmp/rules"
    netctr run -d --name k -p 8080:80 "$box" sleep 1000 >/dev/null
    netctr gc
    kill -KILL "$(monitor_of k)"
    netctr gc >/dev/null
    netctr network reload
    netctr rm k
    rm -rf "$run_state/containers"
    netctr gc
    kill -0 $stranger
    [ -d "$dir/0123456789abcdef/aaaabbbbcccc" ] && [ -d "${dir%/*}/mine" ] || fail 'a cgroup is gone'
    local link
    for link in vc-mine nc-mine vc-12345678901; do
        ip link show $link >/dev/null || fail "$link is gone"
        ip link delete $link
    done
    nft list ruleset | sed -n '/table inet mine/,/^}/p; /table ip netctr_other/,/^}/p' | cmp - "$tmp/rules"
    kill $stranger
    wait $stranger || true
    wait_for 3 rmdir "$dir/0123456789abcdef/aaaabbbbcccc"
    rmdir "$dir/0123456789abcdef" "${dir%/*}/mine"
    nft delete table inet mine
    nft delete table ip netctr_other
}
t 'links, tables and cgroups of other programs stay' others

without_run_directory() {
    warm_up
    make_orphan orphan
    # Its address must not be reused while it runs: the next command ends it.
    netctr run -d --name next "$box" sleep 1000 >/dev/null
    ! kill -0 "$orphan" 2>/dev/null || fail 'the orphan lives'
    assert_lacks "$(nft list table inet netctr)" 8080
    netctr rm -f next
    netctr ps -a >/dev/null
    netctr rm -f orphan
    wait_for 5 says_nothing netctr gc
}
t 'the run directory is removed while a container runs' without_run_directory

lost_root() {
    warm_up
    serve orphan -p 8080:80
    rm -rf --one-file-system "$state"
    netctr run --rm "$box" true 2>/dev/null
    netctr gc >/dev/null 2>&1
    http http://127.0.0.1:8080/ | has -x orphan
    assert_fails netctr stop orphan
    netctr rm -f orphan 2>"$tmp/said"
    wait_for 5 says_nothing netctr gc
    assert_eq "$(names -a)" ''
}
t 'the state directory is removed while a container runs' lost_root
