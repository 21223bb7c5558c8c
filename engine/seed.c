/* The first container starts the helpers: its monitor binds the name server's sockets before the program
 * runs, and starts the helpers afterwards. A short-lived container that sends no query starts none: an
 * attached container waits a little, unless there is a query.
 */
#include "monitor.h"

#include <errno.h>
#include <sys/epoll.h>

enum { RETRY_MS = 20, FAILED_MS = 1000 };

static void stop_listening(struct monitor *m)
{
    const int sockets[] = {m->seed.sockets.udp4, m->seed.sockets.udp6, m->seed.sockets.tcp4,
                           m->seed.sockets.tcp6};
    for (size_t i = 0; i < ARRAY_LEN(sockets); i++)
        if (sockets[i] >= 0)
            loop_remove_fd(m->loop, sockets[i]);
}

void seed_unwatch(struct monitor *m)
{
    stop_listening(m);
    m->seed_timer = loop_cancel_timer(m->loop, m->seed_timer);
    helpers_seed_clear(&m->seed);
}

/* While the store's lock is taken, this is retried by timer: the monitor has other duties. A failure, as for
 * lack of memory, may be over soon; queries wait in the sockets meanwhile. */
static void start(void *living)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct monitor *m = living;
    stop_listening(
        m); /* the helpers get the sockets; and a question that waits would be reported all the time */
    int r = helpers_start(m->engine, &m->seed, &e);
    if (r == 0) {
        seed_unwatch(m);
        return;
    }
    (void)loop_cancel_timer(m->loop, m->seed_timer); /* a query may have come first */
    m->seed_timer = loop_add_timer(m->loop, r == -EWOULDBLOCK ? RETRY_MS : FAILED_MS, start, m);
    if (r != -EWOULDBLOCK && !m->unhelped) {
        _cleanup_free_ char *text = xasprintf("no helper serves this container yet: %s", e.text);
        container_note(&m->container, text);
        if (client_is_here(m->request->client))
            warn("%s", text);
        m->unhelped = true;
    }
}

static void asked(int fd, uint32_t events, void *living)
{
    (void)fd;
    (void)events;
    start(living);
}

int seed_watch(struct monitor *m, struct err *e)
{
    const int sockets[] = {m->seed.sockets.udp4, m->seed.sockets.udp6, m->seed.sockets.tcp4,
                           m->seed.sockets.tcp6};
    if (m->seed_timer || (!m->seed.late && helpers_work(m->engine, NULL)))
        return 0;
    int ms = m->container.spec.detached ? 1 : sandbox_has_ports(m->sandbox) ? 50 : 300, r = 0;
    m->seed_timer = loop_add_timer(m->loop, ms, start, m);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(sockets); i++)
        if (sockets[i] >= 0)
            r = loop_add_fd(m->loop, sockets[i], EPOLLIN, asked, m, e);
    return r;
}
