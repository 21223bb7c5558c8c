/* Mounts what a plan lists, beneath the container's root.
 *
 * Everything in the root directory is hostile: its author chose what the names mean. So each place is opened beneath the
 * root, and each mount is complete before it is attached there. A place with MOUNT_REAL has no link on its way, because a
 * procfs in another place could be used to deceive processes that write to /proc (CVE-2019-19921). What is below a file
 * system that the list has mounted, as /proc/kcore below /proc, is opened from the fd of that mount.
 */
#include "mount_list.h"

#include "cgroup_mounts.h"
#include "dev.h"
#include "mounts.h"
#include "source.h"

#include <errno.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/vfs.h>

static bool is_real(const struct plan_mount *p)
{
    return (p->flags & (MOUNT_REAL | MOUNT_LATE)) || p->what == SOURCE_TARGET ||
           p->what == SOURCE_MASK;
}

/* ---- places ----------------------------------------------------------------------------------*/

/* Where to resolve @target from: our own mount above it, or the root. */
static int base_of(const struct mount_list *m, const char *target, const char **rest)
{
    const char *below = m->base ? skip_prefix(target, m->base) : NULL;
    bool is_below = below && *below == '/';
    *rest = is_below ? below + 1 : target + 1;
    return is_below ? m->base_fd : m->root;
}

static int open_real(const struct mount_list *m, const struct plan_mount *p, int flags)
{
    const char *rest;
    int base = base_of(m, p->target, &rest);
    return open_in_root(base, rest, O_PATH | O_NOFOLLOW | flags, 0, RESOLVE_NO_SYMLINKS);
}

static void make_real(const struct mount_list *m, const struct plan_mount *p, bool directory)
{
    const char *rest;
    int base = base_of(m, p->target, &rest);
    if (directory && base != m->root && !strchr(rest, '/')) /* nothing to resolve */
        (void)mkdirat(base, rest, 0755);
    else
        close_fd(directory ? mkdir_in_root(base, rest, 0755) : touch_in_root(base, rest, 0644));
}

/* Makes it if it is missing. -ENOENT: the kernel's own file system does not have it. */
static int real_place(const struct mount_list *m, const struct plan_mount *p, bool directory,
                      struct err *e)
{
    int fd = open_real(m, p, directory ? O_DIRECTORY : 0);
    if (fd == -ENOENT && (p->flags & MOUNT_OPTIONAL))
        return fd;
    if (fd == -ENOENT) {
        make_real(m, p, directory);
        fd = open_real(m, p, directory ? O_DIRECTORY : 0);
    }
    if (fd < 0)
        err_set(e, fd, "the root directory's %s is not a %s", p->target,
                directory ? "directory" : "file");
    return fd;
}

static int any_place(const struct mount_list *m, const struct plan_mount *p, bool directory,
                     struct err *e)
{
    int place = directory ? mkdir_in_root(m->root, p->target, 0755)
                          : touch_in_root(m->root, p->target, 0644);
    if (place == -ENOTDIR) /* it may be a file: place_check() reports that */
        place = open_in_root(m->root, p->target, O_PATH, 0, 0);
    return place < 0 ? place_cannot_make(place, m->plan, p->target, e) : place;
}

/* ---- sources ---------------------------------------------------------------------------------*/

enum { OPTIONS_MAX = 16 };

/* As the group of terminals; a map of ids may lack it, and the file system would refuse to be mounted. */
static bool lacks_group(const struct plan *s, const char *group)
{
    uint64_t gid = 0;
    return !id_map_is_host(&s->ids) && parse_u64(group, 0, UINT32_MAX - 1, &gid) == 0 &&
           id_outside(s->ids.gids, s->ids.gid_count, (uint32_t)gid) == ID_UNMAPPED;
}

static int open_type(const struct plan *s, const struct plan_mount *p, struct err *e)
{
    struct mount_option options[OPTIONS_MAX + 1] = {0};
    _cleanup_strv_ strv words = strv_copy(p->options); /* to be split */
    bool terminals = streq(p->source, "devpts");
    size_t count = 0;
    strv_each (word, words) {
        char *value = strchr(word, '=');
        if (value)
            *value++ = '\0';
        if (terminals && value && streq(word, "gid") && lacks_group(s, value))
            continue;
        if (count == OPTIONS_MAX)
            return err_say(e, -E2BIG, "the mount on `%s` has more than %d options", p->target,
                           OPTIONS_MAX);
        options[count++] = (struct mount_option){word, value};
    }
    /* A devpts has no nodes but its terminals, which nodev would close. */
    unsigned nodev = terminals ? 0 : MOUNT_ATTR_NODEV;
    return mount_new(p->source, options, nodev | source_attributes(p), e);
}

static int open_source(const struct mount_list *m, const struct plan_mount *p, struct err *e)
{
    if (m->prepared && m->prepared->mounts[p - m->plan->mounts] >= 0)
        return fcntl(m->prepared->mounts[p - m->plan->mounts], F_DUPFD_CLOEXEC, 3);
    switch (p->what) {
    case SOURCE_DEVICES: return dev_new(e);
    case SOURCE_TYPE: return open_type(m->plan, p, e);
    default: return source_mount(p, -1, e);
    }
}

/* ---- mounts ----------------------------------------------------------------------------------*/

/* Remembers a file system that later entries of the list are below of. */
static void keep_base(struct mount_list *m, const struct plan_mount *p, int *mount)
{
    const char *rest;
    if (base_of(m, p->target, &rest) != m->root)
        return;
    close_fd(m->base_fd);
    m->base_fd = take_fd(*mount);
    m->base = p->target;
}

static int mount_real(struct mount_list *m, const struct plan_mount *p, int mount, bool directory,
                      struct err *e)
{
    _cleanup_close_ int place = real_place(m, p, directory, e);
    if (place == -ENOENT && (p->flags & MOUNT_OPTIONAL))
        return 0;
    int r = place < 0 ? place : mount_attach(mount, place, p->target, e);
    if (r == 0 && p->what == SOURCE_DEVICES)
        r = dev_fill(mount, m->prepared, &m->null, e);
    return r == 0 && p->what == SOURCE_DEVICES ? place_of(mount, &m->places.devices, e) : r;
}

static int mount_any(struct mount_list *m, const struct plan_mount *p, int mount, bool directory,
                     struct err *e)
{
    _cleanup_close_ int place = any_place(m, p, directory, e);
    int r = place < 0 ? place : place_check(m->root, &m->places, m->plan, place, directory, p, e);
    if (r == 0)
        r = mount_attach(mount, place, p->target, e);
    return r < 0 ? r : place_of(mount, &m->places.list[m->places.count++], e);
}

static int mount_source(struct mount_list *m, const struct plan_mount *p, struct err *e)
{
    struct stat st = {.st_mode = S_IFDIR}; /* of a new file system */
    bool is_new = p->what == SOURCE_TYPE || p->what == SOURCE_DEVICES;
    _cleanup_close_ int mount = open_source(m, p, e);
    if (mount < 0)
        return mount;
    if (!is_new && fstat(mount, &st) < 0)
        return err_set(e, errno, "look at volume `%s`", p->source ? p->source : p->target);
    bool directory = S_ISDIR(st.st_mode);
    if (!is_real(p))
        return mount_any(m, p, mount, directory, e);
    int r = mount_real(m, p, mount, directory, e);
    if (r == 0 && directory)
        keep_base(m, p, &mount);
    return r;
}

static int mount_cgroups(const struct mount_list *m, const struct plan_mount *p, struct err *e)
{
    _cleanup_close_ int place = real_place(m, p, true, e);
    if (place == -ENOENT) /* a kernel without cgroups */
        return 0;
    unsigned attributes = MOUNT_ATTR_NODEV | source_attributes(p);
    return place < 0 ? place : cgroup_mounts(place, m->cgroup2, attributes, e);
}

/* ---- what is covered -------------------------------------------------------------------------*/

/* The kernel's /proc/tty/ldisc is empty for ever, and costs no file system of its own: the kernel walks all of them when a
 * memory cgroup is removed. -1: this kernel or the plan has none. */
static int open_empty(const struct mount_list *m)
{
    struct statfs fs;
    bool in_proc = m->base && streq(m->base, "/proc");
    _cleanup_close_ int place =
        in_proc ? openat(m->base_fd, "tty/ldisc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                : -1;
    if (place < 0 || fstatfs(place, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
        return -1;
    _cleanup_close_ int mount = mount_clone(place, false, NULL);
    return mount < 0 || mount_set(mount, MOUNT_ATTR_RDONLY, false, NULL) < 0 ? -1 : take_fd(mount);
}

/* netctr makes both covers: a /dev/null from the root directory could be anything (CVE-2025-31133). */
static int open_cover(const struct mount_list *m, const struct plan_mount *p, bool directory,
                      struct err *e)
{
    if (!directory && m->null < 0)
        return err_say(e, -EINVAL, "`%s` cannot be masked without a /dev/null", p->target);
    if (!directory)
        return mount_clone(m->null, false, e);
    if (m->empty >= 0)
        return mount_clone(m->empty, false, e);
    int fd = open_empty(m);
    if (fd >= 0)
        return fd;
    const struct mount_option empty[] = {{"size", "4k"}, {"nr_inodes", "2"}, {NULL, NULL}};
    return mount_new("tmpfs", empty, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, e);
}

static int open_with_flags(const struct plan_mount *p, int place, struct err *e)
{
    _cleanup_close_ int mount = mount_clone(place, true, e);
    int r = mount < 0 ? mount : mount_set(mount, source_attributes(p), true, e);
    if (r == 0 && (p->flags & MOUNT_WRITABLE))
        r = mount_clear(mount, MOUNT_ATTR_RDONLY, e);
    return r < 0 ? r : take_fd(mount);
}

static int cover(struct mount_list *m, const struct plan_mount *p, struct err *e)
{
    _cleanup_close_ int place = open_real(m, p, 0);
    struct stat st;
    if (place == -ENOENT)
        return 0;
    if (place < 0)
        return err_set(e, place, "open `%s`", p->target);
    if (fstat(place, &st) < 0)
        return err_set(e, errno, "look at `%s`", p->target);
    bool directory = S_ISDIR(st.st_mode), masks = p->what == SOURCE_MASK;
    _cleanup_close_ int mount =
        masks ? open_cover(m, p, directory, e) : open_with_flags(p, place, e);
    int r = mount < 0 ? mount : mount_attach(mount, place, p->target, e);
    /* Only a mount in a namespace can be cloned: the first one is the source of the others. */
    if (r == 0 && masks && directory && m->empty < 0)
        m->empty = take_fd(mount);
    return r;
}

/* ---- the list --------------------------------------------------------------------------------*/

static int mount_one(struct mount_list *m, const struct plan_mount *p, struct err *e)
{
    int r;
    if (p->what == SOURCE_MASK || p->what == SOURCE_TARGET)
        r = cover(m, p, e);
    else if (p->what == SOURCE_TYPE && streq(p->source, "cgroup"))
        r = mount_cgroups(m, p, e);
    else
        r = mount_source(m, p, e);
    if (!(p->flags & MOUNT_OPTIONAL) || !mount_is_refused(r))
        return r;
    err_clear(e);
    return 0;
}

/* A file system that comes late has its directory early: volumes must not take that place. */
static int reserve(const struct mount_list *m, const struct plan_mount *p, struct err *e)
{
    if (p->what != SOURCE_TYPE || (p->flags & MOUNT_OPTIONAL))
        return 0;
    int fd = real_place(m, p, true, e);
    close_fd(fd);
    return fd < 0 ? fd : 0;
}

static int check_all_seen(const struct mount_list *m, struct err *e)
{
    int r = 0;
    size_t at = 0;
    for (size_t i = 0; r == 0 && m->places.count > 1 && i < m->plan->mount_count; i++)
        if (!is_real(&m->plan->mounts[i]))
            r = place_check_seen(m->root, &m->plan->mounts[i], &m->places.list[at++], e);
    return r;
}

/* Over the root's, but not over a mount of the list. */
static int mount_file(const struct mount_list *m, const struct plan_file *f, struct err *e)
{
    struct place at = {0};
    _cleanup_close_ int place = touch_in_root(m->root, f->target, 0644);
    if (place < 0)
        return place_cannot_make(place, m->plan, f->target, e);
    int r = place_of(place, &at, e);
    if (r < 0 || place_is_taken(&m->places, &at))
        return r;
    if (place_belongs_to_kernel(place))
        return err_say(e, -EPERM, "`%s` in the root directory is a link into /proc or /sys",
                       f->target);
    _cleanup_close_ int mount =
        m->prepared ? fcntl(m->prepared->files[f - m->plan->files], F_DUPFD_CLOEXEC, 3)
                    : source_file(m->files, f->name, e);
    if (mount < 0)
        return m->prepared ? err_set(e, errno, "open the container's `%s`", f->name) : mount;
    return mount_attach(mount, place, f->target, e);
}

int mount_list_early(struct mount_list *m, struct err *e)
{
    const struct plan *s = m->plan;
    int r = 0;
    m->places.list = xcalloc(s->mount_count + 1, sizeof(*m->places.list));
    for (size_t i = 0; r == 0 && i < s->mount_count; i++)
        r = (s->mounts[i].flags & MOUNT_LATE ? reserve(m, &s->mounts[i], e)
                                             : mount_one(m, &s->mounts[i], e));
    if (r == 0)
        r = check_all_seen(m, e);
    for (size_t i = 0; r == 0 && i < s->file_count; i++)
        r = mount_file(m, &s->files[i], e);
    return r;
}

int mount_list_late(struct mount_list *m, struct err *e)
{
    const struct plan *s = m->plan;
    int r = 0;
    for (size_t i = 0; r == 0 && i < s->mount_count; i++)
        if (s->mounts[i].flags & MOUNT_LATE)
            r = mount_one(m, &s->mounts[i], e);
    return r;
}
