/* netctr reset: removes everything of netctr from this host. */
#include "cli.h"

#include <errno.h>

struct shown {
    bool dry_run;
    bool any; /* there is something to do */
};

static void show(enum gc_deed deed, const char *what, void *arg)
{
    static const char *const said[][2] = {
        [GC_REMOVE] = {"removed", "would remove"},
        [GC_RESTORE] = {"restored", "would restore"},
        [GC_LEAVE] = {"left", "would leave"},
    };
    struct shown *s = arg;
    s->any = s->any || deed != GC_LEAVE;
    printf("%s %s\n", said[deed][s->dry_run], what);
}

/* 1: there is something to do, or was. */
static int reset(const struct cli *cli, bool dry_run, struct err *e)
{
    struct shown s = {.dry_run = dry_run};
    int r = engine_reset(cli->root, cli->run_root, &(struct gc){dry_run, show, &s}, e);
    return r < 0 ? r : s.any;
}

static bool confirmed(void)
{
    char answer[16] = "";
    fflush(stdout);
    fprintf(stderr, "Remove all of this? [y/N] ");
    return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static int run(const struct cli *cli, int argc, char **argv, struct err *e)
{
    bool dry_run = false, force = false;
    const struct option options[] = {
        {"force", 'f', OPTION_FLAG, NULL, "do not ask", &force},
        {"dry-run", 'n', OPTION_FLAG, NULL, "only show what it would remove", &dry_run},
        {0},
    };
    int first = command_options(&command_reset, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (first < argc)
        return err_say(e, -EINVAL, "`reset` takes no names");
    if (!force && !dry_run && !isatty(STDIN_FILENO)) {
        err_say(e, -EINVAL,
                "`reset` removes all containers, networks and state of netctr, and asks");
        err_hint(e,
                 "without a terminal, `netctr reset -f` does not ask, and `--dry-run` only lists");
        return -EINVAL;
    }
    int r = force && !dry_run ? 0 : reset(cli, true, e);
    if (r >= 0 && !dry_run && (force || (r > 0 && confirmed())))
        r = reset(cli, false, e);
    return r < 0 ? r : 0;
}

const struct command command_reset = {
    .name = "reset",
    .usage = "[-f] [--dry-run]",
    .summary = "Remove all of netctr from this host: containers, networks, state",
    .example = "netctr reset --dry-run\nnetctr reset",
    .risky = true,
    .run = run,
};
