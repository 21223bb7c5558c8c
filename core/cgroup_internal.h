/* What the files cgroup*.c share; the others use cgroup.h. Private to core/. */
#pragma once

#include "core/cgroup.h"

/** Rejects a path that could reach other cgroups: it goes into open() as it is. -EINVAL. */
int cgroup_check_path(const char *path, struct err *e);
/** "MOUNT/PATH"; caller frees. */
char *cgroup_join_path(const struct cgroup_hierarchy *h, const char *path);
/** The directory of a cgroup as a new fd, or -errno. */
int cgroup_open_dir(const struct cgroup_hierarchy *h, const char *path, int flags);

/** Reads a file by one read(): kernfs fills a buffer that is large enough, so end of file need not be read for.
 *  -EFBIG if it is not. */
int cgroup_read_file(const char *file, char *text, size_t size);

/** The controllers named in @words (cgroup.controllers, cgroup.subtree_control, mount options). */
unsigned cgroup_controllers_in(const char *words, const char *separators);
int cgroup_read_controllers(const char *file, unsigned *out);

/** The controllers that @limits are for. */
unsigned cgroup_controllers_for(const struct cgroup_limits *limits);
/** Writes those of @limits that are set and belong to @h, if any. */
int cgroup_write_limits(enum cgroup_kind kind, const struct cgroup_hierarchy *h, const char *path,
                        const struct cgroup_limits *limits, struct err *e);

/** Enables the controllers of @wanted for the children of @dir (v2); those in @required must succeed. */
int cgroup_enable_here(const char *dir, unsigned wanted, unsigned required, struct err *e);

/* cgroup_leaves.c */
/** The cgroup of the program: @path, or a leaf of it; caller frees. */
char *cgroup_program_path(const struct cgroup_hierarchy *h, const char *path);
/** The cgroup of its relay; NULL: there is no such leaf; caller frees. */
char *cgroup_relay_path(const struct cgroup_hierarchy *h, const char *path);
/** Makes the leaves of a new v2 cgroup @path. */
int cgroup_split(const struct cgroup_hierarchy *h, const char *path, unsigned required,
                 struct err *e);
/** Removes them while they are empty. */
void cgroup_unsplit(const struct cgroup_hierarchy *h, const char *path);

/* cgroup_others.c */
/** v1 cpuset: copies empty values (cpus, mems) of @path from its parent; without them no process can enter.
 *  -errno. */
int cgroup_fill_cpuset(const struct cgroup_hierarchy *h, const char *path);
/** Is this process in @path in every hierarchy of the host? */
int cgroup_check_joined(const char *path, struct err *e);

/* cgroup_end.c */
/** Is @pid among the processes of the cgroup @name in @parent? 1, 0 or -errno. */
int cgroup_lists(int parent, const char *name, pid_t pid);

/* cgroup_host.c */
/** The hierarchy that tells the processes of a container: in that of processor time its relay is, too. NULL: none. */
const struct cgroup_hierarchy *cgroup_members_of(const struct cgroup_host *host);

/* cgroup_walk.c */
/** Calls @visit for each cgroup below the open @dir, deepest first, with its name in @parent. Visits all and
 *  returns the first failure. A cgroup that disappears meanwhile is no failure. */
typedef int cgroup_visit_fn(int parent, const char *name, void *arg);
int cgroup_walk(int dir, cgroup_visit_fn *visit, void *arg);

/* processes.c */
/** Calls @each for every process in @path and below, with an fd of its /proc/PID. */
int processes_walk(const struct cgroup_host *host, const char *path,
                   void (*each)(int proc, pid_t pid, void *arg), void *arg);
