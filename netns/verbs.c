/* Changes in a network namespace: one function for each verb, one message for each function. */
#include "rtnl.h"

#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/addr.h>
#include <netlink/attr.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/veth.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <string.h>

static struct nl_addr *address_of(const struct ip *a, int prefix)
{
    struct nl_addr *n = nl_addr_build(a->family, a->bytes, ip_size(a));
    if (n && prefix >= 0)
        nl_addr_set_prefixlen(n, prefix);
    return n;
}

static void set_mac(struct rtnl_link *link, const uint8_t mac[6])
{
    struct nl_addr *a = nl_addr_build(AF_LLC, mac, 6);
    rtnl_link_set_addr(link, a);
    nl_addr_put(a);
}

/* A change to a link, found by its name. Built by hand, since libnl 3.7 lacks some port flags
 * (IFLA_BRPORT_ISOLATED). */
static struct nl_msg *change_link(const char *name, const char *alias)
{
    struct nl_msg *m = nlmsg_alloc_simple(RTM_NEWLINK, 0);
    struct ifinfomsg info = {.ifi_family = AF_UNSPEC};
    if (m && (nlmsg_append(m, &info, sizeof(info), NLMSG_ALIGNTO) < 0 ||
              nla_put_string(m, IFLA_IFNAME, name) < 0 ||
              (alias && nla_put_string(m, IFLA_IFALIAS, alias) < 0))) {
        nlmsg_free(m);
        return NULL;
    }
    return m;
}

void rt_add_bridge(struct rt_batch *b, const char *name, const uint8_t mac[6], unsigned mtu)
{
    struct rtnl_link *link = rtnl_link_alloc();
    rtnl_link_set_type(link, "bridge");
    rtnl_link_set_name(link, name);
    set_mac(link, mac);
    struct nl_msg *m = NULL;
    rtnl_link_build_add_request(link, NLM_F_CREATE | NLM_F_EXCL, &m);
    rtnl_link_put(link);
    rt_push(b, m, false, xasprintf("create bridge `%s`", name));
    /* The kernel keeps only an MTU that was changed after creation. The initial one, given or 1500,
     * follows the ports. */
    struct nl_msg *change = change_link(name, NULL);
    if (change && nla_put_u32(change, IFLA_MTU, mtu) < 0) {
        nlmsg_free(change);
        change = NULL;
    }
    rt_push(b, change, false, xasprintf("set the MTU of `%s`", name));
}

/* Turns off only what is on: a kernel without VLAN filtering refuses to turn it off. */
static bool put_plain_bridge(struct nl_msg *m, const struct link *bridge)
{
    struct nlattr *info = nla_nest_start(m, IFLA_LINKINFO), *data = NULL;
    if (info && nla_put_string(m, IFLA_INFO_KIND, "bridge") == 0)
        data = nla_nest_start(m, IFLA_INFO_DATA);
    if (!data || (bridge->snoops && nla_put_u8(m, IFLA_BR_MCAST_SNOOPING, 0) < 0) ||
        (bridge->has_stp && nla_put_u32(m, IFLA_BR_STP_STATE, 0) < 0) ||
        (bridge->has_vlans && nla_put_u8(m, IFLA_BR_VLAN_FILTERING, 0) < 0))
        return false;
    nla_nest_end(m, data);
    nla_nest_end(m, info);
    return true;
}

void rt_set_plain_bridge(struct rt_batch *b, const struct link *bridge)
{
    if (link_is_plain_bridge(bridge))
        return;
    struct nl_msg *m = change_link(bridge->name, NULL);
    if (m && !put_plain_bridge(m, bridge)) {
        nlmsg_free(m);
        m = NULL;
    }
    rt_push(b, m, false,
            xasprintf("switch snooping, STP and VLAN filtering of `%s` off", bridge->name));
}

void rt_add_veth(struct rt_batch *b, const struct veth *v)
{
    struct rtnl_link *link = rtnl_link_veth_alloc();
    struct rtnl_link *peer = link ? rtnl_link_veth_get_peer(link) : NULL;
    struct nl_msg *m = NULL;
    if (peer) {
        rtnl_link_set_name(link, v->host);
        rtnl_link_set_master(link, v->master);
        rtnl_link_set_mtu(link, v->mtu);
        set_mac(link, v->host_mac);
        rtnl_link_set_flags(link, IFF_NOARP);
        rtnl_link_set_name(peer, v->peer);
        rtnl_link_set_mtu(peer, v->mtu);
        set_mac(peer, v->peer_mac);
        rtnl_link_set_ns_fd(peer, v->peer_netns);
        /* The default is one queue for each processor. */
        rtnl_link_set_num_tx_queues(link, 1);
        rtnl_link_set_num_rx_queues(link, 1);
        rtnl_link_set_num_tx_queues(peer, 1);
        rtnl_link_set_num_rx_queues(peer, 1);
        rtnl_link_build_add_request(link, NLM_F_CREATE | NLM_F_EXCL, &m);
        rtnl_link_put(peer);
    }
    if (link)
        rtnl_link_put(link);
    rt_push(b, m, false, xasprintf("create veth `%s`", v->host));
}

void rt_set_alias(struct rt_batch *b, const char *name, const char *alias)
{
    rt_push(b, change_link(name, alias), false, xasprintf("set alias of `%s`", name));
}

void rt_set_master(struct rt_batch *b, const char *port, int master)
{
    struct nl_msg *m = change_link(port, NULL);
    if (m && nla_put_u32(m, IFLA_MASTER, (uint32_t)master) < 0) {
        nlmsg_free(m);
        m = NULL;
    }
    rt_push(b, m, false, xasprintf("put `%s` into its bridge", port));
}

static bool put_port_flags(struct nl_msg *m, struct port_flags flags)
{
    const struct {
        int type;
        bool value;
    } all[] = {
        {IFLA_BRPORT_MODE, flags.hairpin},
        {IFLA_BRPORT_LEARNING, flags.learning},
        {IFLA_BRPORT_ISOLATED, flags.isolated},
        {IFLA_BRPORT_UNICAST_FLOOD, true},
        {IFLA_BRPORT_MCAST_FLOOD, true},
        {IFLA_BRPORT_BCAST_FLOOD, true},
        {IFLA_BRPORT_GUARD, false},
        {IFLA_BRPORT_PROTECT, false},
        {IFLA_BRPORT_PROXYARP, false},
        {IFLA_BRPORT_PROXYARP_WIFI, false},
        {IFLA_BRPORT_NEIGH_SUPPRESS, false},
        {IFLA_BRPORT_LOCKED, false},
    };
    struct nlattr *info = nla_nest_start(m, IFLA_LINKINFO), *data = NULL;
    if (info && nla_put_string(m, IFLA_INFO_SLAVE_KIND, "bridge") == 0)
        data = nla_nest_start(m, IFLA_INFO_SLAVE_DATA);
    if (!data || nla_put_u16(m, IFLA_BRPORT_GROUP_FWD_MASK, RESERVED_GROUPS) < 0)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (nla_put_u8(m, all[i].type, all[i].value) < 0)
            return false;
    nla_nest_end(m, data);
    nla_nest_end(m, info);
    return true;
}

void rt_set_port(struct rt_batch *b, const char *port, struct port_flags flags, const char *alias)
{
    struct nl_msg *m = change_link(port, alias);
    if (m && !put_port_flags(m, flags)) {
        nlmsg_free(m);
        m = NULL;
    }
    rt_push(b, m, false, xasprintf("set bridge port flags of `%s`", port));
}

static struct nl_msg *change_flags(int index, unsigned set, unsigned mask)
{
    struct nl_msg *m = nlmsg_alloc_simple(RTM_SETLINK, 0);
    struct ifinfomsg info = {
        .ifi_family = AF_UNSPEC, .ifi_index = index, .ifi_flags = set, .ifi_change = mask};
    if (m && nlmsg_append(m, &info, sizeof(info), NLMSG_ALIGNTO) < 0) {
        nlmsg_free(m);
        return NULL;
    }
    return m;
}

void rt_set_up(struct rt_batch *b, int index)
{
    rt_push(b, change_flags(index, IFF_UP, IFF_UP), false,
            xasprintf("bring up interface %d", index));
}

void rt_set_down(struct rt_batch *b, int index)
{
    rt_push(b, change_flags(index, 0, IFF_UP), true, xasprintf("bring down interface %d", index));
}

void rt_remove_link(struct rt_batch *b, int index)
{
    rt_set_down(b, index);
    struct nl_msg *m = change_flags(index, 0, 0);
    if (m)
        nlmsg_hdr(m)->nlmsg_type = RTM_DELLINK;
    rt_push(b, m, true, xasprintf("delete interface %d", index));
}

void rt_add_address(struct rt_batch *b, int index, const struct ip *address, uint8_t prefix)
{
    struct rtnl_addr *a = rtnl_addr_alloc();
    struct nl_addr *local = address_of(address, prefix);
    rtnl_addr_set_ifindex(a, index);
    rtnl_addr_set_local(a, local);
    if (address->family == AF_INET6)
        rtnl_addr_set_flags(a, IFA_F_NODAD);
    struct nl_addr *broadcast = NULL;
    /* smaller subnets have no broadcast address (RFC 3021) */
    if (address->family == AF_INET && prefix <= 30) {
        struct ip all = *address;
        all.v4.s_addr |= htonl(UINT32_MAX >> prefix);
        broadcast = address_of(&all, -1);
        rtnl_addr_set_broadcast(a, broadcast);
    }
    struct nl_msg *m = NULL;
    rtnl_addr_build_add_request(a, NLM_F_EXCL, &m);
    nl_addr_put(broadcast);
    nl_addr_put(local);
    rtnl_addr_put(a);
    _cleanup_free_ char *text = ip_text(address);
    rt_push(b, m, false, xasprintf("add address %s/%d", text, prefix));
}

void rt_delete_address(struct rt_batch *b, int index, const struct ip *address, uint8_t prefix)
{
    struct rtnl_addr *a = rtnl_addr_alloc();
    struct nl_addr *local = address_of(address, prefix);
    rtnl_addr_set_ifindex(a, index);
    rtnl_addr_set_local(a, local);
    struct nl_msg *m = NULL;
    rtnl_addr_build_delete_request(a, 0, &m);
    nl_addr_put(local);
    rtnl_addr_put(a);
    _cleanup_free_ char *text = ip_text(address);
    rt_push(b, m, true, xasprintf("delete address %s/%d", text, prefix));
}

static struct rtnl_route *default_route(int index, const struct ip *gateway, uint32_t metric)
{
    struct rtnl_route *route = rtnl_route_alloc();
    struct rtnl_nexthop *hop = rtnl_route_nh_alloc();
    struct nl_addr *any = nl_addr_build(gateway->family, NULL, 0);
    struct nl_addr *via = address_of(gateway, -1);
    rtnl_route_set_family(route, (uint8_t)gateway->family);
    rtnl_route_set_dst(route, any);
    /* For IPv6, 0 means the kernel's default, 1024. */
    if (metric)
        rtnl_route_set_priority(route, metric + (gateway->family == AF_INET6 ? 1024 : 0));
    rtnl_route_nh_set_gateway(hop, via);
    rtnl_route_nh_set_ifindex(hop, index);
    rtnl_route_add_nexthop(route, hop);
    nl_addr_put(any);
    nl_addr_put(via);
    return route;
}

void rt_add_default_route(struct rt_batch *b, int index, const struct ip *gateway, uint32_t metric)
{
    struct rtnl_route *route = default_route(index, gateway, metric);
    struct nl_msg *m = NULL;
    rtnl_route_build_add_request(route, NLM_F_EXCL, &m);
    rtnl_route_put(route);
    _cleanup_free_ char *text = ip_text(gateway);
    rt_push(b, m, false, xasprintf("add default route via %s", text));
}

void rt_delete_default_route(struct rt_batch *b, int index, const struct ip *gateway,
                             uint32_t metric)
{
    struct rtnl_route *route = default_route(index, gateway, metric);
    struct nl_msg *m = NULL;
    rtnl_route_build_del_request(route, 0, &m);
    rtnl_route_put(route);
    _cleanup_free_ char *text = ip_text(gateway);
    rt_push(b, m, true, xasprintf("delete default route via %s", text));
}

static struct rtnl_route *marked_route(const struct route *r)
{
    struct rtnl_route *route = rtnl_route_alloc();
    struct rtnl_nexthop *hop = rtnl_route_nh_alloc();
    struct nl_addr *to = r->prefix ? address_of(&r->destination, r->prefix)
                                   : nl_addr_build(r->gateway.family, NULL, 0);
    struct nl_addr *via = address_of(&r->gateway, -1);
    rtnl_route_set_family(route, (uint8_t)r->gateway.family);
    rtnl_route_set_dst(route, to);
    rtnl_route_set_protocol(route, RT_PROTOCOL_NETCTR);
    rtnl_route_set_priority(route, r->metric);
    rtnl_route_nh_set_gateway(hop, via);
    rtnl_route_nh_set_ifindex(hop, r->oif);
    rtnl_route_add_nexthop(route, hop);
    nl_addr_put(to);
    nl_addr_put(via);
    return route;
}

static char *route_words(const struct route *r)
{
    _cleanup_free_ char *to = ip_text(&r->destination), *via = ip_text(&r->gateway);
    return r->prefix ? xasprintf("route to %s/%u by %s", to, r->prefix, via)
                     : xasprintf("default route by %s", via);
}

void rt_add_route(struct rt_batch *b, const struct route *r)
{
    struct rtnl_route *route = marked_route(r);
    struct nl_msg *m = NULL;
    rtnl_route_build_add_request(route, NLM_F_EXCL, &m);
    rtnl_route_put(route);
    _cleanup_free_ char *text = route_words(r);
    rt_push(b, m, false, xasprintf("add the %s", text));
}

void rt_delete_route(struct rt_batch *b, const struct route *r)
{
    struct rtnl_route *route = marked_route(r);
    struct nl_msg *m = NULL;
    rtnl_route_build_del_request(route, 0, &m);
    rtnl_route_put(route);
    _cleanup_free_ char *text = route_words(r);
    rt_push(b, m, true, xasprintf("delete the %s", text));
}

static struct rtnl_neigh *neighbour(int index, const struct ip *address)
{
    struct rtnl_neigh *n = rtnl_neigh_alloc();
    struct nl_addr *dst = address_of(address, -1);
    rtnl_neigh_set_ifindex(n, index);
    rtnl_neigh_set_dst(n, dst);
    rtnl_neigh_set_family(n, address->family);
    nl_addr_put(dst);
    return n;
}

/* Adds or replaces the entry @n, which is freed. */
static void push_neighbour(struct rt_batch *b, struct rtnl_neigh *n, char *label)
{
    struct nl_msg *m = NULL;
    rtnl_neigh_build_add_request(n, NLM_F_CREATE | NLM_F_REPLACE, &m);
    rtnl_neigh_put(n);
    rt_push(b, m, false, label);
}

void rt_add_neighbour(struct rt_batch *b, int index, const struct ip *address, const uint8_t mac[6])
{
    struct rtnl_neigh *n = neighbour(index, address);
    struct nl_addr *lladdr = nl_addr_build(AF_LLC, mac, 6);
    rtnl_neigh_set_lladdr(n, lladdr);
    rtnl_neigh_set_state(n, NUD_PERMANENT);
    nl_addr_put(lladdr);
    _cleanup_free_ char *text = ip_text(address);
    push_neighbour(b, n, xasprintf("add neighbour %s", text));
}

void rt_add_fdb(struct rt_batch *b, int port_index, const uint8_t mac[6])
{
    struct rtnl_neigh *n = rtnl_neigh_alloc();
    struct nl_addr *lladdr = nl_addr_build(AF_LLC, mac, 6);
    rtnl_neigh_set_family(n, AF_BRIDGE);
    rtnl_neigh_set_ifindex(n, port_index);
    rtnl_neigh_set_lladdr(n, lladdr);
    rtnl_neigh_set_flags(n, NTF_MASTER);
    /* A static entry; NUD_PERMANENT would make it an address of the bridge itself. */
    rtnl_neigh_set_state(n, NUD_NOARP);
    nl_addr_put(lladdr);
    _cleanup_free_ char *text = mac_text(mac);
    push_neighbour(b, n, xasprintf("bind %s to its bridge port", text));
}

void rt_delete_neighbour(struct rt_batch *b, int index, const struct ip *address)
{
    struct rtnl_neigh *n = neighbour(index, address);
    struct nl_msg *m = NULL;
    rtnl_neigh_build_delete_request(n, 0, &m);
    rtnl_neigh_put(n);
    _cleanup_free_ char *text = ip_text(address);
    rt_push(b, m, true, xasprintf("delete neighbour %s", text));
}

void rt_send_gratuitous_arp(struct rt_batch *b, int index, const struct ip *address)
{
    struct rtnl_neigh *n = neighbour(index, address);
    rtnl_neigh_set_flags(n, NTF_USE);
    rtnl_neigh_set_state(n, NUD_NONE);
    _cleanup_free_ char *text = ip_text(address);
    push_neighbour(b, n, xasprintf("announce %s", text));
    rt_delete_neighbour(b, index, address);
}

void rt_delete_link(struct rt_batch *b, const char *name)
{
    struct nl_msg *m = nlmsg_alloc_simple(RTM_DELLINK, 0);
    struct ifinfomsg info = {.ifi_family = AF_UNSPEC};
    if (m && (nlmsg_append(m, &info, sizeof(info), NLMSG_ALIGNTO) < 0 ||
              nla_put_string(m, IFLA_IFNAME, name) < 0)) {
        nlmsg_free(m);
        m = NULL;
    }
    rt_push(b, m, true, xasprintf("delete link `%s`", name));
}

/* RTM_SETLINK with one attribute. */
static struct nl_msg *change_attribute(int index, int type, const void *value, size_t size)
{
    struct nl_msg *m = change_flags(index, 0, 0);
    if (m && nla_put(m, type, (int)size, value) < 0) {
        nlmsg_free(m);
        return NULL;
    }
    return m;
}

void rt_set_mac(struct rt_batch *b, int index, const uint8_t mac[6])
{
    rt_push(b, change_attribute(index, IFLA_ADDRESS, mac, 6), false,
            xasprintf("set the MAC of interface %d", index));
}

void rt_set_mtu(struct rt_batch *b, int index, unsigned mtu)
{
    uint32_t value = mtu;
    rt_push(b, change_attribute(index, IFLA_MTU, &value, sizeof(value)), false,
            xasprintf("set the MTU of interface %d", index));
}

void rt_set_name(struct rt_batch *b, int index, const char *name)
{
    rt_push(b, change_attribute(index, IFLA_IFNAME, name, strlen(name) + 1), false,
            xasprintf("rename interface %d to `%s`", index, name));
}

void rt_set_packet_size(struct rt_batch *b, int index, uint32_t size)
{
    rt_push(b, change_attribute(index, IFLA_GSO_MAX_SIZE, &size, sizeof(size)), false,
            xasprintf("set the packet size of interface %d", index));
}
