/* The networks of one container: which they are, and which of them is the way out. */
#include "living.h"

#include <errno.h>
#include <string.h>

struct plug *plugs_add(struct living *l)
{
    l->plugs = xrealloc(l->plugs, l->plug_count + 1, sizeof(*l->plugs));
    struct plug *p = &l->plugs[l->plug_count++];
    *p = (struct plug){0};
    return p;
}

static void plug_clear(struct plug *p)
{
    attachment_clear(&p->wanted);
    network_clear(&p->network);
    endpoint_clear(&p->endpoint);
}

void plugs_remove(struct living *l, struct plug *p)
{
    size_t i = (size_t)(p - l->plugs);
    plug_clear(p);
    memmove(p, p + 1, (l->plug_count - i - 1) * sizeof(*p));
    l->plug_count--;
}

void plugs_clear(struct living *l)
{
    for (size_t i = 0; i < l->plug_count; i++)
        plug_clear(&l->plugs[i]);
    free(l->plugs);
    l->plugs = NULL;
    l->plug_count = 0;
}

/* ---- prepare ---------------------------------------------------------------------------------*/

static bool interface_taken(const struct living *l, const struct plug *but, const char *name)
{
    for (size_t i = 0; i < l->plug_count; i++) {
        const struct plug *p = &l->plugs[i];
        if (p != but && p->wanted.interface && streq(p->wanted.interface, name))
            return true;
    }
    return false;
}

static int name_interface(struct living *l, struct plug *p, struct err *e)
{
    if (p->wanted.interface)
        return interface_taken(l, p, p->wanted.interface)
                   ? err_say(e, -EEXIST, "the container has an interface `%s` already",
                             p->wanted.interface)
                   : 0;
    for (int n = 0; !p->wanted.interface; n++) {
        _cleanup_free_ char *name = xasprintf("eth%d", n);
        if (!interface_taken(l, p, name))
            p->wanted.interface = take_ptr(name);
    }
    return 0;
}

/* What the network cannot give is refused before anything is made. */
int plug_check(struct living *l, struct plug *p, struct err *e)
{
    const struct network *n = &p->network;
    for (size_t i = 0; i < l->plug_count; i++)
        if (&l->plugs[i] != p && streq(l->plugs[i].network.name, n->name))
            return err_say(e, -EEXIST, "network `%s` is given twice", n->name);
    const struct ip *const wanted[] = {&p->wanted.address4, &p->wanted.address6};
    const struct subnet *const subnets[] = {&n->subnet4, &n->subnet6};
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        if (wanted[i]->family && !subnets[i]->prefix) {
            _cleanup_free_ char *text = ip_text(wanted[i]);
            return err_say(e, -EINVAL, "address %s: network `%s` has no %s", text, n->name,
                           wanted[i]->family == AF_INET ? "IPv4" : "IPv6");
        }
    return name_interface(l, p, e);
}

int plugs_prepare(struct living *l, struct err *e)
{
    strv_each (text, l->life->spec.networks) {
        struct plug *p = plugs_add(l);
        int r = attachment_parse(text, &p->wanted, e);
        if (r == 0)
            r = network_load(l->bridge, p->wanted.network, &p->network, e);
        if (r == 0)
            r = plug_check(l, p, e);
        if (r < 0)
            return r;
    }
    return 0;
}

struct plug *plugs_gateway(struct living *l)
{
    struct plug *best = NULL;
    for (size_t i = 0; i < l->plug_count; i++) {
        struct plug *p = &l->plugs[i];
        if (network_has_gateway(&p->network) &&
            (!best || p->wanted.priority > best->wanted.priority))
            best = p;
    }
    return best;
}

bool plugs_ipv6(const struct living *l)
{
    for (size_t i = 0; i < l->plug_count; i++)
        if (l->plugs[i].network.subnet6.prefix)
            return true;
    return false;
}

/* ---- attach ----------------------------------------------------------------------------------*/

/* The way out has the route without a metric. Of the others, a higher priority comes first. */
static uint32_t metric_of(struct living *l, const struct plug *p)
{
    if (p == plugs_gateway(l))
        return 0;
    uint32_t before = 0;
    for (size_t i = 0; i < l->plug_count; i++) {
        const struct plug *other = &l->plugs[i];
        before += other->wanted.priority > p->wanted.priority ||
                  (other->wanted.priority == p->wanted.priority && other < p);
    }
    return 100 + before;
}

static int lock_store(void *store, struct err *e)
{
    return store_lock(store, e);
}

int plug_in(struct living *l, struct plug *p, struct rt *inside, struct err *e)
{
    struct plug *gateway = plugs_gateway(l);
    struct holding *first = l->holdings;
    struct endpoint_request request = {
        .container = l->container.spec.name,
        .id = l->container.spec.id,
        .interface = p->wanted.interface,
        .address4 = p->wanted.address4,
        .address6 = p->wanted.address6,
        .aliases = p->wanted.aliases,
        .metric = metric_of(l, p),
        .born = l->born,
        .publishes = p == gateway && first ? &first->publishes : NULL,
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
            r = network_up(l->bridge, &p->network, e);
        if (r == 1)
            r = world_replug(l->world, e);
        if (r == 0)
            r = endpoint_attach(l->bridge, &p->network, l->netns, inside, &request,
                                l->container.run_fd, &p->endpoint, e);
    }
    p->attached = r == 0;
    if (r == 0)
        r = plug_name(l, p, e);
    if (r == 0)
        world_network_event(l->world, "connect", &p->endpoint);
    return r;
}
