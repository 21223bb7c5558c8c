/* Each function allocates one expression, sets its attributes and hands it to the rule, which owns it. */
#include <netctr/nft.h>

#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>

void *nft_must(void *allocated)
{
    if (allocated)
        return allocated;
    (void)!write(STDERR_FILENO, "netctr: out of memory\n", 22);
    _exit(EXIT_NETCTR);
}

static struct nftnl_expr *add(struct nftnl_rule *r, const char *name)
{
    struct nftnl_expr *x = nft_must(nftnl_expr_alloc(name));
    nftnl_rule_add_expr(r, x);
    return x;
}

void expr_meta(struct nftnl_rule *r, uint32_t key, uint32_t reg)
{
    struct nftnl_expr *x = add(r, "meta");
    nftnl_expr_set_u32(x, NFTNL_EXPR_META_KEY, key);
    nftnl_expr_set_u32(x, NFTNL_EXPR_META_DREG, reg);
}

void expr_ct(struct nftnl_rule *r, uint32_t key, uint32_t reg)
{
    struct nftnl_expr *x = add(r, "ct");
    nftnl_expr_set_u32(x, NFTNL_EXPR_CT_KEY, key);
    nftnl_expr_set_u32(x, NFTNL_EXPR_CT_DREG, reg);
}

void expr_payload(struct nftnl_rule *r, uint32_t base, uint32_t offset, uint32_t size, uint32_t reg)
{
    struct nftnl_expr *x = add(r, "payload");
    nftnl_expr_set_u32(x, NFTNL_EXPR_PAYLOAD_BASE, base);
    nftnl_expr_set_u32(x, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
    nftnl_expr_set_u32(x, NFTNL_EXPR_PAYLOAD_LEN, size);
    nftnl_expr_set_u32(x, NFTNL_EXPR_PAYLOAD_DREG, reg);
}

static struct nftnl_expr *exthdr(struct nftnl_rule *r, uint32_t type, uint32_t offset,
                                 uint32_t size, uint32_t reg)
{
    struct nftnl_expr *x = add(r, "exthdr");
    nftnl_expr_set_u8(x, NFTNL_EXPR_EXTHDR_TYPE, (uint8_t)type);
    nftnl_expr_set_u32(x, NFTNL_EXPR_EXTHDR_OFFSET, offset);
    nftnl_expr_set_u32(x, NFTNL_EXPR_EXTHDR_LEN, size);
    nftnl_expr_set_u32(x, NFTNL_EXPR_EXTHDR_DREG, reg);
    return x;
}

void expr_exthdr(struct nftnl_rule *r, uint32_t type, uint32_t offset, uint32_t size, uint32_t reg)
{
    exthdr(r, type, offset, size, reg);
}

void expr_has_exthdr(struct nftnl_rule *r, uint32_t type, uint32_t reg)
{
    nftnl_expr_set_u32(exthdr(r, type, 0, 1, reg), NFTNL_EXPR_EXTHDR_FLAGS, NFT_EXTHDR_F_PRESENT);
}

void expr_fib_daddr_type(struct nftnl_rule *r, uint32_t reg)
{
    struct nftnl_expr *x = add(r, "fib");
    nftnl_expr_set_u32(x, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
    nftnl_expr_set_u32(x, NFTNL_EXPR_FIB_FLAGS, NFTA_FIB_F_DADDR);
    nftnl_expr_set_u32(x, NFTNL_EXPR_FIB_DREG, reg);
}

void expr_cmp(struct nftnl_rule *r, uint32_t op, uint32_t reg, const void *data, uint32_t size)
{
    struct nftnl_expr *x = add(r, "cmp");
    nftnl_expr_set_u32(x, NFTNL_EXPR_CMP_SREG, reg);
    nftnl_expr_set_u32(x, NFTNL_EXPR_CMP_OP, op);
    nftnl_expr_set(x, NFTNL_EXPR_CMP_DATA, data, size);
}

void expr_and(struct nftnl_rule *r, uint32_t reg, const void *mask, uint32_t size)
{
    static const uint8_t zeros[16];
    struct nftnl_expr *x = add(r, "bitwise");
    nftnl_expr_set_u32(x, NFTNL_EXPR_BITWISE_SREG, reg);
    nftnl_expr_set_u32(x, NFTNL_EXPR_BITWISE_DREG, reg);
    nftnl_expr_set_u32(x, NFTNL_EXPR_BITWISE_LEN, size);
    nftnl_expr_set(x, NFTNL_EXPR_BITWISE_MASK, mask, size);
    nftnl_expr_set(x, NFTNL_EXPR_BITWISE_XOR, zeros, size);
}

static struct nftnl_expr *lookup(struct nftnl_rule *r, const char *set, uint32_t set_id,
                                 uint32_t reg)
{
    struct nftnl_expr *x = add(r, "lookup");
    nftnl_expr_set_u32(x, NFTNL_EXPR_LOOKUP_SREG, reg);
    nftnl_expr_set_str(x, NFTNL_EXPR_LOOKUP_SET, set);
    nftnl_expr_set_u32(x, NFTNL_EXPR_LOOKUP_SET_ID, set_id);
    return x;
}

void expr_in_set(struct nftnl_rule *r, const char *set, uint32_t set_id, uint32_t reg, bool not_in)
{
    struct nftnl_expr *x = lookup(r, set, set_id, reg);
    if (not_in)
        nftnl_expr_set_u32(x, NFTNL_EXPR_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
}

void expr_map(struct nftnl_rule *r, const char *set, uint32_t set_id, uint32_t reg, uint32_t to)
{
    nftnl_expr_set_u32(lookup(r, set, set_id, reg), NFTNL_EXPR_LOOKUP_DREG, to);
}

void expr_dnat(struct nftnl_rule *r, uint32_t family, uint32_t address_reg, uint32_t port_reg)
{
    struct nftnl_expr *x = add(r, "nat");
    nftnl_expr_set_u32(x, NFTNL_EXPR_NAT_TYPE, NFT_NAT_DNAT);
    nftnl_expr_set_u32(x, NFTNL_EXPR_NAT_FAMILY, family);
    nftnl_expr_set_u32(x, NFTNL_EXPR_NAT_REG_ADDR_MIN, address_reg);
    nftnl_expr_set_u32(x, NFTNL_EXPR_NAT_REG_PROTO_MIN, port_reg);
}

void expr_masquerade(struct nftnl_rule *r)
{
    add(r, "masq");
}

void expr_counter(struct nftnl_rule *r)
{
    add(r, "counter");
}

void expr_verdict(struct nftnl_rule *r, uint32_t verdict, const char *chain)
{
    struct nftnl_expr *x = add(r, "immediate");
    nftnl_expr_set_u32(x, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
    nftnl_expr_set_u32(x, NFTNL_EXPR_IMM_VERDICT, verdict);
    if (chain)
        nftnl_expr_set_str(x, NFTNL_EXPR_IMM_CHAIN, chain);
}

void expr_forward(struct nftnl_rule *r, uint32_t device)
{
    struct nftnl_expr *x = add(r, "immediate");
    nftnl_expr_set_u32(x, NFTNL_EXPR_IMM_DREG, NFT_REG_1);
    nftnl_expr_set(x, NFTNL_EXPR_IMM_DATA, &device, sizeof(device));
    x = add(r, "fwd");
    nftnl_expr_set_u32(x, NFTNL_EXPR_FWD_SREG_DEV, NFT_REG_1);
}
