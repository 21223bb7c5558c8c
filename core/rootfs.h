/* The container's file system tree, from a directory to a root that is safe to live in.
 * Runs in the child, in its own mount namespace. Private to core/.
 */
#pragma once

#include "mount_list.h"

#include <netctr/core.h>

/** What it is built from. The plan's paths are opened by the child, or before it is in another user namespace by
 *  prepare.c: a mount can be cloned, and mounted on, only in the namespace that it belongs to. They are canonical, and
 *  only root can change what they mean. */
struct rootfs {
    const struct plan *plan;
    int files;                 /**< a detached mount with the plan's files; -1: there are none */
    bool cgroup2;              /**< the host's cgroups are v2 */
    struct prepared *prepared; /**< what the host's side has mounted; NULL: nothing */
    struct mount_list list;
};

/** Builds everything that needs no network namespace and makes it the root (pivot_root). Returns an fd of
 *  the new root. */
int rootfs_build(struct rootfs *f, struct err *e);
/** The late mounts, when the process is in its network namespace. */
int rootfs_finish(struct rootfs *f, int root, struct err *e);
