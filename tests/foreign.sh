# Shared by the tests of doctor and other programs' firewalls: rules, and packets that show their effect.

# shellcheck shell=bash
# shellcheck source=names.sh
. "$top/tests/names.sh"

# Rules for incoming packets also drop the LAN's neighbour discovery, and the known neighbours expire.
know_the_lan() {
    ip -6 neighbour replace 2001:db8::9 nud permanent dev eth0 \
        lladdr "$(in_lan ip -json link show eth0 | jq -r '.[0].address')"
    in_lan ip -6 neighbour replace 2001:db8::2 nud permanent dev eth0 \
        lladdr "$(ip -json link show eth0 | jq -r '.[0].address')"
}
know_the_lan

foreign() { nft -f - <<<"$1"; }
reaches_out() { netctr exec c ping -c 1 -W 1 192.0.2.9 >/dev/null; }

# `web` publishes port 8080, and the LAN serves port 90.
serve_both() {
    serve_peer web -p 8080:80
    web_pid=$(pid_of web)
    in_web() { nsenter --target "$web_pid" --net "$@"; }
    rm -f "$tmp/outside"
    in_lan peer serve outside tcp/90 >"$tmp/outside" &
    wait_for 5 grep -q listening "$tmp/outside"
    wait_for 5 traffic_passes
}
connects() { # as that command sees it
    "${@:1:$#-3}" timeout "$a_moment" bash -c ": </dev/tcp/${*: -2:1}/${*: -1}" 2>/dev/null
}
# By both families: out of the container, and into it.
traffic_passes() {
    local id pids=() status=0
    connects in_web -- 192.0.2.9 90 & pids+=($!)
    connects in_web -- 2001:db8::9 90 & pids+=($!)
    connects in_lan -- 192.0.2.2 8080 & pids+=($!)
    connects in_lan -- 2001:db8::2 8080 & pids+=($!)
    for id in "${pids[@]}"; do wait "$id" || status=1; done
    return $status
}
# Names by UDP and TCP of both families; with IPv6, neighbours have to be resolved first.
host_serves() {
    local gateway way pids=() status=0
    in_network_of c ip -6 neighbour flush all
    in_network_of c ping -c 1 -W "$a_moment" 2001:db8::9 >/dev/null & pids+=($!)
    for gateway in $(gateway_of c -4) $(gateway_of c -6); do
        for way in +notcp +tcp; do
            in_network_of c timeout "$a_moment" dig $way +short "@$gateway" -q web 2>&1 | grep -q '^10\.88' & pids+=($!)
        done
    done
    for way in "${pids[@]}"; do wait "$way" || status=1; done
    return $status
}
# What is answered all the same, by any family or protocol.
answers_to_c() {
    local gateway way
    for gateway in $(gateway_of c -4) $(gateway_of c -6); do
        for way in +notcp +tcp; do
            in_network_of c timeout "$a_moment" dig $way +short "@$gateway" -q web | grep '^10' || true
        done
    done
}
names_port() { netctr info --format json | jq .helpers.names_port; }

# All findings about table x: the printed fixes leave none of them.
all_cured() {
    local ours='.[] | select(.severity != "note" and (.text | contains(" x ")))'
    jq -r "$ours | .cure" "$tmp/findings" | tee "$tmp/cures"
    sh -eu "$tmp/cures"
    findings
    assert_eq "$(jq -r "$ours | .text" "$tmp/findings")" ''
}
# Rows on stdin: SEVERITY|BODY, each a chain in a table of its own. `table_of NAME BODY' prints that table, `says NAME' the
# severity of doctor's finding about it, and `works' tests whether everything passes.
#
# First all tables together: doctor reports each with its severity, and none after its fixes. Then each one alone: it
# stops something, and its fix helps.
judge_rows() {
    local severity body i severities=() bodies=() cures=()
    while IFS='|' read -r severity body; do
        severities+=("$severity") bodies+=("$body")
    done
    for i in "${!bodies[@]}"; do table_of "x$i" "${bodies[i]}"; done >"$tmp/rows.nft"
    nft -f "$tmp/rows.nft"
    findings
    for i in "${!bodies[@]}"; do
        assert_eq "$(says "x$i")" "${severities[i]/nothing/}" "${bodies[i]}"
        cures+=("$(cures_of "x$i")")
    done
    printf '%s\n' "${cures[@]}" | sh -eu
    findings
    for i in "${!bodies[@]}"; do
        case ${severities[i]} in
        problem | warning) assert_eq "$(cures_of "x$i")" '' "after the cure: ${bodies[i]}" ;;
        esac
    done
    wait_for 5 works
    delete_rows
    for i in "${!bodies[@]}"; do
        case ${severities[i]} in problem | warning) ;; *) continue ;; esac
        printf '%s: %s\n' "${severities[i]}" "${bodies[i]}"
        foreign "$(table_of x "${bodies[i]}")"
        assert_fails works
        sh -euc "${cures[i]//x$i /x }"
        wait_for 5 works
        delete_rows
    done
}
delete_rows() {
    nft list tables | sed -nE 's/^(table [a-z0-9]+ x[0-9]*)$/delete \1/p' | nft -f -
}
# Those of problems and warnings, a line each.
cures_of() { # TABLE
    jq -r --arg name " $1 " '.[] | select(.severity != "note" and (.text | contains($name))) | .cure' "$tmp/findings"
}
# The severity of what doctor finds about a table with that text.
severity_of() { # TABLE TEXT
    jq -r --arg name " $1 " --arg text "$2" \
        'map(select((.text | contains($name)) and (.text | contains($text)))) | first | .severity // empty' "$tmp/findings"
}
tidy_too() {
    delete_rows
}
