/* Compares a network's definition with what the kernel has. Read-only.
 *
 * A network that was never used has no bridge, and nothing is missing. Once there is a bridge or a
 * container, everything else must exist too.
 */
#include "survey.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* ---- the bridge -------------------------------------------------------------------------------*/

static int note_address(const struct address *a, void *arg)
{
    struct survey *s = arg;
    if (a->index != s->bridge.index ||
        (a->ip.family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&a->ip.v6)))
        return 0;
    _cleanup_free_ char *ip = ip_text(&a->ip), *text = xasprintf("%s/%u", ip, a->prefix);
    json_array_append_new(s->addresses, json_string(text));
    if (ip_equal(&a->ip, &s->n->gateway4) && a->prefix == s->n->subnet4.prefix)
        s->has4 = true;
    else if (ip_equal(&a->ip, &s->n->gateway6) && a->prefix == s->n->subnet6.prefix)
        s->has6 = true;
    else
        survey_differs(
            s, "address %s does not belong to the network (`ip address del %s dev %s` removes it)",
            text, text, s->n->bridge);
    return 0;
}

static int note_port(const struct link *link, void *arg)
{
    struct survey *s = arg;
    if (link->master != s->bridge.index)
        return 0;
    _cleanup_free_ char *owner = device_port_owner(link, s->b->instance);
    json_t *j = json_object();
    json_put_str(j, "name", link->name);
    json_put_str(j, "container", owner);
    json_object_set_new(j, "mtu", json_integer(link->mtu));
    json_put_str(j, "state", link->forwarding ? "forwarding" : "down");
    json_array_append_new(s->ports, j);
    if (link->mtu != s->bridge.mtu)
        survey_differs(s, "mtu: the bridge has %u, its port `%s` has %u", s->bridge.mtu, link->name,
                       link->mtu);
    return 0;
}

static int compare_bridge(struct survey *s, struct err *e)
{
    const struct network *n = s->n;
    uint8_t mac[6];
    unsigned mtu;
    int r = device_mtu(s->b, n, &mtu, e);
    device_mac(n, mac);
    if (r < 0)
        return r;
    _cleanup_free_ char *wanted = mac_text(mac), *is = mac_text(s->bridge.mac);
    if (!device_is_ours(&s->bridge, n))
        survey_differs(s, "link `%s` was not created by netctr", n->bridge);
    if (!(s->bridge.flags & IFF_UP))
        survey_differs(s, "the bridge is down");
    if (s->bridge.mtu != mtu)
        survey_differs(s, "mtu: %s %u, is %u", n->mtu ? "defined" : "the default route's link has",
                       mtu, s->bridge.mtu);
    if (!streq(wanted, is))
        survey_differs(s, "mac: should be %s, is %s", wanted, is);
    if (!link_is_plain_bridge(&s->bridge))
        survey_differs(s, "multicast snooping, STP or VLAN filtering of the bridge is on");
    return 0;
}

static int compare_route(struct survey *s, const struct ip *address, const struct subnet *subnet,
                         struct err *e)
{
    int r = device_has_route(s->b, &s->bridge, subnet, e);
    _cleanup_free_ char *text = subnet_text(subnet), *ip = ip_text(address);
    if (r == 0)
        survey_differs(s, "the connected route to %s of address %s is missing", text, ip);
    return r < 0 ? r : 0;
}

static int compare_addresses(struct survey *s, struct err *e)
{
    const struct network *n = s->n;
    bool up = s->bridge.flags & IFF_UP; /* a bridge that is down has no routes */
    int r = 0;
    _cleanup_free_ char *ip4 = ip_text(&n->gateway4), *ip6 = ip_text(&n->gateway6);
    if (n->gateway4.family && !s->has4)
        survey_differs(s, "address %s/%u is missing", ip4, n->subnet4.prefix);
    if (n->gateway6.family && !s->has6)
        survey_differs(s, "address %s/%u is missing", ip6, n->subnet6.prefix);
    if (up && s->has4)
        r = compare_route(s, &n->gateway4, &n->subnet4, e);
    if (r == 0 && up && s->has6)
        r = compare_route(s, &n->gateway6, &n->subnet6, e);
    return r;
}

static void compare_sysctl(struct survey *s, const char *key, const char *value)
{
    _cleanup_free_ char *now = sysctl_read(key);
    if (now && !streq(now, value))
        survey_differs(s, "sysctl %s: should be %s, is %s", key, value, now);
}

static void compare_sysctls(struct survey *s)
{
    char *next;
    const char *value;
    for (size_t i = 0; device_sysctl(s->n, i, &next, &value); i++) {
        _cleanup_free_ char *key = next;
        if (key)
            compare_sysctl(s, key, value);
    }
    const char *missing = net_forwarding_missing(s->n);
    if (missing)
        survey_differs(s, "sysctl %s: should be 1, is 0", missing);
}

/* ---- the containers ---------------------------------------------------------------------------*/

static const struct endpoint *endpoint_of(const struct survey *s, const char *id)
{
    for (size_t i = 0; i < s->view->count; i++) {
        const struct endpoint *ep = s->view->endpoints[i].endpoint;
        if (streq(ep->id, id) && streq(ep->network, s->n->name))
            return ep;
    }
    return NULL;
}

static void note_container(struct survey *s, const struct lease *l, const struct endpoint *ep)
{
    _cleanup_free_ char *address = ip_text(&l->address4), *address6 = ip_text(&l->address6),
                        *mac = mac_text(l->mac), *port = endpoint_port_name(l->owner, s->n->name);
    json_t *j = json_object();
    json_put_str(j, "name", l->container);
    json_put_str(j, "id", l->owner);
    json_put_str(j, "address", *address ? address : NULL);
    json_put_str(j, "address6", *address6 ? address6 : NULL);
    json_put_str(j, "mac", mac);
    json_put_str(j, "port", port);
    if (ep && ep->rate)
        json_object_set_new(j, "rate", json_integer((json_int_t)ep->rate));
    json_array_append_new(s->containers, j);
}

static int note_lease(const struct lease *l, void *arg)
{
    struct survey *s = arg;
    note_container(s, l, endpoint_of(s, l->owner));
    return 0;
}

/* Containers without addresses have no leases. */
static void note_endpoints(struct survey *s)
{
    for (size_t i = 0; s->n->no_addresses && i < s->view->count; i++) {
        const struct endpoint *ep = s->view->endpoints[i].endpoint;
        struct lease l = {.container = ep->container, .owner = ep->id};
        memcpy(l.mac, ep->mac, 6);
        if (streq(ep->network, s->n->name))
            note_container(s, &l, ep);
    }
}

/* ---- the whole network ------------------------------------------------------------------------*/

static json_t *bridge_json(const struct survey *s)
{
    if (!s->bridge.index)
        return json_null();
    _cleanup_free_ char *mac = mac_text(s->bridge.mac);
    json_t *j = json_object();
    json_put_str(j, "name", s->bridge.name);
    json_object_set_new(j, "index", json_integer(s->bridge.index));
    json_put_str(j, "mac", mac);
    json_object_set_new(j, "mtu", json_integer(s->bridge.mtu));
    json_put_str(j, "state", s->bridge.flags & IFF_UP ? "up" : "down");
    json_object_set(j, "addresses", s->addresses);
    json_object_set(j, "ports", s->ports);
    return j;
}

static int look_at_bridge(struct survey *s, struct err *e)
{
    int r = rt_get_link(s->b->rt, s->n->bridge, &s->bridge);
    if (r == -ENODEV)
        return 0;
    if (r < 0)
        return err_set(e, r, "look up bridge `%s`", s->n->bridge);
    if ((r = compare_bridge(s, e)) < 0)
        return r;
    r = rt_each_address(s->b->rt, note_address, s, e);
    if (r == 0)
        r = rt_each_link(s->b->rt, note_port, s, e);
    if (r == 0)
        r = compare_addresses(s, e);
    if (r == 0)
        compare_sysctls(s);
    if (r == 0)
        r = survey_endpoints(s, e);
    return r == 0 ? survey_firewall(s, e) : r;
}

int network_survey(struct net *net, const struct network *n, const struct bridge_view *view,
                   json_t **out, struct err *e)
{
    struct survey s = {.b = net,
                       .n = n,
                       .view = view,
                       .addresses = json_array(),
                       .ports = json_array(),
                       .containers = json_array(),
                       .differences = json_array(),
                       .inside = json_array()};
    int r = look_at_bridge(&s, e);
    if (r == 0)
        r = lease_each(net->leases_fd, n->name, note_lease, &s, e);
    note_endpoints(&s);
    if (r == 0 && !s.bridge.index && json_array_size(s.containers))
        survey_differs(&s, "bridge `%s` is missing", n->bridge);
    *out = json_object();
    json_object_set_new(*out, "bridge", bridge_json(&s));
    json_object_set_new(*out, "containers", s.containers);
    json_object_set_new(*out, "differences", s.differences);
    json_object_set_new(*out, "changed_inside", s.inside);
    json_decref(s.addresses);
    json_decref(s.ports);
    free(s.entries);
    if (r < 0) {
        json_decref(*out);
        *out = NULL;
    }
    return r;
}

int64_t net_networks_age_ms(const struct net *net)
{
    return file_age_ms(net->networks_fd);
}
