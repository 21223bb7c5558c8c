/* What an open instance holds beside its store (the network half, the names, opened when first needed), its events, and
 * `doctor`'s way to look at it. */
#include "internal.h"

#include <errno.h>
#include <limits.h>
#include <netctr/names.h>
#include <string.h>
#include <sys/statvfs.h>

int engine_net(struct engine *engine, struct net **out, struct err *e)
{
    int r = 0;
    if (!engine->net)
        r = net_open(engine->store.root_fd, engine->store.run_fd, engine->store.instance,
                     &engine->net, e);
    *out = engine->net;
    return r;
}

/* Does everything exist that opening would create? */
static bool is_complete(const char *root, const char *run)
{
    const char *const places[][2] = {{root, "containers"},
                                     {root, "networks"},
                                     {run, "containers"},
                                     {run, "leases"},
                                     {run, "lock"}};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        _cleanup_free_ char *path = xasprintf("%s/%s", places[i][0], places[i][1]);
        if (access(path, F_OK) < 0)
            return false;
    }
    _cleanup_free_ char *file = xasprintf("%s/run-root", root), *bound = NULL,
                        *own = realpath(run, NULL);
    return read_file_at(AT_FDCWD, file, PATH_MAX, &bound, NULL) == 0 && streq(bound, own);
}

int engine_look(const char *root, const char *run_root, struct engine *out, struct err *e)
{
    *out = (struct engine){.store = STORE_INIT};
    int r = is_complete(root, run_root) ? store_open(root, run_root, &out->store, e) : 0;
    if (r < 0)
        return r;
    _cleanup_close_ int dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const char *instance = out->store.instance ? out->store.instance : "0000000000000000";
    return net_look(dir, out->store.run_fd, instance, &out->net, e);
}

int engine_names(struct engine *engine, int *out, struct err *e)
{
    if (!engine->sandboxes)
        engine->sandboxes = sandboxes_new(engine->store.run_fd, NULL);
    return sandboxes_names(engine->sandboxes, out, e);
}

void engine_forget_names(struct engine *engine)
{
    sandboxes_free(take_ptr(engine->sandboxes));
}

void engine_close(struct engine *engine)
{
    net_close(engine->net);
    engine_forget_names(engine);
    if (engine->store.root)
        store_close(&engine->store);
}

/* The errno does not say which file system is full or read-only: it may be one of the container's. So ask ours. */
static bool is_read_only(const char *path)
{
    struct statvfs fs;
    return statvfs(path, &fs) == 0 && (fs.f_flag & ST_RDONLY);
}

/* Almost full counts: undoing the failed operation has freed a little. */
static bool is_full(const char *path)
{
    enum { BYTES = 1024 * 1024, INODES = 64 };
    struct statvfs fs;
    if (statvfs(path, &fs) < 0)
        return false;
    return fs.f_bavail * fs.f_frsize < BYTES || (fs.f_files && fs.f_favail < INODES);
}

void engine_explain(const struct engine *engine, int code, struct err *e)
{
    /* "No address is left" has the same errno as a full disk, but another text. */
    bool known = code == -ENOSPC || code == -EROFS;
    if (!known || !e->text || e->hint || !strstr(e->text, strerror(-code)))
        return;
    const struct {
        const char *path, *flag;
    } ours[] = {{engine->store.root, "--root"}, {engine->store.run, "--run-root"}};
    for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
        const char *path = ours[i].path, *flag = ours[i].flag;
        if (code == -ENOSPC ? !is_full(path) : !is_read_only(path))
            continue;
        if (code == -ENOSPC)
            err_hint(e, "`%s` (%s) has almost no free space or inodes left", path, flag);
        else
            err_hint(e, "netctr must write to `%s` (%s), which is read-only", path, flag);
        return;
    }
    if (code == -EROFS && strstr(e->text, "sysctl") && is_read_only("/proc/sys"))
        err_hint(e, "/proc/sys is mounted read-only, as in a container");
}

/* ---- events ----------------------------------------------------------------------------------*/

void engine_event(struct engine *engine, const struct record *r, const char *name,
                  const struct event_attribute *attributes)
{
    const struct event event = {"container", name, r->spec.id, r->spec.name, r->spec.labels};
    event_emit(engine->store.run_fd, &event, attributes);
}

void engine_defined_event(struct engine *engine, const char *name, const char *network)
{
    const struct event event = {"network", name, NULL, network, NULL};
    event_emit(engine->store.run_fd, &event, NULL);
}

/* ---- what a record says ----------------------------------------------------------------------*/

bool record_holds_ports(const struct record *r)
{
    return r->status == STATUS_RUNNING || (r->status == STATUS_RESTARTING && !record_waits(r));
}

strv record_ports(const struct record *r)
{
    return record_holds_ports(r) ? r->spec.published : NULL;
}

int engine_not_running(const struct record *r, struct err *e)
{
    const char *name = r->spec.name;
    _cleanup_free_ char *ago = time_ago(r->finished);
    if (r->status == STATUS_RESTARTING)
        return err_say(e, -ESRCH, "container `%s` is not running (restarting%s%s)", name,
                       r->failure ? ": " : "", r->failure ? r->failure : "");
    if (r->never_ran) {
        err_say(e, -ESRCH, "container `%s` has not been started", name);
        err_hint(e, "`netctr start %s` starts it", name);
        return -ESRCH;
    }
    if (r->lost)
        return err_say(e, -ESRCH, "container `%s` is not running (lost with the host)", name);
    if (r->status != STATUS_EXITED)
        return err_say(e, -ESRCH, "container `%s` is not running", name);
    err_say(e, -ESRCH, "container `%s` is not running (exited %d%s%s%s)", name, r->exit_status,
            *ago ? ", " : "", ago, *ago ? " ago" : "");
    if (r->spec.log.driver != LOG_NONE)
        err_hint(e, "`netctr logs %s` shows what it wrote", name);
    return -ESRCH;
}
