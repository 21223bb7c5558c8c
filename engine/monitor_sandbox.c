/* Pairs a container's process with its sandbox: which namespace it uses, and what the sandbox needs of its monitor. */
#include "monitor.h"

#include <errno.h>
#include <linux/capability.h>
#include <unistd.h>

/* ---- what the sandbox needs ------------------------------------------------------------------*/

static int make_room(const struct port_mappings *list, void *monitor, struct err *e)
{
    struct monitor *m = monitor;
    int moved = helpers_make_room(m->engine, list, e);
    if (moved > 0)
        seed_unwatch(m); /* this monitor may have the sockets */
    return moved;
}

/* Its owner may have been renamed when its monitor was killed. */
static int clear_holder(struct engine *engine, const struct lease *holder, struct err *e)
{
    const struct spec known = {.id = holder->owner, .name = holder->container};
    _cleanup_free_ char *name = store_name_now(&engine->store, &known);
    return engine_clear_if_dead(engine, name, e);
}

static bool free_addresses(const struct lease *holder, void *monitor)
{
    struct engine *engine = ((struct monitor *)monitor)->engine;
    _cleanup_err_ struct err why = ERR_INIT;
    _cleanup_close_ int lock = helpers_store_lock(engine, &why);
    int r = lock;
    if (r >= 0)
        r = holder ? clear_holder(engine, holder, &why) : engine_repair(engine, &gc_quietly, &why);
    if (r < 0)
        warn("%s", why.text);
    return holder ? r > 0 : r == 0;
}

static void note(const char *text, void *monitor)
{
    struct monitor *m = monitor;
    container_note(&m->container, text);
}

static int lock(void *monitor, struct err *e)
{
    return lock_to_leave(monitor, e);
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

/* ---- which sandbox ---------------------------------------------------------------------------*/

/* A monitor that retries needs the same text each time, hence without how long ago the owner ended. */
static int owner_is_not_running(const struct monitor *m, const struct record *owner, struct err *e)
{
    const char *name = owner->spec.name;
    if (owner->status == STATUS_RESTARTING && !m->request->patient)
        return engine_not_running(owner, e);
    err_say(e, -ESRCH, "container `%s` is not running", name);
    if (owner->status == STATUS_EXITED)
        err_hint(e, "`netctr start %s` starts it", name);
    return -ESRCH;
}

/* A container without a sandbox: of netctr 0.1, or in a namespace that netctr did not make (ns:PATH). */
static int join_namespace(struct monitor *m, const struct record *r, struct err *e)
{
    const char *name = r->spec.name;
    if (r->status != STATUS_RUNNING)
        return owner_is_not_running(m, r, e);
    int netns = netns_of_process(r->pid, r->pid_start);
    if (netns < 0 && netns != -ESRCH && netns != -ENOENT)
        return err_set(e, netns, "open the network namespace of container `%s`", name);
    if (netns < 0)
        return err_say(e, -ESRCH, "container `%s` has ended", name);
    int records = store_live_dir(&m->engine->store, name);
    sandbox_join(m->sandbox, netns, records < 0 ? -1 : records);
    return 0;
}

/* By its id, once that is known: it may have another name by now. If it has been removed, one with its name takes its
 * place. */
static int find_owner(struct monitor *m, const char *name, struct record *out, struct err *e)
{
    struct spec *s = monitor_spec(m);
    int code = s->network_of ? engine_find(m->engine, s->network_of, out, e) : -ENOENT;
    if (code == -ENOENT) {
        err_clear(e);
        code = engine_find(m->engine, name, out, e);
    }
    if (code == 0 && !streq(s->network_of, out->spec.id)) {
        free(s->network_of);
        s->network_of = xstrdup(out->spec.id);
    }
    return code;
}

/* A pinned sandbox lives on when the container ends: a lab's node. */
static int join_pinned(struct monitor *m, const char *id, struct err *e)
{
    _cleanup_sandbox_record_ struct sandbox_record r = {.dir = -1};
    int code = sandbox_find(engine_sandboxes(m->engine), id, &r, e);
    if (code == -ENOENT || (code == 0 && r.state != SANDBOX_LIVES)) {
        err_say(e, -ESRCH, "sandbox %s does not exist any more", id);
        err_hint(e, "`netctr lab up` brings the lab of a node up");
        return -ESRCH;
    }
    if (code == 0 && r.life != SANDBOX_PINNED)
        code = err_say(e, -EINVAL, "sandbox %s belongs to a container", id);
    return code == 0 ? sandbox_join_pinned(m->sandbox, &r, e) : code;
}

/* The pinned sandbox that a container is in, also by others. The caller frees; NULL: none. */
static char *find_pinned(struct monitor *m, const struct spec *s)
{
    enum { HOPS_MAX = 16 };
    _cleanup_record_ struct record r = {0};
    for (int hops = 0; hops < HOPS_MAX && s->network; hops++) {
        const char *in = skip_prefix(s->network, NETWORK_OF_SANDBOX), *of = network_owner(s);
        if (in || !of)
            return xstrdup(in);
        _cleanup_free_ char *owner = xstrdup(s->network_of ? s->network_of : of);
        record_clear(&r);
        if (engine_find(m->engine, owner, &r, NULL) < 0)
            return NULL;
        s = &r.spec;
    }
    return NULL;
}

/* The sandbox of the container @name, which lives also if others share it and the container has ended. */
static int share(struct monitor *m, const char *name, struct sandbox_request *request,
                 struct err *e)
{
    _cleanup_record_ struct record r = {0};
    _cleanup_sandbox_record_ struct sandbox_record sandbox = {.dir = -1};
    int code = find_owner(m, name, &r, e);
    if (code < 0)
        return code;
    name = r.spec.name;
    if (r.spec.network_mode == NETWORK_HOST && r.status == STATUS_RUNNING)
        return err_say(e, -EINVAL, "container `%s` has no network of its own", name);
    _cleanup_free_ char *pinned = find_pinned(m, &r.spec);
    if (pinned) {
        m->sandbox = sandbox_new(engine_sandboxes(m->engine), request);
        return join_pinned(m, pinned, e);
    }
    _cleanup_close_ int dir = store_live_dir(&m->engine->store, r.spec.name);
    _cleanup_free_ char *id = engine_sandbox_id(dir, r.spec.id);
    /* That of a first run may be half made; a later run has that of the one before. */
    bool begins = r.status == STATUS_CREATING && r.restarts == 0;
    code = begins ? -ENOENT : sandbox_find(engine_sandboxes(m->engine), id, &sandbox, e);
    if (code < 0 && code != -ENOENT)
        return code;
    bool lives = code == 0 && sandbox.state == SANDBOX_LIVES;
    if (lives) {
        request->id = id;
        request->name = sandbox.name ? sandbox.name : r.spec.name;
        request->member = monitor_spec(m)->id;
        request->member_name = monitor_spec(m)->name;
    }
    m->sandbox = sandbox_new(engine_sandboxes(m->engine), request);
    return lives ? 0 : join_namespace(m, &r, e);
}

static int open_path(struct monitor *m, const char *path, struct err *e)
{
    int netns = sandbox_open_path(path, e);
    if (netns >= 0)
        sandbox_join(m->sandbox, netns, -1);
    return netns < 0 ? netns : 0;
}

int pair_record(struct monitor *m, struct err *e)
{
    const char *id = sandbox_id(m->sandbox);
    if (streq(id, m->container.spec.id) || symlinkat(id, m->container.run_fd, SANDBOX_LINK) == 0 ||
        errno == EEXIST)
        return 0;
    return err_set(e, errno, "note the sandbox of container `%s`", m->container.spec.name);
}

int pair_sandbox(struct monitor *m, struct err *e)
{
    const struct spec *s = monitor_spec(m);
    const char *rest;
    enum network_word word = network_word(s->network, &rest);
    struct sandbox_request request = {.id = s->id,
                                      .name = s->name,
                                      .owner = &m->ids,
                                      .net_admin = s->caps >> CAP_NET_ADMIN & 1,
                                      .loop = m->loop,
                                      .files = &m->files,
                                      .make_room = make_room,
                                      .free_addresses = free_addresses,
                                      .note = note,
                                      .lock = lock,
                                      .arg = m};
    sandbox_free(take_ptr(m->sandbox));
    pair_files(m);
    if (word == NETWORK_WORD_CONTAINER)
        return share(m, rest, &request, e);
    m->sandbox = sandbox_new(engine_sandboxes(m->engine), &request);
    if (word == NETWORK_WORD_SANDBOX)
        return join_pinned(m, rest, e);
    return word == NETWORK_WORD_NS ? open_path(m, rest, e) : 0;
}

/* Ports of a pinned sandbox are its own, and no process holds them; `ps` shows them with the container that runs there. */
static void describe_pinned(struct monitor *m, const char *id)
{
    _cleanup_endpoints_ struct endpoint_list all = {0};
    sandbox_endpoints(engine_sandboxes(m->engine), id, &all);
    for (size_t i = 0; i < all.count; i++) {
        const struct endpoint *ep = &all.items[i];
        const struct port_mapping_reach reach = {
            .ipv4 = ep->address4.family, .ipv6 = ep->address6.family, .routed = ep->routed};
        for (size_t k = 0; k < ep->port_mappings.count; k++)
            port_mapping_texts(&ep->port_mappings.items[k], &reach, &monitor_spec(m)->published);
    }
}

void describe_ports(struct monitor *m)
{
    struct spec *s = monitor_spec(m);
    const char *pinned = s->network ? skip_prefix(s->network, NETWORK_OF_SANDBOX) : NULL;
    strv_free(take_ptr(s->published));
    strv_free(take_ptr(s->unpublished));
    if (pinned) {
        describe_pinned(m, pinned);
        return;
    }
    sandbox_ports(m->sandbox, &s->published, &s->unpublished, NULL);
}
