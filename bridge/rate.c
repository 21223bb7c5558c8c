/* How much an endpoint may send and be sent: `rate=`.
 *
 * A token bucket filter at either end of its veth. The host's end sends what the container receives, and
 * what is too much waits there, and then is lost, as on a slow line. The container's end sends what the
 * container sends: inside its namespace, for there a program that is too fast is made to wait, and
 * nothing need be lost. Whoever has CAP_NET_ADMIN in there can lift that one.
 */
#include "bridge.h"

#include <errno.h>

#define ETHERNET_HEADER 14

int rate_require(struct net *net, struct err *e)
{
    int r = rt_knows_qdisc(net->rt, "tbf");
    if (r < 0)
        return err_set(e, r, "ask the kernel for tbf");
    if (r == 1)
        return 0;
    err_say(e, -EOPNOTSUPP, "this kernel has no tbf (token bucket filter), so there are no rates");
    return err_hint(e, "modprobe sch_tbf, or no `rate=`");
}

void rate_set(struct rt_batch *batch, const struct link *link, const struct endpoint *ep,
              enum rate_end end)
{
    uint32_t frame = link->mtu + ETHERNET_HEADER, rate = (uint32_t)(ep->rate / 8);
    if (!rate)
        return;
    /* What may leave at once, after a pause. The kernel's timer may be some milliseconds late, and what
     * it is late by must be made up for: 10 ms at the rate. A frame larger than that is never sent, hence
     * two of them, which at a low rate is already a second's worth: more would let short connections pass
     * as if there were no rate. */
    uint32_t burst = rate / 100 > 2 * frame ? rate / 100 : 2 * frame;
    /* What may wait, beside that: 50 ms, so that a full queue does not make whoever waits for an answer
     * wait for seconds; and 10 frames, which is what TCP sends at first. */
    uint32_t waiting = rate / 20 > 10 * frame ? rate / 20 : 10 * frame;
    rt_set_rate(batch, link->index, rate, burst, burst + waiting);
    /* TCP keeps two packets in the queue whatever the rate is, each of up to 64 KiB that become frames
     * only here: they would not fit, and TCP would lose and send again for ever. */
    if (end == RATE_INSIDE && burst < 65536)
        rt_set_packet_size(batch, link->index, burst);
}

/* ---- afterwards ------------------------------------------------------------------------------*/

static int set_again(struct rt *rt, const char *name, const struct endpoint *ep, enum rate_end end,
                     struct err *e)
{
    struct link link;
    int r = rt_get_link(rt, name, &link);
    if (r == -ENODEV) /* renamed, or gone with its container */
        return 0;
    if (r < 0)
        return err_set(e, r, "find `%s` of container `%s`", name, ep->container);
    _cleanup_rt_batch_ struct rt_batch *batch = rt_batch_new(rt);
    rate_set(batch, &link, ep, end);
    return rt_commit(batch, e);
}

int endpoint_restore_rate(struct net *net, const struct endpoint *ep, int netns, struct err *e)
{
    _cleanup_rt_ struct rt *inside = NULL;
    int r = set_again(net->rt, ep->host_veth, ep, RATE_OUTSIDE, e);
    if (r < 0 || netns < 0)
        return r;
    r = netns_open_rt(netns, &inside, e);
    return r == 0 ? set_again(inside, ep->interface, ep, RATE_INSIDE, e) : r;
}

static int compare(struct rt *rt, const char *name, const struct endpoint *ep,
                   void (*found)(const char *what, void *arg), void *arg, struct err *e)
{
    struct link link;
    uint32_t rate = 0;
    int r = rt_get_link(rt, name, &link);
    if (r == 0)
        r = rt_get_rate(rt, link.index, &rate, e);
    else if (r == -ENODEV)
        r = 0;
    else
        err_set(e, r, "find `%s` of container `%s`", name, ep->container);
    if (r < 0 || rate == (uint32_t)(ep->rate / 8))
        return r;
    _cleanup_free_ char *given = rate_text(ep->rate), *is = rate_text((uint64_t)rate * 8);
    _cleanup_free_ char *what = xasprintf("rate: container `%s` was given %s, `%s` has %s",
                                          ep->container, given, name, rate ? is : "none");
    found(what, arg);
    return 0;
}

int endpoint_verify_rate(struct net *net, const struct endpoint *ep, int netns,
                         void (*found)(const char *what, void *arg), void *arg, struct err *e)
{
    _cleanup_rt_ struct rt *inside = NULL;
    int r = compare(net->rt, ep->host_veth, ep, found, arg, e);
    if (r < 0 || netns < 0)
        return r;
    r = netns_open_rt(netns, &inside, e);
    return r == 0 ? compare(inside, ep->interface, ep, found, arg, e) : r;
}
