/* Which sandbox publishes a port, by the records of all of them. */
#include "sandbox.h"

#include <errno.h>

struct port_search {
    const struct port_mapping *wanted;
    char *owner;
    char *id; /* of its sandbox */
    enum sandbox_life life;
    enum sandbox_state state;
};

static void port_search_clear(struct port_search *s)
{
    free(s->owner);
    free(s->id);
}
#define _cleanup_port_search_ __attribute__((cleanup(port_search_clear)))

static int look_for_port(struct sandbox_record *r, void *arg)
{
    struct port_search *s = arg;
    for (size_t k = 0; k < r->endpoints.count; k++) {
        const struct endpoint *ep = &r->endpoints.items[k];
        for (size_t i = 0; i < ep->port_mappings.count && !s->owner; i++)
            if (!ep->routed && port_mapping_collides(&ep->port_mappings.items[i], s->wanted)) {
                s->owner = xstrdup(ep->container);
                s->id = xstrdup(r->id);
                s->life = r->life;
                s->state = r->state;
            }
    }
    return 0;
}

char *sandboxes_publisher(struct sandboxes *s, const struct port_mapping *wanted)
{
    _cleanup_port_search_ struct port_search search = {.wanted = wanted};
    (void)sandbox_each(s, look_for_port, &search, NULL);
    return take_ptr(search.owner);
}

int sandboxes_require_free(struct sandboxes *s, const struct port_mapping *wanted, struct err *e)
{
    for (;;) {
        _cleanup_port_search_ struct port_search search = {.wanted = wanted};
        int r = sandbox_each(s, look_for_port, &search, e);
        if (r < 0 || !search.owner)
            return r;
        if (search.state != SANDBOX_DEAD || search.life == SANDBOX_MONITORED) {
            r = port_mapping_in_use(wanted, e);
            if (search.state == SANDBOX_DEAD)
                err_hint(e, "`netctr gc` removes container `%s`, which is dead", search.owner);
            else
                err_hint(e, "container `%s` publishes it", search.owner);
            return r;
        }
        r = apart_remove(s, search.id, false, e);
        if (r < 0)
            return r;
    }
}
