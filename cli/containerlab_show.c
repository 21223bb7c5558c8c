/* netctr containerlab inspect: the nodes of labs as containerlab lists them. */
#include "containerlab.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

/* ---- one node --------------------------------------------------------------------------------*/

/* "172.20.20.2/24", on the management network; "N/A" without. The caller frees. */
static char *address_of(const struct lab_interfaces *all, int family)
{
    for (size_t i = 0; i < all->count; i++)
        for (size_t k = 0; all->items[i].mgmt && k < all->items[i].address_count; k++) {
            const struct lab_address *a = &all->items[i].addresses[k];
            if (a->ip.family != family || (family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&a->ip.v6)))
                continue;
            _cleanup_free_ char *text = ip_text(&a->ip);
            return xasprintf("%s/%u", text, a->prefix);
        }
    return xstrdup("N/A");
}

static char *status_of(const struct record *r, const char *state)
{
    _cleanup_free_ char *since = time_ago(r->started);
    return streq(state, "running") ? xasprintf("Up %s", *since ? since : "a moment")
                                   : xstrdup(state);
}

static void put_lab(json_t *j, const struct lab *l)
{
    _cleanup_free_ char *here = getcwd(NULL, 0), *inside = here ? xasprintf("%s/", here) : NULL;
    const char *relative = inside && l->file ? skip_prefix(l->file, inside) : NULL;
    json_put_str(j, "lab_name", l->name);
    json_put_str(j, "labPath", relative ? relative : l->file);
    json_put_str(j, "absLabPath", l->file);
}

static json_t *node_of(struct engine *engine, const struct lab *l, const struct lab_member *m,
                       const struct lab_node *n)
{
    _cleanup_record_ struct record r = {0};
    _cleanup_lab_interfaces_ struct lab_interfaces all = {0};
    const bool found = lab_container(engine, m, &r, NULL) == 0;
    const char *state = found ? engine_status_name(engine, &r) : "removed";
    if (m->sandbox)
        (void)lab_interfaces(engine, l, m, &all, NULL);
    _cleanup_free_ char *status = status_of(&r, state), *ipv4 = address_of(&all, AF_INET),
                        *ipv6 = address_of(&all, AF_INET6);
    json_t *j = json_object();
    put_lab(j, l);
    json_put_str(j, "name", found ? r.spec.name : m->long_name);
    json_put_str(j, "container_id", found ? r.spec.id : "");
    json_put_str(j, "image", n && n->image ? n->image : "host");
    json_put_str(j, "kind", "linux");
    json_put_str(j, "state", state);
    json_put_str(j, "status", status);
    json_put_str(j, "ipv4_address", ipv4);
    json_put_str(j, "ipv6_address", ipv6);
    json_put_str(j, "owner", "root");
    return j;
}

static json_t *nodes_of(struct engine *engine, const struct lab *l)
{
    json_t *out = json_array();
    _cleanup_topology_ struct topology *t = NULL;
    if (lab_topology(l, &t, NULL) < 0) /* its copy is damaged: images are not known */
        topology_free(take_ptr(t));
    for (size_t i = 0; i < l->member_count; i++)
        if (l->members[i].kind != LAB_BRIDGE)
            json_array_append_new(out, node_of(engine, l, &l->members[i],
                                               t && i < t->node_count ? &t->nodes[i] : NULL));
    return out;
}

/* ---- labs ------------------------------------------------------------------------------------*/

struct listing {
    struct engine *engine;
    json_t *labs; /* by name */
};

static int add_lab(struct lab *l, void *arg)
{
    struct listing *x = arg;
    if (!l->damaged)
        json_object_set_new(x->labs, l->name, nodes_of(x->engine, l));
    return 0;
}

static void print_labs(json_t *labs, bool all)
{
    static const char *const titles[] = {"LAB", "NAME", "KIND", "IMAGE", "STATE", "IPV4", "IPV6"};
    static const char *const keys[] = {"lab_name", "name",         "kind",        "image",
                                       "state",    "ipv4_address", "ipv6_address"};
    const size_t from = all ? 0 : 1;
    _cleanup_strings_ struct strings cells = {0};
    const char *name;
    json_t *nodes, *node;
    size_t i;
    for (size_t k = from; k < ARRAY_LEN(titles); k++)
        strings_add(&cells, titles[k]);
    json_object_foreach (labs, name, nodes)
        json_array_foreach (nodes, i, node)
            for (size_t k = from; k < ARRAY_LEN(keys); k++)
                strings_add(&cells, json_str(node, keys[k]));
    print_table(cells.items, ARRAY_LEN(titles) - from);
}

int clab_show(const struct cli *cli, const char *name, bool json, struct err *e)
{
    _cleanup_engine_ struct engine engine = {0};
    _cleanup_lab_ struct lab l = {.dir = -1, .lock = -1};
    _cleanup_json_ json_t *labs = json_object();
    struct listing x = {&engine, labs};
    int r = cli_engine_to_read(cli, &engine, e);
    if (r == 0 && !name)
        r = lab_each(&engine, add_lab, &x, e);
    if (r == 0 && name && (r = lab_find(&engine, name, &l, e)) == 0)
        r = add_lab(&l, &x);
    if (r == -ENOENT) {
        err_clear(e);
        r = 0;
    }
    if (r < 0)
        return r;
    if (json)
        print_json(labs);
    else if (json_object_size(labs) == 0)
        fprintf(stderr, "no containers found\n");
    else
        print_labs(labs, !name);
    return 0;
}

int clab_inspect(const struct cli *cli, const struct command *command, int argc, char **argv,
                 struct err *e)
{
    struct clab_common c = {0};
    char *format = NULL;
    bool all = false, wide = false, json;
    const struct option options[] = {
        CLAB_OPTIONS(c),
        {"all", 'a', OPTION_FLAG, NULL, "all labs; so it is without a topology file", &all},
        {"format", 'f', OPTION_TEXT, "FORMAT", "table or json", &format},
        {"wide", 'w', OPTION_FLAG, NULL, "no effect", &wide},
        {0},
    };
    int first = command_options(command, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    _cleanup_free_ char *name = NULL;
    int r = clab_no_words(command, first, argc, e);
    if (r == 0)
        r = clab_format(format, &json, e);
    if (r < 0)
        return r;
    if (!all && (c.choice.topo || c.choice.name))
        r = clab_name(&c.choice, &name, e);
    else if (!all && clab_name(&c.choice, &name, NULL) < 0)
        name = NULL;
    return r < 0 ? r : clab_show(cli, name, json, e);
}
