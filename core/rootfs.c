/* From a directory on the host to the container's root:
 *
 *     overlay or bind → attach (over the run directory) → the plan's mounts and files (mount_list.c)
 *       → pivot_root → [network namespace] → late mounts → read-only
 *
 * All mounts are nodev (dev.c explains why).
 */
#include "rootfs.h"

#include "mounts.h"
#include "source.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <sched.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

/* ---- the root itself --------------------------------------------------------------------------*/

static int open_directory(const char *parent, const char *name, struct err *e)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", parent, name);
    return source_open("directory", path, O_DIRECTORY, e);
}

/* When overlayfs cannot make its work directory, on a full disk for example, it only writes to the kernel log and
 * mounts read-only. Then the first write would fail for no visible reason. */
static int check_writable(const struct rootfs *f, int overlay, int work, struct err *e)
{
    static const char probe[] = "netctr";
    struct statfs fs;
    if (fstatfs(overlay, &fs) < 0)
        return err_set(e, errno, "look at the overlay");
    if (!(fs.f_flags & ST_RDONLY))
        return 0;
    int r = mkdirat(work, probe, 0700) < 0 ? -errno : -EROFS;
    (void)unlinkat(work, probe, AT_REMOVEDIR);
    return err_set(e, r, "make a directory in `%s/work`", f->plan->layers);
}

/* overlayfs gives ':' and ',' in paths a meaning; the paths of our fds have none. */
static int mount_overlay(const struct rootfs *f, int lower_fd, struct err *e)
{
    _cleanup_close_ int upper_fd = open_directory(f->plan->layers, "upper", e);
    _cleanup_close_ int work_fd = upper_fd < 0 ? -1 : open_directory(f->plan->layers, "work", e);
    if (upper_fd < 0 || work_fd < 0)
        return upper_fd < 0 ? upper_fd : work_fd;
    _cleanup_free_ char *lower = fd_path(lower_fd), *upper = fd_path(upper_fd),
                        *work = fd_path(work_fd);
    const struct mount_option options[] = {
        {"lowerdir", lower}, {"upperdir", upper}, {"workdir", work}, {NULL, NULL}};
    _cleanup_close_ int fd = mount_new("overlay", options, MOUNT_ATTR_NODEV, e);
    struct statfs fs;
    if (fd == -EINVAL && fstatfs(upper_fd, &fs) == 0 && fs.f_type == OVERLAYFS_SUPER_MAGIC)
        err_hint(e, "the state directory is on an overlay, and overlayfs cannot write to another: "
                    "use --root, or --in-place");
    int r = fd < 0 ? fd : check_writable(f, fd, work_fd, e);
    return r < 0 ? r : take_fd(fd);
}

static int mount_bind(int lower, struct err *e)
{
    _cleanup_close_ int fd = mount_clone(lower, true, e);
    int r = fd < 0 ? fd : mount_set(fd, MOUNT_ATTR_NODEV, true, e);
    return r < 0 ? r : take_fd(fd);
}

static int mount_root(const struct rootfs *f, int run, struct err *e)
{
    _cleanup_close_ int lower = source_open_root(f->plan->rootfs, e);
    if (lower < 0)
        return lower;
    _cleanup_close_ int fd = f->plan->in_place ? mount_bind(lower, e) : mount_overlay(f, lower, e);
    int r = fd < 0 ? fd : mount_attach(fd, run, f->plan->mount_point, e);
    return r < 0 ? r : take_fd(fd);
}

/* ---- the story -------------------------------------------------------------------------------*/

/* pivot_root(".", ".") stacks the old root on the new one; detaching "." takes it away. */
static int pivot(int root, struct err *e)
{
    if (fchdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
        return err_set(e, errno, "change the root");
    if (umount2(".", MNT_DETACH) < 0)
        return err_set(e, errno, "let go of the host's root");
    if (chdir("/") < 0)
        return err_set(e, errno, "enter the new root");
    return 0;
}

/* A user namespace may mount a sysfs only where it already sees one, and that is the host's. Otherwise the change of the
 * root is work that is done while the caller makes the network namespace. */
static bool pivots_last(const struct plan *s)
{
    return s->namespaces[PLAN_USER].how == NS_JOIN;
}

int rootfs_build(struct rootfs *f, struct err *e)
{
    /* Mounts must not propagate to the host. */
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        int code = err_set(e, errno, "make the mounts private");
        if (code == -EINVAL)
            err_hint(e, "`/` is not a mount point, as in a chroot: `mount --bind DIR "
                        "DIR` before `chroot DIR` makes it one");
        return code;
    }
    /* The files' tmpfs is beneath the root and goes away with the old one: only an attached mount can be cloned. */
    _cleanup_close_ int run = source_open("directory", f->plan->mount_point, O_DIRECTORY, e);
    int r = run < 0 ? run : f->files < 0 ? 0 : mount_attach(f->files, run, f->plan->mount_point, e);
    _cleanup_close_ int root = r < 0 ? r : mount_root(f, run, e);
    if (root < 0)
        return root;
    f->list = (struct mount_list){.plan = f->plan,
                                  .root = root,
                                  .files = f->files,
                                  .cgroup2 = f->cgroup2,
                                  .base_fd = -1,
                                  .null = -1,
                                  .empty = -1};
    r = mount_list_early(&f->list, e);
    if (r == 0 && !pivots_last(f->plan))
        r = pivot(root, e);
    return r < 0 ? r : take_fd(root);
}

int rootfs_finish(struct rootfs *f, int root, struct err *e)
{
    int r = mount_list_late(&f->list, e);
    if (r == 0 && pivots_last(f->plan))
        r = pivot(root, e);
    if (r < 0 || !f->plan->read_only)
        return r;
    /* The last chance to make it. A failure shows when the program enters it. */
    if (f->plan->workdir)
        close_fd(mkdir_in_root(root, f->plan->workdir, 0755));
    return mount_set(root, MOUNT_ATTR_RDONLY, false, e);
}
