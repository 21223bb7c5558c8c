/* The usual matches and targets of iptables. Both ip_tables and iptables-nft store them as the
 * kernel's own structures. Any other match may match, and any other target may have any outcome. */
#include "eval.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_state.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <string.h>

/* ---- matches ---------------------------------------------------------------------------------*/

/* Whether one of the wanted states is among those of the packet. All bits of @state are known, or
 * the answer is MAYBE. */
static enum tri has_state(struct nft_bits state, uint32_t wanted, bool inverted)
{
    bool sure = (state.value & state.known & wanted) != 0;
    if (!sure && (~state.known & wanted))
        return MAYBE;
    return sure != inverted ? YES : NO;
}

/* Both modules and nf_tables number the states alike, apart from UNTRACKED. */
static struct nft_bits state_of(const struct nft_packet *p, uint32_t untracked)
{
    const uint32_t common = (1u << IP_CT_NUMBER) - 1;
    struct nft_bits s = {p->ct_state.value & common, p->ct_state.known & common};
    if (p->ct_state.known & NF_CT_STATE_UNTRACKED_BIT) {
        s.known |= untracked;
        if (p->ct_state.value & NF_CT_STATE_UNTRACKED_BIT)
            s.value |= untracked;
    }
    return s;
}

static enum tri match_conntrack(const struct nft_packet *p, const void *info)
{
    const struct xt_conntrack_mtinfo2 *c = info; /* mtinfo3 begins with the same fields */
    if (c->match_flags & ~(XT_CONNTRACK_STATE | XT_CONNTRACK_STATE_ALIAS))
        return MAYBE;
    struct nft_bits s = state_of(p, XT_CONNTRACK_STATE_UNTRACKED);
    s.known |= p->ct_status.known & IPS_DST_NAT ? XT_CONNTRACK_STATE_DNAT : 0;
    s.value |= p->ct_status.value & IPS_DST_NAT ? XT_CONNTRACK_STATE_DNAT : 0;
    s.known |= p->ct_status.known & IPS_SRC_NAT ? XT_CONNTRACK_STATE_SNAT : 0;
    s.value |= p->ct_status.value & IPS_SRC_NAT ? XT_CONNTRACK_STATE_SNAT : 0;
    return has_state(s, c->state_mask, c->invert_flags & XT_CONNTRACK_STATE);
}

static enum tri match_state(const struct nft_packet *p, const void *info)
{
    const struct xt_state_info *s = info;
    return has_state(state_of(p, XT_STATE_UNTRACKED), s->statemask, false);
}

/* The port at @offset of the transport header; -1: not all of it is known. */
static int port_at(const struct nft_packet *p, size_t offset)
{
    const struct nft_header *h = &p->transport;
    return (h->known[offset] & h->known[offset + 1]) == 0xff
               ? h->value[offset] << 8 | h->value[offset + 1]
               : -1;
}

static enum tri match_port(const uint16_t range[2], int port, bool inverted)
{
    bool every = range[0] == 0 && range[1] == UINT16_MAX && !inverted;
    return every                                                ? YES
           : port < 0                                           ? MAYBE
           : (port >= range[0] && port <= range[1]) != inverted ? YES
                                                                : NO;
}

static enum tri match_ports(const struct nft_packet *p, const uint16_t from[2],
                            const uint16_t to[2], unsigned inverted)
{
    enum tri a = match_port(from, port_at(p, 0), inverted & XT_TCP_INV_SRCPT),
             b = match_port(to, port_at(p, 2), inverted & XT_TCP_INV_DSTPT);
    return a < b ? a : b;
}

static enum tri match_tcp(const struct nft_packet *p, const void *info)
{
    const struct xt_tcp *t = info;
    enum tri ports = match_ports(p, t->spts, t->dpts, t->invflags);
    return ports != NO && (t->option || t->flg_mask) ? MAYBE : ports;
}

static enum tri match_udp(const struct nft_packet *p, const void *info)
{
    const struct xt_udp *u = info;
    return match_ports(p, u->spts, u->dpts, u->invflags);
}

/* Both families use the same structure; 255 stands for every type only in IPv4. */
static enum tri match_icmp(const struct nft_packet *p, const void *info)
{
    const struct ipt_icmp *i = info;
    if (i->type == 0xff && p->nfproto == NFPROTO_IPV4)
        return i->invflags ? NO : YES;
    if (i->invflags || p->transport.known[0] != 0xff)
        return MAYBE;
    return i->type != p->transport.value[0]             ? NO
           : i->code[0] == 0 && i->code[1] == UINT8_MAX ? YES
                                                        : MAYBE;
}

static enum tri match_comment(const struct nft_packet *p, const void *info)
{
    (void)p;
    (void)info;
    return YES;
}

enum tri xt_match(const char *name, unsigned revision, const void *info, size_t size,
                  const struct nft_packet *p, bool ct_unknown)
{
    static const struct {
        const char *name;
        unsigned first, last; /* revisions */
        size_t size;
        bool ct;
        enum tri (*match)(const struct nft_packet *p, const void *info);
    } matches[] = {
        {"conntrack", 2, 3, sizeof(struct xt_conntrack_mtinfo2), true, match_conntrack},
        {"state", 0, 0, sizeof(struct xt_state_info), true, match_state},
        {"tcp", 0, 0, sizeof(struct xt_tcp), false, match_tcp},
        {"udp", 0, 0, sizeof(struct xt_udp), false, match_udp},
        {"icmp", 0, 0, sizeof(struct ipt_icmp), false, match_icmp},
        {"icmp6", 0, 0, sizeof(struct ipt_icmp), false, match_icmp},
        {"comment", 0, 0, 0, false, match_comment},
    };
    for (size_t i = 0; info && p->nfproto && i < ARRAY_LEN(matches); i++)
        if (streq(matches[i].name, name) && revision >= matches[i].first &&
            revision <= matches[i].last && size >= matches[i].size)
            return matches[i].ct && ct_unknown ? MAYBE : matches[i].match(p, info);
    return MAYBE;
}

/* ---- targets ---------------------------------------------------------------------------------*/

unsigned xt_target(const char *name, struct nft_packet *p)
{
    static const struct {
        const char *name;
        unsigned outcome;
        bool changes; /* the packet, or its mark */
    } targets[] = {
        {"DROP", MAY_DROP, false},         {"REJECT", MAY_DROP, false},
        {"LOG", MAY_CONTINUE, false},      {"NFLOG", MAY_CONTINUE, false},
        {"TRACE", MAY_CONTINUE, false},    {"AUDIT", MAY_CONTINUE, false},
        {"TEE", MAY_CONTINUE, false},      {"SET", MAY_CONTINUE, false},
        {"RATEEST", MAY_CONTINUE, false},  {"CLASSIFY", MAY_CONTINUE, false},
        {"LED", MAY_CONTINUE, false},      {"IDLETIMER", MAY_CONTINUE, false},
        {"SECMARK", MAY_CONTINUE, false},  {"CONNSECMARK", MAY_CONTINUE, false},
        {"CHECKSUM", MAY_CONTINUE, false}, {"MARK", MAY_CONTINUE, true},
        {"CONNMARK", MAY_CONTINUE, true},  {"HMARK", MAY_CONTINUE, true},
        {"CT", MAY_CONTINUE, true},        {"NOTRACK", MAY_CONTINUE, true},
        {"TCPMSS", MAY_CONTINUE, true},    {"TCPOPTSTRIP", MAY_CONTINUE, true},
        {"DSCP", MAY_CONTINUE, true},      {"TOS", MAY_CONTINUE, true},
        {"TTL", MAY_CONTINUE, true},       {"HL", MAY_CONTINUE, true},
        {"ECN", MAY_CONTINUE, true},       {"DNAT", MAY_ACCEPT, true},
        {"SNAT", MAY_ACCEPT, true},        {"MASQUERADE", MAY_ACCEPT, true},
        {"REDIRECT", MAY_ACCEPT, true},    {"NETMAP", MAY_ACCEPT, true},
        {"NFQUEUE", MAY_ELSE, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(targets); i++)
        if (streq(targets[i].name, name)) {
            if (targets[i].changes)
                packet_forget(p);
            return targets[i].outcome;
        }
    packet_forget(p);
    return MAY_ANYTHING;
}
