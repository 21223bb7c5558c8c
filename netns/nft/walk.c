/* Takes a packet through the base chains of a hook.
 *
 * A rule that may match has two continuations, and both are followed at once: the result is a set
 * of outcomes, and bits that such a rule changes become unknown. Beside that set there is the main
 * outcome, which assumes that no such rule matches: it says what a chain usually does.
 */
#include "eval.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>
#include <string.h>

/* ---- one chain -------------------------------------------------------------------------------*/

/* The way through one base chain. */
struct way {
    const struct nft_snapshot *snapshot;
    struct nft_packet *packet;
    uint8_t pf;
    bool ct_unknown;
    int depth;
    size_t left; /* rules to look at */
    /* What a chain leads to, while the packet does not change: rules that jump to it by the thousand need it once. */
    struct memo {
        size_t version; /* 0: none */
        struct chain_end end;
    } * memo;
    size_t version;
};

enum { RULES_MAX = 1000000, DEPTH_MAX = 16 };

static struct chain_end walk_chain(struct way *w, const struct nft_chain *chain, bool uncertain);

/* The state of a chain that is being walked. */
struct walked {
    struct chain_end end;
    bool decided;   /* end.main is final */
    bool returns;   /* a rule may return */
    bool uncertain; /* the next rule may not be reached */
};

static void decide(struct walked *c, unsigned main, uint64_t rule)
{
    if (c->decided)
        return;
    c->decided = true;
    c->end.main = main == MAY_RETURN ? MAY_CONTINUE : main;
    c->end.rule = rule;
}

static bool is_single(unsigned outcomes)
{
    return (outcomes & (outcomes - 1)) == 0;
}

/* The outcomes of a rule that matches, or may. *@main: the outcome, if it matches for certain; 0:
 * there are several. *@by: the handle of the rule that leads to it, if that is not this one. */
static unsigned follow(struct way *w, const struct regs *m, bool uncertain, unsigned *main,
                       uint64_t *by)
{
    bool alone = m->target_count + (m->outcomes != 0) <= 1 && is_single(m->outcomes);
    unsigned may = m->outcomes;
    *main = alone ? m->outcomes : 0;
    for (size_t i = 0; i < m->target_count; i++) {
        const struct target *t = &m->targets[i];
        struct chain_end end = walk_chain(w, t->chain, uncertain || m->match != YES || !alone);
        unsigned back = t->jump ? MAY_CONTINUE : MAY_RETURN;
        may |= (end.may & ~(unsigned)MAY_CONTINUE) | (end.may & MAY_CONTINUE ? back : 0);
        if (alone) {
            *main = end.main == MAY_CONTINUE ? back : end.main;
            *by = end.rule;
        }
    }
    if (!m->outcomes && !m->target_count)
        may = *main = MAY_CONTINUE;
    return may;
}

/* @before is a copy of @now, padding included, from before some change. A false alarm costs time only. */
static bool has_changed(const struct nft_packet *before, const struct nft_packet *now)
{
    /* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison) */
    return memcmp(before, now, sizeof(*before)) != 0;
}

/* Returns false if the next rule cannot be reached. */
static bool walk_rule(struct way *w, const struct nft_rule *rule, struct walked *c)
{
    struct regs m = {
        .packet = w->packet, .pf = w->pf, .ct_unknown = w->ct_unknown, .uncertain = c->uncertain};
    const struct nft_packet before = *w->packet;
    rule_run(&m, rule);
    if (has_changed(&before, w->packet))
        w->version++;
    if (m.match == NO)
        return true;
    unsigned main = 0;
    uint64_t by = 0;
    unsigned may = follow(w, &m, c->uncertain, &main, &by);
    if (m.match == MAYBE)
        may |= MAY_CONTINUE;
    c->returns = c->returns || may & MAY_RETURN;
    c->end.may |= may & (MAY_ACCEPT | MAY_DROP | MAY_ELSE);
    if (!main) /* which of several it is depends on the packet */
        main = may & (MAY_CONTINUE | MAY_RETURN) ? MAY_CONTINUE
               : may & MAY_ELSE                  ? MAY_ELSE
                                                 : MAY_ACCEPT;
    else if (!by)
        by = nftnl_rule_get_u64(rule->rule, NFTNL_RULE_HANDLE);
    if (m.match == YES && main != MAY_CONTINUE)
        decide(c, main, by);
    c->uncertain = c->uncertain || (may & ~(unsigned)MAY_CONTINUE);
    return may & MAY_CONTINUE;
}

/* @uncertain: the chain may not be reached. */
static struct chain_end walk_chain(struct way *w, const struct nft_chain *chain, bool uncertain)
{
    struct memo *memo = &w->memo[chain - w->snapshot->chains];
    if (memo->version == w->version)
        return memo->end;
    struct walked c = {.uncertain = uncertain};
    const size_t version = w->version;
    bool too_much = w->depth >= DEPTH_MAX, on = true;
    w->depth++;
    for (size_t i = 0; on && !too_much && i < chain->count; i++) {
        too_much = w->left == 0;
        w->left -= !too_much;
        on = walk_rule(w, &w->snapshot->rules[chain->first + i], &c);
    }
    w->depth--;
    if (too_much)
        c.end.may |= MAY_ACCEPT | MAY_DROP | MAY_ELSE;
    if (on || c.returns)
        c.end.may |= MAY_CONTINUE;
    decide(&c, on ? MAY_CONTINUE : MAY_ELSE, 0);
    if (w->version == version && !too_much)
        *memo = (struct memo){version, c.end};
    return c.end;
}

/* ---- base chains -----------------------------------------------------------------------------*/

/* A base chain, or the chain of a table of ip_tables. */
struct base {
    int priority; /* where it runs */
    const struct nft_chain *chain;
    const struct xt_table *table;
};

struct hook {
    const struct nft_snapshot *snapshot;
    const struct nft_place *at;
    struct base *bases; /* by priority */
    size_t count;
};

static bool is_ip(uint8_t family)
{
    return family == NFPROTO_IPV4 || family == NFPROTO_IPV6;
}

static bool is_at(const struct nft_chain *c, const struct nft_place *at)
{
    if (!c->base || c->dormant)
        return false;
    if (c->family == NFPROTO_INET && at->family == NFPROTO_NETDEV)
        return c->hook == NF_INET_INGRESS && at->hook == NF_NETDEV_INGRESS;
    return c->hook == at->hook &&
           (c->family == at->family || (c->family == NFPROTO_INET && is_ip(at->family)));
}

static int by_priority(const void *a, const void *b)
{
    const struct base *x = a, *y = b;
    if (x->priority != y->priority)
        return x->priority < y->priority ? -1 : 1;
    if (x->chain && y->chain && x->chain->priority != y->chain->priority)
        return x->chain->priority < y->chain->priority ? -1 : 1;
    return x->chain && y->chain ? (x->chain->number < y->chain->number ? -1 : 1)
                                : (x->chain == NULL) - (y->chain == NULL);
}

/* The kernel calls all chains of type nat in a row, where its NAT is; their own priorities only order them. */
static int runs_at(const struct nft_chain *c)
{
    const bool early = c->hook == NF_INET_PRE_ROUTING || c->hook == NF_INET_LOCAL_OUT;
    return !c->nat ? c->priority : early ? NF_IP_PRI_NAT_DST : NF_IP_PRI_NAT_SRC;
}

static void add_base(struct hook *h, struct base b)
{
    h->bases = xrealloc(h->bases, h->count + 1, sizeof(*h->bases));
    h->bases[h->count++] = b;
}

/* Whether a chain for devices sees this device. MAYBE if its list cannot be read or the device is
 * unknown. */
static enum tri is_for_device(const struct nft_chain *c, const struct nft_device *d)
{
    const char *one = nftnl_chain_get_str(c->chain, NFTNL_CHAIN_DEV);
    const char *const *several = nftnl_chain_get_array(c->chain, NFTNL_CHAIN_DEVICES);
    if (!d->name || (!one && !several))
        return MAYBE;
    if (one && streq(one, d->name))
        return YES;
    for (; several && *several; several++)
        if (streq(*several, d->name))
            return YES;
    return NO;
}

static const struct nft_device *device_of(const struct nft_place *at, const struct nft_packet *p)
{
    return at->hook == NF_NETDEV_INGRESS ? &p->in : &p->out;
}

static void collect(struct hook *h, const struct nft_packet *p)
{
    const struct nft_snapshot *s = h->snapshot;
    for (size_t i = 0; i < s->chain_count; i++)
        if (is_at(&s->chains[i], h->at) &&
            (h->at->family != NFPROTO_NETDEV ||
             is_for_device(&s->chains[i], device_of(h->at, p)) != NO))
            add_base(h, (struct base){.priority = runs_at(&s->chains[i]), .chain = &s->chains[i]});
    for (size_t i = 0; is_ip(h->at->family) && i < s->xt_table_count; i++) {
        const struct xt_table *t = &s->xt_tables[i];
        if (t->six == (h->at->family == NFPROTO_IPV6) && t->valid_hooks & 1u << h->at->hook)
            add_base(h, (struct base){.priority = t->priority, .table = t});
    }
    if (h->count)
        qsort(h->bases, h->count, sizeof(*h->bases), by_priority);
}

/* May another chain of type nat come before it? */
static bool is_behind_nat(const struct hook *h, const struct base *b)
{
    for (size_t i = 0; i < h->count; i++) {
        const struct nft_chain *other = h->bases[i].chain;
        if (other && other != b->chain && other->nat && other->priority <= b->chain->priority)
            return true;
    }
    return h->snapshot->left_out_nat;
}

/* Does the kernel consult the chain for this packet? Chains of type nat see the first packet of a connection only, until
 * one of them decides. */
static enum tri is_consulted(const struct hook *h, const struct base *b, const struct nft_packet *p)
{
    enum tri t = YES;
    if (!b->chain)
        return YES;
    if (h->at->family == NFPROTO_NETDEV)
        t = is_for_device(b->chain, device_of(h->at, p));
    if (b->chain->family == NFPROTO_INET && h->at->family == NFPROTO_NETDEV && !is_ip(p->nfproto))
        t = p->nfproto ? NO : t < MAYBE ? t : MAYBE;
    if (!b->chain->nat || t == NO)
        return t;
    const uint32_t new = NF_CT_STATE_BIT(IP_CT_NEW) | NF_CT_STATE_BIT(IP_CT_RELATED);
    if ((p->ct_state.known & new) == new && !(p->ct_state.value & new))
        return NO;
    bool sure = p->ct_state.value & p->ct_state.known & NF_CT_STATE_BIT(IP_CT_NEW);
    return sure && !is_behind_nat(h, b) ? t : MAYBE;
}

/* Conntrack sees packets that come in, and those of this host, at a priority of its own. */
static bool is_before_conntrack(const struct nft_place *at, int priority)
{
    return !is_ip(at->family) ||
           ((at->hook == NF_INET_PRE_ROUTING || at->hook == NF_INET_LOCAL_OUT) &&
            priority <= NF_IP_PRI_CONNTRACK);
}

static void forget_address(struct nft_packet *p, bool source)
{
    size_t size = p->nfproto == NFPROTO_IPV4 ? 4 : 16, at = p->nfproto == NFPROTO_IPV4 ? 12 : 8;
    memset(p->network.known + at + (source ? 0 : size), 0, size);
    memset(p->transport.known + (source ? 0 : 2), 0, 2);
}

/* NAT that is not in the snapshot rewrites addresses on the way. */
static void translate(const struct nft_place *at, int priority, struct nft_packet *p)
{
    if (!is_ip(at->family))
        return;
    if (p->changes_source && at->hook == NF_INET_POST_ROUTING && priority >= NF_IP_PRI_NAT_SRC)
        forget_address(p, true);
    if (p->changes_destination && at->hook == NF_INET_PRE_ROUTING && priority >= NF_IP_PRI_NAT_DST)
        forget_address(p, false);
}

static uint8_t pf_of(const struct nft_place *at, const struct base *b, const struct nft_packet *p)
{
    bool ingress = at->family == NFPROTO_NETDEV && b->chain && b->chain->family == NFPROTO_INET;
    return ingress ? p->nfproto : at->family;
}

static struct chain_end walk_nft_base(const struct hook *h, const struct base *b,
                                      struct nft_packet *p, bool uncertain)
{
    _cleanup_free_ struct memo *memo = xcalloc(h->snapshot->chain_count, sizeof(*memo));
    struct way w = {.snapshot = h->snapshot,
                    .packet = p,
                    .pf = pf_of(h->at, b, p),
                    .ct_unknown = is_before_conntrack(h->at, b->priority),
                    .left = RULES_MAX,
                    .memo = memo,
                    .version = 1};
    struct chain_end end = walk_chain(&w, b->chain, uncertain);
    unsigned policy =
        nftnl_chain_get_u32(b->chain->chain, NFTNL_CHAIN_POLICY) == NF_DROP ? MAY_DROP : MAY_ACCEPT;
    if (end.may & MAY_CONTINUE)
        end.may = (end.may & ~(unsigned)MAY_CONTINUE) | policy;
    if (end.main == MAY_CONTINUE) {
        end.main = policy;
        end.policy = true;
        end.rule = 0; /* one that returned */
    }
    return end;
}

/* The outcomes of one base chain. @p becomes what it is after the chain. */
static struct chain_end walk_base(const struct hook *h, const struct base *b, struct nft_packet *p)
{
    enum tri consulted = is_consulted(h, b, p);
    if (consulted == NO)
        return (struct chain_end){.may = MAY_ACCEPT, .main = MAY_ACCEPT};
    translate(h->at, b->chain ? b->chain->priority : b->priority, p);
    struct chain_end end =
        b->chain ? walk_nft_base(h, b, p, consulted != YES)
                 : xt_table_walk(b->table, h->at->hook, p, is_before_conntrack(h->at, b->priority));
    if (consulted == MAYBE) {
        end.may |= MAY_ACCEPT;
        if (end.main == MAY_ELSE)
            end.main = MAY_ACCEPT;
    }
    return end;
}

static enum nft_verdict verdict_of(const struct chain_end *end)
{
    if (is_single(end->may))
        return end->may == MAY_ACCEPT ? NFT_ACCEPTS
               : end->may == MAY_DROP ? NFT_DROPS
                                      : NFT_UNKNOWN;
    return end->main == MAY_ACCEPT ? NFT_MAY_DROP
           : end->main == MAY_DROP ? NFT_MAY_ACCEPT
                                   : NFT_UNKNOWN;
}

static void tell(const struct hook *h, const struct base *b, const struct chain_end *end,
                 void (*each)(const struct nft_step *step, void *arg), void *arg)
{
    static const char *const hooks[] = {[NF_INET_PRE_ROUTING] = "PREROUTING",
                                        [NF_INET_LOCAL_IN] = "INPUT",
                                        [NF_INET_FORWARD] = "FORWARD",
                                        [NF_INET_LOCAL_OUT] = "OUTPUT",
                                        [NF_INET_POST_ROUTING] = "POSTROUTING"};
    struct nft_step step = {.verdict = verdict_of(end),
                            .priority = b->chain ? b->chain->priority : b->priority,
                            .policy = end->policy,
                            .legacy = b->table != NULL,
                            .rule = end->rule};
    if (b->chain) {
        step.family = nft_family_name(b->chain->family);
        step.table = b->chain->table;
        step.chain = b->chain->name;
    } else {
        step.family = b->table->six ? "ip6" : "ip";
        step.table = b->table->name;
        step.chain = hooks[h->at->hook];
    }
    each(&step, arg);
}

/* ---- a hook ----------------------------------------------------------------------------------*/

static void join_header(struct nft_header *a, const struct nft_header *b)
{
    for (size_t i = 0; i < sizeof(a->known); i++)
        a->known[i] &= b->known[i] & (uint8_t) ~(a->value[i] ^ b->value[i]);
}

static void join_bits(struct nft_bits *a, const struct nft_bits *b)
{
    a->known &= b->known & ~(a->value ^ b->value);
    a->value &= a->known;
}

/* Keeps what is known in both @a and @b with the same value. */
static void join(struct nft_packet *a, const struct nft_packet *b)
{
    join_header(&a->link, &b->link);
    join_header(&a->network, &b->network);
    join_header(&a->transport, &b->transport);
    join_bits(&a->length, &b->length);
    join_bits(&a->packet_type, &b->packet_type);
    join_bits(&a->mark, &b->mark);
    join_bits(&a->ct_state, &b->ct_state);
    join_bits(&a->ct_status, &b->ct_status);
    join_bits(&a->ct_mark, &b->ct_mark);
    join_bits(&a->ct_direction, &b->ct_direction);
}

/* The order of chains with the same priority depends on when they were created, which a dump does
 * not say. So each is taken for the first as well as for the last: what one of them changes is
 * unknown to all. */
static void prepare_group(const struct hook *h, size_t from, size_t to, struct nft_packet *p)
{
    struct nft_packet before;
    if (to - from < 2)
        return;
    do {
        before = *p;
        for (size_t i = from; i < to; i++) {
            struct nft_packet behind = before;
            walk_base(h, &h->bases[i], &behind);
            join(p, &behind);
        }
    } while (has_changed(&before, p));
}

static enum nft_verdict worse(enum nft_verdict a, enum nft_verdict b)
{
    return a > b ? a : b;
}

enum nft_verdict nft_walk(const struct nft_snapshot *s, const struct nft_place *at,
                          struct nft_packet *p,
                          void (*each)(const struct nft_step *step, void *arg), void *arg)
{
    struct hook h = {.snapshot = s, .at = at};
    enum nft_verdict all = NFT_ACCEPTS;
    collect(&h, p);
    for (size_t from = 0, to; from < h.count; from = to) {
        for (to = from; to < h.count && h.bases[to].priority == h.bases[from].priority;)
            to++;
        prepare_group(&h, from, to, p);
        const struct nft_packet arrives = *p;
        for (size_t i = from; i < to; i++) {
            struct nft_packet behind = arrives;
            struct chain_end end = walk_base(&h, &h.bases[i], &behind);
            if (to - from == 1)
                *p = behind;
            else
                join(p, &behind);
            all = worse(all, verdict_of(&end));
            if (each)
                tell(&h, &h.bases[i], &end, each, arg);
        }
    }
    free(h.bases);
    return all;
}

/* ---- DNAT ------------------------------------------------------------------------------------*/

struct dnat_search {
    void (*each)(const struct nft_dnat *d, void *arg);
    void *arg;
    struct nft_dnat found;
};

static bool is_dnat_address(uint32_t family, const void *value, size_t size, struct ip *out)
{
    *out = (struct ip){.family = family == NFPROTO_IPV6 ? AF_INET6 : AF_INET};
    if (!value || size < ip_size(out))
        return false;
    memcpy(out->bytes, value, ip_size(out));
    return true;
}

static void tell_dnat(const struct regs *m, struct dnat_search *s)
{
    const size_t at = m->nat_at - 1, size = m->nat_family == NFPROTO_IPV6 ? 16 : 4;
    s->found.to = (struct ip){0};
    if (!m->xt_dnat && m->map && m->map_at == at && !m->map->unreadable) {
        for (size_t i = 0; i < m->map->element_count; i++) {
            uint32_t found = 0;
            const struct nft_element *x = &m->map->elements[i];
            const void *value = nftnl_set_elem_get(x->x, NFTNL_SET_ELEM_DATA, &found);
            if (!x->end && is_dnat_address(m->nat_family, value, found, &s->found.to))
                s->each(&s->found, s->arg);
        }
        return;
    }
    bool known = !m->xt_dnat && at + size <= REGISTERS;
    for (size_t i = 0; known && i < size; i++)
        known = m->known[at + i] == 0xff;
    if (m->xt_dnat)
        s->found.to = m->xt_to;
    else if (known)
        is_dnat_address(m->nat_family, m->value + at, size, &s->found.to);
    s->each(&s->found, s->arg);
}

void nft_each_dnat(const struct nft_snapshot *s, void (*each)(const struct nft_dnat *d, void *arg),
                   void *arg)
{
    for (size_t i = 0; i < s->rule_count; i++) {
        struct nftnl_rule *rule = s->rules[i].rule;
        uint32_t family = nftnl_rule_get_u32(rule, NFTNL_RULE_FAMILY);
        struct nft_packet anything = {0};
        struct regs m = {.packet = &anything,
                         .pf = is_ip((uint8_t)family) ? (uint8_t)family : 0,
                         .ct_unknown = true,
                         .uncertain = true};
        rule_run(&m, &s->rules[i]);
        if (!m.nat_at && !m.xt_dnat)
            continue;
        struct dnat_search search = {
            .each = each,
            .arg = arg,
            .found = {.family = nft_family_name(family),
                      .table = nftnl_rule_get_str(rule, NFTNL_RULE_TABLE),
                      .chain = nftnl_rule_get_str(rule, NFTNL_RULE_CHAIN),
                      .handle = nftnl_rule_get_u64(rule, NFTNL_RULE_HANDLE)},
        };
        tell_dnat(&m, &search);
    }
}
