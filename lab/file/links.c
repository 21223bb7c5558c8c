/* Links: the brief and the extended form, addresses, impairments. */
#include "file.h"

#include <errno.h>
#include <string.h>

/* What the keys of a link say; the endpoints come after them. */
struct link_draft {
    const struct tree *tree, *endpoints, *endpoint, *address4, *address6;
    char *type, *host_interface;
    struct place host_at;
    unsigned mtu;
    struct lab_vlans vlans;
    struct lab_impairment impairment;
};
/* What the keys of an endpoint say. */
struct end_draft {
    char *node, *interface;
    struct lab_endpoint *end;
    struct lab_impairment impairment;
};

/* ---- impairments -----------------------------------------------------------------------------*/

static void read_impairment(struct reader *r, const struct key *key, const struct tree *value,
                            void *to)
{
    _cleanup_err_ struct err e = ERR_INIT;
    if (lab_impairment_set((struct lab_impairment *)((char *)to + key->offset), key->name,
                           value->text, &e) < 0)
        fault_err(r, value->place, &e);
}

#define IMPAIRMENTS(where)                                                                   \
    {"delay", KEY_APPLY, SHAPE_TEXT, read_impairment, "Added to each packet, as in 20ms",    \
     (where), NULL,      NULL},                                                              \
        {"jitter", KEY_APPLY, SHAPE_TEXT, read_impairment, "How much the delay varies",      \
         (where),  NULL,      NULL},                                                         \
        {"rate",  KEY_APPLY, SHAPE_TEXT, read_impairment, "Limit, as in 10mbit",             \
         (where), NULL,      NULL},                                                          \
        {"loss",  KEY_APPLY, SHAPE_TEXT, read_impairment, "Packets that are lost, as in 1%", \
         (where), NULL,      NULL},                                                          \
        {"corrupt", KEY_APPLY, SHAPE_TEXT, read_impairment, "Packets with a wrong bit",      \
         (where),   NULL,      NULL},                                                        \
        {"duplicate", KEY_APPLY, SHAPE_TEXT, read_impairment, "Packets that arrive twice",   \
         (where),     NULL,      NULL},                                                      \
    {                                                                                        \
        "reorder", KEY_APPLY, SHAPE_TEXT, read_impairment, "Packets that overtake others",   \
            (where), NULL, NULL                                                              \
    }

/* Reads the impairments in map @of. An end with `delay: 0` does not take over the link's jitter. */
static void check_impairment(struct reader *r, const struct tree *of, struct lab_impairment *i)
{
    _cleanup_err_ struct err e = ERR_INIT;
    if (tree_get(of, "delay") && !i->delay_us) { /* 0, or a fault */
        i->jitter_us = 0;
        i->reorder = 0;
    }
    if (lab_impairment_check(i, &e) < 0)
        fault_err(r, of->place, &e);
}

/* ---- addresses -------------------------------------------------------------------------------*/

static void read_address(struct reader *r, const struct tree *v, int family,
                         struct lab_endpoint *end)
{
    struct lab_address a = {0};
    _cleanup_err_ struct err e = ERR_INIT;
    if (tree_is_null(v) || !*v->text)
        return;
    if (lab_address_parse(v->text, &a, &e) < 0)
        fault_err(r, v->place, &e);
    else if (a.ip.family != family)
        fault(r, v->place, "`%s` is not an IPv%d address; write it below `%s`", v->text,
              family == AF_INET ? 4 : 6, family == AF_INET ? "ipv6" : "ipv4");
    else if (end->what == END_NODE && r->t->nodes[end->node].kind == LAB_BRIDGE)
        fault(r, v->place,
              "`%s` is a switch, whose ports have no addresses; write \"\" for its end",
              r->t->nodes[end->node].name);
    else if (end->what != END_NODE && end->what != END_HOST)
        fault(r, v->place, "address `%s` has no interface of a node to be on; remove it", v->text);
    else
        *(family == AF_INET ? &end->address4 : &end->address6) = a;
}

/* `ipv4` and `ipv6` of a link: one for each end. */
static void read_addresses(struct reader *r, const struct tree *v, int family, struct lab_link *l)
{
    if (!v)
        return;
    if (v->kind != TREE_LIST || v->count < 1 || v->count > 2) {
        fault(
            r, v->place,
            "`ipv%d` of a link takes one or two addresses, the first end's first; write \"\" for none",
            family == AF_INET ? 4 : 6);
        return;
    }
    for (size_t i = 0; i < v->count; i++)
        read_address(r, v->items[i].value, family, &l->ends[i]);
}

/* ---- endpoints -------------------------------------------------------------------------------*/

static void end_address4(struct reader *r, const struct key *key, const struct tree *value,
                         void *to)
{
    (void)key;
    read_address(r, value, AF_INET, ((struct end_draft *)to)->end);
}

static void end_address6(struct reader *r, const struct key *key, const struct tree *value,
                         void *to)
{
    (void)key;
    read_address(r, value, AF_INET6, ((struct end_draft *)to)->end);
}

static void end_mac(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    static const uint8_t none[6];
    struct lab_endpoint *end = ((struct end_draft *)to)->end;
    (void)key;
    if (mac_parse(value->text, end->mac) < 0 || memcmp(end->mac, none, 6) == 0 || end->mac[0] & 1) {
        memset(end->mac, 0, 6);
        fault(r, value->place,
              "`%s` is not a MAC address of a host; write it as in 02:00:00:00:00:01", value->text);
    }
}

/* The first pass finds the node, so that the second can say what fits it. */
static const struct key end_keys[] = {
    {"node", KEY_APPLY, SHAPE_TEXT, read_text, "Name of the node", offsetof(struct end_draft, node),
     NULL, NULL},
    {"interface", KEY_APPLY, SHAPE_TEXT, read_text, "Name of the interface",
     offsetof(struct end_draft, interface), NULL, NULL},
    {"mac", KEY_APPLY, SHAPE_TEXT, end_mac, "Its MAC address", 0, NULL, NULL},
    {"ipv4", KEY_APPLY, SHAPE_TEXT, end_address4, "Its address, as in 10.0.0.1/24", 0, NULL, NULL},
    {"ipv6", KEY_APPLY, SHAPE_TEXT, end_address6, "Its address, as in fd00::1/64", 0, NULL, NULL},
    {"labels", KEY_SILENT, SHAPE_ANY, NULL, "Accepted without effect", 0, NULL, NULL},
    {"vars", KEY_SILENT, SHAPE_ANY, NULL, "Accepted without effect", 0, NULL, NULL},
    IMPAIRMENTS(offsetof(struct end_draft, impairment)),
};
static TABLE(table_end, "an endpoint", end_keys);

static bool set_interface(struct reader *r, struct place at, const char *name,
                          struct lab_endpoint *end)
{
    if (strlen(name) > 15)
        fault(r, at, "interface `%s` has %zu characters; the kernel takes at most 15, shorten it",
              name, strlen(name));
    else if (!interface_name_valid(name) || streq(name, "lo"))
        fault(r, at, "`%s` is not a name for an interface; write it as in eth1", name);
    else
        end->interface = xstrdup(name);
    return end->interface;
}

static bool find_end(struct reader *r, struct place at, const char *node, struct lab_endpoint *end)
{
    static const struct {
        const char *word;
        enum lab_end what;
    } special[] = {{"host", END_HOST}, {"mgmt-net", END_MGMT}, {"macvlan", END_MACVLAN}};
    end->node = node_index(r, node);
    if (strv_has(r->hosts, node)) {
        end->what = END_HOST;
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(special) && end->node == SIZE_MAX; i++)
        if (streq(node, special[i].word)) {
            end->what = special[i].what;
            return true;
        }
    if (end->node == SIZE_MAX && (streq(node, "vxlan") || streq(node, "vxlan-stitch"))) {
        fault(r, at, "links of type `%s` are not made by netctr; remove it", node);
        return false;
    }
    end->what = END_NODE;
    end->node = end->node == SIZE_MAX ? node_wanted(r, at, node) : end->node;
    return end->node != SIZE_MAX;
}

/* "NODE:INTERFACE" */
static bool read_brief(struct reader *r, const struct tree *v, struct lab_endpoint *end)
{
    const char *colon = strchr(v->text, ':');
    if (streq(v->text, "dummy")) {
        end->what = END_NOTHING;
        return true;
    }
    if (!colon || colon == v->text || !colon[1] || strchr(colon + 1, ':')) {
        fault(r, v->place, "endpoint `%s` is not NODE:INTERFACE; write it as in h1:eth1", v->text);
        return false;
    }
    _cleanup_free_ char *node = xstrndup(v->text, (size_t)(colon - v->text));
    bool found = find_end(r, v->place, node, end);
    return set_interface(r, v->place, colon + 1, end) && found;
}

static bool read_end(struct reader *r, const struct tree *v, const struct link_draft *d,
                     struct lab_endpoint *end)
{
    struct end_draft x = {.end = end, .impairment = d->impairment};
    const struct tree *node = tree_get(v, "node"), *name = tree_get(v, "interface");
    bool ok = false;
    end->place = v->place;
    if (v->kind == TREE_TEXT) {
        ok = read_brief(r, v, end);
    } else if (!want_map(r, "an endpoint", v) || tree_is_null(node) || node->kind != TREE_TEXT ||
               tree_is_null(name) || name->kind != TREE_TEXT) {
        fault(r, v->place,
              "this endpoint names no node and interface; write NODE:INTERFACE, or {node: "
              "NODE, interface: INTERFACE}");
    } else {
        ok = find_end(r, node->place, node->text, end);
        ok = set_interface(r, name->place, name->text, end) && ok;
        if (ok)
            keys_read(r, &table_end, v, &x);
    }
    free(x.node);
    free(x.interface);
    end->impairment = x.impairment;
    if (v->kind == TREE_MAP)
        check_impairment(r, v, &end->impairment);
    return ok;
}

/* ---- a link ----------------------------------------------------------------------------------*/

static void keep_tree(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    (void)r;
    *(const struct tree **)((char *)to + key->offset) = value;
}

static void link_mtu(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    uint64_t mtu;
    if (read_number(r, key->name, value, LINK_MTU_MIN, LINK_MTU_MAX, &mtu))
        ((struct link_draft *)to)->mtu = (unsigned)mtu;
}

#define LINK(name, shape, read, help, member)                                               \
    {                                                                                       \
        name, KEY_APPLY, shape, read, help, offsetof(struct link_draft, member), NULL, NULL \
    }
#define LINK_SILENT(name)                                                           \
    {                                                                               \
        name, KEY_SILENT, SHAPE_ANY, NULL, "Accepted without effect", 0, NULL, NULL \
    }
static const struct key link_keys[] = {
    {"endpoints", KEY_APPLY, SHAPE_TEXT_OR_TABLES, keep_tree,
     "Its two ends: NODE:INTERFACE, or maps", offsetof(struct link_draft, endpoints), &table_end,
     NULL},
    {"endpoint", KEY_APPLY, SHAPE_TABLE, keep_tree, "The end in a node, if the other is none",
     offsetof(struct link_draft, endpoint), &table_end, NULL},
    LINK("type", SHAPE_TEXT, read_text, "veth, host, mgmt-net, macvlan or dummy", type),
    LINK("host-interface", SHAPE_TEXT, read_text, "Name of the interface on the host",
         host_interface),
    LINK("mtu", SHAPE_NUMBER, link_mtu, "MTU of both ends; 9500 if not given", mtu),
    LINK("vlan", SHAPE_NUMBER, vlan_read, "Of a switch's port: the VLAN of frames without a tag",
         vlans),
    LINK("trunk", SHAPE_TEXT_OR_TEXTS, trunk_read,
         "Of a switch's port: the VLANs of frames with a tag, as in [10, 20]", vlans),
    LINK("ipv4", SHAPE_TEXT_OR_TEXTS, keep_tree, "Two addresses, one for each end; \"\": none",
         address4),
    LINK("ipv6", SHAPE_TEXT_OR_TEXTS, keep_tree, "Two addresses, one for each end; \"\": none",
         address6),
    LINK_SILENT("labels"),
    LINK_SILENT("vars"),
    LINK_SILENT("mode"),
    LINK_SILENT("remote"),
    LINK_SILENT("vni"),
    LINK_SILENT("dst-port"),
    LINK_SILENT("src-port"),
    IMPAIRMENTS(offsetof(struct link_draft, impairment)),
};
TABLE(table_link, "a link", link_keys);

/* The other end of a link whose type needs only one in a node. False after a fault. */
static bool other_end(struct reader *r, const struct link_draft *d, struct lab_link *l)
{
    static const struct {
        const char *type;
        enum lab_end what;
    } types[] = {{"host", END_HOST},
                 {"mgmt-net", END_MGMT},
                 {"macvlan", END_MACVLAN},
                 {"dummy", END_NOTHING}};
    struct lab_endpoint *end = &l->ends[1];
    size_t i = 0;
    while (i < ARRAY_LEN(types) && !streq(types[i].type, d->type))
        i++;
    if (i == ARRAY_LEN(types)) {
        const char *const words[] = {"veth", "host", "mgmt-net", "macvlan", "dummy", NULL};
        _cleanup_free_ char *hint = nearest_hint(r, d->type, words, "remove the link");
        fault(r, d->tree->place, "links of type `%s` are not made by netctr; %s", d->type, hint);
        return false;
    }
    *end = (struct lab_endpoint){
        .what = types[i].what, .place = d->tree->place, .impairment = d->impairment};
    if (end->what == END_NOTHING)
        return true;
    if (d->host_interface)
        return set_interface(r, d->tree->place, d->host_interface, end);
    fault(r, d->tree->place, "a link of type `%s` needs `host-interface`; add it", d->type);
    return false;
}

static bool read_ends(struct reader *r, const struct link_draft *d, struct lab_link *l)
{
    const struct tree *two = d->endpoints;
    if (d->type && !streq(d->type, "veth")) {
        bool ok = other_end(r, d, l);
        const struct tree *one = d->endpoint         ? d->endpoint
                                 : two && two->count ? two->items[0].value
                                                     : NULL;
        if (!one && ok)
            fault(r, d->tree->place,
                  "this link has no `endpoint`; add {node: NODE, interface: INTERFACE}");
        return one && ok && read_end(r, one, d, &l->ends[0]);
    }
    if (!two || two->count != 2) {
        fault(r, two ? two->place : d->tree->place,
              "a link has two endpoints, this one has %zu; write [NODE:INTERFACE, NODE:INTERFACE]",
              two ? two->count : 0);
        return false;
    }
    bool ok = read_end(r, two->items[0].value, d, &l->ends[0]);
    return read_end(r, two->items[1].value, d, &l->ends[1]) && ok;
}

static void read_link(struct reader *r, const struct tree *v)
{
    struct link_draft d = {.tree = v};
    struct lab_link *l = &r->t->links[r->t->link_count];
    *l = (struct lab_link){.place = v->place};
    keys_read(r, &table_link, v, &d);
    check_impairment(r, v, &d.impairment);
    if (read_ends(r, &d, l)) {
        read_addresses(r, d.address4, AF_INET, l);
        read_addresses(r, d.address6, AF_INET6, l);
        if (l->ends[0].what != END_NODE && l->ends[1].what != END_NODE)
            fault(r, v->place, "no end of this link is in a node; name one");
        l->mtu = d.mtu;
        l->vlans = d.vlans;
        vlans_check(r, v, l);
        r->t->link_count++;
    } else {
        free(l->ends[0].interface);
        free(l->ends[1].interface);
        free(d.vlans.tagged);
        *l = (struct lab_link){0};
    }
    free(d.type);
    free(d.host_interface);
}

void links_read(struct reader *r)
{
    const struct tree *all = r->links;
    if (tree_is_null(all))
        return;
    if (all->kind != TREE_LIST) {
        fault(r, all->place, "`links` must be a list; begin each link with `-`");
        return;
    }
    r->t->links = xcalloc(all->count + 1, sizeof(*r->t->links));
    for (size_t i = 0; i < all->count; i++)
        if (all->items[i].value->kind == TREE_MAP)
            read_link(r, all->items[i].value);
        else
            fault(r, all->items[i].value->place,
                  "a link must be a map; write {endpoints: [NODE:INTERFACE, NODE:INTERFACE]}");
}
