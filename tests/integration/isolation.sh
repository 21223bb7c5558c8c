#!/usr/bin/env bash
# What a container sees of the host, and what it can do to it: nothing.
. "$(dirname "$0")/../lib.sh"

# in_box [FLAGS...] SCRIPT: the output of SCRIPT in a fresh container without a network.
in_box() {
    netctr run --rm --network none "${@:1:$#-1}" "$box" sh -c "${!#}"
}

namespaces() {
    local inside outside kind
    inside=$(in_box 'cd /proc/self/ns; for n in cgroup ipc mnt net pid uts; do readlink $n; done')
    outside=$(for n in cgroup ipc mnt net pid uts; do readlink /proc/self/ns/$n; done)
    for kind in cgroup ipc mnt net pid uts; do
        assert_contains "$inside" "$kind:["
        assert_lacks "$inside" "$(grep "^$kind" <<<"$outside")"
    done
}
t "every namespace is the container's own" namespaces

first_program() {
    assert_eq "$(in_box 'echo $$')" 1 pid
    assert_eq "$(in_box 'set -- /proc/[0-9]*; echo $#')" 1 processes
}
t 'the program is pid 1 and sees only its own processes' first_program

hostname_is_set() {
    assert_eq "$(in_box --hostname anna 'hostname; cat /etc/hostname' | uniq)" anna
    assert_lacks "$(hostname)" anna
}
t "the hostname is the container's" hostname_is_set

capabilities() {
    local status
    status=$(in_box 'grep -E "^Cap|Seccomp:|NoNewPrivs" /proc/self/status' | tr -d '\t ')
    assert_contains "$status" 'CapEff:00000000a80425fb'
    assert_contains "$status" 'CapPrm:00000000a80425fb'
    assert_contains "$status" 'CapBnd:00000000a80425fb'
    assert_contains "$status" 'CapInh:0000000000000000'
    assert_contains "$status" 'CapAmb:0000000000000000'
    assert_contains "$status" 'Seccomp:2'
}
t "capabilities are docker's default, inheritable ones are empty, seccomp filters" capabilities

capabilities_of_exec() {
    netctr run -d --name c --network none "$box" sleep 100
    local status
    status=$(netctr exec c grep -E '^Cap|Seccomp:' /proc/self/status | tr -d '\t ')
    assert_contains "$status" 'CapEff:00000000a80425fb'
    assert_contains "$status" 'CapBnd:00000000a80425fb'
    assert_contains "$status" 'CapInh:0000000000000000'
    assert_contains "$status" 'Seccomp:2'
}
t 'exec gives no more than run did' capabilities_of_exec

cap_add_and_drop() {
    # net_admin is bit 12, net_raw bit 13.
    assert_contains "$(in_box --cap-add net_admin 'grep CapEff /proc/self/status')" a80435fb
    assert_contains "$(in_box --cap-drop NET_RAW 'grep CapBnd /proc/self/status')" a80405fb
    assert_contains "$(in_box --cap-drop all 'grep CapEff /proc/self/status')" 0000000000000000
    assert_contains "$(in_box --cap-drop ALL --cap-add chown 'grep CapBnd /proc/self/status')" \
        0000000000000001
}
t '--cap-add and --cap-drop' cap_add_and_drop

sets_of() { # COMMAND...: inheritable, permitted, effective, bounding, ambient
    "$@" awk '/^Cap/ { printf "%s ", substr($2, 7) }' /proc/self/status
}
caps_of_users() {
    local none=0000000000 raw=0000002000 all
    # By default a user has no capability, and may get the default ones through a setuid program.
    assert_eq "$(sets_of netctr run --rm --network none -u user "$box")" "$none $none $none 00a80425fb $none "
    # Capabilities added by name are the user's, as with podman, also those of the default set.
    assert_eq "$(sets_of netctr run --rm --network none -u user --cap-add NET_RAW "$box")" \
        "$raw $raw $raw 00a80425fb $raw "
    assert_eq "$(sets_of netctr run --rm --network none -u user --cap-drop ALL --cap-add net_raw "$box")" \
        "$raw $raw $raw $raw $raw "
    all=$(sets_of netctr run --rm --network none --cap-add ALL "$box")
    all=$(cut -d' ' -f3 <<<"$all")
    assert_eq "$(sets_of netctr run --rm --network none -u 1000:5 --cap-add ALL "$box")" "$all $all $all $all $all "
    # Root's sets are as usual: nothing is inheritable.
    assert_eq "$(sets_of netctr run --rm --network none --cap-add NET_RAW "$box")" \
        "$none 00a80425fb 00a80425fb 00a80425fb $none "
    netctr run -d --name c --network none --cap-add NET_RAW "$box" sleep 1000 >/dev/null
    assert_eq "$(sets_of netctr exec -u user c)" "$none $none $none 00a80425fb $none " # it was added for root
    assert_eq "$(netctr inspect c | jq -c '.[0].ambient_caps')" '["CAP_NET_RAW"]'
    assert_eq "$(sets_of netctr exec c)" "$none 00a80425fb 00a80425fb 00a80425fb $none "
    netctr run -d --name u --network none -u user --cap-add NET_RAW "$box" sleep 1000 >/dev/null
    netctr restart -t 0 u >/dev/null
    assert_eq "$(sets_of netctr exec u)" "$raw $raw $raw 00a80425fb $raw "
    assert_eq "$(sets_of netctr exec -u user u)" "$raw $raw $raw 00a80425fb $raw "
    assert_eq "$(sets_of netctr exec -u nobody u)" "$none $none $none 00a80425fb $none "
    assert_eq "$(sets_of netctr exec -u root u)" "$none 00a80425fb 00a80425fb 00a80425fb $none "
}
# moby #38664, kubernetes #56374
t 'a user has the capabilities that were added by name, and no others' caps_of_users

other_user_has_none() {
    assert_contains "$(in_box --user 1000 'grep CapEff /proc/self/status')" 0000000000000000
    assert_contains "$(in_box --user 1000 'grep CapPrm /proc/self/status')" 0000000000000000
}
t 'another user than root has no capabilities' other_user_has_none

seccomp_refuses() {
    # The test itself may do what the container may not.
    unshare --user true
    assert_fails in_box 'unshare -U true'
    in_box 'unshare -U true 2>&1 || true' | has 'Operation not permitted'
}
t 'seccomp refuses a new user namespace' seccomp_refuses

proc_is_masked() {
    local path
    head -c 1 /proc/timer_list | has . # the positive control
    for path in /proc/kcore /proc/keys /proc/timer_list; do
        [ ! -e $path ] || assert_eq "$(in_box "cat $path | wc -c")" 0 "size of $path"
    done
    for path in /proc/acpi /proc/scsi /sys/firmware; do
        [ ! -e $path ] || assert_eq "$(in_box "ls $path | wc -l")" 0 "entries of $path"
    done
    for path in /proc/sys/kernel/core_pattern /proc/sysrq-trigger /proc/irq/default_smp_affinity; do
        [ ! -e $path ] || assert_fails in_box "echo x >$path"
    done
    assert_fails in_box 'umount /proc/kcore'
    assert_fails in_box 'mount -o remount,rw /proc/sys'
}
t '/proc is masked and its dangerous files are read-only' proc_is_masked

sys_is_read_only() {
    assert_contains "$(in_box 'mount | grep " /sys "')" 'ro,'
    assert_fails in_box 'echo 1 >/sys/class/net/lo/tx_queue_len'
    # It is the sysfs of the container's own network namespace.
    assert_eq "$(in_box 'ls /sys/class/net')" lo
}
t '/sys is read-only and shows only its own links' sys_is_read_only

cgroups_are_read_only() {
    assert_fails in_box 'mkdir /sys/fs/cgroup/x || mkdir /sys/fs/cgroup/*/x'
    assert_lacks "$(in_box 'cat /proc/self/cgroup')" netctr
}
t 'cgroups cannot be written, and their names say nothing of the host' cgroups_are_read_only

devices() {
    assert_eq "$(in_box 'cd /dev; ls | sort | tr "\n" " "')" \
        'fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero ' '/dev'
    in_box 'for d in null zero full random urandom tty; do test -c /dev/$d || exit 1; done'
    in_box 'test -d /dev/shm && test -d /dev/mqueue && test -e /dev/ptmx && test -d /dev/pts'
    in_box 'echo x >/dev/null; echo x >/dev/shm/x; head -c 1 /dev/urandom | wc -c | grep -qx 1'
    assert_eq "$(in_box 'find /dev -type b | wc -l')" 0 'block devices'
}
t '/dev is small and works' devices

own_nodes_cannot_be_opened() {
    # The positive control: here such a node can be read.
    mknod "$tmp/random" c 1 8
    head -c 1 "$tmp/random" | wc -c | has -x 1
    assert_fails in_box 'mknod /random c 1 8 && head -c 1 /random'
    assert_fails in_box 'mknod /dev/shm/random c 1 8 && head -c 1 /dev/shm/random'
    assert_fails in_box --tmpfs /t 'mknod /t/random c 1 8 && head -c 1 /t/random'
    assert_fails in_box -v "$tmp:/t" 'mknod /t/other c 1 8; head -c 1 /t/random'
    # The disk of the test machine.
    local name numbers
    name=$(basename "$(findmnt -no SOURCE -T "$box")")
    [ -e "/sys/class/block/$name/dev" ] || return 0
    numbers=$(tr : ' ' <"/sys/class/block/$name/dev")
    assert_fails in_box "mknod /disk b $numbers && head -c 1 /disk"
}
t 'a device that a container makes cannot be opened' own_nodes_cannot_be_opened

no_leaked_descriptors() {
    local script='for f in /proc/self/fd/*; do echo ${f##*/}; done | sort -n | tr "\n" " "'
    # The additional one is the directory that the shell is reading.
    exec 9</ 10<"$top"
    assert_eq "$(readlink -e /proc/self/fd/9 >/dev/null && echo 1)" 1 'the leak of this test'
    assert_eq "$(in_box "$script")" '0 1 2 3 '
    netctr run -d --name c --network none "$box" sleep 100
    assert_eq "$(netctr exec c sh -c "$script")" '0 1 2 3 '
    assert_eq "$(netctr exec c sh -c 'for f in /proc/1/fd/*; do echo ${f##*/}; done | tr "\n" " "')" \
        '0 1 2 '
}
t 'no file descriptor of the caller reaches the program' no_leaked_descriptors

# Processes that have the network namespace open, other than those inside it.
holders() { # NAMESPACE
    find /proc/[0-9]*/fd -lname "${1/[/\\[}" 2>/dev/null | cut -d/ -f3 | sort -u
}
inhabitants() { # NAMESPACE
    find /proc/[0-9]*/ns/net -lname "${1/[/\\[}" 2>/dev/null | cut -d/ -f3 | sort -u
}
# A namespace that a process keeps open keeps its addresses, and answers ARP for them.
namespace_is_let_go() {
    local ns address
    netctr network create --subnet 10.71.0.0/24 other
    netctr run -d --name a -p 8080:80 --restart always "$box" sleep 1000 >/dev/null
    ns=$(readlink "/proc/$(pid_of a)/ns/net")
    address=$(address_of a)
    # Processes started, and changes made, in it and beside it; its own restart is done by its monitor.
    kill -KILL "$(pid_of a)"
    wait_for 10 eval '[ "$(netctr inspect a | jq ".[0].state.restarts")" = 1 ] && status_is a running'
    assert_eq "$(readlink "/proc/$(pid_of a)/ns/net")" "$ns" 'namespace of the next run'
    netctr run -d --name b -p 8081:80 "$box" sleep 1000 >/dev/null
    netctr exec a true
    netctr network connect other a
    netctr publish a 8082:82 >/dev/null
    netctr run -d --name c --network container:a "$box" sleep 1000 >/dev/null
    netctr rm -f c >/dev/null
    assert_eq "$(holders "$ns")" "$(monitor_of a)" 'who has the namespace open'
    netctr rm -f a
    let_go() { [ -z "$(holders "$ns")$(inhabitants "$ns")" ]; }
    wait_for 3 let_go
    assert_fails in_network_of b ping -c 1 -W 0.5 "$address"
    assert_lacks "$(in_network_of b ip neighbour show "$address")" lladdr
    netctr rm -f b
    netctr network rm other
}
# moby #32090, #41136
t 'no process keeps the network of an ended container' namespace_is_let_go

working_directory_by_descriptor() {
    # CVE-2024-21626: a working directory that is an inherited descriptor leads out.
    exec 9</
    local n
    for n in 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        assert_fails netctr run --rm --network none -w /proc/self/fd/$n "$box" true
    done
    netctr run -d --name c --network none "$box" sleep 100
    for n in 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        ! netctr exec -w /proc/self/fd/$n c true || fail "entered /proc/self/fd/$n"
    done
    assert_eq "$(netctr exec -w /tmp c pwd)" /tmp
}
t 'a working directory behind /proc/self/fd is refused' working_directory_by_descriptor

own_binary_is_out_of_reach() {
    # CVE-2019-5736. The program would be netctr itself if anything led to it.
    local root=$tmp/evil before
    before=$(sha256sum "$program")
    cp -a "$box" "$root"
    printf '#!/proc/self/exe\n' >"$root/evil"
    chmod +x "$root/evil"
    ! netctr run --rm --network none "$root" /evil || fail 'netctr ran itself in a container'
    # While netctr waits for it, a container searches for netctr's binary in all that it can see.
    netctr run -d --name c --network none "$root" sleep 100
    local seen
    seen=$(netctr exec c sh -c 'for p in /proc/[0-9]*; do readlink $p/exe; done')
    assert_contains "$seen" /busybox
    assert_lacks "$seen" netctr
    netctr exec c sh -c 'for p in /proc/[0-9]*; do echo x 2>/dev/null >>$p/exe; done' 2>/dev/null || true
    assert_eq "$(sha256sum "$program")" "$before" 'the program'
}
t 'no container can reach the binary of netctr' own_binary_is_out_of_reach

user_and_groups() {
    assert_eq "$(in_box --user 1000 'id -u; id -g' | tr '\n' ' ')" '1000 1000 '
    assert_eq "$(in_box --user user 'id -u; id -g; id -G' | tr '\n' ' ')" '1000 1000 1000 2000 '
    assert_eq "$(in_box --user user:nogroup 'id -u; id -g' | tr '\n' ' ')" '1000 65534 '
    assert_eq "$(in_box --user 4321:1234 'id -u; id -g; id -G' | tr '\n' ' ')" '4321 1234 1234 '
    assert_eq "$(in_box --user 1 'id -u')" 1 'CVE-2026-30892'
    # The caller's own groups are not inherited.
    assert_eq "$(setpriv --groups 4,24 "$ARENA/bin/netctr" run --rm --network none "$box" id -G)" 0
    assert_eq "$(in_box --user user 'echo $HOME')" /home/user
}
t '--user by name and number, with its groups and home' user_and_groups

environment() {
    local seen
    seen=$(SECRET=1 in_box -e A=1 -e 'B=two words' -e LC_ALL env)
    assert_contains "$seen" $'\nA=1'
    assert_contains "$seen" $'\nB=two words'
    assert_contains "$seen" $'\nLC_ALL=C'
    assert_contains "$seen" PATH=/usr/local/sbin
    assert_contains "$seen" HOME=/root
    assert_lacks "$seen" SECRET
}
t '-e sets variables; those of the caller are not inherited' environment

host_is_out_of_reach() {
    assert_fails in_box 'chroot / mount -t tmpfs none /mnt'
    assert_fails in_box 'mount -t tmpfs none /tmp'
    in_box 'date -s 2000-01-01 2>&1 >/dev/null' | has 'Operation not permitted'
    assert_fails in_box 'ip link set lo down'
}
t 'mounting, setting the clock and changing links are refused' host_is_out_of_reach

interfaces_only_loopback() {
    assert_eq "$(in_box 'ls /sys/class/net')" lo
    in_box 'ip addr show lo' | has 'inet 127.0.0.1/8'
    in_box 'ping -c 1 -W 1 127.0.0.1'
    assert_fails in_box 'ping -c 1 -W 1 192.0.2.2'
    netctr run --rm "$box" ping -c 1 -W 1 192.0.2.2 # the positive control
}
t '--network none has a loopback that works and nothing else' interfaces_only_loopback

doors() {
    local door="$top/${NETCTR_BUILD:-build}/tests/door" flags
    # The tool itself finds open doors if there are no restrictions.
    ! "$door" >"$tmp/open" || fail 'it finds nothing on the host'
    grep -q 'open: PACKET_VNET_HDR' "$tmp/open" || fail "found on the host: $(cat "$tmp/open")"
    for flags in '' '--cap-add NET_ADMIN' '--cap-add SYS_ADMIN' '--cap-add ALL'; do
        # shellcheck disable=SC2086 # several words
        netctr run --rm --network none $flags -v "$door:/door" "$box" /door || fail "with: $flags"
    done
    netctr run -d --name c --network none -v "$door:/door" "$box" sleep 100
    netctr exec c /door
}
t "sockets to the hypervisor, the kernel's crypto or past the guard are closed in every way" doors
