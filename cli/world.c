#include "world.h"

#include "resolv.h"

#include <netctr/listener.h>
#include <netctr/proxy.h>

#include <errno.h>
#include <signal.h>
#include <string.h>

/* ---- open ------------------------------------------------------------------------------------*/

int world_bridge(struct world *w, struct bridge **out, struct err *e)
{
    int r = 0;
    if (!w->bridge)
        r = bridge_open(w->store.root_fd, w->store.run_fd, w->store.instance, &w->bridge, e);
    *out = w->bridge;
    return r;
}

int world_open(const struct cli *cli, struct world *out, struct err *e)
{
    *out = (struct world){0};
    int r = store_open(cli->root, cli->run_root, &out->store, e);
    if (r < 0)
        return r;
    _cleanup_close_ int lock = store_lock(&out->store, e);
    r = lock < 0 ? lock : world_repair(out, false, NULL, NULL, e);
    return r;
}

void world_close(struct world *w)
{
    bridge_close(w->bridge);
    if (w->store.root)
        store_close(&w->store);
}

/* ---- repair ----------------------------------------------------------------------------------*/

static int detach(struct world *w, struct container *c, bool namespace_dies, struct err *e)
{
    struct bridge *bridge;
    _cleanup_endpoint_ struct endpoint ep = {0};
    int r = endpoint_load(c->run_fd, &ep, e);
    if (r == -ENOENT && !c->spec.id)
        return 0;
    if (r != 0 && r != -ENOENT)
        return r;
    bool recorded = r == 0;
    err_clear(e);
    r = world_bridge(w, &bridge, e);
    if (r < 0)
        return r;
    return recorded ? endpoint_detach(bridge, &ep, namespace_dies, c->run_fd, e)
                    : endpoint_forget(bridge, c->spec.id, e);
}

/* What a dead monitor left: its processes are killed, then everything is undone from the records. A
 * container that had run stays in `ps -a`, as if it had been killed. */
static int bury(struct world *w, const char *name, struct err *e)
{
    _cleanup_container_ struct container c = CONTAINER_INIT;
    enum status status;
    int r = container_adopt(&w->store, name, &c, &status, e);
    if (r < 0)
        return r;
    bool keep = status == STATUS_RUNNING && !c.spec.auto_remove;
    container_kill(&c);
    if ((r = detach(w, &c, false, e)) < 0 || (r = container_end(&c, keep, 128 + SIGKILL, e)) < 0)
        return err_wrap(e, "clean up after container `%s`", name);
    return container_vanish(&c, keep, e);
}

/* Is the holder of its lock gone? A run directory without a lock has just begun to be, or has all but
 * ceased to be: nothing was made yet, or nothing is left, but for the directory. */
static int find_dead(struct world *w, const char *name, bool *empty)
{
    _cleanup_close_ int dir = store_live_dir(&w->store, name);
    if (dir < 0)
        return dir;
    _cleanup_close_ int lock = store_try_lock(dir);
    *empty = lock == -ENOENT;
    return lock >= 0 || *empty ? 0 : lock;
}

static int repair_one(struct world *w, const char *name, bool empty, struct err *e)
{
    if (!empty)
        return bury(w, name, e);
    int r = remove_tree_at(w->store.live_fd, name);
    return r < 0 ? err_set(e, r, "remove the run directory of container `%s`", name) : 0;
}

int world_repair(struct world *w, bool dry_run, void (*found)(const char *what, void *arg),
                 void *arg, struct err *e)
{
    int fd = openat(w->store.live_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d)
        return err_set(e, errno, "list the living containers");
    for (struct dirent *entry; (entry = readdir(d));) {
        bool empty;
        if (!valid_name(entry->d_name) || find_dead(w, entry->d_name, &empty) < 0)
            continue;
        _cleanup_free_ char *what = xasprintf("dead container %s", entry->d_name);
        if (found)
            found(what, arg);
        int r = dry_run ? 0 : repair_one(w, entry->d_name, empty, e);
        if (r < 0 && r != -EBUSY)
            return r;
        err_clear(e);
    }
    return 0;
}

static int collect_id(const struct record *r, void *arg)
{
    if (r->status != STATUS_EXITED)
        strv_add(arg, r->spec.id);
    return 0;
}

int world_gc(struct world *w, bool dry_run, void (*found)(const char *what, void *arg), void *arg,
             struct err *e)
{
    struct bridge *bridge;
    _cleanup_strv_ strv ids = NULL;
    _cleanup_close_ int lock = store_lock(&w->store, e);
    int r = lock < 0 ? lock : world_repair(w, dry_run, found, arg, e);
    if (r == 0)
        r = store_sweep(&w->store, dry_run, found, arg, e);
    if (r == 0)
        r = store_each(&w->store, collect_id, &ids, e);
    if (r == 0)
        r = world_bridge(w, &bridge, e);
    const struct bridge_sweep sweep = {(const char *const *)ids, dry_run, found, arg};
    return r == 0 ? bridge_sweep(bridge, &sweep, e) : r;
}

/* ---- the firewall ----------------------------------------------------------------------------*/

/* A file in the run directory: this endpoint is being detached, and must not come back to the firewall
 * when somebody makes it anew. */
#define LEAVING "leaving"

struct endpoints {
    struct world *world;
    struct endpoint *items;
    size_t count;
};

static int collect_endpoint(const struct record *r, void *arg)
{
    struct endpoints *all = arg;
    struct endpoint ep;
    _cleanup_close_ int dir = store_live_dir(&all->world->store, r->spec.name);
    if (dir < 0 || faccessat(dir, LEAVING, F_OK, 0) == 0 || endpoint_load(dir, &ep, NULL) < 0)
        return 0;
    all->items = xrealloc(all->items, all->count + 1, sizeof(*all->items));
    all->items[all->count++] = ep;
    return 0;
}

/* Under the store's lock, and looked at again under it: two that find the tables missing must not
 * both replace them, for the second would not know what the first has added since. */
int world_reload(struct world *w, bool only_if_needed, struct err *e)
{
    struct bridge *bridge;
    int r = world_bridge(w, &bridge, e);
    if (r == 0 && ((r = bridge_check(bridge, e)) < 0 || (only_if_needed && r == 0)))
        return r;
    _cleanup_close_ int lock = r < 0 ? -1 : store_lock(&w->store, e);
    if (lock < 0)
        return e->code;
    if (only_if_needed && (r = bridge_check(bridge, e)) <= 0)
        return r;
    struct endpoints all = {.world = w};
    r = store_each(&w->store, collect_endpoint, &all, e);
    if (r == 0)
        r = bridge_reload(bridge, all.items, all.count, e);
    for (size_t i = 0; i < all.count; i++)
        endpoint_clear(&all.items[i]);
    free(all.items);
    return r;
}

/* ---- look up ---------------------------------------------------------------------------------*/

int world_find(struct world *w, const char *name, struct record *out, struct err *e)
{
    _cleanup_close_ int lock = store_lock(&w->store, e);
    return lock < 0 ? lock : store_find(&w->store, name, out, e);
}

int world_each(struct world *w, int (*each)(const struct record *r, void *arg), void *arg,
               struct err *e)
{
    _cleanup_close_ int lock = store_lock(&w->store, e);
    return lock < 0 ? lock : store_each(&w->store, each, arg, e);
}

static int remove_ended(struct world *w, const struct record *r, struct err *e)
{
    _cleanup_record_ struct record now = {0};
    _cleanup_close_ int lock = store_lock(&w->store, e);
    int code = lock < 0 ? lock : store_find(&w->store, r->spec.name, &now, e);
    if (code == -ENOENT || (code == 0 && !streq(now.spec.id, r->spec.id))) {
        err_clear(e);
        return 0;
    }
    if (code == 0 && now.status != STATUS_EXITED)
        return err_say(e, -EBUSY, "container `%s` is running", r->spec.name);
    return code == 0 ? container_remove(&w->store, r->spec.name, e) : code;
}

int world_remove(struct world *w, const struct record *r, struct err *e)
{
    int code = remove_ended(w, r, e);
    store_empty_trash(&w->store);
    return code;
}

/* ---- a life ----------------------------------------------------------------------------------*/

struct living {
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
    bool ipv6 = access("/proc/net/if_inet6", F_OK) == 0;
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
    _cleanup_free_ char *resolv = make_resolv_conf(c->spec.network_mode == NETWORK_HOST);
    int r = container_write_file(c, "hosts", hosts, e);
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
    if (r == 0 && l->networked)
        r = listener_new(l->world->store.run_fd, l->world->store.instance, restore_firewall,
                         l->world, &listener, e);
    if (r < 0)
        return r;
    if (proxy)
        watches[options.watch_count++] = (struct watch){proxy_fd(proxy), serve_held, proxy};
    if (listener)
        watches[options.watch_count++] =
            (struct watch){listener_fd(listener), listen_firewall, listener};
    options.watches = watches;
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
        result = detach(l->world, c, true, e);
    l->netns = close_fd(l->netns);
    int r = container_end(c, keep, status, &step);
    if (r == 0) {
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
    if ((r = container_create(&l->container, e)) < 0 || (r = attach(l, e)) < 0 ||
        (r = write_files(l, e)) < 0 || (r = container_start(&l->container, e)) < 0 ||
        (l->life->started && (r = l->life->started(&l->container.spec, l->life->arg)) < 0)) {
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
        warn("%s (`netctr gc` tries again)", trouble.text);
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
