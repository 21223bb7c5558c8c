/* The container's CPU limit for who works for it from outside. Private to core/. */
#pragma once

#include <netctr/base.h>

/** Moves the calling thread, which must be its process's only one, into cgroup @path as far as processor time is
 *  concerned, and in nothing else: it is not killed for the container's memory, nor counted among its
 *  processes. 1: it is inside; 0: this host has no way to do that. */
int cgroup_join_cpu(const char *path, struct err *e);
