#!/usr/bin/env bash
# netctr doctor where nothing is wrong. What it finds in the host's network is in doctor_host.sh.
. "$(dirname "$0")/../lib.sh"
refusing_resolver

# Neighbours are counted for the whole machine, with whatever else runs on it.
nothing_wrong() {
    findings
    assert_eq "$(jq -r '.[] | select(.severity != "note" and (.text | contains("neighbour") | not)) | .text' "$tmp/findings")" ''
}

ask=$top/${NETCTR_BUILD:-build}/tests/ask
lan_resolves() {
    in_lan "$ask" --upstream 192.0.2.9 --delay 1 &
    wait_for 3 in_lan "$ask" -s 192.0.2.9 ready.example
}

healthy() {
    nothing_wrong
    [ ! -e "$state" ] || fail 'state was made'
    [ ! -e "$run_state" ] || fail 'run state was made'
    lan_resolves
    serves='tcp/80-81' serve_peer web --publish 8080:80 -p '[::1]:81:81'
    nothing_wrong
    snapshot
    netctr doctor >/dev/null
    assert_clean
    assert_error 'netctr: `doctor` takes no names' 125 netctr doctor web
    assert_error \
        "netctr: unknown format \`yaml\`; json has everything; pipe it to jq: netctr doctor --format json | jq -r '.[].text'" \
        125 netctr doctor --format yaml
}
t 'a healthy host: status 0, and nothing is created or changed' healthy

# Nothing is wrong, whenever doctor looks, and nothing differs.
comes_and_goes() {
    local pids=() looks=0 id way
    lan_resolves
    netctr network create --ipv6 a >/dev/null
    netctr network create --mode isolated b >/dev/null
    netctr run -d --name c --network a "$box" sleep 1000 >/dev/null
    (for _ in {1..12}; do netctr run --rm --network a --network b -p 9191:80 "$box" true; done) & pids+=($!)
    (for _ in {1..25}; do netctr network connect b c; netctr network disconnect b c; done) & pids+=($!)
    (for _ in {1..12}; do netctr network create new >/dev/null; netctr run --rm --network new "$box" true; netctr network rm new >/dev/null; done) & pids+=($!)
    # Every reader of the rules has to start again.
    (while sleep 0.001; do nft 'add table ip other; add chain ip other x; delete table ip other'; done) & way=$!
    while kill -0 "${pids[@]}" 2>/dev/null; do
        nothing_wrong
        for id in a b; do
            netctr network inspect "$id" | jq -e '.[0].differences == []' >/dev/null ||
                { netctr network inspect "$id"; fail 'something differs'; }
        done
        looks=$((looks + 1))
    done
    kill "$way"
    for id in "${pids[@]}"; do wait "$id" || fail 'a command failed'; done
    nft delete table ip other 2>/dev/null || true
    [ $looks -gt 1 ] || fail 'looked once only'
}
t 'containers and networks come and go: no false alarm' comes_and_goes
