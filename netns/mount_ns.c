/* The mount namespace that holds all pins, and the one mount that keeps it.
 *
 *     RUN/pins/            locked while a pin is added or removed
 *     RUN/pins/namespace   the mount namespace is mounted on this file. The file itself, which only callers in other
 *                          mount namespaces see, says in which one: they cannot reach it and must not make a second.
 *
 * To mount on a file of a shared mount with peers is EINVAL for a mount namespace, since the kernel would have to copy
 * it. There RUN/pins becomes a private mount of its own first.
 */
#include "mount_ns.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <time.h>

#define DIRECTORY "pins"
#define FILE_NAME DIRECTORY "/namespace"

/* ---- there and back ---------------------------------------------------------------------------*/

/* setns() to a mount namespace changes root and working directory as well. */
struct home {
    int ns, root, cwd;
};

static int leave_home(int ns, struct home *h, struct err *e)
{
    h->ns = open("/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC);
    h->root = h->ns < 0 ? -1 : open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    h->cwd = h->root < 0 ? -1 : open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (h->cwd < 0)
        return err_set(e, errno, "open this mount namespace and its directories");
    if (setns(ns, CLONE_NEWNS) < 0)
        return err_set(e, errno, "enter another mount namespace");
    return 0;
}

static bool is_back(const struct home *h)
{
    return setns(h->ns, CLONE_NEWNS) == 0 && fchdir(h->root) == 0 && chroot(".") == 0 &&
           fchdir(h->cwd) == 0;
}

static void go_home(const struct home *h)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    int why = 0;
    /* Memory may be short for a moment. */
    for (int tries = 0; tries < 100; tries++, nanosleep(&pause, NULL)) {
        if (is_back(h))
            return;
        why = errno;
    }
    /* All that follows, undo included, would find other files. The next command cleans up, as after any crash. */
    fprintf(stderr, "netctr: cannot return to the host's mount namespace: %s\n", strerror(why));
    _exit(EXIT_NETCTR);
}

int mount_ns_run(int ns, int (*work)(void *arg, struct err *e), void *arg, struct err *e)
{
    struct home home = {-1, -1, -1};
    int r = leave_home(ns, &home, e);
    if (r == 0) {
        r = work(arg, e);
        go_home(&home);
    }
    close_fd(home.ns);
    close_fd(home.root);
    close_fd(home.cwd);
    return r;
}

/* ---- where ------------------------------------------------------------------------------------*/

static bool same_file(int a, int b)
{
    struct stat one, two;
    return fstat(a, &one) == 0 && fstat(b, &two) == 0 && one.st_dev == two.st_dev &&
           one.st_ino == two.st_ino;
}

/* RUN as process 1 sees it; -1 if that is another directory, or cannot be found out. */
static int run_of_first(int run_fd)
{
    _cleanup_free_ char *path = NULL;
    if (fd_read_path(run_fd, &path) < 0)
        return -1;
    _cleanup_free_ char *there = xasprintf("/proc/1/root%s", path);
    _cleanup_close_ int dir = open(there, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return dir >= 0 && same_file(dir, run_fd) ? take_fd(dir) : -1;
}

int pins_find_place(int run_fd, struct pins_place *out, struct err *e)
{
    _cleanup_close_ int own = open("/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC);
    if (own < 0)
        return err_set(e, errno, "open this mount namespace");
    _cleanup_close_ int first = open("/proc/1/ns/mnt", O_RDONLY | O_CLOEXEC);
    _cleanup_close_ int dir = first >= 0 && !same_file(first, own) ? run_of_first(run_fd) : -1;
    out->ns = dir >= 0 ? take_fd(first) : take_fd(own);
    out->dir = dir >= 0 ? take_fd(dir) : fcntl(run_fd, F_DUPFD_CLOEXEC, 3);
    if (out->dir < 0) {
        out->ns = close_fd(out->ns);
        return err_set(e, errno, "open the run directory");
    }
    return 0;
}

/* What the file says beneath the mount. */
static char *mark_text(const struct pins_place *place)
{
    _cleanup_free_ char *boot = NULL;
    return boot_id(&boot, NULL) < 0 ? NULL
                                    : xasprintf("%s %" PRIu64 "\n", boot, netns_inode(place->ns));
}

/* Nothing is mounted at @place. Is it mounted in a mount namespace that this process does not know? */
static int is_elsewhere(const struct pins_place *place, int file, struct err *e)
{
    _cleanup_free_ char *is = NULL, *own = mark_text(place), *path = NULL;
    if (read_fd(file, 128, &is, NULL) < 0 || !own || !*is || streq(is, own))
        return 0;
    if (strncmp(is, own, strcspn(own, " ")) != 0) /* of another boot */
        return 0;
    (void)fd_read_path(place->dir, &path);
    err_say(e, -EXDEV, "pins of `%s` are out of reach: they were made in another mount namespace",
            path ? path : "RUN");
    err_hint(e, "use netctr there; if it is gone, remove %s/" FILE_NAME, path ? path : "RUN");
    return -EXDEV;
}

int pins_find_namespace(const struct pins_place *place, struct err *e)
{
    _cleanup_close_ int fd =
        openat(place->dir, FILE_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? -ENOENT : err_set(e, errno, "open the mount namespace of pins");
    if (ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNS)
        return take_fd(fd);
    int r = is_elsewhere(place, fd, e);
    return r < 0 ? r : -ENOENT;
}

/* ---- the lock ---------------------------------------------------------------------------------*/

/* 1: @fd is still what the path leads to. Mounting the directory on itself does not change that. */
static int still_there(const struct pins_place *place, int fd)
{
    struct stat own, there;
    return fstat(fd, &own) == 0 &&
           fstatat(place->dir, DIRECTORY, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
           own.st_dev == there.st_dev && own.st_ino == there.st_ino;
}

int pins_lock(const struct pins_place *place, bool make, struct err *e)
{
    for (;;) {
        if (make && mkdirat(place->dir, DIRECTORY, 0700) < 0 && errno != EEXIST)
            return err_set(e, errno, "make the directory of pins");
        _cleanup_close_ int fd =
            openat(place->dir, DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 && errno == ENOENT && make)
            continue; /* the last pin went in between */
        if (fd < 0)
            return errno == ENOENT ? -ENOENT : err_set(e, errno, "open the directory of pins");
        int r = lock_fd(fd, LOCK_EX);
        if (r < 0)
            return lock_failed(r, place->dir, DIRECTORY, "the directory of pins", e);
        if (still_there(place, fd))
            return take_fd(fd);
    }
}

/* ---- made -------------------------------------------------------------------------------------*/

struct making {
    int proc;  /* /proc/thread-self/ns: for where there is no /proc */
    int space; /* the namespace */
    const struct pins_place *place;
};

/* A tmpfs, attached to nothing. */
static int make_tmpfs(struct err *e)
{
    _cleanup_close_ int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
    if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0700", 0) < 0 ||
        fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return err_set(e, errno, "make the file system of pins");
    int fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    return fd < 0 ? err_set(e, errno, "make the file system of pins") : fd;
}

/* Makes the tmpfs the root and lets go of all other mounts, which are private copies by now. */
static int replace_root(struct err *e)
{
    _cleanup_close_ int root = make_tmpfs(e);
    if (root < 0)
        return root;
    if (move_mount(root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0 || fchdir(root) < 0)
        return err_set(e, errno, "mount the file system of pins");
    if (syscall(SYS_pivot_root, ".", ".") < 0)
        return err_set(e, errno, "make the file system of pins the root");
    if (umount2(".", MNT_DETACH) < 0)
        return err_set(e, errno, "detach the other mounts from the mount namespace of pins");
    return 0;
}

static int make_space(void *arg, struct err *e)
{
    struct making *m = arg;
    if (unshare(CLONE_NEWNS) < 0)
        return err_set(e, errno, "make the mount namespace of pins");
    m->space = openat(m->proc, "mnt", O_RDONLY | O_CLOEXEC);
    if (m->space < 0)
        return err_set(e, errno, "open the mount namespace of pins");
    /* Without this, the host would lose its mounts as this namespace does. */
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return err_set(e, errno, "make the mounts of the namespace of pins private");
    return replace_root(e);
}

static bool is_mount(const char *path)
{
    struct statx st;
    return statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &st) == 0 &&
           (st.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

/* RUN/pins as a private mount of its own. */
static int part_from_peers(void)
{
    if (!is_mount(DIRECTORY) && mount(DIRECTORY, DIRECTORY, NULL, MS_BIND, NULL) < 0)
        return -errno;
    return mount(NULL, DIRECTORY, NULL, MS_PRIVATE, NULL) < 0 ? -errno : 0;
}

static int attach(int space)
{
    _cleanup_close_ int tree =
        open_tree(space, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    return tree < 0 || move_mount(tree, "", AT_FDCWD, FILE_NAME, MOVE_MOUNT_F_EMPTY_PATH) < 0
               ? -errno
               : 0;
}

static int keep_space(void *arg, struct err *e)
{
    struct making *m = arg;
    if (fchdir(m->place->dir) < 0)
        return err_set(e, errno, "enter the run directory");
    _cleanup_close_ int file =
        open(FILE_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0)
        return err_set(e, errno, "make the file of the mount namespace of pins");
    int r = attach(m->space);
    if (r == -EINVAL && (r = part_from_peers()) == 0)
        r = attach(m->space);
    if (r < 0)
        return err_set(e, r, "mount the mount namespace of pins");
    /* Only a hint for callers that cannot see the mount: a full disk does not matter. */
    _cleanup_free_ char *text = mark_text(m->place);
    if (text)
        (void)write_all(file, text, strlen(text));
    return 0;
}

static int make_once(struct making *m, struct err *e)
{
    m->space = close_fd(m->space);
    err_clear(e);
    int r = mount_ns_run(m->place->ns, make_space, m, e);
    return r < 0 ? r : mount_ns_run(m->place->ns, keep_space, m, e);
}

/* The kernel mounts a mount namespace only where its number is higher, so that two never hold each other. Linux 6.18
 * hands these numbers out in a block for each processor: a namespace made on another one than the place's may be newer
 * and have a lower number. On the same one it never has. */
static int make_on_each_cpu(struct making *m, struct err *e)
{
    cpu_set_t usual, one;
    int r = -ELOOP;
    if (sched_getaffinity(0, sizeof(usual), &usual) < 0)
        return r;
    for (int cpu = 0; cpu < CPU_SETSIZE && r == -ELOOP; cpu++) {
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        if (CPU_ISSET(cpu, &usual) && sched_setaffinity(0, sizeof(one), &one) == 0)
            r = make_once(m, e);
    }
    (void)sched_setaffinity(0, sizeof(usual), &usual); /* was allowed before */
    return r;
}

int pins_make_namespace(const struct pins_place *place, struct err *e)
{
    _cleanup_close_ int proc = open("/proc/thread-self/ns", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (proc < 0)
        return err_set(e, errno, "open the namespaces of this process");
    struct making m = {.proc = proc, .space = -1, .place = place};
    int r = make_once(&m, e);
    if (r == -ELOOP)
        r = make_on_each_cpu(&m, e);
    if (r < 0)
        m.space = close_fd(m.space);
    return r < 0 ? r : m.space;
}

/* ---- removed ----------------------------------------------------------------------------------*/

static int remove_space(void *arg, struct err *e)
{
    const struct pins_place *place = arg;
    if (fchdir(place->dir) < 0)
        return err_set(e, errno, "enter the run directory");
    /* EINVAL: a file without a mount. */
    if (umount2(FILE_NAME, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT)
        return err_set(e, errno, "unmount the mount namespace of pins");
    if (unlink(FILE_NAME) < 0 && errno != ENOENT)
        return err_set(e, errno, "remove the file of the mount namespace of pins");
    if (is_mount(DIRECTORY) && umount2(DIRECTORY, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
        return err_set(e, errno, "unmount the directory of pins");
    return rmdir(DIRECTORY) < 0 && errno != ENOENT
               ? err_set(e, errno, "remove the directory of pins")
               : 0;
}

int pins_remove_namespace(const struct pins_place *place, struct err *e)
{
    return mount_ns_run(place->ns, remove_space, (void *)place, e);
}
