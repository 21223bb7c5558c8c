/* The monitor: one process that a container has beside its own, and its only one. It is the parent
 * of init, so it alone learns how it ended; it writes the log, forwards signals, and watches fds for
 * others (held ports) of which it knows nothing else. Should it die, the kernel takes the container
 * with it (PR_SET_PDEATHSIG): a container without a monitor would have nobody to hold its ports. A
 * program that changes its own user loses that bond (the kernel's rule); the next command ends it.
 * A container that pays for its processor time has one more process, for the streams and the log: relay_process.h.
 */
#include "cgroup_relay.h"
#include "container.h"
#include "relay_process.h"

#include <errno.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>

enum {
    RELAY_PATIENCE_MS = 1000
}; /* with a relay that does not get on while somebody waits for the end */

static void forwarded_signals(sigset_t *set)
{
    static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
    sigemptyset(set);
    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        sigaddset(set, signals[i]);
}

void monitor_block_signals(void)
{
    sigset_t set;
    forwarded_signals(&set);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

int monitor_open_signals(struct err *e)
{
    sigset_t set;
    forwarded_signals(&set);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? err_set(e, errno, "listen for signals") : fd;
}

int monitor_listen(struct container *c, struct err *e)
{
    monitor_block_signals();
    if (c->signal_fd < 0)
        c->signal_fd = monitor_open_signals(e);
    return c->signal_fd < 0 ? c->signal_fd : 0;
}

struct monitor {
    struct container *c;
    const struct monitor_options *options;
    int signals;
    int interrupts; /* SIGINT and SIGTERM so far */
    struct rotation rotation;
    struct stream streams[STREAMS];
    struct relay relay;
    bool ended;
    int64_t end; /* when */
    int status;
    int failures; /* of poll(), in a row */
};

/* A program that is pid 1 and has no handler is deaf to every signal but SIGKILL. Who presses ^C a
 * third time means it. */
static void forward(struct monitor *m)
{
    struct signalfd_siginfo info;
    if (read(m->signals, &info, sizeof(info)) != sizeof(info))
        return;
    int sig = (int)info.ssi_signo;
    if ((sig == SIGINT || sig == SIGTERM) && ++m->interrupts >= 3)
        sig = SIGKILL;
    else if (m->interrupts == 2 && m->options->attached)
        warn("`%s` has not ended yet; once more kills it", m->c->spec.name);
    m->c->told_to_end = m->c->told_to_end || m->interrupts > 0;
    m->c->interrupted = m->c->interrupted || info.ssi_signo == SIGINT;
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
    m->end = monotonic_ms();
    m->c->sigkilled = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    m->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return 0;
}

static bool drained(const struct monitor *m)
{
    if (m->c->relayed)
        return m->relay.through;
    return stream_drained(&m->streams[STREAM_OUT]) && stream_drained(&m->streams[STREAM_ERR]);
}

/* The program has ended, and whoever reads what it wrote takes his time (a pager): nothing is lost, unless
 * somebody wants the container to end now. */
static bool is_read_slowly(const struct monitor *m)
{
    return (stream_pending(&m->streams[STREAM_OUT]) || stream_pending(&m->streams[STREAM_ERR])) &&
           container_end_asked(m->c) == 0;
}

/* What it wrote last is still being written, to a log that is slow: not for longer than this when somebody wants
 * the end. */
static bool is_overdue(const struct monitor *m)
{
    return m->ended && monotonic_ms() - m->end > RELAY_PATIENCE_MS &&
           container_end_asked(m->c) != 0;
}

/* poll() has failed. Memory that is short may be short for a moment only: the program runs meanwhile, and
 * its caller has been told that it does. */
static int endure(struct monitor *m)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    if (errno == EINTR)
        return 1;
    if (++m->failures > 100)
        return -errno;
    nanosleep(&pause, NULL);
    return 1;
}

/* The fds of one turn: signals, init, the streams or who copies them, then what others watch. */
enum { AT_SIGNALS, AT_INIT, AT_RELAY, AT_TALK, AT_STREAMS, AT_WATCHES = AT_STREAMS + STREAMS };

static size_t gather(const struct monitor *m, struct pollfd *polled)
{
    const struct monitor_options *o = m->options;
    const struct pollfd none = {.fd = -1};
    polled[AT_SIGNALS] = (struct pollfd){.fd = m->signals, .events = POLLIN};
    polled[AT_INIT] = (struct pollfd){.fd = m->ended ? -1 : m->c->pidfd, .events = POLLIN};
    polled[AT_RELAY] = (struct pollfd){.fd = m->relay.pidfd, .events = POLLIN};
    polled[AT_TALK] = (struct pollfd){.fd = m->relay.talk, .events = POLLIN};
    for (int i = 0; i < STREAMS; i++)
        polled[AT_STREAMS + i] = m->c->relayed ? none : stream_interest(&m->streams[i]);
    for (size_t i = 0; i < o->watch_count; i++)
        polled[AT_WATCHES + i] = (struct pollfd){.fd = o->watches[i].fd, .events = POLLIN};
    return AT_WATCHES + o->watch_count;
}

static int turn(struct monitor *m, struct pollfd *polled, int timeout_ms)
{
    const struct monitor_options *o = m->options;
    int ready = poll(polled, gather(m, polled), timeout_ms);
    if (ready < 0)
        return endure(m);
    m->failures = 0;
    if (ready == 0)
        return 0;
    if (polled[AT_SIGNALS].revents)
        forward(m);
    int r = polled[AT_INIT].revents ? reap(m) : 0;
    if (r < 0)
        return r;
    if (polled[AT_RELAY].revents || polled[AT_TALK].revents)
        relay_hear(&m->relay);
    for (int i = 0; i < STREAMS; i++)
        if (polled[AT_STREAMS + i].revents)
            stream_run(&m->streams[i], polled[AT_STREAMS + i].revents);
    for (size_t i = 0; i < o->watch_count; i++)
        if (polled[AT_WATCHES + i].revents)
            o->watches[i].ready(o->watches[i].arg);
    return 1;
}

static struct rotation rotation_of(const struct container *c)
{
    struct stat st;
    return (struct rotation){.dir = c->log_fd >= 0 ? c->dir_fd : -1,
                             .max_size = c->spec.log.max_size,
                             .max_file = c->spec.log.max_file,
                             .size = fstat(c->log_fd, &st) == 0 ? st.st_size : 0};
}

/* ---- the relay -------------------------------------------------------------------------------*/

/* The relay may have begun another file of the log since. */
static void take_over(struct monitor *m)
{
    m->c->relayed = false;
    (void)monitor_open_log(m->c, NULL);
    m->rotation = rotation_of(m->c);
    for (int i = STREAM_OUT; i <= STREAM_ERR; i++)
        m->streams[i].log = m->c->log_fd;
}

/* What is left when the program has ended is little, and somebody waits for the end: a relay that was killed
 * with it is not replaced, the monitor does the rest. Before, it would do work without end that the
 * container is to pay for. */
static void start_relay(struct monitor *m)
{
    if (m->relay.pid || m->relay.through)
        return;
    if (m->ended) {
        take_over(m);
        return;
    }
    _cleanup_free_ char *cgroup = container_cgroup(m->c->store, m->c->spec.id);
    const struct relay_work work = {
        .streams = m->streams, .log = m->c->log_fd, .rotation = m->rotation, .cgroup = cgroup};
    (void)relay_start(&m->relay, &work);
}

/* It is started again when it was killed: what it had read and not written yet is all that is lost. */
static void tend_relay(struct monitor *m)
{
    struct relay *r = &m->relay;
    if (r->stdin_ended)
        m->streams[STREAM_IN] =
            (struct stream){.from = -1, .to = close_fd(m->streams[STREAM_IN].to), .log = -1};
    start_relay(m);
    if (!m->ended)
        return;
    if (r->pid && !r->told) {
        container_let_die(m->c->store, &m->c->spec); /* the relay need not wait for used-up time */
        relay_tell_end(r);
    }
    bool stuck = r->pid && monotonic_ms() - m->end > RELAY_PATIENCE_MS;
    if ((r->waits || stuck) && container_end_asked(m->c) != 0) {
        relay_stop(r);
        r->through = true;
    }
    r->waits = false;
}

/* -1: until something happens. */
static int patience(const struct monitor *m)
{
    bool missing = m->c->relayed && !m->relay.through && m->relay.pid == 0;
    int64_t left = missing ? m->relay.retry - monotonic_ms() : DRAIN_MS;
    left = left < 0 ? 0 : left < DRAIN_MS || !m->ended ? left : DRAIN_MS;
    return missing || m->ended ? (int)left : -1;
}

static int relayed_turn(struct monitor *m, struct pollfd *polled)
{
    tend_relay(m);
    int r = turn(m, polled, patience(m));
    return r == 0 ? 1 : r;
}

/* ---- the log ---------------------------------------------------------------------------------*/

/* What is no file is no log. A run that follows another goes on with the log of before when it cannot have one
 * of its own. */
int monitor_open_log(struct container *c, struct err *e)
{
    if (c->spec.log.driver == LOG_NONE)
        return 0;
    int log = log_open(c->dir_fd);
    if (log < 0 && log != -EBADMSG)
        return c->log_fd >= 0 ? 0 : err_set(e, log, "open the container's log");
    close_fd(c->log_fd);
    c->log_fd = log < 0 ? -1 : log;
    if (log >= 0)
        log_mend(log);
    if (c->existing && c->restarts == 0) /* only then can there have been more files */
        log_tidy(c->dir_fd, c->spec.log.max_file);
    return 0;
}

/* Only one may rotate: while there is a relay, that one does, and the file may be another since. */
static void note(struct container *c, const char *text)
{
    if (c->log_fd < 0)
        return;
    log_reopen(c->log_fd, c->dir_fd);
    struct rotation rotation = rotation_of(c);
    log_note(c->log_fd, c->relayed ? NULL : &rotation, text);
}

void container_note(struct container *c, const char *text)
{
    _cleanup_free_ char *line = xasprintf("netctr: %s", text);
    if (c->log_fd < 0) /* its program has not begun yet */
        (void)monitor_open_log(c, NULL);
    note(c, line);
}

/* ---- the program's life ----------------------------------------------------------------------*/

/* nginx, and many a service, leaves for the background by itself: init ends, and with it the
 * container. Nobody who meets this for the first time finds the reason. */
static void explain_early_end(const struct monitor *m, int64_t begin)
{
    int64_t ms = monotonic_ms() - begin;
    const struct spec *s = &m->c->spec;
    if (m->status != 0 || ms > 2000 || s->restart.policy != RESTART_NO ||
        (!s->detached && strv_len(s->published) == 0))
        return;
    _cleanup_free_ char *text = xasprintf(
        "netctr: `%s` ended after %d ms with exit status 0: if it went to the background by itself, "
        "keep it in front (nginx: `nginx -g 'daemon off;'`)",
        s->argv[0], (int)ms);
    note(m->c, text);
    if (m->options->attached)
        fprintf(stderr, "%s\n", text);
}

static void open_monitor_streams(struct monitor *m)
{
    struct container *c = m->c;
    bool attached = m->options->attached, reads = attached && c->stdin_fd >= 0;
    int program_stdin = take_fd(c->stdin_fd);
    m->rotation = rotation_of(c);
    m->streams[STREAM_OUT] = (struct stream){.from = c->stdout_fd,
                                             .to = attached ? STDOUT_FILENO : -1,
                                             .log = c->log_fd,
                                             .rotation = &m->rotation,
                                             .tag = "stdout"};
    m->streams[STREAM_ERR] = (struct stream){.from = c->stderr_fd,
                                             .to = attached ? STDERR_FILENO : -1,
                                             .log = c->log_fd,
                                             .rotation = &m->rotation,
                                             .tag = "stderr"};
    m->streams[STREAM_IN] = (struct stream){
        .from = reads ? STDIN_FILENO : -1, .to = program_stdin, .close_to = true, .log = -1};
    c->relayed = c->spec.limits.cpu_milli > 0;
}

int monitor_run(struct container *c, const struct monitor_options *options, struct err *e)
{
    struct monitor m = {.c = c, .options = options, .relay = RELAY_INIT};
    const int64_t begin = monotonic_ms();
    m.signals = c->signal_fd;
    open_monitor_streams(&m);
    _cleanup_free_ struct pollfd *polled =
        xcalloc(AT_WATCHES + options->watch_count, sizeof(*polled));
    int r = 1;
    while (r > 0 && !(m.ended && drained(&m)) && !is_overdue(&m)) {
        r = c->relayed ? relayed_turn(&m, polled) : turn(&m, polled, m.ended ? DRAIN_MS : -1);
        if (r == 0 && is_read_slowly(&m))
            r = 1;
    }
    relay_stop(&m.relay);
    c->relayed = false;
    close_fd(m.streams[STREAM_IN].to);
    if (r < 0)
        return err_set(e, r, "watch the container");
    explain_early_end(&m, begin);
    return m.status;
}

int monitor_pause(struct container *c, const struct monitor_options *options, int ms, struct err *e)
{
    struct monitor m = {
        .c = c, .options = options, .signals = c->signal_fd, .relay = RELAY_INIT, .ended = true};
    for (int i = 0; i < STREAMS; i++)
        m.streams[i] = (struct stream){.from = -1, .to = -1, .log = -1};
    _cleanup_free_ struct pollfd *polled =
        xcalloc(AT_WATCHES + options->watch_count, sizeof(*polled));
    const int64_t end = monotonic_ms() + ms;
    int r = 1;
    for (int64_t left = ms; r > 0 && left > 0 && !c->told_to_end; left = end - monotonic_ms())
        r = turn(&m, polled, (int)left);
    return r < 0 ? err_set(e, r, "wait for the container's next run") : 0;
}
