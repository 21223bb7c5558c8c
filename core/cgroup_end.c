/* The end of a cgroup: its processes, the cgroups below it, itself.
 *
 * Nearly always everybody is dead by then, and nothing is below. So the first thing to try is rmdir(),
 * which refuses (EBUSY) when that is not so. And of a directory without subdirectories, which its link
 * count tells, nothing is listed.
 */
#include "core/cgroup_internal.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <time.h>

enum {
    DEPTH_MAX = 64,     /* levels that a container may have made below its own cgroup */
    KILL_PASSES = 2000, /* of 5 ms */
    PASSES_BEFORE_NO_FORK = 10,
    REMOVE_TRIES = 200, /* of 5 ms */
    PAUSE_US = 5000,
};

static void pause_us(long us)
{
    struct timespec t = {.tv_nsec = us * 1000};
    (void)nanosleep(&t, NULL);
}

/* ---- walking -------------------------------------------------------------------------------*/

/* Calls @visit for each cgroup below @dir, the deepest first, by name in its parent. @dir is closed.
 * The tree may be a container's work: the depth is bounded, and nothing is followed. */
typedef int visit_fn(int parent, const char *name, void *arg);

static int walk_below(int dir, int depth, visit_fn *visit, void *arg)
{
    _cleanup_dir_ DIR *d = fdopendir(dir);
    if (!d) {
        int r = -errno;
        close(dir);
        return r;
    }
    int r = 0;
    for (struct dirent *entry; r == 0 && (entry = next_entry(d, &r));) {
        if (entry->d_type != DT_DIR || streq(entry->d_name, ".") || streq(entry->d_name, ".."))
            continue;
        if (depth == DEPTH_MAX)
            return -ELOOP;
        int child =
            openat(dirfd(d), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (child < 0 && errno == ENOENT)
            continue;
        r = child < 0 ? -errno : walk_below(child, depth + 1, visit, arg);
        if (r == 0)
            r = visit(dirfd(d), entry->d_name, arg);
    }
    return r;
}

/* The same for an open cgroup, which stays open. Its links are its name, its "." and one ".." for each
 * cgroup in it: with two there is none. */
static int walk(int dir, visit_fn *visit, void *arg)
{
    struct stat st;
    if (fstat(dir, &st) == 0 && st.st_nlink == 2)
        return 0;
    int own = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return own < 0 ? -errno : walk_below(own, 0, visit, arg);
}

/* ---- killing -------------------------------------------------------------------------------*/

int cgroup_process_is_in(pid_t pid, const char *path)
{
    _cleanup_free_ char *file = xasprintf("/proc/%d/cgroup", pid);
    _cleanup_free_ char *text = NULL;
    int r = read_file_at(AT_FDCWD, file, 1 << 20, &text, NULL);
    if (r < 0)
        return r == -ENOENT || r == -ESRCH ? 0 : r;
    _cleanup_free_ char *needle = xasprintf("/%s", path);
    size_t length = strlen(needle);
    for (const char *at = text; (at = strstr(at, needle)); at += length)
        if (at[length] == '\n' || at[length] == '/' || at[length] == '\0')
            return 1;
    return 0;
}

struct kill_pass {
    const char *path;
    bool found; /* there was somebody */
};

/* One cgroup: everybody in its cgroup.procs. @name is "." for the container's own. */
static int kill_in(int parent, const char *name, void *arg)
{
    struct kill_pass *pass = arg;
    _cleanup_free_ char *file = xasprintf("%s/cgroup.procs", name), *text = NULL;
    int r = read_file_at(parent, file, 16 << 20, &text, NULL);
    if (r < 0) /* ENODEV: removed since it was opened; EOPNOTSUPP: threaded, its domain has them */
        return r == -ENOENT || r == -ENODEV || r == -EOPNOTSUPP ? 0 : r;
    char *rest = text;
    for (char *pid; (pid = strsep(&rest, "\n"));) {
        uint64_t number;
        if (parse_u64(pid, 1, INT32_MAX, &number) < 0)
            continue;
        pass->found = true;
        _cleanup_close_ int fd = pidfd_open((pid_t)number, 0);
        /* Looked up after the pidfd is open: it is of a process that was inside, or of one that is dead. */
        int inside = fd >= 0 ? cgroup_process_is_in((pid_t)number, pass->path) : 0;
        if (inside < 0)
            return inside;
        if (inside)
            (void)pidfd_signal(fd, SIGKILL);
    }
    return 0;
}

static int kill_once(const struct cgroup_hierarchy *h, struct kill_pass *pass)
{
    _cleanup_close_ int dir = cgroup_open_dir(h, pass->path, O_RDONLY);
    if (dir < 0)
        return dir == -ENOENT ? 0 : dir;
    int r = kill_in(dir, ".", pass);
    return r < 0 ? r : walk(dir, kill_in, pass);
}

/* cgroup.kill takes the cgroups below with it, and nothing can be forked meanwhile. */
static int kill_v2(const struct cgroup_hierarchy *h, const char *path)
{
    _cleanup_close_ int dir = cgroup_open_dir(h, path, O_PATH);
    return dir < 0 ? dir : write_existing_at(dir, "cgroup.kill", "1");
}

static void forbid_forks(const struct cgroup_host *host, const char *path)
{
    for (size_t i = 0; i < host->count; i++) {
        _cleanup_close_ int dir = cgroup_open_dir(&host->hierarchies[i], path, O_PATH);
        if (dir >= 0 && (host->hierarchies[i].controllers & (1u << CGROUP_PIDS)))
            (void)write_existing_at(dir, "pids.max", "0");
    }
}

int cgroup_kill(const struct cgroup_host *host, const char *path, struct err *e)
{
    int r = cgroup_check_path(path, e);
    if (r < 0)
        return r;
    if (host->kind == CGROUP_V2)
        (void)kill_v2(&host->hierarchies[0], path); /* the loop sees whether it was enough */
    for (int i = 0; i < KILL_PASSES; i++) {
        struct kill_pass pass = {.path = path};
        for (size_t h = 0; h < host->count; h++) {
            r = kill_once(&host->hierarchies[h], &pass);
            if (r < 0 && r != -ENOENT)
                return err_set(e, r, "kill the processes of cgroup `%s`", path);
        }
        if (!pass.found)
            return 0;
        if (i == PASSES_BEFORE_NO_FORK)
            forbid_forks(host, path);
        pause_us(i < PASSES_BEFORE_NO_FORK ? PAUSE_US / 10 : PAUSE_US);
    }
    return err_set(e, ETIMEDOUT, "kill the processes of cgroup `%s`", path);
}

/* ---- removing ------------------------------------------------------------------------------*/

static int remove_one(int parent, const char *name, void *arg)
{
    (void)arg;
    return unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

/* *@tries counts over all hierarchies, so that the caller waits once and not once for each. */
static int remove_in(const struct cgroup_hierarchy *h, const char *path, int *tries)
{
    _cleanup_free_ char *full = cgroup_join_path(h, path);
    int r = -EBUSY;
    for (bool again = false; r == -EBUSY && (!again || *tries < REMOVE_TRIES); again = true) {
        if (again)
            pause_us((*tries)++ < 10 ? PAUSE_US / 10 : PAUSE_US);
        if (rmdir(full) == 0 || errno == ENOENT)
            return 0;
        r = -errno;
        if (r != -EBUSY && r != -ENOTEMPTY)
            return r;
        /* what is below, if anything; -EBUSY then means processes */
        _cleanup_close_ int dir = cgroup_open_dir(h, path, O_RDONLY);
        r = dir < 0 ? dir : walk(dir, remove_one, NULL);
        r = r == 0 || r == -ENOENT ? -EBUSY : r;
    }
    return r;
}

int cgroup_remove(const struct cgroup_host *host, const char *path, struct err *e)
{
    int first = cgroup_check_path(path, e);
    if (first < 0)
        return first;
    int tries = 0;
    for (size_t i = 0; i < host->count; i++) { /* the others too when one fails */
        int r = remove_in(&host->hierarchies[i], path, &tries);
        if (r < 0 && first == 0)
            first = err_set(e, r, "remove cgroup `%s/%s`", host->hierarchies[i].mount, path);
    }
    return first;
}

int cgroup_end(const struct cgroup_host *host, const char *path, struct err *e)
{
    int r = cgroup_check_path(path, e);
    if (r < 0)
        return r;
    bool gone = true;
    for (size_t i = 0; i < host->count; i++) {
        _cleanup_free_ char *full = cgroup_join_path(&host->hierarchies[i], path);
        gone = (rmdir(full) == 0 || errno == ENOENT) && gone;
    }
    if (gone)
        return 0;
    r = cgroup_kill(host, path, e);
    return r < 0 ? r : cgroup_remove(host, path, e);
}

int cgroup_remove_instance(const struct cgroup_host *host, const char *instance, struct err *e)
{
    if (!valid_name(instance))
        return err_say(e, -EINVAL, "`%s` is not an instance", instance);
    for (size_t i = 0; i < host->count; i++) {
        _cleanup_free_ char *own = xasprintf("%s/netctr/%s", host->hierarchies[i].mount, instance);
        _cleanup_free_ char *all = xasprintf("%s/netctr", host->hierarchies[i].mount);
        if (rmdir(own) == 0 || errno == ENOENT)
            (void)rmdir(all); /* other instances may be in it */
        else if (errno != EBUSY && errno != ENOTEMPTY)
            return err_set(e, errno, "remove cgroup `%s`", own);
    }
    return 0;
}
