# tests/struck.sh - sourced by kill_*.sh and error_*.sh instead of lib.sh: a command of netctr is killed, or fails, at
# one system call after the other (tests/strike.c), and each time what remains is compared with what was there before
# (tests/look.c). A container that runs beside it must not be affected.
#
#     kill_each ONE|ALL COMMAND...      kills the process that is about to make the call, or all processes of
#                                       the command
#     fail_each COMMAND...              makes the call fail, each time with another error
#
# A file may define these functions: furnish (what exists all the time), set_up, prepare (before each try),
# after_strike, as_asked (the command reported success: is that true?). It may set may_live=1 if the container k may run
# afterwards, must_vanish=1 if it must not remain as an ended one, must_stay=1 if it has to remain, from_role=1 if the
# command's own calls do not matter, to_role=0 if no others do, and next_port if the port that the next command would
# take is not free.
#
# STRIKE=all        every call (with every error); otherwise a sample of about $points of them, on a slow machine
#                   as few as contain every kind of next command and every error
# STRIKE=every:N    each N-th of them (fail_each: with 5 every call fails with one or two errors, and the next
#                   one with others)
# STRIKE=POINT      that one alone: ROLE:CALL.N (fail_each: ROLE:CALL.N=ERRNO)
# STRIKE_CALL=NAME  none but calls of that name

# shellcheck shell=bash
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$top/tests/helpers.sh"

tools=$top/${NETCTR_BUILD:-build}/tests
nc=("$program" --root "$state" --run-root "$run_state")
errors=(ENOMEM ENOSPC EINTR EBUSY EMFILE EPERM)
points=${points-$((slowness > 1 ? 4 : 7))} may_live=0 await=(--all) from_role=0 to_role=99
: "${STRIKE:=sample}"

! sanitized || skip 'a sanitizer does not stand being struck'

# A container with many flags, which answers on port 8080.
everything=(--name k --publish 8080:80 -p '[::1]:8081:80' -p 9090-9091:90-91/udp -m 64m --cpus 0.5
    --pids-limit 20 --tmpfs /t -v "$box/etc/passwd:/file:ro" --cap-drop CHOWN -w /work)

# ---- remains -------------------------------------------------------------------------------------

# What tests/look sees of this host. Its status counts: no pipe and no `|| true' here.
look() {
    "$tools/look" host "$state" "$run_state" "$@"
}

furnish() {
    :
}
# A second network, with its bridge.
furnish_blue() {
    mkdir -p "$state/networks"
    printf '{"schema": 1, "name": "blue", "bridge": "nc-blue", "icc": true, "mode": "nat", %s}\n' \
        '"subnet": "10.90.0.0/24", "gateway": "10.90.0.1"' >"$state/networks/blue.json"
    netctr run --rm --network blue "$box" true
}

# Each k gets the same address at once: a pausing lease would give the next one another, or make it wait.
same_leases() {
    rm -rf "$run_state"/leases/[!.]*
    cp -a "$tmp"/leases/* "$run_state/leases"
}

begin_counting() {
    failures=0 struck=0 tried=0 missed=0 total=0
    : >"$tmp/missed"
}

begin_strikes() {
    warm_up
    serve healthy --publish 8888:80 -p 9999:99/udp
    furnish
    wait_for 20 helpers_work
    remember
    leftovers_are_seen
    rm -rf "$tmp/leases"
    mkdir "$tmp/leases"
    cp -a "$run_state"/leases/* "$tmp/leases"
    begin_counting
}

# On a busy machine the kernel may delete the links of ended containers only after a second.
links_are_in_use() { # FILE
    local name
    while read -r name; do
        grep -qs "\"container\": \"$name\"" "$run_state"/sandboxes/*/endpoint.*.json || return 1
    done < <(sed -n 's/^link vc-.* alias `netctr [0-9a-f]* \([^ ]*\) on .*/\1/p' "$1")
}

remember() {
    look >"$tmp/before"
    until sleep 0.2 && look --until "$tmp/before" 0 >"$tmp/now" && ! grep -q ' expires$' "$tmp/before" &&
        links_are_in_use "$tmp/before"; do
        look >"$tmp/now"
        mv "$tmp/now" "$tmp/before"
    done
}

# The control of what `compare' finds.
leftovers_are_seen() {
    : >"$run_state/left-behind"
    ! look --until "$tmp/before" 0 >"$tmp/now" || fail 'what is left behind is not seen'
    rm "$run_state/left-behind"
}

# The healthy one's page, without a process for it.
healthy_answers() {
    local answer=
    exec 9<>/dev/tcp/192.0.2.2/8888 || return
    printf 'GET / HTTP/1.0\r\n\r\n' >&9
    read -r -t $((5 * slowness)) -d '' answer <&9 || true
    exec 9>&-
    [[ $answer == *healthy* ]]
}

# eventually COMMAND...: like wait_for, for use in a condition.
eventually() {
    local deadline=$((${EPOCHREALTIME/./} + 10 * slowness * 1000000))
    until "$@" 2>"$tmp/waited"; do
        [ "${EPOCHREALTIME/./}" -le $deadline ] || return 1
        sleep 0.02
    done
}

page() { # whether an httpd without files serves it
    local answer=
    exec 9<>"/dev/tcp/192.0.2.2/$1" || return
    printf 'GET / HTTP/1.0\r\n\r\n' >&9
    read -r -t $((5 * slowness)) -d '' answer <&9 || true
    exec 9>&-
    [[ $answer == *'404 Not Found'* ]]
}

bad() { # WHY
    printf '%s, %s: %s\n' "$point" "$(head -1 "$tmp/report")" "$1"
    sed 's/^/    said: /' "$tmp/err"
    because "$command_name struck at $point, $(head -1 "$tmp/report"): $1"
    spoilt=1
}

# Any next command succeeds without output. ps and gc clean up after all, the helper after whatever it sees die.
next_command() {
    local status=0
    "${nc[@]}" "$@" >"$tmp/next" 2>&1 || status=$?
    [ $status = 0 ] || bad "the next command, $*, fails with $status: $(cat "$tmp/next")"
}

# Has k a monitor, or no run directory?
k_is_settled() {
    local pid
    [ -e "$run_state/containers/k" ] || return 0
    pid=$(sed -n 's/.*"monitor": \([0-9]*\).*/\1/p' "$run_state/containers/k/state.json" 2>/dev/null)
    [ $may_live = 1 ] && [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null
}

# What has become of k: it runs, has ended as it should, or was never there.
look_after_k() {
    local pid
    if [ "${must_stay-0}" = 1 ]; then
        names -a >"$tmp/next" 2>&1 || bad "ps fails: $(<"$tmp/next")"
        grep -qx k "$tmp/next" || bad 'the container is lost'
    fi
    if [ -e "$run_state/containers/k" ]; then
        pid=$(sed -n 's/.*"monitor": \([0-9]*\).*/\1/p' "$run_state/containers/k/state.json") || pid=
        if [ $may_live = 0 ]; then
            bad 'the container is still there'
        elif ! kill -0 "$pid" 2>/dev/null && [ -e "$run_state/containers/k" ]; then
            bad 'the container is shown as alive and has no monitor'
        fi
        "${nc[@]}" rm -f k >"$tmp/next" 2>&1 || [ ! -e "$state/containers/k" ] ||
            bad "rm -f fails: $(cat "$tmp/next")"
    elif [ -e "$state/containers/k" ]; then
        grep -q '"exit"' "$state/containers/k/config.json" || bad 'it has not ended'
        [ "${must_vanish-0}" = 0 ] || bad 'it should have been removed'
        next_command rm k
    fi
}

compare() {
    if ! look --until "$tmp/before" $((10000 * slowness)) >"$tmp/now"; then
        bad 'something is left behind, or missing'
        diff "$tmp/before" "$tmp/now" || true
    fi
    healthy_answers || bad 'the healthy container does not answer'
    if [ "$spoilt" = 1 ]; then
        failures=$((failures + 1))
        [ $failures -lt 15 ] || [ "$STRIKE" = all ] || fail "$failures failures; the first: $(cat "$ARENA/why")"
        "${nc[@]}" rm -f k >/dev/null 2>&1 || true
        "${nc[@]}" gc >/dev/null 2>&1 || true
        remember
    fi
}

# ---- kills ---------------------------------------------------------------------------------------

# Which points exist, from two undisturbed runs: a process that waits makes more calls the longer it takes, and the
# last of these calls would hardly be reached again.
list_points() { # COMMAND...
    local round
    for round in once twice; do
        same_leases
        prepare
        "$tools/strike" --list --deadline $((20 * slowness)) "${await[@]}" --report "$tmp/$round" "${nc[@]}" "$@" \
            >"$tmp/out" 2>"$tmp/err" </dev/null || true
        point=none spoilt=0
        echo 'not struck' >"$tmp/report"
        : >"$tmp/err"
        look_after_k
        next_command gc
        compare
        [ $spoilt = 0 ] || fail "an undisturbed run leaves something behind"
    done
    grep -Fxf "$tmp/twice" "$tmp/once" >"$tmp/points"
}

prepare() {
    :
}
after_strike() {
    :
}

# A run that waited less has fewer calls: an earlier one of the same name replaces one that was missed, or, if there
# is none, the point before it.
strike_earlier() {
    [[ $point =~ ^(.*\.)([0-9]+)(=.*)?$ ]]
    local number=$((BASH_REMATCH[2] * 3 / 4)) earlier=
    if [ $number = 0 ]; then
        earlier=$(awk -F= -v point="${point%%=*}" '$1 == point { print before; exit } { before = $0 }' "$tmp/all-points")
    else
        earlier=${BASH_REMATCH[1]}$number${BASH_REMATCH[3]}
    fi
    [ -z "$earlier" ] || all_points+=("$earlier")
}

strike() { # --kill POINT | --error POINT=ERRNO, COMMAND...
    local how=$1
    point=$2 status=0 spoilt=0
    shift 2
    same_leases
    prepare
    "$tools/strike" "$how" "$point" --deadline $((20 * slowness)) "${await[@]}" --report "$tmp/report" "${nc[@]}" "$@" \
        >"$tmp/out" 2>"$tmp/err" </dev/null || status=$?
    if grep -q ^reached "$tmp/report"; then
        struck=$((struck + 1))
    else
        echo "$point" >>"$tmp/missed"
        [ "$i" -ge "$tried" ] || missed=$((missed + 1)) # not one that replaced another
        [ "$STRIKE" != sample ] || strike_earlier
    fi
    ! grep -q ^crashed "$tmp/report" || bad "$(grep ^crashed "$tmp/report")"
    ! grep -q ^hangs "$tmp/report" || bad "$(grep ^hangs "$tmp/report")"
}

# Every k-th line, and two of the last, where a command has done its work.
sample() {
    local lines every
    mapfile -t lines
    total=${#lines[@]}
    every=$((total / points))
    case $STRIKE in
    all) every=1 ;;
    every:*) every=${STRIKE#every:} ;;
    sample)
        [ $every -gt 0 ] || every=1
        # so that all errors have their turn
        while [ $((every % 2)) = 0 ] || [ $((every % 3)) = 0 ]; do every=$((every + 1)); done
        ;;
    *)
        printf '%s\n' "$STRIKE"
        return
        ;;
    esac
    local i
    for ((i = total % every; i < total; i += every)); do printf '%s\n' "${lines[i]}"; done
    [ "$every" = 1 ] || [ "$total" -lt 5 ] || printf '%s\n' "${lines[total - 2]}" "${lines[total - 5]}"
}

end_strikes() {
    total=$(wc -l <"$tmp/all-points")
    note "$struck of $total points"
    [ "$struck" -gt 0 ] || fail 'no point was reached'
    # A few may differ from run to run; if there are more, something else is being tested.
    [ "$STRIKE" != sample ] || { [ "$struck" -ge $((tried - 1)) ] && [ "$missed" -le $((tried < 9 ? 2 : tried / 4)) ]; } ||
        fail "$missed of $tried points were not reached, and $((struck - tried + missed)) others in their place: $(paste -sd' ' "$tmp/missed")"
    [ "$failures" = 0 ] || fail "$failures of $struck points; the first: $(cat "$ARENA/why")"
}

# Those of $tmp/points whose call is none of NEVER, and the one that is asked for if there is any.
points_but() { # NEVER, a regular expression
    awk -F '[:.]' -v never="^($1)\$" -v only="${STRIKE_CALL-}" -v from="$from_role" -v to="$to_role" \
        '$1 >= from && $1 <= to && $2 !~ never && (only == "" || $2 == only)' "$tmp/points"
}

# Memory management changes nothing that a kill could leave behind.
kill_each() { # ONE|ALL COMMAND...
    local how=--kill n=0 i all_points
    [ "$1" = ONE ] || how=--kill-all
    shift
    command_name="$1"
    begin_strikes
    list_points "$@"
    points_but 'brk|mmap|munmap|mprotect' >"$tmp/all-points"
    mapfile -t all_points < <(sample <"$tmp/all-points")
    tried=${#all_points[@]}
    for ((i = 0; i < ${#all_points[@]}; i++)); do
        point=${all_points[i]}
        strike $how "$point" "$@"
        after_strike
        case $((n++ % 8)) in # the smallest sample has each of them
        2) next_command ps ;;
        5)
            # It does not look at k. The helper does, which knows a monitor after a quarter of a second.
            next_command run --rm -p ${next_port-$((8080 + 3 * may_live))}:80 "$box" true
            eventually k_is_settled || true
            ;;
        *) next_command gc ;;
        esac
        look_after_k
        next_command gc
        compare
    done
    end_strikes
}

# ---- errors --------------------------------------------------------------------------------------

# The points in $tmp/points whose call does not match NEVER, and the requested one if there is any.
is_clear_error() {
    local lines
    mapfile -t lines < <(grep -v '^netctr: warning: ' "$tmp/err")
    if [ ${#lines[@]} != 1 ] || [[ ${lines[0]} != netctr:\ ?* ]]; then
        bad "status $status, and not one line says why"
        return
    fi
    case $status,${lines[0]} in
    125,*) ;;
    12[67],*command\ \`*) ;;
    *) bad "status $status" ;;
    esac
}

set_up() {
    :
}
as_asked() {
    :
}

# The kernel may interrupt these; callers have to retry.
interruptible=' read write recvmsg sendmsg recvfrom sendto poll ppoll flock wait4 waitid clock_nanosleep
    epoll_wait accept4 connect '

judge() {
    local call=${point#*:}
    call=${call%%.*}
    ! grep -q '^hangs' "$tmp/report" || return 0
    if [ "$status" = "${success-0}" ]; then
        as_asked
    elif [[ $point == *=EINTR && $interruptible == *" $call "* ]]; then
        bad "$call is not tried again when it was interrupted"
    elif [ "$status" = 141 ] && grep -q '^netctr: warning: cannot write the program.s stdout any more: ' "$tmp/err"; then
        : # the program wrote on, and got a SIGPIPE
    else
        is_clear_error
    fi
}

# A `run` that reports a failure has left nothing, which is checked before a gc could hide it. An attached one may
# have failed as the monitor of a program that ran: what that has written is kept. (With a restart policy the second
# start may have failed.)
nothing_is_left() { # COMMAND...
    case $1,$status in run,12[567]) ;; *) return 0 ;; esac
    ! grep -q '^hangs' "$tmp/report" || return 0
    names -a >"$tmp/next" 2>&1 || bad "ps fails: $(<"$tmp/next")"
    grep -qx k "$tmp/next" || return 0
    if [[ " $* " != *' -d '* && " $* " != *' --rm '* ]] && status_is k exited &&
        [[ " $* " == *' --restart '* || "$(state_of k started)" != null ]]; then
        return
    fi
    bad "status $status, and the container is there: $(state_of k status)"
}

# Calls that do not return, or that the kernel has no reason to refuse.
never_fails='exit|rt_sigaction|rt_sigprocmask|exit_group|rt_sigreturn|getpid|gettid|getppid|getuid|geteuid|getgid|getegid|umask|timerfd_settime'

fail_each() { # COMMAND...
    local i all_points
    command_name="$1"
    begin_strikes
    set_up
    list_points "$@"
    while read -r point; do
        printf "$point=%s\n" "${errors[@]}"
    done < <(points_but "$never_fails") >"$tmp/all-points"
    mapfile -t all_points < <(sample <"$tmp/all-points")
    tried=${#all_points[@]}
    for ((i = 0; i < ${#all_points[@]}; i++)); do
        point=${all_points[i]}
        strike --error "$point" "$@"
        judge
        nothing_is_left "$@"
        after_strike
        next_command gc
        look_after_k
        next_command gc
        compare
    done
    end_strikes
}
