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
    in_lan peer serve outside tcp/90 >"$tmp/outside" &
    wait_for 5 grep -q listening "$tmp/outside"
    wait_for 5 traffic_passes
}
connects() { # as that command sees it
    "${@:1:$#-3}" timeout 0.2 bash -c ": </dev/tcp/${*: -2:1}/${*: -1}" 2>/dev/null
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
    in_network_of c ping -c 1 -W 0.4 2001:db8::9 >/dev/null & pids+=($!)
    for gateway in $(gateway_of c -4) $(gateway_of c -6); do
        for way in +notcp +tcp; do
            in_network_of c timeout 0.4 dig $way +short "@$gateway" -q web 2>&1 | grep -q '^10\.88' & pids+=($!)
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
            in_network_of c timeout 0.3 dig $way +short "@$gateway" -q web | grep '^10' || true
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
tidy_too() {
    nft delete table inet x 2>/dev/null || true
}
