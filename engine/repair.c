/* Cleans up after dead monitors, and removes what belongs to no container. Undo steps accept "already gone", because
 * another command may have done part of the work.
 */
#include "helpers.h"
#include "internal.h"

#include <errno.h>
#include <netctr/names.h>
#include <signal.h>

/* Undoes the network half of a dead container, with or without its records. Those of a container of netctr 0.1 are in its run
 * directory. */
static int detach(struct engine *engine, const struct container *c, struct err *e)
{
    struct sandboxes *all = engine_sandboxes(engine);
    _cleanup_endpoints_ struct endpoint_list old = {0};
    _cleanup_free_ char *id = NULL;
    if (!c->spec.id) /* gc finds its sandbox */
        return 0;
    id = engine_sandbox_id(c->run_fd, c->spec.id);
    const struct sandbox_leaving leaving = {.id = id,
                                            .name = c->spec.name,
                                            .member = c->spec.id,
                                            .expected = strv_len(c->spec.networks),
                                            .locked = true};
    int r = endpoint_load_all(c->run_fd, ".", &old, NULL);
    return old.count || r == -EBADMSG ? sandboxes_undo_records(all, &leaving, c->run_fd, e)
                                      : sandboxes_leave(all, &leaving, e);
}

/* A container that had run stays in `ps -a`, as if it had been killed. */
int engine_cleanup_dead(struct engine *engine, const char *name, bool discard, struct err *e)
{
    _cleanup_container_ struct container c = CONTAINER_INIT;
    enum status status;
    int r = container_adopt(&engine->store, name, &c, &status, e);
    if (r < 0)
        return r;
    bool keep = status == STATUS_RUNNING && !c.spec.auto_remove && !discard;
    /* Between two runs there is no program to kill, and the last exit status is known. */
    int exit_status = c.between_runs ? c.exit_status : 128 + SIGKILL;
    container_kill(&c);
    if (keep)
        (void)container_note_end(&c, exit_status, NULL);
    if ((r = detach(engine, &c, e)) < 0 || (r = container_end(&c, keep, exit_status, e)) < 0) {
        engine_explain(engine, r, e);
        err_wrap(e, "clean up after container `%s`", name);
        return r;
    }
    return container_release_name(&c, keep, e);
}

/* An earlier cleanup failed, on a full disk for example, or the monitor has just been killed. This one tries again and
 * reports why it fails. */
int engine_clear_dead(struct engine *engine, const struct record *r, struct record *now,
                      struct err *e)
{
    _cleanup_close_ int lock = store_lock(&engine->store, e);
    _cleanup_free_ char *name = store_name_now(&engine->store, &r->spec);
    int code = lock < 0 ? lock : store_find_named(&engine->store, name, now, e);
    if (code == 0 && now->status == STATUS_DEAD)
        code = engine_cleanup_dead(engine, name, false, e);
    record_clear(now);
    if (code == 0 || code == -EWOULDBLOCK) /* another command was faster */
        code = store_find_named(&engine->store, name, now, e);
    if (code == 0 && now->status == STATUS_DEAD)
        code = err_say(e, -EBUSY, "what its dead monitor left could not be cleaned up");
    return code;
}

/* Takes the lock of a dead monitor: 0. A run directory without a lock file (@empty) is just being created or removed: apart
 * from the directory there is nothing to clean up. */
static int find_dead(struct engine *engine, const char *name, bool *empty)
{
    _cleanup_close_ int dir = store_live_dir(&engine->store, name);
    *empty = dir == -ENOTDIR || dir == -ELOOP; /* not a directory */
    if (dir < 0)
        return *empty ? 0 : dir;
    _cleanup_close_ int lock = store_try_lock(dir);
    *empty = lock == -ENOENT;
    return lock >= 0 || *empty ? 0 : lock;
}

static int repair_one(struct engine *engine, const char *name, bool empty, struct err *e)
{
    if (!empty)
        return engine_cleanup_dead(engine, name, false, e);
    int r = remove_tree_at(engine->store.live_fd, name);
    return r < 0 ? err_set(e, r, "remove the run directory of container `%s`", name) : 0;
}

int engine_clear_if_dead(struct engine *engine, const char *name, struct err *e)
{
    bool empty = false;
    int dead = valid_name(name) ? find_dead(engine, name, &empty) : -ENOENT;
    if (dead == -EWOULDBLOCK || dead == -ENOENT)
        return 0;
    if (dead < 0)
        return err_set(e, dead, "look at container `%s`", name);
    int r = repair_one(engine, name, empty, e);
    if (r == -EWOULDBLOCK) { /* it lives again */
        err_clear(e);
        return 0;
    }
    return r < 0 ? r : 1;
}

static int repair_if_dead(struct engine *engine, const char *name, const struct gc *gc, bool *any,
                          struct err *e)
{
    bool empty = false;
    int dead = find_dead(engine, name, &empty);
    if (dead == -EWOULDBLOCK || dead == -ENOENT)
        return 0;
    if (dead < 0)
        return err_set(e, dead, "look at container `%s`", name);
    *any = true;
    _cleanup_err_ struct err why = ERR_INIT;
    int r = gc->dry_run ? 0 : repair_one(engine, name, empty, &why);
    if (r == 0)
        gc_tell(gc, GC_REMOVE, "dead container %s", name);
    if (r == 0 || r == -EWOULDBLOCK) /* done, or another command is faster */
        return 0;
    warn("%s", why.text);
    if (!gc->tell) /* the command has another purpose, and continues */
        return 0;
    err_move(e, &why);
    return r;
}

int engine_repair(struct engine *engine, const struct gc *gc, struct err *e)
{
    _cleanup_dir_ DIR *d = open_listing(engine->store.live_fd, ".");
    if (!d)
        return err_set(e, errno, "list the running containers");
    int first = 0, listed = 0;
    bool any = false, none = true;
    _cleanup_err_ struct err step = ERR_INIT;
    for (struct dirent *entry; (entry = next_entry(d, &listed));)
        if (valid_name(entry->d_name)) {
            none = false;
            err_note(&first, repair_if_dead(engine, entry->d_name, gc, &any, &step), e, &step);
        }
    if (listed < 0)
        err_note(&first, err_set(&step, listed, "list the running containers"), e, &step);
    int r = 0;
    if ((any || none) && !gc->dry_run) /* the last monitor may have been killed before it did */
        r = helpers_release(engine, &step);
    if (r < 0 && !gc->tell) { /* as in repair_if_dead() */
        warn("%s", step.text);
        r = 0;
    }
    err_note(&first, r, e, &step);
    return first;
}

static int note_name(const struct network *n, void *names)
{
    strv_add(names, n->name);
    return 0;
}

static bool is_listed(const char *network, void *names)
{
    return strv_has(*(strv *)names, network);
}

/* Removes the names of networks that do not exist any more. */
static int prune_names(struct engine *engine, int names, struct err *e)
{
    struct net *net;
    _cleanup_strv_ strv there = NULL;
    int r = engine_net(engine, &net, e);
    if (r == 0)
        r = network_each(net, note_name, &there, e);
    return r == 0 ? names_prune(names, is_listed, &there, e) : r;
}

static bool is_not(const char *network, void *gone)
{
    return !streq(network, gone);
}

int engine_forget_network(struct engine *engine, const char *network, struct err *e)
{
    int names;
    struct net *net = NULL;
    _cleanup_network_ struct network n = {0};
    _cleanup_free_ char *gone = xstrdup(network);
    int r = engine_names(engine, &names, e);
    if (r == 0)
        r = names_prune(names, is_not, gone, e);
    if (r == 0)
        r = engine_net(engine, &net, e);
    if (r == 0)
        r = network_load(net, network, &n, e);
    if (r == 0 && net_check(net, NULL) == 0)
        r = net_set_names_port(net, &n, 0, e);
    if (r == -ENOENT || r == -EBADMSG) { /* flushed, or damaged: network_remove() reports it */
        err_clear(e);
        r = 0;
    }
    return r;
}

/* The ids of everything that may own names, leases and links: containers, and sandboxes that others keep alive. */
static int live_ids(struct engine *engine, strv *ids, struct err *e)
{
    int r = store_live_ids(&engine->store, ids, e);
    return r == 0 ? sandboxes_ids(engine_sandboxes(engine), ids, e) : r;
}

/* Removes names of no container, and ends the helpers if no container runs. */
static int sweep_names(struct engine *engine, const struct gc *gc, struct err *e)
{
    int names = -1;
    _cleanup_strv_ strv ids = NULL;
    int r = live_ids(engine, &ids, e);
    if (r == 0 && gc->dry_run && (r = names_exist(engine->store.run_fd)) <= 0)
        return r < 0 ? err_set(e, r, "look for names") : 0;
    if (r >= 0)
        r = engine_names(engine, &names, e);
    if (r == 0)
        r = names_sweep(names, ids, gc, e);
    if (r == 0 && !gc->dry_run)
        r = prune_names(engine, names, e);
    if (r == 0 && !gc->dry_run)
        r = helpers_release(engine, e);
    return r;
}

/* Removes what the network half left in the kernel. Needs the ids of all running containers, to know what is in use. */
static int sweep_network(struct engine *engine, const struct gc *gc, struct err *e)
{
    struct net *net = NULL;
    int first = 0, r = engine_net(engine, &net, e);
    if (r < 0)
        return r;
    _cleanup_strv_ strv ids = NULL;
    _cleanup_err_ struct err step = ERR_INIT;
    err_note(&first, sandboxes_restore_leases(engine_sandboxes(engine), gc, &step), e, &step);
    r = live_ids(engine, &ids, &step);
    if (r == 0)
        r = net_sweep(net, ids, gc, &step);
    err_note(&first, r, e, &step);
    if (!gc->dry_run)
        err_note(&first, links_reap(net, &step), e, &step);
    /* Stale elements of the firewall are not searched for: it is rebuilt from the records. So are tables that are missing:
     * of sandboxes without a monitor, no process watches them. */
    int tables = gc->dry_run ? -1 : net_check(net, NULL);
    if (tables == 0 || (tables > 0 && ids && !net_is_outdated(net)))
        err_note(&first, sandboxes_reload_locked(engine_sandboxes(engine), &step), e, &step);
    return first;
}

static int sweep_sandboxes(struct engine *engine, const struct gc *gc, struct err *e)
{
    _cleanup_strv_ strv containers = NULL;
    int r = store_live_ids(&engine->store, &containers, e);
    return r == 0 ? sandboxes_sweep(engine_sandboxes(engine), containers, gc, e) : r;
}

int engine_gc_locked(struct engine *engine, const struct gc *gc, struct err *e)
{
    int first = 0;
    _cleanup_err_ struct err step = ERR_INIT;
    err_note(&first, engine_repair(engine, gc, &step), e, &step);
    err_note(&first, sweep_sandboxes(engine, gc, &step), e, &step);
    err_note(&first, sweep_names(engine, gc, &step), e, &step);
    err_note(&first,
             store_sweep(&engine->store, helpers_needed(engine) ? HELPERS : NULL, gc, &step), e,
             &step);
    err_note(&first, sweep_network(engine, gc, &step), e, &step);
    return first;
}

/* After store_claim_run_root(): RUN becomes this instance's once everything that it does not list is removed. If this is
 * killed in between, the next command repeats all of it. */
int engine_take_run_root(struct engine *engine, const struct gc *gc, struct err *e)
{
    int r = engine_gc_locked(engine, gc, e);
    return r == 0 && !gc->dry_run ? store_commit_run_root(&engine->store, e) : r;
}

struct telling {
    struct engine *engine;
    const struct gc *gc;
};

/* Passes a deed on to the caller, and emits its event. */
static void tell_deed(enum gc_deed deed, const char *what, void *arg)
{
    const struct telling *t = arg;
    const struct event event = {"system", deed == GC_REMOVE ? "prune" : "repair", NULL, what, NULL};
    t->gc->tell(deed, what, t->gc->arg);
    if (!t->gc->dry_run)
        event_emit(t->engine->store.run_fd, &event, NULL);
}

int engine_gc(struct engine *engine, const struct gc *caller, struct err *e)
{
    struct telling telling = {engine, caller};
    const struct gc told = {caller->dry_run, tell_deed, &telling};
    const struct gc *gc = caller->tell ? &told : caller;
    _cleanup_close_ int lock = helpers_store_lock(engine, e);
    int r = lock < 0 ? lock : store_claim_run_root(&engine->store, gc->dry_run, e);
    if (r == 0)
        r = engine_take_run_root(engine, gc, e);
    lock = close_fd(lock);
    if (r == 0 && !gc->dry_run)
        r = helpers_revive(engine, e);
    if (r < 0)
        engine_explain(engine, r, e);
    return r;
}

/* ---- damaged containers ----------------------------------------------------------------------*/

/* The holder of the lock is the monitor, whatever the records say. The container dies with it. */
static int end_monitor(struct engine *engine, const char *name, struct err *e)
{
    _cleanup_close_ int dir = store_live_dir(&engine->store, name);
    _cleanup_close_ int lock = dir < 0 ? -1 : openat(dir, "lock", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    pid_t pid = lock < 0 ? 0 : lock_holder(lock);
    _cleanup_close_ int monitor = pid > 0 ? pidfd_of(pid, proc_start_time(pid)) : -1;
    if (monitor >= 0 && lock_holder(lock) == pid)
        (void)pidfd_signal(monitor, SIGKILL);
    if (monitor >= 0 && pidfd_wait(monitor, 10000) < 0)
        return err_say(e, -ETIMEDOUT, "the monitor of container `%s` does not end", name);
    return 0;
}

int engine_remove_damaged(struct engine *engine, const char *name, struct err *e)
{
    if (!valid_name(name))
        return err_say(e, -ENOENT, "no such container `%s`", name);
    _cleanup_close_ int lock = store_lock(&engine->store, e);
    _cleanup_record_ struct record now = {0};
    _cleanup_err_ struct err why = ERR_INIT;
    int r = lock < 0 ? lock : store_find_named(&engine->store, name, &now, &why);
    if (lock >= 0 && r == -ENOENT) /* another command has removed it */
        return 0;
    if (lock >= 0 && r == 0) /* removed and created again */
        return err_say(e, -EBUSY, "container `%s` is not damaged any more", name);
    if (lock >= 0 && r != -EBADMSG)
        return err_set(e, r, "look for container `%s`", name);
    r = lock < 0 ? lock : end_monitor(engine, name, e);
    bool empty;
    if (r == 0 && find_dead(engine, name, &empty) == 0)
        r = repair_one(engine, name, empty, e);
    int lives = r == 0 ? file_exists_at(engine->store.live_fd, name) : 0;
    if (lives < 0)
        r = err_set(e, lives, "look for container `%s`", name);
    else if (lives)
        r = err_say(e, -EBUSY, "container `%s` is damaged and could not be ended", name);
    if (r == 0)
        r = container_remove(&engine->store, name, NULL, e);
    /* The damaged records did not show everything: what is left belongs to no container now. */
    if (r == 0)
        r = engine_gc_locked(engine, &gc_quietly, e);
    lock = close_fd(lock);
    store_empty_trash(&engine->store);
    return r;
}
