/* Deleting conntrack entries: found by reading the table, deleted by nfnetlink.
 *
 * Nothing finds an entry by a part of its tuple; all of the table must be looked at. How, is a matter
 * of cost (262,144 buckets, as on any host with 4 GiB). A netlink dump locks each bucket: 10 ms, even
 * if the table is empty. /proc/net/nf_conntrack locks none: 0.2 ms, but its cost grows with the
 * square of the entries. So small tables are read there, and large ones are dumped, narrowed by the
 * kernel to one protocol and port where that is possible.
 *
 * The kernel can filter by address too, and since 6.8 delete by filter; but up to now (6.18) its
 * comparison of IPv6 addresses is upside down, and would delete everybody's flows but ours.
 *
 * "A port of the host" is what the ruleset means by `fib daddr type local`: the local routing table.
 * A flow to port 53 of another host has the same port, and is not ours to end.
 */
#include "stale_flows.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

enum { BUFFER_SIZE = 64 * 1024, MESSAGE_MAX = 512, DUMP_RETRIES = 4, SMALL_TABLE = 4000 };

/* Which parts of a tuple a filter looks at. The kernel's headers do not give these away
 * (net/netfilter/nf_internals.h). */
enum { FILTER_PROTO = 1 << 3, FILTER_PORT = 1 << 5 };

struct port {
    struct ip host;
    bool any; /* every local address of host's family */
    uint8_t protocol;
    uint16_t number;
    /* Who answers there. */
    struct ip container;
    uint16_t container_port;
};

/* The entries to delete: flows to these ports that another socket answers, or with @unpublished those that
 * the container answers; and flows from or to these addresses. */
struct plan {
    struct port *ports; /* by number */
    size_t port_count;
    bool unpublished;
    struct ip addresses[2];
    size_t address_count;
    uint16_t names_port; /* and questions for port 53 that are answered from this one; 0: none */
    /* The host's own addresses, looked up when the first entry asks for them. */
    struct subnet *locals;
    size_t local_count;
    bool locals_known;
    int failure;               /* to look them up, or to delete */
    struct mnl_socket *socket; /* for deletions */
};

/* A conntrack entry, original direction; and where the other direction comes from. */
struct entry {
    struct ip src, dst, answers;
    uint8_t protocol;
    uint16_t src_port, dst_port, answers_port;
    uint32_t id; /* network order; 0: not known */
};

static void socket_cleanup(struct mnl_socket **s)
{
    if (*s)
        mnl_socket_close(*s);
    *s = NULL;
}
#define _cleanup_socket_ __attribute__((cleanup(socket_cleanup)))

static void plan_clear(struct plan *p)
{
    free(p->ports);
    free(p->locals);
    socket_cleanup(&p->socket);
}
#define _cleanup_plan_ __attribute__((cleanup(plan_clear)))

/* ---- talking ---------------------------------------------------------------------------------*/

static int open_socket(int bus, struct mnl_socket **out)
{
    /* Non-blocking: the kernel works inside sendmsg(); what is not there then never comes. */
    _cleanup_socket_ struct mnl_socket *s = mnl_socket_open2(bus, SOCK_CLOEXEC | SOCK_NONBLOCK);
    int on = 1;
    if (!s || mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0)
        return -errno;
    (void)mnl_socket_setsockopt(s, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
    *out = take_ptr(s);
    return 0;
}

static struct nlmsghdr *start_message(char *buffer, uint16_t type, uint16_t flags, int family)
{
    struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
    h->nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type);
    h->nlmsg_flags = NLM_F_REQUEST | flags;
    struct nfgenmsg *g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
    g->nfgen_family = (uint8_t)family;
    g->version = NFNETLINK_V0;
    return h;
}

/* Sends a request and hands every answer to @each (may be NULL). Errors come unasked; ENOENT is none:
 * what is gone is gone. -EINTR: the table changed under the dump, which may lack something. */
static int talk(struct mnl_socket *s, const struct nlmsghdr *request,
                void (*each)(const struct nlmsghdr *answer, void *arg), void *arg)
{
    _cleanup_free_ char *buffer = xcalloc(1, BUFFER_SIZE);
    int r = 0;
    while (mnl_socket_sendto(s, request, request->nlmsg_len) < 0)
        if (errno != EINTR)
            return -errno;
    for (;;) {
        ssize_t got = mnl_socket_recvfrom(s, buffer, BUFFER_SIZE);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno == EAGAIN ? r : -errno;
        int left = (int)got;
        for (const struct nlmsghdr *h = (void *)buffer; mnl_nlmsg_ok(h, left);
             h = mnl_nlmsg_next(h, &left)) {
            const struct nlmsgerr *error = mnl_nlmsg_get_payload(h);
            if (h->nlmsg_type == NLMSG_ERROR && error->error != -ENOENT)
                r = r ? r : error->error;
            else if (h->nlmsg_flags & NLM_F_DUMP_INTR)
                r = r ? r : -EINTR;
            if (h->nlmsg_type >= NLMSG_MIN_TYPE && each)
                each(h, arg);
        }
    }
}

/* ---- whose is a flow? ------------------------------------------------------------------------*/

static bool holds(const struct nlattr *a, size_t size)
{
    return a && mnl_attr_get_payload_len(a) >= size;
}

static void take_route(const struct nlmsghdr *h, void *arg)
{
    struct plan *p = arg;
    const struct rtmsg *route = mnl_nlmsg_get_payload(h);
    if (mnl_nlmsg_get_payload_len(h) < sizeof(*route))
        return;
    struct subnet s = {{.family = route->rtm_family}, route->rtm_dst_len};
    const struct nlattr *a;
    if (h->nlmsg_type != RTM_NEWROUTE || route->rtm_type != RTN_LOCAL)
        return;
    mnl_attr_for_each(a, h, sizeof(*route))
    {
        if (mnl_attr_get_type(a) == RTA_DST && mnl_attr_get_payload_len(a) == ip_size(&s.address))
            memcpy(s.address.bytes, mnl_attr_get_payload(a), ip_size(&s.address));
    }
    p->locals = xrealloc(p->locals, p->local_count + 1, sizeof(*p->locals));
    p->locals[p->local_count++] = s;
}

static int find_locals(struct plan *p)
{
    static const int families[] = {AF_INET, AF_INET6};
    _cleanup_socket_ struct mnl_socket *s = NULL;
    int r = open_socket(NETLINK_ROUTE, &s);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(families); i++) {
        _Alignas(struct nlmsghdr) char buffer[MESSAGE_MAX];
        struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
        h->nlmsg_type = RTM_GETROUTE;
        h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
        struct rtmsg *route = mnl_nlmsg_put_extra_header(h, sizeof(*route));
        route->rtm_family = (uint8_t)families[i];
        route->rtm_table = RT_TABLE_LOCAL;
        route->rtm_type = RTN_LOCAL;
        r = talk(s, h, take_route, p);
        /* Addresses come and go; these were there. A kernel without IPv6 has no routes of it. */
        if (r == -EINTR || (r == -EOPNOTSUPP && families[i] == AF_INET6))
            r = 0;
    }
    return r;
}

static bool is_local(struct plan *p, const struct ip *a)
{
    if (!p->locals_known) {
        p->locals_known = true;
        p->failure = find_locals(p);
    }
    for (size_t i = 0; i < p->local_count; i++)
        if (p->locals[i].address.family == a->family && subnet_contains(&p->locals[i], a))
            return true;
    return false;
}

static int by_number(const void *a, const void *b)
{
    return ((const struct port *)a)->number - ((const struct port *)b)->number;
}

static bool is_answered_wrongly(struct plan *p, const struct entry *entry)
{
    const struct port key = {.number = entry->dst_port}, *end = p->ports + p->port_count;
    const struct port *port =
        p->port_count ? bsearch(&key, p->ports, p->port_count, sizeof(key), by_number) : NULL;
    while (port && port > p->ports && port[-1].number == entry->dst_port)
        port--;
    for (; port && port < end && port->number == entry->dst_port; port++)
        if (port->protocol == entry->protocol && port->host.family == entry->dst.family &&
            (port->any ? is_local(p, &entry->dst) : ip_equal(&port->host, &entry->dst)))
            return p->unpublished == (ip_equal(&port->container, &entry->answers) &&
                                      port->container_port == entry->answers_port);
    return false;
}

static bool has_end(const struct plan *p, const struct entry *entry)
{
    for (size_t i = 0; i < p->address_count; i++)
        if (ip_equal(&p->addresses[i], &entry->src) || ip_equal(&p->addresses[i], &entry->dst) ||
            ip_equal(&p->addresses[i], &entry->answers))
            return true;
    return false;
}

static bool is_question(const struct plan *p, const struct entry *entry)
{
    return p->names_port && entry->protocol == IPPROTO_UDP && entry->dst_port == 53 &&
           entry->answers_port == p->names_port;
}

/* ---- deleting --------------------------------------------------------------------------------*/

static void delete_entry(struct plan *p, const struct entry *entry)
{
    _Alignas(struct nlmsghdr) char buffer[MESSAGE_MAX];
    bool v4 = entry->src.family == AF_INET;
    struct nlmsghdr *h = start_message(buffer, IPCTNL_MSG_CT_DELETE, 0, entry->src.family);
    struct nlattr *tuple = mnl_attr_nest_start(h, CTA_TUPLE_ORIG);
    struct nlattr *ip = mnl_attr_nest_start(h, CTA_TUPLE_IP);
    mnl_attr_put(h, v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, ip_size(&entry->src), entry->src.bytes);
    mnl_attr_put(h, v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, ip_size(&entry->dst), entry->dst.bytes);
    mnl_attr_nest_end(h, ip);
    struct nlattr *proto = mnl_attr_nest_start(h, CTA_TUPLE_PROTO);
    mnl_attr_put_u8(h, CTA_PROTO_NUM, entry->protocol);
    mnl_attr_put_u16(h, CTA_PROTO_SRC_PORT, htons(entry->src_port));
    mnl_attr_put_u16(h, CTA_PROTO_DST_PORT, htons(entry->dst_port));
    mnl_attr_nest_end(h, proto);
    mnl_attr_nest_end(h, tuple);
    if (entry->id)
        mnl_attr_put_u32(h, CTA_ID, entry->id);
    int r = p->socket ? 0 : open_socket(NETLINK_NETFILTER, &p->socket);
    if (r == 0)
        r = talk(p->socket, h, NULL, NULL);
    p->failure = p->failure ? p->failure : r;
}

static void judge(struct plan *p, const struct entry *entry)
{
    if (has_end(p, entry) || is_answered_wrongly(p, entry) || is_question(p, entry))
        delete_entry(p, entry);
}

/* ---- a small table: /proc --------------------------------------------------------------------*/

static uint16_t port_of(const char *text)
{
    uint64_t n;
    return parse_u64(text, 1, UINT16_MAX, &n) < 0 ? 0 : (uint16_t)n;
}

/* ipv4     2 udp      17 29 src=192.0.2.2 dst=192.0.2.3 sport=4711 dport=53 [UNREPLIED]
 *     src=192.0.2.3 dst=192.0.2.2 sport=53 dport=4711 mark=0 zone=0 use=2
 * (one line). False for protocols without ports, and for zones other than the default: those are
 * somebody's own world. */
static bool parse_line(char *line, struct entry *out)
{
    char *rest = NULL;
    bool addresses = true;
    int field = 0, sources = 0;
    *out = (struct entry){0};
    for (char *word = strtok_r(line, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest)) {
        const char *value;
        uint64_t number;
        if (++field == 4 && parse_u64(word, 0, UINT8_MAX, &number) == 0)
            out->protocol = (uint8_t)number;
        else if ((value = skip_prefix(word, "src=")))
            addresses &= ip_parse(value, sources++ ? &out->answers : &out->src) == 0;
        else if (sources == 1 && (value = skip_prefix(word, "dst=")))
            addresses &= ip_parse(value, &out->dst) == 0;
        else if (sources && (value = skip_prefix(word, "sport=")))
            *(sources == 1 ? &out->src_port : &out->answers_port) = port_of(value);
        else if (sources == 1 && (value = skip_prefix(word, "dport=")))
            out->dst_port = port_of(value);
        else if (skip_prefix(word, "zone") && !streq(word, "zone=0"))
            return false;
    }
    return addresses && sources == 2 && out->src_port && out->dst_port;
}

static int forget_by_proc(struct plan *p)
{
    /* Read whole before anything is deleted: the kernel finds its place in the file again by counting,
     * and would pass over an entry for every one that is gone (seen on 6.1). */
    _cleanup_free_ char *text = NULL;
    int r = read_file_at(AT_FDCWD, "/proc/thread-self/net/nf_conntrack", 64 << 20, &text, NULL);
    if (r < 0)
        return r;
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));) {
        struct entry entry;
        if (parse_line(line, &entry))
            judge(p, &entry);
    }
    return p->failure;
}

/* ---- a large one: dump -----------------------------------------------------------------------*/

static int index_attribute(const struct nlattr *a, void *arg)
{
    const struct nlattr **table = arg;
    if (mnl_attr_get_type(a) <= CTA_MAX)
        table[mnl_attr_get_type(a)] = a;
    return MNL_CB_OK;
}

struct attributes {
    const struct nlattr *at[CTA_MAX + 1]; /* CTA_MAX is the largest of the enums used here */
};

static struct attributes within(const struct nlattr *nest)
{
    struct attributes a = {0};
    if (nest)
        mnl_attr_parse_nested(nest, index_attribute, a.at);
    return a;
}

static void take_address(const struct nlattr *a, struct ip *out)
{
    if (a && mnl_attr_get_payload_len(a) == ip_size(out))
        memcpy(out->bytes, mnl_attr_get_payload(a), ip_size(out));
}

static void take_entry(const struct nlmsghdr *h, void *arg)
{
    struct attributes a = {0};
    const struct nfgenmsg *g = mnl_nlmsg_get_payload(h);
    if (mnl_nlmsg_get_payload_len(h) < sizeof(*g))
        return;
    const struct ip blank = {.family = g->nfgen_family};
    struct entry entry = {.src = blank, .dst = blank, .answers = blank};
    bool v4 = blank.family == AF_INET;
    mnl_attr_parse(h, sizeof(*g), index_attribute, a.at);
    struct attributes orig = within(a.at[CTA_TUPLE_ORIG]), reply = within(a.at[CTA_TUPLE_REPLY]);
    struct attributes ip = within(orig.at[CTA_TUPLE_IP]), back = within(reply.at[CTA_TUPLE_IP]);
    struct attributes proto = within(orig.at[CTA_TUPLE_PROTO]);
    struct attributes answers = within(reply.at[CTA_TUPLE_PROTO]);
    if (!holds(proto.at[CTA_PROTO_NUM], 1) || !holds(proto.at[CTA_PROTO_SRC_PORT], 2) ||
        !holds(proto.at[CTA_PROTO_DST_PORT], 2) || !holds(answers.at[CTA_PROTO_SRC_PORT], 2) ||
        !holds(a.at[CTA_ID], 4) || a.at[CTA_ZONE])
        return;
    take_address(ip.at[v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC], &entry.src);
    take_address(ip.at[v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST], &entry.dst);
    take_address(back.at[v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC], &entry.answers);
    entry.protocol = mnl_attr_get_u8(proto.at[CTA_PROTO_NUM]);
    entry.src_port = ntohs(mnl_attr_get_u16(proto.at[CTA_PROTO_SRC_PORT]));
    entry.dst_port = ntohs(mnl_attr_get_u16(proto.at[CTA_PROTO_DST_PORT]));
    entry.answers_port = ntohs(mnl_attr_get_u16(answers.at[CTA_PROTO_SRC_PORT]));
    entry.id = mnl_attr_get_u32(a.at[CTA_ID]);
    judge(arg, &entry);
}

/* Asks for one protocol, or one port of it, if there is no more than that to look for. A kernel that
 * does not know filters (before 5.8) dumps all: it is we who judge. */
static void narrow(struct nlmsghdr *h, const struct plan *p)
{
    const struct port *first = p->ports;
    bool one_port = true;
    if (p->address_count || !p->port_count)
        return;
    for (size_t i = 1; i < p->port_count; i++) {
        if (p->ports[i].protocol != first->protocol)
            return;
        one_port &= p->ports[i].number == first->number;
    }
    struct nlattr *tuple = mnl_attr_nest_start(h, CTA_TUPLE_ORIG);
    struct nlattr *proto = mnl_attr_nest_start(h, CTA_TUPLE_PROTO);
    mnl_attr_put_u8(h, CTA_PROTO_NUM, first->protocol);
    mnl_attr_put_u16(h, CTA_PROTO_DST_PORT, htons(first->number));
    mnl_attr_nest_end(h, proto);
    mnl_attr_nest_end(h, tuple);
    struct nlattr *filter = mnl_attr_nest_start(h, CTA_FILTER);
    mnl_attr_put_u32(h, CTA_FILTER_ORIG_FLAGS, FILTER_PROTO | (one_port ? FILTER_PORT : 0));
    mnl_attr_put_u32(h, CTA_FILTER_REPLY_FLAGS, 0);
    mnl_attr_nest_end(h, filter);
}

static int dump(struct mnl_socket *s, struct plan *p, int family)
{
    _Alignas(struct nlmsghdr) char buffer[MESSAGE_MAX];
    struct nlmsghdr *h = start_message(buffer, IPCTNL_MSG_CT_GET, NLM_F_DUMP, family);
    narrow(h, p);
    int r = -EINTR;
    for (int i = 0; r == -EINTR && i < DUMP_RETRIES; i++)
        r = talk(s, h, take_entry, p);
    return r == -EINTR ? 0 : r;
}

static int forget_by_dump(struct mnl_socket *s, struct plan *p)
{
    bool v4 = false, v6 = false;
    for (size_t i = 0; i < p->port_count; i++)
        *(p->ports[i].host.family == AF_INET ? &v4 : &v6) = true;
    int r = p->address_count || p->names_port ? dump(s, p, AF_UNSPEC) : 0;
    if (r == 0 && v4) /* filters work for one family at a time */
        r = dump(s, p, AF_INET);
    if (r == 0 && v6)
        r = dump(s, p, AF_INET6);
    return r == 0 ? p->failure : r;
}

/* ---- both ------------------------------------------------------------------------------------*/

static void take_count(const struct nlmsghdr *h, void *arg)
{
    const struct nlattr *a;
    mnl_attr_for_each(a, h, sizeof(struct nfgenmsg))
    {
        if (mnl_attr_get_type(a) == CTA_STATS_GLOBAL_ENTRIES && holds(a, 4))
            *(uint32_t *)arg = ntohl(mnl_attr_get_u32(a));
    }
}

static int forget(struct plan *p, struct err *e)
{
    _Alignas(struct nlmsghdr) char buffer[MESSAGE_MAX];
    uint32_t entries = 0; /* of this network namespace */
    if (p->port_count + p->address_count == 0 && !p->names_port)
        return 0;
    _cleanup_socket_ struct mnl_socket *s = NULL;
    int r = open_socket(NETLINK_NETFILTER, &s);
    if (r == 0)
        r = talk(s, start_message(buffer, IPCTNL_MSG_CT_GET_STATS, 0, AF_UNSPEC), take_count,
                 &entries);
    if (r == -EINVAL || r == -EOPNOTSUPP)
        return err_say(e, -EOPNOTSUPP,
                       "this kernel's connections cannot be listed (module nf_conntrack_netlink)");
    if (r == 0 && entries > 0) {
        r = entries <= SMALL_TABLE ? forget_by_proc(p) : -ENOENT;
        if (r == -ENOENT) /* or a kernel without the file */
            r = forget_by_dump(s, p);
    }
    return r < 0 ? err_set(e, r, "forget the connections of published ports") : 0;
}

static void add_port(struct plan *p, const struct port_mapping *publish, const struct ip *container)
{
    struct port *port = &p->ports[p->port_count++];
    *port = (struct port){.host = publish->host,
                          .protocol = publish->protocol,
                          .number = publish->host_port,
                          .container = *container,
                          .container_port = publish->port};
    port->host.family = container->family;
    port->any = ip_is_any(&port->host);
}

static void add_ports(struct plan *p, const struct endpoint *ep)
{
    for (size_t i = 0; i < ep->port_mappings.count && !ep->routed; i++) {
        const struct port_mapping *publish = &ep->port_mappings.items[i];
        if (publish->protocol == IPPROTO_TCP)
            continue;
        p->ports = xrealloc(p->ports, p->port_count + 2, sizeof(*p->ports));
        if (publish->host.family != AF_INET6 && ep->address4.family)
            add_port(p, publish, &ep->address4);
        if (publish->host.family != AF_INET && ep->address6.family)
            add_port(p, publish, &ep->address6);
    }
}

static int forget_at_ports(const struct endpoint *endpoints, size_t count, bool unpublished,
                           struct err *e)
{
    _cleanup_plan_ struct plan p = {.unpublished = unpublished};
    for (size_t i = 0; i < count; i++)
        add_ports(&p, &endpoints[i]);
    if (p.port_count)
        qsort(p.ports, p.port_count, sizeof(*p.ports), by_number);
    return forget(&p, e);
}

int conntrack_end_stale(const struct endpoint *live, size_t count, struct err *e)
{
    return forget_at_ports(live, count, false, e);
}

int conntrack_forget_ports(const struct endpoint *ended, struct err *e)
{
    return forget_at_ports(ended, 1, true, e);
}

int conntrack_forget_questions(uint16_t port, struct err *e)
{
    _cleanup_plan_ struct plan p = {.names_port = port};
    return forget(&p, e);
}

int conntrack_forget_addresses(const struct endpoint *ep, struct err *e)
{
    _cleanup_plan_ struct plan p = {0};
    if (ep->address4.family)
        p.addresses[p.address_count++] = ep->address4;
    if (ep->address6.family)
        p.addresses[p.address_count++] = ep->address6;
    return forget(&p, e);
}
