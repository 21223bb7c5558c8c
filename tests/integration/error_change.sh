#!/usr/bin/env bash
# Commands that change the network of a running container, with one failing system call: what they report is true.
. "$(dirname "$0")/../struck.sh"

may_live=1 must_stay=1
furnish() { furnish_blue; }

connect() {
    prepare() { "${nc[@]}" run -d "${everything[@]}" "$box" sleep 100 >"$tmp/out"; }
    as_asked() {
        in_network_of k ip -oneline -4 address show dev eth1 | has 10.90.0. || bad 'it is not connected'
        grep -q '"blue' "$state/containers/k/config.json" || bad 'its definition does not say so'
    }
    fail_each network connect blue k
}
t 'network connect, a system call fails' connect

disconnect() {
    prepare() {
        "${nc[@]}" run -d --network default --network blue "${everything[@]}" "$box" sleep 100 >"$tmp/out"
    }
    as_asked() { [ ! -e "$(sandbox_of k)/endpoint.blue.json" ] || bad 'it is still connected'; }
    fail_each network disconnect blue k
}
t 'network disconnect, a system call fails' disconnect

publish() {
    prepare() { "${nc[@]}" run -d "${everything[@]}" "$box" httpd -f >"$tmp/out"; }
    as_asked() { eventually page 8085 || bad 'the port is not served'; }
    fail_each publish k 8085:80
}
t 'publish, a system call fails' publish

unpublish() {
    prepare() { "${nc[@]}" run -d -p 8085:85 "${everything[@]}" "$box" sleep 100 >"$tmp/out"; }
    as_asked() { ! grep -q ':1F95 .* 0A ' /proc/net/tcp || bad 'the port is still held'; }
    fail_each unpublish k 8085
}
t 'unpublish, a system call fails' unpublish
