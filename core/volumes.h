/* Mounts in a container's root. Private to core/. */
#pragma once

#include <netctr/core.h>

/** Mounts the plan's volumes beneath @root, and hosts, hostname and resolv.conf of @files (an attached mount)
 *  where no volume is. Sorts the volumes. */
int volumes_mount(int root, const struct plan *s, int files, struct err *e);
/** After a failure with @code: adds why a missing file or directory cannot be made. */
void volumes_explain(int code, struct err *e);
