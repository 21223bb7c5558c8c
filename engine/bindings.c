/* Port bindings: the host ports that a running container holds, as sockets, and the proxy that serves these.
 * Ports requested together form one binding, so that adding ports does not disturb others.
 */
#include "monitor.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>

/* Finds the container that publishes @wanted already, if it is a container. */
struct search {
    struct engine *engine;
    const struct port_mapping *wanted;
    char *owner;
};

static int find_publisher(const struct record *r, void *arg)
{
    struct search *s = arg;
    _cleanup_endpoints_ struct endpoint_list all = {0};
    _cleanup_close_ int dir = store_live_dir(&s->engine->store, r->spec.name);
    if (dir < 0 || endpoint_load_all(dir, &all, NULL) < 0)
        return 0;
    for (size_t k = 0; k < all.count; k++)
        for (size_t i = 0; i < all.items[k].port_mappings.count && !s->owner; i++) {
            const struct port_mapping *p = &all.items[k].port_mappings.items[i];
            if (!all.items[k].routed && port_mapping_collides(p, s->wanted))
                s->owner = xstrdup(r->spec.name);
        }
    return 0;
}

/* If the name server has this port, it moves to another one. If a monitor that has not started the helpers
 * yet holds the sockets, it closes them within half a second. */
static int hold_or_move(struct monitor *m, struct port_binding *h, bool ipv6, struct search *s,
                        struct err *e)
{
    const struct timespec moment = {.tv_nsec = 10000000};
    int r = port_mappings_bind(&h->port_mappings, ipv6, &h->held, &s->wanted, e), moved = 0;
    for (int tries = 0; r == -EADDRINUSE && tries < 50; tries++) {
        _cleanup_err_ struct err why = ERR_INIT;
        if (tries == 0 && (moved = helpers_make_room(m->engine, &h->port_mappings, &why)) < 0)
            warn("%s", why.text);
        if (moved <= 0)
            break;
        seed_unwatch(m); /* this monitor may have the sockets */
        if (tries > 0)
            nanosleep(&moment, NULL);
        err_clear(e);
        r = port_mappings_bind(&h->port_mappings, ipv6, &h->held, &s->wanted, e);
    }
    return r;
}

static int hold(struct monitor *m, struct port_binding *h, struct err *e)
{
    struct search s = {.engine = m->engine};
    int ipv6 = file_exists_at(AT_FDCWD, "/proc/net/if_inet6");
    if (ipv6 < 0)
        return err_set(e, ipv6, "check whether the host has IPv6");
    int r = hold_or_move(m, h, ipv6, &s, e);
    if (r == -EADDRINUSE && s.wanted) {
        (void)engine_each(m->engine, find_publisher, &s, NULL);
        if (s.owner)
            err_hint(e, "container `%s` publishes it", s.owner);
        else
            err_hint(e, "another program listens there (`ss -lntup` shows it)");
        free(s.owner);
    }
    return r;
}

/* On a routed network the container's own port is opened, and no host port is taken. 0.0.0.0 and [::] only
 * select the address family. */
static int check_routed(const struct port_mapping *p, const struct network *n, struct err *e)
{
    if (ip_is_any(&p->host) && (!p->host_port || p->host_port == p->port))
        return 0;
    err_say(e, -EINVAL, "network `%s` is routed: it cannot be reached through a host port",
            n->name);
    return err_hint(e, "`--publish %d` opens the container's own port", p->port);
}

int binding_check(const struct port_mappings *list, const struct network *n, struct err *e)
{
    int r = port_mappings_check(list, n, e);
    for (size_t i = 0; r == 0 && n->mode == GATEWAY_ROUTED && i < list->count; i++)
        r = check_routed(&list->items[i], n, e);
    return r;
}

int binding_open(struct monitor *m, struct port_mappings *list, struct port_binding **out,
                 struct err *e)
{
    struct attachment *gateway = attachments_gateway(m);
    if (!gateway)
        return err_say(e, -EINVAL, "ports cannot be published: %s",
                       m->attachment_count ? "the container's networks are closed to the outside"
                                           : "the container is on no network");
    struct port_binding *h = xcalloc(1, sizeof(*h));
    h->port_mappings = *list;
    h->living = m;
    h->routed = gateway->network.mode == GATEWAY_ROUTED;
    *list = (struct port_mappings){0};
    struct port_binding **end = &m->bindings;
    while (*end)
        end = &(*end)->next;
    *end = h;
    int r = binding_check(&h->port_mappings, &gateway->network, e);
    for (size_t i = 0; r == 0 && h->routed && i < h->port_mappings.count; i++)
        h->port_mappings.items[i].host_port = h->port_mappings.items[i].port;
    if (r == 0 && !h->routed)
        r = hold(m, h, e);
    if (r < 0)
        binding_close(m, h);
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
    container_note(&h->living->container, text);
}

int binding_serve(struct monitor *m, struct port_binding *h, const struct endpoint *ep,
                  struct err *e)
{
    const struct proxy_request request = {.loop = m->loop,
                                          .held = &h->held,
                                          .to4 = ep->address4,
                                          .to6 = ep->address6,
                                          .crowded = note_crowd,
                                          .arg = h};
    return h->held.count == 0 ? 0 : proxy_new(&request, &h->proxy, e);
}

void binding_stop(struct port_binding *h)
{
    proxy_free(take_ptr(h->proxy));
}

void binding_close(struct monitor *m, struct port_binding *h)
{
    for (struct port_binding **link = &m->bindings; *link; link = &(*link)->next)
        if (*link == h) {
            *link = h->next;
            break;
        }
    binding_stop(h);
    bound_ports_clear(&h->held);
    port_mappings_clear(&h->port_mappings);
    free(h);
}

/* If lo has no IPv6, the socket on [::] is held but unreachable. */
static bool host_has_loopback6(void)
{
    const struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    _cleanup_close_ int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && bind(fd, (const struct sockaddr *)&a, sizeof(a)) == 0;
}

void binding_describe(struct monitor *m, const struct port_binding *h, strv *out)
{
    const struct attachment *p = attachments_publisher(m);
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

void bindings_describe(struct monitor *m)
{
    struct spec *s = monitor_spec(m);
    strv_free(take_ptr(s->published));
    strv_free(take_ptr(s->unpublished));
    for (const struct port_binding *h = m->bindings; h; h = h->next)
        binding_describe(m, h, &s->published);
    for (size_t i = 0; i < m->waiting.count; i++)
        strv_add_take(&s->unpublished, port_mapping_word(&m->waiting.items[i]));
}
