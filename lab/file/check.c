/* What must be true between the nodes of a file. */
#include "file.h"

#include <netctr/sandbox.h>

#include <inttypes.h>
#include <string.h>

/* ---- sources ---------------------------------------------------------------------------------*/

static void check_list(struct reader *r, const struct lab_bind *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (access(list[i].source, F_OK) < 0)
            fault(r, list[i].place, "`%s` does not exist; create it, or correct the path",
                  list[i].source);
}

static void check_env_files(struct reader *r, const struct lab_node *n)
{
    for (size_t i = 0; i < n->env_file_count; i++) {
        _cleanup_strv_ strv env = NULL;
        _cleanup_err_ struct err e = ERR_INIT;
        if (env_file_read(n->env_files[i].source, &env, &e) < 0)
            fault_err(r, n->env_files[i].place, &e);
    }
}

void check_sources(struct reader *r)
{
    for (size_t i = 0; i < r->t->node_count && !r->options->skip_binds; i++) {
        check_env_files(r, &r->t->nodes[i]);
        check_list(r, r->t->nodes[i].binds, r->t->nodes[i].bind_count);
        check_list(r, r->t->nodes[i].files, r->t->nodes[i].file_count);
    }
}

/* ---- the network of a node -------------------------------------------------------------------*/

static void check_inner(struct reader *r, const struct draft *d)
{
    struct lab_node *n = d->node;
    const char *in = n->network_of;
    _cleanup_free_ char *name = topology_bridge_name(n);
    const struct lab_node *of =
        n->network_of_index == SIZE_MAX ? NULL : &r->t->nodes[n->network_of_index];
    if (strlen(name) > 15 || !interface_name_valid(name) || streq(name, "lo"))
        fault(r, n->place,
              "`%s` is not a name for a bridge inside a node; use at most 15 characters", name);
    if (!of)
        n->network_of_index = node_wanted(r, n->place, in);
    else if (of->kind == LAB_BRIDGE)
        fault(r, n->place, "`%s` is a switch, so no bridge can be inside it; name a linux node",
              in);
    else if (of->network == NODE_HOST)
        fault(r, n->place,
              "node `%s` has the network of the host, so no bridge can be inside it; name another "
              "node",
              in);
    else if (of->network == NODE_CONTAINER)
        fault(r, n->place,
              "node `%s` has the network of `%s`; put the bridge into that one: `%s|%s`", in,
              of->network_of, name, of->network_of);
}

static void check_mode(struct reader *r, const struct draft *d)
{
    struct lab_node *n = d->node;
    if (n->network == NODE_CONTAINER)
        n->network_of_index = node_index(r, n->network_of);
    if (lab_node_is_inner(n)) {
        check_inner(r, d);
        return;
    }
    if (n->network == NODE_CONTAINER) {
        if (streq(n->network_of, n->name))
            fault(r, d->mode_at,
                  "node `%s` cannot have its own network from itself; name another node", n->name);
        else if (n->network_of_index == SIZE_MAX && !valid_name(n->network_of))
            fault(r, d->mode_at, "`%s` is not the name of a node or container; correct it",
                  n->network_of);
        else if (n->network_of_index == SIZE_MAX)
            note(r, d->mode_at,
                 "`%s` is not a node of this lab; a container of this name must run before",
                 n->network_of);
        else if (r->t->nodes[n->network_of_index].kind == LAB_BRIDGE)
            fault(r, d->mode_at,
                  "`%s` is a switch, whose network no program can have; name a linux node",
                  n->network_of);
    }
    if (n->network == NODE_OWN || n->kind == LAB_BRIDGE)
        return;
    if (n->networks)
        fault(r, d->networks[0].place,
              "node `%s` has a network-mode, so it cannot have `networks`; remove "
              "one of the two",
              n->name);
    if (n->network == NODE_CONTAINER && n->ports)
        fault(r, d->ports_at,
              "node `%s` has the network of `%s`, so it has no ports of its own; publish them "
              "there",
              n->name, n->network_of);
    else if (n->ports)
        note(r, d->ports_at, "node `%s` has no network of its own, so its `ports` have no effect",
             n->name);
}

static void check_mgmt_address(struct reader *r, const struct draft *d)
{
    const struct lab_node *n = d->node;
    struct place at = n->mgmt4.family ? d->mgmt4_at : d->mgmt6_at;
    if (!n->mgmt4.family && !n->mgmt6.family)
        return;
    if (r->t->mgmt.off)
        fault(r, at, "the lab has no management network (`mgmt: false`); remove the address");
    else if (n->network != NODE_OWN || n->networks)
        fault(r, at, "node `%s` is not on the management network; remove the address", n->name);
}

/* An address that a node asks for on a network. */
struct asked {
    size_t network;
    struct ip ip;
    struct place at;
    const char *node;
};
struct asked_list {
    struct asked *items;
    size_t count;
};

static size_t find_network(struct reader *r, struct place at, const char *name)
{
    const struct topology *t = r->t;
    for (size_t k = 0; k < t->network_count; k++)
        if (streq(t->networks[k].name, name))
            return k;
    _cleanup_free_ const char **names = xcalloc(t->network_count + 1, sizeof(char *));
    for (size_t k = 0; k < t->network_count; k++)
        names[k] = t->networks[k].name;
    _cleanup_free_ char *hint = nearest_hint(r, name, names, "add it to `networks`");
    fault(r, at, "there is no network `%s` in this file; %s", name, hint);
    return SIZE_MAX;
}

static void ask(struct reader *r, struct asked_list *l, const struct asked *a)
{
    const struct lab_network *n = &r->t->networks[a->network];
    struct subnet s;
    bool found = false;
    if (!a->ip.family)
        return;
    _cleanup_free_ char *ip = ip_text(&a->ip);
    strv_each (text, n->subnets)
        found |= subnet_parse(text, &s, NULL) == 0 && subnet_contains(&s, &a->ip) &&
                 (subnet_host_bits(&s) < 2 || !subnet_reserves(&s, &a->ip));
    if (!found)
        fault(r, a->at, "address %s is not a host's in a `subnet` of network `%s`; correct one", ip,
              n->name);
    l->items = xrealloc(l->items, l->count + 1, sizeof(*l->items));
    l->items[l->count++] = *a;
}

static void check_networks(struct reader *r, const struct draft *d, struct asked_list *l)
{
    size_t before[NODE_NETWORKS_MAX];
    for (size_t i = 0; i < d->network_count; i++) {
        _cleanup_connect_request_ struct connect_request q = {0};
        struct place at = d->networks[i].place;
        (void)connect_request_parse(d->networks[i].text, &q, NULL);
        before[i] = find_network(r, at, q.network);
        if (before[i] == SIZE_MAX)
            continue;
        for (size_t k = 0; k < i; k++)
            if (before[k] == before[i])
                fault(r, at, "network `%s` is given twice for this node; remove one", q.network);
        ask(r, l, &(struct asked){before[i], q.address4, at, d->node->name});
        ask(r, l, &(struct asked){before[i], q.address6, at, d->node->name});
    }
}

static int by_asked(const void *a, const void *b)
{
    const struct asked *x = a, *y = b;
    if (x->network != y->network)
        return x->network < y->network ? -1 : 1;
    int order = memcmp(x->ip.bytes, y->ip.bytes, sizeof(x->ip.bytes));
    if (order)
        return order;
    return x->at.line < y->at.line ? -1 : x->at.line > y->at.line;
}

static void check_asked(struct reader *r, struct asked_list *l)
{
    if (l->count)
        qsort(l->items, l->count, sizeof(*l->items), by_asked);
    for (size_t i = 1; i < l->count; i++)
        if (l->items[i].network == l->items[i - 1].network &&
            ip_equal(&l->items[i].ip, &l->items[i - 1].ip)) {
            _cleanup_free_ char *ip = ip_text(&l->items[i].ip);
            fault(r, l->items[i].at, "address %s is that of node `%s`, too; change one", ip,
                  l->items[i - 1].node);
        }
    free(l->items);
}

/* ---- ports -----------------------------------------------------------------------------------*/

struct claim {
    struct port_mapping port;
    struct place at;
    const char *node;
};

static int by_port(const void *a, const void *b)
{
    const struct claim *x = a, *y = b;
    if (x->port.protocol != y->port.protocol)
        return x->port.protocol < y->port.protocol ? -1 : 1;
    if (x->port.host_port != y->port.host_port)
        return x->port.host_port < y->port.host_port ? -1 : 1;
    return x->at.line < y->at.line ? -1 : x->at.line > y->at.line;
}

static size_t add_claims(const struct draft *d, struct claim **claims, size_t count)
{
    for (size_t i = 0; i < d->port_count; i++) {
        _cleanup_port_mappings_ struct port_mappings list = {0};
        if (d->node->network != NODE_OWN || port_mapping_parse(d->ports[i].text, &list, NULL) < 0)
            continue;
        *claims = xrealloc(*claims, count + list.count + 1, sizeof(**claims));
        for (size_t k = 0; k < list.count; k++)
            if (list.items[k].host_port)
                (*claims)[count++] =
                    (struct claim){list.items[k], d->ports[i].place, d->node->name};
    }
    return count;
}

static void check_ports(struct reader *r)
{
    enum { CLAIMS_MAX = 20000 };
    _cleanup_free_ struct claim *claims = NULL;
    size_t count = 0;
    for (size_t i = 0; i < r->t->node_count && count < CLAIMS_MAX; i++)
        count = add_claims(&r->drafts[i], &claims, count);
    if (count >= CLAIMS_MAX) {
        fault(r, r->nodes->place, "the lab publishes more than %d ports; publish fewer",
              CLAIMS_MAX);
        return;
    }
    if (count)
        qsort(claims, count, sizeof(*claims), by_port);
    for (size_t i = 1; i < count; i++)
        for (size_t k = i; k-- > 0 && claims[k].port.host_port == claims[i].port.host_port &&
                           claims[k].port.protocol == claims[i].port.protocol;)
            if (port_mapping_collides(&claims[k].port, &claims[i].port)) {
                fault(r, claims[i].at,
                      "port %u of the host is published by node `%s`, too; change one",
                      claims[i].port.host_port, claims[k].node);
                break;
            }
}

/* ---- waits -----------------------------------------------------------------------------------*/

static void check_wait(struct reader *r, const struct lab_node *n, struct lab_wait *w)
{
    w->index = node_wanted(r, w->place, w->node);
    if (w->index == SIZE_MAX)
        return;
    const struct lab_node *other = &r->t->nodes[w->index];
    if (other->kind == LAB_BRIDGE)
        fault(r, w->place,
              "`%s` is a switch, which has no stages; it exists before all programs, remove it",
              w->node);
    else if (other == n)
        fault(r, w->place, "node `%s` waits for itself; remove it", w->node);
    else if (w->stage == STAGE_HEALTHY && !other->health.given)
        note(r, w->place,
             "node `%s` has no `healthcheck` here; only one of its image can make it healthy",
             w->node);
}

void check_nodes(struct reader *r)
{
    struct asked_list asked = {0};
    for (size_t i = 0; i < r->t->node_count; i++) {
        struct lab_node *n = &r->t->nodes[i];
        check_mode(r, &r->drafts[i]);
        check_mgmt_address(r, &r->drafts[i]);
        check_networks(r, &r->drafts[i], &asked);
        for (size_t s = 0; s < STAGES; s++)
            for (size_t k = 0; k < n->stages[s].wait_count; k++)
                check_wait(r, n, &n->stages[s].waits[k]);
    }
    check_asked(r, &asked);
    check_ports(r);
}

/* ---- links -----------------------------------------------------------------------------------*/

/* An interface that the file makes. */
struct made {
    enum lab_end what;
    size_t node; /* whose namespace it is in */
    char *interface;
    bool bridge; /* one inside the node */
    struct place at;
};
struct made_list {
    struct made *items;
    size_t count;
};

static int by_made(const void *a, const void *b)
{
    const struct made *x = a, *y = b;
    if (x->what != y->what)
        return x->what < y->what ? -1 : 1;
    if (x->node != y->node)
        return x->node < y->node ? -1 : 1;
    int order = strcmp(x->interface, y->interface);
    if (order)
        return order;
    if (x->at.line != y->at.line)
        return x->at.line < y->at.line ? -1 : 1;
    return x->at.column < y->at.column ? -1 : x->at.column > y->at.column;
}

static void check_twice(struct reader *r, const struct made_list *l)
{
    for (size_t i = 1; i < l->count; i++) {
        const struct made *a = &l->items[i - 1], *b = &l->items[i];
        if (a->what == b->what && a->node == b->node && streq(a->interface, b->interface))
            fault(r, b->at, "interface `%s` of %s%s%s %s already, in line %u; choose another name",
                  b->interface, b->what == END_NODE ? "node `" : "the host",
                  b->what == END_NODE ? r->t->nodes[b->node].name : "",
                  b->what == END_NODE ? "`" : "", a->bridge ? "is a bridge" : "has a link",
                  a->at.line);
    }
}

/* Is @interface that of one of the node's networks? */
static bool network_takes(const struct draft *d, const char *interface)
{
    unsigned next = 0;
    for (size_t i = 0; i < d->network_count; i++) {
        _cleanup_connect_request_ struct connect_request q = {0};
        if (connect_request_parse(d->networks[i].text, &q, NULL) < 0)
            continue;
        _cleanup_free_ char *name = q.interface ? xstrdup(q.interface) : xasprintf("eth%u", next++);
        if (streq(name, interface))
            return true;
    }
    return false;
}

static void check_end(struct reader *r, const struct lab_endpoint *end)
{
    if (end->what != END_NODE)
        return;
    const struct lab_node *n = &r->t->nodes[end->node];
    size_t owner = lab_node_is_inner(n) ? topology_network_owner(r->t, end->node) : end->node;
    if (owner == SIZE_MAX) /* a fault of its own */
        return;
    const struct draft *d = &r->drafts[owner];
    n = d->node;
    if (n->network == NODE_HOST || n->network == NODE_CONTAINER)
        fault(r, end->place,
              "node `%s` has the network of %s%s%s, so it has no links of its own; remove the "
              "link or its network-mode",
              n->name, n->network == NODE_HOST ? "the host" : "`",
              n->network == NODE_HOST ? "" : n->network_of, n->network == NODE_HOST ? "" : "`");
    else if (n->network == NODE_OWN && n->networks && network_takes(d, end->interface))
        fault(r, end->place,
              "`%s` is the interface of node `%s` on one of its `networks`; use another name",
              end->interface, n->name);
    else if (n->network == NODE_OWN && !n->networks && !r->t->mgmt.off &&
             streq(end->interface, "eth0"))
        fault(r, end->place,
              "`eth0` of node `%s` is on the management network; use eth1, or network-mode: none",
              n->name);
}

static void add_made(struct made_list *l, enum lab_end what, size_t node, const char *interface,
                     struct place at, bool bridge)
{
    l->items[l->count++] = (struct made){what, node, xstrdup(interface), bridge, at};
}

/* The namespace of its interfaces. */
static size_t room_of(const struct topology *t, size_t node)
{
    size_t owner = lab_node_is_inner(&t->nodes[node]) ? topology_network_owner(t, node) : node;
    return owner == SIZE_MAX ? node : owner;
}

void check_links(struct reader *r)
{
    const struct topology *t = r->t;
    struct made_list l = {.items =
                              xcalloc(2 * t->link_count + t->node_count + 1, sizeof(struct made))};
    for (size_t i = 0; i < t->node_count; i++)
        if (lab_node_is_inner(&t->nodes[i])) {
            _cleanup_free_ char *name = topology_bridge_name(&t->nodes[i]);
            check_end(r, &(struct lab_endpoint){
                             .node = i, .interface = name, .place = t->nodes[i].place});
            add_made(&l, END_NODE, room_of(t, i), name, t->nodes[i].place, true);
        }
    for (size_t i = 0; i < t->link_count; i++)
        for (size_t k = 0; k < 2; k++) {
            const struct lab_endpoint *end = &t->links[i].ends[k];
            check_end(r, end);
            if (end->what != END_MACVLAN && end->what != END_NOTHING)
                add_made(&l, end->what, end->what == END_NODE ? room_of(t, end->node) : 0,
                         end->interface, end->place, false);
        }
    qsort(l.items, l.count, sizeof(*l.items), by_made);
    check_twice(r, &l);
    for (size_t i = 0; i < l.count; i++)
        free(l.items[i].interface);
    free(l.items);
}
