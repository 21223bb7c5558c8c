/* Defines the elements of a network, a guard and a published port. Adding and deleting use the same
 * list, so a deletion cannot forget anything that was added. */
#include "ruleset.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <net/if.h>
#include <string.h>

static char *sentence(enum change change, const char *object)
{
    static const char *const verbs[] = {"add", "add", "delete", "expire"};
    return xasprintf("%s %s", verbs[change], object);
}

static void put(struct nft_batch *b, enum change change, struct element element, const char *object)
{
    ruleset_change(b, change, &element, sentence(change, object));
}

/* A longer name would be truncated, possibly to the name of another interface. */
static bool valid_interface(struct nft_batch *b, const char *name)
{
    if (interface_name_valid(name))
        return true;
    nft_batch_refuse(b, -EINVAL, "firewall: `%s` is not an interface name", name ? name : "");
    return false;
}

/* ---- networks -----------------------------------------------------------------------------*/

/* A subnet's first and last address, and the first address behind it. */
struct range {
    uint8_t first[16], last[16], end[16];
    bool open; /* there is no address behind it */
};

static struct range range_of(const void *address, size_t size, unsigned int prefix)
{
    struct range r = {.open = true};
    memcpy(r.first, address, size);
    memcpy(r.last, address, size);
    for (size_t bit = prefix; bit < size * 8; bit++) {
        uint8_t mask = (uint8_t)(0x80 >> (bit % 8));
        r.first[bit / 8] &= (uint8_t)~mask;
        r.last[bit / 8] |= mask;
    }
    memcpy(r.end, r.last, size);
    for (size_t i = size; i > 0 && r.open; i--)
        r.open = ++r.end[i - 1] == 0;
    return r;
}

struct subnet_sets {
    enum ruleset_set subnets, hairpin;
};

static void put_subnet(struct nft_batch *b, enum change change, const struct range *r,
                       struct subnet_sets sets, bool reachable, const char *object)
{
    /* A range of one field is two elements: its first value and the first one behind it. Adjacent ranges keep separate
     * ends, so one can be added or deleted without knowing the others. */
    put(b, change, (struct element){.set = sets.subnets, .key = {r->first}}, object);
    if (!r->open)
        put(b, change, (struct element){.set = sets.subnets, .key = {r->end}, .range_end = true},
            object);
    if (reachable)
        put(b, change,
            (struct element){
                .set = sets.hairpin, .key = {r->first, r->first}, .key_end = {r->last, r->last}},
            object);
}

static void put_subnets(struct nft_batch *b, enum change change, const struct fw_network *n)
{
    char address[INET6_ADDRSTRLEN];
    if (n->prefix4) {
        struct range r = range_of(&n->subnet4, sizeof(n->subnet4), n->prefix4);
        inet_ntop(AF_INET, r.first, address, sizeof(address));
        _cleanup_free_ char *object =
            xasprintf("subnet %s/%u of network `%s`", address, n->prefix4, n->bridge);
        put_subnet(b, change, &r, (struct subnet_sets){SET_SUBNETS4, SET_HAIRPIN4}, !n->internal,
                   object);
    }
    if (n->prefix6) {
        struct range r = range_of(&n->subnet6, sizeof(n->subnet6), n->prefix6);
        inet_ntop(AF_INET6, r.first, address, sizeof(address));
        _cleanup_free_ char *object =
            xasprintf("subnet %s/%u of network `%s`", address, n->prefix6, n->bridge);
        put_subnet(b, change, &r, (struct subnet_sets){SET_SUBNETS6, SET_HAIRPIN6}, !n->internal,
                   object);
    }
}

void elements_network(struct nft_batch *b, enum change change, const struct fw_network *n)
{
    if (!valid_interface(b, n->bridge))
        return;
    if (n->prefix4 > 32 || n->prefix6 > 128) {
        nft_batch_refuse(b, -EINVAL, "firewall: network `%s` has an impossible prefix", n->bridge);
        return;
    }
    _cleanup_free_ char *object = xasprintf("network `%s`", n->bridge);
    const char *bridge = n->bridge;
    put(b, change, (struct element){.set = SET_NETWORKS, .key = {bridge}}, object);
    if (n->internal)
        put(b, change, (struct element){.set = SET_INTERNAL, .key = {bridge}}, object);
    if (n->isolated)
        put(b, change, (struct element){.set = SET_ISOLATED, .key = {bridge}}, object);
    if (n->masquerade)
        put(b, change, (struct element){.set = SET_MASQUERADED, .key = {bridge}}, object);
    if (n->routed)
        put(b, change, (struct element){.set = SET_ROUTED, .key = {bridge}}, object);
    if (n->unisolated)
        put(b, change, (struct element){.set = SET_UNISOLATED, .key = {bridge}}, object);
    if (n->icc)
        put(b, change, (struct element){.set = SET_LINKS, .key = {bridge, bridge}}, object);
    strv_each (to, n->links)
        elements_link(b, change, bridge, to);
    put_subnets(b, change, n);
}

void elements_link(struct nft_batch *b, enum change change, const char *from, const char *to)
{
    if (!valid_interface(b, from) || !valid_interface(b, to))
        return;
    _cleanup_free_ char *object = xasprintf("link from `%s` to `%s`", from, to);
    put(b, change, (struct element){.set = SET_LINKS, .key = {from, to}}, object);
}

/* ---- guards -------------------------------------------------------------------------------*/

enum { GUARD_ELEMENTS_MAX = 6 };

static size_t elements_of_guard(const struct fw_guard *g, struct element out[GUARD_ELEMENTS_MAX])
{
    const struct in6_addr *const six[] = {&g->ip6, &g->link_local};
    size_t count = 0;
    if (g->unguarded) {
        out[0] = (struct element){.set = SET_UNGUARDED, .key = {g->host_veth}};
        return 1;
    }
    out[count++] = (struct element){.set = SET_MACS, .key = {g->host_veth, g->mac}};
    if (g->ip4.s_addr)
        out[count++] = (struct element){.set = SET_ADDRS4, .key = {g->host_veth, &g->ip4}};
    for (size_t i = 0; i < ARRAY_LEN(six); i++)
        if (!IN6_IS_ADDR_UNSPECIFIED(six[i])) {
            out[count++] = (struct element){.set = SET_ADDRS6, .key = {g->host_veth, six[i]}};
            out[count++] = (struct element){.set = SET_ND_TARGETS6, .key = {g->host_veth, six[i]}};
        }
    return count;
}

void elements_guard(struct nft_batch *b, enum change change, const struct fw_guard *g)
{
    if (!valid_interface(b, g->host_veth))
        return;
    _cleanup_free_ char *object = xasprintf("guard of `%s`", g->host_veth);
    struct element elements[GUARD_ELEMENTS_MAX];
    size_t count = elements_of_guard(g, elements);
    for (size_t i = 0; i < count; i++)
        put(b, change, elements[i], object);
}

/* ---- forwarding ---------------------------------------------------------------------------*/

static void put_links(struct nft_batch *b, enum change change, enum ruleset_set set, uint8_t family,
                      char *const *links)
{
    strv_each (link, links)
        if (valid_interface(b, link)) {
            _cleanup_free_ char *object = xasprintf("closed link `%s`", link);
            put(b, change, (struct element){.set = set, .key = {&family, link}}, object);
        }
}

void elements_closed(struct nft_batch *b, enum change change, const struct fw_closed *c)
{
    uint8_t family = c->family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6;
    put_links(b, change, SET_CLOSED_FROM, family, c->from);
    put_links(b, change, SET_CLOSED_TO, family, c->to);
    strv_each (bridge, c->bridges)
        if (valid_interface(b, bridge)) {
            _cleanup_free_ char *object = xasprintf("bridge `%s`", bridge);
            put(b, change, (struct element){.set = SET_HOST_BRIDGES, .key = {bridge, bridge}},
                object);
        }
}

struct links_of {
    uint8_t family;
    strv *links;
};

static void read_closed(const uint8_t *key, size_t size, void *arg)
{
    const struct links_of *l = arg;
    const size_t at = sizeof(uint32_t); /* the family takes a word */
    if (size != at + IFNAMSIZ || key[0] != l->family)
        return;
    _cleanup_free_ char *name = xstrndup((const char *)key + at, IFNAMSIZ - 1);
    strv_add(l->links, name);
}

int elements_read_closed(struct nft *nft, uint8_t family, strv *from, strv *to)
{
    struct links_of f = {family, from}, t = {family, to};
    int r = ruleset_each_key(nft, SET_CLOSED_FROM, read_closed, &f);
    if (r == 0)
        r = ruleset_each_key(nft, SET_CLOSED_TO, read_closed, &t);
    return r == -ENOENT ? 0 : r;
}

/* ---- published ports ----------------------------------------------------------------------*/

static const char *protocol_name(uint8_t protocol)
{
    switch (protocol) {
    case IPPROTO_TCP: return "tcp";
    case IPPROTO_UDP: return "udp";
    case IPPROTO_SCTP: return "sctp";
    default: return NULL;
    }
}

static char *publish_name(const struct fw_publish *p)
{
    char address[INET6_ADDRSTRLEN] = "::";
    const char *protocol = protocol_name(p->protocol);
    if (p->routed)
        return xasprintf("open port %s %u", protocol, p->to_port);
    if (p->family == AF_INET && p->any_address)
        return xasprintf("published port %s %u", protocol, p->host_port);
    if (!p->any_address)
        inet_ntop(p->family, p->family == AF_INET ? (const void *)&p->host4 : &p->host6, address,
                  sizeof(address));
    return xasprintf(p->family == AF_INET ? "published port %s %s:%u" : "published port %s [%s]:%u",
                     protocol, address, p->host_port);
}

char *elements_in_use(const struct fw_publish *p)
{
    char address[INET6_ADDRSTRLEN] = "this host";
    if (!p->any_address)
        inet_ntop(p->family, p->family == AF_INET ? (const void *)&p->host4 : &p->host6, address,
                  sizeof(address));
    return xasprintf("port %u/%s is in use on %s", p->host_port, protocol_name(p->protocol),
                     address);
}

struct element_ports {
    uint16_t host, to; /* network order */
};

/* The element's set and key. It points into @p and @ports. */
static struct element publish_key(const struct fw_publish *p, const struct element_ports *ports)
{
    bool four = p->family == AF_INET;
    const void *to = four ? (const void *)&p->to4 : &p->to6;
    if (p->routed)
        return (struct element){.set = four ? SET_ROUTED_PORTS4 : SET_ROUTED_PORTS6,
                                .key = {to, &p->protocol, &ports->to}};
    if (p->any_address)
        return (struct element){.set = four ? SET_PUBLISH4 : SET_PUBLISH6,
                                .key = {&p->protocol, &ports->host}};
    return (struct element){
        .set = four ? SET_PUBLISH4_AT : SET_PUBLISH6_AT,
        .key = {four ? (const void *)&p->host4 : &p->host6, &p->protocol, &ports->host}};
}

static struct element_ports elements_ports(const struct fw_publish *p)
{
    return (struct element_ports){htons(p->host_port), htons(p->to_port)};
}

static struct element publish_element(const struct fw_publish *p, const struct element_ports *ports)
{
    struct element x = publish_key(p, ports);
    if (!p->routed) {
        x.data[0] = p->family == AF_INET ? (const void *)&p->to4 : &p->to6;
        x.data[1] = &ports->to;
    }
    x.comment = p->comment;
    x.unheld = p->unheld;
    return x;
}

static bool valid_publish(const struct fw_publish *p)
{
    return (p->family == AF_INET || p->family == AF_INET6) && protocol_name(p->protocol) &&
           (p->host_port || p->routed) && p->to_port;
}

void elements_publish(struct nft_batch *b, enum change change, const struct fw_publish *p)
{
    if (!valid_publish(p)) {
        nft_batch_refuse(b, -EINVAL,
                         "firewall: family %d, protocol %u, port %u to %u cannot be "
                         "published",
                         p->family, p->protocol, p->host_port, p->to_port);
        return;
    }
    struct element_ports ports = elements_ports(p);
    _cleanup_free_ char *object = publish_name(p);
    put(b, change, publish_element(p, &ports), object);
}

bool elements_is_taken(struct nft *nft, const struct fw_publish *p)
{
    if (p->routed || !valid_publish(p))
        return false;
    struct element_ports ports = elements_ports(p);
    struct element x = publish_element(p, &ports);
    return ruleset_has_other_data(nft, &x);
}

int elements_ask_publish(struct nft *nft, const struct fw_publish *p,
                         int (*each)(const struct nlmsghdr *answer, void *arg), void *arg)
{
    if (!valid_publish(p))
        return -EINVAL;
    struct element_ports ports = elements_ports(p);
    struct element x = publish_element(p, &ports);
    return ruleset_ask(nft, &x, each, arg);
}

/* ---- DNS ----------------------------------------------------------------------------------*/

void elements_dns_redirect(struct nft_batch *b, enum change change, const struct fw_dns_redirect *r)
{
    bool four = r->family == AF_INET;
    if (!valid_interface(b, r->bridge))
        return;
    uint16_t port = htons(r->to_port);
    const void *gateway = four ? (const void *)&r->gateway4 : &r->gateway6;
    _cleanup_free_ char *object = xasprintf("DNS redirect of network `%s`", r->bridge);
    put(b, change,
        (struct element){.set = four ? SET_DNS_REDIRECT4 : SET_DNS_REDIRECT6,
                         .key = {r->bridge, gateway, &r->protocol},
                         .data = {gateway, &port}},
        object);
}

void elements_dns_listen(struct nft_batch *b, enum change change, uint16_t port)
{
    static const uint8_t protocols[] = {IPPROTO_UDP, IPPROTO_TCP};
    uint16_t wire = htons(port);
    _cleanup_free_ char *object = xasprintf("port %u of the DNS server", port);
    for (size_t i = 0; i < ARRAY_LEN(protocols); i++)
        put(b, change, (struct element){.set = SET_DNS_LISTEN, .key = {&protocols[i], &wire}},
            object);
}
