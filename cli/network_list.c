/* netctr network ls, inspect. */
#include "network.h"
#include "view.h"

#include <errno.h>
#include <string.h>

/* ---- which -----------------------------------------------------------------------------------*/

static int filter_check(const char *filter, struct err *e)
{
    static const char *const keys[] = {
        "label=", "label!=", "name=", "id=", "type=", "driver=", "scope="};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (skip_prefix(filter, keys[i]))
            return 0;
    err_say(e, -EINVAL, "unknown filter `%s`", filter);
    err_hint(e, NETWORK_FILTERS);
    return -EINVAL;
}

int network_filters_check(char *const *filters, struct err *e)
{
    strv_each (f, filters)
        if (filter_check(f, e) < 0)
            return -EINVAL;
    return 0;
}

static bool filter_matches(const char *f, const struct network *n)
{
    const char *value;
    if ((value = skip_prefix(f, "label=")))
        return has_label(n->labels, value);
    if ((value = skip_prefix(f, "label!=")))
        return !has_label(n->labels, value);
    if ((value = skip_prefix(f, "name=")))
        return strstr(n->name, value);
    if ((value = skip_prefix(f, "id="))) /* a network has no id but its name */
        return skip_prefix(n->name, value);
    if ((value = skip_prefix(f, "type=")))
        return streq(value, streq(n->name, DEFAULT_NETWORK) ? "builtin" : "custom");
    if ((value = skip_prefix(f, "driver="))) /* all networks are bridges of this host */
        return streq(value, "bridge");
    return streq(f, "scope=local");
}

/* Does another filter of the same key match? */
static bool other_matches(char *const *filters, const char *filter, const struct network *n)
{
    const size_t size = strcspn(filter, "=");
    strv_each (f, filters)
        if (strncmp(f, filter, size + 1) == 0 && filter_matches(f, n))
            return true;
    return false;
}

/* As in docker: one value of each key must match, but all labels. */
bool network_filters_match(char *const *filters, const struct network *n)
{
    strv_each (f, filters)
        if (!filter_matches(f, n) && (skip_prefix(f, "label") || !other_matches(filters, f, n)))
            return false;
    return true;
}

/* ---- ls --------------------------------------------------------------------------------------*/

struct listing {
    json_t *json;
    strv cells;
    strv filters;
    bool quiet, no_titles;
};

static int add_row(const struct network *n, void *arg)
{
    struct listing *l = arg;
    _cleanup_free_ char *subnet = subnet_text(&n->subnet4), *subnet6 = subnet_text(&n->subnet6);
    _cleanup_free_ char *both =
        xasprintf("%s%s%s", subnet, *subnet && *subnet6 ? ", " : "", subnet6);
    if (!network_filters_match(l->filters, n))
        return 0;
    if (l->quiet) {
        printf("%s\n", n->name);
        return 0;
    }
    json_array_append_new(l->json, network_definition(n));
    const char *const cells[] = {n->name, n->internal ? "internal" : gateway_mode_name(n->mode),
                                 n->bridge, both};
    for (size_t i = 0; i < ARRAY_LEN(cells); i++)
        strv_add(&l->cells, cells[i]);
    return 0;
}

static int list(const struct cli *cli, struct listing *l, struct err *e)
{
    _cleanup_engine_ struct engine engine = {0};
    int r = cli_engine_to_read(cli, &engine, e);
    return r < 0 ? r : engine_network_each(&engine, add_row, l, e);
}

int network_ls(const struct cli *cli, const struct command *command, int argc, char **argv,
               struct err *e)
{
    struct listing l = {0};
    char *format = NULL;
    const struct option options[] = {
        {"quiet", 'q', OPTION_FLAG, NULL, "print only the names", &l.quiet},
        {"filter", 'f', OPTION_LIST, "K=V", NETWORK_FILTERS, &l.filters},
        {"noheading", 0, OPTION_FLAG, NULL, "leave out the line with the titles", &l.no_titles},
        {"format", 0, OPTION_TEXT, "FORMAT", "json, or a template: '{{.Name}}'", &format},
        {0},
    };
    int first = command_options(command, options, true, &argc, argv, e);
    _cleanup_strv_ strv filters = l.filters;
    if (first <= 0)
        return first;
    if (first < argc)
        return err_say(e, -EINVAL, "`network ls` takes no names");
    _cleanup_format_ struct format f = {0};
    int r = format_check_quiet(format, l.quiet, e);
    if (r == 0)
        r = format_parse(format, "network ls", &f, e);
    f.no_titles = l.no_titles;
    if (r == 0)
        r = network_filters_check(filters, e);
    _cleanup_json_ json_t *json = l.json = json_array();
    const char *const titles[] = {"NAME", "MODE", "BRIDGE", "SUBNETS"};
    for (size_t i = 0; i < ARRAY_LEN(titles) && !l.no_titles; i++)
        strv_add(&l.cells, titles[i]);
    if (r == 0)
        r = list(cli, &l, e);
    size_t i;
    json_t *network;
    json_array_foreach (json, i, network)
        if (f.template)
            view_network(network);
    json_array_foreach (json, i, network)
        if (cli->docker)
            view_only(network);
    if (r == 0 && f.template)
        r = print_views(&f, json, "NETWORK ID", e);
    else if (r == 0 && format)
        print_json(json);
    else if (r == 0 && !l.quiet)
        print_table(l.cells, ARRAY_LEN(titles));
    strv_free(l.cells);
    return r;
}

/* ---- inspect ---------------------------------------------------------------------------------*/

static int suggest(struct engine *engine, const char *name, struct err *e)
{
    _cleanup_strv_ strv names = NULL;
    const char *near = engine_network_names(engine, &names, NULL) == 0 && names
                           ? nearest_word(name, (const char *const *)names)
                           : NULL;
    if (near)
        err_hint(e, "did you mean `%s`?", near);
    return -ENOENT;
}

static int inspect(struct engine *engine, const char *name, bool view, bool docker, json_t *all,
                   struct err *e)
{
    json_t *j;
    int r = engine_network_inspect(engine, name, &j, e);
    if (r < 0)
        return r == -ENOENT ? suggest(engine, name, e) : r;
    if (view || docker)
        view_network(j);
    if (docker)
        view_only(j);
    json_array_append_new(all, j);
    return 0;
}

int network_inspect(const struct cli *cli, const struct command *command, int argc, char **argv,
                    struct err *e)
{
    char *format = NULL;
    const struct option options[] = {
        {"format", 'f', OPTION_TEXT, "FORMAT", "json (the default), or a template", &format},
        {0},
    };
    int first = command_options(command, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (first == argc)
        return err_say(e, -EINVAL, "usage: netctr %s %s", command->name, command->usage);
    _cleanup_format_ struct format f = {0};
    int r = format_parse(format, "network inspect", &f, e);
    _cleanup_engine_ struct engine engine = {0};
    _cleanup_json_ json_t *all = json_array();
    int result = 0;
    if (r == 0)
        r = cli_engine_to_read(cli, &engine, e);
    if (r == 0)
        r = engine_repair_all(&engine, e);
    for (int i = first; r == 0 && i < argc; i++) {
        _cleanup_err_ struct err why = ERR_INIT;
        first_error(&result, inspect(&engine, argv[i], f.template, cli->docker, all, &why), e,
                    &why);
    }
    return r < 0 ? r : inspect_print(&f, all, result, e);
}
