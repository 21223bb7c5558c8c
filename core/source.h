/* Where a container's files come from on the host. Private to core/. */
#pragma once

#include <netctr/core.h>

/** An O_PATH fd of a path that was resolved at `run`; @what, a word for the reader ("volume"). -ELOOP with a
 *  text when a symbolic link has come into it. */
int source_open(const char *what, const char *path, int flags, struct err *e);
/** The same for a root directory, which must not be the host's "/" by any name. */
int source_open_root(const char *path, struct err *e);
/** Automounts them, while we are in the host's mount namespace: what is mounted there later, or elsewhere, does
 *  not reach the container. */
void sources_wake(const struct plan *s);
