/* Others' firewalls: walked through by a packet, looked into for DNAT. What one rule does is foreign_rule.c's
 * business.
 */
#include "snapshot.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/set.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>
#include <string.h>

/* ---- a packet's way --------------------------------------------------------------------------*/

struct walk {
    struct foreign *foreign;
    const struct foreign_packet *packet;
    uint32_t family;
    const char *table;
    bool may_accept, may_drop; /* by rules that match perhaps */
    int depth;
    size_t walked; /* rules */
};

/* Jumps can multiply, and there may be thousands of rules and many networks, so there is an end: beyond it, rules
 * match perhaps. */
enum { RULES_OF_A_PACKET = 50000, RULES_OF_ALL = 1000000 };
static bool is_too_much(struct walk *w)
{
    w->walked++;
    w->foreign->walked++;
    bool too_much = w->walked > RULES_OF_A_PACKET || w->foreign->walked > RULES_OF_ALL;
    w->may_accept = w->may_accept || too_much;
    w->may_drop = w->may_drop || too_much;
    return too_much;
}

static enum verdict walk_chain(struct walk *w, const char *chain);

/* What follows from one rule: V_NONE goes on with the next. */
static enum verdict follow(struct walk *w, const struct machine *m)
{
    enum verdict v = m->verdict;
    if (m->match == NO)
        return V_NONE;
    if (v == V_JUMP || v == V_GOTO) {
        enum verdict end = walk_chain(w, m->chain);
        bool decided = end == V_ACCEPT || end == V_DROP;
        v = decided ? end : v == V_GOTO ? V_RETURN : V_NONE;
    }
    if (m->match == YES)
        return v;
    /* Whoever returns may be accepted by those who sent him. */
    w->may_accept = w->may_accept || v == V_ACCEPT || v == V_RETURN;
    w->may_drop = w->may_drop || v == V_DROP;
    return V_NONE;
}

static enum verdict walk_chain(struct walk *w, const char *chain)
{
    enum verdict v = V_NONE;
    if (w->depth >= 16) /* as the kernel allows */
        return V_NONE;
    w->depth++;
    for (size_t i = foreign_first_rule(w->foreign, w->family, w->table, chain);
         v == V_NONE && foreign_rule_is_in(w->foreign, i, w->family, w->table, chain) &&
         !is_too_much(w);
         i++) {
        _cleanup_machine_ struct machine m = {
            .foreign = w->foreign, .packet = w->packet, .family = w->family, .table = w->table};
        machine_run(&m, w->foreign->rules[i].rule);
        v = follow(w, &m);
    }
    w->depth--;
    return v;
}

static bool is_at(const struct nftnl_chain *c, const struct foreign_packet *p)
{
    uint32_t family = nftnl_chain_get_u32(c, NFTNL_CHAIN_FAMILY);
    return nftnl_chain_is_set(c, NFTNL_CHAIN_HOOKNUM) &&
           nftnl_chain_get_u32(c, NFTNL_CHAIN_HOOKNUM) == (uint32_t)p->hook &&
           (family == NFPROTO_INET ||
            family == (p->family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6)) &&
           !streq(nftnl_chain_get_str(c, NFTNL_CHAIN_TYPE), "nat");
}

struct foreign_packet foreign_seen_by(const struct foreign_packet *packet, int priority)
{
    struct foreign_packet p = *packet;
    p.untold = (p.hook == NF_INET_PRE_ROUTING || p.hook == NF_INET_LOCAL_OUT) &&
               priority < NF_IP_PRI_CONNTRACK;
    bool translated = p.hook == NF_INET_POST_ROUTING && priority >= NF_IP_PRI_NAT_SRC;
    if (translated && p.masqueraded)
        p.source = (struct ip){0};
    if (translated && p.dnat)
        p.source_port = 0;
    return p;
}

int foreign_judge(struct foreign *f, const struct foreign_packet *packet,
                  void (*each)(const struct foreign_drop *d, void *arg), void *arg, struct err *e)
{
    for (size_t i = 0; i < f->chain_count; i++) {
        struct nftnl_chain *c = f->chains[i];
        if (!is_at(c, packet))
            continue;
        struct foreign_packet p = foreign_seen_by(packet, nftnl_chain_get_s32(c, NFTNL_CHAIN_PRIO));
        struct walk w = {.foreign = f,
                         .packet = &p,
                         .family = nftnl_chain_get_u32(c, NFTNL_CHAIN_FAMILY),
                         .table = nftnl_chain_get_str(c, NFTNL_CHAIN_TABLE)};
        struct foreign_drop d = {.family = foreign_family(w.family),
                                 .table = w.table,
                                 .chain = nftnl_chain_get_str(c, NFTNL_CHAIN_NAME)};
        enum verdict v = walk_chain(&w, d.chain);
        d.policy =
            v != V_ACCEPT && v != V_DROP && nftnl_chain_get_u32(c, NFTNL_CHAIN_POLICY) == NF_DROP;
        if (v == V_DROP || d.policy)
            d.end = w.may_accept ? FOREIGN_DROPS_UNLESS : FOREIGN_DROPS;
        else if (w.may_drop)
            d.end = FOREIGN_DROPS_PERHAPS;
        else
            continue;
        each(&d, arg);
    }
    return legacy_judge(packet, each, arg, e);
}

/* ---- DNAT ------------------------------------------------------------------------------------*/

struct dnat_search {
    void (*each)(const struct foreign_dnat *d, void *arg);
    void *arg;
    struct foreign_dnat found;
    int family;
};

static int on_target(struct nftnl_set_elem *x, void *data)
{
    struct dnat_search *s = data;
    uint32_t size = 0;
    const void *value = nftnl_set_elem_get(x, NFTNL_SET_ELEM_DATA, &size);
    struct ip to = {.family = s->family};
    if (value && size >= ip_size(&to)) {
        memcpy(to.bytes, value, ip_size(&to));
        s->found.to = to;
        s->each(&s->found, s->arg);
    }
    return 0;
}

static int tell_dnat(struct foreign *f, const struct machine *m, struct dnat_search *s)
{
    struct ip to = {.family = m->nat_family == NFPROTO_IPV6 ? AF_INET6 : AF_INET};
    size_t at = m->nat_at - 1, size = ip_size(&to);
    s->found.to = (struct ip){0};
    if (m->xt_dnat) {
        s->found.to = m->xt_to;
    } else if (m->map && m->map_at == at) {
        s->family = to.family;
        return foreign_each_element(f, m->family, m->table, m->map, on_target, s);
    } else if (at + size <= REGISTERS && !memchr(m->known + at, 0, size)) {
        memcpy(to.bytes, m->value + at, size);
        s->found.to = to;
    }
    s->each(&s->found, s->arg);
    return 0;
}

int foreign_each_dnat(struct foreign *f, void (*each)(const struct foreign_dnat *d, void *arg),
                      void *arg, struct err *e)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < f->rule_count; i++) {
        struct nftnl_rule *rule = f->rules[i].rule;
        _cleanup_machine_ struct machine m = {.foreign = f,
                                              .family = nftnl_rule_get_u32(rule, NFTNL_RULE_FAMILY),
                                              .table = nftnl_rule_get_str(rule, NFTNL_RULE_TABLE)};
        machine_run(&m, rule);
        if (!m.nat_at && !m.xt_dnat)
            continue;
        struct dnat_search s = {
            .each = each,
            .arg = arg,
            .found = {.family = foreign_family(m.family),
                      .table = m.table,
                      .chain = nftnl_rule_get_str(rule, NFTNL_RULE_CHAIN),
                      .handle = nftnl_rule_get_u64(rule, NFTNL_RULE_HANDLE)},
        };
        r = tell_dnat(f, &m, &s);
    }
    return r < 0 ? err_set(e, r, "read a map of the host's nf_tables") : 0;
}
