# tests/lib.sh - sourced first by every file in tests/integration.
#
# It runs the file again in an "arena", a small machine of its own: network, mount, pid and cgroup namespaces, its own
# /run, and a second host on a link. So files can run at the same time, and a test may change anything:
#
#     host (the test runs here)  eth0 192.0.2.2/24, 2001:db8::2/64
#      |
#     lan  (in_lan COMMAND...)   eth0 192.0.2.9/24, 2001:db8::9/64      each the other's gateway
#
# What a file can use:
#     netctr ...                 the program, with the arena's own --root and --run-root
#     $box $debian               root directories with busybox and with nginx (the latter only if the
#                                file says needs=nginx before it sources this one)
#     $tmp                       an empty directory on a real disk
#     t NAME FUNCTION            one test: FUNCTION in a subshell with set -eu; then every container
#                                is removed. Anything that fails in it fails the test.
#     assert_... skip fail wait_for http in_lan serve warm_up snapshot assert_clean and more, below
#     read_only_host             before the first test of a file that removes directories: only $ARENA, /run stay writable
#
# BRIDGE_NF=0|1     whether bridged packets pass the IP firewall (the kernel's default is 1); $bridge_nf says
#                   whether they do: without the module they never do
# NETCTR_BUILD=DIR  where the program is (build)
# FOREIGN_DROP=1    with another program's forward chain that drops, and with doctor's fix for it
# TEST_TIMES=1      print how long each test takes
# TEST_SLOWNESS=N   how many times slower than usual the machine is (1): deadlines are longer, and repetitions fewer.
#                   tests/run measures it

# shellcheck shell=bash
set -euo pipefail
export LC_ALL=C

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
box=$top/build/tests/rootfs-busybox
debian=$top/build/tests/rootfs-nginx
program=$top/${NETCTR_BUILD:-build}/netctr
slowness=${TEST_SLOWNESS:-1}
# A deadline only ends a test that hangs, so it is long: other files run at the same time.
patience=$((3 * slowness))
# What waits for an answer that may be dropped: a third of a second, or more; within wait_for, two seconds.
printf -v a_moment '%d.%d' $((3 * slowness / 10)) $((3 * slowness % 10))

# ---- into the arena ------------------------------------------------------------------------------

# The cgroup hierarchies of this machine, one per line: MOUNTPOINT TYPE CONTROLLERS.
cgroup_hierarchies() {
    findmnt --raw --noheadings --types cgroup,cgroup2 --output TARGET,FSTYPE,FS-OPTIONS |
        while read -r target type options; do
            options=$(tr , '\n' <<<"$options" |
                grep -Evx 'r[wo]|xattr|nsdelegate|memory_.*|release_agent=.*|clone_children' | paste -sd,)
            printf '%s %s %s\n' "$target" "$type" "$options"
        done
}

# Creates a cgroup for the arena in every hierarchy and prints their directories. With version 1 it is below ours, so
# that our limits apply; with version 2 a cgroup with processes cannot delegate its controllers, so it is at the top.
make_cgroups() {
    local target type controllers own dir file
    cgroup_hierarchies | while read -r target type controllers; do
        if [ "$type" = cgroup2 ]; then
            dir=$target/netctr-test.$$
            [ ! -e "$target/cpu.stat" ] || echo '+cpu +memory +pids' 2>/dev/null >"$target/cgroup.subtree_control" || true
        else
            own=$(awk -F: -v name="$controllers" '$2 == name { print $3 }' /proc/self/cgroup)
            dir=$target${own%/}/netctr-test.$$
        fi
        mkdir "$dir"
        for file in cpuset.cpus cpuset.mems; do # empty in a new one of version 1, which then accepts no process
            [ "$type" = cgroup2 ] || [ ! -e "$dir/$file" ] || cat "$dir/../$file" >"$dir/$file"
        done
        printf '%s\n' "$dir"
    done
}

enter_arena() {
    local arena cgroups dir child=0 status=0
    if [ "$(id -u)" != 0 ]; then
        echo "not ok - ${0##*/}: needs root"
        exit 1
    fi
    "$top/scripts/mkrootfs" --quiet --busybox "$box"
    [ "${needs-}" != nginx ] || "$top/scripts/mkrootfs" --quiet "$debian" frr

    arena=$(mktemp -d "$top/build/tests/arena.XXXXXX")
    cgroups=$(make_cgroups)
    # shellcheck disable=SC2317 # called by the trap
    leave_arena() {
        if [ "$child" != 0 ]; then # interrupted
            kill -KILL "$child"
            wait 2>/dev/null
            printf 'not ok - %s: did not end in time\n' "$(cat "$arena/current")"
            sed 's/^/    | /' "$arena/output" || true # none yet
        fi 2>/dev/null
        for dir in $cgroups; do
            for _ in {1..200}; do # the processes of an interrupted one die a moment later
                find "$dir" -depth -type d -exec rmdir {} + 2>/dev/null || true
                [ -d "$dir" ] || break
                sleep 0.1
            done
        done
        rm -rf --one-file-system "$arena"
    }
    trap leave_arena EXIT
    trap 'exit 143' TERM INT HUP

    (
        for dir in $cgroups; do echo $BASHPID >"$dir/cgroup.procs"; done
        # --cgroup makes the joined cgroup the root of what the arena sees. A cgroup of version 2 with processes
        # cannot delegate its controllers: the processes are one level below.
        host=''
        if ! grep -q / <<<"${cgroups#"${cgroups%%$'\n'*}"}" && [ -e "$cgroups/cgroup.subtree_control" ]; then
            host=$cgroups/host
            mkdir "$host"
        fi
        ARENA=$arena HOST_CGROUP=$host exec unshare --cgroup -- bash -c '
            [ -z "$HOST_CGROUP" ] || echo 0 >"$HOST_CGROUP/cgroup.procs"
            exec unshare --net --mount --pid --ipc --uts --fork --kill-child --mount-proc -- bash "$@"' \
            sh "$0" "$@"
    ) &
    child=$!
    wait $child || status=$?
    child=0
    exit $status
}

# ---- inside the arena: set it up -----------------------------------------------------------------

in_lan() {
    nsenter --net=/run/netns/lan "$@"
}

mount_cgroups() {
    local hierarchies target type controllers
    hierarchies=$(cgroup_hierarchies)
    umount --lazy --recursive /sys
    mount -t sysfs sysfs /sys # shows the links of this network namespace
    if ! grep -q ' cgroup ' <<<"$hierarchies"; then
        mount -t cgroup2 cgroup2 /sys/fs/cgroup
        echo '+cpu +memory +pids' >/sys/fs/cgroup/cgroup.subtree_control
        return
    fi
    mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
    while read -r target type controllers; do
        mkdir -p "$target"
        case $type,$controllers in
        cgroup2,*) mount -t cgroup2 cgroup2 "$target" ;;
        *,name=*) mount -t cgroup -o "none,$controllers" cgroup "$target" ;;
        *) mount -t cgroup -o "$controllers" cgroup "$target" ;;
        esac
    done <<<"$hierarchies"
}

# Whether bridged packets pass the IP firewall.
set_bridge_nf() { # 0|1
    local nf
    for nf in iptables ip6tables; do
        [ ! -e /proc/sys/net/bridge ] || echo "$1" >"/proc/sys/net/bridge/bridge-nf-call-$nf"
    done
    bridge_nf=$([ -e /proc/sys/net/bridge ] && echo "$1" || echo 0)
}

make_network() {
    ip netns add lan
    # The MTU of the links is not the usual one, so that a test can see whether it is used.
    ip -batch - <<-'END'
	link set lo up
	link add eth0 mtu 1450 type veth peer name eth0 mtu 1450 netns lan
	address add 192.0.2.2/24 dev eth0
	address add 2001:db8::2/64 dev eth0 nodad
	link set eth0 up
	route add default via 192.0.2.9
	END
    in_lan ip -batch - <<-'END'
	link set lo up
	address add 192.0.2.9/24 dev eth0
	address add 2001:db8::9/64 dev eth0 nodad
	link set eth0 up
	route add default via 192.0.2.2
	END
    ip -6 route add default via 2001:db8::9
    in_lan ip -6 route add default via 2001:db8::2
    set_bridge_nf "${BRIDGE_NF:-1}"
}

# Another program's chain, which no accept rule of netctr can override. Repeated calls add it once.
foreign_drop() {
    nft -f - <<-'END'
	table inet foreign_drop
	delete table inet foreign_drop
	table inet foreign_drop { chain f { type filter hook forward priority 1; policy drop; }; }
	END
}
# doctor's fix for it.
foreign_cure() {
    { netctr doctor --format json || true; } |
        jq -er 'map(select(.text | contains("`inet foreign_drop f`"))) | first | .cure'
}
live_behind_foreign_drop() {
    [ "${FOREIGN_DROP:-0}" = 1 ] || return 0
    foreign_drop
    sh -euc "$(foreign_cure)"
}

sanitized() { ldd "$program" | has libasan; }

# FILE of the tests' own libraries, for LD_PRELOAD: the sanitizer's must be the first.
preload() {
    ! sanitized || ldd "$program" | awk '/libasan/ { printf "%s:", $3 }'
    printf '%s\n' "$top/${NETCTR_BUILD:-build}/tests/$1"
}

# LeakSanitizer traces the process itself, which fails if that is traced already.
trace_without_leak_check() {
    cat >"$ARENA/bin/strace" <<-END
	#!/bin/sh
	ASAN_OPTIONS=detect_leaks=0 exec "$(command -v strace)" "\$@"
	END
    chmod +x "$ARENA/bin/strace"
}

make_arena() {
    mount_cgroups
    mount -t tmpfs -o mode=755 tmpfs /run
    make_network
    state=$ARENA/state run_state=/run/netctr tmp=$ARENA/tmp
    mkdir -p "$ARENA/bin" "$tmp"
    # A program and not a function, so that timeout, strace and kill can run it.
    cat >"$ARENA/bin/netctr" <<-END
	#!/bin/sh
	case ${TEST_USERNS-}"\$1 \$*" in
	*--userns* | *--uidmap*) ;;
	hostrun\ *) shift; set -- run --userns=host "\$@" ;;
	esac
	exec "$program" --root "$state" --run-root "$run_state" "\$@"
	END
    chmod +x "$ARENA/bin/netctr"
    ln -s "$top/tests/peer" "$ARENA/bin/peer"
    ! sanitized || trace_without_leak_check
    PATH=$ARENA/bin:$PATH
}

# For tests of what removes directories: nothing but $ARENA, /run and the kernel's own file systems can be written, not
# even by root, whatever a defect does. For the whole file, before its first test.
read_only_host() {
    local target
    mount --bind "$ARENA" "$ARENA"
    findmnt --raw --noheadings --output TARGET | while read -r target; do
        case $(printf '%b' "$target") in
        "$ARENA" | /run | /run/* | /proc | /proc/* | /sys | /sys/*) ;;
        *) mount -o remount,bind,ro "$(printf '%b' "$target")" ;;
        esac
    done
    for target in / /etc /home /root /usr /var /var/lib /tmp "$top" "$top/build/tests" "$box"; do
        if mkdir "$target/netctr-can-write" 2>/dev/null; then
            rmdir "$target/netctr-can-write"
            echo "not ok - $(basename "$0" .sh): the host is not read-only: $target"
            exit 1
        fi
    done
}

# ---- tests ---------------------------------------------------------------------------------------

some_test_failed=0
in_test=0

# The current line of the test file, however deep in functions of this one.
test_line() {
    local i
    for ((i = 1; i < ${#BASH_SOURCE[@]}; i++)); do
        if [ "${BASH_SOURCE[i]}" != "${BASH_SOURCE[0]}" ]; then
            printf '%s:%s' "${BASH_SOURCE[i]##*/}" "${BASH_LINENO[i - 1]}"
            return
        fi
    done
}

# The first reason counts.
because() {
    [ -s "$ARENA/why" ] || printf '%s (%s)\n' "$1" "$(test_line)" >"$ARENA/why"
}

fail() {
    because "$1"
    exit 1
}

# skip WHY: inside a test, ends it; outside, ends the file.
skip() {
    if [ $in_test = 0 ]; then
        printf 'skip - %s: %s\n' "$(basename "$0" .sh)" "$1"
        exit 0
    fi
    printf '%s\n' "$1" >"$ARENA/skipped"
    exit 0
}

# For what else a file's tests leave behind.
tidy_too() {
    :
}
# The next test finds no container, process or network of this one.
tidy_after_test() {
    local names
    mapfile -t names < <(netctr ps -aq 2>/dev/null)
    [ ${#names[@]} = 0 ] || netctr rm -f "${names[@]}" || true
    # The helpers exit by themselves, a moment later; if they are killed then, they leave an empty cgroup.
    for _ in {1..40}; do
        pgrep -f '^netctr (helper|names)' >/dev/null || break
        sleep 0.025
    done
    kill -KILL -1 2>/dev/null || true # all of this pid namespace except us
    [ ! -d "$state/networks" ] || netctr network prune -f >/dev/null || true
    tidy_too
}

t() { # NAME FUNCTION
    local status=0 began=${EPOCHREALTIME/./} ended
    rm -f "$ARENA/why" "$ARENA/skipped" "$ARENA/note"
    printf '%s\n' "$1" >"$ARENA/current"
    live_behind_foreign_drop # the last test may have flushed it
    # In the background because set -e is ignored in whatever stands before || or in an if.
    (
        in_test=1
        set -E
        # A failure in a command substitution is no reason yet.
        trap 'status=$?; [ $BASH_SUBSHELL -gt 1 ] || because "status $status: $BASH_COMMAND"' ERR
        "$2"
    ) >"$ARENA/output" 2>&1 &
    wait $! || status=$?
    ended=${EPOCHREALTIME/./}
    tidy_after_test >>"$ARENA/output" 2>&1
    [ -z "${TEST_TIMES-}" ] ||
        printf '# %d ms, and %d ms to tidy up\n' $(((ended - began) / 1000)) $(((${EPOCHREALTIME/./} - ended) / 1000))

    if [ $status != 0 ]; then
        because "status $status"
        printf 'not ok - %s: %s\n' "$1" "$(head -1 "$ARENA/why")"
        sed 's/^/    | /' "$ARENA/output"
        some_test_failed=1
    elif [ -e "$ARENA/skipped" ]; then
        printf 'skip - %s: %s\n' "$1" "$(cat "$ARENA/skipped")"
    else
        printf 'ok - %s%s\n' "$1" "$(cat "$ARENA/note" 2>/dev/null || true)"
    fi
}

# note TEXT: inside a test, is added to its name.
note() {
    printf ': %s\n' "$1" >"$ARENA/note"
}

assert_eq() { # ACTUAL EXPECTED [WHAT]
    [ "$1" = "$2" ] || fail "${3-value}: got \`$1', expected \`$2'"
}

assert_contains() { # TEXT PART
    case $1 in *"$2"*) ;; *) fail "\`$2' is not in \`$1'" ;; esac
}

assert_lacks() { # TEXT PART
    case $1 in *"$2"*) fail "\`$2' is in \`$1'" ;; esac
}

assert_status() { # STATUS COMMAND...
    local expected=$1 status=0
    shift
    "$@" || status=$?
    [ $status = "$expected" ] || fail "status $status, expected $expected: $*"
}

# It fails with a proper status: a program that was not found or crashed proves nothing.
assert_fails() { # COMMAND...
    local status=0
    "$@" || status=$?
    [ $status != 0 ] || fail "succeeded: $*"
    [ $status -lt 127 ] || fail "status $status: $*"
}

# The command prints exactly LINE on stderr, nothing else, and exits with STATUS.
assert_error() { # LINE STATUS COMMAND...
    local line=$1 expected=$2 status=0
    shift 2
    "$@" >"$tmp/stdout" 2>"$tmp/stderr" </dev/null || status=$?
    assert_eq "$(cat "$tmp/stderr")" "$line" 'error'
    assert_eq "$(cat "$tmp/stdout")" '' 'stdout'
    assert_eq $status "$expected" 'status'
}

# PROGRAM | has [FLAGS OF GREP] PATTERN. It reads to the end: grep -q would exit early, the program would die of
# SIGPIPE, and pipefail would make that "not found".
has() {
    local count
    count=$(grep -c "$@")
}

# wait_for SECONDS COMMAND...: until it succeeds. Its output is shown only if it never does.
# With `PROGRAM >FILE &' it is the child that empties FILE: remove FILE first, or what an earlier test wrote is found.
wait_for() {
    local deadline=$((${EPOCHREALTIME/./} + $1 * patience * 1000000)) a_moment=$((2 * slowness))
    shift
    until "$@" >"$ARENA/waited" 2>&1; do
        if [ "${EPOCHREALTIME/./}" -gt $deadline ]; then
            cat "$ARENA/waited"
            fail "never came true: $*"
        fi
        sleep 0.02
    done
}

# within SECONDS COMMAND...: 124 if it has not ended by then.
within() {
    timeout $(($1 * patience)) "${@:2}"
}

# For wait_for: strace has attached to it.
traced() { # PID
    grep -q '^TracerPid:.[1-9]' "/proc/$1/status"
}

# For wait_for: while the helpers start, files come and go.
copy_run() { # DIR
    rm -rf "$1"
    cp -a "$run_state" "$1"
}

# Waits for processes that start or are helpers and may be writing there.
lose_run_directory() {
    until rm -rf "$run_state" 2>/dev/null; do :; done
}

# A running container whose run directory is lost; $orphan is its process.
make_orphan() { # NAME
    serve "$1" -p 8080:80
    orphan=$(pid_of "$1")
    lose_run_directory
}

# How often a random test is tried: N times, less often on a slow machine.
often() { # N
    printf '%d\n' $(($1 / slowness > 5 ? $1 / slowness : 5))
}

http() { # [CURL'S FLAGS] URL
    curl --silent --show-error --fail --noproxy '*' --max-time $((2 * slowness)) "$@"
}

# ---- containers of tests -------------------------------------------------------------------------

# Called so often that a jq each time would take most of the time of some files.

# The names of running containers; with -a of all.
names() { # [-a]
    local lines line
    lines=$(netctr ps "$@") || return
    [[ $lines == *$'\n'* ]] || return 0 # nothing but the heading
    while read -r line; do printf '%s\n' "${line##* }"; done <<<"${lines#*$'\n'}"
}

state_of() { # NAME KEY: status, pid, exit_status, ...
    local json value='null'
    json=$(netctr inspect "$1") || return
    ! [[ $json =~ \"state\":\ \{[^}]*\"$2\":\ \"?([^\",\}$'\n']*) ]] || value=${BASH_REMATCH[1]}
    printf '%s\n' "$value"
}

status_is() { # NAME running|exited
    [ "$(state_of "$1" status)" = "$2" ]
}

# The directory of the sandbox that a living container has made.
sandbox_of() { # NAME
    printf '%s/sandboxes/%s\n' "$run_state" \
        "$(sed -n 's/^ *"id": "\([^"]*\)".*/\1/p' "$run_state/containers/$1/state.json")"
}

# The container's first program as the host sees it.
pid_of() { # NAME
    state_of "$1" pid
}

# The monitor, its parent.
monitor_of() { # NAME
    ps -o ppid= -p "$(pid_of "$1")" | tr -d ' '
}

# A program of the host in the container's network.
in_network_of() { # NAME COMMAND...
    nsenter --target "$(pid_of "$1")" --net "${@:2}"
}

# A network's leases, without those that pause.
leases() { # NETWORK
    find "$run_state/leases/$1" -maxdepth 1 -type f -name '*[.:]*' -exec grep -hv resting-until= {} + | sort
}

address_of() { # NAME [-4|-6]
    in_network_of "$1" ip "${2--4}" -oneline address show dev eth0 scope global |
        awk '{ sub("/.*", "", $4); print $4 }'
}

# What a program in the container's network gets from URL.
http_from() { # NAME URL
    in_network_of "$1" curl --silent --show-error --fail --noproxy '*' --max-time 2 "$2"
}

# A web server on port 80 whose page is its container's name. It answers when this returns.
serve() { # NAME [FLAGS OF RUN...]
    # shellcheck disable=SC2016 # the container expands it
    netctr run -d --name "$1" "${@:2}" "$box" \
        sh -c 'mkdir /www; echo "$1" >/www/index.html; exec httpd -f -h /www' sh "$1" >/dev/null
    wait_for 5 netctr exec "$1" wget -qO /dev/null http://127.0.0.1/
}

# A server of tests/peer, for which the container gets the host's Python: tcp 80-90 and udp 53-63, or what $serves
# says. Returns when it listens.
serve_peer() { # NAME [FLAGS OF RUN...]
    local volumes=(-v /usr:/usr:ro -v /usr/lib:/lib:ro)
    [ ! -e /usr/lib64 ] || volumes+=(-v /usr/lib64:/lib64:ro)
    # shellcheck disable=SC2086 # several words
    netctr run -d --name "$1" "${volumes[@]}" -v "$top/tests/peer:/peer:ro" "${@:2}" "$box" \
        /peer serve "$1" ${serves:-tcp/80-90 udp/53-63} >/dev/null
    wait_for 5 logged "$1" listening
}

logged() { # whether the container has written it
    netctr logs "$1" 2>&1 | has -F -- "$2"
}

# The peer's query was sent, and got no reply.
assert_silent() { # COMMAND...
    assert_status 4 "$@"
}

serve_nginx() { # NAME [FLAGS OF RUN...]
    netctr run -d --name "$1" "${@:2}" "$debian" nginx >/dev/null
    wait_for 5 in_network_of "$1" curl -sf -o /dev/null http://127.0.0.1/
}

# ---- the firewall's rules -------------------------------------------------------------------------

# How many packets the rules with COMMENT have dropped.
dropped() { # CHAIN COMMENT
    local table='inet netctr'
    [[ $1 != guard* ]] || table='bridge netctr_guard'
    # shellcheck disable=SC2086 # two words
    nft list chain $table "$1" | awk -v comment="\"$2\"" \
        'index($0, comment) { for (i = 1; i < NF; i++) if ($i == "packets") n += $(i + 1) } END { print n + 0 }'
}

# Until `shut', this chain of netctr's accepts everything, for the positive control.
open_up() { # CHAIN
    case $1 in
    guard) nft insert rule bridge netctr_guard "$1" accept comment '"wide open"' ;;
    *) nft insert rule inet netctr "$1" accept comment '"wide open"' ;;
    esac
}
shut() {
    set_bridge_nf "${BRIDGE_NF:-1}"
    netctr network reload 2>/dev/null || true # it reports what an attack has changed inside a container, which stays
    assert_lacks "$(nft list ruleset)" 'wide open'
}

# ---- doctor ---------------------------------------------------------------------------------------

# The host's resolver is in the LAN, where nothing listens and a query is refused at once: doctor need not wait.
# (By default the kernel sends one refusal per second.)
refusing_resolver() {
    in_lan sysctl -qw net.ipv4.icmp_ratelimit=0
    [ -e /etc/resolv.conf ] || return 0
    echo 'nameserver 192.0.2.9' >"$ARENA/resolv.conf"
    mount --bind "$ARENA/resolv.conf" "$(realpath /etc/resolv.conf)"
}

# The findings of doctor: JSON. Its status is 1 if there is a problem, else 0.
findings() {
    local status=0 problems
    netctr doctor --format json >"$tmp/findings" || status=$?
    problems=$(jq '[.[] | select(.severity == "problem")] | length' "$tmp/findings")
    [ $status = $((problems > 0)) ] || fail "doctor: status $status with $problems problems"
}

# doctor reports it with that severity; its fix is kept for `cured'.
finds() { # SEVERITY TEXT
    findings
    found=$2
    cure=$(jq -r --arg severity "$1" --arg text "$2" \
        'map(select(.severity == $severity and (.text | contains($text)))) | first | .cure // empty' \
        "$tmp/findings")
    [ -n "$cure" ] || fail "doctor has no $1 with \`$2', but: $(jq -r '.[] | .severity + ": " + .text' "$tmp/findings")"
}

finds_none() { # TEXT
    findings
    ! jq -e --arg text "$1" 'any(.text | contains($text))' "$tmp/findings" >/dev/null ||
        fail "doctor says: $(jq -r --arg text "$1" '.[] | select(.text | contains($text)) | .text' "$tmp/findings")"
}

# The printed fix works.
cured() {
    printf '%s\n' "$cure"
    sh -euc "$cure"
    finds_none "$found"
}

# ---- what is left behind -------------------------------------------------------------------------

# The first run creates the default network, which stays.
warm_up() {
    netctr run --rm "$box" true
}

no_element_expires() {
    ! grep -q ' timeout [0-9]' <<<"$(nft --stateless list ruleset)"
}

# The firewall as text, after expiring elements have gone. Without the NAT-holding table, which belongs to the helper,
# and the foreign one, which is not restored.
ruleset() {
    nft --stateless list ruleset |
        sed -e '/^table inet netctr_nat_hold /,/^}/d' -e '/^table inet foreign_drop /,/^}/d'
}
firewall() {
    wait_for 3 no_element_expires
    ruleset
}

# Everything of the arena that a container could leave behind (tests/look.c).
traces() {
    "$top/${NETCTR_BUILD:-build}/tests/look" host "$state" "$run_state" "$@"
}

# The helpers come and go a moment after the containers.
helpers_rest() {
    local count
    count=$(pgrep -c -f '^netctr (helper|names)' || true)
    [ "$count" = "$(ls "$run_state/containers" 2>/dev/null | has . && echo 4 || echo 0)" ]
}

# What an earlier container left to the kernel or to the helper may still be there: wait until nothing changes.
snapshot() {
    traces >"$ARENA/before"
    until sleep 0.1 && traces --until "$ARENA/before" 0 >"$ARENA/after" &&
        ! grep -q ' expires$' "$ARENA/before" && helpers_rest; do
        traces >"$ARENA/before"
    done
}

# Nothing has been added or lost since snapshot.
assert_clean() {
    traces --until "$ARENA/before" $((3000 * patience)) >"$ARENA/after" || {
        diff -U 2 "$ARENA/before" "$ARENA/after" || true
        fail 'something is left behind'
    }
}

[ -n "${ARENA-}" ] || enter_arena "$@"
make_arena
trap 'status=$?; [ $some_test_failed = 0 ] || exit 1; exit $status' EXIT
