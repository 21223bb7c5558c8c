/* netctr network create: from the words of docker and podman to a definition. */
#include "network.h"

#include <errno.h>
#include <string.h>

enum opt {
    OPT_MTU,
    OPT_ISOLATE,
    OPT_ICC,
    OPT_MASQUERADE,
    OPT_MODE,
    OPT_IPV6,
    OPT_BRIDGE,
    OPT_NO_DEFAULT_ROUTE,
    OPTS
};

struct create_flags {
    strv subnets, gateways, ranges, labels, sysctls, opts, routes;
    char *mode, *mtu, *driver, *ipam, *bridge;
    bool ipv6, internal, icc, isolate, no_guard, no_dns;
    const char *said[OPTS]; /* the value of each option that was given, by -o or by a flag */
};

static void create_flags_clear(struct create_flags *f)
{
    strv_free(f->subnets);
    strv_free(f->gateways);
    strv_free(f->ranges);
    strv_free(f->labels);
    strv_free(f->sysctls);
    strv_free(f->opts);
    strv_free(f->routes);
}

/* ---- -o KEY=VALUE ----------------------------------------------------------------------------*/

static int take_flag(const char *key, const char *value, bool *out, struct err *e)
{
    if (streq(value, "true") || streq(value, "1"))
        *out = true;
    else if (streq(value, "false") || streq(value, "0"))
        *out = false;
    else
        return err_say(e, -EINVAL, "option `%s`: `%s` is neither true nor false", key, value);
    return 0;
}

static int take_mtu(const char *value, struct network *n, struct err *e)
{
    uint64_t mtu;
    if (parse_u64(value, 1, 65535, &mtu) < 0)
        return err_say(e, -EINVAL, "mtu `%s` is not a number between 68 and 65535", value);
    n->mtu = (unsigned)mtu;
    return 0;
}

static int take_mode(const char *value, struct network *n, struct err *e)
{
    if (gateway_mode_parse(value, &n->mode) == 0)
        return 0;
    err_say(e, -EINVAL, "unknown mode `%s`", value);
    err_hint(e, "nat, routed or isolated");
    return -EINVAL;
}

/* Podman's "true" leaves some ways open that "strict" closes; here, both mean isolated. */
static int take_isolate(const char *key, const char *value, struct network *n, struct err *e)
{
    if (streq(value, "strict"))
        n->isolate = true;
    return streq(value, "strict") ? 0 : take_flag(key, value, &n->isolate, e);
}

static int take_masquerade(const char *key, const char *value, struct err *e)
{
    bool wanted;
    int r = take_flag(key, value, &wanted, e);
    if (r < 0 || wanted)
        return r;
    err_say(e, -EINVAL, "option `%s`: mode nat cannot do without it", key);
    err_hint(e, "`--mode routed` leaves the containers' addresses as they are");
    return -EINVAL;
}

/* netctr changes only its own links, whose names begin with "nc-". */
static int take_bridge(const char *key, const char *value, struct network *n, struct err *e)
{
    const char *rest = skip_prefix(value, "nc-");
    if (!rest || !*rest || !interface_name_valid(value)) {
        err_say(e, -EINVAL, "option `%s`: `%s` is not a valid name of a bridge", key, value);
        err_hint(e, "`nc-` followed by at most 12 characters");
        return -EINVAL;
    }
    free(n->bridge);
    n->bridge = xstrdup(value);
    return 0;
}

static const struct {
    const char *key;
    enum opt what;
} opts[] = {
    {"mtu", OPT_MTU},
    {"com.docker.network.driver.mtu", OPT_MTU},
    {"isolate", OPT_ISOLATE},
    {"icc", OPT_ICC},
    {"com.docker.network.bridge.enable_icc", OPT_ICC},
    {"com.docker.network.bridge.enable_ip_masquerade", OPT_MASQUERADE},
    {"mode", OPT_MODE},
    {"com.docker.network.bridge.gateway_mode_ipv4", OPT_MODE},
    {"com.docker.network.bridge.gateway_mode_ipv6", OPT_MODE},
    {"com.docker.network.enable_ipv6", OPT_IPV6},
    {"com.docker.network.bridge.name", OPT_BRIDGE},
    {"bridge", OPT_BRIDGE},
    {"no_default_route", OPT_NO_DEFAULT_ROUTE},
};

static int unknown_opt(const char *key, struct err *e)
{
    const char *names[ARRAY_LEN(opts) + 1] = {NULL};
    for (size_t i = 0; i < ARRAY_LEN(opts); i++)
        names[i] = opts[i].key;
    const char *near = nearest_word(key, names);
    err_say(e, -EINVAL, "unknown network option `%s`", key);
    if (near)
        err_hint(e, "did you mean `%s`?", near);
    else
        err_hint(e,
                 "mtu, isolate, icc, mode, bridge, no_default_route, or docker's names for them");
    return -EINVAL;
}

/* Options of docker and podman that netctr refuses. */
static int refuse_opt(const char *key, struct err *e)
{
    static const struct {
        const char *key, *instead;
    } refused[] = {
        {"metric", "`--network NAME:gw-priority=N` decides which network has the default route"},
        {"vrf", "netctr does not have it"},
        {"vlan", "netctr does not have it"},
        {"com.docker.network.bridge.host_binding_ipv4",
         "`run -p ADDRESS:PORT:PORT` binds one address"},
        {"com.docker.network.container_iface_prefix", "`--network NAME:name=IFNAME` names it"},
        {"com.docker.network.host_ipv4", "netctr does not have it"},
        {"com.docker.network.bridge.inhibit_ipv4", "`--mode isolated` gives the bridge no address"},
        {"com.docker.network.bridge.trusted_host_interfaces", "`--mode routed` opens ports to all"},
        {"outbound_addr4", "netctr does not have it"},
        {"outbound_addr6", "netctr does not have it"},
    };
    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        if (streq(refused[i].key, key)) {
            err_say(e, -EINVAL, "network option `%s` is not supported", key);
            err_hint(e, "%s", refused[i].instead);
            return -EINVAL;
        }
    return unknown_opt(key, e);
}

/* Several names and a flag may stand for the same option: their values must agree. */
static int agree(struct create_flags *f, enum opt what, const char *key, const char *value,
                 struct err *e)
{
    const char *plain = streq(value, "1") || streq(value, "strict") ? "true"
                        : streq(value, "0")                         ? "false"
                                                                    : value;
    if (f->said[what] && !streq(f->said[what], plain))
        return err_say(e, -EINVAL, "option `%s`: `%s` contradicts `%s`, which is given, too", key,
                       value, f->said[what]);
    f->said[what] = plain;
    return 0;
}

static void note_flags(struct create_flags *f)
{
    f->said[OPT_MODE] = f->mode;
    f->said[OPT_MTU] = f->mtu;
    f->said[OPT_ICC] = f->icc ? NULL : "false"; /* true may only be the default */
    f->said[OPT_ISOLATE] = f->isolate ? NULL : "false";
    f->said[OPT_BRIDGE] = f->bridge;
    f->said[OPT_IPV6] = f->ipv6 ? "true" : NULL;
}

static int take_opt(const char *text, struct create_flags *f, struct network *n, struct err *e)
{
    const char *equals = strchr(text, '=');
    _cleanup_free_ char *key = xstrndup(text, strcspn(text, "="));
    size_t i = 0;
    while (i < ARRAY_LEN(opts) && !streq(opts[i].key, key))
        i++;
    if (i == ARRAY_LEN(opts))
        return refuse_opt(key, e);
    if (!equals || !equals[1])
        return err_say(e, -EINVAL, "network option `%s` has no value", key);
    int r = agree(f, opts[i].what, key, equals + 1, e);
    if (r < 0)
        return r;
    switch (opts[i].what) {
    case OPT_MTU: return take_mtu(equals + 1, n, e);
    case OPT_ISOLATE: return take_isolate(key, equals + 1, n, e);
    case OPT_ICC: return take_flag(key, equals + 1, &n->icc, e);
    case OPT_MASQUERADE: return take_masquerade(key, equals + 1, e);
    case OPT_MODE: return take_mode(equals + 1, n, e);
    case OPT_IPV6: return take_flag(key, equals + 1, &f->ipv6, e);
    case OPT_BRIDGE: return take_bridge(key, equals + 1, n, e);
    case OPT_NO_DEFAULT_ROUTE: return take_flag(key, equals + 1, &n->no_default_route, e);
    case OPTS: break;
    }
    return 0;
}

/* ---- addresses -------------------------------------------------------------------------------*/

static int take_subnets(char *const *texts, const char *what, struct subnet *four,
                        struct subnet *six, struct err *e)
{
    strv_each (text, texts) {
        struct subnet s;
        int r = subnet_parse(text, &s, e);
        if (r < 0)
            return r;
        struct subnet *place = s.address.family == AF_INET ? four : six;
        if (place->prefix)
            return err_say(e, -EINVAL, "%s `%s`: there is already one for IPv%d", what, text,
                           place == four ? 4 : 6);
        *place = s;
    }
    return 0;
}

static int take_gateways(char *const *texts, struct network *n, struct err *e)
{
    strv_each (text, texts) {
        struct ip ip;
        if (ip_parse(text, &ip) < 0)
            return err_say(e, -EINVAL, "gateway `%s` is not an address", text);
        struct ip *place = ip.family == AF_INET ? &n->gateway4 : &n->gateway6;
        const struct subnet *subnet = ip.family == AF_INET ? &n->subnet4 : &n->subnet6;
        if (place->family)
            return err_say(e, -EINVAL, "gateway `%s`: there is already one for IPv%d", text,
                           ip.family == AF_INET ? 4 : 6);
        if (!subnet->prefix)
            return err_say(e, -EINVAL, "gateway `%s` needs a --subnet", text);
        *place = ip;
    }
    return 0;
}

static int take_ranges(char *const *texts, struct network *n, struct err *e)
{
    int r = take_subnets(texts, "ip-range", &n->range4, &n->range6, e);
    if (r == 0 &&
        ((n->range4.prefix && !n->subnet4.prefix) || (n->range6.prefix && !n->subnet6.prefix)))
        return err_say(e, -EINVAL, "--ip-range needs a --subnet of its family");
    return r;
}

static int take_routes(char *const *texts, struct network *n, struct err *e)
{
    strv_each (text, texts) {
        struct network_route route;
        int r = network_route_parse(text, &route, e);
        if (r < 0)
            return r;
        strv_add_take(&n->routes, network_route_text(&route, ','));
    }
    return 0;
}

/* Podman's names, and docker's for no addresses. */
static int take_ipam(const char *driver, struct network *n, struct err *e)
{
    n->no_addresses = streq(driver, "none") || streq(driver, "null");
    if (n->no_addresses || streq(driver, "default") || streq(driver, "host-local"))
        return 0;
    err_say(e, -EINVAL, "unknown ipam driver `%s`", driver);
    err_hint(e, streq(driver, "dhcp")
                    ? "`--ipam-driver none` leaves addresses to a DHCP client in the container"
                    : "none (no addresses), or host-local (netctr chooses them)");
    return -EINVAL;
}

/* ---- compose ---------------------------------------------------------------------------------*/

static int compose(struct create_flags *f, const char *name, struct network *n, struct err *e)
{
    if (f->driver && !streq(f->driver, "bridge"))
        return err_say(e, -EINVAL, "unknown network driver `%s`; the only one is bridge",
                       f->driver);
    n->name = xstrdup(name);
    n->internal = f->internal;
    n->icc = f->icc;
    n->isolate = f->isolate;
    n->guard = !f->no_guard;
    n->dns = !f->no_dns;
    n->labels = strv_copy(f->labels);
    n->sysctls = strv_copy(f->sysctls);
    int r = f->mode ? take_mode(f->mode, n, e) : 0;
    if (r == 0 && f->mtu)
        r = take_mtu(f->mtu, n, e);
    if (r == 0 && f->ipam)
        r = take_ipam(f->ipam, n, e);
    if (r == 0 && f->bridge)
        r = take_bridge("--interface-name", f->bridge, n, e);
    note_flags(f);
    strv_each (opt, f->opts)
        if (r == 0)
            r = take_opt(opt, f, n, e);
    if (r == 0)
        r = take_subnets(f->subnets, "subnet", &n->subnet4, &n->subnet6, e);
    if (r == 0)
        r = take_gateways(f->gateways, n, e);
    if (r == 0)
        r = take_ranges(f->ranges, n, e);
    return r == 0 ? take_routes(f->routes, n, e) : r;
}

static int create(const struct cli *cli, struct create_flags *f, const char *name, struct err *e)
{
    _cleanup_network_ struct network n = NETWORK_DEFAULTS;
    _cleanup_engine_ struct engine engine = {0};
    int r = compose(f, name, &n, e);
    if (r == 0)
        r = cli_engine(cli, &engine, e);
    if (r == 0)
        r = engine_network_create(&engine, &n, f->ipv6, e);
    if (r == 0)
        printf("%s\n", n.name);
    return r;
}

int network_create_command(const struct cli *cli, const struct command *command, int argc,
                           char **argv, struct err *e)
{
    __attribute__((cleanup(create_flags_clear))) struct create_flags f = {.icc = true,
                                                                          .isolate = true};
    const struct option options[] = {
        {"subnet", 0, OPTION_LIST, "CIDR",
         "range of addresses, one for each family (default: a free one)", &f.subnets},
        {"gateway", 0, OPTION_LIST, "ADDRESS",
         "address of the host on the network (default: the first)", &f.gateways},
        {"ip-range", 0, OPTION_LIST, "CIDR",
         "give containers addresses from this part of the subnet", &f.ranges},
        {"route", 0, OPTION_LIST, "CIDR,GATEWAY[,METRIC]",
         "a route that each container gets besides its default route", &f.routes},
        {"ipam-driver", 0, OPTION_TEXT, "none", "no addresses: only links between containers",
         &f.ipam},
        {"ipv6", 0, OPTION_FLAG, NULL, "IPv4 and IPv6; subnets that are not given are chosen",
         &f.ipv6},
        {"mode", 0, OPTION_TEXT, "MODE",
         "nat (default), routed (no NAT) or isolated (no connection to the host either)", &f.mode},
        {"internal", 0, OPTION_FLAG, NULL, "no connections to or from other networks", &f.internal},
        {"icc", 0, OPTION_FLAG, NULL, "`--icc=false`: its containers cannot reach each other",
         &f.icc},
        {"isolate", 0, OPTION_FLAG, NULL,
         "`--isolate=false`: networks with this flag can reach each other", &f.isolate},
        {"mtu", 0, OPTION_TEXT, "N", "MTU (default: that of the link with the default route)",
         &f.mtu},
        {"no-guard", 0, OPTION_FLAG, NULL,
         "let containers send from other addresses and MACs (routers, DHCP)", &f.no_guard},
        {"no-dns", 0, OPTION_FLAG, NULL, "no DNS: containers do not find each other by name",
         &f.no_dns},
        {"disable-dns", 0, OPTION_FLAG, NULL, "podman's name for --no-dns", &f.no_dns},
        {"sysctl", 0, OPTION_LIST, "K=V",
         "sysctl of each container: net.ipv4.conf.IFNAME.KEY, with the word IFNAME, `all` or `default`",
         &f.sysctls},
        {"label", 0, OPTION_LIST, "K=V", "add a label", &f.labels},
        {"interface-name", 0, OPTION_TEXT, "NAME", "name of the bridge: nc-…", &f.bridge},
        {"opt", 'o', OPTION_LIST, "K=V", "an option by its name in docker or podman", &f.opts},
        {"driver", 'd', OPTION_TEXT, "bridge", "the driver; bridge is the only one", &f.driver},
        {0},
    };
    int first = command_options(command, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (argc - first != 1)
        return err_say(e, -EINVAL, "usage: netctr %s %s", command->name, command->usage);
    return create(cli, &f, argv[first], e);
}
