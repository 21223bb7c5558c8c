/* What the files of the cgroup part share. For everybody else there is cgroup.h. */
#pragma once

#include "core/cgroup.h"

/** Paths go into open() as they are: a bug above must not reach other cgroups. -EINVAL. */
int cgroup_check_path(const char *path, struct err *e);
/** "MOUNT/PATH"; caller frees. */
char *cgroup_join_path(const struct cgroup_hierarchy *h, const char *path);
/** The directory of a cgroup as a new fd, or -errno. */
int cgroup_open_dir(const struct cgroup_hierarchy *h, const char *path, int flags);

/** A file that the kernel writes as a whole, by one read(): kernfs gives all of it to a buffer that is
 *  large enough, so that "end of file" need not be asked for. -EFBIG if it is not. */
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
/** Where the container itself is: @path, or a leaf of it; caller frees. */
char *cgroup_program_path(const struct cgroup_hierarchy *h, const char *path);
/** Where its relay shall be; NULL: there is no such leaf; caller frees. */
char *cgroup_relay_path(const struct cgroup_hierarchy *h, const char *path);
/** Makes the leaves of a new cgroup @path of version 2. */
int cgroup_split(const struct cgroup_hierarchy *h, const char *path, unsigned required,
                 struct err *e);
/** Removes them while nobody is inside. */
void cgroup_unsplit(const struct cgroup_hierarchy *h, const char *path);

/** In a hierarchy with cpusets: what is empty in a cgroup of @path gets the value of the one above, without
 *  which nobody can enter. -errno. */
int cgroup_fill_cpuset(const struct cgroup_hierarchy *h, const char *path);
/** Is this process in @path in every hierarchy that there is? */
int cgroup_check_joined(const char *path, struct err *e);

/** Calls @visit for each cgroup below the open @dir, the deepest first, by its name in its @parent. A failure
 *  is told at the end; the others are visited all the same. One that goes meanwhile is fine. */
typedef int cgroup_visit_fn(int parent, const char *name, void *arg);
int cgroup_walk(int dir, cgroup_visit_fn *visit, void *arg);
