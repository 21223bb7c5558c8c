/* Tells the neighbours of an endpoint where its addresses are.
 *
 * A neighbour that was resolving an address goes on at once instead of at its next try, a second later; one that knew
 * another MAC learns this one. The program may run already, so nothing here may disturb it. A packet socket is avoided,
 * because its close waits for an RCU grace period; so is setting the MAC with arp_notify and ndisc_notify, which
 * discards what the interface's neighbours have queued: the program's first packet.
 */
#include "bridge.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

struct advertisement {
    struct nd_neighbor_advert head;
    struct nd_opt_hdr option;
    uint8_t mac[6];
} __attribute__((packed));

/* An unsolicited neighbour advertisement to all nodes. The kernel computes the checksum. */
static int advertise(int netns, int interface, const struct endpoint *ep, struct err *e)
{
    static const struct in6_addr all_nodes = {
        .s6_addr = {0xff, 0x02, [15] = 1},
    };
    const int hops = 255, off = 0;
    _cleanup_close_ int s = netns_socket(netns, AF_INET6, SOCK_RAW, IPPROTO_ICMPV6, e);
    if (s < 0)
        return s;
    struct sockaddr_in6 own = {.sin6_family = AF_INET6},
                        to = {.sin6_family = AF_INET6,
                              .sin6_addr = all_nodes,
                              .sin6_scope_id = (uint32_t)interface};
    struct advertisement a = {
        .head.nd_na_type = ND_NEIGHBOR_ADVERT,
        .head.nd_na_flags_reserved = ND_NA_FLAG_OVERRIDE,
        .option = {.nd_opt_type = ND_OPT_TARGET_LINKADDR, .nd_opt_len = 1},
    };
    memcpy(&own.sin6_addr, ep->address6.bytes, sizeof(own.sin6_addr));
    memcpy(&a.head.nd_na_target, ep->address6.bytes, sizeof(a.head.nd_na_target));
    memcpy(a.mac, ep->mac, 6);
    if (setsockopt(s, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof(hops)) < 0 ||
        setsockopt(s, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, &off, sizeof(off)) < 0 ||
        bind(s, (struct sockaddr *)&own, sizeof(own)) < 0 ||
        sendto(s, &a, sizeof(a), MSG_DONTWAIT, (struct sockaddr *)&to, sizeof(to)) < 0)
        return err_set(e, errno, "announce the IPv6 address of `%s`", ep->interface);
    return 0;
}

int endpoint_announce(int netns, struct rt *inside, const struct endpoint *ep, struct err *e)
{
    struct link own;
    int r = rt_get_link(inside, ep->interface, &own);
    if (r < 0)
        return err_set(e, r, "find `%s` in the container's network namespace", ep->interface);
    if (memcmp(own.mac, ep->mac, 6) != 0) /* the program has changed it, and speaks for itself */
        return 0;
    if (ep->address4.family) {
        _cleanup_rt_batch_ struct rt_batch *batch = rt_batch_new(inside);
        rt_send_gratuitous_arp(batch, own.index, &ep->address4);
        r = rt_commit(batch, e);
    }
    return r == 0 && ep->address6.family ? advertise(netns, own.index, ep, e) : r;
}
