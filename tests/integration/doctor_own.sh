#!/usr/bin/env bash
# netctr doctor and netctr's own state: each fault is created, reported, and fixed as doctor says; a packet shows that
# it is gone.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/helpers.sh"

ask=$top/${NETCTR_BUILD:-build}/tests/ask
refusing_resolver

# Runs until SIGTERM.
patient() { # NAME [FLAGS OF RUN...]
    netctr run -d --name "$1" "${@:2}" "$box" sh -c 'trap "exit 0" TERM; while :; do sleep 0.1; done' >/dev/null
}
cure_it() {
    printf '%s\n' "$cure"
    sh -euc "$cure"
}
pings() { # FROM ADDRESS
    in_network_of "$1" ping -c 1 -W 1 "$2" >/dev/null
}
lan_gets() { # [PORT]
    in_lan curl -sf --noproxy '*' --max-time 1 "http://192.0.2.2:${1-8080}/"
}
looks_up() { # FROM NAME
    netctr exec "$1" nslookup -type=a "$2" | grep -q '^Address: [0-9.]*$'
}

# ---- networks ------------------------------------------------------------------------------------

rich_networks() {
    netctr network create --label a=b --label c --sysctl net.ipv4.conf.IFNAME.forwarding=1 one >/dev/null
    netctr network create --label '' two >/dev/null 2>&1 || netctr network create two >/dev/null
    netctr network link one two
    netctr network link two one
    patient a --network one --network two
    findings
    assert_eq "$(jq -r '.[] | select(.severity == "problem") | .text' "$tmp/findings")" ''
    netctr doctor >"$tmp/text"
}
t 'networks with labels, links and sysctls' rich_networks

# BREAK; doctor prints TEXT; after the fix the port answers.
breaks() { # TEXT COMMAND...
    local text=$1
    shift
    "$@"
    finds problem "$text"
    cure_it
    wait_for 3 lan_gets
    finds_none "$text"
}
vc_of() { # CONTAINER
    netctr inspect "$1" | jq -r '.[0].endpoints[0].port'
}
serves_differences() {
    netctr run -d --name web -p 8080:80 "$box" \
        sh -c 'trap "exit 0" TERM; httpd -h /; while :; do sleep 0.1; done' >/dev/null
    printf x >"$tmp/index.html"
    netctr exec -i web sh -c 'cat >/index.html' <"$tmp/index.html"
    wait_for 3 lan_gets
}
differences() {
    serves_differences
    finds_none 'network `default`:'
    local vc
    vc=$(vc_of web)
    breaks 'network `default`: the bridge is down' ip link set nc-default down
    breaks 'network `default`: address 10.88.0.1/16 is missing' ip address flush dev nc-default
    breaks 'network `default`: the port of container `web` is not in the bridge' ip link set "$vc" nomaster
    breaks 'network `default`: bridge `nc-default` is missing' ip link del nc-default
    breaks 'network `default`: container `web`: `eth0` is missing' ip link del "$(vc_of web)"
}
t 'a bridge that is down, without address, gone; a container that is unplugged' differences

by_hand() {
    patient a
    ip address add 10.88.7.7/24 dev nc-default
    finds warning 'network `default`: address 10.88.7.7/24 does not belong to the network'
    cured
    ip link set nc-default address 02:00:00:00:00:07
    finds warning 'network `default`: mac: should be'
    cured
    ip link set nc-default mtu 1300
    finds warning 'network `default`: mtu: the default route'"'"'s link has 1450, is 1300'
    cured
    pings a 10.88.0.1
}
t 'a bridge that was changed by hand' by_hand

# The rules of one chain are one finding, and many findings are summarised.
flushed() {
    serves_differences
    wait_for 5 helpers_work
    nobody_watches
    nft 'flush chain inet netctr forward; flush chain bridge netctr_guard guard_ip6'
    finds problem "the firewall: $(netctr network inspect default | jq '[.[0].differences[] | select(startswith("firewall: rule netctr forward"))] | length') rules of chain netctr forward are missing"
    finds problem 'rules of chain netctr_guard guard_ip6 are missing'
    assert_eq "$(jq '[.[] | select(.text | startswith("the firewall: "))] | length' "$tmp/findings")" 2 'findings'
    nft --json list chains | jq -r '.nftables[].chain // empty | select(.table | . == "netctr" or . == "netctr_guard") |
        "flush chain \(.family) \(.table) \(.name)"' | nft -f -
    finds problem 'more differences, which `netctr network inspect` shows'
    assert_eq "$(jq '[.[] | select(.text | startswith("the firewall: "))] | length' "$tmp/findings")" 6 'findings'
    cured
    finds_none 'the firewall: '
    wait_for 3 lan_gets
}
t 'flushed chains: few findings' flushed

# ---- containers ----------------------------------------------------------------------------------

sharer() {
    patient own
    patient m --network container:own
    pings m 10.88.0.1
    netctr restart own
    pings m 10.88.0.1
    netctr stop own
    pings m 10.88.0.1
    finds_none 'container `m`'
    finds_none 'network `default`'
    netctr rm -f own
    pings m 10.88.0.1
    finds_none 'container `m`'
    finds_none 'network `default`'
}
t 'a container whose network was made by one that has ended' sharer

stopped_monitor() {
    patient a
    local monitor
    monitor=$(monitor_of a)
    finds_none 'has been stopped'
    kill -STOP "$monitor"
    finds warning "the monitor of container \`a\` (process $monitor) has been stopped"
    assert_eq "$cure" "kill -CONT $monitor"
    cure_it
    finds_none 'has been stopped'
    netctr exec a sh -c 'echo said >/proc/1/fd/1'
    wait_for 3 logged a said
}
t 'a stopped monitor' stopped_monitor

inside() {
    patient a
    patient b
    finds_none 'container `a`'
    in_network_of a ip link set eth0 down
    finds problem 'network `default`: container `a`: `eth0` is down'
    cure_it
    pings b "$(address_of a)"
    in_network_of a ip -4 address flush dev eth0
    finds problem 'network `default`: container `a`: `eth0` lacks address 10.88.'
    cure_it
    pings b "$(address_of a)"
    in_network_of a ip link set eth0 down
    in_network_of a ip link set eth0 name lan0
    in_network_of a ip link set lan0 up
    finds problem 'network `default`: container `a`: `eth0` is missing'
    cure_it
    pings b "$(address_of a)"
}
t 'an interface that is down, without its address, or has another name' inside

# A program with CAP_NET_ADMIN may change its end of the link: reported, but no problem.
own_end() {
    patient r --cap-add NET_ADMIN
    netctr exec r ip route del default
    local mtu
    mtu=$(netctr exec r cat /sys/class/net/eth0/mtu)
    netctr exec r ip link set eth0 mtu 1300
    finds note 'network `default`: container `r`: the default route by 10.88.0.1 is missing'
    finds note 'network `default`: container `r`: `eth0` has MTU 1300'
    assert_eq "$(netctr network inspect default | jq -c '.[0] | [(.differences | length), (.changed_inside | length)]')" '[0,2]'
    netctr network reload
    assert_eq "$(netctr exec r cat /sys/class/net/eth0/mtu)" 1300
    cure_it
    assert_eq "$(netctr exec r cat /sys/class/net/eth0/mtu)" "$mtu"
    # The host can see the veth as well.
    ip link del "$(vc_of r)"
    finds problem 'network `default`: container `r`: `eth0` is missing'
    cure_it
    finds_none 'container `r`'
}
t 'changes by a container that may change its network' own_end

duplicates() {
    netctr network create --no-guard --subnet 10.77.1.0/24 open >/dev/null
    patient web --network open:ip=10.77.1.5
    patient thief --network open
    patient asks --network open
    finds_none 'has given itself'
    in_network_of thief ip address add 10.77.1.9/24 dev eth0 # a router's second address is no fault
    finds_none 'has given itself'
    in_network_of thief ip address add 10.77.1.5/24 dev eth0
    finds problem 'container `thief` has given itself 10.77.1.5, the address of container `web` on network `open`'
    cure_it
    in_network_of web ip link set lo up
    pings asks 10.77.1.5
    assert_lacks "$(in_network_of thief ip address show dev eth0)" 10.77.1.5
    finds_none 'has given itself'
    in_network_of thief ip address add 10.77.1.1/24 dev eth0
    finds problem "container \`thief\` has given itself 10.77.1.1, the address of the network's gateway"
    cure_it
    patient guarded
    in_network_of guarded ip address add 10.88.7.7/16 dev eth0
    finds note 'container `guarded` has given itself the address 10.88.7.7 on network `default`: the guard drops'
    cure_it
    finds_none 'has given itself'
}
t 'addresses that containers assign to themselves' duplicates

drops() {
    patient a
    netctr network reload # its counters begin at 0
    finds_none 'not its IPv4'
    in_network_of a ip address add 10.88.9.9/32 dev eth0
    in_network_of a ping -c 3 -i 0.2 -W 1 -I 10.88.9.9 10.88.0.1 >/dev/null || true
    finds note 'the guard has dropped 3 packets of containers (not its IPv4) since the firewall was last loaded'
    assert_contains "$cure" --no-guard
    in_lan ip address add 10.88.0.200/32 dev lo
    in_lan ping -c 2 -W 1 -i 0.2 -I 10.88.0.200 192.0.2.2 >/dev/null || true
    in_lan ip address del 10.88.0.200/32 dev lo
    finds note "netctr has dropped 2 packets with an address that cannot come from there (container address from outside)"
    netctr network reload
    finds_none 'not its IPv4'
    finds_none 'address from outside'
}
t 'packets that the guard and the martians chain have dropped' drops

# ---- listeners -----------------------------------------------------------------------------------

# A program is given two seconds after its start to listen.
is_old_enough() { # NAME
    { netctr doctor --format json || true; } |
        jq -e --arg text "of container \`$1\` goes to" 'any(.severity == "problem" and (.text | contains($text)))'
}
loopback_only() {
    netctr run -d --name app -p 8080:8000 "$box" httpd -f -p 127.0.0.1:8000 >/dev/null
    wait_for 5 is_old_enough app
    finds problem 'published port 8080/tcp of container `app` goes to 8000, where nothing listens; `httpd` listens on 127.0.0.1:8000 only'
    assert_contains "$cure" 'listen on port 8000 of every address'
    assert_fails lan_gets
    netctr exec -d app httpd -f -p "$(address_of app):8000" -h /
    wait_for 3 lan_answers
    finds_none 'goes to 8000'
}
# Any reply: not refused.
lan_answers() {
    in_lan curl -s --noproxy '*' --max-time 1 -o /dev/null http://192.0.2.2:8080/
}
t 'a program that listens on the loopback only' loopback_only

other_port() {
    netctr run -d --name app -p 8080:8000 -p 127.0.0.1:8081:8001 "$box" httpd -f -p 80 >/dev/null
    wait_for 5 is_old_enough app
    finds problem 'published port 8081/tcp of container `app` goes to 8001, where nothing listens; `httpd` listens on 80'
    cure_it
    wait_for 3 curl -s --noproxy '*' -o /dev/null http://127.0.0.1:8081/
    assert_fails lan_answers
    finds problem 'published port 8080/tcp of container `app` goes to 8000, where nothing listens; `httpd` listens on 80'
    cure_it
    wait_for 3 lan_answers
    finds_none 'goes to'
}
t 'a program that listens on another port than the published one' other_port

every_address() {
    serves='tcp/80-81 udp/53' serve_peer app -p 8080:80 -p '[::1]:8081:81' -p 53:53/udp
    netctr run -d --name six -p 8090:90 "$box" httpd -f -p '[::]:90' >/dev/null
    patient owner -p 8070:70
    netctr run -d --name sharer --network container:owner "$box" httpd -f -p 70 >/dev/null
    sleep 2.2
    finds_none 'goes to'
    netctr kill sharer
    wait_for 5 status_is sharer exited
    finds problem 'published port 8070/tcp of container `owner` goes to 70, where nothing listens'
    netctr run -d --name young -p 8054:54/udp "$box" sleep 100 >/dev/null
    finds note 'published port 8054/udp of container `young`, which has just started, goes to 54, where nothing listens yet'
}
t 'on :: and every address, by UDP, in a shared network; just started' every_address

hostile_name() {
    netctr run -d --name app -p 8080:8000 "$box" \
        sh -c 'printf "\033[2J\`\n\377" >/proc/self/comm; exec httpd -f -p 127.0.0.1:8000' >/dev/null
    netctr run -d --name many -p 9000-9049:9000-9049 "$box" \
        sh -c 'cp /bin/busybox "/tmp/$(printf "busybox\033[2J\`\377")"; cd /tmp; exec ./busybox* httpd -f -p 80' >/dev/null
    wait_for 5 is_old_enough many
    findings
    assert_contains "$(jq -r .[].text "$tmp/findings")" '; `busybox?[2J??` listens on 80'
    finds note 'nothing listens behind 45 more published ports of container `many`'
}
t 'a program with a hostile name, and many ports' hostile_name

# ---- names ---------------------------------------------------------------------------------------

name_server() {
    patient web
    patient asks
    wait_for 5 looks_up asks web
    finds_none 'does not answer its containers'
    nobody_watches
    nft flush map inet netctr dns_redirect4
    finds problem 'the name server of network `default` (10.88.0.1, port 53/udp) does not answer its containers'
    cure_it
    looks_up asks web
    kill_helpers
    finds problem 'the name server of network `default` (10.88.0.1, port 53/udp) does not answer its containers'
    assert_eq "$cure" 'netctr gc'
    cure_it
    wait_for 5 looks_up asks web
    finds_none 'does not answer its containers'
}
t 'a name server that does not answer containers' name_server

# A query has another port when it reaches another program's chain: only whether it is answered counts.
names_behind_a_chain() {
    patient web
    patient asks
    wait_for 5 looks_up asks web
    nft 'table inet strict { chain input { type filter hook input priority 0; policy drop; ct state established,related accept; iif lo accept; meta l4proto { icmp, ipv6-icmp } accept; }; }'
    finds problem "drops DNS queries of containers to this host"
    finds_none 'does not answer its containers'
    cure_it
    looks_up asks web
    nft delete table inet strict
}
t 'a name server behind an input chain that drops' names_behind_a_chain

upstream() {
    patient a
    finds warning 'the name server 192.0.2.9 (/etc/resolv.conf) does not answer this host'
    in_lan nft 'table inet silent { chain i { type filter hook input priority 0; udp dport 53 drop; }; }'
    finds warning 'the name server 192.0.2.9 (/etc/resolv.conf) does not answer this host'
    in_lan nft delete table inet silent
    in_lan "$ask" --upstream 192.0.2.9 --delay 1 --answer 203.0.113.7 &
    wait_for 3 in_lan "$ask" -s 192.0.2.9 ready.example
    finds_none '/etc/resolv.conf'
    wait_for 5 looks_up a outside.example
    patient b --dns 192.0.2.77 --dns 192.0.2.9
    finds warning 'the name server 192.0.2.77 (--dns of container `b`) does not answer this host'
    finds_none '(/etc/resolv.conf)'
    netctr rm -f a b
    patient closed --network none
    finds_none 'does not answer this host'
}
t 'external name servers that do not answer' upstream

# ---- the machine ---------------------------------------------------------------------------------

default_route() {
    finds_none 'no default route'
    ip route del default
    finds_none 'no default route' # there is the one of IPv6
    ip -6 route del default
    finds note 'this host has no default route'
    ip route add default via 192.0.2.9
    ip -6 route add default via 2001:db8::9
}
t 'a host without a default route' default_route

stands_for() { # FILE TEXT
    local file
    file=$(mktemp -p "$tmp")
    printf '%s\n' "$2" >"$file"
    mount --bind "$file" "$1"
}
limits() {
    finds_none 'of this machine are used'
    stands_for /proc/sys/fs/file-nr '95000	0	100000'
    stands_for /proc/sys/fs/file-max 100000
    finds warning '95000 of 100000 open files of this machine are used'
    assert_eq "$cure" 'sysctl -w fs.file-max=400000'
    umount /proc/sys/fs/file-max
    umount /proc/sys/fs/file-nr
    stands_for /proc/loadavg '0.1 0.1 0.1 1/32700 77'
    stands_for /proc/sys/kernel/pid_max 32768
    finds problem '32700 of 32768 process ids of this machine are used'
    umount /proc/sys/kernel/pid_max
    umount /proc/loadavg
    finds_none 'of this machine are used'
    (ulimit -n 256 && netctr doctor) | has 'note: programs may open 256 files here'
}
t 'open files, threads, process ids' limits

# ---- damage --------------------------------------------------------------------------------------

damaged_files() {
    netctr network create --label a=b one >/dev/null
    patient a --network one -p 8080:80
    wait_for 5 helpers_work
    local file how status
    while read -r file; do
        for how in junk fifo; do
            mv "$file" "$tmp/kept"
            case $how in
            junk) head -c 300 /dev/urandom >"$file" ;;
            fifo) mkfifo "$file" ;;
            esac
            status=0
            timeout $((10 * slowness)) netctr doctor --format json >"$tmp/out" 2>"$tmp/err" </dev/null || status=$?
            case $status in
            0 | 1) jq -e . "$tmp/out" >/dev/null ;;
            125) grep -q '^netctr: ' "$tmp/err" ;;
            *) fail "$file, $how: status $status: $(cat "$tmp/err")" ;;
            esac
            mv "$tmp/kept" "$file"
        done
    done < <(find "$state" "$run_state" -type f \( -name '*.json' -o -name 'run-root' -o -name instance -o -name state -o -path '*/leases/*' \) \
        -not -name '.*' -not -path '*/upper/*')
    netctr rm -f a
}
t 'damaged state: doctor terminates, and reports it' damaged_files
