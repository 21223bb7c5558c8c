/* rename: of containers that do not run. The name of one that runs is also in the names of its networks, in its leases and in
 * what its monitor holds.
 */
#include "internal.h"

#include <errno.h>

static int check_name(const struct record *r, const char *name, struct err *e)
{
    if (!valid_name(name)) {
        err_say(e, -EINVAL, "invalid container name `%s`", name);
        err_hint(e, NAME_RULE);
        return -EINVAL;
    }
    return streq(r->spec.name, name) ? err_say(e, -EINVAL, "it has this name already") : 0;
}

/* Containers that share its network keep that alive, with its name. */
static int require_no_sharers(struct engine *engine, const struct record *r, struct err *e)
{
    _cleanup_sandbox_record_ struct sandbox_record sandbox = {.dir = -1};
    int code = sandbox_find(engine_sandboxes(engine), r->spec.id, &sandbox, e);
    if (code == 0 && sandbox.state == SANDBOX_LIVES)
        return err_say(e, -EBUSY, "other containers use its network");
    if (code == -ENOENT)
        err_clear(e);
    return code == -ENOENT ? 0 : code;
}

static int rename_locked(struct engine *engine, const struct record *r, const char *name,
                         struct err *e)
{
    _cleanup_record_ struct record now = {0};
    _cleanup_close_ int lock = store_lock(&engine->store, e);
    int code = lock < 0 ? lock : engine_find_locked(engine, r->spec.name, &now, e);
    if (code == 0 && !streq(now.spec.id, r->spec.id))
        code = err_say(e, -ENOENT, "no such container `%s`", r->spec.id);
    if (code == 0 && now.status != STATUS_EXITED) {
        code = err_say(e, -EBUSY, "it is %s", engine_status_name(engine, &now));
        err_hint(e, "`netctr stop %s` ends it first", r->spec.name);
    }
    if (code == 0)
        code = require_no_sharers(engine, &now, e);
    return code == 0 ? container_rename(&engine->store, &now.spec, name, e) : code;
}

int engine_rename(struct engine *engine, const struct record *r, const char *name, struct err *e)
{
    int code = check_name(r, name, e);
    if (code == 0)
        code = rename_locked(engine, r, name, e);
    if (code < 0) {
        err_wrap(e, "rename container `%s`", r->spec.name);
        return code;
    }
    const struct event event = {"container", "rename", r->spec.id, name, r->spec.labels};
    event_emit(engine->store.run_fd, &event,
               (const struct event_attribute[]){{"old_name", r->spec.name, 0}, {0}});
    return 0;
}
