/* What the files of engine/ share. Front doors use <netctr/engine.h> alone. */
#pragma once

#include <netctr/engine.h>

/* ---- engine.c --------------------------------------------------------------------------------*/

/** RUN/dns, opened by the first call. */
int engine_names(struct engine *engine, int *out, struct err *e);
/** Closes it. */
void engine_forget_names(struct engine *engine);
/** Adds a hint if netctr's own directory is full or read-only and that explains the failure @code. */
void engine_explain(const struct engine *engine, int code, struct err *e);

/** Emits an event of a container; @attributes may be NULL. */
void engine_event(struct engine *engine, const struct record *r, const char *name,
                  const struct event_attribute *attributes);
/** Emits "create" or "remove" of a network. */
void engine_defined_event(struct engine *engine, const char *name, const char *network);

/* ---- sandboxes.c -----------------------------------------------------------------------------*/

/** The link in a run directory that names the sandbox of a container which shares another one's. */
#define SANDBOX_LINK "sandbox"
/** The id of the sandbox that the container @id with this run directory uses. Caller frees. */
char *engine_sandbox_id(int run_dir, const char *id);

/* ---- find.c ----------------------------------------------------------------------------------*/

/** With the store locked: engine_find() by the name alone. */
int engine_find_locked(struct engine *engine, const char *name, struct record *out, struct err *e);

/** engine_find() for the container of @r, which may have been renamed since @r was read. -ENOENT with a text: it is gone, also
 *  if another one has its name. */
int engine_find_again(struct engine *engine, const struct record *r, struct record *out,
                      struct err *e);
/** The same with the store locked. */
int engine_find_again_locked(struct engine *engine, const struct record *r, struct record *out,
                             struct err *e);

/* ---- redefine.c ------------------------------------------------------------------------------*/

/** Does it neither run nor start? Then a command changes its definition, else its monitor does. */
bool engine_is_only_defined(const struct record *r);

/* ---- sysctls.c -------------------------------------------------------------------------------*/

/** May a container with the network of @s have its sysctls? -EINVAL with a text. */
int sysctls_check(const struct spec *s, struct err *e);

/* ---- run.c -----------------------------------------------------------------------------------*/

/** Runs a container until it ends, with this process as its monitor. Returns its exit status. */
int engine_run(struct engine *engine, struct run_request *request, struct err *e);

/* ---- repair.c --------------------------------------------------------------------------------*/

/** Cleans up after the dead monitor of @r. *@now, which the caller clears, is the container's record then. */
int engine_clear_dead(struct engine *engine, const struct record *r, struct record *now,
                      struct err *e);
/** With the store locked: if a monitor of @name is dead, cleans up after it. 1: done; 0: it lives, or there is nothing of
 *  that name. */
int engine_clear_if_dead(struct engine *engine, const char *name, struct err *e);
/** With the store locked: looks at all containers, and cleans up after all dead monitors. */
int engine_repair(struct engine *engine, const struct gc *gc, struct err *e);
/** After store_claim_run_root(): RUN becomes this instance's. */
int engine_take_run_root(struct engine *engine, const struct gc *gc, struct err *e);
/** With the store locked: a network is about to be removed, so its names and its name server end. */
int engine_forget_network(struct engine *engine, const char *network, struct err *e);
/** With the store locked: engine_gc(). */
int engine_gc_locked(struct engine *engine, const struct gc *gc, struct err *e);
/** With the store locked: kills the processes of a dead container and undoes everything of it. @discard: its definition
 *  goes as well. */
int engine_cleanup_dead(struct engine *engine, const char *name, bool discard, struct err *e);

/* ---- versions.c ------------------------------------------------------------------------------*/

/** Refuses (-EPROTONOSUPPORT) while a container runs under a netctr with another NETCTR_SCHEMA. */
int engine_require_versions(struct engine *engine, struct err *e);
/** Refuses if @r itself does. */
int engine_require_version(struct engine *engine, const struct record *r, struct err *e);
/** Before @r is stopped to be started again: could it start, or do others run under a netctr with another schema? */
int engine_require_restart(struct engine *engine, const struct record *r, struct err *e);
/** Does any container run under a netctr with an older NETCTR_SCHEMA? Also true if that cannot be found out. */
bool engine_has_older(const struct engine *engine);

/* ---- stop.c ----------------------------------------------------------------------------------*/

/** Sends a signal to the program of @r. A program that has just ended is not an error. */
int engine_signal(const struct record *r, int sig, struct err *e);
/** The container of @r is not to run again when its program ends: at all (MARK_END_ASKED), or before the next boot
 *  (MARK_UNTIL_BOOT). *@now is its record at this moment. -ENOENT with a text when the container is gone. */
int engine_ask_end(struct engine *engine, const struct record *r, enum mark mark,
                   struct record *now, struct err *e);
/** Waits until a container that is being created runs or is gone; *@now is its record then. If its monitor has been
 *  stopped (SIGSTOP): with @ends it is ended, else that is an error. */
int engine_settle(struct engine *engine, const struct record *r, bool ends, struct record *now,
                  struct err *e);

/* ---- pause.c ---------------------------------------------------------------------------------*/

/** -EBUSY with a text if it is paused. */
int engine_refuse_paused(const struct engine *engine, const struct record *r, struct err *e);

/* ---- env.c -----------------------------------------------------------------------------------*/

/** "TERM=…" of a program with a terminal: the caller's, if the program is @attached and it has one, else xterm. The caller
 *  frees. */
char *terminal_type(bool attached);

/* ---- limits.c --------------------------------------------------------------------------------*/

/** The words of a request to change limits: "memory=67108864", "restart=always". Caller frees. */
strv update_words(const struct update_request *q);
/** What such @words make of the limits and the policy of @s, which stays as it is. */
int update_apply(const struct spec *s, char *const *words, struct limits *limits,
                 struct restart *restart, struct err *e);

/* ---- tmpfs.c ---------------------------------------------------------------------------------*/

/** "DST[:OPTION,…]" as `--tmpfs` takes it; @out->target is not checked. */
int tmpfs_parse(const char *text, struct volume *out, struct err *e);
