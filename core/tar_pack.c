/* From files to an archive. The files may be a container's that runs: any name may become another kind of file at any
 * moment. So each is opened with O_PATH, which touches nothing, looked at, and only then opened for reading. */
#include "tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

enum {
    LEVELS_MAX = 200, /* each holds a directory open */
    EXTENTS_MAX = 1 << 20,
    LINKS_MAX = 1 << 15, /* names of files that have several: each one is remembered */
    CHUNK = 1 << 17
};

#ifndef MQUEUE_MAGIC
#define MQUEUE_MAGIC 0x19800202
#endif

#define FILE_MAX ((off_t)1 << 50)

struct level {
    DIR *dir;
    size_t length; /* of its path */
};

struct packer {
    struct archive *out;
    struct archive_entry_linkresolver *links;
    size_t link_count;
    int watch;
    uint64_t sockets, attributes; /* left out */
    struct level levels[LEVELS_MAX];
    size_t depth;
    char path[PATH_MAX];
    char data[CHUNK];
};

/* Debian's static library refers from here to the writers of all formats, and so to libxml2, liblzma, nettle and others.
 * With a function of this name it does not: it would say which types a format lacks, and packing makes none of those. */
void __archive_write_entry_filetype_unsupported(struct archive *a, struct archive_entry *entry,
                                                const char *format);
void __archive_write_entry_filetype_unsupported(struct archive *a, struct archive_entry *entry,
                                                const char *format)
{
    archive_set_error(a, EINVAL, "%s: a %s archive has no such files",
                      archive_entry_pathname(entry), format);
}

bool tar_is_kernels(int fd)
{
    static const long kinds[] = {
        PROC_SUPER_MAGIC, SYSFS_MAGIC,      CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, DEBUGFS_MAGIC,
        TRACEFS_MAGIC,    SECURITYFS_MAGIC, BPF_FS_MAGIC,       DEVPTS_SUPER_MAGIC,  NSFS_MAGIC,
        MQUEUE_MAGIC,     EFIVARFS_MAGIC,   BINFMTFS_MAGIC,     PSTOREFS_MAGIC,      SELINUX_MAGIC};
    struct statfs fs;
    if (fstatfs(fd, &fs) < 0)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if ((long)fs.f_type == kinds[i])
            return true;
    return false;
}

int tar_check_life(int watch, struct err *e)
{
    return watch < 0 || pidfd_wait(watch, 0) == -ETIMEDOUT
               ? 0
               : err_say(e, -ESRCH, "the container ended while files were copied");
}

static int archive_failed(struct packer *p, struct err *e)
{
    int code = archive_errno(p->out);
    return err_set(e, code > 0 ? code : EIO, "write the archive");
}

/* ---- data ------------------------------------------------------------------------------------*/

/* Holes stay holes: a file of any size may have no data. But libarchive takes those of 8 EiB in billions of steps. */
static int find_extents(struct packer *p, int fd, off_t size, struct archive_entry *entry,
                        struct err *e)
{
    off_t end = 0;
    for (int count = 0; end < size; count++) {
        off_t begin = lseek(fd, end, SEEK_DATA);
        if (begin < 0 && errno == ENXIO)
            begin = size;
        else if (begin < 0)
            return 0; /* not supported: all of it is data */
        if (begin == 0 && lseek(fd, 0, SEEK_HOLE) >= size)
            return 0;
        if (count == EXTENTS_MAX)
            return err_say(e, -EFBIG, "`%s` has more than a million holes", p->path);
        end = begin < size ? lseek(fd, begin, SEEK_HOLE) : size;
        if (end < 0 || end > size)
            end = size;
        archive_entry_sparse_add_entry(entry, begin < size ? begin : size,
                                       begin < size ? end - begin : 0);
    }
    return 0;
}

static int write_data(struct packer *p, int fd, off_t at, off_t end, struct err *e)
{
    while (at < end) {
        const size_t most = end - at < CHUNK ? (size_t)(end - at) : CHUNK;
        ssize_t n = pread(fd, p->data, most, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(e, errno, "read `%s`", p->path);
        if (n == 0)
            return err_say(e, -ESTALE, "`%s` became shorter while it was copied", p->path);
        if (archive_write_data(p->out, p->data, (size_t)n) < n)
            return archive_failed(p, e);
        at += n;
        int r = tar_check_life(p->watch, e);
        if (r < 0)
            return r;
    }
    return 0;
}

/* libarchive wants the bytes of a hole as well, but does not look at them. */
static int write_hole(struct packer *p, off_t size, struct err *e)
{
    while (size > 0) {
        const size_t most = size < INT32_MAX ? (size_t)size : INT32_MAX;
        if (archive_write_data(p->out, p->data, most) < 0)
            return archive_failed(p, e);
        size -= (off_t)most;
    }
    return 0;
}

/* The list of extents is walked before the header is written, for the writer takes it. */
static int write_file(struct packer *p, int fd, off_t size, struct archive_entry *entry,
                      struct err *e)
{
    int r = find_extents(p, fd, size, entry, e);
    _cleanup_free_ off_t *extents = NULL;
    int count = r == 0 ? archive_entry_sparse_reset(entry) : 0;
    extents = xcalloc((size_t)count * 2 + 1, sizeof(*extents));
    for (int i = 0; i < count; i++) {
        la_int64_t offset = 0, length = 0;
        (void)archive_entry_sparse_next(entry, &offset, &length);
        extents[2 * i] = offset;
        extents[2 * i + 1] = length;
    }
    if (r == 0 && archive_write_header(p->out, entry) < ARCHIVE_WARN)
        r = archive_failed(p, e);
    if (count == 0)
        return r < 0 ? r : write_data(p, fd, 0, size, e);
    off_t at = 0;
    for (int i = 0; i < count && r == 0; i++) {
        r = write_hole(p, extents[2 * i] - at, e);
        at = extents[2 * i] + extents[2 * i + 1];
        if (r == 0)
            r = write_data(p, fd, extents[2 * i], at, e);
    }
    return r < 0 ? r : write_hole(p, size - at, e);
}

/* ---- entries ---------------------------------------------------------------------------------*/

static int add_link(struct packer *p, int fd, struct archive_entry *entry, struct err *e)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(fd, "", target, sizeof(target) - 1);
    if (n < 0)
        return err_set(e, errno, "read the link `%s`", p->path);
    target[n] = '\0';
    archive_entry_copy_symlink(entry, target);
    return archive_write_header(p->out, entry) < ARCHIVE_WARN ? archive_failed(p, e) : 0;
}

static int add_file(struct packer *p, int fd, off_t size, struct archive_entry *entry,
                    struct err *e)
{
    _cleanup_free_ char *path = fd_path(fd);
    _cleanup_close_ int file = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (file < 0)
        return err_set(e, errno, "open `%s`", p->path);
    if (size > FILE_MAX)
        return err_say(e, -EFBIG, "`%s` is larger than a pebibyte", p->path);
    archive_entry_set_size(entry, size);
    return write_file(p, file, size, entry, e);
}

/* The second name of a file that the archive has already becomes a link to the first. */
static bool is_another_name(struct packer *p, const struct stat *st, struct archive_entry *entry)
{
    struct archive_entry *other = NULL;
    if (S_ISDIR(st->st_mode) || st->st_nlink < 2 || p->link_count == LINKS_MAX)
        return false;
    p->link_count++;
    archive_entry_set_dev(entry, st->st_dev);
    archive_entry_set_ino64(entry, (la_int64_t)st->st_ino);
    archive_entry_set_nlink(entry, (unsigned)st->st_nlink);
    archive_entry_linkify(p->links, &entry, &other);
    return archive_entry_hardlink(entry);
}

static int enter(struct packer *p, int fd, struct err *e)
{
    if (tar_is_kernels(fd)) /* /proc, in a copy of everything */
        return 0;
    if (p->depth == LEVELS_MAX)
        return err_say(e, -ELOOP, "there are more than %d levels of directories", LEVELS_MAX);
    int list = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOATIME);
    if (list < 0 && errno == EPERM)
        list = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = list < 0 ? NULL : fdopendir(list);
    if (!dir)
        return err_set(e, errno, "open directory `%s`", p->path);
    p->levels[p->depth++] = (struct level){dir, strlen(p->path)};
    return 0;
}

static int add(struct packer *p, int fd, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_set(e, errno, "look at `%s`", p->path);
    if (S_ISSOCK(st.st_mode)) { /* an archive has none */
        p->sockets++;
        return 0;
    }
    struct archive_entry *entry = archive_entry_new();
    archive_entry_copy_pathname(entry, p->path);
    archive_entry_set_mode(entry, st.st_mode);
    archive_entry_set_uid(entry, st.st_uid);
    archive_entry_set_gid(entry, st.st_gid);
    archive_entry_set_mtime(entry, st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
        archive_entry_set_rdev(entry, st.st_rdev);
    int r;
    const bool linked = is_another_name(p, &st, entry);
    if (!linked && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
        p->attributes += tar_read_attributes(fd, entry);
    if (linked)
        r = archive_write_header(p->out, entry) < ARCHIVE_WARN ? archive_failed(p, e) : 0;
    else if (S_ISREG(st.st_mode))
        r = add_file(p, fd, st.st_size, entry, e);
    else if (S_ISLNK(st.st_mode))
        r = add_link(p, fd, entry, e);
    else
        r = archive_write_header(p->out, entry) < ARCHIVE_WARN ? archive_failed(p, e) : 0;
    archive_entry_free(entry);
    return r == 0 && S_ISDIR(st.st_mode) ? enter(p, fd, e) : r;
}

/* ---- the walk --------------------------------------------------------------------------------*/

static int turn(struct packer *p, struct err *e)
{
    struct level *l = &p->levels[p->depth - 1];
    int r = 0;
    struct dirent *entry = next_entry(l->dir, &r);
    p->path[l->length] = '\0';
    if (r < 0)
        return err_set(e, r, "read directory `%s`", p->path);
    if (!entry) {
        closedir(l->dir);
        p->depth--;
        return 0;
    }
    const char *name = entry->d_name;
    if (streq(name, ".") || streq(name, ".."))
        return 0;
    if (l->length + strlen(name) + 2 > sizeof(p->path))
        return err_say(e, -ENAMETOOLONG, "a path below `%s` is too long", p->path);
    snprintf(p->path + l->length, sizeof(p->path) - l->length, "/%s", name);
    _cleanup_close_ int fd = openat(dirfd(l->dir), name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) /* removed meanwhile */
        return 0;
    if (fd < 0)
        return err_set(e, errno, "open `%s`", p->path);
    r = tar_check_life(p->watch, e);
    return r < 0 ? r : add(p, fd, e);
}

static int open_archive(struct packer *p, int out, struct err *e)
{
    p->out = archive_write_new();
    p->links = archive_entry_linkresolver_new();
    if (!p->out || !p->links)
        return err_set(e, ENOMEM, "write the archive");
    archive_entry_linkresolver_set_strategy(p->links, ARCHIVE_FORMAT_TAR_PAX_RESTRICTED);
    return archive_write_set_format_pax_restricted(p->out) < ARCHIVE_OK ||
                   archive_write_set_format_option(p->out, "pax", "xattrheader", "SCHILY") <
                       ARCHIVE_WARN ||
                   archive_write_open_fd(p->out, out) < ARCHIVE_OK
               ? archive_failed(p, e)
               : 0;
}

int tar_pack(int top, const char *as, int watch, int out, struct err *e)
{
    _cleanup_free_ struct packer *p = xcalloc(1, sizeof(*p));
    p->watch = watch;
    snprintf(p->path, sizeof(p->path), "%s", as);
    int r = tar_is_kernels(top)
                ? err_say(e, -EPERM, "its files are the kernel's, and cannot be copied")
                : open_archive(p, out, e);
    if (r == 0)
        r = add(p, top, e);
    while (r == 0 && p->depth > 0)
        r = turn(p, e);
    while (p->depth > 0)
        closedir(p->levels[--p->depth].dir);
    if (r == 0 && archive_write_close(p->out) < ARCHIVE_OK)
        r = archive_failed(p, e);
    if (p->out && r < 0)
        (void)archive_write_fail(
            p->out); /* else freeing it would write an end, as if it were complete */
    (void)archive_write_free(p->out);
    archive_entry_linkresolver_free(p->links);
    if (r == 0 && p->sockets)
        warn("%llu socket%s left out", (unsigned long long)p->sockets,
             p->sockets == 1 ? " is" : "s are");
    if (r == 0 && p->attributes)
        warn("%llu extended attribute%s too long, and left out", (unsigned long long)p->attributes,
             p->attributes == 1 ? " is" : "s are");
    return r;
}
