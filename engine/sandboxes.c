/* What the sandboxes of an instance need of the engine. */
#include "helpers.h"
#include "internal.h"

#include <limits.h>
#include <unistd.h>

char *engine_sandbox_id(int run_dir, const char *id)
{
    char text[NAME_MAX + 1];
    ssize_t size = run_dir < 0 ? -1 : readlinkat(run_dir, SANDBOX_LINK, text, NAME_MAX);
    if (size <= 0)
        return xstrdup(id);
    text[size] = '\0';
    return xstrdup(valid_name(text) ? text : id);
}

static void network_event(struct engine *engine, const char *name, const struct endpoint *ep)
{
    const struct event event = {"network", name, ep->id, ep->network, NULL};
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
        network_event(engine, event->what, event->endpoint);
        return;
    }
    const bool ports = event->ports != NULL;
    const struct event of_container = {"container", event->what, event->id, event->name, NULL},
                       of_firewall = {"system", event->what, NULL, "firewall", NULL};
    const struct event_attribute with_ports[] = {{"ports", event->ports, 0}, {0}},
                                 with_count[] = {{"endpoints", NULL, (int64_t)event->count}, {0}};
    event_emit(engine->store.run_fd, ports ? &of_container : &of_firewall,
               ports ? with_ports : with_count);
}

static int require_versions(void *engine, struct err *e)
{
    return engine_require_versions(engine, e);
}

static bool has_older(void *engine)
{
    return engine_has_older(engine);
}

struct sandboxes *engine_sandboxes(struct engine *engine)
{
    const struct sandbox_hooks hooks = {.net = open_net,
                                        .names_port = names_port,
                                        .require_versions = require_versions,
                                        .has_older = has_older,
                                        .event = emit,
                                        .arg = engine};
    if (!engine->sandboxes)
        engine->sandboxes = sandboxes_new(engine->store.run_fd, NULL);
    sandboxes_set_hooks(engine->sandboxes, &hooks);
    return engine->sandboxes;
}
