/* The usual matches of iptables, which both ip_tables and iptables-nft keep as the kernel's own structures. Any
 * other matches perhaps.
 */
#include "snapshot.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_state.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <string.h>

/* Both modules number the states alike, apart from UNTRACKED and DNAT. */
static unsigned states_of(const struct foreign_packet *p, unsigned untracked)
{
    return p->untracked ? untracked
           : p->reply   ? XT_STATE_BIT(IP_CT_ESTABLISHED)
                        : XT_STATE_BIT(IP_CT_NEW);
}

static enum tri match_conntrack(const struct foreign_packet *p, const void *info)
{
    const struct xt_conntrack_mtinfo2 *c = info; /* mtinfo3 begins with the same fields */
    if (p->untold || c->match_flags & ~(XT_CONNTRACK_STATE | XT_CONNTRACK_STATE_ALIAS))
        return MAYBE;
    unsigned state =
        states_of(p, XT_CONNTRACK_STATE_UNTRACKED) | (p->dnat ? XT_CONNTRACK_STATE_DNAT : 0);
    bool inverted = c->invert_flags & XT_CONNTRACK_STATE;
    return ((c->state_mask & state) != 0) != inverted ? YES : NO;
}

static enum tri match_state(const struct foreign_packet *p, const void *info)
{
    const struct xt_state_info *s = info;
    return p->untold ? MAYBE : s->statemask & states_of(p, XT_STATE_UNTRACKED) ? YES : NO;
}

static enum tri match_port(const uint16_t range[2], uint16_t port, bool inverted)
{
    bool every = range[0] == 0 && range[1] == UINT16_MAX && !inverted;
    return every                                                ? YES
           : !port                                              ? MAYBE
           : (port >= range[0] && port <= range[1]) != inverted ? YES
                                                                : NO;
}

static enum tri match_ports(const struct foreign_packet *p, const uint16_t from[2],
                            const uint16_t to[2], unsigned inverted)
{
    enum tri a = match_port(from, p->source_port, inverted & XT_TCP_INV_SRCPT),
             b = match_port(to, p->port, inverted & XT_TCP_INV_DSTPT);
    return a < b ? a : b;
}

static enum tri match_tcp(const struct foreign_packet *p, const void *info)
{
    const struct xt_tcp *t = info;
    enum tri ports = match_ports(p, t->spts, t->dpts, t->invflags);
    return ports != NO && (t->option || t->flg_mask) ? MAYBE : ports;
}

static enum tri match_udp(const struct foreign_packet *p, const void *info)
{
    const struct xt_udp *u = info;
    return match_ports(p, u->spts, u->dpts, u->invflags);
}

/* The same structure in both families; only in IPv4 does 255 stand for every type. */
static enum tri match_icmp(const struct foreign_packet *p, const void *info)
{
    const struct ipt_icmp *i = info;
    if (i->type == 0xff && p->family == AF_INET)
        return i->invflags ? NO : YES;
    if (i->invflags || !p->icmp_type)
        return MAYBE;
    return i->type != p->icmp_type ? NO : i->code[0] == 0 ? YES : MAYBE;
}

static enum tri match_comment(const struct foreign_packet *p, const void *info)
{
    (void)p;
    (void)info;
    return YES;
}

enum tri xt_match(const char *name, unsigned revision, const void *info, size_t size,
                  const struct foreign_packet *p)
{
    static const struct {
        const char *name;
        unsigned first, last; /* revisions */
        size_t size;
        enum tri (*match)(const struct foreign_packet *p, const void *info);
    } matches[] = {
        {"conntrack", 2, 3, sizeof(struct xt_conntrack_mtinfo2), match_conntrack},
        {"state", 0, 0, sizeof(struct xt_state_info), match_state},
        {"tcp", 0, 0, sizeof(struct xt_tcp), match_tcp},
        {"udp", 0, 0, sizeof(struct xt_udp), match_udp},
        {"icmp", 0, 0, sizeof(struct ipt_icmp), match_icmp},
        {"icmp6", 0, 0, sizeof(struct ipt_icmp), match_icmp},
        {"comment", 0, 0, 0, match_comment},
    };
    for (size_t i = 0; p && info && i < ARRAY_LEN(matches); i++)
        if (streq(matches[i].name, name) && revision >= matches[i].first &&
            revision <= matches[i].last && size >= matches[i].size)
            return matches[i].match(p, info);
    return MAYBE;
}
