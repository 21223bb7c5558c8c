/* Running a container again that has ended: start, restart, boot.
 *
 * Others may start, stop or change the same container at the same time. The claim in engine_run() decides; what has been
 * lost to another command is read again here.
 */
#include "internal.h"

#include <errno.h>

/* How one start is to be done, and what came of it. */
struct attempt {
    bool patient;                    /* the monitor tries again if the container cannot start … */
    bool at_boot;                    /* … which is a success then */
    char *waits;                     /* at_boot: why it does not run yet */
    struct start_attached *attached; /* NULL: in the background */
};

static int does_not_run_yet(struct attempt *a, const char *why, struct err *e)
{
    if (!a->at_boot)
        return err_say(e, -ESRCH, "it does not run yet: %s; its monitor tries again", why);
    free(a->waits);
    a->waits = xstrdup(why);
    return 0;
}

static int start_ended(struct engine *engine, const struct record *r, struct attempt *a,
                       struct err *e)
{
    _cleanup_run_request_ struct run_request request = {.existing = true, .patient = a->patient};
    _cleanup_json_ json_t *j = spec_to_json(&r->spec);
    int code = spec_from_json(j, &request.spec, e);
    request.spec.detached = !a->attached;
    request.without_stdin = a->attached && !a->attached->interactive;
    if (a->attached)
        request.keys = a->attached->keys;
    if (code == 0)
        code = a->attached ? engine_run_attached(engine, &request, e)
                           : engine_run_detached(engine, &request, e);
    if (code >= 0 && a->attached) {
        a->attached->oom_killed = request.oom_killed;
        a->attached->status = code;
        return 0;
    }
    return code == 0 && request.waits ? does_not_run_yet(a, request.waits, e) : code;
}

/* Another command has started it: then it runs, as asked for, or waits. @code is what our own start failed with. */
static int lives_by_now(struct engine *engine, const struct record *r, struct attempt *a, int code,
                        struct err *e)
{
    _cleanup_record_ struct record now = {0};
    if (engine_find_again(engine, r, &now, NULL) < 0 || now.status == STATUS_EXITED ||
        now.status == STATUS_DEAD)
        return code;
    err_clear(e);
    return now.failure ? does_not_run_yet(a, now.failure, e) : 0;
}

/* What was missing may exist by now. A new monitor replaces the one that waits: it tries at once,
 * and again if necessary. */
static int start_waiting(struct engine *engine, const struct record *r, struct attempt *a,
                         struct err *e)
{
    _cleanup_record_ struct record now = {0};
    if (a->at_boot)
        return does_not_run_yet(a, r->failure, e);
    int code = engine_stop(engine, r, MARK_UNTIL_BOOT, 0, e);
    if (code == 0)
        code = engine_find_again(engine, r, &now, e);
    if (code < 0 || now.status != STATUS_EXITED)
        return code;
    a->patient = true;
    return start_ended(engine, &now, a, e);
}

static int start(struct engine *engine, const struct record *r, struct attempt *a, struct err *e)
{
    enum { TRIES_MAX = 20 };
    _cleanup_record_ struct record now = {0};
    const struct record *ended = r;
    int code = 0;
    if (r->status == STATUS_DEAD) {
        code = engine_clear_dead(engine, r, &now, e);
        ended = &now;
    }
    if (code == 0 && ended->status == STATUS_EXITED)
        code = start_ended(engine, ended, a, e);
    else if (code == 0 && ended->failure)
        code = start_waiting(engine, ended, a, e);
    /* Its definition has been changed since we read it, by `network connect` for example. */
    for (int tries = 0; code == -ESTALE && tries < TRIES_MAX; tries++) {
        record_clear(&now);
        err_clear(e);
        code = engine_find_again(engine, r, &now, e);
        if (code == 0 && now.status == STATUS_EXITED)
            code = start_ended(engine, &now, a, e);
    }
    if (code == -EBUSY && !a->attached)
        code = lives_by_now(engine, r, a, code, e);
    if (code < 0)
        err_wrap(e, "start container `%s`", r->spec.name);
    return code;
}

int engine_start(struct engine *engine, const struct record *r, struct err *e)
{
    struct attempt a = {0};
    return start(engine, r, &a, e);
}

int engine_start_attached(struct engine *engine, const struct record *r, struct start_attached *how,
                          struct err *e)
{
    struct attempt a = {.attached = how};
    if (r->status != STATUS_EXITED && r->status != STATUS_DEAD) {
        err_say(e, -EBUSY, "container `%s` is %s already", r->spec.name,
                engine_status_name(engine, r));
        err_hint(e, "`netctr attach %s` shows its output from now on", r->spec.name);
        return -EBUSY;
    }
    int code = start(engine, r, &a, e);
    return code < 0 ? code : how->status;
}

int engine_restart(struct engine *engine, const struct record *r, uint64_t seconds, struct err *e)
{
    _cleanup_record_ struct record now = {0};
    bool ended = r->status == STATUS_EXITED || r->status == STATUS_DEAD;
    /* A caller whose resource limits forbid the start must not stop it either. */
    int code = ended ? 0 : caller_reset(e);
    if (code < 0) {
        err_wrap(e, "restart container `%s`", r->spec.name);
        return code;
    }
    if (!ended)
        code = engine_require_restart(engine, r, e);
    if (code == 0 && !ended)
        code = engine_stop(engine, r, MARK_END_ASKED, seconds, e);
    if (code == 0)
        code = engine_find_again(engine, r, &now, e);
    if (code == 0)
        code = engine_start(engine, &now, e);
    if (code == 0)
        engine_event(engine, &now, "restart", NULL);
    return code;
}

/* ---- boot ------------------------------------------------------------------------------------*/

static bool starts_at_boot(const struct record *r)
{
    enum restart_policy policy = r->spec.restart.policy;
    return (r->status == STATUS_EXITED || r->status == STATUS_DEAD) && !r->never_ran &&
           (policy == RESTART_ALWAYS || (policy == RESTART_UNLESS_STOPPED && !r->asked));
}

static int add_name(const struct record *r, void *names)
{
    if (starts_at_boot(r))
        strv_add(names, r->spec.name);
    return 0;
}

static void boot_one(struct engine *engine, const struct record *r, engine_booted done, void *arg)
{
    struct attempt a = {.patient = true, .at_boot = true};
    _cleanup_err_ struct err why = ERR_INIT;
    int code = start(engine, r, &a, &why);
    done(r->spec.name, code, a.waits, &why, arg);
    free(a.waits);
}

int engine_boot(struct engine *engine, engine_booted done, void *arg, struct err *e)
{
    _cleanup_strv_ strv names = NULL;
    int r = engine_gc(engine, &gc_quietly, e);
    if (r == 0)
        r = engine_each(engine, add_name, &names, e);
    if (r < 0)
        return r;
    size_t count = 0;
    _cleanup_free_ struct record *all = xcalloc(strv_len(names) + 1, sizeof(*all));
    strv_each (name, names) {
        _cleanup_err_ struct err why = ERR_INIT;
        int found = engine_find(engine, name, &all[count++], &why);
        if (found < 0)
            done(name, found, NULL, &why, arg);
    }
    _cleanup_free_ size_t *order = owners_first(all, count);
    for (size_t i = 0; i < count; i++)
        if (all[order[i]].spec.name)
            boot_one(engine, &all[order[i]], done, arg);
    for (size_t i = 0; i < count; i++)
        record_clear(&all[i]);
    return 0;
}
