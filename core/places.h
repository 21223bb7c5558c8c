/* Places beneath a container's root, as fds, and which of them may be mounted on. Private to core/. */
#pragma once

#include <netctr/core.h>

#include <sys/stat.h>

/** Identifies a place: a directory reached by two names, through a link, is one place. */
struct place {
    uint64_t mount, inode;
};

/** Those of the mounts whose targets may lead through links, and what they must not hide. */
struct places {
    struct place *list; /**< of such mounts, in the plan's order; owned */
    size_t count;
    struct place devices; /**< mount 0: there are none */
};

int place_of(int fd, struct place *out, struct err *e);
/** Is it in a procfs or sysfs? */
bool place_belongs_to_kernel(int place);
bool place_is_taken(const struct places *p, const struct place *place);
/** May @m, a directory or another file, be mounted on @fd? */
int place_check(int root, const struct places *p, const struct plan *plan, int fd, bool directory,
                const struct plan_mount *m, struct err *e);
/** Does @m's target still lead to @place, where @m was mounted? */
int place_check_seen(int root, const struct plan_mount *m, const struct place *place,
                     struct err *e);
/** After a failure with @code: adds why a missing file or directory cannot be made. */
void place_explain(int code, const struct id_map *ids, struct err *e);
int place_cannot_make(int code, const struct plan *plan, const char *target, struct err *e);
