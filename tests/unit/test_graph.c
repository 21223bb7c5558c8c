/* Pictures of labs: what hostile names become in each format, tiers, and a picture that must not lose a line. */
#include "check.h"

#include <netctr/graph.h>

static struct graph *of_text(const char *text)
{
    const struct topology_options o = {.skip_binds = true};
    struct topology_faults faults = {0};
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_topology_ struct topology *t = NULL;
    int r = topology_parse(text, strlen(text), "t.clab.yml", &o, &t, &faults, &e);
    expect(r == 0, "the file", "%s", faults.lines ? faults.lines[0] : text_of(&e));
    topology_faults_clear(&faults);
    return r == 0 ? graph_of_file(t) : NULL;
}

/* What a file cannot say, but a node can: any bytes. */
static void rename_end(struct graph *g, const char *name)
{
    free(g->links[0].ends[0].interface);
    g->links[0].ends[0].interface = text_printable(name);
}

static const char two[] = "name: t\ntopology:\n  nodes: {a: {}, b: {}}\n"
                          "  links: [{endpoints: [\"a:eth1\", \"b:eth1\"]}]\n";

static void lacks(const char *text, const char *what, const char *name)
{
    expect(text && !strstr(text, what), name, "`%s` is in: %s", what, text);
}

static void has(const char *text, const char *what, const char *name)
{
    expect(text && strstr(text, what), name, "`%s` is not in: %s", what, text);
}

static void test_escapes(void)
{
    _cleanup_graph_ struct graph *g = of_text(two);
    if (!g)
        return;
    rename_end(g, "\"];\n\\N<b>&#\x1b[31m");
    _cleanup_free_ char *dot = graph_dot(g), *mermaid = graph_mermaid(g), *json = graph_json(g),
                        *text = graph_text(g, 80), *page = graph_page(g, false);
    has(dot, "taillabel=\"\\\"];\\\\x0a\\\\N<b>&#\\\\x1b[31m\"", "dot: quotes and backslashes");
    lacks(mermaid, "<b>", "mermaid: no markup");
    has(mermaid, "#34;#93;#59;", "mermaid: entities");
    for (const char *c = "<>&\n"; *c; c++)
        lacks(json, (const char[]){*c, '\0'}, "JSON: nothing that ends a script");
    has(json, "\\\"];\\\\x0a\\\\N\\u003cb\\u003e\\u0026#", "JSON: escapes");
    lacks(text, "\x1b", "text: no control characters");
    lacks(page, "<b>", "page: no markup");
    lacks(page, "@NONCE@", "page: each mark is replaced");
    lacks(page, "@DATA@", "page: the data is there");
}

/* A mark in a text is not one. */
static void test_marks(void)
{
    _cleanup_graph_ struct graph *g = of_text(two);
    if (!g)
        return;
    rename_end(g, "@NONCE@");
    _cleanup_free_ char *page = graph_page(g, true);
    has(page, "\"interface\":\"@NONCE@\"", "page: the nonce is not put into names");
    has(page, "connect-src 'self'", "page: it may ask its server");
}

static void test_tiers(void)
{
    _cleanup_graph_ struct graph *g =
        of_text("name: t\ntopology:\n  nodes: {h: {}, l: {}, s: {}, m: {}, k: {}}\n  links:\n"
                "    - endpoints: [\"h:eth1\", \"l:eth1\"]\n"
                "    - endpoints: [\"l:eth2\", \"s:eth1\"]\n"
                "    - endpoints: [\"s:eth2\", \"m:eth2\"]\n"
                "    - endpoints: [\"m:eth1\", \"k:eth1\"]\n");
    if (!g)
        return;
    expect(g->nodes[0].tier == 0 && g->nodes[1].tier == 1 && g->nodes[2].tier == 2 &&
               g->nodes[3].tier == 1 && g->nodes[4].tier == 0 && g->tiers == 3,
           "tiers: the distance from the next leaf", "%u %u %u %u %u of %u", g->nodes[0].tier,
           g->nodes[1].tier, g->nodes[2].tier, g->nodes[3].tier, g->nodes[4].tier, g->tiers);
    expect(g->nodes[0].shape == GRAPH_HOST && g->nodes[1].shape == GRAPH_ROUTER,
           "shapes: by neighbours", "%d %d", g->nodes[0].shape, g->nodes[1].shape);
    bool falls = true;
    for (size_t i = 0; i < g->link_count; i++)
        falls = falls &&
                g->nodes[g->links[i].ends[0].node].tier >= g->nodes[g->links[i].ends[1].node].tier;
    expect(falls, "links: the first end is not below the second", "it is");

    _cleanup_graph_ struct graph *ring = of_text(
        "name: t\ntopology:\n  nodes: {a: {}, b: {}, c: {}}\n  links:\n"
        "    - endpoints: [\"a:eth1\", \"b:eth1\"]\n    - endpoints: [\"b:eth2\", \"c:eth1\"]\n"
        "    - endpoints: [\"c:eth2\", \"a:eth2\"]\n");
    expect(ring && ring->tiers == 1, "tiers: a ring has one", "%u", ring ? ring->tiers : 0);

    _cleanup_graph_ struct graph *by_label =
        of_text("name: t\ntopology:\n  nodes:\n    a: {labels: {graph-level: \"3\"}}\n"
                "    b: {labels: {graph-level: \"1\"}}\n  links: [{endpoints: [\"a:eth1\", "
                "\"b:eth1\"]}]\n");
    expect(by_label && by_label->nodes[0].tier == 0 && by_label->nodes[1].tier == 2,
           "tiers: the label graph-level decides", "%u %u", by_label ? by_label->nodes[0].tier : 0,
           by_label ? by_label->nodes[1].tier : 0);
}

static size_t count(const char *text, const char *what)
{
    size_t n = 0;
    for (; text && (text = strstr(text, what)); text += strlen(what))
        n++;
    return n;
}

/* Labs by chance: the picture never fails in a wrong way, and shows the name of each interface once. */
static void test_pictures(void)
{
    size_t drawn = 0, wrong = 0, large = 0;
    unsigned seed = 1;
    for (int round = 0; round < 300; round++) {
        char text[8192];
        const int nodes = 2 + rand_r(&seed) % 9, links = 1 + rand_r(&seed) % 12;
        int at = sprintf(text, "name: t\ntopology:\n  nodes: {");
        for (int i = 0; i < nodes; i++)
            at +=
                sprintf(text + at, "n%d: {kind: %s}, ", i, rand_r(&seed) % 4 ? "linux" : "bridge");
        at += sprintf(text + at, "}\n  links:\n");
        for (int i = 0; i < links; i++)
            at += sprintf(text + at, "    - endpoints: [\"n%d:a%dx\", \"n%d:b%dx\"]\n",
                          rand_r(&seed) % nodes, i, rand_r(&seed) % nodes, i);
        _cleanup_graph_ struct graph *g = of_text(text);
        if (!g)
            return;
        _cleanup_free_ char *picture = graph_text(g, 80);
        if (strstr(picture, "tier ")) {
            large++;
            continue;
        }
        drawn++;
        for (int i = 0; i < links; i++) {
            char names[2][16];
            sprintf(names[0], "a%dx", i);
            sprintf(names[1], "b%dx", i);
            wrong += count(picture, names[0]) != 1 || count(picture, names[1]) != 1;
        }
    }
    expect(drawn > 100, "pictures: most small labs fit", "%zu of 300, %zu are lists", drawn, large);
    expect(wrong == 0, "pictures: each interface is there once", "%zu are not", wrong);
}

static void test_results(void)
{
    _cleanup_graph_ struct graph *g = of_text("name: t\ntopology:\n  nodes: {a: {}, b: {}}\n"
                                              "tests: [a -> b icmp, b -> a icmp]\n");
    if (!g)
        return;
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_json_ json_t *good =
        json_pack("{s:s, s:[{s:s, s:b, s:s, s:i}]}", "lab", "t", "tests", "test", "a -> b icmp",
                  "passed", 1, "detail", "x", "ms", 7);
    int r = graph_add_results(g, good, &e);
    expect(r == 0 && json_flag(json_array_get(g->tests, 0), "passed") &&
               !json_object_get(json_array_get(g->tests, 1), "passed"),
           "results: taken by the text of a test", "%s", text_of(&e));
    json_object_set_new(good, "lab", json_string("other"));
    expect(graph_add_results(g, good, &e) == -EINVAL, "results: of another lab", "accepted");
}

int main(void)
{
    test_escapes();
    test_marks();
    test_tiers();
    test_pictures();
    test_results();
    return failures > 0;
}
