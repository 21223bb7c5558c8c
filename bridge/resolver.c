/* Who answers what containers ask their gateways on port 53: the instance's resolver, which listens on a
 * port of its own because a container may publish 53; while there is none, the host's own resolver, to
 * which the question is sent on as it is. So a container finds the world from its first moment, and
 * nobody waits for a server to start.
 */
#include "bridge.h"

#include <string.h>

bool network_is_served(const struct network *n)
{
    return n->dns && network_has_gateway(n);
}

static struct fw_resolver describe(const struct network *n, int family, uint8_t protocol,
                                   const struct resolver *r)
{
    const struct ip *gateway = family == AF_INET ? &n->gateway4 : &n->gateway6;
    const struct ip *upstream = family == AF_INET ? &r->upstream4 : &r->upstream6;
    bool ours = r->port && (protocol == IPPROTO_UDP || r->tcp);
    const struct ip *to = ours ? gateway : upstream;
    struct fw_resolver f = {
        .bridge = n->bridge,
        .family = family,
        .gateway4 = gateway->v4,
        .gateway6 = gateway->v6,
        .to4 = to->v4,
        .to6 = to->v6,
        .protocol = protocol,
        .to_port = ours         ? r->port
                   : to->family ? 53
                                : 0,
        .door = ours,
    };
    return f;
}

#define RESOLVERS_MAX 4

static size_t describe_all(const struct network *n, const struct resolver *r,
                           struct fw_resolver out[RESOLVERS_MAX])
{
    static const uint8_t protocols[] = {IPPROTO_UDP, IPPROTO_TCP};
    size_t count = 0;
    for (size_t i = 0; network_is_served(n) && i < ARRAY_LEN(protocols); i++) {
        if (n->gateway4.family)
            out[count++] = describe(n, AF_INET, protocols[i], r);
        if (n->gateway6.family)
            out[count++] = describe(n, AF_INET6, protocols[i], r);
    }
    return count;
}

void resolver_add(struct fw_batch *batch, const struct network *n, const struct resolver *r)
{
    struct fw_resolver all[RESOLVERS_MAX];
    size_t count = r ? describe_all(n, r, all) : 0;
    for (size_t i = 0; i < count; i++)
        if (all[i].to_port)
            fw_add_resolver(batch, &all[i]);
}

struct setting {
    struct bridge *bridge;
    uint16_t old_port;
    const struct resolver *now;
    struct err *e;
};

static int set_one(const struct network *n, void *arg)
{
    struct setting *s = arg;
    struct fw_resolver old[RESOLVERS_MAX], now[RESOLVERS_MAX];
    struct resolver before = {.port = s->old_port};
    size_t old_count = describe_all(n, &before, old), count = describe_all(n, s->now, now);
    return count ? fw_set_resolvers(s->bridge->fw, old, old_count, now, count, s->e) : 0;
}

int bridge_set_resolver(struct bridge *b, const struct network *n, uint16_t old_port,
                        const struct resolver *now, struct err *e)
{
    struct setting s = {b, old_port, now, e};
    return n ? set_one(n, &s) : network_each(b, set_one, &s, e);
}
