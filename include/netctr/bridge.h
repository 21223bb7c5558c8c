/* The host's side of a container's network: network definitions, bridge devices, endpoints and
 * published ports.
 *
 * bridge/ knows nothing of processes or root filesystems. An endpoint is attached to a network
 * namespace that the caller has open, and its record is written into a directory that the caller
 * names.
 */
#pragma once

#include <netctr/firewall.h>
#include <netctr/ipam.h>
#include <netctr/netns.h>

/* ---- the host -------------------------------------------------------------------------------*/

/** The directories and sockets that this side works with. All sockets are in the host's network
 *  namespace. */
struct net;
/** @root_fd: definitions, which survive a reboot; @run_fd: runtime state, which does not. Both stay
 *  the caller's and must outlive *@out. @instance: 16 hex digits. The caller must be in the host's
 *  network namespace. */
int net_open(int root_fd, int run_fd, const char *instance, struct net **out, struct err *e);
/** The same for read-only callers: creates no directories. Both fds may be -1. A function that
 *  needs a missing directory fails with -EBADF. */
int net_look(int root_fd, int run_fd, const char *instance, struct net **out, struct err *e);
void net_close(struct net *net);
void net_cleanup(struct net **net);
#define _cleanup_net_ __attribute__((cleanup(net_cleanup)))

/** As fw_expiry(). */
enum fw_expiry net_expiry(struct net *net);

/* ---- networks -------------------------------------------------------------------------------*/

#define DEFAULT_NETWORK "default"

/** How the containers of a network reach the outside. The names are docker's. */
enum gateway_mode {
    GATEWAY_NAT,      /**< they go out with the host's address; published ports lead in */
    GATEWAY_ROUTED,   /**< their addresses are routed; publishing opens a container's port */
    GATEWAY_ISOLATED, /**< the bridge has no address: they reach each other only */
};

struct network {
    char *name;
    char *bridge;          /**< interface name of the bridge */
    struct subnet subnet4; /**< address.family 0: none */
    struct subnet subnet6;
    struct subnet range4, range6; /**< allocate from here; family 0: from the whole subnet */
    struct ip gateway4;           /**< the bridge's own address; family 0: none */
    struct ip gateway6;
    bool no_addresses;     /**< links only: no subnet, containers get no addresses */
    strv routes;           /**< of each container, network_route_text() with ',' */
    bool no_default_route; /**< containers get no default route by its gateway */
    enum gateway_mode mode;
    bool internal;     /**< no traffic from or to the outside */
    bool icc;          /**< its containers may talk to each other */
    bool isolate;      /**< false: open to other networks with the same setting */
    bool guard;        /**< anti-spoofing: containers send only from their own addresses */
    bool dns;          /**< its containers resolve each other's names */
    unsigned mtu;      /**< 0: the MTU of the default route's link */
    strv labels;       /**< K=V */
    strv links;        /**< networks to which its containers may open connections */
    strv link_bridges; /**< the bridges of those that exist; not stored */
    strv
        sysctls; /**< "net.ipv4.conf.IFNAME.KEY=VALUE", network_check_sysctl(): for each container */
    int64_t created; /**< seconds since the epoch; 0: unknown */
};
/** Can its containers reach the outside, and can their ports be published? */
static inline bool network_has_gateway(const struct network *n)
{
    return !n->internal && n->mode != GATEWAY_ISOLATED;
}

/** A route of a container on a network, besides its default route. */
struct network_route {
    struct subnet to; /**< prefix 0: the default route */
    struct ip gateway;
    uint32_t metric;
};
/** Parses "10.1.0.0/16,10.88.0.9[,METRIC]" as podman has it, or with '@' in place of the commas; the destination may be
 *  `default`. The metric is 100 unless it is given. -EINVAL with a text. */
int network_route_parse(const char *text, struct network_route *out, struct err *e);
/** The inverse, with @separator between the parts; caller frees. */
char *network_route_text(const struct network_route *r, char separator);
/** Could a container on @n have this route, or with @to NULL a default route by @gateway? -EINVAL with a text: the gateway
 *  is not a host's address on the network. */
int network_check_route(const struct network *n, const struct subnet *to, const struct ip *gateway,
                        struct err *e);
/** "nat", "routed" or "isolated"; else -EINVAL. */
int gateway_mode_parse(const char *text, enum gateway_mode *out);
const char *gateway_mode_name(enum gateway_mode mode);
json_t *network_to_json(const struct network *n); /**< the stored form; caller owns it */
/** Deep copy. The caller clears @out with network_clear(). */
void network_copy(const struct network *n, struct network *out);
void network_clear(struct network *n);
#define _cleanup_network_ __attribute__((cleanup(network_clear)))

/** Reads a definition. -ENOENT with a text: there is no such network. -EBADMSG: the definition is
 *  damaged. The default network is defined on first use, with 10.88.0.0/16 or the next prefix that
 *  the host does not route. */
int network_load(struct net *net, const char *name, struct network *out, struct err *e);
/** Calls @each for every defined network until it returns a negative errno. A definition that
 *  cannot be read is skipped with a warning on stderr. */
int network_each(struct net *net, int (*each)(const struct network *n, void *arg), void *arg,
                 struct err *e);
/** The same, but calls @damaged for each definition that cannot be read. */
int network_each_checked(struct net *net, int (*each)(const struct network *n, void *arg),
                         void (*damaged)(struct err *why, void *arg), void *arg, struct err *e);
/** Creates a network. On entry, @n holds its name and what the user chose; bridge, subnets and
 *  gateways that are missing are chosen and filled in. Without a subnet, the network gets an IPv4
 *  one; with @dual, one of each missing family. -EEXIST: the name is taken. -EADDRINUSE: a subnet
 *  overlaps one in use, which the text names. -EINVAL: the properties contradict each other. */
int network_create(struct net *net, struct network *n, bool dual, struct err *e);
/** Changes the definition of @name: with the definitions locked, @change gets it as it is, and it is stored after 0 or a
 *  positive result, which is returned. What changes for the containers is the caller's business. -ENOENT with a text:
 *  there is no such network. */
int network_change(struct net *net, const char *name,
                   int (*change)(struct network *n, void *arg, struct err *e), void *arg,
                   struct err *e);
/** Removes a network: firewall elements, bridge device, leases, links from other networks, and last
 *  its definition. The caller must hold the store's lock and have checked that no container is on
 *  the network. */
int network_remove(struct net *net, const char *name, struct err *e);
/** Allows containers of @from to open connections to those of @to, or forbids it. Effective at
 *  once. */
int network_link(struct net *net, const char *from, const char *to, bool allow, struct err *e);
/** Checks a sysctl of the form "net.ipv4.conf.IFNAME.KEY=VALUE" (or net.ipv4.neigh, net.ipv6.conf,
 *  net.ipv6.neigh), or with `all` or `default` instead of IFNAME (net.ipv4.conf and net.ipv6.conf only). -EINVAL: another form; -ENOENT: this kernel has no such key. */
int network_check_sysctl(const char *text, struct err *e);
/** Brings the bridge device, its addresses, forwarding and the firewall to the state that @n
 *  defines, changing only what is missing. @names_port: as for net_set_names_port(); 0 changes
 *  nothing. Holds the network's lock while it runs. Returns 1 if running containers lost their
 *  bridge device before; net_restore() puts their ports back. -ENOENT: the network was removed
 *  meanwhile; -ESTALE: and created again. */
int network_up(struct net *net, const struct network *n, uint16_t names_port, struct err *e);
/** The state of forwarding on this host: {"ipv4": {"on": …, "by_netctr": …, "closed": [LINK, …]},
 *  "ipv6": …, "opened": …}. Packets that arrive on a "closed" link are not forwarded to another
 *  one. Caller owns *@out. */
int net_forwarding(struct net *net, json_t **out, struct err *e);
/** The sysctl, below /proc/sys, that keeps the host from forwarding for @n; NULL if it forwards.
 *  Static. */
const char *net_forwarding_missing(const struct network *n);
/** With @open, lets the links that netctr keeps closed forward to each other; else closes them
 *  again. Lasts until the next boot. */
int net_open_forwarding(struct net *net, bool open, struct err *e);

/** The sysctls that a container's network namespace needs before its first link is created. Ends
 *  with a NULL key; static. @ipv6: one of its networks has IPv6. */
const struct sysctl *network_sysctls(bool ipv6);

/* ---- published ports ------------------------------------------------------------------------*/

struct port_mapping {
    /** Family 0: every address of the host; 0.0.0.0: every IPv4 address; [::]: every IPv6 address. */
    struct ip host;
    uint16_t host_port; /**< 0: ephemeral, filled in when it is bound */
    uint16_t port;      /**< of the container */
    uint8_t protocol;   /**< IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP */
    bool held;          /**< bound by a socket, so unique on the host; not stored */
    bool ephemeral;     /**< no host port was requested, or any of a range; not stored */
    uint16_t first,
        last; /**< the range, any free port of which was requested; 0: none; not stored */
};
struct port_mappings {
    struct port_mapping *items;
    size_t count;
};
void port_mappings_clear(struct port_mappings *l);
#define _cleanup_port_mappings_ __attribute__((cleanup(port_mappings_clear)))

/** Do both name the same port of the host? */
bool port_mapping_equal(const struct port_mapping *a, const struct port_mapping *b);
bool port_mappings_has(const struct port_mappings *l, const struct port_mapping *p);

/* ---- endpoints ------------------------------------------------------------------------------*/

/** Bits per second. At the minimum, a frame passes within a few seconds. The maximum is what the
 *  kernel's older structure (struct tc_ratespec) can express: 32 bits of bytes per second. */
#define RATE_MIN UINT64_C(8000)
#define RATE_MAX (UINT64_C(8) * UINT32_MAX)

/** One container on one network: all that is needed to undo it and to rebuild its firewall
 *  elements. */
struct endpoint {
    char *network;
    char *bridge;
    char *container; /**< name */
    char *id;        /**< container id, the owner of the lease */
    char *host_veth; /**< the host's end of the veth */
    char *interface; /**< the container's end: "eth0" */
    struct ip address4, address6;
    uint8_t mac[6];
    bool guard;      /**< as its network was defined at that time */
    bool routed;     /**< its ports are opened, not translated */
    bool unheld;     /**< no process holds its host ports: their elements alone take them */
    int priority;    /**< the network with the highest one gets the default route; of unheld ones */
    uint64_t rate;   /**< bits per second in each direction; 0: no limit */
    uint32_t metric; /**< of its default route, if the network has one */
    struct ip gateway4,
        gateway6; /**< of its default route instead of the network's; family 0: none */
    strv routes;  /**< its own, besides those of the network; network_route_text() */
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
    uint64_t rate;                /**< RATE_MIN to RATE_MAX; 0: no limit */
    uint32_t metric;              /**< of the default route; the smallest wins */
    struct ip gateway4, gateway6; /**< of the default route; family 0: the network's */
    char *const *routes;          /**< network_route_text() */
    int born;                     /**< BORN_…: do new links of the namespace have IPv6? */
    const struct port_mappings *port_mappings; /**< with their final host ports; NULL: none */
    bool unheld;                               /**< as struct endpoint */
    int priority;                              /**< likewise */
    /** Takes a lock for as long as the record is written, and returns its fd. A process that
     *  rebuilds the firewall holds the same lock from reading the records to its commit. So a
     *  rebuild either reads this record, or is finished before its elements are added. */
    int (*lock)(void *arg, struct err *e);
    void *lock_arg;
    /** Filled on -EADDRINUSE, if known: the lease that has the address or the MAC. If its owner is
     *  dead, endpoint_forget() or the cleanup of its container frees it. NULL: not wanted. The
     *  caller clears it. */
    struct lease *holder;
};

/** Attaches a container: lease, record (in @record_dir), guard, veth, addresses and routes, wait
 *  until the port forwards, ports. @netns and @inside are the container's namespace. A failure
 *  undoes everything. -EEXIST: the container is on that network already. The caller announces the
 *  endpoint next, or soon. */
int endpoint_attach(struct net *b, const struct network *n, int netns, struct rt *inside,
                    const struct endpoint_request *request, int record_dir, struct endpoint *out,
                    struct err *e);
/** Announces the endpoint's addresses to its neighbours, by gratuitous ARP (RFC 5227) and an
 *  unsolicited NA (RFC 4861, 7.2.6). The bridge floods both to all of its ports, which costs 6 µs a
 *  port and frame. Does nothing if the interface has another MAC by now. @netns and @inside are
 *  the endpoint's namespace. */
int endpoint_announce(int netns, struct rt *inside, const struct endpoint *ep, struct err *e);
/** Could the network give the container the addresses and the MAC of @request now? Takes nothing.
 *  Fails as endpoint_attach() would. */
int endpoint_examine(struct net *b, const struct network *n, const struct endpoint_request *request,
                     struct err *e);
/** Changes the metric of the container's default routes through @ep, with no moment without a
 *  route, and in the record in @record_dir. @inside is the container's namespace. */
int endpoint_set_metric(const struct network *n, struct endpoint *ep, struct rt *inside,
                        uint32_t metric, int record_dir, struct err *e);
/** Gives the container's interface the routes of the network, as @n has them, and its own; removes those that netctr has
 *  added before. Does nothing if the interface is missing or down. @inside is the container's namespace. */
int endpoint_settle_routes(const struct network *n, const struct endpoint *ep, struct rt *inside,
                           struct err *e);
/** Undoes endpoint_attach() in the opposite order and removes the record last. Accepts steps that
 *  are undone already. Goes on after a failure and returns the first. @defer_link: leaves the veth
 *  of a guarded endpoint to links_retire(), because deleting it takes 16-29 ms; without its guard
 *  it passes no frame. */
int endpoint_detach(struct net *b, const struct endpoint *ep, bool defer_link, int record_dir,
                    struct err *e);
/** Releases the lease of container @id on @network, when there is no record of an endpoint. */
int endpoint_forget_lease(struct net *b, const char *network, const char *id, struct err *e);
/** Finds the host's end of a guarded endpoint, for links_retire(). False if there is none. */
bool endpoint_find_link(struct net *b, const struct endpoint *ep, struct link *out);
/** Gets rid of the veths of an ended container. The kernel deletes those whose namespace has no
 *  holder left. With @later, the others are recorded for links_reap(), else deleted now. The caller
 *  must have closed its own fds of the namespace. */
void links_retire(struct net *b, const struct link *links, size_t count, bool later);
/** Has links_retire() left any for links_reap()? */
bool links_pending(int run_fd);
/** Deletes the veths that links_retire() has recorded. Takes 16-29 ms. */
int links_reap(struct net *b, struct err *e);
/** Reads the record of one network. -ENOENT: not attached. -EBADMSG with a text: damaged. */
int endpoint_load(int record_dir, const char *network, struct endpoint *out, struct err *e);
struct endpoint_list {
    struct endpoint *items;
    size_t count;
};
void endpoint_list_clear(struct endpoint_list *l);
#define _cleanup_endpoints_ __attribute__((cleanup(endpoint_list_clear)))
/** 1: the container's end of @ep, in @netns, is gone, or its addresses, default routes or flags have changed. 0: no. */
int endpoint_changed_inside(struct net *net, const struct network *n, const struct endpoint *ep,
                            int netns, struct err *e);
/** Appends the names of the networks that have a record in @record_dir, also a damaged one, each once. */
int endpoint_networks(int record_dir, strv *out, struct err *e);
/** What @ep has received and sent, in bytes: the counters of its veth on the host, which the container cannot change. -ENODEV
 *  without an error object when it is gone. */
int endpoint_traffic(struct net *net, const struct endpoint *ep, uint64_t *received,
                     uint64_t *sent);
/** Reads all records in the directory @path beneath @dirfd, sorted by interface name. -EBADMSG with a text: one is
 *  damaged; @out has the others all the same. */
int endpoint_load_all(int dirfd, const char *path, struct endpoint_list *out, struct err *e);
/** Adds ports to an attached endpoint, or removes some. The record always lists every port that may
 *  be open: written before ports are opened and after they are closed. */
int endpoint_publish(struct net *net, struct endpoint *ep, const struct port_mappings *more,
                     int record_dir, struct err *e);
int endpoint_unpublish(struct net *net, struct endpoint *ep, const struct port_mappings *less,
                       int record_dir, struct err *e);
/** The container of @ep has another name: in its record, its lease, the alias of its link and the comments of its ports. All
 *  of it goes on working. After a failure, part of it may be done; the same call with the name before undoes that. The caller
 *  holds the lock under which the firewall is rebuilt. */
int endpoint_rename(struct net *net, struct endpoint *ep, const char *container, int record_dir,
                    struct err *e);
/** Deletes UDP and SCTP conntrack entries for published ports of @live that bypass DNAT. They come
 *  from flows that started before the port was published, or while the firewall was missing, and
 *  would last as long as packets come. Other flows are not touched. Publishing calls this; a second
 *  call a second later finds what was on its way. */
int endpoints_end_stale_flows(const struct endpoint *live, size_t count, struct err *e);
/** Releases what @id holds on any network without a record (the process was killed before it was
 *  written). */
int endpoint_forget(struct net *net, const char *id, struct err *e);

/** Does this kernel have the token bucket filter? -EOPNOTSUPP with a text. */
int rate_require(struct net *net, struct err *e);
/** Compares the rate of @ep, which must have one, with the filters at both ends of its veth, and
 *  calls @found for each difference. @netns: the container's namespace; -1: only the host's end. */
int endpoint_verify_rate(struct net *net, const struct endpoint *ep, int netns,
                         void (*found)(const char *what, void *arg), void *arg, struct err *e);
/** Sets the rate again at both ends. @netns as above. */
int endpoint_restore_rate(struct net *net, const struct endpoint *ep, int netns, struct err *e);

/* ---- names ----------------------------------------------------------------------------------
 * Containers ask port 53 of their gateway. The firewall redirects that to the port of the gateway
 * on which the name server listens: another one, because a container may publish port 53. */

/** Do its containers ask the name server? Those of other networks have the names in /etc/hosts. */
bool network_is_served(const struct network *n);
/** Redirects DNS questions to @port of the gateways of @n, or of every network if @n is NULL. 0: no
 *  redirection. */
int net_set_names_port(struct net *net, const struct network *n, uint16_t port, struct err *e);
/** The name server no longer uses @port: other traffic to it must pass again. */
int net_close_names_port(struct net *net, uint16_t port, struct err *e);

/* ---- survey -----------------------------------------------------------------------------------*/

struct live_endpoint {
    const struct endpoint *endpoint;
    int netns;    /**< the container's namespace; -1: it has no process */
    bool settled; /**< it runs, neither starting nor ending: nothing may be missing */
    bool own_end; /**< it has CAP_NET_ADMIN and may change its own end */
};
/** The endpoints of all running containers, as the caller knows them. */
struct bridge_view {
    const struct live_endpoint *endpoints;
    size_t count;
    uint16_t names_port; /**< port of the name server; 0: unknown */
};
/** Compares the kernel's state of a network with its definition and records: {"bridge": …,
 *  "containers": …, "differences": […], "changed_inside": […]}. Caller owns *@out. Each difference
 *  is one sentence about the bridge, ports, neighbours, rates, the firewall or a container's end.
 *  Ends that their containers may change themselves are in "changed_inside". A change that is under
 *  way may show up: check twice. */
int network_survey(struct net *net, const struct network *n, const struct bridge_view *view,
                   json_t **out, struct err *e);
/** Milliseconds since a network was last created or removed. */
int64_t net_networks_age_ms(const struct net *net);

/* ---- repair ---------------------------------------------------------------------------------*/

/** Does the firewall exist, with this instance and NETCTR_SCHEMA? 0: yes. 1: call net_reload(): it is
 *  missing, was restored from a file, or has an older schema. With a text: -EBUSY if it belongs to
 *  another instance, -EPROTONOSUPPORT if a newer netctr made it. */
int net_check(struct net *net, struct err *e);
/** Are the tables this instance's, but of an older schema? Then their sets may have other names. */
bool net_is_outdated(struct net *net);
/** Rebuilds the firewall in one transaction, from the defined networks and the endpoints in use.
 *  @names_port as in net_set_names_port(). Flows that went astray before it are for
 *  endpoints_end_stale_flows(). */
int net_reload(struct net *net, const struct endpoint *live, size_t count, uint16_t names_port,
               struct err *e);

struct net_leases {
    const struct endpoint *live; /**< all endpoints in use, … */
    size_t count;
    size_t ending;    /**< so many at the end of the list are being detached */
    bool unknown;     /**< … except some whose records cannot be read */
    bool keep_old;    /**< a netctr 0.1 lives, which needs its lease files */
    const char *only; /**< this network only, even without endpoints; NULL: all networks */
    const struct gc *gc;
};
/** Rebuilds leases that are damaged, or missing while endpoints need them, and converts the files of
 *  netctr 0.1. What is missing or damaged stays so if not all endpoints in use are known. */
int net_restore_leases(struct net *b, const struct net_leases *leases, struct err *e);
/** Can addresses of the network be leased? 0: net_restore_leases() first. 1, 0 or -errno. */
int net_has_leases(struct net *b, const struct network *n, struct err *e);
/** As lease_each(): whose the addresses of a network are, for a caller that meets a full one. */
int net_each_lease(struct net *b, const struct network *n,
                   int (*each)(const struct lease *l, void *arg), void *arg, struct err *e);
/** Would the kernel accept netctr's firewall? Sends it and takes it back in one transaction without
 *  effect. The error tells what is refused. Needs no struct net. */
int firewall_dry_run(struct err *e);
/** Can conntrack entries be deleted (nf_conntrack_netlink)? 1, 0 or -errno. */
int firewall_knows_conntrack(struct err *e);
/** As fw_each_drop(). */
int firewall_each_drop(struct net *net, void (*each)(const struct firewall_drop *drop, void *arg),
                       void *arg, struct err *e);
/** Restores networks in use, except for the firewall: bridges, their addresses and sysctls,
 *  forwarding, and the ports of @view with their rates. Changes inside containers stay. Goes on
 *  after a failure and returns the first; network_survey() tells what remains. */
int net_restore(struct net *net, const struct bridge_view *view, struct err *e);

/** Removes leases and links that bear this instance's mark and belong to no container in
 *  @live_ids. */
int net_sweep(struct net *net, char *const *live_ids, const struct gc *gc, struct err *e);
/** Removes everything of this instance from the host's network, also what no record names: links, tables, and the
 *  forwarding that netctr has switched on. @net may be of net_look(). Calls @gc->tell for each object; objects of other
 *  instances stay (GC_LEAVE). Goes on after a failure and returns the first. */
int net_reset(struct net *net, const struct gc *gc, struct err *e);
