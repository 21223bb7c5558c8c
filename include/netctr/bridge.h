/* The host's side of a container's network: network definitions, bridge devices, endpoints,
 * published ports, and the firewall that keeps the promises.
 *
 * Knows nothing of processes or root directories: an endpoint is attached to a bare network
 * namespace, and its record is written into a directory that the caller names.
 */
#pragma once

#include <netctr/ipam.h>

/* ---- the host -------------------------------------------------------------------------------*/

/** What this side works with: directories and sockets of the host's network namespace. */
struct net;
/** @root_fd and @run_fd are directories (definitions that survive a reboot, and state that does
 *  not); both stay the caller's and must outlive the result. @instance: 16 hex digits. */
int net_open(int root_fd, int run_fd, const char *instance, struct net **out, struct err *e);
/** The same for one who only looks: makes no directory. What needs one that is not there fails with
 *  -EBADF; both fds may be -1. */
int net_look(int root_fd, int run_fd, const char *instance, struct net **out, struct err *e);
void net_close(struct net *net);
void net_cleanup(struct net **net);
#define _cleanup_net_ __attribute__((cleanup(net_cleanup)))

/** Whether this kernel lets an element of the firewall that is there expire. Asked once a boot, when
 *  the first container ends; where the answer is no, elements are deleted, which takes longer. */
enum expiry { EXPIRY_NOT_ASKED, EXPIRY_NO, EXPIRY_YES };
enum expiry net_expiry(struct net *net);

/* ---- networks -------------------------------------------------------------------------------*/

#define DEFAULT_NETWORK "default"

/** How a network's containers meet the world; docker's words. */
enum gateway_mode {
    GATEWAY_NAT,    /**< they go out with the host's address; published ports lead in */
    GATEWAY_ROUTED, /**< their own addresses are routed; `publish` opens a port of the container */
    GATEWAY_ISOLATED, /**< the bridge has no address: they have each other, and not even the host */
};

struct network {
    char *name;
    char *bridge;          /**< interface name of the bridge */
    struct subnet subnet4; /**< address.family 0: none */
    struct subnet subnet6;
    struct subnet range4, range6; /**< what is given out unasked; family 0: all */
    struct ip gateway4;           /**< the bridge's own address; family 0 where there is none */
    struct ip gateway6;
    enum gateway_mode mode;
    bool internal;     /**< neither out nor in */
    bool icc;          /**< its containers may talk to each other */
    bool isolate;      /**< false: it and others that say so reach each other */
    bool guard;        /**< its containers speak only as themselves */
    bool dns;          /**< its containers know each other's names */
    unsigned mtu;      /**< 0: that of the link that the default route leaves by */
    strv labels;       /**< K=V */
    strv links;        /**< networks that its containers may open connections to */
    strv link_bridges; /**< the bridges of those that there are; not stored */
    strv sysctls;      /**< "net.ipv4.conf.IFNAME.KEY=VALUE", for each container's interface */
    int64_t created;   /**< seconds since the epoch; 0: not known */
};
/** Is there a way out of it, and a way in for published ports? */
static inline bool network_has_gateway(const struct network *n)
{
    return !n->internal && n->mode != GATEWAY_ISOLATED;
}
int gateway_mode_parse(const char *text, enum gateway_mode *out); /**< "nat", …; -EINVAL */
const char *gateway_mode_name(enum gateway_mode mode);
json_t *network_to_json(const struct network *n); /**< as it is stored; caller owns */
/** @out owns everything in it, and is the caller's to clear. */
void network_copy(const struct network *n, struct network *out);
void network_clear(struct network *n);
#define _cleanup_network_ __attribute__((cleanup(network_clear)))

/** Reads a definition. -ENOENT with a text when there is no such network; the default network is
 *  defined on first use, with 10.88.0.0/16 or the next prefix that the host does not route. */
int network_load(struct net *net, const char *name, struct network *out, struct err *e);
/** Calls @each for every defined network. */
int network_each(struct net *net, int (*each)(const struct network *n, void *arg), void *arg,
                 struct err *e);
/** The same, and @damaged is told why a definition cannot be read; else that is a warning. */
int network_each_checked(struct net *net, int (*each)(const struct network *n, void *arg),
                       void (*damaged)(struct err *why, void *arg), void *arg, struct err *e);
/** Defines a network. @n: its name and what was asked for; the rest (bridge, subnets, gateways) is
 *  chosen here and filled in. Where it has no subnet it gets an IPv4 one, and with @dual one of each
 *  family that is missing. -EEXIST with a text: the name is taken; -EADDRINUSE: a subnet overlaps
 *  something of the host's, which the text names. */
int network_create(struct net *net, struct network *n, bool dual, struct err *e);
/** Removes everything of a network: firewall, bridge device, leases, links of others to it; last its
 *  definition. No container may be on it, nor come: the caller holds the store's lock. */
int network_remove(struct net *net, const char *name, struct err *e);
/** Allows the containers of @from to open connections to those of @to, or withdraws that; at once. */
int network_link(struct net *net, const char *from, const char *to, bool allow, struct err *e);
/** "net.ipv4.conf.IFNAME.KEY=VALUE" and its like for neigh and ipv6: is it one, and does this kernel
 *  know the key? -EINVAL with a text. */
int network_check_sysctl(const char *text, struct err *e);
/** Brings bridge device, addresses, forwarding and firewall to what @n says; does what is missing
 *  and nothing else. @names_port: see net_set_names_port(); 0 leaves that as it is. Takes and returns the network lock. Returns 1 when the bridge device had been
 *  taken from containers that run: their ports are to be put back by net_restore(). -ENOENT when the
 *  network was removed meanwhile. */
int network_up(struct net *net, const struct network *n, uint16_t names_port, struct err *e);
/** Who lets this host forward: {"ipv4": {"on": …, "by_netctr": …, "closed": [LINK, …]}, "ipv6": …,
 *  "opened": …}. "closed": packets that come in by one of these links do not leave by another;
 *  caller owns. */
int net_forwarding(struct net *net, json_t **out, struct err *e);
/** Does the host forward for @n? If not, returns the sysctl in the way, below /proc/sys; else NULL;
 *  static. */
const char *net_forwarding_missing(const struct network *n);
/** Opens the way between the links that netctr keeps closed, or closes it again; until the next boot. */
int net_open_forwarding(struct net *net, bool open, struct err *e);

/** The sysctls that a container's network namespace must have before its first link is born; ends
 *  with a NULL key; static. @ipv6: is one of its networks to have IPv6? */
const struct sysctl *network_sysctls(bool ipv6);

/* ---- published ports ------------------------------------------------------------------------*/

struct port_mapping {
    struct ip host;     /**< family 0: every address of the host; 0.0.0.0: every IPv4 address, ::
                             every IPv6 address */
    uint16_t host_port; /**< 0: an ephemeral port, filled in by port_mappings_bind() */
    uint16_t port;      /**< the container's */
    uint8_t protocol;   /**< IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP */
    bool held; /**< port_mappings_bind() has bound it, so no other container has it; not stored */
    bool ephemeral; /**< no host port was asked for; a record does not tell */
};
struct port_mappings {
    struct port_mapping *items;
    size_t count;
};
void port_mappings_clear(struct port_mappings *l);
#define _cleanup_port_mappings_ __attribute__((cleanup(port_mappings_clear)))

/** Parses [HOSTIP:][HOSTPORT[-END]:]PORT[-END][/tcp|udp|sctp] and adds its ports to @list. HOSTPORT 0, or none:
 *  the kernel chooses one. */
int port_mapping_parse(const char *text, struct port_mappings *list, struct err *e);
/** Refuses a host address of a family that the network does not have. */
int port_mappings_check(const struct port_mappings *list, const struct network *n, struct err *e);
/** Where a port on every address of the host is really open. */
struct port_mapping_reach {
    bool ipv4, ipv6; /**< the families of the network */
    bool loopback6;  /**< the host has ::1: it is proxied, on a network without IPv6 too */
    bool routed;     /**< no port of the host is taken, the container's own is opened */
};
/** As people read it: "0.0.0.0:8080->80/tcp". Adds one text for each family that the port is open in, the
 *  one of IPv4 first. */
void port_mapping_texts(const struct port_mapping *p, const struct port_mapping_reach *reach,
                        strv *out);
/** The inverse of port_mapping_parse() for one port: "8080:80/tcp"; caller frees. */
char *port_mapping_word(const struct port_mapping *p);
/** The same port of the host? */
bool port_mapping_equal(const struct port_mapping *a, const struct port_mapping *b);
bool port_mappings_has(const struct port_mappings *l, const struct port_mapping *p);
/** Can the host not have both? A port on every address collides with the same port on any of them. */
bool port_mapping_collides(const struct port_mapping *a, const struct port_mapping *b);

/** A host port that is ours: the socket keeps it from everybody else and is held until the
 *  container ends. What reaches it was not taken by DNAT. */
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

/** Binds and listens on every port of @list and fills in ephemeral ones.
 *  -EADDRINUSE and -EADDRNOTAVAIL come with a text that names the port. More than 4,096 ports are
 *  refused: each costs a socket for the container's life. @ipv6: a port on every address is held on [::] too. @refused (may be NULL) points to the port
 *  that could not be had. */
int port_mappings_bind(struct port_mappings *list, bool ipv6, struct bound_ports *out,
                       const struct port_mapping **refused, struct err *e);
/* ---- endpoints ------------------------------------------------------------------------------*/

/** Bits a second. The least lets a frame pass within some seconds; the most is what the kernel's older
 *  structure can say, 32 bits of bytes a second. */
#define RATE_MIN UINT64_C(8000)
#define RATE_MAX (UINT64_C(8) * UINT32_MAX)

/** One container on one network; what is needed to undo it, and to make its firewall elements anew. */
struct endpoint {
    char *network;
    char *bridge;
    char *container; /**< name */
    char *id;        /**< container id: the lease's owner */
    char *host_veth; /**< host-side veth */
    char *interface; /**< the container's end: "eth0" */
    struct ip address4, address6;
    uint8_t mac[6];
    bool guard;    /**< as its network was when it was attached */
    bool routed;   /**< its ports are opened, not translated */
    uint64_t rate; /**< bits a second in each direction; 0: no limit */
    strv aliases;
    struct port_mappings port_mappings;
};
void endpoint_clear(struct endpoint *ep);
#define _cleanup_endpoint_ __attribute__((cleanup(endpoint_clear)))

enum { BORN_UNKNOWN, BORN_WITH_IPV6, BORN_WITHOUT_IPV6 };
struct endpoint_request {
    const char *container;
    const char *id;
    const char *interface;        /**< "eth0" */
    struct ip address4, address6; /**< family 0: any */
    uint8_t mac[6];               /**< all zero: any */
    char *const *aliases;
    uint64_t rate;                             /**< RATE_MIN to RATE_MAX; 0: no limit */
    uint32_t metric;                           /**< of the default route; the smallest is taken */
    int born;                                  /**< BORN_…: what new links of the namespace are */
    const struct port_mappings *port_mappings; /**< with their final host ports; NULL: none */
    /** Held while the record is written: who makes the firewall anew holds the same from reading the
     *  records to committing the rules, and so either reads this one or comes before its rules.
     *  Returns an fd. */
    int (*lock)(void *arg, struct err *e);
    void *lock_arg;
};

/** lease → record (into @record_dir) → guard → veth → addresses and routes → port forwards →
 *  announcement → publish. @netns and @inside are the container's namespace. On failure all of it
 *  is undone. A container has one endpoint on a network at most (-EEXIST). */
int endpoint_attach(struct net *b, const struct network *n, int netns, struct rt *inside,
                    const struct endpoint_request *request, int record_dir, struct endpoint *out,
                    struct err *e);
/** Would the network give the container the addresses and the MAC that @request asks for now? Nothing is
 *  taken. */
int endpoint_examine(struct net *b, const struct network *n, const struct endpoint_request *request,
                     struct err *e);
/** Its default routes get another metric; there is always one of them. @inside is the container's. */
int endpoint_set_metric(const struct network *n, const struct endpoint *ep, struct rt *inside,
                        uint32_t old, uint32_t now, struct err *e);
/** publish ← neighbour ← veth ← guard ← lease, then the record. Each step accepts "already gone"; goes on
 *  after a failure and returns the first. @defer_link: leaves the veth of a guarded endpoint to
 *  links_retire(), because deleting it takes 16-29 ms. Without its guard it passes no frame. */
int endpoint_detach(struct net *b, const struct endpoint *ep, bool defer_link, int record_dir,
                    struct err *e);
/** The host's end of a guarded endpoint, for links_retire(); false if there is none. */
bool endpoint_find_link(struct net *b, const struct endpoint *ep, struct link *out);
/** After the end of a container: sees to it that @links go. The kernel deletes those whose network namespace has
 *  no holder left; the others are left to whoever calls links_reap(), or with @later false deleted now. The caller must
 *  hold nothing of the namespace any more. */
void links_retire(struct net *b, const struct link *links, size_t count, bool later);
/** Are there any that links_retire() has left? */
bool links_pending(int run_fd);
/** Deletes them. Takes 16-29 ms. */
int links_reap(struct net *b, struct err *e);
/** Reads the record of one network. -ENOENT: not attached. -EBADMSG with a text: damaged. */
int endpoint_load(int record_dir, const char *network, struct endpoint *out, struct err *e);
struct endpoint_list {
    struct endpoint *items;
    size_t count;
};
void endpoint_list_clear(struct endpoint_list *l);
#define _cleanup_endpoints_ __attribute__((cleanup(endpoint_list_clear)))
/** Reads every record, in the order of the interfaces' names. -EBADMSG with a text: one is damaged; the
 *  others are in @out all the same. */
int endpoint_load_all(int record_dir, struct endpoint_list *out, struct err *e);
/** Adds published ports to an endpoint that is attached, or ends some of its ports: the record is
 *  written first and last. */
int endpoint_publish(struct net *net, struct endpoint *ep, const struct port_mappings *more,
                     int record_dir, struct err *e);
int endpoint_unpublish(struct net *net, struct endpoint *ep, const struct port_mappings *less,
                       int record_dir, struct err *e);
/** Ends the flows of UDP and SCTP that lead past the containers of @live although they go to their published
 *  ports: begun before these were published, or while the firewall was away, they would do so for as long as
 *  they are kept alive. Flows that lead there are not touched. Done by whatever publishes; once more a second
 *  later, it finds what was on its way just then. */
int endpoints_end_stale_flows(const struct endpoint *live, size_t count, struct err *e);
/** Releases whatever @id holds although its record is missing (killed before it was written). */
int endpoint_forget(struct net *net, const char *id, struct err *e);

/** Can this kernel keep a rate? -EOPNOTSUPP with a text. */
int rate_require(struct net *net, struct err *e);
/** Is the rate of @ep, which has one, kept at both ends? @netns is the container's namespace, or -1 to
 *  look at the host's end only; @found is told of each end where it is not. */
int endpoint_verify_rate(struct net *net, const struct endpoint *ep, int netns,
                         void (*found)(const char *what, void *arg), void *arg, struct err *e);
/** Sets it again at both ends. */
int endpoint_restore_rate(struct net *net, const struct endpoint *ep, int netns, struct err *e);

/* ---- names ----------------------------------------------------------------------------------
 * Questions for port 53 of a network's gateway are sent on to the port where the name server listens, which is
 * another one because a container may publish 53. */

/** Do its containers have their names from the server? The others have them from their /etc/hosts. */
bool network_is_served(const struct network *n);
/** From now on the server is found on @port of the gateways of @n, or with NULL of every network's; 0: nowhere. */
int net_set_names_port(struct net *net, const struct network *n, uint16_t port, struct err *e);
/** It is not on @port any more: what else comes to that port is none of our business. */
int net_close_names_port(struct net *net, uint16_t port, struct err *e);

/* ---- is all as it should be? -----------------------------------------------------------------*/

struct live_endpoint {
    const struct endpoint *endpoint;
    int netns;    /**< the container's namespace; -1: nobody is in it */
    bool settled; /**< its container runs, and neither comes nor goes: all of it must be there */
    bool own_end; /**< its program has CAP_NET_ADMIN: what is inside is its own affair */
};
/** The endpoints of all containers that live, as the caller knows them. */
struct bridge_view {
    const struct live_endpoint *endpoints;
    size_t count;
    uint16_t names_port; /**< where the name server listens; 0: not known */
};
/** What the kernel holds of a network, beside what it should, as definition and records say: {"bridge": …,
 *  "containers": …, "differences": […], "changed_inside": […]}; caller owns. The differences are one sentence each, about
 *  the bridge, ports, neighbours and rates, the firewall, and containers' ends; the ends of containers that may
 *  change them themselves are in "changed_inside". What is about to be changed by somebody else may be among them:
 *  look twice. */
int network_survey(struct net *net, const struct network *n, const struct bridge_view *view,
                   json_t **out, struct err *e);
/** For how long no network has been created or removed. */
int64_t net_networks_age_ms(const struct net *net);

/* ---- repair ---------------------------------------------------------------------------------*/

/** Are the firewall's tables there, and ours? 0: yes; 1: missing, or restored from a file: they must be
 *  made anew by net_reload(); -EBUSY with a text: they belong to another instance. */
int net_check(struct net *net, struct err *e);
/** Are they this instance's, but of another version of netctr? Then single changes would go past them. */
int net_is_outdated(struct net *net);
/** Makes the firewall anew, in one transaction, from the networks and the endpoints that live; @names_port as
 *  for net_set_names_port(). What was led astray before it is for endpoints_end_stale_flows() to end. */
int net_reload(struct net *net, const struct endpoint *live, size_t count, uint16_t names_port,
               struct err *e);

struct net_leases {
    const struct endpoint *live; /**< all endpoints … */
    size_t count;
    bool unknown;     /**< … but for some that cannot be told */
    const char *only; /**< network, which gets a file even if nobody lives there; NULL: all */
    const struct gc *gc;
};
/** Makes lease files anew that are damaged, or missing while somebody lives. One that cannot be known in full
 *  is left as it is. */
int net_restore_leases(struct net *b, const struct net_leases *leases, struct err *e);
/** Has the network its lease file? 1, 0 or -errno. */
int net_has_leases(struct net *b, const struct network *n, struct err *e);
/** Would the kernel take our firewall? It is sent and taken back in one transaction, which nobody sees. For
 *  one who has no bridge; the error says what is refused. */
int firewall_dry_run(struct err *e);
/** Can connections be forgotten (nf_conntrack_netlink)? 1, 0 or a negative errno. */
int firewall_knows_conntrack(struct err *e);
/** Packets that the firewall has dropped since it was last loaded. */
struct firewall_drop {
    bool guard; /**< sent by containers; else by others, to where they cannot come from */
    char *why;  /**< the rule's comment */
    uint64_t packets;
};
/** Calls @each for every reason for which packets were dropped by the guard, or because they are martians. */
int firewall_each_drop(struct net *net, void (*each)(const struct firewall_drop *drop, void *arg),
                       void *arg, struct err *e);
/** Puts back what somebody has changed of the networks that are in use, outside of the firewall: the bridge, its
 *  addresses and sysctls, forwarding, and the ports of @view with their rates. What is changed inside a
 *  container is left. Goes on after a failure and returns the first; network_survey() tells what remains. */
int net_restore(struct net *net, const struct bridge_view *view, struct err *e);

/** Finds leases and links that bear our mark and belong to no container of @live_ids, and removes them. */
int net_sweep(struct net *net, char *const *live_ids, const struct gc *gc, struct err *e);

/* ---- proxy --- */
/* What reaches the sockets that hold published ports: [::1] is proxied, the rest is refused.
 *
 * Linux cannot route the answer to ::1 back in from a bridge, so nf_tables leaves connections to ::1
 * alone, and they reach the socket that holds the port. Everything else that reaches it does so
 * because the rules are gone for a moment: it is reset at once, so that the client sees a refusal
 * instead of a hang.
 *
 *   struct proxy *p;  proxy_new(&held, &ep.address4, &ep.address6, &p, e);
 *   watch proxy_fd(p) for POLLIN, then proxy_run(p);
 *
 * No threads; nothing waits; the container sees the host's address as the source.
 *
 * Connections are bounded. When there are no more, whoever has the most makes room: that of his which has been
 * idle longest is reset. Nobody loses one to a user who has as many, so no user closes a port to others.
 */

struct proxy;

/** Serves all sockets of @held, which stay the caller's and must outlive the result. [::1] leads to
 *  @address6, or to @address4 if there is none (family 0). UDP sockets of @held begin to receive what
 *  comes from ::1 to ::1, and nothing else. Connections are made in the network namespace that the
 *  caller of proxy_run() is in; SIGPIPE must be ignored. */
int proxy_new(const struct bound_ports *held, const struct ip *address4, const struct ip *address6,
              struct proxy **out, struct err *e);
/** Resets what is open. Accepts NULL. */
void proxy_free(struct proxy *p);
void proxy_cleanup(struct proxy **p);
#define _cleanup_proxy_ __attribute__((cleanup(proxy_cleanup)))

int proxy_fd(const struct proxy *p);
/** Does what can be done without waiting, and no more than a few milliseconds' worth of it: what is
 *  left makes proxy_fd() readable again. */
void proxy_run(struct proxy *p);

/** What became of clients when there was no room for all. */
struct proxy_crowd {
    uint64_t closed, refused;
    int64_t user; /**< who had the most, or -1: cannot be told */
    size_t held;  /**< and how many */
};
/** Whether that was ever so. */
bool proxy_crowded(const struct proxy *p, struct proxy_crowd *out);
