/* What the kernel holds of a network, and where that is not what its definition says. Looks, and
 * changes nothing.
 *
 * A network that nobody has used yet has no bridge, and lacks nothing. As soon as it has one, or a
 * container, everything else must be there.
 */
#include "bridge.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

struct survey {
    struct bridge *b;
    const struct network *n;
    struct link bridge; /* index 0: none */
    json_t *addresses, *ports, *sets, *containers, *differences;
    bool has4, has6;
};

static void differs(struct survey *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void differs(struct survey *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = NULL;
    if (vasprintf(&text, format, args) >= 0)
        json_array_append_new(s->differences, json_string(text));
    va_end(args);
    free(text);
}

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
        differs(s, "address %s is not the network's", text);
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
        differs(s, "mtu: the bridge has %u, its port `%s` has %u", s->bridge.mtu, link->name,
                link->mtu);
    return 0;
}

static void compare_bridge(struct survey *s)
{
    const struct network *n = s->n;
    uint8_t mac[6];
    device_mac(n, mac);
    unsigned mtu = n->mtu;
    if (!mtu && device_default_mtu(s->b, &mtu, NULL) < 0)
        mtu = s->bridge.mtu;
    _cleanup_free_ char *wanted = mac_text(mac), *is = mac_text(s->bridge.mac);
    if (!device_is_ours(&s->bridge, n))
        differs(s, "`%s` is a link that netctr has not made", n->bridge);
    if (!(s->bridge.flags & IFF_UP))
        differs(s, "the bridge is down");
    if (s->bridge.mtu != mtu)
        differs(s, "mtu: %s %u, is %u", n->mtu ? "defined" : "the default route's link has", mtu,
                s->bridge.mtu);
    if (!streq(wanted, is))
        differs(s, "mac: made with %s, is %s", wanted, is);
}

static void compare_addresses(struct survey *s)
{
    const struct network *n = s->n;
    _cleanup_free_ char *ip4 = ip_text(&n->gateway4), *ip6 = ip_text(&n->gateway6);
    if (n->gateway4.family && !s->has4)
        differs(s, "address %s/%u is missing", ip4, n->subnet4.prefix);
    if (n->gateway6.family && !s->has6)
        differs(s, "address %s/%u is missing", ip6, n->subnet6.prefix);
}

static void compare_sysctl(struct survey *s, const char *key, const char *value)
{
    _cleanup_free_ char *now = sysctl_read(key);
    if (now && !streq(now, value))
        differs(s, "sysctl %s: should be %s, is %s", key, value, now);
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
    const char *missing = bridge_forwarding_missing(s->n);
    if (missing)
        differs(s, "sysctl %s: should be 1, is 0", missing);
}

/* ---- the firewall -----------------------------------------------------------------------------*/

static void note_set(const char *set, bool wanted, bool is, void *arg)
{
    struct survey *s = arg;
    if (is)
        json_array_append_new(s->sets, json_string(set));
    if (wanted != is)
        differs(s, "firewall: %s in set `%s`", is ? "is, and should not be," : "is not", set);
}

static int look_at_firewall(struct survey *s, struct err *e)
{
    struct fw_network elements = network_elements(s->n);
    int r = fw_probe(s->b->fw, NULL, e);
    if (r < 0)
        return r;
    if (r != FW_TABLES_OURS) {
        differs(s, "firewall: the tables are %s",
                r == FW_TABLES_MISSING ? "missing" : "another instance's");
        return 0;
    }
    return fw_membership(s->b->fw, &elements, note_set, s, e);
}

/* ---- the containers ---------------------------------------------------------------------------*/

static bool has_port(const struct survey *s, const char *name)
{
    size_t i;
    json_t *port;
    json_array_foreach (s->ports, i, port)
        if (streq(json_str(port, "name"), name))
            return true;
    return false;
}

static int note_lease(const struct lease *l, void *arg)
{
    struct survey *s = arg;
    _cleanup_free_ char *address = ip_text(&l->address4), *address6 = ip_text(&l->address6),
                        *mac = mac_text(l->mac), *port = endpoint_port_name(l->owner, s->n->name);
    json_t *j = json_object();
    json_put_str(j, "name", l->container);
    json_put_str(j, "id", l->owner);
    json_put_str(j, "address", *address ? address : NULL);
    json_put_str(j, "address6", *address6 ? address6 : NULL);
    json_put_str(j, "mac", mac);
    json_put_str(j, "port", port);
    json_array_append_new(s->containers, j);
    if (s->bridge.index && !has_port(s, port))
        differs(s, "container `%s` is not plugged into the bridge", l->container);
    return 0;
}

/* ---- all of it --------------------------------------------------------------------------------*/

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
    compare_bridge(s);
    r = rt_each_address(s->b->rt, note_address, s, e);
    if (r == 0)
        r = rt_each_link(s->b->rt, note_port, s, e);
    if (r == 0)
        compare_addresses(s);
    if (r == 0)
        compare_sysctls(s);
    return r == 0 ? look_at_firewall(s, e) : r;
}

int network_survey(struct bridge *b, const struct network *n, json_t **out, struct err *e)
{
    struct survey s = {.b = b,
                       .n = n,
                       .addresses = json_array(),
                       .ports = json_array(),
                       .sets = json_array(),
                       .containers = json_array(),
                       .differences = json_array()};
    int r = look_at_bridge(&s, e);
    if (r == 0)
        r = lease_each(b->leases_fd, n->name, note_lease, &s, e);
    if (r == 0 && !s.bridge.index && json_array_size(s.containers))
        differs(&s, "bridge `%s` is missing", n->bridge);
    *out = json_object();
    json_object_set_new(*out, "bridge", bridge_json(&s));
    json_object_set_new(*out, "firewall", s.sets);
    json_object_set_new(*out, "containers", s.containers);
    json_object_set_new(*out, "differences", s.differences);
    json_decref(s.addresses);
    json_decref(s.ports);
    if (r < 0) {
        json_decref(*out);
        *out = NULL;
    }
    return r;
}
