/* The host's own tree as nodes see it (`image: host`): an allow-list. Programs and libraries are mounted read-only; /etc is
 * copied but for what holds secrets or what only root may read; all else is empty. Nodes of a lab share the copy as the lower
 * layer of their overlays, so it is never changed once it is there.
 */
#include "lab.h"

#include <errno.h>
#include <string.h>

enum { DEPTH_MAX = 16 };

static const char *const programs[] = {"usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"};

/* Below /etc. */
static bool is_secret(const char *path)
{
    static const char *const names[] = {
        "shadow",      "shadow-",        "gshadow",    "gshadow-", "ssh",
        "ssl/private", "NetworkManager", "machine-id", "netctr",   "hosts",
        "resolv.conf", "hostname",       "mtab",       "sudoers",  "sudoers.d",
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (streq(path, names[i]))
            return true;
    return false;
}

/* ---- copies ----------------------------------------------------------------------------------*/

static int copy_file(int from, const char *name, const struct stat *st, int to)
{
    _cleanup_close_ int in = openat(from, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (in < 0)
        return 0; /* it has just gone */
    _cleanup_close_ int out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (out < 0)
        return -errno;
    char buffer[65536];
    ssize_t n;
    while ((n = read(in, buffer, sizeof(buffer))) > 0) {
        int r = write_all(out, buffer, (size_t)n);
        if (r < 0)
            return r;
    }
    if (n < 0 || fchown(out, st->st_uid, st->st_gid) < 0 ||
        fchmod(out, st->st_mode & 0777) < 0) /* no set-user-ID bits */
        return -errno;
    return 0;
}

static int copy_link(int from, const char *name, int to)
{
    char target[4096];
    ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);
    if (n < 0)
        return 0;
    target[n] = '\0';
    return symlinkat(target, to, name) < 0 ? -errno : 0;
}

static int make_directory(int to, const char *name, const struct stat *st)
{
    if (mkdirat(to, name, 0700) < 0)
        return -errno;
    if (fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
        fchmodat(to, name, st->st_mode & 01777, 0) < 0)
        return -errno;
    return 0;
}

/* @prefix: the path so far, below /etc. What others may not read is left out. */
static int copy_directory(int from, int to, const char *prefix, int depth)
{
    int r = 0, listed = 0;
    _cleanup_dir_ DIR *d = open_listing(from, ".");
    if (!d || depth > DEPTH_MAX)
        return d ? 0 : -errno;
    for (struct dirent *entry; r == 0 && (entry = next_entry(d, &listed));) {
        struct stat st;
        const char *name = entry->d_name;
        _cleanup_free_ char *path = xasprintf("%s%s", prefix, name);
        if (streq(name, ".") || streq(name, "..") || is_secret(path) ||
            fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (S_ISLNK(st.st_mode)) {
            r = copy_link(from, name, to);
        } else if (S_ISREG(st.st_mode) && (st.st_mode & 0004)) {
            r = copy_file(from, name, &st, to);
        } else if (S_ISDIR(st.st_mode)) {
            /* Also one that others may not read: daemons want their own, as /etc/frr. */
            r = make_directory(to, name, &st);
            _cleanup_close_ int in =
                openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            _cleanup_close_ int out =
                openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            _cleanup_free_ char *below = xasprintf("%s/", path);
            if (r == 0 && in >= 0 && out >= 0 && (st.st_mode & 0001))
                r = copy_directory(in, out, below, depth + 1);
        }
    }
    return r < 0 ? r : listed;
}

/* The directories that packages have made in /var/lib, /var/log and so on, empty. */
static int copy_names(const char *path, int to)
{
    int r = 0, listed = 0;
    _cleanup_dir_ DIR *d = opendir(path);
    if (!d)
        return 0;
    for (struct dirent *entry; r == 0 && (entry = next_entry(d, &listed));) {
        struct stat st;
        if (entry->d_name[0] == '.' ||
            fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
            continue;
        r = make_directory(to, entry->d_name, &st);
    }
    return r < 0 ? r : listed;
}

/* ---- the tree --------------------------------------------------------------------------------*/

static int make_var(int var)
{
    static const char *const copied[] = {"cache", "lib", "log", "spool"};
    int r = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(copied); i++) {
        _cleanup_free_ char *path = xasprintf("/var/%s", copied[i]);
        if (mkdirat(var, copied[i], 0755) < 0)
            return -errno;
        _cleanup_close_ int to = openat(var, copied[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = to < 0 ? -errno : copy_names(path, to);
    }
    if (r < 0)
        return r;
    if (mkdirat(var, "tmp", 0700) < 0 || fchmodat(var, "tmp", 01777, 0) < 0 ||
        symlinkat("/run", var, "run") < 0 || symlinkat("/run/lock", var, "lock") < 0)
        return -errno;
    return 0;
}

/* On most distributions all but /usr are links. */
static int make_programs(int top)
{
    for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
        struct stat st;
        char target[4096];
        _cleanup_free_ char *path = xasprintf("/%s", programs[i]);
        ssize_t n = readlink(path, target, sizeof(target) - 1);
        if (n >= 0)
            target[n] = '\0';
        if (n >= 0 ? symlinkat(target, top, programs[i]) < 0
                   : stat(path, &st) == 0 && mkdirat(top, programs[i], 0755) < 0)
            return -errno;
    }
    return 0;
}

static int fill(int top)
{
    static const char *const empty[] = {"dev",  "etc", "home", "media", "mnt", "opt",
                                        "proc", "run", "srv",  "sys",   "tmp", "var"};
    for (size_t i = 0; i < ARRAY_LEN(empty); i++)
        if (mkdirat(top, empty[i], 0755) < 0)
            return -errno;
    if (mkdirat(top, "root", 0700) < 0 || fchmodat(top, "tmp", 01777, 0) < 0 ||
        mkdirat(top, "run/lock", 0755) < 0)
        return -errno;
    _cleanup_close_ int var = openat(top, "var", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_close_ int etc = openat(top, "etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_close_ int from = open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = var < 0 || etc < 0 || from < 0 ? -errno : make_programs(top);
    if (r == 0)
        r = make_var(var);
    return r == 0 ? copy_directory(from, etc, "", 0) : r;
}

int host_tree_make(int dir, const char *name, struct err *e)
{
    _cleanup_free_ char *fresh = xasprintf("%s.new", name);
    if (file_exists_at(dir, name) == 1)
        return 0;
    int r = remove_tree_at(dir, fresh);
    if (r == 0 && mkdirat(dir, fresh, 0755) < 0)
        r = -errno;
    _cleanup_close_ int top =
        r < 0 ? -1 : openat(dir, fresh, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (r == 0)
        r = top < 0 ? -errno : fill(top);
    if (r == 0 && renameat(dir, fresh, dir, name) < 0)
        r = -errno;
    return r < 0 ? err_set(e, r, "copy the host's /etc for the lab's nodes") : 0;
}

void host_tree_volumes(strv *volumes)
{
    for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
        struct stat st;
        _cleanup_free_ char *path = xasprintf("/%s", programs[i]);
        if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
            strv_add_take(volumes, xasprintf("%s:%s:ro", path, path));
    }
}
