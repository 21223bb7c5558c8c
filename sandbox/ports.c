/* Published ports: their notation, and the host sockets that hold them.
 *
 * nf_tables alone would let two programs have one port: a web server on the host and a container.
 * So netctr binds every published port as well. A TCP socket must listen, because one that is only
 * bound with SO_REUSEADDR reserves nothing. A UDP socket gets a filter that drops everything before
 * it is bound, so that no datagram is ever queued. Once the rules are in place, neither socket sees
 * a packet.
 */
#include "sandbox.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define MAX_PUBLISHED 4096

static const struct {
    const char *name;
    uint8_t number;
    int socket_type;
} protocols[] = {
    {"tcp", IPPROTO_TCP, SOCK_STREAM},
    {"udp", IPPROTO_UDP, SOCK_DGRAM},
    {"sctp", IPPROTO_SCTP, SOCK_STREAM},
};

static const char *protocol_name(uint8_t number)
{
    for (size_t i = 0; i < ARRAY_LEN(protocols); i++)
        if (protocols[i].number == number)
            return protocols[i].name;
    return "?";
}

/* IPv6 in brackets; "" for a port without a host address. */
static char *host_text(const struct port_mapping *p)
{
    _cleanup_free_ char *text = ip_text(&p->host);
    return p->host.family == AF_INET6 ? xasprintf("[%s]", text) : take_ptr(text);
}

static void add_text(const struct port_mapping *p, const char *host, strv *out)
{
    strv_add_take(
        out, xasprintf("%s:%d->%d/%s", host, p->host_port, p->port, protocol_name(p->protocol)));
}

void port_mapping_texts(const struct port_mapping *p, const struct port_mapping_reach *reach,
                        strv *out)
{
    _cleanup_free_ char *host = host_text(p);
    if (reach->routed) {
        strv_add_take(out, xasprintf("%d/%s", p->port, protocol_name(p->protocol)));
        return;
    }
    if (*host) {
        add_text(p, host, out);
        return;
    }
    if (reach->ipv4)
        add_text(p, "0.0.0.0", out);
    if (reach->ipv6)
        add_text(p, "[::]", out);
    else if (reach->loopback6 && p->protocol != IPPROTO_SCTP) /* SCTP is not proxied */
        add_text(p, "[::1]", out);
}

char *port_mapping_word(const struct port_mapping *p)
{
    _cleanup_free_ char *host = host_text(p);
    _cleanup_free_ char *port = p->host_port ? xasprintf("%d:", p->host_port)
                                : p->first   ? xasprintf("%d-%d:", p->first, p->last)
                                             : xstrdup("");
    const char *colons = !*host ? "" : *port ? ":" : "::";
    return xasprintf("%s%s%s%d/%s", host, colons, port, p->port, protocol_name(p->protocol));
}

void port_mappings_append(struct port_mappings *l, const struct port_mapping *p)
{
    l->items = xrealloc(l->items, l->count + 1, sizeof(*l->items));
    l->items[l->count++] = *p;
}

struct port_mapping port_mapping_as_asked(const struct port_mapping *p)
{
    struct port_mapping asked = *p;
    if (asked.ephemeral)
        asked.host_port = 0;
    return asked;
}

char *port_mapping_asked_word(const struct port_mapping *p)
{
    struct port_mapping asked = port_mapping_as_asked(p);
    return port_mapping_word(&asked);
}

/* The family that @p needs and @n lacks, or NULL. ::1 needs none, since it is proxied. */
static const char *missing_family(const struct port_mapping *p, const struct network *n)
{
    if (p->host.family == AF_INET && !n->subnet4.prefix)
        return "IPv4";
    if (p->host.family == AF_INET6 && !IN6_IS_ADDR_LOOPBACK(&p->host.v6) && !n->subnet6.prefix)
        return "IPv6";
    return NULL;
}

int port_mappings_check(const struct port_mappings *list, const struct network *n, struct err *e)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct port_mapping *p = &list->items[i];
        const char *missing = missing_family(p, n);
        if (!missing)
            continue;
        struct port_mapping everywhere = *p;
        everywhere.host = (struct ip){0};
        _cleanup_free_ char *word = port_mapping_word(p), *other = port_mapping_word(&everywhere);
        err_say(e, -EAFNOSUPPORT, "publish `%s`: network `%s` has no %s", word, n->name, missing);
        err_hint(e, "publish the port on an %s address, or on every one: -p %s",
                 streq(missing, "IPv4") ? "IPv6" : "IPv4", other);
        return -EAFNOSUPPORT;
    }
    return 0;
}

/* ---- notation --------------------------------------------------------------------------------*/

struct range {
    uint64_t first, last;
};

/* "80" or "80-90". */
static int parse_range(const char *s, struct range *out)
{
    const char *dash = strchr(s, '-');
    _cleanup_free_ char *first = xstrndup(s, dash ? (size_t)(dash - s) : strlen(s));
    if (parse_u64(first, 1, 65535, &out->first) < 0)
        return -EINVAL;
    out->last = out->first;
    if (dash && (parse_u64(dash + 1, 1, 65535, &out->last) < 0 || out->last < out->first))
        return -EINVAL;
    return 0;
}

/* Cuts @s at its last @separator and returns what follows; NULL if there is none. */
static char *cut_last(char *s, char separator)
{
    char *at = strrchr(s, separator);
    if (!at)
        return NULL;
    *at = '\0';
    return at + 1;
}

static int parse_host_address(const char *s, struct ip *out)
{
    size_t n = strlen(s);
    bool brackets = n > 1 && s[0] == '[' && s[n - 1] == ']';
    _cleanup_free_ char *bare = xstrndup(s + brackets, n - 2 * brackets);
    int r = ip_parse(bare, out);
    /* Without brackets, the last group of an IPv6 address would look like a port. */
    return r < 0 || (out->family == AF_INET6) != brackets ? -EINVAL : 0;
}

/* Refuses addresses at which a host cannot be reached: their rules would have no effect. */
static int check_host_address(const struct ip *host, const char *text, const char *s, struct err *e)
{
    bool six = host->family == AF_INET6;
    if (six && IN6_IS_ADDR_V4MAPPED(&host->v6)) {
        const uint8_t *v4 = &host->bytes[12];
        return err_say(e, -EINVAL, "publish `%s`: `%s` is an IPv4 address: write it as %u.%u.%u.%u",
                       text, s, v4[0], v4[1], v4[2], v4[3]);
    }
    if (six ? IN6_IS_ADDR_MULTICAST(&host->v6) : IN_MULTICAST(ntohl(host->v4.s_addr)))
        return err_say(e, -EINVAL, "publish `%s`: `%s` is a multicast address, not a host's", text,
                       s);
    return 0;
}

/* The parts of [HOSTIP:][HOSTPORT:]PORT[/PROTOCOL]. */
struct notation {
    struct ip host;
    struct range host_port; /* 0-0: the kernel chooses */
    struct range port;
    bool any_of_range; /* one free port of host_port, for one port */
    uint8_t protocol;
};

static int parse_ports(char *s, const char *text, struct notation *n, struct err *e)
{
    char *port = cut_last(s, ':');
    char *host_port = NULL;
    if (!port)
        port = s;
    else
        host_port = cut_last(s, ':');
    if (port != s && !host_port)
        host_port = s;
    else if (host_port && parse_host_address(s, &n->host) < 0)
        return err_say(e, -EINVAL, "publish `%s`: `%s` is not an address%s", text, s,
                       *s == '['        ? " (brackets are for IPv6)"
                       : strchr(s, ':') ? " (write IPv6 as [ADDRESS])"
                                        : "");
    int r = check_host_address(&n->host, text, s, e);
    if (r < 0)
        return r;
    if (!*port)
        return err_say(e, -EINVAL, "publish `%s`: the container's port is missing", text);
    if (parse_range(port, &n->port) < 0)
        return err_say(e, -EINVAL, "publish `%s`: `%s` is not a port (1-65535) or a range of ports",
                       text, port);
    /* As in docker, "0:80" and ":80" mean any host port. */
    bool chosen = host_port && *host_port && !streq(host_port, "0");
    if (chosen && parse_range(host_port, &n->host_port) < 0)
        return err_say(e, -EINVAL, "publish `%s`: `%s` is not a port (1-65535) or a range of ports",
                       text, host_port);
    n->any_of_range = n->port.first == n->port.last && n->host_port.first < n->host_port.last;
    if (n->host_port.first && !n->any_of_range &&
        n->host_port.last - n->host_port.first != n->port.last - n->port.first)
        return err_say(e, -EINVAL, "publish `%s`: the two ranges differ in length", text);
    return 0;
}

int port_mapping_parse(const char *text, struct port_mappings *list, struct err *e)
{
    struct notation n = {.protocol = IPPROTO_TCP};
    _cleanup_free_ char *s = xstrdup(text);
    char *protocol = cut_last(s, '/');
    for (size_t i = 0; protocol && i <= ARRAY_LEN(protocols); i++) {
        if (i == ARRAY_LEN(protocols))
            return err_say(e, -EINVAL, "publish `%s`: protocol `%s` is not tcp, udp or sctp", text,
                           protocol);
        if (strcasecmp(protocol, protocols[i].name) == 0) {
            n.protocol = protocols[i].number;
            break;
        }
    }
    int r = parse_ports(s, text, &n, e);
    if (r < 0)
        return r;
    if (n.protocol == IPPROTO_SCTP && n.host.family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&n.host.v6))
        return err_say(e, -EINVAL, "publish `%s`: [::1] is proxied for TCP and UDP only", text);
    size_t count = n.port.last - n.port.first + 1;
    if (list->count + count > MAX_PUBLISHED)
        return err_say(e, -E2BIG, "publish `%s`: more than %d ports for one container", text,
                       MAX_PUBLISHED);
    list->items = xrealloc(list->items, list->count + count, sizeof(*list->items));
    bool chosen = n.host_port.first && !n.any_of_range;
    for (size_t i = 0; i < count; i++)
        list->items[list->count++] = (struct port_mapping){
            .host = n.host,
            .host_port = chosen ? (uint16_t)(n.host_port.first + i) : 0,
            .port = (uint16_t)(n.port.first + i),
            .protocol = n.protocol,
            .ephemeral = !chosen,
            .first = n.any_of_range ? (uint16_t)n.host_port.first : 0,
            .last = n.any_of_range ? (uint16_t)n.host_port.last : 0,
        };
    return 0;
}

/* ---- sockets ---------------------------------------------------------------------------------*/

void bound_ports_clear(struct bound_ports *h)
{
    for (size_t i = 0; i < h->count; i++)
        close_fd(h->items[i].fd);
    free(h->items);
    *h = (struct bound_ports){0};
}

static socklen_t socket_address(int family, const struct ip *host, uint16_t port,
                                struct sockaddr_storage *out)
{
    *out = (struct sockaddr_storage){0};
    if (family == AF_INET) {
        struct sockaddr_in *a = (void *)out;
        a->sin_family = AF_INET;
        a->sin_port = htons(port);
        if (host->family)
            a->sin_addr = host->v4;
        return sizeof(*a);
    }
    struct sockaddr_in6 *a = (void *)out;
    a->sin6_family = AF_INET6;
    a->sin6_port = htons(port);
    if (host->family)
        a->sin6_addr = host->v6;
    return sizeof(*a);
}

static int drop_all(int fd)
{
    struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog filter = {1, &nothing};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) < 0 ? -errno : 0;
}

/* Binds one port of one family. If *@port is 0, the kernel chooses it. Returns the socket or
 * -errno. */
static int bind_one(int family, const struct port_mapping *p, uint16_t *port)
{
    int type = p->protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM, one = 1;
    _cleanup_close_ int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, p->protocol);
    if (fd < 0)
        return -errno;
    struct sockaddr_storage a;
    socklen_t size = socket_address(family, &p->host, *port, &a);
    if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0)
        return -errno;
    if (type == SOCK_DGRAM && drop_all(fd) < 0)
        return -errno;
    /* connections in TIME_WAIT must not keep a restarted container from its port */
    if (type == SOCK_STREAM && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0)
        return -errno;
    if (bind(fd, (struct sockaddr *)&a, size) < 0)
        return -errno;
    if (type == SOCK_STREAM && listen(fd, 128) < 0)
        return -errno;
    if (getsockname(fd, (struct sockaddr *)&a, &size) < 0)
        return -errno;
    *port = ntohs(family == AF_INET ? ((struct sockaddr_in *)(void *)&a)->sin_port
                                    : ((struct sockaddr_in6 *)(void *)&a)->sin6_port);
    return take_fd(fd);
}

bool port_mapping_collides(const struct port_mapping *a, const struct port_mapping *b)
{
    return a->host_port == b->host_port && a->protocol == b->protocol &&
           (!a->host.family || !b->host.family ||
            (a->host.family == b->host.family &&
             (ip_is_any(&a->host) || ip_is_any(&b->host) || ip_equal(&a->host, &b->host))));
}

/* Is the port used by an earlier item of the same request? */
static bool is_requested_before(const struct port_mappings *list, const struct port_mapping *p)
{
    for (const struct port_mapping *q = list->items; q < p; q++)
        if (p->host_port && port_mapping_collides(p, q))
            return true;
    return false;
}

static int explain(const struct port_mapping *p, int code, struct err *e)
{
    _cleanup_free_ char *address = host_text(p);
    const char *protocol = protocol_name(p->protocol);
    switch (code) {
    case -EADDRINUSE:
        if (!p->host_port && p->first)
            return err_say(e, code, "no free port between %d and %d for %d/%s on this host",
                           p->first, p->last, p->port, protocol);
        if (!p->host_port)
            return err_say(e, code, "no free port for %d/%s on this host", p->port, protocol);
        return err_say(e, code, "port %d/%s is in use on %s", p->host_port, protocol,
                       *address ? address : "this host");
    case -EADDRNOTAVAIL: return err_say(e, code, "this host has no address %s", address);
    case -EPROTONOSUPPORT:
    case -ESOCKTNOSUPPORT: return err_say(e, code, "this kernel has no %s", protocol);
    case -EMFILE:
        err_set(e, code, "reserve port %d/%s", p->host_port, protocol);
        err_hint(e, "raise the limit of open files (`ulimit -n`)");
        return code;
    default: return err_set(e, code, "reserve port %d/%s", p->host_port, protocol);
    }
}

int port_mapping_in_use(const struct port_mapping *p, struct err *e)
{
    return explain(p, -EADDRINUSE, e);
}

/* An ephemeral port must be free in both families. The kernel chooses it for IPv4; if IPv6 has it
 * in use, another one is tried. */
static int bind_families(struct port_mapping *p, bool ipv6, struct bound_ports *out)
{
    bool v4 = p->host.family != AF_INET6,
         v6 = p->host.family == AF_INET6 || (ipv6 && !p->host.family);
    bool ephemeral = p->host_port == 0;
    int most = p->first ? p->last - p->first : 64;
    for (int tries = 0;; tries++) {
        bool again = ephemeral && tries < most;
        uint16_t port = ephemeral && p->first ? (uint16_t)(p->first + tries) : p->host_port;
        _cleanup_close_ int fd4 = v4 ? bind_one(AF_INET, p, &port) : -1;
        if (v4 && fd4 == -EADDRINUSE && again && p->first)
            continue;
        if (v4 && fd4 < 0)
            return fd4;
        _cleanup_close_ int fd6 = v6 ? bind_one(AF_INET6, p, &port) : -1;
        if (v6 && fd6 == -EADDRINUSE && again)
            continue;
        if (v6 && fd6 < 0)
            return fd6;
        p->host_port = port;
        p->held = true;
        if (v4)
            out->items[out->count++] = (struct bound_port){take_fd(fd4), AF_INET, p->protocol, *p};
        if (v6)
            out->items[out->count++] = (struct bound_port){take_fd(fd6), AF_INET6, p->protocol, *p};
        return 0;
    }
}

/* Every port costs one or two fds; the default limit is 1,024. */
static void raise_fd_limit(size_t sockets)
{
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l) < 0 || l.rlim_cur >= sockets + 64)
        return;
    l.rlim_cur = sockets + 64 < l.rlim_max ? sockets + 64 : l.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &l);
}

int port_mappings_bind(struct port_mappings *list, bool ipv6, struct bound_ports *out,
                       const struct port_mapping **refused, struct err *e)
{
    *out = (struct bound_ports){0};
    if (list->count == 0)
        return 0;
    raise_fd_limit(list->count * 2);
    out->items = xcalloc(list->count * 2, sizeof(*out->items));
    for (size_t i = 0; i < list->count; i++) {
        int r = bind_families(&list->items[i], ipv6, out);
        if (r < 0) {
            bound_ports_clear(out);
            if (refused)
                *refused = &list->items[i];
            if (r == -EADDRINUSE && is_requested_before(list, &list->items[i]))
                return err_say(e, -EINVAL, "port %d/%s is published twice",
                               list->items[i].host_port, protocol_name(list->items[i].protocol));
            return explain(&list->items[i], r, e);
        }
    }
    return 0;
}
