/* The bridge device: made complete, before anything can use it. */
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

int device_default_mtu(struct bridge *b, unsigned *mtu, struct err *e)
{
    struct uplink u = {.mtu = 1500};
    int r = rt_each_route(b->rt, find_default_route, &u, e);
    if (r == 0 && u.index)
        r = rt_each_link(b->rt, find_mtu, &u, e);
    *mtu = u.mtu;
    return r;
}

/* Written before the link is up: a router advertisement that comes a moment too early stays
 * (CVE-2020-13401). route_localnet lets 127.0.0.1 reach containers and is set on this bridge alone;
 * the martians chain keeps 127/8 off every wire (CVE-2020-8558). */
static int set_sysctls(const struct network *n, struct err *e)
{
    const struct {
        const char *family, *key, *value;
        bool wanted;
    } settings[] = {
        {"ipv6", "accept_ra", "0", n->subnet6.prefix},
        {"ipv6", "autoconf", "0", n->subnet6.prefix},
        {"ipv6", "accept_dad", "0", n->subnet6.prefix},
        {"ipv6", "disable_ipv6", "1", !n->subnet6.prefix || n->mode == GATEWAY_ISOLATED},
        {"ipv4", "route_localnet", "1", n->subnet4.prefix && network_has_gateway(n)},
    };
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        _cleanup_free_ char *key =
            xasprintf("net/%s/conf/%s/%s", settings[i].family, n->bridge, settings[i].key);
        int r = settings[i].wanted ? sysctl_write(key, settings[i].value, e) : 0;
        if (r == -ENOENT) /* this kernel has no IPv6 */
            err_clear(e);
        else if (r < 0)
            return r;
    }
    return 0;
}

/* The same for the same network, so that neighbours' caches stay right when it is made anew. */
static void bridge_mac(const struct network *n, uint8_t mac[6])
{
    uint64_t h = hash64(n->bridge) ^ (n->subnet4.prefix ? n->subnet4.address.v4.s_addr : 0);
    mac[0] = 0x02;
    mac[1] = 0x43;
    memcpy(mac + 2, &h, 4);
}

static int create(struct bridge *b, const struct network *n, struct link *link, struct err *e)
{
    uint8_t mac[6];
    unsigned mtu = n->mtu;
    int r = mtu ? 0 : device_default_mtu(b, &mtu, e);
    if (r < 0)
        return r;
    bridge_mac(n, mac);
    _cleanup_rt_batch_ struct rt_batch *batch = rt_batch_new(b->rt);
    _cleanup_free_ char *alias = xasprintf("netctr network %s", n->name);
    rt_add_bridge(batch, n->bridge, mac, mtu);
    rt_set_alias(batch, n->bridge, alias);
    r = rt_commit(batch, e);
    if (r == 0)
        r = rt_get_link(b->rt, n->bridge, link);
    return r < 0 && !e->code ? err_set(e, r, "find bridge `%s`", n->bridge) : r;
}

static int furnish(struct bridge *b, const struct network *n, const struct link *link,
                   struct err *e)
{
    int r = set_sysctls(n, e);
    if (r < 0)
        return r;
    _cleanup_rt_batch_ struct rt_batch *batch = rt_batch_new(b->rt);
    if (n->gateway4.family)
        rt_add_address(batch, link->index, &n->gateway4, n->subnet4.prefix);
    if (n->gateway6.family)
        rt_add_address(batch, link->index, &n->gateway6, n->subnet6.prefix);
    rt_set_up(batch, link->index);
    return rt_commit(batch, e);
}

int device_up(struct bridge *b, const struct network *n, struct err *e)
{
    struct link link;
    int r = rt_get_link(b->rt, n->bridge, &link);
    /* A bridge that is down was killed while it was made: what it lacks is not worth finding out. */
    if (r == 0 && !(link.flags & IFF_UP)) {
        _cleanup_rt_batch_ struct rt_batch *batch = rt_batch_new(b->rt);
        rt_delete_link(batch, n->bridge);
        r = rt_commit(batch, e);
        if (r < 0)
            return r;
        r = -ENODEV;
    }
    if (r == 0)
        return link.index;
    if (r != -ENODEV)
        return err_set(e, r, "look up bridge `%s`", n->bridge);
    r = create(b, n, &link, e);
    if (r == 0)
        r = furnish(b, n, &link, e);
    if (r < 0) {
        _cleanup_rt_batch_ struct rt_batch *batch = rt_batch_new(b->rt);
        rt_delete_link(batch, n->bridge);
        (void)rt_commit(batch, NULL);
        return r;
    }
    return link.index;
}
