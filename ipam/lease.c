/* The lease file of a network. For example:
 *
 *     # netctr leases 1 boot=5e0b… last=10.88.0.3
 *     10.88.0.2  web  02:42:0a:58:00:02  2026-11-23T14:05:00Z  4f1c09d2a7b3
 *     10.88.0.3  db   02:42:0a:58:00:03  2026-11-23T14:05:07Z  81be66a0c410
 *     10.88.0.4  job  02:42:0a:58:00:04  2026-11-23T14:05:09Z  resting-until=3722517
 *
 * It lives in a tmpfs and names the boot: should it survive one all the same, it is empty again
 * (addresses leaked by a reboot are the field's oldest IPAM bug). The lock is a file of its own,
 * because the lease file is replaced by rename. A line that cannot be read is an error, not a free
 * address: handing out an address twice is worse than handing out none.
 */
#include <netctr/ipam.h>

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

/* An address that was released rests: for as long as the kernel takes to remove the veth of a
 * container that has ended (10-60 ms, more when it is busy), the address is still on the bridge. Its
 * line stays, with "resting-until=MS" (CLOCK_BOOTTIME) in the owner's place. */
#define REST_MS 500
#define RESTING "resting-until="
#define WAIT_MS 5000 /* for an address that rests, when there is no other */

struct book {
    struct lease *leases;
    size_t count;
    struct ip last; /* given out most recently */
};

void lease_clear(struct lease *l)
{
    free(l->container);
    free(l->owner);
    *l = (struct lease){0};
}

static void book_clear(struct book *b)
{
    for (size_t i = 0; i < b->count; i++)
        lease_clear(&b->leases[i]);
    free(b->leases);
    *b = (struct book){0};
}
#define _cleanup_book_ __attribute__((cleanup(book_clear)))

static struct lease lease_copy(const struct lease *l)
{
    struct lease copy = *l;
    copy.container = xstrdup(l->container);
    copy.owner = xstrdup(l->owner);
    return copy;
}

static bool rests(const struct lease *l)
{
    return skip_prefix(l->owner, RESTING) != NULL;
}

static int64_t milliseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static char *time_text(int64_t when)
{
    time_t t = (time_t)when;
    struct tm tm;
    char text[32] = "";
    if (gmtime_r(&t, &tm))
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
    return xstrdup(text);
}

static bool valid_owner(const char *owner)
{
    const char *until = skip_prefix(owner, RESTING);
    uint64_t ms;
    return until ? parse_u64(until, 0, INT64_MAX, &ms) == 0 : valid_name(owner);
}

/* One line: five words. */
static int parse_line(const char *line, struct lease *out)
{
    _cleanup_free_ char *address = NULL, *container = NULL, *mac = NULL, *since = NULL,
                        *owner = NULL;
    int used = 0;
    if (sscanf(line, "%ms %ms %ms %ms %ms %n", &address, &container, &mac, &since, &owner, &used) !=
            5 ||
        line[used] != '\0')
        return -EBADMSG;
    struct tm tm = {0};
    const char *end = strptime(since, "%Y-%m-%dT%H:%M:%SZ", &tm);
    if (ip_parse(address, &out->address) < 0 || mac_parse(mac, out->mac) < 0 || !end || *end ||
        !valid_name(container) || !valid_owner(owner))
        return -EBADMSG;
    out->since = timegm(&tm);
    out->container = take_ptr(container);
    out->owner = take_ptr(owner);
    return 0;
}

/* The first line. Returns 1, or 0 when the file is another boot's: then it counts as empty. */
static int parse_header(const char *line, const char *now, struct ip *last)
{
    _cleanup_free_ char *boot = NULL, *address = NULL;
    if (sscanf(line, "# netctr leases 1 boot=%ms last=%ms", &boot, &address) < 1 ||
        strlen(boot) != strlen(now))
        return -EBADMSG;
    if (!streq(boot, now))
        return 0;
    if (address)
        (void)ip_parse(address, last);
    return 1;
}

static int damaged(const char *network, size_t line, struct err *e)
{
    err_say(e, -EBADMSG, "the lease file of network `%s` is damaged in line %zu", network, line);
    err_hint(e, "stop the network's containers and remove the file");
    return -EBADMSG;
}

static int book_read(int dirfd, const char *network, struct book *out, struct err *e)
{
    _cleanup_free_ char *text = NULL, *boot = NULL;
    size_t size;
    int r = read_file_at(dirfd, network, 64 << 20, &text, &size);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return err_set(e, r, "read the leases of network `%s`", network);
    if ((r = boot_id(&boot, e)) < 0)
        return r;
    _cleanup_strv_ strv lines = strv_split(text, '\n');
    r = parse_header(lines[0], boot, &out->last);
    if (r <= 0)
        return r < 0 ? damaged(network, 1, e) : 0;
    size_t total = strv_len(lines);
    /* What stands behind a NUL byte, or was cut off with the last newline, is not seen below. */
    if (strlen(text) != size || *lines[total - 1])
        return damaged(network, total, e);
    out->leases = xcalloc(total, sizeof(*out->leases));
    for (size_t i = 1; i < total; i++) {
        if (!*lines[i])
            continue;
        struct lease *l = &out->leases[out->count];
        if (parse_line(lines[i], l) < 0)
            return damaged(network, i + 1, e);
        if (rests(l) && strtoll(l->owner + strlen(RESTING), NULL, 10) <= milliseconds())
            lease_clear(l);
        else
            out->count++;
    }
    return 0;
}

static int book_write(int dirfd, const char *network, const struct book *b, struct err *e)
{
    _cleanup_free_ char *text = NULL, *boot = NULL, *last = ip_text(&b->last);
    size_t size = 0;
    int r = boot_id(&boot, e);
    if (r < 0)
        return r;
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return err_set(e, errno, "write the leases of network `%s`", network);
    fprintf(f, "# netctr leases 1 boot=%s last=%s\n", boot, last);
    for (size_t i = 0; i < b->count; i++) {
        const struct lease *l = &b->leases[i];
        _cleanup_free_ char *a = ip_text(&l->address), *m = mac_text(l->mac),
                            *t = time_text(l->since);
        fprintf(f, "%s  %s  %s  %s  %s\n", a, l->container, m, t, l->owner);
    }
    fclose(f);
    r = write_file_atomic(dirfd, network, text, size, 0600);
    return r < 0 ? err_set(e, r, "write the leases of network `%s`", network) : 0;
}

static int book_lock(int dirfd, const char *network, int operation, struct err *e)
{
    /* names begin with a letter or a digit: this is no other network's file */
    _cleanup_free_ char *lock = xasprintf(".%s.lock", network);
    int fd = lock_file_at(dirfd, lock, operation);
    return fd < 0 ? err_set(e, fd, "lock the leases of network `%s`", network) : fd;
}

static const struct lease *holder_of(const struct book *b, const struct ip *a)
{
    for (size_t i = 0; i < b->count; i++)
        if (ip_equal(&b->leases[i].address, a))
            return &b->leases[i];
    return NULL;
}

/* The first address is the network itself (in IPv6: every router's), IPv4's last one is everybody. */
static bool reserved(const struct subnet *s, const struct ip *a)
{
    if (ip_equal(a, &s->address))
        return true;
    return a->family == AF_INET && subnet_host_number(s, a) == UINT32_MAX >> s->prefix;
}

/* Next-fit over the host numbers 1 … all-ones-minus-one (network and broadcast are left out). A
 * large subnet is looked at only as far as it has leases: one more try must find a free one. */
static int next_free(const struct book *b, const struct subnet *s, const struct ip *gateway,
                     struct ip *out)
{
    unsigned host_bits = (unsigned)ip_size(&s->address) * 8 - s->prefix;
    uint32_t hosts = host_bits >= 32 ? UINT32_MAX - 1 : (1u << host_bits) - 2;
    uint32_t n = subnet_contains(s, &b->last) ? subnet_host_number(s, &b->last) : 0;
    for (size_t tries = 0; tries < b->count + 2 && tries < hosts; tries++) {
        n = n >= hosts ? 1 : n + 1;
        *out = subnet_host(s, n);
        if (!ip_equal(out, gateway) && !holder_of(b, out))
            return 0;
    }
    for (size_t i = 0; i < b->count; i++)
        if (rests(&b->leases[i]))
            return -EAGAIN;
    return -ENOSPC;
}

static int choose(const struct book *b, const char *network, const struct subnet *s,
                  const struct ip *gateway, const struct ip *wanted, struct ip *out, struct err *e)
{
    if (!wanted) {
        int r = next_free(b, s, gateway, out);
        if (r != -ENOSPC)
            return r;
        _cleanup_free_ char *text = subnet_text(s);
        return err_say(e, -ENOSPC, "network `%s` has no free address left in %s", network, text);
    }
    _cleanup_free_ char *text = ip_text(wanted), *prefix = subnet_text(s);
    const struct lease *holder = holder_of(b, wanted);
    if (!subnet_contains(s, wanted))
        return err_say(e, -EINVAL, "address %s is not in %s, the subnet of network `%s`", text,
                       prefix, network);
    if (reserved(s, wanted))
        return err_say(e, -EINVAL, "address %s is the %s address of %s, not a host's", text,
                       ip_equal(wanted, &s->address) ? "network" : "broadcast", prefix);
    if (holder && rests(holder))
        return -EAGAIN;
    if (holder)
        return err_say(e, -EADDRINUSE, "address %s is in use by container `%s`", text,
                       holder->container);
    if (ip_equal(wanted, gateway))
        return err_say(e, -EADDRINUSE, "address %s is the gateway of network `%s`", text, network);
    *out = *wanted;
    return 0;
}

static int try_acquire(int dirfd, const char *network, const struct subnet *subnet,
                       const struct ip *gateway, const struct ip *wanted, const char *container,
                       const char *owner, struct lease *out, struct err *e)
{
    _cleanup_close_ int lock = book_lock(dirfd, network, LOCK_EX, e);
    if (lock < 0)
        return lock;
    _cleanup_book_ struct book b = {0};
    int r = book_read(dirfd, network, &b, e);
    if (r < 0)
        return r;
    for (size_t i = 0; i < b.count; i++)
        if (streq(b.leases[i].owner, owner)) { /* a second time: the same one */
            *out = lease_copy(&b.leases[i]);
            return 0;
        }
    struct lease l = {.since = time(NULL)};
    r = choose(&b, network, subnet, gateway, wanted, &l.address, e);
    if (r < 0)
        return r;
    l.mac[0] = 0x02;
    l.mac[1] = 0x42;
    memcpy(l.mac + 2, l.address.bytes + ip_size(&l.address) - 4, 4);
    l.container = xstrdup(container);
    l.owner = xstrdup(owner);
    if (!wanted)
        b.last = l.address;
    b.leases = xrealloc(b.leases, b.count + 1, sizeof(*b.leases));
    b.leases[b.count++] = l;
    r = book_write(dirfd, network, &b, e);
    if (r == 0)
        *out = lease_copy(&l);
    return r;
}

int lease_acquire(int dirfd, const char *network, const struct subnet *subnet,
                  const struct ip *gateway, const struct ip *wanted, const char *container,
                  const char *owner, struct lease *out, struct err *e)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    for (int waited = 0; waited < WAIT_MS; waited += 10) {
        int r = try_acquire(dirfd, network, subnet, gateway, wanted, container, owner, out, e);
        if (r != -EAGAIN)
            return r;
        nanosleep(&pause, NULL);
    }
    return err_say(e, -ENOSPC, "network `%s`: the last free address does not become free", network);
}

int lease_release(int dirfd, const char *network, const char *owner, struct err *e)
{
    _cleanup_close_ int lock = book_lock(dirfd, network, LOCK_EX, e);
    if (lock < 0)
        return lock;
    _cleanup_book_ struct book b = {0};
    int r = book_read(dirfd, network, &b, e);
    if (r < 0)
        return r;
    bool held = false;
    for (size_t i = 0; i < b.count; i++) {
        if (!streq(b.leases[i].owner, owner))
            continue;
        held = true;
        free(b.leases[i].owner);
        b.leases[i].owner = xasprintf(RESTING "%" PRId64, milliseconds() + REST_MS);
    }
    return held ? book_write(dirfd, network, &b, e) : 0;
}

int lease_each(int dirfd, const char *network, int (*each)(const struct lease *l, void *arg),
               void *arg, struct err *e)
{
    _cleanup_close_ int lock = book_lock(dirfd, network, LOCK_SH, e);
    if (lock < 0)
        return lock;
    _cleanup_book_ struct book b = {0};
    int r = book_read(dirfd, network, &b, e);
    for (size_t i = 0; r >= 0 && i < b.count; i++)
        if (!rests(&b.leases[i]))
            r = each(&b.leases[i], arg);
    return r < 0 ? r : 0;
}

int lease_tidy(int dirfd, const char *network, struct err *e)
{
    _cleanup_close_ int lock = book_lock(dirfd, network, LOCK_EX, e);
    return lock < 0 ? lock : tidy_file_at(dirfd, network);
}
