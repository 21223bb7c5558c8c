/* Names of nodes and of their containers. */
#include "file.h"

#include <string.h>

static int by_name(const void *a, const void *b, void *nodes)
{
    const struct lab_node *n = nodes;
    return strcmp(n[*(const size_t *)a].name, n[*(const size_t *)b].name);
}

void names_sort(struct reader *r)
{
    struct topology *t = r->t;
    r->by_name = xcalloc(t->node_count + 1, sizeof(size_t));
    for (size_t i = 0; i < t->node_count; i++)
        r->by_name[i] = i;
    qsort_r(r->by_name, t->node_count, sizeof(size_t), by_name, t->nodes);
    r->by_name_count = t->node_count;
}

size_t node_index(const struct reader *r, const char *name)
{
    size_t low = 0, high = r->by_name_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, r->t->nodes[r->by_name[middle]].name);
        if (order == 0)
            return r->by_name[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return SIZE_MAX;
}

size_t node_wanted(struct reader *r, struct place at, const char *name)
{
    size_t index = node_index(r, name);
    if (index != SIZE_MAX)
        return index;
    _cleanup_free_ const char **names = xcalloc(r->t->node_count + 1, sizeof(char *));
    for (size_t i = 0; i < r->t->node_count; i++)
        names[i] = r->t->nodes[i].name;
    _cleanup_free_ char *hint =
        nearest_hint(r, name, names, "add it to `nodes`, or correct the name");
    fault(r, at, "there is no node `%s`; %s", name, hint);
    return SIZE_MAX;
}

char *topology_long_name(const struct topology *t, const char *node)
{
    if (!*t->prefix)
        return xstrdup(node);
    if (streq(t->prefix, "__lab-name"))
        return xasprintf("%s-%s", t->name, node);
    return xasprintf("%s-%s-%s", t->prefix, t->name, node);
}

size_t topology_find(const struct topology *t, const char *node)
{
    for (size_t i = 0; i < t->node_count; i++)
        if (streq(t->nodes[i].name, node))
            return i;
    return SIZE_MAX;
}

bool lab_node_is_inner(const struct lab_node *n)
{
    return n->kind == LAB_BRIDGE && n->network == NODE_CONTAINER;
}

char *topology_bridge_name(const struct lab_node *n)
{
    return xstrndup(n->name, strcspn(n->name, BRIDGE_IN));
}

/* A circle of nodes is a fault of its own; it ends here. */
size_t topology_network_owner(const struct topology *t, size_t node)
{
    for (size_t hops = 0; hops <= t->node_count && node != SIZE_MAX; hops++) {
        const struct lab_node *n = &t->nodes[node];
        if (n->network == NODE_HOST)
            return SIZE_MAX;
        if (n->network != NODE_CONTAINER)
            return node;
        node = n->network_of_index;
    }
    return SIZE_MAX;
}

bool topology_is_managed(const struct topology *t, const struct lab_node *n)
{
    return n->kind == LAB_LINUX && n->network == NODE_OWN && !n->networks && !t->mgmt.off;
}
