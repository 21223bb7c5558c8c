#!/usr/bin/env bash
# Root in a container has every capability and can do nothing to the host with them: they count in its own user
# namespace only. The controls make the same attempts without one (--userns=host), where they succeed.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/userns.sh"

read_only_host

own_namespace() {
    armed a --network none
    [ "$(first_id a)" -ge 65536 ] || fail "its root is $(first_id a) on the host"
    assert_eq "$(awk '{ print $1, $3 }' "/proc/$(pid_of a)/uid_map")" '0 65536'
    assert_eq "$(cat "/proc/$(pid_of a)/gid_map")" "$(cat "/proc/$(pid_of a)/uid_map")"
    assert_eq "$(stat -c '%u %g' "/proc/$(pid_of a)")" "$(first_id a) $(first_id a)"
    # Each of its namespaces belongs to its user namespace (NS_GET_USERNS), else its capabilities would not count there.
    /usr/bin/python3 - "$(pid_of a)" <<-'END'
	import fcntl, os, sys
	user = os.stat(f"/proc/{sys.argv[1]}/ns/user")
	for kind in "net", "mnt", "pid", "ipc", "uts", "cgroup":
	    owner = os.fstat(fcntl.ioctl(os.open(f"/proc/{sys.argv[1]}/ns/{kind}", os.O_RDONLY), 0xb701))
	    assert (owner.st_dev, owner.st_ino) == (user.st_dev, user.st_ino), kind
	END
    # Its user namespace is root's: a process of the host with the id of its root has no rights in it.
    /usr/bin/python3 - "$(pid_of a)" <<-'END'
	import array, fcntl, os, sys
	uid = array.array("I", [1])
	fcntl.ioctl(os.open(f"/proc/{sys.argv[1]}/ns/user", os.O_RDONLY), 0xb704, uid) # NS_GET_OWNER_UID
	assert uid[0] == 0, uid[0]
	END
}
t 'the root of a container is a user of its own on the host, and owns the namespaces of the container' own_namespace

kernel() {
    local report
    armed a --network none
    report=$(inside a kernel)
    assert_refused "$report" EINVAL
    # ^C-Alt-Del is a matter of the first pid namespace.
    assert_eq "$(grep EINVAL <<<"$report")" 'cad EINVAL'
    unbound b --network none
    assert_done "$(inside b kernel)" clock tick syslog bpf perf acct fanotify
}
t 'clock, modules, BPF, kernel log, accounting, I/O ports, swap, keys and limits are out of reach' kernel

nested() {
    local report
    armed a --network none
    report=$(netctr exec a /usr/bin/unshare --user --map-root-user --mount --net /attack kernel)
    assert_refused "$report" EINVAL
    # All of a is one level above: its files are, and the outside is not seen at all.
    assert_eq "$(netctr exec a /usr/bin/unshare --user --map-root-user /bin/cat /proc/self/uid_map |
        awk '{ print $3 }')" 1
}
t 'a user namespace in that user namespace opens nothing either' nested

reboots() {
    armed a --network none
    armed b --network none
    netctr exec a /bin/busybox reboot -f || true
    wait_for 5 status_is a exited
    status_is b running
}
t 'reboot() ends only the container that calls it' reboots

# ---- mounts, /proc, /sys -------------------------------------------------------------------------

mounts() {
    local kinds='debugfs tracefs securityfs devtmpfs pstore fusectl ext4 btrfs' report
    armed a --network none
    # shellcheck disable=SC2086 # several words
    report=$(inside a mount $kinds)
    assert_refused "$report" ENODEV
    # A new /proc shows its own processes, and no more of the host than a user of the host sees (below).
    assert_done "$(inside a mount tmpfs)" tmpfs
    unbound b --network none
    assert_done "$(inside b mount debugfs securityfs devtmpfs)" debugfs securityfs devtmpfs
}
t 'file systems of the kernel and of disks cannot be mounted' mounts

# It removes whatever covers /proc, /sys and /dev, in each way that there is.
# shellcheck disable=SC2016 # the container expands it
uncover='
    mkdir -p /p /q /r
    grep -E "^[^ ]+ /(proc|sys|dev)[/ ]" /proc/mounts | cut -d" " -f2 | sort -r | while read -r at; do
        mount -o remount,bind,rw "$at"
        case $at in /proc | /sys | /dev | /dev/pts) ;; *) umount "$at" ;; esac
    done
    mount -o bind /proc /p
    mount -o bind /sys /q
    mount -t proc none /r
    true'
# Not the processes; what a namespace has of its own: network, hostname, IPC, pids, user namespaces; and /proc/pressure,
# which every user may open to wait for it.
of_the_host() {
    grep -Ev '^/(proc|p|r)/([0-9]|self|thread-self|net/|pressure/)' |
        grep -Ev '^/(proc|p|r)/sys/(net|user|fs/mqueue)/' |
        grep -Ev '^/(proc|p|r)/sys/kernel/(hostname|domainname|ns_last_pid|pid_max|auto_msgmni|(msg|sem|shm)[a-z_]*)$' |
        grep -Ev '^/(sys|q)/(class/net|devices/virtual/net)/' || true
}
settings() {
    armed a --network none
    shell a "$uncover" 2>/dev/null
    inside a walk /proc /p /r /sys /q | of_the_host >"$tmp/open"
    [ ! -s "$tmp/open" ] || fail "it may write: $(head -3 "$tmp/open")"
    unbound b --network none
    shell b "$uncover" 2>/dev/null
    inside b walk /proc/sys/kernel /proc/sys/vm /p/sys/fs | of_the_host >"$tmp/open"
    for name in /proc/sys/kernel/core_pattern /proc/sys/vm/swappiness /p/sys/fs/file-max; do
        grep -qx $name "$tmp/open" || fail "control: $name"
    done
}
t 'no setting of the host can be opened for writing, whatever the container has uncovered' settings

# What only root of the host may read stays unreadable without its cover. The rest is what its users may read.
secrets() {
    local files='/proc/kcore /proc/kmsg /proc/timer_list /proc/slabinfo /proc/vmallocinfo /proc/kpagecount' report
    files+=" ${files//proc/r}"
    armed a --network none
    shell a "$uncover" 2>/dev/null
    # shellcheck disable=SC2086 # several words
    report=$(inside a read $files)
    assert_refused "$report" ENOENT
    unbound b --network none
    shell b "$uncover" 2>/dev/null
    assert_done "$(inside b read /proc/timer_list /proc/slabinfo)" /proc/timer_list /proc/slabinfo
}
t 'files of /proc for root alone stay unreadable without their cover' secrets

# A handler for a kind of programs would run as root of the host.
handlers() {
    grep -qw binfmt_misc /proc/filesystems || skip 'no binfmt_misc'
    armed a --network none
    # Kernels since 6.7 have a list for each user namespace.
    # shellcheck disable=SC2016 # the container expands it
    shell a 'mkdir /b && mount -t binfmt_misc none /b &&
        printf ":netctr-attack:E::netctr-attack::/bin/true:CF" >/b/register' 2>/dev/null || true
    local list=/proc/sys/fs/binfmt_misc
    mount -t binfmt_misc none $list
    [ ! -e $list/netctr-attack ] || {
        echo -1 >$list/netctr-attack
        fail 'it is'
    }
}
t 'a handler of binfmt_misc is not the one of the host' handlers

devices() {
    local disk report
    disk=$(stat -c '%Hr %Lr' "$(findmnt --noheadings --raw --output SOURCE --target "$top" | head -1)" 2>/dev/null) ||
        disk='7 0'
    armed a --network none
    # shellcheck disable=SC2086 # two words
    report=$(inside a device b $disk && inside a device c 1 1 && inside a device c 1 11 && inside a device c 10 200)
    assert_eq "$report" $'mknod EPERM\nmknod EPERM\nmknod EPERM\nmknod EPERM'
    unbound b --network none
    assert_done "$(inside b device c 1 11)" mknod open
}
t "nodes of the host's disk, memory, log and tunnels cannot be made" devices

# A node that lies in a volume or a root directory is not opened either, although its mount may be changed.
given_devices() {
    local report at
    cp -a "$box" "$tmp/root"
    mkdir -p "$tmp/v" "$tmp/ro"
    for at in "$tmp/v" "$tmp/ro" "$tmp/root"; do mknod -m 666 "$at/full" c 1 7; done
    armed a --network none -v "$tmp/v:/v" -v "$tmp/ro:/ro:ro"
    # shellcheck disable=SC2016 # the container expands it
    shell a 'mkdir /again; for at in / /v /ro; do mount -o remount,bind,rw,dev,suid $at; done; mount -o bind /v /again
        mount -o remount,bind,rw,dev /again' 2>/dev/null || true
    assert_refused "$(inside a read /v/full /ro/full /again/full)"
    # `ro' stays.
    assert_fails shell a 'echo x >/ro/file' 2>/dev/null
    assert_fails shell a 'mkdir /o && mount -o bind /ro /o && mount -o remount,bind,rw /o && echo x >/o/file' \
        2>/dev/null
    assert_eq "$(ls "$tmp/ro")" full
    netctr rm -f a
    # The same nodes in the root directory.
    netctr run -d --name a --network none --cap-add ALL -v "$attack:/attack:ro" "$tmp/root" sleep 100 >/dev/null
    shell a 'mount -o remount,bind,dev /; mkdir /r; mount -o bind / /r; mount -o remount,bind,dev /r' 2>/dev/null || true
    assert_refused "$(inside a read /full /r/full)" ENOENT
}
t 'nodev and ro of volumes and root directory cannot be taken back' given_devices

# ---- outside of the root -------------------------------------------------------------------------

# Handles of files beyond the volume (the "shocker"), and of the volume's parent.
handles() {
    local file parent name report
    mkdir -p "$tmp/v" "$tmp/secrets"
    echo secret >"$tmp/secrets/key"
    handle_of() {
        /usr/bin/python3 -c 'import ctypes, sys
buffer = ctypes.create_string_buffer(b"\x80\0\0\0", 136)
mount = ctypes.c_int()
assert ctypes.CDLL(None).name_to_handle_at(-100, sys.argv[1].encode(), buffer, ctypes.byref(mount), 0) == 0
print(buffer.raw[:8 + buffer.raw[0]].hex())' "$1"
    }
    file=$(handle_of "$tmp/secrets/key") parent=$(handle_of "$tmp/secrets")
    armed a --network none -v "$tmp/v:/v"
    for name in /v / /usr /etc; do
        report=$(inside a handle $name "$file" key && inside a handle $name "$parent" key)
        assert_refused "$report" ESTALE ENOTDIR
    done
    unbound b --network none -v "$tmp/v:/v"
    assert_done "$(inside b handle /v "$file" key)" file
    assert_done "$(inside b handle /v "$parent" key)" below
}
t 'file handles do not lead out of a volume or the root' handles

climbs() {
    armed a --network none
    inside a climb | sort >"$tmp/climbed"
    shell a 'ls -a /' | sort | diff - "$tmp/climbed"
    # Nothing but mounts of its own: neither the old root nor another container's.
    assert_eq "$(shell a 'cut -d" " -f5 /proc/self/mountinfo' | grep -cF "$ARENA" || true)" 0
    assert_fails shell a "ls $state" 2>/dev/null
    assert_fails shell a 'mkdir /new; mount -t tmpfs none /new; mkdir /new/old; cd /new && pivot_root . old' 2>/dev/null
    # From its own mount namespace, entered again, `..` leads nowhere either.
    netctr exec a /usr/bin/nsenter --mount=/proc/1/ns/mnt /bin/sh -c 'cd ../../..; ls -a' | sort | grep -vx new |
        diff - "$tmp/climbed"
    assert_fails netctr exec a /bin/ls /proc/1/root/work 2>/dev/null
}
t 'chroot, pivot_root and .. end at the root of the container' climbs

# The host's root gives away fds of its namespaces, and of a neighbour's: none of them can be entered.
hand_over() { # SOCKET PATH...
    /usr/bin/python3 -c 'import os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
fds = [os.open(path, os.O_RDONLY) if path[0] == "/" else os.pidfd_open(int(path)) for path in sys.argv[2:]]
socket.send_fds(server.accept()[0], [b"x"], fds)' "$@" &
    wait_for 5 test -S "$1"
}
given_namespaces() {
    local kind own=() theirs=() report
    mkdir -p "$tmp/v"
    armed a --network none -v "$tmp/v:/v"
    armed n --network none
    for kind in net mnt pid ipc uts cgroup user; do
        own+=("/proc/self/ns/$kind")
        theirs+=("/proc/$(pid_of n)/ns/$kind")
    done
    hand_over "$tmp/v/host" "${own[@]}" $$
    report=$(inside a setns /v/host)
    assert_refused "$report" EINVAL
    assert_eq "$(grep -c EPERM <<<"$report")" 9
    hand_over "$tmp/v/neighbour" "${theirs[@]}" "$(pid_of n)"
    report=$(inside a setns /v/neighbour)
    assert_refused "$report" EINVAL
    assert_eq "$(grep -c EPERM <<<"$report")" 9
    unbound b --network none -v "$tmp/v:/v"
    hand_over "$tmp/v/again" "${own[@]}" "${theirs[@]}"
    assert_eq "$(inside b setns /v/again | grep -c ' done$')" 11 # but its own user namespace, and pid namespaces beside its own
}
t 'namespaces of the host and of a neighbour cannot be entered, even with an fd of them' given_namespaces

# ---- exec ----------------------------------------------------------------------------------------

exec_is_watched() {
    strace -o /dev/null true 2>/dev/null || skip 'no permission to trace'
    armed a --network none
    netctr exec -d a /bin/sh -c '/attack watch >/watched'
    wait_for 5 shell a 'grep watching /watched'
    touch "$ARENA/HOST"
    HOST_SECRET=hunter2 timeout $((25 * slowness)) strace -f -qq -o /dev/null -e trace=execve \
        -e inject=execve:delay_enter=700000 "$ARENA/bin/netctr" exec -e GIVEN=yes a /bin/sleep 0.3
    shell a 'cat /watched' >"$tmp/watched"
    # The command is traced, but not what comes before it.
    awk '/^traced/ { traced = $2 } /^status: Name:/ { print $3, traced }' "$tmp/watched" | sort -u >"$tmp/who"
    grep -qx 'sleep done' "$tmp/who" || fail "control: it has traced no command: $(cat "$tmp/who")"
    assert_eq "$(grep memfd "$tmp/who")" 'memfd:netctr EACCES'
    grep -q 'GIVEN=yes' "$tmp/watched" || fail 'control: it has read no environment'
    assert_lacks "$(cat "$tmp/watched")" HOST_SECRET
    # From its first moment inside it has the ids of the container, and no file of the host.
    assert_eq "$(awk '/^Uid:/ { print $2, $3, $4, $5 }' "$tmp/watched" | sort -u)" '0 0 0 0'
    assert_lacks "$(cat "$tmp/watched")" 'host done'
}
t 'a tracer inside sees the command of exec, and nothing of what comes before it' exec_is_watched

# No process of the host or of a neighbour is seen, and none has an id of its range.
processes() {
    armed a --network none
    armed b --network none
    assert_eq "$(shell a 'set -- /proc/[0-9]*; echo $#')" 2
    sleep 1000 &
    assert_fails shell a "kill -0 $!" 2>/dev/null
    [ "$(first_id a)" != "$(first_id b)" ] || fail 'they share a range'
    local low high count
    low=$(first_id a) count=0
    high=$((low + 65536))
    for uid in $(stat -c %u /proc/[0-9]* 2>/dev/null); do
        [ "$uid" -lt "$low" ] || [ "$uid" -ge $high ] || count=$((count + 1))
    done
    assert_eq $count 1 "processes with its ids: its own"
}
t 'processes of the host and of a neighbour are neither seen nor of the same user' processes

# The kernel counts the user namespaces that a container makes for root of the host as well.
used_up() {
    local library
    library=$(preload taken.so)
    without() { # ERRNO FLAGS OF RUN...
        LD_PRELOAD=$library NO_USERNS=$1 netctr run --rm --network none "${@:2}" "$box" cat /proc/self/uid_map
    }
    assert_fails without 28 >"$tmp/out" 2>"$tmp/why"
    assert_eq "$(cat "$tmp/out")" ''
    assert_contains "$(cat "$tmp/why")" 'user.max_user_namespaces'
    # A kernel that never allows it, as in a chroot, is the reason for the other way, with a warning; not for one with
    # more capabilities.
    assert_eq "$(without 1 2>"$tmp/why" | awk '{ print $2, $3 }')" '0 4294967295'
    assert_contains "$(cat "$tmp/why")" 'user namespace `host`'
    assert_fails without 1 --cap-add NET_ADMIN 2>/dev/null
}
t "a container that uses up all user namespaces brings no other one into the host's" used_up
