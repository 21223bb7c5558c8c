/* Changes to the network of a running container: connect, disconnect, publish, unpublish. Its monitor makes them, when it
 * is asked over the control socket (control.h). The definition is saved after each, so that the next start has the same
 * networks and ports.
 */
#include "monitor.h"

#include <errno.h>
#include <string.h>

/* ---- the definition ----------------------------------------------------------------------------*/

static void describe_networks(struct monitor *m)
{
    struct spec *s = &m->container.spec;
    strv_free(take_ptr(s->networks));
    for (size_t i = 0; i < m->attachment_count; i++)
        strv_add_take(&s->networks, connect_request_text(&m->attachments[i].wanted));
    free(s->network);
    s->network = connect_request_names(s->networks);
}

static int keep(struct monitor *m, struct err *e)
{
    describe_networks(m);
    bindings_describe(m);
    int r = container_save_definition(&m->container, e);
    m->unsaved = r < 0;
    return r;
}

/* What has been removed stays removed even if a later step failed (@r), so the definition is saved in any case. If that
 * fails now, it is tried again when the same is asked for once more: retry_keep(). */
static int keep_anyway(struct monitor *m, int r, struct err *e)
{
    int kept = keep(m, r == 0 ? e : NULL);
    return r < 0 ? r : kept;
}

static void retry_keep(struct monitor *m)
{
    if (m->unsaved)
        (void)keep(m, NULL);
}

/* ---- connect, disconnect -----------------------------------------------------------------------*/

static int attach_new(struct monitor *m, struct attachment *p, struct port_binding **fresh,
                      struct err *e)
{
    _cleanup_rt_ struct rt *inside = NULL;
    int r = engine_net(m->engine, &m->net, e); /* not opened yet if it was run without a network */
    if (r == 0)
        r = helpers_prepare(m->engine, &m->seed, e);
    if (r == 0)
        r = network_load(m->net, p->wanted.network, &p->network, e);
    if (r == 0)
        r = attachment_check(m, p, e);
    if (r == 0)
        r = netns_open_rt(m->netns, &inside, e);
    if (r == 0)
        r = ports_prepare(m, p, fresh, e);
    if (r == 0)
        r = attachment_rank(m, p, inside, e);
    if (r == 0)
        r = attachment_connect(m, p, inside, NULL, e);
    return r == 0 ? seed_watch(m, e) : r;
}

/* The name goes first, because the address may be given to another container at once. The lock excludes a reload between
 * the deletion of the guard's elements and that of the record, which would bring the elements back. */
static int leave_network(struct monitor *m, struct attachment *p, bool anyway, struct err *e)
{
    _cleanup_close_ int lock = store_lock(&m->engine->store, e);
    int r = lock < 0 ? lock : attachment_unname(m, p, e);
    if (lock >= 0 && anyway)
        r = 0;
    return r < 0 ? r : endpoint_detach(m->net, &p->endpoint, false, m->container.run_fd, e);
}

/* A change that cannot be saved is undone. */
static void undo_connect(struct monitor *m, struct attachment *p, struct port_binding *fresh)
{
    _cleanup_err_ struct err ignored = ERR_INIT;
    if (leave_network(m, p, true, &ignored) < 0)
        return; /* the record and the sockets stay, so that a later cleanup finds them */
    engine_network_event(m->engine, "disconnect", &p->endpoint);
    attachments_remove(m, p);
    if (fresh)
        binding_close(m, fresh);
    (void)ports_settle(m, &ignored);
    if (rewrite_files(m, &ignored) == 0)
        (void)keep(m, &ignored);
}

static int connect_network(struct monitor *m, const char *text, struct err *e)
{
    struct attachment *p = attachments_add(m);
    struct port_binding *fresh = NULL; /* ports that waited for a network like this */
    int r = connect_request_parse(text, &p->wanted, e);
    for (size_t i = 0; r == 0 && i + 1 < m->attachment_count; i++)
        if (streq(m->attachments[i].network.name, p->wanted.network))
            r = err_say(e, -EEXIST, "container `%s` is on network `%s` already",
                        m->container.spec.name, p->wanted.network);
    m->born = BORN_UNKNOWN;
    if (r == 0)
        r = attach_new(m, p, &fresh, e);
    if (r == 0)
        r = rewrite_files(m, e);
    if (r == 0)
        watch_names(m);
    if (r == 0)
        r = ports_move(m, &fresh, e);
    if (r == 0)
        r = keep(m, e);
    if (r < 0 && p->attached) {
        undo_connect(m, p, fresh);
    } else if (r < 0) {
        attachments_remove(m, p);
        if (fresh)
            binding_close(m, fresh);
    }
    return r;
}

static int disconnect_network(struct monitor *m, const char *name, struct err *e)
{
    struct attachment *p = NULL;
    name = connect_request_network(name);
    for (size_t i = 0; i < m->attachment_count; i++)
        if (streq(m->attachments[i].network.name, name))
            p = &m->attachments[i];
    if (!p) {
        retry_keep(m);
        return err_say(e, -ENOENT, "container `%s` is not on network `%s`", m->container.spec.name,
                       name);
    }
    bool carried = p == attachments_publisher(m);
    int r = leave_network(m, p, false, e);
    if (r < 0)
        return r;
    engine_network_event(m->engine, "disconnect", &p->endpoint);
    attachments_remove(m, p);
    if (carried && (r = ports_settle(m, e)) < 0) {
        const char *container = m->container.spec.name;
        err_wrap(
            e,
            "container `%s` is disconnected from network `%s`, but does not publish all of its ports",
            container, name);
        err_hint(e, "`netctr publish %s PORT` tries again", container);
    }
    int written = rewrite_files(m, r == 0 ? e : NULL);
    return keep_anyway(m, r < 0 ? r : written, e);
}

/* ---- publish, unpublish ------------------------------------------------------------------------*/

static json_t *describe_ports(struct monitor *m, const struct port_binding *h)
{
    _cleanup_strv_ strv ports = NULL;
    json_t *j = json_object();
    binding_describe(m, h, &ports);
    json_put_strv(j, "ports", ports);
    return j;
}

static void redescribe_publish(struct monitor *m)
{
    struct spec *s = &m->container.spec;
    strv_free(take_ptr(s->publish));
    for (struct port_binding *h = m->bindings; h; h = h->next)
        for (size_t i = 0; i < h->port_mappings.count; i++)
            strv_add_take(&s->publish, port_mapping_asked_word(&h->port_mappings.items[i]));
    for (size_t i = 0; i < m->waiting.count; i++)
        strv_add_take(&s->publish, port_mapping_word(&m->waiting.items[i]));
}

static void undo_publish(struct monitor *m, struct port_binding *h)
{
    _cleanup_err_ struct err ignored = ERR_INIT;
    if (ports_withdraw(m, &h->port_mappings, &ignored) < 0)
        return;
    binding_close(m, h);
    redescribe_publish(m);
    bindings_describe(m);
}

/* The definition has each port once, also one that waited until now. */
static void add_words(struct monitor *m, const struct port_binding *h, char *const *words)
{
    size_t kept = 0, count = m->waiting.count;
    for (size_t i = 0; i < count; i++)
        if (!port_mappings_has(&h->port_mappings, &m->waiting.items[i]))
            m->waiting.items[kept++] = m->waiting.items[i];
    m->waiting.count = kept;
    if (kept < count)
        redescribe_publish(m);
    else
        strv_each (word, words)
            strv_add(&m->container.spec.publish, word);
}

static int publish_ports(struct monitor *m, char *const *words, json_t **answer, struct err *e)
{
    _cleanup_port_mappings_ struct port_mappings list = {0};
    struct port_binding *h = NULL;
    int r = 0;
    strv_each (word, words)
        if (r == 0)
            r = port_mapping_parse(word, &list, e);
    if (r == 0)
        r = binding_open(m, &list, &h, e);
    if (r < 0)
        return r;
    r = binding_publish(m, h, attachments_publisher(m), e);
    if (r < 0) {
        undo_publish(m, h);
        return r;
    }
    add_words(m, h, words);
    json_t *ports = describe_ports(m, h);
    r = keep(m, e);
    if (r < 0) {
        json_decref(ports);
        undo_publish(m, h);
        return r;
    }
    *answer = ports;
    ports_event(m, "publish", &h->port_mappings);
    return 0;
}

/* A port that waits for a network may have no host port yet. */
static bool same_ports(const struct port_mapping *p, const struct port_mapping *wanted)
{
    if (p->protocol != wanted->protocol)
        return false;
    if (!wanted->host_port)
        return (p->host_port ? p->host_port : p->port) == wanted->port;
    return p->host_port == wanted->host_port && p->port == wanted->port;
}

/* "8080", "8080/udp", "8080:80" or "192.0.2.2:8080:80": the host's port counts. Without an address, all addresses
 * match. */
static bool matches(const struct port_mapping *p, const struct port_mapping *wanted)
{
    return same_ports(p, wanted) && (!wanted->host.family || ip_equal(&p->host, &wanted->host));
}

/* `netctr port` shows 0.0.0.0:8080 and [::]:8080 for a port on every address, which can only be withdrawn as a
 * whole. */
static int hint_at_both(const struct monitor *m, const struct port_mappings *wanted, struct err *e)
{
    for (struct port_binding *h = m->bindings; h; h = h->next)
        for (size_t i = 0; i < h->port_mappings.count; i++)
            for (size_t k = 0; k < wanted->count; k++) {
                const struct port_mapping *p = &h->port_mappings.items[i];
                if (p->host.family || !same_ports(p, &wanted->items[k]))
                    continue;
                _cleanup_free_ char *word = port_mapping_word(p);
                return err_hint(e, "it publishes %s on every address: `netctr unpublish %s %s`",
                                word, m->container.spec.name, word);
            }
    return e->code;
}

/* Ports to withdraw: those that the words of the request name, or all. */
struct ending {
    bool all;
    struct port_mappings wanted;
    struct port_mappings published; /* published ports to withdraw … */
    struct port_mappings waiting;   /* … and waiting ports to keep */
};

static void ending_clear(struct ending *x)
{
    port_mappings_clear(&x->wanted);
    port_mappings_clear(&x->published);
    port_mappings_clear(&x->waiting);
}

static bool is_chosen(const struct ending *x, const struct port_mapping *p)
{
    bool chosen = x->all;
    for (size_t k = 0; !chosen && k < x->wanted.count; k++)
        chosen = matches(p, &x->wanted.items[k]);
    return chosen;
}

static int choose(struct monitor *m, char *const *words, struct ending *x, struct err *e)
{
    x->all = words && streq(words[0], "--all");
    strv_each (word, words)
        if (!x->all && port_mapping_parse(word, &x->wanted, e) < 0)
            return e->code;
    for (struct port_binding *h = m->bindings; h; h = h->next)
        for (size_t i = 0; i < h->port_mappings.count; i++)
            if (is_chosen(x, &h->port_mappings.items[i]))
                port_mappings_append(&x->published, &h->port_mappings.items[i]);
    for (size_t i = 0; i < m->waiting.count; i++)
        if (!is_chosen(x, &m->waiting.items[i]))
            port_mappings_append(&x->waiting, &m->waiting.items[i]);
    bool any = x->published.count || x->waiting.count < m->waiting.count;
    if (!any)
        retry_keep(m);
    if (any || x->all)
        return any;
    err_say(e, -ENOENT, "container `%s` does not publish port %s", m->container.spec.name,
            words ? words[0] : "");
    return hint_at_both(m, &x->wanted, e);
}

/* Restarts the proxy for the ports that stay; connections to [::1] that go through it end. */
static int shrink(struct monitor *m, struct port_binding *h, const struct port_mappings *ended,
                  struct err *e)
{
    return binding_shed(h, ended) && h->port_mappings.count
               ? binding_serve(m, h, &attachments_publisher(m)->endpoint, e)
               : 0;
}

static int unpublish_ports(struct monitor *m, char *const *words, struct err *e)
{
    __attribute__((cleanup(ending_clear))) struct ending ending = {0};
    int r = choose(m, words, &ending, e);
    if (r <= 0 || (r = ports_withdraw(m, &ending.published, e)) < 0)
        return r;
    for (struct port_binding *h = m->bindings, *next; h; h = next) {
        next = h->next;
        int shrunk = shrink(m, h, &ending.published, r == 0 ? e : NULL);
        r = r == 0 ? shrunk : r;
        if (!h->port_mappings.count)
            binding_close(m, h);
    }
    port_mappings_clear(&m->waiting);
    m->waiting = ending.waiting;
    ending.waiting = (struct port_mappings){0};
    redescribe_publish(m);
    ports_event(m, "unpublish", &ending.published);
    return keep_anyway(m, r, e);
}

/* ---- the request -------------------------------------------------------------------------------*/

int change_network(void *monitor, const char *what, char *const *words, json_t **answer,
                   struct err *e)
{
    struct monitor *m = monitor;
    if (streq(what, "publish") && words && words[0])
        return publish_ports(m, words, answer, e);
    if (streq(what, "unpublish"))
        return unpublish_ports(m, words, e);
    if (streq(what, "connect") && words && words[0])
        return connect_network(m, words[0], e);
    if (streq(what, "disconnect") && words && words[0])
        return disconnect_network(m, words[0], e);
    err_say(e, -EOPNOTSUPP, "the monitor of container `%s` does not know the request `%s`",
            m->container.spec.name, what);
    return err_hint(e, "it was started by another version of netctr: restart the container");
}
