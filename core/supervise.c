/* The monitor: the one process that each container has beside its own. It is the parent of init, so
 * it alone learns how init ended; it writes the log and forwards signals. Everything that it waits
 * for is in the loop of its caller, which serves bound ports and requests in the same loop.
 *
 * If the monitor dies, the kernel kills the container (PR_SET_PDEATHSIG), because no process would
 * hold the container's ports any more. The kernel clears that signal when a program changes its
 * user; such a container is ended by the next command.
 *
 * A container with a limit of processor time has one more process, for the streams and the log:
 * relay_process.h.
 */
#include "cgroup_relay.h"
#include "client.h"
#include "process.h"
#include "relay_process.h"
#include "terminal.h"
#include "viewers.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>

enum {
    RELAY_PATIENCE_MS = 1000, /* for a relay that hangs, when a command asks for the end */
    PIPE_GRACE_MS = 1000, /* for a program that SIGPIPE cannot kill, and whose children it can */
};

static void forwarded_signals(sigset_t *set)
{
    static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
    sigemptyset(set);
    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        sigaddset(set, signals[i]);
}

void supervise_block_signals(void)
{
    sigset_t set;
    forwarded_signals(&set);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

int supervise_open_signals(int old, struct err *e)
{
    sigset_t set;
    forwarded_signals(&set);
    int fd = signalfd(old, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? err_set(e, errno, "listen for signals") : fd;
}

int supervise_listen(struct process *c, struct err *e)
{
    supervise_block_signals();
    if (c->signal_fd < 0)
        c->signal_fd = supervise_open_signals(-1, e);
    return c->signal_fd < 0 ? c->signal_fd : 0;
}

struct monitor {
    struct process *c;
    const struct supervise_options *options;
    int signals;
    int interrupts; /* SIGINT and SIGTERM so far */
    struct rotation rotation;
    struct stream streams[STREAMS];
    struct relay relay;
    bool waits; /* for the client to make its terminal raw; until then no output is shown */
    bool ended;
    int64_t end;    /* monotonic_ms() of it */
    int64_t active; /* monotonic_ms() of the last event of init, a stream or a signal */
    int status;
    int error;          /* errno of the last reap() */
    int failures;       /* consecutive failures of watching or waiting */
    bool output_broken; /* a reader of the output has gone */
    int64_t
        pipe_deadline; /* monotonic_ms() at which init is killed if it ignores SIGPIPE; 0: never */
    bool pipe_killed;
};

/* Has a command or a signal asked for the end? 1, 0 or -errno. */
static int end_asked(const struct monitor *m)
{
    const struct supervise_options *o = m->options;
    if (m->c->end_requested)
        return 1;
    return o->end_asked ? o->end_asked(o->arg) : 0;
}

/* A signal for this process (@by_client false), or one that the client has passed on. A pid 1 without a handler ignores
 * every signal but SIGKILL, so the third ^C sends that. */
static void forward(struct monitor *m, int sig, pid_t sender, bool by_client)
{
    struct client *client = m->options->client;
    if (client && client_repeats(client, sig, sender, by_client))
        return;
    m->c->interrupted = m->c->interrupted || sig == SIGINT;
    m->c->end_requested = m->c->end_requested || sig == SIGKILL;
    if ((sig == SIGINT || sig == SIGTERM) && ++m->interrupts >= 3)
        sig = SIGKILL;
    else if (m->interrupts == 2 && client_is_here(client))
        warn("`%s` has not ended yet; once more kills it", m->c->plan.name);
    m->c->end_requested = m->c->end_requested || m->interrupts > 0;
    /* The host goes down: the monitor of a client passes on what the user sent. */
    if (!by_client && sig == SIGTERM && m->c->plan.stop_signal)
        sig = m->c->plan.stop_signal;
    if (m->c->pidfd >= 0)
        (void)pidfd_signal(m->c->pidfd, sig);
}

static int reap(struct monitor *m)
{
    int status;
    pid_t pid = waitpid(m->c->pid, &status, WNOHANG);
    if (pid <= 0)
        return pid == 0 || errno == EINTR ? 0 : -errno;
    m->ended = true;
    m->c->peer = close_fd(m->c->peer); /* the terminal ends with the last of its processes */
    m->end = m->active = monotonic_ms();
    m->c->sigkilled =
        (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) ||
        (m->c->plan.init && WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGKILL);
    m->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    if (m->pipe_killed && m->status == 128 + SIGKILL)
        m->status = 128 + SIGPIPE;
    return 0;
}

static bool drained(const struct monitor *m)
{
    if (m->c->relayed)
        return m->relay.through;
    return stream_drained(&m->streams[STREAM_OUT]) && stream_drained(&m->streams[STREAM_ERR]);
}

/* True if output is left that a slow reader (a pager) has not read yet. The monitor waits for it,
 * unless a command asks for the end of the container now. */
static bool is_read_slowly(const struct monitor *m)
{
    return (stream_pending(&m->streams[STREAM_OUT]) || stream_pending(&m->streams[STREAM_ERR])) &&
           end_asked(m) == 0;
}

/* True if everything that init left in the pipes has been copied. Processes that outlive init may
 * keep the pipes open. */
static bool is_quiet(const struct monitor *m)
{
    return m->ended && !m->c->relayed && monotonic_ms() - m->active >= DRAIN_MS &&
           streams_rest(m->streams) && !is_read_slowly(m);
}

/* True if the last output has been waiting too long for a slow log while a command asks for the
 * end. */
static bool is_overdue(const struct monitor *m)
{
    return m->ended && monotonic_ms() - m->end > RELAY_PATIENCE_MS && end_asked(m) != 0;
}

/* ---- a client that leaves --------------------------------------------------------------------*/

/* The program runs on, and its output is only logged. Its stdin ends, unless that is a terminal. */
static void part_with_client(struct monitor *m)
{
    struct client *client = m->options->client;
    for (int i = STREAM_OUT; i <= STREAM_ERR; i++)
        stream_forget_reader(&m->streams[i]);
    if (client->streams[0] >= 0) {
        stream_unwatch(&m->streams[STREAM_IN]);
        m->streams[STREAM_IN] =
            (struct stream){.from = -1, .to = close_fd(m->streams[STREAM_IN].to), .log = -1};
    }
    relay_forget_readers(&m->relay);
    loop_remove_fd(m->options->loop, client->channel);
    client_leave(client);
}

static void on_word(void *monitor, const struct client_word *word)
{
    struct monitor *m = monitor;
    if (word->sig)
        forward(m, word->sig, word->sender, true);
    else if (m->c->plan.tty) {
        m->c->size = word->size; /* also of its next run */
        terminal_set_size(m->c->stdout_fd, &word->size);
    }
}

static void on_client(int fd, uint32_t events, void *monitor)
{
    struct monitor *m = monitor;
    struct client_word word;
    (void)events;
    int r = client_hear(fd, &word);
    m->waits = m->waits && r == 0;
    if (r < 0)
        part_with_client(m);
    if (r > 0)
        on_word(m, &word);
    m->active = r > 0 ? monotonic_ms() : m->active;
}

/* ---- clients of `attach` ---------------------------------------------------------------------*/

static void on_joined(void *monitor, int channel)
{
    struct monitor *m = monitor;
    relay_show(&m->relay, channel);
}

/* Those who are attached stay from one run to the next. @input: the program's stdin; NULL: no program runs. */
static void meet_viewers(struct monitor *m, const int *input)
{
    struct process *c = m->c;
    if (!c->viewers)
        c->viewers = viewers_new(m->options->loop);
    c->viewers->said = on_word;
    c->viewers->joined = on_joined;
    c->viewers->arg = m;
    for (int i = STREAM_OUT; i <= STREAM_ERR; i++)
        m->streams[i].audience = &c->viewers->audience;
    viewers_begin(c->viewers, input);
}

static void leave_viewers(struct process *c)
{
    c->viewers->said = NULL;
    c->viewers->joined = NULL;
    viewers_begin(c->viewers, NULL);
}

int supervise_attach(struct process *p, int channel, struct err *e)
{
    _cleanup_close_ int own = channel;
    int r = p->viewers ? viewers_add(p->viewers, own, e)
                       : err_say(e, -EAGAIN, "no program has run yet");
    if (r == 0)
        own = -1;
    return r;
}

/* ---- a reader that leaves --------------------------------------------------------------------*/

/* The kernel drops SIGPIPE for a pid 1 that has the default action. */
static bool ignores_sigpipe(pid_t pid)
{
    static const char *const fields[] = {"\nSigBlk:\t", "\nSigIgn:\t", "\nSigCgt:\t"};
    _cleanup_free_ char *path = xasprintf("/proc/%d/status", pid), *text = NULL;
    if (read_file_at(AT_FDCWD, path, 65536, &text, NULL) < 0)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        const char *field = strstr(text, fields[i]);
        if (!field || (strtoull(field + strlen(fields[i]), NULL, 16) & (1ULL << (SIGPIPE - 1))))
            return false;
    }
    return true;
}

static bool has_children(pid_t pid)
{
    _cleanup_free_ char *path = xasprintf("/proc/%d/task/%d/children", pid, pid), *text = NULL;
    return read_file_at(AT_FDCWD, path, 65536, &text, NULL) != 0 || *text;
}

static bool is_newly_broken(struct monitor *m, int i)
{
    struct stream *s = &m->streams[i];
    if (m->c->relayed)
        s->broken = m->relay.broken[i];
    return s->broken && s->from >= 0;
}

/* `netctr run … | head -1` ends as any pipeline does: the next write gets SIGPIPE or EPIPE. If
 * SIGPIPE would kill any other process than a pid 1, the monitor kills the pid 1: at once if no
 * child can have written the output, so that it does not see EPIPE; otherwise after a second, in
 * which it may handle the end of its children. */
static void hang_up(struct monitor *m)
{
    int *const ends[] = {&m->c->stdout_fd, &m->c->stderr_fd};
    bool broke = false;
    if ((is_newly_broken(m, STREAM_OUT) || is_newly_broken(m, STREAM_ERR)) &&
        client_has_left(m->options->client)) { /* killed together with its reader */
        part_with_client(m);
        return;
    }
    for (int i = STREAM_OUT; i <= STREAM_ERR; i++) {
        broke = is_newly_broken(m, i) || broke;
        m->output_broken = m->output_broken || m->streams[i].broken;
        m->c->output_failed = m->c->output_failed || stream_failed(&m->streams[i]);
    }
    if (broke) {
        bool waits = m->c->output_failed || has_children(m->c->pid);
        m->pipe_deadline = monotonic_ms() + (waits ? PIPE_GRACE_MS : 0);
    }
    if (m->pipe_deadline && !m->ended && monotonic_ms() >= m->pipe_deadline) {
        m->pipe_deadline = 0;
        m->pipe_killed = ignores_sigpipe(m->c->pid) && pidfd_signal(m->c->pidfd, SIGKILL) == 0;
    }
    if (!broke)
        return;
    for (int i = STREAM_OUT; i <= STREAM_ERR; i++) {
        if (!m->c->relayed)
            stream_log_rest(&m->streams[i]);
        (void)stream_hang_up(&m->streams[i], ends[i]);
    }
    relay_hang_up(&m->relay);
}

/* ---- one turn --------------------------------------------------------------------------------*/

/* Watching or waiting has failed with @error. A shortage of memory may pass, and the caller already
 * knows that the program runs, so the monitor tries again for a second. */
static int endure(struct monitor *m, int error)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    if (++m->failures > 100)
        return error;
    nanosleep(&pause, NULL);
    return 0;
}

static void on_signal(int fd, uint32_t events, void *monitor)
{
    struct monitor *m = monitor;
    struct signalfd_siginfo info;
    (void)events;
    m->active = monotonic_ms();
    if (read(fd, &info, sizeof(info)) == sizeof(info))
        forward(m, (int)info.ssi_signo, (pid_t)info.ssi_pid, false);
}

static void on_init(int fd, uint32_t events, void *monitor)
{
    struct monitor *m = monitor;
    (void)events;
    m->error = reap(m);
    if (m->ended)
        loop_remove_fd(m->options->loop, fd);
}

static void on_stream(int fd, uint32_t events, void *monitor)
{
    struct monitor *m = monitor;
    m->active = monotonic_ms();
    for (int i = 0; i < STREAMS; i++)
        if (stream_waits_for(&m->streams[i], fd)) {
            stream_run(&m->streams[i], (short)events);
            return;
        }
}

static int turn(struct monitor *m, int timeout_ms)
{
    struct loop *loop = m->options->loop;
    int r = 0;
    if (m->c->viewers)
        r = viewers_watch(m->c->viewers);
    for (int i = 0; r == 0 && i < STREAMS && !m->c->relayed && !m->waits; i++)
        r = stream_watch(&m->streams[i], loop, on_stream, m);
    if (r == 0)
        r = loop_run_once(loop, timeout_ms);
    if (r < 0)
        return endure(m, r);
    m->failures = 0;
    return m->error;
}

/* ---- the relay -------------------------------------------------------------------------------*/

/* The relay may have rotated the log since it was opened. */
static void take_over(struct monitor *m)
{
    m->c->relayed = false;
    m->active = monotonic_ms();
    (void)supervise_open_log(m->c, NULL);
    m->rotation = process_rotation(m->c);
    for (int i = STREAM_OUT; i <= STREAM_ERR; i++)
        m->streams[i].log = m->c->log_fd;
}

/* A killed relay is replaced only while the program runs, so that its work counts as the
 * container's. After the end little output is left, and a command may be waiting, so the monitor
 * copies it. */
static void start_relay(struct monitor *m)
{
    if (m->relay.pid || m->relay.through || m->waits)
        return;
    if (m->ended) {
        take_over(m);
        return;
    }
    _cleanup_free_ char *cgroup = plan_cgroup(&m->c->plan);
    const struct relay_work work = {.streams = m->streams,
                                    .audience = &m->c->viewers->audience,
                                    .log = m->c->log_fd,
                                    .rotation = m->rotation,
                                    .cgroup = cgroup};
    (void)relay_start(&m->relay, &work);
}

/* Restarts a relay that was killed: only what it had read and not yet written is lost. After the
 * end of the program it tells the relay so, and stops it if a command asks for the end. */
static void tend_relay(struct monitor *m)
{
    struct relay *r = &m->relay;
    if (r->stdin_ended)
        m->streams[STREAM_IN] =
            (struct stream){.from = -1, .to = close_fd(m->streams[STREAM_IN].to), .log = -1};
    start_relay(m);
    if (!m->ended)
        return;
    if (r->pid && !r->end_sent) {
        plan_let_die(&m->c->plan); /* lifts the quota, so that the relay copies the rest at once */
        relay_tell_end(r);
    }
    bool stuck = r->pid && monotonic_ms() - m->end > RELAY_PATIENCE_MS;
    if ((r->waits || stuck) && end_asked(m) != 0) {
        relay_stop(r);
        r->through = true;
    }
    r->waits = false;
}

/* How long to wait for an event, in milliseconds. -1: no limit. */
static int patience(const struct monitor *m)
{
    const int64_t quiet = m->active + DRAIN_MS - monotonic_ms();
    if (m->ended)
        return quiet > 0 ? (int)quiet : DRAIN_MS;
    if (!m->pipe_deadline)
        return -1;
    const int64_t left = m->pipe_deadline - monotonic_ms();
    return left < 0 ? 0 : (int)left;
}

static int relayed_patience(const struct monitor *m)
{
    bool missing = m->c->relayed && !m->relay.through && m->relay.pid == 0;
    int64_t left = missing ? m->relay.retry - monotonic_ms() : DRAIN_MS;
    left = left < 0 ? 0 : left < DRAIN_MS || !m->ended ? left : DRAIN_MS;
    return missing || m->ended ? (int)left : patience(m);
}

static int relayed_turn(struct monitor *m)
{
    tend_relay(m);
    return turn(m, relayed_patience(m));
}

/* ---- the program's life ----------------------------------------------------------------------*/

static void open_monitor_streams(struct monitor *m)
{
    static const int detached[] = {-1, -1, -1};
    struct process *c = m->c;
    const int *client = client_is_here(m->options->client) ? m->options->client->streams : detached;
    bool reads = client[0] >= 0 && c->stdin_fd >= 0;
    int program_stdin = take_fd(c->stdin_fd);
    m->rotation = process_rotation(c);
    m->streams[STREAM_OUT] = (struct stream){.from = c->stdout_fd,
                                             .to = client[1],
                                             .log = c->log_fd,
                                             .rotation = &m->rotation,
                                             .tag = "stdout"};
    m->streams[STREAM_ERR] = (struct stream){.from = c->stderr_fd,
                                             .to = client[2],
                                             .log = c->log_fd,
                                             .rotation = &m->rotation,
                                             .tag = "stderr"};
    m->streams[STREAM_IN] = (struct stream){.from = reads ? client[0] : -1,
                                            .to = program_stdin,
                                            .close_to = true,
                                            .log = -1,
                                            .tag = "stdin"};
    c->relayed = c->plan.limits.cpu_milli > 0;
}

static int watch_signals(struct monitor *m)
{
    struct loop *loop = m->options->loop;
    int r = watch_patiently(loop, m->signals, EPOLLIN, on_signal, m);
    if (r == 0 && client_is_here(m->options->client))
        r = watch_patiently(loop, m->options->client->channel, EPOLLIN, on_client, m);
    return r;
}

static void unwatch_signals(struct monitor *m)
{
    loop_remove_fd(m->options->loop, m->signals);
    if (client_is_here(m->options->client))
        loop_remove_fd(m->options->loop, m->options->client->channel);
}

static int begin_watching(struct monitor *m)
{
    struct loop *loop = m->options->loop;
    int r = watch_signals(m);
    return r < 0 ? r : watch_patiently(loop, m->c->pidfd, EPOLLIN, on_init, m);
}

static void stop_watching(struct monitor *m)
{
    unwatch_signals(m);
    loop_remove_fd(m->options->loop, m->c->pidfd);
    for (int i = 0; i < STREAMS; i++)
        stream_unwatch(&m->streams[i]);
}

int supervise_run(struct process *c, const struct supervise_options *options, struct err *e)
{
    struct monitor m = {.c = c, .options = options, .relay = RELAY_INIT(options->loop)};
    m.signals = c->signal_fd;
    open_monitor_streams(&m);
    m.waits = c->plan.tty && client_is_here(options->client) && !c->met_client;
    c->met_client = true;
    const int *master = c->plan.interactive ? &c->stdout_fd : NULL;
    meet_viewers(&m, c->plan.tty ? master : &m.streams[STREAM_IN].to);
    int r = begin_watching(&m);
    while (r == 0 && !(m.ended && drained(&m)) && !is_overdue(&m) && !is_quiet(&m)) {
        r = c->relayed ? relayed_turn(&m) : turn(&m, patience(&m));
        hang_up(&m);
    }
    relay_stop(&m.relay);
    stop_watching(&m);
    leave_viewers(c);
    c->relayed = false;
    log_finish(c->log_fd, &m.rotation);
    c->end_requested =
        c->end_requested || m.output_broken; /* another run would have no reader either */
    close_fd(m.streams[STREAM_IN].to);
    if (r < 0)
        return err_set(e, r, "watch the container");
    return m.status;
}

int supervise_pause(struct process *c, const struct supervise_options *options, int ms,
                    struct err *e)
{
    struct monitor m = {
        .c = c, .options = options, .signals = c->signal_fd, .relay = RELAY_INIT(options->loop)};
    for (int i = 0; i < STREAMS; i++)
        m.streams[i] = (struct stream){.from = -1, .to = -1, .log = -1};
    const int64_t end = monotonic_ms() + ms;
    int r = watch_signals(&m);
    if (r < 0)
        return err_set(e, r, "watch signals");
    meet_viewers(&m, NULL);
    for (int64_t left = ms; r == 0 && left > 0 && !c->end_requested; left = end - monotonic_ms())
        r = turn(&m, (int)left);
    leave_viewers(c);
    unwatch_signals(&m);
    return r < 0 ? err_set(e, r, "wait for the container's next run") : 0;
}
