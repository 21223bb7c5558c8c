/* netctr logs: what a container has written, from the files that its monitor keeps. */
#include "cli.h"
#include "log_reader.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>

#define TIME_SIZE 30 /* "2026-11-23T14:05:00.123456789Z" */

struct log_view {
    bool follow, times;
    uint64_t tail;             /* LOG_ALL: all */
    char since[TIME_SIZE * 2]; /* "": from the beginning */
};

/* "TIME STREAM F|P TEXT": prints one entry where it came from, stdout or stderr. */
static void print_entry(const char *line, size_t size, const struct log_view *v)
{
    const char *end = line + size;
    const char *stream = memchr(line, ' ', size);
    const char *flag = stream ? memchr(stream + 1, ' ', (size_t)(end - stream - 1)) : NULL;
    if (!flag || end - flag < 3)
        return;
    if (*v->since && stream - line == TIME_SIZE && memcmp(line, v->since, TIME_SIZE) < 0)
        return;
    FILE *out = strncmp(stream + 1, "stderr", 6) == 0 ? stderr : stdout;
    if (v->times)
        fprintf(out, "%.*s ", (int)(stream - line), line);
    fwrite(flag + 3, 1, (size_t)(end - flag - 3), out);
    if (flag[1] == 'F')
        fputc('\n', out);
}

/* What has been read and is not a whole line yet. What is longer than any entry is none. */
struct rest {
    char data[65536];
    size_t size;
    bool skip; /* up to the next newline */
};

static void print_lines(struct rest *rest, const struct log_view *v)
{
    char *line = rest->data, *end = rest->data + rest->size, *newline;
    for (; (newline = memchr(line, '\n', (size_t)(end - line))); line = newline + 1) {
        if (!rest->skip)
            print_entry(line, (size_t)(newline - line), v);
        rest->skip = false;
    }
    rest->size = (size_t)(end - line);
    memmove(rest->data, line, rest->size);
    if (rest->size == sizeof(rest->data)) {
        rest->skip = true;
        rest->size = 0;
    }
}

/* An entry that nobody will end: its writer was killed, or the disk was full. */
static void print_rest(struct rest *rest, const struct log_view *v)
{
    if (!rest->skip)
        print_entry(rest->data, rest->size, v);
    rest->size = 0;
    rest->skip = false;
}

/* All that there is of the file that is being read. */
static int print_file(struct log_reader *r, struct rest *rest, const struct log_view *v)
{
    for (;;) {
        bool anew;
        ssize_t n = log_reader_read(r, rest->data + rest->size, sizeof(rest->data) - rest->size,
                                    v->follow, &anew);
        if (n < 0 || (n == 0 && !anew))
            return (int)n;
        if (anew)
            *rest = (struct rest){0};
        rest->size += (size_t)n;
        print_lines(rest, v);
    }
}

static int print_new(struct log_reader *r, struct rest *rest, const struct log_view *v)
{
    int code = print_file(r, rest, v);
    while (code == 0) {
        _cleanup_close_ int next = log_reader_next(r, v->follow);
        if (next >= 0) {
            code = print_file(r, rest, v); /* what came between the two looks */
            print_rest(rest, v);
            log_reader_enter(r, take_fd(next));
        }
        if (r->lost)
            warn("lines are lost: the container writes them faster than they are read");
        r->lost = false;
        if (code < 0 || next == -ENOENT)
            break;
        code = print_file(r, rest, v);
    }
    fflush(stdout);
    return code;
}

/* Rather than by a watch, of which a container can have taken all: they are counted by user, and its root may be
 * the host's. */
enum { POLL_MS = 200 };

static int watch(int dir)
{
    _cleanup_free_ char *path = fd_path(dir);
    _cleanup_close_ int notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (notify < 0 || inotify_add_watch(notify, path, IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0)
        return -1;
    return take_fd(notify);
}

/* inotify tells of new entries, the monitor's pidfd of the end. */
static int follow(struct log_reader *reader, int notify, int monitor, const struct log_view *v)
{
    struct rest rest = {0};
    for (bool ended = monitor < 0;;) {
        int code = print_new(reader, &rest, v);
        if (code < 0 || ended)
            return code;
        struct pollfd p[] = {{.fd = monitor, .events = POLLIN},
                             {.fd = STDOUT_FILENO},
                             {.fd = notify, .events = POLLIN}};
        int n = poll(p, ARRAY_LEN(p), notify < 0 ? POLL_MS : -1);
        if (n > 0 && (p[1].revents & POLLERR)) /* nobody reads what is printed */
            return 0;
        ended = n > 0 && p[0].revents;
        char events[4096];
        while (read(notify, events, sizeof(events)) > 0)
            ;
    }
}

static int show(struct world *w, const struct record *r, const struct log_view *v, struct err *e)
{
    const struct log_options *o = &r->spec.log;
    if (o->driver == LOG_NONE)
        return err_say(e, -ENOENT, "container `%s` has no log: its log driver is none",
                       r->spec.name);
    bool lives = r->status != STATUS_EXITED && r->status != STATUS_DEAD;
    _cleanup_close_ int monitor = lives && v->follow ? pidfd_of(r->monitor, r->monitor_start) : -1;
    _cleanup_close_ int dir = store_defined_dir(&w->store, r->spec.name);
    /* Before the first look: what comes after it is heard of. */
    _cleanup_close_ int notify = dir >= 0 && monitor >= 0 ? watch(dir) : -1;
    _cleanup_log_reader_ struct log_reader reader = {.fd = -1};
    int code = dir < 0 ? dir : log_reader_open(dir, o->max_file, v->tail, &reader);
    if (code == -EBADMSG)
        return err_say(e, code, "the log of `%s` is damaged: it is no file", r->spec.name);
    if (code < 0)
        return err_set(e, code, "open the log of `%s`", r->spec.name);
    struct rest rest = {0};
    code = v->follow ? follow(&reader, notify, monitor, v) : print_new(&reader, &rest, v);
    return code < 0 ? err_set(e, code, "read the log of `%s`", r->spec.name) : 0;
}

static int take_since(const char *text, struct log_view *v, struct err *e)
{
    struct timespec now;
    int64_t since;
    clock_gettime(CLOCK_REALTIME, &now);
    if (time_parse(text, now.tv_sec * 1000000000LL + now.tv_nsec, &since) < 0)
        return err_say(e, -EINVAL, "since `%s` is not a time (as in 10m, 2026-01-02T15:04:05Z)",
                       text);
    since = since < 0 ? 0 : since;
    _cleanup_free_ char *second = time_utc(since / 1000000000);
    snprintf(v->since, sizeof(v->since), "%.19s.%09dZ", second, (int)(since % 1000000000));
    return 0;
}

static int run(const struct cli *cli, int argc, char **argv, struct err *e)
{
    struct log_view v = {.tail = LOG_ALL};
    char *tail = NULL, *since = NULL;
    const struct option options[] = {
        {"follow", 'f', OPTION_FLAG, NULL, "go on until the container ends", &v.follow},
        {"timestamps", 't', OPTION_FLAG, NULL, "show when", &v.times},
        {"tail", 'n', OPTION_TEXT, "N", "only the last N lines", &tail},
        {"since", 0, OPTION_TEXT, "TIME", "only from then on (10m: ten minutes ago; RFC 3339)",
         &since},
        {0},
    };
    int first = command_options(&command_logs, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (argc - first != 1)
        return err_say(e, -EINVAL, "usage: netctr logs [FLAGS] NAME");
    if (tail && !streq(tail, "all") && parse_u64(tail, 0, UINT64_MAX - 1, &v.tail) < 0)
        return err_say(e, -EINVAL, "tail `%s` is not a number of lines", tail);
    int code = since ? take_since(since, &v, e) : 0;
    _cleanup_world_ struct world w = {0};
    _cleanup_record_ struct record r = {0};
    if (code == 0)
        code = cli_world(cli, &w, e);
    if (code == 0)
        code = world_find(&w, argv[first], &r, e);
    return code < 0 ? code : show(&w, &r, &v, e);
}

const struct command command_logs = {
    .name = "logs",
    .usage = "[FLAGS] NAME",
    .summary = "Show what a container has written to stdout and stderr",
    .run = run,
};
