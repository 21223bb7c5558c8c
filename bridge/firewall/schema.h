/* The types of the schema's data, which schema.c fills in and ruleset.c turns into messages.
 * Private.
 *
 * A rule is a list of steps. A step that loads a field puts it behind those loaded before it, each
 * padded to 32 bits, as nf_tables lays out concatenated keys. A step that compares or looks up uses
 * everything that is loaded. So rules do not mention registers, and a key has the same layout in
 * the rules that look it up and in the elements.
 */
#pragma once

#include "ruleset.h"

/* Types of fields. Their numbers in nft (nftables/include/datatype.h), by which `nft list` prints them, are in FIELDS. The
 * type of a concatenation has the numbers of its fields side by side, 6 bits each. */
enum field {
    NO_FIELD,
    IFNAME,
    IP4,
    IP6,
    ETHER,
    PROTO,
    PORT,
    ETHERTYPE,
    CTSTATE,
    ICMP6,
    TARGET6,
    FAMILY
};
enum { HOST_ORDER = 1, NETWORK_ORDER = 2, TYPE_BITS = 6, KEY_MAX = 64 };

/** A field as nft and the kernel know it; indexed by enum field. */
struct field_type {
    const char *name;
    uint8_t type, size, byte_order;
};
extern const struct field_type FIELDS[];

struct table {
    uint8_t family;
    const char *name, *family_name, *comment;
};

/* An element that is created with its set and never changes. */
struct fixed {
    const void *key;
    int32_t verdict; /* verdict maps */
    const char *chain;
};

struct set {
    const struct table *table;
    const char *name, *comment;
    enum field key[3], data[2]; /* data: maps to values */
    uint32_t flags;
    const struct fixed *fixed; /* anonymous sets */
    uint32_t fixed_count;
    const char *type_of;         /* nft's text for a key type without a name, … */
    const uint8_t *type_of_data; /* … and nft's userdata for it */
    uint8_t type_of_size;
};

/* META to FIB load a field. */
enum op {
    NO_STEP,
    META,
    CT,
    PAYLOAD,
    EXTHDR,
    HAS_EXTHDR,
    FIB,
    CMP,
    AND,
    IN,
    NOT_IN,
    MAP,
    DNAT,
    MASQ,
    COUNT,
    VERDICT
};

struct step {
    enum op op;
    uint32_t what;    /* key, header, comparison, set, family or verdict */
    uint32_t size;    /* bytes loaded, compared or masked */
    uint32_t offset;  /* PAYLOAD, EXTHDR: within the header */
    const void *data; /* what to compare with, the mask, or the chain to go to */
};

struct rule {
    const char *text;
    const char *comment;
    struct step steps[16];
};

struct chain {
    const struct table *table;
    const char *name;
    const struct rule *rules;
    size_t rule_count;
    const char *text, *type; /* NULL: not on a hook */
    uint32_t hook;
    int32_t priority;
};

/** The anonymous sets of rules, behind the named ones. */
enum { CT_VERDICTS = SET_NAMED_COUNT, PROTO_ICMP, GUARDED_TYPES, CARRIED, MLD_REPORTS, SET_COUNT };

enum { TABLE_COUNT = 2, CHAIN_COUNT = 14 };
extern const struct table *const TABLES[TABLE_COUNT];
extern const struct set SETS[SET_COUNT];
extern const struct chain CHAINS[CHAIN_COUNT];

/** The table with empty NAT chains of the watching process (nat_hold.h). A rebuild does not create
 *  it. */
extern const struct table NAT_HOLD;

/** One of TABLES, or NULL. */
const struct table *schema_find_table(uint32_t family, const char *name);
/** One of TABLES, or NAT_HOLD. */
bool schema_owns_table(uint32_t family, const char *name);
/** True if the drops of this chain count packets with forged addresses. */
bool schema_counts_spoofing(const struct table *t, const char *chain);

/** A command line that shows the rules of that chain. */
const char *schema_show_spoofing(const struct table *t);

struct nftnl_set_elem;
/** ruleset.c: makes @x the fixed element @i of @s. */
void ruleset_fill(const struct set *s, uint32_t i, struct nftnl_set_elem *x);
