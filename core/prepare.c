/* A child in a user namespace of its own can open neither the host's directories nor a device, cannot map ids, and cannot
 * make nodes. So a process with the host's privileges does all of it first: it has a mount namespace of its own, because
 * only what is attached in the own namespace can be cloned, or be a layer of an overlay (Linux 6.1). What it has made is
 * detached, and the child attaches it as if it had made it itself.
 *
 * But then root in the user namespace could take "read-only" and "nodev" back: a node of the host's disk, in a volume,
 * would open. The kernel locks these flags when it copies a mount namespace for another user namespace. So they are
 * attached here first, and the child, whose mount namespace is such a copy, takes the copies. It finds them by its
 * working directory, which follows into the copy, as fds do not.
 */
#include "prepare.h"

#include "dev.h"
#include "mounts.h"
#include "root_mount.h"
#include "source.h"

#include <errno.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

static int apart(struct err *e)
{
    if (unshare(CLONE_NEWNS) < 0)
        return err_set(e, errno, "make a mount namespace");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return err_set(e, errno, "make the mounts private");
    return 0;
}

static int attach_as(int dir, const char *name, int mount, struct err *e)
{
    struct stat st;
    if (fstat(mount, &st) < 0 || (S_ISDIR(st.st_mode) ? mkdirat(dir, name, 0700)
                                                      : mknodat(dir, name, S_IFREG | 0600, 0)) < 0)
        return err_set(e, errno, "make a place for mount %s", name);
    _cleanup_close_ int place = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    return place < 0 ? err_set(e, errno, "open the place of mount %s", name)
                     : mount_attach(mount, place, name, e);
}

/* A mount of all of the file system at @path, without what is mounted on it. */
static int mount_whole(const char *path, long magic, const char *type, struct err *e)
{
    enum { ROOT_INODE = 1 }; /* of both file systems: not a directory of theirs, bound there */
    struct statfs fs;
    struct stat st;
    _cleanup_close_ int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == magic && fstat(fd, &st) == 0 &&
                   st.st_ino == ROOT_INODE
               ? mount_clone(fd, false, e)
               : mount_new(type, NULL, 0, e);
}

/* The kernel lets a user namespace mount a procfs or sysfs only beside one that is fully visible
 * (mount_too_revealing()). The host's may have mounts on them, as in many a container. So the child finds one of each. */
static int show_whole(int scratch, struct err *e)
{
    static const struct {
        const char *path, *type;
        long magic;
    } systems[] = {{"/proc", "proc", PROC_SUPER_MAGIC}, {"/sys", "sysfs", SYSFS_MAGIC}};
    for (size_t i = 0; i < ARRAY_LEN(systems); i++) {
        const char *type = systems[i].type;
        _cleanup_close_ int fd = mount_whole(systems[i].path, systems[i].magic, type, e);
        int r = fd < 0 ? fd : attach_as(scratch, type, fd, e);
        if (r < 0)
            return r;
    }
    return 0;
}

/* For all that has to be attached: a directory beside the plan's files, which costs less than a file system. The child
 * enters it, so its mode is 755. */
static int make_scratch_beside(const struct plan *s, int place, int files, struct err *e)
{
    static const char name[] = ".mounts";
    int r = mount_attach(files, place, s->mount_point, e);
    if (r < 0)
        return r;
    mode_t mask = umask(022);
    int fd = mkdirat(files, name, 0755) < 0 ? -1 : openat(files, name, O_DIRECTORY | O_CLOEXEC);
    r = fd < 0 ? err_set(e, errno, "make a directory for mounts") : fd;
    umask(mask);
    return r;
}

static int make_scratch(const struct plan *s, int place, int files, struct err *e)
{
    if (files >= 0)
        return make_scratch_beside(s, place, files, e);
    _cleanup_free_ char *inodes = xasprintf("%zu", s->mount_count + 16);
    const struct mount_option small[] = {
        {"mode", "755"}, {"size", "4k"}, {"nr_inodes", inodes}, {NULL, NULL}};
    _cleanup_close_ int scratch =
        mount_new("tmpfs", small, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, e);
    int r = scratch < 0 ? scratch : mount_attach(scratch, place, s->mount_point, e);
    return r < 0 ? r : take_fd(scratch);
}

static int prepare_files(const struct plan *s, int files, struct prepared *out, struct err *e)
{
    int r = 0;
    for (size_t i = 0; r >= 0 && i < s->file_count; i++)
        r = out->files[i] = source_file(files, s->files[i].name, e);
    return r < 0 ? r : 0;
}

static int prepare_mount(const struct plan *s, const struct plan_mount *m, struct err *e)
{
    return m->what == SOURCE_DEVICES
               ? dev_new_with_nodes(id_map_root_uid(&s->ids), id_map_root_gid(&s->ids), e)
               : source_mount(m, s->namespaces[PLAN_USER].fd, e);
}

static int attach_all(const struct plan *s, int scratch, const struct prepared *p, struct err *e)
{
    int r = attach_as(scratch, "root", p->root, e);
    for (size_t i = 0; r == 0 && i < s->mount_count; i++) {
        _cleanup_free_ char *name = xasprintf("%zu", i);
        if (p->mounts[i] >= 0)
            r = attach_as(scratch, name, p->mounts[i], e);
    }
    if (r == 0 && fchdir(scratch) < 0)
        return err_set(e, errno, "enter the directory of mounts");
    return r;
}

int prepare_mounts(const struct plan *s, int files, struct prepared *out, struct err *e)
{
    *out = (struct prepared){.root = -1, .mounts = xcalloc(s->mount_count + 1, sizeof(int))};
    for (size_t i = 0; i < s->mount_count; i++)
        out->mounts[i] = -1;
    int r = apart(e);
    _cleanup_close_ int place =
        r < 0 ? -1 : source_open("directory", s->mount_point, O_DIRECTORY, e);
    if (place < 0)
        return r < 0 ? r : place;
    _cleanup_close_ int scratch = make_scratch(s, place, files, e);
    r = scratch < 0 ? scratch : show_whole(scratch, e);
    if (r == 0)
        r = prepare_files(s, files, out, e);
    if (r == 0)
        r = out->root = root_mount(s, place, e);
    for (size_t i = 0; r >= 0 && i < s->mount_count; i++)
        if (s->mounts[i].what == SOURCE_PATH || s->mounts[i].what == SOURCE_DEVICES)
            r = out->mounts[i] = prepare_mount(s, &s->mounts[i], e);
    return r < 0 ? r : attach_all(s, scratch, out, e);
}

static int take(const char *name, int *mount, struct err *e)
{
    _cleanup_close_ int attached = open(name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (attached < 0)
        return err_set(e, errno, "open mount %s", name);
    close_fd(*mount);
    *mount = mount_clone(attached, true, e);
    return *mount < 0 ? *mount : 0;
}

int prepared_take(const struct plan *s, struct prepared *p, struct err *e)
{
    int r = take("root", &p->root, e);
    for (size_t i = 0; r == 0 && i < s->mount_count; i++) {
        _cleanup_free_ char *name = xasprintf("%zu", i);
        if (p->mounts[i] >= 0)
            r = take(name, &p->mounts[i], e);
    }
    return r;
}
