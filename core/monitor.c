/* The monitor: one process that a container has beside its own, and its only one. It is the parent
 * of init, so it alone learns how it ended; it writes the log, forwards signals, and watches fds for
 * others (held ports) of which it knows nothing else. Should it die, the kernel takes the container
 * with it (PR_SET_PDEATHSIG): a container without a monitor would have nobody to hold its ports. A
 * program that changes its own user loses that bond (the kernel's rule); the next command ends it.
 */
#include "container.h"
#include "relay.h"

#include <errno.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>

#define DRAIN_MS 200 /* for output of processes that outlive init only in the pipe */

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

enum { OUT, ERR, IN, STREAMS };

struct monitor {
    struct container *c;
    const struct monitor_options *options;
    int signals;
    int log;
    int interrupts; /* SIGINT and SIGTERM so far */
    struct stream streams[STREAMS];
    bool ended;
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
    m->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return 0;
}

static bool drained(const struct monitor *m)
{
    for (int i = OUT; i <= ERR; i++)
        if (!stream_ended(&m->streams[i]) || stream_pending(&m->streams[i]))
            return false;
    return true;
}

/* The program has ended, and whoever reads what it wrote takes his time (a pager): nothing is lost, unless
 * somebody wants the container to end now. */
static bool is_read_slowly(const struct monitor *m)
{
    return (stream_pending(&m->streams[OUT]) || stream_pending(&m->streams[ERR])) &&
           container_end_asked(m->c) == 0;
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

/* The fds of one turn: signals, init, the streams, then what others watch. */
static int turn(struct monitor *m, struct pollfd *polled, int timeout_ms)
{
    const struct monitor_options *o = m->options;
    size_t n = 0;
    polled[n++] = (struct pollfd){.fd = m->signals, .events = POLLIN};
    polled[n++] = (struct pollfd){.fd = m->ended ? -1 : m->c->pidfd, .events = POLLIN};
    for (int i = 0; i < STREAMS; i++)
        polled[n++] = stream_interest(&m->streams[i]);
    for (size_t i = 0; i < o->watch_count; i++)
        polled[n++] = (struct pollfd){.fd = o->watches[i].fd, .events = POLLIN};
    int ready = poll(polled, n, timeout_ms);
    if (ready < 0)
        return endure(m);
    m->failures = 0;
    if (ready == 0)
        return 0;
    if (polled[0].revents)
        forward(m);
    int r = polled[1].revents ? reap(m) : 0;
    if (r < 0)
        return r;
    for (int i = 0; i < STREAMS; i++)
        if (polled[2 + i].revents)
            stream_run(&m->streams[i], polled[2 + i].revents);
    for (size_t i = 0; i < o->watch_count; i++)
        if (polled[2 + STREAMS + i].revents)
            o->watches[i].ready(o->watches[i].arg);
    return 1;
}

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
    log_note(m->log, text);
    if (m->options->attached)
        fprintf(stderr, "%s\n", text);
}

/* The monitor must never wait for its log, whatever somebody has put in its place: what is no file is no
 * log. A run that follows another goes on with the log of before when it cannot have one of its own. */
int monitor_open_log(struct container *c, struct err *e)
{
    struct stat st = {0};
    _cleanup_close_ int log =
        openat(c->dir_fd, "log",
               O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    bool no_file = log < 0 && (errno == ELOOP || errno == EISDIR || errno == ENXIO);
    if (!no_file && (log < 0 || fstat(log, &st) < 0))
        return c->log_fd >= 0 ? 0 : err_set(e, errno, "open the container's log");
    close_fd(c->log_fd);
    c->log_fd = S_ISREG(st.st_mode) ? take_fd(log) : -1;
    return 0;
}

void container_note(struct container *c, const char *text)
{
    _cleanup_free_ char *line = xasprintf("netctr: %s", text);
    log_note(c->log_fd, line);
}

static void open_monitor_streams(struct monitor *m)
{
    struct container *c = m->c;
    bool attached = m->options->attached, reads = attached && c->stdin_fd >= 0;
    int program_stdin = take_fd(c->stdin_fd);
    m->log = c->log_fd;
    m->streams[OUT] = (struct stream){
        .from = c->stdout_fd, .to = attached ? STDOUT_FILENO : -1, .log = m->log, .tag = "stdout"};
    m->streams[ERR] = (struct stream){
        .from = c->stderr_fd, .to = attached ? STDERR_FILENO : -1, .log = m->log, .tag = "stderr"};
    m->streams[IN] = (struct stream){
        .from = reads ? STDIN_FILENO : -1, .to = program_stdin, .close_to = true, .log = -1};
}

int monitor_run(struct container *c, const struct monitor_options *options, struct err *e)
{
    struct monitor m = {.c = c, .options = options};
    const int64_t begin = monotonic_ms();
    m.signals = c->signal_fd;
    open_monitor_streams(&m);
    _cleanup_free_ struct pollfd *polled =
        xcalloc(2 + STREAMS + options->watch_count, sizeof(*polled));
    int r = 1;
    while (r > 0 && !(m.ended && drained(&m))) {
        r = turn(&m, polled, m.ended ? DRAIN_MS : -1);
        if (r == 0 && is_read_slowly(&m))
            r = 1;
    }
    close_fd(m.streams[IN].to);
    if (r < 0)
        return err_set(e, r, "watch the container");
    explain_early_end(&m, begin);
    return m.status;
}

int monitor_pause(struct container *c, const struct monitor_options *options, int ms, struct err *e)
{
    struct monitor m = {.c = c, .options = options, .signals = c->signal_fd, .ended = true};
    for (int i = 0; i < STREAMS; i++)
        m.streams[i] = (struct stream){.from = -1, .to = -1, .log = -1};
    _cleanup_free_ struct pollfd *polled =
        xcalloc(2 + STREAMS + options->watch_count, sizeof(*polled));
    const int64_t end = monotonic_ms() + ms;
    int r = 1;
    for (int64_t left = ms; r > 0 && left > 0 && !c->told_to_end; left = end - monotonic_ms())
        r = turn(&m, polled, (int)left);
    return r < 0 ? err_set(e, r, "wait for the container's next run") : 0;
}
