/* nf_tables of a network namespace: transactions, the expressions of rules, and what a packet meets in tables that are
 * there. Knows messages and rules, and nothing of what they are for.
 */
#pragma once

#include <netctr/netns.h>

#include <stdint.h>

/* After <netinet/in.h>, whose types it would define again. */
#include <linux/netfilter.h>

/* ---- transport --- */
/* The transport below the firewall: a connection to nf_tables, transactions and small requests.
 *
 * A transaction is a buffer of netlink messages between BEGIN and END, sent by one sendmsg(). The
 * kernel works through all of it inside that call, so when it returns every answer is already
 * waiting: nothing here ever blocks on the kernel. Knows messages, not what they mean.
 */

struct nlmsghdr;
struct nft;
struct nft_batch;

/** Connects to nf_tables of the caller's network namespace. */
int nft_open(struct nft **out, struct err *e);
void nft_close(struct nft *n); /**< accepts NULL */

/** The longest message that may be written where nft_batch_message() points. */
#define NFT_MESSAGE_MAX (16 * 1024)

struct nft_batch *nft_batch_new(void);
void nft_batch_free(struct nft_batch *b); /**< accepts NULL */
void nft_batch_cleanup(struct nft_batch **b);
#define _cleanup_nft_batch_ __attribute__((cleanup(nft_batch_cleanup)))
void nft_batch_empty(struct nft_batch *b);

/** Starts a message of @type (NFT_MSG_…) and returns its header, to be extended by the caller
 *  until the next call. @what says what it does ("add published port tcp 8080"); it is freed here. */
struct nlmsghdr *nft_batch_message(struct nft_batch *b, uint16_t type, uint16_t flags,
                                   uint8_t family, char *what);

/** Hands every message that was begun to @each, with what was said about it. */
void nft_batch_each(struct nft_batch *b,
                    void (*each)(const struct nlmsghdr *message, const char *what, void *arg),
                    void *arg);

/** For input that cannot be sent at all: the next commit fails with this and sends nothing. */
void nft_batch_refuse(struct nft_batch *b, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Refusals that a transaction may do without: they are left out and the rest is sent again. */
enum nft_tolerate {
    NFT_TOLERATE_NOTHING = 0,
    NFT_TOLERATE_ABSENT = 1, /**< ENOENT */
    NFT_TOLERATE_TAKEN = 2,  /**< EEXIST */
};

/** Sends the batch as one transaction and empties it. On failure the kernel has changed nothing,
 *  and @e names the first message that it refused. */
int nft_batch_commit(struct nft *n, struct nft_batch *b, enum nft_tolerate tolerate, struct err *e);

/** Sends one request outside any transaction and hands every answer to @each (which returns
 *  MNL_CB_OK). A dump is read as a whole first, again if something changes meanwhile. 0 or a negative errno. */
int nft_request(struct nft *n, struct nlmsghdr *request,
                int (*each)(const struct nlmsghdr *answer, void *data), void *data);

/* ---- expressions --- */
/* The expressions of a rule, one short function each: what `nft --debug=netlink` prints as one
 * line in brackets. @reg is a 32-bit register (NFT_REG32_00 …); the kernel takes wide values from there
 * on, and reports them in the old 128-bit names where those fit.
 */

struct nftnl_rule;

void expr_meta(struct nftnl_rule *r, uint32_t key, uint32_t reg);
void expr_ct(struct nftnl_rule *r, uint32_t key, uint32_t reg);
void expr_payload(struct nftnl_rule *r, uint32_t base, uint32_t offset, uint32_t size,
                  uint32_t reg);
/** A field of IPv6's extension header @type, wherever in the chain of headers it is. */
void expr_exthdr(struct nftnl_rule *r, uint32_t type, uint32_t offset, uint32_t size, uint32_t reg);
/** One byte: 1 if there is such a header, else 0. */
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

/** For libnftnl's allocators, which fail like xcalloc() only for want of a few bytes: same end. */
void *nft_must(void *allocated);

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
