/* A walk over the cgroups below one, deepest first.
 *
 * A container that may mount cgroups can make the tree, so its shape is unbounded: depth, width, names. Hence no
 * recursion, no path (the kernel accepts 4096 bytes), and one open directory at any depth: the way back is "..",
 * which is safe because a cgroup cannot be moved to another parent. The walk keeps the names that it has not
 * visited yet, which is less than the kernel keeps of them.
 */
#include "core/cgroup_internal.h"

#include <errno.h>
#include <string.h>

/* A cgroup on the way down. */
struct level {
    dev_t device;
    ino_t inode;
    char *names; /* of the cgroups in it, NUL-terminated */
    size_t used, room;
    size_t next; /* offset of the name to visit next */
};

struct walk {
    int at; /* the cgroup of the last level */
    struct level *levels;
    size_t depth, room;
};

static void end_walk(struct walk *w)
{
    close_fd(w->at);
    while (w->depth)
        free(w->levels[--w->depth].names);
    free(w->levels);
}

static void add_name(struct level *l, const char *name)
{
    size_t size = strlen(name) + 1;
    if (l->room - l->used < size) {
        l->room = 2 * l->room + 1024;
        l->names = xrealloc(l->names, l->room, 1);
    }
    memcpy(l->names + l->used, name, size);
    l->used += size;
}

static int list_names(int dir, struct level *l)
{
    _cleanup_dir_ DIR *d = open_listing(dir, ".");
    if (!d)
        return errno == ENOENT ? 0 : -errno;
    int r = 0;
    for (struct dirent *entry; (entry = next_entry(d, &r));)
        if (entry->d_type == DT_DIR && !streq(entry->d_name, ".") && !streq(entry->d_name, ".."))
            add_name(l, entry->d_name);
    return r;
}

/* Continues in @dir, which it takes over. The link count is one for the name, one for "." and one for each child:
 * with two links there is nothing to list. */
static int enter(struct walk *w, int dir)
{
    struct stat st;
    if (w->depth == w->room) {
        w->room = 2 * w->room + 16;
        w->levels = xrealloc(w->levels, w->room, sizeof(*w->levels));
    }
    close_fd(w->at);
    w->at = dir;
    if (fstat(dir, &st) < 0)
        return -errno;
    struct level *l = &w->levels[w->depth++];
    *l = (struct level){.device = st.st_dev, .inode = st.st_ino};
    return st.st_nlink == 2 ? 0 : list_names(dir, l);
}

/* Back to the level above. */
static int leave(struct walk *w)
{
    struct stat st;
    free(w->levels[--w->depth].names);
    if (!w->depth)
        return 0;
    const struct level *l = &w->levels[w->depth - 1];
    int parent = openat(w->at, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0)
        return -errno;
    close_fd(w->at);
    w->at = parent;
    if (fstat(parent, &st) < 0)
        return -errno;
    return st.st_dev == l->device && st.st_ino == l->inode ? 0 : -EXDEV;
}

static int open_child(const struct walk *w, const char *name)
{
    int fd = openat(w->at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int cgroup_walk(int dir, cgroup_visit_fn *visit, void *arg)
{
    __attribute__((cleanup(end_walk))) struct walk w = {.at = -1};
    int own = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int first = 0;
    int r = own < 0 ? -errno : enter(&w, own);
    while (r == 0 && w.depth) {
        const struct level *l = &w.levels[w.depth - 1];
        if (l->next < l->used) {
            int child = open_child(&w, l->names + l->next);
            if (child >= 0) {
                r = enter(&w, child);
                continue;
            }
            if (child != -ENOENT && first == 0)
                first = child;
        } else if ((r = leave(&w)) < 0 || !w.depth) {
            break;
        }
        /* the one that was just left, or that cannot be entered */
        struct level *above = &w.levels[w.depth - 1];
        const char *name = above->names + above->next;
        int visited = visit(w.at, name, arg);
        first = first ? first : visited;
        above->next += strlen(name) + 1;
    }
    return r < 0 ? r : first;
}
