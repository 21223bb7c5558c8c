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

int plug_name_interface(struct living *l, struct plug *p, struct err *e)
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
    int r = p->wanted.rate ? rate_require(l->bridge, e) : 0;
    return r < 0 ? r : plug_name_interface(l, p, e);
}

/* Metrics lie apart: one that comes later finds its place between two others, whose routes stay as they
 * are. */
#define METRIC_STEP 1000u

static bool comes_before(const struct plug *a, const struct plug *b)
{
    return a->wanted.priority > b->wanted.priority ||
           (a->wanted.priority == b->wanted.priority && a < b);
}

/* The way out has the route without a metric. Of the others, a higher priority comes first. */
static void rank_all(struct living *l)
{
    for (size_t i = 0; i < l->plug_count; i++)
        for (size_t k = 0; k < l->plug_count; k++)
            if (network_has_gateway(&l->plugs[k].network) &&
                comes_before(&l->plugs[k], &l->plugs[i]))
                l->plugs[i].metric += METRIC_STEP;
}

/* Its definition names a network that has been removed since. */
static int explain_loss(struct living *l, const struct plug *p, struct err *e)
{
    const char *network = p->wanted.network;
    err_say(e, -ENOENT, "network `%s` does not exist", network);
    return err_hint(e, "`netctr network disconnect -f %s %s` or `netctr network create %s`",
                    network, living_spec(l)->name, network);
}

int plugs_prepare(struct living *l, struct err *e)
{
    strv_each (text, living_spec(l)->networks) {
        struct plug *p = plugs_add(l);
        int r = attachment_parse(text, &p->wanted, e);
        if (r == 0)
            r = network_load(l->bridge, p->wanted.network, &p->network, e);
        if (r == -ENOENT && l->life->existing)
            r = explain_loss(l, p, e);
        if (r == 0)
            r = plug_check(l, p, e);
        if (r < 0)
            return r;
    }
    rank_all(l);
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

struct plug *plugs_publisher(struct living *l)
{
    for (size_t i = 0; i < l->plug_count; i++)
        if (l->plugs[i].endpoint.publishes.count)
            return &l->plugs[i];
    return plugs_gateway(l);
}

bool plugs_ipv6(const struct living *l)
{
    for (size_t i = 0; i < l->plug_count; i++)
        if (l->plugs[i].network.subnet6.prefix)
            return true;
    return false;
}

/* ---- one that comes later -------------------------------------------------------------------*/

/* Between those of its neighbours in rank. */
static uint32_t metric_behind(struct living *l, const struct plug *p, uint32_t low)
{
    uint32_t high = 0;
    for (size_t i = 0; i < l->plug_count; i++) {
        const struct plug *other = &l->plugs[i];
        if (other != p && network_has_gateway(&other->network) && other->metric > low &&
            (!high || other->metric < high))
            high = other->metric;
    }
    return high ? low + (high - low) / 2 : low + METRIC_STEP;
}

static int stand_back(struct living *l, struct plug *before, const struct plug *now,
                      struct rt *inside, struct err *e)
{
    if (before->metric)
        return 0;
    uint32_t metric = metric_behind(l, now, 0);
    int r = endpoint_set_metric(&before->network, &before->endpoint, inside, 0, metric, e);
    if (r == 0)
        before->metric = metric;
    return r;
}

int plug_rank(struct living *l, struct plug *p, struct rt *inside, struct err *e)
{
    struct plug *behind = NULL, *way_out = NULL;
    if (!network_has_gateway(&p->network))
        return 0;
    for (size_t i = 0; i < l->plug_count; i++) {
        struct plug *other = &l->plugs[i];
        if (other == p || !network_has_gateway(&other->network))
            continue;
        if (!way_out || other->metric < way_out->metric)
            way_out = other;
        if (comes_before(other, p) && (!behind || other->metric > behind->metric))
            behind = other;
    }
    if (behind)
        p->metric = metric_behind(l, p, behind->metric);
    return behind || !way_out ? 0 : stand_back(l, way_out, p, inside, e);
}
