/* Two kinds of locks: the instance lock protects the set of names; the lock in a run directory is held by the
 * container's monitor, so a process that can take it knows that the monitor is dead.
 */
#include "files.h"

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
    if (fd == -ENOENT) { /* -ENOENT would mean that there is no such container */
        err_say(e, -ESTALE, "the run directory `%s` has been removed meanwhile", s->run);
        err_hint(e, "the next command makes it again, and ends what ran without it");
        return -ESTALE;
    }
    if (fd < 0)
        return store_cannot_lock(fd, s->run_fd, s->run, e);
    store_settle_rename(s);
    return fd;
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

/* 1, 0 or -errno. By its state, which carries a checksum, a boot id and the start time of the process. */
static int monitor_lives(int live_dir)
{
    _cleanup_json_ json_t *j = NULL;
    _cleanup_free_ char *boot = NULL;
    int r = container_read_state(live_dir, NULL, &j, NULL);
    if (r < 0)
        return r == -ENOENT || r == -EBADMSG ? 0 : r;
    if ((r = boot_id(&boot, NULL)) < 0)
        return r;
    return streq(json_str(j, "boot"), boot) &&
           !proc_is_dying((pid_t)json_int(j, "monitor", 0),
                          (uint64_t)json_int(j, "monitor_start", 0));
}

/* The kernel keeps the lock of a killed monitor, or of the child that it was preparing, until it is done with the
 * process. Waiting for that avoids taking a corpse for a living container. */
static bool holder_is_dying(int live_dir, const json_t *state)
{
    _cleanup_json_ json_t *read = NULL;
    if (!state && container_read_state(live_dir, NULL, &read, NULL) < 0)
        return false;
    const json_t *j = state ? state : read;
    return proc_is_dying((pid_t)json_int(j, "monitor", 0),
                         (uint64_t)json_int(j, "monitor_start", 0));
}

/* Something else is in its place, or nothing. */
static bool is_no_file(int code)
{
    return code == -ENOENT || code == -EISDIR || code == -ELOOP || code == -ENXIO ||
           code == -ENODEV;
}

/* A claim makes the lock before the state, and a removal may delete it first: without a lock nothing lives there. If
 * the lock of a running container was deleted, its monitor is in the state. */
static int without_lock(int live_dir)
{
    int lives = monitor_lives(live_dir);
    return lives < 0 ? lives : lives ? -EWOULDBLOCK : -ENOENT;
}

int store_try_lock(int live_dir)
{
    return try_lock_of(live_dir, NULL);
}

int try_lock_of(int live_dir, const json_t *state)
{
    struct stat st;
    _cleanup_close_ int fd = openat(live_dir, "lock", O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    int r = fd < 0 ? -errno : 0;
    if (r < 0)
        return is_no_file(r) ? without_lock(live_dir) : r;
    r = lock_wait(fd, LOCK_EX, 0);
    if (r == 0 && fstat(fd, &st) < 0)
        return -errno;
    if (r == 0 && !S_ISREG(st.st_mode))
        return without_lock(live_dir);
    if (r == -EWOULDBLOCK && holder_is_dying(live_dir, state))
        r = lock_wait(fd, LOCK_EX, 5000);
    return r < 0 ? r : take_fd(fd);
}
