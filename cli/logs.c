/* netctr logs: what a container has written, from the file that its monitor keeps. */
#include "cli.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>

struct log_view {
    bool follow, times;
    uint64_t tail; /* UINT64_MAX: all */
};

/* "TIME STREAM F|P TEXT": prints one entry where it came from, stdout or stderr. */
static void print_entry(const char *line, size_t size, const struct log_view *v)
{
    const char *end = line + size;
    const char *stream = memchr(line, ' ', size);
    const char *flag = stream ? memchr(stream + 1, ' ', (size_t)(end - stream - 1)) : NULL;
    if (!flag || end - flag < 3)
        return;
    FILE *out = strncmp(stream + 1, "stderr", 6) == 0 ? stderr : stdout;
    if (v->times)
        fprintf(out, "%.*s ", (int)(stream - line), line);
    fwrite(flag + 3, 1, (size_t)(end - flag - 3), out);
    if (flag[1] == 'F')
        fputc('\n', out);
}

/* Does this entry end a line? A long line, or one that came in pieces, is several entries. */
static bool ends_line(int fd, off_t entry)
{
    char flag = 'F';
    const off_t before = (off_t)strlen("2026-11-23T14:05:00.123456789Z stdout ");
    return pread(fd, &flag, 1, entry + before) < 1 || flag != 'P';
}

struct tail {
    int fd;
    uint64_t wanted, lines;
    off_t end; /* of the entry that is looked at; of the whole log at first */
    bool any;
};

/* An entry begins at @start, and ends where the one seen before it began. True: it is not wanted any
 * more. */
static bool look_back(struct tail *t, off_t start)
{
    if (start == t->end) /* the very end of the log */
        return false;
    if ((!t->any || ends_line(t->fd, start)) && t->lines++ == t->wanted)
        return true;
    t->any = true;
    t->end = start;
    return false;
}

/* Where the last @wanted lines begin: looked for from the end, for the log may be large. */
static int tail_offset(int fd, uint64_t wanted, off_t *out)
{
    char block[65536];
    off_t at = lseek(fd, 0, SEEK_END);
    struct tail t = {.fd = fd, .wanted = wanted, .end = at};
    bool enough = false;
    while (at > 0 && !enough) {
        size_t size = at < (off_t)sizeof(block) ? (size_t)at : sizeof(block);
        at -= (off_t)size;
        ssize_t n = pread(fd, block, size, at);
        if (n < 0)
            return -errno;
        for (; n > 0 && !enough; n--)
            if (block[n - 1] == '\n')
                enough = look_back(&t, at + n);
    }
    if (at < 0)
        return -errno;
    *out = enough || look_back(&t, 0) ? t.end : 0;
    return 0;
}

/* What has been read and is not a whole line yet. */
struct rest {
    char *data;
    size_t size;
};

static void rest_clear(struct rest *r)
{
    free(r->data);
}
#define _cleanup_rest_ __attribute__((cleanup(rest_clear)))

/* Prints the whole lines of what has been added. A line may hold any byte. */
static int print_new(int fd, struct rest *rest, const struct log_view *v)
{
    for (;;) {
        rest->data = xrealloc(rest->data, rest->size + 16384, 1);
        ssize_t n = read(fd, rest->data + rest->size, 16384);
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        rest->size += (size_t)n;
        char *line = rest->data, *end = rest->data + rest->size, *newline;
        for (; (newline = memchr(line, '\n', (size_t)(end - line))); line = newline + 1)
            print_entry(line, (size_t)(newline - line), v);
        rest->size = (size_t)(end - line);
        memmove(rest->data, line, rest->size);
    }
    fflush(stdout);
    return 0;
}

/* inotify tells of new entries, the monitor's pidfd of the end. */
static int follow(int dir, int fd, const struct record *r, const struct log_view *v, struct err *e)
{
    _cleanup_free_ char *path = fd_path(dir);
    _cleanup_rest_ struct rest rest = {0};
    _cleanup_close_ int notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    bool lives = r->status != STATUS_EXITED && r->status != STATUS_DEAD;
    _cleanup_close_ int monitor = lives ? pidfd_of(r->monitor, r->monitor_start) : -1;
    if (notify < 0 || inotify_add_watch(notify, path, IN_MODIFY) < 0)
        return err_set(e, errno, "watch the log");
    for (bool ended = monitor < 0;;) {
        int code = print_new(fd, &rest, v);
        if (code < 0 || ended)
            return code < 0 ? err_set(e, code, "read the log") : 0;
        struct pollfd p[] = {{.fd = notify, .events = POLLIN}, {.fd = monitor, .events = POLLIN}};
        ended = poll(p, ARRAY_LEN(p), -1) > 0 && p[1].revents;
        char events[4096];
        (void)!read(notify, events, sizeof(events));
    }
}

static int show(struct world *w, const struct record *r, const struct log_view *v, struct err *e)
{
    _cleanup_close_ int dir = store_defined_dir(&w->store, r->spec.name);
    struct stat st;
    _cleanup_close_ int fd =
        dir < 0 ? -1 : openat(dir, "log", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set(e, errno, "open the log of `%s`", r->spec.name);
    if (!S_ISREG(st.st_mode))
        return err_say(e, -EBADMSG, "the log of `%s` is damaged: it is no file", r->spec.name);
    if (v->tail != UINT64_MAX) {
        off_t at;
        int code = tail_offset(fd, v->tail, &at);
        if (code < 0 || lseek(fd, at, SEEK_SET) < 0)
            return err_set(e, code < 0 ? code : errno, "read the log of `%s`", r->spec.name);
    }
    if (v->follow)
        return follow(dir, fd, r, v, e);
    _cleanup_rest_ struct rest rest = {0};
    int code = print_new(fd, &rest, v);
    return code < 0 ? err_set(e, code, "read the log of `%s`", r->spec.name) : 0;
}

static int run(const struct cli *cli, int argc, char **argv, struct err *e)
{
    struct log_view v = {.tail = UINT64_MAX};
    char *tail = NULL;
    const struct option options[] = {
        {"follow", 'f', OPTION_FLAG, NULL, "go on until the container ends", &v.follow},
        {"timestamps", 't', OPTION_FLAG, NULL, "show when", &v.times},
        {"tail", 'n', OPTION_TEXT, "N", "only the last N lines", &tail},
        {0},
    };
    int first = command_options(&command_logs, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (argc - first != 1)
        return err_say(e, -EINVAL, "usage: netctr logs [FLAGS] NAME");
    if (tail && !streq(tail, "all") && parse_u64(tail, 0, UINT64_MAX - 1, &v.tail) < 0)
        return err_say(e, -EINVAL, "tail `%s` is not a number of lines", tail);
    _cleanup_world_ struct world w = {0};
    _cleanup_record_ struct record r = {0};
    int code = cli_world(cli, &w, e);
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
