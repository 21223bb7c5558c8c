/* The client's side of an attached `run`. It copies nothing of the output: the monitor has its descriptors.
 *
 * Signals: until the container runs, one that ends processes undoes the start. Afterwards each goes to the monitor, which
 * forwards it to the program. SIGTSTP stops the client alone (raw.c).
 */
#include "client.h"
#include "process.h"
#include "raw.h"
#include "relay.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>

enum {
    LOOK_MS = 500, /* between two looks at a monitor that has not reported */
    GIVE_UP_MS =
        1000 /* for a monitor that does not react to a signal, because it waits for a lock */
};

void console_close(struct console *c)
{
    int *const fds[] = {&c->channel, &c->notices, &c->input, &c->monitor.channel,
                        &c->monitor.notices};
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        *fds[i] = close_fd(*fds[i]);
}

/* The descriptor that the monitor writes to. It must not block there for a reader that is slow, and other processes that
 * have the same open file expect that it blocks: so a pipe or a terminal is opened a second time. Done here, because
 * /dev/tty can be opened only in its session. */
static int open_output(int fd)
{
    struct stat st;
    int flags = fcntl(fd, F_GETFL);
    bool opens = fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || isatty(fd)) && flags >= 0 &&
                 (flags & O_ACCMODE) != O_RDONLY;
    _cleanup_free_ char *path = fd_path(fd);
    int own = opens ? open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) : -1;
    return own >= 0 ? own : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static int hand_over(const struct console *c, int input, struct err *e)
{
    _cleanup_close_ int out = open_output(STDOUT_FILENO), err = open_output(STDERR_FILENO);
    if (out < 0 || err < 0)
        return err_set(e, errno, "copy a descriptor");
    int fds[] = {out, err, input};
    int r = channel_send_fds(c->channel, MESSAGE_STREAMS, fds, input >= 0 ? 3 : 2);
    return r < 0 ? err_set(e, r, "hand the streams to the monitor") : 0;
}

int console_open(struct console *c, bool interactive, bool tty, struct err *e)
{
    int channel[2], notices[2], input[2] = {-1, -1};
    int r = channel_open(channel, e);
    if (r < 0)
        return r;
    c->channel = channel[0];
    c->monitor.channel = channel[1];
    if (pipe2(notices, O_CLOEXEC | O_NONBLOCK) < 0)
        return err_set(e, errno, "open a pipe");
    c->notices = notices[0];
    c->monitor.notices = notices[1];
    bool reads = interactive && isatty(STDIN_FILENO);
    c->tty = tty;
    c->terminal = reads && tty;
    if (reads && pipe2(input, O_CLOEXEC) < 0)
        return err_set(e, errno, "open a pipe");
    _cleanup_close_ int theirs = input[0];
    c->input = input[1];
    if (reads && fcntl(c->input, F_SETFL, O_NONBLOCK) < 0)
        return err_set(e, errno, "open a pipe");
    return hand_over(c, reads ? theirs : interactive ? STDIN_FILENO : -1, e);
}

int console_become_monitor(struct console *c, struct err *e)
{
    (void)signal(SIGPIPE, SIG_IGN); /* a warning for a client that has been killed */
    if (dup2(c->monitor.notices, STDERR_FILENO) < 0)
        return err_set(e, errno, "pass warnings to the client");
    c->monitor.notices = close_fd(c->monitor.notices);
    c->channel = close_fd(c->channel);
    c->notices = close_fd(c->notices);
    c->input = close_fd(c->input);
    return 0;
}

/* ---- the client's wait -----------------------------------------------------------------------*/

struct waiting {
    struct console *c;
    const char *name;
    pid_t monitor;
    int signals;
    struct raw raw; /* the terminal on stdin */
    struct key_filter keys;
    bool started, ended;
    int interrupt;    /* the signal that undoes the start, or 0 */
    int64_t give_up;  /* monotonic_ms() */
    int64_t stopped;  /* for monitor_check() */
    int failures;     /* of poll(), in a row */
    struct stream in; /* from the terminal */
    struct console_end *end;
    struct err *e;
};

int monitor_check(pid_t monitor, int64_t *since, struct err *e)
{
    if (!proc_stays_stopped(monitor, since))
        return 0;
    err_say(e, -ETIMEDOUT, "the monitor (process %d) has been stopped before the container ran",
            monitor);
    err_hint(e, "`kill -CONT %d` lets it go on, and it undoes what it has begun", monitor);
    return -ETIMEDOUT;
}

/* Before the start: those that end this process. A signal that a caller like nohup ignores is left to the program. */
static void ending_signals(sigset_t *set)
{
    static const int ending[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    sigemptyset(set);
    for (size_t i = 0; i < ARRAY_LEN(ending); i++) {
        struct sigaction now;
        if (sigaction(ending[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
            sigaddset(set, ending[i]);
    }
}

static int open_signals(struct waiting *w)
{
    sigset_t set;
    supervise_block_signals();
    ending_signals(&set);
    w->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (w->signals < 0)
        return err_set(w->e, errno, "listen for signals");
    return w->c->tty ? raw_listen(&w->raw, w->e) : 0;
}

static void pass(const struct waiting *w, int sig, pid_t sender)
{
    client_say(w->c->channel, MESSAGE_SIGNAL, sig, sender);
}

/* The monitor has not reacted in time. It cannot report the start any more, and undoes it; if it has just reported it, it
 * ends the program. */
static int give_up(struct waiting *w)
{
    (void)shutdown(w->c->channel, SHUT_RD);
    pass(w, SIGKILL, getpid());
    err_say(w->e, -EINTR, "signal %d (%s) came before the container ran", w->interrupt,
            strsignal(w->interrupt));
    err_status(w->e, 128 + w->interrupt);
    return -EINTR;
}

static int on_signal(struct waiting *w)
{
    struct signalfd_siginfo info;
    if (read(w->signals, &info, sizeof(info)) != sizeof(info))
        return 0;
    const int sig = (int)info.ssi_signo;
    if (!w->started && w->interrupt)
        return give_up(w);
    if (!w->started) {
        w->interrupt = sig;
        w->give_up = monotonic_ms() + GIVE_UP_MS;
    }
    pass(w, sig, (pid_t)info.ssi_pid);
    return 0;
}

static void tell_size(const struct waiting *w)
{
    struct winsize size;
    if (!w->c->tty)
        return;
    bool known = terminal_size(&size);
    client_say(w->c->channel, MESSAGE_SIZE, known ? size.ws_row : 0, known ? size.ws_col : 0);
}

/* Before the start a message would cancel it. */
static void on_terminal(struct waiting *w)
{
    if (raw_hear(&w->raw) && w->started)
        tell_size(w);
}

static void show_notices(struct waiting *w)
{
    char text[4096];
    ssize_t n;
    if (w->c->notices < 0)
        return;
    while ((n = read(w->c->notices, text, sizeof(text))) > 0 || (n < 0 && errno == EINTR))
        if (n > 0)
            raw_print(&w->raw, text, (size_t)n);
    if (n == 0)
        w->c->notices = close_fd(w->c->notices);
}

static int monitor_ended(struct waiting *w)
{
    if (w->interrupt && !w->started)
        return give_up(w);
    if (!w->started)
        return err_say(w->e, -EPIPE, "the monitor was killed before the container ran");
    err_say(w->e, -EPIPE, "the monitor of container `%s` was killed, and the container with it",
            w->name);
    err_status(w->e, EXIT_NETCTR);
    return -EPIPE;
}

/* From now on all signals are the program's. An open descriptor takes another set without memory, so this cannot fail. */
static void on_start(struct waiting *w)
{
    w->started = w->end->started = true;
    (void)supervise_open_signals(w->signals, NULL);
    if (w->c->terminal)
        raw_begin(&w->raw, STDIN_FILENO);
    tell_size(w); /* the monitor waits for it: what a program asks for must find the terminal raw */
}

static int on_message(struct waiting *w)
{
    enum message kind = MESSAGE_END;
    int value;
    int r = channel_receive(w->c->channel, &kind, &value, w->e);
    if (r < 0 && w->interrupt && !w->started)
        return give_up(w);
    if (r < 0)
        return r;
    if (kind == MESSAGE_STARTED)
        on_start(w);
    else if (kind == MESSAGE_OOM_KILLED)
        w->end->oom_killed = true;
    else if (kind == MESSAGE_EXITED) {
        w->ended = true;
        w->end->status = value;
    } else if (kind == MESSAGE_END)
        return monitor_ended(w);
    return 0;
}

static int patience(const struct waiting *w)
{
    if (w->started)
        return -1;
    int64_t left = w->interrupt ? w->give_up - monotonic_ms() : LOOK_MS;
    return left < 0 ? 0 : left < LOOK_MS ? (int)left : LOOK_MS;
}

/* poll() has failed. Memory may be short for a moment only, and the container runs. */
static int endure(struct waiting *w, int code)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    if (code != EINTR && ++w->failures > 100)
        return err_set(w->e, code, "hear from the monitor");
    if (code != EINTR)
        nanosleep(&pause, NULL);
    return 0;
}

static int turn(struct waiting *w)
{
    struct pollfd p[] = {
        {.fd = w->signals, .events = POLLIN},     {.fd = w->c->notices, .events = POLLIN},
        {.fd = w->c->channel, .events = POLLIN},  stream_interest(&w->in),
        {.fd = w->raw.signals, .events = POLLIN},
    };
    int n = poll(p, ARRAY_LEN(p), patience(w)), r = 0;
    if (n < 0)
        return endure(w, errno);
    w->failures = 0;
    if (n == 0 && w->interrupt && !w->started && monotonic_ms() >= w->give_up)
        return give_up(w);
    if (n == 0 && !w->started)
        r = monitor_check(w->monitor, &w->stopped, w->e);
    if (r == 0 && p[0].revents)
        r = on_signal(w);
    if (p[1].revents)
        show_notices(w);
    if (p[3].revents)
        stream_run(&w->in, p[3].revents);
    w->end->left = w->keys.left;
    if (p[4].revents)
        on_terminal(w);
    return r == 0 && p[2].revents ? on_message(w) : r;
}

int console_run(struct console *c, const char *name, pid_t monitor, struct console_end *end,
                struct err *e)
{
    int input = take_fd(c->input);
    struct waiting w = {.c = c,
                        .name = name,
                        .monitor = monitor,
                        .signals = -1,
                        .raw = RAW_INIT,
                        .end = end,
                        .e = e,
                        .in = {.from = input >= 0 ? STDIN_FILENO : -1,
                               .to = input,
                               .close_to = true,
                               .log = -1,
                               .tag = "stdin"}};
    c->monitor.channel = close_fd(c->monitor.channel);
    c->monitor.notices = close_fd(c->monitor.notices);
    int r = open_signals(&w);
    w.keys.keys = &c->keys;
    if (c->terminal)
        w.in.keys = &w.keys;
    while (r == 0 && !w.ended && !end->left)
        r = turn(&w);
    raw_end(&w.raw);
    show_notices(&w); /* what the monitor wrote before its last message */
    close_fd(w.signals);
    close_fd(w.in.to);
    return r;
}
