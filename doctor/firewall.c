/* Others' firewalls: what they would do with the packets that netctr promises to let pass. */
#include "doctor.h"

#include <string.h>

/* One chain that is in the way, with everything that it stops. */
struct hit {
    struct foreign_drop drop;
    const char *network;
    bool leaving, entering;
};

struct hits {
    struct hit *items;
    size_t count;
    const char *network; /* of the packet that is being judged */
    bool leaving;
};

static void take_drop(const struct foreign_drop *d, void *arg)
{
    struct hits *all = arg;
    size_t i = 0;
    while (i < all->count &&
           !(streq(all->items[i].drop.family, d->family) &&
             streq(all->items[i].drop.table, d->table) &&
             streq(all->items[i].drop.chain, d->chain) && all->items[i].drop.legacy == d->legacy))
        i++;
    if (i == all->count) {
        all->items = xrealloc(all->items, ++all->count, sizeof(*all->items));
        all->items[i] = (struct hit){.drop = *d, .network = all->network};
    } else if (d->end > all->items[i].drop.end) {
        return; /* less certain than what is known */
    } else if (d->end < all->items[i].drop.end) {
        all->items[i] = (struct hit){.drop = *d, .network = all->network};
    }
    *(all->leaving ? &all->items[i].leaving : &all->items[i].entering) = true;
}

static char *chain_name(const struct foreign_drop *d)
{
    return xasprintf("%s `%s %s %s`", d->legacy ? "ip_tables chain" : "nf_tables chain", d->family,
                     d->table, d->chain);
}

static const char *doubt(enum foreign_end end)
{
    return end == FOREIGN_DROPS_UNLESS ? ", unless a rule accepts it that cannot be evaluated here"
           : end == FOREIGN_DROPS_PERHAPS ? ", if rules say so that cannot be evaluated here"
                                          : "";
}

/* ---- forward ---------------------------------------------------------------------------------*/

static char *cure_forward(const struct hit *h)
{
    const struct foreign_drop *d = &h->drop;
    const char *six = streq(d->family, "ip6") ? "6" : "";
    if (d->end == FOREIGN_DROPS_PERHAPS)
        return d->legacy ? xasprintf("ip%stables-legacy -S", six)
                         : xasprintf("nft list chain %s %s %s", d->family, d->table, d->chain);
    if (streq(d->table, "firewalld"))
        return xasprintf("firewall-cmd --permanent --zone=trusted --add-interface=nc-%s && "
                         "firewall-cmd --reload",
                         h->network);
    if (d->legacy)
        return xasprintf("ip%stables-legacy -I FORWARD -i nc-+ -j ACCEPT; "
                         "ip%stables-legacy -I FORWARD -o nc-+ -j ACCEPT",
                         six, six);
    return xasprintf("nft 'insert rule %s %s %s iifname \"nc-*\" accept; "
                     "insert rule %s %s %s oifname \"nc-*\" accept'",
                     d->family, d->table, d->chain, d->family, d->table, d->chain);
}

static void say_forward(struct doctor *d, const struct hit *h)
{
    _cleanup_free_ char *chain = chain_name(&h->drop);
    const char *what = h->leaving && h->entering
                           ? "what containers send and what reaches their published ports"
                       : h->leaving ? "what containers send"
                                    : "what reaches published ports";
    doctor_say(d,
               h->drop.end == FOREIGN_DROPS          ? PROBLEM
               : h->drop.end == FOREIGN_DROPS_UNLESS ? WARNING
                                                     : NOTE,
               cure_forward(h), "%s (hook forward%s) drops %s (network `%s`)%s", chain,
               h->drop.policy ? ", policy drop" : "", what, h->network, doubt(h->drop.end));
}

static int judge(struct doctor *d, const struct foreign_packet *p, struct hits *all, struct err *e)
{
    return foreign_judge(d->foreign, p, take_drop, all, e);
}

/* Out to anywhere, and in to a published port. */
static int judge_network(struct doctor *d, const struct network *n, int family, struct hits *all,
                         struct err *e)
{
    const struct subnet *s = family == AF_INET ? &n->subnet4 : &n->subnet6;
    if (!s->prefix || n->internal)
        return 0;
    const char *uplink = doctor_uplink(d);
    const struct foreign_packet out = {.hook = NF_INET_FORWARD,
                                       .family = family,
                                       .in = n->bridge,
                                       .out = uplink,
                                       .source = subnet_host(s, 2),
                                       .protocol = IPPROTO_TCP};
    const struct foreign_packet in = {.hook = NF_INET_FORWARD,
                                      .family = family,
                                      .in = uplink,
                                      .out = n->bridge,
                                      .destination = subnet_host(s, 2),
                                      .protocol = IPPROTO_TCP,
                                      .published = true};
    all->network = n->name;
    all->leaving = true;
    int r = judge(d, &out, all, e);
    all->leaving = false;
    return r == 0 ? judge(d, &in, all, e) : r;
}

int check_forward(struct doctor *d, struct err *e)
{
    struct hits all = {0};
    int r = 0;
    for (size_t i = 0; d->foreign && r == 0 && i < d->network_count; i++) {
        r = judge_network(d, &d->networks[i], AF_INET, &all, e);
        if (r == 0)
            r = judge_network(d, &d->networks[i], AF_INET6, &all, e);
    }
    for (size_t i = 0; r == 0 && i < all.count; i++)
        say_forward(d, &all.items[i]);
    free(all.items);
    return r;
}

/* ---- input -----------------------------------------------------------------------------------*/

/* What containers ask of the host itself: names, and ICMP. */
static int judge_input(struct doctor *d, const struct network *n, struct hits *all, struct err *e)
{
    if (!n->subnet4.prefix)
        return 0;
    struct foreign_packet p = {.hook = NF_INET_LOCAL_IN,
                               .family = AF_INET,
                               .in = n->bridge,
                               .source = subnet_host(&n->subnet4, 2),
                               .destination = n->gateway4,
                               .protocol = IPPROTO_UDP,
                               .port = 53};
    all->network = n->name;
    int r = judge(d, &p, all, e);
    p.protocol = IPPROTO_ICMP;
    p.port = 0;
    all->leaving = true;
    if (r == 0)
        r = judge(d, &p, all, e);
    all->leaving = false;
    return r;
}

int check_input(struct doctor *d, struct err *e)
{
    struct hits all = {0};
    int r = 0;
    for (size_t i = 0; d->foreign && r == 0 && i < d->network_count; i++)
        r = judge_input(d, &d->networks[i], &all, e);
    for (size_t i = 0; r == 0 && i < all.count; i++) {
        const struct foreign_drop *x = &all.items[i].drop;
        if (x->end == FOREIGN_DROPS_PERHAPS)
            continue;
        _cleanup_free_ char *chain = chain_name(x);
        char *cure =
            x->legacy
                ? xasprintf("iptables-legacy -I INPUT -i nc-+ -p icmp -j ACCEPT; iptables-legacy "
                            "-I INPUT -i nc-+ -p udp --dport 53 -j ACCEPT")
                : xasprintf("nft 'insert rule %s %s %s iifname \"nc-*\" udp dport 53 accept; "
                            "insert rule %s %s %s iifname \"nc-*\" meta l4proto icmp accept'",
                            x->family, x->table, x->chain, x->family, x->table, x->chain);
        doctor_say(d, NOTE, cure, "%s (hook input%s) drops %s from containers to this host%s",
                   chain, x->policy ? ", policy drop" : "",
                   all.items[i].leaving && all.items[i].entering ? "questions for names and ICMP"
                   : all.items[i].leaving                        ? "ICMP"
                                                                 : "questions for names",
                   doubt(x->end));
    }
    free(all.items);
    return r;
}

/* ---- DNAT ------------------------------------------------------------------------------------*/

static void judge_dnat(const struct foreign_dnat *x, void *arg)
{
    struct doctor *d = arg;
    if (!x->to.family) {
        doctor_say(d, NOTE, xasprintf("nft list chain %s %s %s", x->family, x->table, x->chain),
                   "nf_tables chain `%s %s %s` changes where packets go by a rule that cannot be "
                   "evaluated here: whether it leads to a container was not looked at",
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
                   xasprintf("nft flush chain %s %s %s (or delete the one rule: `nft -a list chain "
                             "%s %s %s`)",
                             x->family, x->table, x->chain, x->family, x->table, x->chain),
                   "nf_tables chain `%s %s %s` leads to %s in network `%s`, which passes as if it "
                   "were published by netctr",
                   x->family, x->table, x->chain, to, n->name);
    }
}

int check_dnat(struct doctor *d, struct err *e)
{
    return d->foreign ? foreign_each_dnat(d->foreign, judge_dnat, d, e) : 0;
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
                   "packets between containers of one network cross the host's IP firewall "
                   "(net.bridge.bridge-nf-call-%s is 1), so others' forward chains can stop them%s",
                   keys[i],
                   apart ? "; where containers may not talk to each other, they do not reach each "
                           "other's published ports either"
                         : "");
    }
    return 0;
}
