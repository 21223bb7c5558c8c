#!/usr/bin/env bash
# Damage to files that all containers share, and bytes changed at random.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../damage.sh"
refusing_resolver

# ---- at random -----------------------------------------------------------------------------------

at_random() {
    begin
    local file length size round
    try_of {1..9}
    for round in "${tried[@]}"; do
        victim
        case $((round / 3 % 3)) in
        0) file=$live/state.json ;;
        1) file=$sandbox/endpoint.default.json ;;
        2) file=$defined/config.json ;;
        esac
        if [ $((RANDOM % 2)) = 0 ]; then
            flip "$file"
            endure "round $round: a byte of ${file##*/}"
        else
            size=$(stat -c %s "$file")
            length=$((RANDOM % size))
            truncate -s $length "$file"
            endure "round $round: $length bytes of ${file##*/}"
        fi
    done
}
t 'a byte changed, or the end cut off, at random' at_random

addresses() { jq -r .address "$run_state"/sandboxes/*/endpoint.default.json | sort; }

damaged_leases() {
    begin
    local how file
    try_of nothing empty directory fifo link dangling huge flip flip cut
    for how in "${tried[@]}"; do
        victim
        file=$run_state/leases/default/$(address_of k)
        case $how in
        flip) flip "$file" ;;
        cut) truncate -s -20 "$file" ;;
        *) replaced_by "$file" "$how" ;;
        esac
        what="leases: $how"
        # Better no address than one that is in use.
        soon run -d --name other "$box" sleep 1000
        assert_eq "$(addresses | uniq -d)" '' "$what: given out twice"
        soon rm -f other
        soon network reload
        netctr run -d --name other "$box" sleep 1000 >/dev/null || fail "$what: not restored"
        assert_eq "$(addresses | uniq -d)" '' "$what: given out twice"
        assert_eq "$(addresses)" "$(leases default | awk '{ sub(",.*", "", $1); print $1 }' | sort)" "$what: leases"
        netctr rm -f other >/dev/null
        endure "$what"
    done
}

# By hand, or by a crash at the wrong moment: the next run finds the running containers.
lost_leases() {
    begin
    local address file=$run_state/leases/default
    address=$(address_of neighbour)
    rm -r "$file"
    assert_contains "$(netctr doctor || true)" 'lost leases of network `default`: addresses may be blocked or assigned twice'
    assert_eq "$(netctr gc)" 'replaced lost leases of network `default`'
    netctr events --no-stream --filter event=repair | has 'lost leases of network `default`'
    assert_eq "$(netctr gc)" ''
    rm -r "$file"
    netctr run -d --name other "$box" sleep 1000 >/dev/null
    assert_eq "$(addresses | uniq -d)" '' 'given out twice'
    assert_fails netctr run --rm --network "default:ip=$address" "$box" true
    # A container whose address is unknown keeps it all the same.
    echo '{' >"$(sandbox_of other)/endpoint.default.json"
    rm -r "$file"
    assert_error 'netctr: network `default`: the leases are missing and cannot be rebuilt; `netctr network reload` says why' \
        125 netctr run --rm "$box" true
    netctr network create elsewhere >/dev/null 2>&1
    netctr run --rm --network elsewhere "$box" true
    netctr rm -f other 2>/dev/null
    wait_for 5 netctr run --rm "$box" true
    unharmed
}
t 'the leases removed: the next run rebuilds it from running containers' lost_leases

t 'leases damaged in every way: no address is assigned twice, reload restores them' damaged_leases

cleaned_up_all_the_same() {
    local monitor
    begin
    victim
    what='no record, and the leases damaged'
    monitor=$(monitor_of k)
    truncate -s -20 "$run_state/leases/default/$(address_of k)"
    rm "$sandbox/endpoint.default.json"
    kill -KILL "$monitor"
    netctr gc >"$tmp/stdout" || fail "$what: gc fails"
    [ ! -e "$live" ] || fail "$what: it is not cleaned up"
    netctr rm k >"$tmp/stdout"
    unharmed
}
t 'a dead container without a record, and the leases damaged: it is cleaned up' cleaned_up_all_the_same

damaged_network() {
    begin
    local how file=$state/networks/default.json
    cp "$file" "$tmp/default.json"
    try_of empty directory fifo deep
    for how in "${tried[@]}"; do
        victim
        replaced_by "$file" "$how"
        what="network: $how"
        soon run -d --name other "$box" sleep 1000
        [ ! -e "$run_state/containers/other" ] || fail "$what: it ran"
        soon network reload
        soon gc
        soon rm -f k
        unharmed
        rm -rf "$file" && cp "$tmp/default.json" "$file"
        endure "$what, mended"
    done
}
t 'the definition of a network damaged' damaged_network

damaged_rest() {
    begin
    local how file
    for file in "$state/run-root" "$run_state/instance" "$run_state/leases/.expiry" "$run_state/listener"; do
        try_of fifo deep directory
        for how in "${tried[@]}"; do
            victim
            replaced_by "$file" "$how"
            what="${file##*/}: $how"
            soon ps
            soon run -d --name other "$box" sleep 1000
            soon rm -f other
            # A directory in a file's place is left for the administrator.
            [ $how != directory ] || rm -rf "$file"
            endure "$what"
        done
    done
    try_of fifo link directory
    for how in "${tried[@]}"; do
        victim
        wait_for 5 test -e "$defined/log" # its monitor opens it shortly after the start
        replaced_by "$defined/log" "$how"
        endure "log: $how"
    done
}
t 'run-root, instance, expiry, listener and log damaged' damaged_rest
