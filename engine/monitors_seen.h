/* The monitors of an instance: a pidfd of each. Private to the helper. */
#pragma once

#include "hub.h"
#include <netctr/store.h>

struct monitors;
/** @died is called, from a run of @hub or of monitors_look(), at each look that finds one that has ended without having
 *  cleaned up; @fresh: one of which it was not called before. */
struct monitors *monitors_new(struct store *s, struct hub *hub, void (*died)(bool fresh, void *arg),
                              void *arg);
void monitors_free(struct monitors *m); /**< accepts NULL */
/** Finds those that have come since. Cheap when nothing has changed. */
void monitors_look(struct monitors *m);
