/* Gathering, and the table of checks. */
#include "doctor.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

const struct doctor_check doctor_checks[] = {
    {"kernel", check_kernel},
    {"cgroups", check_cgroups},
    {"capabilities", check_capabilities},
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
    {NULL, NULL},
};

void doctor_say(struct doctor *d, enum severity severity, char *cure, const char *format, ...)
{
    static const char *const words[] = {"note", "warning", "problem"};
    _cleanup_free_ char *own = cure, *text = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    d->problem = d->problem || severity == PROBLEM;
    size_t i;
    json_t *other;
    json_array_foreach (d->findings, i, other) {
        if (streq(json_str(other, "text"), text)) /* two ways to the same */
            return;
    }
    json_t *j = json_object();
    json_put_str(j, "severity", words[severity]);
    json_put_str(j, "text", text ? text : format);
    json_put_str(j, "cure", own);
    json_array_append_new(d->findings, j);
}

void doctor_say_damaged(struct doctor *d, struct err *e)
{
    doctor_say(d, PROBLEM, xasprintf("mend or remove that file below %s or %s", d->root, d->run),
               "%s", e->text);
    err_clear(e);
}

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

/* What the default network will be like, for a host on which none has been made. */
static int imagine_network(struct doctor *d, struct err *e)
{
    struct network n = {.name = (char *)DEFAULT_NETWORK,
                        .bridge = (char *)"nc-" DEFAULT_NETWORK,
                        .mode = GATEWAY_NAT,
                        .guard = true,
                        .isolate = true,
                        .icc = true};
    int r = subnet_parse("10.88.0.0/16", &n.subnet4, e);
    n.gateway4 = subnet_host(&n.subnet4, 1);
    return r < 0 ? r : take_network(&n, d);
}

static void say_damaged(struct err *why, void *doctor)
{
    doctor_say_damaged(doctor, why);
}

static int look_at_networks(struct doctor *d, struct err *e)
{
    _cleanup_close_ int root = open(d->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const char *instance = d->store ? d->store->instance : "0000000000000000";
    int r = bridge_look(root, d->store ? d->store->run_fd : -1, instance, &d->bridge, e);
    if (r == 0 && root >= 0 && faccessat(root, "networks", F_OK, 0) == 0)
        r = network_judge_each(d->bridge, take_network, say_damaged, d, e);
    d->any_defined = d->network_count > 0;
    return r < 0 || d->any_defined ? r : imagine_network(d, e);
}

int doctor_look(struct doctor *d, struct err *e)
{
    _cleanup_err_ struct err none = ERR_INIT;
    d->findings = json_array();
    int r = rt_open(&d->rt, e);
    if (r == 0)
        r = rt_each_link(d->rt, take_link, d, e);
    if (r == 0)
        r = rt_each_route(d->rt, take_route, d, e);
    if (r == 0)
        r = look_at_networks(d, e);
    /* Without nf_tables there are no tables; that they lack is the kernel's check to say. */
    if (r == 0 && foreign_read(&d->foreign, &none) < 0)
        d->foreign = NULL;
    return r;
}

void doctor_clear(struct doctor *d)
{
    for (size_t i = 0; i < d->network_count; i++)
        network_clear(&d->networks[i]);
    free(d->networks);
    free(d->links);
    free(d->routes);
    foreign_free(d->foreign);
    bridge_close(d->bridge);
    rt_close(d->rt);
    json_decref(d->findings);
}

/* ---- look up ---------------------------------------------------------------------------------*/

const struct link *doctor_link(const struct doctor *d, const char *name)
{
    for (size_t i = 0; i < d->link_count; i++)
        if (streq(d->links[i].name, name))
            return &d->links[i];
    return NULL;
}

const struct link *doctor_link_at(const struct doctor *d, int index)
{
    for (size_t i = 0; i < d->link_count; i++)
        if (d->links[i].index == index)
            return &d->links[i];
    return NULL;
}

bool doctor_is_uplink(const struct doctor *d, const struct link *l)
{
    for (size_t i = 0; i < d->route_count; i++)
        if (d->routes[i].prefix == 0 && d->routes[i].oif == l->index)
            return true;
    return false;
}

const char *doctor_uplink(const struct doctor *d)
{
    for (size_t i = 0; i < d->link_count; i++)
        if (doctor_is_uplink(d, &d->links[i]))
            return d->links[i].name;
    return NULL;
}

int64_t doctor_sysctl(int64_t fallback, const char *format, ...)
{
    _cleanup_free_ char *key = NULL;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&key, format, args);
    va_end(args);
    _cleanup_free_ char *value = n < 0 ? NULL : sysctl_read(key);
    return value && *value ? strtoll(value, NULL, 10) : fallback;
}
