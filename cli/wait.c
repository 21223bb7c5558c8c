/* netctr wait. */
#include "cli.h"

#include <errno.h>

static int wait_one(struct engine *engine, const struct record *r, void *arg, struct err *e)
{
    (void)arg;
    int status = 0;
    int code = engine_wait(engine, r, &status, e);
    if (code < 0)
        return code;
    printf("%d\n", status);
    return fflush(stdout) < 0 ? err_set(e, errno, "write to stdout") : 0;
}

static int run(const struct cli *cli, int argc, char **argv, struct err *e)
{
    const struct option options[] = {{0}};
    int first = command_options(&command_wait, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    const struct each each = {.act = wait_one, .prints = true};
    return each_named(cli, &command_wait, argv + first, &each, e);
}

const struct command command_wait = {
    .name = "wait",
    .usage = "NAME…",
    .summary = "Wait until containers have ended, and print their exit codes",
    .example = "netctr wait web\nnetctr wait web db",
    .run = run,
};
