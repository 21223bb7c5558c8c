/* What the sandboxes of an instance need of the engine. */
#include "helpers.h"
#include "internal.h"

void engine_network_event(struct engine *engine, const char *name, const struct endpoint *ep)
{
    const struct event event = {"network", name, ep->id, ep->network};
    _cleanup_free_ char *address = ip_text(&ep->address4);
    event_emit(engine->store.run_fd, &event,
               (const struct event_attribute[]){
                   {"container", ep->container, 0}, {"address", address, 0}, {0}});
}

static int open_net(void *engine, struct net **out, struct err *e)
{
    return engine_net(engine, out, e);
}

static uint16_t names_port(void *engine)
{
    return helpers_port(engine);
}

static void emit(const struct sandbox_event *event, void *arg)
{
    struct engine *engine = arg;
    if (event->endpoint) {
        engine_network_event(engine, event->what, event->endpoint);
        return;
    }
    const struct event of_container = {"container", event->what, event->id, event->name};
    event_emit(engine->store.run_fd, &of_container,
               (const struct event_attribute[]){{"ports", event->ports, 0}, {0}});
}

static int reload(void *engine, struct err *e)
{
    return engine_reload(engine, true, e);
}

static int reattach(void *engine, struct err *e)
{
    return engine_reattach(engine, e);
}

static int make_leases(const struct network *n, void *engine, struct err *e)
{
    return engine_make_leases(engine, n, e);
}

/* ---- who publishes a port --------------------------------------------------------------------*/

struct search {
    struct engine *engine;
    const struct port_mapping *wanted;
    char *owner;
};

static int look(const struct record *r, void *arg)
{
    struct search *s = arg;
    _cleanup_endpoints_ struct endpoint_list all = {0};
    _cleanup_close_ int dir = store_live_dir(&s->engine->store, r->spec.name);
    if (dir < 0 || endpoint_load_all(dir, &all, NULL) < 0)
        return 0;
    for (size_t k = 0; k < all.count; k++)
        for (size_t i = 0; i < all.items[k].port_mappings.count && !s->owner; i++) {
            const struct port_mapping *p = &all.items[k].port_mappings.items[i];
            if (!all.items[k].routed && port_mapping_collides(p, s->wanted))
                s->owner = xstrdup(r->spec.name);
        }
    return 0;
}

static char *find_publisher(const struct port_mapping *wanted, void *engine)
{
    struct search s = {engine, wanted, NULL};
    (void)engine_each(engine, look, &s, NULL);
    return s.owner;
}

struct sandboxes *engine_sandboxes(struct engine *engine)
{
    const struct sandbox_hooks hooks = {.net = open_net,
                                        .names_port = names_port,
                                        .event = emit,
                                        .reload = reload,
                                        .reattach = reattach,
                                        .make_leases = make_leases,
                                        .find_publisher = find_publisher,
                                        .arg = engine};
    if (!engine->sandboxes)
        engine->sandboxes = sandboxes_new(engine->store.run_fd, NULL);
    sandboxes_set_hooks(engine->sandboxes, &hooks);
    return engine->sandboxes;
}
