/* /dev. Private to core/. */
#pragma once

#include <netctr/base.h>

#define DEV_NODES 6

/** A detached tmpfs, which dev_fill() makes a /dev of when it is attached. */
int dev_new(struct err *e);
/** Detached mounts of the nodes, for a process that must not make nodes: in a user namespace mknod() is EPERM, and a node
 *  of its tmpfs would not open. They belong to @uid and @gid, and are made in @scratch, an attached mount without nodev: a
 *  detached one cannot be cloned. The caller owns what is in @out, also after a failure. */
int dev_nodes(int scratch, uid_t uid, gid_t gid, int out[DEV_NODES], struct err *e);
/** Its nodes and links. @made are of dev_nodes(); NULL: it makes them. *@null becomes an fd of the mount of
 *  /dev/null, the caller's. */
int dev_fill(int dev, const int *made, int *null, struct err *e);
