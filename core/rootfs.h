/* The container's file system tree, from a directory to a root that is safe to live in.
 * Runs in the child, in its own mount namespace. Private to core/.
 */
#pragma once

#include "mounts.h"

#include <netctr/core.h>

#include <linux/openat2.h>

/** What the parent has opened for it. All fds stay the caller's. */
struct rootfs_plan {
    const struct spec *spec;
    int lower;         /**< the root directory on the host */
    int upper, work;   /**< overlay's; -1 with in_place */
    bool cgroup2;      /**< the host's cgroups are v2 */
    int run_dir;       /**< RUN/containers/NAME: the root is attached over it; holds hosts, … */
};

/** Builds all that needs no network namespace and makes it the root (pivot_root). Returns an fd of
 *  the new root. */
int rootfs_build(const struct rootfs_plan *plan, struct err *e);
/** The rest: /sys shows the network namespace of who mounts it, so this comes after setns(). */
int rootfs_finish(const struct rootfs_plan *plan, int root, struct err *e);

/** /dev with its nodes, pts, shm and mqueue (dev.c). */
int dev_build(int root, struct err *e);
