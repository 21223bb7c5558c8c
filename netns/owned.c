/* A network namespace in another user namespace.
 *
 * A network namespace belongs to the user namespace of the process that makes it, for good. This process must stay in its
 * own, as there is no way back from a setns() into a child's. So a short-lived process joins the owner, unshares, and opens
 * the new namespace in the table of fds that both share. It shares the memory as well, since copying the page tables would
 * be most of the cost, and the parent sleeps meanwhile (vfork): if the parent is killed, it ends by itself.
 *
 * It keeps the host's root as its user, which the owner does not map. Setting another one would clear the dumpable flag of
 * the memory that both share, and with it the parent's own files in /proc would become unreadable.
 */
#include "owned.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

struct making {
    int owner;
    int fd;           /* the result */
    int why;          /* errno of … */
    const char *step; /* … what failed */
};

static int fail(struct making *m, const char *step)
{
    m->why = errno;
    m->step = step;
    return 1;
}

/* System calls only: it runs in the parent's memory. */
static int make(void *making)
{
    struct making *m = making;
    if (syscall(SYS_setns, m->owner, CLONE_NEWUSER) < 0)
        return fail(m, "enter the user namespace of the container");
    if (syscall(SYS_unshare, CLONE_NEWNET) < 0)
        return fail(m, "create a network namespace in the user namespace of the container");
    m->fd = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/ns/net", O_RDONLY | O_CLOEXEC, 0);
    return m->fd < 0 ? fail(m, "open the new network namespace") : 0;
}

static int refuse(const struct making *m, struct err *e)
{
    if (!m->step)
        return err_say(e, -ECHILD, "the process that creates a network namespace was killed");
    int r = err_set(e, m->why, "%s", m->step);
    if (r == -ENOSPC)
        err_hint(e, NETNS_LIMIT);
    return r;
}

int owned_create(int owner, struct err *e)
{
    char stack[4096] __attribute__((aligned(16)));
    struct making m = {.owner = owner, .fd = -1};
    sigset_t all, before;
    sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, &before); /* a handler would run in the shared memory */
    pid_t pid = clone(make, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | CLONE_FILES, &m);
    if (pid < 0)
        m = (struct making){.fd = -1, .why = errno, .step = "start a process"};
    while (pid > 0 && waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
        continue;
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return m.fd >= 0 ? m.fd : refuse(&m, e);
}
