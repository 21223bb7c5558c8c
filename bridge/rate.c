/* Limits how fast an endpoint may send and receive: `rate=`.
 *
 * Both ends of the veth get a token bucket filter (tbf). The host's end limits what the container
 * receives: what exceeds the rate is queued, then dropped, as on a slow line. The container's end
 * limits what it sends. That filter sits inside the namespace, because there a sending program can
 * be made to wait instead of losing packets; a container with CAP_NET_ADMIN can remove it.
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
    err_say(e, -EOPNOTSUPP, "this kernel has no tbf (token bucket filter), which `rate=` needs");
    err_hint(e, "run `modprobe sch_tbf`, or leave `rate=` out");
    return -EOPNOTSUPP;
}

void rate_set(struct rt_batch *batch, const struct link *link, const struct endpoint *ep,
              enum rate_end end)
{
    uint32_t frame = link->mtu + ETHERNET_HEADER, rate = (uint32_t)(ep->rate / 8);
    if (!rate)
        return;
    /* Bytes that may leave at once after a pause. The kernel's timer may be some milliseconds late
     * and the burst must make up for that, hence 10 ms at the rate. tbf never sends a frame larger
     * than the burst, hence at least two frames. At low rates that is a second's worth already;
     * more would let short connections ignore the rate. */
    uint32_t burst = rate / 100 > 2 * frame ? rate / 100 : 2 * frame;
    /* Bytes that may be queued beyond that: 50 ms, so that a full queue does not delay answers by
     * seconds, and at least 10 frames, TCP's initial window. */
    uint32_t waiting = rate / 20 > 10 * frame ? rate / 20 : 10 * frame;
    rt_set_rate(batch, link->index, rate, burst, burst + waiting);
    /* TCP keeps two packets in the queue at any rate, each up to 64 KiB, which become frames only
     * here. They would not fit, and TCP would retransmit for ever. */
    if (end == RATE_INSIDE && burst < 65536)
        rt_set_packet_size(batch, link->index, burst);
}

/* ---- restoring and comparing ------------------------------------------------------------------*/

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
