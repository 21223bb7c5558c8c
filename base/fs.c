/* Files. Two kinds of path exist and are never mixed:
 *
 *   - the host's own (state directories): only root can change them, plain *at() calls do;
 *   - those inside a root directory that a container may write to: every one is resolved by
 *     openat2(RESOLVE_IN_ROOT) beneath a directory fd, so that no symbolic link, "..", mount or
 *     race leads out of it (CVE-2021-30465, CVE-2024-45310).
 */
#include <netctr/base.h>

#include <errno.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>

int open_in_root(int dirfd, const char *path, int flags, mode_t mode, uint64_t resolve_extra)
{
    struct open_how how = {
        .flags = (uint64_t)(flags | O_CLOEXEC),
        .mode = (flags & (O_CREAT | __O_TMPFILE)) ? mode : 0,
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve_extra,
    };
    /* EAGAIN: the kernel saw a rename race while it resolved ".." and asks for another try */
    for (int tries = 0; tries < 128; tries++) {
        int fd = (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
        if (fd >= 0)
            return fd;
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
    }
    return -EAGAIN;
}

int mkdir_in_root(int dirfd, const char *path, mode_t mode)
{
    int fd = open_in_root(dirfd, path, O_PATH | O_DIRECTORY, 0, 0);
    if (fd != -ENOENT)
        return fd;
    _cleanup_strv_ strv parts = strv_split(path, '/');
    _cleanup_free_ char *so_far = xstrdup("");
    fd = open_in_root(dirfd, ".", O_PATH | O_DIRECTORY, 0, 0);
    strv_each(part, parts)
    {
        if (fd < 0)
            return fd;
        if (!*part || streq(part, "."))
            continue;
        char *longer = xasprintf("%s/%s", so_far, part);
        free(so_far);
        so_far = longer;
        /* The new directory is made in the directory that we hold, never by the whole path; ".."
         * and links are left to the resolver, which knows the root. */
        int next = open_in_root(dirfd, so_far, O_PATH | O_DIRECTORY, 0, 0);
        if (next == -ENOENT) {
            if (streq(part, "..")) {
                close(fd);
                return -ENOENT;
            }
            if (mkdirat(fd, part, mode) < 0 && errno != EEXIST)
                next = -errno;
            else
                next = open_in_root(dirfd, so_far, O_PATH | O_DIRECTORY, 0, 0);
        }
        close(fd);
        fd = next;
    }
    return fd;
}

/* Where the symbolic link at @path points, as a path beneath the root; NULL if it is no link. */
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

int touch_in_root(int dirfd, const char *path, mode_t mode)
{
    _cleanup_free_ char *at = xstrdup(path);
    for (int depth = 0; depth < 40; depth++) {
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
            continue; /* somebody else was faster, perhaps with a link */
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
        return err_say(e, -EINVAL, "the path of a directory is empty");
    _cleanup_free_ char *p = xstrdup(path);
    for (char *slash = p; slash;) {
        slash = strchr(slash + 1, '/');
        if (slash)
            *slash = '\0';
        if (mkdir(p, mode) < 0 && errno != EEXIST)
            return err_set(e, errno, "make directory `%s`", p);
        if (slash)
            *slash = '/';
    }
    return 0;
}

int read_file_at(int dirfd, const char *path, size_t max, char **out, size_t *size)
{
    _cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return -errno;
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

int write_file_atomic(int dirfd, const char *path, const void *data, size_t size, mode_t mode)
{
    /* no valid_name() ends like this, so it is nobody else's file */
    _cleanup_free_ char *temporary = xasprintf("%s~", path);
    _cleanup_close_ int fd =
        openat(dirfd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return -errno;
    int r = write_all(fd, data, size);
    if (r == 0 && renameat(dirfd, temporary, dirfd, path) < 0)
        r = -errno;
    if (r < 0)
        (void)unlinkat(dirfd, temporary, 0);
    return r;
}

int write_existing_at(int dirfd, const char *path, const char *text)
{
    _cleanup_close_ int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return -errno;
    ssize_t n = write(fd, text, strlen(text));
    if (n < 0)
        return -errno;
    return (size_t)n == strlen(text) ? 0 : -EIO;
}

/* ---- removing a tree -------------------------------------------------------------------------
 * A hostile tree can be deeper than a process may have fds or stack. So the way down is a list on
 * the heap, and only the last directories of it are open; an earlier one is opened again as ".." of
 * its child, and must still be the same directory then, whoever moves directories meanwhile.
 */
#define OPEN_LEVELS 16

struct level {
    char *name; /* in the level before */
    DIR *dir;   /* NULL: closed for now */
    dev_t device;
    ino_t inode;
    strv kept; /* what could not be removed, to be passed over when @dir is read again */
};

struct descent {
    struct level *levels;
    size_t depth, room;
    int first_error;
};

static void pop_level(struct descent *d)
{
    struct level *l = &d->levels[--d->depth];
    cleanup_dir(&l->dir);
    free(l->name);
    strv_free(l->kept);
}

static void descent_clear(struct descent *d)
{
    while (d->depth > 0)
        pop_level(d);
    free(d->levels);
}

/* Never through a symbolic link, never into a mount: not even a bind mount of the same device. */
static int open_real_directory(int dirfd, const char *name)
{
    struct open_how how = {
        .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
        .resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS,
    };
    int fd = (int)syscall(SYS_openat2, dirfd, name, &how, sizeof(how));
    return fd < 0 ? -errno : fd;
}

static int push_level(struct descent *d, int dirfd, const char *name)
{
    _cleanup_close_ int fd = open_real_directory(dirfd, name);
    struct stat st;
    if (fd < 0)
        return fd;
    if (fstat(fd, &st) < 0)
        return -errno;
    DIR *dir = fdopendir(fd);
    if (!dir)
        return -errno;
    (void)take_fd(fd); /* the stream's */
    if (d->depth == d->room) {
        d->room = d->room ? d->room * 2 : 64;
        d->levels = xrealloc(d->levels, d->room, sizeof(*d->levels));
    }
    d->levels[d->depth++] = (struct level){xstrdup(name), dir, st.st_dev, st.st_ino, NULL};
    if (d->depth > OPEN_LEVELS) {
        struct level *far = &d->levels[d->depth - 1 - OPEN_LEVELS];
        cleanup_dir(&far->dir);
        far->dir = NULL;
    }
    return 0;
}

/* Opens the level before the last one again, if it is closed. */
static int reopen_parent(struct descent *d)
{
    struct level *child = &d->levels[d->depth - 1], *parent = child - 1;
    if (parent->dir)
        return 0;
    _cleanup_close_ int fd = open_real_directory(dirfd(child->dir), "..");
    struct stat st;
    if (fd < 0)
        return fd;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (st.st_dev != parent->device || st.st_ino != parent->inode)
        return -ESTALE;
    parent->dir = fdopendir(fd);
    if (!parent->dir)
        return -errno;
    (void)take_fd(fd); /* the stream's */
    return 0;
}

static void keep(struct descent *d, const char *name, int error)
{
    if (!d->first_error)
        d->first_error = error;
    strv_add(&d->levels[d->depth - 1].kept, name);
}

/* The last level is empty, or as empty as it gets: it goes. */
static int leave_level(struct descent *d)
{
    int r = reopen_parent(d);
    if (r < 0)
        return r;
    bool complete = !d->levels[d->depth - 1].kept;
    _cleanup_free_ char *name = take_ptr(d->levels[d->depth - 1].name);
    pop_level(d);
    int parent = dirfd(d->levels[d->depth - 1].dir);
    if (!complete)
        keep(d, name, d->first_error);
    else if (unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        keep(d, name, -errno);
    return 0;
}

/* Removes one entry of the last level, or goes down into it. */
static void remove_entry(struct descent *d, const char *name)
{
    struct level *l = &d->levels[d->depth - 1];
    strv_each(kept, l->kept)
    {
        if (streq(kept, name))
            return;
    }
    int fd = dirfd(l->dir);
    if (unlinkat(fd, name, 0) == 0 || errno == ENOENT)
        return;
    int r = -errno;
    if (r == -EISDIR && (r = push_level(d, fd, name)) == 0)
        return;
    if (r != -ENOENT)
        keep(d, name, r);
}

int remove_tree_at(int dirfd, const char *name)
{
    const char *slash = strrchr(name, '/');
    if (slash) { /* the way to it may cross mounts; it and what is in it may not */
        _cleanup_free_ char *parent = xstrndup(name, (size_t)(slash - name) + 1);
        _cleanup_close_ int fd = openat(dirfd, parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
            return errno == ENOENT ? 0 : -errno;
        return remove_tree_at(fd, slash + 1);
    }
    if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR)
        return -errno;
    struct descent d = {0};
    int r = push_level(&d, dirfd, name);
    while (r == 0) {
        struct dirent *entry = readdir(d.levels[d.depth - 1].dir);
        if (entry && !streq(entry->d_name, ".") && !streq(entry->d_name, ".."))
            remove_entry(&d, entry->d_name);
        else if (!entry && d.depth == 1)
            break;
        else if (!entry)
            r = leave_level(&d);
    }
    r = r < 0 ? r : d.first_error;
    descent_clear(&d);
    if (r == -ENOENT)
        return 0;
    return r < 0 ? r : unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

char *fd_path(int fd)
{
    return xasprintf("/proc/self/fd/%d", fd);
}
