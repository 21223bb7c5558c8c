/* What the files of bridge/ share. Private to the folder. */
#pragma once

#include <netctr/firewall.h>

#include <netctr/bridge.h>

struct net {
    int networks_fd; /* ROOT/networks: network definitions */
    int run_fd;      /* RUNROOT; owned by the caller */
    int leases_fd;   /* RUNROOT/leases */
    char *instance;
    struct rt *rt;          /* rtnetlink socket in the host's namespace */
    struct sysctls sysctls; /* the host's */
    struct fw *fw;
};

/* device.c */
/** Creates the bridge device, or adds what is missing from it. Returns 1 if the bridge's neighbour
 *  entries were lost before: there was no bridge, it was down, or an address was missing. -EEXIST
 *  with a hint if another link has the name. */
int device_up(struct net *net, const struct network *n, struct err *e);
/** Does @bridge have the connected route to @subnet? 1, 0 or -errno. */
int device_has_route(struct net *net, const struct link *bridge, const struct subnet *subnet,
                     struct err *e);
/** Like device_up(), and also restores what that leaves alone: name, alias, MTU, MAC and the routes
 *  of the subnets. */
int device_restore(struct net *net, const struct network *n, struct err *e);
/** The MTU that the bridge should have: the defined one, else that of the default route's link,
 *  else 1500. */
int device_mtu(struct net *net, const struct network *n, unsigned *mtu, struct err *e);
/** Does the bridge have container ports? 1, 0 or -errno. */
int device_has_ports(struct net *net, const struct network *n, struct err *e);
/** The bridge's MAC, derived from the network, so that it is the same every time. */
void device_mac(const struct network *n, uint8_t mac[6]);
/** The container's name, read from the alias of @link, which may be on any network of @instance.
 *  NULL if it is not a container's port. Caller frees. */
char *device_port_owner(const struct link *port, const char *instance);
/** Deletes the bridge device if it is netctr's, after the container ports that are left on it. */
int device_down(struct net *net, const struct network *n, struct err *e);
/** Is @link the bridge of this network, and not a foreign link of the same name? */
bool device_is_ours(const struct link *link, const struct network *n);
/** The @i-th sysctl of a network's bridge, "net/ipv4/conf/BRIDGE/KEY", and its value. False behind
 *  the last one. The caller frees *@key. */
bool device_sysctl(const struct network *n, size_t i, char **key, const char **value);

/* forwarding.c */
/** Turns on forwarding for @n's families. If it was off before, netctr's own chain keeps the host's
 *  other links from forwarding to each other. */
int forwarding_up(struct net *net, const struct network *n, struct err *e);
/** The lock of the forwarding state. A reload holds it from reading the state until its commit.
 *  Returns an fd. */
int forwarding_lock(struct net *net, struct err *e);
/** Adds the closed links to @batch. The caller holds the lock. */
int forwarding_add(struct net *net, struct fw_batch *batch, struct err *e);
/** The same without the lock, for read-only callers. False if the state is not known. */
bool forwarding_look(struct net *net, struct fw_batch *batch);

/** For a reset: switches off the forwarding that netctr has switched on, unless it is in use by others; tells @gc. */
int forwarding_reset(struct net *net, const struct gc *gc, struct err *e);

/* network_file.c */
/** Reads a definition. -ENOENT, without a text, if there is none. */
int network_read(struct net *net, const char *name, struct network *out, struct err *e);
/** Locks the set of definitions: which networks exist and which subnets they use. Returns an fd. */
int networks_lock(struct net *net, struct err *e);
struct pool network_pool(const struct network *n);
int network_save(struct net *net, const struct network *n, struct err *e);
struct fw_network network_elements(const struct network *n);

/* reload.c, record.c: what a rebuilt firewall contains */
void network_add(struct fw_batch *batch, const struct network *n, uint16_t names_port);
/** Adds the network of @ep when its definition cannot be read. Its unpublished ports stay
 *  closed. */
void network_add_closed(struct fw_batch *batch, const struct endpoint *ep);
void endpoint_add(struct fw_batch *batch, const struct endpoint *ep);

/* subnets.c */
/** Fails with -EADDRINUSE, and a text that names the user, if the host, another network or a
 *  nameserver uses a part of @s. */
int subnet_require_free(struct net *net, const struct subnet *s, struct err *e);
/** The first free subnet of length @prefix, searched from @first (an address 10.x.y.0) upwards.
 *  -ENOSPC. */
int subnet_choose4(struct net *net, const char *first, uint8_t prefix, struct subnet *out,
                   struct err *e);
/** A random ULA prefix fdxx:xxxx:xxxx::/64 (RFC 4193). */
int subnet_choose6(struct subnet *out, struct err *e);

/* dns_redirect.c */
void dns_redirect_add(struct fw_batch *batch, const struct network *n, uint16_t port);

/* routes.c */
/** What an endpoint's default route of @family leads to; family 0: it has none on @n. */
struct ip endpoint_gateway(const struct network *n, const struct endpoint *ep, int family);
/** Routes of an endpoint as the kernel has them. */
struct endpoint_routes {
    struct route *items;
    size_t count;
};
/** Those that @ep is to have besides its default route, on its interface @index. */
struct endpoint_routes endpoint_wanted_routes(const struct network *n, const struct endpoint *ep,
                                              int index);
void endpoint_routes_clear(struct endpoint_routes *w);
/** Removes @found from @w; false: it is not among them. */
bool endpoint_routes_take(struct endpoint_routes *w, const struct route *found);

/* rate.c */
enum rate_end { RATE_OUTSIDE, RATE_INSIDE };
/** Adds to @batch a limit on what @link, one end of the endpoint's veth, sends. Nothing if @ep has
 *  no rate. */
void rate_set(struct rt_batch *batch, const struct link *link, const struct endpoint *ep,
              enum rate_end end);

/* ports.c */
/** Appends copies of @from, which may be NULL. */
void port_mappings_add(struct port_mappings *to, const struct port_mappings *from);

/* endpoint_sysctls.c */
/** Switches IPv6 on the container's interface on or off, as the network has it or not. */
int endpoint_set_ipv6(int netns, const struct network *n, const struct endpoint *ep,
                      const struct endpoint_request *request, struct err *e);
/** Writes the network's sysctls for the interface. */
int endpoint_set_sysctls(int netns, const struct network *n, const struct endpoint *ep,
                         struct err *e);

/* endpoint_ports.c */
/** Publishes all ports of @ep: the last step of attaching. */
int endpoint_open_ports(struct net *net, const struct endpoint *ep, struct err *e);
/** Withdraws them. */
int endpoint_close_ports(struct net *net, const struct endpoint *ep, struct err *e);
/** Writes them again, with the name that the container has now. */
int endpoint_rename_ports(struct net *net, const struct endpoint *ep, struct err *e);

/* endpoint.c, record.c */
/** Brings an existing host veth to the state of a new one, except for its name and its bridge. */
int endpoint_configure_port(struct net *net, const struct network *n, const struct link *bridge,
                            const struct endpoint *ep, struct err *e);
/** The MAC of the host's end, which must differ from the container's. */
void endpoint_port_mac(const struct endpoint *ep, uint8_t mac[6]);
char *endpoint_port_alias(struct net *net, const struct endpoint *ep); /* caller frees */
/** Does the host keep permanent neighbour entries for @ep? */
bool endpoint_has_neighbours(const struct network *n, const struct endpoint *ep);
struct port_flags endpoint_port_flags(const struct network *n, const struct endpoint *ep);
char *endpoint_port_name(const char *id, const char *network); /* caller frees */
struct fw_guard endpoint_guard(const struct endpoint *ep);
/** One element for each published port and address family of the endpoint. Caller frees. */
struct fw_publish *endpoint_elements(const struct endpoint *ep, size_t *count);
/** The address as text; nothing where there is none. */
void put_ip(json_t *j, const char *key, const struct ip *a);
int endpoint_save(const struct endpoint *ep, int record_dir, struct err *e);
char *endpoint_record_name(const char *network); /* "endpoint.NETWORK.json"; caller frees */
