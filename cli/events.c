/* netctr events: past and present events, a line of JSON each. */
#include "view.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#define NS 1000000000LL
#define LOOK_MS 250 /* interval of looking for a store */

struct choice {
    strv types, containers, networks, events, labels;
    int64_t since, until;
    struct format format;
    int failed; /* of the template */
    struct err *e;
};

static void choice_clear(struct choice *c)
{
    strv_free(c->types);
    strv_free(c->containers);
    strv_free(c->networks);
    strv_free(c->events);
    strv_free(c->labels);
    format_clear(&c->format);
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * NS + t.tv_nsec;
}

/* ---- which -----------------------------------------------------------------------------------*/

static int take_filters(char *const *filters, struct choice *c, struct err *e)
{
    const struct filter_key known[] = {{"type=", &c->types},       {"container=", &c->containers},
                                       {"network=", &c->networks}, {"event=", &c->events},
                                       {"label=", &c->labels},     {0}};
    strv_each (text, filters) {
        if (!filter_take(text, known)) {
            return err_say(
                e, -EINVAL,
                "filter `%s` is not one of type=, container=, network=, event=, label=", text);
        }
    }
    return 0;
}

static bool is_of_container(strv wanted, const json_t *j)
{
    const char *id = json_str(j, "id"), *name = json_str(j, "container");
    if (streq(json_str(j, "type"), "container"))
        name = json_str(j, "name");
    strv_each (s, wanted)
        if (streq(s, name) || (id && strlen(s) >= 4 && skip_prefix(id, s)))
            return true;
    return false;
}

static bool is_of_network(strv wanted, const json_t *j)
{
    return streq(json_str(j, "type"), "network") && strv_has(wanted, json_str(j, "name"));
}

static strv labels_of(const json_t *event)
{
    strv labels = NULL;
    const char *key;
    json_t *value;
    json_object_foreach (json_object_get(event, "labels"), key, value) {
        strv_add_take(&labels, xasprintf("%s=%s", key, json_string_value(value)));
    }
    return labels;
}

static bool has_labels(strv wanted, const json_t *j)
{
    _cleanup_strv_ strv labels = labels_of(j);
    strv_each (label, wanted)
        if (!has_label(labels, label))
            return false;
    return true;
}

/* One value of each key that is given must match. */
static bool is_wanted(const struct choice *c, const json_t *j)
{
    int64_t when;
    return time_parse(json_str(j, "time"), 0, &when) == 0 && when >= c->since && when < c->until &&
           (!c->types || strv_has(c->types, json_str(j, "type"))) &&
           (!c->events || strv_has(c->events, json_str(j, "event"))) &&
           (!c->containers || is_of_container(c->containers, j)) &&
           (!c->networks || is_of_network(c->networks, j)) && has_labels(c->labels, j);
}

/* ---- show ------------------------------------------------------------------------------------*/

static void show(const json_t *event, void *arg)
{
    struct choice *c = arg;
    if (c->failed || !is_wanted(c, event))
        return;
    if (c->format.template) {
        _cleanup_json_ json_t *view = json_deep_copy(event);
        view_event(view);
        c->failed = print_view(&c->format, view, c->e);
        return;
    }
    json_dumpf(event, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
    putchar('\n');
}

/* An unknown field is refused at once, not at the next event: the template is tried with all fields that an event can
 * have. */
static int try_template(const struct format *f, struct err *e)
{
    static const char *const fields[] = {"time",      "type",    "event",     "id",
                                         "name",      "command", "exit_code", "oom_killed",
                                         "oom_kills", "signal",  "old_name",  "container",
                                         "address",   "ports",   "endpoints"};
    _cleanup_free_ char *line = NULL;
    _cleanup_json_ json_t *all = json_object();
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        json_put_str(all, fields[i], "");
    json_object_set_new(all, "labels", json_object());
    view_event(all);
    return f->template ? view_text(f, all, &line, e) : 0;
}

static int64_t look_ms(int64_t until)
{
    int64_t ms = (until - now_ns()) / 1000000 + 1;
    return ms < 0 ? 0 : ms < LOOK_MS ? ms : LOOK_MS;
}

/* Read-only commands create no directories, so where netctr has never run, there is nothing to watch yet. */
static void await_store(const struct cli *cli, int64_t until)
{
    struct pollfd out = {.fd = STDOUT_FILENO};
    while (!store_exists(cli->root, cli->run_root) && now_ns() < until && !(out.revents & POLLERR))
        (void)poll(&out, 1, (int)look_ms(until));
}

/* ---- the command -----------------------------------------------------------------------------*/

struct flags {
    char *since, *until, *format;
    bool follow, no_stream;
    strv filters;
};

static int compose(const struct flags *f, struct choice *c, bool *follows, struct err *e)
{
    int64_t now = now_ns();
    int r = format_parse(f->format, "events", &c->format, e);
    if (r == 0)
        r = try_template(&c->format, e);
    if (r < 0)
        return r;
    if (f->follow && f->no_stream)
        return err_say(e, -EINVAL, "--follow and --no-stream exclude each other");
    if (f->since && time_parse(f->since, now, &c->since) < 0)
        return err_say(e, -EINVAL, "since `%s` is not a time (as in 10m, 2026-01-02T15:04:05Z)",
                       f->since);
    if (f->until && time_parse(f->until, now, &c->until) < 0)
        return err_say(e, -EINVAL, "until `%s` is not a time (as in 10m, 2026-01-02T15:04:05Z)",
                       f->until);
    *follows = !f->no_stream && c->until > now;
    /* Past events are shown only with --since or --no-stream. */
    if (!f->since && *follows)
        c->since = now;
    return take_filters(f->filters, c, e);
}

static int run(const struct cli *cli, int argc, char **argv, struct err *e)
{
    struct flags f = {0};
    const struct option options[] = {
        {"since", 0, OPTION_TEXT, "TIME", "begin at this time: 10m (ten minutes ago), or RFC 3339",
         &f.since},
        {"until", 0, OPTION_TEXT, "TIME", "end at this time", &f.until},
        {"follow", 0, OPTION_FLAG, NULL, "show events as they happen (the default)", &f.follow},
        {"no-stream", 0, OPTION_FLAG, NULL, "show past events and exit", &f.no_stream},
        {"filter", 'f', OPTION_LIST, "KEY=VALUE",
         "type=, container=, network=, event= or label=KEY[=VALUE]", &f.filters},
        {"format", 0, OPTION_TEXT, "FORMAT", "json (the default), a line each, or a template",
         &f.format},
        {0},
    };
    bool follows = false;
    int first = command_options(&command_events, options, true, &argc, argv, e);
    _cleanup_strv_ strv filters = f.filters;
    if (first <= 0)
        return first;
    if (first < argc)
        return err_say(e, -EINVAL, "`events` takes no names; use --filter container=%s",
                       argv[first]);
    __attribute__((cleanup(choice_clear))) struct choice choice = {.until = INT64_MAX, .e = e};
    _cleanup_engine_ struct engine engine = {0};
    int r = compose(&f, &choice, &follows, e);
    if (r == 0 && follows) {
        (void)setvbuf(stdout, NULL, _IOLBF, BUFSIZ); /* show each event at once */
        await_store(cli, choice.until);
    }
    if (r == 0)
        r = cli_engine_to_read(cli, &engine, e);
    if (r == 0)
        r = engine_events(&engine, follows, choice.until, STDOUT_FILENO, show, &choice, e);
    return r == 0 ? choice.failed : r;
}

const struct command command_events = {
    .name = "events",
    .usage = "[FLAGS]",
    .summary = "Show events of containers and networks as they happen",
    .example = "netctr events\nnetctr events --since 10m --no-stream --filter container=web",
    .run = run,
};
