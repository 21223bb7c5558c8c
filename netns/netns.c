/* Network namespaces: made beside the container's process, entered only for an instant.
 *
 * The container's child mounts its file systems while its parent makes the network namespace: the
 * parent unshares, opens what it needs in there, and goes back. It must not stay: a process inside
 * would keep the namespace, and with it the veth, alive after the container's death.
 */
#include <netctr/netns.h>

#include <errno.h>
#include <sched.h>
#include <string.h>

int netns_self(void)
{
    int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

uint64_t netns_inode(int fd)
{
    struct stat st;
    return fstat(fd, &st) < 0 ? 0 : st.st_ino;
}

int sysctl_write(const char *key, const char *value, struct err *e)
{
    _cleanup_free_ char *path = xasprintf("/proc/sys/%s", key);
    int r = write_existing_at(AT_FDCWD, path, value);
    return r < 0 ? err_set(e, r, "set sysctl `%s` to %s", key, value) : 0;
}

char *sysctl_read(const char *key)
{
    _cleanup_free_ char *path = xasprintf("/proc/sys/%s", key);
    char *value = NULL;
    int r = read_file_at(AT_FDCWD, path, 4096, &value, NULL);
    if (r < 0) {
        errno = -r;
        return NULL;
    }
    value[strcspn(value, "\n")] = '\0';
    return value;
}

/* What has to be done inside: an fd to find it again, a socket, sysctls before any link is born. */
static int furnish(int *fd, struct rt **rt, const struct sysctl *sysctls, struct err *e)
{
    *fd = netns_self();
    if (*fd < 0)
        return err_set(e, *fd, "open the new network namespace");
    int r = rt_open(rt, e);
    for (; r == 0 && sysctls && sysctls->key; sysctls++) {
        r = sysctl_write(sysctls->key, sysctls->value, e);
        if (r == -ENOENT) {
            err_clear(e);
            r = 0;
        }
    }
    return r;
}

int netns_create(int *fd, struct rt **rt, const struct sysctl *sysctls, struct err *e)
{
    *fd = -1;
    *rt = NULL;
    _cleanup_close_ int home = netns_self();
    if (home < 0)
        return err_set(e, home, "open this network namespace");
    if (unshare(CLONE_NEWNET) < 0)
        return err_set(e, errno, "make a network namespace");
    int r = furnish(fd, rt, sysctls, e);
    if (setns(home, CLONE_NEWNET) < 0) {
        /* Everything that follows would hit the wrong host. */
        warn("cannot return to the host's network namespace: %s", strerror(errno));
        _exit(EXIT_NETCTR);
    }
    if (r < 0) {
        rt_cleanup(rt);
        *rt = NULL;
        *fd = close_fd(*fd);
    }
    return r;
}
