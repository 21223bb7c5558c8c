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
        if (!stream_ended(&m->streams[i]) || m->streams[i].sent < m->streams[i].used)
            return false;
    return true;
}

/* The fds of one turn: signals, init, the streams, then what others watch. */
static int turn(struct monitor *m, struct pollfd *polled)
{
    const struct monitor_options *o = m->options;
    size_t n = 0;
    polled[n++] = (struct pollfd){.fd = m->signals, .events = POLLIN};
    polled[n++] = (struct pollfd){.fd = m->ended ? -1 : m->c->pidfd, .events = POLLIN};
    for (int i = 0; i < STREAMS; i++)
        polled[n++] = stream_interest(&m->streams[i]);
    for (size_t i = 0; i < o->watch_count; i++)
        polled[n++] = (struct pollfd){.fd = o->watches[i].fd, .events = POLLIN};
    int ready = poll(polled, n, m->ended ? DRAIN_MS : -1);
    if (ready < 0)
        return errno == EINTR ? 1 : -errno;
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
static void explain_early_end(const struct monitor *m, const struct timespec *begin)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t ms = (now.tv_sec - begin->tv_sec) * 1000 + (now.tv_nsec - begin->tv_nsec) / 1000000;
    const struct spec *s = &m->c->spec;
    if (m->status != 0 || ms > 2000 || (!s->detached && strv_len(s->published) == 0))
        return;
    _cleanup_free_ char *text = xasprintf(
        "netctr: `%s` ended after %d ms with exit status 0: if it went to the background by itself, "
        "keep it in front (nginx: `nginx -g 'daemon off;'`)",
        s->argv[0], (int)ms);
    log_note(m->log, text);
    if (m->options->attached)
        fprintf(stderr, "%s\n", text);
}

static void open_monitor_streams(struct monitor *m)
{
    struct container *c = m->c;
    bool attached = m->options->attached, reads = attached && c->stdin_fd >= 0;
    int program_stdin = take_fd(c->stdin_fd);
    m->log = take_fd(c->log_fd);
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
    struct timespec begin;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    m.signals = c->signal_fd;
    open_monitor_streams(&m);
    _cleanup_close_ int log = m.log;
    _cleanup_free_ struct pollfd *polled =
        xcalloc(2 + STREAMS + options->watch_count, sizeof(*polled));
    int r = 1;
    while (r > 0 && !(m.ended && drained(&m)))
        r = turn(&m, polled);
    close_fd(m.streams[IN].to);
    if (r < 0)
        return err_set(e, r, "watch the container");
    explain_early_end(&m, &begin);
    return m.status;
}
