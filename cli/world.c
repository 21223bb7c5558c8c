/* What every command stands on: the store with what dead monitors left put right, and the firewall. */
#include "resolver.h"

#include <errno.h>
#include <netctr/names.h>
#include <signal.h>

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

int world_open(const struct cli *cli, struct world *out, struct err *e)
{
    *out = (struct world){0};
    int r = store_open(cli->root, cli->run_root, &out->store, e);
    if (r < 0)
        return r;
    _cleanup_close_ int lock = store_lock(&out->store, e);
    r = lock < 0 ? lock : world_repair(out, false, NULL, NULL, e);
    return r;
}

void world_close(struct world *w)
{
    bridge_close(w->bridge);
    if (w->has_names)
        close(w->names);
    if (w->store.root)
        store_close(&w->store);
}

/* ---- the firewall ----------------------------------------------------------------------------*/

struct endpoints {
    struct world *world;
    struct endpoint_list list;
};

static int collect_endpoint(const struct record *r, void *arg)
{
    struct endpoints *all = arg;
    struct endpoint_list own;
    _cleanup_close_ int dir = store_live_dir(&all->world->store, r->spec.name);
    if (dir < 0 || faccessat(dir, LEAVING, F_OK, 0) == 0)
        return 0;
    (void)endpoint_load_all(dir, &own, NULL); /* damaged ones are world_detach()'s business */
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
    struct endpoints all = {.world = w};
    struct resolver resolver;
    int r = world_bridge(w, &bridge, e);
    if (r == 0)
        r = store_each(&w->store, collect_endpoint, &all, e);
    if (r == 0)
        r = bridge_reload(bridge, all.list.items, all.list.count,
                          resolver_now(w, &resolver) ? &resolver : NULL, e);
    endpoint_list_clear(&all.list);
    return r;
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

/* ---- repair ----------------------------------------------------------------------------------*/

/* Undoes what the records tell. The first failure is told, the others are tried all the same. */
static int detach_all(struct bridge *b, const struct endpoint_list *all, bool namespace_dies,
                      int run_fd, struct err *e)
{
    int result = 0;
    for (size_t i = 0; i < all->count; i++) {
        _cleanup_err_ struct err step = ERR_INIT;
        int r = endpoint_detach(b, &all->items[i], namespace_dies, run_fd, &step);
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
    int r = endpoint_load_all(c->run_fd, &all, e);
    bool damaged = r == -EBADMSG;
    if (damaged)
        warn("container `%s`: %s", c->spec.name, e->text);
    else if (r < 0)
        return r;
    err_clear(e);
    if (!all.count && !c->spec.id)
        return 0;
    r = forget_names(w, c, e); /* before the address is another's */
    if (r == 0)
        r = world_bridge(w, &bridge, e);
    if (r == 0)
        r = detach_all(bridge, &all, namespace_dies, c->run_fd, e);
    if (r == 0 && c->spec.id && (damaged || !all.count))
        r = endpoint_forget(bridge, c->spec.id, e);
    /* What a damaged record stood for is not known: the firewall is made anew from those that are. */
    return r == 0 && damaged ? reload_locked(w, e) : r;
}

/* What a dead monitor left: its processes are killed, then everything is undone from the records. A
 * container that had run stays in `ps -a`, as if it had been killed. */
static int bury(struct world *w, const char *name, struct err *e)
{
    _cleanup_container_ struct container c = CONTAINER_INIT;
    enum status status;
    int r = container_adopt(&w->store, name, &c, &status, e);
    if (r < 0)
        return r;
    bool keep = status == STATUS_RUNNING && !c.spec.auto_remove;
    container_kill(&c);
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
    if (dir < 0)
        return dir;
    _cleanup_close_ int lock = store_try_lock(dir);
    *empty = lock == -ENOENT;
    return lock >= 0 || *empty ? 0 : lock;
}

static int repair_one(struct world *w, const char *name, bool empty, struct err *e)
{
    if (!empty)
        return bury(w, name, e);
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
    int first = 0;
    bool any = false;
    for (struct dirent *entry; (entry = readdir(d));) {
        bool empty;
        if (!valid_name(entry->d_name) || find_dead(w, entry->d_name, &empty) < 0)
            continue;
        _cleanup_free_ char *what = xasprintf("dead container %s", entry->d_name);
        if (found)
            found(what, arg);
        _cleanup_err_ struct err why = ERR_INIT;
        any = true;
        int r = dry_run ? 0 : repair_one(w, entry->d_name, empty, &why);
        if (r == 0 || r == -EBUSY)
            continue;
        /* One that cannot be cleaned up must not stand in the way of all others. */
        warn("%s", why.text);
        if (first == 0 && found)
            first = err_say(e, r, "%s", why.text);
    }
    return any && !dry_run && first == 0 ? resolver_release(w, e) : first;
}

/* Names of nobody, and the resolver when nobody has a name. */
static int sweep_names(struct world *w, bool dry_run, void (*found)(const char *what, void *arg),
                       void *arg, const char **helper, struct err *e)
{
    int names;
    _cleanup_strv_ strv ids = NULL;
    int r = store_live_ids(&w->store, &ids, e);
    if (r == 0)
        r = world_names(w, &names, e);
    if (r == 0)
        r = names_sweep(names, ids, dry_run, found, arg, e);
    if (r == 0 && !dry_run)
        r = resolver_release(w, e);
    *helper = r == 0 && names_any(names) ? RESOLVER : NULL;
    return r;
}

int world_gc(struct world *w, bool dry_run, void (*found)(const char *what, void *arg), void *arg,
             struct err *e)
{
    struct bridge *bridge;
    _cleanup_strv_ strv ids = NULL;
    _cleanup_close_ int lock = store_lock(&w->store, e);
    const char *helper = NULL;
    int r = lock < 0 ? lock : world_repair(w, dry_run, found, arg, e);
    if (r == 0)
        r = sweep_names(w, dry_run, found, arg, &helper, e);
    if (r == 0)
        r = store_sweep(&w->store, helper, dry_run, found, arg, e);
    if (r == 0)
        r = store_live_ids(&w->store, &ids, e);
    if (r == 0)
        r = world_bridge(w, &bridge, e);
    const struct bridge_sweep sweep = {(const char *const *)ids, dry_run, found, arg};
    if (r == 0)
        r = bridge_sweep(bridge, &sweep, e);
    /* Elements of nobody are not looked for one by one: what is known is written anew. */
    return r == 0 && !dry_run && bridge_check(bridge, NULL) == 0 ? reload_locked(w, e) : r;
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
    return lock < 0 ? lock : store_each(&w->store, each, arg, e);
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
    if (code == 0 && now.status != STATUS_EXITED)
        return err_say(e, -EBUSY, "container `%s` is running", r->spec.name);
    return code == 0 ? container_remove(&w->store, r->spec.name, e) : code;
}

int world_remove(struct world *w, const struct record *r, struct err *e)
{
    int code = remove_ended(w, r, e);
    store_empty_trash(&w->store);
    return code;
}
