/* What was changed at the ends of links since the lab came up: a part of its record. */
#include "lab.h"

#include <errno.h>

char *lab_end_text(const struct topology *t, const struct lab_endpoint *end)
{
    switch (end->what) {
    case END_NODE: return xasprintf("%s:%s", t->nodes[end->node].name, end->interface);
    case END_HOST: return xasprintf("host:%s", end->interface);
    case END_MGMT: return xasprintf("mgmt-net:%s", end->interface);
    case END_MACVLAN: return xasprintf("macvlan:%s", end->interface);
    default: return xstrdup("");
    }
}

static struct lab_change *find(const struct lab *l, const char *end)
{
    for (size_t i = 0; i < l->change_count; i++)
        if (streq(l->changes[i].end, end))
            return &l->changes[i];
    return NULL;
}

struct lab_change *lab_change_of(struct lab *l, const char *end, bool make)
{
    struct lab_change *c = find(l, end);
    if (c || !make)
        return c;
    l->changes = xrealloc(l->changes, l->change_count + 1, sizeof(*l->changes));
    c = &l->changes[l->change_count++];
    *c = (struct lab_change){.end = xstrdup(end)};
    return c;
}

struct lab_impairment lab_end_impairment(const struct lab *l, const struct topology *t,
                                         const struct lab_endpoint *end)
{
    _cleanup_free_ char *text = lab_end_text(t, end);
    const struct lab_change *c = find(l, text);
    return c && c->impaired ? c->impairment : end->impairment;
}

void lab_changes_clear(struct lab *l)
{
    for (size_t i = 0; i < l->change_count; i++) {
        free(l->changes[i].end);
        strv_free(l->changes[i].routes);
    }
    free(take_ptr(l->changes));
    l->change_count = 0;
}

json_t *lab_changes_json(const struct lab *l)
{
    json_t *all = json_array();
    for (size_t i = 0; i < l->change_count; i++) {
        const struct lab_change *c = &l->changes[i];
        json_t *j = json_object();
        json_put_str(j, "end", c->end);
        if (c->impaired)
            json_object_set_new(j, "impairment", lab_impairment_json(&c->impairment));
        if (c->down)
            json_object_set_new(j, "down", json_true());
        if (c->routes)
            json_put_strv(j, "routes", c->routes);
        json_array_append_new(all, j);
    }
    return all;
}

int lab_changes_take(struct lab *l, const json_t *j)
{
    const json_t *one;
    size_t i;
    json_array_foreach (j, i, one) {
        const json_t *impairment = json_object_get(one, "impairment");
        if (!json_str(one, "end"))
            return -EBADMSG;
        struct lab_change *c = lab_change_of(l, json_str(one, "end"), true);
        c->impaired = impairment;
        if (impairment && lab_impairment_of_json(impairment, &c->impairment, NULL) < 0)
            return -EBADMSG;
        c->down = json_flag(one, "down");
        strv_free(c->routes);
        c->routes = json_strv(one, "routes");
    }
    return 0;
}
