/* Links between two namespaces that are equals, as a lab's nodes are: neither end is the host's, and both are as their
 * users know them from containerlab.
 */
#include "rtnl.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_bridge.h>
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

/* ---- VLANs of a bridge's ports ---------------------------------------------------------------*/

void rt_set_vlan_filtering(struct rt_batch *b, int bridge, bool on)
{
    struct nl_msg *m = nlmsg_alloc_simple(RTM_NEWLINK, 0);
    const struct ifinfomsg info = {.ifi_family = AF_UNSPEC, .ifi_index = bridge};
    struct nlattr *link = NULL, *data = NULL;
    if (m && nlmsg_append(m, (void *)&info, sizeof(info), NLMSG_ALIGNTO) == 0)
        link = nla_nest_start(m, IFLA_LINKINFO);
    if (link && nla_put_string(m, IFLA_INFO_KIND, "bridge") == 0)
        data = nla_nest_start(m, IFLA_INFO_DATA);
    if (data && nla_put_u8(m, IFLA_BR_VLAN_FILTERING, on) == 0) {
        nla_nest_end(m, data);
        nla_nest_end(m, link);
    } else {
        nlmsg_free(m);
        m = NULL;
    }
    rt_push(b, m, false, xasprintf("turn VLAN filtering of the bridge %s", on ? "on" : "off"));
}

static bool put_vlan(struct nl_msg *m, unsigned id, unsigned flags)
{
    const struct bridge_vlan_info vlan = {(uint16_t)flags, (uint16_t)id};
    return nla_put(m, IFLA_BRIDGE_VLAN_INFO, sizeof(vlan), &vlan) == 0;
}

/* Neighbours are a range. */
static bool put_vlans(struct nl_msg *m, const uint16_t *ids, size_t count)
{
    for (size_t i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count && ids[end] == ids[end - 1] + 1;)
            end++;
        if (end == i + 1 ? !put_vlan(m, ids[i], 0)
                         : !put_vlan(m, ids[i], BRIDGE_VLAN_INFO_RANGE_BEGIN) ||
                               !put_vlan(m, ids[end - 1], BRIDGE_VLAN_INFO_RANGE_END))
            return false;
    }
    return true;
}

/* One message for all: the kernel answers each message, and there may be 4094 VLANs. */
static struct nl_msg *change_vlans(int type, int port, unsigned untagged, const uint16_t *tagged,
                                   size_t count)
{
    enum { ACCESS = BRIDGE_VLAN_INFO_PVID | BRIDGE_VLAN_INFO_UNTAGGED, ROOM = 128, EACH = 8 };
    struct nl_msg *m = nlmsg_alloc_size(ROOM + EACH * count);
    const struct ifinfomsg info = {.ifi_family = AF_BRIDGE, .ifi_index = port};
    struct nlattr *of_bridge = NULL;
    if (m) {
        nlmsg_hdr(m)->nlmsg_type = (uint16_t)type;
        if (nlmsg_append(m, (void *)&info, sizeof(info), NLMSG_ALIGNTO) == 0)
            of_bridge = nla_nest_start(m, IFLA_AF_SPEC);
    }
    if (!of_bridge || !put_vlans(m, tagged, count) ||
        (untagged && !put_vlan(m, untagged, type == RTM_SETLINK ? ACCESS : 0))) {
        nlmsg_free(m);
        return NULL;
    }
    nla_nest_end(m, of_bridge);
    return m;
}

void rt_set_port_vlans(struct rt_batch *b, int bridge, int port, unsigned untagged,
                       const uint16_t *tagged, size_t count)
{
    enum { DEFAULT = 1 };
    rt_set_vlan_filtering(b, bridge, true);
    rt_push(b, change_vlans(RTM_DELLINK, port, DEFAULT, NULL, 0), false,
            xstrdup("take the port out of VLAN 1"));
    rt_push(b, change_vlans(RTM_SETLINK, port, untagged, tagged, count), false,
            xstrdup("put the port into its VLANs"));
}

/* ---- macvlan ---------------------------------------------------------------------------------*/

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
