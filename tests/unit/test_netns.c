/* Verbs over a network namespace, against the kernel. "Here" is a namespace of the test's own. */
#include "check.h"

#include "netns/rtnl.h"

/* ---- addresses --------------------------------------------------------------------------------*/

static void test_addresses(void)
{
    static const struct {
        const char *text, *canonical; /* NULL: no address */
    } rows[] = {
        {"10.88.0.1", "10.88.0.1"},
        {"0.0.0.0", "0.0.0.0"},
        {"255.255.255.255", "255.255.255.255"},
        {"::1", "::1"},
        {"FD00:0:0:0:0:0:0:2", "fd00::2"},
        {"::ffff:10.0.0.1", "::ffff:10.0.0.1"},
        {"", NULL},
        {"10.88.1", NULL},
        {"10.88.0.1 ", NULL},
        {" 10.88.0.1", NULL},
        {"010.1.1.1", NULL},
        {"0x0a.1.1.1", NULL},
        {"256.1.1.1", NULL},
        {"fe80::1%eth0", NULL},
        {"[::1]", NULL},
        {"1:2:3", NULL},
        {"::1::", NULL},
        {"localhost", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ip a = {0};
        int r = ip_parse(rows[i].text, &a);
        _cleanup_free_ char *text = ip_text(&a), *name = xasprintf("address \"%s\"", rows[i].text);
        check(rows[i].canonical ? r == 0 && streq(text, rows[i].canonical)
                                : r == -EINVAL && a.family == 0 && !*text,
              name, text);
    }
    struct ip four, six, mapped, none = {0};
    (void)ip_parse("0.0.0.1", &four);
    (void)ip_parse("::1", &six);
    (void)ip_parse("::1", &mapped);
    mapped.bytes[15] = 2;
    check(ip_equal(&four, &four) && !ip_equal(&four, &six) && !ip_equal(&six, &mapped) &&
              !ip_equal(&four, &none) && ip_equal(&none, &none),
          "equal", "wrong");
    static const char *const bad[] = {"",
                                      "02:42",
                                      "02:42:0a:58:00:0",
                                      "02:42:0a:58:00:022",
                                      "02-42-0a-58-00-02",
                                      "02:42:0a:58:00:0g",
                                      "02:42:0a:58:00:02 ",
                                      " 2:42:0a:58:00:02",
                                      "+2:42:0a:58:00:02",
                                      "02:42:0a:58:00: 2",
                                      "02:42:0a:58:00:02:03"};
    uint8_t mac[6];
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        expect(mac_parse(bad[i], mac) == -EINVAL, "a bad MAC", "\"%s\" is one", bad[i]);
    check(mac_parse("02:42:0A:58:00:fe", mac) == 0 && mac[2] == 10 && mac[5] == 0xfe, "a MAC",
          "is none");
    _cleanup_free_ char *text = mac_text(mac);
    check(streq(text, "02:42:0a:58:00:fe"), "its text", text);
}

/* ---- the namespace ----------------------------------------------------------------------------*/

static uint64_t here(void)
{
    _cleanup_close_ int fd = netns_self();
    return netns_inode(fd);
}

/* A new namespace, and what the tests need from it. */
struct inside {
    int fd;
    struct rt *rt;
};
static struct inside inside_open(const struct sysctl *sysctls)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct inside in;
    if (netns_create(-1, &in.fd, &in.rt, sysctls, NULL, &e) < 0) {
        check(false, "a namespace", text_of(&e));
        exit(1);
    }
    return in;
}
static void inside_close(struct inside *in)
{
    rt_close(in->rt);
    close(in->fd);
}
#define _cleanup_inside_ __attribute__((cleanup(inside_close)))

static void test_create(void)
{
    const struct sysctl sysctls[] = {
        {"net/ipv4/ip_unprivileged_port_start", "77"},
        {"net/ipv4/no_such_key", "1"}, /* skipped */
        {"net/ipv4/conf/default/arp_notify", "1"},
        {NULL, NULL},
    };
    int fds = open_fds();
    uint64_t before = here();
    struct inside in = inside_open(sysctls);
    check(here() == before && before != 0, "we are home again", "we are not");
    check(netns_inode(in.fd) != before && fcntl(in.fd, F_GETFD) == FD_CLOEXEC, "it is another",
          "the same");
    _cleanup_free_ char *inner = sysctl_there(in.fd, sysctls[0].key),
                        *outer = sysctl_read(sysctls[0].key),
                        *second = sysctl_there(in.fd, sysctls[2].key);
    check(streq(inner, "77") && streq(second, "1") && streq(outer, "1024"),
          "sysctls are inside only", outer ? outer : "unreadable");
    struct link lo;
    check(rt_get_link(in.rt, "lo", &lo) == 0 && lo.index == 1 && !(lo.flags & IFF_UP),
          "its socket works inside", "it does not");
    inside_close(&in);
    check(open_fds() == fds, "nothing is left open", "an fd is");
    check(netns_inode(-1) == 0, "no fd, no inode", "one");

    _cleanup_err_ struct err e = ERR_INIT;
    const struct sysctl bad[] = {{"net/ipv4/ip_unprivileged_port_start", "many"}, {NULL, NULL}};
    int fd = 7;
    struct rt *rt = (void *)&fd;
    int r = netns_create(-1, &fd, &rt, bad, NULL, &e);
    check(r == -EINVAL && fd == -1 && !rt && here() == before && open_fds() == fds &&
              streq(text_of(&e),
                    "set sysctl `net/ipv4/ip_unprivileged_port_start` to many: Invalid argument"),
          "a value that is refused undoes all", text_of(&e));
    check(!sysctl_read("net/ipv4/no_such_key") &&
              sysctl_write("net/ipv4/no_such_key", "1", &e) == -ENOENT,
          "a key that there is not", text_of(&e));
}

/* ---- links ------------------------------------------------------------------------------------*/

static const uint8_t bridge_mac[6] = {0x0a, 1, 2, 3, 4, 5}, host_mac[6] = {0x0e, 1, 1, 1, 1, 1},
                     low_mac[6] = {2, 0, 0, 0, 0, 1}, peer_mac[6] = {2, 0x42, 10, 88, 0, 2};

static struct rt *own_rt(void)
{
    struct rt *rt;
    if (rt_open(&rt, NULL) < 0)
        exit(1);
    return rt;
}

static int commit(struct rt_batch *b, const char *name)
{
    _cleanup_err_ struct err e = ERR_INIT;
    int r = rt_commit(b, &e);
    check(r == 0, name, text_of(&e));
    return r;
}

static struct link link_of(struct rt *rt, const char *name)
{
    struct link l;
    int r = rt_get_link(rt, name, &l);
    if (r < 0) {
        expect(false, name, "is not there: %s", strerror(-r));
        l = (struct link){0};
    }
    return l;
}

static struct veth veth(const char *name, int master, const struct inside *in)
{
    struct veth v = {
        .host = name, .master = master, .mtu = 1400, .peer = "eth0", .peer_netns = in->fd};
    memcpy(v.host_mac, host_mac, 6);
    memcpy(v.peer_mac, peer_mac, 6);
    return v;
}

static bool has(const struct link *l, const uint8_t mac[6], unsigned mtu)
{
    return memcmp(l->mac, mac, 6) == 0 && l->mtu == mtu;
}

static void test_veth(struct rt *rt, int bridge)
{
    _cleanup_inside_ struct inside in = inside_open(NULL);
    _cleanup_rt_batch_ struct rt_batch *b = rt_batch_new(rt);
    struct veth v = veth("vc-one", bridge, &in);
    rt_add_veth(b, &v);
    rt_set_port(b, "vc-one", (struct port_flags){.hairpin = true, .isolated = true}, "netctr: one");
    commit(b, "a veth");
    struct link host = link_of(rt, "vc-one"), peer = link_of(in.rt, "eth0"), none;
    check(has(&host, host_mac, 1400) && host.master == bridge && !(host.flags & IFF_UP) &&
              (host.flags & IFF_NOARP) && streq(host.alias, "netctr: one"),
          "its host end is in the bridge, without ARP, and down", host.alias);
    rt_set_up(b, host.index);
    commit(b, "it is brought up");
    check(has(&peer, peer_mac, 1400) && peer.index == 2 && peer.master == 0 &&
              !(peer.flags & IFF_UP),
          "its other end was born inside", "it was not");
    check(rt_get_link(rt, "eth0", &none) == -ENODEV &&
              rt_get_link(in.rt, "vc-one", &none) == -ENODEV,
          "and nowhere else", "it is");
    /* The kernel changes the state by itself, but later: no state is certain until its link watch
     * has run. */
    for (int i = 0; i < 100 && link_of(rt, "vc-one").forwarding; i++)
        usleep(10000);
    check(!link_of(rt, "vc-one").forwarding, "without a carrier the port does not forward",
          "it does");
    _cleanup_rt_batch_ struct rt_batch *up = rt_batch_new(in.rt);
    rt_set_up(up, 2);
    commit(up, "the other end is brought up");
    for (int i = 0; i < 100 && !link_of(rt, "vc-one").forwarding; i++)
        usleep(10000);
    check(link_of(rt, "vc-one").forwarding, "the port forwards", "it does not");
    rt_remove_link(b, host.index);
    commit(b, "the veth is deleted");
    check(rt_get_link(in.rt, "eth0", &none) == -ENODEV, "both ends are gone", "one is there");
}

static void test_bridge_mac(struct rt *rt)
{
    _cleanup_inside_ struct inside in = inside_open(NULL);
    _cleanup_rt_batch_ struct rt_batch *b = rt_batch_new(rt);
    rt_add_bridge(b, "nc-keep", bridge_mac, 1400);
    commit(b, "a bridge");
    struct link bridge = link_of(rt, "nc-keep");
    check(has(&bridge, bridge_mac, 1400) && !(bridge.flags & IFF_UP),
          "has its MAC and MTU, and is down", "it has not");
    struct veth one = veth("vc-low", bridge.index, &in), two = veth("vc-high", bridge.index, &in);
    memcpy(one.host_mac, low_mac,
           6); /* lower than the bridge's MAC, which would otherwise be replaced by it */
    one.mtu = 1300;
    two.peer = "eth1";
    rt_set_up(b, bridge.index);
    rt_add_veth(b, &one);
    rt_add_veth(b, &two);
    commit(b, "ports come");
    struct link after = link_of(rt, "nc-keep");
    check(has(&after, bridge_mac, 1400) && (after.flags & IFF_UP), "the bridge is as it was",
          "it is not");
    rt_delete_link(b, "vc-low");
    rt_delete_link(b, "vc-high");
    commit(b, "ports go");
    after = link_of(rt, "nc-keep");
    check(has(&after, bridge_mac, 1400), "the bridge is as it was", "it is not");
    rt_set_alias(b, "nc-keep", "a name");
    rt_set_mac(b, after.index, low_mac);
    commit(b, "alias and MAC are changed");
    after = link_of(rt, "nc-keep");
    check(has(&after, low_mac, 1400) && streq(after.alias, "a name"), "they are", after.alias);
    rt_delete_link(b, "nc-keep");
    commit(b, "the bridge is deleted");
}

/* ---- batches ----------------------------------------------------------------------------------*/

static struct ip ip(const char *text)
{
    struct ip a;
    if (ip_parse(text, &a) < 0)
        check(false, text, "is no address");
    return a;
}

static void fails(struct rt_batch *b, const char *name, int code, const char *text)
{
    _cleanup_err_ struct err e = ERR_INIT;
    int r = rt_commit(b, &e);
    expect(r == code && streq(text_of(&e), text), name, "%d: %s", r, text_of(&e));
}

static void test_failures(struct rt *rt, int bridge)
{
    _cleanup_rt_batch_ struct rt_batch *b = rt_batch_new(rt);
    struct ip gateway = ip("192.0.2.1"), address = ip("10.88.0.1");
    rt_add_default_route(b, bridge, &gateway, 0);
    fails(b, "the verb, the reason, the kernel's own words", -ENETUNREACH,
          "add default route via 192.0.2.1: Network is unreachable (Nexthop has invalid gateway)");
    rt_add_bridge(b, "nc-bridge", bridge_mac, 1500);
    fails(b, "a link that is there", -EEXIST, "create bridge `nc-bridge`: File exists");
    rt_add_address(b, bridge, &address, 24);
    rt_add_address(b, 9999, &address, 24);
    rt_add_bridge(b, "nc-bridge", bridge_mac, 1500);
    _cleanup_err_ struct err e = ERR_INIT;
    int r = rt_commit(b, &e);
    check(r == -ENODEV && skip_prefix(text_of(&e), "add address 10.88.0.1/24: No such device"),
          "the first failure of a batch is reported", text_of(&e));
    rt_add_address(b, bridge, &address, 24);
    r = rt_commit(b, &e);
    check(r == -EEXIST && skip_prefix(text_of(&e), "add address 10.88.0.1/24: File exists"),
          "what stood before it was done", text_of(&e));
    rt_push(b, NULL, false, xstrdup("a verb without memory"));
    rt_add_bridge(b, "nc-never", bridge_mac, 1500);
    fails(b, "a batch that could not be built", -ENOMEM,
          "a verb without memory: Cannot allocate memory");
    struct link none;
    check(rt_get_link(rt, "nc-never", &none) == -ENODEV, "is not sent", "it is");
    commit(b, "an empty batch");
    rt_add_bridge(b, "nc-after", bridge_mac, 1500);
    commit(b, "a batch works after failures");
    rt_delete_link(b, "nc-after");
    commit(b, "and again");
}

static void test_already_gone(struct rt *rt, int bridge)
{
    _cleanup_rt_batch_ struct rt_batch *b = rt_batch_new(rt);
    struct ip four = ip("10.88.0.9"), six = ip("fd00::9");
    rt_delete_link(b, "vc-absent");
    rt_delete_neighbour(b, bridge, &four);
    rt_delete_neighbour(b, bridge, &six);
    rt_delete_neighbour(b, 9999, &four);
    commit(b, "deleting what is not there");
    rt_delete_link(b, "vc-absent");
    rt_add_neighbour(b, 9999, &four, peer_mac);
    _cleanup_err_ struct err e = ERR_INIT;
    check(rt_commit(b, &e) < 0 && skip_prefix(text_of(&e), "add neighbour 10.88.0.9: "),
          "hides no failure of another verb", text_of(&e));
    rt_add_neighbour(b, bridge, &four, peer_mac);
    rt_add_neighbour(b, bridge, &four, low_mac);
    rt_add_neighbour(b, bridge, &six, peer_mac);
    commit(b, "a neighbour is replaced");
    rt_delete_neighbour(b, bridge, &four);
    rt_delete_neighbour(b, bridge, &six);
    rt_delete_neighbour(b, bridge, &six);
    commit(b, "neighbours are deleted");
}

/* As many verbs as a network with many containers may need at once. */
static void test_large_batch(struct rt *rt, int bridge)
{
    _cleanup_rt_batch_ struct rt_batch *b = rt_batch_new(rt);
    for (int i = 0; i < 60; i++) {
        _cleanup_free_ char *text = xasprintf("10.88.1.%d", i + 1);
        struct ip a = ip(text);
        rt_add_neighbour(b, bridge, &a, peer_mac);
    }
    commit(b, "a batch of 60");
}

/* ---- what is there ----------------------------------------------------------------------------*/

struct seen {
    int links, routes, defaults, stop_after;
    bool bridge, on_link4, on_link6;
};

static int see_link(const struct link *l, void *arg)
{
    struct seen *s = arg;
    s->bridge |= streq(l->name, "nc-bridge");
    return ++s->links == s->stop_after ? -ECANCELED : 0;
}

static int see_route(const struct route *r, void *arg)
{
    struct seen *s = arg;
    _cleanup_free_ char *text = ip_text(&r->destination);
    s->routes++;
    s->defaults += r->prefix == 0;
    s->on_link4 |= streq(text, "10.88.0.0") && r->prefix == 24 && r->on_link && r->oif > 0;
    s->on_link6 |= streq(text, "fd00::") && r->prefix == 64 && r->on_link;
    return s->routes == s->stop_after ? -ECANCELED : 0;
}

static void test_walks(struct rt *rt, int bridge)
{
    _cleanup_rt_batch_ struct rt_batch *b = rt_batch_new(rt);
    struct ip six = ip("fd00::1"), gateway = ip("10.88.0.254"), gateway6 = ip("fd00::fe");
    rt_set_up(b, bridge);
    rt_add_address(b, bridge, &six, 64);
    rt_add_default_route(b, bridge, &gateway, 0);
    rt_add_default_route(b, bridge, &gateway6, 0);
    commit(b, "addresses and default routes");
    struct seen all = {0}, few = {.stop_after = 1};
    check(rt_each_link(rt, see_link, &all, NULL) == 0 && all.bridge && all.links == 2, "every link",
          "not all");
    check(rt_each_route(rt, see_route, &all, NULL) == 0 && all.defaults == 2 && all.on_link4 &&
              all.on_link6,
          "every route", "not all");
    check(rt_each_link(rt, see_link, &few, NULL) == -ECANCELED && few.links == 1,
          "a walk over links ends", "it goes on");
    check(rt_each_route(rt, see_route, &few, NULL) == -ECANCELED && few.routes == 1,
          "a walk over routes ends", "it goes on");
    struct link l;
    check(rt_get_link(rt, "nc-bridge", &l) == 0 && l.index == bridge &&
              rt_get_link(rt, "none", &l) == -ENODEV,
          "a socket is in order after walks that ended", "it is not");
}

/* ---- what the kernel can ----------------------------------------------------------------------*/

static int count_links(const struct link *link, void *arg)
{
    (void)link;
    ++*(int *)arg;
    return 0;
}

static void test_kinds(struct rt *rt)
{
    int before = 0, after = 0;
    (void)rt_each_link(rt, count_links, &before, NULL);
    int veth = rt_knows_kind(rt, "veth"), bridge = rt_knows_kind(rt, "bridge"),
        none = rt_knows_kind(rt, "nosuchkind");
    (void)rt_each_link(rt, count_links, &after, NULL);
    expect(veth == 1 && bridge == 1 && none == 0, "which kinds of links the kernel can make",
           "veth %d, bridge %d, nosuchkind %d", veth, bridge, none);
    expect(before == after, "asking makes none", "%d links, then %d", before, after);
}

static uint32_t rate_of(struct rt *rt, int index)
{
    _cleanup_err_ struct err e = ERR_INIT;
    uint32_t rate = 1;
    int r = rt_get_rate(rt, index, &rate, &e);
    check(r == 0, "a rate is read", text_of(&e));
    return rate;
}

static void test_rate(struct rt *rt, int bridge)
{
    int tbf = rt_knows_qdisc(rt, "tbf"), none = rt_knows_qdisc(rt, "nosuchkind");
    expect(none == 0, "a discipline that no kernel has", "%d", none);
    if (tbf == 0) {
        printf("skip - a rate: this kernel has no tbf\n");
        return;
    }
    expect(tbf == 1 && rate_of(rt, 1) == 0, "asking for tbf makes none", "%d", tbf);
    _cleanup_inside_ struct inside in = inside_open(NULL);
    _cleanup_rt_batch_ struct rt_batch *b = rt_batch_new(rt);
    struct veth v = veth("vc-rate", bridge, &in), other = veth("vc-other", bridge, &in);
    other.peer = "eth1";
    rt_add_veth(b, &v);
    rt_add_veth(b, &other);
    commit(b, "two veths");
    int index = link_of(rt, "vc-rate").index;
    /* The same rate twice, another one, and the largest. */
    const uint32_t rates[] = {1000, 1000, 1250000, UINT32_MAX};
    for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
        rt_set_rate(b, index, rates[i], 100000, 200000);
        commit(b, "a rate");
        uint32_t is = rate_of(rt, index);
        expect(is == rates[i], "it is as it was set", "%u, not %u", is, rates[i]);
    }
    check(rate_of(rt, link_of(rt, "vc-other").index) == 0 && rate_of(rt, 1) == 0, "and no other",
          "it is");
    check(rt_knows_qdisc(rt, "tbf") == 1 && rate_of(in.rt, 2) == 0, "nor the other end's", "it is");
    rt_set_rate(b, 4711, 1000, 4000, 8000);
    fails(b, "a rate of no link", -ENODEV, "limit the rate of interface 4711: No such device");
}

static void test_neighbours(struct rt *rt, int bridge)
{
    struct neighbours before, after;
    struct ip a;
    (void)ip_parse("10.88.7.7", &a);
    int r = rt_get_neighbours(rt, AF_INET, &before, NULL);
    _cleanup_rt_batch_ struct rt_batch *b = rt_batch_new(rt);
    rt_add_neighbour(b, bridge, &a, bridge_mac);
    commit(b, "a permanent neighbour");
    if (r == 0)
        r = rt_get_neighbours(rt, AF_INET, &after, NULL);
    expect(r == 0 && after.permanent == before.permanent + 1 && after.entries > 0 &&
               after.soft > 0 && after.hard > after.soft,
           "how full the neighbour table is", "%d: %u permanent, %u", r, before.permanent,
           after.permanent);
}

int main(void)
{
    test_addresses();
    if (!own_network()) {
        printf("skip - in the kernel: no network namespace of our own: not root?\n");
        return failures != 0;
    }
    test_create();
    _cleanup_rt_ struct rt *rt = own_rt();
    _cleanup_rt_batch_ struct rt_batch *b = rt_batch_new(rt);
    rt_add_bridge(b, "nc-bridge", bridge_mac, 1500);
    commit(b, "a bridge");
    int bridge = link_of(rt, "nc-bridge").index;
    rt_set_up(b, bridge);
    commit(b, "is brought up");
    test_veth(rt, bridge);
    test_bridge_mac(rt);
    test_failures(rt, bridge);
    test_already_gone(rt, bridge);
    test_large_batch(rt, bridge);
    test_walks(rt, bridge);
    test_kinds(rt);
    test_rate(rt, bridge);
    test_neighbours(rt, bridge);
    return failures != 0;
}
