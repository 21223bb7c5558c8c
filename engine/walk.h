/* Finds the files below a directory that belong to ids which a map lacks. Private to engine/. */
#pragma once

#include <netctr/base.h>

enum { WALK_NAMES_MAX = 3 };
struct walk {
    uint64_t count; /* files found */
    uint64_t
        deeper; /* directories that were not looked into: too many levels down, or unreadable */
    strv names; /* paths of the first ones, relative to the directory */
};
/** Looks at @path, a canonical path, and all below it: follows no link, crosses no mount, opens directories only. Takes as
 *  long as it takes, and little memory. -errno: @path cannot be opened. The caller frees names. */
int walk_unmapped(const char *path, const struct id_map *m, struct walk *out);
