/* netctr top. */
#include "cli.h"

#include <errno.h>

/* The command line is hostile. */
static void add_process(const struct process_seen *p, void *arg)
{
    struct strings *rows = arg;
    uint64_t seconds = p->cpu_ms / 1000;
    _cleanup_free_ char *command = text_printable(p->command);
    strings_add_take(rows, xasprintf("%d", p->pid));
    strings_add_take(rows, xasprintf("%u", p->uid));
    strings_add_take(rows, xasprintf("%02u:%02u:%02u", (unsigned)(seconds / 3600),
                                     (unsigned)(seconds / 60 % 60), (unsigned)(seconds % 60)));
    strings_add(rows, command);
}

static int run(const struct cli *cli, int argc, char **argv, struct err *e)
{
    static const char *const titles[] = {"PID", "UID", "TIME", "COMMAND"};
    const struct option options[] = {{0}};
    _cleanup_engine_ struct engine engine = {0};
    _cleanup_record_ struct record record = {0};
    _cleanup_strings_ struct strings rows = {0};
    int first = command_options(&command_top, options, false, &argc, argv, e);
    if (first <= 0)
        return first;
    if (argc - first != 1) {
        err_say(e, -EINVAL, "usage: netctr top %s", command_top.usage);
        err_hint(e, "the columns are always the same; `netctr exec NAME ps` takes options of ps");
        return -EINVAL;
    }
    int r = cli_open_find_to_read(cli, argv[first], &engine, &record, e);
    for (size_t i = 0; i < ARRAY_LEN(titles); i++)
        strings_add(&rows, titles[i]);
    if (r == 0)
        r = engine_top(&engine, &record, add_process, &rows, e);
    if (r == 0)
        print_table(rows.items, ARRAY_LEN(titles));
    return r;
}

const struct command command_top = {
    .name = "top",
    .usage = "NAME",
    .summary = "List the processes of a container, with their pids on the host",
    .example = "netctr top web\nnetctr top web | grep nginx",
    .run = run,
};
