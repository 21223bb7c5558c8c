/* What every command stands on: the store, and the network's side of it, opened when first needed. */
#include <netctr/life.h>

#include <errno.h>
#include <netctr/names.h>
#include <string.h>

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

int world_not_running(const struct record *r, struct err *e)
{
    const char *name = r->spec.name;
    _cleanup_free_ char *ago = time_ago(r->finished);
    if (r->status == STATUS_RESTARTING)
        return err_say(e, -ESRCH, "container `%s` is not running (restarting%s%s)", name,
                       r->failure ? ": " : "", r->failure ? r->failure : "");
    if (r->lost)
        return err_say(e, -ESRCH, "container `%s` is not running (lost with the host)", name);
    if (r->status != STATUS_EXITED)
        return err_say(e, -ESRCH, "container `%s` is not running", name);
    err_say(e, -ESRCH, "container `%s` is not running (exited %d%s%s%s)", name, r->exit_status,
            *ago ? ", " : "", ago, *ago ? " ago" : "");
    return r->spec.log.driver == LOG_NONE
               ? -ESRCH
               : err_hint(e, "`netctr logs %s` shows what it wrote", name);
}

int world_ask_end(struct world *w, const struct record *r, enum mark mark, struct record *now,
                  struct err *e)
{
    _cleanup_close_ int lock = store_lock(&w->store, e);
    int code = lock < 0 ? lock : store_find(&w->store, r->spec.name, now, e);
    if (code == 0 && !streq(now->spec.id, r->spec.id))
        code = err_say(e, -ENOENT, "no such container `%s`", r->spec.id);
    return code == 0 ? container_ask_end(&w->store, r->spec.name, mark, e) : code;
}
