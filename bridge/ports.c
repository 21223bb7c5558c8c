/* Lists of published ports. Their notation and their sockets are in sandbox/. */
#include "bridge.h"

#include <string.h>

void port_mappings_clear(struct port_mappings *l)
{
    free(l->items);
    *l = (struct port_mappings){0};
}

void port_mappings_add(struct port_mappings *to, const struct port_mappings *from)
{
    size_t count = from ? from->count : 0;
    if (count == 0)
        return;
    to->items = xrealloc(to->items, to->count + count, sizeof(*to->items));
    memcpy(to->items + to->count, from->items, count * sizeof(*to->items));
    to->count += count;
}

bool port_mapping_equal(const struct port_mapping *a, const struct port_mapping *b)
{
    return a->host_port == b->host_port && a->protocol == b->protocol &&
           a->host.family == b->host.family && (!a->host.family || ip_equal(&a->host, &b->host));
}

bool port_mappings_has(const struct port_mappings *l, const struct port_mapping *p)
{
    for (size_t i = 0; i < l->count; i++)
        if (port_mapping_equal(&l->items[i], p))
            return true;
    return false;
}
