/* Opening a store: which instance ROOT and RUN belong to.
 *
 * An instance is a boot, a network namespace and a run-root: only commands of the same instance find what the
 * kernel holds of a container. RUN/instance names the one that RUN belongs to as long as it has containers, so
 * that most commands compare one word; ROOT/run-root does the same for ROOT. RUN/instance also says that
 * everything of this instance that had lost its run directory has been removed, so it is written after that.
 */
#include "files.h"

#include <netctr/netns.h>

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>

#define INSTANCE_FILE "instance"

/* ---- directories -----------------------------------------------------------------------------*/

static int open_containers(int at, const char *path, struct err *e)
{
    if (mkdirat(at, "containers", 0700) == 0)
        state_dir_mark_new(at);
    else if (errno != EEXIST)
        return err_set(e, errno, "make state directory `%s/containers`", path);
    int fd = openat(at, "containers", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? err_set(e, errno, "open state directory `%s/containers`", path) : fd;
}

static int open_top(const char *path, char **canonical, struct err *e)
{
    *canonical = realpath(path, NULL);
    int r = *canonical ? 0 : mkdir_parents(path, 0700, e);
    if (r < 0)
        return r;
    if (!*canonical)
        *canonical = realpath(path, NULL);
    int fd = *canonical ? open(*canonical, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    return fd < 0 ? err_set(e, errno, "open state directory `%s`", path) : fd;
}

#define RUN_ROOT_FILE "run-root"

/* 1, or 0 with *@bound the run-root that it belongs to, if any. */
static int is_bound(const struct store *s, char **bound, struct err *e)
{
    free(take_ptr(*bound));
    int r = read_state_at(s->root_fd, RUN_ROOT_FILE, PATH_MAX, bound, NULL);
    if (r < 0 && r != -ENOENT && r != -EBADMSG)
        return err_set(e, r, "read `%s/" RUN_ROOT_FILE "`", s->root);
    return r == 0 && streq(*bound, s->run);
}

static int refuse_living(struct store *s, const char *bound, struct err *e)
{
    _cleanup_free_ char *theirs = xasprintf("%s/containers", bound);
    int r = 0;
    _cleanup_dir_ DIR *d = open_listing(AT_FDCWD, theirs);
    if (!d && (errno == ENOENT || errno == ENOTDIR))
        return 0;
    if (!d)
        return err_set(e, errno, "list `%s`", theirs);
    for (struct dirent *entry; (entry = next_entry(d, &r));)
        if (valid_name(entry->d_name)) {
            err_say(e, -EBUSY, "state directory `%s` has containers that run under `%s`", s->root,
                    bound);
            err_hint(e, "use --run-root %s", bound);
            return -EBUSY;
        }
    return r < 0 ? err_set(e, r, "list `%s`", theirs) : 0;
}

static int bind_locked(struct store *s, struct err *e)
{
    _cleanup_free_ char *bound = NULL;
    int r = is_bound(s, &bound, e);
    if (r == 0 && bound)
        r = refuse_living(s, bound, e);
    else if (r > 0)
        return 0;
    if (r < 0)
        return r;
    r = write_file_atomic(s->root_fd, RUN_ROOT_FILE, s->run, strlen(s->run), 0600);
    return r < 0 ? err_set(e, r, "write `%s/" RUN_ROOT_FILE "`", s->root) : 0;
}

/* The locks in RUN tell which containers live: with two run-roots over one ROOT, each would take the other's
 * containers for ended ones. ROOT belongs to one of them as long as that has containers. */
static int bind_roots(struct store *s, struct err *e)
{
    _cleanup_free_ char *bound = NULL;
    int r = is_bound(s, &bound, e);
    if (r != 0)
        return r < 0 ? r : 0;
    _cleanup_close_ int lock = lock_file_at(s->root_fd, "lock", LOCK_EX);
    return lock < 0 ? store_cannot_lock(lock, s->root_fd, s->root, e) : bind_locked(s, e);
}

/* ---- instances -------------------------------------------------------------------------------*/

/* The name must be right: under another one no command would find what this one makes. */
static int instance_find(struct store *s, struct err *e)
{
    struct stat netns;
    if (stat("/proc/thread-self/ns/net", &netns) < 0)
        return err_set(e, errno, "look at this network namespace");
    s->netns = netns.st_ino;
    int r = netns_cookie(-1, &s->netns_cookie, e);
    return r == 0 ? netns_instance(s->run, false, &s->instance, e) : r;
}

/* Up to netctr 0.1 the name was made from the inode number of the network namespace, which the next one may have. What
 * bears such a name (cgroups, tables, monitors) cannot be renamed, so an instance that has one keeps it until the host
 * boots again. */
static int keep_former_name(struct store *s, struct err *e)
{
    _cleanup_free_ char *former = NULL, *owner = NULL;
    int r = netns_instance(s->run, true, &former, e);
    if (r < 0 || read_state_at(s->run_fd, INSTANCE_FILE, 64, &owner, NULL) < 0 ||
        !streq(owner, former))
        return r;
    free(s->instance);
    s->instance = take_ptr(former);
    return 0;
}

/* A network namespace as state.json names it. */
struct netns_name {
    uint64_t inode, cookie; /* cookie 0: written by an older netctr */
};

/* 1, 0, or -errno. The inode alone is that of any later namespace. */
static int is_namespace(int dir, const char *path, const struct netns_name *n)
{
    struct stat st;
    if (fstatat(dir, path, &st, 0) < 0)
        return -errno;
    if (st.st_ino != n->inode || !n->cookie)
        return st.st_ino == n->inode;
    uint64_t cookie;
    _cleanup_close_ int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    int r = netns_cookie(fd, &cookie, NULL);
    return r < 0 ? r : cookie == n->cookie;
}

/* Does a mount keep it? As far as this mount namespace shows it. */
static int is_mounted(const struct netns_name *n)
{
    _cleanup_free_ char *mounts = NULL, *root = xasprintf(" net:[%" PRIu64 "] ", n->inode);
    int r = read_file_at(AT_FDCWD, "/proc/self/mountinfo", 64 << 20, &mounts, NULL);
    _cleanup_strv_ strv lines = r < 0 || !strstr(mounts, root) ? NULL : strv_split(mounts, '\n');
    strv_each (line, lines) {
        const char *at = strstr(line, root);
        if (!at)
            continue;
        const char *path = at + strlen(root);
        _cleanup_free_ char *place = xstrndup(path, strcspn(path, " "));
        if (is_namespace(AT_FDCWD, place, n) != 0) /* in doubt it does */
            return 1;
    }
    return r < 0 ? r : 0;
}

/* Does a process live in the network namespace, or a mount keep it? 1, 0 or -errno. */
static int namespace_in_use(const struct netns_name *n)
{
    int r = is_mounted(n);
    if (r != 0)
        return r;
    _cleanup_dir_ DIR *d = opendir("/proc");
    if (!d)
        return -errno;
    for (struct dirent *entry; (entry = next_entry(d, &r));) {
        uint64_t pid;
        if (parse_u64(entry->d_name, 1, INT32_MAX, &pid) < 0)
            continue;
        _cleanup_free_ char *path = xasprintf("%s/ns/net", entry->d_name);
        int is = is_namespace(dirfd(d), path, n);
        /* It has ended, or we may not see it. */
        if (is == -ENOENT || is == -ESRCH || is == -EACCES || is == -EPERM)
            continue;
        if (is != 0)
            return is;
    }
    return r;
}

static int is_this_boot(const char *boot)
{
    char *now = NULL;
    int r = boot_id(&now, NULL);
    if (r == 0)
        r = streq(boot, now);
    free(now);
    return r;
}

/* Does this container belong to another instance that can still clean up after it? One of another boot cannot, nor
 * one whose network namespace is gone: any instance may remove what they left. */
static int blocks_claim(struct store *s, const char *name, bool living)
{
    _cleanup_json_ json_t *j = NULL;
    _cleanup_close_ int dir = store_live_dir(s, name);
    if (dir < 0)
        return dir == -ENOENT || dir == -ENOTDIR || dir == -ELOOP ? 0 : dir;
    _cleanup_close_ int lock = store_try_lock(dir);
    bool lives = lock == -EWOULDBLOCK;
    if (lock < 0 && !lives && lock != -ENOENT)
        return lock;
    if (lives != living)
        return 0;
    int r = container_read_state(dir, name, &j, NULL);
    if (r == -ENOENT ||
        r == -EBADMSG) /* RUN belonged to another instance; what lives here is of that one */
        return lives;
    if (r < 0 || (r = is_this_boot(json_str(j, "boot"))) < 0)
        return r;
    const char *instance = json_str(j, "instance");
    if (!instance || streq(instance, s->instance) || !r)
        return 0;
    /* A helper that has outlived its last monitor is no reason to refuse, and would keep its namespace. */
    if (!lives && valid_name(instance))
        (void)helpers_end(instance, 200);
    const struct netns_name netns = {(uint64_t)json_int(j, "netns", 0),
                                     (uint64_t)json_int(j, "netns_cookie", 0)};
    return lives ? 1 : namespace_in_use(&netns);
}

/* 1, 0, or -errno: an unreadable file does not mean that RUN belongs to another instance. */
static int run_is_own(struct store *s, struct err *e)
{
    _cleanup_free_ char *owner = NULL;
    int r = read_state_at(s->run_fd, INSTANCE_FILE, 64, &owner, NULL);
    if (r < 0 && r != -ENOENT && r != -EBADMSG)
        return err_set(e, r, "read `%s/" INSTANCE_FILE "`", s->run);
    return r == 0 && streq(owner, s->instance);
}

static int refuse_others(struct store *s, bool living, struct err *e)
{
    _cleanup_dir_ DIR *d = open_listing(s->live_fd, ".");
    if (!d)
        return err_set(e, errno, "list the living containers in `%s`", s->run);
    int r = 0;
    for (struct dirent *entry; (entry = next_entry(d, &r));) {
        int blocks = valid_name(entry->d_name) ? blocks_claim(s, entry->d_name, living) : 0;
        if (blocks < 0)
            return err_set(e, blocks, "find the instance of container `%s`", entry->d_name);
        if (!blocks)
            continue;
        err_say(e, -EBUSY, "`%s` belongs to another network namespace: container `%s` lives there",
                s->run, entry->d_name);
        err_hint(e, "use netctr in that namespace, or another --run-root and --root here");
        return -EBUSY;
    }
    return r < 0 ? err_set(e, r, "list the living containers in `%s`", s->run) : 0;
}

/* RUN does not belong to this instance yet. A command that changes something takes it over
 * (store_claim_run_root()); read-only commands do so too, unless containers of another live there. */
static int instance_bind(struct store *s, struct err *e)
{
    int own = run_is_own(s, e);
    if (own == 0)
        own = keep_former_name(s, e);
    if (own == 0)
        own = run_is_own(s, e);
    s->fresh = own == 0;
    if (own != 0)
        return own < 0 ? own : 0;
    _cleanup_close_ int lock = store_lock(s, e);
    return lock < 0 ? lock : refuse_others(s, true, e);
}

/* Living ones first: while there is one, nothing of its instance is touched. */
int store_claim_run_root(struct store *s, bool dry_run, struct err *e)
{
    int own = s->fresh ? run_is_own(s, e) : 1;
    s->fresh = own == 0;
    if (own != 0)
        return own < 0 ? own : 0;
    int r = refuse_others(s, true, e);
    return r == 0 && !dry_run ? refuse_others(s, false, e) : r;
}

/* The last step: if this process is killed before, the next command starts again. */
int store_commit_run_root(struct store *s, struct err *e)
{
    int r = s->fresh ? write_file_atomic(s->run_fd, INSTANCE_FILE, s->instance, strlen(s->instance),
                                         0600)
                     : 0;
    if (r < 0)
        return err_set(e, r, "write `%s/" INSTANCE_FILE "`", s->run);
    s->fresh = false;
    return 0;
}

static int instance_check(struct store *s, struct err *e)
{
    int own = run_is_own(s, e);
    if (own != 0)
        return own < 0 ? own : 0;
    if (s->fresh) {
        err_say(e, -EBUSY, "containers of a previous instance under `%s` could not all be stopped",
                s->run);
        err_hint(e, "`netctr gc` says why");
        return -EBUSY;
    }
    return err_say(e, -EBUSY, "`%s` has just been taken by netctr in another network namespace",
                   s->run);
}

/* ---- open ------------------------------------------------------------------------------------*/

int store_hold_binding(struct store *s, struct err *e)
{
    _cleanup_free_ char *bound = NULL;
    _cleanup_close_ int lock = lock_file_at(s->root_fd, "lock", LOCK_SH);
    if (lock < 0)
        return store_cannot_lock(lock, s->root_fd, s->root, e);
    int r = is_bound(s, &bound, e);
    if (r == 0)
        return err_say(e, -EBUSY, "state directory `%s` has just been taken for `%s`", s->root,
                       bound ? bound : "another run directory");
    if (r > 0)
        r = instance_check(s, e);
    return r < 0 ? r : take_fd(lock);
}

/* Each has a file `lock`, and a start holds both. */
static int check_distinct(const struct store *s, struct err *e)
{
    if (!streq(s->root, s->run))
        return 0;
    err_say(e, -EINVAL, "`%s` cannot be the state directory and the run directory", s->root);
    err_hint(e, "use --run-root with another directory, on a tmpfs");
    return -EINVAL;
}

/* Both top directories are open, or their fd is the error. */
static int open_below(struct store *s, struct err *e)
{
    int r = s->root_fd < 0 ? s->root_fd : s->run_fd < 0 ? s->run_fd : check_distinct(s, e);
    if (r == 0)
        r = s->defined_fd = open_containers(s->root_fd, s->root, e);
    if (r >= 0)
        r = s->live_fd = open_containers(s->run_fd, s->run, e);
    if (r >= 0)
        r = bind_roots(s, e);
    if (r == 0)
        r = instance_find(s, e);
    if (r == 0)
        r = instance_bind(s, e);
    if (r < 0)
        store_close(s);
    return r;
}

int store_open(const char *root, const char *run, struct store *out, struct err *e)
{
    *out = STORE_INIT;
    out->root_fd = open_top(root, &out->root, e);
    if (out->root_fd >= 0)
        out->run_fd = open_top(run, &out->run, e);
    return open_below(out, e);
}

/* Only ENOENT means absent; any other error is reported when the directory is opened. */
static bool has_containers(const char *top)
{
    _cleanup_free_ char *path = xasprintf("%s/containers", top);
    return access(path, F_OK) == 0 || errno != ENOENT;
}

bool store_exists(const char *root, const char *run)
{
    return has_containers(root) || has_containers(run);
}

/* A detached tmpfs, which is gone when it is closed. */
static int open_memory(struct err *e)
{
    _cleanup_close_ int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
    if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return err_set(e, errno, "make an empty directory in memory");
    int fd = fsmount(fs, FSMOUNT_CLOEXEC, 0);
    return fd < 0 ? err_set(e, errno, "make an empty directory in memory") : fd;
}

int store_open_to_read(const char *root, const char *run, struct store *out, struct err *e)
{
    if (store_exists(root, run))
        return store_open(root, run, out, e);
    *out = STORE_INIT;
    out->root = xstrdup(root);
    out->run = xstrdup(run);
    out->root_fd = open_memory(e);
    if (out->root_fd >= 0)
        out->run_fd = open_memory(e);
    return open_below(out, e);
}

/* ---- reset -----------------------------------------------------------------------------------*/

int store_look(const struct state_dir *root, const struct state_dir *run, struct store *out,
               struct err *e)
{
    *out = STORE_INIT;
    out->root = xstrdup(root->path);
    out->run = xstrdup(run->path);
    out->root_fd = root->fd < 0 ? -1 : fcntl(root->fd, F_DUPFD_CLOEXEC, 3);
    out->run_fd = run->fd < 0 ? -1 : fcntl(run->fd, F_DUPFD_CLOEXEC, 3);
    const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;
    out->defined_fd = root->fd < 0 ? -1 : openat(root->fd, "containers", flags);
    out->live_fd = run->fd < 0 ? -1 : openat(run->fd, "containers", flags);
    int r = instance_find(out, e);
    out->fresh = r < 0 || run->fd < 0 || run_is_own(out, NULL) != 1;
    return r;
}

int store_check_bound(struct store *s, struct err *e)
{
    _cleanup_free_ char *bound = NULL;
    int r = s->root_fd < 0 ? 1 : is_bound(s, &bound, e);
    return r == 0 && bound ? refuse_living(s, bound, e) : r < 0 ? r : 0;
}

int store_lock_starts(struct store *s, int *lock, struct err *e)
{
    int r = s->root_fd < 0 ? -ENOENT : lock_file_at(s->root_fd, "lock", LOCK_EX);
    *lock = r < 0 ? -1 : r;
    /* Something else is in its place: no start can take it either. */
    bool absent = r == -ENOENT || r == -EISDIR || r == -ELOOP || r == -ENXIO;
    return r < 0 && !absent ? store_cannot_lock(r, s->root_fd, s->root, e) : 0;
}

void store_close(struct store *s)
{
    close_fd(s->root_fd);
    close_fd(s->run_fd);
    close_fd(s->defined_fd);
    close_fd(s->live_fd);
    free(s->root);
    free(s->run);
    free(s->instance);
    *s = STORE_INIT;
}
