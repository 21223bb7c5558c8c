#!/usr/bin/env bash
# The guard: a container speaks only as itself, whatever it sends. Each attack that must fail stands beside a control
# that it could have succeeded.
. "$(dirname "$0")/../lib.sh"

lan4=192.0.2.9 lan6=2001:db8::9

# evil attacks; victim is the one it pretends to be, and dupe the one that should believe it. The dupe believes
# whatever the kernel lets it.
three() {
    shut # in case a test failed while it was open
    serve_peer evil
    serve_peer victim
    serve_peer dupe
    local name
    for name in evil victim dupe; do
        declare -g "${name}4=$(address_of $name)" "${name}6=$(address_of $name -6)"
        declare -g "${name}_mac=$(netctr exec $name cat /sys/class/net/eth0/address)"
    done
    gateway4=$(in_network_of evil ip -4 route show default | awk '{ print $3 }')
    gateway6=$(in_network_of evil ip -6 route show default | awk '{ print $3 }')
    gateway_mac=$(cat /sys/class/net/nc-default/address)
    in_network_of dupe sysctl -qw net.ipv4.neigh.eth0.locktime=0 net.ipv6.neigh.eth0.locktime=0 \
        net.ipv4.conf.eth0.arp_accept=1 net.ipv6.conf.eth0.accept_ra=2 net.ipv6.conf.eth0.autoconf=1 \
        net.ipv4.conf.all.accept_redirects=1 net.ipv4.conf.eth0.accept_redirects=1 \
        net.ipv4.conf.all.secure_redirects=0 net.ipv4.conf.eth0.secure_redirects=0 \
        net.ipv6.conf.eth0.accept_redirects=1 net.ipv6.conf.eth0.suppress_frag_ndisc=0
    all_is_well # and the dupe has entries for all
}

# The dupe reaches all, and all have their own MAC.
all_is_well() {
    local address
    assert_eq "$(in_network_of dupe peer ask udp "$victim4" 53)" "victim $dupe4"
    assert_eq "$(in_network_of dupe peer ask udp "$victim6" 53)" "victim $dupe6"
    for address in "$evil4" "$evil6" "$gateway4" "$gateway6"; do
        in_network_of dupe ping -c 1 -W 1 "$address" >/dev/null
    done
}

known() { # ADDRESS: the MAC that the dupe has for it
    in_network_of dupe ip neighbour show "$1" dev eth0 | grep -o 'lladdr [^ ]*' | cut -d' ' -f2
}

evil() { # to the dupe, with evil's own MAC; both can be overridden
    in_network_of evil peer forge eth0 "$1" smac="$evil_mac" dmac="$dupe_mac" "${@:2}"
}

# attack is dropped by the rule with COMMENT, once for each of its packets, and seen nowhere; with the guard open it
# has its effect (on a bridge without the IP firewall, which stops some of it).
guarded() { # CHAIN COMMENT PACKETS HARM
    local before
    before=$(dropped "$1" "$2")
    attack
    sleep 0.1
    assert_eq $(($(dropped "$1" "$2") - before)) "$3" "dropped: $2"
    ! "$4" || fail "harm is done: $4"
    all_is_well
    open_up guard
    set_bridge_nf "${control_nf:-0}"
    attack
    wait_for 2 "$4"
    shut
}

spoofed_mac() {
    three
    attack() {
        evil udp smac="$victim_mac" src="$evil4" dst="$dupe4" dport=60 text=false-mac
        evil udp smac="$gateway_mac" src="$evil4" dst="$dupe4" dport=60 text=false-mac
        evil udp smac=02:00:00:00:00:01 src="$evil6" dst="$dupe6" dport=60 text=false-mac
    }
    moved() { # the bridge believes that the victim is where evil is, and the dupe received it
        logged dupe false-mac
    }
    guarded guard 'not its MAC' 3 moved
}
t "a container with another's MAC" spoofed_mac

# Where the bridge sends what is for MAC.
port_to() { # MAC
    bridge fdb get "$1" br nc-default | grep -o 'dev [^ ]*' | cut -d' ' -f2
}

spoofed_mac_moves_nothing() {
    three
    local home own
    home=$(port_to "$victim_mac") own=$(port_to "$evil_mac")
    assert_contains "$home" vc-
    attack() {
        evil arp smac="$victim_mac" op=1 sha="$victim_mac" spa="$victim4" tpa="$dupe4"
        # Frames for the bridge itself (STP, LLDP and the like) would bypass the hook of the guard, and still be
        # learned from.
        local last
        for last in 0 1 2 3 8 d e f; do
            evil udp smac="$victim_mac" dmac=01:80:c2:00:00:0$last src="$evil4" dst="$dupe4" dport=60
        done
    }
    attack
    assert_eq "$(port_to "$victim_mac")" "$home" "the victim's port"
    all_is_well
    # The guard alone would be enough, and so would a port that does not learn.
    bridge link set dev "$own" learning on
    attack
    assert_eq "$(port_to "$victim_mac")" "$home" "the victim's port, when the bridge learns"
    bridge link set dev "$own" learning off
    open_up guard
    attack
    assert_eq "$(port_to "$victim_mac")" "$home" "the victim's port, without the guard"
    # The positive control: neither.
    bridge link set dev "$own" learning on
    attack
    assert_eq "$(port_to "$victim_mac")" "$own" "the victim's port, without both"
    shut
}
t "a container does not draw another's frames to itself" spoofed_mac_moves_nothing

no_unknown_frames() {
    # No MAC is learned, so nothing may be flooded to all ports for lack of an entry: packets from the host or a
    # neighbour to a container are seen by that container alone.
    three
    rm -f "$tmp/dump"
    in_network_of evil timeout $((20 * slowness)) tcpdump -Z root -nei eth0 --immediate-mode -l udp >"$tmp/dump" 2>&1 &
    wait_for 3 grep -q 'listening on' "$tmp/dump"
    all_is_well
    in_network_of dupe peer ask udp "$evil4" 53 # the positive control
    wait_for 2 grep -q "$dupe4.* > $evil4.53" "$tmp/dump"
    assert_lacks "$(grep -v "> $victim" "$tmp/dump" || true)" "$victim_mac >"
    ! grep "$dupe_mac" "$tmp/dump" | has "$victim_mac" || fail "evil overhears"
}
t "a container does not overhear what is for another" no_unknown_frames

spoofed_ipv4() {
    three
    attack() {
        evil udp src="$victim4" dst="$dupe4" dport=60 text=false4
        evil udp src=$lan4 dst="$dupe4" dport=60 text=false4
        evil udp src="$gateway4" dst="$dupe4" dport=60 text=false4
        evil udp dmac="$gateway_mac" src="$victim4" dst=$lan4 dport=60 text=false4
        evil udp src=0.0.0.0 dst=255.255.255.255 dmac=ff:ff:ff:ff:ff:ff dport=67 text=dhcp
    }
    heard() { logged dupe false4; }
    guarded guard_ip 'not its IPv4' 5 heard
}
t "a container with another's IPv4 address" spoofed_ipv4

spoofed_ipv6() {
    three
    attack() {
        evil udp src="$victim6" dst="$dupe6" dport=60 text=false6
        evil udp src=$lan6 dst="$dupe6" dport=60 text=false6
        evil udp src="$victim6" dst="$dupe6" dport=60 text=false6 extended=1
        evil udp src=fe80::1 dst="$dupe6" dport=60 text=false6
    }
    heard() { logged dupe false6; }
    guarded guard_ip6 'not its IPv6' 4 heard
}
t "a container with another's IPv6 address" spoofed_ipv6

forged_arp() {
    three
    assert_eq "$(known "$victim4")" "$victim_mac"
    attack() {
        # Gratuitous, as request and as reply, to all and to one; with a MAC inside that is not its own.
        evil arp op=1 dmac=ff:ff:ff:ff:ff:ff sha="$evil_mac" spa="$victim4" tpa="$victim4"
        evil arp op=2 dmac=ff:ff:ff:ff:ff:ff sha="$evil_mac" spa="$victim4" tpa="$victim4"
        evil arp op=2 sha="$evil_mac" spa="$victim4" tha="$dupe_mac" tpa="$dupe4"
        evil arp op=2 sha="$evil_mac" spa="$gateway4" tha="$dupe_mac" tpa="$dupe4"
        evil arp op=2 sha=02:00:00:00:00:01 spa="$evil4" tha="$dupe_mac" tpa="$dupe4"
    }
    deceived() {
        [ "$(known "$victim4")" != "$victim_mac" ] || [ "$(known "$gateway4")" != "$gateway_mac" ] ||
            [ "$(known "$evil4")" != "$evil_mac" ]
    }
    guarded guard_arp 'ARP for an address it does not own' 5 deceived
    # The host ignores all of them.
    assert_contains "$(ip neighbour show "$victim4" dev nc-default)" "$victim_mac PERMANENT"
}
t "gratuitous ARP for the neighbour's address" forged_arp

arp_probes_pass() {
    three
    rm -f "$tmp/dump"
    in_network_of dupe timeout $((3 * slowness)) tcpdump -Z root -nei eth0 --immediate-mode -l arp >"$tmp/dump" 2>&1 &
    wait_for 3 grep -q 'listening on' "$tmp/dump"
    evil arp op=1 dmac=ff:ff:ff:ff:ff:ff sha="$evil_mac" spa=0.0.0.0 tpa="$victim4"
    wait_for 2 grep -q "$evil_mac.*who-has $victim4" "$tmp/dump"
    # In a reply, 0.0.0.0 is not allowed.
    local before
    before=$(dropped guard_arp 'ARP for an address it does not own')
    evil arp op=2 sha="$evil_mac" spa=0.0.0.0 tpa="$dupe4"
    sleep 0.1
    assert_eq "$(dropped guard_arp 'ARP for an address it does not own')" $((before + 1))
}
t 'ARP probes may ask whether an address is free' arp_probes_pass

forged_na() {
    three
    assert_eq "$(known "$victim6")" "$victim_mac"
    attack() {
        evil na src="$evil6" dst=ff02::1 dmac=33:33:00:00:00:01 target="$victim6" lladdr="$evil_mac"
        evil na src="$evil6" dst="$dupe6" target="$victim6" lladdr="$evil_mac"
        evil na src="$evil6" dst="$dupe6" target="$gateway6" lladdr="$evil_mac"
        evil na src="$evil6" dst="$dupe6" target="$victim6" lladdr="$evil_mac" extended=1
    }
    deceived() { [ "$(known "$victim6")" != "$victim_mac" ]; }
    guarded guard_ip6 'NA for an address it does not own' 4 deceived
    assert_contains "$(ip neighbour show "$victim6" dev nc-default)" "$victim_mac PERMANENT"
}
t "unsolicited NA for the neighbour's address" forged_na

link_local_of() { in_network_of "$1" ip -6 -oneline address show dev eth0 scope link | awk '{ sub("/.*", "", $4); print $4 }'; }

# Fragments that bridge-nf-call-ip6tables reassembles are passed on as one whole packet, to which RFC 6980 does not
# apply.
pieces() { # CUT KIND KEY=VALUE...
    in_network_of evil peer pieces eth0 "$1" "$2" smac="$evil_mac" dmac="$dupe_mac" "${@:3}"
}
fragmented_na() {
    three
    attack() {
        local claim=(na src="$evil6" dst="$dupe6" target="$victim6" lladdr="$evil_mac")
        pieces 8 "${claim[@]}" # the target is in the second
        pieces 24 "${claim[@]}"
    }
    deceived() { [ "$(known "$victim6")" != "$victim_mac" ]; }
    guarded guard_ip6 'ND and MLD are never in fragments (RFC 6980)' 2 deceived
}
t "a neighbour's address claimed in fragments" fragmented_na

hidden_na() {
    three
    attack() {
        local claim=(na src="$evil6" dst="$dupe6" target="$victim6" lladdr="$evil_mac")
        pieces 8 "${claim[@]}" extended=1 # the first ends where the second shows the type
        pieces 8 "${claim[@]}" extended=2 # … or which header comes next
        pieces behind "${claim[@]}"       # … or seems to end the chain, in bytes that are cut off
    }
    deceived() { [ "$(known "$victim6")" != "$victim_mac" ]; }
    # The receiver drops such fragments by itself; it believes what br_netfilter has reassembled.
    [ -e /proc/sys/net/bridge ] || skip 'no br_netfilter'
    control_nf=1 guarded guard_ip6 'a fragment must show what it carries' 5 deceived
}
t "a neighbour's address claimed in a second fragment" hidden_na

fragmented_ra() {
    three
    local self
    self=$(link_local_of evil)
    attack() {
        pieces 8 ra src="$self" dst=ff02::1 dmac=33:33:00:00:00:01 lladdr="$evil_mac"
        pieces 16 ra src="$self" dst=ff02::1 dmac=33:33:00:00:00:01 lladdr="$evil_mac" extended=1
        pieces behind ra src="$self" dst=ff02::1 dmac=33:33:00:00:00:01 lladdr="$evil_mac"
    }
    deceived() { in_network_of dupe ip -6 route show default | has "via $self"; }
    guarded guard_ip6 'ND and MLD are never in fragments (RFC 6980)' 1 deceived
}
t 'router advertisements in fragments' fragmented_ra

guard_drops() { nft list table bridge netctr_guard | awk '{ for (i = 1; i < NF; i++) if ($i == "packets") n += $(i + 1) } END { print n + 0 }'; }
ordinary_fragments() {
    # Large datagrams and pings, to a neighbour, to the host and beyond; and groups are joined.
    three
    local before address
    in_lan peer serve lan udp/53 >"$tmp/lan" &
    peer serve host udp/5353 >"$tmp/host" &
    wait_for 5 grep -q listening "$tmp/lan"
    wait_for 5 grep -q listening "$tmp/host"
    before=$(guard_drops)
    for address in "$dupe4" "$dupe6" "$gateway4" "$gateway6" $lan4 $lan6; do
        in_network_of evil ping -c 1 -W 1 -s 5000 "$address" >/dev/null
    done
    for address in "$dupe4" "$dupe6" $lan4 $lan6; do
        wait_for 2 in_network_of evil peer ask udp "$address" 53 0 0.5 5000
    done
    for address in "$gateway4" "$gateway6"; do
        assert_contains "$(in_network_of evil peer ask udp "$address" 5353 0 1 5000)" 'host '
    done
    in_network_of evil peer join eth0 ff05::99 &
    wait_for 3 eval 'in_network_of evil ip -6 maddress show dev eth0 | has ff05::99'
    sleep 0.2
    assert_eq "$(guard_drops)" "$before" 'dropped by the guard'
}
t 'ordinary packets in fragments pass, and multicast groups' ordinary_fragments

# A bridge with snooping takes a container that sends queries for a multicast router, and forgets the groups that it
# asks for: it could end IPv6 for all others, whose neighbour discovery is multicast.
no_snooping() {
    three
    local snoops=/sys/class/net/nc-default/bridge/multicast_snooping
    assert_eq "$(cat $snoops)" 0
    echo 1 >$snoops # as created by an older netctr
    netctr run --rm "$box" true
    assert_eq "$(cat $snoops)" 0
}
t 'no container controls the delivery of multicast' no_snooping


forged_ra() {
    three
    local self
    self=$(link_local_of evil)
    attack() {
        evil ra src="$self" dst=ff02::1 dmac=33:33:00:00:00:01 lladdr="$evil_mac"
        evil ra src="$self" dst=ff02::1 dmac=33:33:00:00:00:01 lladdr="$evil_mac" extended=1
    }
    deceived() { in_network_of dupe ip -6 route show default | has "via $self"; }
    guarded guard_ip6 'containers are not routers (CVE-2020-10749)' 2 deceived
}
# kubernetes #91507, libnetwork #2558, plugins #160
t 'router advertisements' forged_ra

no_ra_is_believed() {
    # Without the guard too: one that looks as if it came from the gateway.
    serve_peer c
    local before mac
    before=$(in_network_of c ip -6 route show)
    mac=$(netctr exec c cat /sys/class/net/eth0/address)
    peer forge nc-default ra smac="$(cat /sys/class/net/nc-default/address)" dmac="$mac" \
        src=fe80::1 dst=ff02::1 lladdr=02:00:00:00:00:01
    sleep 0.1
    assert_eq "$(in_network_of c ip -6 route show)" "$before" routes
    in_network_of c sysctl -qw net.ipv6.conf.eth0.accept_ra=2
    peer forge nc-default ra smac="$(cat /sys/class/net/nc-default/address)" dmac="$mac" \
        src=fe80::1 dst=ff02::1 lladdr=02:00:00:00:00:01
    routed() { in_network_of c ip -6 route show | has 'via fe80::1'; }
    wait_for 2 routed
}
# kubernetes #91507, libnetwork #2558, plugins #160
t 'a container ignores router advertisements' no_ra_is_believed

forged_redirect4() {
    three
    attack() { evil redirect src="$gateway4" dst="$dupe4" about=198.51.100.1 via="$evil4"; }
    deceived() { in_network_of dupe ip route get 198.51.100.1 | has "via $evil4"; }
    guarded guard_ip 'not its IPv4' 1 deceived
}
t 'an ICMP redirect in the name of the gateway' forged_redirect4

forged_redirect6() {
    three
    # The dupe's router is known by its link-local address, as redirects need it.
    local router self
    router=$(ip -6 -oneline address show dev nc-default scope link | awk '{ sub("/.*", "", $4); print $4 }')
    self=$(link_local_of evil)
    in_network_of dupe ip -6 route replace default via "$router" dev eth0
    in_network_of dupe ping -c 1 -W 1 "$self%eth0" >/dev/null
    attack() { evil redirect src="$router" dst="$dupe6" about=2001:db8:1::1 via="$self"; }
    deceived() { in_network_of dupe ip -6 route get 2001:db8:1::1 | has "via $self"; }
    guarded guard_ip6 'containers are not routers' 1 deceived
}
t 'an ICMPv6 redirect in the name of the gateway' forged_redirect6

neither_ip_nor_arp() {
    three
    attack() {
        evil udp vlan=7 src="$victim4" dst="$dupe4" dport=60
        evil udp vlan=0 src="$victim4" dst="$dupe4" dport=60
        evil arp vlan=0 op=2 sha="$evil_mac" spa="$victim4" tha="$dupe_mac" tpa="$dupe4"
        evil udp type=0x88cc src="$evil4" dst="$dupe4" dport=60
    }
    rm -f "$tmp/dump"
    in_network_of dupe timeout $((20 * slowness)) tcpdump -Z root -nei eth0 --immediate-mode -l 'vlan or ether proto 0x88cc' >"$tmp/dump" 2>&1 &
    wait_for 3 grep -q 'listening on' "$tmp/dump"
    arrived() { grep -q 'ethertype' "$tmp/dump"; }
    guarded guard 'neither IP nor ARP' 4 arrived
}
t 'frames with a VLAN tag, or neither IP nor ARP' neither_ip_nor_arp
