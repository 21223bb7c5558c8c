/* RUN/dns. For example:
 *
 *     container/4f1c09d2a7b3/blue   10.88.0.2 fd4c::2 web,4f1c09d2a7b3,WWW open
 *     address/10.88.0.2             -> blue 4f1c09d2a7b3 web
 *     address/fd4c::2               -> blue 4f1c09d2a7b3 web
 *     network/blue/web/4f1c09d2a7b3 -> 10.88.0.2,fd4c::2
 *     network/blue/www/4f1c09d2a7b3 -> 10.88.0.2,fd4c::2
 *
 * While an entry replaces another one, it has a second line with the old contents. A command that removes the
 * entry, now or after its writer was killed, removes what either line leads to. Truncating the second
 * line ends the change and needs no free space.
 */
#include "names/record.h"

#include <errno.h>
#include <string.h>

int names_open(int run_fd, struct err *e)
{
    static const char *const parts[] = {"dns", "dns/container", "dns/address", "dns/network",
                                        ("dns/" NAMES_BELL)};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (mkdirat(run_fd, parts[i], 0700) < 0 && errno != EEXIST)
            return err_set(e, errno, "create the directory of names");
    int fd = openat(run_fd, "dns", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? err_set(e, errno, "open the directory of names") : fd;
}

int names_exist(int run_fd)
{
    return file_exists_at(run_fd, "dns");
}

/* Setting a file's time is IN_ATTRIB for inotify; creating it is IN_CREATE. A full file system,
 * where the file cannot be created, must not prevent leaving. */
static int ring(int dir, const char *network)
{
    _cleanup_free_ char *path = xasprintf(NAMES_BELL "/%s", network);
    if (utimensat(dir, path, NULL, AT_SYMLINK_NOFOLLOW) == 0)
        return 0;
    if (errno != ENOENT)
        return -errno;
    _cleanup_close_ int fd = openat(dir, path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd < 0 ? -errno : 0;
}

/* ---- joining ---------------------------------------------------------------------------------*/

struct joining {
    int dir;
    const char *network;
    const struct name_entry *n;
};

static int mkdir_there(int dir, const char *path)
{
    return mkdirat(dir, path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

/* The name of a link while it is made. No two processes make one for the same container. */
static int make_link(int dir, const char *target, const char *unfinished, const char *path)
{
    if (symlinkat(target, dir, unfinished) < 0 &&
        (errno != EEXIST || unlinkat(dir, unfinished, 0) < 0 ||
         symlinkat(target, dir, unfinished) < 0))
        return -errno;
    return renameat(dir, unfinished, dir, path) < 0 ? -errno : 0;
}

static int put_address(const struct joining *j, const struct ip *address)
{
    const char *first = "-";
    strv_each (name, j->n->names)
        if (streq(first, "-") && name_is_dns(name))
            first = name;
    _cleanup_free_ char *text = ip_text(address), *path = xasprintf("address/%s", text),
                        *unfinished = xasprintf("address/~%s", j->n->id),
                        *target = xasprintf("%s %s %s", j->network, j->n->id, first);
    return address->family ? make_link(j->dir, target, unfinished, path) : 0;
}

/* The last container to leave removes the directory, perhaps just after we found it. */
static int put_name(const struct joining *j, const char *name, const char *addresses)
{
    _cleanup_free_ char *network = xasprintf("network/%s", j->network), *lower = name_lower(name),
                        *path = xasprintf("%s/%s", network, lower),
                        *link = xasprintf("%s/%s", path, j->n->id),
                        *unfinished = xasprintf("%s/~%s", path, j->n->id);
    int r = -ENOENT;
    for (int tries = 0; r == -ENOENT && tries < 100000; tries++) {
        r = make_link(j->dir, addresses, unfinished, link);
        if (r == -ENOENT)
            r = mkdir_there(j->dir, network);
        else
            break;
        if (r == 0)
            r = mkdir_there(j->dir, path);
        if (r == 0)
            r = -ENOENT; /* created: try again */
    }
    return r;
}

static int put_index(const struct joining *j)
{
    _cleanup_free_ char *four = ip_text(&j->n->address4), *six = ip_text(&j->n->address6),
                        *both = xasprintf("%s%s%s", four, *four && *six ? "," : "", six);
    int r = put_address(j, &j->n->address4);
    if (r == 0)
        r = put_address(j, &j->n->address6);
    strv_each (name, j->n->names)
        if (r == 0 && name_is_dns(name) && *both)
            r = put_name(j, name, both);
    return r;
}

static int write_servers(int dir, const struct name_entry *n)
{
    _cleanup_free_ char *path = xasprintf("container/%s/.servers", n->id),
                        *text = strv_join(n->servers, ",");
    if (n->servers)
        return write_file_atomic(dir, path, text, strlen(text), 0600);
    return unlinkat(dir, path, 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* The new line, then the lines that it replaces. */
static int write_entry(const struct joining *j, char *const *old)
{
    _cleanup_free_ char *path = xasprintf("container/%s/%s", j->n->id, j->network),
                        *first = record_text(j->n), *rest = strv_join(old, ""),
                        *text = xasprintf("%s%s", first, rest);
    return write_file_atomic(j->dir, path, text, strlen(text), 0600);
}

static int end_change(const struct joining *j)
{
    _cleanup_free_ char *path = xasprintf("container/%s/%s", j->n->id, j->network),
                        *text = record_text(j->n);
    _cleanup_close_ int fd = openat(j->dir, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 || ftruncate(fd, (off_t)strlen(text)) < 0 ? -errno : 0;
}

static bool has_name(const struct name_entry *n, const char *lower)
{
    strv_each (name, n->names) {
        _cleanup_free_ char *other = name_lower(name);
        if (streq(other, lower))
            return n->address4.family || n->address6.family;
    }
    return false;
}

static int remove_address(const struct joining *j, const struct ip *old)
{
    _cleanup_free_ char *text = ip_text(old);
    if (!old->family || ip_equal(old, &j->n->address4) || ip_equal(old, &j->n->address6))
        return 0;
    return record_remove_address(j->dir, text, j->network, j->n->id);
}

/* Removes what @old leads to and the new entry does not. */
static int remove_stale(const struct joining *j, const struct name_entry *old)
{
    int r = remove_address(j, &old->address4);
    if (r == 0)
        r = remove_address(j, &old->address6);
    strv_each (name, old->names) {
        _cleanup_free_ char *lower = name_lower(name);
        if (r == 0 && name_is_dns(name) && !has_name(j->n, lower))
            r = record_remove_name(j->dir, j->network, lower, j->n->id);
    }
    return r;
}

static int replace(const struct joining *j, char *const *old)
{
    int r = write_entry(j, old);
    if (r == 0)
        r = put_index(j);
    strv_each (line, old) {
        _cleanup_record_ struct name_entry n = {0};
        if (r == 0 && record_parse(line, &n) == 0)
            r = remove_stale(j, &n);
    }
    if (r == 0 && old)
        r = end_change(j);
    return r == 0 ? ring(j->dir, j->network) : r;
}

static int join(const struct joining *j)
{
    _cleanup_strv_ strv old = NULL;
    _cleanup_free_ char *container = xasprintf("container/%s", j->n->id);
    int r = mkdir_there(j->dir, container);
    if (r == 0)
        r = record_lines(j->dir, j->network, j->n->id, &old);
    bool damaged = r == -EBADMSG;
    strv_each (line, old) {
        _cleanup_record_ struct name_entry n = {0};
        damaged = damaged || record_parse(line, &n) < 0;
    }
    if (damaged) {
        strv_free(take_ptr(old));
        r = record_remove(j->dir, j->network, j->n->id);
    }
    if (r == 0 || r == -ENOENT)
        r = write_servers(j->dir, j->n);
    return r == 0 ? replace(j, old) : r;
}

int names_join(int dir, const char *network, const struct name_entry *n, struct err *e)
{
    const struct joining j = {dir, network, n};
    int r = valid_name(network) && valid_name(n->id) ? join(&j) : -EINVAL;
    return r < 0 ? err_set(e, r, "store the names on network `%s`", network) : 0;
}

/* ---- leaving ---------------------------------------------------------------------------------*/

struct leaving {
    int dir;
    const char *id;
    bool stays; /* it is on other networks too */
};

static int leave_one(const char *network, void *arg)
{
    struct leaving *l = arg;
    if (!valid_name(network))
        return 0;
    int r = record_remove(l->dir, network, l->id);
    if (r == 0)
        (void)ring(l->dir, network);
    return r;
}

static int find_network(const char *name, void *arg)
{
    struct leaving *l = arg;
    l->stays = l->stays || valid_name(name);
    return 0;
}

int names_leave(int dir, const char *network, const char *id, struct err *e)
{
    struct leaving l = {.dir = dir, .id = id};
    _cleanup_free_ char *container = xasprintf("container/%s", id);
    if (!valid_name(id) || (network && !valid_name(network)))
        return err_say(e, -EINVAL, "`%s` is not a container id", id);
    int there = file_exists_at(dir, container);
    if (there == 0) /* the entry is removed last, so nothing else is left */
        return 0;
    int r = there < 0 ? there
            : network ? leave_one(network, &l)
                      : record_list(dir, container, leave_one, &l);
    if (r == 0)
        r = record_list(dir, container, find_network, &l);
    if (r == 0 && !l.stays)
        r = remove_tree_at(dir, container);
    return r < 0 ? err_set(e, r, "remove the names of %s", id) : 0;
}

/* ---- reading ---------------------------------------------------------------------------------*/

static strv read_servers(int dir, const char *id)
{
    _cleanup_free_ char *path = xasprintf("container/%s/.servers", id), *text = NULL;
    if (read_state_at(dir, path, 65536, &text, NULL) < 0)
        return NULL;
    return *text ? strv_split(text, ',') : NULL;
}

struct walk {
    int dir;
    const char *network;
    int (*each)(const struct name_entry *n, void *arg);
    void *arg;
};

static int walk_one(const char *id, void *arg)
{
    const struct walk *w = arg;
    _cleanup_free_ char *path = xasprintf("container/%s/%s", id, w->network), *text = NULL;
    _cleanup_record_ struct name_entry n = {0};
    if (!valid_name(id) || read_state_at(w->dir, path, 1 << 20, &text, NULL) < 0 ||
        record_parse(text, &n) < 0)
        return 0;
    n.id = xstrdup(id);
    n.servers = read_servers(w->dir, id);
    int r = w->each(&n, w->arg);
    return r < 0 ? r : 0;
}

/* The link count of a directory includes one for each subdirectory. */
size_t names_count(int dir, const char *network)
{
    struct stat st;
    _cleanup_free_ char *path = xasprintf("network/%s", network);
    return fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_nlink > 2 ? st.st_nlink - 2
                                                                                : 0;
}

int names_each(int dir, const char *network, int (*each)(const struct name_entry *n, void *arg),
               void *arg, struct err *e)
{
    struct walk w = {dir, network, each, arg};
    _cleanup_dir_ DIR *d = open_listing(dir, "container");
    if (!d)
        return errno == ENOENT ? 0 : err_set(e, errno, "list the names of network `%s`", network);
    int r = 0, read = 0;
    for (struct dirent *entry; r == 0 && (entry = next_entry(d, &read));)
        r = walk_one(entry->d_name, &w);
    return read < 0 ? err_set(e, read, "list the names of network `%s`", network) : r;
}

int names_set_upstream(int dir, char *const *servers, struct err *e)
{
    _cleanup_free_ char *text = strv_join(servers, ","), *before = NULL;
    if (read_state_at(dir, "upstream", 65536, &before, NULL) == 0 && streq(before, text))
        return 0;
    int r = write_file_atomic(dir, "upstream", text, strlen(text), 0600);
    return r < 0 ? err_set(e, r, "store the host's resolvers") : 0;
}
