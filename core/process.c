/* A process and its cgroup: the files that are made for it, and its end.
 *
 * The cgroup is named by the plan alone, so a command can end what a dead monitor left without having a process.
 */
#include "process.h"

#include "namespaces.h"
#include "viewers.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>

void process_clear(struct process *p)
{
    namespaces_abandon(p);
    viewers_free(take_ptr(p->viewers));
    int *const fds[] = {&p->pidfd,     &p->files_fd, &p->channel, &p->stdin_fd, &p->stdout_fd,
                        &p->stderr_fd, &p->peer,     &p->log_fd,  &p->signal_fd};
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        *fds[i] = close_fd(*fds[i]);
}

/* ---- files -----------------------------------------------------------------------------------*/

/* O_NONBLOCK: the program may hold a lease on the file, and open() would wait until it gives that up. */
static int open_file(const struct process *p, const char *file, int flags)
{
    int fd = openat(p->files_fd, file, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
    return fd < 0 ? -errno : fd;
}

int process_write_file(struct process *p, const char *file, const char *text, struct err *e)
{
    /* In place, because this inode is what is mounted in the container. Truncated last, so that no reader finds it
     * empty. */
    _cleanup_close_ int fd = open_file(p, file, O_WRONLY | O_CREAT);
    size_t size = strlen(text);
    int r = fd < 0 ? fd : write_all(fd, text, size);
    if (r == 0 && ftruncate(fd, (off_t)size) < 0)
        r = -errno;
    return r < 0 ? err_set(e, r, "write the container's `%s`", file) : 0;
}

int process_read_file(const struct process *p, const char *file, char **text, struct err *e)
{
    _cleanup_close_ int fd = open_file(p, file, O_RDONLY);
    _cleanup_free_ char *path = fd_path(fd);
    int r = fd < 0 ? fd : read_file_at(AT_FDCWD, path, 256 << 10, text, NULL);
    return r < 0 ? err_set(e, r, "read the container's `%s`", file) : 0;
}

/* ---- its cgroup ------------------------------------------------------------------------------*/

char *plan_cgroup(const struct plan *plan)
{
    return xasprintf("netctr/%s/%s", plan->instance, plan->id);
}

int plan_probe_cgroups(const struct plan *plan, struct cgroup_host *host, struct err *e)
{
    bool all = !plan->rootfs || (plan->caps & CAPS_BIT(CAP_SYS_ADMIN));
    int r = cgroup_probe(NULL, host, e);
    return r == 0 && all ? cgroup_add_others(host, false, e) : r;
}

static int probe_freezer(const struct plan *plan, struct cgroup_host *host, struct err *e)
{
    int r = plan_probe_cgroups(plan, host, e);
    cgroup_add_freezer(host);
    return r;
}

int plan_end_cgroup(const struct plan *plan, bool with_instance, struct err *e)
{
    _cleanup_cgroup_host_ struct cgroup_host host = {0};
    if (!plan->id)
        return 0;
    _cleanup_free_ char *path = plan_cgroup(plan);
    int r = probe_freezer(plan, &host, e); /* it may have been paused */
    if (r == 0)
        r = cgroup_end(&host, path, e);
    if (r < 0)
        return r;
    return with_instance ? cgroup_remove_instance(&host, plan->instance, e)
                         : cgroup_leave_others(&host, plan->instance, e);
}

/* Only what differs. */
static struct cgroup_limits difference(const struct limits *from, const struct limits *to)
{
    struct cgroup_limits d = {0};
    if (to->memory != from->memory)
        d.memory = to->memory ? (int64_t)to->memory : -1;
    if (to->cpu_milli != from->cpu_milli)
        d.cpu_quota_us = to->cpu_milli ? (int64_t)to->cpu_milli * 100 : -1;
    if (to->pids != from->pids)
        d.pids = to->pids ? (int64_t)to->pids : -1;
    return d;
}

int plan_change_limits(const struct plan *plan, const struct limits *to, struct err *e)
{
    const struct limits *from = &plan->limits;
    const struct cgroup_limits wanted = difference(from, to), before = difference(to, from);
    _cleanup_cgroup_host_ struct cgroup_host host = {0};
    _cleanup_free_ char *path = plan_cgroup(plan);
    int r = cgroup_probe(NULL, &host, e);
    if (r == 0)
        r = cgroup_check_limits(&host, &wanted, e);
    if (r == 0 && wanted.memory > 0)
        r = cgroup_make_room(&host, path, wanted.memory, e);
    if (r < 0)
        return r;
    r = cgroup_update(&host, path, &wanted, e);
    if (r < 0)
        (void)cgroup_update(&host, path, &before, NULL);
    return r;
}

uint64_t plan_oom_kills(const struct plan *plan)
{
    uint64_t kills = 0;
    _cleanup_cgroup_host_ struct cgroup_host host = {0};
    if (!plan->id)
        return 0;
    _cleanup_free_ char *path = plan_cgroup(plan);
    if (cgroup_probe(NULL, &host, NULL) == 0)
        (void)cgroup_oom_kills(&host, path, &kills, NULL);
    return kills;
}

void plan_let_die(const struct plan *plan)
{
    _cleanup_cgroup_host_ struct cgroup_host host = {0};
    _cleanup_free_ char *path = plan_cgroup(plan);
    bool hindered = (plan->caps & CAPS_BIT(CAP_SYS_ADMIN)) || plan->limits.cpu_milli;
    if (hindered && plan_probe_cgroups(plan, &host, NULL) == 0)
        cgroup_let_die(&host, path);
}

int plan_freeze(const struct plan *plan, struct err *e)
{
    _cleanup_cgroup_host_ struct cgroup_host host = {0};
    _cleanup_free_ char *path = plan_cgroup(plan);
    int r = probe_freezer(plan, &host, e);
    return r == 0 ? cgroup_freeze(&host, path, e) : r;
}

int plan_thaw(const struct plan *plan, struct err *e)
{
    _cleanup_cgroup_host_ struct cgroup_host host = {0};
    _cleanup_free_ char *path = plan_cgroup(plan);
    int r = probe_freezer(plan, &host, e);
    return r == 0 ? cgroup_thaw(&host, path, e) : r;
}

bool plan_is_frozen(const struct plan *plan)
{
    _cleanup_free_ char *path = plan_cgroup(plan);
    return cgroup_is_frozen(path);
}

int cgroups_sweep(const char *instance, char *const *keep, const struct gc *gc, struct err *e)
{
    _cleanup_cgroup_host_ struct cgroup_host host = {0};
    _cleanup_strv_ strv found = NULL;
    int r = cgroup_probe(NULL, &host, e);
    if (r == 0)
        r = cgroup_add_others(&host, false, e);
    if (r == 0)
        r = cgroup_list(&host, instance, &found, e);
    if (r < 0)
        return r;
    int first = 0;
    _cleanup_err_ struct err step = ERR_INIT;
    strv_each (id, found) {
        _cleanup_free_ char *path = xasprintf("netctr/%s/%s", instance, id);
        if (strv_has((strv)keep, id))
            continue;
        r = gc->dry_run ? 0 : cgroup_end(&host, path, &step);
        if (r == 0)
            gc_tell(gc, GC_REMOVE, "cgroup %s", path);
        err_note(&first, r, e, &step);
    }
    if (first == 0 && !gc->dry_run)
        first = cgroup_remove_instance(&host, instance, e);
    return first;
}

int cgroups_survey(enum cgroup_kind *kind, unsigned *controllers, struct err *e)
{
    _cleanup_cgroup_host_ struct cgroup_host host = {0};
    int r = cgroup_probe(NULL, &host, e);
    if (r < 0)
        return r;
    *kind = host.kind;
    if (controllers)
        *controllers = 0;
    for (size_t i = 0; controllers && i < host.count; i++)
        *controllers |= host.hierarchies[i].controllers;
    return 0;
}

/* ---- its end ---------------------------------------------------------------------------------*/

void process_kill(struct process *p)
{
    _cleanup_cgroup_host_ struct cgroup_host host = {0};
    _cleanup_free_ char *path = plan_cgroup(&p->plan);
    bool known = p->plan.id && plan_probe_cgroups(&p->plan, &host, NULL) == 0;
    namespaces_abandon(p);
    bool signalled = p->pidfd >= 0 && pidfd_signal(p->pidfd, SIGKILL) == 0;
    if (known)
        cgroup_let_die(&host, path);
    if (signalled)
        (void)pidfd_wait(p->pidfd, 10000);
    if (known)
        (void)cgroup_kill(&host, path, NULL);
}

int process_reset(struct process *p, struct err *e)
{
    namespaces_abandon(p);
    int r = plan_end_cgroup(&p->plan, false, e);
    if (p->pid > 0) /* after a failed start it is not reaped yet */
        (void)waitpid(p->pid, NULL, WNOHANG);
    p->pid = 0;
    p->sigkilled = false;
    int *const fds[] = {&p->channel, &p->stdin_fd, &p->stdout_fd, &p->stderr_fd,
                        &p->peer,    &p->pidfd,    &p->files_fd};
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        *fds[i] = close_fd(*fds[i]);
    return r;
}
