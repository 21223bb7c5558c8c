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
    snapshot
    assert_error "$case_line" "$case_status" netctr "${case_arguments[@]}"
    assert_clean
    assert_eq "$(netctr ps -aq)" "$standing" 'containers'
}

# ---- the ground: a network, a container with a published port, a program of somebody else's ------
warm_up
netctr run -d --name taken --publish 8080:80 "$box" sleep 1000 >/dev/null
standing=taken
tidy_after_test() { :; } # it stands for all of this file
socat TCP-LISTEN:8181,fork,reuseaddr /dev/null &
socat UDP-LISTEN:8181,fork,reuseaddr /dev/null &
wait_for 5 sh -c 'ss -Hltn | grep -q :8181 && ss -Hlun | grep -q :8181'
touch "$tmp/file"
cp -a "$box" "$tmp/root"
touch "$tmp/root/bin/not-executable"

# ---- the table -----------------------------------------------------------------------------------
error 'no such root directory' 125 \
    "netctr: root directory \`$tmp/missing': No such file or directory" run "$tmp/missing" true
error 'a file as root directory' 125 \
    "netctr: root directory \`$tmp/file': Not a directory" run "$tmp/file" true
error 'no root directory given' 125 \
    'netctr: run: no ROOTFS given (see netctr run --help)' run
error 'no command given' 125 \
    'netctr: run: no COMMAND given (see netctr run --help)' run "$box"
error 'command missing' 127 \
    "netctr: command \`nothing': not found in the container's PATH" run --rm "$box" nothing
error 'command with a path missing' 127 \
    "netctr: command \`/bin/nothing': No such file or directory" run --rm "$box" /bin/nothing
error 'command not executable' 126 \
    "netctr: command \`/bin/not-executable': Permission denied" run --rm "$tmp/root" /bin/not-executable
error 'port too large' 125 \
    "netctr: --publish \`99999:80': not a port: 99999" run --publish 99999:80 "$box" true
error 'container port missing' 125 \
    "netctr: --publish \`80:': not a port: " run --publish 80: "$box" true
error 'port not a number' 125 \
    "netctr: --publish \`abc': not a port: abc" run --publish abc "$box" true
error 'unknown protocol' 125 \
    "netctr: --publish \`80:80/xyz': not a protocol: xyz" run --publish 80:80/xyz "$box" true
error 'host address not an address' 125 \
    "netctr: --publish \`1.2.3:80:80': not an address: 1.2.3" run --publish 1.2.3:80:80 "$box" true
error 'an address that the host does not have' 125 \
    "netctr: --publish \`203.0.113.7:80:80': this host has no address 203.0.113.7" \
    run --publish 203.0.113.7:80:80 "$box" true
error 'port in use by another program' 125 \
    "netctr: --publish \`8181:80': port 8181/tcp is in use by another program" \
    run --publish 8181:80 "$box" true
error 'UDP port in use by another program' 125 \
    "netctr: --publish \`8181:80/udp': port 8181/udp is in use by another program" \
    run --publish 8181:80/udp "$box" true
error 'port in use by another container' 125 \
    "netctr: --publish \`8080:80': port 8080/tcp is published by container \`taken'" \
    run --publish 8080:80 "$box" true
error 'port in use by another container, at one address' 125 \
    "netctr: --publish \`127.0.0.1:8080:80': port 8080/tcp is published by container \`taken'" \
    run --publish 127.0.0.1:8080:80 "$box" true
error 'the same port twice' 125 \
    "netctr: --publish \`9000:81': port 9000/tcp is published twice" \
    run --publish 9000:80 --publish 9000:81 "$box" true
error 'publish without a network' 125 \
    "netctr: --publish needs a network of its own: not with --network none" \
    run --network none --publish 8082:80 "$box" true
error 'bad name' 125 \
    "netctr: --name \`a b': not a name (letters, digits, _ . -; the first a letter or digit; at most 64)" \
    run --name 'a b' "$box" true
error 'a name that is a path' 125 \
    "netctr: --name \`../x': not a name (letters, digits, _ . -; the first a letter or digit; at most 64)" \
    run --name ../x "$box" true
error 'name in use' 125 \
    "netctr: --name \`taken': there is a container of that name" run --name taken "$box" true
error 'bad size of memory' 125 \
    "netctr: --memory \`10x': not a size (like 512k, 64m, 1g)" run -m 10x "$box" true
error 'bad number of CPUs' 125 \
    "netctr: --cpus \`much': not a number of CPUs (like 0.5)" run --cpus much "$box" true
error 'bad limit of processes' 125 \
    "netctr: --pids-limit \`-3': not a number" run --pids-limit=-3 "$box" true
error 'no such network' 125 \
    "netctr: --network \`nowhere': no such network" run --network nowhere "$box" true
error 'no such user' 125 \
    "netctr: --user \`nobody-here': no such user in the container" run --rm --user nobody-here "$box" true
error 'no such capability' 125 \
    "netctr: --cap-add \`everything': not a capability" run --cap-add everything "$box" true
error 'volume without a destination' 125 \
    "netctr: --volume \`$tmp': not SOURCE:DESTINATION[:ro]" run -v "$tmp" "$box" true
error 'volume with a missing source' 125 \
    "netctr: --volume \`$tmp/missing:/x': No such file or directory" run -v "$tmp/missing:/x" "$box" true
error 'working directory not absolute' 125 \
    "netctr: --workdir \`etc': not an absolute path" run -w etc "$box" true
error 'bad variable' 125 \
    "netctr: --env \`=x': not NAME=VALUE" run -e =x "$box" true
error 'unknown flag, with the nearest known one' 125 \
    "netctr: run: unknown flag --publsh (did you mean --publish?)" run --publsh 80:80 "$box" true
error 'unknown flag, none near' 125 \
    "netctr: run: unknown flag --xyzzy (see netctr run --help)" run --xyzzy "$box" true
error 'flag without its value' 125 \
    "netctr: run: --name needs a value" run --name
error 'unknown command, with the nearest known one' 125 \
    "netctr: unknown command \`rnu' (did you mean \`run'?)" rnu
error 'no such container: stop' 125 "netctr: no such container: nobody" stop nobody
error 'no such container: kill' 125 "netctr: no such container: nobody" kill nobody
error 'no such container: rm' 125 "netctr: no such container: nobody" rm nobody
error 'no such container: logs' 125 "netctr: no such container: nobody" logs nobody
error 'no such container: exec' 125 "netctr: no such container: nobody" exec nobody true
error 'rm of a running container' 125 \
    "netctr: container \`taken' is running: stop it first, or rm -f" rm taken
error 'unknown signal' 125 \
    "netctr: kill: not a signal: XYZ" kill -s XYZ taken

not_root() {
    chmod 755 "$ARENA" "$ARENA/bin"
    assert_error "netctr: not root: namespaces and network links need it" 125 \
        setpriv --reuid 65534 --regid 65534 --clear-groups "$ARENA/bin/netctr" run "$box" true
}
t 'not root' not_root

errors_come_before_effects() {
    # The last flag is wrong: nothing of what the others ask for is there afterwards.
    snapshot
    assert_fails netctr run -d --name new --publish 8090:80 -m 64m -v "$tmp:/x" --network nowhere "$box" true
    assert_fails netctr run -d --name new --publish 8090:80 --publish 8181:80 "$box" sleep 100
    assert_fails netctr exec taken -Z
    assert_clean
    netctr run --rm --publish 8090:80 "$box" true # the positive control: it could have been
}
t 'an error leaves nothing behind' errors_come_before_effects
