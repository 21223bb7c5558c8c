/* A container's names: recorded for its neighbours when it is attached to a network. On networks without a
 * name server (isolated, --no-dns), its /etc/hosts follows its neighbours' names.
 */
#include "sandbox.h"

#include "names_watch.h"

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

int attachment_name(struct sandbox *sb, struct attachment *p, struct err *e)
{
    const struct sandbox_files *f = sb->request.files;
    const struct endpoint *ep = &p->endpoint;
    struct name_entry n = {.id = sb->id,
                           .address4 = ep->address4,
                           .address6 = ep->address6,
                           .servers = f ? (strv)f->servers : NULL,
                           .internal = !network_has_gateway(&p->network)};
    int names;
    p->served = network_is_served(&p->network) || p->network.no_addresses;
    if (p->network.no_addresses)
        return 0;
    add_name(&n.names, sb->name);
    add_name(&n.names, sb->id);
    if (f)
        add_name(&n.names, f->hostname);
    strv_each (alias, ep->aliases)
        add_name(&n.names, alias);
    int r = sandboxes_names(sb->all, &names, e);
    if (r == 0)
        r = names_join(names, p->network.name, &n, e);
    strv_free(n.names);
    return r;
}

int attachment_unname(struct sandbox *sb, struct attachment *p, struct err *e)
{
    int names;
    if (p->network.no_addresses)
        return 0;
    int r = sandboxes_names(sb->all, &names, e);
    return r == 0 ? names_leave(names, p->network.name, sb->id, e) : r;
}

/* ---- its neighbours' names ------------------------------------------------------------------*/

struct hosts_watch {
    struct names_watch *names; /* NULL until the first write */
    loop_timer timer;
    bool told; /* that there is no inotify has been logged */
};

static bool concerns(void *sandbox, const char *network)
{
    const struct sandbox *sb = sandbox;
    for (size_t i = 0; i < sb->attachment_count; i++)
        if (!sb->attachments[i].served && streq(sb->attachments[i].network.name, network))
            return true;
    return false;
}

static void write_neighbours(void *sandbox);

/* Changes come in bursts when many containers start together. They are collected for a moment before the file
 * is written; the moment grows with the number of neighbours, which bounds the total work of all of them. */
static void names_moved(void *sandbox)
{
    struct sandbox *sb = sandbox;
    if (loop_timer_is_set(sb->request.loop, sb->hosts->timer))
        return; /* it is written with the rest */
    size_t count = 0;
    for (size_t i = 0; i < sb->attachment_count; i++)
        if (!sb->attachments[i].served)
            count += names_count(sb->all->names, sb->attachments[i].network.name);
    int64_t ms = 10 + (count < 3000 ? (int64_t)count : 3000) * 3 / 10;
    sb->hosts->timer = loop_add_timer(sb->request.loop, ms, write_neighbours, sb);
}

/* Without inotify names arrive up to a second late; the log says so, once. */
static void begin_watching(struct sandbox *sb)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct hosts_watch *h = sb->hosts;
    int r = names_watch_new(sb->all, sb->request.loop, concerns, names_moved, sb, &h->names, &e);
    if (r && !h->told) {
        _cleanup_free_ char *text = xasprintf("%s; /etc/hosts is up to a second late", e.text);
        sandbox_note(sb, text);
        h->told = true;
    }
}

/* Neighbours that came before the watch began are seen by this write. */
static void write_neighbours(void *sandbox)
{
    struct sandbox *sb = sandbox;
    if (!sb->hosts->names)
        begin_watching(sb);
    /* If the file cannot be written, the program has made it so. */
    (void)refresh_hosts(sb, NULL);
}

void watch_names(struct sandbox *sb)
{
    bool wanted = false;
    for (size_t i = 0; i < sb->attachment_count; i++)
        wanted = wanted || !sb->attachments[i].served;
    if (!wanted || sb->hosts || !sb->request.loop || !sb->request.files)
        return;
    sb->hosts = xcalloc(1, sizeof(*sb->hosts));
    sb->hosts->timer = loop_add_timer(sb->request.loop, sb->hosts_delay_ms, write_neighbours, sb);
}

void unwatch_names(struct sandbox *sb)
{
    if (!sb->hosts)
        return;
    names_watch_free(sb->hosts->names);
    (void)loop_cancel_timer(sb->request.loop, sb->hosts->timer);
    free(sb->hosts);
    sb->hosts = NULL;
}
