/* netctr rename. */
#include "cli.h"

#include <errno.h>

static int run(const struct cli *cli, int argc, char **argv, struct err *e)
{
    const struct option options[] = {{0}};
    _cleanup_engine_ struct engine engine = {0};
    _cleanup_record_ struct record r = {0};
    int first = command_options(&command_rename, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (argc - first != 2)
        return err_say(e, -EINVAL, "usage: netctr rename %s", command_rename.usage);
    int code = cli_open_find(cli, argv[first], &engine, &r, e);
    return code < 0 ? code : engine_rename(&engine, &r, argv[first + 1], e);
}

const struct command command_rename = {
    .name = "rename",
    .usage = "NAME NEW",
    .summary = "Give a container another name, also while it runs",
    .example = "netctr rename web web-old\nnetctr rename web-new web",
    .run = run,
};
