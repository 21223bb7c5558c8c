/* Rebuilds the host's side from the living sandboxes: firewall, leases, bridges and their ports. */
#include "sandbox.h"
#include "survey.h"

#include <errno.h>

struct endpoints {
    bool leaving; /* include sandboxes that are dead, or being taken down */
    struct endpoint_list list;
    struct endpoint_list dead; /* of sandboxes that are dead or end, until collect_all() */
    size_t ending;             /* so many of these are at the end of the list */
    char *unknown;             /* a container with a damaged record */
};

static void endpoints_clear(struct endpoints *all)
{
    endpoint_list_clear(&all->list);
    endpoint_list_clear(&all->dead);
    free(all->unknown);
}
#define _cleanup_collected_ __attribute__((cleanup(endpoints_clear)))

/* A dead sandbox keeps its addresses until it is cleaned up, and no rules: on a full disk its lease may have to stay for
 * long, and its ports must not come back. */
static int collect(struct sandbox_record *r, void *arg)
{
    struct endpoints *all = arg;
    if (r->state != SANDBOX_LIVES && !all->leaving)
        return 0;
    if (r->damaged && !all->unknown)
        all->unknown = xstrdup(r->name ? r->name : r->id);
    endpoints_append(r->state != SANDBOX_LIVES ? &all->dead : &all->list, &r->endpoints);
    return 0;
}

/* The dead ones last: a living one may have taken a port of theirs, and their leases may be released already. */
static int collect_all(struct sandboxes *s, struct endpoints *all, struct err *e)
{
    int r = sandbox_each(s, collect, all, e);
    all->ending = all->dead.count;
    endpoints_append(&all->list, &all->dead);
    return r;
}

static int require_versions(struct sandboxes *s, struct err *e)
{
    return s->hooks.require_versions ? s->hooks.require_versions(s->hooks.arg, e) : 0;
}

static bool has_older(struct sandboxes *s)
{
    return s->hooks.has_older && s->hooks.has_older(s->hooks.arg);
}

/* The result is about the firewall. *@flows is that of deleting stale conntrack entries, also with its text in @e. */
static int rebuild(struct sandboxes *s, int *flows, struct err *e)
{
    struct net *net;
    _cleanup_collected_ struct endpoints all = {0};
    int r = sandboxes_net(s, &net, e);
    /* Monitors of an older netctr change the tables by their old names. */
    if (r == 0 && net_is_outdated(net))
        r = require_versions(s, e);
    if (r == 0)
        r = collect_all(s, &all, e);
    if (r == 0 && all.unknown)
        warn("container `%s`: its endpoint's record is damaged, it has no network; "
             "`netctr rm -f %s` removes it",
             all.unknown, all.unknown);
    if (r == 0)
        r = net_reload(net, all.list.items, all.list.count, sandboxes_names_port(s), e);
    /* Without endpoints, it was created for the first time, or has not been missed. */
    if (r == 0 && all.list.count > 0)
        sandboxes_event(s, &(struct sandbox_event){.what = "reload", .count = all.list.count});
    *flows = r == 0 ? endpoints_end_stale_flows(all.list.items, all.list.count, e) : 0;
    return r;
}

int sandboxes_reload_locked(struct sandboxes *s, struct err *e)
{
    int flows, r = rebuild(s, &flows, e);
    return r < 0 ? r : flows;
}

/* With missing leases, no addresses are given out, and a damaged one blocks its address. The records of the living
 * sandboxes restore it. */
static int restore_leases(struct sandboxes *s, struct net_leases leases, struct err *e)
{
    struct net *net;
    _cleanup_collected_ struct endpoints all = {.leaving = true};
    int r = sandboxes_net(s, &net, e);
    if (r == 0)
        r = collect_all(s, &all, e);
    if (r < 0)
        return r;
    leases.live = all.list.items;
    leases.count = all.list.count;
    leases.ending = all.ending;
    /* With our tables, an older monitor has no network. */
    leases.keep_old = net_check(net, NULL) > 0 && has_older(s);
    leases.unknown = all.unknown != NULL || leases.keep_old;
    return net_restore_leases(net, &leases, e);
}

int sandboxes_restore_leases(struct sandboxes *s, const struct gc *gc, struct err *e)
{
    return restore_leases(s, (struct net_leases){.gc = gc}, e);
}

/* Called before an attachment takes its lease, which has no record yet. */
int sandboxes_make_leases(struct sandboxes *s, const struct network *n, struct err *e)
{
    struct net *net;
    int r = sandboxes_net(s, &net, e);
    if (r == 0)
        r = net_has_leases(net, n, e);
    if (r != 0)
        return r < 0 ? r : 0;
    _cleanup_close_ int lock = sandboxes_lock(s, e);
    const struct net_leases leases = {.only = n->name, .gc = &gc_quietly};
    r = lock < 0 ? lock : restore_leases(s, leases, e);
    if (r == 0 && (r = net_has_leases(net, n, e)) == 0) {
        err_say(e, -EBADMSG, "network `%s`: the leases are missing and cannot be rebuilt", n->name);
        err_hint(e, "`netctr network reload` says why");
        return -EBADMSG;
    }
    return r < 0 ? r : 0;
}

/* Checked again under the lock: if two commands find the tables missing, the second must not replace those of the first,
 * to which elements may have been added since. */
int sandboxes_reload(struct sandboxes *s, bool only_if_needed, struct err *e)
{
    struct net *net;
    int r = sandboxes_net(s, &net, e);
    if (r == 0 && ((r = net_check(net, e)) < 0 || (only_if_needed && r == 0)))
        return r;
    _cleanup_close_ int lock = r < 0 ? r : sandboxes_lock(s, e);
    if (lock < 0)
        return lock;
    if (only_if_needed && (r = net_check(net, e)) <= 0)
        return r;
    r = require_versions(s, e);
    return r < 0 ? r : sandboxes_reload_locked(s, e);
}

int sandboxes_restore_firewall(struct sandboxes *s, bool *restored, struct err *e)
{
    struct net *net;
    int flows, r = sandboxes_net(s, &net, e);
    *restored = false;
    if (r == 0)
        r = net_check(net, e);
    if (r < 0)
        return r;
    _cleanup_close_ int lock = sandboxes_lock(s, e);
    if (lock < 0)
        return lock;
    r = rebuild(s, &flows, e);
    *restored = r == 0;
    return r < 0 ? r : flows;
}

static void tell_restored(enum gc_deed deed, const char *what, void *arg)
{
    (void)deed, (void)arg;
    warn("%s: rebuilt from the running containers", what);
}

static int restore_links(struct sandboxes *s, struct err *e)
{
    struct net *net;
    _cleanup_live_list_ struct live_list living = {0};
    int r = sandboxes_net(s, &net, e);
    if (r == 0)
        r = live_list_read(s, &living, e);
    return r < 0 ? r : net_restore(net, &living.view, e);
}

static int restore_once(struct sandboxes *s, struct err *e)
{
    struct net *net;
    int r = sandboxes_net(s, &net, e);
    if (r == 0)
        r = net_check(net, e);
    _cleanup_close_ int lock = r < 0 ? r : sandboxes_lock(s, e);
    if (lock < 0)
        return lock;
    r = require_versions(s, e);
    if (r == 0)
        r = sandboxes_restore_leases(s, &(struct gc){.tell = tell_restored}, e);
    if (r < 0)
        return r;
    /* -ENOENT: the firewall was flushed, or a network removed, between the two steps. */
    r = -ENOENT;
    for (int tries = 0; r == -ENOENT && tries < 30; tries++) {
        err_clear(e);
        r = sandboxes_reload_locked(s, e);
        if (r == 0)
            r = restore_links(s, e);
    }
    return r;
}

struct settling {
    const struct network *n;
    int first; /* first failure */
    struct err *e;
};

static int settle_routes(struct sandbox_record *r, void *arg)
{
    struct settling *s = arg;
    _cleanup_close_ int netns = -1;
    for (size_t i = 0; i < r->endpoints.count && r->state == SANDBOX_LIVES; i++) {
        _cleanup_rt_ struct rt *inside = NULL;
        _cleanup_err_ struct err step = ERR_INIT;
        if (!streq(r->endpoints.items[i].network, s->n->name) ||
            (netns = sandbox_open_netns(r)) < 0)
            continue;
        int code = netns_open_rt(netns, &inside, &step);
        if (code == 0 && inside)
            code = endpoint_settle_routes(s->n, &r->endpoints.items[i], inside, &step);
        err_note(&s->first, code, s->e, &step);
    }
    return 0;
}

int sandboxes_settle_routes(struct sandboxes *s, const char *network, struct err *e)
{
    struct net *net;
    _cleanup_network_ struct network n = {0};
    struct settling settling = {.n = &n, .e = e};
    int r = sandboxes_net(s, &net, e);
    _cleanup_close_ int lock = r < 0 ? r : sandboxes_lock(s, e);
    r = lock < 0 ? lock : network_load(net, network, &n, e);
    if (r == 0)
        r = sandbox_each(s, settle_routes, &settling, e);
    return r < 0 ? r : settling.first;
}

static void note_remaining(const char *network, const char *what, void *arg)
{
    strv *remaining = arg;
    strv_add_take(remaining, xasprintf("network `%s`: %s", network, what));
}

/* The firewall may be flushed at any moment, also between the restoration and the survey. */
int sandboxes_restore(struct sandboxes *s, strv *remaining, struct err *e)
{
    int r = -ENOENT;
    for (int tries = 0; (r == -ENOENT || *remaining) && tries < 10; tries++) {
        strv_free(take_ptr(*remaining));
        err_clear(e);
        r = restore_once(s, e);
        if (r == 0)
            r = sandboxes_survey_each(s, note_remaining, remaining, e);
        if (r < 0 && r != -ENOENT)
            break;
    }
    return r;
}

int sandboxes_reattach(struct sandboxes *s, struct err *e)
{
    struct net *net;
    _cleanup_close_ int lock = sandboxes_lock(s, e);
    int r = lock < 0 ? lock : sandboxes_net(s, &net, e);
    if (r < 0)
        return r;
    /* Trouble with another network does not keep a container from starting. After a flush (-ENOENT) the caller tries
     * again. */
    r = restore_links(s, e);
    if (r < 0 && r != -ENOENT && e) {
        warn("%s", e->text);
        err_clear(e);
        r = 0;
    }
    return r;
}

int sandboxes_upgrade_tables(struct sandboxes *s, struct err *e)
{
    struct net *net;
    int r = sandboxes_net(s, &net, e);
    if (r == 0)
        r = net_check(net, e);
    if (r == -EBUSY) { /* another instance's: callers that need the tables say so */
        err_clear(e);
        return 0;
    }
    if (r > 0)
        r = net_is_outdated(net) ? sandboxes_reload(s, true, e) : require_versions(s, e);
    return r;
}
