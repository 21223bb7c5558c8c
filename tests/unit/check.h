/* Shared by the unit tests: one line of output for each check, a temporary directory, a network namespace,
 * and children that cannot end the test.
 */
#pragma once

#include <netctr/netns.h>

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>

static int failures;

static inline void check(bool ok, const char *name, const char *why)
{
    printf("%s - %s%s%s\n", ok ? "ok" : "not ok", name, ok ? "" : ": ", ok ? "" : why);
    failures += !ok;
}

/** The same with a formatted reason. */
static inline __attribute__((format(printf, 3, 4))) void expect(bool ok, const char *name,
                                                                const char *format, ...)
{
    char why[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof(why), format, args);
    va_end(args);
    check(ok, name, why);
}

/** For a test that removes trees as root: in case of a defect only its own tmpfs on /tmp is in reach, because all other
 *  mounts are read-only from here on. False: do not go on. */
static inline bool enter_box(void)
{
    struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY};
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &read_only, sizeof(read_only)) == 0 &&
           mount("tmpfs", "/tmp", "tmpfs", 0, NULL) == 0 && access("/etc", W_OK) < 0 &&
           errno == EROFS;
}

/** The text of an error, printable even if there is none. */
static inline const char *text_of(const struct err *e)
{
    return e->text ? e->text : "no error";
}

/* ---- a directory of our own -------------------------------------------------------------------*/

struct scratch {
    char path[32];
    int fd;
};
static inline struct scratch scratch_open(void)
{
    struct scratch s = {.path = "/tmp/netctr-test.XXXXXX", .fd = -1};
    if (mkdtemp(s.path))
        s.fd = open(s.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s.fd < 0) {
        printf("not ok - a scratch directory: %s\n", strerror(errno));
        exit(1);
    }
    return s;
}
static inline void scratch_close(struct scratch *s)
{
    close(s->fd);
    (void)remove_tree_at(AT_FDCWD, s->path);
}
#define _cleanup_scratch_ __attribute__((cleanup(scratch_close)))

static inline void put_file(int dirfd, const char *path, const void *data, size_t size)
{
    int r = write_file_atomic(dirfd, path, data, size, 0644);
    if (r < 0)
        expect(false, path, "cannot be written: %s", strerror(-r));
}

static inline bool exists(int dirfd, const char *path)
{
    return faccessat(dirfd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- processes --------------------------------------------------------------------------------*/

/** Runs @test in a child and returns its exit status, or 128 + the signal that ended it. */
static inline int in_child(int (*test)(void *arg), void *arg)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        int status = test(arg);
        fflush(stdout);
        _exit(status);
    }
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return 255;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Mounts a tmpfs of 64 KiB at @path, in a mount namespace of this process. */
static inline bool small_tmpfs(const char *path)
{
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", path, "tmpfs", 0, "size=64k") == 0;
}

/** The number of fds of this process; to find leaks. */
static inline int open_fds(void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/** Enters a new network namespace, with loopback up; false: not permitted. */
static inline bool own_network(void)
{
    if (unshare(CLONE_NEWNET) < 0)
        return false;
    _cleanup_rt_ struct rt *rt = NULL;
    if (rt_open(&rt, NULL) < 0)
        return false;
    _cleanup_rt_batch_ struct rt_batch *b = rt_batch_new(rt);
    rt_set_up(b, 1);
    return rt_commit(b, NULL) == 0;
}

/** Reads a sysctl in the network namespace @fd. The caller frees. */
static inline char *sysctl_there(int fd, const char *key)
{
    _cleanup_close_ int home = netns_self();
    if (setns(fd, CLONE_NEWNET) < 0)
        return NULL;
    char *value = sysctl_read(key);
    if (setns(home, CLONE_NEWNET) < 0)
        exit(1);
    return value;
}
