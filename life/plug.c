/* One network attached: what may have been taken away meanwhile is put back first. */
#include "living.h"

#include <errno.h>
#include <string.h>

static int lock_store(void *store, struct err *e)
{
    return store_lock(store, e);
}

/* EEXIST: either the name server has moved since we looked, or nobody has told this network that it has. Who moves
 * it has the store's lock until the new port is written down. */
static int bring_up(struct living *l, const struct network *n, struct err *e)
{
    uint16_t port = l->seed.port;
    int r = network_up(l->bridge, n, port, e);
    for (int tries = 0; r == -EEXIST && tries < 3; tries++) {
        err_clear(e);
        int lock = store_lock(&l->world->store, e);
        if (lock < 0)
            return lock;
        port = helpers_port(l->world);
        r = bridge_set_names_port(l->bridge, n, port, e);
        close_fd(lock);
        if (r == 0)
            r = network_up(l->bridge, n, port, e);
    }
    return r;
}

int plug_in(struct living *l, struct plug *p, struct rt *inside,
            const struct publish_list *publishes, struct err *e)
{
    struct endpoint_request request = {
        .container = l->container.spec.name,
        .id = l->container.spec.id,
        .interface = p->wanted.interface,
        .address4 = p->wanted.address4,
        .address6 = p->wanted.address6,
        .aliases = p->wanted.aliases,
        .rate = p->wanted.rate,
        .metric = p->metric,
        .born = l->born,
        .publishes = publishes,
        .lock = lock_store,
        .lock_arg = &l->world->store,
    };
    memcpy(request.mac, p->wanted.mac, 6);
    int r = -ENOENT;
    /* ENOENT: somebody has flushed the firewall between two of our steps. */
    for (int tries = 0; r == -ENOENT && tries < 30; tries++) {
        err_clear(e);
        r = world_reload(l->world, true, e);
        if (r == 0)
            r = bring_up(l, &p->network, e);
        if (r == 1)
            r = world_replug(l->world, e);
        if (r == 0)
            r = world_make_leases(l->world, &p->network, e);
        if (r == 0)
            r = endpoint_attach(l->bridge, &p->network, l->netns, inside, &request,
                                l->container.run_fd, &p->endpoint, e);
    }
    p->attached = r == 0;
    if (r < 0)
        return r;
    world_network_event(l->world, "connect", &p->endpoint);
    r = flows_look_again(l, &p->endpoint, e);
    return r < 0 ? r : plug_name(l, p, e);
}
