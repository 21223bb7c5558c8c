/* The shape of the firewall's table of data, for schema.c, which fills it, and ruleset.c, which makes
 * messages of it.
 *
 * A rule is a list of steps. A step that loads a field puts it behind those loaded before it, each
 * padded to 32 bits: that is how nf_tables lays out concatenated keys. A step that compares or looks
 * up takes all that is loaded. So no rule speaks of registers, and a key has one layout for the
 * rules that look it up and the elements that are added.
 */
#pragma once

#include "ruleset.h"

/* Types of fields. The number is nft's own id of the type (datatype.h in its source): it is what
 * `nft list` goes by. A key of several fields has their ids side by side, 6 bits each. */
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

/** What nft and the kernel know of a field; indexed by enum field. */
struct field_type {
    const char *name;
    uint8_t type, size, byte_order;
};
extern const struct field_type FIELDS[];

struct table {
    uint8_t family;
    const char *name, *family_name, *comment;
};

/* An element that a set is made with and keeps. */
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
    const char *type_of;         /* nft's text for a key whose type has no name, … */
    const uint8_t *type_of_data; /* … and the same as nft's userdata */
    uint8_t type_of_size;
};

/* META to FIB load something. */
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
    struct step steps[12];
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

/** Sets that rules bring along, behind the named ones. */
enum {
    CT_VERDICTS = SET_NAMED_COUNT,
    PROTO_ICMP,
    GUARDED_TYPES,
    CARRIED,
    BEFORE_ADDRESS,
    SET_COUNT
};

enum { TABLE_COUNT = 2, CHAIN_COUNT = 14 };
extern const struct table *const TABLES[TABLE_COUNT];
extern const struct set SETS[SET_COUNT];
extern const struct chain CHAINS[CHAIN_COUNT];

/** Empty NAT chains of the process that watches (nat_hold.h). Not part of what is rebuilt. */
extern const struct table NAT_HOLD;

/** One of TABLES, or NULL. */
const struct table *schema_find_table(uint32_t family, const char *name);
/** One of TABLES, or NAT_HOLD. */
bool schema_owns_table(uint32_t family, const char *name);
/** Do the drops of this chain tell of packets with forged addresses? */
bool schema_counts_spoofing(const struct table *t, const char *chain);

struct nftnl_set_elem;
/** ruleset.c: makes @x the element @i that @s is made with. */
void ruleset_fill(const struct set *s, uint32_t i, struct nftnl_set_elem *x);
