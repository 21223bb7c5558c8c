/* RUN/containers has a directory for each living container. It is read only when its time has changed, and
 * only new entries are examined: so a start need not notify the helper, and a thousand containers at rest
 * cost one system call a look. A monitor that exits by itself removes its directory; one whose pidfd reports
 * its end while the directory still exists has been killed.
 */
#include "monitors_seen.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <time.h>

/* Two changes within the granularity of the directory's time look the same. */
enum { YOUNG_MS = 50, BEGIN_MS = 1000, BUCKETS = 1024, SPARE_FDS = 32 };

struct watched_monitor {
    struct monitors *all;
    char *name;
    ino_t directory; /* the inode, because a name may be reused */
    int pidfd;       /* -1: searched for at each look */
    bool seen, dead, told;
    struct watched_monitor *next;
};

struct monitors {
    struct store *store;
    struct loop *loop;
    void (*died)(bool fresh, void *arg);
    void *arg;
    struct watched_monitor *bucket[BUCKETS]; /* by directory */
    size_t watched;                          /* those with a pidfd */
    struct timespec changed;
    bool young; /* look again even if the time is the same */
};

struct monitors *monitors_new(struct store *s, struct loop *loop,
                              void (*died)(bool fresh, void *arg), void *arg)
{
    struct monitors *m = xcalloc(1, sizeof(*m));
    *m = (struct monitors){.store = s, .loop = loop, .died = died, .arg = arg, .young = true};
    return m;
}

static struct watched_monitor **bucket_of(struct monitors *m, ino_t directory)
{
    return &m->bucket[directory % BUCKETS];
}

static void stop_watching(struct watched_monitor *one)
{
    if (one->pidfd < 0)
        return;
    loop_remove_fd(one->all->loop, one->pidfd);
    one->pidfd = close_fd(one->pidfd);
    one->all->watched--;
}

static void forget(struct watched_monitor **link)
{
    struct watched_monitor *gone = *link;
    *link = gone->next;
    stop_watching(gone);
    free(gone->name);
    free(gone);
}

void monitors_free(struct monitors *m)
{
    for (size_t i = 0; m && i < BUCKETS; i++)
        while (m->bucket[i])
            forget(&m->bucket[i]);
    free(m);
}

/* ---- one monitor ----------------------------------------------------------------------------*/

/* Did the monitor remove its directory? */
static bool is_tidy(const struct watched_monitor *one)
{
    struct stat st;
    return fstatat(one->all->store->live_fd, one->name, &st, AT_SYMLINK_NOFOLLOW) < 0
               ? errno == ENOENT
               : st.st_ino != one->directory;
}

/* Asks for this one alone: a thousand that end one after the other would mean a thousand lists of the others. */
static void ended(int fd, uint32_t events, void *monitor)
{
    struct watched_monitor *one = monitor, **link = bucket_of(one->all, one->directory);
    struct monitors *m = one->all;
    (void)fd;
    (void)events;
    m->young = true; /* another container may have its inode by now */
    if (is_tidy(one)) {
        while (*link != one)
            link = &(*link)->next;
        forget(link);
        return;
    }
    stop_watching(one);
    one->dead = one->told = true;
    m->died(true, m->arg);
}

bool monitors_any(const struct monitors *m)
{
    return m->watched > 0;
}

static int64_t age_ms(const struct timespec *t)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (now.tv_sec - t->tv_sec) * 1000 + (now.tv_nsec - t->tv_nsec) / 1000000;
}

/* The lock's holder is the monitor, even if state.json is unreadable. */
static int find_holder(int dir)
{
    _cleanup_close_ int lock = openat(dir, "lock", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    pid_t pid = lock < 0 ? 0 : lock_holder(lock);
    return pid > 0 ? pidfd_of(pid, proc_start_time(pid)) : -ESRCH;
}

/* A pidfd of the monitor of container @name; -ESRCH if it is dead; another error while that is unknown. A
 * monitor that has not written its state.json within a second never will. */
static int find_monitor(struct monitors *m, const char *name)
{
    struct stat st;
    _cleanup_json_ json_t *j = NULL;
    _cleanup_close_ int dir = store_live_dir(m->store, name);
    int r = dir < 0 ? dir : json_read_at(dir, "state.json", &j, NULL);
    if (dir < 0 || r == -EMFILE || r == -ENFILE || r == -ENOMEM)
        return r;
    if (r < 0)
        return fstat(dir, &st) == 0 && age_ms(&st.st_mtim) > BEGIN_MS ? find_holder(dir) : r;
    return pidfd_of((pid_t)json_int(j, "monitor", 0), (uint64_t)json_int(j, "monitor_start", 0));
}

/* Keeps SPARE_FDS descriptors free for everything else. */
static bool is_precious(int fd)
{
    struct rlimit files;
    return getrlimit(RLIMIT_NOFILE, &files) == 0 && (rlim_t)fd + SPARE_FDS >= files.rlim_cur;
}

/* pidfd_open() also succeeds for a zombie. The directory may be another container's: file systems reuse inode
 * numbers. */
static void examine(struct monitors *m, struct watched_monitor *one, const char *name)
{
    _cleanup_close_ int fd = find_monitor(m, name);
    one->dead = fd == -ESRCH || (fd >= 0 && pidfd_wait(fd, 0) == 0);
    if (!one->dead && fd >= 0 && !is_precious(fd) &&
        loop_add_fd(m->loop, fd, EPOLLIN, ended, one, NULL) == 0)
        one->pidfd = take_fd(fd);
    m->watched += one->pidfd >= 0;
    m->young = m->young || one->pidfd < 0;
}

static void find(struct monitors *m, const char *name, ino_t directory)
{
    struct watched_monitor **bucket = bucket_of(m, directory), *one = *bucket;
    while (one && one->directory != directory)
        one = one->next;
    if (!one) {
        one = xcalloc(1, sizeof(*one));
        *one = (struct watched_monitor){
            .all = m, .directory = directory, .pidfd = -1, .next = *bucket};
        *bucket = one;
    }
    one->seen = true;
    if (!streq(one->name, name)) { /* it may have been renamed */
        free(one->name);
        one->name = xstrdup(name);
    }
    if (one->pidfd >= 0)
        return;
    examine(m, one, name);
}

/* ---- all monitors ---------------------------------------------------------------------------*/

static bool has_changed(struct monitors *m)
{
    struct stat st;
    if (fstat(m->store->live_fd, &st) < 0)
        return true;
    int64_t age = age_ms(&st.st_mtim);
    bool changed = m->young || st.st_mtim.tv_sec != m->changed.tv_sec ||
                   st.st_mtim.tv_nsec != m->changed.tv_nsec;
    m->changed = st.st_mtim;
    m->young = age < YOUNG_MS && age > -YOUNG_MS;
    return changed;
}

static bool is_dead(const struct watched_monitor *one)
{
    return one->seen && one->pidfd < 0 && one->dead;
}

void monitors_each_dead(const struct monitors *m, void (*each)(const char *name, void *arg),
                        void *arg)
{
    for (size_t i = 0; i < BUCKETS; i++)
        for (const struct watched_monitor *one = m->bucket[i]; one; one = one->next)
            if (is_dead(one))
                each(one->name, arg);
}

/* A dead monitor is reported at each look until its directory is gone. */
static void judge(struct monitors *m)
{
    bool dead = false, fresh = false;
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct watched_monitor **link = &m->bucket[i]; *link;) {
            struct watched_monitor *one = *link;
            bool ended = is_dead(one);
            dead = dead || ended;
            fresh = fresh || (ended && !one->told);
            one->told = ended;
            if ((*link)->seen)
                link = &(*link)->next;
            else
                forget(link);
        }
    if (dead) {
        m->young = true;
        m->died(fresh, m->arg);
    }
}

void monitors_look(struct monitors *m)
{
    if (!has_changed(m))
        return;
    _cleanup_dir_ DIR *d = open_listing(m->store->live_fd, ".");
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct watched_monitor *one = m->bucket[i]; one; one = one->next)
            one->seen = false;
    int r = d ? 0 : -errno;
    for (struct dirent *entry; d && (entry = next_entry(d, &r));)
        if (valid_name(entry->d_name))
            find(m, entry->d_name, entry->d_ino);
    if (r == 0)
        judge(m);
    else
        m->young = true;
}
