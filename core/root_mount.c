/* The root directory as a detached mount: an overlay, or with --in-place the directory itself. */
#include "root_mount.h"

#include "mounts.h"
#include "source.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

static int open_directory(const char *parent, const char *name, struct err *e)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", parent, name);
    return source_open("directory", path, O_DIRECTORY, e);
}

/* When overlayfs cannot make its work directory, on a full disk for example, it only writes to the kernel log and
 * mounts read-only. Then the first write would fail for no visible reason. */
static int check_writable(const struct plan *s, int overlay, int work, struct err *e)
{
    static const char probe[] = "netctr";
    struct statfs fs;
    if (fstatfs(overlay, &fs) < 0)
        return err_set(e, errno, "look at the overlay");
    if (!(fs.f_flags & ST_RDONLY))
        return 0;
    int r = mkdirat(work, probe, 0700) < 0 ? -errno : -EROFS;
    (void)unlinkat(work, probe, AT_REMOVEDIR);
    return err_set(e, r, "make a directory in `%s/work`", s->layers);
}

/* The lower layer with its ids mapped. Linux 6.1 wants it attached; the mount goes away with the namespace. */
static int map_lower(const struct plan *s, int lower, int place, struct err *e)
{
    _cleanup_close_ int fd = mount_clone(lower, false, e);
    int r = fd < 0 ? fd : mount_map_ids(fd, s->namespaces[PLAN_USER].fd, false, s->rootfs, e);
    if (r == 0)
        r = mount_attach(fd, place, s->mount_point, e);
    return r < 0 ? r : take_fd(fd);
}

/* overlayfs gives ':' and ',' in paths a meaning; the paths of our fds have none. An upper layer with mapped ids would
 * make the overlay read-only: so the files there have the ids that the container's are outside. */
static int mount_overlay(const struct plan *s, int root, int place, struct err *e)
{
    _cleanup_close_ int upper_fd = open_directory(s->layers, "upper", e);
    _cleanup_close_ int work_fd = upper_fd < 0 ? -1 : open_directory(s->layers, "work", e);
    if (upper_fd < 0 || work_fd < 0)
        return upper_fd < 0 ? upper_fd : work_fd;
    _cleanup_close_ int mapped = place < 0 ? -1 : map_lower(s, root, place, e);
    if (place >= 0 && mapped < 0)
        return mapped;
    _cleanup_free_ char *lower = fd_path(place < 0 ? root : mapped), *upper = fd_path(upper_fd),
                        *work = fd_path(work_fd);
    const struct mount_option options[] = {
        {"lowerdir", lower}, {"upperdir", upper}, {"workdir", work}, {NULL, NULL}};
    _cleanup_close_ int fd = mount_new("overlay", options, MOUNT_ATTR_NODEV, e);
    struct statfs fs;
    if (fd == -EINVAL && fstatfs(upper_fd, &fs) == 0 && fs.f_type == OVERLAYFS_SUPER_MAGIC)
        err_hint(e, "the state directory is on an overlay, and overlayfs cannot write to another: "
                    "use --root, or --in-place");
    int r = fd < 0 ? fd : check_writable(s, fd, work_fd, e);
    return r < 0 ? r : take_fd(fd);
}

static int mount_bind(const struct plan *s, int root, bool map, struct err *e)
{
    _cleanup_close_ int fd = mount_clone(root, true, e);
    int r = fd < 0 ? fd : mount_set(fd, MOUNT_ATTR_NODEV, true, e);
    if (r == 0 && map)
        r = mount_map_ids(fd, s->namespaces[PLAN_USER].fd, true, s->rootfs, e);
    return r < 0 ? r : take_fd(fd);
}

int root_mount(const struct plan *s, int place, struct err *e)
{
    _cleanup_close_ int root = source_open_root(s->rootfs, e);
    if (root < 0)
        return root;
    return s->in_place ? mount_bind(s, root, place >= 0, e) : mount_overlay(s, root, place, e);
}
