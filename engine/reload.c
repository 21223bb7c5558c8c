/* Rebuilds the host's side from the running containers: firewall, leases, bridges and their ports. */
#include "helpers.h"
#include "internal.h"
#include "survey.h"

#include <errno.h>

struct endpoints {
    bool leaving; /* include containers that are being detached */
    struct endpoint_list list;
    char *unknown; /* a container with a damaged record */
};

static void endpoints_clear(struct endpoints *all)
{
    endpoint_list_clear(&all->list);
    free(all->unknown);
}
#define _cleanup_collected_ __attribute__((cleanup(endpoints_clear)))

/* Reads only the run directory: a container with a damaged definition still has a network. */
static int collect_endpoint(const char *name, int dir, void *arg)
{
    struct endpoints *all = arg;
    int left_out = all->leaving ? 0 : container_marked(dir, MARK_LEAVING);
    /* With damaged flags it is not leaving: it keeps its network, and all others keep theirs. */
    if (left_out != 0 && left_out != -EBADMSG)
        return left_out < 0 ? left_out : 0;
    return endpoints_collect(dir, name, &all->list, &all->unknown);
}

/* The result is about the firewall. *@flows is that of deleting stale conntrack entries, also with its text in @e. */
static int rebuild(struct engine *engine, int *flows, struct err *e)
{
    struct net *net;
    _cleanup_collected_ struct endpoints all = {0};
    int r = engine_net(engine, &net, e);
    /* Monitors of an older netctr change the tables by their old names. */
    if (r == 0 && net_is_outdated(net))
        r = engine_require_versions(engine, e);
    if (r == 0)
        r = store_each_live(&engine->store, collect_endpoint, &all, e);
    if (r == 0 && all.unknown)
        warn("container `%s`: its endpoint's record is damaged, it has no network; "
             "`netctr rm -f %s` removes it",
             all.unknown, all.unknown);
    if (r == 0)
        r = net_reload(net, all.list.items, all.list.count, helpers_port(engine), e);
    /* Without endpoints, it was created for the first time, or has not been missed. */
    if (r == 0 && all.list.count > 0) {
        const struct event event = {"system", "reload", NULL, "firewall"};
        event_emit(
            engine->store.run_fd, &event,
            (const struct event_attribute[]){{"endpoints", NULL, (int64_t)all.list.count}, {0}});
    }
    *flows = r == 0 ? endpoints_end_stale_flows(all.list.items, all.list.count, e) : 0;
    return r;
}

int engine_reload_locked(struct engine *engine, struct err *e)
{
    int flows, r = rebuild(engine, &flows, e);
    return r < 0 ? r : flows;
}

/* With missing leases, no addresses are given out, and a damaged one blocks its address. The records of the running containers restore it. */
static int restore_leases(struct engine *engine, struct net_leases leases, struct err *e)
{
    struct net *net;
    _cleanup_collected_ struct endpoints all = {.leaving = true};
    int r = engine_net(engine, &net, e);
    if (r == 0)
        r = store_each_live(&engine->store, collect_endpoint, &all, e);
    if (r < 0)
        return r;
    leases.live = all.list.items;
    leases.count = all.list.count;
    leases.unknown = all.unknown != NULL;
    /* As in engine_require_versions(): with our tables, an older monitor has no network. */
    leases.keep_old = net_check(net, NULL) > 0 && engine_has_older(engine);
    return net_restore_leases(net, &leases, e);
}

int engine_restore_leases(struct engine *engine, const struct gc *gc, struct err *e)
{
    return restore_leases(engine, (struct net_leases){.gc = gc}, e);
}

/* Called before an attachment takes its lease, which has no record yet. */
int engine_make_leases(struct engine *engine, const struct network *n, struct err *e)
{
    struct net *net;
    int r = engine_net(engine, &net, e);
    if (r == 0)
        r = net_has_leases(net, n, e);
    if (r != 0)
        return r < 0 ? r : 0;
    _cleanup_close_ int lock = store_lock(&engine->store, e);
    const struct net_leases leases = {.only = n->name, .gc = &gc_quietly};
    r = lock < 0 ? lock : restore_leases(engine, leases, e);
    if (r == 0 && (r = net_has_leases(net, n, e)) == 0) {
        err_say(e, -EBADMSG, "network `%s`: the leases are missing and cannot be rebuilt", n->name);
        return err_hint(e, "`netctr network reload` says why");
    }
    return r < 0 ? r : 0;
}

/* Checked again under the lock: if two commands find the tables missing, the second must not replace those of the first,
 * to which elements may have been added since. */
int engine_reload(struct engine *engine, bool only_if_needed, struct err *e)
{
    struct net *net;
    int r = engine_net(engine, &net, e);
    if (r == 0 && ((r = net_check(net, e)) < 0 || (only_if_needed && r == 0)))
        return r;
    _cleanup_close_ int lock = r < 0 ? r : store_lock(&engine->store, e);
    if (lock < 0)
        return lock;
    if (only_if_needed && (r = net_check(net, e)) <= 0)
        return r;
    r = engine_require_versions(engine, e);
    return r < 0 ? r : engine_reload_locked(engine, e);
}

int engine_restore_firewall(struct engine *engine, bool *restored, struct err *e)
{
    struct net *net;
    int flows, r = engine_net(engine, &net, e);
    *restored = false;
    if (r == 0)
        r = net_check(net, e);
    if (r < 0)
        return r;
    _cleanup_close_ int lock = store_lock(&engine->store, e);
    if (lock < 0)
        return lock;
    r = rebuild(engine, &flows, e);
    *restored = r == 0;
    return r < 0 ? r : flows;
}

static void tell_restored(enum gc_deed deed, const char *what, void *arg)
{
    (void)deed, (void)arg;
    warn("%s: rebuilt from the running containers", what);
}

static int restore_links(struct engine *engine, struct err *e)
{
    _cleanup_live_list_ struct live_list living = {0};
    int r = live_list_read(engine, &living, e);
    return r < 0 ? r : net_restore(engine->net, &living.view, e);
}

static int restore_once(struct engine *engine, struct err *e)
{
    struct net *net;
    int r = engine_net(engine, &net, e);
    if (r == 0)
        r = net_check(net, e);
    _cleanup_close_ int lock = r < 0 ? r : store_lock(&engine->store, e);
    if (lock < 0)
        return lock;
    r = engine_require_versions(engine, e);
    if (r == 0)
        r = engine_restore_leases(engine, &(struct gc){.tell = tell_restored}, e);
    if (r < 0)
        return r;
    /* -ENOENT: the firewall was flushed, or a network removed, between the two steps. */
    r = -ENOENT;
    for (int tries = 0; r == -ENOENT && tries < 30; tries++) {
        err_clear(e);
        r = engine_reload_locked(engine, e);
        if (r == 0)
            r = restore_links(engine, e);
    }
    return r;
}

static void note_remaining(const char *network, const char *what, void *arg)
{
    strv *remaining = arg;
    strv_add_take(remaining, xasprintf("network `%s`: %s", network, what));
}

/* The firewall may be flushed at any moment, also between the restoration and the survey. */
int engine_network_reload(struct engine *engine, strv *remaining, struct err *e)
{
    int r = -ENOENT;
    for (int tries = 0; (r == -ENOENT || *remaining) && tries < 10; tries++) {
        strv_free(take_ptr(*remaining));
        err_clear(e);
        r = restore_once(engine, e);
        if (r == 0)
            r = engine_survey_each(engine, note_remaining, remaining, e);
        if (r < 0 && r != -ENOENT)
            break;
    }
    return r;
}

int engine_reattach(struct engine *engine, struct err *e)
{
    struct net *net;
    _cleanup_close_ int lock = store_lock(&engine->store, e);
    int r = lock < 0 ? lock : engine_net(engine, &net, e);
    if (r < 0)
        return r;
    /* Trouble with another network does not keep a container from starting. After a flush (-ENOENT) the caller tries
     * again. */
    r = restore_links(engine, e);
    if (r < 0 && r != -ENOENT && e) {
        warn("%s", e->text);
        err_clear(e);
        r = 0;
    }
    return r;
}

int engine_upgrade_tables(struct engine *engine, struct err *e)
{
    struct net *net;
    int r = engine_net(engine, &net, e);
    if (r == 0)
        r = net_check(net, e);
    if (r == -EBUSY) { /* another instance's: callers that need the tables say so */
        err_clear(e);
        return 0;
    }
    if (r > 0)
        r = net_is_outdated(net) ? engine_reload(engine, true, e)
                                 : engine_require_versions(engine, e);
    return r;
}
