/* Published ports follow the default route, because replies leave by it. When a network is connected or
 * disconnected, the ports move to the new default route's network, with the sockets that hold them. A port
 * that no network can carry is set aside: it stays in the definition, its host port is released, and it is
 * published again as soon as a network can carry it.
 */
#include "sandbox.h"

#include <errno.h>
#include <string.h>

static bool is_routed(const struct network *n)
{
    return n->mode == GATEWAY_ROUTED;
}

static int check_one(struct port_mapping p, const struct network *n, struct err *e)
{
    return binding_check(&(struct port_mappings){&p, 1}, n, e);
}

void ports_event(struct sandbox *sb, const char *what, const struct port_mappings *ports)
{
    if (!ports->count)
        return;
    _cleanup_strv_ strv words = NULL;
    for (size_t i = 0; i < ports->count; i++)
        strv_add_take(&words, port_mapping_word(&ports->items[i]));
    _cleanup_free_ char *text = strv_join(words, ",");
    sandboxes_event(sb->all, &(struct sandbox_event){
                                 .what = what, .id = sb->id, .name = sb->name, .ports = text});
}

/* ---- start ----------------------------------------------------------------------------------*/

/* Sets aside the published ports that the current networks cannot carry, because the one that could was
 * disconnected. */
static void set_aside(struct sandbox *sb, struct port_mappings *list)
{
    const struct attachment *gateway = attachments_gateway(sb);
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++)
        if (gateway && check_one(list->items[i], &gateway->network, NULL) == 0)
            list->items[kept++] = list->items[i];
        else
            port_mappings_append(&sb->waiting, &list->items[i]);
    list->count = kept;
}

static void warn_of_waiting(struct sandbox *sb)
{
    _cleanup_strv_ strv words = NULL;
    for (size_t i = 0; i < sb->waiting.count; i++)
        strv_add_take(&words, port_mapping_word(&sb->waiting.items[i]));
    _cleanup_free_ char *text = strv_join(words, ", ");
    warn("container `%s` does not publish %s: its networks cannot publish them", sb->name, text);
}

int sandbox_hold(struct sandbox *sb, struct port_mappings *list, bool existing, struct err *e)
{
    if (existing)
        set_aside(sb, list);
    if (sb->waiting.count)
        warn_of_waiting(sb);
    return list->count ? binding_open(sb, list, NULL, e) : 0;
}

/* ---- rules ----------------------------------------------------------------------------------*/

/* The lock: a reload between the removal from the firewall and from the record would add the port again. */
int ports_withdraw(struct sandbox *sb, const struct port_mappings *ended, struct err *e)
{
    struct attachment *p = attachments_publisher(sb);
    if (!p || !ended->count)
        return 0;
    _cleanup_close_ int lock = sandboxes_lock(sb->all, e);
    return lock < 0 ? lock : endpoint_unpublish(sb->net, &p->endpoint, ended, sb->dir, e);
}

/* ENOENT: the firewall has just been flushed. */
static int add_rules(struct sandbox *sb, struct endpoint *ep, const struct port_mappings *more,
                     struct err *e)
{
    int r = -ENOENT;
    for (int tries = 0; r == -ENOENT && tries < 30; tries++) {
        err_clear(e);
        r = sandboxes_reload(sb->all, true, e);
        /* A reload that has read the old record must not commit after us. */
        _cleanup_close_ int lock = r == 0 ? sandboxes_lock(sb->all, e) : -1;
        if (r == 0)
            r = lock < 0 ? lock : endpoint_publish(sb->net, ep, more, sb->dir, e);
    }
    return r;
}

int binding_publish(struct sandbox *sb, struct port_binding *h, struct attachment *p, struct err *e)
{
    struct endpoint *ep = &p->endpoint;
    if (port_mappings_has(&ep->port_mappings, &h->port_mappings.items[0]))
        return 0;
    binding_stop(h);
    int r = binding_serve(sb, h, ep, e);
    if (r == 0)
        r = add_rules(sb, ep, &h->port_mappings, e);
    if (r == 0)
        flows_look_again(sb, ep);
    return r;
}

bool binding_shed(struct port_binding *h, const struct port_mappings *list)
{
    size_t kept = 0;
    for (size_t i = 0; i < h->port_mappings.count; i++)
        if (!port_mappings_has(list, &h->port_mappings.items[i]))
            h->port_mappings.items[kept++] = h->port_mappings.items[i];
    if (kept == h->port_mappings.count)
        return false;
    h->port_mappings.count = kept;
    binding_stop(h);
    kept = 0;
    for (size_t i = 0; i < h->held.count; i++)
        if (port_mappings_has(list, &h->held.items[i].publish))
            close(h->held.items[i].fd);
        else
            h->held.items[kept++] = h->held.items[i];
    h->held.count = kept;
    return true;
}

/* ---- a new default route --------------------------------------------------------------------*/

/* Opens the ports set aside that @n can carry; also those published ports whose host port has another meaning
 * on @n: a routed network takes no host port. */
static int reopen(struct sandbox *sb, const struct network *n, struct port_binding **fresh,
                  struct err *e)
{
    _cleanup_port_mappings_ struct port_mappings list = {0};
    for (size_t i = 0; i < sb->waiting.count; i++)
        if (check_one(sb->waiting.items[i], n, NULL) == 0)
            port_mappings_append(&list, &sb->waiting.items[i]);
    for (struct port_binding *h = sb->bindings; h; h = h->next)
        for (size_t i = 0; h->routed != is_routed(n) && i < h->port_mappings.count; i++) {
            struct port_mapping p = port_mapping_as_asked(&h->port_mappings.items[i]);
            port_mappings_append(&list, &p);
        }
    *fresh = NULL;
    return list.count ? binding_open(sb, &list, fresh, e) : 0;
}

/* Connecting a network must not unpublish a port. */
static int require_carrier(struct sandbox *sb, const struct network *n, struct err *e)
{
    for (struct port_binding *h = sb->bindings; h; h = h->next)
        for (size_t i = 0; i < h->port_mappings.count; i++) {
            struct port_mapping *p = &h->port_mappings.items[i];
            int r = check_one(h->routed == is_routed(n) ? *p : port_mapping_as_asked(p), n, e);
            if (r == 0)
                continue;
            _cleanup_free_ char *word = port_mapping_word(p);
            err_wrap(e, "network `%s` would be the way out of container `%s`", n->name, sb->name);
            err_hint(e, "`netctr unpublish %s %s` first, or a lower --gw-priority", sb->name, word);
            return r;
        }
    return 0;
}

int ports_prepare(struct sandbox *sb, struct attachment *p, struct port_binding **fresh,
                  struct err *e)
{
    *fresh = NULL;
    if (attachments_gateway(sb) != p)
        return 0;
    int r = require_carrier(sb, &p->network, e);
    if (r == 0 && (r = reopen(sb, &p->network, fresh, e)) < 0)
        err_wrap(e, "network `%s` publishes the ports of container `%s`", p->network.name,
                 sb->name);
    return r;
}

/* Replaces the ports that were set aside, or published in the other mode, by the @fresh ones. */
static void replace(struct sandbox *sb, struct port_binding *fresh)
{
    for (struct port_binding *h = sb->bindings, *next; h; h = next) {
        next = h->next;
        if (h->routed == fresh->routed)
            continue;
        ports_event(sb, "unpublish", &h->port_mappings);
        binding_close(sb, h);
    }
    ports_event(sb, "publish", &fresh->port_mappings);
    size_t kept = 0;
    for (size_t i = 0; i < sb->waiting.count; i++) {
        bool opened = false;
        for (size_t k = 0; k < fresh->port_mappings.count; k++) {
            struct port_mapping p = port_mapping_as_asked(&fresh->port_mappings.items[k]);
            opened = opened || (p.port == sb->waiting.items[i].port &&
                                port_mapping_equal(&p, &sb->waiting.items[i]));
        }
        if (!opened)
            sb->waiting.items[kept++] = sb->waiting.items[i];
    }
    sb->waiting.count = kept;
}

int ports_move(struct sandbox *sb, struct port_binding **fresh, struct err *e)
{
    struct attachment *to = attachments_gateway(sb), *from = attachments_publisher(sb);
    if (!to || (from == to && !*fresh))
        return 0;
    int r = 0;
    if (from != to) {
        _cleanup_port_mappings_ struct port_mappings all = {0};
        for (size_t i = 0; i < from->endpoint.port_mappings.count; i++)
            port_mappings_append(&all, &from->endpoint.port_mappings.items[i]);
        r = ports_withdraw(sb, &all, e);
        if (r < 0) /* unknown: ports_settle() publishes again */
            from->endpoint.port_mappings.count = 0;
    }
    for (struct port_binding *h = sb->bindings; r == 0 && h; h = h->next)
        if (h->routed == is_routed(&to->network))
            r = binding_publish(sb, h, to, e);
    if (r == 0 && *fresh)
        replace(sb, take_ptr(*fresh));
    return r;
}

/* ---- after a network was disconnected -------------------------------------------------------*/

static void lose(struct sandbox *sb, const struct port_mappings *lost)
{
    for (struct port_binding *h = sb->bindings, *next; h; h = next) {
        next = h->next;
        if (binding_shed(h, lost) && !h->port_mappings.count)
            binding_close(sb, h);
    }
    for (size_t i = 0; i < lost->count; i++) {
        struct port_mapping asked = port_mapping_as_asked(&lost->items[i]);
        port_mappings_append(&sb->waiting, &asked);
    }
    ports_event(sb, "unpublish", lost);
}

static void lose_binding(struct sandbox *sb, struct port_binding *h)
{
    _cleanup_port_mappings_ struct port_mappings lost = {0};
    for (size_t i = 0; i < h->port_mappings.count; i++)
        port_mappings_append(&lost, &h->port_mappings.items[i]);
    lose(sb, &lost);
}

/* Sets aside the ports that @to (NULL: no network) cannot carry. */
static void lose_misfits(struct sandbox *sb, const struct attachment *to)
{
    _cleanup_port_mappings_ struct port_mappings lost = {0};
    for (struct port_binding *h = sb->bindings; h; h = h->next)
        for (size_t i = 0; i < h->port_mappings.count; i++) {
            const struct port_mapping *p = &h->port_mappings.items[i];
            bool same = to && h->routed == is_routed(&to->network);
            if (!to || check_one(same ? *p : port_mapping_as_asked(p), &to->network, NULL) < 0)
                port_mappings_append(&lost, p);
        }
    lose(sb, &lost);
}

int ports_settle(struct sandbox *sb, struct err *e)
{
    struct attachment *to = attachments_gateway(sb);
    struct port_binding *fresh = NULL;
    _cleanup_err_ struct err step = ERR_INIT;
    int result = 0;
    lose_misfits(sb, to);
    if (!to)
        return 0;
    bool routed = is_routed(&to->network);
    int opened = reopen(sb, &to->network, &fresh, &step);
    err_note(&result, opened, e, &step);
    for (struct port_binding *h = sb->bindings, *next; h; h = next) {
        next = h->next;
        int r = h->routed == routed ? binding_publish(sb, h, to, &step) : opened;
        err_note(&result, r, e, &step);
        if (r < 0 && h == fresh)
            binding_close(sb, take_ptr(fresh)); /* what was set aside remains so */
        else if (r < 0)
            lose_binding(sb, h);
    }
    if (fresh)
        replace(sb, fresh);
    return result;
}
