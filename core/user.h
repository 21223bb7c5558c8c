/* Resolves `-u USER[:GROUP]` against the container's own /etc/passwd and /etc/group. Private to core/. */
#pragma once

#include <netctr/base.h>

struct container_user {
    uid_t uid;
    gid_t gid;
    gid_t *groups; /**< supplementary groups, without the primary one unless listed; owned */
    size_t group_count;
    char *name; /**< as in /etc/passwd; NULL for a number without an entry; owned */
    char *home; /**< absolute; "/" when there is none; owned */
};

/** Resolves @spec beneath @rootfd (an O_PATH or directory fd of the container's root).
 *
 *  USER and GROUP are a decimal id or a name. An id is never looked up as a name (CVE-2026-30892) and needs no
 *  entry; ids end at 2147483647. NULL is uid 0 with its entry of /etc/passwd. Without GROUP: the primary group of
 *  the entry (0 without one) and every group that lists the user; with GROUP: that one alone. As docker does.
 *
 *  The files are hostile: they are opened beneath the root, and must be regular files of at most 1 MiB; missing
 *  ones are empty. Any other file is an error for a user by name; for an id it counts as missing, except that the
 *  home of uid 0 is "/root" then. -EINVAL: bad syntax; -ERANGE: an id too large; -ENOENT: no such name; -EBADMSG:
 *  an entry that cannot be parsed; -EFBIG; or an error of openat2. *@out is untouched then. */
int user_resolve(int rootfd, const char *spec, struct container_user *out, struct err *e);

/** Adds groups, each an id or a name of /etc/group, with the same rules. -errno with a text; then @u is as before or has
 *  some of them. */
int user_add_groups(int rootfd, char *const *groups, struct container_user *u, struct err *e);

/** Frees what @u holds and makes it empty again. */
void user_clear(struct container_user *u);
#define _cleanup_user_ __attribute__((cleanup(user_clear)))
