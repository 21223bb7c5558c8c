/* The sysctls of a container's own namespaces. Private to core/. */
#pragma once

#include <netctr/core.h>

/** Writes those of the plan. Its process exists, with all of its namespaces, and does not run the program yet. */
int sysctls_apply(const struct process *p, struct err *e);
