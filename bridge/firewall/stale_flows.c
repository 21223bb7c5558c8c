/* Ends flows in conntrack when a published port gains or loses its container.
 *
 * NAT is decided once per flow, by its first packet, and a client that keeps sending UDP keeps its
 * flow alive. A flow that started before the port was published never reaches the container; one
 * that started before the container ended never reaches the next one. TCP does not need this: its
 * next SYN starts a new flow.
 *
 * A port counts as the host's if the ruleset's `fib daddr type local` matches the address, that is,
 * by the local routing table. A flow to port 53 of another host has the same port number and must
 * stay.
 */
#include "firewall.h"

#include <errno.h>
#include <string.h>

struct port {
    struct ip host;
    bool any; /* every local address of host's family */
    uint8_t protocol;
    uint16_t number;
    /* The container that receives the flow. */
    struct ip container;
    uint16_t container_port;
};

/* The entries to delete: flows to these ports that another socket receives, or with @unpublished
 * those that the container receives; and flows from or to these addresses. */
struct plan {
    struct port *ports; /* by number */
    size_t port_count;
    bool unpublished;
    const struct ip *addresses;
    size_t address_count;
    uint16_t dns_port; /* also DNS queries that are redirected to this port; 0: none */
    /* The host's own addresses, read when the first entry needs them. */
    struct address *locals;
    size_t local_count;
    bool locals_known;
    int failure;     /* for reading the local addresses, or for deletions */
    struct nft *nft; /* for deletions, while another connection reads; NULL: not opened yet */
};

static void plan_clear(struct plan *p)
{
    free(p->ports);
    free(p->locals);
    nft_close(p->nft);
}
#define _cleanup_plan_ __attribute__((cleanup(plan_clear)))

/* ---- which flows? ----------------------------------------------------------------------------*/

static int take_local(const struct address *a, void *arg)
{
    struct plan *p = arg;
    p->locals = xrealloc(p->locals, p->local_count + 1, sizeof(*p->locals));
    p->locals[p->local_count++] = *a;
    return 0;
}

static int find_locals(struct plan *p)
{
    _cleanup_rt_ struct rt *rt = NULL;
    int r = rt_open(&rt, NULL);
    return r == 0 ? rt_each_local(rt, take_local, p, NULL) : r;
}

static bool contains(const struct address *local, const struct ip *a)
{
    const uint8_t *x = local->ip.bytes, *y = a->bytes;
    size_t whole = local->prefix / 8, rest = local->prefix % 8;
    return local->ip.family == a->family && local->prefix <= ip_size(a) * 8 &&
           memcmp(x, y, whole) == 0 && (!rest || (x[whole] ^ y[whole]) >> (8 - rest) == 0);
}

static bool is_local(struct plan *p, const struct ip *a)
{
    if (!p->locals_known) {
        p->locals_known = true;
        p->failure = find_locals(p);
    }
    for (size_t i = 0; i < p->local_count; i++)
        if (contains(&p->locals[i], a))
            return true;
    return false;
}

static int by_number(const void *a, const void *b)
{
    return ((const struct port *)a)->number - ((const struct port *)b)->number;
}

static bool is_answered_wrongly(struct plan *p, const struct ct_flow *f)
{
    const struct port key = {.number = f->dst_port}, *end = p->ports + p->port_count;
    const struct port *port =
        p->port_count ? bsearch(&key, p->ports, p->port_count, sizeof(key), by_number) : NULL;
    while (port && port > p->ports && port[-1].number == f->dst_port)
        port--;
    for (; port && port < end && port->number == f->dst_port; port++)
        if (port->protocol == f->protocol && port->host.family == f->dst.family &&
            (port->any ? is_local(p, &f->dst) : ip_equal(&port->host, &f->dst)))
            return p->unpublished == (ip_equal(&port->container, &f->answers) &&
                                      port->container_port == f->answers_port);
    return false;
}

static bool has_end(const struct plan *p, const struct ct_flow *f)
{
    for (size_t i = 0; i < p->address_count; i++)
        if (ip_equal(&p->addresses[i], &f->src) || ip_equal(&p->addresses[i], &f->dst) ||
            ip_equal(&p->addresses[i], &f->answers))
            return true;
    return false;
}

static bool is_query(const struct plan *p, const struct ct_flow *f)
{
    return p->dns_port && f->protocol == IPPROTO_UDP && f->dst_port == 53 &&
           f->answers_port == p->dns_port;
}

/* ---- end them --------------------------------------------------------------------------------*/

static void judge(const struct ct_flow *f, void *arg)
{
    struct plan *p = arg;
    if (!has_end(p, f) && !is_answered_wrongly(p, f) && !is_query(p, f))
        return;
    int r = p->nft ? 0 : nft_open(&p->nft, NULL);
    if (r == 0)
        r = conntrack_delete(p->nft, f);
    p->failure = p->failure ? p->failure : r;
}

/* Reads the flows of one protocol, or of one port if only that is looked for. */
static struct ct_hint hint_of(const struct plan *p)
{
    if (p->address_count || p->dns_port || !p->port_count)
        return (struct ct_hint){.ipv4 = true, .ipv6 = true};
    struct ct_hint hint = {.protocol = p->ports[0].protocol, .dst_port = p->ports[0].number};
    for (size_t i = 0; i < p->port_count; i++) {
        *(p->ports[i].host.family == AF_INET ? &hint.ipv4 : &hint.ipv6) = true;
        if (p->ports[i].protocol != hint.protocol)
            hint.protocol = 0;
        if (p->ports[i].number != hint.dst_port)
            hint.dst_port = 0;
    }
    return hint;
}

static int end_flows(struct plan *p, struct err *e)
{
    if (p->port_count + p->address_count == 0 && !p->dns_port)
        return 0;
    struct nft *nft;
    int r = nft_open(&nft, e);
    if (r < 0)
        return r;
    const struct ct_hint hint = hint_of(p);
    r = conntrack_each(nft, &hint, judge, p);
    nft_close(nft);
    if (r == -EOPNOTSUPP)
        return err_say(e, r, "this kernel cannot list connections (module nf_conntrack_netlink)");
    r = r < 0 ? r : p->failure;
    return r < 0 ? err_set(e, r, "end the connections of published ports") : 0;
}

/* ---- the reasons -----------------------------------------------------------------------------*/

static void add_port(struct plan *p, const struct fw_publish *publish)
{
    bool v4 = publish->family == AF_INET;
    struct port *port = &p->ports[p->port_count++];
    *port = (struct port){.any = publish->any_address,
                          .protocol = publish->protocol,
                          .number = publish->host_port,
                          .container_port = publish->to_port};
    port->host.family = port->container.family = publish->family;
    memcpy(port->host.bytes, v4 ? (const void *)&publish->host4 : &publish->host6,
           ip_size(&port->host));
    memcpy(port->container.bytes, v4 ? (const void *)&publish->to4 : &publish->to6,
           ip_size(&port->container));
}

static int end_at_ports(const struct fw_publish *publishes, size_t count, bool unpublished,
                        struct err *e)
{
    _cleanup_plan_ struct plan p = {.unpublished = unpublished};
    p.ports = xcalloc(count, sizeof(*p.ports));
    for (size_t i = 0; i < count; i++)
        if (!publishes[i].routed && publishes[i].protocol != IPPROTO_TCP)
            add_port(&p, &publishes[i]);
    qsort(p.ports, p.port_count, sizeof(*p.ports), by_number);
    return end_flows(&p, e);
}

int flows_end_stale(const struct fw_publish *live, size_t count, struct err *e)
{
    return end_at_ports(live, count, false, e);
}

int flows_end_ports(struct fw *fw, const struct fw_publish *ended, size_t count, struct err *e)
{
    fw_await_ports(fw);
    return end_at_ports(ended, count, true, e);
}

int flows_end_dns(uint16_t port, struct err *e)
{
    _cleanup_plan_ struct plan p = {.dns_port = port};
    return end_flows(&p, e);
}

int flows_end_addresses(struct fw *fw, const struct ip *addresses, size_t count, struct err *e)
{
    _cleanup_plan_ struct plan p = {.addresses = addresses, .address_count = count};
    fw_await_flow_ports(fw);
    return end_flows(&p, e);
}
