/* What the files of bridge/ share. Private. */
#pragma once

#include <netctr/firewall.h>

#include <netctr/bridge.h>

struct net {
    int networks_fd; /* ROOT/networks: definitions */
    int run_fd;      /* RUNROOT; the caller's */
    int leases_fd;   /* RUNROOT/leases */
    char *instance;
    struct rt *rt; /* the host's */
    struct fw *fw;
};

/* bridge.c */
/** Finds out, once a boot, whether this kernel lets elements expire (firewall.h), before the first
 *  element has to end. */
void net_learn_expiry(struct net *net);

/* device.c */
/** Makes the bridge device, or what of it is missing. Returns 1 if that had taken its neighbours along: there was
 *  no bridge, it was down, or an address was missing. */
int device_up(struct net *net, const struct network *n, struct err *e);
/** Has the bridge the route to @subnet that comes with its address? 1, 0 or -errno. */
int device_has_route(struct net *net, const struct link *bridge, const struct subnet *subnet,
                     struct err *e);
/** device_up(), and what that leaves as it is: name, alias, MTU, MAC, and the subnets' routes. */
int device_restore(struct net *net, const struct network *n, struct err *e);
/** The MTU that the bridge should have: as defined, or that of the default route's link, or 1500. */
int device_mtu(struct net *net, const struct network *n, unsigned *mtu, struct err *e);
/** Are there any ports of containers on it? 1, 0 or -errno. */
int device_has_ports(struct net *net, const struct network *n, struct err *e);
/** The MAC that the bridge has from the beginning. */
void device_mac(const struct network *n, uint8_t mac[6]);
/** The container's name in the alias of a port, on any network of @instance; NULL; caller frees. */
char *device_port_owner(const struct link *port, const char *instance);
/** Removes it, if it is ours, and what is left of its ports first. */
int device_down(struct net *net, const struct network *n, struct err *e);
/** Is it this network's bridge, and not somebody else's link of that name? */
bool device_is_ours(const struct link *link, const struct network *n);
/** "net/ipv4/conf/BRIDGE/KEY" and what the network needs it to be, for each; ends when it returns
 *  false. @key is the caller's to free. */
bool device_sysctl(const struct network *n, size_t i, char **key, const char **value);

/* forwarding.c */
/** Sees to it that the host forwards for @n. If that had to be switched on, the way between the host's
 *  other links stays closed. */
int forwarding_up(struct net *net, const struct network *n, struct err *e);
/** What a reload holds from reading what is closed to the end of its commit. Returns an fd. */
int forwarding_lock(struct net *net, struct err *e);
/** Adds what is closed to @batch. The caller has the lock. */
int forwarding_add(struct net *net, struct fw_batch *batch, struct err *e);
/** The same without the lock, for read-only callers. False if it is not known. */
bool forwarding_look(struct net *net, struct fw_batch *batch);

/* network.c */
/** Without a text when there is none. */
int network_read(struct net *net, const char *name, struct network *out, struct err *e);
/** The lock of the definitions: which networks there are and which subnets they have. Returns an fd. */
int networks_lock(struct net *net, struct err *e);
struct pool network_pool(const struct network *n);
int network_save(struct net *net, const struct network *n, struct err *e);
struct fw_network network_elements(const struct network *n);

/* repair.c, record.c: what a rebuilt firewall holds */
void network_add(struct fw_batch *batch, const struct network *n, uint16_t names_port);
/** The network of @ep, whose definition cannot be read. */
void network_add_closed(struct fw_batch *batch, const struct endpoint *ep);
void endpoint_add(struct fw_batch *batch, const struct endpoint *ep);

/* subnets.c */
/** Is it nobody's? -EADDRINUSE with a text that says whose. */
int subnet_require_free(struct net *net, const struct subnet *s, struct err *e);
/** The first of the @prefix-long subnets from @first on (an address 10.x.y.0) that is nobody's. */
int subnet_choose4(struct net *net, const char *first, uint8_t prefix, struct subnet *out,
                   struct err *e);
/** A random one (RFC 4193). */
int subnet_choose6(struct subnet *out, struct err *e);

/* resolver.c */
void dns_redirect_add(struct fw_batch *batch, const struct network *n, uint16_t port);

/* rate.c */
enum rate_end { RATE_OUTSIDE, RATE_INSIDE };
/** Adds to @batch what limits what @link, an end of its veth, sends. Nothing where @ep has no rate. */
void rate_set(struct rt_batch *batch, const struct link *link, const struct endpoint *ep,
              enum rate_end end);

/* publish.c */
/** Adds copies of those of @from, which may be NULL. */
void port_mappings_add(struct port_mappings *to, const struct port_mappings *from);

/* endpoint_ports.c */
/** The last step of attaching: publishes all of its ports. */
int endpoint_open_ports(struct net *net, const struct endpoint *ep, struct err *e);
/** Elements of ports of UDP and SCTP that have been ended: waits until they are gone. False if there are no such
 *  ports. */
bool endpoint_wait_for_expiry(const struct endpoint *ep);

/* endpoint.c, record.c */
/** Brings the port, which is there, to what a new one has: all of it but its name and place. */
int endpoint_settle(struct net *net, const struct network *n, const struct link *bridge,
                    const struct endpoint *ep, struct err *e);
/** Of the port: it differs from the container's, as it must. */
void endpoint_port_mac(const struct endpoint *ep, uint8_t mac[6]);
char *endpoint_port_alias(struct net *net, const struct endpoint *ep); /* caller frees */
/** Does the host have permanent neighbours for it? */
bool endpoint_is_known(const struct network *n, const struct endpoint *ep);
struct port_flags endpoint_port_flags(const struct network *n, const struct endpoint *ep);
char *endpoint_port_name(const char *id, const char *network); /* caller frees */
struct fw_guard endpoint_guard(const struct endpoint *ep);
/** One element per published port and family that the container has; caller frees. */
struct fw_publish *endpoint_elements(const struct endpoint *ep, size_t *count);
/** The address as text; nothing where there is none. */
void put_ip(json_t *j, const char *key, const struct ip *a);
int endpoint_save(const struct endpoint *ep, int record_dir, struct err *e);
char *endpoint_record_name(const char *network); /* "endpoint.NETWORK.json"; caller frees */
