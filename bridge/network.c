/* Network definitions: one JSON file each below ROOT/networks, read by people as well.
 *
 * The definition says what shall be; network_up() compares it with the kernel and adds what is
 * missing. Nothing here talks netlink itself: the device is device.c's, the rules are firewall.h's.
 */
#include "bridge.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>

void network_clear(struct network *n)
{
    free(n->name);
    free(n->bridge);
    *n = (struct network){0};
}

struct fw_network network_elements(const struct network *n)
{
    return (struct fw_network){
        .bridge = n->bridge,
        .subnet4 = n->subnet4.address.v4,
        .prefix4 = n->subnet4.prefix,
        .subnet6 = n->subnet6.address.v6,
        .prefix6 = n->subnet6.prefix,
        .internal = n->internal,
        .masquerade = n->masquerade,
        .icc = n->icc,
    };
}

/* ---- the file --------------------------------------------------------------------------------*/

static int parse_definition(const json_t *j, const char *name, struct network *out, struct err *e)
{
    const char *subnet4 = json_str(j, "subnet"), *subnet6 = json_str(j, "subnet6");
    const char *gateway4 = json_str(j, "gateway"), *gateway6 = json_str(j, "gateway6");
    const char *bridge = json_str(j, "bridge");
    if ((subnet4 && subnet_parse(subnet4, &out->subnet4, e) < 0) ||
        (subnet6 && subnet_parse(subnet6, &out->subnet6, e) < 0))
        return err_wrap(e, "definition of network `%s`", name);
    if (!bridge || strlen(bridge) >= IFNAMSIZ || (!subnet4 && !subnet6) ||
        (subnet4 && (!gateway4 || ip_parse(gateway4, &out->gateway4) < 0)) ||
        (subnet6 && (!gateway6 || ip_parse(gateway6, &out->gateway6) < 0)))
        return err_say(e, -EBADMSG, "the definition of network `%s` is damaged", name);
    out->name = xstrdup(name);
    out->bridge = xstrdup(bridge);
    out->internal = json_flag(j, "internal");
    out->masquerade = json_flag(j, "masquerade");
    out->icc = json_flag(j, "icc");
    return 0;
}

static int save_definition(struct bridge *b, const struct network *n, struct err *e)
{
    _cleanup_json_ json_t *j = json_object();
    _cleanup_free_ char *subnet4 = subnet_text(&n->subnet4), *subnet6 = subnet_text(&n->subnet6),
                        *gateway4 = ip_text(&n->gateway4), *gateway6 = ip_text(&n->gateway6),
                        *file = xasprintf("%s.json", n->name);
    json_object_set_new(j, "schema", json_integer(1));
    json_put_str(j, "name", n->name);
    json_put_str(j, "bridge", n->bridge);
    json_put_str(j, "subnet", *subnet4 ? subnet4 : NULL);
    json_put_str(j, "gateway", *gateway4 ? gateway4 : NULL);
    json_put_str(j, "subnet6", *subnet6 ? subnet6 : NULL);
    json_put_str(j, "gateway6", *gateway6 ? gateway6 : NULL);
    json_object_set_new(j, "internal", json_boolean(n->internal));
    json_object_set_new(j, "masquerade", json_boolean(n->masquerade));
    json_object_set_new(j, "icc", json_boolean(n->icc));
    return json_write_at(b->networks_fd, file, j, e);
}

static int read_definition(struct bridge *b, const char *name, struct network *out, struct err *e)
{
    _cleanup_free_ char *file = xasprintf("%s.json", name);
    _cleanup_json_ json_t *j = NULL;
    int r = json_read_at(b->networks_fd, file, &j, e);
    return r < 0 ? r : parse_definition(j, name, out, e);
}

/* ---- the default network ---------------------------------------------------------------------*/

struct collision {
    struct subnet candidate;
    bool found;
};

static int collides(const struct route *r, void *arg)
{
    struct collision *c = arg;
    struct subnet s = {r->destination, r->prefix};
    if (r->prefix > 0 && subnet_overlaps(&s, &c->candidate))
        c->found = true;
    return 0;
}

/* 10.88.0.0/16, or the next one that the host does not route: an address that is taken already
 * would cut the host off from whoever has it. */
static int choose_subnet(struct bridge *b, struct subnet *out, struct err *e)
{
    for (int i = 0; i < 256; i++) {
        struct collision c = {.found = false};
        _cleanup_free_ char *text = xasprintf("10.%d.0.0/16", (88 + i) % 256);
        int r = subnet_parse(text, &c.candidate, e);
        if (r == 0)
            r = rt_each_route(b->rt, collides, &c, e);
        if (r < 0)
            return r;
        if (!c.found) {
            *out = c.candidate;
            return 0;
        }
    }
    return err_say(e, -ENOSPC, "no 10.x.0.0/16 is free for the default network");
}

/* A random ULA prefix (RFC 4193): fd, 40 random bits, subnet 0. */
static int choose_subnet6(struct subnet *out, struct err *e)
{
    out->address = (struct ip){.family = AF_INET6};
    out->address.bytes[0] = 0xfd;
    if (getrandom(out->address.bytes + 1, 5, 0) != 5)
        return err_set(e, errno, "draw a random IPv6 prefix");
    out->prefix = 64;
    return 0;
}

static int define_default(struct bridge *b, struct network *out, struct err *e)
{
    out->name = xstrdup(DEFAULT_NETWORK);
    out->bridge = xstrdup("nc-" DEFAULT_NETWORK);
    out->masquerade = out->icc = true;
    int r = choose_subnet(b, &out->subnet4, e);
    int ipv6 = file_exists_at(AT_FDCWD, "/proc/net/if_inet6");
    if (r == 0 && ipv6 < 0)
        r = err_set(e, ipv6, "look whether the host has IPv6");
    if (r == 0 && ipv6)
        r = choose_subnet6(&out->subnet6, e);
    if (r < 0)
        return r;
    out->gateway4 = subnet_host(&out->subnet4, 1);
    if (out->subnet6.prefix)
        out->gateway6 = subnet_host(&out->subnet6, 1);
    return save_definition(b, out, e);
}

int network_load(struct bridge *b, const char *name, struct network *out, struct err *e)
{
    *out = (struct network){0};
    int r = read_definition(b, name, out, e);
    if (r == -ENOENT && streq(name, DEFAULT_NETWORK)) {
        err_clear(e);
        _cleanup_close_ int lock = lock_file_at(b->networks_fd, ".lock", LOCK_EX);
        if (lock < 0)
            return err_set(e, lock, "lock the network definitions");
        r = read_definition(b, name, out, e); /* somebody else may have been faster */
        if (r == -ENOENT) {
            err_clear(e);
            r = define_default(b, out, e);
        }
    } else if (r == -ENOENT) {
        err_say(e, -ENOENT, "no such network `%s`", name);
    }
    if (r < 0)
        network_clear(out);
    return r;
}

int network_each(struct bridge *b, int (*each)(const struct network *n, void *arg), void *arg,
                 struct err *e)
{
    int fd = openat(b->networks_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
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
        r = read_definition(b, name, &n, e);
        if (r == 0)
            r = each(&n, arg);
    }
    return r < 0 && e && !e->code ? err_set(e, r, "list the networks") : r < 0 ? r : 0;
}

/* ---- up --------------------------------------------------------------------------------------*/

/* A host that forwards is a router. netctr's own networks are closed by its forward chain; what
 * other interfaces may do is the host's policy, so we switch forwarding on, say so, and leave it. */
static int forward_packets(const char *key, struct err *e)
{
    _cleanup_free_ char *now = sysctl_read(key);
    if (!now && errno != ENOENT) /* a kernel without IPv6 has none of its keys */
        return err_set(e, errno, "read sysctl `%s`", key);
    if (!now || !streq(now, "0"))
        return 0;
    return sysctl_write(key, "1", e);
}

static int firewall_up(struct bridge *b, const struct network *n, struct err *e)
{
    _cleanup_fw_batch_ struct fw_batch *batch = fw_batch_new(b->fw);
    struct fw_network elements = network_elements(n);
    fw_add_network(batch, &elements);
    return fw_commit(batch, e);
}

int network_up(struct bridge *b, const struct network *n, struct err *e)
{
    _cleanup_free_ char *file = xasprintf(".%s.up", n->name);
    _cleanup_close_ int lock = lock_file_at(b->leases_fd, file, LOCK_EX);
    if (lock < 0)
        return err_set(e, lock, "lock network `%s`", n->name);
    int r = firewall_up(b, n, e);
    if (r == 0)
        r = device_up(b, n, e);
    if (r >= 0 && n->subnet4.prefix)
        r = forward_packets("net/ipv4/ip_forward", e);
    if (r >= 0 && n->subnet6.prefix)
        r = forward_packets("net/ipv6/conf/all/forwarding", e);
    return r < 0 ? err_wrap(e, "network `%s`", n->name) : 0;
}

const struct sysctl *network_sysctls(const struct network *n)
{
    /* Router advertisements are never listened to (CVE-2020-10749); addresses are usable at once
     * (no DAD: nobody else can hold them); arp_notify and ndisc_notify make the announcement. The
     * unprivileged ports and ping are what docker's containers have. */
    static const struct sysctl dual[] = {
        {"net/ipv6/conf/default/accept_ra", "0"},
        {"net/ipv6/conf/default/accept_dad", "0"},
        {"net/ipv6/conf/default/ndisc_notify", "1"},
        {"net/ipv4/conf/default/arp_notify", "1"},
        {"net/ipv4/ip_unprivileged_port_start", "0"},
        {"net/ipv4/ping_group_range", "0 2147483647"},
        {NULL, NULL},
    };
    /* IPv6 is off where the network has none (CVE-2024-32473). */
    static const struct sysctl ipv4_only[] = {
        {"net/ipv6/conf/default/disable_ipv6", "1"},
        {"net/ipv4/conf/default/arp_notify", "1"},
        {"net/ipv4/ip_unprivileged_port_start", "0"},
        {"net/ipv4/ping_group_range", "0 2147483647"},
        {NULL, NULL},
    };
    return n && n->subnet6.prefix ? dual : ipv4_only;
}
