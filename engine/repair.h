/* Between reload.c, repair.c, end.c and redefine.c. */
#pragma once

#include <netctr/engine.h>

/* With the store locked. */
int engine_reload_locked(struct engine *engine, struct err *e);

/* versions.c */
/** Refuses (-EPROTONOSUPPORT) while a container runs under a netctr with another NETCTR_SCHEMA. */
int engine_require_versions(struct engine *engine, struct err *e);
/** Refuses if @r itself does. */
int engine_require_version(struct engine *engine, const struct record *r, struct err *e);
/** Does any container run under a netctr with an older NETCTR_SCHEMA? Also true if that cannot be found out. */
bool engine_has_older(const struct engine *engine);
int engine_restore_leases(struct engine *engine, const struct gc *gc, struct err *e);
int engine_gc_locked(struct engine *engine, const struct gc *gc, struct err *e);
/** Waits until a container that is being made runs or is gone; *@now is what it is then. With @ends it is ended if
 *  its monitor has been stopped; else that is an error. (end.c) */
int engine_settle(struct engine *engine, const struct record *r, bool ends, struct record *now,
                  struct err *e);
/** A dead container's processes are killed and everything of it undone; @discard: it is not kept in
 *  `ps -a` either. */
int engine_cleanup_dead(struct engine *engine, const char *name, bool discard, struct err *e);
