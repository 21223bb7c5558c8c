/* What stop, restart, kill and rm say of containers that share the network of those that they have ended. */
#include "cli.h"

#include <errno.h>
#include <string.h>

struct ended {
    const struct record *all;
    size_t count;
};

static int add_sharer(const struct record *r, void *names)
{
    if (r->status == STATUS_RUNNING && network_owner(&r->spec))
        strv_add(names, r->spec.name);
    return 0;
}

static bool is_one_of(const struct ended *ended, const char *name)
{
    for (size_t i = 0; i < ended->count; i++) {
        const struct spec *s = &ended->all[i].spec;
        if (s->name && (streq(s->name, name) || (strlen(name) >= 4 && skip_prefix(s->id, name))))
            return true;
    }
    return false;
}

/* The owner may itself share another's. */
static bool depends_on(struct engine *engine, const struct record *r, const struct ended *ended,
                       int depth)
{
    const char *owner = network_owner(&r->spec);
    _cleanup_record_ struct record next = {0};
    if (!owner || depth == 0)
        return false;
    return is_one_of(ended, owner) || (engine_find(engine, owner, &next, NULL) == 0 &&
                                       depends_on(engine, &next, ended, depth - 1));
}

static void warn_of(struct engine *engine, const struct record *r)
{
    const char *owner = network_owner(&r->spec), *name = r->spec.name;
    _cleanup_record_ struct record now = {0};
    int found = engine_find(engine, owner, &now, NULL);
    if (found < 0)
        warn(
            "container `%s` shares the network of `%s`, which is gone, and has lost it: `netctr rm -f %s`",
            name, owner, name);
    else if (now.status == STATUS_EXITED)
        warn("container `%s` shares the network of `%s` and has lost it: `netctr start %s` and "
             "`netctr restart %s`",
             name, owner, owner, name);
    else
        warn("container `%s` shares the network of `%s` and has lost it: `netctr restart %s`", name,
             owner, name);
}

void warn_sharers(struct engine *engine, const struct record *all, size_t count, void *arg)
{
    (void)arg;
    const struct ended ended = {all, count};
    _cleanup_strv_ strv names = NULL;
    if (engine_each(engine, add_sharer, &names, NULL) < 0)
        return;
    strv_each (name, names) {
        _cleanup_record_ struct record r = {0};
        if (engine_find(engine, name, &r, NULL) == 0 && depends_on(engine, &r, &ended, 16) &&
            engine_network_lost(engine, &r, NULL) > 0)
            warn_of(engine, &r);
    }
}
