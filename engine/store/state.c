/* state.json in a run directory: who monitors the container, and once it runs, which process it is.
 *
 * It decides which processes a command signals, so it is believed only as far as it can be checked: a checksum over all
 * of it, the container's name, the boot id. Its readers also check the start times of the processes.
 */
#include "files.h"

#include <errno.h>

/* The start time distinguishes the process from a later one with the same pid. */
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
    json_put_str(j, "version", NETCTR_VERSION);
    json_object_set_new(j, "network_schema", json_integer(NETCTR_SCHEMA));
    json_put_str(j, "id", c->spec.id);
    json_put_str(j, "boot", boot);
    json_put_str(j, "instance", c->store->instance);
    json_object_set_new(j, "netns", json_integer((json_int_t)c->store->netns));
    json_object_set_new(j, "netns_cookie", json_integer((json_int_t)c->store->netns_cookie));
    json_put_str(j, "name", c->spec.name);
    r = put_process(j, "monitor", "monitor_start", getpid(), e);
    json_object_set_new(j, "existing", json_boolean(c->existing));
    json_object_set_new(j, "restarting", json_boolean(c->restarting));
    json_object_set_new(j, "exit_status", json_integer(c->exit_status));
    json_object_set_new(j, "restarts", json_integer(c->restarts));
    if (c->restarting) {
        json_put_str(j, "failure", c->failure);
        json_object_set_new(j, "oom_killed", json_boolean(c->oom_killed));
    }
    if (r == 0 && c->process.pid > 0 && c->started && !c->restarting)
        r = put_process(j, "pid", "pid_start", c->process.pid, e);
    if (r < 0)
        return r;
    if (c->started)
        json_object_set_new(j, "started", json_integer(c->started));
    return json_write_sealed_at(c->run_fd, "state.json", j, e);
}

/* Up to netctr 0.1 it had no name. */
static int check_name(const json_t *j, const char *name, struct err *e)
{
    const char *own = json_str(j, "name");
    if (!name || !own || streq(own, name) || streq(json_str(j, FORMER_NAME), name))
        return 0;
    return err_say(e, -EBADMSG, "state file `state.json` is container `%s`'s", own);
}

static int read_state(int dir, const char *path, const char *name, json_t **out, struct err *e)
{
    _cleanup_json_ json_t *j = NULL;
    int r = json_read_sealed_at(dir, path, &j, e);
    if (r == 0 && json_int(j, "schema", 0) > 1)
        r = err_say(e, -EBADMSG,
                    "state file `state.json` was written by a newer netctr (schema %lld)",
                    (long long)json_int(j, "schema", 0));
    if (r == 0 && json_int(j, "schema", 0) != 1)
        r = err_say(e, -EBADMSG, "state file `state.json` is damaged: it has no schema");
    if (r == 0 && (!valid_name(json_str(j, "id")) || json_int(j, "monitor", 0) <= 0))
        r = err_say(e, -EBADMSG, "state file `state.json` is damaged: it has no id or monitor");
    if (r == 0)
        r = check_name(j, name, e);
    if (r == 0)
        *out = take_ptr(j);
    return r;
}

int container_read_state(int run_dir, const char *name, json_t **out, struct err *e)
{
    return read_state(run_dir, "state.json", name, out, e);
}

/* The monitor took the lock before it wrote its name here, and holds it until it ends: if it lives, nothing else can have
 * the lock. An instance's name contains the boot id, and is that of its network namespace: the pid means the same. */
bool container_read_living(struct store *s, const char *name, json_t **out)
{
    _cleanup_free_ char *path = xasprintf("%s/state.json", name);
    _cleanup_json_ json_t *j = NULL;
    if (read_state(s->live_fd, path, name, &j, NULL) < 0 ||
        !streq(json_str(j, "instance"), s->instance) ||
        proc_lives((pid_t)json_int(j, "monitor", 0), (uint64_t)json_int(j, "monitor_start", 0)) !=
            1)
        return false;
    *out = take_ptr(j);
    return true;
}

int store_monitor_version(int live_dir, struct monitor_version *out, struct err *e)
{
    _cleanup_json_ json_t *j = NULL;
    *out = (struct monitor_version){0};
    int r = container_read_state(live_dir, NULL, &j, e);
    if (r < 0)
        return r;
    const char *version = json_str(j, "version");
    /* 0.1.0 was the only release that did not write its version; its schema was 5. */
    out->version = xstrdup(version ? version : "0.1.0");
    out->network_schema = (int)json_int(j, "network_schema", 5);
    out->pid = (pid_t)json_int(j, "monitor", 0);
    out->start = (uint64_t)json_int(j, "monitor_start", 0);
    return 0;
}
