/* What has changed in a lab that is up without its file: programs that ended, interfaces and addresses that are gone.
 */
#include "diff.h"

#include <errno.h>
#include <string.h>

static void note(struct lab_diff *c, size_t node, enum node_action to, const char *what)
{
    if (c->nodes[node] >= to)
        return;
    c->nodes[node] = to;
    strv_add_take(&c->lines, xasprintf("~ node %s: %s", c->t->nodes[node].name, what));
}

static void look_at_program(struct engine *engine, const struct lab_member *m, size_t node,
                            struct lab_diff *c)
{
    _cleanup_record_ struct record r = {0};
    int code = lab_container(engine, m, &r, NULL);
    if (code < 0)
        note(c, node, NODE_AGAIN, "its container is gone");
    else if (r.status == STATUS_EXITED)
        note(c, node, NODE_START, "its program has ended");
}

static void look_at_node(struct engine *engine, const struct lab *l, size_t node,
                         struct lab_interfaces *seen, struct lab_diff *c)
{
    const struct lab_member *m = lab_member(l, c->t->nodes[node].name);
    if (!m) {
        c->nodes[node] = NODE_NEW; /* an interrupted change had removed it */
        return;
    }
    if (m->sandbox && lab_interfaces(engine, l, m, seen, NULL) < 0)
        note(c, node, NODE_NEW, "its network namespace is gone");
    if (m->kind == LAB_LINUX)
        look_at_program(engine, m, node, c);
}

static const struct lab_interface *find(const struct lab_interfaces *seen, const char *name)
{
    for (size_t i = 0; i < seen->count; i++)
        if (streq(seen->items[i].name, name))
            return &seen->items[i];
    return NULL;
}

static bool has(const struct lab_interface *i, const struct lab_address *a)
{
    for (size_t k = 0; k < i->address_count; k++)
        if (i->addresses[k].prefix == a->prefix && ip_equal(&i->addresses[k].ip, &a->ip))
            return true;
    return !a->ip.family;
}

static const char *drift(const struct lab_link *link, const struct lab_endpoint *end,
                         const struct lab_interface *i)
{
    bool is_pair = link->ends[0].what != END_MACVLAN && link->ends[1].what != END_MACVLAN;
    if (!i->up)
        return "an end is down";
    if (!has(i, &end->address4) || !has(i, &end->address6))
        return "an address is gone";
    return is_pair && i->mtu != (link->mtu ? link->mtu : LINK_MTU) ? "its MTU has changed" : NULL;
}

static void look_at_link(const struct lab_interfaces *seen, size_t link, struct lab_diff *c)
{
    const struct lab_link *wanted = &c->t->links[link];
    const char *what = NULL;
    for (int k = 0; k < 2 && c->links[link] != LINK_NEW; k++) {
        const struct lab_endpoint *end = &wanted->ends[k];
        if (end->what != END_NODE)
            continue;
        const struct lab_interface *i = find(&seen[end->node], end->interface);
        what = i ? drift(wanted, end, i) : c->nodes[end->node] == NODE_NEW ? NULL : "it is gone";
        if (!i)
            c->links[link] = LINK_NEW;
        else if (what)
            c->links[link] = LINK_CHANGE;
        if (what)
            break;
    }
    if (what) {
        _cleanup_free_ char *text = lab_link_text(c->t, wanted);
        strv_add_take(&c->lines, xasprintf("~ link %s: %s", text, what));
    }
}

/* By `lab set` or `lab link`. */
static void look_at_changes(const struct lab *l, size_t link, struct lab_diff *c)
{
    const struct lab_link *wanted = &c->t->links[link];
    for (int k = 0; k < 2 && c->links[link] == LINK_KEEP; k++) {
        _cleanup_free_ char *end = lab_end_text(c->t, &wanted->ends[k]);
        for (size_t i = 0; i < l->change_count; i++)
            if (streq(l->changes[i].end, end))
                c->links[link] = LINK_CHANGE;
    }
    if (c->links[link] == LINK_CHANGE) {
        _cleanup_free_ char *text = lab_link_text(c->t, wanted);
        strv_add_take(&c->lines, xasprintf("~ link %s: `lab set` or `lab link` changed it", text));
    }
}

void lab_look_live(struct engine *engine, const struct lab *l, struct lab_diff *c)
{
    struct lab_interfaces *seen = xcalloc(c->t->node_count + 1, sizeof(*seen));
    for (size_t i = 0; i < c->t->node_count; i++)
        if (c->nodes[i] != NODE_NEW)
            look_at_node(engine, l, i, &seen[i], c);
    for (size_t i = 0; i < c->t->link_count; i++) {
        if (c->links[i] == LINK_KEEP)
            look_at_changes(l, i, c);
        look_at_link(seen, i, c);
    }
    for (size_t i = 0; i < c->t->node_count; i++)
        lab_interfaces_clear(&seen[i]);
    free(seen);
}
