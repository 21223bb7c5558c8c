/* The loader of lab topologies: what its files share.
 *
 * The text becomes a tree (tree.c), the tree is read by tables of keys (keys.c), and what the tables' functions have read
 * is checked across nodes (check.c, circles.c, capacity.c). A fault never ends the reading: all of a file are reported at once.
 */
#pragma once

#include <netctr/topology.h>

/* ---- limits ----------------------------------------------------------------------------------*/

enum {
    TEXT_MAX = 4 << 20,    /* bytes of a file */
    SCALAR_MAX = 64 << 10, /* bytes of one value */
    TREE_MAX = 300000,     /* values in a file, with each use of an alias counted */
    DEPTH_MAX = 64,        /* levels of nesting */
    NODES_MAX = 10000,     /* nodes of a lab */
    ENTRIES_MAX = 500000,  /* values that nodes have and inherit */
    LIST_MAX = 1000,       /* entries of a list or map of texts */
    FAULTS_SHOWN = 50,     /* faults that the caller gets */
    FAULTS_KEPT = 4096,    /* faults that are kept to be sorted */
    NOTES_MAX = 50,
    COMPARED_MAX = 100000, /* words that are compared to find what was meant */
    NODE_NETWORKS_MAX = 32,
    LINK_MTU_MIN = 68,
    LINK_MTU_MAX = 65535,
};

/* ---- the tree --------------------------------------------------------------------------------*/

enum tree_kind { TREE_TEXT, TREE_LIST, TREE_MAP };
struct tree;
struct tree_item {
    const struct tree *key; /**< NULL in a list */
    const struct tree *value;
};
/** A value of the file. An alias is the value of its anchor: the same object, in several places. */
struct tree {
    enum tree_kind kind;
    struct place place;
    bool plain;   /**< TREE_TEXT: without quotes */
    char *text;   /**< TREE_TEXT: after the substitution of variables; never NULL */
    size_t count; /**< TREE_LIST, TREE_MAP: of @items */
    struct tree_item *items;
    size_t weight;   /**< number of values in it, with itself; a long text counts as several */
    unsigned height; /**< levels below it */
};
struct forest {
    struct tree **all;
    size_t count, room;
};
void forest_clear(struct forest *f);
#define _cleanup_forest_ __attribute__((cleanup(forest_clear)))

/* ---- the reader ------------------------------------------------------------------------------*/

struct found {
    struct place place;
    char *text;
};
struct found_list {
    struct found *items;
    size_t count, room, more;
};
struct draft;
struct reader {
    const char *path; /**< what messages call the file */
    const struct kathara_text
        *from; /**< the text was written from a lab.conf, whose lines messages name; NULL */
    const struct topology_options *options;
    struct topology *t;
    struct found_list faults, notes;
    strv said;      /**< keys of which a note has been made */
    bool broken;    /**< the tree has a fault that would lead to others */
    size_t entries; /**< spent of ENTRIES_MAX */
    char *lab_dir;  /**< clab-LAB beside the file */
    const struct tree *name, *prefix, *mgmt, *networks, *topology, *tests, *images;
    const struct tree *defaults, *kinds, *groups, *nodes, *links;
    struct draft *drafts; /**< one for each of t->nodes */
    size_t *by_name;      /**< indexes of t->nodes, sorted by name */
    size_t by_name_count;
    strv hosts;      /**< nodes of `kind: host`: other names of this host */
    size_t compared; /**< words that have been compared for hints */
};

/** Records a fault: "what; what to do". The same text at the same place is recorded once. */
void fault(struct reader *r, struct place at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/** The same with the text and the hint of @e, which is emptied. */
void fault_err(struct reader *r, struct place at, struct err *e);
/** Records that the file says something which is accepted, but not as containerlab does it. */
void note(struct reader *r, struct place at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/** "; did you mean `NEAR`?", or @otherwise. The caller frees. */
char *nearest_hint(struct reader *r, const char *word, const char *const *words,
                   const char *otherwise);
/** Moves faults to @out and notes to the topology, sorted by place. */
void findings_finish(struct reader *r, struct topology_faults *out);
void findings_clear(struct reader *r);
/** Counts @n values. False, after a fault: the file asks for too many. */
bool spend(struct reader *r, struct place at, size_t n);

/* ---- text ------------------------------------------------------------------------------------*/

/** @text with ${VAR}, ${VAR:-x}, ${VAR:=x} and $$ replaced; NULL: longer than SCALAR_MAX. The caller frees. */
char *vars_expand(struct reader *r, const char *text);
/* The value of a variable, which is noted in the topology. NULL: it has none. */
const char *vars_find(struct reader *r, const char *name, size_t length);
/** @path, relative to @dir, without "." and ".." and double slashes. The caller frees. */
char *path_resolve(const char *dir, const char *path);

/** Parses the YAML text. NULL after a fault. */
const struct tree *tree_parse(struct reader *r, struct forest *f, const char *text, size_t size);
/** The value of @key; NULL: none, or not a map. */
const struct tree *tree_get(const struct tree *map, const char *key);
bool tree_is_null(const struct tree *t); /**< nothing, `~` or `null`, without quotes; or NULL */

/** A topology file that was written from a lab.conf, and the line there of each of its lines. */
struct kathara_text {
    char *text;
    unsigned *lines;
    size_t size, line_count;
};
void kathara_text_clear(struct kathara_text *t);
/** Reads a lab.conf in the folder r->t->dir. Faults are recorded; without machines there is no text. */
void kathara_read(struct reader *r, const char *text, size_t size, struct kathara_text *out);

/* ---- tables of keys --------------------------------------------------------------------------*/

enum key_policy {
    KEY_APPLY,
    KEY_NOTE,   /**< accepted; `help` is said once */
    KEY_SILENT, /**< accepted without effect */
    KEY_REFUSE, /**< a fault with the sentence `help` */
};
enum key_shape {
    SHAPE_TEXT,
    SHAPE_FLAG,
    SHAPE_NUMBER,
    SHAPE_TEXTS, /**< a list of texts */
    SHAPE_TEXT_OR_TEXTS,
    SHAPE_TEXT_MAP,       /**< a map of texts */
    SHAPE_TABLE,          /**< a map with the keys of `table` */
    SHAPE_TABLE_MAP,      /**< a map of such maps */
    SHAPE_TABLES,         /**< a list of such maps */
    SHAPE_TEXT_OR_TABLES, /**< a list of texts and such maps */
    SHAPE_FLAG_OR_TABLE,
    SHAPE_LINES, /**< a list of texts and such maps, or a map of such lists */
    SHAPE_ANY,
};
struct table;
struct key {
    const char *name;
    enum key_policy policy;
    enum key_shape shape;
    /** Reads @value, which has the shape. @to is what keys_read() got. */
    void (*read)(struct reader *r, const struct key *key, const struct tree *value, void *to);
    const char *help; /**< one line for the schema; KEY_NOTE, KEY_REFUSE: what is said */
    size_t offset;    /**< for read_text() and read_flag() */
    const struct table *table;
    const char *const *words; /**< the only values that a text may have; NULL: any */
};
struct table {
    const char *id;   /**< in the schema */
    const char *what; /**< "a node" */
    const struct key *keys;
    size_t count;
};
#define TABLE(name_, what_, keys_)                                   \
    const struct table name_ = {.id = &#name_[sizeof("table_") - 1], \
                                .what = (what_),                     \
                                .keys = (keys_),                     \
                                .count = ARRAY_LEN(keys_)}

extern const struct table table_file, table_topology, table_node, table_health, table_dns,
    table_extras, table_stages, table_mgmt, table_network, table_link, table_test;

/** Reads each key of @map, in the order of the file. Unknown keys and wrong shapes are faults. */
void keys_read(struct reader *r, const struct table *table, const struct tree *map, void *to);
/** Is @value a map? Else a fault: "`WHAT` must be a map". An empty value is none, without a fault. */
bool want_map(struct reader *r, const char *what, const struct tree *value);
/** For keys: copies the text to the char * at `offset`. */
void read_text(struct reader *r, const struct key *key, const struct tree *value, void *to);
void read_flag(struct reader *r, const struct key *key, const struct tree *value, void *to);

/* ---- values ----------------------------------------------------------------------------------*/

/** YAML's words for true and false. */
int flag_parse(const char *text, bool *out);
/** "20ms", "1.5s", "100us", "2m", or a number of @unit_us. In µs. -EINVAL, -ERANGE. */
int duration_parse(const char *text, uint64_t unit_us, uint64_t *us);
/** "1%", "0.5%", "0.5". */
int percent_parse(const char *text, double *out);
/** "10.0.0.1/24". -EINVAL with a text. */
int lab_address_parse(const char *text, struct lab_address *out, struct err *e);
/** An unsigned number in [@min, @max]; else a fault. */
bool read_number(struct reader *r, const char *what, const struct tree *value, uint64_t min,
                 uint64_t max, uint64_t *out);
/** A duration in ms, from a number of seconds or with a unit; else a fault. */
bool read_duration(struct reader *r, const char *what, const struct tree *value, unsigned *ms);
/** Splits a line; else a fault. */
bool read_words(struct reader *r, struct place at, const char *line, strv *out);
/** A list's texts, or the only one. */
const struct tree *tree_text_at(const struct tree *t, size_t i);
size_t tree_text_count(const struct tree *t);

/* ---- nodes -----------------------------------------------------------------------------------*/

struct placed {
    char *text;
    struct place place;
};
/** A node while it is read: one level after the other is read into it, so that the later one wins. */
struct draft {
    struct lab_node *node;
    struct place kind_at, mgmt4_at, mgmt6_at, mode_at, startup_at, gateway_at;
    char *kind, *mode, *startup_config;
    struct placed *ports, *networks; /**< as node->ports, node->networks */
    size_t port_count, network_count;
    struct place ports_at;
};
void lab_node_clear(struct lab_node *n);
void draft_clear(struct draft *d);
/** Replaces __clabNodeName__, __clabNodeDir__ and __clabDir__. The caller frees. */
char *magic_expand(const struct reader *r, const struct draft *d, const char *text);

/* Functions of table_node's keys; @to is a struct draft. */
typedef void key_reader(struct reader *r, const struct key *key, const struct tree *value,
                        void *to);
key_reader node_kind, node_image, node_group, node_env, node_labels, node_words, node_sysctls,
    node_caps, node_memory, node_cpu, node_cpu_set, node_dns, node_aliases, node_hostname,
    node_delay, node_restart, node_tty, node_user;
key_reader node_binds, node_files, node_env_files, node_exec, node_startup_config;
key_reader node_ports, node_mgmt4, node_mgmt6, node_mode, node_networks, node_gateway;
key_reader node_extras;
key_reader node_stages, node_health, node_wait_for;

/** Reads kinds, groups and nodes. */
void nodes_read(struct reader *r);
#define BRIDGE_IN "|" /* BRIDGE|NODE is a bridge inside a node */

/** To be called when all nodes are there. */
void names_sort(struct reader *r);
/** The index of a node, or SIZE_MAX. Fast. */
size_t node_index(const struct reader *r, const char *name);
/** The same, with a fault if there is none. */
size_t node_wanted(struct reader *r, struct place at, const char *name);

void mgmt_read(struct reader *r);
void networks_read(struct reader *r);
/* vlans.c: `vlan` and `trunk` of a link, and whether they fit it. */
void vlan_read(struct reader *r, const struct key *key, const struct tree *value, void *to);
void trunk_read(struct reader *r, const struct key *key, const struct tree *value, void *to);
void vlans_check(struct reader *r, const struct tree *v, const struct lab_link *l);
void links_read(struct reader *r);
void tests_read(struct reader *r);
/** What must be true of the whole. */
void check_nodes(struct reader *r);
void check_links(struct reader *r);
void check_mgmt(struct reader *r);
void check_capacity(struct reader *r);
void check_circles(struct reader *r);
void check_sources(struct reader *r);
