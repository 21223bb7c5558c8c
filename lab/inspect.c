/* What a lab is like now: programs, interfaces and addresses as the kernel has them. */
#include "lab.h"

#include <errno.h>
#include <string.h>

void lab_interfaces_clear(struct lab_interfaces *l)
{
    for (size_t i = 0; i < l->count; i++) {
        free(l->items[i].name);
        free(l->items[i].addresses);
    }
    free(l->items);
    *l = (struct lab_interfaces){0};
}

struct survey {
    struct lab_interfaces *out;
    int *indexes;
};

static int add_link(const struct link *link, void *arg)
{
    struct survey *s = arg;
    if (link->index == 1 || skip_prefix(link->alias, LAB_TAP_ALIAS))
        return 0;
    struct lab_interfaces *l = s->out;
    l->items = xrealloc(l->items, l->count + 1, sizeof(*l->items));
    s->indexes = xrealloc(s->indexes, l->count + 1, sizeof(int));
    s->indexes[l->count] = link->index;
    struct lab_interface *i = &l->items[l->count++];
    *i = (struct lab_interface){.name = xstrdup(link->name),
                                .mtu = link->mtu,
                                .up = link->flags & IFF_UP,
                                .carrier = link->carrier};
    memcpy(i->mac, link->mac, 6);
    return 0;
}

static int add_address(const struct address *a, void *arg)
{
    struct survey *s = arg;
    for (size_t k = 0; k < s->out->count; k++) {
        struct lab_interface *i = &s->out->items[k];
        if (s->indexes[k] != a->index)
            continue;
        i->addresses = xrealloc(i->addresses, i->address_count + 1, sizeof(*i->addresses));
        i->addresses[i->address_count++] = (struct lab_address){a->ip, a->prefix};
    }
    return 0;
}

static void mark_mgmt(struct engine *engine, const struct lab *l, const struct lab_member *m,
                      struct lab_interfaces *out)
{
    _cleanup_endpoints_ struct endpoint_list all = {0};
    sandbox_endpoints(engine_sandboxes(engine), m->sandbox, &all);
    for (size_t i = 0; i < all.count; i++)
        for (size_t k = 0; k < out->count; k++)
            if (l->mgmt && streq(all.items[i].network, l->mgmt) &&
                streq(all.items[i].interface, out->items[k].name))
                out->items[k].mgmt = true;
}

int lab_interfaces(struct engine *engine, const struct lab *l, const struct lab_member *m,
                   struct lab_interfaces *out, struct err *e)
{
    _cleanup_rt_ struct rt *rt = NULL;
    struct survey s = {.out = out};
    *out = (struct lab_interfaces){0};
    _cleanup_close_ int netns = lab_netns(engine, m, e);
    int r = netns < 0 ? netns : netns_open_rt(netns, &rt, e);
    if (r == 0)
        r = rt_each_link(rt, add_link, &s, e);
    if (r == 0)
        r = rt_each_address(rt, add_address, &s, e);
    free(s.indexes);
    if (r == 0)
        mark_mgmt(engine, l, m, out);
    return r;
}

/* ---- JSON ------------------------------------------------------------------------------------*/

json_t *lab_interface_json(const struct lab_interface *i)
{
    json_t *j = json_object(), *addresses = json_array();
    /* Root in a node names interfaces, by any bytes. JSON has no way to write some of them. */
    _cleanup_free_ char *mac = mac_text(i->mac), *name = text_printable(i->name);
    json_put_str(j, "name", name);
    json_put_str(j, "mac", mac);
    json_object_set_new(j, "mtu", json_integer(i->mtu));
    json_object_set_new(j, "up", json_boolean(i->up));
    json_object_set_new(j, "carrier", json_boolean(i->carrier));
    if (i->mgmt)
        json_object_set_new(j, "mgmt", json_true());
    for (size_t k = 0; k < i->address_count; k++) {
        _cleanup_free_ char *text = ip_text(&i->addresses[k].ip),
                            *with = xasprintf("%s/%u", text, i->addresses[k].prefix);
        json_array_append_new(addresses, json_string(with));
    }
    json_object_set_new(j, "addresses", addresses);
    return j;
}

static json_t *member_json(struct engine *engine, const struct lab *l, const struct lab_member *m)
{
    json_t *j = json_object(), *list = json_array();
    _cleanup_record_ struct record r = {0};
    _cleanup_lab_interfaces_ struct lab_interfaces all = {0};
    json_put_str(j, "name", m->name);
    json_put_str(j, "kind", m->kind == LAB_BRIDGE ? "bridge" : "linux");
    json_put_str(j, "container", m->kind == LAB_BRIDGE ? NULL : m->long_name);
    json_put_str(j, "sandbox", m->sandbox);
    if (m->kind == LAB_LINUX && lab_container(engine, m, &r, NULL) == 0) {
        json_put_str(j, "state", engine_status_name(engine, &r));
        json_object_set_new(j, "pid", json_integer(r.pid));
        json_put_str(j, "rootfs", r.spec.rootfs);
    } else if (m->kind == LAB_LINUX) {
        json_put_str(j, "state", "removed");
    }
    if (m->sandbox && lab_interfaces(engine, l, m, &all, NULL) == 0)
        for (size_t i = 0; i < all.count; i++)
            json_array_append_new(list, lab_interface_json(&all.items[i]));
    json_object_set_new(j, "interfaces", list);
    return j;
}

int lab_inspect(struct engine *engine, const struct lab *l, json_t **out, struct err *e)
{
    json_t *j = json_object(), *nodes = json_array(), *links, *relay;
    (void)e;
    json_put_str(j, "name", l->name);
    json_put_str(j, "id", l->id);
    json_put_str(j, "file", l->file);
    json_put_str(j, "state",
                 l->state != LAB_UP     ? "half-way"
                 : lab_lives(engine, l) ? "up"
                                        : "down");
    _cleanup_free_ char *created = time_utc(l->created);
    json_put_str(j, "created", created);
    json_put_str(j, "mgmt", l->mgmt);
    json_put_strv(j, "networks", l->networks);
    for (size_t i = 0; i < l->member_count; i++)
        json_array_append_new(nodes, member_json(engine, l, &l->members[i]));
    json_object_set_new(j, "nodes", nodes);
    *out = j;
    if (lab_links(engine, l, &links, &relay, NULL) < 0) /* the copy of its file is damaged */
        return 0;
    json_object_set_new(j, "links", links);
    if (relay)
        json_object_set_new(j, "relay", relay);
    return 0;
}
