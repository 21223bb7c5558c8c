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

/** Connects to nf_tables (NETLINK_NETFILTER) of the calling thread's network namespace. @instance, 16 hex digits, is
 *  stamped into the tables and tells to which netctr they belong. */
int fw_open(const char *instance, struct fw **out, struct err *e);
void fw_close(struct fw *fw); /**< accepts NULL */
#define _cleanup_fw_ __attribute__((cleanup(fw_cleanup)))
void fw_cleanup(struct fw **fw);
/** Where to keep until the next boot what was found out about the kernel (a file `.expiry`). Without a directory it is
 *  found out by each connection that needs it. The fd stays the caller's. */
void fw_set_directory(struct fw *fw, int directory);

/** Of two tables, the state that comes last here counts. */
enum fw_tables {
    FW_TABLES_OURS, /**< both exist and carry our instance and schema */
    FW_TABLES_FOREIGN, /**< another instance's (@owner tells which), or restored from a file (no owner) */
    FW_TABLES_MISSING, /**< one or both do not exist (first run, `nft flush ruleset`) */
    FW_TABLES_OLDER,   /**< of our instance, made by a netctr with an older schema */
    FW_TABLES_NEWER,   /**< with a newer schema: must not be changed */
};
/** Returns which tables the kernel holds now, or a negative errno. If they belong to another instance, *@owner
 *  (@owner may be NULL) is its stamp, which the caller frees; otherwise NULL. */
int fw_probe(struct fw *fw, char **owner, struct err *e);
/** A command line that deletes both tables, for hints. */
extern const char fw_delete_command[];
/** Is this one of the tables that netctr makes? @family is NFPROTO_…. */
bool firewall_owns_table(uint32_t family, const char *name);

/** Sends the tables and withdraws them in the same transaction: 0 if the kernel accepts them. */
int fw_dry_run(struct fw *fw, struct err *e);
/** Packets that the firewall has dropped since it was last loaded. */
struct firewall_drop {
    bool
        guard; /**< sent by containers; else from elsewhere with an address that cannot come from there */
    char *why; /**< the rule's comment */
    uint64_t packets;
    const char *show; /**< a command line that shows the rule, for hints */
};
/** Calls @each for every reason for which forged packets were dropped. */
int fw_each_drop(struct fw *fw, void (*each)(const struct firewall_drop *drop, void *arg),
                 void *arg);

enum fw_expiry { FW_EXPIRY_NOT_ASKED, FW_EXPIRY_NO, FW_EXPIRY_YES };
/** Can this kernel give existing elements a lifetime? Where it cannot, the end of a container takes some milliseconds
 *  longer. Known after the first end of one in this boot. */
enum fw_expiry fw_expiry(struct fw *fw);

/* ---- what there is to add and delete ---- */

struct fw_network {
    const char *bridge;     /**< interface name */
    struct in_addr subnet4; /**< network order; prefix4 0: none */
    uint8_t prefix4;
    struct in6_addr subnet6; /**< prefix6 0: none */
    uint8_t prefix6;
    bool internal;      /**< no way out or in */
    bool isolated;      /**< not even to the host */
    bool masquerade;    /**< outgoing traffic gets the host's address */
    bool routed;        /**< its containers answer ping from outside */
    bool icc;           /**< its containers may talk to each other */
    bool unisolated;    /**< this network and others with this flag reach each other */
    char *const *links; /**< bridges that its containers may open connections to; NULL: none */
};

/** Anti-spoofing: the only addresses that a port may send from. A port without a guard may send nothing. */
struct fw_guard {
    const char *host_veth;
    bool unguarded; /**< it may send anything; the rest does not count */
    uint8_t mac[6];
    struct in_addr ip4;         /**< 0.0.0.0: none */
    struct in6_addr ip6;        /**< :: none */
    struct in6_addr link_local; /**< :: none */
};

struct fw_publish {
    int family;       /**< AF_INET or AF_INET6 */
    uint8_t protocol; /**< IPPROTO_TCP, _UDP, _SCTP */
    bool routed;      /**< the container's own port is reachable; there is no host port */
    bool
        held; /**< the caller holds the port's socket: an element with its key is a leftover, and is replaced */
    bool any_address; /**< true: every host address; false: @host4/@host6 only */
    struct in_addr host4;
    struct in6_addr host6;
    uint16_t host_port; /**< host byte order */
    struct in_addr to4; /**< the container's address */
    struct in6_addr to6;
    uint16_t to_port;    /**< host byte order */
    const char *comment; /**< container's name, shown by nft; at most 64 characters */
};

/** The DNS server that gets what a network sends to its gateway's port 53. */
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
    char *const *from, *const *to; /**< what comes in by one does not leave by another */
    char *const *bridges; /**< those that are bridges: bridged frames are not forwarded packets */
};

struct fw_batch *fw_batch_new(struct fw *fw);
void fw_batch_free(struct fw_batch *b); /**< accepts NULL */
#define _cleanup_fw_batch_ __attribute__((cleanup(fw_batch_cleanup)))
void fw_batch_cleanup(struct fw_batch **b);

/** Both tables with all chains, sets and rules, without elements. They replace existing ones in the same transaction
 *  ("add; delete; add"). Must come first in its batch. */
void fw_add_tables(struct fw_batch *b);

/* Adding what exists succeeds, but for published ports: there the commit fails with -EEXIST (see fw_publish.held).
 * Deleting what does not exist succeeds. Without tables, adding fails with -ENOENT and deleting succeeds. */
void fw_add_network(struct fw_batch *b, const struct fw_network *n);
void fw_del_network(struct fw_batch *b, const struct fw_network *n);
/** Containers behind the bridge @from may open connections to those behind @to. */
void fw_add_link(struct fw_batch *b, const char *from, const char *to);
void fw_del_link(struct fw_batch *b, const char *from, const char *to);
void fw_add_guard(struct fw_batch *b, const struct fw_guard *g);
void fw_del_guard(struct fw_batch *b, const struct fw_guard *g);
void fw_add_publish(struct fw_batch *b, const struct fw_publish *p);
/** A port that leads to another container by now stays. */
void fw_del_publish(struct fw_batch *b, const struct fw_publish *p);
/** To change one, delete it and add it in one batch; adding alone fails with -EEXIST if it leads to another port. */
void fw_add_dns_redirect(struct fw_batch *b, const struct fw_dns_redirect *r);
void fw_del_dns_redirect(struct fw_batch *b, const struct fw_dns_redirect *r);
/** The DNS server's own port on the host, which drops what was not redirected from port 53. */
void fw_add_dns_listen(struct fw_batch *b, uint16_t port);
void fw_del_dns_listen(struct fw_batch *b, uint16_t port);
void fw_add_closed(struct fw_batch *b, const struct fw_closed *c);
void fw_del_closed(struct fw_batch *b, const struct fw_closed *c);

/** Sends the batch as one transaction and empties it. On failure nothing has changed, and the error names the object
 *  that the kernel refused ("add published port tcp 8080: File exists") with the kernel's extended ack. A batch that only
 *  deletes guards and ports may let them expire instead, within 12 ms: until then, adding such a port again fails. */
int fw_commit(struct fw_batch *b, struct err *e);

/* ---- flows ---- */
/* Flows of UDP and SCTP outlive changes of the ports that they go to (stale_flows.c). All of these return -EOPNOTSUPP
 * with a text if the kernel cannot list connections. */

/** Ends the flows to ports of @live that another socket than the container's answers. Other flows stay, so it may be
 *  called at any time. Cheap without such ports or flows. A packet that was on its way when the port was published may
 *  create its entry afterwards: callers look again a moment later. */
int flows_end_stale(const struct fw_publish *live, size_t count, struct err *e);
/** After these ports were deleted: ends the flows to them that the container answers. */
int flows_end_ports(struct fw *fw, const struct fw_publish *ended, size_t count, struct err *e);
/** After the ports of a container were deleted: ends every flow of a protocol with ports that one of its addresses takes
 *  part in: forwarded to it, to the address itself, or started by it. */
int flows_end_addresses(struct fw *fw, const struct ip *addresses, size_t count, struct err *e);
/** Ends the DNS queries that are redirected to @port: the next query from the same socket is redirected to the present port. */
int flows_end_dns(uint16_t port, struct err *e);

/* ---- what else it tells ---- */

/** The links of @family that are closed now, also in tables of another instance; NULL, NULL if there are none. The
 *  caller frees both. */
int fw_read_closed(struct fw *fw, int family, strv *from, strv *to, struct err *e);

/* ---- compare ---- */

/** What a difference is about. */
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
    struct fw_batch *must; /**< what a reload would send: what is missing is a difference */
    struct fw_batch *may;  /**< what may exist or not */
    bool unknown_closed;   /**< the batches do not say which links are closed, */
    bool unknown_dns;      /**< or where DNS is redirected to */
};
/** Compares the firewall, which must exist, with what it should be. Changes neither the kernel nor the batches. */
int fw_compare(struct fw *fw, const struct fw_wanted *wanted,
               void (*found)(const struct fw_difference *d, void *arg), void *arg, struct err *e);

/* ---- watch --- */
/* Learns that the firewall was emptied (`nft flush ruleset`, the restart of a firewall service), so that the tables are
 * restored within a moment; and that a container's port has lost its bridge, and brings it down.
 *
 * Each subscriber of nf_tables' notifications slows every commit on the host: an instance has one, in its helper.
 */

struct firewall_watch;

/** Watches from now on, in turns of @loop; what happened before is found by a look. @instance is the tables' stamp.
 *  @flushed is called by the loop, at most once in 20 ms, when something of our tables is gone that netctr itself did
 *  not take away; it sees to it that the model is re-applied. After an error it is called again, a little later
 *  each time. 0, or a negative errno. */
int firewall_watch_new(const char *instance, struct loop *loop, int (*flushed)(void *arg),
                       void *arg, struct firewall_watch **out, struct err *e);
void firewall_watch_free(struct firewall_watch *l); /**< accepts NULL; before its loop is freed */
void firewall_watch_cleanup(struct firewall_watch **l);
#define _cleanup_firewall_watch_ __attribute__((cleanup(firewall_watch_cleanup)))

/** What @flushed has begun has failed: it is called again, a little later each time … */
void firewall_watch_again(struct firewall_watch *l);
/** … until it has succeeded. */
void firewall_watch_restored(struct firewall_watch *l);
