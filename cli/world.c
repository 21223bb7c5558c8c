/* What every command stands on: the store with what dead monitors left put right, and the firewall. */
#include "resolver.h"

#include <errno.h>
#include <netctr/names.h>
#include <signal.h>
#include <string.h>

/* ---- open ------------------------------------------------------------------------------------*/

int world_bridge(struct world *w, struct bridge **out, struct err *e)
{
    int r = 0;
    if (!w->bridge)
        r = bridge_open(w->store.root_fd, w->store.run_fd, w->store.instance, &w->bridge, e);
    *out = w->bridge;
    return r;
}

int world_names(struct world *w, int *out, struct err *e)
{
    if (!w->has_names) {
        int fd = names_open(w->store.run_fd, e);
        if (fd < 0)
            return fd;
        w->names = fd;
        w->has_names = true;
    }
    *out = w->names;
    return 0;
}

static int gc_locked(struct world *w, bool dry_run, void (*found)(const char *what, void *arg),
                     void *arg, struct err *e);

int world_open(const struct cli *cli, struct world *out, struct err *e)
{
    *out = (struct world){0};
    int r = store_open(cli->root, cli->run_root, &out->store, e);
    if (r < 0)
        return r;
    _cleanup_close_ int lock = store_lock(&out->store, e);
    if (lock < 0)
        return lock;
    /* The run directory has been removed, or was another instance's: what lives of ours without one is
     * ended, and its address may be given out again. */
    _cleanup_err_ struct err why = ERR_INIT;
    if (out->store.fresh && gc_locked(out, false, NULL, NULL, &why) < 0)
        warn("%s", why.text);
    return world_repair(out, false, NULL, NULL, e);
}

void world_forget_names(struct world *w)
{
    if (w->has_names)
        close(w->names);
    w->has_names = false;
}

void world_close(struct world *w)
{
    bridge_close(w->bridge);
    world_forget_names(w);
    if (w->store.root)
        store_close(&w->store);
}

void world_explain(const struct world *w, int code, struct err *e)
{
    bool full = code == -ENOSPC || code == -EDQUOT;
    /* "No address is left" has the same number. */
    if ((!full && code != -EROFS) || !e->text || e->hint || !strstr(e->text, strerror(-code)))
        return;
    err_hint(e, "%s `%s` (--root) and `%s` (--run-root)",
             full ? "is there room, and are there inodes, in" : "netctr must write to",
             w->store.root, w->store.run);
}

/* ---- events ----------------------------------------------------------------------------------*/

void world_event(struct world *w, const struct record *r, const char *name,
                 const struct event_attribute *attributes)
{
    const struct event event = {"container", name, r->spec.id, r->spec.name};
    event_emit(w->store.run_fd, &event, attributes);
}

void world_network_event(struct world *w, const char *name, const struct endpoint *ep)
{
    const struct event event = {"network", name, ep->id, ep->network};
    _cleanup_free_ char *address = ip_text(&ep->address4);
    event_emit(w->store.run_fd, &event,
               (const struct event_attribute[]){
                   {"container", ep->container, 0}, {"address", address, 0}, {0}});
}

void world_defined_event(struct world *w, const char *name, const char *network)
{
    const struct event event = {"network", name, NULL, network};
    event_emit(w->store.run_fd, &event, NULL);
}

/* ---- the firewall ----------------------------------------------------------------------------*/

struct endpoints {
    bool leaving; /* those, too, that are being detached */
    struct endpoint_list list;
    char *unknown; /* a container whose endpoint cannot be told */
};

static void endpoints_clear(struct endpoints *all)
{
    endpoint_list_clear(&all->list);
    free(all->unknown);
}
#define _cleanup_collected_ __attribute__((cleanup(endpoints_clear)))

/* The records in a run directory that are this container's. -EBADMSG: there are others, or damaged
 * ones. */
static int load_endpoints(int dir, const char *name, const char *id, struct endpoint_list *out)
{
    int r = endpoint_load_all(dir, out, NULL);
    size_t kept = 0;
    for (size_t i = 0; i < out->count; i++) {
        struct endpoint *ep = &out->items[i];
        if (streq(ep->container, name) && (!id || streq(ep->id, id))) {
            out->items[kept++] = *ep;
            continue;
        }
        endpoint_clear(ep);
        r = r < 0 ? r : -EBADMSG;
    }
    out->count = kept;
    return r;
}

/* By its run directory alone: a container whose definition is damaged has a network all the same. */
static int collect_endpoint(const char *name, int dir, void *arg)
{
    struct endpoints *all = arg;
    int left_out = all->leaving ? 0 : container_marked(dir, MARK_LEAVING);
    if (left_out != 0)
        return left_out < 0 ? left_out : 0;
    struct endpoint_list own;
    int r = load_endpoints(dir, name, NULL, &own);
    /* Should its record only not be read now, the container would lose its rules. */
    if (r < 0 && r != -EBADMSG) {
        endpoint_list_clear(&own);
        return r;
    }
    if (r < 0 && !all->unknown)
        all->unknown = xstrdup(name);
    if (own.count == 0) {
        free(own.items);
        return 0;
    }
    all->list.items =
        xrealloc(all->list.items, all->list.count + own.count + 1, sizeof(*own.items));
    for (size_t i = 0; i < own.count; i++)
        all->list.items[all->list.count++] = own.items[i];
    free(own.items);
    return 0;
}

static int reload_locked(struct world *w, struct err *e)
{
    struct bridge *bridge;
    struct resolver resolver;
    _cleanup_collected_ struct endpoints all = {0};
    int r = world_bridge(w, &bridge, e);
    if (r == 0)
        r = store_each_live(&w->store, collect_endpoint, &all, e);
    if (r == 0 && all.unknown)
        warn("container `%s`: its endpoint's record is damaged, it has no network; "
             "`netctr rm -f %s` removes it",
             all.unknown, all.unknown);
    int answers = r == 0 ? resolver_now(w, &resolver, e) : r;
    r = answers < 0
            ? answers
            : bridge_reload(bridge, all.list.items, all.list.count, answers ? &resolver : NULL, e);
    /* Without anybody behind it, it was made for the first time, or nobody has missed it. */
    if (r == 0 && all.list.count > 0) {
        const struct event event = {"system", "reload", NULL, "firewall"};
        event_emit(
            w->store.run_fd, &event,
            (const struct event_attribute[]){{"endpoints", NULL, (int64_t)all.list.count}, {0}});
    }
    return r;
}

/* A damaged lease file gives out no address. Those that live know theirs. */
static int restore_leases(struct world *w, void (*found)(const char *what, void *arg), void *arg,
                          struct err *e)
{
    struct bridge *bridge;
    _cleanup_collected_ struct endpoints all = {.leaving = true};
    int r = world_bridge(w, &bridge, e);
    if (r == 0)
        r = store_each_live(&w->store, collect_endpoint, &all, e);
    if (r < 0 || all.unknown) /* its address is not known either */
        return r;
    return bridge_restore_leases(bridge, all.list.items, all.list.count, found, arg, e);
}

/* Under the store's lock, and looked at again under it: two that find the tables missing must not
 * both replace them, for the second would not know what the first has added since. */
int world_reload(struct world *w, bool only_if_needed, struct err *e)
{
    struct bridge *bridge;
    int r = world_bridge(w, &bridge, e);
    if (r == 0 && ((r = bridge_check(bridge, e)) < 0 || (only_if_needed && r == 0)))
        return r;
    _cleanup_close_ int lock = r < 0 ? -1 : store_lock(&w->store, e);
    if (lock < 0)
        return e->code;
    if (only_if_needed && (r = bridge_check(bridge, e)) <= 0)
        return r;
    return reload_locked(w, e);
}

static void tell_restored(const char *what, void *arg)
{
    (void)arg;
    warn("%s: made anew from the containers that live", what);
}

int world_restore(struct world *w, struct err *e)
{
    struct bridge *bridge;
    int r = world_bridge(w, &bridge, e);
    if (r == 0)
        r = bridge_check(bridge, e);
    _cleanup_close_ int lock = r < 0 ? -1 : store_lock(&w->store, e);
    if (lock < 0)
        return e->code;
    r = restore_leases(w, tell_restored, NULL, e);
    return r == 0 ? reload_locked(w, e) : r;
}

int world_replug(struct world *w, struct err *e)
{
    struct bridge *bridge;
    _cleanup_collected_ struct endpoints all = {0};
    _cleanup_close_ int lock = store_lock(&w->store, e);
    int r = lock < 0 ? lock : world_bridge(w, &bridge, e);
    if (r == 0)
        r = store_each_live(&w->store, collect_endpoint, &all, e);
    if (r == 0)
        r = bridge_replug(bridge, all.list.items, all.list.count, e);
    return r;
}

/* ---- repair ----------------------------------------------------------------------------------*/

/* Undoes what the records tell. The first failure is told, the others are tried all the same. */
static int detach_all(struct world *w, struct bridge *b, const struct endpoint_list *all,
                      bool namespace_dies, int run_fd, struct err *e)
{
    int result = 0;
    for (size_t i = 0; i < all->count; i++) {
        _cleanup_err_ struct err step = ERR_INIT;
        int r = endpoint_detach(b, &all->items[i], namespace_dies, run_fd, &step);
        if (r == 0)
            world_network_event(w, "disconnect", &all->items[i]);
        if (r < 0 && result == 0) {
            result = r;
            err_move(e, &step);
        }
    }
    return result;
}

static int forget_names(struct world *w, const struct container *c, struct err *e)
{
    int names;
    int r = c->spec.id ? world_names(w, &names, e) : 0;
    return r == 0 && c->spec.id ? names_leave(names, NULL, c->spec.id, e) : r;
}

int world_detach(struct world *w, struct container *c, bool namespace_dies, struct err *e)
{
    struct bridge *bridge;
    _cleanup_endpoints_ struct endpoint_list all = {0};
    int r = load_endpoints(c->run_fd, c->spec.name, c->spec.id, &all);
    bool damaged = r == -EBADMSG;
    if (damaged)
        warn("container `%s`: an endpoint's record is damaged, or another container's",
             c->spec.name);
    else if (r < 0)
        return err_set(e, r, "read the endpoints of container `%s`", c->spec.name);
    if (!all.count && !c->spec.id)
        return 0;
    _cleanup_err_ struct err why = ERR_INIT;
    int unnamed = forget_names(w, c, &why); /* before the address is another's */
    r = world_bridge(w, &bridge, e);
    if (r == 0)
        r = detach_all(w, bridge, &all, namespace_dies, c->run_fd, e);
    if (r == 0 && c->spec.id && (damaged || !all.count))
        r = endpoint_forget(bridge, c->spec.id, e);
    /* What a damaged record stood for is not known: the firewall is made anew from those that are. */
    if (r == 0 && damaged)
        r = reload_locked(w, e);
    /* A name that stays is no reason for a port that stays open. */
    if (r == 0 && unnamed < 0) {
        err_move(e, &why);
        r = unnamed;
    }
    return r;
}

/* What a dead monitor left: its processes are killed, then everything is undone from the records. A
 * container that had run stays in `ps -a`, as if it had been killed. */
static int bury(struct world *w, const char *name, bool discard, struct err *e)
{
    _cleanup_container_ struct container c = CONTAINER_INIT;
    enum status status;
    int r = container_adopt(&w->store, name, &c, &status, e);
    if (r < 0)
        return r;
    bool keep = status == STATUS_RUNNING && !c.spec.auto_remove && !discard;
    container_kill(&c);
    if (keep)
        (void)container_note_end(&c, 128 + SIGKILL, NULL);
    if ((r = world_detach(w, &c, false, e)) < 0 ||
        (r = container_end(&c, keep, 128 + SIGKILL, e)) < 0)
        return err_wrap(e, "clean up after container `%s`", name);
    return container_vanish(&c, keep, e);
}

/* Is the holder of its lock gone? A run directory without a lock has just begun to be, or has all but
 * ceased to be: nothing was made yet, or nothing is left, but for the directory. */
static int find_dead(struct world *w, const char *name, bool *empty)
{
    _cleanup_close_ int dir = store_live_dir(&w->store, name);
    *empty = dir == -ENOTDIR || dir == -ELOOP; /* no directory: nobody lives there */
    if (dir < 0)
        return *empty ? 0 : dir;
    _cleanup_close_ int lock = store_try_lock(dir);
    *empty = lock == -ENOENT;
    return lock >= 0 || *empty ? 0 : lock;
}

static int repair_one(struct world *w, const char *name, bool empty, struct err *e)
{
    if (!empty)
        return bury(w, name, false, e);
    int r = remove_tree_at(w->store.live_fd, name);
    return r < 0 ? err_set(e, r, "remove the run directory of container `%s`", name) : 0;
}

int world_repair(struct world *w, bool dry_run, void (*found)(const char *what, void *arg),
                 void *arg, struct err *e)
{
    int fd = openat(w->store.live_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d)
        return err_set(e, errno, "list the living containers");
    int first = 0, listed = 0;
    bool any = false;
    for (struct dirent *entry; (entry = next_entry(d, &listed));) {
        bool empty = false;
        if (!valid_name(entry->d_name))
            continue;
        int dead = find_dead(w, entry->d_name, &empty);
        if (dead == -EWOULDBLOCK || dead == -ENOENT)
            continue;
        if (dead < 0)
            return err_set(e, dead, "look at container `%s`", entry->d_name);
        _cleanup_free_ char *what = xasprintf("dead container %s", entry->d_name);
        if (found)
            found(what, arg);
        _cleanup_err_ struct err why = ERR_INIT;
        any = true;
        int r = dry_run ? 0 : repair_one(w, entry->d_name, empty, &why);
        if (r == 0 || r == -EWOULDBLOCK) /* done, or somebody is faster */
            continue;
        /* One that cannot be cleaned up must not stand in the way of all others. */
        warn("%s", why.text);
        if (first == 0 && found)
            first = err_say(e, r, "%s", why.text);
    }
    if (listed < 0)
        return err_set(e, listed, "list the living containers");
    return any && !dry_run && first == 0 ? resolver_release(w, e) : first;
}

/* Names of nobody, and the resolver when nobody has a name. */
static int sweep_names(struct world *w, bool dry_run, void (*found)(const char *what, void *arg),
                       void *arg, const char **helper, struct err *e)
{
    int names = -1;
    _cleanup_strv_ strv ids = NULL;
    int r = store_live_ids(&w->store, &ids, e);
    if (r == 0)
        r = world_names(w, &names, e);
    if (r == 0)
        r = names_sweep(names, ids, dry_run, found, arg, e);
    if (r == 0 && !dry_run)
        r = resolver_prune(w, e);
    if (r == 0 && !dry_run)
        r = resolver_release(w, e);
    *helper = r == 0 && names_any(names) ? RESOLVER : NULL;
    return r;
}

static int gc_locked(struct world *w, bool dry_run, void (*found)(const char *what, void *arg),
                     void *arg, struct err *e)
{
    struct bridge *bridge = NULL;
    _cleanup_strv_ strv ids = NULL;
    const char *helper = NULL;
    int r = world_repair(w, dry_run, found, arg, e);
    if (r == 0)
        r = sweep_names(w, dry_run, found, arg, &helper, e);
    if (r == 0)
        r = store_sweep(&w->store, helper, dry_run, found, arg, e);
    if (r == 0)
        r = store_live_ids(&w->store, &ids, e);
    if (r == 0)
        r = world_bridge(w, &bridge, e);
    if (r == 0 && !dry_run)
        r = restore_leases(w, found, arg, e);
    const struct bridge_sweep sweep = {(const char *const *)ids, dry_run, found, arg};
    if (r == 0)
        r = bridge_sweep(bridge, &sweep, e);
    /* Elements of nobody are not looked for one by one: what is known is written anew. */
    return r == 0 && !dry_run && bridge_check(bridge, NULL) == 0 ? reload_locked(w, e) : r;
}

int world_gc(struct world *w, bool dry_run, void (*found)(const char *what, void *arg), void *arg,
             struct err *e)
{
    _cleanup_close_ int lock = store_lock(&w->store, e);
    return lock < 0 ? lock : gc_locked(w, dry_run, found, arg, e);
}

/* ---- the damaged -----------------------------------------------------------------------------*/

/* Whoever holds the lock is the monitor, whatever the records say; with it the container dies. */
static int end_monitor(struct world *w, const char *name, struct err *e)
{
    _cleanup_close_ int dir = store_live_dir(&w->store, name);
    _cleanup_close_ int lock = dir < 0 ? -1 : openat(dir, "lock", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    pid_t pid = lock < 0 ? 0 : lock_holder(lock);
    _cleanup_close_ int monitor = pid > 0 ? pidfd_of(pid, proc_start_time(pid)) : -1;
    if (monitor >= 0 && lock_holder(lock) == pid)
        (void)pidfd_signal(monitor, SIGKILL);
    if (monitor >= 0 && pidfd_wait(monitor, 10000) < 0)
        return err_say(e, -ETIMEDOUT, "the monitor of container `%s` does not end", name);
    return 0;
}

int world_remove_damaged(struct world *w, const char *name, struct err *e)
{
    if (!valid_name(name))
        return err_say(e, -ENOENT, "no such container `%s`", name);
    _cleanup_close_ int lock = store_lock(&w->store, e);
    _cleanup_record_ struct record now = {0};
    _cleanup_err_ struct err why = ERR_INIT;
    int r = lock < 0 ? lock : store_find(&w->store, name, &now, &why);
    if (lock >= 0 && r == -ENOENT) /* somebody else has removed it */
        return 0;
    if (lock >= 0 && r == 0) /* and has made another; or what looked like damage was none */
        return err_say(e, -EBUSY, "container `%s` is not the damaged one any more", name);
    if (lock >= 0 && r != -EBADMSG)
        return err_set(e, r, "look for container `%s`", name);
    r = lock < 0 ? lock : end_monitor(w, name, e);
    bool empty;
    if (r == 0 && find_dead(w, name, &empty) == 0)
        r = repair_one(w, name, empty, e);
    int lives = r == 0 ? file_exists_at(w->store.live_fd, name) : 0;
    if (lives < 0)
        r = err_set(e, lives, "look for container `%s`", name);
    else if (lives)
        r = err_say(e, -EBUSY, "container `%s` is damaged, and lives", name);
    if (r == 0)
        r = container_remove(&w->store, name, e);
    /* What could not be told from its records belongs to nobody now. */
    if (r == 0)
        r = gc_locked(w, false, NULL, NULL, e);
    lock = close_fd(lock);
    store_empty_trash(&w->store);
    return r;
}

/* ---- the end ---------------------------------------------------------------------------------*/

/* The program is dead; its monitor cleans up. One that somebody has stopped (SIGSTOP), or that hangs, is
 * killed, and buried with what it held. */
int world_await_end(struct world *w, const struct record *r, struct err *e)
{
    _cleanup_close_ int monitor = pidfd_of(r->monitor, r->monitor_start);
    if (monitor < 0)
        return monitor == -ESRCH
                   ? 0
                   : err_set(e, monitor, "look at the monitor of container `%s`", r->spec.name);
    int left = 15000;
    for (; left > 0 && proc_state(r->monitor) != 'T'; left -= 100)
        if (pidfd_wait(monitor, 100) == 0)
            return 0;
    (void)pidfd_signal(monitor, SIGKILL);
    if (pidfd_wait(monitor, 5000) < 0)
        return err_say(e, -ETIMEDOUT, "container `%s` does not end", r->spec.name);
    _cleanup_close_ int lock = store_lock(&w->store, e);
    return lock < 0 ? lock : world_repair(w, false, NULL, NULL, e);
}

/* ---- look up ---------------------------------------------------------------------------------*/

int world_find(struct world *w, const char *name, struct record *out, struct err *e)
{
    _cleanup_close_ int lock = store_lock(&w->store, e);
    return lock < 0 ? lock : store_find(&w->store, name, out, e);
}

int world_each(struct world *w, int (*each)(const struct record *r, void *arg), void *arg,
               struct err *e)
{
    _cleanup_close_ int lock = store_lock(&w->store, e);
    if (lock < 0)
        return lock;
    store_warn_of_lost(&w->store);
    return store_each(&w->store, each, arg, e);
}

int world_ask_end(struct world *w, const struct record *r, struct record *now, struct err *e)
{
    _cleanup_close_ int lock = store_lock(&w->store, e);
    int code = lock < 0 ? lock : store_find(&w->store, r->spec.name, now, e);
    if (code == 0 && !streq(now->spec.id, r->spec.id))
        code = err_say(e, -ENOENT, "no such container `%s`", r->spec.id);
    return code == 0 ? container_ask_end(&w->store, r->spec.name, e) : code;
}

static int remove_ended(struct world *w, const struct record *r, struct err *e)
{
    _cleanup_record_ struct record now = {0};
    _cleanup_close_ int lock = store_lock(&w->store, e);
    int code = lock < 0 ? lock : store_find(&w->store, r->spec.name, &now, e);
    if (code == -ENOENT || (code == 0 && !streq(now.spec.id, r->spec.id))) {
        err_clear(e);
        return 0;
    }
    /* How it ended could not be written, on a full disk: nobody asks any more. */
    if (code == 0 && now.status == STATUS_DEAD)
        return bury(w, r->spec.name, true, e);
    if (code == 0 && now.status != STATUS_EXITED)
        return err_say(e, -EBUSY, "container `%s` is running", r->spec.name);
    if (code == 0 && (code = container_remove(&w->store, r->spec.name, e)) == 0)
        world_event(w, r, "destroy", NULL);
    return code;
}

int world_remove(struct world *w, const struct record *r, struct err *e)
{
    int code = remove_ended(w, r, e);
    store_empty_trash(&w->store);
    return code;
}
