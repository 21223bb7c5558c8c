/* Checks the host's own network: sysctls, routes, and tables that can be full. */
#include "doctor/doctor.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define PORTS_MAX 1023 /* ports of a bridge: BR_MAX_PORTS is 1 << 10, and number 0 is not used */

/* ---- forwarding ------------------------------------------------------------------------------*/

static char *dotted(const char *key)
{
    if (strstr(key, "force_forwarding"))
        return xstrdup("net.ipv6.conf.*.force_forwarding");
    char *name = xstrdup(key);
    for (char *p = name; *p; p++)
        if (*p == '/')
            *p = '.';
    return name;
}

static void note_closed(struct doctor *d, const json_t *forwarding, const char *family,
                        const char *title)
{
    const json_t *closed = json_object_get(json_object_get(forwarding, family), "closed");
    size_t i, count = json_array_size(closed);
    const json_t *link;
    if (count < 2)
        return;
    _cleanup_strings_ struct strings quoted = {0};
    json_array_foreach (closed, i, link) {
        strings_add_take(&quoted, xasprintf("`%s`", json_string_value(link)));
    }
    _cleanup_free_ char *links = strv_join(quoted.items, ", ");
    doctor_say(d, NOTE, xstrdup("netctr network forwarding --open"),
               "netctr enabled %s forwarding for containers only: it drops packets from one of "
               "the links %s to another",
               title, links);
}

/* For kernels with per-link IPv6 forwarding (Linux 6.17). */
static void check_uplink6(struct doctor *d, const struct link *l)
{
    if (doctor_is_uplink(d, l) && doctor_sysctl(0, "net/ipv6/conf/all/forwarding") == 0 &&
        doctor_sysctl(1, "net/ipv6/conf/%s/force_forwarding", l->name) == 0)
        doctor_say(d, PROBLEM, xasprintf("sysctl -w net.ipv6.conf.%s.force_forwarding=1", l->name),
                   "IPv6 packets that arrive on `%s` are not forwarded "
                   "(net.ipv6.conf.%s.force_forwarding is 0), so no reply reaches a container",
                   l->name, l->name);
}

int check_forwarding(struct doctor *d, struct err *e)
{
    bool four = false, six = false;
    _cleanup_json_ json_t *forwarding = NULL;
    int r = net_forwarding(d->bridge, &forwarding, e);
    if (r == -EBADMSG)
        doctor_say_damaged(d, e);
    else if (r < 0)
        return r;
    note_closed(d, forwarding, "ipv4", "IPv4");
    note_closed(d, forwarding, "ipv6", "IPv6");
    for (size_t i = 0; i < d->network_count; i++) {
        const struct network *n = &d->networks[i];
        if (!doctor_link(d, n->bridge))
            continue; /* forwarding is enabled when the bridge comes up */
        const char *missing = net_forwarding_missing(n);
        _cleanup_free_ char *name = missing ? dotted(missing) : NULL;
        if (missing)
            doctor_say(d, PROBLEM, xstrdup("netctr network reload"),
                       "this host does not forward (%s is 0, but netctr had enabled it), so "
                       "network `%s` has no way out and its published ports are unreachable",
                       name, n->name);
        four = four || (network_has_gateway(n) && n->subnet4.prefix);
        six = six || (network_has_gateway(n) && n->subnet6.prefix);
    }
    for (size_t i = 0; six && i < d->link_count; i++)
        check_uplink6(d, &d->links[i]);
    for (size_t i = 0; four && i < d->link_count; i++) {
        const char *name = d->links[i].name;
        if (doctor_is_uplink(d, &d->links[i]) && doctor_sysctl(1, "net/ipv4/ip_forward") == 1 &&
            doctor_sysctl(1, "net/ipv4/conf/%s/forwarding", name) == 0)
            doctor_say(d, PROBLEM, xasprintf("sysctl -w net.ipv4.conf.%s.forwarding=1", name),
                       "packets that arrive on `%s` are not forwarded "
                       "(net.ipv4.conf.%s.forwarding is 0), so published ports are unreachable "
                       "through it",
                       name, name);
    }
    return 0;
}

/* With one uplink, replies always leave by the link that the requests came in by. */
int check_reverse_path(struct doctor *d, struct err *e)
{
    (void)e;
    size_t uplinks = 0;
    for (size_t i = 0; i < d->link_count; i++)
        uplinks += doctor_is_uplink(d, &d->links[i]);
    int64_t all = doctor_sysctl(0, "net/ipv4/conf/all/rp_filter");
    for (size_t i = 0; uplinks > 1 && i < d->link_count; i++) {
        const char *name = d->links[i].name;
        int64_t own = doctor_sysctl(0, "net/ipv4/conf/%s/rp_filter", name);
        if (!doctor_is_uplink(d, &d->links[i]) || (all > own ? all : own) != 1)
            continue;
        doctor_say(
            d, WARNING, xasprintf("sysctl -w net.ipv4.conf.%s.rp_filter=2", name),
            "`%s` drops packets whose replies would leave by another link (rp_filter is 1), and "
            "%zu links have a default route: published ports are not reachable through each of "
            "them",
            name, uplinks);
    }
    return 0;
}

static bool has_default6(const struct doctor *d)
{
    for (size_t i = 0; i < d->route_count; i++)
        if (d->routes[i].family == AF_INET6 && d->routes[i].prefix == 0)
            return true;
    return false;
}

int check_advertisements(struct doctor *d, struct err *e)
{
    (void)e;
    /* A host with a static default route needs no advertisements. */
    if (doctor_sysctl(0, "net/ipv6/conf/all/forwarding") != 1 || has_default6(d))
        return 0;
    for (size_t i = 0; i < d->link_count; i++) {
        const char *name = d->links[i].name;
        if (!doctor_is_uplink(d, &d->links[i]) ||
            doctor_sysctl(0, "net/ipv6/conf/%s/accept_ra", name) != 1)
            continue;
        doctor_say(d, WARNING, xasprintf("sysctl -w net.ipv6.conf.%s.accept_ra=2", name),
                   "`%s` ignores router advertisements, because this host forwards IPv6 "
                   "(accept_ra is 1), and there is no other IPv6 default route",
                   name);
    }
    return 0;
}

/* ---- addresses -------------------------------------------------------------------------------*/

static void check_route(struct doctor *d, const struct network *n, const struct subnet *s,
                        const struct route *r)
{
    const struct link *link = doctor_link_at(d, r->oif), *own = doctor_link(d, n->bridge);
    struct subnet other = {r->destination, r->prefix};
    other.address.family = r->family;
    if (!s->prefix || r->prefix == 0 || (own && r->oif == own->index) ||
        s->address.family != r->family || !subnet_overlaps(&other, s))
        return;
    /* The default network chooses another prefix when it is created. */
    if (!d->any_defined)
        return;
    _cleanup_free_ char *theirs = subnet_text(&other), *ours = subnet_text(s);
    bool steals = r->prefix >= s->prefix;
    const char *dev = link ? link->name : "several";
    doctor_say(
        d, steals ? PROBLEM : WARNING,
        xasprintf("ip %sroute del %s dev %s", r->family == AF_INET6 ? "-6 " : "", theirs, dev),
        steals ? "the route to %s on `%s` diverts packets from network `%s` (%s); without that "
                 "route, or with another subnet for the network, they arrive"
               : "the route to %s on `%s` includes the addresses of network `%s` (%s): this host "
                 "does not reach hosts with these addresses behind it",
        theirs, dev, n->name, ours);
}

int check_subnets(struct doctor *d, struct err *e)
{
    (void)e;
    for (size_t i = 0; i < d->network_count; i++)
        for (size_t k = 0; k < d->route_count; k++) {
            check_route(d, &d->networks[i], &d->networks[i].subnet4, &d->routes[k]);
            check_route(d, &d->networks[i], &d->networks[i].subnet6, &d->routes[k]);
        }
    return 0;
}

int check_nameservers(struct doctor *d, struct err *e)
{
    (void)e;
    _cleanup_file_ FILE *file = fopen("/etc/resolv.conf", "re");
    char line[512];
    while (file && fgets(line, sizeof(line), file)) {
        struct ip server;
        _cleanup_free_ char *address = nameserver_parse(line, &server);
        if (!address || !server.family)
            continue;
        for (size_t i = 0; d->any_defined && i < d->network_count; i++) {
            const struct network *n = &d->networks[i];
            const struct subnet *s = server.family == AF_INET ? &n->subnet4 : &n->subnet6;
            if (!s->prefix || !subnet_contains(s, &server))
                continue;
            _cleanup_free_ char *subnet = subnet_text(s);
            doctor_say(d, PROBLEM,
                       xasprintf("name another nameserver than %s in /etc/resolv.conf, or give "
                                 "network `%s` another subnet",
                                 address, n->name),
                       "the nameserver %s of /etc/resolv.conf is among the addresses of network "
                       "`%s` (%s), so this host does not reach it",
                       address, n->name, subnet);
        }
    }
    return 0;
}

/* The container behind a port, by the port's ifalias; caller frees. */
static char *container_of(const struct link *port)
{
    const char *mark = skip_prefix(port->alias, "netctr "), *name = mark ? strchr(mark, ' ') : NULL,
               *end = name ? strstr(name + 1, " on ") : NULL;
    return end ? xstrndup(name + 1, (size_t)(end - name - 1)) : NULL;
}

/* A running container keeps the MTU that its bridge had when it started. */
static char *cure_mtu(const struct doctor *d, const struct link *bridge, unsigned most)
{
    _cleanup_strv_ strv commands = NULL, names = NULL;
    if (bridge->mtu > most)
        strv_add_take(&commands, xasprintf("ip link set %s mtu %u", bridge->name, most));
    for (size_t i = 0; i < d->link_count; i++) {
        const struct link *port = &d->links[i];
        char *name = port->master == bridge->index && port->mtu > most ? container_of(port) : NULL;
        if (name)
            strv_add_take(&names, name);
    }
    if (names) {
        _cleanup_free_ char *all = strv_join(names, " ");
        strv_add_take(&commands, xasprintf("netctr restart %s", all));
    }
    return strv_join(commands, " && ");
}

int check_mtu(struct doctor *d, struct err *e)
{
    (void)e;
    const char *name = doctor_uplink(d);
    const struct link *up = name ? doctor_link(d, name) : NULL;
    for (size_t i = 0; up && i < d->network_count; i++) {
        const struct network *n = &d->networks[i];
        const struct link *own = doctor_link(d, n->bridge);
        unsigned largest = own ? own->mtu : n->mtu;
        for (size_t k = 0; own && k < d->link_count; k++)
            if (d->links[k].master == own->index && d->links[k].mtu > largest)
                largest = d->links[k].mtu;
        if (!network_has_gateway(n) || largest <= up->mtu)
            continue;
        doctor_say(d, WARNING,
                   n->mtu > up->mtu || !own
                       ? xasprintf("remove network `%s` and create it again with --mtu %u", n->name,
                                   up->mtu)
                       : cure_mtu(d, own, up->mtu),
                   "packets of network `%s` may be larger (MTU %u) than `%s` allows (%u): if "
                   "ICMP errors are lost on the way, connections hang",
                   n->name, largest, up->name, up->mtu);
    }
    return 0;
}

/* ---- limits ----------------------------------------------------------------------------------*/

int check_ports(struct doctor *d, struct err *e)
{
    (void)e;
    for (size_t i = 0; i < d->network_count; i++) {
        const struct link *own = doctor_link(d, d->networks[i].bridge);
        size_t ports = 0;
        for (size_t k = 0; own && k < d->link_count; k++)
            ports += d->links[k].master == own->index;
        if (ports < PORTS_MAX * 9 / 10)
            continue;
        doctor_say(d, ports < PORTS_MAX ? WARNING : PROBLEM,
                   xasprintf("put further containers on another network"),
                   "bridge `%s` has %zu ports of the %d that the kernel allows", own->name, ports,
                   PORTS_MAX);
    }
    return 0;
}

int check_neighbours(struct doctor *d, struct err *e)
{
    static const struct {
        int family;
        const char *name;
    } families[] = {{AF_INET, "ipv4"}, {AF_INET6, "ipv6"}};
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        struct neighbours n;
        int r = rt_get_neighbours(d->rt, families[i].family, &n, e);
        if (r < 0)
            return r;
        unsigned used = n.entries > n.permanent ? n.entries - n.permanent : 0;
        if (!n.soft || used < n.soft / 2)
            continue;
        doctor_say(d, used < n.hard ? WARNING : PROBLEM,
                   xasprintf("sysctl -w net.%s.neigh.default.gc_thresh3=%u "
                             "net.%s.neigh.default.gc_thresh2=%u",
                             families[i].name, n.hard * 8, families[i].name, n.soft * 8),
                   "the %s neighbour table of this machine has %u entries; from %u on the kernel "
                   "drops some, and at %u it reaches no new host",
                   families[i].name, used, n.soft, n.hard);
    }
    return 0;
}

int check_conntrack(struct doctor *d, struct err *e)
{
    (void)e;
    int64_t count = doctor_sysctl(0, "net/netfilter/nf_conntrack_count"),
            max = doctor_sysctl(0, "net/netfilter/nf_conntrack_max");
    if (max <= 0 || count < max / 10 * 8)
        return 0;
    doctor_say(d, count < max / 100 * 95 ? WARNING : PROBLEM,
               xasprintf("sysctl -w net.netfilter.nf_conntrack_max=%lld", (long long)max * 4),
               "%lld of at most %lld connections are tracked; at the limit new ones are dropped",
               (long long)count, (long long)max);
    return 0;
}
