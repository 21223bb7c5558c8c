/* The packets that netctr promises to let pass, as they arrive at each hook, and the chains that stop them. */
#pragma once

#include "doctor/doctor.h"

enum flow {
    LEAVING,
    ENTERING,
    PORT, /* ENTERING by one published port */
    FETCHED,
    SERVED,
    BETWEEN,
    QUERIES,
    ANSWERS,
    SOLICITS,
    ADVERTS,
    PINGS,
};
#define FLOWS ((enum flow)(PINGS + 1))
#define FLOW(f) (1u << (f))
#define TRAFFIC (FLOW(LEAVING) | FLOW(ENTERING) | FLOW(PORT) | FLOW(FETCHED) | FLOW(SERVED))

/** Where chains are: in the IP stack, in the bridge, or at one of the devices on the way. */
enum layer { AT_IP, AT_BRIDGE, AT_UPLINK, AT_BRIDGE_DEVICE, AT_VETH };

/** The packets at one hook that one finding names. */
struct way {
    enum layer layer;
    uint8_t hook;
    unsigned flows;
};

/** A packet to be evaluated. */
struct packet_request {
    const struct doctor *d;
    const struct network *network;
    int family;
    const struct way *way;
    enum flow flow;
    const struct endpoint *ep;       /* AT_VETH and PORT: the endpoint; AT_BRIDGE: may be NULL */
    const struct port_mapping *port; /* PORT */
    uint8_t protocol;                /* QUERIES, ANSWERS */
    bool arp; /* BETWEEN: an ARP packet, by which neighbours find each other in IPv4 */
    uint16_t names_port;
};

extern const struct flow_text {
    const char *text;
    bool out;                   /* the packet leaves by the bridge; otherwise it comes in by it */
    const char *nft, *iptables; /* further conditions of a rule that accepts it */
} flow_texts[FLOWS];

bool flow_is_expected(const struct doctor *d, const struct network *n, int family, enum flow flow);
struct nft_packet flow_packet(const struct packet_request *q);
struct nft_place flow_place(const struct way *way, int family);
/** The port of the name servers. */
uint16_t flow_names_port(const struct doctor *d);
/** Sets the packet's connection: nft_packet.ct_…. */
void flow_set_ct(struct nft_packet *p, bool reply, bool dnat);

/** A chain that drops packets, with all packets that it drops. */
struct hit {
    struct nft_step step;
    const struct way *way;
    unsigned flows, families; /* families: 1 << 4, 1 << 6 */
    strv networks, bridges, subnets, ports;
    strv accept;     /* how nft rules match these packets */
    strv accept_ipt; /* the same for iptables; only of PORT and FETCHED before routing */
};

/** A command that makes the chain accept them; caller frees. (cures.c) */
char *cure_of(const struct hit *h);
/** Adds the matches that the cure needs for a packet that was dropped. */
void cure_note(struct hit *h, const struct packet_request *q);
