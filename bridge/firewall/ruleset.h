/* The schema of the firewall: two tables whose rules never change. Only the elements of their sets
 * do. Private.
 *
 * schema.c has the names, types and layouts, and ruleset.c turns them into messages. elements.c
 * defines the elements of a network, a guard and a published port. firewall.c is the interface for
 * the rest of netctr.
 */
#pragma once

#include <netctr/firewall.h>
#include <netctr/nft.h>

struct firewall_drop;

/** The sets whose elements change. */
enum ruleset_set {
    SET_NETWORKS,
    SET_INTERNAL,
    SET_ISOLATED,
    SET_MASQUERADED,
    SET_ROUTED,
    SET_LINKS,
    SET_UNISOLATED,
    SET_HAIRPIN4,
    SET_HAIRPIN6,
    SET_SUBNETS4,
    SET_SUBNETS6,
    SET_PUBLISH4,
    SET_PUBLISH4_AT,
    SET_PUBLISH6,
    SET_PUBLISH6_AT,
    SET_ROUTED_PORTS4,
    SET_ROUTED_PORTS6,
    SET_DNS_REDIRECT4,
    SET_DNS_REDIRECT6,
    SET_DNS_LISTEN,
    SET_CLOSED_FROM,
    SET_CLOSED_TO,
    SET_HOST_BRIDGES,
    SET_UNGUARDED,
    SET_MACS,
    SET_ADDRS4,
    SET_ADDRS6,
    SET_ND_TARGETS6,
    SET_NAMED_COUNT
};

enum change {
    CHANGE_ADD, /**< succeeds if an equal element exists; if that was expiring, it becomes permanent */
    CHANGE_CREATE, /**< -EEXIST if the key exists */
    CHANGE_DELETE, /**< left out if the key does not exist */
    CHANGE_EXPIRE, /**< gives it a lifetime of EXPIRY_MS (expiry.h); adds it for that long if it does not exist */
};

/** One element. Each pointer is one field, in the order of the set's type and in network byte order. An interface name is
 *  a string; every other field has the size of its type. */
struct element {
    enum ruleset_set set;
    const void *key[3];
    const void *key_end[2]; /**< ranges of two fields: the last key of the range */
    bool range_end;         /**< ranges of one field: @key is the first value behind the range */
    const void *data[2];    /**< maps */
    const char *comment;    /**< unprintable characters and quotes become "_"; may be NULL */
    bool unheld;            /**< as struct fw_publish; kept in the element's userdata */
};
enum { ELEMENT_COMMENT_MAX = 64 };
/** A type of userdata that nft does not know, and leaves out of its listings: fw_publish.unheld. */
enum { UDATA_ELEMENT_UNHELD = 0xc1 };

/** @what describes the change for errors, and is freed here. */
void ruleset_change(struct nft_batch *b, enum change change, const struct element *element,
                    char *what);
/** CHANGE_EXPIRE with a lifetime of the caller's choice. */
void ruleset_expire(struct nft_batch *b, const struct element *element, uint64_t lifetime_ms,
                    char *what);

/** 16 hex digits. */
bool ruleset_valid_instance(const char *s);

/** Both tables, stamped with @instance. They replace existing ones. */
void ruleset_create(struct nft_batch *b, const char *instance);

/** Compares the tables' stamps with @instance: enum fw_tables, or a negative errno. */
int ruleset_probe(struct nft *n, const char *instance, char **owner);

/** 0 if @element exists; *@expires is set to whether it has a lifetime. -ENOENT if it does not
 *  exist; another negative errno. */
int ruleset_find(struct nft *n, const struct element *element, bool *expires);

/** Asks the kernel for one element: calls @each with the answer. -ENOENT if it does not exist. */
int ruleset_ask(struct nft *n, const struct element *element,
                int (*each)(const struct nlmsghdr *answer, void *arg), void *arg);

/** Does the map hold @element's key with other data? No, if it cannot be read. */
bool ruleset_has_other_data(struct nft *n, const struct element *element);

/** Calls @each with the key of every element in the kernel's layout: each field starts at a 32-bit word. -ENOENT if the
 *  set does not exist. */
int ruleset_each_key(struct nft *n, enum ruleset_set set,
                     void (*each)(const uint8_t *key, size_t size, void *arg), void *arg);

/** Calls @each with the kernel's messages about all elements of a set. -ENOENT if the set does not exist. */
int ruleset_each_element(struct nft *n, enum ruleset_set set,
                         int (*each)(const struct nlmsghdr *answer, void *arg), void *arg);

/** The tables as a file for `nft -f`, built from the texts of the rules; caller frees. */
char *ruleset_text(void);

/** Calls @each for each reason for which rules against forged addresses have dropped packets, with
 *  their number. */
int ruleset_each_drop(struct nft *n, void (*each)(const struct firewall_drop *drop, void *arg),
                      void *arg);
/** A message that the kernel always refuses: a transaction with it has no effect. */
void ruleset_withdraw(struct nft_batch *b, char *what);

/* ---- elements.c ----------------------------------------------------------------------------*/

void elements_network(struct nft_batch *b, enum change change, const struct fw_network *n);
/** Containers behind the bridge @from may open connections to those behind @to. */
void elements_link(struct nft_batch *b, enum change change, const char *from, const char *to);
void elements_guard(struct nft_batch *b, enum change change, const struct fw_guard *g);
void elements_closed(struct nft_batch *b, enum change change, const struct fw_closed *c);
/** The links in the sets of closed links. Without tables both lists are empty. */
int elements_read_closed(struct nft *nft, uint8_t family, strv *from, strv *to);
void elements_dns_redirect(struct nft_batch *b, enum change change,
                           const struct fw_dns_redirect *r);
void elements_dns_listen(struct nft_batch *b, enum change change, uint16_t port);
void elements_publish(struct nft_batch *b, enum change change, const struct fw_publish *p);
/** Does the host port lead to another container? */
bool elements_is_taken(struct nft *nft, const struct fw_publish *p);
/** ruleset_ask() for the element of a published port. */
int elements_ask_publish(struct nft *nft, const struct fw_publish *p,
                         int (*each)(const struct nlmsghdr *answer, void *arg), void *arg);
/** "port 80/tcp is in use on 192.0.2.2"; caller frees. */
char *elements_in_use(const struct fw_publish *p);

/* ---- publisher.c ---------------------------------------------------------------------------*/

/** The present element of a published port. */
struct publisher {
    bool expires; /**< it is on its way out */
    bool unheld;  /**< as struct fw_publish */
    char *name;   /**< its comment; the caller frees */
};
/** -ENOENT: the port is not published. */
int publisher_find(struct nft *nft, const struct fw_publish *p, struct publisher *out);
