/* Files. Three kinds of path exist and are never mixed:
 *
 *   - netctr's own on the host (state directories): only root can change them, so plain *at() calls do;
 *   - the user's on the host (root directories, sources of volumes): resolved once, when they are given.
 *     A process that can write to a parent directory, perhaps in a container, could add a link later, so
 *     the stored path is opened with links refused (open_canonical());
 *   - paths inside a root directory that a container may write to: each is resolved by
 *     openat2(RESOLVE_IN_ROOT) beneath a directory fd, so that no symbolic link, "..", mount or race
 *     leads out of it (CVE-2021-30465, CVE-2024-45310).
 */
#include <netctr/base.h>

#include <errno.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

int open_in_root(int dirfd, const char *path, int flags, mode_t mode, uint64_t resolve_extra)
{
    struct open_how how = {
        .flags = (uint64_t)(flags | O_CLOEXEC),
        .mode = (flags & (O_CREAT | __O_TMPFILE)) ? mode : 0,
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve_extra,
    };
    /* EAGAIN: a rename raced with the resolution of ".."; the kernel asks to try again */
    for (int tries = 0; tries < 128; tries++) {
        int fd = (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
        if (fd >= 0)
            return fd;
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
    }
    return -EAGAIN;
}

int open_canonical(const char *path, int flags)
{
    struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC),
                           .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    int fd;
    if (path[0] != '/')
        return -EINVAL;
    do {
        fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
    } while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

/* The target of the symbolic link at @path, as a path beneath the root; NULL if it is not a
 * link. */
static char *link_target_in_root(int dirfd, const char *path)
{
    _cleanup_close_ int link = open_in_root(dirfd, path, O_PATH | O_NOFOLLOW, 0, 0);
    if (link < 0)
        return NULL;
    char target[PATH_MAX];
    ssize_t n = readlinkat(link, "", target, sizeof(target) - 1);
    if (n <= 0)
        return NULL;
    target[n] = '\0';
    if (target[0] == '/')
        return xstrdup(target);
    const char *slash = strrchr(path, '/');
    return xasprintf("%.*s/%s", slash ? (int)(slash - path) : 0, path, target);
}

/* Enters @name in the directory @dir, creating it if it is missing; @so_far is its path. Returns 1
 * if it is a dangling link; *@target is its target then. */
static int enter_or_make(int dirfd, int dir, const char *name, const char *so_far, mode_t mode,
                         char **target)
{
    int fd = open_in_root(dirfd, so_far, O_PATH | O_DIRECTORY, 0, 0);
    if (fd != -ENOENT || streq(name, ".."))
        return fd;
    /* Creates the directory through the fd of its parent, never by the whole path. ".." and links
     * are left to the kernel's resolver, which knows the root. */
    if (mkdirat(dir, name, mode) == 0)
        return open_in_root(dirfd, so_far, O_PATH | O_DIRECTORY, 0, 0);
    if (errno != EEXIST)
        return -errno;
    *target = link_target_in_root(dirfd, so_far);
    return *target ? 1 : open_in_root(dirfd, so_far, O_PATH | O_DIRECTORY, 0, 0);
}

/* Creates what is missing of @path. Returns 1 if it contains a dangling link; *@instead is the path
 * through the target then. */
static int make_path(int dirfd, const char *path, mode_t mode, char **instead)
{
    const char *rest = path;
    _cleanup_free_ char *so_far = xstrdup("");
    _cleanup_close_ int dir = open_in_root(dirfd, ".", O_PATH | O_DIRECTORY, 0, 0);
    while (dir >= 0 && *(rest += strspn(rest, "/"))) {
        size_t length = strcspn(rest, "/");
        _cleanup_free_ char *name = xstrndup(rest, length), *before = so_far, *target = NULL;
        rest += length;
        so_far = xasprintf("%s/%s", before, name);
        int next = enter_or_make(dirfd, dir, name, so_far, mode, &target);
        if (target) {
            *instead = xasprintf("%s%s", target, rest);
            return 1;
        }
        close_fd(dir);
        dir = next;
    }
    return take_fd(dir);
}

/* Dangling links are followed as well: "/home -> var/home" in a root without /var. */
#define LINKS_MAX 40 /* as many as the kernel follows */

int mkdir_in_root(int dirfd, const char *path, mode_t mode)
{
    int fd = open_in_root(dirfd, path, O_PATH | O_DIRECTORY, 0, 0);
    if (fd != -ENOENT)
        return fd;
    _cleanup_free_ char *at = xstrdup(path);
    for (int links = 0; links < LINKS_MAX; links++) {
        char *instead = NULL;
        fd = make_path(dirfd, at, mode, &instead);
        if (!instead)
            return fd;
        free(at);
        at = instead;
    }
    return -ELOOP;
}

int touch_in_root(int dirfd, const char *path, mode_t mode)
{
    _cleanup_free_ char *at = xstrdup(path);
    for (int depth = 0; depth < LINKS_MAX; depth++) {
        int fd = open_in_root(dirfd, at, O_PATH, 0, 0);
        if (fd != -ENOENT)
            return fd;
        char *target = link_target_in_root(dirfd, at);
        if (target) {
            free(at);
            at = target;
            continue;
        }
        const char *slash = strrchr(at, '/');
        _cleanup_free_ char *parent = xstrndup(at, slash ? (size_t)(slash - at) : 0);
        _cleanup_close_ int dir = mkdir_in_root(dirfd, *parent ? parent : ".", 0755);
        if (dir < 0)
            return dir;
        const char *name = slash ? slash + 1 : at;
        fd = openat(dir, name, O_CREAT | O_EXCL | O_RDONLY | O_CLOEXEC | O_NOFOLLOW, mode);
        if (fd < 0 && errno == EEXIST)
            continue; /* another process was faster, perhaps with a link */
        if (fd < 0)
            return -errno;
        close_fd(fd);
        return open_in_root(dir, name, O_PATH | O_NOFOLLOW, 0, 0);
    }
    return -ELOOP;
}

int mkdir_parents(const char *path, mode_t mode, struct err *e)
{
    if (!*path)
        return err_say(e, -EINVAL, "the path of the directory is empty");
    _cleanup_free_ char *p = xstrdup(path);
    for (char *slash = p; slash;) {
        slash = strchr(slash + 1, '/');
        if (slash)
            *slash = '\0';
        if (mkdir(p, mode) < 0 && errno != EEXIST)
            return err_set(e, errno, "create directory `%s`", p);
        if (slash)
            *slash = '/';
    }
    return 0;
}

int read_fd(int fd, size_t max, char **out, size_t *size)
{
    _cleanup_free_ char *data = NULL;
    size_t used = 0, room = 0;
    for (;;) {
        if (used + 1 >= room) {
            room = room ? room * 2 : 4096;
            data = xrealloc(data, room, 1);
        }
        ssize_t n = read(fd, data + used, room - used - 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        used += (size_t)n;
        if (used > max)
            return -EFBIG;
    }
    data[used] = '\0';
    if (size)
        *size = used;
    *out = take_ptr(data);
    return 0;
}

/* A small file ends where the first read ends. -EAGAIN: it is larger, empty, or no regular file (most others cannot be
 * read at an offset), and has to be looked at. */
static int read_small(int fd, size_t max, char **out, size_t *size)
{
    char text[4096];
    ssize_t n;
    do {
        n = pread(fd, text, sizeof(text), 0);
    } while (n < 0 && errno == EINTR);
    if (n <= 0 || (size_t)n == sizeof(text) || (size_t)n > max)
        return -EAGAIN;
    char *copy = xrealloc(NULL, (size_t)n + 1, 1);
    memcpy(copy, text, (size_t)n);
    copy[n] = '\0';
    if (size)
        *size = (size_t)n;
    *out = copy;
    return 0;
}

/* The size is known: no second read has to find the end. */
static int read_known(int fd, size_t known, char **out, size_t *size)
{
    _cleanup_free_ char *data = xrealloc(NULL, known + 2, 1);
    ssize_t n;
    do {
        n = pread(fd, data, known + 1, 0);
    } while (n < 0 && errno == EINTR);
    if (n != (ssize_t)known)
        return -EAGAIN;
    data[known] = '\0';
    if (size)
        *size = known;
    *out = take_ptr(data);
    return 0;
}

/* O_NONBLOCK: opening a FIFO must not wait for a writer. */
static int read_regular(int dirfd, const char *path, int flags, size_t max, char **out,
                        size_t *size)
{
    struct stat st;
    /* Without O_NOFOLLOW links are followed everywhere, with it nowhere. */
    struct open_how how = {
        .flags = (uint64_t)(O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | flags),
        .resolve = flags & O_NOFOLLOW ? RESOLVE_NO_SYMLINKS : 0,
    };
    _cleanup_close_ int fd = strchr(path, '/') && how.resolve
                                 ? (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how))
                                 : openat(dirfd, path, (int)how.flags);
    if (fd < 0)
        return -errno;
    if ((flags & O_NOFOLLOW) && read_small(fd, max, out, size) == 0)
        return 0;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
    if ((flags & O_NOFOLLOW) && st.st_size > 0 && (uint64_t)st.st_size <= max &&
        read_known(fd, (size_t)st.st_size, out, size) == 0)
        return 0;
    return read_fd(fd, max, out, size);
}

int read_file_at(int dirfd, const char *path, size_t max, char **out, size_t *size)
{
    return read_regular(dirfd, path, 0, max, out, size);
}

int read_state_at(int dirfd, const char *path, size_t max, char **out, size_t *size)
{
    int r = read_regular(dirfd, path, O_NOFOLLOW, max, out, size);
    return r == -EISDIR || r == -ELOOP || r == -EINVAL || r == -EFBIG ? -EBADMSG : r;
}

int write_all(int fd, const void *data, size_t size)
{
    const char *p = data;
    while (size > 0) {
        ssize_t n = write(fd, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        p += n;
        size -= (size_t)n;
    }
    return 0;
}

/* No valid_name() ends like this, so the file cannot be another one's. */
static char *unfinished(const char *path)
{
    return xasprintf("%s~", path);
}

int tidy_file_at(int dirfd, const char *path)
{
    _cleanup_free_ char *temporary = unfinished(path);
    return unlinkat(dirfd, temporary, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int write_file_atomic(int dirfd, const char *path, const void *data, size_t size, mode_t mode)
{
    _cleanup_free_ char *temporary = unfinished(path);
    _cleanup_close_ int fd =
        openat(dirfd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return -errno;
    int r = write_all(fd, data, size);
    /* ext4 allocates blocks only at writeback, up to 30 s later, but commits the rename after 5 s:
     * a power failure in between leaves an empty file. Starting writeback now puts the data on disk
     * before the name, without waiting as fsync() does. If it fails, only this protection is
     * lost. */
    if (r == 0)
        (void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    if (r == 0 && renameat(dirfd, temporary, dirfd, path) < 0)
        r = -errno;
    if (r < 0)
        (void)unlinkat(dirfd, temporary, 0);
    return r;
}

int file_exists_at(int dirfd, const char *path)
{
    if (faccessat(dirfd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return 1;
    return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
}

int64_t file_age_ms(int fd)
{
    struct timespec now;
    struct stat st;
    if (clock_gettime(CLOCK_REALTIME, &now) < 0 || fstat(fd, &st) < 0)
        return INT64_MAX;
    int64_t age =
        (now.tv_sec - st.st_mtim.tv_sec) * 1000 + (now.tv_nsec - st.st_mtim.tv_nsec) / 1000000;
    return age < 0 ? INT64_MAX : age;
}

int write_existing_at(int dirfd, const char *path, const char *text)
{
    _cleanup_close_ int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return -errno;
    ssize_t n;
    do {
        n = write(fd, text, strlen(text));
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    return (size_t)n == strlen(text) ? 0 : -EIO;
}

DIR *open_listing(int dirfd, const char *path)
{
    _cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (d)
        (void)take_fd(fd);
    return d;
}

int names_in(int fd, strv *out)
{
    char entries[4096] __attribute__((aligned(__alignof__(struct dirent64))));
    struct strings names = {0};
    ssize_t n;
    while ((n = getdents64(fd, entries, sizeof(entries))) > 0)
        for (ssize_t at = 0; at < n;) {
            const struct dirent64 *entry = (const struct dirent64 *)(entries + at);
            at += entry->d_reclen;
            if (!streq(entry->d_name, ".") && !streq(entry->d_name, ".."))
                strings_add(&names, entry->d_name);
        }
    int r = n < 0 ? -errno : 0;
    *out = strings_take(&names);
    return r;
}

struct dirent *next_entry(DIR *d, int *r)
{
    errno = 0;
    struct dirent *entry = readdir(d);
    if (!entry && errno)
        *r = -errno;
    return entry;
}

/* ---- removing a tree -------------------------------------------------------------------------
 * A hostile tree can be deeper than a process may have fds. So a branch that is too deep is not
 * followed down, but renamed to the root of the tree, where a later pass finds it. Nothing ever goes up
 * by "..", so that moving directories meanwhile cannot lead out of the tree. File systems mounted in it
 * are not entered, not even bind mounts of the same device.
 */
#define OPEN_LEVELS 24
#define MOVED ".netctr-removed-"

struct removal {
    int top;        /* fd of the tree's root */
    unsigned moved; /* number of renamed branches, for their names */
    bool again;     /* the root has new entries: read it again */
    int first_error;
};

static int open_real_directory(int dirfd, const char *name)
{
    struct open_how how = {
        .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
        .resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH,
    };
    int fd = (int)syscall(SYS_openat2, dirfd, name, &how, sizeof(how));
    return fd < 0 ? -errno : fd;
}

static void note_failure(struct removal *r, int error)
{
    if (!r->first_error && error != -ENOENT)
        r->first_error = error;
}

static void move_to_top(struct removal *r, int dir, const char *name)
{
    _cleanup_free_ char *aside = xasprintf(MOVED "%d-%u", getpid(), r->moved++);
    if (renameat(dir, name, r->top, aside) < 0)
        note_failure(r, -errno);
    else
        r->again = true;
}

/* Empties @dir and closes it. */
static void empty_directory(struct removal *r, int dir, int level)
{
    _cleanup_dir_ DIR *d = fdopendir(dir);
    if (!d) {
        note_failure(r, -errno);
        close(dir);
        return;
    }
    int read = 0;
    for (struct dirent *entry; (entry = next_entry(d, &read));) {
        const char *name = entry->d_name;
        if (streq(name, ".") || streq(name, "..") || unlinkat(dir, name, 0) == 0)
            continue;
        if (errno != EISDIR) {
            note_failure(r, -errno);
            continue;
        }
        if (level == OPEN_LEVELS) {
            move_to_top(r, dir, name);
            continue;
        }
        int below = open_real_directory(dir, name);
        if (below >= 0)
            empty_directory(r, below, level + 1);
        else
            note_failure(r, below);
        if (unlinkat(dir, name, AT_REMOVEDIR) < 0)
            note_failure(r, -errno);
    }
    if (read < 0)
        note_failure(r, read);
}

/* Removes one directory like rm -r: what cannot be removed stays, and so do its parents. */
static int remove_directory(int dirfd, const char *name)
{
    _cleanup_close_ int top = open_real_directory(dirfd, name);
    if (top < 0)
        return top == -ENOENT ? 0 : top;
    struct removal r = {.top = top, .again = true};
    while (r.again) {
        r.again = false;
        int again = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (again < 0)
            return -errno;
        empty_directory(&r, again, 1);
    }
    if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT && !r.first_error)
        return -errno;
    return r.first_error;
}

int remove_tree_at(int dirfd, const char *name)
{
    const char *slash = strrchr(name, '/');
    if (slash) { /* the path to it may cross mounts; it and its contents may not */
        _cleanup_free_ char *parent = xstrndup(name, (size_t)(slash - name) + 1);
        _cleanup_close_ int fd = openat(dirfd, parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
            return errno == ENOENT ? 0 : -errno;
        return remove_tree_at(fd, slash + 1);
    }
    if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
        return 0;
    return errno == EISDIR ? remove_directory(dirfd, name) : -errno;
}

char *fd_path(int fd)
{
    return xasprintf("/proc/self/fd/%d", fd);
}

int fd_read_path(int fd, char **out)
{
    _cleanup_free_ char *link = fd_path(fd), *path = xcalloc(PATH_MAX, 1);
    ssize_t n = readlink(link, path, PATH_MAX);
    if (n < 0 || n == PATH_MAX)
        return n < 0 ? -errno : -ENAMETOOLONG;
    *out = take_ptr(path);
    return 0;
}

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

int memfd_executable(unsigned flags)
{
    int fd = memfd_create("netctr", MFD_CLOEXEC | MFD_EXEC | flags);
    if (fd < 0 && errno == EINVAL) /* Linux before 6.3: every memfd can be executed */
        fd = memfd_create("netctr", MFD_CLOEXEC | flags);
    return fd < 0 ? -errno : fd;
}
