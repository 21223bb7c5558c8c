/* `netctr reset`: removes everything of an instance from the host, by name, whether its records are complete or lost.
 *
 * The order: nothing is touched before both directories were judged; then starts are locked out; monitors end before
 * their programs, which they would restart; forwarding is switched off before the tables go; the directories are last,
 * because they name the instance and mark what is left. Each step accepts "already gone", so that a reset after a
 * kill -9 completes the first.
 */
#include "helpers.h"
#include "internal.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <time.h>

enum { END_MS = 10000 };

struct reset {
    struct state_dir root, run;         /* as given */
    struct state_dir old_root, old_run; /* of a killed reset */
    struct engine engine;
    int starts, lock; /* locks */
    const struct gc *gc;
};

static void reset_clear(struct reset *r)
{
    state_dir_close(&r->root);
    state_dir_close(&r->run);
    state_dir_close(&r->old_root);
    state_dir_close(&r->old_run);
    close_fd(r->starts);
    close_fd(r->lock);
    engine_close(&r->engine);
}

/* ---- monitors --------------------------------------------------------------------------------*/

/* The container whose lock process @pid holds open: a monitor, with or without its run directory, which "(deleted)" tells.
 * @lock: that file. NULL: none. The caller frees. */
static char *lock_of(const char *pid, const char *run, struct stat *lock)
{
    _cleanup_free_ char *path = xasprintf("/proc/%s/fd", pid),
                        *begin = xasprintf("%s/containers/", run);
    _cleanup_dir_ DIR *d = opendir(path);
    for (struct dirent *entry; d && (entry = readdir(d));) {
        char target[PATH_MAX];
        ssize_t n = readlinkat(dirfd(d), entry->d_name, target, sizeof(target) - 1);
        target[n < 0 ? 0 : n] = '\0';
        const char *name = skip_prefix(target, begin);
        const char *slash = name ? strchr(name, '/') : NULL;
        if (slash && (streq(slash, "/lock") || streq(slash, "/lock (deleted)")) &&
            fstatat(dirfd(d), entry->d_name, lock, 0) == 0)
            return xstrndup(name, (size_t)(slash - name));
    }
    return NULL;
}

static bool is_netctr(const char *pid)
{
    _cleanup_free_ char *path = xasprintf("/proc/%s/comm", pid), *name = NULL;
    return read_file_at(AT_FDCWD, path, 64, &name, NULL) == 0 && streq(name, "netctr\n");
}

/* 1, 0, or -errno: it has ended, or is hidden. A monitor enters its container's namespace for a moment, so one look in
 * another namespace proves nothing. */
static int in_namespace(const char *pid, uint64_t netns)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    _cleanup_free_ char *path = xasprintf("/proc/%s/ns/net", pid);
    for (int tries = 0; tries < 100; tries++) {
        struct stat st;
        if (stat(path, &st) < 0)
            return -errno;
        if (st.st_ino == netns)
            return 1;
        nanosleep(&moment, NULL);
    }
    return 0;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* A process in a container of its own may see another file by the same path. */
static bool has_our_root(const char *pid)
{
    struct stat own, theirs;
    _cleanup_free_ char *path = xasprintf("/proc/%s/root", pid);
    return stat("/", &own) == 0 && stat(path, &theirs) == 0 && is_same_file(&own, &theirs);
}

/* The lock that it holds shows a monitor of an instance that RUN names. If that is lost, the namespace decides. */
static bool is_own_monitor(struct reset *r, const char *pid, const char *name,
                           const struct stat *lock)
{
    struct store *s = &r->engine.store;
    struct stat there;
    _cleanup_free_ char *path = xasprintf("%s/lock", name);
    if (!s->fresh && s->live_fd >= 0 && fstatat(s->live_fd, path, &there, 0) == 0 &&
        is_same_file(lock, &there))
        return true;
    return has_our_root(pid) && in_namespace(pid, s->netns) == 1;
}

static int end_process(int pidfd, const char *name, struct err *e)
{
    (void)pidfd_signal(pidfd, SIGKILL);
    return pidfd_wait(pidfd, END_MS) < 0
               ? err_say(e, -ETIMEDOUT, "the monitor of container `%s` does not end", name)
               : 0;
}

/* The pidfd is opened first, so that it names the process that was looked at, or a dead one. */
static int end_if_monitor(struct reset *r, const char *pid, pid_t number, struct err *e)
{
    struct stat lock;
    _cleanup_close_ int pidfd = pidfd_open(number, 0);
    _cleanup_free_ char *name =
        pidfd >= 0 && is_netctr(pid) ? lock_of(pid, r->engine.store.run, &lock) : NULL;
    if (!name || !is_own_monitor(r, pid, name, &lock))
        return 0;
    int code = r->gc->dry_run ? 0 : end_process(pidfd, name, e);
    if (code == 0)
        gc_tell(r->gc, GC_REMOVE, "process %s, a monitor of container %s", pid, name);
    return code;
}

static int end_monitors(struct reset *r, struct err *e)
{
    int first = 0, listed = 0;
    uint64_t pid;
    _cleanup_err_ struct err step = ERR_INIT;
    _cleanup_dir_ DIR *d = opendir("/proc");
    if (!d)
        return err_set(e, errno, "list the processes");
    for (struct dirent *entry; (entry = next_entry(d, &listed));)
        if (parse_u64(entry->d_name, 1, INT32_MAX, &pid) == 0 && (pid_t)pid != getpid())
            err_note(&first, end_if_monitor(r, entry->d_name, (pid_t)pid, &step), e, &step);
    return listed < 0 && first == 0 ? err_set(e, listed, "list the processes") : first;
}

/* -EBUSY: the lock in @dir is held by a process of another network namespace, or by one that cannot be seen. Between two
 * looks it may have been released. */
static int lives_elsewhere(const char *name, int dir, void *arg)
{
    (void)name;
    const struct timespec moment = {.tv_nsec = 1000000};
    struct reset *r = arg;
    _cleanup_close_ int lock = openat(dir, "lock", O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    for (int tries = 0; tries < 50; tries++) {
        if (lock < 0 || lock_wait(lock, LOCK_EX, 0) != -EWOULDBLOCK)
            return 0;
        pid_t holder = lock_holder(lock);
        _cleanup_free_ char *pid = xasprintf("%d", holder);
        if (holder > 0)
            return in_namespace(pid, r->engine.store.netns) == 0 ? -EBUSY : 0;
        nanosleep(&moment, NULL);
    }
    return -EBUSY;
}

static int check_owner(struct reset *r, struct err *e)
{
    struct store *s = &r->engine.store;
    int code = store_check_bound(s, e);
    /* Where RUN names this instance, no other has been able to start a container. */
    if (code == 0 && s->live_fd >= 0 && s->fresh)
        code = store_each_live(s, lives_elsewhere, r, NULL);
    if (code == -EBUSY && !e->code) {
        err_say(e, -EBUSY, "`%s` belongs to another network namespace: containers live there",
                s->run);
        err_hint(e, "use `netctr reset` in that namespace");
        return -EBUSY;
    }
    return code < 0 && !e->code ? err_set(e, code, "look at the containers in `%s`", s->run) : code;
}

/* ---- steps -----------------------------------------------------------------------------------*/

static strv container_names(const struct reset *r)
{
    const int tops[] = {r->engine.store.defined_fd, r->engine.store.live_fd};
    struct strings names = {0};
    for (size_t i = 0; i < ARRAY_LEN(tops); i++) {
        _cleanup_dir_ DIR *d = tops[i] < 0 ? NULL : open_listing(tops[i], ".");
        for (struct dirent *entry; d && (entry = readdir(d));)
            if (valid_name(entry->d_name) && !strv_has(names.items, entry->d_name))
                strings_add(&names, entry->d_name);
    }
    return strings_take(&names);
}

static int remove_pins(struct reset *r, struct state_dir *d, struct err *e)
{
    int first = 0;
    for (size_t i = strv_len(d->pins); i > 0; i--) {
        const char *at = d->pins[i - 1];
        if (!r->gc->dry_run && umount2(at, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL &&
            errno != ENOENT && first == 0)
            first = err_set(e, errno, "unmount `%s`", at);
        else
            gc_tell(r->gc, GC_REMOVE, "mount %s", at);
    }
    return first;
}

/* The network half, opened without creating what is missing. */
static int reset_network(struct reset *r, struct err *e)
{
    struct engine *engine = &r->engine;
    int code = net_look(engine->store.root_fd, engine->store.run_fd, engine->store.instance,
                        &engine->net, e);
    return code < 0 ? code : net_reset(engine->net, r->gc, e);
}

static int end_containers(struct reset *r, struct err *e)
{
    int first = 0;
    _cleanup_err_ struct err step = ERR_INIT;
    _cleanup_strv_ strv names = container_names(r);
    err_note(&first, end_monitors(r, &step), e, &step);
    err_note(&first, cgroups_sweep(r->engine.store.instance, NULL, r->gc, &step), e, &step);
    strv_each (name, first == 0 ? names : NULL)
        gc_tell(r->gc, GC_REMOVE, "container %s", name);
    return first;
}

static int reset_kernel(struct reset *r, struct err *e)
{
    int first = 0;
    _cleanup_err_ struct err step = ERR_INIT;
    err_note(&first, end_containers(r, &step), e, &step);
    err_note(&first, reset_network(r, &step), e, &step);
    err_note(&first, remove_pins(r, &r->run, &step), e, &step);
    err_note(&first, remove_pins(r, &r->old_run, &step), e, &step);
    return first;
}

static int remove_directory(struct reset *r, struct state_dir *d, struct err *e)
{
    if (d->fd < 0)
        return 0;
    int code = r->gc->dry_run ? 0 : state_dir_remove(d, e);
    if (code == 0)
        gc_tell(r->gc, GC_REMOVE, "directory %s", d->path);
    return code;
}

/* ROOT first: without it, a command that starts now is refused by the locks in RUN that this process holds. */
static int remove_directories(struct reset *r, struct err *e)
{
    struct state_dir *const all[] = {&r->old_root, &r->old_run, &r->root, &r->run};
    int first = 0, code = 0;
    _cleanup_err_ struct err step = ERR_INIT;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (i >= 2 && !r->gc->dry_run && (code = state_dir_put_aside(all[i], &step)) < 0) {
            err_note(&first, code, e, &step);
            continue;
        }
        err_note(&first, remove_directory(r, all[i], &step), e, &step);
    }
    return first;
}

/* ---- reset -----------------------------------------------------------------------------------*/

/* ROOT and RUN may be one directory, in which an older netctr has made its files. */
static void drop_double(struct reset *r)
{
    struct stat a, b;
    if (r->root.fd < 0 || r->run.fd < 0 || fstat(r->root.fd, &a) < 0 || fstat(r->run.fd, &b) < 0 ||
        a.st_dev != b.st_dev || a.st_ino != b.st_ino)
        return;
    r->root.fd = close_fd(r->root.fd);
    r->old_root.fd = close_fd(r->old_root.fd);
}

static int judge(const char *root, const char *run_root, struct reset *r, struct err *e)
{
    int code = state_dir_open(root, &r->root, e);
    if (code == 0)
        code = state_dir_open(run_root, &r->run, e);
    if (code == 0)
        code = state_dir_open_aside(&r->root, &r->old_root, e);
    if (code == 0)
        code = state_dir_open_aside(&r->run, &r->old_run, e);
    if (code == 0)
        code = store_look(&r->root, &r->run, &r->engine.store, e);
    if (code == 0)
        drop_double(r);
    return code == 0 ? check_owner(r, e) : code;
}

/* As for every command: the lock in RUN first, then that in ROOT. One that is no file cannot be taken by a start either. */
static int lock_out(struct reset *r, struct err *e)
{
    struct store *s = &r->engine.store;
    int code = s->run_fd < 0 ? 0 : (r->lock = helpers_store_lock(&r->engine, e));
    if (code == -EISDIR || code == -ELOOP || code == -ENXIO) {
        err_clear(e);
        code = 0;
    }
    const bool one = s->root_fd >= 0 && r->root.fd < 0; /* then both have this lock */
    return code < 0 ? code : one ? 0 : store_lock_starts(s, &r->starts, e);
}

int engine_reset(const char *root, const char *run_root, const struct gc *gc, struct err *e)
{
    __attribute__((cleanup(reset_clear))) struct reset r = {.root = STATE_DIR_INIT,
                                                            .run = STATE_DIR_INIT,
                                                            .old_root = STATE_DIR_INIT,
                                                            .old_run = STATE_DIR_INIT,
                                                            .engine = {.store = STORE_INIT},
                                                            .starts = -1,
                                                            .lock = -1,
                                                            .gc = gc};
    int code = judge(root, run_root, &r, e);
    if (code == 0 && !gc->dry_run)
        code = lock_out(&r, e);
    if (code == 0)
        code = reset_kernel(&r, e);
    return code == 0 ? remove_directories(&r, e) : code;
}
