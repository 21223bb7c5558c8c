#!/usr/bin/env bash
# What netctr says of bad input: one line, the right one, before anything has been touched.
. "$(dirname "$0")/../lib.sh"

# error TITLE STATUS LINE ARGUMENTS...: `netctr ARGUMENTS' says exactly LINE and ends with STATUS.
error() {
    local title=$1
    case_status=$2 case_line=$3
    shift 3
    case_arguments=("$@")
    t "$title" check
}
check() {
    assert_error "$case_line" "$case_status" netctr "${case_arguments[@]}"
    assert_clean # since the ground was laid
    assert_eq "$(names -a)" taken 'containers'
}

# ---- the ground: a network, a container with a published port, a program of somebody else's ------
warm_up
netctr run -d --name taken --publish 8080:80 "$box" sleep 1000 >/dev/null
tidy_after_test() { :; } # it stands for all of this file
socat TCP-LISTEN:8181,fork,reuseaddr /dev/null &
socat UDP-LISTEN:8181,fork,reuseaddr /dev/null &
wait_for 5 sh -c 'ss -Hltn | grep -q :8181 && ss -Hlun | grep -q :8181'
touch "$tmp/file"
cp -a "$box" "$tmp/root"
touch "$tmp/root/bin/not-executable"

snapshot

# ---- the table -----------------------------------------------------------------------------------
error 'no such root directory' 125 \
    "netctr: root directory \`$tmp/missing\` does not exist" run "$tmp/missing" true
error 'a file as root directory' 125 \
    "netctr: root directory \`$tmp/file\` is not a directory" run "$tmp/file" true
error "the host's own root directory" 125 \
    "netctr: the host's own \`/\` cannot be a container's root directory" run / true
error 'no root directory given' 125 \
    'netctr: ROOTFS is missing; netctr run [FLAGS] ROOTFS COMMAND [ARG…]' run
error 'no command given' 125 \
    "netctr: COMMAND is missing; say what to run in it: netctr run $box COMMAND [ARG…], as in \`netctr run $box nginx\`" \
    run "$box"
error 'command missing' 127 \
    "netctr: command \`nothing\` not found in the container's PATH" run --rm "$box" nothing
error 'command with a path missing' 127 \
    "netctr: command \`/bin/nothing\` not found in the container" run --rm "$box" /bin/nothing
error 'command not executable' 126 \
    "netctr: command \`/bin/not-executable\` cannot be executed: Permission denied" \
    run --rm "$tmp/root" /bin/not-executable
error 'command not executable, found by PATH' 126 \
    "netctr: command \`not-executable\` cannot be executed: Permission denied" \
    run --rm "$tmp/root" not-executable
error 'port too large' 125 \
    "netctr: publish \`99999:80\`: \`99999\` is not a port (1-65535) or a range of ports" \
    run --publish 99999:80 "$box" true
error 'container port missing' 125 \
    "netctr: publish \`80:\`: the container's port is missing" run --publish 80: "$box" true
error 'port not a number' 125 \
    "netctr: publish \`abc\`: \`abc\` is not a port (1-65535) or a range of ports" \
    run --publish abc "$box" true
error 'unknown protocol' 125 \
    "netctr: publish \`80:80/xyz\`: protocol \`xyz\` is not tcp, udp or sctp" \
    run --publish 80:80/xyz "$box" true
error 'host address not an address' 125 \
    "netctr: publish \`1.2.3:80:80\`: \`1.2.3\` is not an address" run --publish 1.2.3:80:80 "$box" true
error 'an address that the host does not have' 125 \
    'netctr: this host has no address 203.0.113.7' run --publish 203.0.113.7:80:80 "$box" true
error 'port in use by another program' 125 \
    'netctr: port 8181/tcp is in use on this host; another program listens there (`ss -lntup` shows it)' \
    run --publish 8181:80 "$box" true
error 'UDP port in use by another program' 125 \
    'netctr: port 8181/udp is in use on this host; another program listens there (`ss -lntup` shows it)' \
    run --publish 8181:80/udp "$box" true
error 'port in use by another container' 125 \
    'netctr: port 8080/tcp is in use on this host; container `taken` publishes it' \
    run --publish 8080:80 "$box" true
error 'port in use by another container, at one address' 125 \
    'netctr: port 8080/tcp is in use on 127.0.0.1; container `taken` publishes it' \
    run --publish 127.0.0.1:8080:80 "$box" true
error 'publish without a network' 125 \
    'netctr: ports cannot be published with `--network none`' \
    run --network none --publish 8082:80 "$box" true
error 'bad name' 125 \
    'netctr: invalid container name `a b`; letters, digits, `_`, `.` and `-`, at most 64, the first a letter or digit' \
    run --name 'a b' "$box" true
error 'a name that is a path' 125 \
    'netctr: invalid container name `../x`; letters, digits, `_`, `.` and `-`, at most 64, the first a letter or digit' \
    run --name ../x "$box" true
error 'name in use' 125 \
    'netctr: container name `taken` is in use; `netctr rm -f taken` removes that container' \
    run --name taken "$box" true
error 'bad hostname' 125 'netctr: invalid hostname `a b`' run --hostname 'a b' "$box" true
error 'bad size of memory' 125 \
    'netctr: memory `10x` is not a size (as in 64m, 2g)' run -m 10x "$box" true
error 'hardly any memory' 125 \
    'netctr: memory `1k` is less than 6m, the least that a container needs' run -m 1k "$box" true
error 'bad number of CPUs' 125 \
    'netctr: cpus `much` is not a number of processors (as in 0.5, 2)' run --cpus much "$box" true
error 'bad limit of processes' 125 \
    'netctr: pids limit `-3` is not a number (1-4194304; 0 or -1: no limit)' run --pids-limit=-3 "$box" true
error 'no such network' 125 \
    'netctr: no such network `nowhere`' run --network nowhere "$box" true
error 'bad name of a network' 125 \
    'netctr: invalid network name `../x`' run --network ../x "$box" true
error 'no such user' 125 \
    "netctr: user \`somebody\`: no user \`somebody\` in the container's \`/etc/passwd\`" \
    run --rm --user somebody "$box" true
error 'no such capability' 125 \
    'netctr: unknown capability `net_admim`; did you mean NET_ADMIN?' run --cap-add net_admim "$box" true
error 'volume without a destination' 125 \
    "netctr: volume \`$tmp\` is not SRC:DST[:ro]" run -v "$tmp" "$box" true
error 'volume with a missing source' 125 \
    "netctr: volume \`$tmp/missing:/x\`: \`$tmp/missing\`: No such file or directory" \
    run -v "$tmp/missing:/x" "$box" true
error 'volume over the root' 125 \
    "netctr: volume \`$tmp:/\`: the target \`/\` is not an absolute path below /" run -v "$tmp:/" "$box" true
error 'volume in /proc' 125 \
    'netctr: volume target `/proc/fs` is in /proc or /sys' run --rm -v "$tmp:/proc/fs" "$box" true
error 'volume in /sys' 125 \
    'netctr: volume target `/sys/kernel` is in /proc or /sys' run --rm -v "$tmp:/sys/kernel" "$box" true
error 'working directory not absolute' 125 \
    'netctr: working directory `etc` is not an absolute path' run -w etc "$box" true
error 'bad variable' 125 \
    'netctr: a variable of the environment has no name' run -e =x "$box" true
error 'unknown flag, with the nearest known one' 125 \
    'netctr: unknown flag `--publsh`; did you mean `--publish`?' run --publsh 80:80 "$box" true
error 'unknown flag, none near' 125 'netctr: unknown flag `--xyzzy`' run --xyzzy "$box" true
error 'unknown letter' 125 'netctr: unknown flag `-Z` in `-Z`' run -Z "$box" true
error 'flag without its value' 125 'netctr: flag `--name` needs a value (NAME)' run --name
error 'unknown command, with the nearest known one' 125 \
    'netctr: unknown command `rnu`; did you mean `netctr run`?' rnu
error 'no such container: stop' 125 'netctr: no such container `nobody`' stop nobody
error 'no such container: kill' 125 'netctr: no such container `nobody`' kill nobody
error 'no such container: rm' 125 'netctr: no such container `nobody`' rm nobody
error 'no such container: logs' 125 'netctr: no such container `nobody`' logs nobody
error 'no such container: exec' 125 'netctr: no such container `nobody`' exec nobody true
error 'no such container: inspect' 125 'netctr: no such container `nobody`' inspect nobody
error 'rm of a running container' 125 \
    'netctr: container `taken` is running; `netctr rm -f taken` ends it first' rm taken
error 'unknown signal' 125 'netctr: unknown signal `XYZ`' kill -s XYZ taken

not_root() {
    chmod 755 "$ARENA" "$ARENA/bin"
    assert_error 'netctr: `run` needs root; try `sudo netctr run …`' 125 \
        setpriv --reuid 65534 --regid 65534 --clear-groups "$ARENA/bin/netctr" run "$box" true
}
t 'not root' not_root

errors_come_before_effects() {
    # The last flag is wrong: nothing of what the others ask for is there afterwards.
    snapshot
    assert_fails netctr run -d --name new --publish 8090:80 -m 64m -v "$tmp:/x" --network nowhere "$box" true
    assert_fails netctr run -d --name new --publish 8090:80 --publish 8181:80 "$box" sleep 100
    assert_fails netctr exec -Z taken true
    assert_clean
    netctr run --rm --publish 8090:80 "$box" true # the positive control: it could have been
}
t 'an error leaves nothing behind' errors_come_before_effects
