/* The end of a cgroup: its processes, the cgroups below it, itself.
 *
 * Usually all processes are dead by then and nothing is below. So rmdir() comes first, which refuses (EBUSY)
 * otherwise; and a directory without subdirectories, which its link count tells, is not listed.
 */
#include "core/cgroup_internal.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <time.h>

enum {
    PASSES_BEFORE_NO_FORK = 10,
    REMOVE_TRIES = 200, /* of 5 ms */
    PAUSE_US = 5000,
    PATIENCE_MS = 10000, /* walking a tree of very many cgroups takes its time */
};

static void pause_us(long us)
{
    struct timespec t = {.tv_nsec = us * 1000};
    (void)nanosleep(&t, NULL);
}

/* An open cgroup, and all below it. */
static int walk_with(int dir, cgroup_visit_fn *visit, void *arg)
{
    int first = visit(dir, ".", arg);
    int r = cgroup_walk(dir, visit, arg);
    return first < 0 ? first : r;
}

/* ---- killing -------------------------------------------------------------------------------*/

int cgroup_lists(int parent, const char *name, pid_t pid)
{
    _cleanup_free_ char *file = xasprintf("%s/cgroup.procs", name), *text = NULL;
    int r = read_file_at(parent, file, 16 << 20, &text, NULL);
    if (r < 0) /* ENODEV: removed since it was opened; EOPNOTSUPP: threaded, its domain has them */
        return r == -ENOENT || r == -ENODEV || r == -EOPNOTSUPP ? 0 : r;
    char *rest = text;
    uint64_t number;
    for (char *line; (line = strsep(&rest, "\n"));)
        if (parse_u64(line, 1, INT32_MAX, &number) == 0 && (pid_t)number == pid)
            return 1;
    return 0;
}

/* 1, 0, or -ENAMETOOLONG: beyond 4096 bytes older kernels show no path, newer ones its beginning. */
static int shows_path(pid_t pid, const char *path)
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
    bool found; /* there was a process */
};

/* Kills all processes in the cgroup.procs of one cgroup. @name is "." for the container's own. */
static int kill_in(int parent, const char *name, void *arg)
{
    struct kill_pass *pass = arg;
    _cleanup_free_ char *file = xasprintf("%s/cgroup.procs", name), *text = NULL;
    int r = read_file_at(parent, file, 16 << 20, &text, NULL);
    if (r < 0) /* as in cgroup_lists() */
        return r == -ENOENT || r == -ENODEV || r == -EOPNOTSUPP ? 0 : r;
    char *rest = text;
    for (char *pid; (pid = strsep(&rest, "\n"));) {
        uint64_t number;
        if (parse_u64(pid, 1, INT32_MAX, &number) < 0)
            continue;
        pass->found = true;
        _cleanup_close_ int fd = pidfd_open((pid_t)number, 0);
        /* Checked after the pidfd is open: so it names a process that was inside, or a dead one. */
        int inside = fd >= 0 ? shows_path((pid_t)number, pass->path) : 0;
        /* When the main thread has ended, /proc shows the root while other threads live. */
        if (fd >= 0 && (inside == -ENAMETOOLONG || inside == 0))
            inside = cgroup_lists(parent, name, (pid_t)number);
        if (inside < 0)
            return inside;
        if (inside)
            (void)pidfd_signal(fd, SIGKILL);
    }
    return 0;
}

/* A process that the container has frozen with v1 does not die before it is thawed (v2 lets it). And dying needs
 * processor time: hundreds of processes on a thousandth of a processor take minutes. Each level is frozen and
 * limited by itself. */
static int free_in(int parent, const char *name, void *arg)
{
    static const struct {
        const char *file, *value;
    } ways[] = {{"freezer.state", "THAWED"},
                {"cgroup.freeze", "0"},
                {"cpu.cfs_quota_us", "-1"},
                {"cpu.max", "max"}};
    (void)arg;
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        _cleanup_free_ char *file = xasprintf("%s/%s", name, ways[i].file);
        (void)write_existing_at(parent, file, ways[i].value);
    }
    return 0;
}

void cgroup_let_die(const struct cgroup_host *host, const char *path)
{
    for (size_t i = 0; i < host->count; i++) {
        const struct cgroup_hierarchy *h = &host->hierarchies[i];
        if (!h->v2 && !h->freezer && !(h->controllers & (1u << CGROUP_CPU)))
            continue;
        _cleanup_close_ int dir = cgroup_open_dir(&host->hierarchies[i], path, O_RDONLY);
        if (dir >= 0)
            (void)walk_with(dir, free_in, NULL);
    }
}

static int kill_once(const struct cgroup_hierarchy *h, struct kill_pass *pass)
{
    _cleanup_close_ int dir = cgroup_open_dir(h, pass->path, O_RDONLY);
    return dir >= 0 ? walk_with(dir, kill_in, pass) : dir == -ENOENT ? 0 : dir;
}

/* cgroup.kill includes the cgroups below, and blocks forks meanwhile. */
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
    for (size_t h = 0; h < host->count; h++)
        if (host->hierarchies[h].v2)
            (void)kill_v2(&host->hierarchies[h], path); /* the loop sees whether it was enough */
    const int64_t deadline = monotonic_ms() + PATIENCE_MS;
    for (int i = 0; monotonic_ms() < deadline; i++) {
        struct kill_pass pass = {.path = path};
        for (size_t h = 0; h < host->count; h++) {
            r = kill_once(&host->hierarchies[h], &pass);
            if (r < 0 && r != -ENOENT)
                return err_set(e, r, "kill the processes of cgroup `%s`", path);
        }
        if (!pass.found)
            return 0;
        cgroup_let_die(host, path);
        if (i == PASSES_BEFORE_NO_FORK)
            forbid_forks(host, path);
        pause_us(i < PASSES_BEFORE_NO_FORK ? PAUSE_US / 10 : PAUSE_US);
    }
    return err_set(e, ETIMEDOUT, "kill the processes of cgroup `%s`", path);
}

int cgroup_end_soon(const struct cgroup_host *host, const char *path, bool kills, int ms)
{
    const int64_t deadline = monotonic_ms() + ms;
    for (;;) {
        struct kill_pass pass = {.path = path};
        bool gone = true;
        if (kills)
            cgroup_let_die(host, path);
        for (size_t i = 0; i < host->count; i++) {
            _cleanup_free_ char *full = cgroup_join_path(&host->hierarchies[i], path);
            if (kills)
                (void)kill_once(&host->hierarchies[i], &pass);
            gone = (rmdir(full) == 0 || errno == ENOENT) && gone;
        }
        if (gone || monotonic_ms() >= deadline)
            return gone ? 0 : -EBUSY;
        pause_us(PAUSE_US);
    }
}

/* ---- removing ------------------------------------------------------------------------------*/

static int remove_one(int parent, const char *name, void *arg)
{
    (void)arg;
    return unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

/* *@tries counts over all hierarchies, so that the caller waits once, not once for each. */
static int remove_in(const struct cgroup_hierarchy *h, const char *path, int *tries)
{
    _cleanup_free_ char *full = cgroup_join_path(h, path);
    const int64_t deadline = monotonic_ms() + PATIENCE_MS;
    int r = -EBUSY;
    for (bool again = false;
         r == -EBUSY && (!again || (*tries < REMOVE_TRIES && monotonic_ms() < deadline));
         again = true) {
        if (again)
            pause_us((*tries)++ < 10 ? PAUSE_US / 10 : PAUSE_US);
        if (rmdir(full) == 0 || errno == ENOENT)
            return 0;
        r = -errno;
        if (r != -EBUSY && r != -ENOTEMPTY)
            return r;
        /* what is below, if anything; -EBUSY then means processes */
        _cleanup_close_ int dir = cgroup_open_dir(h, path, O_RDONLY);
        r = dir < 0 ? dir : cgroup_walk(dir, remove_one, NULL);
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

static int remove_instance(const struct cgroup_host *host, size_t first, const char *instance,
                           struct err *e)
{
    if (!valid_name(instance))
        return err_say(e, -EINVAL, "`%s` is not an instance", instance);
    for (size_t i = first; i < host->count; i++) {
        _cleanup_free_ char *own = xasprintf("%s/netctr/%s", host->hierarchies[i].mount, instance);
        _cleanup_free_ char *all = xasprintf("%s/netctr", host->hierarchies[i].mount);
        if (rmdir(own) == 0 || errno == ENOENT)
            (void)rmdir(all); /* other instances may be in it */
        else if (errno != EBUSY && errno != ENOTEMPTY)
            return err_set(e, errno, "remove cgroup `%s`", own);
    }
    return 0;
}

int cgroup_remove_instance(const struct cgroup_host *host, const char *instance, struct err *e)
{
    return remove_instance(host, 0, instance, e);
}

int cgroup_leave_others(const struct cgroup_host *host, const char *instance, struct err *e)
{
    return remove_instance(host, host->usual, instance, e);
}
