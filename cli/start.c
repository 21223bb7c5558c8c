/* netctr start, restart, boot: running containers that have been created or have ended. */
#include "cli.h"

#include <errno.h>

static int start_one(struct engine *engine, const struct record *r, void *arg, struct err *e)
{
    (void)arg;
    return engine_start(engine, r, e);
}

static bool has_ended(const struct record *r)
{
    return r->status == STATUS_EXITED;
}

static int start_attached(const struct cli *cli, char **names, bool interactive, const char *keys,
                          struct err *e)
{
    _cleanup_engine_ struct engine engine = {0};
    _cleanup_record_ struct record r = {0};
    struct start_attached how = {.interactive = interactive};
    if (!names[0] || names[1])
        return err_say(e, -EINVAL, "--attach and --interactive start one container");
    int code = detach_keys_parse(keys, &how.keys, e);
    if (code == 0)
        code = cli_open_find(cli, names[0], &engine, &r, e);
    if (code == 0)
        code = check_terminal(r.spec.tty, r.spec.interactive && interactive, e);
    if (code == 0)
        code = engine_start_attached(&engine, &r, &how, e);
    if (code >= 0 && how.oom_killed)
        warn_oom_killed(r.spec.name, r.spec.limits.memory);
    return show_detached(code, r.spec.name);
}

static int start(const struct cli *cli, int argc, char **argv, struct err *e)
{
    bool attach = false, interactive = false, all = false;
    char *keys = NULL;
    const struct option options[] = {
        {"attach", 'a', OPTION_FLAG, NULL,
         "wait for its end, show its output, return its exit code", &attach},
        {"interactive", 'i', OPTION_FLAG, NULL,
         "the same, and pass stdin on (if it was made with -i)", &interactive},
        {"detach-keys", 0, OPTION_TEXT, "KEYS", DETACH_KEYS_HELP, &keys},
        {"all", 0, OPTION_FLAG, NULL, "start all containers that do not run", &all},
        {0},
    };
    int first = command_options(&command_start, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (attach || interactive)
        return all ? err_say(e, -EINVAL, "--attach and --all exclude each other")
                   : start_attached(cli, argv + first, interactive, keys, e);
    const struct each each = {
        .act = start_one, .owners_first = true, .all = all ? has_ended : NULL};
    return each_named(cli, &command_start, argv + first, &each, e);
}

const struct command command_start = {
    .name = "start",
    .usage = "[-a [-i]] NAME… | --all",
    .summary = "Run containers that have been created or have ended, in the background",
    .example = "netctr start web\nnetctr start -ai shell",
    .run = start,
};

/* ---- restart ---------------------------------------------------------------------------------*/

static int restart_one(struct engine *engine, const struct record *r, void *seconds, struct err *e)
{
    return engine_restart(engine, r, *(uint64_t *)seconds, e);
}

static int restart(const struct cli *cli, int argc, char **argv, struct err *e)
{
    char *time = NULL;
    const struct option options[] = {
        {"time", 't', OPTION_TEXT, "SECONDS",
         "time to end before the container is killed (default: its --stop-timeout; -1: no limit)",
         &time},
        {0},
    };
    uint64_t seconds = STOP_AS_DEFINED;
    int first = command_options(&command_restart, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (patience_parse(time, &seconds, e) < 0)
        return -EINVAL;
    const struct each each = {.act = restart_one, .arg = &seconds, .owners_first = true};
    return each_named(cli, &command_restart, argv + first, &each, e);
}

const struct command command_restart = {
    .name = "restart",
    .usage = "[-t SECONDS] NAME…",
    .summary = "Stop containers and start them again",
    .example = "netctr restart -t 2 web\nnetctr restart web db",
    .risky = true,
    .run = restart,
};

/* ---- boot ------------------------------------------------------------------------------------*/

struct booting {
    int result;
    struct err *e;
};

static void show_booted(const char *name, int code, const char *waits, struct err *why, void *arg)
{
    struct booting *b = arg;
    first_error(&b->result, code, b->e, why);
    if (code == 0 && waits)
        warn("container `%s` does not run yet: %s; its monitor tries again", name, waits);
    else if (code == 0)
        printf("%s\n", name);
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
    struct booting b = {.e = e};
    int r = engine_open_to_clean(cli->root, cli->run_root, false, &engine, e);
    if (r == 0)
        r = engine_boot(&engine, show_booted, &b, e);
    return r < 0 ? r : b.result;
}

const struct command command_boot = {
    .name = "boot",
    .usage = "",
    .summary = "After a reboot, start the containers that have a restart policy",
    .example = "netctr boot\nnetctr boot && netctr ps",
    .run = boot,
};
