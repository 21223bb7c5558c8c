/* What a start or a connect leaves for a few milliseconds later, when the program runs and no command waits.
 *
 * The announcement of an address is a broadcast frame or two: on a bridge of 1,000 ports the kernel works on them for
 * milliseconds. A container that has ended by then announces nothing. A sandbox that no loop serves does all of it at once.
 */
#include "sandbox.h"

enum { LATER_MS = 5 };

static void announce_all(struct sandbox *sb)
{
    _cleanup_err_ struct err ignored = ERR_INIT; /* the program may have removed the interface */
    _cleanup_rt_ struct rt *inside = NULL;
    if (netns_open_rt(sb->netns, &inside, &ignored) < 0)
        return;
    for (size_t i = 0; i < sb->attachment_count; i++) {
        struct attachment *p = &sb->attachments[i];
        if (p->unannounced && endpoint_announce(sb->netns, inside, &p->endpoint, &ignored) < 0)
            err_clear(&ignored);
        p->unannounced = false;
    }
}

static void work(void *sandbox)
{
    announce_all(sandbox);
    sysctls_close(&((struct sandbox *)sandbox)->sysctls);
}

void later_begin(struct sandbox *sb)
{
    if (!sb->request.loop)
        work(sb);
    else if (!loop_timer_is_set(sb->request.loop, sb->later))
        sb->later = loop_add_timer(sb->request.loop, LATER_MS, work, sb);
}

void later_announce(struct sandbox *sb, struct attachment *p)
{
    p->unannounced = true;
    later_begin(sb);
}

void later_cancel(struct sandbox *sb)
{
    if (sb->request.loop)
        sb->later = loop_cancel_timer(sb->request.loop, sb->later);
}
