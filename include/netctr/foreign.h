/* Other people's firewalls: what they would do with a container's packets.
 *
 * An accept of ours does not override another's drop: every base chain at a hook has to let a packet
 * pass. So all rules of others are read, and a packet is taken through them as the kernel would, as far as
 * it is known: a rule that asks for what is not known matches perhaps. Nothing is changed.
 */
#pragma once

#include <netctr/netns.h>

#include <linux/netfilter.h>

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

