/* How DNS questions reach the name server. A container asks its gateway on port 53. The firewall
 * redirects that to the port of the gateway on which the server listens. The two ports differ
 * because a container may publish port 53. The server's port refuses packets that were not
 * redirected. */
#include "bridge.h"
#include "firewall/stale_flows.h"

#include <errno.h>

bool network_is_served(const struct network *n)
{
    return n->dns && n->mode != GATEWAY_ISOLATED;
}

#define RESOLVERS_MAX 4

static size_t describe(const struct network *n, uint16_t port,
                       struct fw_dns_redirect out[RESOLVERS_MAX])
{
    static const uint8_t protocols[] = {IPPROTO_UDP, IPPROTO_TCP};
    const struct ip *const gateways[] = {&n->gateway4, &n->gateway6};
    size_t count = 0;
    for (size_t i = 0; network_is_served(n) && i < RESOLVERS_MAX; i++) {
        const struct ip *gateway = gateways[i / ARRAY_LEN(protocols)];
        if (!gateway->family)
            continue;
        out[count++] = (struct fw_dns_redirect){.bridge = n->bridge,
                                                .family = gateway->family,
                                                .gateway4 = n->gateway4.v4,
                                                .gateway6 = n->gateway6.v6,
                                                .protocol = protocols[i % ARRAY_LEN(protocols)],
                                                .to_port = port};
    }
    return count;
}

void dns_redirect_add(struct fw_batch *batch, const struct network *n, uint16_t port)
{
    struct fw_dns_redirect all[RESOLVERS_MAX];
    size_t count = port ? describe(n, port, all) : 0;
    for (size_t i = 0; i < count; i++)
        fw_add_dns_redirect(batch, &all[i]);
}

struct setting {
    struct net *bridge;
    uint16_t port;
    struct err *e;
};

static int set_one(const struct network *n, void *arg)
{
    struct setting *s = arg;
    struct fw_dns_redirect all[RESOLVERS_MAX];
    size_t count = describe(n, s->port, all);
    return count ? fw_set_dns_redirects(s->bridge->fw, all, count, s->e) : 0;
}

int net_set_names_port(struct net *net, const struct network *n, uint16_t port, struct err *e)
{
    struct setting s = {net, port, e};
    return n ? set_one(n, &s) : network_each(net, set_one, &s, e);
}

int net_close_names_port(struct net *net, uint16_t port, struct err *e)
{
    int r = fw_close_door(net->fw, port, e);
    if (r == 0)
        r = conntrack_forget_questions(port, e);
    return r == -EOPNOTSUPP ? 0 : r;
}
