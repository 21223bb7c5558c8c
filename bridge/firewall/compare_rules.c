/* Compares tables, chains and rules: those that a reload would send with those that the kernel holds. */
#include "compare.h"

#include "schema.h"
#include <netctr/nft.h>

#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <string.h>

struct made {
    const char
        *what; /* describes the message that would add it; NULL if it was read from the kernel */
    struct nftnl_chain *chain;
    struct nftnl_rule *rule;
    char *text; /* position of the rule */
};

/* In the order in which the kernel evaluates them. */
struct list {
    struct made *all;
    size_t count;
};

static void list_clear(struct list *l)
{
    for (size_t i = 0; i < l->count; i++) {
        if (l->all[i].chain)
            nftnl_chain_free(l->all[i].chain);
        if (l->all[i].rule)
            nftnl_rule_free(l->all[i].rule);
        free(l->all[i].text);
    }
    free(l->all);
}
#define _cleanup_list_ __attribute__((cleanup(list_clear)))

static void add(struct list *l, struct made made)
{
    l->all = xrealloc(l->all, l->count + 1, sizeof(made));
    l->all[l->count++] = made;
}

/* ---- reading ------------------------------------------------------------------------------*/

static void take(const struct nlmsghdr *message, const char *what, void *arg)
{
    struct made made = {.what = what};
    if ((message->nlmsg_type & 0xff) == NFT_MSG_NEWCHAIN) {
        made.chain = nft_must(nftnl_chain_alloc());
        if (nftnl_chain_nlmsg_parse(message, made.chain) < 0) {
            nftnl_chain_free(made.chain);
            return;
        }
    } else if ((message->nlmsg_type & 0xff) == NFT_MSG_NEWRULE) {
        made.rule = nft_must(nftnl_rule_alloc());
        if (nftnl_rule_nlmsg_parse(message, made.rule) < 0) {
            nftnl_rule_free(made.rule);
            return;
        }
    } else {
        return;
    }
    add(arg, made);
}

static int take_answer(const struct nlmsghdr *answer, void *list)
{
    take(answer, NULL, list);
    return MNL_CB_OK;
}

static int read_kernel(struct nft *nft, const struct table *t, struct list *out)
{
    static const uint16_t questions[] = {NFT_MSG_GETCHAIN, NFT_MSG_GETRULE};
    int r = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(questions); i++) {
        _Alignas(struct nlmsghdr) char buffer[256];
        struct nlmsghdr *request =
            nftnl_nlmsg_build_hdr(buffer, questions[i], t->family, NLM_F_DUMP, 0);
        if (questions[i] == NFT_MSG_GETRULE)
            mnl_attr_put_strz(request, NFTA_RULE_TABLE, t->name);
        r = nft_request(nft, request, take_answer, out);
    }
    return r;
}

static const char *table_of(const struct made *m)
{
    return m->chain ? nftnl_chain_get_str(m->chain, NFTNL_CHAIN_TABLE)
                    : nftnl_rule_get_str(m->rule, NFTNL_RULE_TABLE);
}

static const char *chain_of(const struct made *m)
{
    return m->chain ? nftnl_chain_get_str(m->chain, NFTNL_CHAIN_NAME)
                    : nftnl_rule_get_str(m->rule, NFTNL_RULE_CHAIN);
}

/* ---- a rule as text -----------------------------------------------------------------------*/

static int add_word(struct nftnl_set_elem *x, void *arg)
{
    uint32_t size = 0;
    const uint8_t *key = nftnl_set_elem_get(x, NFTNL_SET_ELEM_KEY, &size);
    bool verdict = nftnl_set_elem_is_set(x, NFTNL_SET_ELEM_VERDICT);
    char *word = xstrdup("");
    for (uint32_t i = 0; key && i < size; i++) {
        _cleanup_free_ char *before = word;
        word = xasprintf("%s%02x", before, key[i]);
    }
    _cleanup_free_ char *plain = word;
    const char *chain = nftnl_set_elem_is_set(x, NFTNL_SET_ELEM_CHAIN)
                            ? nftnl_set_elem_get_str(x, NFTNL_SET_ELEM_CHAIN)
                            : "";
    strv_add_take(arg,
                  xasprintf("%s:%d%s", plain,
                            verdict ? (int)nftnl_set_elem_get_u32(x, NFTNL_SET_ELEM_VERDICT) : 0,
                            chain));
    return 0;
}

static int add_words(const struct nlmsghdr *answer, void *words)
{
    struct nftnl_set *s = nft_must(nftnl_set_alloc());
    if (nftnl_set_elems_nlmsg_parse(answer, s) == 0)
        nftnl_set_elem_foreach(s, add_word, words);
    nftnl_set_free(s);
    return MNL_CB_OK;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The content of an anonymous set. */
static char *contents_text(strv words)
{
    char *text = xstrdup("");
    if (strv_len(words) > 1)
        qsort(words, strv_len(words), sizeof(*words), by_text);
    strv_each (word, words) {
        _cleanup_free_ char *before = text;
        text = xasprintf("%s %s", before, word);
    }
    return text;
}

static char *fixed_contents(const struct set *s)
{
    _cleanup_strv_ strv words = NULL;
    for (uint32_t i = 0; i < s->fixed_count; i++) {
        struct nftnl_set_elem *x = nft_must(nftnl_set_elem_alloc());
        ruleset_fill(s, i, x);
        (void)add_word(x, &words);
        nftnl_set_elem_free(x);
    }
    return contents_text(words);
}

static char *kernel_contents(struct nft *nft, const struct nftnl_rule *rule, const char *set)
{
    _cleanup_strv_ strv words = NULL;
    _Alignas(struct nlmsghdr) char buffer[512];
    struct nlmsghdr *request =
        nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETSETELEM,
                              (uint16_t)nftnl_rule_get_u32(rule, NFTNL_RULE_FAMILY), NLM_F_DUMP, 0);
    mnl_attr_put_strz(request, NFTA_SET_ELEM_LIST_TABLE,
                      nftnl_rule_get_str(rule, NFTNL_RULE_TABLE));
    mnl_attr_put_strz(request, NFTA_SET_ELEM_LIST_SET, set);
    (void)nft_request(nft, request, add_words, &words);
    return contents_text(words);
}

static unsigned value(const struct nftnl_expr *x, uint16_t attribute)
{
    return nftnl_expr_is_set(x, attribute) ? nftnl_expr_get_u32(x, attribute) : 0;
}

/* The kernel fills in what the message left out: the ends of ranges, and a flag for each translated
 * field. */
static char *nat_text(const struct nftnl_expr *x)
{
    unsigned address = value(x, NFTNL_EXPR_NAT_REG_ADDR_MIN),
             port = value(x, NFTNL_EXPR_NAT_REG_PROTO_MIN),
             last = value(x, NFTNL_EXPR_NAT_REG_ADDR_MAX),
             last_port = value(x, NFTNL_EXPR_NAT_REG_PROTO_MAX);
    return xasprintf("type %u family %u from reg %u reg %u to reg %u reg %u flags %u",
                     value(x, NFTNL_EXPR_NAT_TYPE), value(x, NFTNL_EXPR_NAT_FAMILY), address, port,
                     last ? last : address, last_port ? last_port : port,
                     value(x, NFTNL_EXPR_NAT_FLAGS) &
                         ~(unsigned)(NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED));
}

struct telling {
    struct nft *nft;
    const struct made *made;
    char *text;
};

/* The kernel reports a register of four words by its old number: 1 is the register that starts at word 0. */
static unsigned first_word(unsigned reg)
{
    return reg >= NFT_REG32_00 ? reg - NFT_REG32_00 : reg ? (reg - 1) * 4 : UINT32_MAX;
}

static char *plain_registers(const char *words)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = nft_must(open_memstream(&text, &size));
    for (const char *reg; (reg = strstr(words, "reg ")); words = reg) {
        char *end;
        unsigned long n = strtoul(reg + 4, &end, 10);
        fprintf(out, "%.*sword %u", (int)(reg - words), words, first_word((unsigned)n));
        reg = end;
    }
    fprintf(out, "%s", words);
    fclose(out);
    return nft_must(text);
}

/* An anonymous set gets another name each time, with the kernel's own number, so it is compared by its content. */
static char *lookup_text(const struct telling *t, const struct nftnl_expr *x)
{
    const char *name = nftnl_expr_get_str(x, NFTNL_EXPR_LOOKUP_SET);
    uint32_t id = t->made->what ? nftnl_expr_get_u32(x, NFTNL_EXPR_LOOKUP_SET_ID) : 0;
    _cleanup_free_ char *set = !skip_prefix(name, "__") ? xstrdup(name)
                               : t->made->what && id && id <= SET_COUNT
                                   ? fixed_contents(&SETS[id - 1])
                                   : kernel_contents(t->nft, t->made->rule, name);
    bool maps = nftnl_expr_is_set(x, NFTNL_EXPR_LOOKUP_DREG);
    return xasprintf("%s from reg %u %s reg %u flags %u", set, value(x, NFTNL_EXPR_LOOKUP_SREG),
                     maps ? "to" : "not to", value(x, NFTNL_EXPR_LOOKUP_DREG),
                     value(x, NFTNL_EXPR_LOOKUP_FLAGS));
}

static int add_expression(struct nftnl_expr *x, void *arg)
{
    struct telling *t = arg;
    const char *name = nftnl_expr_get_str(x, NFTNL_EXPR_NAME);
    _cleanup_free_ char *before = t->text;
    char words[1024] = ""; /* the library's text of one expression is much shorter */
    _cleanup_free_ char *own = NULL;
    if (streq(name, "lookup"))
        own = lookup_text(t, x);
    else if (streq(name, "nat"))
        own = nat_text(x);
    else if (!streq(name, "counter")) /* its numbers differ */
        nftnl_expr_snprintf(words, sizeof(words), x, NFTNL_OUTPUT_DEFAULT, 0);
    _cleanup_free_ char *plain = plain_registers(own ? own : words);
    t->text = xasprintf("%s[ %s %s ]", before, name, plain);
    return 0;
}

static void write_texts(struct nft *nft, struct list *l)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->all[i].rule) {
            struct telling t = {nft, &l->all[i], xstrdup("")};
            nftnl_expr_foreach(l->all[i].rule, add_expression, &t);
            l->all[i].text = t.text;
        }
}

/* ---- comparing ----------------------------------------------------------------------------*/

struct comparison {
    struct list wanted, is; /* of all tables; of @table */
    const struct table *table;
    void (*found)(char *text, void *arg);
    void *arg;
};

/* The @nth rule of a chain, or NULL. */
static const struct made *rule_at(const struct list *l, const char *table, const char *chain,
                                  size_t nth)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->all[i].rule && streq(table_of(&l->all[i]), table) &&
            streq(chain_of(&l->all[i]), chain) && nth-- == 0)
            return &l->all[i];
    return NULL;
}

static const struct made *same_rule(const struct list *l, const char *table,
                                    const struct made *rule)
{
    const struct made *m;
    for (size_t i = 0; (m = rule_at(l, table, chain_of(rule), i)); i++)
        if (streq(m->text, rule->text))
            return m;
    return NULL;
}

static const struct made *find_chain(const struct list *l, const char *table, const char *chain)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->all[i].chain && streq(table_of(&l->all[i]), table) &&
            streq(chain_of(&l->all[i]), chain))
            return &l->all[i];
    return NULL;
}

/* Reports each rule in which the two differ. */
static void compare_chain(const struct comparison *c, const char *chain)
{
    const char *table = c->table->name;
    const struct made *wanted, *is;
    bool same = true, reported = false;
    for (size_t i = 0; same; i++) {
        wanted = rule_at(&c->wanted, table, chain, i);
        is = rule_at(&c->is, table, chain, i);
        same = wanted && is && streq(wanted->text, is->text);
        if (!wanted && !is)
            return;
    }
    for (size_t i = 0; (wanted = rule_at(&c->wanted, table, chain, i)); i++)
        if (!same_rule(&c->is, table, wanted)) {
            reported = true;
            c->found(xasprintf("%s is missing", skip_prefix(wanted->what, "add ")), c->arg);
        }
    for (size_t i = 0; (is = rule_at(&c->is, table, chain, i)); i++)
        if (!same_rule(&c->wanted, table, is)) {
            reported = true;
            c->found(xasprintf("chain %s %s has a rule that is not netctr's", table, chain),
                     c->arg);
        }
    if (!reported)
        c->found(xasprintf("the rules of chain %s %s have another order or number", table, chain),
                 c->arg);
}

static bool same_hook(const struct nftnl_chain *a, const struct nftnl_chain *b)
{
    static const uint16_t numbers[] = {NFTNL_CHAIN_HOOKNUM, NFTNL_CHAIN_PRIO, NFTNL_CHAIN_POLICY};
    bool base = nftnl_chain_is_set(a, NFTNL_CHAIN_HOOKNUM);
    if (base != nftnl_chain_is_set(b, NFTNL_CHAIN_HOOKNUM))
        return false;
    for (size_t i = 0; base && i < ARRAY_LEN(numbers); i++)
        if (nftnl_chain_get_u32(a, numbers[i]) != nftnl_chain_get_u32(b, numbers[i]))
            return false;
    return !base || streq(nftnl_chain_get_str(a, NFTNL_CHAIN_TYPE),
                          nftnl_chain_get_str(b, NFTNL_CHAIN_TYPE));
}

static void compare_chains(const struct comparison *c)
{
    const char *table = c->table->name;
    for (size_t i = 0; i < c->wanted.count; i++) {
        const struct made *wanted = &c->wanted.all[i];
        if (!wanted->chain || !streq(table_of(wanted), table))
            continue;
        const char *name = chain_of(wanted);
        const struct made *is = find_chain(&c->is, table, name);
        if (!is)
            c->found(xasprintf("chain %s %s is missing", table, name), c->arg);
        else if (!same_hook(wanted->chain, is->chain))
            c->found(xasprintf("chain %s %s has another hook or policy", table, name), c->arg);
        if (is)
            compare_chain(c, name);
    }
    for (size_t i = 0; i < c->is.count; i++) {
        const struct made *is = &c->is.all[i];
        if (is->chain && streq(table_of(is), table) && !find_chain(&c->wanted, table, chain_of(is)))
            c->found(xasprintf("chain %s %s is not netctr's", table, chain_of(is)), c->arg);
    }
}

static int note_flags(const struct nlmsghdr *answer, void *flags)
{
    struct nftnl_table *t = nft_must(nftnl_table_alloc());
    if (nftnl_table_nlmsg_parse(answer, t) == 0)
        *(uint32_t *)flags = nftnl_table_get_u32(t, NFTNL_TABLE_FLAGS);
    nftnl_table_free(t);
    return MNL_CB_OK;
}

static int compare_table(const struct comparison *c, struct nft *nft)
{
    _Alignas(struct nlmsghdr) char buffer[256];
    uint32_t flags = 0;
    struct nlmsghdr *request =
        nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETTABLE, c->table->family, 0, 0);
    mnl_attr_put_strz(request, NFTA_TABLE_NAME, c->table->name);
    int r = nft_request(nft, request, note_flags, &flags);
    if (r == 0 && (flags & NFT_TABLE_F_DORMANT))
        c->found(xasprintf("table %s is dormant", c->table->name), c->arg);
    return r;
}

int compare_rules(struct nft *nft, struct nft_batch *wanted, void (*found)(char *text, void *arg),
                  void *arg)
{
    _cleanup_list_ struct list all = {0};
    nft_batch_each(wanted, take, &all);
    write_texts(nft, &all);
    int r = 0;
    for (size_t i = 0; r == 0 && i < TABLE_COUNT; i++) {
        _cleanup_list_ struct list is = {0};
        r = read_kernel(nft, TABLES[i], &is);
        if (r < 0)
            return r;
        write_texts(nft, &is);
        const struct comparison c = {all, is, TABLES[i], found, arg};
        r = compare_table(&c, nft);
        if (r == 0)
            compare_chains(&c);
    }
    return r;
}
