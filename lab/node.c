/* One node's sandbox: its namespace with the sysctls that routers need, its interfaces on networks of the host, its ports.
 * A switch is a sandbox with a bridge in it.
 */
#include "lab.h"

#include <errno.h>
#include <string.h>

/* Containerlab's nodes forward because docker's host does; netctr's do whatever the host does. */
static const struct sysctl of_nodes[] = {
    {"net/ipv4/ip_forward", "1"},
    {"net/ipv4/conf/all/rp_filter", "0"},
    {"net/ipv4/conf/default/rp_filter", "0"},
    {"net/ipv6/conf/all/disable_ipv6", "0"},
    {"net/ipv6/conf/default/disable_ipv6", "0"},
    {NULL, NULL},
};
static const struct sysctl of_switches[] = {
    {"net/ipv6/conf/default/disable_ipv6", "1"}, /* its own interfaces have no addresses */
    {NULL, NULL},
};

/* ---- networks --------------------------------------------------------------------------------*/

/* Neighbours know it by its long name, its name in the file, and its aliases. */
static void add_names(const struct lab_node *n, struct connect_request *q)
{
    if (valid_name(n->name))
        strv_add(&q->aliases, n->name);
    strv_each (alias, n->aliases)
        if (!strv_has(q->aliases, alias))
            strv_add(&q->aliases, alias);
}

static int connect_networks(const struct topology *t, const struct lab_node *n, struct sandbox *sb,
                            struct err *e)
{
    int r = 0;
    strv_each (text, n->networks) {
        _cleanup_connect_request_ struct connect_request q = {0};
        if (r == 0)
            r = connect_request_parse(text, &q, e);
        if (r < 0)
            break;
        char *name = lab_network_name(t, q.network);
        free(q.network);
        q.network = name;
        add_names(n, &q);
        r = sandbox_connect(sb, &q, e);
    }
    return r;
}

static int add_spare_routes(struct engine *engine, const char *network, int netns, struct err *e)
{
    struct net *net;
    struct link link;
    _cleanup_network_ struct network n = {0};
    _cleanup_rt_ struct rt *rt = NULL;
    int r = engine_net(engine, &net, e);
    if (r == 0)
        r = network_load(net, network, &n, e);
    if (r < 0 || !network_has_gateway(&n))
        return r;
    r = netns_open_rt(netns, &rt, e);
    if (r < 0)
        return r;
    if ((r = rt_get_link(rt, "eth0", &link)) < 0)
        return err_set(e, r, "find interface eth0");
    _cleanup_rt_batch_ struct rt_batch *b = rt_batch_new(rt);
    const struct ip *const gateways[] = {&n.gateway4, &n.gateway6};
    for (size_t i = 0; i < ARRAY_LEN(gateways); i++)
        if (gateways[i]->family)
            rt_add_spare_route(b, link.index, gateways[i]);
    return rt_commit(b, e);
}

static int connect_mgmt(struct engine *engine, const struct topology *t, const struct lab *l,
                        const struct lab_node *n, struct sandbox *sb, struct err *e)
{
    _cleanup_connect_request_ struct connect_request q = {.network = xstrdup(l->mgmt),
                                                          .interface = xstrdup("eth0"),
                                                          .address4 = n->mgmt4,
                                                          .address6 = n->mgmt6};
    add_names(n, &q);
    int r = sandbox_connect(sb, &q, e);
    if (r == 0 && !t->mgmt.no_route)
        r = add_spare_routes(engine, l->mgmt, sandbox_netns(sb), e);
    return r;
}

static int publish(const struct lab_node *n, struct sandbox *sb, struct err *e)
{
    _cleanup_port_mappings_ struct port_mappings list = {0};
    int r = 0;
    strv_each (text, n->ports)
        if (r == 0)
            r = port_mapping_parse(text, &list, e);
    r = r == 0 && list.count ? sandbox_publish(sb, &list, e) : r;
    return r < 0 ? r : 0;
}

/* ---- made ------------------------------------------------------------------------------------*/

static int fill(struct engine *engine, const struct topology *t, const struct lab *l,
                const struct lab_node *n, struct sandbox *sb, struct err *e)
{
    const bool is_switch = n->kind == LAB_BRIDGE;
    int r = netns_sysctls(sandbox_netns(sb), is_switch ? of_switches : of_nodes, e);
    if (r == 0 && is_switch)
        return bridge_make(l, n, SWITCH_DEVICE, sandbox_netns(sb), e);
    if (r == 0)
        r = connect_networks(t, n, sb, e);
    if (r == 0 && topology_is_managed(t, n))
        r = connect_mgmt(engine, t, l, n, sb, e);
    return r == 0 ? publish(n, sb, e) : r;
}

int node_make(struct engine *engine, const struct topology *t, const struct lab *l, size_t node,
              struct err *e)
{
    const struct lab_member *m = &l->members[node];
    struct sandbox *sb = NULL;
    if (!m->sandbox)
        return 0;
    const struct sandbox_making making = {.life = SANDBOX_PINNED,
                                          .id = m->sandbox,
                                          .name = m->long_name,
                                          .netns = -1,
                                          .owner = &l->ids};
    int r = sandbox_make(engine_sandboxes(engine), &making, &sb, e);
    if (r == 0)
        r = fill(engine, t, l, &t->nodes[node], sb, e);
    sandbox_free(sb);
    if (r < 0)
        err_wrap(e, "node `%s`", m->name);
    return r;
}

/* ---- after the links -------------------------------------------------------------------------*/

struct search {
    struct ip gateway;
    int index;
};

static int look_at_address(const struct address *a, void *arg)
{
    struct search *s = arg;
    const struct subnet subnet = {subnet_base(&a->ip, a->prefix), a->prefix};
    if (!s->index && a->index != 1 && a->ip.family == s->gateway.family &&
        subnet_contains(&subnet, &s->gateway))
        s->index = a->index;
    return 0;
}

static int add_gateway(struct rt *rt, struct iproute *ip, const struct ip *gateway, struct err *e)
{
    struct search s = {.gateway = *gateway};
    int r = rt_each_address(rt, look_at_address, &s, e);
    if (r < 0)
        return r;
    _cleanup_free_ char *text = ip_text(gateway), *output = NULL;
    if (!s.index)
        return err_say(e, -ENETUNREACH, "gateway %s is not in the subnet of any of its links",
                       text);
    /* One of `networks` may have made a default route already. */
    char *const line[] = {"ip", "route", "replace", "default", "via", text, NULL};
    int status;
    r = iproute_line(ip, line, &status, &output, e);
    if (r >= 0 && status)
        return err_say(e, -EIO, "default route via %s: %s", text, output ? output : "");
    return r < 0 ? r : 0;
}

static int write_sysctls(const struct lab_node *n, int netns, struct err *e)
{
    int r = 0;
    strv_each (text, n->sysctls) {
        const char *equals = strchr(text, '=');
        _cleanup_free_ char *name = equals ? xstrndup(text, (size_t)(equals - text)) : NULL;
        _cleanup_free_ char *path = name ? sysctl_path(name) : NULL;
        if (r < 0 || !path || !skip_prefix(path, "net/"))
            continue;
        const struct sysctl list[] = {{path, equals + 1}, {NULL, NULL}};
        r = netns_sysctls(netns, list, e);
    }
    return r;
}

static int settle(const struct lab_node *n, int netns, struct err *e)
{
    _cleanup_rt_ struct rt *rt = NULL;
    int r = write_sysctls(n, netns, e);
    if (r < 0 || (!n->gateway4.family && !n->gateway6.family))
        return r;
    struct iproute *ip = NULL;
    r = netns_open_rt(netns, &rt, e);
    if (r == 0)
        r = iproute_open(netns, &ip, e);
    if (r == 0 && n->gateway4.family)
        r = add_gateway(rt, ip, &n->gateway4, e);
    if (r == 0 && n->gateway6.family)
        r = add_gateway(rt, ip, &n->gateway6, e);
    iproute_close(ip);
    return r;
}

int node_settle(struct engine *engine, const struct topology *t, const struct lab *l, size_t node,
                struct err *e)
{
    const struct lab_node *n = &t->nodes[node];
    const struct lab_member *m = &l->members[node];
    if (!m->sandbox || n->kind == LAB_BRIDGE ||
        (!n->sysctls && !n->gateway4.family && !n->gateway6.family))
        return 0;
    _cleanup_close_ int netns = lab_netns(engine, m, e);
    int r = netns < 0 ? netns : settle(n, netns, e);
    if (r < 0)
        err_wrap(e, "node `%s`", n->name);
    return r;
}

int lab_netns(struct engine *engine, const struct lab_member *m, struct err *e)
{
    _cleanup_sandbox_record_ struct sandbox_record r = {.dir = -1};
    int code = m->sandbox ? sandbox_find(engine_sandboxes(engine), m->sandbox, &r, e) : -ENOENT;
    int netns = code == 0 ? sandbox_open_netns(&r) : -ESRCH;
    if (netns >= 0)
        return netns;
    err_say(e, -ESRCH, "node `%s` has no network namespace", m->name);
    err_hint(e, "`netctr lab up` brings its lab up");
    return -ESRCH;
}
