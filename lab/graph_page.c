/* A graph as one page for a browser: graph.html with the data in it.
 *
 * Names come from hostile files and nodes. The data is JSON in an element that browsers do not run, without the characters
 * that could end it; the script of the page writes texts only as text. The policy in the page's head is a second lock: a
 * script without its nonce does not run, and nothing is fetched from elsewhere.
 */
#include "graph.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

__asm__(".section .rodata\n"
        "graph_html_begin:\n"
        "\t.incbin \"" GRAPH_HTML "\"\n"
        "graph_html_end:\n"
        "\t.previous\n");
extern const char graph_html_begin[], graph_html_end[];

/* ---- data ------------------------------------------------------------------------------------*/

static json_t *node_json(const struct graph_node *n)
{
    static const char *const shapes[] = {"host", "router", "switch", "network", "outside"};
    static const char *const moods[] = {"unknown", "good", "bad", "gone"};
    json_t *j = json_copy(n->detail);
    json_put_str(j, "name", n->name);
    json_put_str(j, "shape", shapes[n->shape]);
    json_put_str(j, "mood", moods[n->mood]);
    json_put_str(j, "state", n->state);
    json_object_set_new(j, "tier", json_integer(n->tier));
    return j;
}

static json_t *end_json(const struct graph_end *end)
{
    json_t *j = json_object();
    json_object_set_new(j, "node", json_integer((json_int_t)end->node));
    json_put_str(j, "interface", end->interface);
    json_put_str(j, "impairment", end->impairment);
    json_put_strv(j, "addresses", end->addresses);
    return j;
}

static json_t *link_json(const struct graph_link *l)
{
    json_t *j = json_object(), *ends = json_array();
    for (int k = 0; k < 2; k++)
        json_array_append_new(ends, end_json(&l->ends[k]));
    json_object_set_new(j, "ends", ends);
    if (l->mood != GRAPH_UNKNOWN)
        json_object_set_new(j, "up", json_boolean(l->mood != GRAPH_GONE));
    if (l->shared)
        json_object_set_new(j, "user", json_integer(l->user));
    return j;
}

/* As JSON writes them in a string, where alone they can be. */
static char *escape(const char *json)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return xstrdup("{}");
    for (; *json; json++)
        if (*json == '<' || *json == '>' || *json == '&')
            fprintf(out, "\\u%04x", (unsigned)*json);
        else
            fputc(*json, out);
    fclose(out);
    return text;
}

char *graph_json(const struct graph *g)
{
    _cleanup_json_ json_t *j = json_object();
    json_t *nodes = json_array(), *links = json_array();
    json_put_str(j, "name", g->name);
    json_put_str(j, "state", g->state);
    for (size_t i = 0; i < g->node_count; i++)
        json_array_append_new(nodes, node_json(&g->nodes[i]));
    for (size_t i = 0; i < g->link_count; i++)
        json_array_append_new(links, link_json(&g->links[i]));
    json_object_set_new(j, "nodes", nodes);
    json_object_set_new(j, "links", links);
    json_object_set(j, "tests", g->tests);
    /* In ASCII: line separators, which scripts do not allow in strings, are escaped as well. */
    _cleanup_free_ char *plain = json_dumps(j, JSON_COMPACT | JSON_ENSURE_ASCII);
    return escape(plain ? plain : "{}");
}

/* ---- the page --------------------------------------------------------------------------------*/

static void random_word(char word[33])
{
    unsigned char bytes[16] = {0};
    if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
        memset(bytes, 0, sizeof(bytes)); /* not on Linux after boot; the escapes hold alone */
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(word + 2 * i, 3, "%02x", bytes[i]);
}

char *graph_page(const struct graph *g, bool watch)
{
    char nonce[33];
    random_word(nonce);
    _cleanup_free_ char *data = graph_json(g);
    const struct {
        const char *mark, *text;
    } marks[] = {{"@NONCE@", nonce},
                 {"@CONNECT@", watch ? "'self'" : "'none'"},
                 {"@WATCH@", watch ? "watch" : ""},
                 {"@DATA@", data}};
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    const char *p = graph_html_begin;
    while (out && p < graph_html_end) {
        size_t i = 0, skipped = 0;
        for (; *p == '@' && i < ARRAY_LEN(marks); i++) {
            const size_t length = strlen(marks[i].mark);
            if ((size_t)(graph_html_end - p) < length || memcmp(p, marks[i].mark, length) != 0)
                continue;
            fputs(marks[i].text, out);
            skipped = length;
            break;
        }
        if (!skipped)
            fputc(*p, out);
        p += skipped ? skipped : 1;
    }
    if (out)
        fclose(out);
    return text;
}
