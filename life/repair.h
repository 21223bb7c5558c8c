/* Between reload.c, repair.c and end.c. */
#pragma once

#include <netctr/life.h>

/** The records in a run directory that are this container's (@id may be NULL). -EBADMSG: there are others,
 *  or damaged ones. */
int endpoints_load(int run_dir, const char *name, const char *id, struct endpoint_list *out);

/* With the store locked. */
int world_reload_locked(struct world *w, struct err *e);
int world_restore_leases(struct world *w, const struct gc *gc, struct err *e);
int world_gc_locked(struct world *w, const struct gc *gc, struct err *e);
/** A dead container's processes are killed and everything of it undone; @discard: it is not kept in
 *  `ps -a` either. */
int world_bury(struct world *w, const char *name, bool discard, struct err *e);
