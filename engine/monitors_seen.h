/* Watches the monitors of an instance by a pidfd of each. Private to the helper. */
#pragma once

#include <netctr/store.h>

struct monitors;
/** Calls @died, from a turn of @loop or from monitors_look(), at each look that finds a monitor that died
 *  without having cleaned up. @fresh: at least one of them was not reported before. Never fails. */
struct monitors *monitors_new(struct store *s, struct loop *loop,
                              void (*died)(bool fresh, void *arg), void *arg);
void monitors_free(struct monitors *m); /**< accepts NULL */
/** Calls @each with the name of every container whose monitor has died so. */
void monitors_each_dead(const struct monitors *m, void (*each)(const char *name, void *arg),
                        void *arg);
/** Looks for new and dead monitors. One system call if nothing has changed. */
void monitors_look(struct monitors *m);
/** Is one alive that was seen before? */
bool monitors_any(const struct monitors *m);
