#!/usr/bin/env bash
# Flags of run that the definition keeps: what a container is called, how it begins, and how it ends.
. "$(dirname "$0")/../lib.sh"

# CAP_SYS_RESOURCE, which not every machine of the tests has.
may_raise() { (($((0x$(awk '/^CapEff/ { print $2 }' /proc/self/status))) >> 24 & 1)); }
inspect() { netctr inspect "$1" | jq -rc ".[0]$2"; } # NAME PATH
run() { netctr run -d --network none "$@" >/dev/null; }
ids() { netctr ps -a --filter "$1" --format json | jq -r '[.[].name] | sort | join(" ")'; }

# ---- labels --------------------------------------------------------------------------------------

has_labels() {
    printf '# a comment\n\nfrom=file\nteam=file\nbare\n' >"$tmp/labels"
    run --name a --label-file "$tmp/labels" --label team=a -l 'text=x=y "ü"' --label bare2 "$box" sleep 100
    run --name b --label team=b "$box" true
    run --name c "$box" true
    assert_eq "$(inspect a .labels)" '{"from":"file","team":"a","bare":"","text":"x=y \"ü\"","bare2":""}'
    assert_eq "$(inspect c .labels)" '{}'
    assert_eq "$(ids label=team)" 'a b'
    assert_eq "$(ids label=team=a)" a
    assert_eq "$(ids label=tea)" ''
    assert_eq "$(ids label!=team=a)" 'b c'
    assert_eq "$(netctr ps -aq --filter label=team --filter label=bare | wc -l)" 1
    assert_eq "$(netctr ps --format json | jq -r '.[0].labels.team')" a
    netctr restart -t 0 a
    assert_eq "$(inspect a .labels.from)" file 'after a restart'
}
t 'labels are in inspect and ps, and ps can be filtered by them' has_labels

in_events() {
    run --name e --label team=e "$box" sleep 100
    run --name b "$box" true
    netctr rm -f e b
    assert_eq "$(netctr events --no-stream --filter label=team=e | jq -r '.name + " " + .event + " " + .labels.team' | paste -sd,)" \
        'e create e,e start e,e die e,e destroy e'
    # Too much for one line: the event stays.
    run --name big --label "$(printf 'k%.0s' {1..4000})=v" --label x=y "$box" true
    assert_eq "$(netctr events --no-stream --filter container=big --filter event=create | jq -c .labels)" null
}
t 'events have the labels of the container' in_events

bad_labels() {
    assert_error 'netctr: label `=x` has no key' 125 netctr run --label =x "$box" true
    assert_error "netctr: read label file \`$tmp/none\`: No such file or directory" 125 \
        netctr run --label-file "$tmp/none" "$box" true
    printf 'a b=c\n' >"$tmp/labels"
    assert_error "netctr: label file \`$tmp/labels\`, line 1: the name has a space in it" 125 \
        netctr run --label-file "$tmp/labels" "$box" true
}
t 'a label without a key is refused' bad_labels

# ---- the command ---------------------------------------------------------------------------------

has_entrypoint() {
    assert_eq "$(netctr run --rm --network none --entrypoint printf "$box" '%s,' a -b)" a,-b,
    assert_eq "$(netctr run --rm --network none --entrypoint '["printf", "%s,", "x y"]' "$box" a)" 'x y,a,'
    assert_eq "$(netctr run --rm --network none --entrypoint '' "$box" printf %s, a)" a,
    run --name a --entrypoint true "$box"
    assert_eq "$(inspect a .argv)" '["true"]'
    assert_error 'netctr: entrypoint `["sh", 1]` is not an array of words' 125 \
        netctr run --entrypoint '["sh", 1]' "$box"
}
t '--entrypoint is the program, and the words behind ROOTFS its arguments' has_entrypoint

# ---- the end -------------------------------------------------------------------------------------

# Says with its exit code which signal ended it.
telling=(sh -c 'trap "exit 7" TERM; trap "exit 9" USR1; trap "exit 11" 36; echo ready; while :; do sleep 0.02; done')
start_telling() { # NAME FLAGS...
    local name=$1
    shift
    run --name "$name" "$@" "$box" "${telling[@]}"
    wait_for 5 is_ready "$name"
}
is_ready() { netctr logs "$1" | has ready; }
code() { inspect "$1" .state.exit_status; }

has_stop_signal() {
    start_telling a --stop-signal USR1
    start_telling b --stop-signal sigrtmin+2
    start_telling c
    assert_eq "$(inspect a .stop_signal) $(inspect b .stop_signal) $(inspect c .stop_signal)" \
        'SIGUSR1 SIGRTMIN+2 SIGTERM'
    netctr stop a b c >/dev/null
    assert_eq "$(code a) $(code b) $(code c)" '9 11 7'
    netctr start a >/dev/null
    wait_for 5 in_second_run a
    netctr stop a >/dev/null
    assert_eq "$(code a)" 9 'after a restart'
    assert_error 'netctr: unknown signal `NONE`' 125 netctr run --stop-signal NONE "$box" true
}
in_second_run() { [ "$(netctr logs "$1" | grep -c ready)" = 2 ]; }
t 'stop sends the stop signal of the container' has_stop_signal

monitor_is_told() {
    start_telling a --stop-signal USR1
    kill -TERM "$(monitor_of a)"
    wait_for 5 status_is a exited
    assert_eq "$(code a)" 9
}
t 'a monitor that gets SIGTERM, as at shutdown, sends the stop signal' monitor_is_told

for_good() {
    start_telling a --stop-signal USR1 --restart always
    netctr kill -s USR1 a >/dev/null
    wait_for 5 status_is a exited
    assert_eq "$(code a)" 9
}
t 'the stop signal sent by kill ends a container for good' for_good

has_stop_timeout() {
    start_telling a --stop-timeout 0
    start_telling b --stop-timeout 0
    start_telling c --stop-timeout -1
    assert_eq "$(inspect a .stop_timeout) $(inspect c .stop_timeout)" '0 -1'
    netctr stop a c >/dev/null
    netctr stop -t 60 b >/dev/null
    assert_eq "$(code a) $(code b) $(code c)" '137 7 7'
    run --name d "$box" sleep 100
    assert_eq "$(inspect d .stop_timeout)" 10
    assert_error 'netctr: time `x` is not a number of seconds, or -1 (no limit)' 125 \
        netctr run --stop-timeout x "$box" true
}
t 'stop waits as long as the container says, unless -t says otherwise' has_stop_timeout

all_names() {
    local name
    start_telling a
    for name in IOT SIGCLD POLL IO WINCH PWR STKFLT RTMIN RTMAX-1 SIGRTMIN+15 SIGRTMAX 64; do
        case $name in
        SIGCLD | WINCH) netctr kill -s "$name" a >/dev/null ;;
        *) netctr run --rm --network none --stop-signal "$name" "$box" true ;;
        esac
    done
    status_is a running
}
t 'every name of a signal is known' all_names

# ---- files that tell who runs --------------------------------------------------------------------

pid_in() { cat "$tmp/pids/$1"; }
no_pid_file() { [ -z "$(ls -A "$tmp/pids")" ]; }
has_pid_file() {
    mkdir -p "$tmp/pids"
    cd "$tmp" || exit
    run --name a --pid-file pids/a "$box" sleep 100
    assert_eq "$(inspect a .pid_file)" "$tmp/pids/a"
    assert_eq "$(pid_in a)" "$(inspect a .state.pid)"
    netctr restart -t 0 a >/dev/null
    assert_eq "$(pid_in a)" "$(inspect a .state.pid)" 'after a restart'
    netctr stop -t 0 a >/dev/null
    no_pid_file || fail 'the file stays'
    run --name b --pidfile pids/b "$box" sleep 100
    kill -KILL "$(monitor_of b)"
    wait_for 5 no_pid_file
    netctr run --rm --network none --pid-file pids/c "$box" missing || true
    no_pid_file || fail 'the file of a failed start stays'
}
t 'the pid file names the program as long as it runs' has_pid_file

of_others() {
    mkdir -p "$tmp/pids"
    run --name a --pid-file "$tmp/pids/a" "$box" sleep 100
    echo 1 >"$tmp/pids/a"
    netctr rm -f a >/dev/null
    assert_eq "$(pid_in a)" 1
}
t 'a pid file that another program has written since stays' of_others

no_links() {
    mkdir "$tmp/shared" "$tmp/shared/pids" "$tmp/host"
    run --name a -v "$tmp/shared:/shared" --userns host --pid-file "$tmp/shared/pids/a" "$box" sleep 100
    netctr stop -t 0 a >/dev/null
    rmdir "$tmp/shared/pids"
    ln -s "$tmp/host" "$tmp/shared/pids" # as the container could
    assert_status 125 netctr start a 2>"$tmp/err"
    assert_contains "$(cat "$tmp/err")" "write pid file \`$tmp/shared/pids/a\`"
    [ -z "$(ls -A "$tmp/host")" ] || fail 'a link was followed'
    assert_error "netctr: pid file \`$box/pid\` is in the root directory" 125 \
        netctr run --pid-file "$box/pid" "$box" true
    assert_error "netctr: pid file \`$tmp/none/a\`: No such file or directory" 125 \
        netctr run --pid-file "$tmp/none/a" "$box" true
}
t 'a pid file is not written through a link that a container has made' no_links

# They would be replaced, and removed in the end.
not_regular() {
    local what
    mkdir "$tmp/odd"
    cd "$tmp/odd" || exit
    mkfifo fifo
    ln -s /nowhere dangling
    touch file
    ln -s file link
    mkdir dir
    mknod device c 1 3
    ls -l >"$tmp/before"
    for what in fifo dangling link dir device; do
        assert_error "netctr: pid file \`$what\` exists, and is not a regular file" 125 \
            netctr run --network none --pid-file "$what" "$box" true
    done
    run --name a --pid-file a "$box" sleep 100
    netctr stop -t 0 a >/dev/null
    mkfifo a
    assert_error "netctr: start container \`a\`: pid file \`$tmp/odd/a\` exists, and is not a regular file" 125 netctr start a
    [ -p a ] || fail 'it was replaced'
    rm a
    assert_eq "$(ls -l)" "$(cat "$tmp/before")"
}
t 'a device, a FIFO or a link is no pid file, and stays' not_regular

has_id_file() {
    local id
    id=$(netctr run -d --network none --cidfile "$tmp/id" "$box" sleep 100)
    assert_eq "$(cat "$tmp/id")" "$id"
    assert_error "netctr: id file \`$tmp/id\` exists; remove it if its container is gone, or name another file" 125 \
        netctr run --cidfile "$tmp/id" "$box" true
    netctr run --rm --network none --cidfile "$tmp/id2" "$box" missing 2>/dev/null || true
    [ ! -e "$tmp/id2" ] || fail 'the file of a failed start stays'
}
t '--cidfile gets the id, and must not exist' has_id_file

# It names a container, or is not there.
id_file_stays() {
    netctr run --name a --network none --cidfile "$tmp/id3" "$box" sleep 1000 2>/dev/null &
    wait_for 5 status_is a running
    kill -KILL "$(monitor_of a)"
    assert_status 125 wait $!
    assert_eq "$(cat "$tmp/id3")" "$(inspect a .id)" 'the monitor was killed, and the container is there'
    mkdir "$ARENA/full"
    mount -t tmpfs -o size=4k tmpfs "$ARENA/full"
    head -c 4096 /dev/zero >"$ARENA/full/all"
    assert_error "netctr: write id file \`$ARENA/full/id\`: No space left on device" 125 \
        netctr create --cidfile "$ARENA/full/id" "$box" true
    [ ! -e "$ARENA/full/id" ] || fail 'an empty file stays'
    umount "$ARENA/full"
}
t 'the file of --cidfile is there as long as its container' id_file_stays

# ---- who it is -----------------------------------------------------------------------------------

has_groups() {
    cp -a "$box" "$tmp/root"
    printf 'wheel:x:77:\nstaff:x:78:user\n' >>"$tmp/root/etc/group"
    for userns in auto host; do
        run --name "$userns" --userns "$userns" -u user --group-add wheel --group-add 1234 --group-add wheel "$tmp/root" sleep 100
        assert_eq "$(netctr exec "$userns" sh -c 'grep ^Groups /proc/1/status | cut -f2')" '77 78 1234 2000 ' "$userns"
        assert_eq "$(netctr exec "$userns" sh -c 'grep ^Groups /proc/self/status | cut -f2')" '77 78 1234 2000 ' "$userns: exec"
    done
    assert_eq "$(inspect auto .group_add)" '["wheel","1234","wheel"]'
    assert_error "netctr: --group-add \`nope\`: no group \`nope\` in the container's \`/etc/group\`" 125 \
        netctr run --network none --group-add nope "$tmp/root" true
    assert_error "netctr: --group-add keep-groups: a container does not get the caller's groups; name each group of the container, or its id" 125 \
        netctr run --group-add keep-groups "$box" true
}
t '--group-add takes names of the container, and ids' has_groups

has_umask() {
    run --name a --umask 0027 "$box" sleep 100
    assert_eq "$(netctr exec a sh -c 'umask; grep ^Umask /proc/1/status | cut -f2' | paste -sd' ')" '0027 0027'
    assert_eq "$(netctr run --rm --network none "$box" sh -c umask)" 0022
    assert_error 'netctr: umask `9` is not a mode (as in 0022)' 125 netctr run --umask 9 "$box" true
}
t '--umask is that of the program, and of commands' has_umask

has_oom_score() {
    local score scores=300
    ! may_raise || scores+=' -200'
    for score in $scores; do
        run --name "n$score" "--oom-score-adj=$score" "$box" sleep 100
        assert_eq "$(netctr exec "n$score" cat /proc/1/oom_score_adj /proc/self/oom_score_adj | paste -sd' ')" "$score $score"
        netctr restart -t 0 "n$score" >/dev/null
        assert_eq "$(netctr exec "n$score" cat /proc/1/oom_score_adj)" "$score"
    done
    assert_error 'netctr: oom-score-adj `1001` is not a number from -1000 to 1000' 125 \
        netctr run --oom-score-adj 1001 "$box" true
}
t '--oom-score-adj is that of the program, and of commands' has_oom_score

# ---- sysctls -------------------------------------------------------------------------------------

in_proc() { netctr exec "$1" cat "/proc/sys/$2" | tr '\t' ' '; } # NAME PATH
has_sysctls() {
    local ours
    ours=$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/msgmax /proc/sys/kernel/domainname)
    for userns in auto host; do
        netctr run -d --name "$userns" --userns "$userns" --sysctl net.ipv4.ip_unprivileged_port_start=81 \
            --sysctl net/ipv4/conf/eth0/forwarding=1 --sysctl kernel.msgmax=4444 --sysctl 'kernel.sem=200 32000 32 128' \
            --sysctl fs.mqueue.msg_max=11 --sysctl kernel.domainname=example.org "$box" sleep 100 >/dev/null
        assert_eq "$(in_proc "$userns" net/ipv4/ip_unprivileged_port_start) $(in_proc "$userns" net/ipv4/conf/eth0/forwarding)" '81 1'
        assert_eq "$(in_proc "$userns" kernel/msgmax) $(in_proc "$userns" kernel/sem)" '4444 200 32000 32 128'
        assert_eq "$(in_proc "$userns" fs/mqueue/msg_max) $(in_proc "$userns" kernel/domainname)" '11 example.org'
        netctr restart -t 0 "$userns" >/dev/null
        assert_eq "$(in_proc "$userns" kernel/msgmax) $(in_proc "$userns" net/ipv4/ip_unprivileged_port_start)" '4444 81'
    done
    assert_eq "$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/msgmax /proc/sys/kernel/domainname)" "$ours" \
        "the host's"
    assert_eq "$(inspect auto .sysctls[0])" net.ipv4.ip_unprivileged_port_start=81
}
t '--sysctl sets those of the namespaces of the container' has_sysctls

refused_sysctl() { assert_error "netctr: $1" 125 netctr run "${@:2}" "$box" true; }
not_the_hosts() {
    local whole='it would change the whole host; net.*, fs.mqueue.*, kernel.msg*, kernel.sem, kernel.shm* and kernel.domainname can be set here, others with `sysctl -w` on the host'
    local not_own="that network namespace is not the container's own"
    refused_sysctl "sysctl \`vm.swappiness\` is not a container's own: $whole" --sysctl vm.swappiness=1
    refused_sysctl "sysctl \`kernel.pid_max\` is not a container's own: $whole" --sysctl kernel.pid_max=1000
    refused_sysctl "sysctl \`kernel.hostname\` is not a container's own: it would change the whole host; \`--hostname\` sets it" \
        --sysctl kernel.hostname=x
    refused_sysctl 'sysctl `net.ipv4.ip_forward` is not NAME=VALUE' --sysctl net.ipv4.ip_forward
    refused_sysctl 'sysctl `net.ipv4.ip_forward=` is not NAME=VALUE' --sysctl net.ipv4.ip_forward=
    refused_sysctl 'sysctl `net/../vm/swappiness=1` is not NAME=VALUE' --sysctl net/../vm/swappiness=1
    refused_sysctl 'sysctl `net..ipv4=1` is not NAME=VALUE' --sysctl net..ipv4=1
    refused_sysctl "sysctl \`net.ipv4.ip_forward\` cannot be set with \`--network host\`: $not_own" \
        --network host --sysctl net.ipv4.ip_forward=1
    netctr run -d --name owner "$box" sleep 100 >/dev/null
    refused_sysctl "sysctl \`net.ipv4.ip_forward\` cannot be set with \`--network container:owner\`: $not_own" \
        --network container:owner --sysctl net.ipv4.ip_forward=1
    refused_sysctl 'this kernel has no sysctl `net.none` for a container' --network none --sysctl net.none=1
    assert_status 125 netctr run --network none --sysctl kernel.msgmax=x "$box" true 2>"$tmp/err"
    assert_contains "$(cat "$tmp/err")" 'set sysctl `kernel.msgmax` to `x`: Invalid argument'
    netctr run --rm --network host --sysctl kernel.msgmax=4445 "$box" true
}
t 'sysctls of the host, and of a network that is shared, are refused' not_the_hosts

# ---- resource limits -----------------------------------------------------------------------------

# Soft and hard limit of processor time, stack, files, pending signals, message queues and niceness.
limits_of() { # NAME PROCESS
    netctr exec "$1" cat "/proc/$2/limits" | awk '
        /cpu time/ { c = $4 " " $5 } /stack/ { s = $4 " " $5 } /open files/ { f = $4 " " $5 }
        /pending/ { p = $4 " " $5 } /msgqueue/ { m = $4 " " $5 } /nice/ { n = $4 " " $5 }
        END { print c "," s "," f "," p "," m "," n }'
}
has_ulimits() {
    local userns process expected='500 unlimited,8388608 16777216,200 300,5 6,1000 2000,0 0'
    for userns in auto host; do
        run --name "$userns" --userns "$userns" -u user --ulimit nofile=200:300 --ulimit msgqueue=1000:2000 \
            --ulimit stack=8388608:16777216 --ulimit sigpending=5:6 --ulimit cpu=500:unlimited "$box" sleep 100
        for process in 1 self; do
            assert_eq "$(limits_of "$userns" $process)" "$expected" "$userns, $process"
        done
        netctr restart -t 0 "$userns" >/dev/null
        assert_eq "$(limits_of "$userns" 1)" "$expected" 'after a restart'
    done
    assert_eq "$(inspect auto '.ulimits | [.nofile, .cpu, .msgqueue]')" '[[200,300],[500,-1],[1000,2000]]'
}
t '--ulimit sets limits of the program, and of commands' has_ulimits

can_raise() {
    local userns process
    may_raise || skip 'no CAP_SYS_RESOURCE'
    for userns in auto host; do
        (ulimit -n 300 && run --name "$userns" --userns "$userns" -u user --ulimit nofile=2000:3000 --ulimit nice=30 "$box" sleep 100)
        for process in 1 self; do
            assert_eq "$(limits_of "$userns" $process | cut -d, -f3,6)" '2000 3000,30 30' "$userns, $process"
        done
    done
}
t '--ulimit raises limits above those of the caller' can_raise

bad_ulimits() {
    assert_error 'netctr: ulimit `nofile` is not NAME=SOFT[:HARD] (-1: no limit)' 125 netctr run --ulimit nofile "$box" true
    assert_error 'netctr: ulimit `nofile=1:2:3` is not NAME=SOFT[:HARD] (-1: no limit)' 125 netctr run --ulimit nofile=1:2:3 "$box" true
    assert_error 'netctr: ulimit `nofile=2:1`: the soft limit is above the hard limit' 125 netctr run --ulimit nofile=2:1 "$box" true
    assert_error "netctr: ulimit \`nofile=-1\`: this host permits $(cat /proc/sys/fs/nr_open) open files (fs.nr_open)" 125 \
        netctr run --ulimit nofile=-1 "$box" true
    assert_status 125 netctr run --ulimit what=1 "$box" true 2>"$tmp/err"
    assert_contains "$(cat "$tmp/err")" 'ulimit `what=1`: there is no such limit; nofile, nproc, core,'
}
t 'a limit that is none is refused' bad_ulimits

# ---- mounts --------------------------------------------------------------------------------------

has_mounts() {
    mkdir "$tmp/data"
    echo here >"$tmp/data/file"
    run --name a --mount "type=bind,source=$tmp/data,target=/data,readonly" --mount "type=bind,src=$tmp/data,dst=/rw" \
        --mount type=tmpfs,dst=/tmp/t,tmpfs-size=1m,tmpfs-mode=0700 --shm-size 2m "$box" sleep 100
    assert_eq "$(netctr exec a cat /data/file /rw/file | paste -sd,)" here,here
    assert_status 1 netctr exec a touch /data/x 2>/dev/null
    netctr exec a touch /rw/x
    assert_eq "$(netctr exec a sh -c 'stat -c %a /tmp/t; df -k /tmp/t /dev/shm | awk "NR > 1 { print \$2 }"' | paste -sd,)" 700,1024,2048
    netctr restart -t 0 a >/dev/null
    assert_eq "$(netctr exec a sh -c 'df -k /dev/shm | awk "NR > 1 { print \$2 }"')" 2048 'after a restart'
    assert_eq "$(inspect a .shm_size)" 2097152
    netctr run --rm --network none --mount "type=bind,src=$tmp/data,dst=/data,ro,readonly=false" "$box" touch /data/y
}
t '--mount mounts directories and tmpfs, and /dev/shm has its size' has_mounts

bad_mounts() {
    assert_error 'netctr: mount `type=volume,src=x,dst=/x`: its type is not bind or tmpfs; netctr has no named volumes: type=bind,src=/DIR mounts a directory' 125 \
        netctr run --mount type=volume,src=x,dst=/x "$box" true
    assert_error 'netctr: mount `type=bind,src=/tmp` has no dst=' 125 netctr run --mount type=bind,src=/tmp "$box" true
    assert_error 'netctr: mount `type=bind,what=x`: unknown key `what=x`; type=, src=, dst=, ro, tmpfs-size= and tmpfs-mode= are known' 125 \
        netctr run --mount type=bind,what=x "$box" true
    assert_error 'netctr: mount target `/proc/x` is in /proc or /sys' 125 \
        netctr run --mount type=bind,src=/tmp,dst=/proc/x "$box" true
    assert_error 'netctr: shm-size `x` is not a size (as in 64m)' 125 netctr run --shm-size x "$box" true
}
t 'a mount of another type, or without a target, is refused' bad_mounts
