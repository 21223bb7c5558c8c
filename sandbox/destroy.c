/* Destroys sandboxes that no process serves (apart.c).
 *
 * First the record says that it ends; then go ports, links, leases and names, the pin, and last the directory. As soon as
 * the record says so it is dead, and sandboxes_sweep() goes on if this is killed.
 */
#include "sandbox.h"

#include <errno.h>

static int unpin(struct sandboxes *s, const char *id, struct err *e)
{
    struct pins *pins;
    int r = sandboxes_pins(s, &pins, e);
    return r == 0 ? pins_remove(pins, id, e) : r;
}

struct pin_sweep {
    struct sandboxes *all;
    const struct gc *gc;
    struct err *e;
    int first;
};

/* A sandbox is recorded before its pin is made. */
static int sweep_pin(const char *name, int netns, void *arg)
{
    struct pin_sweep *s = arg;
    struct sandbox_record r = {.dir = -1};
    _cleanup_err_ struct err step = ERR_INIT;
    (void)netns;
    int code = sandbox_find(s->all, name, &r, &step);
    sandbox_record_clear(&r);
    if (code == 0) /* sandboxes_sweep() has looked at it */
        return 0;
    if (code == -ENOENT)
        code = s->gc->dry_run ? 0 : unpin(s->all, name, &step);
    if (code == 0)
        gc_tell(s->gc, GC_REMOVE, "pinned network namespace %s", name);
    err_note(&s->first, code, s->e, &step);
    return 0;
}

int apart_sweep_pins(struct sandboxes *s, const struct gc *gc, struct err *e)
{
    struct pins *pins;
    struct pin_sweep sweep = {s, gc, e, 0};
    _cleanup_err_ struct err step = ERR_INIT;
    int there = s->run_fd < 0 ? 0 : file_exists_at(s->run_fd, "pins");
    if (there <= 0)
        return there;
    int r = sandboxes_pins(s, &pins, e);
    if (r == 0)
        r = pins_each(pins, sweep_pin, &sweep, e);
    if (r == 0 && !gc->dry_run)
        err_note(&sweep.first, pins_tidy(pins, &step), e, &step);
    return r < 0 ? r : sweep.first;
}

/* A reload holds the instance lock from reading the records to committing the rules. It skips a sandbox whose lock is held
 * exclusively, so that elements which are deleted later do not come back. */
static int take_exclusively(struct sandboxes *s, const struct sandbox_record *r, bool locked,
                            struct err *e)
{
    _cleanup_close_ int instance = locked ? -1 : sandboxes_lock(s, e);
    if (!locked && instance < 0)
        return instance;
    _cleanup_close_ int life = life_open(r->dir, true);
    int code = life < 0 ? life : life_take(life, F_WRLCK);
    if (code == -EWOULDBLOCK)
        return err_say(e, -EBUSY, "sandbox %s is in use", r->id);
    return code < 0 ? err_set(e, code, "lock sandbox %s", r->id) : take_fd(life);
}

static int take_apart(struct sandboxes *s, struct sandbox_record *r, bool locked, struct err *e)
{
    _cleanup_close_ int life = take_exclusively(s, r, locked, e);
    const struct ending x = {.all = s,
                             .id = r->id,
                             .name = r->name ? r->name : r->id,
                             .dir = r->dir,
                             .expected = r->damaged,
                             .locked = locked};
    int code = life < 0 ? life : record_note_end(r, e);
    if (code == 0)
        code = take_down(&x, e);
    if (code == 0)
        code = unpin(s, r->id, e);
    if (code == 0)
        code = claims_remove_all(s, r->dir, r->id, e);
    return code == 0 ? remove_sandbox(s, r->id, e) : code;
}

int apart_remove(struct sandboxes *s, const char *id, bool locked, struct err *e)
{
    struct sandbox_record r = {.dir = -1};
    int code = sandbox_find(s, id, &r, e);
    if (code == -ENOENT)
        return unpin(s, id, e);
    if (code == 0)
        code = take_apart(s, &r, locked, e);
    sandbox_record_clear(&r);
    return code;
}

int sandbox_destroy(struct sandboxes *all, const char *id, struct err *e)
{
    struct sandbox_record r = {.dir = -1};
    if (!valid_name(id))
        return apart_no_such(id, e);
    int code = sandbox_find(all, id, &r, e);
    if (code == 0 && r.life == SANDBOX_MONITORED && r.state == SANDBOX_LIVES)
        code = err_say(e, -EBUSY, "sandbox %s belongs to the monitor of container `%s`", id,
                       r.name ? r.name : id);
    _cleanup_close_ int change = code == 0 ? apart_lock_changes(r.dir, true) : -1;
    if (code == 0 && change < 0 && change != -ENOENT)
        code = err_set(e, change, "lock sandbox %s", id);
    sandbox_record_clear(&r);
    return code == 0 || code == -ENOENT ? apart_remove(all, id, false, e) : code;
}
