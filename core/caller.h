/* The limits that a container has from its caller; the public part is in netctr/core.h. Private to core/. */
#pragma once

#include <netctr/core.h>

/** While the process still has its capabilities: raises what ulimits_set() could not. */
int ulimits_raise(const struct ulimits *u, struct err *e);
/** The last step: after it, opening a descriptor may fail. */
int ulimits_set(const struct ulimits *u, struct err *e);
/** Sets oom_score_adj. With 0, the program is neither preferred nor spared. -errno with a text, but not for 0. */
int oom_score_of_program(int score, struct err *e);
