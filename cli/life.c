/* A container's whole life, and the one place where its two halves meet: core's process and bridge's
 * endpoint.
 *
 *     look before → claim → create → attach (while the child mounts) → start → watch over → leave
 */
#include "world.h"

#include "resolv.h"

#include <netctr/listener.h>
#include <netctr/proxy.h>

#include <errno.h>

struct living {
    struct rlimit nofile; /* the caller's, before ports are held */
    struct world *world;
    struct life *life;
    struct container container;
    struct bridge *bridge;
    struct network network;
    struct endpoint endpoint;
    struct held_ports held;
    bool networked; /* on a network of ours */
    int netns;      /* kept until the endpoint is detached: a namespace that dies holds RTNL for
                       milliseconds, and whatever we ask of the kernel meanwhile waits for it */
};

static bool own_network(const struct spec *s)
{
    return !streq(s->network, "host") && !streq(s->network, "none");
}

/* The port's other user, if it is one of ours. */
struct search {
    struct world *world;
    const struct publish *wanted;
    char *owner;
};

static int find_publisher(const struct record *r, void *arg)
{
    struct search *s = arg;
    _cleanup_endpoint_ struct endpoint ep = {0};
    _cleanup_close_ int dir = store_live_dir(&s->world->store, r->spec.name);
    if (dir < 0 || endpoint_load(dir, &ep, NULL) < 0)
        return 0;
    for (size_t i = 0; i < ep.publishes.count && !s->owner; i++) {
        const struct publish *p = &ep.publishes.items[i];
        if (p->host_port == s->wanted->host_port && p->protocol == s->wanted->protocol)
            s->owner = xstrdup(r->spec.name);
    }
    return 0;
}

static int hold_ports(struct living *l, struct err *e)
{
    struct publish_list *list = &l->life->publishes;
    struct search s = {.world = l->world};
    int ipv6 = file_exists_at(AT_FDCWD, "/proc/net/if_inet6");
    if (ipv6 < 0)
        return err_set(e, ipv6, "look whether the host has IPv6");
    int r = publish_hold(list, ipv6, &l->held, &s.wanted, e);
    if (r == -EADDRINUSE && s.wanted) {
        (void)store_each(&l->world->store, find_publisher, &s, NULL);
        if (s.owner)
            err_hint(e, "container `%s` publishes it", s.owner);
        else
            err_hint(e, "another program listens there (`ss -lntup` shows it)");
        free(s.owner);
    }
    strv_free(take_ptr(l->life->spec.published));
    for (size_t i = 0; r == 0 && i < list->count; i++)
        strv_add_take(&l->life->spec.published, publish_text(&list->items[i]));
    return r;
}

/* Everything that can be refused is refused here, before anything is made. */
static int look_before(struct living *l, struct err *e)
{
    if (getrlimit(RLIMIT_NOFILE, &l->nofile) < 0)
        return err_set(e, errno, "read the limit of open files");
    l->networked = own_network(&l->life->spec);
    if (!l->networked)
        return 0;
    int r = world_bridge(l->world, &l->bridge, e);
    if (r == 0)
        r = network_load(l->bridge, l->life->spec.network, &l->network, e);
    if (r == 0)
        r = publish_check(&l->life->publishes, &l->network, e);
    return r == 0 ? hold_ports(l, e) : r;
}

static int claim(struct living *l, struct err *e)
{
    _cleanup_close_ int lock = store_lock(&l->world->store, e);
    return lock < 0 ? lock : container_claim(&l->world->store, &l->life->spec, &l->container, e);
}

static int plug_in(struct living *l, struct rt *inside, struct err *e)
{
    struct endpoint_request request = {
        .container = l->container.spec.name,
        .id = l->container.spec.id,
        .publishes = &l->life->publishes,
    };
    int r = -ENOENT;
    /* ENOENT: somebody has flushed the firewall between two of our steps. */
    for (int tries = 0; r == -ENOENT && tries < 5; tries++) {
        err_clear(e);
        r = world_reload(l->world, true, e);
        if (r == 0)
            r = network_up(l->bridge, &l->network, e);
        if (r == 0)
            r = endpoint_attach(l->bridge, &l->network, l->netns, inside, &request,
                                l->container.run_fd, &l->endpoint, e);
    }
    return r;
}

/* The network, while the child mounts. "none" is a namespace with nothing but loopback. */
static int attach(struct living *l, struct err *e)
{
    if (l->container.spec.network_mode == NETWORK_HOST)
        return 0;
    _cleanup_rt_ struct rt *inside = NULL;
    int r = netns_create(&l->netns, &inside, network_sysctls(l->networked ? &l->network : NULL), e);
    if (r == 0)
        r = container_join_netns(&l->container, l->netns, e);
    if (r < 0)
        return r;
    if (l->networked)
        return plug_in(l, inside, e);
    _cleanup_rt_batch_ struct rt_batch *batch = rt_batch_new(inside);
    rt_set_up(batch, 1);
    return rt_commit(batch, e);
}

static int write_files(struct living *l, struct err *e)
{
    struct container *c = &l->container;
    const struct ip *own[] = {&l->endpoint.address4, &l->endpoint.address6};
    _cleanup_free_ char *hosts = make_hosts(c->spec.hostname, own, ARRAY_LEN(own));
    _cleanup_free_ char *hostname = xasprintf("%s\n", c->spec.hostname);
    _cleanup_free_ char *resolv = make_resolv_conf(c->spec.network_mode == NETWORK_HOST, e);
    int r = resolv ? container_write_file(c, "hosts", hosts, e) : e->code;
    if (r == 0)
        r = container_write_file(c, "hostname", hostname, e);
    return r == 0 ? container_write_file(c, "resolv.conf", resolv, e) : r;
}

static void serve_held(void *proxy)
{
    proxy_run(proxy);
}

static void listen_firewall(void *listener)
{
    listener_run(listener);
}

/* Somebody has emptied the firewall: it is made anew, whatever is left of it. */
static void restore_firewall(void *world)
{
    _cleanup_err_ struct err e = ERR_INIT;
    if (world_reload(world, false, &e) < 0)
        warn("cannot restore the firewall: %s", e.text);
}

/* The monitor watches two fds for the network: what reaches the held ports, and whether the firewall
 * is still there. */
static int watch_over(struct living *l, struct err *e)
{
    struct container *c = &l->container;
    struct monitor_options options = {.attached = !c->spec.detached};
    struct watch watches[2];
    _cleanup_proxy_ struct proxy *proxy = NULL;
    _cleanup_listener_ struct listener *listener = NULL;
    int r = 0;
    if (l->held.count)
        r = proxy_new(&l->held, &l->endpoint.address4, &l->endpoint.address6, &proxy, e);
    /* A service listens when its caller has been told; what runs attached may be over in a moment. */
    int delay_ms = c->spec.detached ? 1 : 300;
    if (r == 0 && l->networked)
        r = listener_new(l->world->store.run_fd, l->world->store.instance, delay_ms,
                         restore_firewall, l->world, &listener, e);
    if (r < 0)
        return r;
    if (proxy)
        watches[options.watch_count++] = (struct watch){proxy_fd(proxy), serve_held, proxy};
    if (listener)
        watches[options.watch_count++] =
            (struct watch){listener_fd(listener), listen_firewall, listener};
    options.watches = watches;
    /* Only now: what fails after this, nobody is told. */
    if (l->life->started && (r = l->life->started(&c->spec, l->life->arg)) < 0)
        return err_set(e, r, "tell the caller that the container runs");
    return monitor_run(c, &options, e);
}

/* Under the lock that a reload holds from reading the records to committing the rules: what is taken
 * from the firewall after this stays away. */
static int mark_leaving(struct living *l, struct err *e)
{
    _cleanup_close_ int lock = store_lock(&l->world->store, e);
    if (lock < 0)
        return lock;
    _cleanup_close_ int mark =
        openat(l->container.run_fd, LEAVING, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    return mark < 0 ? err_set(e, errno, "mark the container as ending") : 0;
}

/* The way back; also after a start that failed half-way. The first failure is told. */
static int leave(struct living *l, bool keep, int status, struct err *e)
{
    struct container *c = &l->container;
    _cleanup_err_ struct err step = ERR_INIT;
    int result = l->networked ? mark_leaving(l, e) : 0;
    if (result == 0)
        result = world_detach(l->world, c, true, e);
    l->netns = close_fd(l->netns);
    int r = container_end(c, keep, status, &step);
    /* What could not be undone keeps its records: the next command tries again. */
    if (r == 0 && result == 0) {
        _cleanup_close_ int lock = store_lock(&l->world->store, &step);
        r = lock < 0 ? lock : container_vanish(c, keep, &step);
    }
    if (r < 0 && result == 0) {
        err_move(e, &step);
        result = r;
    }
    store_empty_trash(&l->world->store);
    return result;
}

static int live(struct living *l, struct err *e)
{
    int r;
    if ((r = look_before(l, e)) < 0 || (r = claim(l, e)) < 0)
        return r;
    l->container.nofile = l->nofile;
    if ((r = container_create(&l->container, e)) < 0 || (r = attach(l, e)) < 0 ||
        (r = write_files(l, e)) < 0 || (r = container_start(&l->container, e)) < 0) {
        _cleanup_err_ struct err ignored = ERR_INIT;
        container_kill(&l->container);
        (void)leave(l, false, 0, &ignored);
        return r;
    }
    int status = watch_over(l, e);
    if (status < 0)
        container_kill(&l->container);
    _cleanup_err_ struct err trouble = ERR_INIT;
    r = leave(l, !l->container.spec.auto_remove, status < 0 ? EXIT_NETCTR : status, &trouble);
    if (r < 0)
        warn("%s (the next command tries again)", trouble.text);
    return status;
}

int world_live(struct world *w, struct life *life, struct err *e)
{
    struct living l = {.world = w, .life = life, .container = CONTAINER_INIT, .netns = -1};
    int r = live(&l, e);
    close_fd(l.netns);
    held_ports_clear(&l.held);
    endpoint_clear(&l.endpoint);
    network_clear(&l.network);
    container_clear(&l.container);
    return r;
}
