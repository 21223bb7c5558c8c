/* From a directory on the host to the container's root:
 *
 *     overlay or bind → attach (over the run directory) → /proc /dev volumes files masks
 *       → pivot_root → [network namespace] → /sys, cgroups → read-only
 *
 * Everything in the tree is hostile: its author chose what the names mean. So each place is resolved beneath the
 * root, by fd; /proc, /dev and /sys must be real directories (CVE-2019-19921); /proc is a procfs of netctr's, used
 * through its own fd. All mounts are nodev (dev.c explains why).
 */
#include "rootfs.h"

#include "source.h"
#include "volumes.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <sched.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

/* docker's defaults: files that tell a container about the host, or let it change the host. */
static const char *const masked_proc[] = {
    "acpi",       "asound",      "interrupts",  "kcore", "keys", "latency_stats",
    "timer_list", "timer_stats", "sched_debug", "scsi",  NULL};
static const char *const masked_sys[] = {"firmware", "devices/virtual/powercap", NULL};
static const char *const read_only_proc[] = {"bus", "fs", "irq", "sys", "sysrq-trigger", NULL};

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
        return e->code;
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

/* ---- places ----------------------------------------------------------------------------------*/

/* A real directory directly below the root; made if it is missing. */
static int real_directory(int root, const char *name, struct err *e)
{
    close_fd(mkdir_in_root(root, name, 0755));
    int fd = open_in_root(root, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, RESOLVE_NO_SYMLINKS);
    return fd < 0 ? err_set(e, fd, "the root directory's /%s is not a directory", name) : fd;
}

/* Mounts @at read-only on itself. A missing one is skipped. */
static int make_read_only(int dir, const char *at, struct err *e)
{
    _cleanup_close_ int place = openat(dir, at, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (place < 0)
        return errno == ENOENT ? 0 : err_set(e, errno, "open `%s`", at);
    _cleanup_close_ int mount = mount_clone(place, true, e);
    int r = mount < 0 ? mount : mount_set(mount, MOUNT_ATTR_RDONLY, true, e);
    return r < 0 ? r : mount_attach(mount, place, at, e);
}

/* The files that cover masked paths. netctr creates both: a /dev/null from the root directory could
 * be anything (CVE-2025-31133). */
struct covers {
    int file;      /* our own /dev/null */
    int directory; /* an empty read-only tmpfs; -1 until the first one is attached */
};

static int cover(const struct covers *c, bool directory, struct err *e)
{
    if (!directory)
        return mount_clone(c->file, false, e);
    if (c->directory >= 0)
        return mount_clone(c->directory, false, e);
    const struct mount_option empty[] = {{"size", "4k"}, {"nr_inodes", "2"}, {NULL, NULL}};
    return mount_new("tmpfs", empty, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, e);
}

static int mask(int dir, const char *name, struct covers *c, struct err *e)
{
    _cleanup_close_ int place = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    if (place < 0)
        return errno == ENOENT ? 0 : err_set(e, errno, "open `%s`", name);
    if (fstat(place, &st) < 0)
        return err_set(e, errno, "look at `%s`", name);
    _cleanup_close_ int mount = cover(c, S_ISDIR(st.st_mode), e);
    int r = mount < 0 ? mount : mount_attach(mount, place, name, e);
    /* Only a mount in a namespace can be cloned: the first one is the source of the others. */
    if (r == 0 && S_ISDIR(st.st_mode) && c->directory < 0)
        c->directory = take_fd(mount);
    return r;
}

static int mask_all(int root, int dir, const char *const *names, struct err *e)
{
    _cleanup_close_ int null = open_in_root(root, "dev/null", O_PATH | O_NOFOLLOW, 0, 0);
    if (null < 0)
        return err_set(e, null, "open /dev/null");
    struct covers c = {.file = null, .directory = -1};
    int r = 0;
    for (; r == 0 && *names; names++)
        r = mask(dir, *names, &c, e);
    close_fd(c.directory);
    return r;
}

static int build_proc(int root, struct err *e)
{
    _cleanup_close_ int place = real_directory(root, "proc", e);
    if (place < 0)
        return place;
    const unsigned quiet = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    _cleanup_close_ int proc = mount_new("proc", NULL, quiet, e);
    int r = proc < 0 ? proc : mount_attach(proc, place, "/proc", e);
    for (const char *const *name = read_only_proc; r == 0 && *name; name++)
        r = make_read_only(proc, *name, e);
    return r < 0 ? r : mask_all(root, proc, masked_proc, e);
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

int rootfs_build(const struct rootfs *f, struct err *e)
{
    /* Mounts must not propagate to the host. */
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        int code = err_set(e, errno, "make the mounts private");
        return code == -EINVAL
                   ? err_hint(e, "`/` is not a mount point, as in a chroot: `mount --bind DIR "
                                 "DIR` before `chroot DIR` makes it one")
                   : code;
    }
    /* The files' tmpfs is beneath the root and goes away with the old one: only an attached mount can be cloned. */
    _cleanup_close_ int run = source_open("directory", f->plan->mount_point, O_DIRECTORY, e);
    int r = run < 0 ? run : mount_attach(f->files, run, f->plan->mount_point, e);
    _cleanup_close_ int root = r < 0 ? -1 : mount_root(f, run, e);
    if (root < 0)
        return e->code;
    r = real_directory(root, "sys", e);
    close_fd(r);
    if (r < 0 || (r = dev_build(root, e)) < 0 || (r = build_proc(root, e)) < 0 ||
        (r = volumes_mount(root, f->plan, f->files, e)) < 0 || (r = pivot(root, e)) < 0)
        return r;
    return take_fd(root);
}

/* A file system that the kernel does not have, or does not permit here. */
static bool is_refused(int code)
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

/* The container's own cgroup, read-only (CVE-2023-25809). Programs look there for their limits; a missing one
 * harms nothing, so what the kernel refuses is left out. */
static int mount_cgroups(int sys, bool cgroup2, struct err *e)
{
    const unsigned quiet =
        MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    _cleanup_close_ int place = openat(sys, "fs/cgroup", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (place < 0) /* a kernel without cgroups */
        return errno == ENOENT ? 0 : err_set(e, errno, "open /sys/fs/cgroup");
    if (cgroup2) {
        _cleanup_close_ int v2 = mount_new("cgroup2", NULL, quiet, e);
        return v2 < 0 ? v2 : mount_attach(v2, place, "/sys/fs/cgroup", e);
    }
    const struct mount_option small[] = {
        {"mode", "755"}, {"size", "64k"}, {"nr_inodes", "16"}, {NULL, NULL}};
    _cleanup_close_ int directory = mount_new("tmpfs", small, quiet & ~MOUNT_ATTR_RDONLY, e);
    if (directory < 0)
        return directory;
    const char *const controllers[] = {"memory", "cpu", "pids"};
    int r = mount_attach(directory, place, "/sys/fs/cgroup", e);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(controllers); i++) {
        r = mount_hierarchy(directory, controllers[i], quiet, e);
        if (is_refused(r)) {
            err_clear(e);
            r = 0;
        }
    }
    return r == 0 ? mount_set(directory, MOUNT_ATTR_RDONLY, false, e) : r;
}

int rootfs_finish(const struct rootfs *f, int root, struct err *e)
{
    _cleanup_close_ int place = real_directory(root, "sys", e);
    if (place < 0)
        return place;
    const unsigned quiet =
        MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    _cleanup_close_ int sys = mount_new("sysfs", NULL, quiet, e);
    int r = sys < 0 ? sys : mount_attach(sys, place, "/sys", e);
    if (r == 0)
        r = mask_all(root, sys, masked_sys, e);
    if (r < 0)
        return r;
    r = mount_cgroups(sys, f->cgroup2, e);
    if (r < 0 && !is_refused(r))
        return r;
    err_clear(e);
    if (!f->plan->read_only)
        return 0;
    /* The last chance to make it. A failure shows when the program enters it. */
    if (f->plan->workdir)
        close_fd(mkdir_in_root(root, f->plan->workdir, 0755));
    return mount_set(root, MOUNT_ATTR_RDONLY, false, e);
}
