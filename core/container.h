/* What the files of core/ share about a container. Private. */
#pragma once

#include "cgroup.h"

#include <netctr/core.h>

#include <signal.h>

char *container_cgroup(const struct store *s, const char *id); /* caller frees */
/** state.json: who monitors, and once it runs, who runs. */
int container_save_state(struct container *c, struct err *e);
/** Holds back the signals that the monitor forwards. */
void monitor_block_signals(void);
/** An fd that brings the signals for the container. */
int monitor_open_signals(struct err *e);
/** Pipes for a program's streams: @child are its ends (stdin -1 unless @interactive), the others are
 *  ours and do not block. */
int open_streams(bool interactive, int child[3], int *in, int *out, int *err, struct err *e);
