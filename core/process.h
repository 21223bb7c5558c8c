/* What the files of core/ share about a process. Private to core/. */
#pragma once

#include "cgroup.h"

#include <netctr/core.h>

#include <signal.h>

/** "netctr/INSTANCE/ID". The caller frees. */
char *plan_cgroup(const struct plan *plan);
/** The hierarchies in which the container has a cgroup: all of them if it may mount cgroups, or if the plan does not
 *  say. */
int plan_probe_cgroups(const struct plan *plan, struct cgroup_host *host, struct err *e);
/** Blocks the signals that the monitor forwards. */
void supervise_block_signals(void);
/** A signalfd for them: a new one, or @fd, which takes their place without needing memory. */
int supervise_open_signals(int fd, struct err *e);
/** Where the log is, how large it is, and when a new file begins. */
struct rotation process_rotation(const struct process *c);
/** Opens the log for the next run. */
int supervise_open_log(struct process *p, struct err *e);
/** Pipes for a program's streams: @child are its ends (stdin -1 unless @interactive), the others are ours and do not
 *  block. They belong to root as @ids maps it. */
int open_streams(bool interactive, const struct id_map *ids, int child[3], int *in, int *out,
                 int *err, struct err *e);
