/* Who a container's program runs as: `-u USER[:GROUP]` against the container's own /etc/passwd and
 * /etc/group.
 */
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
 *  USER and GROUP are a decimal id or a name. An id is never looked up as a name (CVE-2026-30892)
 *  and needs no entry; ids end at 2147483647. NULL is uid 0 with what /etc/passwd knows of it.
 *  Without GROUP: the primary group of the entry (0 without one) and every group that lists the
 *  user; with GROUP: that one alone. As docker does.
 *
 *  The files are hostile: opened in the root, regular files of at most 1 MiB only; missing ones are
 *  empty. What is none of that is an error for who needs it, by a name; for an id it is as if it were
 *  missing, but that the home of uid 0 is "/root" then. Errors: -EINVAL bad syntax, -ERANGE an id too big, -ENOENT no such name, -EBADMSG an entry
 *  that cannot be read, -EFBIG, or what openat2 says. *@out is untouched then. */
int user_resolve(int rootfd, const char *spec, struct container_user *out, struct err *e);

/** Frees what @u holds and makes it empty again. */
void user_clear(struct container_user *u);
#define _cleanup_user_ __attribute__((cleanup(user_clear)))
