/* Copying files into a container and out of it, whether it runs or not. */
#include "internal.h"

#include <errno.h>

int engine_copy(struct engine *engine, const struct record *r, const struct copy_request *request,
                struct err *e)
{
    _cleanup_record_ struct record now = {0};
    const struct record *found = r;
    int code = 0;
    if (r->status == STATUS_CREATING)
        code = engine_settle(engine, r, false, &now, e);
    else if (r->status == STATUS_DEAD)
        code = engine_clear_dead(engine, r, &now, e);
    if (now.spec.name)
        found = &now;
    if (code < 0)
        return code;
    if (found->status != STATUS_RUNNING && found->status != STATUS_EXITED)
        return err_say(e, -EBUSY,
                       "container `%s` is %s: its files can be copied while it runs, or "
                       "when it has ended",
                       found->spec.name, status_name(found->status));
    return container_copy(&engine->store, found, request, e);
}
