/* netctr network update. */
#include "network.h"

#include <errno.h>

struct update_flags {
    strv add_routes, drop_routes, add_labels, drop_labels;
};

static void update_flags_clear(struct update_flags *f)
{
    strv_free(f->add_routes);
    strv_free(f->drop_routes);
    strv_free(f->add_labels);
    strv_free(f->drop_labels);
}

int network_update(const struct cli *cli, const struct command *command, int argc, char **argv,
                   struct err *e)
{
    __attribute__((cleanup(update_flags_clear))) struct update_flags f = {0};
    const struct option options[] = {
        {"route-add", 0, OPTION_LIST, "CIDR,GATEWAY[,METRIC]",
         "give all containers this route, at once", &f.add_routes},
        {"route-drop", 0, OPTION_LIST, "CIDR[,GATEWAY[,METRIC]]", "take a route from them",
         &f.drop_routes},
        {"label-add", 0, OPTION_LIST, "K=V", "add a label, or change its value", &f.add_labels},
        {"label-drop", 0, OPTION_LIST, "K", "remove a label", &f.drop_labels},
        {0},
    };
    int first = command_options(command, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (argc - first != 1)
        return err_say(e, -EINVAL, "usage: netctr %s %s", command->name, command->usage);
    if (!f.add_routes && !f.drop_routes && !f.add_labels && !f.drop_labels)
        return err_say(e, -EINVAL, "`network update` needs something to change");
    const struct network_changes changes = {f.add_routes, f.drop_routes, f.add_labels,
                                            f.drop_labels};
    _cleanup_engine_ struct engine engine = {0};
    int r = cli_engine(cli, &engine, e);
    if (r == 0)
        r = engine_network_update(&engine, argv[first], &changes, e);
    if (r == 0)
        printf("%s\n", argv[first]);
    return r;
}
