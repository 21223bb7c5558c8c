/* /dev: a tmpfs with six harmless nodes, each a mount of its own.
 *
 * CAP_MKNOD is among docker's default capabilities, so a container can make a node for the host's disk; it must
 * not be able to open it. docker relies on the device cgroup, which has two forms (v1 files, v2 BPF). netctr needs
 * neither: every mount of the container is nodev, /dev too, and only the six nodes are mounts without that flag. A
 * container without CAP_SYS_ADMIN cannot make another mount.
 */
#include "rootfs.h"

#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>

static const struct {
    const char *name;
    unsigned major, minor;
} nodes[] = {{"null", 1, 3},   {"zero", 1, 5},    {"full", 1, 7},
             {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};

static const struct {
    const char *name, *target;
} links[] = {{"fd", "/proc/self/fd"},
             {"stdin", "/proc/self/fd/0"},
             {"stdout", "/proc/self/fd/1"},
             {"stderr", "/proc/self/fd/2"},
             {"ptmx", "pts/ptmx"}};

static int make_nodes(int dev, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(nodes); i++) {
        if (mknodat(dev, nodes[i].name, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)) <
            0)
            return err_set(e, errno, "make /dev/%s", nodes[i].name);
        _cleanup_close_ int node = openat(dev, nodes[i].name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (node < 0)
            return err_set(e, errno, "open /dev/%s", nodes[i].name);
        _cleanup_close_ int mount = mount_clone(node, false, e);
        int r =
            mount < 0 ? mount : mount_set(mount, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, false, e);
        if (r == 0)
            r = mount_attach(mount, node, nodes[i].name, e);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < ARRAY_LEN(links); i++)
        if (symlinkat(links[i].target, dev, links[i].name) < 0)
            return err_set(e, errno, "make /dev/%s", links[i].name);
    return 0;
}

static int mount_below(int dev, const char *name, const char *type,
                       const struct mount_option *options, unsigned attributes, struct err *e)
{
    if (mkdirat(dev, name, 0755) < 0)
        return err_set(e, errno, "make /dev/%s", name);
    _cleanup_close_ int place = openat(dev, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (place < 0)
        return err_set(e, errno, "open /dev/%s", name);
    _cleanup_close_ int mount = mount_new(type, options, attributes, e);
    return mount < 0 ? mount : mount_attach(mount, place, name, e);
}

int dev_build(int root, struct err *e)
{
    /* If /dev in the root directory were a link, nodes would be made elsewhere (CVE-2026-41579): the last
     * component and all before it must be real directories. */
    close_fd(mkdir_in_root(root, "dev", 0755));
    _cleanup_close_ int place =
        open_in_root(root, "dev", O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, RESOLVE_NO_SYMLINKS);
    if (place < 0)
        return err_set(e, place, "the root directory's /dev is not a directory");
    const struct mount_option tmpfs[] = {
        {"mode", "755"}, {"size", "65536k"}, {"nr_inodes", "16384"}, {NULL, NULL}};
    const struct mount_option shm[] = {
        {"mode", "1777"}, {"size", "65536k"}, {"nr_inodes", "16384"}, {NULL, NULL}};
    const struct mount_option pts[] = {
        {"newinstance", NULL}, {"ptmxmode", "0666"}, {"mode", "0620"}, {"gid", "5"}, {NULL, NULL}};
    const unsigned quiet = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
    mode_t mask = umask(0);
    _cleanup_close_ int dev = mount_new("tmpfs", tmpfs, quiet, e);
    int r = dev < 0 ? dev : mount_attach(dev, place, "/dev", e);
    if (r == 0)
        r = make_nodes(dev, e);
    if (r == 0)
        r = mount_set(dev, MOUNT_ATTR_NODEV, false, e);
    if (r == 0)
        r = mount_below(dev, "pts", "devpts", pts, quiet, e);
    if (r == 0)
        r = mount_below(dev, "shm", "tmpfs", shm, quiet | MOUNT_ATTR_NODEV, e);
    if (r == 0)
        r = mount_below(dev, "mqueue", "mqueue", NULL, quiet | MOUNT_ATTR_NODEV, e);
    umask(mask);
    return r;
}
