/* netctr network ls, inspect: which networks there are, and what the kernel holds of them. */
#include "network.h"

#include <errno.h>
#include <string.h>

/* ---- which -----------------------------------------------------------------------------------*/

int network_filters_check(char *const *filters, struct err *e)
{
    strv_each (f, filters)
        if (!skip_prefix(f, "label=") && !skip_prefix(f, "label!=") && !skip_prefix(f, "name=")) {
            err_say(e, -EINVAL, "unknown filter `%s`", f);
            return err_hint(e, "label=K[=V], label!=K[=V] or name=PART");
        }
    return 0;
}

/* "K" matches whatever its value is. */
static bool has_label(const struct network *n, const char *wanted)
{
    size_t length = strlen(wanted);
    strv_each (label, n->labels)
        if (strncmp(label, wanted, length) == 0 &&
            (!label[length] || (label[length] == '=' && !strchr(wanted, '='))))
            return true;
    return false;
}

bool network_filters_match(char *const *filters, const struct network *n)
{
    strv_each (f, filters) {
        const char *value;
        if ((value = skip_prefix(f, "label=")) && !has_label(n, value))
            return false;
        if ((value = skip_prefix(f, "label!=")) && has_label(n, value))
            return false;
        if ((value = skip_prefix(f, "name=")) && !strstr(n->name, value))
            return false;
    }
    return true;
}

static int add_name(const struct network *n, void *arg)
{
    strv_add(arg, n->name);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int network_names(struct net *net, strv *names, struct err *e)
{
    int r = network_each(net, add_name, names, e);
    if (strv_len(*names) > 1)
        qsort(*names, strv_len(*names), sizeof(char *), by_name);
    return r;
}

static json_t *definition(const struct network *n)
{
    json_t *j = network_to_json(n);
    _cleanup_free_ char *created = n->created ? time_utc(n->created) : NULL;
    json_object_del(j, "schema");
    json_object_del(j, "created");
    json_put_str(j, "created", created);
    return j;
}

static void print_json(json_t *j)
{
    json_dumpf(j, stdout, JSON_INDENT(2));
    putchar('\n');
}

/* ---- ls --------------------------------------------------------------------------------------*/

struct listing {
    json_t *json;
    strv cells;
    bool quiet;
};

static void add_row(struct listing *l, const struct network *n)
{
    _cleanup_free_ char *subnet = subnet_text(&n->subnet4), *subnet6 = subnet_text(&n->subnet6);
    _cleanup_free_ char *both =
        xasprintf("%s%s%s", subnet, *subnet && *subnet6 ? ", " : "", subnet6);
    if (l->quiet) {
        printf("%s\n", n->name);
        return;
    }
    json_array_append_new(l->json, definition(n));
    const char *const cells[] = {n->name, n->internal ? "internal" : gateway_mode_name(n->mode),
                                 n->bridge, both};
    for (size_t i = 0; i < ARRAY_LEN(cells); i++)
        strv_add(&l->cells, cells[i]);
}

static int list(const struct cli *cli, char *const *filters, struct listing *l, struct err *e)
{
    _cleanup_engine_ struct engine engine = {0};
    struct net *net = NULL;
    _cleanup_strv_ strv names = NULL;
    int r = cli_bridge_to_read(cli, &engine, &net, e);
    if (r == 0)
        r = network_names(net, &names, e);
    strv_each (name, names) {
        _cleanup_network_ struct network n = {0};
        int found = r == 0 ? network_load(net, name, &n, e) : r;
        if (found == -ENOENT) /* removed while we looked */
            err_clear(e);
        else if (found < 0)
            return found;
        else if (network_filters_match(filters, &n))
            add_row(l, &n);
    }
    return r;
}

int network_ls(const struct cli *cli, const struct command *command, int argc, char **argv,
               struct err *e)
{
    struct listing l = {0};
    char *format = NULL;
    _cleanup_strv_ strv filters = NULL;
    const struct option options[] = {
        {"quiet", 'q', OPTION_FLAG, NULL, "only the names", &l.quiet},
        {"filter", 'f', OPTION_LIST, "K=V", "label=K[=V], label!=K[=V], name=PART", &filters},
        {"format", 0, OPTION_TEXT, "json", "print JSON", &format},
        {0},
    };
    int first = command_options(command, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (first < argc)
        return err_say(e, -EINVAL, "`network ls` takes no names");
    int r = format_check_quiet(format, l.quiet, "network ls", e);
    if (r == 0)
        r = network_filters_check(filters, e);
    _cleanup_json_ json_t *json = l.json = json_array();
    const char *const titles[] = {"NAME", "MODE", "BRIDGE", "SUBNETS"};
    for (size_t i = 0; i < ARRAY_LEN(titles); i++)
        strv_add(&l.cells, titles[i]);
    if (r == 0)
        r = list(cli, filters, &l, e);
    if (r == 0 && format)
        print_json(json);
    else if (r == 0 && !l.quiet)
        print_table(l.cells, ARRAY_LEN(titles));
    strv_free(l.cells);
    return r;
}

/* ---- inspect ---------------------------------------------------------------------------------*/

static int suggest(struct net *net, const char *name, struct err *e)
{
    _cleanup_strv_ strv names = NULL;
    const char *near = network_names(net, &names, NULL) == 0 && names
                           ? nearest_word(name, (const char *const *)names)
                           : NULL;
    return near ? err_hint(e, "did you mean `%s`?", near) : -ENOENT;
}

static int inspect(struct engine *engine, struct net *net, const char *name, json_t *all,
                   struct err *e)
{
    _cleanup_network_ struct network n = {0};
    json_t *live;
    int r = network_load(net, name, &n, e);
    if (r == 0)
        r = engine_survey(engine, &n, &live, e);
    if (r < 0)
        return r == -ENOENT ? suggest(net, name, e) : r;
    json_t *j = definition(&n);
    /* Beside each other: what shall be, and what is. */
    json_object_set(j, "containers", json_object_get(live, "containers"));
    json_object_set(j, "differences", json_object_get(live, "differences"));
    json_object_set(j, "changed_inside", json_object_get(live, "changed_inside"));
    json_object_del(live, "containers");
    json_object_del(live, "differences");
    json_object_del(live, "changed_inside");
    json_object_set_new(j, "live", live);
    json_array_append_new(all, j);
    return 0;
}

int network_inspect(const struct cli *cli, const struct command *command, int argc, char **argv,
                    struct err *e)
{
    char *format = NULL;
    const struct option options[] = {
        {"format", 'f', OPTION_TEXT, "json", "the default, and the only one", &format},
        {0},
    };
    int first = command_options(command, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (first == argc)
        return err_say(e, -EINVAL, "usage: netctr %s %s", command->name, command->usage);
    int r = format_check(format, "network inspect", e);
    _cleanup_engine_ struct engine engine = {0};
    struct net *net = NULL;
    _cleanup_json_ json_t *all = json_array();
    int result = 0;
    if (r == 0)
        r = cli_bridge_to_read(cli, &engine, &net, e);
    for (int i = first; r == 0 && i < argc; i++) {
        _cleanup_err_ struct err why = ERR_INIT;
        int found = inspect(&engine, net, argv[i], all, &why);
        if (found < 0)
            inspect_failed(&result, found, e, &why);
    }
    return r < 0 ? r : inspect_print(all, result, e);
}
