/* Carries out the plan's list of mounts. Private to core/. */
#pragma once

#include "places.h"
#include "prepare.h"

/** What the mounts share, from the first to the last. Never freed: the process becomes the program. */
struct mount_list {
    const struct plan *plan;
    int root;
    int files;    /**< the directory with the plan's files, an attached mount; -1: none */
    bool cgroup2; /**< the host's cgroups are v2 */
    const struct prepared *prepared; /**< NULL: nothing */
    struct places places;
    const char
        *base; /**< target of the file system at @base_fd: what is below is resolved from that */
    int base_fd;
    int null;  /**< what covers files: our own /dev/null; -1: none yet */
    int empty; /**< what covers directories; -1: none yet */
};

/** Mounts all that is not late, and the plan's files, beneath @m->root. */
int mount_list_early(struct mount_list *m, struct err *e);
/** Mounts the rest, when the process has its network namespace. */
int mount_list_late(struct mount_list *m, struct err *e);
