#!/bin/bash
# No command pays for containers that only live beside it: with 1 and with 200 alive, a command and the monitor that it
# starts or asks make the same number of system calls, and read the same number of bytes.
#
# Counts and not times: an equal count is a property of the program, a time is one of the machine.
#
# The counts are not equal in all attempts, because they depend on when another process gets ready. For example:
#
#   - a start and a connect ask rtnetlink until the bridge port forwards: three questions each time;
#   - a stop reads /proc/PID/stat until the process has ended;
#   - what a start leaves for later (sandbox/later.c) is not done if the program has ended before;
#   - a release also forgets addresses that were released more than half a second ago.
#
# So the smallest count with many alive must not exceed what was seen with one alive. If it does, there are more attempts: a
# walk over the neighbours is in each of them.
#
# `ps` looks at all containers. For each, it may make a fixed number of calls.
#
#     ALIVE=N   another number than 200
#     SHOW=1    print the counts that differ instead of failing at the first one
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$top/tests/helpers.sh"

alive=${ALIVE:-$((slowness > 1 ? 100 : 200))}
count=$top/${NETCTR_BUILD:-build}/tests/strike
nc=("$program" --root "$state" --run-root "$run_state")
networks=(a b c d)
attempts=10 # in all

! sanitized || skip 'a sanitizer makes calls of its own'

# How often a process waits depends on when another one gets ready, and memory on where the kernel maps it.
waits='poll|ppoll|select|pselect6|epoll_wait|epoll_pwait|nanosleep|clock_nanosleep|wait4|waitid|restart_syscall|futex'
waits+='|sched_yield|rt_sigreturn|brk|mmap|munmap|mremap|madvise|getrandom'

# ---- counting ------------------------------------------------------------------------------------

counted() { # DIR NAME MONITOR|- COMMAND...
    local with=()
    [ "$3" = - ] || with=(--with "$3")
    "$count" --sum --settle 30 "${with[@]}" --report "$1/$2.$try" "${nc[@]}" "${@:4}" >"$tmp/out" 2>&1 </dev/null ||
        fail "status $?: ${*:4}: $(cat "$tmp/out")"
}

# A release forgets some of the addresses that have rested since they were released, for half a second. gc forgets all, so
# that each attempt begins without any; in one, no two releases are on the same network.
forget_addresses() {
    sleep 1.1
    netctr gc >/dev/null
}

attempt() { # DIR
    local monitor
    mkdir -p "$1"
    forget_addresses
    counted "$1" run-rm - run --rm --network d "$box" true
    counted "$1" run-detached - run -d --name k --network a -p 8080:80 -p '[::1]:8081:80' "$box" sleep 100000
    monitor=$(monitor_of k)
    counted "$1" exec - exec k true
    counted "$1" publish "$monitor" publish k 8082:80
    counted "$1" unpublish "$monitor" unpublish k 8082
    counted "$1" connect "$monitor" network connect b k
    counted "$1" disconnect "$monitor" network disconnect b k
    counted "$1" stop "$monitor" stop -t 0 k
    counted "$1" start - start k
    netctr stop -t 0 k
    counted "$1" rm - rm k
    netctr run -d --name k --network c -p 8080:80 "$box" sleep 100000 >/dev/null
    counted "$1" rm-f "$(monitor_of k)" rm -f k
    try=$((try + 1))
}
measured=(run-rm run-detached exec publish unpublish connect disconnect stop start rm rm-f)

# For each call the smallest or the greatest count and number of bytes of all attempts. A call that one of them does not
# make: 0 is the smallest count.
extreme() { # DIR NAME SIGN: 1 the smallest, -1 the greatest
    awk -v sign="$3" 'FNR == 1 { files++ }
        { if (!($1 in n) || sign * ($2 - n[$1]) < 0) n[$1] = $2
          if (!($1 in b) || sign * ($3 - b[$1]) < 0) b[$1] = $3
          seen[$1]++ }
        END { for (c in n) if (sign < 0 || seen[c] == files) print c, n[c], b[c] }' "$1/$2".* |
        grep -vE "^($waits) " | sort
}

# A number in a text has one more digit now and then; less than one byte for each neighbour.
few_bytes=64

differences() {
    local name
    for name in "${measured[@]}"; do
        join -a 1 -a 2 -e 0 -o 0,1.2,2.2,1.3,2.3 <(extreme "$tmp/few" "$name" -1) <(extreme "$tmp/many" "$name" 1) |
            awk -v name="$name" -v bytes=$few_bytes '$3 > $2 || $5 - $4 > bytes {
                printf "%s: %s: %d calls, with many alive %d; %d bytes, %d\n", name, $1, $2, $3, $4, $5 }'
    done >"$tmp/differences"
    [ -s "$tmp/differences" ]
}

# ---- the neighbours ------------------------------------------------------------------------------

# The first one is on all networks: the only container of a network creates its directory of names, and removes it.
live_first() {
    netctr run -d --name n1 "${networks[@]/#/--network=}" "$box" sleep 100000 >/dev/null
}
live() { # FIRST LAST
    local i
    for ((i = $1; i <= $2; i++)); do
        netctr run -d --name "n$i" --network "${networks[i % 4]}" "$box" sleep 100000 >/dev/null &
        ((i % 8)) || wait
    done
    wait
}

equal_counts() {
    local network try=1
    for network in "${networks[@]}"; do netctr network create --ipv6 "$network" >/dev/null; done
    live_first
    wait_for 5 helpers_work
    netctr run --rm --network d "$box" true # the first one finds a directory empty
    attempt "$tmp/few"
    attempt "$tmp/few"
    live 2 "$alive"
    assert_eq "$(names | wc -l)" "$alive" 'containers alive'
    attempt "$tmp/many"
    while differences && [ $try -le $attempts ]; do attempt "$tmp/many"; done
    cat "$tmp/differences"
    note "$((try - 3)) attempts with $alive"
    [ -n "${SHOW-}" ] || [ ! -s "$tmp/differences" ] || fail "$(head -1 "$tmp/differences")"
}

# Its definition and its state (open, read, close), whether its monitor lives (the same of /proc/PID/stat), the listing of its
# endpoints (open, twice getdents, close) and one endpoint; and whether a run directory has a definition.
ps_calls_max=19

ps_calls() { # the smallest number of three attempts
    local i
    for i in 1 2 3; do
        "$count" --sum --report "$tmp/ps.$i" "${nc[@]}" ps >/dev/null 2>&1 </dev/null
        grep -vE "^($waits) " "$tmp/ps.$i" | awk '{ n += $2 } END { print n }'
    done | sort -n | head -1
}

list_calls() {
    local few many
    for network in "${networks[@]}"; do netctr network create --ipv6 "$network" >/dev/null; done
    netctr run -d --name n1 --network a "$box" sleep 100000 >/dev/null
    few=$(ps_calls)
    live 2 41
    many=$(ps_calls)
    note "$few calls with 1 container, $many with 41"
    # 40 names more need two more calls to list them in each of two directories
    [ $((many - few)) -le $((40 * ps_calls_max + 4)) ] || fail "$((many - few)) calls for 40 containers"
}
t "ps makes $ps_calls_max system calls for each container" list_calls
t "with 1 and with $alive containers alive, commands make the same system calls" equal_counts
[ $some_test_failed = 0 ]
