/* Expressions that load properties of a packet into registers, and those that change them. */
#include "eval.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

static void put_bits(struct regs *m, uint32_t reg, struct nft_bits b, size_t size)
{
    b.value &= b.known;
    regs_put(m, reg, &b.value, &b.known, size); /* a small value is stored in its low bytes */
}

/* The value is unknown, and the kernel may end the rule because there is no such value. */
static void put_maybe(struct regs *m, uint32_t reg, size_t size)
{
    regs_put(m, reg, NULL, NULL, size);
    regs_require(m, MAYBE);
}

/* ---- meta ------------------------------------------------------------------------------------*/

static void put_name(struct regs *m, uint32_t reg, const char *name)
{
    char padded[IFNAMSIZ] = "";
    if (name)
        strncpy(padded, name, sizeof(padded) - 1);
    regs_put(m, reg, name ? padded : NULL, NULL, sizeof(padded));
}

static void put_index(struct regs *m, uint32_t reg, const struct nft_device *d)
{
    bool known = d->index || (d->name && !*d->name);
    regs_put(m, reg, known ? &d->index : NULL, NULL, sizeof(d->index));
}

static void put_small(struct regs *m, uint32_t reg, uint8_t value)
{
    regs_put(m, reg, value ? &value : NULL, NULL, 1);
}

static void put_protocol(struct regs *m, uint32_t reg)
{
    const uint8_t inside = m->packet->nfproto;
    uint16_t type = htons(inside == NFPROTO_IPV4   ? ETH_P_IP
                          : inside == NFPROTO_IPV6 ? ETH_P_IPV6
                                                   : ETH_P_ARP);
    regs_put(m, reg, inside ? &type : NULL, NULL, sizeof(type));
}

/* A packet of ARP has none. */
static void put_l4proto(struct regs *m, uint32_t reg)
{
    put_small(m, reg, m->packet->protocol);
    if (m->packet->nfproto == NFPROTO_ARP)
        regs_require(m, NO);
    else if (!m->packet->nfproto)
        regs_require(m, MAYBE);
}

/* The kernel ends the rule if the interface is no port of a bridge. */
static void put_bridge(struct regs *m, uint32_t reg, const struct nft_device *bridge)
{
    put_name(m, reg, bridge->name);
    if (!bridge->name)
        regs_require(m, MAYBE);
    else if (!*bridge->name)
        regs_require(m, NO);
}

static void set_meta(struct regs *m, const struct nft_op *op, uint32_t key)
{
    size_t at = regs_at(nftnl_expr_get_u32(op->x, NFTNL_EXPR_META_SREG));
    struct nft_bits b = {0};
    size_t size = key == NFT_META_PKTTYPE ? 1 : sizeof(b.value);
    if (at > REGISTERS - sizeof(b.value))
        return;
    memcpy(&b.value, m->value + at, size);
    memcpy(&b.known, m->known + at, size);
    if (key == NFT_META_MARK)
        regs_write(m, &m->packet->mark, b);
    else if (key == NFT_META_PKTTYPE)
        regs_write(m, &m->packet->packet_type, (struct nft_bits){0}); /* not every change is made */
}

void load_meta(struct regs *m, const struct nft_op *op)
{
    struct nft_packet *p = m->packet;
    uint32_t key = nftnl_expr_get_u32(op->x, NFTNL_EXPR_META_KEY);
    if (!nftnl_expr_is_set(op->x, NFTNL_EXPR_META_DREG)) {
        set_meta(m, op, key);
        return;
    }
    uint32_t reg = nftnl_expr_get_u32(op->x, NFTNL_EXPR_META_DREG);
    switch (key) {
    case NFT_META_LEN: put_bits(m, reg, p->length, 4); break;
    case NFT_META_MARK: put_bits(m, reg, p->mark, 4); break;
    case NFT_META_PKTTYPE: put_bits(m, reg, p->packet_type, 1); break;
    case NFT_META_IIF: put_index(m, reg, &p->in); break;
    case NFT_META_OIF: put_index(m, reg, &p->out); break;
    case NFT_META_IIFNAME: put_name(m, reg, p->in.name); break;
    case NFT_META_OIFNAME: put_name(m, reg, p->out.name); break;
    case NFT_META_BRI_IIFNAME: put_bridge(m, reg, &p->bridge_in); break;
    case NFT_META_BRI_OIFNAME: put_bridge(m, reg, &p->bridge_out); break;
    case NFT_META_NFPROTO: put_small(m, reg, m->pf); break;
    case NFT_META_L4PROTO: put_l4proto(m, reg); break;
    case NFT_META_PROTOCOL: put_protocol(m, reg); break;
    default: put_maybe(m, reg, 16); break;
    }
}

/* ---- payload ---------------------------------------------------------------------------------*/

static struct nft_header *header_of(struct nft_packet *p, uint32_t base)
{
    switch (base) {
    case NFT_PAYLOAD_LL_HEADER: return &p->link;
    case NFT_PAYLOAD_NETWORK_HEADER: return &p->network;
    case NFT_PAYLOAD_TRANSPORT_HEADER: return &p->transport;
    default: return NULL;
    }
}

/* Whether these bytes are in the packet. If not, the kernel ends the rule. */
static enum tri has_bytes(const struct nft_packet *p, const struct nft_header *h, uint32_t base,
                          size_t end)
{
    if (base == NFT_PAYLOAD_TRANSPORT_HEADER && p->nfproto == NFPROTO_ARP)
        return NO;
    if (base == NFT_PAYLOAD_TRANSPORT_HEADER && !p->protocol)
        return MAYBE;
    return end <= h->size ? YES : p->complete && base == NFT_PAYLOAD_TRANSPORT_HEADER ? NO : MAYBE;
}

static void set_payload(struct regs *m, struct nft_header *h, size_t at)
{
    /* Changing a field changes the checksum, too, which is not computed here: everything after the
     * ports becomes unknown. */
    size_t from = at < 4 ? at : 4;
    memset(h->known + from, 0, sizeof(h->known) - from);
    memset(m->packet->transport.known + 4, 0, sizeof(m->packet->transport.known) - 4);
}

void load_payload(struct regs *m, const struct nft_op *op)
{
    uint32_t base = nftnl_expr_get_u32(op->x, NFTNL_EXPR_PAYLOAD_BASE);
    size_t at = nftnl_expr_get_u32(op->x, NFTNL_EXPR_PAYLOAD_OFFSET),
           size = nftnl_expr_get_u32(op->x, NFTNL_EXPR_PAYLOAD_LEN);
    struct nft_header *h = header_of(m->packet, base);
    enum tri there = h ? has_bytes(m->packet, h, base, at + size) : MAYBE;
    regs_require(m, there);
    if (!nftnl_expr_is_set(op->x, NFTNL_EXPR_PAYLOAD_DREG)) {
        if (h)
            set_payload(m, h, at);
        else
            packet_forget(m->packet);
        return;
    }
    uint32_t reg = nftnl_expr_get_u32(op->x, NFTNL_EXPR_PAYLOAD_DREG);
    if (there == YES)
        regs_put(m, reg, h->value + at, h->known + at, size);
    else
        regs_put(m, reg, NULL, NULL, size);
}

/* ---- conntrack -------------------------------------------------------------------------------*/

enum tri packet_has_ct(const struct nft_packet *p)
{
    const uint32_t none = NF_CT_STATE_INVALID_BIT | NF_CT_STATE_UNTRACKED_BIT;
    if (p->ct_state.value & p->ct_state.known & none)
        return NO;
    return (p->ct_state.known & none) == none ? YES : MAYBE;
}

static void set_ct(struct regs *m, const struct nft_op *op, uint32_t key)
{
    size_t at = regs_at(nftnl_expr_get_u32(op->x, NFTNL_EXPR_CT_SREG));
    struct nft_bits b = {0};
    if (at > REGISTERS - sizeof(b.value) || key != NFT_CT_MARK)
        return;
    memcpy(&b.value, m->value + at, sizeof(b.value));
    memcpy(&b.known, m->known + at, sizeof(b.known));
    if (m->ct_unknown || packet_has_ct(m->packet) != YES)
        b.known = 0;
    regs_write(m, &m->packet->ct_mark, b);
}

void load_ct(struct regs *m, const struct nft_op *op)
{
    const struct nft_packet *p = m->packet;
    uint32_t key = nftnl_expr_get_u32(op->x, NFTNL_EXPR_CT_KEY);
    if (!nftnl_expr_is_set(op->x, NFTNL_EXPR_CT_DREG)) {
        set_ct(m, op, key);
        return;
    }
    uint32_t reg = nftnl_expr_get_u32(op->x, NFTNL_EXPR_CT_DREG);
    if (m->ct_unknown) {
        put_maybe(m, reg, 16);
        return;
    }
    if (key != NFT_CT_STATE) /* there is no entry to load it from */
        regs_require(m, packet_has_ct(p));
    switch (key) {
    case NFT_CT_STATE: put_bits(m, reg, p->ct_state, 4); break;
    case NFT_CT_STATUS: put_bits(m, reg, p->ct_status, 4); break;
    case NFT_CT_MARK: put_bits(m, reg, p->ct_mark, 4); break;
    case NFT_CT_DIRECTION: put_bits(m, reg, p->ct_direction, 1); break;
    default: put_maybe(m, reg, 16); break;
    }
}

/* Only affects packets that conntrack has not seen yet, and whether it has may be unknown. */
void notrack(struct regs *m, const struct nft_op *op)
{
    (void)op;
    struct nft_packet *p = m->packet;
    if (m->ct_unknown)
        p->ct_state = p->ct_status = p->ct_mark = p->ct_direction = (struct nft_bits){0};
}

/* ---- routing ---------------------------------------------------------------------------------*/

void load_fib(struct regs *m, const struct nft_op *op)
{
    uint32_t reg = nftnl_expr_get_u32(op->x, NFTNL_EXPR_FIB_DREG),
             flags = nftnl_expr_get_u32(op->x, NFTNL_EXPR_FIB_FLAGS);
    const struct nft_bits *type = flags == NFTA_FIB_F_DADDR   ? &m->packet->destination_type
                                  : flags == NFTA_FIB_F_SADDR ? &m->packet->source_type
                                                              : NULL;
    if (nftnl_expr_get_u32(op->x, NFTNL_EXPR_FIB_RESULT) == NFT_FIB_RESULT_ADDRTYPE && type &&
        type->known == UINT32_MAX)
        put_bits(m, reg, *type, 4);
    else
        put_maybe(m, reg, 16);
}

void packet_forget(struct nft_packet *p)
{
    memset(p->link.known, 0, sizeof(p->link.known));
    memset(p->network.known, 0, sizeof(p->network.known));
    memset(p->transport.known, 0, sizeof(p->transport.known));
    p->length = p->packet_type = p->mark = (struct nft_bits){0};
    p->ct_state = p->ct_status = p->ct_mark = p->ct_direction = (struct nft_bits){0};
}
