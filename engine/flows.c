/* The second look for stale flows. The first packet of a flow decides its NAT. A packet that passed the rules
 * just before the port was published, but is entered into conntrack just after our first look, makes a flow
 * that bypasses the container for as long as its client sends. No lock of the kernel covers both steps, and a
 * virtual CPU may pause between them, but not for a second.
 */
#include "monitor.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { AGAIN_S = 1 };

static bool can_be_stale(const struct endpoint *ep)
{
    for (size_t i = 0; i < ep->port_mappings.count; i++)
        if (ep->port_mappings.items[i].protocol != IPPROTO_TCP)
            return true;
    return false;
}

static void look_again(void *living)
{
    struct monitor *m = living;
    uint64_t times;
    if (read(m->flows, &times, sizeof(times)) != sizeof(times))
        return;
    for (size_t i = 0; i < m->attachment_count; i++) {
        _cleanup_err_ struct err e = ERR_INIT;
        if (m->attachments[i].attached &&
            endpoints_end_stale_flows(&m->attachments[i].endpoint, 1, &e) < 0)
            warn("%s", e.text);
    }
}

int flows_look_again(struct monitor *m, const struct endpoint *ep, struct err *e)
{
    const struct itimerspec soon = {.it_value.tv_sec = AGAIN_S};
    if (!can_be_stale(ep))
        return 0;
    if (m->flows < 0) {
        _cleanup_close_ int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        if (timer < 0)
            return err_set(e, errno, "create a timer");
        int r = hub_add(m->hub, timer, look_again, m, e);
        if (r < 0)
            return r;
        m->flows = take_fd(timer);
    }
    (void)timerfd_settime(m->flows, 0, &soon, NULL);
    return 0;
}

void flows_unwatch(struct monitor *m)
{
    if (m->flows >= 0)
        hub_remove(m->hub, m->flows);
    m->flows = close_fd(m->flows);
}
