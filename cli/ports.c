/* netctr port, and published ports in the output of `ps`. A port is stored as one text for each address family,
 * "0.0.0.0:8080->80/tcp", or "80/tcp" where the port of the container itself is open. Only this file parses these texts.
 */
#include "ports.h"

#include <errno.h>
#include <string.h>

/* One of these texts in its parts, which point into it. */
struct published_port {
    const char *host; /* "0.0.0.0" */
    size_t host_size;
    unsigned host_port; /* 0: the container's own port is open, not one of the host */
    unsigned port;
    const char *protocol;
};

static bool port_parse(const char *text, struct published_port *out)
{
    const char *arrow = strstr(text, "->"), *port = arrow ? arrow + 2 : text;
    const char *slash = strchr(port, '/');
    uint64_t n = 0, host = 0;
    *out = (struct published_port){0};
    if (!slash)
        return false;
    _cleanup_free_ char *number = xstrndup(port, (size_t)(slash - port));
    bool good = parse_u64(number, 1, UINT16_MAX, &n) == 0;
    const char *colon = arrow ? memrchr(text, ':', (size_t)(arrow - text)) : NULL;
    if (arrow) {
        _cleanup_free_ char *digits =
            colon ? xstrndup(colon + 1, (size_t)(arrow - colon - 1)) : xstrdup("");
        good = good && parse_u64(digits, 1, UINT16_MAX, &host) == 0;
    }
    if (!good)
        return false;
    *out = (struct published_port){.host = text,
                                   .host_size = colon ? (size_t)(colon - text) : 0,
                                   .host_port = (unsigned)host,
                                   .port = (unsigned)n,
                                   .protocol = slash + 1};
    return true;
}

struct range {
    struct published_port first;
    unsigned count;
};

static bool follows(const struct range *r, const struct published_port *p)
{
    const struct published_port *f = &r->first;
    return f->host_size == p->host_size && memcmp(f->host, p->host, p->host_size) == 0 &&
           streq(f->protocol, p->protocol) && p->port == f->port + r->count &&
           p->host_port == (f->host_port ? f->host_port + r->count : 0);
}

/* "80", or "80-82" for three. */
static char *numbers(unsigned first, unsigned count)
{
    return count > 1 ? xasprintf("%u-%u", first, first + count - 1) : xasprintf("%u", first);
}

static char *range_text(const struct range *r)
{
    const struct published_port *f = &r->first;
    _cleanup_free_ char *inner = numbers(f->port, r->count);
    if (!f->host_port)
        return xasprintf("%s/%s", inner, f->protocol);
    _cleanup_free_ char *outer = numbers(f->host_port, r->count);
    return xasprintf("%.*s:%s->%s/%s", (int)f->host_size, f->host, outer, inner, f->protocol);
}

char *ports_text(strv published)
{
    size_t count = 0;
    _cleanup_free_ struct range *ranges = xcalloc(strv_len(published) + 1, sizeof(*ranges));
    strv_each (text, published) {
        struct published_port p;
        size_t i = count;
        if (!port_parse(text, &p))
            continue;
        while (i > 0 && !follows(&ranges[i - 1], &p))
            i--;
        if (i > 0)
            ranges[i - 1].count++;
        else
            ranges[count++] = (struct range){p, 1};
    }
    _cleanup_strv_ strv texts = NULL;
    for (size_t i = 0; i < count; i++)
        strv_add_take(&texts, range_text(&ranges[i]));
    return strv_join(texts, ", ");
}

bool port_filter_valid(const char *text)
{
    const char *slash = strchr(text, '/');
    _cleanup_free_ char *number = xstrndup(text, strcspn(text, "/"));
    uint64_t n;
    return parse_u64(number, 1, UINT16_MAX, &n) == 0 &&
           (!slash || streq(slash, "/tcp") || streq(slash, "/udp") || streq(slash, "/sctp"));
}

bool ports_have(strv published, const char *wanted)
{
    const char *slash = strchr(wanted, '/'), *protocol = slash ? slash + 1 : "tcp";
    const unsigned number = (unsigned)strtoul(wanted, NULL, 10);
    strv_each (text, published) {
        struct published_port p;
        if (port_parse(text, &p) && streq(p.protocol, protocol) &&
            (p.port == number || p.host_port == number))
            return true;
    }
    return false;
}

/* ---- the command -----------------------------------------------------------------------------*/

/* As `docker port` prints it: "80/tcp -> 0.0.0.0:8080". */
static void print_ports(strv published)
{
    strv_each (text, published) {
        struct published_port p;
        if (port_parse(text, &p) && p.host_port)
            printf("%u/%s -> %.*s:%u\n", p.port, p.protocol, (int)p.host_size, p.host, p.host_port);
    }
}

/* The host's addresses of one port of the container, IPv4 first, because many scripts read only one line. */
static bool print_addresses(strv published, const char *wanted)
{
    _cleanup_free_ char *port = strchr(wanted, '/') ? xstrdup(wanted) : xasprintf("%s/tcp", wanted);
    bool any = false;
    for (int v6 = 0; v6 < 2; v6++)
        strv_each (text, published) {
            struct published_port p;
            bool good = port_parse(text, &p) && p.host_port;
            _cleanup_free_ char *own = good ? xasprintf("%u/%s", p.port, p.protocol) : NULL;
            if (!own || !streq(own, port) || (*p.host == '[') != v6)
                continue;
            printf("%.*s:%u\n", (int)p.host_size, p.host, p.host_port);
            any = true;
        }
    return any;
}

static int port(const struct cli *cli, int argc, char **argv, struct err *e)
{
    const struct option options[] = {{0}};
    int first = command_options(&command_port, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (argc - first < 1 || argc - first > 2)
        return err_say(e, -EINVAL, "usage: netctr port %s", command_port.usage);
    _cleanup_engine_ struct engine engine = {0};
    _cleanup_record_ struct record r = {0};
    int code = cli_open_find_to_read(cli, argv[first], &engine, &r, e);
    if (code < 0)
        return code;
    if (!record_holds_ports(&r))
        return engine_not_running(&r, e);
    const char *wanted = argv[first + 1];
    if (!wanted)
        print_ports(record_ports(&r));
    else if (!print_addresses(record_ports(&r), wanted))
        return err_say(e, -ENOENT, "container `%s` does not publish port %s", r.spec.name, wanted);
    return 0;
}

const struct command command_port = {
    .name = "port",
    .usage = "NAME [PORT[/PROTOCOL]]",
    .summary = "Show where a container's ports are published",
    .example = "netctr port web\nnetctr port web 80/tcp",
    .run = port,
};
