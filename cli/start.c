/* netctr start, restart, boot: a new life for containers that have ended. */
#include "cli.h"

#include <errno.h>

/* One whose monitor tries again. That is what `boot` asks for, and not what `start` does. */
static int does_not_run_yet(const char *name, const char *why, bool at_boot, struct err *e)
{
    if (!at_boot)
        return err_say(e, -ESRCH, "it does not run yet: %s; its monitor tries again", why);
    warn("container `%s` does not run yet: %s; its monitor tries again", name, why);
    return 1;
}

/* Returns 1 if it does not run yet and its monitor waits: if it may, @patient. */
static int start_ended(struct engine *engine, const struct record *r, bool patient, bool at_boot,
                       struct err *e)
{
    struct run_request request = {.existing = true, .patient = patient};
    _cleanup_json_ json_t *j = spec_to_json(&r->spec);
    int code = spec_from_json(j, &request.spec, e);
    request.spec.detached = true;
    if (code == 0)
        code = engine_run_detached(engine, &request, e);
    if (code == 0 && request.waits)
        code = does_not_run_yet(r->spec.name, request.waits, at_boot, e);
    free(request.waits);
    spec_clear(&request.spec);
    port_mappings_clear(&request.port_mappings);
    return code;
}

/* Somebody else was faster: it does what was asked for, or waits. @code is what the start has failed with. */
static int lives_by_now(struct engine *engine, const struct record *r, bool patient, int code,
                        struct err *e)
{
    _cleanup_record_ struct record now = {0};
    if (engine_find(engine, r->spec.name, &now, NULL) < 0 || !streq(now.spec.id, r->spec.id) ||
        now.status == STATUS_EXITED || now.status == STATUS_DEAD)
        return code;
    err_clear(e);
    return now.failure ? does_not_run_yet(now.spec.name, now.failure, patient, e) : 0;
}

/* What was missing may be there by now. Another monitor takes the place of the one that waits: it tries at once, and
 * again if need be. */
static int start_waiting(struct engine *engine, const struct record *r, struct err *e)
{
    _cleanup_record_ struct record now = {0};
    int code = engine_stop(engine, r, MARK_UNTIL_BOOT, 0, e);
    if (code == 0)
        code = engine_find(engine, r->spec.name, &now, e);
    if (code < 0 || now.status != STATUS_EXITED)
        return code;
    return start_ended(engine, &now, true, false, e);
}

static int start_record(struct engine *engine, const struct record *r, bool patient, struct err *e)
{
    _cleanup_record_ struct record now = {0};
    int code = 0;
    if (r->status == STATUS_DEAD)
        code = engine_clear_dead(engine, r, &now, e);
    const struct record *ended = r->status == STATUS_DEAD ? &now : r;
    if (code == 0 && ended->status == STATUS_EXITED)
        code = start_ended(engine, ended, patient, patient, e);
    else if (code == 0 && ended->failure)
        code = patient ? does_not_run_yet(r->spec.name, ended->failure, true, e)
                       : start_waiting(engine, ended, e);
    /* Its networks have just been changed. */
    for (int tries = 0; code == -ESTALE && tries < 20; tries++) {
        record_clear(&now);
        err_clear(e);
        code = engine_find(engine, r->spec.name, &now, e);
        if (code == 0 && now.status == STATUS_EXITED)
            code = start_ended(engine, &now, patient, patient, e);
    }
    if (code == -EBUSY)
        code = lives_by_now(engine, r, patient, code, e);
    return code < 0 ? err_wrap(e, "start container `%s`", r->spec.name) : code;
}

static int start_one(struct engine *engine, const struct record *r, void *arg, struct err *e)
{
    (void)arg;
    return start_record(engine, r, false, e);
}

static int start(const struct cli *cli, int argc, char **argv, struct err *e)
{
    const struct option options[] = {{0}};
    int first = command_options(&command_start, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    const struct each each = {.act = start_one, .owners_first = true};
    return each_named(cli, &command_start, argv + first, &each, e);
}

const struct command command_start = {
    .name = "start",
    .usage = "NAME…",
    .summary = "Run containers that have ended again, in the background",
    .example = "netctr start web",
    .run = start,
};

/* ---- restart ---------------------------------------------------------------------------------*/

static int restart_one(struct engine *engine, const struct record *r, void *seconds, struct err *e)
{
    _cleanup_record_ struct record now = {0};
    bool ended = r->status == STATUS_EXITED || r->status == STATUS_DEAD;
    /* A caller that cannot start it does not stop it either. */
    int code = ended ? 0 : caller_reset(e);
    if (code < 0)
        return err_wrap(e, "restart container `%s`", r->spec.name);
    if (!ended)
        code = engine_stop(engine, r, MARK_END_ASKED, *(uint64_t *)seconds, e);
    if (code == 0)
        code = engine_find(engine, r->spec.name, &now, e);
    if (code == 0)
        code = start_one(engine, &now, NULL, e);
    if (code == 0)
        engine_event(engine, &now, "restart", NULL);
    return code;
}

static int restart(const struct cli *cli, int argc, char **argv, struct err *e)
{
    char *time = NULL;
    const struct option options[] = {
        {"time", 't', OPTION_TEXT, "SECONDS",
         "wait so long for the container to end, then kill it (default: 10; -1: never)", &time},
        {0},
    };
    uint64_t seconds = 10;
    int first = command_options(&command_restart, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (patience_parse(time, &seconds, e) < 0)
        return -EINVAL;
    const struct each each = {
        .act = restart_one, .after = warn_sharers, .arg = &seconds, .owners_first = true};
    return each_named(cli, &command_restart, argv + first, &each, e);
}

const struct command command_restart = {
    .name = "restart",
    .usage = "[-t SECONDS] NAME…",
    .summary = "Stop containers and start them again",
    .example = "netctr restart -t 2 web",
    .risky = true,
    .run = restart,
};

/* ---- boot ------------------------------------------------------------------------------------*/

static bool starts_at_boot(const struct record *r)
{
    enum restart_policy policy = r->spec.restart.policy;
    return (r->status == STATUS_EXITED || r->status == STATUS_DEAD) &&
           (policy == RESTART_ALWAYS || (policy == RESTART_UNLESS_STOPPED && !r->asked));
}

static int boot_one(struct engine *engine, const struct record *r, void *arg, struct err *e)
{
    (void)arg;
    return start_record(engine, r, true, e);
}

static int boot(const struct cli *cli, int argc, char **argv, struct err *e)
{
    const struct option options[] = {{0}};
    int first = command_options(&command_boot, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (first < argc)
        return err_say(e, -EINVAL, "`boot` takes no names");
    _cleanup_engine_ struct engine engine = {0};
    int r = store_open(cli->root, cli->run_root, &engine.store, e);
    if (r == 0)
        r = engine_gc(&engine, &gc_quietly, e);
    const struct each each = {.act = boot_one, .all = starts_at_boot, .owners_first = true};
    return r == 0 ? each_chosen(&engine, &each, e) : r;
}

const struct command command_boot = {
    .name = "boot",
    .usage = "",
    .summary = "After a reboot: start the containers with --restart always or unless-stopped",
    .example = "netctr boot",
    .run = boot,
};
