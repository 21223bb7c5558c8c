/* netctr doctor: what stands in the way, each with its cure. The checks of the host are doctor/'s; that of
 * our own state is here, where the two halves of a container are known.
 */
#include "cli.h"
#include "life/rates.h"

#include "doctor/doctor.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

/* ---- our own state ---------------------------------------------------------------------------*/

struct own {
    struct doctor *doctor;
    struct endpoint *items;
    size_t count;
};

static void say_leftover(enum gc_deed deed, const char *what, void *arg)
{
    if (deed == GC_REPLACE)
        doctor_say(arg, WARNING, xasprintf("netctr gc"), "%s: it gives out no address", what);
    else
        doctor_say(arg, WARNING, xasprintf("netctr gc"), "a killed command has left something: %s",
                   what);
}

static void say_lack(const char *what, void *arg)
{
    doctor_say(arg, PROBLEM, xasprintf("netctr network reload"), "the firewall lacks %s", what);
}

static int collect(const struct record *r, void *arg)
{
    struct own *own = arg;
    struct endpoint_list list;
    _cleanup_close_ int dir = store_live_dir(own->doctor->store, r->spec.name);
    if (r->status != STATUS_RUNNING || dir < 0 || container_marked(dir, MARK_LEAVING) > 0)
        return 0;
    (void)endpoint_load_all(dir, &list, NULL);
    own->items = xrealloc(own->items, own->count + list.count + 1, sizeof(*own->items));
    for (size_t i = 0; i < list.count; i++)
        own->items[own->count++] = list.items[i];
    free(list.items);
    return 0;
}

static int check_firewall(struct doctor *d, struct own *own, struct err *e)
{
    int r = bridge_check(d->bridge, e);
    if (r == -EBUSY) {
        doctor_say(d, PROBLEM, xstrdup(e->hint), "%s", e->text);
        err_clear(e);
        return 0;
    }
    if (r > 0 && own->count > 0)
        doctor_say(d, PROBLEM, xasprintf("netctr network reload"),
                   "the firewall is not there, or not netctr's, and %zu containers run on networks",
                   own->count);
    return r == 0  ? bridge_verify(d->bridge, own->items, own->count, say_lack, d, e)
           : r < 0 ? r
                   : 0;
}

static void say_rate(const char *what, void *arg)
{
    doctor_say(arg, WARNING, xasprintf("netctr network reload"), "%s", what);
}

static int check_rate(const struct endpoint *ep, int netns, void *arg, struct err *e)
{
    struct doctor *d = arg;
    return endpoint_verify_rate(d->bridge, ep, netns, say_rate, d, e);
}

/* Links that bear another instance's mark: a run-root, a namespace or a boot that may be gone. */
static void check_links(struct doctor *d)
{
    for (size_t i = 0; i < d->link_count; i++) {
        const char *mark = skip_prefix(d->links[i].alias, "netctr ");
        if (!skip_prefix(d->links[i].name, "vc-") || !mark ||
            (d->store && skip_prefix(mark, d->store->instance)))
            continue;
        doctor_say(d, WARNING, xasprintf("ip link del %s", d->links[i].name),
                   "link `%s` (%s) belongs to another instance of netctr", d->links[i].name,
                   d->links[i].alias);
    }
}

static int check_state(struct doctor *d, struct err *e)
{
    struct own own = {.doctor = d};
    check_links(d);
    int r = d->store ? store_each(d->store, collect, &own, e) : 0;
    if (r == 0)
        r = check_firewall(d, &own, e);
    if (r == 0 && d->store)
        r = rates_each(d->store, NULL, check_rate, d, e);
    for (size_t i = 0; i < own.count; i++)
        endpoint_clear(&own.items[i]);
    free(own.items);
    if (r < 0 || !d->store)
        return r;
    struct world w = {.store = *d->store, .bridge = d->bridge};
    return world_gc(&w, &(struct gc){.dry_run = true, .tell = say_leftover, .arg = d}, e);
}

/* ---- look without making ---------------------------------------------------------------------*/

static bool all_there(const char *root, const char *run)
{
    const char *const places[][2] = {{root, "containers"},
                                     {root, "networks"},
                                     {run, "containers"},
                                     {run, "leases"},
                                     {run, "lock"}};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        _cleanup_free_ char *path = xasprintf("%s/%s", places[i][0], places[i][1]);
        if (access(path, F_OK) < 0)
            return false;
    }
    _cleanup_free_ char *file = xasprintf("%s/run-root", root), *bound = NULL,
                        *own = realpath(run, NULL);
    return read_file_at(AT_FDCWD, file, PATH_MAX, &bound, NULL) == 0 && streq(bound, own);
}

static int examine(struct doctor *d, struct err *e)
{
    int r = doctor_look(d, e);
    _cleanup_err_ struct err first = ERR_INIT;
    int failed = 0;
    /* One check that fails does not keep the others from being made. */
    for (const struct doctor_check *c = doctor_checks; r == 0 && c->name; c++) {
        _cleanup_err_ struct err why = ERR_INIT;
        int code = c->run(d, &why);
        if (code < 0 && failed == 0) {
            failed = code;
            err_wrap(&why, "check `%s`", c->name);
            err_move(&first, &why);
        }
    }
    if (r == 0)
        r = check_state(d, e);
    if (r == -EBADMSG) {
        doctor_say_damaged(d, e);
        r = 0;
    }
    if (r == 0 && failed < 0) {
        err_move(e, &first);
        r = failed;
    }
    return r;
}

/* ---- print -----------------------------------------------------------------------------------*/

static void print_text(const json_t *findings)
{
    static const char *const order[] = {"problem", "warning", "note"};
    size_t i;
    json_t *f;
    for (size_t s = 0; s < ARRAY_LEN(order); s++)
        json_array_foreach (findings, i, f) {
            if (streq(json_str(f, "severity"), order[s]))
                printf("%s: %s\n    cure: %s\n", order[s], json_str(f, "text"),
                       json_str(f, "cure"));
        }
    if (json_array_size(findings) == 0)
        printf("nothing stands in the way\n");
}

static int run(const struct cli *cli, int argc, char **argv, struct err *e)
{
    char *format = NULL;
    const struct option options[] = {
        {"format", 0, OPTION_TEXT, "json", "machine-readable", &format},
        {0},
    };
    int first = command_options(&command_doctor, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (first < argc)
        return err_say(e, -EINVAL, "`doctor` takes no names");
    if (format && !streq(format, "json"))
        return err_say(e, -EINVAL, "unknown format `%s`; the one there is is json", format);
    _cleanup_store_ struct store store = {
        .root_fd = -1, .run_fd = -1, .defined_fd = -1, .live_fd = -1};
    struct doctor d = {.root = cli->root, .run = cli->run_root};
    int r = 0;
    if (all_there(cli->root, cli->run_root) &&
        (r = store_open(cli->root, cli->run_root, &store, e)) == 0)
        d.store = &store;
    if (r == 0)
        r = examine(&d, e);
    if (d.findings && format) {
        json_dumpf(d.findings, stdout, JSON_INDENT(2));
        putchar('\n');
    } else if (d.findings) {
        print_text(d.findings);
    }
    int status = d.problem ? 1 : 0;
    doctor_clear(&d);
    return r < 0 ? r : status;
}

const struct command command_doctor = {
    .name = "doctor",
    .usage = "[--format json]",
    .summary = "Say what of the host's stands in the way, each with its cure",
    .run = run,
};
