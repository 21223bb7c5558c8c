/* The contents of /etc/hosts and /etc/resolv.conf. In /etc/hosts, netctr's block is between two marker lines;
 * the container may write everything else.
 */
#include "etc_text.h"

#include <netctr/sandbox.h>

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

/* ---- hosts -----------------------------------------------------------------------------------*/

#define BEGIN "# begin: kept up to date by netctr\n"
#define END "# end: kept up to date by netctr\n"

static void append(char **text, const char *more)
{
    char *before = *text;
    *text = xasprintf("%s%s", before, more);
    free(before);
}

enum { HOSTS_MAX = 1 << 20 };

/* NULL: the host's file does not exist or is unreadable. If the host is itself a container of netctr, the
 * block between our markers is left out. */
static char *host_hosts(void)
{
    char *text = NULL;
    int r = read_file_at(AT_FDCWD, "/etc/hosts", HOSTS_MAX, &text, NULL);
    if (r < 0 && r != -ENOENT)
        warn("cannot read the host's /etc/hosts: %s; the container's has only localhost",
             strerror(-r));
    if (r < 0)
        return NULL;
    _cleanup_free_ char *own = text;
    char *begin = strstr(own, BEGIN), *end = begin ? strstr(begin, END) : NULL;
    if (end)
        memmove(begin, end + strlen(END), strlen(end + strlen(END)) + 1);
    size_t length = strlen(own);
    return xasprintf("%s%s", own, length && own[length - 1] != '\n' ? "\n" : "");
}

char *make_hosts(bool of_host, char *const *lines)
{
    char *text = of_host ? host_hosts() : NULL;
    if (!text)
        text = xstrdup("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"
                       "ff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n");
    strv_each (line, lines) {
        append(&text, line);
        append(&text, "\n");
    }
    append(&text, BEGIN END);
    return text;
}

char *hosts_with(const char *text, const char *block)
{
    const char *begin = strstr(text, BEGIN);
    const char *end = begin ? strstr(begin, END) : NULL;
    if (!end)
        return NULL;
    return xasprintf("%.*s" BEGIN "%s%s", (int)(begin - text), text, block, end);
}

/* ---- resolv.conf -----------------------------------------------------------------------------*/

/* On loopback (resolvers treat 0.0.0.0 and :: as such as well), or link-local. */
static bool only_for_the_host(struct ip ip)
{
    if (ip.family == AF_INET)
        return ip.v4.s_addr == 0 || (ntohl(ip.v4.s_addr) >> 24) == 127;
    return ip.family && (IN6_IS_ADDR_LOOPBACK(&ip.v6) || IN6_IS_ADDR_UNSPECIFIED(&ip.v6) ||
                         IN6_IS_ADDR_LINKLOCAL(&ip.v6));
}

/* @text without the servers that a container cannot reach; NULL if none is left. Caller frees. */
static char *reachable_part(const char *text)
{
    _cleanup_strv_ strv lines = strv_split(text, '\n');
    _cleanup_strings_ struct strings kept = {0};
    bool any = false;
    strv_each (line, lines) {
        struct ip ip;
        _cleanup_free_ char *server = nameserver_parse(line, &ip);
        if (!*line || (server && only_for_the_host(ip)))
            continue;
        any = any || server;
        strings_add_take(&kept, xasprintf("%s\n", line));
    }
    return any ? strv_join(kept.items, "") : NULL;
}

/* The host's resolv.conf as a container can use it; NULL without an error in @e: no server is left. Caller
 * frees. */
static char *usable_conf(struct err *e)
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
        char *kept = reachable_part(text);
        if (kept)
            return kept;
    }
    return NULL;
}

static char *host_conf(struct err *e)
{
    char *text = NULL;
    int r = read_file_at(AT_FDCWD, "/etc/resolv.conf", 65536, &text, NULL);
    if (r < 0 && r != -ENOENT && r != -ENOTDIR && r != -EFBIG)
        err_set(e, r, "read the host's `/etc/resolv.conf`");
    return r < 0 ? NULL : text;
}

strv host_resolvers(bool reachable, struct err *e)
{
    _cleanup_free_ char *text = reachable ? usable_conf(e) : host_conf(e);
    _cleanup_strv_ strv lines = text ? strv_split(text, '\n') : NULL, all = NULL;
    strv_each (line, lines) {
        struct ip ip;
        _cleanup_free_ char *word = nameserver_parse(line, &ip);
        if (word && ip.family && !strchr(word, '%') && strv_len(all) < 3)
            strv_add(&all, word);
    }
    return take_ptr(all);
}

/* The lines of @text that begin with one of @keys. */
static void keep_lines(char **out, const char *text, const char *const keys[2])
{
    _cleanup_strv_ strv lines = strv_split(text, '\n');
    strv_each (line, lines)
        for (size_t i = 0; i < 2 && keys[i]; i++) {
            const char *rest = skip_prefix(line, keys[i]);
            if (!rest || !*rest || !strchr(" \t", *rest))
                continue;
            append(out, line);
            append(out, "\n");
        }
}

static void put_words(char **out, const char *key, char *const *words)
{
    append(out, key);
    strv_each (word, words) {
        append(out, " ");
        append(out, word);
    }
    append(out, "\n");
}

static void put_servers(char **out, const struct resolv_plan *p, const char *usable)
{
    static const char *const keys[2] = {"nameserver"};
    char *const *servers = p->ours ? p->ours : p->servers;
    strv_each (server, servers) {
        char *const one[] = {server, NULL};
        put_words(out, "nameserver", one);
    }
    if (!servers && !p->unreachable && usable)
        keep_lines(out, usable, keys);
}

/* A name without a dot means a container first: with ndots:0 it is queried as it is, and with the search
 * domains, which are resolved outside, only after that. */
static void put_options(char **out, const struct resolv_plan *p, const char *usable)
{
    static const char *const keys[2] = {"options"};
    char *options = xstrdup("");
    if (p->options)
        put_words(&options, "options", p->options);
    else if (usable)
        keep_lines(&options, usable, keys);
    if (p->ours && !strstr(options, "ndots:"))
        append(&options, "options ndots:0\n");
    append(out, options);
    free(options);
}

char *make_resolv_conf(const struct resolv_plan *p, struct err *e)
{
    static const char *const keys[2] = {"search", "domain"};
    _cleanup_free_ char *usable =
        p->as_is || p->unreachable || p->ours ? host_conf(e) : usable_conf(e);
    if (!usable && e && e->code)
        return NULL;
    if (!p->unreachable && !p->ours && !p->servers && !p->search && !p->options)
        return usable ? take_ptr(usable)
                      : xstrdup("# the host has no resolver that a container can reach\n");
    char *text = xstrdup("");
    if (p->search && !streq(p->search[0], "."))
        put_words(&text, "search", p->search);
    else if (!p->search && usable)
        keep_lines(&text, usable, keys);
    put_servers(&text, p, usable);
    put_options(&text, p, usable);
    return text;
}
