/* Rebuilds leases that were lost or damaged from the endpoints in use. An address must never be given
 * out twice, so what is missing is rebuilt only when every endpoint that may be on its network is
 * known. */
#include "bridge.h"

#include <errno.h>
#include <string.h>
#include <time.h>

struct lease_restoring {
    struct net *net;
    const struct net_leases *leases;
    struct err *e;
};

/* The leases of the endpoints in use on @n. The caller frees the array, not its strings. */
static struct lease *leases_on(const struct network *n, const struct net_leases *s, size_t *count,
                               size_t *ending)
{
    struct lease *leases = xcalloc(s->count, sizeof(*leases));
    *count = *ending = 0;
    for (size_t i = 0; i < s->count; i++) {
        const struct endpoint *ep = &s->live[i];
        if (!streq(ep->network, n->name) || (!ep->address4.family && !ep->address6.family))
            continue;
        *ending += i >= s->count - s->ending;
        leases[*count] = (struct lease){.address4 = ep->address4,
                                        .address6 = ep->address6,
                                        .container = ep->container,
                                        .owner = ep->id,
                                        .since = time(NULL)};
        memcpy(leases[(*count)++].mac, ep->mac, 6);
    }
    return leases;
}

/* An endpoint whose record cannot be read may be on any network. Only a network without ports is
 * certain not to have it. 1, 0 or -errno. */
static int all_are_known(struct lease_restoring *s, const struct network *n, bool missing,
                         size_t count)
{
    if (!s->leases->unknown)
        return 1;
    int ports = missing && count == 0 ? device_has_ports(s->net, n, s->e) : 1;
    return ports < 0 ? ports : !ports;
}

static void tell_repair(const char *what, void *arg)
{
    gc_tell(arg, GC_REPLACE, "%s", what);
}

static int restore_leases(const struct network *n, void *arg)
{
    struct lease_restoring *s = arg;
    const struct net_leases *l = s->leases;
    if (l->only && !streq(l->only, n->name))
        return 0;
    int there = file_exists_at(s->net->leases_fd, n->name);
    if (there < 0)
        return err_set(s->e, there, "look for the leases of network `%s`", n->name);
    size_t count, ending;
    _cleanup_free_ struct lease *leases = leases_on(n, l, &count, &ending);
    if (!there && count == 0 && !l->only) /* no container needs it */
        return 0;
    int complete = all_are_known(s, n, !there, count);
    if (complete < 0)
        return complete;
    const struct lease_repair how = {.living = leases,
                                     .count = count,
                                     .ending = ending,
                                     .complete = complete,
                                     .create = l->only,
                                     .keep_old = l->keep_old,
                                     .dry_run = l->gc->dry_run,
                                     .tell = tell_repair,
                                     .arg = (void *)l->gc};
    int r = lease_repair(s->net->leases_fd, n->name, &how, s->e);
    return r < 0 ? r : 0;
}

int net_restore_leases(struct net *net, const struct net_leases *leases, struct err *e)
{
    struct lease_restoring s = {net, leases, e};
    return network_each(net, restore_leases, &s, e);
}

int net_has_leases(struct net *net, const struct network *n, struct err *e)
{
    return lease_exists(net->leases_fd, n->name, e);
}

int net_each_lease(struct net *net, const struct network *n,
                   int (*each)(const struct lease *l, void *arg), void *arg, struct err *e)
{
    return lease_each(net->leases_fd, n->name, each, arg, e);
}
