/* What the host's side mounts for a child in another user namespace. Private to core/. */
#pragma once

#include <netctr/core.h>

struct prepared {
    int root;    /**< a mount of the root directory */
    int *mounts; /**< one for each of the plan's mounts; -1: the child makes it */
    int files[PLAN_FILES_MAX];
};
/** In a process that may: it gets a mount namespace of its own, where the detached mount @files (-1: none) is attached.
 *  It becomes the working directory, for prepared_take(). Nothing is freed: its child becomes the program. */
int prepare_mounts(const struct plan *s, int files, struct prepared *out, struct err *e);
/** In its child, which is in a copy of that mount namespace: @p->root and @p->mounts become detached mounts whose flags
 *  cannot be taken back. */
int prepared_take(const struct plan *s, struct prepared *p, struct err *e);
