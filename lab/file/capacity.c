/* How many links fit on a switch, and how many nodes on a network: a bridge has so many ports, a subnet so many addresses. */
#include "file.h"

#include <netctr/sandbox.h>

#include <inttypes.h>

enum { PORTS_MAX = 1023 }; /* the kernel's BR_MAX_PORTS is 1 << 10, and number 0 is not used */

/* Addresses for nodes: not those of the network, of the broadcast (IPv4) and of the gateway. */
static uint64_t addresses_of(const struct subnet *s)
{
    const unsigned bits = subnet_host_bits(s), taken = s->address.family == AF_INET ? 3 : 2;
    if (bits < 2)
        return bits;
    return (UINT64_C(1) << (bits < 32 ? bits : 32)) - taken;
}

/* ---- switches --------------------------------------------------------------------------------*/

static void check_switches(struct reader *r)
{
    const struct topology *t = r->t;
    _cleanup_free_ size_t *ports = xcalloc(t->node_count + 1, sizeof(*ports));
    for (size_t i = 0; i < t->link_count; i++)
        for (int k = 0; k < 2; k++) {
            const struct lab_endpoint *end = &t->links[i].ends[k];
            if (end->what != END_NODE || t->nodes[end->node].kind != LAB_BRIDGE ||
                ++ports[end->node] != PORTS_MAX + 1)
                continue;
            fault(r, end->place,
                  "switch `%s` has more than %d links, which is what a Linux bridge can have; move "
                  "some to a second switch",
                  t->nodes[end->node].name, PORTS_MAX);
        }
}

/* ---- networks --------------------------------------------------------------------------------*/

struct crowd {
    size_t nodes;
    uint64_t addresses;
    char *smallest;  /* its subnet with the fewest */
    const char *key; /* that gives it another one */
};

/* @chosen: one that netctr takes if the file has none of IPv4; NULL: it takes none. */
static struct crowd crowd_of(char *const *subnets, const char *chosen, const char *key)
{
    struct crowd c = {.addresses = UINT64_MAX, .key = key};
    _cleanup_strv_ strv all = strv_copy(subnets);
    if (chosen)
        strv_add(&all, chosen);
    strv_each (text, all) {
        struct subnet s;
        if (subnet_parse(text, &s, NULL) < 0 || addresses_of(&s) >= c.addresses)
            continue;
        c.addresses = addresses_of(&s);
        free(c.smallest);
        c.smallest = xstrdup(text);
    }
    return c;
}

static bool has_ipv4(char *const *subnets)
{
    struct subnet s;
    strv_each (text, subnets)
        if (subnet_parse(text, &s, NULL) == 0 && s.address.family == AF_INET)
            return true;
    return false;
}

/* One more node, or link. Reports the first that does not fit. */
static void enter(struct reader *r, struct crowd *c, struct place at, bool address,
                  const char *name)
{
    c->nodes++;
    if (c->nodes == PORTS_MAX + 1)
        fault(r, at,
              "%s has more than %d nodes, which is what a Linux bridge can have; put some on "
              "another network",
              name, PORTS_MAX);
    else if (address && c->nodes == c->addresses + 1 && c->nodes <= PORTS_MAX)
        fault(r, at,
              "%s has more than %" PRIu64
              " nodes, which is what %s has addresses for; give it a larger "
              "`%s`",
              name, c->addresses, c->smallest, c->key);
}

/* Counts node @n on its networks; those that do not exist are reported elsewhere. */
static void enter_networks(struct reader *r, const struct draft *d, struct crowd *crowds)
{
    const struct topology *t = r->t;
    for (size_t i = 0; i < d->network_count; i++) {
        _cleanup_connect_request_ struct connect_request q = {0};
        const struct placed *p = &d->networks[i];
        if (connect_request_parse(p->text, &q, NULL) < 0)
            continue;
        for (size_t k = 0; k < t->network_count; k++)
            if (streq(q.network, t->networks[k].name)) {
                _cleanup_free_ char *name = xasprintf("network `%s`", q.network);
                enter(r, &crowds[k], p->place, true, name);
                break;
            }
    }
}

static void check_networks(struct reader *r)
{
    const struct topology *t = r->t;
    _cleanup_free_ struct crowd *crowds = xcalloc(t->network_count + 1, sizeof(*crowds));
    for (size_t i = 0; i < t->network_count; i++) {
        const struct lab_network *n = &t->networks[i];
        const bool chosen = !has_ipv4(n->subnets) && (n->ipv6 || !n->subnets);
        crowds[i] = crowd_of(n->subnets, chosen ? "10.89.0.0/24" : NULL, "subnet");
    }
    for (size_t i = 0; i < t->node_count; i++)
        enter_networks(r, &r->drafts[i], crowds);
    for (size_t i = 0; i < t->network_count; i++)
        free(crowds[i].smallest);
}

/* Links to the management network take ports of its bridge, and no addresses. */
static void check_management(struct reader *r)
{
    const struct topology *t = r->t;
    struct crowd c =
        crowd_of(t->mgmt.subnets, t->mgmt.subnets ? NULL : "172.20.20.0/24",
                 has_ipv4(t->mgmt.subnets) || !t->mgmt.subnets ? "ipv4-subnet" : "ipv6-subnet");
    for (size_t i = 0; i < t->node_count; i++)
        if (topology_is_managed(t, &t->nodes[i]))
            enter(r, &c, t->nodes[i].place, true, "the management network");
    for (size_t i = 0; i < t->link_count; i++)
        for (int k = 0; k < 2; k++)
            if (t->links[i].ends[k].what == END_MGMT)
                enter(r, &c, t->links[i].ends[k].place, false, "the management network");
    free(c.smallest);
}

void check_capacity(struct reader *r)
{
    check_switches(r);
    check_networks(r);
    check_management(r);
}
