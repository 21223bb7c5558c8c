/* /sys/fs/cgroup: v2 is one file system; v1 is a tmpfs with a file system for each controller, as everywhere. */
#include "cgroup_mounts.h"

#include "mounts.h"

#include <errno.h>

bool mount_is_refused(int code)
{
    return code == -ENODEV || code == -EINVAL || code == -EBUSY || code == -EPERM;
}

/* One v1 hierarchy in a directory of its own. */
static int mount_hierarchy(int directory, const char *controller, unsigned attributes,
                           struct err *e)
{
    const struct mount_option one[] = {{controller, NULL}, {NULL, NULL}};
    _cleanup_close_ int v1 = mount_new("cgroup", one, attributes, e);
    if (v1 < 0)
        return v1;
    if (mkdirat(directory, controller, 0755) < 0)
        return err_set(e, errno, "make /sys/fs/cgroup/%s", controller);
    _cleanup_close_ int at = openat(directory, controller, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return at < 0 ? err_set(e, errno, "open /sys/fs/cgroup/%s", controller)
                  : mount_attach(v1, at, controller, e);
}

int cgroup_mounts(int place, bool cgroup2, unsigned attributes, struct err *e)
{
    if (cgroup2) {
        _cleanup_close_ int v2 = mount_new("cgroup2", NULL, attributes, e);
        return v2 < 0 ? v2 : mount_attach(v2, place, "/sys/fs/cgroup", e);
    }
    const struct mount_option small[] = {
        {"mode", "755"}, {"size", "64k"}, {"nr_inodes", "16"}, {NULL, NULL}};
    _cleanup_close_ int directory =
        mount_new("tmpfs", small, attributes & ~(unsigned)MOUNT_ATTR_RDONLY, e);
    if (directory < 0)
        return directory;
    const char *const controllers[] = {"memory", "cpu", "pids"};
    int r = mount_attach(directory, place, "/sys/fs/cgroup", e);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(controllers); i++) {
        r = mount_hierarchy(directory, controllers[i], attributes, e);
        if (mount_is_refused(r)) {
            err_clear(e);
            r = 0;
        }
    }
    return r == 0 ? mount_set(directory, attributes & MOUNT_ATTR_RDONLY, false, e) : r;
}
