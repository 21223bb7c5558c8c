/* Opens a container's files on the host. Private to core/. */
#pragma once

#include <netctr/core.h>

/** An O_PATH fd of a path that was resolved at `run`; @what is a word for messages ("volume"). -ELOOP with a text
 *  when a symbolic link has come into it. */
int source_open(const char *what, const char *path, int flags, struct err *e);
/** The same for a root directory, which must not be the host's "/" by any name. */
int source_open_root(const char *path, struct err *e);
/** Triggers automounts while we are in the host's mount namespace: what is mounted there later does not reach the
 *  container. */
void sources_wake(const struct plan *s);
