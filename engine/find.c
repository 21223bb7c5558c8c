/* Finds containers. What a killed monitor has left is cleaned up by the command that meets it: before the container is
 * shown, changed, started or removed. So no command has to look at all containers first.
 */
#include "helpers.h"
#include "internal.h"

#include <errno.h>

/* Under the lock a living container has a state that names its monitor. */
static bool may_be_dead(const struct record *r)
{
    return r->status == STATUS_DEAD || (r->status == STATUS_CREATING && !r->monitor);
}

/* The last monitor may have been killed before it ended the helpers. */
static void release_helpers(struct engine *engine)
{
    _cleanup_err_ struct err why = ERR_INIT;
    if (helpers_release(engine, &why) < 0)
        warn("%s", why.text);
}

/* If that fails, as on a full disk, *@r stays a dead one and the command goes on. */
static int clear_found(struct engine *engine, struct record *r, struct err *e)
{
    _cleanup_err_ struct err why = ERR_INIT;
    _cleanup_free_ char *name = xstrdup(r->spec.name);
    int code = engine_clear_if_dead(engine, name, &why);
    if (code < 0)
        warn("%s", why.text);
    if (code <= 0)
        return 0;
    release_helpers(engine);
    record_clear(r);
    return store_find_named(&engine->store, name, r, e);
}

int engine_find_locked(struct engine *engine, const char *name, struct record *out, struct err *e)
{
    int r = store_find_named(&engine->store, name, out, e);
    return r == 0 && may_be_dead(out) ? clear_found(engine, out, e) : r;
}

/* Unlocks. @r: what looking for *@out has returned. */
static int finish(struct engine *engine, int lock, int r, struct record *out, struct err *e)
{
    bool dead = r == 0 && may_be_dead(out);
    if (dead)
        r = clear_found(engine, out, e);
    close_fd(lock);
    if (dead)
        store_empty_trash(&engine->store);
    return r;
}

int engine_find(struct engine *engine, const char *name, struct record *out, struct err *e)
{
    *out = (struct record){0};
    int lock = helpers_store_lock(engine, e);
    int r = lock < 0 ? lock : store_find(&engine->store, name, out, e);
    return finish(engine, lock, r, out, e);
}

/* ---- once more -------------------------------------------------------------------------------*/

static int find_again(struct engine *engine, const struct record *r, struct record *out,
                      struct err *e)
{
    _cleanup_free_ char *name = store_name_now(&engine->store, &r->spec);
    int code = store_find_named(&engine->store, name, out, e);
    if (code < 0 || streq(out->spec.id, r->spec.id))
        return code;
    record_clear(out);
    return err_say(e, -ENOENT, "no such container `%s`", r->spec.id);
}

int engine_find_again_locked(struct engine *engine, const struct record *r, struct record *out,
                             struct err *e)
{
    int code = find_again(engine, r, out, e);
    return code == 0 && may_be_dead(out) ? clear_found(engine, out, e) : code;
}

int engine_find_again(struct engine *engine, const struct record *r, struct record *out,
                      struct err *e)
{
    *out = (struct record){0};
    int lock = helpers_store_lock(engine, e);
    int code = lock < 0 ? lock : find_again(engine, r, out, e);
    return finish(engine, lock, code, out, e);
}

/* ---- all -------------------------------------------------------------------------------------*/

struct walk {
    struct engine *engine;
    int (*each)(const struct record *r, void *arg);
    void *arg;
    struct err *e;
};

static int visit(const struct record *r, void *arg)
{
    struct walk *w = arg;
    _cleanup_record_ struct record now = {0};
    if (!may_be_dead(r))
        return w->each(r, w->arg);
    int code = engine_find_locked(w->engine, r->spec.name, &now, w->e);
    if (code == 0)
        return w->each(&now, w->arg);
    if (code == -ENOENT || code == -EBADMSG) { /* gone, with --rm; or damaged */
        err_clear(w->e);
        code = 0;
    }
    return code;
}

/* Run directories without a definition: no list of containers has them. */
static void clear_undefined(struct engine *engine)
{
    int listed = 0;
    bool any = false, none = true;
    _cleanup_dir_ DIR *d = open_listing(engine->store.live_fd, ".");
    for (struct dirent *entry; d && (entry = next_entry(d, &listed));) {
        _cleanup_err_ struct err why = ERR_INIT;
        if (!valid_name(entry->d_name))
            continue;
        none = false;
        if (file_exists_at(engine->store.defined_fd, entry->d_name) != 0)
            continue;
        int r = engine_clear_if_dead(engine, entry->d_name, &why);
        any = any || r > 0;
        if (r < 0)
            warn("%s", why.text);
    }
    if (d && listed == 0 && (any || none))
        release_helpers(engine);
}

int engine_each(struct engine *engine, int (*each)(const struct record *r, void *arg), void *arg,
                struct err *e)
{
    struct walk w = {engine, each, arg, e};
    int lock = helpers_store_lock(engine, e);
    if (lock < 0)
        return lock;
    clear_undefined(engine);
    int r = store_each(&engine->store, visit, &w, e);
    close_fd(lock);
    return r;
}
