/* What a container has changed of its root directory. */
#include "internal.h"

#include <errno.h>

static int explain(const struct spec *s, struct err *e)
{
    if (s->in_place) {
        err_say(e, -EOPNOTSUPP, "container `%s` has no layer of its own: it runs --in-place",
                s->name);
        err_hint(e, "it writes to `%s` itself, and nothing remembers what was there", s->rootfs);
    } else {
        err_say(e, -EOPNOTSUPP, "container `%s` cannot have changed anything: it runs --read-only",
                s->name);
    }
    return -EOPNOTSUPP;
}

int engine_diff(struct engine *engine, const struct record *r, plan_change each, void *arg,
                uint64_t *deeper, struct err *e)
{
    if (r->spec.in_place || r->spec.read_only)
        return explain(&r->spec, e);
    return container_each_change(&engine->store, &r->spec, each, arg, deeper, e);
}
