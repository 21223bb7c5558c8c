/* A helper process from its start to its end: its confinement, and its two roles. It begins as the active helper (helper.c)
 * and forks the standby, which becomes the active one when that dies, hangs or is replaced (pair.c).
 */
#include "helper.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

enum { FIRST_FD = 3 };

/* ---- the standby -----------------------------------------------------------------------------*/

static void active_died(int fd, uint32_t events, void *helper)
{
    struct helper *h = helper;
    (void)fd;
    (void)events;
    loop_stop(h->loop);
}

/* The standby's pid is written down by the active one, a moment after it has forked it. */
static void look_at_active(void *helper)
{
    struct helper *h = helper;
    h->timer = loop_add_timer(h->loop, BEAT_MS, look_at_active, h);
    if (h->state->process[HELPER_STANDBY].pid && !pair_is_current(h, HELPER_STANDBY)) {
        h->next = HELPER_IS_REPLACED;
        loop_stop(h->loop);
    } else if (pair_beat(h, HELPER_STANDBY, HELPER_ACTIVE)) {
        loop_stop(h->loop);
    }
}

/* Returns when the active helper has died, hangs, or was replaced. */
static int watch_active(struct helper *h, struct err *e)
{
    int r = loop_new(&h->loop, e);
    if (r == 0)
        r = loop_add_fd(h->loop, h->other.pidfd, EPOLLIN, active_died, h, e);
    if (r == 0) {
        h->timer = loop_add_timer(h->loop, BEAT_MS, look_at_active, h);
        r = loop_run(h->loop, e);
    }
    loop_free(take_ptr(h->loop));
    return r;
}

static enum helper_next stand_by(struct helper *h, struct err *e)
{
    int keep[] = {h->store.root_fd, h->store.run_fd, h->store.defined_fd, h->store.live_fd,
                  h->state_fd,      h->names,        h->sockets.udp4,     h->sockets.udp6,
                  h->sockets.tcp4,  h->sockets.tcp6, h->shared_fd};
    const struct helper_process *active = &h->state->process[HELPER_ACTIVE];
    pid_t parent = getppid();
    helper_let_go(h, keep, ARRAY_LEN(keep));
    h->monitors = NULL; /* their descriptors are closed; the memory stays */
    h->firewall_watch = NULL;
    proc_set_title(HELPER_TITLE ", standby");
    h->other.pidfd = parent == active->pid ? pidfd_of(parent, active->start) : -1;
    h->other.beat = 0;
    h->other.missed = 0;
    h->next = HELPER_GOES_ON;
    if (h->other.pidfd >= 0 && watch_active(h, e) < 0)
        return HELPER_FAILS;
    if (h->next == HELPER_IS_REPLACED)
        return HELPER_IS_REPLACED;
    pair_drop_other(h);
    pair_note(h, HELPER_STANDBY, 0);
    pair_note(h, HELPER_ACTIVE, getpid());
    h->state->ending = 0;
    return HELPER_GOES_ON;
}

/* ---- start ----------------------------------------------------------------------------------*/

/* System calls that the helper and its children need. No execve, mount, ptrace or setns: an attacker's code
 * in here would have root's files and network settings, but could not start a program or enter a container. */
static const int allowed[] = {
    SYS_read,
    SYS_write,
    SYS_close,
    SYS_openat,
    SYS_openat2,
    SYS_fstat,
    SYS_newfstatat,
    SYS_statx,
    SYS_lseek,
    SYS_mmap,
    SYS_mprotect,
    SYS_munmap,
    SYS_mremap,
    SYS_madvise,
    SYS_brk,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_ioctl,
    SYS_pread64,
    SYS_pwrite64,
    SYS_readv,
    SYS_writev,
    SYS_faccessat,
    SYS_faccessat2,
    SYS_dup,
    SYS_dup3,
    SYS_nanosleep,
    SYS_clock_nanosleep,
    SYS_getpid,
    SYS_getppid,
    SYS_gettid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_socket,
    SYS_bind,
    SYS_connect,
    SYS_listen,
    SYS_accept4,
    SYS_sendto,
    SYS_recvfrom,
    SYS_sendmsg,
    SYS_recvmsg,
    SYS_sendmmsg,
    SYS_recvmmsg,
    SYS_shutdown,
    SYS_getsockname,
    SYS_getpeername,
    SYS_socketpair,
    SYS_setsockopt,
    SYS_getsockopt,
    SYS_clone,
    SYS_clone3,
    SYS_exit,
    SYS_exit_group,
    SYS_wait4,
    SYS_waitid,
    SYS_kill,
    SYS_tgkill,
    SYS_uname,
    SYS_fcntl,
    SYS_flock,
    SYS_fsync,
    SYS_fdatasync,
    SYS_sync_file_range,
    SYS_ftruncate,
    SYS_fallocate,
    SYS_getdents64,
    SYS_getcwd,
    SYS_chdir,
    SYS_fchdir,
    SYS_chroot,
    SYS_mkdirat,
    SYS_unlinkat,
    SYS_symlinkat,
    SYS_linkat,
    SYS_renameat,
    SYS_renameat2,
    SYS_readlinkat,
    SYS_fchmod,
    SYS_fchmodat,
    SYS_fchownat,
    SYS_fchown,
    SYS_umask,
    SYS_utimensat,
    SYS_statfs,
    SYS_fstatfs,
    SYS_prctl,
    SYS_setsid,
    SYS_getsid,
    SYS_getrlimit,
    SYS_setrlimit,
    SYS_prlimit64,
    SYS_capget,
    SYS_capset,
    SYS_seccomp,
    SYS_futex,
    SYS_set_robust_list,
    SYS_rseq,
    SYS_set_tid_address,
    SYS_clock_gettime,
    SYS_clock_getres,
    SYS_gettimeofday,
    SYS_epoll_create1,
    SYS_epoll_ctl,
    SYS_epoll_pwait,
    SYS_ppoll,
    SYS_pselect6,
    SYS_eventfd2,
    SYS_pipe2,
    SYS_getrandom,
    SYS_pidfd_open,
    SYS_pidfd_send_signal,
    SYS_close_range,
    SYS_restart_syscall,
    SYS_sched_yield,
    SYS_sched_getaffinity,
    SYS_sysinfo,
    SYS_getxattr,
    SYS_fgetxattr,
    SYS_memfd_create,
    SYS_copy_file_range,
    SYS_sendfile,
#ifdef __x86_64__
    SYS_open,
    SYS_stat,
    SYS_lstat,
    SYS_access,
    SYS_pipe,
    SYS_select,
    SYS_dup2,
    SYS_fork,
    SYS_vfork,
    SYS_getpgrp,
    SYS_rename,
    SYS_mkdir,
    SYS_rmdir,
    SYS_unlink,
    SYS_readlink,
    SYS_chmod,
    SYS_time,
    SYS_epoll_create,
    SYS_epoll_wait,
    SYS_poll,
    SYS_arch_prctl,
    SYS_getdents,
    SYS_alarm,
#endif
};

#define BIT(cap) (UINT64_C(1) << (cap))

/* Firewall, links and flows; processes and files of containers, which have other owners; and what the name
 * servers need in order to drop their privileges. */
static const uint64_t needed = BIT(CAP_NET_ADMIN) | BIT(CAP_KILL) | BIT(CAP_DAC_OVERRIDE) |
                               BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_FOWNER) | BIT(CAP_SYS_CHROOT) |
                               BIT(CAP_SETPCAP);

static int given(int which)
{
    int fd = FIRST_FD + which;
    return fcntl(fd, F_GETFD) < 0 ? -1 : fd;
}

static int take_given(struct helper *h, struct err *e)
{
    struct stat st;
    h->state_fd = given(HELPER_FD_STATE);
    h->shared_fd = given(HELPER_FD_SHARED);
    h->sockets = (struct name_sockets){.udp4 = given(HELPER_FD_UDP4),
                                       .udp6 = given(HELPER_FD_UDP6),
                                       .tcp4 = given(HELPER_FD_TCP4),
                                       .tcp6 = given(HELPER_FD_TCP6)};
    if (h->state_fd < 0 || fstat(h->state_fd, &st) < 0 ||
        st.st_size != (off_t)sizeof(struct helpers_state) ||
        !helpers_is_current(&h->store, h->state_fd)) {
        err_say(e, -EINVAL, "`netctr helper` is not for users");
        err_hint(e, "netctr starts it with the first container");
        return -EINVAL;
    }
    void *state = mmap(NULL, sizeof(struct helpers_state), PROT_READ | PROT_WRITE, MAP_SHARED,
                       h->state_fd, 0);
    if (state == MAP_FAILED)
        return err_set(e, errno, "map the helpers' state");
    h->state = state;
    h->shared = names_shared_map(h->shared_fd, e);
    return h->shared ? names_open(h->store.run_fd, e) : e->code;
}

/* Processes from @first on, before @last. */
static void end_unless_adopted(struct helper *h, const struct helpers_state *now, int first,
                               int last)
{
    for (int i = first; i < last; i++) {
        const struct helper_process *p = &h->state->process[i];
        bool adopted = p->pid == now->process[i].pid && p->start == now->process[i].start;
        _cleanup_close_ int fd = adopted || p->pid == getpid() ? -1 : helper_process_open(p);
        if (fd >= 0)
            (void)pidfd_signal(fd, SIGKILL);
    }
}

/* Kills the processes that the next pair has not adopted; nothing else would end them. The name servers come first, because
 * the other helper may do the same at the same time, and then each kills the other. They come last as well, because until its
 * death the active helper replaces a dead one. */
static void end_orphans(struct helper *h)
{
    struct helpers_state now = {0};
    struct engine engine = {.store = h->store};
    (void)helpers_work(&engine, &now);
    end_unless_adopted(h, &now, HELPER_SERVER, HELPER_HOLDER);
    end_unless_adopted(h, &now, HELPER_ACTIVE, HELPER_SERVER);
    end_unless_adopted(h, &now, HELPER_SERVER, HELPER_HOLDER);
}

/* On failure we leave and remove our cgroup ourselves: a process that takes RUN over may not know of us yet. */
static int begin(struct helper *h, struct err *e)
{
    int r = h->names = take_given(h, e);
    if (r >= 0)
        r = confine_caps(needed, e);
    if (r >= 0)
        r = confine_allow(allowed, ARRAY_LEN(allowed), e);
    if (r >= 0)
        pair_note(h, HELPER_ACTIVE, getpid());
    else
        helpers_leave(h->store.instance, 0);
    return r;
}

static int help(struct helper *h, struct err *e)
{
    int r = begin(h, e);
    if (r < 0)
        return r;
    enum helper_next next = HELPER_GOES_ON;
    while (next == HELPER_GOES_ON || next == HELPER_IS_STANDBY)
        next = next == HELPER_IS_STANDBY ? stand_by(h, e) : helper_watch(h, e);
    if (next == HELPER_IS_REPLACED)
        end_orphans(h);
    if (next != HELPER_ENDS)
        helpers_leave(h->store.instance, 0);
    return next == HELPER_FAILS ? e->code : 0;
}

int engine_help(const char *root, const char *run_root, struct err *e)
{
    struct helper h = {.other.pidfd = -1};
    (void)prctl(PR_SET_NAME, "netctr"); /* our name: the firewall watch ignores changes by it */
    int r = store_open(root, run_root, &h.store, e);
    proc_set_title(HELPER_TITLE); /* overwrites the arguments */
    if (r == 0)
        r = help(&h, e);
    store_close(&h.store);
    return r;
}
