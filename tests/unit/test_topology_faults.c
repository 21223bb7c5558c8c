/* Lab topologies that are wrong: each fault with its place, all at once; and hostile ones, which cost little. */
#include "topology.h"

#include <time.h>

#define NODE(keys) \
    "name: x\ntopology:\n  nodes:\n    a: {" keys "}\n    b:\n    sw: {kind: bridge}\n"
#define BOTH(keys, rest) NODE(keys) rest

/* Without the file's name, which each line begins with. */
static const struct {
    const char *text, *faults;
} cases[] = {
    {"", "1:1: the file is empty; a lab has `name` and `topology`"},
    {"# nothing\n", "1:1: the file is empty; a lab has `name` and `topology`"},
    {"[]", "1:1: a lab's file must be a map; write KEY: VALUE"},
    {"a", "1:1: a lab's file must be a map; write KEY: VALUE"},
    {"name: x\n  y: z\n",
     "2:4: this is not YAML: mapping values are not allowed in this context; check indentation, quotes and brackets"},
    {"name: [x\n",
     "2:1: this is not YAML: while parsing a flow sequence, did not find expected ',' or ']'; check indentation, quotes and brackets"},
    {"name: x\n---\nname: y\n",
     "2:1: the file has a second document; put each lab into a file of its own"},
    {"name: x\nname: y\ntopology: {nodes: {}}\n",
     "2:1: key `name` is given twice, first in line 1; remove one"},
    {"topology: {nodes: {a: }}\n", "1:1: the lab has no name; add `name: NAME`"},
    {"name: x\n", "1:1: the lab has no `topology`; add it, with `nodes` below it"},
    {"name: x\ntopology:\n", "1:1: the lab has no `topology`; add it, with `nodes` below it"},
    {"name: x\ntopology: {nodes: }\n", "2:11: the topology has no `nodes`; add them"},
    {"name: a/b\ntopology: {nodes: {a: }}\n", "1:7: `a/b` is not a name for a lab; use " NAME_RULE},
    {"name: x\nprefix: 'a b'\ntopology: {nodes: {a: }}\n",
     "2:9: `a b` is not a prefix for names; use " NAME_RULE},
    {"name: x\nnodes: {a: }\n", "2:1: `nodes` belongs below `topology`; move it there"},
    {"name: x\ntopology: {nodes: {a: }, mgmt: {}}\n",
     "2:26: `mgmt` does not belong below `topology`; move it to the left margin"},
    {"name: x\ntopolgy: {}\n",
     "2:1: unknown key `topolgy` of a lab's file; did you mean `topology`?"},
    {"name: x\ntopology: {nodes: [a]}\n", "2:19: `nodes` takes a map of maps; correct it"},
    {"name: x\ntopology: {nodes: {a: b}}\n", "2:23: node `a` must be a map; write KEY: VALUE"},
    {"name: x\ntopology: {nodes: {a: }, links: {}}\n",
     "2:33: `links` takes a list of maps; correct it"},
    {"name: {{ .name }}\ntopology: {}\n",
     "1:7: `{{` is a Go template, which netctr does not render; render it first"},
    {"{{ range .x }}\nname: x\n",
     "1:1: `{{` is a Go template, which netctr does not render; render it first"},
    {"name: x\ntopology:\n  nodes:\n    {{ .node }}:\n      kind: linux\n",
     "4:5: `{{` is a Go template, which netctr does not render; render it first"},
    {"name: x\ntopology: {nodes: {a: *nothing}}\n",
     "2:23: alias `*nothing` has no anchor; write `&nothing` before it in the file"},
    {"name: x\ntopology: {nodes: {a: {<<: 1}}}\n",
     "2:24: `<<` takes a map or a list of maps; give it an alias of one"},
    {"name: \"a\\0b\"\ntopology: {nodes: {a: }}\n",
     "1:7: this text has a NUL character; remove it"},
    {"name: x\ntopology: {nodes: {? [a] : b}}\n", "2:22: a key must be a text; quote it"},
    {NODE("}\n    a/b: {"), "5:5: node `a/b` is named like a path; choose a name without `/`"},
    {NODE("}\n    '': {"), "5:5: node `` is named like a path; choose a name without `/`"},
    {NODE("}\n    'br|a': {kind: bridge"),
     "5:5: `br|a` is a bridge inside node `a`; give it `network-mode: container:a`"},
    {NODE("}\n    'br|a': {kind: bridge, network-mode: 'container:b'"),
     "5:42: `br|a` is a bridge inside node `a`; give it `network-mode: container:a`"},
    {NODE("}\n    'br|a': {network-mode: 'container:a'"),
     "5:5: `br|a` is a name for a bridge inside a node; write kind: bridge"},
    {NODE("}\n    'br|c': {kind: bridge, network-mode: 'container:c'"),
     "5:5: there is no node `c`; add it to `nodes`, or correct the name"},
    {NODE("}\n    'br|sw': {kind: bridge, network-mode: 'container:sw'"),
     "5:5: `sw` is a switch, so no bridge can be inside it; name a linux node"},
    {NODE("network-mode: host}\n    'br|a': {kind: bridge, network-mode: 'container:a'"),
     "5:5: node `a` has the network of the host, so no bridge can be inside it; name another node"},
    {NODE("network-mode: 'container:b'}\n    'br|a': {kind: bridge, network-mode: 'container:a'"),
     "5:5: node `a` has the network of `b`; put the bridge into that one: `br|b`"},
    {NODE("}\n    'sixteen-letters-|a': {kind: bridge, network-mode: 'container:a'"),
     "5:5: `sixteen-letters-` is not a name for a bridge inside a node; use at most 15 characters"},
    {NODE("}\n    'eth0|a': {kind: bridge, network-mode: 'container:a'"),
     "5:5: `eth0` of node `a` is on the management network; use eth1, or network-mode: none"},
    {NODE("}\n    -a: {"), "5:5: `-a` is not a name for a node; use " NAME_RULE},
    {NODE("}\n    nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn: {"),
     "5:5: the container `clab-x-nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn` would have a name of 67 characters; 63 are possible, shorten the node's or the lab's name"},
    {NODE("kind: nokia_srlinux"),
     "4:15: kind `nokia_srlinux` is not run by netctr; only linux and bridge are run"},
    {NODE("kind: linx"), "4:15: kind `linx` is not run by netctr; did you mean `linux`?"},
    {NODE("kind: ovs-bridge"),
     "4:15: kind `ovs-bridge` needs Open vSwitch, which netctr does not run; use --ovs-as-bridge to run it as a plain switch"},
    {NODE("kind: k8s-kind"),
     "4:15: kind `k8s-kind` is a container of another tool; only linux and bridge are run, remove it"},
    {NODE("}\n    s2: {kind: bridge, ports: ['80:80']"),
     "5:24: a bridge runs no program, so it has no `ports`; remove them"},
    {NODE("}\n    s2: {kind: bridge, network-mode: none"),
     "5:24: a bridge has no `network-mode`, unless it is inside a node; write it as `BRIDGE|NODE: {kind: bridge, network-mode: container:NODE}`"},
    {NODE("imge: x"), "4:9: unknown key `imge` of a node; did you mean `image`?"},
    {NODE("foo: x"), "4:9: unknown key `foo` of a node; remove it"},
    {NODE("image: ''"), "4:16: `image` is empty; name an image, write `host`, or remove it"},
    {NODE("env-files: ['']"), "4:21: this entry of `env-files` is empty; name a file"},
    {NODE("image: [x]"), "4:16: `image` takes one text; correct it"},
    {NODE("env: [A=b]"), "4:14: `env` takes a map of texts (NAME: VALUE); correct it"},
    {NODE("env: {A: [b]}"), "4:14: `env` takes a map of texts (NAME: VALUE); correct it"},
    {NODE("tty: maybe"), "4:14: `tty` takes true or false; correct it"},
    {NODE("exec: {a: b}"), "4:15: `exec` takes a list of texts; correct it"},
    {NODE("exec: ['echo \"a']"),
     "4:16: the quote \" is not closed in `echo \"a`; add what is missing"},
    {NODE("exec: ['']"), "4:16: this line of `exec` is empty; remove it"},
    {NODE("cmd: \"'\""), "4:14: the quote ' is not closed in `'`; add what is missing"},
    {NODE("binds: [/a]"), "4:17: `/a` is not a bind; write SOURCE:TARGET or SOURCE:TARGET:ro"},
    {NODE("binds: ['a:b']"), "4:17: `b` is not an absolute path in the node; begin it with `/`"},
    {NODE("binds: ['a:/']"), "4:17: `/` would cover the node's whole tree; name a path below it"},
    {NODE("binds: ['a:/b:rx']"), "4:17: bind option `rx` is unknown; write ro or rw"},
    {NODE("files: {/a: }"), "4:21: file `/a` has no source; write TARGET: SOURCE"},
    {NODE("files: {a: b}"), "4:17: `a` is not an absolute path in the node; begin it with `/`"},
    {NODE("env: {A=b: c}"), "4:15: `A=b` is not the name of a variable; remove the `=`"},
    {NODE("user: 'a b'"), "4:15: `a b` is not a user; write NAME, UID or USER:GROUP"},
    {NODE("ports: [a]"), "4:17: publish `a`: `a` is not a port (1-65535) or a range of ports"},
    {NODE("ports: ['70000:80']"),
     "4:17: publish `70000:80`: `70000` is not a port (1-65535) or a range of ports"},
    {NODE("mgmt-ipv4: 10.0.0.300"),
     "4:20: `10.0.0.300` is not an IPv4 address; write one without a prefix"},
    {NODE("mgmt-ipv6: 10.0.0.3"),
     "4:20: `10.0.0.3` is not an IPv6 address; write one without a prefix"},
    {NODE("network-mode: non"),
     "4:23: network-mode `non` is unknown; write none, host, bridge or container:NAME"},
    {NODE("network-mode: macvlan"),
     "4:23: network-mode `macvlan` is unknown; write none, host, bridge or container:NAME"},
    {NODE("network-mode: 'container:'"),
     "4:23: network-mode `container:` is unknown; write none, host, bridge or container:NAME"},
    {NODE("network-mode: 'container:a'"),
     "4:23: node `a` cannot have its own network from itself; name another node"},
    {NODE("network-mode: 'container:sw'"),
     "4:23: `sw` is a switch, whose network no program can have; name a linux node"},
    {NODE("networks: [front]"),
     "4:20: there is no network `front` in this file; add it to `networks`"},
    {NODE("networks: ['a:ip=x']"), "4:20: network `a`: `x` is not an address"},
    {NODE("gateway: x"), "4:18: gateway `x` is not an address; write the router's"},
    {NODE("sysctls: {net.ipv4.ip_forward: }"),
     "4:40: sysctl `net.ipv4.ip_forward` needs a value of one line; give it one"},
    {NODE("sysctls: {kernel.pid_max: 1}"),
     "4:19: sysctl `kernel.pid_max` is not a node's own; set it on the host, or remove it"},
    {NODE("sysctls: {'a b': 1}"),
     "4:19: `a b` is not the name of a sysctl; write it as in net.ipv4.ip_forward"},
    {NODE("cap-add: [NET_ADMN]"), "4:19: unknown capability `NET_ADMN`; did you mean NET_ADMIN?"},
    {NODE("memory: lots"), "4:17: memory `lots` is not a size; write it as in 512m or 1g"},
    {NODE("memory: 1m"), "4:17: memory `1m` is less than 6m, the least for a node; give it more"},
    {NODE("cpu: -1"), "4:14: cpu `-1` is not a number of processors; write it as in 0.5 or 2"},
    {NODE("cpu-set: 2-1"), "4:18: cpu-set `2-1` is not a list of processors; write it as in 0-2,5"},
    {NODE("dns: {servers: [x]}"), "4:25: DNS server `x` is not an address; write one"},
    {NODE("dns: {search: ['a b']}"), "4:24: search domain `a b` is not a domain; correct it"},
    {NODE("dns: {server: x}"), "4:15: unknown key `server` of `dns`; did you mean `servers`?"},
    {NODE("aliases: ['a b']"), "4:19: alias `a b` is not a name; use " NAME_RULE},
    {NODE("hostname: a_b!"),
     "4:19: hostname `a_b!` is not a host's name; use letters, digits, `-` and dots, at most 63"},
    {NODE("startup-delay: soon"),
     "4:24: startup-delay `soon` is not a time; write seconds, or a unit as in 500ms, 10s, 2m"},
    {NODE("startup-delay: 2000000"),
     "4:24: startup-delay `2000000` is more than a day; choose a shorter time"},
    {NODE("restart-policy: alway"),
     "4:25: unknown restart policy `alway`; no, on-failure[:N], always or unless-stopped"},
    {NODE("healthcheck: {interval: 1}"),
     "4:22: this health check has no `test`; add test: [CMD, PROGRAM, ARG…]"},
    {NODE("healthcheck: {test: [ls]}"),
     "4:29: `test` of a health check is not a command; write [CMD, PROGRAM, ARG…], [CMD-SHELL, LINE] or [NONE]"},
    {NODE("healthcheck: {test: [CMD, ls], retries: 0}"),
     "4:49: retries `0` is not a number from 1 to 100000; correct it"},
    {NODE("stages: {creat: {}}"), "4:18: unknown key `creat` of `stages`; did you mean `create`?"},
    {NODE("stages: {create: {wait-for: [{node: bb, stage: healthy}]}}"),
     "4:38: there is no node `bb`; add it to `nodes`, or correct the name"},
    {NODE("stages: {create: {wait-for: [{node: b, stage: health}]}}"),
     "4:55: `health` is not a value of `stage`; did you mean `healthy`?"},
    {NODE("stages: {create: {wait-for: [{node: b}]}}"),
     "4:38: this entry of `wait-for` has no stage; write {node: NAME, stage: STAGE}"},
    {NODE("stages: {create: {wait-for: [{node: sw, stage: create}]}}"),
     "4:38: `sw` is a switch, which has no stages; it exists before all programs, remove it"},
    {NODE("stages: {create: {wait-for: [{node: a, stage: create}]}}"),
     "4:38: node `a` waits for itself; remove it"},
    {NODE("stages: {create: {exec: [{target: host}]}}"),
     "4:34: this entry of `exec` has no command; write {command: LINE}"},
    {NODE("stages: {create: {exec: [{command: ls, target: hst}]}}"),
     "4:56: `hst` is not a value of `target`; write one of: container, host"},
    {NODE(
         "wait-for: [c]}\n    c: {wait-for: [d]}\n    d: {stages: {create: {wait-for: [{node: a, stage: configure}]}}"),
     "4:20: these nodes wait for each other: a → c → d → a; remove one of the waits"},
    {NODE("network-mode: 'container:c'}\n    c: {network-mode: 'container:a'"),
     "5:23: these nodes wait for each other: a → c → a; remove one of the waits"},
    {NODE("startup-config: '~root/x', binds: ['x:/y:ro:z']"),
     "4:44: `x:/y:ro:z` is not a bind; write SOURCE:TARGET or SOURCE:TARGET:ro"},
    {NODE("extras: {frr: {daemons: {a: b}}}"), "4:33: `daemons` takes a list of texts; correct it"},
    {NODE("network-mode: 'container:b', ports: ['80:80'], mgmt-ipv4: 172.20.20.3"),
     "4:45: node `a` has the network of `b`, so it has no ports of its own; publish them there\n4:67: node `a` is not on the management network; remove the address"},
    {NODE("network-mode: host, networks: [n]"),
     "4:40: node `a` has a network-mode, so it cannot have `networks`; remove one of the two\n4:40: there is no network `n` in this file; add it to `networks`"},
    {NODE("ports: ['80:80']}\n    c: {ports: ['127.0.0.1:80:81']"),
     "5:17: port 80 of the host is published by node `a`, too; change one"},
    {NODE("ports: ['80:80']}\n    c: {ports: ['80:80/udp']}\n    d: {ports: ['81:80'], foo: "),
     "6:27: unknown key `foo` of a node; remove it"},
    {"mgmt: {ipv4-subnet: 10.0.0.1/24}\n" NODE(""),
     "1:21: subnet `10.0.0.1/24` has host bits set: the network is 10.0.0.0/24"},
    {"mgmt: {ipv4-subnet: 10.0.0.0/24, ipv4-gw: 10.0.1.1}\n" NODE(""),
     "1:7: gateway `10.0.1.1` is not a host's address in 10.0.0.0/24; choose one there"},
    {"mgmt: {ipv4-subnet: 10.0.0.0/24, ipv4-range: 10.0.1.0/25}\n" NODE(""),
     "1:7: range 10.0.1.0/25 is not in the management network's prefix; correct one"},
    {"mgmt: {ipv4-subnet: 10.0.0.0/24}\n" NODE("mgmt-ipv4: 10.0.1.5"),
     "5:20: address 10.0.1.5 is not in 10.0.0.0/24, the prefix of the management network; choose one there"},
    {"mgmt: {ipv4-subnet: 10.0.0.0/24}\n" NODE("mgmt-ipv4: 10.0.0.1"),
     "5:20: address 10.0.0.1 is the management network's gateway; choose another one"},
    {"mgmt: {ipv4-subnet: 10.0.0.0/24}\n" NODE("mgmt-ipv4: 10.0.0.255"),
     "5:20: address 10.0.0.255 is not a host's in 10.0.0.0/24; choose another one"},
    {NODE("mgmt-ipv4: 172.20.20.5}\n    c: {mgmt-ipv4: 172.20.20.5"),
     "5:20: address 172.20.20.5 is that of node `a`, too; change one"},
    {"mgmt: false\n" NODE("mgmt-ipv4: 172.20.20.5"),
     "5:20: the lab has no management network (`mgmt: false`); remove the address"},
    {"mgmt: {mtu: 10, bridge: averyveryverylongname, network: 'a b'}\n" NODE(""),
     "1:13: mtu `10` is not a number from 68 to 65535; correct it\n1:25: `averyveryverylongname` is not a name for a bridge; use at most 15 characters\n1:57: `a b` is not a name for a network; use " NAME_RULE},
    {"mgmt: [a]\n" NODE(""), "1:7: `mgmt` takes a map, or false; correct it"},
    {"mgmt: {ipv6-subnet: 10.0.0.0/24}\n" NODE(""),
     "1:21: `10.0.0.0/24` is not an IPv6 prefix; write one"},
    {"networks: {a/b: , c: {subnet: 10.0.0.0/24, gateway: 10.0.1.1}, d: {subnet: 10.0.0.0/25}, e: {subnets: x}}\n" NODE(
         ""),
     "1:12: `a/b` is not a name for a network; use " NAME_RULE
     "\n1:19: gateway `10.0.1.1` is not a host's address in 10.0.0.0/24; choose one there\n1:64: prefix 10.0.0.0/25 of network `d` overlaps 10.0.0.0/24 of `c`; change one\n1:94: unknown key `subnets` of a network; did you mean `subnet`?"},
    {"networks: {n: {subnet: 10.0.0.0/24}, m: }\n" NODE(
         "networks: ['n:ip=10.0.1.1', n]}\n    c: {networks: ['n:ip=10.0.0.7', 'm:ip=10.1.0.1']}\n    d: {networks: ['n:ip=10.0.0.7']"),
     "5:20: address 10.0.1.1 is not a host's in a `subnet` of network `n`; correct one\n"
     "5:37: network `n` is given twice for this node; remove one\n"
     "6:37: address 10.1.0.1 is not a host's in a `subnet` of network `m`; correct one\n"
     "7:20: address 10.0.0.7 is that of node `c`, too; change one"},
    {"networks: {front: {}}\n" NODE("networks: [frnt]"),
     "5:20: there is no network `frnt` in this file; did you mean `front`?"},
    {"networks: {c: {subnet: [10.0.0.0/24, 10.1.0.0/24], gateway: 'fd00::1', icc: perhaps}}\n" NODE(
         ""),
     "1:12: gateway `fd00::1` has no prefix of its family; give the prefix too\n1:38: `10.1.0.0/24` is a second prefix of its family; remove one\n1:77: `icc` takes true or false; correct it"},
    {BOTH("", "  links:\n    - {}\n"),
     "8:7: a link has two endpoints, this one has 0; write [NODE:INTERFACE, NODE:INTERFACE]"},
    {BOTH("", "  links:\n    - a:eth1\n"),
     "8:7: a link must be a map; write {endpoints: [NODE:INTERFACE, NODE:INTERFACE]}"},
    {BOTH("", "  links:\n    - {endpoints: [a:eth1]}\n"),
     "8:19: a link has two endpoints, this one has 1; write [NODE:INTERFACE, NODE:INTERFACE]"},
    {BOTH("", "  links:\n    - {endpoints: [a, b:eth1]}\n"),
     "8:20: endpoint `a` is not NODE:INTERFACE; write it as in h1:eth1"},
    {BOTH("", "  links:\n    - {endpoints: ['a:eth1:2', b:eth1]}\n"),
     "8:20: endpoint `a:eth1:2` is not NODE:INTERFACE; write it as in h1:eth1"},
    {BOTH("", "  links:\n    - {endpoints: [a:eth1, bb:eth1]}\n"),
     "8:28: there is no node `bb`; add it to `nodes`, or correct the name"},
    {BOTH("", "  links:\n    - {endpoints: [a:eth1, 'vxlan:x']}\n"),
     "8:28: links of type `vxlan` are not made by netctr; remove it"},
    {BOTH("", "  links:\n    - {endpoints: [a:eth1, a:eth1]}\n"),
     "8:28: interface `eth1` of node `a` has a link already, in line 8; choose another name"},
    {BOTH("",
          "  links:\n    - {endpoints: [a:eth1, b:eth1]}\n    - {endpoints: [sw:p1, b:eth1]}\n"),
     "9:27: interface `eth1` of node `b` has a link already, in line 8; choose another name"},
    {BOTH("", "  links:\n    - {endpoints: [a:eth0, b:eth1]}\n"),
     "8:20: `eth0` of node `a` is on the management network; use eth1, or network-mode: none"},
    {BOTH("", "  links:\n    - {endpoints: [a:averyveryverylong, b:lo]}\n"),
     "8:20: interface `averyveryverylong` has 17 characters; the kernel takes at most 15, shorten it\n8:41: `lo` is not a name for an interface; write it as in eth1"},
    {BOTH("", "  links:\n    - {endpoints: [a:eth1, b:e/h]}\n"),
     "8:28: `e/h` is not a name for an interface; write it as in eth1"},
    {BOTH("", "  links:\n    - {endpoints: [a:eth1, sw:p1], ipv4: [10.0.0.1/24, 10.0.0.2/24]}\n"),
     "8:56: `sw` is a switch, whose ports have no addresses; write \"\" for its end"},
    {BOTH("", "  links:\n    - {endpoints: [a:eth1, b:eth1], ipv4: 10.0.0.1/24}\n"),
     "8:43: `ipv4` of a link takes one or two addresses, the first end's first; write \"\" for none"},
    {BOTH("", "  links:\n    - {endpoints: [a:eth1, b:eth1], ipv4: [10.0.0.1, fd00::1/64]}\n"),
     "8:44: address `10.0.0.1` has no prefix; write 10.0.0.1/24\n8:54: `fd00::1/64` is not an IPv4 address; write it below `ipv6`"},
    {BOTH("", "  links:\n    - {endpoints: [a:eth1, b:eth1], ipv4: [10.0.0.1/33, x]}\n"),
     "8:44: address `10.0.0.1/33` has a wrong prefix; 1 to 32 is possible\n8:57: `x` is not an address; write ADDRESS/PREFIX, as in 10.0.0.1/24"},
    {BOTH("", "  links:\n    - {endpoints: [a:eth1, b:eth1], mtu: 5}\n"),
     "8:42: mtu `5` is not a number from 68 to 65535; correct it"},
    {BOTH("", "  links:\n    - {endpoints: [a:eth1, b:eth1], delay: 20, loss: 101%, rate: fast}\n"),
     "8:44: delay `20` is not a time with a unit; write it as in 20ms, 1.5s or 100us\n8:54: loss `101%` is not a part of 100%; write it as in 1% or 0.5%\n8:66: rate `fast` is not a rate from 8kbit on; write it as in 500kbit or 10mbit"},
    {BOTH("",
          "  links:\n    - {endpoints: [a:eth1, b:eth1], delay: 2m, jitter: 1ms, reorder: 5%}\n"),
     "8:44: delay `2m` is more than a minute; choose a shorter time"},
    {BOTH("", "  links:\n    - {endpoints: [a:eth1, b:eth1], vlan: 10}\n"),
     "8:7: `vlan` and `trunk` are of a switch's port, and no end of this link is a switch (`kind: bridge`); remove them"},
    {BOTH(
         "",
         "  links:\n    - {endpoints: [a:eth1, sw:p1], vlan: 0, trunk: [5, 4095, 9-7, x, 5, 3-5]}\n"),
     "8:42: vlan `0` is not a number from 1 to 4094; correct it\n"
     "8:56: `4095` is not a VLAN, a number from 1 to 4094; write [10, 20] or [10-19]\n"
     "8:62: `9-7` is not a VLAN, a number from 1 to 4094; write [10, 20] or [10-19]\n"
     "8:67: `x` is not a VLAN, a number from 1 to 4094; write [10, 20] or [10-19]\n"
     "8:70: VLAN 5 is in `trunk` twice; remove one\n"
     "8:73: VLAN 5 is in `trunk` twice; remove one"},
    {BOTH("", "  links:\n    - {endpoints: [a:eth1, sw:p1], vlan: 7, trunk: 6-8}\n"),
     "8:7: VLAN 7 is in `vlan` and in `trunk`; remove one"},
    {BOTH("", "  links:\n    - {endpoints: [a:eth1, b:eth1], delay: 1ms, jitter: 2ms}\n"),
     "8:7: `jitter` is more than `delay`; choose less"},
    {BOTH("", "  links:\n    - {type: vxlan, endpoint: {node: a, interface: eth1}}\n"),
     "8:7: links of type `vxlan` are not made by netctr; remove the link"},
    {BOTH("", "  links:\n    - {type: hots, endpoint: {node: a, interface: eth1}}\n"),
     "8:7: links of type `hots` are not made by netctr; did you mean `host`?"},
    {BOTH("", "  links:\n    - {type: host, endpoint: {node: a, interface: eth1}}\n"),
     "8:7: a link of type `host` needs `host-interface`; add it"},
    {BOTH("", "  links:\n    - {type: host, host-interface: h}\n"),
     "8:7: this link has no `endpoint`; add {node: NODE, interface: INTERFACE}"},
    {BOTH("", "  links:\n    - {endpoints: [{node: a}, b:eth1]}\n"),
     "8:20: this endpoint names no node and interface; write NODE:INTERFACE, or {node: NODE, interface: INTERFACE}"},
    {BOTH(
         "",
         "  links:\n    - {endpoints: [{node: a, interface: eth1, mac: 01:00:00:00:00:00}, b:eth1]}\n"),
     "8:52: `01:00:00:00:00:00` is not a MAC address of a host; write it as in 02:00:00:00:00:01"},
    {BOTH("", "  links:\n    - {endpoints: ['host:a', 'mgmt-net:b']}\n"),
     "8:7: no end of this link is in a node; name one"},
    {BOTH("}\n    'br|a': {kind: bridge, network-mode: 'container:a'",
          "  links:\n    - {endpoints: ['br|a:p', b:eth1]}\n    - {endpoints: [a:p, b:eth2]}\n"),
     "10:20: interface `p` of node `a` has a link already, in line 9; choose another name"},
    {BOTH(
         "}\n    'br|a': {kind: bridge, network-mode: 'container:a'",
         "  links:\n    - {endpoints: [a:br, b:eth1]}\n    - {endpoints: ['br|a:eth0', b:eth2]}\n"),
     "9:20: interface `br` of node `a` is a bridge already, in line 5; choose another name\n10:20: `eth0` of node `a` is on the management network; use eth1, or network-mode: none"},
    {BOTH(
         "",
         "  links:\n    - {endpoints: [a:eth1, 'host:x']}\n    - {endpoints: [b:eth1, 'host:x']}\n"),
     "9:28: interface `x` of the host has a link already, in line 8; choose another name"},
    {BOTH("network-mode: 'container:b'", "  links: [{endpoints: [a:eth1, sw:p]}]\n"),
     "7:24: node `a` has the network of `b`, so it has no links of its own; remove the link or its network-mode"},
    {"networks: {n: }\n" BOTH(
         "networks: [n]", "  links: [{endpoints: [a:eth0, sw:p]}, {endpoints: [a:eth1, sw:q]}]\n"),
     "8:24: `eth0` is the interface of node `a` on one of its `networks`; use another name"},
    {BOTH("", "tests:\n  - a\n"),
     "8:5: `a` is not a test; write it as in `h1 -> web:80`, `a !-> db:5432/tcp` or `h1 -> h2 icmp`"},
    {BOTH("", "tests:\n  - a -> c\n"),
     "8:5: there is no node `c`; add it to `nodes`, or correct the name"},
    {BOTH("", "tests:\n  - a -> sw\n"),
     "8:5: `sw` is a switch, which runs no program; test from and to the nodes beside it"},
    {BOTH("", "tests:\n  - a -> b:0\n"),
     "8:5: `a -> b:0` is not a test; write it as in `h1 -> web:80`, `a !-> db:5432/tcp` or `h1 -> h2 icmp`"},
    {BOTH("", "tests:\n  - a -> b icmp tcp x\n"),
     "8:5: `a -> b icmp tcp x` is not a test; write it as in `h1 -> web:80`, `a !-> db:5432/tcp` or `h1 -> h2 icmp`"},
    {BOTH("", "tests:\n  - a -> b/tcp\n"), "8:5: a test with tcp needs a port; add one"},
    {BOTH("", "tests:\n  - a -> b:80/icmp\n"),
     "8:5: icmp has no ports; remove the port, or write tcp or udp"},
    {BOTH("", "tests:\n  - {from: a}\n"),
     "8:5: this test has no `to`; write {from: NODE, to: NODE}, or {node: NODE, exec: LINE}"},
    {BOTH("", "tests:\n  - {exec: ls}\n"), "8:5: this test has no `node` to run `exec` in; add it"},
    {BOTH("", "tests:\n  - {node: a, exec: ls, from: b}\n"),
     "8:5: `from`, `to`, `proto`, `family` and `port` are for a test without `exec`; remove them"},
    {BOTH("", "tests:\n  - {from: a, to: b, status: 1}\n"),
     "8:5: `node`, `contains` and `status` are for a test with `exec`; remove them"},
    {BOTH("", "tests:\n  - {from: a, to: b, proto: tcp}\n"),
     "8:5: a test with tcp needs a port; add one"},
    {BOTH("", "tests:\n  - {from: a, to: b, proto: sctp}\n"),
     "8:29: `sctp` is not a value of `proto`; write one of: icmp, tcp, udp"},
    {BOTH("", "tests:\n  - {from: a, to: b, after: link down a:eth1}\n"),
     "8:29: node `a` has no link at interface `eth1`; name one of its links"},
    {BOTH("", "tests:\n  - {from: a, to: b, after: reboot}\n"),
     "8:29: `reboot` is nothing that a test can do before; write link down NODE:INTERFACE, link up NODE:INTERFACE, stop NODE or start NODE"},
    {BOTH("", "tests:\n  - {from: a, to: b, after: stop c}\n"),
     "8:29: there is no node `c`; add it to `nodes`, or correct the name"},
    {BOTH("", "tests:\n  - {from: a, to: 10.0.0.1, family: ipv6}\n"),
     "8:19: `10.0.0.1` is not of the family that the test asks for; correct one"},
    {BOTH("", "tests:\n  - {node: a, exec: ls, not: yes, status: 1}\n"),
     "8:5: `not` and `status` are two answers; remove one"},
    {BOTH("", "tests:\n  - [a]\n"), "8:5: a test must be a map; write KEY: VALUE"},
    {"name: x\ntopology:\n  defaults: {imge: x, cpu: y}\n  kinds: {linux: {foo: 1}, srl: {bar: 1}}\n  groups: {g: {memory: z}}\n  nodes: {a: , b: , c: {group: g}}\n", "3:14: unknown key `imge` of a node; did you mean `image`?\n3:28: cpu `y` is not a number of processors; write it as in 0.5 or 2\n4:19: unknown key `foo` of a node; remove it\n4:34: unknown key `bar` of a node; remove it\n5:24: memory `z` is not a size; write it as in 512m or 1g"},
};

static void test_cases(void)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_loaded_ struct loaded l = load(cases[i].text);
        _cleanup_free_ char *got = short_faults(&l),
                            *first = xstrndup(cases[i].faults, strcspn(cases[i].faults, "\n"));
        expect(!l.t && streq(got, cases[i].faults), first, "in\n%s\nthe faults are\n%s",
               cases[i].text, got);
    }
}

/* ---- files -----------------------------------------------------------------------------------*/

static void test_sources(void)
{
    _cleanup_scratch_ struct scratch s = scratch_open();
    _cleanup_free_ char *path = xasprintf("%s/a.clab.yml", s.path);
    static const char text[] = "name: x\n"
                               "topology:\n"
                               "  kinds: {linux: {files: {/etc/x: '__clabNodeName__.conf'}}}\n"
                               "  nodes: {a: {binds: ['here:/a', 'gone:/b']}, b: }\n";
    put_file(s.fd, "here", "", 0);
    put_file(s.fd, "a.conf", "", 0);
    _cleanup_loaded_ struct loaded l = load_at(path, text, false);
    _cleanup_free_ char *got = lines_of(&l),
                        *wanted = xasprintf(
                            "%s:3:35: `%s/b.conf` does not exist; create it, or correct the path\n"
                            "%s:4:34: `%s/gone` does not exist; create it, or correct the path",
                            path, s.path, path, s.path);
    expect(streq(got, wanted), "sources that do not exist", "the faults are\n%s", got);
    loaded_clear(&l);
    l = load_at(path, text, true);
    check(l.t, "sources are not looked for", "there are faults");
}

static void expect_read(const char *what, const char *path, int code, const char *wanted)
{
    struct loaded l = {0};
    _cleanup_err_ struct err e = ERR_INIT;
    int r = topology_read(path, NULL, &l.t, &l.faults, &e);
    expect(r == code && (!wanted || (e.text && strstr(e.text, wanted))), what, "%d, %s", r,
           text_of(&e));
    loaded_clear(&l);
}

static void test_files(void)
{
    _cleanup_scratch_ struct scratch s = scratch_open();
    _cleanup_free_ char *missing = xasprintf("%s/x.clab.yml", s.path);
    static const char text[] = "name: x\ntopology: {nodes: {a: }}\n";
    expect_read("a file that is missing", missing, -ENOENT, "read the lab's file");
    expect_read("a directory without a lab", s.path, -ENOENT, "has no file *.clab.yml");
    put_file(s.fd, "other.yml", text, sizeof(text) - 1);
    put_file(s.fd, "x.clab.yml", text, sizeof(text) - 1);
    expect_read("the only lab of a directory", s.path, 0, NULL);
    put_file(s.fd, "y.clab.yaml", text, sizeof(text) - 1);
    expect_read("a directory with two labs", s.path, -ENOTUNIQ, "has several files *.clab.yml");
    int fd = openat(s.fd, "x.clab.yml", O_WRONLY);
    check(fd >= 0 && ftruncate(fd, (4 << 20) + 1) == 0, "a large file", strerror(errno));
    (void)close_fd(fd);
    expect_read("a file of more than 4 MiB", missing, -EFBIG, "more than 4 MiB");
}

static void test_order(void)
{
    _cleanup_free_ char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    fputs("name: x\ntopology:\n  nodes:\n", f);
    for (int i = 0; i < 100; i++)
        fprintf(f, "    n%d: {foo: 1, kind: srl}\n", i);
    fclose(f);
    _cleanup_loaded_ struct loaded l = load(text);
    check(strv_len(l.faults.lines) == 50 && l.faults.more == 150, "fifty faults are shown", "");
    check(l.faults.lines && strstr(l.faults.lines[0], "yml:4:10: unknown key") &&
              strstr(l.faults.lines[1], "yml:4:24: kind") && strstr(l.faults.lines[49], "yml:28:"),
          "they are sorted", "");
}

/* ---- hostile ---------------------------------------------------------------------------------*/

/* Loads within @wanted (NULL: without faults) and a few seconds of processor time. Takes @text. */
static void hostile(const char *what, char *text, const char *wanted)
{
    enum { SECONDS_MAX = 20 };
    clock_t begin = clock();
    struct loaded l = load(text);
    double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
    _cleanup_free_ char *got = short_faults(&l);
    expect(wanted ? got && strstr(got, wanted) : l.t != NULL, what, "%.300s", got);
    expect(seconds < SECONDS_MAX, what, "took %.1f s", seconds);
    printf("# %s: %.2f s\n", what, seconds);
    loaded_clear(&l);
    free(text);
}

static char *alias_bomb(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    fputs("x-0: &a0 [x,x,x,x,x,x,x,x,x,x]\n", f);
    for (int i = 1; i < 12; i++) {
        fprintf(f, "x-%d: &a%d [", i, i);
        for (int k = 0; k < 10; k++)
            fprintf(f, "%s*a%d", k ? "," : "", i - 1);
        fputs("]\n", f);
    }
    fputs("name: x\ntopology: {nodes: {a: }}\n", f);
    fclose(f);
    return text;
}

static void test_hostile(void)
{
    static const char top[] = "name: x\nmgmt: false\ntopology:\n  nodes:\n";
    hostile("an alias bomb", alias_bomb(), "more than 300000 values, with aliases expanded");
    hostile("deep nesting", repeated("x-a: ", "[", 5000, ""),
            "more than 64 levels are nested here");
    hostile("deep maps", repeated("x-a: ", "{a: ", 5000, ""),
            "more than 64 levels are nested here");
    hostile("10,000 nodes", repeated(top, "    n%d: {kind: linux, exec: [ls]}\n", 10000, ""), NULL);
    hostile("100,000 nodes", repeated(top, "    n%d:\n", 100000, ""),
            "more than 10000 nodes; split it");
    hostile("400,000 values", repeated("x-a: [", "a,", 400000, "]"), "more than 300000 values");
    hostile("a long text", repeated("name: x", "y", 70000, "\n"), "more than 65536 characters");
    hostile("100,000 keys", repeated("", "k%d: 1\n", 100000, ""), "unknown key `k0`");
    hostile("a key 100,000 times", repeated("", "name: 1\n", 100000, ""),
            "key `name` is given twice");
    hostile("2,000 lines",
            repeated("name: x\ntopology: {nodes: {a: {exec: [", "e%d,", 2000, "]}}}\n"),
            "more than 1000 entries");
    hostile("lines for 10,000 nodes",
            repeated("name: x\ntopology:\n  defaults: {exec: [\n",
                     "    'a line that is long enough %d',\n", 1000,
                     "  ]}\n  nodes: &n {a: , b: }\n"),
            NULL);
    _cleanup_free_ char *lines = repeated("name: x\ntopology:\n  defaults: {exec: [\n",
                                          "    'echo %d',\n", 1000, "  ]}\n  nodes:\n");
    hostile("1,000 lines for 10,000 nodes", repeated(lines, "    n%d:\n", 10000, ""),
            "more than 500000 values");
    hostile("a range of ports for 10,000 nodes",
            repeated("name: x\ntopology:\n  defaults: {ports: ['1-4000:1-4000']}\n  nodes:\n",
                     "    n%d:\n", 10000, ""),
            "more than 500000 values");
    hostile("20,000 links to nowhere",
            repeated("name: x\ntopology:\n  nodes: {a: }\n  links:\n",
                     "    - endpoints: [a:e%d, bbbbbbbb:e]\n", 20000, ""),
            "there is no node `bbbbbbbb`");
    _cleanup_free_ char *chain =
        repeated(top, "    n%d: {wait-for: [n9999]}\n", 9999, "    n9999: {wait-for: [n0]}\n");
    hostile("a circle among 10,000 nodes", xstrdup(chain), "these nodes wait for each other: n");
    hostile("brackets without an end", repeated("name: ", "[", 60, ""), "this is not YAML");
    hostile("variables in variables", repeated("name: ", "${UNSET:-", 5000, ""), "");
    hostile("bytes that are no text", xstrdup("name: \xff\xfe\xfd\n"), "this is not YAML");
    hostile("what a terminal obeys",
            xstrdup("\"a\\e[31m\\u202e\\n\": 1\nname: x\ntopology: {nodes: {a: }}\n"),
            "unknown key `a\\x1b[31m\\u202e\\x0a` of a lab's file");
}

int main(void)
{
    test_cases();
    test_sources();
    test_files();
    test_order();
    test_hostile();
    return failures > 0;
}
