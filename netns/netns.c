/* Network namespaces: created for a container, and entered only for a moment.
 *
 * While the container's child mounts its file systems, its parent creates the network namespace: it
 * unshares, opens what it needs, and returns. It must not stay, because a process inside would keep
 * the namespace, and so the veth, alive after the container has ended. A namespace that another user
 * namespace owns is made by owned.c, and entered. The host's root may do so: it has every capability
 * in the user namespaces below its own.
 */
#include "owned.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <time.h>

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

/* ---- sysctls ---------------------------------------------------------------------------------*/

void sysctls_close(struct sysctls *s)
{
    s->ipv4 = close_fd(s->ipv4);
    s->ipv6 = close_fd(s->ipv6);
    s->proc = close_fd(s->proc);
    s->sysfs = close_fd(s->sysfs);
}

/* A procfs that is mounted nowhere, for this use alone. -1: this kernel or host does not let us. */
static int open_procfs(void)
{
    _cleanup_close_ int fs = fsopen("proc", FSOPEN_CLOEXEC);
    if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return -1;
    return fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}

/* Makes the namespace's sysfs, without a mount. A failure is reported by the process that mounts it. */
static int make_sysfs(void)
{
    _cleanup_close_ int fs = fsopen("sysfs", FSOPEN_CLOEXEC);
    return fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 ? -1 : take_fd(fs);
}

/* Opens one of /proc/sys/net's directories. */
static int open_sysctls(struct sysctls *s, const char *path)
{
    const int flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
    if (s->apart && s->proc < 0)
        s->proc = open_procfs();
    int fd = s->proc < 0 ? -1 : openat(s->proc, skip_prefix(path, "/proc/"), flags);
    return fd < 0 ? open(path, flags) : fd;
}

/* Returns the directory that *@path is relative to. A directory that cannot be opened, as on a kernel without IPv6,
 * leaves the full path, which fails with the reason. */
static int directory_of(struct sysctls *s, const char *key, const char **path)
{
    static const char four[] = "/proc/sys/net/ipv4/", six[] = "/proc/sys/net/ipv6/";
    const char *rest = skip_prefix(key, four + strlen("/proc/sys/")), *directory = four;
    int *fd = s ? &s->ipv4 : NULL;
    if (!rest && (rest = skip_prefix(key, six + strlen("/proc/sys/")))) {
        directory = six;
        fd = s ? &s->ipv6 : NULL;
    }
    if (!rest || !fd)
        return AT_FDCWD;
    if (*fd < 0)
        *fd = open_sysctls(s, directory);
    if (*fd < 0)
        return AT_FDCWD;
    *path = rest;
    return *fd;
}

int sysctls_write(struct sysctls *s, const char *key, const char *value, struct err *e)
{
    _cleanup_free_ char *full = xasprintf("/proc/sys/%s", key);
    const char *path = full;
    int directory = directory_of(s, key, &path);
    int r = write_existing_at(directory, path, value);
    return r < 0 ? err_set(e, r, "set sysctl `%s` to %s", key, value) : 0;
}

int sysctls_open(struct sysctls *s, const char *key, int flags)
{
    _cleanup_free_ char *full = xasprintf("/proc/sys/%s", key);
    const char *path = full;
    int directory = directory_of(s, key, &path);
    int fd = openat(directory, path, flags | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int sysctl_write(const char *key, const char *value, struct err *e)
{
    return sysctls_write(NULL, key, value, e);
}

char *sysctl_read(const char *key)
{
    return sysctls_read(NULL, key);
}

char *sysctls_read(struct sysctls *s, const char *key)
{
    _cleanup_free_ char *full = xasprintf("/proc/sys/%s", key);
    const char *path = full;
    char *value = NULL;
    int directory = directory_of(s, key, &path);
    int r = read_file_at(directory, path, 4096, &value, NULL);
    if (r < 0) {
        errno = -r;
        return NULL;
    }
    value[strcspn(value, "\n")] = '\0';
    return value;
}

static int write_all_sysctls(const struct sysctl *sysctls, struct sysctls *used, struct err *e)
{
    int r = 0;
    for (; r == 0 && sysctls && sysctls->key; sysctls++) {
        r = sysctls_write(used, sysctls->key, sysctls->value, e);
        if (r == -ENOENT) {
            err_clear(e);
            r = 0;
        }
    }
    return r;
}

static void go_home(int home)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    int why = 0;
    /* Memory may be short for a moment. */
    for (int tries = 0; tries < 100; tries++, nanosleep(&pause, NULL)) {
        if (setns(home, CLONE_NEWNET) == 0)
            return;
        why = errno;
    }
    /* All that follows, undo included, would affect the wrong host. So report it here and exit; the
     * next command cleans up, as after any crash. */
    fprintf(stderr, "netctr: cannot return to the host's network namespace: %s\n", strerror(why));
    _exit(EXIT_NETCTR);
}

/* Makes a namespace and enters it. *@fd may stay -1 then. */
static int enter_new(int owner, int *fd, struct err *e)
{
    if (owner >= 0) {
        int r = *fd = owned_create(owner, e);
        if (r < 0 || setns(r, CLONE_NEWNET) == 0)
            return r < 0 ? r : 0;
        return err_set(e, errno, "enter the new network namespace");
    }
    if (unshare(CLONE_NEWNET) == 0)
        return 0;
    int r = err_set(e, errno, "create a network namespace");
    if (r == -ENOSPC)
        err_hint(e, NETNS_LIMIT);
    return r;
}

/* Steps inside the new namespace: an fd of it, a socket, and the sysctls before the first link. */
static int configure(int *fd, struct rt **rt, const struct sysctl *sysctls, struct sysctls *used,
                     struct err *e)
{
    if (*fd < 0)
        *fd = netns_self();
    if (*fd < 0)
        return err_set(e, *fd, "open the new network namespace");
    int r = rt_open(rt, e);
    if (r == 0)
        r = write_all_sysctls(sysctls, used, e);
    if (r == 0)
        used->sysfs = make_sysfs();
    return r;
}

int netns_create(int owner, int *fd, struct rt **rt, const struct sysctl *sysctls,
                 struct sysctls *used, struct err *e)
{
    _cleanup_sysctls_ struct sysctls own = SYSCTLS_APART;
    *fd = -1;
    *rt = NULL;
    _cleanup_close_ int home = netns_self();
    if (home < 0)
        return err_set(e, home, "open this network namespace");
    int r = enter_new(owner, fd, e);
    if (r == 0) {
        r = configure(fd, rt, sysctls, &own, e);
        go_home(home);
    }
    if (used) {
        *used = own;
        own = (struct sysctls)SYSCTLS_INIT;
    }
    if (r < 0) {
        rt_cleanup(rt);
        *rt = NULL;
        *fd = close_fd(*fd);
    }
    return r;
}

/* ---- in an existing namespace -----------------------------------------------------------------*/

/* Enters the namespace @fd. Returns an fd of the previous one, or -errno. */
static int enter(int fd, struct err *e)
{
    _cleanup_close_ int home = netns_self();
    if (home < 0)
        return err_set(e, home, "open this network namespace");
    if (setns(fd, CLONE_NEWNET) < 0)
        return err_set(e, errno, "enter the container's network namespace");
    return take_fd(home);
}

int netns_prepare(int fd, struct rt **rt, const struct sysctl *sysctls, struct sysctls *used,
                  struct err *e)
{
    *rt = NULL;
    _cleanup_close_ int home = enter(fd, e);
    if (home < 0)
        return home;
    *used = (struct sysctls)SYSCTLS_APART;
    int r = configure(&fd, rt, sysctls, used, e);
    go_home(home);
    if (r < 0) {
        rt_cleanup(rt);
        *rt = NULL;
    }
    return r;
}

int netns_sysctls(int fd, const struct sysctl *sysctls, struct err *e)
{
    _cleanup_close_ int home = enter(fd, e);
    if (home < 0)
        return home;
    _cleanup_sysctls_ struct sysctls used = SYSCTLS_APART;
    int r = write_all_sysctls(sysctls, &used, e);
    go_home(home);
    return r;
}

int netns_run(int fd, int (*work)(void *arg, struct err *e), void *arg, struct err *e)
{
    _cleanup_close_ int home = enter(fd, e);
    if (home < 0)
        return home;
    int r = work(arg, e);
    go_home(home);
    return r;
}

int netns_open_rt(int fd, struct rt **rt, struct err *e)
{
    _cleanup_close_ int home = enter(fd, e);
    if (home < 0)
        return home;
    int r = rt_open(rt, e);
    go_home(home);
    return r;
}

int netns_socket(int fd, int family, int type, int protocol, struct err *e)
{
    _cleanup_close_ int home = enter(fd, e);
    if (home < 0)
        return home;
    int s = socket(family, type | SOCK_CLOEXEC, protocol), why = errno;
    go_home(home);
    return s < 0 ? err_set(e, why, "open a socket in the container's network namespace") : s;
}

static int read_cookie(void *arg, struct err *e)
{
    socklen_t size = sizeof(uint64_t);
    _cleanup_close_ int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (s < 0 || getsockopt(s, SOL_SOCKET, SO_NETNS_COOKIE, arg, &size) < 0)
        return err_set(e, errno, "read the cookie of a network namespace (Linux 5.14)");
    return 0;
}

int netns_owner(int fd, struct err *e)
{
    int owner = ioctl(fd, NS_GET_USERNS);
    return owner < 0 ? err_set(e, errno, "find the owner of a network namespace") : owner;
}

int netns_owner_map(int fd, struct id_map *out, struct err *e)
{
    *out = (struct id_map){0};
    _cleanup_close_ int owner = netns_owner(fd, e);
    return owner < 0 ? owner : userns_read_map(owner, out, e);
}

int netns_cookie(int fd, uint64_t *out, struct err *e)
{
    *out = 0;
    return fd < 0 ? read_cookie(out, e) : netns_run(fd, read_cookie, out, e);
}

int netns_instance(const char *run, bool former, char **out, struct err *e)
{
    _cleanup_free_ char *boot = NULL, *text = NULL;
    uint64_t cookie;
    int r = boot_id(&boot, e);
    if (r == 0)
        r = netns_cookie(-1, &cookie, e);
    if (r < 0)
        return r;
    struct stat netns;
    if (former && stat("/proc/thread-self/ns/net", &netns) < 0)
        return err_set(e, errno, "look at this network namespace");
    if (former)
        text = xasprintf("%s %" PRIu64 " %s", boot, (uint64_t)netns.st_ino, run);
    else
        text = xasprintf("%s cookie %" PRIu64 " %s", boot, cookie, run);
    *out = xasprintf("%016" PRIx64, hash64(text));
    return 0;
}

int netns_of_process(pid_t pid, uint64_t start)
{
    _cleanup_close_ int process = pidfd_of(pid, start);
    if (process < 0)
        return process;
    _cleanup_free_ char *path = xasprintf("/proc/%d/ns/net", pid);
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? -ESRCH : -errno; /* a zombie has no namespaces */
    /* The pidfd still works, so the path led to this process. */
    int r = pidfd_signal(process, 0);
    return r < 0 ? r : take_fd(fd);
}

bool netns_is(int fd)
{
    return ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET;
}
