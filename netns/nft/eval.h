/* Evaluation of one rule. Private to the evaluator. */
#pragma once

#include "snapshot.h"

enum { REGISTERS = 64 }; /* bytes */
enum { TARGETS_MAX = 64 };

/** The possible outcomes of a rule or a chain, one bit each. */
enum {
    MAY_CONTINUE = 1, /* of a rule: the next one; of a chain: it returns */
    MAY_RETURN = 2,   /* of a rule */
    MAY_ACCEPT = 4,
    MAY_DROP = 8,
    MAY_ELSE = 16, /* queue, another device */
    MAY_ANYTHING = 31,
};

struct target {
    const struct nft_chain *chain;
    bool jump; /* else goto */
};

/** The kernel's registers while a rule is evaluated. A 1 in @known: that bit of @value is known. */
struct regs {
    struct nft_packet *packet; /* rules change it */
    uint8_t pf;                /* meta nfproto; 0: unknown */
    bool ct_unknown;           /* conntrack may not have seen the packet yet */
    bool uncertain;            /* this rule may not be reached */
    uint8_t value[REGISTERS], known[REGISTERS];
    /* results */
    enum tri match;
    bool done; /* a verdict ends the rule */
    unsigned outcomes;
    struct target targets[TARGETS_MAX];
    size_t target_count;
    /* for a search of DNAT targets */
    const struct nft_set *map; /* from which the register at map_at was filled */
    size_t map_at;
    size_t nat_at; /* the register that holds the address of a DNAT, + 1 */
    uint32_t nat_family;
    bool xt_dnat;    /* by an extension of iptables … */
    struct ip xt_to; /* … to this */
};

/** Evaluates @rule; results are in @m. A rule that does not match has match NO and no outcome. */
void rule_run(struct regs *m, const struct nft_rule *rule);

/* ---- for the files that evaluate expressions ---------------------------------------------------*/

/** Lowers the rule's match to @t, if that is less certain. */
void regs_require(struct regs *m, enum tri t);
size_t regs_at(uint32_t reg);
/** Fills registers; @value NULL: unknown, @known NULL: all of it is known. */
void regs_put(struct regs *m, uint32_t reg, const void *value, const void *known, size_t size);
/** Adds possible outcomes, and ends the rule. */
void regs_end(struct regs *m, unsigned outcomes);
/** A value that the rule writes to the packet or its metadata: unknown if the rule may not come here. */
void regs_write(const struct regs *m, struct nft_bits *to, struct nft_bits value);

void load_meta(struct regs *m, const struct nft_op *op);
void load_payload(struct regs *m, const struct nft_op *op);
void load_ct(struct regs *m, const struct nft_op *op);
void load_fib(struct regs *m, const struct nft_op *op);
void notrack(struct regs *m, const struct nft_op *op);
/** Forgets everything that rules can change. */
void packet_forget(struct nft_packet *p);
/** Whether there is a conntrack entry. */
enum tri packet_has_ct(const struct nft_packet *p);

/* ---- iptables' matches and targets --------------------------------------------------------------*/

/** @info: the match's structure, as the kernel has it. @ct_unknown as in struct regs. (xt_match.c) */
enum tri xt_match(const char *name, unsigned revision, const void *info, size_t size,
                  const struct nft_packet *p, bool ct_unknown);
/** The outcome of a target, as a bit of MAY_…. Makes what it changes in @p unknown. */
unsigned xt_target(const char *name, struct nft_packet *p);

/* ---- chains ------------------------------------------------------------------------------------*/

/** The outcomes of a base chain. */
struct chain_end {
    unsigned may;  /* MAY_… */
    unsigned main; /* the outcome if no rule matches that could not be evaluated */
    bool policy;
    uint64_t rule; /* handle of the rule that leads to @main; 0: no single rule */
};
/** @hook: NF_INET_…. (xtables.c) */
struct chain_end xt_table_walk(const struct xt_table *t, unsigned hook, struct nft_packet *p,
                               bool ct_unknown);
