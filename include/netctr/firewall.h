/* netctr's own tables in nf_tables, in the words of bridge networks: networks, endpoints (guards) and published ports.
 *
 * Callers never see a table, chain or set: schema.c alone knows them. Changes are collected in a batch, which is
 * committed as one transaction of nf_tables: all of it or nothing. Each fw_add_X() has a fw_del_X() that takes the same
 * argument and reverses it.
 *
 *   struct fw_batch *b = fw_batch_new(fw);
 *   fw_add_guard(b, &guard);  fw_add_publish(b, &publish);  r = fw_commit(b, e);
 */
#pragma once

#include <netctr/netns.h>

#include <netinet/in.h>
#include <stdint.h>

struct fw;
struct fw_batch;

/** Connects to nf_tables (NETLINK_NETFILTER) of the calling thread's network namespace. @instance,
 *  16 hex digits, is stamped into the tables and says to which netctr they belong. */
int fw_open(const char *instance, struct fw **out, struct err *e);
void fw_close(struct fw *fw); /**< accepts NULL */
#define _cleanup_fw_ __attribute__((cleanup(fw_cleanup)))
void fw_cleanup(struct fw **fw);
/** Sets the directory for a file `.expiry`, which stores until the next boot what was found out
 *  about the kernel. Without a directory, each connection that needs it probes the kernel. The fd
 *  stays the caller's. */
void fw_set_directory(struct fw *fw, int directory);

/** If the two tables differ in state, the one that comes last here counts. */
enum fw_tables {
    FW_TABLES_OURS,    /**< both exist and carry this instance and schema */
    FW_TABLES_FOREIGN, /**< of another instance (@owner), or restored from a file (no owner) */
    FW_TABLES_MISSING, /**< one or both do not exist (first run, `nft flush ruleset`) */
    FW_TABLES_OLDER,   /**< of this instance, with an older schema */
    FW_TABLES_NEWER,   /**< of this instance, with a newer schema: must not be changed */
};
/** Returns which tables the kernel holds now, or a negative errno. If they belong to another instance, *@owner
 *  (@owner may be NULL) is its stamp, which the caller frees; otherwise NULL. */
int fw_probe(struct fw *fw, char **owner, struct err *e);
/** A command line that deletes both tables, for hints. */
extern const char fw_delete_command[];
/** Deletes all of netctr's tables that exist and tells @gc; with @foreign, tells only that they stay. */
int fw_remove(struct fw *fw, bool foreign, const struct gc *gc, struct err *e);
/** True if netctr creates a table of this name. @family is NFPROTO_…. */
bool firewall_owns_table(uint32_t family, const char *name);

/** Sends the tables in a transaction that the kernel must refuse at its end. 0 if the tables
 *  themselves are accepted. */
int fw_dry_run(struct fw *fw, struct err *e);
/** Packets that the firewall has dropped since it was last loaded. */
struct firewall_drop {
    bool guard; /**< true: sent by a container; false: from elsewhere, with a forged address */
    char *why;  /**< the rule's comment */
    uint64_t packets;
    const char *show; /**< a command line that shows the rule, for hints */
};
/** Calls @each for each reason for which forged packets were dropped. */
int fw_each_drop(struct fw *fw, void (*each)(const struct firewall_drop *drop, void *arg),
                 void *arg);

enum fw_expiry { FW_EXPIRY_NOT_ASKED, FW_EXPIRY_NO, FW_EXPIRY_YES };
/** Whether this kernel can give existing elements a lifetime. If not, the end of a container takes
 *  some milliseconds longer. Known after the end of the first container in this boot. */
enum fw_expiry fw_expiry(struct fw *fw);

/* ---- what there is to add and delete ---- */

struct fw_network {
    const char *bridge;     /**< interface name */
    struct in_addr subnet4; /**< network order; prefix4 0: none */
    uint8_t prefix4;
    struct in6_addr subnet6; /**< prefix6 0: none */
    uint8_t prefix6;
    bool internal;      /**< no way out or in */
    bool isolated;      /**< like internal, and does not reach the host either */
    bool masquerade;    /**< outgoing traffic gets the host's address */
    bool routed;        /**< its containers answer ping from outside */
    bool icc;           /**< its containers may talk to each other */
    bool unisolated;    /**< networks with this flag reach each other */
    char *const *links; /**< bridges that its containers may open connections to; NULL: none */
};

/** Anti-spoofing: the only addresses that a port may send from. A port without a guard may send nothing. */
struct fw_guard {
    const char *host_veth;
    bool unguarded; /**< it may send anything; the other fields do not count */
    uint8_t mac[6];
    struct in_addr ip4;         /**< 0.0.0.0: none */
    struct in6_addr ip6;        /**< :: none */
    struct in6_addr link_local; /**< :: none */
};

struct fw_publish {
    int family;       /**< AF_INET or AF_INET6 */
    uint8_t protocol; /**< IPPROTO_TCP, _UDP, _SCTP */
    bool routed;      /**< the container's own port is opened; there is no host port */
    bool
        held; /**< the caller holds the port's socket: an element with its key is a leftover, and is replaced */
    bool
        unheld; /**< no process holds that socket as long as the port is published: a key that exists already is
                         -EADDRINUSE, also for others that hold the socket of this port */
    bool any_address; /**< true: every host address; false: @host4/@host6 only */
    struct in_addr host4;
    struct in6_addr host6;
    uint16_t host_port; /**< host byte order */
    struct in_addr to4; /**< the container's address */
    struct in6_addr to6;
    uint16_t to_port;    /**< host byte order */
    const char *comment; /**< container's name, shown by nft; at most 64 characters */
};

/** The DNS server that receives what a network sends to port 53 of its gateway. */
struct fw_dns_redirect {
    const char *bridge;
    int family;
    struct in_addr gateway4;
    struct in6_addr gateway6;
    uint8_t protocol; /**< IPPROTO_UDP, IPPROTO_TCP */
    uint16_t to_port; /**< of the gateway, host byte order; does not count for deleting */
};

/** Links of the host between which nothing of @family is forwarded, although forwarding is on. */
struct fw_closed {
    int family;
    char *const *from, *const *to; /**< a packet that comes in by one does not leave by another */
    char *const *bridges;          /**< those that are bridges: bridged frames are not dropped */
};

struct fw_batch *fw_batch_new(struct fw *fw);
void fw_batch_free(struct fw_batch *b); /**< accepts NULL */
#define _cleanup_fw_batch_ __attribute__((cleanup(fw_batch_cleanup)))
void fw_batch_cleanup(struct fw_batch **b);

/** Both tables with all chains, sets and rules, without elements. They replace existing ones in the same transaction
 *  ("add; delete; add"). Must come first in its batch. */
void fw_add_tables(struct fw_batch *b);

/* Adding what exists succeeds, except for published ports: there the commit fails with -EEXIST (see
 * fw_publish.held), or with -EADDRINUSE and a text that names the other's container (fw_publish.unheld). Deleting what does not exist succeeds. Without tables, adding fails with
 * -ENOENT and deleting succeeds. */
void fw_add_network(struct fw_batch *b, const struct fw_network *n);
void fw_del_network(struct fw_batch *b, const struct fw_network *n);
/** Containers behind the bridge @from may open connections to those behind @to. */
void fw_add_link(struct fw_batch *b, const char *from, const char *to);
void fw_del_link(struct fw_batch *b, const char *from, const char *to);
void fw_add_guard(struct fw_batch *b, const struct fw_guard *g);
void fw_del_guard(struct fw_batch *b, const struct fw_guard *g);
/** In a batch with tables, a port that was added before is left out. */
void fw_add_publish(struct fw_batch *b, const struct fw_publish *p);
/** 0: an unheld port could be published now. -EADDRINUSE with a text that names the container that publishes it. */
int fw_require_free(struct fw *fw, const struct fw_publish *p, struct err *e);
/** A port that leads to another container by now stays. */
void fw_del_publish(struct fw_batch *b, const struct fw_publish *p);
/** To change one, delete it and add it in one batch; adding alone fails with -EEXIST if it leads to another port. */
void fw_add_dns_redirect(struct fw_batch *b, const struct fw_dns_redirect *r);
void fw_del_dns_redirect(struct fw_batch *b, const struct fw_dns_redirect *r);
/** The DNS server's own port on the host. Packets that were not redirected to it from port 53 are
 *  dropped. */
void fw_add_dns_listen(struct fw_batch *b, uint16_t port);
void fw_del_dns_listen(struct fw_batch *b, uint16_t port);
void fw_add_closed(struct fw_batch *b, const struct fw_closed *c);
void fw_del_closed(struct fw_batch *b, const struct fw_closed *c);

/** Sends the batch as one transaction and empties it. On failure nothing has changed, and the error names the object
 *  that the kernel refused ("add published port tcp 8080: File exists") with the kernel's extended ack. A batch that only
 *  deletes guards and ports may let them expire instead, within 12 ms: until then, adding such a port again fails. */
int fw_commit(struct fw_batch *b, struct err *e);

/* ---- flows ---- */
/* Flows of UDP and SCTP outlive changes of the ports that they go to (stale_flows.c). If the kernel
 * cannot list connections, all of these return -EOPNOTSUPP with a text. */

/** Ends the flows to ports of @live that another socket than the container's receives. Other flows
 *  stay, so it may be called at any time. Cheap without such ports or flows. A packet that was on
 *  its way when the port was published may create its entry afterwards: callers call it again a
 *  moment later. */
int flows_end_stale(const struct fw_publish *live, size_t count, struct err *e);
/** To be called after these ports were deleted. Ends the flows to them that the container receives.
 */
int flows_end_ports(struct fw *fw, const struct fw_publish *ended, size_t count, struct err *e);
/** To be called after the ports of a container were deleted. Ends every flow with ports that one of
 *  its addresses takes part in: forwarded to it, to the address itself, or started by it. */
int flows_end_addresses(struct fw *fw, const struct ip *addresses, size_t count, struct err *e);
/** Ends the DNS queries that are redirected to @port: the next query from the same socket is redirected to the present port. */
int flows_end_dns(uint16_t port, struct err *e);

/* ---- closed links ---- */

/** The links of @family that are closed now, also in tables of another instance; NULL, NULL if
 *  there are none. The caller frees both. */
int fw_read_closed(struct fw *fw, int family, strv *from, strv *to, struct err *e);

/* ---- compare ---- */

/** The object that a difference is about. */
struct fw_subject {
    int family;          /**< 0: an interface */
    char interface[16];  /**< a bridge or a port */
    uint8_t address[16]; /**< network order */
};
struct fw_difference {
    const char *text; /**< "network `nc-a` is not in set `masqueraded`" */
    struct fw_subject subjects[5];
    size_t subject_count; /**< 0: the whole firewall */
};
struct fw_wanted {
    struct fw_batch *must; /**< what a reload would send: what the kernel lacks is a difference */
    struct fw_batch *may;  /**< objects that may be there or not */
    bool unknown_closed;   /**< the batches do not contain the closed links, … */
    bool unknown_dns;      /**< … or the DNS redirects */
};
/** Compares the firewall, which must exist, with what it should be. Changes neither the kernel nor
 *  the batches. */
int fw_compare(struct fw *fw, const struct fw_wanted *wanted,
               void (*found)(const struct fw_difference *d, void *arg), void *arg, struct err *e);

/* ---- watch --- */
/* Notices that another program has emptied the firewall (`nft flush ruleset`, the restart of a
 * firewall service), so that the tables are restored within milliseconds. Also notices that a
 * container's port has lost its bridge, and brings it down.
 *
 * Each subscriber of nf_tables' notifications slows down every commit on the host, so an instance
 * has only one, in its helper.
 */

struct firewall_watch;

/** Starts to watch, in callbacks of @loop; it finds earlier changes by reading the tables.
 *  @instance is the tables' stamp. @flushed is called from the loop, at most once in 20 ms, when
 *  something is missing in netctr's tables that netctr has not removed itself; it restores the
 *  firewall. If it returns an error, it is called again, after a pause that grows each time. 0, or
 *  a negative errno. */
int firewall_watch_new(const char *instance, struct loop *loop, int (*flushed)(void *arg),
                       void *arg, struct firewall_watch **out, struct err *e);
void firewall_watch_free(struct firewall_watch *l); /**< accepts NULL; before its loop is freed */
void firewall_watch_cleanup(struct firewall_watch **l);
#define _cleanup_firewall_watch_ __attribute__((cleanup(firewall_watch_cleanup)))

/** To be called when the restore that @flushed has started has failed: @flushed is called again,
 *  after a pause that grows each time, … */
void firewall_watch_again(struct firewall_watch *l);
/** … until this is called, after a successful restore. */
void firewall_watch_restored(struct firewall_watch *l);
