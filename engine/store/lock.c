/* A held lock is life: who may change which containers there are, and whether the monitor of one lives. */
#include "core/container.h"

#include <errno.h>
#include <string.h>
#include <sys/file.h>

int store_cannot_lock(int code, int dir, const char *path, struct err *e)
{
    _cleanup_free_ char *what = xasprintf("`%s`", path);
    return lock_failed(code, dir, "lock", what, e);
}

static int lock_store(struct store *s, int operation, struct err *e)
{
    int fd = lock_file_at(s->run_fd, "lock", operation);
    if (fd == -ENOENT) { /* not -ENOENT, which is what a container is that there is not */
        err_say(e, -ESTALE, "the run directory `%s` has been removed meanwhile", s->run);
        return err_hint(e, "the next command finds what has lost it");
    }
    return fd < 0 ? store_cannot_lock(fd, s->run_fd, s->run, e) : fd;
}

int store_lock(struct store *s, struct err *e)
{
    return lock_store(s, LOCK_EX, e);
}

int store_lock_if_free(struct store *s, struct err *e)
{
    return lock_store(s, LOCK_EX | LOCK_NB, e);
}

static int directory_at(int at, const char *name)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? -errno : fd;
}

int store_live_dir(struct store *s, const char *name)
{
    return directory_at(s->live_fd, name);
}

int store_defined_dir(struct store *s, const char *name)
{
    return directory_at(s->defined_fd, name);
}

/* A killed monitor, or the child that it was preparing, holds the lock until the kernel is done with
 * it; who comes in that moment waits for it rather than taking a corpse for a living container. */
static bool holder_is_dying(int live_dir)
{
    _cleanup_json_ json_t *j = NULL;
    if (container_read_state(live_dir, &j, NULL) < 0)
        return false;
    return proc_is_dying((pid_t)json_int(j, "monitor", 0),
                         (uint64_t)json_int(j, "monitor_start", 0));
}

/* 1, 0 or -errno. */
static int has_open(pid_t pid, int dir)
{
    struct stat own, st;
    _cleanup_free_ char *path = xasprintf("/proc/%d/fd", pid);
    _cleanup_dir_ DIR *d = opendir(path);
    if (!d)
        return errno == ENOENT || errno == ESRCH ? 0 : -errno;
    if (fstat(dir, &own) < 0)
        return -errno;
    int r = 0;
    for (struct dirent *entry; (entry = next_entry(d, &r));)
        if (fstatat(dirfd(d), entry->d_name, &st, 0) < 0) {
            if (errno != ENOENT) /* closed meanwhile */
                return -errno;
        } else if (st.st_dev == own.st_dev && st.st_ino == own.st_ino) {
            return 1;
        }
    return r == -ENOENT || r == -ESRCH ? 0 : r;
}

/* A lock that somebody has removed, or put something else in the place of, tells nothing: then the
 * monitor that the state names decides, if it has the run directory open, as a monitor has. 1, 0 or
 * -errno. */
static int monitor_lives(int live_dir)
{
    _cleanup_json_ json_t *j = NULL;
    _cleanup_free_ char *boot = NULL;
    int r = container_read_state(live_dir, &j, NULL);
    if (r < 0)
        return r == -ENOENT || r == -EBADMSG ? 0 : r;
    if ((r = boot_id(&boot, NULL)) < 0)
        return r;
    pid_t pid = (pid_t)json_int(j, "monitor", 0);
    uint64_t start = (uint64_t)json_int(j, "monitor_start", 0);
    if (!streq(json_str(j, "boot"), boot) || pid <= 0 || pid == getpid() || !start ||
        proc_is_dying(pid, start))
        return 0;
    return has_open(pid, live_dir);
}

static int make_lock_anew(int live_dir)
{
    int r = remove_tree_at(live_dir, "lock");
    return r < 0 ? r : lock_file_at(live_dir, "lock", LOCK_EX | LOCK_NB);
}

/* Something else is in its place, or nothing. */
static bool is_no_file(int code)
{
    return code == -ENOENT || code == -EISDIR || code == -ELOOP || code == -ENXIO ||
           code == -ENODEV;
}

int store_try_lock(int live_dir)
{
    _cleanup_close_ int fd = openat(live_dir, "lock", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    int r = fd < 0 ? -errno : 0;
    struct stat st = {0};
    if (r < 0 && !is_no_file(r))
        return r;
    int known = r == -ENOENT ? file_exists_at(live_dir, "state.json") : 1;
    if (known <= 0)
        return known < 0 ? known : -ENOENT;
    if (r == 0 && fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode)) {
        r = monitor_lives(live_dir);
        return r < 0 ? r : r ? -EWOULDBLOCK : make_lock_anew(live_dir);
    }
    r = lock_wait(fd, LOCK_EX, 0);
    if (r == -EWOULDBLOCK && holder_is_dying(live_dir))
        r = lock_wait(fd, LOCK_EX, 5000);
    if (r == 0 && (r = monitor_lives(live_dir)) > 0)
        r = -EWOULDBLOCK;
    return r < 0 ? r : take_fd(fd);
}
