/* What the files of core/ share about a container. Private. */
#pragma once

#include "cgroup.h"

#include <netctr/store.h>

#include <signal.h>

/* A layer can hold very many files: it leaves the list of names in one step, and is emptied when no
 * lock is held (store_empty_trash). */
#define TRASH ".removed-"

char *container_cgroup(const struct store *s, const char *id); /* caller frees */
/** The hierarchies in which such a container has a cgroup: all that there are if it may mount them, or if that
 *  is not known (NULL). */
int container_probe_cgroups(const struct spec *spec, struct cgroup_host *host, struct err *e);
/** Why the lock in @dir, whose path is @path, was not got. */
int store_cannot_lock(int code, int dir, const char *path, struct err *e);
/** state.json: who monitors, and once it runs, who runs. */
int container_save_state(struct container *c, struct err *e);
/** Reads it back. -EBADMSG: nothing in it can be believed. */
int container_read_state(int run_dir, json_t **out, struct err *e);
/** Has the event "start" no "die" yet? Outlives the monitor. */
void container_remember_start(struct container *c, bool told);
/** Makes sure that ROOT and RUN are still this store's, and that they stay so while the fd is open. The
 *  store must be locked. */
int store_hold_binding(struct store *s, struct err *e);
/** config.json of ROOT/containers/NAME. -EBADMSG: it is damaged. */
int store_read_definition(struct store *s, const char *name, json_t **j, struct spec *spec,
                          struct err *e);
/** Does another living container than @name have that id? 1, 0 or -errno. */
int store_id_is_anothers(struct store *s, const char *name, const char *id, struct err *e);
/** Holds back the signals that the monitor forwards. */
void supervise_block_signals(void);
/** An fd that brings the signals for the container. */
int supervise_open_signals(struct err *e);
/** Opens the log for the next run. */
int supervise_open_log(struct container *c, struct err *e);
/** Pipes for a program's streams: @child are its ends (stdin -1 unless @interactive), the others are
 *  ours and do not block. */
int open_streams(bool interactive, int child[3], int *in, int *out, int *err, struct err *e);
