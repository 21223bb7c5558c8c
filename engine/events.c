/* Reading events.
 *
 * The file is rotated when it is large. So two files are read: the older one, into which a command may still be writing,
 * and the present one. inotify only wakes the reader, which then reads what is there.
 */
#include "internal.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>

#define LOOK_MS 250 /* interval of polling without inotify */
#define WATCHED (IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE)

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
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
    void (*each)(const json_t *event, void *arg);
    void *arg;
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
    if (j)
        v->each(j, v->arg);
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

/* Reads what is new. If there is another file under the name, the present one has become the older one. If the file was rotated
 * twice since the last look, the one in between is the older one now. */
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
            r = tail_read(v, &v->older); /* what was written before the rotation */
        tail_open(&v->older, v->run_fd, EVENTS_OLDER, v->older.inode);
        if (r == 0)
            r = tail_read(v, &v->older);
        if (r == 0)
            r = tail_read(v, &v->present);
    }
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

/* While it has no file of events, the directory may be on the way to its removal, which inotify does not report as long as
 * it is open here. */
static bool has_events(const struct view *v)
{
    return faccessat(v->run_fd, EVENTS_FILE, F_OK, 0) == 0;
}

static int check_directory(const struct view *v)
{
    struct stat st;
    return fstat(v->run_fd, &st) == 0 && st.st_nlink == 0 ? -ESTALE : 0;
}

/* Until @until, or until the reader of @out has gone. */
static int follow_on(struct view *v, int64_t until, int out)
{
    for (;;) {
        char changes[4096];
        struct pollfd p[] = {{.fd = v->notify, .events = POLLIN}, {.fd = out}};
        int n = poll(p, ARRAY_LEN(p), wait_time(until, v->notify < 0 || !has_events(v)));
        while (v->notify >= 0 && read(v->notify, changes, sizeof(changes)) > 0)
            ;
        if (v->notify < 0)
            v->notify = watch(v->run_fd);
        int r = n < 0 && errno != EINTR ? -errno : read_new(v);
        if (r == 0)
            r = check_directory(v);
        if (r < 0 || now_ns() >= until || (p[1].revents & POLLERR))
            return r;
    }
}

int engine_events(struct engine *engine, bool follow, int64_t until, int out,
                  void (*each)(const json_t *event, void *arg), void *arg, struct err *e)
{
    __attribute__((cleanup(view_clear))) struct view v = {.run_fd = engine->store.run_fd,
                                                          .each = each,
                                                          .arg = arg,
                                                          .older = {.fd = -1},
                                                          .present = {.fd = -1}};
    /* Watch first, then read: no event is missed in between. */
    v.notify = follow ? watch(v.run_fd) : -1;
    tail_open(&v.older, v.run_fd, EVENTS_OLDER, 0);
    int r = read_new(&v);
    if (r == 0 && follow)
        r = follow_on(&v, until, out);
    if (r == -ESTALE)
        return err_say(e, r, "the run directory `%s` has been removed", engine->store.run);
    return r < 0 ? err_set(e, r, "read the events") : 0;
}
