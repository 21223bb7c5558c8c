/* What the files about others' firewalls share. Private. */
#pragma once

#include <netctr/nft.h>

#include <libnftnl/chain.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>

struct foreign_rule {
    struct nftnl_rule *rule;
    size_t number; /* in the order of the kernel */
};

struct foreign {
    struct nft *nft;
    struct nftnl_chain **chains;
    size_t chain_count;
    struct foreign_rule *rules; /* sorted by chain, and in the order of each */
    size_t rule_count;
    void *sets;    /* those that were asked for: a tree of struct foreign_set */
    size_t walked; /* rules, by all packets together */
};

enum tri { NO, MAYBE, YES };
enum verdict { V_NONE, V_ACCEPT, V_DROP, V_RETURN, V_JUMP, V_GOTO };
enum { REGISTERS = 64 }; /* bytes */

/** The kernel's registers while a rule is evaluated; a byte may be unknown. */
struct machine {
    struct foreign *foreign;
    const struct foreign_packet *packet; /* NULL: nothing is known of it */
    uint32_t family;                     /* of the rule */
    const char *table;
    uint8_t value[REGISTERS];
    bool known[REGISTERS];
    const char *map; /* from which the register at map_at was filled */
    size_t map_at;
    /* results */
    enum tri match;
    enum verdict verdict;
    char *chain;   /* to jump to; owned */
    size_t nat_at; /* the register that holds the address of a DNAT, + 1 */
    uint32_t nat_family;
    bool xt_dnat;    /* by an extension of iptables … */
    struct ip xt_to; /* … to this */
};
/** Evaluates @rule; results are in @m, which the caller clears. */
void machine_run(struct machine *m, struct nftnl_rule *rule);
void machine_clear(struct machine *m);
#define _cleanup_machine_ __attribute__((cleanup(machine_clear)))

/** Calls @each for every element of a set of @table. */
int foreign_each_element(struct foreign *f, uint32_t family, const char *table, const char *set,
                         int (*each)(struct nftnl_set_elem *x, void *arg), void *arg);

/** What a set or map says about a value. */
struct foreign_found {
    bool found;
    bool strange; /**< it has elements of a kind that cannot be compared */
    int verdict;
    const char *chain; /**< for the verdict; as long as @f is there */
};
/** Looks up @value, of which @room bytes are known. */
int foreign_look_up(struct foreign *f, uint32_t family, const char *table, const char *set,
                    const uint8_t *value, size_t room, struct foreign_found *out);
void foreign_free_sets(struct foreign *f);

/** The place of a chain's first rule; it has none if foreign_rule_is_in() denies it. */
size_t foreign_first_rule(const struct foreign *f, uint32_t family, const char *table,
                          const char *chain);
bool foreign_rule_is_in(const struct foreign *f, size_t i, uint32_t family, const char *table,
                        const char *chain);

/** @packet as a chain of that priority sees it: conntrack comes later, or its source has changed. */
struct foreign_packet foreign_seen_by(const struct foreign_packet *packet, int priority);

/** A match of iptables' own. @info: its structure, as the kernel has it. (foreign_xt.c) */
enum tri xt_match(const char *name, unsigned revision, const void *info, size_t size,
                  const struct foreign_packet *p);

/** The tables of the older ip_tables, which nf_tables does not show. (foreign_legacy.c) */
int legacy_judge(const struct foreign_packet *packet,
                 void (*each)(const struct foreign_drop *d, void *arg), void *arg, struct err *e);
