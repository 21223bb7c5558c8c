/* netctr gc: finds and removes what killed commands have left. */
#include "cli.h"

#include <errno.h>

struct finding {
    bool dry_run;
    size_t count;
    struct world *world;
};

static void tell(const char *what, void *arg)
{
    struct finding *f = arg;
    f->count++;
    printf("%s %s\n", f->dry_run ? "would remove" : "removed", what);
    if (f->dry_run)
        return;
    const struct event event = {"system", "prune", NULL, what};
    event_emit(f->world->store.run_fd, &event, NULL);
}

static int run(const struct cli *cli, int argc, char **argv, struct err *e)
{
    struct finding f = {0};
    const struct option options[] = {
        {"dry-run", 'n', OPTION_FLAG, NULL, "only say what would be removed", &f.dry_run},
        {0},
    };
    bool help;
    int first = command_options(&command_gc, options, true, &argc, argv, &help, e);
    if (first < 0 || help)
        return first < 0 ? first : 0;
    if (first < argc)
        return err_say(e, -EINVAL, "`gc` takes no names");
    _cleanup_world_ struct world w = {0};
    f.world = &w;
    int r = store_open(cli->root, cli->run_root, &w.store, e);
    return r < 0 ? r : world_gc(&w, f.dry_run, tell, &f, e);
}

const struct command command_gc = {
    .name = "gc",
    .usage = "[--dry-run]",
    .summary = "Remove what killed commands have left behind",
    .run = run,
};
