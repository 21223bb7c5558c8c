/* A graph in graphviz's language. Tiers become ranks, interface names the labels at the ends of a link. */
#include "graph.h"

#include <string.h>

/* In quotes. A backslash would begin an escape of graphviz: "\N" is the name of the node. */
static void put_quoted(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

/* Lines that graphviz centres. */
static void put_lines(FILE *out, const char *first, char *const *rest)
{
    _cleanup_free_ char *joined = strv_join(rest, "\n");
    _cleanup_free_ char *text = xasprintf("%s%s%s", first, *joined ? "\n" : "", joined);
    fputc('"', out);
    for (const char *p = text; *p; p++) {
        if (*p == '"' || *p == '\\')
            fputc('\\', out);
        if (*p == '\n')
            fputs("\\n", out);
        else
            fputc(*p, out);
    }
    fputc('"', out);
}

static const struct {
    const char *shape, *style, *fill;
} looks[] = {
    [GRAPH_HOST] = {"box", "filled,rounded", "#eef4fb"},
    [GRAPH_ROUTER] = {"box", "filled,rounded", "#d6e6f7"},
    [GRAPH_SWITCH] = {"hexagon", "filled", "#f0ead8"},
    [GRAPH_NETWORK] = {"ellipse", "filled", "#e6f2e6"},
    [GRAPH_OUTSIDE] = {"box", "filled,dashed", "#f5f5f5"},
};
static const char *const lines[] = {[GRAPH_UNKNOWN] = "#44566c",
                                    [GRAPH_GOOD] = "#2e7d32",
                                    [GRAPH_BAD] = "#b26a00",
                                    [GRAPH_GONE] = "#c62828"};

static bool is_usual(const struct graph_node *n)
{
    return !n->state || streq(n->state, "running") || streq(n->state, "up") ||
           streq(n->state, "healthy");
}

static void put_node(FILE *out, const struct graph_node *n, size_t i)
{
    _cleanup_strv_ strv rest = n->shape == GRAPH_NETWORK ? json_strv(n->detail, "subnets") : NULL;
    if (!is_usual(n))
        strv_add(&rest, n->state);
    fprintf(out, "  n%zu [label=", i);
    put_lines(out, n->name, rest);
    fprintf(out, ", shape=%s, style=\"%s\", fillcolor=\"%s\", color=\"%s\"", looks[n->shape].shape,
            looks[n->shape].style, n->mood == GRAPH_GONE ? "#fdecea" : looks[n->shape].fill,
            lines[n->mood]);
    if (n->mood >= GRAPH_BAD)
        fprintf(out, ", fontcolor=\"%s\"", lines[n->mood]);
    fputs("];\n", out);
}

/* One rank for each tier. */
static void put_ranks(FILE *out, const struct graph *g)
{
    for (unsigned tier = g->tiers; tier-- > 0 && g->tiers > 1;) {
        fputs("  {rank=same;", out);
        for (size_t i = 0; i < g->node_count; i++)
            if (g->nodes[i].tier == tier)
                fprintf(out, " n%zu;", i);
        fputs("}\n", out);
    }
}

/* ---- addresses: the subnet at the middle of a link, the rest of each address at its end -------------------------------*/

/* Of a text as graph_address() writes it. */
static bool read_address(const char *text, struct ip *ip, uint8_t *prefix)
{
    const char *slash = strchr(text, '/');
    uint64_t bits;
    if (!slash)
        return false;
    _cleanup_free_ char *address = xstrndup(text, (size_t)(slash - text));
    if (ip_parse(address, ip) < 0 || parse_u64(slash + 1, 0, 8 * ip_size(ip), &bits) < 0)
        return false;
    *prefix = (uint8_t)bits;
    return true;
}

/* ".10" of 10.0.1.10/24, "::10" of 2001:db8:1::10/64. Whole if the prefix ends within what would be left out. */
static char *host_part(const struct ip *ip, uint8_t prefix)
{
    struct ip rest = *ip;
    const struct ip base = subnet_base(ip, prefix);
    if (ip->family == AF_INET)
        return prefix >= 24 ? xasprintf(".%u", ip->bytes[3]) : ip_text(ip);
    for (size_t i = 0; i < ip_size(ip); i++)
        rest.bytes[i] &= (uint8_t)~base.bytes[i];
    return ip_text(&rest);
}

/* @subnets: of both ends. */
static void add_addresses(const struct graph_end *end, strv *label, strv *subnets)
{
    strv_each (text, end->addresses) {
        struct ip ip;
        uint8_t prefix;
        if (!read_address(text, &ip, &prefix)) {
            strv_add(label, text);
            continue;
        }
        const struct subnet subnet = {subnet_base(&ip, prefix), prefix};
        _cleanup_free_ char *name = subnet_text(&subnet);
        strv_add_take(label, host_part(&ip, prefix));
        if (!strv_has(*subnets, name))
            strv_add(subnets, name);
    }
}

static void put_tip(FILE *out, const struct graph *g, const struct graph_link *l)
{
    _cleanup_strv_ strv tip = NULL;
    for (int k = 0; k < 2; k++) {
        const struct graph_end *end = &l->ends[k];
        _cleanup_free_ char *addresses = strv_join(end->addresses, " ");
        strv_add_take(
            &tip, xasprintf("%s%s%s%s%s%s%s", g->nodes[end->node].name, end->interface ? ":" : "",
                            end->interface ? end->interface : "", *addresses ? " " : "", addresses,
                            end->impairment ? " " : "", end->impairment ? end->impairment : ""));
    }
    fputs(", tooltip=", out);
    put_lines(out, tip[0], tip + 1);
}

static void put_link(FILE *out, const struct graph *g, const struct graph_link *l)
{
    static const char *const keys[] = {"taillabel", "headlabel"};
    _cleanup_strv_ strv middle = NULL;
    strv parts[2] = {NULL, NULL};
    for (int k = 0; k < 2; k++)
        if (l->ends[k].interface) /* a network says its subnets itself */
            add_addresses(&l->ends[k], &parts[k], &middle);
    if (g->nodes[l->ends[0].node].shape == GRAPH_NETWORK ||
        g->nodes[l->ends[1].node].shape == GRAPH_NETWORK)
        strv_free(take_ptr(middle));
    fprintf(out, "  n%zu -- n%zu [color=\"%s\", style=%s", l->ends[0].node, l->ends[1].node,
            lines[l->mood],
            l->shared               ? "dotted"
            : l->mood == GRAPH_GONE ? "dashed"
                                    : "solid");
    for (int k = 0; k < 2; k++)
        if (l->ends[k].interface) {
            fprintf(out, ", %s=", keys[k]);
            put_lines(out, l->ends[k].interface, parts[k]);
            strv_free(parts[k]);
        }
    if (l->mood == GRAPH_GONE)
        strv_add(&middle, "down");
    else if (l->ends[0].impairment || l->ends[1].impairment)
        strv_add(&middle, "impaired");
    if (middle) {
        fputs(", label=", out);
        put_lines(out, middle[0], middle + 1);
    }
    if (l->mood == GRAPH_GONE)
        fprintf(out, ", fontcolor=\"%s\"", lines[GRAPH_GONE]);
    put_tip(out, g, l);
    fputs("];\n", out);
}

char *graph_dot(const struct graph *g)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return xstrdup("");
    fputs("graph ", out);
    put_quoted(out, g->name);
    fputs(
        " {\n"
        "  graph [fontname=\"Helvetica\", bgcolor=\"white\", ranksep=1.1, nodesep=1, newrank=true];\n"
        "  node [fontname=\"Helvetica\", fontsize=13, height=0.45, margin=\"0.2,0.05\"];\n"
        "  edge [fontname=\"Helvetica\", fontsize=9, fontcolor=\"#44566c\", labeldistance=2.3, "
        "labelangle=-42];\n",
        out);
    for (size_t i = 0; i < g->node_count; i++)
        put_node(out, &g->nodes[i], i);
    put_ranks(out, g);
    for (size_t i = 0; i < g->link_count; i++)
        put_link(out, g, &g->links[i]);
    fputs("}\n", out);
    fclose(out);
    return text;
}
