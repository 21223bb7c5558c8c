/* A command's way into a container that runs, by three processes:
 *
 *     caller → keeper → joiner: cgroup → namespaces → user, capabilities, seccomp → stub
 *                     → program (made by the stub, as a child of the keeper)
 *
 * The joiner is still outside of the pid namespace, as setns() holds for children only: it becomes as
 * small as the program shall be before there is anything to be seen inside, where CAP_SYS_PTRACE would
 * see into it. The keeper is the program's parent for as long as it runs. Otherwise the caller's end
 * would make it a child of the host's init; where that does not reap, as in many a container, a dead
 * process would keep the pid namespace, and the container could not end.
 */
#include "enter.h"

#include "caller.h"
#include "child.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define HANDSHAKE_MS 10000

/* ---- the joiner ------------------------------------------------------------------------------*/

static int leave_host_behind(const struct joining *j, int channel)
{
    int keep[] = {j->stub, channel, j->streams[0], j->streams[1], j->streams[2]};
    int r = close_other_fds(keep, ARRAY_LEN(keep));
    if (r < 0)
        return r;
    _cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC); /* the container's, by now */
    for (int i = 0; i < 3; i++)
        if (dup2(j->streams[i] >= 0 ? j->streams[i] : null, i) < 0)
            return -errno;
    return 0;
}

static int join(const struct joining *j, int channel, struct err *e)
{
    const struct spec *s = &j->record->spec;
    /* Of a user that the host knows, too: he could trace it until it is the stub. */
    if (prctl(PR_SET_DUMPABLE, 0) < 0)
        return err_set(e, errno, "hide from other processes");
    reset_signals();
    oom_score_of_program();
    int r = cgroup_join_self(j->entry, e);
    if (r < 0)
        return r;
    int namespaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP;
    if (s->network_mode != NETWORK_HOST)
        namespaces |= CLONE_NEWNET;
    if (setns(j->pidfd, namespaces) < 0)
        return err_set(e, errno, "enter the namespaces of container `%s`", s->name);
    if ((r = leave_host_behind(j, channel)) < 0)
        return err_set(e, r, "close the host's files");
    umask(022);
    _cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return err_set(e, errno, "open the container's root");
    const struct become b = {
        .argv = j->request->argv,
        .env = j->env,
        .user = j->request->user ? j->request->user : s->user,
        .workdir = j->request->workdir ? j->request->workdir : s->workdir,
        .caps = s->caps,
        .filter = j->filter,
        .ulimits = &s->ulimits,
        .stub = j->stub,
        .channel = channel,
        .streams = {j->streams[0], j->streams[1], j->streams[2]},
    };
    return become_program(&b, root, e);
}

static _Noreturn void run_joiner(const struct joining *j, int channel)
{
    struct err e = ERR_INIT;
    (void)join(j, channel, &e);
    (void)channel_send_error(channel, &e);
    _exit(EXIT_NETCTR);
}

/* ---- the keeper ------------------------------------------------------------------------------*/

/* From the stub on, the other end is inside the container, where anybody who may trace it can speak for
 * it: a number is believed once, and only of a process that is our own child. */
static bool is_child(int pid)
{
    siginfo_t info;
    return pid > 0 && waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

struct command {
    pid_t joiner;
    pid_t pid; /* 0: not known yet */
    int pidfd;
};

/* Waits for the next message. A process in the container can stop ours before it is the command, or kill
 * it and keep the channel open. */
static int await_message(int channel, const struct command *c, int64_t deadline, struct err *e)
{
    siginfo_t info;
    struct pollfd p[] = {{.fd = channel, .events = POLLIN}, {.fd = c->pidfd, .events = POLLIN}};
    for (;;) {
        int64_t left = deadline - monotonic_ms();
        int n = poll(p, ARRAY_LEN(p), left > 0 ? (int)left : 0);
        if (n < 0 && errno != EINTR)
            return err_set(e, errno, "hear from the command's process");
        if (n > 0 && p[0].revents)
            return 0;
        /* Its last words, if there are any, came before its end; the channel's end is that of the
         * joiner, too, which has nothing left to do. */
        if (n > 0)
            (void)waitid(P_PID, (id_t)c->joiner, &info, WEXITED | WNOWAIT);
        if (n > 0)
            return poll(p, 1, 0) > 0 ? 0 : err_say(e, -EPIPE, "the command's process was killed");
        if (n == 0)
            return err_say(e, -ETIMEDOUT, "the command's process was stopped before it ran");
    }
}

/* Until the channel ends: the program's process, or why there is none. */
static int hear(int channel, const char *name, struct command *c, struct err *e)
{
    const int64_t deadline = monotonic_ms() + HANDSHAKE_MS;
    for (bool prepared = false;;) {
        enum message kind;
        int value;
        int r = await_message(channel, c, deadline, e);
        if (r == 0)
            r = channel_receive(channel, &kind, &value, e);
        if (r < 0)
            return r;
        switch (kind) {
        case MESSAGE_PROCESS:
            if (c->pid == 0 && value != c->joiner && is_child(value)) {
                c->pid = value;
                c->pidfd = (int)syscall(SYS_pidfd_open, value, 0);
                if (c->pidfd < 0)
                    return err_set(e, errno, "watch the command");
            }
            break;
        case MESSAGE_PREPARED:
            prepared = true;
            r = channel_send(channel, MESSAGE_START);
            if (r < 0 && r != -EPIPE) /* EPIPE: it is gone, and has told why or will not */
                return err_set(e, r, "start the command");
            break;
        case MESSAGE_NOT_RUN:
        case MESSAGE_NO_LOADER:
        case MESSAGE_NO_PROCESS: return stub_failure(name, kind, value, e);
        default:
            return c->pid > 0 && prepared ? 0
                                          : err_say(e, -EPIPE, "the command's process was killed");
        }
    }
}

/* At once: a dead process that nobody has reaped keeps its pid namespace from ending. */
static int reap(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return EXIT_NETCTR;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int start_joiner(struct joining *j, struct command *c, struct err *e)
{
    int ends[2];
    int r = channel_open(ends, e);
    if (r < 0)
        return r;
    pid_t joiner = fork();
    if (joiner == 0)
        run_joiner(j, ends[1]);
    _cleanup_close_ int channel = ends[0];
    close(ends[1]);
    for (int i = 0; i < 3; i++)
        j->streams[i] = close_fd(j->streams[i]);
    if (joiner < 0)
        return err_set(e, errno, "fork");
    c->joiner = joiner;
    /* Our end of the channel tells the rest: the joiner ends when it has told the number. */
    r = hear(channel, j->request->argv[0], c, e);
    if (r < 0) {
        (void)kill(joiner, SIGKILL); /* our own children, not reaped: the numbers are theirs */
        if (c->pid > 0)
            (void)kill(c->pid, SIGKILL);
    }
    (void)reap(joiner);
    return r;
}

/* It may live as long as the container, and nobody shall wait for a pipe or a directory because of it. */
static int let_go(int up)
{
    int keep[] = {up};
    _cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; i < 3; i++)
        if (dup2(null, i) < 0)
            return -errno;
    return chdir("/") < 0 ? -errno : close_other_fds(keep, 1);
}

static _Noreturn void run_keeper(struct joining *j, int up)
{
    struct err e = ERR_INIT;
    struct command c = {.pidfd = -1};
    /* The terminal's signals are for the caller, who hands them on. */
    (void)setsid();
    _cleanup_free_ char *title = xasprintf("netctr exec in %s", j->record->spec.name);
    proc_set_title(title);
    for (size_t i = 0; i < 4; i++)
        (void)signal((const int[]){SIGINT, SIGTERM, SIGHUP, SIGQUIT}[i], SIG_IGN);
    int r = caller_forget(&e);
    if (r == 0)
        r = start_joiner(j, &c, &e);
    if (r == 0 && (r = channel_send_fd(up, MESSAGE_PIDFD, c.pidfd)) == -EPIPE)
        r = 0; /* the caller was killed: the command runs, as it would a moment later */
    if (r < 0) {
        (void)channel_send_error(up, &e);
        _exit(EXIT_NETCTR);
    }
    (void)let_go(up);
    (void)channel_send_number(up, MESSAGE_EXITED, reap(c.pid));
    _exit(0);
}

/* ---- the caller ------------------------------------------------------------------------------*/

void entered_clear(struct entered *entered)
{
    close_fd(entered->command);
    close_fd(entered->channel);
    *entered = (struct entered)ENTERED_INIT;
}

void entered_reap(struct entered *entered)
{
    (void)reap(entered->keeper);
}

int enter_start(struct joining *j, struct entered *out, struct err *e)
{
    int ends[2];
    enum message kind;
    int r = channel_open(ends, e);
    if (r < 0)
        return r;
    out->channel = ends[0];
    monitor_block_signals();
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        run_keeper(j, ends[1]);
    }
    close(ends[1]);
    for (int i = 0; i < 3; i++)
        j->streams[i] = close_fd(j->streams[i]);
    if (pid < 0)
        return err_set(e, errno, "fork");
    out->keeper = pid;
    r = channel_receive(out->channel, &kind, &out->command, e);
    if (r == 0 && kind != MESSAGE_PIDFD)
        r = err_say(e, -EPIPE, "the process that keeps the command was killed");
    if (r < 0)
        (void)reap(pid);
    return r;
}
