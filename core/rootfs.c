/* From a directory on the host to the container's root:
 *
 *     overlay or bind → attach (over the run directory) → the plan's mounts and files (mount_list.c)
 *       → pivot_root → [network namespace] → late mounts → read-only
 *
 * All mounts are nodev (dev.c explains why).
 */
#include "rootfs.h"

#include "mounts.h"
#include "root_mount.h"
#include "source.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <sched.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

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

/* Root in a user namespace may not enter the run directory. But "/" serves as well, for what is mounted over it covers
 * nothing that is looked up from the root of this process. */
static int open_mount_point(const struct rootfs *f, struct err *e)
{
    if (!f->prepared)
        return source_open("directory", f->plan->mount_point, O_DIRECTORY, e);
    int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? err_set(e, errno, "open the host's root") : fd;
}

/* The files' tmpfs is beneath the root and goes away with the old one: only an attached mount can be cloned. Nothing but
 * the root may be mounted over "/": pivot() takes one mount away. */
static int open_root(const struct rootfs *f, int run, struct err *e)
{
    if (f->prepared)
        return take_fd(f->prepared->root);
    int r = f->files < 0 ? 0 : mount_attach(f->files, run, f->plan->mount_point, e);
    return r < 0 ? r : root_mount(f->plan, -1, e);
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
    int r = f->prepared ? prepared_take(f->plan, f->prepared, e) : 0;
    _cleanup_close_ int run = r < 0 ? r : open_mount_point(f, e);
    _cleanup_close_ int root = run < 0 ? run : open_root(f, run, e);
    r = root < 0 ? root : mount_attach(root, run, f->plan->mount_point, e);
    if (r < 0)
        return r;
    f->list = (struct mount_list){.plan = f->plan,
                                  .root = root,
                                  .files = f->files,
                                  .cgroup2 = f->cgroup2,
                                  .prepared = f->prepared,
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
