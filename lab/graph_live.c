/* What is so now, added to the graph of a file: states of programs, interfaces and addresses of the kernel, routes. */
#include "graph.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

enum { ROUTES_MAX = 100, CHECK_MS = 2000 };

/* ---- routes ----------------------------------------------------------------------------------*/

struct link_name {
    int index;
    char *name;
};
struct routes {
    struct link_name *links;
    size_t link_count;
    json_t *list;
    size_t left_out;
};

static int note_link(const struct link *link, void *arg)
{
    struct routes *x = arg;
    x->links = xrealloc(x->links, x->link_count + 1, sizeof(*x->links));
    x->links[x->link_count++] = (struct link_name){link->index, text_printable(link->name)};
    return 0;
}

static const char *protocol_word(uint8_t protocol)
{
    static const struct {
        uint8_t protocol;
        const char *word;
    } words[] = {{RTPROT_ZEBRA, "zebra"}, {RTPROT_BIRD, "bird"},  {RTPROT_BGP, "bgp"},
                 {RTPROT_OSPF, "ospf"},   {RTPROT_ISIS, "isis"},  {RTPROT_RIP, "rip"},
                 {RTPROT_EIGRP, "eigrp"}, {RTPROT_BABEL, "babel"}};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (words[i].protocol == protocol)
            return words[i].word;
    return NULL;
}

static int note_route(const struct route *r, void *arg)
{
    struct routes *x = arg;
    const char *name = NULL;
    for (size_t i = 0; i < x->link_count; i++)
        if (x->links[i].index == r->oif && r->oif != 1)
            name = x->links[i].name;
    const bool of_link = r->family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&r->destination.v6);
    const bool several = !r->gateway.family && !r->on_link;
    if ((!name && !several) || (r->prefix && of_link) || r->oif == 1)
        return 0;
    if (json_array_size(x->list) >= ROUTES_MAX) {
        x->left_out++;
        return 0;
    }
    _cleanup_free_ char *to = ip_text(&r->destination), *via = ip_text(&r->gateway);
    _cleanup_free_ char *where =
        r->prefix ? xasprintf("%s/%u", to, r->prefix)
                  : xstrdup(r->family == AF_INET6 ? "default (IPv6)" : "default");
    const char *word = protocol_word(r->protocol);
    json_array_append_new(x->list, json_sprintf("%s%s%s%s%s%s%s%s", where, *via ? " via " : "", via,
                                                name ? " dev " : "", name ? name : "",
                                                several ? " (several next hops)" : "",
                                                word ? " proto " : "", word ? word : ""));
    return 0;
}

static void put_routes(struct engine *engine, const struct lab_member *m, json_t *detail)
{
    _cleanup_rt_ struct rt *rt = NULL;
    struct routes x = {.list = json_array()};
    _cleanup_close_ int netns = lab_netns(engine, m, NULL);
    int r = netns < 0 ? netns : netns_open_rt(netns, &rt, NULL);
    if (r == 0)
        r = rt_each_link(rt, note_link, &x, NULL);
    if (r == 0)
        r = rt_each_route(rt, note_route, &x, NULL);
    if (x.left_out)
        json_array_append_new(x.list, json_sprintf("… and %zu more", x.left_out));
    if (r == 0)
        json_object_set(detail, "routes", x.list);
    json_decref(x.list);
    for (size_t i = 0; i < x.link_count; i++)
        free(x.links[i].name);
    free(x.links);
}

/* ---- links -----------------------------------------------------------------------------------*/

static bool of_link_scope(const struct lab_address *a)
{
    return a->ip.family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&a->ip.v6);
}

/* True: it carries nothing. */
static bool end_is_down(struct graph_end *end, const struct lab_interfaces *all)
{
    for (size_t i = 0; i < all->count; i++) {
        const struct lab_interface *f = &all->items[i];
        _cleanup_free_ char *name = text_printable(f->name);
        if (!streq(name, end->interface))
            continue;
        strv_free(take_ptr(end->addresses));
        for (size_t k = 0; k < f->address_count; k++)
            if (!of_link_scope(&f->addresses[k]))
                strv_add_take(&end->addresses, graph_address(&f->addresses[k]));
        return !f->up || !f->carrier;
    }
    return true;
}

static void mark_links(struct graph *g, size_t node, const struct lab_interfaces *all)
{
    for (size_t i = 0; i < g->link_count; i++)
        for (int k = 0; k < 2; k++) {
            struct graph_link *l = &g->links[i];
            if (l->ends[k].node != node || !l->ends[k].interface)
                continue;
            if (end_is_down(&l->ends[k], all))
                l->mood = GRAPH_GONE;
            else if (l->mood == GRAPH_UNKNOWN)
                l->mood = GRAPH_GOOD;
        }
}

/* ---- nodes -----------------------------------------------------------------------------------*/

static void set_state(struct graph_node *n, const char *state, enum graph_mood mood)
{
    free(n->state);
    n->state = xstrdup(state);
    n->mood = mood;
}

/* How the state is looked at. */
struct look {
    struct engine *engine;
    const struct lab *l;
    bool deep;
    int64_t check_until; /* of monotonic_ms() */
};

static bool is_healthy(struct engine *engine, const struct lab_member *m,
                       const struct lab_health *h, int64_t left)
{
    _cleanup_free_ char *output = NULL;
    _cleanup_err_ struct err e = ERR_INIT;
    const int64_t own = h->timeout_ms && h->timeout_ms < CHECK_MS ? h->timeout_ms : CHECK_MS;
    return lab_command(engine, m, h->argv, &output, (unsigned)(own < left ? own : left), &e) == 0;
}

static void add_program(struct graph_node *n, const struct look *look, const struct lab_member *m,
                        const struct lab_node *node)
{
    struct engine *engine = look->engine;
    _cleanup_record_ struct record r = {0};
    json_put_str(n->detail, "container", m->long_name);
    if (lab_container(engine, m, &r, NULL) < 0) {
        set_state(n, "removed", GRAPH_GONE);
        return;
    }
    const char *state = engine_status_name(engine, &r);
    const bool runs = r.status == STATUS_RUNNING;
    set_state(n, state,
              streq(state, "running")                 ? GRAPH_GOOD
              : runs || r.status == STATUS_RESTARTING ? GRAPH_BAD
                                                      : GRAPH_GONE);
    const int64_t left = look->check_until - monotonic_ms();
    if (!node->health.given || left <= 0 || n->mood != GRAPH_GOOD)
        return;
    const bool healthy = is_healthy(engine, m, &node->health, left);
    set_state(n, healthy ? "healthy" : "unhealthy", healthy ? GRAPH_GOOD : GRAPH_BAD);
}

static void add_node(struct graph *g, size_t i, const struct look *look,
                     const struct lab_node *node, const struct lab_member *m)
{
    struct graph_node *n = &g->nodes[i];
    _cleanup_lab_interfaces_ struct lab_interfaces all = {0};
    if (m->kind == LAB_LINUX)
        add_program(n, look, m, node);
    if (!m->sandbox)
        return;
    const bool lives = lab_interfaces(look->engine, look->l, m, &all, NULL) == 0;
    if (m->kind == LAB_BRIDGE)
        set_state(n, lives ? "up" : "down", lives ? GRAPH_GOOD : GRAPH_GONE);
    mark_links(g, i, &all);
    if (!look->deep || !lives)
        return;
    json_t *list = json_array();
    for (size_t k = 0; k < all.count; k++)
        json_array_append_new(list, lab_interface_json(&all.items[k]));
    json_object_set_new(n->detail, "interfaces", list);
    if (m->kind == LAB_LINUX)
        put_routes(look->engine, m, n->detail);
}

/* As `lab set` has left them. The links of @g are those of @t, without dummies, and then those of networks. */
static void add_impairments(struct graph *g, const struct topology *t, const struct lab *l)
{
    struct graph_link *to = g->links;
    for (size_t i = 0; i < t->link_count; i++) {
        const struct lab_link *from = &t->links[i];
        if (from->ends[0].what == END_NOTHING || from->ends[1].what == END_NOTHING)
            continue;
        for (int k = 0; k < 2; k++) {
            const struct lab_impairment now = lab_end_impairment(l, t, &from->ends[k]);
            free(to->ends[k].impairment);
            to->ends[k].impairment = graph_impairment(&now);
        }
        to++;
    }
}

void graph_add_state(struct graph *g, struct engine *engine, const struct topology *t,
                     const struct lab *l, bool deep, unsigned check_ms)
{
    const struct look look = {engine, l, deep, monotonic_ms() + check_ms};
    const bool lives = lab_lives(engine, l);
    free(g->state);
    g->state = xstrdup(l->state != LAB_UP ? "half-way" : lives ? "up" : "down");
    add_impairments(g, t, l);
    for (size_t i = 0; i < t->node_count; i++) {
        const struct lab_member *m = NULL;
        for (size_t k = 0; k < l->member_count && !m; k++)
            if (streq(l->members[k].name, t->nodes[i].name))
                m = &l->members[k];
        if (m)
            add_node(g, i, &look, &t->nodes[i], m);
        else
            set_state(&g->nodes[i], "absent", GRAPH_GONE);
    }
}

void graph_keep_health(struct graph *g, const struct graph *before)
{
    for (size_t i = 0; before && i < g->node_count && i < before->node_count; i++) {
        const struct graph_node *old = &before->nodes[i];
        if (streq(g->nodes[i].state, "running") && streq(g->nodes[i].name, old->name) &&
            (streq(old->state, "healthy") || streq(old->state, "unhealthy")))
            set_state(&g->nodes[i], old->state, old->mood);
    }
}
