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
    int channel; /**< for the error of a process between this one and the child */
};
/** Clones the child into its new namespaces, in the joined user and pid namespace. Returns 0 in the child, else 1 or -errno
 *  with a text. Where a user or pid namespace is joined, a launcher does that meanwhile: @prepare runs there. */
int namespaces_clone(struct process *c, const struct birth_options *options, struct err *e);
/** Waits for the launcher, if there is one: from then on c->pid and c->pidfd are known. -ECHILD with a text: it has made no
 *  child. */
int namespaces_meet(struct process *c, struct err *e);
/** Kills the launcher, if there is one. c->pid is its child, or 0. */
void namespaces_abandon(struct process *c);
/** In the child: joins what the plan has as fds, other than the user and pid namespace, where it already is. */
int namespaces_join(const struct plan *p, struct err *e);
/** CLONE_NEW… of all in which the plan's process is not where this process is; the mount namespace included. */
int namespaces_apart(const struct plan *p);
