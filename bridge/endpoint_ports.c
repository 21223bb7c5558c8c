/* The published ports of an endpoint: opened when it is attached or later, closed while its
 * container goes on running. */
#include "bridge.h"

#include <errno.h>
#include <string.h>

/* In one transaction, so what is deleted and added again is never missing. */
static int change(struct net *net, const struct endpoint *ep, bool delete, bool add, struct err *e)
{
    size_t count;
    _cleanup_free_ struct fw_publish *elements = endpoint_elements(ep, &count);
    if (count == 0)
        return 0;
    _cleanup_fw_batch_ struct fw_batch *batch = fw_batch_new(net->fw);
    for (size_t i = 0; delete &&i < count; i++)
        fw_del_publish(batch, &elements[i]);
    for (size_t i = 0; add && i < count; i++)
        fw_add_publish(batch, &elements[i]);
    return fw_commit(batch, e);
}

int endpoint_open_ports(struct net *net, const struct endpoint *ep, struct err *e)
{
    return change(net, ep, false, true, e);
}

int endpoint_close_ports(struct net *net, const struct endpoint *ep, struct err *e)
{
    return change(net, ep, true, false, e);
}

/* Without tables, a reload writes the comments of the records. */
int endpoint_rename_ports(struct net *net, const struct endpoint *ep, struct err *e)
{
    int r = change(net, ep, true, true, e);
    if (r == -ENOENT)
        err_clear(e);
    return r == -ENOENT ? 0 : r;
}

/* ---- flows -------------------------------------------------------------------------------------*/

int endpoints_end_stale_flows(const struct endpoint *live, size_t count, struct err *e)
{
    _cleanup_free_ struct fw_publish *all = NULL;
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        size_t more;
        _cleanup_free_ struct fw_publish *elements = endpoint_elements(&live[i], &more);
        all = xrealloc(all, total + more + 1, sizeof(*all));
        memcpy(all + total, elements, more * sizeof(*all));
        total += more;
    }
    int r = flows_end_stale(all, total, e);
    if (r != -EOPNOTSUPP) /* a kernel without nf_conntrack_netlink */
        return r;
    err_clear(e);
    return 0;
}

/* The container keeps its other flows. */
static int delete_port_flows(struct net *net, const struct endpoint *ended, struct err *e)
{
    size_t count;
    _cleanup_free_ struct fw_publish *elements = endpoint_elements(ended, &count);
    int r = flows_end_ports(net->fw, elements, count, e);
    if (r != -EOPNOTSUPP) /* a kernel without nf_conntrack_netlink */
        return r;
    err_clear(e);
    return 0;
}

/* ---- while the container runs -----------------------------------------------------------------*/

/* Before the record claims a port: if this process were killed then, two records would have it, and each rebuild of the
 * firewall would meet both. The caller holds the instance lock, and for now the sockets. */
static int require_free(struct net *net, const struct endpoint *added, struct err *e)
{
    size_t count;
    _cleanup_free_ struct fw_publish *elements = endpoint_elements(added, &count);
    int r = 0;
    for (size_t i = 0; r == 0 && i < count; i++)
        r = fw_require_free(net->fw, &elements[i], e);
    return r;
}

int endpoint_publish(struct net *net, struct endpoint *ep, const struct port_mappings *more,
                     int record_dir, struct err *e)
{
    struct endpoint added = *ep;
    added.port_mappings = *more;
    int r = ep->unheld ? require_free(net, &added, e) : 0;
    if (r < 0)
        return r;
    port_mappings_add(&ep->port_mappings, more);
    r = endpoint_save(ep, record_dir, e);
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
    size_t kept = 0;
    int r = endpoint_close_ports(net, &ended, e);
    if (r < 0)
        return r;
    for (size_t i = 0; i < ep->port_mappings.count; i++)
        if (!port_mappings_has(less, &ep->port_mappings.items[i]))
            ep->port_mappings.items[kept++] = ep->port_mappings.items[i];
    ep->port_mappings.count = kept;
    r = endpoint_save(ep, record_dir, e);
    return r < 0 ? r : delete_port_flows(net, &ended, e);
}
