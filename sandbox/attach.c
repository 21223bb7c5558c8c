/* Attaches a sandbox to one network; first restores what other programs may have removed meanwhile. */
#include "sandbox.h"

#include <errno.h>
#include <string.h>

static int lock_instance(void *sandboxes, struct err *e)
{
    return sandboxes_lock(sandboxes, e);
}

/* EEXIST: either the name server has moved since we read its port, or this network has not been redirected to
 * the new port yet. A server moves under the store's lock, and the port is written before it is released. */
static int bring_up(struct sandbox *sb, const struct network *n, struct err *e)
{
    uint16_t port = sb->names_port;
    int r = network_up(sb->net, n, port, e);
    for (int tries = 0; r == -EEXIST && tries < 3; tries++) {
        err_clear(e);
        int lock = sandboxes_lock(sb->all, e);
        if (lock < 0)
            return lock;
        port = sandboxes_names_port(sb->all);
        r = net_set_names_port(sb->net, n, port, e);
        close_fd(lock);
        if (r == 0)
            r = network_up(sb->net, n, port, e);
    }
    return r;
}

/* Attaches it. An address that a dead one has is taken from it, once. */
static int attach(struct sandbox *sb, struct attachment *p, struct rt *inside,
                  struct endpoint_request *request, struct err *e)
{
    const struct sandbox_request *owner = &sb->request;
    _cleanup_lease_ struct lease holder = {0};
    request->holder = &holder;
    int r =
        endpoint_attach(sb->net, &p->network, sb->netns, inside, request, sb->dir, &p->endpoint, e);
    request->holder = NULL;
    bool taken = r == -EADDRINUSE && holder.container;
    /* A full disk has the same errno, but another text. */
    bool full = r == -ENOSPC && e && !strstr(e->text, strerror(ENOSPC));
    if (!(taken || full) || !owner->free_addresses ||
        !owner->free_addresses(taken ? &holder : NULL, owner->arg))
        return r;
    err_clear(e);
    return endpoint_attach(sb->net, &p->network, sb->netns, inside, request, sb->dir, &p->endpoint,
                           e);
}

int attachment_connect(struct sandbox *sb, struct attachment *p, struct rt *inside,
                       const struct port_mappings *port_mappings, struct err *e)
{
    struct endpoint_request request = {
        .container = sb->name,
        .id = sb->id,
        .interface = p->wanted.interface,
        .address4 = p->wanted.address4,
        .address6 = p->wanted.address6,
        .aliases = p->wanted.aliases,
        .rate = p->wanted.rate,
        .metric = p->metric,
        .gateway4 = p->wanted.gateway4,
        .gateway6 = p->wanted.gateway6,
        .routes = p->wanted.routes,
        .born = sb->born,
        .unheld = sb->life != SANDBOX_MONITORED,
        .priority = p->wanted.priority,
        .port_mappings = port_mappings,
        .lock = lock_instance,
        .lock_arg = sb->all,
    };
    memcpy(request.mac, p->wanted.mac, 6);
    int r = -ENOENT;
    /* ENOENT: the firewall was flushed between two steps. */
    for (int tries = 0; r == -ENOENT && tries < 30; tries++) {
        err_clear(e);
        r = sandboxes_reload(sb->all, true, e);
        if (r == 0)
            r = bring_up(sb, &p->network, e);
        if (r == 1)
            r = sandboxes_reattach(sb->all, e);
        if (r == 0)
            r = sandboxes_make_leases(sb->all, &p->network, e);
        if (r == 0)
            r = attach(sb, p, inside, &request, e);
    }
    p->attached = r == 0;
    if (r < 0)
        return r;
    sandboxes_event(
        sb->all, &(struct sandbox_event){
                     .what = "connect", .id = sb->id, .name = sb->name, .endpoint = &p->endpoint});
    later_announce(sb, p);
    flows_look_again(sb, &p->endpoint);
    return attachment_name(sb, p, e);
}
