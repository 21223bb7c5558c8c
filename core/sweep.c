/* What is left of containers that are no more: definitions without an end, layers that were put aside to be
 * emptied, cgroups of nobody. */
#include "container.h"

#include <errno.h>

void store_empty_trash(struct store *s)
{
    _cleanup_dir_ DIR *d = open_listing(s->defined_fd, ".");
    for (struct dirent *entry; d && (entry = readdir(d));)
        if (skip_prefix(entry->d_name, TRASH))
            (void)remove_tree_at(s->defined_fd, entry->d_name);
}

struct sweeping {
    struct store *store;
    bool dry_run;
    void (*found)(const char *what, void *arg);
    void *arg;
    strv ids; /* of every container that lives: what has no run directory is nobody's */
};

static bool has(strv v, const char *word)
{
    strv_each (s, v)
        if (streq(s, word))
            return true;
    return false;
}

static void tell(const struct sweeping *s, const char *what, const char *name)
{
    _cleanup_free_ char *text = xasprintf("%s %s", what, name);
    if (s->found)
        s->found(text, s->arg);
}

static int sweep_cgroups(struct sweeping *s, struct err *e)
{
    _cleanup_cgroup_host_ struct cgroup_host host = {0};
    _cleanup_strv_ strv found = NULL;
    int r = cgroup_probe(NULL, &host, e);
    if (r == 0)
        r = cgroup_list(&host, s->store->instance, &found, e);
    strv_each (id, found) {
        _cleanup_free_ char *path = container_cgroup(s->store, id);
        if (r < 0 || has(s->ids, id))
            continue;
        tell(s, "cgroup", path);
        if (s->dry_run)
            continue;
        r = cgroup_end(&host, path, e);
    }
    if (r == 0 && !s->dry_run)
        r = cgroup_remove_instance(&host, s->store->instance, e);
    return r;
}

/* Has it a definition? That of one with --rm, whose monitor went down with the host, is none any more. */
static int is_defined(const struct sweeping *s, const char *config)
{
    _cleanup_json_ json_t *j = NULL;
    int r = json_read_at(s->store->defined_fd, config, &j, NULL);
    if (r == 0)
        return !json_flag(j, "auto_remove");
    return r == -ENOENT || r == -ENOTDIR ? 0 : r == -EBADMSG ? 1 : r;
}

/* Definitions that were never finished, or whose removal was cut short. */
static int sweep_definitions(struct sweeping *s, struct err *e)
{
    _cleanup_dir_ DIR *d = open_listing(s->store->defined_fd, ".");
    if (!d)
        return err_set(e, errno, "list the containers");
    int r = 0;
    for (struct dirent *entry; (entry = next_entry(d, &r));) {
        _cleanup_free_ char *config = xasprintf("%s/config.json", entry->d_name);
        if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
            continue;
        int used = file_exists_at(s->store->live_fd, entry->d_name);
        if (used == 0 && valid_name(entry->d_name))
            used = is_defined(s, config);
        if (used < 0)
            return err_set(e, used, "look at container `%s`", entry->d_name);
        if (used)
            continue;
        tell(s, "directory", entry->d_name);
        r = s->dry_run ? 0 : remove_tree_at(s->store->defined_fd, entry->d_name);
        if (r < 0)
            return err_set(e, r, "remove `%s`", entry->d_name);
    }
    return r < 0 ? err_set(e, r, "list the containers") : 0;
}

int store_sweep_cgroups(struct store *s, const char *helper, bool dry_run,
                        void (*found)(const char *what, void *arg), void *arg, struct err *e)
{
    struct sweeping sweeping = {s, dry_run, found, arg, NULL};
    int r = store_live_ids(s, &sweeping.ids, e);
    if (helper)
        strv_add(&sweeping.ids, helper);
    if (r == 0)
        r = sweep_cgroups(&sweeping, e);
    strv_free(sweeping.ids);
    return r;
}

int store_sweep(struct store *s, const char *helper, bool dry_run,
                void (*found)(const char *what, void *arg), void *arg, struct err *e)
{
    struct sweeping sweeping = {s, dry_run, found, arg, NULL};
    int r = sweep_definitions(&sweeping, e);
    return r == 0 ? store_sweep_cgroups(s, helper, dry_run, found, arg, e) : r;
}
