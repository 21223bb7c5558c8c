/* Links. Each is one veth whose ends are born where they belong, named, with their MAC; then each end gets its addresses and
 * goes up. No program runs yet.
 */
#include "lab.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* A namespace that links end in. */
struct room {
    int netns, socket; /* -1: not open */
    struct rt *rt;
    int bridge; /* of a switch: the index of its bridge */
    bool filters_vlans;
};

struct wiring {
    struct engine *engine;
    const struct topology *t;
    const struct lab *l;
    struct room *rooms; /* one for each node; the last is the host's */
    struct opened opened;
    int mgmt; /* index of the management network's bridge */
};

/* ---- namespaces ------------------------------------------------------------------------------*/

static void close_rooms(struct wiring *w)
{
    for (size_t i = 0; i <= w->t->node_count; i++) {
        struct room *room = &w->rooms[i];
        close_fd(room->netns);
        close_fd(room->socket);
        rt_close(room->rt);
        *room = (struct room){.netns = -1, .socket = -1};
    }
    w->opened.count = 0;
}

static int find_bridge(struct room *room, const struct lab_node *n, struct err *e)
{
    struct link link;
    _cleanup_free_ char *name =
        lab_node_is_inner(n) ? topology_bridge_name(n) : xstrdup(SWITCH_DEVICE);
    int r = rt_get_link(room->rt, name, &link);
    if (r < 0)
        return err_set(e, r, "find the bridge of switch `%s`", n->name);
    room->bridge = link.index;
    room->filters_vlans = link.has_vlans;
    return 0;
}

static int open_node(struct wiring *w, size_t node, struct room *room, struct err *e)
{
    size_t owner = topology_network_owner(w->t, node);
    room->netns = lab_netns(w->engine, &w->l->members[owner == SIZE_MAX ? node : owner], e);
    int r = room->netns < 0 ? room->netns : netns_open_rt(room->netns, &room->rt, e);
    if (r == 0)
        r = room->socket = netns_socket(room->netns, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0, e);
    if (r >= 0 && w->t->nodes[node].kind == LAB_BRIDGE)
        r = find_bridge(room, &w->t->nodes[node], e);
    return r < 0 ? r : 0;
}

static int open_host(struct room *room, struct err *e)
{
    room->netns = netns_self();
    int r = room->netns < 0 ? err_set(e, room->netns, "open this network namespace")
                            : rt_open(&room->rt, e);
    if (r == 0)
        r = room->socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return r < 0 && !e->code ? err_set(e, errno, "open a socket") : r < 0 ? r : 0;
}

static int enter_room(struct wiring *w, const struct lab_endpoint *end, struct room **out,
                      struct err *e)
{
    size_t i = end->what == END_NODE ? end->node : w->t->node_count;
    *out = &w->rooms[i];
    if ((*out)->rt)
        return 0;
    w->opened.count++;
    return end->what == END_NODE ? open_node(w, i, *out, e) : open_host(*out, e);
}

/* ---- ends ------------------------------------------------------------------------------------*/

/* The same at each start, so that link-local addresses are too. */
static void choose_mac(const struct wiring *w, const struct lab_endpoint *end, uint8_t mac[6])
{
    static const uint8_t none[6], vendor[3] = {0xaa, 0xc1, 0xab}; /* containerlab's */
    if (memcmp(end->mac, none, 6) != 0) {
        memcpy(mac, end->mac, 6);
        return;
    }
    /* Not the node's index: `apply` gives it to another node, whose links would have the MACs of one that is there. */
    _cleanup_free_ char *text = lab_end_text(w->t, end),
                        *seed = xasprintf("%s/%s", w->t->name, text);
    uint64_t hash = hash64(seed);
    memcpy(mac, vendor, 3);
    memcpy(mac + 3, &hash, 3);
}

static int find_mgmt(struct wiring *w, struct room *host, struct err *e)
{
    struct net *net;
    struct link link;
    _cleanup_network_ struct network n = {0};
    int r = engine_net(w->engine, &net, e);
    if (r == 0)
        r = network_load(net, w->l->mgmt, &n, e);
    if (r == 0)
        r = network_up(net, &n, 0, e);
    if (r >= 0 && (r = rt_get_link(host->rt, n.bridge, &link)) < 0)
        return err_set(e, r, "find bridge `%s` of the management network", n.bridge);
    if (r >= 0)
        w->mgmt = link.index;
    return r < 0 ? r : 0;
}

static int master_of(struct wiring *w, const struct lab_endpoint *end, struct room *room, int *out,
                     struct err *e)
{
    int r = 0;
    *out = room->bridge;
    if (end->what == END_MGMT) {
        r = w->mgmt ? 0 : find_mgmt(w, room, e);
        *out = w->mgmt;
    }
    return r;
}

static void add_addresses(struct rt_batch *b, int index, const struct lab_endpoint *end)
{
    const struct lab_address *const all[] = {&end->address4, &end->address6};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (all[i]->ip.family)
            rt_add_address(b, index, &all[i]->ip, all[i]->prefix);
}

static const struct lab_vlans no_vlans;

static int put_into_vlans(struct rt_batch *b, int bridge, int port, const struct lab_vlans *v,
                          struct err *e)
{
    rt_set_port_vlans(b, bridge, port, v->untagged, v->tagged, v->count);
    int r = rt_commit(b, e);
    if (r != -EOPNOTSUPP)
        return r;
    err_clear(e);
    return err_say(e, r, "this kernel has no VLAN filtering on bridges; remove `vlan` and `trunk`");
}

static bool switch_has_vlans(const struct topology *t, size_t node)
{
    for (size_t i = 0; i < t->link_count; i++)
        for (int k = 0; k < 2; k++)
            if (t->links[i].ends[k].what == END_NODE && t->links[i].ends[k].node == node &&
                lab_vlans_any(&t->links[i].vlans))
                return true;
    return false;
}

/* The end is there; @peer: it could not be put into its bridge when it was made. */
static int finish_end(struct wiring *w, const struct lab_endpoint *end, struct room *room,
                      const struct lab_vlans *vlans, bool peer, struct err *e)
{
    struct link link;
    int master, r = master_of(w, end, room, &master, e);
    if (r == 0 && (r = rt_get_link(room->rt, end->interface, &link)) < 0)
        return err_set(e, r, "find interface `%s`", end->interface);
    if (r < 0)
        return r;
    _cleanup_rt_batch_ struct rt_batch *b = rt_batch_new(room->rt);
    if (peer && master)
        rt_set_master(b, end->interface, master);
    if (end->what != END_NODE)
        rt_set_alias(b, end->interface, w->l->id);
    if (room->bridge && lab_vlans_any(vlans)) { /* a switch: before its port is up */
        r = rt_commit(b, e);
        if (r == 0)
            r = put_into_vlans(b, room->bridge, link.index, vlans, e);
        if (r < 0)
            return r;
    } else if (room->filters_vlans &&
               !switch_has_vlans(w->t, end->node)) { /* `apply` took the last one */
        rt_set_vlan_filtering(b, room->bridge, false);
    }
    add_addresses(b, link.index, end);
    rt_set_up(b, link.index);
    r = rt_commit(b, e);
    if (r == 0 && (r = link_checksum_off(room->socket, end->interface)) == -EOPNOTSUPP)
        r = 0;
    return r < 0 && !e->code ? err_set(e, r, "switch off the checksums of `%s`", end->interface)
                             : r;
}

/* ---- links -----------------------------------------------------------------------------------*/

static int make_pair(struct wiring *w, const struct lab_link *link, struct err *e)
{
    struct room *rooms[2] = {NULL, NULL};
    struct link_end ends[2] = {{0}, {0}};
    int r = 0;
    for (int i = 0; r == 0 && i < 2; i++)
        r = enter_room(w, &link->ends[i], &rooms[i], e);
    for (int i = 0; r == 0 && i < 2; i++) {
        ends[i].name = link->ends[i].interface;
        ends[i].netns = rooms[i]->netns;
        choose_mac(w, &link->ends[i], ends[i].mac);
    }
    if (r == 0)
        r = master_of(w, &link->ends[0], rooms[0], &ends[0].master, e);
    if (r < 0)
        return r;
    _cleanup_rt_batch_ struct rt_batch *b = rt_batch_new(rooms[0]->rt);
    rt_add_pair(b, &ends[0], &ends[1], link->mtu ? link->mtu : LINK_MTU);
    r = rt_commit(b, e);
    for (int i = 0; r == 0 && i < 2; i++)
        r = finish_end(w, &link->ends[i], rooms[i], &link->vlans, i == 1, e);
    return r;
}

static int make_macvlan(struct wiring *w, const struct lab_endpoint *node,
                        const struct lab_endpoint *parent, struct err *e)
{
    struct room *room, *host;
    struct link link;
    int r = enter_room(w, node, &room, e);
    if (r == 0)
        r = enter_room(w, parent, &host, e);
    if (r == 0 && (r = rt_get_link(host->rt, parent->interface, &link)) < 0)
        return err_set(e, r, "find interface `%s` of the host", parent->interface);
    if (r < 0)
        return r;
    struct link_end end = {.name = node->interface, .netns = room->netns};
    choose_mac(w, node, end.mac);
    _cleanup_rt_batch_ struct rt_batch *b = rt_batch_new(host->rt);
    rt_add_macvlan(b, link.index, &end);
    r = rt_commit(b, e);
    return r == 0 ? finish_end(w, node, room, &no_vlans, false, e) : r;
}

/* A bridge without ports does what a dummy does, also where the kernel has none. */
static int make_dummy(struct wiring *w, const struct lab_endpoint *node, unsigned mtu,
                      struct err *e)
{
    struct room *room;
    uint8_t mac[6];
    int r = enter_room(w, node, &room, e);
    if (r < 0)
        return r;
    choose_mac(w, node, mac);
    _cleanup_rt_batch_ struct rt_batch *b = rt_batch_new(room->rt);
    rt_add_bridge(b, node->interface, mac, mtu ? mtu : LINK_MTU);
    r = rt_commit(b, e);
    return r == 0 ? finish_end(w, node, room, &no_vlans, false, e) : r;
}

static int make_link(struct wiring *w, const struct lab_link *link, struct err *e)
{
    const struct lab_endpoint *first = &link->ends[0], *second = &link->ends[1];
    if (first->what != END_NODE) { /* the other way round */
        first = second;
        second = &link->ends[0];
    }
    if (second->what == END_MACVLAN)
        return make_macvlan(w, first, second, e);
    if (second->what == END_NOTHING)
        return make_dummy(w, first, link->mtu, e);
    return make_pair(w, link, e);
}

/* Before links, whose ends are born in them. */
static int make_inner(struct engine *engine, const struct topology *t, const struct lab *l,
                      size_t node, struct err *e)
{
    const size_t owner = topology_network_owner(t, node);
    _cleanup_free_ char *name = topology_bridge_name(&t->nodes[node]);
    _cleanup_close_ int netns =
        owner == SIZE_MAX ? -ESRCH : lab_netns(engine, &l->members[owner], e);
    return netns < 0 ? netns : bridge_make(l, &t->nodes[node], name, netns, e);
}

static int make_inner_bridges(struct engine *engine, const struct topology *t, const struct lab *l,
                              struct err *e)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < t->node_count; i++)
        if (lab_node_is_inner(&t->nodes[i]) && (r = make_inner(engine, t, l, i, e)) < 0)
            err_wrap(e, "node `%s`", t->nodes[i].name);
    return r;
}

static int make_all(struct wiring *w, const bool *which, struct err *e)
{
    int r = make_inner_bridges(w->engine, w->t, w->l, e);
    for (size_t i = 0; r == 0 && i < w->t->link_count; i++) {
        const struct lab_link *link = &w->t->links[i];
        if (which && !which[i])
            continue;
        if (!opened_has_room(&w->opened, 2)) /* its two ends */
            close_rooms(w);
        r = make_link(w, link, e);
        if (r < 0)
            err_wrap(e, "%s:%u: link", w->t->file, link->place.line);
    }
    return r;
}

int wires_make(struct engine *engine, const struct topology *t, const struct lab *l,
               const bool *which, struct err *e)
{
    struct wiring w = {.engine = engine, .t = t, .l = l};
    w.rooms = xcalloc(t->node_count + 1, sizeof(*w.rooms));
    for (size_t i = 0; i <= t->node_count; i++)
        w.rooms[i] = (struct room){.netns = -1, .socket = -1};
    opened_begin(&w.opened, 3);
    int r = make_all(&w, which, e);
    close_rooms(&w);
    free(w.rooms);
    opened_end(&w.opened);
    return r;
}
