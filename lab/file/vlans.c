/* VLANs of a switch's port: `vlan` for frames without a tag, `trunk` for those with one. A switch keeps VLANs apart as soon as one
 * of its links has either; its other ports are in VLAN 1, as the kernel has it.
 */
#include "file.h"

#include <string.h>

enum { VLAN_MIN = 1, VLAN_MAX = 4094 };

bool lab_vlans_any(const struct lab_vlans *v)
{
    return v->untagged || v->count;
}

bool lab_vlans_equal(const struct lab_vlans *a, const struct lab_vlans *b)
{
    return a->untagged == b->untagged && a->count == b->count &&
           (!a->count || memcmp(a->tagged, b->tagged, a->count * sizeof(*a->tagged)) == 0);
}

void lab_vlans_put(json_t *link, const struct lab_vlans *v)
{
    if (v->untagged)
        json_object_set_new(link, "vlan", json_integer(v->untagged));
    if (!v->count)
        return;
    json_t *trunk = json_array();
    for (size_t i = 0, end; i < v->count; i = end) {
        for (end = i + 1; end < v->count && v->tagged[end] == v->tagged[end - 1] + 1;)
            end++;
        json_array_append_new(trunk, end == i + 1
                                         ? json_integer(v->tagged[i])
                                         : json_sprintf("%u-%u", v->tagged[i], v->tagged[end - 1]));
    }
    json_object_set_new(link, "trunk", trunk);
}

/* ---- read ------------------------------------------------------------------------------------*/

void vlan_read(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    uint64_t id;
    if (read_number(r, key->name, value, VLAN_MIN, VLAN_MAX, &id))
        ((struct lab_vlans *)((char *)to + key->offset))->untagged = (unsigned)id;
}

/* "10", "10-19" */
static void add_vlans(struct reader *r, const struct tree *v, bool *seen)
{
    const char *dash = strchr(v->text, '-');
    _cleanup_free_ char *first =
        xstrndup(v->text, dash ? (size_t)(dash - v->text) : strlen(v->text));
    uint64_t from, end;
    if (parse_u64(first, VLAN_MIN, VLAN_MAX, &from) < 0 ||
        parse_u64(dash ? dash + 1 : first, from, VLAN_MAX, &end) < 0) {
        fault(r, v->place, "`%s` is not a VLAN, a number from %d to %d; write [10, 20] or [10-19]",
              v->text, VLAN_MIN, VLAN_MAX);
        return;
    }
    for (uint64_t id = from; id <= end; id++) {
        if (seen[id]) {
            fault(r, v->place, "VLAN %u is in `trunk` twice; remove one", (unsigned)id);
            return;
        }
        seen[id] = true;
    }
}

void trunk_read(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    struct lab_vlans *vlans = (struct lab_vlans *)((char *)to + key->offset);
    bool seen[VLAN_MAX + 1] = {false};
    vlans->tagged = xcalloc(VLAN_MAX + 1, sizeof(*vlans->tagged));
    if (value->kind == TREE_TEXT)
        add_vlans(r, value, seen);
    for (size_t i = 0; value->kind == TREE_LIST && i < value->count; i++)
        add_vlans(r, value->items[i].value, seen);
    for (unsigned id = VLAN_MIN; id <= VLAN_MAX; id++)
        if (seen[id])
            vlans->tagged[vlans->count++] = (uint16_t)id;
    vlans->tagged = xrealloc(vlans->tagged, vlans->count + 1, sizeof(*vlans->tagged));
}

static bool is_switch(const struct reader *r, const struct lab_endpoint *end)
{
    return end->what == END_NODE && r->t->nodes[end->node].kind == LAB_BRIDGE;
}

void vlans_check(struct reader *r, const struct tree *v, const struct lab_link *l)
{
    if (lab_vlans_any(&l->vlans) && !is_switch(r, &l->ends[0]) && !is_switch(r, &l->ends[1]))
        fault(r, v->place,
              "`vlan` and `trunk` are of a switch's port, and no end of this link is a "
              "switch (`kind: bridge`); remove them");
    for (size_t i = 0; i < l->vlans.count; i++)
        if (l->vlans.tagged[i] == l->vlans.untagged)
            fault(r, v->place, "VLAN %u is in `vlan` and in `trunk`; remove one",
                  l->vlans.untagged);
}
