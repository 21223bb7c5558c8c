/* netctr lab test: runs the tests of the topology file. Exit status 1: some have failed. */
#include "lab.h"
#include "lab_report.h"

#include <errno.h>

/* Of the file, if one was named: its tests may have changed since the lab came up. */
static int read_tests(const struct lab *l, const struct lab_choice *c, const char *word,
                      struct topology **out, struct err *e)
{
    struct stat st;
    if (!c->topo && !(word && stat(word, &st) == 0))
        return lab_topology(l, out, e);
    _cleanup_free_ char *text = NULL;
    size_t size;
    const struct topology_options o = {.name = l->name, .environ = environ, .skip_binds = true};
    int r = lab_read(c, word, &o, &text, &size, out, e);
    if (r < 0)
        return r;
    for (size_t i = 0; i < (*out)->node_count; i++)
        if (i >= l->member_count || !streq((*out)->nodes[i].name, l->members[i].name)) {
            err_say(e, -ESTALE, "the nodes of the file are not those of lab `%s`", l->name);
            err_hint(e, "`netctr lab up --reconfigure` makes them so");
            return -ESTALE;
        }
    return 0;
}

int lab_test_command(const struct cli *cli, const struct command *command, int argc, char **argv,
                     struct err *e)
{
    struct lab_choice choice = {0};
    char *word = NULL;
    enum report_format format;
    const struct option options[] = {
        LAB_CHOICE_OPTIONS(choice),
        {"format", 'f', OPTION_TEXT, "text|junit|tap|json", "how the results are printed", &word},
        {0},
    };
    int first = command_options(command, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (argc - first > 1)
        return err_say(e, -EINVAL, "usage: netctr %s %s", command->name, command->usage);
    const char *which = first < argc ? argv[first] : NULL;
    _cleanup_engine_ struct engine engine = {0};
    _cleanup_lab_ struct lab l = {.dir = -1, .lock = -1};
    _cleanup_topology_ struct topology *t = NULL;
    struct lab_test_result *results = NULL;
    int r = report_format_parse(word, stdout, &format, e);
    if (r == 0)
        r = cli_engine(cli, &engine, e);
    if (r == 0)
        r = lab_choose(&engine, &choice, which, &l, e);
    if (r == 0)
        r = read_tests(&l, &choice, which, &t, e);
    if (r < 0 || !t)
        return r;
    if (!t->test_count) {
        err_say(e, -ENOENT, "lab `%s` has no tests", l.name);
        err_hint(e, "add `tests:` to its file");
        return -ENOENT;
    }
    size_t failed = lab_test(&engine, &l, t, &results);
    report_print(stdout, format, t, results);
    lab_test_results_free(results, t->test_count);
    return failed ? 1 : 0;
}
