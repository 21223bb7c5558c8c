/* Checks that a program listens behind each published port. */
#include "doctor/doctor.h"

#include "doctor/sockets.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

enum {
    YOUNG_MS = 2000, /* time for a program to start listening */
    TOLD_MAX = 5,    /* findings for each container; the other ports are counted */
};

/* One published port. */
struct door {
    struct doctor *d;
    const struct doctor_container *container;
    const struct endpoint *ep;
    const struct port_mapping *publish;
    const struct sockets *sockets;
};

/* ---- is there a listener? --------------------------------------------------------------------*/

/* The address of the container that the port leads to. Connections to the host's ::1 are proxied to
 * either. */
static bool leads_to(const struct port_mapping *p, const struct ip *to)
{
    bool either = p->host.family == AF_UNSPEC ||
                  (p->host.family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&p->host.v6));
    return to->family != AF_UNSPEC && (either || p->host.family == to->family);
}

static bool is_served(const struct door *o)
{
    const struct ip *const ends[] = {&o->ep->address4, &o->ep->address6};
    for (size_t i = 0; i < o->sockets->count; i++) {
        const struct socket *s = &o->sockets->items[i];
        if (s->protocol != o->publish->protocol || s->port != o->publish->port)
            continue;
        for (size_t k = 0; k < ARRAY_LEN(ends); k++)
            if (leads_to(o->publish, ends[k]) && socket_accepts(s, ends[k]))
                return true;
    }
    return false;
}

/* ---- other listeners -------------------------------------------------------------------------*/

static bool is_local_only(const struct socket *s)
{
    return s->address.family == AF_INET
               ? ntohl(s->address.v4.s_addr) >> 24 == IN_LOOPBACKNET
               : IN6_IS_ADDR_LOOPBACK(&s->address.v6) || (IN6_IS_ADDR_V4MAPPED(&s->address.v6) &&
                                                          s->address.bytes[12] == IN_LOOPBACKNET);
}

static char *place_of(const struct socket *s)
{
    _cleanup_free_ char *ip = ip_text(&s->address);
    if (ip_is_any(&s->address))
        return xasprintf("%u", s->port);
    return xasprintf(s->address.family == AF_INET6 ? "[%s]:%u" : "%s:%u", ip, s->port);
}

/* "`python3` listens on 127.0.0.1:8000 only" */
static char *describe(const struct socket *s, bool only)
{
    _cleanup_free_ char *place = place_of(s);
    _cleanup_free_ char *program =
        s->program ? xasprintf("`%s`", s->program) : xstrdup("a program");
    return xasprintf("; %s listens on %s%s", program, place, only ? " only" : "");
}

/* Sockets of that port on other addresses, or else other sockets of that protocol; at most three.
 */
static char *others(const struct door *o)
{
    char *text = xstrdup("");
    for (int same = 1; same >= 0 && !*text; same--)
        for (size_t i = 0, named = 0; i < o->sockets->count && named < 3; i++) {
            const struct socket *s = &o->sockets->items[i];
            if (s->protocol != o->publish->protocol || (s->port == o->publish->port) != same)
                continue;
            _cleanup_free_ char *before = text, *one = describe(s, same);
            text = xasprintf("%s%s", before, one);
            named++;
        }
    return text;
}

/* The only port with a reachable listener; 0: none, or several. */
static uint16_t likely_port(const struct door *o)
{
    uint16_t port = 0;
    for (size_t i = 0; i < o->sockets->count; i++) {
        const struct socket *s = &o->sockets->items[i];
        if (s->protocol != o->publish->protocol || is_local_only(s) || s->port == port)
            continue;
        if (port)
            return 0;
        port = s->port;
    }
    return port;
}

static char *cure_of(const struct door *o)
{
    uint16_t port = likely_port(o);
    struct port_mapping now = *o->publish;
    now.port = port;
    _cleanup_free_ char *is = port_mapping_word(o->publish), *shall_be = port_mapping_word(&now);
    if (port && port != o->publish->port)
        return xasprintf("netctr unpublish %s %s && netctr publish %s %s", o->container->name, is,
                         o->container->name, shall_be);
    return xasprintf("let a program in `%s` listen on port %u of every address (0.0.0.0)",
                     o->container->name, o->publish->port);
}

static const char *protocol_name(uint8_t protocol)
{
    return protocol == IPPROTO_UDP ? "udp" : "tcp";
}

static void say(const struct door *o)
{
    const struct port_mapping *p = o->publish;
    bool young = doctor_age_ms(o->container) < YOUNG_MS;
    uint16_t port = o->ep->routed ? p->port : p->host_port;
    _cleanup_free_ char *instead = others(o);
    doctor_say(o->d, young ? NOTE : PROBLEM,
               young ? xstrdup("netctr doctor, in some seconds") : cure_of(o),
               "published port %u/%s of container `%s`%s goes to %u, where nothing listens%s%s",
               port, protocol_name(p->protocol), o->container->name,
               young ? ", which has just started," : "", p->port, young ? " yet" : "", instead);
}

/* ---- all of them -----------------------------------------------------------------------------*/

/* /proc does not show sockets of SCTP in every namespace. */
static bool is_known(const struct port_mapping *p)
{
    return p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP;
}

static void judge(struct doctor *d, const struct doctor_container *c, struct sockets *sockets,
                  int process, int64_t until)
{
    size_t silent = 0;
    for (size_t i = 0; i < c->endpoints.count; i++)
        for (size_t k = 0; k < c->endpoints.items[i].port_mappings.count; k++) {
            const struct endpoint *ep = &c->endpoints.items[i];
            const struct door door = {d, c, ep, &ep->port_mappings.items[k], sockets};
            if (!is_known(door.publish) || is_served(&door) || ++silent > TOLD_MAX)
                continue;
            if (silent == 1)
                sockets_name(sockets, process, until);
            say(&door);
        }
    if (silent > TOLD_MAX)
        doctor_say(d, NOTE, xasprintf("netctr port %s", c->name),
                   "nothing listens behind %zu more published ports of container `%s`",
                   silent - TOLD_MAX, c->name);
}

static bool port_mappings(const struct doctor_container *c)
{
    for (size_t i = 0; i < c->endpoints.count; i++)
        if (c->endpoints.items[i].port_mappings.count)
            return true;
    return false;
}

int check_listeners(struct doctor *d, struct err *e)
{
    int first = 0;
    int64_t until = monotonic_ms() + 1000; /* time limit for finding the names of programs */
    for (size_t i = 0; i < d->container_count; i++) {
        const struct doctor_container *c = &d->containers[i];
        if (c->status != STATUS_RUNNING || !port_mappings(c))
            continue;
        _cleanup_sockets_ struct sockets sockets = {0};
        _cleanup_close_ int process = process_open(c->pid, c->pid_start);
        _cleanup_err_ struct err why = ERR_INIT;
        int r = process < 0 ? process : sockets_read(process, &sockets);
        /* A container that has ended meanwhile has no ports to check. */
        bool ended = proc_is_dying(c->pid, c->pid_start);
        if (r == 0 && !ended)
            judge(d, c, &sockets, process, until);
        else if (r < 0 && !ended)
            err_note(&first,
                     err_set(&why, r, "list the listening sockets of container `%s`", c->name), e,
                     &why);
    }
    return first;
}
