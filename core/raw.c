/* The caller's terminal while a program has a terminal of its own: each key is passed on, and the terminal is restored
 * whatever ends this process.
 *
 * SIGTSTP from outside (^Z is a key) restores it before the process stops, and SIGCONT makes it raw again. SIGKILL cannot be
 * handled, so a second process, the guard, waits for the end of this one. It restores the terminal only if it is still as we
 * have left it: a shell may have been faster. SIGSTOP leaves it raw; shells restore it for themselves.
 */
#include "raw.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

int raw_listen(struct raw *r, struct err *e)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGWINCH);
    sigaddset(&set, SIGTSTP);
    sigaddset(&set, SIGCONT);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    r->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return r->signals < 0 ? err_set(e, errno, "listen for the signals of the terminal") : 0;
}

/* The rest of the structure is padding. */
static bool same_modes(const struct termios *a, const struct termios *b)
{
    return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag && a->c_cflag == b->c_cflag &&
           a->c_lflag == b->c_lflag && memcmp(a->c_cc, b->c_cc, sizeof(a->c_cc)) == 0;
}

/* ---- the guard -------------------------------------------------------------------------------*/

/* It has a session of its own: no key of the terminal reaches it, and it may set a terminal that is not its own. */
static _Noreturn void guard_main(const struct raw *r, int told)
{
    struct termios cooked = r->cooked, now;
    _cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int terminal = fcntl(r->fd, F_DUPFD_CLOEXEC, 3), keep[] = {told, terminal};
    for (int i = 0; i < 3; i++)
        (void)dup2(null, i);
    (void)setsid();
    proc_set_title("netctr terminal guard");
    if (terminal < 0 || close_other_fds(keep, ARRAY_LEN(keep)) < 0)
        _exit(EXIT_NETCTR);
    ssize_t n;
    while ((n = read(told, &cooked, sizeof(cooked))) == sizeof(cooked) || (n < 0 && errno == EINTR))
        continue;
    if (tcgetattr(terminal, &now) == 0 && same_modes(&now, &r->passing))
        (void)tcsetattr(terminal, TCSANOW, &cooked);
    _exit(0);
}

/* Without one, only the end by SIGKILL leaves the terminal raw. */
static void guard_start(struct raw *r)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return;
    r->guard = fork();
    if (r->guard == 0)
        guard_main(r, ends[0]);
    close(ends[0]);
    r->told = ends[1];
    if (r->guard < 0) {
        r->told = close_fd(r->told);
        r->guard = 0;
    }
}

static void guard_end(struct raw *r)
{
    r->told = close_fd(r->told);
    if (r->guard > 0) {
        (void)kill(r->guard, SIGKILL); /* not reaped yet, so the pid is its own */
        while (waitpid(r->guard, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    r->guard = 0;
}

/* ---- raw and back ----------------------------------------------------------------------------*/

/* After a stop a shell may have left other modes, which are those to restore later. */
static void set_raw(struct raw *r)
{
    struct termios now;
    if (r->fd < 0 || tcgetattr(r->fd, &now) < 0)
        return;
    if (!same_modes(&now, &r->passing))
        r->cooked = now;
    r->passing = r->cooked;
    cfmakeraw(&r->passing);
    if (!r->guard)
        guard_start(r);
    if (r->told >= 0)
        (void)write_all(r->told, &r->cooked, sizeof(r->cooked));
    r->on = tcsetattr(r->fd, TCSANOW, &r->passing) == 0;
}

static void set_cooked(struct raw *r)
{
    if (r->on)
        (void)tcsetattr(r->fd, TCSANOW, &r->cooked);
    r->on = false;
}

void raw_begin(struct raw *r, int fd)
{
    r->fd = isatty(fd) ? fd : -1;
    set_raw(r);
}

void raw_end(struct raw *r)
{
    set_cooked(r);
    guard_end(r);
    r->fd = -1;
    r->signals = close_fd(r->signals);
}

/* By its default action: the kernel ignores it where no shell could continue the process. */
static void stop_self(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTSTP);
    (void)raise(SIGTSTP);
    (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
}

bool raw_hear(struct raw *r)
{
    struct signalfd_siginfo info;
    bool was_on = r->on;
    if (read(r->signals, &info, sizeof(info)) != sizeof(info))
        return false;
    if (info.ssi_signo == SIGTSTP) {
        set_cooked(r);
        stop_self();
    }
    /* After SIGSTOP, which is not seen, too. */
    if (was_on && (info.ssi_signo == SIGTSTP || info.ssi_signo == SIGCONT))
        set_raw(r);
    return true;
}

void raw_print(const struct raw *r, const char *text, size_t size)
{
    for (size_t at = 0; at < size;) {
        const char *newline = memchr(text + at, '\n', size - at);
        size_t n = newline ? (size_t)(newline - text) - at : size - at;
        (void)write_all(STDERR_FILENO, text + at, n);
        if (newline)
            (void)write_all(STDERR_FILENO, r->on ? "\r\n" : "\n", r->on ? 2 : 1);
        at += newline ? n + 1 : n;
    }
}
