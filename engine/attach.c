/* Attaches the container to one network; first restores what other programs may have removed meanwhile. */
#include "monitor.h"

#include <errno.h>
#include <string.h>

static int lock_store(void *store, struct err *e)
{
    return store_lock(store, e);
}

/* EEXIST: either the name server has moved since we read its port, or this network has not been redirected to
 * the new port yet. A server moves under the store's lock, and the port is written before it is released. */
static int bring_up(struct monitor *m, const struct network *n, struct err *e)
{
    uint16_t port = m->seed.port;
    int r = network_up(m->net, n, port, e);
    for (int tries = 0; r == -EEXIST && tries < 3; tries++) {
        err_clear(e);
        int lock = store_lock(&m->engine->store, e);
        if (lock < 0)
            return lock;
        port = helpers_port(m->engine);
        r = net_set_names_port(m->net, n, port, e);
        close_fd(lock);
        if (r == 0)
            r = network_up(m->net, n, port, e);
    }
    return r;
}

int attachment_connect(struct monitor *m, struct attachment *p, struct rt *inside,
                       const struct port_mappings *port_mappings, struct err *e)
{
    struct endpoint_request request = {
        .container = m->container.spec.name,
        .id = m->container.spec.id,
        .interface = p->wanted.interface,
        .address4 = p->wanted.address4,
        .address6 = p->wanted.address6,
        .aliases = p->wanted.aliases,
        .rate = p->wanted.rate,
        .metric = p->metric,
        .born = m->born,
        .port_mappings = port_mappings,
        .lock = lock_store,
        .lock_arg = &m->engine->store,
    };
    memcpy(request.mac, p->wanted.mac, 6);
    int r = -ENOENT;
    /* ENOENT: the firewall was flushed between two steps. */
    for (int tries = 0; r == -ENOENT && tries < 30; tries++) {
        err_clear(e);
        r = engine_reload(m->engine, true, e);
        if (r == 0)
            r = bring_up(m, &p->network, e);
        if (r == 1)
            r = engine_reattach(m->engine, e);
        if (r == 0)
            r = engine_make_leases(m->engine, &p->network, e);
        if (r == 0)
            r = endpoint_attach(m->net, &p->network, m->netns, inside, &request,
                                m->container.run_fd, &p->endpoint, e);
    }
    p->attached = r == 0;
    if (r < 0)
        return r;
    engine_network_event(m->engine, "connect", &p->endpoint);
    flows_look_again(m, &p->endpoint);
    return attachment_name(m, p, e);
}
