/* Opens a network namespace by its path (`--network ns:PATH`). */
#include <netctr/sandbox.h>

#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

/* A component that has become a symbolic link since the path was resolved is not followed, as it might lead to the host's
 * namespace. In /proc, the last component is a magic link: /proc/PID/ns/net, /proc/PID/fd/N. */
static int open_namespace(const char *path, struct err *e)
{
    const char *slash = strrchr(path, '/');
    int fd = open_canonical(path, O_RDONLY);
    if (fd == -ELOOP && slash && slash != path) {
        struct statfs fs;
        _cleanup_free_ char *parent = xstrndup(path, (size_t)(slash - path));
        _cleanup_close_ int dir = open_canonical(parent, O_PATH | O_DIRECTORY);
        if (dir >= 0 && fstatfs(dir, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC)
            fd = openat(dir, slash + 1, O_RDONLY | O_CLOEXEC);
        if (fd == -1)
            fd = -errno;
    }
    if (fd == -ELOOP)
        return err_say(e, fd,
                       "network namespace `%s`: this path, or a directory in it, has become a "
                       "symbolic link",
                       path);
    return fd < 0 ? err_set(e, fd, "open network namespace `%s`", path) : fd;
}

/* For example if the pid in the path has been reused. */
static bool is_own_namespace(int netns)
{
    struct stat given, own;
    return fstat(netns, &given) == 0 && stat("/proc/self/ns/net", &own) == 0 &&
           given.st_ino == own.st_ino && given.st_dev == own.st_dev;
}

static int refuse_own_namespace(const char *path, struct err *e)
{
    err_say(e, -EINVAL, "network namespace `%s` is the host's", path);
    err_hint(e, "use `--network host`");
    return -EINVAL;
}

int sandbox_open_path(const char *path, struct err *e)
{
    _cleanup_close_ int fd = open_namespace(path, e);
    if (fd < 0)
        return fd;
    if (!netns_is(fd))
        return err_say(e, -EINVAL, "`%s` is not a network namespace", path);
    return is_own_namespace(fd) ? refuse_own_namespace(path, e) : take_fd(fd);
}
