/* Removes dead sandboxes, and takes one off a network that no process serves. */
#include "sandbox.h"

#include <errno.h>

/* ---- the living, and the dead ----------------------------------------------------------------*/

static int add_id(struct sandbox_record *r, void *ids)
{
    strv_add(ids, r->id);
    return 0;
}

int sandboxes_ids(struct sandboxes *s, strv *ids, struct err *e)
{
    return sandbox_each(s, add_id, ids, e);
}

struct sweeping {
    struct sandboxes *all;
    char *const *owners;
    const struct gc *gc;
    struct err *e;
    int first;
};

/* A process was killed while it connected or disconnected one that lives. */
static int settle(struct sweeping *s, const struct sandbox_record *r)
{
    _cleanup_err_ struct err step = ERR_INIT;
    if (!apart_has_pending(r))
        return 0;
    _cleanup_close_ int change = apart_lock_changes(r->dir, false);
    if (change < 0)
        return 0; /* it is being changed */
    int code = s->gc->dry_run ? 0 : apart_settle(s->all, r, &step);
    if (code == 0)
        gc_tell(s->gc, GC_REMOVE, "half connected networks of sandbox %s", r->id);
    err_note(&s->first, code, s->e, &step);
    return 0;
}

static int sweep(struct sandbox_record *r, void *arg)
{
    struct sweeping *s = arg;
    _cleanup_err_ struct err step = ERR_INIT;
    const struct sandbox_leaving leaving = {
        .id = r->id, .name = r->name ? r->name : r->id, .member = r->id, .locked = true};
    bool apart = r->life != SANDBOX_MONITORED;
    if (apart && r->state == SANDBOX_LIVES)
        return settle(s, r);
    if (r->state != SANDBOX_DEAD || strv_has(s->owners, r->id))
        return 0;
    int code = s->gc->dry_run ? 0
               : apart        ? apart_remove(s->all, r->id, true, &step)
                              : sandboxes_leave(s->all, &leaving, &step);
    if (code == 0)
        gc_tell(s->gc, GC_REMOVE, "sandbox %s of container `%s`", r->id, leaving.name);
    err_note(&s->first, code, s->e, &step);
    return 0;
}

int sandboxes_sweep(struct sandboxes *s, char *const *owners, const struct gc *gc, struct err *e)
{
    struct sweeping sweeping = {.all = s, .owners = owners, .gc = gc, .e = e};
    int r = sandbox_each(s, sweep, &sweeping, e);
    if (r < 0)
        return r;
    _cleanup_err_ struct err step = ERR_INIT;
    err_note(&sweeping.first, apart_sweep_pins(s, gc, &step), e, &step);
    return sweeping.first;
}

/* ---- a network of one whose owner does not run -----------------------------------------------*/

int sandboxes_detach(struct sandboxes *s, const char *id, const char *network, struct err *e)
{
    struct net *net;
    struct sandbox_record r = {.dir = -1};
    int code = sandbox_find(s, id, &r, e);
    if (code == 0 && r.state != SANDBOX_LIVES)
        code = -ENOENT;
    if (code == 0)
        code = sandboxes_net(s, &net, e);
    for (size_t i = 0; code == 0 && i < r.endpoints.count; i++) {
        const struct endpoint *ep = &r.endpoints.items[i];
        if (!streq(ep->network, network))
            continue;
        code = endpoint_detach(net, ep, false, r.dir, e);
        if (code == 0)
            sandboxes_event(
                s, &(struct sandbox_event){
                       .what = "disconnect", .id = r.id, .name = ep->container, .endpoint = ep});
    }
    sandbox_record_clear(&r);
    return code == -ENOENT ? 0 : code;
}
