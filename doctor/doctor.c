/* Gathers the facts once, then runs a table of checks. A check is a function that compares facts
 * and reports findings. */
#include "doctor/doctor.h"

#include <errno.h>

static const struct doctor_check checks[] = {
    {"kernel", check_kernel},
    {"cgroups", check_cgroups},
    {"capabilities", check_capabilities},
    {"user namespaces", check_user_namespaces},
    {"expiry", check_expiry},
    {"storage", check_storage},
    {"forward", check_forward},
    {"input", check_input},
    {"dnat", check_dnat},
    {"bridge-nf", check_bridge_nf},
    {"forwarding", check_forwarding},
    {"reverse-path", check_reverse_path},
    {"advertisements", check_advertisements},
    {"subnets", check_subnets},
    {"nameservers", check_nameservers},
    {"mtu", check_mtu},
    {"ports", check_ports},
    {"neighbours", check_neighbours},
    {"conntrack", check_conntrack},
    {"peers", check_peers},
    {"names", check_names},
    {"inotify", check_inotify},
    {"default route", check_default_route},
    {"limits", check_limits},
    {"links", check_strange_links},
    {"firewall", check_firewall},
    {"differences", check_differences},
    {"monitors", check_monitors},
    {"interfaces", check_interfaces},
    {"listeners", check_listeners},
    {"name server", check_name_server},
    {"upstream", check_upstream},
    {"drops", check_drops},
    {"leftovers", check_leftovers},
};

/* ---- gather ----------------------------------------------------------------------------------*/

static int take_link(const struct link *link, void *arg)
{
    struct doctor *d = arg;
    d->links = xrealloc(d->links, d->link_count + 1, sizeof(*d->links));
    d->links[d->link_count++] = *link;
    return 0;
}

static int take_route(const struct route *route, void *arg)
{
    struct doctor *d = arg;
    d->routes = xrealloc(d->routes, d->route_count + 1, sizeof(*d->routes));
    d->routes[d->route_count++] = *route;
    return 0;
}

static int take_network(const struct network *n, void *arg)
{
    struct doctor *d = arg;
    d->networks = xrealloc(d->networks, d->network_count + 1, sizeof(*d->networks));
    network_copy(n, &d->networks[d->network_count++]);
    return 0;
}

/* The default network as it would be created. Used on a host without networks. */
static int imagine_network(struct doctor *d, struct err *e)
{
    struct network n = {.name = (char *)DEFAULT_NETWORK,
                        .bridge = (char *)"nc-" DEFAULT_NETWORK,
                        .mode = GATEWAY_NAT,
                        .guard = true,
                        .isolate = true,
                        .icc = true};
    int r = subnet_parse("10.88.0.0/16", &n.subnet4, e);
    if (r == 0)
        r = subnet_parse("fd00::/64", &n.subnet6, e); /* the prefix would be random */
    n.gateway4 = subnet_host(&n.subnet4, 1);
    n.gateway6 = subnet_host(&n.subnet6, 1);
    return r < 0 ? r : take_network(&n, d);
}

static void say_damaged(struct err *why, void *doctor)
{
    doctor_say_damaged(doctor, why);
}

static int gather_networks(struct doctor *d, struct err *e)
{
    _cleanup_free_ char *networks = xasprintf("%s/networks", d->root);
    int r = 0;
    if (access(networks, F_OK) == 0)
        r = network_each_checked(d->bridge, take_network, say_damaged, d, e);
    d->any_defined = d->network_count > 0;
    return r < 0 || d->any_defined ? r : imagine_network(d, e);
}

static bool is_own_table(uint32_t family, const char *table, void *arg)
{
    (void)arg;
    return firewall_owns_table(family, table);
}

static int gather(struct doctor *d, struct err *e)
{
    _cleanup_err_ struct err none = ERR_INIT;
    int r = engine_look(d->root, d->run, &d->engine, e);
    d->store = r == 0 && d->engine.store.root ? &d->engine.store : NULL;
    d->bridge = d->engine.net;
    if (r == 0)
        r = rt_open(&d->rt, e);
    if (r == 0)
        r = rt_each_link(d->rt, take_link, d, e);
    if (r == 0)
        r = rt_each_route(d->rt, take_route, d, e);
    if (r == 0)
        r = gather_networks(d, e);
    if (r == 0 && d->store)
        r = doctor_gather_containers(d, e);
    /* Without nf_tables there are no rules. check_kernel reports that nf_tables is missing. */
    if (r == 0 && nft_snapshot_read(-1, is_own_table, NULL, &d->rules, &none) < 0)
        d->rules = NULL;
    return r;
}

static void container_clear_one(struct doctor_container *c)
{
    free(c->name);
    free(c->network);
    free(c->userns_why);
    strv_free(c->dns);
    endpoint_list_clear(&c->endpoints);
}

static void clear(struct doctor *d)
{
    for (size_t i = 0; i < d->container_count; i++)
        container_clear_one(&d->containers[i]);
    free(d->containers);
    for (size_t i = 0; i < d->network_count; i++)
        network_clear(&d->networks[i]);
    free(d->networks);
    free(d->links);
    free(d->routes);
    nft_snapshot_free(d->rules);
    engine_close(&d->engine);
    rt_close(d->rt);
}

/* ---- run the checks --------------------------------------------------------------------------*/

/* Runs each check. Returns the first error; findings are no errors. */
static int run_checks(struct doctor *d, struct err *e)
{
    int failed = 0;
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        _cleanup_err_ struct err why = ERR_INIT;
        int r = checks[i].run(d, &why);
        if (r == -EBADMSG) {
            doctor_say_damaged(d, &why);
        } else if (r < 0 && failed == 0) {
            failed = r;
            err_wrap(&why, "check `%s`", checks[i].name);
            err_move(e, &why);
        }
    }
    return failed;
}

int doctor_examine(const char *root, const char *run_root, json_t **findings, struct err *e)
{
    struct doctor d = {.root = root, .run = run_root, .findings = json_array()};
    int r = gather(&d, e);
    if (r == 0)
        r = run_checks(&d, e);
    else if (r == -EBADMSG) {
        doctor_say_damaged(&d, e);
        r = 0;
    }
    *findings = d.findings;
    clear(&d);
    return r;
}
