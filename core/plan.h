/* Checks of a plan. Private to core/. */
#pragma once

#include <netctr/core.h>

/** Can its mounts and files be carried out? -EINVAL with a text. namespaces_check() is for the rest. */
int plan_check(const struct plan *p, struct err *e);
