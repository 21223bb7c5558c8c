/* Reads all chains and rules of a network namespace at once, then the sets that the rules refer to. If the rules change
 * meanwhile, everything is read again: parts of different generations do not belong together.
 */
#include "snapshot.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/table.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

enum { TRIES = 8 };

const char *nft_family_name(uint32_t family)
{
    switch (family) {
    case NFPROTO_INET: return "inet";
    case NFPROTO_IPV4: return "ip";
    case NFPROTO_IPV6: return "ip6";
    case NFPROTO_ARP: return "arp";
    case NFPROTO_BRIDGE: return "bridge";
    case NFPROTO_NETDEV: return "netdev";
    default: return "?";
    }
}

/* ---- read ------------------------------------------------------------------------------------*/

static bool is_left_out(const struct nft_snapshot *s, uint32_t family, const char *table)
{
    return s->leave_out && s->leave_out(family, table, s->arg);
}

static char *table_key(uint32_t family, const char *table)
{
    return xasprintf("%u %s", family, table);
}

static int on_table(const struct nlmsghdr *answer, void *data)
{
    struct nft_snapshot *s = data;
    struct nftnl_table *t = nft_must(nftnl_table_alloc());
    if (nftnl_table_nlmsg_parse(answer, t) == 0 &&
        nftnl_table_get_u32(t, NFTNL_TABLE_FLAGS) & NFT_TABLE_F_DORMANT)
        strv_add_take(&s->dormant, table_key(nftnl_table_get_u32(t, NFTNL_TABLE_FAMILY),
                                             nftnl_table_get_str(t, NFTNL_TABLE_NAME)));
    nftnl_table_free(t);
    return MNL_CB_OK;
}

static struct nft_chain describe(struct nft_snapshot *s, struct nftnl_chain *c)
{
    struct nft_chain chain = {
        .chain = c,
        .family = nftnl_chain_get_u32(c, NFTNL_CHAIN_FAMILY),
        .table = nftnl_chain_get_str(c, NFTNL_CHAIN_TABLE),
        .name = nftnl_chain_get_str(c, NFTNL_CHAIN_NAME),
        .number = s->chain_count,
        .base = nftnl_chain_is_set(c, NFTNL_CHAIN_HOOKNUM),
    };
    if (!chain.base)
        return chain;
    _cleanup_free_ char *key = table_key(chain.family, chain.table);
    chain.dormant = strv_has(s->dormant, key);
    chain.hook = nftnl_chain_get_u32(c, NFTNL_CHAIN_HOOKNUM);
    chain.priority = nftnl_chain_get_s32(c, NFTNL_CHAIN_PRIO);
    chain.nat = streq(nftnl_chain_get_str(c, NFTNL_CHAIN_TYPE), "nat");
    return chain;
}

static int on_chain(const struct nlmsghdr *answer, void *data)
{
    struct nft_snapshot *s = data;
    struct nftnl_chain *c = nft_must(nftnl_chain_alloc());
    bool broken = nftnl_chain_nlmsg_parse(answer, c) < 0;
    if (broken || is_left_out(s, nftnl_chain_get_u32(c, NFTNL_CHAIN_FAMILY),
                              nftnl_chain_get_str(c, NFTNL_CHAIN_TABLE))) {
        s->left_out_nat =
            s->left_out_nat || (!broken && streq(nftnl_chain_get_str(c, NFTNL_CHAIN_TYPE), "nat"));
        nftnl_chain_free(c);
        return MNL_CB_OK;
    }
    s->chains = xrealloc(s->chains, s->chain_count + 1, sizeof(*s->chains));
    s->chains[s->chain_count] = describe(s, c);
    s->chain_count++;
    return MNL_CB_OK;
}

static int on_rule(const struct nlmsghdr *answer, void *data)
{
    struct nft_snapshot *s = data;
    struct nftnl_rule *r = nft_must(nftnl_rule_alloc());
    if (nftnl_rule_nlmsg_parse(answer, r) < 0 ||
        is_left_out(s, nftnl_rule_get_u32(r, NFTNL_RULE_FAMILY),
                    nftnl_rule_get_str(r, NFTNL_RULE_TABLE))) {
        nftnl_rule_free(r);
        return MNL_CB_OK;
    }
    s->rules = xrealloc(s->rules, s->rule_count + 1, sizeof(*s->rules));
    s->rules[s->rule_count] = (struct nft_rule){.rule = r, .number = s->rule_count};
    s->rule_count++;
    return MNL_CB_OK;
}

/* ---- sort and find ---------------------------------------------------------------------------*/

static int compare_chain(struct nftnl_rule *r, uint32_t family, const char *table,
                         const char *chain)
{
    return compare_names(nftnl_rule_get_u32(r, NFTNL_RULE_FAMILY),
                         nftnl_rule_get_str(r, NFTNL_RULE_TABLE),
                         nftnl_rule_get_str(r, NFTNL_RULE_CHAIN), family, table, chain);
}

static int by_chain(const void *a, const void *b)
{
    const struct nft_rule *x = a, *y = b;
    int order = compare_chain(x->rule, nftnl_rule_get_u32(y->rule, NFTNL_RULE_FAMILY),
                              nftnl_rule_get_str(y->rule, NFTNL_RULE_TABLE),
                              nftnl_rule_get_str(y->rule, NFTNL_RULE_CHAIN));
    return order ? order : x->number < y->number ? -1 : 1;
}

static void sort(struct nft_snapshot *s)
{
    if (s->chain_count)
        qsort(s->chains, s->chain_count, sizeof(*s->chains), compare_chains);
    if (s->rule_count)
        qsort(s->rules, s->rule_count, sizeof(*s->rules), by_chain);
    size_t at = 0;
    for (size_t i = 0; i < s->chain_count; i++) {
        struct nft_chain *c = &s->chains[i];
        /* Skips rules of chains that were created between the two dumps. */
        while (at < s->rule_count &&
               compare_chain(s->rules[at].rule, c->family, c->table, c->name) < 0)
            at++;
        c->first = at;
        while (at < s->rule_count &&
               compare_chain(s->rules[at].rule, c->family, c->table, c->name) == 0)
            at++;
        c->count = at - c->first;
    }
}

/* ---- read all of it --------------------------------------------------------------------------*/

struct rule_of {
    struct nft_snapshot *s;
    struct nftnl_rule *r;
};

static int note_sets(struct nftnl_expr *x, void *data)
{
    const struct rule_of *of = data;
    const char *name = nftnl_expr_get_str(x, NFTNL_EXPR_NAME);
    const char *set = streq(name, "lookup")   ? nftnl_expr_get_str(x, NFTNL_EXPR_LOOKUP_SET)
                      : streq(name, "dynset") ? nftnl_expr_get_str(x, NFTNL_EXPR_DYNSET_SET_NAME)
                                              : NULL;
    if (set)
        sets_note(of->s, nftnl_rule_get_u32(of->r, NFTNL_RULE_FAMILY),
                  nftnl_rule_get_str(of->r, NFTNL_RULE_TABLE), set, streq(name, "dynset"));
    return 0;
}

static int read_rules(struct nft_snapshot *s, struct nft *nft)
{
    static const struct {
        uint16_t type;
        int (*each)(const struct nlmsghdr *answer, void *data);
    } dumps[] = {
        {NFT_MSG_GETTABLE, on_table}, {NFT_MSG_GETCHAIN, on_chain}, {NFT_MSG_GETRULE, on_rule}};
    _Alignas(struct nlmsghdr) char buffer[1024];
    int r = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(dumps); i++)
        r = nft_request(nft,
                        nftnl_nlmsg_build_hdr(buffer, dumps[i].type, NFPROTO_UNSPEC, NLM_F_DUMP, 0),
                        dumps[i].each, s);
    if (r < 0)
        return r;
    sort(s);
    for (size_t i = 0; i < s->rule_count; i++) {
        struct rule_of of = {s, s->rules[i].rule};
        nftnl_expr_foreach(of.r, note_sets, &of);
    }
    sets_read(s, nft);
    for (size_t i = 0; i < s->rule_count; i++)
        rule_prepare(s, &s->rules[i]);
    return 0;
}

static int on_generation(const struct nlmsghdr *answer, void *data)
{
    const struct nlattr *a;
    mnl_attr_for_each(a, answer, sizeof(struct nfgenmsg)) if (mnl_attr_get_type(a) == NFTA_GEN_ID) *
        (uint32_t *)data = mnl_attr_get_u32(a);
    return MNL_CB_OK;
}

/* The number of the latest transaction; 0 if the kernel does not report it. */
static uint32_t generation(struct nft *nft)
{
    _Alignas(struct nlmsghdr) char buffer[64];
    uint32_t number = 0;
    (void)nft_request(nft, nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETGEN, NFPROTO_UNSPEC, 0, 0),
                      on_generation, &number);
    return number;
}

static void clear(struct nft_snapshot *s)
{
    for (size_t i = 0; i < s->chain_count; i++)
        nftnl_chain_free(s->chains[i].chain);
    for (size_t i = 0; i < s->rule_count; i++) {
        free(s->rules[i].ops);
        nftnl_rule_free(s->rules[i].rule);
    }
    free(s->chains);
    free(s->rules);
    strv_free(s->dormant);
    sets_free(s);
    xt_tables_free(s);
    *s = (struct nft_snapshot){.leave_out = s->leave_out, .arg = s->arg};
}

/* If the rules change during each attempt, the last one counts: sets that are gone by then are
 * unreadable. */
static int read_here(void *snapshot, struct err *e)
{
    struct nft_snapshot *s = snapshot;
    struct nft *nft;
    int r = nft_open(&nft, e);
    if (r < 0)
        return r;
    for (int i = 0; i < TRIES; i++) {
        clear(s);
        uint32_t before = generation(nft);
        r = read_rules(s, nft);
        if (r < 0 || generation(nft) == before)
            break;
    }
    nft_close(nft);
    return r < 0 ? err_set(e, r, "read the rules of nf_tables") : xt_tables_read(s, e);
}

int nft_snapshot_read(int netns, nft_table_filter *leave_out, void *arg, struct nft_snapshot **out,
                      struct err *e)
{
    struct nft_snapshot *s = xcalloc(1, sizeof(*s));
    s->leave_out = leave_out;
    s->arg = arg;
    int r = netns < 0 ? read_here(s, e) : netns_run(netns, read_here, s, e);
    if (r < 0) {
        nft_snapshot_free(s);
        return r;
    }
    *out = s;
    return 0;
}

void nft_snapshot_free(struct nft_snapshot *s)
{
    if (!s)
        return;
    clear(s);
    free(s);
}

bool nft_snapshot_has_table(const struct nft_snapshot *s, const char *name)
{
    for (size_t i = 0; i < s->chain_count; i++)
        if (streq(s->chains[i].table, name))
            return true;
    return false;
}

bool nft_snapshot_has_chain(const struct nft_snapshot *s, const char *prefix)
{
    for (size_t i = 0; i < s->chain_count; i++)
        if (skip_prefix(s->chains[i].name, prefix))
            return true;
    return false;
}
