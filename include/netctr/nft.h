/* Netfilter of a network namespace: transactions, the expressions of rules, connection tracking, a
 * snapshot of the rules, and what these do to a packet. This folder does not know what rules and
 * flows are used for. */
#pragma once

#include <netctr/netns.h>

#include <stdint.h>

/* Must come after <netinet/in.h>, because it defines the same types. */
#include <linux/netfilter.h>

/* ---- transport --- */
/* A netlink connection to netfilter (NETLINK_NETFILTER): transactions of nf_tables, and single
 * requests.
 *
 * A transaction is a buffer of netlink messages between BEGIN and END, sent by one sendmsg(). The
 * kernel executes it inside that call, so all answers are there when it returns, and no function
 * here blocks.
 */

struct nlmsghdr;
struct nft;
struct nft_batch;

/** Connects to netfilter of the calling thread's network namespace. A connection serves one request at a time. */
int nft_open(struct nft **out, struct err *e);
void nft_close(struct nft *n); /**< accepts NULL */
/** A duplicate of its socket, the caller's: tables that it owns live as long as one of them is open. */
int nft_socket(const struct nft *n);

/** The size of the buffer that nft_batch_message() returns. */
#define NFT_MESSAGE_MAX (16 * 1024)

struct nft_batch *nft_batch_new(void);
void nft_batch_free(struct nft_batch *b); /**< accepts NULL */
void nft_batch_cleanup(struct nft_batch **b);
#define _cleanup_nft_batch_ __attribute__((cleanup(nft_batch_cleanup)))
void nft_batch_empty(struct nft_batch *b);
/** The caller frees the copy. */
struct nft_batch *nft_batch_copy(const struct nft_batch *b);

/** Starts a message of @type (NFT_MSG_…) and returns its header, which the caller may extend until the next call.
 *  @what describes it for errors ("add published port tcp 8080") and is freed here. */
struct nlmsghdr *nft_batch_message(struct nft_batch *b, uint16_t type, uint16_t flags,
                                   uint8_t family, char *what);

/** Calls @each for every message, with its description. */
void nft_batch_each(struct nft_batch *b,
                    void (*each)(const struct nlmsghdr *message, const char *what, void *arg),
                    void *arg);

/** For invalid input: the next commit sends nothing and fails with this error. */
void nft_batch_refuse(struct nft_batch *b, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Refusals that do not fail the transaction: the message is left out and the rest is sent again. */
enum nft_tolerate {
    NFT_TOLERATE_NOTHING = 0,
    NFT_TOLERATE_ABSENT = 1, /**< ENOENT */
    NFT_TOLERATE_TAKEN = 2,  /**< EEXIST */
};

/** Allows these refusals for the message that was started last. */
void nft_batch_tolerate(struct nft_batch *b, enum nft_tolerate refusals);

/** Sends the batch as one transaction. On failure the kernel has changed nothing, and @e names the
 *  first required message that it refused. The messages stay in the batch, except those that were
 *  left out. */
int nft_batch_send(struct nft *n, struct nft_batch *b, struct err *e);
/** The same, and empties the batch. */
int nft_batch_commit(struct nft *n, struct nft_batch *b, struct err *e);

/** Sends one request outside any transaction and calls @each for every answer (it returns MNL_CB_OK). A dump is read
 *  completely before the first call, and read again if it changes meanwhile. 0 or a negative errno. */
int nft_request(struct nft *n, struct nlmsghdr *request,
                int (*each)(const struct nlmsghdr *answer, void *data), void *data);

/** The same, but passes each answer on as it arrives, for dumps that may be large. -EINTR: the dump
 *  changed, and may be incomplete. @each must not use @n. */
int nft_request_streamed(struct nft *n, struct nlmsghdr *request,
                         int (*each)(const struct nlmsghdr *answer, void *data), void *data);

/* ---- notifications --- */
/* What is deleted from nf_tables, by any process, as it happens. */

struct nft_notifications;

enum nft_event {
    NFT_DELETED,   /**< a table, or something in it */
    NFT_COMMITTED, /**< the end of a transaction, which caused the notifications before it */
    NFT_LOST,      /**< the kernel had no room for some notifications, which were due here */
};
struct nft_notification {
    enum nft_event event;
    uint8_t family;      /**< NFT_DELETED: NFPROTO_… of the table */
    const char *table;   /**< NFT_DELETED: its name, or NULL */
    const char *process; /**< NFT_COMMITTED: the name of the process (comm), or NULL */
};

/** Subscribes to the notifications of the calling thread's network namespace. 0 or a negative errno. */
int nft_notifications_open(struct nft_notifications **out);
void nft_notifications_close(struct nft_notifications *n); /**< accepts NULL */
void nft_notifications_cleanup(struct nft_notifications **n);
#define _cleanup_nft_notifications_ __attribute__((cleanup(nft_notifications_cleanup)))
/** Readable when there are notifications. It stays @n's. */
int nft_notifications_fd(const struct nft_notifications *n);
/** Calls @each for the notifications that have arrived, in their order; does not block. After many of them it returns
 *  early, and the descriptor stays readable. */
void nft_notifications_read(struct nft_notifications *n,
                            void (*each)(const struct nft_notification *n, void *arg), void *arg);

/* ---- expressions --- */
/* The expressions of a rule, one function each: what `nft --debug=netlink` prints as one line in
 * brackets. @reg is a 32-bit register (NFT_REG32_00 …); wider values use the following registers
 * too. If possible, the kernel reports registers by their 128-bit names. */

struct nftnl_rule;

void expr_meta(struct nftnl_rule *r, uint32_t key, uint32_t reg);
void expr_ct(struct nftnl_rule *r, uint32_t key, uint32_t reg);
void expr_payload(struct nftnl_rule *r, uint32_t base, uint32_t offset, uint32_t size,
                  uint32_t reg);
/** A field of the IPv6 extension header @type, at any place in the chain of headers. */
void expr_exthdr(struct nftnl_rule *r, uint32_t type, uint32_t offset, uint32_t size, uint32_t reg);
/** One byte: 1 if the packet has that header, else 0. */
void expr_has_exthdr(struct nftnl_rule *r, uint32_t type, uint32_t reg);
/** fib daddr type */
void expr_fib_daddr_type(struct nftnl_rule *r, uint32_t reg);

/** @op is NFT_CMP_EQ, NFT_CMP_NEQ or NFT_CMP_GTE. */
void expr_cmp(struct nftnl_rule *r, uint32_t op, uint32_t reg, const void *data, uint32_t size);
/** reg = reg & mask */
void expr_and(struct nftnl_rule *r, uint32_t reg, const void *mask, uint32_t size);

/** @set_id names a set of the same transaction; an anonymous one has no other name yet. */
void expr_in_set(struct nftnl_rule *r, const char *set, uint32_t set_id, uint32_t reg, bool not_in);
/** Looks up a map: the value goes to @to, a verdict to NFT_REG_VERDICT. */
void expr_map(struct nftnl_rule *r, const char *set, uint32_t set_id, uint32_t reg, uint32_t to);

/** @family is NFPROTO_IPV4 or NFPROTO_IPV6. */
void expr_dnat(struct nftnl_rule *r, uint32_t family, uint32_t address_reg, uint32_t port_reg);
void expr_masquerade(struct nftnl_rule *r);
void expr_counter(struct nftnl_rule *r);
/** fwd to: of family netdev. @device is an index. */
void expr_forward(struct nftnl_rule *r, uint32_t device);
/** @chain for NFT_GOTO, otherwise NULL. */
void expr_verdict(struct nftnl_rule *r, uint32_t verdict, const char *chain);

/** Hands all that the interface @device sends, but packets with @mark, to the interface with index @to, by a table netdev
 *  @table that belongs to the socket of @n: it goes when that is closed, and `nft flush ruleset` does not touch it. The
 *  egress hook is of Linux 5.16. */
int nft_forward(struct nft *n, const char *table, const char *device, int to, uint32_t mark,
                struct err *e);

/** To be called if an allocator of libnftnl returns NULL: exits, as xcalloc() does. */
void *nft_must(void *allocated);

/* ---- conntrack --- */
/* The connections that the kernel tracks. They are found by reading the table, and deleted by
 * nfnetlink. */

/** An entry of the default zone, of a protocol with ports. */
struct ct_flow {
    struct ip src, dst; /**< addresses of the first packet */
    struct ip answers;  /**< where replies come from: @dst, or the target of DNAT */
    uint8_t protocol;
    uint16_t src_port, dst_port, answers_port; /**< host byte order */
    uint32_t id;                               /**< network order; 0: not known */
};

/** Restricts what is read. The caller may get other flows as well. */
struct ct_hint {
    bool ipv4, ipv6;
    uint8_t protocol;  /**< 0: any */
    uint16_t dst_port; /**< 0: any; counts only with a protocol */
};

/** How many entries the table of this namespace has; -EOPNOTSUPP if the kernel cannot list them (module
 *  nf_conntrack_netlink); another negative errno. */
int conntrack_count(struct nft *n, uint32_t *count);
/** Calls @each for every flow that @hint asks for, possibly twice. @each must not use @n. */
int conntrack_each(struct nft *n, const struct ct_hint *hint,
                   void (*each)(const struct ct_flow *f, void *arg), void *arg);
/** Succeeds if the flow is already gone. */
int conntrack_delete(struct nft *n, const struct ct_flow *f);

/* ---- packets and rules --- */
/* A snapshot of all packet filter rules of a network namespace, and an evaluator that says what
 * they do to a packet.
 *
 * The packet may be known in part: each bit of its headers and metadata is known or not. A rule
 * that depends on an unknown bit, or that the evaluator does not model, matches "maybe". A verdict
 * is certain only if every combination of such rules leads to it. Evaluation reads the snapshot
 * only and never asks the kernel.
 */

struct nft_snapshot;

/** True if this table is to be left out of a snapshot. */
typedef bool nft_table_filter(uint32_t family, const char *table, void *arg);
/** Reads tables, chains, rules, the elements of all sets that rules refer to, and the tables of ip_tables, of the
 *  network namespace @netns (an fd; negative: the caller's). @leave_out may be NULL. The caller must be single-threaded
 *  and frees *@out. */
int nft_snapshot_read(int netns, nft_table_filter *leave_out, void *arg, struct nft_snapshot **out,
                      struct err *e);
void nft_snapshot_free(struct nft_snapshot *s); /**< accepts NULL */

/** "inet", "ip", …; static. @family is NFPROTO_…. */
const char *nft_family_name(uint32_t family);
bool nft_snapshot_has_table(const struct nft_snapshot *s, const char *name);
/** True if there is a chain whose name starts with @prefix. */
bool nft_snapshot_has_chain(const struct nft_snapshot *s, const char *prefix);

/** A value of which some bits are known. */
struct nft_bits {
    uint32_t value, known; /**< a 1 in @known: that bit of @value is known */
};
static inline struct nft_bits nft_known(uint32_t value)
{
    return (struct nft_bits){value, UINT32_MAX};
}

/** A header of which some bits are known. */
struct nft_header {
    uint8_t value[64], known[64]; /**< @known as in struct nft_bits */
    size_t size;                  /**< number of bytes, known or not */
};

struct nft_device {
    const char *name; /**< not owned; NULL: unknown; "": none */
    uint32_t index;   /**< 0: unknown, unless there is none */
};

/** A packet as it arrives at a hook. In a zeroed struct everything is unknown; the functions below
 *  fill it in. */
struct nft_packet {
    uint8_t nfproto;           /**< NFPROTO_IPV4, NFPROTO_IPV6, NFPROTO_ARP; 0: unknown */
    uint8_t protocol;          /**< IPPROTO_…; 0: unknown */
    bool complete;             /**< the headers' sizes are exact: no other header follows */
    struct nft_device in, out; /**< meta iif, meta oif */
    struct nft_device bridge_in,
        bridge_out; /**< the bridges of these ports: meta ibrname, obrname */
    struct nft_header link, network, transport;
    struct nft_bits length;      /**< meta length: of the network header and what follows */
    struct nft_bits packet_type; /**< PACKET_HOST, … */
    struct nft_bits mark;        /**< meta mark */
    struct nft_bits ct_state;    /**< NF_CT_STATE_BIT(…), once conntrack has seen it */
    struct nft_bits ct_status;   /**< IPS_… */
    struct nft_bits ct_mark, ct_direction;         /**< IP_CT_DIR_… */
    struct nft_bits source_type, destination_type; /**< fib saddr type, fib daddr type: RTN_… */
    bool changes_source; /**< NAT of a table that was left out rewrites its source at this hook … */
    bool changes_destination; /**< … or its destination */
};

/** Sets the network header; the rest of it is unknown. @family is AF_INET or AF_INET6. */
void nft_packet_ip(struct nft_packet *p, int family);
/** Sets an address of @p; family 0: unknown. */
void nft_packet_source(struct nft_packet *p, const struct ip *a);
void nft_packet_destination(struct nft_packet *p, const struct ip *a);
/** Sets the transport protocol, IPPROTO_…. There is no extension header, and the packet is no
 *  fragment. */
void nft_packet_protocol(struct nft_packet *p, uint8_t protocol);
/** Sets the ports of TCP, UDP or SCTP; 0: unknown. */
void nft_packet_ports(struct nft_packet *p, uint16_t source, uint16_t destination);
void nft_packet_icmp_type(struct nft_packet *p, uint8_t type);
/** Sets the Ethernet header; a NULL MAC address is unknown. */
void nft_packet_ethernet(struct nft_packet *p, const uint8_t *source, const uint8_t *destination);
/** Makes it an ARP packet; @operation is ARPOP_…. */
void nft_packet_arp(struct nft_packet *p, uint16_t operation, const struct ip *source,
                    const struct ip *destination);

/** A hook of one protocol family. */
struct nft_place {
    uint8_t
        family; /**< NFPROTO_IPV4, _IPV6, _ARP, _BRIDGE, _NETDEV; chains of `inet` belong to several */
    uint8_t hook; /**< NF_INET_…, NF_ARP_…, NF_NETDEV_…; bridge: NF_INET_… */
};

enum nft_verdict {
    NFT_ACCEPTS,    /**< certain */
    NFT_MAY_DROP,   /**< accepts, unless a rule that could not be evaluated decides otherwise */
    NFT_MAY_ACCEPT, /**< drops, unless a rule that could not be evaluated decides otherwise */
    NFT_UNKNOWN,    /**< hands it to a queue, another device, or an unknown target */
    NFT_DROPS,      /**< certain */
};

/** What one base chain does. Strings live as long as the snapshot. */
struct nft_step {
    enum nft_verdict verdict;
    const char *family, *table, *chain;
    int priority;
    bool policy; /**< the chain's policy decides */
    bool legacy; /**< a chain of ip_tables */
    uint64_t
        rule; /**< handle of the rule that decides; 0: several, the policy, or a chain of ip_tables */
};
/** Takes @p through the base chains at @at in their order. Calls @each (may be NULL) for each of
 *  them, also after one that drops, as if that one had accepted the packet. Afterwards @p is as
 *  these chains leave it: marks and headers that rules change are unknown where the change is not
 *  certain. Returns the verdict of all chains together. */
enum nft_verdict nft_walk(const struct nft_snapshot *s, const struct nft_place *at,
                          struct nft_packet *p,
                          void (*each)(const struct nft_step *step, void *arg), void *arg);

struct nft_dnat {
    const char *family, *table, *chain;
    uint64_t handle; /**< of the rule */
    struct ip to;    /**< AF_UNSPEC: depends on a rule that cannot be evaluated */
};
/** Calls @each for every target address of a DNAT rule. */
void nft_each_dnat(const struct nft_snapshot *s, void (*each)(const struct nft_dnat *d, void *arg),
                   void *arg);
