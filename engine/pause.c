/* pause, unpause: the kernel alone knows whether a container is frozen, so that no file can tell otherwise. */
#include "internal.h"

#include <errno.h>

bool engine_is_paused(const struct engine *engine, const struct record *r)
{
    return r->status == STATUS_RUNNING && container_is_frozen(&engine->store, &r->spec);
}

const char *engine_status_name(const struct engine *engine, const struct record *r)
{
    return engine_is_paused(engine, r) ? STATUS_PAUSED : status_name(r->status);
}

int engine_refuse_paused(const struct engine *engine, const struct record *r, struct err *e)
{
    if (!engine_is_paused(engine, r))
        return 0;
    err_say(e, -EBUSY, "container `%s` is paused", r->spec.name);
    err_hint(e, "`netctr unpause %s` lets it go on", r->spec.name);
    return -EBUSY;
}

/* The store is locked, so that the container is not asked to end between the look and the deed: what ends it thaws it
 * after it has had the lock. */
static int change(struct engine *engine, const struct record *r, bool freeze, struct err *e)
{
    _cleanup_record_ struct record now = {0};
    _cleanup_close_ int lock = store_lock(&engine->store, e);
    int code = lock < 0 ? lock : engine_find_locked(engine, r->spec.name, &now, e);
    if (code == 0 && !streq(now.spec.id, r->spec.id))
        return err_say(e, -ENOENT, "no such container `%s`", r->spec.id);
    if (code == 0 && now.status != STATUS_RUNNING)
        return engine_not_running(&now, e);
    if (code == 0 && freeze)
        return container_freeze(&engine->store, &now.spec, e);
    if (code == 0 && !engine_is_paused(engine, &now))
        return err_say(e, -EINVAL, "container `%s` is not paused", r->spec.name);
    return code == 0 ? container_thaw(&engine->store, &now.spec, e) : code;
}

int engine_pause(struct engine *engine, const struct record *r, struct err *e)
{
    int code = change(engine, r, true, e);
    if (code == 0)
        engine_event(engine, r, "pause", NULL);
    else
        err_wrap(e, "pause container `%s`", r->spec.name);
    return code;
}

int engine_unpause(struct engine *engine, const struct record *r, struct err *e)
{
    int code = change(engine, r, false, e);
    if (code == 0)
        engine_event(engine, r, "unpause", NULL);
    return code;
}
