/* Port bindings: the host ports that a running container holds, as sockets, and the proxy that serves these.
 * Ports requested together form one binding, so that adding ports does not disturb others.
 */
#include "proxy.h"
#include "sandbox.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>

/* If the name server has this port, it moves to another one. If a monitor that has not started the helpers
 * yet holds the sockets, it closes them within half a second. */
static int hold_or_move(struct sandbox *sb, struct port_binding *h, bool ipv6,
                        const struct port_mapping **refused, struct err *e)
{
    const struct timespec moment = {.tv_nsec = 10000000};
    const struct sandbox_request *owner = &sb->request;
    int r = port_mappings_bind(&h->port_mappings, ipv6, &h->held, refused, e), moved = 0;
    for (int tries = 0; r == -EADDRINUSE && owner->make_room && tries < 50; tries++) {
        _cleanup_err_ struct err why = ERR_INIT;
        if (tries == 0 && (moved = owner->make_room(&h->port_mappings, owner->arg, &why)) < 0)
            warn("%s", why.text);
        if (moved <= 0)
            break;
        if (tries > 0)
            nanosleep(&moment, NULL);
        err_clear(e);
        r = port_mappings_bind(&h->port_mappings, ipv6, &h->held, refused, e);
    }
    return r;
}

/* Sockets do not show the ports of sandboxes without a monitor, which claim theirs. */
static int claim(struct sandbox *sb, const struct port_binding *h, struct err *e)
{
    bool apart = sb->life != SANDBOX_MONITORED;
    int r = claims_require_none(sb->all, &h->port_mappings, apart, e);
    for (size_t i = 0; r == 0 && apart && i < h->port_mappings.count; i++)
        r = claims_add(sb, &h->port_mappings.items[i], e);
    return r;
}

static int hold(struct sandbox *sb, struct port_binding *h, struct err *e)
{
    const struct port_mapping *refused = NULL;
    int ipv6 = file_exists_at(AT_FDCWD, "/proc/net/if_inet6");
    if (ipv6 < 0)
        return err_set(e, ipv6, "check whether the host has IPv6");
    int r = hold_or_move(sb, h, ipv6, &refused, e);
    if (r == 0)
        return claim(sb, h, e);
    if (r != -EADDRINUSE || !refused)
        return r;
    _cleanup_free_ char *publisher = sandboxes_publisher(sb->all, refused);
    if (publisher) {
        err_hint(e, "container `%s` publishes it", publisher);
        return r;
    }
    /* The one that had it may have been killed and cleaned up this moment. */
    err_clear(e);
    r = port_mappings_bind(&h->port_mappings, ipv6, &h->held, &refused, e);
    if (r == -EADDRINUSE && !refused->first)
        err_hint(e, "another program listens there (`ss -lntup` shows it)");
    return r < 0 ? r : claim(sb, h, e);
}

/* On a routed network the container's own port is opened, and no host port is taken. 0.0.0.0 and [::] only
 * select the address family. */
static int check_routed(const struct port_mapping *p, const struct network *n, struct err *e)
{
    if (ip_is_any(&p->host) && !p->first && (!p->host_port || p->host_port == p->port))
        return 0;
    err_say(e, -EINVAL, "network `%s` is routed: it cannot be reached through a host port",
            n->name);
    err_hint(e, "`--publish %d` opens the container's own port", p->port);
    return -EINVAL;
}

int binding_check(const struct port_mappings *list, const struct network *n, struct err *e)
{
    int r = port_mappings_check(list, n, e);
    for (size_t i = 0; r == 0 && n->mode == GATEWAY_ROUTED && i < list->count; i++)
        r = check_routed(&list->items[i], n, e);
    return r;
}

int binding_open(struct sandbox *sb, struct port_mappings *list, struct port_binding **out,
                 struct err *e)
{
    struct attachment *gateway = attachments_gateway(sb);
    if (!gateway)
        return err_say(e, -EINVAL, "ports cannot be published: %s",
                       sb->attachment_count ? "the container's networks are closed to the outside"
                                            : "the container is on no network");
    struct port_binding *h = xcalloc(1, sizeof(*h));
    h->port_mappings = *list;
    h->sandbox = sb;
    h->routed = gateway->network.mode == GATEWAY_ROUTED;
    *list = (struct port_mappings){0};
    struct port_binding **end = &sb->bindings;
    while (*end)
        end = &(*end)->next;
    *end = h;
    int r = binding_check(&h->port_mappings, &gateway->network, e);
    for (size_t i = 0; r == 0 && h->routed && i < h->port_mappings.count; i++)
        h->port_mappings.items[i].host_port = h->port_mappings.items[i].port;
    if (r == 0 && !h->routed)
        r = hold(sb, h, e);
    if (r < 0)
        binding_close(sb, h);
    else if (out)
        *out = h;
    return r;
}

/* A client whose connection is closed for lack of room does not learn why; the container's log says so, once. */
static void note_crowd(const struct proxy_crowd *crowd, void *port_binding)
{
    struct port_binding *h = port_binding;
    if (h->crowded)
        return;
    h->crowded = true;
    _cleanup_free_ char *user = crowd->user < 0 ? xstrdup("users that the kernel does not identify")
                                                : xasprintf("user %lld", (long long)crowd->user);
    _cleanup_free_ char *text = xasprintf(
        "all connections to [::1] through published ports are in use, %zu of them by %s; new "
        "ones replace the longest idle connection of the user who has the most",
        crowd->held, user);
    sandbox_note(h->sandbox, text);
}

int binding_serve(struct sandbox *sb, struct port_binding *h, const struct endpoint *ep,
                  struct err *e)
{
    const struct proxy_request request = {.loop = sb->request.loop,
                                          .held = &h->held,
                                          .to4 = ep->address4,
                                          .to6 = ep->address6,
                                          .crowded = note_crowd,
                                          .arg = h};
    return h->held.count == 0 || !sb->request.loop ? 0 : proxy_new(&request, &h->proxy, e);
}

void binding_stop(struct port_binding *h)
{
    proxy_free(take_ptr(h->proxy));
}

void binding_close(struct sandbox *sb, struct port_binding *h)
{
    for (struct port_binding **link = &sb->bindings; *link; link = &(*link)->next)
        if (*link == h) {
            *link = h->next;
            break;
        }
    binding_stop(h);
    bound_ports_clear(&h->held);
    port_mappings_clear(&h->port_mappings);
    free(h);
}

void bindings_let_go(struct sandbox *sb)
{
    for (struct port_binding *h = sb->bindings; sb->life != SANDBOX_MONITORED && h; h = h->next)
        bound_ports_clear(&h->held);
}

void bindings_close(struct sandbox *sb)
{
    while (sb->bindings)
        binding_close(sb, sb->bindings);
}

/* If lo has no IPv6, the socket on [::] is held but unreachable. */
static bool host_has_loopback6(void)
{
    const struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    _cleanup_close_ int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && bind(fd, (const struct sockaddr *)&a, sizeof(a)) == 0;
}

void binding_describe(struct sandbox *sb, const struct port_binding *h, strv *out)
{
    const struct attachment *p = attachments_publisher(sb);
    if (!p)
        return;
    const struct network *n = &p->network;
    struct port_mapping_reach reach = {
        .ipv4 = n->subnet4.prefix,
        .ipv6 = n->subnet6.prefix,
        .routed = n->mode == GATEWAY_ROUTED,
    };
    if (!reach.ipv6 && !reach.routed)
        reach.loopback6 = host_has_loopback6();
    for (size_t i = 0; i < h->port_mappings.count; i++)
        port_mapping_texts(&h->port_mappings.items[i], &reach, out);
}

void sandbox_ports(struct sandbox *sb, strv *published, strv *waiting, strv *asked)
{
    for (const struct port_binding *h = sb->bindings; h; h = h->next) {
        if (published)
            binding_describe(sb, h, published);
        for (size_t i = 0; asked && i < h->port_mappings.count; i++)
            strv_add_take(asked, port_mapping_asked_word(&h->port_mappings.items[i]));
    }
    for (size_t i = 0; i < sb->waiting.count; i++) {
        if (waiting)
            strv_add_take(waiting, port_mapping_word(&sb->waiting.items[i]));
        if (asked)
            strv_add_take(asked, port_mapping_word(&sb->waiting.items[i]));
    }
}
