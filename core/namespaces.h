/* The namespaces of a plan: made, joined, entered. Private to core/. */
#pragma once

#include <netctr/core.h>

/** Is each fd a namespace of its kind, and does the plan fit to them? -EINVAL with a text. Joining the user namespace of
 *  this process becomes NS_INHERIT. */
int namespaces_check(struct plan *p, struct err *e);
/** Clones the child into its new namespaces, in the joined user and pid namespace, and in @cgroup (v2; -1: not).
 *  Returns 0 in the child, else its pid or -errno with a text. */
pid_t namespaces_clone(const struct plan *p, int cgroup, int *pidfd, struct err *e);
/** In the child: joins what the plan has as fds, other than the user and pid namespace, where it already is. */
int namespaces_join(const struct plan *p, struct err *e);
/** CLONE_NEW… of all in which the plan's process is not where this process is; the mount namespace included. */
int namespaces_apart(const struct plan *p);
