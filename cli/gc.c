/* netctr gc: finds and removes what killed commands have left, and replaces what is damaged. */
#include "cli.h"

#include <netctr/lab.h>

#include <errno.h>

static void show(enum gc_deed deed, const char *what, void *dry_run)
{
    static const char *const said[][2] = {
        [GC_REMOVE] = {"removed", "would remove"},
        [GC_REPLACE] = {"replaced", "would replace"},
    };
    printf("%s %s\n", said[deed][*(bool *)dry_run], what);
}

static int run(const struct cli *cli, int argc, char **argv, struct err *e)
{
    bool dry_run = false;
    const struct option options[] = {
        {"dry-run", 'n', OPTION_FLAG, NULL, "only show what it would remove or replace", &dry_run},
        {0},
    };
    int first = command_options(&command_gc, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (first < argc)
        return err_say(e, -EINVAL, "`gc` takes no names");
    _cleanup_engine_ struct engine engine = {0};
    const struct gc gc = {dry_run, show, &dry_run};
    int r = engine_open_to_clean(cli->root, cli->run_root, dry_run, &engine, e);
    if (r == 0)
        r = engine_gc(&engine, &gc, e);
    return r == 0 ? lab_gc(&engine, &gc, e) : r; /* it needs what engine_gc() has repaired */
}

const struct command command_gc = {
    .name = "gc",
    .usage = "[--dry-run]",
    .summary = "Remove what killed commands have left behind, repair what is damaged",
    .example = "netctr gc --dry-run\nnetctr gc",
    .risky = true,
    .run = run,
};
