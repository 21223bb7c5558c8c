/* The bridge device. Everything is set before the bridge can carry traffic. */
#include "bridge.h"

#include <errno.h>
#include <string.h>

struct uplink {
    int index;
    unsigned mtu;
};

static int find_default_route(const struct route *r, void *arg)
{
    struct uplink *u = arg;
    if (r->prefix == 0 && r->oif && !u->index)
        u->index = r->oif;
    return 0;
}

static int find_mtu(const struct link *link, void *arg)
{
    struct uplink *u = arg;
    if (link->index == u->index)
        u->mtu = link->mtu;
    return 0;
}

static int default_mtu(struct net *net, unsigned *mtu, struct err *e)
{
    struct uplink u = {.mtu = 1500};
    int r = rt_each_route(net->rt, find_default_route, &u, e);
    if (r == 0 && u.index)
        r = rt_each_link(net->rt, find_mtu, &u, e);
    *mtu = u.mtu;
    return r;
}

/* Written before the link is up: a router advertisement that arrives a moment early would stay in
 * effect (CVE-2020-13401). route_localnet lets 127.0.0.1 reach containers and is set on this bridge
 * only; the martians chain keeps 127/8 off every wire (CVE-2020-8558). A bridge without an IPv4
 * address would still answer ARP for the host's other addresses: arp_ignore=8 answers for none. */
bool device_sysctl(const struct network *n, size_t i, char **key, const char **value)
{
    const struct {
        const char *family, *key, *value;
        bool wanted;
    } settings[] = {
        {"ipv6", "accept_ra", "0", n->subnet6.prefix},
        {"ipv6", "autoconf", "0", n->subnet6.prefix},
        {"ipv6", "accept_dad", "0", n->subnet6.prefix},
        {"ipv6", "disable_ipv6", !n->subnet6.prefix || n->mode == GATEWAY_ISOLATED ? "1" : "0",
         true},
        {"ipv6", "force_forwarding", "1", n->subnet6.prefix && network_has_gateway(n)},
        {"ipv4", "route_localnet", "1", n->subnet4.prefix && network_has_gateway(n)},
        {"ipv4", "arp_ignore", "8", n->mode == GATEWAY_ISOLATED},
        {"ipv4", "forwarding", "1", n->subnet4.prefix && network_has_gateway(n)},
    };
    *key = NULL;
    if (i >= ARRAY_LEN(settings))
        return false;
    if (settings[i].wanted)
        *key = xasprintf("net/%s/conf/%s/%s", settings[i].family, n->bridge, settings[i].key);
    *value = settings[i].value;
    return true;
}

static int set_sysctls(struct sysctls *sysctls, const struct network *n, struct err *e)
{
    char *next;
    const char *value;
    for (size_t i = 0; device_sysctl(n, i, &next, &value); i++) {
        _cleanup_free_ char *key = next, *now = key ? sysctls_read(sysctls, key) : NULL;
        /* NULL: no value wanted, or a kernel without IPv6. */
        int r = now && !streq(now, value) ? sysctls_write(sysctls, key, value, e) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

/* Derived from the network, so that neighbour caches stay valid when the bridge is created
 * again. */
void device_mac(const struct network *n, uint8_t mac[6])
{
    uint64_t h = hash64(n->bridge) ^ (n->subnet4.prefix ? n->subnet4.address.v4.s_addr : 0);
    mac[0] = 0x02;
    mac[1] = 0x43;
    memcpy(mac + 2, &h, 4);
}

static char *alias_of(const struct network *n)
{
    return xasprintf("netctr network %s", n->name);
}

int device_mtu(struct net *net, const struct network *n, unsigned *mtu, struct err *e)
{
    *mtu = n->mtu;
    return n->mtu ? 0 : default_mtu(net, mtu, e);
}

static int create(struct net *net, const struct network *n, struct link *link, struct err *e)
{
    uint8_t mac[6];
    unsigned mtu;
    int r = device_mtu(net, n, &mtu, e);
    if (r < 0)
        return r;
    device_mac(n, mac);
    _cleanup_rt_batch_ struct rt_batch *batch = rt_batch_new(net->rt);
    _cleanup_free_ char *alias = alias_of(n);
    rt_add_bridge(batch, n->bridge, mac, mtu);
    rt_set_alias(batch, n->bridge, alias);
    r = rt_commit(batch, e);
    if (r == 0)
        r = rt_get_link(net->rt, n->bridge, link);
    return r < 0 && !e->code ? err_set(e, r, "find bridge `%s`", n->bridge) : r;
}

bool device_is_ours(const struct link *link, const struct network *n)
{
    _cleanup_free_ char *alias = alias_of(n);
    return streq(link->alias, alias);
}

/* An address that exists already is a success. Returns 1 if it had to be added. */
static int add_address(struct net *net, int index, const struct ip *address, uint8_t prefix,
                       struct err *e)
{
    if (!address->family || rt_is_local(net->rt, address) == 1)
        return 0;
    _cleanup_rt_batch_ struct rt_batch *batch = rt_batch_new(net->rt);
    rt_add_address(batch, index, address, prefix);
    int r = rt_commit(batch, e);
    if (r != -EEXIST)
        return r < 0 ? r : 1;
    err_clear(e);
    return 0;
}

/* Adds the sysctls and addresses that are missing, and brings the bridge up. A bridge that was
 * taken down by hand has lost its IPv6 addresses; one whose creation was interrupted lacks more.
 * Returns 1 if the neighbour entries were lost: that happens when the bridge goes down or loses the
 * last address of a family. */
static int configure_bridge(struct net *net, const struct network *n, const struct link *link,
                            struct err *e)
{
    bool up = link->flags & IFF_UP;
    int r = set_sysctls(&net->sysctls, n, e), added4 = 0, added6 = 0;
    if (r == 0)
        r = added4 = add_address(net, link->index, &n->gateway4, n->subnet4.prefix, e);
    if (r >= 0)
        r = added6 = add_address(net, link->index, &n->gateway6, n->subnet6.prefix, e);
    if (r < 0 || (up && link_is_plain_bridge(link)))
        return r < 0 ? r : added4 || added6;
    _cleanup_rt_batch_ struct rt_batch *batch = rt_batch_new(net->rt);
    /* With multicast snooping, the bridge takes a container that sends MLD or IGMP queries for a
     * multicast router. It could make the bridge forget every other member, neighbour discovery
     * groups included, and so break IPv6. */
    rt_set_plain_bridge(batch, link);
    if (!up)
        rt_set_up(batch, link->index);
    r = rt_commit(batch, e);
    return r < 0 ? r : !up || added4 || added6;
}

static int remove_bridge(struct net *net, const struct network *n, struct err *e)
{
    _cleanup_rt_batch_ struct rt_batch *batch = rt_batch_new(net->rt);
    rt_delete_link(batch, n->bridge);
    return rt_commit(batch, e);
}

int device_up(struct net *net, const struct network *n, struct err *e)
{
    struct link link;
    int r = rt_get_link(net->rt, n->bridge, &link);
    bool missing = r == -ENODEV;
    if (r < 0 && !missing)
        return err_set(e, r, "look up bridge `%s`", n->bridge);
    if (!missing && !device_is_ours(&link, n)) {
        err_say(e, -EEXIST, "link `%s` was not created by netctr", n->bridge);
        err_hint(e, "rename or remove it");
        return -EEXIST;
    }
    r = missing ? create(net, n, &link, e) : 0;
    if (r == 0)
        r = configure_bridge(net, n, &link, e);
    if (r < 0 && missing)
        (void)remove_bridge(net, n, NULL);
    return r;
}

/* ---- restoring and removing -------------------------------------------------------------------*/

struct renamed {
    const struct network *n;
    struct link link;
};

static int find_renamed(const struct link *link, void *arg)
{
    struct renamed *r = arg;
    if (link->is_bridge && device_is_ours(link, r->n))
        r->link = *link;
    return 0;
}

/* Restores the name or the alias of our bridge. Without its alias it is recognised by name and MAC,
 * without its name by the alias. */
static int restore_identity(struct net *net, const struct network *n, struct err *e)
{
    struct renamed found = {.n = n};
    struct link link;
    uint8_t mac[6];
    device_mac(n, mac);
    _cleanup_rt_batch_ struct rt_batch *batch = rt_batch_new(net->rt);
    int r = rt_get_link(net->rt, n->bridge, &link);
    if (r == 0 && link.is_bridge && memcmp(link.mac, mac, 6) == 0 && !device_is_ours(&link, n)) {
        _cleanup_free_ char *alias = alias_of(n);
        rt_set_alias(batch, n->bridge, alias);
    } else if (r == -ENODEV && (r = rt_each_link(net->rt, find_renamed, &found, e)) == 0 &&
               found.link.index) {
        rt_set_down(batch, found.link.index);
        rt_set_name(batch, found.link.index, n->bridge);
    }
    return r < 0 ? err_set(e, r, "look up bridge `%s`", n->bridge) : rt_commit(batch, e);
}

struct routed {
    const struct subnet *subnet;
    int bridge;
    bool there;
};

static int find_route(const struct route *route, void *arg)
{
    struct routed *r = arg;
    const struct subnet is = {route->destination, route->prefix};
    r->there =
        r->there || (route->on_link && route->oif == r->bridge &&
                     route->family == r->subnet->address.family && subnet_equal(&is, r->subnet));
    return 0;
}

int device_has_route(struct net *net, const struct link *bridge, const struct subnet *subnet,
                     struct err *e)
{
    struct routed routed = {.subnet = subnet, .bridge = bridge->index};
    int r = rt_each_route(net->rt, find_route, &routed, e);
    return r < 0 ? r : routed.there;
}

/* Replaces an address that has a wrong prefix or lacks its route. */
static int restore_address(struct net *net, const struct link *bridge, const struct ip *address,
                           const struct subnet *subnet, struct err *e)
{
    if (!address->family)
        return 0;
    int r = device_has_route(net, bridge, subnet, e);
    if (r != 0)
        return r < 0 ? r : 0;
    _cleanup_rt_batch_ struct rt_batch *batch = rt_batch_new(net->rt);
    rt_delete_address(batch, bridge->index, address, subnet->prefix);
    rt_add_address(batch, bridge->index, address, subnet->prefix);
    return rt_commit(batch, e);
}

static int restore_link(struct net *net, const struct network *n, const struct link *bridge,
                        struct err *e)
{
    uint8_t mac[6];
    unsigned mtu;
    int r = device_mtu(net, n, &mtu, e);
    if (r < 0)
        return r;
    device_mac(n, mac);
    _cleanup_rt_batch_ struct rt_batch *batch = rt_batch_new(net->rt);
    if (bridge->mtu != mtu)
        rt_set_mtu(batch, bridge->index, mtu);
    if (memcmp(bridge->mac, mac, 6) != 0)
        rt_set_mac(batch, bridge->index, mac);
    return rt_commit(batch, e);
}

int device_restore(struct net *net, const struct network *n, struct err *e)
{
    struct link bridge;
    int r = restore_identity(net, n, e);
    if (r == 0)
        r = device_up(net, n, e);
    if (r >= 0 && (r = rt_get_link(net->rt, n->bridge, &bridge)) < 0)
        err_set(e, r, "find bridge `%s`", n->bridge);
    if (r == 0)
        r = restore_link(net, n, &bridge, e);
    if (r == 0)
        r = restore_address(net, &bridge, &n->gateway4, &n->subnet4, e);
    if (r == 0)
        r = restore_address(net, &bridge, &n->gateway6, &n->subnet6, e);
    return r;
}

struct leaving {
    struct rt_batch *batch;
    int bridge;
};

/* Removes the port of an ended container whose namespace still has a holder. Links that the user
 * added to the bridge have other names or no alias of ours, and stay. */
static int remove_port(const struct link *link, void *arg)
{
    struct leaving *l = arg;
    if (link->master == l->bridge && skip_prefix(link->name, "vc-") &&
        skip_prefix(link->alias, "netctr "))
        rt_remove_link(l->batch, link->index);
    return 0;
}

/* Ports go first: without the bridge, a port that is up would be an interface of the host. */
static int remove_ports(struct net *net, const struct link *bridge, struct err *e)
{
    _cleanup_rt_batch_ struct rt_batch *batch = rt_batch_new(net->rt);
    struct leaving l = {batch, bridge->index};
    int r = rt_each_link(net->rt, remove_port, &l, e);
    return r < 0 ? r : rt_commit(batch, e);
}

int device_down(struct net *net, const struct network *n, struct err *e)
{
    struct link link;
    int r = rt_get_link(net->rt, n->bridge, &link);
    if (r == -ENODEV || (r == 0 && !device_is_ours(&link, n)))
        return 0;
    if (r < 0)
        return err_set(e, r, "look up bridge `%s`", n->bridge);
    r = remove_ports(net, &link, e);
    return r < 0 ? r : remove_bridge(net, n, e);
}

/* ---- ports -----------------------------------------------------------------------------------*/

struct ports {
    const char *begin, *end;
    bool any;
};

static int collect_port(const struct link *link, void *arg)
{
    struct ports *p = arg;
    const char *rest = skip_prefix(link->alias, p->begin);
    size_t length = rest ? strlen(rest) : 0, tail = strlen(p->end);
    if (length <= tail || !streq(rest + length - tail, p->end))
        return 0;
    p->any = true;
    return 0;
}

static int find_ports(struct net *net, const struct network *n, struct ports *out, struct err *e)
{
    _cleanup_free_ char *begin = xasprintf("netctr %s ", net->instance),
                        *end = xasprintf(" on %s", n->name);
    *out = (struct ports){.begin = begin, .end = end};
    return rt_each_link(net->rt, collect_port, out, e);
}

int device_has_ports(struct net *net, const struct network *n, struct err *e)
{
    struct ports p;
    int r = find_ports(net, n, &p, e);
    return r < 0 ? r : p.any;
}

char *device_port_owner(const struct link *port, const char *instance)
{
    _cleanup_free_ char *begin = xasprintf("netctr %s ", instance);
    const char *rest = skip_prefix(port->alias, begin);
    const char *end = rest ? strstr(rest, " on ") : NULL;
    return end ? xstrndup(rest, (size_t)(end - rest)) : NULL;
}
