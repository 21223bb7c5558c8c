/* How a command enters a running container, in three processes:
 *
 *     caller → keeper → joiner: cgroup → namespaces → user, capabilities, seccomp → stub
 *                     → program (made by the stub, as a child of the keeper)
 *
 * setns() moves only children into a pid namespace, so the joiner is still outside of it. It drops its privileges
 * before anything of it is visible inside, where a process with CAP_SYS_PTRACE could read it. The keeper is the
 * program's parent as long as it runs. If the caller were, its end would make the program a child of the host's
 * init; where that does not reap, as in many a container, a zombie would keep the pid namespace alive, and the
 * container could not end.
 */
#include "enter.h"

#include "caller.h"
#include "child.h"
#include "namespaces.h"
#include "relay.h"
#include "terminal.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define HANDSHAKE_MS 10000

/* ---- the joiner ------------------------------------------------------------------------------*/

static int leave_host_behind(const struct joining *j, int channel)
{
    int keep[] = {j->stub, channel, j->streams[0], j->streams[1], j->streams[2]};
    int r = close_other_fds(keep, ARRAY_LEN(keep));
    if (r < 0)
        return r;
    _cleanup_close_ int null = open(
        "/dev/null", O_RDWR | O_CLOEXEC); /* the container's: the mount namespace was entered */
    for (int i = 0; i < 3; i++)
        if (dup2(j->streams[i] >= 0 ? j->streams[i] : null, i) < 0)
            return -errno;
    return 0;
}

static const char *user_of(const struct joining *j)
{
    return j->request->user ? j->request->user : j->plan->user;
}

/* Capabilities added by name belong to the container's user. As with podman, another user of exec gets none of
 * them. */
static uint64_t ambient_of(const struct joining *j)
{
    const struct plan *s = j->plan;
    return streq(user_of(j), s->user) ? s->ambient_caps : 0;
}

/* The terminal belongs to the user who makes it: the container's root, since the host's has no id in there. */
static int make_terminal(struct become *b, int root, const struct winsize *size, struct err *e)
{
    if (!id_map_is_host(b->ids) && (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0))
        return err_set(e, errno, "become the container's root");
    if (prctl(PR_SET_DUMPABLE, 0) < 0) /* the change of user has reset it */
        return err_set(e, errno, "hide from other processes");
    return become_terminal(b, root, size, false, e);
}

static int join(const struct joining *j, int channel, struct err *e)
{
    const struct plan *s = j->plan;
    /* The user may exist on the host, too, and could trace this process until it is the stub. */
    if (prctl(PR_SET_DUMPABLE, 0) < 0)
        return err_set(e, errno, "hide from other processes");
    reset_signals();
    int r = oom_score_of_program(s->oom_score, e);
    if (r == 0)
        r = cgroup_join_self(j->entry, e);
    if (r < 0)
        return r;
    if ((r = ulimits_raise(&s->ulimits, e)) < 0) /* not permitted in a user namespace */
        return r;
    if (setns(j->pidfd, namespaces_apart(s)) < 0)
        return err_set(e, errno, "enter the namespaces of container `%s`", s->name);
    if ((r = leave_host_behind(j, channel)) < 0)
        return err_set(e, r, "close the host's files");
    umask(022);
    _cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return err_set(e, errno, "open the container's root");
    struct become b = {
        .argv = j->request->argv,
        .env = j->env,
        .user = user_of(j),
        .workdir = j->request->workdir ? j->request->workdir : s->workdir,
        .caps = s->caps,
        .ambient_caps = ambient_of(j),
        .filter = j->filter,
        .ulimits = &s->ulimits,
        .ids = &s->ids,
        .groups = s->groups,
        .umask = s->umask,
        .stub = j->stub,
        .channel = channel,
        .streams = {j->streams[0], j->streams[1], j->streams[2]},
    };
    r = j->request->tty ? make_terminal(&b, root, &j->size, e) : 0;
    return r < 0 ? r : become_program(&b, root, e);
}

static _Noreturn void run_joiner(const struct joining *j, int channel)
{
    struct err e = ERR_INIT;
    /* The stub inside inherits this session: a signal for its group must not reach the keeper. */
    (void)setsid();
    (void)join(j, channel, &e);
    (void)channel_send_error(channel, &e);
    _exit(EXIT_NETCTR);
}

/* ---- the keeper ------------------------------------------------------------------------------*/

/* From the stub on, the other end is inside the container, where any process that may trace the stub can send
 * packets. A pid is believed once, and only if it is a child of ours. */
static bool is_child(int pid)
{
    siginfo_t info;
    return pid > 0 && waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

struct command {
    int caller; /* hangs up when the caller is gone or has cancelled; -1: too late to cancel */
    pid_t joiner;
    pid_t pid; /* 0: not known yet */
    int pidfd;
    int terminal; /* the master; -1: none */
};

/* Waits for the next message. A process in the container can stop ours before it becomes the command, or kill it
 * and keep the channel open. */
static int await_message(int channel, const struct command *c, int64_t deadline, struct err *e)
{
    siginfo_t info;
    struct pollfd p[] = {{.fd = channel, .events = POLLIN},
                         {.fd = c->pidfd, .events = POLLIN},
                         {.fd = c->caller, .events = POLLRDHUP}};
    for (;;) {
        int64_t left = deadline - monotonic_ms();
        int n = left > 0 ? poll(p, ARRAY_LEN(p), (int)left) : 0; /* even if messages keep coming */
        if (n < 0 && errno != EINTR)
            return err_set(e, errno, "hear from the command's process");
        if (n > 0 && p[2].revents)
            return err_say(e, -EINTR, "the caller of the command has ended");
        if (n > 0 && p[0].revents)
            return 0;
        /* Any last message came before its end. End of file means that the joiner ends too: it has nothing left to
         * do. */
        if (n > 0)
            (void)waitid(P_PID, (id_t)c->joiner, &info, WEXITED | WNOWAIT);
        if (n > 0)
            return poll(p, 1, 0) > 0 ? 0 : err_say(e, -EPIPE, "the command's process was killed");
        if (n == 0)
            return err_say(e, -ETIMEDOUT, "the command's process was stopped before it ran");
    }
}

/* Receives until the channel ends: the program's pid, or why it does not run. */
static int hear(int channel, const struct joining *j, struct command *c, struct err *e)
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
        case MESSAGE_TERMINAL: /* from the joiner, which comes before all that are inside */
            if (j->request->tty && c->terminal < 0 && c->pid == 0 && !prepared)
                c->terminal = value;
            else
                close_fd(value);
            break;
        case MESSAGE_PREPARED:
            r = prepared
                    ? 0
                    : channel_send(channel,
                                   MESSAGE_START); /* once: the container must not fill the queue */
            prepared = true;
            c->caller = -1;
            if (r < 0 && r != -EPIPE) /* EPIPE: it is gone, and has sent the reason or never will */
                return err_set(e, r, "start the command");
            break;
        case MESSAGE_NOT_RUN:
        case MESSAGE_NO_LOADER:
        case MESSAGE_NO_PROCESS:
            return stub_failure(j->plan, user_of(j), j->request->argv[0], kind, value, e);
        default:
            channel_drop(kind, value);
            return c->pid > 0 && prepared ? 0
                                          : err_say(e, -EPIPE, "the command's process was killed");
        }
    }
}

static void reap(pid_t pid)
{
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
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
    /* hear() learns the rest from the channel: the joiner ends when it has sent the pid. */
    r = hear(channel, j, c, e);
    if (r < 0) {
        /* Both are unreaped children, so the pids are still theirs. They may be slow to die (a container can
         * freeze a process that enters it), so reap_all() waits for them after the caller has its answer. */
        (void)kill(joiner, SIGKILL);
        if (c->pid > 0)
            (void)kill(c->pid, SIGKILL);
        return r;
    }
    reap(joiner);
    return 0;
}

/* The keeper may live as long as the container: it must not keep a pipe or a directory of the caller's open. */
static int let_go(int up, const struct command *c)
{
    int keep[] = {up, c->terminal, c->pidfd}; /* -1: none */
    _cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; i < 3; i++)
        if (dup2(null, i) < 0)
            return -errno;
    return chdir("/") < 0 ? -errno : close_other_fds(keep, ARRAY_LEN(keep));
}

/* Holds the command's terminal until the command or its client ends. When the client ends, the terminal hangs up, as that of
 * a real one. A client that detaches says so, and what is written from then on is read and dropped. */
static void hold_terminal(const struct command *c, int up, bool detached)
{
    char dropped[RELAY_CHUNK];
    _cleanup_close_ int terminal = c->terminal;
    _cleanup_close_ int peer = terminal_peer(terminal);
    for (bool ended = false; !ended && peer >= 0;) {
        enum message kind = MESSAGE_END;
        struct pollfd p[] = {{.fd = c->pidfd, .events = POLLIN},
                             {.fd = detached ? -1 : up, .events = POLLIN},
                             {.fd = detached ? terminal : -1, .events = POLLIN}};
        if (poll(p, ARRAY_LEN(p), -1) < 0 && errno != EINTR)
            return;
        if (p[2].revents && read(terminal, dropped, sizeof(dropped)) < 0 && errno != EAGAIN)
            return;
        if (p[1].revents) {
            (void)channel_receive(up, &kind, NULL, NULL);
            detached = kind == MESSAGE_DETACHED;
            ended = !detached;
        }
        ended = ended || p[0].revents;
    }
}

/* The command is our child, so its pid stays its own until reap_all(). It leads its session (stub.c). */
static void end_with_caller(const struct command *c, int up)
{
    struct pollfd p[] = {{.fd = c->pidfd, .events = POLLIN}, {.fd = up, .events = POLLIN}};
    while (poll(p, ARRAY_LEN(p), -1) < 0 && errno == EINTR) {}
    if (p[0].revents)
        return;
    (void)kill(-c->pid, SIGKILL);
    (void)pidfd_signal(c->pidfd, SIGKILL);
}

/* Reaps all children, including processes that the command made with CLONE_PARENT, and a command that was killed
 * before it ran, which a tracer may hold back. */
static void reap_all(const struct command *c, int up)
{
    int status = 0;
    for (pid_t pid; (pid = waitpid(-1, &status, 0)) > 0 || errno == EINTR;)
        if (pid == c->pid && up >= 0)
            (void)channel_send_number(up, MESSAGE_EXITED,
                                      WIFSIGNALED(status) ? 128 + WTERMSIG(status)
                                                          : WEXITSTATUS(status));
}

static _Noreturn void run_keeper(struct joining *j, int up)
{
    struct err e = ERR_INIT;
    struct command c = {.caller = up, .pidfd = -1, .terminal = -1};
    /* The terminal's signals are for the caller, which forwards them. */
    (void)setsid();
    _cleanup_free_ char *title = xasprintf("netctr exec in %s", j->plan->name);
    proc_set_title(title);
    for (size_t i = 0; i < 4; i++)
        (void)signal((const int[]){SIGINT, SIGTERM, SIGHUP, SIGQUIT}[i], SIG_IGN);
    int r = start_joiner(j, &c, &e);
    if (r == 0 && c.terminal >= 0)
        (void)channel_send_fd(up, MESSAGE_TERMINAL, c.terminal);
    if (r == 0 && (r = channel_send_fd(up, MESSAGE_PIDFD, c.pidfd)) == -EPIPE)
        r = 0; /* the caller was killed: the command runs anyway */
    if (r < 0)
        (void)channel_send_error(up, &e);
    (void)let_go(r < 0 ? -1 : up, &c);
    if (r == 0 && c.terminal >= 0)
        hold_terminal(&c, up, j->request->detached);
    else if (r == 0 && j->request->ends_with_caller)
        end_with_caller(&c, up);
    reap_all(&c, r < 0 ? -1 : up);
    _exit(r < 0 ? EXIT_NETCTR : 0);
}

/* ---- the caller ------------------------------------------------------------------------------*/

void entered_clear(struct entered *entered)
{
    close_fd(entered->command);
    close_fd(entered->terminal);
    close_fd(entered->channel);
    *entered = (struct entered)ENTERED_INIT;
}

/* It ends at once, unless it has other children to reap: then it is not waited for. */
void entered_reap(const struct entered *entered)
{
    struct pollfd p = {.fd = entered->channel};
    struct timespec pause = {.tv_nsec = 50000};
    (void)poll(&p, 1, 100);
    for (int tries = 0; tries < 10 && waitpid(entered->keeper, NULL, WNOHANG) == 0; tries++) {
        nanosleep(&pause, NULL);
        pause.tv_nsec *= 2;
    }
}

/* Waits for the keeper's answer. A first signal cancels the command; if it runs by then, it gets the signal. A
 * second one gives up waiting. */
static int await_keeper(const struct entered *entered, int *early, struct err *e)
{
    _cleanup_close_ int signals = supervise_open_signals(-1, e);
    struct pollfd p[] = {{.fd = entered->channel, .events = POLLIN},
                         {.fd = signals, .events = POLLIN}};
    if (signals < 0)
        return signals;
    for (;;) {
        int n = poll(p, ARRAY_LEN(p), -1);
        if (n < 0 && errno != EINTR)
            return err_set(e, errno, "wait for the command to start");
        if (n > 0 && p[0].revents)
            return 0;
        struct signalfd_siginfo info;
        if (n <= 0 || read(signals, &info, sizeof(info)) != sizeof(info))
            continue;
        if (*early)
            return err_say(e, -EINTR, "interrupted before the command ran");
        *early = (int)info.ssi_signo;
        (void)shutdown(entered->channel, SHUT_WR);
    }
}

/* The keeper sends its descriptors together. */
static int take_command(struct entered *out, struct err *e)
{
    enum message kind;
    int r = channel_receive(out->channel, &kind, &out->command, e);
    if (r == 0 && kind == MESSAGE_TERMINAL) {
        out->terminal = take_fd(out->command);
        r = channel_receive(out->channel, &kind, &out->command, e);
    }
    if (r < 0 || kind == MESSAGE_PIDFD)
        return r;
    channel_drop(kind, out->command);
    out->command = -1;
    return err_say(e, -EPIPE, "the process that keeps the command was killed");
}

int enter_start(struct joining *j, struct entered *out, struct err *e)
{
    int ends[2];
    int r = channel_open(ends, e);
    if (r < 0)
        return r;
    out->channel = ends[0];
    supervise_block_signals();
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
    int early = 0;
    r = await_keeper(out, &early, e);
    if (r == 0)
        r = take_command(out, e);
    if (r == 0 && early)
        (void)pidfd_signal(out->command, early);
    if (r < 0 && early)
        err_status(e, 128 + early);
    if (r < 0) {
        out->channel = close_fd(out->channel);
        entered_reap(out);
    }
    return r;
}
