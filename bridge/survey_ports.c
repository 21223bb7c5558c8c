/* The endpoints' part of a survey: their ports, the host's entries for them, and the containers'
 * ends. */
#include "survey.h"

#include <errno.h>
#include <string.h>

/* ---- the host's end ---------------------------------------------------------------------------*/

static void compare_flags(struct survey *s, const struct endpoint *ep, const struct link *port)
{
    const struct port_flags wanted = endpoint_port_flags(s->n, ep), is = port->port;
    const struct {
        const char *name;
        bool wanted, is;
    } all[] = {
        {"hairpin", wanted.hairpin, is.hairpin},
        {"isolated", wanted.isolated, is.isolated},
        {"learning", wanted.learning, is.learning},
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (all[i].wanted != all[i].is)
            survey_differs(s, "port `%s` of container `%s`: %s is %s", ep->host_veth, ep->container,
                           all[i].name, all[i].is ? "on" : "off");
    if (!port->floods)
        survey_differs(s, "port `%s` of container `%s` keeps frames back (`bridge -d link show`)",
                       ep->host_veth, ep->container);
}

static void compare_port(struct survey *s, const struct endpoint *ep, const struct link *port)
{
    uint8_t mac[6];
    endpoint_port_mac(ep, mac);
    _cleanup_free_ char *alias = endpoint_port_alias(s->b, ep),
                        *key = xasprintf("net/ipv6/conf/%s/disable_ipv6", ep->host_veth),
                        *disabled = sysctl_read(key);
    if (!(port->flags & IFF_UP))
        survey_differs(s, "port `%s` of container `%s` is down", ep->host_veth, ep->container);
    else if (port->carrier && !port->forwarding)
        survey_differs(s, "port `%s` of container `%s` does not forward", ep->host_veth,
                       ep->container);
    if (memcmp(mac, port->mac, 6) != 0)
        survey_differs(s, "port `%s` of container `%s` has another MAC", ep->host_veth,
                       ep->container);
    if (!streq(alias, port->alias))
        survey_differs(s, "port `%s` of container `%s` has lost its alias", ep->host_veth,
                       ep->container);
    if (disabled && !streq(disabled, "1"))
        survey_differs(s, "sysctl %s: should be 1, is %s", key, disabled);
    compare_flags(s, ep, port);
}

/* By family, link, MAC and address. */
static int by_entry(const void *a, const void *b)
{
    const struct neighbour *x = a, *y = b;
    if (x->ip.family != y->ip.family)
        return x->ip.family < y->ip.family ? -1 : 1;
    if (x->index != y->index)
        return x->index < y->index ? -1 : 1;
    int order = memcmp(x->mac, y->mac, sizeof(x->mac));
    return order ? order : memcmp(x->ip.bytes, y->ip.bytes, ip_size(&x->ip));
}

static int take_entry(const struct neighbour *n, void *arg)
{
    struct survey *s = arg;
    if (!n->permanent)
        return 0;
    if (s->entry_count % 64 == 0)
        s->entries = xrealloc(s->entries, s->entry_count + 64, sizeof(*s->entries));
    s->entries[s->entry_count++] = *n;
    return 0;
}

static int read_entries(struct survey *s, struct err *e)
{
    int r = rt_each_neighbour(s->b->rt, AF_BRIDGE, take_entry, s, e);
    if (r == 0)
        r = rt_each_neighbour(s->b->rt, AF_INET, take_entry, s, e);
    if (r == 0)
        r = rt_each_neighbour(s->b->rt, AF_INET6, take_entry, s, e);
    if (r == 0 && s->entry_count)
        qsort(s->entries, s->entry_count, sizeof(*s->entries), by_entry);
    return r;
}

/* @ip NULL: the MAC on a port of the bridge. */
static void compare_entry(struct survey *s, const struct endpoint *ep, int index,
                          const struct ip *ip)
{
    struct neighbour wanted = {.index = index};
    if (ip)
        wanted.ip = *ip;
    memcpy(wanted.mac, ep->mac, sizeof(wanted.mac));
    if ((ip && !ip->family) || (s->entry_count && bsearch(&wanted, s->entries, s->entry_count,
                                                          sizeof(*s->entries), by_entry)))
        return;
    _cleanup_free_ char *mac = mac_text(ep->mac), *text = ip ? ip_text(ip) : xstrdup("");
    if (ip)
        survey_differs(s, "the permanent neighbour %s of container `%s` is missing", text,
                       ep->container);
    else
        survey_differs(s, "MAC %s of container `%s` is not bound to port `%s`", mac, ep->container,
                       ep->host_veth);
}

static void compare_entries(struct survey *s, const struct endpoint *ep, const struct link *port)
{
    if (ep->guard)
        compare_entry(s, ep, port->index, NULL);
    if (!endpoint_has_neighbours(s->n, ep))
        return;
    compare_entry(s, ep, s->bridge.index, &ep->address4);
    compare_entry(s, ep, s->bridge.index, &ep->address6);
}

/* ---- the container's end ----------------------------------------------------------------------*/

struct inside {
    const struct survey *s;
    const struct live_endpoint *live;
    const struct endpoint *ep; /* its record */
    struct link link;
    bool address4, address6, route4, route6;
    struct ip gateway4, gateway6;   /* of its default routes */
    struct endpoint_routes missing; /* other routes that have not been found yet */
};

static int note_address(const struct address *a, void *arg)
{
    struct inside *in = arg;
    if (a->index != in->link.index)
        return 0;
    if (ip_equal(&a->ip, &in->ep->address4) && a->prefix == in->s->n->subnet4.prefix)
        in->address4 = true;
    if (ip_equal(&a->ip, &in->ep->address6) && a->prefix == in->s->n->subnet6.prefix)
        in->address6 = true;
    return 0;
}

static void route_differs(const struct inside *in, const struct route *r, const char *how)
{
    struct subnet to = {.address = r->destination, .prefix = r->prefix};
    _cleanup_free_ char *destination = r->prefix ? subnet_text(&to) : xstrdup("default"),
                        *via = ip_text(&r->gateway);
    survey_differs((struct survey *)in->s,
                   "container `%s`: the route %s by %s %s (`netctr network reload` repairs it)",
                   in->ep->container, destination, via, how);
}

static int note_route(const struct route *r, void *arg)
{
    struct inside *in = arg;
    if (r->oif != in->link.index)
        return 0;
    if (r->protocol == RT_PROTOCOL_NETCTR && !endpoint_routes_take(&in->missing, r))
        route_differs(in, r, "is none of the network's");
    if (r->prefix != 0 || r->protocol == RT_PROTOCOL_NETCTR)
        return 0;
    in->route4 = in->route4 || ip_equal(&r->gateway, &in->gateway4);
    in->route6 = in->route6 || ip_equal(&r->gateway, &in->gateway6);
    return 0;
}

/* Reports a difference that only a restart of the container repairs. */
static void differs_inside(struct survey *s, const struct live_endpoint *live, char *what)
{
    const char *name = live->endpoint->container;
    _cleanup_free_ char *own = what,
                        *text = xasprintf("container `%s`: %s (`netctr restart %s` puts it back)",
                                          name, own, name);
    json_array_append_new(live->own_end ? s->inside : s->differences, json_string(text));
}

static void compare_families(struct survey *s, const struct inside *in)
{
    const struct endpoint *ep = in->ep;
    const struct {
        const struct ip *address, *gateway;
        bool address_there, route_there;
    } families[] = {
        {&ep->address4, &in->gateway4, in->address4, in->route4},
        {&ep->address6, &in->gateway6, in->address6, in->route6},
    };
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        _cleanup_free_ char *address = ip_text(families[i].address),
                            *gateway = ip_text(families[i].gateway);
        if (!families[i].address->family)
            continue;
        if (!families[i].address_there)
            differs_inside(s, in->live, xasprintf("`%s` lacks address %s", ep->interface, address));
        /* Without its address, or while down, the interface cannot have the route. */
        else if ((in->link.flags & IFF_UP) && families[i].gateway->family &&
                 !families[i].route_there)
            differs_inside(s, in->live, xasprintf("the default route by %s is missing", gateway));
    }
}

static void compare_inside(struct survey *s, const struct inside *in)
{
    const struct endpoint *ep = in->ep;
    const char *name = ep->interface;
    if (!(in->link.flags & IFF_UP))
        differs_inside(s, in->live, xasprintf("`%s` is down", name));
    if (memcmp(in->link.mac, ep->mac, 6) != 0)
        differs_inside(s, in->live, xasprintf("`%s` has another MAC", name));
    if (in->link.mtu != s->bridge.mtu)
        differs_inside(
            s, in->live,
            xasprintf("`%s` has MTU %u, the bridge has %u", name, in->link.mtu, s->bridge.mtu));
    compare_families(s, in);
    for (size_t i = 0; i < in->missing.count && (in->link.flags & IFF_UP); i++)
        route_differs(in, &in->missing.items[i], "is missing");
}

/* A container with CAP_NET_ADMIN may have changed anything in its namespace. Returns 1 if its
 * interface is gone. */
static int survey_inside(struct survey *s, const struct live_endpoint *live, struct err *e)
{
    _cleanup_rt_ struct rt *rt = NULL;
    struct inside in = {.s = s, .live = live, .ep = live->endpoint};
    int r = live->netns < 0 ? 0 : netns_open_rt(live->netns, &rt, e);
    if (r < 0 || !rt)
        return r;
    r = rt_get_link(rt, in.ep->interface, &in.link);
    if (r == -ENODEV) {
        differs_inside(s, live, xasprintf("`%s` is missing", in.ep->interface));
        return 1;
    }
    if (r < 0)
        return err_set(e, r, "find `%s` of container `%s`", in.ep->interface, in.ep->container);
    in.gateway4 = endpoint_gateway(s->n, in.ep, AF_INET);
    in.gateway6 = endpoint_gateway(s->n, in.ep, AF_INET6);
    in.missing = endpoint_wanted_routes(s->n, in.ep, in.link.index);
    r = rt_each_address(rt, note_address, &in, e);
    if (r == 0)
        r = rt_each_route(rt, note_route, &in, e);
    if (r == 0)
        compare_inside(s, &in);
    endpoint_routes_clear(&in.missing);
    return r;
}

int endpoint_changed_inside(struct net *net, const struct network *n, const struct endpoint *ep,
                            int netns, struct err *e)
{
    const struct live_endpoint live = {.endpoint = ep, .netns = netns};
    _cleanup_json_ json_t *found = json_array();
    struct survey s = {.b = net, .n = n, .differences = found};
    int r = rt_get_link(net->rt, n->bridge, &s.bridge);
    if (r == 0)
        r = survey_inside(&s, &live, e);
    else
        r = r == -ENODEV ? 1 : err_set(e, r, "look up bridge `%s`", n->bridge);
    return r < 0 ? r : r > 0 || json_array_size(found);
}

/* ---- both ends --------------------------------------------------------------------------------*/

static int survey_endpoint(struct survey *s, const struct live_endpoint *live, struct err *e)
{
    const struct endpoint *ep = live->endpoint;
    struct link port;
    int r = rt_get_link(s->b->rt, ep->host_veth, &port);
    if (r == -ENODEV) {
        /* If one end of a veth is deleted, so is the other. The host's end belongs to netctr, not
         * to the container. */
        struct live_endpoint of_host = *live;
        of_host.own_end = false;
        r = survey_inside(s, &of_host, e);
        if (r == 0)
            survey_differs(s, "port `%s` of container `%s` is missing", ep->host_veth,
                           ep->container);
        return r;
    }
    if (r < 0)
        return err_set(e, r, "find veth `%s`", ep->host_veth);
    if (port.master != s->bridge.index) {
        survey_differs(s, "the port of container `%s` is not in the bridge", ep->container);
    } else {
        compare_port(s, ep, &port);
        compare_entries(s, ep, &port);
    }
    if (r == 0)
        r = survey_inside(s, live, e);
    if (r >= 0 && ep->rate)
        r = endpoint_verify_rate(s->b, ep, live->netns, survey_found, s, e);
    return r;
}

int survey_endpoints(struct survey *s, struct err *e)
{
    int r = 0;
    bool read = false;
    for (size_t i = 0; r >= 0 && i < s->view->count; i++) {
        const struct live_endpoint *live = &s->view->endpoints[i];
        if (!live->settled || !streq(live->endpoint->network, s->n->name))
            continue;
        r = read ? 0 : read_entries(s, e);
        read = true;
        if (r >= 0)
            r = survey_endpoint(s, live, e);
    }
    return r < 0 ? r : 0;
}
