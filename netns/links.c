/* Links between two namespaces that are equals, as a lab's nodes are: neither end is the host's, and both are as their
 * users know them from containerlab.
 */
#include "rtnl.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <netlink/route/link.h>
#include <netlink/route/link/macvlan.h>
#include <netlink/route/link/veth.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <string.h>
#include <sys/ioctl.h>

static void set_end(struct rtnl_link *link, const struct link_end *end, unsigned mtu)
{
    struct nl_addr *mac = nl_addr_build(AF_LLC, end->mac, 6);
    rtnl_link_set_name(link, end->name);
    rtnl_link_set_addr(link, mac);
    rtnl_link_set_mtu(link, mtu);
    if (end->master)
        rtnl_link_set_master(link, end->master);
    /* The default is one queue for each processor. */
    rtnl_link_set_num_tx_queues(link, 1);
    rtnl_link_set_num_rx_queues(link, 1);
    nl_addr_put(mac);
}

void rt_add_pair(struct rt_batch *b, const struct link_end *here, const struct link_end *there,
                 unsigned mtu)
{
    struct rtnl_link *link = rtnl_link_veth_alloc();
    struct rtnl_link *peer = link ? rtnl_link_veth_get_peer(link) : NULL;
    struct nl_msg *m = NULL;
    if (peer) {
        set_end(link, here, mtu);
        set_end(peer, there, mtu);
        rtnl_link_set_ns_fd(peer, there->netns);
        rtnl_link_build_add_request(link, NLM_F_CREATE | NLM_F_EXCL, &m);
        rtnl_link_put(peer);
    }
    if (link)
        rtnl_link_put(link);
    rt_push(b, m, false, xasprintf("create link `%s`–`%s`", here->name, there->name));
}

void rt_add_macvlan(struct rt_batch *b, int parent, const struct link_end *there)
{
    struct rtnl_link *link = rtnl_link_macvlan_alloc();
    struct nl_msg *m = NULL;
    if (link) {
        struct nl_addr *mac = nl_addr_build(AF_LLC, there->mac, 6);
        rtnl_link_set_name(link, there->name);
        rtnl_link_set_link(link, parent);
        rtnl_link_set_addr(link, mac);
        rtnl_link_macvlan_set_mode(link, rtnl_link_macvlan_str2mode("bridge"));
        rtnl_link_set_ns_fd(link, there->netns);
        rtnl_link_build_add_request(link, NLM_F_CREATE | NLM_F_EXCL, &m);
        nl_addr_put(mac);
        rtnl_link_put(link);
    }
    rt_push(b, m, false, xasprintf("create macvlan `%s`", there->name));
}

/* Of the kernel's own protocol: routing daemons neither learn nor pass on such a route, and every other default route,
 * static or learned, comes before it. */
void rt_add_spare_route(struct rt_batch *b, int index, const struct ip *gateway)
{
    struct rtnl_route *route = rtnl_route_alloc();
    struct rtnl_nexthop *hop = rtnl_route_nh_alloc();
    struct nl_addr *any = nl_addr_build(gateway->family, NULL, 0);
    struct nl_addr *via = nl_addr_build(gateway->family, gateway->bytes, ip_size(gateway));
    struct nl_msg *m = NULL;
    rtnl_route_set_family(route, (uint8_t)gateway->family);
    rtnl_route_set_dst(route, any);
    rtnl_route_set_protocol(route, RTPROT_KERNEL);
    rtnl_route_set_priority(route, RT_SPARE_METRIC);
    rtnl_route_nh_set_gateway(hop, via);
    rtnl_route_nh_set_ifindex(hop, index);
    rtnl_route_add_nexthop(route, hop);
    nl_addr_put(any);
    nl_addr_put(via);
    rtnl_route_build_add_request(route, NLM_F_EXCL, &m);
    rtnl_route_put(route);
    _cleanup_free_ char *text = ip_text(gateway);
    rt_push(b, m, false, xasprintf("add spare default route via %s", text));
}

int link_checksum_off(int socket, const char *name)
{
    struct ethtool_value value = {.cmd = ETHTOOL_STXCSUM, .data = 0};
    struct ifreq request = {.ifr_data = (void *)&value};
    memcpy(request.ifr_name, name, strnlen(name, IFNAMSIZ - 1));
    return ioctl(socket, SIOCETHTOOL, &request) < 0 ? -errno : 0;
}
