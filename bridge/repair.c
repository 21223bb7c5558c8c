/* Putting things right: the firewall made anew from what is known, and what bears our mark but
 * belongs to nobody removed. */
#include "bridge.h"

#include <errno.h>
#include <string.h>
#include <time.h>

/* ---- reload ----------------------------------------------------------------------------------*/

int net_check(struct net *net, struct err *e)
{
    _cleanup_free_ char *owner = NULL;
    int state = fw_probe(net->fw, &owner, e);
    if (state < 0)
        return state;
    if (state == FW_TABLES_FOREIGN && owner) {
        err_say(e, -EBUSY, "this host's firewall tables belong to another netctr (instance %s)",
                owner);
        return err_hint(e, "use its --run-root; if it is gone: `%s`", fw_delete_command);
    }
    if (state == FW_TABLES_NEWER) {
        err_say(e, -EPROTONOSUPPORT,
                "this host's firewall tables were made by a newer netctr than %s", NETCTR_VERSION);
        return err_hint(e, "use that netctr; when none of its containers runs: `%s`",
                        fw_delete_command);
    }
    return state != FW_TABLES_OURS;
}

bool net_is_outdated(struct net *net)
{
    return fw_probe(net->fw, NULL, NULL) == FW_TABLES_OLDER;
}

struct reloading {
    struct fw_batch *batch;
    uint16_t names_port;
    strv known; /* networks whose definition can be read */
};

void network_add(struct fw_batch *batch, const struct network *n, uint16_t names_port)
{
    struct fw_network elements = network_elements(n);
    fw_add_network(batch, &elements);
    dns_redirect_add(batch, n, names_port);
}

static int reload_network(const struct network *n, void *arg)
{
    struct reloading *r = arg;
    strv_add(&r->known, n->name);
    network_add(r->batch, n, r->names_port);
    return 0;
}

/* Ports that are not published must stay out of reach. Of this network nothing is known but that it is ours. */
void network_add_closed(struct fw_batch *batch, const struct endpoint *ep)
{
    struct fw_network elements = {.bridge = ep->bridge, .icc = true};
    fw_add_network(batch, &elements);
}

int net_reload(struct net *net, const struct endpoint *live, size_t count, uint16_t names_port,
               struct err *e)
{
    _cleanup_fw_batch_ struct fw_batch *batch = fw_batch_new(net->fw);
    struct reloading reloading = {batch, names_port, NULL};
    _cleanup_close_ int lock = forwarding_lock(net, e);
    if (lock < 0)
        return lock;
    fw_add_tables(batch);
    int r = forwarding_add(net, batch, e);
    if (r == 0)
        r = network_each(net, reload_network, &reloading, e);
    for (size_t i = 0; r == 0 && i < count; i++)
        if (!strv_has(reloading.known, live[i].network)) {
            network_add_closed(batch, &live[i]);
            strv_add(&reloading.known, live[i].network);
        }
    strv_free(reloading.known);
    for (size_t i = 0; r == 0 && i < count; i++)
        endpoint_add(batch, &live[i]);
    return r == 0 ? fw_commit(batch, e) : r;
}

/* ---- leases ----------------------------------------------------------------------------------*/

struct restoring {
    struct net *bridge;
    const struct net_leases *leases;
    struct err *e;
};

/* Leases of those that live on @n; caller frees the array alone. */
static struct lease *living_on(const struct network *n, const struct net_leases *s, size_t *count)
{
    struct lease *leases = xcalloc(s->count, sizeof(*leases));
    *count = 0;
    for (size_t i = 0; i < s->count; i++) {
        const struct endpoint *ep = &s->live[i];
        if (!streq(ep->network, n->name))
            continue;
        leases[*count] = (struct lease){.address4 = ep->address4,
                                        .address6 = ep->address6,
                                        .container = ep->container,
                                        .owner = ep->id,
                                        .since = time(NULL)};
        memcpy(leases[(*count)++].mac, ep->mac, 6);
    }
    return leases;
}

/* Whose endpoint cannot be told may be on any network: but for one that nobody has a port of. */
static int is_complete(struct restoring *s, const struct network *n, bool missing, size_t count)
{
    if (!s->leases->unknown)
        return 1;
    int ports = missing && count == 0 ? device_has_ports(s->bridge, n, s->e) : 1;
    return ports < 0 ? ports : !ports;
}

static int restore_leases(const struct network *n, void *arg)
{
    struct restoring *s = arg;
    const struct net_leases *l = s->leases;
    if (l->only && !streq(l->only, n->name))
        return 0;
    int known = lease_check(s->bridge->leases_fd, n->name, s->e);
    if (known > 0 || (known < 0 && known != -EBADMSG))
        return known < 0 ? known : 0;
    err_clear(s->e);
    size_t count;
    _cleanup_free_ struct lease *leases = living_on(n, l, &count);
    if (known == 0 && count == 0 && !l->only) /* nobody has missed it */
        return 0;
    int complete = is_complete(s, n, known == 0, count);
    if (complete <= 0)
        return complete;
    int r = l->gc->dry_run ? 1 : lease_restore(s->bridge->leases_fd, n->name, leases, count, s->e);
    if (r > 0)
        gc_tell(l->gc, GC_REPLACE, "%s lease file of network `%s`", known == 0 ? "lost" : "damaged",
                n->name);
    return r < 0 ? r : 0;
}

int net_restore_leases(struct net *net, const struct net_leases *leases, struct err *e)
{
    struct restoring s = {net, leases, e};
    return network_each(net, restore_leases, &s, e);
}

int net_has_leases(struct net *net, const struct network *n, struct err *e)
{
    int r = file_exists_at(net->leases_fd, n->name);
    return r < 0 ? err_set(e, r, "look for the leases of network `%s`", n->name) : r;
}

/* ---- sweep -----------------------------------------------------------------------------------*/

struct sweeping {
    struct net *bridge;
    char *const *live_ids;
    const struct gc *gc;
    struct err *e;
    int first;        /* failure */
    strv dead_owners; /* of leases */
    strv dead_links;
};

static int judge_lease(const struct lease *l, void *arg)
{
    struct sweeping *s = arg;
    if (!strv_has(s->live_ids, l->owner))
        strv_add(&s->dead_owners, l->owner);
    return 0;
}

/* Is it the port of a container that lives? Its alias tells on which network, and so what its name would
 * be: definitions may be damaged, and are not asked. */
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

static int judge_link(const struct link *link, void *arg)
{
    struct sweeping *s = arg;
    _cleanup_free_ char *mark = xasprintf("netctr %s ", s->bridge->instance);
    if (skip_prefix(link->name, "vc-") && skip_prefix(link->alias, mark) && !is_live_port(s, link))
        strv_add(&s->dead_links, link->name);
    return 0;
}

static int sweep_leases(const struct network *n, struct sweeping *s, struct err *e)
{
    int r = lease_each(s->bridge->leases_fd, n->name, judge_lease, s, e);
    strv_each (owner, s->dead_owners) {
        if (r == 0 && !s->gc->dry_run)
            r = endpoint_forget(s->bridge, owner, e); /* the bridge knows its addresses, too */
        if (r == 0)
            gc_tell(s->gc, GC_REMOVE, "lease of %s", owner);
    }
    strv_free(take_ptr(s->dead_owners));
    if (r ==
        -EBADMSG) { /* a damaged one is not swept: it is made anew where all that live are known */
        err_clear(e);
        r = 0;
    }
    return r == 0 && !s->gc->dry_run ? lease_tidy(s->bridge->leases_fd, n->name, e) : r;
}

static int sweep_network(const struct network *n, void *arg)
{
    struct sweeping *s = arg;
    _cleanup_err_ struct err step = ERR_INIT;
    err_note(&s->first, sweep_leases(n, s, &step), s->e, &step);
    return 0;
}

/* "NAME" of ".NAME.up" or "NAME.json~"; NULL for every other file; caller frees. */
static char *network_of(const char *file, const char *before, const char *after)
{
    const char *rest = skip_prefix(file, before);
    size_t length = rest ? strlen(rest) : 0, tail = strlen(after);
    return length > tail && streq(rest + length - tail, after) ? xstrndup(rest, length - tail)
                                                               : NULL;
}

/* What a command that was killed has left: a definition begun, and the lock of a network that there is
 * not. Nobody is making, changing or removing any meanwhile. */
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
    _cleanup_rt_batch_ struct rt_batch *batch = rt_batch_new(s->bridge->rt);
    rt_delete_link(batch, name);
    int r = s->gc->dry_run ? 0 : rt_commit(batch, e);
    if (r == 0)
        gc_tell(s->gc, GC_REMOVE, "link %s", name);
    return r;
}

int net_sweep(struct net *net, char *const *live_ids, const struct gc *gc, struct err *e)
{
    struct sweeping s = {.bridge = net, .live_ids = live_ids, .gc = gc, .e = e};
    _cleanup_err_ struct err step = ERR_INIT;
    err_note(&s.first, rt_each_link(net->rt, judge_link, &s, &step), e, &step);
    strv_each (name, s.dead_links)
        err_note(&s.first, sweep_link(&s, name, &step), e, &step);
    strv_free(s.dead_links);
    err_note(&s.first, network_each(net, sweep_network, &s, &step), e, &step);
    if (!gc->dry_run)
        err_note(&s.first, sweep_leftovers(net, &step), e, &step);
    return s.first;
}
