/* Between reload.c, repair.c and end.c. */
#pragma once

#include <netctr/life.h>

/* With the store locked. */
int world_reload_locked(struct world *w, struct err *e);
int world_restore_leases(struct world *w, const struct gc *gc, struct err *e);
int world_gc_locked(struct world *w, const struct gc *gc, struct err *e);
/** A dead container's processes are killed and everything of it undone; @discard: it is not kept in
 *  `ps -a` either. */
int world_bury(struct world *w, const char *name, bool discard, struct err *e);
