/* netctr lab ls, inspect, exec. */
#include "lab.h"

#include <errno.h>
#include <string.h>

/* ---- ls --------------------------------------------------------------------------------------*/

struct listing {
    struct engine *engine;
    json_t *json;
    strv cells;
};

static const char *state_word(struct engine *engine, const struct lab *l)
{
    if (l->damaged)
        return "damaged";
    if (l->state != LAB_UP)
        return "half-way";
    return lab_lives(engine, l) ? "up" : "down";
}

static int list_one(struct lab *l, void *arg)
{
    struct listing *x = arg;
    const char *state = state_word(x->engine, l);
    if (x->json) {
        json_t *j = json_object();
        json_put_str(j, "name", l->name);
        json_put_str(j, "state", state);
        json_object_set_new(j, "nodes", json_integer((json_int_t)l->member_count));
        json_put_str(j, "file", l->file);
        json_array_append_new(x->json, j);
        return 0;
    }
    _cleanup_free_ char *age = time_ago(l->created);
    strv_add(&x->cells, l->name);
    strv_add(&x->cells, state);
    strv_add_take(&x->cells, xasprintf("%zu", l->member_count));
    strv_add_take(&x->cells, xasprintf("%s ago", *age ? age : "a moment"));
    strv_add(&x->cells, l->file ? l->file : "");
    return 0;
}

int lab_ls_command(const struct cli *cli, const struct command *command, int argc, char **argv,
                   struct err *e)
{
    char *format = NULL;
    const struct option options[] = {
        {"format", 0, OPTION_TEXT, "json", "print JSON", &format},
        {0},
    };
    int first = command_options(command, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (first < argc)
        return err_say(e, -EINVAL, "`lab ls` takes no names");
    int r = format_check(format, "lab ls", e);
    _cleanup_engine_ struct engine engine = {0};
    _cleanup_json_ json_t *json = format ? json_array() : NULL;
    struct listing x = {.engine = &engine, .json = json};
    static const char *const titles[] = {"NAME", "STATE", "NODES", "CREATED", "FILE"};
    if (r == 0)
        r = cli_engine_to_read(cli, &engine, e);
    for (size_t i = 0; i < ARRAY_LEN(titles); i++)
        strv_add(&x.cells, titles[i]);
    if (r == 0)
        r = lab_each(&engine, list_one, &x, e);
    if (r == 0 && json)
        print_json(json);
    else if (r == 0)
        print_table(x.cells, ARRAY_LEN(titles));
    strv_free(x.cells);
    return r;
}

/* ---- inspect ---------------------------------------------------------------------------------*/

static void add_rows(const json_t *node, strv *cells)
{
    const json_t *interfaces = json_object_get(node, "interfaces"), *i;
    const char *state = json_str(node, "state");
    size_t k;
    bool first = true;
    json_array_foreach (interfaces, k, i) {
        _cleanup_strv_ strv addresses = json_strv(i, "addresses");
        _cleanup_free_ char *list = strv_join(addresses, " ");
        strv_add(cells, first ? json_str(node, "name") : "");
        strv_add(cells, first ? (state ? state : "switch") : "");
        strv_add(cells, json_str(i, "name"));
        strv_add(cells, !json_flag(i, "up")       ? "down"
                        : json_flag(i, "carrier") ? "up"
                                                  : "no carrier");
        strv_add(cells, list);
        first = false;
    }
    if (!first)
        return;
    strv_add(cells, json_str(node, "name"));
    strv_add(cells, state ? state : "switch");
    for (int n = 0; n < 3; n++)
        strv_add(cells, "");
}

static void print_lab(const json_t *lab)
{
    static const char *const titles[] = {"NODE", "STATE", "INTERFACE", "LINK", "ADDRESSES"};
    _cleanup_strv_ strv cells = NULL;
    const json_t *node;
    size_t i;
    printf("lab %s: %s, from %s\n\n", json_str(lab, "name"), json_str(lab, "state"),
           json_str(lab, "file"));
    for (i = 0; i < ARRAY_LEN(titles); i++)
        strv_add(&cells, titles[i]);
    const json_t *nodes = json_object_get(lab, "nodes");
    json_array_foreach (nodes, i, node) {
        add_rows(node, &cells);
    }
    print_table(cells, ARRAY_LEN(titles));
    const json_t *links = json_object_get(lab, "links"), *end, *link;
    bool impaired = false;
    json_array_foreach (links, i, link) {
        size_t k;
        json_array_foreach (json_object_get(link, "ends"), k, end) {
            impaired = impaired || json_object_get(end, "impairments");
        }
    }
    if (impaired) {
        putchar('\n');
        (void)lab_links_print(links, false);
    }
    lab_relay_print(json_object_get(lab, "relay"), json_str(lab, "name"));
}

int lab_inspect_command(const struct cli *cli, const struct command *command, int argc, char **argv,
                        struct err *e)
{
    struct lab_choice choice = {0};
    char *format = NULL;
    const struct option options[] = {
        LAB_CHOICE_OPTIONS(choice),
        {"format", 'f', OPTION_TEXT, "json", "print JSON", &format},
        {0},
    };
    int first = command_options(command, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (argc - first > 1)
        return err_say(e, -EINVAL, "usage: netctr %s %s", command->name, command->usage);
    int r = format_check(format, "lab inspect", e);
    _cleanup_engine_ struct engine engine = {0};
    _cleanup_lab_ struct lab l = {.dir = -1, .lock = -1};
    _cleanup_json_ json_t *json = NULL;
    if (r == 0)
        r = cli_engine_to_read(cli, &engine, e);
    if (r == 0)
        r = lab_choose(&engine, &choice, first < argc ? argv[first] : NULL, &l, e);
    if (r == 0)
        r = lab_inspect(&engine, &l, &json, e);
    if (r == 0 && format)
        print_json(json);
    else if (r == 0)
        print_lab(json);
    return r;
}

/* ---- exec ------------------------------------------------------------------------------------*/

static int find_node(struct engine *engine, const struct lab *l, const char *node,
                     struct record *out, struct err *e)
{
    const struct lab_member *m = lab_member(l, node);
    if (!m) {
        _cleanup_free_ const char **names = xcalloc(l->member_count + 1, sizeof(*names));
        for (size_t i = 0; i < l->member_count; i++)
            names[i] = l->members[i].name;
        const char *near = nearest_word(node, names);
        err_say(e, -ENOENT, "lab `%s` has no node `%s`", l->name, node);
        if (near)
            err_hint(e, "did you mean `%s`?", near);
        return -ENOENT;
    }
    if (m->kind == LAB_BRIDGE)
        return err_say(e, -EINVAL, "node `%s` is a switch: no program can run in it", m->name);
    return lab_container(engine, m, out, e);
}

int lab_exec_command(const struct cli *cli, const struct command *command, int argc, char **argv,
                     struct err *e)
{
    struct lab_choice choice = {0};
    struct exec_request q = {0};
    char *user = NULL, *workdir = NULL;
    _cleanup_strv_ strv given = NULL, env = NULL;
    const struct option options[] = {
        {"topo", 0, OPTION_TEXT, "FILE", "the topology file", &choice.topo},
        {"name", 'n', OPTION_TEXT, "LAB", "the lab's name", &choice.name},
        {"detach", 'd', OPTION_FLAG, NULL, "do not wait until the command ends", &q.detached},
        {"interactive", 'i', OPTION_FLAG, NULL, "keep stdin open", &q.interactive},
        {"tty", 't', OPTION_FLAG, NULL, "give the command a terminal", &q.tty},
        {"env", 'e', OPTION_LIST, "K=V", "set a variable", &given},
        {"workdir", 'w', OPTION_TEXT, "DIR", "working directory in the node", &workdir},
        {"user", 'u', OPTION_TEXT, "USER[:GROUP]", "run as this user of the node", &user},
        {0},
    };
    int first = command_options(command, options, false, &argc, argv, e);
    if (first <= 0)
        return first;
    if (argc - first < 2)
        return err_say(e, -EINVAL, "usage: netctr %s %s", command->name, command->usage);
    _cleanup_engine_ struct engine engine = {0};
    _cleanup_lab_ struct lab l = {.dir = -1, .lock = -1};
    _cleanup_record_ struct record r = {0};
    int code = env_compose(NULL, given, &env, e);
    if (code == 0)
        code = cli_engine(cli, &engine, e);
    if (code == 0)
        code = lab_choose(&engine, &choice, NULL, &l, e);
    if (code == 0)
        code = find_node(&engine, &l, argv[first], &r, e);
    if (code < 0)
        lab_hint_name(&engine, &choice, &l, argv[first], "exec", e);
    if (code == 0 && !q.detached)
        code = check_terminal(q.tty, q.interactive, e);
    if (code < 0)
        return code;
    q.env = env;
    q.argv = argv + first + 1;
    q.user = user;
    q.workdir = workdir;
    return show_detached(engine_exec(&engine, &r, &q, e), r.spec.name);
}
