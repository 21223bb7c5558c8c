/* A container's view of its own cgroups. Private to core/. */
#pragma once

#include <netctr/base.h>

/** Mounts the cgroup of this process at @place, v2 or each v1 controller in a directory of its own. */
int cgroup_mounts(int place, bool cgroup2, unsigned attributes, struct err *e);
/** A file system that the kernel does not have, or does not permit here. */
bool mount_is_refused(int code);
