/* The second look for stale flows. The first packet of a flow decides its NAT. A packet that passed the rules
 * just before the port was published, but is entered into conntrack just after our first look, makes a flow
 * that bypasses the container for as long as its client sends. No lock of the kernel covers both steps, and a
 * virtual CPU may pause between them, but not for a second.
 */
#include "monitor.h"

enum { AGAIN_MS = 1000 };

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
    for (size_t i = 0; i < m->attachment_count; i++) {
        _cleanup_err_ struct err e = ERR_INIT;
        if (m->attachments[i].attached &&
            endpoints_end_stale_flows(&m->attachments[i].endpoint, 1, &e) < 0)
            warn("%s", e.text);
    }
}

void flows_look_again(struct monitor *m, const struct endpoint *ep)
{
    if (!can_be_stale(ep))
        return;
    flows_unwatch(m);
    m->flows = loop_add_timer(m->loop, AGAIN_MS, look_again, m);
}

void flows_unwatch(struct monitor *m)
{
    m->flows = loop_cancel_timer(m->loop, m->flows);
}
