/* /dev: a tmpfs with six harmless nodes, each a mount of its own.
 *
 * CAP_MKNOD is among docker's default capabilities, so a container can make a node for the host's disk; it must
 * not be able to open it. docker relies on the device cgroup, which has two forms (v1 files, v2 BPF). netctr needs
 * neither: every mount of the container is nodev, /dev too. Only the six nodes are mounts without that flag, and devpts,
 * where no node can be made. A container without CAP_SYS_ADMIN cannot make another mount; one with it, in a user
 * namespace, can mount only what has no nodes of the host.
 */
#include "dev.h"

#include "mounts.h"

#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>

static const struct {
    const char *name;
    unsigned major, minor;
} nodes[DEV_NODES] = {{"null", 1, 3}, /* the first: dev_fill() */
                      {"zero", 1, 5},    {"full", 1, 7}, {"random", 1, 8},
                      {"urandom", 1, 9}, {"tty", 5, 0}};

static const struct {
    const char *name, *target;
} links[] = {{"fd", "/proc/self/fd"},
             {"stdin", "/proc/self/fd/0"},
             {"stdout", "/proc/self/fd/1"},
             {"stderr", "/proc/self/fd/2"},
             {"ptmx", "pts/ptmx"}};

int dev_new(struct err *e)
{
    const struct mount_option tmpfs[] = {
        {"mode", "755"}, {"size", "65536k"}, {"nr_inodes", "16384"}, {NULL, NULL}};
    return mount_new("tmpfs", tmpfs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, e);
}

/* A node in @dev, which is attached: a detached mount of it, with the same flags. */
static int make_node(int dev, size_t i, struct err *e)
{
    const char *name = nodes[i].name;
    if (mknodat(dev, name, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)) < 0)
        return err_set(e, errno, "make /dev/%s", name);
    _cleanup_close_ int node = openat(dev, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (node < 0)
        return err_set(e, errno, "open /dev/%s", name);
    return mount_clone(node, false, e);
}

/* A mount of the node that was made elsewhere, for an empty file. */
static int take_node(int dev, size_t i, int made, struct err *e)
{
    return mknodat(dev, nodes[i].name, S_IFREG | 0666, 0) < 0
               ? err_set(e, errno, "make /dev/%s", nodes[i].name)
               : made;
}

static int make_nodes(int dev, const int *made, int *null, struct err *e)
{
    for (size_t i = 0; i < DEV_NODES; i++) {
        _cleanup_close_ int mount = made ? take_node(dev, i, made[i], e) : make_node(dev, i, e);
        if (mount < 0)
            return mount;
        _cleanup_close_ int place = openat(dev, nodes[i].name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        int r = place < 0 ? err_set(e, errno, "open /dev/%s", nodes[i].name)
                          : mount_attach(mount, place, nodes[i].name, e);
        if (r < 0)
            return r;
        if (i == 0)
            *null = take_fd(mount);
    }
    for (size_t i = 0; i < ARRAY_LEN(links); i++)
        if (symlinkat(links[i].target, dev, links[i].name) < 0)
            return err_set(e, errno, "make /dev/%s", links[i].name);
    return 0;
}

int dev_nodes(int scratch, uid_t uid, gid_t gid, int out[DEV_NODES], struct err *e)
{
    int r = 0;
    mode_t mask = umask(0);
    for (size_t i = 0; r >= 0 && i < DEV_NODES; i++) {
        r = out[i] = make_node(scratch, i, e);
        if (r >= 0 && (r = mount_clear(out[i], MOUNT_ATTR_NODEV, e)) == 0 &&
            fchownat(scratch, nodes[i].name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
            r = err_set(e, errno, "give /dev/%s to the container", nodes[i].name);
    }
    umask(mask);
    return r < 0 ? r : 0;
}

int dev_fill(int dev, const int *made, int *null, struct err *e)
{
    mode_t mask = umask(0);
    int r = make_nodes(dev, made, null, e);
    umask(mask);
    return r == 0 ? mount_set(dev, MOUNT_ATTR_NODEV, false, e) : r;
}
