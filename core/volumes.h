/* Mounts in a container's root. Private to core/. */
#pragma once

#include <netctr/core.h>

/** Mounts @s' volumes beneath @root, and hosts, hostname and resolv.conf of @files (a mount that is attached)
 *  where no volume is. Sorts the volumes. */
int volumes_mount(int root, const struct plan *s, int files, struct err *e);
/** Adds why something that is missing in a container cannot be made, after a failure with @code. */
void volumes_explain(int code, struct err *e);
