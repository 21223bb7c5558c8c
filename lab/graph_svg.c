/* A graph as SVG, by graphviz. Its library is loaded when it is needed, so that netctr runs without it: libgvc needs
 * twenty others. No program is started.
 */
#include "graph.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

struct graphviz {
    void *gvc, *cgraph;
    void *(*context)(void);
    void *(*read)(const char *text);
    int (*quiet)(int level);
    int (*layout)(void *context, void *graph, const char *engine);
    int (*render)(void *context, void *graph, const char *format, char **out, size_t *size);
    void (*free_data)(char *data);
    int (*free_layout)(void *context, void *graph);
    int (*close)(void *graph);
    int (*free_context)(void *context);
};

/* ISO C has no conversion from an object pointer to one of a function. */
static bool find(void *library, const char *name, void *function)
{
    void *symbol = library ? dlsym(library, name) : NULL;
    memcpy(function, &symbol, sizeof(symbol));
    return symbol;
}

/* The number is that of the library's interface; graphviz 13 has 7. */
static void *load_one(const char *six, const char *seven)
{
    void *library = dlopen(six, RTLD_NOW | RTLD_LOCAL);
    return library ? library : dlopen(seven, RTLD_NOW | RTLD_LOCAL);
}

static bool load(struct graphviz *v)
{
    v->gvc = load_one("libgvc.so.6", "libgvc.so.7");
    v->cgraph = load_one("libcgraph.so.6", "libcgraph.so.8");
    return find(v->gvc, "gvContext", &v->context) && find(v->cgraph, "agmemread", &v->read) &&
           find(v->cgraph, "agseterr", &v->quiet) && find(v->gvc, "gvLayout", &v->layout) &&
           find(v->gvc, "gvRenderData", &v->render) &&
           find(v->gvc, "gvFreeRenderData", &v->free_data) &&
           find(v->gvc, "gvFreeLayout", &v->free_layout) && find(v->cgraph, "agclose", &v->close) &&
           find(v->gvc, "gvFreeContext", &v->free_context);
}

static int draw(const struct graphviz *v, const char *dot, char **out, struct err *e)
{
    enum { ERRORS_ONLY = 1 };
    (void)v->quiet(ERRORS_ONLY); /* a font that is missing is no reason to warn */
    void *context = v->context(), *graph = v->read(dot);
    char *data = NULL;
    /* Up to graphviz 11 it is an unsigned int. */
    size_t size = 0;
    int r = -EIO;
    if (context && graph && v->layout(context, graph, "dot") == 0) {
        if (v->render(context, graph, "svg", &data, &size) == 0 && data) {
            *out = xstrdup(data);
            v->free_data(data);
            r = 0;
        }
        v->free_layout(context, graph);
    }
    if (graph)
        v->close(graph);
    if (context)
        v->free_context(context);
    if (r == 0)
        return 0;
    err_say(e, r, "graphviz could not draw lab");
    err_hint(e, "`--format dot` prints what it was given");
    return r;
}

int graph_svg(const struct graph *g, char **out, struct err *e)
{
    struct graphviz v = {0};
    *out = NULL;
    if (!load(&v)) {
        err_say(e, -ENOENT, "svg needs graphviz, which is not installed");
        err_hint(e, "`apt install libgvc6`, or `--format html`, which needs nothing");
        return -ENOENT;
    }
    _cleanup_free_ char *dot = graph_dot(g);
    return draw(&v, dot, out, e);
}
