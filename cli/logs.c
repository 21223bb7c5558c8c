/* netctr logs: the output of a container, from the files that its monitor writes. */
#include "cli.h"
#include "log_print.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>

struct log_view {
    bool follow;
    struct log_range range;
    int64_t until; /* in nanoseconds; INT64_MAX: no end */
    struct log_printer *printer;
};

/* An incomplete line. Data longer than any entry is damaged and skipped. */
struct rest {
    char data[65536];
    size_t size;
    bool skip; /* skip up to the next newline */
};

static void print_lines(struct log_reader *r, struct rest *rest, const struct log_view *v)
{
    char *line = rest->data, *end = rest->data + rest->size, *newline;
    for (; (newline = memchr(line, '\n', (size_t)(end - line))); line = newline + 1) {
        if (!rest->skip)
            log_print(v->printer, line, (size_t)(newline - line), r->skip);
        rest->skip = false;
    }
    rest->size = (size_t)(end - line);
    memmove(rest->data, line, rest->size);
    if (rest->size == sizeof(rest->data)) {
        v->printer->damaged += rest->skip ? 0 : 1;
        rest->skip = true;
        rest->size = 0;
    }
}

/* An entry without a newline at the end of a file: its writer was killed, or the disk was full. */
static void print_rest(struct log_reader *r, struct rest *rest, const struct log_view *v)
{
    if (!rest->skip && rest->size)
        log_print(v->printer, rest->data, rest->size, r->skip);
    rest->size = 0;
    rest->skip = false;
}

/* Prints the rest of the file that is being read. */
static int print_file(struct log_reader *r, struct rest *rest, const struct log_view *v)
{
    for (;;) {
        bool again;
        ssize_t n = log_reader_read(r, rest->data + rest->size, sizeof(rest->data) - rest->size,
                                    v->follow, &again);
        if (n < 0 || (n == 0 && !again))
            return (int)n;
        if (v->printer->error)
            return v->printer->error;
        if (again)
            *rest = (struct rest){0};
        rest->size += (size_t)n;
        print_lines(r, rest, v);
    }
}

static int print_new(struct log_reader *r, struct rest *rest, const struct log_view *v)
{
    int code = print_file(r, rest, v);
    while (code == 0) {
        _cleanup_close_ int next = log_reader_next(r, v->follow);
        if (next >= 0) {
            code = print_file(r, rest, v); /* what was written before the rotation */
            print_rest(r, rest, v);
            log_reader_enter(r, take_fd(next));
        }
        if (r->lost) {
            (void)log_print_flush(v->printer);
            warn("lines are lost: the container writes them faster than they are read");
            fflush(stderr);
        }
        r->lost = false;
        if (code < 0 || next == -ENOENT)
            break;
        code = print_file(r, rest, v);
    }
    if (!v->range.lives)
        print_rest(r, rest, v);
    const int printed = log_print_flush(v->printer);
    return code < 0 ? code : printed;
}

/* Interval of polling without inotify. Its instances are limited for each user, and a container whose root user is the
 * host's can use all of them. */
enum { POLL_MS = 200 };

static int watch(int dir)
{
    _cleanup_free_ char *path = fd_path(dir);
    _cleanup_close_ int notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (notify < 0 || inotify_add_watch(notify, path, IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0)
        return -1;
    return take_fd(notify);
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* -1: no timeout. */
static int wait_time(const struct log_view *v, bool looks)
{
    const int64_t most = looks ? POLL_MS : INT_MAX;
    if (v->until == INT64_MAX)
        return looks ? POLL_MS : -1;
    const int64_t ms = (v->until - now_ns()) / 1000000 + 1;
    return ms < 0 ? 0 : ms < most ? (int)ms : (int)most;
}

/* inotify reports new entries, the pidfd of the monitor the end. */
static int follow(struct log_reader *reader, int notify, int monitor, struct log_view *v)
{
    struct rest rest = {0};
    for (bool ended = monitor < 0;;) {
        ended = ended || now_ns() > v->until;
        v->range.lives = !ended;
        int code = print_new(reader, &rest, v);
        if (code < 0 || ended)
            return code;
        struct pollfd p[] = {{.fd = monitor, .events = POLLIN},
                             {.fd = STDOUT_FILENO},
                             {.fd = notify, .events = POLLIN}};
        int n = poll(p, ARRAY_LEN(p), wait_time(v, notify < 0));
        if (n > 0 && (p[1].revents & POLLERR)) /* the reader of stdout has gone */
            return 0;
        ended = ended || (n > 0 && p[0].revents);
        char events[4096];
        while (read(notify, events, sizeof(events)) > 0)
            ;
    }
}

static bool in_one_place(void)
{
    struct stat out, err;
    return fstat(STDOUT_FILENO, &out) == 0 && fstat(STDERR_FILENO, &err) == 0 &&
           out.st_dev == err.st_dev && out.st_ino == err.st_ino;
}

static int read_log(struct engine *engine, const struct record *r, struct log_view *v,
                    struct err *e)
{
    const char *name = r->spec.name;
    const bool ended = r->status == STATUS_EXITED || r->status == STATUS_DEAD;
    v->range.lives = !ended;
    _cleanup_close_ int monitor = !ended && v->follow ? pidfd_of(r->monitor, r->monitor_start) : -1;
    _cleanup_close_ int dir = store_defined_dir(&engine->store, name);
    /* Watch first, then read: no entry is missed in between. */
    _cleanup_close_ int notify = dir >= 0 && monitor >= 0 ? watch(dir) : -1;
    _cleanup_log_reader_ struct log_reader reader = {.fd = -1};
    int code = dir < 0 ? dir : log_reader_open(dir, r->spec.log.max_file, &v->range, &reader);
    if (code == -EBADMSG)
        return err_say(e, code, "the log of `%s` is damaged: it is not a regular file", name);
    if (code < 0)
        return err_set(e, code, "open the log of `%s`", name);
    if (!log_reader_found(&reader) && monitor < 0 && r->status != STATUS_CREATING)
        return err_say(e, -ENOENT, "the log of container `%s` is missing: %s/containers/%s/log",
                       name, engine->store.root, name);
    struct rest rest = {0};
    code = v->follow ? follow(&reader, notify, monitor, v) : print_new(&reader, &rest, v);
    if (v->printer->error)
        return err_set(e, v->printer->error, "write to stdout");
    return code < 0 ? err_set(e, code, "read the log of `%s`", name) : 0;
}

static int show(struct engine *engine, const struct record *r, struct log_view *v, struct err *e)
{
    const char *name = r->spec.name;
    struct log_printer *p = v->printer;
    if (r->spec.log.driver == LOG_NONE)
        return err_say(e, -ENOENT, "container `%s` has no log: its log driver is none", name);
    p->out = stdout;
    p->err = stderr;
    p->one_place = in_one_place();
    (void)setvbuf(stderr, NULL, _IOFBF,
                  BUFSIZ); /* flushed whenever the order of lines requires it */
    int code = read_log(engine, r, v, e);
    /* A container with published ports is a service, and not meant to end at once. */
    const bool early = r->ended_early && strv_len(r->spec.published) > 0;
    _cleanup_free_ char *hint = early ? spec_early_hint(&r->spec) : NULL;
    if (p->damaged)
        warn("%" PRIu64 " line%s of the log of `%s` %s damaged and left out", p->damaged,
             p->damaged == 1 ? "" : "s", name, p->damaged == 1 ? "is" : "are");
    if (code == 0 && hint)
        warn("%s", hint);
    fflush(stderr);
    return code;
}

/* Also as text, as entries have it. */
static int take_moment(const char *name, const char *text, int64_t *when,
                       char out[2 * LOG_TIME_SIZE], struct err *e)
{
    if (time_parse(text, now_ns(), when) < 0)
        return err_say(e, -EINVAL, "%s `%s` is not a time (as in 10m, 2026-01-02T15:04:05Z)", name,
                       text);
    const int64_t ns = *when < 0 ? 0 : *when;
    _cleanup_free_ char *second = time_utc(ns / 1000000000);
    snprintf(out, 2 * LOG_TIME_SIZE, "%.19s.%09dZ", second, (int)(ns % 1000000000));
    return 0;
}

/* As in docker and podman, any negative number means all. */
static int take_tail(const char *text, uint64_t *lines, struct err *e)
{
    const char *negative = skip_prefix(text, "-");
    const bool all = streq(text, "all");
    if (!all && parse_u64(negative ? negative : text, 0, UINT64_MAX - 1, lines) < 0)
        return err_say(e, -EINVAL, "tail `%s` is neither a number of lines nor `all`", text);
    if (all || negative)
        *lines = LOG_ALL;
    return 0;
}

static int run(const struct cli *cli, int argc, char **argv, struct err *e)
{
    _cleanup_free_ struct log_printer *printer = xcalloc(1, sizeof(*printer));
    struct log_view v = {.range = {.tail = LOG_ALL}, .until = INT64_MAX, .printer = printer};
    char *tail = NULL, *since = NULL, *until = NULL;
    bool names = false;
    int64_t begin;
    const struct option options[] = {
        {"follow", 'f', OPTION_FLAG, NULL, "follow the output until the container ends", &v.follow},
        {"timestamps", 't', OPTION_FLAG, NULL, "show the time of each line", &printer->times},
        {"names", 0, OPTION_FLAG, NULL, "show the name of the container before each line", &names},
        {"tail", 'n', OPTION_TEXT, "N", "show the last N lines; `all` or -1: all lines", &tail},
        {"since", 0, OPTION_TEXT, "TIME",
         "show lines since then: 10m (ten minutes ago), or RFC 3339", &since},
        {"until", 0, OPTION_TEXT, "TIME", "show lines until then", &until},
        {0},
    };
    int first = command_options(&command_logs, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (argc - first != 1)
        return err_say(e, -EINVAL, "usage: netctr logs [FLAGS] NAME");
    int code = tail ? take_tail(tail, &v.range.tail, e) : 0;
    if (code == 0 && since)
        code = take_moment("since", since, &begin, printer->since, e);
    if (code == 0 && until)
        code = take_moment("until", until, &v.until, printer->until, e);
    _cleanup_engine_ struct engine engine = {0};
    _cleanup_record_ struct record r = {0};
    if (code == 0)
        code = cli_engine_to_read(cli, &engine, e);
    if (code == 0)
        code = cli_find(&engine, argv[first], &r, e);
    printer->name = names ? r.spec.name : NULL;
    return code < 0 ? code : show(&engine, &r, &v, e);
}

const struct command command_logs = {
    .name = "logs",
    .usage = "[FLAGS] NAME",
    .summary = "Show the output of a container",
    .example = "netctr logs --tail 20 web\nnetctr logs -f --since 10m web",
    .run = run,
};
