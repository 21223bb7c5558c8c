/* netctr gc: finds and removes what killed commands have left, and replaces what is damaged. */
#include "cli.h"

#include <errno.h>

struct finding {
    bool dry_run;
    struct engine *engine;
};

static void tell(enum gc_deed deed, const char *what, void *arg)
{
    static const struct {
        const char *would, *has, *event;
    } said[] = {
        [GC_REMOVE] = {"would remove", "removed", "prune"},
        [GC_REPLACE] = {"would replace", "replaced", "repair"},
    };
    const struct finding *f = arg;
    printf("%s %s\n", f->dry_run ? said[deed].would : said[deed].has, what);
    const struct event event = {"system", said[deed].event, NULL, what};
    if (!f->dry_run)
        event_emit(f->engine->store.run_fd, &event, NULL);
}

static int run(const struct cli *cli, int argc, char **argv, struct err *e)
{
    struct finding f = {0};
    const struct option options[] = {
        {"dry-run", 'n', OPTION_FLAG, NULL, "only say what it would remove or replace", &f.dry_run},
        {0},
    };
    int first = command_options(&command_gc, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (first < argc)
        return err_say(e, -EINVAL, "`gc` takes no names");
    _cleanup_engine_ struct engine engine = {0};
    f.engine = &engine;
    int r = f.dry_run ? store_open_to_read(cli->root, cli->run_root, &engine.store, e)
                      : store_open(cli->root, cli->run_root, &engine.store, e);
    return r < 0 ? r : engine_gc(&engine, &(struct gc){f.dry_run, tell, &f}, e);
}

const struct command command_gc = {
    .name = "gc",
    .usage = "[--dry-run]",
    .summary = "Remove what killed commands have left behind, replace what is damaged",
    .example = "netctr gc --dry-run\nnetctr gc",
    .risky = true,
    .run = run,
};
