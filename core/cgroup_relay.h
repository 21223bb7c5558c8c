/* The container's CPU limit, for the relay that works for it from outside. Private to core/. */
#pragma once

#include <netctr/base.h>

/** Moves the calling thread, which must be the only one of its process, into cgroup @path for processor time only:
 *  it is not killed for the container's memory, nor counted among its processes. 1: it is inside; 0: this host has
 *  no way to do that. */
int cgroup_join_cpu(const char *path, struct err *e);
