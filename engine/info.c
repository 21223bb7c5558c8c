/* What `netctr info` shows of this host and this instance. */
#include "internal.h"

#include <sys/utsname.h>

static int count_one(const struct record *r, void *arg)
{
    size_t *count = arg;
    count[r->status == STATUS_EXITED]++;
    return 0;
}

static const char *cgroup_name(void)
{
    static const char *const names[] = {"none", "v1", "v2"};
    enum cgroup_kind kind;
    return cgroups_survey(&kind, NULL, NULL) < 0 ? "none" : names[kind];
}

static const char *expiry_name(struct engine *engine)
{
    static const char *const names[] = {"not asked yet", "no", "yes"};
    struct net *net;
    return engine_net(engine, &net, NULL) < 0 ? "unknown" : names[net_expiry(net)];
}

static json_t *forwarding(struct engine *engine)
{
    struct net *net;
    json_t *j = NULL;
    bool known = engine_net(engine, &net, NULL) == 0 && net_forwarding(net, &j, NULL) == 0;
    return known ? j : json_null();
}

int engine_info(struct engine *engine, json_t **out, struct err *e)
{
    size_t count[2] = {0};
    struct utsname u;
    (void)uname(&u);
    int r = engine_each(engine, count_one, count, e);
    if (r < 0)
        return r;
    json_t *j = *out = json_object();
    json_put_str(j, "version", NETCTR_VERSION);
    json_put_str(j, "kernel", u.release);
    json_put_str(j, "machine", u.machine);
    json_put_str(j, "cgroup", cgroup_name());
    json_put_str(j, "firewall_expiry", expiry_name(engine));
    json_object_set_new(j, "forwarding", forwarding(engine));
    json_put_str(j, "root", engine->store.root);
    json_put_str(j, "run_root", engine->store.run);
    json_put_str(j, "instance", engine->store.instance);
    json_object_set_new(j, "helpers", engine_helpers(engine));
    json_object_set_new(j, "running", json_integer((json_int_t)count[0]));
    json_object_set_new(j, "ended", json_integer((json_int_t)count[1]));
    _cleanup_strv_ strv lacking = caps_names(CAPS_DEFAULT & ~caps_held_of(CAPS_DEFAULT));
    json_put_strv(j, "capabilities_missing", lacking);
    return 0;
}
