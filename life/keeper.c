/* Keeping the resolver. One monitor of an instance does: the one that listens to the firewall.
 *
 *     names change ─► write its files ─► SIGHUP
 *     it is not there ─► start it ─► it listens ─► the firewall sends questions to it
 *     it dies ─► the firewall sends questions to the host's resolver ─► start it again, a little later
 *
 * A start of a container waits for none of this. Changes that come close together are told as one.
 */
#include "resolver.h"

#include "resolv.h"
#include "watch.h"

#include <errno.h>
#include <netctr/names.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>

enum {
    PAUSE_MS = 20, /* between two tellings: each makes the resolver deaf for half a millisecond */
    SETTLE_MS = 2, /* between two looks at whether it listens */
    SETTLE_TRIES = 1500,
    RETRY_MS = 100, /* doubled up to … */
    RETRY_MAX_MS = 12800,
    FIRST_PORT = 20000, /* below those that the kernel gives out */
    PORTS = 10000,
};

struct keeper {
    struct world *world;
    struct hub *hub;
    int names, timer;
    struct names_watch *watch;
    int server; /* pidfd, or -1 */
    uint16_t port;
    int settling; /* looks left until it must listen; 0: it does, or there is none */
    bool dirty;   /* names have changed */
    bool untold;  /* the firewall does not know yet who answers, on some network at least */
    int64_t retry_ms;
    int64_t last_ms, started_ms;
};

static void set_timer(struct keeper *k, int64_t ms)
{
    ms = ms > 0 ? ms : 1;
    struct itimerspec t = {.it_value = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}};
    (void)timerfd_settime(k->timer, 0, &t, NULL);
}

/* ---- ports -----------------------------------------------------------------------------------*/

/* 0, or why that cannot be bound. */
static int try_bind(const struct ip *address, int type, uint16_t port)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
    bool is_four = address->family == AF_INET;
    _cleanup_close_ int fd = socket(address->family, type | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    four.sin_addr = address->v4;
    six.sin6_addr = address->v6;
    return bind(fd, is_four ? (void *)&four : (void *)&six, is_four ? sizeof(four) : sizeof(six)) <
                   0
               ? -errno
               : 0;
}

/* The same at every start, if it is free: connections that conntrack remembers lead there. */
static uint16_t choose_port(const struct keeper *k)
{
    static const struct ip any = {.family = AF_INET};
    uint64_t first = hash64(k->world->store.instance);
    for (unsigned i = 0; i < PORTS; i++) {
        uint16_t port = (uint16_t)(FIRST_PORT + (first + i) % PORTS);
        if (try_bind(&any, SOCK_DGRAM, port) == 0 && try_bind(&any, SOCK_STREAM, port) == 0)
            return port;
    }
    return FIRST_PORT;
}

/* ---- networks --------------------------------------------------------------------------------*/

struct visit {
    struct keeper *k;
    strv servers;
    bool changed;
    int type; /* of socket */
    int deaf; /* gateways where nobody listens */
    int heard;
    struct err *e;
};

static bool has_names(const struct keeper *k, const struct network *n)
{
    return network_is_served(n) && aardvark_can(n->name) &&
           faccessat(k->names, n->name, F_OK, 0) == 0;
}

static int write_network(const struct network *n, void *arg)
{
    struct visit *v = arg;
    if (!has_names(v->k, n))
        return 0;
    const struct aardvark_network network = {n->name, n->gateway4, n->gateway6, v->servers};
    int r = aardvark_write(v->k->names, &network, v->e);
    v->changed = v->changed || r > AARDVARK_SAME;
    v->k->untold = v->k->untold || r == AARDVARK_NEW;
    return r < 0 ? r : 0;
}

static int listen_at(const struct network *n, void *arg)
{
    struct visit *v = arg;
    const struct ip *const gateways[] = {&n->gateway4, &n->gateway6};
    /* Of a network that came while it was being started, it is told afterwards. */
    bool told = has_names(v->k, n) && aardvark_has(v->k->names, n->name);
    for (size_t i = 0; told && i < ARRAY_LEN(gateways); i++) {
        if (!gateways[i]->family)
            continue;
        int r = try_bind(gateways[i], v->type, v->k->port);
        v->deaf += r == 0; /* an address that is not there (yet) is nobody's fault */
        v->heard += r == -EADDRINUSE;
    }
    return 0;
}

static bool listens(struct keeper *k, int type)
{
    struct visit v = {.k = k, .type = type};
    return network_each(k->world->bridge, listen_at, &v, NULL) == 0 && v.heard && !v.deaf;
}

/* ---- its life --------------------------------------------------------------------------------*/

static void forget(struct keeper *k)
{
    if (k->server >= 0)
        hub_remove(k->hub, k->server);
    k->server = close_fd(k->server);
    k->settling = 0;
    k->untold = true;
}

/* Without the lock it is tried again all the same, and nothing is touched: it may be another keeper's. */
static void try_later(struct keeper *k)
{
    static const struct resolver nobody = {0};
    _cleanup_close_ int lock = store_lock(&k->world->store, NULL);
    forget(k);
    if (lock >= 0) {
        (void)resolver_set(k->world, &nobody, NULL);
        (void)helper_end(&k->world->store, RESOLVER, NULL);
    }
    /* Ten seconds were a good life. */
    k->retry_ms = monotonic_ms() - k->started_ms > 10000 ? RETRY_MS : k->retry_ms;
    k->dirty = true;
    set_timer(k, k->retry_ms);
    k->retry_ms = k->retry_ms < RETRY_MAX_MS ? k->retry_ms * 2 : RETRY_MAX_MS;
}

static void died(void *keeper)
{
    try_later(keeper);
}

static void settle(struct keeper *k)
{
    k->settling = SETTLE_TRIES;
    set_timer(k, SETTLE_MS);
}

static int start(struct keeper *k, struct err *e)
{
    _cleanup_free_ char *program = NULL;
    int r = aardvark_find(&program, e);
    if (r <= 0)
        return r < 0 ? r : err_say(e, -ENOENT, "aardvark-dns is not there any more");
    _cleanup_close_ int log = aardvark_log(k->names, e);
    if (log < 0)
        return log;
    k->port = choose_port(k);
    k->started_ms = monotonic_ms();
    _cleanup_strv_ strv argv = aardvark_command(program, k->world->store.run, k->port);
    r = helper_start(&k->world->store, RESOLVER, argv, log, e);
    if (r == 0)
        settle(k);
    return r;
}

static int watch_server(struct keeper *k, struct err *e)
{
    k->server = helper_find(&k->world->store, RESOLVER);
    return k->server < 0 ? k->server : hub_add(k->hub, k->server, died, k, e);
}

/* Another keeper's, who was killed. One that never came to listen is started anew. */
static int find_or_start(struct keeper *k, struct err *e)
{
    struct resolver now;
    int r = resolver_now(k->world, &now, e);
    if (r < 0)
        return r;
    if (now.port && watch_server(k, e) == 0) {
        k->port = now.port;
        (void)pidfd_signal(k->server, SIGHUP);
        settle(k);
        return 0;
    }
    r = helper_end(&k->world->store, RESOLVER, e);
    return r == 0 ? start(k, e) : r;
}

static int update(struct keeper *k, struct err *e)
{
    struct visit v = {.k = k, .e = e};
    k->last_ms = monotonic_ms();
    _cleanup_close_ int lock = store_lock(&k->world->store, e);
    if (lock < 0)
        return lock;
    k->dirty = false;
    if (!names_any(k->names)) /* whoever left last has ended it */
        return 0;
    /* A network that has been made anew may have the file that it had. */
    bool untold = aardvark_take_untold(k->names);
    k->untold = k->untold || untold;
    v.servers = host_resolvers(false, NULL); /* what cannot be read now has no servers now */
    int r = network_each(k->world->bridge, write_network, &v, e);
    strv_free(v.servers);
    if (r < 0 || !aardvark_there(k->names)) /* no network is served */
        return r;
    if (k->server < 0)
        return find_or_start(k, e);
    if (v.changed || untold) {
        (void)pidfd_signal(k->server, SIGHUP);
        if (k->untold)
            settle(k);
    }
    return 0;
}

static int has_ended(struct keeper *k)
{
    if (k->server >= 0)
        return pidfd_wait(k->server, 0) == 0;
    _cleanup_close_ int fd = helper_find(&k->world->store, RESOLVER);
    return fd == -ESRCH;
}

/* Does it listen everywhere by now? Then questions are sent to it. Whoever is alone in its cgroup when it
 * listens is the one that stays: it makes itself a daemon before. */
static int look(struct keeper *k, struct err *e)
{
    if (has_ended(k))
        return err_say(e, -ECHILD, "aardvark-dns has ended");
    if (--k->settling == 0)
        return err_say(e, -ETIMEDOUT, "aardvark-dns does not listen on port %u", k->port);
    set_timer(k, SETTLE_MS);
    if (!listens(k, SOCK_DGRAM) || (k->server < 0 && watch_server(k, e) < 0))
        return 0;
    _cleanup_close_ int lock = store_lock(&k->world->store, e);
    if (lock < 0)
        return lock;
    /* A network that came while we waited for the lock is told first. */
    if (aardvark_take_untold(k->names)) {
        k->untold = k->dirty = true;
        return 0;
    }
    k->settling = 0;
    k->untold = false;
    const struct resolver now = {.port = k->port, .tcp = listens(k, SOCK_STREAM)};
    /* Whoever left last may have ended it: then it is not written down again. */
    return names_any(k->names) ? resolver_set(k->world, &now, e) : 0;
}

/* What changes while it is being started is told to it when it is there. */
static void turn(struct keeper *k)
{
    _cleanup_err_ struct err e = ERR_INIT;
    int r = k->settling ? look(k, &e) : 0;
    if (r == 0 && k->dirty && (k->server >= 0 || !k->settling)) {
        int64_t pause = k->last_ms + PAUSE_MS - monotonic_ms();
        if (pause > 0 && !k->settling)
            set_timer(k, pause);
        r = pause > 0 ? 0 : update(k, &e);
    }
    if (r == 0)
        return;
    warn("names: %s", e.text ? e.text : "no reason");
    try_later(k);
}

static void rang(void *keeper)
{
    struct keeper *k = keeper;
    uint64_t times;
    if (read(k->timer, &times, sizeof(times)) == sizeof(times))
        turn(k);
}

static void names_changed(void *keeper)
{
    struct keeper *k = keeper;
    k->dirty = true;
    turn(k);
}

/* ---- the outside -----------------------------------------------------------------------------*/

int keeper_new(struct world *w, struct hub *hub, struct keeper **out, struct err *e)
{
    struct keeper *k = xcalloc(1, sizeof(*k));
    *k = (struct keeper){.world = w, .hub = hub, .server = -1, .retry_ms = RETRY_MS};
    k->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    int r = k->timer < 0 ? err_set(e, errno, "watch the names") : world_names(w, &k->names, e);
    if (r == 0)
        r = hub_add(hub, k->timer, rang, k, e);
    if (r == 0)
        r = names_watch_new(w, hub, NULL, names_changed, k, &k->watch, e);
    if (r < 0) {
        keeper_free(k);
        return r;
    }
    k->dirty = true;
    set_timer(k, 1);
    *out = k;
    return r;
}

void keeper_free(struct keeper *k)
{
    if (!k)
        return;
    forget(k);
    names_watch_free(k->watch);
    if (k->timer >= 0)
        hub_remove(k->hub, k->timer);
    close_fd(k->timer);
    free(k);
}
