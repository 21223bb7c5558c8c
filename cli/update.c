/* netctr update. */
#include "cli.h"

#include <errno.h>

static int update_one(struct engine *engine, const struct record *r, void *request, struct err *e)
{
    return engine_update(engine, r, request, e);
}

static int run(const struct cli *cli, int argc, char **argv, struct err *e)
{
    char *memory = NULL, *cpus = NULL, *pids = NULL, *restart = NULL;
    const struct option options[] = {
        {"memory", 'm', OPTION_TEXT, "SIZE", "memory limit (64m, 1.5g); 0: no limit", &memory},
        {"cpus", 0, OPTION_TEXT, "N", "processor time (0.5, 2); 0: no limit", &cpus},
        {"pids-limit", 0, OPTION_TEXT, "N", "number of processes and threads; 0: no limit", &pids},
        {"restart", 0, OPTION_TEXT, "POLICY",
         "when to run it again: no, on-failure[:N], always or unless-stopped", &restart},
        {0},
    };
    struct update_request request;
    int first = command_options(&command_update, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (!memory && !cpus && !pids && !restart)
        return err_say(e, -EINVAL, "usage: netctr update %s", command_update.usage);
    int r = update_parse(memory, cpus, pids, restart, &request, e);
    const struct each each = {.act = update_one, .arg = &request};
    return r < 0 ? r : each_named(cli, &command_update, argv + first, &each, e);
}

const struct command command_update = {
    .name = "update",
    .usage = "FLAGS NAME…",
    .summary = "Change limits and restart policies of containers, also while they run",
    .example = "netctr update -m 128m --cpus 1.5 web\nnetctr update --restart always web db",
    .run = run,
};
