/* Where the boxes and lines of a picture for a terminal are. Private to graph_place.c, graph_route.c, graph_draw.c and
 * graph_text.c. Columns and rows are cells of the terminal.
 */
#pragma once

#include "graph.h"

/** Where a line leaves a box. Its label, the interface, is in the box's border. */
struct port {
    size_t link;
    int end;
    const char *label; /**< "": none */
    int width;         /**< of the label, at least 1 */
    int start;         /**< of the label, from the box's left border */
    int shift;         /**< of the line from the label's begin */
};
struct border {
    struct port *ports;
    size_t count;
};
struct box {
    int x, width;
    size_t place; /**< in its row, from the left */
    struct border top, bottom;
};
struct row {
    size_t *order; /**< nodes from the left */
    size_t count;
};
enum lane {
    LANE_BETWEEN, /**< from one row to the next one */
    LANE_OVER,    /**< from the top of a box to that of another one in its row */
    LANE_BESIDE,  /**< to the next box of its row */
};
struct scene {
    const struct graph *g;
    int columns;
    struct box *boxes; /**< one for each node */
    struct row *rows;  /**< one for each tier */
    enum lane *lanes;  /**< one for each link */
};

/** A line between two rows, or over one. */
struct line {
    size_t link;
    struct port *ports[2];
    const struct box *of[2];
    bool from_top; /**< its first port is in the row above */
    int track;     /**< from 0, or -1: it is straight */
};
/** What is between the row @above (of tiers; its number may be that of none) and the one below. */
struct channel {
    struct line *lines;
    size_t count;
    int tracks;
};

/** Characters of a text; each one takes a cell. */
int cells_of(const char *text);
/** False: it does not fit. scene_clear() in any case. */
bool scene_make(struct scene *p, const struct graph *g, int columns);
void scene_clear(struct scene *p);
/** The column of a port's line. */
int port_column(const struct box *b, const struct port *port);
/** The lines of the channel above the row @tier. False: they cannot be drawn. The caller frees lines. */
bool channel_make(const struct scene *p, unsigned tier, struct channel *out);
/** The picture; caller frees. NULL: it does not fit. */
char *graph_draw(const struct graph *g, int columns);
