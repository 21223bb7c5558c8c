#!/usr/bin/env bash
# State files that are not what netctr wrote: every command ends soon with one clear line or a repair,
# nobody else is touched, and `rm -f` and gc get rid of what is damaged.
. "$(dirname "$0")/../lib.sh"

seed=${SEED:-20261123}
RANDOM=$seed
echo "# SEED=$seed"

# Whose life is at stake: a neighbour that must not notice anything, and a process of the host.
begin() {
    warm_up
    serve neighbour -p 8080:80
    sleep 1000 &
    stranger=$!
    neighbour_before=$(witness)
}
witness() {
    state_of neighbour pid
    address_of neighbour
    cat "$run_state/containers/neighbour/state.json" "$run_state/containers/neighbour/endpoint.default.json"
}
victim() {
    netctr run -d --name k -p 9090:80 "$box" sleep 1000 >/dev/null
    live=$run_state/containers/k defined=$state/containers/k
}

unharmed() {
    kill -0 $stranger 2>/dev/null || fail 'a stranger was killed'
    assert_eq "$(witness)" "$neighbour_before" neighbour
    [ "$(in_lan curl --silent --max-time 2 http://192.0.2.2:8080/)" = neighbour ] ||
        fail 'the neighbour does not answer'
}

# A command ends within the deadline, by itself, and never says more than a line or two.
soon() { # COMMAND...
    local status=0
    timeout 30 "$ARENA/bin/netctr" "$@" >"$tmp/stdout" 2>"$tmp/stderr" </dev/null || status=$?
    case $status in
    0 | 125) ;;
    *)
        cat "$tmp/stderr"
        fail "$what: status $status of netctr $*"
        ;;
    esac
    if [ $status = 125 ] && [ "$(grep -c '^netctr: ' "$tmp/stderr")" = 0 ]; then
        fail "$what: netctr $* failed without a word"
    fi
    if grep -vq '^netctr: ' "$tmp/stderr"; then
        cat "$tmp/stderr"
        fail "$what: netctr $* said something else"
    fi
}

# Everything is asked about the container that is damaged; then it goes.
endure() { # WHAT [also_other_name]
    what=$1
    soon ps -a
    soon inspect k
    soon logs k
    soon exec k true
    soon gc
    soon stop -t 0 k
    soon rm -f k
    [ ! -e "$run_state/containers/k" ] && [ ! -e "$state/containers/k" ] || fail "$what: rm -f leaves it"
    unharmed
    soon gc
    # What one command had to leave to the kernel, the next one must not find.
    wait_for 3 no_trace_of_k
    assert_eq "$(netctr gc 2>&1)" '' "$what: what gc still finds"
}
no_trace_of_k() {
    local cgroups
    [ ! -e "$run_state/containers/k" ] && [ ! -e "$state/containers/k" ] &&
        ! ss -Hlnt | grep -q :9090 && ! nft list ruleset | grep -q 9090 &&
        [ "$(ip -oneline link show | grep -c ': vc-')" = 1 ] &&
        cgroups=$(find /sys/fs/cgroup -path '*/netctr/*/*' -type d -printf '%f\n' | sort -u | wc -l) &&
        [ "$cgroups" = 1 ] && [ "$(grep -cv -e ^# -e resting-until= "$run_state/leases/default")" = 1 ]
}

# One byte of FILE is another.
flip() { # FILE
    local size at
    size=$(stat -c %s "$1")
    at=$((RANDOM % size))
    printf "\\x$(printf %02x $((RANDOM % 256)))" | dd of="$1" bs=1 seek=$at conv=notrunc status=none
}

# ---- one file at a time --------------------------------------------------------------------------

# FILE of a container that lives is damaged, in each of these ways.
replaced_by() { # FILE HOW
    local file=$1
    case $2 in
    empty) : >"$file" ;;
    nothing) rm -f "$file" ;;
    directory) rm -f "$file" && mkdir -p "$file/below" ;;
    link) rm -f "$file" && ln -s /etc/passwd "$file" ;;
    dangling) rm -f "$file" && ln -s /nowhere "$file" ;;
    fifo) rm -f "$file" && mkfifo "$file" ;;
    huge) rm -f "$file" && truncate -s 1G "$file" ;;
    deep) head -c 200000 /dev/zero | tr '\0' '[' >"$file" ;;
    array) echo '[1, 2]' >"$file" ;;
    newer) echo '{"schema": 99, "id": "0123456789ab", "name": "k"}' >"$file" ;;
    types) sed -i 's/: "[^"]*"/: 17/; s/: [0-9][0-9]*/: "x"/' "$file" ;;
    numbers) sed -i 's/: [0-9][0-9]*/: 99999999999999999999/' "$file" ;;
    negative) sed -i 's/: [0-9][0-9]*/: -9223372036854775808/' "$file" ;;
    esac
}
ways=(empty nothing directory link dangling fifo huge deep array newer types numbers negative)

each_way() { # FILE
    local how passwd
    passwd=$(md5sum /etc/passwd)
    begin
    for how in "${ways[@]}"; do
        victim
        replaced_by "${1/@/$run_state}" "$how"
        endure "$1: $how"
    done
    assert_eq "$(md5sum /etc/passwd)" "$passwd" /etc/passwd
}
damaged_state() { each_way @/containers/k/state.json; }
damaged_endpoint() { each_way @/containers/k/endpoint.default.json; }
damaged_lock() { each_way @/containers/k/lock; }
damaged_definition() { each_way "$state/containers/k/config.json"; }
case ${1-} in
state) t 'state.json damaged in every way' damaged_state ;;
endpoint) t 'endpoint.default.json damaged in every way' damaged_endpoint ;;
lock) t 'lock damaged in every way' damaged_lock ;;
config) t 'config.json damaged in every way' damaged_definition ;;
'')
    t 'state.json damaged in every way' damaged_state
    t 'endpoint.default.json damaged in every way' damaged_endpoint
    t 'lock damaged in every way' damaged_lock
    t 'config.json damaged in every way' damaged_definition
    ;;
esac
