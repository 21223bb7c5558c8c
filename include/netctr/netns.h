/* Verbs over one network namespace: make and enter it; its links, addresses, routes, neighbours.
 *
 * A `struct rt` is a rtnetlink socket (libnl) that belongs to the namespace in which it was opened
 * and works there whatever namespace its owner is in later. Verbs are gathered in a batch and sent
 * with one system call; the kernel runs them in order and stops counting at the first failure. No
 * verb decides anything: policy lives in bridge/.
 */
#pragma once

#include <netctr/base.h>

#include <net/if.h>
#include <netinet/in.h>

/* ---- addresses ------------------------------------------------------------------------------*/

/** An IPv4 or IPv6 address; family AF_UNSPEC (0) means none. Bytes in network order. */
struct ip {
    int family;
    union {
        struct in_addr v4;
        struct in6_addr v6;
        uint8_t bytes[16];
    };
};
/** Parses a plain address of either family; -EINVAL. */
int ip_parse(const char *s, struct ip *out);
/** Canonical text; caller frees. AF_UNSPEC gives "". */
char *ip_text(const struct ip *a);
/** No address, 0.0.0.0 or :: */
bool ip_is_any(const struct ip *a);
bool ip_equal(const struct ip *a, const struct ip *b);
static inline size_t ip_size(const struct ip *a)
{
    return a->family == AF_INET ? 4 : a->family == AF_INET6 ? 16 : 0;
}
char *mac_text(const uint8_t mac[6]); /**< caller frees */
int mac_parse(const char *s, uint8_t mac[6]);

/* ---- the namespace --------------------------------------------------------------------------*/

struct rt;

struct sysctl {
    const char *key; /**< below /proc/sys, with slashes: "net/ipv4/ip_forward" */
    const char *value;
};

/** Makes a new network namespace, opens a rtnetlink socket inside, writes @sysctls (ends with a
 *  NULL key; keys that this kernel lacks are passed over) and comes back (unshare(CLONE_NEWNET),
 *  setns). The caller must be single-threaded and owns *@fd and *@rt. */
int netns_create(int *fd, struct rt **rt, const struct sysctl *sysctls, struct err *e);
/** Writes @sysctls (ends with a NULL key; keys that this kernel lacks are passed over) in the namespace
 *  @fd and comes back. The caller must be single-threaded. */
int netns_sysctls(int fd, const struct sysctl *sysctls, struct err *e);
/** A rtnetlink socket in the namespace @fd. The caller must be single-threaded. */
int netns_open_rt(int fd, struct rt **rt, struct err *e);
/** A socket in the namespace @fd, close-on-exec. The caller must be single-threaded. */
int netns_socket(int fd, int family, int type, struct err *e);
/** An fd of the network namespace of the process @pid that started at @start; -errno, -ESRCH if it is gone. */
int netns_of_process(pid_t pid, uint64_t start);
/** Is @fd a network namespace? */
bool netns_is(int fd);
/** An fd of the network namespace that the caller is in. */
int netns_self(void);
/** Its inode number: the namespace's identity while somebody holds it. 0 on failure. */
uint64_t netns_inode(int fd);
/** Writes one sysctl of the namespace that the caller is in. */
int sysctl_write(const char *key, const char *value, struct err *e);
/** Reads it; caller frees; NULL when there is none. Trailing newline removed. */
char *sysctl_read(const char *key); /**< NULL: errno tells why */

/* ---- rtnetlink ------------------------------------------------------------------------------*/

/** Opens a socket in the namespace that the caller is in. */
int rt_open(struct rt **out, struct err *e);
void rt_close(struct rt *rt);
void rt_cleanup(struct rt **rt);
#define _cleanup_rt_ __attribute__((cleanup(rt_cleanup)))

/** What a bridge port does with frames. */
struct port_flags {
    bool hairpin;  /**< a frame may go back where it came from (IFLA_BRPORT_MODE) */
    bool isolated; /**< does not reach other isolated ports (_ISOLATED) */
    bool learning; /**< the bridge believes the sources of its frames (_LEARNING) */
};

struct link {
    int index;
    int master;       /**< 0: none */
    int peer_netnsid; /**< of a veth: the kernel's number for its peer's namespace; -1: none known */
    unsigned flags;   /**< IFF_… */
    unsigned mtu;
    uint8_t mac[6];
    bool carrier; /**< can send: the kernel has seen a carrier and acted on it */
    bool
        lower_up; /**< has a carrier, which the kernel has not acted on yet unless it also says @carrier */
    bool forwarding; /**< a bridge port that forwards (BR_STATE_FORWARDING) */
    struct port_flags port;
    bool floods; /**< a bridge port that gets all frames which rt_set_port() lets it get */
    bool is_bridge;
    bool snoops;             /**< a bridge that decides by MLD and IGMP who gets multicast */
    bool has_stp, has_vlans; /**< a bridge with STP or VLAN filtering: either keeps frames back */
    char name[IFNAMSIZ];
    char alias[256];
};
/** -ENODEV when there is no such link (not recorded in an error object: often the expected). */
int rt_get_link(struct rt *rt, const char *name, struct link *out);
/** Has the network namespace of @link's peer lost its last holder? Then the kernel deletes both ends soon,
 *  from a work queue (RTM_GETNSID, Linux 5.0). false also when that cannot be found out. */
bool rt_peer_is_dying(struct rt *rt, const struct link *link);
/** Calls @each for every link; a negative result ends the walk and is returned. */
int rt_each_link(struct rt *rt, int (*each)(const struct link *link, void *arg), void *arg,
                 struct err *e);

struct route {
    struct ip destination; /**< AF_UNSPEC bytes 0 and prefix 0: the default route */
    struct ip gateway;     /**< family 0: none, or several */
    int family;
    uint8_t prefix;
    bool on_link; /**< no gateway: these addresses are on the wire */
    int oif;
};
/** Every unicast route of the main table and every local address' prefix, both families. */
int rt_each_route(struct rt *rt, int (*each)(const struct route *route, void *arg), void *arg,
                  struct err *e);

struct address {
    struct ip ip;
    uint8_t prefix;
    int index; /**< of its link */
};
/** Every address, both families; of a point-to-point link also what is at its other end. */
int rt_each_address(struct rt *rt, int (*each)(const struct address *address, void *arg), void *arg,
                    struct err *e);

/** An entry of a neighbour table, or with AF_BRIDGE of a bridge's table of MACs. */
struct neighbour {
    struct ip ip; /**< family 0: of a bridge's table */
    uint8_t mac[6];
    int index;      /**< of its link; of the port */
    bool permanent; /**< or static */
};
/** Every entry of one family. */
int rt_each_neighbour(struct rt *rt, int family,
                      int (*each)(const struct neighbour *neighbour, void *arg), void *arg,
                      struct err *e);

/** What the link with @index may send, in bytes a second, by a token bucket filter; 0: there is none. */
int rt_get_rate(struct rt *rt, int index, uint32_t *rate, struct err *e);

/** Would the namespace take a packet to @address for itself? 1, 0 or a negative errno (RTM_GETROUTE).
 *  For IPv6 this comes later than the address: the kernel adds the route from a work queue. */
int rt_is_local(struct rt *rt, const struct ip *address);

/** Can the kernel make links of this kind ("veth")? Asked with a request that it must refuse, so nothing is
 *  made. 1, 0 or a negative errno. */
int rt_knows_kind(struct rt *rt, const char *kind);
/** Does this kernel know queueing disciplines of this kind, which need options ("tbf")? The same. */
int rt_knows_qdisc(struct rt *rt, const char *kind);

/** The neighbour table of a family: its counters are the whole machine's. */
struct neighbours {
    unsigned entries;    /**< of all namespaces, with permanent ones */
    unsigned permanent;  /**< of this one; they do not count towards the thresholds */
    unsigned soft, hard; /**< gc_thresh2, gc_thresh3 */
};
int rt_get_neighbours(struct rt *rt, int family, struct neighbours *out, struct err *e);

struct rt_batch;
struct rt_batch *rt_batch_new(struct rt *rt);
void rt_batch_cleanup(struct rt_batch **b);
#define _cleanup_rt_batch_ __attribute__((cleanup(rt_batch_cleanup)))

/** RTM_NEWLINK bridge, CREATE|EXCL, and its MTU. Both MAC and MTU are given: a bridge that inherits
 *  them from its ports changes both as ports come and go. Not up yet. */
void rt_add_bridge(struct rt_batch *b, const char *name, const uint8_t mac[6], unsigned mtu);

struct veth {
    const char *host; /**< name of the host's end */
    uint8_t host_mac[6];
    int master; /**< bridge that the host's end is born into */
    unsigned mtu;
    const char *peer; /**< name of the container's end */
    uint8_t peer_mac[6];
    int peer_netns; /**< fd of the namespace that the peer is born in */
};
/** One RTM_NEWLINK, CREATE|EXCL: host end in the bridge, peer born inside its namespace. The host end has
 *  no ARP (IFF_NOARP) and is down: bring it up when its port flags are set. Nothing is moved (that
 *  would hold RTNL for an rcu_barrier, 20-40 ms) or renamed. */
void rt_add_veth(struct rt_batch *b, const struct veth *v);
/** Bridge port flags of @port and its ifalias. Frames to the reserved group addresses 01:80:c2:00:00:0x
 *  are forwarded like any other (IFLA_BRPORT_GROUP_FWD_MASK), never handed to the host by the port. Whatever
 *  else may keep frames back (flooding, proxy ARP, locks) is as a new port has it. */
void rt_set_port(struct rt_batch *b, const char *port, struct port_flags flags, const char *alias);
/** Puts @port into the bridge with this index. */
void rt_set_master(struct rt_batch *b, const char *port, int master);
/** A static entry in the bridge's table: @mac is behind the port with this index, and nowhere else. It
 *  goes with the port. */
void rt_add_fdb(struct rt_batch *b, int port_index, const uint8_t mac[6]);
/** A bridge sends multicast to all of its ports (IFLA_BR_MCAST_SNOOPING 0), and has neither STP nor VLAN
 *  filtering. Nothing is added where that is so. */
void rt_set_plain_bridge(struct rt_batch *b, const struct link *bridge);
static inline bool link_is_plain_bridge(const struct link *bridge)
{
    return !bridge->snoops && !bridge->has_stp && !bridge->has_vlans;
}
/** Older kernels refuse to rename a link that is up. */
void rt_set_name(struct rt_batch *b, int index, const char *name);
void rt_set_mtu(struct rt_batch *b, int index, unsigned mtu);
/** Takes an address away, and the route to its prefix with it. */
void rt_delete_address(struct rt_batch *b, int index, const struct ip *address, uint8_t prefix);
void rt_set_alias(struct rt_batch *b, const char *name, const char *alias);
void rt_set_up(struct rt_batch *b, int index);
void rt_set_down(struct rt_batch *b, int index); /**< a link that is gone is no error */
/** Also makes the kernel announce the interface's addresses, where arp_notify and ndisc_notify are
 *  set, even if the MAC is the one that it has. */
void rt_set_mac(struct rt_batch *b, int index, const uint8_t mac[6]);
/** IPv6 addresses are added NODAD: nothing else can hold them and a tentative one cannot be bound. */
void rt_add_address(struct rt_batch *b, int index, const struct ip *address, uint8_t prefix);
/** Default route of the gateway's family. The route with the smallest @metric is taken; in IPv6 the
 *  kernel's 1024 are added. */
void rt_add_default_route(struct rt_batch *b, int index, const struct ip *gateway, uint32_t metric);
void rt_delete_default_route(struct rt_batch *b, int index, const struct ip *gateway,
                             uint32_t metric);
/** A permanent neighbour; one that is there is replaced. */
void rt_add_neighbour(struct rt_batch *b, int index, const struct ip *address,
                      const uint8_t mac[6]);
void rt_delete_neighbour(struct rt_batch *b, int index, const struct ip *address);
void rt_delete_link(struct rt_batch *b, const char *name);
/** Brings the link with this index down and deletes it, in that order: a bridge port is never up outside
 *  its bridge. Waits for RCU grace periods: 0.4-30 ms. */
void rt_remove_link(struct rt_batch *b, int index);
/** From now on the link sends @rate bytes a second at most: a token bucket filter, in the place of
 *  whatever was there. @burst: bytes that may leave at once; @limit: bytes that may wait. */
void rt_set_rate(struct rt_batch *b, int index, uint32_t rate, uint32_t burst, uint32_t limit);
/** Packets that the sockets of this namespace send by the link are cut into frames only when they leave it;
 *  none of them is larger than @size (65,536 by default). */
void rt_set_packet_size(struct rt_batch *b, int index, uint32_t size);

/** Sends the batch and waits for every answer. The first failure is returned with the verb, its
 *  object and the kernel's extended ack; later verbs may have taken effect all the same. Verbs
 *  that delete take "already gone" (ENODEV, ENOENT, ESRCH, EADDRNOTAVAIL) for success. */
int rt_commit(struct rt_batch *b, struct err *e);
