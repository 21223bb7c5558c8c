/* The namespaces of a process. clone3() makes the new ones. The user namespace comes first, because it owns those that
 * are made later, and because its capabilities are needed to join others of its own. A process cannot move into a user or
 * pid namespace and remain the parent's child there, so a short-lived launcher moves and clones the child with
 * CLONE_PARENT. Where neither is joined, there is none.
 *
 * The launcher is a copy of the parent, as after fork(), so that the parent can go on: what needs privileges over the host
 * takes as long as the rest of the mounts. The child takes over the launcher's memory and open files, because a second copy
 * would cost as much as the first one. The launcher ends in the same breath.
 */
#include "namespaces.h"

#include <assert.h>
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

/* Of a plan that was checked: namespaces_check() has made an own user namespace NS_INHERIT. */
static bool joins(const struct plan *p, enum plan_ns_kind kind)
{
    return p->namespaces[kind].how == NS_JOIN && (kind == PLAN_USER || !is_own(p, kind));
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

static void into_cgroup(struct clone_args *args, int cgroup)
{
    if (cgroup < 0)
        return;
    args->flags |= CLONE_INTO_CGROUP;
    args->cgroup = (uint64_t)cgroup;
}

static pid_t clone_process(uint64_t flags, int cgroup, int *pidfd)
{
    struct clone_args args = {
        .flags = flags | CLONE_PIDFD,
        .pidfd = (uintptr_t)pidfd,
        .exit_signal = SIGCHLD,
    };
    into_cgroup(&args, cgroup);
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    return pid < 0 ? -errno : pid;
}

/* In memory that the launcher and the parent share. The kernel writes the child's pid there before the child runs
 * (CLONE_PARENT_SETTID), so it is known even if the launcher is killed at that moment. */
struct birth {
    pid_t launcher; /* for the parent */
    pid_t pid;
};

static int enter(const struct plan *p, struct err *e)
{
    if (joins(p, PLAN_USER)) {
        if (setns(p->namespaces[PLAN_USER].fd, CLONE_NEWUSER) < 0)
            return err_set(e, errno, "join the user namespace");
        /* Its root. Our own user may have no id there. */
        if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
            return err_set(e, errno, "become root of the user namespace");
    }
    if (joins(p, PLAN_PID) && setns(p->namespaces[PLAN_PID].fd, CLONE_NEWPID) < 0)
        return err_set(e, errno, "join the pid namespace");
    return 0;
}

/* clone3() for a child that takes over the caller's memory and stack: the caller ends, and touches neither before. Returns
 * in the child, and after a failure. */
#if defined(__x86_64__)
__asm__(".text\n.type hand_over, @function\nhand_over:\n"
        "\tmov $435, %eax\n"
        "\tsyscall\n"
        "\ttest %rax, %rax\n"
        "\tjg 1f\n"
        "\tret\n"
        "1:\txor %edi, %edi\n"
        "\tmov $231, %eax\n"
        "\tsyscall\n"
        "\tjmp 1b\n"
        ".size hand_over, .-hand_over\n.previous\n");
#elif defined(__aarch64__)
__asm__(".text\n.type hand_over, %function\nhand_over:\n"
        "\tmov x8, #435\n"
        "\tsvc #0\n"
        "\tcmp x0, #0\n"
        "\tb.gt 1f\n"
        "\tret\n"
        "1:\tmov x0, #0\n"
        "\tmov x8, #94\n"
        "\tsvc #0\n"
        "\tb 1b\n"
        ".size hand_over, .-hand_over\n.previous\n");
#else
#error "write hand_over() for this processor"
#endif
static_assert(SYS_clone3 == 435, "hand_over() counts on it");
#if defined(__x86_64__)
static_assert(SYS_exit_group == 231, "hand_over() counts on it");
#else
static_assert(SYS_exit_group == 94, "hand_over() counts on it");
#endif
extern long hand_over(const struct clone_args *args, size_t size);

/* Returns in the child only. */
static void launcher(const struct plan *p, const struct birth_options *options, struct birth *b,
                     struct err *e)
{
    struct clone_args args = {
        .flags = flags_of_new(p) | CLONE_VM | CLONE_FILES | CLONE_PARENT | CLONE_PARENT_SETTID,
        .parent_tid = (uintptr_t)&b->pid,
    };
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    int r = joins(p, PLAN_USER) ? options->prepare(options->arg, e) : 0;
    if (r == 0)
        r = enter(p, e);
    long pid = r < 0 ? r : hand_over(&args, sizeof(args));
    if (pid == 0)
        return;
    if (r == 0)
        err_set(e, (int)-pid, "clone the container's process");
    (void)channel_send_error(options->channel, e);
    _exit(EXIT_NETCTR);
}

/* The launcher is born in the cgroup, so its child is. */
static int clone_within(struct process *c, const struct birth_options *options, struct err *e)
{
    int pidfd = -1;
    struct birth *b =
        mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (b == MAP_FAILED)
        return err_set(e, errno, "clone the container's process");
    pid_t pid = clone_process(0, options->cgroup, &pidfd);
    if (pid == 0) {
        launcher(&c->plan, options, b, e);
        return 0;
    }
    close_fd(pidfd);
    if (pid < 0) {
        (void)munmap(b, sizeof(*b));
        return err_set(e, pid, "clone the container's process");
    }
    b->launcher = pid;
    c->birth = b;
    return 1;
}

/* The child is a child of this process and not reaped yet, so its pid is still its own. */
int namespaces_meet(struct process *c, struct err *e)
{
    struct birth *b = take_ptr(c->birth);
    if (!b)
        return 0;
    while (waitpid(b->launcher, NULL, 0) < 0 && errno == EINTR)
        continue;
    c->pid = b->pid;
    (void)munmap(b, sizeof(*b));
    if (c->pid <= 0)
        return err_say(e, -ECHILD, "the process that clones the container's was killed");
    c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
    return c->pidfd < 0 ? err_set(e, errno, "watch the container's process") : 0;
}

void namespaces_abandon(struct process *c)
{
    if (!c->birth)
        return;
    (void)kill(c->birth->launcher, SIGKILL); /* not reaped yet */
    (void)namespaces_meet(c, NULL);
}

int namespaces_clone(struct process *c, const struct birth_options *options, struct err *e)
{
    const struct plan *p = &c->plan;
    if (joins(p, PLAN_USER) || joins(p, PLAN_PID))
        return clone_within(c, options, e);
    pid_t pid = clone_process(flags_of_new(p), options->cgroup, &c->pidfd);
    c->pid = pid < 0 ? 0 : pid;
    return pid < 0 ? err_set(e, pid, "clone the container's process") : pid > 0;
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
        if (p->namespaces[k].how != NS_INHERIT && (k != PLAN_USER || !is_own(p, k)))
            flags |= kinds[k].flag;
    return flags;
}
