#include "names_watch.h"

#include <errno.h>
#include <netctr/names.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <time.h>

enum {
    LOOK_MS = 500,
    YOUNG_MS = 50, /* more than the granularity of file times */
};

struct names_watch {
    struct sandboxes *sandboxes;
    struct loop *loop;
    bool (*concerns)(void *arg, const char *network);
    void (*changed)(void *arg);
    void *arg;
    int inotify; /* -1: the timer runs instead */
    loop_timer timer;
    uint64_t seen; /* a hash of the files' times and sizes; 0: differs from every later one */
};

static bool is_wanted(const struct names_watch *n, const char *network)
{
    return valid_name(network) && (!n->concerns || n->concerns(n->arg, network));
}

/* ---- inotify ---------------------------------------------------------------------------------*/

static void hear(int fd, uint32_t ready, void *watch)
{
    struct names_watch *n = watch;
    (void)ready;
    char events[4096];
    bool any = false;
    for (ssize_t size; (size = read(fd, events, sizeof(events))) > 0;)
        for (char *p = events; p < events + size;) {
            struct inotify_event *event = (void *)p;
            any = any || event->mask & IN_Q_OVERFLOW || (event->len && is_wanted(n, event->name));
            p += sizeof(*event) + event->len;
        }
    if (any)
        n->changed(n->arg);
}

static int listen_to(struct names_watch *n, struct err *e)
{
    int names;
    int r = sandboxes_names(n->sandboxes, &names, e);
    if (r < 0)
        return r;
    _cleanup_free_ char *directory = fd_path(names), *path = xasprintf("%s/" NAMES_BELL, directory);
    _cleanup_close_ int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (fd < 0 || inotify_add_watch(fd, path, NAMES_RUNG | IN_ONLYDIR) < 0)
        return err_set(e, errno, "watch names by inotify");
    r = loop_add_fd(n->loop, fd, EPOLLIN, hear, n, e);
    if (r == 0)
        n->inotify = take_fd(fd);
    return r;
}

/* ---- polling --------------------------------------------------------------------------------*/

/* Two changes within the granularity of a file's time look the same, so the caller has to look again. */
static bool is_young(const struct stat *st)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t ms =
        (now.tv_sec - st->st_ctim.tv_sec) * 1000 + (now.tv_nsec - st->st_ctim.tv_nsec) / 1000000;
    return ms > -YOUNG_MS && ms < YOUNG_MS;
}

static uint64_t look_at_files(struct names_watch *n)
{
    int names;
    uint64_t sum = 1;
    bool young = false;
    _cleanup_dir_ DIR *d =
        sandboxes_names(n->sandboxes, &names, NULL) < 0 ? NULL : open_listing(names, NAMES_BELL);
    for (struct dirent *entry; d && (entry = readdir(d));) {
        struct stat st;
        if (!is_wanted(n, entry->d_name) || fstatat(dirfd(d), entry->d_name, &st, 0) < 0)
            continue;
        _cleanup_free_ char *text = xasprintf(
            "%s %llu %llu %lld.%09ld", entry->d_name, (unsigned long long)st.st_ino,
            (unsigned long long)st.st_size, (long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
        sum += hash64(text); /* independent of the order */
        young = young || is_young(&st);
    }
    return young ? 0 : sum;
}

static void look(void *watch)
{
    struct names_watch *n = watch;
    uint64_t before = n->seen;
    bool heard = listen_to(n, NULL) == 0;
    if (!heard) {
        n->timer = loop_add_timer(n->loop, LOOK_MS, look, n);
        n->seen = look_at_files(n);
    }
    if (heard || n->seen == 0 || n->seen != before)
        n->changed(n->arg);
}

/* ---- public ---------------------------------------------------------------------------------*/

int names_watch_new(struct sandboxes *sandboxes, struct loop *loop,
                    bool (*concerns)(void *arg, const char *network), void (*changed)(void *arg),
                    void *arg, struct names_watch **out, struct err *e)
{
    struct names_watch *n = xcalloc(1, sizeof(*n));
    *n = (struct names_watch){.sandboxes = sandboxes,
                              .loop = loop,
                              .concerns = concerns,
                              .changed = changed,
                              .arg = arg,
                              .inotify = -1};
    int r = listen_to(n, e);
    if (r < 0)
        n->timer = loop_add_timer(loop, LOOK_MS, look, n);
    *out = n;
    return r < 0;
}

void names_watch_free(struct names_watch *n)
{
    if (!n)
        return;
    (void)loop_cancel_timer(n->loop, n->timer);
    loop_remove_fd(n->loop, n->inotify);
    close_fd(n->inotify);
    free(n);
}
