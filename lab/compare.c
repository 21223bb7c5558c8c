/* Two topologies compared: for each node and link the least that makes the new one true.
 */
#include "diff.h"

#include <errno.h>
#include <string.h>

void lab_diff_clear(struct lab_diff *c)
{
    free(c->nodes);
    free(c->links);
    strv_free(c->lines);
    *c = (struct lab_diff){0};
}

/* ---- nodes -----------------------------------------------------------------------------------*/

static bool same_ip(const struct ip *a, const struct ip *b)
{
    return a->family == b->family && (!a->family || ip_equal(a, b));
}

static bool same_binds(const struct lab_bind *a, size_t a_count, const struct lab_bind *b,
                       size_t b_count)
{
    for (size_t i = 0; a_count == b_count && i < a_count; i++)
        if (!streq(a[i].source, b[i].source) || !streq(a[i].target, b[i].target) ||
            a[i].read_only != b[i].read_only)
            return false;
    return a_count == b_count;
}

static bool same_lines(const struct lab_node *a, const struct lab_node *b)
{
    for (size_t i = 0; a->exec_count == b->exec_count && i < a->exec_count; i++)
        if (!streq(a->execs[i].line, b->execs[i].line))
            return false;
    return a->exec_count == b->exec_count;
}

/* The key that needs another network namespace; NULL: none. */
static const char *differs_in_network(const struct lab_node *a, const struct lab_node *b)
{
    if (a->kind != b->kind)
        return "kind";
    if (a->network != b->network || !streq(a->network_of, b->network_of))
        return "network-mode";
    if (!strv_equal(a->networks, b->networks))
        return "networks";
    if (!same_ip(&a->mgmt4, &b->mgmt4) || !same_ip(&a->mgmt6, &b->mgmt6))
        return "mgmt-ipv4 or mgmt-ipv6";
    if (!strv_equal(a->ports, b->ports))
        return "ports";
    if (!strv_equal(a->sysctls, b->sysctls))
        return "sysctls";
    if (!strv_equal(a->aliases, b->aliases))
        return "aliases";
    return NULL;
}

static const char *differs_in_limits(const struct lab_node *a, const struct lab_node *b)
{
    if (!streq(a->memory, b->memory))
        return "memory";
    if (!streq(a->cpu, b->cpu) || !streq(a->cpu_set, b->cpu_set))
        return "cpu";
    return streq(a->restart, b->restart) ? NULL : "restart-policy";
}

/* The key that needs another container. */
static const char *differs_in_program(const struct lab_node *a, const struct lab_node *b)
{
    if (!streq(a->image, b->image))
        return "image";
    if (a->frr != b->frr || !strv_equal(a->daemons, b->daemons))
        return "kind";
    if (a->has_cmd != b->has_cmd || !strv_equal(a->cmd, b->cmd))
        return "cmd";
    if (a->has_entrypoint != b->has_entrypoint || !strv_equal(a->entrypoint, b->entrypoint))
        return "entrypoint";
    if (!strv_equal(a->env, b->env))
        return "env";
    if (!same_binds(a->env_files, a->env_file_count, b->env_files, b->env_file_count))
        return "env-files";
    if (!same_binds(a->binds, a->bind_count, b->binds, b->bind_count))
        return "binds";
    if (!same_binds(a->files, a->file_count, b->files, b->file_count))
        return "files";
    if (!streq(a->user, b->user))
        return "user";
    if (!strv_equal(a->cap_add, b->cap_add))
        return "cap-add";
    if (!strv_equal(a->dns, b->dns) || !strv_equal(a->dns_search, b->dns_search) ||
        !strv_equal(a->dns_options, b->dns_options))
        return "dns";
    if (!streq(a->hostname, b->hostname))
        return "hostname";
    if (!streq(a->group, b->group) || !strv_equal(a->labels, b->labels))
        return "labels";
    return a->tty != b->tty ? "tty" : differs_in_limits(a, b);
}

/* `images:` and --image may give the same word another meaning. */
static bool same_image(const struct topology *old, const struct lab_node *a,
                       const struct topology *t, const struct lab_node *b,
                       const struct lab_options *o)
{
    _cleanup_lab_image_ struct lab_image first = {0}, second = {0};
    if (a->kind != LAB_LINUX || strv_equal(old->images, t->images))
        return true;
    return lab_image_find(old, a, o, "/", &first, NULL) == 0 &&
           lab_image_find(t, b, o, "/", &second, NULL) == 0 && streq(first.root, second.root);
}

static enum node_action compare_node(const struct topology *old, const struct lab_node *a,
                                     const struct topology *t, const struct lab_node *b,
                                     const struct lab_options *o, const char **key)
{
    if ((*key = differs_in_network(a, b)))
        return NODE_NEW;
    if (b->kind == LAB_BRIDGE)
        return NODE_KEEP;
    *key = differs_in_program(a, b);
    if (!*key && !same_image(old, a, t, b, o))
        *key = "images";
    if (*key)
        return NODE_AGAIN;
    if (!same_ip(&a->gateway4, &b->gateway4) || !same_ip(&a->gateway6, &b->gateway6))
        *key = "gateway";
    if (!same_lines(a, b))
        *key = "exec";
    return *key ? NODE_LINES : NODE_KEEP;
}

static void at_least(enum node_action *action, enum node_action to)
{
    if (*action < to)
        *action = to;
}

static void compare_nodes(struct lab_diff *c, const struct lab_options *o)
{
    for (size_t i = 0; i < c->t->node_count; i++) {
        const struct lab_node *n = &c->t->nodes[i];
        const char *why = NULL;
        bool present = true;
        for (size_t k = 0; k < c->bases->count; k++) {
            const struct topology *old = c->bases->items[k];
            size_t at = topology_find(old, n->name);
            const char *key = NULL;
            present = present && at != SIZE_MAX;
            at_least(&c->nodes[i], at == SIZE_MAX
                                       ? NODE_NEW
                                       : compare_node(old, &old->nodes[at], c->t, n, o, &key));
            why = key ? key : why;
        }
        if (!present)
            strv_add_take(&c->lines, xasprintf("+ node %s", n->name));
        else if (why)
            strv_add_take(&c->lines,
                          xasprintf("~ node %s: %s%s", n->name, why,
                                    c->nodes[i] == NODE_NEW     ? " (it is made again)"
                                    : c->nodes[i] == NODE_AGAIN ? " (its program starts again)"
                                                                : ""));
    }
    /* A program in the network of another node that is made again has to move. */
    for (size_t i = 0; i < c->t->node_count; i++) {
        const struct lab_node *n = &c->t->nodes[i];
        if (n->network == NODE_CONTAINER && n->network_of_index != SIZE_MAX &&
            c->nodes[n->network_of_index] == NODE_NEW)
            at_least(&c->nodes[i], NODE_AGAIN);
    }
}

/* ---- links -----------------------------------------------------------------------------------*/

bool lab_same_end(const struct topology *t, const struct lab_endpoint *a, const struct topology *of,
                  const struct lab_endpoint *b)
{
    if (a->what != b->what || !streq(a->interface, b->interface))
        return false;
    return a->what != END_NODE || streq(t->nodes[a->node].name, of->nodes[b->node].name);
}

static bool is_reversed(const struct topology *t, const struct lab_link *a,
                        const struct topology *of, const struct lab_link *b)
{
    return !lab_same_end(t, &a->ends[0], of, &b->ends[0]) ||
           !lab_same_end(t, &a->ends[1], of, &b->ends[1]);
}

const struct lab_link *lab_same_link(const struct topology *t, const struct lab_link *link,
                                     const struct topology *of)
{
    for (size_t i = 0; i < of->link_count; i++) {
        const struct lab_link *other = &of->links[i];
        if (!is_reversed(t, link, of, other) ||
            (lab_same_end(t, &link->ends[0], of, &other->ends[1]) &&
             lab_same_end(t, &link->ends[1], of, &other->ends[0])))
            return other;
    }
    return NULL;
}

char *lab_link_text(const struct topology *t, const struct lab_link *link)
{
    char *parts[2];
    static const char *const words[] = {[END_HOST] = "host",
                                        [END_MGMT] = "mgmt-net",
                                        [END_MACVLAN] = "macvlan",
                                        [END_NOTHING] = "dummy"};
    for (int i = 0; i < 2; i++) {
        const struct lab_endpoint *end = &link->ends[i];
        parts[i] =
            xasprintf("%s:%s", end->what == END_NODE ? t->nodes[end->node].name : words[end->what],
                      end->interface ? end->interface : "");
    }
    char *text = link->ends[1].what == END_NOTHING ? xstrdup(parts[0])
                                                   : xasprintf("%s %s", parts[0], parts[1]);
    free(parts[0]);
    free(parts[1]);
    return text;
}

static bool same_address(const struct lab_address *a, const struct lab_address *b)
{
    return same_ip(&a->ip, &b->ip) && (!a->ip.family || a->prefix == b->prefix);
}

static bool same_impairment(const struct lab_impairment *a, const struct lab_impairment *b)
{
    return a->rate == b->rate && a->delay_us == b->delay_us && a->jitter_us == b->jitter_us &&
           !(a->loss < b->loss) && !(a->loss > b->loss) && !(a->corrupt < b->corrupt) &&
           !(a->corrupt > b->corrupt) && !(a->duplicate < b->duplicate) &&
           !(a->duplicate > b->duplicate) && !(a->reorder < b->reorder) &&
           !(a->reorder > b->reorder);
}

static enum link_action compare_link(const struct topology *old, const struct lab_link *a,
                                     const struct topology *t, const struct lab_link *b,
                                     const char **key)
{
    const int cross = is_reversed(old, a, t, b);
    enum link_action action = LINK_KEEP;
    if (a->mtu != b->mtu) {
        *key = "mtu";
        action = LINK_CHANGE;
    }
    for (int i = 0; i < 2; i++) {
        const struct lab_endpoint *x = &a->ends[cross ? 1 - i : i], *y = &b->ends[i];
        if (!same_address(&x->address4, &y->address4) ||
            !same_address(&x->address6, &y->address6)) {
            *key = "addresses";
            action = LINK_CHANGE;
        }
        if (!same_impairment(&x->impairment, &y->impairment)) {
            *key = "impairments";
            action = LINK_CHANGE;
        }
    }
    if (!lab_vlans_equal(&a->vlans, &b->vlans)) {
        *key = "VLANs (it is made again)";
        action = LINK_NEW;
    }
    for (int i = 0; i < 2; i++)
        if (memcmp(a->ends[cross ? 1 - i : i].mac, b->ends[i].mac, 6) != 0) {
            *key = "MAC address (it is made again)";
            action = LINK_NEW;
        }
    return action;
}

static void at_least_link(enum link_action *action, enum link_action to)
{
    if (*action < to)
        *action = to;
}

static void compare_links(struct lab_diff *c)
{
    for (size_t i = 0; i < c->t->link_count; i++) {
        const struct lab_link *link = &c->t->links[i];
        const char *why = NULL;
        bool present = true;
        for (size_t k = 0; k < c->bases->count; k++) {
            const struct topology *old = c->bases->items[k];
            const struct lab_link *same = lab_same_link(c->t, link, old);
            present = present && same;
            at_least_link(&c->links[i],
                          same ? compare_link(old, same, c->t, link, &why) : LINK_NEW);
        }
        _cleanup_free_ char *text = lab_link_text(c->t, link);
        if (!present)
            strv_add_take(&c->lines, xasprintf("+ link %s", text));
        else if (why)
            strv_add_take(&c->lines, xasprintf("~ link %s: %s", text, why));
        for (int k = 0; k < 2; k++) /* they go with the namespace */
            if (link->ends[k].what == END_NODE && c->nodes[link->ends[k].node] == NODE_NEW)
                c->links[i] = LINK_NEW;
    }
}

/* ---- what goes -------------------------------------------------------------------------------*/

static void list_removed(struct lab_diff *c)
{
    const struct topology *old = c->bases->items[c->bases->count - 1];
    for (size_t i = 0; i < old->node_count; i++)
        if (topology_find(c->t, old->nodes[i].name) == SIZE_MAX)
            strv_add_take(&c->lines, xasprintf("- node %s", old->nodes[i].name));
    for (size_t i = 0; i < old->link_count; i++)
        if (!lab_same_link(old, &old->links[i], c->t)) {
            _cleanup_free_ char *text = lab_link_text(old, &old->links[i]);
            strv_add_take(&c->lines, xasprintf("- link %s", text));
        }
}

/* ---- what cannot change ----------------------------------------------------------------------*/

static bool same_networks(const struct topology *a, const struct topology *b)
{
    for (size_t i = 0; a->network_count == b->network_count && i < a->network_count; i++) {
        const struct lab_network *x = &a->networks[i], *y = &b->networks[i];
        if (!streq(x->name, y->name) || !strv_equal(x->subnets, y->subnets) ||
            !strv_equal(x->gateways, y->gateways) || x->internal != y->internal ||
            x->isolated_ports != y->isolated_ports || x->ipv6 != y->ipv6 || x->mtu != y->mtu ||
            !strv_equal(x->labels, y->labels))
            return false;
    }
    return a->network_count == b->network_count;
}

static bool same_mgmt(const struct lab_mgmt *a, const struct lab_mgmt *b)
{
    return a->off == b->off && streq(a->network, b->network) && streq(a->bridge, b->bridge) &&
           strv_equal(a->subnets, b->subnets) && strv_equal(a->gateways, b->gateways) &&
           strv_equal(a->ranges, b->ranges) && a->mtu == b->mtu && a->no_outside == b->no_outside &&
           a->no_route == b->no_route;
}

static int refuse(const char *key, struct err *e)
{
    err_say(e, -EOPNOTSUPP, "`%s` differs, which cannot change while the lab is up", key);
    err_hint(e, "`netctr lab up --reconfigure` makes the lab again");
    return -EOPNOTSUPP;
}

static int refuse_inner(const struct topology *t, struct err *e)
{
    for (size_t i = 0; i < t->node_count; i++)
        if (lab_node_is_inner(&t->nodes[i])) {
            err_say(e, -EOPNOTSUPP,
                    "`%s` is a bridge inside a node: such a lab cannot be changed while it is up",
                    t->nodes[i].name);
            err_hint(e, "`netctr lab up --reconfigure` makes the lab again");
            return -EOPNOTSUPP;
        }
    return 0;
}

int lab_compare(const struct lab_bases *bases, const struct topology *t,
                const struct lab_options *o, struct lab_diff *out, struct err *e)
{
    *out = (struct lab_diff){.bases = bases, .t = t};
    int r = refuse_inner(t, e);
    for (size_t i = 0; r == 0 && i < bases->count; i++)
        r = refuse_inner(bases->items[i], e);
    if (r < 0)
        return r;
    for (size_t i = 0; i < bases->count; i++) {
        const struct topology *old = bases->items[i];
        if (!streq(old->prefix, t->prefix))
            return refuse("prefix", e);
        if (!same_mgmt(&old->mgmt, &t->mgmt))
            return refuse("mgmt", e);
        if (!same_networks(old, t))
            return refuse("networks", e);
    }
    out->nodes = xcalloc(t->node_count + 1, sizeof(*out->nodes));
    out->links = xcalloc(t->link_count + 1, sizeof(*out->links));
    list_removed(out);
    compare_nodes(out, o);
    compare_links(out);
    return 0;
}
