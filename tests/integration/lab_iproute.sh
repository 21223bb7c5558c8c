#!/usr/bin/env bash
# Lines of ip and sysctl that netctr does itself (netns/iproute/), compared with iproute2 and procps: each line is done by
# the program in one network namespace, and by netctr in another one that was equal before. Exit status, what is printed
# and the namespace afterwards must be equal. Tables below give the lines; `~` in a line is a blank within a word.
. "$(dirname "$0")/../lib.sh"

tools=$top/${NETCTR_BUILD:-build}/tests

# Two namespaces with equal links: veth pairs, with fixed MACs, whose peers are up. Link-local addresses would come and go
# by themselves.
make_pair() {
    local ns
    apart=0
    for ns in theirs ours; do
        ip netns add $ns
        nsenter --net=/run/netns/$ns sh -c '
            echo 1 >/proc/sys/net/ipv6/conf/default/addr_gen_mode
            echo 1 >/proc/sys/net/ipv6/conf/lo/addr_gen_mode'
        ip -n $ns -batch - <<-'END'
			link set lo up
			link add eth1 address 02:00:00:00:00:01 type veth peer name p1 address 02:00:00:00:01:01
			link add eth2 address 02:00:00:00:00:02 type veth peer name p2 address 02:00:00:00:01:02
			link add eth3 address 02:00:00:00:00:03 type veth peer name p3 address 02:00:00:00:01:03
			link set p1 up
			link set p2 up
			link set p3 up
			link set eth1 up
			link set eth2 up
		END
    done
    printf '%s\n' 'link show' 'addr show' 'route show table all' >"$tmp/look"
    coproc OURS { exec "$tools/iproute" /run/netns/ours; }
}
tidy_too() {
    rm -f "$tmp/mismatches"
    ip netns del theirs 2>/dev/null || true
    ip netns del ours 2>/dev/null || true
}
drop_pair() {
    local input=${OURS[1]}
    exec {input}>&-
    wait "$OURS_PID"
    ip netns del theirs
    ip netns del ours
}

# Not `ip -n`, which makes a mount namespace each time.
state_of() { # NETNS
    nsenter --net="/run/netns/$1" ip -d -batch "$tmp/look"
    nsenter --net="/run/netns/$1" ip -d -6 route show table all
}
# What may differ: the MACs of bridges, timers, what the kernel does a moment later.
comparable() {
    sed -E '/^[0-9]+: br/,/^[0-9]+: [^b]/ s,link/ether [0-9a-f:]+,link/ether MAC,
        s/8000\.[0-9a-f:]+/8000.MAC/g; s/timer +[0-9.]+/timer N/g; s/ state [A-Z]+//; s/ linkdown| tentative//g
        s/NO-CARRIER,|,LOWER_UP//g; s/ expires [0-9]+sec//' <<<"$1"
}
same() {
    local theirs ours
    theirs=$(state_of theirs) ours=$(state_of ours)
    [ "$theirs" = "$ours" ] || diff <(comparable "$theirs") <(comparable "$ours") >"$tmp/diff"
}
mismatch() { # LINE THEIRS OURS
    printf '%s\n    theirs: %s\n    ours:   %s\n' "$@" >>"$tmp/mismatches"
}
same_soon() {
    local _
    for _ in {1..50}; do
        ! same || return 0
        sleep 0.02
    done
    mismatch "$1" 'another state afterwards' "$(cat "$tmp/diff")"
    apart=1
}

count=0 handed=0 apart=0
# One line, in both. Of lines to hand over, neither runs.
both() { # LINE
    local line words rc=0 theirs='' ours='' answer
    read -ra words <<<"$1"
    words=("${words[@]//'~'/ }")
    count=$((count + 1))
    printf -v line '%s\t' "${words[@]}"
    printf '%s\n' "${line%$'\t'}" >&"${OURS[1]}"
    while IFS= read -r answer <&"${OURS[0]}" && [[ ! $answer =~ ^rc\ [0-9]+$ ]]; do ours+=$answer$'\n'; done
    if [ $handed = 1 ]; then
        [ "$answer" = 'rc 77' ] && [ -z "$ours" ] || mismatch "$1" 'not asked' "$answer $ours"
        return
    fi
    theirs=$(nsenter --net=/run/netns/theirs stdbuf -oL "${words[@]}" 2>&1 || rc=$?; echo "rc $rc")
    rc=${theirs##*rc } theirs=${theirs%rc *}
    [ "$answer" = "rc $rc" ] && [ "$ours" = "$theirs" ] || mismatch "$1" "rc $rc $theirs" "$answer $ours"
    # What has failed should have changed nothing, which any later look shows as well.
    [ $apart = 1 ] || { [ $rc != 0 ] && [ $((count % 10)) != 0 ]; } || same_soon "$1"
}
verdict() {
    [ $apart = 1 ] || [ $handed = 1 ] || same_soon 'the end'
    drop_pair
    note "$count lines"
    [ -s "$tmp/mismatches" ] || return 0
    cat "$tmp/mismatches"
    fail 'not as iproute2 does'
}
equal() { # LINES on stdin; an empty line begins with new namespaces
    local line
    make_pair
    while IFS= read -r line; do
        if [ -z "$line" ]; then
            [ $apart = 1 ] || same_soon 'the end of a table'
            drop_pair
            make_pair
        else
            both "$line"
        fi
    done
    verdict
}

addresses() {
    local verb address rest
    for rest in 'dev eth1' 'dev nodev' '' dev; do
        for address in 10.1.0.1/24 10.1.0.1 10.1.0.300/24 10.1.0.1/33 10.1/16 0x0a.1.1.1/24 10.2.0.1/255.255.255.0 \
            10.2.0.1/255.0.255.0 127.0.0.5/8 fd00::1/64 fd00::1 fd00::1/129 ::1/128 10.3.0.1/ 0.0.0.0/0 224.0.0.1/24 \
            255.255.255.255/32 1.2.3.4.5/24 fd00:::1/64 ::ffff:10.1.0.1/128 10.1.0.1/24/24 fe80::5/64 ff02::5/64; do
            for verb in add replace del; do
                [ "$rest" = 'dev eth1' ] || [ "$verb" = add ] || continue
                printf 'ip addr %s %s %s\n' $verb $address "$rest"
            done
        done
    done
    cat <<-'END'

		ip a a 10.1.0.1/24 dev eth1
		ip a a 10.1.0.1/24 dev eth1
		ip address add 10.1.0.1/24 dev eth2
		ip addr ad 10.1.0.1/25 dev eth1
		ip add add 10.1.0.2/24 dev eth1
		ip addr replace 10.1.0.1/24 dev eth1
		ip addr replace 10.1.0.1/24 brd + dev eth1
		ip addr add dev eth1 10.5.0.1/24 brd +
		ip addr add brd + dev eth1 local 10.6.0.1/24
		ip addr add 10.7.0.1/24 brd - dev eth1
		ip addr add 10.8.0.1/24 broadcast 10.8.0.255 dev eth1
		ip addr add 10.9.0.1/24 brd 10.9.0.77 dev eth1
		ip addr add 10.9.1.1/24 br 10.9.1.255 dev eth1
		ip addr add 10.10.0.1/31 brd + dev eth1
		ip addr add 10.10.0.4/32 brd + dev eth1
		ip addr add 10.10.4.1/30 brd + dev eth1
		ip addr add fd00::9/64 brd + dev eth1
		ip addr add 10.11.0.1/24 brd fd00::1 dev eth1
		ip addr add 10.11.0.1/24 brd 10.11.0.999 dev eth1
		ip addr add 10.11.0.1/24 brd
		ip addr add local
		ip -4 addr add 10.12.0.1/24 dev eth1
		ip -4 addr add fd00::12/64 dev eth1
		ip -6 addr add 10.12.0.2/24 dev eth1
		ip -6 addr add fd00::12/64 dev eth1
		ip -6 addr add fd00::12/64 dev eth1
		ip -6 a replace fd00::12/64 dev eth1
		ip addr add fd00::13/64 nodad dev eth1
		ip -6 addr add nodad fd00::14/64 dev eth1
		ip addr replace fd00::13/64 dev eth1 nodad
		ip addr del 10.12.0.1/24 dev eth1
		ip addr del 10.12.0.1/24 dev eth1
		ip addr del 10.1.0.2 dev eth1
		ip addr del 10.5.0.1/24 brd + dev eth1
		ip addr del 10.8.0.1/24 brd 10.8.0.255 dev eth1
		ip addr del 10.1.0.1/16 dev eth1
		ip addr del fd00::13 dev eth1
		ip addr del fd00::13/64 dev eth1
		ip addr del fd00::13/64 dev eth2
		ip addr del fd00::14/64 dev nodev
		ip addr add 10.13.0.1/24 dev lo
		ip addr add 127.1.0.1/32 dev lo
		ip addr add fd00::99/128 dev lo
		ip addr add 10.14.0.1/24 dev eth3
		ip addr add fd00:3::1/64 dev eth3
		ip addr add 10.15.0.1/24 dev averylongname12
	END
}
addresses_alike() {
    addresses | equal
}
t 'ip addr does what iproute2 does' addresses_alike

routes() {
    local verb what
    cat <<-'END'
		ip addr add 10.1.0.1/24 dev eth1
		ip addr add 10.2.0.1/24 dev eth2
		ip addr add fd00:1::1/64 dev eth1 nodad
		ip addr add fd00:2::1/64 dev eth2 nodad
	END
    for what in 'default via 10.1.0.9' 'default via 10.1.0.9 dev eth1' '10.9.0.0/16 via 10.1.0.9' '10.9.1.5/32 dev eth2' \
        '10.9.2.1 dev eth1' '10.9.2.1/24 dev eth1' 'default dev eth1' 'default via 10.77.0.1' 'default via 10.1.0.1' \
        '10.9.3.0/24 via 10.1.0.9 metric 50' '10.9.3.0/24 via 10.1.0.8 metric 60 table 100' '10.9.4.0/24 via 10.1.0.9 src 10.1.0.1' \
        '10.9.4.0/24 via 10.1.0.9 src 10.66.0.1' '10.9.5.0/24 dev eth3' '10.9.5.0/24 via 10.1.0.9 dev eth2' \
        '10.9.5.0/24 via 10.1.0.9 dev nodev' 'default via fd00:1::9' 'fd00:9::/64 via fd00:1::9' 'fd00:9:1::/64 dev eth1' \
        'fd00:9:2::5 via fd00:1::9 metric 77' 'fd00:9:3::/64 via fd00:2::9 dev eth2 table 1000' \
        'fd00:9:4::/64 via fe80::1' 'fd00:9:4::/64 via fe80::1 dev eth1' 'default via 10.1.0.9 onlink' \
        'default via 10.77.0.1 dev eth1 onlink' 'blackhole 10.10.0.0/16' 'unreachable fd00:10::/48' 'prohibit default metric 999' \
        '10.9.6.0/33 via 10.1.0.9' '10.9.6.0/24 via 10.1.0.999' '10.9.6.0/24 via' '10.9.6.0/24 dev' 'default via fd00:1::9 dev eth1' \
        '10.11.0.0/24 via fd00:1::9' 'fd00:11::/64 via 10.1.0.9' '10.12.0.0/24 via 10.1.0.9 proto static' \
        '10.12.1.0/24 via 10.1.0.9 proto 99 table 7' '10.12.2.0/24 nexthop via 10.1.0.9 nexthop via 10.2.0.9' \
        '10.12.3.0/24 nexthop via 10.1.0.9 dev eth1 weight 2 nexthop via 10.2.0.9 dev eth2 weight 10' \
        'default nexthop via 10.1.0.9 weight 1 nexthop dev eth2 via 10.2.0.9' '10.12.4.0/24 nexthop via 10.1.0.9' \
        '10.12.5.0/24 nexthop via 10.1.0.9 dev nodev' '10.12.5.0/24 nexthop via 10.88.0.1 nexthop via 10.2.0.9' \
        '10.12.5.0/24 nexthop dev eth1 nexthop dev eth2' 'fd00:12::/64 nexthop via fd00:1::9 nexthop via fd00:2::9 weight 3' \
        'fd00:12:1::/64 metric 5 nexthop via fd00:1::9 dev eth1' '10.12.6.0/24 nexthop via fd00:1::9' 'to 10.13.0.0/24 dev eth1' \
        '10.13.1.0/24 dev nodev' 'default metric 5 via 10.1.0.9' 'via 10.1.0.9 dev eth1 10.13.2.0/24' 'via fd00:1::9 default' \
        'default dev eth1 table main' '10.13.3.0/24 via 10.1.0.9 dev eth1 oif eth1' '0.0.0.0/0 via 10.1.0.9' '::/0 via fd00:1::9' \
        '10.13/16 via 10.1.0.9' '10.14.0.0/255.255.0.0 via 10.1.0.9' '10.14.0.1/24 via 10.1.0.9 dev eth1' '224.0.0.0/4 dev eth1' \
        'default via 10.1.0.255' '10.15.0.0/24 via 0.0.0.0' '10.15.0.0/24 via 10.1.0.9 table default' \
        'default nexthop via 10.1.0.9 nexthop via 10.2.0.999'; do
        for verb in add append replace del del; do
            printf 'ip route %s %s\n' $verb "$what"
        done
    done
    cat <<-'END'

		ip a a 10.1.0.1/24 dev eth1
		ip r a default via 10.1.0.9
		ip rout ad 10.9.0.0/24 via 10.1.0.9
		ip r add 10.9.1.0/24 via 10.1.0.9 m 5
		ip ro ap 10.9.1.0/24 via 10.1.0.8 metr 5
		ip route app 10.9.1.0/24 via 10.1.0.7 priority 5
		ip route r 10.9.1.0/24 via 10.1.0.7 pri 5
		ip route add 10.9.2.0/24 via 10.1.0.9 t 0x20
		ip route add 10.9.2.0/24 via 10.1.0.9 pro boot
		ip -4 route add default via 10.1.0.8 metric 8
		ip -6 route add default via 10.1.0.8
		ip -4 route add fd00::/64 dev eth1
		ip -6 route add default dev eth1
		ip -6 r d default
		ip r d default
		ip r del default
		ip r del default
		ip r del 10.9.1.0/24 proto static
		ip link set eth1 down
		ip r add 10.9.7.0/24 via 10.1.0.9
		ip r add 10.9.7.0/24 dev eth1
		ip link set eth1 up
		ip r add 10.9.7.0/24 dev eth1

		ip route add default via 10.1.0.9
		ip addr add 10.1.0.1/24 dev eth1
		ip addr add fd00::2/64 dev eth1 nodad
		ip route add default via 10.1.0.9
		ip route add default via 10.1.0.9
		ip route add default via 10.1.0.8
		ip -6 route add default via fd00::1
		ip -6 route add default via fd00::1
		ip route replace default via 10.1.0.9
		ip -6 route replace default via fd00::1
		ip route add 10.9.0.0/24 dev lo
		ip route add fd00:9::/64 dev lo
	END
}
routes_alike() {
    routes | equal
}
t 'ip route does what iproute2 does' routes_alike

links() {
    cat <<-'END'
		ip link set eth1 down
		ip link set eth1 up
		ip link set dev eth1 down
		ip l s eth1 up
		ip link se dev eth1 mtu 1400
		ip link set mtu 1300 dev eth1
		ip link set dev eth1 up mtu 9000
		ip link set eth1 mtu 65535
		ip link set eth1 mtu 65536
		ip link set eth1 mtu 67
		ip link set eth1 mtu 1279
		ip link set eth1 mtu 0x600
		ip link set eth1 mtu
		ip link set lo mtu 1500
		ip link set nodev up
		ip link set nodev mtu 1400
		ip link set nodev address 02:00:00:00:00:77
		ip link set dev
		ip link set
		ip link set up
		ip link set eth1 address 02:00:00:00:00:77
		ip link set addr 02:00:00:00:00:78 dev eth1
		ip link set eth1 address 01:00:00:00:00:77
		ip link set eth1 address 00:00:00:00:00:00
		ip link set lo address 02:00:00:00:00:79
		ip link set eth1 name eth1
		ip link set eth1 name wan
		ip link set eth1 up
		ip link set wan name eth2
		ip link set wan down
		ip link set wan name eth1
		ip link set dev eth1 name lan0 up
		ip link set lan0 down name eth1 mtu 1450 address 02:00:00:00:00:01 up
		ip link set name lan7 eth3
		ip link set name lan7
		ip -4 link set eth1 up
		ip link set eth1 up down

		ip link add br0 type bridge
		ip link add br0 type bridge
		ip link add name br1 type bridge
		ip link add dev br2 type bridge
		ip l a br3 ty bridge
		ip link add br4 mtu 1400 address 02:00:00:00:00:44 up type bridge
		ip link add eth1 type bridge
		ip link add br5 address 01:00:00:00:00:44 type bridge
		ip link add br6 mtu 70000 type bridge
		ip link set br0 up
		ip link set eth1 master br0
		ip link set dev eth1 master br0
		ip link set eth2 master br1 up
		ip link set eth2 master br0
		ip link set eth3 m br0
		ip link set eth2 master nodev
		ip link set eth2 master eth3
		ip link set lo master br0
		ip link set br0 master br0
		ip link set br1 master br0
		ip link set nodev master br0
		ip link set eth1 nomaster
		ip link set eth1 nomas
		ip link set eth1 nomaster up
		ip link set eth1 master
		ip link set eth2 down nomaster
		ip link set br0 mtu 1400
		ip link set br0 address 02:00:00:00:00:66
		ip link set br0 down
		ip link set br0 name br9
		ip addr add 10.1.0.1/24 dev br9
		ip link set br9 up

		ip addr add 10.1.0.1/24 dev eth1
		ip route add default via 10.1.0.9
		ip addr add fd00::1/64 dev eth1
		ip link set eth1 mtu 1200
		ip link set eth1 down
		ip link set eth1 up
		ip link set eth1 mtu 1500
	END
}
links_alike() {
    links | equal
}
t 'ip link does what iproute2 does' links_alike

# The values after each line as well.
read_sysctls() {
    local ns
    for ns in theirs ours; do
        nsenter --net=/run/netns/$ns sh -c 'cd /proc/sys/net && grep -H . ipv4/ip_forward ipv4/tcp_rmem \
            ipv4/ping_group_range ipv[46]/conf/*/[dfra]* core/somaxconn ipv4/ip_default_ttl ipv6/route/max_size' \
            >"$tmp/sysctls.$ns" 2>/dev/null || true
    done
}
sysctls() {
    cat <<-'END'
		sysctl -w net.ipv4.ip_forward=1
		sysctl net.ipv4.ip_forward=0
		sysctl net/ipv4/ip_forward=1
		sysctl --write net.ipv6.conf.all.forwarding=1
		sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=2 net.ipv4.conf.eth1.rp_filter=1
		sysctl -w net.ipv6.conf.eth1.disable_ipv6=1
		sysctl -w net.ipv6.conf.all.disable_ipv6=0
		sysctl -w net.ipv4.nokey=1
		sysctl -w net.ipv4.nokey=1 net.ipv4.ip_default_ttl=33 net.nokey.a=1
		sysctl -w net.ipv4.ip_forward=abc
		sysctl -w net.ipv4.ip_forward=abc net.ipv4.ip_default_ttl=34
		sysctl -w net.ipv4.ip_default_ttl=99999
		sysctl -w net.ipv4.ip_default_ttl=
		sysctl -w net.ipv4.ip_forward=1=2
		sysctl -w net.ipv4.ping_group_range=0~1000
		sysctl -w net.ipv4.tcp_rmem=4096~16384~~65536
		sysctl -w net.ipv4.tcp_rmem=~4096~16384~65536~
		sysctl -w net.ipv4.ip_forward~=~1
		sysctl -w net.ipv4.ip_forward=0x1
		sysctl -w net.ipv4.conf.nodev.rp_filter=1
		sysctl -w net.ipv4.conf.eth0/1.rp_filter=1
		sysctl -w net/ipv4/conf/eth0.1/rp_filter=1
		sysctl -w net/ipv4/conf/eth2/rp_filter=2
		sysctl -w net/ipv4.conf/eth2/rp_filter=2
		sysctl -w net.core.somaxconn=777
		sysctl -w net.ipv4.route.flush=1
		ip link add eth0.1 address 02:00:00:00:00:0a type bridge
		sysctl -w net.ipv4.conf.eth0/1.rp_filter=1
		sysctl -w net/ipv4/conf/eth0.1/rp_filter=2
	END
}
sysctls_alike() {
    same() {
        read_sysctls
        diff "$tmp/sysctls.theirs" "$tmp/sysctls.ours" >"$tmp/diff"
    }
    sysctls | equal
}
t 'sysctl does what procps does' sysctls_alike

handed_over() {
    local line before
    handed=1
    make_pair
    ip -n ours link add name a type bridge
    before=$(state_of ours)
    while IFS= read -r line; do
        both "$line"
    done <<-'END'
		ip
		ip -4
		ip -n ours link set eth1 down
		ip -batch file
		ip -b file
		ip -o link set eth1 down
		ip -family inet addr add 10.1.0.1/24 dev eth1
		ip link
		ip link show
		ip addr show
		ip addr flush dev eth1
		ip addr change 10.1.0.1/24 dev eth1
		ip addr add 10.1.0.1/24 dev eth1 label eth1:1
		ip addr add 10.1.0.1/24 dev eth1 scope link
		ip addr add 10.1.0.1/24 peer 10.1.0.2 dev eth1
		ip addr add 10.1.0.1/24 dev eth1 metric 5
		ip addr add 10.1.0.1/24 10.1.0.2/24 dev eth1
		ip addr add 10.1.0.1/24 nodad dev eth1
		ip addr add fd00::1/64 dev eth1 noprefixroute
		ip addr add fd00::1/64 dev eth1 valid_lft 5
		ip addr add dev eth1
		ip addr add foo dev eth1
		ip addr add default dev eth1
		ip addr add 10.1.0.1/24 dev if7
		ip addr add 10.1.0.1/24 dev a-name-of-17-bytes
		ip route
		ip route show
		ip route flush all
		ip route change default via 10.1.0.9
		ip route prepend default via 10.1.0.9
		ip route test default via 10.1.0.9
		ip route get 10.1.0.1
		ip route add
		ip route add via 10.1.0.9
		ip route add default via inet6 fe80::1 dev eth1
		ip route add default via 10.1.0.9 mtu 1400
		ip route add default via 10.1.0.9 scope link
		ip route add default via 10.1.0.9 proto mine
		ip route add default via 10.1.0.9 table mine
		ip route add default via 10.1.0.9 metric x
		ip route add default via 10.1.0.9 via 10.1.0.8
		ip route add default vrf red via 10.1.0.9
		ip route add default encap mpls 100 via 10.1.0.9
		ip route add default nhid 5
		ip route add default nexthop
		ip route add default nexthop via 10.1.0.9 weight 0
		ip route add default nexthop via 10.1.0.9 weight 257
		ip route add default nexthop encap mpls 100 via 10.1.0.9
		ip route add default nexthop via 10.1.0.9 foo
		ip route add default 10.0.0.0/8 dev eth1
		ip route add foo via 10.1.0.9
		ip route add local 10.0.0.1 dev eth1
		ip route add default via foo
		ip rule add from 10.0.0.0/8 table 5
		ip neigh add 10.0.0.1 dev eth1 lladdr 02:00:00:00:00:09
		ip link set a up
		ip link set d up
		ip link set eth1 eth2 up
		ip link set eth1 foo
		ip link set eth1 promisc on
		ip link set eth1 txqueuelen 5
		ip link set eth1 alias x
		ip link set eth1 netns theirs
		ip link set eth1 address 02:00:00:00:00
		ip link set eth1 address 2:0:0:0:0:1
		ip link set eth1 address 10.0.0.1
		ip link set eth1 mtu -1
		ip link set eth1 mtu 1400 mtu 1300
		ip link set eth1 mtu many
		ip link set eth1 name a/b
		ip link set eth1 vrf red
		ip link set group default up
		ip link set eth1 type bridge_slave hairpin on
		ip link change eth1 up
		ip link del eth1
		ip link add type bridge
		ip link add br0
		ip link add br0 type bridge stp_state 1
		ip link add br0 type bridge vlan_filtering 1
		ip link add link eth1 name eth1.5 type vlan id 5
		ip link add d0 type dummy
		ip link add v0 type veth peer name v1
		ip link add name br0 dev br1 type bridge
		ip tunnel add t0 mode gre remote 10.0.0.1
		ip netns add x
		iproute addr add 10.1.0.1/24 dev eth1
		/sbin/ip link set eth1 down
		ifconfig eth1 up
		sysctl
		sysctl -w
		sysctl -a
		sysctl -q -w net.ipv4.ip_forward=1
		sysctl -w -q net.ipv4.ip_forward=1
		sysctl net.ipv4.ip_forward
		sysctl -p
		sysctl -w net.ipv4.ip_forward
		sysctl -w net.ipv4.ip_forward=1 kernel.panic=0
		sysctl -w kernel.hostname=x
		sysctl -w net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter
		sysctl -w net.ipv4.conf.lo=1
		sysctl -w net.ipv4..ip_forward=1
		sysctl -w net.ipv4.*.ip_forward=1
		sysctl -w net/../kernel/panic=0
		sysctl -w ../sys/net/ipv4/ip_forward=1
		sysctl -w net/ipv4/./ip_forward=1
		sysctl -w .net.ipv4.ip_forward=1
		sysctl -w net.ipv4.ip_forward.=1
		sysctl -w net.=1
		sysctl -w =1
		sysctl -w net.ipv4.tcp_available_congestion_control=reno
		sysctl -w net.core.rmem_max=1
		sysctl -w net.ipv4.ip_forward=1 net.core.rmem_max=1
		true
	END
    assert_eq "$(state_of ours)" "$before" 'nothing was done'
    verdict
}
t "everything else is left to the node's program, undone" handed_over

# `a` abbreviates `address`, but not behind `dev`.
short_names() {
    local ns
    make_pair
    for ns in theirs ours; do ip -n $ns link add name a address 02:00:00:00:00:0a type bridge; done
    both 'ip link set dev a up'
    both 'ip link set dev a mtu 1400 down'
    both 'ip addr add 10.1.0.1/24 dev a'
    verdict
}
t 'a link that is called like an abbreviation' short_names

# A link that has a second name is found by it; one that is gone and came again is another one.
not_remembered() {
    local ns
    make_pair
    for ns in theirs ours; do ip -n $ns link property add dev eth1 altname uplink; done
    both 'ip addr add 10.1.0.1/24 dev uplink'
    both 'ip link set uplink mtu 1400'
    for ns in theirs ours; do ip -n $ns link del eth2 && ip -n $ns link add name eth2 address 02:00:00:00:00:0a type bridge; done
    both 'ip addr add 10.2.0.1/24 dev eth2'
    both 'ip link set eth2 up'
    verdict
}
t 'alternative names, and links that change' not_remembered
