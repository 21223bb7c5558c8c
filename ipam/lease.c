/* Allocates addresses: next-fit over a network's range, or the requested one. lease_file.c reads
 * and writes the file.
 *
 * On a network with both families, the IPv6 address has the same host number as the IPv4 address,
 * so one lease stands for both. A requested IPv6 address is stored beside the IPv4 address.
 */
#include "lease_file.h"

#include <errno.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#define WAIT_MS 5000 /* how long to wait for an address that is cooling down */

static const struct lease *holder_of(const struct lease_file *f, const struct ip *a)
{
    for (size_t i = 0; i < f->count; i++)
        if (ip_equal(a->family == AF_INET ? &f->leases[i].address4 : &f->leases[i].address6, a))
            return &f->leases[i];
    return NULL;
}

/* The first address is the network's (in IPv6, the routers' anycast address), the last IPv4 address
 * is the broadcast address. */
static bool reserved(const struct subnet *s, const struct ip *a)
{
    if (ip_equal(a, &s->address))
        return true;
    return a->family == AF_INET && subnet_host_number(s, a) == UINT32_MAX >> s->prefix;
}

static unsigned host_bits(const struct subnet *s)
{
    return (unsigned)ip_size(&s->address) * 8 - s->prefix;
}

/* The IPv6 address that belongs to an IPv4 one; family 0 if any will do. */
static struct ip companion(const struct pool *p, const struct ip *address4)
{
    if (!p->subnet6.prefix || host_bits(&p->subnet6) < host_bits(&p->subnet4))
        return (struct ip){0};
    return subnet_host(&p->subnet6, subnet_host_number(&p->subnet4, address4));
}

static bool is_free(const struct lease_file *f, const struct pool *p, const struct ip *a)
{
    const struct ip *gateway = a->family == AF_INET ? &p->gateway4 : &p->gateway6;
    return !ip_equal(a, gateway) && !holder_of(f, a);
}

/* Next-fit over the host numbers of @s within @range, except for the network's and the broadcast
 * address. In a large subnet, one try more than there are leases must find a free address. With
 * @paired, the companion must be free too. -EAGAIN: only cooling addresses are left; -ENOSPC. */
static int next_free(const struct lease_file *f, const struct pool *p, const struct subnet *s,
                     const struct subnet *range, bool paired, struct ip *out)
{
    unsigned bits = host_bits(s);
    uint32_t first = 1, last = bits >= 32 ? UINT32_MAX - 1 : (1u << bits) - 2;
    if (range->prefix) {
        unsigned within = host_bits(range);
        uint32_t begin = subnet_host_number(s, &range->address);
        uint32_t size = within >= 32 ? UINT32_MAX : (1u << within) - 1;
        first = begin > first ? begin : first;
        last = begin + size < last && begin + size >= begin ? begin + size : last;
    }
    uint32_t n = subnet_contains(s, &f->last) ? subnet_host_number(s, &f->last) : 0;
    for (size_t tries = 0; tries < 2 * f->count + 3 && tries <= last - first; tries++) {
        n = n < first || n >= last ? first : n + 1;
        *out = subnet_host(s, n);
        struct ip other = paired ? companion(p, out) : (struct ip){0};
        if (is_free(f, p, out) && (!other.family || is_free(f, p, &other)))
            return 0;
    }
    for (size_t i = 0; i < f->count; i++)
        if (lease_is_cooling(&f->leases[i]))
            return -EAGAIN;
    return -ENOSPC;
}

/* Is the requested address available? -EAGAIN: it is cooling down. */
static int check_wanted(const struct lease_file *f, const struct pool *p, const struct ip *wanted,
                        struct err *e)
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
    if (reserved(s, wanted))
        return err_say(e, -EINVAL, "address %s is the %s address of %s, not a host's", text,
                       ip_equal(wanted, &s->address) ? "network" : "broadcast", prefix);
    const struct lease *holder = holder_of(f, wanted);
    if (holder && lease_is_cooling(holder))
        return -EAGAIN;
    if (holder)
        return err_say(e, -EADDRINUSE, "address %s is in use by container `%s`", text,
                       holder->container);
    if (ip_equal(wanted, four ? &p->gateway4 : &p->gateway6))
        return err_say(e, -EADDRINUSE, "address %s is the gateway of network `%s`", text,
                       p->network);
    return 0;
}

static int choose(const struct lease_file *f, const struct pool *p, const struct subnet *s,
                  const struct subnet *range, bool paired, const struct ip *wanted, struct ip *out,
                  struct err *e)
{
    if (wanted->family) {
        *out = *wanted;
        return check_wanted(f, p, wanted, e);
    }
    int r = next_free(f, p, s, range, paired, out);
    if (r != -ENOSPC)
        return r;
    _cleanup_free_ char *text = subnet_text(range->prefix ? range : s);
    return err_say(e, -ENOSPC, "network `%s` has no free address left in %s", p->network, text);
}

static int choose_both(const struct lease_file *f, const struct pool *p,
                       const struct lease_request *q, struct lease *l, struct err *e)
{
    int r = 0;
    /* A request that can never succeed is refused before an address is chosen. */
    if ((q->address4.family && !p->subnet4.prefix) || (q->address6.family && !p->subnet6.prefix))
        return check_wanted(
            f, p, q->address4.family && !p->subnet4.prefix ? &q->address4 : &q->address6, e);
    if (p->subnet4.prefix)
        r = choose(f, p, &p->subnet4, &p->range4, !q->address6.family, &q->address4, &l->address4,
                   e);
    if (r < 0 || !p->subnet6.prefix)
        return r;
    struct ip other = l->address4.family ? companion(p, &l->address4) : (struct ip){0};
    const struct ip *wanted = q->address6.family || !other.family ? &q->address6 : &other;
    return choose(f, p, &p->subnet6, &p->range6, false, wanted, &l->address6, e);
}

static const struct lease *mac_holder(const struct lease_file *f, const uint8_t mac[6])
{
    for (size_t i = 0; i < f->count; i++)
        if (memcmp(f->leases[i].mac, mac, 6) == 0)
            return &f->leases[i];
    return NULL;
}

/* From the last four bytes of the address. Two IPv6 addresses may share these. */
static void derive_mac(const struct lease_file *f, struct lease *l)
{
    const struct ip *a = l->address4.family ? &l->address4 : &l->address6;
    l->mac[0] = 0x02;
    l->mac[1] = 0x42;
    memcpy(l->mac + 2, a->bytes + ip_size(a) - 4, 4);
    for (int n = 0; mac_holder(f, l->mac) && n < 100; n++) {
        _cleanup_free_ char *address = ip_text(a), *text = xasprintf("%s %d", address, n);
        uint64_t h = hash64(text);
        memcpy(l->mac + 2, &h, 4);
    }
}

static int choose_mac(const struct lease_file *f, const struct pool *p,
                      const struct lease_request *q, struct lease *l, struct err *e)
{
    static const uint8_t none[6];
    if (memcmp(q->mac, none, 6) == 0) {
        derive_mac(f, l);
        return 0;
    }
    memcpy(l->mac, q->mac, 6);
    const struct lease *holder = mac_holder(f, l->mac);
    if (!holder || lease_is_cooling(holder))
        return holder ? -EAGAIN : 0;
    _cleanup_free_ char *text = mac_text(l->mac);
    return err_say(e, -EADDRINUSE, "MAC address %s is in use by container `%s` on network `%s`",
                   text, holder->container, p->network);
}

static int try_acquire(int dirfd, const struct pool *p, const struct lease_request *q,
                       struct lease *out, struct err *e)
{
    _cleanup_close_ int lock = lease_file_lock(dirfd, p->network, LOCK_EX, e);
    if (lock < 0)
        return lock;
    _cleanup_lease_file_ struct lease_file f = {0};
    int r = lease_file_read(dirfd, p->network, &f, e);
    if (r < 0)
        return r;
    /* A missing file does not mean that addresses are free: containers in use keep theirs. */
    if (r == 0)
        return err_say(e, -ENOENT, "the lease file of network `%s` is missing", p->network);
    for (size_t i = 0; i < f.count; i++)
        if (streq(f.leases[i].owner, q->owner)) { /* a repeated request gets the same lease */
            *out = lease_copy(&f.leases[i]);
            return 0;
        }
    struct lease l = {.since = time(NULL)};
    if ((r = choose_both(&f, p, q, &l, e)) < 0 || (r = choose_mac(&f, p, q, &l, e)) < 0)
        return r;
    l.container = xstrdup(q->container);
    l.owner = xstrdup(q->owner);
    const struct ip *chosen = l.address4.family ? &l.address4 : &l.address6;
    if (!(l.address4.family ? q->address4 : q->address6).family)
        f.last = *chosen;
    f.leases = xrealloc(f.leases, f.count + 1, sizeof(*f.leases));
    f.leases[f.count++] = l;
    r = lease_file_write(dirfd, p->network, &f, e);
    if (r == 0)
        *out = lease_copy(&l);
    return r;
}

int lease_acquire(int dirfd, const struct pool *pool, const struct lease_request *request,
                  struct lease *out, struct err *e)
{
    const struct timespec pause = {.tv_nsec = 10000000};
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
                  struct err *e)
{
    _cleanup_lease_file_ struct lease_file f = {0};
    _cleanup_lease_ struct lease l = {0};
    int r = lease_file_read(dirfd, pool->network, &f, e);
    if (r >= 0)
        r = choose_both(&f, pool, request, &l, e);
    if (r >= 0)
        r = choose_mac(&f, pool, request, &l, e);
    return r == -EAGAIN ? 0 : r; /* lease_acquire() would wait for it */
}

int lease_release(int dirfd, const char *network, const char *owner, struct err *e)
{
    _cleanup_close_ int lock = lease_file_lock(dirfd, network, LOCK_EX, e);
    if (lock < 0)
        return lock;
    _cleanup_lease_file_ struct lease_file f = {0};
    int r = lease_file_read(dirfd, network, &f, e);
    if (r < 0)
        return r;
    bool held = false;
    for (size_t i = 0; i < f.count; i++) {
        if (!streq(f.leases[i].owner, owner))
            continue;
        held = true;
        lease_start_cooling(&f.leases[i]);
    }
    return held ? lease_file_write(dirfd, network, &f, e) : 0;
}

int lease_check(int dirfd, const char *network, struct err *e)
{
    _cleanup_lease_file_ struct lease_file f = {0};
    return lease_file_read(dirfd, network, &f, e);
}

/* In one step: a crash between removing the old file and writing the new one would leave none. Only
 * a directory cannot be replaced by rename; then a crash leaves no file, which means "missing", not
 * "empty". */
static int replace_lease_file(int dirfd, const char *network, const struct lease_file *f,
                              struct err *e)
{
    int r = lease_file_write(dirfd, network, f, e);
    if (r != -EISDIR)
        return r;
    err_clear(e);
    if ((r = remove_tree_at(dirfd, network)) < 0)
        return err_set(e, r, "remove the leases of network `%s`", network);
    return lease_file_write(dirfd, network, f, e);
}

int lease_restore(int dirfd, const char *network, const struct lease *living, size_t count,
                  struct err *e)
{
    _cleanup_close_ int lock = lease_file_lock(dirfd, network, LOCK_EX, e);
    if (lock < 0)
        return lock;
    int r = lease_check(dirfd, network, e);
    if (r != 0 && r != -EBADMSG)
        return r < 0 ? r : 0;
    err_clear(e);
    _cleanup_lease_file_ struct lease_file f = {.leases = xcalloc(count, sizeof(*f.leases))};
    for (; f.count < count; f.count++)
        f.leases[f.count] = lease_copy(&living[f.count]);
    r = replace_lease_file(dirfd, network, &f, e);
    return r < 0 ? r : 1;
}

int lease_each(int dirfd, const char *network, int (*each)(const struct lease *l, void *arg),
               void *arg, struct err *e)
{
    /* Without the lock: the file is replaced in one step, and a reader should neither wait for a
     * lock holder nor create the lock file. */
    if (file_exists_at(dirfd, network) == 0)
        return 0;
    _cleanup_lease_file_ struct lease_file f = {0};
    int r = lease_file_read(dirfd, network, &f, e);
    for (size_t i = 0; r >= 0 && i < f.count; i++)
        if (!lease_is_cooling(&f.leases[i]))
            r = each(&f.leases[i], arg);
    return r < 0 ? r : 0;
}

int lease_remove(int dirfd, const char *network, struct err *e)
{
    _cleanup_close_ int lock = lease_file_lock(dirfd, network, LOCK_EX, e);
    if (lock < 0)
        return lock;
    (void)tidy_file_at(dirfd, network);
    _cleanup_free_ char *lock_file = xasprintf(".%s.lock", network);
    if ((unlinkat(dirfd, network, 0) < 0 && errno != ENOENT) || unlinkat(dirfd, lock_file, 0) < 0)
        return err_set(e, errno, "remove the leases of network `%s`", network);
    return 0;
}

int lease_tidy(int dirfd, const char *network, struct err *e)
{
    _cleanup_close_ int lock = lease_file_lock(dirfd, network, LOCK_EX, e);
    return lock < 0 ? lock : tidy_file_at(dirfd, network);
}
