#!/usr/bin/env bash
# On networks without a name server, isolated or --no-dns, names are in /etc/hosts.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/names.sh"

hosts_of() { netctr exec "$1" cat /etc/hosts; }
knows() { # CONTAINER LINE
    hosts_of "$1" | has -xF -- "$2"
}
knows_not() { # CONTAINER WORD
    ! grep -qwF -- "$2" <<<"$(hosts_of "$1")"
}

by_hosts() { # [FLAGS OF RUN...]
    local b before inode
    idle a "$@"
    netctr exec a sh -c 'echo "192.0.2.200 mine" >>/etc/hosts; sed "s/^/#/" /etc/hosts >/dev/null'
    inode=$(netctr exec a stat -c %i /etc/hosts)
    b=$(netctr run -d --name b --network-alias www --hostname front "$@" "$box" sleep 1000)
    wait_for 5 knows a "$(address_of b) b $b front www"
    netctr exec a ping -c 1 -W 2 www
    netctr exec b ping -c 1 -W 2 a # it was there first
    knows a '192.0.2.200 mine'
    assert_eq "$(netctr exec a stat -c %i /etc/hosts)" "$inode" inode
    before=$(hosts_of a | wc -l)
    netctr rm -f b
    wait_for 5 knows_not a www
    knows a '192.0.2.200 mine'
    [ "$(hosts_of a | wc -l)" -lt "$before" ]
    # A program that has replaced the file keeps it.
    netctr exec a sh -c 'echo "127.0.0.1 localhost" >/etc/hosts'
    idle c "$@"
    wait_for 5 knows c "$(address_of a) a $(netctr inspect a | jq -r '.[0].id')"
    assert_eq "$(hosts_of a)" '127.0.0.1 localhost'
    assert_lacks "$(nft list map inet netctr dns_redirect4)" elements
}
no_dns() {
    define plain 1 ', "dns": false'
    by_hosts --network plain
    assert_eq "$(netctr exec a cat /etc/resolv.conf)" 'nameserver 192.0.2.9'
}
t '--no-dns: by /etc/hosts, and the host'"'"'s resolvers' no_dns

isolated() {
    define cell 1 ', "mode": "isolated"'
    by_hosts --network cell
    assert_eq "$(netctr exec a cat /etc/resolv.conf)" ''
}
t 'isolated: by /etc/hosts, and no resolvers' isolated

# On networks with a server, /etc/hosts has no neighbours, and is not rewritten when they come and go.
served_is_silent() {
    define vault 1 ', "internal": true'
    define plain 2 ', "dns": false'
    local before
    idle a
    idle v --network vault
    idle both --network default --network plain
    before=$(hosts_of a; hosts_of v; hosts_of both)
    idle b --network-alias www
    idle w --network vault
    idle p --network plain
    wait_for 5 knows both "$(address_of p) p $(netctr inspect p | jq -r '.[0].id')"
    netctr rm -f p
    wait_for 5 knows_not both p
    assert_eq "$(hosts_of a; hosts_of v; hosts_of both)" "$before" /etc/hosts
    assert_eq "$(netctr exec both cat /etc/resolv.conf)" "nameserver $(gateway_of a)
nameserver $(gateway_of a -6)
options ndots:0"
}
t 'with a name server, /etc/hosts has no neighbours' served_is_silent

two_networks() {
    define red 1 ', "dns": false'
    define blue 2 ', "mode": "isolated"'
    idle r --network red
    idle b --network blue
    idle both --network red --network blue
    # Not by ping: if it is too early, it queries a missing resolver for longer than we wait.
    wait_for 5 eval 'hosts_of r | has -w both && hosts_of b | has -w both'
    netctr exec r ping -c 1 -W 1 both
    netctr exec b ping -c 1 -W 1 both
    netctr exec both ping -c 1 -W 1 r
    netctr exec both ping -c 1 -W 1 b
    knows_not r b
    knows_not b r
    # Connected while it runs, and disconnected.
    netctr network connect blue r
    wait_for 5 netctr exec b ping -c 1 -W 1 r
    wait_for 5 netctr exec r ping -c 1 -W 1 b
    netctr network disconnect blue r
    wait_for 5 knows_not b r
    wait_for 5 knows_not r b
    # A new run has them as well.
    idle again --network red --restart always
    local before
    before=$(pid_of again)
    kill -KILL "$before"
    begun_again() {
        local now
        now=$(pid_of again) && [ "$now" -gt 0 ] && [ "$now" != "$before" ]
    }
    wait_for 10 begun_again
    netctr exec again ping -c 1 -W 1 both
}
t 'networks apart; connect, disconnect, a new run' two_networks

storm() {
    define plain 1 ', "dns": false'
    local n pids=() words
    for n in $(seq 20); do
        netctr run -d --name c$n --network plain "$box" sleep 1000 >/dev/null &
        pids+=($!)
    done
    for n in "${pids[@]}"; do wait "$n"; done
    for n in 1 7 20; do
        words=$(seq 20 | grep -vx "$n" | sed 's/^/c/')
        all_there() { [ "$(hosts_of c$n | awk '/^10\.77/ { print $2 }' | grep -cxF -- "$words")" = 19 ]; }
        wait_for 10 all_there
    done
}
t 'twenty at once resolve each other' storm

hostile_file() {
    # A program that makes the file huge, full or unreadable harms only itself: its monitor goes on.
    define plain 1 ', "dns": false'
    idle a --network plain
    netctr exec a sh -c 'dd if=/dev/zero bs=1M seek=100000 count=0 of=/etc/hosts 2>/dev/null || true'
    idle b --network plain
    wait_for 5 netctr exec b ping -c 1 -W 1 a
    netctr exec a sh -c 'dd if=/dev/zero bs=64k of=/etc/hosts 2>/dev/null || true; chmod 0 /etc/hosts'
    idle c --network plain
    netctr exec a true
    netctr stop -t 0 a
    netctr start a
    knows a "$(address_of c) c $(netctr inspect c | jq -r '.[0].id')"
}
t "a program's damage to the file harms only itself" hostile_file

# KIND: what happens to its three files; prints "done".
hostile() {
    local flags=(--network plain --userns=host --cap-add sys_admin) script="cd /etc; files='hosts resolv.conf hostname'; "
    case $1 in
    lease-*)
        flags+=(-v /usr:/usr:ro -v /usr/lib:/lib:ro)
        [ ! -e /usr/lib64 ] || flags+=(-v /usr/lib64:/lib64:ro)
        netctr run -d --name "$1" "${flags[@]}" "$box" /usr/bin/python3 -ISc "
import fcntl, os, signal, sys
signal.signal(signal.SIGIO, signal.SIG_IGN)
kind = fcntl.F_RDLCK if '$1' == 'lease-read' else fcntl.F_WRLCK
held = [os.open('/etc/' + name, os.O_RDONLY) for name in ('hosts', 'resolv.conf', 'hostname')]
for fd in held: fcntl.fcntl(fd, fcntl.F_SETLEASE, kind)
print('done', flush=True)
while True: signal.pause()" >/dev/null
        return
        ;;
    read-only) script+='mount -o remount,ro /etc/hosts; ! touch hosts;' ;;
    sparse) script+='for f in $files; do dd if=/dev/zero of=$f bs=1M seek=1000000 count=0; done;' ;;
    other) script+='umount $files; rm $files; mkfifo hosts; mkdir resolv.conf; ln -s /run/canary hostname;' ;;
    links) script+='umount $files; rm $files; for f in $files; do ln -s /run/canary $f; done;' ;;
    nothing) script+='umount $files; rm $files; cd /; rm -r /etc;' ;;
    moved) script+='mkdir /x; for f in $files; do : >/x/$f; mount --move $f /x/$f; done; mount -t tmpfs none /etc;' ;;
    esac
    netctr run -d --name "$1" "${flags[@]}" "$box" sh -euc "$script echo done; exec sleep 1000" >/dev/null
}

hostile_files() {
    define plain 1 ', "dns": false'
    define more 2 ', "dns": false'
    local kinds='lease-read lease-write read-only sparse other links nothing moved' kind monitor
    printf canary >/run/canary
    idle good --network plain
    for kind in $kinds; do hostile "$kind"; done
    for kind in $kinds; do wait_for 5 logged "$kind" 'done'; done
    # Names come and go, and the networks of each change.
    idle late --network plain
    for kind in $kinds; do
        monitor=$(monitor_of "$kind")
        timeout $((5 * slowness)) netctr network connect more "$kind"
        timeout $((5 * slowness)) netctr network disconnect more "$kind"
        assert_eq "$(monitor_of "$kind")" "$monitor"
        assert_contains "$(netctr exec "$kind" "$([[ $kind = lease-* ]] && echo /bin/echo || echo echo)" here)" here
        wait_for 5 eval "hosts_of good | has '^$(address_of "$kind") $kind '"
    done
    wait_for 5 eval "hosts_of good | has '^$(address_of late) late '"
    assert_eq "$(cat /run/canary)" canary
    timeout $((10 * slowness)) netctr network rm -f plain
    timeout $((10 * slowness)) netctr rm -f $kinds
    assert_eq "$(cat /run/canary)" canary
    rm /run/canary
}
t 'files that are leased, read-only, sparse, replaced or gone harm no other container' hostile_files

# ---- when containers have taken all inotify instances ---------------------------------------------

taken=/run/taken
untaken() { rm -f "$taken"; }
without_inotify() { # COMMAND...
    : >"$taken"
    TAKEN=$taken LD_PRELOAD=$(preload taken.so) "$@"
}
counts_instances() { # PID
    find "/proc/$1/fd" -lname '*inotify*' | wc -l
}

names_without_inotify() {
    define plain 1 ', "dns": false'
    without_inotify netctr run -d --name a --network plain "$box" sleep 1000 >/dev/null
    wait_for 5 logged a 'watch names by inotify: Too many open files; /etc/hosts is up to a second late'
    local monitor used n
    monitor=$(monitor_of a)
    for n in 1 2; do # the second time with the files that the first has left
        idle "b$n" --network plain
        wait_for 2 knows a "$(address_of "b$n") b$n $(netctr inspect "b$n" | jq -r '.[0].id')"
    done
    netctr rm -f b1
    wait_for 2 knows_not a b1
    assert_eq "$(counts_instances "$monitor")" 0 'instances'
    # Polling costs next to nothing.
    used=$(awk '{ print $14 + $15 }' "/proc/$monitor/stat")
    sleep 1.2
    [ $(($(awk '{ print $14 + $15 }' "/proc/$monitor/stat") - used)) -le 2 ]
    assert_eq "$(netctr logs a 2>&1 | grep -c "/etc/hosts is up to")" 1 notes
    # It uses inotify again when there is a free instance.
    untaken
    has_some() { [ "$(counts_instances "$monitor")" -ge 1 ]; }
    wait_for 2 has_some
    idle c --network plain
    wait_for 1 knows a "$(address_of c) c $(netctr inspect c | jq -r '.[0].id')"
}
t 'all inotify instances are taken: names are learnt all the same' names_without_inotify

served_without_inotify() {
    # The server reads the names for each query, without inotify.
    without_inotify netctr run -d --name a "$box" sleep 1000 >/dev/null
    idle b
    assert_eq "$(ask a b)" "$(address_of b)"
    netctr rm -f b
    assert_eq "$(ask a b)" ''
    assert_eq "$(netctr logs a 2>&1)" '' notes
    untaken
}
t 'the same with a name server, which needs no inotify' served_without_inotify
