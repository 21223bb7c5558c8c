/* From an archive to files. Neither the archive nor the place is trusted: the archive may come from a container, and the
 * place may be one in which a program moves directories meanwhile. So every path is walked name by name from the target,
 * by fds, without links and without "..", and what exists is replaced, never opened.
 */
#include "tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/time.h>

enum {
    BLOCK = 1 << 17,
    LEVELS_MAX = 200 /* of directories whose time is set later; each is held open */
};

/* A directory that more may come into. */
struct level {
    int fd;
    char *path;
    struct timespec times[2];
};

struct unpacker {
    const struct tar_target *target;
    struct archive *in;
    struct archive_entry *entry; /* the present one */
    int top;                     /* the directory that names begin at; -1: @file is all */
    int file;                    /* O_PATH: an existing file that gets new contents; -1 */
    char *name; /* what the top of the archive is called there; NULL: as there. It may be a path */
    uint64_t devices, attributes;    /* left out */
    struct level levels[LEVELS_MAX]; /* each is below the one before it */
    size_t depth;
};

static int archive_failed(const struct unpacker *u, struct err *e)
{
    const char *words = archive_error_string(u->in);
    int code = archive_errno(u->in);
    err_say(e, code > 0 ? -code : -EBADMSG, "read the archive: %s",
            words ? words : "it is damaged");
    if (u->target->stream)
        err_hint(e, "a tar archive is wanted, not a compressed one");
    return code > 0 ? -code : -EBADMSG;
}

/* ---- paths -----------------------------------------------------------------------------------*/

static int open_at(const struct tar_target *t, const char *path, int flags)
{
    if (t->root >= 0)
        return open_in_root(t->root, path, flags, 0, 0);
    int fd = open(path, flags | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* The names of a path, without "." and empty ones. */
static int take_names(const char *path, strv *names, struct err *e)
{
    _cleanup_strv_ strv parts = strv_split(path, '/');
    strv_each (part, parts) {
        if (streq(part, ".."))
            return err_say(e, -EPERM,
                           "the archive has the path `%s`, which leads out of the target", path);
        if (*part && !streq(part, "."))
            strv_add(names, part);
    }
    return 0;
}

static int entry_names(const struct unpacker *u, const char *path, strv *names, struct err *e)
{
    if (!path)
        return err_say(e, -EBADMSG, "the archive has a file without a name");
    int r = u->name ? take_names(u->name, names, e) : 0;
    return r < 0 ? r : take_names(path, names, e);
}

static int enter(int at, const char *name)
{
    int fd = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* The directory above the last of @names; missing ones are made. */
static int open_parent(const struct unpacker *u, strv names, struct err *e)
{
    _cleanup_close_ int at = fcntl(u->top, F_DUPFD_CLOEXEC, 3);
    for (size_t i = 0; at >= 0 && names[i + 1]; i++) {
        int next = enter(at, names[i]);
        if (next == -ENOENT && (mkdirat(at, names[i], 0755) == 0 || errno == EEXIST))
            next = enter(at, names[i]);
        if (next == -ENOTDIR || next == -ELOOP)
            return err_say(e, -ENOTDIR, "`%s` in the target is not a directory", names[i]);
        if (next < 0)
            return err_set(e, next, "make directory `%s`", names[i]);
        close_fd(at);
        at = next;
        if (tar_is_kernels(at))
            return err_say(e, -EPERM, "`%s` in the target belongs to the kernel", names[i]);
    }
    return at < 0 ? err_set(e, errno, "open the target") : take_fd(at);
}

/* ---- attributes ------------------------------------------------------------------------------*/

static void owner_of(const struct unpacker *u, uid_t *uid, gid_t *gid)
{
    *uid = u->target->owners ? (uid_t)archive_entry_uid(u->entry) : geteuid();
    *gid = u->target->owners ? (gid_t)archive_entry_gid(u->entry) : getegid();
}

static void times_of(const struct unpacker *u, struct timespec times[2])
{
    times[0] = (struct timespec){.tv_nsec = UTIME_OMIT};
    times[1] = (struct timespec){.tv_sec = archive_entry_mtime(u->entry),
                                 .tv_nsec = archive_entry_mtime_nsec(u->entry)};
}

/* After the owner, which clears these bits and capabilities. */
static int set_attributes(struct unpacker *u, int fd, const char *name, struct err *e)
{
    struct timespec times[2];
    uid_t uid;
    gid_t gid;
    mode_t mode = archive_entry_perm(u->entry) & (u->target->owners ? 07777 : 01777);
    owner_of(u, &uid, &gid);
    times_of(u, times);
    if (fchown(fd, uid, gid) < 0)
        return err_set(e, errno, "set the owner of `%s`", name);
    if (fchmod(fd, mode) < 0)
        return err_set(e, errno, "set the mode of `%s`", name);
    u->attributes += tar_set_attributes(fd, u->entry, u->target->owners);
    (void)futimens(fd, times);
    return 0;
}

/* Sets the times of those that @path (NULL: nothing more) is not in. An archive goes through one directory after the other. */
static void leave_levels(struct unpacker *u, const char *path)
{
    while (u->depth) {
        struct level *l = &u->levels[u->depth - 1];
        const char *rest = path ? skip_prefix(path, l->path) : NULL;
        if (rest && *rest == '/')
            return;
        (void)futimens(l->fd, l->times);
        close_fd(l->fd);
        free(l->path);
        u->depth--;
    }
}

/* ---- kinds of files --------------------------------------------------------------------------*/

static int write_block(int fd, const char *data, size_t size, off_t at)
{
    while (size > 0) {
        ssize_t n = pwrite(fd, data, size, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        data += n;
        at += n;
        size -= (size_t)n;
    }
    return 0;
}

static int write_contents(const struct unpacker *u, int fd, const char *name, struct err *e)
{
    const void *data;
    size_t size;
    la_int64_t at;
    int r;
    while ((r = archive_read_data_block(u->in, &data, &size, &at)) >= ARCHIVE_WARN &&
           r != ARCHIVE_EOF) {
        int code = write_block(fd, data, size, at);
        if (code < 0)
            return err_set(e, code, "write `%s`", name);
        if ((code = tar_check_life(u->target->watch, e)) < 0)
            return code;
    }
    if (r < ARCHIVE_WARN)
        return archive_failed(u, e);
    if (ftruncate(fd, archive_entry_size(u->entry)) < 0)
        return err_set(e, errno, "make `%s` as long as it is", name);
    return 0;
}

/* Opens an existing file by its O_PATH fd: it is one, whatever its name means by now. */
static int reopen(int path_fd, const char *name, struct err *e)
{
    struct stat st;
    _cleanup_free_ char *path = fd_path(path_fd);
    if (fstat(path_fd, &st) < 0 || !S_ISREG(st.st_mode) || tar_is_kernels(path_fd))
        return err_say(e, -EEXIST, "`%s` exists, and is not a regular file", name);
    int fd = open(path, O_WRONLY | O_TRUNC | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return fd < 0 ? err_set(e, errno, "open `%s`", name) : fd;
}

static int overwrite(struct unpacker *u, int path_fd, const char *name, struct err *e)
{
    _cleanup_close_ int fd = reopen(path_fd, name, e);
    int r = fd < 0 ? fd : write_contents(u, fd, name, e);
    return r < 0 ? r : set_attributes(u, fd, name, e);
}

static int remove_old(int at, const char *name, struct err *e)
{
    if (unlinkat(at, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno == EISDIR || errno == EPERM)
        return err_say(e, -EISDIR, "`%s` is a directory, and would be replaced by a file", name);
    return err_set(e, errno, "replace `%s`", name);
}

/* A new file in the place of the old one. */
static int create(int at, const char *name, struct err *e)
{
    int r = remove_old(at, name, e);
    if (r == -EBUSY) { /* something is mounted on it, as netctr does on some in /etc */
        err_clear(e);
        _cleanup_close_ int old = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        return old < 0 ? err_set(e, errno, "open `%s`", name) : reopen(old, name, e);
    }
    if (r < 0)
        return r;
    int fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd < 0 ? err_set(e, errno, "create `%s`", name) : fd;
}

static int make_file(struct unpacker *u, int at, const char *name, struct err *e)
{
    _cleanup_close_ int fd = create(at, name, e);
    int r = fd < 0 ? fd : write_contents(u, fd, name, e);
    return r < 0 ? r : set_attributes(u, fd, name, e);
}

static int make_directory(struct unpacker *u, int at, strv names, struct err *e)
{
    const char *name = names[strv_len(names) - 1];
    if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
        return err_set(e, errno, "make directory `%s`", name);
    _cleanup_close_ int fd =
        openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
        return err_say(e, -ENOTDIR, "`%s` exists, and is not a directory", name);
    if (fd < 0)
        return err_set(e, errno, "open directory `%s`", name);
    int r = tar_is_kernels(fd)
                ? err_say(e, -EPERM, "`%s` in the target belongs to the kernel", name)
                : set_attributes(u, fd, name, e);
    if (r == 0 && u->depth < LEVELS_MAX) {
        struct level *l = &u->levels[u->depth++];
        *l = (struct level){.fd = take_fd(fd), .path = strv_join(names, "/")};
        times_of(u, l->times);
    }
    return r;
}

static int make_node(const struct unpacker *u, int at, const char *name, struct err *e)
{
    uid_t uid;
    gid_t gid;
    int r = remove_old(at, name, e);
    if (r < 0)
        return r;
    owner_of(u, &uid, &gid);
    const bool fifo = archive_entry_filetype(u->entry) == AE_IFIFO;
    if ((fifo ? mkfifoat(at, name, archive_entry_perm(u->entry) & 0777)
              : symlinkat(archive_entry_symlink(u->entry) ? archive_entry_symlink(u->entry) : "",
                          at, name)) < 0)
        return err_set(e, errno, "create `%s`", name);
    if (fchownat(at, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
        return err_set(e, errno, "set the owner of `%s`", name);
    return 0;
}

/* Where there can be no link: @name is in another file system, or something is mounted on it. */
static int copy_linked(struct unpacker *u, int path_fd, int at, const char *name, struct err *e)
{
    struct stat st;
    ssize_t n;
    _cleanup_free_ char *path = fd_path(path_fd);
    if (fstat(path_fd, &st) < 0 || !S_ISREG(st.st_mode) || tar_is_kernels(path_fd))
        return err_say(e, -EPERM, "`%s` would be a link to what is not a regular file", name);
    _cleanup_close_ int from = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (from < 0)
        return err_set(e, errno, "open what `%s` is linked to", name);
    _cleanup_close_ int fd = create(at, name, e);
    if (fd < 0)
        return fd;
    while ((n = sendfile(fd, from, NULL, BLOCK)) > 0) {
        int r = tar_check_life(u->target->watch, e);
        if (r < 0)
            return r;
    }
    return n < 0 ? err_set(e, errno, "write `%s`", name) : set_attributes(u, fd, name, e);
}

/* To a file that the same archive has made: its path is walked in the same way. */
static int make_link(struct unpacker *u, int at, const char *name, struct err *e)
{
    struct stat old, now;
    _cleanup_strv_ strv names = NULL;
    int r = entry_names(u, archive_entry_hardlink(u->entry), &names, e);
    if (r == 0 && !names)
        r = err_say(e, -EBADMSG, "the archive has a link to nothing");
    _cleanup_close_ int from = r < 0 ? -1 : open_parent(u, names, e);
    if (r < 0 || from < 0)
        return r < 0 ? r : from;
    const char *last = names[strv_len(names) - 1];
    _cleanup_close_ int file = openat(from, last, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0 || fstat(file, &old) < 0)
        return err_set(e, errno, "link `%s` to `%s`", name, last);
    if (fstatat(at, name, &now, AT_SYMLINK_NOFOLLOW) == 0 && now.st_ino == old.st_ino &&
        now.st_dev == old.st_dev)
        return 0;
    r = remove_old(at, name, e);
    if (r == 0 && linkat(from, last, at, name, 0) == 0)
        return 0;
    if (r < 0 && r != -EBUSY)
        return r;
    err_clear(e);
    return copy_linked(u, file, at, name, e);
}

static int make(struct unpacker *u, int at, strv names, struct err *e)
{
    const char *name = names[strv_len(names) - 1];
    if (archive_entry_hardlink(u->entry))
        return make_link(u, at, name, e);
    switch (archive_entry_filetype(u->entry)) {
    case AE_IFREG: return make_file(u, at, name, e);
    case AE_IFDIR: return make_directory(u, at, names, e);
    case AE_IFLNK:
    case AE_IFIFO: return make_node(u, at, name, e);
    default: u->devices++; return 0;
    }
}

/* ---- the archive -----------------------------------------------------------------------------*/

static int take_entry(struct unpacker *u, struct err *e)
{
    _cleanup_strv_ strv names = NULL;
    if (u->file >= 0)
        return overwrite(u, u->file, u->target->path, e);
    int r = entry_names(u, archive_entry_pathname(u->entry), &names, e);
    if (r < 0 || !names) /* the target itself */
        return r;
    _cleanup_free_ char *path = strv_join(names, "/");
    leave_levels(u, path);
    _cleanup_close_ int at = open_parent(u, names, e);
    r = at < 0 ? at : tar_check_life(u->target->watch, e);
    return r < 0 ? r : make(u, at, names, e);
}

/* 1: an entry; 0: the end. */
static int next(struct unpacker *u, struct err *e)
{
    int r = archive_read_next_header(u->in, &u->entry);
    return r == ARCHIVE_EOF ? 0 : r < ARCHIVE_WARN ? archive_failed(u, e) : 1;
}

/* ---- the target, by docker's rules -----------------------------------------------------------*/

static int name_target(struct unpacker *u, struct err *e)
{
    const char *path = u->target->path;
    const bool directory = archive_entry_filetype(u->entry) == AE_IFDIR;
    _cleanup_free_ char *copy = xstrdup(path);
    size_t length = strlen(copy);
    if (!directory && length && copy[length - 1] == '/')
        return err_say(e, -ENOENT, "directory `%s` does not exist", path);
    while (length && copy[length - 1] == '/')
        copy[--length] = '\0';
    char *slash = strrchr(copy, '/');
    const char *name = slash ? slash + 1 : copy;
    if (!*name || streq(name, ".") || streq(name, ".."))
        return err_say(e, -ENOENT, "`%s` does not exist", path);
    u->name = xstrdup(name);
    if (slash)
        slash[slash == copy] = '\0';
    u->top = open_at(u->target, slash ? copy : ".", O_PATH | O_DIRECTORY);
    if (u->top == -ENOENT && u->target->parents) { /* they are made from the top */
        free(u->name);
        u->name = xstrdup(path);
        u->top = open_at(u->target, "/", O_PATH | O_DIRECTORY);
    }
    return u->top < 0 ? err_set(e, u->top, "open the directory of `%s`", path) : 0;
}

static int existing_target(struct unpacker *u, int fd, struct err *e)
{
    struct stat st;
    const struct tar_target *t = u->target;
    const bool directory = archive_entry_filetype(u->entry) == AE_IFDIR;
    if (fstat(fd, &st) < 0)
        return err_set(e, errno, "look at `%s`", t->path);
    if (S_ISDIR(st.st_mode)) {
        u->top = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        u->name = t->name && !t->stream ? xstrdup(t->name) : NULL;
        if (u->top < 0)
            return err_set(e, errno, "open `%s`", t->path);
        return tar_is_kernels(fd) ? err_say(e, -EPERM, "`%s` belongs to the kernel", t->path) : 0;
    }
    if (directory || t->stream)
        return err_say(e, -ENOTDIR, "`%s` is not a directory", t->path);
    if (archive_entry_filetype(u->entry) != AE_IFREG)
        return name_target(u, e);
    u->file = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return u->file < 0 ? err_set(e, errno, "open `%s`", t->path) : 0;
}

static int find_target(struct unpacker *u, struct err *e)
{
    const struct tar_target *t = u->target;
    _cleanup_close_ int fd = open_at(t, t->path, O_PATH);
    if (fd == -ENOENT && !t->stream)
        return name_target(u, e);
    return fd < 0 ? err_set(e, fd, "open `%s`", t->path) : existing_target(u, fd, e);
}

static void drain(int in)
{
    char rest[4096];
    while (read(in, rest, sizeof(rest)) > 0)
        ;
}

int tar_unpack(const struct tar_target *t, int in, struct err *e)
{
    struct unpacker u = {.target = t, .in = archive_read_new(), .top = -1, .file = -1};
    if (!u.in)
        return err_set(e, ENOMEM, "read the archive");
    int r = archive_read_support_format_tar(u.in) < ARCHIVE_WARN ||
                    archive_read_open_fd(u.in, in, BLOCK) < ARCHIVE_WARN
                ? archive_failed(&u, e)
                : next(&u, e);
    if (r > 0) {
        int found = find_target(&u, e);
        r = found < 0 ? found : r;
    }
    while (r > 0) {
        r = take_entry(&u, e);
        r = r < 0 ? r : next(&u, e);
    }
    leave_levels(&u, NULL);
    if (r == 0) /* what fills the last block: a writer would be killed by SIGPIPE */
        drain(in);
    if (r == 0 && u.devices)
        warn("%llu device%s left out", (unsigned long long)u.devices,
             u.devices == 1 ? " is" : "s are");
    if (r == 0 && u.attributes)
        warn("%llu extended attribute%s left out", (unsigned long long)u.attributes,
             u.attributes == 1 ? " is" : "s are");
    (void)archive_read_free(u.in);
    close_fd(u.top);
    close_fd(u.file);
    free(u.name);
    return r;
}
