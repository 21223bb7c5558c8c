/* Keys of a node about its network. */
#include "file.h"

#include <netctr/sandbox.h>

#include <string.h>

static void put(struct placed **list, size_t *count, const struct tree *v)
{
    for (size_t i = 0; i < *count; i++)
        if (streq((*list)[i].text, v->text))
            return;
    *list = xrealloc(*list, *count + 1, sizeof(**list));
    (*list)[(*count)++] = (struct placed){xstrdup(v->text), v->place};
}

void node_ports(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    struct draft *d = to;
    (void)key;
    for (size_t i = 0; i < tree_text_count(value); i++) {
        const struct tree *v = tree_text_at(value, i);
        _cleanup_port_mappings_ struct port_mappings list = {0};
        _cleanup_err_ struct err e = ERR_INIT;
        if (port_mapping_parse(v->text, &list, &e) < 0)
            fault_err(r, v->place, &e);
        else if (spend(r, v->place, list.count)) /* a range is one text */
            put(&d->ports, &d->port_count, v);
    }
    d->ports_at = value->place;
}

static void read_ip(struct reader *r, const struct tree *v, int family, struct ip *out,
                    struct place *at)
{
    struct ip ip;
    *at = v->place;
    if (ip_parse(v->text, &ip) < 0 || ip.family != family || ip_is_any(&ip))
        fault(r, v->place, "`%s` is not an IPv%d address; write one without a prefix", v->text,
              family == AF_INET ? 4 : 6);
    else
        *out = ip;
}

void node_mgmt4(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    struct draft *d = to;
    (void)key;
    read_ip(r, value, AF_INET, &d->node->mgmt4, &d->mgmt4_at);
}

void node_mgmt6(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    struct draft *d = to;
    (void)key;
    read_ip(r, value, AF_INET6, &d->node->mgmt6, &d->mgmt6_at);
}

void node_mode(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    static const char *const words[] = {"none", "host", "bridge", NULL};
    struct draft *d = to;
    const char *of = skip_prefix(value->text, "container:");
    (void)key;
    if (of ? !*of : (!strv_has((char *const *)words, value->text))) {
        _cleanup_free_ char *hint =
            nearest_hint(r, value->text, words, "write none, host, bridge or container:NAME");
        fault(r, value->place, "network-mode `%s` is unknown; %s", value->text, hint);
        return;
    }
    struct lab_node *n = d->node;
    n->network = of                           ? NODE_CONTAINER
                 : streq(value->text, "none") ? NODE_NONE
                 : streq(value->text, "host") ? NODE_HOST
                                              : NODE_OWN;
    free(n->network_of);
    n->network_of = xstrdup(of);
    d->mode_at = value->place;
}

void node_networks(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    struct draft *d = to;
    (void)key;
    for (size_t i = 0; i < tree_text_count(value); i++) {
        const struct tree *v = tree_text_at(value, i);
        _cleanup_connect_request_ struct connect_request q = {0};
        _cleanup_err_ struct err e = ERR_INIT;
        if (d->network_count == NODE_NETWORKS_MAX)
            fault(r, v->place, "a node can be on at most %d networks; remove some",
                  NODE_NETWORKS_MAX);
        else if (connect_request_parse(v->text, &q, &e) < 0)
            fault_err(r, v->place, &e);
        else
            put(&d->networks, &d->network_count, v);
    }
}

void node_gateway(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    struct draft *d = to;
    (void)key;
    for (size_t i = 0; i < tree_text_count(value); i++) {
        const struct tree *v = tree_text_at(value, i);
        struct ip ip;
        if (ip_parse(v->text, &ip) < 0 || ip_is_any(&ip)) {
            fault(r, v->place, "gateway `%s` is not an address; write the router's", v->text);
            continue;
        }
        *(ip.family == AF_INET ? &d->node->gateway4 : &d->node->gateway6) = ip;
        d->gateway_at = v->place;
    }
}
