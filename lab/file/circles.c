/* Nodes that wait for each other in a circle would never start. A vertex is a stage of a node: it is over when what it
 * waits for is over, and the node's stage before it.
 */
#include "file.h"

struct step {
    size_t vertex;
    size_t next;     /* the edge to look at next */
    struct place at; /* of what led here */
};
struct walk {
    struct reader *r;
    uint8_t *state; /* 0: new, 1: on the path, 2: done */
    struct step *path;
    size_t length;
};

/* The vertex at the end of edge number @i of @v, SIZE_MAX: there is no more. *@at: who says so. */
static size_t edge(const struct walk *w, size_t v, size_t i, struct place *at)
{
    const struct lab_node *n = &w->r->t->nodes[v / STAGES];
    size_t stage = v % STAGES;
    const struct lab_stage_plan *p = &n->stages[stage];
    if (i == 0 && stage)
        return v - 1;
    if (i == 0) {
        *at = w->r->drafts[v / STAGES].mode_at;
        return n->network_of_index == SIZE_MAX ? v : n->network_of_index * STAGES;
    }
    if (i > p->wait_count)
        return SIZE_MAX;
    *at = p->waits[i - 1].place;
    return p->waits[i - 1].index == SIZE_MAX
               ? v
               : p->waits[i - 1].index * STAGES + p->waits[i - 1].stage;
}

/* The path from @first on is a circle, which a wait at @at closes. A stage follows on that before it without a place. */
static void report(struct walk *w, size_t first, struct place at)
{
    enum { NAMES_MAX = 12 };
    const struct topology *t = w->r->t;
    _cleanup_strv_ strv names = NULL;
    size_t last = SIZE_MAX, count = 0;
    for (size_t i = first; i < w->length; i++) {
        size_t node = w->path[i].vertex / STAGES;
        if (i > first && !at.line)
            at = w->path[i].at;
        if (node != last && ++count <= NAMES_MAX)
            strv_add(&names, t->nodes[node].name);
        last = node;
    }
    if (count < 2) /* a wait for itself has been reported */
        return;
    if (count > NAMES_MAX)
        strv_add(&names, "…");
    if (last != w->path[first].vertex / STAGES)
        strv_add(&names, names[0]);
    _cleanup_free_ char *circle = strv_join(names, " → ");
    fault(w->r, at, "these nodes wait for each other: %s; remove one of the waits", circle);
}

static void step(struct walk *w)
{
    struct step *top = &w->path[w->length - 1];
    size_t from = top->vertex;
    struct place at = {0};
    size_t to = edge(w, from, top->next++, &at);
    if (to == SIZE_MAX) {
        w->state[from] = 2;
        w->length--;
    } else if (to != from && w->state[to] == 0) {
        w->state[to] = 1;
        w->path[w->length++] = (struct step){to, 0, at};
    } else if (to != from && w->state[to] == 1) {
        size_t first = w->length;
        while (w->path[first - 1].vertex != to)
            first--;
        report(w, first - 1, at);
    }
}

void check_circles(struct reader *r)
{
    size_t count = r->t->node_count * STAGES;
    _cleanup_free_ uint8_t *state = xcalloc(count + 1, 1);
    _cleanup_free_ struct step *path = xcalloc(count + 1, sizeof(*path));
    struct walk w = {.r = r, .state = state, .path = path};
    for (size_t v = 0; v < count; v++) {
        if (state[v])
            continue;
        state[v] = 1;
        path[w.length++] = (struct step){.vertex = v};
        while (w.length)
            step(&w);
    }
}
