/* The root directory and the sources of volumes, opened at each start as they were resolved at `run`. */
#include "source.h"

#include "mounts.h"

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

unsigned source_attributes(const struct plan_mount *p)
{
    return (p->flags & MOUNT_RDONLY ? MOUNT_ATTR_RDONLY : 0) |
           (p->flags & MOUNT_NOSUID ? MOUNT_ATTR_NOSUID : 0) |
           (p->flags & MOUNT_NOEXEC ? MOUNT_ATTR_NOEXEC : 0);
}

int source_mount(const struct plan_mount *p, int userns, struct err *e)
{
    _cleanup_close_ int source = p->what == SOURCE_FD ? -1 : source_open("volume", p->source, 0, e);
    if (p->what != SOURCE_FD && source < 0)
        return source;
    _cleanup_close_ int mount =
        source < 0 ? fcntl(p->fd, F_DUPFD_CLOEXEC, 3) : mount_clone(source, true, e);
    if (mount < 0 && source < 0)
        return err_set(e, errno, "use fd %d as mount on `%s`", p->fd, p->target);
    int r = mount < 0 ? mount : mount_set(mount, MOUNT_ATTR_NODEV | source_attributes(p), true, e);
    if (r == 0 && userns >= 0 && source >= 0 && !(p->flags & MOUNT_HOST_IDS))
        r = mount_map_ids(mount, userns, true, p->source, e);
    return r < 0 ? r : take_fd(mount);
}

int source_file(int files, const char *name, struct err *e)
{
    _cleanup_close_ int file = openat(files, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    return file < 0 ? err_set(e, errno, "open the container's `%s`", name)
                    : mount_clone(file, false, e);
}
