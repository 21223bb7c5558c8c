/* Checks that the name server of each network and its upstream servers answer. */
#include "doctor/flows.h"

#include <errno.h>
#include <netctr/names.h>
#include <string.h>
#include <sys/socket.h>

enum {
    DNS_PORT = 53,
    TYPE_A = 1,
    TYPE_NS = 2,
    SERVER_MS = 1500, /* longer than it takes to replace a server that hangs */
    UPSTREAM_MS = 1000,
    ASKERS = 2,          /* containers that are asked on each network */
    QUESTIONS_MAX = 256, /* number of questions: each has a descriptor */
};

/* A question to the name server, from @source in @container on @network; or to an upstream server, of @container or
 * with NULL of the host. */
struct question {
    const struct network *network;
    const struct doctor_container *container;
    struct ip server, source;
    char *server_text;
};
struct questions {
    struct question *items;
    struct name_probe *probes;
    size_t count;
};

static void questions_clear(struct questions *q)
{
    for (size_t i = 0; i < q->count; i++) {
        free(q->items[i].server_text);
        close_fd(q->probes[i].fd);
    }
    free(q->items);
    free(q->probes);
}
#define _cleanup_questions_ __attribute__((cleanup(questions_clear)))

static int connect_to(int fd, const struct ip *server)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } to = {.any.sa_family = (sa_family_t)server->family};
    if (server->family == AF_INET) {
        to.v4.sin_port = htons(DNS_PORT);
        to.v4.sin_addr = server->v4;
    } else {
        to.v6.sin6_port = htons(DNS_PORT);
        to.v6.sin6_addr = server->v6;
    }
    return connect(fd, &to.any, server->family == AF_INET ? sizeof(to.v4) : sizeof(to.v6)) < 0
               ? errno
               : 0;
}

/* Takes ownership of the socket. */
static void add(struct questions *q, struct question item, struct name_probe probe)
{
    if (q->count == QUESTIONS_MAX) {
        close(probe.fd);
        return;
    }
    q->items = xrealloc(q->items, q->count + 1, sizeof(*q->items));
    q->probes = xrealloc(q->probes, q->count + 1, sizeof(*q->probes));
    probe.error = connect_to(probe.fd, &item.server);
    item.server_text = ip_text(&item.server);
    q->items[q->count] = item;
    q->probes[q->count++] = probe;
}

/* ---- the name server -------------------------------------------------------------------------*/

/* Asks as the container does: from its network namespace, its gateway. */
static void add_asker(struct questions *q, const struct network *n,
                      const struct doctor_container *c, const struct endpoint *ep)
{
    const struct ip *const gateways[] = {&n->gateway4, &n->gateway6};
    const struct ip *const own[] = {&ep->address4, &ep->address6};
    _cleanup_close_ int netns = doctor_netns(c);
    for (size_t i = 0; netns >= 0 && i < ARRAY_LEN(gateways); i++) {
        if (!gateways[i]->family || !own[i]->family)
            continue;
        int fd = netns_socket(netns, gateways[i]->family, SOCK_DGRAM, 0, NULL);
        if (fd >= 0)
            add(q,
                (struct question){
                    .network = n, .container = c, .server = *gateways[i], .source = *own[i]},
                (struct name_probe){.fd = fd, .name = c->name, .type = TYPE_A});
    }
}

static void add_askers(struct doctor *d, struct questions *q, const struct network *n)
{
    size_t askers = 0;
    for (size_t i = 0; i < d->container_count; i++)
        for (size_t k = 0; k < d->containers[i].endpoints.count; k++) {
            const struct doctor_container *c = &d->containers[i];
            if (askers < ASKERS && streq(c->endpoints.items[k].network, n->name)) {
                add_asker(q, n, c, &c->endpoints.items[k]);
                askers++;
            }
        }
}

/* True if a chain of another program drops it: then check_input names that chain. */
static bool is_dropped(const struct doctor *d, const struct question *q, const json_t *helpers)
{
    const struct nft_place at = {.family =
                                     q->server.family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6,
                                 .hook = NF_INET_LOCAL_IN};
    struct nft_packet p = {.in.name = q->network->bridge, .out.name = ""};
    nft_packet_ip(&p, q->server.family);
    nft_packet_protocol(&p, IPPROTO_UDP);
    nft_packet_source(&p, &q->source);
    nft_packet_destination(&p, &q->server);
    nft_packet_ports(&p, 0, (uint16_t)json_int(helpers, "names_port", 0));
    flow_set_ct(&p, false, true);
    return d->rules && nft_walk(d->rules, &at, &p, NULL, NULL) > NFT_MAY_DROP;
}

/* One answer shows that the server works. Other containers may have broken their own interfaces. */
static bool answers_another(const struct questions *q, const struct question *asked)
{
    for (size_t i = 0; i < q->count; i++)
        if (q->probes[i].answered && q->items[i].network == asked->network &&
            ip_equal(&q->items[i].server, &asked->server))
            return true;
    return false;
}

int check_name_server(struct doctor *d, struct err *e)
{
    (void)e;
    _cleanup_questions_ struct questions q = {0};
    for (size_t i = 0; d->store && d->any_defined && i < d->network_count; i++) {
        const struct link *bridge = doctor_link(d, d->networks[i].bridge);
        /* Without the bridge, which check_differences reports, there is no answer. */
        if (bridge && (bridge->flags & IFF_UP) && network_is_served(&d->networks[i]))
            add_askers(d, &q, &d->networks[i]);
    }
    names_probe(q.probes, q.count, SERVER_MS);
    _cleanup_json_ json_t *helpers = q.count ? engine_helpers(&d->engine) : NULL;
    for (size_t i = 0; i < q.count; i++) {
        const struct question *a = &q.items[i];
        _cleanup_close_ int lives = doctor_netns(a->container);
        int why = q.probes[i].error;
        /* Without a route, which check_differences reports, the query does not leave the container.
         */
        if (answers_another(&q, a) || lives < 0 || why == ENETUNREACH || is_dropped(d, a, helpers))
            continue;
        doctor_say(d, PROBLEM,
                   xstrdup(json_flag(helpers, "work") ? "netctr network reload" : "netctr gc"),
                   "the name server of network `%s` (%s, port 53/udp) does not answer its "
                   "containers%s%s",
                   a->network->name, a->server_text, why ? ": " : "", why ? strerror(why) : "");
    }
    return 0;
}

/* ---- upstream servers ------------------------------------------------------------------------*/

static void add_upstream(struct questions *q, const char *text,
                         const struct doctor_container *container)
{
    struct ip server;
    if (ip_parse(text, &server) < 0)
        return;
    int fd = socket(server.family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        add(q, (struct question){.container = container, .server = server},
            (struct name_probe){.fd = fd, .name = "", .type = TYPE_NS});
}

/* True if the container uses upstream servers. */
static bool asks(const struct doctor *d, const struct doctor_container *c)
{
    for (size_t i = 0; i < c->endpoints.count; i++) {
        const struct network *n = doctor_network(d, c->endpoints.items[i].network);
        if (n && network_has_gateway(n))
            return true;
    }
    return c->status == STATUS_RUNNING && streq(c->network, "host");
}

int check_upstream(struct doctor *d, struct err *e)
{
    (void)e;
    _cleanup_questions_ struct questions q = {0};
    bool any = false;
    for (size_t i = 0; i < d->container_count; i++) {
        const struct doctor_container *c = &d->containers[i];
        bool outside = asks(d, c);
        any = any || (outside && !c->dns);
        strv_each (server, c->dns)
            if (outside)
                add_upstream(&q, server, c);
    }
    _cleanup_strv_ strv host = any ? host_resolvers(false, NULL) : NULL;
    strv_each (server, host)
        add_upstream(&q, server, NULL);
    names_probe(q.probes, q.count, UPSTREAM_MS);
    for (size_t i = 0; i < q.count; i++) {
        const struct question *a = &q.items[i];
        if (q.probes[i].answered)
            continue;
        _cleanup_free_ char *where = a->container
                                         ? xasprintf("--dns of container `%s`", a->container->name)
                                         : xstrdup(HOST_RESOLV_CONF);
        doctor_say(d, WARNING,
                   a->container ? xasprintf("run `%s` with another --dns", a->container->name)
                                : xasprintf("name a server that answers in %s", where),
                   "the name server %s (%s) does not answer this host, so containers that use it "
                   "cannot resolve external names",
                   a->server_text, where);
    }
    return 0;
}
