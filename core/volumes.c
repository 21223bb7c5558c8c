/* Mounts volumes, and the three files that netctr writes for a container, beneath its root. A path does not
 * identify a place: links in the root directory, which is hostile, give it other names. */
#include "volumes.h"

#include "mounts.h"
#include "source.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/vfs.h>

/* /proc and /sys belong to the kernel: a directory in their place would let a container deceive processes that
 * write there (CVE-2019-19921, CVE-2023-27561). The place itself is checked, because a link in the root may lead
 * there by another name. */
static bool belongs_to_kernel(int place)
{
    struct statfs fs;
    return fstatfs(place, &fs) < 0 || fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC;
}

static int open_tmpfs(const struct volume *v, struct err *e)
{
    _cleanup_free_ char *size = xasprintf("%" PRIu64, v->size),
                        *inodes = xasprintf("%" PRIu64, v->inodes),
                        *mode = xasprintf("%o", v->mode ? v->mode & 07777 : 01777),
                        *uid = xasprintf("%u", v->uid), *gid = xasprintf("%u", v->gid);
    const struct mount_option fresh[] = {{"mode", mode}, {"size", size}, {"nr_inodes", inodes},
                                         {"uid", uid},   {"gid", gid},   {NULL, NULL}};
    unsigned attributes = MOUNT_ATTR_NODEV | (v->read_only ? MOUNT_ATTR_RDONLY : 0) |
                          (v->suid ? 0 : MOUNT_ATTR_NOSUID) | (v->exec ? 0 : MOUNT_ATTR_NOEXEC);
    return mount_new("tmpfs", fresh, attributes, e);
}

static int open_volume(const struct volume *v, struct err *e)
{
    if (!v->source)
        return open_tmpfs(v, e);
    _cleanup_close_ int source = source_open("volume", v->source, 0, e);
    if (source < 0)
        return source;
    _cleanup_close_ int mount = mount_clone(source, true, e);
    uint64_t attributes = MOUNT_ATTR_NODEV | (v->read_only ? MOUNT_ATTR_RDONLY : 0);
    int r = mount < 0 ? mount : mount_set(mount, attributes, true, e);
    return r < 0 ? r : take_fd(mount);
}

void volumes_explain(int code, struct err *e)
{
    if (code == -EROFS)
        err_hint(e, "it does not exist, and its file system is read-only");
}

/* sysfs is mounted last, when the network namespace exists. */
static int is_below_sys(int root, int place, bool *is, struct err *e)
{
    _cleanup_free_ char *top = NULL, *path = NULL;
    int r = fd_read_path(root, &top);
    if (r == 0)
        r = fd_read_path(place, &path);
    if (r < 0)
        return err_set(e, r, "look at a volume's target");
    const char *rest = skip_prefix(path, top);
    rest = rest ? skip_prefix(rest, "/sys") : NULL;
    *is = rest && (!*rest || *rest == '/');
    return 0;
}

/* Identifies a place: a directory reached by two names, through a link, is one place. */
struct place {
    uint64_t mount, inode;
};

static int look_at_place(int fd, struct place *out, struct err *e)
{
    struct statx st;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &st) < 0)
        return err_set(e, errno, "look at a volume's target");
    *out = (struct place){st.stx_mnt_id, st.stx_ino};
    return 0;
}

struct places {
    struct place *list;
    size_t count;
};

static bool is_taken(const struct places *p, const struct place *place)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->list[i].mount == place->mount && p->list[i].inode == place->inode)
            return true;
    return false;
}

/* The root itself and /dev, which a volume would hide. */
static int is_ours(int root, const struct place *place, bool *is, struct err *e)
{
    const char *const names[] = {".", "dev"};
    *is = false;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct place own = {0};
        _cleanup_close_ int fd = open_in_root(root, names[i], O_PATH | O_NOFOLLOW, 0, 0);
        int r = fd < 0 ? err_set(e, fd, "open the container's /%s", names[i])
                       : look_at_place(fd, &own, e);
        if (r < 0)
            return r;
        *is = *is || (own.mount == place->mount && own.inode == place->inode);
    }
    return 0;
}

static int check_place(int root, const struct places *p, int fd, const char *target, struct err *e)
{
    struct place place = {0};
    bool ours = false, in_sys = false;
    int r = look_at_place(fd, &place, e);
    if (r == 0)
        r = is_ours(root, &place, &ours, e);
    if (r == 0)
        r = is_below_sys(root, fd, &in_sys, e);
    if (r < 0)
        return r;
    if (in_sys || belongs_to_kernel(fd))
        return err_say(e, -EPERM, "volume target `%s` is in /proc or /sys", target);
    if (ours)
        return err_say(e, -EPERM, "volume target `%s` would hide the container's root or its /dev",
                       target);
    if (is_taken(p, &place))
        return err_say(e, -EEXIST, "volume target `%s`: another volume is mounted there", target);
    return 0;
}

static int check_kind(const struct stat *source, int place, const struct volume *v, struct err *e)
{
    struct stat st;
    if (fstat(place, &st) < 0)
        return err_set(e, errno, "look at `%s` in the container", v->target);
    if (S_ISDIR(source->st_mode) == S_ISDIR(st.st_mode))
        return 0;
    if (!v->source)
        return err_say(e, -ENOTDIR, "tmpfs target `%s` is not a directory", v->target);
    return err_say(e, -ENOTDIR, "volume `%s` is %s directory, and `%s` in the container is %s",
                   v->source, S_ISDIR(source->st_mode) ? "a" : "no", v->target,
                   S_ISDIR(st.st_mode) ? "one" : "none");
}

static int cannot_make(int code, const char *target, struct err *e)
{
    err_set(e, code, "make `%s` in the container", target);
    volumes_explain(code, e);
    return code;
}

static int mount_volume(int root, const struct volume *v, struct places *p, struct err *e)
{
    _cleanup_close_ int mount = open_volume(v, e);
    struct stat st;
    if (mount < 0)
        return mount;
    if (fstat(mount, &st) < 0)
        return err_set(e, errno, "look at volume `%s`", v->source);
    _cleanup_close_ int place = S_ISDIR(st.st_mode) ? mkdir_in_root(root, v->target, 0755)
                                                    : touch_in_root(root, v->target, 0644);
    if (place == -ENOTDIR) /* it may be a file: check_kind() reports that */
        place = open_in_root(root, v->target, O_PATH, 0, 0);
    if (place < 0)
        return cannot_make(place, v->target, e);
    int r = check_place(root, p, place, v->target, e);
    if (r == 0)
        r = check_kind(&st, place, v, e);
    if (r == 0)
        r = mount_attach(mount, place, v->target, e);
    return r < 0 ? r : look_at_place(mount, &p->list[p->count++], e);
}

/* Parents before children, in any order that the user gave. */
static int by_target(const void *a, const void *b)
{
    return strcmp(((const struct volume *)a)->target, ((const struct volume *)b)->target);
}

/* A volume may have been mounted over the way to another, which the path does not show: /home/u and /var/home
 * where /home is a link. */
static int check_seen(int root, const struct volume *v, const struct place *place, struct err *e)
{
    struct place now = {0};
    _cleanup_close_ int fd = open_in_root(root, v->target, O_PATH, 0, 0);
    int r = fd < 0 ? fd : look_at_place(fd, &now, e);
    if (r == -ENOENT) /* the volume that hides it has no such directory */
        r = 0;
    if (fd < 0 && r < 0)
        return err_set(e, r, "look at volume target `%s`", v->target);
    if (r < 0 || (now.mount == place->mount && now.inode == place->inode))
        return r;
    err_say(e, -EEXIST, "volume target `%s`: another volume hides it", v->target);
    return err_hint(e, "a link in ROOTFS leads to a place below that one's target: name the place "
                       "itself");
}

static int mount_all(int root, const struct plan *s, struct places *p, struct err *e)
{
    if (s->volume_count > 1)
        qsort(s->volumes, s->volume_count, sizeof(*s->volumes), by_target);
    for (size_t i = 0; i < s->volume_count; i++) {
        int r = mount_volume(root, &s->volumes[i], p, e);
        if (r < 0)
            return r;
    }
    int r = 0;
    for (size_t i = 0; r == 0 && s->volume_count > 1 && i < s->volume_count; i++)
        r = check_seen(root, &s->volumes[i], &p->list[i], e);
    return r;
}

/* Mounts a file that netctr writes for the container over the root's, but not over a volume. */
static int mount_file(int root, int files, const char *name, const struct places *p, struct err *e)
{
    struct place at = {0};
    _cleanup_free_ char *target = xasprintf("/etc/%s", name);
    _cleanup_close_ int place = touch_in_root(root, target, 0644);
    if (place < 0)
        return cannot_make(place, target, e);
    int r = look_at_place(place, &at, e);
    if (r < 0 || is_taken(p, &at))
        return r;
    _cleanup_close_ int file = openat(files, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0)
        return err_set(e, errno, "open the container's `%s`", name);
    _cleanup_close_ int mount = mount_clone(file, false, e);
    return mount < 0 ? mount : mount_attach(mount, place, target, e);
}

int volumes_mount(int root, const struct plan *s, int files, struct err *e)
{
    const char *const names[] = {"hosts", "hostname", "resolv.conf"};
    _cleanup_free_ struct place *list = xcalloc(s->volume_count + 1, sizeof(*list));
    struct places places = {.list = list};
    int r = mount_all(root, s, &places, e);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(names); i++)
        r = mount_file(root, files, names[i], &places, e);
    return r;
}
