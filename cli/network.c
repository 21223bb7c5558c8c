/* netctr network: finds the subcommand. netctr network reload. */
#include "network.h"

#include <errno.h>

static int reload(const struct cli *cli, const struct command *command, int argc, char **argv,
                  struct err *e)
{
    const struct option options[] = {{0}};
    int first = command_options(command, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (first < argc)
        return err_say(e, -EINVAL, "`network reload` takes no names");
    _cleanup_engine_ struct engine engine = {0};
    _cleanup_strv_ strv remaining = NULL;
    int r = cli_engine_and_repair(cli, &engine, e);
    if (r == 0)
        r = sandboxes_restore(engine_sandboxes(&engine), &remaining, e);
    warn_each(remaining);
    return r < 0 ? r : remaining ? EXIT_NETCTR : 0;
}

static const struct verb verbs[] = {
    {{.name = "network create",
      .usage = "[FLAGS] NAME",
      .summary = "Define a network",
      .example = "netctr network create --subnet 10.1.0.0/24 back\n"
                 "netctr network create --internal db"},
     network_create_command},
    {{.name = "network ls",
      .usage = "[FLAGS]",
      .summary = "List networks",
      .example = "netctr network ls\nnetctr network ls --filter label=lab"},
     network_ls},
    {{.name = "network inspect",
      .usage = "NAME…",
      .summary = "Show networks as JSON, and how the kernel differs",
      .example = "netctr network inspect back\n"
                 "netctr network inspect back | jq '.[0].differences'"},
     network_inspect},
    {{.name = "network rm",
      .usage = "[-f] NAME…",
      .summary = "Remove networks that no container uses",
      .example = "netctr network rm back\nnetctr network rm -f back front",
      .risky = true},
     network_rm},
    {{.name = "network prune",
      .usage = "[FLAGS]",
      .summary = "Remove all networks that no container uses",
      .example = "netctr network prune --filter label=lab\nnetctr network prune -f",
      .risky = true},
     network_prune},
    {{.name = "network connect",
      .usage = "[FLAGS] NETWORK CONTAINER",
      .summary = "Put a container on one more network, running or not",
      .example = "netctr network connect back web\n"
                 "netctr network connect --ip 10.1.0.7 --alias www back web"},
     network_connect},
    {{.name = "network disconnect",
      .usage = "[-f] NETWORK CONTAINER",
      .summary = "Take a container off a network; its ports move to another one",
      .example = "netctr network disconnect back web\nnetctr network disconnect -f gone web",
      .risky = true},
     network_disconnect},
    {{.name = "network update",
      .usage = "FLAGS NETWORK",
      .summary = "Change routes and labels while containers are on the network",
      .example = "netctr network update --route-add 10.9.0.0/16,10.1.0.2 back\n"
                 "netctr network update --route-drop 10.9.0.0/16 back"},
     network_update},
    {{.name = "network link",
      .usage = "FROM TO",
      .summary = "Allow containers of FROM to open connections to those of TO",
      .example = "netctr network link front back\nnetctr network unlink front back"},
     network_link_command},
    {{.name = "network unlink",
      .usage = "FROM TO",
      .summary = "Withdraw a link",
      .example = "netctr network unlink front back\nnetctr network inspect front | jq '.[0].links'",
      .risky = true},
     network_unlink_command},
    {{.name = "network forwarding",
      .usage = "[--open | --close]",
      .summary = "Show or change whether this host forwards between its own links",
      .example = "netctr network forwarding\nnetctr network forwarding --open",
      .risky = true},
     network_forwarding},
    {{.name = "network reload",
      .usage = "",
      .summary = "Restore firewall, bridges and ports, and show what still differs",
      .example = "netctr network reload\nnetctr network reload && netctr doctor"},
     reload},
};

/* The names that docker and podman use. */
static const struct other_name others[] = {
    {"list", "did you mean `netctr network ls`?"},
    {"remove", "`network rm` removes networks (`netctr network rm --help`)"},
    {"delete", "`network rm` removes networks (`netctr network rm --help`)"},
    {"exists", "`netctr network inspect NAME` fails unless it exists"},
    {"show", "did you mean `netctr network inspect`?"},
    {NULL, NULL},
};

static int run(const struct cli *cli, int argc, char **argv, struct err *e)
{
    const struct group group = {&command_network, verbs, ARRAY_LEN(verbs), others};
    return group_run(&group, cli, argc, argv, e);
}

const struct command command_network = {
    .name = "network",
    .usage = "COMMAND [ARG…]",
    .summary = "Networks: create, ls, inspect, rm, connect, link and more",
    .example = "netctr network create back\n"
               "netctr network connect back web",
    .group = true,
    .run = run,
};
