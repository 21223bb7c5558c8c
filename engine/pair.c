/* The active helper and its standby share a page, in which each writes a heartbeat four times a second. The
 * standby learns of the active one's death by a pidfd. A process that hangs (SIGSTOP, a tracer, a frozen
 * cgroup, blocked in the kernel) shows by a missing heartbeat; the other one kills and replaces it. A hanging
 * process has an effect for 1.25 s at most.
 */
#include "helper.h"

#include <signal.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

enum { MISSED_MAX = 4 };

pid_t helper_fork(int *pidfd)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) /* a child has no pidfd of itself */
        return 0;
    *pidfd = pid < 0 ? -1 : pidfd_open(pid, 0);
    if (pid > 0 && *pidfd < 0) {
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        return -1;
    }
    return pid;
}

void helper_let_go(struct helper *h, int *keep, size_t count)
{
    loop_free(take_ptr(h->loop));
    (void)close_other_fds(keep, count);
}

void pair_note(struct helper *h, int process, pid_t pid)
{
    struct helper_process *p = &h->state->process[process];
    p->pid = 0;
    p->schema = NETCTR_SCHEMA;
    p->start = pid ? proc_start_time(pid) : 0;
    __atomic_store_n(&p->pid, pid, __ATOMIC_RELEASE);
}

bool pair_beat(struct helper *h, int own, int other)
{
    __atomic_store_n(&h->state->beat[own], (uint64_t)monotonic_ms(), __ATOMIC_RELEASE);
    uint64_t theirs = __atomic_load_n(&h->state->beat[other], __ATOMIC_ACQUIRE);
    h->other.missed = theirs == h->other.beat ? h->other.missed + 1 : 0;
    h->other.beat = theirs;
    return h->other.missed >= MISSED_MAX;
}

void pair_drop_other(struct helper *h)
{
    if (h->other.pidfd >= 0) {
        if (h->loop)
            loop_remove_fd(h->loop, h->other.pidfd);
        (void)pidfd_signal(h->other.pidfd, SIGKILL);
    }
    h->other.pidfd = close_fd(h->other.pidfd);
    h->other.missed = 0;
}

bool pair_is_current(const struct helper *h, int own)
{
    return h->state->process[own].pid == getpid() && helpers_is_current(&h->store, h->state_fd);
}
