#!/usr/bin/env bash
# Kathara's labs: a folder with a lab.conf. What is taken of it, what its startup scripts do, and folders that want more than
# they may have.
needs=nginx
. "$(dirname "$0")/../lib.sh"
. "$top/tests/helpers.sh"
read_only_host

tidy_too() {
    netctr lab down --all >/dev/null 2>&1 || true
}
lab=$tmp/home
lab() {
    netctr lab "$@"
}
in_node() { # NODE COMMAND…
    netctr lab exec -n home "$@"
}
fresh() { # an empty folder, with the lab.conf on stdin
    rm -rf "$lab"
    mkdir -p "$lab"
    cat >"$lab/lab.conf"
}
refused() { # TEXT: the whole of what `lab up` says
    assert_fails lab up "$lab" 2>"$tmp/said"
    assert_eq "$(cat "$tmp/said")" "netctr: $1"
    assert_eq "$(lab ls 2>&1 | grep -c home || true)" 0
}

# Two machines in domain a, three in LAN, one with a way to the outside. One command of each startup script fails.
write_home() {
    fresh <<'END'
# A home, its router and what is outside.
LAB_NAME="home"
LAB_DESCRIPTION="A lab of netctr's own"

r1[0]="a/02:00:00:00:00:a1"   # to the outside
r1[1]='LAN'
r1[image]="kathara/frr"
r1[num_terms]=0
pc1[0]=a
pc1[mem]=64m
pc2[0]=LAN # with IPv6
pc2[ipv6]="True"
pc2[sysctl]="net.ipv4.conf.eth0.arp_ignore=1"
pc2[env]="COST=$5 ${HOME}"
pc2[exec]="echo done $COST >/said"
pc3[0]="LAN"
pc3[bridged]=true
pc3[port]="8099:80/tcp"
END
    mkdir -p "$lab"/{shared,r1/etc/frr,pc2/etc,pc2/usr/share,pc3/www}
    echo hello >"$lab/shared/hello"
    printf 'zebra=yes\nstaticd=yes\n' >"$lab/r1/etc/frr/daemons"
    echo 'ip route 198.51.100.0/24 10.0.0.2' >"$lab/r1/etc/frr/frr.conf"
    echo 'nameserver 192.0.2.53' >"$lab/pc2/etc/resolv.conf"
    echo '10.0.0.2 pc1.home' >"$lab/pc2/etc/hosts"
    ln -s /etc/hosts "$lab/pc2/usr/share/link"
    mkfifo "$lab/pc2/usr/share/fifo"
    echo yes >"$lab/pc3/www/index.html"
    echo 'echo shared >/by' >"$lab/shared.startup"
    cat >"$lab/r1.startup" <<'END'
ip address add 10.0.0.1/24 dev eth0
ip address add nonsense dev eth0
ip address add 10.1.0.1/24 dev eth1
systemctl start frr
if false; then echo never; fi
hash nosuchprogram || true
END
    cat >"$lab/pc1.startup" <<'END'
ifconfig eth0 10.0.0.2 netmask 255.255.255.0 up
route add default gw 10.0.0.1
nosuchprogram
END
    echo 'ip addr add 10.1.0.2/24 dev eth0; ip route add default via 10.1.0.1; cat /shared/hello >/hello' >"$lab/pc2.startup"
    cat >"$lab/pc3.startup" <<'END'
ip addr add 10.1.0.3/24 dev eth0
ip route add 10.0.0.0/24 via 10.1.0.1
httpd -p 80 -h /www
END
}
has_route() {
    in_node r1 ip route | grep -q '^198.51.100.0/24 .*via 10.0.0.2'
}
home() {
    write_home
    warm_up
    snapshot
    local said
    said=$(lab up --image "kathara/frr=$debian" --image "kathara/*=$box" "$lab" 2>&1) || fail "$said"
    assert_contains "$said" "$lab/lab.conf:8: \`num_terms\`: no terminals are opened; \`netctr lab exec -it MACHINE bash\` is one"
    assert_contains "$said" 'r1.startup:2: ip address add nonsense dev eth0: Error: '
    [[ $said != *r1.startup:5* ]] || fail "a condition counts as a failure: $said"
    assert_contains "$said" 'pc1.startup: it ended with 127' # no bash there, so not which line
    assert_contains "$said" 'lab home: 4 nodes, 1 switch, 4 links, up in '
    in_node pc2 ping -c 1 -W 2 10.0.0.2 >/dev/null
    in_node pc3 ping -c 1 -W 2 10.0.0.2 >/dev/null
    # As Kathara has it: one MTU, forwarding, no IPv6 unless it is wanted, a MAC address.
    assert_eq "$(in_node r1 cat /sys/class/net/eth0/address /sys/class/net/eth0/mtu | xargs)" '02:00:00:00:00:a1 1500'
    assert_eq "$(in_node pc1 sh -c 'cd /proc/sys/net; cat ipv4/ip_forward ipv4/icmp_ratelimit ipv4/conf/eth0/rp_filter ipv6/conf/eth0/disable_ipv6' | xargs)" '1 0 0 1'
    assert_eq "$(in_node pc2 sh -c 'cd /proc/sys/net; cat ipv6/conf/eth0/disable_ipv6 ipv6/conf/eth0/forwarding ipv6/conf/all/accept_ra ipv4/conf/eth0/arp_ignore' | xargs)" '0 1 0 1'
    assert_contains "$(in_node pc1 ls /sys/class/net | xargs)" 'eth0 lo'
    # Files of the machine: what netctr writes itself, links and pipes as they are. Values are not those of this shell.
    assert_eq "$(in_node pc2 cat /etc/resolv.conf)" 'nameserver 192.0.2.53'
    in_node pc2 ping -c 1 -W 2 pc1.home >/dev/null
    assert_eq "$(in_node pc2 readlink /usr/share/link)" /etc/hosts
    in_node pc2 test -p /usr/share/fifo
    assert_eq "$(in_node pc2 cat /by /hello /said | xargs)" "shared hello done $(printf '$5') $(printf '${HOME}')"
    wait_for 10 has_route
    assert_eq "$(in_node r1 stat -c %U /etc/frr/frr.conf)" frr
    in_node r1 cat /var/log/startup.log | grep -q '^+ systemctl start frr'
    # One limit does not bring another.
    assert_eq "$(netctr inspect clab-home-pc1 | jq -c '[.. | .limits? | objects][0] | [.memory, .cpu_milli]')" '[67108864,0]'
    # The way to the outside is the interface after the last one.
    assert_contains "$(in_node pc3 ip route)" 'default via '
    assert_contains "$(in_node pc3 ip route)" 'dev eth1'
    assert_eq "$(curl -s --noproxy '*' http://127.0.0.1:8099/)" yes
    in_node r1 systemctl status frr >/dev/null
    assert_fails in_node r1 systemctl start nosuch 2>"$tmp/said"
    assert_contains "$(cat "$tmp/said")" 'there is no /etc/init.d/nosuch in this node'
    # What a topology file can do, it can.
    assert_contains "$(lab graph "$lab" 2>/dev/null)" 10.1.0.3/24
    assert_contains "$(lab save home)" 10.0.0.1/24
    lab diff --image "kathara/frr=$debian" --image "kathara/*=$box" "$lab" 2>/dev/null | diff - /dev/null
    printf 'pc4[0]=LAN\npc4[image]=kathara/base\n' >>"$lab/lab.conf"
    assert_contains "$(lab apply --image "kathara/frr=$debian" --image "kathara/*=$box" "$lab" 2>&1)" '+ node pc4'
    in_node pc4 ip addr add 10.1.0.4/24 dev eth0
    in_node pc4 ping -c 1 -W 2 10.1.0.1 >/dev/null
    (cd "$lab" && lab down)
    assert_clean
}
t 'a home: links, LAN, files, startup scripts, a way to the outside' home

# The same as a file of netctr's own, in the same folder. With both, that one counts.
imported() {
    write_home
    (cd "$lab" && lab import) >"$tmp/home.clab.yml" 2>/dev/null
    mv "$tmp/home.clab.yml" "$lab"
    lab graph "$lab" | grep -q 'lab home: 4 nodes, 1 switch, 1 network, 4 links'
    lab up -q --image "kathara/frr=$debian" --image "kathara/*=$box" "$lab" 2>/dev/null
    assert_eq "$(lab inspect --format json home | jq -r .file)" "$lab/home.clab.yml"
    in_node pc2 ping -c 1 -W 2 10.0.0.2 >/dev/null
    lab down home
    assert_fails lab import "$lab" 2>"$tmp/said"
    assert_eq "$(cat "$tmp/said")" "netctr: \`$lab/home.clab.yml\` is a topology file already"
}
t 'the topology file that a lab.conf becomes' imported

faults() {
    fresh <<'END'
LAB_NAME=home
LAB_NAM=x
r1[0]="A
r1[0]="A B"
PC[0]="A"
shared[0]=A
r1[1]=A/02:00:00:00:00:zz
r1[imgae]=x
r1[2]=A
r1[ipv6]=maybe
r1[sysctl]=kernel.x=1
r1[env]=x
../x[0]=A
r1 [image]=x
r1[mem]=lots
r1[port]=x
r1[bridged]=1
r1[volume]="/etc"
END
    assert_fails lab up "$lab" 2>"$tmp/said"
    sed "s|^netctr: $lab/||" "$tmp/said" | sort -t: -k2n >"$tmp/sorted"
    diff "$tmp/sorted" - <<'END' || fail 'other faults'
lab.conf:2: unknown key `LAB_NAM` of a lab; did you mean `LAB_NAME`?
lab.conf:3: `r1[0]="A` is not MACHINE[KEY]=VALUE; correct it
lab.conf:4: `A B` is not a collision domain; write DOMAIN or DOMAIN/MAC, with letters, digits and _
lab.conf:5: `PC` is not a name for a machine; use at most 30 of a-z, 0-9 and _
lab.conf:6: `shared` is the folder for all machines; choose another name
lab.conf:7: `02:00:00:00:00:zz` is not a MAC address of a host; write it as in 02:00:00:00:00:01
lab.conf:8: unknown key `imgae` of a machine; did you mean `image`?
lab.conf:9: machine `r1` is in collision domain `A` already, by line 7; choose another
lab.conf:10: `ipv6` takes true or false, not `maybe`; correct it
lab.conf:11: `sysctl` takes net.NAME=VALUE, not `kernel.x=1`; correct it
lab.conf:12: `env` takes NAME=VALUE, not `x`; correct it
lab.conf:13: `../x` is not a name for a machine; use at most 30 of a-z, 0-9 and _
lab.conf:14: `r1 ` is not a name for a machine; use at most 30 of a-z, 0-9 and _
lab.conf:15: memory `lots` is not a size; write it as in 512m or 1g
lab.conf:16: publish `3000:x`: `x` is not a port (1-65535) or a range of ports
lab.conf:18: `/etc` is not a volume; write HOST|GUEST|MODE
END
}
t 'all faults of a lab.conf at once' faults

# What leads out of the folder, or is not what it should be. One line each, and nothing is made.
hostile() {
    fresh </dev/null
    refused "$lab/lab.conf:1: the lab has no machine; write MACHINE[0]=DOMAIN"
    echo 'r1[0]=A' | fresh
    ln -s /etc "$lab/r1"
    refused "$lab/lab.conf:1: \`r1\` in this folder is not a directory; replace it"
    rm "$lab/r1"
    ln -s /etc/passwd "$lab/r1.startup"
    refused "$lab/lab.conf:1: \`r1.startup\` in this folder is not a regular file; replace it"
    rm "$lab/r1.startup"
    mkfifo "$lab/shared.startup"
    refused "$lab/lab.conf:1: \`shared.startup\` in this folder is not a regular file; replace it"
    rm "$lab/shared.startup"
    ln -s / "$lab/shared"
    refused "$lab/lab.conf:1: \`shared\` in this folder is not a directory; replace it"
    rm "$lab/shared"
    rm "$lab/lab.conf"
    mkfifo "$lab/lab.conf"
    refused "topology file \`$lab/lab.conf\` is not a regular file"
    rm "$lab/lab.conf"
    truncate -s 100M "$lab/lab.conf"
    refused "read topology file \`$lab/lab.conf\`: File too large"
    truncate -s 1M "$lab/lab.conf"
    refused "$lab/lab.conf:1: this file has more than 256 KiB; it is no lab.conf"
    printf 'r1[0]=\xff\n' >"$lab/lab.conf"
    refused "$lab/lab.conf:1: this is not UTF-8 text; correct the file"
    rm "$lab/lab.conf"
    refused "directory \`$lab\` has no *.clab.yml and no lab.conf"
}
t 'hostile folders' hostile

# Inside the folder of a machine, links stay links, and none of the node's own leads out of it.
links() {
    echo 'r1[0]=A' | fresh
    mkdir -p "$lab/r1/srv"
    ln -s /etc "$lab/r1/out"
    ln -s .. "$lab/r1/srv/up"
    ln -s loop "$lab/r1/loop"
    mknod "$lab/r1/null" c 1 3
    lab up -q --image "kathara/*=$box" "$lab" 2>"$tmp/said"
    assert_contains "$(cat "$tmp/said")" '1 device is left out'
    assert_eq "$(in_node r1 sh -c 'for l in /out /srv/up /loop; do readlink $l; done' | xargs)" '/etc .. loop'
    lab down home
    ln -s /etc "$lab/r1/etc" # would replace the node's own
    assert_fails lab up -q --image "kathara/*=$box" "$lab" 2>"$tmp/said"
    assert_contains "$(cat "$tmp/said")" '`etc` is a directory, and would be replaced by a file'
    assert_eq "$(wc -l <"$tmp/said")" 1
}
t 'links, pipes and devices in the folder of a machine' links

# This host's programs are what kathara/base is without --image. A script that does not end does not hold the lab.
on_host() {
    printf 'pc1[0]=A\npc1[exec]="false"\npc2[0]=A\npc2[env]=STARTUP_SECONDS=1\n' | fresh
    printf 'sleep 5\necho later >/later\n' >"$lab/pc2.startup"
    cat >"$lab/pc1.startup" <<'END'
f() { false; echo after; }
f
echo $- $0 $# >/how
END
    local said
    said=$(lab up "$lab" 2>&1)
    assert_contains "$said" 'pc1.startup:1: false: ended with 1'
    assert_contains "$said" 'pc2.startup: it still runs after 1 s, and goes on'
    wait_for 10 in_node pc2 test -e /later
    assert_contains "$said" "\`sh -c 'false'\` ended with 1"
    assert_eq "$(in_node pc1 cat /how)" 'hxBE /hostlab/pc1.startup 0'
    lab down home
    assert_fails lab up -q --strict "$lab" 2>/dev/null
    echo 'pc1[image]=kathara/quagga' >>"$lab/lab.conf"
    refused "$lab/lab.conf:1: there is no root directory for image \`kathara/quagga\`; \`--image '*quagga*=host'\` uses this host's programs, \`--image '*quagga*=DIR'\` a root directory"
}
t 'with the programs of this host' on_host
