#!/usr/bin/env bash
# What the root of a container leaves in files: it has no power outside, except where a volume gives it the host's ids.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/userns.sh"

read_only_host

# Runs a command as a user of the host; the arena's directories are open for this. setpriv still has root's capabilities
# when it executes a program, so that program is env.
chmod 711 "$ARENA" "$ARENA/tmp"
as_nobody() {
    setpriv --reuid 65534 --regid 65534 --clear-groups env "$@"
}
upper_of() { # NAME: the directory of its upper layer
    printf '%s/containers/%s/upper\n' "$state" "$1"
}

volume() {
    mkdir -p "$tmp/v"
    echo file >"$tmp/v/f"
    armed a --network none -v "$tmp/v:/v"
    local report
    report=$(inside a volume /v)
    assert_refused "$report" EINVAL EOVERFLOW
    assert_eq "$(sed -n 's/ EINVAL//p' <<<"$report" | paste -sd' ')" chown
    assert_eq "$(inside a remount /v)" 'remount EPERM'
    assert_eq "$(inside a remount /)" 'remount EPERM'
    unbound b --network none -v "$tmp/v:/v"
    report=$(inside b volume /v)
    assert_done "$report" append trusted watch chown
}
t "the volume's file system cannot be frozen, trimmed, watched, mapped or given attributes for the kernel" volume

# The root id of a file's capabilities: they count only in a user namespace with that root.
rootid_of() { # FILE
    /usr/bin/python3 -c 'import os, struct, sys
value = os.getxattr(sys.argv[1], "security.capability")
print(struct.unpack("<I", value[20:24])[0] if len(value) == 24 else 0)' "$1"
}
# For sh in a container: programs in DIR, one setuid root, one with file capabilities.
# shellcheck disable=SC2016 # the container expands it
make_programs='
    cd "$1" && cp /attack su && chown 0:0 su && chmod 4755 su &&
        cp /attack cap && /usr/sbin/setcap cap_sys_admin+ep cap'

upper_layer() {
    armed a --network none
    shell a "$make_programs" /srv
    shell a 'touch /srv/file && chown 1000:1001 /srv/file'
    local upper first
    upper=$(upper_of a) first=$(first_id a)
    assert_eq "$(stat -c '%u %g %a' "$upper/srv/su")" "$first $first 4755"
    assert_eq "$(stat -c '%u %g' "$upper/srv/file")" "$((first + 1000)) $((first + 1001))"
    assert_eq "$(rootid_of "$upper/srv/cap")" "$first"
    # Both work inside,
    assert_eq "$(netctr exec -u 1000 a /srv/su ids | cut -d' ' -f1)" 'euid=0'
    assert_eq "$(netctr exec -u 1000 a /srv/cap ids)" 'euid=1000 caps=000200000'
    # and give a user of the host, who cannot reach them anyway, no power over what is not the container's.
    assert_fails as_nobody ls "$upper" 2>/dev/null
    cp -a "$upper/srv" "$tmp/out"
    assert_eq "$(rootid_of "$tmp/out/cap")" "$first"
    assert_eq "$(as_nobody "$tmp/out/su" ids)" "euid=$first caps=000000000"
    assert_eq "$(as_nobody "$tmp/out/cap" ids)" 'euid=65534 caps=000000000'
    # Control: without a user namespace they do.
    unbound b --network none
    shell b "$make_programs" /srv
    rm -r "$tmp/out"
    cp -a "$(upper_of b)/srv" "$tmp/out"
    assert_eq "$(as_nobody "$tmp/out/su" ids | cut -d' ' -f1)" 'euid=0'
    assert_eq "$(as_nobody "$tmp/out/cap" ids)" 'euid=65534 caps=000200000'
}
t 'setuid programs and file capabilities in the upper layer are worth nothing outside' upper_layer

# A volume has the host's ids, which is what it is for. So its root's programs are root's, as without a user namespace.
volume_ids() {
    mkdir -p "$tmp/v" "$tmp/closed/v"
    chmod 700 "$tmp/closed"
    armed a --network none -v "$tmp/v:/v" -v "$tmp/closed/v:/closed"
    shell a "$make_programs" /v
    shell a "$make_programs" /closed
    assert_eq "$(stat -c '%u %g %a' "$tmp/v/su")" '0 0 4755'
    assert_eq "$(rootid_of "$tmp/v/cap")" 0
    assert_eq "$(as_nobody "$tmp/v/su" ids | cut -d' ' -f1)" 'euid=0'
    assert_eq "$(as_nobody "$tmp/v/cap" ids)" 'euid=65534 caps=000200000'
    # What SECURITY.md advises: a directory that users cannot enter, or a file system that is mounted nosuid.
    assert_fails as_nobody "$tmp/closed/v/su" ids 2>/dev/null
    mkdir -p "$tmp/nosuid"
    mount --bind "$tmp/v" "$tmp/nosuid"
    mount -o remount,bind,nosuid "$tmp/nosuid"
    assert_eq "$(as_nobody "$tmp/nosuid/su" ids)" 'euid=65534 caps=000000000'
    assert_eq "$(as_nobody "$tmp/nosuid/cap" ids)" 'euid=65534 caps=000000000'
    umount "$tmp/nosuid"
    # Devices cannot be made there.
    assert_fails shell a 'mknod /v/node c 1 11' 2>/dev/null
}
t "a setuid program that a container's root leaves on a volume is root's on the host, unless users cannot execute it" volume_ids

neighbours_layer() {
    netctr run -d --name n --network none "$box" sh -c \
        'umask 077; mkdir /srv/d; echo secret >/srv/d/key; umask 022; echo public >/srv/public; echo ready; sleep 1000' >/dev/null
    wait_for 5 logged n ready
    armed a --network none -v "$state/containers/n:/n" 2>/dev/null
    assert_eq "$(shell a 'stat -c %u /n/upper/srv/public')" 65534
    assert_fails shell a 'cat /n/upper/srv/d/key' 2>/dev/null
    assert_fails shell a 'ls /n/upper/srv/d' 2>/dev/null
    assert_fails shell a 'echo x >>/n/upper/srv/public' 2>/dev/null
    assert_fails shell a 'echo x >/n/upper/new' 2>/dev/null
    assert_fails shell a 'rm /n/upper/srv/public' 2>/dev/null
    assert_fails shell a 'chmod 777 /n/upper/srv/d' 2>/dev/null
    assert_fails shell a 'chown -h 0:0 /n/upper/srv/d' 2>/dev/null
    # Nor by an overlay, which its root may mount.
    shell a 'mkdir -p /tmp/o /tmp/t && mount -t tmpfs none /tmp/t && mkdir /tmp/t/u /tmp/t/w
        mount -t overlay -o lowerdir=/n/upper,upperdir=/tmp/t/u,workdir=/tmp/t/w none /tmp/o' 2>/dev/null || true
    assert_fails shell a 'cat /tmp/o/srv/d/key' 2>/dev/null
    assert_eq "$(netctr exec n cat /srv/d/key)" secret
    unbound b --network none -v "$state/containers/n:/n"
    assert_eq "$(shell b 'cat /n/upper/srv/d/key')" secret
}
t "a neighbour's upper layer cannot be read or changed, even if it is given as a volume" neighbours_layer

# For sh in a container: mounts every cgroup hierarchy of /proc/self/cgroup as /h/NUMBER.
# shellcheck disable=SC2016 # the container expands it
hierarchies='
    mkdir -p /h
    while IFS=: read -r id words path; do
        mkdir "/h/$id"
        case $words in
        "") mount -t cgroup2 none "/h/$id" ;;
        name=*) mount -t cgroup -o "none,$words" none "/h/$id" ;;
        *) mount -t cgroup -o "$words" none "/h/$id" ;;
        esac
    done </proc/self/cgroup
    grep -E "^[^ ]+ /sys/fs/cgroup" /proc/mounts | cut -d" " -f2 | while read -r at; do mount -o remount,bind,rw "$at"; done
    true'
cgroups() {
    armed a --network none -m 64m --pids-limit 100
    shell a "$hierarchies" 2>/dev/null
    shell a 'ls /h' | has . || fail 'nothing is mounted'
    inside a walk /h /sys/fs/cgroup >"$tmp/open"
    [ ! -s "$tmp/open" ] || fail "it may write: $(head -3 "$tmp/open")"
    # shellcheck disable=SC2016 # the container expands it
    assert_fails shell a 'for h in /h/*; do mkdir "$h/x" && exit 0; done; exit 1' 2>/dev/null
    assert_eq "$(shell a 'ls /h/*/release_agent' 2>/dev/null)" ''
    unbound b --network none
    shell b "$hierarchies" 2>/dev/null
    inside b walk /h | has 'cgroup.procs$'
}
t 'no file of a cgroup can be written: neither limits nor devices nor release_agent, of no hierarchy' cgroups

# The files that netctr writes into the container are the container's, and only these.
own_files() {
    armed a --network none
    local name
    for name in hosts hostname resolv.conf; do
        assert_eq "$(shell a "stat -c '%u %g' /etc/$name")" '0 0' $name
        shell a "echo '# mine' >>/etc/$name"
    done
    # There it cannot create a second file, and what it does to these leaves the others alone.
    shell a 'chmod 6777 /etc/hosts'
    armed b --network none
    assert_lacks "$(shell b 'cat /etc/hosts')" mine
}
t 'its /etc/hosts is its own' own_files
