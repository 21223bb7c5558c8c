/* Removes what belongs to no container: unfinished definitions, layers that were put aside to be emptied, cgroups. */
#include "files.h"

#include <errno.h>
#include <sys/wait.h>

/* A file system that discards freed blocks at once waits for the disk at each directory. */
enum { TRASH_WORKERS = 8 };

static bool is_self(const char *entry)
{
    return streq(entry, ".") || streq(entry, "..");
}

void store_empty_trash_of(struct store *s, const char *id)
{
    _cleanup_free_ char *path = xasprintf(TRASH "/%s", id);
    (void)remove_tree_at(s->defined_fd, path);
}

void store_empty_trash(struct store *s)
{
    _cleanup_dir_ DIR *d = open_listing(s->defined_fd, TRASH);
    for (struct dirent *entry; d && (entry = readdir(d));)
        if (!is_self(entry->d_name))
            (void)remove_tree_at(dirfd(d), entry->d_name);
}

/* A process for one share of the trash. */
static pid_t empty_share(const struct store *s, char *const *names, size_t count, size_t from)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    for (size_t i = from; i < count; i += TRASH_WORKERS) {
        _cleanup_free_ char *path = xasprintf(TRASH "/%s", names[i]);
        (void)remove_tree_at(s->defined_fd, path);
    }
    _exit(0);
}

void store_empty_full_trash(struct store *s)
{
    struct strings found = {0};
    pid_t workers[TRASH_WORKERS];
    _cleanup_dir_ DIR *d = open_listing(s->defined_fd, TRASH);
    for (struct dirent *entry; d && (entry = readdir(d));)
        if (!is_self(entry->d_name))
            strings_add(&found, entry->d_name);
    bool many = found.count > TRASH_WORKERS;
    for (size_t i = 0; many && i < TRASH_WORKERS; i++)
        workers[i] = empty_share(s, found.items, found.count, i);
    for (size_t i = 0; many && i < TRASH_WORKERS; i++)
        while (workers[i] > 0 && waitpid(workers[i], NULL, 0) < 0 && errno == EINTR)
            continue;
    strings_clear(&found);
    store_empty_trash(s); /* the rest */
}

struct sweeping {
    struct store *store;
    const struct gc *gc;
};

/* Does it have a definition? With --rm it counts as none when the monitor went down with the host, but not before its
 * first run. */
static int is_defined(const struct sweeping *s, const char *config)
{
    _cleanup_json_ json_t *j = NULL;
    int r = json_read_at(s->store->defined_fd, config, &j, NULL);
    if (r == 0)
        return !json_flag(j, "auto_remove") || json_flag(json_object_get(j, "exit"), NEVER_RAN);
    return r == -ENOENT || r == -ENOTDIR ? 0 : r == -EBADMSG ? 1 : r;
}

/* What a killed command has put there. */
static int sweep_trash(struct sweeping *s, struct err *e)
{
    _cleanup_dir_ DIR *d = open_listing(s->store->defined_fd, TRASH);
    int first = 0, listed = 0;
    if (!d && (errno == ENOTDIR || errno == ELOOP)) /* damaged: the next removal makes it */
        return 0;
    if (!d)
        return errno == ENOENT ? 0 : err_set(e, errno, "list what was removed");
    for (struct dirent *entry; (entry = next_entry(d, &listed));) {
        const char *name = entry->d_name;
        if (is_self(name))
            continue;
        _cleanup_err_ struct err step = ERR_INIT;
        int r = s->gc->dry_run ? 0 : remove_tree_at(dirfd(d), name);
        if (r == 0)
            gc_tell(s->gc, GC_REMOVE, "directory " TRASH "/%s", name);
        else
            err_note(&first, err_set(&step, r, "remove `" TRASH "/%s`", name), e, &step);
    }
    return first == 0 && listed < 0 ? err_set(e, listed, "list what was removed") : first;
}

static int sweep_definition(struct sweeping *s, const char *name, struct err *e)
{
    _cleanup_free_ char *config = xasprintf("%s/config.json", name);
    int used = file_exists_at(s->store->live_fd, name);
    if (used == 0 && valid_name(name))
        used = is_defined(s, config);
    if (used < 0)
        return err_set(e, used, "look at container `%s`", name);
    if (used)
        return 0;
    int r = s->gc->dry_run ? 0 : remove_tree_at(s->store->defined_fd, name);
    if (r < 0)
        return err_set(e, r, "remove `%s`", name);
    gc_tell(s->gc, GC_REMOVE, "directory %s", name);
    return 0;
}

/* Removes definitions that were never finished, or whose removal was interrupted. */
static int sweep_definitions(struct sweeping *s, struct err *e)
{
    _cleanup_dir_ DIR *d = open_listing(s->store->defined_fd, ".");
    if (!d)
        return err_set(e, errno, "list the containers");
    int first = 0, listed = 0;
    _cleanup_err_ struct err step = ERR_INIT;
    for (struct dirent *entry; (entry = next_entry(d, &listed));)
        if (!is_self(entry->d_name) && !streq(entry->d_name, TRASH) && !streq(entry->d_name, IDS))
            err_note(&first, sweep_definition(s, entry->d_name, &step), e, &step);
    if (listed < 0)
        err_note(&first, err_set(&step, listed, "list the containers"), e, &step);
    return first;
}

/* A relay belongs to a lab, which ends it. One without a socket belongs to none. */
static int keep_relays(const struct store *s, strv *keep)
{
    _cleanup_strv_ strv ids = NULL;
    _cleanup_close_ int dir =
        openat(s->run_fd, LAB_RELAYS, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    int r = dir < 0 ? 0 : names_in(dir, &ids);
    strv_each (id, ids)
        strv_add_take(keep, xasprintf(LAB_RELAY_CGROUP "%s", id));
    return r;
}

static int sweep_cgroups(struct store *s, const char *helper, const struct gc *gc, struct err *e)
{
    _cleanup_strv_ strv keep = NULL;
    int r = store_live_ids(s, &keep, e);
    if (helper)
        strv_add(&keep, helper);
    if (r == 0 && (r = keep_relays(s, &keep)) < 0)
        return err_set(e, r, "list the relays of labs");
    return r == 0 ? cgroups_sweep(s->instance, keep, gc, e) : r;
}

int store_sweep(struct store *s, const char *helper, const struct gc *gc, struct err *e)
{
    int first = 0;
    struct sweeping sweeping = {s, gc};
    _cleanup_err_ struct err step = ERR_INIT;
    err_note(&first, sweep_definitions(&sweeping, &step), e, &step);
    err_note(&first, sweep_trash(&sweeping, &step), e, &step);
    if (!gc->dry_run)
        ids_mend(s, range_mend);
    err_note(&first, ranges_sweep(s, gc, &step), e, &step);
    err_note(&first, sweep_cgroups(s, helper, gc, &step), e, &step);
    return first;
}
