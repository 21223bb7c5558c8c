/* The lines of ip(8) and sysctl(8) that labs are configured with, done by this process in a node's network namespace,
 * with the same results, messages and exit statuses as iproute2 6.1 and procps of Debian 12.
 */
#pragma once

#include <netctr/netns.h>

/** A node's namespace, opened for such lines. */
struct iproute;
/** Opens the namespace @netns, which stays the caller's. The caller owns *@out, and must be single-threaded. */
int iproute_open(int netns, struct iproute **out, struct err *e);
void iproute_close(struct iproute *ip); /**< accepts NULL */
/** Does the line @argv. 1: done, *@status is the exit status of the program, and *@output what it would have printed to
 *  stdout and stderr (NULL: nothing; the caller frees it). 0: it is not one of these lines, nothing has been done, and the
 *  node's own program must run. -errno with a text: the namespace cannot be used. */
int iproute_line(struct iproute *ip, char *const *argv, int *status, char **output, struct err *e);
