/* A graph in mermaid's language, for Markdown. */
#include "graph.h"

#include <ctype.h>

/* Mermaid reads HTML and Markdown in texts: all but plain characters becomes an entity, in mermaid's form. */
static void put_text(FILE *out, const char *text)
{
    while (*text) {
        int64_t c = utf8_next(&text);
        if (c < 0x80 && (isalnum((int)c) || c == '-' || c == '.' || c == '/' || c == ' '))
            fputc((int)c, out);
        else
            fprintf(out, "#%lld;", c < 0 ? '?' : (long long)c);
    }
}

static const struct {
    const char *open, *close;
} shapes[] = {
    [GRAPH_HOST] = {"(\"", "\")"},      [GRAPH_ROUTER] = {"[\"", "\"]"},
    [GRAPH_SWITCH] = {"{{\"", "\"}}"},  [GRAPH_NETWORK] = {"([\"", "\"])"},
    [GRAPH_OUTSIDE] = {"[/\"", "\"/]"},
};

static void put_node(FILE *out, const struct graph_node *n, size_t i)
{
    fprintf(out, "  n%zu%s", i, shapes[n->shape].open);
    put_text(out, n->name);
    if (n->mood >= GRAPH_BAD) {
        fputs("<br>", out);
        put_text(out, n->state);
    }
    fputs(shapes[n->shape].close, out);
    if (n->mood >= GRAPH_BAD)
        fputs(n->mood == GRAPH_BAD ? ":::bad" : ":::gone", out);
    fputc('\n', out);
}

static void put_link(FILE *out, const struct graph_link *l)
{
    const char *line = l->shared || l->mood == GRAPH_GONE ? "-.-" : "---";
    const char *one = l->ends[0].interface, *two = l->ends[1].interface;
    fprintf(out, "  n%zu %s", l->ends[0].node, line);
    if (one || two) {
        fputs("|\"", out);
        put_text(out, one ? one : "");
        fputs(one && two ? " &#8212; " : "", out);
        put_text(out, two ? two : "");
        fputs(l->mood == GRAPH_GONE ? " down\"|" : "\"|", out);
    }
    fprintf(out, " n%zu\n", l->ends[1].node);
}

char *graph_mermaid(const struct graph *g)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return xstrdup("");
    fputs("flowchart TB\n", out);
    for (unsigned tier = g->tiers; tier-- > 0;)
        for (size_t i = 0; i < g->node_count; i++)
            if (g->nodes[i].tier == tier)
                put_node(out, &g->nodes[i], i);
    for (size_t i = 0; i < g->link_count; i++)
        put_link(out, &g->links[i]);
    for (size_t i = 0; i < g->link_count; i++)
        if (g->links[i].mood == GRAPH_GONE)
            fprintf(out, "  linkStyle %zu stroke:#c62828\n", i);
    fputs("  classDef bad stroke:#b26a00,color:#b26a00\n"
          "  classDef gone stroke:#c62828,color:#c62828,stroke-dasharray:4\n",
          out);
    fclose(out);
    return text;
}
