/* The topology of a lab as it is now: what its file says, with the addresses, MTUs and static routes that the kernel has. As a
 * file it brings up the same again.
 */
#include "lab.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>

/* Nothing for an empty list. */
static void put_list(json_t *j, const char *key, char *const *list)
{
    if (strv_len(list))
        json_put_strv(j, key, list);
}

/* ---- exec lines ------------------------------------------------------------------------------*/

/* Those whose effect is saved as it is now. */
static bool is_state(const struct lab_exec *line)
{
    static const char *const objects[] = {"address", "route", NULL};
    char *const *argv = line->argv;
    if (!argv || !streq(argv[0], "ip"))
        return false;
    size_t i = 1;
    while (argv[i] && argv[i][0] == '-')
        i++;
    for (size_t k = 0; argv[i] && objects[k]; k++)
        if (skip_prefix(objects[k], argv[i]))
            return true;
    return false;
}

/* Is @name a bridge inside the node? */
static bool is_inner_bridge(const struct topology *t, const struct lab_node *n, const char *name)
{
    for (size_t i = 0; i < t->node_count; i++) {
        _cleanup_free_ char *bridge = NULL;
        if (!lab_node_is_inner(&t->nodes[i]) || &t->nodes[topology_network_owner(t, i)] != n)
            continue;
        bridge = topology_bridge_name(&t->nodes[i]);
        if (streq(bridge, name))
            return true;
    }
    return false;
}

/* `ipv4` and `ipv6` of a link have room for one each; a bridge inside the node has neither. */
static void add_more_addresses(const struct topology *t, const struct lab_node *n,
                               const struct lab_interfaces *all, json_t *lines)
{
    for (size_t i = 0; i < all->count; i++) {
        const struct lab_interface *f = &all->items[i];
        const bool inner = is_inner_bridge(t, n, f->name);
        bool seen[2] = {inner, inner};
        for (size_t k = 0; !f->mgmt && k < f->address_count; k++) {
            const struct lab_address *a = &f->addresses[k];
            bool *first = &seen[a->ip.family == AF_INET6];
            _cleanup_free_ char *text = ip_text(&a->ip);
            if (a->ip.family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&a->ip.v6))
                continue;
            if (*first)
                json_array_append_new(
                    lines, json_sprintf("ip addr add %s/%u dev %s", text, a->prefix, f->name));
            *first = true;
        }
    }
}

static int add_exec(struct engine *engine, const struct lab *l, const struct topology *t,
                    size_t node, json_t *out, struct err *e)
{
    const struct lab_member *m = &l->members[node];
    const struct lab_node *n = &t->nodes[node];
    _cleanup_lab_interfaces_ struct lab_interfaces all = {0};
    _cleanup_rt_ struct rt *rt = NULL;
    json_t *lines = json_array();
    _cleanup_strv_ strv routes = NULL;
    int r = 0;
    if (m->sandbox) {
        _cleanup_close_ int netns = lab_netns(engine, m, e);
        r = netns < 0 ? netns : netns_open_rt(netns, &rt, e);
        if (r == 0)
            r = lab_interfaces(engine, l, m, &all, e);
        add_more_addresses(t, n, &all, lines);
        if (r == 0)
            r = lab_routes(rt, 0, &routes, e);
        strv_each (line, routes)
            json_array_append_new(lines, json_string(line));
    }
    for (size_t i = 0; i < n->exec_count; i++)
        if (!is_state(&n->execs[i]))
            json_array_append_new(lines, json_string(n->execs[i].line));
    if (json_array_size(lines))
        json_object_set(out, "exec", lines);
    json_decref(lines);
    return r;
}

/* ---- nodes -----------------------------------------------------------------------------------*/

static void put_map(json_t *out, const char *key, char *const *entries)
{
    json_t *map = json_object();
    strv_each (entry, entries) {
        _cleanup_free_ char *name = xstrndup(entry, strcspn(entry, "="));
        json_put_str(map, name, entry[strlen(name)] ? entry + strlen(name) + 1 : "");
    }
    if (json_object_size(map))
        json_object_set(out, key, map);
    json_decref(map);
}

static void put_binds(json_t *out, const struct lab_node *n)
{
    json_t *binds = json_array(), *files = json_object(), *env_files = json_array();
    for (size_t i = 0; i < n->bind_count; i++)
        json_array_append_new(binds, json_sprintf("%s:%s%s", n->binds[i].source, n->binds[i].target,
                                                  n->binds[i].read_only ? ":ro" : ""));
    for (size_t i = 0; i < n->file_count; i++)
        json_put_str(files, n->files[i].target, n->files[i].source);
    for (size_t i = 0; i < n->env_file_count; i++)
        json_array_append_new(env_files, json_string(n->env_files[i].source));
    if (n->env_file_count)
        json_object_set(out, "env-files", env_files);
    json_decref(env_files);
    if (n->bind_count)
        json_object_set(out, "binds", binds);
    if (n->file_count)
        json_object_set(out, "files", files);
    json_decref(binds);
    json_decref(files);
}

static void put_program(json_t *out, const struct lab_node *n)
{
    if (n->has_entrypoint)
        put_list(out, "entrypoint", n->entrypoint);
    if (n->has_cmd)
        put_list(out, "cmd", n->cmd);
    json_put_str(out, "user", n->user);
    json_put_str(out, "restart-policy", n->restart);
    json_put_str(out, "memory", n->memory);
    json_put_str(out, "cpu", n->cpu);
    if (n->startup_delay_ms)
        json_object_set_new(out, "startup-delay", json_sprintf("%ums", n->startup_delay_ms));
}

static void put_network(json_t *out, const struct lab_node *n)
{
    _cleanup_free_ char *mgmt4 = ip_text(&n->mgmt4), *mgmt6 = ip_text(&n->mgmt6);
    put_list(out, "networks", n->networks);
    put_list(out, "ports", n->ports);
    put_list(out, "aliases", n->aliases);
    put_list(out, "cap-add", n->cap_add);
    json_put_str(out, "hostname", n->hostname);
    json_put_str(out, "mgmt-ipv4", *mgmt4 ? mgmt4 : NULL);
    json_put_str(out, "mgmt-ipv6", *mgmt6 ? mgmt6 : NULL);
    if (n->network == NODE_NONE || n->network == NODE_HOST)
        json_put_str(out, "network-mode", n->network == NODE_NONE ? "none" : "host");
    if (n->network == NODE_CONTAINER)
        json_object_set_new(out, "network-mode", json_sprintf("container:%s", n->network_of));
}

static int put_node(struct engine *engine, const struct lab *l, const struct topology *t,
                    size_t node, json_t *nodes, struct err *e)
{
    const struct lab_node *n = &t->nodes[node];
    json_t *j = json_object();
    json_object_set_new(nodes, n->name, j);
    json_put_str(j, "kind", n->kind == LAB_BRIDGE ? "bridge" : "linux");
    if (lab_node_is_inner(n))
        json_object_set_new(j, "network-mode", json_sprintf("container:%s", n->network_of));
    if (n->kind == LAB_BRIDGE)
        return 0;
    json_put_str(j, "image", n->image ? n->image : "host");
    json_put_str(j, "group", n->group);
    put_program(j, n);
    put_network(j, n);
    put_binds(j, n);
    put_map(j, "env", n->env);
    put_map(j, "sysctls", n->sysctls);
    put_map(j, "labels", n->labels);
    return add_exec(engine, l, t, node, j, e);
}

/* ---- links -----------------------------------------------------------------------------------*/

/* What the interface has now; an address of link scope comes by itself. */
static void find_addresses(const struct lab_interfaces *all, const char *name, char **four,
                           char **six, unsigned *mtu)
{
    for (size_t i = 0; i < all->count; i++) {
        if (!streq(all->items[i].name, name))
            continue;
        *mtu = all->items[i].mtu;
        for (size_t k = 0; k < all->items[i].address_count; k++) {
            const struct lab_address *a = &all->items[i].addresses[k];
            char **place = a->ip.family == AF_INET ? four : six;
            if (a->ip.family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&a->ip.v6))
                continue;
            _cleanup_free_ char *text = ip_text(&a->ip);
            if (!*place)
                *place = xasprintf("%s/%u", text, a->prefix);
        }
    }
}

static void put_pair(json_t *j, const char *key, char *const texts[2])
{
    if (!texts[0] && !texts[1])
        return;
    json_object_set_new(j, key,
                        json_pack("[s, s]", texts[0] ? texts[0] : "", texts[1] ? texts[1] : ""));
}

static bool same_impairment(const struct lab_impairment *a, const struct lab_impairment *b)
{
    _cleanup_json_ json_t *x = lab_impairment_json(a), *y = lab_impairment_json(b);
    return json_equal(x, y);
}

/* Those of both ends belong to the link; different ones to the ends. */
static void put_impairments(const struct topology *t, const struct lab *l,
                            const struct lab_link *link, json_t *j, json_t *ends)
{
    struct lab_impairment m[2];
    for (int k = 0; k < 2; k++)
        m[k] = lab_end_impairment(l, t, &link->ends[k]);
    const bool both =
        same_impairment(&m[0], &m[1]) || !lab_end_sends(link, 0) || !lab_end_sends(link, 1);
    for (size_t k = 0; k < 2; k++) {
        const struct lab_endpoint *end = &link->ends[k];
        _cleanup_json_ json_t *all = lab_impairment_json(&m[k]);
        if (both && lab_end_sends(link, (int)k))
            json_object_update(j, all);
        if (both || end->what != END_NODE || !lab_impairment_any(&m[k]))
            continue;
        json_t *map =
            json_pack("{s:s, s:s}", "node", t->nodes[end->node].name, "interface", end->interface);
        json_object_update(map, all);
        json_array_set_new(ends, k, map);
    }
}

static int put_link(struct engine *engine, const struct topology *t, const struct lab *l,
                    const struct lab_link *link, json_t *links, struct err *e)
{
    char *four[2] = {NULL, NULL}, *six[2] = {NULL, NULL};
    json_t *j = json_object(), *ends = json_array();
    unsigned mtu = link->mtu;
    int r = 0;
    json_array_append_new(links, j);
    for (int k = 0; r == 0 && k < 2; k++) {
        const struct lab_endpoint *end = &link->ends[k];
        _cleanup_lab_interfaces_ struct lab_interfaces all = {0};
        _cleanup_free_ char *text = lab_end_text(t, end);
        if (*text)
            json_array_append_new(ends, json_string(text));
        if (end->what != END_NODE || t->nodes[end->node].kind == LAB_BRIDGE)
            continue;
        r = lab_interfaces(engine, l, &l->members[end->node], &all, e);
        find_addresses(&all, end->interface, &four[k], &six[k], &mtu);
    }
    json_object_set_new(j, "endpoints", ends);
    put_impairments(t, l, link, j, ends);
    if (json_array_size(ends) == 1)
        json_put_str(j, "type", "dummy");
    if (mtu && mtu != 9500)
        json_object_set_new(j, "mtu", json_integer(mtu));
    lab_vlans_put(j, &link->vlans);
    put_pair(j, "ipv4", four);
    put_pair(j, "ipv6", six);
    for (int k = 0; k < 2; k++) {
        free(four[k]);
        free(six[k]);
    }
    return r;
}

/* ---- the whole -------------------------------------------------------------------------------*/

static json_t *network_json(const struct lab_network *n)
{
    json_t *j = json_object();
    put_list(j, "subnet", n->subnets);
    put_list(j, "gateway", n->gateways);
    if (n->internal)
        json_object_set_new(j, "internal", json_true());
    if (n->isolated_ports)
        json_object_set_new(j, "icc", json_false());
    if (n->ipv6)
        json_object_set_new(j, "ipv6", json_true());
    if (n->mtu)
        json_object_set_new(j, "mtu", json_integer(n->mtu));
    return j;
}

static void put_head(const struct topology *t, json_t *j)
{
    json_put_str(j, "name", t->name);
    if (!streq(t->prefix, "clab"))
        json_put_str(j, "prefix", t->prefix);
    if (t->mgmt.off)
        json_object_set_new(j, "mgmt", json_false());
    if (!t->mgmt.off && t->mgmt.network)
        json_object_set_new(j, "mgmt", json_pack("{s:s}", "network", t->mgmt.network));
    put_map(j, "images", t->images);
    json_t *networks = json_object();
    for (size_t i = 0; i < t->network_count; i++)
        json_object_set_new(networks, t->networks[i].name, network_json(&t->networks[i]));
    if (t->network_count)
        json_object_set(j, "networks", networks);
    json_decref(networks);
}

int lab_save_live(struct engine *engine, const struct lab *l, json_t **out, struct err *e)
{
    _cleanup_topology_ struct topology *t = NULL;
    json_t *j = json_object(), *nodes = json_object(), *links = json_array(), *tests = json_array();
    *out = j;
    int r = lab_topology(l, &t, e);
    if (r == 0)
        put_head(t, j);
    for (size_t i = 0; r == 0 && i < t->node_count; i++)
        r = put_node(engine, l, t, i, nodes, e);
    for (size_t i = 0; r == 0 && i < t->link_count; i++)
        r = put_link(engine, t, l, &t->links[i], links, e);
    for (size_t i = 0; r == 0 && i < t->test_count; i++)
        if (t->tests[i].what == TEST_REACH && t->tests[i].after == AFTER_NOTHING &&
            !t->tests[i].within_ms)
            json_array_append_new(tests, json_string(t->tests[i].text));
    json_object_set_new(j, "topology", json_pack("{s:o, s:o}", "nodes", nodes, "links", links));
    if (r == 0 && json_array_size(tests))
        json_object_set(j, "tests", tests);
    json_decref(tests);
    return r;
}
