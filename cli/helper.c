/* netctr helper: serves all containers. Only monitors start it (engine/pair.c). */
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
    .summary = "Serve all containers (only netctr itself starts this)",
    .example = "netctr helper",
    .hidden = true,
    .run = helper,
};
