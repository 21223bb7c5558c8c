# tests/damage.sh - sourced by the files damage_*.sh after lib.sh: a container whose files are damaged, a
# neighbour and a process of the host that must not be affected, and what every command must do.
#
# SEED=N  repeats a run

# shellcheck shell=bash

seed=${SEED:-$((RANDOM * 32768 + RANDOM))}
echo "# SEED=$seed"

# A neighbour and a process of the host, neither of which may be affected.
begin() {
    RANDOM=$seed # here: each test is a subshell with its own RANDOM
    warm_up
    serve neighbour -p 8080:80
    sleep 1000 &
    stranger=$!
    neighbour_before=$(witness)
}
witness() {
    state_of neighbour pid
    address_of neighbour
    cat "$run_state/containers/neighbour/state.json" "$(sandbox_of neighbour)/endpoint.default.json"
}
victim() {
    netctr run -d --name k -p 9090:80 "$box" sleep 1000 >/dev/null
    live=$run_state/containers/k defined=$state/containers/k sandbox=$(sandbox_of k)
}

unharmed() {
    kill -0 $stranger 2>/dev/null || fail 'a process of the host was killed'
    assert_eq "$(witness)" "$neighbour_before" neighbour
    [ "$(in_lan curl --silent --max-time 2 http://192.0.2.2:8080/)" = neighbour ] ||
        fail 'the neighbour does not answer'
}

# A command ends by itself within the deadline, and prints only messages of netctr.
soon() { # COMMAND...
    local status=0
    within 30 "$ARENA/bin/netctr" "$@" >"$tmp/stdout" 2>"$tmp/stderr" </dev/null || status=$?
    case $status in
    0 | 125) ;;
    *)
        cat "$tmp/stderr"
        fail "$what: status $status of netctr $*"
        ;;
    esac
    if [ $status = 125 ] && [ "$(grep -c '^netctr: ' "$tmp/stderr")" = 0 ]; then
        fail "$what: netctr $* failed without a message"
    fi
    if grep -vq '^netctr: ' "$tmp/stderr"; then
        cat "$tmp/stderr"
        fail "$what: netctr $* printed something else"
    fi
}

# Runs every command on the damaged container, then removes it.
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
    # The kernel may take a moment to remove the rest.
    wait_for 3 no_trace_of_k
    assert_eq "$(netctr gc 2>&1)" '' "$what: what gc still finds"
}
no_trace_of_k() {
    local cgroups
    [ ! -e "$run_state/containers/k" ] && [ ! -e "$state/containers/k" ] &&
        ! ss -Hlnt | has :9090 && ! nft list ruleset | has 9090 &&
        [ "$(ip -oneline link show | grep -c ': vc-')" = 1 ] &&
        cgroups=$(find /sys/fs/cgroup -path '*/netctr/*/*' -type d ! -name helpers -printf '%f\n' | sort -u | wc -l) &&
        [ "$cgroups" = 1 ] && [ "$(leases default | wc -l)" = 1 ]
}

# Sets $tried to the ITEMS to try: on a slow machine every third, from a random one on. How a file is read does not
# depend on the kernel.
try_of() { # ITEM...
    local i=1 step=1
    tried=()
    if [ "$slowness" != 1 ]; then i=$((RANDOM % 3 + 1)) step=3; fi
    for (( ; i <= $#; i += step)); do tried+=("${!i}"); done
}

# Changes one byte of FILE.
flip() { # FILE
    local size at byte
    size=$(stat -c %s "$1")
    at=$((RANDOM % size))
    printf -v byte '\\x%02x' $((RANDOM % 256))
    printf "$byte" | dd of="$1" bs=1 seek=$at conv=notrunc status=none
}

# Changes FILE by jq FILTER, with a valid checksum: no accident can do that.
reseal() { # FILE FILTER
    python3 - "$1" "$(jq "($2) | del(.sum)" "$1")" <<-'END'
	import json, sys
	record = json.loads(sys.argv[2])
	sum = 0xcbf29ce484222325
	for byte in json.dumps(record, sort_keys=True, separators=(",", ":")).encode():
	    sum = (sum ^ byte) * 0x100000001b3 % 2**64
	record["sum"] = "%016x" % sum
	json.dump(record, open(sys.argv[1], "w"))
	END
}
start_time() { sed 's/.*) //' "/proc/$1/stat" | cut -d' ' -f20; }

# Damages FILE of a running container in one of these ways.
replaced_by() { # FILE HOW
    local file=$1
    case $2 in
    empty) rm -rf "$file" && : >"$file" ;;
    nothing) rm -rf "$file" ;;
    directory)
        # Its monitor may be about to create it.
        until rm -rf "$file" && mkdir "$file" 2>/dev/null; do :; done
        mkdir "$file/below"
        ;;
    link) rm -rf "$file" && ln -s /etc/passwd "$file" ;;
    dangling) rm -rf "$file" && ln -s /nowhere "$file" ;;
    fifo) until rm -rf "$file" && mkfifo "$file" 2>/dev/null; do :; done ;;
    huge) rm -rf "$file" && truncate -s 1G "$file" ;;
    deep) rm -rf "$file" && head -c 200000 /dev/zero | tr '\0' '[' >"$file" ;;
    array) echo '[1, 2]' >"$file" ;;
    newer) echo '{"schema": 99, "id": "0123456789ab", "name": "k"}' >"$file" ;;
    types) sed -i 's/: "[^"]*"/: 17/; s/: [0-9][0-9]*/: "x"/' "$file" ;;
    numbers) sed -i 's/: [0-9][0-9]*/: 99999999999999999999/' "$file" ;;
    negative) sed -i 's/: [0-9][0-9]*/: -9223372036854775808/' "$file" ;;
    esac
}
