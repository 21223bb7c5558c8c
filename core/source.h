/* Opens a container's files on the host. Private to core/. */
#pragma once

#include <netctr/core.h>

/** An O_PATH fd of a path that was resolved at `run`; @what is a word for messages ("volume"). -ELOOP with a text
 *  when a symbolic link has come into it. */
int source_open(const char *what, const char *path, int flags, struct err *e);
/** The same for a root directory, which must not be the host's "/" by any name. */
int source_open_root(const char *path, struct err *e);
/** MOUNT_ATTR_… of a plan's mount. */
unsigned source_attributes(const struct plan_mount *p);
/** A detached mount of a SOURCE_PATH or SOURCE_FD. The ids of the former are mapped to the user namespace @userns (-1:
 *  not). */
int source_mount(const struct plan_mount *p, int userns, struct err *e);
/** A detached mount of a file in the attached mount @files. */
int source_file(int files, const char *name, struct err *e);
/** Triggers automounts while we are in the host's mount namespace: what is mounted there later does not reach the
 *  container. */
void sources_wake(const struct plan *s);
