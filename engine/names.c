/* A container's names: recorded for its neighbours when it is attached to a network. On networks without a
 * name server (isolated, --no-dns), its /etc/hosts follows its neighbours' names.
 */
#include "monitor.h"

#include "watch.h"

#include <netctr/names.h>
#include <string.h>

/* ---- its own names --------------------------------------------------------------------------*/

static void add_name(strv *names, const char *name)
{
    strv_each (known, *names)
        if (strcasecmp(known, name) == 0)
            return;
    strv_add(names, name);
}

int attachment_name(struct monitor *m, struct attachment *p, struct err *e)
{
    const struct spec *s = &m->container.spec;
    const struct endpoint *ep = &p->endpoint;
    struct name_entry n = {.id = s->id,
                           .address4 = ep->address4,
                           .address6 = ep->address6,
                           .servers = s->dns,
                           .internal = !network_has_gateway(&p->network)};
    int names;
    p->served = network_is_served(&p->network);
    add_name(&n.names, s->name);
    add_name(&n.names, s->id);
    add_name(&n.names, s->hostname);
    strv_each (alias, ep->aliases)
        add_name(&n.names, alias);
    int r = engine_names(m->engine, &names, e);
    if (r == 0)
        r = names_join(names, p->network.name, &n, e);
    strv_free(n.names);
    return r;
}

int attachment_unname(struct monitor *m, struct attachment *p, struct err *e)
{
    int names;
    int r = engine_names(m->engine, &names, e);
    return r == 0 ? names_leave(names, p->network.name, m->container.spec.id, e) : r;
}

/* ---- its neighbours' names ------------------------------------------------------------------*/

struct hosts_watch {
    struct names_watch *names; /* NULL until the first write */
    loop_timer timer;
    bool told; /* that there is no inotify has been logged */
};

static bool concerns(void *living, const char *network)
{
    const struct monitor *m = living;
    for (size_t i = 0; i < m->attachment_count; i++)
        if (!m->attachments[i].served && streq(m->attachments[i].network.name, network))
            return true;
    return false;
}

static void write_neighbours(void *living);

/* Changes come in bursts when many containers start together. They are collected for a moment before the file
 * is written; the moment grows with the number of neighbours, which bounds the total work of all of them. */
static void names_moved(void *living)
{
    struct monitor *m = living;
    if (loop_timer_is_set(m->loop, m->hosts->timer))
        return; /* it is written with the rest */
    size_t count = 0;
    for (size_t i = 0; i < m->attachment_count; i++)
        if (!m->attachments[i].served)
            count += names_count(m->engine->names, m->attachments[i].network.name);
    int64_t ms = 10 + (count < 3000 ? (int64_t)count : 3000) * 3 / 10;
    m->hosts->timer = loop_add_timer(m->loop, ms, write_neighbours, m);
}

/* Without inotify names arrive up to a second late; the log says so, once. */
static void begin_watching(struct monitor *m)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct hosts_watch *h = m->hosts;
    int r = names_watch_new(m->engine, m->loop, concerns, names_moved, m, &h->names, &e);
    if (r && !h->told) {
        _cleanup_free_ char *text = xasprintf("%s; /etc/hosts is up to a second late", e.text);
        container_note(&m->container, text);
        h->told = true;
    }
}

/* Neighbours that came before the watch began are seen by this write. */
static void write_neighbours(void *living)
{
    struct monitor *m = living;
    if (!m->hosts->names)
        begin_watching(m);
    /* If the file cannot be written, the program has made it so. */
    (void)refresh_hosts(m, NULL);
}

void watch_names(struct monitor *m)
{
    bool wanted = false;
    for (size_t i = 0; i < m->attachment_count; i++)
        wanted = wanted || !m->attachments[i].served;
    if (!wanted || m->hosts)
        return;
    /* Closing an inotify watch costs a grace period of the kernel, which a short-lived container should not
     * pay. */
    int64_t ms = m->container.spec.detached ? 0 : 300;
    m->hosts = xcalloc(1, sizeof(*m->hosts));
    m->hosts->timer = loop_add_timer(m->loop, ms, write_neighbours, m);
}

void unwatch_names(struct monitor *m)
{
    if (!m->hosts)
        return;
    names_watch_free(m->hosts->names);
    (void)loop_cancel_timer(m->loop, m->hosts->timer);
    free(m->hosts);
    m->hosts = NULL;
}
