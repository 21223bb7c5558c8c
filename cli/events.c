/* netctr events: past and present events, a line of JSON each.
 *
 * The file is rotated when it is large. So two files are read: the older one, into which a command may still be writing,
 * and the present one. inotify only wakes the reader, which then reads what is there.
 */
#include "cli.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>

#define NS 1000000000LL
#define LOOK_MS 250 /* interval of polling without inotify */
#define WATCHED (IN_MODIFY | IN_CREATE | IN_MOVED_TO)

struct choice {
    strv types, containers, networks, events;
    int64_t since, until;
};

static void choice_clear(struct choice *c)
{
    strv_free(c->types);
    strv_free(c->containers);
    strv_free(c->networks);
    strv_free(c->events);
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
    const struct filter_key known[] = {{"type=", &c->types},
                                       {"container=", &c->containers},
                                       {"network=", &c->networks},
                                       {"event=", &c->events},
                                       {0}};
    strv_each (text, filters) {
        if (!filter_take(text, known)) {
            err_say(e, -EINVAL,
                    "filter `%s` is not one of type=, container=, network=, event=", text);
            return e->code;
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

/* One value of each key that is given must match. */
static bool is_wanted(const struct choice *c, const json_t *j)
{
    int64_t when;
    return time_parse(json_str(j, "time"), 0, &when) == 0 && when >= c->since && when < c->until &&
           (!c->types || strv_has(c->types, json_str(j, "type"))) &&
           (!c->events || strv_has(c->events, json_str(j, "event"))) &&
           (!c->containers || is_of_container(c->containers, j)) &&
           (!c->networks || is_of_network(c->networks, j));
}

/* ---- read ------------------------------------------------------------------------------------*/

struct tail {
    int fd;
    ino_t inode;
    char *data; /* an incomplete line */
    size_t size;
};

struct view {
    int run_fd;
    int notify; /* inotify, or -1 */
    const struct choice *choice;
    struct tail older, present;
};

static void tail_clear(struct tail *t)
{
    close_fd(t->fd);
    free(t->data);
    *t = (struct tail){.fd = -1};
}

static void view_clear(struct view *v)
{
    tail_clear(&v->older);
    tail_clear(&v->present);
    v->notify = close_fd(v->notify);
}

/* Opens the file unless it is the one with the inode @held. */
static void tail_open(struct tail *t, int run_fd, const char *file, ino_t held)
{
    struct stat st;
    _cleanup_close_ int fd = openat(run_fd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &st) < 0 || st.st_ino == held)
        return;
    tail_clear(t);
    t->fd = take_fd(fd);
    t->inode = st.st_ino;
}

static void show(const struct view *v, const char *line, size_t size)
{
    _cleanup_json_ json_t *j = event_parse(line, size);
    if (!j || !is_wanted(v->choice, j))
        return;
    json_dumpf(j, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
    putchar('\n');
}

static int tail_read(struct view *v, struct tail *t)
{
    for (ssize_t n = 1; t->fd >= 0 && n > 0;) {
        t->data = xrealloc(t->data, t->size + 65536, 1);
        n = read(t->fd, t->data + t->size, 65536);
        if (n < 0)
            return -errno;
        t->size += (size_t)n;
        char *line = t->data, *end = t->data + t->size, *newline;
        for (; (newline = memchr(line, '\n', (size_t)(end - line))); line = newline + 1)
            show(v, line, (size_t)(newline - line));
        t->size = (size_t)(end - line);
        memmove(t->data, line, t->size);
    }
    return 0;
}

/* All that there is. Another file under the name: the present one has become the older one, and if it was
 * replaced twice since the last look, there is one between them, which is the older one now. */
static int read_new(struct view *v)
{
    int r = tail_read(v, &v->older);
    if (r == 0)
        r = tail_read(v, &v->present);
    struct tail next = {.fd = -1};
    tail_open(&next, v->run_fd, EVENTS_FILE, v->present.inode);
    if (next.fd >= 0) {
        if (v->present.fd >= 0) {
            tail_clear(&v->older);
            v->older = v->present;
        }
        v->present = next;
        if (r == 0)
            r = tail_read(v, &v->older); /* what came between the two looks */
        tail_open(&v->older, v->run_fd, EVENTS_OLDER, v->older.inode);
        if (r == 0)
            r = tail_read(v, &v->older);
        if (r == 0)
            r = tail_read(v, &v->present);
    }
    fflush(stdout);
    return r;
}

/* ---- follow ----------------------------------------------------------------------------------*/

/* -1: not possible now. inotify instances are limited for each user, and containers may use all of them. */
static int watch(int run_fd)
{
    _cleanup_free_ char *path = fd_path(run_fd);
    _cleanup_close_ int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    return fd < 0 || inotify_add_watch(fd, path, WATCHED) < 0 ? -1 : take_fd(fd);
}

static int wait_time(int64_t until, bool looks)
{
    int64_t ms = (until - now_ns()) / 1000000 + 1;
    if (until == INT64_MAX)
        return looks ? LOOK_MS : -1;
    ms = ms < 0 ? 0 : ms > INT32_MAX ? INT32_MAX : ms;
    return looks && ms > LOOK_MS ? LOOK_MS : (int)ms;
}

/* Until @until, or until the reader of stdout has gone. */
static int follow(struct view *v, int64_t until)
{
    for (;;) {
        char changes[4096];
        struct pollfd p[] = {{.fd = v->notify, .events = POLLIN}, {.fd = STDOUT_FILENO}};
        int n = poll(p, ARRAY_LEN(p), wait_time(until, v->notify < 0));
        while (v->notify >= 0 && read(v->notify, changes, sizeof(changes)) > 0)
            ;
        if (v->notify < 0)
            v->notify = watch(v->run_fd);
        int r = n < 0 && errno != EINTR ? -errno : read_new(v);
        if (r < 0 || now_ns() >= until || (p[1].revents & POLLERR))
            return r;
    }
}

/* Read-only commands create no directories, so where netctr has never run, there is nothing to watch yet. */
static void await_store(const struct cli *cli, int64_t until)
{
    struct pollfd out = {.fd = STDOUT_FILENO};
    while (!store_exists(cli->root, cli->run_root) && now_ns() < until && !(out.revents & POLLERR))
        (void)poll(&out, 1, wait_time(until, true));
}

static int look(struct engine *engine, const struct choice *choice, bool follows, struct err *e)
{
    __attribute__((cleanup(view_clear))) struct view v = {.run_fd = engine->store.run_fd,
                                                          .choice = choice,
                                                          .older = {.fd = -1},
                                                          .present = {.fd = -1}};
    /* Watch first, then read: no event is missed in between. */
    v.notify = follows ? watch(v.run_fd) : -1;
    tail_open(&v.older, v.run_fd, EVENTS_OLDER, 0);
    int r = read_new(&v);
    if (r == 0 && follows)
        r = follow(&v, choice->until);
    return r < 0 ? err_set(e, r, "read the events") : 0;
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
    int r = format_check(f->format, "events", e);
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
        {"follow", 'f', OPTION_FLAG, NULL, "show events as they happen (the default)", &f.follow},
        {"no-stream", 0, OPTION_FLAG, NULL, "show past events and exit", &f.no_stream},
        {"filter", 0, OPTION_LIST, "KEY=VALUE",
         "type=, container=, network= or event=", &f.filters},
        {"format", 0, OPTION_TEXT, "json", "one line of JSON for each event (the default)",
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
    __attribute__((cleanup(choice_clear))) struct choice choice = {.until = INT64_MAX};
    _cleanup_engine_ struct engine engine = {0};
    int r = compose(&f, &choice, &follows, e);
    if (r == 0 && follows)
        await_store(cli, choice.until);
    if (r == 0)
        r = cli_engine_to_read(cli, &engine, e);
    return r < 0 ? r : look(&engine, &choice, follows, e);
}

const struct command command_events = {
    .name = "events",
    .usage = "[FLAGS]",
    .summary = "Show events of containers and networks as they happen",
    .example = "netctr events\nnetctr events --since 10m --no-stream --filter container=web",
    .run = run,
};
