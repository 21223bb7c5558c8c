/* The container's file system tree, from a directory to a root that is safe to live in.
 * Runs in the child, in its own mount namespace. Private to core/.
 */
#pragma once

#include "mounts.h"

#include <netctr/core.h>

#include <linux/openat2.h>

/** Where things are on the host. Paths, not fds: a mount can be cloned, and mounted on, only in the
 *  namespace that it belongs to, so the child has to open them in its own. They are canonical and
 *  only root can change what they mean. */
struct rootfs_plan {
    const struct spec *spec;
    const char *layers; /**< ROOT/containers/NAME: overlay's upper and work */
    const char *run;    /**< RUN/containers/NAME: the root is attached over it */
    int files;          /**< a detached mount with hosts, hostname and resolv.conf */
    bool cgroup2;       /**< the host's cgroups are v2 */
};

/** Builds all that needs no network namespace and makes it the root (pivot_root). Returns an fd of
 *  the new root. */
int rootfs_build(const struct rootfs_plan *plan, struct err *e);
/** The rest: /sys shows the network namespace of who mounts it, so this comes after setns(). */
int rootfs_finish(const struct rootfs_plan *plan, int root, struct err *e);

/** /dev with its nodes, pts, shm and mqueue (dev.c). */
int dev_build(int root, struct err *e);
