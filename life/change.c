/* Changes to the network of a container that runs: connect, disconnect, publish, unpublish. Its monitor
 * makes them, when somebody asks at its door (control.h). The definition follows, so that the next
 * start has what this life has come to.
 */
#include "living.h"

#include <errno.h>
#include <string.h>

/* ---- the definition ----------------------------------------------------------------------------*/

static void describe_networks(struct living *l)
{
    struct spec *s = &l->container.spec;
    strv_free(take_ptr(s->networks));
    for (size_t i = 0; i < l->plug_count; i++)
        strv_add_take(&s->networks, attachment_text(&l->plugs[i].wanted));
    free(s->network);
    s->network = attachment_names(s->networks);
}

static int keep(struct living *l, struct err *e)
{
    describe_networks(l);
    holdings_describe(l);
    int r = container_save_definition(&l->container, e);
    l->unsaved = r < 0;
    return r;
}

/* What has gone is gone, whatever failed on the way (@r): the definition follows. If it cannot be written now,
 * it is when somebody asks again for what is not there any more. */
static int keep_all_the_same(struct living *l, int r, struct err *e)
{
    int kept = keep(l, r == 0 ? e : NULL);
    return r < 0 ? r : kept;
}

static void keep_what_was_not(struct living *l)
{
    if (l->unsaved)
        (void)keep(l, NULL);
}

/* ---- connect, disconnect -----------------------------------------------------------------------*/

static int attach_new(struct living *l, struct plug *p, struct holding **fresh, struct err *e)
{
    _cleanup_rt_ struct rt *inside = NULL;
    int r = world_bridge(l->world, &l->bridge, e); /* one that was run without a network has none */
    if (r == 0)
        r = helpers_prepare(l->world, &l->seed, e);
    if (r == 0)
        r = network_load(l->bridge, p->wanted.network, &p->network, e);
    if (r == 0)
        r = plug_check(l, p, e);
    if (r == 0)
        r = netns_open_rt(l->netns, &inside, e);
    if (r == 0)
        r = ports_prepare(l, p, fresh, e);
    if (r == 0)
        r = plug_rank(l, p, inside, e);
    if (r == 0)
        r = plug_in(l, p, inside, NULL, e);
    return r == 0 ? seed_watch(l, e) : r;
}

/* Its name goes first: the address may be another's at once. A reload between the guard's end and the record's
 * would bring the guard back: hence the lock, without which nothing has changed. */
static int leave_network(struct living *l, struct plug *p, bool anyway, struct err *e)
{
    _cleanup_close_ int lock = store_lock(&l->world->store, e);
    int r = lock < 0 ? lock : plug_unname(l, p, e);
    if (lock >= 0 && anyway)
        r = 0;
    return r < 0 ? r : endpoint_detach(l->bridge, &p->endpoint, false, l->container.run_fd, e);
}

/* A change that cannot be written down is none. */
static void undo_connect(struct living *l, struct plug *p, struct holding *fresh)
{
    _cleanup_err_ struct err ignored = ERR_INIT;
    if (leave_network(l, p, true, &ignored) < 0)
        return; /* what cannot be undone keeps its record, and its ports their sockets */
    world_network_event(l->world, "disconnect", &p->endpoint);
    plugs_remove(l, p);
    if (fresh)
        holding_close(l, fresh);
    (void)ports_settle(l, &ignored);
    if (rewrite_files(l, &ignored) == 0)
        (void)keep(l, &ignored);
}

static int connect_network(struct living *l, const char *text, struct err *e)
{
    struct plug *p = plugs_add(l);
    struct holding *fresh = NULL; /* ports that it brings back */
    int r = attachment_parse(text, &p->wanted, e);
    for (size_t i = 0; r == 0 && i + 1 < l->plug_count; i++)
        if (streq(l->plugs[i].network.name, p->wanted.network))
            r = err_say(e, -EEXIST, "container `%s` is on network `%s` already",
                        l->container.spec.name, p->wanted.network);
    l->born = BORN_UNKNOWN;
    if (r == 0)
        r = attach_new(l, p, &fresh, e);
    if (r == 0)
        r = rewrite_files(l, e);
    if (r == 0)
        r = watch_names(l, e);
    if (r == 0)
        r = ports_move(l, &fresh, e);
    if (r == 0)
        r = keep(l, e);
    if (r < 0 && p->attached) {
        undo_connect(l, p, fresh);
    } else if (r < 0) {
        plugs_remove(l, p);
        if (fresh)
            holding_close(l, fresh);
    }
    return r;
}

static int disconnect_network(struct living *l, const char *name, struct err *e)
{
    struct plug *p = NULL;
    name = attachment_network(name);
    for (size_t i = 0; i < l->plug_count; i++)
        if (streq(l->plugs[i].network.name, name))
            p = &l->plugs[i];
    if (!p) {
        keep_what_was_not(l);
        return err_say(e, -ENOENT, "container `%s` is not on network `%s`", l->container.spec.name,
                       name);
    }
    bool carried = p == plugs_publisher(l);
    int r = leave_network(l, p, false, e);
    if (r < 0)
        return r;
    world_network_event(l->world, "disconnect", &p->endpoint);
    plugs_remove(l, p);
    if (carried && (r = ports_settle(l, e)) < 0) {
        const char *container = l->container.spec.name;
        err_wrap(
            e,
            "container `%s` is disconnected from network `%s`, but does not publish all of its ports",
            container, name);
        err_hint(e, "`netctr publish %s PORT` tries again", container);
    }
    int written = rewrite_files(l, r == 0 ? e : NULL);
    return keep_all_the_same(l, r < 0 ? r : written, e);
}

/* ---- publish, unpublish ------------------------------------------------------------------------*/

/* A line for each text of holding_describe(). */
static char *describe_lines(struct living *l, const struct holding *h)
{
    _cleanup_strv_ strv ports = NULL;
    holding_describe(l, h, &ports);
    _cleanup_free_ char *text = strv_join(ports, "\n");
    return xasprintf("%s%s", text, *text ? "\n" : "");
}

static void redescribe_publish(struct living *l)
{
    struct spec *s = &l->container.spec;
    strv_free(take_ptr(s->publish));
    for (struct holding *h = l->holdings; h; h = h->next)
        for (size_t i = 0; i < h->publishes.count; i++)
            strv_add_take(&s->publish, publish_asked_word(&h->publishes.items[i]));
    for (size_t i = 0; i < l->waiting.count; i++)
        strv_add_take(&s->publish, publish_word(&l->waiting.items[i]));
}

static void undo_publish(struct living *l, struct holding *h)
{
    _cleanup_err_ struct err ignored = ERR_INIT;
    if (ports_withdraw(l, &h->publishes, &ignored) < 0)
        return;
    holding_close(l, h);
    redescribe_publish(l);
    holdings_describe(l);
}

/* The definition names ports once, also those that waited until now. */
static void add_words(struct living *l, const struct holding *h, char *const *words)
{
    size_t kept = 0, count = l->waiting.count;
    for (size_t i = 0; i < count; i++)
        if (!publish_listed(&h->publishes, &l->waiting.items[i]))
            l->waiting.items[kept++] = l->waiting.items[i];
    l->waiting.count = kept;
    if (kept < count)
        redescribe_publish(l);
    else
        strv_each (word, words)
            strv_add(&l->container.spec.publish, word);
}

static int publish_ports(struct living *l, char *const *words, char **answer, struct err *e)
{
    _cleanup_publish_ struct publish_list list = {0};
    struct holding *h = NULL;
    int r = 0;
    strv_each (word, words)
        if (r == 0)
            r = publish_parse(word, &list, e);
    if (r == 0)
        r = holding_open(l, &list, &h, e);
    if (r < 0)
        return r;
    r = holding_publish(l, h, plugs_publisher(l), e);
    if (r < 0) {
        undo_publish(l, h);
        return r;
    }
    add_words(l, h, words);
    *answer = describe_lines(l, h);
    r = keep(l, e);
    if (r < 0)
        undo_publish(l, h);
    else
        ports_event(l, "publish", &h->publishes);
    return r;
}

/* One that waits for a network may have no host port yet. */
static bool same_ports(const struct publish *p, const struct publish *wanted)
{
    if (p->protocol != wanted->protocol)
        return false;
    if (!wanted->host_port)
        return (p->host_port ? p->host_port : p->port) == wanted->port;
    return p->host_port == wanted->host_port && p->port == wanted->port;
}

/* "8080", "8080/udp", "8080:80" or "192.0.2.2:8080:80": the host's port is what counts. Without an address
 * it is meant on all of them. */
static bool matches(const struct publish *p, const struct publish *wanted)
{
    return same_ports(p, wanted) && (!wanted->host.family || ip_equal(&p->host, &wanted->host));
}

/* `port` shows 0.0.0.0:8080 and [::]:8080 for a port on every address, of which only the whole can be
 * withdrawn. */
static int hint_at_both(const struct living *l, const struct publish_list *wanted, struct err *e)
{
    for (struct holding *h = l->holdings; h; h = h->next)
        for (size_t i = 0; i < h->publishes.count; i++)
            for (size_t k = 0; k < wanted->count; k++) {
                const struct publish *p = &h->publishes.items[i];
                if (p->host.family || !same_ports(p, &wanted->items[k]))
                    continue;
                _cleanup_free_ char *word = publish_word(p);
                return err_hint(e, "it publishes %s on every address: `netctr unpublish %s %s`",
                                word, l->container.spec.name, word);
            }
    return e->code;
}

/* What is to end of some ports; @words name it, or "--all". */
struct ending {
    bool all;
    struct publish_list wanted;
    struct publish_list published; /* what ends of the published ones … */
    struct publish_list waiting;   /* … and what stays of the others */
};

static void ending_clear(struct ending *x)
{
    publish_list_clear(&x->wanted);
    publish_list_clear(&x->published);
    publish_list_clear(&x->waiting);
}

static bool is_chosen(const struct ending *x, const struct publish *p)
{
    bool chosen = x->all;
    for (size_t k = 0; !chosen && k < x->wanted.count; k++)
        chosen = matches(p, &x->wanted.items[k]);
    return chosen;
}

static int choose(struct living *l, char *const *words, struct ending *x, struct err *e)
{
    x->all = words && streq(words[0], "--all");
    strv_each (word, words)
        if (!x->all && publish_parse(word, &x->wanted, e) < 0)
            return e->code;
    for (struct holding *h = l->holdings; h; h = h->next)
        for (size_t i = 0; i < h->publishes.count; i++)
            if (is_chosen(x, &h->publishes.items[i]))
                publish_add(&x->published, &h->publishes.items[i]);
    for (size_t i = 0; i < l->waiting.count; i++)
        if (!is_chosen(x, &l->waiting.items[i]))
            publish_add(&x->waiting, &l->waiting.items[i]);
    bool any = x->published.count || x->waiting.count < l->waiting.count;
    if (!any)
        keep_what_was_not(l);
    if (any || x->all)
        return any;
    err_say(e, -ENOENT, "container `%s` does not publish port %s", l->container.spec.name,
            words ? words[0] : "");
    return hint_at_both(l, &x->wanted, e);
}

/* The proxy of those that stay is made again: connections of [::1] that go through it end. */
static int shrink(struct living *l, struct holding *h, const struct publish_list *ended,
                  struct err *e)
{
    return holding_shed(l, h, ended) && h->publishes.count
               ? holding_serve(l, h, &plugs_publisher(l)->endpoint, e)
               : 0;
}

static int unpublish_ports(struct living *l, char *const *words, struct err *e)
{
    __attribute__((cleanup(ending_clear))) struct ending ending = {0};
    int r = choose(l, words, &ending, e);
    if (r <= 0 || (r = ports_withdraw(l, &ending.published, e)) < 0)
        return r;
    for (struct holding *h = l->holdings, *next; h; h = next) {
        next = h->next;
        int shrunk = shrink(l, h, &ending.published, r == 0 ? e : NULL);
        r = r == 0 ? shrunk : r;
        if (!h->publishes.count)
            holding_close(l, h);
    }
    publish_list_clear(&l->waiting);
    l->waiting = ending.waiting;
    ending.waiting = (struct publish_list){0};
    redescribe_publish(l);
    ports_event(l, "unpublish", &ending.published);
    return keep_all_the_same(l, r, e);
}

/* ---- the door ----------------------------------------------------------------------------------*/

int change_network(void *living, const char *what, char *const *words, char **answer, struct err *e)
{
    struct living *l = living;
    if (streq(what, "publish"))
        return publish_ports(l, words, answer, e);
    if (streq(what, "unpublish"))
        return unpublish_ports(l, words, e);
    if (streq(what, "connect") && words && words[0])
        return connect_network(l, words[0], e);
    if (streq(what, "disconnect") && words && words[0])
        return disconnect_network(l, words[0], e);
    err_say(e, -EOPNOTSUPP, "the monitor of container `%s` cannot do that: `%s`",
            l->container.spec.name, what);
    return err_hint(e, "it was started by another version of netctr: restart the container");
}
