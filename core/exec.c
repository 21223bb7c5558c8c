/* exec: another process in a container that runs.
 *
 *     cgroup → namespaces (all at once, by init's pidfd) → fork into the pid namespace → program
 *
 * Two processes are needed: setns() into a pid namespace holds for children only. The first enters
 * and has the second made as a sibling of its own (CLONE_PARENT), so that the caller is its parent
 * and learns how it ends. Between fork and execve the second is visible inside: it is not dumpable
 * (CVE-2016-9962), and `exec` runs from a sealed file (seal.c).
 */
#include "child.h"
#include "container.h"
#include "relay.h"

#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

struct joining {
    const struct record *record;
    const struct exec_request *request;
    const struct cgroup_entry *entry;
    const struct seccomp_filter *filter;
    strv env;
    int pidfd;
    int stub;
    int channel;    /* the child's end */
    int streams[3]; /* its ends */
};

static _Noreturn void run_program(const struct joining *j)
{
    struct err e = ERR_INIT;
    const struct spec *s = &j->record->spec;
    umask(022);
    int r = setsid() < 0 ? err_set(&e, errno, "begin a session") : 0;
    _cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (r == 0 && root < 0)
        r = err_set(&e, errno, "open the container's root");
    const struct become b = {
        .argv = j->request->argv,
        .env = j->env,
        .user = j->request->user ? j->request->user : s->user,
        .workdir = j->request->workdir ? j->request->workdir : s->workdir,
        .caps = s->caps,
        .filter = j->filter,
        .stub = j->stub,
        .channel = j->channel,
        .streams = {j->streams[0], j->streams[1], j->streams[2]},
    };
    if (r == 0)
        (void)become_program(&b, root, &e);
    (void)channel_send_error(j->channel, &e);
    _exit(EXIT_NETCTR);
}

static int by_number(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* The second process is inside from its first instruction on, where CAP_SYS_PTRACE sees into it: it
 * has nothing of the host's any more but what it will execute and speak over. */
static int leave_host_behind(const struct joining *j)
{
    int keep[] = {j->stub, j->channel, j->streams[0], j->streams[1], j->streams[2]};
    qsort(keep, ARRAY_LEN(keep), sizeof(int), by_number);
    unsigned from = 3;
    for (size_t i = 0; i < ARRAY_LEN(keep); i++) {
        if (keep[i] < (int)from)
            continue;
        if (keep[i] > (int)from && close_range(from, (unsigned)keep[i] - 1, 0) < 0)
            return -errno;
        from = (unsigned)keep[i] + 1;
    }
    if (close_range(from, ~0U, 0) < 0)
        return -errno;
    _cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC); /* the container's, by now */
    for (int i = 0; i < 3; i++)
        if (dup2(j->streams[i] >= 0 ? j->streams[i] : null, i) < 0)
            return -errno;
    return 0;
}

static int join(const struct joining *j, struct err *e)
{
    if (prctl(PR_SET_DUMPABLE, 0) < 0)
        return err_set(e, errno, "hide from the container's processes");
    reset_signals();
    int r = cgroup_join_self(j->entry, e);
    if (r < 0)
        return r;
    int namespaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP;
    if (j->record->spec.network_mode != NETWORK_HOST)
        namespaces |= CLONE_NEWNET;
    if (setns(j->pidfd, namespaces) < 0)
        return err_set(e, errno, "enter the namespaces of container `%s`", j->record->spec.name);
    if ((r = leave_host_behind(j)) < 0)
        return err_set(e, r, "close the host's files");
    struct clone_args args = {.flags = CLONE_PARENT};
    long pid = syscall(SYS_clone3, &args, sizeof(args));
    if (pid < 0)
        return err_set(e, errno, "clone a process into the container");
    if (pid == 0)
        run_program(j);
    /* Our parent is its parent too and waits for it by this number. */
    r = channel_send_number(j->channel, MESSAGE_PROCESS, (int)pid);
    return r < 0 ? err_set(e, r, "tell which process is the command's") : 0;
}

static _Noreturn void run_joiner(const struct joining *j)
{
    struct err e = ERR_INIT;
    int r = join(j, &e);
    if (r < 0)
        (void)channel_send_error(j->channel, &e);
    _exit(0);
}

#define HANDSHAKE_MS 10000

/* ---- the caller ------------------------------------------------------------------------------*/

/* At once, not when its last words have been read: a dead process that nobody has reaped keeps its pid
 * namespace, and with it the container, from ending. */
static int reap(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Copies the streams until the program has ended, and what it wrote has been read or is not wanted any more. */
static int attend(pid_t pid, struct stream streams[3], struct err *e)
{
    _cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0)
        return err_set(e, errno, "watch the command");
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGQUIT);
    _cleanup_close_ int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    bool ended = false, asked = false; /* to end */
    for (int status = 0;;) {
        struct pollfd polled[5];
        for (int i = 0; i < 3; i++)
            polled[i] = stream_interest(&streams[i]);
        polled[3] = (struct pollfd){.fd = ended ? -1 : pidfd, .events = POLLIN};
        polled[4] = (struct pollfd){.fd = signals, .events = POLLIN};
        int n = poll(polled, ARRAY_LEN(polled), ended ? 100 : -1);
        if (n < 0 && errno != EINTR)
            return err_set(e, errno, "copy the command's streams");
        bool slow = !asked && (stream_pending(&streams[1]) || stream_pending(&streams[2]));
        if (ended &&
            ((n == 0 && !slow) || (stream_ended(&streams[1]) && stream_ended(&streams[2]))))
            return status;
        for (int i = 0; n > 0 && i < 3; i++)
            if (polled[i].revents)
                stream_run(&streams[i], polled[i].revents);
        struct signalfd_siginfo info;
        if (n > 0 && polled[4].revents && read(signals, &info, sizeof(info)) == sizeof(info)) {
            (void)pidfd_signal(pidfd, (int)info.ssi_signo);
            asked = true;
        }
        if (n > 0 && polled[3].revents) {
            status = reap(pid);
            ended = true;
        }
    }
}

/* From the stub on, the other end is inside the container, where anybody who may trace it can speak for
 * it: a number is believed once, and only of a process that is our own child. */
static bool is_child(int pid)
{
    siginfo_t info;
    return pid > 0 && waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* Waits for the next message. A process in the container can stop ours before it is the command, or kill
 * it and keep the channel open. */
static int await_message(int channel, pid_t pid, int64_t deadline, struct err *e)
{
    _cleanup_close_ int pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    struct pollfd p[] = {{.fd = channel, .events = POLLIN}, {.fd = pidfd, .events = POLLIN}};
    for (;;) {
        int64_t left = deadline - monotonic_ms();
        int n = poll(p, ARRAY_LEN(p), left > 0 ? (int)left : 0);
        if (n < 0 && errno != EINTR)
            return err_set(e, errno, "hear from the command's process");
        if (n > 0 && p[0].revents)
            return 0;
        if (n > 0) /* its last words, if there are any, came before its end */
            return poll(p, 1, 0) > 0 ? 0 : err_say(e, -EPIPE, "the command's process was killed");
        if (n == 0)
            return err_say(e, -ETIMEDOUT, "the command's process was stopped before it ran");
    }
}

/* Until the channel ends: the number of the program's process, or why there is none. */
static int hear(int channel, const char *command, pid_t *pid, struct err *e)
{
    const int64_t deadline = monotonic_ms() + HANDSHAKE_MS;
    for (bool prepared = false;;) {
        enum message kind;
        int value;
        int r = await_message(channel, *pid, deadline, e);
        if (r == 0)
            r = channel_receive(channel, &kind, &value, e);
        if (r < 0)
            return r;
        switch (kind) {
        case MESSAGE_PROCESS:
            if (*pid == 0 && is_child(value))
                *pid = value;
            break;
        case MESSAGE_PREPARED:
            prepared = true;
            r = channel_send(channel, MESSAGE_START);
            if (r < 0 && r != -EPIPE) /* EPIPE: it is gone, and has told why or will not */
                return err_set(e, r, "start the command");
            break;
        case MESSAGE_NOT_RUN:
        case MESSAGE_NO_LOADER: return stub_failure(command, kind, value, e);
        default:
            return *pid > 0 && prepared ? 0
                                        : err_say(e, -EPIPE, "the command's process was killed");
        }
    }
}

static int run_joining(struct joining *j, struct stream streams[3], struct err *e)
{
    int ends[2];
    int r = channel_open(ends, e);
    if (r < 0)
        return r;
    j->channel = ends[1];
    monitor_block_signals();
    pid_t joiner = fork();
    if (joiner == 0) {
        close(ends[0]);
        run_joiner(j);
    }
    close(ends[1]);
    for (int i = 0; i < 3; i++)
        j->streams[i] = close_fd(j->streams[i]);
    _cleanup_close_ int channel = ends[0];
    if (joiner < 0)
        return err_set(e, errno, "fork");
    (void)waitpid(joiner, NULL, 0);
    pid_t pid = 0;
    r = hear(channel, j->request->argv[0], &pid, e);
    if (r < 0) {
        if (pid > 0) {
            (void)kill(pid, SIGKILL); /* our own child, not reaped: the number is its */
            (void)waitpid(pid, NULL, 0);
        }
        return r;
    }
    return j->request->detached ? 0 : attend(pid, streams, e);
}

static strv environment(const struct spec *s, const struct exec_request *request)
{
    strv env = strv_copy(request->env);
    strv_each (entry, s->env) {
        size_t key = strcspn(entry, "=") + 1;
        bool overridden = false;
        strv_each (own, request->env)
            overridden = overridden || strncmp(own, entry, key) == 0;
        if (!overridden)
            strv_add(&env, entry);
    }
    return env;
}

/* The container ends, and what it was made of goes piece by piece: its namespaces are left, its cgroup is
 * removed, whoever has just entered is killed. None of these says what has happened. */
static int explain_end(const struct record *r, int pidfd, int code, struct err *e)
{
    bool perhaps = code == -ESRCH || code == -ENODEV || code == -ENOENT || code == -EPIPE;
    if (!perhaps || (e && e->status) || pidfd_wait(pidfd, 200) < 0)
        return code;
    return err_say(e, -ESRCH, "container `%s` has just ended", r->spec.name);
}

int container_exec(struct store *s, const struct record *r, const struct exec_request *request,
                   struct err *e)
{
    _cleanup_free_ char *path = container_cgroup(s, r->spec.id);
    _cleanup_cgroup_host_ struct cgroup_host host = {0};
    _cleanup_cgroup_entry_ struct cgroup_entry entry = CGROUP_ENTRY_INIT;
    _cleanup_seccomp_ struct seccomp_filter filter = {0};
    _cleanup_close_ int pidfd = pidfd_of(r->pid, r->pid_start);
    if (pidfd < 0)
        return pidfd == -ESRCH
                   ? err_say(e, pidfd, "container `%s` has just ended", r->spec.name)
                   : err_set(e, pidfd, "look at the program of container `%s`", r->spec.name);
    int code = container_probe_cgroups(&r->spec, &host, e);
    if (code == 0)
        code = cgroup_open_entry(&host, path, &entry, e);
    if (code == 0)
        code = seccomp_filter_for(r->spec.caps, &filter, e);
    if (code < 0)
        return explain_end(r, pidfd, code, e);
    _cleanup_close_ int stub = stub_open(e);
    if (stub < 0)
        return stub;
    struct joining j = {.record = r,
                        .request = request,
                        .entry = &entry,
                        .filter = &filter,
                        .pidfd = pidfd,
                        .stub = stub,
                        .streams = {-1, -1, -1}};
    int in = -1, out = -1, err = -1;
    code =
        request->detached ? 0 : open_streams(request->interactive, j.streams, &in, &out, &err, e);
    struct stream streams[3] = {
        {.from = in >= 0 ? STDIN_FILENO : -1, .to = in, .close_to = true, .log = -1},
        {.from = out, .to = STDOUT_FILENO, .log = -1},
        {.from = err, .to = STDERR_FILENO, .log = -1},
    };
    j.env = environment(&r->spec, request);
    if (code == 0)
        code = run_joining(&j, streams, e);
    code = explain_end(r, pidfd, code, e);
    strv_free(j.env);
    close_fd(streams[0].to);
    close_fd(out);
    close_fd(err);
    return code;
}
