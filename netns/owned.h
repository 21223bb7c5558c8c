/* A network namespace in another user namespace. Private. */
#pragma once

#include <netctr/netns.h>

/** Makes a network namespace that the user namespace @owner owns; it must not be the caller's own. An fd. The caller must
 *  be single-threaded. */
int owned_create(int owner, struct err *e);
