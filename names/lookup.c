/* address/ASKER tells who asks; container/ID/ its networks; network/NETWORK/NAME/ who has that
 * name. What cannot be read is treated as missing: its writer is at work, and the state just before
 * or after is as good. */
#include "names/lookup.h"

#include "names/record.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define FILE_MAX (1 << 20) /* as large as an entry may be */

void lookup_result_clear(struct lookup_result *f)
{
    free(f->records);
    free(f->name);
    *f = (struct lookup_result){0};
}

/* ---- reading ---------------------------------------------------------------------------------*/

/* Appends the entries of the directory that are valid names. 0, also if the directory is missing;
 * -errno. */
static int list(int dir, const char *path, struct strings *out)
{
    char buffer[4096] __attribute__((aligned(8)));
    _cleanup_close_ int fd = openat(dir, path, LOOKUP_OPEN_DIRECTORY);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : -errno;
    for (;;) {
        ssize_t n = getdents64(fd, buffer, sizeof(buffer));
        if (n <= 0)
            return n < 0 && errno != ENOENT ? -errno : 0;
        for (ssize_t at = 0; at < n;) {
            const struct dirent64 *entry = (const struct dirent64 *)(buffer + at);
            if (valid_name(entry->d_name))
                strings_add(out, entry->d_name);
            at += entry->d_reclen;
        }
    }
}

static char *read_text(int dir, const char *path)
{
    _cleanup_close_ int fd = openat(dir, path, LOOKUP_OPEN_FILE);
    if (fd < 0)
        return NULL;
    size_t room = 1024, used = 0;
    _cleanup_free_ char *text = xcalloc(room, 1);
    for (ssize_t n; (n = read(fd, text + used, room - used - 1)) != 0;) {
        if (n < 0 || used + (size_t)n > FILE_MAX)
            return NULL;
        used += (size_t)n;
        if (used + 1 == room)
            text = xrealloc(text, room *= 2, 1);
    }
    text[used] = '\0';
    return take_ptr(text);
}

/* The three words "NETWORK ID NAME" of an address. NULL: no container has it if errno is ENOENT,
 * else unknown. */
static strv owner_of(int dir, const struct ip *address)
{
    _cleanup_free_ char *text = ip_text(address), *path = xasprintf("address/%s", text),
                        *target = record_link(dir, path);
    if (!target)
        return NULL;
    _cleanup_strv_ strv words = strv_split(target, ' ');
    if (strv_len(words) == 3 && valid_name(words[0]) && valid_name(words[1]))
        return take_ptr(words);
    errno = ENOENT;
    return NULL;
}

/* ---- names -----------------------------------------------------------------------------------*/

static void add_record(struct lookup_result *f, const struct dns_record *record)
{
    if ((f->count & (f->count - 1)) == 0) /* a power of two: the array is full */
        f->records = xrealloc(f->records, f->count ? f->count * 2 : 1, sizeof(*f->records));
    f->records[f->count++] = *record;
}

static bool is_wanted(const struct dns_question *q, enum dns_type type)
{
    return (q->type == type || q->type == DNS_ANY) &&
           (q->class == DNS_IN || q->class == DNS_ANY_CLASS);
}

/* "10.88.0.2,fd4c::2" */
static void add_addresses(struct lookup_result *f, const struct dns_question *q, const char *text)
{
    _cleanup_strv_ strv words = strv_split(text, ',');
    strv_each (word, words) {
        struct dns_record record = {0};
        if (ip_parse(word, &record.address) == 0 &&
            is_wanted(q, record.address.family == AF_INET ? DNS_A : DNS_AAAA))
            add_record(f, &record);
    }
}

static size_t random_below(size_t limit)
{
    uint32_t random = 0;
    (void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
    return random % limit;
}

/* Returns 1 if the network has the name. If there are more addresses than fit into the answer,
 * starts at a random one. */
static int find_name(int dir, const char *network, const struct dns_question *q, size_t most,
                     struct lookup_result *f)
{
    _cleanup_free_ char *path = xasprintf("network/%s/%s", network, q->name);
    _cleanup_strings_ struct strings ids = {0};
    int known = list(dir, path, &ids);
    size_t count = ids.count, first = count > most ? random_below(count) : 0;
    for (size_t i = 0; known >= 0 && i < count && f->count <= most; i++) {
        _cleanup_free_ char *link = xasprintf("%s/%s", path, ids.items[(first + i) % count]),
                            *target = record_link(dir, link);
        if (!target)
            continue;
        known = 1;
        add_addresses(f, q, target);
    }
    return known;
}

/* Clients use the first of several addresses, so the order changes with each answer. */
static void rotate(struct lookup_result *f)
{
    if (f->count < 2)
        return;
    size_t by = random_below(f->count);
    struct dns_record *turned = xcalloc(f->count, sizeof(*turned));
    for (size_t i = 0; i < f->count; i++)
        turned[i] = f->records[(i + by) % f->count];
    free(f->records);
    f->records = turned;
}

/* Returns 1 if a container on one of the asker's networks has the address. */
static int find_address(int dir, char *const *networks, const struct ip *address,
                        const struct dns_question *q, struct lookup_result *f)
{
    _cleanup_strv_ strv owner = owner_of(dir, address);
    if (!owner)
        return errno == ENOENT ? 0 : -errno;
    if (!strv_has(networks, owner[0]))
        return 0;
    if (is_wanted(q, DNS_PTR) && name_is_dns(owner[2])) {
        f->name = xstrdup(owner[2]);
        add_record(f, &(struct dns_record){.name = f->name});
    }
    return 1;
}

static int find(int dir, char *const *networks, const struct dns_question *q, size_t most,
                struct lookup_result *f)
{
    struct ip address;
    int known = 0;
    if (!q->plain || !name_is_dns(q->name))
        return 0;
    strv_each (network, networks) {
        int r = known < 0 ? known : find_name(dir, network, q, most, f);
        known = r < 0 ? r : r > 0 ? 1 : known;
    }
    if (known == 0 && dns_reverse(q->name, &address))
        known = find_address(dir, networks, &address, q, f);
    rotate(f);
    return known;
}

/* ---- other names ------------------------------------------------------------------------------*/

static bool may_ask_outside(int dir, const char *id, char *const *networks)
{
    strv_each (network, networks) {
        _cleanup_free_ char *path = xasprintf("container/%s/%s", id, network),
                            *text = read_text(dir, path);
        _cleanup_record_ struct name_entry n = {0};
        if (text && record_parse(text, &n) == 0 && !n.internal)
            return true;
    }
    return false;
}

static void add_servers(int dir, const char *id, struct lookup_result *f)
{
    _cleanup_free_ char *path = xasprintf("container/%s/.servers", id), *own = read_text(dir, path),
                        *text = own && *own ? NULL : read_text(dir, "upstream");
    const char *used = text ? text : own ? own : "";
    _cleanup_strv_ strv words = strv_split(used, ',');
    strv_each (word, words) {
        struct ip *server = &f->servers[f->server_count];
        if (ip_parse(word, server) < 0 || ip_is_any(server))
            continue;
        if (++f->server_count == LOOKUP_SERVERS)
            break;
    }
}

enum lookup lookup(int dir, const struct ip *asker, const struct dns_question *q, size_t most,
                   struct lookup_result *out)
{
    *out = (struct lookup_result){0};
    _cleanup_strv_ strv owner = owner_of(dir, asker);
    _cleanup_strings_ struct strings networks = {0};
    if (!owner)
        return errno == ENOENT ? LOOKUP_REFUSE : LOOKUP_FAIL;
    _cleanup_free_ char *container = xasprintf("container/%s", owner[1]);
    if (list(dir, container, &networks) < 0)
        return LOOKUP_FAIL;
    int known = find(dir, networks.items, q, most, out);
    if (known < 0)
        return LOOKUP_FAIL;
    if (known > 0)
        return LOOKUP_TELL;
    if (!may_ask_outside(dir, owner[1], networks.items))
        return LOOKUP_REFUSE;
    add_servers(dir, owner[1], out);
    return LOOKUP_FORWARD;
}
