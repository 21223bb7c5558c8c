/* The first container starts the helpers: its monitor binds the name server's sockets before the program
 * runs, and starts the helpers afterwards. A short-lived container that sends no query starts none: an
 * attached container waits a little, unless there is a query.
 */
#include "monitor.h"

#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>

enum { RETRY_MS = 20, FAILED_MS = 1000 };

static void set_timer(struct monitor *m, int ms)
{
    const struct itimerspec t = {
        .it_value = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}};
    (void)timerfd_settime(m->seed_timer, 0, &t, NULL);
}

static void stop_listening(struct monitor *m)
{
    const int sockets[] = {m->seed.sockets.udp4, m->seed.sockets.udp6, m->seed.sockets.tcp4,
                           m->seed.sockets.tcp6};
    for (size_t i = 0; i < ARRAY_LEN(sockets); i++)
        if (sockets[i] >= 0)
            hub_remove(m->hub, sockets[i]);
}

void seed_unwatch(struct monitor *m)
{
    stop_listening(m);
    if (m->seed_timer >= 0)
        hub_remove(m->hub, m->seed_timer);
    m->seed_timer = close_fd(m->seed_timer);
    helpers_seed_clear(&m->seed);
}

/* While the store's lock is taken, this is retried by timer: the monitor has other duties. A failure, as for
 * lack of memory, may be over soon; queries wait in the sockets meanwhile. */
static void start(void *living)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct monitor *m = living;
    int r = helpers_start(m->engine, &m->seed, &e);
    if (r == 0) {
        seed_unwatch(m);
        return;
    }
    stop_listening(m); /* or the query would wake us all the time */
    set_timer(m, r == -EWOULDBLOCK ? RETRY_MS : FAILED_MS);
    if (r != -EWOULDBLOCK && !m->unhelped) {
        _cleanup_free_ char *text = xasprintf("no helper serves this container yet: %s", e.text);
        container_note(&m->container, text);
        if (!m->container.spec.detached)
            warn("%s", text);
        m->unhelped = true;
    }
}

int seed_watch(struct monitor *m, struct err *e)
{
    const int sockets[] = {m->seed.sockets.udp4, m->seed.sockets.udp6, m->seed.sockets.tcp4,
                           m->seed.sockets.tcp6};
    if (m->seed_timer >= 0 || (!m->seed.late && helpers_work(m->engine, NULL)))
        return 0;
    m->seed_timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (m->seed_timer < 0)
        return err_set(e, errno, "create a timer");
    set_timer(m, m->container.spec.detached ? 1 : m->bindings ? 50 : 300);
    int r = hub_add(m->hub, m->seed_timer, start, m, e);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(sockets); i++)
        if (sockets[i] >= 0)
            r = hub_add(m->hub, sockets[i], start, m, e);
    return r;
}
