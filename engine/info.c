/* What `netctr info` shows of this host and this instance. */
#include "internal.h"
#include "mappable.h"

#include <sys/utsname.h>

struct counts {
    size_t running, ended, fallbacks;
};

static int count_one(const struct record *r, void *arg)
{
    struct counts *c = arg;
    *(r->status == STATUS_EXITED ? &c->ended : &c->running) += 1;
    c->fallbacks += r->spec.userns_why != NULL;
    return 0;
}

/* Can containers have user namespaces of their own? */
static json_t *user_namespaces(const struct counts *c)
{
    _cleanup_err_ struct err why = ERR_INIT;
    json_t *j = json_object();
    int r = mappable_host(true, &why);
    json_object_set_new(j, "possible", json_boolean(r == 0));
    json_put_str(j, "why_not", r < 0 ? why.text : NULL);
    json_object_set_new(j, "fallbacks", json_integer((json_int_t)c->fallbacks));
    return j;
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
    struct counts count = {0};
    struct utsname u;
    (void)uname(&u);
    int r = engine_each(engine, count_one, &count, e);
    if (r < 0)
        return r;
    json_t *j = *out = json_object();
    json_put_str(j, "version", NETCTR_VERSION);
    json_put_str(j, "kernel", u.release);
    json_put_str(j, "machine", u.machine);
    json_put_str(j, "cgroup", cgroup_name());
    json_object_set_new(j, "user_namespaces", user_namespaces(&count));
    json_put_str(j, "firewall_expiry", expiry_name(engine));
    json_object_set_new(j, "forwarding", forwarding(engine));
    json_put_str(j, "root", engine->store.root);
    json_put_str(j, "run_root", engine->store.run);
    json_put_str(j, "instance", engine->store.instance);
    json_object_set_new(j, "helpers", engine_helpers(engine));
    json_object_set_new(j, "running", json_integer((json_int_t)count.running));
    json_object_set_new(j, "ended", json_integer((json_int_t)count.ended));
    _cleanup_strv_ strv lacking = caps_names(CAPS_DEFAULT & ~caps_held_of(CAPS_DEFAULT));
    json_put_strv(j, "capabilities_missing", lacking);
    return 0;
}
