/* The graph of a lab, as its topology file says it. What is so now is added by graph_live.c.
 *
 * Besides the nodes of the file there are networks of `networks`, and the host if a link leads there. The management
 * network is not drawn: it would be a line to every node.
 */
#include "graph.h"

#include <errno.h>
#include <string.h>

static void end_clear(struct graph_end *end)
{
    free(end->interface);
    strv_free(end->addresses);
    free(end->impairment);
}

void graph_free(struct graph *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->node_count; i++) {
        free(g->nodes[i].name);
        free(g->nodes[i].state);
        json_decref(g->nodes[i].detail);
    }
    for (size_t i = 0; i < g->link_count; i++)
        for (int k = 0; k < 2; k++)
            end_clear(&g->links[i].ends[k]);
    free(g->nodes);
    free(g->links);
    free(g->name);
    free(g->state);
    json_decref(g->tests);
    free(g);
}

void graph_cleanup(struct graph **g)
{
    graph_free(*g);
}

/* ---- nodes and links -------------------------------------------------------------------------*/

static size_t add_node(struct graph *g, const char *name, enum graph_shape shape)
{
    for (size_t i = 0; i < g->node_count; i++)
        if (g->nodes[i].shape == shape && shape == GRAPH_OUTSIDE && streq(g->nodes[i].name, name))
            return i;
    g->nodes = xrealloc(g->nodes, g->node_count + 1, sizeof(*g->nodes));
    g->nodes[g->node_count] =
        (struct graph_node){.name = text_printable(name), .shape = shape, .detail = json_object()};
    return g->node_count++;
}

static struct graph_link *add_link(struct graph *g)
{
    g->links = xrealloc(g->links, g->link_count + 1, sizeof(*g->links));
    g->links[g->link_count] = (struct graph_link){0};
    return &g->links[g->link_count++];
}

char *graph_address(const struct lab_address *a)
{
    _cleanup_free_ char *text = ip_text(&a->ip);
    return xasprintf("%s/%u", text, a->prefix);
}

static void add_per_cent(strv *words, const char *name, double value)
{
    if (value > 0)
        strv_add_take(words, xasprintf("%s %g%%", name, value));
}

static char *time_text(unsigned us)
{
    return us % 1000 ? xasprintf("%gms", us / 1000.0) : xasprintf("%ums", us / 1000);
}

char *graph_impairment(const struct lab_impairment *i)
{
    _cleanup_strv_ strv words = NULL;
    if (i->rate) {
        _cleanup_free_ char *rate = rate_text(i->rate);
        strv_add_take(&words, xasprintf("rate %s", rate));
    }
    if (i->delay_us) {
        _cleanup_free_ char *delay = time_text(i->delay_us);
        strv_add_take(&words, xasprintf("delay %s", delay));
    }
    if (i->jitter_us) {
        _cleanup_free_ char *jitter = time_text(i->jitter_us);
        strv_add_take(&words, xasprintf("jitter %s", jitter));
    }
    add_per_cent(&words, "loss", i->loss);
    add_per_cent(&words, "corrupt", i->corrupt);
    add_per_cent(&words, "duplicate", i->duplicate);
    add_per_cent(&words, "reorder", i->reorder);
    return words ? strv_join(words, ", ") : NULL;
}

static void put_end(struct graph *g, const struct lab_endpoint *from, struct graph_end *to)
{
    const struct lab_address *const both[] = {&from->address4, &from->address6};
    to->node = from->what == END_NODE   ? from->node
               : from->what == END_MGMT ? add_node(g, "mgmt-net", GRAPH_OUTSIDE)
                                        : add_node(g, "host", GRAPH_OUTSIDE);
    to->interface = text_printable(from->interface ? from->interface : "");
    for (size_t i = 0; i < ARRAY_LEN(both); i++)
        if (both[i]->ip.family)
            strv_add_take(&to->addresses, graph_address(both[i]));
    to->impairment = graph_impairment(&from->impairment);
}

static void add_links(struct graph *g, const struct topology *t)
{
    for (size_t i = 0; i < t->link_count; i++) {
        const struct lab_link *from = &t->links[i];
        if (from->ends[0].what == END_NOTHING || from->ends[1].what == END_NOTHING)
            continue;
        struct graph_link *to = add_link(g);
        for (int k = 0; k < 2; k++)
            put_end(g, &from->ends[k], &to->ends[k]);
    }
}

/* ---- networks --------------------------------------------------------------------------------*/

/* What sandbox_connect() calls it: the next free ethN. */
static char *free_name(char *const *taken)
{
    for (unsigned i = 0;; i++) {
        char *name = xasprintf("eth%u", i);
        if (!strv_has(taken, name))
            return name;
        free(name);
    }
}

static size_t find_network(const struct graph *g, const char *name)
{
    for (size_t i = 0; i < g->node_count; i++)
        if (g->nodes[i].shape == GRAPH_NETWORK && streq(g->nodes[i].name, name))
            return i;
    return SIZE_MAX;
}

static void add_member(struct graph *g, size_t node, const struct connect_request *q, strv *taken)
{
    const size_t network = find_network(g, q->network);
    _cleanup_free_ char *name = q->interface ? xstrdup(q->interface) : free_name(*taken);
    strv_add(taken, name);
    if (network == SIZE_MAX)
        return;
    struct graph_link *l = add_link(g);
    l->ends[0] = (struct graph_end){.node = node, .interface = text_printable(name)};
    l->ends[1].node = network;
    const struct ip *const both[] = {&q->address4, &q->address6};
    for (size_t i = 0; i < ARRAY_LEN(both); i++)
        if (both[i]->family)
            strv_add_take(&l->ends[0].addresses, ip_text(both[i]));
}

static void add_networks(struct graph *g, const struct topology *t)
{
    for (size_t i = 0; i < t->network_count; i++) {
        const struct lab_network *n = &t->networks[i];
        const size_t index = add_node(g, n->name, GRAPH_NETWORK);
        json_t *j = g->nodes[index].detail;
        json_put_strv(j, "subnets", n->subnets);
        if (n->internal)
            json_object_set_new(j, "internal", json_true());
    }
    for (size_t i = 0; i < t->node_count; i++) {
        const struct lab_node *n = &t->nodes[i];
        _cleanup_strv_ strv taken = NULL;
        strv_each (text, n->networks) {
            _cleanup_connect_request_ struct connect_request q = {0};
            if (connect_request_parse(text, &q, NULL) == 0)
                add_member(g, i, &q, &taken);
        }
        if (n->network != NODE_HOST && n->network_of_index >= t->node_count)
            continue;
        if (n->network != NODE_HOST && n->network != NODE_CONTAINER)
            continue;
        const size_t with =
            n->network == NODE_HOST ? add_node(g, "host", GRAPH_OUTSIDE) : n->network_of_index;
        struct graph_link *l = add_link(g);
        l->shared = true;
        l->ends[0].node = i;
        l->ends[1].node = with;
    }
}

/* ---- tiers -----------------------------------------------------------------------------------*/

/* Neighbours are counted once, however many links lead there. */
static void count_neighbours(const struct graph *g, size_t *degree)
{
    for (size_t i = 0; i < g->link_count; i++) {
        const size_t a = g->links[i].ends[0].node, b = g->links[i].ends[1].node;
        bool seen = a == b;
        for (size_t k = 0; k < i && !seen; k++) {
            const struct graph_end *e = g->links[k].ends;
            seen = (e[0].node == a && e[1].node == b) || (e[0].node == b && e[1].node == a);
        }
        degree[a] += !seen;
        degree[b] += !seen;
    }
}

/* Distances from the nodes that have one; true: something has changed. */
static bool spread(struct graph *g)
{
    bool changed = false;
    for (size_t i = 0; i < g->link_count; i++)
        for (int k = 0; k < 2; k++) {
            const struct graph_node *from = &g->nodes[g->links[i].ends[k].node];
            struct graph_node *to = &g->nodes[g->links[i].ends[1 - k].node];
            if (from->tier != UINT32_MAX && to->tier > from->tier + 1) {
                to->tier = from->tier + 1;
                changed = true;
            }
        }
    return changed;
}

/* In a part of the graph without leaves, the nodes with the fewest neighbours. */
static void seed(struct graph *g, const size_t *degree)
{
    size_t least = SIZE_MAX;
    for (size_t i = 0; i < g->node_count; i++)
        if (g->nodes[i].tier == UINT32_MAX && degree[i] < least)
            least = degree[i];
    for (size_t i = 0; i < g->node_count; i++)
        if (g->nodes[i].tier == UINT32_MAX && degree[i] == least)
            g->nodes[i].tier = 0;
}

static void apply_levels(struct graph *g, const unsigned *levels)
{
    unsigned lowest = 0;
    for (size_t i = 0; i < g->node_count; i++)
        lowest = levels[i] > lowest ? levels[i] : lowest;
    for (size_t i = 0; lowest && i < g->node_count; i++)
        if (levels[i])
            g->nodes[i].tier = lowest - levels[i];
}

void graph_tiers(struct graph *g, const unsigned *levels)
{
    _cleanup_free_ size_t *degree = xcalloc(g->node_count + 1, sizeof(*degree));
    count_neighbours(g, degree);
    bool left = g->node_count > 0;
    for (size_t i = 0; i < g->node_count; i++) {
        struct graph_node *n = &g->nodes[i];
        n->tier = degree[i] <= 1 ? 0 : UINT32_MAX;
        if (n->shape == GRAPH_HOST && degree[i] > 1)
            n->shape = GRAPH_ROUTER;
    }
    while (left) {
        while (spread(g)) {}
        left = false;
        for (size_t i = 0; i < g->node_count; i++)
            left = left || g->nodes[i].tier == UINT32_MAX;
        if (left)
            seed(g, degree);
    }
    if (levels)
        apply_levels(g, levels);
    for (size_t i = 0; i < g->node_count; i++)
        if (g->nodes[i].tier + 1 > g->tiers)
            g->tiers = g->nodes[i].tier + 1;
    for (size_t i = 0; i < g->link_count; i++) {
        struct graph_end *ends = g->links[i].ends;
        if (g->nodes[ends[0].node].tier < g->nodes[ends[1].node].tier) {
            g->links[i].user = 1;
            struct graph_end first = ends[0];
            ends[0] = ends[1];
            ends[1] = first;
        }
    }
}

/* ---- the whole -------------------------------------------------------------------------------*/

static void put_node(struct graph *g, const struct lab_node *n)
{
    const bool is_switch = n->kind == LAB_BRIDGE;
    const size_t index = add_node(g, n->name, is_switch ? GRAPH_SWITCH : GRAPH_HOST);
    json_t *j = g->nodes[index].detail;
    json_put_str(j, "kind", is_switch ? "bridge" : n->frr ? "frr" : "linux");
    if (!is_switch)
        json_put_str(j, "image", n->image ? n->image : "host");
    json_put_str(j, "group", n->group);
    if (n->ports)
        json_put_strv(j, "ports", n->ports);
}

static void put_tests(struct graph *g, const struct topology *t)
{
    for (size_t i = 0; i < t->test_count; i++) {
        const struct lab_test *test = &t->tests[i];
        _cleanup_free_ char *text = text_printable(test->text);
        json_t *j = json_object();
        json_put_str(j, "text", text);
        json_object_set_new(j, "from", json_integer((json_int_t)test->from));
        if (test->what == TEST_REACH && test->to < t->node_count)
            json_object_set_new(j, "to", json_integer((json_int_t)test->to));
        json_array_append_new(g->tests, j);
    }
}

struct graph *graph_of_file(const struct topology *t)
{
    enum { LEVEL_MAX = 100 };
    struct graph *g = xcalloc(1, sizeof(*g));
    g->name = text_printable(t->name);
    g->tests = json_array();
    for (size_t i = 0; i < t->node_count; i++)
        put_node(g, &t->nodes[i]);
    add_links(g, t);
    add_networks(g, t);
    _cleanup_free_ unsigned *levels = xcalloc(g->node_count + 1, sizeof(*levels));
    for (size_t i = 0; i < t->node_count; i++)
        strv_each (label, t->nodes[i].labels) {
            const char *level = skip_prefix(label, "graph-level=");
            uint64_t value;
            if (level && parse_u64(level, 1, LEVEL_MAX, &value) == 0)
                levels[i] = (unsigned)value;
        }
    graph_tiers(g, levels);
    put_tests(g, t);
    return g;
}

int graph_add_results(struct graph *g, const json_t *results, struct err *e)
{
    const json_t *list = json_object_get(results, "tests"), *from;
    const char *lab = json_str(results, "lab");
    size_t i, k;
    json_t *to;
    if (!json_is_array(list) || !lab) {
        err_say(e, -EINVAL, "this is not what `lab test --format json` prints");
        return -EINVAL;
    }
    if (!streq(lab, g->name)) {
        _cleanup_free_ char *shown = text_printable(lab);
        return err_say(e, -EINVAL, "these are results of lab `%s`, not of `%s`", shown, g->name);
    }
    json_array_foreach (g->tests, i, to) {
        json_array_foreach ((json_t *)list, k, from) {
            if (!streq(json_str(from, "test"), json_str(to, "text")))
                continue;
            json_object_set_new(to, "passed", json_boolean(json_flag(from, "passed")));
            json_put_str(to, "detail", json_str(from, "detail"));
            json_object_set_new(to, "ms", json_integer(json_int(from, "ms", 0)));
        }
    }
    return 0;
}
