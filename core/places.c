/* May something be mounted here? A path does not identify a place: links in the root directory, which is hostile, give
 * it other names. */
#include "places.h"

#include <errno.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/vfs.h>

/* Root in a user namespace has no power over files of other ids. */
void place_explain(int code, const struct id_map *ids, struct err *e)
{
    if (code == -EROFS)
        err_hint(e, "it does not exist, and its file system is read-only");
    if ((code == -EACCES || code == -EOVERFLOW) && !id_map_is_host(ids))
        err_hint(e, "a directory above it may belong to an id that the container does not have");
}

int place_cannot_make(int code, const struct plan *plan, const char *target, struct err *e)
{
    err_set(e, code, "make `%s` in the container", target);
    place_explain(code, &plan->ids, e);
    return code;
}

int place_of(int fd, struct place *out, struct err *e)
{
    struct statx st;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &st) < 0)
        return err_set(e, errno, "look at a volume's target");
    *out = (struct place){st.stx_mnt_id, st.stx_ino};
    return 0;
}

static bool is_same(const struct place *a, const struct place *b)
{
    return a->mount == b->mount && a->inode == b->inode;
}

bool place_is_taken(const struct places *p, const struct place *place)
{
    for (size_t i = 0; i < p->count; i++)
        if (is_same(&p->list[i], place))
            return true;
    return false;
}

/* /proc and /sys belong to the kernel: a directory in their place would let a container deceive processes that
 * write there (CVE-2019-19921, CVE-2023-27561). The place itself is checked, because a link in the root may lead
 * there by another name. */
bool place_belongs_to_kernel(int place)
{
    struct statfs fs;
    return fstatfs(place, &fs) < 0 || fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC;
}

/* Those file systems are not mounted yet, so the way to the place decides. */
static int is_below_late(int root, const struct plan *plan, int fd, bool *is, struct err *e)
{
    _cleanup_free_ char *top = NULL, *path = NULL;
    int r = fd_read_path(root, &top);
    if (r == 0)
        r = fd_read_path(fd, &path);
    if (r < 0)
        return err_set(e, r, "look at a volume's target");
    /* "/" when the root is mounted there */
    const char *beneath = skip_prefix(path, streq(top, "/") ? "" : top);
    *is = false;
    for (size_t i = 0; beneath && !*is && i < plan->mount_count; i++) {
        const struct plan_mount *m = &plan->mounts[i];
        bool is_late = m->what == SOURCE_TYPE && (m->flags & MOUNT_LATE);
        const char *rest = is_late ? skip_prefix(beneath, m->target) : NULL;
        *is = rest && (!*rest || *rest == '/');
    }
    return 0;
}

static const char *kind_of(const struct plan_mount *m)
{
    return m->what == SOURCE_TYPE ? m->source : "volume";
}

static int check_kind(int fd, bool directory, const struct plan_mount *m, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_set(e, errno, "look at `%s` in the container", m->target);
    if (directory == S_ISDIR(st.st_mode))
        return 0;
    if (m->what == SOURCE_TYPE)
        return err_say(e, -ENOTDIR, "%s target `%s` is not a directory", kind_of(m), m->target);
    return err_say(e, -ENOTDIR, "volume `%s` is %s directory, and `%s` in the container is %s",
                   m->source ? m->source : "", directory ? "a" : "no", m->target,
                   directory ? "none" : "one");
}

int place_check(int root, const struct places *p, const struct plan *plan, int fd, bool directory,
                const struct plan_mount *m, struct err *e)
{
    struct place place = {0}, top = {0};
    bool is_late = false;
    int r = place_of(fd, &place, e);
    if (r == 0)
        r = place_of(root, &top, e);
    if (r == 0)
        r = is_below_late(root, plan, fd, &is_late, e);
    if (r < 0)
        return r;
    if (is_late || place_belongs_to_kernel(fd))
        return err_say(e, -EPERM, "volume target `%s` is in /proc or /sys", m->target);
    if (is_same(&place, &top) || is_same(&place, &p->devices))
        return err_say(e, -EPERM, "volume target `%s` would hide the container's root or its /dev",
                       m->target);
    if (place_is_taken(p, &place))
        return err_say(e, -EEXIST, "volume target `%s`: another volume is mounted there",
                       m->target);
    return check_kind(fd, directory, m, e);
}

/* A volume may have been mounted over the way to another, which the path does not show: /home/u and /var/home
 * where /home is a link. */
int place_check_seen(int root, const struct plan_mount *m, const struct place *place, struct err *e)
{
    struct place now = {0};
    _cleanup_close_ int fd = open_in_root(root, m->target, O_PATH, 0, 0);
    int r = fd < 0 ? fd : place_of(fd, &now, e);
    if (r == -ENOENT) /* the volume that hides it has no such directory */
        r = 0;
    if (fd < 0 && r < 0)
        return err_set(e, r, "look at volume target `%s`", m->target);
    if (r < 0 || is_same(&now, place))
        return r;
    err_say(e, -EEXIST, "volume target `%s`: another volume hides it", m->target);
    err_hint(e, "a link in ROOTFS leads to a place below that one's target: name the place "
                "itself");
    return -EEXIST;
}
