/* netctr start, restart, boot: running containers again that have ended. */
#include "cli.h"

#include <errno.h>

static int start_one(struct engine *engine, const struct record *r, void *arg, struct err *e)
{
    (void)arg;
    return engine_start(engine, r, e);
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
    return engine_restart(engine, r, *(uint64_t *)seconds, e);
}

static int restart(const struct cli *cli, int argc, char **argv, struct err *e)
{
    char *time = NULL;
    const struct option options[] = {
        {"time", 't', OPTION_TEXT, "SECONDS",
         "time to end before the container is killed (default: 10; -1: no limit)", &time},
        {0},
    };
    uint64_t seconds = 10;
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
    .example = "netctr restart -t 2 web",
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
    .summary = "After a reboot, start the containers with --restart always or unless-stopped",
    .example = "netctr boot",
    .run = boot,
};
