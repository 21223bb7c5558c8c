/* netctr pause, unpause. */
#include "cli.h"

static int pause_one(struct engine *engine, const struct record *r, void *arg, struct err *e)
{
    (void)arg;
    return engine_pause(engine, r, e);
}

static int pause_command(const struct cli *cli, int argc, char **argv, struct err *e)
{
    const struct option options[] = {{0}};
    const struct each each = {.act = pause_one};
    int first = command_options(&command_pause, options, true, &argc, argv, e);
    return first <= 0 ? first : each_named(cli, &command_pause, argv + first, &each, e);
}

const struct command command_pause = {
    .name = "pause",
    .usage = "NAME…",
    .summary = "Freeze all processes of containers",
    .example = "netctr pause web\nnetctr pause web db",
    .risky = true,
    .run = pause_command,
};

static int unpause_one(struct engine *engine, const struct record *r, void *arg, struct err *e)
{
    (void)arg;
    return engine_unpause(engine, r, e);
}

static int unpause_command(const struct cli *cli, int argc, char **argv, struct err *e)
{
    const struct option options[] = {{0}};
    const struct each each = {.act = unpause_one};
    int first = command_options(&command_unpause, options, true, &argc, argv, e);
    return first <= 0 ? first : each_named(cli, &command_unpause, argv + first, &each, e);
}

const struct command command_unpause = {
    .name = "unpause",
    .usage = "NAME…",
    .summary = "Let containers go on that were paused",
    .example = "netctr unpause web\nnetctr unpause web db",
    .run = unpause_command,
};
