/* A container's state.json, in the run directory of a dead monitor. An object gets a valid checksum, so that the
 * readers of its parts see it; any other input is the whole file. */
#include "fuzz.h"

#include <netctr/store.h>

#include <sys/file.h>

static int run_dir = -1;

static void configure_bridge(struct store *s)
{
    static const char definition[] =
        "{\"schema\": 1, \"name\": \"web\", \"id\": \"4f1c09d2a7b3\", "
        "\"rootfs\": \"/srv\", \"argv\": [\"true\"], \"network\": \"none\"}";
    s->live_fd = s->run_fd = scratch_dir();
    must(mkdirat(scratch_dir(), "defined", 0700) == 0 && mkdirat(scratch_dir(), "web", 0700) == 0);
    s->defined_fd = s->root_fd =
        openat(scratch_dir(), "defined", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    run_dir = openat(scratch_dir(), "web", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(run_dir >= 0 && mkdirat(s->defined_fd, "web", 0700) == 0);
    put(s->defined_fd, "web/config.json", definition, strlen(definition));
    put(run_dir, "lock", "", 0);
    s->root = s->run = (char *)"/";
    s->instance = (char *)"0123456789abcdef";
}

static void write_state(const uint8_t *data, size_t size, bool lives)
{
    _cleanup_json_ json_t *j = input_object(data, size);
    if (!j)
        return put(run_dir, "state.json", data, size);
    if (lives && json_int(j, "monitor", 0) > 0) { /* one waits for a dying holder of the lock */
        json_object_set_new(j, "monitor", json_integer(getpid()));
        json_object_set_new(j, "monitor_start",
                            json_integer((json_int_t)proc_start_time(getpid())));
    }
    must(json_write_sealed_at(run_dir, "state.json", j, NULL) == 0);
}

/* What it says of a container whose monitor is dead (its pids may be signalled by nothing), or lives. */
static int look_at_record(const struct record *r, void *arg)
{
    enum status *seen = arg;
    *seen = r->status;
    must(streq(r->spec.id, "4f1c09d2a7b3"));
    must(r->status != STATUS_RUNNING || r->pid);
    return 0;
}

static enum status status_of(struct store *s)
{
    enum status seen = STATUS_EXITED;
    must(store_each(s, look_at_record, &seen, NULL) == 0);
    return seen;
}

/* Its values end up in paths, and in the name of a cgroup. */
static void look_at_remains(struct store *s)
{
    _cleanup_container_ struct container c = CONTAINER_INIT;
    enum status status;
    must(container_adopt(s, "web", &c, &status, NULL) == 0);
    must(streq(c.spec.name, "web") && (!c.spec.id || valid_name(c.spec.id)));
    must(!c.instance || valid_name(c.instance));
    must(status == STATUS_RUNNING || status == STATUS_CREATING);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct store s;
    _cleanup_strv_ strv ids = NULL;
    if (run_dir < 0)
        configure_bridge(&s);
    write_state(data, size, false);
    must(status_of(&s) == STATUS_DEAD);
    must(store_live_ids(&s, &ids, NULL) == 0 && strv_len(ids) == 1 && valid_name(ids[0]));
    look_at_remains(&s);
    _cleanup_close_ int held = lock_file_at(run_dir, "lock", LOCK_EX);
    must(held >= 0);
    write_state(data, size, true);
    enum status status = status_of(&s);
    /* A damaged state hides the container (STATUS_EXITED is where status_of() begins). */
    must(status != STATUS_DEAD);
    return 0;
}
