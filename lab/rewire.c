/* Links of a lab that is up: removed, and changed in place. wire.c makes them.
 */
#include "diff.h"

#include <errno.h>
#include <string.h>

/* The namespace that an end is in. *@out stays NULL if it is gone, with all its links. */
static int open_end(struct engine *engine, const struct lab *l, const struct topology *t,
                    const struct lab_endpoint *end, struct rt **out, struct err *e)
{
    *out = NULL;
    if (end->what != END_NODE)
        return end->what == END_HOST || end->what == END_MGMT ? rt_open(out, e) : 0;
    const struct lab_member *m = lab_member(l, t->nodes[end->node].name);
    _cleanup_close_ int netns = m ? lab_netns(engine, m, NULL) : -1;
    return netns < 0 ? 0 : netns_open_rt(netns, out, e);
}

/* An interface of the host is the lab's if it bears its id. */
static bool find_end(struct rt *rt, const struct lab *l, const struct lab_endpoint *end,
                     struct link *out)
{
    return rt && rt_get_link(rt, end->interface, out) == 0 &&
           (end->what == END_NODE || streq(out->alias, l->id));
}

int wire_remove(struct engine *engine, const struct lab *l, const struct topology *t,
                const struct lab_link *link, struct err *e)
{
    int r = lab_relay_forget(engine, l, t, link, e);
    /* Both ends: a peer goes at once with its link, but late with its link's namespace. */
    for (int i = 0; r == 0 && i < 2; i++) {
        _cleanup_rt_ struct rt *rt = NULL;
        struct link found;
        r = open_end(engine, l, t, &link->ends[i], &rt, e);
        if (r < 0 || !find_end(rt, l, &link->ends[i], &found))
            continue;
        _cleanup_rt_batch_ struct rt_batch *b = rt_batch_new(rt);
        rt_remove_link(b, found.index);
        r = rt_commit(b, e);
    }
    return r;
}

/* ---- in place --------------------------------------------------------------------------------*/

struct present {
    int index;
    const struct lab_address *wanted;
    bool found;
};

static int look_at(const struct address *a, void *arg)
{
    struct present *p = arg;
    if (a->index == p->index && a->prefix == p->wanted->prefix && ip_equal(&a->ip, &p->wanted->ip))
        p->found = true;
    return 0;
}

static bool has_address(struct rt *rt, int index, const struct lab_address *a)
{
    struct present p = {index, a, false};
    return a->ip.family && rt_each_address(rt, look_at, &p, NULL) == 0 && p.found;
}

static bool wants(const struct lab_endpoint *end, const struct lab_address *a)
{
    const struct lab_address *all[] = {&end->address4, &end->address6};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (all[i]->ip.family && all[i]->prefix == a->prefix && ip_equal(&all[i]->ip, &a->ip))
            return true;
    return false;
}

/* Those that an earlier file gave it, and this one does not. */
static void drop_addresses(struct rt *rt, struct rt_batch *b, int index,
                           const struct lab_endpoint *old, const struct lab_endpoint *end)
{
    const struct lab_address *all[] = {&old->address4, &old->address6};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (!wants(end, all[i]) && has_address(rt, index, all[i]))
            rt_delete_address(b, index, &all[i]->ip, all[i]->prefix);
}

static int change_end(struct rt *rt, const struct link *found, const struct lab_link *link,
                      const struct lab_endpoint *end, struct err *e)
{
    const struct lab_address *wanted[] = {&end->address4, &end->address6};
    const unsigned mtu = link->mtu ? link->mtu : LINK_MTU;
    _cleanup_rt_batch_ struct rt_batch *b = rt_batch_new(rt);
    bool is_pair = link->ends[0].what != END_MACVLAN && link->ends[1].what != END_MACVLAN;
    if (is_pair && found->mtu != mtu)
        rt_set_mtu(b, found->index, mtu);
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        if (wanted[i]->ip.family && !has_address(rt, found->index, wanted[i]))
            rt_add_address(b, found->index, &wanted[i]->ip, wanted[i]->prefix);
    rt_set_up(b, found->index);
    return rt_commit(b, e);
}

static int drop_old(struct rt *rt, int index, const struct lab_diff *c, const struct lab_link *link,
                    int which, struct err *e)
{
    _cleanup_rt_batch_ struct rt_batch *b = rt_batch_new(rt);
    for (size_t k = 0; k < c->bases->count; k++) {
        const struct topology *old = c->bases->items[k];
        const struct lab_link *same = lab_same_link(c->t, link, old);
        for (int i = 0; same && i < 2; i++)
            if (lab_same_end(c->t, &link->ends[which], old, &same->ends[i]))
                drop_addresses(rt, b, index, &same->ends[i], &link->ends[which]);
    }
    return rt_commit(b, e);
}

int wire_change(struct engine *engine, const struct lab *l, const struct lab_diff *c,
                const struct lab_link *link, struct err *e)
{
    int r = 0;
    for (int i = 0; r == 0 && i < 2; i++) {
        _cleanup_rt_ struct rt *rt = NULL;
        struct link found;
        r = open_end(engine, l, c->t, &link->ends[i], &rt, e);
        if (r < 0 || !find_end(rt, l, &link->ends[i], &found))
            continue;
        r = drop_old(rt, found.index, c, link, i, e);
        if (r == 0)
            r = change_end(rt, &found, link, &link->ends[i], e);
    }
    if (r < 0) {
        _cleanup_free_ char *text = lab_link_text(c->t, link);
        err_wrap(e, "link %s", text);
    }
    return r;
}
