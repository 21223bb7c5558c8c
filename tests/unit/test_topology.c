/* Lab topologies that are right: what is inherited, and what each key means. */
#include "topology.h"

#include <netctr/sandbox.h>

/* The node @name, or an end of the test. */
static const struct lab_node *node(const struct loaded *l, const char *name)
{
    _cleanup_free_ char *why = lines_of(l);
    size_t i = l->t ? topology_find(l->t, name) : SIZE_MAX;
    if (i == SIZE_MAX) {
        expect(false, name, "is not there: %s", why);
        exit(1);
    }
    return &l->t->nodes[i];
}

static void is(const char *what, const char *got, const char *wanted)
{
    expect(streq(got, wanted), what, "it is \"%s\", not \"%s\"", got ? got : "(none)",
           wanted ? wanted : "(none)");
}

static void joined(const char *what, char *const *got, const char *wanted)
{
    _cleanup_free_ char *text = strv_join(got, " | ");
    is(what, text, wanted);
}

static char *execs(const struct lab_node *n)
{
    _cleanup_strv_ strv lines = NULL;
    for (size_t i = 0; i < n->exec_count; i++)
        strv_add(&lines, n->execs[i].line);
    return strv_join(lines, " | ");
}

static char *binds(const struct lab_bind *b, size_t count)
{
    _cleanup_strv_ strv lines = NULL;
    for (size_t i = 0; i < count; i++)
        strv_add_take(&lines,
                      xasprintf("%s:%s%s", b[i].source, b[i].target, b[i].read_only ? ":ro" : ""));
    return strv_join(lines, " | ");
}

/* ---- the samples -----------------------------------------------------------------------------*/

static struct loaded sample(const char *name)
{
    struct loaded l = {0};
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_free_ char *path = xasprintf("tests/labs/%s", name);
    const struct topology_options options = {.environ = lab_environ};
    int r = topology_read(path, &options, &l.t, &l.faults, &e);
    _cleanup_free_ char *why = lines_of(&l);
    expect(r == 0, path, "%s\n%s", text_of(&e), why);
    if (r < 0)
        exit(1);
    return l;
}

static void test_basic(void)
{
    _cleanup_loaded_ struct loaded l = sample("basic.clab.yml");
    const struct topology *t = l.t;
    check(t->node_count == 3 && t->link_count == 2 && t->test_count == 1 && !t->notes,
          "basic: counts", "");
    _cleanup_free_ char *gateway = ip_text(&node(&l, "h2")->gateway4),
                        *long_name = topology_long_name(t, "h1");
    is("basic: gateway", gateway, "10.0.2.1");
    is("basic: long name", long_name, "clab-basic-h1");
    joined("basic: sysctls", node(&l, "r1")->sysctls, "net.ipv4.ip_forward=1");
    const struct lab_endpoint *a = &t->links[1].ends[0], *b = &t->links[1].ends[1];
    check(a->node == topology_find(t, "h2") && streq(b->interface, "eth2") &&
              a->address4.prefix == 24 && !t->links[0].mtu &&
              !t->links[0].ends[0].impairment.delay_us,
          "basic: link", "");
    check(a->impairment.delay_us == 20000 && b->impairment.rate == 10000000 &&
              a->impairment.loss == 1 && b->impairment.loss == 1,
          "basic: impairments are those of both ends", "");
    check(t->tests[0].protocol == LAB_ICMP && t->tests[0].to == 1 && t->tests[0].from == 0,
          "basic: test", "");
}

static void test_clos(void)
{
    _cleanup_loaded_ struct loaded l = sample("clos.clab.yml");
    const struct lab_node *s1 = node(&l, "s1");
    is("clos: image of the kind", s1->image, "frr");
    is("clos: image of the node", node(&l, "h1")->image, "host");
    joined("clos: cmd is split", s1->cmd,
           "sh | -c | /usr/lib/frr/frrinit.sh start && exec sleep infinity");
    joined("clos: health", s1->health.argv,
           "/bin/sh | -c | vtysh -c 'show bgp sum json' | grep -q Established");
    check(s1->health.interval_ms == 1000 && s1->health.retries == 3,
          "clos: times of the health check", "");
    _cleanup_free_ char *files = binds(s1->files, s1->file_count),
                        *wanted = xasprintf(
                            "%s/frr/s1.conf:/etc/frr/frr.conf | %s/frr/daemons:/etc/frr/daemons",
                            l.t->dir, l.t->dir);
    is("clos: files with the node's name", files, wanted);
    const struct lab_test *second = &l.t->tests[1];
    check(second->within_ms == 10000 && second->after == AFTER_LINK_DOWN &&
              second->after_node == topology_find(l.t, "l1") &&
              streq(second->after_interface, "eth1"),
          "clos: a test after an event", "");
    is("clos: a test as a line", second->text, "h1 -> h2 icmp after link down l1:eth1");
}

static void test_shop(void)
{
    _cleanup_loaded_ struct loaded l = sample("shop.clab.yml");
    const struct lab_node *web = node(&l, "web");
    joined("shop: networks", web->networks, "front | back");
    joined("shop: ports", web->ports, "8080:80");
    check(l.t->networks[1].internal && !l.t->networks[0].internal, "shop: internal", "");
    joined("shop: subnet", l.t->networks[0].subnets, "10.10.0.0/24");
    const struct lab_stage_plan *create = &web->stages[STAGE_CREATE];
    check(create->wait_count == 1 && create->waits[0].index == 2 &&
              create->waits[0].stage == STAGE_HEALTHY,
          "shop: waits", "");
    check(!l.t->tests[0].fails && l.t->tests[2].fails && l.t->tests[2].port == 5432 &&
              l.t->tests[2].protocol == LAB_TCP,
          "shop: tests", "");
}

/* Their sources exist. */
static void test_others(void)
{
    static const struct {
        const char *file;
        size_t nodes, links;
        const char *notes;
    } labs[] = {
        {"groups.clab.yml", 5, 5, NULL},   {"fabric.clab.yml", 6, 6, NULL},
        {"exchange.clab.yml", 4, 3, NULL}, {"classroom.clab.yml", 4, 3, NULL},
        {"stages.clab.yml", 4, 2, NULL},   {"corners.clab.yml", 5, 7, "`mgmt_ipv4`: read as"}};
    for (size_t i = 0; i < ARRAY_LEN(labs); i++) {
        _cleanup_loaded_ struct loaded l = sample(labs[i].file);
        _cleanup_free_ char *notes = lines_of(&l);
        expect(l.t->node_count == labs[i].nodes && l.t->link_count == labs[i].links, labs[i].file,
               "has %zu nodes and %zu links", l.t->node_count, l.t->link_count);
        expect(labs[i].notes ? strv_len(l.t->notes) == 1 && strstr(notes, labs[i].notes)
                             : !l.t->notes,
               labs[i].file, "has the notes\n%s", notes);
    }
    _cleanup_loaded_ struct loaded l = sample("classroom.clab.yml");
    _cleanup_free_ char *lines = execs(node(&l, "r2"));
    is("a node that is an alias", lines, "ip link set eth1 up | ip link set eth2 up");
}

/* ---- levels ----------------------------------------------------------------------------------*/

static void test_inherits(void)
{
    _cleanup_loaded_ struct loaded l = load(
        "name: x\n"
        "topology:\n"
        "  defaults: {image: d, user: d, memory: 64m, exec: [one, same], env: {A: d, B: d, C: d, D: d},\n"
        "    binds: ['d:/a', 'd:/b', 'd:/c', 'd:/d'], labels: {l: d}}\n"
        "  kinds: {Linux: {image: k, user: k, group: g, exec: [two], env: {B: k, C: k, D: k},\n"
        "    binds: ['k:/b', 'k:/c', 'k:/d']}}\n"
        "  groups: {g: {image: g, exec: [same, three], env: {C: g, D: g}, binds: ['g:/c', 'g:/d'], cap-add: NET_RAW}}\n"
        "  nodes:\n"
        "    a: {image: n, exec: [four, one], env: {D: n, E: }, binds: ['n:/d:ro'], cap-add: [NET_RAW, SYS_ADMIN]}\n"
        "    b:\n"
        "    c: {kind: LINUX, group: only-a-label}\n");
    const struct lab_node *a = node(&l, "a"), *b = node(&l, "b"), *c = node(&l, "c");
    is("the node's own key wins", a->image, "n");
    is("the group's key wins over the kind's", b->image, "g");
    is("the kind's key wins over the defaults", b->user, "k");
    is("the defaults reach an empty node", b->memory, "64m");
    _cleanup_free_ char *lines = execs(a), *mounts = binds(a->binds, a->bind_count),
                        *of_c = execs(c);
    is("lists are joined, equal lines run once", lines, "one | same | two | three | four");
    joined("maps are merged by key", a->env, "A=d | B=k | C=g | D=n | E=");
    is("binds are merged by target", mounts, "/lab/d:/a | /lab/k:/b | /lab/g:/c | /lab/n:/d:ro");
    joined("equal capabilities are added once", a->cap_add, "NET_RAW | SYS_ADMIN");
    is("a group that is not defined is a label", c->group, "only-a-label");
    is("such a group gives nothing", of_c, "one | same | two");
    is("a kind's group counts", b->group, "g");
}

static void test_kinds(void)
{
    _cleanup_loaded_ struct loaded l = load(
        "name: x\n"
        "topology:\n"
        "  defaults: {image: d, exec: [ls], ports: ['80:80'], mgmt-ipv4: 172.20.20.9}\n"
        "  groups: {routers: {kind: frr, image: f, extras: {frr: {daemons: [ospfd]}}}}\n"
        "  nodes:\n"
        "    sw: {kind: Bridge, labels: {a: b}}\n"
        "    r1: {group: routers, startup-config: r1/frr.conf, ports: [], mgmt-ipv4: 172.20.20.8, network-mode: bridge}\n"
        "  links:\n"
        "    - endpoints: [\"sw:eth0\", \"r1:eth1\"]\n");
    const struct lab_node *sw = node(&l, "sw"), *r1 = node(&l, "r1");
    check(sw->kind == LAB_BRIDGE && !sw->ports && !sw->exec_count && !sw->image &&
              !sw->mgmt4.family,
          "a bridge inherits no program", "");
    joined("a bridge has labels", sw->labels, "a=b");
    check(r1->kind == LAB_LINUX && r1->frr, "frr is linux", "");
    joined("the daemons of frr", r1->daemons, "ospfd");
    _cleanup_free_ char *files = binds(r1->files, r1->file_count);
    is("startup-config of frr", files, "/lab/r1/frr.conf:/etc/frr/frr.conf");
    joined("static addresses bring containerlab's prefix", l.t->mgmt.subnets, "172.20.20.0/24");
}

/* ---- values ----------------------------------------------------------------------------------*/

static void test_variables(void)
{
    _cleanup_loaded_ struct loaded l = load(
        "name: x\n"
        "topology:\n"
        "  nodes:\n"
        "    a:\n"
        "      image: ${SET}:${NOT-no}\n"
        "      env: {A: '${UNSET}', B: '${EMPTY}', C: '${UNSET:=x}${EMPTY:-y}', D: '$${SET}', E: $SET, F: '${UNSET:=${SET}}', G: '${', H: '${1}', I: '${EMPTY-z}' }\n"
        "      exec:\n"
        "        - echo __clabNodeName__ __clabDir__ __clabNodeDir__ __clabOther__\n"
        "      binds: ['~/a:/a', '../b/./c:/b/', '/abs//x:/b/c:rw,z']\n"
        "      files: {/etc/__clabNodeName__: 'f/${SET}'}\n");
    const struct lab_node *a = node(&l, "a");
    is("a variable and a default", a->image, "value:no");
    joined("variables", a->env,
           "A=${UNSET} | B=${EMPTY} | C=xy | D=${SET} | E=$SET | F=value | G=${ | H=${1} | I=");
    _cleanup_free_ char *lines = execs(a), *mounts = binds(a->binds, a->bind_count),
                        *files = binds(a->files, a->file_count);
    is("words of containerlab", lines, "echo a /lab/clab-x /lab/clab-x/a __clabOther__");
    is("paths, sorted by depth", mounts, "/home/me/a:/a | /b/c:/b | /abs/x:/b/c");
    is("files", files, "/lab/f/value:/etc/a");
}

static void test_yaml(void)
{
    _cleanup_loaded_ struct loaded l =
        load("name: x\n"
             "x-base: &base {image: i, env: {A: 1, B: on}}\n"
             "topology:\n"
             "  nodes:\n"
             "    a: &a {<<: *base, ports: [22:22], env: {A: 0x10}}\n"
             "    b: {<<: [{image: j}, *base], user: root}\n"
             "    c: {image: *name, cmd: ~, user: &name }\n"
             "    d: {image: 'null', entrypoint: ''}\n");
    check(!l.t, "an alias before its anchor", "it was accepted");
    loaded_clear(&l);
    l = load("name: x\n"
             "x-base: &base {image: i, env: {A: 1, B: on}}\n"
             "topology:\n"
             "  nodes:\n"
             "    a: &a {<<: *base, ports: [22:22], env: {A: 0x10}}\n"
             "    b: {<<: [{image: j}, *base], user: root}\n"
             "    c: {image: ~, cmd: }\n"
             "    d: {image: 'null', entrypoint: ''}\n"
             "    e: &e {image: k, exec: [ls]}\n"
             "    f: *e\n");
    joined("texts stay texts", node(&l, "a")->ports, "22:22");
    joined("a merge key is weaker than the map", node(&l, "a")->env, "A=0x10");
    is("of merged maps the first wins", node(&l, "b")->image, "j");
    joined("merged maps are joined", node(&l, "b")->env, "A=1 | B=on");
    check(!node(&l, "c")->image && !node(&l, "c")->has_cmd, "null is nothing", "");
    is("a quoted null is a text", node(&l, "d")->image, "null");
    check(node(&l, "d")->has_entrypoint && !node(&l, "d")->entrypoint,
          "an empty entrypoint is given", "");
    is("a node may be an alias", node(&l, "f")->image, "k");
}

static void test_links(void)
{
    _cleanup_loaded_ struct loaded l = load(
        "name: x\n"
        "mgmt: {network: m, ipv4-subnet: 10.9.0.0/24, ipv4-gw: 10.9.0.254, ipv4-range: 10.9.0.128/25, external-access: false}\n"
        "topology:\n"
        "  nodes: {a: {mgmt-ipv4: 10.9.0.1}, b: {network-mode: none}, sw: {kind: bridge}}\n"
        "  links:\n"
        "    - {type: veth, mtu: 2000, endpoints: [{node: a, interface: eth3, mac: 02:00:00:00:00:00, ipv4: 10.0.0.1/24, delay: 5ms}, b:eth0], loss: 0.5%, ipv6: ['', 'fd00::1/64']}\n"
        "    - {type: host, host-interface: h4, endpoint: {node: a, interface: eth4}}\n"
        "    - {type: mgmt-net, host-interface: m5, endpoint: {node: a, interface: eth5}}\n"
        "    - {type: dummy, endpoint: {node: a, interface: d0}}\n"
        "    - endpoints: [a:eth6, 'macvlan:ens3']\n"
        "    - endpoints: [a:eth7, 'host:h7']\n"
        "    - {endpoints: [sw:p1, a:eth8], ipv4: ['', 10.1.0.1/30], rate: 1.5gbit, jitter: 100us, delay: 1.5s}\n");
    const struct lab_link *k = node(&l, "a") ? l.t->links : NULL;
    const enum lab_end ends[] = {END_NODE,    END_HOST, END_MGMT, END_NOTHING,
                                 END_MACVLAN, END_HOST, END_NODE};
    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        expect(k[i].ends[1].what == ends[i], "the second end", "of link %zu is %d", i,
               k[i].ends[1].what);
    check(k[0].mtu == 2000 && k[0].ends[0].mac[0] == 2 && k[0].ends[0].address4.prefix == 24 &&
              k[0].ends[1].address6.prefix == 64,
          "mtu, mac, addresses", "");
    check(k[0].ends[0].impairment.delay_us == 5000 && k[0].ends[1].impairment.delay_us == 0 &&
              k[0].ends[0].impairment.loss == 0.5 && k[0].ends[1].impairment.loss == 0.5,
          "impairments of a link and of an end", "");
    check(k[6].ends[0].impairment.rate == 1500000000 && k[6].ends[0].impairment.jitter_us == 100 &&
              k[6].ends[0].impairment.delay_us == 1500000 && !k[6].ends[0].address4.ip.family,
          "units", "");
    is("macvlan's parent", k[4].ends[1].interface, "ens3");
    joined("mgmt: gateway", l.t->mgmt.gateways, "10.9.0.254");
    joined("mgmt: range", l.t->mgmt.ranges, "10.9.0.128/25");
    check(l.t->mgmt.no_outside && !l.t->mgmt.no_route && !l.t->mgmt.off, "mgmt: flags", "");
}

static void test_node_keys(void)
{
    _cleanup_loaded_ struct loaded l = load(
        "name: x\n"
        "prefix: ''\n"
        "networks: {n: {subnet: [10.1.0.0/24, 'fd00::/64'], gateway: 10.1.0.9, icc: off, ipv6: yes, mtu: 1400, labels: {a: b}}}\n"
        "topology:\n"
        "  nodes:\n"
        "    a:\n"
        "      memory: 1Gb\n"
        "      cpu: 1.5\n"
        "      cpu-set: 0-2,5\n"
        "      dns: {servers: [8.8.8.8], search: my.domain, options: [rotate]}\n"
        "      aliases: [www]\n"
        "      hostname: h\n"
        "      startup-delay: 3\n"
        "      restart-policy: on-failure:3\n"
        "      gateway: [10.1.0.1, 'fd00::1']\n"
        "      tty: false\n"
        "      networks: ['n:ip=10.1.0.7,name=eth5']\n"
        "      exec: ip a\n"
        "      publish: ['80:80']\n"
        "      wait-for: [b]\n"
        "      privileged: true\n"
        "      license: x\n"
        "      healthcheck: {test: true, start-period: 500ms}\n"
        "      stages:\n"
        "        configure: {exec: [ls, {command: 'echo 1', target: host, phase: on-exit}]}\n"
        "        exit: {exec: {on-exit: [date]}}\n"
        "    b: {mgmt_ipv4: 172.20.20.5, exec: ['a && b']}\n"
        "    c: {network-mode: 'container:b'}\n"
        "    d: {network-mode: host}\n"
        "tests:\n"
        "  - a -> b:53/udp ipv6\n"
        "  - 'a !-> [fd00::1]:80'\n"
        "  - a -> example.com icmp\n"
        "  - {node: a, exec: 'cat /x', status: 3, contains: y, within: 2m}\n"
        "  - {from: a, to: b, port: 22, not: true, family: ipv4}\n");
    const struct lab_node *a = node(&l, "a");
    check(a->startup_delay_ms == 3000 && !a->tty && a->gateway6.family == AF_INET6,
          "times and flags", "");
    is("memory", a->memory, "1G");
    joined("dns search", a->dns_search, "my.domain");
    joined("networks keep their options", a->networks, "n:ip=10.1.0.7,name=eth5");
    joined("publish is ports", a->ports, "80:80");
    check(a->health.given && a->health.start_period_ms == 500 && a->health.timeout_ms == 30000,
          "health", "");
    check(a->stages[STAGE_CREATE].wait_count == 1 && a->stages[STAGE_CONFIGURE].exec_count == 2 &&
              a->stages[STAGE_CONFIGURE].execs[1].on_host &&
              a->stages[STAGE_CONFIGURE].execs[1].on_exit && a->stages[STAGE_EXIT].execs[0].on_exit,
          "stages", "");
    check(node(&l, "b")->mgmt4.family == AF_INET, "mgmt_ipv4 is mgmt-ipv4", "");
    check(node(&l, "c")->network == NODE_CONTAINER && node(&l, "c")->network_of_index == 1 &&
              node(&l, "d")->network == NODE_HOST,
          "network-mode", "");
    const struct lab_network *n = &l.t->networks[0];
    check(n->isolated_ports && n->ipv6 && n->mtu == 1400 && strv_len(n->subnets) == 2, "a network",
          "");
    const struct lab_test *t = l.t->tests;
    check(t[0].protocol == LAB_UDP && t[0].port == 53 && t[0].family == AF_INET6, "test by udp",
          "");
    check(t[1].fails && t[1].port == 80 && t[1].to == SIZE_MAX && t[1].family == AF_INET6,
          "test to an address", "");
    is("test to an address: without brackets", t[1].to_name, "fd00::1");
    check(t[2].to == SIZE_MAX && t[2].protocol == LAB_ICMP, "test to a foreign name", "");
    check(t[3].what == TEST_EXEC && t[3].status == 3 && t[3].within_ms == 120000, "test by a line",
          "");
    is("a test as a line", t[4].text, "a !-> b:22");
    _cleanup_free_ char *notes = lines_of(&l);
    is("notes", notes,
       "/lab/a.clab.yml:9:7: `cpu-set`: accepted without effect; `taskset -c LIST` in `cmd` binds a "
       "program to processors\n"
       "/lab/a.clab.yml:19:7: `publish`: read as `ports`; rename it\n"
       "/lab/a.clab.yml:20:7: `wait-for`: read as `stages.create.wait-for`; move it there\n"
       "/lab/a.clab.yml:21:7: `privileged`: a node is never privileged; it has NET_ADMIN, NET_RAW and SYS_ADMIN in "
       "namespaces of its own\n"
       "/lab/a.clab.yml:27:9: `mgmt_ipv4`: read as `mgmt-ipv4`; rename it\n"
       "/lab/a.clab.yml:27:40: no shell reads `a && b`, so `&&` is an argument; write sh -c '…'");
}

static void test_images(void)
{
    _cleanup_loaded_ struct loaded l =
        load("name: x\n"
             "images: {'*frr*': roots/../frr, base: host, other: /srv/other}\n"
             "topology:\n"
             "  nodes: {a: , sw: {kind: bridge}}\n"
             "  links: [{endpoints: [a:eth1, sw:p1], ipv4: [10.0.0.1/24]}]\n");
    (void)node(&l, "a");
    joined("images are relative to the file", l.t->images,
           "*frr*=/lab/frr | base=host | other=/srv/other");
    check(l.t->links[0].ends[0].address4.prefix == 24 && !l.t->links[0].ends[1].address4.ip.family,
          "one address is that of the first end", "");
}

static void test_inside(void)
{
    _cleanup_loaded_ struct loaded l =
        load("name: x\n"
             "topology:\n"
             "  nodes:\n"
             "    'br|a': {kind: bridge, network-mode: 'container:a'}\n"
             "    this: {kind: host, exec: [ls]}\n"
             "    a:\n"
             "    c: {network-mode: 'container:d'}\n"
             "    d: {network-mode: 'container:a'}\n"
             "    e: {network-mode: 'container:other'}\n"
             "    f: {network-mode: host}\n"
             "    g: {network-mode: 'container:f'}\n"
             "  links:\n"
             "    - endpoints: ['br|a:p1', this:x]\n");
    const struct lab_node *br = node(&l, "br|a");
    _cleanup_free_ char *name = topology_bridge_name(br);
    is("a bridge inside a node", name, "br");
    check(lab_node_is_inner(br) && l.t->node_count == 7 && topology_network_owner(l.t, 0) == 1,
          "it is in the node's network", "");
    check(topology_network_owner(l.t, 1) == 1 && topology_network_owner(l.t, 2) == 1 &&
              topology_network_owner(l.t, 4) == SIZE_MAX &&
              topology_network_owner(l.t, 5) == SIZE_MAX,
          "whose network a node is in", "");
    check(l.t->links[0].ends[0].node == 0 && l.t->links[0].ends[1].what == END_HOST,
          "its port, and an end at a node that is the host", "");
    _cleanup_free_ char *notes = lines_of(&l);
    is("notes", notes,
       "/lab/a.clab.yml:5:24: `this` is this host; `exec` has no effect on it\n"
       "/lab/a.clab.yml:9:23: `other` is not a node of this lab; a container of this name must run "
       "before");
}

/* ---- words -----------------------------------------------------------------------------------*/

/* The results are those of Python's shlex.split(). */
static void test_words(void)
{
    static const struct {
        const char *line, *words; /* NULL: refused */
    } lines[] = {
        {"", ""},
        {"  a\tb\nc ", "a | b | c"},
        {"a 'b  c' \"d 'e'\"", "a | b  c | d 'e'"},
        {"a''b \"\" ''", "ab |  | "},
        {"\\a \\\\ \\' \\\"", "a | \\ | ' | \""},
        {"\"\\a \\\" \\\\ \\$\"", "\\a \" \\ \\$"},
        {"'a\\b'", "a\\b"},
        {"a#b # c", "a#b | # | c"},
        {"a\\ b", "a b"},
        {"a\\\nb", "a\nb"},
        {"x && y|z > w", "x | && | y|z | > | w"},
        {"'a", NULL},
        {"\"a\\\"", NULL},
        {"a\\", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        _cleanup_strv_ strv words = NULL;
        int r = words_split(lines[i].line, &words, NULL);
        _cleanup_free_ char *name = xasprintf("words of <%s>", lines[i].line),
                            *got = r < 0 ? NULL : strv_join(words, " | ");
        is(name, got, lines[i].words);
    }
}

/* ---- the schema ------------------------------------------------------------------------------*/

/* Every key that has an effect is in the manual. */
static void check_manual(const char *manual, const json_t *properties)
{
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)properties, key, value) {
        const char *help = json_str(value, "description");
        _cleanup_free_ char *quoted = xasprintf("`%s`", key);
        if (!json_flag(value, "deprecated") && !streq(help, "Accepted without effect"))
            expect(strstr(manual, quoted), quoted, "is not in docs/lab-file.md");
    }
}

static void test_schema(void)
{
    _cleanup_json_ json_t *made = topology_schema(), *stored = NULL;
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_free_ char *manual = NULL;
    int r = json_read_at(AT_FDCWD, "docs/lab.schema.json", &stored, &e);
    expect(
        r == 0 && json_equal(made, stored), "docs/lab.schema.json",
        "differs from the tables of keys: build/tests/unit/test_topology --schema >docs/lab.schema.json (%s)",
        text_of(&e));
    if (read_file_at(AT_FDCWD, "docs/lab-file.md", 1 << 20, &manual, NULL) < 0) {
        check(false, "docs/lab-file.md", "cannot be read");
        return;
    }
    const char *name;
    json_t *table;
    check_manual(manual, json_object_get(made, "properties"));
    json_object_foreach (json_object_get(made, "$defs"), name, table)
        check_manual(manual, json_object_get(table, "properties"));
}

/* ---- impairments -----------------------------------------------------------------------------*/

static void test_impairment(void)
{
    static const struct {
        const char *key, *value, *why; /* NULL: it is right */
    } cases[] = {
        {"delay", "20ms", NULL},
        {"delay", "0", NULL},
        {"delay", "1.5s", NULL},
        {"delay", "1m", NULL},
        {"delay", "20", "delay `20` is not a time with a unit; write it as in 20ms, 1.5s or 100us"},
        {"jitter", "-1ms",
         "jitter `-1ms` is not a time with a unit; write it as in 20ms, 1.5s or 100us"},
        {"jitter", "61s", "jitter `61s` is more than a minute; choose a shorter time"},
        {"loss", "100%", NULL},
        {"loss", "0.25", NULL},
        {"loss", "101%", "loss `101%` is not a part of 100%; write it as in 1% or 0.5%"},
        {"reorder", "nan", "reorder `nan` is not a part of 100%; write it as in 1% or 0.5%"},
        {"rate", "8kbit", NULL},
        {"rate", "0", NULL},
        {"rate", "7kbit",
         "rate `7kbit` is not a rate from 8kbit on; write it as in 500kbit or 10mbit"},
        {"dely", "20ms", "`dely` is not an impairment"},
        {"", "1", "`` is not an impairment"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct lab_impairment m = {0};
        _cleanup_err_ struct err e = ERR_INIT;
        _cleanup_free_ char *name = xasprintf("%s=%s", cases[i].key, cases[i].value);
        int r = lab_impairment_set(&m, cases[i].key, cases[i].value, &e);
        expect((r == 0) == !cases[i].why && streq(e.text, cases[i].why), name, "%d, \"%s\"", r,
               text_of(&e));
    }
}

static void test_impairment_texts(void)
{
    const struct lab_impairment wanted = {.rate = 1500000,
                                          .delay_us = 20000,
                                          .jitter_us = 1500,
                                          .loss = 12.345678,
                                          .corrupt = 0.000001,
                                          .duplicate = 100,
                                          .reorder = 33.3};
    struct lab_impairment got, nothing = {0};
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_json_ json_t *j = lab_impairment_json(&wanted), *none = lab_impairment_json(&nothing);
    _cleanup_free_ char *text = json_dumps(j, JSON_COMPACT);
    is("impairments as texts", text,
       "{\"delay\":\"20ms\",\"jitter\":\"1500us\",\"loss\":\"12.345678%\",\"corrupt\":\"0.000001%\","
       "\"duplicate\":\"100%\",\"reorder\":\"33.3%\",\"rate\":\"1500kbit\"}");
    int r = lab_impairment_of_json(j, &got, &e);
    expect(r == 0 && memcmp(&got, &wanted, sizeof(got)) == 0, "and back", "%s", text_of(&e));
    check(json_object_size(none) == 0 && !lab_impairment_any(&nothing), "none at all", "");
    const struct lab_impairment early = {.reorder = 1}, wide = {.delay_us = 1, .jitter_us = 2};
    check(lab_impairment_check(&early, NULL) < 0 && lab_impairment_check(&wide, NULL) < 0,
          "reorder without delay, jitter above it", "");
}

int main(int argc, char **argv)
{
    if (argc == 2 && streq(argv[1], "--schema")) {
        _cleanup_json_ json_t *schema = topology_schema();
        (void)json_dumpf(schema, stdout, JSON_INDENT(2));
        puts("");
        return 0;
    }
    test_basic();
    test_clos();
    test_shop();
    test_others();
    test_inherits();
    test_kinds();
    test_variables();
    test_yaml();
    test_links();
    test_impairment();
    test_impairment_texts();
    test_node_keys();
    test_images();
    test_inside();
    test_words();
    test_schema();
    return failures > 0;
}
