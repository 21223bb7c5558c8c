/* netctr relay: delays what the links of a lab carry. Only labs start it (lab/relay.c). */
#include "cli.h"

#include <netctr/lab.h>

static int relay(const struct cli *cli, int argc, char **argv, struct err *e)
{
    const struct option options[] = {{0}};
    int first = command_options(&command_relay, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    return lab_relay(cli->root, cli->run_root, first < argc ? argv[first] : "", e);
}

const struct command command_relay = {
    .name = "relay",
    .usage = "LAB",
    .summary = "Delay what the links of a lab carry (only netctr itself starts this)",
    .example = "netctr relay",
    .hidden = true,
    .run = relay,
};
