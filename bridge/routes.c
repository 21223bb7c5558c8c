/* Routes of a container besides its default route: those of its network (`network create --route`), and its own.
 *
 * They have a protocol number of netctr's in the container's namespace. So the kernel itself knows which of them are
 * netctr's, and what has changed in a definition is found by comparing: there is no second record that could disagree.
 */
#include "bridge.h"

#include <errno.h>
#include <string.h>

#define METRIC_DEFAULT 100u /* as podman's */
#define METRIC_MAX INT32_MAX
/* What the kernel adds to the metric of an IPv6 default route that has none, and so do the default routes of networks. */
#define METRIC_DEFAULT6 1024u

/* ---- notation --------------------------------------------------------------------------------*/

static int parse_destination(const char *text, int family, struct subnet *out, struct err *e)
{
    if (!streq(text, "default") && !streq(text, family == AF_INET ? "0.0.0.0/0" : "::/0"))
        return subnet_parse(text, out, e);
    *out = (struct subnet){.address = {.family = family}};
    return 0;
}

int network_route_parse(const char *text, struct network_route *out, struct err *e)
{
    *out = (struct network_route){.metric = METRIC_DEFAULT};
    _cleanup_strv_ strv words = strv_split(text, strchr(text, '@') ? '@' : ',');
    size_t count = strv_len(words);
    uint64_t metric = METRIC_DEFAULT;
    if (count < 2 || count > 3 || ip_parse(words[1], &out->gateway) < 0 ||
        ip_is_any(&out->gateway)) {
        err_say(e, -EINVAL, "route `%s` is not DESTINATION,GATEWAY[,METRIC]", text);
        err_hint(e, "as in 10.1.0.0/16,10.88.0.9");
        return -EINVAL;
    }
    if (count == 3 && parse_u64(words[2], 1, METRIC_MAX, &metric) < 0)
        return err_say(e, -EINVAL, "route `%s`: metric `%s` is not a number from 1 on", text,
                       words[2]);
    out->metric = (uint32_t)metric;
    int r = parse_destination(words[0], out->gateway.family, &out->to, e);
    if (r < 0)
        err_wrap(e, "route `%s`", text);
    else if (out->to.address.family != out->gateway.family)
        r = err_say(e, -EINVAL, "route `%s`: destination and gateway are of different families",
                    text);
    return r;
}

char *network_route_text(const struct network_route *r, char separator)
{
    _cleanup_free_ char *to = subnet_text(&r->to), *via = ip_text(&r->gateway);
    return r->metric == METRIC_DEFAULT
               ? xasprintf("%s%c%s", to, separator, via)
               : xasprintf("%s%c%s%c%u", to, separator, via, separator, r->metric);
}

int network_check_route(const struct network *n, const struct subnet *to, const struct ip *gateway,
                        struct err *e)
{
    const struct subnet *s = gateway->family == AF_INET ? &n->subnet4 : &n->subnet6;
    _cleanup_free_ char *via = ip_text(gateway), *text = to ? subnet_text(to) : NULL,
                        *what = to ? xasprintf("route to %s by %s", text, via)
                                   : xasprintf("gateway %s", via);
    if (!s->prefix)
        return err_say(e, -EINVAL, "%s: network `%s` has no %s", what, n->name,
                       gateway->family == AF_INET ? "IPv4" : "IPv6");
    _cleanup_free_ char *subnet = subnet_text(s);
    if (!subnet_contains(s, gateway))
        return err_say(e, -EINVAL, "%s: the gateway is not in %s, the subnet of network `%s`", what,
                       subnet, n->name);
    if (subnet_reserves(s, gateway))
        return err_say(e, -EINVAL, "%s: the gateway is not an address of a host in %s", what,
                       subnet);
    if (to && subnet_equal(to, s))
        return err_say(e, -EINVAL, "%s: that is the subnet of network `%s`", what, n->name);
    return 0;
}

/* ---- what an endpoint is to have ---------------------------------------------------------------*/

struct ip endpoint_gateway(const struct network *n, const struct endpoint *ep, int family)
{
    bool four = family == AF_INET;
    const struct ip *own = four ? &ep->gateway4 : &ep->gateway6;
    if (!(four ? &ep->address4 : &ep->address6)->family || !network_has_gateway(n))
        return (struct ip){0};
    return own->family           ? *own
           : n->no_default_route ? (struct ip){0}
           : four                ? n->gateway4
                                 : n->gateway6;
}

static void add_wanted(struct endpoint_routes *w, const struct endpoint *ep,
                       const struct network_route *route, int index)
{
    bool six = route->gateway.family == AF_INET6;
    if (!(six ? &ep->address6 : &ep->address4)->family)
        return;
    w->items = xrealloc(w->items, w->count + 1, sizeof(*w->items));
    w->items[w->count++] = (struct route){
        .destination = route->to.address,
        .prefix = route->to.prefix,
        .gateway = route->gateway,
        .family = route->gateway.family,
        .oif = index,
        .protocol = RT_PROTOCOL_NETCTR,
        .metric = route->metric + (six && !route->to.prefix ? METRIC_DEFAULT6 : 0),
    };
}

/* A network that leads nowhere has no default route of its own: one by a router on it is like any other route. */
struct endpoint_routes endpoint_wanted_routes(const struct network *n, const struct endpoint *ep,
                                              int index)
{
    struct endpoint_routes w = {0};
    char *const *const lists[] = {n->routes, ep->routes};
    const struct ip *const gateways[] = {&ep->gateway4, &ep->gateway6};
    struct network_route route;
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        strv_each (text, lists[i])
            if (network_route_parse(text, &route, NULL) == 0)
                add_wanted(&w, ep, &route, index);
    for (size_t i = 0; i < ARRAY_LEN(gateways); i++)
        if (gateways[i]->family && !network_has_gateway(n)) {
            route = (struct network_route){.to = {.address = {.family = gateways[i]->family}},
                                           .gateway = *gateways[i],
                                           .metric = METRIC_DEFAULT};
            add_wanted(&w, ep, &route, index);
        }
    return w;
}

void endpoint_routes_clear(struct endpoint_routes *w)
{
    free(w->items);
    *w = (struct endpoint_routes){0};
}

static bool same(const struct route *a, const struct route *b)
{
    return a->oif == b->oif && a->prefix == b->prefix && a->metric == b->metric &&
           ip_equal(&a->gateway, &b->gateway) &&
           (!a->prefix || ip_equal(&a->destination, &b->destination));
}

bool endpoint_routes_take(struct endpoint_routes *w, const struct route *found)
{
    for (size_t i = 0; i < w->count; i++)
        if (same(&w->items[i], found)) {
            w->items[i] = w->items[--w->count];
            return true;
        }
    return false;
}

/* ---- changing them ---------------------------------------------------------------------------*/

struct settling {
    struct endpoint_routes missing;
    int index;
    struct rt_batch *batch;
};

static int settle_one(const struct route *route, void *arg)
{
    struct settling *s = arg;
    if (route->protocol == RT_PROTOCOL_NETCTR && route->oif == s->index &&
        !endpoint_routes_take(&s->missing, route))
        rt_delete_route(s->batch, route);
    return 0;
}

int endpoint_settle_routes(const struct network *n, const struct endpoint *ep, struct rt *inside,
                           struct err *e)
{
    struct link own;
    if (rt_get_link(inside, ep->interface, &own) < 0 || !(own.flags & IFF_UP))
        return 0;
    _cleanup_rt_batch_ struct rt_batch *batch = rt_batch_new(inside);
    struct settling s = {endpoint_wanted_routes(n, ep, own.index), own.index, batch};
    int r = rt_each_route(inside, settle_one, &s, e);
    for (size_t i = 0; i < s.missing.count; i++)
        rt_add_route(batch, &s.missing.items[i]);
    endpoint_routes_clear(&s.missing);
    r = r < 0 ? r : rt_commit(batch, e);
    if (r < 0)
        err_wrap(e, "container `%s` on network `%s`", ep->container, n->name);
    return r;
}
