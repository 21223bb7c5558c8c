/* The content of a snapshot. Private to the files of the snapshot and its evaluator. */
#pragma once

#include <netctr/nft.h>

#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>

struct regs;
struct nft_element;

/** One expression of a rule, with the function that evaluates it and the set it looks into. */
struct nft_op {
    void (*run)(struct regs *m, const struct nft_op *op);
    struct nftnl_expr *x;
    const struct nft_set *set;     /* NULL: none, or it could not be read */
    const struct nft_chain *chain; /* target of a jump; NULL: none */
};

struct nft_rule {
    struct nftnl_rule *rule;
    size_t number; /* in the kernel's order */
    struct nft_op *ops;
    size_t op_count;
};

struct nft_chain {
    struct nftnl_chain *chain;
    uint32_t family;
    const char *table, *name;
    size_t number;       /* in the kernel's order */
    size_t first, count; /* its rules */
    bool base, dormant;  /* dormant: its table has no hooks */
    bool nat;            /* of type nat: sees the first packet of a connection only */
    uint32_t hook;
    int priority;
};

struct nft_element {
    const uint8_t *key, *key_end; /* key_end: of a range in a concatenation, or key */
    struct nftnl_set_elem *x;
    bool end;      /* of an interval: the key is the first value behind it */
    bool doubtful; /* has a condition of its own, such as a limit */
    bool has_verdict;
    int verdict;
    const struct nft_chain *chain; /* target of its verdict */
};

enum { FIELDS_MAX = 16 };
struct nft_set {
    uint32_t family;
    const char *table, *name; /* owned */
    uint32_t flags, key_size;
    uint8_t fields[FIELDS_MAX]; /* of a concatenation: sizes, each padded to 4 bytes in a key */
    size_t field_count;
    bool unreadable;
    bool
        changed; /* rules add elements or remove them: what it holds when a packet comes is unknown */
    struct nftnl_set **parts; /* own the elements */
    size_t part_count;
    struct nft_element *elements; /* sorted by key */
    size_t element_count;
    struct nft_element *catchall;
};

/** A table of ip_tables. */
struct xt_table {
    char name[32];
    bool six;
    int priority;
    uint8_t *entries;
    size_t size;
    unsigned valid_hooks, hook_entry[NF_INET_NUMHOOKS], underflow[NF_INET_NUMHOOKS];
};
enum { XT_TABLES_MAX = 10 };

struct nft_snapshot {
    nft_table_filter *leave_out;
    void *arg;
    strv dormant;             /* "FAMILY TABLE" */
    bool left_out_nat;        /* a table that was left out has NAT chains */
    struct nft_chain *chains; /* sorted by family, table, name */
    size_t chain_count;
    struct nft_rule *rules; /* sorted by chain, in the order of each */
    size_t rule_count;
    struct nft_set *sets; /* sorted by family, table, name */
    size_t set_count;
    struct xt_table xt_tables[XT_TABLES_MAX];
    size_t xt_table_count;
};

enum tri { NO, MAYBE, YES };

/* The order of chains, and of sets. (find.c) */
int compare_names(uint32_t family, const char *table, const char *name, uint32_t family2,
                  const char *table2, const char *name2);
int compare_chains(const void *a, const void *b);
int compare_sets(const void *a, const void *b);
const struct nft_chain *snapshot_chain(const struct nft_snapshot *s, uint32_t family,
                                       const char *table, const char *name);
const struct nft_set *snapshot_set(const struct nft_snapshot *s, uint32_t family, const char *table,
                                   const char *name);

/** Notes that a rule looks into the set, or changes it. Call sets_read() when all are noted. (sets.c) */
void sets_note(struct nft_snapshot *s, uint32_t family, const char *table, const char *name,
               bool changed);
/** Reads the elements of all noted sets. */
void sets_read(struct nft_snapshot *s, struct nft *nft);
void sets_free(struct nft_snapshot *s);
/** Looks up a value of which some bits may be unknown. Calls @each with every element that may
 *  match, or with NULL if any may. YES: one of these matches for certain. */
enum tri set_look_up(const struct nft_set *set, const uint8_t *value, const uint8_t *known,
                     void (*each)(const struct nft_element *x, void *arg), void *arg);

/** Reads the tables of ip_tables in the caller's namespace. (xtables.c) */
int xt_tables_read(struct nft_snapshot *s, struct err *e);
void xt_tables_free(struct nft_snapshot *s);

/** Prepares the expressions of @rule for evaluation. Chains and sets have been read. (eval.c) */
void rule_prepare(const struct nft_snapshot *s, struct nft_rule *rule);
