/* The firewall as one table of data: each rule stands beside its nft text. Start reading at SETS.
 * Table `inet netctr` has routing, NAT and isolation between networks; `bridge netctr_guard` has
 * anti-spoofing: what may be sent from the port of which container.
 *
 * A test loads the texts with nft (ruleset_text()) and compares the result in the kernel with that
 * of the steps, so a rule cannot differ from its text.
 */
#include "schema.h"

#include <netctr/nft.h>

#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

const struct field_type FIELDS[] = {
    [IFNAME] = {"ifname", 41, 16, HOST_ORDER},
    [IP4] = {"ipv4_addr", 7, 4, NETWORK_ORDER},
    [IP6] = {"ipv6_addr", 8, 16, NETWORK_ORDER},
    [ETHER] = {"ether_addr", 9, 6, NETWORK_ORDER},
    [PROTO] = {"inet_proto", 12, 1, HOST_ORDER},
    [PORT] = {"inet_service", 13, 2, NETWORK_ORDER},
    [ETHERTYPE] = {"ether_type", 10, 2, NETWORK_ORDER},
    [CTSTATE] = {"ct_state", 26, 4, HOST_ORDER},
    [ICMP6] = {"icmpv6_type", 29, 1, NETWORK_ORDER},
    [TARGET6] = {"integer", 4, 16, NETWORK_ORDER},
    [FAMILY] = {"nf_proto", 2, 1, HOST_ORDER},
};

/* The tables below are laid out by hand. */
/* clang-format off */

/* ---- SETS ---------------------------------------------------------------------------------*/

static const struct table INET = {NFPROTO_INET, "netctr", "inet",
                                  "netctr: container networking (`netctr doctor` checks it)"};
static const struct table GUARD = {NFPROTO_BRIDGE, "netctr_guard", "bridge",
                                   "netctr: anti-spoofing, a container sends only as itself"};
const struct table *const TABLES[] = {&INET, &GUARD};
const struct table NAT_HOLD = {NFPROTO_INET, "netctr_nat_hold", "inet",
                               "open connections live through a flush"};

/* Values in the host's byte order, as the kernel compares them. */
static const uint32_t INVALID = 1, ESTABLISHED = 2, RELATED = 4, EST_OR_REL = 2 | 4, DNATTED = 32;

/* nft's userdata for `typeof iifname . @th,64,128`: type, length, value. Numbers are 32 bits in the
 * host's order; nft defines their meanings (nftables/include/expression.h, nftables/src/meta.c,
 * nftables/src/payload.c). */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NUMBER(type, n) (type), 4, (n), 0, 0, 0
#else
#define NUMBER(type, n) (type), 4, 0, 0, 0, (n)
#endif
static const uint8_t TYPE_OF_TARGET[] = {
    NUMBER(0, 13),          /* a concatenation, */
    1, 56,                  /* 56 bytes: */
    0, 14, NUMBER(0, 9),    /*   field 0, 14 bytes: meta, */
    1, 6, NUMBER(0, 6),     /*     6 bytes: iifname */
    1, 38, NUMBER(0, 7),    /*   field 1, 38 bytes: payload, */
    1, 30, NUMBER(0, 0),    /*     30 bytes: of no protocol that nft knows, */
    NUMBER(1, 0),           /*     no field of it, */
    NUMBER(2, 3),           /*     in the transport header, */
    NUMBER(3, 64),          /*     from bit 64, */
    NUMBER(4, 128),         /*     128 bits */
};

#define ALL_NODES "\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\1"

static const struct fixed CT_STATES[] = {
    {&INVALID, NF_DROP, NULL}, {&ESTABLISHED, NF_ACCEPT, NULL}, {&RELATED, NF_ACCEPT, NULL},
};
static const struct fixed ICMP_PROTOCOLS[] = {{"\x01", 0, NULL}, {"\x3a", 0, NULL}};
static const struct fixed ETHER_TYPES[] = {{"\x08\x00", NFT_GOTO, "guard_ip"},
                                            {"\x08\x06", NFT_GOTO, "guard_arp"},
                                            {"\x86\xdd", NFT_GOTO, "guard_ip6"}};
static const struct fixed MLD_TYPES[] = {
    {"\x83", 0, NULL}, {"\x84", 0, NULL}, {"\x8f", 0, NULL}};

/* TCP, UDP, DCCP, GRE, ESP, ICMPv6, SCTP, UDP-Lite: none of them is an extension header of IPv6 */
static const struct fixed CARRIED_PROTOCOLS[] = {
    {"\x06", 0, NULL}, {"\x11", 0, NULL}, {"\x21", 0, NULL}, {"\x2f", 0, NULL},
    {"\x32", 0, NULL}, {"\x3a", 0, NULL}, {"\x84", 0, NULL}, {"\x88", 0, NULL}};

#define INET_SET(n, c) .table = &INET, .name = n, .comment = c
#define GUARD_SET(n, c) .table = &GUARD, .name = n, .comment = c
#define RANGES .flags = NFT_SET_INTERVAL
#define EXPIRES .flags = NFT_SET_TIMEOUT
#define FIXED(a, f) .fixed = a, .fixed_count = ARRAY_LEN(a), .flags = (f)
#define VALUES(a) FIXED(a, NFT_SET_ANONYMOUS | NFT_SET_CONSTANT)
#define VERDICTS(a) FIXED(a, NFT_SET_ANONYMOUS | NFT_SET_CONSTANT | NFT_SET_MAP)

#define HAIRPIN "from . to: a published port reached from its own network"
#define SUBNETS "container subnets: packets from elsewhere must not have these sources"
#define PUBLISHED_ANY "protocol . host port -> container (any host address)"
#define PUBLISHED_AT "host address . protocol . host port -> container"
#define ND_TARGETS "the same as addrs6, in the only form of an NA's target that nft reads back"
#define DNS_REDIRECT "network . its gateway . protocol -> the DNS server behind port 53"
#define DNS_LISTEN "protocol . port of the DNS server, which is reached by port 53 only"
#define ROUTED_PORTS "routed networks: container . protocol . port open to the outside"
#define CLOSED_FROM "host links that did not forward before netctr turned forwarding on"
#define CLOSED_TO "host links of that moment: what comes in by closed_from does not leave by them"
#define HOST_BRIDGES "the host's own bridges: bridged frames cross the forward hook and are not routed"
#define UNGUARDED "veths on networks made with --no-guard; every other vc-* is checked"

/* Elements of sets that change with each container may expire (NFT_SET_TIMEOUT, see expiry.h). */
const struct set SETS[SET_COUNT] = {
    [SET_NETWORKS] = {INET_SET("networks", "every bridge that netctr made"), .key = {IFNAME}},
    [SET_INTERNAL] = {INET_SET("internal",
                               "networks without a way in or out"),
                      .key = {IFNAME}},
    [SET_ISOLATED] = {INET_SET("isolated", "networks that cannot even reach the host"),
                      .key = {IFNAME}},
    [SET_MASQUERADED] = {INET_SET("masqueraded", "networks whose traffic leaves with the host's address"),
                    .key = {IFNAME}},
    [SET_LINKS] = {INET_SET("links", "from . to: bridges allowed to talk (a . a is ICC on)"),
                   .key = {IFNAME, IFNAME}},
    [SET_ROUTED] = {INET_SET("routed", "networks whose containers answer ping from outside"),
                    .key = {IFNAME}},
    [SET_UNISOLATED] = {INET_SET("unisolated", "networks that reach each other (isolate=false)"),
                  .key = {IFNAME}},
    [SET_HAIRPIN4] = {INET_SET("hairpin4", HAIRPIN), .key = {IP4, IP4}, RANGES},
    [SET_HAIRPIN6] = {INET_SET("hairpin6", HAIRPIN), .key = {IP6, IP6}, RANGES},
    [SET_SUBNETS4] = {INET_SET("subnets4", SUBNETS), .key = {IP4}, RANGES},
    [SET_SUBNETS6] = {INET_SET("subnets6", SUBNETS), .key = {IP6}, RANGES},
    [SET_PUBLISH4] = {INET_SET("publish4", PUBLISHED_ANY),
                      .key = {PROTO, PORT}, .data = {IP4, PORT}, EXPIRES},
    [SET_PUBLISH4_AT] = {INET_SET("publish4_at", PUBLISHED_AT),
                         .key = {IP4, PROTO, PORT}, .data = {IP4, PORT}, EXPIRES},
    [SET_PUBLISH6] = {INET_SET("publish6", PUBLISHED_ANY),
                      .key = {PROTO, PORT}, .data = {IP6, PORT}, EXPIRES},
    [SET_PUBLISH6_AT] = {INET_SET("publish6_at", PUBLISHED_AT),
                         .key = {IP6, PROTO, PORT}, .data = {IP6, PORT}, EXPIRES},
    [SET_ROUTED_PORTS4] = {INET_SET("routed_ports4", ROUTED_PORTS), .key = {IP4, PROTO, PORT}, EXPIRES},
    [SET_ROUTED_PORTS6] = {INET_SET("routed_ports6", ROUTED_PORTS), .key = {IP6, PROTO, PORT}, EXPIRES},
    [SET_DNS_REDIRECT4] = {INET_SET("dns_redirect4", DNS_REDIRECT),
                        .key = {IFNAME, IP4, PROTO}, .data = {IP4, PORT}},
    [SET_DNS_REDIRECT6] = {INET_SET("dns_redirect6", DNS_REDIRECT),
                        .key = {IFNAME, IP6, PROTO}, .data = {IP6, PORT}},
    [SET_DNS_LISTEN] = {INET_SET("dns_listen", DNS_LISTEN), .key = {PROTO, PORT}},
    [SET_CLOSED_FROM] = {INET_SET("closed_from", CLOSED_FROM), .key = {FAMILY, IFNAME}},
    [SET_CLOSED_TO] = {INET_SET("closed_to", CLOSED_TO), .key = {FAMILY, IFNAME}},
    [SET_HOST_BRIDGES] = {INET_SET("host_bridges", HOST_BRIDGES), .key = {IFNAME, IFNAME}},

    [SET_UNGUARDED] = {GUARD_SET("unguarded", UNGUARDED), .key = {IFNAME}, EXPIRES},
    [SET_MACS] = {GUARD_SET("macs", "veth . the MAC it was given"),
                  .key = {IFNAME, ETHER}, EXPIRES},
    [SET_ADDRS4] = {GUARD_SET("addrs4", "veth . the IPv4 it was given"),
                    .key = {IFNAME, IP4}, EXPIRES},
    [SET_ADDRS6] = {GUARD_SET("addrs6", "veth . the IPv6 it was given (global and link-local)"),
                    .key = {IFNAME, IP6}, EXPIRES},
    [SET_ND_TARGETS6] = {GUARD_SET("nd_targets6", ND_TARGETS), .key = {IFNAME, TARGET6}, EXPIRES,
                      .type_of = "iifname . @th,64,128", .type_of_data = TYPE_OF_TARGET,
                      .type_of_size = sizeof(TYPE_OF_TARGET)},

    [CT_VERDICTS] = {INET_SET("__map%d", NULL), .key = {CTSTATE}, VERDICTS(CT_STATES)},
    [PROTO_ICMP] = {INET_SET("__set%d", NULL), .key = {PROTO}, VALUES(ICMP_PROTOCOLS)},
    [GUARDED_TYPES] = {GUARD_SET("__map%d", NULL), .key = {ETHERTYPE}, VERDICTS(ETHER_TYPES)},
    [MLD_REPORTS] = {GUARD_SET("__set%d", NULL), .key = {ICMP6}, VALUES(MLD_TYPES)},
    [CARRIED] = {GUARD_SET("__set%d", NULL), .key = {PROTO}, VALUES(CARRIED_PROTOCOLS)},
};

/* ---- the words of rules -------------------------------------------------------------------*/

#define STEP(o, w, n) .op = o, .what = w, .size = n
#define IIF {STEP(META, NFT_META_IIFNAME, 16)}
#define OIF {STEP(META, NFT_META_OIFNAME, 16)}
#define NFPROTO {STEP(META, NFT_META_NFPROTO, 1)}
#define PROTOCOL {STEP(META, NFT_META_PROTOCOL, 2)}
#define L4PROTO {STEP(META, NFT_META_L4PROTO, 1)}
#define LINK(at, n) {STEP(PAYLOAD, NFT_PAYLOAD_LL_HEADER, n), .offset = at}
#define NET(at, n) {STEP(PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, n), .offset = at}
#define TRANSPORT(at, n) {STEP(PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, n), .offset = at}
#define ETHER_SADDR LINK(6, 6)
#define ETHER_TYPE LINK(12, 2)
#define IP_SADDR NET(12, 4)
#define IP_DADDR NET(16, 4)
#define IP6_SADDR NET(8, 16)
#define IP6_DADDR NET(24, 16)
#define ARP_OPERATION NET(6, 2)
#define ARP_ETHER NET(8, 6)
#define ARP_IP NET(14, 4)
#define DPORT TRANSPORT(2, 2)
#define ICMP_TYPE TRANSPORT(0, 1)
#define NA_TARGET TRANSPORT(8, 16)

#define EQ(n, bytes) {STEP(CMP, NFT_CMP_EQ, n), .data = bytes}
#define NEQ(n, bytes) {STEP(CMP, NFT_CMP_NEQ, n), .data = bytes}
#define GTE(n, bytes) {STEP(CMP, NFT_CMP_GTE, n), .data = bytes}
#define MASK(n, bytes) {STEP(AND, 0, n), .data = bytes}
#define ZEROS "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define LOOPBACK6 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"

/* Conditions of several steps. inet chains see both families, hence the checks before a field. */
/* "vc-*" compares the first three letters. */
#define IS_PORT IIF, EQ(3, "vc-")
#define IS_NO_PORT IIF, NEQ(3, "vc-")
#define NOT_LO IIF, NEQ(16, "lo\0\0\0\0\0\0\0\0\0\0\0\0\0\0")
#define IS_IP NFPROTO, EQ(1, "\x02")
#define IS_IP6 NFPROTO, EQ(1, "\x0a")
#define ETHER_IS_IP PROTOCOL, EQ(2, "\x08\x00")
#define ETHER_IS_IP6 PROTOCOL, EQ(2, "\x86\xdd")
#define IS_ARP ETHER_TYPE, EQ(2, "\x08\x06")
#define IS_ICMP L4PROTO, EQ(1, "\1")
#define IS_ICMP6 ETHER_TYPE, EQ(2, "\x86\xdd"), L4PROTO, EQ(1, "\x3a")
#define CT_HAS(key, bits) {STEP(CT, key, 4)}, MASK(4, &bits), NEQ(4, ZEROS)
#define CT_LACKS(key, bits) {STEP(CT, key, 4)}, MASK(4, &bits), EQ(4, ZEROS)
#define TO_LOCAL {STEP(FIB, 0, 4)}, EQ(4, &LOCAL)
#define TO_OTHER_THAN_ONE {STEP(FIB, 0, 4)}, NEQ(4, &UNICAST)

#define HAS_FRAGMENT_HEADER {STEP(HAS_EXTHDR, IPPROTO_FRAGMENT, 1)}, EQ(1, "\1")
#define FRAGMENT_NEXT {STEP(EXTHDR, IPPROTO_FRAGMENT, 1), .offset = 0}
#define FRAGMENT_OFFSET {STEP(EXTHDR, IPPROTO_FRAGMENT, 2), .offset = 2}, MASK(2, "\xff\xf8")

#define LOOKUP(set) {STEP(IN, set, 0)}
#define NOT(set) {STEP(NOT_IN, set, 0)}
#define MAPPED(set) {STEP(MAP, set, 0)}
#define DNAT_TO(family) {STEP(DNAT, family, 0)}
#define MASQUERADE {STEP(MASQ, 0, 0)}
#define COUNTER {STEP(COUNT, 0, 0)}
#define ACCEPT {STEP(VERDICT, NF_ACCEPT, 0)}
#define DROP {STEP(VERDICT, NF_DROP, 0)}
#define GOTO(chain) {STEP(VERDICT, (uint32_t)NFT_GOTO, 0), .data = chain}

static const uint32_t UNICAST = 1, LOCAL = 2; /* RTN_UNICAST, RTN_LOCAL */

/* ---- RULES --------------------------------------------------------------------------------*/

/* 1. Martians: before conntrack, before NAT. */
static const struct rule MARTIANS[] = {
    /* Packets of containers arrive through the bridge. A port is an input interface of its own only
     * if its bridge was deleted, or where the kernel delivers a frame without the bridge. */
    {"iifname \"vc-*\" counter drop", "the port of a container has lost its bridge",
     {IS_PORT, COUNTER, DROP}},
    {"iifname != \"lo\" ip daddr 127.0.0.0/8 counter drop", "loopback is never on a wire",
     {NOT_LO, IS_IP, NET(16, 1), EQ(1, "\x7f"), COUNTER, DROP}},
    {"iifname != \"lo\" ip saddr 127.0.0.0/8 counter drop", "loopback is never on a wire",
     {NOT_LO, IS_IP, NET(12, 1), EQ(1, "\x7f"), COUNTER, DROP}},
    {"iifname != \"lo\" ip6 daddr ::1 counter drop", "loopback is never on a wire",
     {NOT_LO, IS_IP6, IP6_DADDR, EQ(16, LOOPBACK6), COUNTER, DROP}},
    {"iifname != \"lo\" iifname != @networks ip saddr @subnets4 counter drop",
     "container address from outside",
     {NOT_LO, IIF, NOT(SET_NETWORKS), IS_IP, IP_SADDR, LOOKUP(SET_SUBNETS4), COUNTER, DROP}},
    {"iifname != \"lo\" iifname != @networks ip6 saddr @subnets6 counter drop",
     "container address from outside",
     {NOT_LO, IIF, NOT(SET_NETWORKS), IS_IP6, IP6_SADDR, LOOKUP(SET_SUBNETS6), COUNTER, DROP}},
};

/* 2. Publish: host port -> container. Only for the host's own addresses (CVE-2025-67499). */
static const struct rule PUBLISH[] = {
    {"dnat ip to ip daddr . meta l4proto . th dport map @publish4_at", NULL,
     {IS_IP, IP_DADDR, L4PROTO, DPORT, MAPPED(SET_PUBLISH4_AT), DNAT_TO(NFPROTO_IPV4)}},
    {"dnat ip6 to ip6 daddr . meta l4proto . th dport map @publish6_at", NULL,
     {IS_IP6, IP6_DADDR, L4PROTO, DPORT, MAPPED(SET_PUBLISH6_AT), DNAT_TO(NFPROTO_IPV6)}},
    {"dnat ip to meta l4proto . th dport map @publish4", NULL,
     {L4PROTO, DPORT, MAPPED(SET_PUBLISH4), DNAT_TO(NFPROTO_IPV4)}},
    {"dnat ip6 to meta l4proto . th dport map @publish6", NULL,
     {L4PROTO, DPORT, MAPPED(SET_PUBLISH6), DNAT_TO(NFPROTO_IPV6)}},
};
static const struct rule DNAT_PREROUTING[] = {
    /* Before `publish`: a published port 53 must not get a neighbour's DNS query. The bridge is part of the key because
     * another network's gateway is a local address, too. */
    {"th dport 53 dnat ip to iifname . ip daddr . meta l4proto map @dns_redirect4", "DNS",
     {DPORT, EQ(2, "\0\x35"), IS_IP, IIF, IP_DADDR, L4PROTO, MAPPED(SET_DNS_REDIRECT4),
      DNAT_TO(NFPROTO_IPV4)}},
    {"th dport 53 dnat ip6 to iifname . ip6 daddr . meta l4proto map @dns_redirect6", "DNS",
     {DPORT, EQ(2, "\0\x35"), IS_IP6, IIF, IP6_DADDR, L4PROTO, MAPPED(SET_DNS_REDIRECT6),
      DNAT_TO(NFPROTO_IPV6)}},
    {"iifname @internal accept", "internal networks see no published ports",
     {IIF, LOOKUP(SET_INTERNAL), ACCEPT}},
    {"fib daddr type local goto publish", NULL, {TO_LOCAL, GOTO("publish")}},
};
static const struct rule DNAT_OUTPUT[] = {
    {"ip6 daddr ::1 accept",
     "Linux cannot route replies to ::1 in from a bridge: the monitor proxies it",
     {IS_IP6, IP6_DADDR, EQ(16, LOOPBACK6), ACCEPT}},
    {"fib daddr type local goto publish", NULL, {TO_LOCAL, GOTO("publish")}},
};

/* 3. Forward: which networks may talk to which. */
static const struct rule FORWARD[] = {
    {"iifname != @networks oifname != @networks goto host_forward", "not netctr's traffic",
     {IIF, NOT(SET_NETWORKS), OIF, NOT(SET_NETWORKS), GOTO("host_forward")}},
    {"ct state vmap { invalid : drop, established : accept, related : accept }", NULL,
     {{STEP(CT, NFT_CT_STATE, 4)}, MAPPED(CT_VERDICTS)}},
    {"iifname . oifname @links accept", "same network, or linked",
     {IIF, OIF, LOOKUP(SET_LINKS), ACCEPT}},
    {"iifname @unisolated oifname @unisolated accept", "both are unisolated",
     {IIF, LOOKUP(SET_UNISOLATED), OIF, LOOKUP(SET_UNISOLATED), ACCEPT}},
    {"iifname @internal counter drop", "internal network: no way out",
     {IIF, LOOKUP(SET_INTERNAL), COUNTER, DROP}},
    {"oifname @internal counter drop", "internal network: no way in",
     {OIF, LOOKUP(SET_INTERNAL), COUNTER, DROP}},
    {"oifname @networks ct status dnat accept", "published port",
     {OIF, LOOKUP(SET_NETWORKS), CT_HAS(NFT_CT_STATUS, DNATTED), ACCEPT}},
    {"oifname @networks ip daddr . meta l4proto . th dport @routed_ports4 accept", "routed port",
     {OIF, LOOKUP(SET_NETWORKS), IS_IP, IP_DADDR, L4PROTO, DPORT, LOOKUP(SET_ROUTED_PORTS4), ACCEPT}},
    {"oifname @networks ip6 daddr . meta l4proto . th dport @routed_ports6 accept", "routed port",
     {OIF, LOOKUP(SET_NETWORKS), IS_IP6, IP6_DADDR, L4PROTO, DPORT, LOOKUP(SET_ROUTED_PORTS6), ACCEPT}},
    {"oifname @routed icmp type echo-request accept", "routed network: ping",
     {OIF, LOOKUP(SET_ROUTED), IS_IP, IS_ICMP, ICMP_TYPE, EQ(1, "\x08"), ACCEPT}},
    {"oifname @routed icmpv6 type echo-request accept", "routed network: ping",
     {OIF, LOOKUP(SET_ROUTED), IS_IP6, L4PROTO, EQ(1, "\x3a"), ICMP_TYPE, EQ(1, "\x80"), ACCEPT}},
    {"oifname @networks counter drop", "not published",
     {OIF, LOOKUP(SET_NETWORKS), COUNTER, DROP}},
};

/* If netctr had to enable forwarding, the host forwards for its containers, and not between its own
 * links. */
#define CONTAINERS_ONLY "forwarding is on for containers only (`netctr network forwarding`)"
static const struct rule HOST_FORWARD[] = {
    {"iifname . oifname @host_bridges accept", "bridged, or routed: see host_hairpin",
     {IIF, OIF, LOOKUP(SET_HOST_BRIDGES), ACCEPT}},
    {"meta nfproto . iifname @closed_from meta nfproto . oifname @closed_to counter drop",
     CONTAINERS_ONLY,
     {NFPROTO, IIF, LOOKUP(SET_CLOSED_FROM), NFPROTO, OIF, LOOKUP(SET_CLOSED_TO), COUNTER, DROP}},
};

/* In `forward`, a packet that is routed back through the bridge that it came from looks like a
 * bridged frame (br_netfilter). Here they differ: a bridged frame no longer has an iifname. The
 * host's own packets have none either, except IGMP, MLD, broadcasts and neighbour discovery, which
 * the kernel sends with the device already set. */
static const struct rule HOST_HAIRPIN[] = {
    {"ct state established accept", "its first packet was checked",
     {CT_HAS(NFT_CT_STATE, ESTABLISHED), ACCEPT}},
    {"iifname . oifname != @host_bridges accept", NULL, {IIF, OIF, NOT(SET_HOST_BRIDGES), ACCEPT}},
    {"fib daddr type != unicast accept", "the host's own", {TO_OTHER_THAN_ONE, ACCEPT}},
    {"ip6 hoplimit 255 accept", "the host's own: routing would have decremented it",
     {IS_IP6, NET(7, 1), EQ(1, "\xff"), ACCEPT}},
    {"meta nfproto . iifname @closed_from meta nfproto . oifname @closed_to counter drop", CONTAINERS_ONLY,
     {NFPROTO, IIF, LOOKUP(SET_CLOSED_FROM), NFPROTO, OIF, LOOKUP(SET_CLOSED_TO), COUNTER, DROP}},
};

/* The host itself. An internal network reaches it only for ICMP and DNS. */
static const struct rule INPUT[] = {
    {"iifname @isolated counter drop", "isolated network: the host is out of reach",
     {IIF, LOOKUP(SET_ISOLATED), COUNTER, DROP}},
    {"iifname @internal goto input_internal", NULL,
     {IIF, LOOKUP(SET_INTERNAL), GOTO("input_internal")}},
    {"meta l4proto . th dport @dns_listen ct status ! dnat counter drop", "DNS is for the containers of its network",
     {L4PROTO, DPORT, LOOKUP(SET_DNS_LISTEN), CT_LACKS(NFT_CT_STATUS, DNATTED), COUNTER, DROP}},
};
static const struct rule INPUT_INTERNAL[] = {
    {"ct state established,related accept", NULL, {CT_HAS(NFT_CT_STATE, EST_OR_REL), ACCEPT}},
    {"meta l4proto { icmp, ipv6-icmp } accept", NULL, {L4PROTO, LOOKUP(PROTO_ICMP), ACCEPT}},
    {"ct status dnat accept", "DNS", {CT_HAS(NFT_CT_STATUS, DNATTED), ACCEPT}},
    {"counter drop", "internal network: the host is out of reach", {COUNTER, DROP}},
};

/* 4. Masquerade: which source addresses others see. */
static const struct rule SOURCE_NAT[] = {
    {"ct status dnat ip saddr . ip daddr @hairpin4 masquerade", "hairpin",
     {CT_HAS(NFT_CT_STATUS, DNATTED), IS_IP, IP_SADDR, IP_DADDR, LOOKUP(SET_HAIRPIN4),
      MASQUERADE}},
    {"ct status dnat ip6 saddr . ip6 daddr @hairpin6 masquerade", "hairpin",
     {CT_HAS(NFT_CT_STATUS, DNATTED), IS_IP6, IP6_SADDR, IP6_DADDR, LOOKUP(SET_HAIRPIN6),
      MASQUERADE}},
    {"oifname @networks ip saddr 127.0.0.0/8 masquerade", "host's 127.0.0.1 -> container",
     {OIF, LOOKUP(SET_NETWORKS), IS_IP, NET(12, 1), EQ(1, "\x7f"), MASQUERADE}},
    {"iifname @masqueraded oifname != @networks ip daddr != 224.0.0.0/4 masquerade", "outgoing",
     {IIF, LOOKUP(SET_MASQUERADED), OIF, NOT(SET_NETWORKS), IS_IP, IP_DADDR, MASK(4, "\xf0\0\0\0"),
      NEQ(4, "\xe0\0\0\0"), MASQUERADE}},
    {"iifname @masqueraded oifname != @networks ip6 daddr != ff00::/8 masquerade", "outgoing",
     {IIF, LOOKUP(SET_MASQUERADED), OIF, NOT(SET_NETWORKS), IS_IP6, NET(24, 1), NEQ(1, "\xff"),
      MASQUERADE}},
};

/* The guard checks a container's frames before the bridge learns from them or forwards them. */
static const struct rule GUARD_ALL[] = {
    {"iifname != \"vc-*\" accept", "not a container's port", {IS_NO_PORT, ACCEPT}},
    {"iifname @unguarded accept", "--no-guard", {IIF, LOOKUP(SET_UNGUARDED), ACCEPT}},
    {"iifname . ether saddr != @macs counter drop", "not its MAC",
     {IIF, ETHER_SADDR, NOT(SET_MACS), COUNTER, DROP}},
    {"ether type vmap { ip : goto guard_ip, arp : goto guard_arp, ip6 : goto guard_ip6 }", NULL,
     {ETHER_TYPE, MAPPED(GUARDED_TYPES)}},
    {"counter drop", "neither IP nor ARP", {COUNTER, DROP}},
};
static const struct rule GUARD_IP[] = {
    {"iifname . ip saddr @addrs4 accept", NULL,
     {ETHER_IS_IP, IIF, IP_SADDR, LOOKUP(SET_ADDRS4), ACCEPT}},
    {"counter drop", "not its IPv4", {COUNTER, DROP}},
};
static const struct rule GUARD_ARP[] = {
    {"iifname . arp saddr ether @macs iifname . arp saddr ip @addrs4 accept", NULL,
     {IS_ARP, IIF, ARP_ETHER, LOOKUP(SET_MACS), IIF, ARP_IP, LOOKUP(SET_ADDRS4), ACCEPT}},
    {"iifname . arp saddr ether @macs arp operation request arp saddr ip 0.0.0.0 accept",
     "probe: is this address free?",
     {IS_ARP, IIF, ARP_ETHER, LOOKUP(SET_MACS), ARP_OPERATION, EQ(2, "\0\1"), ARP_IP, EQ(4, ZEROS),
      ACCEPT}},
    {"counter drop", "ARP for an address it does not own", {COUNTER, DROP}},
};
/* br_netfilter reassembles fragments and passes them on as one packet, so a neighbour would accept
 * neighbour discovery from fragments, which RFC 6980 forbids. So a packet passes only if its type
 * is visible: its chain of headers ends with the fragment header (RFC 7112), and ICMPv6 shows its
 * type in the first fragment. (A longer chain could end behind the packet's own end, in bytes of
 * the frame that are cut off before reassembly.)
 *
 * A rule does not match if its field cannot be loaded. So the checks that need a field come before
 * an accept.
 */
static const struct rule GUARD_IP6[] = {
    {"frag nexthdr != { dccp, esp, gre, ipv6-icmp, sctp, tcp, udp, udplite } counter drop",
     "a fragment must show what it carries",
     {ETHER_TYPE, EQ(2, "\x86\xdd"), FRAGMENT_NEXT, NOT(CARRIED), COUNTER, DROP}},
    {"iifname . ip6 saddr @addrs6 meta l4proto != ipv6-icmp accept", NULL,
     {ETHER_IS_IP6, IIF, IP6_SADDR, LOOKUP(SET_ADDRS6), L4PROTO, NEQ(1, "\x3a"), ACCEPT}},
    {"icmpv6 type >= mld-listener-query exthdr frag exists counter drop",
     "ND and MLD are never in fragments (RFC 6980)",
     {IS_ICMP6, ICMP_TYPE, GTE(1, "\x82"), HAS_FRAGMENT_HEADER, COUNTER, DROP}},
    {"icmpv6 type mld-listener-query counter drop", "containers are not routers",
     {IS_ICMP6, ICMP_TYPE, EQ(1, "\x82"), COUNTER, DROP}},
    {"icmpv6 type nd-router-advert counter drop", "containers are not routers (CVE-2020-10749)",
     {IS_ICMP6, ICMP_TYPE, EQ(1, "\x86"), COUNTER, DROP}},
    {"icmpv6 type nd-redirect counter drop", "containers are not routers",
     {IS_ICMP6, ICMP_TYPE, EQ(1, "\x89"), COUNTER, DROP}},
    {"icmpv6 type { mld-listener-report, mld-listener-done, mld2-listener-report } drop",
     "no container may ask for reports, and every port would get a copy",
     {IS_ICMP6, ICMP_TYPE, LOOKUP(MLD_REPORTS), DROP}},
    {"ip6 saddr :: icmpv6 type nd-neighbor-solicit accept", "DAD, before it has an address",
     {ETHER_IS_IP6, IP6_SADDR, EQ(16, ZEROS), L4PROTO, EQ(1, "\x3a"), ICMP_TYPE, EQ(1, "\x87"),
      ACCEPT}},
    {"iifname . ip6 saddr != @addrs6 counter drop", "not its IPv6",
     {ETHER_IS_IP6, IIF, IP6_SADDR, NOT(SET_ADDRS6), COUNTER, DROP}},
    {"ip6 daddr ff02::1 icmpv6 type nd-neighbor-advert @th,64,16 0xfe80 iifname . @th,64,128 "
     "@nd_targets6 drop",
     "its link-local address follows from the MAC, and every port would get a copy",
     {ETHER_IS_IP6, IP6_DADDR, EQ(16, ALL_NODES), L4PROTO, EQ(1, "\x3a"), ICMP_TYPE,
      EQ(1, "\x88"), TRANSPORT(8, 2), EQ(2, "\xfe\x80"), IIF, NA_TARGET,
      LOOKUP(SET_ND_TARGETS6), DROP}},
    {"icmpv6 type nd-neighbor-advert iifname . @th,64,128 @nd_targets6 accept", NULL,
     {IS_ICMP6, ICMP_TYPE, EQ(1, "\x88"), IIF, NA_TARGET, LOOKUP(SET_ND_TARGETS6), ACCEPT}},
    {"icmpv6 type nd-neighbor-advert counter drop", "NA for an address it does not own",
     {IS_ICMP6, ICMP_TYPE, EQ(1, "\x88"), COUNTER, DROP}},
    {"icmpv6 type != nd-neighbor-advert accept", NULL,
     {IS_ICMP6, ICMP_TYPE, NEQ(1, "\x88"), ACCEPT}},
    {"meta l4proto ipv6-icmp frag frag-off != 0 accept", "a later fragment: the type is in the first",
     {ETHER_TYPE, EQ(2, "\x86\xdd"), L4PROTO, EQ(1, "\x3a"), FRAGMENT_OFFSET, NEQ(2, ZEROS),
      ACCEPT}},
    {"counter drop", "its type is not visible", {COUNTER, DROP}},
};

#define RULES(a) (a), ARRAY_LEN(a)

const struct chain CHAINS[CHAIN_COUNT] = {
    {&INET, "martians", RULES(MARTIANS), "type filter hook prerouting priority raw",
     "filter", NF_INET_PRE_ROUTING, -300},
    {&INET, "publish", RULES(PUBLISH), NULL, NULL, 0, 0},
    {&INET, "dnat_prerouting", RULES(DNAT_PREROUTING), "type nat hook prerouting priority dstnat",
     "nat", NF_INET_PRE_ROUTING, -100},
    {&INET, "dnat_output", RULES(DNAT_OUTPUT), "type nat hook output priority -100",
     "nat", NF_INET_LOCAL_OUT, -100},
    {&INET, "forward", RULES(FORWARD), "type filter hook forward priority filter",
     "filter", NF_INET_FORWARD, 0},
    {&INET, "host_forward", RULES(HOST_FORWARD), NULL, NULL, 0, 0},
    {&INET, "host_hairpin", RULES(HOST_HAIRPIN), "type filter hook postrouting priority filter",
     "filter", NF_INET_POST_ROUTING, 0},
    {&INET, "input", RULES(INPUT), "type filter hook input priority filter",
     "filter", NF_INET_LOCAL_IN, 0},
    {&INET, "input_internal", RULES(INPUT_INTERNAL), NULL, NULL, 0, 0},
    {&INET, "source_nat", RULES(SOURCE_NAT), "type nat hook postrouting priority srcnat",
     "nat", NF_INET_POST_ROUTING, 100},

    {&GUARD, "guard", RULES(GUARD_ALL),
     "type filter hook prerouting priority dstnat", "filter", NF_INET_PRE_ROUTING, -300},
    {&GUARD, "guard_ip", RULES(GUARD_IP), NULL, NULL, 0, 0},
    {&GUARD, "guard_arp", RULES(GUARD_ARP), NULL, NULL, 0, 0},
    {&GUARD, "guard_ip6", RULES(GUARD_IP6), NULL, NULL, 0, 0},
};

/* clang-format on */

const char fw_delete_command[] =
    "nft delete table inet netctr; nft delete table bridge netctr_guard";

const char *schema_show_spoofing(const struct table *t)
{
    return t == &GUARD ? "nft list table bridge netctr_guard"
                       : "nft list chain inet netctr martians";
}

/* ---- questions ----------------------------------------------------------------------------*/

static bool is_table(const struct table *t, uint32_t family, const char *name)
{
    return t->family == family && streq(t->name, name);
}

const struct table *schema_find_table(uint32_t family, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(TABLES); i++)
        if (is_table(TABLES[i], family, name))
            return TABLES[i];
    return NULL;
}

bool schema_owns_table(uint32_t family, const char *name)
{
    return schema_find_table(family, name) || is_table(&NAT_HOLD, family, name) ||
           (family == NFPROTO_INET &&
            streq(name, "netctr_keeper")); /* its table in netctr 0.1; words: ok */
}

bool schema_counts_spoofing(const struct table *t, const char *chain)
{
    return t == &GUARD || (t == &INET && streq(chain, "martians"));
}

/* ---- text ---------------------------------------------------------------------------------*/

static void print_fields(FILE *out, const char *before, const enum field *f, size_t max)
{
    for (size_t i = 0; i < max && f[i]; i++)
        fprintf(out, "%s%s", i ? " . " : before, FIELDS[f[i]].name);
}

static void print_set(FILE *out, const struct set *s)
{
    fprintf(out, "\t%s %s {\n\t\t", s->data[0] ? "map" : "set", s->name);
    if (s->type_of)
        fprintf(out, "typeof %s", s->type_of);
    else
        print_fields(out, "type ", s->key, ARRAY_LEN(s->key));
    print_fields(out, " : ", s->data, ARRAY_LEN(s->data));
    if (s->flags & (NFT_SET_INTERVAL | NFT_SET_TIMEOUT))
        fprintf(out, "\n\t\tflags %s", s->flags & NFT_SET_INTERVAL ? "interval" : "timeout");
    fprintf(out, "\n\t\tcomment \"%s\"\n\t}\n\n", s->comment);
}

static void print_chain(FILE *out, const struct chain *c)
{
    fprintf(out, "\tchain %s {\n", c->name);
    if (c->text)
        fprintf(out, "\t\t%s; policy accept;\n", c->text);
    for (const struct rule *r = c->rules; r < c->rules + c->rule_count; r++)
        fprintf(out, r->comment ? "\t\t%s comment \"%s\"\n" : "\t\t%s\n", r->text, r->comment);
    fprintf(out, "\t}\n\n");
}

char *ruleset_text(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = nft_must(open_memstream(&text, &size));
    for (size_t t = 0; t < ARRAY_LEN(TABLES); t++) {
        fprintf(out, "table %s %s {\n\tcomment \"%s\"\n\n", TABLES[t]->family_name, TABLES[t]->name,
                TABLES[t]->comment);
        for (size_t i = 0; i < SET_NAMED_COUNT; i++)
            if (SETS[i].table == TABLES[t])
                print_set(out, &SETS[i]);
        for (size_t i = 0; i < ARRAY_LEN(CHAINS); i++)
            if (CHAINS[i].table == TABLES[t])
                print_chain(out, &CHAINS[i]);
        fprintf(out, "}\n");
    }
    fclose(out);
    return nft_must(text);
}
