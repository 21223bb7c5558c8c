/* Locks with a time limit. flock() has none, and a stopped process (SIGSTOP) never releases its
 * lock. So no process blocks in the kernel: it polls a lock that is taken, with growing pauses,
 * because a long wait means many waiters. The limit applies to one holder: as long as the lock
 * changes hands, however slowly, every waiter gets its turn. */
#include <netctr/base.h>

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sysmacros.h>
#include <time.h>

enum {
    LOOK_MS = 500, /* between two looks at the holder */
    HELD_MS = 30000,
    PAUSE_MIN_US = 100,
    PAUSE_MAX_US = 20000,
};

/* ---- the holder -------------------------------------------------------------------------------*/

/* /proc/locks leaves out processes of pid namespaces that are not visible here. */
pid_t lock_holder(int fd)
{
    struct stat st;
    _cleanup_free_ char *locks = NULL;
    if (fstat(fd, &st) < 0 || read_file_at(AT_FDCWD, "/proc/locks", 64 << 20, &locks, NULL) < 0)
        return 0;
    _cleanup_free_ char *file = xasprintf(" %02x:%02x:%" PRIu64 " ", major(st.st_dev),
                                          minor(st.st_dev), (uint64_t)st.st_ino);
    _cleanup_strv_ strv lines = strv_split(locks, '\n');
    strv_each (line, lines) {
        int pid;
        if (!strstr(line, "->") && strstr(line, file) &&
            sscanf(line, "%*s FLOCK %*s %*s %d", &pid) == 1)
            return pid;
    }
    return 0;
}

/* ---- waiting ----------------------------------------------------------------------------------*/

struct waiting {
    pid_t holder;
    /* last look (µs), held since (µs), stopped since (ms); 0: not yet */
    int64_t looked, held, stopped;
};

static bool gives_up(struct waiting *w, int fd, int64_t now)
{
    pid_t holder = lock_holder(fd);
    if (holder != w->holder)
        *w = (struct waiting){.holder = holder, .held = now};
    w->looked = now;
    return proc_stays_stopped(holder, &w->stopped) || now - w->held >= HELD_MS * INT64_C(1000);
}

static void pause_after(int64_t waited_us)
{
    int64_t us = waited_us / 8;
    us = us < PAUSE_MIN_US ? PAUSE_MIN_US : us > PAUSE_MAX_US ? PAUSE_MAX_US : us;
    const struct timespec pause = {.tv_nsec = us * 1000};
    (void)nanosleep(&pause, NULL);
}

int lock_fd(int fd, int operation)
{
    struct waiting w = {0};
    int64_t begin = 0;
    while (flock(fd, operation | LOCK_NB) < 0) {
        if (errno == EINTR)
            continue;
        if (errno != EWOULDBLOCK || (operation & LOCK_NB))
            return -errno;
        const int64_t now = monotonic_us();
        if (!begin)
            begin = w.held = w.looked = now;
        if (now - w.looked >= LOOK_MS * INT64_C(1000) && gives_up(&w, fd, now))
            return -ETIMEDOUT;
        pause_after(now - begin);
    }
    return 0;
}

int lock_wait(int fd, int operation, int timeout_ms)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    while (flock(fd, operation | LOCK_NB) < 0) {
        if (errno != EINTR && (errno != EWOULDBLOCK || timeout_ms-- <= 0))
            return -errno;
        nanosleep(&pause, NULL);
    }
    return 0;
}

int lock_file_at(int dirfd, const char *path, int operation)
{
    for (;;) {
        _cleanup_close_ int fd =
            openat(dirfd, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        int r = fd < 0 ? -errno : lock_fd(fd, operation);
        if (r < 0)
            return r;
        /* The previous holder may have removed the file. Then the next process would not see this
         * lock. */
        struct stat own, there;
        if (fstat(fd, &own) < 0)
            return -errno;
        if (fstatat(dirfd, path, &there, AT_SYMLINK_NOFOLLOW) == 0 && own.st_ino == there.st_ino &&
            own.st_dev == there.st_dev)
            return take_fd(fd);
    }
}

/* ---- errors -----------------------------------------------------------------------------------*/

static char *full_path(int dirfd, const char *path)
{
    char directory[PATH_MAX];
    _cleanup_free_ char *link = fd_path(dirfd);
    ssize_t n = readlink(link, directory, sizeof(directory) - 1);
    directory[n < 0 ? 0 : n] = '\0';
    return streq(path, ".") ? xstrdup(directory) : xasprintf("%s/%s", directory, path);
}

static int describe_holder(struct err *e, const char *file, pid_t pid, const char *what)
{
    _cleanup_free_ char *path = xasprintf("/proc/%d/comm", pid), *name = NULL;
    if (pid <= 0)
        return err_say(e, -ETIMEDOUT, "lock %s: `%s` has been held for %d seconds", what, file,
                       HELD_MS / 1000);
    if (read_file_at(AT_FDCWD, path, 64, &name, NULL) == 0)
        name[strcspn(name, "\n")] = '\0';
    bool stopped = proc_state(pid) == 'T';
    err_say(e, -ETIMEDOUT, "lock %s: `%s` is held by process %d (%s), which has %s", what, file,
            pid, name ? name : "?", stopped ? "been stopped" : "not released it in time");
    if (stopped)
        err_hint(e, "`kill -CONT %d` lets it go on", pid);
    return -ETIMEDOUT;
}

int lock_failed(int code, int dirfd, const char *path, const char *what, struct err *e)
{
    if (code != -ETIMEDOUT)
        return err_set(e, code, "lock %s", what);
    _cleanup_free_ char *file = full_path(dirfd, path);
    _cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    (void)describe_holder(e, file, fd < 0 ? 0 : lock_holder(fd), what);
    return code;
}
