#!/usr/bin/env bash
# Labs from their files: up, what is in them, restart, a reboot, down; what goes wrong, and what is left behind.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/helpers.sh"

tidy_too() {
    netctr lab down --all >/dev/null 2>&1 || true
}
lab() {
    netctr lab "$@"
}
in_node() { # NODE COMMAND…
    netctr lab exec --topo "$file" "$@"
}
node() { # KEY: of `lab inspect`
    netctr lab inspect --format json "$file" | jq -r "$1"
}
file=$tmp/t.clab.yml
write() { # the file, from stdin; @ROOT@ is a root directory with busybox
    sed "s|@ROOT@|$box|" >"$file"
}

two_lans() {
    file=$top/labs/two-lans.clab.yml
    warm_up
    snapshot
    assert_contains "$(lab up "$file" 2>&1)" 'lab two-lans: 3 nodes, 2 links, up in '
    assert_eq "$(node .state)" up
    assert_eq "$(node '[.nodes[] | select(.state == "running") | .name] | join(" ")')" 'h1 h2 r1'
    in_node h1 ping -c 1 -W 2 10.0.2.10
    # By name, over the management network; and the file's default route comes before its.
    in_node h1 ping -c 1 -W 2 r1
    in_node h1 ping -c 1 -W 2 clab-two-lans-h2
    assert_contains "$(in_node h1 ip route)" 'default via 10.0.1.1 dev eth1'
    assert_contains "$(in_node h1 ip route)" 'proto kernel metric 4278198272'
    assert_eq "$(in_node h1 cat /sys/class/net/eth1/mtu)" 9500
    # Containers like any other.
    assert_contains "$(netctr ps)" clab-two-lans-r1
    assert_contains "$(netctr exec clab-two-lans-r1 hostname)" r1
    assert_contains "$(lab ls)" two-lans
    lab test "$file"
    lab down two-lans
    assert_clean
}
t 'two LANs and a router' two_lans

links_are_up() {
    node '[.nodes[].interfaces[] | .carrier and (.addresses | any(startswith("fe80")))] | all' | grep -q true
}
# Links, addresses and neighbours' links stay; a neighbour loses no packet that is not for the restarted node.
restarts() {
    write <<'END'
name: t
topology:
  defaults: {kind: linux, image: "@ROOT@", cmd: sleep 1000}
  nodes: {a: {}, b: {}, c: {}}
  links:
    - {endpoints: ["a:eth1", "b:eth1"], ipv4: [10.1.0.1/24, 10.1.0.2/24]}
    - {endpoints: ["b:eth2", "c:eth1"], ipv4: [10.2.0.1/24, 10.2.0.2/24]}
END
    lab up -q "$file"
    local before pid
    wait_for 5 links_are_up # the kernel takes a moment
    before=$(node '[.nodes[].interfaces]')
    pid=$(pid_of clab-t-b)
    in_node a ping -c 1 -W 2 10.1.0.2 >/dev/null
    lab restart -n t b
    [ "$(pid_of clab-t-b)" != "$pid" ] || fail 'the program is the same'
    node '[.nodes[].interfaces]' | diff - <(echo "$before")
    in_node a ping -c 1 -W 2 10.1.0.2 >/dev/null
    kill -9 "$(monitor_of clab-t-b)"
    wait_for 5 status_is clab-t-b exited
    node '[.nodes[].interfaces]' | diff - <(echo "$before")
    in_node a ping -c 1 -W 2 10.1.0.2 >/dev/null # the namespace answers, no program is needed
    netctr start clab-t-b >/dev/null
    in_node b true
    lab down t
}
t 'a node restarts, and is killed; links and addresses stay' restarts

everything() {
    mkdir -p "$tmp/conf"
    echo secret >"$tmp/conf/motd"
    write <<'END'
name: t
networks: {front: {subnet: 10.66.0.0/24}}
topology:
  defaults: {kind: linux, image: "@ROOT@", cmd: sleep 1000}
  nodes:
    sw: {kind: bridge}
    a:
      exec:
        - ip addr add 10.3.0.1/24 dev eth1
        - ip address add 10.3.0.1/24 dev eth1
        - sh -c 'echo $HOSTNAME $COLOUR $CLAB_INTFS >/said'
        - nosuchprogram
      env: {COLOUR: red}
      labels: {team: blue}
    b:
      networks: [front]
      files: {/etc/motd: conf/motd}
      binds: ["conf:/conf:ro"]
      ports: ["8099:80"]
      cmd: httpd -f -p 80 -h /conf
      gateway: 10.3.0.1
      sysctls: {net.ipv4.conf.eth1.arp_ignore: 1}
    c: {network-mode: "container:b"}
    d: {network-mode: none, stages: {create: {wait-for: [{node: a, stage: configure}]}}}
  links:
    - endpoints: ["a:eth1", "sw:p1"]
    - {endpoints: ["b:eth1", "sw:p2"], ipv4: [10.3.0.2/24], mtu: 1400}
    - {endpoints: ["d:eth0", "host:lab-t"], ipv4: [10.4.0.2/24]}
END
    local said
    said=$(lab up -v "$file" 2>&1) || fail "$said"
    assert_contains "$said" 'node a: line 10: `ip address add 10.3.0.1/24 dev eth1` ended with 2: '
    assert_contains "$said" 'node a: line 12: `nosuchprogram` ended with 127'
    assert_contains "$said" '; 2 exec lines failed'
    assert_eq "$(in_node a cat /said)" 'a red 1'
    assert_contains "$(in_node a env)" CLAB_LABEL_TEAM=blue
    assert_eq "$(in_node b cat /etc/motd)" secret
    assert_eq "$(in_node b cat /sys/class/net/eth1/mtu) $(in_node b cat /proc/sys/net/ipv4/conf/eth1/arp_ignore)" '1400 1'
    assert_eq "$(curl -s --noproxy '*' http://127.0.0.1:8099/motd)" secret
    assert_contains "$(netctr ps)" '0.0.0.0:8099->80/tcp'
    in_node a ping -c 1 -W 2 10.3.0.2 >/dev/null
    assert_contains "$(in_node c ip addr)" 10.3.0.2
    ip link show lab-t >/dev/null
    # A bridge among the node's own links, and a write that a router's programs need.
    in_node a sh -c 'ip link add br9 type bridge && echo 0 >/proc/sys/net/ipv4/ip_forward'
    # … and not on the host.
    assert_fails in_node a sh -c 'echo 1 >/proc/sys/kernel/sysrq' 2>/dev/null
    lab down t
    ! ip link show lab-t 2>/dev/null || fail 'the link of the host stays'
}
t 'exec, files, binds, ports, networks, stages, links to the host' everything

# Into a directory that is not there; what is in a directory; and in place of what netctr writes itself.
files() {
    mkdir -p "$tmp/conf/opt/a b"
    echo nameserver 192.0.2.53 >"$tmp/conf/resolv"
    echo there >"$tmp/conf/opt/a b/file"
    write <<'END'
name: t
topology:
  nodes:
    a:
      image: "@ROOT@"
      cmd: sleep 1000
      memory: 64m
      files: {/new/and/deep/file: conf/resolv, /: conf/., /etc/resolv.conf: conf/resolv}
END
    lab up -q "$file"
    assert_eq "$(in_node a cat /new/and/deep/file /etc/resolv.conf /resolv | sort -u)" 'nameserver 192.0.2.53'
    assert_eq "$(in_node a cat '/opt/a b/file')" there
    # One limit does not bring another.
    assert_eq "$(netctr inspect clab-t-a | jq -c '[.. | .limits? | objects][0] | [.memory, .cpu_milli]')" '[67108864,0]'
    lab down t
    sed -i 's|conf/\.,|conf,|' "$file"
    assert_fails lab up "$file" 2>"$tmp/said"
    assert_contains "$(cat "$tmp/said")" "would cover the node's whole tree"
    sed -i 's|{/new.*}|{/etc/passwd/x: conf/resolv}|' "$file"
    assert_fails lab up "$file" 2>"$tmp/said"
    assert_eq "$(cat "$tmp/said")" "netctr: node \`a\`: file \`/etc/passwd/x\`: copy to container \`clab-t-a\`: open \`/etc/passwd/x\`: Not a directory"
}
t 'files into new directories, contents, and what netctr writes' files

# `br|r` is a bridge in the namespace of r, whose programs give it an address. Its ports are beside the interfaces of r; what
# shares the network of r, also by another node, sees all of it.
bridge_in_a_node() {
    write <<'END'
name: t
mgmt: {network: lab-m, bridge: lab-m0}
topology:
  defaults: {kind: linux, image: "@ROOT@", cmd: sleep 1000}
  nodes:
    br0|r: {kind: bridge, network-mode: container:r}
    br1|r: {kind: bridge, network-mode: container:r}
    this: {kind: host}
    r: {exec: [ip addr add 10.5.0.1/24 dev br0, ip addr add 10.6.0.1/24 dev br1]}
    a: {gateway: 10.5.0.1}
    b: {gateway: 10.5.0.1}
    c: {gateway: 10.6.0.1}
    side: {network-mode: container:r}
    beside: {network-mode: container:side}
  links:
    - {endpoints: ["a:eth1", "br0|r:p1"], ipv4: [10.5.0.2/24, ""]}
    - {endpoints: ["br0|r:p2", "b:eth1"], ipv4: ["", 10.5.0.3/24]}
    - {endpoints: ["c:eth1", "br1|r:p3"], ipv4: [10.6.0.2/24, ""]}
    - endpoints: ["r:eth1", "this:lab-t"]
tests:
  - a -> b
  - a -> c
  - side -> c
  - {from: a, to: b, not: true, after: "link down br0|r:p1"}
END
    warm_up
    snapshot
    assert_contains "$(lab up "$file" 2>&1)" 'lab t: 6 nodes, 2 switches, 4 links, up in'
    assert_contains "$(in_node r ip link show dev br0)" 'UP,LOWER_UP'
    assert_contains "$(in_node r ip link show dev p1)" 'master br0 '
    assert_contains "$(in_node r ip link show dev p3)" 'master br1 '
    assert_eq "$(in_node beside readlink /proc/self/ns/net)" "$(in_node r readlink /proc/self/ns/net)"
    ip link show lab-t >/dev/null
    assert_contains "$(ip -o link show master lab-m0 | wc -l)" 4
    assert_error 'netctr: node `br0|r` is a switch: no program can run in it' 125 netctr lab exec -n t 'br0|r' true
    lab test t
    lab save t >"$tmp/now.clab.yml"
    lab down t
    assert_clean
    lab up -q "$tmp/now.clab.yml"
    lab test t
    lab restart -n t r
    in_node a ping -c 1 -W 2 10.6.0.2
    lab down t
    assert_clean
}
t 'a bridge inside a node; a node in the network of one that is in another'\''s' bridge_in_a_node

after_a_reboot() {
    write <<'END'
name: t
topology:
  defaults: {kind: linux, image: "@ROOT@", cmd: sleep 1000}
  nodes: {a: {}, b: {}}
  links:
    - {endpoints: ["a:eth1", "b:eth1"], ipv4: [10.1.0.1/24, 10.1.0.2/24]}
END
    lab up -q "$file"
    in_node a sh -c 'echo kept >/kept'
    # What a reboot leaves: definitions, no process, no namespace, no RUN.
    local pid
    for pid in $(pgrep -f '^netctr:' || true) $(monitor_of clab-t-a) $(monitor_of clab-t-b); do kill -9 "$pid" 2>/dev/null || true; done
    wait_for 10 status_is clab-t-a exited
    netctr gc >/dev/null
    for pid in $(netctr lab inspect --format json t | jq -r '.nodes[].sandbox'); do
        "$top/${NETCTR_BUILD:-build}/tests/sandboxes" "$state" "$run_state" destroy "$pid"
    done
    assert_eq "$(node .state)" down
    lab up -q "$file"
    assert_eq "$(in_node a cat /kept)" kept
    in_node a ping -c 1 -W 2 10.1.0.2 >/dev/null
    lab down t
}
t 'a lab whose namespaces are gone is taken up again' after_a_reboot

two_of_one_file() {
    write <<'END'
name: t
topology:
  defaults: {kind: linux, image: "@ROOT@", cmd: sleep 1000}
  nodes: {a: {}, b: {}}
  links:
    - {endpoints: ["a:eth1", "b:eth1"], ipv4: [10.1.0.1/24, 10.1.0.2/24]}
END
    warm_up
    snapshot
    lab up -q "$file"
    lab up -q --name other "$file"
    netctr exec clab-other-a ping -c 1 -W 2 10.1.0.2 >/dev/null
    netctr exec clab-t-a ping -c 1 -W 2 10.1.0.2 >/dev/null
    assert_error 'netctr: lab `t` is up already; `netctr lab apply` makes it what the file says, `netctr lab up --reconfigure` takes it down first' 125 netctr lab up "$file"
    lab up -q --reconfigure "$file"
    lab down t
    netctr exec clab-other-a ping -c 1 -W 2 10.1.0.2 >/dev/null
    lab down other
    assert_clean
}
t 'two labs of one file, and one that is up already' two_of_one_file

# Whatever fails, nothing of the lab stays.
fails_half_way() {
    warm_up
    snapshot
    write <<'END'
name: t
topology:
  defaults: {kind: linux, image: "@ROOT@", cmd: sleep 1000}
  nodes: {a: {}, b: {gateway: 10.9.9.9}}
  links:
    - {endpoints: ["a:eth1", "b:eth1"], ipv4: [10.1.0.1/24, 10.1.0.2/24]}
END
    assert_error 'netctr: node `b`: gateway 10.9.9.9 is not in the subnet of any of its links' 125 netctr lab up "$file"
    assert_clean
    sed -i 's/gateway: 10.9.9.9/cmd: \/nosuch/' "$file"
    assert_status 127 netctr lab up "$file" 2>/dev/null
    assert_clean
    netctr create --name clab-t-b "$box" true >/dev/null
    assert_error 'netctr: node `b`: there is a container `clab-t-b` already; `netctr rm -f clab-t-b` removes it' 125 \
        netctr lab up "$file"
    netctr rm clab-t-b >/dev/null
    sed -i 's|image: "[^"]*"|image: quay.io/x/frr:1|' "$file"
    assert_contains "$(netctr lab up "$file" 2>&1)" "there is no root directory for image \`quay.io/x/frr:1\`; \`--image '*frr*=host'\`"
    assert_error 'netctr: there is no lab `t`; `netctr lab ls` lists the labs' 125 netctr lab down t
    assert_clean
}
t 'what fails leaves nothing' fails_half_way

interrupted() {
    write <<'END'
name: t
topology:
  defaults: {kind: linux, image: "@ROOT@", cmd: sleep 1000}
  nodes: {a: {exec: [sleep 60]}, b: {}}
  links:
    - {endpoints: ["a:eth1", "b:eth1"]}
END
    warm_up
    snapshot
    netctr lab up "$file" >"$tmp/said" 2>&1 &
    local pid=$!
    wait_for 5 status_is clab-t-a running
    kill -INT $pid
    wait $pid && fail 'it succeeded' || assert_eq $? 130
    assert_contains "$(cat "$tmp/said")" interrupted
    assert_clean
}
t '^C takes down what there is' interrupted

saves() {
    file=$top/labs/two-lans.clab.yml
    lab up -q "$file"
    in_node r1 ip addr add 10.0.3.1/24 dev eth2
    in_node r1 ip route add 10.5.0.0/16 via 10.0.2.10
    lab save two-lans >"$tmp/now.clab.yml"
    lab down two-lans
    lab up -q "$tmp/now.clab.yml"
    assert_contains "$(in_node r1 ip route)" '10.5.0.0/16 via 10.0.2.10'
    assert_contains "$(in_node r1 ip addr)" 10.0.3.1/24
    lab save two-lans >"$tmp/again.clab.yml"
    cmp "$tmp/now.clab.yml" "$tmp/again.clab.yml"
    lab down two-lans
}
t 'what save prints comes up the same' saves

# Root in a node is nothing on the host: not by the peer's namespace of its link, not by the host's files.
out_of_reach() {
    file=$top/labs/two-lans.clab.yml
    mount -t tmpfs none /usr/local/share
    echo open >/usr/local/share/open
    (umask 077 && echo secret >/usr/local/share/secret)
    lab up -q "$file"
    # Programs of the host keep the host's ids: root in the node is none of them.
    assert_eq "$(in_node h1 cat /usr/local/share/open)" open
    assert_fails in_node h1 cat /usr/local/share/secret 2>/dev/null
    assert_fails in_node h1 touch /usr/local/share/open 2>/dev/null
    # A link leads to the namespace of its peer by an id, and the management interface to the host's; nothing can be done
    # there (the second of the attacks that user namespaces end).
    local said what
    netctr cp "$top/${NETCTR_BUILD:-build}/tests/attack" clab-two-lans-h1:/attack
    for what in 'get lo' 'bridge evil' 'del eth1'; do
        said=$(in_node h1 /attack link $what 2>&1) || true
        case $said in *EPERM* | *EACCES*) ;; *) fail "$what: $said" ;; esac
    done
    assert_fails in_node h1 touch /usr/evil 2>/dev/null
    assert_fails in_node h1 cat /etc/shadow 2>/dev/null
    assert_fails in_node h1 ls /etc/ssh /root/.ssh 2>/dev/null
    in_node h1 touch /etc/mine
    [ ! -e /etc/mine ] || fail 'a node wrote to the host'
    assert_fails in_node h2 ls /etc/mine 2>/dev/null
    assert_contains "$(in_node h1 cat /proc/self/uid_map | tr -s ' ')" ' 65536'
    assert_fails in_node h1 mount -t cgroup none /mnt 2>/dev/null
    lab down two-lans
    umount /usr/local/share
}
t 'root in a node has no power over the host' out_of_reach

# `ip` does not say what is missing.
names_what_the_kernel_lacks() {
    local file=$tmp/lacks.clab.yml said lacks=no
    cat >"$file" <<'END'
name: lacks
topology:
  nodes:
    a: {kind: linux, image: host, exec: [ip link add br9 type bridge vlan_filtering 1]}
END
    unshare -n ip link add b type bridge vlan_filtering 1 2>/dev/null || lacks=yes
    said=$(lab up "$file" 2>&1) || fail "$said"
    if [ $lacks = yes ]; then
        assert_contains "$said" '(this kernel has no VLAN filtering on bridges)'
    else
        assert_lacks "$said" 'this kernel has no'
    fi
    lab down lacks >/dev/null
}
t 'a line fails for want of a feature of the kernel: it is named' names_what_the_kernel_lacks

# Each node of a link takes descriptors while links are made or shown: not of all nodes at once.
few_descriptors() {
    local i
    warm_up
    snapshot
    {
        printf 'name: t\nmgmt: false\ntopology:\n  nodes:\n'
        for i in {1..80}; do echo "    s$i: {kind: bridge}"; done
        printf '  links:\n'
        for i in {2..80}; do echo "    - endpoints: [s1:p$i, s$i:p1]"; done
    } >"$file"
    (
        ulimit -n 150
        lab up -q "$file"
        assert_eq "$(lab link ls --topo "$file" | grep -c ' up ')" 158
    )
    lab down t >/dev/null
    assert_clean
}
t 'a lab has more nodes than the process may have descriptors' few_descriptors
