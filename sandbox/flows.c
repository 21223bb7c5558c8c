/* The second look for stale flows. The first packet of a flow decides its NAT. A packet that passed the rules
 * just before the port was published, but is entered into conntrack just after our first look, makes a flow
 * that bypasses the container for as long as its client sends. No lock of the kernel covers both steps, and a
 * virtual CPU may pause between them, but not for a second.
 */
#include "sandbox.h"

enum { AGAIN_MS = 1000 };

static bool can_be_stale(const struct endpoint *ep)
{
    for (size_t i = 0; i < ep->port_mappings.count; i++)
        if (ep->port_mappings.items[i].protocol != IPPROTO_TCP)
            return true;
    return false;
}

static void look_again(void *sandbox)
{
    struct sandbox *sb = sandbox;
    for (size_t i = 0; i < sb->attachment_count; i++) {
        _cleanup_err_ struct err e = ERR_INIT;
        if (sb->attachments[i].attached &&
            endpoints_end_stale_flows(&sb->attachments[i].endpoint, 1, &e) < 0)
            warn("%s", e.text);
    }
}

void flows_look_again(struct sandbox *sb, const struct endpoint *ep)
{
    if (!sb->loop || !can_be_stale(ep))
        return;
    flows_unwatch(sb);
    sb->flows = loop_add_timer(sb->loop, AGAIN_MS, look_again, sb);
}

void flows_unwatch(struct sandbox *sb)
{
    if (sb->loop)
        sb->flows = loop_cancel_timer(sb->loop, sb->flows);
}
