/* Network definitions: one JSON file for each network below ROOT/networks. People read them as
 * well. */
#include "bridge.h"

#include <errno.h>
#include <string.h>
#include <sys/file.h>

enum { SCHEMA = 1 };

void network_clear(struct network *n)
{
    free(n->name);
    free(n->bridge);
    strv_free(n->labels);
    strv_free(n->links);
    strv_free(n->link_bridges);
    strv_free(n->sysctls);
    strv_free(n->routes);
    *n = (struct network){0};
}

void network_copy(const struct network *n, struct network *out)
{
    *out = *n;
    out->name = xstrdup(n->name);
    out->bridge = xstrdup(n->bridge);
    out->labels = strv_copy(n->labels);
    out->links = strv_copy(n->links);
    out->link_bridges = strv_copy(n->link_bridges);
    out->sysctls = strv_copy(n->sysctls);
    out->routes = strv_copy(n->routes);
}

struct fw_network network_elements(const struct network *n)
{
    return (struct fw_network){
        .bridge = n->bridge,
        .subnet4 = n->subnet4.address.v4,
        .prefix4 = n->subnet4.prefix,
        .subnet6 = n->subnet6.address.v6,
        .prefix6 = n->subnet6.prefix,
        .internal = !network_has_gateway(n),
        .isolated = n->mode == GATEWAY_ISOLATED,
        .masquerade = network_has_gateway(n) && n->mode == GATEWAY_NAT,
        .routed = network_has_gateway(n) && n->mode == GATEWAY_ROUTED,
        .icc = n->icc,
        .unisolated = !n->isolate,
        .links = n->link_bridges,
    };
}

struct pool network_pool(const struct network *n)
{
    return (struct pool){
        .network = n->name,
        .subnet4 = n->subnet4,
        .subnet6 = n->subnet6,
        .range4 = n->range4,
        .range6 = n->range6,
        .gateway4 = n->gateway4,
        .gateway6 = n->gateway6,
    };
}

/* ---- the file --------------------------------------------------------------------------------*/

static const char *const modes[] = {
    [GATEWAY_NAT] = "nat",
    [GATEWAY_ROUTED] = "routed",
    [GATEWAY_ISOLATED] = "isolated",
};

int gateway_mode_parse(const char *text, enum gateway_mode *out)
{
    for (size_t i = 0; i < ARRAY_LEN(modes); i++)
        if (streq(text, modes[i])) {
            *out = (enum gateway_mode)i;
            return 0;
        }
    return -EINVAL;
}

const char *gateway_mode_name(enum gateway_mode mode)
{
    return modes[mode];
}

/* A flag that older definitions lack. */
static bool flag_or(const json_t *j, const char *key, bool fallback)
{
    return json_object_get(j, key) ? json_flag(j, key) : fallback;
}

static int read_subnet(const json_t *j, const char *key, int family, struct subnet *out,
                       struct err *e)
{
    const char *text = json_str(j, key);
    if (!text)
        return 0;
    int r = subnet_parse(text, out, e);
    return r == 0 && out->address.family != family ? -EBADMSG : r;
}

/* The gateway is an address of the subnet. Only isolated networks have none. */
static int read_gateway(const json_t *j, const char *key, const struct subnet *subnet,
                        struct ip *out)
{
    const char *text = json_str(j, key);
    if (!text)
        return 0;
    return ip_parse(text, out) < 0 || !subnet_contains(subnet, out) ? -EBADMSG : 0;
}

/* A definition of a newer netctr may promise what this one does not know. */
static int check_schema(const json_t *j, const char *name, struct err *e)
{
    int64_t schema = json_int(j, "schema", -1);
    if (schema > SCHEMA)
        return err_say(e, -EBADMSG,
                       "the definition of network `%s` was written by a newer netctr (schema %lld)",
                       name, (long long)schema);
    return schema == SCHEMA
               ? 0
               : err_say(e, -EBADMSG, "the definition of network `%s` is damaged", name);
}

static int parse_definition(const json_t *j, const char *name, struct network *out, struct err *e)
{
    const char *bridge = json_str(j, "bridge"), *mode = json_str(j, "mode");
    int r = check_schema(j, name, e);
    if (r < 0)
        return r;
    if ((r = read_subnet(j, "subnet", AF_INET, &out->subnet4, e)) < 0 ||
        (r = read_subnet(j, "subnet6", AF_INET6, &out->subnet6, e)) < 0 ||
        (r = read_subnet(j, "range", AF_INET, &out->range4, e)) < 0 ||
        (r = read_subnet(j, "range6", AF_INET6, &out->range6, e)) < 0 ||
        (r = read_gateway(j, "gateway", &out->subnet4, &out->gateway4)) < 0 ||
        (r = read_gateway(j, "gateway6", &out->subnet6, &out->gateway6)) < 0) {
        if (!e || !e->text)
            return err_say(e, r, "the definition of network `%s` is damaged", name);
        err_wrap(e, "definition of network `%s`", name);
        return r;
    }
    int64_t mtu = json_int(j, "mtu", 0);
    bool gateways = (!out->subnet4.prefix || out->gateway4.family) &&
                    (!out->subnet6.prefix || out->gateway6.family);
    out->no_addresses = json_flag(j, "no_addresses");
    if (!interface_name_valid(bridge) ||
        (!out->no_addresses && !out->subnet4.prefix && !out->subnet6.prefix) || mtu < 0 ||
        mtu > 65535 || (mode && gateway_mode_parse(mode, &out->mode) < 0) ||
        (!gateways && out->mode != GATEWAY_ISOLATED))
        return err_say(e, -EBADMSG, "the definition of network `%s` is damaged", name);
    out->name = xstrdup(name);
    out->bridge = xstrdup(bridge);
    out->internal = json_flag(j, "internal");
    out->icc = json_flag(j, "icc");
    out->isolate = flag_or(j, "isolate", true);
    out->guard = flag_or(j, "guard", true);
    out->dns = flag_or(j, "dns", true);
    out->mtu = (unsigned)mtu;
    out->labels = json_strv(j, "labels");
    out->links = json_strv(j, "links");
    out->sysctls = json_strv(j, "sysctls");
    out->routes = json_strv(j, "routes");
    out->no_default_route = json_flag(j, "no_default_route");
    out->created = json_int(j, "created", 0);
    return 0;
}

static void put_subnet(json_t *j, const char *key, const struct subnet *s)
{
    _cleanup_free_ char *text = subnet_text(s);
    json_put_str(j, key, *text ? text : NULL);
}

json_t *network_to_json(const struct network *n)
{
    json_t *j = json_object();
    json_object_set_new(j, "schema", json_integer(SCHEMA));
    json_put_str(j, "name", n->name);
    json_put_str(j, "bridge", n->bridge);
    put_subnet(j, "subnet", &n->subnet4);
    put_ip(j, "gateway", &n->gateway4);
    put_subnet(j, "range", &n->range4);
    put_subnet(j, "subnet6", &n->subnet6);
    put_ip(j, "gateway6", &n->gateway6);
    put_subnet(j, "range6", &n->range6);
    json_put_str(j, "mode", modes[n->mode]);
    json_object_set_new(j, "internal", json_boolean(n->internal));
    json_object_set_new(j, "icc", json_boolean(n->icc));
    json_object_set_new(j, "isolate", json_boolean(n->isolate));
    json_object_set_new(j, "guard", json_boolean(n->guard));
    json_object_set_new(j, "dns", json_boolean(n->dns));
    if (n->mtu)
        json_object_set_new(j, "mtu", json_integer(n->mtu));
    if (n->no_addresses)
        json_object_set_new(j, "no_addresses", json_true());
    if (n->routes)
        json_put_strv(j, "routes", n->routes);
    if (n->no_default_route)
        json_object_set_new(j, "no_default_route", json_true());
    json_put_strv(j, "labels", n->labels);
    json_put_strv(j, "links", n->links);
    json_put_strv(j, "sysctls", n->sysctls);
    json_object_set_new(j, "created", json_integer(n->created));
    return j;
}

int network_save(struct net *net, const struct network *n, struct err *e)
{
    _cleanup_json_ json_t *j = network_to_json(n);
    _cleanup_free_ char *file = xasprintf("%s.json", n->name);
    return json_write_at(net->networks_fd, file, j, e);
}

/* A linked network may have been removed a moment ago: then there is nothing to reach. */
static void find_link_bridges(struct net *net, struct network *n)
{
    strv_each (name, n->links) {
        _cleanup_free_ char *file = xasprintf("%s.json", name);
        _cleanup_json_ json_t *j = NULL;
        if (valid_name(name) && json_read_at(net->networks_fd, file, &j, NULL) == 0 &&
            interface_name_valid(json_str(j, "bridge")))
            strv_add(&n->link_bridges, json_str(j, "bridge"));
    }
}

int network_read(struct net *net, const char *name, struct network *out, struct err *e)
{
    *out = (struct network){0};
    _cleanup_free_ char *file = xasprintf("%s.json", name);
    _cleanup_json_ json_t *j = NULL;
    int r = json_read_at(net->networks_fd, file, &j, e);
    if (r == 0)
        r = parse_definition(j, name, out, e);
    if (r == 0)
        find_link_bridges(net, out);
    else
        network_clear(out);
    return r;
}

/* ---- all networks -----------------------------------------------------------------------------*/

int networks_lock(struct net *net, struct err *e)
{
    int lock = lock_file_at(net->networks_fd, ".lock", LOCK_EX);
    return lock < 0 ? lock_failed(lock, net->networks_fd, ".lock", "the network definitions", e)
                    : lock;
}

static void warn_of_damage(struct err *why, void *arg)
{
    (void)arg;
    warn("%s", why->text);
}

int network_each(struct net *net, int (*each)(const struct network *n, void *arg), void *arg,
                 struct err *e)
{
    return network_each_checked(net, each, warn_of_damage, arg, e);
}

int network_each_checked(struct net *net, int (*each)(const struct network *n, void *arg),
                         void (*damaged)(struct err *why, void *arg), void *arg, struct err *e)
{
    _cleanup_dir_ DIR *d = open_listing(net->networks_fd, ".");
    if (!d)
        return err_set(e, errno, "list the networks");
    int r = 0;
    for (struct dirent *entry; r >= 0 && (entry = next_entry(d, &r));) {
        const char *dot = strrchr(entry->d_name, '.');
        _cleanup_free_ char *name =
            xstrndup(entry->d_name, dot ? (size_t)(dot - entry->d_name) : 0);
        if (!dot || !streq(dot, ".json") || !valid_name(name))
            continue;
        _cleanup_network_ struct network n = {0};
        _cleanup_err_ struct err why = ERR_INIT;
        r = network_read(net, name, &n, &why);
        if (r == -EBADMSG) /* a damaged definition must not block all others */
            damaged(&why, arg);
        if (r == -EBADMSG || r == -ENOENT) /* ENOENT: removed since it was listed */
            r = 0;
        else if (r == 0)
            r = each(&n, arg);
        else
            err_move(e, &why);
    }
    return r < 0 && e && !e->code ? err_set(e, r, "list the networks") : r < 0 ? r : 0;
}
