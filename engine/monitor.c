/* The state of a monitor: empty, and freed. */
#include "monitor.h"

#include <errno.h>

struct monitor monitor_new(struct engine *engine, struct run_request *request, struct loop *loop)
{
    return (struct monitor){.engine = engine,
                            .request = request,
                            .loop = loop,
                            .container = CONTAINER_INIT,
                            .ids_lock = -1,
                            .unmapped = UNMAPPED_INIT,
                            .control = -1,
                            .seed = HELPERS_SEED_INIT};
}

void monitor_set_title(const struct monitor *m)
{
    _cleanup_free_ char *title = xasprintf("netctr monitor of %s", m->container.spec.name);
    proc_set_title(title);
}

int lock_patiently(struct monitor *m, struct err *e)
{
    int lock = store_lock(&m->engine->store, e);
    if (lock == -ETIMEDOUT && e)
        container_note(&m->container, e->text);
    while (lock == -ETIMEDOUT) {
        err_clear(e);
        lock = store_lock(&m->engine->store, e);
    }
    return lock;
}

int lock_to_leave(struct monitor *m, struct err *e)
{
    return client_is_here(m->request->client) ? store_lock(&m->engine->store, e)
                                              : lock_patiently(m, e);
}

void monitor_clear(struct monitor *m)
{
    close_fd(m->control);
    close_fd(m->ids_lock);
    free(take_ptr(m->reserved));
    helpers_seed_clear(&m->seed);
    sandbox_free(take_ptr(m->sandbox));
    container_clear(&m->container);
    port_mappings_clear(&m->request->port_mappings);
}
