/* Publishes more ports of a sandbox while it lives, and withdraws some. */
#include "sandbox.h"

#include <errno.h>

/* ---- publish ---------------------------------------------------------------------------------*/

static void undo_publish(struct sandbox *sb, struct port_binding *h)
{
    _cleanup_err_ struct err ignored = ERR_INIT;
    /* Without a socket, what is not in its record is not its own. */
    if (sb->life != SANDBOX_MONITORED &&
        !port_mappings_has(&attachments_publisher(sb)->endpoint.port_mappings,
                           &h->port_mappings.items[0]))
        binding_close(sb, h);
    else if (ports_withdraw(sb, &h->port_mappings, &ignored) == 0)
        binding_close(sb, h);
}

/* A port is there once, also one that waited until now. */
static bool forget_waiting(struct sandbox *sb, const struct port_mappings *published)
{
    size_t kept = 0, count = sb->waiting.count;
    for (size_t i = 0; i < count; i++)
        if (!port_mappings_has(published, &sb->waiting.items[i]))
            sb->waiting.items[kept++] = sb->waiting.items[i];
    sb->waiting.count = kept;
    return kept < count;
}

int sandbox_publish(struct sandbox *sb, struct port_mappings *list, struct err *e)
{
    struct port_binding *h = NULL;
    int r = binding_open(sb, list, &h, e);
    if (r < 0)
        return r;
    r = binding_publish(sb, h, attachments_publisher(sb), e);
    if (r < 0) {
        undo_publish(sb, h);
        return r;
    }
    for (size_t i = 0; i < h->port_mappings.count; i++)
        port_mappings_append(list, &h->port_mappings.items[i]);
    ports_event(sb, "publish", &h->port_mappings);
    bindings_let_go(sb);
    return forget_waiting(sb, &h->port_mappings);
}

void sandbox_describe(struct sandbox *sb, const struct port_mappings *list, strv *out)
{
    for (const struct port_binding *h = sb->bindings; h; h = h->next)
        if (h->port_mappings.count && port_mappings_has(list, &h->port_mappings.items[0]))
            binding_describe(sb, h, out);
}

/* ---- unpublish -------------------------------------------------------------------------------*/

/* A port that waits for a network may have no host port yet. */
static bool same_ports(const struct port_mapping *p, const struct port_mapping *wanted)
{
    if (p->protocol != wanted->protocol)
        return false;
    if (!wanted->host_port)
        return (p->host_port ? p->host_port : p->port) == wanted->port;
    return p->host_port == wanted->host_port && p->port == wanted->port;
}

/* "8080", "8080/udp", "8080:80" or "192.0.2.2:8080:80": the host's port counts. Without an address, all addresses
 * match. */
static bool matches(const struct port_mapping *p, const struct port_mapping *wanted)
{
    return same_ports(p, wanted) && (!wanted->host.family || ip_equal(&p->host, &wanted->host));
}

/* `netctr port` shows 0.0.0.0:8080 and [::]:8080 for a port on every address, which can only be withdrawn as a
 * whole. */
static void hint_at_both(const struct sandbox *sb, const struct port_mappings *wanted,
                         struct err *e)
{
    for (struct port_binding *h = sb->bindings; h; h = h->next)
        for (size_t i = 0; i < h->port_mappings.count; i++)
            for (size_t k = 0; k < wanted->count; k++) {
                const struct port_mapping *p = &h->port_mappings.items[i];
                if (p->host.family || !same_ports(p, &wanted->items[k]))
                    continue;
                _cleanup_free_ char *word = port_mapping_word(p);
                err_hint(e, "it publishes %s on every address: `netctr unpublish %s %s`", word,
                         sb->name, word);
                return;
            }
}

struct withdrawal {
    const struct port_mappings *wanted; /* NULL: all */
    struct port_mappings published;     /* published ports to withdraw … */
    struct port_mappings waiting;       /* … and waiting ports to keep */
};

static void ending_clear(struct withdrawal *x)
{
    port_mappings_clear(&x->published);
    port_mappings_clear(&x->waiting);
}

static bool is_chosen(const struct withdrawal *x, const struct port_mapping *p)
{
    bool chosen = !x->wanted;
    for (size_t k = 0; !chosen && k < x->wanted->count; k++)
        chosen = matches(p, &x->wanted->items[k]);
    return chosen;
}

/* Are there any? */
static bool choose(struct sandbox *sb, struct withdrawal *x)
{
    for (struct port_binding *h = sb->bindings; h; h = h->next)
        for (size_t i = 0; i < h->port_mappings.count; i++)
            if (is_chosen(x, &h->port_mappings.items[i]))
                port_mappings_append(&x->published, &h->port_mappings.items[i]);
    for (size_t i = 0; i < sb->waiting.count; i++)
        if (!is_chosen(x, &sb->waiting.items[i]))
            port_mappings_append(&x->waiting, &sb->waiting.items[i]);
    return x->published.count || x->waiting.count < sb->waiting.count;
}

/* Restarts the proxy for the ports that stay; connections to [::1] that go through it end. */
static int shrink(struct sandbox *sb, struct port_binding *h, const struct port_mappings *ended,
                  struct err *e)
{
    return binding_shed(h, ended) && h->port_mappings.count
               ? binding_serve(sb, h, &attachments_publisher(sb)->endpoint, e)
               : 0;
}

static int end_ports(struct sandbox *sb, struct withdrawal *ending, struct err *e)
{
    int r = 0;
    for (struct port_binding *h = sb->bindings, *next; h; h = next) {
        next = h->next;
        int shrunk = shrink(sb, h, &ending->published, r == 0 ? e : NULL);
        r = r == 0 ? shrunk : r;
        if (!h->port_mappings.count)
            binding_close(sb, h);
    }
    port_mappings_clear(&sb->waiting);
    sb->waiting = ending->waiting;
    ending->waiting = (struct port_mappings){0};
    ports_event(sb, "unpublish", &ending->published);
    return r;
}

int sandbox_unpublish(struct sandbox *sb, const struct port_mappings *wanted, const char *as_asked,
                      bool *changed, struct err *e)
{
    __attribute__((cleanup(ending_clear))) struct withdrawal ending = {.wanted = wanted};
    *changed = false;
    if (!choose(sb, &ending)) {
        if (!wanted)
            return 0;
        _cleanup_free_ char *word = port_mapping_word(&wanted->items[0]);
        err_say(e, -ENOENT, "container `%s` does not publish port %s", sb->name,
                as_asked ? as_asked : word);
        hint_at_both(sb, wanted, e);
        return -ENOENT;
    }
    int r = ports_withdraw(sb, &ending.published, e);
    if (r < 0)
        return r;
    *changed = true;
    return end_ports(sb, &ending, e);
}
