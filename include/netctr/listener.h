/* The listener: learns that somebody else emptied the firewall (`nft flush ruleset`, the restart of a
 * firewall service), so that it is made anew within a moment; and that a container's port has lost its
 * bridge, and brings it down.
 *
 * A commit costs every subscriber of nf_tables' notifications: an instance has one listener, in its helper.
 *
 *   struct listener *l;  firewall_watch_new(instance, reload, arg, &l, e);
 *   watch firewall_watch_fd(l) for POLLIN, then firewall_watch_run(l);
 */
#pragma once

#include <netctr/base.h>

struct firewall_watch;

/** Listens from now on; what happened before is seen by a look. @instance is the tables' stamp. @flushed is
 *  called by firewall_watch_run(), at most once in 20 ms, when something of our tables is gone that netctr itself did
 *  not take away; it sees to it that the model is re-applied. After an error it is called again, a little later
 *  each time. */
int firewall_watch_new(const char *instance, int (*flushed)(void *arg), void *arg, struct firewall_watch **out,
                 struct err *e);
void firewall_watch_free(struct firewall_watch *l); /**< accepts NULL */
void firewall_watch_cleanup(struct firewall_watch **l);
#define _cleanup_firewall_watch_ __attribute__((cleanup(firewall_watch_cleanup)))

int firewall_watch_fd(const struct firewall_watch *l);
/** Does what there is to do, without waiting. Calls for nothing are harmless. */
void firewall_watch_run(struct firewall_watch *l);
/** What @flushed has begun has failed: it is called again, a little later each time … */
void firewall_watch_again(struct firewall_watch *l);
/** … until it has succeeded. */
void firewall_watch_restored(struct firewall_watch *l);

