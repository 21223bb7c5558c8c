/* Finds files of ids that a map lacks. A container may change what is being walked, so each directory is opened beneath the
 * one above it, without links and mounts, and the number of levels is bounded.
 */
#include "walk.h"

#include <errno.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>

enum { LEVELS_MAX = 200 }; /* each holds a directory open */

struct level {
    DIR *dir;
    size_t length; /* of its path */
};

struct walker {
    const struct id_map *map;
    struct walk *out;
    struct level levels[LEVELS_MAX];
    size_t depth;
    char path[PATH_MAX];
};

static DIR *open_level(int at, const char *name)
{
    const struct open_how how = {
        .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOATIME,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
    };
    int fd = (int)syscall(SYS_openat2, at, name, &how, sizeof(how));
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir && fd >= 0)
        close(fd);
    return dir;
}

static void judge(struct walker *w, const struct stat *st)
{
    const struct id_map *m = w->map;
    if (id_outside(m->uids, m->uid_count, st->st_uid) != ID_UNMAPPED &&
        id_outside(m->gids, m->gid_count, st->st_gid) != ID_UNMAPPED)
        return;
    if (w->out->count++ < WALK_NAMES_MAX)
        strv_add_take(&w->out->names, text_printable(w->path[0] ? w->path : "."));
}

/* The path of an entry, as far as there is room. */
static void set_path(struct walker *w, size_t length, const char *name)
{
    snprintf(w->path + length, sizeof(w->path) - length, "%s%s", length ? "/" : "", name);
}

static void enter(struct walker *w, int at, const char *name)
{
    DIR *dir = w->depth < LEVELS_MAX ? open_level(at, name) : NULL;
    if (dir)
        w->levels[w->depth++] = (struct level){dir, strlen(w->path)};
    else if (w->depth == LEVELS_MAX || (errno != EXDEV && errno != ENOENT && errno != ELOOP))
        w->out->deeper++;
}

static void look(struct walker *w, const struct level *level, const char *name)
{
    struct stat st;
    set_path(w, level->length, name);
    if (fstatat(dirfd(level->dir), name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
        return;
    judge(w, &st);
    if (S_ISDIR(st.st_mode))
        enter(w, dirfd(level->dir), name);
}

int walk_unmapped(const char *path, const struct id_map *m, struct walk *out)
{
    struct stat st;
    *out = (struct walk){0};
    _cleanup_free_ struct walker *w = xcalloc(1, sizeof(*w));
    *w = (struct walker){.map = m, .out = out};
    _cleanup_close_ int top = open_canonical(path, O_PATH | O_NOFOLLOW);
    if (top < 0 || fstat(top, &st) < 0)
        return top < 0 ? top : -errno;
    judge(w, &st);
    if (S_ISDIR(st.st_mode))
        enter(w, top, ".");
    while (w->depth > 0) {
        struct level *level = &w->levels[w->depth - 1];
        struct dirent *entry = readdir(level->dir);
        if (!entry) {
            closedir(level->dir);
            w->depth--;
        } else if (!streq(entry->d_name, ".") && !streq(entry->d_name, "..")) {
            look(w, level, entry->d_name);
        }
    }
    return 0;
}
