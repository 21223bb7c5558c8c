/* Evaluates one rule as the kernel does: expressions fill registers and compare them, in their
 * order, until one does not match or gives a verdict.
 *
 * Registers may be known in part. A comparison is certain if it holds, or fails, for every possible
 * value.
 */
#include "eval.h"

#include <endian.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

/* ---- registers -------------------------------------------------------------------------------*/

/* The smallest and the greatest value that registers can have. */
struct span {
    uint8_t low[REGISTERS], high[REGISTERS];
};

static bool span_of(const struct regs *m, uint32_t reg, size_t size, struct span *out)
{
    size_t at = regs_at(reg);
    if (size > REGISTERS - at)
        return false;
    for (size_t i = 0; i < size; i++) {
        out->low[i] = m->value[at + i] & m->known[at + i];
        out->high[i] = m->value[at + i] | (uint8_t)~m->known[at + i];
    }
    return true;
}

/* ---- arithmetic ------------------------------------------------------------------------------*/

static void bitwise(struct regs *m, const struct nft_op *op)
{
    const struct nftnl_expr *x = op->x;
    uint32_t to = nftnl_expr_get_u32(x, NFTNL_EXPR_BITWISE_DREG), mask_size = 0, xor_size = 0;
    size_t from = regs_at(nftnl_expr_get_u32(x, NFTNL_EXPR_BITWISE_SREG)),
           size = nftnl_expr_get_u32(x, NFTNL_EXPR_BITWISE_LEN);
    const uint8_t *mask = nftnl_expr_get(x, NFTNL_EXPR_BITWISE_MASK, &mask_size),
                  *flip = nftnl_expr_get(x, NFTNL_EXPR_BITWISE_XOR, &xor_size);
    uint8_t value[REGISTERS], known[REGISTERS];
    bool plain = !nftnl_expr_is_set(x, NFTNL_EXPR_BITWISE_OP) ||
                 nftnl_expr_get_u32(x, NFTNL_EXPR_BITWISE_OP) == NFT_BITWISE_BOOL;
    /* Shifts, and operations on two registers (Linux 6.13), are not evaluated. */
    if (!plain || size > REGISTERS - from || !mask || mask_size < size || !flip ||
        xor_size < size) {
        regs_put(m, to, NULL, NULL, size);
        return;
    }
    for (size_t i = 0; i < size; i++) {
        known[i] = m->known[from + i] | (uint8_t)~mask[i];
        value[i] = ((m->value[from + i] & mask[i]) ^ flip[i]) & known[i];
    }
    regs_put(m, to, value, known, size);
}

/* Converts between host and network order, which is the same change in both directions. Only whole
 * units are changed: nft also uses it for values that are shorter than a unit. */
static void byteorder(struct regs *m, const struct nft_op *op)
{
    size_t to = regs_at(nftnl_expr_get_u32(op->x, NFTNL_EXPR_BYTEORDER_DREG)),
           from = regs_at(nftnl_expr_get_u32(op->x, NFTNL_EXPR_BYTEORDER_SREG)),
           length = nftnl_expr_get_u32(op->x, NFTNL_EXPR_BYTEORDER_LEN),
           size = nftnl_expr_get_u32(op->x, NFTNL_EXPR_BYTEORDER_SIZE);
    const struct regs before = *m;
    if (length > REGISTERS - from || length > REGISTERS - to ||
        (size != 2 && size != 4 && size != 8)) {
        memset(m->known, 0, sizeof(m->known));
        return;
    }
    for (size_t i = 0; i < length / size * size; i++) {
        size_t other = BYTE_ORDER == LITTLE_ENDIAN ? i / size * size + (size - 1 - i % size) : i;
        m->value[to + i] = before.value[from + other];
        m->known[to + i] = before.known[from + other];
    }
}

/* ---- comparisons -----------------------------------------------------------------------------*/

static enum tri not(enum tri t) { return t == YES ? NO : t == NO ? YES : MAYBE; }

static enum tri equals(const struct regs *m, size_t at, const uint8_t *data, size_t size)
{
    enum tri t = YES;
    for (size_t i = 0; i < size; i++) {
        if ((m->value[at + i] ^ data[i]) & m->known[at + i])
            return NO;
        if (m->known[at + i] != 0xff)
            t = MAYBE;
    }
    return t;
}

static enum tri is_less(const struct span *s, const void *data, size_t size)
{
    return memcmp(s->high, data, size) < 0 ? YES : memcmp(s->low, data, size) >= 0 ? NO : MAYBE;
}

static enum tri is_greater(const struct span *s, const void *data, size_t size)
{
    return memcmp(s->low, data, size) > 0 ? YES : memcmp(s->high, data, size) <= 0 ? NO : MAYBE;
}

static void compare(struct regs *m, const struct nft_op *op)
{
    uint32_t reg = nftnl_expr_get_u32(op->x, NFTNL_EXPR_CMP_SREG), size = 0;
    const void *data = nftnl_expr_get(op->x, NFTNL_EXPR_CMP_DATA, &size);
    struct span s;
    enum tri t = MAYBE;
    if (data && span_of(m, reg, size, &s))
        switch (nftnl_expr_get_u32(op->x, NFTNL_EXPR_CMP_OP)) {
        case NFT_CMP_EQ: t = equals(m, regs_at(reg), data, size); break;
        case NFT_CMP_NEQ: t = not(equals(m, regs_at(reg), data, size)); break;
        case NFT_CMP_LT: t = is_less(&s, data, size); break;
        case NFT_CMP_LTE: t = not(is_greater(&s, data, size)); break;
        case NFT_CMP_GT: t = is_greater(&s, data, size); break;
        case NFT_CMP_GTE: t = not(is_less(&s, data, size)); break;
        }
    regs_require(m, t);
}

static void range(struct regs *m, const struct nft_op *op)
{
    uint32_t reg = nftnl_expr_get_u32(op->x, NFTNL_EXPR_RANGE_SREG), low_size = 0, high_size = 0;
    const void *low = nftnl_expr_get(op->x, NFTNL_EXPR_RANGE_FROM_DATA, &low_size),
               *high = nftnl_expr_get(op->x, NFTNL_EXPR_RANGE_TO_DATA, &high_size);
    struct span s;
    enum tri inside = MAYBE;
    if (low && high && low_size == high_size && span_of(m, reg, low_size, &s)) {
        if (memcmp(s.high, low, low_size) < 0 || memcmp(s.low, high, low_size) > 0)
            inside = NO;
        else if (memcmp(s.low, low, low_size) >= 0 && memcmp(s.high, high, low_size) <= 0)
            inside = YES;
    }
    bool wanted = nftnl_expr_get_u32(op->x, NFTNL_EXPR_RANGE_OP) == NFT_RANGE_EQ;
    regs_require(m, wanted ? inside : not(inside));
}

/* ---- verdicts --------------------------------------------------------------------------------*/

static void add_target(struct regs *m, const struct nft_chain *chain, bool jump)
{
    for (size_t i = 0; i < m->target_count; i++)
        if (m->targets[i].chain == chain && m->targets[i].jump == jump)
            return;
    if (!chain || m->target_count == TARGETS_MAX)
        m->outcomes |= MAY_ANYTHING;
    else
        m->targets[m->target_count++] = (struct target){chain, jump};
}

static void add_verdict(struct regs *m, int code, const struct nft_chain *chain)
{
    switch (code) {
    case NF_ACCEPT: m->outcomes |= MAY_ACCEPT; break;
    case NF_DROP: m->outcomes |= MAY_DROP; break;
    case NFT_RETURN: m->outcomes |= MAY_RETURN; break;
    case NFT_JUMP:
    case NFT_GOTO: add_target(m, chain, code == NFT_JUMP); break;
    case NFT_CONTINUE:
    case NFT_BREAK: m->outcomes |= MAY_CONTINUE; break;
    default: m->outcomes |= (code & NF_VERDICT_MASK) == NF_QUEUE ? MAY_ELSE : MAY_ANYTHING; break;
    }
}

static void immediate(struct regs *m, const struct nft_op *op)
{
    uint32_t reg = nftnl_expr_get_u32(op->x, NFTNL_EXPR_IMM_DREG), size = 0;
    if (reg != NFT_REG_VERDICT) {
        const void *data = nftnl_expr_get(op->x, NFTNL_EXPR_IMM_DATA, &size);
        regs_put(m, reg, data, NULL, size);
        return;
    }
    int code = (int)nftnl_expr_get_u32(op->x, NFTNL_EXPR_IMM_VERDICT);
    if (code == NFT_CONTINUE)
        return;
    if (code == NFT_BREAK) {
        regs_require(m, NO);
        return;
    }
    add_verdict(m, code, op->chain);
    m->done = true;
}

/* ---- sets ------------------------------------------------------------------------------------*/

struct found {
    struct regs *m;
    const struct nft_element *only; /* if @count is 1 */
    size_t count;
    bool verdicts;
};

static void take_element(const struct nft_element *x, void *arg)
{
    struct found *f = arg;
    f->only = x;
    f->count++;
    if (f->verdicts && !x)
        f->m->outcomes |= MAY_ANYTHING;
    else if (f->verdicts)
        add_verdict(f->m, x->verdict, x->chain);
}

static void put_found(struct regs *m, uint32_t to, const struct nft_set *set, const struct found *f,
                      enum tri match)
{
    uint32_t size = 0;
    const void *data = f->count == 1 && f->only && match == YES
                           ? nftnl_set_elem_get(f->only->x, NFTNL_SET_ELEM_DATA, &size)
                           : NULL;
    if (data)
        regs_put(m, to, data, NULL, size);
    else
        regs_put(m, to, NULL, NULL, REGISTERS);
    m->map = set;
    m->map_at = regs_at(to);
}

static void look_up(struct regs *m, const struct nft_op *op)
{
    bool has_data = nftnl_expr_is_set(op->x, NFTNL_EXPR_LOOKUP_DREG);
    uint32_t to = has_data ? nftnl_expr_get_u32(op->x, NFTNL_EXPR_LOOKUP_DREG) : 0;
    bool inverted = nftnl_expr_is_set(op->x, NFTNL_EXPR_LOOKUP_FLAGS) &&
                    nftnl_expr_get_u32(op->x, NFTNL_EXPR_LOOKUP_FLAGS) & NFT_LOOKUP_F_INV;
    size_t at = regs_at(nftnl_expr_get_u32(op->x, NFTNL_EXPR_LOOKUP_SREG));
    struct found f = {.m = m, .verdicts = has_data && to == NFT_REG_VERDICT};
    const struct nft_set *set =
        op->set && op->set->key_size <= REGISTERS - at && !op->set->changed ? op->set : NULL;
    enum tri match = set_look_up(set, m->value + at, m->known + at, take_element, &f);
    regs_require(m, inverted ? not(match) : match);
    if (f.verdicts)
        m->done = true;
    else if (has_data)
        put_found(m, to, op->set, &f, match);
}

/* Adds or removes an element, which fails if the set is full. */
static void change_set(struct regs *m, const struct nft_op *op)
{
    (void)op;
    regs_require(m, MAYBE);
}

/* ---- iptables' matches and targets ---------------------------------------------------------------------------*/

static void take_xt_dnat(struct regs *m, const struct nftnl_expr *x)
{
    uint32_t size = 0;
    const void *info = nftnl_expr_get(x, NFTNL_EXPR_TG_INFO, &size);
    m->xt_dnat = true;
    if (info && nftnl_expr_get_u32(x, NFTNL_EXPR_TG_REV) >= 1 &&
        size >= sizeof(struct nf_nat_range)) {
        const struct nf_nat_range *r = info;
        m->xt_to.family = m->pf == NFPROTO_IPV6 ? AF_INET6 : AF_INET;
        memcpy(m->xt_to.bytes, &r->min_addr, ip_size(&m->xt_to));
    } else if (info && size >= sizeof(struct nf_nat_ipv4_multi_range_compat)) {
        const struct nf_nat_ipv4_multi_range_compat *r = info;
        m->xt_to.family = AF_INET;
        memcpy(m->xt_to.bytes, &r->range[0].min_ip, 4);
    }
}

static void xt_target_op(struct regs *m, const struct nft_op *op)
{
    const char *name = nftnl_expr_get_str(op->x, NFTNL_EXPR_TG_NAME);
    if (streq(name, "DNAT"))
        take_xt_dnat(m, op->x);
    unsigned outcome = xt_target(name, m->packet);
    if (outcome != MAY_CONTINUE)
        regs_end(m, outcome);
}

static void xt_match_op(struct regs *m, const struct nft_op *op)
{
    uint32_t size = 0;
    const void *info = nftnl_expr_get(op->x, NFTNL_EXPR_MT_INFO, &size);
    regs_require(m, xt_match(nftnl_expr_get_str(op->x, NFTNL_EXPR_MT_NAME),
                             nftnl_expr_get_u32(op->x, NFTNL_EXPR_MT_REV), info, size, m->packet,
                             m->ct_unknown));
}

/* ---- the end of a rule -----------------------------------------------------------------------*/

static void forget_addresses(struct nft_packet *p)
{
    size_t at = p->nfproto == NFPROTO_IPV4 ? 10 : 8; /* the checksum changes as well */
    memset(p->network.known + at, 0, sizeof(p->network.known) - at);
    memset(p->transport.known, 0, sizeof(p->transport.known));
}

static void nat(struct regs *m, const struct nft_op *op)
{
    if (nftnl_expr_get_u32(op->x, NFTNL_EXPR_NAT_TYPE) == NFT_NAT_DNAT &&
        nftnl_expr_is_set(op->x, NFTNL_EXPR_NAT_REG_ADDR_MIN)) {
        m->nat_at = regs_at(nftnl_expr_get_u32(op->x, NFTNL_EXPR_NAT_REG_ADDR_MIN)) + 1;
        m->nat_family = nftnl_expr_get_u32(op->x, NFTNL_EXPR_NAT_FAMILY);
    }
    forget_addresses(m->packet);
    regs_end(m, MAY_ACCEPT);
}

static void translate(struct regs *m, const struct nft_op *op)
{
    (void)op;
    forget_addresses(m->packet);
    regs_end(m, MAY_ACCEPT);
}

static void reject(struct regs *m, const struct nft_op *op)
{
    (void)op;
    regs_end(m, MAY_DROP);
}

static void queue(struct regs *m, const struct nft_op *op)
{
    (void)op;
    regs_end(m, MAY_ELSE);
}

static void nothing(struct regs *m, const struct nft_op *op)
{
    (void)m;
    (void)op;
}

/* Matches or not, depending on something outside the packet. */
static void maybe(struct regs *m, const struct nft_op *op)
{
    (void)op;
    regs_require(m, MAYBE);
}

/* The result is unknown, and the register that it goes to has not been looked up. */
static void maybe_load(struct regs *m, const struct nft_op *op)
{
    (void)op;
    regs_require(m, MAYBE);
    memset(m->known, 0, sizeof(m->known));
}

/* Reads a header or an option behind the transport header, or writes it. */
static void extension(struct regs *m, const struct nft_op *op)
{
    maybe_load(m, op);
    if (nftnl_expr_is_set(op->x, NFTNL_EXPR_EXTHDR_SREG))
        memset(m->packet->transport.known, 0, sizeof(m->packet->transport.known));
}

static void anything(struct regs *m, const struct nft_op *op)
{
    maybe_load(m, op);
    packet_forget(m->packet);
    m->outcomes |= MAY_ANYTHING;
}

/* A counter, a helper or a secmark has no effect on the verdict; a quota or a limit has. */
static void use_object(struct regs *m, const struct nft_op *op)
{
    uint32_t type = nftnl_expr_is_set(op->x, NFTNL_EXPR_OBJREF_IMM_TYPE)
                        ? nftnl_expr_get_u32(op->x, NFTNL_EXPR_OBJREF_IMM_TYPE)
                        : NFT_OBJECT_UNSPEC;
    if (type == NFT_OBJECT_SYNPROXY)
        anything(m, op);
    else if (type != NFT_OBJECT_COUNTER && type != NFT_OBJECT_CT_HELPER &&
             type != NFT_OBJECT_SECMARK)
        maybe(m, op);
}

static const struct {
    const char *name;
    void (*run)(struct regs *m, const struct nft_op *op);
} expressions[] = {
    {"meta", load_meta},
    {"payload", load_payload},
    {"ct", load_ct},
    {"fib", load_fib},
    {"bitwise", bitwise},
    {"byteorder", byteorder},
    {"cmp", compare},
    {"range", range},
    {"lookup", look_up},
    {"immediate", immediate},
    {"dynset", change_set},
    {"notrack", notrack},
    {"target", xt_target_op},
    {"match", xt_match_op},
    {"nat", nat},
    {"masq", translate},
    {"redir", translate},
    {"reject", reject},
    {"queue", queue},
    {"fwd", queue},
    {"objref", use_object},
    {"limit", maybe},
    {"quota", maybe},
    {"connlimit", maybe},
    {"tproxy", maybe},
    {"flow_offload", maybe},
    {"numgen", maybe_load},
    {"hash", maybe_load},
    {"rt", maybe_load},
    {"exthdr", extension},
    {"socket", maybe_load},
    {"osf", maybe_load},
    {"xfrm", maybe_load},
    {"tunnel", maybe_load},
    {"inner", maybe_load},
    {"counter", nothing},
    {"log", nothing},
    {"last", nothing},
    {"dup", nothing},
};

struct preparation {
    const struct nft_snapshot *s;
    struct nft_rule *rule;
};

static int prepare(struct nftnl_expr *x, void *data)
{
    const struct preparation *p = data;
    struct nft_rule *rule = p->rule;
    const char *name = nftnl_expr_get_str(x, NFTNL_EXPR_NAME),
               *table = nftnl_rule_get_str(rule->rule, NFTNL_RULE_TABLE);
    uint32_t family = nftnl_rule_get_u32(rule->rule, NFTNL_RULE_FAMILY);
    struct nft_op op = {.run = anything, .x = x};
    for (size_t i = 0; i < ARRAY_LEN(expressions); i++)
        if (streq(expressions[i].name, name))
            op.run = expressions[i].run;
    if (op.run == look_up)
        op.set = snapshot_set(p->s, family, table, nftnl_expr_get_str(x, NFTNL_EXPR_LOOKUP_SET));
    else if (op.run == immediate && nftnl_expr_is_set(x, NFTNL_EXPR_IMM_CHAIN))
        op.chain = snapshot_chain(p->s, family, table, nftnl_expr_get_str(x, NFTNL_EXPR_IMM_CHAIN));
    rule->ops = xrealloc(rule->ops, rule->op_count + 1, sizeof(*rule->ops));
    rule->ops[rule->op_count++] = op;
    return 0;
}

void rule_prepare(const struct nft_snapshot *s, struct nft_rule *rule)
{
    struct preparation p = {s, rule};
    nftnl_expr_foreach(rule->rule, prepare, &p);
}

void rule_run(struct regs *m, const struct nft_rule *rule)
{
    m->match = YES;
    for (size_t i = 0; i < rule->op_count && !m->done; i++)
        rule->ops[i].run(m, &rule->ops[i]);
    if (m->match == NO) {
        m->outcomes = 0;
        m->target_count = 0;
    }
}
