/* Others' firewalls: what they would do with the packets that netctr promises to let pass. */
#include <netctr/doctor.h>

#include <netctr/engine.h>
#include <netctr/names.h>

#include <string.h>

/* ---- packets ---------------------------------------------------------------------------------*/

enum flow { LEAVING, ENTERING, FETCHED, SERVED, QUERIES, ANSWERS, SOLICITS, ADVERTS, PINGS };
#define FLOWS ((enum flow)(PINGS + 1))

/* What netctr needs, and how a rule accepts it. A query was sent on from port 53 to the name servers' port before
 * it arrives at the hook input; that port may change, "by DNAT" does not. */
static const struct {
    const char *text;
    bool out;                   /* the bridge is where it leaves by, not where it comes in by */
    const char *nft, *iptables; /* further conditions */
} flows[FLOWS] = {
    [LEAVING] = {"what containers send", false, "", ""},
    [ENTERING] = {"what reaches their published ports", true, "", ""},
    [FETCHED] = {"the answers to what containers send", true, "", ""},
    [SERVED] = {"what containers answer by published ports", false, "", ""},
    [QUERIES] = {"containers' DNS queries to this host", false, "ct status dnat ",
                 "-m conntrack --ctstate DNAT "},
    [ANSWERS] = {"the answers to containers' DNS queries", true, "", ""},
    [SOLICITS] = {"containers' IPv6 neighbour discovery, without which they have no IPv6", false,
                  "icmpv6 type nd-neighbor-solicit ",
                  "-p icmpv6 --icmpv6-type neighbour-solicitation "},
    [ADVERTS] = {"the answers to containers' IPv6 neighbour discovery", true, "", ""},
    [PINGS] = {"containers' pings to this host", false, NULL, NULL},
};
enum { ICMP_PING = 8, ICMP6_PING = 128, SOLICIT = 135, ADVERT = 136 };

/* At a hook, the packets of which one finding tells. */
struct way {
    enum nf_inet_hooks hook;
    unsigned flows;
};
#define TRAFFIC (1 << LEAVING | 1 << ENTERING | 1 << FETCHED | 1 << SERVED)
static const struct way forward_ways[] = {
    {NF_INET_PRE_ROUTING, 1 << LEAVING},
    {NF_INET_FORWARD, TRAFFIC},
    {NF_INET_POST_ROUTING, TRAFFIC | 1 << ANSWERS | 1 << ADVERTS},
};
static const struct way input_ways[] = {
    {NF_INET_LOCAL_IN, 1 << QUERIES},  {NF_INET_LOCAL_OUT, 1 << ANSWERS},
    {NF_INET_LOCAL_IN, 1 << SOLICITS}, {NF_INET_LOCAL_OUT, 1 << ADVERTS},
    {NF_INET_LOCAL_IN, 1 << PINGS},
};

static bool is_expected(const struct doctor *d, const struct network *n, int family, enum flow flow)
{
    const struct subnet *s = family == AF_INET ? &n->subnet4 : &n->subnet6;
    if (!s->prefix)
        return false;
    switch (flow) {
    case LEAVING:
    case ENTERING:
    case FETCHED:
    case SERVED: return network_has_gateway(n);
    case QUERIES:
    case ANSWERS: return !d->any_defined || network_is_served(n);
    case SOLICITS:
    case ADVERTS: return family == AF_INET6 && n->mode != GATEWAY_ISOLATED;
    case PINGS: return n->mode != GATEWAY_ISOLATED;
    }
    return false;
}

static uint16_t names_port(const struct doctor *d)
{
    if (!d->store)
        return NAMES_PORT;
    const struct engine engine = {.store = *d->store};
    _cleanup_json_ json_t *helpers = engine_helpers(&engine);
    int64_t port = json_int(helpers, "names_port", 0);
    return port > 0 && port <= UINT16_MAX ? (uint16_t)port : NAMES_PORT;
}

static struct foreign_packet packet_of(const struct doctor *d, const struct network *n, int family,
                                       const struct way *way, enum flow flow)
{
    const struct ip container = subnet_host(family == AF_INET ? &n->subnet4 : &n->subnet6, 2),
                    gateway = family == AF_INET ? n->gateway4 : n->gateway6;
    const char *bridge = n->bridge, *uplink = doctor_uplink(d);
    struct foreign_packet p = {
        .hook = way->hook, .family = family, .protocol = IPPROTO_TCP, .in = bridge};
    if (flows[flow].out)
        p = (struct foreign_packet){
            .hook = way->hook, .family = family, .protocol = IPPROTO_TCP, .out = bridge};
    switch (flow) {
    case LEAVING:
    case SERVED:
        p.dnat = p.reply = flow == SERVED;
        p.out = way->hook == NF_INET_PRE_ROUTING ? NULL : uplink;
        p.source = container;
        p.masqueraded = flow == SERVED || n->mode == GATEWAY_NAT;
        break;
    case ENTERING:
    case FETCHED:
        p.in = uplink;
        p.destination = container;
        p.dnat = flow == ENTERING;
        p.reply = flow == FETCHED;
        break;
    case QUERIES:
        p.source = container;
        p.destination = gateway;
        p.port = names_port(d);
        p.dnat = true;
        break;
    case ANSWERS:
        p.source = gateway;
        p.destination = container;
        p.source_port = names_port(d);
        p.dnat = p.reply = true;
        break;
    case SOLICITS:
    case ADVERTS:
        p.protocol = IPPROTO_ICMPV6;
        p.icmp_type = flow == SOLICITS ? SOLICIT : ADVERT;
        p.untracked = true;
        break;
    case PINGS:
        p.source = container;
        p.destination = gateway;
        p.protocol = family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
        p.icmp_type = family == AF_INET ? ICMP_PING : ICMP6_PING;
        break;
    }
    return p;
}

/* ---- what stops them -------------------------------------------------------------------------*/

/* One chain that is in the way, with everything that it stops. */
struct hit {
    struct foreign_drop drop;
    const struct way *way;
    unsigned flows, families; /* families: 1 << 4, 1 << 6 */
    strv networks, bridges, subnets;
};

struct hits {
    struct hit *items;
    size_t count;
    const struct network *network; /* of the packet that is being judged */
    const struct way *way;
    enum flow flow;
    int family;
};

static void clear_hit(struct hit *h)
{
    strv_free(h->networks);
    strv_free(h->bridges);
    strv_free(h->subnets);
}

static bool is_same(const struct hit *h, const struct foreign_drop *d, const struct way *way)
{
    return streq(h->drop.family, d->family) && streq(h->drop.table, d->table) &&
           streq(h->drop.chain, d->chain) && h->drop.legacy == d->legacy && h->way == way;
}

static void take_drop(const struct foreign_drop *d, void *arg)
{
    struct hits *all = arg;
    size_t i = 0;
    while (i < all->count && !is_same(&all->items[i], d, all->way))
        i++;
    if (i == all->count) {
        all->items = xrealloc(all->items, ++all->count, sizeof(*all->items));
        all->items[i] = (struct hit){.drop = *d, .way = all->way};
    } else if (d->end > all->items[i].drop.end) {
        return; /* less certain than what is known */
    } else if (d->end < all->items[i].drop.end) {
        clear_hit(&all->items[i]);
        all->items[i] = (struct hit){.drop = *d, .way = all->way};
    }
    struct hit *h = &all->items[i];
    h->flows |= 1u << all->flow;
    h->families |= 1u << (all->family == AF_INET ? 4 : 6);
    if (!strv_has(h->networks, all->network->name)) {
        strv_add(&h->networks, all->network->name);
        strv_add(&h->bridges, all->network->bridge);
    }
    const struct subnet *s =
        all->family == AF_INET ? &all->network->subnet4 : &all->network->subnet6;
    _cleanup_free_ char *subnet = subnet_text(s);
    if (!strv_has(h->subnets, subnet))
        strv_add(&h->subnets, subnet);
}

static int judge_network(struct doctor *d, const struct network *n, const struct way *way,
                         struct hits *all, struct err *e)
{
    static const int families[] = {AF_INET, AF_INET6};
    int r = 0;
    for (size_t i = 0; i < ARRAY_LEN(families); i++)
        for (enum flow flow = 0; r == 0 && flow < FLOWS; flow++) {
            if (!(way->flows & 1u << flow) || !is_expected(d, n, families[i], flow))
                continue;
            struct foreign_packet p = packet_of(d, n, families[i], way, flow);
            all->network = n;
            all->way = way;
            all->flow = flow;
            all->family = families[i];
            r = foreign_judge(d->foreign, &p, take_drop, all, e);
            if (r == 0 && (flow == QUERIES || flow == ANSWERS)) {
                p.protocol = IPPROTO_UDP;
                r = foreign_judge(d->foreign, &p, take_drop, all, e);
            }
        }
    return r;
}

/* ---- cures -----------------------------------------------------------------------------------*/

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

/* What iptables-nft has made: it no longer shows a chain with a rule that it cannot read. */
static bool is_by_iptables(const struct foreign_drop *d)
{
    static const char *const chains[] = {"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"};
    bool builtin = false;
    for (size_t i = 0; i < ARRAY_LEN(chains); i++)
        builtin = builtin || streq(d->chain, chains[i]);
    return builtin && (streq(d->family, "ip") || streq(d->family, "ip6"));
}

/* The names of bridges as rules have them; those that netctr chose have one pattern, also for networks to come. */
static strv patterns_of(const struct hit *h, const char *wildcard)
{
    strv patterns = NULL;
    strv_each (bridge, h->bridges) {
        _cleanup_free_ char *pattern =
            skip_prefix(bridge, "nc-") ? xasprintf("nc-%s", wildcard) : xstrdup(bridge);
        if (!strv_has(patterns, pattern))
            strv_add(&patterns, pattern);
    }
    return patterns;
}

/* What goes through is accepted both ways: another packet may have the same source as those that were stopped. */
static unsigned flows_to_accept(const struct hit *h)
{
    bool both = h->flows & TRAFFIC && h->way->hook != NF_INET_PRE_ROUTING;
    return h->flows | (both ? 1u << LEAVING | 1u << ENTERING : 0);
}

/* Where packets leave, iptables cannot ask by which interface they came. */
static strv iptables_matches(const struct hit *h, enum flow flow)
{
    strv matches = NULL;
    if (h->way->hook == NF_INET_POST_ROUTING && !flows[flow].out) {
        strv_each (subnet, h->subnets)
            strv_add_take(&matches, xasprintf("-s %s", subnet));
        return matches;
    }
    _cleanup_strv_ strv patterns = patterns_of(h, "+");
    strv_each (pattern, patterns)
        strv_add_take(&matches, xasprintf("-%c %s", flows[flow].out ? 'o' : 'i', pattern));
    return matches;
}

static char *with_iptables(const struct hit *h, const char *kind)
{
    const char *six = streq(h->drop.family, "ip6") ? "6" : "";
    const char *ping =
        *six ? "-p icmpv6 --icmpv6-type echo-request " : "-p icmp --icmp-type echo-request ";
    unsigned wanted = flows_to_accept(h);
    _cleanup_strv_ strv commands = NULL;
    _cleanup_free_ char *table =
        streq(h->drop.table, "filter") ? xstrdup("") : xasprintf("-t %s ", h->drop.table);
    for (enum flow flow = 0; flow < FLOWS; flow++) {
        if (!(wanted & 1u << flow))
            continue;
        _cleanup_strv_ strv matches = iptables_matches(h, flow);
        strv_each (match, matches) {
            _cleanup_free_ char *command =
                xasprintf("ip%stables%s %s-I %s %s %s-j ACCEPT", six, kind, table, h->drop.chain,
                          match, flow == PINGS ? ping : flows[flow].iptables);
            if (!strv_has(commands, command))
                strv_add(&commands, command);
        }
    }
    return strv_join(commands, " && ");
}

static char *with_nft(const struct hit *h)
{
    const struct foreign_drop *d = &h->drop;
    unsigned wanted = flows_to_accept(h);
    _cleanup_strv_ strv patterns = patterns_of(h, "*"), rules = NULL;
    strv_each (pattern, patterns)
        for (enum flow flow = 0; flow < FLOWS; flow++) {
            const char *more[] = {flows[flow].nft, NULL};
            if (flow == PINGS) {
                more[0] = h->families & 1u << 4 ? "icmp type echo-request " : NULL;
                more[1] = h->families & 1u << 6 ? "icmpv6 type echo-request " : NULL;
            }
            for (size_t i = 0; wanted & 1u << flow && i < ARRAY_LEN(more); i++) {
                _cleanup_free_ char *rule = xasprintf(
                    "insert rule %s %s %s %s \"%s\" %saccept", d->family, d->table, d->chain,
                    flows[flow].out ? "oifname" : "iifname", pattern, more[i] ? more[i] : "");
                if (more[i] && !strv_has(rules, rule))
                    strv_add(&rules, rule);
            }
        }
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

static char *cure_of(const struct hit *h)
{
    const struct foreign_drop *d = &h->drop;
    const char *kind = !d->legacy                                                   ? "-nft"
                       : has_program("iptables-legacy") || !has_program("iptables") ? "-legacy"
                                                                                    : "";
    bool iptables = d->legacy || (is_by_iptables(d) && has_program("iptables-nft"));
    if (d->end == FOREIGN_DROPS_PERHAPS)
        return iptables ? xasprintf("ip%stables%s -t %s -S", streq(d->family, "ip6") ? "6" : "",
                                    kind, d->table)
                        : xasprintf("nft list chain %s %s %s", d->family, d->table, d->chain);
    return streq(d->table, "firewalld") ? firewalld_cure(h->bridges)
           : iptables                   ? with_iptables(h, kind)
                                        : with_nft(h);
}

/* ---- say it ----------------------------------------------------------------------------------*/

static char *chain_name(const struct foreign_drop *d)
{
    return xasprintf("%s `%s %s %s`", d->legacy ? "ip_tables chain" : "nf_tables chain", d->family,
                     d->table, d->chain);
}

static char *what_is_dropped(const struct hit *h)
{
    unsigned told = h->flows;
    /* Where no question passes, there is no answer. */
    told &= ~(told & 1u << LEAVING ? 1u << FETCHED : 0);
    told &= ~(told & 1u << ENTERING ? 1u << SERVED : 0);
    char *all = NULL;
    for (enum flow flow = 0; flow < FLOWS; flow++) {
        if (!(told & 1u << flow))
            continue;
        _cleanup_free_ char *before = all;
        const char *text = flow == ENTERING && !(told & 1u << LEAVING)
                               ? "what reaches published ports"
                               : flows[flow].text,
                   *between = told >> (flow + 1) ? ", " : " and ";
        all = before ? xasprintf("%s%s%s", before, between, text) : xstrdup(text);
    }
    return all;
}

static void say_hit(struct doctor *d, const struct hit *h)
{
    static const char *const hooks[] = {[NF_INET_PRE_ROUTING] = "prerouting",
                                        [NF_INET_LOCAL_IN] = "input",
                                        [NF_INET_FORWARD] = "forward",
                                        [NF_INET_LOCAL_OUT] = "output",
                                        [NF_INET_POST_ROUTING] = "postrouting"};
    static const char *const doubts[] = {
        [FOREIGN_DROPS] = "",
        [FOREIGN_DROPS_UNLESS] = ", unless a rule that cannot be evaluated here accepts it",
        [FOREIGN_DROPS_PERHAPS] = ", if rules say so that cannot be evaluated here"};
    static const enum severity severities[] = {[FOREIGN_DROPS] = PROBLEM,
                                               [FOREIGN_DROPS_UNLESS] = WARNING,
                                               [FOREIGN_DROPS_PERHAPS] = NOTE};
    /* Elsewhere every host has rules such as "drop what claims a false source". */
    if (h->drop.end == FOREIGN_DROPS_PERHAPS && h->way->hook != NF_INET_FORWARD)
        return;
    size_t others = strv_len(h->networks) - 1;
    _cleanup_free_ char *chain = chain_name(&h->drop), *what = what_is_dropped(h),
                        *more = others ? xasprintf(" and %zu more", others) : xstrdup("");
    doctor_say(d, h->flows == 1 << PINGS ? NOTE : severities[h->drop.end], cure_of(h),
               "%s (hook %s%s) drops %s (network `%s`%s)%s", chain, hooks[h->way->hook],
               h->drop.policy ? ", policy drop" : "", what, h->networks[0], more,
               doubts[h->drop.end]);
}

static int check_ways(struct doctor *d, const struct way *ways, size_t count, struct err *e)
{
    struct hits all = {0};
    int r = 0;
    for (size_t w = 0; d->foreign && w < count; w++)
        for (size_t i = 0; r == 0 && i < d->network_count; i++)
            r = judge_network(d, &d->networks[i], &ways[w], &all, e);
    for (size_t i = 0; i < all.count; i++) {
        if (r == 0)
            say_hit(d, &all.items[i]);
        clear_hit(&all.items[i]);
    }
    free(all.items);
    return r;
}

/* What goes through this host. */
int check_forward(struct doctor *d, struct err *e)
{
    return check_ways(d, forward_ways, ARRAY_LEN(forward_ways), e);
}

/* What goes to this host and comes from it. */
int check_input(struct doctor *d, struct err *e)
{
    return check_ways(d, input_ways, ARRAY_LEN(input_ways), e);
}

/* ---- DNAT ------------------------------------------------------------------------------------*/

static void judge_dnat(const struct foreign_dnat *x, void *arg)
{
    struct doctor *d = arg;
    if (!x->to.family) {
        doctor_say(d, NOTE, xasprintf("nft list chain %s %s %s", x->family, x->table, x->chain),
                   "nf_tables chain `%s %s %s` changes where packets go by a rule that cannot be "
                   "evaluated here: it may lead to a container",
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
