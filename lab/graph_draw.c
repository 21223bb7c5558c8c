/* A picture for a terminal: boxes, with interface names in their borders, and lines. */
#include "graph_place.h"

#include <string.h>

enum { NORTH = 1, EAST = 2, SOUTH = 4, WEST = 8 };
enum stroke { STROKE_LINE, STROKE_GONE, STROKE_SHARED };

struct cell {
    uint32_t text; /* 0: a line, or nothing */
    uint8_t arms;
    enum stroke stroke;
};
struct canvas {
    struct cell *cells;
    int columns, rows;
};

static struct cell *at(const struct canvas *c, int x, int y)
{
    static struct cell outside;
    return x < 0 || y < 0 || x >= c->columns || y >= c->rows ? &outside
                                                             : &c->cells[y * c->columns + x];
}

static void put_text(const struct canvas *c, int x, int y, const char *text)
{
    while (*text) {
        int64_t character = utf8_next(&text);
        at(c, x++, y)->text = character < 0 ? '?' : (uint32_t)character;
    }
}

static void put_arms(const struct canvas *c, int x, int y, uint8_t arms, enum stroke stroke)
{
    struct cell *cell = at(c, x, y);
    cell->arms |= arms;
    cell->stroke = stroke;
}

static void vertical(const struct canvas *c, int x, int from, int to, enum stroke stroke)
{
    for (int y = from; y <= to; y++)
        put_arms(c, x, y, (uint8_t)((y > from ? NORTH : 0) | (y < to ? SOUTH : 0)), stroke);
}

static void horizontal(const struct canvas *c, int y, int from, int to, enum stroke stroke)
{
    for (int x = from; x <= to; x++)
        put_arms(c, x, y, (uint8_t)((x > from ? WEST : 0) | (x < to ? EAST : 0)), stroke);
}

/* ---- boxes -----------------------------------------------------------------------------------*/

/* Corners from the upper left one clockwise, horizontal, vertical. */
static const char *const *frame_of(enum graph_shape shape)
{
    static const char *const plain[] = {"┌", "┐", "┘", "└", "─", "│"}, *const twice[] = {"╔", "╗",
                                                                                         "╝", "╚",
                                                                                         "═", "║"},
                             *const round[] = {"╭", "╮", "╯", "╰", "─", "│"};
    return shape == GRAPH_SWITCH ? twice : shape >= GRAPH_NETWORK ? round : plain;
}

static void put_centred(const struct canvas *c, const struct box *b, int y, const char *text)
{
    put_text(c, b->x + (b->width - cells_of(text)) / 2, y, text);
}

static void put_labels(const struct canvas *c, const struct box *b, const struct border *side,
                       int y, const char *bare)
{
    for (size_t i = 0; i < side->count; i++)
        put_text(c, b->x + side->ports[i].start, y,
                 *side->ports[i].label ? side->ports[i].label : bare);
}

static void put_box(const struct canvas *c, const struct graph_node *n, const struct box *b, int y,
                    int height)
{
    const char *const *frame = frame_of(n->shape);
    const bool twice = n->shape == GRAPH_SWITCH;
    const int right = b->x + b->width - 1, bottom = y + height - 1;
    for (int x = b->x + 1; x < right; x++) {
        put_text(c, x, y, frame[4]);
        put_text(c, x, bottom, frame[4]);
    }
    for (int row = y + 1; row < bottom; row++) {
        put_text(c, b->x, row, frame[5]);
        put_text(c, right, row, frame[5]);
    }
    put_text(c, b->x, y, frame[0]);
    put_text(c, right, y, frame[1]);
    put_text(c, right, bottom, frame[2]);
    put_text(c, b->x, bottom, frame[3]);
    put_centred(c, b, y + 1, n->name);
    if (n->mood >= GRAPH_BAD)
        put_centred(c, b, y + 2, n->state);
    put_labels(c, b, &b->top, y, twice ? "╧" : "┴");
    put_labels(c, b, &b->bottom, bottom, twice ? "╤" : "┬");
}

/* ---- lines -----------------------------------------------------------------------------------*/

static enum stroke stroke_of(const struct graph_link *l)
{
    return l->mood == GRAPH_GONE ? STROKE_GONE : l->shared ? STROKE_SHARED : STROKE_LINE;
}

static void put_beside(const struct scene *p, const struct canvas *c, size_t link, int y)
{
    const struct graph_link *l = &p->g->links[link];
    const int first = p->boxes[l->ends[0].node].x < p->boxes[l->ends[1].node].x ? 0 : 1;
    const struct graph_end *left = &l->ends[first], *right = &l->ends[1 - first];
    const struct box *a = &p->boxes[left->node], *b = &p->boxes[right->node];
    const bool a_twice = p->g->nodes[left->node].shape == GRAPH_SWITCH,
               b_twice = p->g->nodes[right->node].shape == GRAPH_SWITCH;
    const char *one = left->interface ? left->interface : "",
               *two = right->interface ? right->interface : "";
    horizontal(c, y, a->x + a->width - 1, b->x, stroke_of(l));
    put_text(c, a->x + a->width - 1, y, a_twice ? "╟" : "├");
    put_text(c, b->x, y, b_twice ? "╢" : "┤");
    put_text(c, a->x + a->width + 1, y, one);
    put_text(c, b->x - 1 - cells_of(two), y, two);
    if (l->mood == GRAPH_GONE)
        put_text(c, a->x + a->width + 2 + cells_of(one), y, "╳");
}

/* A line that carries nothing has a cross where it can be seen best. */
static void put_cross(const struct canvas *c, const struct line *n, enum stroke stroke, int one,
                      int two, int top, int height, int y)
{
    if (stroke != STROKE_GONE)
        return;
    if (n->track < 0)
        put_text(c, one, top + height / 2, "╳");
    else
        put_text(c, (one + two) / 2, y, "╳");
}

/* @top: the first row of the channel. @first: the row of its first track. */
static void put_channel(const struct scene *p, const struct canvas *c, const struct channel *ch,
                        int top, int height, int first)
{
    for (size_t i = 0; i < ch->count; i++) {
        const struct line *n = &ch->lines[i];
        const enum stroke stroke = stroke_of(&p->g->links[n->link]);
        const int one = port_column(n->of[0], n->ports[0]),
                  two = port_column(n->of[1], n->ports[1]);
        const int y = n->track < 0 ? top : top + first + n->track;
        const int bottom = top + height; /* the border below: an arm points to it */
        if (n->track < 0) {
            vertical(c, one, top - 1, bottom, stroke);
            put_cross(c, n, stroke, one, two, top, height, y);
            continue;
        }
        horizontal(c, y, one < two ? one : two, one < two ? two : one, stroke);
        if (n->from_top)
            vertical(c, one, top - 1, y, stroke);
        else
            vertical(c, one, y, bottom, stroke);
        vertical(c, two, y, bottom, stroke);
        put_cross(c, n, stroke, one, two, top, height, y);
    }
}

/* ---- text ------------------------------------------------------------------------------------*/

static const char *line_text(const struct cell *cell)
{
    static const char *const plain[] = {" ", "│", "─", "└", "│", "│", "┌", "├",
                                        "─", "┘", "─", "┴", "┐", "┤", "┬", "┼"};
    const bool vertical_only = (cell->arms & (EAST | WEST)) == 0;
    const bool horizontal_only = (cell->arms & (NORTH | SOUTH)) == 0;
    if (!cell->arms || cell->stroke == STROKE_LINE || (!vertical_only && !horizontal_only))
        return plain[cell->arms];
    if (cell->stroke == STROKE_GONE)
        return vertical_only ? "╎" : "╌";
    return vertical_only ? "┊" : "┈";
}

static void put_character(FILE *out, uint32_t c)
{
    if (c < 0x80)
        fputc((int)c, out);
    else if (c < 0x800)
        fprintf(out, "%c%c", 0xc0 | c >> 6, 0x80 | (c & 0x3f));
    else if (c < 0x10000)
        fprintf(out, "%c%c%c", 0xe0 | c >> 12, 0x80 | (c >> 6 & 0x3f), 0x80 | (c & 0x3f));
    else
        fprintf(out, "%c%c%c%c", 0xf0 | c >> 18, 0x80 | (c >> 12 & 0x3f), 0x80 | (c >> 6 & 0x3f),
                0x80 | (c & 0x3f));
}

static char *canvas_text(const struct canvas *c)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    for (int y = 0; out && y < c->rows; y++) {
        int end = c->columns;
        while (end > 0 && !at(c, end - 1, y)->text && !at(c, end - 1, y)->arms)
            end--;
        for (int x = 0; x < end; x++) {
            const struct cell *cell = at(c, x, y);
            if (cell->text)
                put_character(out, cell->text);
            else
                fputs(line_text(cell), out);
        }
        fputc('\n', out);
    }
    if (out)
        fclose(out);
    return text;
}

/* ---- the whole -------------------------------------------------------------------------------*/

static int box_height(const struct scene *p, unsigned tier)
{
    for (size_t i = 0; i < p->rows[tier].count; i++)
        if (p->g->nodes[p->rows[tier].order[i]].mood >= GRAPH_BAD)
            return 4;
    return 3;
}

static int channel_height(const struct scene *p, const struct channel *c, unsigned tier)
{
    const bool top = tier + 1 == p->g->tiers;
    if (!c->count)
        return top ? 0 : 1;
    return top ? c->tracks : c->tracks ? c->tracks + 2 : 2;
}

static char *draw(const struct scene *p, const struct channel *channels)
{
    struct canvas c = {.columns = p->columns};
    for (unsigned tier = 0; tier < p->g->tiers; tier++)
        c.rows += box_height(p, tier) + channel_height(p, &channels[tier], tier);
    c.cells = xcalloc((size_t)c.rows * (size_t)c.columns, sizeof(*c.cells));
    int y = 0;
    for (unsigned tier = p->g->tiers; tier-- > 0;) {
        const int height = channel_height(p, &channels[tier], tier);
        /* Lines that come from above have a row of their own. */
        put_channel(p, &c, &channels[tier], y, height, tier + 1 < p->g->tiers);
        y += height;
        for (size_t i = 0; i < p->rows[tier].count; i++) {
            const size_t node = p->rows[tier].order[i];
            put_box(&c, &p->g->nodes[node], &p->boxes[node], y, box_height(p, tier));
        }
        for (size_t i = 0; i < p->g->link_count; i++)
            if (p->lanes[i] == LANE_BESIDE && p->g->nodes[p->g->links[i].ends[0].node].tier == tier)
                put_beside(p, &c, i, y + 1);
        y += box_height(p, tier);
    }
    char *text = canvas_text(&c);
    free(c.cells);
    return text;
}

char *graph_draw(const struct graph *g, int columns)
{
    struct scene p;
    char *text = NULL;
    bool fits = scene_make(&p, g, columns);
    struct channel *channels = xcalloc(g->tiers + 1, sizeof(*channels));
    for (unsigned tier = 0; fits && tier < g->tiers; tier++)
        fits = channel_make(&p, tier, &channels[tier]);
    if (fits)
        text = draw(&p, channels);
    for (unsigned tier = 0; tier < g->tiers; tier++)
        free(channels[tier].lines);
    free(channels);
    scene_clear(&p);
    return text;
}
