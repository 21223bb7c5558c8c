/* Turns the schema's data (schema.c) and its elements into messages to the kernel, and reads what the kernel holds. */
#include "expiry.h"
#include "schema.h"

#include <netctr/nft.h>

#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

/* ---- keys ---------------------------------------------------------------------------------*/

static size_t words_of(size_t size)
{
    return (size + 3) / 4;
}

/* The size of a key of these fields in bytes. A single field has its own size; in a concatenation each field starts at
 * a 32-bit word. */
static uint32_t size_of(const enum field *f, size_t max)
{
    uint32_t words = 0;
    for (size_t i = 0; i < max && f[i]; i++)
        words += (uint32_t)words_of(FIELDS[f[i]].size);
    return max > 1 && f[1] ? words * 4 : FIELDS[f[0]].size;
}

static uint32_t type_of(const enum field *f, size_t max)
{
    uint32_t type = 0;
    for (size_t i = 0; i < max && f[i]; i++)
        type = type << TYPE_BITS | FIELDS[f[i]].type;
    return type;
}

/* A concatenation has no byte order of its own, as each of its fields has one. */
static uint32_t byte_order_of(const enum field *f)
{
    return f[1] ? 0 : FIELDS[f[0]].byte_order;
}

static uint32_t pack(const enum field *f, size_t max, const void *const *values,
                     uint8_t out[KEY_MAX])
{
    memset(out, 0, KEY_MAX);
    for (size_t i = 0, at = 0; i < max && f[i]; i++) {
        size_t size = FIELDS[f[i]].size;
        memcpy(out + at, values[i], f[i] == IFNAME ? strnlen(values[i], size - 1) : size);
        at += words_of(size) * 4;
    }
    return size_of(f, max);
}

/* ---- from data to messages ----------------------------------------------------------------*/

/* nft's userdata of an object: a list of (type, length, value). */
struct userdata {
    uint8_t bytes[NFT_USERDATA_MAXLEN];
    uint32_t used;
};

/* Types of netctr's own; nft skips types that it does not know.
 *
 * Netctr 0.1 (schemas 2 to 5) stores the instance in 0xc7, and replaces tables of its own instance
 * whatever their schema is. So 0xc7 now holds a value that never equals the instance: netctr 0.1
 * takes such tables for those of another netctr, and leaves them alone. The instance moved to 0xc9.
 */
enum {
    UDATA_INSTANCE_OLD = 0xc7,
    UDATA_SCHEMA = 0xc8,
    UDATA_INSTANCE = 0xc9,
    INSTANCE_LENGTH = 16,
    SCHEMA_OLD = 5, /* the last schema with the instance in UDATA_INSTANCE_OLD */
};

static void note(struct userdata *u, uint8_t type, const void *value, size_t size)
{
    if (size > UINT8_MAX || u->used + 2 + size > sizeof(u->bytes))
        abort(); /* no caller passes more than fits */
    u->bytes[u->used] = type;
    u->bytes[u->used + 1] = (uint8_t)size;
    memcpy(u->bytes + u->used + 2, value, size);
    u->used += 2 + (uint32_t)size;
}

static void note_text(struct userdata *u, uint8_t type, const char *text)
{
    if (text && *text)
        note(u, type, text, strlen(text) + 1);
}

static void note_instance(struct userdata *u, const char *instance)
{
    static const char digits[] = "0123456789abcdef";
    static const uint8_t schema = NETCTR_SCHEMA;
    size_t length = strnlen(instance, INSTANCE_LENGTH);
    char other[INSTANCE_LENGTH];
    for (size_t i = 0; i < length; i++) /* every digit differs from that of the instance */
        other[i] = digits[15 - (strchr(digits, instance[i]) - digits)];
    note(u, UDATA_INSTANCE_OLD, other, length);
    note(u, UDATA_SCHEMA, &schema, sizeof(schema));
    note(u, UDATA_INSTANCE, instance, length);
}

static void put_table(struct nft_batch *b, uint16_t type, const struct table *t,
                      const char *instance)
{
    struct nftnl_table *n = nft_must(nftnl_table_alloc());
    nftnl_table_set_str(n, NFTNL_TABLE_NAME, t->name);
    if (instance) {
        struct userdata u = {0};
        note_text(&u, NFTNL_UDATA_TABLE_COMMENT, t->comment);
        note_instance(&u, instance);
        nftnl_table_set_data(n, NFTNL_TABLE_USERDATA, u.bytes, u.used);
    }
    char *what = xasprintf("%s table %s %s", type == NFT_MSG_DELTABLE ? "delete" : "add",
                           t->family_name, t->name);
    nftnl_table_nlmsg_build_payload(nft_batch_message(b, type, 0, t->family, what), n);
    nftnl_table_free(n);
}

static void put_chain(struct nft_batch *b, const struct chain *c)
{
    struct nftnl_chain *n = nft_must(nftnl_chain_alloc());
    nftnl_chain_set_str(n, NFTNL_CHAIN_TABLE, c->table->name);
    nftnl_chain_set_str(n, NFTNL_CHAIN_NAME, c->name);
    if (c->type) {
        nftnl_chain_set_str(n, NFTNL_CHAIN_TYPE, c->type);
        nftnl_chain_set_u32(n, NFTNL_CHAIN_HOOKNUM, c->hook);
        nftnl_chain_set_s32(n, NFTNL_CHAIN_PRIO, c->priority);
        nftnl_chain_set_u32(n, NFTNL_CHAIN_POLICY, NF_ACCEPT);
    }
    char *what = xasprintf("add chain %s %s", c->table->name, c->name);
    nftnl_chain_nlmsg_build_payload(
        nft_batch_message(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE, c->table->family, what), n);
    nftnl_chain_free(n);
}

/* Tells nft how to print the values; the kernel ignores it. */
static struct userdata set_userdata(const struct set *s)
{
    struct userdata u = {0};
    uint32_t order = byte_order_of(s->key);
    note(&u, NFTNL_UDATA_SET_KEYBYTEORDER, &order, sizeof(order));
    if (s->data[0]) {
        order = byte_order_of(s->data);
        note(&u, NFTNL_UDATA_SET_DATABYTEORDER, &order, sizeof(order));
    }
    if (s->type_of)
        note(&u, NFTNL_UDATA_SET_KEY_TYPEOF, s->type_of_data, s->type_of_size);
    note_text(&u, NFTNL_UDATA_SET_COMMENT, s->comment);
    return u;
}

/* For concatenated ranges the kernel needs the size of each field. */
static void describe_fields(struct nftnl_set *n, const struct set *s)
{
    uint8_t sizes[ARRAY_LEN(s->key)];
    uint32_t count = 0;
    while (count < ARRAY_LEN(s->key) && s->key[count]) {
        sizes[count] = FIELDS[s->key[count]].size;
        count++;
    }
    nftnl_set_set_data(n, NFTNL_SET_DESC_CONCAT, sizes, count);
}

static void put_set(struct nft_batch *b, const struct set *s, uint32_t id)
{
    bool map = s->data[0] || (s->flags & NFT_SET_MAP);
    bool ranges_of_fields = (s->flags & NFT_SET_INTERVAL) && s->key[1];
    struct userdata u = set_userdata(s);
    struct nftnl_set *n = nft_must(nftnl_set_alloc());
    nftnl_set_set_str(n, NFTNL_SET_TABLE, s->table->name);
    nftnl_set_set_str(n, NFTNL_SET_NAME, s->name);
    nftnl_set_set_u32(n, NFTNL_SET_ID, id);
    nftnl_set_set_u32(n, NFTNL_SET_FLAGS,
                      s->flags | (map ? NFT_SET_MAP : 0) | (ranges_of_fields ? NFT_SET_CONCAT : 0));
    nftnl_set_set_u32(n, NFTNL_SET_KEY_TYPE, type_of(s->key, ARRAY_LEN(s->key)));
    nftnl_set_set_u32(n, NFTNL_SET_KEY_LEN, size_of(s->key, ARRAY_LEN(s->key)));
    if (map) {
        nftnl_set_set_u32(n, NFTNL_SET_DATA_TYPE,
                          s->data[0] ? type_of(s->data, ARRAY_LEN(s->data)) : NFT_DATA_VERDICT);
        nftnl_set_set_u32(n, NFTNL_SET_DATA_LEN,
                          s->data[0] ? size_of(s->data, ARRAY_LEN(s->data)) : 0);
    }
    if (s->fixed)
        nftnl_set_set_u32(n, NFTNL_SET_DESC_SIZE, s->fixed_count);
    if (ranges_of_fields)
        describe_fields(n, s);
    nftnl_set_set_data(n, NFTNL_SET_USERDATA, u.bytes, u.used);
    char *what = xasprintf("add set %s %s", s->table->name, s->name);
    nftnl_set_nlmsg_build_payload(
        nft_batch_message(b, NFT_MSG_NEWSET, NLM_F_CREATE, s->table->family, what), n);
    nftnl_set_free(n);
}

void ruleset_fill(const struct set *s, uint32_t i, struct nftnl_set_elem *x)
{
    nftnl_set_elem_set(x, NFTNL_SET_ELEM_KEY, s->fixed[i].key, FIELDS[s->key[0]].size);
    if (s->flags & NFT_SET_MAP)
        nftnl_set_elem_set_u32(x, NFTNL_SET_ELEM_VERDICT, (uint32_t)s->fixed[i].verdict);
    if (s->fixed[i].chain)
        nftnl_set_elem_set_str(x, NFTNL_SET_ELEM_CHAIN, s->fixed[i].chain);
}

static void put_fixed(struct nft_batch *b, const struct set *s, uint32_t id)
{
    struct nftnl_set *n = nft_must(nftnl_set_alloc());
    nftnl_set_set_str(n, NFTNL_SET_TABLE, s->table->name);
    nftnl_set_set_str(n, NFTNL_SET_NAME, s->name);
    nftnl_set_set_u32(n, NFTNL_SET_ID, id);
    for (uint32_t i = 0; i < s->fixed_count; i++) {
        struct nftnl_set_elem *x = nft_must(nftnl_set_elem_alloc());
        ruleset_fill(s, i, x);
        nftnl_set_elem_add(n, x);
    }
    char *what = xasprintf("fill set %s %s", s->table->name, s->name);
    nftnl_set_elems_nlmsg_build_payload(
        nft_batch_message(b, NFT_MSG_NEWSETELEM, NLM_F_CREATE, s->table->family, what), n);
    nftnl_set_free(n);
}

/* Interprets one step. *@loaded counts the words that were loaded and not yet compared or looked up; the step that uses
 * them finds them from the first register on. */
static void put_step(struct nftnl_rule *r, const struct step *s, uint32_t *loaded)
{
    const uint32_t first = NFT_REG32_00, next = first + *loaded;
    const char *set = s->op == IN || s->op == NOT_IN || s->op == MAP ? SETS[s->what].name : NULL;
    switch (s->op) {
    case META: expr_meta(r, s->what, next); break;
    case CT: expr_ct(r, s->what, next); break;
    case PAYLOAD: expr_payload(r, s->what, s->offset, s->size, next); break;
    case EXTHDR: expr_exthdr(r, s->what, s->offset, s->size, next); break;
    case HAS_EXTHDR: expr_has_exthdr(r, s->what, next); break;
    case FIB: expr_fib_daddr_type(r, next); break;
    case AND: expr_and(r, first, s->data, s->size); return;
    case CMP: expr_cmp(r, s->what, first, s->data, s->size); break;
    case IN: expr_in_set(r, set, s->what + 1, first, false); break;
    case NOT_IN: expr_in_set(r, set, s->what + 1, first, true); break;
    case MAP:
        expr_map(r, set, s->what + 1, first, SETS[s->what].data[0] ? first : NFT_REG_VERDICT);
        break;
    case DNAT: expr_dnat(r, s->what, first, first + (s->what == NFPROTO_IPV4 ? 1 : 4)); break;
    case MASQ: expr_masquerade(r); break;
    case COUNT: expr_counter(r); break;
    case VERDICT: expr_verdict(r, s->what, s->data); break;
    case NO_STEP: break;
    }
    bool loads = s->op >= META && s->op <= FIB;
    *loaded = loads ? *loaded + (uint32_t)words_of(s->size) : 0;
}

static void put_rule(struct nft_batch *b, const struct chain *c, const struct rule *rule)
{
    struct nftnl_rule *n = nft_must(nftnl_rule_alloc());
    nftnl_rule_set_str(n, NFTNL_RULE_TABLE, c->table->name);
    nftnl_rule_set_str(n, NFTNL_RULE_CHAIN, c->name);
    struct userdata u = {0};
    note_text(&u, NFTNL_UDATA_RULE_COMMENT, rule->comment);
    if (u.used)
        nftnl_rule_set_data(n, NFTNL_RULE_USERDATA, u.bytes, u.used);
    uint32_t loaded = 0;
    for (size_t i = 0; i < ARRAY_LEN(rule->steps) && rule->steps[i].op; i++)
        put_step(n, &rule->steps[i], &loaded);
    char *what = xasprintf("add rule %s %s `%s`", c->table->name, c->name, rule->text);
    nftnl_rule_nlmsg_build_payload(
        nft_batch_message(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, c->table->family, what),
        n);
    nftnl_rule_free(n);
}

void ruleset_create(struct nft_batch *b, const char *instance)
{
    /* "add; delete; add": deleting fails for a table that does not exist. */
    for (size_t i = 0; i < ARRAY_LEN(TABLES); i++)
        put_table(b, NFT_MSG_NEWTABLE, TABLES[i], NULL);
    for (size_t i = 0; i < ARRAY_LEN(TABLES); i++)
        put_table(b, NFT_MSG_DELTABLE, TABLES[i], NULL);
    for (size_t i = 0; i < ARRAY_LEN(TABLES); i++)
        put_table(b, NFT_MSG_NEWTABLE, TABLES[i], instance);
    for (size_t i = 0; i < ARRAY_LEN(CHAINS); i++)
        put_chain(b, &CHAINS[i]);
    for (uint32_t i = 0; i < SET_COUNT; i++) {
        put_set(b, &SETS[i], i + 1);
        if (SETS[i].fixed)
            put_fixed(b, &SETS[i], i + 1);
    }
    for (size_t i = 0; i < ARRAY_LEN(CHAINS); i++)
        for (size_t j = 0; j < CHAINS[i].rule_count; j++)
            put_rule(b, &CHAINS[i], &CHAINS[i].rules[j]);
}

/* ---- elements -----------------------------------------------------------------------------*/

/* nft prints a comment in quotes without escapes, so only characters that it can read back are kept. */
static void note_comment(struct nftnl_set_elem *x, const char *comment, bool unheld)
{
    char clean[ELEMENT_COMMENT_MAX + 1] = "";
    for (size_t i = 0; comment && comment[i] && i < ELEMENT_COMMENT_MAX; i++) {
        char c = comment[i];
        clean[i] = c < ' ' || c > '~' || c == '"' || c == '\\' ? '_' : c;
    }
    struct userdata u = {0};
    note_text(&u, NFTNL_UDATA_SET_ELEM_COMMENT, clean);
    if (unheld)
        note(&u, UDATA_ELEMENT_UNHELD, "", 1);
    if (u.used)
        nftnl_set_elem_set(x, NFTNL_SET_ELEM_USERDATA, u.bytes, u.used);
}

/* A set with @e as its only element, for a message about it. With @whole false, only the key is filled in. */
static struct nftnl_set *set_of(const struct element *e, bool whole, uint64_t lifetime_ms)
{
    const struct set *s = &SETS[e->set];
    uint8_t bytes[KEY_MAX];
    struct nftnl_set *n = nft_must(nftnl_set_alloc());
    nftnl_set_set_str(n, NFTNL_SET_TABLE, s->table->name);
    nftnl_set_set_str(n, NFTNL_SET_NAME, s->name);
    struct nftnl_set_elem *x = nft_must(nftnl_set_elem_alloc());
    nftnl_set_elem_add(n, x);
    uint32_t size = pack(s->key, ARRAY_LEN(s->key), e->key, bytes);
    nftnl_set_elem_set(x, NFTNL_SET_ELEM_KEY, bytes, size);
    if (e->key_end[0]) {
        size = pack(s->key, ARRAY_LEN(e->key_end), e->key_end, bytes);
        nftnl_set_elem_set(x, NFTNL_SET_ELEM_KEY_END, bytes, size);
    }
    if (e->range_end)
        nftnl_set_elem_set_u32(x, NFTNL_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
    if (whole && e->data[0]) {
        size = pack(s->data, ARRAY_LEN(s->data), e->data, bytes);
        nftnl_set_elem_set(x, NFTNL_SET_ELEM_DATA, bytes, size);
    }
    if (whole)
        note_comment(x, e->comment, e->unheld);
    /* Without a timeout, an equal element that was expiring becomes permanent. */
    if (lifetime_ms)
        nftnl_set_elem_set_u64(x, NFTNL_SET_ELEM_TIMEOUT, lifetime_ms);
    return n;
}

static void put_element(struct nft_batch *b, uint16_t type, uint16_t flags, const struct element *e,
                        uint64_t lifetime_ms, char *what)
{
    struct nftnl_set *n = set_of(e, type == NFT_MSG_NEWSETELEM, lifetime_ms);
    nftnl_set_elems_nlmsg_build_payload(
        nft_batch_message(b, type, flags, SETS[e->set].table->family, what), n);
    nftnl_set_free(n);
}

/* EEXIST: the key has other data by now. That element must stay. */
void ruleset_expire(struct nft_batch *b, const struct element *element, uint64_t lifetime_ms,
                    char *what)
{
    put_element(b, NFT_MSG_NEWSETELEM, NLM_F_CREATE, element, lifetime_ms, what);
    nft_batch_tolerate(b, NFT_TOLERATE_ABSENT | NFT_TOLERATE_TAKEN);
}

void ruleset_change(struct nft_batch *b, enum change change, const struct element *element,
                    char *what)
{
    switch (change) {
    case CHANGE_ADD: put_element(b, NFT_MSG_NEWSETELEM, NLM_F_CREATE, element, 0, what); break;
    case CHANGE_CREATE:
        put_element(b, NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL, element, 0, what);
        break;
    case CHANGE_DELETE:
        put_element(b, NFT_MSG_DELSETELEM, 0, element, 0, what);
        nft_batch_tolerate(b, NFT_TOLERATE_ABSENT);
        break;
    case CHANGE_EXPIRE: ruleset_expire(b, element, EXPIRY_MS, what); break;
    }
}

/* ---- questions ----------------------------------------------------------------------------*/

bool ruleset_valid_instance(const char *s)
{
    return strlen(s) == INSTANCE_LENGTH && strspn(s, "0123456789abcdef") == INSTANCE_LENGTH;
}

/* What a table's userdata says about it. */
struct stamp {
    char *old_instance, *instance; /* NULL: none, or not a valid one */
    uint8_t schema;
};

static void stamp_clear(struct stamp *s)
{
    free(s->old_instance);
    free(s->instance);
}
#define _cleanup_stamp_ __attribute__((cleanup(stamp_clear)))

static const char *instance_of(const struct stamp *s)
{
    return s->schema > SCHEMA_OLD ? s->instance : s->old_instance;
}

static void take_instance(const uint8_t *text, size_t size, char **out)
{
    _cleanup_free_ char *instance = xstrndup((const char *)text, size);
    if (!*out && ruleset_valid_instance(instance))
        *out = take_ptr(instance);
}

/* Another program may have written the userdata, so lengths are checked. */
static void read_userdata(const uint8_t *p, size_t left, struct stamp *out)
{
    while (left >= 2 && left >= 2u + p[1]) {
        size_t size = 2u + p[1];
        if (p[0] == UDATA_INSTANCE_OLD)
            take_instance(p + 2, p[1], &out->old_instance);
        else if (p[0] == UDATA_INSTANCE)
            take_instance(p + 2, p[1], &out->instance);
        else if (p[0] == UDATA_SCHEMA && p[1] == 1)
            out->schema = p[2];
        p += size;
        left -= size;
    }
}

static int read_stamp(const struct nlmsghdr *answer, void *data)
{
    struct nftnl_table *t = nft_must(nftnl_table_alloc());
    uint32_t size = 0;
    if (nftnl_table_nlmsg_parse(answer, t) == 0) {
        const uint8_t *userdata = nftnl_table_get_data(t, NFTNL_TABLE_USERDATA, &size);
        if (userdata)
            read_userdata(userdata, size, data);
    }
    nftnl_table_free(t);
    return MNL_CB_OK;
}

static enum fw_tables judge_stamp(const struct stamp *s, const char *instance)
{
    if (!instance_of(s) || !streq(instance_of(s), instance))
        return FW_TABLES_FOREIGN;
    return s->schema > NETCTR_SCHEMA   ? FW_TABLES_NEWER
           : s->schema < NETCTR_SCHEMA ? FW_TABLES_OLDER
                                       : FW_TABLES_OURS;
}

int ruleset_probe(struct nft *n, const char *instance, char **owner)
{
    enum fw_tables result = FW_TABLES_OURS;
    for (size_t i = 0; i < ARRAY_LEN(TABLES); i++) {
        _Alignas(struct nlmsghdr) char buffer[256];
        _cleanup_stamp_ struct stamp stamp = {0};
        struct nlmsghdr *request =
            nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETTABLE, TABLES[i]->family, 0, 0);
        mnl_attr_put_strz(request, NFTA_TABLE_NAME, TABLES[i]->name);
        int r = nft_request(n, request, read_stamp, &stamp);
        if (r < 0 && r != -ENOENT)
            return r;
        enum fw_tables one = r == -ENOENT ? FW_TABLES_MISSING : judge_stamp(&stamp, instance);
        if (one == FW_TABLES_FOREIGN && instance_of(&stamp)) {
            /* This also holds if the other table is missing: tables of another instance are never
             * replaced. */
            if (owner)
                *owner = xstrdup(instance_of(&stamp));
            return one;
        }
        if (one > result)
            result = one;
    }
    return (int)result;
}

void ruleset_withdraw(struct nft_batch *b, char *what)
{
    mnl_attr_put_strz(nft_batch_message(b, NFT_MSG_DELTABLE, 0, NFPROTO_INET, what),
                      NFTA_TABLE_NAME, "netctr_never");
}

static int read_expiry(struct nftnl_set_elem *x, void *data)
{
    *(bool *)data = nftnl_set_elem_is_set(x, NFTNL_SET_ELEM_EXPIRATION);
    return 0;
}

static int read_element(const struct nlmsghdr *answer, void *data)
{
    struct nftnl_set *s = nft_must(nftnl_set_alloc());
    if (nftnl_set_elems_nlmsg_parse(answer, s) == 0)
        nftnl_set_elem_foreach(s, read_expiry, data);
    nftnl_set_free(s);
    return MNL_CB_OK;
}

/* Whether an element has other data than @data. */
struct other_data {
    uint8_t data[KEY_MAX];
    uint32_t size;
    bool found;
};

static int compare_data(struct nftnl_set_elem *x, void *data)
{
    struct other_data *o = data;
    uint32_t size = 0;
    const void *found = nftnl_set_elem_get(x, NFTNL_SET_ELEM_DATA, &size);
    o->found = found && (size != o->size || memcmp(found, o->data, size) != 0);
    return 0;
}

static int read_data(const struct nlmsghdr *answer, void *data)
{
    struct nftnl_set *s = nft_must(nftnl_set_alloc());
    if (nftnl_set_elems_nlmsg_parse(answer, s) == 0)
        nftnl_set_elem_foreach(s, compare_data, data);
    nftnl_set_free(s);
    return MNL_CB_OK;
}

struct each_key {
    void (*each)(const uint8_t *key, size_t size, void *arg);
    void *arg;
};

static int read_key(struct nftnl_set_elem *x, void *data)
{
    const struct each_key *k = data;
    uint32_t size = 0;
    const void *key = nftnl_set_elem_get(x, NFTNL_SET_ELEM_KEY, &size);
    if (key)
        k->each(key, size, k->arg);
    return 0;
}

static int read_keys(const struct nlmsghdr *answer, void *data)
{
    struct nftnl_set *s = nft_must(nftnl_set_alloc());
    if (nftnl_set_elems_nlmsg_parse(answer, s) == 0)
        nftnl_set_elem_foreach(s, read_key, data);
    nftnl_set_free(s);
    return MNL_CB_OK;
}

int ruleset_each_element(struct nft *n, enum ruleset_set set,
                         int (*each)(const struct nlmsghdr *answer, void *arg), void *arg)
{
    _Alignas(struct nlmsghdr) char buffer[256];
    struct nlmsghdr *request =
        nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETSETELEM, SETS[set].table->family, NLM_F_DUMP, 0);
    mnl_attr_put_strz(request, NFTA_SET_ELEM_LIST_TABLE, SETS[set].table->name);
    mnl_attr_put_strz(request, NFTA_SET_ELEM_LIST_SET, SETS[set].name);
    return nft_request(n, request, each, arg);
}

int ruleset_each_key(struct nft *n, enum ruleset_set set,
                     void (*each)(const uint8_t *key, size_t size, void *arg), void *arg)
{
    struct each_key k = {each, arg};
    return ruleset_each_element(n, set, read_keys, &k);
}

int ruleset_ask(struct nft *n, const struct element *element,
                int (*each)(const struct nlmsghdr *answer, void *arg), void *arg)
{
    _Alignas(struct nlmsghdr) char buffer[1024];
    struct nftnl_set *s = set_of(element, false, 0);
    struct nlmsghdr *request =
        nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETSETELEM, SETS[element->set].table->family, 0, 0);
    nftnl_set_elems_nlmsg_build_payload(request, s);
    nftnl_set_free(s);
    return nft_request(n, request, each, arg);
}

int ruleset_find(struct nft *n, const struct element *element, bool *expires)
{
    *expires = false;
    return ruleset_ask(n, element, read_element, expires);
}

bool ruleset_has_other_data(struct nft *n, const struct element *element)
{
    struct other_data o = {0};
    o.size = pack(SETS[element->set].data, ARRAY_LEN(element->data), element->data, o.data);
    return ruleset_ask(n, element, read_data, &o) == 0 && o.found;
}
