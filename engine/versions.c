/* Monitors that another version of netctr has started.
 *
 * All monitors of an instance share the firewall's tables, and each changes them by the names that it knows. So they
 * must agree on the schema (NETCTR_SCHEMA): while a monitor with another one runs, commands that change the network
 * are refused. No lock is needed: a monitor that starts later meets the same check.
 */
#include "helpers.h"
#include "internal.h"

#include <errno.h>
#include <string.h>

static void version_clear(struct monitor_version *v)
{
    free(v->version);
}
#define _cleanup_version_ __attribute__((cleanup(version_clear)))

static bool is_alive(const struct monitor_version *v)
{
    _cleanup_close_ int pidfd = pidfd_of(v->pid, v->start);
    return pidfd >= 0 && !proc_is_dying(v->pid, v->start);
}

struct others {
    const char *except; /* a container that does not count; NULL: none */
    bool older_only;
    strv names;
    char *version;
    int schema;
};

static void others_clear(struct others *o)
{
    strv_free(o->names);
    free(o->version);
}
#define _cleanup_others_ __attribute__((cleanup(others_clear)))

/* A record that cannot be read says nothing about a version. */
static int note_other(const char *name, int dir, void *arg)
{
    struct others *o = arg;
    _cleanup_version_ struct monitor_version v = {0};
    if ((o->except && streq(name, o->except)) || store_monitor_version(dir, &v, NULL) < 0 ||
        v.network_schema == NETCTR_SCHEMA || (o->older_only && v.network_schema > NETCTR_SCHEMA) ||
        !is_alive(&v))
        return 0;
    if (!o->names) {
        o->version = take_ptr(v.version);
        o->schema = v.network_schema;
    }
    strv_add(&o->names, name);
    return 0;
}

static int refuse(const char *name, const char *version, int schema, struct err *e)
{
    if (schema < NETCTR_SCHEMA)
        return err_say(e, -EPROTONOSUPPORT, "container `%s` runs under netctr %s: restart it first",
                       name, version);
    return err_say(e, -EPROTONOSUPPORT, "container `%s` runs under netctr %s, newer than this %s",
                   name, version, NETCTR_VERSION);
}

static int refuse_others(const struct others *o, struct err *e)
{
    int r = refuse(o->names[0], o->version, o->schema, e);
    _cleanup_free_ char *all = strv_join(o->names, " ");
    if (o->schema > NETCTR_SCHEMA) {
        err_hint(e, "use netctr %s", o->version);
        return r;
    }
    if (o->except || o->names[1]) {
        err_hint(
            e,
            "stop all of them before any is started: `netctr stop %s%s%s`, then `netctr start` them",
            o->except ? o->except : "", o->except ? " " : "", all);
        return r;
    }
    err_hint(e, "`netctr restart %s`", all);
    return r;
}

int engine_require_version(struct engine *engine, const struct record *r, struct err *e)
{
    _cleanup_version_ struct monitor_version v = {0};
    _cleanup_close_ int dir = store_live_dir(&engine->store, r->spec.name);
    if (dir < 0 || store_monitor_version(dir, &v, NULL) < 0 || v.network_schema == NETCTR_SCHEMA)
        return 0; /* the caller finds out what else is wrong with it */
    int code = refuse(r->spec.name, v.version, v.network_schema, e);
    if (v.network_schema < NETCTR_SCHEMA)
        err_hint(e, "`netctr restart %s`", r->spec.name);
    return code;
}

int engine_require_versions(struct engine *engine, struct err *e)
{
    _cleanup_others_ struct others o = {0};
    int r = store_each_live(&engine->store, note_other, &o, e);
    return r == 0 && o.names ? refuse_others(&o, e) : r;
}

int engine_require_restart(struct engine *engine, const struct record *r, struct err *e)
{
    _cleanup_others_ struct others o = {.except = r->spec.name};
    struct net *net;
    if (!r->spec.networks)
        return 0;
    int code = engine_net(engine, &net, e);
    if (code == 0 && (code = net_check(net, e)) > 0)
        code = store_each_live(&engine->store, note_other, &o, e);
    return code == 0 && o.names ? refuse_others(&o, e) : code;
}

bool engine_has_older(const struct engine *engine)
{
    struct store store = engine->store;
    _cleanup_others_ struct others o = {.older_only = true};
    /* A container that cannot be read may be older. */
    return store_each_live(&store, note_other, &o, NULL) < 0 || o.names;
}
