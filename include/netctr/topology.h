/* A lab's topology: what one file says, checked, with all levels of inheritance applied. Plain data: nothing here touches
 * the host.
 *
 * The file is containerlab's tree (docs/lab-file.md): `name`, `topology.nodes`, `topology.links`, and what netctr adds:
 * `networks`, addresses and impairments of links, `gateway`, `files`, `tests`. The loader finds all faults of a file at
 * once; each has its line and column. Order is the file's everywhere.
 */
#pragma once

#include <netctr/base.h>

/** Where something stands in the file, both from 1; line 0: nowhere. */
struct place {
    unsigned line, column;
};

/** An address as on an interface: host bits are set. family 0: none. */
struct lab_address {
    struct ip ip;
    uint8_t prefix;
};

enum lab_kind { LAB_LINUX, LAB_BRIDGE };

/** A file or directory of the host that a node sees, or a copy of it that belongs to the node. */
struct lab_bind {
    char *source; /**< absolute: what was relative to the file is resolved, `~` and __clab…__ words are replaced */
    char *target; /**< absolute path in the node */
    bool read_only;
    struct place place;
};

/** A line of `exec`. */
struct lab_exec {
    char *line; /**< as written, after the substitution of variables */
    strv argv;  /**< its words by the rules of shlex; no shell reads them */
    struct place place;
};

/** The stages of a node in their order. */
enum lab_stage {
    STAGE_CREATE,       /**< before its program starts */
    STAGE_CREATE_LINKS, /**< its links exist */
    STAGE_CONFIGURE,    /**< its `exec` lines */
    STAGE_HEALTHY,      /**< its health check succeeds */
    STAGE_EXIT,         /**< its program has ended */
    STAGES
};
struct lab_wait {
    char *node; /**< name of a node of this file */
    size_t index; /**< of it in topology.nodes */
    enum lab_stage stage;
    struct place place;
};
struct lab_stage_exec {
    struct lab_exec exec;
    bool on_exit; /**< at the end of the stage, else at its beginning */
    bool on_host; /**< run by the host, else in the node */
};
struct lab_stage_plan {
    struct lab_wait *waits; /**< before this stage begins */
    size_t wait_count;
    struct lab_stage_exec *execs;
    size_t exec_count;
};

struct lab_health {
    bool given;
    strv argv; /**< without CMD; of CMD-SHELL: {"/bin/sh", "-c", TEXT} */
    unsigned interval_ms, timeout_ms, start_period_ms;
    unsigned retries;
};

enum lab_node_network {
    NODE_OWN,       /**< a sandbox of its own, on the management network unless it has `networks` */
    NODE_NONE,      /**< a sandbox without a management interface; "eth0" may be a link's */
    NODE_HOST,      /**< the host's network; no links */
    NODE_CONTAINER, /**< that of another node or container; no links of its own. Of LAB_BRIDGE: the bridge is inside
                     *   that node, and called topology_bridge_name() there */
};

struct lab_node {
    char *name;
    struct place place;
    enum lab_kind kind;
    bool frr;     /**< `kind: frr`: linux with FRR; its startup-config is among `files` */
    strv daemons; /**< of `frr`: those that shall run; NULL: all that its image starts */
    char *image; /**< as written; NULL: none given. "host" is the host's own tree */
    char *group; /**< a label if no such group is defined; NULL: none */
    struct lab_bind *binds; /**< sorted by depth of the target */
    size_t bind_count;
    struct lab_bind *files; /**< copied into the node before its program starts */
    size_t file_count;
    struct lab_exec *execs;
    size_t exec_count;
    strv env;                       /**< KEY=VALUE */
    struct lab_bind *env_files;     /**< files of more of them, which `env` comes before; @target is @source */
    size_t env_file_count;
    bool has_cmd, has_entrypoint;   /**< given, maybe empty */
    strv cmd, entrypoint;           /**< argv, by the rules of shlex */
    char *user;                     /**< NULL: the image's */
    strv ports;                     /**< "[IP:]HOST:PORT[/PROTOCOL]", checked */
    struct ip mgmt4, mgmt6;         /**< asked for on the management network; family 0: any */
    enum lab_node_network network;
    char *network_of;               /**< NODE_CONTAINER: of a node or container */
    size_t network_of_index;        /**< of that node; SIZE_MAX: it is a container that is not of this lab */
    strv networks;                  /**< of `networks:`: NAME[:ip=…,…] for connect_request_parse(), NAME from this file */
    strv sysctls;                   /**< NAME=VALUE */
    strv cap_add;
    char *memory, *cpu, *cpu_set;   /**< as written, checked; NULL: none */
    strv dns, dns_search, dns_options;
    strv aliases;
    char *hostname;                 /**< NULL: the node's name */
    strv labels;                    /**< KEY=VALUE */
    unsigned startup_delay_ms;
    char *restart;                  /**< docker's word; NULL: none */
    struct ip gateway4, gateway6;   /**< `gateway`, of the default routes */
    bool tty;                       /**< false: `tty: false` */
    struct lab_stage_plan stages[STAGES];
    struct lab_health health;
};

/** What is done to the packets that leave an interface. Zero: nothing. */
struct lab_impairment {
    uint64_t rate;                   /**< bits per second */
    unsigned delay_us, jitter_us;
    double loss, corrupt, duplicate, reorder; /**< per cent */
};
/** "delay", "jitter", …; ends with NULL. */
extern const char *const lab_impairment_keys[];
/** Sets one of them from a text: "20ms", "1%", "10mbit"; 0 takes it away. -EINVAL with a text. */
int lab_impairment_set(struct lab_impairment *m, const char *key, const char *value, struct err *e);
/** -EINVAL with a text: they do not fit together. */
int lab_impairment_check(const struct lab_impairment *m, struct err *e);
bool lab_impairment_any(const struct lab_impairment *m);
bool lab_impairment_more_than_rate(const struct lab_impairment *m);
/** An object with the texts of those that are set; the caller owns it. */
json_t *lab_impairment_json(const struct lab_impairment *m);
/** The inverse. -EINVAL with a text. */
int lab_impairment_of_json(const json_t *j, struct lab_impairment *out, struct err *e);

enum lab_end {
    END_NODE,     /**< an interface of a node, or a port of a bridge node */
    END_HOST,     /**< an interface of the host: `host:NAME` */
    END_MGMT,     /**< a port of the management network's bridge: `mgmt-net:NAME` */
    END_MACVLAN,  /**< `macvlan:PARENT` */
    END_NOTHING,  /**< of a `dummy` */
};
struct lab_endpoint {
    enum lab_end what;
    size_t node;      /**< END_NODE: index in topology.nodes */
    char *interface;  /**< END_MACVLAN: the parent. A name that is too long for the kernel is refused */
    uint8_t mac[6];   /**< zero: chosen at start */
    struct lab_address address4, address6; /**< applied when the link is made */
    struct lab_impairment impairment;      /**< of what it sends */
    struct place place;
};
/** The VLANs of a switch's port (`vlan`, `trunk`). None: those of a switch that knows no VLANs. */
struct lab_vlans {
    unsigned untagged; /**< 0: frames without a tag are dropped */
    uint16_t *tagged;  /**< owned; in ascending order */
    size_t count;
};
bool lab_vlans_any(const struct lab_vlans *v);
bool lab_vlans_equal(const struct lab_vlans *a, const struct lab_vlans *b);
/** Adds the keys of the file to @link. */
void lab_vlans_put(json_t *link, const struct lab_vlans *v);
struct lab_link {
    struct lab_endpoint ends[2];
    unsigned mtu; /**< 0: containerlab's 9500 */
    struct lab_vlans vlans; /**< at each end that is a switch */
    struct place place;
};

/** A network of `networks:`: outside access, publishing, names. */
struct lab_network {
    char *name;
    strv subnets, gateways; /**< at most one of each family, checked */
    bool internal, isolated_ports, ipv6; /**< `internal`, `icc: false`, `ipv6` */
    unsigned mtu;
    strv labels;
    struct place place;
};

/** The management network (`mgmt`). */
struct lab_mgmt {
    bool off;           /**< no node has a management interface: `mgmt: false` */
    char *network;      /**< NULL: "clab" */
    char *bridge;       /**< NULL: chosen */
    strv subnets, gateways, ranges; /**< at most one of each family, checked; a range is what is given out */
    unsigned mtu;
    bool no_outside;    /**< `external-access: false` */
    bool no_route;      /**< `default-route: false` */
    struct place place;
};

enum lab_test_what { TEST_REACH, TEST_EXEC };
enum lab_protocol { LAB_ICMP, LAB_TCP, LAB_UDP };
/** What is done before a test, and undone after it. */
enum lab_event { AFTER_NOTHING, AFTER_LINK_DOWN, AFTER_LINK_UP, AFTER_STOP, AFTER_START };
struct lab_test {
    char *text; /**< one line for people: "h1 -> web:80" */
    struct place place;
    enum lab_test_what what;
    bool fails; /**< `!->`: it must not be reached; of TEST_EXEC: the exit status must not be 0 */
    size_t from;             /**< index of the node that sends, or that runs the command */
    size_t to;               /**< TEST_REACH: index; SIZE_MAX: @to_name is an address or a foreign name */
    char *to_name;
    enum lab_protocol protocol;
    uint16_t port;
    int family;              /**< AF_INET, AF_INET6, or 0: either */
    strv argv;               /**< TEST_EXEC */
    int status;              /**< TEST_EXEC: expected exit status */
    char *contains;          /**< TEST_EXEC: what its output must contain; NULL: anything */
    unsigned within_ms;      /**< it may take this long until it passes. For `fails`: until it is not reached any more, and one
                              *   probe later still is not. 0: once, with the usual patience of one probe */
    enum lab_event after;
    size_t after_node;       /**< its node */
    char *after_interface;   /**< AFTER_LINK_…: the interface of that node */
};

struct topology {
    char *file;   /**< absolute path */
    char *dir;    /**< absolute directory, to which paths are relative */
    char *name;
    char *prefix; /**< "clab" if not given; "": node names alone; "__lab-name": LAB-NODE */
    struct lab_mgmt mgmt;
    struct lab_node *nodes;
    size_t node_count;
    struct lab_link *links;
    size_t link_count;
    struct lab_network *networks;
    size_t network_count;
    struct lab_test *tests;
    size_t test_count;
    strv images; /**< "PATTERN=host" or "PATTERN=DIR" with an absolute path: what `image` means */
    strv variables; /**< "NAME=VALUE": those of the environment that the file used; without them it says something else */
    strv notes; /**< "FILE:LINE:COLUMN: …": accepted, but not as containerlab does it */
};

/** How a file is read. */
struct topology_options {
    const char *name;            /**< instead of the file's; NULL */
    char *const *environ;        /**< for ${VAR}; NULL: none */
    bool ovs_as_bridge;          /**< `ovs-bridge` becomes a plain switch */
    bool skip_binds;             /**< do not require that the sources of binds and files exist */
};
/** Faults of a file, each "FILE:LINE:COLUMN: what is wrong; what to do", in the order of lines; at most 50. */
struct topology_faults {
    strv lines;
    size_t more; /**< how many were not kept */
};
void topology_faults_clear(struct topology_faults *f);

/** Reads a topology. @path: a file, or a directory with exactly one *.clab.yml or *.clab.yaml. The caller owns *@out.
 *  -EINVAL: @faults has the reasons. -ENOENT and others with a text in @e: the file cannot be read. */
int topology_read(const char *path, const struct topology_options *options, struct topology **out,
                  struct topology_faults *faults, struct err *e);
/** The same for a text that is in memory; @path is what messages call it, and what paths are relative to. */
int topology_parse(const char *text, size_t size, const char *path,
                   const struct topology_options *options, struct topology **out,
                   struct topology_faults *faults, struct err *e);
/** The same for the lab.conf of a Kathara lab. *@text becomes the topology file that says the same; the lines that messages
 *  name are those of the lab.conf. */
int topology_import(char **text, size_t *size, const char *path,
                    const struct topology_options *options, struct topology **out,
                    struct topology_faults *faults, struct err *e);
#define TOPOLOGY_KATHARA "lab.conf" /* the file's name */
void topology_free(struct topology *t); /**< accepts NULL */
void topology_cleanup(struct topology **t);
#define _cleanup_topology_ __attribute__((cleanup(topology_cleanup)))
/** The container of a node: PREFIX-LAB-NODE, by containerlab's rules. Caller frees. */
char *topology_long_name(const struct topology *t, const char *node);
/** The node whose network namespace @node is in: itself, or by `network-mode: container:` another one. SIZE_MAX: it is the
 *  host's, or that of a container which is not of this file. */
size_t topology_network_owner(const struct topology *t, size_t node);
/** Does the node have an interface on the management network? */
bool topology_is_managed(const struct topology *t, const struct lab_node *n);
/** A bridge inside a node: LAB_BRIDGE with the name "BRIDGE|NODE". */
bool lab_node_is_inner(const struct lab_node *n);
/** What it is called there. Caller frees. */
char *topology_bridge_name(const struct lab_node *n);
/** The index of a node, or SIZE_MAX. */
size_t topology_find(const struct topology *t, const char *node);
/** The JSON Schema (draft 2020-12) of the format, for editors: docs/lab.schema.json. The caller owns it. */
json_t *topology_schema(void);
/** Can YAML have this text without quotes, and no reader takes it for something else? */
bool yaml_is_plain(const char *s);
/** Adds the variables of a file of `env-files` to @env: lines of KEY=VALUE, a value perhaps in quotes. -EINVAL and others with
 *  a text. */
int env_file_read(const char *path, strv *env, struct err *e);
/** Splits a line into words as Python's shlex does, without a shell. -EINVAL with a text. The caller frees *@out. */
int words_split(const char *line, strv *out, struct err *e);
