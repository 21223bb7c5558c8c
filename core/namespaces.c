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
#include <sys/mman.h>
#include <sys/prctl.h>
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

/* A program's files, and its root, need an owner. */
static int check_ids(struct plan *p, struct err *e)
{
    if (p->namespaces[PLAN_USER].how != NS_JOIN) {
        p->ids = (struct id_map){0};
        return 0;
    }
    int r = id_map_is_host(&p->ids) ? userns_read_map(p->namespaces[PLAN_USER].fd, &p->ids, e) : 0;
    if (r == 0 &&
        (id_map_root_uid(&p->ids) == ID_UNMAPPED || id_map_root_gid(&p->ids) == ID_UNMAPPED))
        return err_say(e, -EINVAL, "the user namespace has no id 0: no user of it is root");
    return r;
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
    return check_ids(p, e);
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

enum step { STEP_PREPARE, STEP_USER, STEP_ROOT, STEP_PID, STEP_CLONE };
/* Shared memory. The kernel writes the child's pid there before the child runs (CLONE_PARENT_SETTID), so it is known even
 * if the helper process is killed at that moment. */
struct birth {
    pid_t helper;
    enum step step;
    int code;
    pid_t pid;
};

static int enter(const struct plan *p, struct birth *b)
{
    b->step = STEP_USER;
    if (joins(p, PLAN_USER)) {
        if (setns(p->namespaces[PLAN_USER].fd, CLONE_NEWUSER) < 0)
            return -errno;
        /* Its root. Our own user may have no id there. */
        b->step = STEP_ROOT;
        if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
            return -errno;
    }
    b->step = STEP_PID;
    if (joins(p, PLAN_PID) && setns(p->namespaces[PLAN_PID].fd, CLONE_NEWPID) < 0)
        return -errno;
    b->step = STEP_CLONE;
    return 0;
}

/* Returns in the child only. */
static pid_t helper_process(const struct plan *p, const struct birth_options *options,
                            struct birth *b)
{
    struct err e = ERR_INIT;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (joins(p, PLAN_USER) && options->prepare && options->prepare(options->arg, &e) < 0) {
        (void)channel_send_error(options->channel, &e);
        _exit(EXIT_NETCTR);
    }
    b->code = enter(p, b);
    struct clone_args args = {
        .flags = flags_of_new(p) | CLONE_PARENT | CLONE_PARENT_SETTID,
        .parent_tid = (uintptr_t)&b->pid,
    };
    pid_t pid = b->code < 0 ? -1 : (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    if (pid == 0)
        return 0;
    if (b->code == 0 && pid < 0)
        b->code = -errno;
    _exit(b->code < 0);
}

static int explain(const struct birth *b, struct err *e)
{
    switch (b->step) {
    case STEP_USER: return err_set(e, b->code, "join the user namespace");
    case STEP_ROOT: return err_set(e, b->code, "become root of the user namespace");
    case STEP_PID: return err_set(e, b->code, "join the pid namespace");
    default: return err_set(e, b->code, "clone the container's process");
    }
}

/* The helper process is born in the cgroup, so its child is. */
static int clone_within(struct process *c, const struct birth_options *options, struct err *e)
{
    struct birth *b =
        mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (b == MAP_FAILED)
        return err_set(e, errno, "get shared memory");
    pid_t helper = clone_process(0, SIGCHLD, options->cgroup, NULL);
    if (helper == 0)
        return helper_process(&c->plan, options, b);
    if (helper < 0) {
        (void)munmap(b, sizeof(*b));
        return err_set(e, helper, "clone the container's process");
    }
    b->helper = helper;
    c->birth = b;
    return 1;
}

int namespaces_clone(struct process *c, const struct birth_options *options, struct err *e)
{
    const struct plan *p = &c->plan;
    if (joins(p, PLAN_USER) || joins(p, PLAN_PID))
        return clone_within(c, options, e);
    pid_t pid = clone_process(flags_of_new(p), SIGCHLD, options->cgroup, &c->pidfd);
    c->pid = pid < 0 ? 0 : pid;
    return pid < 0 ? err_set(e, pid, "clone the container's process") : pid > 0;
}

/* The child is a child of this process and not reaped yet, so its pid is still its own. */
int namespaces_meet(struct process *c, struct err *e)
{
    struct birth *b = take_ptr(c->birth);
    int r = 0;
    if (!b)
        return 0;
    while (waitpid(b->helper, NULL, 0) < 0 && errno == EINTR)
        continue;
    if (b->code < 0) {
        r = explain(b, e);
    } else if (b->pid > 0) {
        c->pid = b->pid;
        c->pidfd = (int)syscall(SYS_pidfd_open, b->pid, 0);
        if (c->pidfd < 0)
            r = err_set(e, errno, "watch the container's process");
    }
    (void)munmap(b, sizeof(*b));
    return r;
}

void namespaces_abandon(struct process *c)
{
    if (c->birth)
        (void)kill(c->birth->helper, SIGKILL);
    (void)namespaces_meet(c, NULL);
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
