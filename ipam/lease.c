/* Allocates addresses: next-fit over a network's range, or the requested one. lease_dir.c has the
 * files. The cost does not depend on the number of leases: only addresses that follow the one
 * allocated last are looked at, up to the first that is free.
 *
 * On a network with both families, the IPv6 address has the same host number as the IPv4 address,
 * so one lease stands for both. A requested IPv6 address is stored beside the IPv4 address.
 */
#include "lease_dir.h"
#include "lease_old.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum {
    WAIT_MS = 5000,  /* how long to wait for an address that is cooling down */
    REAP_AT_MOST = 8 /* for each release: more than the one lease that it adds */
};

/* What is asked of which network. */
struct choice {
    const struct lease_dir *dir;
    const struct pool *pool;
    const struct lease_request *request;
    struct lease *holder; /* filled on -EADDRINUSE, if it is known */
};

enum use { FREE, COOLING, HELD };

/* Whose is what a lookup has found? */
static int use_of(int found, const struct lease *l)
{
    if (found == 1)
        return lease_is_cooling(l) ? COOLING : lease_has_cooled(l) ? FREE : HELD;
    return found == -EBADMSG ? HELD : found < 0 ? found : FREE;
}

static int use_of_address(const struct choice *c, const struct ip *a)
{
    const struct pool *p = c->pool;
    _cleanup_lease_ struct lease l = {0};
    if (ip_equal(a, a->family == AF_INET ? &p->gateway4 : &p->gateway6))
        return HELD;
    return use_of(lease_of_address(c->dir, a, &l), &l);
}

static int use_of_mac(const struct choice *c, const uint8_t mac[6], struct lease *out)
{
    return use_of(lease_of_mac(c->dir, mac, out), out);
}

static int unreadable(int r, const char *network, struct err *e)
{
    return err_set(e, r, "read the leases of network `%s`", network);
}

/* The IPv6 address that belongs to an IPv4 one; family 0 if any will do. Of a point-to-point subnet, all numbers are
 * addresses of hosts, of a larger one not the first; so these numbers do not fit together. */
static struct ip companion(const struct pool *p, const struct ip *address4)
{
    unsigned bits4 = subnet_host_bits(&p->subnet4), bits6 = subnet_host_bits(&p->subnet6);
    if (!p->subnet6.prefix || bits6 < bits4 || bits4 < 2)
        return (struct ip){0};
    return subnet_host(&p->subnet6, subnet_host_number(&p->subnet4, address4));
}

/* Is @a free, and its companion too if the lease is @paired? */
static int use_of_both(const struct choice *c, const struct ip *a, bool paired)
{
    int use = use_of_address(c, a);
    struct ip other = paired ? companion(c->pool, a) : (struct ip){0};
    return use == FREE && other.family ? use_of_address(c, &other) : use;
}

/* Next-fit over the host numbers of @s within @range, except for the network's and the broadcast
 * address, which a point-to-point subnet has not. With @paired, the companion must be free too. -EAGAIN: only cooling addresses are left;
 * -ENOSPC. */
static int next_free(const struct choice *c, const struct subnet *s, const struct subnet *range,
                     bool paired, struct ip *out)
{
    unsigned bits = subnet_host_bits(s);
    uint32_t first = bits < 2 ? 0 : 1;
    uint32_t last = bits >= 32 ? UINT32_MAX - 1 : bits < 2 ? bits : (1u << bits) - 2;
    if (range->prefix) {
        unsigned within = subnet_host_bits(range);
        uint32_t begin = subnet_host_number(s, &range->address);
        uint32_t size = within >= 32 ? UINT32_MAX : (1u << within) - 1;
        first = begin > first ? begin : first;
        last = begin + size < last && begin + size >= begin ? begin + size : last;
    }
    if (first > last) /* the range has only the network's or the broadcast address */
        return -ENOSPC;
    const struct ip before = lease_last(c->dir);
    uint32_t n = subnet_contains(s, &before) ? subnet_host_number(s, &before) : 0;
    bool cooling = false;
    for (uint32_t tries = 0; tries <= last - first; tries++) {
        n = n < first || n >= last ? first : n + 1;
        *out = subnet_host(s, n);
        int use = use_of_both(c, out, paired);
        if (use <= FREE)
            return use;
        cooling |= use == COOLING;
    }
    return cooling ? -EAGAIN : -ENOSPC;
}

/* @what: "address 10.88.0.2". */
static int in_use(const struct choice *c, int found, struct lease *holder, const char *what,
                  const char *where, struct err *e)
{
    if (found < 0) {
        err_say(e, -EADDRINUSE, "%s: its lease on network `%s` is damaged", what, c->pool->network);
        err_hint(e, "`netctr network reload` rebuilds it from the running containers");
        return -EADDRINUSE;
    }
    err_say(e, -EADDRINUSE, "%s is in use by container `%s`%s", what, holder->container, where);
    if (c->holder) {
        *c->holder = *holder;
        *holder = (struct lease){0};
    }
    return -EADDRINUSE;
}

/* May an address of this network be requested? */
static int check_subnet(const struct pool *p, const struct ip *wanted, struct err *e)
{
    bool four = wanted->family == AF_INET;
    const struct subnet *s = four ? &p->subnet4 : &p->subnet6;
    _cleanup_free_ char *text = ip_text(wanted), *prefix = subnet_text(s);
    if (!s->prefix)
        return err_say(e, -EINVAL, "address %s: network `%s` has no %s", text, p->network,
                       four ? "IPv4" : "IPv6");
    if (!subnet_contains(s, wanted))
        return err_say(e, -EINVAL, "address %s is not in %s, the subnet of network `%s`", text,
                       prefix, p->network);
    if (subnet_reserves(s, wanted))
        return err_say(e, -EINVAL, "address %s is the %s address of %s, not a host's", text,
                       ip_equal(wanted, &s->address) ? "network" : "broadcast", prefix);
    return 0;
}

/* Is the requested address available? -EAGAIN: it is cooling down. */
static int check_wanted(const struct choice *c, const struct ip *wanted, struct err *e)
{
    const struct pool *p = c->pool;
    _cleanup_lease_ struct lease holder = {0};
    _cleanup_free_ char *text = ip_text(wanted), *what = xasprintf("address %s", text);
    int r = check_subnet(p, wanted, e);
    if (r < 0)
        return r;
    int found = lease_of_address(c->dir, wanted, &holder), use = use_of(found, &holder);
    if (use < 0)
        return unreadable(use, p->network, e);
    if (use != FREE)
        return use == COOLING ? -EAGAIN : in_use(c, found, &holder, what, "", e);
    if (ip_equal(wanted, wanted->family == AF_INET ? &p->gateway4 : &p->gateway6))
        return err_say(e, -EADDRINUSE, "%s is the gateway of network `%s`", what, p->network);
    return 0;
}

static int choose(const struct choice *c, const struct subnet *s, const struct subnet *range,
                  bool paired, const struct ip *wanted, struct ip *out, struct err *e)
{
    if (wanted->family) {
        *out = *wanted;
        return check_wanted(c, wanted, e);
    }
    int r = next_free(c, s, range, paired, out);
    if (r == 0 || r == -EAGAIN)
        return r;
    if (r != -ENOSPC)
        return unreadable(r, c->pool->network, e);
    _cleanup_free_ char *text = subnet_text(range->prefix ? range : s);
    return err_say(e, -ENOSPC, "network `%s` has no free address left in %s", c->pool->network,
                   text);
}

static int choose_both(const struct choice *c, struct lease *l, struct err *e)
{
    const struct pool *p = c->pool;
    const struct lease_request *q = c->request;
    int r = 0;
    /* A request that can never succeed is refused before an address is chosen. */
    if (q->address4.family && !p->subnet4.prefix)
        return check_subnet(p, &q->address4, e);
    if (q->address6.family && !p->subnet6.prefix)
        return check_subnet(p, &q->address6, e);
    if (p->subnet4.prefix)
        r = choose(c, &p->subnet4, &p->range4, !q->address6.family, &q->address4, &l->address4, e);
    if (r < 0 || !p->subnet6.prefix)
        return r;
    struct ip other = l->address4.family ? companion(p, &l->address4) : (struct ip){0};
    const struct ip *wanted = q->address6.family || !other.family ? &q->address6 : &other;
    return choose(c, &p->subnet6, &p->range6, false, wanted, &l->address6, e);
}

/* From the last four bytes of the address. Two IPv6 addresses may share these. */
static int derive_mac(const struct choice *c, struct lease *l)
{
    const struct ip *a = l->address4.family ? &l->address4 : &l->address6;
    int use = HELD;
    l->mac[0] = 0x02;
    l->mac[1] = 0x42;
    memcpy(l->mac + 2, a->bytes + ip_size(a) - 4, 4);
    for (int n = 0; n < 100; n++) {
        _cleanup_lease_ struct lease holder = {0};
        if ((use = use_of_mac(c, l->mac, &holder)) <= FREE)
            break;
        _cleanup_free_ char *address = ip_text(a), *text = xasprintf("%s %d", address, n);
        uint64_t h = hash64(text);
        memcpy(l->mac + 2, &h, 4);
    }
    return use < 0 ? use : 0;
}

static int choose_mac(const struct choice *c, struct lease *l, struct err *e)
{
    static const uint8_t none[6];
    const char *network = c->pool->network;
    if (memcmp(c->request->mac, none, 6) == 0) {
        int r = derive_mac(c, l);
        return r < 0 ? unreadable(r, network, e) : 0;
    }
    memcpy(l->mac, c->request->mac, 6);
    _cleanup_lease_ struct lease holder = {0};
    int found = lease_of_mac(c->dir, l->mac, &holder), use = use_of(found, &holder);
    if (use < 0)
        return unreadable(use, network, e);
    if (use != HELD)
        return use == COOLING ? -EAGAIN : 0;
    _cleanup_free_ char *text = mac_text(l->mac), *what = xasprintf("MAC address %s", text),
                        *where = xasprintf(" on network `%s`", network);
    return in_use(c, found, &holder, what, where, e);
}

/* Removes what has rested at the chosen addresses and MAC, with all that belongs to it. */
static int make_room(const struct lease_dir *d, const struct lease *chosen)
{
    const struct ip *const addresses[] = {&chosen->address4, &chosen->address6};
    int r = 0;
    for (size_t i = 0; r >= 0 && i <= ARRAY_LEN(addresses); i++) {
        _cleanup_lease_ struct lease old = {0};
        if (i == ARRAY_LEN(addresses))
            r = lease_of_mac(d, chosen->mac, &old);
        else if (addresses[i]->family)
            r = lease_of_address(d, addresses[i], &old);
        else
            continue;
        if (r == 1)
            r = lease_drop(d, &old);
    }
    return r == -EBADMSG ? 0 : r;
}

/* The order is in lease_dir.c: everything that leads to the lease, then the lease. */
static int write_lease(const struct choice *c, const struct lease *l)
{
    const bool four = l->address4.family;
    int r = make_room(c->dir, l);
    if (r == 0 && !(four ? c->request->address4 : c->request->address6).family)
        r = lease_set_last(c->dir, four ? &l->address4 : &l->address6);
    return r == 0 ? lease_put(c->dir, l, false) : r;
}

static int choose_all(const struct choice *c, struct lease *l, struct err *e)
{
    int r = choose_both(c, l, e);
    return r == 0 ? choose_mac(c, l, e) : r;
}

static int try_acquire(int dirfd, const struct pool *p, const struct lease_request *q,
                       struct lease *out, struct err *e)
{
    _cleanup_lease_dir_ struct lease_dir d = {-1, p->network};
    _cleanup_close_ int lock = lease_lock(dirfd, p->network, e);
    if (lock < 0)
        return lock;
    int r = lease_dir_open(dirfd, p->network, &d, e);
    /* A missing directory does not mean that addresses are free: containers in use keep theirs. */
    if (r <= 0)
        return r < 0 ? r
                     : err_say(e, -ENOENT, "the leases of network `%s` are missing", p->network);
    r = lease_of_owner(&d, q->owner, out); /* a repeated request gets the same lease */
    if (r == 1 || (r < 0 && r != -EBADMSG))
        return r < 0 ? unreadable(r, p->network, e) : 0;
    const struct choice c = {&d, p, q, out};
    _cleanup_lease_ struct lease l = {
        .since = time(NULL), .container = xstrdup(q->container), .owner = xstrdup(q->owner)};
    if ((r = choose_all(&c, &l, e)) < 0)
        return r;
    if ((r = write_lease(&c, &l)) < 0)
        return err_set(e, r, "write the leases of network `%s`", p->network);
    *out = l;
    l = (struct lease){0};
    return 0;
}

int lease_acquire(int dirfd, const struct pool *pool, const struct lease_request *request,
                  struct lease *out, struct err *e)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    if (!valid_name(request->owner) || !valid_name(request->container))
        return err_say(e, -EINVAL, "a lease of network `%s` needs names", pool->network);
    for (int waited = 0; waited < WAIT_MS; waited += 10) {
        int r = try_acquire(dirfd, pool, request, out, e);
        if (r != -EAGAIN)
            return r;
        nanosleep(&pause, NULL);
    }
    return err_say(
        e, -ENOSPC,
        "network `%s`: the last address, which was released a moment ago, is still blocked",
        pool->network);
}

int lease_examine(int dirfd, const struct pool *pool, const struct lease_request *request,
                  struct lease *holder, struct err *e)
{
    _cleanup_lease_dir_ struct lease_dir d = {-1, pool->network};
    _cleanup_lease_ struct lease l = {0};
    const struct choice c = {&d, pool, request, holder};
    int r = lease_dir_open(dirfd, pool->network, &d, e);
    if (r >= 0)
        r = choose_all(&c, &l, e);
    return r == -EAGAIN ? 0 : r; /* lease_acquire() would wait for it */
}

static int damaged(const char *network, const char *owner, struct err *e)
{
    err_say(e, -EBADMSG, "the lease of `%s` on network `%s` is damaged", owner, network);
    err_hint(e, "`netctr network reload` rebuilds it from the running containers");
    return -EBADMSG;
}

int lease_release(int dirfd, const char *network, const char *owner, struct err *e)
{
    _cleanup_lease_dir_ struct lease_dir d = {-1, network};
    _cleanup_lease_ struct lease l = {0};
    _cleanup_close_ int lock = lease_lock(dirfd, network, e);
    if (lock < 0)
        return lock;
    int r = lease_dir_open(dirfd, network, &d, e);
    if (r < 0)
        return r;
    if (r == 0) {
        r = old_leases_release(dirfd, network, owner, e);
        return r < 0 ? r : 0;
    }
    r = lease_of_owner(&d, owner, &l);
    if (r == -EBADMSG)
        return damaged(network, owner, e);
    if (r == 1 && (r = lease_rest(&d, &l)) == 0)
        lease_reap(&d, REAP_AT_MOST);
    return r < 0 ? err_set(e, r, "write the leases of network `%s`", network) : 0;
}

int lease_rename(int dirfd, const char *network, const char *owner, const char *container,
                 struct err *e)
{
    _cleanup_lease_dir_ struct lease_dir d = {-1, network};
    _cleanup_lease_ struct lease l = {0};
    if (!valid_name(container))
        return err_say(e, -EINVAL, "a lease of network `%s` needs names", network);
    _cleanup_close_ int lock = lease_lock(dirfd, network, e);
    if (lock < 0)
        return lock;
    int r = lease_dir_open(dirfd, network, &d, e);
    if (r < 0)
        return r;
    if (r > 0)
        r = lease_of_owner(&d, owner, &l);
    if (r == -EBADMSG) /* a repair takes the name from the endpoint's record */
        return 0;
    if (r == 1 && !streq(l.container, container)) {
        free(l.container);
        l.container = xstrdup(container);
        r = lease_put(&d, &l, true);
    }
    return r < 0 ? err_set(e, r, "write the leases of network `%s`", network) : 0;
}
