/* Which containers exist, and what is known of each.
 *
 * Two directories make a container: its definition (ROOT, survives a reboot) and its run directory (RUN, usually a
 * tmpfs). A run directory whose lock is held is a living container; one whose lock is free was left by a dead
 * monitor; a definition alone is a container that has ended.
 */
#include "files.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

/* ---- records ---------------------------------------------------------------------------------*/

void record_clear(struct record *r)
{
    spec_clear(&r->spec);
    free(r->failure);
    *r = (struct record){0};
}

/* Later runs count as restarts. */
bool record_waits(const struct record *r)
{
    return r->status == STATUS_RESTARTING && r->failure && r->restarts == 0;
}

const char *status_name(enum status s)
{
    static const char *const names[] = {"creating", "running", "restarting", "dead", "exited"};
    return names[s];
}

static void take_state(const json_t *j, struct record *r)
{
    r->pid = (pid_t)json_int(j, "pid", 0);
    r->pid_start = (uint64_t)json_int(j, "pid_start", 0);
    r->monitor = (pid_t)json_int(j, "monitor", 0);
    r->monitor_start = (uint64_t)json_int(j, "monitor_start", 0);
    r->started = json_int(j, "started", 0);
    r->exit_status = (int)json_int(j, "exit_status", 0);
    r->restarts = (unsigned)json_int(j, "restarts", 0);
    if (r->status == STATUS_CREATING && json_flag(j, "restarting")) {
        r->status = STATUS_RESTARTING;
        r->failure = xstrdup(json_str(j, "failure"));
        r->oom_killed = json_flag(j, "oom_killed");
    } else if (r->status == STATUS_CREATING && r->pid)
        r->status = STATUS_RUNNING;
}

/* The state of a dead monitor only matters to the cleanup, which accepts a damaged one. */
static int judge_state(int code, const json_t *j, bool locked, struct record *r, struct err *e)
{
    if (code == -ENOENT && locked) {
        err_clear(e);
        return err_say(e, -EBADMSG, "its state file `state.json` is missing");
    }
    if (code == -ENOENT || (code == -EBADMSG && r->status == STATUS_DEAD)) {
        err_clear(e);
        return 0;
    }
    if (code < 0)
        return code;
    if (!streq(json_str(j, "id"), r->spec.id))
        return r->status == STATUS_DEAD
                   ? 0
                   : err_say(e, -EBADMSG,
                             "its state file `state.json` is damaged: it names id `%s`, the "
                             "definition `%s`",
                             json_str(j, "id"), r->spec.id);
    take_state(j, r);
    return 0;
}

/* An entry that is not a directory has no living container. */
static bool is_no_directory(int code)
{
    return code == -ENOENT || code == -ENOTDIR || code == -ELOOP;
}

/* Is it alive? A container that has ended has no run directory. An error does not mean that it has ended: it could
 * be removed while it runs. */
static int read_life(struct store *s, const char *name, struct record *out, struct err *e)
{
    _cleanup_json_ json_t *living = NULL;
    if (container_read_living(s, name, &living) && streq(json_str(living, "id"), out->spec.id)) {
        out->status = STATUS_CREATING;
        take_state(living, out);
        return 0;
    }
    _cleanup_close_ int run_dir = store_live_dir(s, name);
    if (is_no_directory(run_dir))
        return 0;
    if (run_dir < 0)
        return err_set(e, run_dir, "open the run directory");
    _cleanup_json_ json_t *state = NULL;
    int code = container_read_state(run_dir, out->spec.name, &state, e);
    _cleanup_close_ int lock = try_lock_of(run_dir, state);
    if (lock < 0 && lock != -EWOULDBLOCK && lock != -ENOENT) {
        err_clear(e);
        return err_set(e, lock, "try the lock");
    }
    out->status = lock < 0 ? STATUS_CREATING : STATUS_DEAD;
    return judge_state(code, state, lock == -EWOULDBLOCK, out, e);
}

/* Without opening its directory, which is needed to say what is wrong. */
static bool read_config(struct store *s, const char *name, json_t **j)
{
    _cleanup_free_ char *path = xasprintf("%s/config.json", name);
    return json_read_at(s->defined_fd, path, j, NULL) == 0;
}

/* Is it that of container @name? A killed rename may have left the new name in it, and the directory the old one. */
static bool is_of(const json_t *j, struct spec *spec, const char *name)
{
    if (streq(spec->name, name))
        return true;
    if (!streq(json_str(j, FORMER_NAME), name))
        return false;
    free(spec->name);
    spec->name = xstrdup(name);
    return true;
}

int store_read_definition(struct store *s, const char *name, json_t **j, struct spec *spec,
                          struct err *e)
{
    if (read_config(s, name, j) && spec_from_json(*j, spec, NULL) == 0) {
        if (is_of(*j, spec, name))
            return 0;
        spec_clear(spec);
    }
    json_decref(take_ptr(*j));
    _cleanup_close_ int dir = store_defined_dir(s, name);
    if (dir == -ENOENT)
        return err_say(e, dir, "no such container `%s`", name);
    int r = 0;
    if (dir < 0)
        r = is_no_directory(dir) ? err_say(e, -EBADMSG, "its directory is not a directory")
                                 : err_set(e, dir, "open its directory");
    else
        r = json_read_at(dir, "config.json", j, e);
    if (r == 0)
        r = spec_from_json(*j, spec, e);
    if (r == 0 && !is_of(*j, spec, name)) {
        r = err_say(e, -EBADMSG, "it is damaged: it says that it is `%s`", spec->name);
        spec_clear(spec);
    }
    if (r < 0)
        err_wrap(e, "container `%s`", name);
    return r;
}

/* The container whose network it shares may have been renamed. An id, or the first digits of one, stays as it was given. */
static void name_owner(struct store *s, struct spec *spec)
{
    const char *word = spec->network_of ? skip_prefix(spec->network, NETWORK_OF) : NULL;
    if (!word || (id_may_begin(word) && skip_prefix(spec->network_of, word)))
        return;
    _cleanup_free_ char *name =
        id_is_whole(spec->network_of) ? ids_name(s, spec->network_of) : NULL;
    if (!name || streq(name, word))
        return;
    free(spec->network);
    spec->network = xasprintf(NETWORK_OF "%s", name);
}

static int read_record(struct store *s, const char *name, struct record *out, struct err *e)
{
    *out = (struct record){.status = STATUS_EXITED};
    _cleanup_json_ json_t *j = NULL;
    int r = store_read_definition(s, name, &j, &out->spec, e);
    if (r < 0)
        return r;
    name_owner(s, &out->spec);
    const json_t *ended = json_object_get(j, "exit");
    out->exit_status = (int)json_int(ended, "status", 0);
    out->finished = json_int(ended, "finished", 0);
    out->started = json_int(ended, "started", 0);
    out->oom_killed = json_flag(ended, "oom_killed");
    out->oom_kills = (uint64_t)json_int(ended, "oom_kills", 0);
    out->restarts = (unsigned)json_int(ended, "restarts", 0);
    out->asked = json_flag(ended, "asked");
    out->ended_early = json_flag(ended, "early");
    out->never_ran = json_flag(ended, NEVER_RAN);
    r = read_life(s, name, out, e);
    if (r < 0) {
        record_clear(out);
        err_wrap(e, "container `%s`", name);
        return r;
    }
    out->never_ran = out->never_ran && out->status == STATUS_EXITED;
    out->lost = out->status == STATUS_EXITED && !ended;
    if (out->lost)
        out->exit_status = EXIT_LOST;
    return 0;
}

/* ---- lists -----------------------------------------------------------------------------------*/

/* Lists are also made without the store's lock (doctor, surveys of networks). Then a container that is being created or
 * removed looks damaged for a moment, so a damaged one is read twice. */
static int read_listed(struct store *s, const char *name, struct record *out, struct err *e)
{
    const struct timespec moment = {.tv_nsec = 10 * 1000000};
    int r = read_record(s, name, out, e);
    if (r != -EBADMSG)
        return r;
    err_clear(e);
    nanosleep(&moment, NULL);
    return read_record(s, name, out, e);
}

struct record_list {
    struct record *items;
    size_t count, room;
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
    if (x->spec.created_nsec != y->spec.created_nsec)
        return x->spec.created_nsec < y->spec.created_nsec ? -1 : 1;
    return strcmp(x->spec.name, y->spec.name);
}

static int list(struct store *s, struct record_list *out, struct err *e)
{
    _cleanup_dir_ DIR *d = open_listing(s->defined_fd, ".");
    if (!d)
        return err_set(e, errno, "list the containers in `%s`", s->root);
    int code = 0;
    for (struct dirent *entry; (entry = next_entry(d, &code));) {
        _cleanup_err_ struct err why = ERR_INIT;
        struct record r;
        if (!valid_name(entry->d_name))
            continue;
        code = read_listed(s, entry->d_name, &r, &why);
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
        if (out->count == out->room) {
            out->room = out->room ? out->room * 2 : 16;
            out->items = xrealloc(out->items, out->room, sizeof(*out->items));
        }
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

/* By the link that names it. False also if the container is damaged: then the list decides. */
static bool find_by_link(struct store *s, const char *id, struct record *out)
{
    _cleanup_free_ char *name = id_is_whole(id) ? ids_name(s, id) : NULL;
    if (!name || read_record(s, name, out, NULL) < 0)
        return false;
    if (streq(out->spec.id, id))
        return true;
    record_clear(out);
    return false;
}

static int find_by_id(struct store *s, const char *id, struct record *out, struct err *e)
{
    __attribute__((cleanup(record_list_clear))) struct record_list all = {0};
    if (find_by_link(s, id, out))
        return 0;
    int r = id_may_begin(id) ? list(s, &all, e) : 0;
    if (r < 0)
        return r;
    struct record *match = NULL;
    for (size_t i = 0; i < all.count; i++) {
        if (!skip_prefix(all.items[i].spec.id, id))
            continue;
        if (match)
            return err_say(e, -ENOTUNIQ, "more than one container's id begins with `%s`", id);
        match = &all.items[i];
    }
    if (!match)
        return err_say(e, -ENOENT, "no such container `%s`", id);
    *out = *match;
    *match = all.items[--all.count];
    return 0;
}

int store_find_named(struct store *s, const char *name, struct record *out, struct err *e)
{
    *out = (struct record){0};
    if (!valid_name(name))
        return err_say(e, -ENOENT, "no such container `%s`", name);
    int r = read_record(s, name, out, e);
    if (r == -ENOENT) {
        int lives = file_exists_at(s->live_fd, name);
        err_clear(e);
        if (lives < 0)
            return err_set(e, lives, "look for container `%s`", name);
        r = lives ? err_say(e, -EBADMSG,
                            "container `%s`: its definition `%s/containers/%s` is missing", name,
                            s->root, name)
                  : err_say(e, -ENOENT, "no such container `%s`", name);
    }
    if (r == -EBADMSG)
        err_hint(e, "`netctr rm -f %s` removes that container", name);
    return r;
}

int store_find(struct store *s, const char *name_or_id, struct record *out, struct err *e)
{
    int r = store_find_named(s, name_or_id, out, e);
    if (r != -ENOENT)
        return r;
    err_clear(e);
    return find_by_id(s, name_or_id, out, e);
}

/* 1, 0 or -errno. */
static int is_locked(int dir)
{
    _cleanup_close_ int lock = store_try_lock(dir);
    if (lock == -EWOULDBLOCK)
        return 1;
    return lock == -ENOENT || lock >= 0 ? 0 : lock;
}

/* The id of a container with a run directory: from its state, or else its definition. */
static int live_id(struct store *s, const char *name, int dir, struct strings *ids, struct err *e)
{
    _cleanup_json_ json_t *state = NULL, *config = NULL;
    _cleanup_spec_ struct spec spec = {0};
    int r = container_read_state(dir, name, &state, e);
    if (r == 0)
        strings_add(ids, json_str(state, "id"));
    else if (r != -EBADMSG && r != -ENOENT) {
        err_wrap(e, "container `%s`", name);
        return r;
    }
    int locked = r == -ENOENT ? is_locked(dir) : 1;
    if (locked < 0)
        return err_set(e, locked, "container `%s`: try the lock", name);
    if (r < 0 && locked) { /* otherwise nothing exists yet, or nothing is left */
        if (store_read_definition(s, name, &config, &spec, NULL) < 0) {
            err_hint(e, "`netctr rm -f %s` removes container `%s`", name, name);
            return r;
        }
        strings_add(ids, spec.id);
    }
    err_clear(e);
    return 0;
}

int store_each_live(struct store *s, int (*each)(const char *name, int dir, void *arg), void *arg,
                    struct err *e)
{
    _cleanup_dir_ DIR *d = open_listing(s->live_fd, ".");
    if (!d)
        return err_set(e, errno, "list the living containers in `%s`", s->run);
    int r = 0;
    for (struct dirent *entry; (entry = next_entry(d, &r));) {
        _cleanup_close_ int dir =
            valid_name(entry->d_name) ? store_live_dir(s, entry->d_name) : -ENOENT;
        if (is_no_directory(dir))
            continue;
        r = dir < 0 ? dir : each(entry->d_name, dir, arg);
        if (r < 0)
            return e && !e->code ? err_set(e, r, "look at container `%s`", entry->d_name) : r;
    }
    return r < 0 ? err_set(e, r, "list the living containers in `%s`", s->run) : 0;
}

struct collecting {
    struct store *store;
    struct strings *ids;
    struct err *e;
};

static int collect_id(const char *name, int dir, void *arg)
{
    struct collecting *c = arg;
    return live_id(c->store, name, dir, c->ids, c->e);
}

int store_live_ids(struct store *s, strv *ids, struct err *e)
{
    struct strings found = {0};
    struct collecting c = {s, &found, e};
    int r = store_each_live(s, collect_id, &c, e);
    *ids = strings_take(&found);
    return r;
}
