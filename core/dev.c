/* /dev: a tmpfs with six harmless nodes.
 *
 * CAP_MKNOD is among docker's default capabilities, so root can make a node for the host's disk; it must not be able to
 * open it. docker relies on the device cgroup, which has two forms (v1 files, v2 BPF). netctr needs neither: every mount of
 * the container is nodev, /dev too. Only the six nodes are mounts without that flag, and devpts, where no node can be made.
 * A container without CAP_SYS_ADMIN cannot make another mount.
 *
 * In a user namespace of its own, a container makes no nodes at all, and mounts only what has none of the host. So the
 * host's side makes the nodes, and /dev is one mount without nodev.
 */
#include "dev.h"

#include "mounts.h"

#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>

static const struct {
    const char *name;
    unsigned major, minor;
} nodes[] = {{"null", 1, 3}, /* the first: dev_fill() */
             {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};

static const struct {
    const char *name, *target;
} links[] = {{"fd", "/proc/self/fd"},
             {"stdin", "/proc/self/fd/0"},
             {"stdout", "/proc/self/fd/1"},
             {"stderr", "/proc/self/fd/2"},
             {"ptmx", "pts/ptmx"}};

static int make_node(int dev, size_t i, struct err *e)
{
    const char *name = nodes[i].name;
    if (mknodat(dev, name, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)) < 0)
        return err_set(e, errno, "make /dev/%s", name);
    return 0;
}

static int new_tmpfs(const char *uid, const char *gid, struct err *e)
{
    const struct mount_option tmpfs[] = {{"mode", "755"},        {"size", "65536k"},
                                         {"nr_inodes", "16384"}, {"uid", uid},
                                         {"gid", gid},           {NULL, NULL}};
    return mount_new("tmpfs", tmpfs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, e);
}

int dev_new(struct err *e)
{
    return new_tmpfs("0", "0", e);
}

int dev_new_with_nodes(uid_t uid, gid_t gid, struct err *e)
{
    _cleanup_free_ char *owner = xasprintf("%u", uid), *group = xasprintf("%u", gid);
    _cleanup_close_ int dev = new_tmpfs(owner, group, e);
    int r = dev < 0 ? dev : 0;
    mode_t mask = umask(0);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(nodes); i++) {
        r = make_node(dev, i, e);
        if (r == 0 && fchownat(dev, nodes[i].name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
            r = err_set(e, errno, "give /dev/%s to the container", nodes[i].name);
    }
    umask(mask);
    return r < 0 ? r : take_fd(dev);
}

static int open_node(int dev, size_t i, struct err *e)
{
    int fd = openat(dev, nodes[i].name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? err_set(e, errno, "open /dev/%s", nodes[i].name) : fd;
}

/* In @dev, which is attached; mounted on itself, because that mount stays without nodev. */
static int mount_node(int dev, size_t i, struct err *e)
{
    int r = make_node(dev, i, e);
    _cleanup_close_ int node = r < 0 ? -1 : open_node(dev, i, e);
    if (node < 0)
        return r < 0 ? r : node;
    _cleanup_close_ int mount = mount_clone(node, false, e);
    return mount < 0 ? mount : mount_attach(mount, node, nodes[i].name, e);
}

static int mount_nodes(int dev, struct err *e)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(nodes); i++)
        r = mount_node(dev, i, e);
    return r == 0 ? mount_set(dev, MOUNT_ATTR_NODEV, false, e) : r;
}

static int make_links(int dev, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(links); i++)
        if (symlinkat(links[i].target, dev, links[i].name) < 0)
            return err_set(e, errno, "make /dev/%s", links[i].name);
    return 0;
}

int dev_fill(int dev, bool has_nodes, int *null, struct err *e)
{
    mode_t mask = umask(0);
    int r = has_nodes ? 0 : mount_nodes(dev, e);
    if (r == 0)
        r = make_links(dev, e);
    umask(mask);
    if (r == 0)
        r = *null = open_node(dev, 0, e);
    return r < 0 ? r : 0;
}
