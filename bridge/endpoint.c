/* Attaches a container to a network, and detaches it.
 *
 * lease → record → guard → veth → addresses, routes → forwarding → ports → stale flows deleted; then
 * or later the announcement
 *
 * The order matters. The record is written before anything is created. The guard knows the endpoint
 * before its first packet. Ports are published last, when the path behind them works, so that a
 * client that retries all the time is answered at once and not a second later. Undo runs in the
 * opposite order and finds everything by name, from the record.
 */
#include "bridge.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#define LOOPBACK_INDEX 1

/* ---- steps -----------------------------------------------------------------------------------*/

/* Unique as long as the container exists. Ids are random and never used again, so a veth that is
 * still being deleted cannot block the next one. */
char *endpoint_port_name(const char *id, const char *network)
{
    _cleanup_free_ char *full = xasprintf("%s/%s", id, network);
    return xasprintf("vc-%011" PRIx64, hash64(full) & 0xfffffffffff);
}

static struct lease_request wanted_lease(const struct endpoint_request *request)
{
    struct lease_request wanted = {
        .address4 = request->address4,
        .address6 = request->address6,
        .container = request->container,
        .owner = request->id,
    };
    memcpy(wanted.mac, request->mac, 6);
    return wanted;
}

int endpoint_examine(struct net *net, const struct network *n,
                     const struct endpoint_request *request, struct err *e)
{
    struct pool pool = network_pool(n);
    struct lease_request wanted = wanted_lease(request);
    if (n->no_addresses)
        return 0;
    int r = lease_examine(net->leases_fd, &pool, &wanted, request->holder, e);
    if (r < 0)
        err_wrap(e, "network `%s`", n->name);
    return r;
}

/* Random ids make it unique: nothing else tells containers apart where there are no addresses. */
static void derive_mac(const struct endpoint_request *request, const char *network, uint8_t mac[6])
{
    static const uint8_t none[6];
    _cleanup_free_ char *text = xasprintf("%s/%s mac", request->id, network);
    uint64_t h = hash64(text);
    memcpy(mac, request->mac, 6);
    if (memcmp(mac, none, 6) != 0)
        return;
    mac[0] = 0x02;
    memcpy(mac + 1, &h, 5);
}

static int take_lease(struct net *net, const struct network *n,
                      const struct endpoint_request *request, struct endpoint *ep, struct err *e)
{
    _cleanup_lease_ struct lease lease = {0};
    struct pool pool = network_pool(n);
    struct lease_request wanted = wanted_lease(request);
    if (n->no_addresses) {
        derive_mac(request, n->name, ep->mac);
        return 0;
    }
    int r = lease_acquire(net->leases_fd, &pool, &wanted, &lease, e);
    if (r == -EADDRINUSE && request->holder) {
        *request->holder = lease;
        lease = (struct lease){0};
    }
    if (r < 0)
        return r;
    ep->address4 = lease.address4;
    ep->address6 = lease.address6;
    memcpy(ep->mac, lease.mac, 6);
    return 0;
}

static struct endpoint describe(const struct network *n, const struct endpoint_request *request)
{
    struct endpoint ep = {
        .network = xstrdup(n->name),
        .bridge = xstrdup(n->bridge),
        .container = xstrdup(request->container),
        .id = xstrdup(request->id),
        .host_veth = endpoint_port_name(request->id, n->name),
        .interface = xstrdup(request->interface),
        .guard = n->guard,
        .routed = n->mode == GATEWAY_ROUTED,
        .unheld = request->unheld,
        .priority = request->unheld ? request->priority : 0,
        .rate = request->rate,
        .metric = request->metric,
        .gateway4 = request->gateway4,
        .gateway6 = request->gateway6,
        .routes = strv_copy(request->routes),
        .aliases = strv_copy(request->aliases),
    };
    port_mappings_add(&ep.port_mappings, request->port_mappings);
    return ep;
}

static int add_guard(struct net *net, const struct endpoint *ep, struct err *e)
{
    _cleanup_fw_batch_ struct fw_batch *batch = fw_batch_new(net->fw);
    struct fw_guard guard = endpoint_guard(ep);
    fw_add_guard(batch, &guard);
    return fw_commit(batch, e);
}

static void add_veth(struct rt_batch *batch, const struct link *bridge, int netns,
                     const struct endpoint *ep)
{
    struct veth veth = {
        .host = ep->host_veth,
        .master = bridge->index,
        .mtu = bridge->mtu,
        .peer = ep->interface,
        .peer_netns = netns,
    };
    memcpy(veth.peer_mac, ep->mac, 6);
    endpoint_port_mac(ep, veth.host_mac);
    rt_add_veth(batch, &veth);
}

void endpoint_port_mac(const struct endpoint *ep, uint8_t mac[6])
{
    memcpy(mac, ep->mac, 6);
    mac[1] ^= 0x01; /* 02:43:… */
}

char *endpoint_port_alias(struct net *net, const struct endpoint *ep)
{
    return xasprintf("netctr %s %s on %s", net->instance, ep->container, ep->network);
}

/* A guarded port has a static entry for its MAC and does not learn, so that no frame can move
 * another endpoint's MAC to this port. */
struct port_flags endpoint_port_flags(const struct network *n, const struct endpoint *ep)
{
    return (struct port_flags){.hairpin = true, .isolated = !n->icc, .learning = !ep->guard};
}

/* Permanent entries save ARP and cannot be evicted by a full neighbour table. Without the guard, a
 * container may use other addresses and MACs and hand these on. The host does not talk to an
 * isolated network. */
bool endpoint_has_neighbours(const struct network *n, const struct endpoint *ep)
{
    return ep->guard && n->mode != GATEWAY_ISOLATED;
}

/* What a port needs once it is in its bridge, apart from the steps that need its index. */
static void configure_port(struct rt_batch *batch, struct net *net, const struct link *bridge,
                           const struct network *n, const struct endpoint *ep)
{
    _cleanup_free_ char *alias = endpoint_port_alias(net, ep);
    bool known = endpoint_has_neighbours(n, ep);
    rt_set_port(batch, ep->host_veth, endpoint_port_flags(n, ep), alias);
    if (known && ep->address4.family)
        rt_add_neighbour(batch, bridge->index, &ep->address4, ep->mac);
    if (known && ep->address6.family)
        rt_add_neighbour(batch, bridge->index, &ep->address6, ep->mac);
}

/* The host's end belongs to the bridge, not to the host's IP stack. With IPv6 it would have a
 * link-local address, and would accept router advertisements as soon as it leaves the bridge.
 * (IFF_NOARP does the same for IPv4.) */
static int disable_ipv6(struct net *net, const struct endpoint *ep, struct err *e)
{
    _cleanup_free_ char *key = xasprintf("net/ipv6/conf/%s/disable_ipv6", ep->host_veth);
    int r = sysctls_write(&net->sysctls, key, "1", e);
    if (r != -ENOENT) /* a kernel without IPv6 */
        return r;
    err_clear(e);
    return 0;
}

/* The port comes up last, when everything else is in place. */
static int configure_port_by_index(struct net *net, const struct endpoint *ep, struct err *e)
{
    struct link port;
    int r = disable_ipv6(net, ep, e);
    if (r < 0)
        return r;
    r = rt_get_link(net->rt, ep->host_veth, &port);
    if (r < 0)
        return err_set(e, r, "find veth `%s`", ep->host_veth);
    _cleanup_rt_batch_ struct rt_batch *batch = rt_batch_new(net->rt);
    if (ep->guard)
        rt_add_fdb(batch, port.index, ep->mac);
    rate_set(batch, &port, ep, RATE_OUTSIDE);
    rt_set_up(batch, port.index);
    return rt_commit(batch, e);
}

/* A foreign namespace has links of its own. */
static bool is_inside(int netns, const char *interface)
{
    struct link link;
    _cleanup_rt_ struct rt *rt = NULL;
    return netns_open_rt(netns, &rt, NULL) == 0 && rt && rt_get_link(rt, interface, &link) == 0;
}

static int make_port(struct net *net, const struct link *bridge, int netns, const struct network *n,
                     const struct endpoint *ep, struct err *e)
{
    struct link port;
    _cleanup_rt_batch_ struct rt_batch *batch = rt_batch_new(net->rt);
    /* A previous run of the container used the same name, and its veth may still be there. */
    if (rt_get_link(net->rt, ep->host_veth, &port) == 0)
        rt_delete_link(batch, ep->host_veth);
    add_veth(batch, bridge, netns, ep);
    configure_port(batch, net, bridge, n, ep);
    int r = rt_commit(batch, e);
    if (r == -EXFULL)
        err_say(e, r, "bridge `%s` is full: the kernel allows 1,023 ports", ep->bridge);
    if (r == -EEXIST && is_inside(netns, ep->interface))
        err_say(e, r, "the network namespace has a link `%s` already", ep->interface);
    return r < 0 ? r : configure_port_by_index(net, ep, e);
}

int endpoint_configure_port(struct net *net, const struct network *n, const struct link *bridge,
                            const struct endpoint *ep, struct err *e)
{
    _cleanup_rt_batch_ struct rt_batch *batch = rt_batch_new(net->rt);
    configure_port(batch, net, bridge, n, ep);
    int r = rt_commit(batch, e);
    return r < 0 ? r : configure_port_by_index(net, ep, e);
}

static int find_interface(struct rt *inside, const char *name, struct link *link, struct err *e)
{
    int r = rt_get_link(inside, name, link);
    return r < 0 ? err_set(e, r, "find `%s` in the container's network namespace", name) : 0;
}

static int configure(struct rt *inside, const struct link *own, const struct network *n,
                     const struct endpoint *ep, uint32_t metric, struct err *e)
{
    int index = own->index;
    _cleanup_rt_batch_ struct rt_batch *batch = rt_batch_new(inside);
    rate_set(batch, own, ep, RATE_INSIDE);
    rt_set_up(batch, LOOPBACK_INDEX);
    if (ep->address4.family)
        rt_add_address(batch, index, &ep->address4, n->subnet4.prefix);
    if (ep->address6.family)
        rt_add_address(batch, index, &ep->address6, n->subnet6.prefix);
    rt_set_up(batch, index);
    const struct ip gateways[] = {endpoint_gateway(n, ep, AF_INET),
                                  endpoint_gateway(n, ep, AF_INET6)};
    for (size_t i = 0; i < ARRAY_LEN(gateways); i++)
        if (gateways[i].family)
            rt_add_default_route(batch, index, &gateways[i], metric);
    struct endpoint_routes routes = endpoint_wanted_routes(n, ep, index);
    for (size_t i = 0; i < routes.count; i++)
        rt_add_route(batch, &routes.items[i]);
    endpoint_routes_clear(&routes);
    return rt_commit(batch, e);
}

int endpoint_set_metric(const struct network *n, struct endpoint *ep, struct rt *inside,
                        uint32_t metric, int record_dir, struct err *e)
{
    const struct ip gateways[] = {endpoint_gateway(n, ep, AF_INET),
                                  endpoint_gateway(n, ep, AF_INET6)};
    struct link own;
    int r = find_interface(inside, ep->interface, &own, e);
    if (r < 0)
        return r;
    _cleanup_rt_batch_ struct rt_batch *batch = rt_batch_new(inside);
    for (size_t i = 0; i < ARRAY_LEN(gateways); i++)
        if (gateways[i].family) {
            rt_add_default_route(batch, own.index, &gateways[i], metric);
            rt_delete_default_route(batch, own.index, &gateways[i], ep->metric);
        }
    r = rt_commit(batch, e);
    if (r < 0)
        return r;
    ep->metric = metric;
    return endpoint_save(ep, record_dir, e);
}

/* The definition may have been changed since it was read, by a command that has not found this endpoint, or not its
 * interface. One that changes it from now on finds both. */
static int follow_change(struct net *net, const struct network *n, struct rt *inside,
                         const struct endpoint *ep, struct err *e)
{
    _cleanup_network_ struct network now = {0};
    if (network_read(net, n->name, &now, NULL) < 0 || strv_equal(now.routes, n->routes))
        return 0; /* removed meanwhile: others say so */
    return endpoint_settle_routes(&now, ep, inside, e);
}

/* Three things take effect asynchronously. A bridge port forwards only after the kernel's link
 * watch has seen its carrier. A bridge without other ports sends only after the same has happened
 * to the bridge. A container accepts packets to its IPv6 address only after a work queue has added
 * the local route. A packet that arrives earlier is lost, and its sender retries a second later. */
static int is_reachable(struct net *net, struct rt *inside, const struct endpoint *ep,
                        struct err *e)
{
    struct link port, bridge;
    int r = rt_get_link(net->rt, ep->host_veth, &port);
    if (r == 0)
        r = rt_get_link(net->rt, ep->bridge, &bridge);
    if (r < 0)
        return err_set(e, r, "look at veth `%s` and bridge `%s`", ep->host_veth, ep->bridge);
    if (!port.forwarding || !bridge.carrier || !ep->address6.family)
        return port.forwarding && bridge.carrier;
    r = rt_is_local(inside, &ep->address6);
    return r < 0 ? err_set(e, r, "look for the route to the container's IPv6 address") : r;
}

static int wait_until_reachable(struct net *net, struct rt *inside, const struct endpoint *ep,
                                struct err *e)
{
    struct timespec pause = {.tv_nsec = 50000};
    for (int waited_us = 0; waited_us < 2000000;) {
        int r = is_reachable(net, inside, ep, e);
        if (r != 0)
            return r < 0 ? r : 0;
        nanosleep(&pause, NULL);
        waited_us += (int)(pause.tv_nsec / 1000);
        if (pause.tv_nsec < 1000000)
            pause.tv_nsec *= 2;
    }
    return err_say(e, -ETIMEDOUT, "timed out waiting for bridge port `%s` to start forwarding",
                   ep->host_veth);
}

/* ---- attach ----------------------------------------------------------------------------------*/

static int attach_steps(struct net *net, const struct network *n, int netns, struct rt *inside,
                        const struct endpoint_request *request, const struct endpoint *ep,
                        struct err *e)
{
    struct link bridge, own;
    int r = rt_get_link(net->rt, n->bridge, &bridge);
    if (r < 0)
        return err_set(e, r, "find bridge `%s`", n->bridge);
    if ((r = add_guard(net, ep, e)) < 0 || (r = make_port(net, &bridge, netns, n, ep, e)) < 0 ||
        (r = find_interface(inside, ep->interface, &own, e)) < 0 ||
        (r = endpoint_set_ipv6(netns, n, ep, request, e)) < 0 ||
        (r = endpoint_set_sysctls(netns, n, ep, e)) < 0 ||
        (r = configure(inside, &own, n, ep, request->metric, e)) < 0 ||
        (r = follow_change(net, n, inside, ep, e)) < 0 ||
        (r = wait_until_reachable(net, inside, ep, e)) < 0 ||
        (r = endpoint_open_ports(net, ep, e)) < 0)
        return r;
    return endpoints_end_stale_flows(ep, 1, e);
}

static int write_record(const struct endpoint_request *request, const struct endpoint *ep,
                        int record_dir, struct err *e)
{
    _cleanup_close_ int lock = request->lock(request->lock_arg, e);
    return lock < 0 ? lock : endpoint_save(ep, record_dir, e);
}

/* Takes the lock, because a reload that has read the record and commits after the guard was deleted
 * would bring guard and ports back without a record. If the lock cannot be had, the record stays,
 * and the cleanup of the container undoes everything. */
static void undo_attach(struct net *net, const struct endpoint *ep,
                        const struct endpoint_request *request, int record_dir)
{
    _cleanup_err_ struct err ignored = ERR_INIT;
    _cleanup_close_ int lock = request->lock(request->lock_arg, &ignored);
    if (lock >= 0)
        (void)endpoint_detach(net, ep, false, record_dir, &ignored);
}

int endpoint_attach(struct net *net, const struct network *n, int netns, struct rt *inside,
                    const struct endpoint_request *request, int record_dir, struct endpoint *out,
                    struct err *e)
{
    _cleanup_free_ char *record = endpoint_record_name(n->name);
    int known = file_exists_at(record_dir, record);
    if (known < 0)
        return err_set(e, known, "look for the endpoint's record `%s`", record);
    if (known)
        return err_say(e, -EEXIST, "container `%s` is on network `%s` already", request->container,
                       n->name);
    struct endpoint ep = describe(n, request);
    int r = take_lease(net, n, request, &ep, e);
    if (r == 0)
        r = write_record(request, &ep, record_dir, e);
    if (r == 0)
        r = attach_steps(net, n, netns, inside, request, &ep, e);
    if (r < 0) {
        undo_attach(net, &ep, request, record_dir);
        endpoint_clear(&ep);
        err_wrap(e, "network `%s`", n->name);
        return r;
    }
    *out = ep;
    return 0;
}

/* ---- detach ----------------------------------------------------------------------------------*/

static int remove_veth(struct net *net, const struct endpoint *ep, bool defer_link, struct err *e)
{
    struct link bridge, port;
    _cleanup_rt_batch_ struct rt_batch *batch = rt_batch_new(net->rt);
    /* Permanent neighbours outlive the container and would mislead the next holder of the
     * address. */
    int r = rt_get_link(net->rt, ep->bridge, &bridge);
    if (r < 0 && r != -ENODEV)
        return err_set(e, r, "find bridge `%s`", ep->bridge);
    if (r == 0) {
        if (ep->address4.family)
            rt_delete_neighbour(batch, bridge.index, &ep->address4);
        if (ep->address6.family)
            rt_delete_neighbour(batch, bridge.index, &ep->address6);
    }
    if (!defer_link && (r = rt_get_link(net->rt, ep->host_veth, &port)) == 0)
        rt_remove_link(batch, port.index);
    else if (!defer_link && r != -ENODEV)
        return err_set(e, r, "find veth `%s`", ep->host_veth);
    return rt_commit(batch, e);
}

static int delete_guard(struct net *net, const struct endpoint *ep, struct err *e)
{
    _cleanup_fw_batch_ struct fw_batch *batch = fw_batch_new(net->fw);
    struct fw_guard guard = endpoint_guard(ep);
    fw_del_guard(batch, &guard);
    return fw_commit(batch, e);
}

static int delete_flows(struct net *net, const struct endpoint *ep, struct err *e)
{
    struct ip addresses[2];
    size_t count = 0;
    if (ep->address4.family)
        addresses[count++] = ep->address4;
    if (ep->address6.family)
        addresses[count++] = ep->address6;
    int r = flows_end_addresses(net->fw, addresses, count, e);
    return r == -EOPNOTSUPP ? 0 : r;
}

/* A damaged lease blocks its address until it is rebuilt from the endpoints in use. */
static int release_lease(struct net *net, const struct endpoint *ep, struct err *e)
{
    int r = lease_release(net->leases_fd, ep->network, ep->id, e);
    if (r == -EBADMSG && e)
        warn("%s", e->text);
    return r == -EBADMSG ? 0 : r;
}

int endpoint_detach(struct net *net, const struct endpoint *ep, bool defer_link, int record_dir,
                    struct err *e)
{
    int result = 0;
    _cleanup_err_ struct err step = ERR_INIT;
    err_note(&result, endpoint_close_ports(net, ep, &step), e, &step);
    int removed = remove_veth(net, ep, defer_link && ep->guard, &step);
    err_note(&result, removed, e, &step);
    if (removed < 0) /* still connected: it keeps its guard and its address */
        return result;
    err_note(&result, delete_guard(net, ep, &step), e, &step);
    err_note(&result, delete_flows(net, ep, &step), e, &step);
    err_note(&result, release_lease(net, ep, &step), e, &step);
    _cleanup_free_ char *record = endpoint_record_name(ep->network);
    if (result == 0 && unlinkat(record_dir, record, 0) < 0 && errno != ENOENT)
        return err_set(e, errno, "remove the endpoint's record");
    return result;
}

int endpoint_forget_lease(struct net *net, const char *network, const char *id, struct err *e)
{
    return release_lease(net, &(struct endpoint){.network = (char *)network, .id = (char *)id}, e);
}

/* ---- without a record ------------------------------------------------------------------------*/

struct forgetting {
    struct net *net;
    const char *id;
    int first; /* first failure */
    struct err *e;
};

static int forget_one(struct forgetting *f, const struct network *n, struct err *e)
{
    _cleanup_lease_ struct lease lease = {0};
    int r = lease_find(f->net->leases_fd, n->name, f->id, &lease, e);
    if (r == -EBADMSG) { /* as in release_lease() */
        err_clear(e);
        return 0;
    }
    if (r <= 0)
        return r;
    _cleanup_endpoint_ struct endpoint ep = {.address4 = lease.address4,
                                             .address6 = lease.address6};
    memcpy(ep.mac, lease.mac, 6);
    ep.bridge = xstrdup(n->bridge);
    ep.host_veth = endpoint_port_name(f->id, n->name);
    ep.guard = n->guard;
    r = remove_veth(f->net, &ep, false, e);
    if (r == 0)
        r = delete_guard(f->net, &ep, e);
    return r < 0 ? r : lease_release(f->net->leases_fd, n->name, f->id, e);
}

/* A failure on one network does not stop the others. */
static int forget_on(const struct network *n, void *arg)
{
    struct forgetting *f = arg;
    _cleanup_err_ struct err step = ERR_INIT;
    err_note(&f->first, forget_one(f, n, &step), f->e, &step);
    return 0;
}

int endpoint_forget(struct net *net, const char *id, struct err *e)
{
    struct forgetting f = {.net = net, .id = id, .e = e};
    _cleanup_err_ struct err step = ERR_INIT;
    err_note(&f.first, network_each(net, forget_on, &f, &step), e, &step);
    return f.first;
}
