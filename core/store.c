/* The store: which containers there are, and what is known of each.
 *
 * Two directories make a container: its definition (ROOT, survives a reboot) and its run directory
 * (RUN, usually a tmpfs). A run directory whose lock is held is a living container; one whose lock
 * is free is what a dead monitor left; a definition alone is a container that has ended.
 */
#include <netctr/core.h>
#include <netctr/netns.h>

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>

static int open_directory(int at, const char *name, struct err *e)
{
    if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
        return err_set(e, errno, "make state directory `%s`", name);
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? err_set(e, errno, "open state directory `%s`", name) : fd;
}

static int open_top(const char *path, char **canonical, struct err *e)
{
    int r = mkdir_parents(path, 0700, e);
    if (r < 0)
        return r;
    *canonical = realpath(path, NULL);
    int fd = *canonical ? open(*canonical, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    return fd < 0 ? err_set(e, errno, "open state directory `%s`", path) : fd;
}

/* Whose objects are these? Two run-roots, two network namespaces or two boots never share any. Under a
 * wrong name we would find nothing of ours, and nobody would find what we make. */
static int name_instance(struct store *s, struct err *e)
{
    _cleanup_free_ char *boot = NULL;
    int r = boot_id(&boot, e);
    if (r < 0)
        return r;
    _cleanup_close_ int netns = netns_self();
    uint64_t inode = netns < 0 ? 0 : netns_inode(netns);
    if (!inode)
        return err_set(e, netns < 0 ? netns : errno, "look at this network namespace");
    _cleanup_free_ char *text = xasprintf("%s %" PRIu64 " %s", boot, inode, s->run);
    s->instance = xasprintf("%016" PRIx64, hash64(text));
    return 0;
}

#define RUN_ROOT_FILE "run-root"

/* Which containers live is told by the locks in RUN: two run-roots over one ROOT would each take the
 * other's containers for ended ones. ROOT belongs to one of them as long as that has any. */
static int bind_roots(struct store *s, struct err *e)
{
    _cleanup_free_ char *bound = NULL;
    int r = read_file_at(s->root_fd, RUN_ROOT_FILE, PATH_MAX, &bound, NULL);
    if (r == 0 && streq(bound, s->run))
        return 0;
    if (r < 0 && r != -ENOENT && r != -EFBIG)
        return err_set(e, r, "read `%s/" RUN_ROOT_FILE "`", s->root);
    _cleanup_free_ char *theirs = r == 0 ? xasprintf("%s/containers", bound) : NULL;
    int fd = theirs ? open(theirs, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    _cleanup_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (theirs && !d && errno != ENOENT)
        return err_set(e, errno, "list `%s`", theirs);
    r = 0;
    for (struct dirent *entry; d && (entry = next_entry(d, &r));)
        if (valid_name(entry->d_name)) {
            err_say(e, -EBUSY, "state directory `%s` has containers that run under `%s`", s->root,
                    bound);
            return err_hint(e, "use --run-root %s", bound);
        }
    if (r < 0)
        return err_set(e, r, "list `%s`", theirs);
    r = write_file_atomic(s->root_fd, RUN_ROOT_FILE, s->run, strlen(s->run), 0600);
    return r < 0 ? err_set(e, r, "write `%s/" RUN_ROOT_FILE "`", s->root) : 0;
}

int store_open(const char *root, const char *run, struct store *out, struct err *e)
{
    *out = (struct store){.root_fd = -1, .run_fd = -1, .defined_fd = -1, .live_fd = -1};
    if ((out->root_fd = open_top(root, &out->root, e)) < 0 ||
        (out->run_fd = open_top(run, &out->run, e)) < 0 ||
        (out->defined_fd = open_directory(out->root_fd, "containers", e)) < 0 ||
        (out->live_fd = open_directory(out->run_fd, "containers", e)) < 0 ||
        bind_roots(out, e) < 0 || name_instance(out, e) < 0) {
        int r = e ? e->code : -EIO;
        store_close(out);
        return r;
    }
    return 0;
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
    *s = (struct store){.root_fd = -1, .run_fd = -1, .defined_fd = -1, .live_fd = -1};
}

int store_lock(struct store *s, struct err *e)
{
    int fd = lock_file_at(s->run_fd, "lock", LOCK_EX);
    return fd < 0 ? err_set(e, fd, "lock `%s`", s->run) : fd;
}

static int directory_at(int at, const char *name)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? -errno : fd;
}

int store_live_dir(struct store *s, const char *name)
{
    return directory_at(s->live_fd, name);
}

int store_defined_dir(struct store *s, const char *name)
{
    return directory_at(s->defined_fd, name);
}

/* ---- records ---------------------------------------------------------------------------------*/

void record_clear(struct record *r)
{
    spec_clear(&r->spec);
    *r = (struct record){0};
}

const char *status_name(enum status s)
{
    static const char *const names[] = {"creating", "running", "dead", "exited"};
    return names[s];
}

/* A killed monitor, or the child that it was preparing, holds the lock until the kernel is done with
 * it; who comes in that moment waits for it rather than taking a corpse for a living container. */
static bool holder_is_dying(int live_dir)
{
    _cleanup_json_ json_t *j = NULL;
    if (json_read_at(live_dir, "state.json", &j, NULL) < 0)
        return false;
    return proc_is_dying((pid_t)json_int(j, "monitor", 0),
                         (uint64_t)json_int(j, "monitor_start", 0));
}

int store_try_lock(int live_dir)
{
    _cleanup_close_ int fd = openat(live_dir, "lock", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    int r = fd < 0 ? -errno : lock_wait(fd, LOCK_EX, 0);
    if (r == -EWOULDBLOCK && holder_is_dying(live_dir))
        r = lock_wait(fd, LOCK_EX, 5000);
    return r < 0 ? r : take_fd(fd);
}

static int read_runtime(int run_dir, struct record *r, struct err *e)
{
    _cleanup_json_ json_t *j = NULL;
    int code = json_read_at(run_dir, "state.json", &j, e);
    if (code == -ENOENT || code == -EBADMSG) { /* it has none yet, or one that says nothing */
        err_clear(e);
        return 0;
    }
    if (code < 0)
        return code;
    r->pid = (pid_t)json_int(j, "pid", 0);
    r->pid_start = (uint64_t)json_int(j, "pid_start", 0);
    r->monitor = (pid_t)json_int(j, "monitor", 0);
    r->monitor_start = (uint64_t)json_int(j, "monitor_start", 0);
    r->started = json_int(j, "started", 0);
    if (r->status == STATUS_CREATING && r->started)
        r->status = STATUS_RUNNING;
    return 0;
}

/* Is it alive? A container that ended has no run directory. What cannot be looked at is not taken for
 * ended: it could be removed while it runs. */
static int read_life(struct store *s, const char *name, struct record *out, struct err *e)
{
    _cleanup_close_ int run_dir = store_live_dir(s, name);
    if (run_dir == -ENOENT)
        return 0;
    if (run_dir < 0)
        return err_set(e, run_dir, "open the run directory");
    _cleanup_close_ int lock = store_try_lock(run_dir);
    if (lock < 0 && lock != -EWOULDBLOCK && lock != -ENOENT)
        return err_set(e, lock, "try the lock");
    out->status = lock < 0 ? STATUS_CREATING : STATUS_DEAD;
    return read_runtime(run_dir, out, e);
}

static int read_record(struct store *s, const char *name, struct record *out, struct err *e)
{
    *out = (struct record){.status = STATUS_EXITED};
    _cleanup_close_ int dir = store_defined_dir(s, name);
    if (dir < 0)
        return err_set(e, dir, "open container `%s`", name);
    _cleanup_json_ json_t *j = NULL;
    int r = json_read_at(dir, "config.json", &j, e);
    if (r == 0)
        r = spec_from_json(j, &out->spec, e);
    if (r < 0)
        return err_wrap(e, "container `%s`", name);
    const json_t *ended = json_object_get(j, "exit");
    out->exit_status = (int)json_int(ended, "status", 0);
    out->finished = json_int(ended, "finished", 0);
    out->started = json_int(ended, "started", 0);
    out->oom_killed = json_flag(ended, "oom_killed");
    r = read_life(s, name, out, e);
    if (r < 0) {
        record_clear(out);
        return err_wrap(e, "container `%s`", name);
    }
    return 0;
}

/* ---- lists -----------------------------------------------------------------------------------*/

struct record_list {
    struct record *items;
    size_t count;
};

static void record_list_clear(struct record_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        record_clear(&l->items[i]);
    free(l->items);
}

static int by_creation(const void *a, const void *b)
{
    const struct record *x = a, *y = b;
    if (x->spec.created != y->spec.created)
        return x->spec.created < y->spec.created ? -1 : 1;
    return strcmp(x->spec.name, y->spec.name);
}

static int list(struct store *s, struct record_list *out, struct err *e)
{
    int fd = openat(s->defined_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d)
        return err_set(e, errno, "list the containers in `%s`", s->root);
    int code = 0;
    for (struct dirent *entry; (entry = next_entry(d, &code));) {
        _cleanup_err_ struct err why = ERR_INIT;
        struct record r;
        if (!valid_name(entry->d_name))
            continue;
        code = read_record(s, entry->d_name, &r, &why);
        if (code == -ENOENT || code == -EBADMSG) {
            if (code == -EBADMSG)
                warn("%s", why.text);
            code = 0; /* -ENOENT: being made or removed right now */
            continue;
        }
        if (code < 0) {
            err_move(e, &why);
            return code;
        }
        out->items = xrealloc(out->items, out->count + 1, sizeof(*out->items));
        out->items[out->count++] = r;
    }
    if (code < 0)
        return err_set(e, code, "list the containers in `%s`", s->root);
    if (out->count > 1)
        qsort(out->items, out->count, sizeof(*out->items), by_creation);
    return 0;
}

int store_each(struct store *s, int (*each)(const struct record *r, void *arg), void *arg,
               struct err *e)
{
    __attribute__((cleanup(record_list_clear))) struct record_list all = {0};
    int r = list(s, &all, e);
    for (size_t i = 0; r >= 0 && i < all.count; i++)
        r = each(&all.items[i], arg);
    return r < 0 ? r : 0;
}

int store_find(struct store *s, const char *name_or_id, struct record *out, struct err *e)
{
    *out = (struct record){0};
    int named = valid_name(name_or_id) ? file_exists_at(s->defined_fd, name_or_id) : 0;
    if (named < 0)
        return err_set(e, named, "look for container `%s`", name_or_id);
    if (named)
        return read_record(s, name_or_id, out, e);
    __attribute__((cleanup(record_list_clear))) struct record_list all = {0};
    int r = list(s, &all, e);
    if (r < 0)
        return r;
    struct record *match = NULL;
    for (size_t i = 0; strlen(name_or_id) >= 4 && i < all.count; i++) {
        if (!skip_prefix(all.items[i].spec.id, name_or_id))
            continue;
        if (match)
            return err_say(e, -ENOTUNIQ, "more than one container's id begins with `%s`",
                           name_or_id);
        match = &all.items[i];
    }
    if (!match)
        return err_say(e, -ENOENT, "no such container `%s`", name_or_id);
    *out = *match;
    *match = all.items[--all.count];
    return 0;
}

int store_live_ids(struct store *s, strv *ids, struct err *e)
{
    int fd = openat(s->live_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d)
        return err_set(e, errno, "list the living containers");
    int listed = 0;
    for (struct dirent *entry; (entry = next_entry(d, &listed));) {
        if (!valid_name(entry->d_name))
            continue;
        _cleanup_json_ json_t *j = NULL;
        _cleanup_close_ int dir = store_live_dir(s, entry->d_name);
        int r = dir < 0 ? err_set(e, dir, "open its run directory")
                        : json_read_at(dir, "state.json", &j, e);
        if (r == -ENOENT) { /* it has nothing yet, or nothing any more */
            err_clear(e);
            continue;
        }
        if (r < 0)
            return err_wrap(e, "container `%s`", entry->d_name);
        if (!valid_name(json_str(j, "id")))
            return err_say(e, -EBADMSG, "the state of container `%s` has no id", entry->d_name);
        strv_add(ids, json_str(j, "id"));
    }
    return listed < 0 ? err_set(e, listed, "list the living containers") : 0;
}
