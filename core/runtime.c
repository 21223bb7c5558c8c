/* state.json in a run directory, and whose run directory it is.
 *
 * What it says decides whom a command kills, so it is believed only as far as it can be checked: a sum
 * over all of it, its boot, its instance. An instance is a boot, a network namespace and a run-root: what
 * the kernel holds of a container is found only by commands of the same one. RUN/instance names the one
 * that RUN belongs to as long as containers of it live, so that most commands compare one word.
 */
#include "container.h"

#include <netctr/netns.h>

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>

#define INSTANCE_FILE "instance"

/* ---- state.json ------------------------------------------------------------------------------*/

/* A number without its start time would be nobody's: stop and exec would not find the process. */
static int put_process(json_t *j, const char *key, const char *key_start, pid_t pid, struct err *e)
{
    uint64_t start = proc_start_time(pid);
    if (!start)
        return err_set(e, errno, "find out when process %d started", pid);
    json_object_set_new(j, key, json_integer(pid));
    json_object_set_new(j, key_start, json_integer((json_int_t)start));
    return 0;
}

int container_save_state(struct container *c, struct err *e)
{
    _cleanup_json_ json_t *j = json_object();
    _cleanup_free_ char *boot = NULL;
    int r = boot_id(&boot, e);
    if (r < 0)
        return r;
    json_object_set_new(j, "schema", json_integer(1));
    json_put_str(j, "id", c->spec.id);
    json_put_str(j, "boot", boot);
    json_put_str(j, "instance", c->store->instance);
    json_object_set_new(j, "netns", json_integer((json_int_t)c->store->netns));
    r = put_process(j, "monitor", "monitor_start", getpid(), e);
    json_object_set_new(j, "existing", json_boolean(c->existing));
    json_object_set_new(j, "restarting", json_boolean(c->restarting));
    json_object_set_new(j, "exit_status", json_integer(c->exit_status));
    json_object_set_new(j, "restarts", json_integer(c->restarts));
    if (r == 0 && c->pid > 0 && c->started && !c->restarting)
        r = put_process(j, "pid", "pid_start", c->pid, e);
    if (r < 0)
        return r;
    if (c->started)
        json_object_set_new(j, "started", json_integer(c->started));
    json_seal(j);
    return json_write_at(c->run_fd, "state.json", j, e);
}

int container_read_state(int run_dir, json_t **out, struct err *e)
{
    _cleanup_json_ json_t *j = NULL;
    int r = json_read_at(run_dir, "state.json", &j, e);
    if (r == 0)
        r = json_check_seal(j, "state.json", e);
    if (r == 0 && json_int(j, "schema", 0) != 1)
        r = err_say(e, -EBADMSG, "state file `state.json` is damaged, or a newer netctr's");
    if (r == 0 && (!valid_name(json_str(j, "id")) || json_int(j, "monitor", 0) <= 0))
        r = err_say(e, -EBADMSG, "state file `state.json` is damaged: it has no id or monitor");
    if (r == 0)
        *out = take_ptr(j);
    return r;
}

/* ---- instances -------------------------------------------------------------------------------*/

/* Under a wrong name we would find nothing of ours, and nobody would find what we make. */
int instance_find(struct store *s, struct err *e)
{
    _cleanup_free_ char *boot = NULL;
    int r = boot_id(&boot, e);
    if (r < 0)
        return r;
    _cleanup_close_ int netns = netns_self();
    s->netns = netns < 0 ? 0 : netns_inode(netns);
    if (!s->netns)
        return err_set(e, netns < 0 ? netns : errno, "look at this network namespace");
    _cleanup_free_ char *text = xasprintf("%s %" PRIu64 " %s", boot, s->netns, s->run);
    s->instance = xasprintf("%016" PRIx64, hash64(text));
    return 0;
}

/* Does this container belong to an instance that can still look after it? One of another boot cannot,
 * nor one whose network namespace is gone: what they left is anybody's to bury. */
static int is_anothers(struct store *s, const char *name, bool living)
{
    _cleanup_json_ json_t *j = NULL;
    _cleanup_free_ char *boot = NULL;
    _cleanup_close_ int dir = store_live_dir(s, name);
    if (dir < 0)
        return dir == -ENOENT || dir == -ENOTDIR || dir == -ELOOP ? 0 : dir;
    _cleanup_close_ int lock = store_try_lock(dir);
    bool lives = lock == -EWOULDBLOCK;
    if (lock < 0 && !lives && lock != -ENOENT)
        return lock;
    if (lives != living)
        return 0;
    int r = container_read_state(dir, &j, NULL);
    if (r == -ENOENT ||
        r == -EBADMSG) /* RUN has belonged to another; whoever lives here is of that one */
        return lives;
    if (r < 0 || (r = boot_id(&boot, NULL)) < 0)
        return r;
    const char *instance = json_str(j, "instance");
    if (!instance || streq(instance, s->instance) || !streq(json_str(j, "boot"), boot))
        return 0;
    /* A helper that has outlived its last monitor is nobody's life, and would keep its namespace. */
    if (!lives && valid_name(instance))
        helper_end_of(instance, HELPER_RESOLVER);
    return lives ? 1 : netns_in_use((uint64_t)json_int(j, "netns", 0));
}

/* 1, 0, or -errno: who cannot read it must not take RUN for somebody else's. */
static int is_ours(struct store *s, struct err *e)
{
    _cleanup_free_ char *owner = NULL;
    int r = read_state_at(s->run_fd, INSTANCE_FILE, 64, &owner, NULL);
    if (r < 0 && r != -ENOENT && r != -EBADMSG)
        return err_set(e, r, "read `%s/" INSTANCE_FILE "`", s->run);
    return r == 0 && streq(owner, s->instance);
}

/* Containers of ours that have lost their run directories: nobody else must get their addresses while
 * they live. */
static int end_orphans(struct store *s, struct err *e)
{
    return store_sweep_cgroups(s, NULL, false, NULL, NULL, e);
}

static int refuse_others(struct store *s, bool living, struct err *e)
{
    int fd = openat(s->live_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d)
        return err_set(e, errno, "list the living containers in `%s`", s->run);
    int r = 0;
    for (struct dirent *entry; (entry = next_entry(d, &r));) {
        int anothers = valid_name(entry->d_name) ? is_anothers(s, entry->d_name, living) : 0;
        if (anothers < 0)
            return err_set(e, anothers, "look whose container `%s` is", entry->d_name);
        if (!anothers)
            continue;
        err_say(e, -EBUSY, "`%s` belongs to another network namespace: container `%s` lives there",
                s->run, entry->d_name);
        return err_hint(e, "use netctr in that namespace, or another --run-root and --root here");
    }
    return r < 0 ? err_set(e, r, "list the living containers in `%s`", s->run) : 0;
}

/* First those that live: as long as there is one, nothing of its instance is touched. */
static int take_over(struct store *s, struct err *e)
{
    int r = refuse_others(s, true, e);
    if (r == 0)
        r = refuse_others(s, false, e);
    if (r < 0)
        return r;
    r = write_file_atomic(s->run_fd, INSTANCE_FILE, s->instance, strlen(s->instance), 0600);
    if (r < 0)
        return err_set(e, r, "write `%s/" INSTANCE_FILE "`", s->run);
    s->fresh = true;
    return end_orphans(s, e);
}

int instance_bind(struct store *s, struct err *e)
{
    int ours = is_ours(s, e);
    if (ours != 0)
        return ours < 0 ? ours : 0;
    _cleanup_close_ int lock = store_lock(s, e);
    if (lock < 0)
        return lock;
    ours = is_ours(s, e);
    return ours < 0 ? ours : ours ? 0 : take_over(s, e);
}

int instance_check(struct store *s, struct err *e)
{
    int ours = is_ours(s, e);
    if (ours != 0)
        return ours < 0 ? ours : 0;
    return err_say(e, -EBUSY, "`%s` has just been taken by netctr in another network namespace",
                   s->run);
}
