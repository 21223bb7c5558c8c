/* exec: runs another command in a running container. enter.c explains how it gets inside; this file
 * collects what it needs and copies its streams. */
#include "enter.h"
#include "launch.h"
#include "raw.h"
#include "relay.h"
#include "terminal.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>

#define GRACE_MS 100

struct attending {
    struct loop *loop;
    struct err *e;
    int failed;  /* error of reading the exit status */
    int command; /* pidfd */
    int keeper;  /* sends the exit status */
    int signals;
    struct raw raw; /* our terminal, if the command has one */
    struct key_filter keys;
    struct stream *streams; /* in, out, err */
    int *ends[3];           /* the ends of the pipes that are read */
    unsigned asked;         /* signals received, each a request to end */
    bool ended;
    bool terminal; /* the command has one */
    bool left;     /* … whose output has no reader any more */
    int64_t grace_ends;
    size_t
        owed[3]; /* bytes that the command had written when it ended, and that are still unread */
    int status;
};

/* poll() brings what is on its way through a terminal. */
static size_t waiting(const struct stream *s)
{
    int bytes = 0;
    struct pollfd p = {.fd = s->from, .events = POLLIN};
    (void)poll(&p, 1, 0);
    return s->from >= 0 && ioctl(s->from, FIONREAD, &bytes) == 0 ? (size_t)bytes : 0;
}

/* What the command wrote is in the pipes. Other processes may go on writing to them for any time.
 */
static int note_end(struct attending *a, struct err *e)
{
    enum message kind;
    int r = channel_receive(a->keeper, &kind, &a->status, e);
    if (r < 0)
        return r;
    if (kind != MESSAGE_EXITED)
        return err_say(e, -EPIPE, "the process that keeps the command was killed");
    for (int i = 1; i < 3; i++)
        a->owed[i] = waiting(&a->streams[i]);
    a->ended = true;
    a->grace_ends = monotonic_ms() + GRACE_MS;
    return 0;
}

/* True if everything that the command itself wrote has been copied. A slow reader (a pager) is
 * waited for, unless a signal has asked for the end. */
static bool is_over(const struct attending *a)
{
    const struct stream *out = &a->streams[1], *err = &a->streams[2];
    if (!a->ended)
        return false;
    if (stream_ended(out) && stream_ended(err))
        return true;
    bool handed_on = a->owed[1] + a->owed[2] == 0 && !stream_pending(out) && !stream_pending(err);
    return (handed_on || a->asked > 0) && monotonic_ms() >= a->grace_ends;
}

/* Another process in the container may read from these pipes, too. */
static void forget_what_is_gone(struct attending *a)
{
    for (int i = 1; i < 3; i++)
        if (a->owed[i] > waiting(&a->streams[i]))
            a->owed[i] = waiting(&a->streams[i]);
}

static void run_stream(struct attending *a, int i, short events)
{
    struct stream *s = &a->streams[i];
    bool reads = !stream_pending(s);
    stream_run(s, events);
    size_t read = reads ? s->used : 0;
    if (i != 0 && stream_hang_up(s, a->ends[i]) && a->terminal)
        a->left = true; /* when we end, the keeper closes the terminal as well */
    if (stream_ended(s) || read > a->owed[i])
        a->owed[i] = 0;
    else
        a->owed[i] -= read;
}

/* As for `run`, the third signal kills. */
static void forward(struct attending *a)
{
    struct signalfd_siginfo info;
    if (read(a->signals, &info, sizeof(info)) != sizeof(info))
        return;
    a->asked++;
    if (a->ended)
        a->grace_ends = 0;
    (void)pidfd_signal(a->command, a->asked >= 3 ? SIGKILL : (int)info.ssi_signo);
    static const char text[] =
        "netctr: warning: the command has not ended yet; once more kills it\n";
    if (a->asked == 2 && !a->ended)
        raw_print(&a->raw, text, strlen(text));
}

/* Our terminal has another size, or we have been stopped. */
static void on_terminal(int fd, uint32_t events, void *attending)
{
    struct attending *a = attending;
    struct winsize size;
    (void)fd;
    (void)events;
    if (raw_hear(&a->raw) && terminal_size(&size))
        terminal_set_size(*a->ends[1], &size);
}

static void on_signal(int fd, uint32_t events, void *attending)
{
    (void)fd;
    (void)events;
    forward(attending);
}

static void on_stream(int fd, uint32_t events, void *attending)
{
    struct attending *a = attending;
    int i = 0;
    while (i < 2 && !stream_waits_for(&a->streams[i], fd))
        i++;
    run_stream(a, i, (short)events);
}

static void on_end(int fd, uint32_t events, void *attending)
{
    struct attending *a = attending;
    (void)events;
    loop_remove_fd(a->loop, fd);
    a->failed = note_end(a, a->e);
}

static int turn(struct attending *a)
{
    int64_t left = a->grace_ends - monotonic_ms();
    /* After the grace period only the reader is waited for, but the loop checks whether unread
     * bytes are still in the pipe. */
    int patience = !a->ended ? -1 : left > 0 ? (int)left : GRACE_MS, r = 0;
    for (int i = 0; r == 0 && i < 3; i++)
        r = stream_watch(&a->streams[i], a->loop, on_stream, a);
    if (r == 0)
        r = loop_run_once(a->loop, patience);
    if (r < 0)
        return err_set(a->e, r, "copy the command's streams");
    if (r == 0 && a->ended && left <= 0)
        forget_what_is_gone(a);
    return a->failed;
}

static int watch_command(struct attending *a)
{
    int r = loop_new(&a->loop, a->e);
    if (r == 0)
        r = loop_add_fd(a->loop, a->signals, EPOLLIN, on_signal, a, a->e);
    if (r == 0 && a->terminal)
        r = raw_listen(&a->raw, a->e);
    if (r == 0 && a->terminal)
        r = loop_add_fd(a->loop, a->raw.signals, EPOLLIN, on_terminal, a, a->e);
    return r < 0 ? r : loop_add_fd(a->loop, a->keeper, EPOLLIN, on_end, a, a->e);
}

/* Copies the streams until the command has ended and its output has been read or is not wanted. */
static int attend(struct entered *entered, const struct exec_request *request,
                  struct stream streams[3], int *out, int *err, struct err *e)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGQUIT);
    _cleanup_close_ int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    struct attending a = {.e = e,
                          .command = entered->command,
                          .keeper = entered->channel,
                          .signals = signals,
                          .raw = RAW_INIT,
                          .terminal = request->tty,
                          .streams = streams,
                          .ends = {NULL, out, err}};
    if (signals < 0)
        return err_set(e, errno, "listen for signals");
    stream_unblock_terminal(STDOUT_FILENO);
    stream_unblock_terminal(STDERR_FILENO);
    int r = watch_command(&a);
    a.keys.keys = &request->keys;
    if (r == 0 && request->tty && request->interactive) {
        raw_begin(&a.raw, STDIN_FILENO);
        streams[0].keys = &a.keys;
    }
    while (r == 0 && !is_over(&a) && !a.left && !a.keys.left)
        r = turn(&a);
    raw_end(&a.raw);
    for (int i = 0; i < 3; i++)
        stream_unwatch(&streams[i]);
    loop_free(a.loop);
    if (r == 0 && a.keys.left && channel_send(entered->channel, MESSAGE_DETACHED) == 0)
        return STATUS_DETACHED;
    if (r == 0 && a.left && !a.ended)
        return 128 + SIGPIPE;
    if (r == 0)
        entered_reap(entered);
    if (r == 0 && a.status == 0 && (stream_failed(&streams[1]) || stream_failed(&streams[2])))
        return EXIT_NETCTR; /* the command cannot know that its output was lost */
    return r < 0 ? r : a.status;
}

static strv environment(const struct plan *s, const struct exec_request *request)
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

/* While a container ends, its parts disappear one after the other: its namespaces become empty, its
 * cgroup is removed, a process that has just entered is killed. The errors of these steps do not
 * name the cause, so this function does. */
static int explain_end(const struct plan *plan, int pidfd, int code, struct err *e)
{
    /* ENOMEM: clone() into a pid namespace whose init has ended */
    bool perhaps =
        code == -ESRCH || code == -ENODEV || code == -ENOENT || code == -EPIPE || code == -ENOMEM;
    if (!perhaps || (e && e->status) || pidfd_wait(pidfd, 200) < 0)
        return code;
    return err_say(e, -ESRCH, "container `%s` has just ended", plan->name);
}

/* The ends of the command's terminal, as open_streams() has those of pipes. */
static int open_terminal(struct entered *entered, bool interactive, int *in, int *out,
                         struct err *e)
{
    if (entered->terminal < 0)
        return err_say(e, -EPIPE, "the command has no terminal");
    if (fcntl(entered->terminal, F_SETFL, O_RDWR | O_NONBLOCK) < 0 ||
        (interactive && (*in = fcntl(entered->terminal, F_DUPFD_CLOEXEC, 3)) < 0))
        return err_set(e, errno, "set up the terminal");
    *out = take_fd(entered->terminal);
    return 0;
}

/* Starts the command and copies its streams, unless it is detached. */
static int run_command(struct joining *j, struct err *e)
{
    const struct exec_request *request = j->request;
    struct entered entered = ENTERED_INIT;
    int in = -1, out = -1, err = -1;
    int code = request->detached || request->tty ? 0
                                                 : open_streams(request->interactive, &j->plan->ids,
                                                                j->streams, &in, &out, &err, e);
    if (code == 0)
        code = enter_start(j, &entered, e);
    if (code == 0 && request->tty && !request->detached)
        code = open_terminal(&entered, request->interactive, &in, &out, e);
    struct stream streams[3] = {
        {.from = in >= 0 ? STDIN_FILENO : -1,
         .to = in,
         .close_to = true,
         .log = -1,
         .tag = "stdin"},
        {.from = out, .to = STDOUT_FILENO, .log = -1, .tag = "stdout"},
        {.from = err, .to = STDERR_FILENO, .log = -1, .tag = "stderr"},
    };
    if (code == 0 && !request->detached)
        code = attend(&entered, request, streams, &out, &err, e);
    entered_clear(&entered);
    close_fd(streams[0].to);
    close_fd(out);
    close_fd(err);
    return code;
}

int process_exec(const struct plan *plan, pid_t pid, uint64_t pid_start,
                 const struct exec_request *request, struct err *e)
{
    _cleanup_free_ char *path = plan_cgroup(plan);
    _cleanup_cgroup_host_ struct cgroup_host host = {0};
    _cleanup_cgroup_entry_ struct cgroup_entry entry = CGROUP_ENTRY_INIT;
    _cleanup_seccomp_ struct seccomp_filter filter = {0};
    _cleanup_close_ int pidfd = pidfd_of(pid, pid_start);
    if (pidfd < 0)
        return pidfd == -ESRCH
                   ? err_say(e, pidfd, "container `%s` has just ended", plan->name)
                   : err_set(e, pidfd, "look at the program of container `%s`", plan->name);
    int code = caller_reset(e);
    if (code == 0)
        code = plan_probe_cgroups(plan, &host, e);
    if (code == 0)
        code = cgroup_open_entry(&host, path, &entry, e);
    if (code == 0)
        code = seccomp_filter_for(plan->caps, &filter, e);
    if (code < 0)
        return explain_end(plan, pidfd, code, e);
    _cleanup_close_ int stub = stub_open(STUB_FORKS, e);
    if (stub < 0)
        return stub;
    _cleanup_strv_ strv env = environment(plan, request);
    struct joining j = {.plan = plan,
                        .request = request,
                        .entry = &entry,
                        .filter = &filter,
                        .env = env,
                        .pidfd = pidfd,
                        .stub = stub,
                        .streams = {-1, -1, -1}};
    if (request->tty && !request->detached)
        (void)terminal_size(&j.size);
    return explain_end(plan, pidfd, run_command(&j, e), e);
}
