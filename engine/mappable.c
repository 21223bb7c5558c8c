/* Can the ids of a container's files be mapped?
 *
 * A container in a user namespace of its own sees the host's files through idmapped mounts, so no file is chowned and
 * containers share one root directory. Not every file system can do that (overlayfs, NFS and FUSE cannot), and a kernel
 * may not know it at all. So this tries what the start will do, on a detached mount. That a root
 * directory's file system can do it is remembered in RUN/mappable, until the host boots again.
 */
#include "mappable.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/utsname.h>

/* ---- the host --------------------------------------------------------------------------------*/

bool mappable_kernel(bool overlay)
{
    struct utsname u;
    unsigned major = 0, minor = 0, needed = overlay ? 19 : 12;
    return uname(&u) < 0 || (sscanf(u.release, "%u.%u", &major, &minor) == 2 &&
                             (major > 5 || (major == 5 && minor >= needed)));
}

int mappable_host(bool overlay, struct err *e)
{
    _cleanup_free_ char *text = NULL;
    uint64_t most = 0;
    if (!mappable_kernel(overlay))
        return err_say(e, -ENOTSUP, "this kernel cannot map the ids of %s, which Linux %s can",
                       overlay ? "an overlay's layers" : "mounts", overlay ? "5.19" : "5.12");
    int r = read_file_at(AT_FDCWD, "/proc/sys/user/max_user_namespaces", 64, &text, NULL);
    if (r == -ENOENT)
        return err_say(e, -ENOTSUP, "this kernel has no user namespaces");
    if (r == 0)
        text[strcspn(text, "\n")] = '\0';
    if (r == 0 && parse_u64(text, 0, UINT64_MAX, &most) == 0 && most == 0)
        return err_say(e, -ENOTSUP,
                       "the sysctl user.max_user_namespaces is 0, which forbids user namespaces");
    return 0;
}

/* ---- one source ------------------------------------------------------------------------------*/

static int map_mount(int userns, const char *path, bool recursive)
{
    const unsigned all = recursive ? AT_RECURSIVE : 0;
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns};
    _cleanup_close_ int tree = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | all);
    if (tree < 0)
        return -errno;
    return mount_setattr(tree, "", AT_EMPTY_PATH | all, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

/* Reads the next mount of @lines: its place and its type, which the caller frees. */
static bool next_mount(char **lines, uint64_t *id, char **place, char **type)
{
    char *line = strsep(lines, "\n"), *separator = line ? strstr(line, " - ") : NULL;
    if (!separator)
        return false;
    separator += 3;
    *type = xstrndup(separator, strcspn(separator, " "));
    *id = strtoull(line, NULL, 10);
    for (int field = 0; field < 4 && line; field++)
        line = strchr(line + 1, ' ');
    line = line ? line + 1 : separator;
    *place = xstrndup(line, strcspn(line, " "));
    char *to = *place; /* "\040" is a space */
    for (const char *from = *place; *from; to++) {
        bool escaped = from[0] == '\\' && strspn(from + 1, "01234567") >= 3;
        *to =
            escaped ? (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0')) : *from;
        from += escaped ? 4 : 1;
    }
    *to = '\0';
    return true;
}

/* The type of the file system that @path is on, as `mount` shows it; the caller frees. */
static char *type_of(const char *path, const char *mounts)
{
    struct statx st;
    _cleanup_free_ char *copy = xstrdup(mounts);
    char *lines = copy, *place, *type;
    uint64_t id;
    if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &st) < 0)
        return xstrdup("a file system");
    while (next_mount(&lines, &id, &place, &type)) {
        free(place);
        if (id == st.stx_mnt_id)
            return streq(type, "overlay") ? (free(type), xstrdup("overlayfs")) : type;
        free(type);
    }
    return xstrdup("a file system");
}

static int refuse(const char *path, int code, const char *mounts, struct err *e)
{
    _cleanup_free_ char *type = type_of(path, mounts);
    if (code == -EINVAL)
        return err_say(e, -ENOTSUP, "`%s` is on %s, which cannot map ids", path, type);
    if (code == -EPERM)
        return err_say(e, -ENOTSUP, "`%s` is on a mount (%s) whose ids are mapped already", path,
                       type);
    /* Too little memory, or too many open files or mounts, says nothing about the file system. */
    if (code != -EACCES && code != -ENOSYS && code != -EOPNOTSUPP)
        return err_set(e, code, "map the ids of `%s`", path);
    return err_say(e, -ENOTSUP, "the ids of `%s` (%s) cannot be mapped: %s", path, type,
                   strerror(-code));
}

/* Which mount is it that cannot be mapped? @path itself, or one below it. */
static int explain(int userns, const char *path, int code, struct err *e)
{
    _cleanup_free_ char *mounts = NULL, *below = xasprintf("%s/", path);
    int top = map_mount(userns, path, false);
    if (read_file_at(AT_FDCWD, "/proc/self/mountinfo", 64 << 20, &mounts, NULL) < 0 || top < 0)
        return refuse(path, top < 0 ? top : code, mounts ? mounts : "", e);
    _cleanup_free_ char *copy = xstrdup(mounts);
    char *lines = copy, *place, *type;
    uint64_t id;
    int r = 0;
    while (r == 0 && next_mount(&lines, &id, &place, &type)) {
        int each = skip_prefix(place, below) ? map_mount(userns, place, false) : 0;
        if (each < 0)
            r = refuse(place, each, mounts, e);
        free(place);
        free(type);
    }
    return r < 0 ? r : refuse(path, code, mounts, e);
}

/* ---- what is remembered ----------------------------------------------------------------------*/

#define MAPPABLE "mappable"

/* A device number alone may be that of another file system by now. */
static char *marker_of(const char *path)
{
    struct stat st;
    struct statfs fs;
    if (stat(path, &st) < 0 || statfs(path, &fs) < 0)
        return NULL;
    return xasprintf(MAPPABLE "/%" PRIx64 "-%lx", (uint64_t)st.st_dev, (unsigned long)fs.f_type);
}

static void remember(struct store *s, const char *marker)
{
    if (mkdirat(s->run_fd, MAPPABLE, 0700) < 0 && errno != EEXIST)
        return;
    (void)close_fd(openat(s->run_fd, marker, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
}

void mappable_forget(struct store *s, const struct spec *spec)
{
    _cleanup_free_ char *marker = marker_of(spec->rootfs);
    if (marker)
        (void)unlinkat(s->run_fd, marker, 0);
}

/* ---- all of a container's --------------------------------------------------------------------*/

struct probe {
    struct store *store;
    const struct spec *spec;
    const struct id_map *map;
    int userns;
};

static int probe(const struct probe *p, const char *path, bool recursive, struct err *e)
{
    int r = map_mount(p->userns, path, recursive);
    return r < 0 ? explain(p->userns, path, r, e) : 0;
}

int mappable_try(const char *dir, struct err *e)
{
    _cleanup_err_ struct err why = ERR_INIT;
    const struct id_map any = id_map_of_range(ID_RANGE_SIZE);
    _cleanup_close_ int userns = userns_create(&any, &why);
    const struct probe p = {.map = &any, .userns = userns};
    return userns < 0 ? err_say(e, -ENOTSUP, "%s", why.text) : probe(&p, dir, false, e);
}

static int check_owner(const struct probe *p, const char *path, struct err *e)
{
    struct stat st;
    const struct id_map *m = p->map;
    if (stat(path, &st) < 0)
        return err_set(e, errno, "look at `%s`", path);
    bool user = id_outside(m->uids, m->uid_count, st.st_uid) == ID_UNMAPPED;
    if (!user && id_outside(m->gids, m->gid_count, st.st_gid) != ID_UNMAPPED)
        return 0;
    return err_say(e, -ENOTSUP, "`%s` belongs to %s %u, which is not one of the container's ids%s",
                   path, user ? "user" : "group", user ? st.st_uid : st.st_gid,
                   p->spec->userns == USERNS_AUTO ? " 0–65535" : "");
}

static int check_root(const struct probe *p, struct err *e)
{
    const struct spec *s = p->spec;
    _cleanup_free_ char *marker = s->in_place ? NULL : marker_of(s->rootfs);
    if (marker && faccessat(p->store->run_fd, marker, F_OK, 0) == 0)
        return 0;
    int r = probe(p, s->rootfs, s->in_place, e);
    if (r == 0 && marker)
        remember(p->store, marker);
    return r;
}

int mappable_check(struct store *s, const struct spec *spec, const struct id_map *m, int userns,
                   struct err *e)
{
    const struct probe p = {s, spec, m, userns};
    int r = mappable_host(!spec->in_place, e);
    if (r == 0)
        r = check_owner(&p, spec->rootfs, e);
    if (r == 0)
        r = check_root(&p, e);
    for (size_t i = 0; r == 0 && i < spec->volume_count; i++) {
        const char *source = spec->volumes[i].host_ids ? NULL : spec->volumes[i].source;
        if (source && (r = check_owner(&p, source, e)) == 0)
            r = probe(&p, source, true, e);
    }
    return r;
}
