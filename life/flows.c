/* The second look for stale flows. NAT is decided by a flow's first packet: one that looked for the published
 * port just before it was there, and is entered into conntrack just after we looked there, makes a flow that
 * leads past the container for as long as its client talks. No lock of the kernel's holds both moments apart
 * (a processor of a virtual machine may stand still between them), but a second does.
 */
#include "living.h"

#include <sys/timerfd.h>
#include <unistd.h>

enum { AGAIN_S = 1 };

static bool can_be_stale(const struct endpoint *ep)
{
    for (size_t i = 0; i < ep->publishes.count; i++)
        if (ep->publishes.items[i].protocol != IPPROTO_TCP)
            return true;
    return false;
}

static void look_again(void *living)
{
    struct living *l = living;
    uint64_t times;
    if (read(l->flows, &times, sizeof(times)) != sizeof(times))
        return;
    for (size_t i = 0; i < l->plug_count; i++) {
        _cleanup_err_ struct err e = ERR_INIT;
        if (l->plugs[i].attached && endpoints_end_stale_flows(&l->plugs[i].endpoint, 1, &e) < 0)
            warn("%s", e.text);
    }
}

void flows_look_again(struct living *l, const struct endpoint *ep)
{
    const struct itimerspec soon = {.it_value.tv_sec = AGAIN_S};
    if (!can_be_stale(ep))
        return;
    if (l->flows < 0) {
        l->flows = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        /* Without it there was the first look. */
        if (l->flows < 0 || hub_add(l->hub, l->flows, look_again, l, NULL) < 0) {
            l->flows = close_fd(l->flows);
            return;
        }
    }
    (void)timerfd_settime(l->flows, 0, &soon, NULL);
}

void flows_unwatch(struct living *l)
{
    if (l->flows >= 0)
        hub_remove(l->hub, l->flows);
    l->flows = close_fd(l->flows);
}
