/* Published ports follow the way out: the answers of a container leave by it, so the questions must come in by it.
 * When a network is disconnected or connected, the ports move to the network that is the way out then, with the
 * sockets that hold them. What no network can carry waits: it stays in the definition, and the host's port is free
 * for others until a network can carry it again.
 */
#include "living.h"

#include <errno.h>
#include <string.h>

static bool is_routed(const struct network *n)
{
    return n->mode == GATEWAY_ROUTED;
}

void publish_add(struct publish_list *l, const struct publish *p)
{
    l->items = xrealloc(l->items, l->count + 1, sizeof(*l->items));
    l->items[l->count++] = *p;
}

/* A host port that nobody asked for is another one the next time. */
static struct publish as_asked(const struct publish *p)
{
    struct publish asked = *p;
    if (asked.ephemeral)
        asked.host_port = 0;
    return asked;
}

char *publish_asked_word(const struct publish *p)
{
    struct publish asked = as_asked(p);
    return publish_word(&asked);
}

static int check_one(struct publish p, const struct network *n, struct err *e)
{
    return holding_check(&(struct publish_list){&p, 1}, n, e);
}

void ports_event(struct living *l, const char *what, const struct publish_list *ports)
{
    if (!ports->count)
        return;
    _cleanup_strv_ strv words = NULL;
    for (size_t i = 0; i < ports->count; i++)
        strv_add_take(&words, publish_word(&ports->items[i]));
    _cleanup_free_ char *text = strv_join(words, ",");
    container_event(&l->container, what, (const struct event_attribute[]){{"ports", text, 0}, {0}});
}

/* ---- start -----------------------------------------------------------------------------------*/

/* What the definition publishes and the networks of today cannot carry: somebody has disconnected the one that
 * could. */
static void set_aside(struct living *l, struct publish_list *list)
{
    const struct plug *gateway = plugs_gateway(l);
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++)
        if (gateway && check_one(list->items[i], &gateway->network, NULL) == 0)
            list->items[kept++] = list->items[i];
        else
            publish_add(&l->waiting, &list->items[i]);
    list->count = kept;
}

static void warn_of_waiting(struct living *l)
{
    _cleanup_strv_ strv words = NULL;
    for (size_t i = 0; i < l->waiting.count; i++)
        strv_add_take(&words, publish_word(&l->waiting.items[i]));
    _cleanup_free_ char *text = strv_join(words, ", ");
    warn("container `%s` does not publish %s: none of its networks can carry that",
         living_spec(l)->name, text);
}

int ports_open(struct living *l, struct err *e)
{
    struct publish_list *list = &l->life->publishes;
    if (l->life->existing)
        set_aside(l, list);
    if (l->waiting.count)
        warn_of_waiting(l);
    return list->count ? holding_open(l, list, NULL, e) : 0;
}

/* ---- rules -----------------------------------------------------------------------------------*/

/* A reload between the rule's end and the record's would bring the rule back: hence the lock. */
int ports_withdraw(struct living *l, const struct publish_list *ended, struct err *e)
{
    struct plug *p = plugs_publisher(l);
    if (!p || !ended->count)
        return 0;
    _cleanup_close_ int lock = store_lock(&l->world->store, e);
    return lock < 0 ? lock
                    : endpoint_unpublish(l->bridge, &p->endpoint, ended, l->container.run_fd, e);
}

/* ENOENT: somebody has just flushed the firewall. */
static int add_rules(struct living *l, struct endpoint *ep, const struct publish_list *more,
                     struct err *e)
{
    int r = -ENOENT;
    for (int tries = 0; r == -ENOENT && tries < 30; tries++) {
        err_clear(e);
        r = world_reload(l->world, true, e);
        /* A reload that has read the record as it was must not commit after us. */
        _cleanup_close_ int lock = r == 0 ? store_lock(&l->world->store, e) : -1;
        if (r == 0)
            r = lock < 0 ? lock : endpoint_publish(l->bridge, ep, more, l->container.run_fd, e);
    }
    return r;
}

int holding_publish(struct living *l, struct holding *h, struct plug *p, struct err *e)
{
    struct endpoint *ep = &p->endpoint;
    if (publish_listed(&ep->publishes, &h->publishes.items[0]))
        return 0;
    holding_stop(l, h);
    int r = holding_serve(l, h, ep, e);
    if (r == 0)
        r = add_rules(l, ep, &h->publishes, e);
    return r == 0 ? flows_look_again(l, ep, e) : r;
}

bool holding_shed(struct living *l, struct holding *h, const struct publish_list *list)
{
    size_t kept = 0;
    for (size_t i = 0; i < h->publishes.count; i++)
        if (!publish_listed(list, &h->publishes.items[i]))
            h->publishes.items[kept++] = h->publishes.items[i];
    if (kept == h->publishes.count)
        return false;
    h->publishes.count = kept;
    holding_stop(l, h);
    kept = 0;
    for (size_t i = 0; i < h->held.count; i++)
        if (publish_listed(list, &h->held.items[i].publish))
            close(h->held.items[i].fd);
        else
            h->held.items[kept++] = h->held.items[i];
    h->held.count = kept;
    return true;
}

/* ---- to another network ----------------------------------------------------------------------*/

/* Opens what waits and @n can carry, and once more what is published where a host's port means something else: a
 * routed network takes none. */
static int reopen(struct living *l, const struct network *n, struct holding **fresh, struct err *e)
{
    _cleanup_publish_ struct publish_list list = {0};
    for (size_t i = 0; i < l->waiting.count; i++)
        if (check_one(l->waiting.items[i], n, NULL) == 0)
            publish_add(&list, &l->waiting.items[i]);
    for (struct holding *h = l->holdings; h; h = h->next)
        for (size_t i = 0; h->routed != is_routed(n) && i < h->publishes.count; i++) {
            struct publish p = as_asked(&h->publishes.items[i]);
            publish_add(&list, &p);
        }
    *fresh = NULL;
    return list.count ? holding_open(l, &list, fresh, e) : 0;
}

/* What is published must not be lost by a network that somebody adds. */
static int require_carrier(struct living *l, const struct network *n, struct err *e)
{
    for (struct holding *h = l->holdings; h; h = h->next)
        for (size_t i = 0; i < h->publishes.count; i++) {
            struct publish *p = &h->publishes.items[i];
            if (check_one(h->routed == is_routed(n) ? *p : as_asked(p), n, e) == 0)
                continue;
            _cleanup_free_ char *word = publish_word(p);
            err_wrap(e, "network `%s` would be the way out of container `%s`", n->name,
                     l->container.spec.name);
            return err_hint(e, "`netctr unpublish %s %s` first, or a lower --gw-priority",
                            l->container.spec.name, word);
        }
    return 0;
}

int ports_prepare(struct living *l, struct plug *p, struct holding **fresh, struct err *e)
{
    *fresh = NULL;
    if (plugs_gateway(l) != p)
        return 0;
    int r = require_carrier(l, &p->network, e);
    if (r == 0 && (r = reopen(l, &p->network, fresh, e)) < 0)
        return err_wrap(e, "network `%s` publishes the ports of container `%s`", p->network.name,
                        l->container.spec.name);
    return r;
}

/* The fresh ones are published in the place of those that waited, or were published in another way. */
static void replace(struct living *l, struct holding *fresh)
{
    for (struct holding *h = l->holdings, *next; h; h = next) {
        next = h->next;
        if (h->routed == fresh->routed)
            continue;
        ports_event(l, "unpublish", &h->publishes);
        holding_close(l, h);
    }
    ports_event(l, "publish", &fresh->publishes);
    size_t kept = 0;
    for (size_t i = 0; i < l->waiting.count; i++) {
        bool opened = false;
        for (size_t k = 0; k < fresh->publishes.count; k++) {
            struct publish p = as_asked(&fresh->publishes.items[k]);
            opened = opened || (p.port == l->waiting.items[i].port &&
                                publish_equal(&p, &l->waiting.items[i]));
        }
        if (!opened)
            l->waiting.items[kept++] = l->waiting.items[i];
    }
    l->waiting.count = kept;
}

int ports_move(struct living *l, struct holding **fresh, struct err *e)
{
    struct plug *to = plugs_gateway(l), *from = plugs_publisher(l);
    if (!to || (from == to && !*fresh))
        return 0;
    int r = 0;
    if (from != to) {
        _cleanup_publish_ struct publish_list all = {0};
        for (size_t i = 0; i < from->endpoint.publishes.count; i++)
            publish_add(&all, &from->endpoint.publishes.items[i]);
        r = ports_withdraw(l, &all, e);
        if (r <
            0) /* perhaps they are withdrawn all the same: ports_settle() publishes them again */
            from->endpoint.publishes.count = 0;
    }
    for (struct holding *h = l->holdings; r == 0 && h; h = h->next)
        if (h->routed == is_routed(&to->network))
            r = holding_publish(l, h, to, e);
    if (r == 0 && *fresh)
        replace(l, take_ptr(*fresh));
    return r;
}

/* ---- to the network that is left -------------------------------------------------------------*/

static void lose(struct living *l, const struct publish_list *lost)
{
    for (struct holding *h = l->holdings, *next; h; h = next) {
        next = h->next;
        if (holding_shed(l, h, lost) && !h->publishes.count)
            holding_close(l, h);
    }
    for (size_t i = 0; i < lost->count; i++) {
        struct publish asked = as_asked(&lost->items[i]);
        publish_add(&l->waiting, &asked);
    }
    ports_event(l, "unpublish", lost);
}

static void lose_holding(struct living *l, struct holding *h)
{
    _cleanup_publish_ struct publish_list lost = {0};
    for (size_t i = 0; i < h->publishes.count; i++)
        publish_add(&lost, &h->publishes.items[i]);
    lose(l, &lost);
}

/* What @to (NULL: nothing) cannot carry. */
static void lose_misfits(struct living *l, const struct plug *to)
{
    _cleanup_publish_ struct publish_list lost = {0};
    for (struct holding *h = l->holdings; h; h = h->next)
        for (size_t i = 0; i < h->publishes.count; i++) {
            const struct publish *p = &h->publishes.items[i];
            bool same = to && h->routed == is_routed(&to->network);
            if (!to || check_one(same ? *p : as_asked(p), &to->network, NULL) < 0)
                publish_add(&lost, p);
        }
    lose(l, &lost);
}

int ports_settle(struct living *l, struct err *e)
{
    struct plug *to = plugs_gateway(l);
    struct holding *fresh = NULL;
    _cleanup_err_ struct err step = ERR_INIT;
    int result = 0;
    lose_misfits(l, to);
    if (!to)
        return 0;
    bool routed = is_routed(&to->network);
    int opened = reopen(l, &to->network, &fresh, &step);
    err_note(&result, opened, e, &step);
    for (struct holding *h = l->holdings, *next; h; h = next) {
        next = h->next;
        int r = h->routed == routed ? holding_publish(l, h, to, &step) : opened;
        err_note(&result, r, e, &step);
        if (r < 0 && h == fresh)
            holding_close(l, take_ptr(fresh)); /* what waited goes on waiting */
        else if (r < 0)
            lose_holding(l, h);
    }
    if (fresh)
        replace(l, fresh);
    return result;
}
