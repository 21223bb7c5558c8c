/* netctr stats: a live table of what containers use. Rates are those since the round before; those of the first round are
 * the average since the container was started.
 */
#include "cli.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

struct sample {
    char *id;
    struct stats stats;
};

struct samples {
    struct sample *items;
    size_t count;
};

static void samples_clear(struct samples *s)
{
    for (size_t i = 0; i < s->count; i++)
        free(s->items[i].id);
    free(s->items);
    *s = (struct samples){0};
}

struct view {
    struct engine *engine;
    char *const *names; /* empty: all */
    bool all;
    struct format format;
    json_t *views; /* what a template is filled with, in this round */
    struct samples before, now;
    struct strings rows; /* of this round */
    size_t running;
};

/* ---- one container ---------------------------------------------------------------------------*/

static const struct stats *sample_of(const struct samples *s, const char *id)
{
    for (size_t i = 0; i < s->count; i++)
        if (streq(s->items[i].id, id))
            return &s->items[i].stats;
    return NULL;
}

static void keep(struct samples *s, const char *id, const struct stats *stats)
{
    s->items = xrealloc(s->items, s->count + 1, sizeof(*s->items));
    s->items[s->count++] = (struct sample){xstrdup(id), *stats};
}

static double cpu_percent(const struct view *v, const char *id, const struct stats *s)
{
    const struct stats *last = sample_of(&v->before, id);
    if (last && last->began_ns != s->began_ns) /* it was restarted */
        last = NULL;
    int64_t time = s->at_ns - (last ? last->at_ns : s->began_ns);
    uint64_t used = s->usage.cpu_ns, earlier = last ? last->usage.cpu_ns : 0;
    return time > 0 && used > earlier ? (double)(used - earlier) * 100 / (double)time : 0;
}

static double memory_percent(const struct usage *u)
{
    return u->memory_limit ? (double)u->memory * 100 / (double)u->memory_limit : 0;
}

/* Four digits are enough to compare. */
static char *size_text(uint64_t bytes, unsigned step)
{
    static const char *const units[][6] = {{"B", "kB", "MB", "GB", "TB", "PB"},
                                           {"B", "KiB", "MiB", "GiB", "TiB", "PiB"}};
    double size = (double)bytes;
    size_t unit = 0;
    for (; size >= step && unit + 1 < ARRAY_LEN(units[0]); unit++)
        size /= step;
    return xasprintf("%.4g%s", size, units[step == 1024][unit]);
}

static char *pair_text(uint64_t first, uint64_t second, unsigned step)
{
    _cleanup_free_ char *a = size_text(first, step), *b = size_text(second, step);
    return xasprintf("%s / %s", a, b);
}

/* The columns of the table, and docker's names for them. */
enum { ID, NAME, CPU, MEMORY, MEMORY_SHARE, NET, BLOCK, TASKS, COLUMNS };
static const char *const titles[] = {"CONTAINER ID", "NAME",    "CPU %",     "MEM USAGE / LIMIT",
                                     "MEM %",        "NET I/O", "BLOCK I/O", "PIDS"};
static const char *const docker_names[] = {"ID",      "Name",  "CPUPerc", "MemUsage",
                                           "MemPerc", "NetIO", "BlockIO", "PIDs"};

static void row_texts(const struct view *v, const struct record *r, const struct stats *s,
                      char *out[COLUMNS])
{
    const struct usage *u = &s->usage;
    out[ID] = xstrdup(r->spec.id);
    out[NAME] = xstrdup(r->spec.name);
    out[CPU] = xasprintf("%.2f%%", cpu_percent(v, r->spec.id, s));
    out[MEMORY] = pair_text(u->memory, u->memory_limit, 1024);
    out[MEMORY_SHARE] = xasprintf("%.2f%%", memory_percent(u));
    out[NET] = s->on_networks ? pair_text(s->received, s->sent, 1000) : xstrdup("--");
    out[BLOCK] = pair_text(u->read, u->written, 1000);
    out[TASKS] = xasprintf("%" PRIu64, u->tasks);
}

static void put_number(json_t *j, const char *key, uint64_t number)
{
    json_object_set_new(j, key, json_integer((json_int_t)number));
}

static json_t *row_json(const struct view *v, const struct record *r, const struct stats *s)
{
    const struct usage *u = &s->usage;
    json_t *j = json_object();
    json_put_str(j, "id", r->spec.id);
    json_put_str(j, "name", r->spec.name);
    json_put_str(j, "status", engine_status_name(v->engine, r));
    json_object_set_new(j, "cpu_percent", json_real(cpu_percent(v, r->spec.id, s)));
    put_number(j, "cpu_ns", u->cpu_ns);
    put_number(j, "memory", u->memory);
    put_number(j, "memory_limit", u->memory_limit);
    json_object_set_new(j, "memory_percent", json_real(memory_percent(u)));
    json_object_set_new(j, "received",
                        s->on_networks ? json_integer((json_int_t)s->received) : json_null());
    json_object_set_new(j, "sent",
                        s->on_networks ? json_integer((json_int_t)s->sent) : json_null());
    put_number(j, "read", u->read);
    put_number(j, "written", u->written);
    put_number(j, "tasks", u->tasks);
    return j;
}

/* A template's fields are docker's beside netctr's own. */
static void add_row(struct view *v, const struct record *r, const struct stats *s)
{
    _cleanup_json_ json_t *j = v->format.text ? row_json(v, r, s) : NULL;
    char *texts[COLUMNS];
    if (j && !v->format.template) {
        json_dumpf(j, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
        putchar('\n');
        return;
    }
    row_texts(v, r, s, texts);
    for (size_t i = 0; i < COLUMNS; i++) {
        if (j)
            json_put_str(j, docker_names[i], texts[i]);
        strings_add_take(&v->rows, texts[i]);
    }
    if (j) {
        json_put_str(j, "Container", r->spec.id);
        json_array_append(v->views, j);
    }
}

/* A container that has ended uses nothing. */
static int look_at(const struct record *r, void *view)
{
    struct view *v = view;
    struct stats s = {0};
    _cleanup_err_ struct err why = ERR_INIT;
    int code = r->status == STATUS_RUNNING ? engine_stats(v->engine, r, &s, &why) : -ESRCH;
    if (code < 0 && code != -ESRCH)
        warn_err(&why);
    if (code < 0 && !v->all && !v->names[0])
        return 0;
    v->running += code == 0;
    add_row(v, r, &s);
    if (code == 0)
        keep(&v->now, r->spec.id, &s);
    return 0;
}

/* ---- rounds ----------------------------------------------------------------------------------*/

/* A name must exist in the first round; after that it may go. */
static int look_at_named(struct view *v, bool first, struct err *e)
{
    for (char *const *name = v->names; *name; name++) {
        _cleanup_record_ struct record r = {0};
        int code = cli_find(v->engine, *name, &r, e);
        if (code == -ENOENT && !first) {
            err_clear(e);
            continue;
        }
        if (code < 0)
            return code;
        (void)look_at(&r, v);
    }
    return 0;
}

static int round_of(struct view *v, bool first, bool clears, struct err *e)
{
    _cleanup_json_ json_t *views = v->views = json_array();
    v->running = 0;
    for (size_t i = 0; i < COLUMNS; i++)
        strings_add(&v->rows, titles[i]);
    int r = v->names[0] ? look_at_named(v, first, e) : engine_each(v->engine, look_at, v, e);
    if (r == 0 && clears)
        fputs("\033[H\033[J", stdout);
    if (r == 0 && v->format.template)
        r = print_views(&v->format, views, "CONTAINER ID", e);
    else if (r == 0 && !v->format.text)
        print_table(v->rows.items, COLUMNS);
    strings_clear(&v->rows);
    samples_clear(&v->before);
    v->before = v->now;
    v->now = (struct samples){0};
    if (r == 0 && fflush(stdout) != 0)
        r = err_set(e, errno, "write to stdout");
    return r;
}

static int show(struct view *v, bool once, struct err *e)
{
    const struct timespec second = {.tv_sec = 1};
    bool clears = !once && (!v->format.text || v->format.template) && isatty(STDOUT_FILENO);
    int r = round_of(v, true, clears, e);
    while (r == 0 && !once && (v->running || !v->names[0])) {
        (void)nanosleep(&second, NULL);
        r = round_of(v, false, clears, e);
    }
    samples_clear(&v->before);
    return r;
}

static int run(const struct cli *cli, int argc, char **argv, struct err *e)
{
    _cleanup_engine_ struct engine engine = {0};
    struct view v = {.engine = &engine};
    bool once = false;
    char *format = NULL;
    const struct option options[] = {
        {"all", 'a', OPTION_FLAG, NULL, "also show containers that do not run", &v.all},
        {"no-stream", 0, OPTION_FLAG, NULL, "show them once, with averages", &once},
        {"format", 0, OPTION_TEXT, "FORMAT",
         "json, a line for each, or a template: '{{.Name}} {{.CPUPerc}}'", &format},
        {0},
    };
    int first = command_options(&command_stats, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    v.names = argv + first;
    int r = format_parse(format, "stats", &v.format, e);
    if (r == 0)
        r = cli_engine_to_read(cli, &engine, e);
    if (r == 0)
        r = show(&v, once, e);
    format_clear(&v.format);
    return r;
}

const struct command command_stats = {
    .name = "stats",
    .usage = "[-a] [--no-stream] [NAME…]",
    .summary = "Show what containers use: processor, memory, networks, block devices",
    .example =
        "netctr stats --no-stream\nnetctr stats --no-stream --format '{{.Name}} {{.MemUsage}}' web",
    .run = run,
};
