#!/usr/bin/env bash
# Commands that change the network of a running container, killed at each system call. Its monitor makes the whole
# change or none: record, definition and host agree.
. "$(dirname "$0")/../struck.sh"

may_live=1 must_stay=1
furnish() { furnish_blue; }

after_strike() {
    # Requests are served in turn: when this one is refused, the one before it is done.
    "${nc[@]}" network disconnect nowhere k >"$tmp/next" 2>&1 || true
    grep -q 'is not on network' "$tmp/next" || bad "its monitor does not answer: $(<"$tmp/next")"
    of_one_mind || bad 'its record, its definition and the host disagree'
}
is_in() { # FILE WORD
    grep -q "$2" "$1" && echo yes || echo no
}

of_one_mind() {
    local record=no
    [ ! -e "$(sandbox_of k)/endpoint.blue.json" ] || record=yes
    [ $record = "$(is_in "$state/containers/k/config.json" '"blue')" ] &&
        [ $record = "$(in_network_of k ip -oneline link show dev eth1 >"$tmp/now" 2>&1 && echo yes || echo no)" ]
}
connect() {
    prepare() { "${nc[@]}" run -d "${everything[@]}" "$box" sleep 100 >"$tmp/out"; }
    kill_each ALL network connect blue k
}
t 'network connect, killed' connect

disconnect() {
    prepare() {
        "${nc[@]}" run -d --network default --network blue "${everything[@]}" "$box" sleep 100 >"$tmp/out"
    }
    kill_each ALL network disconnect blue k
}
t 'network disconnect, killed' disconnect

ports_of_one_mind() {
    local record
    record=$(is_in "$(sandbox_of k)/endpoint.default.json" '"host_port": 8085')
    [ "$record" = "$(is_in "$state/containers/k/config.json" '"8085')" ] &&
        [ "$record" = "$(is_in /proc/net/tcp ':1F95 .* 0A ')" ]
}
publish() {
    of_one_mind() { ports_of_one_mind; }
    prepare() { "${nc[@]}" run -d "${everything[@]}" "$box" sleep 100 >"$tmp/out"; }
    kill_each ALL publish k 8085:85
}
t 'publish, killed' publish

unpublish() {
    of_one_mind() { ports_of_one_mind; }
    prepare() { "${nc[@]}" run -d -p 8085:85 "${everything[@]}" "$box" sleep 100 >"$tmp/out"; }
    kill_each ALL unpublish k 8085
}
t 'unpublish, killed' unpublish
