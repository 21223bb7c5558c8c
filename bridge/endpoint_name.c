/* Another name for the container of an endpoint. It is for people: everything is found by the container's id. Packets pass
 * all the time.
 */
#include "bridge.h"

#include <errno.h>

/* The link may have been deleted by another program. */
static int rename_link(struct net *net, const struct endpoint *ep, struct err *e)
{
    struct link port;
    int r = rt_get_link(net->rt, ep->host_veth, &port);
    if (r < 0)
        return r == -ENODEV ? 0 : err_set(e, r, "find veth `%s`", ep->host_veth);
    _cleanup_free_ char *alias = endpoint_port_alias(net, ep);
    _cleanup_rt_batch_ struct rt_batch *batch = rt_batch_new(net->rt);
    rt_set_alias(batch, ep->host_veth, alias);
    return rt_commit(batch, e);
}

int endpoint_rename(struct net *net, struct endpoint *ep, const char *container, int record_dir,
                    struct err *e)
{
    free(ep->container);
    ep->container = xstrdup(container);
    int r = endpoint_save(ep, record_dir, e);
    if (r == 0)
        r = lease_rename(net->leases_fd, ep->network, ep->id, container, e);
    if (r == 0)
        r = rename_link(net, ep, e);
    return r == 0 ? endpoint_rename_ports(net, ep, e) : r;
}
