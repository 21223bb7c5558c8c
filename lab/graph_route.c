/* The lines between two rows of boxes. Each one goes down from its box to a track, along the track, and down to the other
 * box; two lines share a track if they do not meet. Where the line of a box above and that of a box below have the same
 * column, the first one turns on a higher track.
 */
#include "graph_place.h"

static void add_line(const struct scene *p, size_t link, struct channel *out)
{
    out->lines = xrealloc(out->lines, out->count + 1, sizeof(*out->lines));
    struct line *n = &out->lines[out->count++];
    *n = (struct line){.link = link, .from_top = p->lanes[link] == LANE_BETWEEN, .track = -1};
    for (int k = 0; k < 2; k++) {
        const size_t node = p->g->links[link].ends[k].node;
        struct box *b = &p->boxes[node];
        struct border *side = n->from_top && k == 0 ? &b->bottom : &b->top;
        n->of[k] = b;
        for (size_t i = 0; i < side->count; i++)
            if (side->ports[i].link == link && side->ports[i].end == k)
                n->ports[k] = &side->ports[i];
    }
}

static int column(const struct line *n, int end)
{
    return port_column(n->of[end], n->ports[end]);
}

static bool is_straight(const struct line *n)
{
    return n->from_top && column(n, 0) == column(n, 1);
}

/* A line may begin anywhere below its label: so, many can be straight. */
static void straighten(struct line *n)
{
    for (int k = 0; k < 2 && n->from_top; k++) {
        const int wanted = column(n, 1 - k) - n->of[k]->x - n->ports[k]->start;
        if (wanted >= 0 && wanted < n->ports[k]->width)
            n->ports[k]->shift = wanted;
    }
}

/* Must @a turn above @b? @end: that of @b which forces it. */
static bool must_be_above(const struct line *a, const struct line *b, int *end)
{
    if (a == b || !a->from_top)
        return false;
    for (*end = b->from_top ? 1 : 0; *end < 2; ++*end)
        if (column(a, 0) == column(b, *end))
            return true;
    return false;
}

static bool overlap(const struct line *a, const struct line *b)
{
    const int al = column(a, 0) < column(a, 1) ? column(a, 0) : column(a, 1);
    const int ar = column(a, 0) + column(a, 1) - al;
    const int bl = column(b, 0) < column(b, 1) ? column(b, 0) : column(b, 1);
    const int br = column(b, 0) + column(b, 1) - bl;
    return al <= br + 1 && bl <= ar + 1;
}

/* -1: something that must be above it has no track yet; *@end is its port in the way. */
static int track_for(const struct channel *c, const struct line *n, int *end)
{
    int track = 0, which;
    for (size_t i = 0; i < c->count; i++) {
        if (is_straight(&c->lines[i]) || !must_be_above(&c->lines[i], n, &which))
            continue;
        *end = which;
        if (c->lines[i].track < 0)
            return -1;
        track = c->lines[i].track >= track ? c->lines[i].track + 1 : track;
    }
    for (size_t i = 0; i < c->count; i++)
        if (c->lines[i].track == track && &c->lines[i] != n && overlap(&c->lines[i], n)) {
            track++;
            i = SIZE_MAX; /* look at all again */
        }
    return track;
}

/* True: all have a track. Else *@stuck waits in a circle. */
static bool assign(struct channel *c, struct line **stuck, int *end)
{
    size_t left = 0;
    c->tracks = 0;
    for (size_t i = 0; i < c->count; i++) {
        c->lines[i].track = -1;
        left += !is_straight(&c->lines[i]);
    }
    for (bool moved = true; left && moved;) {
        moved = false;
        *stuck = NULL;
        for (size_t i = 0; i < c->count; i++) {
            struct line *n = &c->lines[i];
            int which = 0;
            if (n->track >= 0 || is_straight(n))
                continue;
            n->track = track_for(c, n, &which);
            if (n->track < 0) {
                *stuck = n;
                *end = which;
                continue;
            }
            c->tracks = n->track + 1 > c->tracks ? n->track + 1 : c->tracks;
            left--;
            moved = true;
        }
    }
    return left == 0;
}

bool channel_make(const struct scene *p, unsigned tier, struct channel *out)
{
    enum { TRIES = 20, TRACKS_MAX = 10 };
    struct line *stuck = NULL;
    int end = 0;
    *out = (struct channel){0};
    for (size_t i = 0; i < p->g->link_count; i++) {
        const unsigned low = p->g->nodes[p->g->links[i].ends[1].node].tier;
        const unsigned high = p->g->nodes[p->g->links[i].ends[0].node].tier;
        if (p->lanes[i] != LANE_BESIDE && (low < high ? low : high) == tier)
            add_line(p, i, out);
    }
    for (size_t i = 0; i < out->count; i++)
        straighten(&out->lines[i]);
    for (int i = 0; i < TRIES; i++) {
        if (assign(out, &stuck, &end))
            return out->tracks <= TRACKS_MAX;
        struct port *port = stuck->ports[end];
        port->shift = (port->shift + 1) % port->width;
    }
    return false;
}
