/* The namespaces of a process. clone3() makes the new ones. The user namespace comes first, because it owns those that
 * are made later, and because its capabilities are needed to join others of its own. A process cannot move into a user or
 * pid namespace and remain the parent's child there, so a helper process moves and clones the child with CLONE_PARENT.
 * Where neither is joined, as in every `run`, there is no helper process.
 */
#include "namespaces.h"

#include <errno.h>
#include <linux/nsfs.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static const struct {
    int flag;
    const char *name, *path;
} kinds[PLAN_NS_KINDS] = {
    [PLAN_USER] = {CLONE_NEWUSER, "user", "/proc/self/ns/user"},
    [PLAN_PID] = {CLONE_NEWPID, "pid", "/proc/self/ns/pid"},
    [PLAN_NET] = {CLONE_NEWNET, "network", "/proc/self/ns/net"},
    [PLAN_UTS] = {CLONE_NEWUTS, "UTS", "/proc/self/ns/uts"},
    [PLAN_IPC] = {CLONE_NEWIPC, "IPC", "/proc/self/ns/ipc"},
    [PLAN_CGROUP] = {CLONE_NEWCGROUP, "cgroup", "/proc/self/ns/cgroup"},
};

/* setns() into the own user namespace is EINVAL. */
static bool is_own(const struct plan *p, enum plan_ns_kind kind)
{
    struct stat own, other;
    return stat(kinds[kind].path, &own) == 0 && fstat(p->namespaces[kind].fd, &other) == 0 &&
           own.st_dev == other.st_dev && own.st_ino == other.st_ino;
}

static bool joins(const struct plan *p, enum plan_ns_kind kind)
{
    return p->namespaces[kind].how == NS_JOIN && !is_own(p, kind);
}

/* ---- checks ----------------------------------------------------------------------------------*/

static int check_fd(const struct plan *p, enum plan_ns_kind kind, struct err *e)
{
    int type = ioctl(p->namespaces[kind].fd, NS_GET_NSTYPE);
    if (type == kinds[kind].flag)
        return 0;
    return err_say(e, -EINVAL, "fd %d is not a %s namespace", p->namespaces[kind].fd,
                   kinds[kind].name);
}

int namespaces_check(struct plan *p, struct err *e)
{
    struct plan_namespace *ns = p->namespaces;
    int r = 0;
    for (enum plan_ns_kind k = 0; r == 0 && k < PLAN_NS_KINDS; k++)
        if (ns[k].how == NS_LATER && k != PLAN_NET)
            return err_say(e, -EINVAL, "a %s namespace cannot be handed over later", kinds[k].name);
        else if (ns[k].how == NS_JOIN)
            r = check_fd(p, k, e);
    if (r < 0)
        return r;
    if (ns[PLAN_USER].how == NS_NEW)
        return err_say(e, -EINVAL, "a new user namespace has no map of ids: join one that has");
    if (p->hostname && ns[PLAN_UTS].how == NS_INHERIT)
        return err_say(e, -EINVAL,
                       "the UTS namespace is the host's, whose hostname must not change");
    if (ns[PLAN_USER].how == NS_JOIN && is_own(p, PLAN_USER))
        ns[PLAN_USER].how = NS_INHERIT;
    return 0;
}

/* ---- the clone -------------------------------------------------------------------------------*/

/* The cgroup namespace is made later: its root is the cgroup in which it is made. */
static uint64_t flags_of_new(const struct plan *p)
{
    uint64_t flags = CLONE_NEWNS;
    for (enum plan_ns_kind k = PLAN_PID; k < PLAN_CGROUP; k++)
        if (p->namespaces[k].how == NS_NEW)
            flags |= (uint64_t)kinds[k].flag;
    return flags;
}

static pid_t clone_process(uint64_t flags, int exit_signal, int cgroup, int *pidfd)
{
    struct clone_args args = {
        .flags = flags,
        .pidfd = (uintptr_t)pidfd,
        .exit_signal = (uint64_t)exit_signal,
    };
    if (pidfd)
        args.flags |= CLONE_PIDFD;
    if (cgroup >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)cgroup;
    }
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    return pid < 0 ? -errno : pid;
}

enum step { STEP_CLONE, STEP_USER, STEP_ROOT, STEP_PID };
struct answer {
    enum step step;
    int code;
    pid_t pid;
    int pidfd; /* of the table of fds that the helper process shares with its parent */
};

static int enter(const struct plan *p, struct answer *a)
{
    a->step = STEP_USER;
    if (joins(p, PLAN_USER)) {
        if (setns(p->namespaces[PLAN_USER].fd, CLONE_NEWUSER) < 0)
            return -errno;
        /* Its root. Our own user may have no id there. */
        a->step = STEP_ROOT;
        if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
            return -errno;
    }
    a->step = STEP_PID;
    if (joins(p, PLAN_PID) && setns(p->namespaces[PLAN_PID].fd, CLONE_NEWPID) < 0)
        return -errno;
    a->step = STEP_CLONE;
    return 0;
}

/* Returns in the child only. */
static pid_t helper_process(const struct plan *p, int answers)
{
    struct answer a = {.pidfd = -1};
    a.code = enter(p, &a);
    if (a.code == 0)
        a.pid = clone_process(flags_of_new(p) | CLONE_PARENT, 0, -1, &a.pidfd);
    if (a.code == 0 && a.pid == 0)
        return 0;
    if (a.pid < 0)
        a.code = a.pid;
    _exit(write_all(answers, (const char *)&a, sizeof(a)) < 0);
}

static int explain(const struct answer *a, struct err *e)
{
    switch (a->step) {
    case STEP_USER: return err_set(e, a->code, "join the user namespace");
    case STEP_ROOT: return err_set(e, a->code, "become root of the user namespace");
    case STEP_PID: return err_set(e, a->code, "join the pid namespace");
    default: return err_set(e, a->code, "clone the container's process");
    }
}

/* The helper process is born in the cgroup, so its child is; and shares our fds, so that we get the child's pidfd. */
static pid_t clone_within(const struct plan *p, int cgroup, int *pidfd, struct err *e)
{
    int ends[2];
    struct answer a = {.code = -EPIPE};
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set(e, errno, "open a pipe");
    pid_t helper = clone_process(CLONE_FILES, SIGCHLD, cgroup, NULL);
    if (helper == 0)
        return helper_process(p, ends[1]);
    if (helper > 0) {
        /* Its end first: we share its end of the pipe, which is never closed by itself. */
        while (waitpid(helper, NULL, 0) < 0 && errno == EINTR)
            continue;
        close(ends[1]);
        if (read(ends[0], &a, sizeof(a)) != sizeof(a))
            a = (struct answer){.code = -EPIPE};
    } else {
        a.code = helper;
        close(ends[1]);
    }
    close(ends[0]);
    if (a.code < 0)
        return explain(&a, e);
    *pidfd = a.pidfd;
    return a.pid;
}

pid_t namespaces_clone(const struct plan *p, int cgroup, int *pidfd, struct err *e)
{
    if (joins(p, PLAN_USER) || joins(p, PLAN_PID))
        return clone_within(p, cgroup, pidfd, e);
    pid_t pid = clone_process(flags_of_new(p), SIGCHLD, cgroup, pidfd);
    return pid < 0 ? err_set(e, pid, "clone the container's process") : pid;
}

/* ---- the child -------------------------------------------------------------------------------*/

int namespaces_join(const struct plan *p, struct err *e)
{
    for (enum plan_ns_kind k = PLAN_NET; k < PLAN_NS_KINDS; k++)
        if (p->namespaces[k].how == NS_JOIN && setns(p->namespaces[k].fd, kinds[k].flag) < 0)
            return err_set(e, errno, "join the %s namespace", kinds[k].name);
    if (p->namespaces[PLAN_CGROUP].how == NS_NEW && unshare(CLONE_NEWCGROUP) < 0)
        return err_set(e, errno, "make a cgroup namespace");
    return 0;
}

int namespaces_apart(const struct plan *p)
{
    int flags = CLONE_NEWNS;
    for (enum plan_ns_kind k = 0; k < PLAN_NS_KINDS; k++)
        if (p->namespaces[k].how != NS_INHERIT && (k != PLAN_USER || joins(p, k)))
            flags |= kinds[k].flag;
    return flags;
}
