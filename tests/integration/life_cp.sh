#!/usr/bin/env bash
# cp: files into a container and out of it.
. "$(dirname "$0")/../lib.sh"

background() { netctr run -d --name c --network none "$@" >/dev/null; }
ended() { netctr run --name c --network none "$@"; }
inside() { netctr exec c "$@"; }
tree() { (cd "$1" && find . | LC_ALL=C sort | tr '\n' ' '); }

mkdir -p "$tmp/src/sub" "$tmp/out"
echo one >"$tmp/src/one"
echo two >"$tmp/src/sub/two"
ln -s one "$tmp/src/link"
chmod 640 "$tmp/src/one"
touch -d 2020-02-02 "$tmp/src/one"
cd "$tmp" || exit
fresh() { rm -rf "$tmp/out" && mkdir "$tmp/out"; }

# ---- docker's rules ------------------------------------------------------------------------------

rules_in() {
    background "$box" sleep 1000
    netctr cp src/one c:/new
    assert_eq "$(inside cat /new)" one
    assert_eq "$(inside stat -c '%a %u:%g %Y' /new)" "640 0:0 $(stat -c %Y src/one)"
    netctr cp src/sub/two c:/new
    assert_eq "$(inside cat /new)" two 'an existing file is replaced'
    netctr cp src/one c:/tmp
    netctr cp src/sub/two c:tmp/
    assert_eq "$(inside cat /tmp/one /tmp/two)" $'one\ntwo' 'into a directory'
    netctr cp src c:/copy
    assert_eq "$(inside sh -c 'cd /copy; find . | sort | tr "\n" " "')" "$(tree src)" 'a new directory'
    netctr cp src c:/copy
    assert_eq "$(inside cat /copy/src/sub/two)" two 'a directory into a directory'
    netctr cp src/. c:/tmp
    assert_eq "$(inside cat /tmp/sub/two)" two 'its contents'
    assert_eq "$(inside readlink /copy/link)" one
    netctr cp src/link c:/tmp/l
    assert_eq "$(inside readlink /tmp/l)" one 'a link is copied'
    netctr cp -L src/link c:/tmp/f
    assert_eq "$(inside cat /tmp/f)" one 'with -L what it leads to'
    assert_error 'netctr: copy to container `c`: `/new` is not a directory' 125 netctr cp src c:/new
    assert_error 'netctr: copy to container `c`: directory `/none/` does not exist' 125 netctr cp src/one c:/none/
    assert_error 'netctr: copy to container `c`: open the directory of `/no/ne`: No such file or directory' 125 netctr cp src/one c:/no/ne
    assert_error 'netctr: open `none`: No such file or directory' 125 netctr cp none c:/
    inside mkdir /tmp/d /tmp/d/one
    assert_error 'netctr: copy to container `c`: `one` is a directory, and would be replaced by a file' 125 netctr cp src/one c:/tmp/d
}
t 'files and directories go into a container by the rules of docker' rules_in

rules_out() {
    fresh
    background "$box" sh -c 'mkdir -p /d/sub; echo 1 >/d/f; echo 2 >/d/sub/g; ln -s f /d/l; ln -s d /dl; chmod 6755 /d/f; sleep 1000'
    wait_for 5 netctr exec c test -u /d/f
    netctr cp c:/d/f out
    assert_eq "$(cat out/f)" 1
    assert_eq "$(stat -c '%a %u' out/f)" '755 0' 'no set-user-ID program'
    netctr cp -a c:/d/f out/g
    assert_eq "$(stat -c %a out/g)" 6755 'but with -a'
    netctr cp c:/d out/new
    assert_eq "$(tree out/new)" '. ./f ./l ./sub ./sub/g '
    netctr cp c:/d/. out/
    netctr cp c:d out
    assert_eq "$(cat out/sub/g out/d/sub/g)" $'2\n2'
    netctr cp c:/dl out
    assert_eq "$(readlink out/dl)" d
    netctr cp -L c:/dl out/followed
    assert_eq "$(cat out/followed/sub/g)" 2
    echo long contents >out/old && ln -s old out/to
    netctr cp c:/d/f out/to
    assert_eq "$(cat out/old)" 1 'a link at the target is followed'
    netctr cp c:/d/f there
    assert_eq "$(cat there)" 1
    assert_error 'netctr: copy `/none` of container `c`: open it: No such file or directory' 125 netctr cp c:/none out
    assert_error 'netctr: `out/f` is not a directory' 125 netctr cp c:/d out/f
    assert_error 'netctr: copy `/proc/version` of container `c`: its files are the kernel'\''s, and cannot be copied' 125 netctr cp c:/proc/version out
}
t 'files and directories come out of a container by the rules of docker' rules_out

words() {
    assert_error 'netctr: neither `a` nor `./b:c` is NAME:PATH, a path in a container' 125 netctr cp a ./b:c
    assert_error 'netctr: cp copies between a container and the host, not between two containers; `netctr cp a:/x - | netctr cp - b:/y`' 125 netctr cp a:/x b:/y
    assert_error 'netctr: no such container `none`' 125 netctr cp none:/x .
    assert_status 125 netctr cp x
}
t 'cp says what is wrong with its words' words

ids() {
    background --userns=auto "$box" sh -c 'mkdir /d; echo x >/d/f; chown 7:8 /d/f; sleep 1000'
    fresh
    chown 5:6 src/one
    netctr cp src/one c:/root-owns
    netctr cp -a src/one c:/owned
    chown 0:0 src/one
    assert_eq "$(inside stat -c %u:%g /root-owns /owned)" $'0:0\n5:6'
    wait_for 5 netctr exec c test -e /d/f
    wait_for 5 test "$(inside stat -c %u /d/f)" = 7
    netctr cp c:/d/f out/f
    netctr cp -a c:/d/f out/g
    assert_eq "$(stat -c %u:%g out/f out/g)" $'0:0\n7:8'
}
t 'owners are those that the container sees, and with -a they are kept' ids

# ---- what a copy keeps ---------------------------------------------------------------------------

same_file() { assert_eq "$(stat -c %d:%i "$1")" "$(stat -c %d:%i "$2")" "$1 and $2"; }
keeps_links() {
    fresh
    mkdir -p hard/sub out/in
    echo 1 >hard/a
    ln hard/a hard/b
    ln hard/a hard/sub/c
    ln -s a hard/l
    ln hard/l hard/m
    background "$box" sleep 1000
    netctr cp hard c:/hard
    assert_eq "$(inside sh -c 'stat -c %h /hard/a; cd /hard; stat -c %i a b sub/c | uniq | wc -l')" $'3\n1'
    netctr cp hard c:/hard
    assert_eq "$(inside stat -c %h /hard/hard/a /hard/a | paste -sd' ')" '3 3' 'a second copy has links of its own'
    netctr cp c:/hard/. out/in
    same_file out/in/a out/in/b
    same_file out/in/a out/in/sub/c
    same_file out/in/l out/in/m
    [ ! out/in/a -ef out/in/hard/a ] || fail 'two files became one'
    netctr cp c:/hard - | tar x -C out
    same_file out/hard/a out/hard/sub/c
    netctr cp hard/b c:/b
    assert_eq "$(inside cat /b)" 1 'one name alone'
}
t 'hard links are hard links in the copy' keeps_links

# A link cannot lead from one file system into another, and not replace what is mounted.
links_apart() {
    fresh
    mkdir -p split/vol split/etc out/vol
    echo 192.0.2.9 linked >split/name
    chmod 640 split/name
    ln split/name split/vol/name
    ln split/name split/etc/hosts
    background -v "$tmp/out/vol:/vol" "$box" sleep 1000
    netctr cp split/. c:/
    assert_eq "$(cat out/vol/name)" '192.0.2.9 linked'
    assert_eq "$(inside sh -c 'cat /name /etc/hosts | sort -u')" '192.0.2.9 linked'
    assert_eq "$(inside stat -c %a /name /vol/name /etc/hosts | uniq)" 640
}
t 'a hard link over the border of file systems becomes a file' links_apart

# $1: FILE NAME VALUE, by the host.
xattr() { python3 -c 'import os, sys; os.setxattr(sys.argv[1], sys.argv[2], bytes.fromhex(sys.argv[3]))' "$@"; }
xattrs() { python3 -c 'import os, sys; print(*(n + "=" + os.getxattr(sys.argv[1], n).hex() for n in sorted(os.listxattr(sys.argv[1]))))' "$1"; }
keeps_attributes() {
    fresh
    mkdir -p with/dir
    echo 1 >with/f
    xattr with/f user.text 3d000a || skip 'no extended attributes here'
    xattr with/f user.none ''
    xattr with/f user.a=b 31
    xattr with/f trusted.x 31 2>/dev/null || true
    xattr with/dir user.dir 32
    # CAP_NET_RAW, as of ping.
    xattr with/f security.capability 0100000200200000000000000000000000000000 || skip 'no file capabilities here'
    local userns
    for userns in auto host; do
        background --userns $userns "$box" sleep 1000
        netctr cp with c:/plain
        netctr cp -a with c:/all
        netctr cp c:/plain out/plain
        netctr cp c:/all out/dropped
        netctr cp -a c:/all out/all
        assert_eq "$(xattrs out/plain/f)" 'user.none= user.text=3d000a' "$userns"
        assert_eq "$(xattrs out/plain/dir)" user.dir=32 "$userns"
        assert_eq "$(xattrs out/dropped/f)" 'user.none= user.text=3d000a' "$userns: privileges only with -a"
        assert_eq "$(xattrs out/all/f)" 'security.capability=0100000200200000000000000000000000000000 user.none= user.text=3d000a' "$userns, -a"
        netctr cp c:/all - >out/attributes.tar
        tar --xattrs --xattrs-include='*' -x -f out/attributes.tar -C out all/f
        assert_eq "$(xattrs out/all/f)" 'security.capability=0100000200200000000000000000000000000000 user.none= user.text=3d000a' "$userns, GNU tar"
        netctr rm -f c
        rm -rf out/*
    done
}
t 'cp keeps the extended attributes of programs, and with -a the capabilities of files' keeps_attributes

too_many_attributes() {
    fresh
    mkdir -p "$ARENA/tmpfs"
    mount -t tmpfs tmpfs "$ARENA/tmpfs"
    echo 1 >"$ARENA/tmpfs/f"
    python3 -c 'import os, sys
for i in range(3): os.setxattr(sys.argv[1], "user.%d" % i, b"x" * 60000)' "$ARENA/tmpfs/f" || skip 'no large attributes here'
    background "$box" sleep 1000
    netctr cp "$ARENA/tmpfs/f" c:/f 2>err
    assert_eq "$(inside cat /f)" 1
    assert_contains "$(cat err)" 'netctr: warning: 1 extended attribute is too long, and left out'
    umount "$ARENA/tmpfs"
}
t 'a file with more attributes than fit is copied without them' too_many_attributes

keeps_times() {
    fresh
    mkdir -p old/a/b old/c
    touch old/a/b/1 old/a/2 old/c/3 old/4
    local i
    for i in {1..30}; do touch "old/a/f$i" "old/f$i"; done
    find old -depth -exec touch -d 2001-01-01 {} +
    background "$box" sleep 1000
    netctr cp old c:/old
    netctr cp c:/old out
    assert_eq "$(inside find /old -exec stat -c %y {} + | cut -d' ' -f1 | sort -u)" 2001-01-01
    assert_eq "$(find out/old -exec stat -c %y {} + | cut -d' ' -f1 | sort -u)" 2001-01-01
}
t 'directories keep their times' keeps_times

# ---- archives ------------------------------------------------------------------------------------

streams() {
    background "$box" sh -c 'mkdir -p /d/sub; echo 2 >/d/sub/g; sleep 1000'
    wait_for 5 netctr exec c test -s /d/sub/g
    fresh
    netctr cp c:/d - >out.tar
    assert_eq "$(tar tf out.tar)" $'d/\nd/sub/\nd/sub/g'
    assert_eq "$(netctr cp c:/d/sub/g - | tar xO)" 2
    inside mkdir /e
    netctr cp - c:/e <out.tar
    assert_eq "$(inside cat /e/d/sub/g)" 2
    tar c -C src . | netctr cp - c:/e
    netctr cp c:/e/. - | tar x -C out
    assert_eq "$(tree out)" '. ./d ./d/sub ./d/sub/g ./link ./one ./sub ./sub/two '
    assert_error 'netctr: copy to container `c`: `/e/one` is not a directory' 125 sh -c 'netctr cp - c:/e/one <out.tar'
    assert_status 125 sh -c 'gzip <out.tar | netctr cp - c:/e' 2>err
    assert_contains "$(cat err)" 'a tar archive is wanted, not a compressed one'
    assert_status 125 sh -c 'head -c 1000 out.tar | netctr cp - c:/e' 2>err
    printf '\303\251\n' >"src/$(printf 'caf\351')"
    netctr cp "src/$(printf 'caf\351')" c:/e/
    netctr cp "c:/e/$(printf 'caf\351')" out/
    [ -e "out/$(printf 'caf\351')" ] || fail 'a name that is not UTF-8'
    rm "src/$(printf 'caf\351')"
}
t 'tar archives come in by stdin and go out by stdout' streams

escapes() {
    background -v "$tmp/out:/v" "$box" sleep 1000
    fresh
    mkdir -p evil && echo evil >evil/f
    tar c -P -C evil --transform 's|^f|../../f|' f >dotdot.tar
    assert_error 'netctr: copy to container `c`: the archive has the path `../../f`, which leads out of the target' 125 \
        sh -c 'netctr cp - c:/tmp <dotdot.tar'
    tar c -P -C evil --transform 's|^f|/abs/f|' f | netctr cp - c:/tmp
    assert_eq "$(inside cat /tmp/abs/f)" evil 'an absolute path begins at the target'
    ln -s /etc evil/way
    { tar c -C evil way; } >link.tar
    tar r -f link.tar -C evil --transform 's|^f|way/f|' f
    assert_error 'netctr: copy to container `c`: `way` in the target is not a directory' 125 sh -c 'netctr cp - c:/tmp <link.tar'
    ! inside test -e /etc/f || fail 'it followed a link'
    rm -rf evil
}
t 'an archive cannot write outside of its target' escapes

# A link to itself, and one by way of a symbolic link.
odd_links() {
    background "$box" sh -c 'mkdir /e; echo kept >/e/f; ln -s /etc /e/way; sleep 1000'
    wait_for 5 netctr exec c test -L /e/way
    python3 - "$tmp" <<-'END'
	import sys, tarfile
	for name, target in ("self", "f"), ("way", "way/passwd"), ("up", "../etc/passwd"), ("none", "missing"), ("odd", "."):
	    with tarfile.open(sys.argv[1] + "/" + name + ".tar", "w") as tar:
	        entry = tarfile.TarInfo("f")
	        entry.type, entry.linkname = tarfile.LNKTYPE, target
	        tar.addfile(entry)
	END
    netctr cp - c:/e <self.tar
    assert_error 'netctr: copy to container `c`: `way` in the target is not a directory' 125 sh -c 'netctr cp - c:/e <way.tar'
    assert_error 'netctr: copy to container `c`: the archive has the path `../etc/passwd`, which leads out of the target' 125 \
        sh -c 'netctr cp - c:/e <up.tar'
    assert_error 'netctr: copy to container `c`: link `f` to `missing`: No such file or directory' 125 sh -c 'netctr cp - c:/e <none.tar'
    assert_error 'netctr: copy to container `c`: the archive has a link to nothing' 125 sh -c 'netctr cp - c:/e <odd.tar'
    assert_eq "$(inside cat /e/f)" kept
}
t 'an archive cannot remove a file by a link to itself' odd_links

# What pads an archive comes in a write of its own.
padding() {
    background "$box" sleep 1000
    tar c -b 1 -C src one >out.tar
    (
        cat out.tar
        sleep 0.5
        head -c 300000 /dev/zero
        echo "$?" >"$tmp/padded"
    ) | netctr cp - c:/tmp
    assert_eq "$(inside cat /tmp/one) $(cat padded)" 'one 0'
}
t 'an archive is read to its end' padding

# ---- containers that do not run --------------------------------------------------------------------

stopped() {
    fresh
    mkdir -p vol
    ended -v "$tmp/vol:/vol" --userns=auto "$box" sh -c 'mkdir /d; echo 1 >/d/f; echo v >/vol/f'
    netctr cp c:/d out
    assert_eq "$(cat out/d/f)" 1
    netctr cp c:/vol/f out
    assert_eq "$(cat out/f)" v 'a volume'
    netctr cp src/one c:/d/one
    netctr cp src/sub/two c:/vol/two
    assert_eq "$(cat vol/two)" two
    assert_eq "$(netctr diff c)" $'A /d\nA /d/f\nA /d/one'
    [ -z "$(findmnt -rn -o TARGET | grep -F "$run_state" || true)" ] || fail 'a mount is left'
    rm -rf vol
}
t 'files of a container that has ended are copied too, with its volumes' stopped

in_place() {
    cp -a "$box" root
    ended --in-place "$tmp/root" true
    netctr cp src/one c:/one
    assert_eq "$(cat root/one)" one
    netctr rm c
    ended --read-only "$box" true
    assert_error 'netctr: copy to container `c`: replace `one`: Read-only file system' 125 netctr cp src/one c:/one
}
t 'with --in-place the directory itself is written to, with --read-only nothing is' in_place

exclusive() {
    ended "$box" true
    rm -f hold && mkfifo hold
    netctr cp - c:/tmp <hold &
    exec 7>hold
    # Not by flock: then cp would find the lock taken.
    wait_for 5 grep -q "FLOCK .*:$(stat -c %i "$state/containers/c") " /proc/locks
    assert_error 'netctr: start container `c`: files of container `c` are being copied: start it after that' 125 netctr start c
    assert_error 'netctr: container `c` is being started, or another command copies its files' 125 netctr cp src/one c:/
    tar c -C src one >&7
    exec 7>&-
    wait $!
    netctr start c
}
t 'a container cannot be started while its files are copied' exclusive

paused() {
    background "$box" sh -c 'echo 1 >/f; sleep 1000'
    wait_for 5 netctr exec c test -s /f
    netctr pause c
    netctr cp c:/f out/paused
    assert_eq "$(cat out/paused)" 1
}
t 'files of a paused container are copied' paused

# ---- hostile containers ----------------------------------------------------------------------------

links() {
    fresh
    background "$box" sh -c 'ln -s / /rootlink; ln -s ../../../../../../etc /up; mkdir /d; ln -s /etc/passwd /d/p; sleep 1000'
    wait_for 5 netctr exec c test -L /d/p
    local passwd
    passwd=$(inside cat /etc/passwd)
    netctr cp -L c:/d/p out/p
    assert_eq "$(cat out/p)" "$passwd" 'the link leads into the container'
    netctr cp c:/up/passwd out/q
    assert_eq "$(cat out/q)" "$passwd"
    netctr cp src/one c:/rootlink/in
    assert_eq "$(inside cat /in)" one
    netctr cp src/one c:/up/in
    assert_eq "$(inside cat /etc/in)" one
    netctr cp src/one c:/d/p
    assert_eq "$(inside cat /etc/passwd)" one 'a link at the target is followed, inside'
    netctr cp c:/d out
    assert_eq "$(readlink out/d/p)" /etc/passwd
}
t 'links in a container lead nowhere but into the container' links

odd_files() {
    fresh
    background --cap-add MKNOD "$box" sh -c 'mkdir /d; mkfifo /d/fifo; truncate -s 8T /d/huge 2>/dev/null || truncate -s 1T /d/huge
        echo end >>/d/huge; mknod /d/null c 1 3; cp /bin/busybox /d/b; echo done >/d/z; sleep 1000'
    wait_for 5 netctr exec c test -s /d/z
    within 20 netctr cp c:/d out 2>err
    [ -p out/d/fifo ] || fail 'no fifo'
    assert_eq "$(stat -c %s out/d/huge)" "$(inside stat -c %s /d/huge)"
    [ "$(stat -c %b out/d/huge)" -lt 1000 ] || fail 'holes are filled'
    assert_eq "$(tail -c 4 out/d/huge)" end
    cmp "$box/bin/busybox" out/d/b
    [ ! -e out/d/null ] || fail 'a device'
    inside sh -c '[ -c /d/null ]' && assert_eq "$(cat err)" 'netctr: warning: 1 device is left out'
    within 5 netctr cp c:/d/fifo out/f2
    assert_error 'netctr: copy to container `c`: `/d/fifo` exists, and is not a regular file' 125 within 5 netctr cp src/one c:/d/fifo
    inside sh -c 'i=0; cd /d; while [ $i -lt 210 ]; do mkdir x; cd x; i=$((i + 1)); done'
    assert_error 'netctr: copy `/d/x` of container `c`: there are more than 200 levels of directories' 125 netctr cp c:/d/x out
}
# Each of these would take a minute.
too_large() {
    fresh
    background --tmpfs /t "$box" sh -c 'truncate -s 8070450532247928832 /t/huge; echo end >>/t/huge; echo done >/t/z; sleep 1000'
    wait_for 5 netctr exec c test -s /t/z
    assert_error 'netctr: copy `/t` of container `c`: `./huge` is larger than a pebibyte' 125 within 10 netctr cp c:/t out
}
t 'a file that is larger than any disk is not copied' too_large

t 'FIFOs and devices are not opened, holes stay holes, and depth is bounded' odd_files

swaps() {
    fresh
    mkdir -p host && echo secret >host/f
    background "$box" sh -c 'mkdir -p /w/a /other; ln -s '"$tmp"'/host /w/l
        echo inside >/w/a/f; mkdir -p '"$tmp"'/host; echo inside >'"$tmp"'/host/f; touch /w/ready
        while :; do mv /w/a /w/b; ln -s '"$tmp"'/host /w/a; rm /w/a; mkfifo /w/a; rm /w/a; mv /w/b /w/a; done'
    wait_for 5 netctr exec c test -e /w/ready
    local i
    for i in {1..15}; do
        within 10 netctr cp c:/w/a/f out/f 2>/dev/null || true
        within 10 netctr cp c:/w out 2>/dev/null || true
        within 10 netctr cp src/one c:/w/a/ 2>/dev/null || true
        within 10 netctr cp src c:/w/a 2>/dev/null || true
    done
    assert_eq "$(tree host)" '. ./f ' 'nothing was written to the host'
    ! grep -rq secret out || fail 'a file of the host came out'
    rm -rf host
}
t 'a container that swaps directories, links and FIFOs gains nothing' swaps

unseen() {
    rm -f hold && mkfifo hold
    background --userns=host "$box" sh -c 'sleep 1000'
    netctr cp - c:/tmp <hold &
    exec 7>hold
    tar c -C src one >&7
    wait_for 5 netctr exec c test -s /tmp/one
    assert_eq "$(inside sh -c 'cat /proc/[0-9]*/comm' | sort -u | tr '\n' ' ')" 'cat sleep ' 'processes in the container'
    exec 7>&-
    wait $! || true
}
t 'the process that copies cannot be seen from the container' unseen

mounted_file() {
    background "$box" sleep 1000
    inside cat /etc/hosts >out/hosts
    echo '192.0.2.77 added' >>out/hosts
    netctr cp out/hosts c:/etc/hosts
    inside grep -q '192.0.2.77' /etc/hosts
}
t 'a file that is mounted, as /etc/hosts, is written to' mounted_file

killed() {
    ended "$box" true
    snapshot
    rm -f hold && mkfifo hold
    netctr cp - c:/tmp <hold &
    local pid=$!
    exec 7>hold
    # Not by flock: then cp would find the lock taken.
    wait_for 5 grep -q "FLOCK .*:$(stat -c %i "$state/containers/c") " /proc/locks
    kill -KILL $pid
    wait $pid 2>/dev/null || true
    exec 7>&-
    wait_for 5 flock -n "$state/containers/c" true
    ! pgrep -f 'netctr.*cp - c:/tmp' || fail 'a process is left'
    [ -z "$(findmnt -rn -o TARGET | grep -F "$run_state/" || true)" ] || fail 'a mount is left'
    netctr start c
}
t 'cp that is killed leaves no process, no mount and no lock' killed
