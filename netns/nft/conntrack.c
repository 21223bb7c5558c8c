/* Reads and deletes entries of the conntrack table. No part of a tuple finds an entry directly, so
 * reading is a matter of cost.
 *
 * With 262,144 buckets, as on any host with 4 GiB: a netlink dump locks each bucket, which takes 10
 * ms even if the table is empty. /proc/net/nf_conntrack locks none and takes 0.2 ms, but its cost
 * grows with the square of the entries. So small tables are read there, and large ones are dumped,
 * narrowed by the kernel to a protocol and port where that is possible.
 *
 * The kernel can filter by address too, and since 6.8 delete by filter. But up to now (6.18) its
 * comparison of IPv6 addresses is inverted: it would delete every flow except the wanted ones.
 */
#include <netctr/nft.h>

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>

enum { MESSAGE_MAX = 512, DUMP_TRIES = 4, SMALL_TABLE = 4000 };

/* The parts of a tuple that a filter looks at. The kernel's headers do not export these
 * (net/netfilter/nf_internals.h). */
enum { FILTER_PROTO = 1 << 3, FILTER_PORT = 1 << 5 };

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

static bool holds(const struct nlattr *a, size_t size)
{
    return a && mnl_attr_get_payload_len(a) >= size;
}

/* ---- count -----------------------------------------------------------------------------------*/

static int take_count(const struct nlmsghdr *h, void *arg)
{
    const struct nlattr *a;
    mnl_attr_for_each(a, h, sizeof(struct nfgenmsg))
    {
        if (mnl_attr_get_type(a) == CTA_STATS_GLOBAL_ENTRIES && holds(a, 4))
            *(uint32_t *)arg = ntohl(mnl_attr_get_u32(a));
    }
    return MNL_CB_OK;
}

int conntrack_count(struct nft *n, uint32_t *count)
{
    _Alignas(struct nlmsghdr) char buffer[MESSAGE_MAX];
    *count = 0;
    int r = nft_request(n, start_message(buffer, IPCTNL_MSG_CT_GET_STATS, 0, AF_UNSPEC), take_count,
                        count);
    return r == -EINVAL ? -EOPNOTSUPP : r;
}

/* ---- delete ----------------------------------------------------------------------------------*/

static int ignore(const struct nlmsghdr *h, void *arg)
{
    (void)h, (void)arg;
    return MNL_CB_OK;
}

int conntrack_delete(struct nft *n, const struct ct_flow *f)
{
    _Alignas(struct nlmsghdr) char buffer[MESSAGE_MAX];
    bool v4 = f->src.family == AF_INET;
    struct nlmsghdr *h = start_message(buffer, IPCTNL_MSG_CT_DELETE, 0, f->src.family);
    struct nlattr *tuple = mnl_attr_nest_start(h, CTA_TUPLE_ORIG);
    struct nlattr *ip = mnl_attr_nest_start(h, CTA_TUPLE_IP);
    mnl_attr_put(h, v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, ip_size(&f->src), f->src.bytes);
    mnl_attr_put(h, v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, ip_size(&f->dst), f->dst.bytes);
    mnl_attr_nest_end(h, ip);
    struct nlattr *proto = mnl_attr_nest_start(h, CTA_TUPLE_PROTO);
    mnl_attr_put_u8(h, CTA_PROTO_NUM, f->protocol);
    mnl_attr_put_u16(h, CTA_PROTO_SRC_PORT, htons(f->src_port));
    mnl_attr_put_u16(h, CTA_PROTO_DST_PORT, htons(f->dst_port));
    mnl_attr_nest_end(h, proto);
    mnl_attr_nest_end(h, tuple);
    if (f->id)
        mnl_attr_put_u32(h, CTA_ID, f->id);
    int r = nft_request(n, h, ignore, NULL);
    return r == -ENOENT ? 0 : r;
}

/* ---- a small table: /proc --------------------------------------------------------------------*/

static uint16_t port_of(const char *text)
{
    uint64_t n;
    return parse_u64(text, 1, UINT16_MAX, &n) < 0 ? 0 : (uint16_t)n;
}

/* ipv4     2 udp      17 29 src=192.0.2.2 dst=192.0.2.3 sport=4711 dport=53 [UNREPLIED]
 *     src=192.0.2.3 dst=192.0.2.2 sport=53 dport=4711 mark=0 zone=0 use=2
 * (one line). False for protocols without ports and for zones other than the default. */
static bool parse_line(char *line, struct ct_flow *out)
{
    char *rest = NULL;
    bool addresses = true;
    int field = 0, sources = 0;
    *out = (struct ct_flow){0};
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

static int read_proc(void (*each)(const struct ct_flow *f, void *arg), void *arg)
{
    /* Read completely before @each may delete: the kernel finds its place in the file again by counting, and would skip
     * an entry for each one that is gone (seen on 6.1). */
    _cleanup_free_ char *text = NULL;
    int r = read_file_at(AT_FDCWD, "/proc/thread-self/net/nf_conntrack", 64 << 20, &text, NULL);
    if (r < 0)
        return r;
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));) {
        struct ct_flow f;
        if (parse_line(line, &f))
            each(&f, arg);
    }
    return 0;
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

static bool parse_flow(const struct nlmsghdr *h, struct ct_flow *out)
{
    struct attributes a = {0};
    const struct nfgenmsg *g = mnl_nlmsg_get_payload(h);
    if (mnl_nlmsg_get_payload_len(h) < sizeof(*g))
        return false;
    const struct ip blank = {.family = g->nfgen_family};
    bool v4 = blank.family == AF_INET;
    *out = (struct ct_flow){.src = blank, .dst = blank, .answers = blank};
    mnl_attr_parse(h, sizeof(*g), index_attribute, a.at);
    struct attributes orig = within(a.at[CTA_TUPLE_ORIG]), reply = within(a.at[CTA_TUPLE_REPLY]);
    struct attributes ip = within(orig.at[CTA_TUPLE_IP]), back = within(reply.at[CTA_TUPLE_IP]);
    struct attributes proto = within(orig.at[CTA_TUPLE_PROTO]);
    struct attributes answers = within(reply.at[CTA_TUPLE_PROTO]);
    if (!holds(proto.at[CTA_PROTO_NUM], 1) || !holds(proto.at[CTA_PROTO_SRC_PORT], 2) ||
        !holds(proto.at[CTA_PROTO_DST_PORT], 2) || !holds(answers.at[CTA_PROTO_SRC_PORT], 2) ||
        !holds(a.at[CTA_ID], 4) || a.at[CTA_ZONE])
        return false;
    take_address(ip.at[v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC], &out->src);
    take_address(ip.at[v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST], &out->dst);
    take_address(back.at[v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC], &out->answers);
    out->protocol = mnl_attr_get_u8(proto.at[CTA_PROTO_NUM]);
    out->src_port = ntohs(mnl_attr_get_u16(proto.at[CTA_PROTO_SRC_PORT]));
    out->dst_port = ntohs(mnl_attr_get_u16(proto.at[CTA_PROTO_DST_PORT]));
    out->answers_port = ntohs(mnl_attr_get_u16(answers.at[CTA_PROTO_SRC_PORT]));
    out->id = mnl_attr_get_u32(a.at[CTA_ID]);
    return true;
}

/* A kernel that does not know filters (before 5.8) dumps all. */
static void narrow(struct nlmsghdr *h, const struct ct_hint *hint)
{
    struct nlattr *tuple = mnl_attr_nest_start(h, CTA_TUPLE_ORIG);
    struct nlattr *proto = mnl_attr_nest_start(h, CTA_TUPLE_PROTO);
    mnl_attr_put_u8(h, CTA_PROTO_NUM, hint->protocol);
    mnl_attr_put_u16(h, CTA_PROTO_DST_PORT, htons(hint->dst_port));
    mnl_attr_nest_end(h, proto);
    mnl_attr_nest_end(h, tuple);
    struct nlattr *filter = mnl_attr_nest_start(h, CTA_FILTER);
    mnl_attr_put_u32(h, CTA_FILTER_ORIG_FLAGS, FILTER_PROTO | (hint->dst_port ? FILTER_PORT : 0));
    mnl_attr_put_u32(h, CTA_FILTER_REPLY_FLAGS, 0);
    mnl_attr_nest_end(h, filter);
}

struct reader {
    void (*each)(const struct ct_flow *f, void *arg);
    void *arg;
};

static int take_flow(const struct nlmsghdr *h, void *arg)
{
    const struct reader *reader = arg;
    struct ct_flow f;
    if (parse_flow(h, &f))
        reader->each(&f, reader->arg);
    return MNL_CB_OK;
}

/* A table that changes during each attempt has been read as well as possible. */
static int dump(struct nft *n, const struct ct_hint *hint, int family, struct reader *reader)
{
    _Alignas(struct nlmsghdr) char buffer[MESSAGE_MAX];
    struct nlmsghdr *h = start_message(buffer, IPCTNL_MSG_CT_GET, NLM_F_DUMP, family);
    if (hint->protocol)
        narrow(h, hint);
    int r = -EINTR;
    for (int i = 0; r == -EINTR && i < DUMP_TRIES; i++)
        r = nft_request_streamed(n, h, take_flow, reader);
    return r == -EINTR ? 0 : r;
}

int conntrack_each(struct nft *n, const struct ct_hint *hint,
                   void (*each)(const struct ct_flow *f, void *arg), void *arg)
{
    struct reader reader = {each, arg};
    uint32_t entries;
    int r = conntrack_count(n, &entries);
    if (r < 0 || entries == 0)
        return r;
    r = entries <= SMALL_TABLE ? read_proc(each, arg) : -ENOENT;
    if (r != -ENOENT) /* or a kernel without the file */
        return r;
    /* Filters work for one family at a time. */
    if (!hint->protocol && hint->ipv4 && hint->ipv6)
        return dump(n, hint, AF_UNSPEC, &reader);
    r = hint->ipv4 ? dump(n, hint, AF_INET, &reader) : 0;
    return r == 0 && hint->ipv6 ? dump(n, hint, AF_INET6, &reader) : r;
}
