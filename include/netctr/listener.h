/* The listener: learns that somebody else emptied the firewall (`nft flush ruleset`, the restart of a
 * firewall service), so that it is made anew within a moment; and that a container's port has lost its
 * bridge, and brings it down.
 *
 * A commit costs every subscriber of nf_tables' notifications: an instance has one listener, in its helper.
 *
 *   struct listener *l;  listener_new(instance, reload, arg, &l, e);
 *   watch listener_fd(l) for POLLIN, then listener_run(l);
 */
#pragma once

#include <netctr/base.h>

struct listener;

/** Listens from now on; what happened before is seen by a look. @instance is the tables' stamp. @flushed is
 *  called by listener_run(), at most once in 20 ms, when something of our tables is gone that netctr itself did
 *  not take away; it sees to it that the model is re-applied. After an error it is called again, a little later
 *  each time. */
int listener_new(const char *instance, int (*flushed)(void *arg), void *arg, struct listener **out,
                 struct err *e);
void listener_free(struct listener *l); /**< accepts NULL */
void listener_cleanup(struct listener **l);
#define _cleanup_listener_ __attribute__((cleanup(listener_cleanup)))

int listener_fd(const struct listener *l);
/** Does what there is to do, without waiting. Calls for nothing are harmless. */
void listener_run(struct listener *l);
/** What @flushed has begun has failed: it is called again, a little later each time … */
void listener_again(struct listener *l);
/** … until it has succeeded. */
void listener_restored(struct listener *l);
