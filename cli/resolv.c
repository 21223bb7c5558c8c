#include "resolv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

char *make_hosts(const char *hostname, const struct ip *const *addresses, size_t count)
{
    char *text = xstrdup("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"
                         "ff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n");
    for (size_t i = 0; i < count; i++) {
        _cleanup_free_ char *address = ip_text(addresses[i]);
        if (!*address)
            continue;
        _cleanup_free_ char *before = text;
        text = xasprintf("%s%s %s\n", before, address, hostname);
    }
    return text;
}

/* "nameserver 127.0.0.53": its address, or NULL for every other line. */
static const char *nameserver(const char *line)
{
    const char *rest = skip_prefix(line, "nameserver");
    size_t space = rest ? strspn(rest, " \t") : 0;
    return space > 0 && rest[space] ? rest + space : NULL;
}

/* On loopback (0.0.0.0 and :: are, too, to a resolver), or on a link that only the host has. */
static bool only_for_the_host(const char *server)
{
    _cleanup_free_ char *address = xstrndup(server, strcspn(server, " \t%"));
    struct ip ip;
    if (ip_parse(address, &ip) < 0)
        return false;
    if (ip.family == AF_INET)
        return ip.v4.s_addr == 0 || (ntohl(ip.v4.s_addr) >> 24) == 127;
    return IN6_IS_ADDR_LOOPBACK(&ip.v6) || IN6_IS_ADDR_UNSPECIFIED(&ip.v6) ||
           IN6_IS_ADDR_LINKLOCAL(&ip.v6);
}

/* Without the servers that a container cannot reach; NULL when no server is left. */
static char *reachable_part(const char *text)
{
    _cleanup_strv_ strv lines = strv_split(text, '\n');
    char *kept = xstrdup("");
    bool any = false;
    strv_each (line, lines) {
        const char *server = nameserver(line);
        if (!*line || (server && only_for_the_host(server)))
            continue;
        any = any || server;
        _cleanup_free_ char *before = kept;
        kept = xasprintf("%s%s\n", before, line);
    }
    if (any)
        return kept;
    free(kept);
    return NULL;
}

char *make_resolv_conf(bool host_network, struct err *e)
{
    static const char *const sources[] = {"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"};
    for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
        _cleanup_free_ char *text = NULL;
        int r = read_file_at(AT_FDCWD, sources[i], 65536, &text, NULL);
        if (r == -ENOENT || r == -ENOTDIR || r == -EFBIG)
            continue;
        if (r < 0) {
            err_set(e, r, "read the host's `%s`", sources[i]);
            return NULL;
        }
        char *kept = host_network ? take_ptr(text) : reachable_part(text);
        if (kept)
            return kept;
    }
    return xstrdup("# the host has no resolver that a container can reach\n");
}
