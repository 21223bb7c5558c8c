/* A sandbox: a network namespace with endpoints, published ports, names and the texts of its /etc files.
 *
 * It has an id, a record and a life of its own. A container is one of the things that can own one: the engine pairs a
 * sandbox with the process of core/. Nothing here knows of processes, root filesystems or container definitions.
 *
 *     sandbox_new()       in memory: who it is
 *     sandbox_plan()      its networks, checked; sandbox_hold(): its ports, bound
 *     sandbox_create()    the namespace; sandbox_join(): one that exists
 *     sandbox_start()     connects the planned networks and publishes the ports
 *     sandbox_serve()     in the caller's loop: the proxy for [::1], stale flows, names in /etc/hosts
 *     sandbox_connect(), sandbox_disconnect(), sandbox_publish(), sandbox_unpublish()
 *     sandbox_close()
 *
 * Functions return 0 or a negative errno with a text in @e.
 */
#pragma once

#include <netctr/bridge.h>

struct sandbox;
struct sandboxes;

/* ---- all of them -----------------------------------------------------------------------------*/

/** Something that has happened to a sandbox. */
struct sandbox_event {
    const char *what;                /**< "connect", "disconnect", "publish" or "unpublish" */
    const char *id, *name;           /**< of the sandbox */
    const struct endpoint *endpoint; /**< "connect", "disconnect": the attachment */
    const char *ports;               /**< "publish", "unpublish": "8080:80/tcp,…" */
};
/** What the sandboxes need of their caller. Each may be NULL. */
struct sandbox_hooks {
    /** Opens the network half, which stays the caller's. NULL: sandboxes_new() got it. */
    int (*net)(void *arg, struct net **out, struct err *e);
    /** The port of the name server at this moment; 0: none. */
    uint16_t (*names_port)(void *arg);
    void (*event)(const struct sandbox_event *event, void *arg);
    /** Rebuilds the firewall if it is damaged. */
    int (*reload)(void *arg, struct err *e);
    /** Puts links back into bridges that they were taken from. */
    int (*reattach)(void *arg, struct err *e);
    /** Rebuilds the leases of @n if they are missing. */
    int (*make_leases)(const struct network *n, void *arg, struct err *e);
    /** The name of the container that publishes @wanted, which the caller frees; NULL: none. */
    char *(*find_publisher)(const struct port_mapping *wanted, void *arg);
    void *arg;
};
/** @run_fd: RUN, the directory of runtime state; stays the caller's. @net too; NULL if hooks open it. Opens nothing. */
struct sandboxes *sandboxes_new(int run_fd, struct net *net);
void sandboxes_set_hooks(struct sandboxes *s, const struct sandbox_hooks *hooks);
void sandboxes_free(struct sandboxes *s); /**< accepts NULL */
/** RUN/dns, opened by the first call; stays the context's. */
int sandboxes_names(struct sandboxes *s, int *out, struct err *e);

/* ---- what to connect to ----------------------------------------------------------------------*/

/** A network to connect to, and what the sandbox shall be on it: what `--network` takes. */
struct connect_request {
    char *network;
    char *interface; /**< NULL: the next free ethN */
    struct ip address4, address6;
    uint8_t mac[6];
    strv aliases;
    uint64_t rate; /**< bits a second; 0: no limit */
    int priority;  /**< the network with the highest one gets the default route */
};
void connect_request_clear(struct connect_request *a);
#define _cleanup_connect_request_ __attribute__((cleanup(connect_request_clear)))
/** Parses NAME[:ip=…,ip6=…,mac=…,name=…,alias=…,rate=…,gw-priority=…]. -EINVAL with a text. */
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
 *  Without HOSTPORT, or if it is 0, the kernel chooses one. -EINVAL or -E2BIG with a text. */
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

/** What a sandbox needs of the process that serves it. Each may be NULL. */
struct sandbox_owner {
    /** Moves the name server away from the ports of @list. 1: it moved. 0: no need. */
    int (*make_room)(const struct port_mappings *list, void *arg, struct err *e);
    /** A line for a log. */
    void (*note)(const char *text, void *arg);
    void *arg;
};
/** A sandbox in memory. @id and @name are copied; @name is what people read. @loop (NULL: nothing is served) stays the
 *  caller's, as do @files (NULL: none), which must outlive the sandbox. @owner may be NULL. */
struct sandbox *sandbox_new(struct sandboxes *all, const char *id, const char *name,
                            struct loop *loop, const struct sandbox_owner *owner,
                            const struct sandbox_files *files);
/** Closes and frees, except the loop; undoes nothing. Accepts NULL. */
void sandbox_free(struct sandbox *sb);

/** Parses @networks, loads their definitions and refuses what they cannot provide. Creates nothing. @existing: they were
 *  valid once, so the error for a network that has been removed says what to do. */
int sandbox_plan(struct sandbox *sb, char *const *networks, bool existing, struct err *e);
/** Could a sandbox that has @networks be connected to @wanted as well? Reserves nothing. */
int sandbox_examine(struct sandboxes *all, const char *id, const char *name, char *const *networks,
                    const struct connect_request *wanted, struct err *e);
/** Binds the ports of @list, which it takes over, on the planned networks. @existing: ports that these cannot carry wait
 *  for a network that can. */
int sandbox_hold(struct sandbox *sb, struct port_mappings *list, bool existing, struct err *e);
/** Where its endpoints' records are; stays the caller's. */
void sandbox_set_records(struct sandbox *sb, int record_dir);
/** The name server's port as the caller knows it. */
void sandbox_set_names_port(struct sandbox *sb, uint16_t port);

/** Opens a network namespace by an absolute path without symbolic links, such as /run/netns/NAME or /proc/PID/ns/net.
 *  Returns an fd; -EINVAL with a text: it is something else, or the caller's own. */
int sandbox_open_path(const char *path, struct err *e);
/** Uses the namespace @netns, which it takes over, instead of one of its own. @records (-1: unknown) are those of its
 *  sandbox, and are taken over as well. */
void sandbox_join(struct sandbox *sb, int netns, int records);
/** Creates the namespace. */
int sandbox_create(struct sandbox *sb, struct err *e);
/** Connects the planned networks and publishes the ports. Without a network, only loopback is up. */
int sandbox_start(struct sandbox *sb, struct err *e);
/** Its namespace, an fd that stays its own; -1: none yet. */
int sandbox_netns(const struct sandbox *sb);

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

/** Writes the /etc files for the first time. */
int sandbox_write_files(struct sandbox *sb, struct err *e);
/** The same after a change; lines that the program has written stay. */
int sandbox_rewrite_files(struct sandbox *sb, struct err *e);

/** Serves in the loop: connections to [::1], and names in /etc/hosts, which are watched after @hosts_delay_ms. */
int sandbox_serve(struct sandbox *sb, unsigned hosts_delay_ms, struct err *e);
/** Ends that. The sockets of the ports stay bound. */
void sandbox_stop_serving(struct sandbox *sb);
/** Before its endpoints are detached: finds their links, for sandbox_close(). */
void sandbox_note_links(struct sandbox *sb);
/** Closes the sockets of its ports. */
void sandbox_close_ports(struct sandbox *sb);
/** Closes the namespace, and gets rid of the links: links_retire() with @later. */
void sandbox_close(struct sandbox *sb, bool later);
