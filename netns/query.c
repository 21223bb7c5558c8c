/* Reads what a network namespace contains: links, routes, addresses, neighbours. Parsed by
 * libnl. */
#include "rtnl.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/net_namespace.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/handlers.h>
#include <string.h>

#define LOOPBACK_INDEX 1
#define LOWER_UP 0x10000 /* IFF_LOWER_UP of linux/if.h, which conflicts with net/if.h */

/* The policies make sure that numbers and texts are long enough, or NUL-terminated. */
static const struct nla_policy link_policy[IFLA_MAX + 1] = {
    [IFLA_MTU] = {.type = NLA_U32},
    [IFLA_MASTER] = {.type = NLA_U32},
    [IFLA_LINK_NETNSID] = {.type = NLA_S32},
};
static const struct nla_policy info_policy[IFLA_INFO_MAX + 1] = {
    [IFLA_INFO_KIND] = {.type = NLA_STRING},
    [IFLA_INFO_SLAVE_KIND] = {.type = NLA_STRING},
};
static const struct nla_policy neighbour_policy[NDA_MAX + 1] = {
    [NDA_MASTER] = {.type = NLA_U32},
};
static const struct nla_policy route_policy[RTA_MAX + 1] = {
    [RTA_OIF] = {.type = NLA_U32},
    [RTA_PRIORITY] = {.type = NLA_U32},
};
static const struct nla_policy table_policy[NDTA_MAX + 1] = {
    [NDTA_THRESH2] = {.type = NLA_U32},
    [NDTA_THRESH3] = {.type = NLA_U32},
    [NDTA_CONFIG] = {.minlen = sizeof(struct ndt_config)},
};

static unsigned number(struct nlattr *a)
{
    unsigned n = 0;
    if (a && nla_len(a) <= (int)sizeof(uint32_t)) {
        uint8_t one = 0;
        uint16_t two = 0;
        uint32_t four = 0;
        switch (nla_len(a)) {
        case 1: memcpy(&one, nla_data(a), 1), n = one; break;
        case 2: memcpy(&two, nla_data(a), 2), n = two; break;
        case 4: memcpy(&four, nla_data(a), 4), n = four; break;
        default: break;
        }
    }
    return n;
}

static void parse_port(struct nlattr **info, struct link *out)
{
    static const int kept_back[] = {IFLA_BRPORT_GUARD,          IFLA_BRPORT_PROTECT,
                                    IFLA_BRPORT_PROXYARP,       IFLA_BRPORT_PROXYARP_WIFI,
                                    IFLA_BRPORT_NEIGH_SUPPRESS, IFLA_BRPORT_LOCKED};
    struct nlattr *port[IFLA_BRPORT_MAX + 1];
    if (!info[IFLA_INFO_SLAVE_KIND] || !info[IFLA_INFO_SLAVE_DATA] ||
        !streq(nla_get_string(info[IFLA_INFO_SLAVE_KIND]), "bridge") ||
        nla_parse_nested(port, IFLA_BRPORT_MAX, info[IFLA_INFO_SLAVE_DATA], NULL) < 0)
        return;
    out->forwarding = number(port[IFLA_BRPORT_STATE]) == BR_STATE_FORWARDING;
    out->port = (struct port_flags){.hairpin = number(port[IFLA_BRPORT_MODE]),
                                    .isolated = number(port[IFLA_BRPORT_ISOLATED]),
                                    .learning = number(port[IFLA_BRPORT_LEARNING])};
    out->floods = number(port[IFLA_BRPORT_UNICAST_FLOOD]) &&
                  number(port[IFLA_BRPORT_MCAST_FLOOD]) && number(port[IFLA_BRPORT_BCAST_FLOOD]) &&
                  number(port[IFLA_BRPORT_GROUP_FWD_MASK]) == RESERVED_GROUPS;
    for (size_t i = 0; i < ARRAY_LEN(kept_back); i++)
        out->floods = out->floods && !number(port[kept_back[i]]);
}

/* A kernel without the feature does not send the attribute. */
static void parse_bridge(struct nlattr *data, struct link *out)
{
    struct nlattr *bridge[IFLA_BR_MAX + 1];
    if (!data || nla_parse_nested(bridge, IFLA_BR_MAX, data, NULL) < 0)
        return;
    out->snoops = number(bridge[IFLA_BR_MCAST_SNOOPING]);
    out->has_stp = number(bridge[IFLA_BR_STP_STATE]);
    out->has_vlans = number(bridge[IFLA_BR_VLAN_FILTERING]);
}

static bool parse_link(struct nlmsghdr *h, struct link *out)
{
    struct nlattr *a[IFLA_MAX + 1];
    if (h->nlmsg_type != RTM_NEWLINK ||
        nlmsg_parse(h, sizeof(struct ifinfomsg), a, IFLA_MAX, link_policy) < 0 || !a[IFLA_IFNAME])
        return false;
    const struct ifinfomsg *info = nlmsg_data(h);
    *out = (struct link){.index = info->ifi_index, .flags = info->ifi_flags, .peer_netnsid = -1};
    nla_strlcpy(out->name, a[IFLA_IFNAME], sizeof(out->name));
    if (a[IFLA_IFALIAS])
        nla_strlcpy(out->alias, a[IFLA_IFALIAS], sizeof(out->alias));
    if (a[IFLA_STATS64]) {
        struct rtnl_link_stats64 counters = {0};
        nla_memcpy(&counters, a[IFLA_STATS64], sizeof(counters));
        out->received = counters.rx_bytes;
        out->sent = counters.tx_bytes;
    }
    if (a[IFLA_MTU])
        out->mtu = nla_get_u32(a[IFLA_MTU]);
    if (a[IFLA_MASTER])
        out->master = (int)nla_get_u32(a[IFLA_MASTER]);
    if (a[IFLA_LINK_NETNSID])
        out->peer_netnsid = nla_get_s32(a[IFLA_LINK_NETNSID]);
    if (a[IFLA_ADDRESS] && nla_len(a[IFLA_ADDRESS]) == 6)
        memcpy(out->mac, nla_data(a[IFLA_ADDRESS]), 6);
    out->lower_up = info->ifi_flags & LOWER_UP;
    out->carrier = out->lower_up && (info->ifi_flags & IFF_RUNNING);
    struct nlattr *about[IFLA_INFO_MAX + 1];
    if (a[IFLA_LINKINFO] &&
        nla_parse_nested(about, IFLA_INFO_MAX, a[IFLA_LINKINFO], info_policy) == 0) {
        parse_port(about, out);
        out->is_bridge =
            about[IFLA_INFO_KIND] && streq(nla_get_string(about[IFLA_INFO_KIND]), "bridge");
        if (out->is_bridge)
            parse_bridge(about[IFLA_INFO_DATA], out);
    }
    return true;
}

/* The entries of a dump. They are passed on only when the dump is complete: at its end, the kernel
 * may say that something has changed meanwhile, and then the dump is repeated. */
struct dumped {
    struct link *links;
    struct route *routes;
    struct address *addresses;
    struct neighbour *neighbours;
    size_t count;
};

static void dumped_clear(struct dumped *d)
{
    free(d->links);
    free(d->routes);
    free(d->addresses);
    free(d->neighbours);
    *d = (struct dumped){0};
}
#define _cleanup_dumped_ __attribute__((cleanup(dumped_clear)))

static int on_link(struct nl_msg *m, void *arg)
{
    struct dumped *d = arg;
    struct link link;
    if (!parse_link(nlmsg_hdr(m), &link))
        return NL_OK;
    d->links = xrealloc(d->links, d->count + 1, sizeof(link));
    d->links[d->count++] = link;
    return NL_OK;
}

static bool copy_ip(struct nlattr *a, int family, struct ip *out)
{
    *out = (struct ip){.family = family};
    if (!a || nla_len(a) != (int)ip_size(out))
        return false;
    memcpy(out->bytes, nla_data(a), ip_size(out));
    return true;
}

static int on_route(struct nl_msg *m, void *arg)
{
    struct dumped *d = arg;
    struct nlattr *a[RTA_MAX + 1];
    struct nlmsghdr *h = nlmsg_hdr(m);
    if (h->nlmsg_type != RTM_NEWROUTE ||
        nlmsg_parse(h, sizeof(struct rtmsg), a, RTA_MAX, route_policy) < 0)
        return NL_OK;
    const struct rtmsg *rtm = nlmsg_data(h);
    if (rtm->rtm_type != RTN_UNICAST || rtm->rtm_table == RT_TABLE_LOCAL)
        return NL_OK;
    struct route r = {.family = rtm->rtm_family,
                      .prefix = rtm->rtm_dst_len,
                      .protocol = rtm->rtm_protocol,
                      .metric = a[RTA_PRIORITY] ? nla_get_u32(a[RTA_PRIORITY]) : 0,
                      .on_link = !a[RTA_GATEWAY] && !a[RTA_VIA] && !a[RTA_MULTIPATH],
                      .oif = a[RTA_OIF] ? (int)nla_get_u32(a[RTA_OIF]) : 0};
    (void)copy_ip(a[RTA_DST], r.family, &r.destination);
    if (!copy_ip(a[RTA_GATEWAY], r.family, &r.gateway))
        r.gateway.family = 0;
    d->routes = xrealloc(d->routes, d->count + 1, sizeof(r));
    d->routes[d->count++] = r;
    return NL_OK;
}

static void add_address(struct dumped *d, const struct address *a)
{
    d->addresses = xrealloc(d->addresses, d->count + 1, sizeof(*a));
    d->addresses[d->count++] = *a;
}

/* IFA_ADDRESS is the prefix's address, or on a point-to-point link the peer's. IFA_LOCAL, if it
 * differs, is the interface's own. */
static int on_address(struct nl_msg *m, void *arg)
{
    struct dumped *d = arg;
    struct nlattr *a[IFA_MAX + 1];
    struct nlmsghdr *h = nlmsg_hdr(m);
    if (h->nlmsg_type != RTM_NEWADDR ||
        nlmsg_parse(h, sizeof(struct ifaddrmsg), a, IFA_MAX, NULL) < 0)
        return NL_OK;
    const struct ifaddrmsg *info = nlmsg_data(h);
    struct ip local;
    struct address x = {.prefix = info->ifa_prefixlen, .index = (int)info->ifa_index};
    if (copy_ip(a[IFA_ADDRESS], info->ifa_family, &x.ip))
        add_address(d, &x);
    if (copy_ip(a[IFA_LOCAL], info->ifa_family, &local) && !ip_equal(&local, &x.ip)) {
        x.ip = local;
        x.prefix = (uint8_t)(ip_size(&local) * 8);
        add_address(d, &x);
    }
    return NL_OK;
}

static int on_entry(struct nl_msg *m, void *arg)
{
    struct dumped *d = arg;
    struct nlattr *a[NDA_MAX + 1];
    struct nlmsghdr *h = nlmsg_hdr(m);
    if (h->nlmsg_type != RTM_NEWNEIGH ||
        nlmsg_parse(h, sizeof(struct ndmsg), a, NDA_MAX, neighbour_policy) < 0)
        return NL_OK;
    const struct ndmsg *info = nlmsg_data(h);
    struct neighbour n = {.index = info->ndm_ifindex,
                          .permanent = info->ndm_state & (NUD_PERMANENT | NUD_NOARP)};
    if (info->ndm_family != AF_BRIDGE && !copy_ip(a[NDA_DST], info->ndm_family, &n.ip))
        return NL_OK;
    if (a[NDA_LLADDR] && nla_len(a[NDA_LLADDR]) == 6)
        memcpy(n.mac, nla_data(a[NDA_LLADDR]), 6);
    d->neighbours = xrealloc(d->neighbours, d->count + 1, sizeof(n));
    d->neighbours[d->count++] = n;
    return NL_OK;
}

/* Replaces libnl's check of sequence numbers: our batches number their messages themselves, and the
 * kernel answers in order. */
static int any_sequence(struct nl_msg *m, void *arg)
{
    (void)m;
    (void)arg;
    return NL_OK;
}

int rt_dump_request(struct rt *rt, int type, void *request, size_t size, nl_recvmsg_msg_cb_t parse,
                    void *d)
{
    int r;
    do {
        r = nl_send_simple(rt->socket, type, NLM_F_DUMP, request, size);
    } while (r == -NLE_INTR);
    if (r < 0)
        return r;
    struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
    if (!cb)
        return -NLE_NOMEM;
    nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, parse, d);
    nl_cb_set(cb, NL_CB_SEQ_CHECK, NL_CB_CUSTOM, any_sequence, NULL);
    r = nl_recvmsgs(rt->socket, cb);
    nl_cb_put(cb);
    if (r < 0)
        rt_drain(rt);
    return r;
}

static int dump_once(struct rt *rt, int type, int family, nl_recvmsg_msg_cb_t parse, void *d)
{
    struct rtgenmsg request = {.rtgen_family = (unsigned char)family};
    struct ndmsg of_neighbours = {.ndm_family = (unsigned char)family};
    /* The kernel dumps a bridge's entries only for the longer header. */
    return type == RTM_GETNEIGH
               ? rt_dump_request(rt, type, &of_neighbours, sizeof(of_neighbours), parse, d)
               : rt_dump_request(rt, type, &request, sizeof(request), parse, d);
}

static int dump(struct rt *rt, int type, int family, nl_recvmsg_msg_cb_t parse, struct dumped *d,
                struct err *e)
{
    int r = -NLE_DUMP_INTR;
    for (int tries = 0; r == -NLE_DUMP_INTR && tries < 100; tries++) {
        dumped_clear(d);
        r = dump_once(rt, type, family, parse, d);
    }
    return r < 0 ? err_say(e, -EIO, "read the kernel's %s: %s",
                           type == RTM_GETLINK    ? "links"
                           : type == RTM_GETADDR  ? "addresses"
                           : type == RTM_GETNEIGH ? "neighbours"
                                                  : "routes",
                           nl_geterror(r))
                 : 0;
}

int rt_each_link(struct rt *rt, int (*each)(const struct link *link, void *arg), void *arg,
                 struct err *e)
{
    _cleanup_dumped_ struct dumped d = {0};
    int r = dump(rt, RTM_GETLINK, AF_UNSPEC, on_link, &d, e);
    for (size_t i = 0; r >= 0 && i < d.count; i++)
        r = each(&d.links[i], arg);
    return r;
}

int rt_each_route(struct rt *rt, int (*each)(const struct route *route, void *arg), void *arg,
                  struct err *e)
{
    const int families[] = {AF_INET, AF_INET6};
    int r = 0;
    for (size_t f = 0; r >= 0 && f < ARRAY_LEN(families); f++) {
        _cleanup_dumped_ struct dumped d = {0};
        r = dump(rt, RTM_GETROUTE, families[f], on_route, &d, e);
        for (size_t i = 0; r >= 0 && i < d.count; i++)
            r = each(&d.routes[i], arg);
    }
    return r;
}

static int on_local(struct nl_msg *m, void *arg)
{
    struct nlattr *a[RTA_MAX + 1];
    struct nlmsghdr *h = nlmsg_hdr(m);
    if (h->nlmsg_type != RTM_NEWROUTE ||
        nlmsg_parse(h, sizeof(struct rtmsg), a, RTA_MAX, route_policy) < 0)
        return NL_OK;
    const struct rtmsg *rtm = nlmsg_data(h);
    struct address local = {.prefix = rtm->rtm_dst_len};
    if (rtm->rtm_type == RTN_LOCAL && copy_ip(a[RTA_DST], rtm->rtm_family, &local.ip))
        add_address(arg, &local);
    return NL_OK;
}

/* With strict checking the kernel dumps the local table only, and not all routes of a router. */
static int dump_local(struct rt *rt, int family, struct dumped *d)
{
    struct rtmsg request = {
        .rtm_family = (unsigned char)family, .rtm_table = RT_TABLE_LOCAL, .rtm_type = RTN_LOCAL};
    int fd = nl_socket_get_fd(rt->socket), on = 1, off = 0;
    (void)setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
    int r = -NLE_DUMP_INTR;
    for (int tries = 0; r == -NLE_DUMP_INTR && tries < 100; tries++) {
        dumped_clear(d);
        r = rt_dump_request(rt, RTM_GETROUTE, &request, sizeof(request), on_local, d);
    }
    (void)setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &off, sizeof(off));
    return r == -NLE_OPNOTSUPP && family == AF_INET6 ? 0 : r; /* a kernel without IPv6 */
}

int rt_each_local(struct rt *rt, int (*each)(const struct address *address, void *arg), void *arg,
                  struct err *e)
{
    const int families[] = {AF_INET, AF_INET6};
    int r = 0;
    for (size_t f = 0; r >= 0 && f < ARRAY_LEN(families); f++) {
        _cleanup_dumped_ struct dumped d = {0};
        r = dump_local(rt, families[f], &d);
        if (r < 0)
            return err_say(e, -EIO, "read the host's local addresses: %s", nl_geterror(r));
        for (size_t i = 0; r >= 0 && i < d.count; i++)
            r = each(&d.addresses[i], arg);
    }
    return r;
}

int rt_each_address(struct rt *rt, int (*each)(const struct address *address, void *arg), void *arg,
                    struct err *e)
{
    _cleanup_dumped_ struct dumped d = {0};
    int r = dump(rt, RTM_GETADDR, AF_UNSPEC, on_address, &d, e);
    for (size_t i = 0; r >= 0 && i < d.count; i++)
        r = each(&d.addresses[i], arg);
    return r;
}

int rt_each_neighbour(struct rt *rt, int family,
                      int (*each)(const struct neighbour *neighbour, void *arg), void *arg,
                      struct err *e)
{
    _cleanup_dumped_ struct dumped d = {0};
    int r = dump(rt, RTM_GETNEIGH, family, on_entry, &d, e);
    for (size_t i = 0; r >= 0 && i < d.count; i++)
        r = each(&d.neighbours[i], arg);
    return r;
}

/* Sends one request with one answer of at most 32 KiB and frees @message. Returns the answer, which
 * the caller frees, or NULL with *@code set. */
static struct nlmsghdr *ask(struct rt *rt, struct nl_msg *message, uint16_t flags, int *code)
{
    nl_complete_msg(rt->socket, message);
    struct nlmsghdr *h = nlmsg_hdr(message);
    h->nlmsg_flags = flags;
    int fd = nl_socket_get_fd(rt->socket);
    ssize_t n;
    do {
        n = send(fd, h, h->nlmsg_len, 0);
    } while (n < 0 && errno == EINTR);
    nlmsg_free(message);
    _cleanup_free_ char *answer = xcalloc(1, 32768);
    while (n >= 0 && (n = recv(fd, answer, 32768, 0)) < 0 && errno == EINTR)
        n = 0;
    h = (void *)answer;
    int failure = errno;
    if (n < 0)
        rt_drain(rt);
    *code = n < 0 ? -failure : !nlmsg_ok(h, (int)n) ? -EBADMSG : 0;
    if (*code == 0 && h->nlmsg_type == NLMSG_ERROR)
        *code = ((struct nlmsgerr *)nlmsg_data(h))->error;
    return *code == 0 ? (void *)take_ptr(answer) : NULL;
}

int rt_get_link(struct rt *rt, const char *name, struct link *out)
{
    struct nl_msg *m = nlmsg_alloc_simple(RTM_GETLINK, 0);
    struct ifinfomsg info = {.ifi_family = AF_UNSPEC};
    if (!m || nlmsg_append(m, &info, sizeof(info), NLMSG_ALIGNTO) < 0 ||
        nla_put_string(m, IFLA_IFNAME, name) < 0) {
        nlmsg_free(m);
        return -ENOMEM;
    }
    int code;
    _cleanup_free_ struct nlmsghdr *answer = ask(rt, m, NLM_F_REQUEST, &code);
    if (!answer)
        return code;
    return parse_link(answer, out) ? 0 : -EBADMSG;
}

bool rt_peer_is_dying(struct rt *rt, const struct link *link)
{
    if (link->peer_netnsid < 0)
        return false;
    struct nl_msg *m = nlmsg_alloc_simple(RTM_GETNSID, 0);
    struct rtgenmsg request = {.rtgen_family = AF_UNSPEC};
    if (!m || nlmsg_append(m, &request, sizeof(request), NLMSG_ALIGNTO) < 0 ||
        nla_put_s32(m, NETNSA_NSID, link->peer_netnsid) < 0) {
        nlmsg_free(m);
        return false;
    }
    int code;
    _cleanup_free_ struct nlmsghdr *answer = ask(rt, m, NLM_F_REQUEST, &code);
    return !answer && code == -ENOENT;
}

int rt_is_local(struct rt *rt, const struct ip *address)
{
    struct nl_msg *m = nlmsg_alloc_simple(RTM_GETROUTE, 0);
    struct rtmsg request = {
        .rtm_family = (unsigned char)address->family,
        .rtm_dst_len = (unsigned char)(ip_size(address) * 8),
        /* Without the source address: for IPv6 the kernel looks for it on every link. */
        .rtm_flags = RTM_F_FIB_MATCH};
    if (!m || nlmsg_append(m, &request, sizeof(request), NLMSG_ALIGNTO) < 0 ||
        nla_put(m, RTA_DST, (int)ip_size(address), address->bytes) < 0) {
        nlmsg_free(m);
        return -ENOMEM;
    }
    int code;
    _cleanup_free_ struct nlmsghdr *answer = ask(rt, m, NLM_F_REQUEST, &code);
    if (!answer)
        return code == -ENETUNREACH || code == -EHOSTUNREACH ? 0 : code;
    return answer->nlmsg_type == RTM_NEWROUTE &&
           ((struct rtmsg *)nlmsg_data(answer))->rtm_type == RTN_LOCAL;
}

/* ---- capabilities and limits of the kernel ----------------------------------------------------*/

/* The request has an invalid number of queues. A kernel that knows the kind complains about that,
 * one that does not complains about the kind. */
int rt_knows_kind(struct rt *rt, const char *kind)
{
    struct nl_msg *m = nlmsg_alloc_simple(RTM_NEWLINK, 0);
    struct ifinfomsg info = {.ifi_family = AF_UNSPEC};
    struct nlattr *linkinfo;
    if (!m || nlmsg_append(m, &info, sizeof(info), NLMSG_ALIGNTO) < 0 ||
        nla_put_string(m, IFLA_IFNAME, "nc-probe") < 0 ||
        nla_put_u32(m, IFLA_NUM_TX_QUEUES, 1 << 20) < 0 ||
        !(linkinfo = nla_nest_start(m, IFLA_LINKINFO)) ||
        nla_put_string(m, IFLA_INFO_KIND, kind) < 0) {
        nlmsg_free(m);
        return -ENOMEM;
    }
    nla_nest_end(m, linkinfo);
    int code;
    _cleanup_free_ struct nlmsghdr *answer =
        ask(rt, m, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &code);
    return code == -EINVAL ? 1 : code == -EOPNOTSUPP ? 0 : code < 0 ? code : -EEXIST;
}

/* The same idea: without options, none of these can be created. Only all three flags together make
 * the kernel look for the kind, whatever qdisc the loopback has. */
int rt_knows_qdisc(struct rt *rt, const char *kind)
{
    struct nl_msg *m = nlmsg_alloc_simple(RTM_NEWQDISC, 0);
    struct tcmsg request = {.tcm_ifindex = LOOPBACK_INDEX, .tcm_parent = TC_H_ROOT};
    if (!m || nlmsg_append(m, &request, sizeof(request), NLMSG_ALIGNTO) < 0 ||
        nla_put_string(m, TCA_KIND, kind) < 0) {
        nlmsg_free(m);
        return -ENOMEM;
    }
    int code;
    _cleanup_free_ struct nlmsghdr *answer =
        ask(rt, m, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | NLM_F_REPLACE | NLM_F_ACK, &code);
    return code == -EINVAL ? 1 : code == -ENOENT || code == -EOPNOTSUPP ? 0 : code < 0 ? code : 1;
}

static int on_table(struct nl_msg *m, void *arg)
{
    struct neighbours *n = arg;
    struct nlattr *a[NDTA_MAX + 1];
    /* The entries of single devices have no configuration. */
    if (nlmsg_parse(nlmsg_hdr(m), sizeof(struct ndtmsg), a, NDTA_MAX, table_policy) < 0 ||
        !a[NDTA_CONFIG] || !a[NDTA_THRESH2] || !a[NDTA_THRESH3])
        return NL_OK;
    const struct ndt_config *c = nla_data(a[NDTA_CONFIG]);
    n->entries = c->ndtc_entries;
    n->soft = nla_get_u32(a[NDTA_THRESH2]);
    n->hard = nla_get_u32(a[NDTA_THRESH3]);
    return NL_OK;
}

static int on_neighbour(struct nl_msg *m, void *arg)
{
    const struct ndmsg *n = nlmsg_data(nlmsg_hdr(m));
    if (nlmsg_valid_hdr(nlmsg_hdr(m), sizeof(*n)) && n->ndm_state & (NUD_PERMANENT | NUD_NOARP))
        ++*(unsigned *)arg;
    return NL_OK;
}

int rt_get_neighbours(struct rt *rt, int family, struct neighbours *out, struct err *e)
{
    *out = (struct neighbours){0};
    int r = dump_once(rt, RTM_GETNEIGHTBL, family, on_table, out);
    int tries = 0;
    do {
        out->permanent = 0;
        if (r >= 0)
            r = dump_once(rt, RTM_GETNEIGH, family, on_neighbour, &out->permanent);
    } while (r == -NLE_DUMP_INTR && tries++ < 100 && (r = 0) == 0);
    return r < 0 ? err_say(e, -EIO, "read the kernel's neighbours: %s", nl_geterror(r)) : 0;
}
