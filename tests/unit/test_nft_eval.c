/* The evaluator of nf_tables rules against the kernel.
 *
 * Each round loads random rules (several hooks and chains, jumps, sets, maps, verdict maps, intervals, concatenations,
 * marks), sends a packet through them, and takes the kernel's verdict from nf_tables' trace. The evaluator has to come to
 * the same verdict, by the same rule, if it knows the whole packet; of a packet that it knows in part, whatever it
 * is certain of has to be so.
 *
 * The packet comes in by `port`, a port of the bridge `host`, and ends in an input chain behind all others.
 *
 *   NETCTR_EVAL_ROUNDS   how many rounds (2000)
 *   NETCTR_EVAL_SEED     of the random numbers (1)
 */
#include <netctr/nft.h>

#include "apart.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/trace.h>
#include <limits.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

enum {
    ROUNDS = 2000,
    KEYS_MAX = 4, /* elements of a set */
    PARTIAL = 3,  /* packets that are known in part, of each round */
    REG = NFT_REG32_00,
    DATA = NFT_REG32_08,
};

/* ---- random numbers --------------------------------------------------------------------------*/

static uint64_t state;
static uint64_t next_random(void)
{
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static unsigned below(unsigned n)
{
    return (unsigned)(next_random() % n);
}

static bool one_in(unsigned n)
{
    return below(n) == 0;
}

/* ---- where packets pass ----------------------------------------------------------------------*/

enum { PLACES = 6 };
static const struct spot {
    uint8_t family; /* NFPROTO_IPV4: of the packet's family */
    uint8_t hook;
    const char *device; /* netdev */
} spots[PLACES] = {
    {NFPROTO_NETDEV, NF_NETDEV_INGRESS, "port"}, {NFPROTO_BRIDGE, NF_INET_PRE_ROUTING, NULL},
    {NFPROTO_BRIDGE, NF_INET_LOCAL_IN, NULL},    {NFPROTO_NETDEV, NF_NETDEV_INGRESS, "host"},
    {NFPROTO_IPV4, NF_INET_PRE_ROUTING, NULL},   {NFPROTO_IPV4, NF_INET_LOCAL_IN, NULL},
};

static struct {
    uint32_t port, host, wire; /* indices */
    uint8_t host_mac[6], wire_mac[6];
    int frames; /* packet socket on the wire */
    struct mnl_socket *trace;
    struct nft *nft;
} world = {.host_mac = {2, 0, 0, 0, 0, 1}, .wire_mac = {2, 0, 0, 0, 0, 2}};

static void set_up_links(struct rt *rt)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct link l;
    struct ip own4 = ip("192.0.2.2"), own6 = ip("2001:db8::2");
    _cleanup_rt_batch_ struct rt_batch *b = rt_batch_new(rt);
    rt_add_bridge(b, "host", world.host_mac, 1500);
    require(rt_commit(b, &e) == 0, "%s", e.text);
    require(rt_get_link(rt, "host", &l) == 0, "no bridge");
    world.host = (uint32_t)l.index;
    struct veth v = {.host = "port",
                     .peer = "wire",
                     .mtu = 1500,
                     .host_mac = {2, 0, 0, 0, 0, 3},
                     .master = l.index,
                     .peer_netns = netns_self()};
    memcpy(v.peer_mac, world.wire_mac, 6);
    rt_add_veth(b, &v);
    require(rt_commit(b, &e) == 0, "%s", e.text);
    close(v.peer_netns);
    require(rt_get_link(rt, "port", &l) == 0, "no port");
    world.port = (uint32_t)l.index;
    require(rt_get_link(rt, "wire", &l) == 0, "no wire");
    world.wire = (uint32_t)l.index;
    rt_set_up(b, 1);
    rt_set_up(b, (int)world.host);
    rt_set_up(b, (int)world.port);
    rt_set_up(b, (int)world.wire);
    rt_add_address(b, (int)world.host, &own4, 24);
    rt_add_address(b, (int)world.host, &own6, 64);
    require(rt_commit(b, &e) == 0, "%s", e.text);
}

static void open_sockets(void)
{
    _cleanup_err_ struct err e = ERR_INIT;
    const int group = NFNLGRP_NFTRACE, room = 4 << 20;
    require(nft_open(&world.nft, &e) == 0, "%s", e.text);
    world.trace = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
    require(world.trace && mnl_socket_bind(world.trace, 0, MNL_SOCKET_AUTOPID) == 0, "%s",
            strerror(errno));
    (void)setsockopt(mnl_socket_get_fd(world.trace), SOL_SOCKET, SO_RCVBUFFORCE, &room,
                     sizeof(room));
    require(mnl_socket_setsockopt(world.trace, NETLINK_ADD_MEMBERSHIP, (void *)&group,
                                  sizeof(group)) == 0,
            "%s", strerror(errno));
    world.frames = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    require(world.frames >= 0, "%s", strerror(errno));
}

/* ---- packets ---------------------------------------------------------------------------------*/

struct frame {
    uint8_t bytes[ETH_HLEN + 40 + 40];
    size_t size, network, transport; /* network, transport: offsets */
    bool six, invalid;               /* invalid: conntrack says so, as its checksum is wrong */
    uint8_t protocol;
};

static uint16_t checksum(uint32_t sum, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static void put16(uint8_t *to, uint16_t value)
{
    to[0] = (uint8_t)(value >> 8);
    to[1] = (uint8_t)value;
}

static void fill_network(struct frame *f, size_t payload)
{
    uint8_t *h = f->bytes + f->network;
    if (f->six) {
        const struct ip from = ip("2001:db8::9"), to = ip("2001:db8::2");
        h[0] = 0x60;
        put16(h + 4, (uint16_t)payload);
        h[6] = f->protocol;
        h[7] = (uint8_t)(60 + below(8));
        memcpy(h + 8, from.bytes, 16);
        memcpy(h + 24, to.bytes, 16);
        h[23] = (uint8_t)(9 + below(4));
        return;
    }
    const struct ip from = ip("192.0.2.9"), to = ip("192.0.2.2");
    h[0] = 0x45;
    h[1] = (uint8_t)(below(8) << 2);
    put16(h + 2, (uint16_t)(20 + payload));
    put16(h + 4, (uint16_t)below(65536));
    h[8] = (uint8_t)(60 + below(8));
    h[9] = f->protocol;
    memcpy(h + 12, from.bytes, 4);
    memcpy(h + 16, to.bytes, 4);
    h[15] = (uint8_t)(9 + below(4));
    put16(h + 10, checksum(0, h, 20));
}

static void fill_transport(struct frame *f, size_t size)
{
    uint8_t *h = f->bytes + f->transport;
    size_t at = f->protocol == IPPROTO_TCP ? 16 : f->protocol == IPPROTO_UDP ? 6 : 2;
    put16(h, (uint16_t)(1000 + below(8)));
    put16(h + 2, (uint16_t)(80 + below(8)));
    for (size_t i = size - 8; i < size; i++)
        h[i] = (uint8_t)below(256);
    if (f->protocol == IPPROTO_TCP) {
        h[12] = 0x50;
        h[13] = 2; /* SYN */
        h[14] = 1; /* window */
    } else if (f->protocol == IPPROTO_UDP) {
        put16(h + 4, (uint16_t)size);
    } else {
        h[0] = f->six ? 128 : 8;
        h[1] = 0;
    }
    put16(h + at, 0);
    uint32_t pseudo = f->protocol == IPPROTO_ICMP ? 0 : (uint32_t)(f->protocol + size);
    const uint8_t *addresses = f->bytes + f->network + (f->six ? 8 : 12);
    for (size_t i = 0; pseudo && i < (f->six ? 32u : 8u); i++)
        pseudo += i % 2 ? addresses[i] : (uint32_t)addresses[i] << 8;
    put16(h + at, (uint16_t)(checksum(pseudo, h, size) ^ (f->invalid ? 0x5555 : 0)));
}

static void make_frame(struct frame *f)
{
    static const uint8_t protocols[] = {IPPROTO_UDP, IPPROTO_TCP, IPPROTO_ICMP};
    *f = (struct frame){.six = one_in(3), .invalid = one_in(8), .network = ETH_HLEN};
    f->protocol = protocols[below(3)];
    if (f->six && f->protocol == IPPROTO_ICMP)
        f->protocol = IPPROTO_ICMPV6;
    f->transport = f->network + (f->six ? 40 : 20);
    size_t size = (f->protocol == IPPROTO_TCP ? 20 : 8) + 8;
    f->size = f->transport + size;
    memcpy(f->bytes, world.host_mac, 6);
    memcpy(f->bytes + 6, world.wire_mac, 6);
    put16(f->bytes + 12, f->six ? ETH_P_IPV6 : ETH_P_IP);
    fill_network(f, size);
    fill_transport(f, size);
}

static void send_frame(const struct frame *f)
{
    struct sockaddr_ll to = {
        .sll_family = AF_PACKET, .sll_ifindex = (int)world.wire, .sll_halen = ETH_ALEN};
    require(sendto(world.frames, f->bytes, f->size, 0, (struct sockaddr *)&to, sizeof(to)) ==
                (ssize_t)f->size,
            "%s", strerror(errno));
}

static struct nft_header header_of(const struct frame *f, size_t from, size_t to)
{
    struct nft_header h = {.size = to - from};
    memcpy(h.value, f->bytes + from, h.size);
    memset(h.known, 0xff, h.size);
    return h;
}

/* What the evaluator is told. Marks and headers stay as the last place has left them. */
static void describe(const struct frame *f, struct nft_packet *p)
{
    *p = (struct nft_packet){
        .nfproto = f->six ? NFPROTO_IPV6 : NFPROTO_IPV4,
        .protocol = f->protocol,
        .complete = true,
        .out = {.name = ""},
        .bridge_out = {.name = ""},
        .link = header_of(f, 0, ETH_HLEN),
        .network = header_of(f, f->network, f->transport),
        .transport = header_of(f, f->transport, f->size),
        .length = nft_known((uint32_t)(f->size - ETH_HLEN)),
        .mark = nft_known(0),
        .ct_mark = nft_known(0),
        .ct_status = nft_known(0),
        .ct_direction = nft_known(0),
        .ct_state = nft_known(f->invalid ? NF_CT_STATE_INVALID_BIT : NF_CT_STATE_BIT(IP_CT_NEW))};
}

static void arrive_at(size_t place, struct nft_packet *p, struct nft_place *at,
                      const struct frame *f)
{
    bool by_port = place < 3;
    *at = (struct nft_place){.family = spots[place].family, .hook = spots[place].hook};
    if (at->family == NFPROTO_IPV4 && f->six)
        at->family = NFPROTO_IPV6;
    p->in = by_port ? (struct nft_device){.name = "port", .index = world.port}
                    : (struct nft_device){.name = "host", .index = world.host};
    p->bridge_in.name = by_port ? "host" : "";
    p->packet_type = nft_known(place == 0 ? PACKET_OTHERHOST : PACKET_HOST);
}

/* ---- rules -----------------------------------------------------------------------------------*/

/* A table that is being built. */
struct build {
    struct nft_batch *batch;
    const struct frame *frame;
    size_t place;
    uint8_t family; /* of the table */
    char table[8];
    unsigned set_id;
    bool second;   /* of this hook */
    size_t chains; /* regular ones, named as chain_name() says */
    size_t chain;  /* whose rules are being built; those behind it may be jumped to */
};

static void add_table(struct nft_batch *batch, uint8_t family, const char *name)
{
    struct nftnl_table *t = nft_must(nftnl_table_alloc());
    nftnl_table_set_str(t, NFTNL_TABLE_NAME, name);
    nftnl_table_nlmsg_build_payload(
        nft_batch_message(batch, NFT_MSG_NEWTABLE, NLM_F_CREATE, family, xstrdup("add table")), t);
    nftnl_table_free(t);
}

static void delete_table(struct nft_batch *batch, uint8_t family, const char *name)
{
    struct nftnl_table *t = nft_must(nftnl_table_alloc());
    nftnl_table_set_str(t, NFTNL_TABLE_NAME, name);
    nftnl_table_nlmsg_build_payload(
        nft_batch_message(batch, NFT_MSG_DELTABLE, 0, family, xstrdup("delete table")), t);
    nftnl_table_free(t);
}

struct base {
    uint32_t hook;
    int priority;
    const char *device;
    uint32_t policy;
};

static void add_chain(struct nft_batch *batch, uint8_t family, const char *table, const char *name,
                      const struct base *base)
{
    struct nftnl_chain *c = nft_must(nftnl_chain_alloc());
    nftnl_chain_set_str(c, NFTNL_CHAIN_TABLE, table);
    nftnl_chain_set_str(c, NFTNL_CHAIN_NAME, name);
    if (base) {
        nftnl_chain_set_str(c, NFTNL_CHAIN_TYPE, "filter");
        nftnl_chain_set_u32(c, NFTNL_CHAIN_HOOKNUM, base->hook);
        nftnl_chain_set_s32(c, NFTNL_CHAIN_PRIO, base->priority);
        nftnl_chain_set_u32(c, NFTNL_CHAIN_POLICY, base->policy);
        if (base->device)
            nftnl_chain_set_str(c, NFTNL_CHAIN_DEV, base->device);
    }
    nftnl_chain_nlmsg_build_payload(
        nft_batch_message(batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE, family, xstrdup("add chain")), c);
    nftnl_chain_free(c);
}

static struct nftnl_rule *new_rule(const char *table, const char *chain)
{
    struct nftnl_rule *r = nft_must(nftnl_rule_alloc());
    nftnl_rule_set_str(r, NFTNL_RULE_TABLE, table);
    nftnl_rule_set_str(r, NFTNL_RULE_CHAIN, chain);
    return r;
}

static void add_rule(struct nft_batch *batch, uint8_t family, struct nftnl_rule *r)
{
    nftnl_rule_nlmsg_build_payload(nft_batch_message(batch, NFT_MSG_NEWRULE,
                                                     NLM_F_CREATE | NLM_F_APPEND, family,
                                                     xstrdup("add rule")),
                                   r);
    nftnl_rule_free(r);
}

static struct nftnl_expr *add(struct nftnl_rule *r, const char *name)
{
    struct nftnl_expr *x = nft_must(nftnl_expr_alloc(name));
    nftnl_rule_add_expr(r, x);
    return x;
}

/* ---- what rules ask for ----------------------------------------------------------------------*/

/* A field, with the value that this packet has there: constants are chosen near it. */
struct field {
    uint8_t value[16];
    size_t size;
};

static void load_payload(struct build *b, struct nftnl_rule *r, uint32_t reg, struct field *out)
{
    static const struct {
        uint8_t base, offset, size;
    } four[] = {{1, 8, 1},  {1, 9, 1}, {1, 12, 4}, {1, 16, 4}, {1, 1, 1},
                {1, 15, 1}, {1, 2, 2}, {2, 0, 2},  {2, 2, 2},  {2, 0, 4},
                {2, 0, 1},  {2, 4, 4}, {0, 6, 6},  {0, 12, 2}, {2, 60, 2}},
      six[] = {{1, 6, 1},  {1, 7, 1}, {1, 8, 16}, {1, 24, 16}, {1, 22, 2},
               {1, 20, 4}, {1, 4, 2}, {2, 0, 2},  {2, 2, 2},   {2, 0, 4},
               {2, 3, 1},  {2, 1, 2}, {0, 6, 6},  {0, 0, 6},   {2, 60, 2}};
    const struct frame *f = b->frame;
    unsigned i = below(ARRAY_LEN(four));
    uint32_t base = f->six ? six[i].base : four[i].base,
             offset = f->six ? six[i].offset : four[i].offset;
    out->size = f->six ? six[i].size : four[i].size;
    size_t at = offset + (base == 0 ? 0 : base == 1 ? f->network : f->transport);
    expr_payload(r, base, offset, (uint32_t)out->size, reg);
    if (at + out->size <= f->size)
        memcpy(out->value, f->bytes + at, out->size);
}

static void load_meta(struct build *b, struct nftnl_rule *r, uint32_t reg, struct field *out)
{
    static const uint32_t keys[] = {
        NFT_META_L4PROTO, NFT_META_PROTOCOL, NFT_META_NFPROTO, NFT_META_IIF,     NFT_META_IIFNAME,
        NFT_META_OIFNAME, NFT_META_MARK,     NFT_META_LEN,     NFT_META_PKTTYPE, NFT_META_OIF};
    const struct frame *f = b->frame;
    uint32_t key = keys[below(ARRAY_LEN(keys))], number = 0;
    bool by_port = b->place < 3;
    out->size = 4;
    switch (key) {
    case NFT_META_L4PROTO:
        number = f->protocol;
        out->size = 1;
        break;
    case NFT_META_PROTOCOL:
        number = htons(f->six ? ETH_P_IPV6 : ETH_P_IP);
        out->size = 2;
        break;
    case NFT_META_NFPROTO:
        number = f->six ? NFPROTO_IPV6 : NFPROTO_IPV4;
        out->size = 1;
        break;
    case NFT_META_IIF: number = by_port ? world.port : world.host; break;
    case NFT_META_MARK: number = below(4); break;
    case NFT_META_LEN: number = (uint32_t)(f->size - ETH_HLEN); break;
    case NFT_META_PKTTYPE: out->size = 1; break;
    case NFT_META_IIFNAME: strcpy((char *)out->value, by_port ? "port" : "host"); /* fall through */
    case NFT_META_OIFNAME: out->size = 16; break;
    }
    if (out->size < 16)
        memcpy(out->value, &number, sizeof(number));
    expr_meta(r, key, reg);
}

static void load_ct(struct build *b, struct nftnl_rule *r, uint32_t reg, struct field *out)
{
    static const uint32_t keys[] = {NFT_CT_STATE, NFT_CT_STATUS, NFT_CT_MARK, NFT_CT_DIRECTION};
    uint32_t key = keys[below(ARRAY_LEN(keys))], number = key != NFT_CT_STATE ? below(3)
                                                          : b->frame->invalid
                                                              ? NF_CT_STATE_INVALID_BIT
                                                              : NF_CT_STATE_BIT(IP_CT_NEW);
    out->size = key == NFT_CT_DIRECTION ? 1 : 4;
    memcpy(out->value, &number, sizeof(number));
    expr_ct(r, key, reg);
}

static struct field load(struct build *b, struct nftnl_rule *r, uint32_t reg)
{
    struct field out = {.size = 4};
    unsigned kind = below(10);
    if (kind == 0 && b->place >= 4)
        load_ct(b, r, reg, &out);
    else if (kind < 4)
        load_meta(b, r, reg, &out);
    else
        load_payload(b, r, reg, &out);
    return out;
}

/* A constant near the value: the same, one off, or another byte. */
static void nearby(const struct field *f, uint8_t *out)
{
    memcpy(out, f->value, f->size);
    switch (below(6)) {
    case 0: out[f->size - 1]++; break;
    case 1: out[f->size - 1]--; break;
    case 2: out[below((unsigned)f->size)] = (uint8_t)below(256); break;
    case 3: out[0] ^= (uint8_t)(1 << below(8)); break;
    default: break;
    }
}

static void sort_pair(uint8_t *a, uint8_t *b, size_t size)
{
    uint8_t keep[16];
    if (memcmp(a, b, size) <= 0)
        return;
    memcpy(keep, a, size);
    memcpy(a, b, size);
    memcpy(b, keep, size);
}

/* ---- comparisons -----------------------------------------------------------------------------*/

static void compare(struct nftnl_rule *r, const struct field *f)
{
    static const uint32_t ops[] = {NFT_CMP_EQ, NFT_CMP_EQ,  NFT_CMP_NEQ, NFT_CMP_NEQ,
                                   NFT_CMP_LT, NFT_CMP_LTE, NFT_CMP_GT,  NFT_CMP_GTE};
    uint8_t data[16];
    nearby(f, data);
    expr_cmp(r, ops[below(ARRAY_LEN(ops))], REG, data,
             (uint32_t)(one_in(6) ? 1 + below((unsigned)f->size) : f->size));
}

static void compare_masked(struct nftnl_rule *r, struct field *f)
{
    uint8_t mask[16], flip[16] = {0};
    for (size_t i = 0; i < f->size; i++) {
        mask[i] = one_in(2) ? 0xff : (uint8_t)below(256);
        flip[i] = one_in(4) ? (uint8_t)below(256) : 0;
        f->value[i] = (f->value[i] & mask[i]) ^ flip[i];
    }
    struct nftnl_expr *x = add(r, "bitwise");
    nftnl_expr_set_u32(x, NFTNL_EXPR_BITWISE_SREG, REG);
    nftnl_expr_set_u32(x, NFTNL_EXPR_BITWISE_DREG, REG);
    nftnl_expr_set_u32(x, NFTNL_EXPR_BITWISE_LEN, (uint32_t)f->size);
    nftnl_expr_set(x, NFTNL_EXPR_BITWISE_MASK, mask, (uint32_t)f->size);
    nftnl_expr_set(x, NFTNL_EXPR_BITWISE_XOR, flip, (uint32_t)f->size);
    compare(r, f);
}

static void compare_swapped(struct nftnl_rule *r, struct field *f)
{
    const size_t size = f->size == 2 ? 2 : 4;
    struct field swapped = *f;
    if (f->size != 2 && f->size != 4) {
        compare(r, f);
        return;
    }
    for (size_t i = 0; i < size; i++)
        swapped.value[i] = f->value[size - 1 - i];
    struct nftnl_expr *x = add(r, "byteorder");
    nftnl_expr_set_u32(x, NFTNL_EXPR_BYTEORDER_SREG, REG);
    nftnl_expr_set_u32(x, NFTNL_EXPR_BYTEORDER_DREG, REG);
    nftnl_expr_set_u32(x, NFTNL_EXPR_BYTEORDER_OP,
                       one_in(2) ? NFT_BYTEORDER_HTON : NFT_BYTEORDER_NTOH);
    nftnl_expr_set_u32(x, NFTNL_EXPR_BYTEORDER_LEN, (uint32_t)size);
    nftnl_expr_set_u32(x, NFTNL_EXPR_BYTEORDER_SIZE, (uint32_t)size);
    compare(r, &swapped);
}

static void compare_range(struct nftnl_rule *r, const struct field *f)
{
    uint8_t low[16], high[16];
    nearby(f, low);
    nearby(f, high);
    sort_pair(low, high, f->size);
    struct nftnl_expr *x = add(r, "range");
    nftnl_expr_set_u32(x, NFTNL_EXPR_RANGE_SREG, REG);
    nftnl_expr_set_u32(x, NFTNL_EXPR_RANGE_OP, one_in(3) ? NFT_RANGE_NEQ : NFT_RANGE_EQ);
    nftnl_expr_set(x, NFTNL_EXPR_RANGE_FROM_DATA, low, (uint32_t)f->size);
    nftnl_expr_set(x, NFTNL_EXPR_RANGE_TO_DATA, high, (uint32_t)f->size);
}

/* ---- sets ------------------------------------------------------------------------------------*/

enum use { SET, MAP, VERDICTS };

struct set {
    struct build *b;
    struct nftnl_set *s;
    char name[16];
    enum use use;
    struct field fields[3];
    size_t field_count, key_size;
};

/* "P<place>…": number 0 is the base chain. */
static void chain_name(char *out, const struct build *b, size_t number)
{
    snprintf(out, 16, "P%zu%c%zu", b->place, b->second ? 'D' : 'C', number);
}

/* Any verdict; jumps go to later chains only, so there is no loop. */
static uint32_t any_verdict(struct build *b, char *chain)
{
    static const int plain[] = {NF_ACCEPT, NF_DROP, NFT_RETURN, NFT_CONTINUE};
    size_t later = b->chains - b->chain;
    if (later && one_in(2)) {
        chain_name(chain, b, b->chain + 1 + below((unsigned)later));
        return (uint32_t)(one_in(2) ? NFT_JUMP : NFT_GOTO);
    }
    *chain = 0;
    return (uint32_t)plain[below(one_in(4) ? 4 : 3)];
}

static void add_element(struct set *set, const uint8_t *key, const uint8_t *key_end, uint32_t flags)
{
    struct nftnl_set_elem *x = nft_must(nftnl_set_elem_alloc());
    char chain[16] = "";
    if (key)
        nftnl_set_elem_set(x, NFTNL_SET_ELEM_KEY, key, (uint32_t)set->key_size);
    if (key_end)
        nftnl_set_elem_set(x, NFTNL_SET_ELEM_KEY_END, key_end, (uint32_t)set->key_size);
    if (flags)
        nftnl_set_elem_set_u32(x, NFTNL_SET_ELEM_FLAGS, flags);
    bool value = !(flags & NFT_SET_ELEM_INTERVAL_END);
    if (value && set->use == VERDICTS) {
        nftnl_set_elem_set_u32(x, NFTNL_SET_ELEM_VERDICT, any_verdict(set->b, chain));
        if (*chain)
            nftnl_set_elem_set_str(x, NFTNL_SET_ELEM_CHAIN, chain);
    } else if (value && set->use == MAP) {
        uint32_t data = below(3);
        nftnl_set_elem_set(x, NFTNL_SET_ELEM_DATA, &data, sizeof(data));
    }
    nftnl_set_elem_add(set->s, x);
}

static void a_key(const struct set *set, uint8_t *out)
{
    size_t at = 0;
    memset(out, 0, 64);
    for (size_t i = 0; i < set->field_count; i++) {
        nearby(&set->fields[i], out + at);
        at += (set->fields[i].size + 3) / 4 * 4;
    }
}

static int by_key(const void *a, const void *b)
{
    return memcmp(a, b, 64);
}

static void add_values(struct set *set)
{
    uint8_t keys[KEYS_MAX][64];
    unsigned count = 1 + below(KEYS_MAX);
    for (unsigned i = 0; i < count; i++)
        a_key(set, keys[i]);
    qsort(keys, count, sizeof(*keys), by_key);
    for (unsigned i = 0; i < count; i++)
        if (i == 0 || memcmp(keys[i], keys[i - 1], 64) != 0)
            add_element(set, keys[i], NULL, 0);
}

/* Borders in rising order, in turn a first value and the one behind the last; the last interval may have no end. */
static void add_intervals(struct set *set)
{
    uint8_t keys[KEYS_MAX][64];
    unsigned count = 1 + below(KEYS_MAX);
    bool starts = true;
    for (unsigned i = 0; i < count; i++)
        a_key(set, keys[i]);
    qsort(keys, count, sizeof(*keys), by_key);
    for (unsigned i = 0; i < count; i++) {
        if (i && memcmp(keys[i], keys[i - 1], 64) == 0)
            continue;
        add_element(set, keys[i], NULL, starts ? 0 : NFT_SET_ELEM_INTERVAL_END);
        if (!starts && one_in(3)) /* the next interval starts where this one ends */
            add_element(set, keys[i], NULL, 0);
        else
            starts = !starts;
    }
}

static void add_ranges(struct set *set)
{
    for (unsigned i = 0; i < 1 + below(2); i++) {
        uint8_t low[64], high[64];
        size_t at = 0;
        a_key(set, low);
        a_key(set, high);
        for (size_t k = 0; k < set->field_count; k++) {
            sort_pair(low + at, high + at, set->fields[k].size);
            at += (set->fields[k].size + 3) / 4 * 4;
        }
        add_element(set, low, high, 0);
    }
}

static void add_elements(struct set *set, uint32_t flags)
{
    if (!(flags & NFT_SET_INTERVAL))
        add_values(set);
    else if (set->field_count > 1)
        add_ranges(set);
    else
        add_intervals(set);
    if (one_in(6))
        add_element(set, NULL, NULL, NFT_SET_ELEM_CATCHALL);
}

static void add_set(struct set *set)
{
    uint32_t flags = (one_in(2) ? NFT_SET_INTERVAL : 0u) | (set->use == SET ? 0u : NFT_SET_MAP) |
                     (set->field_count > 1 ? NFT_SET_CONCAT : 0u);
    struct build *b = set->b;
    uint8_t sizes[3];
    set->s = nft_must(nftnl_set_alloc());
    snprintf(set->name, sizeof(set->name), "s%u", ++b->set_id);
    nftnl_set_set_str(set->s, NFTNL_SET_TABLE, b->table);
    nftnl_set_set_str(set->s, NFTNL_SET_NAME, set->name);
    nftnl_set_set_u32(set->s, NFTNL_SET_ID, b->set_id);
    nftnl_set_set_u32(set->s, NFTNL_SET_FAMILY, b->family);
    nftnl_set_set_u32(set->s, NFTNL_SET_FLAGS, flags);
    nftnl_set_set_u32(set->s, NFTNL_SET_KEY_TYPE, 0);
    nftnl_set_set_u32(set->s, NFTNL_SET_KEY_LEN, (uint32_t)set->key_size);
    for (size_t i = 0; i < set->field_count; i++)
        sizes[i] = (uint8_t)set->fields[i].size;
    if (set->field_count > 1)
        nftnl_set_set_data(set->s, NFTNL_SET_DESC_CONCAT, sizes, (uint32_t)set->field_count);
    if (set->use == VERDICTS)
        nftnl_set_set_u32(set->s, NFTNL_SET_DATA_TYPE, NFT_DATA_VERDICT);
    else if (set->use == MAP) {
        nftnl_set_set_u32(set->s, NFTNL_SET_DATA_TYPE, 0);
        nftnl_set_set_u32(set->s, NFTNL_SET_DATA_LEN, 4);
    }
    nftnl_set_nlmsg_build_payload(
        nft_batch_message(b->batch, NFT_MSG_NEWSET, NLM_F_CREATE, b->family, xstrdup("add set")),
        set->s);
    add_elements(set, flags);
    nftnl_set_elems_nlmsg_build_payload(nft_batch_message(b->batch, NFT_MSG_NEWSETELEM,
                                                          NLM_F_CREATE, b->family,
                                                          xstrdup("add elements")),
                                        set->s);
    nftnl_set_free(set->s);
}

/* Loads one field, or several one behind the other, and looks them up. */
static void look_up(struct build *b, struct nftnl_rule *r, enum use use)
{
    struct set set = {.b = b, .use = use, .field_count = one_in(3) ? 2 + below(2) : 1};
    for (size_t i = 0; i < set.field_count; i++) {
        set.fields[i] = load(b, r, REG + (uint32_t)(set.key_size / 4));
        set.key_size += (set.fields[i].size + 3) / 4 * 4;
    }
    if (set.field_count == 1)
        set.key_size = set.fields[0].size;
    add_set(&set);
    if (use == SET)
        expr_in_set(r, set.name, b->set_id, REG, one_in(3));
    else
        expr_map(r, set.name, b->set_id, REG, use == VERDICTS ? NFT_REG_VERDICT : DATA);
    if (use == MAP) {
        uint32_t data = below(3);
        expr_cmp(r, one_in(2) ? NFT_CMP_EQ : NFT_CMP_NEQ, DATA, &data, sizeof(data));
    }
}

/* ---- whole rules -----------------------------------------------------------------------------*/

static void add_condition(struct build *b, struct nftnl_rule *r)
{
    unsigned kind = below(8);
    if (kind >= 5) {
        look_up(b, r, kind == 5 ? MAP : SET);
        return;
    }
    struct field f = load(b, r, REG);
    switch (kind) {
    case 0: compare_masked(r, &f); break;
    case 1: compare_swapped(r, &f); break;
    case 2: compare_range(r, &f); break;
    default: compare(r, &f); break;
    }
}

static void set_mark(struct build *b, struct nftnl_rule *r)
{
    uint32_t mark = below(4);
    bool ct = b->place >= 4 && one_in(2);
    struct nftnl_expr *x = add(r, "immediate");
    nftnl_expr_set_u32(x, NFTNL_EXPR_IMM_DREG, REG);
    nftnl_expr_set(x, NFTNL_EXPR_IMM_DATA, &mark, sizeof(mark));
    x = add(r, ct ? "ct" : "meta");
    nftnl_expr_set_u32(x, ct ? NFTNL_EXPR_CT_KEY : NFTNL_EXPR_META_KEY,
                       ct ? NFT_CT_MARK : NFT_META_MARK);
    nftnl_expr_set_u32(x, ct ? NFTNL_EXPR_CT_SREG : NFTNL_EXPR_META_SREG, REG);
}

static void add_random_rule(struct build *b, const char *chain)
{
    struct nftnl_rule *r = new_rule(b->table, chain);
    for (unsigned i = below(3); i > 0; i--)
        add_condition(b, r);
    if (one_in(4))
        expr_counter(r);
    if (one_in(5))
        set_mark(b, r);
    if (one_in(4)) {
        look_up(b, r, VERDICTS);
    } else if (!one_in(6)) {
        char to[16] = "";
        uint32_t verdict = any_verdict(b, to);
        expr_verdict(r, verdict, *to ? to : NULL);
    }
    add_rule(b->batch, b->family, r);
}

/* @second: behind another one at the same hook. */
static void add_random_table(struct nft_batch *batch, const struct frame *f, size_t place,
                             bool second)
{
    struct build b = {
        .batch = batch, .frame = f, .place = place, .second = second, .chains = below(4)};
    const struct base base = {.hook = spots[place].hook,
                              .priority = (int)below(5) + (second ? 10 : 0),
                              .device = spots[place].device,
                              .policy = one_in(4) ? NF_DROP : NF_ACCEPT};
    b.family = spots[place].family;
    if (b.family == NFPROTO_IPV4)
        b.family = one_in(2) ? NFPROTO_INET : f->six ? NFPROTO_IPV6 : NFPROTO_IPV4;
    b.set_id = (unsigned)(place * 2 + second) * 1000;
    snprintf(b.table, sizeof(b.table), "%c%zu", second ? 'u' : 't', place);
    add_table(batch, b.family, b.table);
    char name[16];
    for (size_t i = 0; i <= b.chains; i++) {
        chain_name(name, &b, i);
        add_chain(batch, b.family, b.table, name, i == 0 ? &base : NULL);
    }
    for (b.chain = 0; b.chain <= b.chains; b.chain++) {
        chain_name(name, &b, b.chain);
        for (unsigned k = below(4); k > 0; k--)
            add_random_rule(&b, name);
    }
}

/* ---- the frame of all rounds -----------------------------------------------------------------*/

/* The first chain switches the trace on, the last one ends every packet that has come so far. Its question for a
 * state makes conntrack work. */
static void add_first_and_last(void)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_nft_batch_ struct nft_batch *batch = nft_batch_new();
    const struct base first = {NF_NETDEV_INGRESS, -500, "port", NF_ACCEPT},
                      last = {NF_INET_LOCAL_IN, INT_MAX - 1, NULL, NF_ACCEPT};
    const uint8_t on = 1;
    const uint32_t none = 0;
    add_table(batch, NFPROTO_NETDEV, "first");
    add_chain(batch, NFPROTO_NETDEV, "first", "first", &first);
    struct nftnl_rule *r = new_rule("first", "first");
    struct nftnl_expr *x = add(r, "immediate");
    nftnl_expr_set_u32(x, NFTNL_EXPR_IMM_DREG, REG);
    nftnl_expr_set(x, NFTNL_EXPR_IMM_DATA, &on, sizeof(on));
    x = add(r, "meta");
    nftnl_expr_set_u32(x, NFTNL_EXPR_META_KEY, NFT_META_NFTRACE);
    nftnl_expr_set_u32(x, NFTNL_EXPR_META_SREG, REG);
    add_rule(batch, NFPROTO_NETDEV, r);
    add_table(batch, NFPROTO_INET, "last");
    add_chain(batch, NFPROTO_INET, "last", "last", &last);
    r = new_rule("last", "last");
    expr_ct(r, NFT_CT_STATE, REG);
    expr_cmp(r, NFT_CMP_NEQ, REG, &none, sizeof(none));
    expr_verdict(r, NF_DROP, NULL);
    add_rule(batch, NFPROTO_INET, r);
    require(nft_batch_commit(world.nft, batch, NFT_TOLERATE_NOTHING, &e) == 0, "%s", e.text);
}

static bool is_frame(const char *table, void *arg)
{
    (void)arg;
    return streq(table, "first") || streq(table, "last");
}

static int drop_table(const struct nlmsghdr *answer, void *arg)
{
    struct nftnl_table *t = nft_must(nftnl_table_alloc());
    if (nftnl_table_nlmsg_parse(answer, t) == 0) {
        const char *name = nftnl_table_get_str(t, NFTNL_TABLE_NAME);
        if (!is_frame(name, NULL))
            delete_table(arg, (uint8_t)nftnl_table_get_u32(t, NFTNL_TABLE_FAMILY), name);
    }
    nftnl_table_free(t);
    return MNL_CB_OK;
}

/* Replaces the rules. False if the kernel refuses them: not everything that is random is a ruleset. */
static bool load_rules(const struct frame *f)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_nft_batch_ struct nft_batch *batch = nft_batch_new();
    _Alignas(struct nlmsghdr) char buffer[64];
    require(
        nft_request(world.nft,
                    nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETTABLE, NFPROTO_UNSPEC, NLM_F_DUMP, 0),
                    drop_table, batch) == 0,
        "cannot list the tables");
    for (size_t place = 0; place < PLACES; place++) {
        if (one_in(2))
            add_random_table(batch, f, place, false);
        if (place > 0 && one_in(5))
            add_random_table(batch, f, place, true);
    }
    return nft_batch_commit(world.nft, batch, NFT_TOLERATE_NOTHING, &e) == 0;
}

/* ---- the kernel's verdict --------------------------------------------------------------------*/

struct truth {
    bool heard;
    bool dropped;
    size_t place;  /* that dropped it */
    uint64_t rule; /* 0: a policy */
};

static int take_trace(const struct nlmsghdr *message, void *arg)
{
    struct truth *t = arg;
    struct nftnl_trace *trace = nft_must(nftnl_trace_alloc());
    if (nftnl_trace_nlmsg_parse(message, trace) == 0 && !t->heard) {
        const char *table = nftnl_trace_get_str(trace, NFTNL_TRACE_TABLE),
                   *chain = nftnl_trace_get_str(trace, NFTNL_TRACE_CHAIN);
        uint32_t type = nftnl_trace_get_u32(trace, NFTNL_TRACE_TYPE);
        bool policy = type == NFT_TRACETYPE_POLICY;
        uint32_t verdict =
            nftnl_trace_get_u32(trace, policy ? NFTNL_TRACE_POLICY : NFTNL_TRACE_VERDICT);
        t->heard = streq(table, "last");
        if (!t->heard && verdict == NF_DROP && (policy || type == NFT_TRACETYPE_RULE)) {
            t->heard = t->dropped = true;
            t->place = (size_t)(chain[1] - '0');
            t->rule = policy ? 0 : nftnl_trace_get_u64(trace, NFTNL_TRACE_RULE_HANDLE);
        }
    }
    nftnl_trace_free(trace);
    return MNL_CB_OK;
}

static struct truth ask_kernel(const struct frame *f)
{
    struct truth t = {0};
    char buffer[16 * 1024];
    const int fd = mnl_socket_get_fd(world.trace);
    while (recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT) > 0) /* of the last round */
        continue;
    send_frame(f);
    for (int64_t until = monotonic_ms() + 5000; !t.heard && monotonic_ms() < until;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        (void)poll(&p, 1, 100);
        for (ssize_t got; (got = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0;)
            (void)mnl_cb_run(buffer, (size_t)got, 0, 0, take_trace, &t);
    }
    return t;
}

/* ---- the evaluator's -------------------------------------------------------------------------*/

struct opinion {
    enum nft_verdict verdicts[PLACES];
    uint64_t rules[PLACES]; /* of the first step that drops */
};

struct first_drop {
    bool found;
    uint64_t rule;
};

static void note_step(const struct nft_step *step, void *arg)
{
    struct first_drop *first = arg;
    if (step->verdict == NFT_DROPS && !first->found)
        *first = (struct first_drop){true, step->rule};
}

static struct opinion evaluate(const struct nft_snapshot *s, const struct frame *f,
                               struct nft_packet p, bool partial)
{
    struct opinion o = {0};
    for (size_t i = 0; i < PLACES; i++) {
        struct nft_place at;
        struct first_drop first = {0};
        arrive_at(i, &p, &at, f);
        if (partial && one_in(4))
            p.in = (struct nft_device){0};
        if (partial && one_in(4))
            p.packet_type.known = 0;
        o.verdicts[i] = nft_walk(s, &at, &p, note_step, &first);
        o.rules[i] = first.rule;
    }
    return o;
}

static void forget_some(struct nft_header *h, unsigned n)
{
    for (size_t i = 0; i < sizeof(h->known); i++)
        h->known[i] &= one_in(n) ? (one_in(2) ? 0 : (uint8_t)below(256)) : 0xff;
}

/* Makes bits unknown; values there become others, which the evaluator must not use. */
static void forget(struct nft_packet *p)
{
    unsigned n = 1 + below(8);
    struct nft_header *const headers[] = {&p->link, &p->network, &p->transport};
    struct nft_bits *const bits[] = {&p->length,    &p->mark,    &p->ct_state,
                                     &p->ct_status, &p->ct_mark, &p->ct_direction};
    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        forget_some(headers[i], n);
        for (size_t k = 0; k < sizeof(headers[i]->value); k++)
            headers[i]->value[k] ^= (uint8_t)~headers[i]->known[k] & (uint8_t)below(256);
    }
    for (size_t i = 0; i < ARRAY_LEN(bits); i++)
        if (one_in(n)) {
            bits[i]->known = one_in(2) ? 0 : (uint32_t)next_random();
            bits[i]->value ^= ~bits[i]->known & (uint32_t)next_random();
        }
    p->complete = p->complete && !one_in(n);
    p->protocol = one_in(n) ? 0 : p->protocol;
    p->nfproto = one_in(n + 2) ? 0 : p->nfproto;
}

/* ---- a round ---------------------------------------------------------------------------------*/

static unsigned current;
static const char *const words[] = {[NFT_ACCEPTS] = "accepts",
                                    [NFT_MAY_DROP] = "may drop",
                                    [NFT_MAY_ACCEPT] = "may accept",
                                    [NFT_UNKNOWN] = "unknown",
                                    [NFT_DROPS] = "drops"};

static int show_rule(const struct nlmsghdr *answer, void *arg)
{
    (void)arg;
    char text[8192] = "";
    struct nftnl_rule *r = nft_must(nftnl_rule_alloc());
    if (nftnl_rule_nlmsg_parse(answer, r) == 0 &&
        nftnl_rule_snprintf(text, sizeof(text), r, NFTNL_OUTPUT_DEFAULT, 0) > 0)
        printf("# rule %llu: %s\n",
               (unsigned long long)nftnl_rule_get_u64(r, NFTNL_RULE_HANDLE), text);
    nftnl_rule_free(r);
    return MNL_CB_OK;
}

/* nft itself cannot show rules without its notes about types. */
static void show_rules(void)
{
    _Alignas(struct nlmsghdr) char buffer[64];
    printf("# round %u:\n", current);
    (void)nft_request(world.nft,
                      nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETRULE, NFPROTO_UNSPEC, NLM_F_DUMP, 0),
                      show_rule, NULL);
}

static void check_whole(const struct opinion *o, const struct truth *t)
{
    for (size_t i = 0; i < PLACES && !(t->dropped && i > t->place); i++) {
        bool drops = t->dropped && i == t->place;
        require(o->verdicts[i] == (drops ? NFT_DROPS : NFT_ACCEPTS),
                "place %zu: the kernel %s it, the evaluator says: %s", i,
                drops ? "drops" : "accepts", words[o->verdicts[i]]);
        require(!drops || o->rules[i] == t->rule,
                "place %zu: rule %llu drops it, the evaluator says: %llu", i,
                (unsigned long long)t->rule, (unsigned long long)o->rules[i]);
    }
}

static void check_partial(const struct opinion *o, const struct truth *t, unsigned counts[2])
{
    for (size_t i = 0; i < PLACES && !(t->dropped && i > t->place); i++) {
        bool drops = t->dropped && i == t->place;
        counts[o->verdicts[i] == NFT_ACCEPTS || o->verdicts[i] == NFT_DROPS]++;
        require(o->verdicts[i] != (drops ? NFT_ACCEPTS : NFT_DROPS),
                "place %zu: the kernel %s it, the evaluator is certain: %s", i,
                drops ? "drops" : "accepts", words[o->verdicts[i]]);
    }
}

/* Until the host knows that the addresses are its own, and the port forwards. */
static void wait_for_host(void)
{
    for (int six = 0; six < 2; six++) {
        struct truth t = {0};
        for (int i = 0; i < 200 && !t.heard; i++) {
            struct frame f;
            do
                make_frame(&f);
            while (f.six != six);
            send_frame(&f);
            pause_ms(10);
            char buffer[16 * 1024];
            ssize_t got;
            while ((got = recv(mnl_socket_get_fd(world.trace), buffer, sizeof(buffer),
                               MSG_DONTWAIT)) > 0)
                (void)mnl_cb_run(buffer, (size_t)got, 0, 0, take_trace, &t);
        }
        require(t.heard, "packets do not arrive (family %d)", six);
    }
}

static void prepare(void)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_rt_ struct rt *rt = NULL;
    require(rt_open(&rt, &e) == 0, "%s", e.text);
    (void)sysctl_write("net/bridge/bridge-nf-call-iptables", "0", NULL);
    (void)sysctl_write("net/bridge/bridge-nf-call-ip6tables", "0", NULL);
    set_up_links(rt);
    open_sockets();
    add_first_and_last();
    wait_for_host();
}

static void test_random(void)
{
    const char *rounds_text = getenv("NETCTR_EVAL_ROUNDS"), *seed = getenv("NETCTR_EVAL_SEED");
    unsigned rounds = rounds_text ? (unsigned)strtoul(rounds_text, NULL, 10) : ROUNDS;
    unsigned refused = 0, dropped = 0, certain[2] = {0};
    const uint64_t start = seed ? strtoull(seed, NULL, 10) : 1;
    show_more = show_rules;
    for (current = 0; current < rounds; current++) {
        _cleanup_err_ struct err e = ERR_INIT;
        struct frame f;
        struct nft_packet whole;
        struct nft_snapshot *s = NULL;
        state = start * 1000003 + current; /* a round does not depend on those before it */
        make_frame(&f);
        if (!load_rules(&f)) {
            refused++;
            continue;
        }
        const struct truth t = ask_kernel(&f);
        require(t.heard, "the packet got lost");
        dropped += t.dropped;
        require(nft_snapshot_read(-1, is_frame, NULL, &s, &e) == 0, "%s", e.text);
        describe(&f, &whole);
        struct opinion o = evaluate(s, &f, whole, false);
        check_whole(&o, &t);
        for (int i = 0; i < PARTIAL; i++) {
            struct nft_packet partial = whole;
            forget(&partial);
            o = evaluate(s, &f, partial, true);
            check_partial(&o, &t, certain);
        }
        nft_snapshot_free(s);
    }
    printf(
        "# %u rounds: %u dropped, %u refused; of packets known in part %u verdicts certain, %u not\n",
        rounds, dropped, refused, certain[1], certain[0]);
    require(refused < rounds / 5 + 1, "%u of %u rulesets refused", refused, rounds);
}

int main(void)
{
    const struct apart checks[] = {{"2,000 random rulesets: as the kernel", test_random}};
    return run_all_apart(prepare, checks, ARRAY_LEN(checks));
}
