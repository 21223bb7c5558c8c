#!/usr/bin/env bash
# The helper and its standby: they start with the first container and exit with the last, hold nothing of any
# container, and if one is killed or hangs, that has no effect for long.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/helpers.sh"
refusing_resolver # for doctor, and for names of no container

idle() { netctr run -d --name "$1" "${@:2}" "$box" sleep 1000 >/dev/null; }

comes_and_goes() {
    warm_up
    wait_for 3 no_helpers
    snapshot
    idle a
    idle b
    wait_for 5 helpers_work
    assert_eq "$(helper_processes | wc -l)" 4 processes
    netctr rm -f a
    sleep 0.5
    helpers_work
    netctr rm -f b
    wait_for 3 no_helpers
    assert_clean
    assert_eq "$(netctr info --format json | jq .helpers.work)" false
    assert_eq "$(find /sys/fs/cgroup -path '*/netctr/*' -name helpers)" '' cgroups
    assert_eq "$(ls "$run_state/helpers")" state files
    assert_eq "$(ss -Hlnu; ss -Hlnt)" '' sockets
    # A container without a network of netctr's is looked after as well.
    idle c --network none
    wait_for 5 helpers_work
    netctr rm -f c
    wait_for 3 no_helpers
    assert_clean
}
t 'they start with the first container, exit with the last, and leave nothing' comes_and_goes

# All that a process waits for is in one loop, and a monitor at rest does nothing.
one_loop() {
    local pid links rest
    netctr network create plain --no-dns >/dev/null
    idle a --network plain -p 8080:80 -p 5353:53/udp --restart always
    wait_for 5 helpers_work
    for pid in "$(monitor_of a)" "$(who helper)" "$(who standby)"; do
        links=$(find "/proc/$pid/fd" -type l -printf '%l\n')
        assert_eq "$(grep -c eventpoll <<<"$links")" 1 "$links"
        assert_lacks "$links" timerfd
    done
    sleep 1.5 # the last timer of a start
    rest=$(grep ctxt "/proc/$(monitor_of a)/status")
    sleep 1
    assert_eq "$(grep ctxt "/proc/$(monitor_of a)/status")" "$rest"
}
t 'each process has one loop' one_loop

a_moment() {
    # A short-lived container does not start them, unless it sends a query.
    strace -o /dev/null true 2>/dev/null || skip 'no permission to trace'
    warm_up
    wait_for 3 no_helpers
    begins() { # COMMAND OF THE CONTAINER...: starts the helper
        strace -f -qq -o "$tmp/trace" -e trace=execve "$program" --root "$state" --run-root "$run_state" \
            run --rm "$box" "$@" >/dev/null 2>&1 || true
        grep -q '/proc/self/exe.*"helper"' "$tmp/trace"
    }
    ! begins true || fail 'it has been started'
    begins sh -c 'nslookup -type=a "$(hostname)"' || fail 'a query does not start it'
    wait_for 3 no_helpers
}
t 'a short-lived container does not start them' a_moment

confined() {
    idle a -m 64m --publish 8080:80 -e SECRET=hidden
    wait_for 5 helpers_work
    local pid role fd caps session
    session=$(ps -o sid= -p "$(monitor_of a)" | tr -d ' ')
    for role in helper standby server server; do
        case $role in
        server) pid=$(name_servers | tail -1) ;;
        *) pid=$(who $role) ;;
        esac
        assert_contains "$(tr '\0' ' ' <"/proc/$pid/cmdline")" netctr
        # no_new_privs, a seccomp filter, and few capabilities, none of which can be regained
        assert_eq "$(awk '/^NoNewPrivs|^Seccomp:/ { print $2 }' "/proc/$pid/status" | paste -sd,)" 1,2 "$role"
        caps=$(awk '/^Cap(Prm|Eff|Bnd)/ { print $2 }' "/proc/$pid/status" | sort -u)
        case $role in
        server) assert_eq "$caps" 0000000000000000 "$role" ;;
        # DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, KILL, SETPCAP, NET_ADMIN, SYS_CHROOT
        *) assert_eq "$caps" 000000000004112e "$role" ;;
        esac
        # It has nothing of a container open, nor in the memory from which it was started.
        for fd in "/proc/$pid/fd/"*; do
            case $(readlink "$fd") in
            *"/containers/"* | *8080* | /dev/pts/* | *control*) fail "$role: open: $(readlink "$fd")" ;;
            esac
        done
        assert_lacks "$(tr '\0' ' ' <"/proc/$pid/environ")" hidden
        assert_lacks "$(cat "/proc/$pid/cgroup")" "$(netctr inspect a | jq -r '.[0].id')"
        grep -q '/netctr/[0-9a-f]*/helpers$' "/proc/$pid/cgroup"
        [ "$(ps -o sid= -p "$pid" | tr -d ' ')" != "$session" ] || fail "$role: in the session of the monitor"
        assert_eq "$(ps -o tty= -p "$pid" | tr -d ' ')" '?' "terminal of $role"
    done
    assert_eq "$(ps -o ppid= -p "$(who helper)" | tr -d ' ')" 1 parent
    assert_contains "$(ss -Hltnp 'sport = :8080')" "pid=$(monitor_of a)," 
    assert_lacks "$(ss -Hltnp 'sport = :8080')" "pid=$(who helper),"
    # A server sees only the names.
    pid=$(name_servers | head -1)
    assert_eq "$(readlink "/proc/$pid/root")" "$run_state/dns"
}
t 'they hold nothing of a container, and have few capabilities and system calls' confined

two_of() { # one of them: its pid, and the other's
    local other=standby
    [ "$1" = helper ] || other=helper
    echo "$(who "$1") $(who $other)"
}

restored() {
    ruleset >"$tmp/now"
    cmp -s "$tmp/before" "$tmp/now"
}

stands_still() { # WAY WHICH
    local pids
    serve web -p 8080:80
    wait_for 5 helpers_work
    firewall >"$tmp/before"
    read -r -a pids <<<"$(two_of "$2")"
    "stop_$1" "${pids[0]}"
    nft flush ruleset
    wait_for 2 restored
    wait_for 5 is_not "$2" "${pids[0]}"
    [ "$1" != freeze ] || go_freeze
    wait_for 5 gone "${pids[0]}"
    wait_for 5 helpers_work
    ! gone "${pids[1]}" || fail 'the other one is gone, too'
    assert_eq "$(http http://127.0.0.1:8080/)" web
}
for way in signal trace freeze; do
    for which in helper standby; do
        once() { stands_still "$way" "$which"; }
        t "the $which hangs ($way), the ruleset is flushed: back within two seconds" once
    done
done

killed() {
    idle a
    wait_for 5 helpers_work
    local before servers standby
    servers=$(name_servers)
    standby=$(who standby)
    kill -KILL "$(who helper)"
    wait_for 2 is_not standby "$standby"
    assert_eq "$(who helper)" "$standby" 'who takes its place'
    wait_for 5 helpers_work
    assert_eq "$(name_servers)" "$servers" 'servers, which go on'
    before=$(who standby)
    kill -KILL "$before"
    wait_for 2 is_not standby "$before"
    for before in $servers; do kill -KILL "$before"; done
    wait_for 2 helpers_work
    [ "$(name_servers)" != "$servers" ]
    # Twenty times in a row, one or the other: their number has not grown.
    for before in 1 2 3 4 5 6 7 8 9 10; do
        kill -KILL "$(who helper)" "$(name_servers | head -1)" 2>/dev/null || true
        sleep 0.05
    done
    wait_for 5 helpers_work
    assert_eq "$(helper_processes | wc -l)" 4 processes
    netctr rm -f a
    wait_for 3 no_helpers
}
t 'when one is killed, the other replaces it, and the servers go on' killed

both() { # HOW
    idle a
    wait_for 5 helpers_work
    local pids servers port
    mapfile -t pids < <(who helper; who standby)
    servers=$(name_servers)
    port=$(names_port)
    case $1 in
    kill) kill -KILL "${pids[@]}" ;;
    *) "stop_$1" "${pids[@]}" && sleep 2 ;;
    esac
    # The next command that starts a container checks once and does not wait.
    netctr run -d --name b "$box" sleep 1000 >/dev/null
    wait_for 3 helpers_work
    [ "$1" != freeze ] || go_freeze
    wait_for 3 gone "${pids[0]}"
    wait_for 3 gone "${pids[1]}"
    assert_eq "$(names_port)" "$port" port
    assert_eq "$(name_servers)" "$servers" 'servers, which have gone on'
    assert_eq "$(helper_processes | wc -l)" 4 processes
    netctr rm -f a b
    wait_for 3 no_helpers
}
both_killed() { both kill; }
both_stopped() { both signal; }
both_frozen() { both freeze; }
t 'both killed: the next start replaces them' both_killed
t 'both stopped: the next start replaces them' both_stopped
t 'both frozen: the next start replaces them' both_frozen

all_frozen() {
    idle one
    wait_for 5 helpers_work
    local before
    mapfile -t before < <(helper_processes)
    stop_freeze "${before[@]}"
    sleep 2
    idle two
    # Queries in the meantime are answered, too, by servers that are replaced as soon as the pair is.
    assert_eq "$(in_network_of one dig +short +time=4 +tries=1 @10.88.0.1 two)" "$(address_of two)"
    wait_for 3 helpers_work
    go_freeze
    for n in "${before[@]}"; do wait_for 3 gone "$n"; done
    assert_eq "$(helper_processes | wc -l)" 4 processes
    netctr rm -f one two
    wait_for 3 no_helpers
}
t 'all four frozen: the next start replaces them' all_frozen

monitors_die() {
    warm_up
    idle keeps
    wait_for 5 helpers_work
    snapshot
    local n
    for n in 1 2 3 4 5; do idle "m$n" --publish "800$n:80"; done
    for n in 1 2 3 4 5; do kill -KILL "$(monitor_of m$n)"; done
    # No command runs meanwhile: cgroups, links, rules and names are removed at once.
    only_one_lives() { [ "$(ls "$run_state/containers")" = keeps ]; }
    wait_for 3 only_one_lives
    assert_lacks "$(ls "$run_state/dns/network/default")" m1
    assert_lacks "$(nft list map inet netctr publish4)" 800
    for n in 1 2 3 4 5; do assert_eq "$(state_of m$n status)" exited; done
    netctr rm m1 m2 m3 m4 m5
    assert_clean
    # A container whose monitor dies while it is being created.
    for n in 1 2 3 4 5 6 7 8; do
        netctr run -d --name "h$n" "$box" sleep 1000 >/dev/null 2>&1 &
        sleep "0.00$n"
        kill -KILL $! "$(pgrep -nf "netctr (run|monitor of h$n)")" 2>/dev/null || true
    done
    wait || true
    sleep 1
    # shellcheck disable=SC2046
    netctr rm -f $(netctr ps -a --format json | jq -r '.[].name' | grep '^h') >/dev/null 2>&1 || true
    # One that was killed before it had claimed its name has only reserved a range of ids.
    netctr gc >/dev/null
    assert_clean
}
t 'what killed monitors leave is cleaned up at once, without any command' monitors_die

last_monitor_dies() {
    warm_up
    wait_for 3 no_helpers
    snapshot
    netctr run -d --rm --name a --publish 8080:80 "$box" sleep 1000 >/dev/null
    wait_for 5 helpers_work
    kill -KILL "$(monitor_of a)"
    wait_for 3 no_helpers
    assert_clean
}
t 'the last monitor is killed: everything is cleaned up, and they exit' last_monitor_dies

subscribers() {
    awk '$2 == 12 && substr($4, length($4) - 1, 1) ~ /[4567cdefCDEF]/ { print $3 }' /proc/net/netlink | wc -l
}

subscribe() {
    assert_eq "$(subscribers)" 0 'subscribers without a container'
    local n most=0
    for n in $(seq 12); do idle "c$n"; done
    wait_for 5 helpers_work
    for n in $(seq 10); do
        [ "$(subscribers)" -le "$most" ] || most=$(subscribers)
        [ "$n" != 5 ] || kill -KILL "$(who helper)"
        sleep 0.1
    done
    [ "$most" -ge 1 ] && [ "$most" -le 2 ] || fail "$most subscribers"
    wait_for 3 helpers_work
    # The positive control: the table shows the subscribers.
    most=$(subscribers)
    nft monitor >/dev/null &
    n=$!
    one_more() { [ "$(subscribers)" = $((most + 1)) ]; }
    wait_for 2 one_more
    kill $n
}
t 'at most two processes subscribe to nf_tables, whatever runs' subscribe

# The first monitor holds the sockets; the second takes duplicates and ends before either has started the helpers.
port_is_held() {
    local n port
    warm_up
    port=$(names_port)
    for n in 1 2 3; do
        wait_for 5 no_helpers
        netctr run --rm --name holds "$box" sleep 1 &
        wait_for 3 status_is holds running
        netctr run --rm "$box" true
        netctr run --rm "$box" true
        assert_eq "$(names_port)" "$port" port
        wait
    done
}
t 'monitors that hold the sockets come and go: the port stays' port_is_held

comings_and_goings() {
    # The last container ends while the next one starts, again and again: whichever runs has a helper.
    local n
    for n in $(seq 25); do
        netctr run -d --name a "$box" sleep 1000 >/dev/null
        netctr rm -f a &
        netctr run -d --name b "$box" sleep 1000 >/dev/null
        wait $!
        wait_for 3 helpers_work
        netctr rm -f b
    done
    wait_for 3 no_helpers
}
t 'the last container ends while the next one starts' comings_and_goings

stands_with_the_lock() { # WAY
    # A chore holds the store's lock, which every command takes first.
    strace -o /dev/null true 2>/dev/null || skip 'no permission to trace'
    idle a
    idle b
    wait_for 5 helpers_work
    strace -f -qq -o "$tmp/trace" -e trace=renameat -e inject=renameat:delay_enter=700000 -p "$(who helper)" &
    local tracer=$!
    wait_for 5 traced "$(who helper)"
    kill -KILL "$(monitor_of a)"
    wait_for 5 test -s "$tmp/trace"
    mapfile -t before < <(helper_processes)
    "stop_$1" "${before[@]}"
    kill -KILL $tracer
    timeout $((4 * slowness)) "$ARENA/bin/netctr" run -d --name c "$box" sleep 1000 >/dev/null
    wait_for 3 helpers_work
    [ "$1" != freeze ] || go_freeze
    assert_eq "$(state_of a status)" exited
    netctr rm -f a b c
    wait_for 5 no_helpers
}
stopped_with_the_lock() { stands_with_the_lock signal; }
t "all are stopped, and one holds the store's lock: a start goes on" stopped_with_the_lock

run_lost() {
    idle a
    wait_for 5 helpers_work
    local pids
    mapfile -t pids < <(helper_processes)
    rm -r "$run_state/helpers"
    # Its file is gone, so it serves no instance any more.
    for n in "${pids[@]}"; do wait_for 10 gone "$n"; done
    idle b
    wait_for 5 helpers_work
    netctr rm -f a b
    wait_for 3 no_helpers
}
t 'their file is removed: they exit, and the next start creates others' run_lost

told() {
    idle a
    wait_for 5 helpers_work
    finds_none 'without a helper'
    kill -STOP "$(who helper)" "$(who standby)"
    sleep 2
    finds problem 'containers run without a helper'
    cured
    wait_for 3 helpers_work
}
t 'doctor reports that no helper runs, and its fix works' told

port_taken() {
    # Another process has the recorded port: it is not trusted, another port is taken.
    python3 -c 'import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("0.0.0.0", 1023))
t = socket.socket(socket.AF_INET6, socket.SOCK_STREAM); t.bind(("::1", 1022)); t.listen()
print("bound", flush=True); time.sleep(60)' >"$tmp/bound" &
    wait_for 3 grep -q bound "$tmp/bound"
    idle one
    wait_for 5 helpers_work
    [ "$(names_port)" -lt 1022 ] || fail "port $(names_port)"
    assert_contains "$(nft list map inet netctr dns_redirect4)" ". $(names_port)"
    assert_eq "$(in_network_of one dig +short +time=2 @10.88.0.1 one)" "$(address_of one)"
}
t 'the port is in use: it takes another' port_taken

port_wanted() {
    local port
    idle one
    wait_for 5 helpers_work
    port=$(names_port)
    assert_eq "$(in_network_of one dig +short +time=2 -b 0.0.0.0#40000 @10.88.0.1 one)" "$(address_of one)"
    netctr run -d --name two --publish "$port:80" --publish "$port:80/udp" "$box" sleep 1000 >/dev/null
    wait_for 5 helpers_work
    [ "$(names_port)" != "$port" ] || fail 'it has not moved'
    assert_contains "$(nft list map inet netctr publish4)" "$port"
    # Also for a client that keeps its source port, for which conntrack has an entry to the old port.
    assert_eq "$(in_network_of one dig +short +time=2 -b 0.0.0.0#40000 @10.88.0.1 two)" "$(address_of two)"
    # All ports that only root can bind, before the first name server has started.
    netctr rm -f one two
    wait_for 3 no_helpers
    netctr run -d --name three --publish 512-1023:512-1023/udp "$box" sleep 1000 >/dev/null
    idle four
    assert_eq "$(in_network_of four dig +short +time=2 @10.88.0.1 three)" "$(address_of three)"
    # By a running container.
    netctr publish four "$(names_port):80/udp"
    assert_eq "$(in_network_of four dig +short +time=2 @10.88.0.1 three)" "$(address_of three)"
}
t 'a container publishes its port: it moves' port_wanted

define() { # NAME NUMBER
    mkdir -p "$state/networks"
    printf '{"schema": 1, "name": "%s", "bridge": "nc-%s", "subnet": "10.77.%d.0/24", "gateway": "10.77.%d.1", "icc": true}\n' \
        "$1" "$1" "$2" "$2" >"$state/networks/$1.json"
}
knows() { # NAME GATEWAY: it finds itself
    assert_eq "$(in_network_of "$1" dig +short +time=2 +tries=1 "@$2" "$1")" "$(address_of "$1")" "$1"
}

port_forgotten() {
    # Where the old servers listened is unknown; all networks are redirected to the new ones.
    define red 1
    define blue 2
    idle r --network red
    idle b --network blue
    wait_for 5 helpers_work
    netctr run -d --name mover --publish "$(names_port):80" "$box" sleep 1000 >/dev/null
    wait_for 5 helpers_work
    netctr rm -f mover
    local before
    mapfile -t before < <(helper_processes)
    echo damaged >"$run_state/helpers/other"
    mv "$run_state/helpers/other" "$run_state/helpers/state"
    for n in "${before[@]}"; do wait_for 3 gone "$n"; done
    idle r2 --network red
    wait_for 5 helpers_work
    knows r2 10.77.1.1
    knows r 10.77.1.1
    knows b 10.77.2.1
}
t 'the record of the port is lost: every network finds the server again' port_forgotten

moved_meanwhile() {
    strace -o /dev/null true 2>/dev/null || skip 'no permission to trace'
    define red 1
    idle r --network red
    wait_for 5 helpers_work
    # A container has read the port, and connects to the network when the server has moved.
    strace -f -qq -o /dev/null -e trace=unshare -e inject=unshare:delay_enter=1500000 \
        "$program" --root "$state" --run-root "$run_state" run -d --name late --network red "$box" sleep 1000 >/dev/null &
    sleep 0.7
    netctr run -d --name mover --publish "$(names_port):80" "$box" sleep 1000 >/dev/null
    wait_for 10 status_is late running
    wait_for 5 helpers_work
    knows r 10.77.1.1
    knows late 10.77.1.1
    netctr rm -f late
    wait $! || true
}
t 'the server moves while a container starts: its network is not redirected to the old port' moved_meanwhile

half_a_cgroup() {
    # What an interrupted start has left: their cgroup in some hierarchies only.
    warm_up
    wait_for 3 no_helpers
    local target rest instance
    instance=$(netctr info --format json | jq -r .instance)
    while read -r target rest; do
        [[ $rest != cgroup2* && ,${rest#* }, != *,memory,* ]] || mkdir -p "$target/netctr/$instance/helpers"
    done < <(cgroup_hierarchies)
    idle a
    wait_for 5 helpers_work
    netctr rm -f a
    wait_for 3 no_helpers
    assert_eq "$(find /sys/fs/cgroup -path '*/netctr/*' -name helpers)" '' cgroups
}
t 'a part of their cgroup exists: they start' half_a_cgroup

unnoted() {
    # The helper is killed after it has forked a name server and before it has recorded that.
    idle a
    wait_for 5 helpers_work
    local helper
    helper=$(who helper)
    strace -qq -o /dev/null -p "$helper" -e trace=pidfd_open -e inject=pidfd_open:signal=SIGKILL:when=1 2>/dev/null &
    wait_for 5 traced "$helper"
    kill -KILL "$(name_servers | head -1)"
    wait_for 5 gone "$helper"
    wait_for 5 helpers_work
    assert_eq "$(helper_processes | wc -l)" 4 processes
    netctr rm -f a
    wait_for 3 no_helpers
}
strace -o /dev/null true 2>/dev/null && t 'killed while it starts a name server: no second one stays' unnoted

# How many processes start in two seconds.
begins() {
    local before
    before=$(cat /proc/sys/kernel/ns_last_pid)
    sleep 1
    echo $(($(cat /proc/sys/kernel/ns_last_pid) - before))
}

cannot_be_done() {
    idle a
    idle b
    wait_for 5 helpers_work
    # A monitor with empty records when a helper first looks: it lives.
    cp "$run_state/containers/a/state.json" "$tmp/state"
    echo garbage >"$run_state/containers/a/state.json"
    sleep 1.2
    kill -KILL "$(who helper)"
    wait_for 5 helpers_work
    [ "$(begins)" -lt 15 ] || fail 'for a damaged record'
    cat "$tmp/state" >"$run_state/containers/a/state.json"
    kill -KILL "$(monitor_of a)"
    only_b_lives() { [ "$(ls "$run_state/containers")" = b ]; }
    wait_for 2 only_b_lives
    # Links that cannot be taken off the list.
    mkdir -p "$run_state/links/x"
    sleep 1
    [ "$(begins)" -lt 15 ] || fail 'for a directory among the links'
    echo vc-x >"$run_state/links/77"
    mount --bind "$run_state/links" "$run_state/links"
    mount -o remount,bind,ro "$run_state/links"
    sleep 1
    [ "$(begins)" -lt 15 ] || fail 'for a link that stays'
    umount "$run_state/links"
    links_gone() { [ ! -e "$run_state/links/77" ]; }
    wait_for 9 links_gone
    # A container that cannot be cleaned up.
    mount --bind "$state/containers/b" "$state/containers/b"
    mount -o remount,bind,ro "$state/containers/b"
    kill -KILL "$(monitor_of b)"
    sleep 1
    [ "$(begins)" -lt 15 ] || fail 'for a container that cannot be cleaned up'
    umount "$state/containers/b"
    wait_for 9 no_helpers
    rmdir "$run_state/links/x" "$run_state/links"
}
t 'what fails is retried now and then, and takes little processor time' cannot_be_done

large_files() {
    local n words=() id
    idle a
    wait_for 5 helpers_work
    for n in $(seq 12); do words+=(-e "V$n=$(head -c 8000 /dev/zero | tr '\0' x)"); done
    id=$(netctr run -d --name b "${words[@]}" "$box" sleep 1000)
    head -c 100000 /dev/zero | tr '\0' '\n' >>"$run_state/events"
    kill -KILL "$(monitor_of b)"
    only_a_lives() { [ "$(ls "$run_state/containers")" = a ]; }
    wait_for 3 only_a_lives
    assert_eq "$(grep '"event":"die"' "$run_state/events" | grep -c "\"id\":\"$id\"")" 1 'events that tell its end'
    sed -i '/^$/d' "$run_state/events"
}
t 'a definition and events larger than its log may be' large_files

damaged() { # WHAT COMMAND
    local port
    rm -rf "$run_state/helpers"
    wait_for 3 no_helpers
    idle one
    wait_for 5 helpers_work
    port=$(names_port)
    eval "$2"
    for _ in {1..60}; do # most notice it, and exit
        pgrep -f '^netctr helper' >/dev/null || break
        sleep 0.025
    done
    netctr run -d --name two "$box" sleep 1000 >/dev/null
    wait_for 3 helpers_work
    assert_eq "$(helper_processes | wc -l)" 4 "$1: processes"
    assert_eq "$(names_port)" "$port" "$1: port"
    assert_eq "$(in_network_of one dig +short +time=2 +tries=1 @10.88.0.1 two)" "$(address_of two)" "$1"
    netctr rm -f one two
    wait_for 3 no_helpers
    wait_for 5 eval "[ -z \"\$(find /sys/fs/cgroup -path '*/netctr/*' -name helpers)\" ]"
}
state_damaged() {
    local file=$run_state/helpers/state
    warm_up
    damaged empty "truncate -s 0 $file"
    damaged random "head -c 400 /dev/urandom | dd of=$file conv=notrunc status=none"
    damaged 'of another version' "printf 9 | dd of=$file bs=1 seek=4 conv=notrunc status=none"
    damaged huge "truncate -s 10G $file"
    damaged 'a directory' "rm $file && mkdir $file"
    damaged 'a fifo' "rm $file && mkfifo $file"
    damaged 'a link' "rm $file && ln -s /etc/passwd $file"
    damaged 'no directory around it' "rm -r $run_state/helpers && echo >$run_state/helpers"
    # shellcheck disable=SC2016 # damaged() expands it
    damaged 'a log that is a fifo' \
        "rm -f $run_state/helpers/log && mkfifo $run_state/helpers/log"' && kill -KILL $(who helper) $(who standby)'
}
t 'their file is damaged in any way: the next start repairs it' state_damaged

strangers() {
    local n pids=()
    idle a
    wait_for 5 helpers_work
    for n in 1 2 3 4; do
        sleep 1000 &
        pids+=($!)
    done
    write_down() { # what identifies them as the helpers
        python3 - "$run_state/helpers/state" "$@" <<-'END'
	import struct, sys
	with open(sys.argv[1], "r+b") as f:
	    for i, pid in enumerate(sys.argv[2:]):
	        start = int(open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[19])
	        f.seek(8 + 16 * i)
	        f.write(struct.pack("<iIQ", int(pid), 0, start))
	END
    }
    write_down "$(who helper)" "${pids[@]:1}"
    sleep 0.5
    kill -KILL "$(who helper)"
    sleep 2
    netctr rm -f a
    sleep 0.5
    write_down "${pids[@]}"
    netctr ps >/dev/null
    idle b
    wait_for 5 helpers_work
    netctr rm -f b
    for n in "${pids[@]}"; do kill -0 "$n" || fail "process $n was killed"; done
}
t 'unrelated processes with their pids are left alone' strangers

few_descriptors() {
    local n
    (
        ulimit -n 64
        idle a
    )
    wait_for 5 helpers_work
    for n in $(seq 60); do
        netctr run -d --name "c$n" --network none "$box" sleep 1000 >/dev/null &
        [ $((n % 10)) != 0 ] || wait
    done
    wait
    sleep 0.5
    kill -KILL "$(who standby)" "$(monitor_of c58)" "$(monitor_of c59)" "$(monitor_of c60)"
    cleaned_up() { ! ls "$run_state/containers" | has -E '^c(58|59|60)$'; }
    wait_for 2 cleaned_up
    wait_for 2 helpers_work
}
t 'fewer descriptors than containers: all are looked after' few_descriptors
