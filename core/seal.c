/* Protects netctr's own binary. While netctr enters a container (run, exec), a hostile process inside can open
 * /proc/PID/exe and, once we are gone, write to it: the host's netctr (CVE-2019-5736). Writing needs a writable
 * mount, so netctr runs from one that is not: a read-only clone of the file's mount, attached nowhere, which lives
 * as long as the process. No data is copied. Where that is not possible, a sealed copy in memory does the same.
 *
 * execve leads back to seal_self(), which cannot loop: it checks the file that it runs from, not a variable that
 * the caller could set.
 */
#include <netctr/core.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/statvfs.h>

static const char own_binary[] = "/proc/self/exe";
enum { ALL_SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE };

static int on_sealed_memfd(bool *sealed)
{
    _cleanup_close_ int fd = open(own_binary, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int seals = fcntl(fd, F_GET_SEALS); /* EINVAL on a file system without seals */
    *sealed = seals >= 0 && (seals & F_SEAL_WRITE);
    return 0;
}

static int is_sealed(bool *sealed)
{
    struct statvfs st;
    if (statvfs(own_binary, &st) < 0)
        return -errno;
    *sealed = st.f_flag & ST_RDONLY;
    return *sealed ? 0 : on_sealed_memfd(sealed);
}

/* An fd of our binary on a read-only mount of its own. */
static int read_only_clone(void)
{
    _cleanup_close_ int fd = open_tree(AT_FDCWD, own_binary, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (fd < 0)
        return -errno;
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV};
    if (mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
        return -errno;
    return take_fd(fd);
}

/* An fd of a sealed copy of our binary in memory. */
static int sealed_copy(void)
{
    _cleanup_close_ int from = open(own_binary, O_RDONLY | O_CLOEXEC);
    if (from < 0)
        return -errno;
    struct stat st;
    if (fstat(from, &st) < 0)
        return -errno;
    _cleanup_close_ int to = memfd_executable(MFD_ALLOW_SEALING);
    if (to < 0)
        return to;
    for (off_t left = st.st_size; left > 0;) {
        ssize_t n = sendfile(to, from, NULL, (size_t)left);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        left -= n;
    }
    if (fcntl(to, F_ADD_SEALS, ALL_SEALS) < 0)
        return -errno;
    return take_fd(to);
}

/* Executes the file of @fd; returns only on failure. */
static int become(int fd, char **argv)
{
    if (fd < 0)
        return fd;
    execveat(fd, "", argv, environ, AT_EMPTY_PATH);
    int r = -errno;
    close(fd);
    return r;
}

int seal_self(char **argv, struct err *e)
{
    bool sealed = false;
    int r = is_sealed(&sealed);
    if (r < 0)
        return err_set(e, r, "look at `%s`", own_binary);
    if (sealed) {
        /* the kernel names a process that was executed by fd after the fd's number */
        (void)prctl(PR_SET_NAME, "netctr", 0, 0, 0);
        return 0;
    }
    int clone = become(read_only_clone(), argv);
    int copy = become(sealed_copy(), argv);
    r = err_set(e, copy, "protect netctr's binary from the container by a copy in memory");
    err_hint(e,
             "a read-only mount of it is not possible either (%s); put netctr on a read-only "
             "file system",
             strerrordesc_np(-clone));
    return r;
}
