/* A container's entries on disk: the name is claimed, events are recorded, everything is removed.
 *
 * Intent before effect: the run directory with its lock and state.json exists before anything is made in the
 * kernel, and is removed after everything is gone from it. What the kernel holds is found by the id that they
 * name.
 */
#include "files.h"

#include <errno.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

void container_clear(struct container *c)
{
    spec_clear(&c->spec);
    free(take_ptr(c->instance));
    free(take_ptr(c->failure));
    plan_mounts_clear(&c->mounts);
    free(take_ptr(c->layers));
    free(take_ptr(c->mount_point));
    process_clear(&c->process);
    int *const fds[] = {&c->dir_fd, &c->run_fd, &c->lock_fd, &c->owner_fd};
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        *fds[i] = close_fd(*fds[i]);
}

/* ---- claim -----------------------------------------------------------------------------------*/

static int make_directory(int at, const char *name, mode_t mode, struct err *e)
{
    if (mkdirat(at, name, mode) < 0)
        return err_set(e, errno, "make directory `%s`", name);
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? err_set(e, errno, "open directory `%s`", name) : fd;
}

static int claim_run_directory(struct container *c, struct err *e)
{
    c->run_fd = make_directory(c->store->live_fd, c->spec.name, 0700, e);
    if (c->run_fd < 0)
        return c->run_fd;
    c->lock_fd = lock_file_at(c->run_fd, "lock", LOCK_EX);
    if (c->lock_fd < 0)
        return err_set(e, c->lock_fd, "lock container `%s`", c->spec.name);
    int r = flags_create(c->run_fd);
    return r < 0 ? err_set(e, r, "write the flags of container `%s`", c->spec.name)
                 : container_save_state(c, e);
}

/* The upper directory is the container's "/": it gets the mode and owner of the one below it. Its files have the ids of
 * the container as the host sees them, because the layer itself is not idmapped. */
static int own_upper(struct container *c, int upper, struct err *e)
{
    struct stat st;
    if (stat(c->spec.rootfs, &st) < 0)
        return err_set(e, errno, "look at `%s`", c->spec.rootfs);
    const struct id_map *ids = &c->spec.ids;
    bool host = id_map_is_host(ids);
    uid_t uid = host ? st.st_uid : id_outside(ids->uids, ids->uid_count, st.st_uid);
    gid_t gid = host ? st.st_gid : id_outside(ids->gids, ids->gid_count, st.st_gid);
    if (uid == ID_UNMAPPED || gid == ID_UNMAPPED)
        return err_say(e, -EOVERFLOW, "the owner of `%s` has no id in the container",
                       c->spec.rootfs);
    if (fchmod(upper, st.st_mode & 07777) < 0 || fchown(upper, uid, gid) < 0)
        return err_set(e, errno, "prepare the container's layer");
    return 0;
}

static int make_layers(struct container *c, struct err *e)
{
    _cleanup_close_ int upper = make_directory(c->dir_fd, "upper", 0755, e);
    _cleanup_close_ int work = upper < 0 ? -1 : make_directory(c->dir_fd, "work", 0700, e);
    if (upper < 0 || work < 0)
        return upper < 0 ? upper : work;
    return own_upper(c, upper, e);
}

/* Its ids may have been unknown when it was created. */
static int own_layers_later(struct container *c, struct err *e)
{
    _cleanup_close_ int upper =
        openat(c->dir_fd, "upper", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return upper < 0 ? err_set(e, errno, "open the container's layer") : own_upper(c, upper, e);
}

/* Without an exit record, which a container has once it has ended. */
int container_save_definition(struct container *c, struct err *e)
{
    _cleanup_json_ json_t *j = spec_to_json(&c->spec);
    return json_write_at(c->dir_fd, "config.json", j, e);
}

int container_redefine(struct store *store, const struct spec *spec, struct err *e)
{
    _cleanup_close_ int dir = store_defined_dir(store, spec->name);
    _cleanup_json_ json_t *old = NULL, *j = spec_to_json(spec);
    if (dir < 0)
        return err_set(e, dir, "open container `%s`", spec->name);
    int r = json_read_at(dir, "config.json", &old, e);
    if (r < 0)
        return r;
    json_t *ended = json_object_get(old, "exit");
    if (ended)
        json_object_set(j, "exit", ended);
    return json_write_at(dir, "config.json", j, e);
}

int container_reread(struct container *c, struct err *e)
{
    _cleanup_json_ json_t *j = NULL;
    _cleanup_free_ char *name = store_name_now(c->store, &c->spec);
    struct spec now = {0};
    int r = store_read_definition(c->store, name, &j, &now, e);
    if (r == 0 && !streq(now.id, c->spec.id)) {
        spec_clear(&now);
        r = err_say(e, -ENOENT, "no such container `%s`", c->spec.id);
    }
    if (r < 0)
        return r;
    spec_clear(&c->spec);
    c->spec = now;
    container_plan(c);
    return 0;
}

int container_note_created(struct container *c, struct err *e)
{
    _cleanup_json_ json_t *j = spec_to_json(&c->spec);
    json_t *ended = json_object();
    json_object_set_new(ended, NEVER_RAN, json_true());
    json_object_set_new(j, "exit", ended);
    return json_write_at(c->dir_fd, "config.json", j, e);
}

static int claim_definition(struct container *c, struct err *e)
{
    c->dir_fd = make_directory(c->store->defined_fd, c->spec.name, 0700, e);
    if (c->dir_fd < 0)
        return c->dir_fd;
    int r = c->spec.in_place ? 0 : make_layers(c, e);
    if (r < 0)
        return r;
    return container_save_definition(c, e);
}

int store_require_free(struct store *store, const char *name, struct err *e)
{
    int taken = file_exists_at(store->defined_fd, name);
    if (taken == 0)
        taken = file_exists_at(store->live_fd, name);
    if (taken < 0)
        return err_set(e, taken, "look for a container `%s`", name);
    if (!taken)
        return 0;
    err_say(e, -EEXIST, "container name `%s` is in use", name);
    err_hint(e, "`netctr rm -f %s` removes that container", name);
    return -EEXIST;
}

int container_claim(struct store *store, struct spec *spec, struct container *out, struct err *e)
{
    /* An existing directory belongs to another container: below, what could not be finished is removed by this
     * name. */
    int taken = store_require_free(store, spec->name, e);
    if (taken < 0)
        return taken;
    _cleanup_close_ int bound = store_hold_binding(store, e);
    if (bound < 0)
        return bound;
    struct container c = CONTAINER_INIT;
    c.store = store;
    c.spec = *spec;
    *spec = (struct spec){0};
    int r = claim_run_directory(&c, e);
    if (r == 0)
        r = ids_add(store, c.spec.id, c.spec.name, e);
    if (r == 0)
        r = claim_definition(&c, e);
    if (r < 0) {
        (void)remove_tree_at(store->defined_fd, c.spec.name);
        ids_remove(store, c.spec.id);
        (void)remove_tree_at(store->live_fd, c.spec.name);
        container_clear(&c);
        return r;
    }
    container_plan(&c);
    container_event(&c, "create", NULL);
    *out = c;
    return 0;
}

/* Its last run and exit status, which stay true if it cannot start now. False: it never ran. */
static bool take_last_run(struct container *c)
{
    _cleanup_json_ json_t *j = NULL;
    if (json_read_at(c->dir_fd, "config.json", &j, NULL) < 0)
        return true;
    const json_t *ended = json_object_get(j, "exit");
    c->started = json_int(ended, "started", 0);
    c->exit_status = (int)json_int(ended, "status", 0);
    return !json_flag(ended, NEVER_RAN);
}

/* @c was read without the lock: a change since then must not be undone, nor its address given to another container
 * of the same name. */
static int require_current(const struct container *c, struct err *e)
{
    static const char *const keys[] = {"id", "networks", "publish"};
    _cleanup_spec_ struct spec current = {0};
    _cleanup_json_ json_t *file = NULL, *read = spec_to_json(&c->spec);
    int r = json_read_at(c->dir_fd, "config.json", &file, e);
    if (r == 0)
        r = spec_from_json(file, &current, e);
    _cleanup_json_ json_t *now = spec_to_json(&current);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(keys); i++)
        if (!json_equal(json_object_get(now, keys[i]), json_object_get(read, keys[i])))
            r = err_say(e, -ESTALE, "container `%s` was changed a moment ago", c->spec.name);
    return r;
}

int container_restart_claim(struct store *store, struct spec *spec, struct container *out,
                            struct err *e)
{
    _cleanup_free_ char *name = store_name_now(store, spec);
    if (!streq(name, spec->name))
        return err_say(e, -ESTALE, "container `%s` was renamed a moment ago", spec->name);
    int lives = file_exists_at(store->live_fd, spec->name);
    if (lives != 0)
        return lives < 0 ? err_set(e, lives, "look for container `%s`", spec->name)
                         : err_say(e, -EBUSY, "container `%s` is running", spec->name);
    _cleanup_close_ int bound = store_hold_binding(store, e);
    if (bound < 0)
        return bound;
    struct container c = CONTAINER_INIT;
    c.store = store;
    c.existing = true;
    c.dir_fd = store_defined_dir(store, spec->name);
    if (c.dir_fd == -ENOENT) /* it was removed since */
        return err_say(e, -ENOENT, "no such container `%s`", spec->name);
    if (c.dir_fd < 0)
        return err_set(e, c.dir_fd, "open container `%s`", spec->name);
    c.spec = *spec;
    *spec = (struct spec){0};
    bool ran = take_last_run(&c);
    int r = require_current(&c, e);
    if (r == 0)
        r = container_share_files(c.dir_fd, c.spec.name, e);
    if (r < 0) {
        container_clear(&c);
        return r;
    }
    r = claim_run_directory(&c, e);
    if (r == 0 && !ran && !c.spec.in_place)
        r = own_layers_later(&c, e);
    if (r == 0)
        r = container_save_definition(&c, e);
    if (r < 0) {
        (void)remove_tree_at(store->live_fd, c.spec.name);
        container_clear(&c);
        return r;
    }
    container_plan(&c);
    *out = c;
    return 0;
}

/* ---- end -------------------------------------------------------------------------------------*/

int container_set_restarting(struct container *c, bool restarting, int exit_status, struct err *e)
{
    if (restarting)
        container_note_memory(c);
    c->restarting = restarting;
    c->exit_status = exit_status;
    return container_save_state(c, e);
}

/* Was it asked to end for good? When the host goes down, systemd sends SIGTERM to every monitor, in its session's scope or its unit, and
 * does not wait for `stop --until-boot`: that is no reason not to start the container at the next boot. */
static int end_asked_for_good(const struct container *c)
{
    int r = c->process.interrupted ? 1 : container_marked(c->run_fd, MARK_END_ASKED);
    return r == -EBADMSG ? 0 : r;
}

/* Writes the exit record to the definition. */
static int save_exit(struct container *c, int exit_status, struct err *e)
{
    int asked = end_asked_for_good(c);
    if (asked < 0)
        return err_set(e, asked, "look whether container `%s` was to end", c->spec.name);
    _cleanup_json_ json_t *j = spec_to_json(&c->spec);
    json_t *ended = json_object();
    json_object_set_new(ended, "status", json_integer(exit_status));
    json_object_set_new(ended, "started", json_integer(c->started));
    json_object_set_new(ended, "finished", json_integer(time(NULL)));
    json_object_set_new(ended, "oom_killed", json_boolean(c->oom_killed));
    json_object_set_new(ended, "oom_kills", json_integer((json_int_t)c->oom_kills));
    json_object_set_new(ended, "restarts", json_integer(c->restarts));
    json_object_set_new(ended, "asked", json_boolean(asked));
    json_object_set_new(ended, "early", json_boolean(c->ended_early));
    json_object_set_new(j, "exit", ended);
    return json_write_at(c->dir_fd, "config.json", j, e);
}

int container_note_end(struct container *c, int exit_status, struct err *e)
{
    container_note_memory(c);
    pid_file_remove(c);
    int r = c->noted || !c->spec.id ? 0 : save_exit(c, exit_status, e);
    c->noted = c->noted || (r == 0 && c->spec.id);
    container_tell_death(c, exit_status);
    return r;
}

int container_remember_end(struct container *c, int exit_status, struct err *e)
{
    const pid_t pid = c->process.pid;
    c->exit_status = exit_status;
    c->process.pid = 0; /* as between two runs */
    int r = container_save_state(c, e);
    c->process.pid = pid;
    return r;
}

int container_end(struct container *c, bool keep, int exit_status, struct err *e)
{
    container_note_memory(c);
    pid_file_remove(c);
    const bool other = c->instance && !streq(c->instance, c->store->instance);
    container_plan(c);
    int r = plan_end_cgroup(&c->process.plan, other, e);
    container_tell_death(c, exit_status);
    return r == 0 && keep ? container_note_end(c, exit_status, e) : r;
}

/* The trash of an older netctr's ROOT is made here. A full disk may not have room for it: then the directory stays beside
 * the others, with a name that is no container's, and gc removes it. */
static int put_aside(struct store *store, const char *name, const char *id)
{
    _cleanup_free_ char *random = spec_new_id();
    const char *unique = id ? id : random;
    _cleanup_free_ char *aside = xasprintf(TRASH "/%s", unique);
    if (renameat(store->defined_fd, name, store->defined_fd, aside) == 0)
        return 0;
    if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
        return -errno;
    int made = make_hidden_directory(store, TRASH);
    if (made == -EEXIST) /* then it is @name that is missing */
        return 0;
    if (made < 0) {
        free(aside);
        aside = xasprintf(".removed-%s", unique);
    }
    return renameat(store->defined_fd, name, store->defined_fd, aside) < 0 && errno != ENOENT
               ? -errno
               : 0;
}

int container_remove(struct store *store, const char *name, const struct spec *spec, struct err *e)
{
    const char *id = spec ? spec->id : NULL;
    int r = put_aside(store, name, id);
    if (r < 0)
        return err_set(e, r, "remove container `%s`", name);
    ids_remove(store, id);
    if (id)
        range_free(store, id, &spec->ids);
    return 0;
}

int container_release_name(struct container *c, bool keep, struct err *e)
{
    int r = keep ? 0 : container_remove(c->store, c->spec.name, &c->spec, e);
    if (r == 0 && (r = remove_tree_at(c->store->live_fd, c->spec.name)) < 0)
        return err_set(e, r, "remove the run directory of container `%s`", c->spec.name);
    if (r == 0 && !keep && c->spec.id)
        container_event(c, "destroy", NULL);
    return r;
}

/* Missing or damaged: it will never be readable. After any other error, such as ENOMEM, there may be something to
 * keep. */
static bool is_missing(int code)
{
    return code == -ENOENT || code == -EBADMSG;
}

static void take_state(struct container *c, const json_t *state, const json_t *config)
{
    c->started = json_int(state, "started", 0);
    const json_t *ended = json_object_get(config, "exit");
    c->noted = ended != NULL;
    c->between_runs = ended || !json_object_get(state, "pid");
    free(c->spec.id);
    c->spec.id = xstrdup(json_str(state, "id"));
    c->existing = json_flag(state, "existing");
    c->restarts = (unsigned)json_int(state, "restarts", 0);
    c->pid_told = (pid_t)json_int(state, "pid", 0);
    c->exit_status =
        (int)(ended ? json_int(ended, "status", 0) : json_int(state, "exit_status", 0));
    if (valid_name(json_str(state, "instance")))
        c->instance = xstrdup(json_str(state, "instance"));
}

/* The name is the directory's, the id that of the state, which has a checksum; without a state, that of the
 * definition. */
static int read_remains(struct container *c, const char *name, enum status *status, struct err *e)
{
    _cleanup_json_ json_t *config = NULL, *state = NULL;
    int defined = store_read_definition(c->store, name, &config, &c->spec, e);
    if (defined < 0 && !is_missing(defined))
        return defined;
    if (defined < 0)
        c->spec.name = xstrdup(name);
    err_clear(e);
    c->told_start = container_marked(c->run_fd, MARK_STARTED) > 0;
    int r = container_read_state(c->run_fd, name, &state, e);
    if (r == 0)
        take_state(c, state, config);
    else if (!is_missing(r))
        return r;
    else if (defined != -ENOENT) {
        /* container_claim() writes the state before the definition. So a definition without a state means a
         * restart that has not begun: the exit record stays. With a damaged state nothing is known. */
        c->existing = true;
        c->noted = r == -ENOENT || json_object_get(config, "exit");
    }
    err_clear(e);
    /* A damaged definition is not overwritten: the user may repair it, and the layer is still there. */
    c->noted = c->noted || defined == -EBADMSG;
    bool made = json_flag(json_object_get(config, "exit"), NEVER_RAN);
    *status = (c->started || c->existing || made) && defined != -ENOENT ? STATUS_RUNNING
                                                                        : STATUS_CREATING;
    return 0;
}

int container_adopt(struct store *store, const char *name, struct container *out,
                    enum status *status, struct err *e)
{
    struct container c = CONTAINER_INIT;
    c.store = store;
    c.run_fd = store_live_dir(store, name);
    if (c.run_fd < 0)
        return err_set(e, c.run_fd, "open container `%s`", name);
    c.lock_fd = store_try_lock(c.run_fd);
    if (c.lock_fd < 0) {
        int lock = c.lock_fd;
        container_clear(&c);
        return lock == -EWOULDBLOCK ? err_say(e, lock, "container `%s` runs", name)
                                    : err_set(e, lock, "lock container `%s`", name);
    }
    c.dir_fd = store_defined_dir(store, name);
    int r = read_remains(&c, name, status, e);
    if (r < 0) {
        container_clear(&c);
        err_wrap(e, "read the state of container `%s`", name);
        return r;
    }
    container_plan(&c);
    *out = c;
    return 0;
}
