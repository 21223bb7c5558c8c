/* The leases of a network: a directory with one small file for each address, so that no start and no
 * end reads what belongs to others. For example, RUN/leases/default/:
 *
 *     boot                      5e0b0000-…            leases of another boot do not count
 *     10.88.0.2                 10.88.0.2,fd4c::2  web  02:42:0a:58:00:02  2026-11-23T14:05:00Z  4f1c09d2a7b3
 *     fd4c::2                -> 10.88.0.2             the second address of a dual-stack lease
 *     mac/02:42:0a:58:00:02  -> ../10.88.0.2
 *     owner/4f1c09d2a7b3     -> ../10.88.0.2
 *     last                   -> 10.88.0.2             allocated most recently; only a hint
 *     resting/7271/10.88.0.2                          released between two ticks of 512 ms
 *
 * The file is the lease. A link counts only if the file that it leads to names it as well, so a link
 * that a killed process has left blocks nothing. All changes are made under the network's lock, in
 * this order:
 *
 *     acquire   remove what has rested there; links owner/, mac/, fd4c::2; last; the file, in one step
 *     release   resting/; the file, replaced by one with "resting-until=MS" as owner; remove owner/
 *     remove    (after the pause) links mac/, fd4c::2; the file
 *
 * Thus a file that names an owner has all of its links at any time, and a kill between two steps
 * leaves a whole lease, none, or links without one, which gc removes. A file that cannot be read, or
 * that lacks a link, is damaged: its address is taken until lease_repair() replaces it.
 *
 * An address rests because the kernel takes 10-60 ms, or more when it is busy, to remove the veth of
 * an ended container, and as long the address is still in the bridge's tables. What has rested is
 * removed when its address is met, by later releases (a few each, found in resting/), and by gc.
 *
 * The directory is on a tmpfs. It names the boot all the same, in case it survives one. A missing
 * directory does not mean that all addresses are free: it is made complete under another name, from
 * the endpoints in use, and renamed.
 */
#include "lease_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#define COOLING_MS 500
#define RESTING "resting-until="

enum {
    LINE_MAX_SIZE = 512,
    TICK_BITS = 9, /* entries of resting/ are of 512 ms each */
};

/* ---- one lease -------------------------------------------------------------------------------*/

void lease_clear(struct lease *l)
{
    free(l->container);
    free(l->owner);
    *l = (struct lease){0};
}

struct lease lease_copy(const struct lease *l)
{
    struct lease copy = *l;
    copy.container = xstrdup(l->container);
    copy.owner = xstrdup(l->owner);
    return copy;
}

static int64_t milliseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* No release writes more than COOLING_MS ahead. A later time is wrong and must not block the
 * address. */
bool lease_has_cooled(const struct lease *l)
{
    const char *text = skip_prefix(l->owner, RESTING);
    int64_t until = text ? strtoll(text, NULL, 10) : 0, now = milliseconds();
    return text && (until <= now || until > now + COOLING_MS);
}

bool lease_is_cooling(const struct lease *l)
{
    return skip_prefix(l->owner, RESTING) && !lease_has_cooled(l);
}

char *lease_name(const struct lease *l)
{
    return ip_text(l->address4.family ? &l->address4 : &l->address6);
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
int lease_parse(const char *line, struct lease *out)
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

static char *line_of(const struct lease *l)
{
    _cleanup_free_ char *a4 = ip_text(&l->address4), *a6 = ip_text(&l->address6),
                        *m = mac_text(l->mac), *t = time_text(l->since);
    return xasprintf("%s%s%s  %s  %s  %s  %s\n", a4, *a4 && *a6 ? "," : "", a6, l->container, m, t,
                     l->owner);
}

/* ---- lookups ---------------------------------------------------------------------------------*/

static int read_line(int dirfd, const char *name, char line[LINE_MAX_SIZE])
{
    /* O_NONBLOCK: a FIFO in its place must not block. */
    _cleanup_close_ int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    ssize_t n = -1;
    do {
        n = fd < 0 ? -1 : read(fd, line, LINE_MAX_SIZE);
    } while (fd >= 0 && n < 0 && errno == EINTR);
    if (n < 0)
        return errno == ELOOP || errno == EISDIR || errno == ENXIO || errno == EAGAIN ? -EBADMSG
                                                                                      : -errno;
    /* The newline shows that nothing is cut off. */
    if (n == 0 || n == LINE_MAX_SIZE || memchr(line, '\n', (size_t)n) != line + n - 1 ||
        memchr(line, '\0', (size_t)n))
        return -EBADMSG;
    line[n - 1] = '\0';
    return 0;
}

int lease_entry(const struct lease_dir *d, const char *name, struct lease *out)
{
    char line[LINE_MAX_SIZE];
    if (d->fd < 0)
        return 0;
    int r = read_line(d->fd, name, line);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    _cleanup_lease_ struct lease l = {0};
    r = lease_parse(line, &l);
    _cleanup_free_ char *own = r == 0 ? lease_name(&l) : NULL;
    if (r < 0 || !streq(own, name))
        return -EBADMSG;
    *out = l;
    l = (struct lease){0};
    return 1;
}

/* Reads the lease that the link @path leads to. 0 also if it leads nowhere. */
static int follow(const struct lease_dir *d, const char *path, struct lease *out)
{
    char target[64];
    if (d->fd < 0)
        return 0;
    ssize_t n = readlinkat(d->fd, path, target, sizeof(target) - 1);
    if (n < 0)
        return errno == ENOENT ? 0 : errno == EINVAL ? -EBADMSG : -errno;
    target[n] = '\0';
    const char *up = skip_prefix(target, "../"), *name = up ? up : target;
    struct ip a;
    return ip_parse(name, &a) < 0 ? -EBADMSG : lease_entry(d, name, out);
}

/* Drops what @r has found if it is not @meant. */
static int only_if(int r, bool meant, struct lease *l)
{
    if (r != 1 || meant)
        return r;
    lease_clear(l);
    return 0;
}

int lease_of_address(const struct lease_dir *d, const struct ip *a, struct lease *out)
{
    _cleanup_free_ char *name = ip_text(a);
    int r = lease_entry(d, name, out);
    if (r != -EBADMSG || a->family != AF_INET6)
        return r;
    r = follow(d, name, out);
    return only_if(r, r == 1 && ip_equal(&out->address6, a), out);
}

int lease_of_mac(const struct lease_dir *d, const uint8_t mac[6], struct lease *out)
{
    _cleanup_free_ char *text = mac_text(mac), *path = xasprintf("mac/%s", text);
    int r = follow(d, path, out);
    return only_if(r, r == 1 && memcmp(out->mac, mac, 6) == 0, out);
}

int lease_of_owner(const struct lease_dir *d, const char *owner, struct lease *out)
{
    _cleanup_free_ char *path = xasprintf("owner/%s", owner);
    int r = follow(d, path, out);
    return only_if(r, r == 1 && streq(out->owner, owner), out);
}

/* 1, or 0 if @path is missing, no link, or leads elsewhere. One that cannot be read may be in order. */
static int leads_to(const struct lease_dir *d, const char *path, const char *target)
{
    char there[64];
    ssize_t n = readlinkat(d->fd, path, there, sizeof(there));
    if (n < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == EINVAL ? 0 : -errno;
    return n == (ssize_t)strlen(target) && memcmp(there, target, (size_t)n) == 0;
}

/* A lease's links: their paths, and what they lead to. */
struct links {
    char *paths[3]; /* owner (NULL: released), MAC, second address (NULL: none) */
    char *name, *up;
};

static void links_clear(struct links *l)
{
    for (size_t i = 0; i < ARRAY_LEN(l->paths); i++)
        free(l->paths[i]);
    free(l->name);
    free(l->up);
}
#define _cleanup_links_ __attribute__((cleanup(links_clear)))

static struct links links_of(const struct lease *l)
{
    _cleanup_free_ char *mac = mac_text(l->mac);
    struct links links = {.name = lease_name(l)};
    links.up = xasprintf("../%s", links.name);
    if (!skip_prefix(l->owner, RESTING))
        links.paths[0] = xasprintf("owner/%s", l->owner);
    links.paths[1] = xasprintf("mac/%s", mac);
    if (l->address4.family && l->address6.family)
        links.paths[2] = ip_text(&l->address6);
    return links;
}

static const char *target_of(const struct links *l, size_t i)
{
    return i == 2 ? l->name : l->up;
}

int lease_verify(const struct lease_dir *d, const char *name, struct lease *out)
{
    int r = lease_entry(d, name, out);
    /* One that rests may have lost its links, on the way to its removal. */
    if (r != 1 || skip_prefix(out->owner, RESTING))
        return r;
    _cleanup_links_ struct links links = links_of(out);
    for (size_t i = 0; r == 1 && i < ARRAY_LEN(links.paths); i++) {
        int leads = links.paths[i] ? leads_to(d, links.paths[i], target_of(&links, i)) : 1;
        r = leads == 0 ? -EBADMSG : leads;
    }
    if (r < 0)
        lease_clear(out);
    return r;
}

/* ---- changes ---------------------------------------------------------------------------------*/

/* Gives the file @from the name @to, in one step also if that is a directory. */
static int replace(int fd, const char *from, const char *to)
{
    if (renameat(fd, from, fd, to) == 0)
        return 0;
    if (errno != EISDIR && errno != EEXIST && errno != ENOTEMPTY)
        return -errno;
    if (renameat2(fd, from, fd, to, RENAME_EXCHANGE) < 0)
        return -errno;
    return remove_tree_at(fd, from);
}

static int put_link(const struct lease_dir *d, const char *target, const char *path)
{
    int r = symlinkat(target, d->fd, path) < 0 ? -errno : 0;
    if (r != -EEXIST || leads_to(d, path, target) == 1)
        return r == -EEXIST ? 0 : r;
    r = remove_tree_at(d->fd, "link~");
    if (r == 0 && symlinkat(target, d->fd, "link~") < 0)
        r = -errno;
    return r < 0 ? r : replace(d->fd, "link~", path);
}

/* Two links to one file would let the next writer change it: so this is a file that did not exist. */
static int write_file(const struct lease_dir *d, const char *name, const char *text, bool over)
{
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    _cleanup_close_ int fd = openat(d->fd, "file~", flags, 0600);
    if (fd < 0 && errno == EEXIST && remove_tree_at(d->fd, "file~") == 0)
        fd = openat(d->fd, "file~", flags, 0600);
    if (fd < 0)
        return -errno;
    int r = write_all(fd, text, strlen(text));
    if (r == 0 && over)
        r = replace(d->fd, "file~", name);
    else if (r == 0 && renameat2(d->fd, "file~", d->fd, name, RENAME_NOREPLACE) < 0)
        r = errno == EINVAL ? replace(d->fd, "file~", name) : -errno; /* no such flag there */
    if (r < 0)
        (void)unlinkat(d->fd, "file~", 0);
    return r;
}

static void remove_links(const struct lease_dir *d, const struct links *links)
{
    for (size_t i = 0; i < ARRAY_LEN(links->paths); i++)
        if (links->paths[i] && leads_to(d, links->paths[i], target_of(links, i)) == 1)
            (void)unlinkat(d->fd, links->paths[i], 0);
}

int lease_put(const struct lease_dir *d, const struct lease *l, bool over)
{
    _cleanup_links_ struct links links = links_of(l);
    _cleanup_free_ char *line = line_of(l);
    int r = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(links.paths); i++)
        if (links.paths[i])
            r = put_link(d, target_of(&links, i), links.paths[i]);
    if (r == 0)
        r = write_file(d, links.name, line, over);
    if (r < 0 && !over)
        remove_links(d, &links);
    return r;
}

static int note_rest(const struct lease_dir *d, const char *name, int64_t until)
{
    _cleanup_free_ char *tick = xasprintf("resting/%" PRId64, until >> TICK_BITS),
                        *path = xasprintf("%s/%s", tick, name),
                        *target = xasprintf("../../%s", name);
    if (symlinkat(target, d->fd, path) == 0 || errno == EEXIST)
        return 0;
    if (errno == ENOENT && (mkdirat(d->fd, tick, 0700) == 0 || errno == EEXIST) &&
        symlinkat(target, d->fd, path) == 0)
        return 0;
    return -errno;
}

int lease_rest(const struct lease_dir *d, struct lease *l)
{
    _cleanup_free_ char *name = lease_name(l), *owner = xasprintf("owner/%s", l->owner);
    int64_t until = milliseconds() + COOLING_MS;
    int r = note_rest(d, name, until);
    if (r < 0)
        return r;
    free(l->owner);
    l->owner = xasprintf(RESTING "%" PRId64, until);
    _cleanup_free_ char *line = line_of(l);
    if ((r = write_file(d, name, line, true)) < 0)
        return r;
    return unlinkat(d->fd, owner, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int lease_drop(const struct lease_dir *d, const struct lease *l)
{
    _cleanup_links_ struct links links = links_of(l);
    remove_links(d, &links);
    return unlinkat(d->fd, links.name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* Returns whether the directory of this tick is empty now. */
static bool reap_tick(const struct lease_dir *d, int resting, const char *tick, int *left)
{
    _cleanup_dir_ DIR *dir = open_listing(resting, tick);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        struct ip a;
        if (ip_parse(entry->d_name, &a) < 0)
            continue;
        if (--*left < 0)
            return false;
        _cleanup_lease_ struct lease l = {0};
        /* It may be in use again. */
        if (lease_entry(d, entry->d_name, &l) == 1 && lease_has_cooled(&l))
            (void)lease_drop(d, &l);
        (void)unlinkat(dirfd(dir), entry->d_name, 0);
    }
    return dir;
}

void lease_reap(const struct lease_dir *d, int at_most)
{
    int left = at_most;
    const int64_t now = milliseconds() >> TICK_BITS;
    _cleanup_dir_ DIR *dir = open_listing(d->fd, "resting");
    for (struct dirent *entry; dir && left > 0 && (entry = readdir(dir));) {
        uint64_t tick;
        if (parse_u64(entry->d_name, 0, INT64_MAX, &tick) < 0 || (int64_t)tick >= now)
            continue;
        if (reap_tick(d, dirfd(dir), entry->d_name, &left))
            (void)unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
    }
}

struct ip lease_last(const struct lease_dir *d)
{
    char text[64];
    struct ip a = {0};
    ssize_t n = d->fd < 0 ? -1 : readlinkat(d->fd, "last", text, sizeof(text) - 1);
    text[n < 0 ? 0 : n] = '\0';
    if (ip_parse(text, &a) < 0)
        a = (struct ip){0};
    return a;
}

int lease_set_last(const struct lease_dir *d, const struct ip *last)
{
    _cleanup_free_ char *text = ip_text(last);
    int r = unlinkat(d->fd, "last", 0) == 0 || errno == ENOENT ? 0 : remove_tree_at(d->fd, "last");
    if (r < 0)
        return r;
    return symlinkat(text, d->fd, "last") < 0 ? -errno : 0;
}

/* ---- the directory ---------------------------------------------------------------------------*/

void lease_dir_close(struct lease_dir *d)
{
    d->fd = close_fd(d->fd);
}

int lease_lock(int dirfd, const char *network, struct err *e)
{
    /* names start with a letter or digit, so this cannot be another network's file */
    _cleanup_free_ char *lock = xasprintf(".%s.lock", network);
    int fd = lock_file_at(dirfd, lock, LOCK_EX);
    if (fd >= 0)
        return fd;
    _cleanup_free_ char *what = xasprintf("the leases of network `%s`", network);
    return lock_failed(fd, dirfd, lock, what, e);
}

int lease_dir_open(int dirfd, const char *network, struct lease_dir *out, struct err *e)
{
    char boot[LINE_MAX_SIZE];
    _cleanup_free_ char *now = NULL;
    _cleanup_lease_dir_ struct lease_dir d = {-1, network};
    *out = d;
    int r = boot_id(&now, e);
    if (r < 0)
        return r;
    d.fd = openat(dirfd, network, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (d.fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
        return 0;
    if (d.fd >= 0)
        r = read_line(d.fd, "boot", boot);
    else
        r = -errno;
    if (r == -ENOENT || r == -EBADMSG || (r == 0 && !streq(boot, now)))
        return 0;
    if (r < 0)
        return err_set(e, r, "open the leases of network `%s`", network);
    *out = d;
    d.fd = -1;
    return 1;
}

int lease_dir_make(int dirfd, const char *name, struct lease_dir *out, struct err *e)
{
    _cleanup_free_ char *now = NULL;
    *out = (struct lease_dir){-1, name};
    int r = boot_id(&now, e);
    if (r < 0)
        return r;
    if (mkdirat(dirfd, name, 0700) < 0)
        return err_set(e, errno, "make directory `%s` for leases", name);
    _cleanup_lease_dir_ struct lease_dir d = {
        openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), name};
    _cleanup_free_ char *boot = xasprintf("%s\n", now);
    if (d.fd < 0 || mkdirat(d.fd, "owner", 0700) < 0 || mkdirat(d.fd, "mac", 0700) < 0 ||
        mkdirat(d.fd, "resting", 0700) < 0)
        r = -errno;
    if (r == 0)
        r = write_file(&d, "boot", boot, false);
    if (r < 0)
        return err_set(e, r, "make directory `%s` for leases", name);
    *out = d;
    d.fd = -1;
    return 0;
}
