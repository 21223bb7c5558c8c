/* /dev. Private to core/. */
#pragma once

#include <netctr/base.h>

/** A detached tmpfs, which dev_fill() makes a /dev of when it is attached. */
int dev_new(struct err *e);
/** The same, with its nodes, for a container in another user namespace, which can make none: it belongs to @uid and @gid. */
int dev_new_with_nodes(uid_t uid, gid_t gid, struct err *e);
/** Its links, and its nodes unless it @has_nodes. *@null becomes an O_PATH fd of /dev/null, the caller's: it can be cloned. */
int dev_fill(int dev, bool has_nodes, int *null, struct err *e);
