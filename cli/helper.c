/* netctr helper: serves all containers. A monitor starts it (engine/pair.c); it is not meant for people. */
#include "cli.h"

static int helper(const struct cli *cli, int argc, char **argv, struct err *e)
{
    const struct option options[] = {{0}};
    int first = command_options(&command_helper, options, true, &argc, argv, e);
    return first <= 0 ? first : engine_help(cli->root, cli->run_root, e);
}

const struct command command_helper = {
    .name = "helper",
    .usage = "",
    .summary = "Look after all containers (netctr starts it itself)",
    .example = "netctr helper",
    .hidden = true,
    .run = helper,
};
