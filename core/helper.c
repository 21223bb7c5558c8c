/* Processes of netctr's own that serve all containers of an instance.
 *
 *     monitor ── fork ─► session, cgroup, the fds that it gets ── fork ─► execve netctr
 *
 * The one in the middle ends at once, so the helper becomes a child of init and outlives the monitor. It is
 * executed again because the monitor's memory holds what belongs to the container, such as its environment.
 */
#include "child.h"
#include "process.h"

#include <errno.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum {
    LOG_MAX = 65536,
    FIRST_FD = 3,
    CGROUP_TRIES = 100,
    FILES_MAX = 1 << 20, /* as many as the kernel permits by default */
};

#define CAME_FROM "NETCTR_CAME_FROM"

static char *cgroup_path(const char *instance, const char *name)
{
    return xasprintf("netctr/%s/%s", instance, name ? name : HELPERS);
}

/* ---- the way out of here ---------------------------------------------------------------------*/

/* An interrupted start may have left it in some hierarchies only. */
static int make_cgroup(const struct cgroup_host *host, const char *path, struct err *e)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < host->count; i++) {
        const struct cgroup_host one = {host->kind, 1, 1, {host->hierarchies[i]}};
        r = cgroup_create(&one, path, NULL, e);
        if (r == -EEXIST) {
            err_clear(e);
            r = 0;
        }
    }
    return r;
}

static int join_cgroup(const struct cgroup_host *host, const char *path, struct err *e)
{
    _cleanup_cgroup_entry_ struct cgroup_entry entry = CGROUP_ENTRY_INIT;
    int r = make_cgroup(host, path, e);
    if (r == 0)
        r = cgroup_open_entry(host, path, &entry, e);
    return r == 0 ? cgroup_join_self(&entry, e) : r;
}

/* Without cgroups there is none. The previous pair removes the cgroup when it leaves, perhaps just when it was
 * found here. */
static int enter_cgroup(const char *path, struct err *e)
{
    _cleanup_cgroup_host_ struct cgroup_host host = {0};
    int r = cgroup_probe(NULL, &host, e);
    if (r < 0 || host.kind == CGROUP_NONE)
        return r;
    for (int tries = 1; (r = join_cgroup(&host, path, e)) < 0 && tries < CGROUP_TRIES; tries++) {
        if (r != -ENOENT && r != -ENODEV)
            break;
        err_clear(e);
    }
    return r;
}

/* Its output is bounded: a write beyond the soft limit fails with EFBIG instead of SIGXFSZ. The hard limit stays,
 * for the files that it writes for containers (engine/chores.c). It needs one descriptor for each container. */
static void settle_limits(void)
{
    const struct rlimit many = {FILES_MAX, FILES_MAX};
    struct rlimit files, size;
    (void)signal(SIGXFSZ, SIG_IGN);
    if (getrlimit(RLIMIT_FSIZE, &size) == 0) {
        size.rlim_cur = size.rlim_max < LOG_MAX ? size.rlim_max : LOG_MAX;
        (void)setrlimit(RLIMIT_FSIZE, &size);
    }
    /* The caller's limit may be low. Not every machine permits raising it. */
    if (setrlimit(RLIMIT_NOFILE, &many) < 0 && getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
}

/* A source number may be another one's target, so all are moved out of the way first. */
static int place_fds(const struct helper_request *h, struct err *e)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    const int above = FIRST_FD + HELPER_FDS;
    int log = fcntl(h->log, F_DUPFD_CLOEXEC, above), moved[HELPER_FDS];
    for (int i = 0; i < HELPER_FDS; i++)
        moved[i] = h->fds[i] < 0 ? -1 : fcntl(h->fds[i], F_DUPFD_CLOEXEC, above);
    if (null < 0 || dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
        return err_set(e, errno, "set up the standard streams");
    for (int i = 0; i < HELPER_FDS; i++) {
        (void)close(FIRST_FD + i);
        if (h->fds[i] >= 0 && dup2(moved[i], FIRST_FD + i) < 0)
            return err_set(e, errno, "hand on a descriptor");
    }
    return close_range((unsigned)above, ~0U, 0) < 0 ? err_set(e, errno, "close what is open") : 0;
}

static int leave_all(const char *cgroup, const struct helper_request *h, struct err *e)
{
    int r = place_fds(h, e);
    if (r < 0)
        return r;
    (void)setsid();
    (void)chdir("/");
    umask(022);
    reset_signals();
    settle_limits();
    return enter_cgroup(cgroup, e);
}

/* The cgroup that a helper moves to when it leaves under v2: the process that started it was there, so it has no
 * cgroups with controllers below it. "0::/user.slice/…" */
static char *own_cgroup(void)
{
    _cleanup_free_ char *text = NULL;
    if (read_file_at(AT_FDCWD, "/proc/self/cgroup", 65536, &text, NULL) < 0)
        return NULL;
    char *own = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
    own = own ? strchr(own, '/') : NULL;
    return own ? xstrndup(own, strcspn(own, "\n")) : NULL;
}

static _Noreturn void middle(const char *cgroup, const struct helper_request *h)
{
    _cleanup_free_ char *own = own_cgroup();
    char *before = xasprintf(CAME_FROM "=%s", own ? own : "/");
    char *const env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", before, NULL};
    struct err e = ERR_INIT;
    pid_t pid = leave_all(cgroup, h, &e) < 0 ? -1 : fork();
    if (pid == 0) {
        execve("/proc/self/exe", h->argv, env);
        err_set(&e, errno, "execute netctr");
    }
    if (pid <= 0)
        dprintf(2, "netctr: %s\n", e.text ? e.text : "cannot fork");
    _exit(pid <= 0);
}

int helper_start(const char *instance, const struct helper_request *h, struct err *e)
{
    _cleanup_free_ char *cgroup = cgroup_path(instance, h->cgroup);
    int status = 0;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        middle(cgroup, h);
    if (pid < 0)
        return err_set(e, errno, "fork the helper");
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return status ? err_say(e, -ECHILD, "the helper cannot be started") : 0;
}

/* ---- the end ---------------------------------------------------------------------------------*/

void helpers_thaw(const char *instance)
{
    _cleanup_cgroup_host_ struct cgroup_host host = {0};
    _cleanup_free_ char *path = cgroup_path(instance, HELPERS);
    if (cgroup_probe(NULL, &host, NULL) == 0)
        cgroup_let_die(&host, path);
}

int helpers_end(const char *instance, int ms)
{
    return helper_cgroup_end(instance, HELPERS, ms);
}

int helper_cgroup_end(const char *instance, const char *cgroup, int ms)
{
    _cleanup_cgroup_host_ struct cgroup_host host = {0};
    _cleanup_free_ char *path = cgroup_path(instance, cgroup);
    int r = cgroup_probe(NULL, &host, NULL);
    if (r == 0)
        r = cgroup_end_soon(&host, path, true, ms);
    if (r == 0)
        r = cgroup_remove_instance(&host, instance, NULL);
    return r;
}

/* Under v2 only a cgroup that passes on no controller can have processes. */
static void leave_cgroup(const struct cgroup_hierarchy *h)
{
    const char *before = getenv(CAME_FROM);
    _cleanup_free_ char *there = xasprintf("%s%s/cgroup.procs", h->mount, before ? before : "");
    _cleanup_free_ char *top = xasprintf("%s/cgroup.procs", h->mount);
    if (!h->v2 || write_existing_at(AT_FDCWD, there, "0") < 0)
        (void)write_existing_at(AT_FDCWD, top, "0");
}

/* A cgroup can be removed when it is empty: the last helper leaves it first. */
void helpers_leave(const char *instance, int ms)
{
    _cleanup_cgroup_host_ struct cgroup_host host = {0};
    _cleanup_free_ char *path = cgroup_path(instance, HELPERS);
    if (cgroup_probe(NULL, &host, NULL) < 0)
        return;
    for (size_t i = 0; i < host.count; i++)
        leave_cgroup(&host.hierarchies[i]);
    (void)cgroup_end_soon(&host, path, false, ms);
    (void)cgroup_remove_instance(&host, instance, NULL);
}
