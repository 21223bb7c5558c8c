/* Pairs a container's process with its sandbox: which namespace it uses, and what the sandbox needs of its monitor. */
#include "monitor.h"

#include <errno.h>

/* ---- which namespace -------------------------------------------------------------------------*/

/* A monitor that retries needs the same text each time, hence without how long ago the owner ended. */
static int owner_is_not_running(const struct monitor *m, const struct record *owner, struct err *e)
{
    const char *name = owner->spec.name;
    if (owner->status == STATUS_RESTARTING && !m->request->patient)
        return engine_not_running(owner, e);
    err_say(e, -ESRCH, "container `%s` is not running", name);
    return owner->status == STATUS_EXITED ? err_hint(e, "`netctr start %s` starts it", name)
                                          : -ESRCH;
}

/* The namespace of the container @name, and the records of its endpoints. */
static int join_container(struct monitor *m, const char *name, struct err *e)
{
    _cleanup_record_ struct record r = {0};
    int code = engine_find(m->engine, name, &r, e);
    if (code < 0)
        return code;
    if (r.status != STATUS_RUNNING)
        return owner_is_not_running(m, &r, e);
    if (r.spec.network_mode == NETWORK_HOST)
        return err_say(e, -EINVAL, "container `%s` has no network of its own", name);
    int netns = netns_of_process(r.pid, r.pid_start);
    if (netns < 0 && netns != -ESRCH && netns != -ENOENT)
        return err_set(e, netns, "open the network namespace of container `%s`", name);
    if (netns < 0)
        return err_say(e, -ESRCH, "container `%s` has ended", name);
    int records = store_live_dir(&m->engine->store, name);
    sandbox_join(m->sandbox, netns, records < 0 ? -1 : records);
    return 0;
}

static int join(struct monitor *m, struct err *e)
{
    const char *rest;
    enum network_word word = network_word(monitor_spec(m)->network, &rest);
    if (word == NETWORK_WORD_CONTAINER)
        return join_container(m, rest, e);
    if (word != NETWORK_WORD_NS)
        return 0;
    int netns = sandbox_open_path(rest, e);
    if (netns >= 0)
        sandbox_join(m->sandbox, netns, -1);
    return netns < 0 ? netns : 0;
}

/* ---- what the sandbox needs ------------------------------------------------------------------*/

static int make_room(const struct port_mappings *list, void *monitor, struct err *e)
{
    struct monitor *m = monitor;
    int moved = helpers_make_room(m->engine, list, e);
    if (moved > 0)
        seed_unwatch(m); /* this monitor may have the sockets */
    return moved;
}

static void note(const char *text, void *monitor)
{
    struct monitor *m = monitor;
    container_note(&m->container, text);
}

static int write_file(const char *file, const char *text, void *monitor, struct err *e)
{
    struct monitor *m = monitor;
    return process_write_file(&m->container.process, file, text, e);
}

static int read_file(const char *file, char **text, void *monitor, struct err *e)
{
    struct monitor *m = monitor;
    if (m->container.process.files_fd < 0) /* between two runs */
        return err_set(e, -ENODATA, "read `%s` of the container", file);
    return process_read_file(&m->container.process, file, text, e);
}

void pair_files(struct monitor *m)
{
    const struct spec *s = monitor_spec(m);
    m->files = (struct sandbox_files){
        .hostname = s->hostname,
        .name = s->name,
        .id = s->id,
        .servers = s->dns,
        .search = s->dns_search,
        .options = s->dns_options,
        .added = s->add_hosts,
        .of_host = s->network_mode == NETWORK_HOST,
        .write = write_file,
        .read = read_file,
        .arg = m,
    };
}

int pair_sandbox(struct monitor *m, struct err *e)
{
    const struct spec *s = monitor_spec(m);
    const struct sandbox_owner owner = {.make_room = make_room, .note = note, .arg = m};
    sandbox_free(m->sandbox);
    pair_files(m);
    m->sandbox =
        sandbox_new(engine_sandboxes(m->engine), s->id, s->name, m->loop, &owner, &m->files);
    return join(m, e);
}

void describe_ports(struct monitor *m)
{
    struct spec *s = monitor_spec(m);
    strv_free(take_ptr(s->published));
    strv_free(take_ptr(s->unpublished));
    sandbox_ports(m->sandbox, &s->published, &s->unpublished, NULL);
}
