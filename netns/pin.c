/* Pins: network namespaces that live without a process, each mounted on a file of the same name in the root of the
 * mount namespace of pins (mount_ns.c).
 *
 * A path walk from a directory of that namespace crosses its mounts, whatever namespace the caller is in. So only
 * mounting and unmounting enter it; opening a pin is one openat().
 */
#include "mount_ns.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>

struct pins {
    struct pins_place place;
    int space; /* the mount namespace of pins, -1: not found yet */
    int root;  /* its root */
};

int pins_open(int run_fd, struct pins **out, struct err *e)
{
    _cleanup_pins_ struct pins *p = xcalloc(1, sizeof(*p));
    *p = (struct pins){.place = {-1, -1}, .space = -1, .root = -1};
    *out = NULL;
    int r = pins_find_place(run_fd, &p->place, e);
    if (r == 0)
        *out = take_ptr(p);
    return r;
}

void pins_close(struct pins *p)
{
    if (!p)
        return;
    close_fd(p->place.ns);
    close_fd(p->place.dir);
    close_fd(p->space);
    close_fd(p->root);
    free(p);
}

void pins_cleanup(struct pins **p)
{
    pins_close(*p);
}

/* ---- their mount namespace --------------------------------------------------------------------*/

static int open_root(void *arg, struct err *e)
{
    int *root = arg;
    *root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *root < 0 ? err_set(e, errno, "open the directory of pins") : 0;
}

/* Takes over @space, or keeps what is open already. */
static int use_space(struct pins *p, int space, struct err *e)
{
    _cleanup_close_ int fd = space;
    if (p->space >= 0 && netns_inode(p->space) == netns_inode(fd)) /* open: not reused */
        return 0;
    p->root = close_fd(p->root);
    p->space = close_fd(p->space);
    int r = mount_ns_run(fd, open_root, &p->root, e);
    if (r == 0)
        p->space = take_fd(fd);
    return r;
}

/* -ENOENT without a text: there is no pin at all. */
static int look(struct pins *p, struct err *e)
{
    int space = pins_find_namespace(&p->place, e);
    return space < 0 ? space : use_space(p, space, e);
}

/* RUN/pins is locked. */
static int make(struct pins *p, struct err *e)
{
    int r = look(p, e);
    if (r != -ENOENT)
        return r;
    int space = pins_make_namespace(&p->place, e);
    return space < 0 ? space : use_space(p, space, e);
}

/* ---- one pin ----------------------------------------------------------------------------------*/

/* The pinned namespace; -ENOENT also for a file without a mount, which a killed pins_add() leaves. */
static int open_pin(const struct pins *p, const char *name)
{
    _cleanup_close_ int fd = openat(p->root, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    return netns_is(fd) ? take_fd(fd) : -ENOENT;
}

static int check_name(const char *name, struct err *e)
{
    return valid_name(name) ? 0 : err_say(e, -EINVAL, "`%s` is not a name for a pin", name);
}

struct pinning {
    const char *name;
    int netns;
};

static int pin(void *arg, struct err *e)
{
    const struct pinning *w = arg;
    _cleanup_close_ int file = open(w->name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    _cleanup_close_ int tree =
        file < 0 ? -1
                 : open_tree(w->netns, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    if (tree < 0 || move_mount(tree, "", AT_FDCWD, w->name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return err_set(e, errno, "pin network namespace `%s`", w->name);
    return 0;
}

static int unpin(void *arg, struct err *e)
{
    const char *name = arg;
    /* EINVAL: a file without a mount. */
    if (umount2(name, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT)
        return err_set(e, errno, "unpin network namespace `%s`", name);
    return unlink(name) < 0 && errno != ENOENT ? err_set(e, errno, "remove pin `%s`", name) : 0;
}

static int add_locked(struct pins *p, const char *name, int netns, struct err *e)
{
    int r = make(p, e);
    if (r < 0)
        return r;
    _cleanup_close_ int present = open_pin(p, name);
    if (present >= 0)
        return err_say(e, -EEXIST, "a network namespace is pinned as `%s` already", name);
    struct pinning work = {name, netns};
    return mount_ns_run(p->space, pin, &work, e);
}

int pins_add(struct pins *p, const char *name, int netns, struct err *e)
{
    int r = check_name(name, e);
    if (r < 0)
        return r;
    if (!netns_is(netns))
        return err_say(e, -EINVAL, "pin `%s`: not a network namespace", name);
    /* Held until the pin is there: pins_remove() of the last one must not take the namespace away meanwhile. */
    _cleanup_close_ int lock = pins_lock(&p->place, true, e);
    return lock < 0 ? lock : add_locked(p, name, netns, e);
}

int pins_get(struct pins *p, const char *name, struct err *e)
{
    int r = check_name(name, e);
    if (r == 0)
        r = look(p, e);
    if (r == 0)
        r = open_pin(p, name);
    else if (r != -ENOENT)
        return r;
    if (r == -ENOENT)
        return err_say(e, -ENOENT, "no network namespace is pinned as `%s`", name);
    return r < 0 ? err_set(e, r, "open pin `%s`", name) : r;
}

/* ---- all of them ------------------------------------------------------------------------------*/

int pins_each(struct pins *p, int (*each)(const char *name, int netns, void *arg), void *arg,
              struct err *e)
{
    int r = look(p, e);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    _cleanup_dir_ DIR *d = open_listing(p->root, ".");
    if (!d)
        return err_set(e, errno, "list the pins");
    for (struct dirent *entry; (entry = next_entry(d, &r));) {
        _cleanup_close_ int fd = valid_name(entry->d_name) ? open_pin(p, entry->d_name) : -ENOENT;
        if (fd < 0 && fd != -ENOENT)
            return err_set(e, fd, "open pin `%s`", entry->d_name);
        int now = fd < 0 ? 0 : each(entry->d_name, fd, arg);
        if (now < 0)
            return now;
    }
    return r < 0 ? err_set(e, r, "list the pins") : 0;
}

/* 1, 0, or -errno. Files without a mount do not count: RUN/pins is locked, so no pin is being added. */
static int is_empty(const struct pins *p)
{
    int r = 0;
    _cleanup_dir_ DIR *d = open_listing(p->root, ".");
    if (!d)
        return -errno;
    for (struct dirent *entry; (entry = next_entry(d, &r));) {
        _cleanup_close_ int fd = valid_name(entry->d_name) ? open_pin(p, entry->d_name) : -ENOENT;
        if (fd != -ENOENT)
            return fd < 0 ? fd : 0;
    }
    return r < 0 ? r : 1;
}

/* RUN/pins is locked; @r is the result of look(). */
static int tidy_locked(struct pins *p, int r, struct err *e)
{
    int empty = r == -ENOENT ? 1 : r < 0 ? r : is_empty(p);
    if (r < 0 && r != -ENOENT)
        return r;
    if (empty < 0)
        return err_set(e, empty, "list the pins");
    return empty ? pins_remove_namespace(&p->place, e) : 0;
}

int pins_tidy(struct pins *p, struct err *e)
{
    _cleanup_close_ int lock = pins_lock(&p->place, false, e);
    if (lock < 0)
        return lock == -ENOENT ? 0 : lock;
    return tidy_locked(p, look(p, e), e);
}

int pins_remove(struct pins *p, const char *name, struct err *e)
{
    int r = check_name(name, e);
    if (r < 0)
        return r;
    _cleanup_close_ int lock = pins_lock(&p->place, false, e);
    if (lock < 0)
        return lock == -ENOENT ? 0 : lock;
    int found = look(p, e);
    if (found == 0)
        r = mount_ns_run(p->space, unpin, (void *)name, e);
    return r < 0 ? r : tidy_locked(p, found, e);
}
