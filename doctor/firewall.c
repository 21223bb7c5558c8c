/* Checks the firewalls of other programs: what they do with the packets that netctr promises to let
 * pass. Every base chain at a hook has to accept a packet, so netctr's own rules cannot override
 * one that drops it. */
#include "doctor/flows.h"

#include <linux/netfilter/nf_tables.h>
#include <string.h>

#define OUTWARD (FLOW(LEAVING) | FLOW(SERVED))
#define INWARD (FLOW(ENTERING) | FLOW(PORT) | FLOW(FETCHED))
#define TO_HOST (FLOW(QUERIES) | FLOW(SOLICITS))
#define FROM_HOST (FLOW(ANSWERS) | FLOW(ADVERTS))

static const struct way forward_ways[] = {
    {AT_IP, NF_INET_PRE_ROUTING, OUTWARD | FLOW(PORT) | FLOW(FETCHED) | TO_HOST},
    {AT_IP, NF_INET_FORWARD, TRAFFIC},
    {AT_IP, NF_INET_POST_ROUTING, TRAFFIC | FROM_HOST},
    {AT_BRIDGE, NF_INET_PRE_ROUTING, OUTWARD | FLOW(BETWEEN) | TO_HOST},
    {AT_BRIDGE, NF_INET_LOCAL_IN, OUTWARD | TO_HOST},
    {AT_BRIDGE, NF_INET_FORWARD, FLOW(BETWEEN)},
    {AT_BRIDGE, NF_INET_LOCAL_OUT, INWARD | FROM_HOST},
    {AT_BRIDGE, NF_INET_POST_ROUTING, INWARD | FLOW(BETWEEN) | FROM_HOST},
    {AT_UPLINK, NF_NETDEV_INGRESS, FLOW(PORT) | FLOW(FETCHED)},
    {AT_UPLINK, NF_NETDEV_EGRESS, OUTWARD},
    {AT_BRIDGE_DEVICE, NF_NETDEV_INGRESS, OUTWARD | TO_HOST},
    {AT_BRIDGE_DEVICE, NF_NETDEV_EGRESS, INWARD | FROM_HOST},
    {AT_VETH, NF_NETDEV_INGRESS, OUTWARD | FLOW(BETWEEN) | TO_HOST},
    {AT_VETH, NF_NETDEV_EGRESS, INWARD | FLOW(BETWEEN) | FROM_HOST},
};
static const struct way input_ways[] = {
    {AT_IP, NF_INET_LOCAL_IN, FLOW(QUERIES)},  {AT_IP, NF_INET_LOCAL_OUT, FLOW(ANSWERS)},
    {AT_IP, NF_INET_LOCAL_IN, FLOW(SOLICITS)}, {AT_IP, NF_INET_LOCAL_OUT, FLOW(ADVERTS)},
    {AT_IP, NF_INET_LOCAL_IN, FLOW(PINGS)},
};

/* ---- chains that drop ------------------------------------------------------------------------*/

struct hits {
    struct hit *items;
    size_t count;
    const struct packet_request *request; /* the packet that is being evaluated */
    const char *container;                /* for PORT: the container */
};

static void clear_hit(struct hit *h)
{
    strv_free(h->networks);
    strv_free(h->bridges);
    strv_free(h->subnets);
    strv_free(h->ports);
    strv_free(h->accept);
    strv_free(h->accept_ipt);
}

static bool is_same(const struct hit *h, const struct nft_step *s, const struct way *way)
{
    return streq(h->step.family, s->family) && streq(h->step.table, s->table) &&
           streq(h->step.chain, s->chain) && h->step.legacy == s->legacy && h->way == way;
}

static void add_unique(strv *list, const char *text)
{
    if (!strv_has(*list, text))
        strv_add(list, text);
}

static void note_packet(struct hit *h, const struct hits *all)
{
    const struct packet_request *q = all->request;
    const struct subnet *s = q->family == AF_INET ? &q->network->subnet4 : &q->network->subnet6;
    _cleanup_free_ char *subnet = subnet_text(s);
    h->flows |= FLOW(q->flow);
    h->families |= 1u << (q->family == AF_INET ? 4 : 6);
    add_unique(&h->networks, q->network->name);
    add_unique(&h->bridges, q->network->bridge);
    add_unique(&h->subnets, subnet);
    if (q->flow == PORT) {
        uint16_t port = q->ep->routed ? q->port->port : q->port->host_port;
        _cleanup_free_ char *name = xasprintf("port %u/%s of container `%s`", port,
                                              q->port->protocol == IPPROTO_UDP    ? "udp"
                                              : q->port->protocol == IPPROTO_SCTP ? "sctp"
                                                                                  : "tcp",
                                              all->container);
        add_unique(&h->ports, name);
    }
    cure_note(h, q);
}

/* Restarts the hit with a verdict that is more certain. If the chain may also accept the packet,
 * the cure covers the earlier packets, too. */
static void replace_hit(struct hit *h, const struct nft_step *s, const struct way *way)
{
    struct hit now = {.step = *s, .way = way};
    if (h->step.verdict >= NFT_MAY_ACCEPT) {
        now.accept = h->accept;
        now.accept_ipt = h->accept_ipt;
        h->accept = h->accept_ipt = NULL;
    }
    clear_hit(h);
    *h = now;
}

/* Keeps the most certain verdict of each chain, with all packets that it applies to. */
static void take_step(const struct nft_step *s, void *arg)
{
    struct hits *all = arg;
    const struct packet_request *q = all->request;
    size_t i = 0;
    if (s->verdict == NFT_ACCEPTS)
        return;
    while (i < all->count && !is_same(&all->items[i], s, q->way))
        i++;
    if (i == all->count) {
        all->items = xrealloc(all->items, ++all->count, sizeof(*all->items));
        all->items[i] = (struct hit){.step = *s, .way = q->way};
    } else if (s->verdict < all->items[i].step.verdict) {
        if (s->verdict >= NFT_MAY_ACCEPT)
            cure_note(&all->items[i], q);
        return;
    } else if (s->verdict > all->items[i].step.verdict) {
        replace_hit(&all->items[i], s, q->way);
    }
    struct hit *h = &all->items[i];
    if (q->flow != PORT || !(h->flows & FLOW(ENTERING)))
        note_packet(h, all);
}

/* ---- evaluate --------------------------------------------------------------------------------*/

static void judge_packet(const struct packet_request *q, struct hits *all)
{
    struct nft_packet p = flow_packet(q);
    const struct nft_place at = flow_place(q->way, q->family);
    all->request = q;
    (void)nft_walk(q->d->rules, &at, &p, take_step, all);
}

static bool is_reached_from_outside(const struct packet_request *q)
{
    const struct ip *host = &q->port->host,
                    *own = q->family == AF_INET ? &q->ep->address4 : &q->ep->address6;
    if (!own->family || (host->family && host->family != q->family))
        return false;
    return host->family == AF_INET    ? ntohl(host->v4.s_addr) >> 24 != IN_LOOPBACKNET
           : host->family == AF_INET6 ? !IN6_IS_ADDR_LOOPBACK(&host->v6)
                                      : true;
}

static void judge_ports(struct packet_request q, struct hits *all)
{
    for (size_t i = 0; i < q.ep->port_mappings.count; i++) {
        q.port = &q.ep->port_mappings.items[i];
        if (is_reached_from_outside(&q))
            judge_packet(&q, all);
    }
}

/* Evaluates the packets that differ between containers. */
static void judge_endpoints(const struct packet_request *q, struct hits *all)
{
    const struct doctor *d = q->d;
    for (size_t i = 0; i < d->container_count; i++)
        for (size_t k = 0; k < d->containers[i].endpoints.count; k++) {
            struct packet_request own = *q;
            own.ep = &d->containers[i].endpoints.items[k];
            if (!streq(own.ep->network, q->network->name))
                continue;
            all->container = d->containers[i].name;
            if (q->flow == PORT)
                judge_ports(own, all);
            else
                judge_packet(&own, all);
        }
}

static bool has_endpoints(const struct packet_request *q)
{
    for (size_t i = 0; i < q->d->container_count; i++)
        for (size_t k = 0; k < q->d->containers[i].endpoints.count; k++)
            if (streq(q->d->containers[i].endpoints.items[k].network, q->network->name))
                return true;
    return false;
}

static void judge_where(const struct packet_request *q, struct hits *all)
{
    if (q->way->layer == AT_VETH || q->flow == PORT ||
        (q->way->layer == AT_BRIDGE && has_endpoints(q)))
        judge_endpoints(q, all);
    else
        judge_packet(q, all);
}

static void judge_flow(struct packet_request q, struct hits *all)
{
    static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP};
    const bool dns = q.flow == QUERIES || q.flow == ANSWERS;
    if (q.way->layer == AT_UPLINK && !doctor_uplink(q.d))
        return;
    for (size_t i = 0; i < (dns ? ARRAY_LEN(protocols) : 1); i++) {
        q.protocol = protocols[i];
        judge_where(&q, all);
    }
    if (q.flow == BETWEEN && q.family == AF_INET) {
        q.arp = true;
        judge_where(&q, all);
    }
}

static void judge_network(const struct doctor *d, const struct network *n, const struct way *way,
                          uint16_t names_port, struct hits *all)
{
    static const int families[] = {AF_INET, AF_INET6};
    for (size_t i = 0; i < ARRAY_LEN(families); i++)
        for (enum flow flow = 0; flow < FLOWS; flow++)
            if (way->flows & FLOW(flow) && flow_is_expected(d, n, families[i], flow))
                judge_flow((struct packet_request){.d = d,
                                                   .network = n,
                                                   .family = families[i],
                                                   .way = way,
                                                   .flow = flow,
                                                   .names_port = names_port},
                           all);
}

/* ---- report ----------------------------------------------------------------------------------*/

static char *ports_text(char *const *ports)
{
    enum { NAMED_MAX = 3 };
    _cleanup_strv_ strv named = NULL;
    size_t count = strv_len(ports);
    for (size_t i = 0; i < count && i < NAMED_MAX; i++)
        strv_add(&named, ports[i]);
    if (count > NAMED_MAX)
        strv_add_take(&named, xasprintf("%zu more published ports", count - NAMED_MAX));
    _cleanup_free_ char *list = strv_join(named, ", ");
    return xasprintf("packets to %s", list);
}

static char *what_is_dropped(const struct hit *h)
{
    unsigned named = h->flows;
    /* Replies are not mentioned if their requests are dropped. */
    named &= ~(named & FLOW(LEAVING) ? FLOW(FETCHED) : 0);
    named &= ~(named & (FLOW(ENTERING) | FLOW(PORT)) ? FLOW(SERVED) : 0);
    char *all = NULL;
    for (enum flow flow = 0; flow < FLOWS; flow++) {
        if (!(named & FLOW(flow)))
            continue;
        _cleanup_free_ char *before = all, *ports = flow == PORT ? ports_text(h->ports) : NULL;
        const char *text = ports ? ports
                           : flow == ENTERING && !(named & FLOW(LEAVING))
                               ? "packets to published ports"
                               : flow_texts[flow].text,
                   *between = named >> (flow + 1) ? ", " : " and ";
        all = before ? xasprintf("%s%s%s", before, between, text) : xstrdup(text);
    }
    return all;
}

static char *hook_text(const struct way *way)
{
    static const char *const hooks[] = {[NF_INET_PRE_ROUTING] = "prerouting",
                                        [NF_INET_LOCAL_IN] = "input",
                                        [NF_INET_FORWARD] = "forward",
                                        [NF_INET_LOCAL_OUT] = "output",
                                        [NF_INET_POST_ROUTING] = "postrouting"};
    if (way->layer == AT_IP || way->layer == AT_BRIDGE)
        return xstrdup(hooks[way->hook]);
    return xasprintf("%s of %s", way->hook == NF_NETDEV_INGRESS ? "ingress" : "egress",
                     way->layer == AT_UPLINK          ? "the uplink"
                     : way->layer == AT_BRIDGE_DEVICE ? "the bridge"
                                                      : "a container's link");
}

static void say_hit(struct doctor *d, const struct hit *h)
{
    static const struct {
        enum severity severity;
        const char *verb, *doubt;
    } verdicts[] = {
        [NFT_MAY_DROP] = {NOTE, "drops", ", if a rule matches that cannot be evaluated"},
        [NFT_MAY_ACCEPT] = {WARNING, "drops",
                            ", unless a rule that cannot be evaluated accepts them"},
        [NFT_UNKNOWN] = {WARNING, "passes to a queue or another device", ""},
        [NFT_DROPS] = {PROBLEM, "drops", ""},
    };
    const bool forward = h->way->layer == AT_IP && h->way->hook == NF_INET_FORWARD;
    /* Other hooks have such rules on every host, for example "drop packets with a forged source".
     */
    if (h->step.verdict == NFT_MAY_DROP && !forward)
        return;
    size_t others = strv_len(h->networks) - 1;
    _cleanup_free_ char *what = what_is_dropped(h), *hook = hook_text(h->way),
                        *more = others ? xasprintf(" and %zu more", others) : xstrdup("");
    doctor_say(d, h->flows == FLOW(PINGS) ? NOTE : verdicts[h->step.verdict].severity, cure_of(h),
               "%s chain `%s %s %s` (hook %s%s) %s %s (network `%s`%s)%s",
               h->step.legacy ? "ip_tables" : "nf_tables", h->step.family, h->step.table,
               h->step.chain, hook,
               h->step.policy && h->step.verdict >= NFT_MAY_ACCEPT ? ", policy drop" : "",
               verdicts[h->step.verdict].verb, what, h->networks[0], more,
               verdicts[h->step.verdict].doubt);
}

static void check_ways(struct doctor *d, const struct way *ways, size_t count)
{
    struct hits all = {0};
    const uint16_t names_port = d->rules ? flow_names_port(d) : 0;
    for (size_t w = 0; d->rules && w < count; w++)
        for (size_t i = 0; i < d->network_count; i++)
            judge_network(d, &d->networks[i], &ways[w], names_port, &all);
    for (size_t i = 0; i < all.count; i++) {
        say_hit(d, &all.items[i]);
        clear_hit(&all.items[i]);
    }
    free(all.items);
}

/* Packets that this host forwards. */
int check_forward(struct doctor *d, struct err *e)
{
    (void)e;
    check_ways(d, forward_ways, ARRAY_LEN(forward_ways));
    return 0;
}

/* Packets to this host, and from it. */
int check_input(struct doctor *d, struct err *e)
{
    (void)e;
    check_ways(d, input_ways, ARRAY_LEN(input_ways));
    return 0;
}
