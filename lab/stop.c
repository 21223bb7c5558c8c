/* Being asked to stop: a worker by its master, `lab test` by a signal. What waits for a node's program, or for time to pass,
 * waits here, so that ^C need not wait for the program.
 */
#include "lab.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>

static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
static int stop_fd = -1; /* readable: stop */
static volatile sig_atomic_t caught;
static struct sigaction before[ARRAY_LEN(signals)];

void lab_stop_by(int fd)
{
    stop_fd = fd;
}

bool lab_stopped(void)
{
    struct pollfd p = {.fd = stop_fd, .events = POLLIN | POLLRDHUP};
    return poll(&p, 1, 0) > 0;
}

int lab_await(int fd, int timeout_ms)
{
    const int64_t end = monotonic_ms() + timeout_ms;
    for (;;) {
        struct pollfd p[] = {{.fd = fd, .events = POLLIN},
                             {.fd = stop_fd, .events = POLLIN | POLLRDHUP}};
        int64_t left = timeout_ms < 0 ? -1 : end - monotonic_ms();
        int n = poll(p, 2, timeout_ms >= 0 && left < 0 ? 0 : (int)left);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n == 0)
            return -ETIMEDOUT;
        if (n > 0)
            return p[0].revents ? 0 : -EINTR;
    }
}

int lab_sleep(unsigned ms, struct err *e)
{
    int r = lab_await(-1, (int)ms);
    return r == -EINTR ? err_say(e, r, "interrupted") : 0;
}

/* ---- signals ---------------------------------------------------------------------------------*/

static void on_signal(int number)
{
    const int code = errno;
    const uint64_t one = 1;
    caught = number;
    if (write(stop_fd, &one, sizeof(one)) < 0) {} /* it is readable already */
    errno = code;
}

/* Handlers, and not a mask: programs that are started meanwhile would inherit that. */
void lab_catch_signals(void)
{
    const struct sigaction mine = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    caught = 0;
    stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        (void)sigaction(signals[i], NULL, &before[i]);
        if (before[i].sa_handler != SIG_IGN)
            (void)sigaction(signals[i], &mine, NULL);
    }
}

void lab_release_signals(void)
{
    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        (void)sigaction(signals[i], &before[i], NULL);
    stop_fd = close_fd(stop_fd);
    if (caught)
        (void)raise(caught);
}
