/* The instance's resolver as every command sees it (resolver.c), and who keeps it running (keeper.c). */
#pragma once

#include "hub.h"
#include <netctr/life.h>

#define RESOLVER HELPER_RESOLVER

/** Can containers be served by a resolver? 1, 0 or -errno. */
int resolver_possible(struct err *e);
/** Who answers now: 1; 0: there is no resolver; or -errno. */
int resolver_now(struct world *w, struct resolver *out, struct err *e);
/** Writes down who answers now, and tells the firewall. The store must be locked. */
int resolver_set(struct world *w, const struct resolver *now, struct err *e);
/** Ends it if no container has a name any more. The store must be locked. */
int resolver_release(struct world *w, struct err *e);
/** A network is about to be removed: nobody answers there any more. The store must be locked. */
int resolver_forget(struct world *w, const char *network, struct err *e);
/** Forgets the names of networks that are no more. */
int resolver_prune(struct world *w, struct err *e);

/** The one that listens to the firewall keeps the resolver, too: starts it, tells it of changes, starts it
 *  again when it has died. 0; 1: it hears of changes half a second late, and @e tells why; or -errno. */
struct keeper;
int keeper_new(struct world *w, struct hub *hub, struct keeper **out, struct err *e);
void keeper_free(struct keeper *k); /**< accepts NULL; the resolver goes on */
