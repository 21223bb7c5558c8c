/* netctr lab graph: a picture of a topology file, or of a lab with its state. */
#include "lab.h"

#include <netctr/graph.h>

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

enum { LISTEN_PORT = 7780, RESULTS_MAX = 16 << 20 };
/* For health checks: of one picture; of a page that is watched, which waits for them, and how often. */
enum { CHECK_MS = 10000, WATCH_CHECK_MS = 2000, WATCH_CHECK_EACH_MS = 5000 };

enum graph_format { FORMAT_ASCII, FORMAT_DOT, FORMAT_MERMAID, FORMAT_SVG, FORMAT_HTML };

struct request {
    const struct cli *cli;
    struct lab_choice choice;
    const char *word; /* a lab or a file; NULL */
    enum graph_format format;
    bool plain; /* the file alone */
    bool watch;
    json_t *results; /* of tests; NULL: none given */
    uint16_t port;
    struct graph *before; /* that was served last; NULL */
    int64_t checked;      /* when its health checks ran */
};

/* ---- what is asked for -----------------------------------------------------------------------*/

static int format_of(const char *word, const char *file, enum graph_format *out, struct err *e)
{
    static const struct {
        const char *word, *ending;
        enum graph_format format;
    } known[] = {{"ascii", ".txt", FORMAT_ASCII},    {"dot", ".dot", FORMAT_DOT},
                 {"dot", ".gv", FORMAT_DOT},         {"mermaid", ".mmd", FORMAT_MERMAID},
                 {"mermaid", ".md", FORMAT_MERMAID}, {"svg", ".svg", FORMAT_SVG},
                 {"html", ".html", FORMAT_HTML},     {"html", ".htm", FORMAT_HTML}};
    const char *ending = file ? strrchr(file, '.') : NULL;
    *out = FORMAT_ASCII;
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (word ? streq(word, known[i].word) : streq(ending, known[i].ending)) {
            *out = known[i].format;
            return 0;
        }
    return word ? err_say(e, -EINVAL, "--format `%s` is not ascii, dot, mermaid, svg or html", word)
                : 0;
}

/* Loopback alone: what is served is the inside of labs, and no password protects it. */
static int listen_parse(const char *text, uint16_t *port, struct err *e)
{
    uint64_t value;
    *port = LISTEN_PORT;
    if (!text)
        return 0;
    const char *rest = skip_prefix(text, "127.0.0.1:");
    rest = rest ? rest : skip_prefix(text, "localhost:");
    if (!rest || parse_u64(rest, 0, UINT16_MAX, &value) < 0) {
        err_say(e, -EINVAL, "--listen `%s` is not 127.0.0.1:PORT", text);
        err_hint(e, "other addresses are refused: the page has no password");
        return -EINVAL;
    }
    *port = (uint16_t)value;
    return 0;
}

static int results_read(const char *file, json_t **out, struct err *e)
{
    _cleanup_free_ char *text = NULL;
    size_t size;
    json_error_t why;
    if (!file)
        return 0;
    int r = read_file_at(AT_FDCWD, file, RESULTS_MAX, &text, &size);
    if (r < 0)
        return err_set(e, r, "read results of tests `%s`", file);
    *out = json_loadb(text, size, JSON_REJECT_DUPLICATES, &why);
    if (*out)
        return 0;
    err_say(e, -EINVAL, "`%s` is not JSON: line %d: %s", file, why.line, why.text);
    err_hint(e, "`netctr lab test --format json > FILE` writes it");
    return -EINVAL;
}

/* ---- what is drawn ---------------------------------------------------------------------------*/

/* Of the file, if one is named, or the only one here: it may have no lab. -ENOENT, without a text: a lab is named. */
static int read_file(const struct request *q, struct topology **out, struct err *e)
{
    struct stat st;
    _cleanup_free_ char *text = NULL;
    size_t size;
    const struct topology_options o = {
        .name = q->choice.name, .environ = environ, .skip_binds = true, .ovs_as_bridge = true};
    if (!q->choice.topo && (q->choice.name || (q->word && stat(q->word, &st) < 0)))
        return -ENOENT;
    return lab_read(&q->choice, q->word, &o, &text, &size, out, e);
}

/* A lab comes before a file of its name, as for the other commands. @l->name stays NULL if no lab exists. */
static int find(const struct request *q, struct engine *engine, struct lab *l,
                struct topology **out, struct err *e)
{
    *l = (struct lab){.dir = -1, .lock = -1};
    if (q->word && !q->choice.topo && !q->choice.name && !strchr(q->word, '/') &&
        lab_find(engine, q->word, l, NULL) == 0)
        return lab_topology(l, out, e);
    lab_clear(l);
    int r = read_file(q, out, e);
    if (r == -ENOENT && !(e && e->text)) {
        r = lab_choose(engine, &q->choice, q->word, l, e);
        return r < 0 ? r : lab_topology(l, out, e);
    }
    if (r == -ENOENT && !q->word && !q->choice.topo) { /* no file here: the only lab */
        err_clear(e);
        r = lab_choose(engine, &q->choice, NULL, l, e);
        return r < 0 ? r : lab_topology(l, out, e);
    }
    if (r < 0)
        return r;
    _cleanup_err_ struct err none = ERR_INIT;
    if (!q->plain && (r = lab_find(engine, (*out)->name, l, &none)) < 0) {
        lab_clear(l);
        if (r != -ENOENT) {
            err_move(e, &none);
            return r;
        }
    }
    return 0;
}

static int make(const struct request *q, unsigned check_ms, struct graph **out, struct err *e)
{
    _cleanup_engine_ struct engine engine = {0};
    _cleanup_lab_ struct lab l = {.dir = -1, .lock = -1};
    _cleanup_topology_ struct topology *t = NULL;
    int r = cli_engine_to_read(q->cli, &engine, e);
    if (r == 0)
        r = find(q, &engine, &l, &t, e);
    if (r < 0 || !t)
        return r;
    struct graph *g = *out = graph_of_file(t);
    if (l.name && !q->plain)
        graph_add_state(g, &engine, t, &l, q->format == FORMAT_HTML, check_ms);
    return q->results ? graph_add_results(g, q->results, e) : 0;
}

static size_t terminal_columns(bool to_file)
{
    enum { COLUMNS = 80 };
    struct winsize w = {0};
    if (to_file || ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0 || !w.ws_col)
        return COLUMNS;
    return w.ws_col;
}

static int draw(const struct request *q, const struct graph *g, bool to_file, char **out,
                struct err *e)
{
    switch (q->format) {
    case FORMAT_ASCII: *out = graph_text(g, terminal_columns(to_file)); break;
    case FORMAT_DOT: *out = graph_dot(g); break;
    case FORMAT_MERMAID: *out = graph_mermaid(g); break;
    case FORMAT_HTML: *out = graph_page(g, q->watch); break;
    case FORMAT_SVG: return graph_svg(g, out, e);
    }
    return 0;
}

static int write_out(const char *file, const char *text, struct err *e)
{
    if (!file || streq(file, "-")) {
        fputs(text, stdout);
        return 0;
    }
    int r = write_file_atomic(AT_FDCWD, file, text, strlen(text), 0644);
    return r < 0 ? err_set(e, r, "write `%s`", file) : 0;
}

/* ---- watched ---------------------------------------------------------------------------------*/

/* The picture of now. The caller borrows it until the next one. */
static int look(struct request *q, const struct graph **out, struct err *e)
{
    struct graph *g = NULL;
    const bool checks = !q->before || monotonic_ms() - q->checked > WATCH_CHECK_EACH_MS;
    int r = make(q, checks ? WATCH_CHECK_MS : 0, &g, e);
    if (r < 0) {
        graph_free(g);
        return r;
    }
    if (checks)
        q->checked = monotonic_ms();
    graph_keep_health(g, q->before);
    graph_free(q->before);
    *out = q->before = g;
    return 0;
}

static int give_page(char **out, void *arg, struct err *e)
{
    const struct graph *g;
    int r = look(arg, &g, e);
    if (r == 0)
        *out = graph_page(g, true);
    return r;
}

static int give_state(char **out, void *arg, struct err *e)
{
    const struct graph *g;
    int r = look(arg, &g, e);
    if (r == 0)
        *out = graph_json(g);
    return r;
}

static void tell_address(uint16_t port, void *arg)
{
    (void)arg;
    printf("http://127.0.0.1:%u/\n", port);
    fflush(stdout);
}

static int watch(struct request *q, struct err *e)
{
    const struct graph_site site = {
        .page = give_page, .state = give_state, .ready = tell_address, .arg = q};
    const struct graph *g;
    int r = look(q, &g, e); /* what is wrong is said here, and not in a browser */
    if (r == 0)
        r = graph_serve(q->port, &site, e);
    graph_free(q->before);
    return r;
}

/* ---- the command -----------------------------------------------------------------------------*/

static int graph(struct request *q, const char *file, struct err *e)
{
    _cleanup_graph_ struct graph *g = NULL;
    _cleanup_free_ char *text = NULL;
    if (q->watch)
        return watch(q, e);
    int r = make(q, CHECK_MS, &g, e);
    if (r == 0)
        r = draw(q, g, file, &text, e);
    return r < 0 ? r : write_out(file, text, e);
}

int lab_graph_command(const struct cli *cli, const struct command *command, int argc, char **argv,
                      struct err *e)
{
    struct request q = {.cli = cli};
    char *format = NULL, *file = NULL, *tests = NULL, *at = NULL;
    const struct option options[] = {
        LAB_CHOICE_OPTIONS(q.choice),
        {"format", 'f', OPTION_TEXT, "FORMAT", "ascii (the default), dot, mermaid, svg or html",
         &format},
        {"output", 'o', OPTION_TEXT, "FILE", "write it there; its ending may name the format",
         &file},
        {"no-state", 0, OPTION_FLAG, NULL, "draw the file alone, even if its lab runs", &q.plain},
        {"tests", 0, OPTION_TEXT, "FILE", "results for html, from `lab test --format json`",
         &tests},
        {"watch", 'w', OPTION_FLAG, NULL, "serve the html page, and keep it up to date", &q.watch},
        {"listen", 0, OPTION_TEXT, "127.0.0.1:PORT", "where --watch serves it (port 7780)", &at},
        {0},
    };
    int first = command_options(command, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (argc - first > 1)
        return err_say(e, -EINVAL, "usage: netctr %s %s", command->name, command->usage);
    q.word = first < argc ? argv[first] : NULL;
    int r = format_of(format ? format : q.watch ? "html" : NULL, file, &q.format, e);
    if (r == 0 && q.watch && q.format != FORMAT_HTML)
        r = err_say(e, -EINVAL, "--watch is for --format html");
    if (r == 0 && q.watch && file)
        r = err_say(e, -EINVAL, "--watch and --output exclude each other");
    if (r == 0 && tests && q.format != FORMAT_HTML)
        r = err_say(e, -EINVAL, "--tests is for --format html");
    if (r == 0 && at && !q.watch)
        r = err_say(e, -EINVAL, "--listen is for --watch");
    if (r == 0)
        r = listen_parse(at, &q.port, e);
    if (r == 0)
        r = results_read(tests, &q.results, e);
    if (r == 0)
        r = graph(&q, file, e);
    json_decref(q.results);
    return r;
}
