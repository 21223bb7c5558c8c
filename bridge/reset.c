/* `netctr reset`: removes what bears netctr's mark from the host's network, whether records of it exist or not.
 *
 * A port names its instance in its alias. A bridge does not: it belongs to the instance that owns the firewall's tables,
 * since a second instance in one network namespace is refused while these exist.
 */
#include "bridge.h"

#include <errno.h>
#include <string.h>

#define BRIDGE_MARK "netctr network "

struct found {
    char *mark; /* of our ports */
    struct strings ports, bridges, others;
    int *foreign_masters; /* indexes of bridges with ports of another instance */
    size_t foreign_count;
};

static void found_clear(struct found *f)
{
    free(f->mark);
    strings_clear(&f->ports);
    strings_clear(&f->bridges);
    strings_clear(&f->others);
    free(f->foreign_masters);
}

static bool is_port(const struct link *link)
{
    return skip_prefix(link->name, "vc-") && skip_prefix(link->alias, "netctr ") &&
           !skip_prefix(link->alias, BRIDGE_MARK);
}

static int find_port(const struct link *link, void *arg)
{
    struct found *f = arg;
    if (!is_port(link))
        return 0;
    bool own = skip_prefix(link->alias, f->mark);
    strings_add(own ? &f->ports : &f->others, link->name);
    if (own || !link->master)
        return 0;
    f->foreign_masters =
        xrealloc(f->foreign_masters, f->foreign_count + 1, sizeof(*f->foreign_masters));
    f->foreign_masters[f->foreign_count++] = link->master;
    return 0;
}

static bool has_foreign_port(const struct found *f, int index)
{
    for (size_t i = 0; i < f->foreign_count; i++)
        if (f->foreign_masters[i] == index)
            return true;
    return false;
}

struct finding_bridges {
    struct found *found;
    bool foreign; /* the tables belong to another instance */
};

static int find_bridge(const struct link *link, void *arg)
{
    struct finding_bridges *b = arg;
    if (!link->is_bridge || !skip_prefix(link->alias, BRIDGE_MARK))
        return 0;
    bool other = b->foreign || has_foreign_port(b->found, link->index);
    strings_add(other ? &b->found->others : &b->found->bridges, link->name);
    return 0;
}

/* Ports go first: without its bridge, a port that is up would be an interface of the host. */
static int remove_link(struct net *net, const char *name, const struct gc *gc, struct err *e)
{
    struct link link;
    int r = rt_get_link(net->rt, name, &link);
    if (r == 0 && !gc->dry_run && skip_prefix(link.alias, "netctr ")) {
        _cleanup_rt_batch_ struct rt_batch *batch = rt_batch_new(net->rt);
        rt_remove_link(batch, link.index);
        r = rt_commit(batch, e);
    }
    if (r == -ENODEV) { /* it went with its network namespace */
        err_clear(e);
        return 0;
    }
    if (r == 0)
        gc_tell(gc, GC_REMOVE, "link %s", name);
    return r < 0 && !e->code ? err_set(e, r, "look up link `%s`", name) : r;
}

static int remove_links(struct net *net, bool foreign, const struct gc *gc, struct err *e)
{
    __attribute__((cleanup(found_clear))) struct found f = {
        .mark = xasprintf("netctr %s ", net->instance)};
    struct finding_bridges bridges = {&f, foreign};
    int first = 0, r = rt_each_link(net->rt, find_port, &f, e);
    if (r == 0)
        r = rt_each_link(net->rt, find_bridge, &bridges, e);
    if (r < 0)
        return r;
    _cleanup_err_ struct err step = ERR_INIT;
    strv_each (port, f.ports.items)
        err_note(&first, remove_link(net, port, gc, &step), e, &step);
    strv_each (bridge, f.bridges.items)
        err_note(&first, remove_link(net, bridge, gc, &step), e, &step);
    strv_each (other, f.others.items)
        gc_tell(gc, GC_LEAVE, "link %s, which belongs to another netctr", other);
    return first;
}

/* Forwarding first: without the tables, the links that netctr keeps closed would be open. */
int net_reset(struct net *net, const struct gc *gc, struct err *e)
{
    _cleanup_free_ char *owner = NULL;
    _cleanup_err_ struct err step = ERR_INIT;
    int first = 0, state = fw_probe(net->fw, &owner, e);
    if (state < 0)
        return state;
    bool foreign = owner;
    err_note(&first, foreign ? 0 : forwarding_reset(net, gc, &step), e, &step);
    err_note(&first, remove_links(net, foreign, gc, &step), e, &step);
    err_note(&first, fw_remove(net->fw, foreign, gc, &step), e, &step);
    return first;
}
