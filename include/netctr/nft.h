/* Netfilter of a network namespace: transactions, the expressions of rules, connection tracking, and what a packet
 * meets in existing tables. Knows messages, rules and flows, and not what they are used for.
 */
#pragma once

#include <netctr/netns.h>

#include <stdint.h>

/* After <netinet/in.h>, whose types it would define again. */
#include <linux/netfilter.h>

/* ---- transport --- */
/* A netlink connection to netfilter (NETLINK_NETFILTER): transactions of nf_tables, and single requests.
 *
 * A transaction is a buffer of netlink messages between BEGIN and END, sent by one sendmsg(). The kernel executes it
 * inside that call, so every answer is waiting when it returns, and nothing here blocks.
 */

struct nlmsghdr;
struct nft;
struct nft_batch;

/** Connects to netfilter of the calling thread's network namespace. A connection serves one request at a time. */
int nft_open(struct nft **out, struct err *e);
void nft_close(struct nft *n); /**< accepts NULL */

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

/** For invalid input: the next commit fails with this error and sends nothing. */
void nft_batch_refuse(struct nft_batch *b, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Refusals that do not fail the transaction: the message is left out and the rest is sent again. */
enum nft_tolerate {
    NFT_TOLERATE_NOTHING = 0,
    NFT_TOLERATE_ABSENT = 1, /**< ENOENT */
    NFT_TOLERATE_TAKEN = 2,  /**< EEXIST */
};

/** Of the message that was started last. */
void nft_batch_tolerate(struct nft_batch *b, enum nft_tolerate refusals);

/** Sends the batch as one transaction. On failure the kernel has changed nothing, and @e names the first message that
 *  it refused and that is needed. The messages stay in the batch, but for those that were left out. */
int nft_batch_send(struct nft *n, struct nft_batch *b, struct err *e);
/** Sends it and empties it. */
int nft_batch_commit(struct nft *n, struct nft_batch *b, struct err *e);

/** Sends one request outside any transaction and calls @each for every answer (it returns MNL_CB_OK). A dump is read
 *  completely before the first call, and read again if it changes meanwhile. 0 or a negative errno. */
int nft_request(struct nft *n, struct nlmsghdr *request,
                int (*each)(const struct nlmsghdr *answer, void *data), void *data);

/** The same with each answer handed on as it arrives, for dumps that may be large. -EINTR: the dump changed, and may be
 *  incomplete. @each must not use @n. */
int nft_request_streamed(struct nft *n, struct nlmsghdr *request,
                         int (*each)(const struct nlmsghdr *answer, void *data), void *data);

/* ---- expressions --- */
/* The expressions of a rule, one function each: what `nft --debug=netlink` prints as one line in brackets. @reg is a
 * 32-bit register (NFT_REG32_00 …); wider values use the following registers too. The kernel reports registers by their
 * 128-bit names where those fit.
 */

struct nftnl_rule;

void expr_meta(struct nftnl_rule *r, uint32_t key, uint32_t reg);
void expr_ct(struct nftnl_rule *r, uint32_t key, uint32_t reg);
void expr_payload(struct nftnl_rule *r, uint32_t base, uint32_t offset, uint32_t size,
                  uint32_t reg);
/** A field of the IPv6 extension header @type, wherever it is in the chain of headers. */
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
/** @chain for NFT_GOTO, otherwise NULL. */
void expr_verdict(struct nftnl_rule *r, uint32_t verdict, const char *chain);

/** For libnftnl's allocators: exits, as xcalloc() does, when memory is exhausted. */
void *nft_must(void *allocated);

/* ---- conntrack --- */
/* The connections that the kernel tracks: found by reading the table, deleted by nfnetlink. */

/** An entry of the default zone, of a protocol with ports. */
struct ct_flow {
    struct ip src, dst; /**< as the first packet had them */
    struct ip answers;  /**< where answers come from: @dst, or where DNAT leads to */
    uint8_t protocol;
    uint16_t src_port, dst_port, answers_port; /**< host byte order */
    uint32_t id;                               /**< network order; 0: not known */
};

/** What a caller is interested in, so that less has to be read. It may get other flows as well. */
struct ct_hint {
    bool ipv4, ipv6;
    uint8_t protocol;  /**< 0: any */
    uint16_t dst_port; /**< 0: any; counts only with a protocol */
};

/** How many entries the table of this namespace has; -EOPNOTSUPP if the kernel cannot list them (module
 *  nf_conntrack_netlink); another negative errno. */
int conntrack_count(struct nft *n, uint32_t *count);
/** Calls @each for every flow that @hint asks for, and may do so twice. @each must not use @n. */
int conntrack_each(struct nft *n, const struct ct_hint *hint,
                   void (*each)(const struct ct_flow *f, void *arg), void *arg);
/** A flow that is already gone is no error. */
int conntrack_delete(struct nft *n, const struct ct_flow *f);

/* ---- packets and rules --- */
/* Other people's firewalls: what they would do with a container's packets.
 *
 * An accept of ours does not override another's drop: every base chain at a hook has to let a packet
 * pass. So all rules of others are read, and a packet is taken through them as the kernel would, as far as
 * it is known: a rule that asks for what is not known matches perhaps. Nothing is changed.
 */

struct foreign;
/** Reads the tables, chains and rules of this network namespace that are not netctr's. */
int foreign_read(struct foreign **out, struct err *e);
void foreign_free(struct foreign *f); /**< accepts NULL */

/** "inet", "ip", …; static. */
const char *foreign_family(uint32_t family);
bool foreign_has_table(const struct foreign *f, const char *name);
/** Is there a chain whose name begins so? */
bool foreign_has_chain(const struct foreign *f, const char *prefix);

/** A packet as it arrives at the hook: the first of its connection, unless it says otherwise. What is 0 or
 *  NULL is not known. */
struct foreign_packet {
    enum nf_inet_hooks hook;
    int family; /**< AF_INET, AF_INET6 */
    const char *in, *out;
    struct ip source, destination;
    uint8_t protocol;
    uint16_t port, source_port; /**< after our DNAT, and before that is taken back */
    uint8_t icmp_type;
    bool dnat;        /**< our DNAT has changed where its connection goes */
    bool reply;       /**< an answer: the connection is established */
    bool masqueraded; /**< it leaves with another source */
    bool untracked;   /**< as neighbour discovery, which conntrack does not follow */
    bool untold;      /**< conntrack has not seen it yet; foreign_judge() finds it out */
};
enum foreign_end {
    FOREIGN_DROPS,         /**< for certain */
    FOREIGN_DROPS_UNLESS,  /**< if no rule that could not be evaluated accepts it */
    FOREIGN_DROPS_PERHAPS, /**< if a rule that could not be evaluated says so */
};
struct foreign_drop {
    enum foreign_end end;
    const char *family, *table, *chain; /**< the base chain */
    bool policy;                        /**< it is the chain's policy that drops it */
    bool legacy;                        /**< of ip_tables, not nf_tables */
};
/** Calls @each for every base chain that drops @packet, or may. */
int foreign_judge(struct foreign *f, const struct foreign_packet *packet,
                  void (*each)(const struct foreign_drop *d, void *arg), void *arg, struct err *e);

struct foreign_dnat {
    const char *family, *table, *chain;
    uint64_t handle; /**< of the rule */
    struct ip to;    /**< AF_UNSPEC: it could not be told */
};
/** Calls @each for every address that somebody's DNAT leads to. */
int foreign_each_dnat(struct foreign *f, void (*each)(const struct foreign_dnat *d, void *arg),
                      void *arg, struct err *e);
