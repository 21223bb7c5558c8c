/* The firewall's part of a survey: compares what a reload would write with what the kernel has. A
 * difference is reported for the network that it belongs to, or for every network if it belongs to
 * none. */
#include "survey.h"

#include <errno.h>
#include <string.h>

struct owner {
    char *network, *bridge;
    struct subnet subnet4, subnet6;
};

struct look {
    struct survey *s;
    struct fw_wanted wanted;
    struct owner *owners;
    size_t count;
};

/* ---- expected contents ------------------------------------------------------------------------*/

/* The elements of a network that was never used exist only if the firewall was rebuilt since it was
 * defined. */
static int add_network(const struct network *n, void *arg)
{
    struct look *l = arg;
    struct link link;
    bool used = rt_get_link(l->s->b->rt, n->bridge, &link) == 0;
    network_add(used ? l->wanted.must : l->wanted.may, n, l->s->view->names_port);
    l->owners = xrealloc(l->owners, l->count + 1, sizeof(*l->owners));
    l->owners[l->count++] =
        (struct owner){xstrdup(n->name), xstrdup(n->bridge), n->subnet4, n->subnet6};
    return 0;
}

static bool is_known(const struct look *l, const char *network)
{
    for (size_t i = 0; i < l->count; i++)
        if (streq(l->owners[i].network, network))
            return true;
    return false;
}

static int describe(struct look *l, struct err *e)
{
    const struct bridge_view *v = l->s->view;
    fw_add_tables(l->wanted.must);
    l->wanted.unknown_closed = !forwarding_look(l->s->b, l->wanted.must);
    l->wanted.unknown_dns = v->names_port == 0;
    int r = network_each(l->s->b, add_network, l, e);
    for (size_t i = 0; r == 0 && i < v->count; i++) {
        struct fw_batch *batch = v->endpoints[i].settled ? l->wanted.must : l->wanted.may;
        if (!is_known(l, v->endpoints[i].endpoint->network))
            network_add_closed(batch, v->endpoints[i].endpoint);
        endpoint_add(batch, v->endpoints[i].endpoint);
    }
    return r;
}

/* ---- the network of a difference --------------------------------------------------------------*/

static bool contains(const struct subnet *s, const struct fw_subject *x)
{
    struct ip a = {.family = x->family};
    memcpy(a.bytes, x->address, ip_size(&a));
    return s->prefix && s->address.family == x->family && subnet_contains(s, &a);
}

static bool has_port(const struct bridge_view *v, const char *network, const char *port)
{
    for (size_t i = 0; i < v->count; i++)
        if (streq(v->endpoints[i].endpoint->network, network) &&
            streq(v->endpoints[i].endpoint->host_veth, port))
            return true;
    return false;
}

static bool owns(const struct look *l, const struct owner *o, const struct fw_difference *d)
{
    for (size_t i = 0; i < d->subject_count; i++) {
        const struct fw_subject *x = &d->subjects[i];
        if (x->family
                ? contains(x->family == AF_INET ? &o->subnet4 : &o->subnet6, x)
                : streq(o->bridge, x->interface) || has_port(l->s->view, o->network, x->interface))
            return true;
    }
    return false;
}

static void judge(const struct fw_difference *d, void *arg)
{
    const struct look *l = arg;
    bool ours = false, others = false;
    for (size_t i = 0; i < l->count; i++)
        if (owns(l, &l->owners[i], d))
            *(streq(l->owners[i].network, l->s->n->name) ? &ours : &others) = true;
    if (ours || !others)
        survey_differs(l->s, "firewall: %s", d->text);
}

int survey_firewall(struct survey *s, struct err *e)
{
    int r = fw_probe(s->b->fw, NULL, e);
    if (r < 0)
        return r;
    if (r != FW_TABLES_OURS) {
        survey_differs(s, "firewall: the tables are %s",
                       r == FW_TABLES_MISSING ? "missing"
                       : r == FW_TABLES_OLDER ? "an older netctr's"
                       : r == FW_TABLES_NEWER ? "a newer netctr's"
                                              : "not this instance's");
        return 0;
    }
    _cleanup_fw_batch_ struct fw_batch *must = fw_batch_new(s->b->fw),
                                       *may = fw_batch_new(s->b->fw);
    struct look l = {.s = s, .wanted = {.must = must, .may = may}};
    r = describe(&l, e);
    if (r == 0)
        r = fw_compare(s->b->fw, &l.wanted, judge, &l, e);
    if (r == -ENOENT) { /* the ruleset was flushed while it was read */
        err_clear(e);
        survey_differs(s, "firewall: the tables are missing");
        r = 0;
    }
    for (size_t i = 0; i < l.count; i++) {
        free(l.owners[i].network);
        free(l.owners[i].bridge);
    }
    free(l.owners);
    return r;
}
