/* The container's file system tree, from a directory to a root that is safe to live in.
 * Runs in the child, in its own mount namespace. Private to core/.
 */
#pragma once

#include "mounts.h"

#include <netctr/core.h>

#include <linux/openat2.h>

/** What it is built from. The plan's paths are opened by the child: a mount can be cloned, and mounted on, only in
 *  the namespace that it belongs to. They are canonical, and only root can change what they mean. */
struct rootfs {
    const struct plan *plan;
    int files;    /**< a detached mount with hosts, hostname and resolv.conf */
    bool cgroup2; /**< the host's cgroups are v2 */
};

/** Builds everything that needs no network namespace and makes it the root (pivot_root). Returns an fd of
 *  the new root. */
int rootfs_build(const struct rootfs *f, struct err *e);
/** The rest: sysfs shows the network namespace of the process that mounts it, so this comes after setns(). */
int rootfs_finish(const struct rootfs *f, int root, struct err *e);

/** /dev with its nodes, pts, shm and mqueue (dev.c). */
int dev_build(int root, struct err *e);
