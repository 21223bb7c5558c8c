/* The namespaces of a plan: made, joined, entered. Private to core/. */
#pragma once

#include <netctr/core.h>

/** Is each fd a namespace of its kind, and does the plan fit to them? -EINVAL with a text. Joining the user namespace of
 *  this process becomes NS_INHERIT. */
int namespaces_check(struct plan *p, struct err *e);
struct birth_options {
    int cgroup;                               /**< to be born in (v2); -1: not */
    int (*prepare)(void *arg, struct err *e); /**< before another user namespace is joined */
    void *arg;
};
/** Clones the child into its new namespaces, in the joined user and pid namespace: c->pid and c->pidfd. Returns 0 in the
 *  child, else 1 or -errno with a text. @prepare runs in another process, with this one's memory but copies of its fds,
 *  which only that process and the child have. */
int namespaces_clone(struct process *c, const struct birth_options *options, struct err *e);
/** In the child: joins what the plan has as fds, other than the user and pid namespace, where it already is. */
int namespaces_join(const struct plan *p, struct err *e);
/** CLONE_NEW… of all in which the plan's process is not where this process is; the mount namespace included. */
int namespaces_apart(const struct plan *p);
