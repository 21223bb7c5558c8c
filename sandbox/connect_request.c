/* Parses and prints `--network NAME:ip=…,mac=…`. */
#include <netctr/sandbox.h>

#include <errno.h>
#include <limits.h>
#include <string.h>

void connect_request_clear(struct connect_request *a)
{
    free(a->network);
    free(a->interface);
    strv_free(a->aliases);
    strv_free(a->routes);
    *a = (struct connect_request){0};
}

/* ---- options ---------------------------------------------------------------------------------*/

static int take_address(struct connect_request *a, const char *value, struct err *e)
{
    struct ip ip;
    if (ip_parse(value, &ip) < 0 || ip_is_any(&ip))
        return err_say(e, -EINVAL, "`%s` is not an address", value);
    *(ip.family == AF_INET ? &a->address4 : &a->address6) = ip;
    return 0;
}

static int take_mac(struct connect_request *a, const char *value, struct err *e)
{
    static const uint8_t none[6];
    if (mac_parse(value, a->mac) < 0 || memcmp(a->mac, none, 6) == 0)
        return err_say(e, -EINVAL, "`%s` is not a MAC address, as in 02:42:0a:58:00:07", value);
    if (a->mac[0] & 1)
        return err_say(e, -EINVAL, "MAC address `%s` is a multicast address", value);
    return 0;
}

static int take_interface(struct connect_request *a, const char *value, struct err *e)
{
    if (!interface_name_valid(value) || strpbrk(value, ",=") || streq(value, "lo"))
        return err_say(e, -EINVAL, "`%s` is not an interface name (15 characters at most)", value);
    free(a->interface);
    a->interface = xstrdup(value);
    return 0;
}

static int take_alias(struct connect_request *a, const char *value, struct err *e)
{
    if (!valid_name(value)) {
        err_say(e, -EINVAL, "alias `%s` is not a name", value);
        err_hint(e, NAME_RULE);
        return -EINVAL;
    }
    strv_add(&a->aliases, value);
    return 0;
}

static int take_rate(struct connect_request *a, const char *value, struct err *e)
{
    uint64_t rate;
    int r = parse_rate(value, &rate);
    if (r == -ERANGE || (r == 0 && (rate < RATE_MIN || rate > RATE_MAX)))
        return err_say(e, -EINVAL, "rate `%s` is not between 8kbit and 34gbit", value);
    if (r < 0)
        return err_say(e, -EINVAL, "`%s` is not a rate, as in 500kbit, 10mbit or 1.5gbit", value);
    a->rate = rate;
    return 0;
}

static int take_priority(struct connect_request *a, const char *value, struct err *e)
{
    uint64_t n;
    bool negative = value[0] == '-';
    if (parse_u64(value + negative, 0, INT_MAX, &n) < 0)
        return err_say(e, -EINVAL, "gw-priority `%s` is not a number", value);
    a->priority = negative ? -(int)n : (int)n;
    return 0;
}

static int take_gateway(struct connect_request *a, const char *value, struct err *e)
{
    struct ip ip;
    if (ip_parse(value, &ip) < 0 || ip_is_any(&ip))
        return err_say(e, -EINVAL, "gateway `%s` is not an address", value);
    *(ip.family == AF_INET ? &a->gateway4 : &a->gateway6) = ip;
    return 0;
}

static int take_route(struct connect_request *a, const char *value, struct err *e)
{
    struct network_route route;
    int r = network_route_parse(value, &route, e);
    if (r == 0)
        strv_add_take(&a->routes, network_route_text(&route, '@'));
    return r;
}

static const struct {
    const char *key;
    int (*take)(struct connect_request *a, const char *value, struct err *e);
} options[] = {
    {"ip", take_address},
    {"ip6", take_address},
    {"mac", take_mac},
    {"name", take_interface},
    {"alias", take_alias},
    {"rate", take_rate},
    {"gw-priority", take_priority},
    {"gateway", take_gateway},
    {"route", take_route},
    {"interface_name", take_interface}, /* podman's name of the option */
};

int connect_request_set(struct connect_request *a, const char *key, const char *value,
                        struct err *e)
{
    const char *names[ARRAY_LEN(options) + 1] = {NULL};
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        names[i] = options[i].key;
        if (!streq(options[i].key, key))
            continue;
        return value ? options[i].take(a, value, e) : err_say(e, -EINVAL, "`%s` has no value", key);
    }
    const char *near = nearest_word(key, names);
    err_say(e, -EINVAL, "unknown option `%s`", key);
    if (near)
        err_hint(e, "did you mean `%s`?", near);
    else
        err_hint(e, "ip, ip6, mac, name, alias, rate, gw-priority, gateway or route");
    return -EINVAL;
}

/* "KEY=VALUE" */
static int take_option(struct connect_request *a, const char *text, struct err *e)
{
    const char *equals = strchr(text, '=');
    _cleanup_free_ char *key = xstrndup(text, strcspn(text, "="));
    return connect_request_set(a, key, equals ? equals + 1 : NULL, e);
}

const char *connect_request_network(const char *word)
{
    return streq(word, "bridge") ? DEFAULT_NETWORK : word;
}

int connect_request_parse(const char *text, struct connect_request *out, struct err *e)
{
    *out = (struct connect_request){0};
    const char *colon = strchr(text, ':');
    _cleanup_free_ char *name = xstrndup(text, colon ? (size_t)(colon - text) : strlen(text));
    out->network = xstrdup(connect_request_network(name));
    int r = 0;
    if (!valid_name(out->network))
        r = err_say(e, -EINVAL, "invalid network name `%s`", out->network);
    _cleanup_strv_ strv words = colon ? strv_split(colon + 1, ',') : NULL;
    strv_each (word, words)
        if (r == 0 && (r = take_option(out, word, e)) < 0)
            err_wrap(e, "network `%s`", out->network);
    if (r < 0)
        connect_request_clear(out);
    return r;
}

/* Adds an option to such a text; nothing if @value is NULL or empty. */
static void add_option(char **text, const char *key, const char *value)
{
    if (!value || !*value)
        return;
    char *before = *text;
    *text = xasprintf("%s%c%s=%s", before, strchr(before, ':') ? ',' : ':', key, value);
    free(before);
}

char *connect_request_text(const struct connect_request *a)
{
    static const uint8_t none[6];
    char *text = xstrdup(a->network);
    _cleanup_free_ char *ip4 = ip_text(&a->address4), *ip6 = ip_text(&a->address6),
                        *mac = mac_text(a->mac), *rate = a->rate ? rate_text(a->rate) : NULL,
                        *via4 = ip_text(&a->gateway4), *via6 = ip_text(&a->gateway6),
                        *priority = a->priority ? xasprintf("%d", a->priority) : NULL;
    add_option(&text, "ip", ip4);
    add_option(&text, "ip6", ip6);
    if (memcmp(a->mac, none, 6) != 0)
        add_option(&text, "mac", mac);
    add_option(&text, "name", a->interface);
    strv_each (alias, a->aliases)
        add_option(&text, "alias", alias);
    add_option(&text, "rate", rate);
    add_option(&text, "gw-priority", priority);
    add_option(&text, "gateway", via4);
    add_option(&text, "gateway", via6);
    strv_each (route, a->routes)
        add_option(&text, "route", route);
    return text;
}

char *connect_request_names(char *const *texts)
{
    _cleanup_strv_ strv names = NULL;
    strv_each (text, texts) {
        _cleanup_free_ char *word = xstrndup(text, strcspn(text, ":"));
        strv_add(&names, connect_request_network(word));
    }
    return names ? strv_join(names, ",") : xstrdup("none");
}
