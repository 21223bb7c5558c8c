/* One rule of somebody's, evaluated as the kernel does it: expressions fill registers and compare them.
 * What is not known of the packet, and what is not understood, makes the rule match perhaps.
 */
#include "snapshot.h"

#include <libnftnl/expr.h>
#include <libnftnl/set.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

/* Registers 1 to 4 are the old, wide names of the same memory. */
static size_t register_at(uint32_t reg)
{
    size_t at = reg <= NFT_REG_4 ? (size_t)(reg - 1) * 16 : (size_t)(reg - NFT_REG32_00) * 4;
    return at < REGISTERS ? at : 0;
}

static void fill(struct machine *m, uint32_t reg, const void *data, size_t size)
{
    size_t at = register_at(reg), padded = (size + 3) / 4 * 4;
    if (padded > REGISTERS - at)
        padded = REGISTERS - at;
    if (size > padded)
        size = padded;
    memset(m->known + at, data != NULL, padded);
    memset(m->value + at, 0, padded);
    if (data)
        memcpy(m->value + at, data, size);
}

static void forget(struct machine *m, uint32_t reg)
{
    fill(m, reg, NULL, 16);
}

static bool knows(const struct machine *m, uint32_t reg, size_t size)
{
    size_t at = register_at(reg);
    return size <= REGISTERS - at && !memchr(m->known + at, 0, size);
}

static void require(struct machine *m, enum tri t)
{
    if (t < m->match)
        m->match = t;
}

/* ---- what the packet is ----------------------------------------------------------------------*/

static void load_name(struct machine *m, uint32_t reg, const char *name)
{
    char padded[IFNAMSIZ] = "";
    if (name)
        strncpy(padded, name, sizeof(padded) - 1);
    fill(m, reg, name ? padded : NULL, sizeof(padded));
}

static void load_meta(struct machine *m, const struct nftnl_expr *x)
{
    const struct foreign_packet *p = m->packet;
    uint32_t reg = nftnl_expr_get_u32(x, NFTNL_EXPR_META_DREG);
    if (!nftnl_expr_is_set(x, NFTNL_EXPR_META_DREG)) /* it sets a mark, or the like */
        return;
    forget(m, reg);
    if (!p)
        return;
    uint8_t family = p->family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6;
    uint32_t index;
    switch (nftnl_expr_get_u32(x, NFTNL_EXPR_META_KEY)) {
    case NFT_META_IIFNAME: load_name(m, reg, p->in); break;
    case NFT_META_OIFNAME: load_name(m, reg, p->out); break;
    case NFT_META_NFPROTO: fill(m, reg, &family, 1); break;
    case NFT_META_L4PROTO: fill(m, reg, p->protocol ? &p->protocol : NULL, 1); break;
    case NFT_META_IIF:
    case NFT_META_OIF:
        index = if_nametoindex(
            (nftnl_expr_get_u32(x, NFTNL_EXPR_META_KEY) == NFT_META_IIF ? p->in : p->out) ?: "");
        fill(m, reg, index ? &index : NULL, sizeof(index));
        break;
    }
}

static void put_address(uint8_t *header, bool *known, size_t at, const struct ip *a)
{
    if (!a->family)
        return;
    memcpy(header + at, a->bytes, ip_size(a));
    memset(known + at, true, ip_size(a));
}

static void put_port(uint8_t *header, bool *known, size_t at, uint16_t port)
{
    header[at] = (uint8_t)(port >> 8);
    header[at + 1] = (uint8_t)port;
    known[at] = known[at + 1] = port != 0;
}

static void load_payload(struct machine *m, const struct nftnl_expr *x)
{
    const struct foreign_packet *p = m->packet;
    uint8_t header[40] = {0};
    bool known[40] = {false};
    if (!nftnl_expr_is_set(x, NFTNL_EXPR_PAYLOAD_DREG))
        return; /* it writes */
    uint32_t reg = nftnl_expr_get_u32(x, NFTNL_EXPR_PAYLOAD_DREG),
             base = nftnl_expr_get_u32(x, NFTNL_EXPR_PAYLOAD_BASE);
    size_t at = nftnl_expr_get_u32(x, NFTNL_EXPR_PAYLOAD_OFFSET),
           size = nftnl_expr_get_u32(x, NFTNL_EXPR_PAYLOAD_LEN);
    fill(m, reg, NULL, size);
    if (!p || at > sizeof(header) || size > sizeof(header) - at)
        return;
    if (base == NFT_PAYLOAD_NETWORK_HEADER) {
        bool four = p->family == AF_INET;
        put_address(header, known, four ? 12 : 8, &p->source);
        put_address(header, known, four ? 16 : 24, &p->destination);
        header[four ? 9 : 6] = p->protocol;
        known[four ? 9 : 6] = p->protocol != 0;
    } else if (base == NFT_PAYLOAD_TRANSPORT_HEADER && p->icmp_type) {
        header[0] = p->icmp_type;
        known[0] = true;
    } else if (base == NFT_PAYLOAD_TRANSPORT_HEADER) {
        put_port(header, known, 0, p->source_port);
        put_port(header, known, 2, p->port);
    }
    if (!memchr(known + at, 0, size))
        fill(m, reg, header + at, size);
}

static void load_ct(struct machine *m, const struct nftnl_expr *x)
{
    if (!nftnl_expr_is_set(x, NFTNL_EXPR_CT_DREG))
        return;
    const struct foreign_packet *p = m->packet;
    uint32_t reg = nftnl_expr_get_u32(x, NFTNL_EXPR_CT_DREG),
             key = nftnl_expr_get_u32(x, NFTNL_EXPR_CT_KEY);
    forget(m, reg);
    if (!p || p->untold)
        return;
    uint32_t state = p->untracked ? NF_CT_STATE_UNTRACKED_BIT
                     : p->reply   ? NF_CT_STATE_BIT(IP_CT_ESTABLISHED)
                                  : NF_CT_STATE_BIT(IP_CT_NEW),
             status = (p->dnat ? IPS_DST_NAT : 0) | (p->reply ? IPS_SEEN_REPLY : 0);
    uint8_t direction = p->reply ? IP_CT_DIR_REPLY : IP_CT_DIR_ORIGINAL;
    if (p->untracked && key != NFT_CT_STATE) {
        require(m, NO); /* there is no entry to load it from */
        return;
    }
    switch (key) {
    case NFT_CT_STATE: fill(m, reg, &state, sizeof(state)); break;
    case NFT_CT_STATUS: fill(m, reg, &status, sizeof(status)); break;
    case NFT_CT_DIRECTION: fill(m, reg, &direction, sizeof(direction)); break;
    }
}

/* ---- what is asked of it ---------------------------------------------------------------------*/

static void bitwise(struct machine *m, const struct nftnl_expr *x)
{
    uint32_t from = nftnl_expr_get_u32(x, NFTNL_EXPR_BITWISE_SREG),
             to = nftnl_expr_get_u32(x, NFTNL_EXPR_BITWISE_DREG), mask_size = 0, xor_size = 0;
    size_t size = nftnl_expr_get_u32(x, NFTNL_EXPR_BITWISE_LEN);
    const uint8_t *mask = nftnl_expr_get(x, NFTNL_EXPR_BITWISE_MASK, &mask_size),
                  *flip = nftnl_expr_get(x, NFTNL_EXPR_BITWISE_XOR, &xor_size);
    uint8_t result[REGISTERS];
    /* Shifts have no mask. */
    if (size > sizeof(result) || !knows(m, from, size) || !mask || mask_size < size || !flip ||
        xor_size < size) {
        fill(m, to, NULL, size);
        return;
    }
    for (size_t i = 0; i < size; i++)
        result[i] = (uint8_t)((m->value[register_at(from) + i] & mask[i]) ^ flip[i]);
    fill(m, to, result, size);
}

static void compare(struct machine *m, const struct nftnl_expr *x)
{
    uint32_t reg = nftnl_expr_get_u32(x, NFTNL_EXPR_CMP_SREG), size = 0;
    const void *data = nftnl_expr_get(x, NFTNL_EXPR_CMP_DATA, &size);
    if (!data || !knows(m, reg, size)) {
        require(m, MAYBE);
        return;
    }
    int order = memcmp(m->value + register_at(reg), data, size);
    bool is = false;
    switch (nftnl_expr_get_u32(x, NFTNL_EXPR_CMP_OP)) {
    case NFT_CMP_EQ: is = order == 0; break;
    case NFT_CMP_NEQ: is = order != 0; break;
    case NFT_CMP_LT: is = order < 0; break;
    case NFT_CMP_LTE: is = order <= 0; break;
    case NFT_CMP_GT: is = order > 0; break;
    case NFT_CMP_GTE: is = order >= 0; break;
    }
    require(m, is ? YES : NO);
}

static void range(struct machine *m, const struct nftnl_expr *x)
{
    uint32_t reg = nftnl_expr_get_u32(x, NFTNL_EXPR_RANGE_SREG), low_size = 0, high_size = 0;
    const void *low = nftnl_expr_get(x, NFTNL_EXPR_RANGE_FROM_DATA, &low_size),
               *high = nftnl_expr_get(x, NFTNL_EXPR_RANGE_TO_DATA, &high_size);
    if (!low || !high || low_size != high_size || !knows(m, reg, low_size)) {
        require(m, MAYBE);
        return;
    }
    const void *value = m->value + register_at(reg);
    bool inside = memcmp(value, low, low_size) >= 0 && memcmp(value, high, low_size) <= 0;
    bool wanted = nftnl_expr_get_u32(x, NFTNL_EXPR_RANGE_OP) == NFT_RANGE_EQ;
    require(m, inside == wanted ? YES : NO);
}

static void take_verdict(struct machine *m, int code, const char *chain)
{
    switch (code) {
    case NF_ACCEPT: m->verdict = V_ACCEPT; break;
    case NF_DROP: m->verdict = V_DROP; break;
    case NFT_RETURN: m->verdict = V_RETURN; break;
    case NFT_JUMP:
    case NFT_GOTO:
        m->verdict = code == NFT_JUMP ? V_JUMP : V_GOTO;
        free(m->chain);
        m->chain = xstrdup(chain);
        break;
    case NFT_BREAK: require(m, NO); break;
    }
}

static void immediate(struct machine *m, const struct nftnl_expr *x)
{
    uint32_t reg = nftnl_expr_get_u32(x, NFTNL_EXPR_IMM_DREG), size = 0;
    if (reg == NFT_REG_VERDICT) {
        take_verdict(m, (int)nftnl_expr_get_u32(x, NFTNL_EXPR_IMM_VERDICT),
                     nftnl_expr_get_str(x, NFTNL_EXPR_IMM_CHAIN));
        return;
    }
    const void *data = nftnl_expr_get(x, NFTNL_EXPR_IMM_DATA, &size);
    fill(m, reg, data, size);
}

/* ---- sets ------------------------------------------------------------------------------------*/

static size_t known_from(const struct machine *m, size_t at)
{
    size_t n = 0;
    while (at + n < REGISTERS && m->known[at + n])
        n++;
    return n;
}

static void look_up(struct machine *m, const struct nftnl_expr *x)
{
    const char *set = nftnl_expr_get_str(x, NFTNL_EXPR_LOOKUP_SET);
    bool has_data = nftnl_expr_is_set(x, NFTNL_EXPR_LOOKUP_DREG);
    uint32_t to = has_data ? nftnl_expr_get_u32(x, NFTNL_EXPR_LOOKUP_DREG) : 0;
    bool inverted = nftnl_expr_is_set(x, NFTNL_EXPR_LOOKUP_FLAGS) &&
                    nftnl_expr_get_u32(x, NFTNL_EXPR_LOOKUP_FLAGS) & NFT_LOOKUP_F_INV;
    size_t at = register_at(nftnl_expr_get_u32(x, NFTNL_EXPR_LOOKUP_SREG));
    size_t room = known_from(m, at);
    struct foreign_found l = {.verdict = NFT_CONTINUE};
    int r =
        room ? foreign_look_up(m->foreign, m->family, m->table, set, m->value + at, room, &l) : 0;
    if (!room || r < 0 || l.strange)
        require(m, MAYBE);
    else
        require(m, l.found != inverted ? YES : NO);
    if (has_data && to != NFT_REG_VERDICT) {
        m->map = set;
        m->map_at = register_at(to);
        forget(m, to);
    } else if (has_data && l.found) {
        take_verdict(m, l.verdict, l.chain);
    }
}

/* ---- iptables' own ---------------------------------------------------------------------------*/

static void xt_target(struct machine *m, const struct nftnl_expr *x)
{
    const char *name = nftnl_expr_get_str(x, NFTNL_EXPR_TG_NAME);
    uint32_t size = 0;
    const void *info = nftnl_expr_get(x, NFTNL_EXPR_TG_INFO, &size);
    if (streq(name, "REJECT") || streq(name, "DROP"))
        m->verdict = V_DROP;
    if (!streq(name, "DNAT") || !info)
        return;
    m->xt_dnat = true;
    if (nftnl_expr_get_u32(x, NFTNL_EXPR_TG_REV) >= 1 && size >= sizeof(struct nf_nat_range)) {
        const struct nf_nat_range *r = info;
        m->xt_to.family = m->family == NFPROTO_IPV6 ? AF_INET6 : AF_INET;
        memcpy(m->xt_to.bytes, &r->min_addr, ip_size(&m->xt_to));
    } else if (size >= sizeof(struct nf_nat_ipv4_multi_range_compat)) {
        const struct nf_nat_ipv4_multi_range_compat *r = info;
        m->xt_to.family = AF_INET;
        memcpy(m->xt_to.bytes, &r->range[0].min_ip, 4);
    }
}

static void xt_condition(struct machine *m, const struct nftnl_expr *x)
{
    uint32_t size = 0;
    const void *info = nftnl_expr_get(x, NFTNL_EXPR_MT_INFO, &size);
    require(m, xt_match(nftnl_expr_get_str(x, NFTNL_EXPR_MT_NAME),
                        nftnl_expr_get_u32(x, NFTNL_EXPR_MT_REV), info, size, m->packet));
}

static void nat(struct machine *m, const struct nftnl_expr *x)
{
    if (nftnl_expr_get_u32(x, NFTNL_EXPR_NAT_TYPE) != NFT_NAT_DNAT ||
        !nftnl_expr_is_set(x, NFTNL_EXPR_NAT_REG_ADDR_MIN))
        return;
    m->nat_at = register_at(nftnl_expr_get_u32(x, NFTNL_EXPR_NAT_REG_ADDR_MIN)) + 1;
    m->nat_family = nftnl_expr_get_u32(x, NFTNL_EXPR_NAT_FAMILY);
}

static void reject(struct machine *m, const struct nftnl_expr *x)
{
    (void)x;
    m->verdict = V_DROP;
}

static void nothing(struct machine *m, const struct nftnl_expr *x)
{
    (void)m;
    (void)x;
}

static const struct {
    const char *name;
    void (*run)(struct machine *m, const struct nftnl_expr *x);
} expressions[] = {
    {"meta", load_meta},   {"payload", load_payload},
    {"ct", load_ct},       {"bitwise", bitwise},
    {"cmp", compare},      {"range", range},
    {"lookup", look_up},   {"immediate", immediate},
    {"target", xt_target}, {"match", xt_condition},
    {"nat", nat},          {"reject", reject},
    {"counter", nothing},  {"log", nothing},
    {"masq", nothing},     {"redir", nothing},
    {"notrack", nothing},  {"objref", nothing},
    {"last", nothing},     {"flow_offload", nothing},
    {"dup", nothing},
};

static int run_expression(struct nftnl_expr *x, void *data)
{
    struct machine *m = data;
    const char *name = nftnl_expr_get_str(x, NFTNL_EXPR_NAME);
    for (size_t i = 0; i < ARRAY_LEN(expressions); i++)
        if (streq(expressions[i].name, name)) {
            expressions[i].run(m, x);
            return 0;
        }
    /* Whatever it does: the rule matches perhaps, and where its result is, is not known. */
    require(m, MAYBE);
    memset(m->known, false, sizeof(m->known));
    return 0;
}

void machine_run(struct machine *m, struct nftnl_rule *rule)
{
    m->match = YES;
    nftnl_expr_foreach(rule, run_expression, m);
}

void machine_clear(struct machine *m)
{
    free(m->chain);
}
