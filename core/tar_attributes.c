/* Extended attributes in tar archives. Those in "user." mean something to programs, and "security.capability" gives a program
 * privileges, as the set-user-ID bit does. All others are the file system's or the host's: a container must not write them,
 * and a copy does not need them.
 */
#include "tar.h"

#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

enum {
    VALUE_MAX = 65536,     /* XATTR_SIZE_MAX, as well as XATTR_LIST_MAX */
    TOGETHER_MAX = 1 << 17 /* of one file; libarchive reads no header above a megabyte */
};

static bool is_capability(const char *name)
{
    return streq(name, "security.capability");
}

/* An archive writes "NAME=VALUE": a name with "=" would be read as another one. */
static bool belongs(const char *name)
{
    const char *rest = skip_prefix(name, "user.");
    return is_capability(name) || (rest && *rest && !strchr(rest, '='));
}

uint64_t tar_read_attributes(int fd, struct archive_entry *entry)
{
    _cleanup_free_ char *path = fd_path(fd);
    size_t left = TOGETHER_MAX;
    uint64_t left_out = 0;
    ssize_t size = listxattr(path, NULL, 0);
    if (size <= 0)
        return 0;
    _cleanup_free_ char *names = xcalloc(VALUE_MAX + 1, 1), *value = xcalloc(VALUE_MAX, 1);
    size = listxattr(path, names, VALUE_MAX);
    for (const char *name = names; name < names + size; name += strlen(name) + 1) {
        ssize_t n = belongs(name) ? getxattr(path, name, value, VALUE_MAX) : -1;
        if (n < 0) /* not ours, or removed meanwhile */
            continue;
        if ((size_t)n + strlen(name) > left) {
            left_out++;
            continue;
        }
        left -= (size_t)n + strlen(name);
        archive_entry_xattr_add_entry(entry, name, value, (size_t)n);
    }
    return left_out;
}

uint64_t tar_set_attributes(int fd, struct archive_entry *entry, bool privileges)
{
    const char *name;
    const void *value;
    size_t size;
    uint64_t left_out = 0;
    int count = archive_entry_xattr_reset(entry);
    while (count-- > 0 && archive_entry_xattr_next(entry, &name, &value, &size) == 0) {
        if (!name || !belongs(name) || (is_capability(name) && !privileges))
            continue;
        left_out += fsetxattr(fd, name, value, size, 0) < 0;
    }
    return left_out;
}
