/* netctr diff. */
#include "cli.h"

#include <errno.h>
#include <inttypes.h>

/* A container chooses the names, and how many there are: nothing is kept. */
static void print_line(char kind, const char *path, void *arg)
{
    _cleanup_free_ char *shown = text_printable(path);
    (void)arg;
    printf("%c %s\n", kind, shown);
}

static void print_member(char kind, const char *path, void *arg)
{
    bool *any = arg;
    _cleanup_free_ char *shown = valid_utf8(path) ? NULL : text_printable(path);
    _cleanup_json_ json_t *j = json_object(), *letter = json_sprintf("%c", kind);
    json_object_set(j, "kind", letter);
    json_put_str(j, "path", shown ? shown : path);
    fputs(*any ? ",\n  " : "\n  ", stdout);
    json_dumpf(j, stdout, 0);
    *any = true;
}

static int show(struct engine *engine, const struct record *record, bool json, struct err *e)
{
    bool any = false;
    uint64_t deeper = 0;
    if (json)
        putchar('[');
    int r = engine_diff(engine, record, json ? print_member : print_line, &any, &deeper, e);
    if (json)
        printf("%s]\n", any ? "\n" : "");
    if (r == 0 && deeper) {
        fflush(stdout);
        warn("%" PRIu64 " director%s of `%s` %s left out: too deep, or unreadable", deeper,
             deeper == 1 ? "y" : "ies", record->spec.name, deeper == 1 ? "is" : "are");
    }
    return r;
}

static int run(const struct cli *cli, int argc, char **argv, struct err *e)
{
    char *format = NULL;
    const struct option options[] = {
        {"format", 0, OPTION_TEXT, "json", "print JSON", &format},
        {0},
    };
    _cleanup_engine_ struct engine engine = {0};
    _cleanup_record_ struct record record = {0};
    int first = command_options(&command_diff, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (argc - first != 1)
        return err_say(e, -EINVAL, "usage: netctr diff %s", command_diff.usage);
    int r = format_check(format, "diff", e);
    if (r == 0)
        r = cli_open_find_to_read(cli, argv[first], &engine, &record, e);
    return r == 0 ? show(&engine, &record, format, e) : r;
}

const struct command command_diff = {
    .name = "diff",
    .usage = "[FLAGS] NAME",
    .summary = "List what a container has added, changed and deleted (A, C, D)",
    .example = "netctr diff web\nnetctr diff --format json web | jq -r '.[].path'",
    .run = run,
};
