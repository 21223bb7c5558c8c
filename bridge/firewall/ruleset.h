/* The schema of the firewall: two tables whose rules never change, only the elements of their sets.
 *
 * schema.c alone knows names, types and layouts, ruleset.c how they are told to the kernel; elements.c
 * says which elements make a network, a guard or a published port; firewall.c is what the rest of netctr
 * calls (firewall.h).
 */
#pragma once

#include <netctr/firewall.h>
#include <netctr/nft.h>

struct firewall_drop;

/** The sets that elements come and go in. */
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
    CHANGE_ADD,    /**< fine with an equal element; one that was expiring stays */
    CHANGE_CREATE, /**< -EEXIST if the key is there */
    CHANGE_DELETE, /**< left out if the key is not there */
    CHANGE_EXPIRE, /**< gives it EXPIRY_MS to live (expiry.h); adds it for that long if it is not there */
};

/** One element. Each pointer is one field in network byte order, in the order of the set's type: an
 *  interface name is a string, everything else as wide as the field is. */
struct element {
    enum ruleset_set set;
    const void *key[3];
    const void *key_end[2]; /**< ranges of two fields: the last key that belongs to it */
    bool range_end;      /**< ranges of one field: @key is the first that does not belong to it */
    const void *data[2]; /**< maps */
    const char *comment; /**< unprintable characters and quotes become "_"; may be NULL */
};
enum { ELEMENT_COMMENT_MAX = 64 };

/** @what is freed. */
void ruleset_change(struct nft_batch *b, enum change change, const struct element *element,
                    char *what);
/** CHANGE_EXPIRE with a lifetime of the caller's choice. */
void ruleset_expire(struct nft_batch *b, const struct element *element, uint64_t lifetime_ms,
                    char *what);

/** 16 hex digits. */
bool ruleset_valid_instance(const char *s);

/** Both tables, replacing what is there; stamped with @instance. */
void ruleset_create(struct nft_batch *b, const char *instance);

/** Compares the tables' stamps with @instance: enum fw_tables, or a negative errno. */
int ruleset_probe(struct nft *n, const char *instance, char **owner);

/** 0 if @element is there, and then *@expires tells whether it will end by itself; -ENOENT if it is
 *  not; another negative errno. */
int ruleset_find(struct nft *n, const struct element *element, bool *expires);

/** Calls @each with the key of every element, laid out as in the kernel: each field begins at a word.
 *  -ENOENT if there is no such set. */
int ruleset_each_key(struct nft *n, enum ruleset_set set,
                     void (*each)(const uint8_t *key, size_t size, void *arg), void *arg);

/** Hands the kernel's answers about all elements of a set to @each, to be parsed. -ENOENT if there is no such
 *  set. */
int ruleset_each_element(struct nft *n, enum ruleset_set set,
                         int (*each)(const struct nlmsghdr *answer, void *arg), void *arg);

/** The tables as a file for `nft -f`, built from the texts beside the rules; caller frees. */
char *ruleset_text(void);

/** What the rules of the guard and of the chain `martians` have dropped, a sum for each reason. */
int ruleset_each_drop(struct nft *n, void (*each)(const struct firewall_drop *drop, void *arg),
                      void *arg);
/** What the kernel refuses whatever else there is: a transaction that ends with it takes no effect. */
void ruleset_withdraw(struct nft_batch *b, char *what);

/* ---- elements.c ----------------------------------------------------------------------------*/

void elements_network(struct nft_batch *b, enum change change, const struct fw_network *n);
/** That containers of @from may open connections to those of @to; both are bridges. */
void elements_link(struct nft_batch *b, enum change change, const char *from, const char *to);
void elements_guard(struct nft_batch *b, enum change change, const struct fw_guard *g);
void elements_closed(struct nft_batch *b, enum change change, const struct fw_closed *c);
/** The links in the sets of closed ones; no tables, no links. */
int elements_read_closed(struct nft *nft, uint8_t family, strv *from, strv *to);
void elements_dns_redirect(struct nft_batch *b, enum change change,
                           const struct fw_dns_redirect *r);
void elements_dns_listen(struct nft_batch *b, enum change change, uint16_t port);
void elements_publish(struct nft_batch *b, enum change change, const struct fw_publish *p);
