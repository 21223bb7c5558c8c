/* A container's attachments: one for each of its networks, and which of them has the default route. */
#include "sandbox.h"

#include <errno.h>
#include <string.h>

struct attachment *attachments_add(struct sandbox *sb)
{
    sb->attachments = xrealloc(sb->attachments, sb->attachment_count + 1, sizeof(*sb->attachments));
    struct attachment *p = &sb->attachments[sb->attachment_count++];
    *p = (struct attachment){0};
    return p;
}

static void attachment_clear(struct attachment *p)
{
    connect_request_clear(&p->wanted);
    network_clear(&p->network);
    endpoint_clear(&p->endpoint);
}

void attachments_remove(struct sandbox *sb, struct attachment *p)
{
    size_t i = (size_t)(p - sb->attachments);
    attachment_clear(p);
    memmove(p, p + 1, (sb->attachment_count - i - 1) * sizeof(*p));
    sb->attachment_count--;
}

void attachments_clear(struct sandbox *sb)
{
    for (size_t i = 0; i < sb->attachment_count; i++)
        attachment_clear(&sb->attachments[i]);
    free(sb->attachments);
    sb->attachments = NULL;
    sb->attachment_count = 0;
}

/* ---- prepare ---------------------------------------------------------------------------------*/

static bool interface_taken(const struct sandbox *sb, const struct attachment *but,
                            const char *name)
{
    for (size_t i = 0; i < sb->attachment_count; i++) {
        const struct attachment *p = &sb->attachments[i];
        if (p != but && p->wanted.interface && streq(p->wanted.interface, name))
            return true;
    }
    return false;
}

int attachment_name_interface(struct sandbox *sb, struct attachment *p, struct err *e)
{
    if (p->wanted.interface)
        return interface_taken(sb, p, p->wanted.interface)
                   ? err_say(e, -EEXIST, "the container already has an interface `%s`",
                             p->wanted.interface)
                   : 0;
    p->any_interface = true;
    for (int n = 0; !p->wanted.interface; n++) {
        _cleanup_free_ char *name = xasprintf("eth%d", n);
        if (!interface_taken(sb, p, name))
            p->wanted.interface = take_ptr(name);
    }
    return 0;
}

static int check_routes(const struct attachment *p, struct err *e)
{
    const struct ip *const gateways[] = {&p->wanted.gateway4, &p->wanted.gateway6};
    int r = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(gateways); i++)
        if (gateways[i]->family)
            r = network_check_route(&p->network, NULL, gateways[i], e);
    strv_each (text, p->wanted.routes) {
        struct network_route route;
        if (r == 0)
            r = network_route_parse(text, &route, e);
        if (r == 0)
            r = network_check_route(&p->network, &route.to, &route.gateway, e);
    }
    return r;
}

/* Refuses what the network cannot provide, before anything is created. */
int attachment_check(struct sandbox *sb, struct attachment *p, struct err *e)
{
    const struct network *n = &p->network;
    for (size_t i = 0; i < sb->attachment_count; i++)
        if (&sb->attachments[i] != p && streq(sb->attachments[i].network.name, n->name))
            return err_say(e, -EEXIST, "network `%s` is listed twice", n->name);
    const struct ip *const wanted[] = {&p->wanted.address4, &p->wanted.address6};
    const struct subnet *const subnets[] = {&n->subnet4, &n->subnet6};
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        if (wanted[i]->family && !subnets[i]->prefix) {
            _cleanup_free_ char *text = ip_text(wanted[i]);
            return err_say(e, -EINVAL, "address %s: network `%s` has no %s", text, n->name,
                           wanted[i]->family == AF_INET ? "IPv4" : "IPv6");
        }
    int r = check_routes(p, e);
    if (r == 0 && p->wanted.rate)
        r = rate_require(sb->net, e);
    return r < 0 ? r : attachment_name_interface(sb, p, e);
}

/* Metrics leave gaps, so that a later network's fits between two others without changing their routes. */
#define METRIC_STEP 1000u

/* Has it a default route to the outside, by the network's gateway or its own? */
static bool leads_out(const struct attachment *p)
{
    return network_has_gateway(&p->network) &&
           (!p->network.no_default_route || p->wanted.gateway4.family || p->wanted.gateway6.family);
}

static bool comes_before(const struct attachment *a, const struct attachment *b)
{
    return a->wanted.priority > b->wanted.priority ||
           (a->wanted.priority == b->wanted.priority && a < b);
}

/* The way out has metric 0. Among the others, a higher priority gets a lower metric. */
static void rank_all(struct sandbox *sb)
{
    for (size_t i = 0; i < sb->attachment_count; i++)
        for (size_t k = 0; k < sb->attachment_count; k++)
            if (leads_out(&sb->attachments[k]) &&
                comes_before(&sb->attachments[k], &sb->attachments[i]))
                sb->attachments[i].metric += METRIC_STEP;
}

/* The definition names a network that has been removed since. */
static int explain_loss(struct sandbox *sb, const struct attachment *p, struct err *e)
{
    const char *network = p->wanted.network;
    err_say(e, -ENOENT, "network `%s` does not exist", network);
    err_hint(e, "`netctr network disconnect -f %s %s` or `netctr network create %s`", network,
             sb->name, network);
    return -ENOENT;
}

int sandbox_plan(struct sandbox *sb, char *const *networks, bool existing, struct err *e)
{
    int r = networks ? sandboxes_net(sb->all, &sb->net, e) : 0;
    if (r < 0)
        return r;
    strv_each (text, networks) {
        struct attachment *p = attachments_add(sb);
        r = connect_request_parse(text, &p->wanted, e);
        if (r == 0)
            r = network_load(sb->net, p->wanted.network, &p->network, e);
        if (r == -ENOENT && existing)
            r = explain_loss(sb, p, e);
        if (r == 0)
            r = attachment_check(sb, p, e);
        if (r < 0)
            return r;
    }
    rank_all(sb);
    return 0;
}

struct attachment *attachments_gateway(struct sandbox *sb)
{
    struct attachment *best = NULL;
    for (size_t i = 0; i < sb->attachment_count; i++) {
        struct attachment *p = &sb->attachments[i];
        if (!network_has_gateway(&p->network))
            continue;
        if (!best || leads_out(p) > leads_out(best) ||
            (leads_out(p) == leads_out(best) && p->wanted.priority > best->wanted.priority))
            best = p;
    }
    return best;
}

struct attachment *attachments_publisher(struct sandbox *sb)
{
    for (size_t i = 0; i < sb->attachment_count; i++)
        if (sb->attachments[i].endpoint.port_mappings.count)
            return &sb->attachments[i];
    return attachments_gateway(sb);
}

bool attachments_ipv6(const struct sandbox *sb)
{
    for (size_t i = 0; i < sb->attachment_count; i++)
        if (sb->attachments[i].network.subnet6.prefix)
            return true;
    return false;
}

/* ---- rank of a later attachment -------------------------------------------------------------*/

/* A metric between @low and the next higher one. */
static uint32_t metric_behind(struct sandbox *sb, const struct attachment *p, uint32_t low)
{
    uint32_t high = 0;
    for (size_t i = 0; i < sb->attachment_count; i++) {
        const struct attachment *other = &sb->attachments[i];
        if (other != p && leads_out(other) && other->metric > low &&
            (!high || other->metric < high))
            high = other->metric;
    }
    return high ? low + (high - low) / 2 : low + METRIC_STEP;
}

static int stand_back(struct sandbox *sb, struct attachment *before, const struct attachment *now,
                      struct rt *inside, struct err *e)
{
    if (before->metric)
        return 0;
    uint32_t metric = metric_behind(sb, now, 0);
    int r = endpoint_set_metric(&before->network, &before->endpoint, inside, metric, sb->dir, e);
    if (r == 0)
        before->metric = metric;
    return r;
}

int attachment_rank(struct sandbox *sb, struct attachment *p, struct rt *inside, struct err *e)
{
    struct attachment *behind = NULL, *way_out = NULL;
    if (!leads_out(p))
        return 0;
    for (size_t i = 0; i < sb->attachment_count; i++) {
        struct attachment *other = &sb->attachments[i];
        if (other == p || !leads_out(other))
            continue;
        if (!way_out || other->metric < way_out->metric)
            way_out = other;
        if (comes_before(other, p) && (!behind || other->metric > behind->metric))
            behind = other;
    }
    if (behind)
        p->metric = metric_behind(sb, p, behind->metric);
    return behind || !way_out ? 0 : stand_back(sb, way_out, p, inside, e);
}
