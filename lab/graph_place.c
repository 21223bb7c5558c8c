/* The boxes of a picture: which row has them in which order, and where. Each tier is a row, so a link joins two
 * neighbouring rows, or two boxes of one row.
 *
 * The order comes from the mean of the neighbours' places, and then from exchanges of neighbours that leave fewer crossings.
 * The places in a row are those nearest to where each box would like to be, below or above its neighbours (isotonic
 * regression): a box with one link stands exactly below its peer if there is room.
 */
#include "graph_place.h"

#include <string.h>

enum { GAP = 2, BESIDE_LINE = 3, SWEEPS = 8, NODES_MAX = 40, LINKS_MAX = 80 };

int cells_of(const char *text)
{
    int cells = 0;
    for (; *text; cells++)
        (void)utf8_next(&text);
    return cells;
}

static size_t peer(const struct graph_link *l, int end)
{
    return l->ends[1 - end].node;
}

/* ---- order -----------------------------------------------------------------------------------*/

static bool crosses(const struct scene *p, const struct graph_link *a, const struct graph_link *b)
{
    const struct graph_node *n = p->g->nodes;
    if (n[a->ends[0].node].tier != n[b->ends[0].node].tier ||
        n[a->ends[1].node].tier != n[b->ends[1].node].tier ||
        n[a->ends[0].node].tier == n[a->ends[1].node].tier)
        return false;
    const long up = (long)p->boxes[a->ends[0].node].place - (long)p->boxes[b->ends[0].node].place;
    const long low = (long)p->boxes[a->ends[1].node].place - (long)p->boxes[b->ends[1].node].place;
    return up * low < 0;
}

static long distance_in_row(const struct scene *p, const struct graph_link *l)
{
    const size_t a = l->ends[0].node, b = l->ends[1].node;
    const long d = (long)p->boxes[a].place - (long)p->boxes[b].place;
    return p->g->nodes[a].tier != p->g->nodes[b].tier || d == 0 ? 0 : (d < 0 ? -d : d) - 1;
}

static long cost(const struct scene *p)
{
    const struct graph *g = p->g;
    long sum = 0;
    for (size_t i = 0; i < g->link_count; i++) {
        sum += 3 * distance_in_row(p, &g->links[i]);
        for (size_t k = 0; k < i; k++)
            sum += crosses(p, &g->links[i], &g->links[k]) ? 2 : 0;
    }
    return sum;
}

/* The mean place of the neighbours in the row @tier; its own if there is none. */
static double mean_place(const struct scene *p, size_t node, unsigned tier)
{
    double sum = 0;
    size_t count = 0;
    for (size_t i = 0; i < p->g->link_count; i++)
        for (int k = 0; k < 2; k++) {
            const struct graph_link *l = &p->g->links[i];
            if (l->ends[k].node != node || p->g->nodes[peer(l, k)].tier != tier)
                continue;
            sum += (double)p->boxes[peer(l, k)].place;
            count++;
        }
    return count ? sum / (double)count : (double)p->boxes[node].place;
}

static void sort_row(struct scene *p, unsigned tier, unsigned by)
{
    struct row *row = &p->rows[tier];
    double key[NODES_MAX];
    for (size_t i = 0; i < row->count; i++) {
        const size_t node = row->order[i];
        const double mine = mean_place(p, node, by);
        size_t k = i;
        for (; k > 0 && key[k - 1] > mine; k--) {
            key[k] = key[k - 1];
            row->order[k] = row->order[k - 1];
        }
        key[k] = mine;
        row->order[k] = node;
    }
    for (size_t i = 0; i < row->count; i++)
        p->boxes[row->order[i]].place = i;
}

static void swap(struct scene *p, const struct row *row, size_t i)
{
    const size_t left = row->order[i], right = row->order[i + 1];
    row->order[i] = right;
    row->order[i + 1] = left;
    p->boxes[right].place = i;
    p->boxes[left].place = i + 1;
}

static bool improve(struct scene *p, long *best)
{
    bool better = false;
    for (unsigned tier = 0; tier < p->g->tiers; tier++)
        for (size_t i = 0; i + 1 < p->rows[tier].count; i++) {
            swap(p, &p->rows[tier], i);
            const long now = cost(p);
            if (now < *best) {
                *best = now;
                better = true;
            } else {
                swap(p, &p->rows[tier], i);
            }
        }
    return better;
}

static void order(struct scene *p)
{
    const struct graph *g = p->g;
    for (size_t i = 0; i < g->node_count; i++) {
        struct row *row = &p->rows[g->nodes[i].tier];
        row->order = xrealloc(row->order, row->count + 1, sizeof(size_t));
        p->boxes[i].place = row->count;
        row->order[row->count++] = i;
    }
    for (int sweep = 0; sweep < SWEEPS / 2; sweep++) {
        for (unsigned tier = 1; tier < g->tiers; tier++)
            sort_row(p, tier, tier - 1);
        for (unsigned tier = g->tiers - 1; tier-- > 0;)
            sort_row(p, tier, tier + 1);
    }
    long best = cost(p);
    for (int i = 0; i < SWEEPS && improve(p, &best); i++) {}
}

/* ---- borders ---------------------------------------------------------------------------------*/

static void choose_lanes(struct scene *p)
{
    const struct graph *g = p->g;
    for (size_t i = 0; i < g->link_count; i++) {
        const size_t a = g->links[i].ends[0].node, b = g->links[i].ends[1].node;
        const long d = (long)p->boxes[a].place - (long)p->boxes[b].place;
        if (g->nodes[a].tier != g->nodes[b].tier)
            continue;
        p->lanes[i] = d == 1 || d == -1 ? LANE_BESIDE : LANE_OVER;
        for (size_t k = 0; k < i; k++) {
            const struct graph_end *e = g->links[k].ends;
            if (p->lanes[k] == LANE_BESIDE &&
                ((e[0].node == a && e[1].node == b) || (e[0].node == b && e[1].node == a)))
                p->lanes[i] = LANE_OVER;
        }
    }
}

static void add_port(struct border *b, size_t link, int end, const char *label)
{
    b->ports = xrealloc(b->ports, b->count + 1, sizeof(*b->ports));
    const char *text = label ? label : "";
    const int width = cells_of(text);
    b->ports[b->count++] = (struct port){.link = link,
                                         .end = end,
                                         .label = text,
                                         .width = width ? width : 1,
                                         .shift = width ? (width - 1) / 2 : 0};
}

static void add_ports(struct scene *p)
{
    for (size_t i = 0; i < p->g->link_count; i++)
        for (int k = 0; k < 2 && p->lanes[i] != LANE_BESIDE; k++) {
            const struct graph_end *end = &p->g->links[i].ends[k];
            struct box *b = &p->boxes[end->node];
            const bool up =
                p->lanes[i] == LANE_OVER ||
                p->g->nodes[end->node].tier < p->g->nodes[peer(&p->g->links[i], k)].tier;
            add_port(up ? &b->top : &b->bottom, i, k, end->interface);
        }
}

static int labels_width(const struct border *b)
{
    int sum = 0;
    for (size_t i = 0; i < b->count; i++)
        sum += b->ports[i].width + (i > 0 ? GAP : 0);
    return sum;
}

static int middle(const struct box *b)
{
    return 2 * b->x + b->width;
}

/* From left to right as the boxes at the other ends are, so that lines do not cross here. */
static void sort_ports(const struct scene *p, struct border *b)
{
    for (size_t i = 1; i < b->count; i++) {
        const struct port mine = b->ports[i];
        const int at = middle(&p->boxes[peer(&p->g->links[mine.link], mine.end)]);
        size_t k = i;
        for (; k > 0; k--) {
            const struct port *left = &b->ports[k - 1];
            if (middle(&p->boxes[peer(&p->g->links[left->link], left->end)]) <= at)
                break;
            b->ports[k] = *left;
        }
        b->ports[k] = mine;
    }
}

static void place_labels(struct border *b, int width)
{
    int at = (width - labels_width(b)) / 2;
    for (size_t i = 0; i < b->count; i++) {
        b->ports[i].start = at;
        at += b->ports[i].width + GAP;
    }
}

static void measure(struct scene *p)
{
    for (size_t i = 0; i < p->g->node_count; i++) {
        const struct graph_node *n = &p->g->nodes[i];
        struct box *b = &p->boxes[i];
        const int state = n->mood >= GRAPH_BAD ? cells_of(n->state) : 0;
        int inner = cells_of(n->name) + 2;
        inner = state + 2 > inner ? state + 2 : inner;
        inner = labels_width(&b->top) + 2 > inner ? labels_width(&b->top) + 2 : inner;
        inner = labels_width(&b->bottom) + 2 > inner ? labels_width(&b->bottom) + 2 : inner;
        b->width = inner + 2;
    }
}

/* ---- places ----------------------------------------------------------------------------------*/

int port_column(const struct box *b, const struct port *port)
{
    return b->x + port->start + port->shift;
}

/* Between a box and the one on its right. */
static int gap_after(const struct scene *p, size_t left, size_t right)
{
    for (size_t i = 0; i < p->g->link_count; i++) {
        const struct graph_end *e = p->g->links[i].ends;
        if (p->lanes[i] != LANE_BESIDE || !((e[0].node == left && e[1].node == right) ||
                                            (e[0].node == right && e[1].node == left)))
            continue;
        return BESIDE_LINE + 2 + cells_of(e[0].interface ? e[0].interface : "") +
               cells_of(e[1].interface ? e[1].interface : "");
    }
    return GAP;
}

static const struct port *port_of(const struct box *b, size_t link, int end)
{
    const struct border *const both[] = {&b->top, &b->bottom};
    for (int side = 0; side < 2; side++)
        for (size_t i = 0; i < both[side]->count; i++)
            if (both[side]->ports[i].link == link && both[side]->ports[i].end == end)
                return &both[side]->ports[i];
    return NULL;
}

/* How far the box would like to move: then its lines are straight in the mean. */
static double wish(const struct scene *p, size_t node)
{
    double sum = 0;
    size_t count = 0;
    for (size_t i = 0; i < p->g->link_count; i++)
        for (int k = 0; k < 2; k++) {
            const struct graph_link *l = &p->g->links[i];
            if (p->lanes[i] != LANE_BETWEEN || l->ends[k].node != node)
                continue;
            const struct box *mine = &p->boxes[node], *other = &p->boxes[peer(l, k)];
            sum += port_column(other, port_of(other, i, 1 - k)) -
                   port_column(mine, port_of(mine, i, k));
            count++;
        }
    return count ? sum / (double)count : 0;
}

/* Where a box would like to begin, less the room that those on its left need, must not decrease from left to right:
 * neighbours for which it does share their mean. */
static void place_row(struct scene *p, const struct row *row, int total)
{
    double mean[NODES_MAX];
    size_t size[NODES_MAX], blocks = 0;
    int offset = 0;
    for (size_t i = 0; i < row->count; i++) {
        const size_t node = row->order[i];
        mean[blocks] = p->boxes[node].x + wish(p, node) - offset;
        size[blocks++] = 1;
        while (blocks > 1 && mean[blocks - 2] > mean[blocks - 1]) {
            const double a = (double)size[blocks - 2], b = (double)size[blocks - 1];
            mean[blocks - 2] = (a * mean[blocks - 2] + b * mean[blocks - 1]) / (a + b);
            size[blocks - 2] += size[blocks - 1];
            blocks--;
        }
        if (i + 1 < row->count)
            offset += p->boxes[node].width + gap_after(p, node, row->order[i + 1]);
    }
    offset = 0;
    for (size_t block = 0, i = 0; block < blocks; block++) {
        double at = mean[block] < 0 ? 0 : mean[block];
        at = at > p->columns - total ? p->columns - total : at;
        for (size_t k = 0; k < size[block]; k++, i++) {
            const size_t node = row->order[i];
            p->boxes[node].x = (int)(at + 0.5) + offset;
            if (i + 1 < row->count)
                offset += p->boxes[node].width + gap_after(p, node, row->order[i + 1]);
        }
    }
}

static int row_width(const struct scene *p, const struct row *row)
{
    int sum = 0;
    for (size_t i = 0; i < row->count; i++)
        sum += p->boxes[row->order[i]].width +
               (i + 1 < row->count ? gap_after(p, row->order[i], row->order[i + 1]) : 0);
    return sum;
}

/* Packed and centred. */
static bool place_first(struct scene *p)
{
    for (unsigned tier = 0; tier < p->g->tiers; tier++) {
        const struct row *row = &p->rows[tier];
        int at = (p->columns - row_width(p, row)) / 2;
        if (row_width(p, row) > p->columns)
            return false;
        for (size_t i = 0; i < row->count; i++) {
            p->boxes[row->order[i]].x = at;
            at += p->boxes[row->order[i]].width +
                  (i + 1 < row->count ? gap_after(p, row->order[i], row->order[i + 1]) : 0);
        }
    }
    return true;
}

static void arrange_ports(struct scene *p)
{
    for (size_t i = 0; i < p->g->node_count; i++) {
        struct box *b = &p->boxes[i];
        sort_ports(p, &b->top);
        sort_ports(p, &b->bottom);
        place_labels(&b->top, b->width);
        place_labels(&b->bottom, b->width);
    }
}

static void place(struct scene *p)
{
    const unsigned tiers = p->g->tiers;
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
        arrange_ports(p);
        for (unsigned i = 0; i < tiers; i++) {
            const struct row *row = &p->rows[sweep % 2 ? i : tiers - 1 - i];
            place_row(p, row, row_width(p, row));
        }
    }
    arrange_ports(p);
    int left = p->columns;
    for (size_t i = 0; i < p->g->node_count; i++)
        left = p->boxes[i].x < left ? p->boxes[i].x : left;
    for (size_t i = 0; i < p->g->node_count; i++)
        p->boxes[i].x -= left;
}

bool scene_make(struct scene *p, const struct graph *g, int columns)
{
    *p = (struct scene){.g = g, .columns = columns};
    if (!g->node_count || g->node_count > NODES_MAX || g->link_count > LINKS_MAX)
        return false;
    for (size_t i = 0; i < g->link_count; i++) {
        const struct graph_end *e = g->links[i].ends;
        const long d = (long)g->nodes[e[0].node].tier - (long)g->nodes[e[1].node].tier;
        if (d > 1 || d < -1)
            return false;
    }
    p->boxes = xcalloc(g->node_count, sizeof(*p->boxes));
    p->rows = xcalloc(g->tiers, sizeof(*p->rows));
    p->lanes = xcalloc(g->link_count + 1, sizeof(*p->lanes));
    order(p);
    choose_lanes(p);
    add_ports(p);
    measure(p);
    if (!place_first(p))
        return false;
    place(p);
    return true;
}

void scene_clear(struct scene *p)
{
    for (size_t i = 0; p->boxes && i < p->g->node_count; i++) {
        free(p->boxes[i].top.ports);
        free(p->boxes[i].bottom.ports);
    }
    for (unsigned i = 0; p->rows && i < p->g->tiers; i++)
        free(p->rows[i].order);
    free(p->boxes);
    free(p->rows);
    free(p->lanes);
    *p = (struct scene){0};
}
