/* A graph for a terminal: a picture, if it fits, and a list of links; or the list alone, tier by tier. */
#include "graph_place.h"

#include <string.h>

enum { COLUMNS = 9, NODE = 0, IF0, LINE, IF1, PEER, ADDRESS0, ADDRESS_LINE, ADDRESS1, NOTE };

/* Rows of COLUMNS cells. A first cell that begins with a newline is a title, one that begins with a tab a remark: each is a
 * line of its own. */
struct rows {
    struct strings cells;
    size_t width[COLUMNS];
};

static void add_row(struct rows *r, char *cells[COLUMNS])
{
    for (size_t i = 0; i < COLUMNS; i++) {
        const size_t width = cells[i] ? (size_t)cells_of(cells[i]) : 0;
        r->width[i] = width > r->width[i] ? width : r->width[i];
        strings_add_take(&r->cells, cells[i] ? cells[i] : xstrdup(""));
    }
}

static void add_whole(struct rows *r, char *line)
{
    strings_add_take(&r->cells, line);
    for (size_t i = 1; i < COLUMNS; i++)
        strings_add(&r->cells, "");
}

static void print_row(FILE *out, const struct rows *r, char *const *cells)
{
    size_t owed = 0; /* blanks, which are not printed at the end of a line */
    if (*cells[0] == '\n' || *cells[0] == '\t') {
        const int indent = *cells[0] == '\t' ? (int)r->width[NODE] + 2 : 0;
        fprintf(out, "%*s%s\n", indent, "", indent ? cells[0] + 1 : cells[0]);
        return;
    }
    for (size_t i = 0; i < COLUMNS; i++) {
        const size_t width = (size_t)cells_of(cells[i]);
        if (!r->width[i])
            continue;
        if (*cells[i]) {
            fprintf(out, "%*s%s", (int)owed, "", cells[i]);
            owed = 0;
        }
        const bool close = i == IF0 || i == LINE || i == ADDRESS0 || i == ADDRESS_LINE;
        owed += r->width[i] - width + (close ? 1 : 2);
    }
    fputc('\n', out);
}

/* ---- rows of links ---------------------------------------------------------------------------*/

static char *node_text(const struct graph_node *n)
{
    return n->mood >= GRAPH_BAD ? xasprintf("%s (%s)", n->name, n->state) : xstrdup(n->name);
}

static void add_impairments(struct rows *r, const struct graph *g, const struct graph_link *l)
{
    for (int k = 0; k < 2; k++)
        if (l->ends[k].impairment)
            add_whole(r, xasprintf("\t%s sends with %s", g->nodes[l->ends[k].node].name,
                                   l->ends[k].impairment));
}

static void add_link(struct rows *r, const struct graph *g, const struct graph_link *l, bool first)
{
    const struct graph_end *a = &l->ends[0], *b = &l->ends[1];
    const size_t of_a = strv_len(a->addresses), of_b = strv_len(b->addresses);
    for (size_t i = 0; i == 0 || i < of_a || i < of_b; i++) {
        char *cells[COLUMNS] = {0};
        if (i == 0) {
            cells[NODE] = first ? node_text(&g->nodes[a->node]) : NULL;
            cells[IF0] = xstrdup(a->interface);
            cells[LINE] = xstrdup(l->mood == GRAPH_GONE ? "╳╌" : "──");
            cells[IF1] = xstrdup(b->interface);
            cells[PEER] = node_text(&g->nodes[b->node]);
            cells[NOTE] = l->mood == GRAPH_GONE ? xstrdup("down") : NULL;
        }
        if (l->shared)
            cells[NOTE] =
                xasprintf("%s uses the network of %s", g->nodes[l->ends[l->user].node].name,
                          g->nodes[l->ends[1 - l->user].node].name);
        cells[ADDRESS0] = i < of_a ? xstrdup(a->addresses[i]) : NULL;
        cells[ADDRESS1] = i < of_b ? xstrdup(b->addresses[i]) : NULL;
        cells[ADDRESS_LINE] = i < of_a && i < of_b ? xstrdup("──") : NULL;
        add_row(r, cells);
    }
    add_impairments(r, g, l);
}

static bool has_link(const struct graph *g, size_t node)
{
    for (size_t i = 0; i < g->link_count; i++)
        if (g->links[i].ends[0].node == node || g->links[i].ends[1].node == node)
            return true;
    return false;
}

/* Each link once, at its upper node. */
static void add_node(struct rows *r, const struct graph *g, size_t node)
{
    bool first = true;
    for (size_t i = 0; i < g->link_count; i++)
        if (g->links[i].ends[0].node == node) {
            add_link(r, g, &g->links[i], first);
            first = false;
        }
    if (first && !has_link(g, node)) {
        char *cells[COLUMNS] = {[NODE] = node_text(&g->nodes[node]), [NOTE] = xstrdup("no link")};
        add_row(r, cells);
    }
}

static bool heads_list(const struct graph *g, size_t node)
{
    for (size_t i = 0; i < g->link_count; i++)
        if (g->links[i].ends[0].node == node)
            return true;
    return !has_link(g, node);
}

static void add_tier(struct rows *r, const struct graph *g, unsigned tier, bool title)
{
    size_t count = 0, heads = 0;
    for (size_t i = 0; i < g->node_count; i++)
        if (g->nodes[i].tier == tier) {
            count++;
            heads += heads_list(g, i);
        }
    if (title && heads)
        add_whole(r, xasprintf("\ntier %u: %zu node%s", tier + 1, count, count == 1 ? "" : "s"));
    for (size_t i = 0; i < g->node_count; i++)
        if (g->nodes[i].tier == tier)
            add_node(r, g, i);
}

static void put_list(FILE *out, const struct graph *g, bool titles)
{
    struct rows r = {0};
    for (unsigned tier = g->tiers; tier-- > 0;)
        add_tier(&r, g, tier, titles);
    for (size_t i = 0; i + COLUMNS <= r.cells.count; i += COLUMNS)
        print_row(out, &r, r.cells.items + i);
    strings_clear(&r.cells);
}

/* ---- the whole -------------------------------------------------------------------------------*/

static void put_count(FILE *out, size_t count, const char *what, const char *plural, bool first)
{
    if (count)
        fprintf(out, "%s%zu %s%s", first ? "" : ", ", count, what, count == 1 ? "" : plural);
}

static void put_head(FILE *out, const struct graph *g)
{
    size_t counts[GRAPH_OUTSIDE + 1] = {0}, links = 0;
    for (size_t i = 0; i < g->node_count; i++)
        counts[g->nodes[i].shape]++;
    for (size_t i = 0; i < g->link_count; i++)
        links += g->links[i].ends[0].interface && g->links[i].ends[1].interface;
    const size_t nodes = counts[GRAPH_HOST] + counts[GRAPH_ROUTER];
    fprintf(out, "lab %s: ", g->name);
    if (g->state)
        fprintf(out, "%s, ", g->state);
    put_count(out, nodes, "node", "s", true);
    put_count(out, counts[GRAPH_SWITCH], "switch", "es", !nodes);
    put_count(out, counts[GRAPH_NETWORK], "network", "s", false);
    put_count(out, links, "link", "s", false);
    fputs("\n", out);
}

/* Is there something about a link that a picture does not show? */
static bool has_more(const struct graph *g)
{
    for (size_t i = 0; i < g->link_count; i++)
        for (int k = 0; k < 2; k++)
            if (g->links[i].ends[k].addresses || g->links[i].ends[k].impairment ||
                g->links[i].mood == GRAPH_GONE)
                return true;
    return false;
}

char *graph_text(const struct graph *g, size_t columns)
{
    enum { COLUMNS_MAX = 1000 };
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return xstrdup("");
    put_head(out, g);
    _cleanup_free_ char *picture =
        graph_draw(g, (int)(columns < COLUMNS_MAX ? columns : COLUMNS_MAX));
    if (picture)
        fprintf(out, "\n%s", picture);
    if (picture && has_more(g))
        fputc('\n', out);
    if (!picture || has_more(g))
        put_list(out, g, !picture);
    fclose(out);
    return text;
}
