/* Builds commands that make a chain accept the packets that it drops. */
#include "doctor/flows.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>
#include <string.h>

static bool has_program(const char *name)
{
    static const char *const places[] = {"/usr/sbin", "/sbin", "/usr/bin", "/bin",
                                         "/usr/local/sbin"};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        _cleanup_free_ char *path = xasprintf("%s/%s", places[i], name);
        if (access(path, X_OK) == 0)
            return true;
    }
    return false;
}

/* Chains of iptables-nft get iptables commands: iptables-nft does not list a chain with a rule that
 * it cannot translate. */
static bool is_by_iptables(const struct nft_step *d)
{
    static const char *const chains[] = {"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"};
    bool builtin = false;
    for (size_t i = 0; i < ARRAY_LEN(chains); i++)
        builtin = builtin || streq(d->chain, chains[i]);
    return builtin && (streq(d->family, "ip") || streq(d->family, "ip6"));
}

/* ---- how rules match the packets -------------------------------------------------------------*/

static bool is_before_routing(const struct way *way)
{
    return way->layer == AT_IP && way->hook == NF_INET_PRE_ROUTING;
}

/* True if a rule at this hook knows the interface by which the packet leaves. */
static bool leaves(const struct packet_request *q)
{
    switch (q->way->layer) {
    case AT_IP: return flow_texts[q->flow].out && !is_before_routing(q->way);
    case AT_BRIDGE:
        return q->way->hook == NF_INET_LOCAL_OUT || q->way->hook == NF_INET_POST_ROUTING;
    default: return q->way->hook == NF_NETDEV_EGRESS;
    }
}

/* Names that netctr chose match one pattern, which also covers later networks and containers.
 * Caller frees. */
static char *interface_pattern(const struct packet_request *q, const char *wildcard)
{
    const char *bridge = q->network->bridge;
    const bool from_outside = is_before_routing(q->way) && flow_texts[q->flow].out;
    if (q->way->layer == AT_UPLINK || from_outside)
        return xstrdup(doctor_uplink(q->d) ?: "");
    if (q->way->layer == AT_BRIDGE || q->way->layer == AT_VETH)
        return xasprintf("vc-%s", wildcard);
    return skip_prefix(bridge, "nc-") ? xasprintf("nc-%s", wildcard) : xstrdup(bridge);
}

/* In chains of such a priority, conntrack has not seen the packet yet. */
static bool is_early(const struct hit *h)
{
    return h->way->layer != AT_IP ||
           (is_before_routing(h->way) && h->step.priority <= NF_IP_PRI_CONNTRACK);
}

static uint16_t port_here(const struct packet_request *q)
{
    bool before = q->way->layer == AT_UPLINK || is_before_routing(q->way);
    return before && !q->ep->routed ? q->port->host_port : q->port->port;
}

static const char *port_protocol(const struct packet_request *q)
{
    return q->port->protocol == IPPROTO_UDP    ? "udp"
           : q->port->protocol == IPPROTO_SCTP ? "sctp"
                                               : "tcp";
}

/* Further conditions of the rule; caller frees. */
static char *nft_condition(const struct hit *h, const struct packet_request *q)
{
    if (q->flow == PORT)
        return xasprintf("%s dport %u ", port_protocol(q), port_here(q));
    if (q->flow == PINGS)
        return xasprintf("%s type echo-request ", q->family == AF_INET ? "icmp" : "icmpv6");
    if (q->flow == FETCHED && is_before_routing(h->way) && !is_early(h))
        return xstrdup("ct state established,related ");
    return xstrdup(is_before_routing(h->way) || h->way->layer != AT_IP ? ""
                                                                       : flow_texts[q->flow].nft);
}

static char *iptables_condition(const struct hit *h, const struct packet_request *q)
{
    if (q->flow == PORT)
        return xasprintf("-p %s --dport %u ", port_protocol(q), port_here(q));
    if (q->flow == PINGS)
        return xstrdup(q->family == AF_INET ? "-p icmp --icmp-type echo-request "
                                            : "-p icmpv6 --icmpv6-type echo-request ");
    if (q->flow == FETCHED && is_before_routing(h->way) && !is_early(h))
        return xstrdup("-m conntrack --ctstate ESTABLISHED,RELATED ");
    return xstrdup(is_before_routing(h->way) ? "" : flow_texts[q->flow].iptables);
}

static void add_unique(strv *list, char *text)
{
    _cleanup_free_ char *own = text;
    if (!strv_has(*list, own))
        strv_add(list, own);
}

static void note_flow(struct hit *h, const struct packet_request *q)
{
    const bool out = leaves(q);
    _cleanup_free_ char *nft = interface_pattern(q, "*"), *ipt = interface_pattern(q, "+"),
                        *more = nft_condition(h, q), *more_ipt = iptables_condition(h, q);
    add_unique(&h->accept, xasprintf("%s \"%s\" %s", out ? "oifname" : "iifname", nft, more));
    if (h->way->layer != AT_IP)
        return;
    if (h->way->hook == NF_INET_POST_ROUTING && !out) {
        /* At hooks where packets leave, iptables cannot match the interface by which they came. */
        const struct subnet *s = q->family == AF_INET ? &q->network->subnet4 : &q->network->subnet6;
        _cleanup_free_ char *subnet = subnet_text(s);
        add_unique(&h->accept_ipt, xasprintf("-s %s %s", subnet, more_ipt));
    } else {
        add_unique(&h->accept_ipt, xasprintf("-%c %s %s", out ? 'o' : 'i', ipt, more_ipt));
    }
}

/* Forwarded packets are accepted in both directions: other packets may have the same source as
 * those that were dropped. */
void cure_note(struct hit *h, const struct packet_request *q)
{
    static const enum flow both[] = {LEAVING, ENTERING};
    const bool through = FLOW(q->flow) & TRAFFIC && q->flow != PORT && h->way->layer == AT_IP &&
                         !is_before_routing(h->way);
    note_flow(h, q);
    for (size_t i = 0; through && i < ARRAY_LEN(both); i++) {
        struct packet_request other = *q;
        other.flow = both[i];
        note_flow(h, &other);
    }
}

/* ---- commands --------------------------------------------------------------------------------*/

static char *with_iptables(const struct hit *h, const char *kind)
{
    _cleanup_strv_ strv commands = NULL;
    _cleanup_free_ char *table =
        streq(h->step.table, "filter") ? xstrdup("") : xasprintf("-t %s ", h->step.table);
    strv_each (match, h->accept_ipt)
        strv_add_take(&commands, xasprintf("ip%stables%s %s-I %s %s-j ACCEPT",
                                           streq(h->step.family, "ip6") ? "6" : "", kind, table,
                                           h->step.chain, match));
    return strv_join(commands, " && ");
}

static char *with_nft(const struct hit *h)
{
    const struct nft_step *d = &h->step;
    _cleanup_strv_ strv rules = NULL;
    strv_each (match, h->accept)
        strv_add_take(&rules, xasprintf("insert rule %s %s %s %saccept", d->family, d->table,
                                        d->chain, match));
    _cleanup_free_ char *all = strv_join(rules, "; ");
    return xasprintf("nft '%s'", all);
}

char *firewalld_cure(char *const *bridges)
{
    _cleanup_strv_ strv commands = NULL;
    strv_each (bridge, bridges)
        strv_add_take(&commands, xasprintf("firewall-cmd --permanent --zone=trusted "
                                           "--add-interface=%s",
                                           bridge));
    strv_add(&commands, "firewall-cmd --reload");
    return strv_join(commands, " && ");
}

char *cure_of(const struct hit *h)
{
    const struct nft_step *d = &h->step;
    const char *kind = !d->legacy                                                   ? "-nft"
                       : has_program("iptables-legacy") || !has_program("iptables") ? "-legacy"
                                                                                    : "";
    bool iptables = d->legacy || (is_by_iptables(d) && has_program("iptables-nft"));
    if (d->verdict == NFT_MAY_DROP || d->verdict == NFT_UNKNOWN)
        return iptables ? xasprintf("ip%stables%s -t %s -S", streq(d->family, "ip6") ? "6" : "",
                                    kind, d->table)
                        : xasprintf("nft list chain %s %s %s", d->family, d->table, d->chain);
    return streq(d->table, "firewalld") ? firewalld_cure(h->bridges)
           : iptables                   ? with_iptables(h, kind)
                                        : with_nft(h);
}
