/* Commands with subcommands: `netctr network …`, `netctr lab …`. */
#include "cli.h"

#include <errno.h>
#include <string.h>

static const char *verb_name(const struct group *g, size_t i)
{
    return g->verbs[i].command.name + strlen(g->command->name) + 1;
}

static void list_verbs(const struct group *g, FILE *out)
{
    fprintf(out, "usage: netctr %s COMMAND [ARG…]\n\ncommands:\n", g->command->name);
    for (size_t i = 0; i < g->count; i++)
        list_command(out, verb_name(g, i), 12, g->verbs[i].command.summary);
    fprintf(out, "\nexamples:\n");
    _cleanup_strv_ strv lines = strv_split(g->command->example, '\n');
    strv_each (line, lines)
        fprintf(out, "  %s\n", line);
    fprintf(out, "\n`netctr %s COMMAND --help` describes a command.\n", g->command->name);
}

/* The name that other programs use, else a similar one. */
static int unknown_verb(const struct group *g, const char *word, struct err *e)
{
    const char *name = g->command->name, *near = NULL;
    err_say(e, -EINVAL, "unknown command `%s %s`", name, word);
    for (const struct other_name *o = g->others; o->word; o++)
        if (streq(o->word, word)) {
            err_hint(e, "%s", o->instead);
            return -EINVAL;
        }
    _cleanup_free_ const char **names = xcalloc(g->count + 1, sizeof(*names));
    for (size_t i = 0; i < g->count; i++)
        names[i] = verb_name(g, i);
    near = nearest_word(word, names);
    for (size_t i = 0; near && i < g->count; i++)
        if (streq(near, verb_name(g, i)) && g->verbs[i].command.risky)
            near = NULL;
    if (near)
        err_hint(e, "did you mean `netctr %s %s`?", name, near);
    else
        err_hint(e, "`netctr %s --help` lists the commands", name);
    return -EINVAL;
}

int group_run(const struct group *g, const struct cli *cli, int argc, char **argv, struct err *e)
{
    bool help =
        argc > 1 && (streq(argv[1], "--help") || streq(argv[1], "-h") || streq(argv[1], "help"));
    if (argc < 2 || help) {
        list_verbs(g, help ? stdout : stderr);
        return help ? 0 : EXIT_NETCTR;
    }
    for (size_t i = 0; i < g->count; i++)
        if (streq(argv[1], verb_name(g, i)))
            return g->verbs[i].run(cli, &g->verbs[i].command, argc - 1, argv + 1, e);
    return argv[1][0] == '-' ? err_say(e, -EINVAL, "unknown flag `%s`", argv[1])
                             : unknown_verb(g, argv[1], e);
}
