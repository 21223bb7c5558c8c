/* The root directory and the sources of volumes, opened at each start as they were resolved at `run`. */
#include "source.h"

#include <errno.h>

/* The definition holds the realpath() of `run`. At a later start it may lead elsewhere: a process that can write
 * to a directory on the way, perhaps a volume of this very container, can put a link there. */
int source_open(const char *what, const char *path, int flags, struct err *e)
{
    int fd = open_canonical(path, O_PATH | flags);
    if (fd != -ELOOP)
        return fd < 0 ? err_set(e, fd, "open %s `%s`", what, path) : fd;
    err_say(e, fd, "%s `%s`: it has become a symbolic link, or a directory above it has", what,
            path);
    err_hint(e, "links are followed at `run` only: remove the link, or the container");
    return fd;
}

/* Is it the host's "/" by another name? A bind mount has its inode number, another file system mounted over it its
 * mount. */
static int is_host_root(int fd, bool *is, struct err *e)
{
    const unsigned mask = STATX_INO | STATX_MNT_ID;
    struct statx own, host;
    if (statx(fd, "", AT_EMPTY_PATH, mask, &own) < 0 || statx(AT_FDCWD, "/", 0, mask, &host) < 0)
        return err_set(e, errno, "compare the root directory with the host's");
    bool same_mount = (own.stx_mask & host.stx_mask & STATX_MNT_ID) &&
                      own.stx_mnt_id == host.stx_mnt_id &&
                      (own.stx_attributes & STATX_ATTR_MOUNT_ROOT);
    *is = same_mount || (own.stx_ino == host.stx_ino && own.stx_dev_major == host.stx_dev_major &&
                         own.stx_dev_minor == host.stx_dev_minor);
    return 0;
}

int source_open_root(const char *path, struct err *e)
{
    bool is_host = false;
    _cleanup_close_ int fd = source_open("root directory", path, O_DIRECTORY, e);
    int r = fd < 0 ? fd : is_host_root(fd, &is_host, e);
    if (is_host)
        return err_say(e, -EINVAL,
                       "root directory `%s` is the host's own `/`, which cannot be a container's",
                       path);
    return r < 0 ? r : take_fd(fd);
}

void sources_wake(const struct plan *s)
{
    close_fd(open_canonical(s->rootfs, O_PATH | O_DIRECTORY));
    for (size_t i = 0; i < s->mount_count; i++)
        if (s->mounts[i].what == SOURCE_PATH)
            close_fd(open_canonical(s->mounts[i].source, O_PATH | O_DIRECTORY));
}
