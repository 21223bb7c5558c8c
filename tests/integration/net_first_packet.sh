#!/usr/bin/env bash
# From the first packet: a client that tries all the time gets a reply as soon as the server listens, and the
# neighbours know the new location of an address. All checks are deadlines: one ARP retry takes a second.
. "$(dirname "$0")/../lib.sh"

v4=192.0.2.2 v6=2001:db8::2
at_once=$((400 * (slowness > 1 ? patience : 1))) # milliseconds

small_network() { # NAME SUBNET GATEWAY
    mkdir -p "$state/networks"
    printf '{"schema": 1, "name": "%s", "bridge": "nc-%s", "subnet": "%s", "gateway": "%s",
        "internal": false, "masquerade": true, "icc": true}\n' "$1" "$1" "$2" "$3" >"$state/networks/$1.json"
}

# Clients try from before the start; each must get a reply from this container at once when the container's program
# has started to listen, in every round.
hammered() { # ROUNDS PROTO PORT WHERE...: WHERE is [lan@]ADDRESS
    local rounds=$1 proto=$2 port=$3 round where pids file ready first who gap
    shift 3
    warm_up
    for round in $(seq "$rounds"); do
        rm -rf "$tmp/hammers"
        mkdir "$tmp/hammers"
        pids=()
        for where; do
            file=$tmp/hammers/$where
            case $where in
            lan@*) in_lan peer hammer "$proto" "${where#lan@}" "$port" $((10 * slowness)) >"$file" 2>&1 & ;;
            *) peer hammer "$proto" "$where" "$port" $((10 * slowness)) >"$file" 2>&1 & ;;
            esac
            pids+=($!)
        done
        for where; do wait_for 3 grep -q hammering "$tmp/hammers/$where"; done
        serve_peer "web$round" -p 8080:80 -p 5353:53/udp
        ready=$(netctr logs "web$round" | awk '/^listening/ { print $2; exit }')
        for file in "${pids[@]}"; do wait "$file" || true; done
        for where; do
            read -r first who _ < <(tail -1 "$tmp/hammers/$where")
            [ "$who" = "web$round" ] || fail "round $round, $where: $(tail -1 "$tmp/hammers/$where")"
            gap=$(awk -v a="$ready" -v b="$first" 'BEGIN { printf "%d", (b - a) * 1000 }')
            echo "round $round, $where: $gap ms"
            [ "$gap" -lt $at_once ] || fail "round $round, $where: first answer after $gap ms"
        done
        netctr rm -f "web$round"
    done
}

hammered_tcp() { hammered 4 tcp 8080 127.0.0.1 ::1 $v4 lan@$v4 lan@$v6; }
hammered_udp() { hammered 4 udp 5353 127.0.0.1 ::1 $v6 lan@$v4 lan@$v6; }
t 'TCP: clients that try all the time get their first reply at once' hammered_tcp
t 'UDP: the same, also for a client with an earlier flow' hammered_udp

hammered_from_a_neighbour() {
    # A container that resolves the next one's address before that exists.
    serve_peer neighbour
    local own next
    own=$(address_of neighbour)
    next=${own%.*}.$((${own##*.} + 1))
    in_network_of neighbour peer hammer tcp "$next" 80 $((10 * slowness)) >"$tmp/hammer" &
    local pid=$!
    wait_for 3 grep -q hammering "$tmp/hammer"
    sleep 0.5
    serve_peer web
    assert_eq "$(address_of web)" "$next" 'address of the next one'
    wait $pid
    local ready first gap
    ready=$(netctr logs web | awk '/^listening/ { print $2 }')
    first=$(awk 'END { print $1 }' "$tmp/hammer")
    gap=$(awk -v a="$ready" -v b="$first" 'BEGIN { printf "%d", (b - a) * 1000 }')
    echo "$gap ms"
    [ "$gap" -lt $at_once ] || fail "first answer after $gap ms"
}
t 'a neighbour that was already resolving the address' hammered_from_a_neighbour

a_bridge_that_carries() {
    # A bridge without a port has no carrier, and when it gets one, packets sent through it are dropped until the
    # kernel has processed that: the host's reply to the container's very first query, for example. The program must
    # find a carrier. This depends on kernel timing, hence many tries; and few addresses, so that a start waits for
    # one, and all else is ready when it comes.
    small_network few 10.79.1.0/29 10.79.1.1
    local n rounds
    rounds=$(often 60)
    for n in $(seq "$rounds"); do
        netctr run --rm --network few -v /sys/devices/virtual/net:/links "$box" \
            sh -c "cat /links/nc-few/operstate; ping -c 1 -W 1 10.79.1.1 >/dev/null || echo lost"
    done >"$tmp/states"
    assert_eq "$(sort "$tmp/states" | uniq -c | xargs)" "$rounds up" 'state of the bridge'
}
t 'the first container on an idle bridge: its first packet is not lost' a_bridge_that_carries

# What a container's program finds in its very first moment, and whether it may use it.
first_act() {
    cat <<-'END'
	import socket
	for line in open("/proc/net/if_inet6"):
	    word, _, _, scope, flags, name = line.split()
	    if name == "lo":
	        continue
	    address = ":".join(word[i:i + 4] for i in range(0, 32, 4))
	    state = "tentative" if int(flags, 16) & 0x4c else "usable"
	    if scope == "00":  # 0x40 tentative, 0x08 failed, 0x04 optimistic
	        s = socket.socket(socket.AF_INET6)
	        s.settimeout(1)
	        s.bind((address, 0))
	        s.connect(("2001:db8::9", 7000))
	        s.recv(10)
	    print(state)
	END
}
usable_at_once() {
    in_lan peer serve lan tcp/7000 >"$tmp/lan" &
    wait_for 3 grep -q listening "$tmp/lan"
    first_act >"$tmp/first.py"
    local n rounds libs=()
    [ ! -e /usr/lib64 ] || libs=(-v /usr/lib64:/lib64:ro)
    rounds=$(often 10)
    for n in $(seq "$rounds"); do
        netctr run --rm -v /usr:/usr:ro -v /usr/lib:/lib:ro "${libs[@]}" -v "$tmp/first.py:/first.py:ro" "$box" \
            /usr/bin/python3 -IS /first.py
    done >"$tmp/states"
    assert_eq "$(sort "$tmp/states" | uniq -c | xargs)" "$((2 * rounds)) usable" 'its address and the link-local one'
}
# moby #48609, aardvark-dns #725, kubernetes #32291, plugins #52
t 'an IPv6 address can be bound and used by the first instruction' usable_at_once

neighbours_of_host() {
    ip neighbour show dev nc-default nud permanent | sort
}

permanent_neighbours() {
    serve_peer a
    serve_peer b
    local mac_a mac_b
    mac_a=$(netctr exec a cat /sys/class/net/eth0/address)
    mac_b=$(netctr exec b cat /sys/class/net/eth0/address)
    assert_eq "$(neighbours_of_host)" "$(sort <<-END
	$(address_of a) lladdr $mac_a PERMANENT 
	$(address_of a -6) lladdr $mac_a PERMANENT 
	$(address_of b) lladdr $mac_b PERMANENT 
	$(address_of b -6) lladdr $mac_b PERMANENT 
	END
    )" neighbours
    netctr rm -f a
    assert_eq "$(neighbours_of_host | wc -l)" 2 'neighbours after the end of one'
    # And when the monitor is killed: the next command removes them.
    kill -KILL "$(monitor_of b)"
    wait_for 3 sh -c 'netctr gc && [ -z "$(ip neighbour show dev nc-default nud permanent)" ]'
}
# lxd #4799, e2b #3508
t 'the host has permanent entries for its containers, and removes them' permanent_neighbours

announced() {
    serve_peer witness
    in_network_of witness timeout $((10 * slowness)) tcpdump -Z root -nei eth0 --immediate-mode -l 'arp or icmp6' >"$tmp/inside" 2>&1 &
    timeout $((10 * slowness)) tcpdump -Z root -nei nc-default --immediate-mode -l 'arp or icmp6' >"$tmp/bridge" 2>&1 &
    wait_for 3 grep -q 'listening on' "$tmp/inside"
    wait_for 3 grep -q 'listening on' "$tmp/bridge"
    serve_peer web
    local mac file
    mac=$(netctr exec web cat /sys/class/net/eth0/address)
    for file in inside bridge; do
        # To all, from the container itself, about its own address.
        wait_for 1 grep -Eiq "^[^ ]+ $mac > ff:ff:ff:ff:ff:ff.* (who-has $(address_of web) .*tell $(address_of web)|$(address_of web) is-at $mac)" "$tmp/$file"
        wait_for 1 grep -Eiq "^[^ ]+ $mac > 33:33:00:00:00:01.*neighbor advertisement, tgt is $(address_of web -6)" "$tmp/$file"
    done
}
# moby #36069, #48808, netavark #1114
t 'gratuitous ARP and an unsolicited NA arrive at the neighbour and the host' announced

next_holder_is_believed() {
    # A neighbour of the address' last holder reaches the next one at once. The network has room for two, so that the
    # address is assigned again.
    small_network two 10.78.2.0/29 10.78.2.1
    serve_peer neighbour --network two
    local n address
    for n in 1 2 3 4 5 6; do
        serve_peer "web$n" --network two
        address=$(address_of "web$n")
        assert_eq "$(in_network_of neighbour peer ask udp "$address" 53)" "web$n $(address_of neighbour)"
        echo "$address"
        netctr rm -f "web$n"
    done | sort | uniq -d | has . || fail 'no address was given out twice'
}

t 'the next holder of an address is reached at once by a neighbour of the last one' next_holder_is_believed

macs_tell_the_address() {
    local n address
    for n in 1 2 3; do
        netctr run -d --name c$n "$box" sleep 100 >/dev/null
        address=$(address_of c$n)
        # shellcheck disable=SC2046,SC2086 # four numbers
        assert_eq "$(netctr exec c$n cat /sys/class/net/eth0/address)" \
            "$(printf '02:42:%02x:%02x:%02x:%02x' ${address//./ })" MAC
    done
}
t 'the MAC is derived from the address' macs_tell_the_address

# Records every moment at which two veths have one address: the host end has it in its MAC.
watch_for_twins() {
    while sleep 0.002; do
        ip -oneline link show type veth | { grep -o '02:43:0a:4e:05:..' || true; } | sort | uniq -d
    done >"$tmp/twins"
}

dying_veths() {
    # Five addresses and up to a hundred short-lived containers: none gets an address that a veth of the last holder
    # still has.
    small_network five 10.78.5.0/29 10.78.5.1
    watch_for_twins &
    local sampler=$! n failed=0
    for n in $(seq "$(often 100)"); do
        netctr run --rm --network five "$box" ping -c 1 -W 1 10.78.5.1 >"$tmp/out" 2>&1 || {
            failed=$((failed + 1))
            echo "run $n: $(tail -1 "$tmp/out")"
        }
    done
    kill $sampler
    sort "$tmp/twins" | uniq -c
    [ $failed = 0 ] || fail "$failed of $n failed"
    assert_eq "$(cat "$tmp/twins")" '' 'two veths with one address'
}
t 'short-lived containers, one after the other, on five addresses' dying_veths

dying_veths_published() {
    # The same with a port, killed instead of ended, and each must reply.
    small_network five 10.78.5.0/29 10.78.5.1
    watch_for_twins &
    local sampler=$! n
    for n in $(seq "$(often 25)"); do
        netctr run -d --name "web$n" --network five -p 8080:80 "$box" \
            sh -c 'while :; do echo "$1" | nc -l -p 80 -w 1; done' sh "web$n" >/dev/null
        wait_for 2 answers "web$n"
        netctr rm -f "web$n"
    done
    kill $sampler
    assert_eq "$(sort "$tmp/twins" | uniq -c)" '' 'two veths with one address'
}
answers() { # this container and no other
    local answer
    answer=$(in_lan peer ask tcp $v4 8080 0 0.3) && assert_eq "$answer" "$1"
}
t 'the same with published ports, killed' dying_veths_published
