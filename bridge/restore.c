/* Puts back networks and endpoints in use that something else has changed. survey.c finds such
 * changes; this undoes them. */
#include "bridge.h"

#include <errno.h>
#include <string.h>
#include <time.h>

/* ---- ports -----------------------------------------------------------------------------------*/

struct port_search {
    const char *alias;
    struct link link; /* index 0: not found */
};

static int find_by_alias(const struct link *link, void *arg)
{
    struct port_search *s = arg;
    if (streq(link->alias, s->alias))
        s->link = *link;
    return 0;
}

/* Finds the port and gives it back its name. Returns 1, or 0 if there is none: it was deleted with
 * its peer. */
static int find_port(struct net *net, const struct endpoint *ep, struct link *port, struct err *e)
{
    int r = rt_get_link(net->rt, ep->host_veth, port);
    if (r == 0)
        return 1;
    if (r != -ENODEV)
        return err_set(e, r, "find veth `%s`", ep->host_veth);
    _cleanup_free_ char *alias = endpoint_port_alias(net, ep);
    struct port_search s = {.alias = alias};
    r = rt_each_link(net->rt, find_by_alias, &s, e);
    if (r < 0 || !s.link.index)
        return r;
    _cleanup_rt_batch_ struct rt_batch *batch = rt_batch_new(net->rt);
    rt_set_down(batch, s.link.index);
    rt_set_name(batch, s.link.index, ep->host_veth);
    *port = s.link;
    r = rt_commit(batch, e);
    return r < 0 ? r : 1;
}

/* The MTU of the container's end, which must match the port's. */
static int restore_inner_mtu(const struct endpoint *ep, int netns, unsigned mtu, struct err *e)
{
    struct link own;
    _cleanup_rt_ struct rt *inside = NULL;
    int r = netns < 0 ? 0 : netns_open_rt(netns, &inside, e);
    if (r < 0 || !inside || rt_get_link(inside, ep->interface, &own) < 0 || own.mtu == mtu)
        return r;
    _cleanup_rt_batch_ struct rt_batch *batch = rt_batch_new(inside);
    rt_set_mtu(batch, own.index, mtu);
    return rt_commit(batch, e);
}

static int restore_port(struct net *net, const struct link *bridge, const struct link *port,
                        const struct live_endpoint *live, struct err *e)
{
    const struct endpoint *ep = live->endpoint;
    uint8_t mac[6];
    endpoint_port_mac(ep, mac);
    _cleanup_rt_batch_ struct rt_batch *batch = rt_batch_new(net->rt);
    /* A port that its bridge has blocked starts to forward again when it comes up. */
    if (port->master == bridge->index && (port->flags & IFF_UP) && !port->forwarding)
        rt_set_down(batch, port->index);
    if (memcmp(port->mac, mac, 6) != 0)
        rt_set_mac(batch, port->index, mac);
    if (port->master != bridge->index)
        rt_set_master(batch, ep->host_veth, bridge->index);
    if (port->mtu == bridge->mtu)
        return rt_commit(batch, e);
    rt_set_mtu(batch, port->index, bridge->mtu);
    int r = rt_commit(batch, e);
    return r < 0 ? r : restore_inner_mtu(ep, live->netns, bridge->mtu, e);
}

/* The kernel's link watch may take a second to let a port forward. If the other end is down, it
 * never will. */
static void wait_until_open(struct net *net, const struct endpoint *ep)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    struct link port;
    for (int tries = 0; tries < 1500 && rt_get_link(net->rt, ep->host_veth, &port) == 0 &&
                        port.lower_up && !port.forwarding;
         tries++)
        nanosleep(&pause, NULL);
}

static int restore_routes(const struct network *n, const struct endpoint *ep, int netns,
                          struct err *e)
{
    _cleanup_rt_ struct rt *inside = NULL;
    int r = netns < 0 ? 0 : netns_open_rt(netns, &inside, e);
    return r < 0 || !inside ? r : endpoint_settle_routes(n, ep, inside, e);
}

static int restore_endpoint(struct net *net, const struct network *n, const struct link *bridge,
                            const struct live_endpoint *live, struct err *e)
{
    struct link port;
    const struct endpoint *ep = live->endpoint;
    int r = find_port(net, ep, &port, e);
    if (r <= 0)
        return r;
    r = restore_port(net, bridge, &port, live, e);
    if (r == 0)
        r = endpoint_configure_port(net, n, bridge, ep, e);
    if (r == 0)
        wait_until_open(net, ep);
    if (r == 0 && ep->rate)
        r = endpoint_restore_rate(net, ep, live->netns, e);
    if (r < 0) {
        err_wrap(e, "container `%s` on network `%s`", ep->container, n->name);
        return r;
    }
    return restore_routes(n, ep, live->netns, e);
}

/* A failure on one port does not stop the others. */
static int restore_endpoints(struct net *net, const struct network *n, const struct bridge_view *v,
                             struct err *e)
{
    struct link bridge;
    int first = 0, r = rt_get_link(net->rt, n->bridge, &bridge);
    if (r < 0)
        return err_set(e, r, "find bridge `%s`", n->bridge);
    _cleanup_err_ struct err step = ERR_INIT;
    for (size_t i = 0; i < v->count; i++)
        if (v->endpoints[i].settled && streq(v->endpoints[i].endpoint->network, n->name))
            err_note(&first, restore_endpoint(net, n, &bridge, &v->endpoints[i], &step), e, &step);
    return first;
}

/* ---- networks --------------------------------------------------------------------------------*/

static bool has_endpoint(const struct network *n, const struct bridge_view *v)
{
    for (size_t i = 0; i < v->count; i++)
        if (streq(v->endpoints[i].endpoint->network, n->name))
            return true;
    return false;
}

struct restoring {
    struct net *net;
    const struct bridge_view *view;
    int first; /* first failure */
    struct err *e;
};

static int restore_network(struct net *net, const struct network *n, const struct bridge_view *v,
                           struct err *e)
{
    struct link link;
    if (!has_endpoint(n, v) && rt_get_link(net->rt, n->bridge, &link) == -ENODEV)
        return 0; /* the network is not in use */
    int r = device_restore(net, n, e);
    if (r < 0) {
        err_wrap(e, "network `%s`", n->name);
        return r;
    }
    r = network_up(net, n, 0, e);
    return r < 0 ? r : restore_endpoints(net, n, v, e);
}

static int restore_one(const struct network *n, void *arg)
{
    struct restoring *s = arg;
    _cleanup_err_ struct err step = ERR_INIT;
    err_note(&s->first, restore_network(s->net, n, s->view, &step), s->e, &step);
    return 0;
}

int net_restore(struct net *net, const struct bridge_view *view, struct err *e)
{
    struct restoring s = {.net = net, .view = view, .e = e};
    _cleanup_err_ struct err step = ERR_INIT;
    err_note(&s.first, network_each(net, restore_one, &s, &step), e, &step);
    return s.first;
}
