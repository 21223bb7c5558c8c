#!/usr/bin/env bash
# Common programs through networks of every kind: curl, dig, nc, iperf3, ping.
. "$(dirname "$0")/../lib.sh"

# The servers are the host's programs in the container's network.
servers() { # NAME
    in_network_of "$1" dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --user=root \
        --pid-file= --log-facility=- --address=/name.test/192.0.2.77 >"$tmp/dns" 2>&1 &
    in_network_of "$1" iperf3 --server >"$tmp/iperf" 2>&1 &
    in_network_of "$1" nc -4lk -p 7 >"$tmp/nc4" &
    in_network_of "$1" nc -6lk -p 7 >"$tmp/nc6" &
    wait_for 5 in_network_of "$1" sh -c 'ss -Hlnt | grep -q :5201 && [ $(ss -Hlnt | grep -c :7) = 2 ] && ss -Hlnu | grep -q :53'
}
from_lan() { # ADDRESS DNS-PORT
    in_lan dig +short +time=1 +tries=1 -p "$2" @"$1" name.test | has -x 192.0.2.77
    in_lan dig +short +time=1 +tries=1 +tcp -p "$2" @"$1" name.test | has -x 192.0.2.77
    echo "hello $1" | in_lan nc -q 0 -w 1 "$1" 7
    wait_for 2 grep -qx "hello $1" "$tmp/nc4" "$tmp/nc6"
    wait_for 5 transfers in_lan iperf3 --client "$1" --bytes 2M
    wait_for 5 transfers in_lan iperf3 --client "$1" --bytes 2M --reverse
    wait_for 5 transfers in_lan iperf3 --client "$1" --udp --bytes 100K --bitrate 10M
}
# The iperf3 server is busy for a moment after each transfer.
transfers() { # COMMAND...
    "$@" --json >"$tmp/report"
    jq -e '(.end.sum_received // .end.sum).bytes >= 100000 and (.end.sum.lost_packets // 0) == 0' "$tmp/report"
}

by_nat() {
    netctr network create --ipv6 n
    netctr run -d --name c --network n -p 5353:53/udp -p 5353:53 -p 7:7 -p 5201:5201 -p 5201:5201/udp \
        "$box" sleep 100 >/dev/null
    servers c
    from_lan 192.0.2.2 5353
    from_lan 2001:db8::2 5353
}
t 'nat: dig, nc and iperf3 from the LAN by published ports' by_nat

by_route() {
    netctr network create --mode routed --ipv6 --mtu 1400 r
    netctr run -d --name c --network r -p 53/udp -p 53 -p 5201 -p 7 -p 5201/udp "$box" sleep 100 >/dev/null
    servers c
    from_lan "$(address_of c)" 53
    from_lan "$(address_of c -6)" 53
    # A path with a smaller MTU than the link's: the LAN gets an ICMP message.
    assert_contains "$(in_lan ping -c 1 -W 1 -M "do" -s 1400 "$(address_of c)" 2>&1)" 'mtu = 1400'
}
t 'routed, with a smaller MTU: the same, with its own address' by_route

to_the_outside() {
    netctr network create --ipv6 n
    netctr run -d --name c --network n "$box" sleep 100 >/dev/null
    mkdir "$tmp/www"
    head -c 300000 /dev/urandom >"$tmp/www/file"
    in_lan busybox httpd -f -p 80 -h "$tmp/www" &
    in_lan iperf3 --server >/dev/null 2>&1 &
    wait_for 5 in_lan sh -c 'ss -Hlnt | grep -q :5201 && ss -Hlnt | grep -q :80'
    in_network_of c curl -sf --noproxy '*' --max-time 5 http://192.0.2.9/file | cmp - "$tmp/www/file"
    in_network_of c curl -sf --noproxy '*' --max-time 5 'http://[2001:db8::9]/file' | cmp - "$tmp/www/file"
    wait_for 5 transfers in_network_of c iperf3 --client 192.0.2.9 --bytes 2M
    wait_for 5 transfers in_network_of c iperf3 --client 2001:db8::9 --bytes 2M --reverse
    in_network_of c ping -c 1 -W 1 2001:db8::9 >/dev/null
}
t 'out: curl, iperf3 and ping' to_the_outside
