/* Builds packets as they arrive at a hook, with what is known of them there. Source ports, marks
 * and lengths are never known. */
#include "doctor/flows.h"

#include <netctr/names.h>

#include <linux/if_arp.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>

enum { ICMP_PING = 8, ICMP6_PING = 128, SOLICIT = 135, ADVERT = 136, DNS_PORT = 53 };

/* A DNS query is redirected from port 53 to the name servers' port before it arrives at the hook
 * input. That port may change, so the suggested rule matches "ct status dnat". */
const struct flow_text flow_texts[FLOWS] = {
    [LEAVING] = {"packets from containers", false, "", ""},
    [ENTERING] = {"packets to their published ports", true, "", ""},
    [PORT] = {NULL, true, "", ""},
    [FETCHED] = {"replies to packets from containers", true, "", ""},
    [SERVED] = {"replies from published ports", false, "", ""},
    [BETWEEN] = {"packets between containers of one network", false, "", ""},
    [QUERIES] = {"DNS queries of containers to this host", false, "ct status dnat ",
                 "-m conntrack --ctstate DNAT "},
    [ANSWERS] = {"replies to DNS queries of containers", true, "", ""},
    [SOLICITS] = {"IPv6 neighbour discovery of containers, without which they have no IPv6", false,
                  "icmpv6 type nd-neighbor-solicit ",
                  "-p icmpv6 --icmpv6-type neighbour-solicitation "},
    [ADVERTS] = {"replies to IPv6 neighbour discovery of containers", true, "", ""},
    [PINGS] = {"pings of containers to this host", false, NULL, NULL},
};

bool flow_is_expected(const struct doctor *d, const struct network *n, int family, enum flow flow)
{
    const struct subnet *s = family == AF_INET ? &n->subnet4 : &n->subnet6;
    if (!s->prefix)
        return false;
    switch (flow) {
    case LEAVING:
    case ENTERING:
    case PORT:
    case FETCHED:
    case SERVED: return network_has_gateway(n);
    case BETWEEN: return n->icc;
    case QUERIES:
    case ANSWERS: return !d->any_defined || network_is_served(n);
    case SOLICITS:
    case ADVERTS: return family == AF_INET6 && n->mode != GATEWAY_ISOLATED;
    case PINGS: return n->mode != GATEWAY_ISOLATED;
    }
    return false;
}

uint16_t flow_names_port(const struct doctor *d)
{
    if (!d->store)
        return NAMES_PORT;
    const struct engine engine = {.store = *d->store};
    _cleanup_json_ json_t *helpers = engine_helpers(&engine);
    int64_t port = json_int(helpers, "names_port", 0);
    return port > 0 && port <= UINT16_MAX ? (uint16_t)port : NAMES_PORT;
}

struct nft_place flow_place(const struct way *way, int family)
{
    const uint8_t ip = family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6;
    return (struct nft_place){.family = way->layer == AT_IP       ? ip
                                        : way->layer == AT_BRIDGE ? NFPROTO_BRIDGE
                                                                  : NFPROTO_NETDEV,
                              .hook = way->hook};
}

/* ---- devices ---------------------------------------------------------------------------------*/

static struct nft_device device(const struct doctor *d, const char *name)
{
    const struct link *l = name ? doctor_link(d, name) : NULL;
    return (struct nft_device){.name = name, .index = l ? (uint32_t)l->index : 0};
}

static void set_ip_devices(struct nft_packet *p, const struct packet_request *q)
{
    const struct nft_device none = {.name = ""}, bridge = device(q->d, q->network->bridge),
                            uplink = device(q->d, doctor_uplink(q->d));
    const bool local = q->flow >= QUERIES;
    p->in = flow_texts[q->flow].out ? (local ? none : uplink) : bridge;
    p->out = flow_texts[q->flow].out ? bridge : local ? none : uplink;
    if (q->way->hook == NF_INET_PRE_ROUTING)
        p->out = none;
}

static void set_bridge_devices(struct nft_packet *p, const struct packet_request *q)
{
    const struct nft_device none = {.name = ""}, bridge = device(q->d, q->network->bridge),
                            port = device(q->d, q->ep ? q->ep->host_veth : NULL);
    const bool between = q->flow == BETWEEN, out = flow_texts[q->flow].out;
    switch (q->way->hook) {
    case NF_INET_PRE_ROUTING:
    case NF_INET_LOCAL_IN:
        p->in = port;
        p->out = none;
        break;
    case NF_INET_FORWARD: p->in = port; break; /* the packet leaves by another bridge */
    default: p->in = none; p->out = port;
    }
    if (!out || between)
        p->bridge_in = bridge;
    if (out || between)
        p->bridge_out = bridge;
}

static void set_devices(struct nft_packet *p, const struct packet_request *q)
{
    const struct nft_device none = {.name = ""}, unknown = {0};
    struct nft_device here = unknown;
    switch (q->way->layer) {
    case AT_IP: set_ip_devices(p, q); return;
    case AT_BRIDGE: set_bridge_devices(p, q); return;
    case AT_UPLINK: here = device(q->d, doctor_uplink(q->d)); break;
    case AT_BRIDGE_DEVICE: here = device(q->d, q->network->bridge); break;
    case AT_VETH: here = device(q->d, q->ep->host_veth); break;
    }
    p->in = q->way->hook == NF_NETDEV_INGRESS ? here : unknown;
    p->out = q->way->hook == NF_NETDEV_INGRESS ? none : here;
}

/* ---- packets ---------------------------------------------------------------------------------*/

void flow_set_ct(struct nft_packet *p, bool reply, bool dnat)
{
    const uint32_t known = IPS_DST_NAT | IPS_SEEN_REPLY;
    p->ct_state =
        nft_known(reply ? NF_CT_STATE_BIT(IP_CT_ESTABLISHED) : NF_CT_STATE_BIT(IP_CT_NEW));
    p->ct_status = (struct nft_bits){
        .value = (dnat ? IPS_DST_NAT : 0u) | (reply ? IPS_SEEN_REPLY : 0u), .known = known};
    p->ct_direction = nft_known(reply ? IP_CT_DIR_REPLY : IP_CT_DIR_ORIGINAL);
}

/* At this hook the destination is still an address of this host. */
static bool is_before_dnat(const struct way *way)
{
    return way->layer == AT_UPLINK || (way->layer == AT_IP && way->hook == NF_INET_PRE_ROUTING);
}

/* An unknown address of the network: only the bits of its prefix are known. */
static void set_container(struct nft_packet *p, const struct packet_request *q, bool source)
{
    const bool four = q->family == AF_INET;
    const struct subnet *s = four ? &q->network->subnet4 : &q->network->subnet6;
    const struct ip first = subnet_host(s, 0);
    const size_t at = four ? (source ? 12 : 16) : (source ? 8 : 24);
    if (source)
        nft_packet_source(p, &first);
    else
        nft_packet_destination(p, &first);
    for (size_t bit = s->prefix; bit < 8 * ip_size(&first); bit++)
        p->network.known[at + bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
}

static void describe_port(struct nft_packet *p, const struct packet_request *q)
{
    const struct port_mapping *port = q->port;
    const bool six = q->family == AF_INET6, before = !q->ep->routed && is_before_dnat(q->way);
    const struct ip *host =
        port->host.family == q->family && !ip_is_any(&port->host) ? &port->host : NULL;
    nft_packet_protocol(p, port->protocol);
    nft_packet_ports(p, 0, before ? port->host_port : port->port);
    if (!before)
        nft_packet_destination(p, six ? &q->ep->address6 : &q->ep->address4);
    else if (host)
        nft_packet_destination(p, host);
    p->changes_destination = before;
    if (before)
        p->destination_type = nft_known(RTN_LOCAL);
    flow_set_ct(p, false, !q->ep->routed && !before);
    if (before) /* DNAT comes at this hook */
        p->ct_status.known &= ~(uint32_t)IPS_DST_NAT;
}

/* What passes through this host. */
static void describe_traffic(struct nft_packet *p, const struct packet_request *q)
{
    const struct network *n = q->network;
    const bool nat = n->mode == GATEWAY_NAT, at_ip = q->way->layer == AT_IP;
    nft_packet_protocol(p, IPPROTO_TCP);
    switch (q->flow) {
    case LEAVING:
    case SERVED:
        flow_set_ct(p, q->flow == SERVED, q->flow == SERVED);
        p->changes_source = at_ip && (q->flow == SERVED || nat);
        if (q->way->layer != AT_UPLINK || !nat)
            set_container(p, q, true);
        break;
    case ENTERING:
    case FETCHED:
        flow_set_ct(p, q->flow == FETCHED, q->flow == ENTERING);
        if (q->flow == FETCHED ? !nat || !is_before_dnat(q->way) : !is_before_dnat(q->way))
            set_container(p, q, false);
        p->changes_destination = at_ip;
        break;
    case PORT: describe_port(p, q); break;
    default: flow_set_ct(p, false, false); break;
    }
}

/* What goes to this host, or comes from it. */
static void describe_local(struct nft_packet *p, const struct packet_request *q)
{
    const bool four = q->family == AF_INET, out = flow_texts[q->flow].out, ping = q->flow == PINGS,
               early = q->way->layer != AT_IP || q->way->hook == NF_INET_PRE_ROUTING;
    const struct ip *gateway = four ? &q->network->gateway4 : &q->network->gateway6;
    if (q->flow == SOLICITS || q->flow == ADVERTS) {
        nft_packet_protocol(p, IPPROTO_ICMPV6);
        nft_packet_icmp_type(p, q->flow == SOLICITS ? SOLICIT : ADVERT);
        p->ct_state = nft_known(NF_CT_STATE_UNTRACKED_BIT); /* conntrack does not follow it */
        return;
    }
    nft_packet_protocol(p, !ping ? q->protocol : four ? IPPROTO_ICMP : IPPROTO_ICMPV6);
    set_container(p, q, !out);
    if (out)
        nft_packet_source(p, gateway);
    else
        nft_packet_destination(p, gateway);
    flow_set_ct(p, out, !ping);
    if (ping)
        nft_packet_icmp_type(p, four ? ICMP_PING : ICMP6_PING);
    else if (!out)
        nft_packet_ports(p, 0, early ? DNS_PORT : q->names_port);
    else if (q->way->hook == NF_INET_LOCAL_OUT && !early) /* later its port is 53 again */
        nft_packet_ports(p, q->names_port, 0);
    if (early && !out && !ping) { /* DNAT comes at this hook */
        p->changes_destination = true;
        p->ct_status.known &= ~(uint32_t)IPS_DST_NAT;
    }
}

struct nft_packet flow_packet(const struct packet_request *q)
{
    struct nft_packet p = {0};
    nft_packet_ip(&p, q->family);
    if (q->way->layer != AT_IP)
        nft_packet_ethernet(&p, NULL, NULL);
    set_devices(&p, q);
    if (q->arp) {
        const struct ip unknown = {0};
        nft_packet_arp(&p, ARPOP_REQUEST, &unknown, &unknown);
        return p;
    }
    if (q->flow >= QUERIES)
        describe_local(&p, q);
    else
        describe_traffic(&p, q);
    return p;
}
