/* The one listener: learns that somebody else emptied the firewall (`nft flush ruleset`, the restart
 * of a firewall service), so that it is made anew within a moment.
 *
 * A commit costs every subscriber of nf_tables' notifications, so at most one process of a run
 * directory subscribes: the one that holds the lock of RUN/listener. The others wait for its end.
 *
 *   struct listener *l;  listener_new(run_fd, instance, 0, reload, arg, &l, e);
 *   watch listener_fd(l) for POLLIN, then listener_run(l);
 */
#pragma once

#include <netctr/base.h>

struct listener;

/** Listens, or waits for its turn to, from @delay_ms on: who listened costs the kernel a grace period
 *  of 6-20 ms at its end, which a container of a moment should not pay. @run_fd stays the caller's and must outlive the result;
 *  @instance is the tables' stamp. @flushed is called by listener_run(), at most once in 20 ms, when
 *  something of our tables is gone that netctr itself did not take away; it re-applies the model. After an
 *  error it is called again, a little later each time. */
int listener_new(int run_fd, const char *instance, int delay_ms, int (*flushed)(void *arg),
                 void *arg, struct listener **out, struct err *e);
void listener_free(struct listener *l); /**< accepts NULL */
void listener_cleanup(struct listener **l);
#define _cleanup_listener_ __attribute__((cleanup(listener_cleanup)))

int listener_fd(const struct listener *l);
/** Is it this process' turn? */
bool listener_listens(const struct listener *l);
/** Does what there is to do, without waiting. Calls for nothing are harmless. */
void listener_run(struct listener *l);
