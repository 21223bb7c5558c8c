/* The record of an endpoint: what exists, or is about to be created, for one container on one
 * network. Also the firewall elements that follow from it. */
#include "bridge.h"

#include <errno.h>
#include <string.h>

void endpoint_clear(struct endpoint *ep)
{
    free(ep->network);
    free(ep->bridge);
    free(ep->container);
    free(ep->id);
    free(ep->host_veth);
    free(ep->interface);
    strv_free(ep->aliases);
    strv_free(ep->routes);
    port_mappings_clear(&ep->port_mappings);
    *ep = (struct endpoint){0};
}

void put_ip(json_t *j, const char *key, const struct ip *a)
{
    _cleanup_free_ char *text = ip_text(a);
    json_put_str(j, key, *text ? text : NULL);
}

char *endpoint_record_name(const char *network)
{
    return xasprintf("endpoint.%s.json", network);
}

int endpoint_save(const struct endpoint *ep, int record_dir, struct err *e)
{
    _cleanup_json_ json_t *j = json_object();
    _cleanup_free_ char *mac = mac_text(ep->mac), *file = endpoint_record_name(ep->network);
    json_object_set_new(j, "schema", json_integer(1));
    json_put_str(j, "network", ep->network);
    json_put_str(j, "bridge", ep->bridge);
    json_put_str(j, "container", ep->container);
    json_put_str(j, "id", ep->id);
    json_put_str(j, "port", ep->host_veth);
    json_put_str(j, "interface", ep->interface);
    put_ip(j, "address", &ep->address4);
    put_ip(j, "address6", &ep->address6);
    json_put_str(j, "mac", mac);
    json_object_set_new(j, "guard", json_boolean(ep->guard));
    json_object_set_new(j, "routed", json_boolean(ep->routed));
    if (ep->unheld)
        json_object_set_new(j, "unheld", json_true());
    if (ep->priority)
        json_object_set_new(j, "priority", json_integer(ep->priority));
    if (ep->rate)
        json_object_set_new(j, "rate", json_integer((json_int_t)ep->rate));
    if (ep->metric)
        json_object_set_new(j, "metric", json_integer(ep->metric));
    put_ip(j, "gateway", &ep->gateway4);
    put_ip(j, "gateway6", &ep->gateway6);
    if (ep->routes)
        json_put_strv(j, "routes", ep->routes);
    json_put_strv(j, "aliases", ep->aliases);
    json_t *port_mappings = json_array();
    for (size_t i = 0; i < ep->port_mappings.count; i++) {
        const struct port_mapping *p = &ep->port_mappings.items[i];
        json_t *item = json_object();
        put_ip(item, "host", &p->host);
        json_object_set_new(item, "host_port", json_integer(p->host_port));
        json_object_set_new(item, "port", json_integer(p->port));
        json_object_set_new(item, "protocol", json_integer(p->protocol));
        json_array_append_new(port_mappings, item);
    }
    json_object_set_new(j, "publish", port_mappings);
    return json_write_sealed_at(record_dir, file, j, e);
}

static int get_ip(const json_t *j, const char *key, struct ip *out)
{
    const char *text = json_str(j, key);
    *out = (struct ip){0};
    return text ? ip_parse(text, out) : 0;
}

static int get_publish(const json_t *j, struct port_mapping *p)
{
    int64_t host_port = json_int(j, "host_port", 0), port = json_int(j, "port", 0);
    int64_t protocol = json_int(j, "protocol", 0);
    if (get_ip(j, "host", &p->host) < 0 || host_port < 1 || host_port > 65535 || port < 1 ||
        port > 65535 || protocol < 1 || protocol > 255)
        return -EBADMSG;
    p->host_port = (uint16_t)host_port;
    p->port = (uint16_t)port;
    p->protocol = (uint8_t)protocol;
    return 0;
}

static bool rate_valid(int64_t rate)
{
    return rate >= (int64_t)RATE_MIN && rate <= (int64_t)RATE_MAX;
}

static int parse_record(const json_t *j, struct endpoint *out)
{
    const char *mac = json_str(j, "mac");
    out->network = xstrdup(json_str(j, "network"));
    out->bridge = xstrdup(json_str(j, "bridge"));
    out->container = xstrdup(json_str(j, "container"));
    out->id = xstrdup(json_str(j, "id"));
    out->host_veth = xstrdup(json_str(j, "port"));
    out->interface = xstrdup(json_str(j, "interface"));
    out->guard = json_flag(j, "guard");
    out->routed = json_flag(j, "routed");
    out->unheld = json_flag(j, "unheld");
    out->priority = (int)json_int(j, "priority", 0);
    out->aliases = json_strv(j, "aliases");
    out->routes = json_strv(j, "routes");
    int64_t rate = json_int(j, "rate", 0);
    out->rate = (uint64_t)rate;
    out->metric = (uint32_t)json_int(j, "metric", 0);
    if (json_int(j, "schema", 0) != 1 || !valid_name(out->network) ||
        !interface_name_valid(out->bridge) || !out->container || !out->id ||
        !interface_name_valid(out->host_veth) || !interface_name_valid(out->interface) ||
        (rate && !rate_valid(rate)) || !mac || mac_parse(mac, out->mac) < 0 ||
        get_ip(j, "address", &out->address4) < 0 || get_ip(j, "address6", &out->address6) < 0 ||
        get_ip(j, "gateway", &out->gateway4) < 0 || get_ip(j, "gateway6", &out->gateway6) < 0)
        return -EBADMSG;
    const json_t *port_mappings = json_object_get(j, "publish");
    size_t count = json_array_size(port_mappings);
    out->port_mappings.items = xcalloc(count, sizeof(*out->port_mappings.items));
    for (size_t i = 0; i < count; i++) {
        if (get_publish(json_array_get(port_mappings, i), &out->port_mappings.items[i]) < 0)
            return -EBADMSG;
        out->port_mappings.count++;
    }
    return 0;
}

static int load_file(int record_dir, const char *file, struct endpoint *out, struct err *e)
{
    *out = (struct endpoint){0};
    _cleanup_json_ json_t *j = NULL;
    int r = json_read_sealed_at(record_dir, file, &j, e);
    if (r < 0)
        return r;
    _cleanup_free_ char *own = NULL;
    r = parse_record(j, out);
    if (r == 0)
        own = endpoint_record_name(out->network);
    if (r < 0 || !streq(own, file)) {
        endpoint_clear(out);
        return err_say(e, -EBADMSG, "the endpoint's record `%s` is damaged", file);
    }
    return 0;
}

int endpoint_load(int record_dir, const char *network, struct endpoint *out, struct err *e)
{
    _cleanup_free_ char *file = endpoint_record_name(network);
    return load_file(record_dir, file, out, e);
}

void endpoint_list_clear(struct endpoint_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        endpoint_clear(&l->items[i]);
    free(l->items);
    *l = (struct endpoint_list){0};
}

static int by_interface(const void *a, const void *b)
{
    return strverscmp(((const struct endpoint *)a)->interface,
                      ((const struct endpoint *)b)->interface);
}

int endpoint_load_all(int dirfd, const char *path, struct endpoint_list *out, struct err *e)
{
    *out = (struct endpoint_list){0};
    _cleanup_strv_ strv names = NULL;
    _cleanup_close_ int record_dir =
        openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    int result = 0, listed = record_dir < 0 ? -errno : names_in(record_dir, &names);
    strv_each (name, names) {
        const char *dot = strrchr(name, '.');
        if (!skip_prefix(name, "endpoint.") || !streq(dot, ".json"))
            continue;
        struct endpoint ep;
        _cleanup_err_ struct err why = ERR_INIT;
        int r = load_file(record_dir, name, &ep, &why);
        if (r == -ENOENT)
            continue;
        /* Of several failures, one that may be temporary is reported before damage. */
        if (r < 0 && (result == 0 || (result == -EBADMSG && r != -EBADMSG))) {
            result = r;
            err_clear(e);
            err_move(e, &why);
        }
        if (r < 0)
            continue;
        out->items = xrealloc(out->items, out->count + 1, sizeof(*out->items));
        out->items[out->count++] = ep;
    }
    if (out->count > 1)
        qsort(out->items, out->count, sizeof(*out->items), by_interface);
    if (listed < 0 && (result == 0 || result == -EBADMSG)) {
        err_clear(e);
        return err_set(e, listed, "list the endpoints");
    }
    return result;
}

int endpoint_networks(int record_dir, strv *out, struct err *e)
{
    _cleanup_dir_ DIR *d = open_listing(record_dir, ".");
    int r = 0;
    if (!d)
        return err_set(e, errno, "list the endpoints");
    for (struct dirent *entry; (entry = next_entry(d, &r));) {
        const char *network = skip_prefix(entry->d_name, "endpoint."), *dot;
        if (!network || !(dot = strrchr(network, '.')) || !streq(dot, ".json"))
            continue;
        _cleanup_free_ char *name = xstrndup(network, (size_t)(dot - network));
        if (!strv_has(*out, name))
            strv_add(out, name);
    }
    return r < 0 ? err_set(e, r, "list the endpoints") : 0;
}

/* ---- firewall elements ------------------------------------------------------------------------*/

/* fe80:: and the MAC as modified EUI-64 (RFC 4291, appendix A): the address that the kernel gives
 * eth0. */
static struct in6_addr link_local(const uint8_t m[6])
{
    struct in6_addr a = {.s6_addr = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, m[0] ^ 2, m[1], m[2], 0xff, 0xfe,
                                     m[3], m[4], m[5]}};
    return a;
}

struct fw_guard endpoint_guard(const struct endpoint *ep)
{
    struct fw_guard g = {.host_veth = ep->host_veth, .unguarded = !ep->guard};
    memcpy(g.mac, ep->mac, 6);
    g.ip4 = ep->address4.v4;
    if (ep->address6.family) {
        g.ip6 = ep->address6.v6;
        g.link_local = link_local(ep->mac);
    }
    return g;
}

struct fw_publish *endpoint_elements(const struct endpoint *ep, size_t *count)
{
    struct fw_publish *elements = xcalloc(ep->port_mappings.count * 2, sizeof(*elements));
    *count = 0;
    for (size_t i = 0; i < ep->port_mappings.count; i++) {
        const struct port_mapping *p = &ep->port_mappings.items[i];
        struct fw_publish f = {.protocol = p->protocol,
                               .any_address = ip_is_any(&p->host),
                               .routed = ep->routed,
                               /* No other container has its address. */
                               .held = (p->held && !ep->unheld) || ep->routed,
                               .unheld = ep->unheld && !ep->routed,
                               .host_port = p->host_port,
                               .to4 = ep->address4.v4,
                               .to6 = ep->address6.v6,
                               .to_port = p->port,
                               .comment = ep->container};
        if (p->host.family != AF_INET6 && ep->address4.family) {
            f.family = AF_INET;
            f.host4 = p->host.v4;
            elements[(*count)++] = f;
        }
        if (p->host.family != AF_INET && ep->address6.family) {
            f.family = AF_INET6;
            f.host6 = p->host.v6;
            elements[(*count)++] = f;
        }
    }
    return elements;
}

void endpoint_add(struct fw_batch *batch, const struct endpoint *ep)
{
    struct fw_guard guard = endpoint_guard(ep);
    size_t count;
    _cleanup_free_ struct fw_publish *elements = endpoint_elements(ep, &count);
    fw_add_guard(batch, &guard);
    for (size_t i = 0; i < count; i++)
        fw_add_publish(batch, &elements[i]);
}
