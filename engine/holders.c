/* Finds the DNS sockets in a monitor that RUN/helpers/state does not name.
 *
 * While no helper runs, each monitor that starts takes duplicates of the sockets from the one before, and the state names
 * the last one only. If that ends before any of them has started the helpers, the others still hold the port, which
 * cannot be bound again. Then their descriptors are searched; this needs time for each container, and is rare.
 */
#include "helpers.h"

#include <netinet/in.h>
#include <sys/pidfd.h>

struct search {
    uint16_t port;
    struct name_sockets found;
};

static bool is_bound_to(int fd, uint16_t port, int *family)
{
    struct sockaddr_storage a;
    socklen_t size = sizeof(a);
    if (getsockname(fd, (struct sockaddr *)&a, &size) < 0)
        return false;
    *family = a.ss_family;
    if (a.ss_family == AF_INET)
        return ((struct sockaddr_in *)&a)->sin_port == htons(port);
    return a.ss_family == AF_INET6 && ((struct sockaddr_in6 *)&a)->sin6_port == htons(port);
}

/* Keeps @fd, or closes it. */
static void sort_in(struct search *s, int fd)
{
    int family, type = 0;
    socklen_t size = sizeof(type);
    int *place = NULL;
    if (is_bound_to(fd, s->port, &family) &&
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0) {
        if (type == SOCK_DGRAM)
            place = family == AF_INET ? &s->found.udp4 : &s->found.udp6;
        else if (type == SOCK_STREAM)
            place = family == AF_INET ? &s->found.tcp4 : &s->found.tcp6;
    }
    if (place && *place < 0)
        *place = fd;
    else
        close(fd);
}

static void look_into(struct search *s, const struct monitor_version *m)
{
    _cleanup_close_ int pidfd = pidfd_of(m->pid, m->start);
    _cleanup_free_ char *path = xasprintf("/proc/%d/fd", m->pid);
    _cleanup_dir_ DIR *d = pidfd < 0 || m->pid == getpid() ? NULL : opendir(path);
    for (struct dirent *entry; d && (entry = readdir(d));) {
        char link[32] = "";
        uint64_t number;
        if (parse_u64(entry->d_name, 0, INT32_MAX, &number) < 0 ||
            readlinkat(dirfd(d), entry->d_name, link, sizeof(link) - 1) < 0 ||
            !skip_prefix(link, "socket:"))
            continue;
        int fd = pidfd_getfd(pidfd, (int)number, 0);
        if (fd >= 0)
            sort_in(s, fd);
    }
}

static int look_at(const char *name, int dir, void *search)
{
    (void)name;
    struct search *s = search;
    struct monitor_version m = {0};
    if (name_sockets_valid(&s->found, s->port))
        return 0;
    if (store_monitor_version(dir, &m, NULL) == 0) {
        name_sockets_close(&s->found);
        s->found = (struct name_sockets)NAME_SOCKETS_INIT;
        look_into(s, &m);
    }
    free(m.version);
    return 0;
}

bool holders_find(struct store *store, uint16_t port, struct name_sockets *out)
{
    struct search s = {.port = port, .found = NAME_SOCKETS_INIT};
    (void)store_each_live(store, look_at, &s, NULL);
    if (!name_sockets_valid(&s.found, port)) {
        name_sockets_close(&s.found);
        return false;
    }
    *out = s.found;
    return true;
}
