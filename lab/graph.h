/* What the files of pictures share. Private. From the top down:
 *
 *     graph_serve.c                 a page for browsers of this host
 *     graph_svg.c                   by graphviz, from the text of graph_dot.c
 *     graph_text.c                  a terminal's: picture or list; graph_place.c: where boxes and lines are
 *     graph_dot.c, graph_mermaid.c, graph_page.c
 *     graph_live.c                  what is so now
 *     graph.c                       what the file says
 */
#pragma once

#include "lab.h"

#include <netctr/graph.h>

/** "10.0.1.1/24"; caller frees. */
char *graph_address(const struct lab_address *a);
/** "rate 10mbit, delay 20ms"; NULL: nothing. The caller frees it. */
char *graph_impairment(const struct lab_impairment *i);
