/* The first container brings the helpers: its monitor holds the sockets of the name server from before the program
 * runs, and starts the helpers when it does. Whoever is over in a moment and asks nobody anything does not pay for
 * them: what runs attached waits a little, unless there is a question.
 */
#include "living.h"

#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>

enum { RETRY_MS = 20, FAILED_MS = 1000 };

static void set_timer(struct living *l, int ms)
{
    const struct itimerspec t = {
        .it_value = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}};
    (void)timerfd_settime(l->seed_timer, 0, &t, NULL);
}

static void stop_listening(struct living *l)
{
    const int sockets[] = {l->seed.sockets.udp4, l->seed.sockets.udp6, l->seed.sockets.tcp4,
                           l->seed.sockets.tcp6};
    for (size_t i = 0; i < ARRAY_LEN(sockets); i++)
        if (sockets[i] >= 0)
            hub_remove(l->hub, sockets[i]);
}

void seed_unwatch(struct living *l)
{
    stop_listening(l);
    if (l->seed_timer >= 0)
        hub_remove(l->hub, l->seed_timer);
    l->seed_timer = close_fd(l->seed_timer);
    helpers_seed_clear(&l->seed);
}

/* While somebody has the store's lock, it is tried again: this monitor has other duties. What fails, memory that is
 * short perhaps, may be over a moment later; what is asked meanwhile waits in the sockets. */
static void start(void *living)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct living *l = living;
    int r = helpers_start(l->world, &l->seed, &e);
    if (r == 0) {
        seed_unwatch(l);
        return;
    }
    stop_listening(l); /* or we would hear of the question all the time */
    set_timer(l, r == -EWOULDBLOCK ? RETRY_MS : FAILED_MS);
    if (r != -EWOULDBLOCK && !l->unhelped) {
        _cleanup_free_ char *text =
            xasprintf("no helper watches over this container yet: %s", e.text);
        container_note(&l->container, text);
        if (!l->container.spec.detached)
            warn("%s", text);
        l->unhelped = true;
    }
}

int seed_watch(struct living *l, struct err *e)
{
    const int sockets[] = {l->seed.sockets.udp4, l->seed.sockets.udp6, l->seed.sockets.tcp4,
                           l->seed.sockets.tcp6};
    if (l->seed_timer >= 0 || (!l->seed.late && helpers_work(l->world, NULL)))
        return 0;
    l->seed_timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (l->seed_timer < 0)
        return err_set(e, errno, "open a timer");
    set_timer(l, l->container.spec.detached ? 1 : l->holdings ? 50 : 300);
    int r = hub_add(l->hub, l->seed_timer, start, l, e);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(sockets); i++)
        if (sockets[i] >= 0)
            r = hub_add(l->hub, sockets[i], start, l, e);
    return r;
}
