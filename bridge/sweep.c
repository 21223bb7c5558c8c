/* Removes what bears this instance's mark and belongs to no container in use: host veths, leases,
 * and files of killed commands. */
#include "bridge.h"

#include <errno.h>
#include <string.h>

struct sweeping {
    struct net *net;
    char *const *live_ids;
    const struct gc *gc;
    struct err *e;
    int first;                  /* first failure */
    struct strings dead_owners; /* ids that own leases of ended containers */
    struct strings dead_links;
};

static int collect_dead_lease(const struct lease *l, void *arg)
{
    struct sweeping *s = arg;
    if (!strv_has(s->live_ids, l->owner))
        strings_add(&s->dead_owners, l->owner);
    return 0;
}

/* Is @link the port of a container in use? Its alias names its network, and so gives the name that
 * the port would have. Definitions are not read for this: they may be damaged. */
static bool is_live_port(const struct sweeping *s, const struct link *link)
{
    const char *network = NULL;
    for (const char *p = link->alias; (p = strstr(p, " on ")); p++)
        network = p + strlen(" on ");
    if (!network)
        return false;
    strv_each (id, s->live_ids) {
        _cleanup_free_ char *port = endpoint_port_name(id, network);
        if (streq(port, link->name))
            return true;
    }
    return false;
}

static int collect_dead_link(const struct link *link, void *arg)
{
    struct sweeping *s = arg;
    _cleanup_free_ char *mark = xasprintf("netctr %s ", s->net->instance);
    if (skip_prefix(link->name, "vc-") && skip_prefix(link->alias, mark) && !is_live_port(s, link))
        strings_add(&s->dead_links, link->name);
    return 0;
}

static int sweep_leases(const struct network *n, struct sweeping *s, struct err *e)
{
    int r = s->gc->dry_run ? 0 : lease_tidy(s->net->leases_fd, n->name, e);
    if (r == 0)
        r = lease_each(s->net->leases_fd, n->name, collect_dead_lease, s, e);
    strv_each (owner, s->dead_owners.items) {
        if (r == 0 && !s->gc->dry_run)
            r = endpoint_forget(s->net, owner, e); /* the bridge has entries for it too */
        if (r == 0)
            gc_tell(s->gc, GC_REMOVE, "lease of %s", owner);
    }
    strings_clear(&s->dead_owners);
    /* Damaged leases are left alone: they are rebuilt where all endpoints in use are known. */
    if (r == -EBADMSG) {
        err_clear(e);
        r = 0;
    }
    return r;
}

static int sweep_network(const struct network *n, void *arg)
{
    struct sweeping *s = arg;
    _cleanup_err_ struct err step = ERR_INIT;
    err_note(&s->first, sweep_leases(n, s, &step), s->e, &step);
    return 0;
}

/* The NAME in ".NAME.up" or "NAME.json~"; NULL for other files. Caller frees. */
static char *network_of(const char *file, const char *before, const char *after)
{
    const char *rest = skip_prefix(file, before);
    size_t length = rest ? strlen(rest) : 0, tail = strlen(after);
    return length > tail && streq(rest + length - tail, after) ? xstrndup(rest, length - tail)
                                                               : NULL;
}

/* Removes what a killed command has left: unfinished definitions, and locks of networks that do not
 * exist. The caller holds the definitions' lock, so that none is being changed. */
static void sweep_files(struct net *net, int dir, const char *before, const char *after)
{
    _cleanup_dir_ DIR *d = open_listing(dir, ".");
    for (struct dirent *entry; d && (entry = readdir(d));) {
        _cleanup_free_ char *name = network_of(entry->d_name, before, after);
        _cleanup_free_ char *definition = name ? xasprintf("%s.json", name) : NULL;
        if (!definition || !valid_name(name))
            continue;
        if (dir == net->networks_fd || faccessat(net->networks_fd, definition, F_OK, 0) < 0)
            (void)unlinkat(dir, entry->d_name, 0);
    }
}

static int sweep_leftovers(struct net *net, struct err *e)
{
    _cleanup_close_ int lock = networks_lock(net, e);
    if (lock < 0)
        return lock;
    sweep_files(net, net->networks_fd, "", ".json~");
    sweep_files(net, net->leases_fd, ".", ".up");
    return 0;
}

static int sweep_link(struct sweeping *s, const char *name, struct err *e)
{
    _cleanup_rt_batch_ struct rt_batch *batch = rt_batch_new(s->net->rt);
    rt_delete_link(batch, name);
    int r = s->gc->dry_run ? 0 : rt_commit(batch, e);
    if (r == 0)
        gc_tell(s->gc, GC_REMOVE, "link %s", name);
    return r;
}

int net_sweep(struct net *net, char *const *live_ids, const struct gc *gc, struct err *e)
{
    struct sweeping s = {.net = net, .live_ids = live_ids, .gc = gc, .e = e};
    _cleanup_err_ struct err step = ERR_INIT;
    err_note(&s.first, rt_each_link(net->rt, collect_dead_link, &s, &step), e, &step);
    strv_each (name, s.dead_links.items)
        err_note(&s.first, sweep_link(&s, name, &step), e, &step);
    strings_clear(&s.dead_links);
    err_note(&s.first, network_each(net, sweep_network, &s, &step), e, &step);
    if (!gc->dry_run)
        err_note(&s.first, sweep_leftovers(net, &step), e, &step);
    return s.first;
}
