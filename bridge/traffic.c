/* The traffic of endpoints, for `stats`. */
#include "bridge.h"

int endpoint_traffic(struct net *net, const struct endpoint *ep, uint64_t *received, uint64_t *sent)
{
    struct link port;
    int r = rt_get_link(net->rt, ep->host_veth, &port);
    if (r < 0)
        return r;
    /* What the container sends comes in at the host's end. */
    *received = port.sent;
    *sent = port.received;
    return 0;
}
