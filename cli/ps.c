/* netctr ps. */
#include "ps_filter.h"
#include "view.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define COMMAND_COLUMNS 24

struct listing {
    struct engine *engine;
    bool all, ids_only, whole, no_titles, docker;
    size_t skip; /* number of matching containers that are not shown */
    struct ps_filters *filters;
    json_t *json; /* NULL: a table */
    const struct format *format;
    struct strings rows;
};

/* ---- what ------------------------------------------------------------------------------------*/

static char *command_text(const struct spec *s, bool whole)
{
    _cleanup_free_ char *all = strv_join(s->argv, " "), *shown = text_printable(all);
    return text_cut(shown, whole ? SIZE_MAX : COMMAND_COLUMNS);
}

static char *state_text(struct engine *engine, const struct record *r)
{
    _cleanup_free_ char *since = time_ago(r->status == STATUS_EXITED ? r->finished : r->started);
    if (r->status == STATUS_RUNNING)
        return xasprintf("Up %s%s", *since ? since : "a moment",
                         engine_is_paused(engine, r) ? " (Paused)" : "");
    const char *why = r->failure ? r->failure : r->oom_killed ? "out of memory" : NULL;
    if (r->status == STATUS_RESTARTING)
        return xasprintf("Restarting (%d)%s%s", r->exit_status, why ? ", " : "", why ? why : "");
    if (r->never_ran)
        return xstrdup("Created");
    if (r->lost)
        return xstrdup("Lost with the host");
    if (r->status == STATUS_EXITED)
        return xasprintf("Exited (%d)%s%s%s%s", r->exit_status, *since ? " " : "", since,
                         *since ? " ago" : "", r->oom_killed ? ", out of memory" : "");
    return xstrdup(r->status == STATUS_DEAD ? "Dead" : "Creating");
}

static char *status_text(struct engine *engine, const struct record *r)
{
    _cleanup_free_ char *state = state_text(engine, r);
    return r->restarts
               ? xasprintf("%s, %u restart%s", state, r->restarts, r->restarts == 1 ? "" : "s")
               : take_ptr(state);
}

/* Addresses in the order of the endpoints: both families if @both, else one. */
static strv addresses_of(struct engine *engine, const struct record *r, bool both)
{
    strv out = NULL;
    _cleanup_endpoints_ struct endpoint_list all = {0};
    if (r->status == STATUS_RUNNING)
        engine_endpoints(engine, r, &all);
    for (size_t i = 0; i < all.count; i++) {
        const struct endpoint *ep = &all.items[i];
        if (ep->address4.family)
            strv_add_take(&out, ip_text(&ep->address4));
        if (ep->address6.family && (both || !ep->address4.family))
            strv_add_take(&out, ip_text(&ep->address6));
    }
    return out;
}

static json_t *row_json(struct engine *engine, const struct record *r, strv addresses)
{
    json_t *j = json_object();
    _cleanup_free_ char *created = created_utc(&r->spec);
    json_put_str(j, "id", r->spec.id);
    json_put_str(j, "name", r->spec.name);
    json_put_str(j, "rootfs", r->spec.rootfs);
    json_put_strv(j, "command", r->spec.argv);
    json_put_str(j, "created", created);
    json_put_str(j, "status", engine_status_name(engine, r));
    if ((r->status == STATUS_EXITED && !r->never_ran) || r->status == STATUS_RESTARTING)
        json_object_set_new(j, "exit_status", json_integer(r->exit_status));
    if (r->status != STATUS_EXITED)
        json_object_set_new(j, "pid", json_integer(r->pid));
    json_put_str(j, "failure", r->failure);
    json_object_set_new(j, "restarts", json_integer(r->restarts));
    json_put_str(j, "network", r->spec.network);
    json_put_str(j, "address", addresses ? addresses[0] : NULL);
    json_put_strv(j, "addresses", addresses);
    json_put_strv(j, "ports", record_ports(r));
    json_object_set_new(j, "labels", labels_to_json(r->spec.labels));
    return j;
}

/* A lab's node has networks by its sandbox. The caller frees. */
static char *networks_text(struct engine *engine, const struct record *r)
{
    _cleanup_endpoints_ struct endpoint_list all = {0};
    _cleanup_strv_ strv names = NULL;
    if (!skip_prefix(r->spec.network, "sandbox:"))
        return xstrdup(r->spec.network ? r->spec.network : "");
    if (r->status == STATUS_RUNNING)
        engine_endpoints(engine, r, &all);
    for (size_t i = 0; i < all.count; i++)
        strv_add(&names, all.items[i].network);
    return strv_join(names, ",");
}

/* docker's names, all of them texts. */
static json_t *row_view(struct engine *engine, const struct record *r, bool docker, json_t *j)
{
    _cleanup_free_ char *words = strv_join(r->spec.argv, " "), *shown = text_printable(words),
                        *command = xasprintf("\"%s\"", shown), *age = time_ago(r->spec.created),
                        *ago = xasprintf("%s ago", age), *status = status_text(engine, r),
                        *ports = ports_text(record_ports(r)),
                        *labels = strv_join(r->spec.labels, ","),
                        *networks = networks_text(engine, r);
    const struct {
        const char *key, *text;
    } fields[] = {{"ID", r->spec.id},
                  {"Names", r->spec.name},
                  {"Name", r->spec.name},
                  {"Image", r->spec.rootfs},
                  {"Command", command},
                  {"CreatedAt", json_str(j, "created")},
                  {"RunningFor", *age ? ago : ""},
                  {"Status", status},
                  {"State", engine_status_name(engine, r)},
                  {"Ports", ports},
                  {"Networks", networks},
                  {"Labels", labels},
                  {"Mounts", ""},
                  {"Size", "0B"}};
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        json_put_str(j, fields[i].key, fields[i].text ? fields[i].text : "");
    json_object_set_new(j, "Label", labels_to_json(r->spec.labels)); /* {{.Label "KEY"}} */
    if (docker)
        view_only(j);
    return j;
}

static bool is_chosen(const struct listing *l, const struct record *r)
{
    bool ended_too = l->all || l->filters->statuses || l->filters->exited;
    return (ended_too || r->status != STATUS_EXITED) && ps_filters_match(l->engine, l->filters, r);
}

static int count_row(const struct record *r, void *arg)
{
    struct listing *l = arg;
    l->skip += is_chosen(l, r);
    return 0;
}

static int add_row(const struct record *r, void *arg)
{
    struct listing *l = arg;
    if (!is_chosen(l, r))
        return 0;
    if (l->skip > 0) {
        l->skip--;
        return 0;
    }
    if (l->ids_only) {
        printf("%s\n", r->spec.id);
        return 0;
    }
    _cleanup_strv_ strv addresses = addresses_of(l->engine, r, l->json != NULL);
    if (l->json) {
        json_t *row = row_json(l->engine, r, addresses);
        json_array_append_new(l->json,
                              l->format->template ? row_view(l->engine, r, l->docker, row) : row);
        return 0;
    }
    _cleanup_free_ char *command = command_text(&r->spec, l->whole),
                        *address = strv_join(addresses, ", "), *status = status_text(l->engine, r),
                        *ports = ports_text(record_ports(r)), *age = time_ago(r->spec.created),
                        *created = xasprintf("%s%s", age, *age ? " ago" : "unknown");
    const char *cells[] = {r->spec.id, command, created, status, address, ports, r->spec.name};
    for (size_t i = 0; i < ARRAY_LEN(cells); i++)
        strings_add(&l->rows, cells[i]);
    return 0;
}

/* engine_each() sorts by creation, so --last skips the first ones. */
static int list(const struct cli *cli, struct listing *l, uint64_t last, bool json, struct err *e)
{
    static const char *const titles[] = {"CONTAINER ID", "COMMAND", "CREATED", "STATUS",
                                         "ADDRESS",      "PORTS",   "NAMES"};
    int r = cli_engine_to_read(cli, l->engine, e);
    if (r == 0)
        r = ps_filters_resolve(l->engine, l->filters, e);
    if (r < 0)
        return r;
    _cleanup_json_ json_t *rows = l->json = json ? json_array() : NULL;
    for (size_t i = 0; i < ARRAY_LEN(titles) && !l->no_titles; i++)
        strings_add(&l->rows, titles[i]);
    if (last != UINT64_MAX)
        r = engine_each(l->engine, count_row, l, e);
    l->skip = l->skip > last ? l->skip - last : 0;
    if (r == 0)
        r = engine_each(l->engine, add_row, l, e);
    if (r == 0 && l->format->template) {
        r = print_views(l->format, rows, "CONTAINER ID", e);
    } else if (r == 0 && json) {
        print_json(rows);
    } else if (r == 0 && !l->ids_only) {
        print_table(l->rows.items, ARRAY_LEN(titles));
    }
    strings_clear(&l->rows);
    return r;
}

static int run(const struct cli *cli, int argc, char **argv, struct err *e)
{
    __attribute__((cleanup(ps_filters_clear))) struct ps_filters chosen = {0};
    _cleanup_engine_ struct engine engine = {0};
    struct listing l = {.engine = &engine, .filters = &chosen, .docker = cli->docker};
    char *format = NULL, *last_text = NULL;
    bool latest = false;
    uint64_t last = UINT64_MAX;
    _cleanup_strv_ strv filters = NULL;
    const struct option options[] = {
        {"all", 'a', OPTION_FLAG, NULL, "also show containers that have ended", &l.all},
        {"quiet", 'q', OPTION_FLAG, NULL, "print only the ids", &l.ids_only},
        {"filter", 'f', OPTION_LIST, "KEY=VALUE", PS_FILTERS, &filters},
        {"last", 'n', OPTION_TEXT, "N", "show the N newest, also if they have ended", &last_text},
        {"latest", 'l', OPTION_FLAG, NULL, "show the newest, also if it has ended", &latest},
        {"no-trunc", 0, OPTION_FLAG, NULL, "do not cut the command", &l.whole},
        {"noheading", 0, OPTION_FLAG, NULL, "leave out the line with the titles", &l.no_titles},
        {"format", 0, OPTION_TEXT, "FORMAT", "json, or a template: '{{.Names}} {{.Status}}'",
         &format},
        {0},
    };
    int first = command_options(&command_ps, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (first < argc)
        return err_say(e, -EINVAL, "`ps` takes no names; use --filter name=%s", argv[first]);
    if (latest && last_text)
        return err_say(e, -EINVAL, "--last and --latest exclude each other");
    if (last_text && parse_u64(last_text, 0, UINT64_MAX - 1, &last) < 0)
        return err_say(e, -EINVAL, "last `%s` is not a number of containers", last_text);
    last = latest ? 1 : last;
    l.all = l.all || last != UINT64_MAX;
    _cleanup_format_ struct format f = {0};
    l.format = &f;
    int r = format_check_quiet(format, l.ids_only, e);
    if (r == 0)
        r = format_parse(format, "ps", &f, e);
    f.no_titles = l.no_titles;
    if (r == 0)
        r = ps_filters_parse(filters, &chosen, e);
    return r == 0 ? list(cli, &l, last, format, e) : r;
}

const struct command command_ps = {
    .name = "ps",
    .usage = "[FLAGS]",
    .summary = "List containers",
    .example = "netctr ps -a --filter status=exited\nnetctr ps -a --format json | jq -r '.[].name'",
    .run = run,
};
