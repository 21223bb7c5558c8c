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
    char *names = xstrdup("");
    for (size_t i = 0; i < l->plug_count; i++) {
        strv_add_take(&s->networks, attachment_text(&l->plugs[i].wanted));
        _cleanup_free_ char *before = names;
        names = xasprintf("%s%s%s", before, *before ? "," : "", l->plugs[i].network.name);
    }
    free(s->network);
    s->network = *names ? take_ptr(names) : xstrdup("none");
    free(names);
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

static int require_own_network(struct living *l, struct err *e)
{
    const struct spec *s = &l->container.spec;
    enum network_word word = network_word(s->network, NULL);
    if (word == NETWORK_NAME || word == NETWORK_WORD_NONE)
        return 0;
    return err_say(e, -EINVAL,
                   "container `%s` has no network of its own (it was run with `--network %s`)",
                   s->name, s->network);
}

static int attach_new(struct living *l, struct plug *p, struct err *e)
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
        r = plug_rank(l, p, inside, e);
    if (r == 0)
        r = plug_in(l, p, inside, e);
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
static void undo_connect(struct living *l, struct plug *p)
{
    _cleanup_err_ struct err ignored = ERR_INIT;
    if (leave_network(l, p, true, &ignored) < 0)
        return; /* what cannot be undone keeps its record */
    world_network_event(l->world, "disconnect", &p->endpoint);
    plugs_remove(l, p);
    if (rewrite_files(l, &ignored) == 0)
        (void)keep(l, &ignored);
}

static int connect_network(struct living *l, const char *text, struct err *e)
{
    int r = require_own_network(l, e);
    if (r < 0)
        return r;
    struct plug *p = plugs_add(l);
    r = attachment_parse(text, &p->wanted, e);
    for (size_t i = 0; r == 0 && i + 1 < l->plug_count; i++)
        if (streq(l->plugs[i].network.name, p->wanted.network))
            r = err_say(e, -EEXIST, "container `%s` is on network `%s` already",
                        l->container.spec.name, p->wanted.network);
    l->born = BORN_UNKNOWN;
    if (r == 0)
        r = attach_new(l, p, e);
    if (r < 0 && !p->attached) {
        plugs_remove(l, p);
        return r;
    }
    if (r == 0)
        r = rewrite_files(l, e);
    if (r == 0)
        r = watch_names(l, e);
    if (r == 0)
        r = keep(l, e);
    if (r < 0)
        undo_connect(l, p);
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
    if (l->holdings && p->endpoint.publishes.count) {
        err_say(e, -EBUSY, "the ports of container `%s` are published by way of network `%s`",
                l->container.spec.name, name);
        return err_hint(e, "`netctr unpublish %s --all` first", l->container.spec.name);
    }
    int r = leave_network(l, p, false, e);
    if (r < 0)
        return r;
    world_network_event(l->world, "disconnect", &p->endpoint);
    plugs_remove(l, p);
    return keep_all_the_same(l, rewrite_files(l, e), e);
}

/* ---- publish, unpublish ------------------------------------------------------------------------*/

/* A line for each text of holding_describe(). */
static char *describe_lines(struct living *l, const struct holding *h)
{
    _cleanup_strv_ strv ports = NULL;
    holding_describe(l, h, &ports);
    size_t size = 1;
    strv_each (port, ports)
        size += strlen(port) + 1;
    char *text = xcalloc(size, 1), *end = text;
    strv_each (port, ports)
        end = stpcpy(stpcpy(end, port), "\n");
    return text;
}

static void redescribe_publish(struct living *l)
{
    struct spec *s = &l->container.spec;
    strv_free(take_ptr(s->publish));
    for (struct holding *h = l->holdings; h; h = h->next)
        for (size_t i = 0; i < h->publishes.count; i++)
            strv_add_take(&s->publish, publish_word(&h->publishes.items[i]));
}

/* A reload between the rule's end and the record's would bring the rule back: hence the lock. */
static int end_rules(struct living *l, const struct publish_list *ended, struct err *e)
{
    _cleanup_close_ int lock = store_lock(&l->world->store, e);
    return lock < 0 ? lock
                    : endpoint_unpublish(l->bridge, &plugs_publisher(l)->endpoint, ended,
                                         l->container.run_fd, e);
}

static void undo_publish(struct living *l, struct holding *h)
{
    _cleanup_err_ struct err ignored = ERR_INIT;
    if (end_rules(l, &h->publishes, &ignored) < 0)
        return;
    holding_close(l, h);
    redescribe_publish(l);
    holdings_describe(l);
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

static void tell_ports(struct living *l, const char *what, const struct publish_list *ports)
{
    char *text = xstrdup("");
    for (size_t i = 0; i < ports->count; i++) {
        _cleanup_free_ char *before = text, *word = publish_word(&ports->items[i]);
        text = xasprintf("%s%s%s", before, *before ? "," : "", word);
    }
    container_event(&l->container, what, (const struct event_attribute[]){{"ports", text, 0}, {0}});
    free(text);
}

static int publish_ports(struct living *l, char *const *words, char **answer, struct err *e)
{
    _cleanup_publish_ struct publish_list list = {0};
    struct holding *h = NULL;
    int r = require_own_network(l, e);
    strv_each (word, words)
        if (r == 0)
            r = publish_parse(word, &list, e);
    if (r == 0)
        r = holding_open(l, &list, &h, e);
    if (r < 0)
        return r;
    struct plug *p = plugs_publisher(l);
    r = holding_serve(l, h, &p->endpoint, e);
    if (r == 0)
        r = add_rules(l, &p->endpoint, &h->publishes, e);
    if (r < 0) {
        holding_close(l, h);
        return r;
    }
    strv_each (word, words)
        strv_add(&l->container.spec.publish, word);
    *answer = describe_lines(l, h);
    r = flows_look_again(l, &p->endpoint, e);
    if (r == 0)
        r = keep(l, e);
    if (r < 0)
        undo_publish(l, h);
    else
        tell_ports(l, "publish", &h->publishes);
    return r;
}

static bool same_ports(const struct publish *p, const struct publish *wanted)
{
    if (p->protocol != wanted->protocol)
        return false;
    if (!wanted->host_port)
        return p->host_port == wanted->port;
    return p->host_port == wanted->host_port && p->port == wanted->port;
}

/* "8080", "8080/udp", "8080:80" or "192.0.2.2:8080:80": the host's port is what counts. Without an address
 * it is meant on all of them. */
static bool matches(const struct publish *p, const struct publish *wanted)
{
    return same_ports(p, wanted) && (!wanted->host.family || ip_equal(&p->host, &wanted->host));
}

static void append(struct publish_list *l, const struct publish *p)
{
    l->items = xrealloc(l->items, l->count + 1, sizeof(*l->items));
    l->items[l->count++] = *p;
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

/* What @words name of all that is published, or everything. */
static int choose(struct living *l, char *const *words, struct publish_list *out, struct err *e)
{
    _cleanup_publish_ struct publish_list wanted = {0};
    bool all = words && streq(words[0], "--all");
    strv_each (word, words)
        if (!all && publish_parse(word, &wanted, e) < 0)
            return e->code;
    for (struct holding *h = l->holdings; h; h = h->next)
        for (size_t i = 0; i < h->publishes.count; i++) {
            bool chosen = all;
            for (size_t k = 0; k < wanted.count; k++)
                chosen = chosen || matches(&h->publishes.items[i], &wanted.items[k]);
            if (chosen)
                append(out, &h->publishes.items[i]);
        }
    if (!out->count)
        keep_what_was_not(l);
    if (out->count || all)
        return 0;
    err_say(e, -ENOENT, "container `%s` does not publish port %s", l->container.spec.name,
            words ? words[0] : "");
    return hint_at_both(l, &wanted, e);
}

/* Lets go of the sockets of ended ports. The proxy is made anew over those that stay: connections of
 * [::1] that go through it end. */
static int shrink(struct living *l, struct holding *h, const struct publish_list *ended,
                  struct err *e)
{
    size_t kept = 0;
    for (size_t i = 0; i < h->publishes.count; i++)
        if (!publish_listed(ended, &h->publishes.items[i]))
            h->publishes.items[kept++] = h->publishes.items[i];
    if (kept == h->publishes.count)
        return 0;
    h->publishes.count = kept;
    holding_stop(l, h);
    kept = 0;
    for (size_t i = 0; i < h->held.count; i++)
        if (publish_listed(ended, &h->held.items[i].publish))
            close(h->held.items[i].fd);
        else
            h->held.items[kept++] = h->held.items[i];
    h->held.count = kept;
    return holding_serve(l, h, &plugs_publisher(l)->endpoint, e);
}

static int unpublish_ports(struct living *l, char *const *words, struct err *e)
{
    _cleanup_publish_ struct publish_list ended = {0};
    int r = choose(l, words, &ended, e);
    if (r < 0 || ended.count == 0 || (r = end_rules(l, &ended, e)) < 0)
        return r;
    for (struct holding *h = l->holdings, *next; h; h = next) {
        next = h->next;
        int shrunk = shrink(l, h, &ended, r == 0 ? e : NULL);
        r = r == 0 ? shrunk : r;
        if (!h->publishes.count)
            holding_close(l, h);
    }
    redescribe_publish(l);
    tell_ports(l, "unpublish", &ended);
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
