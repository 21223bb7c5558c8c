/* Where ports are published, as `ps`, `port` and `inspect` tell it. A port is kept as one text for each family,
 * "0.0.0.0:8080->80/tcp", or "80/tcp" where the container's own is open; only this file takes it apart.
 */
#include "ports.h"

#include <string.h>

strv ports_of(const struct record *r)
{
    bool holds = r->status == STATUS_RUNNING || r->status == STATUS_RESTARTING;
    return holds && !record_waits(r) ? r->spec.published : NULL;
}

bool port_parse(const char *text, struct published_port *out)
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
    _cleanup_strings_ struct strings all = {0};
    for (size_t i = 0; i < count; i++)
        strings_add_take(&all, range_text(&ranges[i]));
    return strv_join(all.items, ", ");
}
