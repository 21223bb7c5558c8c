/* A state directory as a whole, for `netctr reset`: may it be removed, and its removal.
 *
 * A wrong --root can name any directory of the host. So a directory is removed only if a file of netctr marks it, or if
 * it looks like one that a netctr without that file has made, and only if everything in it has a name that netctr gives.
 * One foreign entry refuses the whole directory, before anything is touched.
 *
 * Removal begins with a rename, .NAME.netctr-reset beside it. A command that starts meanwhile creates a new directory and
 * never writes into a half-removed one. After a kill -9, the next reset finds that name. remove_tree_at() follows no
 * symbolic link and enters no mount.
 */
#include "files.h"

#include <errno.h>
#include <linux/stat.h>
#include <string.h>
#include <sys/syscall.h>

#define MARK "netctr-state"
#define MARK_BEGIN "netctr keeps its state here."
#define MARK_TEXT                                                                    \
    MARK_BEGIN "\n`netctr reset` removes this directory with everything in it, and " \
               "refuses to if it\nfinds an entry that netctr has not made.\n"

/* ---- the mark --------------------------------------------------------------------------------*/

static bool only_containers(int dir)
{
    _cleanup_dir_ DIR *d = open_listing(dir, ".");
    int r = d ? 0 : -1;
    for (struct dirent *entry; d && (entry = next_entry(d, &r));)
        if (!streq(entry->d_name, ".") && !streq(entry->d_name, "..") &&
            !streq(entry->d_name, "containers"))
            return false;
    return r == 0;
}

/* Without the mark, the directory is recognised by its entries. */
void state_dir_mark_new(int dir)
{
    if (only_containers(dir))
        (void)write_file_atomic(dir, MARK, MARK_TEXT, strlen(MARK_TEXT), 0600);
}

static bool is_marked(int dir)
{
    _cleanup_free_ char *text = NULL;
    return read_state_at(dir, MARK, 4096, &text, NULL) == 0 && skip_prefix(text, MARK_BEGIN);
}

/* ---- what netctr creates ---------------------------------------------------------------------*/

/* Of ROOT and of RUN, which may be the same directory. */
static bool is_known_top(const char *name)
{
    static const char *const names[] = {
        "containers", "networks", "run-root", "lock", "leases",    "links", "dns",
        "helpers",    "instance", "events",   "pins", "sandboxes", MARK,    "events.1",
        "ranges",     "mappable", "renaming", "labs", LAB_RELAYS,
    };
    size_t length = strlen(name);
    if (length && name[length - 1] == '~') /* of write_file_atomic() */
        length--;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strlen(names[i]) == length && strncmp(names[i], name, length) == 0)
            return true;
    return false;
}

/* In ROOT/containers/NAME, RUN/containers/NAME. */
static bool is_known_below(const char *name)
{
    static const char *const names[] = {"config.json", "config.json~", "upper",       "work",
                                        "log",         "lock",         "state.json",  "state.json~",
                                        "flags",       "control",      "control.json"};
    uint64_t number;
    const char *rest = skip_prefix(name, "log.");
    if ((rest && parse_u64(rest, 1, UINT32_MAX, &number) == 0) || skip_prefix(name, "endpoint."))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (streq(names[i], name))
            return true;
    return false;
}

static int refuse(const char *path, const char *why, struct err *e)
{
    return err_say(e, -EPERM, "`%s` %s: nothing was removed", path, why);
}

/* The first entry of @dir that @known does not accept; NULL: there is none. The caller frees. */
static int find_foreign(int dir, const char *path, bool (*known)(const char *name), char **foreign,
                        bool *empty, struct err *e)
{
    int r = 0;
    _cleanup_dir_ DIR *d = open_listing(dir, ".");
    if (!d)
        return err_set(e, errno, "list `%s`", path);
    *empty = true;
    for (struct dirent *entry; !*foreign && (entry = next_entry(d, &r));) {
        if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
            continue;
        *empty = false;
        if (!known(entry->d_name))
            *foreign = xstrdup(entry->d_name);
    }
    return r < 0 ? err_set(e, r, "list `%s`", path) : 0;
}

static int refuse_foreign(const char *path, const char *foreign, struct err *e)
{
    err_say(e, -EPERM, "`%s/%s` was not created by netctr: nothing was removed", path, foreign);
    err_hint(e, "if `%s` is netctr's state directory, move that entry elsewhere", path);
    return -EPERM;
}

static int open_below_top(int at, const char *name)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? -errno : fd;
}

/* A root directory inside the state would be deleted with it. */
static int check_rootfs(const struct state_dir *d, int container, const char *name, struct err *e)
{
    _cleanup_json_ json_t *j = NULL;
    const char *rootfs =
        json_read_at(container, "config.json", &j, NULL) == 0 ? json_str(j, "rootfs") : NULL;
    const char *rest = rootfs ? skip_prefix(rootfs, d->path) : NULL;
    if (!rest || (*rest && *rest != '/'))
        return 0;
    err_say(e, -EPERM,
            "`%s`, the root directory of container `%s`, is in `%s`: nothing was removed", rootfs,
            name, d->path);
    err_hint(e, "move it elsewhere, or remove the container first");
    return -EPERM;
}

static int check_container(const struct state_dir *d, int containers, const char *name,
                           struct err *e)
{
    bool empty;
    _cleanup_free_ char *foreign = NULL, *path = xasprintf("%s/containers/%s", d->path, name);
    _cleanup_close_ int dir = open_below_top(containers, name);
    if (dir == -ENOTDIR || dir == -ELOOP || dir == -ENOENT) /* damaged, or gone meanwhile */
        return 0;
    if (dir < 0)
        return err_set(e, dir, "open `%s`", path);
    int r = find_foreign(dir, path, is_known_below, &foreign, &empty, e);
    if (r == 0 && foreign)
        r = refuse_foreign(path, foreign, e);
    return r < 0 ? r : check_rootfs(d, dir, name, e);
}

/* Beside the containers: the index of ids, and layers put aside by a removal, which hold whatever the container had. Up to
 * version 0.1.0 these were ".removed-ID". */
static bool is_beside_containers(const char *name)
{
    return streq(name, ".") || streq(name, "..") || streq(name, TRASH) || streq(name, IDS) ||
           skip_prefix(name, ".removed-");
}

static int check_containers(const struct state_dir *d, struct err *e)
{
    int r = 0;
    _cleanup_close_ int fd = open_below_top(d->fd, "containers");
    _cleanup_dir_ DIR *list = fd < 0 ? NULL : open_listing(fd, ".");
    if (!list)
        return fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP
                   ? 0
                   : err_set(e, fd < 0 ? fd : -errno, "list `%s/containers`", d->path);
    for (struct dirent *entry; r == 0 && (entry = next_entry(list, &r));) {
        const char *name = entry->d_name;
        if (is_beside_containers(name))
            continue;
        if (!valid_name(name)) {
            _cleanup_free_ char *path = xasprintf("%s/containers", d->path);
            return refuse_foreign(path, name, e);
        }
        r = check_container(d, fd, name, e);
    }
    return r < 0 && !e->code ? err_set(e, r, "list `%s/containers`", d->path) : r;
}

static int check_entries(const struct state_dir *d, struct err *e)
{
    bool empty;
    _cleanup_free_ char *foreign = NULL;
    int r = find_foreign(d->fd, d->path, is_known_top, &foreign, &empty, e);
    if (r < 0 || empty)
        return r;
    if (foreign)
        return refuse_foreign(d->path, foreign, e);
    /* Made by netctr 0.2 or older, or before its mark could be written. */
    _cleanup_close_ int containers = open_below_top(d->fd, "containers");
    if (!is_marked(d->fd) && containers < 0)
        return refuse(d->path, "has no file `" MARK "` and no directory `containers`", e);
    return check_containers(d, e);
}

/* ---- mounts ----------------------------------------------------------------------------------*/

/* "\040" is a space in mountinfo(5). */
static char *unescape(const char *s)
{
    char *text = xstrdup(s), *to = text;
    for (const char *p = s; *p; p++)
        if (p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] && p[3]) {
            *to++ = (char)((p[1] - '0') * 64 + (p[2] - '0') * 8 + (p[3] - '0'));
            p += 3;
        } else {
            *to++ = *p;
        }
    *to = '\0';
    return text;
}

/* The mount points at and below @path, in the order in which they were mounted. The caller frees. */
static int mounts_in(const char *path, strv *out, struct err *e)
{
    _cleanup_free_ char *text = NULL;
    int r = read_file_at(AT_FDCWD, "/proc/self/mountinfo", 64 << 20, &text, NULL);
    if (r < 0)
        return err_set(e, r, "read /proc/self/mountinfo");
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));) {
        char *point = line;
        for (int i = 0; point && i < 4; i++)
            point = (point = strchr(point, ' ')) ? point + 1 : NULL;
        if (!point)
            continue;
        point[strcspn(point, " ")] = '\0';
        _cleanup_free_ char *at = unescape(point);
        const char *below = skip_prefix(at, path);
        if (below && (!*below || *below == '/'))
            strv_add(out, at);
    }
    return 0;
}

static int check_mounts(struct state_dir *d, struct err *e)
{
    _cleanup_strv_ strv found = NULL;
    _cleanup_free_ char *pins = xasprintf("%s/pins", d->path);
    int r = mounts_in(d->path, &found, e);
    strv_each (at, found) {
        const char *below = skip_prefix(at, pins);
        if (below && (!*below || *below == '/')) {
            strv_add(&d->pins, at);
            continue;
        }
        err_say(e, -EBUSY, "`%s` is a mount point: nothing was removed", at);
        err_hint(e, "`umount %s` first", at);
        return -EBUSY;
    }
    return r;
}

/* ---- the directory ---------------------------------------------------------------------------*/

void state_dir_close(struct state_dir *d)
{
    close_fd(d->fd);
    free(d->path);
    free(d->name);
    strv_free(d->pins);
    close_fd(d->parent);
    *d = STATE_DIR_INIT;
}

/* Links on the way are followed, as everywhere; the last component must not be one. */
static int find_path(const char *path, struct state_dir *d, struct err *e)
{
    _cleanup_free_ char *given = xstrdup(path);
    for (size_t n = strlen(given); n > 1 && given[n - 1] == '/'; n--)
        given[n - 1] = '\0';
    char *slash = strrchr(given, '/');
    d->name = xstrdup(slash ? slash + 1 : given);
    if (!*d->name || streq(d->name, ".") || streq(d->name, ".."))
        return refuse(path, "does not end in the name of a directory", e);
    if (slash)
        *slash = '\0';
    const char *above = !slash ? "." : slash == given ? "/" : given;
    _cleanup_free_ char *real = realpath(above, NULL);
    if (!real && errno != ENOENT)
        return err_set(e, errno, "look at `%s`", above);
    const char *parent = real ? real : above;
    d->path = xasprintf("%s/%s", streq(parent, "/") ? "" : parent, d->name);
    if (!real)
        return 0;
    d->parent = open_canonical(real, O_RDONLY | O_DIRECTORY);
    return d->parent < 0 ? err_set(e, d->parent, "open `%s`", real) : 0;
}

static bool is_home(const char *path)
{
    const char *home = getenv("HOME");
    _cleanup_free_ char *real = home && *home ? realpath(home, NULL) : NULL;
    return real && streq(real, path);
}

static int check_itself(const struct state_dir *d, struct err *e)
{
    struct statx st;
    if (is_home(d->path))
        return refuse(d->path, "is the home directory", e);
    if (statx(d->fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &st) < 0)
        return err_set(e, errno, "look at `%s`", d->path);
    if (st.stx_attributes & STATX_ATTR_MOUNT_ROOT)
        return refuse(d->path, "is a mount point", e);
    return st.stx_uid == geteuid() ? 0 : refuse(d->path, "belongs to another user", e);
}

static int judge(struct state_dir *d, struct err *e)
{
    if (d->parent < 0)
        return 0;
    int fd = open_below_top(d->parent, d->name);
    if (fd == -ENOENT)
        return 0;
    if (fd == -ELOOP || fd == -ENOTDIR) {
        struct stat st;
        bool link =
            fstatat(d->parent, d->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
        return refuse(d->path, link ? "is a symbolic link" : "is not a directory", e);
    }
    if (fd < 0)
        return err_set(e, fd, "open `%s`", d->path);
    d->fd = fd;
    int r = check_itself(d, e);
    if (r == 0)
        r = check_mounts(d, e);
    return r == 0 ? check_entries(d, e) : r;
}

int state_dir_open(const char *path, struct state_dir *out, struct err *e)
{
    *out = STATE_DIR_INIT;
    int r = find_path(path, out, e);
    return r == 0 ? judge(out, e) : r;
}

int state_dir_open_aside(const struct state_dir *d, struct state_dir *out, struct err *e)
{
    *out = STATE_DIR_INIT;
    if (d->parent < 0)
        return 0;
    const char *slash = strrchr(d->path, '/');
    out->name = xasprintf(".%s.netctr-reset", d->name);
    out->path = xasprintf("%.*s/%s", (int)(slash - d->path), d->path, out->name);
    out->parent = fcntl(d->parent, F_DUPFD_CLOEXEC, 3);
    return out->parent < 0 ? err_set(e, errno, "duplicate a descriptor") : judge(out, e);
}

/* The mark is the last file: whatever a kill -9 leaves is recognised. */
static int empty_directory(const struct state_dir *d, struct err *e)
{
    int first = 0, listed = 0;
    _cleanup_dir_ DIR *list = open_listing(d->fd, ".");
    if (!list)
        return err_set(e, errno, "list `%s`", d->path);
    for (struct dirent *entry; (entry = next_entry(list, &listed));) {
        const char *name = entry->d_name;
        if (streq(name, ".") || streq(name, "..") || streq(name, MARK))
            continue;
        int r = remove_tree_at(d->fd, name);
        if (r < 0 && first == 0)
            first = err_set(e, r, "remove `%s/%s`", d->path, name);
    }
    if (listed < 0 && first == 0)
        first = err_set(e, listed, "list `%s`", d->path);
    return first;
}

/* Is the entry still the directory that was judged? */
static bool is_same(const struct state_dir *d)
{
    struct stat own, there;
    return fstat(d->fd, &own) == 0 &&
           fstatat(d->parent, d->name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
           own.st_ino == there.st_ino && own.st_dev == there.st_dev;
}

int state_dir_put_aside(struct state_dir *d, struct err *e)
{
    if (d->fd < 0)
        return 0;
    int r =
        is_marked(d->fd) ? 0 : write_file_atomic(d->fd, MARK, MARK_TEXT, strlen(MARK_TEXT), 0600);
    _cleanup_free_ char *aside = xasprintf(".%s.netctr-reset", d->name);
    if (r < 0)
        return err_set(e, r, "write `%s/" MARK "`", d->path);
    if (!is_same(d))
        return err_say(e, -ESTALE, "`%s` has been replaced meanwhile", d->path);
    if (renameat(d->parent, d->name, d->parent, aside) < 0)
        return err_set(e, errno, "rename `%s` to `%s`", d->path, aside);
    free(d->name);
    d->name = take_ptr(aside);
    return 0;
}

int state_dir_remove(const struct state_dir *d, struct err *e)
{
    if (d->fd < 0)
        return 0;
    int r = empty_directory(d, e);
    if (r < 0)
        return r;
    if (!is_same(d))
        return err_say(e, -ESTALE, "`%s` has been replaced meanwhile", d->path);
    if (unlinkat(d->fd, MARK, 0) < 0 && errno != ENOENT)
        return err_set(e, errno, "remove `%s/" MARK "`", d->path);
    if (unlinkat(d->parent, d->name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return err_set(e, errno, "remove `%s`", d->path);
    return 0;
}
