/* The firewall in the bridge's own words: networks, endpoints (guard) and published ports.
 *
 * Callers never see a table, chain or expression; schema.c alone knows the schema. A change is
 * gathered in a batch and committed as one nf_tables transaction: all of it or nothing.
 *
 *   struct fw *fw;  struct fw_batch *b = fw_batch_new(fw);
 *   fw_add_guard(b, &guard);  fw_add_publish(b, &publish);  r = fw_commit(b, e);
 */
#pragma once

#include <netctr/base.h>

#include <netinet/in.h>
#include <stdint.h>

struct fw;
struct fw_batch;

/** A connection to nf_tables of the network namespace that the caller is in (NETLINK_NETFILTER).
 *  @instance is stamped into both tables: 16 hex digits that tell whose tables they are. */
int fw_open(const char *instance, struct fw **out, struct err *e);
void fw_close(struct fw *fw); /**< accepts NULL */
#define _cleanup_fw_ __attribute__((cleanup(fw_cleanup)))
void fw_cleanup(struct fw **fw);

enum fw_tables {
    FW_TABLES_MISSING, /**< one or both are not there (first run, `nft flush ruleset`) */
    FW_TABLES_OURS,    /**< both are there and carry our instance */
    FW_TABLES_FOREIGN, /**< there, but of another instance, of another version of netctr, or restored
                            from a file */
};
/** Which tables the kernel holds now; negative errno on failure. When FOREIGN and @owner is not
 *  NULL, *@owner is the other instance's stamp (NULL if there is none); caller frees. */
int fw_probe(struct fw *fw, char **owner, struct err *e);

/** Sends the tables and withdraws them in the same transaction: 0 if the kernel would take them. */
int fw_dry_run(struct fw *fw, struct err *e);
struct firewall_drop;
/** As firewall_each_drop(). */
int fw_each_drop(struct fw *fw, void (*each)(const struct firewall_drop *drop, void *arg),
                 void *arg);

struct fw_network {
    const char *bridge;     /**< interface name */
    struct in_addr subnet4; /**< network order; prefix4 0: none */
    uint8_t prefix4;
    struct in6_addr subnet6; /**< prefix6 0: none */
    uint8_t prefix6;
    bool internal;      /**< neither out nor in */
    bool isolated;      /**< not even to the host */
    bool masquerade;    /**< outgoing traffic gets the host's address */
    bool routed;        /**< its containers answer ping from outside */
    bool icc;           /**< its containers may talk to each other */
    bool open;          /**< it and others that are open reach each other */
    char *const *links; /**< bridges that its containers may open connections to; NULL: none */
};

/** What a port may say. One of which the firewall knows nothing says nothing. */
struct fw_guard {
    const char *host_veth; /**< host-side veth */
    bool unguarded;        /**< anything: the rest does not count */
    uint8_t mac[6];
    struct in_addr ip4;         /**< 0.0.0.0: none */
    struct in6_addr ip6;        /**< :: none */
    struct in6_addr link_local; /**< :: none */
};

struct fw_publish {
    int family;       /**< AF_INET or AF_INET6 */
    uint8_t protocol; /**< IPPROTO_TCP, _UDP, _SCTP */
    bool routed;      /**< the container's own port is open; there is no host port */
    bool any_address; /**< true: every host address; false: @host4/@host6 only */
    struct in_addr host4;
    struct in6_addr host6;
    uint16_t host_port; /**< host byte order */
    struct in_addr to4; /**< the container's address */
    struct in6_addr to6;
    uint16_t to_port;    /**< host byte order */
    const char *comment; /**< container's name, shown by nft; at most 64 characters */
};

/** Who answers what a network asks its gateway on port 53. */
struct fw_dns_redirect {
    const char *bridge;
    int family;
    struct in_addr gateway4;
    struct in6_addr gateway6;
    uint8_t protocol; /**< IPPROTO_UDP, IPPROTO_TCP */
    uint16_t
        to_port; /**< of the gateway, host byte order; 0 removes it, in fw_set_dns_redirects() */
};

/** Links of the host between which nothing of @family is forwarded, although forwarding is on. */
struct fw_closed {
    int family;
    char *const *from, *const *to; /**< what comes in by one does not leave by another */
    char *const *bridges;          /**< those that are bridges: what they bridge is no forwarding */
};

struct fw_batch *fw_batch_new(struct fw *fw);
void fw_batch_free(struct fw_batch *b); /**< accepts NULL */
#define _cleanup_fw_batch_ __attribute__((cleanup(fw_batch_cleanup)))
void fw_batch_cleanup(struct fw_batch **b);

/** Both tables with all chains, sets and rules, empty of elements: "add; delete; add", so that
 *  whatever was there is replaced in the same transaction. */
void fw_add_tables(struct fw_batch *b);

/* Adding what is there already: networks and guards are fine with it; a publish is added with
 * NLM_F_EXCL, so the commit fails with -EEXIST. fw_undo() and fw_expire() are the way back. */
void fw_add_network(struct fw_batch *b, const struct fw_network *n);
/** Containers behind the bridge @from may open connections to those behind @to. */
void fw_add_link(struct fw_batch *b, const char *from, const char *to);
void fw_add_guard(struct fw_batch *b, const struct fw_guard *g);
void fw_add_publish(struct fw_batch *b, const struct fw_publish *p);
void fw_add_dns_redirect(struct fw_batch *b, const struct fw_dns_redirect *r);
void fw_add_closed(struct fw_batch *b, const struct fw_closed *c);
/** Puts @r in the place of whatever stood there, in one transaction. */
int fw_set_dns_redirects(struct fw *fw, const struct fw_dns_redirect *r, size_t count,
                         struct err *e);
/** The name server has left @port: packets to it are no longer dropped. Accepts "already gone". */
int fw_close_door(struct fw *fw, uint16_t port, struct err *e);

/** Sends the batch as one transaction and empties it. On failure nothing has changed and the error
 *  names the object that the kernel refused ("add published port tcp 8080: File exists") with the
 *  kernel's extended ack. */
int fw_commit(struct fw_batch *b, struct err *e);

/** Ends elements that may be gone already: those that are, are left out of the transaction; -ENOENT
 *  is success. All pointers may be NULL, @count 0. */
int fw_undo(struct fw *fw, const struct fw_network *n, const struct fw_guard *g,
            const struct fw_publish *p, size_t count, struct err *e);

/* A transaction that deletes makes a later close of a netlink socket wait for a grace period of
 * 6-20 ms; one that gives elements a short lifetime does not. But only newer kernels let an element
 * that is there be given one (6.12 and 6.18 do; 6.1 answers 0 and changes nothing), so it is found
 * out by effect. The answer holds until the next boot: keep it and pass it to fw_set_expiry(). */

/** Whether elements can be given a lifetime. Needs the tables; deletes nothing where they can. */
int fw_probe_expiry(struct fw *fw, bool *works, struct err *e);
void fw_set_expiry(struct fw *fw, bool works);

/** The links of @family that are closed now, also in tables of another instance; NULL, NULL if there are none. The
 *  caller frees both. */
int fw_read_closed(struct fw *fw, int family, strv *from, strv *to, struct err *e);
/** Opens what fw_add_closed() has closed; open already is success. */
int fw_undo_closed(struct fw *fw, const struct fw_closed *c, struct err *e);
/** Withdraws what fw_add_link() has permitted; gone already is success. */
int fw_undo_link(struct fw *fw, const char *from, const char *to, struct err *e);
/** What a difference is about. */
struct fw_subject {
    int family;          /**< 0: an interface */
    char interface[16];  /**< a bridge or a port */
    uint8_t address[16]; /**< network order */
};
struct fw_difference {
    const char *text; /**< "network `nc-a` is not in set `natted`" */
    struct fw_subject subjects[5];
    size_t subject_count; /**< 0: the whole firewall */
};
struct fw_wanted {
    struct fw_batch *must;  /**< what a reload would send: what is missing is a difference */
    struct fw_batch *may;   /**< is no difference, whether it is there or not */
    bool unknown_closed;    /**< the batches do not say which links are closed, */
    bool unknown_resolvers; /**< or who answers on port 53 */
};
/** Compares the firewall, which must be there, with what it should be. Changes neither the kernel nor the
 *  batches. */
int fw_compare(struct fw *fw, const struct fw_wanted *wanted,
               void (*found)(const struct fw_difference *d, void *arg), void *arg, struct err *e);

#define FW_EXPIRY_MS 12 /* three ticks where HZ is 250 */

/** Like fw_undo() but by letting the elements expire within FW_EXPIRY_MS, where that works (asks
 *  fw_probe_expiry() once if nobody said); elsewhere it is fw_undo(). Until then their keys are
 *  taken. A port that is published to another container by now is left alone. */
int fw_expire(struct fw *fw, const struct fw_guard *g, const struct fw_publish *p, size_t count,
              struct err *e);

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
