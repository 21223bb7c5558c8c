/* The lease file of a network. For example:
 *
 *     # netctr leases 1 boot=5e0b… last=10.88.0.3 sum=0f31…
 *     10.88.0.2,fd4c::2  web  02:42:0a:58:00:02  2026-11-23T14:05:00Z  4f1c09d2a7b3
 *     10.88.0.3,fd4c::3  db   02:42:0a:58:00:03  2026-11-23T14:05:07Z  81be66a0c410
 *     10.88.0.4,fd4c::4  job  02:42:0a:58:00:04  2026-11-23T14:05:09Z  resting-until=3722517
 *
 * The file is on a tmpfs and names the boot: if it survives a reboot all the same, it counts as empty
 * (addresses leaked by reboots are the oldest IPAM bug of all). The lock is a separate file, because the
 * lease file is replaced by rename. A line that cannot be parsed, or a wrong checksum, is an error and
 * not a free address: allocating an address twice is worse than allocating none. So is a missing file:
 * even a network's first one is written by a caller that knows all endpoints (lease_restore()).
 */
#include "lease_file.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

/* A released address cools down: the kernel takes 10-60 ms, or more when it is busy, to remove the
 * veth of an ended container, and as long the address is still in the bridge's tables. Meanwhile
 * the line has "resting-until=MS" (CLOCK_BOOTTIME) in place of the owner. */
#define COOLING_MS 500
#define RESTING "resting-until="

void lease_clear(struct lease *l)
{
    free(l->container);
    free(l->owner);
    *l = (struct lease){0};
}

void lease_file_clear(struct lease_file *f)
{
    for (size_t i = 0; i < f->count; i++)
        lease_clear(&f->leases[i]);
    free(f->leases);
    *f = (struct lease_file){0};
}
struct lease lease_copy(const struct lease *l)
{
    struct lease copy = *l;
    copy.container = xstrdup(l->container);
    copy.owner = xstrdup(l->owner);
    return copy;
}

bool lease_is_cooling(const struct lease *l)
{
    return skip_prefix(l->owner, RESTING) != NULL;
}

static int64_t milliseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* No release writes more than COOLING_MS ahead. A later time is wrong and must not block the
 * address. */
static bool is_cooled(const struct lease *l)
{
    int64_t until = strtoll(l->owner + strlen(RESTING), NULL, 10), now = milliseconds();
    return until <= now || until > now + COOLING_MS;
}

/* Years have four digits, so that even with a wrong clock the line can be parsed. */
static char *time_text(int64_t when)
{
    const int64_t last = 253402300799; /* 9999-12-31T23:59:59Z */
    time_t t = (time_t)(when < 0 || when > last ? 0 : when);
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

/* IPv4, IPv6, or both separated by a comma. */
static int parse_addresses(const char *text, struct lease *out)
{
    const char *comma = strchr(text, ',');
    _cleanup_free_ char *first = xstrndup(text, comma ? (size_t)(comma - text) : strlen(text));
    struct ip a;
    if (ip_parse(first, &a) < 0)
        return -EBADMSG;
    *(a.family == AF_INET ? &out->address4 : &out->address6) = a;
    if (!comma)
        return 0;
    if (a.family != AF_INET || ip_parse(comma + 1, &out->address6) < 0 ||
        out->address6.family != AF_INET6)
        return -EBADMSG;
    return 0;
}

/* One line has five words. */
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
    if (parse_addresses(address, out) < 0 || mac_parse(mac, out->mac) < 0 || !end || *end ||
        !valid_name(container) || !valid_owner(owner))
        return -EBADMSG;
    out->since = timegm(&tm);
    out->container = take_ptr(container);
    out->owner = take_ptr(owner);
    return 0;
}

/* An address with one digit changed is still an address: only a checksum detects it. */
static char *sum_of(const char *boot, const char *last, const char *lines)
{
    _cleanup_free_ char *all = xasprintf("%s %s\n%s", boot, last, lines);
    return xasprintf("%016" PRIx64, hash64(all));
}

/* Parses the first line; @rest is everything after it. Returns 1, or 0 if the file is from another
 * boot and so counts as empty. -EBADMSG. */
static int parse_header(const char *line, const char *rest, const char *now, struct ip *last)
{
    _cleanup_free_ char *boot = NULL, *address = NULL, *sum = NULL;
    int used = 0;
    /* sscanf cannot read an empty value for last= */
    int words = sscanf(line, "# netctr leases 1 boot=%ms last=%n", &boot, &used);
    if (words < 1 || !used || strlen(boot) != strlen(now))
        return -EBADMSG;
    const char *end = line + used + strcspn(line + used, " ");
    address = xstrndup(line + used, (size_t)(end - line) - (size_t)used);
    sum = sum_of(boot, address, rest);
    if (!streq(skip_prefix(end, " sum="), sum))
        return -EBADMSG;
    if (!streq(boot, now))
        return 0;
    (void)ip_parse(address, last);
    return 1;
}

static int damaged(const char *network, size_t line, struct err *e)
{
    err_say(e, -EBADMSG, "the lease file of network `%s` is damaged at line %zu", network, line);
    err_hint(e, "`netctr network reload` rebuilds it from the running containers");
    return -EBADMSG;
}

int lease_file_read(int dirfd, const char *network, struct lease_file *out, struct err *e)
{
    _cleanup_free_ char *text = NULL, *now = NULL;
    size_t size;
    int r = read_state_at(dirfd, network, 64 << 20, &text, &size);
    if (r == -ENOENT)
        return 0;
    if (r == -EBADMSG)
        return damaged(network, 1, e);
    if (r < 0)
        return err_set(e, r, "read the leases of network `%s`", network);
    if ((r = boot_id(&now, e)) < 0)
        return r;
    _cleanup_strv_ strv lines = strv_split(text, '\n');
    const char *newline = strchr(text, '\n');
    r = parse_header(lines[0], newline ? newline + 1 : "", now, &out->last);
    if (r <= 0)
        return r < 0 ? damaged(network, 1, e) : 1;
    size_t total = strv_len(lines);
    /* A NUL byte or a missing final newline would hide what follows. */
    if (strlen(text) != size || *lines[total - 1])
        return damaged(network, total, e);
    out->leases = xcalloc(total, sizeof(*out->leases));
    for (size_t i = 1; i < total; i++) {
        if (!*lines[i])
            continue;
        struct lease *l = &out->leases[out->count];
        if (parse_line(lines[i], l) < 0)
            return damaged(network, i + 1, e);
        if (lease_is_cooling(l) && is_cooled(l))
            lease_clear(l);
        else
            out->count++;
    }
    return 1;
}

int lease_file_write(int dirfd, const char *network, const struct lease_file *f, struct err *e)
{
    _cleanup_free_ char *lines = NULL, *boot = NULL, *last = ip_text(&f->last);
    size_t size = 0;
    int r = boot_id(&boot, e);
    if (r < 0)
        return r;
    FILE *stream = open_memstream(&lines, &size);
    if (!stream)
        return err_set(e, errno, "write the leases of network `%s`", network);
    for (size_t i = 0; i < f->count; i++) {
        const struct lease *l = &f->leases[i];
        _cleanup_free_ char *a4 = ip_text(&l->address4), *a6 = ip_text(&l->address6),
                            *m = mac_text(l->mac), *t = time_text(l->since);
        fprintf(stream, "%s%s%s  %s  %s  %s  %s\n", a4, *a4 && *a6 ? "," : "", a6, l->container, m,
                t, l->owner);
    }
    fclose(stream);
    _cleanup_free_ char *sum = sum_of(boot, last, lines),
                        *text = xasprintf("# netctr leases 1 boot=%s last=%s sum=%s\n%s", boot,
                                          last, sum, lines);
    r = write_file_atomic(dirfd, network, text, strlen(text), 0600);
    return r < 0 ? err_set(e, r, "write the leases of network `%s`", network) : 0;
}

int lease_file_lock(int dirfd, const char *network, int operation, struct err *e)
{
    /* names start with a letter or digit, so this cannot be another network's file */
    _cleanup_free_ char *lock = xasprintf(".%s.lock", network);
    int fd = lock_file_at(dirfd, lock, operation);
    if (fd >= 0)
        return fd;
    _cleanup_free_ char *what = xasprintf("the leases of network `%s`", network);
    return lock_failed(fd, dirfd, lock, what, e);
}

void lease_start_cooling(struct lease *l)
{
    free(l->owner);
    l->owner = xasprintf(RESTING "%" PRId64, milliseconds() + COOLING_MS);
}
