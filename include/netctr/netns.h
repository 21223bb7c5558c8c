/* Verbs over one network namespace: create and enter it; its links, addresses, routes, neighbours.
 *
 * A `struct rt` is an rtnetlink socket (libnl). It belongs to the namespace in which it was opened
 * and keeps working there, whatever namespace its owner enters later. Verbs are collected in a
 * batch and sent with one system call. The kernel executes all of them in order and answers each.
 * Verbs make no decisions: policy lives in bridge/.
 */
#pragma once

#include <netctr/base.h>

#include <net/if.h>

/* ---- the namespace --------------------------------------------------------------------------*/

struct rt;

struct sysctl {
    const char *key; /**< below /proc/sys, with slashes: "net/ipv4/ip_forward" */
    const char *value;
};

/** The directories net/ipv4 and net/ipv6 of one namespace's sysctls, each opened when it is first needed, by a caller
 *  that is in the namespace. They are found by path once: a procfs keeps an entry for each network namespace in which
 *  they were looked up, all in one chain of its hash table, and compares with each (with 1,000 of them 0.1 to 0.4 ms).
 *  So a container's are looked up in a procfs of their own (@apart; fsopen, Linux 5.2), and the host's chain stays
 *  short. Closing that costs 0.1 to 0.3 ms.
 *
 *  A mount of a sysfs walks all sysfs instances, one for each network namespace, until it finds its own. The container's is
 *  made here, so that its process, which has more to do meanwhile than this one, finds it first in the list. */
struct sysctls {
    int ipv4, ipv6;
    int proc;  /**< the procfs of their own */
    int sysfs; /**< keeps the one of a new namespace; -1: none */
    bool apart;
};
#define SYSCTLS_INIT           \
    {                          \
        -1, -1, -1, -1, false, \
    }
#define SYSCTLS_APART         \
    {                         \
        -1, -1, -1, -1, true, \
    }
void sysctls_close(struct sysctls *s);
#define _cleanup_sysctls_ __attribute__((cleanup(sysctls_close)))
/** Like sysctl_write() and sysctl_read(), which are the same with NULL. */
int sysctls_write(struct sysctls *s, const char *key, const char *value, struct err *e);
char *sysctls_read(struct sysctls *s, const char *key);
/** Opens the file of a sysctl, with @flags of open(2) and O_CLOEXEC. An fd, or -errno. */
int sysctls_open(struct sysctls *s, const char *key, int flags);
/** Writes a sysctl of the caller's namespace. */
int sysctl_write(const char *key, const char *value, struct err *e);
/** Reads a sysctl, without its trailing newline. Caller frees. */
char *sysctl_read(const char *key); /**< NULL with errno */

/** Creates a network namespace (unshare(CLONE_NEWNET)), opens an rtnetlink socket in it, writes
 *  @sysctls there and returns to the caller's namespace (setns). @owner is the user namespace that
 *  owns it, which must be below the caller's own; -1: the caller's. @sysctls ends with a NULL key;
 *  keys that this kernel lacks are skipped. The caller must be single-threaded and owns *@fd and
 *  *@rt. @used (may be NULL) receives what the sysctls were written by, to be closed when no command waits.
 *  -ENOSPC: user.max_net_namespaces forbids it. A kill at any instant leaves no process. */
int netns_create(int owner, int *fd, struct rt **rt, const struct sysctl *sysctls,
                 struct sysctls *used, struct err *e);
/** The rest of netns_create() for a namespace that exists already, @fd, which stays the caller's. */
int netns_prepare(int fd, struct rt **rt, const struct sysctl *sysctls, struct sysctls *used,
                  struct err *e);
/** Writes @sysctls in the namespace @fd. As above. */
int netns_sysctls(int fd, const struct sysctl *sysctls, struct err *e);
/** Runs @work in the namespace @fd, returns to the caller's, and returns the result of @work. The caller
 *  must be single-threaded. */
int netns_run(int fd, int (*work)(void *arg, struct err *e), void *arg, struct err *e);
/** Opens an rtnetlink socket in the namespace @fd. The caller must be single-threaded and owns
 *  *@rt. */
int netns_open_rt(int fd, struct rt **rt, struct err *e);
/** Opens a close-on-exec socket in the namespace @fd. The caller must be single-threaded. */
int netns_socket(int fd, int family, int type, int protocol, struct err *e);
/** Opens the network namespace of the process @pid that started at @start. An fd, or -errno;
 *  -ESRCH: the process has ended. A pidfd guards against a reused pid. */
int netns_of_process(pid_t pid, uint64_t start);
/** Is @fd a network namespace? */
bool netns_is(int fd);
/** An fd of the caller's network namespace, or -errno. */
int netns_self(void);
/** The inode number of the namespace @fd. It identifies the namespace as long as a process or an fd
 *  refers to it. 0 on failure. */
uint64_t netns_inode(int fd);
/** The cookie of the namespace @fd (-1: the caller's): a number that no other network namespace has had since boot,
 *  unlike the inode number, which is reused at once (SO_NETNS_COOKIE, Linux 5.14). The caller must be
 *  single-threaded. */
int netns_cookie(int fd, uint64_t *out, struct err *e);
/** The user namespace that owns the network namespace @fd: a process needs its privileges to join it (NS_GET_USERNS,
 *  Linux 4.9). An fd, the caller's. -EPERM with a text: it is above the caller's own. */
int netns_owner(int fd, struct err *e);
/** The ids of the owner of the network namespace @fd, as the caller sees them: of a container that shares it. Empty: its
 *  owner is the caller's own user namespace. -EPERM with a text: it is above that; -E2BIG: it has too many ranges. */
int netns_owner_map(int fd, struct id_map *out, struct err *e);
/** The name of netctr's instance with the canonical run directory @run in the caller's namespace: 16 hex digits from
 *  boot id, cookie and @run; with @former, as netctr 0.1 named it, by the namespace's inode number. Caller frees *@out. */
int netns_instance(const char *run, bool former, char **out, struct err *e);

/* ---- pins ------------------------------------------------------------------------------------
 * A pin keeps a network namespace alive, by a name, without a process. It is a bind mount, but not in the host's mount
 * table, which every start of a container copies: all pins are in one mount namespace that holds nothing else. That one
 * is kept by a single bind mount, RUN/pins/namespace. It is made with the first pin and removed with the last.
 *
 * The kernel never copies a mount of a mount namespace into a new mount namespace. So RUN/pins/namespace is mounted, and
 * looked for, where process 1 sees RUN, if that is the same directory; else in the caller's mount namespace.
 *
 * The caller must be single-threaded and share its root and working directory with no other process (CLONE_FS). Both
 * stay as they are, also if the caller is in a chroot or its working directory has been deleted. Needs CAP_SYS_ADMIN and
 * CAP_SYS_CHROOT, and the mount API of Linux 5.2. A kill at any instant leaves nothing that the next call does not
 * repair. */

struct pins;
/** A handle for the pins of the run directory @run_fd, which is duplicated. Makes nothing. The caller owns *@out. */
int pins_open(int run_fd, struct pins **out, struct err *e);
void pins_close(struct pins *p); /**< accepts NULL; the pins stay */
void pins_cleanup(struct pins **p);
#define _cleanup_pins_ __attribute__((cleanup(pins_cleanup)))
/** Pins the network namespace @netns as @name, a valid_name(). -EEXIST with a text: there is such a pin. */
int pins_add(struct pins *p, const char *name, int netns, struct err *e);
/** Opens a pinned namespace: a close-on-exec fd. -ENOENT with a text: there is no such pin. */
int pins_get(struct pins *p, const char *name, struct err *e);
/** Removes a pin; with the last one, their mount namespace. Succeeds if it is already gone. */
int pins_remove(struct pins *p, const char *name, struct err *e);
/** Calls @each for every pin; @netns belongs to pins_each(). A negative result ends the walk and is returned. @each may
 *  remove pins. */
int pins_each(struct pins *p, int (*each)(const char *name, int netns, void *arg), void *arg,
              struct err *e);
/** Removes what killed calls have left: the mount namespace without a pin, and the files of RUN/pins. */
int pins_tidy(struct pins *p, struct err *e);

/* ---- netlink --------------------------------------------------------------------------------*/

struct nlmsghdr;
/** The reason in words that the kernel adds to an error (extended ack, Linux 4.12), or NULL.
 *  @answer is a complete NLMSG_ERROR message, which owns the text. */
const char *netlink_error_text(const struct nlmsghdr *answer);
/** Discards everything that waits on a netlink socket. Needed after a failed exchange, so that the
 *  next request does not read the answers to this one. */
void netlink_drain(int fd);

/* ---- rtnetlink ------------------------------------------------------------------------------*/

/** Opens a socket in the caller's namespace. The caller owns *@out. */
int rt_open(struct rt **out, struct err *e);
/** As netns_cookie(), of the namespace that the socket belongs to. */
int rt_netns_cookie(struct rt *rt, uint64_t *out, struct err *e);
void rt_close(struct rt *rt);
void rt_cleanup(struct rt **rt);
#define _cleanup_rt_ __attribute__((cleanup(rt_cleanup)))

/** How a bridge port treats frames. */
struct port_flags {
    bool hairpin;  /**< may send a frame back to where it came from (IFLA_BRPORT_MODE) */
    bool isolated; /**< does not reach other isolated ports (IFLA_BRPORT_ISOLATED) */
    bool learning; /**< the bridge learns MACs from its frames (IFLA_BRPORT_LEARNING) */
};

struct link {
    int index;
    int master;       /**< 0: none */
    int peer_netnsid; /**< of a veth: the kernel's id of its peer's namespace; -1: unknown */
    unsigned flags;   /**< IFF_… */
    unsigned mtu;
    uint8_t mac[6];
    bool carrier;    /**< can send: the kernel has seen the carrier and acted on it */
    bool lower_up;   /**< has a carrier, not acted on unless @carrier is set as well */
    bool forwarding; /**< bridge port in state forwarding (BR_STATE_FORWARDING) */
    struct port_flags port;
    bool floods; /**< bridge port with all flooding on, as rt_set_port() leaves it */
    bool is_bridge;
    bool snoops;             /**< bridge with multicast snooping (MLD, IGMP) */
    bool has_stp, has_vlans; /**< bridge that may keep back frames by these */
    uint64_t received, sent; /**< bytes */
    char name[IFNAMSIZ];
    char alias[256];
};
/** Looks up a link by name. -ENODEV without an error object, since callers often expect it. */
int rt_get_link(struct rt *rt, const char *name, struct link *out);
/** Has the namespace of @link's peer lost its last holder? Then the kernel deletes both ends soon,
 *  from a work queue (RTM_GETNSID, Linux 5.0). False also if that cannot be found out. */
bool rt_peer_is_dying(struct rt *rt, const struct link *link);
/** Calls @each for every link; a negative result ends the walk and is returned. */
int rt_each_link(struct rt *rt, int (*each)(const struct link *link, void *arg), void *arg,
                 struct err *e);

struct route {
    struct ip destination; /**< prefix 0: the default route */
    struct ip gateway;     /**< family 0: none, or several next hops */
    int family;
    uint8_t prefix;
    bool on_link; /**< no gateway: the addresses are on the link */
    int oif;
    uint8_t protocol; /**< RTPROT_…: who has added it */
    uint32_t metric;
};
/** The protocol of the routes that rt_add_route() adds. */
#define RT_PROTOCOL_NETCTR 78
/** Calls @each for every unicast route of the main table and every local prefix, both families. A
 *  negative result ends the walk and is returned. */
int rt_each_route(struct rt *rt, int (*each)(const struct route *route, void *arg), void *arg,
                  struct err *e);

struct address {
    struct ip ip;
    uint8_t prefix;
    int index; /**< of its link */
};
/** Calls @each for every address, both families; for point-to-point links, also for the peer's
 *  address. */
int rt_each_address(struct rt *rt, int (*each)(const struct address *address, void *arg), void *arg,
                    struct err *e);

/** Every prefix that the namespace takes for its own: what `fib daddr type local` matches, like 127.0.0.0/8. The @index
 *  is 0. */
int rt_each_local(struct rt *rt, int (*each)(const struct address *address, void *arg), void *arg,
                  struct err *e);

/** An entry of a neighbour table, or, for AF_BRIDGE, of a bridge's forwarding database. */
struct neighbour {
    struct ip ip; /**< family 0: of a bridge's database */
    uint8_t mac[6];
    int index;      /**< of its link; for a bridge, of the port */
    bool permanent; /**< or static */
};
/** Calls @each for every entry of one family. */
int rt_each_neighbour(struct rt *rt, int family,
                      int (*each)(const struct neighbour *neighbour, void *arg), void *arg,
                      struct err *e);

/** The rate of a token bucket filter on the link, in bytes per second; 0: there is none. */
int rt_get_rate(struct rt *rt, int index, uint32_t *rate, struct err *e);
/** Does netem handle what the link sends? 1, 0 or -errno. */
int rt_has_netem(struct rt *rt, int index, struct err *e);

/** Would the namespace deliver a packet for @address locally? 1, 0 or -errno (RTM_GETROUTE). For
 *  IPv6, the answer changes later than the address, because the kernel adds the route from a work
 *  queue. */
int rt_is_local(struct rt *rt, const struct ip *address);

/** Can the kernel create links of this kind ("veth")? Tested with a request that it must refuse. 1,
 *  0 or -errno. */
int rt_knows_kind(struct rt *rt, const char *kind);
/** Does the kernel have this queueing discipline ("tbf"), which must need options? The same. */
int rt_knows_qdisc(struct rt *rt, const char *kind);

/** The neighbour table of a family. Its counters are for all namespaces of the machine. */
struct neighbours {
    unsigned entries;    /**< of all namespaces, permanent ones included */
    unsigned permanent;  /**< of this namespace; not counted towards the thresholds */
    unsigned soft, hard; /**< gc_thresh2, gc_thresh3 */
};
int rt_get_neighbours(struct rt *rt, int family, struct neighbours *out, struct err *e);

struct rt_batch;
struct rt_batch *rt_batch_new(struct rt *rt);
void rt_batch_cleanup(struct rt_batch **b);
#define _cleanup_rt_batch_ __attribute__((cleanup(rt_batch_cleanup)))

/** Creates a bridge (RTM_NEWLINK, CREATE|EXCL), not up yet. MAC and MTU are explicit: a bridge that
 *  inherits them from its ports changes both as ports come and go. */
void rt_add_bridge(struct rt_batch *b, const char *name, const uint8_t mac[6], unsigned mtu);

struct veth {
    const char *host; /**< name of the host's end */
    uint8_t host_mac[6];
    int master; /**< index of the bridge that gets the host's end */
    unsigned mtu;
    const char *peer; /**< name of the container's end */
    uint8_t peer_mac[6];
    int peer_netns; /**< fd of the namespace in which the peer is created */
};
/** Creates a veth with one RTM_NEWLINK (CREATE|EXCL): the host's end in its bridge, the peer in its
 *  namespace. The host's end has no ARP (IFF_NOARP) and stays down until its port flags are set.
 *  Nothing is moved between namespaces, which would hold RTNL for an rcu_barrier (20-40 ms). */
void rt_add_veth(struct rt_batch *b, const struct veth *v);
/** One end of a link between two namespaces, none of which need be the host's. */
struct link_end {
    const char *name;
    uint8_t mac[6];
    int master; /**< index of a bridge in its namespace; 0: none */
    int netns;  /**< fd of its namespace; not used for the end that is created in the batch's own */
};
/** Creates a veth with one RTM_NEWLINK (CREATE|EXCL), both ends in their places, neither up. */
void rt_add_pair(struct rt_batch *b, const struct link_end *here, const struct link_end *there,
                 unsigned mtu);
/** Creates a macvlan (mode bridge) of the batch's link with index @parent, in the namespace of @there. */
void rt_add_macvlan(struct rt_batch *b, int parent, const struct link_end *there);
#define RT_SPARE_METRIC 0xff002000U
/** Adds a default route that is used only if there is no other one: RTPROT_KERNEL and RT_SPARE_METRIC. */
void rt_add_spare_route(struct rt_batch *b, int index, const struct ip *gateway);
/** The kernel computes checksums of packets that this interface sends, instead of leaving them to a device that a veth has
 *  not: receivers other than the kernel would see wrong ones (ETHTOOL_STXCSUM). @socket: any, in its namespace. 0 or
 *  -errno. */
int link_checksum_off(int socket, const char *name);
/** Sets the bridge port flags and the alias of @port. Frames to the reserved group addresses
 *  01:80:c2:00:00:0x are forwarded like any other (IFLA_BRPORT_GROUP_FWD_MASK) and never given to
 *  the host by the port. Other settings that hold frames back (flooding, proxy ARP, locks) get the
 *  defaults of a new port. */
void rt_set_port(struct rt_batch *b, const char *port, struct port_flags flags, const char *alias);
/** Puts @port into the bridge with index @master. */
void rt_set_master(struct rt_batch *b, const char *port, int master);
/** Adds a static entry to the bridge's database: @mac is behind this port only. It is deleted with
 *  the port. */
void rt_add_fdb(struct rt_batch *b, int port_index, const uint8_t mac[6]);
/** Turns multicast snooping (IFLA_BR_MCAST_SNOOPING), STP and VLAN filtering off. Adds nothing to
 *  the batch if they are off. */
void rt_set_plain_bridge(struct rt_batch *b, const struct link *bridge);
/** Has a bridge keep VLANs apart, or not. -EOPNOTSUPP as below. */
void rt_set_vlan_filtering(struct rt_batch *b, int bridge, bool on);
/** Has a bridge keep VLANs apart, and puts one of its ports into VLANs: @untagged (0: none) for frames without a tag, and
 *  @tagged[@count], in ascending order. The port was just put into the bridge, and is in VLAN 1 alone. -EOPNOTSUPP: the
 *  kernel has no VLAN filtering (CONFIG_BRIDGE_VLAN_FILTERING). */
void rt_set_port_vlans(struct rt_batch *b, int bridge, int port, unsigned untagged,
                       const uint16_t *tagged, size_t count);
static inline bool link_is_plain_bridge(const struct link *bridge)
{
    return !bridge->snoops && !bridge->has_stp && !bridge->has_vlans;
}
/** Older kernels refuse this for a link that is up. */
void rt_set_name(struct rt_batch *b, int index, const char *name);
void rt_set_mtu(struct rt_batch *b, int index, unsigned mtu);
/** Deletes an address and the connected route of its prefix. */
void rt_delete_address(struct rt_batch *b, int index, const struct ip *address, uint8_t prefix);
void rt_set_alias(struct rt_batch *b, const char *name, const char *alias);
void rt_set_up(struct rt_batch *b, int index);
void rt_set_down(struct rt_batch *b, int index); /**< succeeds if the link is gone */
/** Sets the MAC. Even the present one discards the interface's neighbours and what they have queued. */
void rt_set_mac(struct rt_batch *b, int index, const uint8_t mac[6]);
/** Adds an address. IPv6 addresses skip DAD (IFA_F_NODAD): no other host can have them, and a
 *  tentative address cannot be bound. */
void rt_add_address(struct rt_batch *b, int index, const struct ip *address, uint8_t prefix);
/** Adds a default route of the gateway's family. The route with the smallest @metric wins; for
 *  IPv6, the kernel adds 1024 to it. */
void rt_add_default_route(struct rt_batch *b, int index, const struct ip *gateway, uint32_t metric);
void rt_delete_default_route(struct rt_batch *b, int index, const struct ip *gateway,
                             uint32_t metric);
/** Adds @route, by its gateway on link @route->oif, with the mark RT_PROTOCOL_NETCTR. Its metric is the kernel's. */
void rt_add_route(struct rt_batch *b, const struct route *route);
/** Deletes one that rt_add_route() has added; succeeds if it is gone. */
void rt_delete_route(struct rt_batch *b, const struct route *route);
/** Adds a permanent neighbour, or replaces the present one. */
void rt_add_neighbour(struct rt_batch *b, int index, const struct ip *address,
                      const uint8_t mac[6]);
void rt_delete_neighbour(struct rt_batch *b, int index, const struct ip *address);
/** Broadcasts an ARP request from @address, which the interface has, for @address: the kernel is asked to resolve it
 *  (NTF_USE) and to forget it again. */
void rt_send_gratuitous_arp(struct rt_batch *b, int index, const struct ip *address);
void rt_delete_link(struct rt_batch *b, const char *name);
/** Brings a link down and then deletes it, so that a bridge port is never up outside its bridge.
 *  Waits for RCU grace periods: 0.4-30 ms. */
void rt_remove_link(struct rt_batch *b, int index);
/** Limits what the link sends to @rate bytes per second, by a token bucket filter that replaces its
 *  queueing discipline. @burst: bytes that may leave at once; @limit: bytes that may be queued. */
void rt_set_rate(struct rt_batch *b, int index, uint32_t rate, uint32_t burst, uint32_t limit);
/** What netem does. Parts are of 2^32 - 1. */
struct netem {
    uint32_t delay_us, jitter_us;
    uint32_t loss, duplicate, corrupt, reorder;
};
/** Lets netem handle what the link sends; it takes the place of its queueing discipline. rt_knows_qdisc() says whether the
 *  kernel has it. */
void rt_set_netem(struct rt_batch *b, int index, const struct netem *n);
/** As rt_set_rate(), for a link with netem. */
void rt_set_rate_behind_netem(struct rt_batch *b, int index, uint32_t rate, uint32_t burst,
                              uint32_t limit);
/** Puts the default queueing discipline back; succeeds if it is there. */
void rt_clear_qdisc(struct rt_batch *b, int index);
/** Sockets of this namespace hand packets of up to @size bytes (default 65,536) to the link, which
 *  are cut into frames when they leave it (IFLA_GSO_MAX_SIZE). */
void rt_set_packet_size(struct rt_batch *b, int index, uint32_t size);

/** Sends the batch, waits for all answers and empties the batch. Returns the first failure, with
 *  the verb, its object and the kernel's extended ack; later verbs may have taken effect all the
 *  same. Verbs that delete treat "already gone" (ENODEV, ENOENT, ESRCH, EADDRNOTAVAIL) as
 *  success. */
int rt_commit(struct rt_batch *b, struct err *e);

/* ---- frames in user space -------------------------------------------------------------------*/

/** Makes a TAP device that goes with its descriptor, in the namespace @netns, whose socket @rt is. It is up, has no
 *  addresses, and gives out frames that are complete: cut, and with checksums. Returns the descriptor, non-blocking. The
 *  caller must be single-threaded. */
int tap_open(int netns, struct rt *rt, const char *alias, struct link *out, struct err *e);
/** A packet socket that sends by the interface @index, past its queueing discipline. Its frames have @mark, as long as they
 *  are in this namespace. Non-blocking. The caller must be single-threaded. */
int sender_open(int netns, int index, uint32_t mark, struct err *e);
