/* Copies files between a container and the host, as a tar archive in a pipe between two processes:
 *
 *     outside: this one, which knows the host's files          inside: its child, which holds the container's root alone
 *
 * The child becomes what root in the container is: it joins the user namespace, keeps the capabilities that a copy needs, and
 * has the container's root as an fd. It joins no other namespace, so nothing in the container can see it, signal it or
 * read its memory. Every path is resolved beneath that fd, with whatever is mounted there if the container runs. If it does
 * not run, the child mounts the root as a start does, in a mount namespace that ends with it.
 */
#include "mounts.h"
#include "process.h"
#include "root_mount.h"
#include "source.h"
#include "tar.h"

#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* ---- the container's root --------------------------------------------------------------------*/

static int open_live_root(const struct copy_request *q, int pidfd, struct err *e)
{
    _cleanup_free_ char *path = xasprintf("/proc/%d/root", q->pid);
    _cleanup_close_ int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    /* The pidfd still works, so the path led to this process. */
    if (root >= 0 && pidfd_signal(pidfd, 0) == 0)
        return take_fd(root);
    return err_say(e, -ESRCH, "container `%s` has just ended", q->plan->name);
}

/* As a start does it: a volume whose target the container has removed stays away. */
static int mount_volumes(const struct plan *p, int root, int userns, struct err *e)
{
    for (size_t i = 0; i < p->mount_count; i++) {
        const struct plan_mount *m = &p->mounts[i];
        struct stat source, target;
        _cleanup_close_ int place =
            m->what == SOURCE_PATH ? open_in_root(root, m->target, O_PATH, 0, 0) : -1;
        if (place < 0)
            continue;
        _cleanup_close_ int mount = source_mount(m, userns, e);
        if (mount < 0)
            return mount;
        if (fstat(mount, &source) < 0 || fstat(place, &target) < 0 ||
            S_ISDIR(source.st_mode) != S_ISDIR(target.st_mode))
            continue;
        int r = mount_attach(mount, place, m->target, e);
        if (r < 0)
            return r;
    }
    return 0;
}

static int mount_root(struct plan *p, int *userns, struct err *e)
{
    const bool host = id_map_is_host(&p->ids);
    if (!host && (*userns = userns_create(&p->ids, e)) < 0)
        return *userns;
    if (!host)
        p->namespaces[PLAN_USER] = (struct plan_namespace){.how = NS_JOIN, .fd = *userns};
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return err_set(e, errno, "make a mount namespace");
    _cleanup_close_ int place = source_open("directory", p->mount_point, O_DIRECTORY, e);
    if (place < 0)
        return place;
    _cleanup_close_ int root = root_mount(p, host ? -1 : place, e);
    int r = root < 0 ? root : mount_attach(root, place, p->mount_point, e);
    if (r == 0)
        r = mount_volumes(p, root, *userns, e);
    if (r == 0 && p->read_only)
        r = mount_set(root, MOUNT_ATTR_RDONLY, false, e);
    return r < 0 ? r : take_fd(root);
}

/* ---- inside ----------------------------------------------------------------------------------*/

static int become_root_of(const struct copy_request *q, int userns, struct err *e)
{
    const uint64_t privileges = q->in && q->owners ? CAPS_BIT(CAP_SETFCAP) : 0;
    const uint64_t needed = privileges | CAPS_BIT(CAP_CHOWN) | CAPS_BIT(CAP_DAC_OVERRIDE) |
                            CAPS_BIT(CAP_DAC_READ_SEARCH) | CAPS_BIT(CAP_FOWNER) |
                            CAPS_BIT(CAP_FSETID);
    if (userns >= 0 && !userns_is_own(userns) &&
        (setns(userns, CLONE_NEWUSER) < 0 || setresgid(0, 0, 0) < 0 || setgroups(0, NULL) < 0 ||
         setresuid(0, 0, 0) < 0))
        return err_set(e, errno, "become the container's root");
    if (prctl(PR_SET_DUMPABLE, 0) < 0)
        return err_set(e, errno, "hide from other processes");
    return confine_caps(needed, e);
}

static int copy_inside(const struct copy_request *q, int root, int watch, int stream, struct err *e)
{
    umask(0);
    if (q->in) {
        const struct tar_target t = {.root = root,
                                     .path = q->inside,
                                     .name = q->name,
                                     .stream = !q->outside,
                                     .parents = q->parents,
                                     .owners = q->owners,
                                     .watch = watch};
        int r = tar_unpack(&t, stream, e);
        if (r < 0)
            err_wrap(e, "copy to container `%s`", q->plan->name);
        return r;
    }
    _cleanup_close_ int top =
        open_in_root(root, q->inside, O_PATH | (q->follow ? 0 : O_NOFOLLOW), 0, 0);
    int r = top < 0 ? err_set(e, top, "open it")
                    : tar_pack(top, q->outside ? "." : q->as, watch, stream, e);
    if (r < 0)
        err_wrap(e, "copy `%s` of container `%s`", q->inside, q->plan->name);
    return r;
}

static int inside(const struct copy_request *q, int channel, int stream, pid_t caller,
                  struct err *e)
{
    struct plan plan = *q->plan;
    _cleanup_close_ int pidfd = q->pid ? pidfd_of(q->pid, q->pid_start) : -1;
    if (q->pid && pidfd < 0)
        return err_say(e, -ESRCH, "container `%s` has just ended", plan.name);
    int userns =
        q->pid && plan.namespaces[PLAN_USER].how == NS_JOIN ? plan.namespaces[PLAN_USER].fd : -1;
    _cleanup_close_ int root = q->pid ? open_live_root(q, pidfd, e) : mount_root(&plan, &userns, e);
    if (root < 0)
        return root;
    int r = become_root_of(q, userns, e);
    int keep[] = {root, pidfd, channel, stream, q->lock};
    /* The change of user has cleared it. */
    if (r == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != caller))
        return err_say(e, -ESRCH, "the command has ended");
    if (r == 0 && (r = close_other_fds(keep, ARRAY_LEN(keep))) < 0)
        return err_set(e, r, "close the host's files");
    return r < 0 ? r : copy_inside(q, root, pidfd, stream, e);
}

static _Noreturn void run_inside(const struct copy_request *q, int channel, int stream,
                                 pid_t caller)
{
    struct err e = ERR_INIT;
    (void)signal(SIGPIPE, SIG_IGN);
    int r = inside(q, channel, stream, caller, &e);
    if (r < 0)
        (void)channel_send_error(channel, &e);
    else
        (void)channel_send(channel, MESSAGE_DONE);
    _exit(r < 0 ? EXIT_NETCTR : 0);
}

/* ---- outside ---------------------------------------------------------------------------------*/

static int copy_outside(const struct copy_request *q, int stream, struct err *e)
{
    if (!q->outside)
        return 0;
    if (!q->in) {
        const struct tar_target t = {
            .root = -1, .path = q->outside, .name = q->name, .owners = q->owners, .watch = -1};
        return tar_unpack(&t, stream, e);
    }
    _cleanup_close_ int top = open(q->outside, O_PATH | O_CLOEXEC | (q->follow ? 0 : O_NOFOLLOW));
    if (top < 0)
        return err_set(e, errno, "open `%s`", q->outside);
    int r = tar_pack(top, ".", -1, stream, e);
    if (r < 0)
        err_wrap(e, "copy `%s`", q->outside);
    return r;
}

static int hear(int channel, struct err *e)
{
    enum message kind;
    int r = channel_receive(channel, &kind, NULL, e);
    return r < 0 || kind == MESSAGE_DONE
               ? r
               : err_say(e, -EPIPE, "the process that copies in the container was killed");
}

/* The one that writes fails with EPIPE when the other has failed. */
static int judge(const struct copy_request *q, int outer, struct err *outer_why, int inner,
                 struct err *inner_why, struct err *e)
{
    const bool is_outer = q->in ? outer < 0 && (outer != -EPIPE || inner >= 0)
                                : outer < 0 && (inner >= 0 || inner == -EPIPE);
    if (outer >= 0 && inner >= 0)
        return 0;
    err_move(e, is_outer ? outer_why : inner_why);
    return is_outer ? outer : inner;
}

static int await(const struct copy_request *q, int channel, int stream, pid_t child, struct err *e)
{
    _cleanup_err_ struct err outer_why = ERR_INIT, inner_why = ERR_INIT;
    int outer = copy_outside(q, stream, &outer_why);
    close_fd(stream);
    if (outer < 0 && outer != -EPIPE && q->in)
        (void)kill(child, SIGKILL); /* it would take the end of the pipe for a damaged archive */
    int inner = hear(channel, &inner_why);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        continue;
    return judge(q, outer, &outer_why, inner, &inner_why, e);
}

int process_copy(const struct copy_request *q, struct err *e)
{
    int ends[2] = {-1, -1}, channel[2];
    int r = channel_open(channel, e);
    if (r < 0)
        return r;
    if (q->outside && pipe2(ends, O_CLOEXEC) < 0)
        r = err_set(e, errno, "open a pipe");
    const int self = q->outside ? ends[q->in ? 1 : 0] : -1;
    const int theirs = q->outside ? ends[q->in ? 0 : 1] : q->in ? STDIN_FILENO : STDOUT_FILENO;
    const pid_t caller = getpid();
    fflush(NULL);
    pid_t child = r < 0 ? -1 : fork();
    if (child == 0) {
        close_fd(channel[0]);
        close_fd(self);
        run_inside(q, channel[1], theirs, caller);
    }
    if (r == 0 && child < 0)
        r = err_set(e, errno, "fork");
    close_fd(channel[1]);
    if (q->outside)
        close_fd(theirs);
    (void)signal(SIGPIPE, SIG_IGN);
    if (r == 0)
        r = await(q, channel[0], self, child, e);
    else
        close_fd(self);
    close_fd(channel[0]);
    return r;
}
