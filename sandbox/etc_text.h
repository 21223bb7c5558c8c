/* The texts of /etc/hosts and /etc/resolv.conf in a container. */
#pragma once

#include <netctr/netns.h>

/** A new /etc/hosts: the localhost entries, or with @of_host a copy of the host's file, then @lines and an
 *  empty block. Caller frees. */
char *make_hosts(bool of_host, char *const *lines);
/** @text with the lines between the two markers replaced by @block. NULL: the markers are missing, so the
 *  file is the container's own. Caller frees. */
char *hosts_with(const char *text, const char *block);

/** What /etc/resolv.conf is made of. All empty: the host's resolvers as far as a container can reach them. If
 *  the host uses a stub on loopback (127.0.0.53), the servers that it forwards to are taken. */
struct resolv_plan {
    bool as_is;        /**< the container uses the host's network: a copy of the host's file */
    bool unreachable;  /**< no resolver can be reached */
    char *const *ours; /**< addresses of netctr's name server; they override @servers */
    char *const *servers, *const *search, *const *options; /**< from the flags; NULL: the host's */
};
/** The text, which the caller frees; NULL with @e if the host's file is unreadable. */
char *make_resolv_conf(const struct resolv_plan *plan, struct err *e);
