/* Finds free subnets.
 *
 * A subnet that the host reaches already would hide its present owner from the host. In use are the
 * subnets of defined networks, the addresses of interfaces (also of those that are down), routes,
 * and nameservers. A route with a gateway counts as well, but may be as wide as 10.0.0.0/8: it is
 * avoided while there is another choice, and a subnet inside it that the user names is accepted.
 */
#include "bridge.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

struct claim {
    struct subnet subnet;
    char *owner;
    int index; /* of the interface, or 0 */
    bool weak; /* a route with a gateway */
};

struct claims {
    struct claim *items;
    size_t count;
};

static void claims_clear(struct claims *c)
{
    for (size_t i = 0; i < c->count; i++)
        free(c->items[i].owner);
    free(c->items);
}
#define _cleanup_claims_ __attribute__((cleanup(claims_clear)))

/* @address may have host bits. Takes over @owner. */
static struct claim *add(struct claims *c, const struct ip *address, uint8_t prefix, char *owner)
{
    c->items = xrealloc(c->items, c->count + 1, sizeof(*c->items));
    struct claim *claim = &c->items[c->count++];
    *claim = (struct claim){.subnet = {subnet_base(address, prefix), prefix}, .owner = owner};
    return claim;
}

static int claim_network(const struct network *n, void *arg)
{
    const struct subnet *const own[] = {&n->subnet4, &n->subnet6};
    for (size_t i = 0; i < ARRAY_LEN(own); i++) {
        _cleanup_free_ char *text = subnet_text(own[i]);
        if (own[i]->prefix)
            add(arg, &own[i]->address, own[i]->prefix,
                xasprintf("%s of network `%s`", text, n->name));
    }
    return 0;
}

static int claim_address(const struct address *a, void *arg)
{
    struct claims *c = arg;
    if (a->ip.family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&a->ip.v6))
        return 0;
    _cleanup_free_ char *text = ip_text(&a->ip);
    add(c, &a->ip, a->prefix, xasprintf("address %s/%u", text, a->prefix))->index = a->index;
    return 0;
}

static int claim_route(const struct route *r, void *arg)
{
    struct claims *c = arg;
    if (r->prefix == 0 || (r->family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&r->destination.v6)) ||
        (r->family == AF_INET6 && IN6_IS_ADDR_MULTICAST(&r->destination.v6)))
        return 0;
    _cleanup_free_ char *text = ip_text(&r->destination);
    struct claim *claim =
        add(c, &r->destination, r->prefix, xasprintf("the route to %s/%u", text, r->prefix));
    claim->index = r->oif;
    claim->weak = !r->on_link;
    return 0;
}

/* systemd-resolved lists its own address in /etc/resolv.conf, and the servers that it asks in the
 * other file. */
static void claim_nameservers(struct claims *c)
{
    static const char *const files[] = {"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"};
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        _cleanup_free_ char *text = NULL;
        if (read_file_at(AT_FDCWD, files[i], 1 << 16, &text, NULL) < 0)
            continue;
        _cleanup_strv_ strv lines = strv_split(text, '\n');
        strv_each (line, lines) {
            struct ip ip;
            _cleanup_free_ char *word = nameserver_parse(line, &ip);
            if (word && ip.family)
                add(c, &ip, (uint8_t)(ip_size(&ip) * 8),
                    xasprintf("nameserver %s of %s", word, files[i]));
        }
    }
}

static int gather(struct net *net, struct claims *c, struct err *e)
{
    int r = network_each(net, claim_network, c, e);
    if (r == 0)
        r = rt_each_address(net->rt, claim_address, c, e);
    if (r == 0)
        r = rt_each_route(net->rt, claim_route, c, e);
    claim_nameservers(c);
    return r;
}

static const struct claim *holder_of(const struct claims *c, const struct subnet *s, bool weak_too)
{
    for (size_t i = 0; i < c->count; i++)
        if ((weak_too || !c->items[i].weak) && subnet_overlaps(&c->items[i].subnet, s))
            return &c->items[i];
    return NULL;
}

struct link_search {
    int index;
    char name[IFNAMSIZ];
};

static int name_link(const struct link *link, void *arg)
{
    struct link_search *n = arg;
    if (link->index == n->index)
        memcpy(n->name, link->name, sizeof(n->name));
    return 0;
}

static char *describe_claim(struct net *net, const struct claim *claim)
{
    struct link_search n = {.index = claim->index};
    if (claim->index)
        (void)rt_each_link(net->rt, name_link, &n, NULL);
    return *n.name ? xasprintf("%s of interface `%s`", claim->owner, n.name)
                   : xstrdup(claim->owner);
}

int subnet_require_free(struct net *net, const struct subnet *s, struct err *e)
{
    _cleanup_claims_ struct claims c = {0};
    int r = gather(net, &c, e);
    if (r < 0)
        return r;
    const struct claim *holder = holder_of(&c, s, false);
    if (!holder)
        return 0;
    _cleanup_free_ char *text = subnet_text(s), *owner = describe_claim(net, holder);
    return err_say(e, -EADDRINUSE, "subnet %s overlaps %s", text, owner);
}

/* Searches from @first to 10.255.255.255, then from 10.0.0.0. */
int subnet_choose4(struct net *net, const char *first, uint8_t prefix, struct subnet *out,
                   struct err *e)
{
    _cleanup_claims_ struct claims c = {0};
    struct ip start;
    int r = gather(net, &c, e);
    if (r < 0)
        return r;
    (void)ip_parse(first, &start);
    uint32_t base = ntohl(start.v4.s_addr) & 0xffffff, step = 1u << (32 - prefix);
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t n = 0; n < 1u << 24; n += step) {
            struct subnet s = {.address.family = AF_INET, .prefix = prefix};
            s.address.v4.s_addr = htonl(10u << 24 | ((base + n) & 0xffffff));
            if (!holder_of(&c, &s, pass == 0)) {
                *out = s;
                return 0;
            }
        }
    return err_say(e, -ENOSPC, "no subnet 10.x.x.x/%u is free", prefix);
}

int subnet_choose6(struct subnet *out, struct err *e)
{
    *out = (struct subnet){.address.family = AF_INET6, .prefix = 64};
    out->address.bytes[0] = 0xfd;
    if (getrandom(out->address.bytes + 1, 5, 0) != 5)
        return err_set(e, errno, "choose a random IPv6 prefix");
    return 0;
}
