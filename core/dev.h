/* /dev. Private to core/. */
#pragma once

#include <netctr/base.h>

/** A detached tmpfs, which dev_fill() makes a /dev of when it is attached. */
int dev_new(struct err *e);
/** Its nodes and links. *@null becomes an fd of the mount of /dev/null, the caller's. */
int dev_fill(int dev, int *null, struct err *e);
