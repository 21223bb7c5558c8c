/* The published ports of an endpoint: opened when it is attached or later, closed while its
 * container goes on running. */
#include "bridge.h"

#include "firewall/stale_flows.h"

#include <errno.h>
#include <time.h>

static int add_publishes(struct net *net, const struct fw_publish *elements, size_t count,
                         struct err *e)
{
    _cleanup_fw_batch_ struct fw_batch *batch = fw_batch_new(net->fw);
    for (size_t i = 0; i < count; i++)
        fw_add_publish(batch, &elements[i]);
    return fw_commit(batch, e);
}

/* On a routed network, the ports belong to the container's own address, which no other container
 * has. */
static bool all_held(const struct endpoint *ep)
{
    for (size_t i = 0; i < ep->port_mappings.count && !ep->routed; i++)
        if (!ep->port_mappings.items[i].held)
            return false;
    return true;
}

int endpoint_open_ports(struct net *net, const struct endpoint *ep, struct err *e)
{
    size_t count;
    _cleanup_free_ struct fw_publish *elements = endpoint_elements(ep, &count);
    if (count == 0)
        return 0;
    /* If all host ports are held by sockets, an existing element is a leftover: of a container that
     * ended a moment ago and whose elements have not expired, or of a firewall that was rebuilt
     * from our record. Without the sockets it may be another container's. */
    int r = add_publishes(net, elements, count, e);
    for (int tries = 0; r == -EEXIST && all_held(ep) && tries < 20; tries++) {
        err_clear(e);
        r = fw_undo(net->fw, NULL, NULL, elements, count, e);
        if (r == 0)
            r = add_publishes(net, elements, count, e);
    }
    return r;
}

/* ---- flows -------------------------------------------------------------------------------------*/

int endpoints_end_stale_flows(const struct endpoint *live, size_t count, struct err *e)
{
    int r = conntrack_end_stale(live, count, e);
    if (r != -EOPNOTSUPP) /* a kernel without nf_conntrack_netlink */
        return r;
    err_clear(e);
    return 0;
}

/* conntrack decides on a UDP or SCTP flow at its first packet and keeps it while packets come. The
 * elements must be gone first, or a new flow could start towards the container. */
bool endpoint_wait_for_expiry(const struct endpoint *ep)
{
    const struct timespec expiry = {.tv_nsec = FW_EXPIRY_MS * 1000000};
    for (size_t i = 0; i < ep->port_mappings.count; i++)
        if (ep->port_mappings.items[i].protocol != IPPROTO_TCP) {
            nanosleep(&expiry, NULL);
            return true;
        }
    return false;
}

/* The container keeps its other flows. */
static int delete_port_flows(const struct endpoint *ended, struct err *e)
{
    int r = endpoint_wait_for_expiry(ended) ? conntrack_forget_ports(ended, e) : 0;
    if (r != -EOPNOTSUPP) /* a kernel without nf_conntrack_netlink */
        return r;
    err_clear(e);
    return 0;
}

/* ---- while the container runs -----------------------------------------------------------------*/

int endpoint_publish(struct net *net, struct endpoint *ep, const struct port_mappings *more,
                     int record_dir, struct err *e)
{
    struct endpoint added = *ep;
    added.port_mappings = *more;
    port_mappings_add(&ep->port_mappings, more);
    int r = endpoint_save(ep, record_dir, e);
    if (r == 0)
        r = endpoint_open_ports(net, &added, e);
    if (r == 0)
        r = endpoints_end_stale_flows(&added, 1, e);
    if (r < 0) {
        _cleanup_err_ struct err ignored = ERR_INIT;
        (void)endpoint_unpublish(net, ep, more, record_dir, &ignored);
    }
    return r;
}

int endpoint_unpublish(struct net *net, struct endpoint *ep, const struct port_mappings *less,
                       int record_dir, struct err *e)
{
    struct endpoint ended = *ep;
    ended.port_mappings = *less;
    size_t count, kept = 0;
    net_learn_expiry(net);
    _cleanup_free_ struct fw_publish *elements = endpoint_elements(&ended, &count);
    int r = fw_expire(net->fw, NULL, elements, count, e);
    if (r < 0)
        return r;
    for (size_t i = 0; i < ep->port_mappings.count; i++)
        if (!port_mappings_has(less, &ep->port_mappings.items[i]))
            ep->port_mappings.items[kept++] = ep->port_mappings.items[i];
    ep->port_mappings.count = kept;
    r = endpoint_save(ep, record_dir, e);
    return r < 0 ? r : delete_port_flows(&ended, e);
}
