/* Random rules of nf_tables for a random frame: constants are chosen near the values that the frame has, so that
 * rules match about as often as not.
 */
#pragma once

#include "nft_frames.h"

#include <arpa/inet.h>
#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/if_ether.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>

enum {
    KEYS_MAX = 4, /* elements of a set */
    REG = NFT_REG32_00,
    DATA = NFT_REG32_08,
};

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
    if (kind < 3 && b->place >= 4)
        load_ct(b, r, reg, &out);
    else if (kind < 5)
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
    const size_t size = f->size <= 2 ? 2 : 4; /* one byte is less than a unit, and stays */
    struct field swapped = *f;
    if (f->size != 1 && f->size != 2 && f->size != 4) {
        compare(r, f);
        return;
    }
    for (size_t i = 0; f->size > 1 && i < size; i++)
        swapped.value[i] = f->value[size - 1 - i];
    struct nftnl_expr *x = add(r, "byteorder");
    nftnl_expr_set_u32(x, NFTNL_EXPR_BYTEORDER_SREG, REG);
    nftnl_expr_set_u32(x, NFTNL_EXPR_BYTEORDER_DREG, REG);
    nftnl_expr_set_u32(x, NFTNL_EXPR_BYTEORDER_OP,
                       one_in(2) ? NFT_BYTEORDER_HTON : NFT_BYTEORDER_NTOH);
    nftnl_expr_set_u32(x, NFTNL_EXPR_BYTEORDER_LEN, (uint32_t)f->size);
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
    static const int plain[] = {NF_ACCEPT, NF_ACCEPT, NF_DROP, NFT_RETURN, NFT_CONTINUE};
    size_t later = b->chains - b->chain;
    if (later && one_in(2)) {
        chain_name(chain, b, b->chain + 1 + below((unsigned)later));
        return (uint32_t)(one_in(2) ? NFT_JUMP : NFT_GOTO);
    }
    *chain = 0;
    return (uint32_t)plain[below(one_in(4) ? 5 : 4)];
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

/* Makes the first field of @high at least as great as that of @low, and so on. */
static void order_fields(const struct set *set, uint8_t *low, uint8_t *high)
{
    size_t at = 0;
    for (size_t k = 0; k < set->field_count; k++) {
        sort_pair(low + at, high + at, set->fields[k].size);
        at += (set->fields[k].size + 3) / 4 * 4;
    }
}

/* Two at most, which differ in the first field: which of several that match is found is the kernel's secret. */
static void add_ranges(struct set *set)
{
    uint8_t low[2][64], high[2][64];
    for (unsigned i = 0; i < 2; i++) {
        a_key(set, low[i]);
        a_key(set, high[i]);
        order_fields(set, low[i], high[i]);
    }
    const size_t size = set->fields[0].size;
    add_element(set, low[0], high[0], 0);
    if (memcmp(high[0], low[1], size) < 0 || memcmp(high[1], low[0], size) < 0)
        add_element(set, low[1], high[1], 0);
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
    uint32_t mark = below(3);
    bool ct = b->place >= 4 && one_in(2);
    struct nftnl_expr *x = add(r, "immediate");
    nftnl_expr_set_u32(x, NFTNL_EXPR_IMM_DREG, REG);
    nftnl_expr_set(x, NFTNL_EXPR_IMM_DATA, &mark, sizeof(mark));
    x = add(r, ct ? "ct" : "meta");
    nftnl_expr_set_u32(x, ct ? NFTNL_EXPR_CT_KEY : NFTNL_EXPR_META_KEY,
                       ct ? NFT_CT_MARK : NFT_META_MARK);
    nftnl_expr_set_u32(x, ct ? NFTNL_EXPR_CT_SREG : NFTNL_EXPR_META_SREG, REG);
}

/* Asks for what another rule may have set. */
static void ask_mark(struct nftnl_rule *r)
{
    uint32_t mark = below(3);
    expr_meta(r, NFT_META_MARK, REG);
    expr_cmp(r, NFT_CMP_EQ, REG, &mark, sizeof(mark));
}

static void add_random_rule(struct build *b, const char *chain)
{
    struct nftnl_rule *r = new_rule(b->table, chain);
    const bool by_mark = one_in(5);
    if (by_mark)
        ask_mark(r);
    for (unsigned i = by_mark ? 0 : below(3); i > 0; i--)
        add_condition(b, r);
    if (one_in(4))
        expr_counter(r);
    if (one_in(3))
        set_mark(b, r);
    if (one_in(4)) {
        look_up(b, r, VERDICTS);
    } else if (!one_in(4)) {
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
                              .policy = one_in(6) ? NF_DROP : NF_ACCEPT};
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
