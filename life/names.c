/* A container's names: written down when it is attached, and those of its neighbours kept up to date in its
 * /etc/hosts where no server tells them (isolated, --no-dns).
 */
#include "living.h"

#include "watch.h"

#include <errno.h>
#include <netctr/names.h>
#include <string.h>
#include <sys/timerfd.h>

/* ---- its own ---------------------------------------------------------------------------------*/

static void add_name(strv *names, const char *name)
{
    strv_each (known, *names)
        if (strcasecmp(known, name) == 0)
            return;
    strv_add(names, name);
}

int plug_name(struct living *l, struct plug *p, struct err *e)
{
    const struct spec *s = &l->container.spec;
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
    int r = world_names(l->world, &names, e);
    if (r == 0)
        r = names_join(names, p->network.name, &n, e);
    strv_free(n.names);
    return r;
}

int plug_unname(struct living *l, struct plug *p, struct err *e)
{
    int names;
    int r = world_names(l->world, &names, e);
    return r == 0 ? names_leave(names, p->network.name, l->container.spec.id, e) : r;
}

/* ---- its neighbours' -------------------------------------------------------------------------*/

struct hosts_watch {
    struct names_watch *names; /* NULL in the first moments */
    int timer;
    bool told; /* that it has to look instead of hearing */
};

static bool concerns(void *living, const char *network)
{
    const struct living *l = living;
    for (size_t i = 0; i < l->plug_count; i++)
        if (!l->plugs[i].served && streq(l->plugs[i].network.name, network))
            return true;
    return false;
}

/* Changes come in storms when many containers start together. The first is written a moment later, with
 * all that has changed until then; the moment grows with the number of neighbours, so that all of them
 * together do not write more the more they are. */
static void names_moved(void *living)
{
    struct living *l = living;
    struct itimerspec now, soon = {.it_value.tv_nsec = 10000000};
    if (timerfd_gettime(l->hosts->timer, &now) == 0 &&
        (now.it_value.tv_sec || now.it_value.tv_nsec))
        return; /* it will be written with the rest */
    size_t count = 0;
    for (size_t i = 0; i < l->plug_count; i++)
        if (!l->plugs[i].served)
            count += names_count(l->world->names, l->plugs[i].network.name);
    soon.it_value.tv_nsec += (count < 3000 ? (long)count : 3000) * 300000;
    (void)timerfd_settime(l->hosts->timer, 0, &soon, NULL);
}

/* Not having inotify costs a name half a second, which nobody would understand who is not told. */
static void begin_watching(struct living *l)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct hosts_watch *h = l->hosts;
    int r = names_watch_new(l->world, l->hub, concerns, names_moved, l, &h->names, &e);
    if (r != 0 && !h->told) {
        _cleanup_free_ char *text = xasprintf("%s; /etc/hosts is up to a second late", e.text);
        container_note(&l->container, text);
        h->told = true;
    }
    if (r < 0) {
        const struct itimerspec later = {.it_value.tv_sec = 1};
        (void)timerfd_settime(h->timer, 0, &later, NULL);
    }
}

/* Who came before we watched is seen by this look. */
static void write_neighbours(void *living)
{
    struct living *l = living;
    uint64_t times;
    if (read(l->hosts->timer, &times, sizeof(times)) != sizeof(times))
        return;
    if (!l->hosts->names)
        begin_watching(l);
    /* What cannot be written, the program has made so. */
    (void)refresh_hosts(l, NULL);
}

int watch_names(struct living *l, struct err *e)
{
    bool wanted = false;
    for (size_t i = 0; i < l->plug_count; i++)
        wanted = wanted || !l->plugs[i].served;
    if (!wanted || l->hosts)
        return 0;
    /* The end of a watch costs the kernel a grace period, which a container of a moment should not pay. */
    struct itimerspec soon = {.it_value.tv_nsec = l->container.spec.detached ? 1 : 300000000};
    l->hosts = xcalloc(1, sizeof(*l->hosts));
    l->hosts->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (l->hosts->timer < 0 || timerfd_settime(l->hosts->timer, 0, &soon, NULL) < 0)
        return err_set(e, errno, "watch the names");
    return hub_add(l->hub, l->hosts->timer, write_neighbours, l, e);
}

void unwatch_names(struct living *l)
{
    if (!l->hosts)
        return;
    names_watch_free(l->hosts->names);
    if (l->hosts->timer >= 0)
        hub_remove(l->hub, l->hosts->timer);
    close_fd(l->hosts->timer);
    free(l->hosts);
    l->hosts = NULL;
}
