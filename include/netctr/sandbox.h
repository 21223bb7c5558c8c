/* A sandbox: a network namespace with endpoints, published ports, names and the texts of its /etc files.
 *
 * It has an id, a record and a life of its own, RUN/sandboxes/ID. A container is one of the things that can own one: the
 * engine pairs a sandbox with the process of core/. Nothing here knows of processes, root filesystems or definitions of
 * containers. sandbox_each() tells what is on a network; no walk over containers does.
 *
 *     sandbox_new()       in memory, with its id and its owner
 *     sandbox_plan()      its networks, checked; sandbox_hold(): its ports, bound
 *     sandbox_create()    its directory and its namespace, or those of the sandbox that lives under this id
 *     sandbox_start()     connects the planned networks and publishes the ports
 *     sandbox_serve()     in the caller's loop: the proxy for [::1], stale flows, names in /etc/hosts
 *     sandbox_connect(), sandbox_disconnect(), sandbox_publish(), sandbox_unpublish()
 *     sandbox_leave()     the last one to leave takes it down
 *
 * A sandbox without a program: sandbox_make(), sandbox_open(), the same four changes, sandbox_destroy().
 *
 * Functions return 0 or a negative errno with a text in @e.
 */
#pragma once

#include <netctr/bridge.h>

struct sandbox;
struct sandboxes;

/* ---- all of them -----------------------------------------------------------------------------*/

/** Something that has happened. */
struct sandbox_event {
    /** "connect", "disconnect", "publish" or "unpublish"; "reload": the firewall was rebuilt */
    const char *what;
    const char *id, *name;           /**< of the sandbox */
    const struct endpoint *endpoint; /**< "connect", "disconnect": the attachment */
    const char *ports;               /**< "publish", "unpublish": "8080:80/tcp,…" */
    size_t count;                    /**< "reload": endpoints */
};
/** What the sandboxes need of their caller. Each may be NULL. */
struct sandbox_hooks {
    /** Opens the network half, which stays the caller's. NULL: sandboxes_new() got it. */
    int (*net)(void *arg, struct net **out, struct err *e);
    /** The port of the name server at this moment; 0: none. */
    uint16_t (*names_port)(void *arg);
    /** Refuses to replace the firewall's tables: a process that needs the present ones lives. */
    int (*require_versions)(void *arg, struct err *e);
    /** May containers live whose endpoints are not in RUN/sandboxes (netctr 0.1)? */
    bool (*has_older)(void *arg);
    void (*event)(const struct sandbox_event *event, void *arg);
    void *arg;
};
/** @run_fd: RUN, the directory of runtime state; stays the caller's. @net too; NULL if hooks open it. Opens nothing. */
struct sandboxes *sandboxes_new(int run_fd, struct net *net);
void sandboxes_set_hooks(struct sandboxes *s, const struct sandbox_hooks *hooks);
void sandboxes_free(struct sandboxes *s); /**< accepts NULL */
/** RUN/dns, opened by the first call; stays the context's. */
int sandboxes_names(struct sandboxes *s, int *out, struct err *e);

/* ---- the registry ----------------------------------------------------------------------------*/

/** What keeps a sandbox alive. */
enum sandbox_life {
    SANDBOX_MONITORED, /**< each monitor holds its lock shared */
    SANDBOX_PINNED,    /**< its namespace is pinned */
    SANDBOX_FOREIGN,   /**< a namespace that netctr did not make, known by its cookie */
};
enum sandbox_state {
    SANDBOX_LIVES,
    SANDBOX_ENDS, /**< a process takes it down just now: no rules for it any more */
    SANDBOX_DEAD, /**< to be cleaned up; or it is just being made */
};
/** What is known of a sandbox. */
struct sandbox_record {
    char *id;
    char *name; /**< for people: the container's; NULL: unknown */
    enum sandbox_life life;
    enum sandbox_state state;
    uint64_t cookie, inode; /**< of its namespace; 0: unknown */
    char *version;          /**< of the netctr that made it */
    int network_schema;     /**< its NETCTR_SCHEMA */
    char *path;             /**< FOREIGN: of its namespace */
    /** Ids of the user namespace that owns its namespace; FOREIGN: empty, ask netns_owner_map(). */
    struct id_map owner;
    bool ends;    /**< not MONITORED: it is to be destroyed */
    bool damaged; /**< not everything could be read */
    struct sandboxes *all;
    struct endpoint_list endpoints;
    int dir; /**< RUN/sandboxes/ID */
};
void sandbox_record_clear(struct sandbox_record *r);
#define _cleanup_sandbox_record_ __attribute__((cleanup(sandbox_record_clear)))
/** Calls @each for every sandbox until it returns a negative number. @each may take over r->endpoints (count 0). The
 *  caller holds the instance lock if the answer must not change meanwhile. Reads all of them: not for what is done for one
 *  container. */
int sandbox_each(struct sandboxes *s, int (*each)(struct sandbox_record *r, void *arg), void *arg,
                 struct err *e);
/** Reads one. -ENOENT, without a text: there is none. The caller clears @out, also after a failure. */
int sandbox_find(struct sandboxes *s, const char *id, struct sandbox_record *out, struct err *e);
/** Only the endpoints of one, as far as they can be read; the caller clears them. */
void sandbox_endpoints(struct sandboxes *s, const char *id, struct endpoint_list *out);
/** The names of the containers that keep it alive; the caller frees them. */
void sandbox_members(const struct sandbox_record *r, strv *names);
/** Is the container @id one of them? */
bool sandbox_has_member(const struct sandbox_record *r, const char *id);
/** Has any of them CAP_NET_ADMIN, so that it may change the container's end of its links? */
bool sandbox_is_open_inside(const struct sandbox_record *r);
/** Its namespace, from a process that has it: an fd, or -ESRCH. The caller must be single-threaded. */
int sandbox_open_netns(const struct sandbox_record *r);
/** The ids of all, also of the dead: as long as there is a record, what it owns is undone by it. */
int sandboxes_ids(struct sandboxes *s, strv *ids, struct err *e);
/** The container that publishes @wanted, or a port that collides with it; NULL: none. Caller frees. */
char *sandboxes_publisher(struct sandboxes *s, const struct port_mapping *wanted);

/** A dead container to be undone. */
struct sandbox_leaving {
    const char *id;     /**< of the sandbox */
    const char *name;   /**< for people */
    const char *member; /**< the container's id */
    size_t expected;    /**< how many networks it was on, as far as is known */
    bool locked;        /**< the caller has the instance lock */
};
/** What sandbox_leave() does, for a member that was killed: withdraws what is its own, and takes the sandbox down if no
 *  other member lives. Accepts "already gone". */
int sandboxes_leave(struct sandboxes *s, const struct sandbox_leaving *leaving, struct err *e);
/** The same for a container of netctr 0.1, whose endpoints' records are in the directory @records. */
int sandboxes_undo_records(struct sandboxes *s, const struct sandbox_leaving *leaving, int records,
                           struct err *e);
/** With the instance lock held: takes down dead sandboxes, but those with an id in @owners: their containers are cleaned
 *  up, or just begin. */
int sandboxes_sweep(struct sandboxes *s, char *const *owners, const struct gc *gc, struct err *e);
/* ---- sandboxes without a monitor -------------------------------------------------------------
 * They live without any process, until they are destroyed: a lab's node or switch, an endpoint on a namespace that another
 * program has made. No process holds their host ports: each is bound, listened on and closed once before it is published, and
 * its element in the firewall alone takes it then. Nothing forwards connections to [::1]. The caller must be
 * single-threaded. */

/** The context of a program that is not the engine. @root, @run: the directories of an instance that netctr has used
 *  before. -ESRCH with a text: @run does not belong to the caller's network namespace. */
int sandboxes_open(const char *root, const char *run, struct sandboxes **out, struct err *e);

struct sandbox_making {
    enum sandbox_life life; /**< SANDBOX_PINNED or SANDBOX_FOREIGN */
    const char *id,
        *name; /**< each a valid_name(); the id is used once, the name is what people and neighbours read */
    const char *path; /**< FOREIGN: for sandbox_open_path() */
    int netns;        /**< FOREIGN: what @path must lead to; -1: whatever it leads to */
    /** PINNED: ids of the user namespace that is to own its namespace; NULL or empty: the caller's. */
    const struct id_map *owner;
};
/** Makes one on no network, with its loopback up: directory, namespace, record, pin. A dead one with that id is removed
 *  first. -EEXIST: one lives. -ESTALE: @path leads to another namespace than @netns. The caller frees *@out, which keeps
 *  other processes from changing the sandbox. */
int sandbox_make(struct sandboxes *all, const struct sandbox_making *m, struct sandbox **out,
                 struct err *e);
/** Opens one for sandbox_connect(), sandbox_disconnect(), sandbox_publish() and sandbox_unpublish(), and waits for other
 *  processes that have it open. What a killed process has left half connected is undone. Ports that no network can carry
 *  after a change are withdrawn. -ENOENT: there is none; -ESRCH: it is dead; -EINVAL: a monitor has it. */
int sandbox_open(struct sandboxes *all, const char *id, struct sandbox **out, struct err *e);
/** Destroys one, dead or alive; a foreign namespace stays. Accepts "already gone". If this is killed, sandboxes_sweep()
 *  goes on. -EBUSY: a container uses it. */
int sandbox_destroy(struct sandboxes *all, const char *id, struct err *e);

/* ---- changed from outside ----------------------------------------------------------------------*/

/** With the instance lock held: takes a sandbox off a network though its owner, which would serve it, does not run. */
int sandboxes_detach(struct sandboxes *s, const char *id, const char *network, struct err *e);

/** With the instance lock held: the container that owns the sandbox @id has another name. What a process serves, such as names,
 *  that process changes: sandbox_rename(). Accepts "there is none". */
int sandboxes_rename(struct sandboxes *s, const char *id, const char *name, struct err *e);

/* ---- restore ---------------------------------------------------------------------------------*/

/** Rebuilds the firewall from the living sandboxes; with @only_if_needed, only if it is damaged. */
int sandboxes_reload(struct sandboxes *s, bool only_if_needed, struct err *e);
/** The same, always, with the instance lock held. */
int sandboxes_reload_locked(struct sandboxes *s, struct err *e);
/** Before a command changes the network: replaces tables of an older schema. Refuses (-EPROTONOSUPPORT) while a
 *  container runs under a netctr whose schema differs, unless the tables have ours. */
int sandboxes_upgrade_tables(struct sandboxes *s, struct err *e);
/** Gives all that are on @network its routes, as the definition has them now; goes on after a failure and returns the
 *  first. */
int sandboxes_settle_routes(struct sandboxes *s, const char *network, struct err *e);
/** sandboxes_reload(), whatever is left of the firewall. After an error, @restored says whether only the deletion of stale
 *  conntrack entries failed. */
int sandboxes_restore_firewall(struct sandboxes *s, bool *restored, struct err *e);
/** Rebuilds the leases of @n, if they are missing, from the living sandboxes. Without them, no addresses are given out. */
int sandboxes_make_leases(struct sandboxes *s, const struct network *n, struct err *e);
/** With the instance lock held: the same for all networks. */
int sandboxes_restore_leases(struct sandboxes *s, const struct gc *gc, struct err *e);
/** Puts links back into bridges that they were taken from. */
int sandboxes_reattach(struct sandboxes *s, struct err *e);
/** Rebuilds the firewall, damaged or lost leases, bridges and ports from the living sandboxes. Goes on after a failure.
 *  @remaining, which must be empty, gets a line for each difference that is left; the caller frees it. */
int sandboxes_restore(struct sandboxes *s, strv *remaining, struct err *e);
/** network_survey() of @n with the living sandboxes: only differences that last. Caller owns *@out. */
int sandboxes_survey(struct sandboxes *s, const struct network *n, json_t **out, struct err *e);
/** Calls @found for each difference of each network. */
int sandboxes_survey_each(struct sandboxes *s,
                          void (*found)(const char *network, const char *what, void *arg),
                          void *arg, struct err *e);

/* ---- what to connect to ----------------------------------------------------------------------*/

/** A network to connect to, and what the sandbox shall be on it: what `--network` takes. */
struct connect_request {
    char *network;
    char *interface; /**< NULL: the next free ethN */
    struct ip address4, address6;
    uint8_t mac[6];
    strv aliases;
    uint64_t rate;                /**< bits a second; 0: no limit */
    int priority;                 /**< the network with the highest one gets the default route */
    struct ip gateway4, gateway6; /**< of its default route; family 0: the network's */
    strv routes;                  /**< network_route_text() with '@' */
};
void connect_request_clear(struct connect_request *a);
#define _cleanup_connect_request_ __attribute__((cleanup(connect_request_clear)))
/** Parses NAME[:ip=…,ip6=…,mac=…,name=…,alias=…,rate=…,gw-priority=…,gateway=…,route=…]. -EINVAL with a text. */
int connect_request_parse(const char *text, struct connect_request *out, struct err *e);
/** Sets one of these options. -EINVAL with a text. */
int connect_request_set(struct connect_request *a, const char *key, const char *value,
                        struct err *e);
/** The inverse of connect_request_parse(); caller frees. */
char *connect_request_text(const struct connect_request *a);
/** "default" for "bridge", which is docker's name for the default network; any other word as it is. */
const char *connect_request_network(const char *word);
/** The names of the networks of such texts, as in "a,b", or "none"; caller frees. */
char *connect_request_names(char *const *texts);

/* ---- ports -----------------------------------------------------------------------------------*/

/** Parses [HOSTIP:][HOSTPORT[-END]:]PORT[-END][/tcp|udp|sctp] and appends its ports to @list.
 *  Without HOSTPORT, or if it is 0, the kernel chooses one; of a range of host ports for one PORT, the first free one is
 *  taken. -EINVAL or -E2BIG with a text. */
int port_mapping_parse(const char *text, struct port_mappings *list, struct err *e);
/** Fails with -EAFNOSUPPORT if a host address has a family that the network lacks. */
int port_mappings_check(const struct port_mappings *list, const struct network *n, struct err *e);
/** Where a port that is published on every address is actually open. */
struct port_mapping_reach {
    bool ipv4, ipv6; /**< the families of the network */
    bool loopback6;  /**< the host has ::1, which is proxied even without IPv6 on the network */
    bool routed;     /**< opens the container's own port and takes none of the host's */
};
/** Appends texts for people to @out: "0.0.0.0:8080->80/tcp". One text for each family in which the
 *  port is open, IPv4 first. */
void port_mapping_texts(const struct port_mapping *p, const struct port_mapping_reach *reach,
                        strv *out);
/** One port in the notation of port_mapping_parse(): "8080:80/tcp". Caller frees. */
char *port_mapping_word(const struct port_mapping *p);
/** Would both need the same port of the host? A port on every address collides with the same port
 *  on any address. */
bool port_mapping_collides(const struct port_mapping *a, const struct port_mapping *b);

/** A host port that is reserved by a socket. What reaches the socket was not redirected by DNAT. */
struct bound_port {
    int fd;
    int family;
    uint8_t protocol;
    struct port_mapping publish;
};
struct bound_ports {
    struct bound_port *items;
    size_t count;
};
void bound_ports_clear(struct bound_ports *h);
#define _cleanup_bound_ __attribute__((cleanup(bound_ports_clear)))
/** Binds every port of @list, listens on it, and fills in ephemeral ports. @ipv6: also binds [::]
 *  for ports on every address. -EADDRINUSE and -EADDRNOTAVAIL with a text that names the port;
 *  *@refused (@refused may be NULL) then points to it. At most 4,096 ports: each costs a socket as
 *  long as it is published. */
int port_mappings_bind(struct port_mappings *list, bool ipv6, struct bound_ports *out,
                       const struct port_mapping **refused, struct err *e);

/* ---- /etc ------------------------------------------------------------------------------------*/

/** What /etc/hosts, /etc/resolv.conf and /etc/hostname of a container in the sandbox are made of, and how they are
 *  written. */
struct sandbox_files {
    const char *id, *name, *hostname;
    char *const *servers, *const *search, *const *options; /**< NULL: the host's */
    char *const *added; /**< "NAME:ADDRESS", "NAME:host-gateway" */
    bool of_host;       /**< it uses the host's network: copies of the host's files */
    /** Writes @file ("hosts", "resolv.conf" or "hostname"), or reads it; the caller frees *@text. -ENODATA: there are no
     *  files at the moment, because no program runs. */
    int (*write)(const char *file, const char *text, void *arg, struct err *e);
    int (*read)(const char *file, char **text, void *arg, struct err *e);
    void *arg;
};
/** Up to three resolvers of the host; with @reachable only those that a container can reach. Caller frees.
 *  NULL with @e if the host's file is unreadable. */
strv host_resolvers(bool reachable, struct err *e);
/** The file that host_resolvers(false) reads. */
#define HOST_RESOLV_CONF "/etc/resolv.conf"

/* ---- one sandbox -----------------------------------------------------------------------------*/

/** The owner of a sandbox, and what it needs of the process that serves it. Strings and pointers are the caller's; only @id,
 *  @name and @member are copied. What is not described below may be NULL. */
struct sandbox_request {
    const char *id, *name; /**< of the sandbox; @name is what people read */
    /** The container that uses it. NULL: it has the same id, and owns the sandbox. Another one is a guest: it has the
     *  sandbox's addresses, and no networks, ports or names of its own. */
    const char *member;
    const char *member_name; /**< NULL: the sandbox's */
    bool net_admin;          /**< the container may change the namespace */
    /** Ids of the user namespace that is to own its namespace; copied. NULL or empty: the caller's. Not for a guest. */
    const struct id_map *owner;
    struct loop *loop;                 /**< NULL: nothing is served */
    const struct sandbox_files *files; /**< NULL: there are none */
    /** Moves the name server away from the ports of @list. 1: it moved. 0: no need. */
    int (*make_room)(const struct port_mappings *list, void *arg, struct err *e);
    /** An address is taken by @holder, or with NULL all addresses are: cleans up after it, or after all, if they are dead.
     *  True: it may be free now. */
    bool (*free_addresses)(const struct lease *holder, void *arg);
    /** A line for a log. */
    void (*note)(const char *text, void *arg);
    /** Takes the instance lock, RUN/lock, and waits as long as it likes. An fd. NULL: waits for 30 seconds. */
    int (*lock)(void *arg, struct err *e);
    void *arg;
};
/** A sandbox in memory. */
struct sandbox *sandbox_new(struct sandboxes *all, const struct sandbox_request *request);
/** Closes and frees; undoes nothing. Accepts NULL. */
void sandbox_free(struct sandbox *sb);
const char *sandbox_id(const struct sandbox *sb); /**< owned by @sb */

/** Parses @networks, loads their definitions and refuses what they cannot provide. Creates nothing. @existing: they were
 *  valid once, so the error for a network that has been removed says what to do. */
int sandbox_plan(struct sandbox *sb, char *const *networks, bool existing, struct err *e);
/** Could a sandbox that has @networks be connected to @wanted as well? Reserves nothing. */
int sandbox_examine(struct sandboxes *all, const char *id, const char *name, char *const *networks,
                    const struct connect_request *wanted, struct err *e);
/** Binds the ports of @list, which it takes over, on the planned networks. @existing: ports that these cannot carry wait
 *  for a network that can. */
int sandbox_hold(struct sandbox *sb, struct port_mappings *list, bool existing, struct err *e);
/** The name server's port as the caller knows it. */
void sandbox_set_names_port(struct sandbox *sb, uint16_t port);

/** Opens a network namespace by an absolute path without symbolic links, such as /run/netns/NAME or /proc/PID/ns/net.
 *  Returns an fd; -EINVAL with a text: it is something else, or the caller's own. */
int sandbox_open_path(const char *path, struct err *e);
/** Uses the namespace @netns, which it takes over, and has no record. @records (-1: none): the directory with the records
 *  of its endpoints, for the /etc files; taken over as well. */
void sandbox_join(struct sandbox *sb, int netns, int records);
/** Uses the namespace of the pinned sandbox @r, which cannot be destroyed until sandbox_leave(). It lives on after that.
 *  Copies what it needs. */
int sandbox_join_pinned(struct sandbox *sb, const struct sandbox_record *r, struct err *e);
bool sandbox_is_pinned(const struct sandbox *sb); /**< does it use one? */
/** Makes the directory with its lock, then the namespace, then the record. If a sandbox with this id lives, joins it: its
 *  namespace comes from one of its members. One that is dead is taken down first. -ESRCH: a guest found nothing to
 *  join. */
int sandbox_create(struct sandbox *sb, struct err *e);
/** Connects the planned networks and publishes the ports; without a network, only loopback is up. In a sandbox that lived
 *  before, endpoints that are as planned are kept, others are detached. */
int sandbox_start(struct sandbox *sb, struct err *e);
/** Its namespace, an fd that stays its own; -1: none yet. */
int sandbox_netns(const struct sandbox *sb);
/** The user namespace that owns its namespace, or that will; also before sandbox_create(), which then joins the same
 *  sandbox. A process that joins the sandbox must be in it. It is made by the first call, if the sandbox does not live and
 *  has ids of its own. An fd, the caller's. -EBUSY with a text: it lives with other ids. */
int sandbox_owner(struct sandbox *sb, struct err *e);

/** Is it on this network, or about to be? */
bool sandbox_is_on(const struct sandbox *sb, const char *network);
/** Connects it to one more network. A failure undoes everything. -EEXIST: it is on that network already. */
int sandbox_connect(struct sandbox *sb, const struct connect_request *request, struct err *e);
/** Takes it off a network. Ports follow the default route, or wait for a network that can carry them. @anyway: goes on if
 *  its name cannot be removed. It may have left (sandbox_is_on()) although a later step failed. -ENOENT: it is not on
 *  that network. */
int sandbox_disconnect(struct sandbox *sb, const char *network, bool anyway, struct err *e);
/** Publishes the ports of @list, which gets their host ports. Returns 1 if some of them had waited for a network, else
 *  0. */
int sandbox_publish(struct sandbox *sb, struct port_mappings *list, struct err *e);
/** Withdraws ports; @wanted NULL: all. *@changed: some have been withdrawn, also if a later step failed. -ENOENT: it does
 *  not publish them; the text calls the first one @as_asked (may be NULL). */
int sandbox_unpublish(struct sandbox *sb, const struct port_mappings *wanted, const char *as_asked,
                      bool *changed, struct err *e);
/** Texts for people of these of its ports, as in port_mapping_texts(). */
void sandbox_describe(struct sandbox *sb, const struct port_mappings *list, strv *out);
/** Its networks, as connect_request_text() has them. The caller frees *@out. */
void sandbox_networks(const struct sandbox *sb, strv *out);
/** Its ports: texts of the published ones, words of those that wait, and (@asked) words of all as they were asked for.
 *  Each may be NULL; the caller frees them. */
void sandbox_ports(struct sandbox *sb, strv *published, strv *waiting, strv *asked);
/** Is it on any network? Does it hold any port? Accept NULL. */
bool sandbox_has_networks(const struct sandbox *sb);
bool sandbox_has_ports(const struct sandbox *sb);

/** The container that uses it has another name: its neighbours resolve that and not the one before as soon as this returns. With
 *  the instance lock held; sandbox_rewrite_files() follows. After a failure, the same call with the name before undoes what is
 *  done. */
int sandbox_rename(struct sandbox *sb, const char *name, struct err *e);

/** Writes the /etc files for the first time. */
int sandbox_write_files(struct sandbox *sb, struct err *e);
/** The same after a change; lines that the program has written stay. */
int sandbox_rewrite_files(struct sandbox *sb, struct err *e);

/** Serves in the loop: connections to [::1], and names in /etc/hosts, which are watched after @hosts_delay_ms. */
int sandbox_serve(struct sandbox *sb, unsigned hosts_delay_ms, struct err *e);
/** Ends that. The sockets of the ports stay bound. */
void sandbox_stop_serving(struct sandbox *sb);
/** Leaves it, also half made. If no other member lives, all of it is undone, from its records, and its directory is
 *  removed; else what is this member's goes: ports, names, membership. Closes the sockets of the ports and the namespace.
 *  @later: links that carry no more packets may be deleted by links_reap(). After a failure the rest stays for
 *  sandboxes_leave(). Accepts NULL. */
int sandbox_leave(struct sandbox *sb, bool later, struct err *e);
