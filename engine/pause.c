/* pause, unpause: the kernel alone knows whether a container is frozen, so that no file can tell otherwise. */
#include "internal.h"

#include <errno.h>

bool engine_is_paused(const struct engine *engine, const struct record *r)
{
    return r->status == STATUS_RUNNING && container_is_frozen(&engine->store, &r->spec);
}

const char *engine_status_name(const struct engine *engine, const struct record *r)
{
    if (r->never_ran)
        return STATUS_CREATED;
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

static int look_again(struct engine *engine, const struct record *r, struct record *now,
                      struct err *e)
{
    int code = engine_find_again(engine, r, now, e);
    return code == 0 && now->status != STATUS_RUNNING ? engine_not_running(now, e) : code;
}

static bool was_asked(struct engine *engine, const struct record *now)
{
    _cleanup_free_ char *name = store_name_now(&engine->store, &now->spec);
    return container_was_asked(&engine->store, name);
}

/* No lock is held, because freezing may take seconds. A command that ends a container marks it before it thaws it. So
 * either it thaws after this has frozen, or this sees the new mark. An old mark says nothing: the program may have
 * survived a SIGTERM. */
static int freeze(struct engine *engine, const struct record *now, struct err *e)
{
    bool asked_before = was_asked(engine, now);
    int code = container_freeze(&engine->store, &now->spec, e);
    if (code < 0 || asked_before || !was_asked(engine, now))
        return code;
    (void)container_thaw(&engine->store, &now->spec, NULL);
    return err_say(e, -ESRCH, "the container is ending");
}

int engine_pause(struct engine *engine, const struct record *r, struct err *e)
{
    _cleanup_record_ struct record now = {0};
    int code = look_again(engine, r, &now, e);
    if (code == 0)
        code = freeze(engine, &now, e);
    if (code == 0)
        engine_event(engine, r, "pause", NULL);
    else
        err_wrap(e, "pause container `%s`", r->spec.name);
    return code;
}

int engine_unpause(struct engine *engine, const struct record *r, struct err *e)
{
    _cleanup_record_ struct record now = {0};
    int code = look_again(engine, r, &now, e);
    if (code == 0 && !engine_is_paused(engine, &now))
        return err_say(e, -EINVAL, "container `%s` is not paused", r->spec.name);
    if (code == 0)
        code = container_thaw(&engine->store, &now.spec, e);
    if (code == 0)
        engine_event(engine, r, "unpause", NULL);
    return code;
}
