/* What of its caller's limits a container has. The rest of it is in include/netctr/core.h. Private. */
#pragma once

#include <netctr/core.h>

/** While the process has its capabilities: lets ulimits_set() succeed. */
int ulimits_raise(const struct ulimits *u, struct err *e);
/** Last of all: no descriptor can be opened any more, perhaps. */
int ulimits_set(const struct ulimits *u, struct err *e);
/** The kernel's preference for this process when memory is short: none. */
void oom_score_of_program(void);
