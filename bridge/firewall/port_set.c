/* The published ports of a batch, each once. A rebuild has those of all containers, so they are found by a hash. */
#include "firewall.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

static bool same_port(const struct fw_publish *a, const struct fw_publish *b)
{
    return a->family == b->family && a->protocol == b->protocol && a->host_port == b->host_port &&
           a->any_address == b->any_address &&
           (a->any_address ||
            (a->family == AF_INET ? a->host4.s_addr == b->host4.s_addr
                                  : memcmp(&a->host6, &b->host6, sizeof(a->host6)) == 0));
}

static size_t hash_of(const struct fw_publish *p)
{
    uint64_t h = ((uint64_t)p->host_port << 16 | p->protocol) << 8 | (uint8_t)p->family;
    for (size_t i = 0; !p->any_address && p->family == AF_INET6 && i < 16; i++)
        h = h * 31 + p->host6.s6_addr[i];
    if (!p->any_address && p->family == AF_INET)
        h = h * 31 + p->host4.s_addr;
    h *= UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(h >> 20);
}

/* The slot of @p, or a free one. A slot has the index of an item, and 1; 0: free. */
static size_t find(const struct port_set *s, const struct fw_publish *p)
{
    size_t i = hash_of(p) & (s->slot_count - 1);
    while (s->slots[i] && !same_port(&s->items[s->slots[i] - 1], p))
        i = (i + 1) & (s->slot_count - 1);
    return i;
}

static void grow(struct port_set *s)
{
    free(s->slots);
    s->slot_count = s->slot_count ? s->slot_count * 2 : 64;
    s->slots = xcalloc(s->slot_count, sizeof(*s->slots));
    s->items = xrealloc(s->items, s->slot_count / 2, sizeof(*s->items));
    for (size_t i = 0; i < s->count; i++)
        s->slots[find(s, &s->items[i])] = i + 1;
}

bool port_set_add(struct port_set *s, const struct fw_publish *p)
{
    if (s->count * 2 == s->slot_count)
        grow(s);
    size_t slot = find(s, p);
    if (s->slots[slot])
        return false;
    s->items[s->count++] = *p;
    s->slots[slot] = s->count;
    return true;
}

void port_set_clear(struct port_set *s)
{
    free(s->items);
    free(s->slots);
    *s = (struct port_set){0};
}
