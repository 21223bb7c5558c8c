/* The texts of /etc/hosts and /etc/resolv.conf in a container. */
#pragma once

#include <netctr/netns.h>

/** What every /etc/hosts begins with, or with @of_host what the host's has, then @lines and an empty block; caller
 *  frees. */
char *make_hosts(bool of_host, char *const *lines);
/** @text with @block, whole lines, in the place of what is between our two lines; the rest is as it was.
 *  NULL: they are not there, so it is not ours any more. Caller frees. */
char *hosts_with(const char *text, const char *block);

/** All empty: the host's resolvers as a container can reach them. A stub on the host's loopback
 *  (127.0.0.53) is nobody's in the container: what it forwards to is taken instead. */
struct resolv_plan {
    bool as_is;        /**< in the host's network: the host's file */
    bool nobody;       /**< no resolver can be reached */
    char *const *ours; /**< gateways that answer for themselves, whatever @servers says */
    char *const *servers, *const *search, *const *options; /**< asked for; NULL: the host's */
};
/** Caller frees; NULL with @e when the host's file cannot be read. */
char *make_resolv_conf(const struct resolv_plan *plan, struct err *e);
/** The host's resolvers; without those that only the host itself reaches with @reachable. Caller frees.
 *  NULL with @e when its file cannot be read. */
strv host_resolvers(bool reachable, struct err *e);
/** The file that host_resolvers(false) reads. */
#define HOST_RESOLV_CONF "/etc/resolv.conf"
