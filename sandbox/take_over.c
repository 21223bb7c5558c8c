/* The owner of a sandbox starts again while the sandbox lives, because others share it: the endpoints stay as far as they
 * are what the owner's definition asks for.
 */
#include "sandbox.h"

#include <errno.h>
#include <netctr/names.h>
#include <string.h>

static bool same_ip(const struct ip *wanted, const struct ip *has)
{
    return !wanted->family || ip_equal(wanted, has);
}

/* Is the endpoint what @p asks for, on the network as it is defined now? */
static bool fits(const struct attachment *p, const struct endpoint *ep)
{
    static const uint8_t none[6];
    const struct connect_request *w = &p->wanted;
    const struct network *n = &p->network;
    return streq(ep->network, n->name) && streq(ep->bridge, n->bridge) && ep->guard == n->guard &&
           ep->routed == (n->mode == GATEWAY_ROUTED) && same_ip(&w->address4, &ep->address4) &&
           same_ip(&w->address6, &ep->address6) && w->rate == ep->rate &&
           (memcmp(w->mac, none, 6) == 0 || memcmp(w->mac, ep->mac, 6) == 0) &&
           (p->any_interface || streq(w->interface, ep->interface)) &&
           strv_equal(w->aliases, ep->aliases) && strv_equal(w->routes, ep->routes) &&
           ip_equal(&w->gateway4, &ep->gateway4) && ip_equal(&w->gateway6, &ep->gateway6);
}

static struct attachment *find_fitting(struct sandbox *sb, const struct endpoint *ep)
{
    for (size_t i = 0; i < sb->attachment_count; i++)
        if (!sb->attachments[i].attached && fits(&sb->attachments[i], ep))
            return &sb->attachments[i];
    return NULL;
}

static int detach(struct sandbox *sb, const struct endpoint *ep, struct err *e)
{
    _cleanup_close_ int lock = sandboxes_lock(sb->all, e);
    int r = lock < 0 ? lock : endpoint_detach(sb->net, ep, false, sb->dir, e);
    if (r == 0)
        sandboxes_event(sb->all,
                        &(struct sandbox_event){
                            .what = "disconnect", .id = sb->id, .name = sb->name, .endpoint = ep});
    return r;
}

/* A container with CAP_NET_ADMIN may have changed its links: then a new one is made, as by a restart without sharers.
 * 1: @p takes the endpoint over. */
static int is_kept(struct sandbox *sb, const struct attachment *p, const struct endpoint *ep,
                   struct err *e)
{
    int r = p ? endpoint_changed_inside(sb->net, &p->network, ep, sb->netns, e) : 1;
    return r < 0 ? r : !r;
}

/* Takes what fits out of @all, and detaches the rest. */
static int keep_fitting(struct sandbox *sb, struct endpoint_list *all, struct err *e)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < all->count; i++) {
        struct endpoint *ep = &all->items[i];
        struct attachment *p = find_fitting(sb, ep);
        int kept = is_kept(sb, p, ep, e);
        if (kept <= 0) {
            r = kept < 0 ? kept : detach(sb, ep, e);
            continue;
        }
        p->endpoint = *ep;
        *ep = (struct endpoint){0};
        p->attached = true;
        free(p->wanted.interface);
        p->wanted.interface = xstrdup(p->endpoint.interface);
    }
    return r;
}

/* Names that were chosen before what is kept was known. */
static int name_interfaces(struct sandbox *sb, struct err *e)
{
    int r = 0;
    for (size_t i = 0; i < sb->attachment_count; i++)
        if (!sb->attachments[i].attached && sb->attachments[i].any_interface)
            free(take_ptr(sb->attachments[i].wanted.interface));
    for (size_t i = 0; r == 0 && i < sb->attachment_count; i++)
        if (!sb->attachments[i].attached)
            r = attachment_name_interface(sb, &sb->attachments[i], e);
    return r;
}

/* The routes get the order of the definition. Two routes cannot have one metric, so each that changes gets another one
 * first. */
static int rank(struct sandbox *sb, struct rt *inside, struct err *e)
{
    enum { ELSEWHERE = 1u << 30 };
    int r = 0;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; r == 0 && i < sb->attachment_count; i++) {
            struct attachment *p = &sb->attachments[i];
            if (!p->attached || !network_has_gateway(&p->network) ||
                p->endpoint.metric == p->metric)
                continue;
            uint32_t metric = pass == 0 ? ELSEWHERE + (uint32_t)i : p->metric;
            r = endpoint_set_metric(&p->network, &p->endpoint, inside, metric, sb->dir, e);
        }
    return r;
}

/* The names were removed when the owner ended; its ports as well, unless it was killed. */
static int revive(struct sandbox *sb, struct attachment *p, struct err *e)
{
    _cleanup_port_mappings_ struct port_mappings ports = {0};
    for (size_t i = 0; i < p->endpoint.port_mappings.count; i++)
        port_mappings_append(&ports, &p->endpoint.port_mappings.items[i]);
    _cleanup_close_ int lock = ports.count ? sandboxes_lock(sb->all, e) : -1;
    int r = ports.count && lock < 0 ? lock : 0;
    if (r == 0 && ports.count)
        r = endpoint_unpublish(sb->net, &p->endpoint, &ports, sb->dir, e);
    return r == 0 ? attachment_name(sb, p, e) : r;
}

static int attach_rest(struct sandbox *sb, struct rt *inside, struct err *e)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < sb->attachment_count; i++) {
        struct attachment *p = &sb->attachments[i];
        r = p->attached ? revive(sb, p, e) : attachment_connect(sb, p, inside, NULL, e);
    }
    struct attachment *gateway = attachments_gateway(sb);
    for (struct port_binding *h = sb->bindings; r == 0 && h; h = h->next)
        r = binding_publish(sb, h, gateway, e);
    return r;
}

int take_over(struct sandbox *sb, struct err *e)
{
    _cleanup_rt_ struct rt *inside = NULL;
    _cleanup_endpoints_ struct endpoint_list all = {0};
    int r = rename_later(sb, e);
    if (r < 0)
        return r;
    r = endpoints_of(sb->dir, ".", sb->id, &all);
    if (r < 0)
        return err_set(e, r, "read the endpoints of container `%s`", sb->name);
    if (!all.count && !sb->attachment_count)
        return 0;
    r = sandboxes_net(sb->all, &sb->net, e);
    if (r == 0)
        r = netns_open_rt(sb->netns, &inside, e);
    if (r == 0)
        r = keep_fitting(sb, &all, e);
    if (r == 0)
        r = name_interfaces(sb, e);
    if (r == 0)
        r = rank(sb, inside, e);
    return r == 0 ? attach_rest(sb, inside, e) : r;
}
