/* The texts of /etc/hosts and /etc/resolv.conf in a container. */
#pragma once

#include <netctr/netns.h>

/** Loopback, and @hostname at each of @addresses that is one; caller frees. */
char *make_hosts(const char *hostname, const struct ip *const *addresses, size_t count);
/** The host's resolvers as a container can reach them. A stub on the host's loopback (127.0.0.53) is
 *  nobody's in the container: what it forwards to is taken instead. @host_network keeps the file as
 *  it is. Caller frees. */
char *make_resolv_conf(bool host_network, struct err *e);
