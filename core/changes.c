/* What a container has changed of its root directory: its overlay's upper layer, beside the directory below it.
 *
 * A file of the upper layer hides the one below; a whiteout (a device 0:0) says that the one below is gone; an opaque
 * directory hides everything below it. A directory is there as soon as anything in it has changed, so it is reported only if it
 * differs itself, or before the first change in it. Where netctr mounts something, the upper layer has only places for that.
 *
 * The container may change the layer meanwhile. Each directory is opened beneath the one above it, and the number of levels,
 * and of names that are kept to be sorted, is bounded.
 */
#include "mounts.h"
#include "source.h"

#include <netctr/core.h>

#include <errno.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

enum {
    LEVELS_MAX = 200, /* each holds two directories open */
    SORTED_MAX = 1024 /* names */
};

struct level {
    DIR *upper;
    int lower; /* the directory below; -1: none */
    struct strings names;
    size_t next;
    size_t length; /* of its path */
    bool opaque;   /* hides all of @lower */
    bool hidden;   /* now the names of @lower follow */
    bool told;
    bool differs;     /* in mode or owner */
    bool differs_now; /* in the time of its last change */
    bool has_place;   /* a place to mount something on was made in it */
};

struct changes {
    const struct plan *plan;
    plan_change each;
    void *arg;
    uint64_t deeper;
    struct level levels[LEVELS_MAX];
    size_t depth;
    char path[PATH_MAX];
};

/* ---- telling ---------------------------------------------------------------------------------*/

static void tell_level(struct changes *c, struct level *l)
{
    _cleanup_free_ char *path = xstrndup(c->path, l->length);
    if (!l->told)
        c->each('C', path, c->arg);
    l->told = true;
}

static void tell_levels(struct changes *c)
{
    for (size_t i = 0; i < c->depth; i++)
        tell_level(c, &c->levels[i]);
}

static void tell(struct changes *c, char kind)
{
    tell_levels(c);
    c->each(kind, c->path, c->arg);
}

/* ---- levels ----------------------------------------------------------------------------------*/

static int open_directory(int at, const char *name, int flags)
{
    const struct open_how how = {
        .flags = (uint64_t)(O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW | flags),
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
    };
    return (int)syscall(SYS_openat2, at, name, &how, sizeof(how));
}

static bool has_xattr(int dir, const char *name)
{
    return fgetxattr(dir, name, NULL, 0) > 0;
}

static bool is_opaque(int dir)
{
    char value = 0;
    return fgetxattr(dir, "trusted.overlay.opaque", &value, 1) == 1 && value == 'y';
}

/* The upper layer's files have the ids that the container's are outside. */
static bool has_other_owner(const struct plan *p, const struct stat *upper,
                            const struct stat *lower)
{
    const struct id_map *m = &p->ids;
    const bool host = id_map_is_host(m);
    return upper->st_uid !=
               (host ? lower->st_uid : id_outside(m->uids, m->uid_count, lower->st_uid)) ||
           upper->st_gid !=
               (host ? lower->st_gid : id_outside(m->gids, m->gid_count, lower->st_gid));
}

static void compare(const struct plan *p, struct level *l)
{
    struct stat upper, lower;
    if (fstat(dirfd(l->upper), &upper) < 0 || fstat(l->lower, &lower) < 0)
        return;
    l->differs = upper.st_mode != lower.st_mode || has_other_owner(p, &upper, &lower);
    l->differs_now = upper.st_mtim.tv_sec != lower.st_mtim.tv_sec ||
                     upper.st_mtim.tv_nsec != lower.st_mtim.tv_nsec;
}

static void leave(struct changes *c)
{
    struct level *l = &c->levels[--c->depth];
    closedir(l->upper);
    close_fd(l->lower);
    strings_clear(&l->names);
}

/* @lower (-1: there is none) belongs to the level. One that cannot be opened has just been removed, or is too deep. */
static void enter(struct changes *c, int at, const char *name, int lower, bool told)
{
    int fd = c->depth < LEVELS_MAX ? open_directory(at, name, O_RDONLY) : -1;
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        c->deeper += c->depth == LEVELS_MAX || errno != ENOENT;
        close_fd(fd);
        close_fd(lower);
        return;
    }
    struct level *l = &c->levels[c->depth++];
    *l = (struct level){.upper = dir, .lower = lower, .length = strlen(c->path), .told = told};
    /* A directory that was renamed has others below it. */
    if (l->lower >= 0 && has_xattr(fd, "trusted.overlay.redirect"))
        l->lower = close_fd(l->lower);
    l->opaque = l->lower >= 0 && (is_opaque(fd) || (c->depth > 1 && l[-1].opaque));
    if (l->lower >= 0)
        compare(c->plan, l);
}

/* ---- entries ---------------------------------------------------------------------------------*/

static bool is_place(const struct plan *p, const char *path)
{
    for (size_t i = 0; i < p->mount_count; i++)
        if (streq(p->mounts[i].target, path))
            return true;
    for (size_t i = 0; i < p->file_count; i++)
        if (streq(p->files[i].target, path))
            return true;
    return false;
}

static bool is_whiteout(const struct stat *st)
{
    return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

static void look(struct changes *c, struct level *l, const char *name)
{
    struct stat upper, lower;
    const int at = dirfd(l->upper);
    const bool exists = fstatat(at, name, &upper, AT_SYMLINK_NOFOLLOW) == 0;
    const bool below = l->lower >= 0 && fstatat(l->lower, name, &lower, AT_SYMLINK_NOFOLLOW) == 0;
    if (l->hidden) {
        if (!exists && below)
            tell(c, 'D');
    } else if (exists && is_whiteout(&upper)) {
        if (below)
            tell(c, 'D');
    } else if (exists && is_place(c->plan, c->path)) {
        l->has_place = true;
    } else if (exists) {
        const bool both = below && S_ISDIR(upper.st_mode) && S_ISDIR(lower.st_mode);
        if (!both)
            tell(c, below ? 'C' : 'A');
        if (S_ISDIR(upper.st_mode))
            enter(c, at, name, both ? open_directory(l->lower, name, O_PATH) : -1, !both);
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The next names, sorted. */
static int read_names(struct level *l)
{
    int r = 0;
    strings_clear(&l->names);
    l->next = 0;
    for (struct dirent *entry; l->names.count < SORTED_MAX && (entry = next_entry(l->upper, &r));)
        if (!streq(entry->d_name, ".") && !streq(entry->d_name, ".."))
            strings_add(&l->names, entry->d_name);
    if (l->names.count)
        qsort(l->names.items, l->names.count, sizeof(*l->names.items), by_name);
    return r;
}

/* The deleted ones: their names are those of the directory below. look() asks for them in the upper one by the level's own
 * stream, so this reads by another. */
static int read_hidden(struct changes *c, struct level *l)
{
    int r = 0;
    _cleanup_dir_ DIR *lower = open_listing(l->lower, ".");
    if (!lower)
        return -errno;
    l->hidden = true;
    for (struct dirent *entry; (entry = next_entry(lower, &r));) {
        if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
            continue;
        snprintf(c->path + l->length, sizeof(c->path) - l->length, "/%s", entry->d_name);
        look(c, l, entry->d_name);
    }
    return r;
}

static int end_level(struct changes *c, struct level *l)
{
    int r = l->opaque ? read_hidden(c, l) : 0;
    if (l->differs || (l->differs_now && !l->has_place))
        tell_levels(c);
    leave(c);
    return r;
}

static int turn(struct changes *c)
{
    struct level *l = &c->levels[c->depth - 1];
    int r = l->next < l->names.count ? 0 : read_names(l);
    if (r < 0 || l->names.count == 0)
        return r < 0 ? r : end_level(c, l);
    const char *name = l->names.items[l->next++];
    if (l->length + strlen(name) + 2 > sizeof(c->path)) {
        c->deeper++;
        return 0;
    }
    snprintf(c->path + l->length, sizeof(c->path) - l->length, "/%s", name);
    look(c, l, name);
    return 0;
}

/* A clone of the root directory's mount has nothing mounted in it, as the overlay sees it. */
static int open_lower(const struct plan *p, struct err *e)
{
    _cleanup_close_ int root = source_open_root(p->rootfs, e);
    return root < 0 ? root : mount_clone(root, false, e);
}

int plan_each_change(const struct plan *p, plan_change each, void *arg, uint64_t *deeper,
                     struct err *e)
{
    _cleanup_free_ struct changes *c = xcalloc(1, sizeof(*c));
    *c = (struct changes){.plan = p, .each = each, .arg = arg};
    _cleanup_close_ int lower = open_lower(p, e);
    _cleanup_close_ int layers = lower < 0 ? -1 : open_canonical(p->layers, O_PATH | O_DIRECTORY);
    if (lower < 0 || layers < 0)
        return lower < 0 ? lower : err_set(e, layers, "open directory `%s`", p->layers);
    enter(c, layers, "upper", take_fd(lower), true);
    if (c->depth == 0)
        return err_set(e, errno, "open `%s/upper`", p->layers);
    int r = 0;
    while (c->depth > 0 && r == 0)
        r = turn(c);
    while (c->depth > 0)
        leave(c);
    *deeper = c->deeper;
    return r < 0 ? err_set(e, r, "read the layer of container `%s`", p->name) : 0;
}
