/* Checks rules of other programs that redirect packets to containers, and bridged packets in the IP
 * firewall. */
#include "doctor/doctor.h"

static void judge_dnat(const struct nft_dnat *x, void *arg)
{
    struct doctor *d = arg;
    if (!x->to.family) {
        doctor_say(d, NOTE, xasprintf("nft list chain %s %s %s", x->family, x->table, x->chain),
                   "nf_tables chain `%s %s %s` has a DNAT rule that cannot be evaluated: it may "
                   "redirect packets to a container",
                   x->family, x->table, x->chain);
        return;
    }
    for (size_t i = 0; i < d->network_count; i++) {
        const struct network *n = &d->networks[i];
        const struct subnet *s = x->to.family == AF_INET ? &n->subnet4 : &n->subnet6;
        if (!s->prefix || !subnet_contains(s, &x->to))
            continue;
        _cleanup_free_ char *to = ip_text(&x->to);
        doctor_say(d, WARNING,
                   xasprintf("nft delete rule %s %s %s handle %llu", x->family, x->table, x->chain,
                             (unsigned long long)x->handle),
                   "nf_tables chain `%s %s %s` redirects packets to %s in network `%s`: netctr "
                   "lets them pass like those to a published port",
                   x->family, x->table, x->chain, to, n->name);
    }
}

int check_dnat(struct doctor *d, struct err *e)
{
    (void)e;
    if (d->rules)
        nft_each_dnat(d->rules, judge_dnat, d);
    return 0;
}

/* ---- br_netfilter ----------------------------------------------------------------------------*/

int check_bridge_nf(struct doctor *d, struct err *e)
{
    (void)e;
    static const char *const keys[] = {"iptables", "ip6tables"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (doctor_sysctl(0, "net/bridge/bridge-nf-call-%s", keys[i]) != 1)
            continue;
        bool apart = false;
        for (size_t k = 0; k < d->network_count; k++)
            apart = apart || !d->networks[k].icc;
        doctor_say(d, NOTE, xasprintf("sysctl -w net.bridge.bridge-nf-call-%s=0", keys[i]),
                   "packets between containers of one network pass the host's IP firewall "
                   "(net.bridge.bridge-nf-call-%s is 1), so forward chains of other programs can "
                   "drop them%s",
                   keys[i],
                   apart ? "; containers that must not talk to each other do not reach each "
                           "other's published ports either"
                         : "");
    }
    return 0;
}
