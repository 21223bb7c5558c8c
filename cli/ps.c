/* netctr ps: which containers there are. */
#include "cli.h"
#include "ports.h"

#include <errno.h>
#include <string.h>
#include <time.h>

struct listing {
    struct world *world;
    bool all, ids_only;
    json_t *json; /* NULL: a table */
    strv rows;
    size_t count;
};

static char *command_text(const struct spec *s)
{
    char *text = strv_join(s->argv, " ");
    if (strlen(text) > 24)
        text[24] = '\0';
    return text;
}

static char *state_text(const struct record *r)
{
    _cleanup_free_ char *since = time_ago(r->status == STATUS_EXITED ? r->finished : r->started);
    if (r->status == STATUS_RUNNING)
        return xasprintf("Up %s", *since ? since : "a moment");
    const char *why = r->failure ? r->failure : r->oom_killed ? "out of memory" : NULL;
    if (r->status == STATUS_RESTARTING)
        return xasprintf("Restarting (%d)%s%s", r->exit_status, why ? ", " : "", why ? why : "");
    if (r->lost)
        return xstrdup("Lost with the host");
    if (r->status == STATUS_EXITED)
        return xasprintf("Exited (%d)%s%s%s%s", r->exit_status, *since ? " " : "", since,
                         *since ? " ago" : "", r->oom_killed ? ", out of memory" : "");
    return xstrdup(r->damaged ? "Damaged" : r->status == STATUS_DEAD ? "Dead" : "Creating");
}

static char *status_text(const struct record *r)
{
    _cleanup_free_ char *state = state_text(r);
    return r->restarts
               ? xasprintf("%s, %u restart%s", state, r->restarts, r->restarts == 1 ? "" : "s")
               : take_ptr(state);
}

static char *address_of(struct world *w, const struct record *r)
{
    _cleanup_endpoints_ struct endpoint_list all = {0};
    _cleanup_close_ int dir = store_live_dir(&w->store, r->spec.name);
    if (r->status != STATUS_RUNNING || dir < 0 || endpoint_load_all(dir, &all, NULL) < 0 ||
        all.count == 0)
        return xstrdup("");
    const struct endpoint *first = &all.items[0];
    return ip_text(first->address4.family ? &first->address4 : &first->address6);
}

static json_t *row_json(const struct record *r, const char *address)
{
    json_t *j = json_object();
    _cleanup_free_ char *created = created_utc(&r->spec);
    json_put_str(j, "id", r->spec.id);
    json_put_str(j, "name", r->spec.name);
    json_put_str(j, "rootfs", r->spec.rootfs);
    json_put_strv(j, "command", r->spec.argv);
    json_put_str(j, "created", created);
    json_put_str(j, "status", status_name(r->status));
    if (r->status == STATUS_EXITED || r->status == STATUS_RESTARTING)
        json_object_set_new(j, "exit_status", json_integer(r->exit_status));
    if (r->status != STATUS_EXITED)
        json_object_set_new(j, "pid", json_integer(r->pid));
    json_put_str(j, "failure", r->failure);
    json_object_set_new(j, "restarts", json_integer(r->restarts));
    json_put_str(j, "network", r->spec.network);
    json_put_str(j, "address", *address ? address : NULL);
    json_put_strv(j, "ports", ports_of(r));
    return j;
}

static int add_row(const struct record *r, void *arg)
{
    struct listing *l = arg;
    if (!l->all && r->status == STATUS_EXITED)
        return 0;
    if (l->ids_only) {
        printf("%s\n", r->spec.id);
        return 0;
    }
    _cleanup_free_ char *address = address_of(l->world, r);
    if (l->json) {
        json_array_append_new(l->json, row_json(r, address));
        return 0;
    }
    _cleanup_free_ char *command = command_text(&r->spec), *status = status_text(r),
                        *ports = ports_text(ports_of(r)), *age = time_ago(r->spec.created),
                        *created = xasprintf("%s%s", age, *age ? " ago" : "unknown");
    const char *cells[] = {r->spec.id, command, created, status, address, ports, r->spec.name};
    for (size_t i = 0; i < ARRAY_LEN(cells); i++)
        strv_add(&l->rows, cells[i]);
    return 0;
}

void print_table(strv cells, size_t columns)
{
    _cleanup_free_ int *width = xcalloc(columns, sizeof(int));
    size_t count = strv_len(cells);
    for (size_t i = 0; i < count; i++)
        if ((int)strlen(cells[i]) > width[i % columns])
            width[i % columns] = (int)strlen(cells[i]);
    for (size_t i = 0; i < count; i++)
        if (i % columns == columns - 1)
            printf("%s\n", cells[i]);
        else
            printf("%-*s   ", width[i % columns], cells[i]);
}

static int run(const struct cli *cli, int argc, char **argv, struct err *e)
{
    struct listing l = {0};
    char *format = NULL;
    const struct option options[] = {
        {"all", 'a', OPTION_FLAG, NULL, "also those that have ended", &l.all},
        {"quiet", 'q', OPTION_FLAG, NULL, "only the ids", &l.ids_only},
        {"format", 0, OPTION_TEXT, "json", "machine-readable", &format},
        {0},
    };
    int first = command_options(&command_ps, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (first < argc)
        return err_say(e, -EINVAL, "`ps` takes no names");
    if (format && !streq(format, "json"))
        return err_say(e, -EINVAL, "unknown format `%s`; the one there is is json", format);
    _cleanup_world_ struct world w = {0};
    int r = cli_world_to_read(cli, &w, e);
    if (r < 0)
        return r;
    _cleanup_json_ json_t *json = format ? json_array() : NULL;
    const char *const titles[] = {"CONTAINER ID", "COMMAND", "CREATED", "STATUS",
                                  "ADDRESS",      "PORTS",   "NAMES"};
    for (size_t i = 0; i < ARRAY_LEN(titles); i++)
        strv_add(&l.rows, titles[i]);
    l.world = &w;
    l.json = json;
    r = world_each(&w, add_row, &l, e);
    if (r == 0 && json) {
        json_dumpf(json, stdout, JSON_INDENT(2));
        putchar('\n');
    } else if (r == 0 && !l.ids_only) {
        print_table(l.rows, ARRAY_LEN(titles));
    }
    strv_free(l.rows);
    return r;
}

const struct command command_ps = {
    .name = "ps",
    .usage = "[FLAGS]",
    .summary = "List containers",
    .run = run,
};
