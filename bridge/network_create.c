/* Creates, links and removes networks: what may be defined, and what is chosen where the user gave
 * nothing.
 *
 * The definition is the record of intent: written first, removed last. Changes to the set of
 * definitions happen under its lock, so that fifty concurrent `network create` choose fifty
 * different subnets.
 */
#include "bridge.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

/* ---- validation -------------------------------------------------------------------------------*/

/* Loopback, link-local, multicast, and prefixes that would hide the Internet. */
static bool unusable(const struct subnet *s)
{
    static const char *const others[] = {"0.0.0.0/8",   "127.0.0.0/8", "169.254.0.0/16",
                                         "224.0.0.0/3", "fe80::/10",   "ff00::/8"};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        struct subnet other;
        if (subnet_parse(others[i], &other, NULL) == 0 && subnet_overlaps(&other, s))
            return true;
    }
    return s->prefix < 8 || (s->address.family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&s->address.v6));
}

static int check_subnet(const struct network *n, const struct subnet *s, const struct subnet *range,
                        struct err *e)
{
    _cleanup_free_ char *text = subnet_text(s), *part = subnet_text(range);
    if (s->prefix && unusable(s))
        return err_say(e, -EINVAL, "subnet %s cannot be used by a network", text);
    if (s->prefix && subnet_host_bits(s) == 0)
        return err_say(e, -EINVAL, "subnet %s is one address: the longest prefix is /%d", text,
                       s->prefix - 1);
    if (range->prefix &&
        (!s->prefix || range->prefix < s->prefix || !subnet_contains(s, &range->address)))
        return err_say(e, -EINVAL, "ip-range %s is not in a subnet of network `%s`", part, n->name);
    if (range->prefix && subnet_host_bits(range) == 0 && subnet_reserves(s, &range->address))
        return err_say(e, -EINVAL, "ip-range %s is the %s address of %s, not a host's", part,
                       ip_equal(&range->address, &s->address) ? "network" : "broadcast", text);
    return 0;
}

static int check_gateway(const struct network *n, const struct subnet *s, const struct ip *gateway,
                         struct err *e)
{
    if (!gateway->family)
        return 0;
    _cleanup_free_ char *text = ip_text(gateway), *subnet = subnet_text(s);
    if (n->mode == GATEWAY_ISOLATED)
        return err_say(e, -EINVAL, "gateway %s: an isolated network has none", text);
    if (!s->prefix || !subnet_contains(s, gateway))
        return err_say(e, -EINVAL, "gateway %s is not in a subnet of network `%s`", text, n->name);
    if (subnet_reserves(s, gateway))
        return err_say(e, -EINVAL, "gateway %s is the %s address of %s, not a host's", text,
                       ip_equal(gateway, &s->address) ? "network" : "broadcast", subnet);
    return 0;
}

/* The network `default` is defined on first use. */
static bool is_reserved(const char *name)
{
    static const char *const words[] = {"bridge", "container", DEFAULT_NETWORK,
                                        "host",   "none",      "ns"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (streq(name, words[i]))
            return true;
    return false;
}

static int check_properties(const struct network *n, bool ipv6, struct err *e)
{
    if (!valid_name(n->name))
        return err_say(e, -EINVAL, "invalid network name `%s`", n->name);
    if (is_reserved(n->name))
        return err_say(e, -EINVAL,
                       "`%s` has a meaning of its own in `--network` and cannot name a network",
                       n->name);
    bool closed = !network_has_gateway(n);
    if (n->internal && n->mode == GATEWAY_ROUTED)
        return err_say(e, -EINVAL, "an internal network cannot be routed");
    if (closed && !n->isolate)
        return err_say(e, -EINVAL, "an %s network cannot be open to others",
                       n->internal ? "internal" : "isolated");
    if (n->mtu && (n->mtu < (ipv6 ? 1280 : 68) || n->mtu > 65535))
        return err_say(e, -EINVAL, "mtu %u: %s needs %d to 65535", n->mtu, ipv6 ? "IPv6" : "IPv4",
                       ipv6 ? 1280 : 68);
    strv_each (sysctl, n->sysctls) {
        int r = network_check_sysctl(sysctl, e);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Links only: what needs an address cannot be had. */
static int check_no_addresses(const struct network *n, bool dual, struct err *e)
{
    const char *given = n->subnet4.prefix || n->subnet6.prefix ? "a subnet"
                        : dual                                 ? "--ipv6"
                        : n->mode == GATEWAY_ROUTED            ? "--mode routed"
                        : n->routes                            ? "routes"
                                                               : NULL;
    return n->no_addresses && given
               ? err_say(e, -EINVAL, "a network without addresses cannot have %s", given)
               : 0;
}

static int check_routes(const struct network *n, struct err *e)
{
    strv_each (text, n->routes) {
        struct network_route route;
        int r = network_route_parse(text, &route, e);
        if (r == 0)
            r = network_check_route(n, &route.to, &route.gateway, e);
        if (r < 0)
            return r;
    }
    return 0;
}

static int check(const struct network *n, bool dual, struct err *e)
{
    int r = check_no_addresses(n, dual, e);
    if (r == 0)
        r = check_properties(n, dual || n->subnet6.prefix, e);
    if (r == 0)
        r = check_subnet(n, &n->subnet4, &n->range4, e);
    if (r == 0)
        r = check_subnet(n, &n->subnet6, &n->range6, e);
    if (r == 0)
        r = check_gateway(n, &n->subnet4, &n->gateway4, e);
    if (r == 0)
        r = check_gateway(n, &n->subnet6, &n->gateway6, e);
    if (r == 0 && (dual || n->subnet6.prefix) && access("/proc/net/if_inet6", F_OK) < 0)
        r = err_say(e, -EAFNOSUPPORT, "this kernel has no IPv6");
    return r;
}

/* ---- create -----------------------------------------------------------------------------------*/

struct name_search {
    const char *name;
    bool taken;
};

static int has_bridge(const struct network *n, void *arg)
{
    struct name_search *s = arg;
    s->taken = s->taken || streq(n->bridge, s->name);
    return 0;
}

/* Used by another network, or by a link that is not netctr's. */
static int bridge_taken(struct net *net, const struct network *n, const char *name, bool *taken,
                        struct err *e)
{
    struct link link;
    int r = rt_get_link(net->rt, name, &link);
    if (r < 0 && r != -ENODEV)
        return err_set(e, r, "look up link `%s`", name);
    struct name_search search = {name, r == 0 && !device_is_ours(&link, n)};
    r = network_each(net, has_bridge, &search, e);
    *taken = search.taken;
    return r;
}

/* "nc-NAME" if that fits into 15 characters and is free, else "nc-" and 11 hash digits. */
static int choose_bridge(struct net *net, struct network *n, struct err *e)
{
    bool taken;
    if (n->bridge) {
        int r = bridge_taken(net, n, n->bridge, &taken, e);
        return r == 0 && taken ? err_say(e, -EADDRINUSE, "interface `%s` is in use", n->bridge) : r;
    }
    for (int attempt = 0; attempt < 16; attempt++) {
        _cleanup_free_ char *salted = xasprintf("%s %d", n->name, attempt);
        _cleanup_free_ char *name =
            attempt == 0 ? xasprintf("nc-%s", n->name)
                         : xasprintf("nc-%011" PRIx64, hash64(salted) & 0xfffffffffff);
        if (!interface_name_valid(name))
            continue;
        int r = bridge_taken(net, n, name, &taken, e);
        if (r < 0)
            return r;
        if (!taken) {
            n->bridge = take_ptr(name);
            return 0;
        }
    }
    return err_say(e, -EADDRINUSE, "no interface name is free for network `%s`", n->name);
}

/* Of a point-to-point subnet (RFC 3021, RFC 6164), the first address is a host's. */
static struct ip first_host(const struct subnet *s)
{
    return subnet_host(s, subnet_host_bits(s) < 2 ? 0 : 1);
}

/* A range of one address, and that is the gateway's. */
static int require_room(const struct network *n, const struct subnet *s, const struct subnet *range,
                        const struct ip *gateway, struct err *e)
{
    if (!range->prefix || subnet_host_bits(range) || !ip_equal(&range->address, gateway))
        return 0;
    _cleanup_free_ char *part = subnet_text(range), *text = subnet_text(s);
    err_say(e, -EINVAL, "ip-range %s has only the gateway of network `%s`", part, n->name);
    err_hint(e, "`--gateway` gives the gateway another address of %s", text);
    return -EINVAL;
}

static int choose_subnets(struct net *net, struct network *n, bool dual, struct err *e)
{
    int r = 0;
    if (n->no_addresses)
        return 0;
    if (n->subnet4.prefix)
        r = subnet_require_free(net, &n->subnet4, e);
    else if (dual || !n->subnet6.prefix)
        r = subnet_choose4(net, "10.89.0.0", 24, &n->subnet4, e);
    if (r == 0 && n->subnet6.prefix)
        r = subnet_require_free(net, &n->subnet6, e);
    else if (r == 0 && dual)
        r = subnet_choose6(&n->subnet6, e);
    if (r < 0 || n->mode == GATEWAY_ISOLATED)
        return r;
    if (n->subnet4.prefix && !n->gateway4.family)
        n->gateway4 = first_host(&n->subnet4);
    if (n->subnet6.prefix && !n->gateway6.family)
        n->gateway6 = first_host(&n->subnet6);
    r = require_room(n, &n->subnet4, &n->range4, &n->gateway4, e);
    return r == 0 ? require_room(n, &n->subnet6, &n->range6, &n->gateway6, e) : r;
}

int network_create(struct net *net, struct network *n, bool dual, struct err *e)
{
    int r = check(n, dual, e);
    _cleanup_close_ int lock = r < 0 ? r : networks_lock(net, e);
    if (lock < 0)
        return lock;
    _cleanup_free_ char *file = xasprintf("%s.json", n->name);
    if (faccessat(net->networks_fd, file, F_OK, 0) == 0)
        return err_say(e, -EEXIST, "network `%s` already exists", n->name);
    /* The host has no address there, and no packet's addresses can be checked. */
    if (n->no_addresses) {
        n->mode = GATEWAY_ISOLATED;
        n->guard = n->dns = false;
    }
    r = choose_subnets(net, n, dual, e);
    if (r == 0)
        r = check_routes(n, e);
    if (r == 0)
        r = choose_bridge(net, n, e);
    if (r < 0)
        return r;
    n->created = time(NULL);
    return network_save(net, n, e);
}

/* ---- links ------------------------------------------------------------------------------------*/

static bool drop_word(strv v, const char *word)
{
    size_t kept = 0;
    bool found = false;
    strv_each (w, v)
        if (streq(w, word)) {
            free(*w_i);
            found = true;
        } else {
            v[kept++] = w;
        }
    if (v)
        v[kept] = NULL;
    return found;
}

static int read_existing(struct net *net, const char *name, struct network *out, struct err *e)
{
    int r = network_read(net, name, out, e);
    return r == -ENOENT ? err_say(e, r, "no such network `%s`", name) : r;
}

static int check_link(const struct network *from, const struct network *to, struct err *e)
{
    const struct network *const both[] = {from, to};
    if (streq(from->name, to->name))
        return err_say(e, -EINVAL, "network `%s` cannot be linked to itself", from->name);
    for (size_t i = 0; i < ARRAY_LEN(both); i++)
        if (!network_has_gateway(both[i]))
            return err_say(e, -EINVAL, "network `%s` is %s and cannot be linked", both[i]->name,
                           both[i]->internal ? "internal" : "isolated");
    if ((!from->subnet4.prefix || !to->subnet4.prefix) &&
        (!from->subnet6.prefix || !to->subnet6.prefix))
        return err_say(e, -EINVAL, "network `%s` has only IPv%d, network `%s` does not", from->name,
                       from->subnet4.prefix ? 4 : 6, to->name);
    return 0;
}

static int set_link(struct net *net, const struct network *from, const struct network *to,
                    bool allow, struct err *e)
{
    _cleanup_fw_batch_ struct fw_batch *batch = fw_batch_new(net->fw);
    (allow ? fw_add_link : fw_del_link)(batch, from->bridge, to->bridge);
    return fw_commit(batch, e);
}

int network_link(struct net *net, const char *from, const char *to, bool allow, struct err *e)
{
    _cleanup_network_ struct network a = {0}, z = {0};
    _cleanup_close_ int lock = networks_lock(net, e);
    int r = lock < 0 ? lock : read_existing(net, from, &a, e);
    if (r == 0)
        r = read_existing(net, to, &z, e);
    if (r == 0 && allow)
        r = check_link(&a, &z, e);
    if (r < 0)
        return r;
    /* Without tables there is nothing to change: the command that creates them reads the
     * definitions. */
    int tables = net_check(net, e);
    if (tables == -EBUSY) /* of another instance */
        err_clear(e);
    else if (tables < 0)
        return tables;
    bool there = tables == 0;
    if (!allow && there)
        r = set_link(net, &a, &z, false, e);
    if (r < 0)
        return r;
    bool was = drop_word(a.links, to);
    if (!was && !allow)
        return err_say(e, -ENOENT, "network `%s` is not linked to network `%s`", from, to);
    if (allow)
        strv_add(&a.links, to);
    r = network_save(net, &a, e);
    return r == 0 && allow && there ? set_link(net, &a, &z, true, e) : r;
}

/* ---- change -----------------------------------------------------------------------------------*/

int network_change(struct net *net, const char *name,
                   int (*change)(struct network *n, void *arg, struct err *e), void *arg,
                   struct err *e)
{
    _cleanup_network_ struct network n = {0};
    _cleanup_close_ int lock = networks_lock(net, e);
    int r = lock < 0 ? lock : read_existing(net, name, &n, e);
    if (r < 0)
        return r;
    r = change(&n, arg, e);
    if (r < 0) {
        err_wrap(e, "network `%s`", name);
        return r;
    }
    int saved = check_routes(&n, e);
    if (saved == 0)
        saved = network_save(net, &n, e);
    return saved < 0 ? saved : r;
}

/* ---- remove -----------------------------------------------------------------------------------*/

struct unlinking {
    struct net *bridge;
    const struct network *gone;
    bool tables;
    struct err *e;
};

static int forget_link(const struct network *n, void *arg)
{
    struct unlinking *u = arg;
    _cleanup_network_ struct network own = {0};
    if (!strv_has(n->links, u->gone->name))
        return 0;
    int r = u->tables ? set_link(u->bridge, n, u->gone, false, u->e) : 0;
    if (r == 0)
        r = network_read(u->bridge, n->name, &own, u->e);
    if (r < 0)
        return r;
    (void)drop_word(own.links, u->gone->name);
    return network_save(u->bridge, &own, u->e);
}

static int delete_elements(struct net *net, const struct network *n, struct err *e)
{
    _cleanup_fw_batch_ struct fw_batch *batch = fw_batch_new(net->fw);
    struct fw_network elements = network_elements(n);
    fw_del_network(batch, &elements);
    return fw_commit(batch, e);
}

static int remove_traces(struct net *net, const struct network *n, struct err *e)
{
    int r = net_check(net, e);
    if (r < 0)
        return r;
    struct unlinking u = {net, n, r == 0, e};
    r = network_each(net, forget_link, &u, e);
    if (r == 0 && u.tables)
        r = delete_elements(net, n, e);
    if (r == 0)
        r = device_down(net, n, e);
    return r == 0 ? lease_remove(net->leases_fd, n->name, e) : r;
}

int network_remove(struct net *net, const char *name, struct err *e)
{
    _cleanup_network_ struct network n = {0};
    if (streq(name, DEFAULT_NETWORK))
        return err_say(e, -EINVAL, "the default network cannot be removed");
    _cleanup_close_ int lock = networks_lock(net, e);
    int r = lock < 0 ? lock : read_existing(net, name, &n, e);
    if (r < 0)
        return r;
    /* Another command may be waiting for this lock to bring the network up; it will find the
     * definition gone. */
    _cleanup_free_ char *up = xasprintf(".%s.up", name), *file = xasprintf("%s.json", name);
    _cleanup_close_ int up_lock = lock_file_at(net->leases_fd, up, LOCK_EX);
    if (up_lock < 0) {
        _cleanup_free_ char *what = xasprintf("network `%s`", name);
        return lock_failed(up_lock, net->leases_fd, up, what, e);
    }
    r = remove_traces(net, &n, e);
    if (r < 0) {
        err_wrap(e, "network `%s`", name);
        return r;
    }
    (void)tidy_file_at(net->networks_fd, file);
    if (unlinkat(net->networks_fd, file, 0) < 0 && errno != ENOENT)
        return err_set(e, errno, "remove the definition of network `%s`", name);
    (void)unlinkat(net->leases_fd, up, 0);
    return 0;
}
