/* `networks`, and the management network. */
#include "file.h"

#include <string.h>

/* ---- prefixes --------------------------------------------------------------------------------*/

/* Adds the prefix, if @family (0: any) is right and new. */
static void add_subnet(struct reader *r, const struct tree *v, int family, strv *out)
{
    struct subnet s, other;
    _cleanup_err_ struct err e = ERR_INIT;
    if (subnet_parse(v->text, &s, &e) < 0) {
        fault_err(r, v->place, &e);
        return;
    }
    if (family && s.address.family != family) {
        fault(r, v->place, "`%s` is not an IPv%d prefix; write one", v->text,
              family == AF_INET ? 4 : 6);
        return;
    }
    strv_each (text, *out)
        if (subnet_parse(text, &other, NULL) == 0 && other.address.family == s.address.family) {
            fault(r, v->place, "`%s` is a second prefix of its family; remove one", v->text);
            return;
        }
    strv_add_take(out, subnet_text(&s));
}

static void add_gateway(struct reader *r, const struct tree *v, int family, strv *out)
{
    struct ip ip, other;
    if (ip_parse(v->text, &ip) < 0 || ip_is_any(&ip) || (family && ip.family != family)) {
        fault(r, v->place, "gateway `%s` is not an address%s; write the router's", v->text,
              family ? " of its family" : "");
        return;
    }
    strv_each (text, *out)
        if (ip_parse(text, &other) == 0 && other.family == ip.family) {
            fault(r, v->place, "`%s` is a second gateway of its family; remove one", v->text);
            return;
        }
    strv_add_take(out, ip_text(&ip));
}

/* The prefix among @subnets that has the family of @ip. */
static bool subnet_of_family(char *const *subnets, int family, struct subnet *out)
{
    strv_each (text, subnets)
        if (subnet_parse(text, out, NULL) == 0 && out->address.family == family)
            return true;
    return false;
}

static void check_gateways(struct reader *r, struct place at, char *const *subnets,
                           char *const *gateways)
{
    strv_each (text, gateways) {
        struct ip ip;
        struct subnet s;
        if (ip_parse(text, &ip) < 0)
            continue;
        if (!subnet_of_family(subnets, ip.family, &s))
            fault(r, at, "gateway `%s` has no prefix of its family; give the prefix too", text);
        else if (!subnet_contains(&s, &ip) || subnet_reserves(&s, &ip)) {
            _cleanup_free_ char *prefix = subnet_text(&s);
            fault(r, at, "gateway `%s` is not a host's address in %s; choose one there", text,
                  prefix);
        }
    }
}

static void read_mtu(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    uint64_t mtu;
    if (read_number(r, key->name, value, LINK_MTU_MIN, LINK_MTU_MAX, &mtu))
        *(unsigned *)((char *)to + key->offset) = (unsigned)mtu;
}

/* ---- networks --------------------------------------------------------------------------------*/

static void network_subnets(struct reader *r, const struct key *key, const struct tree *value,
                            void *to)
{
    (void)key;
    for (size_t i = 0; i < tree_text_count(value); i++)
        add_subnet(r, tree_text_at(value, i), 0, &((struct lab_network *)to)->subnets);
}

static void network_gateways(struct reader *r, const struct key *key, const struct tree *value,
                             void *to)
{
    (void)key;
    for (size_t i = 0; i < tree_text_count(value); i++)
        add_gateway(r, tree_text_at(value, i), 0, &((struct lab_network *)to)->gateways);
}

static void network_icc(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    bool icc = true;
    (void)r;
    (void)key;
    (void)flag_parse(value->text, &icc);
    ((struct lab_network *)to)->isolated_ports = !icc;
}

static void network_labels(struct reader *r, const struct key *key, const struct tree *value,
                           void *to)
{
    (void)key;
    for (size_t i = 0; i < value->count; i++) {
        const struct tree *name = value->items[i].key, *v = value->items[i].value;
        if (!*name->text || strchr(name->text, '='))
            fault(r, name->place, "`%s` is not the name of a label; remove the `=`", name->text);
        else
            strv_add_take(&((struct lab_network *)to)->labels,
                          xasprintf("%s=%s", name->text, tree_is_null(v) ? "" : v->text));
    }
}

static const struct key network_keys[] = {
    {"subnet", KEY_APPLY, SHAPE_TEXT_OR_TEXTS, network_subnets,
     "Prefixes, at most one of each family", 0, NULL, NULL},
    {"gateway", KEY_APPLY, SHAPE_TEXT_OR_TEXTS, network_gateways, "Its addresses on this network",
     0, NULL, NULL},
    {"internal", KEY_APPLY, SHAPE_FLAG, read_flag, "true: without access to the outside",
     offsetof(struct lab_network, internal), NULL, NULL},
    {"icc", KEY_APPLY, SHAPE_FLAG, network_icc, "false: its nodes cannot reach each other", 0, NULL,
     NULL},
    {"ipv6", KEY_APPLY, SHAPE_FLAG, read_flag, "true: a prefix of IPv6 as well",
     offsetof(struct lab_network, ipv6), NULL, NULL},
    {"mtu", KEY_APPLY, SHAPE_NUMBER, read_mtu, "MTU of its interfaces",
     offsetof(struct lab_network, mtu), NULL, NULL},
    {"labels", KEY_APPLY, SHAPE_TEXT_MAP, network_labels, "NAME: VALUE", 0, NULL, NULL},
};
TABLE(table_network, "a network", network_keys);

static void check_overlap(struct reader *r, const struct lab_network *n)
{
    struct subnet a, b;
    for (size_t i = 0; &r->t->networks[i] != n; i++)
        strv_each (mine, n->subnets)
            strv_each (other, r->t->networks[i].subnets)
                if (subnet_parse(mine, &a, NULL) == 0 && subnet_parse(other, &b, NULL) == 0 &&
                    subnet_overlaps(&a, &b))
                    fault(r, n->place, "prefix %s of network `%s` overlaps %s of `%s`; change one",
                          mine, n->name, other, r->t->networks[i].name);
}

void networks_read(struct reader *r)
{
    enum { NETWORKS_MAX = 250 };
    const struct tree *all = r->networks;
    if (!all || all->kind != TREE_MAP)
        return;
    if (all->count > NETWORKS_MAX) {
        fault(r, all->place, "the lab has more than %d networks; split it", NETWORKS_MAX);
        return;
    }
    r->t->networks = xcalloc(all->count + 1, sizeof(*r->t->networks));
    for (size_t i = 0; i < all->count; i++) {
        const struct tree *key = all->items[i].key, *v = all->items[i].value;
        struct lab_network *n = &r->t->networks[r->t->network_count++];
        *n = (struct lab_network){.name = xstrdup(key->text), .place = key->place};
        if (!valid_name(n->name))
            fault(r, key->place, "`%s` is not a name for a network; use %s", n->name, NAME_RULE);
        if (want_map(r, "a network", v))
            keys_read(r, &table_network, v, n);
        check_gateways(r, key->place, n->subnets, n->gateways);
        check_overlap(r, n);
    }
}

/* ---- mgmt ------------------------------------------------------------------------------------*/

static int family_of(const struct key *key)
{
    return strstr(key->name, "v6") ? AF_INET6 : AF_INET;
}

static void mgmt_subnet(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    if (!streq(value->text, "auto"))
        add_subnet(r, value, family_of(key), &((struct lab_mgmt *)to)->subnets);
}

static void mgmt_gateway(struct reader *r, const struct key *key, const struct tree *value,
                         void *to)
{
    add_gateway(r, value, family_of(key), &((struct lab_mgmt *)to)->gateways);
}

static void mgmt_range(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    add_subnet(r, value, family_of(key), &((struct lab_mgmt *)to)->ranges);
}

static void mgmt_network(struct reader *r, const struct key *key, const struct tree *value,
                         void *to)
{
    if (valid_name(value->text))
        read_text(r, key, value, to);
    else
        fault(r, value->place, "`%s` is not a name for a network; use %s", value->text, NAME_RULE);
}

static void mgmt_bridge(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    if (interface_name_valid(value->text))
        read_text(r, key, value, to);
    else
        fault(r, value->place, "`%s` is not a name for a bridge; use at most 15 characters",
              value->text);
}

static void mgmt_not(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    bool flag = true;
    (void)r;
    (void)flag_parse(value->text, &flag);
    *(bool *)((char *)to + key->offset) = !flag;
}

#define MGMT(name, policy, shape, read, help, member)                                  \
    {                                                                                  \
        name, policy, shape, read, help, offsetof(struct lab_mgmt, member), NULL, NULL \
    }
static const struct key mgmt_keys[] = {
    MGMT("network", KEY_APPLY, SHAPE_TEXT, mgmt_network, "Its name; clab if not given", network),
    MGMT("bridge", KEY_APPLY, SHAPE_TEXT, mgmt_bridge, "Name of its bridge", bridge),
    MGMT("ipv4-subnet", KEY_APPLY, SHAPE_TEXT, mgmt_subnet, "Its IPv4 prefix", subnets),
    MGMT("ipv6-subnet", KEY_APPLY, SHAPE_TEXT, mgmt_subnet, "Its IPv6 prefix", subnets),
    MGMT("ipv4-gw", KEY_APPLY, SHAPE_TEXT, mgmt_gateway, "Its IPv4 gateway", gateways),
    MGMT("ipv6-gw", KEY_APPLY, SHAPE_TEXT, mgmt_gateway, "Its IPv6 gateway", gateways),
    MGMT("ipv4-range", KEY_APPLY, SHAPE_TEXT, mgmt_range,
         "The part of the prefix that is given out", ranges),
    MGMT("ipv6-range", KEY_APPLY, SHAPE_TEXT, mgmt_range,
         "The part of the prefix that is given out", ranges),
    MGMT("mtu", KEY_APPLY, SHAPE_NUMBER, read_mtu, "MTU of its interfaces", mtu),
    MGMT("external-access", KEY_APPLY, SHAPE_FLAG, mgmt_not, "false: no access to the outside",
         no_outside),
    MGMT("default-route", KEY_APPLY, SHAPE_FLAG, mgmt_not,
         "false: nodes get no default route by it", no_route),
    MGMT("ipv4_subnet", KEY_NOTE, SHAPE_TEXT, mgmt_subnet, "read as `ipv4-subnet`; rename it",
         subnets),
    MGMT("ipv6_subnet", KEY_NOTE, SHAPE_TEXT, mgmt_subnet, "read as `ipv6-subnet`; rename it",
         subnets),
    {"driver-opts", KEY_SILENT, SHAPE_ANY, NULL, "Accepted without effect", 0, NULL, NULL},
};
TABLE(table_mgmt, "`mgmt`", mgmt_keys);

static void check_ranges(struct reader *r)
{
    const struct lab_mgmt *m = &r->t->mgmt;
    struct subnet range, whole;
    strv_each (text, m->ranges)
        if (subnet_parse(text, &range, NULL) == 0 &&
            (!subnet_of_family(m->subnets, range.address.family, &whole) ||
             !subnet_contains(&whole, &range.address) || range.prefix < whole.prefix))
            fault(r, m->place, "range %s is not in the management network's prefix; correct one",
                  text);
}

void mgmt_read(struct reader *r)
{
    struct lab_mgmt *m = &r->t->mgmt;
    bool on = true;
    if (!r->mgmt)
        return;
    m->place = r->mgmt->place;
    if (r->mgmt->kind == TREE_TEXT) {
        (void)flag_parse(r->mgmt->text, &on);
        m->off = !on;
        return;
    }
    keys_read(r, &table_mgmt, r->mgmt, m);
    check_gateways(r, m->place, m->subnets, m->gateways);
    check_ranges(r);
}

/* ---- addresses on the management network ------------------------------------------------------*/

struct claim {
    struct ip ip;
    struct place at;
    const char *node;
};

static int by_ip(const void *a, const void *b)
{
    const struct claim *x = a, *y = b;
    int order = memcmp(x->ip.bytes, y->ip.bytes, 16);
    if (order)
        return order;
    return x->at.line < y->at.line ? -1 : x->at.line > y->at.line;
}

/* containerlab's prefixes: an address in a file without a prefix is one of theirs. The last one is that of older ones. */
static void default_subnets(struct reader *r, const struct claim *claims, size_t count)
{
    static const char *const prefixes[] = {"172.20.20.0/24", "3fff:172:20:20::/64",
                                           "2001:172:20:20::/64"};
    struct lab_mgmt *m = &r->t->mgmt;
    struct subnet s;
    for (size_t i = 0; i < count; i++) {
        if (subnet_of_family(m->subnets, claims[i].ip.family, &s))
            continue;
        const char *chosen = prefixes[claims[i].ip.family == AF_INET6];
        for (size_t k = 0; k < ARRAY_LEN(prefixes); k++)
            if (subnet_parse(prefixes[k], &s, NULL) == 0 && subnet_contains(&s, &claims[i].ip))
                chosen = prefixes[k];
        strv_add(&m->subnets, chosen);
    }
}

static bool is_gateway(const struct lab_mgmt *m, const struct subnet *s, const struct ip *ip)
{
    struct ip other, first = subnet_host(s, 1);
    strv_each (text, m->gateways)
        if (ip_parse(text, &other) == 0 && other.family == ip->family)
            return ip_equal(&other, ip);
    return ip_equal(&first, ip);
}

static void check_claim(struct reader *r, const struct claim *c)
{
    struct subnet s;
    if (!subnet_of_family(r->t->mgmt.subnets, c->ip.family, &s))
        return;
    _cleanup_free_ char *ip = ip_text(&c->ip), *prefix = subnet_text(&s);
    if (!subnet_contains(&s, &c->ip))
        fault(r, c->at,
              "address %s is not in %s, the prefix of the management network; choose one there", ip,
              prefix);
    else if (subnet_host_bits(&s) > 1 && subnet_reserves(&s, &c->ip))
        fault(r, c->at, "address %s is not a host's in %s; choose another one", ip, prefix);
    else if (is_gateway(&r->t->mgmt, &s, &c->ip))
        fault(r, c->at, "address %s is the management network's gateway; choose another one", ip);
}

static size_t find_claims(const struct reader *r, struct claim *claims)
{
    size_t count = 0;
    for (size_t i = 0; i < r->t->node_count; i++) {
        const struct lab_node *n = &r->t->nodes[i];
        if (n->mgmt4.family)
            claims[count++] = (struct claim){n->mgmt4, r->drafts[i].mgmt4_at, n->name};
        if (n->mgmt6.family)
            claims[count++] = (struct claim){n->mgmt6, r->drafts[i].mgmt6_at, n->name};
    }
    return count;
}

void check_mgmt(struct reader *r)
{
    _cleanup_free_ struct claim *claims = xcalloc(2 * r->t->node_count + 1, sizeof(*claims));
    size_t count = find_claims(r, claims);
    default_subnets(r, claims, count);
    for (size_t i = 0; i < count; i++)
        check_claim(r, &claims[i]);
    qsort(claims, count, sizeof(*claims), by_ip);
    for (size_t i = 1; i < count; i++)
        if (ip_equal(&claims[i].ip, &claims[i - 1].ip)) {
            _cleanup_free_ char *ip = ip_text(&claims[i].ip);
            fault(r, claims[i].at, "address %s is that of node `%s`, too; change one", ip,
                  claims[i - 1].node);
        }
}
