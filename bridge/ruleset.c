/* The firewall as one table of data. Read it from SETS down: every rule stands beside its nft text.
 *
 *   inet   netctr        routing, NAT and isolation between networks
 *   bridge netctr_guard  who may say what on which container's port
 *
 * A rule is a list of steps. A step that loads a field puts it behind those loaded before it, each
 * padded to 32 bits: that is how nf_tables lays out concatenated keys. A step that compares or looks
 * up takes all that is loaded. So no rule speaks of registers, and a key has one layout for the
 * rules that look it up and the elements that are added.
 *
 * The texts are not decoration: ruleset_text() prints them, and a test loads them by nft and
 * compares what the kernel then holds with what the steps made.
 */
#include "ruleset.h"

#include "nft_expr.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

/* ---- the shape of the data ----------------------------------------------------------------*/

/* Types of fields. The number is nft's own id of the type (datatype.h in its source): it is what
 * `nft list` goes by. A key of several fields has their ids side by side, 6 bits each. */
enum field { NO_FIELD, IFNAME, IP4, IP6, ETHER, PROTO, PORT, ETHERTYPE, CTSTATE, ICMP6, TARGET6 };
enum { HOST_ORDER = 1, NETWORK_ORDER = 2, TYPE_BITS = 6, KEY_MAX = 64 };

static const struct {
    const char *name;
    uint8_t type, size, byte_order;
} fields[] = {
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
};

struct table {
    uint8_t family;
    const char *name, *family_name, *comment;
};

/* An element that a set is made with and keeps. */
struct fixed {
    const void *key;
    int32_t verdict; /* verdict maps */
    const char *chain;
};

struct set {
    const struct table *table;
    const char *name, *comment;
    enum field key[3], data[2]; /* data: maps to values */
    uint32_t flags;
    const struct fixed *fixed; /* anonymous sets */
    uint32_t fixed_count;
    const char *type_of;         /* nft's text for a key whose type has no name, … */
    const uint8_t *type_of_data; /* … and the same as nft's userdata */
    uint8_t type_of_size;
};

enum op { NO_STEP, META, CT, PAYLOAD, FIB, CMP, AND, IN, NOT_IN, MAP, DNAT, MASQ, COUNT, VERDICT };

struct step {
    enum op op;
    uint32_t what;    /* key, header, comparison, set, family or verdict */
    uint32_t size;    /* bytes loaded, compared or masked */
    uint32_t offset;  /* PAYLOAD: within the header */
    const void *data; /* what to compare with, the mask, or the chain to go to */
};

struct rule {
    const char *text;
    const char *comment;
    struct step steps[12];
};

struct chain {
    const struct table *table;
    const char *name;
    const struct rule *rules;
    size_t rule_count;
    const char *text, *type; /* NULL: not on a hook */
    uint32_t hook;
    int32_t priority;
};

/* The tables below are laid out by hand. */
/* clang-format off */

/* ---- SETS ---------------------------------------------------------------------------------*/

static const struct table INET = {NFPROTO_INET, "netctr", "inet",
                                  "netctr: container networking (see netctr-firewall(7))"};
static const struct table GUARD = {NFPROTO_BRIDGE, "netctr_guard", "bridge",
                                   "netctr: a container speaks only as itself"};
static const struct table *const TABLES[] = {&INET, &GUARD};

/* Values in the host's byte order, as the kernel compares them. */
static const uint32_t INVALID = 1, ESTABLISHED = 2, RELATED = 4, EST_OR_REL = 2 | 4, DNATTED = 32;

/* nft's userdata for `typeof iifname . @th,64,128`: type, length, value; numbers are 32 bits in the
 * host's order, their meanings are nft's (expression.h, meta.c, payload.c). */
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

/* Sets that rules bring along, behind the named ones. */
enum { CT_VERDICTS = SET_NAMED_COUNT, PROTO_ICMP, SPEAKS_WHAT, BEFORE_ADDRESS,
       SET_COUNT };

static const struct fixed CT_STATES[] = {
    {&INVALID, NF_DROP, NULL}, {&ESTABLISHED, NF_ACCEPT, NULL}, {&RELATED, NF_ACCEPT, NULL},
};
static const struct fixed ICMP_PROTOCOLS[] = {{"\x01", 0, NULL}, {"\x3a", 0, NULL}};
static const struct fixed ETHER_TYPES[] = {{"\x08\x00", NFT_GOTO, "speaks_ip"},
                                            {"\x08\x06", NFT_GOTO, "speaks_arp"},
                                            {"\x86\xdd", NFT_GOTO, "speaks_ip6"}};
static const struct fixed DAD_TYPES[] = {
    {"\x83", 0, NULL}, {"\x87", 0, NULL}, {"\x8f", 0, NULL}};

#define INET_SET(n, c) .table = &INET, .name = n, .comment = c
#define GUARD_SET(n, c) .table = &GUARD, .name = n, .comment = c
#define RANGES .flags = NFT_SET_INTERVAL
#define EXPIRES .flags = NFT_SET_TIMEOUT
#define FIXED(a, f) .fixed = a, .fixed_count = ARRAY_LEN(a), .flags = (f)
#define VALUES(a) FIXED(a, NFT_SET_ANONYMOUS | NFT_SET_CONSTANT)
#define VERDICTS(a) FIXED(a, NFT_SET_ANONYMOUS | NFT_SET_CONSTANT | NFT_SET_MAP)

#define TURNAROUNDS "from . to: a published port reached from its own network (hairpin)"
#define SUBNETS "container subnets: nobody outside may claim these sources"
#define PUBLISHED_ANY "protocol . host port -> container (any host address)"
#define PUBLISHED_AT "host address . protocol . host port -> container"
#define TARGETS "the same as addrs6, in the only spelling of an NA's target that nft reads back"
#define RESOLVERS "network . its gateway . protocol -> who answers there on port 53"
#define DOORS "where names are told: only by way of port 53"
#define EXPOSED "routed networks: container . protocol . port open to the world"

/* Sets that change with every container may expire (NFT_SET_TIMEOUT): see fw_expire(). */
static const struct set SETS[SET_COUNT] = {
    [SET_NETWORKS] = {INET_SET("networks", "every bridge that netctr made"), .key = {IFNAME}},
    [SET_INTERNAL] = {INET_SET("internal",
                               "networks that neither reach nor are reached from outside"),
                      .key = {IFNAME}},
    [SET_ISOLATED] = {INET_SET("isolated", "networks that do not even have the host"),
                      .key = {IFNAME}},
    [SET_NATTED] = {INET_SET("natted", "networks whose traffic leaves with the host's own address"),
                    .key = {IFNAME}},
    [SET_LINKS] = {INET_SET("links", "from . to: bridges allowed to talk (a . a is ICC on)"),
                   .key = {IFNAME, IFNAME}},
    [SET_OPEN] = {INET_SET("open", "networks that reach each other (isolate=false)"),
                  .key = {IFNAME}},
    [SET_TURNAROUNDS4] = {INET_SET("turnarounds4", TURNAROUNDS), .key = {IP4, IP4}, RANGES},
    [SET_TURNAROUNDS6] = {INET_SET("turnarounds6", TURNAROUNDS), .key = {IP6, IP6}, RANGES},
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
    [SET_EXPOSED4] = {INET_SET("exposed4", EXPOSED), .key = {IP4, PROTO, PORT}, EXPIRES},
    [SET_EXPOSED6] = {INET_SET("exposed6", EXPOSED), .key = {IP6, PROTO, PORT}, EXPIRES},
    [SET_RESOLVERS4] = {INET_SET("resolvers4", RESOLVERS),
                        .key = {IFNAME, IP4, PROTO}, .data = {IP4, PORT}},
    [SET_RESOLVERS6] = {INET_SET("resolvers6", RESOLVERS),
                        .key = {IFNAME, IP6, PROTO}, .data = {IP6, PORT}},
    [SET_DOORS4] = {INET_SET("doors4", DOORS), .key = {IP4, PORT}},
    [SET_DOORS6] = {INET_SET("doors6", DOORS), .key = {IP6, PORT}},

    [SET_PORTS] = {GUARD_SET("ports", "guarded host-side veths"), .key = {IFNAME}, EXPIRES},
    [SET_MACS] = {GUARD_SET("macs", "veth . the MAC it was given"),
                  .key = {IFNAME, ETHER}, EXPIRES},
    [SET_ADDRS4] = {GUARD_SET("addrs4", "veth . the IPv4 it was given"),
                    .key = {IFNAME, IP4}, EXPIRES},
    [SET_ADDRS6] = {GUARD_SET("addrs6", "veth . the IPv6 it was given (global and link-local)"),
                    .key = {IFNAME, IP6}, EXPIRES},
    [SET_TARGETS6] = {GUARD_SET("targets6", TARGETS), .key = {IFNAME, TARGET6}, EXPIRES,
                      .type_of = "iifname . @th,64,128", .type_of_data = TYPE_OF_TARGET,
                      .type_of_size = sizeof(TYPE_OF_TARGET)},

    [CT_VERDICTS] = {INET_SET("__map%d", NULL), .key = {CTSTATE}, VERDICTS(CT_STATES)},
    [PROTO_ICMP] = {INET_SET("__set%d", NULL), .key = {PROTO}, VALUES(ICMP_PROTOCOLS)},
    [SPEAKS_WHAT] = {GUARD_SET("__map%d", NULL), .key = {ETHERTYPE}, VERDICTS(ETHER_TYPES)},
    [BEFORE_ADDRESS] = {GUARD_SET("__set%d", NULL), .key = {ICMP6}, VALUES(DAD_TYPES)},
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
#define ICMP6_TYPE TRANSPORT(0, 1)
#define NA_TARGET TRANSPORT(8, 16)

#define EQ(n, bytes) {STEP(CMP, NFT_CMP_EQ, n), .data = bytes}
#define NEQ(n, bytes) {STEP(CMP, NFT_CMP_NEQ, n), .data = bytes}
#define MASK(n, bytes) {STEP(AND, 0, n), .data = bytes}
#define ZEROS "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define LOOPBACK6 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"

/* Conditions of several steps. inet chains see both families, hence the checks before a field. */
#define NOT_LO IIF, NEQ(16, "lo\0\0\0\0\0\0\0\0\0\0\0\0\0\0")
#define IS_IP NFPROTO, EQ(1, "\x02")
#define IS_IP6 NFPROTO, EQ(1, "\x0a")
#define ETHER_IS_IP PROTOCOL, EQ(2, "\x08\x00")
#define ETHER_IS_IP6 PROTOCOL, EQ(2, "\x86\xdd")
#define IS_ARP ETHER_TYPE, EQ(2, "\x08\x06")
#define IS_ICMP6 ETHER_TYPE, EQ(2, "\x86\xdd"), L4PROTO, EQ(1, "\x3a")
#define CT_HAS(key, bits) {STEP(CT, key, 4)}, MASK(4, &bits), NEQ(4, ZEROS)
#define CT_LACKS(key, bits) {STEP(CT, key, 4)}, MASK(4, &bits), EQ(4, ZEROS)
#define TO_LOCAL {STEP(FIB, 0, 4)}, EQ(4, &LOCAL)

#define LOOKUP(set) {STEP(IN, set, 0)}
#define NOT(set) {STEP(NOT_IN, set, 0)}
#define MAPPED(set) {STEP(MAP, set, 0)}
#define DNAT_TO(family) {STEP(DNAT, family, 0)}
#define MASQUERADE {STEP(MASQ, 0, 0)}
#define COUNTER {STEP(COUNT, 0, 0)}
#define ACCEPT {STEP(VERDICT, NF_ACCEPT, 0)}
#define DROP {STEP(VERDICT, NF_DROP, 0)}
#define GOTO(chain) {STEP(VERDICT, (uint32_t)NFT_GOTO, 0), .data = chain}

static const uint32_t LOCAL = 2; /* RTN_LOCAL */

/* ---- RULES --------------------------------------------------------------------------------*/

/* 1. Martians: before conntrack, before NAT. */
static const struct rule MARTIANS[] = {
    {"iifname != \"lo\" ip daddr 127.0.0.0/8 counter drop", "loopback is never on a wire",
     {NOT_LO, IS_IP, NET(16, 1), EQ(1, "\x7f"), COUNTER, DROP}},
    {"iifname != \"lo\" ip saddr 127.0.0.0/8 counter drop", "loopback is never on a wire",
     {NOT_LO, IS_IP, NET(12, 1), EQ(1, "\x7f"), COUNTER, DROP}},
    {"iifname != \"lo\" ip6 daddr ::1 counter drop", "loopback is never on a wire",
     {NOT_LO, IS_IP6, IP6_DADDR, EQ(16, LOOPBACK6), COUNTER, DROP}},
    {"iifname != \"lo\" iifname != @networks ip saddr @subnets4 counter drop",
     "outsider with a container's address",
     {NOT_LO, IIF, NOT(SET_NETWORKS), IS_IP, IP_SADDR, LOOKUP(SET_SUBNETS4), COUNTER, DROP}},
    {"iifname != \"lo\" iifname != @networks ip6 saddr @subnets6 counter drop",
     "outsider with a container's address",
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
static const struct rule FROM_OUTSIDE[] = {
    {"iifname @internal accept", "internal networks see no published ports",
     {IIF, LOOKUP(SET_INTERNAL), ACCEPT}},
    /* Before `publish`: a published port 53 must not take a neighbour's question. By the bridge that it
     * came in by: another network's gateway is a local address, too. */
    {"th dport 53 dnat ip to iifname . ip daddr . meta l4proto map @resolvers4", "names",
     {DPORT, EQ(2, "\0\x35"), IS_IP, IIF, IP_DADDR, L4PROTO, MAPPED(SET_RESOLVERS4),
      DNAT_TO(NFPROTO_IPV4)}},
    {"th dport 53 dnat ip6 to iifname . ip6 daddr . meta l4proto map @resolvers6", "names",
     {DPORT, EQ(2, "\0\x35"), IS_IP6, IIF, IP6_DADDR, L4PROTO, MAPPED(SET_RESOLVERS6),
      DNAT_TO(NFPROTO_IPV6)}},
    {"fib daddr type local goto publish", NULL, {TO_LOCAL, GOTO("publish")}},
};
static const struct rule FROM_HOST[] = {
    {"ip6 daddr ::1 accept",
     "Linux cannot route a reply to ::1 in from a bridge: the monitor proxies it",
     {IS_IP6, IP6_DADDR, EQ(16, LOOPBACK6), ACCEPT}},
    {"fib daddr type local goto publish", NULL, {TO_LOCAL, GOTO("publish")}},
};

/* 3. Forward: who may talk to whom. */
static const struct rule FORWARD[] = {
    {"iifname != @networks oifname != @networks accept", "not netctr's traffic",
     {IIF, NOT(SET_NETWORKS), OIF, NOT(SET_NETWORKS), ACCEPT}},
    {"ct state vmap { invalid : drop, established : accept, related : accept }", NULL,
     {{STEP(CT, NFT_CT_STATE, 4)}, MAPPED(CT_VERDICTS)}},
    {"iifname . oifname @links accept", "same network, or linked",
     {IIF, OIF, LOOKUP(SET_LINKS), ACCEPT}},
    {"iifname @open oifname @open accept", "both are open",
     {IIF, LOOKUP(SET_OPEN), OIF, LOOKUP(SET_OPEN), ACCEPT}},
    {"iifname @internal counter drop", "internal network: no way out",
     {IIF, LOOKUP(SET_INTERNAL), COUNTER, DROP}},
    {"oifname @internal counter drop", "internal network: no way in",
     {OIF, LOOKUP(SET_INTERNAL), COUNTER, DROP}},
    {"oifname @networks ct status dnat accept", "published port",
     {OIF, LOOKUP(SET_NETWORKS), CT_HAS(NFT_CT_STATUS, DNATTED), ACCEPT}},
    {"oifname @networks ip daddr . meta l4proto . th dport @exposed4 accept", "routed port",
     {OIF, LOOKUP(SET_NETWORKS), IS_IP, IP_DADDR, L4PROTO, DPORT, LOOKUP(SET_EXPOSED4), ACCEPT}},
    {"oifname @networks ip6 daddr . meta l4proto . th dport @exposed6 accept", "routed port",
     {OIF, LOOKUP(SET_NETWORKS), IS_IP6, IP6_DADDR, L4PROTO, DPORT, LOOKUP(SET_EXPOSED6), ACCEPT}},
    {"oifname @networks counter drop", "nobody published that",
     {OIF, LOOKUP(SET_NETWORKS), COUNTER, DROP}},
};

/* The host itself: out of an internal network's reach, but for what the network needs of it. */
static const struct rule TO_HOST[] = {
    {"iifname @isolated counter drop", "isolated network: there is no host",
     {IIF, LOOKUP(SET_ISOLATED), COUNTER, DROP}},
    {"iifname @internal goto from_internal", NULL,
     {IIF, LOOKUP(SET_INTERNAL), GOTO("from_internal")}},
    {"ip daddr . th dport @doors4 ct status ! dnat counter drop", "names are for their network",
     {IS_IP, IP_DADDR, DPORT, LOOKUP(SET_DOORS4), CT_LACKS(NFT_CT_STATUS, DNATTED), COUNTER, DROP}},
    {"ip6 daddr . th dport @doors6 ct status ! dnat counter drop", "names are for their network",
     {IS_IP6, IP6_DADDR, DPORT, LOOKUP(SET_DOORS6), CT_LACKS(NFT_CT_STATUS, DNATTED), COUNTER,
      DROP}},
};
static const struct rule FROM_INTERNAL[] = {
    {"ct state established,related accept", NULL, {CT_HAS(NFT_CT_STATE, EST_OR_REL), ACCEPT}},
    {"meta l4proto { icmp, ipv6-icmp } accept", NULL, {L4PROTO, LOOKUP(PROTO_ICMP), ACCEPT}},
    {"counter drop", "internal network: the host is out of reach", {COUNTER, DROP}},
};

/* 4. Masquerade: who is seen from where. */
static const struct rule SOURCE_NAT[] = {
    {"ct status dnat ip saddr . ip daddr @turnarounds4 masquerade", "hairpin",
     {CT_HAS(NFT_CT_STATUS, DNATTED), IS_IP, IP_SADDR, IP_DADDR, LOOKUP(SET_TURNAROUNDS4),
      MASQUERADE}},
    {"ct status dnat ip6 saddr . ip6 daddr @turnarounds6 masquerade", "hairpin",
     {CT_HAS(NFT_CT_STATUS, DNATTED), IS_IP6, IP6_SADDR, IP6_DADDR, LOOKUP(SET_TURNAROUNDS6),
      MASQUERADE}},
    {"oifname @networks ip saddr 127.0.0.0/8 masquerade", "host's 127.0.0.1 -> container",
     {OIF, LOOKUP(SET_NETWORKS), IS_IP, NET(12, 1), EQ(1, "\x7f"), MASQUERADE}},
    {"iifname @natted oifname != @networks ip daddr != 224.0.0.0/4 masquerade", "outgoing",
     {IIF, LOOKUP(SET_NATTED), OIF, NOT(SET_NETWORKS), IS_IP, IP_DADDR, MASK(4, "\xf0\0\0\0"),
      NEQ(4, "\xe0\0\0\0"), MASQUERADE}},
    {"iifname @natted oifname != @networks ip6 daddr != ff00::/8 masquerade", "outgoing",
     {IIF, LOOKUP(SET_NATTED), OIF, NOT(SET_NETWORKS), IS_IP6, NET(24, 1), NEQ(1, "\xff"),
      MASQUERADE}},
};

/* The guard: a container's frames, before the bridge learns or forwards anything from them. */
static const struct rule FROM_CONTAINERS[] = {
    {"iifname != @ports accept", NULL, {IIF, NOT(SET_PORTS), ACCEPT}},
    {"iifname . ether saddr != @macs counter drop", "not its MAC",
     {IIF, ETHER_SADDR, NOT(SET_MACS), COUNTER, DROP}},
    {"ether type vmap { ip : goto speaks_ip, arp : goto speaks_arp, ip6 : goto speaks_ip6 }", NULL,
     {ETHER_TYPE, MAPPED(SPEAKS_WHAT)}},
    {"counter drop", "neither IP nor ARP", {COUNTER, DROP}},
};
static const struct rule SPEAKS_IP[] = {
    {"iifname . ip saddr @addrs4 accept", NULL,
     {ETHER_IS_IP, IIF, IP_SADDR, LOOKUP(SET_ADDRS4), ACCEPT}},
    {"counter drop", "not its IPv4", {COUNTER, DROP}},
};
static const struct rule SPEAKS_ARP[] = {
    {"iifname . arp saddr ether @macs iifname . arp saddr ip @addrs4 accept", NULL,
     {IS_ARP, IIF, ARP_ETHER, LOOKUP(SET_MACS), IIF, ARP_IP, LOOKUP(SET_ADDRS4), ACCEPT}},
    {"iifname . arp saddr ether @macs arp operation request arp saddr ip 0.0.0.0 accept",
     "probe: is this address free?",
     {IS_ARP, IIF, ARP_ETHER, LOOKUP(SET_MACS), ARP_OPERATION, EQ(2, "\0\1"), ARP_IP, EQ(4, ZEROS),
      ACCEPT}},
    {"counter drop", "ARP for an address it does not own", {COUNTER, DROP}},
};
static const struct rule SPEAKS_IP6[] = {
    {"icmpv6 type nd-router-advert counter drop", "containers are not routers (CVE-2020-10749)",
     {IS_ICMP6, ICMP6_TYPE, EQ(1, "\x86"), COUNTER, DROP}},
    {"icmpv6 type nd-redirect counter drop", "containers are not routers",
     {IS_ICMP6, ICMP6_TYPE, EQ(1, "\x89"), COUNTER, DROP}},
    {"icmpv6 type nd-neighbor-advert iifname . @th,64,128 != @targets6 counter drop",
     "NA for an address it does not own",
     {IS_ICMP6, ICMP6_TYPE, EQ(1, "\x88"), IIF, NA_TARGET, NOT(SET_TARGETS6), COUNTER, DROP}},
    {"iifname . ip6 saddr @addrs6 accept", NULL,
     {ETHER_IS_IP6, IIF, IP6_SADDR, LOOKUP(SET_ADDRS6), ACCEPT}},
    {"ip6 saddr :: icmpv6 type { mld-listener-report, nd-neighbor-solicit, mld2-listener-report } "
     "accept", "DAD and MLD before it has an address",
     {ETHER_IS_IP6, IP6_SADDR, EQ(16, ZEROS), L4PROTO, EQ(1, "\x3a"), ICMP6_TYPE,
      LOOKUP(BEFORE_ADDRESS), ACCEPT}},
    {"counter drop", "not its IPv6", {COUNTER, DROP}},
};

#define RULES(a) (a), ARRAY_LEN(a)

static const struct chain CHAINS[] = {
    {&INET, "martians", RULES(MARTIANS), "type filter hook prerouting priority raw",
     "filter", NF_INET_PRE_ROUTING, -300},
    {&INET, "publish", RULES(PUBLISH), NULL, NULL, 0, 0},
    {&INET, "from_outside", RULES(FROM_OUTSIDE), "type nat hook prerouting priority dstnat",
     "nat", NF_INET_PRE_ROUTING, -100},
    {&INET, "from_host", RULES(FROM_HOST), "type nat hook output priority -100",
     "nat", NF_INET_LOCAL_OUT, -100},
    {&INET, "forward", RULES(FORWARD), "type filter hook forward priority filter",
     "filter", NF_INET_FORWARD, 0},
    {&INET, "to_host", RULES(TO_HOST), "type filter hook input priority filter",
     "filter", NF_INET_LOCAL_IN, 0},
    {&INET, "from_internal", RULES(FROM_INTERNAL), NULL, NULL, 0, 0},
    {&INET, "source_nat", RULES(SOURCE_NAT), "type nat hook postrouting priority srcnat",
     "nat", NF_INET_POST_ROUTING, 100},

    {&GUARD, "from_containers", RULES(FROM_CONTAINERS),
     "type filter hook prerouting priority dstnat", "filter", NF_INET_PRE_ROUTING, -300},
    {&GUARD, "speaks_ip", RULES(SPEAKS_IP), NULL, NULL, 0, 0},
    {&GUARD, "speaks_arp", RULES(SPEAKS_ARP), NULL, NULL, 0, 0},
    {&GUARD, "speaks_ip6", RULES(SPEAKS_IP6), NULL, NULL, 0, 0},
};

/* clang-format on */

/* ---- keys ---------------------------------------------------------------------------------*/

static size_t words_of(size_t size)
{
    return (size + 3) / 4;
}

/* How many bytes a key of these fields takes: alone a field is as wide as it is, in company each
 * begins at a word. */
static uint32_t size_of(const enum field *f, size_t max)
{
    uint32_t words = 0;
    for (size_t i = 0; i < max && f[i]; i++)
        words += (uint32_t)words_of(fields[f[i]].size);
    return max > 1 && f[1] ? words * 4 : fields[f[0]].size;
}

static uint32_t type_of(const enum field *f, size_t max)
{
    uint32_t type = 0;
    for (size_t i = 0; i < max && f[i]; i++)
        type = type << TYPE_BITS | fields[f[i]].type;
    return type;
}

/* nft ignores the byte order of a concatenation: each of its fields has its own. */
static uint32_t byte_order_of(const enum field *f)
{
    return f[1] ? 0 : fields[f[0]].byte_order;
}

static uint32_t pack(const enum field *f, size_t max, const void *const *values,
                     uint8_t out[KEY_MAX])
{
    memset(out, 0, KEY_MAX);
    for (size_t i = 0, at = 0; i < max && f[i]; i++) {
        size_t size = fields[f[i]].size;
        memcpy(out + at, values[i], f[i] == IFNAME ? strnlen(values[i], size - 1) : size);
        at += words_of(size) * 4;
    }
    return size_of(f, max);
}

/* ---- from data to messages ----------------------------------------------------------------*/

/* nft's userdata of an object: a list of (type, length, value). */
struct userdata {
    uint8_t bytes[NFT_USERDATA_MAXLEN];
    uint32_t used;
};

/* Private to netctr; nft passes over types that it does not know. */
enum { UDATA_INSTANCE = 0xc7, INSTANCE_LENGTH = 16 };

static void note(struct userdata *u, uint8_t type, const void *value, size_t size)
{
    if (size > UINT8_MAX || u->used + 2 + size > sizeof(u->bytes))
        abort(); /* everything that comes here is bounded */
    u->bytes[u->used] = type;
    u->bytes[u->used + 1] = (uint8_t)size;
    memcpy(u->bytes + u->used + 2, value, size);
    u->used += 2 + (uint32_t)size;
}

static void note_text(struct userdata *u, uint8_t type, const char *text)
{
    if (text && *text)
        note(u, type, text, strlen(text) + 1);
}

static void put_table(struct nft_batch *b, uint16_t type, const struct table *t,
                      const char *instance)
{
    struct nftnl_table *n = nft_must(nftnl_table_alloc());
    nftnl_table_set_str(n, NFTNL_TABLE_NAME, t->name);
    if (instance) {
        struct userdata u = {0};
        note_text(&u, NFTNL_UDATA_TABLE_COMMENT, t->comment);
        note(&u, UDATA_INSTANCE, instance, strnlen(instance, INSTANCE_LENGTH));
        nftnl_table_set_data(n, NFTNL_TABLE_USERDATA, u.bytes, u.used);
    }
    char *what = xasprintf("%s table %s %s", type == NFT_MSG_DELTABLE ? "delete" : "add",
                           t->family_name, t->name);
    nftnl_table_nlmsg_build_payload(nft_batch_message(b, type, 0, t->family, what), n);
    nftnl_table_free(n);
}

static void put_chain(struct nft_batch *b, const struct chain *c)
{
    struct nftnl_chain *n = nft_must(nftnl_chain_alloc());
    nftnl_chain_set_str(n, NFTNL_CHAIN_TABLE, c->table->name);
    nftnl_chain_set_str(n, NFTNL_CHAIN_NAME, c->name);
    if (c->type) {
        nftnl_chain_set_str(n, NFTNL_CHAIN_TYPE, c->type);
        nftnl_chain_set_u32(n, NFTNL_CHAIN_HOOKNUM, c->hook);
        nftnl_chain_set_s32(n, NFTNL_CHAIN_PRIO, c->priority);
        nftnl_chain_set_u32(n, NFTNL_CHAIN_POLICY, NF_ACCEPT);
    }
    char *what = xasprintf("add chain %s %s", c->table->name, c->name);
    nftnl_chain_nlmsg_build_payload(
        nft_batch_message(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE, c->table->family, what), n);
    nftnl_chain_free(n);
}

/* Tells nft how to print the values; the kernel does not look at it. */
static struct userdata set_userdata(const struct set *s)
{
    struct userdata u = {0};
    uint32_t order = byte_order_of(s->key);
    note(&u, NFTNL_UDATA_SET_KEYBYTEORDER, &order, sizeof(order));
    if (s->data[0]) {
        order = byte_order_of(s->data);
        note(&u, NFTNL_UDATA_SET_DATABYTEORDER, &order, sizeof(order));
    }
    if (s->type_of)
        note(&u, NFTNL_UDATA_SET_KEY_TYPEOF, s->type_of_data, s->type_of_size);
    note_text(&u, NFTNL_UDATA_SET_COMMENT, s->comment);
    return u;
}

/* The kernel's set of concatenated ranges must know where each field begins. */
static void describe_fields(struct nftnl_set *n, const struct set *s)
{
    uint8_t sizes[ARRAY_LEN(s->key)];
    uint32_t count = 0;
    while (count < ARRAY_LEN(s->key) && s->key[count]) {
        sizes[count] = fields[s->key[count]].size;
        count++;
    }
    nftnl_set_set_data(n, NFTNL_SET_DESC_CONCAT, sizes, count);
}

static void put_set(struct nft_batch *b, const struct set *s, uint32_t id)
{
    bool map = s->data[0] || (s->flags & NFT_SET_MAP);
    bool ranges_of_fields = (s->flags & NFT_SET_INTERVAL) && s->key[1];
    struct userdata u = set_userdata(s);
    struct nftnl_set *n = nft_must(nftnl_set_alloc());
    nftnl_set_set_str(n, NFTNL_SET_TABLE, s->table->name);
    nftnl_set_set_str(n, NFTNL_SET_NAME, s->name);
    nftnl_set_set_u32(n, NFTNL_SET_ID, id);
    nftnl_set_set_u32(n, NFTNL_SET_FLAGS,
                      s->flags | (map ? NFT_SET_MAP : 0) | (ranges_of_fields ? NFT_SET_CONCAT : 0));
    nftnl_set_set_u32(n, NFTNL_SET_KEY_TYPE, type_of(s->key, ARRAY_LEN(s->key)));
    nftnl_set_set_u32(n, NFTNL_SET_KEY_LEN, size_of(s->key, ARRAY_LEN(s->key)));
    if (map) {
        nftnl_set_set_u32(n, NFTNL_SET_DATA_TYPE,
                          s->data[0] ? type_of(s->data, ARRAY_LEN(s->data)) : NFT_DATA_VERDICT);
        nftnl_set_set_u32(n, NFTNL_SET_DATA_LEN,
                          s->data[0] ? size_of(s->data, ARRAY_LEN(s->data)) : 0);
    }
    if (s->fixed)
        nftnl_set_set_u32(n, NFTNL_SET_DESC_SIZE, s->fixed_count);
    if (ranges_of_fields)
        describe_fields(n, s);
    nftnl_set_set_data(n, NFTNL_SET_USERDATA, u.bytes, u.used);
    char *what = xasprintf("add set %s %s", s->table->name, s->name);
    nftnl_set_nlmsg_build_payload(
        nft_batch_message(b, NFT_MSG_NEWSET, NLM_F_CREATE, s->table->family, what), n);
    nftnl_set_free(n);
}

static void put_fixed(struct nft_batch *b, const struct set *s, uint32_t id)
{
    struct nftnl_set *n = nft_must(nftnl_set_alloc());
    nftnl_set_set_str(n, NFTNL_SET_TABLE, s->table->name);
    nftnl_set_set_str(n, NFTNL_SET_NAME, s->name);
    nftnl_set_set_u32(n, NFTNL_SET_ID, id);
    for (uint32_t i = 0; i < s->fixed_count; i++) {
        struct nftnl_set_elem *x = nft_must(nftnl_set_elem_alloc());
        nftnl_set_elem_set(x, NFTNL_SET_ELEM_KEY, s->fixed[i].key, fields[s->key[0]].size);
        if (s->flags & NFT_SET_MAP)
            nftnl_set_elem_set_u32(x, NFTNL_SET_ELEM_VERDICT, (uint32_t)s->fixed[i].verdict);
        if (s->fixed[i].chain)
            nftnl_set_elem_set_str(x, NFTNL_SET_ELEM_CHAIN, s->fixed[i].chain);
        nftnl_set_elem_add(n, x);
    }
    char *what = xasprintf("fill set %s %s", s->table->name, s->name);
    nftnl_set_elems_nlmsg_build_payload(
        nft_batch_message(b, NFT_MSG_NEWSETELEM, NLM_F_CREATE, s->table->family, what), n);
    nftnl_set_free(n);
}

/* The one interpreter of steps. *@loaded counts the words that wait to be compared or looked up;
 * what takes them finds them from the first word on. */
static void put_step(struct nftnl_rule *r, const struct step *s, uint32_t *loaded)
{
    const uint32_t first = NFT_REG32_00, next = first + *loaded;
    const char *set = s->op == IN || s->op == NOT_IN || s->op == MAP ? SETS[s->what].name : NULL;
    switch (s->op) {
    case META: expr_meta(r, s->what, next); break;
    case CT: expr_ct(r, s->what, next); break;
    case PAYLOAD: expr_payload(r, s->what, s->offset, s->size, next); break;
    case FIB: expr_fib_daddr_type(r, next); break;
    case AND: expr_and(r, first, s->data, s->size); return;
    case CMP: expr_cmp(r, s->what, first, s->data, s->size); break;
    case IN: expr_in_set(r, set, s->what + 1, first, false); break;
    case NOT_IN: expr_in_set(r, set, s->what + 1, first, true); break;
    case MAP:
        expr_map(r, set, s->what + 1, first, SETS[s->what].data[0] ? first : NFT_REG_VERDICT);
        break;
    case DNAT: expr_dnat(r, s->what, first, first + (s->what == NFPROTO_IPV4 ? 1 : 4)); break;
    case MASQ: expr_masquerade(r); break;
    case COUNT: expr_counter(r); break;
    case VERDICT: expr_verdict(r, s->what, s->data); break;
    case NO_STEP: break;
    }
    bool loads = s->op == META || s->op == CT || s->op == PAYLOAD || s->op == FIB;
    *loaded = loads ? *loaded + (uint32_t)words_of(s->size) : 0;
}

static void put_rule(struct nft_batch *b, const struct chain *c, const struct rule *rule)
{
    struct nftnl_rule *n = nft_must(nftnl_rule_alloc());
    nftnl_rule_set_str(n, NFTNL_RULE_TABLE, c->table->name);
    nftnl_rule_set_str(n, NFTNL_RULE_CHAIN, c->name);
    struct userdata u = {0};
    note_text(&u, NFTNL_UDATA_RULE_COMMENT, rule->comment);
    if (u.used)
        nftnl_rule_set_data(n, NFTNL_RULE_USERDATA, u.bytes, u.used);
    uint32_t loaded = 0;
    for (size_t i = 0; i < ARRAY_LEN(rule->steps) && rule->steps[i].op; i++)
        put_step(n, &rule->steps[i], &loaded);
    char *what = xasprintf("add rule %s %s `%s`", c->table->name, c->name, rule->text);
    nftnl_rule_nlmsg_build_payload(
        nft_batch_message(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, c->table->family, what),
        n);
    nftnl_rule_free(n);
}

void ruleset_delete(struct nft_batch *b)
{
    for (size_t i = 0; i < ARRAY_LEN(TABLES); i++)
        put_table(b, NFT_MSG_DELTABLE, TABLES[i], NULL);
}

void ruleset_create(struct nft_batch *b, const char *instance)
{
    /* "add; delete; add": a table must be there to be deleted. */
    for (size_t i = 0; i < ARRAY_LEN(TABLES); i++)
        put_table(b, NFT_MSG_NEWTABLE, TABLES[i], NULL);
    ruleset_delete(b);
    for (size_t i = 0; i < ARRAY_LEN(TABLES); i++)
        put_table(b, NFT_MSG_NEWTABLE, TABLES[i], instance);
    for (size_t i = 0; i < ARRAY_LEN(CHAINS); i++)
        put_chain(b, &CHAINS[i]);
    for (uint32_t i = 0; i < SET_COUNT; i++) {
        put_set(b, &SETS[i], i + 1);
        if (SETS[i].fixed)
            put_fixed(b, &SETS[i], i + 1);
    }
    for (size_t i = 0; i < ARRAY_LEN(CHAINS); i++)
        for (size_t j = 0; j < CHAINS[i].rule_count; j++)
            put_rule(b, &CHAINS[i], &CHAINS[i].rules[j]);
}

/* ---- elements -----------------------------------------------------------------------------*/

/* nft prints a comment between quotes and knows no escapes: only what it can read back is kept. */
static void note_comment(struct nftnl_set_elem *x, const char *comment)
{
    char clean[ELEMENT_COMMENT_MAX + 1] = "";
    for (size_t i = 0; comment && comment[i] && i < ELEMENT_COMMENT_MAX; i++) {
        char c = comment[i];
        clean[i] = c < ' ' || c > '~' || c == '"' || c == '\\' ? '_' : c;
    }
    struct userdata u = {0};
    note_text(&u, NFTNL_UDATA_SET_ELEM_COMMENT, clean);
    if (u.used)
        nftnl_set_elem_set(x, NFTNL_SET_ELEM_USERDATA, u.bytes, u.used);
}

/* A set that holds @e alone, for a message about it. @whole is false where only the key counts. */
static struct nftnl_set *set_of(const struct element *e, bool whole, uint64_t lifetime_ms)
{
    const struct set *s = &SETS[e->set];
    uint8_t bytes[KEY_MAX];
    struct nftnl_set *n = nft_must(nftnl_set_alloc());
    nftnl_set_set_str(n, NFTNL_SET_TABLE, s->table->name);
    nftnl_set_set_str(n, NFTNL_SET_NAME, s->name);
    struct nftnl_set_elem *x = nft_must(nftnl_set_elem_alloc());
    nftnl_set_elem_add(n, x);
    uint32_t size = pack(s->key, ARRAY_LEN(s->key), e->key, bytes);
    nftnl_set_elem_set(x, NFTNL_SET_ELEM_KEY, bytes, size);
    if (e->key_end[0]) {
        size = pack(s->key, ARRAY_LEN(e->key_end), e->key_end, bytes);
        nftnl_set_elem_set(x, NFTNL_SET_ELEM_KEY_END, bytes, size);
    }
    if (e->range_end)
        nftnl_set_elem_set_u32(x, NFTNL_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
    if (whole && e->data[0]) {
        size = pack(s->data, ARRAY_LEN(s->data), e->data, bytes);
        nftnl_set_elem_set(x, NFTNL_SET_ELEM_DATA, bytes, size);
    }
    if (whole)
        note_comment(x, e->comment);
    /* Added without one, an element lives for ever, also an equal one that was expiring. */
    if (lifetime_ms)
        nftnl_set_elem_set_u64(x, NFTNL_SET_ELEM_TIMEOUT, lifetime_ms);
    return n;
}

static void put_element(struct nft_batch *b, uint16_t type, uint16_t flags, const struct element *e,
                        uint64_t lifetime_ms, char *what)
{
    struct nftnl_set *n = set_of(e, type == NFT_MSG_NEWSETELEM, lifetime_ms);
    nftnl_set_elems_nlmsg_build_payload(
        nft_batch_message(b, type, flags, SETS[e->set].table->family, what), n);
    nftnl_set_free(n);
}

void ruleset_expire(struct nft_batch *b, const struct element *element, uint64_t lifetime_ms,
                    char *what)
{
    put_element(b, NFT_MSG_NEWSETELEM, NLM_F_CREATE, element, lifetime_ms, what);
}

void ruleset_change(struct nft_batch *b, enum change change, const struct element *element,
                    char *what)
{
    switch (change) {
    case CHANGE_ADD: put_element(b, NFT_MSG_NEWSETELEM, NLM_F_CREATE, element, 0, what); break;
    case CHANGE_CREATE:
        put_element(b, NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL, element, 0, what);
        break;
    case CHANGE_DELETE: put_element(b, NFT_MSG_DELSETELEM, 0, element, 0, what); break;
    case CHANGE_EXPIRE: ruleset_expire(b, element, EXPIRY_MS, what); break;
    }
}

/* ---- questions ----------------------------------------------------------------------------*/

bool ruleset_valid_instance(const char *s)
{
    return strlen(s) == INSTANCE_LENGTH && strspn(s, "0123456789abcdef") == INSTANCE_LENGTH;
}

/* The stamp in a table's userdata, or NULL. Whoever made the table, nothing is taken on trust. */
static char *stamp_in(const uint8_t *p, size_t left)
{
    while (left >= 2 && left >= 2u + p[1]) {
        size_t size = 2u + p[1];
        if (p[0] == UDATA_INSTANCE) {
            char *stamp = xstrndup((const char *)p + 2, p[1]);
            if (ruleset_valid_instance(stamp))
                return stamp;
            free(stamp);
        }
        p += size;
        left -= size;
    }
    return NULL;
}

static int read_stamp(const struct nlmsghdr *answer, void *data)
{
    struct nftnl_table *t = nft_must(nftnl_table_alloc());
    uint32_t size = 0;
    if (nftnl_table_nlmsg_parse(answer, t) == 0) {
        const uint8_t *userdata = nftnl_table_get_data(t, NFTNL_TABLE_USERDATA, &size);
        if (userdata)
            *(char **)data = stamp_in(userdata, size);
    }
    nftnl_table_free(t);
    return MNL_CB_OK;
}

int ruleset_probe(struct nft *n, const char *instance, char **owner)
{
    int result = FW_TABLES_OURS;
    for (size_t i = 0; i < ARRAY_LEN(TABLES); i++) {
        _Alignas(struct nlmsghdr) char buffer[256];
        _cleanup_free_ char *stamp = NULL;
        struct nlmsghdr *request =
            nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETTABLE, TABLES[i]->family, 0, 0);
        mnl_attr_put_strz(request, NFTA_TABLE_NAME, TABLES[i]->name);
        int r = nft_request(n, request, read_stamp, &stamp);
        if (r < 0 && r != -ENOENT)
            return r;
        if (r == 0 && stamp && !streq(stamp, instance)) {
            /* Also when the other table is missing: what is there must not be replaced unasked. */
            if (owner)
                *owner = take_ptr(stamp);
            return FW_TABLES_FOREIGN;
        }
        if (r == -ENOENT)
            result = FW_TABLES_MISSING;
        else if (!stamp && result == FW_TABLES_OURS)
            result = FW_TABLES_FOREIGN;
    }
    return result;
}

size_t ruleset_rule_count(uint8_t family)
{
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(CHAINS); i++)
        if (CHAINS[i].table->family == family)
            count += CHAINS[i].rule_count;
    return count;
}

static int count_rule(const struct nlmsghdr *answer, void *data)
{
    (void)answer;
    ++*(int *)data;
    return MNL_CB_OK;
}

int ruleset_count_rules(struct nft *n, uint8_t family)
{
    _Alignas(struct nlmsghdr) char buffer[256];
    int count = 0, r = 0;
    for (size_t i = 0; i < ARRAY_LEN(TABLES); i++) {
        if (TABLES[i]->family != family)
            continue;
        struct nlmsghdr *request =
            nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETRULE, family, NLM_F_DUMP, 0);
        mnl_attr_put_strz(request, NFTA_RULE_TABLE, TABLES[i]->name);
        r = nft_request(n, request, count_rule, &count);
    }
    return r < 0 ? r : count;
}

void ruleset_withdraw(struct nft_batch *b, char *what)
{
    mnl_attr_put_strz(nft_batch_message(b, NFT_MSG_DELTABLE, 0, NFPROTO_INET, what),
                      NFTA_TABLE_NAME, "netctr_never");
}

static int read_expiry(struct nftnl_set_elem *x, void *data)
{
    *(bool *)data = nftnl_set_elem_is_set(x, NFTNL_SET_ELEM_EXPIRATION);
    return 0;
}

static int read_element(const struct nlmsghdr *answer, void *data)
{
    struct nftnl_set *s = nft_must(nftnl_set_alloc());
    if (nftnl_set_elems_nlmsg_parse(answer, s) == 0)
        nftnl_set_elem_foreach(s, read_expiry, data);
    nftnl_set_free(s);
    return MNL_CB_OK;
}

int ruleset_find(struct nft *n, const struct element *element, bool *expires)
{
    _Alignas(struct nlmsghdr) char buffer[1024];
    struct nftnl_set *s = set_of(element, false, 0);
    struct nlmsghdr *request =
        nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETSETELEM, SETS[element->set].table->family, 0, 0);
    nftnl_set_elems_nlmsg_build_payload(request, s);
    nftnl_set_free(s);
    *expires = false;
    return nft_request(n, request, read_element, expires);
}

/* ---- text ---------------------------------------------------------------------------------*/

static void print_fields(FILE *out, const char *before, const enum field *f, size_t max)
{
    for (size_t i = 0; i < max && f[i]; i++)
        fprintf(out, "%s%s", i ? " . " : before, fields[f[i]].name);
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
