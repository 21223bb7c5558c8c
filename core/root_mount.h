/* The container's root as a mount. Private to core/. */
#pragma once

#include <netctr/core.h>

/** A detached mount of the plan's root directory. With @place (-1: none), a directory of this process's own mount
 *  namespace that it may mount over, its ids are mapped to those of the plan's user namespace. */
int root_mount(const struct plan *s, int place, struct err *e);
