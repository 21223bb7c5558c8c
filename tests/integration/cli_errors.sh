#!/usr/bin/env bash
# Errors for bad input: one line, the right one, before anything is changed.
. "$(dirname "$0")/../lib.sh"

# error TITLE STATUS LINE ARGUMENTS...: `netctr ARGUMENTS' prints exactly LINE and exits with STATUS.
error() {
    local title=$1
    case_status=$2 case_line=$3
    shift 3
    case_arguments=("$@")
    t "$title" check
}
check() {
    assert_error "$case_line" "$case_status" netctr "${case_arguments[@]}"
    assert_clean # since the setup
    assert_eq "$(names -a)" taken 'containers'
}

# ---- setup: a network, a container with a published port, another program with a port -----
warm_up
netctr run -d --name taken --publish 8080:80 "$box" sleep 1000 >/dev/null
tidy_after_test() { :; } # the containers are used by all tests of this file
socat TCP-LISTEN:8181,fork,reuseaddr /dev/null &
socat UDP-LISTEN:8181,fork,reuseaddr /dev/null &
wait_for 5 sh -c 'ss -Hltn | grep -q :8181 && ss -Hlun | grep -q :8181'
touch "$tmp/file"
cp -a "$box" "$tmp/root"
touch "$tmp/root/bin/not-executable"
mkdir "$tmp/plain"
cp -a "$box" "$tmp/closed"
chmod 700 "$tmp/closed"
too_long=$(printf 'a%.0s' {1..64})

snapshot

# ---- the table -----------------------------------------------------------------------------------
error 'no such root directory' 125 \
    "netctr: root directory \`$tmp/missing\` does not exist" run "$tmp/missing" true
error 'a file as root directory' 125 \
    "netctr: root directory \`$tmp/file\` is not a directory" run "$tmp/file" true
error "the host's own root directory" 125 \
    "netctr: the host's own \`/\` cannot be a container's root directory" run / true
error 'the name of an image as root directory' 125 \
    'netctr: root directory `nginx` does not exist; netctr runs directories, not images: `scripts/mkrootfs nginx` makes one' \
    run -d nginx
error 'the name of an image with a tag' 125 \
    'netctr: root directory `docker.io/nginx:1` does not exist; netctr runs directories, not images: `scripts/mkrootfs DIR` makes one' \
    run docker.io/nginx:1 sh
error 'an empty root directory' 125 'netctr: ROOTFS is empty' run '' true
error "a flag's value before a missing command" 125 \
    'netctr: publish `web`: `web` is not a port (1-65535) or a range of ports' run -p web "$box"
error 'a flag in the place of the command' 125 \
    "netctr: COMMAND \`-p\` is a flag; flags go before ROOTFS: netctr run -p 8080:80 $box nginx -g 'daemon off;'" \
    run "$box" -p 8080:80 nginx -g 'daemon off;'
error 'several flags in the place of the command, after others' 125 \
    "netctr: COMMAND \`-d\` is a flag; flags go before ROOTFS: netctr run … -d --name=x $box sh" \
    run --rm "$box" -d --name=x sh
error 'a variable in the place of the command' 125 \
    'netctr: COMMAND `-e` is a flag; flags go before ROOTFS' run "$box" -e A=secret sh
error 'an unknown flag in the place of the command' 125 \
    'netctr: COMMAND `--what` is a flag; flags go before ROOTFS' run "$box" --what sh
error 'a privileged command' 125 \
    'netctr: unknown flag `--privileged`; netctr does not have it yet: commands have the capabilities of the container, which `run --cap-add` gives' \
    exec --privileged taken id
error 'a flag in the place of the command of exec' 125 \
    'netctr: COMMAND `-u` is a flag; flags go before NAME' exec taken -u 1000 id
error 'an empty command' 125 'netctr: COMMAND is empty' run "$box" ''
error 'a directory that is no root' 127 \
    "netctr: command \`sh\` not found in the container's PATH; \`$tmp/plain\` has no bin and no usr: is it a root directory?" \
    run --rm "$tmp/plain" sh
error 'a root directory that its user may not enter' 126 \
    "netctr: command \`id\` cannot be executed: Permission denied; user 1000 may not enter the root directory \`$tmp/closed\`: its mode is 0700" \
    run --rm -u user "$tmp/closed" id
error 'a hostname, and no root directory' 125 \
    'netctr: ROOTFS is missing; netctr run [FLAGS] ROOTFS COMMAND [ARG…]' run -h web
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
    'netctr: invalid container name `a b`; letters, digits, `_`, `.` and `-`, at most 63, the first a letter or digit, no `.` at the end or beside another' \
    run --name 'a b' "$box" true
error 'a name that is a path' 125 \
    'netctr: invalid container name `../x`; letters, digits, `_`, `.` and `-`, at most 63, the first a letter or digit, no `.` at the end or beside another' \
    run --name ../x "$box" true
error 'name in use' 125 \
    'netctr: container name `taken` is in use; `netctr rm -f taken` removes that container' \
    run --name taken "$box" true
error 'bad hostname' 125 \
    'netctr: invalid hostname `a b`; letters, digits, `_`, `-` and `.`, at most 63, no `-` or `.` at the beginning or end' \
    run --hostname 'a b' "$box" true
error 'bad size of memory' 125 \
    'netctr: memory `10x` is not a size (as in 64m, 1.5g; 0: no limit)' run -m 10x "$box" true
error 'hardly any memory' 125 \
    'netctr: memory `1k` is less than 6m, the minimum for a container' run -m 1k "$box" true
error 'bad number of CPUs' 125 \
    'netctr: cpus `much` is not a number of processors (as in 0.5, 2)' run --cpus much "$box" true
error 'bad limit of processes' 125 \
    'netctr: pids limit `-3` is not a number (1-4194304; 0 or -1: no limit)' run --pids-limit=-3 "$box" true
error 'no such network' 125 \
    'netctr: no such network `nowhere`' run --network nowhere "$box" true
error 'bad name of a network' 125 \
    'netctr: invalid network name `../x`' run --network ../x "$box" true
error 'no such user' 125 \
    "netctr: user \`ghost\`: no user \`ghost\` in the container's \`/etc/passwd\`" \
    run --rm --user ghost "$box" true
error 'no such capability' 125 \
    'netctr: unknown capability `net_admim`; did you mean NET_ADMIN?' run --cap-add net_admim "$box" true
error 'more processors than there are' 125 \
    "netctr: cpus \`$(($(nproc --all) + 1))\` is more than the $(nproc --all) processors of this host" \
    run --cpus $(($(nproc --all) + 1)) "$box" true
error 'hardly any processor' 125 \
    'netctr: cpus `0.001` is less than 0.01, the minimum of the kernel' run --cpus 0.001 "$box" true
error 'too exact' 125 'netctr: cpus `0.3333` has more than three decimals' run --cpus 0.3333 "$box" true
error 'an alias that is too long' 125 \
    "netctr: --network-alias \`$too_long\` is not a name; letters, digits, \`_\`, \`.\` and \`-\`, at most 63, the first a letter or digit, no \`.\` at the end or beside another" \
    run --network-alias "$too_long" "$box" true
error 'a resolver of another container' 125 \
    'netctr: --dns cannot be given with `--network container:taken`: names are resolved as in that container' \
    run --dns 192.0.2.9 --network container:taken "$box" true
error 'an argument that is not UTF-8' 125 'netctr: argument `a\xff` is not UTF-8' run "$box" echo $'a\xff'
error 'a variable that is not UTF-8' 125 \
    'netctr: variable `SECRET` of the environment is not UTF-8' run -e $'SECRET=s3cret\xff' "$box" true
error 'a working directory that is not UTF-8' 125 \
    'netctr: working directory `/\xc3` is not UTF-8' run -w $'/\xc3' "$box" true
error 'a volume that is not UTF-8' 125 \
    'netctr: target of a volume `/\xff` is not UTF-8' run --tmpfs $'/\xff' "$box" true
error 'a label that is not UTF-8' 125 \
    'netctr: label `a=\xff` is not UTF-8' network create --label $'a=\xff' new
error 'an unknown option of a tmpfs' 125 \
    'netctr: tmpfs `/t:size=1m,dev`: unknown option `dev`; size=64m, mode=1777, uid=N, gid=N, nr_inodes=N, ro, rw, exec, noexec, suid, nosuid' \
    run --tmpfs /t:size=1m,dev "$box" true
error 'an unknown option of a volume' 125 \
    "netctr: volume \`$tmp:/x:ro,rslave\`: unknown option \`rslave\`; ro or rw; z and Z are accepted and ignored" \
    run -v "$tmp:/x:ro,rslave" "$box" true
error 'the name of a volume' 125 \
    'netctr: volume `data:/x`: `data` is not a path; for a directory here write ./data' run -v data:/x "$box" true
error 'a volume without a source' 125 \
    'netctr: volume `:/x`: the source is empty' run -v :/x "$box" true
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
error 'unknown flag, the beginning of a known one' 125 \
    'netctr: unknown flag `--usern`; did you mean `--userns`?' run --usern host "$box" true
error 'unknown flag, none near' 125 'netctr: unknown flag `--xyzzy`' run --xyzzy "$box" true
error 'a value for --help' 125 'netctr: `--help` takes no value' run --help=x
error 'unknown letter' 125 'netctr: unknown flag `-Z`' run -Z "$box" true
error 'unknown letter among others' 125 'netctr: unknown flag `-Z` in `-dZi`' run -dZi "$box" true
error 'a long flag with one dash' 125 \
    'netctr: unknown flag `-n` in `-nmae`; did you mean `--name`?' run -nmae x "$box" true
error 'a flag of docker' 125 'netctr: unknown flag `--gpus`; netctr does not have it yet: a container has no devices of the host' run --gpus all "$box" true
error 'a flag of docker, with what to do instead' 125 \
    'netctr: unknown flag `--privileged`; netctr does not have it yet: name what the command needs with `--cap-add`' \
    run --privileged "$box" true
error 'nothing to publish' 125 \
    'netctr: -P finds no ports; `--expose PORT` names them, or `-p PORT` publishes one at a free host port' run -P "$box" true
error 'no terminal' 125 \
    'netctr: the input device is not a TTY; -t needs a terminal on stdin; without it, -i alone passes stdin on' exec -it taken sh
error 'an argument with a newline: one line' 125 \
    'netctr: invalid container name `a\x0ab`; letters, digits, `_`, `.` and `-`, at most 63, the first a letter or digit, no `.` at the end or beside another' \
    run --name $'a\nb' "$box" true
error 'flag without its value' 125 'netctr: flag `--name` needs a value (NAME)' run --name
error 'unknown command, with the nearest known one' 125 \
    'netctr: unknown command `rnu`; did you mean `netctr run`?' rnu
error 'unknown command, none near' 125 \
    'netctr: unknown command `frobnicate`; `netctr --help` lists the commands' frobnicate
error 'a command of docker: pull' 125 \
    'netctr: unknown command `pull`; netctr has no images: it runs directories, and `scripts/mkrootfs DIR` makes one' \
    pull nginx
error 'a command of docker: ls' 125 'netctr: unknown command `ls`; `netctr ps` lists containers' ls
error 'a command of docker: network remove' 125 \
    'netctr: unknown command `network remove`; `network rm` removes networks (`netctr network rm --help`)' \
    network remove x
error 'help of an unknown command' 125 \
    'netctr: unknown command `frobnicate`; `netctr --help` lists the commands' help frobnicate
error 'help of an unknown command of networks' 125 \
    'netctr: unknown command `network frobnicate`; `netctr network --help` lists the commands' \
    help network frobnicate
error 'help of a command of networks with a word too many' 125 \
    'netctr: unknown command `network create x`; `netctr help network create` describes `network create`' \
    help network create x
error 'help of a command with a word too many' 125 \
    'netctr: unknown command `run x`; `netctr help run` describes `run`' help run x true
error 'ps with a name' 125 'netctr: `ps` takes no names; use --filter name=taken' ps taken
error 'ps with an unknown filter' 125 \
    'netctr: unknown filter `colour=x`; name=REGEX, id=PREFIX, status=STATUS, network=NETWORK, label=KEY[=VALUE], label!=KEY[=VALUE], ancestor=ROOTFS, volume=PATH, publish=PORT[/PROTOCOL], exited=STATUS, before=NAME or since=NAME' ps --filter colour=x
error 'ps with a filter without a value' 125 \
    'netctr: unknown filter `name=`; name=REGEX, id=PREFIX, status=STATUS, network=NETWORK, label=KEY[=VALUE], label!=KEY[=VALUE], ancestor=ROOTFS, volume=PATH, publish=PORT[/PROTOCOL], exited=STATUS, before=NAME or since=NAME' ps --filter name=
error 'ps with a filter that is not a pattern' 125 \
    'netctr: filter `name=[` is not a regular expression' ps --filter 'name=['
error 'a global flag of docker' 125 'netctr: unknown flag `--context`; netctr does not have it yet: netctr works on this host, without a daemon; `ssh HOST netctr …` works on another' --context x ps
error 'ps with an unknown status' 125 \
    'netctr: filter `status=gone`: unknown status; created, creating, running, paused, restarting, exited or dead' \
    ps --filter status=gone

# ---- flags that contradict each other ------------------------------------------------------------
error 'ps -q with a format' 125 'netctr: --format and --quiet exclude each other' ps -aq --format json
error 'network ls -q with a format' 125 \
    'netctr: --format and --quiet exclude each other' network ls --format json -q
error 'network forwarding: a format for a change' 125 \
    'netctr: --format and --close exclude each other' network forwarding --close --format json
error 'run --rm --restart' 125 \
    'netctr: --rm and --restart exclude each other: a container that has ended is either removed or restarted' \
    run --rm --restart always "$box" true
error 'events --follow --no-stream' 125 \
    'netctr: --follow and --no-stream exclude each other' events --follow --no-stream
error 'two modes of a network' 125 \
    'netctr: option `mode`: `nat` contradicts `routed`, which is given, too' \
    network create --mode routed -o mode=nat x
error 'one mode for each family' 125 \
    'netctr: option `com.docker.network.bridge.gateway_mode_ipv6`: `routed` contradicts `nat`, which is given, too' \
    network create -o com.docker.network.bridge.gateway_mode_ipv4=nat \
    -o com.docker.network.bridge.gateway_mode_ipv6=routed x
error 'icc off and on' 125 \
    'netctr: option `icc`: `true` contradicts `false`, which is given, too' \
    network create --icc=false -o icc=true x
error 'two MTUs' 125 \
    'netctr: option `mtu`: `1500` contradicts `1400`, which is given, too' network create --mtu 1400 -o mtu=1500 x
error 'stop --all with a name' 125 'netctr: --all and names exclude each other' stop --all taken
error 'unpublish --all with a port' 125 'netctr: --all and ports exclude each other' unpublish taken --all 8080
error 'no such network: inspect, one is near' 125 \
    'netctr: no such network `defualt`; did you mean `default`?' network inspect defualt
error 'no such network: rm, one is near' 125 'netctr: no such network `defualt`' network rm defualt
error 'info with a name' 125 'netctr: `info` takes no names' info taken
error 'no such container: stop' 125 'netctr: no such container `nobody`' stop nobody
error 'no such container: kill' 125 'netctr: no such container `nobody`' kill nobody
error 'no such container: rm' 125 'netctr: no such container `nobody`' rm nobody
error 'no such container: logs' 125 'netctr: no such container `nobody`' logs nobody
error 'no such container: inspect, one is near' 125 \
    'netctr: no such container `tkaen`; did you mean `taken`?' inspect tkaen
error 'no such container: exec, one is near' 125 \
    'netctr: no such container `takne`; did you mean `taken`?' exec takne true
error 'no such container: logs, one is near' 125 \
    'netctr: no such container `take`; did you mean `taken`?' logs take
error 'no such container: port, one is near' 125 \
    'netctr: no such container `takenn`; did you mean `taken`?' port takenn
error 'no such container: rm, one is near' 125 'netctr: no such container `tkaen`' rm tkaen
error 'no such container: stop, one is near' 125 'netctr: no such container `tkaen`' stop tkaen
error 'no such container: exec' 125 'netctr: no such container `nobody`' exec nobody true
error 'no such container: inspect' 125 'netctr: no such container `nobody`' inspect nobody
error 'rm of a running container' 125 \
    'netctr: container `taken` is running; `netctr rm -f taken` ends it first' rm taken
error 'helper, by hand' 125 'netctr: `netctr helper` is not for users; netctr starts it with the first container' helper
error 'unknown signal' 125 'netctr: unknown signal `XYZ`' kill -s XYZ taken

bad_names() { # a DNS label has at most 63 characters
    local name longest=${too_long%a}
    for name in "$too_long" a..b a. .a -a; do
        assert_status 125 netctr run --rm --name="$name" "$box" true 2>"$tmp/err"
        assert_contains "$(cat "$tmp/err")" "invalid container name \`$name\`"
        assert_status 125 netctr run --rm --network "bridge:alias=$name" "$box" true 2>"$tmp/err"
        assert_contains "$(cat "$tmp/err")" "alias \`$name\` is not a name"
        assert_status 125 netctr network create -- "$name" 2>"$tmp/err"
        assert_contains "$(cat "$tmp/err")" "invalid network name \`$name\`"
    done
    for name in "$too_long" .. -x .x x. a- a..b a.-b 'a b' ''; do
        assert_status 125 netctr run --rm --hostname "$name" "$box" true 2>"$tmp/err"
        assert_contains "$(cat "$tmp/err")" "invalid hostname \`$name\`"
    done
    for name in a a_b a.b "$longest"; do
        assert_eq "$(netctr run --rm -h "$name" "$box" hostname)" "$name"
    done
    netctr network create "$longest" >/dev/null
    netctr run -d --name "$longest" --network "$longest" "$box" sleep 100 >/dev/null
    netctr run --rm --network "$longest" "$box" ping -c 1 "$longest" >/dev/null
    netctr rm -f "$longest" >/dev/null
    netctr network rm "$longest" >/dev/null
}
t 'names that the DNS cannot hold are refused' bad_names

one_letter() { # docker's -h is a hostname, and its --net a network
    assert_eq "$(netctr run --rm -h web --net none "$box" hostname)" web
    assert_eq "$(netctr run --rm -hweb --net=none "$box" hostname)" web
    netctr run -h | has '^usage: netctr run'
    netctr run --help | has '^usage: netctr run'
}
t 'run -h NAME runs, and run -h alone is help' one_letter

not_root() {
    chmod 755 "$ARENA" "$ARENA/bin"
    assert_error 'netctr: `run` needs root; try `sudo netctr run …`' 125 \
        setpriv --reuid 65534 --regid 65534 --clear-groups "$ARENA/bin/netctr" run "$box" true
}
t 'not root' not_root

errors_come_before_effects() {
    # The last flag is wrong: nothing that the others request exists afterwards.
    snapshot
    assert_fails netctr run -d --name new --publish 8090:80 -m 64m -v "$tmp:/x" --network nowhere "$box" true
    assert_fails netctr run -d --name new --publish 8090:80 --publish 8181:80 "$box" sleep 100
    assert_fails netctr exec -Z taken true
    assert_clean
    netctr run --rm --publish 8090:80 "$box" true # the positive control: it is possible
}
t 'an error leaves nothing behind' errors_come_before_effects
