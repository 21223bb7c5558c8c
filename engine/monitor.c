/* The state of a monitor: empty, and freed. */
#include "monitor.h"

struct monitor monitor_new(struct engine *engine, struct run_request *request, struct loop *loop)
{
    return (struct monitor){.engine = engine,
                            .request = request,
                            .loop = loop,
                            .container = CONTAINER_INIT,
                            .control = -1,
                            .seed = HELPERS_SEED_INIT};
}

void monitor_clear(struct monitor *m)
{
    close_fd(m->control);
    helpers_seed_clear(&m->seed);
    sandbox_free(take_ptr(m->sandbox));
    container_clear(&m->container);
    port_mappings_clear(&m->request->port_mappings);
}
